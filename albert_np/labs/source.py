"""The source of a lab: percent-format cells with solutions in them, from which releases and solutions are made.

    # %% lab="answer" id="rms_norm_backward"      asks for functions; its solution stands between markers
    # %% lab="check" id="rms_norm_backward"       runs a student's own check
    # %% lab="personal"                           PERSONAL = {…}, replaced by the numbers of a student
    # %% lab="figure"                             shows what a right solution shows; not run by the grader
    # %% [markdown] lab="written" id="forgets" points=15
    # %% [markdown] lab="solution"                a model answer to the question above; in no release

Cells without `lab` are prose and set-up. Markers are lines `### BEGIN SOLUTION` and `### END SOLUTION`; in a release
the lines between them become one `raise NotImplementedError`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["Cell", "read_source", "release_cells", "solution_cells"]

KINDS = ("", "answer", "check", "personal", "figure", "written", "solution")
SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n(.*?)^[ \t]*### END SOLUTION\n?", re.M | re.S)


@dataclass(frozen=True)
class Cell:
    """A cell of a lab. code: whether it is not prose; kind: one of `KINDS`; id: of the exercise, or "".

    points: of a written question.
    """

    source: str
    code: bool
    kind: str = ""
    id: str = ""
    points: float = 0


def read_source(path: str | Path) -> list[Cell]:
    """Read a lab's percent source; ValueError for a cell of a kind that there is not. Needs jupytext."""
    import jupytext

    cells = []
    for number, cell in enumerate(jupytext.read(str(path), fmt="py:percent").cells, 1):
        kind = cell.metadata.get("lab", "")
        if kind not in KINDS:
            raise ValueError(f'{path}: cell {number} has lab="{kind}"; there are {", ".join(filter(None, KINDS))}')
        known = {name: cell.metadata[name] for name in ("id", "points") if name in cell.metadata}
        cells.append(Cell(cell.source, cell.cell_type == "code", kind, **known))
    return cells


def release_cells(cells: Sequence[Cell]) -> list[Cell]:
    """Return what a student gets: no solution, and where one stood, `raise NotImplementedError`."""
    return [
        replace(cell, source=SOLUTION.sub(r"\1raise NotImplementedError\n", cell.source + "\n").rstrip("\n"))
        for cell in cells
        if cell.kind != "solution"
    ]


def solution_cells(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells with their solutions, and without the markers."""
    return [replace(cell, source=SOLUTION.sub(lambda m: m.group(2), cell.source + "\n").rstrip("\n")) for cell in cells]

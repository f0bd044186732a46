"""What students get: a lab's notebook, the same for everybody or with the numbers that belong to each.

Released notebooks are made from the sources by `labs/build.py` and hold no solution. They lie beside the sources in a
clone of the repository, and inside an installed package, which has no sources.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from albert_np.files import whole_folder
from albert_np.labs.notebook import notebook_text, read_cells
from albert_np.labs.points import Lab, Numbers, Written
from albert_np.labs.roster import Student, file_name, personal_numbers
from albert_np.labs.source import Cell, release_cells

__all__ = [
    "YOUR_ANSWER",
    "pattern_of",
    "personal_cells",
    "personal_of",
    "release_lab",
    "release_path",
    "release_text",
    "released_cells",
    "set_personal",
    "source_path",
    "template_cells",
]

PACKAGE = Path(__file__).parents[1]
YOUR_ANSWER = "*Your answer: write here.*"
_PLACEHOLDER = re.compile(r"\{\{ *(\w+) *\}\}")

Progress = Callable[[int, int], None]


def release_path(number: str) -> Path:
    """Return a lab's released notebook; FileNotFoundError if this installation has none."""
    for folder in (PACKAGE / "labs" / "released", PACKAGE.parent / "labs"):
        if found := sorted(folder.glob(f"{number}_*.ipynb")):
            return found[0]
    raise FileNotFoundError(f"this installation lacks the notebook of lab {number}; in a clone, labs/build.py makes it")


def source_path(number: str) -> Path:
    """Return a lab's source, which has the solutions; FileNotFoundError in an installed package, which has none."""
    for path in sorted((PACKAGE.parent / "labs").glob(f"{number}_*.py")):
        return path
    raise FileNotFoundError(f"the source of lab {number} is only in a clone of the repository: its solutions are in it")


def release_text(cells: Sequence[Cell], lab: Lab) -> str:
    """Return the released notebook of a lab's source, as it is committed.

    Placeholders such as {{alpha}} are in it, in the metadata of their cells; the text has the numbers of a release
    without a roster. ValueError where source and lab disagree, or a solution is still in it.
    """
    released = _with_answer_cells(release_cells(cells))
    problems = disagreements(released, lab)
    if problems:
        raise ValueError(f"lab {lab.number}: {'; '.join(problems)}")
    shown = personal_cells(released, personal_numbers(lab, None, ""))
    metadata = []
    for cell, filled in zip(released, shown, strict=True):
        keep = {"id": cell.id, "kind": cell.kind, "template": cell.source if filled.source != cell.source else ""}
        lab_metadata = {key: value for key, value in keep.items() if value}
        metadata.append({"lab": lab_metadata} if lab_metadata else {})
    return notebook_text(shown, metadata)


def _with_answer_cells(cells: Iterable[Cell]) -> list[Cell]:
    """Put a cell to write into behind each written question."""
    result = []
    for cell in cells:
        result.append(cell)
        if cell.kind == "written":
            result.append(Cell(YOUR_ANSWER, False, "reply", cell.id))
    return result


def disagreements(cells: Sequence[Cell], lab: Lab) -> list[str]:
    """Return in what a release is not what its lab asks for, one line each."""
    machine, written = ([c.id for c in cells if c.kind == kind] for kind in ("answer", "written"))
    problems = []
    for name, found, asked in (
        ("answer cells", machine, [e.id for e in lab.machine]),
        ("written questions", written, [e.id for e in lab.exercises if isinstance(e, Written)]),
    ):
        if sorted(found) != sorted(asked):
            problems.append(f"its {name} are [{', '.join(found)}], but it asks for [{', '.join(asked)}]")
    names = {name for cell in cells for name in _PLACEHOLDER.findall(cell.source)}
    if unknown := sorted(names - set(personal_numbers(lab, None, ""))):
        problems.append(f"there are no personal numbers {', '.join(unknown)}")
    heads = [cell.source.strip().split("\n")[0] for cell in cells if cell.kind == "written"]
    if len(set(heads)) < len(heads) or any(_PLACEHOLDER.search(head) for head in heads):
        problems.append("written questions are known by their first lines: no two alike, and no numbers in them")
    if any("### BEGIN SOLUTION" in cell.source or "### END SOLUTION" in cell.source for cell in cells):
        problems.append("a marker of a solution is left in a cell")
    return problems


def personal_cells(cells: Iterable[Cell], numbers: Numbers) -> list[Cell]:
    """Return cells with the numbers in the place of placeholders, and as PERSONAL where that is set."""
    result = []
    for cell in cells:
        source = _PLACEHOLDER.sub(lambda found: _shown(numbers[found[1]]), cell.source)
        result.append(replace(cell, source=set_personal(source, numbers) if cell.code else source))
    return result


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def set_personal(source: str, numbers: Numbers) -> str:
    """Return a code cell in which `PERSONAL = …`, if it stands there, sets the numbers."""
    if "PERSONAL" not in source or not numbers:
        return source
    lines = source.split("\n")
    for node in _assignments(source):
        lines[node.lineno - 1 : node.end_lineno] = [f"PERSONAL = {dict(numbers)!r}"]
    return "\n".join(lines)


def personal_of(cells: Iterable[Cell], names: set[str]) -> Numbers | None:
    """Return what `PERSONAL = {…}` of a notebook says of these names; None if it is not set there.

    Of one that is not written out, such as a call, nothing is known.
    """
    for cell in cells:
        for node in _assignments(cell.source) if cell.code and "PERSONAL" in cell.source else []:
            try:
                value = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                return {}
            return {name: value[name] for name in names & set(value)} if isinstance(value, dict) else {}
    return None


def _assignments(source: str) -> list[ast.Assign]:
    """Return the statements of a cell that set PERSONAL, the last first."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = [
        node
        for node in body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "PERSONAL" for t in node.targets)
    ]
    return found[::-1]


def released_cells(number: str, numbers: Numbers | None = None) -> list[Cell]:
    """Return the cells of a released notebook, with somebody's numbers if they are given."""
    if numbers is not None:
        return personal_cells(template_cells(number), numbers)
    path = release_path(number)
    return read_cells(path.read_bytes(), path.name)


def template_cells(number: str) -> list[Cell]:
    """Return the cells of a released notebook with placeholders where somebody's numbers will be."""
    templates = [
        c["metadata"].get("lab", {}).get("template") for c in json.loads(release_path(number).read_bytes())["cells"]
    ]
    return [replace(c, source=t) if t else c for c, t in zip(released_cells(number), templates, strict=True)]


def pattern_of(line: str) -> re.Pattern[str]:
    """Return what a line of a template matches, whatever the numbers are."""
    return re.compile(".*?".join(map(re.escape, _PLACEHOLDER.sub("\0", line.strip()).split("\0"))))


def release_lab(
    lab: Lab,
    folder: str | Path,
    roster: Mapping[str, Student] | None = None,
    secret: bytes | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Path]:
    """Write a lab's notebook into a new folder, or, with a roster, one for each student in a folder of their id.

    The path below `folder` is that of each file. FileExistsError if the folder exists and is not empty, ValueError for
    a secret without a roster, and for a roster without a secret where numbers are personal.
    """
    if secret is not None and roster is None:
        raise ValueError("secret_file= gives each student numbers of their own; it needs a roster")
    own = bool(personal_numbers(lab, None, ""))
    if roster is not None and secret is None and own:
        raise ValueError(f"the numbers of lab {lab.number} are personal: a release by roster needs secret_file=")
    name = release_path(lab.number).name
    written = []
    with whole_folder(folder) as hidden:
        taken: set[str] = set()
        people = list(roster.values()) if roster is not None else [None]
        for done, student in enumerate(people):
            numbers = personal_numbers(lab, secret, student.id) if student is not None else None
            place = Path(name) if student is None else Path(file_name(student.id, taken), name)
            (hidden / place).parent.mkdir(exist_ok=True)
            text = notebook_text(released_cells(lab.number, numbers))
            (hidden / place).write_text(text, encoding="utf-8", newline="\n")
            written.append(Path(folder) / place)
            progress(done + 1, len(people))
    return written

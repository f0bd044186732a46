"""Prove the labs: the solution is right for every seed, the stub gets nothing, each planted mistake loses its findings.

    python labs/prove.py            all labs, 200 seeds
    python labs/prove.py 02 05      some
    python labs/prove.py --seeds 5  fewer seeds

Functions run in this process; tests of the grader run them in one of their own.
"""

import argparse
import ast
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.labs import LABS, Lab, Verdict, judge, open_lab
from albert_np.labs.points import WAITS
from albert_np.labs.source import Cell, read_source, release_cells, solution_cells

FOLDER = Path(__file__).parent


def source_path(number: str) -> Path:
    (path,) = FOLDER.glob(f"{number}_*.py")
    return path


def mistakes_of(number: str) -> list[dict[str, Any]]:
    return list(tomllib.loads((FOLDER / "mistakes" / f"{number}.toml").read_text(encoding="utf-8"))["mistake"])


def functions_of(cells: list[Cell], personal: Mapping[str, Any]) -> dict[str, Any]:
    """Run set-up and answers, as the grader does, for a student with those numbers; return what they define."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        source = f"PERSONAL = {dict(personal)!r}" if cell.kind == "personal" else cell.source
        if cell.code and cell.kind in ("", "answer", "personal"):
            exec(compile(source, "<answer>", "exec"), namespace)
    return namespace


def verdicts_of(lab: Lab, cells: list[Cell], seed: int) -> list[Verdict]:
    personal = lab.personal(np.random.default_rng(seed))
    namespace = functions_of(cells, personal)
    verdicts = []
    for exercise in lab.machine:
        functions = {name: namespace[name] for name in exercise.functions if name in namespace}
        verdicts += judge(exercise, functions, seed, personal)
    return verdicts


def problems_of(number: str, seeds: int) -> list[str]:
    """Return what is wrong with a lab, one line each."""
    lab, cells = open_lab(number), read_source(source_path(number))
    problems = source_problems(lab, cells)
    for seed in range(seeds):
        problems += [
            f"seed {seed}: the solution loses {v.exercise}, {v.finding}: {v.message}"
            for v in verdicts_of(lab, solution_cells(cells), seed)
            if not v.ok
        ]
    stub = verdicts_of(lab, release_cells(cells), 0)
    problems += [f"the stub gets {v.points:g} points for {v.exercise}, {v.finding}" for v in stub if v.points]
    for mistake in mistakes_of(number):
        problems += mistake_problems(lab, cells, mistake)
    return problems


def source_problems(lab: Lab, cells: list[Cell]) -> list[str]:
    """Return where a source asks for something else than its lab, or for other points."""
    problems = [] if lab.points == 100 else [f"lab {lab.number} is worth {lab.points:g} points, not 100"]
    worth = {one.id: one.points for one in lab.exercises}
    machine = [one.id for one in lab.machine]
    asked = {"answer": machine, "written": [name for name in worth if name not in machine]}
    for kind, wanted in asked.items():
        found = [cell.id for cell in cells if cell.kind == kind]
        problems += [] if found == wanted else [f"the source's {kind} cells are {found}, the lab's {wanted}"]
    numbers = dict(lab.personal(np.random.default_rng(0)))
    for cell in cells:
        if cell.kind == "personal" and ast.literal_eval(cell.source.removeprefix("PERSONAL = ")) != numbers:
            problems.append(f"it says {cell.source}, a release without a roster has {numbers}")
        if cell.kind == "written" and cell.points != worth.get(cell.id):
            problems.append(f"the source gives {cell.points:g} points for {cell.id}, the lab {worth.get(cell.id)}")
    return problems


def mistake_problems(lab: Lab, cells: list[Cell], mistake: dict[str, Any], seed: int = 0) -> list[str]:
    """Return in what a planted mistake is not found as it should be; answers that call the mistaken one lose too."""
    name = f"mistake {mistake['name']!r}"
    solved = solution_cells(cells)
    holders = [i for i, cell in enumerate(solved) if mistake["old"] in cell.source]
    if len(holders) != 1 or solved[holders[0]].source.count(mistake["old"]) != 1:
        return [f"{name}: the solution must hold its `old` once"]
    cell = solved[holders[0]]
    solved[holders[0]] = replace(cell, source=cell.source.replace(mistake["old"], mistake["new"]))
    asked = replace(lab, exercises=[one for one in lab.machine if one.id == mistake["exercise"]])
    lost = [v for v in verdicts_of(asked, solved, seed) if not v.ok and v.message != WAITS]
    found = {(v.exercise, v.finding) for v in lost}
    wanted = {(mistake["exercise"], finding) for finding in mistake["findings"]}
    if found != wanted:
        return [f"{name} loses {sorted(found)}, expected {sorted(wanted)}"]
    if not any(mistake["says"] in v.message for v in lost):
        return [f"{name}: nothing says {mistake['says']!r}, but: {' | '.join(v.message for v in lost)}"]
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("numbers", nargs="*", help="such as 02")
    options = parser.parse_args()
    failed = False
    for number in options.numbers or LABS:
        started = time.perf_counter()
        problems = problems_of(number, options.seeds)
        count = len(mistakes_of(number))
        print(f"lab {number}: {options.seeds} seeds, {count} mistakes, {len(problems)} problems, "
              f"{time.perf_counter() - started:.1f} s", flush=True)  # fmt: skip
        for problem in problems:
            print(problem, file=sys.stderr)
        failed = failed or bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

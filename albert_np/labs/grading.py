"""Grade submissions: their cells run in a process of their own, what is looked at and the points stay in this one."""

import json
import multiprocessing
import platform
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from albert_np.course.answers import Function
from albert_np.labs.child import ALL_OVER, Child, Died, Limits, LostValue, RemoteFunction, TookTooLong
from albert_np.labs.feedback import Result
from albert_np.labs.guard import notes_on
from albert_np.labs.points import AnswerFailed, Exercise, Lab, Numbers, Written, judge
from albert_np.labs.release import YOUR_ANSWER, pattern_of, personal_of, released_cells, set_personal, template_cells
from albert_np.labs.roster import personal_numbers
from albert_np.labs.source import Cell
from albert_np.labs.submissions import Submission

__all__ = ["Grading", "grade", "grade_all", "written_answers"]

Progress = Callable[[Result, int, int], None]
LONGEST_ANSWER = 20_000  # characters of a written answer that are kept


@dataclass(frozen=True)
class Grading:
    """How a class is graded: everything that decides its points, so that it can be done again.

    number: of the lab. seed: of all that is drawn. secret: of the course, from which personal numbers follow.
    isolation: "auto", "require" (a RuntimeError where submissions cannot be kept apart) or "none". numbers: personal
    ones, if they are known otherwise than by the secret.
    """

    number: str
    seed: int
    secret: bytes | None = None
    isolation: str = "auto"
    numbers: Numbers | None = None


def grade(submission: Submission, grading: Grading) -> Result:
    """Return what a submission gets: JSON of its verdicts, written answers and notes, and of what decided them.

    RuntimeError if no process for it can be started, which is never the submission's doing.
    """
    from albert_np.labs import open_lab

    lab = open_lab(grading.number)
    numbers = personal_numbers(lab, grading.secret, submission.id)
    numbers |= grading.numbers or {}
    result: Result = {
        "lab": lab.number,
        "student": submission.id,
        "name": submission.name,
        "file": submission.path,
        "sha256": submission.sha256,
        "aside": list(submission.aside),
        "problem": submission.problem,
        "advice": submission.advice,
        "points": 0.0,
        "of": sum(exercise.points for exercise in lab.machine),
        "verdicts": [],
        "cells": [],
        "written": written_answers(submission.cells, lab),
        "notes": [],
        "told": [],
        "personal": numbers,
        "seed": grading.seed,
        "isolation": "",
        "versions": _versions(),
    }
    if submission.problem:
        result["verdicts"] = [_verdict(e, f.name, 0.0, f.points, "") for e in lab.machine for f in e.findings]
        return result
    cells = _runnable(submission.cells, lab.number, numbers)
    result["notes"] = notes_on([c for c in cells if c.code], lab)
    if other := _other_lab(submission.cells, lab):
        result["told"] = [f"this looks like a notebook of lab {other}; it was graded as lab {lab.number}"]
    elif common := _common_numbers(submission.cells, lab, numbers):
        result["told"] = [common]
    else:
        result["notes"] += _personal_note(submission.cells, numbers)
    result["notes"] = result["told"] + result["notes"]
    _judge_all(result, lab, cells, numbers, grading)
    result["points"] = round(sum(verdict["points"] for verdict in result["verdicts"]), 6)
    return result


def _judge_all(result: Result, lab: Lab, cells: Sequence[Cell], numbers: Numbers, grading: Grading) -> None:
    limits = Limits(call=lab.call_seconds, total=lab.seconds)
    sources = [cell.source if cell.code else "" for cell in cells]
    with Child(sources, limits, grading.isolation, withheld=lab.withheld) as child:
        for exercise in lab.machine:
            functions = {name: _function(child, name, cells, lab) for name in exercise.functions}
            for v in judge(exercise, functions, grading.seed, numbers):
                result["verdicts"].append(_verdict(exercise, v.finding, v.points, v.of, v.message))
        late = [v["exercise"] for v in result["verdicts"] if ALL_OVER in v["message"]]
        if late:
            exercises = ", ".join(dict.fromkeys(late))
            result["notes"].append(f"findings not looked at, {ALL_OVER} {lab.seconds:g} s: {len(late)} of {exercises}")
        result["isolation"] = child.isolation
        result["cells"] = [
            {"cell": report.number, "outcome": report.outcome, "error": str(report.error or "")}
            for report in child.report
            if report.outcome not in ("ok", "skipped")
        ]


def _verdict(exercise: Exercise, finding: str, points: float, of: float, message: str) -> dict[str, Any]:
    return {"exercise": exercise.id, "finding": finding, "points": points, "of": of, "message": message}


class _UntilGivenUp:
    """A function of a submission that is not called again once it went on for too long or ended its process.

    What one function without an end may take of the time that all of a lab share is so limited.
    """

    def __init__(self, function: RemoteFunction) -> None:
        self.function = function
        self.why = ""

    @property
    def seconds(self) -> float:
        return float(self.function.seconds)

    def __call__(self, *arguments: object) -> Any:
        if self.why:
            raise AnswerFailed(f"not looked at again: {self.why}", "Missing")
        try:
            return self.function(*arguments)
        except LostValue:
            raise
        except TookTooLong as error:
            if ALL_OVER in str(error):
                raise AnswerFailed(f"not looked at: {error}", "Missing") from error
            self.why = f"{self.function.__name__} {error} before; is there a loop that never ends?"
            raise
        except Died as error:
            self.why = f"{self.function.__name__} was called before, and {error}"
            raise


def _function(child: Child, name: str, cells: Sequence[Cell], lab: Lab) -> Function:
    """Return a function of a submission, or one that says why there is none."""
    try:
        return _UntilGivenUp(child.function(name))
    except AnswerFailed as error:
        why = str(error)
    if any(not cell.code and re.search(rf"^[ \t]*def[ \t]+{name}\b", cell.source, re.M) for cell in cells):
        why += "; it stands in a text cell: make that a code cell"
    elif name not in _defined(cells):
        others = _defined(cells) - {asked for exercise in lab.machine for asked in exercise.functions}
        if near := get_close_matches(name, sorted(others)):
            why += f"; you have {' and '.join(near)}"

    def missing(*_: object) -> None:
        raise AnswerFailed(why, "Missing")

    return missing


def _defined(cells: Iterable[Cell]) -> set[str]:
    """Return the names of the functions that code cells define at their left edge."""
    return {name for cell in cells if cell.code for name in re.findall(r"^def[ \t]+(\w+)", cell.source, re.M)}


def _runnable(cells: Sequence[Cell], number: str, numbers: Numbers) -> list[Cell]:
    """Return the cells as they are run: without checks and figures as they were handed out, with the right numbers."""
    handed_out = {_squeezed(c.source) for c in released_cells(number) if c.kind in ("check", "figure")}
    result = []
    for cell in cells:
        if cell.code and _squeezed(cell.source) in handed_out:
            cell = replace(cell, source="")
        elif cell.code:
            cell = replace(cell, source=_CHECK.sub(_without_check, set_personal(cell.source, numbers)))
        result.append(cell)
    return result


_CHECK = re.compile(r"^([ \t]*)from albert_np\.labs import ([\w, ]+)$", re.M)


def _without_check(found: re.Match[str]) -> str:
    """Return an import on one line, of which `check` does nothing: what is looked at is looked at from outside."""
    names = [name.strip() for name in found[2].split(",")]
    if "check" not in names:
        return found[0]
    others = ", ".join(name for name in names if name != "check")
    more = f"; from albert_np.labs import {others}" if others else ""
    return f"{found[1]}check = lambda *_, **__: None{more}"


def _other_lab(cells: Sequence[Cell], lab: Lab) -> str:
    """Return the number of another lab whose functions and written questions a notebook has, and none of this one's."""
    from albert_np.labs import LABS, open_lab

    defined, heads = _defined(cells), {_first(cell.source) for cell in cells if not cell.code}

    def has(each: Lab) -> int:
        asked = {name for exercise in each.machine for name in exercise.functions}
        written = {_first(cell.source) for cell in template_cells(each.number) if cell.kind == "written"}
        return len(defined & asked) + len(heads & written)

    if has(lab):
        return ""
    shares = {number: has(open_lab(number)) for number in LABS}
    best = max(shares, key=lambda number: shares[number])
    return best if shares[best] else ""


def _common_numbers(cells: Sequence[Cell], lab: Lab, numbers: Numbers) -> str:
    """Return what is to be said where PERSONAL has the numbers of a release without a roster, but others count."""
    common = personal_numbers(lab, None, "")
    said = personal_of(cells, set(numbers))
    if not said or not _same(said, common) or _same(common, numbers):
        return ""
    own = ", ".join(f"{name} = {value}" for name, value in numbers.items())
    return f"graded with the student's own numbers, {own}; the notebook has those that are the same for everybody"


def _same(one: Numbers, other: Numbers) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _personal_note(cells: Sequence[Cell], numbers: Numbers) -> list[str]:
    """Return a note if a notebook sets PERSONAL to other numbers than its student's."""
    said = personal_of(cells, set(numbers))
    if said is None or _same(said, numbers):
        return []
    return ["PERSONAL in the notebook is not this student's: edited, or somebody else's notebook"]


def written_answers(cells: Iterable[Cell], lab: Lab) -> dict[str, str | None]:
    """Return the text under each written question, by the question's id; None where the question is not found.

    A question is known by its first line. What stands behind it, up to the next cell of the release, is the answer, and
    so is what was written into the question's own cell.
    """
    released = [cell for cell in template_cells(lab.number) if cell.kind != "reply" and cell.source.strip()]
    questions = {_first(cell.source): cell for cell in released if cell.kind == "written"}
    headings = {_first(cell.source) for cell in released if not cell.code}
    fixed = {_squeezed(cell.source) for cell in released if cell.code}
    names = "|".join(name for exercise in lab.machine for name in exercise.functions)
    asked = re.compile(rf"^def ({names})\b", re.M)
    found: dict[str, str | None] = {e.id: None for e in lab.exercises if isinstance(e, Written)}
    current = ""
    for cell in cells:
        known = (
            _squeezed(cell.source) in fixed or asked.search(cell.source)
            if cell.code
            else _first(cell.source) in headings
        )
        lines = cell.source.split("\n")
        if not cell.code and _first(cell.source) in questions:
            question = questions[_first(cell.source)]
            current, known = question.id, False
            own = [pattern_of(line) for line in question.source.split("\n")]
            lines = [line for line in lines if not any(each.fullmatch(line.strip()) for each in own)]
        if known:
            current = ""
        elif current:
            found[current] = _joined(found[current], lines)
    return found


def _joined(before: str | None, lines: Sequence[str]) -> str:
    text = "\n".join(lines).replace(YOUR_ANSWER, "").strip()
    return "\n\n".join(filter(None, (before, text)))[:LONGEST_ANSWER]


def _first(source: str) -> str:
    """Return the first line of a cell, which is what it is known by, without marks and spaces."""
    line = next((line for line in source.split("\n") if line.strip()), "")
    return re.sub(r"[\W_]+", "", line).casefold()


def _squeezed(source: str) -> str:
    return "".join(source.split())


def _versions() -> dict[str, str]:
    try:
        own = version("albert-np")
    except PackageNotFoundError:  # run from a copy, as on Gradescope
        own = "a copy"
    return {"albert_np": own, "numpy": np.__version__, "python": platform.python_version()}


def grade_all(
    submissions: Sequence[Submission],
    grading: Grading,
    jobs: int = 1,
    progress: Progress = lambda result, done, total: None,
) -> list[Result]:
    """Grade submissions in so many processes at once; the order is theirs.

    What goes wrong with one costs no other: a grading that fails, or ends its process, is a result with a "failure",
    which a person must see to. RuntimeError if no process for submissions can be started at all.
    """
    results: dict[int, Result] = {}

    def keep(number: int, result: Result) -> None:
        results[number] = result
        progress(result, len(results), len(submissions))

    if jobs == 1:
        for number, submission in enumerate(submissions):
            keep(number, grade_safely(submission, grading))
    else:
        in_processes(grade_safely, submissions, grading, jobs, keep)
    return [results[number] for number in range(len(submissions))]


def in_processes(
    work: Callable[[Submission, Grading], Result],
    submissions: Sequence[Submission],
    grading: Grading,
    jobs: int,
    keep: Callable[[int, Result], None],
) -> None:
    """Keep the results of `work`, done in processes; where one ends, the rest is done one by one to find out whose."""
    left = set(range(len(submissions)))

    def done(numbers: Iterable[int], processes: int) -> bool:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may wait forever
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            futures = {pool.submit(work, submissions[number], grading): number for number in numbers}
            try:
                for future in as_completed(futures):
                    keep(futures[future], future.result())
                    left.discard(futures[future])
            except BrokenProcessPool:
                return False
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return True

    if done(sorted(left), min(jobs, len(left))):
        return
    for number in sorted(left):
        if not done([number], 1):
            keep(number, _not_graded(submissions[number], grading, "the process that graded it ended"))


def grade_safely(submission: Submission, grading: Grading) -> Result:
    """Return what `grade` does, or a result that says why it failed; RuntimeError as there."""
    try:
        return grade(submission, grading)
    except Exception as error:
        if type(error) is RuntimeError:  # no process can be started: nobody's can
            raise
        return _not_graded(submission, grading, f"{type(error).__name__}: {error}")


def _not_graded(submission: Submission, grading: Grading, why: str) -> Result:
    empty = replace(submission, cells=(), problem="it was not graded: a person must see to it")
    return grade(empty, grading) | {"failure": why}

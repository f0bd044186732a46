"""What grading leaves behind: a table, a page for each student, their results, and what the class should hear again.

OUT/grades.csv              a line for each student
OUT/results/<id>.json       all that decided the points, so that they can be had again
OUT/feedback/<id>.md        for the student: the first failure first, in their own words and lines
OUT/items.csv               how many failed each finding, and what was said most often
"""

import json
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from albert_np.files import is_vacant, read_json, whole_folder
from albert_np.labs.points import UNWRITTEN, WAITS, Exercise, Lab, Written
from albert_np.labs.roster import csv_text, file_name
from albert_np.schema import anything, number, optional, text

__all__ = ["check_output", "feedback_text", "read_results", "write_results"]

Result = dict[str, Any]  # what a submission got: `_RESULT` and more, ready for JSON
WIDTH = 100
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?")
_LARGEST = 2**26  # bytes of a result, which quotes what a student wrote
_VERDICT = {"exercise": text(), "finding": text(), "points": number(), "of": number(), "message": anything()}
_RESULT = {
    "lab": text(),
    "student": text(),
    "name": optional(text()),
    "points": number(),
    "of": number(),
    "verdicts": [_VERDICT],
    "written": {},
}
OWN = ("grades.csv", "items.csv", "results", "feedback", "gradebook.csv")


def check_output(folder: str | Path, replace: bool) -> None:
    """Raise FileExistsError unless grading may write there: into a new folder or, with `replace`, over an earlier one.

    A folder that holds anything else, such as marks that somebody filled in, is never replaced.
    """
    folder = Path(folder)
    if is_vacant(folder):
        return
    if not replace:
        raise FileExistsError(f"{folder} exists and is left as it is: choose another, or give --replace")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
    if others := sorted(set(names) - set(OWN)):
        raise FileExistsError(f"{folder} holds {others[0]}, which grading has not written: it is not replaced")


def write_results(results: Sequence[Result], lab: Lab, folder: str | Path, replace: bool = False) -> None:
    """Write all of OUT, whole or not at all; FileExistsError as `check_output`."""
    check_output(folder, replace)
    with whole_folder(folder, replace) as hidden:
        for name in ("results", "feedback"):
            (hidden / name).mkdir()
        taken: set[str] = set()
        for result in results:
            name = file_name(result["student"], taken)
            text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
            _write(hidden / "results" / f"{name}.json", text)
            _write(hidden / "feedback" / f"{name}.md", feedback_text(result, lab))
        _write(hidden / "grades.csv", _grades(results, lab))
        _write(hidden / "items.csv", _items(results, lab))


def _write(path: Path, text: str) -> None:
    """Write a text that may quote what no encoding has, such as half a character in a student's message."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def read_results(folder: str | Path) -> list[Result]:
    """Read what `write_results` wrote, in the order of names; ValueError names file and field that are not of it."""
    paths = sorted(Path(folder, "results").glob("*.json"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no results: it is not what `labs grade` writes")
    return [read_json(path, _RESULT, _LARGEST) for path in paths]


def _grades(results: Sequence[Result], lab: Lab) -> str:
    exercises = [exercise.id for exercise in lab.machine]
    written = [exercise.id for exercise in lab.exercises if isinstance(exercise, Written)]
    header = ["id", "name", "points", "of", *exercises, *(f"{name} answered" for name in written), "file"]
    rows = []
    for result in results:
        each: dict[str, float] = defaultdict(float)
        for verdict in result["verdicts"]:
            each[verdict["exercise"]] += verdict["points"]
        answered = [_answered(result, name) for name in written]
        remarks = [result["problem"], result.get("failure", ""), *result["notes"]]
        of = float(result["of"])
        points = [result["points"], of, *(each[name] for name in exercises)]
        known = ["", of, *("" for _ in exercises)] if result["problem"] else map(float, points)
        figures = [*known, *answered, result["file"]]
        rows.append([result["student"], result["name"], *figures, "; ".join(filter(None, remarks))])
    return csv_text([*header, "to look at"], rows)


def _answered(result: Result, question: str) -> str:
    answer = result["written"].get(question)
    if result["problem"]:
        return ""
    return "yes" if answer else "not found" if answer is None else "no"


def _items(results: Sequence[Result], lab: Lab) -> str:
    rows, readable = [], [result for result in results if not result["problem"]]
    for exercise in lab.machine:
        for finding in exercise.findings:
            said = [
                verdict["message"]
                for result in readable
                for verdict in result["verdicts"]
                if (verdict["exercise"], verdict["finding"]) == (exercise.id, finding.name) and verdict["message"]
            ]
            often, times = _most_often(said)
            rows.append([exercise.id, finding.name, finding.points, len(said), len(readable), often[:300], times])
    return csv_text(["exercise", "finding", "points", "failed", "of", "said most often", "times"], rows)


def _most_often(messages: Sequence[str]) -> tuple[str, int]:
    """Return what was said most often, numbers apart, in the words of its first, and how often.

    That nothing is written yet, or counts yet, is left out where anything else was said.
    """
    said = [message for message in messages if message not in (UNWRITTEN, WAITS)] or messages
    alike: dict[str, list[str]] = defaultdict(list)
    for message in said:
        alike[_NUMBER.sub("#", message)].append(message)
    most = max(alike.values(), key=len, default=[""])
    return most[0], len(most) if said else 0


def feedback_text(result: Result, lab: Lab) -> str:
    """Return a student's page: Markdown in which nothing of theirs can be markup."""
    questions = [exercise for exercise in lab.exercises if isinstance(exercise, Written)]
    lines = [f"# Lab {int(lab.number)} · {lab.title}", ""]
    if result["problem"]:
        said = result.get("advice") or result["problem"]
        return "\n".join([*lines, "Your file could not be graded:", "", *_verbatim(said)]) + "\n"
    for told in result.get("told", ()):
        lines += [*_verbatim(f"{told[0].upper()}{told[1:]}."), ""]
    lines += [f"**{result['points']:g} of {result['of']:g} points** by machine."]
    if questions:
        marked = sum(question.points for question in questions)
        lines += ["", f"A person marks the written answers: {marked:g} points more."]
        for question in questions:
            answer = result["written"].get(question.id)
            if not (answer or "").strip():
                what = "The notebook lacks the question" if answer is None else "There is no answer to"
                lines += ["", f"- {what} “{question.title}” ({question.points:g} points)."]
    failed = [verdict for verdict in result["verdicts"] if verdict["message"]]
    if failed:
        titles = {exercise.id: exercise.title for exercise in lab.machine}
        first = failed[0]
        lines += ["", "## Begin here", "", f"{titles[first['exercise']]}, {first['finding']}:", ""]
        lines += _verbatim(first["message"])
    if result["cells"]:
        lines += ["", "## Cells of yours that did not run to their end", ""]
        for cell in result["cells"][:10]:
            lines += _verbatim(f"cell {cell['cell']}: {cell['error'] or cell['outcome']}")
    for exercise in lab.machine:
        lines += ["", *_exercise_lines(exercise, [v for v in result["verdicts"] if v["exercise"] == exercise.id])]
    return "\n".join([*lines, "", *_footer(result)]) + "\n"


def _exercise_lines(exercise: Exercise, verdicts: Sequence[Result]) -> Iterable[str]:
    got = sum(verdict["points"] for verdict in verdicts)
    yield f"## {exercise.title}: {got:g} of {exercise.points:g}"
    yield ""
    for message, same in groupby(verdicts, lambda verdict: str(verdict["message"])):
        if message:
            yield f"✗ {', '.join(_finding(verdict) for verdict in same)}"
            yield ""
            yield from _verbatim(message)
            yield ""
    right = [_finding(verdict) for verdict in verdicts if not verdict["message"]]
    if right:
        yield f"✓ {', '.join(right)}"


def _finding(verdict: dict[str, Any]) -> str:
    return f"{verdict['finding']} ({verdict['of']:g})"


def _footer(result: Result) -> list[str]:
    aside = [f"Not graded: {text}." for text in result["aside"]]
    return ["---", "", *_verbatim("\n".join([f"Graded: {result['file']} (seed {result['seed']}).", *aside]))]


def _verbatim(text: str) -> list[str]:
    """Return a block whose content is shown as it is, whatever it holds."""
    lines = [part for line in text.split("\n") for part in textwrap.wrap(_printable(line), WIDTH) or [""]]
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return [f"{fence}text", *lines, fence]


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line.replace("\t", "    "))

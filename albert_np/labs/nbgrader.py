"""nbgrader collects, shows, marks by hand and exports; the points come from here.

`nbgrader autograde --no-execute` alone gives everybody full points; `bridge` then puts in what grading said.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from albert_np.labs.feedback import Result
from albert_np.labs.notebook import notebook_text
from albert_np.labs.points import Lab
from albert_np.labs.release import YOUR_ANSWER, personal_cells, release_path, source_path
from albert_np.labs.roster import personal_numbers
from albert_np.labs.source import Cell, read_source

__all__ = ["CONFIG", "bridge", "nbgrader_source"]

CONFIG = f"""\
c = get_config()
c.CourseDirectory.course_id = "albert-np"
c.OverwriteCells.add_missing_cells = True  # a cell that a student deleted costs its own points only
c.ClearSolutions.code_stub = {{"python": "raise NotImplementedError"}}
c.ClearSolutions.text_stub = "{YOUR_ANSWER}"
"""


def nbgrader_source(lab: Lab) -> str:
    """Return a lab's source notebook for nbgrader, with solutions; FileNotFoundError where there are no sources.

    Each exercise is a cell to write into, and a locked one that carries its points, by the exercise's id.
    """
    points = {exercise.id: exercise.points for exercise in lab.exercises}
    source = read_source(source_path(lab.number))
    rows: list[tuple[Cell, dict[str, Any]]] = []
    for cell, following in zip(source, [*source[1:], Cell("", False)], strict=True):
        if cell.kind == "answer":
            rows.append((cell, {"solution": True, "grade_id": f"answer-{cell.id}"}))
            if not any(each.kind == "check" and each.id == cell.id for each in source):
                rows.append((Cell(f"# {cell.id}", True, "check", cell.id), _graded(cell.id, points)))
        elif cell.kind == "check":
            rows.append((cell, _graded(cell.id, points)))
        elif cell.kind == "written":
            model = following.source if following.kind == "solution" else ""
            rows.append((cell, {}))
            rows.append((Cell(model or YOUR_ANSWER, False, "reply", cell.id), _graded(cell.id, points, written=True)))
        elif cell.kind != "solution":
            rows.append((cell, {}))
    none = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    cells = personal_cells([cell for cell, _ in rows], personal_numbers(lab, None, ""))
    return notebook_text(cells, [{"nbgrader": none | mark} if mark else {} for _, mark in rows])


def _graded(id: str, points: dict[str, float], written: bool = False) -> dict[str, Any]:
    """Return what a cell has that carries an exercise's points; a second one for the same exercise has none."""
    if id not in points:
        return {}
    return {"grade": True, "solution": written, "locked": not written, "points": points.pop(id), "grade_id": id}


def bridge(
    database: str | Path,
    results: Sequence[Result],
    lab: Lab,
    marks: Mapping[str, Mapping[str, float]] | None = None,
    assignment: str | None = None,
) -> list[str]:
    """Put points into nbgrader's gradebook, and the first message about each exercise as its comment.

    assignment: its name there, that of the released notebook by default. Returns what could not be put, one line each.
    FileNotFoundError if there is no such database, ValueError if it is not nbgrader's; ImportError without nbgrader.
    """
    try:
        from nbgrader.api import Gradebook, MissingEntry
    except ImportError as error:
        raise ImportError("nbgrader is not installed: pip install 'albert-np[instructor]'") from error
    if not Path(database).is_file():
        raise FileNotFoundError(f"there is no file {database}")
    notebook = release_path(lab.number).stem
    place = (notebook, assignment or notebook)
    remarks = []
    with Gradebook(f"sqlite:///{Path(database).resolve()}", course_id=_course_of(database, place[1])) as book:
        for result in results:
            student = result["student"]
            try:
                book.find_submission(place[1], student)
            except MissingEntry:
                remarks.append(
                    f"{student}: nbgrader has no submission of {place[1]}; run nbgrader autograde --no-execute"
                )
                continue
            try:
                _put_machine(book, result, lab, place)
                _put_marks(book, student, (marks or {}).get(student, {}), place)
            except MissingEntry as error:
                remarks.append(f"{student}: {error}")
        book.db.commit()
    return remarks


def _course_of(database: str | Path, assignment: str) -> str:
    """Return the course that an assignment belongs to: nbgrader would add another one under any other name."""
    question = "SELECT course_id FROM assignment WHERE name = ?"
    try:
        with closing(sqlite3.connect(f"{Path(database).resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(question, (assignment,)).fetchall()
    except sqlite3.Error as error:
        raise ValueError(f"{database} is not a gradebook of nbgrader: {error}") from error
    if len(rows) != 1:
        raise ValueError(f"{database} has {len(rows)} assignments of the name {assignment!r}; one is needed")
    return str(rows[0][0])


def _put_machine(book: Any, result: Result, lab: Lab, place: tuple[str, str]) -> None:
    for exercise in lab.machine:
        verdicts = [verdict for verdict in result["verdicts"] if verdict["exercise"] == exercise.id]
        grade = book.find_grade(exercise.id, *place, result["student"])
        grade.auto_score = float(sum(verdict["points"] for verdict in verdicts))
        grade.needs_manual_grade = bool(result.get("problem"))
        comment = book.find_comment(f"answer-{exercise.id}", *place, result["student"])
        said = [f"{verdict['finding']}: {verdict['message']}" for verdict in verdicts if verdict["message"]]
        comment.manual_comment = said[0] if said else result.get("advice") or None


def _put_marks(book: Any, student: str, marks: Mapping[str, float], place: tuple[str, str]) -> None:
    for question, points in marks.items():
        grade = book.find_grade(question, *place, student)
        grade.manual_score = points
        grade.needs_manual_grade = False

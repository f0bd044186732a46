"""Grading on other people's machines: what the exports for Gradescope and Classroom 50 call.

The exports carry a copy of this package, a file `course.json` with each student's own numbers, but no secret, and need
Python 3.11 and NumPy.
"""

import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from albert_np.files import read_json, write_json
from albert_np.labs.feedback import Result, feedback_text
from albert_np.labs.grading import Grading, grade
from albert_np.labs.points import Lab
from albert_np.labs.release import release_path
from albert_np.labs.roster import Student, personal_numbers, resolve
from albert_np.labs.submissions import Submission, find_submissions

__all__ = ["Course", "course_of", "grade_classroom50", "grade_gradescope"]

Course = dict[str, Any]  # what `course.json` holds
UNKNOWN = "You are not on the roster that this autograder has: your own numbers are not known to it."


def course_of(lab: Lab, roster: Mapping[str, Student] | None, secret: bytes | None) -> Course:
    """Return what `course.json` holds: the lab's number, and who has which numbers."""
    students = [
        {"id": s.id, "name": s.name, "email": s.email, "numbers": personal_numbers(lab, secret, s.id)}
        for s in (roster or {}).values()
    ]
    return {"lab": lab.number, "students": students}


def grade_gradescope(source: Path, submission: Path, metadata: Path, output: Path) -> None:
    """Grade what a student has uploaded into the folder `submission`, and write Gradescope's results.json."""
    try:
        user = read_json(metadata)["users"][0]
        calls = [str(user.get(key, "")) for key in ("sid", "email", "name", "id")]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        calls = []
    result, lab, remarks = _graded(source, submission, calls)
    tests = [
        {
            "name": f"{_title(lab, verdict['exercise'])}: {verdict['finding']}",
            "score": verdict["points"],
            "max_score": verdict["of"],
            "output": verdict["message"],
            "output_format": "text",
        }
        for verdict in result["verdicts"]
    ]
    page = feedback_text(result, lab).partition("\n## ")[0]
    write_json(
        output,
        {
            "score": result["points"],
            "output": "\n\n".join([*remarks, page]),
            "output_format": "md",
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "extra_data": {"seed": result["seed"], "isolation": result["isolation"], "notes": result["notes"]},
            "tests": tests,
        },
    )


def grade_classroom50(source: Path, checkout: Path) -> None:
    """Grade the checkout of a student's repository, and write Classroom 50's result.json and release-body.md there."""
    told = os.environ
    result, lab, remarks = _graded(source, checkout, [told.get("USERNAME", told.get("OWNER", ""))])
    tests = []
    for exercise in lab.machine:
        verdicts = [verdict for verdict in result["verdicts"] if verdict["exercise"] == exercise.id]
        score, of = (round(sum(verdict[key] for verdict in verdicts)) for key in ("points", "of"))
        tests.append({"test-name": exercise.id, "passed": score == of, "score": score, "max-score": of})
    names = {"classroom": "CLASSROOM", "assignment": "ASSIGNMENT", "submission": "SUBMISSION_TAG"}
    urls = {"commit": "COMMIT_URL", "release": "RELEASE_URL", "review": "REVIEW_URL"}
    content: dict[str, Any] = {"schema": "classroom50/result/v1"}
    content |= {key: told.get(name, "") for key, name in (names | urls).items()}
    content["review"] = content["review"] or content["commit"]
    content["datetime"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content |= {"score": sum(t["score"] for t in tests), "max-score": sum(t["max-score"] for t in tests)}
    write_json(checkout / "result.json", content | {"tests": tests})
    page = "\n\n".join([*remarks, feedback_text(result, lab)])
    (checkout / "release-body.md").write_text(page, encoding="utf-8", newline="\n")


def _graded(source: Path, folder: Path, calls: list[str]) -> tuple[Result, Lab, list[str]]:
    """Return the result of the notebook in a folder, the lab, and what is to be said beside them.

    calls: what the system calls the student, of which the first that the roster has is taken.
    """
    from albert_np.labs import open_lab

    course = read_json(source / "course.json", max_bytes=2**26)
    lab = open_lab(course["lab"])
    students = {each["id"]: Student(each["id"], each["name"], each["email"]) for each in course["students"]}
    known = [id for call in calls if call and (id := resolve(call, call, students))]
    remarks = [] if known or not students else [UNKNOWN]
    numbers = next((each["numbers"] for each in course["students"] if known and each["id"] == known[0]), None)
    id = known[0] if known else next(filter(None, calls), "unknown")
    try:
        found = find_submissions(folder, lab.number, release_path(lab.number).stem, only=id)
        (submission,) = found.submissions
    except ValueError:
        submission = Submission(id, "", problem="there is no notebook (.ipynb) among the files that you handed in")
    return grade(submission, Grading(lab.number, secrets.randbits(32), numbers=numbers)), lab, remarks


def _title(lab: Lab, id: str) -> str:
    return next(exercise.title for exercise in lab.machine if exercise.id == id)

"""What a person marks: written answers by question, without names; and one table of all points at the end.

OUT/<question>.md    the question's rubric, then the answers, shuffled, each under a code
OUT/marks.csv        a line for each answer: fill in `points`
OUT/key.csv          whose code is whose; needed again by the table
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from albert_np.files import whole_folder, write_text
from albert_np.labs.feedback import Result, read_results
from albert_np.labs.grading import written_answers
from albert_np.labs.points import Lab, Written
from albert_np.labs.release import PACKAGE
from albert_np.labs.roster import Student, csv_text, personal_numbers, read_table, resolve
from albert_np.labs.submissions import Submission
from albert_np.schema import listed

__all__ = ["Gradebook", "gradebook", "read_marks", "write_answers"]

NOTES = ("id", "name", "email")


def write_answers(
    submissions: Sequence[Submission],
    lab: Lab,
    folder: str | Path,
    secret: bytes | None = None,
    seed: int | None = None,
) -> dict[str, int]:
    """Write the written answers of a class into a new folder; return how many there are of each question.

    seed: of the shuffling. An empty answer has 0 points in `marks.csv` already; one that was not found, or whose file
    cannot be read, has none, and the comment says why. FileExistsError if the folder exists
    and is not empty; ValueError if the lab asks for nothing written.
    """
    questions = [exercise for exercise in lab.exercises if isinstance(exercise, Written)]
    if not questions:
        raise ValueError(f"lab {lab.number} has no written questions")
    numbers = {s.id: personal_numbers(lab, secret, s.id) for s in submissions}
    given = {s.id: written_answers(s.cells, lab) for s in submissions}
    problems = {s.id: s.problem for s in submissions}
    counts, marks, key = {}, [], []
    with whole_folder(folder) as hidden:
        for question in questions:
            order = list(given)
            random.Random(seed).shuffle(order)
            pages = [f"# {question.title} ({question.points:g} points)", "", *_rubric(lab.number, question)]
            counts[question.id] = 0
            for place, id in enumerate(order, 1):
                code, answer = f"{question.id}-{place:03d}", given[id][question.id]
                key.append([code, question.id, id])
                points = 0.0 if answer == "" else ""
                marks.append([code, question.id, points, question.points, _why_empty(answer, problems[id])])
                if answer:
                    counts[question.id] += 1
                    own = ", ".join(f"{name} = {value}" for name, value in numbers[id].items())
                    pages += ["", "---", "", f"## {code}", "", *([f"*{own}*", ""] if own else []), answer]
            (hidden / f"{question.id}.md").write_text("\n".join(pages) + "\n", encoding="utf-8", newline="\n")
        header = ["answer", "question", "points", "of", "comment"]
        (hidden / "marks.csv").write_text(csv_text(header, marks), encoding="utf-8", newline="\n")
        (hidden / "key.csv").write_text(csv_text(["answer", "question", "id"], key), encoding="utf-8", newline="\n")
    return counts


def _why_empty(answer: str | None, problem: str) -> str:
    if problem:
        return "the file cannot be read"  # its name would say whose it is
    if answer is None:
        return "the question was not found in the notebook: look there"
    return "" if answer else "no answer"


def _rubric(number: str, question: Written) -> list[str]:
    """Return the part of the lab's rubric under the heading that names the question, where rubrics are at hand."""
    path = PACKAGE.parent / "labs" / "rubrics" / f"{number}.md"
    if not path.is_file():
        return ["(The rubric is in a clone of the repository, labs/rubrics.)"]
    sections = path.read_text(encoding="utf-8").split("\n## ")
    for section in sections[1:]:
        heading, _, body = section.partition("\n")
        if question.id in heading or question.title in heading:
            return body.strip().split("\n")
    return [f"(labs/rubrics/{number}.md has no section for it.)"]


def read_marks(path: str | Path, lab: Lab) -> dict[str, dict[str, float]]:
    """Return id → question → points from a filled `marks.csv`; ValueError says the line that is wrong.

    With a column `id` it needs no key; otherwise `key.csv` lies beside it. Lines without points are left out.
    """
    of = {exercise.id: exercise.points for exercise in lab.exercises if isinstance(exercise, Written)}
    rows = read_table(path, ("question", "points"))
    whose: dict[str, str] = {}
    if rows and "id" not in rows[0][1]:
        key = Path(path).with_name("key.csv")
        whose = {row["answer"]: row["id"] for _, row in read_table(key, ("answer", "id"))}
    marks: dict[str, dict[str, float]] = defaultdict(dict)
    for line, row in rows:
        where, text = f"{path}, line {line}", row.get("points", "").strip().replace(",", ".")
        id = row["id"].strip() if "id" in row else whose.get(row.get("answer", "").strip(), "")
        question = row["question"].strip()
        if not id:
            raise ValueError(f"{where}: key.csv does not know the answer {row.get('answer', '')!r:.80}")
        if question not in of:
            raise ValueError(
                f"{where}: lab {lab.number} has no written question {question!r:.80}; it has {', '.join(of)}"
            )
        if not text:
            continue
        try:
            points = float(text)
        except ValueError:
            points = -1.0
        if not 0 <= points <= of[question]:
            raise ValueError(f"{where}: {text!r:.80} is not a number from 0 to {of[question]:g}")
        if question in marks[id]:
            raise ValueError(f"{where}: {id!r:.80} has marks for {question} twice")
        marks[id][question] = points
    return dict(marks)


@dataclass
class Gradebook:
    """One line for each student. remarks: what is not as a roster would have it, one line each."""

    header: list[str]
    rows: list[list[object]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def write(self, path: str | Path) -> None:
        """Write the table as CSV, whole or not at all."""
        write_text(path, csv_text(self.header, self.rows))


def gradebook(
    folder: str | Path, lab: Lab, roster: Mapping[str, Student], marks: Mapping[str, Mapping[str, float]] | None = None
) -> Gradebook:
    """Return the points of everybody on a roster: by machine from what grading wrote, by hand from `marks`.

    Students are looked up by id, e-mail or name. Whom the roster does not have comes last, and is said; so is what is
    missing. Points that nobody knows, of an unreadable file or an answer not marked, are empty and not in the total.
    ValueError if the results are of another lab.
    """
    results = {_on(roster, result["student"], result.get("name", "")): result for result in read_results(folder)}
    if others := {result["lab"] for result in results.values()} - {lab.number}:
        raise ValueError(f"{folder} holds results of lab {listed(sorted(others))}, not of {lab.number}")
    questions = [exercise for exercise in lab.exercises if isinstance(exercise, Written)]
    book = Gradebook([*NOTES, "machine", *(question.id for question in questions), "total", "of", "missing"])
    marks = {_on(roster, id, ""): each for id, each in (marks or {}).items()}
    for id in [*roster, *sorted((set(results) | set(marks)) - set(roster))]:
        student, result = roster.get(id, Student(id)), results.get(id)
        given = [marks.get(id, {}).get(question.id) for question in questions]
        missing = [] if id in roster else ["not on the roster"]
        missing += ["no submission"] if result is None else _ungraded(result)
        if result is not None:
            missing += [f"{q.id} not marked" for q, mark in zip(questions, given, strict=True) if mark is None]
        machine = None if result is not None and _ungraded(result) else float(result["points"]) if result else 0.0
        each = [machine, *given]
        shown = ["" if points is None else points for points in each]
        total = float(sum(points for points in each if points is not None))
        book.rows.append([id, student.name, student.email, *shown, total, float(lab.points), "; ".join(missing)])
        if missing:
            book.remarks.append(f"{id}: {'; '.join(missing)}")
    return book


def _ungraded(result: Result) -> list[str]:
    """Return why nothing was graded by machine, if nothing was."""
    if result.get("failure"):
        return ["not graded"]
    return ["unreadable"] if result.get("problem") else []


def _on(roster: Mapping[str, Student], id: str, name: str) -> str:
    """Return the id on the roster of whom grading calls so, or what it calls them."""
    return resolve(id, name, roster) or id

"""albert-np labs: what instructors need, from handing out to the table of points"""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from albert_np.cli.main import console, figures_table, file_option, print_json, remark, reports_errors, results, say

if TYPE_CHECKING:
    from albert_np.labs import Lab
    from albert_np.labs.submissions import Found

ROSTER = click.option(
    "--roster", type=click.Path(path_type=Path), help="A CSV with the columns id, name, email: who is in the course."
)
SECRET = click.option(
    "--secret-file",
    type=click.Path(path_type=Path),
    help="The course's secret, from which the numbers of each student follow.",
)
STUDENT = click.option(
    "--student-from", metavar="REGEX", help="Finds the student's id in a file's path: its first group, or `student`."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ISOLATION = click.Choice(["auto", "require", "none"])
SHOWN_REMARKS = 20


@click.group(invoke_without_command=True)
@click.pass_context
@JSON
@reports_errors
def labs(context: click.Context, as_json: bool) -> None:
    """Course labs: hand them out, grade what comes back, mark by hand, put points together.

    Without a command, which labs there are.
    """
    if context.invoked_subcommand is not None:
        return
    from albert_np.labs import LABS, Written, open_lab

    opened = [open_lab(number) for number in LABS]
    machine = [sum(exercise.points for exercise in lab.machine) for lab in opened]
    if as_json:
        print_json(
            [
                {
                    "number": lab.number,
                    "title": lab.title,
                    "hours": lab.hours,
                    "notebooks": list(lab.notebooks),
                    "points": lab.points,
                    "by_machine": points,
                    "written": [e.id for e in lab.exercises if isinstance(e, Written)],
                }
                for lab, points in zip(opened, machine, strict=True)
            ]
        )
        return
    table = figures_table("lab", "hours", "by machine", "written", "notebooks needed")
    for lab, points in zip(opened, machine, strict=True):
        name = f"{lab.number}  {lab.title}"
        table.add_row(name, f"{lab.hours:g}", f"{points:g}", f"{lab.points - points:g}", ", ".join(lab.notebooks))
    results().print(table)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield show


def _remarks(lines: list[str]) -> None:
    for line in lines[:SHOWN_REMARKS]:
        remark(line)
    if len(lines) > SHOWN_REMARKS:
        remark(f"and {len(lines) - SHOWN_REMARKS} more")


def _new(folder: Path) -> None:
    from albert_np.files import is_vacant

    if not is_vacant(folder):
        raise FileExistsError(f"{folder} exists and is left as it is: choose another")


def _found(path: Path, number: str, pattern: str | None, roster: Path | None) -> "Found":
    """Find submissions and say what was left aside."""
    from albert_np.labs.release import release_path
    from albert_np.labs.roster import read_roster
    from albert_np.labs.submissions import find_submissions

    students = read_roster(roster) if roster else None
    found = find_submissions(path, number, release_path(number).stem, pattern, students)
    _remarks(found.remarks + [f"{s.id}: not taken: {text}" for s in found.submissions for text in s.aside])
    return found


@labs.command()
@click.argument("number")
@click.argument("folder", type=click.Path(path_type=Path))
@ROSTER
@SECRET
@reports_errors
def release(number: str, folder: Path, roster: Path | None, secret_file: Path | None) -> None:
    """Write the notebook of lab NUMBER into the new FOLDER: one for all or, with --roster, one for each student."""
    from albert_np.labs import open_lab
    from albert_np.labs.release import release_lab
    from albert_np.labs.roster import read_roster, read_secret

    lab = open_lab(number)
    _new(folder)
    students = read_roster(roster) if roster else None
    secret = read_secret(secret_file) if secret_file else None
    with _bar("writing") as show:
        written = release_lab(lab, folder, students, secret, show)
    say(f"{written[0]}" if len(written) == 1 else f"{len(written)} notebooks in {folder}, such as {written[0]}")


@labs.command()
@click.argument("number")
@click.argument("file", type=click.Path(path_type=Path))
@JSON
@reports_errors
def check(number: str, file: Path, as_json: bool) -> None:
    """Check your own FILE for lab NUMBER before you hand it in; it runs as you would run it. Status 1: not all right.

    Numbers of your own are those that PERSONAL in the notebook has.
    """
    from albert_np.labs import open_lab
    from albert_np.labs.feedback import feedback_text
    from albert_np.labs.grading import Grading, grade
    from albert_np.labs.release import personal_of
    from albert_np.labs.roster import personal_numbers

    lab = open_lab(number)
    if file.suffix.lower() not in (".ipynb", ".py"):
        raise click.BadParameter(f"{file} is neither an .ipynb nor a .py", param_hint="FILE")
    (submission,) = _found(file, lab.number, None, None).submissions
    if submission.problem:
        raise ValueError(submission.problem)
    numbers = personal_of(submission.cells, set(personal_numbers(lab, None, "")))
    result = grade(submission, Grading(lab.number, secrets.randbits(32), isolation="none", numbers=numbers))
    if as_json:
        print_json(result)
    else:
        say(feedback_text(result, lab).rstrip())
    sys.exit(0 if result["points"] == result["of"] else 1)


@labs.command()
@click.argument("number")
@click.argument("submissions", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder for all that is written.")
@click.option("--replace", is_flag=True, help="Replace the output of an earlier grading.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Submissions graded at once.")
@click.option(
    "--isolation",
    type=ISOLATION,
    default="auto",
    show_default=True,
    help="auto: as well as this machine can; require: not at all where files and network cannot be kept apart.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Of what is drawn; a new one by default, kept in the results.")
@ROSTER
@SECRET
@STUDENT
@JSON
@reports_errors
def grade(
    number: str,
    submissions: Path,
    output: Path,
    replace: bool,
    jobs: int,
    isolation: str,
    seed: int | None,
    roster: Path | None,
    secret_file: Path | None,
    student_from: str | None,
    as_json: bool,
) -> None:
    """Grade the SUBMISSIONS of lab NUMBER: a file, a folder or a zip, also as Moodle, Canvas or Gradescope export it.

    Into the folder OUTPUT: grades.csv, results/ID.json, feedback/ID.md, and items.csv, which says how many failed what.
    An OUTPUT that exists is left as it is, unless --replace is given and it holds nothing but an earlier grading.
    Status 1 if the grading of a submission failed.
    """
    from albert_np.labs import open_lab
    from albert_np.labs.feedback import check_output, write_results
    from albert_np.labs.grading import Grading, grade_all
    from albert_np.labs.roster import read_secret

    lab = open_lab(number)
    check_output(output, replace)
    secret = read_secret(secret_file) if secret_file else None
    _warn_of_numbers(lab, secret)
    found = _found(submissions, lab.number, student_from, roster)
    grading = Grading(lab.number, secrets.randbits(32) if seed is None else seed, secret, isolation)
    try:
        with _bar("grading") as show:
            graded = grade_all(found.submissions, grading, jobs, lambda result, done, total: show(done, total))
    except RuntimeError as error:  # this machine cannot run submissions, or not as apart as is required
        raise OSError(str(error)) from error
    write_results(graded, lab, output, replace)
    failures = [result for result in graded if result.get("failure")]
    if as_json:
        print_json({"output": str(output), "seed": grading.seed, "results": graded, "remarks": found.remarks})
    else:
        _print_grades(graded, output, grading.seed)
    _remarks([f"{result['student']}: NOT GRADED, {result['failure']}" for result in failures])
    sys.exit(1 if failures else 0)


def _warn_of_numbers(lab: "Lab", secret: bytes | None) -> None:
    from albert_np.labs.roster import personal_numbers

    if secret is None and personal_numbers(lab, None, ""):
        remark("without --secret-file everybody has the numbers of a release without a roster")


def _print_grades(graded: list[dict[str, Any]], output: Path, seed: int) -> None:
    points = sorted(result["points"] for result in graded if not result["problem"])
    unreadable = [result for result in graded if result["problem"]]
    of = graded[0]["of"]
    for result in unreadable[:SHOWN_REMARKS]:
        remark(f"{result['student']}: {result['problem']}")
    ways = sorted({result["isolation"] for result in graded if result["isolation"]})
    noted = f"{_with_notes(graded)} with notes to look at (grades.csv, the column “to look at”)"
    say(f"{len(graded)} submissions, {len(unreadable)} of them unreadable, {noted}")
    if points:
        middle = points[len(points) // 2]
        say(f"points by machine, of {of:g}: lowest {points[0]:g}, median {middle:g}, highest {points[-1]:g}")
    for way in ways:
        say(f"isolation: {way}")
    say(f"{output / 'grades.csv'}, feedback/, results/, items.csv; to repeat it: --seed {seed}")


def _with_notes(graded: list[dict[str, Any]]) -> int:
    return sum(bool(result["notes"]) for result in graded)


@labs.command()
@click.argument("number")
@click.argument("submissions", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder for all that is written.")
@ROSTER
@SECRET
@STUDENT
@reports_errors
def answers(
    number: str,
    submissions: Path,
    output: Path,
    roster: Path | None,
    secret_file: Path | None,
    student_from: str | None,
) -> None:
    """Gather the written answers of lab NUMBER by question, without names and shuffled, with the rubric and a CSV.

    Fill in `points` of OUTPUT/marks.csv and give it to `albert-np labs gradebook`.
    """
    from albert_np.labs import open_lab
    from albert_np.labs.marking import write_answers
    from albert_np.labs.roster import read_secret

    lab = open_lab(number)
    _new(output)  # marks may be in it
    secret = read_secret(secret_file) if secret_file else None
    _warn_of_numbers(lab, secret)
    found = _found(submissions, lab.number, student_from, roster)
    _remarks([f"{s.id}: {s.problem}" for s in found.submissions if s.problem])
    counts = write_answers(found.submissions, lab, output, secret)
    for question, count in counts.items():
        say(f"{output / question}.md: {count} answers of {len(found.submissions)} submissions")
    say(f"{output / 'marks.csv'}: fill in `points`")


@labs.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--roster", type=click.Path(path_type=Path), required=True, help="A CSV with the columns id, name, email."
)
@click.option("--written", type=click.Path(path_type=Path), help="The filled marks.csv; key.csv lies beside it.")
@click.option(
    "--nbgrader", type=click.Path(path_type=Path), help="Put the points into this gradebook.db of nbgrader too."
)
@click.option("--assignment", help="The assignment's name in nbgrader; that of the notebook by default.")
@file_option("--table", "The file to write; OUTPUT/gradebook.csv by default.")
@JSON
@reports_errors
def gradebook(
    output: Path,
    roster: Path,
    written: Path | None,
    nbgrader: Path | None,
    assignment: str | None,
    table: Path | None,
    as_json: bool,
) -> None:
    """Put machine's and written marks of everybody on the roster into one table; OUTPUT is what `labs grade` wrote."""
    from albert_np.labs import open_lab
    from albert_np.labs.feedback import read_results
    from albert_np.labs.marking import gradebook as put_together
    from albert_np.labs.marking import read_marks
    from albert_np.labs.roster import read_roster

    if assignment is not None and nbgrader is None:
        raise click.UsageError("--assignment goes with --nbgrader")
    graded = read_results(output)
    lab = open_lab(graded[0]["lab"])
    marks = read_marks(written, lab) if written else None
    book = put_together(output, lab, read_roster(roster), marks)
    path = table or output / "gradebook.csv"
    book.write(path)
    if nbgrader is not None:
        from albert_np.labs.nbgrader import bridge

        book.remarks += bridge(nbgrader, graded, lab, marks, assignment)
    _remarks(book.remarks)
    if as_json:
        print_json([dict(zip(book.header, row, strict=True)) for row in book.rows])
    else:
        say(f"{path}: {len(book.rows)} students")


@labs.command()
@click.argument("number")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "kind",
    type=click.Choice(["nbgrader", "gradescope", "solution", "classroom50"]),
    required=True,
    help="For whom; nbgrader and solution need a clone of the repository, where the solutions are.",
)
@ROSTER
@SECRET
@reports_errors
def export(number: str, folder: Path, kind: str, roster: Path | None, secret_file: Path | None) -> None:
    """Write lab NUMBER into the new FOLDER as another system takes it."""
    from albert_np.labs import open_lab
    from albert_np.labs.export import export_lab
    from albert_np.labs.roster import read_roster, read_secret

    lab = open_lab(number)
    _new(folder)
    students = read_roster(roster) if roster else None
    secret = read_secret(secret_file) if secret_file else None
    with console.status(f"exporting lab {lab.number}"):
        for line in export_lab(lab, kind, folder, students, secret):
            say(line)

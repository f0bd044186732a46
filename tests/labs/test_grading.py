"""Grading: what each submission deserves, whatever a tool made of its notebook; feedback and tables, whole."""

import csv
import json
from dataclasses import replace

import pytest
from toys.labs import changed, ends_its_process, plain, solved, stub, write

from albert_np.labs import LABS, feedback, grading, open_lab
from albert_np.labs.feedback import check_output, read_results, write_results
from albert_np.labs.grading import Grading, grade, grade_all, written_answers
from albert_np.labs.guard import notes_on
from albert_np.labs.points import Exercise, Lab, Wrong, judge
from albert_np.labs.release import YOUR_ANSWER, released_cells
from albert_np.labs.roster import personal_numbers
from albert_np.labs.source import Cell
from albert_np.labs.submissions import Submission, find_submissions

NUMBER = "02"
FIXED = Grading(NUMBER, seed=1, isolation="none")
MISTAKE = ("np.mean(dx_hat * x_hat", "np.mean(dy * x_hat")
LOSS = next(f.points for f in open_lab(NUMBER).machine[0].findings if f.name == "dx")


def is_answer(cell):
    return cell.kind == "answer" and cell.id == "rms_norm_backward"


def replaced(source):
    """A solved notebook whose cell of RMSNorm's backward has another source, or is gone."""
    return [Cell(source, True) if is_answer(c) else c for c in solved(NUMBER) if source is not None or not is_answer(c)]


def text_cell(cells):
    return [Cell(c.source, False) if is_answer(c) else c for c in cells]


def points_of(result, exercise="rms_norm_backward"):
    return sum(v["points"] for v in result["verdicts"] if v["exercise"] == exercise)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """id → result of one class, each submission as some tool leaves it, without metadata and ids."""
    place = tmp_path_factory.mktemp("class")
    line = "    return dy.no_such_thing"
    of = {
        "right": solved(NUMBER),
        "stub": stub(NUMBER),
        "mistake": changed(solved(NUMBER), *MISTAKE),
        "twice": [*replaced("def rms_norm_backward(dy, x, weight, eps):\n    return None"), *solved(NUMBER)],
        "deleted": replaced(None),
        "retyped": text_cell(solved(NUMBER)),
        "raises": replaced(f"def rms_norm_backward(dy, x, weight, eps):\n{line}"),
        "none": replaced("def rms_norm_backward(dy, x, weight, eps):\n    dx = dy"),
        "magics": [Cell("%matplotlib inline\n!pip install numpy\n", True), *solved(NUMBER), Cell("%%bash\nls", True)],
        "broken": [Cell("def (", True), *solved(NUMBER), Cell("1 / 0", True)],
        "halves": replaced("def rms_norm_backward(*_):\n    raise ValueError('\\ud800 \\x1b[31m')"),
        "exits": [*solved(NUMBER), Cell("import os\nos._exit(0)", True)],
    }
    for id, cells in of.items():
        write(place / f"{id}.ipynb", plain(cells))
    write(place / "damaged.ipynb", "{")
    found = find_submissions(place, NUMBER, "02_norms_and_losses")
    return {r["student"]: r for r in grade_all(found.submissions, FIXED, jobs=2)}


OF = sum(e.points for e in open_lab(NUMBER).machine)
ASKED = open_lab(NUMBER).machine[0].points

DESERVED = {  # id → points of RMSNorm's backward
    "right": ASKED,
    "stub": 0,
    "mistake": ASKED - LOSS,
    "twice": ASKED,
    "deleted": 0,
    "retyped": 0,
    "raises": 0,
    "none": 0,
    "halves": 0,
    "magics": ASKED,
    "broken": ASKED,
    "exits": ASKED,
    "damaged": 0,
}


@pytest.mark.parametrize("id", DESERVED)
def test_each_submission_gets_what_it_deserves_and_costs_no_other(graded, id):
    assert points_of(graded[id]) == DESERVED[id]
    assert graded[id]["of"] == OF
    assert len(graded[id]["verdicts"]) == sum(len(e.findings) for e in open_lab(NUMBER).machine)
    assert "failure" not in graded[id]


@pytest.mark.parametrize("number", LABS)
def test_the_solution_of_every_lab_has_all_points_with_anybodys_numbers(number):
    result = grade(Submission("k1", "k1", tuple(solved(number))), Grading(number, 5, b"0123456789abcdef"))
    lost = [verdict for verdict in result["verdicts"] if verdict["message"]]
    assert not lost
    assert result["points"] == result["of"] == sum(exercise.points for exercise in open_lab(number).machine)
    assert not result["cells"]


SAID = {
    "mistake": "dx",
    "deleted": "there is no function rms_norm_backward",
    "retyped": "it stands in a text cell: make that a code cell",
    "raises": "return dy.no_such_thing",
    "none": "returned None: is a `return` missing?",
    "stub": "not written yet",
}


@pytest.mark.parametrize("id", SAID)
def test_feedback_begins_with_the_first_failure_in_the_students_own_words(graded, id):
    page = feedback.feedback_text(graded[id], open_lab(NUMBER))
    begin = page.partition("## Begin here")[2].partition("\n## ")[0]
    assert SAID[id] in " ".join(begin.split())
    assert "Traceback" not in page
    assert "albert_np/labs" not in page


def test_feedback_and_results_hold_no_line_of_the_solution(graded):
    hidden = "dx_hat - x_hat * np.mean"
    for result in graded.values():
        assert hidden not in feedback.feedback_text(result, open_lab(NUMBER))
        assert hidden not in json.dumps(result)


def test_cells_that_failed_are_said_and_unchanged_checks_are_not_run(graded):
    page = feedback.feedback_text(graded["broken"], open_lab(NUMBER))
    assert "SyntaxError" in page
    assert "ZeroDivisionError" in page
    assert [cell["outcome"] for cell in graded["exits"]["cells"]] == ["killed"]
    assert not graded["right"]["cells"]


def test_all_that_decides_the_points_is_kept_and_repeats_them(graded):
    result = graded["mistake"]
    assert result["seed"] == 1
    assert set(result["versions"]) == {"albert_np", "numpy", "python"}
    assert "NOT protected" in result["isolation"]
    again = grade(Submission("mistake", "m", tuple(changed(solved(NUMBER), *MISTAKE))), FIXED)
    assert again["verdicts"] == result["verdicts"]


def test_what_student_texts_hold_is_no_markup():
    result = grade(Submission("x", "x", problem="x"), FIXED)
    result["problem"] = ""
    result["verdicts"][0]["message"] = "```\n# Title <script>\x1b[31m ````"
    page = feedback.feedback_text(result, open_lab(NUMBER))
    assert "\n`````text\n```\n# Title <script>\\x1b[31m ````\n`````\n" in page


def test_grading_is_written_whole_and_never_over_something_else(graded, tmp_path):
    out, lab = tmp_path / "out", open_lab(NUMBER)
    results = [graded["right"], graded["halves"] | {"student": "=cmd()", "name": "@x", "file": "\udcff"}]
    write_results(results, lab, out)
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == [
        "feedback/%3Dcmd%28%29.md",
        "feedback/right.md",
        "grades.csv",
        "items.csv",
        "results/%3Dcmd%28%29.json",
        "results/right.json",
    ]
    with (out / "grades.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["right", "'=cmd()"]
    assert rows[1]["name"] == "'@x"
    assert float(rows[0]["points"]) == OF
    assert {r["student"] for r in read_results(out)} == {"right", "=cmd()"}
    with pytest.raises(FileExistsError, match="give --replace"):
        write_results(results, lab, out)
    write_results(results[:1], lab, out, replace=True)
    assert [path.name for path in (out / "results").iterdir()] == ["right.json"]
    (out / "marks.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds marks\.csv, which grading has not written"):
        check_output(out, replace=True)
    assert (out / "marks.csv").read_text() == "mine"


def test_items_say_how_many_failed_what(graded, tmp_path):
    write_results(list(graded.values()), open_lab(NUMBER), tmp_path / "out")
    with (tmp_path / "out" / "items.csv").open(newline="") as file:
        rows = {(row["exercise"], row["finding"]): row for row in csv.DictReader(file)}
    dx = rows["rms_norm_backward", "dx"]
    assert int(dx["of"]) == len(DESERVED) - 1  # the damaged one was never looked at
    assert int(dx["failed"]) == sum(1 for points in DESERVED.values() if points < ASKED) - 1


def test_a_failure_of_grading_is_a_result_that_says_so(monkeypatch):
    def fails(*_):
        raise KeyError("x")

    monkeypatch.setattr(grading, "_judge_all", fails)
    some = [Submission(id, id, tuple(solved(NUMBER))) for id in ("a", "b")]
    for result in grade_all(some, FIXED):
        assert result["failure"] == "KeyError: 'x'"
        assert result["points"] == 0

    def no_process(*_):
        raise RuntimeError("no process")

    monkeypatch.setattr(grading, "_judge_all", no_process)
    with pytest.raises(RuntimeError, match="no process"):
        grade_all(some, FIXED)


def test_a_process_that_ends_costs_nobody_else_a_grade():
    results = {}
    some = [Submission(id, id) for id in ("a", "killer", "b", "c")]
    grading.in_processes(ends_its_process, some, FIXED, 2, results.__setitem__)
    assert sorted(results) == [0, 1, 2, 3]
    assert results[1]["failure"] == "the process that graded it ended"
    assert [results[number]["student"] for number in (0, 2, 3)] == ["a", "b", "c"]


PERSONAL_LAB = "06"


def answered(texts, numbers):
    """A notebook of a lab with written questions, whose cells to write into hold these texts, in their order."""
    left = iter(texts)
    return [Cell(next(left), c.code) if c.kind == "reply" else c for c in released_cells(PERSONAL_LAB, numbers)]


def test_written_answers_are_found_by_their_questions_whatever_became_of_the_cells():
    lab = open_lab(PERSONAL_LAB)
    numbers = personal_numbers(lab, b"0123456789abcdef", "k1")
    depth, uses, slots = written_answers((), lab)
    cells = answered(["first", YOUR_ANSWER, f"{YOUR_ANSWER}\nthird"], numbers)
    assert written_answers(cells, lab) == {depth: "first", uses: "", slots: "third"}
    assert written_answers([Cell(c.source, c.code) for c in cells], lab)[depth] == "first"
    place = next(i for i, c in enumerate(cells) if c.source == "first")
    into_question = [*cells[: place - 1], Cell(cells[place - 1].source + "\n\nfirst", False), *cells[place + 1 :]]
    assert written_answers(into_question, lab)[depth] == "first"
    more = [*cells[: place + 1], Cell("x = 1", True), Cell("second part", False), *cells[place + 1 :]]
    assert written_answers(more, lab)[depth] == "first\n\nx = 1\n\nsecond part"
    gone = [c for c in cells if c.kind != "written" or c.id != depth]
    assert written_answers(gone, lab)[depth] is None


def test_somebody_elses_personal_numbers_are_noted_and_not_used():
    lab, secret = open_lab(PERSONAL_LAB), b"0123456789abcdef"
    mine, theirs = (released_cells(PERSONAL_LAB, personal_numbers(lab, secret, id)) for id in ("k1", "k2"))
    numbers = personal_numbers(lab, secret, "k1")
    notes = [grading._personal_note(cells, numbers) for cells in (mine, theirs)]
    assert notes[0] == grading._personal_note(solved(PERSONAL_LAB), personal_numbers(lab, None, "")) == []
    assert f"PERSONAL = {numbers!r}" in [c.source for c in grading._runnable(theirs, PERSONAL_LAB, numbers)]
    assert "somebody else's notebook" in notes[1][0]


@pytest.mark.parametrize(
    "source, run",
    [
        ("from albert_np.labs import check", "check = lambda *_, **__: None"),
        ("x = 1\nfrom albert_np.labs import check, swap", "x = 1\n{}; from albert_np.labs import swap"),
        ("from albert_np.labs import swap", "from albert_np.labs import swap"),
        ("from albert_np.labs.small_runs import check", "from albert_np.labs.small_runs import check"),
    ],
)
def test_a_students_own_checks_do_nothing_while_they_are_graded(source, run):
    (cell,) = grading._runnable([Cell(source, True)], NUMBER, {})
    assert cell.source == run.format("check = lambda *_, **__: None")


def test_notes_point_out_and_deduct_nothing():
    lab = open_lab(NUMBER)
    source = "import torch, os\nnp.mean = 3\neval('1')\nx.f_back\ndef rms_norm_backward(): pass"
    notes = notes_on([Cell(source, True), Cell(source, True), Cell("%magic (", True)], lab)
    assert notes == [
        "imports torch, which this lab does not allow",
        "imports os",
        "changes np.mean",
        "calls eval",
        "reads .f_back",
        "rms_norm_backward is defined 2 times: the last one counts",
    ]
    assert notes_on(solved(NUMBER), lab) == []
    for deep in (f"x = {'-' * 200_000}1", f"np{'.x' * 900} = 1"):
        assert all("changes np" in note for note in notes_on([Cell(deep, True)], lab))


ENDLESS = "    while True:\n        pass"
SHORT = Lab("00", "short", 1, (), seconds=20.0, call_seconds=1.0)


def _asked(*names, findings=3):
    """A short lab: each function is to return 1, which as many findings look at."""
    lab = replace(SHORT, exercises=[])
    for name in names:
        exercise = lab.exercise(name, name)
        for number in range(findings):

            @exercise.finding(f"{number}", 1)
            def _one(answer, name=name):
                if getattr(answer, name)() != 1:
                    raise Wrong("not 1")

    return lab


def _judged(lab, *sources):
    result = {"verdicts": [], "notes": []}
    grading._judge_all(result, lab, [Cell(source, True) for source in sources], {}, FIXED)
    return result


@pytest.mark.parametrize(
    "body, said",
    [(ENDLESS, "is there a loop that never ends?"), ("    import os\n    os._exit(0)", "was called before, and its")],
)
def test_a_function_that_never_ends_is_called_once_and_takes_no_other_exercises_points(body, said):
    result = _judged(_asked("f", "g"), f"def f():\n{body}\ndef g(): return 1")
    first, second, third = (v["message"] for v in result["verdicts"][:3])
    assert "not looked at again" not in first
    assert second == third
    assert second.startswith("not looked at again: f ")
    assert said in second
    assert [v["points"] for v in result["verdicts"]] == [0, 0, 0, 1, 1, 1]
    assert not result["notes"]


def test_what_was_not_looked_at_for_want_of_time_is_said_to_a_person():
    lab = replace(_asked("f", "g", findings=1), seconds=0.5)
    result = _judged(lab, f"def f():\n{ENDLESS}\ndef g(): return 1")
    assert result["verdicts"][1]["message"].startswith("not looked at: all cells and calls together took longer")
    assert result["notes"][0].startswith("findings not looked at, all cells and calls together took longer than 0.5 s")
    assert result["notes"][0].endswith("2 of f, g")


def test_a_function_of_nearly_the_name_is_pointed_out():
    result = _judged(
        _asked("smoothed_loss", "smooth", findings=1), "def smooth_loss(): return 1\ndef smooth(): return 1"
    )
    assert result["verdicts"][0]["message"] == "there is no function smoothed_loss; you have smooth_loss"


def test_the_numbers_of_everybody_are_told_from_somebody_elses():
    secret = b"0123456789abcdef"
    lab = open_lab("02")
    own = personal_numbers(lab, secret, "k1")
    result = grade(Submission("k1", "k1", tuple(stub("02"))), Grading("02", 1, secret, "none"))
    (told,) = result["told"]
    assert told in result["notes"]
    assert not any("somebody else" in note for note in result["notes"])
    for name, value in own.items():
        assert f"{name} = {value}" in told
    assert "own numbers" in feedback.feedback_text(result, lab).partition("points**")[0]


def test_a_wrong_answer_is_told_which_numbers_of_its_own_count():
    exercise = Exercise("f", "f", ("f",))

    @exercise.finding("uses q", 1)
    def _uses(answer):
        if answer.f() != answer.personal["q"]:
            raise Wrong("not q")

    (verdict,) = judge(exercise, {"f": lambda: 1}, 0, {"q": 0.75, "other": 3})
    assert verdict.message == "not q. Your own numbers count here: q = 0.75."


def test_the_notebook_of_another_lab_is_recognised():
    result = grade(Submission("k1", "k1", tuple(stub("02"))), Grading("03", 1, b"0123456789abcdef", "none"))
    assert result["notes"] == ["this looks like a notebook of lab 02; it was graded as lab 03"]
    assert "notebook of lab 02" in feedback.feedback_text(result, open_lab("03"))
    assert grading._other_lab(stub("03"), open_lab("03")) == grading._other_lab([Cell("x", True)], open_lab("03")) == ""


@pytest.mark.parametrize(
    "messages, most",
    [
        (["dx[1] is 0.5", "dx[2] is -1e-3", "no return"], ("dx[1] is 0.5", 2)),
        (["not written yet", "not written yet", "no return"], ("no return", 1)),
        (["not written yet", "not written yet"], ("not written yet", 2)),
        ([], ("", 0)),
    ],
)
def test_what_was_said_most_often_is_the_same_with_other_numbers(messages, most):
    assert feedback._most_often(messages) == most

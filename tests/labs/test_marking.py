"""Marking by hand: answers without names, marks back to whom they belong, one table of all points."""

import csv
import json

import pytest
from toys.labs import write

from albert_np.labs import open_lab
from albert_np.labs.marking import gradebook, read_marks, write_answers
from albert_np.labs.points import Written
from albert_np.labs.release import YOUR_ANSWER, released_cells
from albert_np.labs.roster import Student, csv_text, personal_numbers
from albert_np.labs.source import Cell
from albert_np.labs.submissions import Submission

NUMBER = "06"
LAB = open_lab(NUMBER)
QUESTIONS = [exercise for exercise in LAB.exercises if isinstance(exercise, Written)]
SECRET = b"0123456789abcdef"
PEOPLE = ["=k1", "k2", "k3"]


def submission(id):
    texts = iter([f"says {PEOPLE.index(id)}", YOUR_ANSWER, "other"])
    cells = released_cells(NUMBER, personal_numbers(LAB, SECRET, id))
    return Submission(id, id, tuple(Cell(next(texts), c.code) if c.kind == "reply" else c for c in cells))


@pytest.fixture
def answers(tmp_path):
    counts = write_answers([submission(id) for id in PEOPLE], LAB, tmp_path / "answers", SECRET, seed=3)
    assert counts == {QUESTIONS[0].id: 3, QUESTIONS[1].id: 0, QUESTIONS[2].id: 3}
    return tmp_path / "answers"


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def fill(answers, points):
    rows = rows_of(answers / "marks.csv")
    for row in rows:
        row["points"] = row["points"] or points
    write(answers / "marks.csv", csv_text(list(rows[0]), [list(row.values()) for row in rows]))


def test_answers_have_codes_for_names_the_rubric_and_the_students_own_numbers(answers):
    first = QUESTIONS[0]
    page = (answers / f"{first.id}.md").read_text()
    assert "| criterion | full marks" in page
    for id in PEOPLE:
        assert id not in page
    key = {row["answer"]: row["id"].removeprefix("'") for row in rows_of(answers / "key.csv")}
    for section in page.split("\n## ")[1:]:
        id = key[section.partition("\n")[0]]
        assert f"says {PEOPLE.index(id)}" in section
        for name, value in personal_numbers(LAB, SECRET, id).items():
            assert f"{name} = {value}" in section
    empty = [row for row in rows_of(answers / "marks.csv") if row["question"] == QUESTIONS[1].id]
    assert [(row["points"], row["comment"]) for row in empty] == [("0", "no answer")] * 3


def test_marks_come_back_to_whom_they_belong(answers):
    fill(answers, "2,5")
    marks = read_marks(answers / "marks.csv", LAB)
    assert marks == {id: dict(zip((q.id for q in QUESTIONS), (2.5, 0.0, 2.5), strict=True)) for id in PEOPLE}


@pytest.mark.parametrize(
    "line, wrong",
    [
        ("k1,{0},99", "'99' is not a number from 0 to"),
        ("k1,{0},-1", "'-1' is not a number"),
        ("k1,{0},x", "'x' is not a number"),
        ("k1,{0},nan", "'nan' is not a number"),
        ("k1,nothing,1", "has no written question 'nothing'"),
        (",{0},1", "key.csv does not know"),
        ("k1,{0},1\nk1,{0},1", "has marks for {0} twice"),
    ],
)
def test_a_wrong_mark_is_named_with_its_line(line, wrong, tmp_path):
    path = write(tmp_path / "marks.csv", "id,question,points\n" + line.format(QUESTIONS[0].id))
    with pytest.raises(ValueError, match=r"marks\.csv, line [23]") as error:
        read_marks(path, LAB)
    assert wrong.format(QUESTIONS[0].id) in str(error.value)


def results(place, points):
    for id, value in points.items():
        content = {"lab": NUMBER, "student": id, "points": value, "of": 100.0, "verdicts": [], "written": {}}
        write(place / "results" / f"{id}.json", json.dumps(content))
    return place


def test_one_table_has_everybody_and_says_what_is_missing(tmp_path):
    place = results(tmp_path, {"k1": 70.0, "k2": 50.0, "stranger": 1.0})
    roster = {s.id: s for s in (Student("k1", "Ada", "a@x"), Student("k2"), Student("k3"))}
    content = json.loads((place / "results" / "k1.json").read_text())
    write(place / "results" / "k1.json", json.dumps(content | {"student": "1234", "name": "Ada"}))
    full = {question.id: question.points for question in QUESTIONS}
    book = gradebook(place, LAB, roster, {"k1": full, "k2": {QUESTIONS[0].id: 1.0}})
    rows = {row[0]: dict(zip(book.header, row, strict=True)) for row in book.rows}
    assert rows["k1"]["total"] == 70 + sum(full.values())
    assert (rows["k1"]["missing"], rows["k1"]["of"]) == ("", 100.0)
    assert rows["k2"]["total"] == 51
    assert rows["k2"]["missing"] == f"{QUESTIONS[1].id} not marked; {QUESTIONS[2].id} not marked"
    assert (rows["k3"]["total"], rows["k3"]["missing"]) == (0, "no submission")
    assert rows["stranger"]["missing"].startswith("not on the roster")
    assert len(book.remarks) == 3


def test_results_of_another_lab_or_none_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no results"):
        gradebook(tmp_path, LAB, {})
    with pytest.raises(ValueError, match="results of lab 06, not of 02"):
        gradebook(results(tmp_path, {"k1": 1.0}), open_lab("02"), {})
    write(tmp_path / "results" / "x.json", "{}")
    with pytest.raises(ValueError, match=r"x\.json: lab is missing"):
        gradebook(tmp_path, LAB, {})


@pytest.mark.parametrize(
    "damage, field",
    [
        ({"points": "70"}, "points is '70'"),
        ({"student": None}, "student is null"),
        ({"name": ["Ada"]}, "name is a list"),
        ({"written": []}, "written is a list"),
        ({"verdicts": [{"exercise": "a"}]}, r"verdicts\[0\].finding is missing"),
    ],
)
def test_a_damaged_result_is_named_with_its_field(damage, field, tmp_path):
    path = results(tmp_path, {"k1": 1.0}) / "results" / "k1.json"
    write(path, json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(ValueError, match=rf"k1\.json: {field}"):
        gradebook(tmp_path, LAB, {})


@pytest.mark.parametrize("line", ["A1", "A1,q"])
def test_a_line_of_marks_that_is_cut_off_is_named(line, tmp_path):
    write(tmp_path / "key.csv", "answer,id\nA1,k1\nA2\n")
    path = write(tmp_path / "marks.csv", f"answer,question,points\n{line}\n")
    with pytest.raises(ValueError, match=r"marks\.csv, line 2: lab 06 has no written question '"):
        read_marks(path, LAB)


def test_what_was_not_found_or_cannot_be_read_has_no_points_yet(tmp_path):
    cells = submission("k2").cells
    without = tuple(c for c in cells if c.kind != "written" or c.id != QUESTIONS[0].id)
    some = [Submission("gone", "gone", without), Submission("damaged", "damaged", problem="no notebook")]
    write_answers(some, LAB, tmp_path / "answers", SECRET, seed=3)
    whose = {row["answer"]: row["id"] for row in rows_of(tmp_path / "answers" / "key.csv")}
    rows = [(whose[row["answer"]], row) for row in rows_of(tmp_path / "answers" / "marks.csv")]
    of_first = {id: (row["points"], row["comment"]) for id, row in rows if row["question"] == QUESTIONS[0].id}
    assert of_first["gone"] == ("", "the question was not found in the notebook: look there")
    assert of_first["damaged"] == ("", "the file cannot be read")
    assert {row["points"] for id, row in rows if id == "damaged"} == {""}

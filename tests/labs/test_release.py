"""Releases: equal to the byte, without a solution, with the numbers that belong to each student."""

import ast
import json
import re

import numpy as np
import pytest

from albert_np.labs import LABS, open_lab
from albert_np.labs.points import Lab
from albert_np.labs.release import (
    YOUR_ANSWER,
    personal_cells,
    personal_of,
    release_lab,
    release_path,
    release_text,
    released_cells,
    set_personal,
    source_path,
)
from albert_np.labs.roster import Student, personal_numbers
from albert_np.labs.source import SOLUTION, Cell, read_source

SECRET = b"0123456789abcdef"


@pytest.mark.parametrize("number", LABS)
def test_a_release_is_what_its_source_says_to_the_byte(number):
    text = release_text(read_source(source_path(number)), open_lab(number))
    assert release_path(number).read_text(encoding="utf-8") == text, "run labs/build.py"


def lines_of(*texts):
    return {line.strip() for text in texts for line in text.split("\n") if len(line.strip()) > 12}


@pytest.mark.parametrize("number", LABS)
def test_no_line_of_a_solution_is_in_a_release(number):
    source, cells = read_source(source_path(number)), released_cells(number)
    hidden = [match[2] for cell in source for match in SOLUTION.finditer(cell.source + "\n")]
    hidden += [cell.source for cell in source if cell.kind == "solution"]
    open_to_all = [SOLUTION.sub("", cell.source + "\n") for cell in source if cell.kind != "solution"]
    secret = lines_of(*hidden) - lines_of(*open_to_all)
    assert len(secret) > 20
    assert not secret & lines_of(*(cell.source for cell in cells))
    assert "SOLUTION" not in release_path(number).read_text(encoding="utf-8")
    assert not any(cell.kind == "solution" for cell in cells)


@pytest.mark.parametrize("number", LABS)
def test_a_released_notebook_is_python_and_asks_everything(number):
    cells, lab = released_cells(number), open_lab(number)
    for cell in cells:
        if cell.code:
            ast.parse(cell.source)
        assert "{{" not in cell.source
    defined = {name for c in cells if c.kind == "answer" for name in re.findall(r"^def (\w+)", c.source, re.M)}
    assert {name for exercise in lab.machine for name in exercise.functions} <= defined


def small_lab():
    lab = Lab("02", "T", 1, ())
    lab.personal = lambda rng: {"alpha": np.float64(rng.integers(1, 9)) / 8, "p": rng.integers(2, 5)}
    lab.exercise("f", "F").finding("x", 80)(lambda answer: None)
    lab.written("why", "Why", 20)
    return lab


SOURCE = [
    Cell('PERSONAL = {"alpha": 0, "p": 0}  # yours', True, "personal"),
    Cell("def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION", True, "answer", "f"),
    Cell("# Why?\n{{alpha}}, {{ p }}", False, "written", "why"),
    Cell("Because 42.", False, "solution"),
]


def test_placeholders_and_personal_become_numbers():
    lab = small_lab()
    cells = json.loads(release_text(SOURCE, lab))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    numbers = personal_numbers(lab, None, "")
    assert sources[0] == f"PERSONAL = {numbers!r}"
    assert type(numbers["alpha"]) is float
    assert type(numbers["p"]) is int
    assert sources[1] == "def f():\n    raise NotImplementedError"
    assert sources[2] == f"# Why?\n{numbers['alpha']:g}, {numbers['p']}"
    assert cells[2]["metadata"]["lab"]["template"] == "# Why?\n{{alpha}}, {{ p }}"
    assert sources[3:] == [YOUR_ANSWER]


@pytest.mark.parametrize(
    "cells, wrong",
    [
        (SOURCE[1:2], "its written questions are []"),
        (SOURCE[2:], "its answer cells are []"),
        ([*SOURCE, SOURCE[1]], "[f, f]"),
        ([*SOURCE[:2], Cell("# Why {{p}}?", False, "written", "why")], "known by their first lines"),
        ([*SOURCE, Cell("{{beta}}", False)], "no personal numbers beta"),
        ([*SOURCE, Cell("### BEGIN SOLUTION", True)], "a marker of a solution is left"),
    ],
)
def test_a_source_that_does_not_fit_its_lab_is_refused(cells, wrong):
    with pytest.raises(ValueError, match="lab 02") as error:
        release_text(cells, small_lab())
    assert wrong in str(error.value)


def test_numbers_follow_from_secret_lab_and_id_alone():
    lab = open_lab("06")
    mine = personal_numbers(lab, SECRET, "k1")
    assert mine == personal_numbers(lab, SECRET, "k1")
    assert any(personal_numbers(lab, SECRET, f"k{i}") != mine for i in range(2, 6))
    assert any(
        personal_numbers(lab, b"another secret..", f"k{i}") != personal_numbers(lab, SECRET, f"k{i}") for i in range(4)
    )
    assert personal_numbers(lab, None, "k1") == personal_numbers(lab, None, "k2")
    assert json.loads(json.dumps(mine)) == {k: list(v) if isinstance(v, tuple) else v for k, v in mine.items()}


def test_a_statement_over_several_lines_is_replaced_and_nothing_else():
    source = "# yours:\nPERSONAL = {\n    'a': 1,\n}\nb = PERSONAL['a']"
    assert set_personal(source, {"a": 2}) == "# yours:\nPERSONAL = {'a': 2}\nb = PERSONAL['a']"
    assert set_personal("x = PERSONAL", {"a": 2}) == "x = PERSONAL"
    for broken in ("PERSONAL = {", f"PERSONAL = {'-' * 200_000}1", f"PERSONAL = {'(' * 5_000}"):
        assert set_personal(broken, {"a": 2}) == broken
    assert personal_of([Cell(source, True)], {"a", "b"}) == {"a": 1}
    assert personal_of([Cell("PERSONAL = open('x')", True)], {"a"}) == {}


def test_each_student_of_a_roster_gets_their_own(tmp_path):
    lab = open_lab("06")
    roster = {id: Student(id) for id in ("k1", "../k2")}
    written = release_lab(lab, tmp_path / "out", roster, SECRET)
    assert [path.parent.name for path in written] == ["k1", "..%2Fk2".replace("..", "%..", 1)]
    texts = [path.read_text(encoding="utf-8") for path in written]
    for id, text in zip(roster, texts, strict=True):
        numbers = personal_numbers(lab, SECRET, id)
        assert f"PERSONAL = {numbers!r}" in "\n".join("".join(c["source"]) for c in json.loads(text)["cells"])
        assert "{{" not in text
    assert {cell.source for cell in personal_cells([Cell("{{layers}}", False)], {"layers": 3})} == {"3"}


def test_wrong_ways_to_release_are_refused_before_anything_is_written(tmp_path):
    lab = open_lab("06")
    with pytest.raises(ValueError, match="needs a roster"):
        release_lab(lab, tmp_path / "out", None, SECRET)
    with pytest.raises(ValueError, match="needs secret_file="):
        release_lab(lab, tmp_path / "out", {"k1": Student("k1")})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(FileExistsError):
        release_lab(lab, tmp_path / "full")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["full", "mine.txt"]

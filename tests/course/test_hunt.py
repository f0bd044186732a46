"""Bug hunts: no two bugs look alike from outside, and who is wrong is told an experiment, not the answer."""

import importlib
import types
from pathlib import Path

import numpy as np
import pytest

from albert_np.course.hunt import named_bugs

COURSE = Path(__file__).parents[2] / "albert_np" / "course"
LESSONS = sorted(p.stem[-2:] for p in COURSE.glob("lesson*.py") if "\nHUNT = " in p.read_text(encoding="utf-8"))


@pytest.fixture(params=LESSONS)
def hunt(request):
    return importlib.import_module(f"albert_np.course.lesson{request.param}").HUNT


def test_no_two_bugs_have_the_same_symptoms(hunt):
    rows = [tuple(row.values()) for row in (hunt.symptoms(hunt.right), *hunt.found.values())]
    assert len(set(rows)) == len(rows) == len(hunt.bugs) + 1


def test_causes_are_numbered_from_one_and_not_in_the_order_of_the_letters(hunt):
    assert list(hunt.causes) == list(range(1, len(hunt.bugs) + 1))
    assert hunt.numbers != tuple(hunt.causes)


def test_a_wrong_answer_is_told_an_experiment_and_not_the_cause(hunt):
    answers = dict(zip(hunt.letters, hunt.numbers, strict=True))
    assert all(finding.ok for finding in hunt.findings(answers))
    for letter, number in answers.items():
        for other in hunt.causes.keys() - {number}:
            (wrong,) = (finding for finding in hunt.findings({**answers, letter: other}) if not finding.ok)
            assert hunt.causes[number] not in wrong.line
            assert wrong.line.startswith(f"{letter}: not “{hunt.causes[other]}”: with that bug, the column “")


def test_the_table_has_a_row_for_each_letter_and_a_line_for_each_cause(hunt):
    lines = repr(hunt).splitlines()
    assert [line[:6].strip() for line in lines[1 : len(hunt.bugs) + 2]] == ["right", *hunt.letters]
    assert lines[-len(hunt.bugs) :] == [f"{number}  {cause}" for number, cause in hunt.causes.items()]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("odd", [[4], np.array([1, 2]), "4", None, ..., 0, 2.5])
def test_what_is_no_number_of_the_list_is_said_to_be_none(odd):
    found = list(named_bugs({"A": odd, "B": 2}, {"A": 1, "B": 2}, range(1, 5), lambda suspect, number: "not that"))
    assert [finding.line for finding in found] == [f"A: {odd!r} is no number of the list, 1 to 4", "B is 2"]
    assert [finding.ok for finding in found] == [False, True]


def test_any_mapping_names_bugs_and_numbers_may_be_numpys():
    given = types.MappingProxyType({"A": np.int64(1), "B": np.int64(3)})
    found = list(named_bugs(given, {"A": 1, "B": 2}, range(1, 5), lambda suspect, number: f"{suspect} has no {number}"))
    assert [finding.line for finding in found] == ["A is 1", "B has no 3"]

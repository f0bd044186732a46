"""Bug hunts: no two bugs look alike from outside, and who is wrong is told an experiment, not the answer."""

import importlib
from pathlib import Path

import pytest

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

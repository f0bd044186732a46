"""Every lab: right answers get all points, the stub and zeros none, each planted mistake what it deserves."""

import importlib.util
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from albert_np.labs import LABS, judge, open_lab
from albert_np.labs.source import SOLUTION, read_source, release_cells, solution_cells

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("prove", ROOT / "labs" / "prove.py")
prove = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(prove)

SOURCES = {number: read_source(prove.source_path(number)) for number in LABS}
RIGHT = Path(__file__).parent / "right"
MISTAKES = [(number, mistake) for number in LABS for mistake in prove.mistakes_of(number)]


def personal(number, seed=0):
    return open_lab(number).personal(np.random.default_rng(seed))


def right_answers(number, seed):
    """Right answers by exercise, each one function, or a tuple of as many as the exercise asks for."""
    return runpy.run_path(str(RIGHT / f"right{number}.py"), {"PERSONAL": personal(number, seed)})["RIGHT"]


@pytest.mark.parametrize("number", LABS)
def test_the_source_asks_for_what_the_lab_marks_and_all_is_worth_100(number):
    assert not prove.source_problems(open_lab(number), SOURCES[number])


@pytest.mark.parametrize("number", LABS)
def test_the_solution_gets_all_points_whatever_the_seed(number):
    for seed in range(2):
        lost = [v for v in prove.verdicts_of(open_lab(number), solution_cells(SOURCES[number]), seed) if not v.ok]
        assert not lost


@pytest.mark.parametrize("number", sorted(path.stem[-2:] for path in RIGHT.glob("*.py")))
def test_right_answers_that_are_written_otherwise_get_all_points(number):
    lab = open_lab(number)
    answers = right_answers(number, seed=1)
    assert answers.keys() == {exercise.id for exercise in lab.machine}
    for exercise in lab.machine:
        for answer in answers[exercise.id]:
            given = answer if isinstance(answer, tuple) else (answer,)
            functions = dict(zip(exercise.functions, given, strict=True))
            lost = [v for v in judge(exercise, functions, 1, personal(number, 1)) if not v.ok]
            assert not lost, given


@pytest.mark.parametrize("number", LABS)
def test_what_is_not_written_yet_gets_nothing_and_is_told_so(number):
    verdicts = prove.verdicts_of(open_lab(number), release_cells(SOURCES[number]), 0)
    assert not sum(v.points for v in verdicts)
    assert "not written yet" in {v.message for v in verdicts}


def zeros_like(result):
    if isinstance(result, tuple | list):
        return type(result)(map(zeros_like, result))
    return np.zeros_like(result) if isinstance(result, np.ndarray) else type(result)(0)


def returning_zeros(right):
    """A function that returns zeros of the right shapes, and calls none of the functions that it is given."""
    return lambda *given: 0 if any(map(callable, given)) else zeros_like(right(*given))


@pytest.mark.parametrize("number", LABS)
def test_zeros_of_the_right_shapes_get_nothing(number):
    solved = prove.functions_of(solution_cells(SOURCES[number]), personal(number))
    for exercise in open_lab(number).machine:
        functions = {name: returning_zeros(solved[name]) for name in exercise.functions}
        assert not [v for v in judge(exercise, functions, 0, personal(number)) if v.points]


@pytest.mark.parametrize("number, mistake", MISTAKES, ids=[f"{n}-{m['name']}" for n, m in MISTAKES])
def test_a_planted_mistake_loses_its_findings_and_is_pointed_to(number, mistake):
    assert not prove.mistake_problems(open_lab(number), SOURCES[number], mistake)


@pytest.mark.parametrize("number", LABS)
def test_a_lab_has_six_mistakes_or_more_and_a_rubric_of_each_written_question(number):
    assert len(prove.mistakes_of(number)) >= 6
    lab = open_lab(number)
    rubric = (ROOT / "labs" / "rubrics" / f"{number}.md").read_text(encoding="utf-8")
    for question in [one for one in lab.exercises if one not in lab.machine]:
        assert re.search(rf"^## {question.id}: .* \({question.points:g}\)$", rubric, re.M), question.id
    viva = rubric.split("## Viva")[1]
    assert all(f"\n{i}. " in viva for i in range(1, 7))


@pytest.mark.parametrize("number", LABS)
def test_a_release_holds_no_line_of_a_solution(number):
    cells = SOURCES[number]
    released = {line.strip() for cell in release_cells(cells) for line in cell.source.splitlines()}
    hidden = "\n".join(cell.source for cell in cells if cell.kind == "solution")
    for cell in cells:
        hidden += "\n".join(inside for _, inside in SOLUTION.findall(cell.source + "\n"))
    found = {line.strip() for line in hidden.splitlines() if len(line.strip()) > 12} & released
    assert not found

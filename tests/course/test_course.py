"""The course's self-checks pass the solutions, refuse what is not written yet, and reject planted mistakes."""

import importlib
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from albert_np import ops
from albert_np.course import cases, committed_model, verify_op
from albert_np.gradcheck import compare_results, model_results

ROOT = Path(__file__).parents[2]
LESSONS = sorted(path.stem[-2:] for path in (ROOT / "notebooks" / "solutions").glob("lesson*.py"))


def checks(number):
    return importlib.import_module(f"albert_np.course.lesson{number}")


def solutions(number):
    return runpy.run_path(str(ROOT / "notebooks" / "solutions" / f"lesson{number}.py"))["ANSWERS"]


def mistakes(number):
    return runpy.run_path(str(ROOT / "tests" / "course" / "mistakes" / f"mistakes{number}.py"))["MISTAKES"]


def first_failure(report):
    """What a reader sees first."""
    return next(finding.line for finding in report.findings if finding.ok is False)


CASES = [(number, name, *case) for number in LESSONS for name, cases in mistakes(number).items() for case in cases]


@pytest.mark.parametrize("number", LESSONS)
def test_every_check_has_a_solution_that_passes_and_three_mistakes(number):
    names = set(checks(number).__all__)
    assert names == solutions(number).keys() == mistakes(number).keys()
    for name, answers in solutions(number).items():
        report = getattr(checks(number), name)(*answers)
        assert report.passed, report
        assert len(mistakes(number)[name]) >= 3, name


@pytest.mark.parametrize("number, name, answers, message", CASES, ids=[f"{c[0]}-{c[2][-1].__name__}" for c in CASES])
def test_mistakes_are_rejected_with_a_message_that_points_to_them(number, name, answers, message):
    report = getattr(checks(number), name)(*answers)
    assert not report.passed
    assert message in first_failure(report), report


OTHERWISE = [
    (number, name, answers)
    for number in LESSONS
    for name, cases in runpy.run_path(str(ROOT / "tests" / "course" / "right" / f"right{number}.py"))["RIGHT"].items()
    for answers in cases
]


@pytest.mark.parametrize("number, name, answers", OTHERWISE, ids=[f"{o[0]}-{o[2][-1].__name__}" for o in OTHERWISE])
def test_right_answers_written_otherwise_pass(number, name, answers):
    report = getattr(checks(number), name)(*answers)
    assert report.passed, report


def test_every_check_is_tried_with_answers_written_otherwise_and_with_many_mistakes():
    assert {(number, name) for number, name, _ in OTHERWISE} == {(c[0], c[1]) for c in CASES}
    assert len(CASES) >= 300


def _given_as(kind, answer):
    """An answer whose arrays come back as another kind of thing."""

    def given(*arguments):
        result = answer(*arguments)
        several = isinstance(result, tuple)
        values = [kind(x) if isinstance(x, np.ndarray) else x for x in (result if several else (result,))]
        return tuple(values) if several else values[0]

    return given


def as_matrix(x):
    return np.matrix(x) if x.ndim == 2 else x


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", [np.ndarray.tolist, as_matrix, np.asfortranarray, np.ma.array])
@pytest.mark.parametrize("number", ["01", "03", "05", "07", "08", "12", "17", "19"])
def test_arrays_of_another_kind_are_right_or_told_why_they_are_not(number, kind):
    for name, answers in solutions(number).items():
        report = getattr(checks(number), name)(*[_given_as(kind, answer) for answer in answers])
        assert report.passed or "list" in first_failure(report), report
        assert "could not be used" not in repr(report)


@pytest.mark.parametrize("number", LESSONS)
def test_a_function_that_is_not_written_yet_is_no_error(number):
    def stub(*_, **__):
        raise NotImplementedError

    for name, answers in solutions(number).items():
        report = getattr(checks(number), name)(*[stub] * len(answers))
        assert not report.passed
        assert "not written yet" in repr(report)


@pytest.mark.parametrize("name", cases())
def test_every_op_of_the_course_agrees_with_the_committed_values(name):
    report = verify_op(name)
    assert report.passed, report
    assert [finding.ok for finding in report.findings[:2]] == [True, True]


def test_a_check_that_was_not_run_is_not_ticked(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    report = verify_op("softmax")
    assert report.passed
    assert repr(report).splitlines() == [
        "softmax, three ways: 2 of 3 checks",
        "– live PyTorch: not installed here, so not compared",
        "✓ finite differences (1 array); committed PyTorch values (2 arrays)",
    ]


def test_an_own_backward_is_verified_in_the_place_of_the_packages():
    right = verify_op("softmax", backward=lambda dy, cache: ops.softmax_backward(dy, cache))
    assert right.passed
    wrong = verify_op("softmax", backward=lambda dy, cache: dy * cache.probs)
    assert not wrong.passed
    assert first_failure(wrong).startswith("finite differences")
    with pytest.raises(ValueError, match="'sofmax' is no op of the course; there are embedding"):
        verify_op("sofmax")


def _numbers(text):
    """The notebooks that a text names: "02, 11–13" and "02 (…), 11 to 13" are 02, 11, 12, 13."""
    text = re.sub(r"\([^)]*\)", "", text)
    spans = re.findall(r"\b(\d\d)(?:(?:–| to )(\d\d))?\b", text)
    return {f"{n:02}" for first, last in spans for n in range(int(first), int(last or first) + 1)}


def _needed():
    """Notebook → the notebooks that it needs, by its row in the course's README."""
    rows = re.findall(r"^\| (\d\d) \| [^|]+ \| ([^|]+) \|", README.read_text(encoding="utf-8"), re.M)
    return {number: _numbers(needs) for number, needs in rows}


README = ROOT / "notebooks" / "README.md"


def test_readme_and_headers_agree_on_what_a_notebook_needs():
    headers = {
        path.stem[:2]: re.search(r"You need: (.*?)You\s(?:# )?will", path.read_text(encoding="utf-8"), re.S)[1]
        for path in (ROOT / "notebooks").glob("[0-9]*.py")
    }
    assert _needed() == {number: _numbers(header) for number, header in headers.items()}


def test_no_shorter_way_skips_what_it_needs():
    ways = README.read_text(encoding="utf-8").partition("Shorter ways:")[2].partition("\n\n")[0].split("**")
    first, *others = [_numbers(way) for way in ways[2::2]]
    assert first
    assert len(others) == 2
    needed = _needed()
    for way in (first, *(first | other for other in others)):
        assert not {n: needed[n] - way for n in way if needed[n] - way}


def test_the_committed_model_agrees_with_the_package():
    model, inputs, expected = committed_model()
    rows = compare_results(model_results(model, inputs), expected, 1e-10)
    assert len(rows) > 30
    assert all(row.ok for row in rows), [row for row in rows if not row.ok]


ANCHOR = re.compile(r"notebook (\d\d), eq\. ([\d., andto]+\d)")


def test_every_derivation_that_a_docstring_names_is_there():
    sources = {path.stem[:2]: path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("[0-9]*.py")}
    named = [
        (path.name, number, equation)
        for path in sorted((ROOT / "albert_np").rglob("*.py"))
        for number, equations in ANCHOR.findall(path.read_text(encoding="utf-8"))
        for equation in re.findall(r"\d+\.\d+", equations)
    ]
    assert len(named) > 30
    lost = [anchor for anchor in named if rf"\tag{{{anchor[2]}}}" not in sources.get(anchor[1], "")]
    assert not lost


@pytest.mark.parametrize("name", ops.__all__)
def test_every_op_says_where_it_is_derived(name):
    op = getattr(ops, name)
    derived = "embedding linear gelu gelu_new layer_norm softmax attention cross_entropy".split()
    if callable(op) and name.rpartition("_")[0] in derived:
        assert ANCHOR.search(op.__doc__)

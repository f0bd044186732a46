"""A report says what a function did, what is wrong first, and shows itself; arguments and values are looked after."""

import functools
import sys
import types

import numpy as np
import pytest

from albert_np.course.report import CheckFailed, Finding, differences, equal, float32_stays, holds, left_out, self_check


@self_check("twice", returns=("y", "half"))
def check_twice(twice):
    """Check `y, half = twice(x)`."""
    x = np.array([1.0, 2.0])
    y, half = twice(x)
    yield equal("y", y, 2 * x, mistakes={"this is the square": x * x}, advice="(1.1)")
    yield equal("half", half, x / 2)
    yield holds("finite", np.isfinite(y).all(), "it is not")


def said_of(function):
    report = check_twice(function)
    assert not report.passed
    return repr(report)


def test_what_is_right_is_folded_into_one_line():
    report = check_twice(lambda x: (2 * x, x / 2))
    assert report.passed
    assert repr(report).splitlines() == ["twice: all right, 3 checks", "✓ y; half; finite"]


def test_the_first_failure_comes_first_and_whole():
    lines = said_of(lambda x: (x * x, 2 * x)).splitlines()
    assert lines[0] == "twice: not yet, 1 of 3 checks"
    assert lines[1] == "✗ y: this is the square: at [0] got 1, expected 2 (relative error 2.5e-01)"
    assert lines[2] == "✗ and, perhaps for the same reason: half"
    assert lines[3] == "✓ finite"


def test_many_that_are_right_are_told_by_their_number():
    @self_check("many")
    def check(_):
        yield from (Finding(f"f{i}", True) for i in range(9))

    assert repr(check(print)).splitlines()[1] == "✓ f0; f1; f2; and 6 more"


def returns_nothing(x):
    2 * x


def returns_three(x):
    return 2 * x, x / 2, x


def fails(x):
    y = np.ones(3)
    return x @ y, x


def takes_two(x, y):
    return x, y


def edits(x):
    x *= 2
    return x, x / 4


@pytest.mark.parametrize(
    "function, message",
    [
        (returns_nothing, "returns_nothing returned None: is a `return` missing?"),
        (returns_three, "returned 3 values, expected 2 values (y, half)"),
        (lambda x: 2 * x, "returned one ndarray, expected 2 values (y, half)"),
        (fails, ": return x @ y, x"),
        (takes_two, "missing 1 required positional argument: 'y'"),
        (edits, "edits changed its argument x"),
        (lambda x: (None, x), "y: is a NoneType, expected an array of shape (2,)"),
        (lambda x: ("ab", x), "y: is a str, expected an array of shape (2,)"),
        (lambda x: ([[1], [1, 2]], x), "y: is a list, expected an array of shape (2,)"),
        (lambda x: (x[:1], x), "y: got shape (1,), expected (2,)"),
        (lambda x: (np.array([2, np.nan]), x), "y: at [1] got nan, expected 4"),
        (lambda x: (x + 0j, x), "y: is an array of complex128, expected an array of shape (2,)"),
        (lambda x: (x.astype(object), x), "y: is an array of object, expected an array of shape (2,)"),
        (lambda x: (6 * x, x / 2), "every number is 3 times what is expected. (1.1)"),
        (lambda x: (0 * x, x / 2), "every number is 0"),
        (lambda x: (np.array([2.0, 5.0]), x / 2), "1 of 2 numbers are wrong"),
    ],
)
def test_whatever_a_function_does_is_said(function, message):
    assert message in said_of(function).splitlines()[1]


@pytest.mark.parametrize("function", [returns_nothing, returns_three, fails, edits])
def test_the_input_of_the_case_stands_under_a_failure(function):
    assert f"    called as {function.__name__}(float64 [1., 2.])" in said_of(function)


def test_what_a_function_returns_is_not_taken_for_the_function():
    said = "got a ndarray: the check takes your function itself, f, not what it returns, f(…)"
    assert said in said_of(np.ones(2))
    with pytest.raises(TypeError, match="check_twice takes twice: got 2 of 1"):
        check_twice(returns_three, returns_three)


def test_what_is_right_in_float32_is_told_so_and_blamed_on_no_known_mistake():
    @self_check("third", returns=("y",))
    def check(third):
        yield equal("y", third(1.0), 1 / 3, mistakes={"this is another third": 1 / 3})

    said = repr(check(lambda x: np.float32(x) / 3))
    assert "y: right to the seven digits of float32 only: is something float32? got 0.333333" in said
    assert "every number is" not in said


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", [list, np.matrix, np.ma.array, np.asfortranarray])
def test_finite_differences_take_what_can_be_read_as_an_array(kind):
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    rows = differences(lambda x: (x * x, x), lambda dy, x: kind(2 * x * dy), {"x": x})
    assert [row.ok for row in rows] == [True]
    rows = differences(lambda x, w: (x * w, (x, w)), lambda dy, c: (kind(dy * c[1]), kind(dy * c[0])), {"x": x, "w": x})
    assert [row.ok for row in rows] == [True] * 3


def test_a_check_that_could_not_go_on_says_so():
    assert said_of(returns_nothing).startswith("twice: not yet, stopped after 0 right")


def test_arrays_inside_lists_and_dictionaries_are_looked_after_too():
    @self_check("nested")
    def check(function):
        function([{"a": np.ones(2)}])
        yield Finding("went through", True)

    def edits_inside(parts):
        parts[0]["a"] += 1
        return parts

    assert "edits_inside changed its argument parts" in repr(check(edits_inside))
    assert check(lambda parts: parts).passed


def test_what_was_left_out_is_neither_right_nor_wrong():
    @self_check("some")
    def check(_):
        yield Finding("a", True)
        yield left_out("b", "not installed")

    report = check(print)
    assert report.passed
    assert repr(report).splitlines() == ["some: 1 of 2 checks", "– b: not installed", "✓ a"]


def test_nothing_looked_at_is_not_passed():
    assert not self_check("none")(lambda _: iter([left_out("b", "not installed")]))(print).passed


def test_a_failing_check_raises_where_it_is_asked_to(monkeypatch):
    monkeypatch.setenv("ALBERT_NP_CHECKS", "strict")
    with pytest.raises(CheckFailed, match="twice: not yet"):
        check_twice(returns_nothing)
    assert check_twice(lambda x: (2 * x, x / 2)).passed


def test_a_report_shows_itself_once_a_cell(monkeypatch):
    shown = []
    shell = types.SimpleNamespace(execution_count=1)
    display = types.SimpleNamespace(display=lambda data, raw: shown.append(data["text/plain"]))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell, display=display))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    report = check_twice(returns_nothing)
    assert shown == [repr(report)]
    report._ipython_display_()  # the cell's last expression
    assert len(shown) == 1
    shell.execution_count = 2
    report._ipython_display_()
    assert len(shown) == 2


def test_a_function_is_used_once_it_has_passed():
    def right(x):
        return 2 * x, x / 2

    assert check_twice(right).yours(print) is right
    assert check_twice(returns_nothing).yours(print) is print
    partial = functools.partial(right)
    assert check_twice(partial).yours(print) is partial
    with pytest.raises(ValueError, match="of 1 functions, got 2"):
        check_twice(right).yours(print, print)


def test_float32_and_differences_are_findings():
    assert float32_stays(lambda x: x * 2, (np.ones(2),), "").ok
    unknown = float32_stays(lambda x: x.tolist(), (np.ones(2),), "use a plain number")
    assert unknown.line == "float32 in gives float32 out: got a list, which has no dtype: return an array"
    wide = float32_stays(lambda x: x * np.float64(2), (np.ones(2),), "use a plain number")
    assert wide.line == "float32 in gives float32 out: got float64: use a plain number"
    (right,) = differences(lambda x: (x * x, x), lambda dy, x: 2 * x * dy, {"x": np.ones(2)})
    (wrong,) = differences(lambda x: (x * x, x), lambda dy, x: x * dy, {"x": np.ones(2)})
    assert (right.ok, wrong.ok) == (True, False)
    assert wrong.line.startswith("finite differences, the gradient of x: at [")

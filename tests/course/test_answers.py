"""What is said of a call of somebody else's function: its author's line, its input, and what it did not return."""

import numpy as np
import pytest

from albert_np.course.answers import (
    Wrong,
    called_as,
    described,
    expect_array,
    expect_values,
    not_none,
    own_words,
    report_lines,
)


def helper_of_the_reader(x):
    return x @ np.ones(3)


def calls_a_helper(x):
    return 2 * helper_of_the_reader(x)


def test_the_line_is_the_last_of_the_authors_own_helpers_too():
    with pytest.raises(ValueError, match="matmul") as raised:
        calls_a_helper(np.ones(2))
    assert ": return x @ np.ones(3)" in own_words(raised.value, calls_a_helper)


def test_a_failure_inside_a_library_is_told_by_the_line_that_called_it():
    def answer(x):
        return np.concatenate([x, x[None]])

    with pytest.raises(ValueError, match="dimension") as raised:
        answer(np.ones(2))
    assert own_words(raised.value, answer).endswith("return np.concatenate([x, x[None]])")


def test_a_builtin_has_no_line():
    with pytest.raises(ValueError, match="invalid") as raised:
        int("x")
    assert own_words(raised.value, int) == "ValueError: invalid literal for int() with base 10: 'x'"


def test_small_arguments_are_told_whole():
    assert (
        called_as("f", [np.ones((20, 3)), np.array([2, -1]), "abc", 3])
        == "f(float64 (20, 3), int64 [ 2, -1], 'abc', 3)"
    )
    assert described(print) == "a function"
    assert len(described("x" * 100)) == 38


def test_none_and_a_wrong_number_of_values():
    with pytest.raises(Wrong, match="f returned None: is a `return` missing"):
        not_none("f", None)
    with pytest.raises(Wrong, match=r"returned 3 values, expected 2 values \(dx, dweight\)"):
        expect_values((1, 2, 3), ["dx", "dweight"])
    with pytest.raises(Wrong, match=r"returned one ndarray, expected 2 values"):
        expect_values(np.ones(2), ["dx", "dweight"])
    with pytest.raises(Wrong, match=r"returned 2 values, expected one value \(dx\)"):
        expect_values((1, 2), ["dx"])
    assert expect_values([1, 2], ["dx"]) == ([1, 2],)


def test_an_array_is_asked_for_by_type_shape_and_dtype():
    for value, said in [([1.0], "dx is a list"), (np.ones(2), "has shape"), (np.ones(1, np.float32), "is float32")]:
        with pytest.raises(Wrong, match=said):
            expect_array("dx", value, (1,))
    assert expect_array("loss", 1.0, ()) == 1.0


def test_what_is_wrong_comes_first_and_what_is_right_in_one_line():
    lines = report_lines("title", ["a is 2"], ["b"], ["c", "d"])
    assert lines == ["title", "✗ a is 2", "– b", "✓ c, d"]

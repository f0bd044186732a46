"""Wrong answers to notebook 02: check → (functions, what the report must say)."""

import numpy as np

H = 1e-5


def differences(forward, x, dy, h=H):
    expected = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        expected[i] = (dy * (forward(x + step)[0] - forward(x - step)[0])).sum() / (2 * h)
    return expected


def both(forward, backward, x, draw=None):
    y, cache = forward(x)
    dy = (draw or np.random.default_rng(0).standard_normal)(y.shape)
    return backward(dy, cache), differences(forward, x, dy)


def relative(dx, expected):
    return abs(dx - expected).max() / abs(expected).max()


def ones_upstream(forward, backward, x):
    return relative(*both(forward, backward, x, np.ones))


def ones_upstream_and_a_floor(forward, backward, x):
    dx, expected = both(forward, backward, x, np.ones)
    return abs(dx - expected).max() / max(1e-3, abs(expected).max())


def absolute_error(forward, backward, x):
    dx, expected = both(forward, backward, x)
    return abs(dx - expected).max()


def entry_by_entry(forward, backward, x):
    dx, expected = both(forward, backward, x)
    return (abs(dx - expected) / np.maximum(abs(dx) + abs(expected), 1e-30)).max()


def one_sided(forward, backward, x):
    y, cache = forward(x)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    expected = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = H
        expected[i] = (dy * (forward(x + step)[0] - y)).sum() / H
    return relative(backward(dy, cache), expected)


def first_entry_only(forward, backward, x):
    dx, expected = both(forward, backward, x)
    return relative(dx.flat[0], expected.flat[0])


def difference_without_dy(forward, backward, x):
    y, cache = forward(x)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    return relative(backward(dy, cache), differences(forward, x, np.ones_like(y)))


def shape_of_x(forward, backward, x):
    _, cache = forward(x)
    dy = np.random.default_rng(0).standard_normal(x.shape)
    return relative(backward(dy, cache), differences(forward, x, dy))


def in_float32(forward, backward, x):
    return relative(*both(forward, backward, x.astype(np.float32)))


def step_left_behind(forward, backward, x):
    y, cache = forward(x.copy())
    dy = np.random.default_rng(0).standard_normal(y.shape)
    dx, expected = backward(dy, cache), np.zeros_like(x)
    for i in np.ndindex(x.shape):
        x[i] += H
        above = forward(x.copy())[0]
        x[i] -= 2 * H
        expected[i] = (dy * (above - forward(x.copy())[0])).sum() / (2 * H)
        x[i] += H
    return relative(dx, expected)


def a_ramp(forward, backward, x):
    return relative(*both(forward, backward, x, lambda shape: np.arange(1.0, 1 + np.prod(shape)).reshape(shape)))


def equal_rows(forward, backward, x):
    return relative(
        *both(forward, backward, x, lambda shape: np.random.default_rng(0).normal(size=shape[-1:]) * np.ones(shape))
    )


def equal_columns(forward, backward, x):
    def draw(shape):
        return np.random.default_rng(0).normal(size=(shape[0], 1)) * np.ones(shape)

    return relative(*both(forward, backward, x, draw))


def step_too_small(forward, backward, x):
    y, cache = forward(x)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    return relative(backward(dy, cache), differences(forward, x, dy, 1e-12))


def step_too_large(forward, backward, x):
    y, cache = forward(x)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    return relative(backward(dy, cache), differences(forward, x, dy, 1e-2))


def not_halved(forward, backward, x):
    dx, expected = both(forward, backward, x)
    return relative(dx, 2 * expected)


def another_dy_for_the_difference(forward, backward, x):
    y, cache = forward(x)
    rng = np.random.default_rng(0)
    return relative(backward(rng.normal(size=y.shape), cache), differences(forward, x, rng.normal(size=y.shape)))


def compared_with_itself(forward, backward, x):
    dx, _ = both(forward, backward, x)
    return relative(dx, dx)


def errors_of_all_entries(forward, backward, x):
    dx, expected = both(forward, backward, x)
    return abs(dx - expected) / abs(expected).max()


def only_the_signs(forward, backward, x):
    dx, expected = both(forward, backward, x)
    return float((np.sign(dx) != np.sign(expected)).mean())


def a_verdict(forward, backward, x):
    return bool(relative(*both(forward, backward, x)) < 1e-6)


def sums_alone(forward, backward, x):
    dx, expected = both(forward, backward, x)
    return abs(dx.sum() - expected.sum()) / abs(expected).max()


def nothing_returned(forward, backward, x):
    relative(*both(forward, backward, x))


def along(forward, backward, x, v=None, dy=None, h=H, per=2 * H):
    """Both sides of (2.11)."""
    rng = np.random.default_rng(0)
    y, cache = forward(x)
    dy = rng.normal(size=y.shape) if dy is None else dy(y)
    v = rng.normal(size=x.shape) if v is None else v(x, dy)
    return (backward(dy, cache) * v).sum(), (dy * (forward(x + h * v)[0] - forward(x - h * v)[0])).sum() / per


def apart(sides):
    return abs(sides[0] - sides[1]) / max(abs(sides[0]), abs(sides[1]))


def every_entry_by_itself(forward, backward, x):
    return relative(*both(forward, backward, x))


def direction_of_ones(forward, backward, x):
    return apart(along(forward, backward, x, v=lambda x, dy: np.ones_like(x)))


def direction_is_the_upstream(forward, backward, x):
    return apart(along(forward, backward, x, v=lambda x, dy: dy))


def one_coordinate(forward, backward, x):
    return apart(along(forward, backward, x, v=lambda x, dy: (np.arange(x.size) == 0).reshape(x.shape) * 1.0))


def upstream_of_ones(forward, backward, x):
    return apart(along(forward, backward, x, dy=np.ones_like))


def direction_not_halved(forward, backward, x):
    return apart(along(forward, backward, x, per=H))


def not_divided(forward, backward, x):
    sides = along(forward, backward, x)
    return abs(sides[0] - sides[1])


def two_directions(forward, backward, x):
    return apart((along(forward, backward, x)[0], along(forward, backward, x, v=lambda x, dy: np.sin(1 + x))[1]))


def first_direction_alone(forward, backward, x):
    claimed, _ = along(forward, backward, x)
    return abs(claimed - claimed) / abs(claimed)


def direction_error_without_return(forward, backward, x):
    apart(along(forward, backward, x))


CHECKS = {"A": 3, "B": 7, "C": 1, "D": 4, "E": 6, "F": 2, "G": 5}


def rough_ones_swapped():
    return {**CHECKS, "B": 2, "F": 7}


def zeros_pass_for_any_reason():
    return {**CHECKS, "D": 3}


def sharp_for_small():
    return {**CHECKS, "A": 6}


def dy_for_ones():
    return {**CHECKS, "G": 4}


def a_check_left_out():
    return {letter: number for letter, number in CHECKS.items() if letter != "C"}


def numbers_as_text():
    return {**CHECKS, "A": "3"}


def central_once_more(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def mean_of_both(f, x, h):
    return (central_once_more(f, x, h) + central_once_more(f, x, 2 * h)) / 2


def twice_for_four_times(f, x, h):
    return 2 * central_once_more(f, x, h) - central_once_more(f, x, 2 * h)


def three_slopes(f, x, h):
    return 4 * central_once_more(f, x, h) - central_once_more(f, x, 2 * h)


def near_and_far_swapped(f, x, h):
    return (4 * central_once_more(f, x, 2 * h) - central_once_more(f, x, h)) / 3


def far_over_too_short_a_way(f, x, h):
    return (4 * central_once_more(f, x, h) - (f(x + 2 * h) - f(x - 2 * h)) / (2 * h)) / 3


def six_values(f, x, h):
    moved = 45 * (f(x + h) - f(x - h)) - 9 * (f(x + 2 * h) - f(x - 2 * h)) + f(x + 3 * h) - f(x - 3 * h)
    return moved / (60 * h)


def own_step(f, x, h):
    return (8 * (f(x + 1e-3) - f(x - 1e-3)) - (f(x + 2e-3) - f(x - 2e-3))) / 12e-3


MISTAKES = {
    "check_gradient_error": [
        ((ones_upstream,), "random and not ones"),
        ((ones_upstream_and_a_floor,), "wrong: softmax, all zeros: error"),
        ((absolute_error,), "an absolute error?"),
        ((entry_by_entry,), "not entry by entry"),
        ((one_sided,), "two sides"),
        ((first_entry_only,), "every entry of x has to be tried"),
        ((difference_without_dy,), "do both use the same dy"),
        ((shape_of_x,), "y has shape (3, 2)"),
        ((in_float32,), "in float64"),
        ((step_left_behind,), "put the old numbers back"),
        ((a_ramp,), "np.arange is a ramp"),
        ((equal_rows,), "equal rows cannot see"),
        ((equal_columns,), "same dy"),
        ((step_too_small,), "near 1e-5"),
        ((step_too_large,), "near 1e-5"),
        ((not_halved,), "from x - h to x + h it is 2h"),
        ((another_dy_for_the_difference,), "do both use the same dy"),
        ((compared_with_itself,), "was something divided by 0"),
        ((errors_of_all_entries,), "expected one number"),
        ((only_the_signs,), "is the size of the difference compared"),
        ((a_verdict,), "expected one number"),
        ((sums_alone,), "so are sums over x"),
        ((nothing_returned,), "is a `return` missing"),
    ],
    "check_direction_error": [
        ((every_entry_by_itself,), "forward was run 25 times"),
        ((direction_of_ones,), "is dy or v (1, …, 1)?"),
        ((direction_is_the_upstream,), "is v = dy?"),
        ((one_coordinate,), "v has to move every entry"),
        ((upstream_of_ones,), "is dy or v (1, …, 1)?"),
        ((direction_not_halved,), "twice as large"),
        ((not_divided,), "an absolute error"),
        ((two_directions,), "the same v"),
        ((first_direction_alone,), "was something divided by 0"),
        ((direction_error_without_return,), "is a `return` missing"),
    ],
    "check_which_check": [
        ((rough_ones_swapped,), "the column “x Wᵀ” would say < 1e-8, here it says 1e-04"),
        ((zeros_pass_for_any_reason,), "D: not “errors are not divided"),
        ((sharp_for_small,), "the column “sharp softmax” would say 9.6, here it says < 1e-8"),
        ((dy_for_ones,), "the column “x Wᵀ” would say < 1e-8, here it says 1.2"),
        ((a_check_left_out,), "no answer"),
        ((numbers_as_text,), "'3' is no number of the list, 1 to 7"),
    ],
    "check_fourth_order_slope": [
        ((central_once_more,), "its h² is still there"),
        ((mean_of_both,), "add up rather than cancel"),
        ((twice_for_four_times,), "four times as large, not twice"),
        ((three_slopes,), "divide by 3"),
        ((near_and_far_swapped,), "the one that is taken off"),
        ((far_over_too_short_a_way,), "a way of 4h"),
        ((six_values,), "f was run 6 times"),
        ((own_step,), "−4 h⁴"),
    ],
}

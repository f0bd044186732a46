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
    ]
}

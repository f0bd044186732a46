"""Right answers to notebook 02, written otherwise: check → functions."""

import numpy as np

H = 1e-5


def differences(forward, x, dy):
    expected = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = H
        expected[i] = (dy * (forward(x + step)[0] - forward(x - step)[0])).sum() / (2 * H)
    return expected


def relative(dx, expected):
    return abs(dx - expected).max() / abs(expected).max()


def two_upstream_gradients(forward, backward, x):
    y, cache = forward(x)
    rng = np.random.default_rng(1)
    drawn = [rng.normal(size=y.shape) for _ in range(2)]
    return max(relative(backward(dy, cache), differences(forward, x, dy)) for dy in drawn)


def whole_jacobian(forward, backward, x):
    y, cache = forward(x)
    claimed, measured = [], []
    for place in np.ndindex(y.shape):
        dy = np.zeros_like(y)
        dy[place] = 1
        claimed.append(backward(dy, cache))
        measured.append(differences(forward, x, dy))
    return relative(np.array(claimed), np.array(measured))


def uniform_upstream_as_a_float(forward, backward, x):
    y, cache = forward(x)
    dy = np.random.default_rng(5).uniform(-1, 1, y.shape)
    return float(relative(backward(dy, cache), differences(forward, x, dy)))


def fourth_order(forward, backward, x):
    y, cache = forward(x)
    dy = np.random.default_rng(0).normal(size=y.shape)
    expected = np.zeros_like(x)
    for i in range(x.size):

        def f(move, i=i):
            moved = x.copy()
            moved.flat[i] += move
            return (dy * forward(moved)[0]).sum()

        expected.flat[i] = (8 * (f(1e-3) - f(-1e-3)) - (f(2e-3) - f(-2e-3))) / 12e-3
    return relative(backward(dy, cache), expected)


def of_the_larger_of_both(forward, backward, x):
    y, cache = forward(x)
    dy = np.random.default_rng(0).normal(size=y.shape)
    dx, expected = backward(dy, cache), differences(forward, x, dy)
    return abs(dx - expected).max() / max(abs(dx).max(), abs(expected).max())


def along_a_unit_vector(forward, backward, x):
    rng = np.random.default_rng(3)
    y, cache = forward(x)
    dy, v = rng.uniform(-1, 1, y.shape), rng.normal(size=x.shape)
    v = v / np.sqrt((v * v).sum())
    f = [float((dy * forward(x + sign * H * v)[0]).sum()) for sign in (1, -1)]
    along = (f[0] - f[1]) / 2 / H
    return abs(1 - float((backward(dy, cache) * v).sum()) / along)


def of_the_larger_side(forward, backward, x):
    rng = np.random.default_rng(0)
    y, cache = forward(x)
    dy, v = rng.normal(size=y.shape), rng.choice([-1.0, 1.0], size=x.shape)
    sides = np.vdot(backward(dy, cache), v), np.vdot(dy, forward(x + H * v)[0] - forward(x - H * v)[0]) / (2 * H)
    return abs(sides[0] - sides[1]) / max(abs(sides[0]), abs(sides[1]))


def checks_in_another_order():
    return {"G": 5, "F": 2, "E": 6, "D": 4, "C": 1, "B": 7, "A": 3}


def by_weights(f, x, h):
    return sum(w * f(x + k * h) for k, w in ((-2, 1), (-1, -8), (1, 8), (2, -1))) / (12 * h)


RIGHT = {
    "check_direction_error": [(along_a_unit_vector,), (of_the_larger_side,)],
    "check_which_check": [(checks_in_another_order,)],
    "check_fourth_order_slope": [(by_weights,)],
    "check_gradient_error": [
        (two_upstream_gradients,),
        (whole_jacobian,),
        (uniform_upstream_as_a_float,),
        (fourth_order,),
        (of_the_larger_of_both,),
    ],
}

"""Solutions of notebook 02."""

import numpy as np


def gradient_error(forward, backward, x):
    h = 1e-5
    y, cache = forward(x)
    dy = np.random.default_rng(0).normal(size=y.shape)
    dx = backward(dy, cache)
    expected = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        difference = forward(x + step)[0] - forward(x - step)[0]
        expected[i] = (dy * difference).sum() / (2 * h)
    return abs(dx - expected).max() / abs(expected).max()


def direction_error(forward, backward, x):
    rng, h = np.random.default_rng(0), 1e-5
    y, cache = forward(x)
    dy, v = rng.normal(size=y.shape), rng.normal(size=x.shape)
    claimed = (backward(dy, cache) * v).sum()
    along = (dy * (forward(x + h * v)[0] - forward(x - h * v)[0])).sum() / (2 * h)
    return abs(claimed - along) / abs(along)


def which_check():
    return {"A": 3, "B": 7, "C": 1, "D": 4, "E": 6, "F": 2, "G": 5}


def fourth_order_slope(f, x, h):
    near = (f(x + h) - f(x - h)) / (2 * h)
    far = (f(x + 2 * h) - f(x - 2 * h)) / (4 * h)
    return (4 * near - far) / 3


ANSWERS = {
    "check_gradient_error": (gradient_error,),
    "check_direction_error": (direction_error,),
    "check_which_check": (which_check,),
    "check_fourth_order_slope": (fourth_order_slope,),
}

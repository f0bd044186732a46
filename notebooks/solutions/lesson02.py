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


ANSWERS = {"check_gradient_error": (gradient_error,)}

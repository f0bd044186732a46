"""Right answers to notebook 19, written otherwise: check → functions."""

import math

from albert_np.backend import array_module

SCALE = math.sqrt(2 / math.pi)


def square_times_x(x):
    return 0.5 * x * (1 + array_module(x).tanh(SCALE * (x + 0.044715 * (x**2 * x))))


def three_factors(x):
    xp = array_module(x)
    return x * (xp.tanh(SCALE * (x + 0.044715 * x * x * x)) + 1) / 2


def half_square(x):
    half = x / 2
    return half + half * array_module(x).tanh((x * SCALE) * (0.044715 * x**2 + 1))


RIGHT = {"check_gelu_any": [(square_times_x,), (three_factors,), (half_square,)]}

"""Wrong answers to notebook 03: check → (functions, what the report must say)."""

import math

import numpy as np

SCALE = math.sqrt(2 / math.pi)
CUBIC = 0.044715


def rows_of(dy, x):
    return dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])


def weight_transposed(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy @ weight.T, dy_rows.T @ x_rows, dy_rows.sum(axis=0)


def dweight_transposed(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy @ weight, x_rows.T @ dy_rows, dy_rows.sum(axis=0)


def only_the_first_axis_summed(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy @ weight, dy_rows.T @ x_rows, dy.sum(axis=0)


def mean_over_rows(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy @ weight, dy_rows.T @ x_rows / len(x_rows), dy_rows.mean(axis=0)


def overwritten_accumulation(dy, x, weight):
    dweight, dbias = np.zeros_like(weight), np.zeros(len(weight))
    for dy_row, x_row in zip(*rows_of(dy, x), strict=True):
        dweight = np.outer(dy_row, x_row)
        dbias = dbias + dy_row
    return dy @ weight, dweight, dbias


def empties_dy(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    answer = dy @ weight, dy_rows.T @ x_rows, dy_rows.sum(axis=0)
    dy *= 0
    return answer


def tanh_of(x):
    return np.tanh(SCALE * (x + CUBIC * x * x * x))


def without_the_inner_slope(dy, x):
    t = tanh_of(x)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SCALE)


def without_the_factor_x(dy, x):
    t = tanh_of(x)
    return dy * (0.5 * (1 + t) + 0.5 * (1 - t * t) * SCALE * (1 + 3 * CUBIC * x * x))


def only_the_first_term(dy, x):
    return dy * 0.5 * (1 + tanh_of(x))


def dy_before_one_term_only(dy, x):
    t = tanh_of(x)
    return dy * 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SCALE * (1 + 3 * CUBIC * x * x)


def three_forgotten(dy, x):
    t = tanh_of(x)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SCALE * (1 + CUBIC * x * x))


def slope_of_the_erf_form(dy, x):
    cdf = 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return dy * (cdf + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)).astype(x.dtype)


def float64_constant(dy, x):
    scale = np.sqrt(2 / np.pi)
    t = np.tanh(scale * (x + CUBIC * x * x * x))
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * scale * (1 + 3 * CUBIC * x * x))


def in_place(dy, x):
    dy *= 0.5 * (1 + tanh_of(x)) + 0.5 * x * (1 - tanh_of(x) ** 2) * SCALE * (1 + 3 * CUBIC * x * x)
    return dy


MISTAKES = {
    "check_linear_backward": [
        ((weight_transposed,), "dx of the 2×2 case"),
        ((dweight_transposed,), "dweight of the 2×2 case"),
        ((only_the_first_axis_summed,), "shape table"),
        ((mean_over_rows,), "the mean over rows"),
        ((overwritten_accumulation,), "the last row alone"),
        ((empties_dy,), "changed its argument dy"),
    ],
    "check_gelu_new_backward": [
        ((without_the_inner_slope,), "the slope of u is missing"),
        ((without_the_factor_x,), "a factor x is missing in the second term"),
        ((only_the_first_term,), "through u, is missing"),
        ((dy_before_one_term_only,), "is dy a factor of everything"),
        ((three_forgotten,), "the 3 is missing"),
        ((slope_of_the_erf_form,), "the slope of the erf form"),
        ((float64_constant,), "use math.sqrt"),
        ((in_place,), "changed its argument dy"),
    ],
}

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


def order_of_the_results(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy_rows.T @ x_rows, dy @ weight, dy_rows.sum(axis=0)


def two_results(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy @ weight, dy_rows.T @ x_rows


def bias_not_summed(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy @ weight, dy_rows.T @ x_rows, dy


def bias_over_the_outputs(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy @ weight, dy_rows.T @ x_rows, dy_rows.sum(axis=-1)


def first_row_alone(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy @ weight, np.outer(dy_rows[0], x_rows[0]), dy_rows.sum(axis=0)


def rows_flattened_in_dx(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy_rows @ weight, dy_rows.T @ x_rows, dy_rows.sum(axis=0)


def undefined_name(dy, x, weight):
    dy_rows, x_rows = rows_of(dy, x)
    return dy @ weights, dy_rows.T @ x_rows, dy_rows.sum(axis=0)  # noqa: F821


def ones_for_dy(dy, x):
    t = tanh_of(x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SCALE * (1 + 3 * CUBIC * x * x)


def tanh_for_its_slope(dy, x):
    t = tanh_of(x)
    return dy * (0.5 * (1 + t) + 0.5 * x * t * SCALE * (1 + 3 * CUBIC * x * x))


def scale_lost(dy, x):
    t = tanh_of(x)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (1 + 3 * CUBIC * x * x))


def half_lost(dy, x):
    t = tanh_of(x)
    return dy * (0.5 * (1 + t) + x * (1 - t * t) * SCALE * (1 + 3 * CUBIC * x * x))


def only_the_second_term(dy, x):
    t = tanh_of(x)
    return dy * 0.5 * x * (1 - t * t) * SCALE * (1 + 3 * CUBIC * x * x)


def forward_again(dy, x):
    return dy * 0.5 * x * (1 + tanh_of(x))


MISTAKES = {
    "check_linear_backward": [
        ((weight_transposed,), "dx of the 2×2 case"),
        ((dweight_transposed,), "dweight of the 2×2 case"),
        ((only_the_first_axis_summed,), "shape table"),
        ((mean_over_rows,), "the mean over rows"),
        ((overwritten_accumulation,), "the last row alone"),
        ((empties_dy,), "changed its argument dy"),
        ((order_of_the_results,), "dx of the 2×2 case"),
        ((two_results,), "returned 2 values, expected 3"),
        ((bias_not_summed,), "got shape (2, 2), expected (2,)"),
        ((bias_over_the_outputs,), "summed over the outputs"),
        ((first_row_alone,), "the first row alone"),
        ((rows_flattened_in_dx,), "shape table"),
        ((undefined_name,), "name 'weights' is not defined, in your line"),
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
        ((ones_for_dy,), "is dy a factor of everything"),
        ((tanh_for_its_slope,), "the slope of tanh is 1 − t²"),
        ((scale_lost,), "√(2/π) is missing"),
        ((half_lost,), "one of the two ½"),
        ((only_the_second_term,), "the first term of (3.9)"),
        ((forward_again,), "Two terms (3.9)"),
    ],
}

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


def only_the_transposition():
    return {4: "da = dy @ weight2"}


def only_the_slope():
    return {5: "dh = gelu_new_slope(h) * da"}


def all_but_the_residual():
    return {4: "da = dy @ weight2", 5: "dh = gelu_new_slope(h) * da"}


def residual_in_the_wrong_place():
    return {4: "da = dy @ weight2 + dy", 5: "dh = gelu_new_slope(h) * da"}


def a_right_line_spoilt():
    return {2: "dweight2 = rows.T @ h.reshape(-1, h.shape[-1])", 4: "da = dy @ weight2"}


def a_name_that_is_not_there():
    return {4: "da = dy @ W2"}


def line_zero():
    return {0: "rows = dy"}


def lines_without_numbers():
    return ["da = dy @ weight2"]


def no_quotes():
    return {4: 4}


def mean_for_the_sum():
    return {4: "da = dy @ weight2", 5: "dh = gelu_new_slope(h) * da", 8: "dbias1 = rows.mean(axis=0)"}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu_for_its_slope(dy, gate, up):
    return dy * up * gate * sigmoid(gate), dy * gate * sigmoid(gate)


def sigmoid_for_the_slope(dy, gate, up):
    return dy * up * sigmoid(gate), dy * gate * sigmoid(gate)


def slope_of_the_sigmoid(dy, gate, up):
    s = sigmoid(gate)
    return dy * up * s * (1 - s), dy * gate * s


def swiglu_second_term(dy, gate, up):
    s = sigmoid(gate)
    return dy * up * gate * s * (1 - s), dy * gate * s


def swiglu_without_gate(dy, gate, up):
    s = sigmoid(gate)
    return dy * up * (s + s * (1 - s)), dy * gate * s


def up_forgotten(dy, gate, up):
    s = sigmoid(gate)
    return dy * (s + gate * s * (1 - s)), dy * gate * s


def up_first(dy, gate, up):
    s = sigmoid(gate)
    return dy * gate * s, dy * up * (s + gate * s * (1 - s))


def dup_by_the_sigmoid(dy, gate, up):
    s = sigmoid(gate)
    return dy * up * (s + gate * s * (1 - s)), dy * s


def swiglu_dgate_alone(dy, gate, up):
    s = sigmoid(gate)
    return dy * up * (s + gate * s * (1 - s))


def sigmoid_by_the_large_exponential(dy, gate, up):
    s = np.exp(gate) / (1 + np.exp(gate))
    return dy * up * (s + gate * s * (1 - s)), dy * gate * s


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
    "check_mended": [
        ((only_the_transposition,), "the gradient of bias1: "),
        ((only_the_slope,), "look between dweight2 and here"),
        ((all_but_the_residual,), "in how many places does x stand"),
        ((residual_in_the_wrong_place,), "the gradient of bias1: "),
        ((a_right_line_spoilt,), "what went into the second linear map"),
        ((a_name_that_is_not_there,), "line 4, 'da = dy @ W2', fails: NameError: name 'W2' is not defined"),
        ((line_zero,), "0 is no number of a line, 1 to 9"),
        ((lines_without_numbers,), "got a list"),
        ((no_quotes,), "write it as a text, in quotes"),
        ((mean_for_the_sum,), "the gradient of bias1: "),
    ],
    "check_swiglu_backward": [
        ((silu_for_its_slope,), "silu for its slope"),
        ((sigmoid_for_the_slope,), "gate also stands inside it"),
        ((slope_of_the_sigmoid,), "gate is a factor too"),
        ((swiglu_second_term,), "the first term of (3.13) is missing"),
        ((swiglu_without_gate,), "the factor gate is missing"),
        ((up_forgotten,), "the factor up is missing"),
        ((up_first,), "in the order of the arguments"),
        ((dup_by_the_sigmoid,), "gate times it"),
        ((swiglu_dgate_alone,), "expected 2 values (dgate, dup)"),
        ((sigmoid_by_the_large_exponential,), "is something e^1000?"),
    ],
}

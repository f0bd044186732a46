"""Right answers to notebook 03, written otherwise: check → functions."""

import math

import numpy as np


def by_einsum(dy, x, weight):
    dy_rows, x_rows = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    return np.einsum("...o,oi->...i", dy, weight), np.einsum("ro,ri->oi", dy_rows, x_rows), np.einsum("ro->o", dy_rows)


def row_by_row(dy, x, weight):
    dx, dweight, dbias = np.zeros_like(x), np.zeros_like(weight), np.zeros(len(weight))
    for place in np.ndindex(dy.shape[:-1]):
        dx[place] = dy[place] @ weight
        dweight += np.outer(dy[place], x[place])
        dbias += dy[place]
    return dx, dweight, dbias


def a_list_of_three(dy, x, weight):
    axes = tuple(range(dy.ndim - 1))
    return [np.matmul(dy, weight), np.tensordot(dy, x, (axes, axes)), dy.sum(axes)]


def through_the_sigmoid(dy, x):
    scale = 2 * math.sqrt(2 / math.pi)
    s = 0.5 * (1 + np.tanh(0.5 * scale * (x + 0.044715 * x * x * x)))
    return dy * s + dy * x * s * (1 - s) * scale * (1 + 3 * 0.044715 * x * x)


def with_powers(dy, x):
    scale = math.sqrt(2 / math.pi)
    t = np.tanh(scale * (x + 0.044715 * x**3))
    return 0.5 * dy * (1 + t + x * (1 - t**2) * scale * (1 + 0.134145 * x**2))


def mended_in_other_words():
    return {
        4: "da = np.einsum('bth,hi->bti', dy, weight2)",
        5: "dh = da * gelu_new_slope(h)",
        6: "rows = dh.reshape(-1, len(weight1))",
        9: "dx = np.matmul(dh, weight1); dx = dx + dy",
    }


def swiglu_by_one_slope(dy, gate, up):
    e = np.exp(-abs(gate))
    sigmoid = np.where(gate > 0, 1 / (1 + e), e / (1 + e))
    silu = gate * sigmoid
    return dy * up * (silu + sigmoid * (1 - silu)), dy * silu


RIGHT = {
    "check_mended": [(mended_in_other_words,)],
    "check_swiglu_backward": [(swiglu_by_one_slope,)],
    "check_linear_backward": [(by_einsum,), (row_by_row,), (a_list_of_three,)],
    "check_gelu_new_backward": [(through_the_sigmoid,), (with_powers,)],
}

"""Solutions of notebook 03."""

import math

import numpy as np


def linear_backward(dy, x, weight):
    dx = dy @ weight
    dy_rows, x_rows = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    return dx, dy_rows.T @ x_rows, dy_rows.sum(axis=0)


def gelu_new_backward(dy, x):
    scale = math.sqrt(2 / math.pi)
    t = np.tanh(scale * (x + 0.044715 * x * x * x))
    slope = scale * (1 + 3 * 0.044715 * x * x)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)


def mended():
    return {4: "da = dy @ weight2", 5: "dh = gelu_new_slope(h) * da", 9: "dx = dy + dh @ weight1"}


def swiglu_backward(dy, gate, up):
    sigmoid = 1 / (1 + np.exp(-gate))
    slope = sigmoid + gate * sigmoid * (1 - sigmoid)
    return dy * up * slope, dy * gate * sigmoid


ANSWERS = {
    "check_linear_backward": (linear_backward,),
    "check_gelu_new_backward": (gelu_new_backward,),
    "check_mended": (mended,),
    "check_swiglu_backward": (swiglu_backward,),
}

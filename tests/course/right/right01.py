"""Right answers to notebook 01, written otherwise: check → functions."""

import numpy as np


def lists_for_tuples():
    shapes = {"a": [2, 5, 8], "b": [5, 8], "c": [8, 5], "d": None, "e": [2, 5, 8], "f": None, "g": [2, 5, 1]}
    return {**shapes, "h": [2, 5, 3], "i": [2, 4, 5, 5], "j": [1, 5, 8]}


def axis_by_axis(dy, shape):
    while dy.ndim > len(shape):
        dy = dy.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            dy = dy.sum(axis=axis, keepdims=True)
    return dy


def all_axes_at_once(dy, shape):
    new = dy.ndim - len(shape)
    axes = (*range(new), *(new + axis for axis, size in enumerate(shape) if size != dy.shape[new + axis]))
    return dy.sum(axis=axes).reshape(shape)


def home_by_home(dy, shape):
    dx = np.zeros(shape)
    new = dy.ndim - len(shape)
    for place in np.ndindex(dy.shape):
        dx[tuple(0 if size == 1 else i for i, size in zip(place[new:], shape, strict=True))] += dy[place]
    return dx


def centred_by_a_matrix(dy):
    width = dy.shape[-1]
    return dy @ (np.eye(width) - np.full((width, width), 1 / width))


def in_two_steps(dy):
    dx = dy.copy()
    dmean = -dy.sum(axis=-1)
    dx += dmean[..., None] / dy.shape[-1]
    return dx


def bugs_in_another_order():
    return {"F": 5, "E": 3, "D": 1, "C": 6, "B": 2, "A": 4}


RIGHT = {
    "check_shape_predictions": [(lists_for_tuples,)],
    "check_unbroadcast": [(axis_by_axis,), (all_axes_at_once,), (home_by_home,)],
    "check_centre_backward": [(centred_by_a_matrix,), (in_two_steps,)],
    "check_which_bug": [(bugs_in_another_order,)],
}

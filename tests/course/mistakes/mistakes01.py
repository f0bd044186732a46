"""Wrong answers to notebook 01: check → (functions, what the report must say)."""

import numpy as np

RIGHT = {
    "a": (2, 5, 8),
    "b": (5, 8),
    "c": (8, 5),
    "d": None,
    "e": (2, 5, 8),
    "f": None,
    "g": (2, 5, 1),
    "h": (2, 5, 3),
    "i": (2, 4, 5, 5),
    "j": (1, 5, 8),
}


def aligned_at_the_left():
    return {**RIGHT, "c": (5, 8)}


def vectors_make_a_table():
    return {**RIGHT, "d": (5, 8)}


def mean_fits_anyway():
    return {**RIGHT, "f": (2, 5, 8)}


def weight_not_transposed():
    return {**RIGHT, "h": (2, 5, 8)}


def one_forgotten():
    return {letter: shape for letter, shape in RIGHT.items() if letter != "j"}


def without_keepdims(dy, shape):
    dy = dy.sum(axis=tuple(range(dy.ndim - len(shape))))
    return dy.sum(axis=tuple(axis for axis, size in enumerate(shape) if size == 1))


def only_new_axes(dy, shape):
    return dy.sum(axis=tuple(range(dy.ndim - len(shape))))


def sizes_not_places(dy, shape):
    left, axes = list(shape), []
    for axis in reversed(range(dy.ndim)):
        if dy.shape[axis] in left:
            left.remove(dy.shape[axis])
        else:
            axes.append(axis)
    return dy.sum(axis=tuple(axes)).reshape(shape)


def mean_instead_of_sum(dy, shape):
    dy = dy.mean(axis=tuple(range(dy.ndim - len(shape))))
    return dy.mean(axis=tuple(axis for axis, size in enumerate(shape) if size == 1), keepdims=True)


def first_copy_only(dy, shape):
    dy = dy[(0,) * (dy.ndim - len(shape))]
    return dy[tuple(slice(size) for size in shape)]


def in_place(dy, shape):
    whole = np.broadcast_to(dy.sum(axis=tuple(range(dy.ndim - len(shape)))), dy.shape)
    dy[...] = whole
    return dy[(0,) * (dy.ndim - len(shape))].sum(
        axis=tuple(axis for axis, size in enumerate(shape) if size == 1), keepdims=True
    )


def sizes_for_shapes():
    return {**RIGHT, "b": 40}


def a_list_of_shapes():
    return list(RIGHT.values())


def stretched_over_the_wrong_axis():
    return {**RIGHT, "e": (2, 1, 8)}


def axis_dropped():
    return {**RIGHT, "g": (2, 5)}


def ids_forgotten():
    return {**RIGHT, "j": (1, 5)}


def heads_lost():
    return {**RIGHT, "i": (2, 1, 5, 5)}


def nothing_returned(dy, shape):
    dy.sum(axis=tuple(range(dy.ndim - len(shape))))


def last_copy_only(dy, shape):
    dy = dy[(-1,) * (dy.ndim - len(shape))]
    return dy[tuple(slice(-size, None) for size in shape)]


def new_axes_at_the_end(dy, shape):
    return dy.sum(axis=tuple(range(len(shape), dy.ndim))).reshape(shape)


def everything_summed(dy, shape):
    return np.full(shape, dy.sum())


def not_undone(dy, shape):
    return dy


def reshaped(dy, shape):
    return dy.reshape(shape)


def largest_of_the_copies(dy, shape):
    dy = dy.max(axis=tuple(range(dy.ndim - len(shape))))
    return dy.max(axis=tuple(axis for axis, size in enumerate(shape) if size == 1), keepdims=True)


MISTAKES = {
    "check_shape_predictions": [
        ((aligned_at_the_left,), "align at the right"),
        ((vectors_make_a_table,), "neither is 1"),
        ((mean_fits_anyway,), "(2, 5, 8) meets (2, 5)"),
        ((weight_not_transposed,), "summed away"),
        ((one_forgotten,), "no prediction"),
        ((sizes_for_shapes,), "40 is no shape"),
        ((a_list_of_shapes,), "got a list"),
        ((stretched_over_the_wrong_axis,), "stretched over the batch"),
        ((axis_dropped,), "keepdims leaves an axis"),
        ((ids_forgotten,), "the length of a row"),
        ((heads_lost,), "serves all heads"),
    ],
    "check_unbroadcast": [
        ((without_keepdims,), "got shape (3, 4), expected (1, 3, 4)"),
        ((only_new_axes,), "got shape (2, 3, 4), expected (1, 3, 4)"),
        ((sizes_not_places,), "square, where a wrong axis would fit too"),
        ((mean_instead_of_sum,), "the mean over the copies"),
        ((first_copy_only,), "relative error"),
        ((in_place,), "changed its argument dy"),
        ((nothing_returned,), "is a `return` missing"),
        ((last_copy_only,), "Sum over the axes"),
        ((new_axes_at_the_end,), "reshape"),
        ((everything_summed,), "Sum over the axes"),
        ((not_undone,), "got shape (2, 3, 4), expected (4,)"),
        ((reshaped,), "cannot reshape"),
        ((largest_of_the_copies,), "Sum over the axes"),
    ],
}

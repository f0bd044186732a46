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


def mean_is_a_constant(dy):
    return dy


def mean_with_a_plus(dy):
    return dy + dy.mean(axis=-1, keepdims=True)


def sum_for_mean(dy):
    return dy - dy.sum(axis=-1, keepdims=True)


def only_through_the_mean(dy):
    return -np.ones_like(dy) * dy.mean(axis=-1, keepdims=True)


def own_share_alone(dy):
    return dy * (1 - 1 / dy.shape[-1])


def centre_without_keepdims(dy):
    return dy - dy.mean(axis=-1)


def mean_of_everything(dy):
    return dy - dy.mean()


def mean_over_the_first_axis(dy):
    return dy - dy.mean(axis=0) if dy.ndim > 1 else dy - dy.mean()


def centred_in_place(dy):
    dy -= dy.mean(axis=-1, keepdims=True)
    return dy


def one_less(dy):
    return dy - dy.sum(axis=-1, keepdims=True) / (dy.shape[-1] - 1)


FOUND = {"A": 4, "B": 2, "C": 6, "D": 1, "E": 3, "F": 5}


def mean_and_overwriting_swapped():
    return {**FOUND, "B": 1, "D": 2}


def factor_for_axis():
    return {**FOUND, "A": 3}


def shape_not_read():
    return {**FOUND, "C": 5}


def too_few_axes_for_too_many():
    return {**FOUND, "F": 6}


def one_bug_left_out():
    return {letter: number for letter, number in FOUND.items() if letter != "E"}


def causes_in_words():
    return {**FOUND, "A": "the axis"}


def bugs_as_a_list():
    return [4, 2, 6, 1, 3, 5]


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
    "check_centre_backward": [
        ((mean_is_a_constant,), "the mean is not a constant"),
        ((mean_with_a_plus,), "comes with a minus"),
        ((sum_for_mean,), "divided by H"),
        ((only_through_the_mean,), "directly"),
        ((own_share_alone,), "not its own alone"),
        ((centre_without_keepdims,), "keepdims=True"),
        ((mean_of_everything,), "each row has its own"),
        ((mean_over_the_first_axis,), "over the first axis"),
        ((centred_in_place,), "changed its argument dy"),
        ((one_less,), "a mean divides by H"),
    ],
    "check_which_bug": [
        ((mean_and_overwriting_swapped,), "the column “each number” would say × 0.125"),
        ((factor_for_axis,), "A: not “dy itself is summed"),
        ((shape_not_read,), "the column “shape” would say (4, 4), here it says (1, 1, 4)"),
        ((too_few_axes_for_too_many,), "the column “shape” would say (1, 1, 4), here it says (4, 4)"),
        ((one_bug_left_out,), "no answer"),
        ((causes_in_words,), "'the axis' is no number of the list, 1 to 6"),
        ((bugs_as_a_list,), "got a list"),
    ],
}

"""Wrong answers to notebook 07: check → (functions, what the report must say)."""

import numpy as np


def lost_repeats(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    dweight[ids] += dy
    return dweight


def overwritten(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    for place in np.ndindex(ids.shape):
        dweight[ids[place]] = dy[place]
    return dweight


def mean_of_the_occurrences(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    np.add.at(dweight, ids, dy)
    return dweight / np.maximum(1, np.bincount(ids.ravel(), minlength=rows))[:, None].astype(dy.dtype)


def only_as_many_rows_as_ids(dy, ids, rows):
    dweight = np.zeros((ids.max() + 1, dy.shape[-1]), dtype=dy.dtype)
    np.add.at(dweight, ids, dy)
    return dweight


def batch_last(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    np.add.at(dweight, ids.T.ravel(), dy.reshape(-1, dy.shape[-1]))
    return dweight


def always_float64(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]))
    np.add.at(dweight, ids, dy)
    return dweight


def padding_row_emptied(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    np.add.at(dweight, ids, dy)
    dweight[0] = 0
    return dweight


def first_sentence_alone(dx, rows):
    dweight = np.zeros((rows, dx.shape[-1]), dtype=dx.dtype)
    dweight[: dx.shape[1]] = dx[0]
    return dweight


def mean_over_the_batch(dx, rows):
    dweight = np.zeros((rows, dx.shape[-1]), dtype=dx.dtype)
    dweight[: dx.shape[1]] = dx.mean(axis=0)
    return dweight


def without_the_empty_rows(dx, rows):
    return dx.sum(axis=0)


def summed_in_place(dx, rows):
    dweight = np.zeros((rows, dx.shape[-1]), dtype=dx.dtype)
    for sentence in dx[1:]:
        dx[0] += sentence
    dweight[: dx.shape[1]] = dx[0]
    return dweight


def last_sentence_wins(dx, rows):
    dweight = np.zeros((rows, dx.shape[-1]), dtype=dx.dtype)
    for sentence in dx:
        dweight[: len(sentence)] = sentence
    return dweight


def dy_lost(dy, ids, rows):
    return np.bincount(ids.ravel(), minlength=rows)[:, None] * np.ones(dy.shape[-1])


def first_place_wins(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    for place in reversed(list(np.ndindex(ids.shape))):
        dweight[ids[place]] = dy[place]
    return dweight


def gathered(dy, ids, rows):
    return dy[ids % len(dy)]


def sum_over_the_batch_first(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    np.add.at(dweight, ids.reshape(-1, ids.shape[-1])[0], dy.reshape(-1, ids.shape[-1], dy.shape[-1]).sum(axis=0))
    return dweight


def one_dimension_only(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    for i in range(len(ids)):
        dweight[int(ids[i])] += dy[i]
    return dweight


def nothing_returned(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    np.add.at(dweight, ids, dy)


def ids_sorted_in_place(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    np.add.at(dweight, ids.copy(), dy)
    ids.sort(axis=-1)
    return dweight


def position_always_float64(dx, rows):
    dweight = np.zeros((rows, dx.shape[-1]))
    dweight[: dx.shape[1]] = dx.sum(axis=0)
    return dweight


def summed_over_the_places(dx, rows):
    dweight = np.zeros((rows, dx.shape[-1]), dtype=dx.dtype)
    dweight[: len(dx)] = dx.sum(axis=1)
    return dweight


def the_same_for_all_places(dx, rows):
    dweight = np.zeros((rows, dx.shape[-1]), dtype=dx.dtype)
    dweight[: dx.shape[1]] = dx.sum(axis=(0, 1))
    return dweight


def at_the_end_of_the_table(dx, rows):
    dweight = np.zeros((rows, dx.shape[-1]), dtype=dx.dtype)
    dweight[rows - dx.shape[1] :] = dx.sum(axis=0)
    return dweight


def one_place_late(dx, rows):
    dweight = np.zeros((rows + 1, dx.shape[-1]), dtype=dx.dtype)
    dweight[1 : 1 + dx.shape[1]] = dx.sum(axis=0)
    return dweight[:rows]


MISTAKES = {
    "check_embedding_backward": [
        ((lost_repeats,), "which ids occur twice?"),
        ((overwritten,), "which ids occur twice?"),
        ((mean_of_the_occurrences,), "the mean over the places"),
        ((only_as_many_rows_as_ids,), "expected (4, 2)"),
        ((batch_last,), "ids (3, 8), against the package"),
        ((always_float64,), "got float64"),
        ((padding_row_emptied,), "no id is left out"),
        ((dy_lost,), "without dy"),
        ((first_place_wins,), "the first place of an id wins"),
        ((gathered,), "got shape (3, 2), expected (4, 2)"),
        ((sum_over_the_batch_first,), "whatever the shape of ids"),
        ((one_dimension_only,), "in your line"),
        ((nothing_returned,), "is a `return` missing"),
        ((ids_sorted_in_place,), "changed its argument ids"),
    ],
    "check_position_backward": [
        ((first_sentence_alone,), "the first sentence alone"),
        ((mean_over_the_batch,), "the mean over the sentences"),
        ((without_the_empty_rows,), "expected (3, 1)"),
        ((summed_in_place,), "changed its argument dx"),
        ((last_sentence_wins,), "the last sentence alone"),
        ((position_always_float64,), "got float64"),
        ((summed_over_the_places,), "two sentences of two places"),
        ((the_same_for_all_places,), "each place has a row of its own"),
        ((at_the_end_of_the_table,), "two sentences of two places"),
        ((one_place_late,), "two sentences of two places"),
    ],
}

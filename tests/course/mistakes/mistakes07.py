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


def _runs(dy, ids, rows, add=np.add.reduceat, order=np.argsort):
    ids, dy = ids.ravel(), dy.reshape(ids.size, -1)
    ordered = np.sort(ids)
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    dweight[ordered[begins]] = add(dy[order(ids)], begins, axis=0)
    return dweight


def the_function_as_it_was(dy, ids, rows):
    return _runs(dy, ids, rows, order=lambda ids: np.arange(ids.size))


def dy_sorted_by_itself(dy, ids, rows):
    return _runs(np.sort(dy.reshape(ids.size, -1), axis=0), ids, rows, order=lambda ids: np.arange(ids.size))


def dy_put_where_it_should_be_taken(dy, ids, rows):
    return _runs(dy, ids, rows, order=lambda ids: np.argsort(np.argsort(ids, kind="stable"), kind="stable"))


def dy_backwards(dy, ids, rows):
    return _runs(dy, ids, rows, order=lambda ids: np.argsort(ids, kind="stable")[::-1])


def last_of_a_run(dy, ids, rows):
    return _runs(dy, ids, rows, add=lambda dy, begins, axis: dy[np.append(begins[1:], len(dy)) - 1])


def first_of_a_run(dy, ids, rows):
    return _runs(dy, ids, rows, add=lambda dy, begins, axis: dy[begins])


def not_flattened(dy, ids, rows):
    order = np.argsort(ids)
    ordered = ids[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    dweight[ordered[begins]] = np.add.reduceat(dy[order], begins, axis=0)
    return dweight


def first_run_lost(dy, ids, rows):
    ids, dy = ids.ravel(), dy.reshape(ids.size, -1)
    order = np.argsort(ids)
    begins = np.flatnonzero(np.diff(ids[order])) + 1
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    dweight[ids[order][begins]] = np.add.reduceat(dy[order], begins, axis=0)
    return dweight


def ids_put_in_order_in_place(dy, ids, rows):
    dweight = _runs(dy, ids, rows)
    ids.reshape(-1).sort()
    return dweight


def low_rank(dy, x, weight, down, up, scale):
    narrow = scale * (dy @ up)
    return dy @ weight + narrow @ down, narrow.T @ x, scale * (dy.T @ (x @ down.T))


def frozen_way_alone(dy, x, weight, down, up, scale):
    return dy @ weight, *low_rank(dy, x, weight, down, up, scale)[1:]


def frozen_way_forgotten(dy, x, weight, down, up, scale):
    return scale * dy @ up @ down, *low_rank(dy, x, weight, down, up, scale)[1:]


def scale_forgotten_everywhere(dy, x, weight, down, up, scale):
    return low_rank(dy, x, weight, down, up, 1)


def scale_of_everything(dy, x, weight, down, up, scale):
    dx, ddown, dup = low_rank(dy, x, weight, down, up, 1)
    return scale * dx, scale * ddown, scale * dup


def scale_forgotten_in_down(dy, x, weight, down, up, scale):
    dx, ddown, dup = low_rank(dy, x, weight, down, up, scale)
    return dx, ddown / scale, dup


def scale_twice_in_up(dy, x, weight, down, up, scale):
    dx, ddown, dup = low_rank(dy, x, weight, down, up, scale)
    return dx, ddown, dup * scale


def down_transposed(dy, x, weight, down, up, scale):
    dx, ddown, dup = low_rank(dy, x, weight, down, up, scale)
    return dx, ddown.T, dup


def up_before_down(dy, x, weight, down, up, scale):
    dx, ddown, dup = low_rank(dy, x, weight, down, up, scale)
    return dx, dup, ddown


def down_reads_its_own_output(dy, x, weight, down, up, scale):
    dx, _, dup = low_rank(dy, x, weight, down, up, scale)
    return dx, scale * (x @ down.T).T @ x, dup


def averaged_over_rows(dy, x, weight, down, up, scale):
    dx, ddown, dup = low_rank(dy, x, weight, down, up, scale)
    return dx, ddown / len(x), dup / len(x)


def up_reads_x_itself(dy, x, weight, down, up, scale):
    dx, ddown, _ = low_rank(dy, x, weight, down, up, scale)
    return dx, ddown, scale * (dy.T @ x[:, : up.shape[1]])


def the_weights_gradient_too(dy, x, weight, down, up, scale):
    dx, ddown, dup = low_rank(dy, x, weight, down, up, scale)
    return dx, dy.T @ x, ddown, dup


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
    "check_sorted_backward": [
        ((the_function_as_it_was,), "dy is still in the order of the text"),
        ((dy_sorted_by_itself,), "dy is still in the order of the text"),
        ((dy_put_where_it_should_be_taken,), "this puts it there"),
        ((dy_backwards,), "opposite orders"),
        ((last_of_a_run,), "only the last of a run"),
        ((first_of_a_run,), "only the first of a run"),
        ((not_flattened,), "in your line"),
        ((first_run_lost,), "ids = (2, 2, 0, 2)"),
        ((ids_put_in_order_in_place,), "changed its argument ids"),
    ],
    "check_low_rank_backward": [
        ((frozen_way_alone,), "the way through the narrow pair is missing"),
        ((frozen_way_forgotten,), "it does not learn, but x's gradient passes it"),
        ((scale_forgotten_everywhere,), "scale is missing in the narrow way"),
        ((scale_of_everything,), "scale belongs to the narrow way alone"),
        ((scale_forgotten_in_down,), "ddown: scale is missing"),
        ((scale_twice_in_up,), "dup: scale is there twice"),
        ((down_transposed,), "ddown: got shape (5, 2), expected (2, 5)"),
        ((up_before_down,), "ddown: got shape (4, 2), expected (2, 5)"),
        ((down_reads_its_own_output,), "dy passes up before it reaches down"),
        ((averaged_over_rows,), "a mean over the rows"),
        ((up_reads_x_itself,), "up reads x downᵀ"),
        ((the_weights_gradient_too,), "returned 4 values, expected 3"),
    ],
}

"""Right answers to notebook 07, written otherwise: check → functions."""

import numpy as np


def by_one_hot(dy, ids, rows):
    one_hot = (ids.reshape(-1, 1) == np.arange(rows)).astype(dy.dtype)
    return one_hot.T @ dy.reshape(-1, dy.shape[-1])


def place_by_place(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dy.dtype)
    for place in np.ndindex(ids.shape):
        dweight[ids[place]] += dy[place]
    return dweight


def row_by_row(dy, ids, rows):
    return np.stack([dy[ids == row].sum(axis=0) for row in range(rows)])


def padded(dx, rows):
    return np.pad(dx.sum(axis=0), ((0, rows - dx.shape[1]), (0, 0)))


def sentence_by_sentence(dx, rows):
    dweight = np.zeros((rows, dx.shape[2]), dx.dtype)
    for sentence in dx:
        dweight[: len(sentence)] += sentence
    return dweight


def by_lookup(dx, rows):
    dweight = np.zeros((rows, dx.shape[2]), dx.dtype)
    np.add.at(dweight, np.broadcast_to(np.arange(dx.shape[1]), dx.shape[:2]), dx)
    return dweight


def both_sorted_first(dy, ids, rows):
    flat, ups = ids.reshape(-1), dy.reshape(-1, dy.shape[-1])
    order = flat.argsort()
    known, begins = np.unique(flat[order], return_index=True)
    dweight = np.zeros((rows, ups.shape[1]), ups.dtype)
    dweight[known] = np.add.reduceat(ups[order], begins, axis=0)
    return dweight


def by_running_sums(dy, ids, rows):
    flat, ups = ids.reshape(-1), dy.reshape(-1, dy.shape[-1])
    order = flat.argsort()
    sums = np.concatenate([np.zeros((1, ups.shape[1])), np.cumsum(ups[order], axis=0, dtype=np.float64)])
    places = np.searchsorted(flat[order], np.arange(rows + 1))
    return np.diff(sums[places], axis=0).astype(dy.dtype)


def by_the_whole_change(dy, x, weight, down, up, scale):
    change = weight + scale * up @ down
    dchange = scale * dy.T @ x
    return dy @ change, up.T @ dchange, dchange @ down.T


def row_after_row(dy, x, weight, down, up, scale):
    dx, ddown, dup = np.zeros_like(x), np.zeros_like(down), np.zeros_like(up)
    for r in range(len(x)):
        back = up.T @ dy[r]
        dx[r] = weight.T @ dy[r] + scale * down.T @ back
        ddown += scale * np.outer(back, x[r])
        dup += scale * np.outer(dy[r], down @ x[r])
    return dx, ddown, dup


RIGHT = {
    "check_embedding_backward": [(by_one_hot,), (place_by_place,), (row_by_row,)],
    "check_sorted_backward": [(both_sorted_first,), (by_running_sums,)],
    "check_position_backward": [(padded,), (sentence_by_sentence,), (by_lookup,)],
    "check_low_rank_backward": [(by_the_whole_change,), (row_after_row,)],
}

"""Right answers to lab 5 that are written otherwise than its solution."""

import numpy as np


def biased_with_loops_over_the_table(dscores, query, key, table):
    root = query.shape[-1] ** 0.5
    dquery = np.einsum("bnts,bnsd->bntd", dscores, key) / root
    dkey = np.einsum("bnts,bntd->bnsd", dscores, query) / root
    reach = table.shape[1] // 2
    i, j = np.indices(dscores.shape[2:])
    distance = np.minimum(np.maximum(j - i, -reach), reach)
    dtable = [dscores[:, :, distance == d].sum(axis=(0, 2)) for d in range(-reach, reach + 1)]
    return [dquery, dkey, np.stack(dtable, axis=1)]


def biased_with_bincount(dscores, query, key, table):
    heads, length, places = dscores.shape[1:]
    reach = (table.shape[1] - 1) // 2
    place = np.clip(np.subtract.outer(np.arange(places), np.arange(length)).T, -reach, reach) + reach
    flat = place.ravel() + np.arange(heads)[:, None] * table.shape[1]
    sums = np.bincount(flat.ravel(), dscores.sum(0).ravel(), table.size)
    dtable = sums.reshape(table.shape).astype(table.dtype)
    return np.matmul(dscores, key) / np.sqrt(query.shape[-1], dtype=query.dtype), dkey_of(dscores, query), dtable


def dkey_of(dscores, query):
    return np.moveaxis(dscores, -1, -2) @ (query / query.dtype.type(query.shape[-1] ** 0.5))


def biased_head_by_head(dscores, query, key, table):
    dquery, dkey, dtable = np.zeros_like(query), np.zeros_like(key), np.zeros_like(table)
    reach = table.shape[1] // 2
    for b, n in np.ndindex(dscores.shape[:2]):
        dquery[b, n] = dscores[b, n] @ key[b, n] / query.shape[-1] ** 0.5
        dkey[b, n] = dscores[b, n].T @ query[b, n] / query.shape[-1] ** 0.5
        for i, j in np.ndindex(dscores.shape[2:]):
            dtable[n, min(max(j - i, -reach), reach) + reach] += dscores[b, n, i, j]
    return dquery, dkey, dtable


def rotary_with_complex_numbers(x, positions, base):
    half = x.shape[-1] // 2
    turn = np.exp(1j * np.outer(positions, base ** (-np.arange(half) / half)))
    y = np.ascontiguousarray(x).astype(np.float64).view(np.complex128) * turn
    return y.view(np.float64).astype(x.dtype)


def rotary_with_a_quarter_turn(x, positions, base):
    size = x.shape[-1]
    angle = np.repeat(positions[:, None] / base ** (np.arange(0, size, 2) / size), 2, axis=-1)
    turned = np.stack([-x[..., 1::2], x[..., ::2]], axis=-1).reshape(x.shape)
    return (x * np.cos(angle) + turned * np.sin(angle)).astype(x.dtype)


def rotary_pair_by_pair(x, positions, base):
    y = np.zeros_like(x)
    for t, position in enumerate(positions):
        for i in range(0, x.shape[-1], 2):
            c, s = np.cos(position * base ** (-i / x.shape[-1])), np.sin(position * base ** (-i / x.shape[-1]))
            y[..., t, i] = float(c) * x[..., t, i] - float(s) * x[..., t, i + 1]
            y[..., t, i + 1] = float(s) * x[..., t, i] + float(c) * x[..., t, i + 1]
    return y


def rotated_back_with_complex_numbers(dy, x, positions, base):
    return rotary_with_complex_numbers(dy, -positions, base)


def rotated_back_by_the_transposed_matrix(dy, x, positions, base):
    size = x.shape[-1]
    angle = positions[:, None] * base ** (-np.arange(0, size, 2) / size)
    rows = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # (2, 2, T, D / 2)
    pairs = dy.reshape(*dy.shape[:-1], -1, 2)
    return np.einsum("yxtp,...tpy->...tpx", rows, pairs).reshape(dy.shape).astype(dy.dtype)


def rotated_back_with_a_quarter_turn(dy, x, positions, base):
    return rotary_with_a_quarter_turn(dy, np.negative(positions), base)


def grouped_by_repeating(dcontext, query, key, value):
    groups = query.shape[1] // key.shape[1]
    keys, values = np.repeat(key, groups, 1), np.repeat(value, groups, 1)
    root = np.sqrt(query.shape[-1]).astype(query.dtype)
    scores = np.einsum("bntd,bnsd->bnts", query, keys) / root
    p = np.exp(scores - np.logaddexp.reduce(scores, -1, keepdims=True))
    dp = np.einsum("bntd,bnsd->bnts", dcontext, values)
    ds = p * dp - p * (p * dp).sum(-1, keepdims=True)
    folded = (key.shape[0], key.shape[1], groups, *key.shape[2:])
    dkey = (np.einsum("bnts,bntd->bnsd", ds, query) / root).reshape(folded).sum(2)
    dvalue = np.einsum("bnts,bntd->bnsd", p, dcontext).reshape(folded).sum(2)
    return [np.einsum("bnts,bnsd->bntd", ds, keys) / root, dkey, dvalue]


def grouped_head_by_head(dcontext, query, key, value):
    dquery, dkey, dvalue = np.zeros_like(query), np.zeros_like(key), np.zeros_like(value)
    for b, n in np.ndindex(query.shape[:2]):
        g = n * key.shape[1] // query.shape[1]
        q, k, v, up = query[b, n], key[b, g], value[b, g], dcontext[b, n]
        p = np.exp(q @ k.T / q.shape[1] ** 0.5)
        p /= p.sum(1, keepdims=True)
        dp = up @ v.T
        ds = p * (dp - np.einsum("ts,ts->t", p, dp)[:, None]) / q.shape[1] ** 0.5
        dquery[b, n] = ds @ k
        dkey[b, g] += ds.T @ q
        dvalue[b, g] += p.T @ up
    return dquery, dkey, dvalue


def grouped_with_the_context(dcontext, query, key, value):
    group = np.arange(query.shape[1]) // (query.shape[1] // key.shape[1])
    k, v = key[:, group], value[:, group]
    q = query / np.sqrt(query.shape[-1], dtype=query.dtype)
    p = np.exp(q @ k.transpose(0, 1, 3, 2))
    p = p / p.sum(-1)[..., None]
    inner = (dcontext * (p @ v)).sum(-1)[..., None]  # Σ dprobs probs, without dprobs
    ds = p * (dcontext @ v.transpose(0, 1, 3, 2) - inner)
    dkey, dvalue = np.zeros_like(key), np.zeros_like(value)
    np.add.at(dkey, (slice(None), group), ds.transpose(0, 1, 3, 2) @ q)
    np.add.at(dvalue, (slice(None), group), p.transpose(0, 1, 3, 2) @ dcontext)
    return ds @ k / np.sqrt(query.shape[-1], dtype=query.dtype), dkey, dvalue


def masked_with_minus_infinity(scores, mask):
    filled = np.where(mask, scores, scores.dtype.type(-np.inf))
    top = filled.max(-1, keepdims=True)
    e = np.exp(filled - np.where(np.isfinite(top), top, 0))
    return e / np.maximum(e.sum(-1, keepdims=True), np.finfo(scores.dtype).tiny)


def masked_with_nan_to_num(scores, mask):
    filled = np.where(mask, scores, scores.dtype.type(-np.inf))
    e = np.exp(filled - filled.max(-1, keepdims=True))
    return np.nan_to_num(e / e.sum(-1, keepdims=True))


def masked_row_by_row(scores, mask):
    probs = np.zeros_like(scores)
    for index in np.ndindex(scores.shape[:-1]):
        seen = scores[index][mask[index]]
        if len(seen):
            e = np.exp(seen - max(seen))
            probs[index][mask[index]] = e / sum(e)
    return probs


def masked_backward_with_einsum(dy, scores, mask):
    p = masked_with_minus_infinity(scores, mask)
    return (p * dy - p * np.einsum("...s,...s->...", p, dy)[..., None],)


def masked_backward_row_by_row(dy, scores, mask):
    d = np.zeros_like(scores)
    for index in np.ndindex(scores.shape[:-1]):
        p = masked_row_by_row(scores[index], mask[index])
        d[index] = p * (dy[index] - p @ dy[index])
    return d


def masked_backward_in_the_rows_that_look(dy, scores, mask):
    d = np.zeros_like(scores)
    rows = mask.any(-1)
    p = masked_with_nan_to_num(scores[rows], mask[rows])
    d[rows] = p * (dy[rows] - (p * dy[rows]).sum(-1, keepdims=True))
    return (d,)


RIGHT = {
    "biased_scores_backward": [biased_with_loops_over_the_table, biased_with_bincount, biased_head_by_head],
    "rotary": [rotary_with_complex_numbers, rotary_with_a_quarter_turn, rotary_pair_by_pair],
    "rotary_backward": [
        rotated_back_with_complex_numbers,
        rotated_back_by_the_transposed_matrix,
        rotated_back_with_a_quarter_turn,
    ],
    "grouped_attention_backward": [grouped_by_repeating, grouped_head_by_head, grouped_with_the_context],
    "masked_softmax": [masked_with_minus_infinity, masked_with_nan_to_num, masked_row_by_row],
    "masked_softmax_backward": [
        masked_backward_with_einsum,
        masked_backward_row_by_row,
        masked_backward_in_the_rows_that_look,
    ],
}

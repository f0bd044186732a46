"""Right answers to notebook 09, written otherwise: check → functions."""

import numpy as np


def split_by_stacking(x, heads):
    return np.stack(np.split(x, heads, axis=-1), axis=1)


def merge_by_joining(context):
    return np.concatenate([context[:, n] for n in range(context.shape[1])], axis=-1)


def split_by_swapping(x, heads):
    return np.ascontiguousarray(x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2))


def merge_by_moving(context):
    beside = np.moveaxis(context, 1, 2)
    return beside.reshape(*beside.shape[:2], -1)


def by_where(attention_mask, dtype):
    lowest, zero = np.finfo(dtype).min, np.zeros((), dtype)
    return np.where(attention_mask[:, np.newaxis, np.newaxis, :] == 1, zero, lowest).astype(dtype)


def filled(attention_mask, dtype):
    mask = np.zeros(attention_mask.shape, dtype)
    mask[attention_mask == 0] = np.finfo(dtype).min
    return mask.reshape(len(mask), 1, 1, -1)


def by_expansion(attention_mask, dtype):
    attend = np.expand_dims(attention_mask, (1, 2)).astype(bool)
    return np.finfo(dtype).min * (~attend).astype(dtype)


def loops(attention_mask, dtype):
    B, T = attention_mask.shape
    mask = np.full((B, 1, T, T), np.finfo(dtype).min, dtype)
    for b, i, j in np.ndindex(B, T, T):
        if j <= i and attention_mask[b, j]:
            mask[b, 0, i, j] = 0
    return mask


def lower_of_the_two(attention_mask, dtype):
    T = attention_mask.shape[1]
    future = np.triu(np.full((T, T), np.finfo(dtype).min, dtype), 1)
    return np.minimum(by_where(attention_mask, dtype), future)


def product_of_what_is_allowed(attention_mask, dtype):
    allowed = np.tril(np.ones((attention_mask.shape[1],) * 2)) * attention_mask[:, None, None, :]
    return ((1 - allowed) * np.finfo(dtype).min).astype(dtype)


def spread_by_broadcasting(key, heads):
    B, G, T, D = key.shape
    return np.broadcast_to(key[:, :, None], (B, G, heads // G, T, D)).reshape(B, heads, T, D)


def gather_in_a_loop(dkey, groups):
    gathered = np.zeros((len(dkey), groups, *dkey.shape[2:]))
    for n in range(dkey.shape[1]):
        gathered[:, n * groups // dkey.shape[1]] += dkey[:, n]
    return gathered


def spread_by_index(key, heads):
    return np.take(key, np.arange(heads) // (heads // key.shape[1]), axis=1)


def gather_by_matrix(dkey, groups):
    belongs = np.kron(np.eye(groups), np.ones(dkey.shape[1] // groups))
    return np.einsum("gn,bntd->bgtd", belongs, dkey)


def token_by_token(attend, x, attention_mask):
    for b, t in zip(*np.nonzero(attention_mask == 0), strict=True):
        other = x.copy()
        other[b, t] = 7.0
        before, after = attend(x, attention_mask), attend(other, attention_mask)
        if any(not np.array_equal(after[at], before[at]) for at in map(tuple, np.argwhere(attention_mask))):
            return True
    return False


def by_largest_difference(attend, x, attention_mask):
    noise = np.random.default_rng(1).normal(size=x.shape) * (attention_mask == 0)[..., None]
    difference = abs(attend(x + noise, attention_mask) - attend(x, attention_mask))
    return np.nan_to_num(difference)[attention_mask.astype(bool)].max() > 1e-9


RIGHT = {
    "check_heads": [(split_by_stacking, merge_by_joining), (split_by_swapping, merge_by_moving)],
    "check_additive_mask": [(by_where,), (filled,), (by_expansion,)],
    "check_groups": [(spread_by_broadcasting, gather_in_a_loop), (spread_by_index, gather_by_matrix)],
    "check_leaks": [(token_by_token,), (by_largest_difference,)],
    "check_causal_mask": [(loops,), (lower_of_the_two,), (product_of_what_is_allowed,)],
}

"""Wrong answers to notebook 09: check → (functions, what the report must say)."""

import numpy as np


def split_heads(x, heads):
    B, T, H = x.shape
    return x.reshape(B, T, heads, H // heads).transpose(0, 2, 1, 3)


def merge_heads(context):
    B, N, T, D = context.shape
    return context.transpose(0, 2, 1, 3).reshape(B, T, N * D)


def split_without_transpose(x, heads):
    B, T, H = x.shape
    return x.reshape(B, heads, T, H // heads)


def split_every_nth_column(x, heads):
    B, T, H = x.shape
    return x.reshape(B, T, H // heads, heads).transpose(0, 3, 1, 2)


def split_without_swap(x, heads):
    B, T, H = x.shape
    return x.reshape(B, T, heads, H // heads)


def merge_without_transpose(context):
    B, N, T, D = context.shape
    return context.reshape(B, T, N * D)


def merge_with_positions_last(context):
    B, N, T, D = context.shape
    return context.transpose(0, 2, 3, 1).reshape(B, T, N * D)


def merge_by_mean(context):
    return np.tile(context.mean(axis=1), context.shape[1])


def inverted(attention_mask, dtype):
    return attention_mask[:, None, None, :].astype(dtype) * np.finfo(dtype).min


def infinite(attention_mask, dtype):
    return np.where(attention_mask[:, None, None, :] == 0, -np.inf, 0).astype(dtype)


def ten_thousand(attention_mask, dtype):
    return (1 - attention_mask[:, None, None, :].astype(dtype)) * -10_000


def too_small(attention_mask, dtype):
    return (1 - attention_mask[:, None, None, :].astype(dtype)) * -10


def of_queries(attention_mask, dtype):
    return (1 - attention_mask[:, None, :, None].astype(dtype)) * np.finfo(dtype).min


def always_float64(attention_mask, dtype):
    return (1 - attention_mask[:, None, None, :]) * np.finfo(np.float64).min


def positive(attention_mask, dtype):
    return (1 - attention_mask[:, None, None, :].astype(dtype)) * np.finfo(dtype).tiny


MISTAKES = {
    "check_heads": [
        ((split_without_transpose, merge_heads), "a token has to stay"),
        ((split_every_nth_column, merge_heads), "not every third"),
        ((split_without_swap, merge_heads), "got shape (2, 5, 3, 4), expected (2, 3, 5, 4)"),
        ((split_heads, merge_without_transpose), "a row mixes positions"),
        ((split_heads, merge_with_positions_last), "heads take turns"),
        ((split_heads, merge_by_mean), "not averaged"),
    ],
    "check_additive_mask": [
        ((inverted,), "exchanged"),
        ((infinite,), "every number is finite"),
        ((ten_thousand,), "too near 0"),
        ((too_small,), "not low enough"),
        ((of_queries,), "one row of keys for all heads and queries"),
        ((always_float64,), "the dtype: got float64"),
        ((positive,), ".tiny the smallest above 0"),
    ],
}

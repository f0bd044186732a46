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


def split_in_place(x, heads):
    x -= x.mean()
    return split_heads(x, heads)


def split_transposed_twice(x, heads):
    B, T, H = x.shape
    return x.reshape(B, T, heads, H // heads).transpose(0, 2, 3, 1)


def split_of_the_batch(x, heads):
    B, T, H = x.shape
    return x.transpose(2, 1, 0).reshape(heads, H // heads, T, B).transpose(3, 0, 2, 1)[::-1]


def split_a_single_head(x, heads):
    return x[:, None, :, : x.shape[-1] // heads]


def merge_by_sum(context):
    return np.tile(context.sum(axis=1), context.shape[1])


def merge_not_joined(context):
    return context.transpose(0, 2, 1, 3)


def merge_first_head(context):
    return context[:, 0]


def merge_returns_nothing(context):
    context.transpose(0, 2, 1, 3)


def without_an_axis_for_heads(attention_mask, dtype):
    return (1 - attention_mask[:, None, :].astype(dtype)) * np.finfo(dtype).min


def full_square(attention_mask, dtype):
    both = attention_mask[:, None, :, None] * attention_mask[:, None, None, :]
    return (1 - both.astype(dtype)) * np.finfo(dtype).min


def whole_numbers(attention_mask, dtype):
    return (1 - attention_mask[:, None, None, :]) * np.iinfo(np.int64).min


def times_infinity(attention_mask, dtype):
    return (1 - attention_mask[:, None, None, :].astype(dtype)) * dtype(-np.inf)


def lowest_for_all(attention_mask, dtype):
    return np.full((len(attention_mask), 1, 1, attention_mask.shape[1]), np.finfo(dtype).min)


def nothing_masked(attention_mask, dtype):
    return np.zeros((len(attention_mask), 1, 1, attention_mask.shape[1]), dtype)


def highest(attention_mask, dtype):
    return (1 - attention_mask[:, None, None, :].astype(dtype)) * np.finfo(dtype).max


def mask_edited(attention_mask, dtype):
    attention_mask -= 1
    return -attention_mask[:, None, None, :].astype(dtype) * np.finfo(dtype).min


def causal(allowed, dtype):
    return np.where(allowed, 0, np.finfo(dtype).min).astype(dtype)


def keys_of(attention_mask):
    T = attention_mask.shape[1]
    return np.broadcast_to(attention_mask[:, None, None, :] == 1, (len(attention_mask), 1, T, T))


def past_of(attention_mask, k=0):
    return np.tri(attention_mask.shape[1], k=k, dtype=bool)


def two_masks_added(attention_mask, dtype):
    return causal(keys_of(attention_mask), dtype) + causal(past_of(attention_mask), dtype)


def causal_transposed(attention_mask, dtype):
    return causal((keys_of(attention_mask) & past_of(attention_mask)).swapaxes(2, 3), dtype)


def the_future_alone(attention_mask, dtype):
    return causal(keys_of(attention_mask) & past_of(attention_mask).T, dtype)


def padding_allowed(attention_mask, dtype):
    return causal(np.broadcast_to(past_of(attention_mask), keys_of(attention_mask).shape), dtype)


def padding_alone(attention_mask, dtype):
    return causal(keys_of(attention_mask), dtype)


def not_itself(attention_mask, dtype):
    return causal(keys_of(attention_mask) & past_of(attention_mask, -1), dtype)


def one_step_ahead(attention_mask, dtype):
    return causal(keys_of(attention_mask) & past_of(attention_mask, 1), dtype)


def either_of_the_two(attention_mask, dtype):
    return causal(keys_of(attention_mask) | past_of(attention_mask), dtype)


def causal_turned_round(attention_mask, dtype):
    return causal(~(keys_of(attention_mask) & past_of(attention_mask)), dtype)


def without_the_batch(attention_mask, dtype):
    return causal(past_of(attention_mask), dtype)


def causal_in_float64(attention_mask, dtype):
    return causal(keys_of(attention_mask) & past_of(attention_mask), np.float64)


def causal_infinite(attention_mask, dtype):
    return np.where(keys_of(attention_mask) & past_of(attention_mask), 0, -np.inf).astype(dtype)


def booleans(attention_mask, dtype):
    return keys_of(attention_mask) & past_of(attention_mask)


MISTAKES = {
    "check_heads": [
        ((split_without_transpose, merge_heads), "a token has to stay"),
        ((split_every_nth_column, merge_heads), "not every third"),
        ((split_without_swap, merge_heads), "got shape (2, 5, 3, 4), expected (2, 3, 5, 4)"),
        ((split_heads, merge_without_transpose), "a row mixes positions"),
        ((split_heads, merge_with_positions_last), "heads take turns"),
        ((split_heads, merge_by_mean), "not averaged"),
        (
            (
                split_in_place,
                merge_heads,
            ),
            "changed its argument x",
        ),
        (
            (
                split_transposed_twice,
                merge_heads,
            ),
            "got shape (2, 3, 4, 5), expected (2, 3, 5, 4)",
        ),
        (
            (
                split_of_the_batch,
                merge_heads,
            ),
            "reshape to (B, T, heads, D)",
        ),
        (
            (
                split_a_single_head,
                merge_heads,
            ),
            "got shape (2, 1, 5, 4)",
        ),
        (
            (
                split_heads,
                merge_by_sum,
            ),
            "not added",
        ),
        (
            (
                split_heads,
                merge_not_joined,
            ),
            "got shape (2, 5, 3, 4), expected (2, 5, 12)",
        ),
        (
            (
                split_heads,
                merge_first_head,
            ),
            "got shape (2, 5, 4), expected (2, 5, 12)",
        ),
        (
            (
                split_heads,
                merge_returns_nothing,
            ),
            "merge_returns_nothing returned None",
        ),
    ],
    "check_additive_mask": [
        ((inverted,), "exchanged"),
        ((infinite,), "every number is finite"),
        ((ten_thousand,), "too near 0"),
        ((too_small,), "not low enough"),
        ((of_queries,), "one row of keys for all heads and queries"),
        ((always_float64,), "the dtype: got float64"),
        ((positive,), ".tiny the smallest above 0"),
        ((without_an_axis_for_heads,), "got shape (3, 1, 5)"),
        ((full_square,), "got shape (3, 1, 5, 5)"),
        ((whole_numbers,), "the dtype: got int64"),
        ((times_infinity,), "every number is finite"),
        ((lowest_for_all,), "the same number"),
        ((nothing_masked,), "the same number"),
        ((highest,), "a positive number draws attention"),
        ((mask_edited,), "changed its argument attention_mask"),
    ],
    "check_causal_mask": [
        ((two_masks_added,), "two lowest numbers do not add up"),
        ((causal_transposed,), "queries and keys are exchanged"),
        ((the_future_alone,), "the future is allowed"),
        ((padding_allowed,), "padding is allowed as a key"),
        ((padding_alone,), "later tokens are allowed"),
        ((not_itself,), "may look at itself too"),
        ((one_step_ahead,), "one token of the future"),
        ((either_of_the_two,), "both have to be"),
        ((causal_turned_round,), "allowed and forbidden are exchanged"),
        ((without_the_batch,), "got shape (5, 5), expected (2, 1, 5, 5)"),
        ((causal_in_float64,), "got float64: convert to the dtype"),
        ((causal_infinite,), "-inf or NaN in it"),
        ((booleans,), "got bool"),
    ],
}

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


def spread_groups(key, heads):
    return np.repeat(key, heads // key.shape[1], axis=1)


def gather_groups(dkey, groups, gather=np.sum):
    B, N, T, D = dkey.shape
    return gather(dkey.reshape(B, groups, N // groups, T, D), axis=2)


def spread_by_tiling(key, heads):
    return np.tile(key, (1, heads // key.shape[1], 1, 1))


def spread_tokens(key, heads):
    return np.repeat(key, heads // key.shape[1], axis=2)


def spread_first_group(key, heads):
    return np.repeat(key[:, :1], heads, axis=1)


def spread_shared_out(key, heads):
    return spread_groups(key, heads) / (heads // key.shape[1])


def gather_mean(dkey, groups):
    return gather_groups(dkey, groups, np.mean)


def gather_first(dkey, groups):
    return dkey[:, :: dkey.shape[1] // groups]


def gather_overwriting(dkey, groups):
    gathered = np.zeros((len(dkey), groups, *dkey.shape[2:]))
    for n in range(dkey.shape[1]):
        gathered[:, n * groups // dkey.shape[1]] = dkey[:, n]
    return gathered


def gather_taking_turns(dkey, groups):
    B, N, T, D = dkey.shape
    return dkey.reshape(B, N // groups, groups, T, D).sum(axis=1)


def gather_not_at_all(dkey, groups):
    return dkey


def gather_everything(dkey, groups):
    return np.repeat(dkey.sum(axis=1, keepdims=True), groups, axis=1)


def changed_at(places, x, by=1.0):
    return np.where(places[:, :, None], x + by, x)


def differ(one, two):
    return bool((one != two).any())


def looks_at_padding_too(attend, x, attention_mask):
    return differ(attend(x, attention_mask), attend(changed_at(attention_mask == 0, x), attention_mask))


def changes_tokens_too(attend, x, attention_mask):
    real = attention_mask == 1
    return differ(attend(x, attention_mask)[real], attend(x + 1, attention_mask)[real])


def not_a_number_in_padding(attend, x, attention_mask):
    real = attention_mask == 1
    return bool(np.isnan(attend(np.where(real[:, :, None], x, np.nan), attention_mask)[real]).any())


def sentence_0_alone(attend, x, attention_mask):
    other = attend(changed_at(attention_mask == 0, x), attention_mask)
    return differ(attend(x, attention_mask)[0], other[0])


def sets_padding_to_zero(attend, x, attention_mask):
    real = attention_mask == 1
    return differ(attend(x, attention_mask)[real], attend(x * real[:, :, None], attention_mask)[real])


def edits_x(attend, x, attention_mask):
    real, before = attention_mask == 1, attend(x, attention_mask)
    x[~real] += 1
    return differ(before[real], attend(x, attention_mask)[real])


def changes_nothing(attend, x, attention_mask):
    other, real = x.copy(), attention_mask == 1
    other[~real][:] += 1
    return differ(attend(x, attention_mask)[real], attend(other, attention_mask)[real])


def too_tolerant(attend, x, attention_mask):
    real = attention_mask == 1
    other = attend(changed_at(~real, x), attention_mask)
    return not np.allclose(attend(x, attention_mask)[real], other[real], rtol=0, atol=0.1)


def first_token_alone(attend, x, attention_mask):
    other = attend(changed_at(attention_mask == 0, x), attention_mask)
    return differ(attend(x, attention_mask)[:, 0], other[:, 0])


def last_place_alone(attend, x, attention_mask):
    real, last = attention_mask == 1, np.zeros_like(attention_mask, dtype=bool)
    last[:, -1] = attention_mask[:, -1] == 0
    return differ(attend(x, attention_mask)[real], attend(changed_at(last, x), attention_mask)[real])


def first_place_alone(attend, x, attention_mask):
    real = attention_mask == 1
    first = ~real & np.concatenate([np.ones((len(x), 1), bool), real[:, :-1]], axis=1)
    return differ(attend(x, attention_mask)[real], attend(changed_at(first, x), attention_mask)[real])


def takes_the_mask_away(attend, x, attention_mask):
    real = attention_mask == 1
    return differ(attend(x, attention_mask)[real], attend(x, np.ones_like(attention_mask))[real])


def all_the_other_way(attend, x, attention_mask):
    real = attention_mask == 1
    return not differ(attend(x, attention_mask)[real], attend(changed_at(~real, x), attention_mask)[real])


def an_array_of_verdicts(attend, x, attention_mask):
    real = attention_mask == 1
    return attend(x, attention_mask)[real] != attend(changed_at(~real, x), attention_mask)[real]


def never(attend, x, attention_mask):
    return False


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
    "check_groups": [
        ((spread_by_tiling, gather_groups), "stand side by side, 0 0 0 1 1 1"),
        ((spread_tokens, gather_groups), "got shape (2, 2, 15, 4), expected (2, 6, 5, 4)"),
        ((spread_first_group, gather_groups), "head n looks into group n // 3"),
        ((spread_shared_out, gather_groups), "every number is 0.3333 times"),
        ((spread_groups, gather_mean), "not the mean"),
        ((spread_groups, gather_first), "those of the others are lost"),
        ((spread_groups, gather_overwriting), "`+=`, not `=`"),
        ((spread_groups, gather_taking_turns), "summed over heads of different groups"),
        ((spread_groups, gather_not_at_all), "got shape (2, 6, 5, 4), expected (2, 2, 5, 4)"),
        ((spread_groups, gather_everything), "the sum over the heads of a group"),
    ],
    "check_leaks": [
        ((looks_at_padding_too,), "compare where attention_mask is 1"),
        ((changes_tokens_too,), "change nothing there"),
        ((sentence_0_alone,), "put other numbers into the padding"),
        ((sets_padding_to_zero,), "here padding is 0 before you change it"),
        ((edits_x,), "changed its argument x"),
        ((changes_nothing,), "put other numbers into the padding"),
        ((too_tolerant,), "a leak may be small"),
        ((not_a_number_in_padding,), "0 · NaN is NaN"),
        ((first_token_alone,), "every real token"),
        ((last_place_alone,), "not the last one alone"),
        ((first_place_alone,), "not the first one alone"),
        ((takes_the_mask_away,), "compare where attention_mask is 1"),
        ((all_the_other_way,), "compare where attention_mask is 1"),
        ((an_array_of_verdicts,), "is there an any() missing?"),
        ((never,), "put other numbers into the padding"),
    ],
}

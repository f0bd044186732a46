"""Wrong answers to notebook 08: check → (functions, what the report must say)."""

import math

import numpy as np


def softmax(scores, axis=-1):
    exponentials = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def scale_forgotten_forward(query, key, value):
    probs = softmax(query @ key.T)
    return probs @ value, probs


def divided_by_the_width(query, key, value):
    probs = softmax(query @ key.T / query.shape[-1])
    return probs @ value, probs


def softmax_over_the_queries(query, key, value):
    probs = softmax(query @ key.T / math.sqrt(query.shape[-1]), axis=0)
    return probs @ value, probs


def overflowing(query, key, value):
    exponentials = np.exp(query @ key.T / math.sqrt(query.shape[-1]))
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probs @ value, probs


def weights_transposed(query, key, value):
    probs = softmax(query @ key.T / math.sqrt(query.shape[-1]))
    return probs.T @ value, probs


def back(dcontext, query, key, value, probs):
    """Return dscores, unscaled, as it should be."""
    dprobs = dcontext @ value.T
    return probs * (dprobs - (dprobs * probs).sum(axis=-1, keepdims=True))


def scale_forgotten(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs)
    return dscores @ key, dscores.T @ query, probs.T @ dcontext


def scale_for_the_query_alone(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs)
    return dscores @ key / math.sqrt(query.shape[-1]), dscores.T @ query, probs.T @ dcontext


def transposed_products(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs) / math.sqrt(query.shape[-1])
    return dscores.T @ key, dscores @ query, probs.T @ dcontext


def values_not_transposed(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs) / math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs @ dcontext


def softmax_number_by_number(dcontext, query, key, value, probs):
    dscores = dcontext @ value.T * probs * (1 - probs) / math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs.T @ dcontext


def sum_over_the_queries(dcontext, query, key, value, probs):
    dprobs = dcontext @ value.T
    dscores = probs * (dprobs - (dprobs * probs).sum(axis=0, keepdims=True)) / math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs.T @ dcontext


def softmax_forgotten(dcontext, query, key, value, probs):
    dscores = dcontext @ value.T / math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs.T @ dcontext


def in_place(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs)
    query /= math.sqrt(query.shape[-1])
    return dscores @ key / math.sqrt(query.shape[-1]), dscores.T @ query, probs.T @ dcontext


def largest_of_all(query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    exponentials = np.exp(scores - scores.max())
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probs @ value, probs


def multiplied_by_the_root(query, key, value):
    probs = softmax(query @ key.T * math.sqrt(query.shape[-1]))
    return probs @ value, probs


def queries_and_keys_exchanged(query, key, value):
    probs = softmax(key @ query.T / math.sqrt(query.shape[-1]))
    return probs @ value, probs


def softmax_over_everything(query, key, value):
    probs = softmax(query @ key.T / math.sqrt(query.shape[-1]), axis=None)
    return probs @ value, probs


def scaled_after_the_softmax(query, key, value):
    probs = softmax(query @ key.T) / math.sqrt(query.shape[-1])
    return probs @ value, probs


def scores_for_probs(query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return softmax(scores) @ value, scores


def not_normalised(query, key, value):
    probs = np.exp(query @ key.T / math.sqrt(query.shape[-1]))
    return probs @ value, probs


def context_alone(query, key, value):
    return softmax(query @ key.T / math.sqrt(query.shape[-1])) @ value


def scaled_by_the_number_of_keys(query, key, value):
    probs = softmax(query @ key.T / math.sqrt(key.shape[0]))
    return probs @ value, probs


def hand_scale_twice(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs) / query.shape[-1]
    return dscores @ key, dscores.T @ query, probs.T @ dcontext


def scale_upside_down(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs) * math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs.T @ dcontext


def sum_not_weighted(dcontext, query, key, value, probs):
    dprobs = dcontext @ value.T
    dscores = probs * (dprobs - dprobs.sum(axis=-1, keepdims=True)) / math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs.T @ dcontext


def no_mean_taken_off(dcontext, query, key, value, probs):
    dscores = probs * (dcontext @ value.T) / math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs.T @ dcontext


def sign_turned_round(dcontext, query, key, value, probs):
    dscores = -back(dcontext, query, key, value, probs) / math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs.T @ dcontext


def key_not_transposed(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs) / math.sqrt(query.shape[-1])
    return dscores @ key, dscores @ query, probs.T @ dcontext


def value_for_dcontext(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs) / math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs.T @ value


def order_of_the_gradients(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs) / math.sqrt(query.shape[-1])
    return dscores.T @ query, dscores @ key, probs.T @ dcontext


def four_gradients(dcontext, query, key, value, probs):
    dscores = back(dcontext, query, key, value, probs) / math.sqrt(query.shape[-1])
    return dscores @ key, dscores.T @ query, probs.T @ dcontext, dscores


BUGS = {"A": 5, "B": 3, "C": 6, "D": 1, "E": 4, "F": 2}


def mean_taken_for_mask():
    return BUGS | {"A": 6}


def transposes_confused():
    return BUGS | {"B": 2}


def mask_taken_for_mean():
    return BUGS | {"C": 5}


def one_factor_for_two():
    return BUGS | {"D": 4}


def two_factors_for_one():
    return BUGS | {"E": 1}


def a_scale_for_a_transpose():
    return BUGS | {"F": 1}


def a_number_that_is_not_there():
    return BUGS | {"A": 7}


def one_letter_left_out():
    return {letter: BUGS[letter] for letter in "ABCD"}


def a_list_of_numbers():
    return list(BUGS.values())


def places(T):
    return np.arange(T) - np.arange(T)[:, None] + T - 1


def added_up(dscores):
    dbias = np.zeros(2 * len(dscores) - 1)
    np.add.at(dbias, places(len(dscores)), dscores)
    return dbias


def repeated_places_lost(dcontext, value, probs):
    dbias = np.zeros(2 * len(probs) - 1)
    dbias[places(len(probs))] += back(dcontext, None, None, value, probs)
    return dbias


def counted_the_other_way(dcontext, value, probs):
    return added_up(back(dcontext, None, None, value, probs).T)


def bias_scaled(dcontext, value, probs):
    return added_up(back(dcontext, None, None, value, probs)) / math.sqrt(value.shape[1])


def bias_of_dprobs(dcontext, value, probs):
    return added_up(dcontext @ value.T)


def bias_without_the_mean(dcontext, value, probs):
    return added_up(probs * (dcontext @ value.T))


def mean_of_each_diagonal(dcontext, value, probs):
    return added_up(back(dcontext, None, None, value, probs)) / added_up(np.ones_like(probs))


def bias_of_probs(dcontext, value, probs):
    return added_up(probs)


def bias_sign(dcontext, value, probs):
    return -added_up(back(dcontext, None, None, value, probs))


def one_for_each_key(dcontext, value, probs):
    return back(dcontext, None, None, value, probs).sum(axis=0)


def looking_back_alone(dcontext, value, probs):
    return added_up(np.tril(back(dcontext, None, None, value, probs)))


def bias_for_each_pair(dcontext, value, probs):
    return back(dcontext, None, None, value, probs)


def scores_of(query, key):
    return key @ query / math.sqrt(len(query))


def without_a_maximum(query, blocks):
    total, gathered = 0.0, 0.0
    for key, value in blocks:
        weights = np.exp(scores_of(query, key))
        total, gathered = total + weights.sum(), gathered + weights @ value
    return gathered / total, np.log(total)


def rescaling(query, blocks, largest=-np.inf, of_total=True, of_gathered=True, scale=True):
    total, gathered = 0.0, np.zeros(len(query))
    for key, value in blocks:
        scores = scores_of(query, key) if scale else key @ query
        new = max(largest, scores.max())
        shrink, weights = np.exp(largest - new), np.exp(scores - new)
        total = (shrink if of_total else 1) * total + weights.sum()
        gathered = (shrink if of_gathered else 1) * gathered + weights @ value
        largest = new
    return gathered, total, largest


def nothing_rescaled(query, blocks):
    gathered, total, m = rescaling(query, blocks, of_total=False, of_gathered=False)
    return gathered / total, m + np.log(total)


def sum_not_rescaled(query, blocks):
    gathered, total, m = rescaling(query, blocks, of_total=False)
    return gathered / total, m + np.log(total)


def values_not_rescaled(query, blocks):
    gathered, total, m = rescaling(query, blocks, of_gathered=False)
    return gathered / total, m + np.log(total)


def stream_scale_forgotten(query, blocks):
    gathered, total, m = rescaling(query, blocks, scale=False)
    return gathered / total, m + np.log(total)


def never_divided(query, blocks):
    gathered, total, m = rescaling(query, blocks)
    return gathered, m + np.log(total)


def maximum_begun_at_zero(query, blocks):
    gathered, total, m = rescaling(query, blocks, largest=0.0)
    return gathered / total, m + np.log(total)


def maximum_left_out_of_the_logarithm(query, blocks):
    gathered, total, _ = rescaling(query, blocks)
    return gathered / total, np.log(total)


def largest_for_log_sum_exp(query, blocks):
    gathered, total, m = rescaling(query, blocks)
    return gathered / total, m


def sum_for_log_sum_exp(query, blocks):
    gathered, total, _ = rescaling(query, blocks)
    return gathered / total, total


def mean_of_the_blocks(query, blocks):
    parts, logs = [], []
    for key, value in blocks:
        gathered, total, m = rescaling(query, [(key, value)])
        parts.append(gathered / total)
        logs.append(m + np.log(total))
    return np.mean(parts, axis=0), np.logaddexp.reduce(logs)


def the_last_block_alone(query, blocks):
    for block in blocks:
        gathered, total, m = rescaling(query, [block])
    return gathered / total, m + np.log(total)


def all_blocks_kept(query, blocks):
    gathered, total, m = rescaling(query, list(blocks))
    return gathered / total, m + np.log(total)


MISTAKES = {
    "check_attention_forward": [
        ((scale_forgotten_forward,), "divided by √D, and here they are not"),
        ((divided_by_the_width,), "it is √D"),
        ((softmax_over_the_queries,), "runs over the queries"),
        ((overflowing,), "exp overflows"),
        ((weights_transposed,), "probs is transposed here"),
        ((largest_of_all,), "subtract the largest of each row"),
        ((multiplied_by_the_root,), "multiplied by √D"),
        ((queries_and_keys_exchanged,), "query and key are exchanged"),
        ((softmax_over_everything,), "each query has its own"),
        ((scaled_after_the_softmax,), "after the softmax"),
        ((scores_for_probs,), "these are the scores"),
        ((not_normalised,), "not divided by the sum of its row"),
        ((context_alone,), "expected 2 values (context, probs)"),
        ((scaled_by_the_number_of_keys,), "the root of the number of keys"),
    ],
    "check_attention_backward": [
        ((scale_forgotten,), "the scale is missing"),
        ((scale_for_the_query_alone,), "dkey, against the package: the scale is missing"),
        ((transposed_products,), "dscores is transposed"),
        ((values_not_transposed,), "probs is not transposed"),
        ((softmax_number_by_number,), "subtract the mean of each row"),
        ((sum_over_the_queries,), "over the queries"),
        ((softmax_forgotten,), "softmax's backward is missing"),
        ((in_place,), "changed its argument query"),
        ((hand_scale_twice,), "not 1/D"),
        ((scale_upside_down,), "not √D"),
        ((sum_not_weighted,), "has to be weighted by probs"),
        ((no_mean_taken_off,), "subtract the mean of each row"),
        ((sign_turned_round,), "sign of softmax"),
        ((key_not_transposed,), "dkey, against the package: dscores is not transposed"),
        ((value_for_dcontext,), "value for dcontext"),
        ((order_of_the_gradients,), "dquery, against the package"),
        ((four_gradients,), "returned 4 values, expected 3"),
    ],
    "check_which_bug": [
        ((mean_taken_for_mask,), "“dvalue” would say no factor, here it says × 1"),
        ((transposes_confused,), "“dkey” would say no factor"),
        ((mask_taken_for_mean,), "“dvalue” would say × 1"),
        ((one_factor_for_two,), "“dquery” would say × 2"),
        ((two_factors_for_one,), "“dquery” would say × 1"),
        ((a_scale_for_a_transpose,), "“dkey” would say × 2"),
        ((a_number_that_is_not_there,), "7 is no number of the list"),
        ((one_letter_left_out,), "E: no answer"),
        ((a_list_of_numbers,), "got a list"),
    ],
    "check_bias_gradient": [
        ((repeated_places_lost,), "np.add.at"),
        ((counted_the_other_way,), "which looks back"),
        ((bias_scaled,), "the bias is added after it"),
        ((bias_of_dprobs,), "this is dprobs, summed"),
        ((bias_without_the_mean,), "subtract the mean of each row"),
        ((mean_of_each_diagonal,), "the sum of the gradients, not the mean"),
        ((bias_of_probs,), "these are sums of probs"),
        ((bias_sign,), "every number is -1 times"),
        ((one_for_each_key,), "got shape (2,), expected (3,)"),
        ((looking_back_alone,), "1 of 3 numbers are wrong"),
        ((bias_for_each_pair,), "got shape (2, 2), expected (3,)"),
    ],
    "check_key_by_key": [
        ((without_a_maximum,), "subtract the largest score seen so far"),
        ((nothing_rescaled,), "shrink by exp(m - m′)"),
        ((sum_not_rescaled,), "shrink by exp(m - m′)"),
        ((values_not_rescaled,), "shrink by exp(m - m′)"),
        ((stream_scale_forgotten,), "here they are not"),
        ((never_divided,), "not divided by the sum of the weights"),
        ((maximum_begun_at_zero,), "begin with m = -inf"),
        ((maximum_left_out_of_the_logarithm,), "the largest score is missing"),
        ((largest_for_log_sum_exp,), "the logarithm of the sum is missing"),
        ((sum_for_log_sum_exp,), "its logarithm is missing"),
        ((mean_of_the_blocks,), "divide once, at the end"),
        ((the_last_block_alone,), "the last block's alone"),
        ((all_blocks_kept,), "in the memory of the one before"),
    ],
}

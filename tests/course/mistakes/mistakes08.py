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
}

"""Wrong answers to notebook 12: check → (functions, what the report must say)."""

import numpy as np


def scattered(ids, dembedded, dlogits):
    dweight = np.zeros((dlogits.shape[-1], dembedded.shape[-1]), dtype=dembedded.dtype)
    np.add.at(dweight, ids, dembedded)
    return dweight


def decoder_alone(ids, dembedded, dlogits, hidden):
    return dlogits.T @ hidden


def lookup_alone(ids, dembedded, dlogits, hidden):
    return scattered(ids, dembedded, dlogits)


def lost_repeats(ids, dembedded, dlogits, hidden):
    dweight = dlogits.T @ hidden
    dweight[ids] += dembedded
    return dweight


def overwritten_rows(ids, dembedded, dlogits, hidden):
    dweight = dlogits.T @ hidden
    dweight[np.unique(ids)] = scattered(ids, dembedded, dlogits)[np.unique(ids)]
    return dweight


def mean_of_the_paths(ids, dembedded, dlogits, hidden):
    return (scattered(ids, dembedded, dlogits) + dlogits.T @ hidden) / 2


def divided_by_the_rows_again(ids, dembedded, dlogits, hidden):
    return scattered(ids, dembedded, dlogits) + dlogits.T @ hidden / len(hidden)


def transposed_where_it_fits(ids, dembedded, dlogits, hidden):
    product = hidden.T @ dlogits
    product = product if product.shape == (dlogits.shape[-1], hidden.shape[-1]) else product.T
    return scattered(ids, dembedded, dlogits) + product


def only_rows_looked_up(ids, dembedded, dlogits, hidden):
    looked_up = np.isin(np.arange(dlogits.shape[-1]), ids)
    return scattered(ids, dembedded, dlogits) + (dlogits.T @ hidden) * looked_up[:, None]


def always_float64(ids, dembedded, dlogits, hidden):
    return scattered(ids, dembedded, dlogits).astype(np.float64) + dlogits.T @ hidden


def minus_for_plus(ids, dembedded, dlogits, hidden):
    return scattered(ids, dembedded, dlogits) - dlogits.T @ hidden


def mean_over_places(ids, dembedded, dlogits, hidden):
    return scattered(ids, dembedded, dlogits) / ids.size + dlogits.T @ hidden


def two_gradients(ids, dembedded, dlogits, hidden):
    return scattered(ids, dembedded, dlogits), dlogits.T @ hidden


def hidden_first(ids, dembedded, dlogits, hidden):
    return scattered(ids, dembedded, dlogits) + hidden.T @ dlogits


def assigned_by_id(ids, dembedded, dlogits, hidden):
    dweight = dlogits.T @ hidden
    dweight[ids] = dembedded
    return dweight


def dembedded_edited(ids, dembedded, dlogits, hidden):
    dembedded *= 1.0000001
    return scattered(ids, dembedded, dlogits) + dlogits.T @ hidden


def first_sentence_alone(ids, dembedded, dlogits, hidden):
    return scattered(ids[:1], dembedded[:1], dlogits) + dlogits.T @ hidden


def one_row_of_the_decoder(ids, dembedded, dlogits, hidden):
    return scattered(ids, dembedded, dlogits) + np.outer(dlogits[0], hidden[0])


def nothing_returned(ids, dembedded, dlogits, hidden):
    dweight = scattered(ids, dembedded, dlogits)
    dweight += dlogits.T @ hidden


def table_too_small(ids, dembedded, dlogits, hidden):
    dweight = np.zeros((ids.max() + 1, dembedded.shape[-1]))
    np.add.at(dweight, ids, dembedded)
    return dweight + (dlogits.T @ hidden)[: len(dweight)]


def product_of_the_paths(ids, dembedded, dlogits, hidden):
    return scattered(ids, dembedded, dlogits) * (dlogits.T @ hidden)


NAMED = {"A": 2, "B": 4, "C": 1, "D": 6, "E": 3, "F": 5}


def sum_and_mean_exchanged():
    return {**NAMED, "A": 1, "C": 2}


def wide_for_the_sum():
    return {**NAMED, "A": 5, "F": 2}


def base_two_for_wide():
    return {**NAMED, "E": 5, "F": 3}


def no_label_for_twice():
    return {**NAMED, "B": 6, "D": 4}


def one_left_out():
    return {letter: number for letter, number in NAMED.items() if letter != "F"}


def words_for_numbers():
    return dict.fromkeys(NAMED, "the sum")


def softmax_of(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_z_of(logits):
    return np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def square_not_derived(dloss, logits):
    return dloss * log_z_of(logits) * softmax_of(logits) / len(logits)


def mean_not_derived(dloss, logits):
    return 2 * dloss * log_z_of(logits) * softmax_of(logits)


def softmax_alone(dloss, logits):
    return 2 * dloss * softmax_of(logits) / len(logits)


def no_softmax(dloss, logits):
    return 2 * dloss * log_z_of(logits) * np.ones_like(logits) / len(logits)


def label_subtracted(dloss, logits):
    return 2 * dloss * log_z_of(logits) * (softmax_of(logits) - np.eye(logits.shape[1])[0]) / len(logits)


def overflows(dloss, logits):
    powers = np.exp(logits)
    total = powers.sum(axis=1, keepdims=True)
    return 2 * dloss * np.log(total) * powers / total / len(logits)


def largest_not_added_back(dloss, logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return 2 * dloss * np.log(powers.sum(axis=1, keepdims=True)) * softmax_of(logits) / len(logits)


def without_dloss(dloss, logits):
    return 2 * log_z_of(logits) * softmax_of(logits) / len(logits)


def over_the_rows(dloss, logits):
    return mean_over_rows(dloss, logits.T).T * logits.shape[1] / len(logits)


def mean_over_rows(dloss, logits):
    return 2 * dloss * log_z_of(logits) * softmax_of(logits) / len(logits)


def divided_by_the_classes(dloss, logits):
    return mean_over_rows(dloss, logits) * len(logits) / logits.shape[1]


def axis_lost(dloss, logits):
    return 2 * dloss * np.logaddexp.reduce(logits, axis=1) * softmax_of(logits) / len(logits)


def in_float64(dloss, logits):
    return mean_over_rows(np.float64(dloss), logits)


def one_number_back(dloss, logits):
    return mean_over_rows(dloss, logits).sum()


MISTAKES = {
    "check_tied_gradient": [
        ((decoder_alone,), "the lookup's path is missing"),
        ((lookup_alone,), "the decoder's path is missing"),
        ((lost_repeats,), "an id that occurs twice"),
        ((overwritten_rows,), "lost the decoder's path"),
        ((mean_of_the_paths,), "the mean of the two paths"),
        ((divided_by_the_rows_again,), "not a mean"),
        ((transposed_where_it_fits,), "path is transposed"),
        ((only_rows_looked_up,), "never looked up have"),
        ((always_float64,), "got float64"),
        ((minus_for_plus,), "sign of the decoder"),
        ((mean_over_places,), "by hand"),
        ((two_gradients,), "returned 2 values, expected one value (dweight)"),
        ((hidden_first,), "in your line"),
        ((assigned_by_id,), "by hand"),
        ((dembedded_edited,), "changed its argument dembedded"),
        ((first_sentence_alone,), "both paths at once"),
        ((one_row_of_the_decoder,), "both paths at once"),
        ((nothing_returned,), "is a `return` missing"),
        ((table_too_small,), "got shape (3, 2), expected (4, 2)"),
        ((product_of_the_paths,), "by hand"),
    ],
    "check_which_bug": [
        ((sum_and_mean_exchanged,), "update 0” would say 0.51, here it says 32.7"),
        ((wide_for_the_sum,), "A: not “the decoder's first weights"),
        ((base_two_for_wide,), "E: not “the decoder's first weights"),
        ((no_label_for_twice,), "B: not “in the gradient"),
        ((one_left_out,), "F: no answer"),
        ((words_for_numbers,), "A: 'the sum' is no number of the list"),
    ],
    "check_z_loss_backward": [
        ((square_not_derived,), "the 2 of the square"),
        ((mean_not_derived,), "the mean is missing"),
        ((softmax_alone,), "ln Z is missing"),
        ((no_softmax,), "the probabilities are missing"),
        ((label_subtracted,), "no label stands in this loss"),
        ((overflows,), "exp overflows"),
        ((largest_not_added_back,), "by hand"),
        ((without_dloss,), "dloss is a factor of all"),
        ((over_the_rows,), "by hand"),
        ((divided_by_the_classes,), "finite differences"),
        ((axis_lost,), "has lost its axis"),
        ((in_float64,), "got float64"),
        ((one_number_back,), "got shape (), expected (2, 2)"),
    ],
}

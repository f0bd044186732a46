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
    ]
}

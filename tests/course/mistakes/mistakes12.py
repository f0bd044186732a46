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
    ]
}

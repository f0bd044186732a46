"""Right answers to notebook 12, written otherwise: check → functions."""

import numpy as np


def decoder_first(ids, dembedded, dlogits, hidden):
    dweight = np.matmul(dlogits.T, hidden)
    np.add.at(dweight, ids.ravel(), dembedded.reshape(-1, dembedded.shape[-1]))
    return dweight


def by_one_hot(ids, dembedded, dlogits, hidden):
    one_hot = (ids[..., None] == np.arange(dlogits.shape[1])).astype(dembedded.dtype)
    return np.einsum("btv,bte->ve", one_hot, dembedded) + np.einsum("rv,re->ve", dlogits, hidden)


def place_by_place(ids, dembedded, dlogits, hidden):
    dweight = sum(np.outer(d, h) for d, h in zip(dlogits, hidden, strict=True))
    for place in np.ndindex(ids.shape):
        dweight[ids[place]] += dembedded[place]
    return dweight


def named_in_another_order():
    return {"F": 5, "E": 3, "D": 6, "C": 1, "B": 4, "A": 2}


def by_log_add(dloss, logits):
    log_z = np.logaddexp.reduce(logits, axis=-1)
    return (2 * dloss * log_z / log_z.size)[:, None] * np.exp(logits - log_z[:, None])


def row_by_row(dloss, logits):
    dlogits = np.empty_like(logits)
    for row, z in zip(dlogits, logits, strict=True):
        powers = np.exp(z - z.max())
        row[...] = dloss / len(logits) * 2 * (z.max() + np.log(powers.sum())) * powers / powers.sum()
    return dlogits


RIGHT = {
    "check_tied_gradient": [(decoder_first,), (by_one_hot,), (place_by_place,)],
    "check_which_bug": [(named_in_another_order,)],
    "check_z_loss_backward": [(by_log_add,), (row_by_row,)],
}

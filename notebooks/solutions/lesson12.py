"""Solutions of notebook 12."""

import numpy as np


def tied_gradient(ids, dembedded, dlogits, hidden):
    dweight = np.zeros((dlogits.shape[-1], hidden.shape[-1]), dtype=dembedded.dtype)
    np.add.at(dweight, ids, dembedded)
    return dweight + dlogits.T @ hidden


def which_bug():
    return {"A": 2, "B": 4, "C": 1, "D": 6, "E": 3, "F": 5}


def z_loss_backward(dloss, logits):
    largest = logits.max(axis=1, keepdims=True)
    powers = np.exp(logits - largest)
    total = powers.sum(axis=1, keepdims=True)
    log_z = largest + np.log(total)
    return dloss * 2 * log_z * (powers / total) / len(logits)


ANSWERS = {
    "check_tied_gradient": (tied_gradient,),
    "check_which_bug": (which_bug,),
    "check_z_loss_backward": (z_loss_backward,),
}

"""Right answers to notebook 04, written otherwise: check → functions."""

import numpy as np


def by_jacobians(dy, probs):
    jacobians = probs[..., None] * (np.eye(probs.shape[-1]) - probs[..., None, :])
    return (dy[..., None, :] @ jacobians)[..., 0, :]


def two_terms(dy, probs):
    weighted = dy * probs
    return weighted - probs * weighted.sum(-1)[..., None]


def by_einsum(dy, probs):
    return probs * dy - probs * np.einsum("...c,...c->...", dy, probs)[..., None]


def row_by_row(dloss, probs, labels):
    counted = [r for r, label in enumerate(labels) if label >= 0]
    dlogits = np.zeros_like(probs)
    for r in counted:
        dlogits[r] = probs[r] * dloss / len(counted)
        dlogits[r, labels[r]] -= dloss / len(counted)
    return dlogits


def by_one_hot(dloss, probs, labels):
    one_hot = labels[:, None] == np.arange(probs.shape[1])
    counted = one_hot.any(axis=1, keepdims=True)
    return dloss * np.where(counted, probs - one_hot, 0) / max(1, counted.sum())


def nothing_asked_first(dloss, probs, labels):
    if not (labels != -100).any():
        return np.zeros(probs.shape)
    dlogits = probs * (labels != -100)[:, None]
    rows = np.nonzero(labels != -100)[0]
    dlogits[rows, labels[rows]] -= 1
    return dlogits * dloss / len(rows)


def log_by_jacobians(dy, y):
    jacobians = np.eye(y.shape[-1]) - np.exp(y)[..., None, :]
    return np.einsum("...i,...ij->...j", dy, jacobians)


def log_through_softmax(dy, y):
    p = np.exp(y)
    return dy - np.einsum("...c,...->...c", p, dy.sum(-1))


def losses_in_another_order():
    return {"G": 3, "F": 6, "E": 4, "D": 2, "C": 7, "B": 1, "A": 5}


RIGHT = {
    "check_which_loss": [(losses_in_another_order,)],
    "check_softmax_backward": [(by_jacobians,), (two_terms,), (by_einsum,)],
    "check_cross_entropy_backward": [(row_by_row,), (by_one_hot,), (nothing_asked_first,)],
    "check_log_softmax_backward": [(log_by_jacobians,), (log_through_softmax,)],
}

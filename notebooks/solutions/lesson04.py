"""Solutions of notebook 04."""

import numpy as np


def softmax_backward(dy, probs):
    return probs * (dy - (dy * probs).sum(axis=-1, keepdims=True))


def cross_entropy_backward(dloss, probs, labels):
    counted = labels != -100
    dlogits = probs.copy()
    dlogits[np.arange(len(labels)), np.where(counted, labels, 0)] -= 1
    dlogits[~counted] = 0
    return dlogits * (dloss / max(1, counted.sum()))


def which_loss():
    return {"A": 5, "B": 1, "C": 7, "D": 2, "E": 4, "F": 6, "G": 3}


def log_softmax_backward(dy, y):
    return dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


ANSWERS = {
    "check_softmax_backward": (softmax_backward,),
    "check_cross_entropy_backward": (cross_entropy_backward,),
    "check_which_loss": (which_loss,),
    "check_log_softmax_backward": (log_softmax_backward,),
}

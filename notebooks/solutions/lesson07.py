"""Solutions of notebook 07."""

import numpy as np


def embedding_backward(dy, ids, rows):
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    np.add.at(dweight, ids, dy)
    return dweight


def position_backward(dx, rows):
    _, T, E = dx.shape
    dweight = np.zeros((rows, E), dtype=dx.dtype)
    dweight[:T] = dx.sum(axis=0)
    return dweight


ANSWERS = {"check_embedding_backward": (embedding_backward,), "check_position_backward": (position_backward,)}

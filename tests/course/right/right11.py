"""Right answers to notebook 11, written otherwise: check → functions."""

import numpy as np


def added_anew(dy, caches, backward, shapes):
    total = {name: np.zeros(shape, dy.dtype) for name, shape in shapes.items()}
    for i in range(len(caches) - 1, -1, -1):
        dy, gradients = backward(dy, caches[i])
        total = {name: total[name] + gradients.get(name, 0) for name in total}
    return dy, total


def first_copied(dy, caches, backward, shapes):
    total = {}
    for cache in caches[::-1]:
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] = total[name] + gradient if name in total else gradient.copy()
    return dy, {name: total.get(name, np.zeros(shape, dy.dtype)) for name, shape in shapes.items()}


def recursive(dy, caches, backward, shapes):
    if not caches:
        return dy, {name: np.zeros(shape, dtype=dy.dtype) for name, shape in shapes.items()}
    dy, last = backward(dy, caches[-1])
    dx, below = recursive(dy, caches[:-1], backward, shapes)
    return dx, {name: sum_ + last[name] if name in last else sum_ for name, sum_ in below.items()}


RIGHT = {"check_shared_backward": [(added_anew,), (first_copied,), (recursive,)]}

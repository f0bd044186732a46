"""Solutions of notebook 11."""

import numpy as np


def shared_backward(dy, caches, backward, shapes):
    total = {name: np.zeros(shape, dtype=dy.dtype) for name, shape in shapes.items()}
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


def which_bug():
    return {"A": 4, "B": 6, "C": 1, "D": 3, "E": 2, "F": 5}


def recomputed_backward(dy, x, steps, forward, backward, shapes):
    inputs = []
    for _ in range(steps):
        inputs.append(x)
        x, _ = forward(x)
    total = {name: np.zeros(shape, dtype=dy.dtype) for name, shape in shapes.items()}
    for x in reversed(inputs):
        _, cache = forward(x)
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


ANSWERS = {
    "check_shared_backward": (shared_backward,),
    "check_which_bug": (which_bug,),
    "check_recomputed_backward": (recomputed_backward,),
}

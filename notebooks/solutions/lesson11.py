"""Solutions of notebook 11."""

import numpy as np


def shared_backward(dy, caches, backward, shapes):
    total = {name: np.zeros(shape, dtype=dy.dtype) for name, shape in shapes.items()}
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
        for name, gradient in gradients.items():
            total[name] += gradient
    return dy, total


ANSWERS = {"check_shared_backward": (shared_backward,)}

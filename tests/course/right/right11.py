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


def named_in_another_order():
    return {"F": 5, "E": 2, "D": 3, "C": 1, "B": 6, "A": 4}


def one_more_forward(dy, x, steps, forward, backward, shapes):
    inputs = [x]
    while len(inputs) < steps:
        inputs.append(forward(inputs[-1])[0])
    total = {name: np.zeros(shape) for name, shape in shapes.items()}
    while inputs:
        dy, gradients = backward(dy, forward(inputs.pop())[1])
        total = {name: total[name] + gradients[name] for name in total}
    return dy, total


def on_the_way_back(dy, x, steps, forward, backward, shapes):
    y, cache = forward(x)
    if steps > 1:
        del cache
        dy, total = on_the_way_back(dy, y, steps - 1, forward, backward, shapes)
        _, cache = forward(x)
    else:
        total = {name: np.zeros(shape) for name, shape in shapes.items()}
    dx, gradients = backward(dy, cache)
    return dx, {name: total[name] + gradients[name] for name in total}


RIGHT = {
    "check_shared_backward": [(added_anew,), (first_copied,), (recursive,)],
    "check_which_bug": [(named_in_another_order,)],
    "check_recomputed_backward": [(one_more_forward,), (on_the_way_back,)],
}

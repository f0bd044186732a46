"""How many kernels the package's launchers start, by the names of their formulas: for counting without playing them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from albert_np import layers, ops
from albert_np.execution import as_kernel
from albert_np.training.optimizers import LAMB, shorten, sum_of_squares

# A product is a launch too.
FORMULAS: list[tuple[Callable[..., Any], int]] = [
    (ops.activation_forward, 1),
    (ops.activation_backward, 1),
    (ops.layer_norm_forward, 1),
    (ops.layer_norm_backward, 1),
    (ops.softmax_forward, 1),
    (ops.softmax_backward, 1),
    (ops.attention_forward, 3),
    (ops.attention_backward, 5),
    (ops.cross_entropy_forward, 1),
    (ops.cross_entropy_backward, 1),
    (ops.sum_rows, 1),
    (layers.dense_backward, 3),
    (layers.norm_backward, 1),
    (layers.heads_forward, 5),
    (layers.heads_backward, 7),
    (sum_of_squares, 1),
    (shorten, 2),
    (LAMB.update, 2),
]


def counted_kernels() -> dict[str, Callable[..., Any]]:
    """Return kernels for `strict_backend` that compute by the formulas and count as these launches."""
    kernels = {formula.__name__: as_kernel(formula, launches) for formula, launches in FORMULAS}

    def attention_forward(query, key, value, mask, dropout_prob=0.0, rng=None):
        drops = rng is not None and dropout_prob
        return NotImplemented if drops else kernels["attention_forward"](query, key, value, mask)

    def attention_backward(dcontext, cache):
        return kernels["attention_backward"](dcontext, cache) if cache.dropout.kept is None else NotImplemented

    def heads_forward(stacked, pattern, config, rng=None):
        drops = rng is not None and config.attention_probs_dropout_prob
        return NotImplemented if drops else kernels["heads_forward"](stacked, pattern, config)

    def heads_backward(dmerged, cache):
        drops = cache.runs[0].dropout.kept is not None
        return NotImplemented if drops else kernels["heads_backward"](dmerged, cache)

    def layer_forward(x, pattern, p, config, rng=None):
        if rng is not None and (config.hidden_dropout_prob or config.attention_probs_dropout_prob):
            return NotImplemented
        gathered = 0 if pattern.wanted is None else 2
        return as_kernel(layers.layer_forward, 12 + gathered)(x, pattern, p, config)

    def layer_backward(dy, cache, g):
        dropouts = (cache.attention.dropout, cache.attention.heads.runs[0].dropout, cache.feed_forward.dropout)
        if any(each.kept is not None for each in dropouts):
            return NotImplemented
        spread = 0 if cache.pattern.wanted is None else 4
        return as_kernel(layers.layer_backward, 20 + spread)(dy, cache, g)

    def on_device(name):
        return lambda x, *args: type(x)(np.asarray(kernels[name](x, *args)))  # there until somebody reads it

    served = (attention_forward, attention_backward, heads_forward, heads_backward, layer_forward, layer_backward)
    numbers = {name: on_device(name) for name in ("sum_of_squares", "shorten")}
    return kernels | {formula.__name__: formula for formula in served} | numbers

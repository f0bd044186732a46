"""How many kernels the package's launchers start, by the names of their formulas: for counting without playing them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from albert_np import layers, ops
from albert_np.execution import as_kernel, strict_backend
from albert_np.execution.precision import narrowed
from albert_np.training.optimizers import LAMB, shorten, sum_of_squares

# A product is a launch too; what is rounded for products within a formula, `as_kernel` counts beside it.
FORMULAS: list[tuple[Callable[..., Any], int]] = [
    (ops.activation_forward, 1),
    (ops.activation_backward, 1),
    (ops.layer_norm_forward, 1),
    (ops.layer_norm_backward, 1),
    (ops.softmax_forward, 1),
    (ops.softmax_backward, 1),
    (ops.dropout_forward, 1),
    (ops.dropout_backward, 1),
    (ops.cross_entropy_forward, 1),
    (ops.cross_entropy_backward, 1),
    (ops.sum_rows, 1),
    (layers.dense_backward, 3),
    (layers.norm_backward, 1),
    (sum_of_squares, 1),
    (shorten, 2),
    (LAMB.update, 2),
]


def _dropped(cache: Any) -> bool:
    return cache.dropout.kept is not None


def _draws(pattern: Any, config: Any, rng: Any) -> int:
    """Launches for dropout of probabilities: where padding is skipped, seeds go to the device first."""
    drops = rng is not None and config.attention_probs_dropout_prob > 0
    return drops + (drops and pattern.tokens is not None)


def counted_kernels() -> dict[str, Callable[..., Any]]:
    """Return kernels for `strict_backend` that compute by the formulas and count as these launches."""
    kernels = {formula.__name__: as_kernel(formula, launches) for formula, launches in FORMULAS}

    def rounded_to_16_bits(x, kind):
        copied = kind == "bfloat16" and not x.flags.c_contiguous
        return as_kernel(narrowed, 1 + copied)(x, kind)

    def dropout_forward(x, prob, rng):
        return NotImplemented if rng is None or prob == 0 else kernels["dropout_forward"](x, prob, rng)

    def dropout_backward(dy, cache):
        return NotImplemented if cache.kept is None else kernels["dropout_backward"](dy, cache)

    def attention_forward(query, key, value, mask, dropout_prob=0.0, rng=None):
        drops = rng is not None and dropout_prob > 0
        return as_kernel(ops.attention_forward, 3 + drops)(query, key, value, mask, dropout_prob, rng)

    def attention_backward(dcontext, cache):
        return as_kernel(ops.attention_backward, 5 + _dropped(cache))(dcontext, cache)

    def heads_forward(stacked, pattern, config, rng=None):
        return as_kernel(layers.heads_forward, 5 + _draws(pattern, config, rng))(stacked, pattern, config, rng)

    def heads_backward(dmerged, cache):
        return as_kernel(layers.heads_backward, 7 + _dropped(cache.runs[0]))(dmerged, cache)

    def layer_forward(x, pattern, p, config, rng=None):
        if rng is not None and config.hidden_dropout_prob:
            return NotImplemented
        launches = 12 + _draws(pattern, config, rng) + (0 if pattern.wanted is None else 2)
        return as_kernel(layers.layer_forward, launches)(x, pattern, p, config, rng)

    def layer_backward(dy, cache, g):
        if _dropped(cache.attention) or _dropped(cache.feed_forward):
            return NotImplemented
        launches = 20 + _dropped(cache.attention.heads.runs[0]) + (0 if cache.pattern.wanted is None else 4)
        return as_kernel(layers.layer_backward, launches)(dy, cache, g)

    def on_device(name):
        return lambda x, *args: type(x)(np.asarray(kernels[name](x, *args)))  # there until somebody reads it

    dropout, attention = (dropout_forward, dropout_backward), (attention_forward, attention_backward)
    served = (*dropout, *attention, heads_forward, heads_backward, layer_forward, layer_backward)
    numbers = {name: on_device(name) for name in ("sum_of_squares", "shorten")}
    numbers["narrowed"] = rounded_to_16_bits
    numbers["scatter_add"] = strict_backend().kernels["scatter_add"]
    return kernels | {formula.__name__: formula for formula in served} | numbers

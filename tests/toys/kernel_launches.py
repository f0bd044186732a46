"""How many kernels the package's launchers start, by the names of their formulas: for counting without playing them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from albert_np import layers, ops
from albert_np.execution import as_kernel
from albert_np.training.optimizers import LAMB, sum_of_squares

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
    (sum_of_squares, 1),
    (LAMB.update, 2),
]


def counted_kernels() -> dict[str, Callable[..., Any]]:
    """Return kernels for `strict_backend` that compute by the formulas and count as these launches."""
    kernels = {formula.__name__: as_kernel(formula, launches) for formula, launches in FORMULAS}
    forward, backward, squares = (
        kernels[name] for name in ("attention_forward", "attention_backward", "sum_of_squares")
    )

    def attention_forward(query, key, value, mask, dropout_prob=0.0, rng=None):
        return NotImplemented if rng is not None and dropout_prob else forward(query, key, value, mask)

    def attention_backward(dcontext, cache):
        return backward(dcontext, cache) if cache.dropout.kept is None else NotImplemented

    def sum_of_squares(x):
        return type(x)(np.asarray(squares(x)))  # it stays on the device until somebody reads it

    served = (attention_forward, attention_backward, sum_of_squares)
    return kernels | {formula.__name__: formula for formula in served}

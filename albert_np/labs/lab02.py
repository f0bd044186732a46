"""Lab 2: norms and losses. Forward functions and what is looked at; no gradient is written down here."""

from typing import Any

import numpy as np

from albert_np.labs.checks import backward_exercise
from albert_np.labs.points import Answer, Lab

__all__ = ["LAB"]

LAB = Lab("02", "Norms and losses", hours=3, notebooks=("04", "05"))


def rms_norm(x: Any, weight: Any, eps: float) -> Any:
    """x (..., H), weight (H,): y = weight · x / √(mean x² + eps)."""
    return weight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)


def _rms_arguments(answer: Answer, *shape: int) -> dict[str, Any]:
    return {"x": answer.rng.normal(0.3, 1, shape), "weight": answer.rng.normal(1, 0.5, shape[-1]), "eps": 0.1}


backward_exercise(
    LAB,
    "rms_norm_backward",
    "RMSNorm, backward",
    forward=rms_norm,
    draw=_rms_arguments,
    gradients={
        "dx": ("x", 9, "By which ways does one number of a row reach the others of its row?"),
        "dweight": ("weight", 7, "Which axes does the weight not have?"),
    },
    shapes=[(3, 5), (2, 1, 4), (1, 3, 2), (4, 1)],
    large=(64, 8, 128),
    suspects={
        "dx": [
            ("a mean is taken off that RMSNorm does not take off", lambda dy, a, dx: dx - dx.mean(-1, keepdims=True)),
        ],
        "dweight": [("is it the sum over rows, or the mean?", lambda dy, a, dw: dw / (dy.size / dy.shape[-1]))],
    },
)

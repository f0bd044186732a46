"""Figures of notebook 04: what the scale of logits does, the Jacobian of a softmax, the gradient of the loss."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from albert_np.ops import cross_entropy_backward, cross_entropy_forward, softmax_backward, softmax_forward
from albert_np.plots import COLOURS, matrix, new_figure, plain

__all__ = ["loss_gradient_figure", "softmax_jacobian", "softmax_jacobian_figure", "softmax_scale_figure"]


def softmax_scale_figure(logits: Any, scales: Sequence[float] = (0.0, 0.5, 1.0, 3.0)) -> Figure:
    """Draw softmax(scale · logits) as bars, one panel a scale. logits (C,)."""
    logits = np.asarray(logits, dtype=np.float64)
    figure, axes = new_figure(2.4 * len(scales), 2.5, 1, len(scales), sharey=True)
    for ax, scale in zip(axes, scales, strict=True):
        probs, _ = softmax_forward(scale * logits)
        bars = ax.bar(range(len(probs)), probs, color=COLOURS["blue"])
        ax.bar_label(bars, [f"{prob:.2f}" for prob in probs], fontsize=8, padding=2)
        ax.set_xticks(range(len(probs)), [f"{scale * logit + 0.0:g}" for logit in logits], fontsize=8)
        ax.set_xlabel("logit", fontsize=9)
        ax.set_title(f"logits times {scale:g}", fontsize=10)
        ax.set_ylim(0, 1.12)
    plain(*axes, grid=None)
    axes[0].set_ylabel("probability", fontsize=9)
    return figure


def softmax_jacobian(logits: Any) -> Any:
    """Return J[i, j] = ∂probs[i] / ∂logits[j] of one row, a backward pass for each i. logits (C,)."""
    _, cache = softmax_forward(np.asarray(logits, dtype=np.float64))
    return np.stack([softmax_backward(unit, cache) for unit in np.eye(len(logits))])


def softmax_jacobian_figure(logits: Any) -> Figure:
    """Draw the probabilities of one row and their Jacobian beside them. logits (C,), at most 8."""
    probs, _ = softmax_forward(np.asarray(logits, dtype=np.float64))
    figure, (left, right) = new_figure(6.6, 4.2, 1, 2, width_ratios=(1, len(probs)))
    matrix(left, probs[:, None], "pᵢ")
    left.set_xticks([])
    left.set_ylabel("i", fontsize=9, rotation=0)
    matrix(right, softmax_jacobian(logits), "∂pᵢ/∂xⱼ = pᵢ (δᵢⱼ - pⱼ)", signed=True, digits=3)
    right.set_xlabel("j", fontsize=9)
    return figure


def loss_gradient_figure(logits: Any, labels: Any) -> Figure:
    """Draw a mean cross-entropy's probabilities and, beside them, its gradient. logits (R, C), labels (R,)."""
    loss, cache = cross_entropy_forward(np.asarray(logits, dtype=np.float64), np.asarray(labels))
    figure, (left, right) = new_figure(9, 4.2, 1, 2)
    matrix(left, cache.probs, "probabilities, the label's in a frame")
    matrix(right, cross_entropy_backward(1.0, cache) + 0.0, f"gradient of the loss (which is {loss:.2f})", True, 3)
    names = [f"label {label}" if counted else "ignored" for label, counted in zip(labels, cache.counted, strict=True)]
    left.set_yticks(range(len(names)), names, fontsize=9)
    right.set_yticks([])
    for ax in (left, right):
        ax.set_xlabel("class", fontsize=9)
        for r, label in enumerate(labels):
            if cache.counted[r]:
                corner = (label - 0.47, r - 0.47)
                ax.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=COLOURS["vermillion"], lw=2.5))
    return figure

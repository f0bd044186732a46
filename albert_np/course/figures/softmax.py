"""Figures of notebook 04: the scale of logits, a softmax's Jacobian, the loss and its gradient, the simplex."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from albert_np.backend import Floats, Ints
from albert_np.course.figures.diagrams import Diagram
from albert_np.ops import cross_entropy_backward, cross_entropy_forward, softmax_backward, softmax_forward
from albert_np.plots import COLOURS, matrix, new_figure, plain

__all__ = [
    "loss_gradient_figure",
    "simplex_figure",
    "softmax_jacobian",
    "softmax_jacobian_figure",
    "softmax_scale_figure",
    "two_ways_figure",
]


def softmax_scale_figure(logits: Floats, scales: Sequence[float] = (0.0, 0.5, 1.0, 3.0)) -> Figure:
    """Draw softmax(scale · logits) as bars, one panel a scale, of an even number. logits (C,)."""
    logits = np.asarray(logits, dtype=np.float64)
    figure, axes = new_figure(6.0, 2.3 * (len(scales) // 2), len(scales) // 2, 2, sharey=True)
    for ax, scale in zip(axes.flat, scales, strict=True):
        probs, _ = softmax_forward(scale * logits)
        bars = ax.bar(range(len(probs)), probs, color=COLOURS["blue"])
        ax.bar_label(bars, [f"{prob:.2f}" for prob in probs], fontsize=9, padding=2)
        ax.set_xticks(range(len(probs)), [f"{scale * logit + 0.0:g}" for logit in logits], fontsize=9)
        ax.set_xlabel("logit", fontsize=9)
        ax.set_title(f"logits times {scale:g}", fontsize=10)
        ax.set_ylim(0, 1.12)
        ax.set_ylabel("probability", fontsize=9)
    plain(*axes.flat, grid=None)
    return figure


def softmax_jacobian(logits: Floats) -> Floats:
    """Return J[i, j] = ∂probs[i] / ∂logits[j] of one row, a backward pass for each i. logits (C,)."""
    _, cache = softmax_forward(np.asarray(logits, dtype=np.float64))
    return np.stack([softmax_backward(unit, cache) for unit in np.eye(len(logits))])


def softmax_jacobian_figure(logits: Floats) -> Figure:
    """Draw the probabilities of one row and their Jacobian beside them. logits (C,), at most 8."""
    probs, _ = softmax_forward(np.asarray(logits, dtype=np.float64))
    figure, (left, right) = new_figure(6.0, 4.0, 1, 2, width_ratios=(1, len(probs)))
    matrix(left, probs[:, None], "pᵢ")
    left.set_xticks([])
    left.set_ylabel("i", fontsize=9, rotation=0)
    matrix(right, softmax_jacobian(logits), "∂pᵢ/∂xⱼ = pᵢ (δᵢⱼ - pⱼ)", signed=True, digits=3)
    right.set_xlabel("j", fontsize=9)
    return figure


def loss_gradient_figure(logits: Floats, labels: Ints) -> Figure:
    """Draw a mean cross-entropy's probabilities and, below them, its gradient. logits (R, C), labels (R,)."""
    loss, cache = cross_entropy_forward(np.asarray(logits, dtype=np.float64), np.asarray(labels))
    figure, (above, below) = new_figure(6.0, 7.4, 2, 1)
    matrix(above, cache.probs, "probabilities, the label's in a frame")
    matrix(below, cross_entropy_backward(1.0, cache) + 0.0, f"gradient of the loss (which is {loss:.2f})", True, 3)
    names = [f"label {label}" if counted else "ignored" for label, counted in zip(labels, cache.counted, strict=True)]
    for ax in (above, below):
        ax.set_yticks(range(len(names)), names, fontsize=9)
        ax.set_xlabel("class", fontsize=9)
        for r, label in enumerate(labels):
            if cache.counted[r]:
                corner = (label - 0.47, r - 0.47)
                ax.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=COLOURS["vermillion"], lw=2.5))
    return figure


CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]])  # where the three classes of a simplex stand


def simplex_figure(logits: Floats, label: int) -> Figure:
    """Draw where softmax takes three logits times a growing factor, and how a step down the loss moves p.

    logits (lines, 3). label: the right class. A step changes the logits by −0.4 (p − 1 at the label), by (4.9).
    """
    figure, (left, right) = new_figure(6.0, 3.0, 1, 2)
    scales = np.linspace(0, 6, 200)[:, None]
    for row, colour in zip(np.asarray(logits, dtype=np.float64), ("blue", "orange", "green"), strict=True):
        way = softmax_forward(scales * row)[0] @ CORNERS
        left.plot(*way.T, color=COLOURS[colour], lw=2)
        for scale in (1.0, 2.0, 4.0):
            left.plot(*(softmax_forward(scale * row)[0] @ CORNERS), "o", color=COLOURS[colour], ms=5)
    _triangle(left, "logits times 0 … 6")
    probs = np.array([(i, j, 20 - i - j) for i in range(1, 20, 2) for j in range(1, 20 - i, 2)]) / 20
    moved = softmax_forward(np.log(probs) - 0.4 * (probs - np.eye(3)[label]))[0]
    ways = (moved - probs) @ CORNERS
    right.quiver(
        *(probs @ CORNERS).T, *ways.T, color=COLOURS["vermillion"], angles="xy", scale_units="xy", scale=1, width=0.008
    )
    _triangle(right, f"one step, label {label}")
    return figure


def _triangle(ax: Axes, title: str) -> None:
    ax.plot(*CORNERS[[0, 1, 2, 0]].T, color=COLOURS["grey"], lw=1.2)
    for name, (x, y), (dx, dy) in zip("012", CORNERS, ((-0.07, -0.05), (0.07, -0.05), (0, 0.07)), strict=True):
        ax.text(x + dx, y + dy, name, ha="center", va="center", fontsize=11)
    ax.set_title(title, fontsize=10)
    ax.set(xlim=(-0.15, 1.15), ylim=(-0.12, 1.0), aspect="equal")
    ax.axis("off")


def two_ways_figure() -> Figure:
    """Draw the loss of logits in three steps, and its gradient in two ways: step by step, and at once."""
    diagram = Diagram(6.0, 2.0)
    logits = diagram.value(0.55, 1.1, "logits", "(R, C)", width=0.8)
    softmax = diagram.op(2.1, 1.1, "softmax", "(4.1)", width=0.9)
    logarithm = diagram.op(3.85, 1.1, "−ln p", "at the label", width=1.05)
    loss = diagram.value(5.5, 1.1, "L", "()", width=0.6)
    diagram.flow(logits, softmax, gradient="(4.5)")
    diagram.flow(softmax, logarithm, "p", gradient="−1/p")
    diagram.flow(logarithm, loss, gradient="1/n")
    properties = {"arrowstyle": "-|>", "color": COLOURS["vermillion"], "lw": 1.4, "connectionstyle": "arc3,rad=-0.2"}
    diagram.ax.annotate("", (logits.x, 0.85), (loss.x, 0.85), arrowprops=properties)
    diagram.write(3.0, 0.2, "at once: (p − 1 at the label) / n", "vermillion")
    diagram.key()
    return diagram.figure

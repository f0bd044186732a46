"""Figures of notebook 08: who looks at whom, why scores are divided by √D, and the way back through the weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.ops import softmax_forward
from albert_np.plots import COLOURS, baseline, legend, matrix, new_figure, plain, titled

__all__ = ["backward_figure", "scale_figure", "weights_figure"]


def weights_figure(tokens: Sequence[str], scores: Any, probs: Any) -> Figure:
    """Draw one head's scores and weights (T, T): a row is the token that looks, a column the token looked at."""
    figure, (left, right) = new_figure(9, 4.1, 1, 2)
    matrix(left, scores, "scores: query · key / √D", signed=True, digits=1)
    matrix(right, probs, "weights: every row sums to 1")
    for ax in (left, right):
        ax.set_xticks(range(len(tokens)), tokens, fontsize=8, va="baseline")
        ax.tick_params(axis="x", pad=12)
        ax.set_yticks(range(len(tokens)), tokens, fontsize=9)
        ax.set(xlabel="is looked at (key)", ylabel="looks (query)")
    return figure


def scale_figure(widths: Sequence[int] = (16, 64, 256), positions: int = 64, rows: int = 200) -> Figure:
    """Draw the entropy of random weights against the scale, and the slope of softmax against D, scaled and not.

    Queries and keys have independent standard normal numbers; each point is a mean over `rows` rows of `positions`.
    """
    rng = np.random.default_rng(8)
    figure, (entropies, slopes) = new_figure(9.5, 3.4, 1, 2)
    scales = np.logspace(-3, 1, 60)
    for D, colour in zip(widths, ("green", "blue", "purple"), strict=True):
        products = _products(rng, rows, positions, D)
        curve = [_entropy(products * scale) for scale in scales]
        entropies.plot(scales, curve, color=COLOURS[colour], label=f"D = {D}")
        entropies.plot([D**-0.5], [_entropy(products * D**-0.5)], "o", color=COLOURS[colour])
    baseline(entropies, float(np.log(positions)), "all alike: ln T")
    entropies.set(xscale="log", xlabel="scale", ylim=(0, np.log(positions) + 0.5))
    titled(entropies, f"entropy of the weights, T = {positions}; dots: scale 1/√D")
    legend(entropies, fontsize=8, loc="lower left")

    powers = 2 ** np.arange(0, 11)
    products_of = {int(D): _products(rng, rows, positions, int(D)) for D in powers}
    for power, colour, label in ((-0.5, "blue", "scores divided by √D"), (0.0, "vermillion", "not divided")):
        curve = [_slope(products * D**power) for D, products in products_of.items()]
        slopes.plot(powers, curve, "o-", ms=4, color=COLOURS[colour], label=label)
    slopes.set(xscale="log", xlabel="D", ylim=(0, 1.05))
    slopes.set_xscale("log", base=2)
    slopes.set_xticks(powers[::2], [str(D) for D in powers[::2]])
    titled(slopes, "slope of the weights by their own scores, Σ p (1 - p)")
    legend(slopes, fontsize=8, loc="lower left")
    plain(entropies, slopes)
    return figure


def _products(rng: np.random.Generator, rows: int, positions: int, width: int) -> Any:
    query, key = rng.standard_normal((rows, 1, width)), rng.standard_normal((rows, positions, width))
    return (query * key).sum(axis=-1)  # (rows, positions)


def _entropy(scores: Any) -> float:
    probs = softmax_forward(scores)[0]
    return float(-(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=-1).mean())


def _slope(scores: Any) -> float:
    probs = softmax_forward(scores)[0]
    return float((probs * (1 - probs)).sum(axis=-1).mean())


def backward_figure(probs: Any, dprobs: Any, dscores: Any) -> Figure:
    """Draw weights, their gradient and the scores' gradient (T, S), with the sum of each row of the last."""
    figure, axes = new_figure(9.5, 3, 1, 3)
    matrix(axes[0], probs, "weights P")
    matrix(axes[1], dprobs, "their gradient, dcontext valueᵀ", signed=True)
    matrix(axes[2], dscores, "the scores' gradient, after softmax", signed=True)
    for ax in axes:
        ax.set(xlabel="key j", ylabel="query i")
    _row_sums(axes[2], dscores)
    return figure


def _row_sums(ax: Axes, values: Any) -> None:
    columns = values.shape[1]
    for i, total in enumerate(values.sum(axis=1)):
        ax.text(columns - 0.35, i, f"Σ = {abs(total):.2f}", va="center", fontsize=8, color=COLOURS["grey"])

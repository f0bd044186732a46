"""Figures of notebook 08: who looks at whom, why scores are divided by √D, and the way back through the weights."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.backend import Array, Floats
from albert_np.course.figures.diagrams import Diagram
from albert_np.ops import softmax_forward
from albert_np.plots import COLOURS, baseline, legend, matrix, new_figure, plain, titled

__all__ = ["backward_figure", "bias_figure", "head_figure", "scale_figure", "weights_figure"]


def head_figure() -> Figure:
    """Draw one head from x to the context, a shape in each box; beside each arrow the equation of notebook 08."""
    diagram = Diagram(6.0, 2.75)
    x = diagram.value(0.5, 1.3, "x", "(T, H)")
    query, key, value = (diagram.value(1.85, y, name, "(T, D)") for y, name in ((2.15, "Q"), (1.3, "K"), (0.45, "V")))
    scores, probs = (diagram.value(at, 1.725, name, "(T, T)") for at, name in ((3.15, "S"), (4.45, "P")))
    context = diagram.value(5.45, 0.45, "C", "(T, D)")
    for part, weight in ((query, "$W^Q$"), (key, "$W^K$"), (value, "$W^V$")):
        diagram.flow(x, part, weight)
    diagram.flow(query, scores, "8.1", "8.9")
    diagram.flow(key, scores, "", "8.10")
    diagram.flow(scores, probs, "8.2", "8.7")
    diagram.flow(probs, context, "8.3", "8.6")
    diagram.flow(value, context, "8.3", "8.5")
    diagram.write(3.15, 2.12, "Q Kᵀ / √D", "blue")
    diagram.write(4.45, 2.12, "softmax", "blue")
    diagram.write(5.45, 0.07, "P V", "blue")
    diagram.key()
    return diagram.figure


def bias_figure(biases: Floats, probs: Floats) -> Figure:
    """Draw the bias of each distance, (2T - 1), and the weights that it gives where nothing else enters, (T, T)."""
    figure, (bars, weights) = new_figure(6.0, 2.7, 1, 2, width_ratios=(1.25, 1))
    reach = len(biases) // 2
    bars.bar(range(-reach, reach + 1), biases, color=COLOURS["blue"])
    bars.set(xlabel="distance j - i", ylabel="bias", xticks=range(-reach, reach + 1, 2))
    titled(bars, "what was learned")
    plain(bars, grid="y")
    matrix(weights, probs, "the weights that it gives", digits=1)
    weights.set(xlabel="key j", ylabel="query i")
    return figure


def weights_figure(tokens: Sequence[str], scores: Floats, probs: Floats) -> Figure:
    """Draw one head's scores and weights (T, T): a row is the token that looks, a column the token looked at."""
    figure, (left, right) = new_figure(6.0, 3.5, 1, 2, sharey=True)
    matrix(left, scores, "scores", signed=True, digits=1)
    matrix(right, probs, "weights: a row sums to 1", digits=1)
    for ax in (left, right):
        ax.set_xticks(range(len(tokens)), tokens, fontsize=9, rotation=90)
        ax.set_yticks(range(len(tokens)), tokens, fontsize=9)
        ax.set(xlabel="is looked at (key)")
    left.set(ylabel="looks (query)")
    return figure


def scale_figure(widths: Sequence[int] = (16, 64, 256), positions: int = 64, rows: int = 200) -> Figure:
    """Draw the entropy of random weights against the scale, and the slope of softmax against D, scaled and not.

    Queries and keys have independent standard normal numbers; each point is a mean over `rows` rows of `positions`.
    """
    rng = np.random.default_rng(8)
    figure, (entropies, slopes) = new_figure(6.0, 5.4, 2, 1)
    scales = np.logspace(-3, 1, 60)
    for D, colour in zip(widths, ("green", "blue", "purple"), strict=True):
        products = _products(rng, rows, positions, D)
        curve = [_entropy(products * scale) for scale in scales]
        entropies.plot(scales, curve, color=COLOURS[colour], label=f"D = {D}")
        entropies.plot([D**-0.5], [_entropy(products * D**-0.5)], "o", color=COLOURS[colour])
    baseline(entropies, float(np.log(positions)), "all alike: ln T")
    entropies.set(xscale="log", xlabel="scale", ylim=(0, np.log(positions) + 0.5))
    titled(entropies, f"entropy of the weights, T = {positions}; dots: scale 1/√D")
    legend(entropies, loc="lower left")

    powers = 2 ** np.arange(0, 11)
    products_of = {int(D): _products(rng, rows, positions, int(D)) for D in powers}
    for power, colour, label in ((-0.5, "blue", "scores divided by √D"), (0.0, "vermillion", "not divided")):
        curve = [_slope(products * D**power) for D, products in products_of.items()]
        slopes.plot(powers, curve, "o-", ms=4, color=COLOURS[colour], label=label)
    slopes.set(xscale="log", xlabel="D", ylim=(0, 1.05))
    slopes.set_xscale("log", base=2)
    slopes.set_xticks(powers[::2], [str(D) for D in powers[::2]])
    titled(slopes, "slope of the weights by their own scores, Σ p (1 - p)")
    legend(slopes, loc="lower left")
    plain(entropies, slopes)
    return figure


def _products(rng: np.random.Generator, rows: int, positions: int, width: int) -> Array:
    query, key = rng.standard_normal((rows, 1, width)), rng.standard_normal((rows, positions, width))
    return (query * key).sum(axis=-1)  # (rows, positions)


def _entropy(scores: Floats) -> float:
    probs = softmax_forward(scores)[0]
    return float(-(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=-1).mean())


def _slope(scores: Floats) -> float:
    probs = softmax_forward(scores)[0]
    return float((probs * (1 - probs)).sum(axis=-1).mean())


def backward_figure(probs: Floats, dprobs: Floats, dscores: Floats) -> Figure:
    """Draw weights, their gradient, the product of the two and the scores' gradient (T, S), with the sums of rows."""
    figure, axes = new_figure(6.0, 5.6, 2, 2, sharex=True, sharey=True)
    for ax, values, title in (
        (axes[0, 0], probs, "weights P"),
        (axes[0, 1], dprobs, "their gradient P̄"),
        (axes[1, 0], probs * dprobs, "P̄ P; Σ: mean of the row"),
        (axes[1, 1], dscores, "P (P̄ - mean), for the scores"),
    ):
        matrix(ax, values, title, signed=values is not probs)
    for ax, values in ((axes[1, 0], probs * dprobs), (axes[1, 1], dscores)):
        _row_sums(ax, values)
    for ax in axes[:, 0]:
        ax.set(ylabel="query i")
    for ax in axes[1]:
        ax.set(xlabel="key j")
    return figure


def _row_sums(ax: Axes, values: Floats) -> None:
    columns = values.shape[1]
    for i, total in enumerate(values.sum(axis=1)):
        told = f"Σ {total:.2f}".replace("-0.00", "0.00")
        ax.text(columns - 0.4, i, told, va="center", fontsize=9)

"""Figures of attention with many heads: how a row is split, what each head looks at, and which keys learn."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from albert_np.backend import Floats
from albert_np.course.figures.diagrams import Diagram
from albert_np.plots import IN_TURN, arrow, new_figure, tile, titled, write_cells

__all__ = ["block_figure", "heads_figure", "key_gradients_figure", "split_figure"]


def block_figure() -> Figure:
    """Draw attention with many heads, from x to y, a shape in each box; beside the arrows equations of notebook 09."""
    diagram = Diagram(6.0, 3.05)
    x = diagram.value(0.5, 2.35, "x", "(B, T, H)", width=0.8)
    stacked = diagram.value(2.4, 2.35, "[Q K V]", "(B, T, 3H)", width=0.9)
    heads = diagram.value(4.75, 2.35, "Q, K, V of each head", "3 × (B, N, T, D)", width=1.6)
    scores = diagram.value(5.3, 1.2, "S", "(B, N, T, T)", width=0.95)
    mask = diagram.value(5.3, 0.3, "mask M", "(B, 1, 1, T)", colour="orange", width=0.95)
    probs = diagram.value(3.8, 1.2, "P", "(B, N, T, T)", width=0.95)
    context = diagram.value(2.3, 1.2, "C", "(B, N, T, D)", width=0.95)
    merged = diagram.value(0.5, 1.2, "merged", "(B, T, H)", width=0.8)
    y = diagram.value(0.5, 0.3, "y", "(B, T, H)", width=0.8)
    diagram.flow(x, stacked, "linear, 9.7", "9.8")
    diagram.flow(stacked, heads, "split", "merge")
    diagram.flow(heads, scores)
    diagram.flow(mask, scores, "+", None)
    diagram.flow(scores, probs, "9.3", "9.5")
    diagram.flow(probs, context)
    diagram.flow(heads, context)
    diagram.write(5.35, 1.8, "Q, K", "blue", ha="left")
    diagram.write(3.75, 1.68, "V", "blue")
    diagram.flow(context, merged, "merge", "split")
    diagram.flow(merged, y, "dense, 9.9")
    diagram.key()
    return diagram.figure


def split_figure(x: Floats, heads: int) -> Figure:
    """Draw x (T, H) with its columns in the colours of their heads, and the same numbers as heads tiles (T, D).

    x: whole numbers of at most two digits; heads: at most four.
    """
    T, H = x.shape
    D = H // heads
    side = 6.0 / (2 * H + heads * 1.2 + 4.3)  # of a tile, in inches
    figure, ax = new_figure(6.0, side * (T + 1.6))
    _tiles(ax, x, 0, [IN_TURN[column // D] for column in range(H)])
    ax.text(H / 2, -0.55, f"x: (T, H) = ({T}, {H})", ha="center", fontsize=10)
    arrow(ax, (H + 0.4, T / 2), (H + 2.6, T / 2), colour="blue")
    ax.text(H + 1.5, T / 2 - 0.25, "split", ha="center", fontsize=9)
    left = H + 3.0
    for n in range(heads):
        _tiles(ax, x[:, n * D : (n + 1) * D], left, [IN_TURN[n]] * D)
        ax.text(left + D / 2, -0.55, f"head {n}: ({T}, {D})", ha="center", fontsize=10)
        left += D + 1.2
    for t in range(T):
        ax.text(-0.3, t + 0.5, f"token {t}", ha="right", va="center", fontsize=9)
    ax.set(xlim=(-2.2, left - 0.9), ylim=(T + 0.2, -1.2), aspect="equal")
    ax.axis("off")
    return figure


def _tiles(ax: Axes, values: Floats, left: float, colours: Sequence[str]) -> None:
    for (t, column), value in np.ndenumerate(values):
        tile(ax, left + column, t, 1, 1, f"{value}", colours[column])


def heads_figure(probs: Floats, tokens: Sequence[str], titles: Sequence[str], rows: Sequence[str]) -> Figure:
    """Draw attention as small multiples: a column for each head, a row for each variant (with a mask, without, …).

    A cell whose probability is exactly zero is left empty. probs (variants, N, T, T); tokens: T labels; titles: of the
    heads; rows: of the variants.
    """
    variants, heads, T, _ = probs.shape
    size = (6.0, 1.6 * variants + 1.5)
    figure, axes = new_figure(*size, variants, heads, squeeze=False, sharex=True, sharey=True)
    figure.set_layout_engine("compressed")  # square panels keep close together
    for (i, n), ax in np.ndenumerate(axes):
        shown = np.ma.masked_equal(probs[i, n], 0)
        image = ax.imshow(shown, cmap="cividis", norm=PowerNorm(0.5, 0, 1))  # the root tells 1/8 from 0
        ax.set_xticks(range(T), tokens, rotation=90, fontsize=9)
        ax.set_yticks(range(T), tokens, fontsize=9)
        ax.tick_params(length=0)
        if i == 0:
            ax.set_title(titles[n], fontsize=9)
        if n == 0:
            ax.set_ylabel(f"{rows[i]}: query", fontsize=9)
        if i == variants - 1:
            ax.set_xlabel("key", fontsize=9)
    bar = figure.colorbar(image, ax=axes, label="probability; empty: exactly 0", location="bottom", aspect=40)
    bar.set_ticks([0, 0.02, 0.125, 0.5, 1], labels=["0", "0.02", "1/8", "0.5", "1"])
    return figure


def key_gradients_figure(gradients: Sequence[Floats], titles: Sequence[str], tokens: Sequence[str]) -> Figure:
    """Draw the length of each key's gradient in each head, a panel for each of `gradients`, (N, T) of at most 8×8."""
    panels = len(gradients)
    figure, axes = new_figure(6.0, panels * (0.36 * len(gradients[0]) + 0.35) + 0.6, panels, 1, sharex=True)
    for ax, values, title in zip(axes, gradients, titles, strict=True):
        image = ax.imshow(values, cmap="cividis", vmin=0, aspect="auto")
        titled(ax, title)
        ax.set_xticks(range(len(tokens)), tokens)
        ax.set_yticks(range(len(values)), [f"head {n}" for n in range(len(values))])
        ax.tick_params(length=0, labelsize=9)
        write_cells(ax, image, lambda value: "0" if value == 0 else f"{value:.2f}", 9)
    axes[-1].set_xlabel("key")
    return figure

"""Figures of attention with many heads: how a row is split, what each head looks at, and which keys learn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, IN_TURN, arrow, new_figure, tile, write_cells

__all__ = ["heads_figure", "key_gradients_figure", "split_figure"]


def split_figure(x: Any, heads: int) -> Figure:
    """Draw x (T, H) with its columns in the colours of their heads, and the same numbers as heads tiles (T, D).

    x: whole numbers of at most two digits; heads: at most four.
    """
    T, H = x.shape
    D = H // heads
    figure, ax = new_figure(0.42 * (2 * H + 4), 0.42 * (T + 1.5))
    _tiles(ax, x, 0, [IN_TURN[column // D] for column in range(H)])
    ax.text(H / 2, -0.55, f"x: (T, H) = ({T}, {H})", ha="center", fontsize=10)
    arrow(ax, (H + 0.4, T / 2), (H + 2.6, T / 2), color="black")
    ax.text(H + 1.5, T / 2 - 0.25, "split", ha="center", fontsize=9)
    left = H + 3.0
    for n in range(heads):
        _tiles(ax, x[:, n * D : (n + 1) * D], left, [IN_TURN[n]] * D)
        ax.text(left + D / 2, -0.55, f"head {n}: ({T}, {D})", ha="center", fontsize=10, color=COLOURS[IN_TURN[n]])
        left += D + 1.2
    for t in range(T):
        ax.text(-0.3, t + 0.5, f"token {t}", ha="right", va="center", fontsize=9)
    ax.set(xlim=(-2.2, left - 0.9), ylim=(T + 0.2, -1.2), aspect="equal")
    ax.axis("off")
    return figure


def _tiles(ax: Axes, values: Any, left: float, colours: Sequence[str]) -> None:
    for (t, column), value in np.ndenumerate(values):
        tile(ax, left + column, t, 1, 1, f"{value}", colours[column])


def heads_figure(probs: Any, tokens: Sequence[str], titles: Sequence[str], rows: Sequence[str]) -> Figure:
    """Draw attention as small multiples: a column for each head, a row for each variant (with a mask, without, …).

    Where a probability is exactly zero, a small 0 is written. probs (variants, N, T, T); tokens: T labels; titles: of
    the heads; rows: of the variants.
    """
    variants, heads, T, _ = probs.shape
    size = (2.15 * heads + 1.4, 2.2 * variants + 0.5)
    figure, axes = new_figure(*size, variants, heads, squeeze=False, sharex=True, sharey=True)
    for (i, n), ax in np.ndenumerate(axes):
        image = ax.imshow(probs[i, n], cmap="cividis", vmin=0, vmax=1)
        ax.set_xticks(range(T), tokens, rotation=90)
        ax.set_yticks(range(T), tokens)
        ax.tick_params(length=0, labelsize=8)
        write_cells(ax, image, lambda prob: "0" if prob == 0 else "", 7)
        if i == 0:
            ax.set_title(titles[n], fontsize=9)
        if n == 0:
            ax.set_ylabel(f"{rows[i]}\nquery", fontsize=9)
        if i == variants - 1:
            ax.set_xlabel("key", fontsize=9)
    figure.colorbar(image, ax=axes, label="attention probability", shrink=0.8)
    return figure


def key_gradients_figure(gradients: Sequence[Any], titles: Sequence[str], tokens: Sequence[str]) -> Figure:
    """Draw the length of each key's gradient in each head, a panel for each of `gradients`, (N, T) of at most 8×8."""
    figure, axes = new_figure(4.3 * len(gradients), 0.47 * len(gradients[0]) + 0.95, 1, len(gradients))
    for ax, values, title in zip(axes, gradients, titles, strict=True):
        image = ax.imshow(values, cmap="cividis", vmin=0)
        ax.set_title(title, fontsize=10)
        ax.set_xticks(range(len(tokens)), tokens, rotation=90)
        ax.set_yticks(range(len(values)), [f"head {n}" for n in range(len(values))])
        ax.tick_params(length=0, labelsize=8)
        write_cells(ax, image, lambda value: "0" if value == 0 else f"{value:.2f}")
    return figure

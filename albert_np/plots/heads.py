"""Figures of attention with many heads: how a row is split, what each head looks at, and which keys learn."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from albert_np.plots import COLOURS

__all__ = ["heads_figure", "key_gradients_figure", "split_figure"]

_IN_TURN = ("blue", "orange", "green", "purple")


def split_figure(x: Any, heads: int) -> Figure:
    """Draw x (T, H) with its columns in the colours of their heads, and the same numbers as heads tiles (T, D).

    x: whole numbers of at most two digits; heads: at most four.
    """
    T, H = x.shape
    D = H // heads
    figure = Figure(figsize=(0.42 * (2 * H + 4), 0.42 * (T + 1.5)), layout="constrained")
    ax = figure.subplots()
    _tile(ax, x, 0, [_IN_TURN[column // D] for column in range(H)])
    ax.text(H / 2, -0.55, f"x: (T, H) = ({T}, {H})", ha="center", fontsize=10)
    ax.annotate("", (H + 2.6, T / 2), (H + 0.4, T / 2), arrowprops={"arrowstyle": "->", "lw": 1.5, "color": "black"})
    ax.text(H + 1.5, T / 2 - 0.25, "split", ha="center", fontsize=9)
    left = H + 3.0
    for n in range(heads):
        _tile(ax, x[:, n * D : (n + 1) * D], left, [_IN_TURN[n]] * D)
        ax.text(left + D / 2, -0.55, f"head {n}: ({T}, {D})", ha="center", fontsize=10, color=COLOURS[_IN_TURN[n]])
        left += D + 1.2
    for t in range(T):
        ax.text(-0.3, t + 0.5, f"token {t}", ha="right", va="center", fontsize=9)
    ax.set(xlim=(-2.2, left - 0.9), ylim=(T + 0.2, -1.2), aspect="equal")
    ax.axis("off")
    return figure


def _tile(ax: Axes, values: Any, left: float, colours: Sequence[str]) -> None:
    for (t, column), value in [((t, c), values[t, c]) for t in range(values.shape[0]) for c in range(values.shape[1])]:
        colour = COLOURS[colours[column]]
        ax.add_patch(Rectangle((left + column, t), 1, 1, fc=colour + "33", ec=colour, lw=1))
        ax.text(left + column + 0.5, t + 0.5, f"{value}", ha="center", va="center", fontsize=9)


def heads_figure(probs: Any, tokens: Sequence[str], titles: Sequence[str], rows: Sequence[str]) -> Figure:
    """Draw attention as small multiples: a column for each head, a row for each variant (with a mask, without, …).

    Where a probability is exactly zero, a small 0 is written. probs (variants, N, T, T); tokens: T labels; titles: of
    the heads; rows: of the variants.
    """
    variants, heads, T, _ = probs.shape
    figure = Figure(figsize=(2.15 * heads + 1.4, 2.2 * variants + 0.5), layout="constrained")
    axes = figure.subplots(variants, heads, squeeze=False, sharex=True, sharey=True)
    for (i, n), ax in [((i, n), axes[i, n]) for i in range(variants) for n in range(heads)]:
        image = ax.imshow(probs[i, n], cmap="cividis", vmin=0, vmax=1)
        ax.set_xticks(range(T), tokens, rotation=90)
        ax.set_yticks(range(T), tokens)
        ax.tick_params(length=0, labelsize=8)
        for query, key in zip(*(probs[i, n] == 0).nonzero(), strict=True):
            ax.text(key, query, "0", ha="center", va="center", fontsize=7, color="white")
        if i == 0:
            ax.set_title(titles[n], fontsize=9)
        if n == 0:
            ax.set_ylabel(f"{rows[i]}\nquery", fontsize=9)
        if i == variants - 1:
            ax.set_xlabel("key", fontsize=9)
    figure.colorbar(image, ax=axes, label="attention probability", shrink=0.8)
    return figure


def key_gradients_figure(gradients: Sequence[Any], titles: Sequence[str], tokens: Sequence[str]) -> Figure:
    """Draw the length of each key's gradient in each head, a panel for each of `gradients`, (N, S) of at most 8×8."""
    figure = Figure(figsize=(4.3 * len(gradients), 0.47 * len(gradients[0]) + 0.95), layout="constrained")
    for ax, values, title in zip(figure.subplots(1, len(gradients)), gradients, titles, strict=True):
        image = ax.imshow(values, cmap="cividis", vmin=0)
        ax.set_title(title, fontsize=10)
        ax.set_xticks(range(len(tokens)), tokens, rotation=90)
        ax.set_yticks(range(len(values)), [f"head {n}" for n in range(len(values))])
        ax.tick_params(length=0, labelsize=8)
        for (n, s), value in [((n, s), values[n, s]) for n in range(values.shape[0]) for s in range(values.shape[1])]:
            colour = "white" if value < 0.5 * image.norm.vmax else "black"
            ax.text(s, n, "0" if value == 0 else f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour)
    return figure

"""Figures of notebook 12: the two paths into the tied matrix, and what each head sends back to the encoder."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from albert_np.ops import IGNORE_INDEX
from albert_np.plots import COLOURS, ink, legend, matrix, new_figure, plain, sign_before, titled

__all__ = ["arriving_figure", "row_lengths_figure", "two_paths_figure"]


def two_paths_figure(lookup: Any, decoder: Any, pieces: Sequence[str]) -> Figure:
    """Draw lookup + decoder = sum, (V, E) each of at most 8×8, with the pieces' names beside the rows."""
    panels = (lookup, decoder, lookup + decoder)
    names = ("through the lookup", "through the decoder", "gradient of the tied matrix")
    figure, axes = new_figure(8.4, 3.6, 1, 3)
    for ax, panel, name in zip(axes, panels, names, strict=True):
        matrix(ax, panel, name, signed=True)
        ax.set_yticks(range(len(pieces)), pieces)
        ax.set_xlabel("e")
    sign_before(axes[1], "+")
    sign_before(axes[2], "=")
    return figure


def row_lengths_figure(lookup: Any, decoder: Any, ids: Any, labels: Any) -> Figure:
    """Draw the length of each row of the two contributions, (V, E) each; ids looked up and labels asked for."""
    rows = np.arange(len(lookup))
    figure, (above, below) = new_figure(10, 4, 2, 1, sharex=True, sharey=True)
    for ax, part, title, marked, name in (
        (above, lookup, "through the lookup: only ids that stand in the input", np.unique(ids), "stands in the input"),
        (below, decoder, "through the decoder: every row, labels most of all", np.unique(labels), "is a label"),
    ):
        lengths = np.linalg.norm(part, axis=1)
        special = np.isin(rows, marked)
        ax.bar(rows[~special], lengths[~special], color=COLOURS["grey"], label="is not")
        ax.bar(rows[special], lengths[special], color=COLOURS["blue" if ax is above else "vermillion"], label=name)
        titled(ax, title)
        ax.set_ylabel("length of the row", fontsize=9)
        handles, names = ax.get_legend_handles_labels()
        legend(ax, handles[1:], names[1:], loc="upper right")
    plain(above, below, grid=None)
    below.set_xlabel("row of the tied matrix (id)")
    below.set_xlim(-1, len(rows))
    return figure


def arriving_figure(from_mlm: Any, from_sop: Any, labels: Any) -> Figure:
    """Draw the length of the gradient that each head sends to each position; (B, T, H) both, labels (B, T)."""
    lengths = [np.linalg.norm(gradient, axis=-1) for gradient in (from_mlm, from_sop)]
    B, T = labels.shape
    figure, axes = new_figure(8.5, 0.9 * B + 1, 2, 1, sharex=True)
    titles = ("from the MLM head (?: a word is asked for)", "from the SOP head")
    for ax, length, title in zip(axes, lengths, titles, strict=True):
        image = ax.imshow(length, cmap="cividis", vmin=0, vmax=max(length.max() for length in lengths))
        ax.set_xticks(range(T), ["[CLS]", *map(str, range(1, T))], fontsize=8)
        ax.set_yticks(range(B), [f"sequence {b}" for b in range(B)], fontsize=8)
        ax.tick_params(length=0)
        titled(ax, title)
    for b, t in np.argwhere(labels != IGNORE_INDEX):
        colour = ink(image.cmap(image.norm(lengths[0][b, t])))
        axes[0].text(t, b, "?", ha="center", va="center", color=colour, weight="bold")
    axes[1].set_xlabel("position")
    figure.colorbar(image, ax=axes, label="length of the gradient", shrink=0.8)
    return figure

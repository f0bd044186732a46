"""Figures of notebook 12: the way through both heads, the tied matrix, and what each head sends back to the encoder."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from albert_np.backend import Floats, Ints
from albert_np.course.figures.diagrams import Diagram
from albert_np.ops import IGNORE_INDEX
from albert_np.plots import COLOURS, ink, legend, matrix, new_figure, plain, titled

__all__ = ["arriving_figure", "row_lengths_figure", "tied_figure", "two_paths_figure"]


def tied_figure() -> Figure:
    """Draw ALBERT from ids to both losses, with the one matrix that is used at its two ends."""
    diagram = Diagram(6.0, 3.45)
    ids = diagram.value(0.5, 0.35, "ids", "(B, T)")
    lookup = diagram.op(1.75, 0.35, "lookup", "rows of W", width=0.9)
    encoder = diagram.op(3.25, 0.35, "encoder", "E → H, L steps", width=1.15)
    h = diagram.value(4.75, 0.35, "h", "(B, T, H)", width=0.8)
    words = diagram.value(1.75, 2.85, "W", "(V, E)", colour="orange", width=0.9)
    mlm = diagram.op(3.6, 1.6, "MLM head", "R rows → n (R, E)", width=1.45)
    decoder = diagram.op(3.6, 2.85, "decoder", "z = n Wᵀ + b", width=1.15)
    sop = diagram.op(5.3, 1.6, "SOP head", "[CLS] → (B, 2)", width=1.2)
    word_loss = diagram.value(5.3, 2.85, "MLM loss", width=0.9)
    order_loss = diagram.value(5.3, 2.3, "SOP loss", width=0.9)
    diagram.flow(ids, lookup, gradient=None)
    diagram.flow(lookup, encoder, "e", "ē")
    diagram.flow(encoder, h)
    diagram.flow(h, mlm)
    diagram.flow(h, sop)
    diagram.flow(sop, order_loss)
    diagram.flow(mlm, decoder, "n", "n̄")
    diagram.flow(decoder, word_loss, "z", "z̄")
    diagram.flow(words, decoder, "W", "z̄ᵀ n")
    diagram.flow(words, lookup, "", "scatter-add of ē")
    diagram.key()
    return diagram.figure


def two_paths_figure(lookup: Floats, decoder: Floats, pieces: Sequence[str]) -> Figure:
    """Draw lookup + decoder = sum, (V, E) each of at most 8×8, with the pieces' names beside the rows."""
    panels = (lookup, decoder, lookup + decoder)
    names = ("through the lookup", "+ through the decoder", "= both")
    figure, axes = new_figure(6.0, 3.6, 1, 3, sharey=True)
    for ax, panel, name in zip(axes, panels, names, strict=True):
        matrix(ax, panel, name, signed=True)
        ax.set_xlabel("e")
    axes[0].set_yticks(range(len(pieces)), pieces, fontsize=9)
    return figure


def row_lengths_figure(lookup: Floats, decoder: Floats, ids: Ints, labels: Ints) -> Figure:
    """Draw the length of each row of the two contributions, (V, E) each; ids looked up and labels asked for."""
    rows = np.arange(len(lookup))
    figure, (above, below) = new_figure(6.0, 4.4, 2, 1, sharex=True, sharey=True)
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


def arriving_figure(from_mlm: Floats, from_sop: Floats, labels: Ints) -> Figure:
    """Draw the length of the gradient that each head sends to each position; (B, T, H) both, labels (B, T)."""
    lengths = [np.linalg.norm(gradient, axis=-1) for gradient in (from_mlm, from_sop)]
    B, T = labels.shape
    figure, axes = new_figure(6.0, 0.55 * B + 0.9, 2, 1, sharex=True)
    titles = ("from the MLM head (?: a word is asked for)", "from the SOP head")
    for ax, length, title in zip(axes, lengths, titles, strict=True):
        image = ax.imshow(length, cmap="cividis", vmin=0, vmax=max(length.max() for length in lengths))
        ax.set_xticks(range(T), ["[CLS]", *map(str, range(1, T))], fontsize=9)
        ax.set_yticks(range(B), [f"sequence {b}" for b in range(B)], fontsize=9)
        ax.tick_params(length=0)
        titled(ax, title)
    for b, t in np.argwhere(labels != IGNORE_INDEX):
        colour = ink(image.cmap(image.norm(lengths[0][b, t])))
        axes[0].text(t, b, "?", ha="center", va="center", color=colour, weight="bold")
    axes[1].set_xlabel("position")
    figure.colorbar(image, ax=axes, label="length of the gradient", shrink=0.8)
    return figure

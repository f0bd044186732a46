"""Figures of texts in pieces: segmentations, the lattice that they are chosen from, and rows with special tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, DARK, IN_TURN, INK, legend, new_figure, plain, tile, titled
from albert_np.tokenization import Edge

__all__ = ["lattice_figure", "pair_figure", "segmentations_figure", "sizes_figure"]

_PATHS = ("blue", "vermillion")


def segmentations_figure(rows: Mapping[str, Sequence[str]]) -> Figure:
    """Draw one text cut in several ways, title → pieces: equal characters stand below each other."""
    width = max(sum(map(len, pieces)) for pieces in rows.values())
    figure, ax = new_figure(6.0, 0.75 * len(rows))
    for y, (title, pieces) in enumerate(rows.items()):
        ax.text(0, y - 0.36, title, fontsize=9, va="bottom")
        _strip(ax, y, pieces, [IN_TURN[i % 4] for i in range(len(pieces))])
    ax.set(xlim=(0, width), ylim=(len(rows) - 0.45, -0.75))
    ax.axis("off")
    return figure


def pair_figure(tokens: Sequence[str], token_type_ids: Sequence[int], special: Sequence[int]) -> Figure:
    """Draw a row of tokens in the colours of their type, special tokens with a frame, and both numbers below."""
    width = sum(map(len, tokens))
    figure, ax = new_figure(6.0, 1.4)
    edges = _strip(ax, 0, tokens, [("blue", "orange")[t] for t in token_type_ids], special)
    for y, (name, values) in enumerate({"type": token_type_ids, "special": special}.items(), start=1):
        ax.text(-0.5, 0.15 + 0.45 * y, name, ha="right", va="center", fontsize=9)
        for left, token, value in zip(edges, tokens, values, strict=True):
            ax.text(left + len(token) / 2, 0.15 + 0.45 * y, str(value), ha="center", va="center", fontsize=9)
    ax.set(xlim=(-8.5, width + 0.5), ylim=(1.35, -0.4))
    ax.axis("off")
    return figure


def _strip(
    ax: Axes, y: float, pieces: Sequence[str], colours: Sequence[str], framed: Sequence[int] | None = None
) -> list[float]:
    """Draw pieces side by side, one unit a character; return where each begins."""
    starts = [0.0, *np.cumsum([len(piece) for piece in pieces]).tolist()][:-1]
    for i, (left, piece, colour) in enumerate(zip(starts, pieces, colours, strict=True)):
        edge = "black" if framed is not None and framed[i] else COLOURS[colour]
        tile(ax, left + 0.08, y - 0.25, len(piece) - 0.16, 0.5, "", colour, edge=edge)
        for k, character in enumerate(piece):
            font: dict[str, Any] = {"fontsize": 9, "family": "DejaVu Sans Mono", "color": DARK}
            ax.text(left + k + 0.5, y, character, ha="center", va="center", **font)
    return starts


def lattice_figure(
    text: str,
    edges: Sequence[Edge],
    best: Sequence[Edge],
    other: Sequence[Edge] = (),
    scores: Sequence[float] = (),
    names: Sequence[str] = ("the best path", "another path"),
) -> Figure:
    """Draw a lattice: places between characters, an arc for every piece that fits, two paths marked.

    edges: all candidates (`tokenization.Edge`). best: those of the best path, drawn strongly, above. other:
    those of a path to compare with, drawn below. scores: best score up to each place, written under it. names: of the
    two paths.
    """
    below = 1.9 if other else 1.0
    longest = max(edge.end - edge.start for edge in edges)
    height = 0.6 * longest + 1.1
    figure, ax = new_figure(6.0, 0.7 * (height + below))
    for edge in edges:
        chosen = edge in best
        _arc(ax, edge, 0.6 * (edge.end - edge.start), _PATHS[0] if chosen else "grey", 2.6 if chosen else 1.0)
    for edge in other:
        _arc(ax, edge, -0.45, _PATHS[1], 1.8)
    for place in range(len(text) + 1):
        ax.plot(place, 0, "o", ms=8, color=INK, zorder=3)
        if len(scores):
            y = -0.95 if other else -0.35
            ax.text(place, y, f"{scores[place]:g}", ha="center", va="top", fontsize=9, color=COLOURS["blue"])
    if len(scores):
        note = "the numbers: α, the best score of any path up to this place"
        ax.text(0, -below + 0.08, note, fontsize=9, color=COLOURS["blue"], va="bottom")
    for name, path, y, colour in zip(names, (best, other), (height - 0.15, height - 0.5), _PATHS, strict=True):
        if path:
            ax.text(-0.3, y, name, fontsize=10, color=COLOURS[colour], va="top", weight="bold")
    ax.set(xlim=(-0.4, len(text) + 0.4), ylim=(-below, height))
    ax.axis("off")
    return figure


def _arc(ax: Axes, edge: Edge, height: float, colour: str, width: float) -> None:
    angle = np.linspace(0, np.pi, 60)
    middle, radius = (edge.start + edge.end) / 2, (edge.end - edge.start) / 2
    ax.plot(middle - radius * np.cos(angle), height * np.sin(angle), color=COLOURS[colour], lw=width, zorder=1)
    label = f"{edge.piece}  {edge.score:g}" if edge.end - edge.start > 1 else f"{edge.piece} {edge.score:g}"
    side = "bottom" if height > 0 else "top"
    ax.text(middle, height + 0.05 * np.sign(height), label, ha="center", va=side, fontsize=9, color=COLOURS[colour])


def sizes_figure(sizes: Sequence[int], lengths: Sequence[float], H: int, E: int) -> Figure:
    """Draw what V pieces buy and cost: pieces per sentence, and the numbers of the table of embeddings."""
    figure, (buys, costs) = new_figure(6, 5, 2, 1)
    buys.plot(sizes, lengths, "o-", color=COLOURS["blue"])
    buys.set(ylim=(0, None), ylabel="pieces")
    titled(buys, "pieces per sentence")
    for numbers, colour, label in (
        ([V * H / 1e6 for V in sizes], "vermillion", f"V × H, H = {H}"),
        ([(V * E + E * H) / 1e6 for V in sizes], "green", f"V × E + E × H, E = {E}"),
    ):
        costs.plot(sizes, numbers, "o-", color=COLOURS[colour], label=label)
    costs.set(ylim=(0, None), ylabel="millions of numbers", xlabel="pieces in the vocabulary, V")
    titled(costs, "numbers in the embedding")
    legend(costs)
    plain(buys, costs)
    return figure

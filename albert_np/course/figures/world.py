"""Figures of notebook 16: where the heads of a model of the toy world look, and what each is needed for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.plots import new_figure, titled, write_cells

__all__ = ["looks_figure", "needs_figure"]


def looks_figure(words: Sequence[str], weights: Mapping[str, Any]) -> Figure:
    """Draw where one token looks: a panel for each model, a row for each step and head, a column for each word.

    weights: name → (steps, heads, T) attention of that token.
    """
    first = next(iter(weights.values()))
    figure, axes = new_figure(11, 1.1 + 2.4 * len(weights), len(weights), 1, squeeze=False, sharex=True)
    labels = [f"step {step + 1}, head {head}" for step in range(first.shape[0]) for head in range(first.shape[1])]
    for ax, (name, values) in zip(axes[:, 0], weights.items(), strict=True):
        _shares(ax, values.reshape(len(labels), -1), words, labels, least=0.15)
        titled(ax, name)
    return figure


def needs_figure(skills: Sequence[str], left: Mapping[str, Sequence[float]]) -> Figure:
    """Draw what is left of each skill (shares of 1) when heads are taken away: a row for each choice of heads."""
    figure, ax = new_figure(8, 1.3 + 0.42 * len(left))
    _shares(ax, np.array(list(left.values())), skills, list(left), least=0.0)
    titled(ax, "share of stories that are answered rightly")
    return figure


def _shares(ax: Axes, values: Any, columns: Sequence[str], rows: Sequence[str], least: float) -> None:
    """Draw shares of 1 as a matrix, and write those of at least `least` into it."""
    image = ax.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    write_cells(ax, image, lambda share: f"{share:.2f}" if share >= least else "", size=7)
    ax.set_yticks(range(len(rows)), rows, fontsize=8)
    ax.set_xticks(range(len(columns)), columns, rotation=35, ha="right", fontsize=8)
    ax.tick_params(length=0)

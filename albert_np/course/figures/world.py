"""Figures of notebook 16: where the heads of a model of the toy world look, and what each is needed for."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.backend import Floats
from albert_np.plots import INK, new_figure, titled, write_cells

__all__ = ["looks_figure", "needs_figure"]


def looks_figure(words: Sequence[str], weights: Mapping[str, Floats]) -> Figure:
    """Draw where one token looks, in hundredths: a matrix for each model, a row for each word, a column for each head.

    weights: name → (steps, heads, T) attention of that token.
    """
    steps, heads, _ = next(iter(weights.values())).shape
    figure, axes = new_figure(6, 0.9 + 0.21 * len(words), 1, len(weights), squeeze=False, sharey=True)
    numbers = [(step, head) for step in range(steps) for head in range(heads)]
    labels = [f"{head}\nstep {step + 1}" if head == 0 else str(head) for step, head in numbers]
    for ax, (name, values) in zip(axes[0], weights.items(), strict=True):
        _shares(ax, values.reshape(steps * heads, -1).T, labels, words, least=0.1)
        for step in range(1, steps):
            ax.axvline(step * heads - 0.5, color=INK, lw=3)
        titled(ax, name)
        ax.set_xlabel("head")
    return figure


def needs_figure(skills: Sequence[str], left: Mapping[str, Sequence[float]]) -> Figure:
    """Draw what is left of each skill (hundredths) when heads are taken away: a row for each choice of heads."""
    figure, ax = new_figure(6, 1.5 + 0.3 * len(left))
    _shares(ax, np.array(list(left.values())), [fill(skill, 14) for skill in skills], list(left), least=0.0)
    titled(ax, "answered rightly, %")
    return figure


def _shares(ax: Axes, values: Floats, columns: Sequence[str], rows: Sequence[str], least: float) -> None:
    """Draw shares of 1 as a matrix, and write those of at least `least` into it, in hundredths."""
    image = ax.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    write_cells(ax, image, lambda share: f"{100 * share:.0f}" if share >= least else "", size=9)
    ax.set_yticks(range(len(rows)), rows, fontsize=9)
    ax.set_xticks(range(len(columns)), columns, fontsize=9)
    ax.tick_params(length=0)

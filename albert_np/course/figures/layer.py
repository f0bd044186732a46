"""Figures of one encoder layer and of many: which way data and gradients go, and how much of a gradient arrives."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator

from albert_np.plots import COLOURS, arrow, box, legend, new_figure, plain, titled

__all__ = ["flow_figure", "layer_figure"]

_FORWARD, _BACKWARD = COLOURS["blue"], COLOURS["vermillion"]
_GAP = 0.16  # of the two lanes from the middle


def layer_figure(shape: str, norms: Mapping[str, float] | None = None) -> Figure:
    """Draw a layer: data to the right (blue), gradients to the left (vermillion), with their names.

    shape: of every array on an arrow, as text. norms: length of each gradient by its name (dy, ds, branch F, dh, da,
    branch A, dx), written beside it.
    """
    norms = norms or {}
    figure, ax = new_figure(12, 2.75)
    ax.set(xlim=(-0.3, 18.6), ylim=(0.95, 5.1), aspect="equal")
    ax.axis("off")
    _half(ax, 0.0, ("x", "A", "a"), "attention", "Q, K, V → heads → dense", norms)
    _half(ax, 8.8, ("h", "F", "s"), "feed-forward", "linear → GELU → linear", norms)
    _lanes(ax, 0.0, 0.85)
    _lanes(ax, 7.75, 9.65)
    _lanes(ax, 16.55, 18.4)
    _label(ax, 17.5, "y", _named("dy", norms))
    ax.text(-0.3, 4.75, "data →", fontsize=10, color=_FORWARD)
    ax.text(1.4, 4.75, "← gradient" + (", and its length" if norms else ""), fontsize=10, color=_BACKWARD)
    ax.text(18.4, 4.75, f"every arrow: {shape}", ha="right", fontsize=9)
    return figure


def _half(
    ax: Axes, left: float, names: tuple[str, str, str], title: str, inside: str, norms: Mapping[str, float]
) -> None:
    """Draw one half of a layer: LayerNorm(value + branch(value)), with the names of value, branch and sum."""
    value, branch, total = names
    box(ax, left + 2.4, 2.0, (2.3, 1.0), title, inside, "sky")
    box(ax, left + 6.7, 2.0, (1.0, 1.0), "Layer\nNorm", "", "green")
    ax.add_patch(Circle((left + 0.95, 2.0), 0.1, color="black", zorder=3))
    ax.add_patch(Circle((left + 5.65, 2.0), 0.28, fc="white", ec="black", lw=1.5, zorder=3))
    ax.text(left + 5.65, 2.0, "+", ha="center", va="center", fontsize=13, zorder=4)
    for start, end in ((1.05, 2.3), (4.75, 5.37), (5.93, 6.6)):
        _lanes(ax, left + start, left + end)
    _skip(ax, left + 0.95, left + 5.65, f"{value}, unchanged", _named(f"d{total}", norms))
    _label(ax, left + 0.35, value, _named(f"d{value}", norms))
    _label(ax, left + 1.68, "", _named(f"branch {branch}", norms))
    _label(ax, left + 6.27, total, _named(f"d{total}", norms))


def _named(name: str, norms: Mapping[str, float]) -> str:
    return f"{name}\n{norms[name]:.2f}" if name in norms else name


def _label(ax: Axes, x: float, above: str, below: str) -> None:
    ax.text(x, 2.3, above, ha="center", va="bottom", fontsize=10, color=_FORWARD)
    ax.text(x, 1.7, below, ha="center", va="top", fontsize=9, color=_BACKWARD)


def _lanes(ax: Axes, left: float, right: float) -> None:
    for start, end, y, colour in ((left, right, 2 + _GAP, _FORWARD), (right, left, 2 - _GAP, _BACKWARD)):
        arrow(ax, (start, y), (end, y), color=colour, shrinkA=0)


def _skip(ax: Axes, left: float, right: float, above: str, below: str) -> None:
    """Draw the way around a branch: up, across, down; the gradient's way inside, in the other direction."""
    for way, top, colour in (((left, right), 3.9, _FORWARD), ((right, left), 3.55, _BACKWARD)):
        inset = 0 if colour == _FORWARD else (0.25 if way[0] < way[1] else -0.25)
        xs = [way[0] + inset, way[0] + inset, way[1] - inset, way[1] - inset]
        ax.plot(xs[:3], [2.35, top, top], color=colour, lw=1.5)
        arrow(ax, (xs[2], top), (xs[3], 2.33), color=colour)
    ax.text((left + right) / 2, 3.98, above, ha="center", va="bottom", fontsize=9, color=_FORWARD)
    ax.text((left + right) / 2, 3.45, below, ha="center", va="top", fontsize=9, color=_BACKWARD)


def flow_figure(curves: Mapping[str, Sequence[float]], floor: float = 1e-16) -> Figure:
    """Draw how long the gradient is at each layer, relative to where it entered; below `floor` nothing is drawn.

    curves: label → lengths from the last layer's output down to the first layer's input, at most four curves.
    """
    figure, ax = new_figure(9, 3.6)
    for (label, norms), colour in zip(curves.items(), ("blue", "orange", "vermillion", "purple"), strict=False):
        layer = np.arange(len(norms))[::-1]
        relative = np.asarray(norms) / norms[0]
        shown = relative >= floor
        ax.plot(layer[shown], relative[shown], color=COLOURS[colour], lw=2, marker="o", ms=3.5, label=label)
    ax.set_yscale("log")
    ax.invert_xaxis()
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 4, 5, 10]))
    ax.set_ylim(bottom=floor)
    ax.set_xlabel("after layer … (the gradient enters after the last one, at the left, and travels to the input, 0)")
    titled(ax, "length of the gradient, relative to where it entered")
    plain(ax)
    legend(ax, fontsize=10, loc="center")
    return figure

"""Figures of one encoder layer and of many: which way data and gradients go, and how much of a gradient arrives."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from albert_np.course.figures.diagrams import Diagram, Part
from albert_np.plots import COLOURS, legend, new_figure, plain, titled

__all__ = ["flow_figure", "layer_figure"]


def layer_figure(shape: str, norms: Mapping[str, float] | None = None, pre: bool = False) -> Figure:
    """Draw a layer, its two halves below each other: data to the right (blue), gradients to the left (vermillion).

    shape: of every array on an arrow, as text. norms: length of each gradient by its name (dy, ds, branch F, dh, da,
    branch A, dx), written beside it. pre: whether LayerNorm stands at the beginning of each branch, rather than after
    the sum.
    """
    norms = norms or {}
    diagram = Diagram(6.0, 3.8)
    _half(diagram, 2.45, ("x", "A", "a"), "attention", "heads, dense", norms, pre)
    _half(diagram, 0.7, ("h", "F", "s"), "feed-forward", "linear, GELU, linear", norms, pre)
    diagram.write(5.72, 2.45, "h", "blue", size=10)
    diagram.write(5.72, 0.7, "y", "blue", size=10)
    if not pre:
        diagram.write(5.2, 2.45 - 0.2, _named("dh", norms), "vermillion", va="top")
        diagram.write(5.2, 0.7 - 0.2, _named("dy", norms), "vermillion", va="top")
    diagram.key()
    diagram.write(5.9, 3.66, f"every arrow: {shape}", ha="right")
    return diagram.figure


def _half(
    diagram: Diagram,
    y: float,
    names: tuple[str, str, str],
    title: str,
    inside: str,
    norms: Mapping[str, float],
    pre: bool,
) -> None:
    """Draw one half of a layer: LayerNorm(value + branch(value)), or value + branch(LayerNorm(value))."""
    value, branch, total = names
    diagram.write(0.15, y, value, "blue", size=10)
    start, end = Part(0.25, y, 0.1, 0.1), Part(5.6, y, 0.1, 0.1)
    dot, plus = diagram.dot(0.78, y), diagram.plus(4.55 if pre else 3.45, y)
    op = diagram.op(3.2 if pre else 2.1, y, title, inside, width=1.45)
    norm = diagram.op(1.7 if pre else 4.4, y, "Layer", "Norm", colour="orange", width=0.7)
    way = [start, dot, norm, op, plus, end] if pre else [start, dot, op, plus, norm, end]
    for one, next_ in itertools.pairwise(way):
        diagram.flow(one, next_)
    diagram.detour(dot, plus, y + 0.68, f"{value}, unchanged", "" if pre else _named(f"d{total}", norms, " "))
    if pre:
        return
    for x, name in ((0.5, f"d{value}"), (1.08, f"branch {branch}"), (3.83, f"d{total}")):
        diagram.write(x, y - (0.34 if name.startswith("branch") else 0.2), _named(name, norms), "vermillion", va="top")
    diagram.write(3.83, y + 0.2, total, "blue", size=10)


def _named(name: str, norms: Mapping[str, float], between: str = "\n") -> str:
    return f"{name}{between}{norms[name]:.2f}" if name in norms else name


def flow_figure(curves: Mapping[str, Sequence[float]], floor: float = 1e-16) -> Figure:
    """Draw how long the gradient is at each layer, relative to where it entered; below `floor` nothing is drawn.

    curves: label → lengths from the last layer's output down to the first layer's input, at most four curves.
    """
    figure, ax = new_figure(6.0, 3.8)
    for (label, norms), colour in zip(curves.items(), ("blue", "orange", "vermillion", "purple"), strict=False):
        layer = np.arange(len(norms))[::-1]
        relative = np.asarray(norms) / norms[0]
        shown = relative >= floor
        ax.plot(layer[shown], relative[shown], color=COLOURS[colour], lw=2, marker="o", ms=3.5, label=label)
    ax.set_yscale("log")
    ax.invert_xaxis()
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 4, 5, 10]))
    ax.set_ylim(bottom=floor)
    ax.set_xlabel("after layer … (the gradient enters at the left and travels to the input, 0)", fontsize=9)
    titled(ax, "length of the gradient, relative to where it entered")
    plain(ax)
    legend(ax, loc="best")
    return figure

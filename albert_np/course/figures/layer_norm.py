"""Figures of notebook 05: rows before and after LayerNorm, its steps, and what it does to rows of three numbers."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.backend import Array, Floats
from albert_np.course.figures.diagrams import Diagram
from albert_np.plots import COLOURS, IN_TURN, legend, new_figure, plain, titled

__all__ = ["layer_norm_diagram", "normalised_figure", "sphere_figure"]

PLANE = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])  # two directions at right angles to (1, 1, 1)


def layer_norm_diagram() -> Figure:
    """Draw (5.1) and (5.2) as three steps, with shapes, and what of the gradient each step takes off going back."""
    diagram = Diagram(6.0, 1.9)
    y = 0.95
    x = diagram.value(0.42, y, "x", "(…, H)")
    centred = diagram.op(1.68, y, "centre", "x − μ")
    x_hat = diagram.op(3.12, y, "scale", "× rstd")
    out = diagram.op(4.5, y, "learned", "× w + b", width=0.9)
    end = diagram.value(5.58, y, "y", "(…, H)")
    diagram.flow(x, centred, gradient="dx")
    diagram.flow(centred, x_hat)
    diagram.flow(x_hat, out, "x̂", "g")
    diagram.flow(out, end, gradient="dy")
    for part, forward, back in (
        (centred, "forgets the mean", "takes off the part\nalong (1, …, 1)"),
        (x_hat, "forgets the width", "takes off the part\nalong x̂, × rstd"),
        (out, "", "dy · w"),
    ):
        diagram.write(part.x, y + 0.38, forward, "blue")
        diagram.write(part.x, y - 0.5, back, "vermillion")
    diagram.key()
    return diagram.figure


def normalised_figure(x: Floats, x_hat: Floats, names: Sequence[str]) -> Figure:
    """Draw how the numbers of each row (R, H) are spread, before (above) and after (below)."""
    figure, axes = new_figure(6, 4.4, 2, 1)
    for ax, rows, title, bins in (
        (axes[0], x, "before: each row has a place and a width of its own", np.linspace(x.min(), x.max(), 40)),
        (axes[1], x_hat, "after: mean 0, variance 1", np.linspace(-3.2, 3.2, 17)),
    ):
        for row, name, colour, line in zip(rows, names, IN_TURN, ("-", "--", ":"), strict=False):
            ax.hist(row, bins=bins, histtype="step", color=COLOURS[colour], lw=1.8, ls=line, label=name)
        titled(ax, title)
        ax.set(xlabel="value", ylabel="numbers of the row")
        plain(ax, grid="y")
    legend(axes[0])
    return figure


def sphere_figure(x: Floats, x_hat: Floats, g: Floats, dx: Floats) -> Figure:
    """Draw rows of three numbers in the plane at right angles to (1, 1, 1), where a row without its mean lies.

    x, x_hat, g, dx (R, 3): above where each row comes from and lands, below g and dx, drawn at the places of x_hat.
    """
    figure, (above, below) = new_figure(5, 8.4, 2, 1)
    places, landed = x @ PLANE.T, x_hat @ PLANE.T
    _circle(above, "forward: each row lands on a circle of radius √3")
    for place, target in zip(places, landed, strict=True):
        _arrow(above, place, target, "blue")
        above.plot(*place, "o", color=COLOURS["blue"], mfc="none", ms=7)
        above.plot(*target, "o", color=COLOURS["blue"], ms=5)
    _circle(below, "backward: what is left lies along the circle")
    for place, up, down in zip(landed, g @ PLANE.T, dx @ PLANE.T, strict=True):
        below.plot(*place, "o", color=COLOURS["blue"], ms=5)
        _arrow(below, place, place + up, "grey")
        _arrow(below, place, place + down, "vermillion")
    for name, colour in (("g, without its mean", "grey"), ("∂L/∂x, divided by r", "vermillion")):
        below.plot([], [], color=COLOURS[colour], lw=2, label=name)
    legend(below, loc="lower right")
    reach = 1.15 * abs(places).max()
    above.set(xlim=(-reach, reach), ylim=(-reach, reach))
    below.set(xlim=(-2.8, 2.8), ylim=(-2.8, 2.8))
    return figure


def _circle(ax: Axes, title: str) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.sqrt(3) * np.cos(angle), np.sqrt(3) * np.sin(angle), color=COLOURS["grey"], lw=1.2)
    ax.plot(0, 0, "+", color=COLOURS["grey"], ms=9)
    ax.set(aspect="equal", xlabel="along (1, −1, 0)", ylabel="along (1, 1, −2)")
    titled(ax, title)
    plain(ax)


def _arrow(ax: Axes, start: Array, end: Array, colour: str) -> None:
    properties = {"arrowstyle": "-|>", "color": COLOURS[colour], "lw": 1.6, "shrinkA": 3, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=properties)

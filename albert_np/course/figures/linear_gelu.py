"""Figures of notebook 03: a linear map both ways, a weight's gradient as a sum, the two forms of GELU, a gated one."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.backend import Floats
from albert_np.course.figures.diagrams import Diagram
from albert_np.ops import gelu_backward, gelu_forward, gelu_new_backward, gelu_new_forward
from albert_np.plots import COLOURS, legend, matrix, new_figure, plain

__all__ = ["dense_figure", "gated_figure", "gelu_figure", "outer_products_figure"]


def dense_figure() -> Figure:
    """Draw the linear map with what goes in and out, and the gradients on their ways back."""
    diagram = Diagram(6.0, 2.7)
    x = diagram.value(0.7, 1.35, "x", "(R, in)", width=0.9)
    linear = diagram.op(3.0, 1.35, "linear", "x Wᵀ + b", width=1.4)
    y = diagram.value(5.3, 1.35, "y", "(R, out)", width=0.9)
    weight = diagram.value(3.0, 2.4, "W", "(out, in)", "orange", width=0.95)
    bias = diagram.value(3.0, 0.3, "b", "(out)", "orange", width=0.95)
    diagram.flow(x, linear, gradient="dx = dy W")
    diagram.flow(linear, y, gradient="dy")
    diagram.flow(weight, linear, gradient="dweight = dyᵀ x")
    diagram.flow(bias, linear, gradient="dbias = Σ dy")
    diagram.key()
    return diagram.figure


def gated_figure() -> Figure:
    """Draw a gated feed-forward part: x used by two linear maps, their product, and the gradients back."""
    diagram = Diagram(6.0, 2.3)
    x = diagram.value(0.45, 1.0, "x", "(R, H)", width=0.7)
    fork = diagram.dot(1.1, 1.0)
    gate = diagram.op(2.0, 1.65, "gate", "x Wᵀ", width=0.8)
    up = diagram.op(2.0, 0.35, "up", "x Wᵀ", width=0.8)
    product = diagram.op(3.65, 1.0, "silu(gate) · up", "(R, I)", width=1.35)
    down = diagram.op(5.3, 1.0, "down", "(R, H)", width=0.8)
    diagram.flow(x, fork)
    diagram.flow(fork, gate)
    diagram.flow(fork, up)
    diagram.flow(gate, product, gradient="dgate")
    diagram.flow(up, product, gradient="dup")
    diagram.flow(product, down, gradient="dy")
    diagram.key()
    return diagram.figure


def outer_products_figure(dy: Floats, x: Floats) -> Figure:
    """Draw dweight = Σ over rows of dyᵀ x: one small matrix a row, and their sum. dy (3, out), x (3, in)."""
    products = [np.outer(dy_row, x_row) + 0.0 for dy_row, x_row in zip(dy, x, strict=True)]  # no "-0.00"
    panels = [*products, sum(products)]
    figure, axes = new_figure(6.0, 4.6, 2, 2)
    limit = max(abs(np.asarray(panel)).max() for panel in panels)  # one scale for all panels
    for r, (ax, panel) in enumerate(zip(axes.flat, panels, strict=True)):
        title = "= dweight" if r == len(products) else f"{'+ ' if r else ''}row {r}: dyᵀ x"
        matrix(ax, np.asarray(panel), title, signed=True, limit=limit)
        ax.set_xlabel("in", fontsize=9)
        ax.set_ylabel("out", fontsize=9)
    return figure


def gelu_figure(reach: float = 5.0) -> Figure:
    """Draw both forms of GELU, their slopes, and how far the two forms are apart, for x in [-reach, reach]."""
    x = np.linspace(-reach, reach, 1001)
    one = np.ones_like(x)
    erf, erf_cache = gelu_forward(x)
    tanh, tanh_cache = gelu_new_forward(x)
    erf_slope, tanh_slope = gelu_backward(one, erf_cache), gelu_new_backward(one, tanh_cache)
    figure, (value, slope, difference) = new_figure(6.0, 7.6, 3, 1, sharex=True)
    _both_forms(value, x, erf, tanh, "value")
    value.plot(x, np.maximum(x, 0), color=COLOURS["grey"], lw=1, ls=":", label="max(x, 0), for scale")
    legend(value, loc="upper left")
    _both_forms(slope, x, erf_slope, tanh_slope, "slope")
    slope.set_ylim(-0.25, 1.6)
    slope.axhline(1, color=COLOURS["grey"], lw=1, ls=":")
    legend(slope, loc="upper left")
    difference.plot(x, 1e4 * (tanh - erf), color=COLOURS["green"], label="of the values")
    difference.plot(x, 1e4 * (tanh_slope - erf_slope), color=COLOURS["purple"], ls="--", label="of the slopes")
    difference.set_title("tanh form minus erf form, times 10,000", fontsize=10)
    difference.set_ylim(-10, 14)
    legend(difference, loc="upper left")
    difference.set_xlabel("x")
    plain(value, slope, difference)
    return figure


def _both_forms(ax: Axes, x: Floats, erf: Floats, tanh: Floats, title: str) -> None:
    ax.plot(x, erf, color=COLOURS["sky"], lw=4, label="erf form, gelu")
    ax.plot(x, tanh, color=COLOURS["vermillion"], lw=1.2, label="tanh form, gelu_new")
    ax.set_title(title, fontsize=10)

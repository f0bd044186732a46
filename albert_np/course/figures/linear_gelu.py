"""Figures of notebook 03: a weight's gradient as a sum of outer products, and the two forms of GELU."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.ops import gelu_backward, gelu_forward, gelu_new_backward, gelu_new_forward
from albert_np.plots import COLOURS, legend, matrix, new_figure, plain

__all__ = ["gelu_figure", "outer_products_figure"]


def outer_products_figure(dy: Any, x: Any) -> Figure:
    """Draw dweight = Σ over rows of dyᵀ x: one small matrix a row, and their sum. dy (R, out), x (R, in)."""
    products = [np.outer(dy_row, x_row) + 0.0 for dy_row, x_row in zip(dy, x, strict=True)]  # no "-0.00"
    panels = [*products, sum(products)]
    figure, axes = new_figure(2.5 * len(panels), 2.6, 1, len(panels))
    limit = max(abs(np.asarray(panel)).max() for panel in panels)  # one scale for all panels
    for r, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        title = "= dweight" if r == len(products) else f"{'+ ' if r else ''}row {r}: dyᵀ x"
        matrix(ax, np.asarray(panel), title, signed=True, limit=limit)
        ax.set_xlabel("in", fontsize=8)
        ax.set_ylabel("out", fontsize=8)
    return figure


def gelu_figure(reach: float = 5.0) -> Figure:
    """Draw both forms of GELU, their slopes, and how far the two forms are apart, for x in [-reach, reach]."""
    x = np.linspace(-reach, reach, 1001)
    one = np.ones_like(x)
    erf, erf_cache = gelu_forward(x)
    tanh, tanh_cache = gelu_new_forward(x)
    erf_slope, tanh_slope = gelu_backward(one, erf_cache), gelu_new_backward(one, tanh_cache)
    figure, (value, slope, difference) = new_figure(10.5, 3.2, 1, 3)
    _both_forms(value, x, erf, tanh, "value")
    value.plot(x, np.maximum(x, 0), color=COLOURS["grey"], lw=1, ls=":", label="max(x, 0), for scale")
    legend(value, fontsize=8, loc="upper left")
    _both_forms(slope, x, erf_slope, tanh_slope, "slope")
    slope.set_ylim(-0.25, 1.6)
    slope.axhline(1, color=COLOURS["grey"], lw=1, ls=":")
    legend(slope, fontsize=8, loc="upper left")
    difference.plot(x, 1e4 * (tanh - erf), color=COLOURS["green"], label="of the values")
    difference.plot(x, 1e4 * (tanh_slope - erf_slope), color=COLOURS["purple"], ls="--", label="of the slopes")
    difference.set_title("tanh form minus erf form, times 10,000", fontsize=10)
    difference.set_ylim(-10, 14)
    legend(difference, fontsize=8, loc="upper left")
    for ax in (value, slope, difference):
        ax.set_xlabel("x", fontsize=9)
    plain(value, slope, difference)
    return figure


def _both_forms(ax: Axes, x: Any, erf: Any, tanh: Any, title: str) -> None:
    ax.plot(x, erf, color=COLOURS["sky"], lw=4, label="erf form, gelu")
    ax.plot(x, tanh, color=COLOURS["vermillion"], lw=1.2, label="tanh form, gelu_new")
    ax.set_title(title, fontsize=10)

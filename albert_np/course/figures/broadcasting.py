"""Figures of notebook 01: a column and a row broadcast to a grid, and the gradient's way back."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.backend import Floats
from albert_np.plots import COLOURS, arrow, new_figure, tile

__all__ = ["broadcast_figure", "unbroadcast_figure"]


def broadcast_figure(column: Floats, row: Floats) -> Figure:
    """Draw column + row = grid: what is stored in full colour, its copies pale. column (m, 1), row (1, n)."""
    m, n = column.shape[0], row.shape[1]
    figure, panels = new_figure(6.0, 0.45 * m + 0.4, 1, 3)
    first_column, first_row = np.arange(n)[None, :] == 0, np.arange(m)[:, None] == 0
    _cells(panels[0], np.broadcast_to(column, (m, n)), "blue", np.broadcast_to(first_column, (m, n)))
    _cells(panels[1], np.broadcast_to(row, (m, n)), "orange", np.broadcast_to(first_row, (m, n)))
    _cells(panels[2], column + row, "green", np.ones((m, n), dtype=bool))
    panels[0].set_title(f"column {column.shape}", fontsize=10)
    panels[1].set_title(f"+  row {row.shape}", fontsize=10)
    panels[2].set_title(f"=  grid ({m}, {n})", fontsize=10)
    return figure


def unbroadcast_figure(dy: Floats) -> Figure:
    """Draw dy (m, n) with its sums along the rows, a column's gradient, and down the columns, a row's gradient."""
    m, n = dy.shape
    figure, ax = new_figure(6.0, 0.45 * m + 1.6)
    _cells(ax, dy, "green", np.ones((m, n), dtype=bool))
    _cells(ax, dy.sum(axis=1, keepdims=True), "blue", np.ones((m, 1), dtype=bool), x=n + 1.2)
    _cells(ax, dy.sum(axis=0, keepdims=True), "orange", np.ones((1, n), dtype=bool), y=m + 1.2)
    for i in range(m):
        arrow(ax, (n + 0.05, i + 0.5), (n + 1.15, i + 0.5))
    for j in range(n):
        arrow(ax, (j + 0.5, m + 0.05), (j + 0.5, m + 1.15))
    ax.text(n / 2, -0.25, f"dy ({m}, {n})", ha="center", fontsize=10)
    ax.text(n + 1.7, -0.25, f"dcolumn ({m}, 1)", ha="center", fontsize=10, color=COLOURS["blue"])
    ax.text(n + 0.15, m + 1.7, f"drow ({n},)", va="center", fontsize=10, color=COLOURS["vermillion"])
    ax.text(n + 2.35, m / 2, "sum along each row", va="center", fontsize=9)
    ax.text(n / 2, m + 2.65, "sum down each column", ha="center", fontsize=9)
    ax.set(xlim=(-0.1, n + 5), ylim=(m + 2.8, -0.7))
    return figure


def _cells(ax: Axes, values: Floats, colour: str, full: Floats, x: float = 0, y: float = 0) -> None:
    m, n = values.shape
    for (i, j), value in np.ndenumerate(values):
        tile(ax, x + j, y + i, 0.92, 0.92, f"{value:g}", colour, bool(full[i, j]), "none", fontsize=10)
    ax.set(xlim=(-0.1, n + 0.1), ylim=(m + 0.1, -0.1), aspect="equal")
    ax.axis("off")

"""Figures of what takes how long, and of what rounding costs."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, IN_TURN, INK, legend, new_figure, plain

__all__ = ["error_figure", "roofline_figure"]


def roofline_figure(rows: Mapping[str, tuple[float, float, float, float]], peak: float, bandwidth: float) -> Figure:
    """Draw op → (FLOP, bytes at least, bytes of all passes, seconds) under the roof of a machine.

    peak: FLOP/s; bandwidth: bytes/s. An open mark stands at an op's intensity by its least bytes, a full one by
    those of its passes; both at the arithmetic that it gets done in a second.
    """
    figure, ax = new_figure(6, 4.4)
    intensity = np.geomspace(1 / 64, 4096, 200)
    ax.plot(intensity, np.minimum(peak, intensity * bandwidth) / 1e9, color=INK, lw=1.5)
    ax.axvline(peak / bandwidth, color=COLOURS["grey"], lw=1, ls=":")
    in_order = sorted(rows.items(), key=lambda row: row[1][0] / row[1][3])
    for i, (name, (flops, least, moved, seconds)) in enumerate(in_order):
        rate, colour = flops / seconds / 1e9, COLOURS[(*IN_TURN, "grey")[i % 7]]
        ax.plot([flops / moved, flops / least], [rate, rate], color=colour, lw=1)
        ax.scatter([flops / moved], [rate], 42, color=colour, zorder=2)
        ax.scatter([flops / least], [rate], 42, facecolor="none", edgecolor=colour, lw=1.5, zorder=2)
        at, shift, side = (flops / least, 7, "left") if i % 2 else (flops / moved, -7, "right")
        drop = -8 if rate > 0.7 * peak / 1e9 else 0  # away from the roof
        ax.annotate(name, (at, rate), (shift, drop), textcoords="offset points", ha=side, va="center", fontsize=9)
    for size, face, label in ((42, "grey", "all passes"), (42, "none", "least bytes")):
        ax.scatter([], [], size, facecolor=COLOURS.get(face, face), edgecolor=COLOURS["grey"], label=label)
    ax.set(xscale="log", yscale="log", xlim=(1 / 64, 4096))
    ax.set_xlabel("intensity, FLOP per byte (logarithmic)")
    ax.set_ylabel("GFLOP per second (logarithmic)")
    plain(ax)
    legend(ax, loc="lower right")
    return figure


def error_figure(rows: Mapping[str, tuple[float, float]], eps: float) -> Figure:
    """Draw op → (largest relative error forward, backward), on a logarithmic axis in units of `eps`."""
    figure, ax = new_figure(6, 0.34 * len(rows) + 1.3)
    for k, (label, colour, marker) in enumerate((("forward", "blue", "o"), ("backward", "vermillion", "s"))):
        errors = [error[k] / eps for error in rows.values()]
        ax.scatter(errors, range(len(rows)), 42, color=COLOURS[colour], marker=marker, label=label)
    ax.axvline(1, color=COLOURS["grey"], ls="--", lw=1, label=f"1 ε = {eps:.1e}")
    ax.set_xscale("log")
    ax.set_xlabel("largest error of float32 / largest value, in ε (logarithmic)")
    _named_rows(ax, list(rows))
    legend(figure, loc="outside upper center", ncols=3)
    return figure


def _named_rows(ax: Axes, names: list[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    plain(ax, grid="x")

"""Figures of notebook 02: the error of a difference against its step, and what an upstream gradient of ones hides."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.ops import softmax_backward, softmax_forward
from albert_np.plots import COLOURS, legend, new_figure, plain

__all__ = ["step_figure", "upstream_figure"]


def step_figure() -> Figure:
    """Draw the relative error of both differences of exp at 1 against the step h, measured (points) and bounded."""
    figure, panels = new_figure(10.5, 4.0, 1, 2, sharey=True)
    kinds: list[tuple[Any, int]] = [(np.float64, -14), (np.float32, -7)]
    for ax, (dtype, smallest) in zip(panels, kinds, strict=True):
        eps = float(np.finfo(dtype).eps)
        h = np.logspace(smallest, 0, 121).astype(dtype)
        x = dtype(1)
        one_sided = (np.exp(x + h) - np.exp(x)) / h
        central = (np.exp(x + h) - np.exp(x - h)) / (2 * h)
        h = h.astype(np.float64)
        _errors(ax, h, one_sided, h / 2 + 2 * eps / h, "orange", "one-sided")
        _errors(ax, h, central, h * h / 6 + eps / h, "blue", "central")
        _floor(ax, 2 * eps**0.5, 2 * eps**0.5, r"2\sqrt{\varepsilon}", "orange", "right")
        _floor(ax, (3 * eps) ** (1 / 3), (3 * eps) ** (2 / 3) / 2, r"\sqrt[3]{3\varepsilon}", "blue", "left")
        ax.set(xscale="log", yscale="log", ylim=(1e-14, 1e3), xlabel="step h")
        ax.set_title(f"{np.dtype(dtype).name}, ε = {eps:.1e}", fontsize=10)
        plain(ax)
    panels[0].set_ylabel("relative error of the slope")
    legend(panels[1], loc="lower left")
    return figure


def _errors(ax: Axes, h: Any, slopes: Any, bound: Any, colour: str, label: str) -> None:
    error = abs(slopes.astype(np.float64) / np.e - 1)
    ax.plot(h, error, ".", ms=4, color=COLOURS[colour], label=f"{label}, measured")
    ax.plot(h, bound, lw=1.2, color=COLOURS[colour], label=f"{label}, bound (2.5)")


def _floor(ax: Axes, h: float, error: float, name: str, colour: str, align: str) -> None:
    ax.axvline(h, color=COLOURS[colour], lw=1, ls=":")
    ax.annotate(
        f"$h = {name}$\n= {h:.0e}\nerror {error:.0e}",
        (h, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if align == "right" else 4, -2),
        textcoords="offset points",
        ha=align,
        va="top",
        fontsize=8,
    )


def upstream_figure(x: Any, dy: Any) -> Figure:
    """Draw softmax's dx for an upstream gradient of ones and for dy, beside an all-zero backward. x and dy (C,)."""
    _, cache = softmax_forward(x)
    figure, panels = new_figure(9, 2.9, 1, 2, sharey=True)
    places = np.arange(len(x))
    titles = ("dy = ones: right and wrong look alike", "dy random: they do not")
    for ax, upstream, title in zip(panels, (np.ones_like(x), dy), titles, strict=True):
        ax.bar(places, softmax_backward(upstream, cache), color=COLOURS["blue"], label="softmax_backward")
        ax.plot(places, np.zeros_like(x), "o", color=COLOURS["vermillion"], label="a backward of zeros")
        ax.axhline(0, color=COLOURS["grey"], lw=0.8)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("entry of x")
        plain(ax, grid=None)
    panels[0].set_ylabel("dx")
    legend(panels[0])
    return figure

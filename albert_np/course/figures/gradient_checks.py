"""Figures of notebook 02: two losses, the error of a difference against its step, what an upstream of ones hides."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.backend import Floats
from albert_np.ops import softmax_backward, softmax_forward
from albert_np.plots import COLOURS, legend, new_figure, plain

__all__ = ["step_figure", "two_losses_figure", "upstream_figure"]


def two_losses_figure(losses: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the losses of programs against their updates. losses: the program's name → one loss an update."""
    figure, ax = new_figure(6.0, 2.6)
    for (name, values), colour, style in zip(losses.items(), ("blue", "orange"), ("-", "--"), strict=True):
        ax.plot(values, style, color=COLOURS[colour], lw=2, label=f"program {name}")
    ax.set(xlabel="update", ylabel="loss")
    plain(ax)
    legend(ax)
    return figure


def step_figure() -> Figure:
    """Draw the relative error of both differences of exp at 1 against the step h, measured (points) and bounded."""
    figure, panels = new_figure(6.0, 6.8, 2, 1, sharey=True)
    kinds: list[tuple[type[np.floating], int]] = [(np.float64, -14), (np.float32, -7)]
    for ax, (dtype, smallest) in zip(panels, kinds, strict=True):
        eps = float(np.finfo(dtype).eps)
        h = np.logspace(smallest, 0, 121).astype(dtype)
        x = dtype(1)
        one_sided = (np.exp(x + h) - np.exp(x)) / h
        central = (np.exp(x + h) - np.exp(x - h)) / (2 * h)
        h = h.astype(np.float64)
        _errors(ax, h, one_sided, h / 2 + 2 * eps / h, "orange", "one-sided")
        _errors(ax, h, central, h * h / 6 + eps / h, "blue", "central")
        _floor(ax, 2 * eps**0.5, 2 * eps**0.5, "2√ε", "orange", "right")
        _floor(ax, (3 * eps) ** (1 / 3), (3 * eps) ** (2 / 3) / 2, "∛(3ε)", "blue", "left")
        ax.set(xscale="log", yscale="log", ylim=(1e-14, 1e4), xlabel="step h")
        ax.set_ylabel("relative error of the slope")
        ax.set_title(f"{np.dtype(dtype).name}, ε = {eps:.1e}", fontsize=10)
        plain(ax)
    legend(panels[1], loc="lower left")
    return figure


def _errors(ax: Axes, h: Floats, slopes: Floats, bound: Floats, colour: str, label: str) -> None:
    error = abs(slopes.astype(np.float64) / np.e - 1)
    ax.plot(h, error, ".", ms=4, color=COLOURS[colour], label=f"{label}, measured")
    ax.plot(h, bound, lw=1.2, color=COLOURS[colour], label=f"{label}, bound (2.5)")


def _floor(ax: Axes, h: float, error: float, name: str, colour: str, align: str) -> None:
    ax.axvline(h, color=COLOURS[colour], lw=1, ls=":")
    ax.annotate(
        f"h = {name}\n= {h:.0e}\nerror {error:.0e}",
        (h, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if align == "right" else 4, -2),
        textcoords="offset points",
        ha=align,
        va="top",
        fontsize=9,
    )


def upstream_figure(x: Floats, dy: Floats) -> Figure:
    """Draw softmax's dx for an upstream gradient of ones and for dy, beside an all-zero backward. x and dy (C,)."""
    _, cache = softmax_forward(x)
    figure, panels = new_figure(6.0, 4.6, 2, 1, sharex=True, sharey=True)
    places = np.arange(len(x))
    titles = ("dy = ones: right and wrong look alike", "dy random: they do not")
    for ax, upstream, title in zip(panels, (np.ones_like(x), dy), titles, strict=True):
        ax.bar(places, softmax_backward(upstream, cache), color=COLOURS["blue"], label="softmax_backward")
        ax.plot(places, np.zeros_like(x), "o", color=COLOURS["vermillion"], label="a backward of zeros")
        ax.axhline(0, color=COLOURS["grey"], lw=0.8)
        ax.set_title(title, fontsize=10)
        ax.set_ylabel("dx")
        plain(ax, grid=None)
    panels[1].set_xlabel("entry of x")
    legend(panels[0])
    return figure

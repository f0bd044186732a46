"""Figures of what takes how long, and of what rounding costs."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, legend, new_figure, plain

__all__ = ["error_figure", "floor_figure"]


def floor_figure(rows: Mapping[str, tuple[float, float, float]]) -> Figure:
    """Draw op → (floor, passes, measured), in seconds: a line from what is possible to what is.

    Floor: arithmetic, or reading and writing once, whichever takes longer. Passes: the time that the op's separate
    operations would need if each of them read from memory and wrote to it.
    """
    figure, ax = new_figure(8.4, 0.42 * len(rows) + 1.4)
    marks = (("floor", "|", "grey"), ("every pass through memory", "D", "orange"), ("measured", "o", "blue"))
    for y, times in enumerate(rows.values()):
        milliseconds = [1000 * t for t in times]
        ax.plot([milliseconds[0], milliseconds[2]], [y, y], color=COLOURS["grey"], lw=1, zorder=1)
        for t, (label, marker, colour) in zip(milliseconds, marks, strict=True):
            size = {"|": 200, "D": 36, "o": 50}[marker]
            ax.scatter(t, y, size, color=COLOURS[colour], marker=marker, zorder=2, label=label if y == 0 else None)
        ax.text(max(milliseconds) * 1.2, y, f"{times[2] / times[0]:.1f} ×", va="center", fontsize=9)
    ax.set_xscale("log")
    ax.margins(x=0.12)
    ax.set_xlabel("milliseconds (logarithmic); at the right: measured / floor")
    _named_rows(ax, list(rows))
    legend(figure, loc="outside upper center", ncols=3)
    return figure


def error_figure(rows: Mapping[str, tuple[float, float]], eps: float) -> Figure:
    """Draw op → (largest relative error forward, backward), on a logarithmic axis in units of `eps`."""
    figure, ax = new_figure(8.4, 0.34 * len(rows) + 1.3)
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

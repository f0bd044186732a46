"""How all figures look, and the shapes that several of them are made of.

Colours are those of Okabe and Ito, darkened where needed: a figure has no ground of its own, and each colour has a
contrast of 3 to 1 or more with white and with the dark ground of JupyterLab.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import FancyBboxPatch, Rectangle

__all__ = [
    "COLOURS",
    "INK",
    "IN_TURN",
    "arrow",
    "baseline",
    "box",
    "ink",
    "legend",
    "matrix",
    "new_figure",
    "plain",
    "sign_before",
    "tile",
    "titled",
    "write_cells",
]

COLOURS = {
    "blue": "#0069A8",
    "orange": "#C48A00",
    "green": "#00916A",
    "vermillion": "#C44E00",
    "purple": "#CC79A7",
    "sky": "#3A9BDC",
    "grey": "#777777",
}
INK = COLOURS["grey"]  # of letters and axes: as far from white as from black, 4.5 and 4.2 to 1
PALE = "1A"  # opacity of a tint on which INK can be read, as two hexadecimal digits
IN_TURN = ("blue", "orange", "green", "purple", "vermillion", "sky")  # of things that are no better than each other


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a figure of that size in inches, which belongs to no window, and its axes as `Figure.subplots` does."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def plain(*axes: Axes, grid: Literal["both", "x", "y"] | None = "both") -> None:
    """Leave out the frame at the top and at the right; grid: along which axis faint lines help to read, if any."""
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        if grid is not None:
            ax.grid(axis=grid, alpha=0.25)


def titled(ax: Axes, title: str, size: float = 10) -> None:
    """Write a title at the left."""
    ax.set_title(title, loc="left", fontsize=size)


def legend(where: Axes | Figure, *entries: Any, **options: Any) -> None:
    """Draw a legend without a frame into axes or a figure; entries and options are those of its `legend`."""
    where.legend(*entries, **{"frameon": False, "fontsize": 9, **options})


def baseline(ax: Axes, value: float, label: str, below: bool = False) -> None:
    """Draw a dashed line at what can be had without learning, its label at the right end, above the line or below."""
    ax.axhline(value, color=COLOURS["grey"], ls="--", lw=1)
    ax.annotate(
        label,
        (0.99, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, -10 if below else 3),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=INK,
    )


def matrix(
    ax: Axes, values: Any, title: str = "", signed: bool = False, digits: int = 2, limit: float | None = None
) -> None:
    """Draw a matrix: cividis for magnitudes, a map centred at zero for signed values; up to 8×8 the numbers too.

    limit: the magnitude at the end of a signed scale, by default the largest in `values`.
    """
    limit = limit or abs(values).max() or 1.0
    scale = {"cmap": "PuOr", "vmin": -limit, "vmax": limit} if signed else {"cmap": "cividis"}
    image = ax.imshow(values, **scale)
    ax.set_title(title, fontsize=10)
    ax.tick_params(length=0, labelsize=9)
    if max(values.shape) > 8:
        ax.set(xticks=[], yticks=[])
        return
    ax.set(xticks=range(values.shape[1]), yticks=range(values.shape[0]))
    write_cells(ax, image, lambda value: f"{value:.{digits}f}")


def write_cells(ax: Axes, image: AxesImage, text: Callable[[float], str], size: float = 9) -> None:
    """Write `text(value)` into every cell of a matrix that `imshow` has drawn."""
    values: Any = image.get_array()
    for (row, column), value in np.ndenumerate(np.asarray(values)):
        colour = ink(image.cmap(image.norm(value)))
        ax.text(column, row, text(value), ha="center", va="center", fontsize=size, color=colour)


def ink(colour: Any) -> str:
    """Return white or nearly black, whichever can be read on a colour (red, green, blue, …), each between 0 and 1.

    Not quite black, for `show` draws black in the grey that can be read where there is no ground.
    """
    luminance = np.dot(np.power(colour[:3], 2.2), (0.2126, 0.7152, 0.0722))
    return "#ffffff" if luminance < 0.18 else "#111111"


def sign_before(ax: Axes, sign: str) -> None:
    """Write a large sign, such as + or =, between a panel and its left neighbour."""
    ax.text(-0.62, 0.5, sign, transform=ax.transAxes, fontsize=18, ha="center", va="center")


def tile(
    ax: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    text: str,
    colour: str,
    full: bool = False,
    edge: str | None = None,
    **font: Any,
) -> None:
    """Draw a rectangle with a text in its middle; (x, y): a corner; full: not pale, but opaque."""
    face = COLOURS[colour] + ("" if full else PALE)
    ax.add_patch(Rectangle((x, y), width, height, fc=face, ec=edge or COLOURS[colour], lw=1.2, clip_on=False))
    style = {"fontsize": 9, "color": ink(to_rgb(COLOURS[colour])) if full else INK, **font}
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", **style)


def box(ax: Axes, x: float, y: float, size: tuple[float, float], title: str, text: str, colour: str) -> None:
    """Draw a rounded box with a title and a text; x: its left edge, y: its middle."""
    width, height = size
    shape = FancyBboxPatch(
        (x, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0.04",
        fc=COLOURS[colour] + PALE,
        ec=COLOURS[colour],
        lw=1.5,
    )
    ax.add_patch(shape)
    middle = x + width / 2
    lift = {0: 0.0, 1: 0.2}.get(len(text.splitlines()), 0.327)  # of the title, to leave the text its lines
    ax.text(middle, y + lift * height, title, ha="center", va="center", fontsize=10, weight="bold")
    ax.text(middle, y - 0.18 * height, text, ha="center", va="center", fontsize=9)


def arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "grey", **properties: Any
) -> None:
    """Draw an arrow; properties are Matplotlib's `arrowprops`."""
    arrowprops = {"arrowstyle": "->", "color": COLOURS[colour], "lw": 1.5, **properties}
    ax.annotate("", end, start, arrowprops=arrowprops)

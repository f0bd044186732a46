"""How all figures look, and the shapes that several of them are made of.

A figure has no ground of its own. Colours are near those of Okabe and Ito, moved so that each has a contrast of 3 to 1
or more with white, with black and with the dark grounds between, and so that none is taken for another by those who see
two of three colours. Letters are written in `INK`, blue, green or vermillion, which have 4.5 to 1 with white and with
black: more is not possible for one colour. What stands in a box or a cell has its own ground, and is written in `ink`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import FancyBboxPatch, Rectangle

__all__ = [
    "COLOURS",
    "DARK",
    "INK",
    "IN_TURN",
    "arrow",
    "baseline",
    "box",
    "ink",
    "legend",
    "matrix",
    "new_figure",
    "pale",
    "plain",
    "sign_before",
    "tile",
    "titled",
    "write_cells",
]

COLOURS = {
    "blue": "#1E72E2",
    "orange": "#BA8A00",
    "green": "#008659",
    "vermillion": "#C65317",
    "purple": "#CC62AC",
    "sky": "#209ECE",
    "grey": "#767676",
}
INK = "#757575"  # of letters and axes, and of nothing else: as far from white as from black, 4.6 to 1
DARK = "#010101"  # of letters on a light colour; not black, which `show` draws in INK
LARGEST, SMALLEST = 6.0, 9.0  # width of a figure in inches, letters in points: on a phone, two thirds of that
IN_TURN = ("blue", "orange", "green", "purple", "vermillion", "sky")  # of things that are no better than each other


def pale(colour: str) -> str:
    """Return a light tint of one of the COLOURS, opaque: letters in DARK can be read on it, whatever is behind."""
    red, green, blue = (1 - 0.2 * (1 - part) for part in to_rgb(COLOURS[colour]))
    return to_hex((red, green, blue))


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


def baseline(ax: Axes, value: float, label: str, below: bool = False, left: bool = False) -> None:
    """Draw a dashed line at what can be had without learning, its label above or below it, at its right or left end."""
    ax.axhline(value, color=COLOURS["grey"], ls="--", lw=1)
    ax.annotate(
        label,
        (0.01 if left else 0.99, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, -10 if below else 3),
        textcoords="offset points",
        ha="left" if left else "right",
        fontsize=9,
        color=INK,
    )


def matrix(
    ax: Axes, values: np.ndarray, title: str = "", signed: bool = False, digits: int = 2, limit: float | None = None
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


def ink(colour: Sequence[float] | np.ndarray) -> str:
    """Return white or `DARK`, whichever can be read on a colour (red, green, blue, …), each between 0 and 1."""
    parts = np.asarray(colour[:3], dtype=np.float64)
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return "#ffffff" if linear @ (0.2126, 0.7152, 0.0722) < 0.1795 else DARK  # 4.5 to 1 or more, each on its side


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
    face = COLOURS[colour] if full else pale(colour)
    ax.add_patch(Rectangle((x, y), width, height, fc=face, ec=edge or COLOURS[colour], lw=1.2, clip_on=False))
    style = {"fontsize": 9, "color": ink(to_rgb(face)), **font}
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", **style)


def box(ax: Axes, x: float, y: float, size: tuple[float, float], title: str, text: str, colour: str) -> None:
    """Draw a rounded box with a title and a text; x: its left edge, y: its middle."""
    width, height = size
    shape = FancyBboxPatch(
        (x, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0.04",
        fc=pale(colour),
        ec=COLOURS[colour],
        lw=1.5,
    )
    ax.add_patch(shape)
    middle = x + width / 2
    lift = {0: 0.0, 1: 0.2}.get(len(text.splitlines()), 0.327)  # of the title, to leave the text its lines
    ax.text(middle, y + lift * height, title, ha="center", va="center", fontsize=10, weight="bold", color=DARK)
    ax.text(middle, y - 0.18 * height, text, ha="center", va="center", fontsize=9, color=DARK)


def arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "grey", **properties: Any
) -> None:
    """Draw an arrow; properties are Matplotlib's `arrowprops`."""
    arrowprops = {"arrowstyle": "->", "color": COLOURS[colour], "lw": 1.5, **properties}
    ax.annotate("", end, start, arrowprops=arrowprops)

"""Figures in notebooks: with a text for those who cannot see them."""

import base64
import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["matrix", "show"]


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook; `alt` says in a sentence what it shows."""
    from IPython.display import display

    if not alt.strip():
        raise ValueError("alt is empty: say what the figure shows")
    picture = {"image/png": base64.b64encode(_png(figure)).decode(), "text/plain": alt}
    display(picture, raw=True, metadata={"image/png": {"alt": alt}})


def _png(figure: Figure) -> bytes:
    """Draw a figure with 128 colours: a third of the bytes, and no difference that one would see."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100, metadata={"Software": None})
    picture = Image.open(drawn).convert("RGB")
    picture = picture.quantize(128, method=Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


def matrix(ax: Axes, values: Any, title: str = "", signed: bool = False, digits: int = 2) -> None:
    """Draw a matrix: cividis for magnitudes, a map centred at zero for signed values; up to 8×8 the numbers too."""
    limit = abs(values).max() or 1.0
    scale = {"cmap": "PuOr", "vmin": -limit, "vmax": limit} if signed else {"cmap": "cividis"}
    image = ax.imshow(values, **scale)
    ax.set_title(title, fontsize=10)
    ax.set_xticks(range(values.shape[1]))
    ax.set_yticks(range(values.shape[0]))
    ax.tick_params(length=0, labelsize=7)
    if max(values.shape) > 8:
        ax.set_xticks([])
        ax.set_yticks([])
        return
    for (i, j), value in [((i, j), values[i, j]) for i in range(values.shape[0]) for j in range(values.shape[1])]:
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        ax.text(j, i, f"{value:.{digits}f}", ha="center", va="center", fontsize=8, color="white" if dark else "black")

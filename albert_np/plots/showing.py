"""Writing a figure into a file, and showing it in a notebook with a text for those who cannot see it."""

import base64
import io
from pathlib import Path

from matplotlib.figure import Figure

from albert_np.files import whole_file

__all__ = ["save", "show"]


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, whole or not at all, and return its path."""
    with whole_file(path) as hidden:
        figure.savefig(hidden, format="png", dpi=150)
    return Path(path)


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook; `alt` says in a sentence what it shows."""
    if not alt.strip():
        raise ValueError("alt is empty: say what the figure shows")
    from IPython.display import display

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

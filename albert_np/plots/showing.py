"""Writing a figure into a file, and showing it in a notebook with its number, caption and a text that describes it.

A figure is shown as SVG without a ground: black is drawn in `INK`, a grey that can be read on white and on dark, for
nothing tells a picture on which of them it stands. Letters are letters, which keeps a notebook small.
"""

import base64
import html
import io
import re
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from albert_np.files import whole_file
from albert_np.plots.style import INK

__all__ = ["save", "show"]

# DejaVu Sans is what Matplotlib measures with; Verdana, as wide, stands in where it is missing.
FONTS = "'DejaVu Sans', 'Verdana', sans-serif"
DRAWN: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "albert_np",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
}
DENSE = 500  # marks of one kind, from which they are drawn as pixels


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure, whole or not at all, and return its path: as SVG where the name ends so, else as PNG on white."""
    with whole_file(path) as hidden:
        if Path(path).suffix == ".svg":
            Path(hidden).write_text(_svg(figure), encoding="utf-8")
        else:
            figure.savefig(hidden, format="png", dpi=160)
    return Path(path)


def show(figure: Figure, number: str, caption: str, alt: str) -> None:
    """Display a figure in a notebook.

    number: of the notebook and of the figure in it, such as "5.1". caption: a sentence that stands below, for everyone.
    alt: what is to be seen, for those who cannot see it; it takes the picture's place.
    """
    if not re.fullmatch(r"\w+\.\d+", number):
        raise ValueError(f"number is {number!r}: write it as '5.1', the notebook's number and the figure's")
    for name, text in (("caption", caption), ("alt", alt)):
        if not text.strip():
            raise ValueError(
                f"{name} is empty: say what figure {number} {'is about' if name == 'caption' else 'shows'}"
            )
    from IPython.display import display

    source = base64.b64encode(_svg(figure).encode()).decode()
    width = round(96 * figure.get_figwidth())  # in CSS pixels
    page = (
        f'<figure id="figure-{number.replace(".", "-")}" style="margin: 0">\n'
        f'<img width="{width}" style="max-width: 100%; height: auto" alt="{html.escape(alt)}"\n'
        f'src="data:image/svg+xml;base64,{source}">\n'
        f"<figcaption><b>Figure {number}</b> · {html.escape(caption, quote=False)}</figcaption>\n</figure>"
    )
    display({"text/html": page, "text/plain": f"Figure {number} · {caption}\n{alt}"}, raw=True)


def _svg(figure: Figure) -> str:
    """Return a figure as SVG without a ground, with `INK` for black, which Matplotlib partly leaves out."""
    marks: Any
    for marks in figure.findobj(Line2D):
        marks.set_rasterized(marks.get_marker() != "None" and len(marks.get_xdata()) > DENSE)
    for marks in figure.findobj(PathCollection):
        marks.set_rasterized(len(marks.get_offsets()) > DENSE)
    drawn = io.StringIO()
    with matplotlib.rc_context(DRAWN):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(drawn, format="svg", dpi=160, transparent=True, metadata=nothing)
    _, _, picture = drawn.getvalue().partition("<svg")
    return f'<svg fill="{INK}" font-family="{FONTS}"' + _short(picture.replace("#000000", INK))


def _short(picture: str) -> str:
    """Return SVG of Matplotlib's without what makes no difference: a third of it."""
    picture = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", picture, flags=re.DOTALL)
    picture = re.sub(r"\s*\n\s*", "\n", picture)
    picture = re.sub(r'<g id="[^"]*"', "<g", picture)
    picture = re.sub(rf"; font-family: ({FONTS}|'DejaVu Sans')", "", picture)
    picture = picture.replace("'DejaVu Sans Mono'", "'DejaVu Sans Mono', monospace")
    return re.sub(r' (?:d|x|y)="[^"]*"', lambda places: re.sub(r"(\.\d\d)\d+", r"\1", places[0]), picture)

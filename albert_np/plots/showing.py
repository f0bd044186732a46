"""Writing a figure into a file, and showing it in a notebook with its number, caption and a text that describes it.

A figure is shown as SVG without a ground: black is drawn in `INK`, a grey that can be read on white and on black, for
nothing tells a picture on which of them it stands. Around it is white where the page's letters are dark, else black.
Letters are letters, which keeps a notebook small.
"""

import base64
import html
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text

from albert_np.files import whole_file
from albert_np.plots.style import INK, LARGEST, SMALLEST

__all__ = ["save", "show"]

# DejaVu Sans is what Matplotlib measures with; Verdana, as wide, stands in where it is missing.
FONTS = "'DejaVu Sans', 'Verdana', sans-serif"
DRAWN: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "albert_np",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
}
SVG = "http://www.w3.org/2000/svg"
GROUP, METADATA = f"{{{SVG}}}g", f"{{{SVG}}}metadata"
GROUND = "oklch(from currentColor round(1 - l) 0 0 / 1)"  # white beside dark letters, black beside light ones
DENSE = 500  # marks of one kind, from which they are drawn as pixels


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure, whole or not at all, and return its path, which ends in .svg, or in .png for PNG on white.

    ValueError if it ends otherwise.
    """
    ending = Path(path).suffix.lower()
    if ending not in (".png", ".svg"):
        raise ValueError(f"path={str(path)!r} must end in .png or .svg")
    with whole_file(path) as hidden:
        if ending == ".svg":
            Path(hidden).write_text(_svg(figure), encoding="utf-8")
        else:
            figure.savefig(hidden, format="png", dpi=160)
    return Path(path)


def show(figure: Figure, number: str, caption: str, alt: str) -> None:
    """Display a figure in a notebook.

    number: of the notebook and of the figure in it, such as "5.1". caption: a sentence that stands below, for everyone.
    alt: what is to be seen, for those who cannot see it; it takes the picture's place. Raises ValueError where one of
    them is missing, and for what could not be read on a phone: a figure wider than 6 inches, letters below 9 points.
    """
    if not re.fullmatch(r"\w+\.\d+", number):
        raise ValueError(f"number is {number!r}: write it as '5.1', the notebook's number and the figure's")
    for name, text in (("caption", caption), ("alt", alt)):
        if not text.strip():
            raise ValueError(
                f"{name} is empty: say what figure {number} {'is about' if name == 'caption' else 'shows'}"
            )
    _must_be_readable(figure, number)
    from IPython.display import display

    source = base64.b64encode(_svg(figure).encode()).decode()
    width = round(96 * figure.get_figwidth())  # in CSS pixels
    page = (
        f'<figure id="figure-{number.replace(".", "-")}" style="margin: 0">\n'
        f'<img width="{width}" style="max-width: 100%; height: auto; background: {GROUND}" alt="{html.escape(alt)}"\n'
        f'src="data:image/svg+xml;base64,{source}">\n'
        f"<figcaption><b>Figure {number}</b> · {html.escape(caption, quote=False)}</figcaption>\n</figure>"
    )
    display({"text/html": page, "text/plain": f"Figure {number} · {caption}\n{alt}"}, raw=True)


def _must_be_readable(figure: Figure, number: str) -> None:
    """Raise ValueError where a figure could not be read on a phone."""
    if figure.get_figwidth() > LARGEST:
        raise ValueError(f"figure {number} is {figure.get_figwidth():g} inches wide: at most {LARGEST:g}")
    texts: Any
    for texts in figure.findobj(Text):
        if texts.get_text().strip() and texts.get_fontsize() < SMALLEST:
            size = f"{texts.get_fontsize():g}"
            raise ValueError(f"figure {number} writes {texts.get_text()!r} in {size} points: at least {SMALLEST:g}")


def _svg(figure: Figure) -> str:
    """Return a figure as SVG without a ground, with `INK` for black, which Matplotlib partly leaves out."""
    marks: Any
    image: Any
    for marks in figure.findobj(Line2D):
        marks.set_rasterized(marks.get_marker() != "None" and len(marks.get_xdata()) > DENSE)
    for marks in figure.findobj(PathCollection):
        marks.set_rasterized(len(marks.get_offsets()) > DENSE)
    for image in figure.findobj(AxesImage):
        image.set_interpolation("none")  # a cell of a matrix is one pixel, which the browser draws large
    drawn = io.StringIO()
    with matplotlib.rc_context(DRAWN):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(drawn, format="svg", dpi=160, transparent=True, metadata=nothing)
    return _short(drawn.getvalue().replace("#000000", INK))


def _short(picture: str) -> str:
    """Return SVG of Matplotlib's with the root's ink and fonts, and without what makes no difference: half of it."""
    root = ElementTree.fromstring(picture)
    for element in root.iter():
        element.tail = None
        if not (element.text or "").strip():
            element.text = None
        if element.tag == GROUP:
            element.attrib.pop("id", None)
        for name in {"d", "x", "y"}.intersection(element.attrib):
            element.set(name, re.sub(r"(\.\d)\d+", r"\1", " ".join(element.attrib[name].split())))
        if re.match(r"rotate\(-?0 ", element.get("transform", "")):
            del element.attrib["transform"]
        style = re.sub(rf"; font-family: ({FONTS}|'DejaVu Sans')(?=;|$)", "", element.get("style", ""))
        if style:
            element.set("style", style.replace("'DejaVu Sans Mono'", "'DejaVu Sans Mono', monospace"))
    _unwrap(root)
    styles = Counter(element.attrib["style"] for element in root.iter() if "style" in element.attrib)
    names = {style: f"s{i}" for i, (style, times) in enumerate(styles.most_common()) if times > 1}
    for element in root.iter():
        if given := names.get(element.get("style", "")):
            element.set("class", given)
            del element.attrib["style"]
    rules = ElementTree.SubElement(root, f"{{{SVG}}}style")
    rules.text = "".join(f".{name}{{{style}}}" for style, name in names.items())
    root.attrib |= {"fill": INK, "font-family": FONTS}
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    return ElementTree.tostring(root, encoding="unicode")


def _unwrap(element: ElementTree.Element) -> None:
    """Put in the place of each group that says nothing what it holds."""
    for child in element:
        _unwrap(child)
    element[:] = [
        inner
        for child in element
        if child.tag != METADATA
        for inner in (child if child.tag == GROUP and not child.attrib else [child])
    ]

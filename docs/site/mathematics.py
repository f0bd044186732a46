"""Mathematics as MathML, made when the site is built: every browser shows it, and no page needs a script for it.

An equation with a number, `\\tag{5.6}`, has the anchor `eq-5-6`, and "notebook 05, eq. 5.6" in a docstring leads there.
"""

import html
import re
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}

log = logging.getLogger(__name__)


def mathml(tex: str, display: bool) -> str:
    """Return MathML of a formula; ValueError where a part of it is not understood."""
    tex = tex.replace(r"\arg", r"\operatorname{arg}")
    tex = re.sub(r"\\mathrm\{(\w)\}", r"\\text{\1}", tex)  # one letter would be set in italics
    tex = re.sub(r"\\text\{[^{}]*\}", lambda words: words[0].replace(r"\_", "_"), tex)
    tex = re.sub(r"(?s)(\\begin\{(\w+)\}.*?\\end\{\2\})(?=\s*[\^_])", r"{\1}", tex)  # a power of the whole matrix
    try:
        made = convert(tex, display="block" if display else "inline")
    except Exception as error:  # of many kinds, none of them documented
        raise ValueError(f"{type(error).__name__} {error}") from error
    if left := re.search(r"\\\w*|\$", made):
        raise ValueError(f"{left[0]} is not understood")
    for part in ElementTree.fromstring(made).iter():
        name = part.tag.partition("}")[2]
        if len(part) != PARTS.get(name, len(part)):
            raise ValueError(f"{name} is not understood: it has {len(part)} parts instead of {PARTS[name]}")
    # MathML Core, which browsers show, has no boxes; a style draws them.
    return made.replace('<menclose notation="box">', '<mrow class="boxed">').replace("</menclose>", "</mrow>")


def anchor_of(number: str) -> str:
    """Return the anchor of an equation, such as eq-5-6 of 5.6."""
    return "eq-" + number.replace(".", "-")


def visit_inline(writer: Any, node: nodes.math) -> None:
    display = "display" in node.get("classes", [])
    _write(writer, node, display, "span")


def visit_block(writer: Any, node: nodes.math_block) -> None:
    _write(writer, node, True, "div")


def _write(writer: Any, node: Any, display: bool, tag: str) -> None:
    tex = node.astext()
    number = re.search(r"\\tag\{([^}]*)\}", tex)
    try:
        made = mathml(re.sub(r"\\tag\{[^}]*\}", "", tex), display)
    except ValueError as error:
        log.warning("formula %r: %s", tex, error, location=node)
        made = html.escape(tex)
    if not display:
        writer.body.append(made)
        raise nodes.SkipNode
    label = anchor = ""
    if number:
        anchor = f' id="{anchor_of(number[1])}"'
        label = f'<a class="number" href="#{anchor_of(number[1])}">({number[1]})</a>'
    writer.body.append(f'<{tag} class="formula"{anchor}>{made}{label}</{tag}>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

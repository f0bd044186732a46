"""How the site shows a notebook: with a line on how to run it, figures as part of the page, and their calls folded.

A figure that is part of the page has the page's ink, and its words can be selected.
"""

import ast
import base64
import html
import re
from typing import Any

from albert_np.plots import INK

FIGURE = re.compile(r'<img width="(\d+)" style="([^"]*)" alt="([^"]*)"\s*src="data:image/svg\+xml;base64,([^"]+)">')
NOTE = (
    "*This page shows the notebook as it was run. To work through it, with cells to fill and checks, get a copy:* "
    "`albert-np notebooks` *([how](README.md)).*"
)


def shown(notebook: dict[str, Any], course: bool) -> None:
    """Change a notebook, as JSON, into what the site shows; course: whether it is one of the course's, not a lab."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            if _is_a_figures_call("".join(cell["source"])):
                cell["metadata"]["tags"] = ["hide-input"]
            for output in cell["outputs"]:
                if page := "".join(output.get("data", {}).get("text/html", "")):
                    output["data"]["text/html"] = with_inline_figures(page)
    if course:
        first = "".join(notebook["cells"][0]["source"])
        title, _, rest = first.partition("\n")
        notebook["cells"][0]["source"] = f"{title}\n\n{NOTE}\n{rest}"


def with_inline_figures(page: str) -> str:
    """Return HTML whose pictures of `albert_np.plots.show` are SVG elements, in the ink of the page."""
    anchor = re.search(r'<figure id="([^"]+)"', page)
    mine = f"{anchor[1]}-" if anchor else "f-"  # names within one picture; a page has several

    def inline(found: re.Match[str]) -> str:
        width, style, alt, source = found.groups()
        svg = base64.b64decode(source).decode().replace(INK, "currentColor")
        svg = re.sub(r'(\bid="|\bclass="|url\(#|href="#)', rf"\1{mine}", svg)
        svg = re.sub(r"(?<=[>}])\.(s\d+)\{", rf".{mine}\1{{", svg)
        head, _, body = svg.partition(">")
        head = re.sub(r' (width|height)="[^"]*"', "", head)
        words = html.escape(html.unescape(alt))
        return f'{head} role="img" aria-label="{words}" style="width: {width}px; {style}">{body}'

    return FIGURE.sub(inline, page)


def _is_a_figures_call(source: str) -> bool:
    """Whether a cell does no more than import and show figures; its caption and description stand below it again."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # of a shell command
        return False
    calls = [s for s in statements if not isinstance(s, ast.Import | ast.ImportFrom)]
    return bool(calls) and all(
        isinstance(s, ast.Expr)
        and isinstance(s.value, ast.Call)
        and isinstance(s.value.func, ast.Name)
        and s.value.func.id == "show"
        for s in calls
    )

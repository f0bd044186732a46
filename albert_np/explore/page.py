"""The page: one HTML file that holds its code, its numbers and its words, and asks for nothing from anywhere."""

import base64
import hashlib
import html
import re
import zlib
from importlib.resources import files
from typing import Any

from albert_np.explore.export import Arrays, dumps

__all__ = ["MODULES", "build_page"]

# The page's modules, in the order in which they stand in it; a module uses those before it.
MODULES = (
    "i18n data arrays kernels engine proof formulas explain dom colours matrix track ladder stage number curve sums "
    "whatif source app main"
).split()


def build_page(data: dict[str, Any], arrays: Arrays, title: str, static: str = "") -> str:
    """Return the HTML of a page; static: what is seen where scripts do not run."""
    folder = files("albert_np.explore") / "page"
    style = (folder / "style.css").read_text(encoding="utf-8")
    script = "\n".join(_module((folder / f"{name}.js").read_text(encoding="utf-8")) for name in MODULES)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; "
        "form-action 'none'"
    )
    deflate = zlib.compressobj(9, wbits=-15)
    blob = deflate.compress(arrays.blob()) + deflate.flush()
    parts = {
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "static": static,
        "data": dumps({"title": title, **data}),
        "arrays": base64.b64encode(blob).decode("ascii"),
        "script": script,
    }
    template = (folder / "template.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _module(source: str) -> str:
    """Return a module's code as part of one script: its imports are in it already."""
    lines = (line.removeprefix("export ") for line in source.splitlines() if not line.startswith("import "))
    return "\n".join(lines)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")

"""The page: one HTML file that holds its code, its numbers and its words, and asks for nothing from anywhere."""

import base64
import hashlib
import html
import json
import re
import zlib
from importlib.resources import files

from albert_np.explore.export import Arrays, Json

__all__ = ["MODULES", "build_page"]

# The page's modules, in the order in which they stand in it; a module uses those before it.
MODULES = (
    "i18n data arrays kernels engine proof formulas explain dom colours matrix track ladder stage curve number sums "
    "whatif source app main"
).split()


def build_page(data: Json, arrays: Arrays, title: str) -> str:
    """Return the HTML of a page.

    Code and numbers are packed, which makes the page a third as large; the code is readable in albert_np/explore/page.
    """
    folder = files("albert_np.explore") / "page"
    style, loader = ((folder / name).read_text(encoding="utf-8") for name in ("style.css", "loader.js"))
    code = "\n".join(_module((folder / f"{name}.js").read_text(encoding="utf-8")) for name in MODULES)
    policy = (
        f"default-src 'none'; script-src '{_hash(loader)}' '{_hash(code)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "data": _packed(json.dumps({"title": title, **data}, ensure_ascii=False, separators=(",", ":")).encode()),
        "arrays": _packed(arrays.blob()),
        "code": _packed(code.encode()),
        "loader": loader,
    }
    template = (folder / "template.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _module(source: str) -> str:
    """Return a module's code as part of one script: its imports are in it already."""
    lines = (line.removeprefix("export ") for line in source.splitlines() if not line.startswith("import "))
    return "\n".join(lines)


def _packed(content: bytes) -> str:
    """Return raw deflate in base64, which a browser unpacks by itself."""
    deflate = zlib.compressobj(9, wbits=-15)
    return base64.b64encode(deflate.compress(content) + deflate.flush()).decode("ascii")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")

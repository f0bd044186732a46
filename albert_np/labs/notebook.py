"""Notebooks as plain JSON: read whatever wrote them, and written the same to the byte each time.

What a tool keeps beside the text of a cell, such as metadata, ids or locks, is never relied on: VS Code, Colab and
learning platforms lose it.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from albert_np.files import telltale
from albert_np.labs.source import Cell

__all__ = ["notebook_text", "read_cells"]

_MARKER = re.compile(r"^# ?%%(.*)$", re.M)


def read_cells(data: bytes, name: str) -> list[Cell]:
    """Return the cells of a notebook (nbformat 4) or of a Python file, whose name ends in `.py`.

    `kind` and `id` of a cell are what the file says of them, if anything. ValueError, in one line that begins with the
    name, if the file is damaged or has no code.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: byte {error.start + 1} is not UTF-8{telltale(data)}") from error
    cells = _python_cells(text) if name.lower().endswith(".py") else _notebook_cells(text, data, name)
    if not any(cell.code and cell.source.strip() for cell in cells):
        raise ValueError(f"{name}: there is no code in it{telltale(data) if not data else ''}")
    return cells


def _notebook_cells(text: str, data: bytes, name: str) -> list[Cell]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not a notebook: {error}{telltale(data)}") from error
    if isinstance(content, dict) and "worksheets" in content:
        raise ValueError(f"{name} is of nbformat 3: open it with Jupyter and save it again")
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise ValueError(f"{name} is not a notebook: it has no list of cells")
    return [_cell(cell, f"{name}, cell {number}") for number, cell in enumerate(content["cells"], 1)]


def _cell(cell: object, where: str) -> Cell:
    if not isinstance(cell, dict):
        raise ValueError(f"{where} is a {type(cell).__name__}, not an object")
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise ValueError(f"{where}: its source is neither text nor a list of lines")
    source = source.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")
    metadata = cell.get("metadata")
    lab = metadata.get("lab") if isinstance(metadata, dict) else None
    kind, id = (str(lab.get(key, "")) for key in ("kind", "id")) if isinstance(lab, dict) else ("", "")
    return Cell(source, cell.get("cell_type") == "code", kind, id)


def _python_cells(text: str) -> list[Cell]:
    """Return the cells of a Python file: between lines `# %%`, or the whole as one."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    marks = list(_MARKER.finditer(text))
    ends = [mark.start() for mark in marks] + [len(text)]
    cells = [Cell(text[: ends[0]], True)]
    for mark, end in zip(marks, ends[1:], strict=True):
        source = text[mark.end() + 1 : end].rstrip("\n")
        is_prose = "[markdown]" in mark[1] or "[raw]" in mark[1]
        cells.append(Cell(re.sub(r"^# ?", "", source, flags=re.M) if is_prose else source, not is_prose))
    return [cell for cell in cells if cell.source.strip()]


def notebook_text(cells: Sequence[Cell], metadata: Sequence[dict[str, Any]] | None = None) -> str:
    """Return an nbformat 4.5 notebook that has not been run; equal cells give equal bytes.

    metadata: of each cell; without it, their kind and id, where they have one.
    """
    rows, ids = [], set()
    for number, cell in enumerate(cells):
        name = f"{cell.kind}-{cell.id}"[:60] if cell.id else ""
        if not re.fullmatch(r"[a-zA-Z0-9_-]+", name) or name in ids:
            name = f"cell-{number:03d}"
        ids.add(name)
        lab = {key: value for key, value in (("id", cell.id), ("kind", cell.kind)) if value}
        row: dict[str, Any] = {
            "cell_type": "code" if cell.code else "markdown",
            "id": name,
            "metadata": metadata[number] if metadata is not None else {"lab": lab} if lab else {},
            "source": cell.source.splitlines(keepends=True),
        }
        rows.append(row | {"execution_count": None, "outputs": []} if cell.code else row)
    content = {
        "cells": rows,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"

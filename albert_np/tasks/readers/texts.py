"""Texts and pairs of texts: TSV, CSV and JSON files → `TextExample`."""

import json
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from albert_np.tasks.examples import TextExample
from albert_np.tasks.readers.files import (
    Asked,
    Entry,
    brief,
    converted,
    json_entries,
    listed,
    some_text,
    suffix,
    unicode,
)
from albert_np.tasks.readers.tables import Row, named_rows, read_table

__all__ = ["class_name", "label_list", "label_name", "number", "read_texts", "required_text", "text_example"]

Label = str | tuple[str, ...] | float
ReadLabel = Callable[[object, str, Sequence[str] | None], Label]

# Names under which columns are found without being told, in any case: the plain ones and those of GLUE and SNLI.
TEXTS = (
    ("text",),
    ("text", "text_pair"),
    ("sentence",),
    ("question", "sentence"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("#1 string", "#2 string"),
)
UNLABELLED = "unsup"  # IMDB's folder of texts without a class
LABELS = ("label", "labels", "gold_label", "score", "quality", "is_duplicate")
KNOWN = {*chain(*TEXTS), *LABELS}


def read_texts(path: Path, read_label: ReadLabel, asked: Asked) -> Iterator[TextExample]:
    """Yield the examples of a table, a JSON file or a folder; see `read_examples` for which column holds what.

    read_label: (value, where it stands, names of numbered labels) → the label of an example.
    """
    if path.is_dir():
        entries: Iterator[Entry] = converted(_files(path, asked), lambda file: _file(*file), asked.on_bad)
        chosen = {"text": "text", "label": "folder"} if asked.labelled else {"text": "text"}
    elif suffix(path) in (".json", ".jsonl"):
        entries = json_entries(path, asked.on_bad)
        first = next(entries, None)
        if first is None:
            return iter(())
        chosen = _choose(list(first.fields), asked.columns, asked.labelled, first.where)
        entries = chain([first], entries)
    else:
        entries, chosen = _table(path, asked)
    return converted(entries, lambda entry: text_example(entry, chosen, read_label, asked.names), asked.on_bad)


def _files(path: Path, asked: Asked) -> list[tuple[Path, str]]:
    """Return the .txt files of a folder, and the folder within that names the class of each; unlabelled, of all."""
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
    if not asked.labelled:
        return [(file, "") for file in sorted(path.rglob("*.txt"))]
    nested = [folder for folder in folders if any(inner.is_dir() for inner in folder.iterdir())]
    if nested or not folders:
        raise ValueError(
            f"{path}: to be read, a folder must have one folder of .txt files for each class"
            + (f"; {nested[0].name} has folders itself: name it instead" if nested else "")
        )
    files = [(file, folder.name) for folder in folders for file in sorted(folder.glob("*.txt"))]
    unlabelled = sum(name == UNLABELLED for _, name in files)
    if unlabelled:
        warnings.warn(f"{path}: left out {UNLABELLED}, {unlabelled:,} texts without a class", stacklevel=2)
    return [(file, name) for file, name in files if name != UNLABELLED]


def _file(file: Path, folder: str) -> Entry:
    return Entry(str(file), {"text": some_text(file), "folder": folder})


def _table(path: Path, asked: Asked) -> tuple[Iterator[Entry], dict[str, str]]:
    """Return the rows of a table and which column holds what; a table without a header names them "0", "1", …"""
    columns, labelled, on_bad, _ = asked
    first, rows = read_table(path, on_bad)
    header = [cell.strip() for cell in first.cells]
    is_header = any(name.lower() in KNOWN for name in header)
    by_position = bool(columns) and all(name.isdecimal() for name in columns.values())
    if is_header and by_position:
        raise ValueError(f"{first.where} names the columns ({listed(header)}): give names in columns={dict(columns)}")
    if is_header or (columns and not by_position):
        return named_rows(header, rows, on_bad), _choose(header, columns, labelled, first.where)
    data = [first, *rows]
    positions = [str(position) for position in range(len(header))]
    if columns:
        chosen = _choose(positions, columns, labelled, first.where)
    elif len(header) == 1 and not labelled:
        chosen = {"text": "0"}
    elif _is_cola(data):
        chosen = {"text": "3", "label": "1"} if labelled else {"text": "3"}
    else:
        raise ValueError(
            f"{first.where}: no column has a name known here ({listed(header)}); say by columns which is which: by "
            "name if this line is a header, as in columns={'text': 'body', 'label': 'stars'} or --columns "
            "text=body,label=stars, else by position, as in columns={'text': '1', 'label': '0'} or --columns "
            "text=1,label=0"
        )
    return named_rows(positions, data, on_bad), chosen


def _is_cola(rows: Sequence[Row]) -> bool:
    """Whether rows have CoLA's four columns, GLUE's only ones without a header.

    These are the source, 0 or 1, the linguist's mark (stars, question marks, mostly nothing) and the sentence.
    """
    whole = [cells for _, cells in rows if len(cells) == 4]
    fits = all(cells[1] in ("0", "1") and not re.search(r"\w", cells[2]) for cells in whole)
    return fits and len(rows[0].cells) == 4


def _choose(names: Sequence[str], columns: Mapping[str, str], labelled: bool, where: str) -> dict[str, str]:
    """Return role → column: those told, and for text and label, if not told, those whose name is known."""
    chosen = {role: name for role, name in columns.items() if labelled or role != "label"}
    for name in chosen.values():
        if names.count(name) != 1:
            counted = "; positions count from 0" if re.fullmatch(r"-\d+", name) else ""
            raise ValueError(f"{where}: must have one column {name!r}; the columns are {listed(names)}{counted}")
    if "text" not in chosen:
        chosen = _known_texts(names, where) | chosen
    if labelled and "label" not in chosen:
        known = [name for name in names if name.lower() in LABELS and name not in chosen.values()]
        if len(known) != 1:
            raise _unclear("label", known, names, where)
        chosen["label"] = known[0]
    return chosen


def _known_texts(names: Sequence[str], where: str) -> dict[str, str]:
    """Return role → column of the one known layout that holds all others which would fit too."""
    lower = {name.lower(): name for name in names}
    fitting = [set(layout) for layout in TEXTS if lower.keys() >= set(layout)]
    best = max(TEXTS, key=lambda layout: len(layout) * (set(layout) in fitting))
    if not fitting or not set().union(*fitting) <= set(best):
        raise _unclear("text", [lower[name] for name in set().union(*fitting)], names, where)
    return {role: lower[name] for role, name in zip(("text", "text_pair"), best, strict=False)}


def _unclear(role: str, known: Sequence[str], names: Sequence[str], where: str) -> ValueError:
    what = f"each of {', '.join(sorted(known))} could hold" if known else "no column is known to hold"
    return ValueError(
        f"{where}: {what} the {role}; say which, as in columns={{{role!r}: 'body'}}; the columns are {listed(names)}"
    )


def text_example(
    entry: Entry, chosen: Mapping[str, str], read_label: ReadLabel, names: Sequence[str] | None = None
) -> TextExample:
    """Return the example of a row; chosen: role → column."""
    return TextExample(
        required_text(entry, chosen["text"]),
        required_text(entry, chosen["text_pair"]) if "text_pair" in chosen else None,
        _label(entry, chosen["label"], read_label, names) if "label" in chosen else None,
    )


def required_text(entry: Entry, name: str) -> str:
    """Return the text under a name. Raises ValueError if it is missing, empty or no string."""
    text = entry.fields.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{entry.where}: {name!r} must be a text that is not empty, got {brief(text)}")
    return unicode(text, f"{entry.where}: {name!r}")


def _label(entry: Entry, name: str, read_label: ReadLabel, names: Sequence[str] | None) -> Label:
    value, where = entry.fields.get(name), f"{entry.where}: the label {name!r}"
    if value == "-" and name.lower() == "gold_label":
        raise ValueError(
            f"{where} is '-': those who labelled it did not agree (SNLI); --skip-bad-rows and on_bad leave it out"
        )
    return read_label(value, where, names)


def class_name(value: object, where: str, names: Sequence[str] | None = None) -> str:
    """Return a label as the name of a class, which numbers are too; NaN, as number or written out, is none."""
    value = _present(value, where)
    if isinstance(value, dict | list) or str(value) in ("nan", "NaN"):
        raise ValueError(f"{where} must be the name of one class, got {brief(value)}")
    return label_name(str(value), where, names)


def number(value: Any, where: str, names: Sequence[str] | None = None) -> float:
    """Return a label as a finite number."""
    value = _present(value, where)
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{where} must be a finite number, got {brief(value)}")
    return found


def label_name(label: str, where: str, names: Sequence[str] | None) -> str:
    """Return the name of a label that may be given by its number; without names, the label itself."""
    if names is None or label in names:
        return unicode(label, where)
    if not re.fullmatch("[0-9]{1,9}", label) or int(label) >= len(names):
        raise ValueError(f"{where} must be a number from 0 to {len(names) - 1} or one of the names, got {brief(label)}")
    return names[int(label)]


def label_list(value: object, where: str, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return names of labels in a list, in JSON's notation of one, or in one string with | between; none if empty."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: not JSON: {brief(value)}") from error
    found = value.split("|") if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(name, str | int) for name in found):
        raise ValueError(f"{where} must hold names with | between them, or a list of names, got {brief(value)}")
    stripped = (str(name).strip() for name in found)
    return tuple(dict.fromkeys(label_name(name, where, names) for name in stripped if name))


def _present(value: object, where: str) -> Any:
    value = value.strip() if isinstance(value, str) else value
    if value is None or value == "":
        raise ValueError(f"{where} is missing")
    return value

"""Texts and pairs of texts: TSV, CSV and JSON files → `TextExample`."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from albert_np.tasks.examples import TextExample
from albert_np.tasks.readers.files import OnBad, Record, converted, json_records, suffix
from albert_np.tasks.readers.tables import (
    Row,
    guess_columns,
    header_in_disguise,
    headerless,
    named_rows,
    positions_only,
    read_table,
)

__all__ = ["read_texts", "required_text"]

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
LABELS = ("label", "labels", "gold_label", "score", "quality", "is_duplicate")
KNOWN = {*chain(*TEXTS), *LABELS}


def read_texts(
    path: Path, kind: str, columns: Mapping[str, str], labelled: bool, on_bad: OnBad
) -> Iterator[TextExample]:
    """Yield the examples of a table or JSON file; see `read_examples` for which column holds what."""
    if suffix(path) in (".json", ".jsonl"):
        records = json_records(path, on_bad)
        first = next(records, None)
        if first is None:
            return iter(())
        chosen = _choose(list(first.fields), columns, labelled, first.where)
        records = chain([first], records)
    else:
        records, chosen = _table(path, kind, columns, labelled, on_bad)
    return converted(records, lambda record: _example(record, chosen, kind), on_bad)


def _table(
    path: Path, kind: str, columns: Mapping[str, str], labelled: bool, on_bad: OnBad
) -> tuple[Iterator[Record], dict[str, str]]:
    first, rows = read_table(path)
    known = {cell.strip().lower() for cell in first.cells} & KNOWN
    if positions_only(columns) and known:
        raise ValueError(
            f"{first.where} names the columns ({', '.join(first.cells)}): give names in columns={dict(columns)}"
        )
    if (columns and not positions_only(columns)) or known:
        header = [cell.strip() for cell in first.cells]
        return named_rows(header, rows, on_bad), _choose(header, columns, labelled, first.where)
    data = [first, *rows]
    chosen = _choose_positions(data, kind, columns, labelled)
    return named_rows(headerless(len(first.cells)), data, on_bad), chosen


def _choose_positions(rows: Sequence[Row], kind: str, columns: Mapping[str, str], labelled: bool) -> dict[str, str]:
    """Return which position of a table without a header holds what: as told, else as is certain."""
    first = rows[0]
    names = headerless(len(first.cells))
    if columns:
        chosen = _choose(names, columns, labelled, first.where)
    elif len(names) == 1 and not labelled:
        chosen = {"text": "0"}
    else:
        guess = guess_columns(rows, kind == "regression")
        if guess is None:
            raise ValueError(
                f"{first.where}: no column has a name known here, and which of the {len(names)} holds what is not "
                "certain; say it by name or, without a header, by position, as in "
                "columns={'text': '1', 'label': '0'}"
            )
        chosen = guess
    if kind != "regression" and "label" in chosen and header_in_disguise(rows, chosen["label"]):
        raise ValueError(
            f"{first.where} looks like a header ({', '.join(first.cells)}): say which of its names is which, as in "
            "columns={'text': 'body', 'label': 'stars'}"
        )
    return chosen if labelled else {role: name for role, name in chosen.items() if role != "label"}


def _choose(names: Sequence[str], columns: Mapping[str, str], labelled: bool, where: str) -> dict[str, str]:
    """Return role → column: those told, and for text and label, if not told, those whose name is known."""
    chosen = {role: name for role, name in columns.items() if labelled or role != "label"}
    for name in chosen.values():
        if names.count(name) != 1:
            raise ValueError(f"{where}: must have one column {name!r}; the columns are {', '.join(names)}")
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
        f"{where}: {what} the {role}; say which, as in columns={{{role!r}: 'body'}}; the columns are {', '.join(names)}"
    )


def _example(record: Record, chosen: Mapping[str, str], kind: str) -> TextExample:
    return TextExample(
        required_text(record, chosen["text"]),
        required_text(record, chosen["text_pair"]) if "text_pair" in chosen else None,
        _label(record, chosen["label"], kind) if "label" in chosen else None,
    )


def required_text(record: Record, name: str) -> str:
    """Return the text under a name. Raises ValueError if it is missing, empty or no string."""
    text = record.fields.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{record.where}: {name!r} must be a text that is not empty, got {text!r}")
    return text


def _label(record: Record, name: str, kind: str) -> str | tuple[str, ...] | float:
    value = record.fields.get(name)
    where = f"{record.where}: the label {name!r}"
    if kind == "multilabel":
        return _names(value, where)
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "":
        raise ValueError(f"{where} is missing")
    if kind == "regression":
        return _number(value, where)
    if isinstance(value, dict | list):
        raise ValueError(f"{where} must be the name of one class, got {value!r}")
    return str(value)


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where} must be a finite number, got {value!r}")
    return number


def _names(value: Any, where: str) -> tuple[str, ...]:
    """Names of labels in a list, in JSON's notation of one, or in one string with | between; none if it is empty."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"{where}: not JSON: {value!r}") from error
    names = value.split("|") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise ValueError(f"{where} must hold names with | between them, or a list of names, got {value!r}")
    return tuple(dict.fromkeys(str(name).strip() for name in names if str(name).strip()))

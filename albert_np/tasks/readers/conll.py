"""Tagged words: CoNLL and JSON files → `TaggedExample`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from albert_np.tasks.examples import TaggedExample
from albert_np.tasks.readers.files import Entry, OnBad, converted, json_entries, read_lines, suffix
from albert_np.tasks.readers.tables import Row

__all__ = ["read_tagged", "tagged_example"]

WORDS = ("words", "tokens")
TAGS = ("tags", "ner_tags", "labels")


def read_tagged(path: Path, columns: Mapping[str, str], labelled: bool, on_bad: OnBad) -> Iterator[TaggedExample]:
    """Yield the sentences of a CoNLL file, or of a JSON file that lists words and tags."""
    if suffix(path) in (".json", ".jsonl"):
        entries = json_entries(path, on_bad)
        return converted(entries, lambda entry: tagged_example(entry, columns, labelled), on_bad)
    word, tag = _position(columns, "words", 0), _position(columns, "tags", -1)
    return converted(_sentences(path), lambda rows: _from_rows(rows, word, tag if labelled else None), on_bad)


def _position(columns: Mapping[str, str], role: str, default: int) -> int:
    given = columns.get(role, str(default))
    if not given.removeprefix("-").isdecimal():
        raise ValueError(f"columns: {role}={given!r} must be a position in the line, such as '0' or '-1'")
    return int(given)


def _sentences(path: Path) -> Iterator[list[Row]]:
    """Yield runs of lines: one word each, with its tags behind it, tabs or else blanks between."""
    rows: list[Row] = []
    for where, line in read_lines(path):
        if line.strip() and not line.startswith("-DOCSTART-"):
            cells = line.split("\t") if "\t" in line else line.split(" ")
            rows.append(Row(where, [cell.strip() for cell in cells if "\t" in line or cell]))
        elif rows:
            yield rows
            rows = []
    if rows:
        yield rows


def _from_rows(rows: list[Row], word: int, tag: int | None) -> TaggedExample:
    width = len(rows[0].cells)
    for where, cells in rows:
        if len(cells) != width:
            raise ValueError(f"{where}: has {len(cells)} columns, the lines before it have {width}")
        if tag is not None and width < 2:
            raise ValueError(f"{where}: {cells[0]!r} has no tag; allowed without are only files read as unlabelled")
        if not all(-width <= place < width and cells[place] for place in (word, tag) if place is not None):
            raise ValueError(f"{where}: word or tag is missing in {cells}")
    words = tuple(row.cells[word] for row in rows)
    return TaggedExample(words, None if tag is None else tuple(row.cells[tag] for row in rows))


def tagged_example(entry: Entry, columns: Mapping[str, str], labelled: bool = True) -> TaggedExample:
    """Return the words and tags of a JSON object; columns: under which names, if not under those known."""
    words = _strings(entry, columns.get("words"), WORDS)
    if not labelled:
        return TaggedExample(words)
    tags = _strings(entry, columns.get("tags"), TAGS)
    if len(tags) != len(words):
        raise ValueError(f"{entry.where}: has {len(words)} words and {len(tags)} tags")
    return TaggedExample(words, tags)


def _strings(entry: Entry, given: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the list of strings under the name given, or under the one known name that is there."""
    names = [given] if given else [name for name in known if name in entry.fields]
    if len(names) != 1:
        raise ValueError(f"{entry.where}: exactly one of {', '.join(known)} must be there, or be named in columns")
    values: Any = entry.fields.get(names[0])
    if not isinstance(values, list) or not values or not all(isinstance(v, str) and v.strip() for v in values):
        raise ValueError(f"{entry.where}: {names[0]!r} must be a list of strings, none empty, got {str(values)[:60]}")
    return tuple(values)

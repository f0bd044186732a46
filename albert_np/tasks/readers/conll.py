"""Tagged words: CoNLL and JSON files → `TaggedExample`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from albert_np.tasks.examples import TaggedExample
from albert_np.tasks.readers.files import Asked, Entry, brief, converted, json_entries, read_lines, suffix, unicode
from albert_np.tasks.readers.tables import Row
from albert_np.tasks.readers.texts import label_name

__all__ = ["read_tagged", "tagged_example"]

WORDS = ("words", "tokens")
TAGS = ("tags", "ner_tags", "labels")


def read_tagged(path: Path, asked: Asked) -> Iterator[TaggedExample]:
    """Yield the sentences of a CoNLL file, or of a JSON file that lists words and tags."""
    columns, labelled, on_bad, names = asked
    if suffix(path) in (".json", ".jsonl"):
        entries = json_entries(path, on_bad)
        return converted(entries, lambda entry: tagged_example(entry, columns, labelled, names), on_bad)
    universal = suffix(path) == ".conllu"
    word = _position(columns, "words", 1 if universal else 0)
    tag = _position(columns, "tags", 3 if universal else -1) if labelled else None
    return converted(_sentences(path, universal), lambda rows: _from_rows(rows, word, tag, names), on_bad)


def _position(columns: Mapping[str, str], role: str, default: int) -> int:
    given = columns.get(role, str(default))
    if not re.fullmatch("-?[0-9]{1,4}", given):
        raise ValueError(f"columns: {role}={given!r} must be a position in the line, such as '0' or '-1'")
    return int(given)


def _sentences(path: Path, universal: bool) -> Iterator[list[Row]]:
    """Yield runs of lines: one word each, with its tags behind it, tabs or else blanks between.

    universal: leave out what is no word in CoNLL-U, comments, the surface forms of several words ("1-2") and the empty
    nodes ("1.1") of enhanced dependencies.
    """
    rows: list[Row] = []
    for where, line in read_lines(path):
        if universal and re.match(r"#|[0-9]+[-.][0-9]+\t", line):
            continue
        if line.strip() and not line.startswith("-DOCSTART-"):
            cells = line.split("\t") if "\t" in line else line.split(" ")
            rows.append(Row(where, [cell.strip() for cell in cells if "\t" in line or cell]))
        elif rows:
            yield rows
            rows = []
    if rows:
        yield rows


def _from_rows(rows: list[Row], word: int, tag: int | None, names: Sequence[str] | None) -> TaggedExample:
    width = len(rows[0].cells)
    for where, cells in rows:
        if len(cells) != width:
            raise ValueError(f"{where}: has {len(cells)} columns, the lines before it have {width}")
        if tag is not None and width < 2:
            lone = brief(cells[0])
            raise ValueError(f"{where}: {lone} has no tag; allowed without are only files read as unlabelled")
        if not all(-width <= place < width and cells[place] for place in (word, tag) if place is not None):
            raise ValueError(f"{where}: word or tag is missing in {brief(cells)}")
        if tag is not None and word % width == tag % width:
            raise ValueError(f"{where}: the words and their tags cannot both be column {word}, got {brief(cells)}")
        unicode(cells[word], where)
    words = tuple(row.cells[word] for row in rows)
    if tag is None:
        return TaggedExample(words)
    return TaggedExample(words, tuple(label_name(row.cells[tag], f"{row.where}: the tag", names) for row in rows))


def tagged_example(
    entry: Entry, columns: Mapping[str, str], labelled: bool = True, names: Sequence[str] | None = None
) -> TaggedExample:
    """Return the words and tags of a JSON object; columns: under which names, if not under those known."""
    words = _strings(entry, columns.get("words"), WORDS)
    if not labelled:
        return TaggedExample(words)
    tags = _strings(entry, columns.get("tags"), TAGS, numbered=names is not None)
    if len(tags) != len(words):
        raise ValueError(f"{entry.where}: has {len(words)} words and {len(tags)} tags")
    return TaggedExample(words, tuple(label_name(tag, f"{entry.where}: the tag", names) for tag in tags))


def _strings(entry: Entry, given: str | None, known: tuple[str, ...], numbered: bool = False) -> tuple[str, ...]:
    """Return the list of strings under the name given, or under the one known name that is there; numbered: or ints."""
    names = [given] if given else [name for name in known if name in entry.fields]
    if len(names) != 1:
        raise ValueError(f"{entry.where}: exactly one of {', '.join(known)} must be there, or be named in columns")
    values: object = entry.fields.get(names[0])
    if numbered and isinstance(values, list):
        values = [str(value) if type(value) is int else value for value in values]
    if not isinstance(values, list) or not values or not all(isinstance(v, str) and v.strip() for v in values):
        what = f"{entry.where}: {names[0]!r} must be a list of strings, none empty, got {brief(values)}"
        numbers = isinstance(values, list) and values and all(type(value) is int for value in values)
        hint = "; say what the numbers stand for, as in names=('O', 'B-person', …)" if known is TAGS and numbers else ""
        raise ValueError(what + hint)
    return tuple(unicode(value, f"{entry.where}: {names[0]!r}") for value in values)

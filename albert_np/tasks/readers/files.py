"""What every reader does: open a file, and turn its items into examples or say which one is bad."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from albert_np.files import read_text
from albert_np.schema import listed

__all__ = [
    "Asked",
    "Entry",
    "OnBad",
    "brief",
    "converted",
    "json_entries",
    "listed",
    "read_lines",
    "some_text",
    "suffix",
    "unicode",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
OnBad = Callable[[ValueError], None]  # what is done about an item that cannot be read: raise, or note and go on


class Asked(NamedTuple):
    """How a file is to be read; see `read_examples`."""

    columns: Mapping[str, str]
    labelled: bool
    on_bad: OnBad
    names: Sequence[str] | None = None


class Entry(NamedTuple):
    """A row of a table or an object of a JSON file. where: its file and line, for messages."""

    where: str
    fields: dict[str, Any]


def suffix(path: Path) -> str:
    """Return the file's suffix in lower case; of `a.tsv.gz` it is `.tsv`."""
    path = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return path.suffix.lower()


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield where each line is ("FILE, line N") and the line, without its end; \\n, \\r\\n and \\r all end lines.

    Raises ValueError as `some_text`.
    """
    yield from _lines(path, some_text(path))


def some_text(path: Path) -> str:
    """Return a file's text; raises as `files.read_text`, and ValueError if it holds only white space.

    Bytes that are not UTF-8 are left for `unicode` to find, in the row that they stand in.
    """
    text = read_text(path, lenient=True)
    if not text.strip():
        raise ValueError(f"{path} holds no text")
    return text


def _lines(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        yield f"{path}, line {number}", line.removesuffix("\n")


def json_entries(path: Path, on_bad: OnBad) -> Iterator[Entry]:
    """Yield the objects of a JSON file: of an array, of JSON lines, or the only one.

    A line or entry that is no JSON object is bad. Raises ValueError as `some_text`, and for a damaged array or object.
    """
    text = some_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = ((where, line) for where, line in _lines(path, text) if line.strip())
        first = list(islice(lines, 2))
        if not any(_is_object(line) for _, line in first):  # one value, damaged, and not a value a line
            raise ValueError(f"{path}, line {getattr(error, 'lineno', 1)}: not JSON: {error}") from error
        yield from converted(chain(first, lines), lambda item: _object(item[0], _parse(*item)), on_bad)
        return
    entries = enumerate(content if isinstance(content, list) else [content], start=1)
    yield from converted(entries, lambda item: _object(f"{path}, entry {item[0]}", item[1]), on_bad)


def _parse(where: str, line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: not JSON: {error}") from error


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _object(where: str, value: object) -> Entry:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: must be a JSON object, got {str(value)[:40]!r}")
    return Entry(where, value)


def unicode(text: str, where: str) -> str:
    """Return a text; ValueError if it holds NUL, a byte that is not UTF-8, or, as JSON can, half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half, place = text[error.start], len(text[: error.start].encode()) + 1
        what = f"{half!r}, half a pair of surrogates, which is no text"
        if "\udc80" <= half <= "\udcff":
            what = f"byte 0x{ord(half) - 0xDC00:02x} at place {place}, which is not UTF-8; convert the file to UTF-8"
        raise ValueError(f"{where} holds {what}") from error
    if "\0" in text:
        raise ValueError(f"{where} holds a NUL character, which is no text")
    return text


def brief(value: object) -> str:
    """Return how a value is written in Python, the beginning of it if that is long."""
    written = repr(value[:80] if isinstance(value, str | list) else value)
    return written if len(written) <= 80 else f"{written[:77]}…"


def converted(items: Iterable[Item], convert: Callable[[Item], Result], on_bad: OnBad) -> Iterator[Result]:
    """Yield `convert(item)` of each item; what raises ValueError goes to `on_bad` and is left out."""
    for item in items:
        try:
            result = convert(item)
        except ValueError as error:
            on_bad(error)
        else:
            yield result

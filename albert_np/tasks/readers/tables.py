"""Tables of TSV and CSV files: rows of cells, by the names of their columns."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from albert_np.schema import one_line
from albert_np.tasks.readers.files import Entry, OnBad, converted, read_lines, some_text, suffix

__all__ = ["Row", "named_rows", "read_table"]


class Row(NamedTuple):
    where: str
    cells: list[str]


def read_table(path: Path, on_bad: OnBad) -> tuple[Row, Iterator[Row]]:
    """Return the first row of a table, and the others as a stream; rows of empty cells are left out.

    `.csv`: commas, or semicolons or tabs, see `_delimiter`, with quotes as in RFC 4180. All others: tabs, and quotes
    are characters like any other, as in GLUE. Raises ValueError as `some_text` and for a table without rows.
    """
    is_csv = suffix(path) == ".csv"
    lines = _csv_rows(path, on_bad) if is_csv else (Row(at, line.split("\t")) for at, line in read_lines(path))
    rows = (row for row in lines if any(cell.strip() for cell in row.cells))
    first = next(rows, None)
    if first is None:
        raise ValueError(f"{path} holds no row")
    return first, rows


def _csv_rows(path: Path, on_bad: OnBad) -> Iterator[Row]:
    """Yield the rows; a bad one, whose quotes are out of place or never closed, may go over many lines."""
    text = some_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    start = 1
    while (cells := _next(reader, len(text))) is not None:
        if isinstance(cells, csv.Error):
            lines = f"line {start}" if reader.line_num <= start else f"lines {start} to {reader.line_num}"
            on_bad(ValueError(f"{path}, {lines}: not CSV: {one_line(cells)}"))
        else:
            yield Row(f"{path}, line {start}", cells)
        start = reader.line_num + 1


def _next(reader: Iterator[list[str]], longest: int) -> list[str] | csv.Error | None:
    """Return the next row, of cells of any length, or what is wrong with it; None at the end."""
    limit = csv.field_size_limit(longest + 1)  # of all readers in the process, 128 KiB by default
    try:
        return next(reader, None)
    except csv.Error as error:
        return error
    finally:
        csv.field_size_limit(limit)


def _delimiter(text: str) -> str:
    """Return which of , ; and tab parts most of the first ten rows into as many cells as the first, two or more.

    Where numbers have a decimal comma, tables have semicolons.
    """

    def alike(delimiter: str) -> int:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [cells for cells in (_next(reader, len(text)) for _ in range(10)) if isinstance(cells, list) and cells]
        return sum(len(cells) == len(rows[0]) for cells in rows) if rows and len(rows[0]) > 1 else 0

    return max(",;\t", key=alike)  # of equals the first


def named_rows(header: Sequence[str], rows: Iterable[Row], on_bad: OnBad) -> Iterator[Entry]:
    """Yield the rows by the names of their columns; a row with more or fewer cells than names is bad."""
    return converted(rows, lambda row: _named(header, row), on_bad)


def _named(header: Sequence[str], row: Row) -> Entry:
    if len(row.cells) != len(header):
        raise ValueError(f"{row.where}: has {len(row.cells)} cells, the first row has {len(header)}")
    return Entry(row.where, dict(zip(header, row.cells, strict=True)))

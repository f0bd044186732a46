"""Tables of TSV and CSV files: rows of cells, by the names of their columns."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from albert_np.tasks.readers.files import Entry, OnBad, converted, read_lines, some_text, suffix

__all__ = ["Row", "named_rows", "read_table"]


class Row(NamedTuple):
    where: str
    cells: list[str]


def read_table(path: Path) -> tuple[Row, Iterator[Row]]:
    """Return the first row of a table, and the others as a stream; rows of empty cells are left out.

    `.csv`: commas, with quotes as in RFC 4180. All others: tabs, and quotes are characters like any other, as in
    GLUE. Raises ValueError as `some_text`, for a table without rows and for quotes that are never closed.
    """
    rows = _csv_rows(path) if suffix(path) == ".csv" else (Row(at, line.split("\t")) for at, line in read_lines(path))
    rows = (row for row in rows if any(cell.strip() for cell in row.cells))
    first = next(rows, None)
    if first is None:
        raise ValueError(f"{path} holds no row")
    return first, rows


def _csv_rows(path: Path) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(some_text(path), newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            yield Row(f"{path}, line {start}", cells)
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {start}: not CSV: {error}") from error


def named_rows(header: Sequence[str], rows: Iterable[Row], on_bad: OnBad) -> Iterator[Entry]:
    """Yield the rows by the names of their columns; a row with more or fewer cells than names is bad."""
    return converted(rows, lambda row: _named(header, row), on_bad)


def _named(header: Sequence[str], row: Row) -> Entry:
    if len(row.cells) != len(header):
        raise ValueError(f"{row.where}: has {len(row.cells)} cells, the first row has {len(header)}")
    return Entry(row.where, dict(zip(header, row.cells, strict=True)))

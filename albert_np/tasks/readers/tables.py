"""Tables of TSV and CSV files: rows of cells, and which column holds what."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from albert_np.tasks.readers.files import OnBad, Record, converted, read_lines, read_text, suffix

__all__ = ["Row", "guess_columns", "header_in_disguise", "headerless", "named_rows", "positions_only", "read_table"]


class Row(NamedTuple):
    where: str
    cells: list[str]


def read_table(path: Path) -> tuple[Row, Iterator[Row]]:
    """Return the first row of a table, and the others as a stream; rows of empty cells are left out.

    `.csv`: commas, with quotes as in RFC 4180. All others: tabs, and quotes are characters like any other, as in
    GLUE. Raises ValueError as `read_text`, for a table without rows and for quotes that are never closed.
    """
    rows = _csv_rows(path) if suffix(path) == ".csv" else (Row(at, line.split("\t")) for at, line in read_lines(path))
    rows = (row for row in rows if any(cell.strip() for cell in row.cells))
    first = next(rows, None)
    if first is None:
        raise ValueError(f"{path} holds no row")
    return first, rows


def _csv_rows(path: Path) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            yield Row(f"{path}, line {start}", cells)
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {start}: not CSV: {error}") from error


def named_rows(header: Sequence[str], rows: Iterable[Row], on_bad: OnBad) -> Iterator[Record]:
    """Yield the rows by the names of their columns; a row with more or fewer cells than names is bad."""
    return converted(rows, lambda row: _named(header, row), on_bad)


def _named(header: Sequence[str], row: Row) -> Record:
    if len(row.cells) != len(header):
        raise ValueError(f"{row.where}: has {len(row.cells)} cells, the first row has {len(header)}")
    return Record(row.where, dict(zip(header, row.cells, strict=True)))


def headerless(width: int) -> list[str]:
    """Return the names of the columns of a table without a header: their positions, "0", "1", …"""
    return [str(position) for position in range(width)]


def positions_only(columns: Mapping[str, str]) -> bool:
    return bool(columns) and all(name.isdecimal() for name in columns.values())


def guess_columns(rows: Sequence[Row], numbers: bool) -> dict[str, str] | None:
    """Return where text and label stand in a labelled table without a header, or None where that is not certain.

    Certain are: two columns of which one alone can be the label's, because it has numbers only (`numbers`) or, for
    names of classes, at most √n different values in n rows; and CoLA's layout, four columns: source, 0 or 1, the
    linguist's mark (stars, question marks, mostly nothing), sentence.
    """
    width = len(rows[0].cells)
    cells = [row.cells for row in rows if len(row.cells) == width]
    if (
        width == 4
        and {row[1] for row in cells} <= {"0", "1"}
        and not re.search(r"\w", "".join(row[2] for row in cells))
    ):
        return {"label": "1", "text": "3"}
    if width != 2:
        return None
    fits: Callable[[list[str]], bool] = _numeric if numbers else _repetitive
    labels = [position for position in (0, 1) if fits([row[position] for row in cells])]
    if len(labels) != 1:
        return None
    return {"label": str(labels[0]), "text": str(1 - labels[0])}


def _repetitive(values: list[str]) -> bool:
    return len(set(values)) ** 2 <= len(values)


def _numeric(values: list[str]) -> bool:
    try:
        return bool([float(value) for value in values])
    except ValueError:
        return False


def header_in_disguise(rows: Sequence[Row], label: str) -> bool:
    """Whether the first row of a table read without a header looks like one after all.

    It does if its cells are single words and its label occurs nowhere else, while every other label does.
    """
    first, *others = rows
    position = int(label)
    counts = Counter(row.cells[position] for row in others if position < len(row.cells))
    words = all(" " not in cell.strip() for cell in first.cells)
    return words and first.cells[position] not in counts and min(counts.values(), default=1) > 1

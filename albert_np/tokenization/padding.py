"""Rows of one length."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FILLS = {"token_type_ids": 0, "attention_mask": 0, "special_tokens_mask": 1, "offset_mapping": (0, 0)}
Columns = dict[str, Any]  # name → one list for each row


class Padding(NamedTuple):
    """How rows are filled up: to which length, on which side, with which id; and whether arrays come out."""

    strategy: str
    length: int
    multiple: int | None
    side: str
    pad_id: int
    as_arrays: bool

    def width(self, lengths: Iterable[int]) -> int:
        """The width that rows are filled up to: the longest row or `length`, rounded up to the multiple."""
        if self.strategy == "do_not_pad":
            return 0
        width = max(lengths, default=0) if self.strategy == "longest" else self.length
        return width if self.multiple is None else -(-width // self.multiple) * self.multiple

    def apply(self, columns: Columns, width: int) -> Columns:
        """Fill the rows of the columns with known names up to `width`; pass other columns through."""
        fills = {"input_ids": self.pad_id, **FILLS}
        if self.as_arrays:
            return {
                name: stack(name, rows, width, fills[name], self.side) if name in fills else np.array(rows)
                for name, rows in columns.items()
            }
        if width == 0:
            return columns
        return {
            name: [fill_up(row, width, fills[name], self.side) for row in rows] if name in fills else rows
            for name, rows in columns.items()
        }


def fill_up(row: list[Any], width: int, fill: Any, side: str) -> list[Any]:
    """One row with its filling on the right or on the left; a row that is long enough stays as it is."""
    filling = [fill] * (width - len(row))
    return row + filling if side == "right" else filling + row


def stack(name: str, rows: Sequence[list[Any]], width: int, fill: Any, side: str) -> npt.NDArray[np.int64]:
    """Return one column as an int64 array (rows, tokens), or (rows, tokens, 2) for pairs.

    All tokens are written in one stream to the places that are no filling. Raises ValueError if rows differ in
    length after being filled up.
    """
    real = np.array([len(row) for row in rows], dtype=np.int64)
    lengths = np.maximum(real, width)
    if lengths.size and lengths.min() != lengths.max():
        raise ValueError(
            f"return_tensors='np' needs rows of one length, and those of {name!r} have {lengths.min()} to "
            f"{lengths.max()} tokens; ask for padding=True, or for padding='max_length' with truncation=True"
        )
    width = int(lengths.max(initial=0))
    places = np.arange(width)
    taken = places < real[:, None] if side == "right" else places >= width - real[:, None]
    item = np.shape(fill)
    array = np.full((len(rows), width, *item), fill, dtype=np.int64)
    array[taken] = np.array([value for row in rows for value in row], dtype=np.int64).reshape(-1, *item)
    return array


def collect_columns(encodings: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> tuple[Columns, bool]:
    """Return one encoding, a batch or a list of encodings as columns of lists, and whether it was a batch.

    Raises ValueError if there are no `input_ids`, or if columns differ in their number of rows.
    """
    if not isinstance(encodings, Mapping):
        names = encodings[0].keys() if encodings else ()
        encodings = {name: [encoding[name] for encoding in encodings] for name in names}
    if "input_ids" not in encodings:
        raise ValueError(f"encoded_inputs must hold 'input_ids', got {list(encodings)}")
    columns = {name: [_as_list(row) for row in rows] for name, rows in encodings.items()}
    if columns["input_ids"] and not isinstance(columns["input_ids"][0], list):
        return {name: [row] for name, row in columns.items()}, False
    counts = {name: len(rows) for name, rows in columns.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"encoded_inputs: the columns differ in their number of rows: {counts}")
    return columns, True


def _as_list(row: Any) -> Any:
    return row.tolist() if isinstance(row, (np.ndarray, np.generic)) else row

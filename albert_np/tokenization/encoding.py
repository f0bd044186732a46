"""What a tokenizer call returns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from albert_np.tokenization.batching import Row
from albert_np.tokenization.padding import fill_up


class BatchEncoding(dict[str, Any]):
    """Columns of a tokenized batch, as items and as attributes: `batch["input_ids"]`, `batch.input_ids`.

    `rows` (with the `width` they were filled up to, on which `side`) say where the tokens came from.
    """

    def __init__(self, columns: Mapping[str, Any], rows: Sequence[Row] = (), width: int = 0, side: str = "right"):
        super().__init__(columns)
        self._rows = rows
        self._width = width
        self._side = side

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"this encoding has no {name!r}; it has {', '.join(self)}") from None

    def sequence_ids(self, row: int = 0) -> list[int | None]:
        """For each token of a row: 0 first text, 1 second text, None a special or padding token."""
        return fill_up(self._row(row).sequence_ids(), self._width, None, self._side)

    def word_ids(self, row: int = 0) -> list[int | None]:
        """For each token of a row: the number of its word in its text, None for a special or padding token.

        Raises ValueError unless the texts were given as words.
        """
        source = self._row(row)
        if source.first.words is None:
            raise ValueError("word_ids: give the texts as lists of words, with is_split_into_words=True")
        return fill_up(source.word_ids(), self._width, None, self._side)

    def _row(self, row: int) -> Row:
        if not 0 <= row < len(self._rows):
            raise ValueError(f"row={row}: the tokenizer call behind this encoding made {len(self._rows)} rows")
        return self._rows[row]

    def __repr__(self) -> str:
        return "\n".join(["BatchEncoding(", *(f"  {name}: {_summary(v)}" for name, v in self.items()), ")"])


def _summary(value: Any) -> str:
    """An array with its type and shape; a list, cut after a few lines."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}\n{value}".replace("\n", "\n    ")
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}… ({len(value)} entries)"

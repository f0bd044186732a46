"""From tokenized texts to a batch: cut what is too long, set special tokens around, fill up, hand over.

`make_rows` gives the rows, `COLUMNS` reads their columns, `Padding` fills these up.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from albert_np.tokenization.encoder import TokenizedText

Value = TypeVar("Value")
Columns = dict[str, Any]  # name → one list or number for each row
MOST_WINDOWS = 2**16  # of one pair of texts


class Limits(NamedTuple):
    """How rows are held to a length.

    `strategy`: which text is cut; `max_length`: tokens in a row, special ones included; `side`: the end that is cut
    off; `stride`: tokens that neighbouring windows share.
    """

    strategy: str
    max_length: int
    side: str
    stride: int


def windows(n_first: int, n_second: int | None, specials: int, limits: Limits) -> Iterator[tuple[slice, slice]]:
    """Yield what each row keeps of two texts of `n_first` and `n_second` tokens that exceed the room for them.

    The room is what `specials` special tokens leave. The first window is what truncation keeps; the following ones
    hold the rest, each as wide and sharing `stride` tokens with the one before (Rust tokenizers,
    `Encoding::truncate`). Where both texts are cut, each further window of the first stands beside all of the second,
    then the first beside the further ones of the second (`Encoding::merge_with`). Raises ValueError if nothing of the
    text would be left, or nothing beside the stride, or if the text that should be cut is not there.
    """
    everything, room = slice(None), limits.max_length - specials
    if room <= 0:
        raise ValueError(f"max_length={limits.max_length} leaves no room beside {specials} special tokens")
    if n_second is None and limits.strategy == "only_second":
        raise ValueError("truncation='only_second' needs a second text to cut: give text_pair")
    if n_second is None or limits.strategy == "only_first":
        for window in _sliding(n_first, room - (n_second or 0), limits):
            yield window, everything
    elif limits.strategy == "only_second":
        for window in _sliding(n_second, room - n_first, limits):
            yield everything, window
    else:
        share = fast_shares if limits.strategy == "longest_first_fast" else slow_shares
        keep_first, keep_second = share(n_first, n_second, room)
        yield _kept(n_first, keep_first, limits.side), _kept(n_second, keep_second, limits.side)
        firsts, seconds = _all_of(n_first, keep_first, limits), _all_of(n_second, keep_second, limits)
        if len(firsts) * len(seconds) > MOST_WINDOWS:
            raise ValueError(
                f"max_length={limits.max_length} makes {len(firsts):,} windows of the first text and {len(seconds):,} "
                "of the second, too many to stand beside each other: raise it, or choose 'only_first' or 'only_second'"
            )
        yield from product(firsts[1:], seconds)
        yield from product(firsts[:1], seconds[1:])


def _kept(length: int, keep: int, side: str) -> slice:
    """The part of a text that stays when it is cut on `side`."""
    return slice(0, keep) if side == "right" else slice(length - keep, length)


def _all_of(length: int, keep: int, limits: Limits) -> list[slice]:
    """All windows of one text of a pair, of which truncation keeps `keep` tokens."""
    if keep == 0 < length:
        raise ValueError(f"max_length={limits.max_length} leaves one text of a pair no room for its windows: raise it")
    return [slice(None)] if keep == length else [*_sliding(length, keep, limits)]


def _sliding(length: int, keep: int, limits: Limits) -> Iterator[slice]:
    """Yield windows of `keep` tokens, from the end of the text that truncation keeps to the other."""
    if keep <= 0:
        raise ValueError(
            f"max_length={limits.max_length} with truncation={limits.strategy!r}: all {length} tokens of the text "
            f"and {-keep} more would have to go; raise max_length or choose 'longest_first'"
        )
    if limits.stride >= keep:
        raise ValueError(
            f"stride={limits.stride} must be less than the {keep} tokens that max_length leaves to a window"
        )
    for moved in range(0, length, keep - limits.stride):
        stop = min(moved + keep, length)
        yield slice(moved, stop) if limits.side == "right" else slice(length - stop, length - moved)
        if stop == length:
            return


def slow_shares(n_first: int, n_second: int, room: int) -> tuple[int, int]:
    """What longest_first keeps of two texts: level the longer one down, then take from both in turn.

    Source: Hugging Face transformers 4.57, `PreTrainedTokenizerBase.truncate_sequences`.
    """
    excess = n_first + n_second - room
    level = min(abs(n_first - n_second), excess)
    rest = excess - level
    if n_first > n_second:
        return n_first - level - rest // 2, n_second - (rest - rest // 2)
    return n_first - rest // 2, n_second - level - (rest - rest // 2)


def fast_shares(n_first: int, n_second: int, room: int) -> tuple[int, int]:
    """What longest_first keeps of two texts in the Rust tokenizers, which give an odd token to the longer text.

    Source: tokenizers 0.22, `truncate_encodings`.
    """
    shorter, longer = sorted((n_first, n_second))
    longer = shorter if shorter > room else max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room - room // 2
    return (longer, shorter) if n_first > n_second else (shorter, longer)


class Row(NamedTuple):
    """One row of a batch: the sample it shows, what fits of its one or two texts, and the special tokens around.

    With `special`, the ids of [CLS] and [SEP], it reads `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`; with None the
    texts follow one another. The methods give one value for each token.
    """

    sample: int
    first: TokenizedText
    second: TokenizedText | None
    special: tuple[int, int] | None

    def input_ids(self) -> list[int]:
        """The ids of the tokens."""
        cls, sep = self.special or (0, 0)
        return self.around(self.first.ids, self.second.ids if self.second else (), cls, sep)

    def token_type_ids(self) -> list[int]:
        """0 up to and with the first [SEP], then 1; without special tokens 0 throughout (as HF's slow one)."""
        ones = len(self.second.ids) + 1 if self.second and self.special else 0
        return [0] * (self.length() - ones) + [1] * ones

    def attention_mask(self) -> list[int]:
        """1 throughout: filling comes later."""
        return [1] * self.length()

    def special_tokens_mask(self) -> list[int]:
        """1 for a special token, else 0."""
        return [int(text is None) for text in self.sequence_ids()]

    def offset_mapping(self) -> list[tuple[int, int]]:
        """Start and end of each token in its text; (0, 0) for a special token."""
        second = (self.second.offsets if self.second else None) or ()
        return self.around(self.first.offsets or (), second, (0, 0), (0, 0))

    def sequence_ids(self) -> list[int | None]:
        """0 for a token of the first text, 1 of the second, None for a special token."""
        second = [1] * len(self.second.ids) if self.second else []
        return self.around([0] * len(self.first.ids), second, None, None)

    def word_ids(self) -> list[int | None]:
        """Which word of its text a token belongs to, None for a special token."""
        second = (self.second.words if self.second else None) or ()
        return self.around(self.first.words or (), second, None, None)

    def length(self) -> int:
        """How many tokens the row holds, special ones included."""
        texts = len(self.first.ids) + (len(self.second.ids) if self.second else 0)
        return texts + (special_count(self.second is not None) if self.special else 0)

    def around(self, first: Sequence[Value], second: Sequence[Value], cls: Value, sep: Value) -> list[Value]:
        """Lay out one value for each token, with `cls` and `sep` in the places of the special tokens."""
        if self.special is None:
            return [*first, *second]
        return [cls, *first, sep] if self.second is None else [cls, *first, sep, *second, sep]


COLUMNS: dict[str, Callable[[Row], Any]] = {
    "input_ids": Row.input_ids,
    "token_type_ids": Row.token_type_ids,
    "attention_mask": Row.attention_mask,
    "special_tokens_mask": Row.special_tokens_mask,
    "offset_mapping": Row.offset_mapping,
    "length": Row.length,
    "overflow_to_sample_mapping": attrgetter("sample"),
}


def special_count(paired: bool) -> int:
    """How many special tokens a row holds: two with one text, three with two."""
    return 3 if paired else 2


def make_rows(
    firsts: Sequence[TokenizedText],
    seconds: Sequence[TokenizedText | None] | None,
    special: tuple[int, int] | None,
    limits: Limits | None,
    overflowing: bool,
) -> Iterator[Row]:
    """Yield the rows of a batch in order; with `overflowing`, one row for each window of a long text."""
    for sample, first in enumerate(firsts):
        second = None if seconds is None else seconds[sample]
        n_first, n_second = len(first.ids), None if second is None else len(second.ids)
        specials = special_count(second is not None) if special else 0
        if limits is None or n_first + (n_second or 0) + specials <= limits.max_length:
            yield Row(sample, first, second, special)
            continue
        for cut_first, cut_second in windows(n_first, n_second, specials, limits):
            yield Row(sample, first.cut(cut_first), second and second.cut(cut_second), special)
            if not overflowing:
                break


FILLS: dict[str, int | tuple[int, int]] = {
    "token_type_ids": 0,
    "attention_mask": 0,
    "special_tokens_mask": 1,
    "offset_mapping": (0, 0),
}


class Padding(NamedTuple):
    """How rows are filled up: to which length, on which side, with which id; and whether arrays come out."""

    strategy: str
    length: int
    multiple: int | None
    side: str
    pad_id: int
    as_arrays: bool

    def apply(self, columns: Columns) -> tuple[Columns, int]:
        """Fill the rows of the columns with known names up to one width, and return it too (0: nothing is filled).

        Other columns are passed through.
        """
        width = self._width([len(row) for row in columns["input_ids"]])
        fills = {"input_ids": self.pad_id, **FILLS}
        filled = columns
        if self.as_arrays:
            filled = {
                name: stack(name, rows, width, fills[name], self.side) if name in fills else _as_array(name, rows)
                for name, rows in columns.items()
            }
        elif width > 0:
            filled = {
                name: [fill_up(row, width, fills[name], self.side) for row in rows] if name in fills else rows
                for name, rows in columns.items()
            }
        return filled, width

    def _width(self, lengths: Sequence[int]) -> int:
        """The longest row or `length`, rounded up to the multiple."""
        if self.strategy == "do_not_pad":
            return 0
        width = max(lengths, default=0) if self.strategy == "longest" else self.length
        return width if self.multiple is None else -(-width // self.multiple) * self.multiple


def fill_up(row: list[Value], width: int, fill: Value, side: str) -> list[Value]:
    """One row with its filling on the right or on the left; a row that is long enough stays as it is."""
    filling = [fill] * (width - len(row))
    return row + filling if side == "right" else filling + row


def stack(
    name: str, rows: Sequence[Sequence[object]], width: int, fill: int | tuple[int, int], side: str
) -> npt.NDArray[np.int64]:
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


def _as_array(name: str, rows: Sequence[object]) -> npt.NDArray[np.generic]:
    """A column that is not filled up, as an array. Raises ValueError if rows differ in length."""
    lengths = {len(row) if isinstance(row, list) else None for row in rows}
    if len(lengths) > 1:
        raise ValueError(
            f"return_tensors='np': the rows of {name!r} differ in length, and it is not known what fills them up; "
            "fill them up before (labels with -100), or leave out return_tensors"
        )
    return np.array(rows)


def collect_columns(encodings: Mapping[str, object] | Sequence[Mapping[str, object]]) -> tuple[Columns, bool]:
    """Return one encoding, a batch or a list of encodings as columns of lists, and whether it was a batch.

    Raises TypeError for anything else and for ids that are no integers, ValueError if there are no `input_ids`, if
    columns differ in their number of rows, or rows in their columns.
    """
    is_list = not isinstance(encodings, Mapping)
    if not isinstance(encodings, Mapping):
        encodings = _joined(encodings)
    if "input_ids" not in encodings:
        raise ValueError(f"encoded_inputs must hold 'input_ids', got {list(encodings)}")
    given = {name: _as_list(rows) for name, rows in encodings.items()}
    batched = is_list or not given["input_ids"] or isinstance(given["input_ids"][0], list)
    columns = given if batched else {name: [row] for name, row in given.items()}
    counts = {name: len(rows) if isinstance(rows, Sequence) else 1 for name, rows in columns.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"encoded_inputs: the columns differ in their number of rows: {counts}")
    for i, row in enumerate(columns["input_ids"]):
        if not isinstance(row, list) or not all(isinstance(each, int) for each in row):
            raise TypeError(f"encoded_inputs: row {i} of 'input_ids' must be a list of integers, got {row!r:.80}")
    for name in [name for name in columns if name in FILLS]:
        for i, (row, ids) in enumerate(zip(columns[name], columns["input_ids"], strict=True)):
            if not isinstance(row, list) or len(row) != len(ids):
                got = len(row) if isinstance(row, list) else repr(row)
                raise ValueError(
                    f"encoded_inputs: row {i} of {name!r} must have {len(ids)} entries, one a token; got {got}"
                )
    return columns, batched


def _joined(encodings: Sequence[Mapping[str, object]]) -> Columns:
    """A list of single encodings as one batch. Raises TypeError or ValueError if it cannot be."""
    for i, encoding in enumerate(encodings):
        if not isinstance(encoding, Mapping):
            raise TypeError(f"encoded_inputs[{i}] must be an encoding with names, got {type(encoding).__name__}")
        if encoding.keys() != encodings[0].keys():
            raise ValueError(
                f"encoded_inputs[{i}] has {', '.join(encoding)}, and encoded_inputs[0] {', '.join(encodings[0])}"
            )
    return {name: [encoding[name] for encoding in encodings] for name in (encodings[0] if encodings else ())}


def _as_list(values: object) -> Any:
    """Arrays to lists, within a list too."""
    if isinstance(values, list) and values and not isinstance(values[0], int):
        return [_as_list(value) for value in values]
    return values.tolist() if isinstance(values, (np.ndarray, np.generic)) else values

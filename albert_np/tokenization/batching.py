"""From tokenized texts to the rows of a batch, with special tokens around them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from albert_np.tokenization.padding import Columns
from albert_np.tokenization.truncation import Limits, windows


class TokenizedText(NamedTuple):
    """One text as tokens, before special tokens are added.

    `ids`: token ids. `offsets`: start and end of each token in the text (in its word, if the text came as
    words). `words`: which word each token belongs to. The last two are None where they were not asked for.
    """

    ids: list[int]
    offsets: list[tuple[int, int]] | None = None
    words: list[int] | None = None

    def cut(self, window: slice) -> "TokenizedText":
        """The tokens inside `window`."""
        return TokenizedText(self.ids[window], self.offsets and self.offsets[window], self.words and self.words[window])


def join_words(words: Sequence[TokenizedText]) -> TokenizedText:
    """One text from its tokenized words."""
    return TokenizedText(
        [i for word in words for i in word.ids],
        [offset for word in words for offset in word.offsets or ()],
        [number for number, word in enumerate(words) for _ in word.ids],
    )


class Row(NamedTuple):
    """One row of the batch: the sample it shows, and what fits of its one or two texts.

    With `special` it reads `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, else the texts follow one another.
    """

    sample: int
    first: TokenizedText
    second: TokenizedText | None
    special: bool

    def around(self, first: list[Any], second: list[Any] | None, cls: Any, sep: Any) -> list[Any]:
        """Lay out one value for each token, with `cls` and `sep` in the places of the special tokens."""
        if not self.special:
            return first if second is None else first + second
        return [cls, *first, sep] if second is None else [cls, *first, sep, *second, sep]

    def token_count(self) -> int:
        """How many tokens the row holds, special ones included."""
        texts = len(self.first.ids) + (0 if self.second is None else len(self.second.ids))
        return texts + self.special * special_count(self.second is not None)

    def token_type_ids(self) -> list[int]:
        """0 up to and with the first [SEP], then 1; without special tokens 0 throughout (as HF's slow one)."""
        ones = 0 if self.second is None or not self.special else len(self.second.ids) + 1
        return [0] * (self.token_count() - ones) + [1] * ones

    def sequence_ids(self) -> list[int | None]:
        """For each token: 0 first text, 1 second text, None a special token."""
        return self.around([0] * len(self.first.ids), self.second and [1] * len(self.second.ids), None, None)

    def word_ids(self) -> list[int | None]:
        """For each token: which word of its text it belongs to, None for a special token."""
        return self.around(self.first.words or [], self.second and (self.second.words or []), None, None)


def special_count(pair: bool) -> int:
    """How many special tokens a row holds: two with one text, three with two."""
    return 3 if pair else 2


def make_rows(
    firsts: Sequence[TokenizedText],
    seconds: Sequence[TokenizedText] | None,
    limits: Limits | None,
    special: bool,
    overflow: bool,
) -> Iterator[Row]:
    """Yield the rows of the batch in order; with `overflow`, one row for each window of a long text."""
    room = 0 if limits is None else limits.max_length - special * special_count(seconds is not None)
    for sample, first in enumerate(firsts):
        second = None if seconds is None else seconds[sample]
        if limits is None or len(first.ids) + (len(second.ids) if second else 0) <= room:
            yield Row(sample, first, second, special)
            continue
        for cut_first, cut_second in windows(len(first.ids), second and len(second.ids), room, limits):
            yield Row(sample, first.cut(cut_first), second and second.cut(cut_second), special)
            if not overflow:
                break


def build_columns(rows: Sequence[Row], cls: int, sep: int, wanted: Iterable[str]) -> Columns:
    """Return the wanted columns of a batch."""
    none = (0, 0)
    builders: dict[str, Callable[[Row], Any]] = {
        "input_ids": lambda row: row.around(row.first.ids, row.second and row.second.ids, cls, sep),
        "token_type_ids": Row.token_type_ids,
        "attention_mask": lambda row: [1] * row.token_count(),
        "special_tokens_mask": lambda row: [int(text is None) for text in row.sequence_ids()],
        "offset_mapping": lambda row: row.around(
            row.first.offsets or [], row.second and row.second.offsets, none, none
        ),
        "length": Row.token_count,
        "overflow_to_sample_mapping": lambda row: row.sample,
    }
    return {name: [builders[name](row) for row in rows] for name in wanted}

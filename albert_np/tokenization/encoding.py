"""What a call of the tokenizer returns: columns, and the way from tokens back to words and characters."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from albert_np.tokenization.batch import Row, fill_up
from albert_np.tokenization.encoder import LocatedText, Text, TextEncoder

Value = TypeVar("Value")


class Span(NamedTuple):
    """A stretch of tokens or of characters, the last one not included."""

    start: int
    end: int


class Source(NamedTuple):
    """What the rows of an encoding came from: the texts, and how they were cut."""

    encoder: TextEncoder
    firsts: Sequence[Text]
    seconds: Sequence[Text | None] | None
    as_words: bool
    names: tuple[str | None, str | None, str | None]  # the tokens [CLS], [SEP] and <pad>


ELSEWHERE = {
    "convert_to_tensors": "ask the tokenizer's call, or its pad, for return_tensors='np'",
    "encodings": "ask tokens(row), word_ids(row), sequence_ids(row)",
    "words": "use word_ids(row)",
}


class BatchEncoding(dict[str, Any]):
    """Columns of a tokenized batch, as items and as attributes: `batch["input_ids"]`, `batch.input_ids`.

    `rows`, which were filled up to `width` on `side`, say where the tokens came from. What the methods below need
    beside the columns is found out when it is first asked for, from the texts of the call. A pickle holds the columns
    alone, with the rows: in another process ask the tokenizer's call for what is needed there.

    `batch_index` is the number of a row. The alignment methods are called as Hugging Face's are, with the row in front
    or, for the first row, without it: `token_to_chars(7)`, `token_to_chars(0, 7)`. They return None where
    there is nothing, such as the characters of [CLS], and raise ValueError for a row or token that does not exist.
    """

    def __init__(
        self,
        columns: Mapping[str, object],
        rows: Sequence[Row] = (),
        width: int = 0,
        side: str = "right",
        source: Source | None = None,
    ):
        super().__init__(columns)
        self._rows = rows
        self._width = width
        self._side = side
        self._source = source
        self._located: dict[tuple[int, int], LocatedText] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_source": None, "_located": {}}

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            hint = f"; {ELSEWHERE[name]}" if name in ELSEWHERE else ""
            raise AttributeError(f"this encoding has no {name!r}; it has {', '.join(self)}{hint}") from None

    def __missing__(self, key: object) -> Any:
        if isinstance(key, int):
            raise KeyError(f"rows are read column by column: encoding['input_ids'][{key}], encoding.tokens({key})")
        raise KeyError(key)

    @property
    def data(self) -> dict[str, Any]:
        """The columns: the encoding itself, which is a dict."""
        return self

    @property
    def n_sequences(self) -> int | None:
        """How many texts the first row shows, 1 or 2; None where that is not known."""
        return None if not self._rows else 1 if self._rows[0].second is None else 2

    @property
    def is_fast(self) -> bool:
        """Whether the encoding knows the words and characters of its tokens, as Hugging Face means it."""
        return self._source is not None

    def to(self, device: str) -> "BatchEncoding":
        """Return the encoding itself, which is on the CPU. Raises ValueError for another device."""
        if str(device) != "cpu":
            raise ValueError(
                f"device={device!r}: an encoding stays on the CPU; a model brings what it is given to its own"
            )
        return self

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return for each token of a row which text it is from: 0, 1, or None for a special or padding token."""
        return self._filled(self._row(batch_index).sequence_ids(), None)

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return for each token of a row the number of its word in its text, None for a special or padding token.

        Words are those that were given (`is_split_into_words=True`), or what white space sets apart.
        """
        shown = self._row(batch_index)
        if shown.first.words is not None:
            return self._filled(shown.word_ids(), None)
        return self._filled(shown.around(*self._of_texts(shown, "words"), None, None), None)

    def tokens(self, batch_index: int = 0) -> list[str]:
        """Return the tokens of a row; a run of unknown characters is shown as it was in the text."""
        shown = self._row(batch_index)
        first, second = self._of_texts(shown, "tokens")
        cls, sep, pad = self._known().names
        return self._filled(shown.around(first, second, cls, sep), pad)

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """Return which text a token is from, 0 or 1."""
        row, token = _given(batch_or_token_index, token_index)
        return _at("token", self.sequence_ids(row), token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """Return the number of a token's word."""
        row, token = _given(batch_or_token_index, token_index)
        return _at("token", self.word_ids(row), token)

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> Span | None:
        """Return the characters of its text (of its word, if words were given) that a token came from."""
        row, token = _given(batch_or_token_index, token_index)
        return _at("token", self._chars(row), token)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Return the token that a character of a text came to; None for a space, or what was cut off.

        Raises ValueError if texts were given as words, whose characters have no places in a text.
        """
        row, char = _given(batch_or_char_index, char_index)
        if self._known().as_words:
            raise ValueError("char_to_token: the texts were given as words; use word_to_tokens")
        for token, (span, text) in enumerate(zip(self._chars(row), self.sequence_ids(row), strict=True)):
            if span is not None and text == sequence_index and span.start <= char < span.end:
                return token
        return None

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Span | None:
        """Return the tokens of a word."""
        row, word = _given(batch_or_word_index, word_index)
        words, texts = self.word_ids(row), self.sequence_ids(row)
        places = [i for i, at in enumerate(zip(words, texts, strict=True)) if at == (word, sequence_index)]
        return Span(places[0], places[-1] + 1) if places else None

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Span | None:
        """Return the characters of a word."""
        row, word = _given(batch_or_word_index, word_index)
        tokens = self.word_to_tokens(row, word, sequence_index)
        spans = [span for span in self._chars(row)[slice(*tokens)] if span] if tokens else []
        return Span(min(span.start for span in spans), max(span.end for span in spans)) if spans else None

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Return the number of the word that a character of a text is in."""
        row, char = _given(batch_or_char_index, char_index)
        token = self.char_to_token(row, char, sequence_index)
        return None if token is None else self.token_to_word(row, token)

    def _chars(self, row: int) -> list[Span | None]:
        """The characters of each token of a row."""
        shown = self._row(row)
        first, second = self._of_texts(shown, "offsets")
        return self._filled(shown.around([Span(*at) for at in first], [Span(*at) for at in second], None, None), None)

    def _of_texts(self, shown: Row, what: str) -> tuple[list[Any], list[Any]]:
        """For each token of the two texts of a row, a field of `LocatedText`."""
        parts: list[list[Any]] = [[], []]
        for which, part in enumerate((shown.first, shown.second)):
            if part is not None:
                whole: list[Any] = getattr(self._whole(shown.sample, which), what)
                parts[which] = whole[part.start : part.start + len(part.ids)]
        return parts[0], parts[1]

    def _whole(self, sample: int, which: int) -> LocatedText:
        """A whole text of the call with all that is known of its tokens."""
        source = self._known()
        if (sample, which) not in self._located:
            texts = (source.seconds if which else source.firsts) or ()
            self._located[sample, which] = source.encoder.located_text(texts[sample] or "", source.as_words)
        return self._located[sample, which]

    def _known(self) -> Source:
        if self._source is None:
            raise ValueError(
                "this encoding does not know its texts, as it was pickled, drawn or made from ids: ask the tokenizer's "
                "call for return_offsets_mapping=True, and convert_ids_to_tokens for tokens"
            )
        return self._source

    def _row(self, row: int) -> Row:
        row = _number("a row", row)
        if not 0 <= row < len(self._rows):
            raise ValueError(f"row={row}: the tokenizer call behind this encoding made {len(self._rows)} rows")
        return self._rows[row]

    def _filled(self, values: list[Value], fill: Value) -> list[Value]:
        return fill_up(values, self._width, fill, self._side)

    def __repr__(self) -> str:
        return "\n".join(["BatchEncoding(", *(f"  {name}: {_summary(v)}" for name, v in self.items()), ")"])


def _given(row_or_place: int, place: int | None) -> tuple[int, int]:
    """Row and place; a place alone is one of the first row. Raises TypeError for what is no integer."""
    row, place = (0, row_or_place) if place is None else (row_or_place, place)
    return _number("a row", row), _number("a token, character or word", place)


def _number(name: str, value: int) -> int:
    if not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is given by its number, an integer, got {value!r:.80}")
    return int(value)


def _at(name: str, values: Sequence[Value | None], place: int) -> Value | None:
    if not 0 <= place < len(values):
        raise ValueError(f"{name}={place}: the row has {len(values)} tokens")
    return values[place]


def _summary(value: Any) -> str:
    """An array with its type and shape; a list, cut after a few lines."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}\n{value}".replace("\n", "\n    ")
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}… ({len(value)} entries)"

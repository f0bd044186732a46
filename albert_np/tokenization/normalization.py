"""What ALBERT does to raw text before SentencePiece sees it."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple


class Spans(NamedTuple):
    """For each character of a text, where in the source it came from: `source[starts[i]:ends[i]]`."""

    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def identity(cls, length: int) -> "Spans":
        """The spans of a text that is the source itself."""
        return cls(range(length), range(1, length + 1))

    @classmethod
    def from_starts(cls, starts: Sequence[int], length: int) -> "Spans":
        """The spans of a text of which only the starts are known, in a source of `length` characters.

        Characters that stand for the same source character (the two of "ﬁ", the "▁" put before the first letter)
        share its start; each of them ends where the next start lies.
        """
        ends: list[int] = []
        end, following = length, length
        for start in reversed(starts):
            if start < following:
                end, following = following, start
            ends.append(end)
        return cls(starts, ends[::-1])

    def cut(self, start: int, stop: int) -> "Spans":
        """The spans of a stretch of the text."""
        return Spans(self.starts[start:stop], self.ends[start:stop])

    def repeat(self, counts: Sequence[int]) -> "Spans":
        """The spans of a text in which character i was replaced by `counts[i]` others."""
        if all(count == 1 for count in counts):
            return self
        return Spans(
            [start for start, count in zip(self.starts, counts, strict=True) for _ in range(count)],
            [end for end, count in zip(self.ends, counts, strict=True) for _ in range(count)],
        )


@dataclass(frozen=True)
class Normalizer:
    """ALBERT's text clean-up: spaces stripped and collapsed, quotes straightened, accents dropped, lower case.

    do_lower_case, remove_space, keep_accents: the options of `AlbertTokenizer`; quotes are always straightened.
    Raises TypeError unless they are bools. Semantics: Hugging Face transformers 4.57,
    `AlbertTokenizer.preprocess_text`.
    """

    do_lower_case: bool = True
    remove_space: bool = True
    keep_accents: bool = False

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be True or False, got {value!r}")

    def __call__(self, text: str) -> str:
        """Return the cleaned text."""
        if self.remove_space:
            text = " ".join(text.split())
        return self._fold(text.replace("``", '"').replace("''", '"'))

    def _fold(self, text: str) -> str:
        """Drop accents and case: the steps that treat every character by itself."""
        if not self.keep_accents and not text.isascii():
            text = unicodedata.normalize("NFKD", text)
            text = "".join([c for c in text if not unicodedata.combining(c)])
        return text.lower() if self.do_lower_case else text

    def with_spans(self, text: str, spans: Spans) -> tuple[str, Spans]:
        """Return the cleaned text and its spans in the source; `spans` are those of `text`.

        No step moves a character past another one that survives, so spans are carried along by copying,
        joining and repeating.
        """
        if self.remove_space:
            text, spans = _collapse_spaces(text, spans)
        for quotes in ("``", "''"):
            text, spans = _join_quotes(text, spans, quotes)
        if not text.isascii():
            spans = spans.repeat([_folded_length(c, self.do_lower_case, self.keep_accents) for c in text])
        return self._fold(text), spans


def lower_each(text: str) -> str:
    """Lower-case every character by itself: unlike `str.lower`, a Σ that ends a word becomes σ, not ς."""
    return text.lower() if text.isascii() else text.replace("Σ", "σ").lower()


def _collapse_spaces(text: str, spans: Spans) -> tuple[str, Spans]:
    """`" ".join(text.split())`; a space that stays spans the whole gap that it stands for."""
    collapsed = " ".join(text.split())
    if len(collapsed) == len(text.strip()):  # then nothing was collapsed inside
        start = len(text) - len(text.lstrip())
        return collapsed, spans.cut(start, start + len(collapsed))
    starts: list[int] = []
    ends: list[int] = []
    for match in re.finditer(r"\S+", text):
        if starts:
            starts.append(ends[-1])
            ends.append(spans.starts[match.start()])
        starts += spans.starts[match.start() : match.end()]
        ends += spans.ends[match.start() : match.end()]
    return collapsed, Spans(starts, ends)


def _join_quotes(text: str, spans: Spans, quotes: str) -> tuple[str, Spans]:
    """Replace two typewriter quotes by one straight quote, which spans both."""
    if quotes not in text:
        return text, spans
    starts: list[int] = []
    ends: list[int] = []
    place = 0
    for match in re.finditer(quotes, text):
        starts += spans.starts[place : match.start() + 1]  # the first of the two quotes, not the second
        ends += [*spans.ends[place : match.start()], spans.ends[match.start() + 1]]
        place = match.end()
    return text.replace(quotes, '"'), Spans([*starts, *spans.starts[place:]], [*ends, *spans.ends[place:]])


@lru_cache(maxsize=65536)
def _folded_length(character: str, do_lower_case: bool, keep_accents: bool) -> int:
    """How many characters one character becomes when accents and case are dropped."""
    return len(Normalizer(do_lower_case, keep_accents=keep_accents)._fold(character))

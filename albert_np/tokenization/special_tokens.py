"""Tokens that are cut out of raw text before it is normalised: [CLS], [SEP], [MASK] and their like."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from albert_np.tokenization.normalization import Spans, lower_each


@dataclass(frozen=True)
class AddedToken:
    """A token that is found in raw text as it is written, and never split.

    content: the token itself. lstrip, rstrip: swallow the white space on its left, on its right. normalized: with
    lower-casing on, an ordinary (not `special`) token is looked for in lower case. special: decoding may leave it
    out. Semantics: Hugging Face `AddedToken`. Raises ValueError if `content` is not a string, or empty.
    """

    content: str
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.content, str) or not self.content:
            raise ValueError(f"an added token needs a content that is a string and not empty, got {self.content!r}")

    @classmethod
    def from_json(cls, token: "str | Mapping[str, Any] | AddedToken", special: bool = True) -> "AddedToken":
        """Read a token as Hugging Face's JSON files spell it: a string, or an object with `content`."""
        if isinstance(token, AddedToken):
            return token
        if isinstance(token, str):
            return cls(token, normalized=not special, special=special)
        if not isinstance(token, Mapping):
            raise TypeError(f"an added token is a string or an object with 'content', got {token!r}")
        if token.get("single_word", False):
            raise ValueError(f"added token {token.get('content')!r}: single_word=true is not supported")
        special = bool(token.get("special", special))
        return cls(
            content=token.get("content", ""),
            lstrip=bool(token.get("lstrip", False)),
            rstrip=bool(token.get("rstrip", False)),
            normalized=bool(token.get("normalized", not special)),
            special=special,
        )

    def __str__(self) -> str:
        return self.content

    def to_json(self) -> dict[str, Any]:
        """The token as Hugging Face's JSON files spell it."""
        return {
            "content": self.content,
            "lstrip": self.lstrip,
            "normalized": self.normalized,
            "rstrip": self.rstrip,
            "single_word": False,
            "special": self.special,
        }


class AddedVocabulary:
    """The tokens that are cut out of raw text, and their ids.

    `specials` are the special tokens by role ("cls_token" …), `additional` further ones, `added` tokens that
    come with an id. A token that is a piece has the piece's id; any other gets the next free id behind the
    pieces. `roles` maps a role to its token, `ids` and `by_id` map tokens to ids and back; `all_special` are the
    special tokens, `special_ids` their ids in the same order; `plain_ids` are the ids that decoding sets apart with
    spaces: of ordinary tokens, and of additional special ones behind the pieces. Semantics: Hugging Face
    transformers 4.57, `PreTrainedTokenizer._add_tokens` and `_decode`.
    """

    def __init__(
        self,
        piece_ids: Mapping[str, int],
        specials: Mapping[str, AddedToken],
        additional: Sequence[AddedToken],
        added: Mapping[int, AddedToken],
        do_lower_case: bool,
    ):
        self.roles = {role: token.content for role, token in specials.items()}
        self.additional = [token.content for token in additional]
        self.all_special = list(dict.fromkeys([*self.roles.values(), *self.additional]))
        by_id = dict(added)
        self.ids = {token.content: i for i, token in added.items()}
        taken = {**piece_ids, **self.ids}
        for token in (*specials.values(), *additional):
            if token.content not in self.ids:
                token_id = taken.setdefault(token.content, len(taken))
                self.ids[token.content] = token_id
                by_id[token_id] = token
        self.by_id = dict(sorted(by_id.items()))
        self.special_ids = [self.ids[content] for content in self.all_special]
        self.plain_ids = {
            i
            for content, i in self.ids.items()
            if content not in self.all_special or (content in self.additional and i >= len(piece_ids))
        }
        kept_case = [token.content for token in by_id.values() if not token.special and token.normalized]
        self.splitter = Splitter(self.by_id, [*self.all_special, *kept_case], do_lower_case)


class Part(NamedTuple):
    """A stretch `text[start:stop]` of raw text: ordinary text, or one added token with its id."""

    start: int
    stop: int
    token_id: int | None


class Splitter:
    """Find added tokens in raw text.

    `by_id` holds the tokens; `kept` lists those contents that keep their case while the text around them is
    lowered. Semantics: Hugging Face transformers 4.57, `PreTrainedTokenizer.tokenize`: first the text
    is lowered, character by character, everywhere but inside special tokens; then it is split at the leftmost,
    longest tokens. (So `<PAD>` in the text is found as `<pad>`.)
    """

    def __init__(self, by_id: Mapping[int, AddedToken], kept: Iterable[str], do_lower_case: bool):
        self._by_content = {token.content: (token, token_id) for token_id, token in by_id.items()}
        longest_first = sorted(self._by_content, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        self._kept = re.compile("(" + "|".join(map(re.escape, kept)) + ")")
        self._do_lower_case = do_lower_case

    def occurs_in(self, text: str) -> bool:
        """Whether `text`, already lowered, holds an added token."""
        return self._pattern.search(text) is not None

    def lower(self, text: str) -> str:
        """Lower-case the text around special tokens, if lower-casing is on."""
        if not self._do_lower_case:
            return text
        if self._kept.search(text) is None:
            return lower_each(text)
        pieces = self._kept.split(text)
        pieces[::2] = map(lower_each, pieces[::2])
        return "".join(pieces)

    def lower_with_spans(self, text: str) -> tuple[str, Spans]:
        """Return `lower(text)` and the spans in `text` of its characters ("İ" becomes two)."""
        lowered = self.lower(text)
        spans = Spans.identity(len(text))
        if len(lowered) == len(text):
            return lowered, spans
        counts: list[int] = []
        for i, stretch in enumerate(self._kept.split(text)):
            counts += [1] * len(stretch) if i % 2 else [len(c.lower()) for c in stretch]
        return lowered, spans.repeat(counts)

    def split(self, text: str) -> list[Part]:
        """Split `text`, already lowered, into parts; empty stretches are left out."""
        parts: list[Part] = []
        position, strip_next = 0, False
        for match in [*self._pattern.finditer(text), None]:
            token, token_id = (None, None) if match is None else self._by_content[match.group()]
            start, stop = position, len(text) if match is None else match.start()
            if strip_next:
                start = stop - len(text[start:stop].lstrip())
            if token is not None and token.lstrip:
                stop = start + len(text[start:stop].rstrip())
            if start < stop:
                parts.append(Part(start, stop, None))
            if match is not None and token is not None:
                parts.append(Part(match.start(), match.end(), token_id))
                position, strip_next = match.end(), token.rstrip
        return parts

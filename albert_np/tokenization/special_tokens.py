"""Tokens that are cut out of raw text before it is normalised: [CLS], [SEP], [MASK] and their like."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from albert_np.tokenization.normalization import Spans, lower_each
from albert_np.tokenization.sentencepiece_model import SentencePieceModel


@dataclass(frozen=True)
class AddedToken:
    """A token that is found in raw text as it is written, and never split.

    content: the token itself. lstrip, rstrip: swallow the white space on its left, on its right. special: decoding
    may leave it out. normalized: with lower-casing on, an ordinary (not `special`) token is looked for in lower case;
    None means that it is, unless it is special. single_word: within a word, as "cat" is in "scatter", it does not
    count; a word is letters, digits and "_". Semantics: Hugging Face `AddedToken`, as the fast tokenizer reads it.
    Raises TypeError or ValueError, naming the field, for what is not allowed: `content` must be text and not empty, the
    others bools.
    """

    content: str
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool | None = None
    special: bool = False
    single_word: bool = False

    def __post_init__(self) -> None:
        if self.normalized is None:
            object.__setattr__(self, "normalized", not self.special)
        if not isinstance(self.content, str) or not self.content:
            raise ValueError(f"an added token needs a content that is a string and not empty, got {self.content!r}")
        if not is_unicode(self.content):
            raise ValueError(
                f"an added token needs a content that is Unicode, without surrogates; got {self.content!r}"
            )
        for name in ("lstrip", "rstrip", "normalized", "special", "single_word"):
            if not isinstance(getattr(self, name), bool):
                value = getattr(self, name)
                raise TypeError(f"added token {self.content!r}: {name} must be true or false, got {value!r}")

    @classmethod
    def from_json(cls, token: object, special: bool = True) -> "AddedToken":
        """Read a token as Hugging Face's JSON files spell it: a string, or an object with `content`."""
        if isinstance(token, AddedToken):
            return token
        if isinstance(token, str):
            return cls(token, special=special)
        if not isinstance(token, Mapping):
            raise TypeError(f"an added token is a string or an object with 'content', got {token!r}")
        return cls(
            content=token.get("content", ""),
            lstrip=token.get("lstrip", False),
            rstrip=token.get("rstrip", False),
            normalized=token.get("normalized"),
            special=token.get("special", special),
            single_word=token.get("single_word", False),
        )

    def __str__(self) -> str:
        return self.content

    def to_json(self) -> dict[str, object]:
        """The token as Hugging Face's JSON files spell it."""
        return {
            "content": self.content,
            "lstrip": self.lstrip,
            "normalized": self.normalized,
            "rstrip": self.rstrip,
            "single_word": self.single_word,
            "special": self.special,
        }


def is_unicode(text: str) -> bool:
    """Whether a string can be written as UTF-8: a lone surrogate, such as "\\ud800", can not."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class AddedVocabulary:
    """The tokens that are cut out of raw text, and their ids; it is never changed, `with_…` return another one.

    by_id: id → token. A token that is a piece of `model` has the piece's id; any other gets the next free id behind
    the pieces. roles: role ("cls_token" …) → token, the special tokens by what they are for; a role that no token has
    is not there. additional: further special tokens that are listed by name; None: there is no such list. Semantics:
    Hugging Face transformers 4.57, `PreTrainedTokenizer._add_tokens` and `_decode`; but every token that says it is
    special is treated as one, as in the fast tokenizer.
    """

    model: SentencePieceModel
    by_id: Mapping[int, AddedToken]
    roles: Mapping[str, str]
    additional: tuple[str, ...] | None

    @classmethod
    def with_ids(cls, model: SentencePieceModel, added: Mapping[int, AddedToken]) -> "AddedVocabulary":
        """Tokens whose ids are given. Raises ValueError unless those behind the pieces follow without a gap."""
        behind = [i for i in sorted(added) if i >= len(model)]
        for free, token_id in enumerate(behind, start=len(model)):
            if token_id != free:
                raise ValueError(
                    f"added_tokens: {added[token_id].content!r} has the id {token_id}, and no token has {free}; ids "
                    f"behind the {len(model)} pieces must follow one another"
                )
        for token_id, token in added.items():
            known = model.piece_ids.get(token.content, token_id)
            if token_id < 0 or known != token_id:
                raise ValueError(
                    f"added_tokens: {token.content!r} cannot have the id {token_id}"
                    + (f": it is the piece {known}" if known != token_id else "")
                )
        if len({token.content for token in added.values()}) < len(added):
            raise ValueError("added_tokens: two ids have the same token")
        return cls(model, dict(sorted(added.items())), {}, ())

    def with_tokens(
        self, tokens: Iterable[str | AddedToken], special: bool = False, do_lower_case: bool = False
    ) -> "AddedVocabulary":
        """These tokens added, each unless it is there; a string is an ordinary token, or a `special` one.

        An `AddedToken` replaces the flags of a token that is there. With `do_lower_case`, an ordinary token that is
        `normalized` is kept in lower case. Raises ValueError for a piece whose id an added token has.
        """
        by_id, ids = dict(self.by_id), dict(self.ids)
        free = max([len(self.model) - 1, *by_id]) + 1
        for given in tokens:
            token = AddedToken.from_json(given, special)
            if isinstance(given, str) and given in ids:
                known = by_id[ids[given]]
                token = replace(known, special=True, normalized=False) if special and not known.special else known
            elif special and not token.special:
                token = replace(token, special=True)
            if do_lower_case and token.normalized and not token.special:
                token = replace(token, content=lower_each(token.content))
            token_id = ids.get(token.content, self.model.piece_ids.get(token.content, free))
            free += token_id == free
            if token_id in by_id and by_id[token_id].content != token.content:
                raise ValueError(
                    f"{token.content!r:.80} is the piece {token_id}, whose id the added token "
                    f"{by_id[token_id].content!r:.80} has"
                )
            by_id[token_id], ids[token.content] = token, token_id
        return replace(self, by_id=dict(sorted(by_id.items())))

    def with_roles(self, roles: Mapping[str, str | AddedToken | None]) -> "AddedVocabulary":
        """These roles given to these tokens, which are added unless they are there, or with None to no token."""
        added = self.with_tokens([token for token in roles.values() if token is not None], special=True)
        given = {**self.roles, **roles}
        return replace(added, roles={role: str(token) for role, token in given.items() if token is not None})

    def with_additional(self, tokens: Sequence[str | AddedToken] | None) -> "AddedVocabulary":
        """These further special tokens instead of those listed so far, which stay in the vocabulary; None: no list."""
        listed = None if tokens is None else tuple(dict.fromkeys(map(str, tokens)))
        return replace(self.with_tokens(tokens or (), special=True), additional=listed)

    def renamed(self, names: Mapping[str, str]) -> "AddedVocabulary":
        """The same tokens, with the same flags, under other names. Raises ValueError if two of them get one name."""

        def new(content: str) -> str:
            return names.get(content, content)

        by_id = {i: replace(token, content=new(token.content)) for i, token in self.by_id.items()}
        contents = [token.content for token in by_id.values()]
        if twice := [content for content in contents if contents.count(content) > 1]:
            raise ValueError(f"two tokens would have the name {twice[0]!r}")
        additional = None if self.additional is None else tuple(map(new, self.additional))
        roles = {role: new(content) for role, content in self.roles.items()}
        return replace(self, by_id=by_id, roles=roles, additional=additional)

    @property
    def listed(self) -> tuple[str, ...]:
        """The further special tokens, none where there is no list of them."""
        return self.additional or ()

    def __len__(self) -> int:
        """How many ids there are, those of pieces included."""
        return max([len(self.model) - 1, *self.by_id]) + 1

    @cached_property
    def ids(self) -> dict[str, int]:
        """token → id."""
        return {token.content: i for i, token in self.by_id.items()}

    @cached_property
    def all_special(self) -> list[str]:
        """The tokens that have a role, then those that are listed, then all others that are special."""
        others = [token.content for token in self.by_id.values() if token.special]
        return list(dict.fromkeys([*self.roles.values(), *self.listed, *others]))

    @cached_property
    def special_ids(self) -> list[int]:
        """The ids of `all_special`, in the same order."""
        return [self.ids[content] for content in self.all_special]

    @cached_property
    def plain_ids(self) -> set[int]:
        """The ids that decoding sets apart with spaces: of tokens without a role, and of listed ones behind pieces."""
        pieces, listed, with_role = len(self.model), {*self.listed}, {*self.roles.values()}
        return {
            i for content, i in self.ids.items() if (i >= pieces if content in listed else content not in with_role)
        }

    def splitter(self, do_lower_case: bool, split_special_tokens: bool = False) -> "Splitter":
        """What finds these tokens, or those alone that are not special, in text that is put into lower case or not."""
        kept = [*self.all_special, *(t.content for t in self.by_id.values() if t.special or not t.normalized)]
        left_out = {*self.all_special} if split_special_tokens else set()
        found = {i: token for i, token in self.by_id.items() if token.content not in left_out}
        return Splitter(found, [content for content in kept if content not in left_out], do_lower_case)


class Part(NamedTuple):
    """A stretch `text[start:stop]` of raw text: ordinary text, or one added token with its id."""

    start: int
    stop: int
    token_id: int | None


class Splitter:
    """Find added tokens in raw text.

    `by_id` holds the tokens; `kept` lists those contents that keep their case while the text around them is
    lowered; any other is looked for in lower case. Semantics: Hugging Face transformers 4.57,
    `PreTrainedTokenizer.tokenize`: first the text is lowered, character by character, everywhere but inside special
    tokens; then it is split at the leftmost, longest tokens. (So `<PAD>` in the text is found as `<pad>`.)
    """

    def __init__(self, by_id: Mapping[int, AddedToken], kept: Iterable[str], do_lower_case: bool):
        kept = dict.fromkeys(kept)
        self._by_content: dict[str, tuple[AddedToken, int]] = {}
        for token_id, token in by_id.items():
            content = token.content
            if do_lower_case and content not in kept:
                content = lower_each(content)
            self._by_content.setdefault(content, (token, token_id))
        self._pattern = _any_of(sorted(self._by_content, key=len, reverse=True))
        self._kept = _any_of(kept)
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
        for match in [*filter(self._counts, self._pattern.finditer(text)), None]:
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

    def _counts(self, match: re.Match[str]) -> bool:
        """Whether a token that is found is one: a `single_word` that is part of a longer word is not."""
        if not self._by_content[match.group()][0].single_word:
            return True
        around = match.string[match.start() - 1 : match.start()] + match.string[match.end() : match.end() + 1]
        return not any(map(_is_of_a_word, around))


def _any_of(contents: Iterable[str]) -> re.Pattern[str]:
    """What finds any of these strings, the first of them that fits; nothing if there are none."""
    return re.compile("(" + ("|".join(map(re.escape, contents)) or "(?!)") + ")")


def _is_of_a_word(character: str) -> bool:
    """Whether a character is a letter, a mark on one, a digit or "_"."""
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")

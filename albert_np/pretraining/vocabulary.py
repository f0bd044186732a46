"""What pretraining must know of a vocabulary: the special tokens, and which pieces begin a word."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from albert_np.backend import Ints
from albert_np.pretraining.sentences import ends_sentence

__all__ = ["Tokenizer", "Vocabulary", "starts_word"]


_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_PUNCTUATION = frozenset('!"#$%&()*+,-./:;?@[\\]^_`{|}~')  # ASCII's, without the apostrophe and < = >

# Tokenizers that cut this differently are different, whatever their pieces: case, accents, digits, scores.
_PROBE = "Él said: “In 2010, NAÏVE   readers internationalized ﬁve re-unification plans.”"


class Tokenizer(Protocol):
    """What pretraining asks of a tokenizer; `AlbertTokenizer` has it."""

    cls_token_id: int
    sep_token_id: int
    pad_token_id: int
    mask_token_id: int

    @property
    def all_special_ids(self) -> list[int]: ...

    def __len__(self) -> int: ...

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]: ...

    def encode_lines(self, lines: Sequence[str]) -> Sequence[Ints]: ...


class Vocabulary(NamedTuple):
    """The tables that segments and masks are made with.

    is_special (V,) bool: tokens that are never masked and stand between words. starts_word (V,) bool: see
    `starts_word`. ends_sentence (V,) bool: see `sentences.ends_sentence`. ordinary_ids (V - specials,) int64: what a
    masked token may be replaced with at random.
    fingerprint: hash of the tokens and of what the tokenizer makes of a probe sentence.
    """

    cls_id: int
    sep_id: int
    pad_id: int
    mask_id: int
    is_special: npt.NDArray[np.bool_]
    starts_word: npt.NDArray[np.bool_]
    ends_sentence: npt.NDArray[np.bool_]
    ordinary_ids: npt.NDArray[np.int64]
    fingerprint: str

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer) -> "Vocabulary":
        """Read the tables off a tokenizer.

        Raises ValueError if [CLS], [SEP], the padding token or [MASK] is missing or not an id of its own, or if
        there is no ordinary piece.
        """
        size = len(tokenizer)
        ids = {role: getattr(tokenizer, f"{role}_token_id", None) for role in ("cls", "sep", "pad", "mask")}
        special_ids = np.array(sorted({*tokenizer.all_special_ids}), dtype=np.int64)
        for role, token_id in ids.items():
            shared = list(ids.values()).count(token_id) > 1
            unknown = token_id is not None and token_id == getattr(tokenizer, "unk_token_id", None)
            if token_id is None or shared or unknown or token_id not in special_ids:
                raise ValueError(
                    f"the tokenizer's {role}_token_id is {token_id}: pretraining needs a {role} token with an id of "
                    "its own among the special tokens; train the vocabulary with [CLS], [SEP], <pad> and [MASK]"
                )
        tokens = tokenizer.convert_ids_to_tokens(range(size))
        is_special = np.zeros(size, dtype=bool)
        is_special[special_ids] = True
        if is_special.all():
            raise ValueError(f"the tokenizer has {size} tokens and all of them are special")
        return cls(
            cls_id=tokenizer.cls_token_id,
            sep_id=tokenizer.sep_token_id,
            pad_id=tokenizer.pad_token_id,
            mask_id=tokenizer.mask_token_id,
            is_special=is_special,
            starts_word=np.array([starts_word(token) for token in tokens]) | is_special,
            ends_sentence=np.array([ends_sentence(token) for token in tokens]),
            ordinary_ids=np.flatnonzero(~is_special),
            fingerprint=fingerprint(tokenizer),
        )


def starts_word(piece: str) -> bool:
    """Whether a piece begins a word, for whole-word masks.

    It does if it begins with ▁ (a space), is one punctuation mark, or holds a character that is neither an English
    letter nor such a mark: digits, accented letters, apostrophes and Chinese characters always stand by themselves.
    A piece of English letters without ▁ goes on the word before it. Google's `_is_start_piece_sp`
    (create_pretraining_data.py).
    """
    return piece in _PUNCTUATION or not set(piece.lower()) <= _LETTERS | _PUNCTUATION


def fingerprint(tokenizer: Tokenizer) -> str:
    """A hash that differs for tokenizers that make different ids of a text: of the tokens and a probe sentence."""
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    probe = np.asarray(tokenizer.encode_lines([_PROBE])[0], dtype="<i4")
    return hashlib.sha256("\n".join(tokens).encode() + probe.tobytes()).hexdigest()

"""`tokenizer.json`, the format of the Rust tokenizers: the same Unigram model, described with other means.

The text clean-up is a list of normalizers, and the digit-comma rule is imitated by taking 100 off the score of every
piece that ends in a digit and a comma.
"""

import base64
import re
from pathlib import Path
from typing import Any

from albert_np.tokenization.fields import (
    read_fields,
    read_listed_tokens,
    read_normalizer,
    read_object,
    read_unigram,
    read_words,
)
from albert_np.tokenization.sentencepiece_model import (
    WORD_START,
    Kind,
    ModelProto,
    Piece,
    ends_in_digit_comma,
    unknown_id,
)
from albert_np.tokenization.special_tokens import AddedToken, AddedVocabulary

DIGIT_COMMA_PENALTY = 100.0

Json = dict[str, object]


def read_tokenizer_json(file: Path) -> tuple[ModelProto, dict[str, Any]]:
    """Return the Unigram model and the tokenizer options (`do_lower_case`, `keep_accents`, `added_tokens`).

    Raises ValueError, which names file and field, if the file does not describe a Unigram model.
    """
    content = read_object(file)
    found = read_fields(
        file, content, {"model": read_unigram, "normalizer": read_normalizer, "pre_tokenizer": read_words}
    )
    if "model" not in found:
        raise ValueError(f"{file} holds no model")
    entries, unk_id, byte_fallback = found["model"]
    tokens = read_added_tokens(file, len(entries))
    steps, charsmap = found.get("normalizer", ((), b""))
    special = {i for i, token in tokens.items() if token.special}
    lowest = min((score for text, score in entries if not ends_in_digit_comma(text)), default=0.0)
    pieces = []
    for i, (text, score) in enumerate(entries):
        if ends_in_digit_comma(text) and score < lowest - DIGIT_COMMA_PENALTY / 2:
            score += DIGIT_COMMA_PENALTY
        kind = Kind.UNKNOWN if i == unk_id else Kind.CONTROL if i in special else Kind.NORMAL
        if kind == Kind.NORMAL and byte_fallback and re.fullmatch("<0x[0-9A-F]{2}>", text):
            kind = Kind.BYTE
        elif kind == Kind.NORMAL and score == 0.0:  # a trained piece has the logarithm of a probability below 1
            kind = Kind.USER_DEFINED
        pieces.append(Piece(text, score, kind))
    options = {
        "do_lower_case": "Lowercase" in steps,
        "keep_accents": "StripAccents" not in steps,
        "added_tokens": tokens,
    }
    return ModelProto(pieces, charsmap, byte_fallback, found.get("pre_tokenizer", False)), options


def read_added_tokens(file: Path, pieces: int) -> dict[int, AddedToken]:
    """The added tokens of a tokenizer.json, but for pieces that are cut out of text anyway (user-defined symbols)."""
    found = read_fields(file, read_object(file), {"added_tokens": read_listed_tokens}).get("added_tokens", {})
    return {i: token for i, token in found.items() if token.special or i >= pieces}


# The steps of a pipeline for vocabularies with the "▁" of a word in front of it, and for those with it behind.
METASPACE: Json = {"type": "Metaspace", "replacement": WORD_START, "prepend_scheme": "always", "split": True}
WORDS = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, METASPACE]}
SPACE_BEHIND_STEPS: list[Json] = [
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": WORD_START},
    {"type": "Replace", "pattern": {"Regex": "(?<=.)$"}, "content": WORD_START},
]
SPACE_BEHIND_WORDS = {
    "type": "Split",
    "pattern": {"String": WORD_START},
    "behavior": "MergedWithPrevious",
    "invert": False,
}
SPACE_BEHIND_JOINED: list[Json] = [
    {"type": "Replace", "pattern": {"String": WORD_START}, "content": " "},
    {"type": "Fuse"},
    {"type": "Replace", "pattern": {"Regex": " $"}, "content": ""},
]


def write_tokenizer_json(model: ModelProto, added: AddedVocabulary, do_lower_case: bool, keep_accents: bool) -> Json:
    """Return the content of a `tokenizer.json` with the pipeline of the released ALBERT models."""
    steps: list[Json] = [{"type": "Replace", "pattern": {"String": quotes}, "content": '"'} for quotes in ("``", "''")]
    steps += [] if keep_accents else [{"type": "NFKD"}, {"type": "StripAccents"}]
    steps += [{"type": "Lowercase"}] if do_lower_case else []
    if model.charsmap:
        charsmap = base64.b64encode(model.charsmap).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": charsmap})
    steps += SPACE_BEHIND_STEPS if model.space_behind else []
    words = SPACE_BEHIND_WORDS if model.space_behind else WORDS
    joined: list[Json] = [{"type": "ByteFallback"}] if model.byte_fallback else []
    joined += SPACE_BEHIND_JOINED if model.space_behind else [METASPACE]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, **token.to_json()} for i, token in added.by_id.items()],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": words,
        "post_processor": _template(added),
        "decoder": {"type": "Sequence", "decoders": joined} if len(joined) > 1 else joined[0],
        "model": {
            "type": "Unigram",
            "unk_id": unknown_id(model.pieces),
            "vocab": [[p.text, p.score - DIGIT_COMMA_PENALTY * ends_in_digit_comma(p.text)] for p in model.pieces],
            "byte_fallback": model.byte_fallback,
        },
    }


def _template(added: AddedVocabulary) -> Json:
    """`[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]` with their token types; without tokens of these roles, the texts."""
    tokens = [added.roles[role] for role in ("cls_token", "sep_token") if role in added.roles]

    def special(role: str, token_type: int) -> list[Json]:
        return [{"SpecialToken": {"id": added.roles[role], "type_id": token_type}}] if role in added.roles else []

    first = [*special("cls_token", 0), {"Sequence": {"id": "A", "type_id": 0}}, *special("sep_token", 0)]
    second = [{"Sequence": {"id": "B", "type_id": 1}}, *special("sep_token", 1)]
    return {
        "type": "TemplateProcessing",
        "single": first,
        "pair": first + second,
        "special_tokens": {t: {"id": t, "ids": [added.ids[t]], "tokens": [t]} for t in tokens},
    }

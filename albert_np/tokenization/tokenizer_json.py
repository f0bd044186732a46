"""`tokenizer.json`, the format of the Rust tokenizers: read to rebuild a SentencePiece model, written for others.

The JSON describes the same Unigram model with other means: the text clean-up is a list of normalizers, and the
digit-comma rule is imitated by taking 100 off the score of every piece that ends in a digit and a comma.
"""

import base64
from collections.abc import Mapping
from typing import Any

from albert_np.tokenization.model_proto import Kind, ModelProto, Piece
from albert_np.tokenization.sentencepiece_model import WORD_START, ends_in_digit_comma
from albert_np.tokenization.special_tokens import AddedToken

DIGIT_COMMA_PENALTY = 100.0


def read_tokenizer_json(content: Mapping[str, Any]) -> tuple[ModelProto, dict[str, Any]]:
    """Return the Unigram model and the tokenizer options (`do_lower_case`, `keep_accents`, `added_tokens`).

    Raises ValueError if the file does not describe a Unigram model.
    """
    model = content.get("model")
    if not isinstance(model, Mapping) or not isinstance(model.get("vocab"), list) or model.get("unk_id") is None:
        raise ValueError("tokenizer.json does not describe a Unigram model, which ALBERT's tokenizer is")
    try:
        entries = [(str(text), float(score)) for text, score in model["vocab"]]
        entries[model["unk_id"]]
        tokens = {int(token["id"]): AddedToken.from_json(token) for token in content.get("added_tokens", ())}
        steps = _normalizers(content.get("normalizer"))
        charsmap = base64.b64decode(steps.get("Precompiled", {}).get("precompiled_charsmap") or "")
    except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
        raise ValueError(f"tokenizer.json is damaged: {error!r}") from error
    special = {i for i, token in tokens.items() if token.special}
    lowest = min((score for text, score in entries if not ends_in_digit_comma(text)), default=0.0)
    pieces = []
    for i, (text, score) in enumerate(entries):
        if ends_in_digit_comma(text) and score < lowest - DIGIT_COMMA_PENALTY / 2:
            score += DIGIT_COMMA_PENALTY
        kind = Kind.UNKNOWN if i == model["unk_id"] else Kind.CONTROL if i in special else Kind.NORMAL
        if kind == Kind.NORMAL and score == 0.0:  # a trained piece has the logarithm of a probability below 1
            kind = Kind.USER_DEFINED
        pieces.append(Piece(text, score, kind))
    options = {
        "do_lower_case": "Lowercase" in steps,
        "keep_accents": "StripAccents" not in steps,
        "added_tokens": {i: t for i, t in tokens.items() if t.special or i >= len(entries)},
    }
    return ModelProto(pieces, charsmap), options


def _normalizers(normalizer: Any) -> dict[str, Any]:
    """The steps of a normalizer by type."""
    if not isinstance(normalizer, Mapping):
        return {}
    steps = normalizer["normalizers"] if normalizer.get("type") == "Sequence" else [normalizer]
    return {step["type"]: step for step in steps}


def write_tokenizer_json(
    model: ModelProto,
    added_tokens: Mapping[int, AddedToken],
    cls: tuple[str, int],
    sep: tuple[str, int],
    do_lower_case: bool,
    keep_accents: bool,
) -> dict[str, Any]:
    """Return the content of a `tokenizer.json` with the pipeline of the released ALBERT models."""
    unk_id = next(i for i, piece in enumerate(model.pieces) if piece.kind == Kind.UNKNOWN)
    steps: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": quotes}, "content": '"'} for quotes in ("``", "''")
    ]
    steps += [] if keep_accents else [{"type": "NFKD"}, {"type": "StripAccents"}]
    steps += [{"type": "Lowercase"}] if do_lower_case else []
    if model.charsmap:
        charsmap = base64.b64encode(model.charsmap).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": charsmap})
    metaspace = {"type": "Metaspace", "replacement": WORD_START, "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, **token.to_json()} for i, token in added_tokens.items()],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "post_processor": _template(cls, sep),
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": unk_id,
            "vocab": [[p.text, p.score - DIGIT_COMMA_PENALTY * ends_in_digit_comma(p.text)] for p in model.pieces],
            "byte_fallback": False,
        },
    }


def _template(cls: tuple[str, int], sep: tuple[str, int]) -> dict[str, Any]:
    """`[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]` with their token types."""

    def special(token: tuple[str, int], token_type: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token[0], "type_id": token_type}}

    first = [special(cls, 0), {"Sequence": {"id": "A", "type_id": 0}}, special(sep, 0)]
    second = [{"Sequence": {"id": "B", "type_id": 1}}, special(sep, 1)]
    return {
        "type": "TemplateProcessing",
        "single": first,
        "pair": first + second,
        "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in (cls, sep)},
    }

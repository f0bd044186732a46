"""A tokenizer's folder, in Hugging Face's layout.

The vocabulary lies in `spiece.model`, options and special tokens in JSON files beside it. `tokenizer.json`, the format
of the Rust tokenizers, describes the same Unigram model with other means: the text clean-up is a list of normalizers,
and the digit-comma rule is imitated by taking 100 off the score of every piece that ends in a digit and a comma. It is
read where there is no `spiece.model`, and written for others.
"""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from albert_np.checkpoints import resolve
from albert_np.files import read_json, whole_files
from albert_np.tokenization.sentencepiece_model import (
    WORD_START,
    Kind,
    ModelProto,
    Piece,
    SentencePieceModel,
    ends_in_digit_comma,
    read_model,
    unknown_id,
    write_model,
)
from albert_np.tokenization.special_tokens import AddedToken, AddedVocabulary

VOCABULARY = "spiece.model"
GOOGLES_VOCABULARIES = ("30k-clean.model", "assets/30k-clean.model")  # of a checkpoint, of a TF-Hub module
RUST_VOCABULARY = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
OPTIONS = (
    "do_lower_case",
    "remove_space",
    "keep_accents",
    "model_max_length",
    "padding_side",
    "truncation_side",
    "clean_up_tokenization_spaces",
)
DIGIT_COMMA_PENALTY = 100.0


def read_folder(folder: str | Path) -> tuple[SentencePieceModel, dict[str, Any]]:
    """Return the vocabulary of a folder, and the tokenizer options that its files give.

    folder: a path, or a name on the model hub (`checkpoints.resolve`). Raises OSError if there is no such folder or
    no vocabulary in it, ValueError if a file is damaged or the vocabulary is of another kind.
    """
    path = resolve(folder)
    if not path.is_dir():
        raise NotADirectoryError(f"folder={str(path)!r} is no folder")
    model, options = _read_vocabulary(path)
    config = _read_json(path / CONFIG)
    options |= {name: config[name] for name in OPTIONS if config.get(name) is not None}
    listed, behind = config.get("added_tokens_decoder"), {}
    if listed is None:  # older versions wrote special and added tokens to files of their own
        config |= _read_json(path / SPECIAL_TOKENS)
        behind = _read_json(path / ADDED_TOKENS)
    try:
        roles = {role: _read_token(config[role]) for role in ROLES if config.get(role) is not None}
        additional = [_read_token(token) for token in config.get("additional_special_tokens") or ()]
        if listed is not None:
            added = {int(i): AddedToken.from_json(token) for i, token in listed.items()}
        else:
            specials = {str(token) for token in (*roles.values(), *additional)}
            added = options.get("added_tokens", {}) | {
                int(i): AddedToken.from_json(content, special=content in specials) for content, i in behind.items()
            }
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"the special tokens in {path} are damaged: {error}") from error
    return model, {**options, **roles, "additional_special_tokens": additional, "added_tokens": added}


def _read_token(value: Any) -> str | AddedToken:
    """A string stays one: the tokenizer gives it the flags that fit its role."""
    return value if isinstance(value, str) else AddedToken.from_json(value)


def _read_vocabulary(path: Path) -> tuple[SentencePieceModel, dict[str, Any]]:
    for name in (VOCABULARY, *GOOGLES_VOCABULARIES):
        if (path / name).is_file():
            return SentencePieceModel.from_file(path / name), {}
    if (path / "vocab.txt").is_file():
        raise ValueError(
            f"folder={str(path)!r} holds vocab.txt and no {VOCABULARY}: that is a BertTokenizer vocabulary, "
            "as the Chinese ALBERT models have; AlbertTokenizer cannot read it"
        )
    if (path / RUST_VOCABULARY).is_file():
        model, options = read_tokenizer_json(read_json(path / RUST_VOCABULARY))
        return SentencePieceModel(write_model(model), source=str(path / RUST_VOCABULARY)), options
    raise FileNotFoundError(f"folder={str(path)!r} holds neither {VOCABULARY} nor {RUST_VOCABULARY}")


def _read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object; a file that is not there counts as empty."""
    return read_json(file) if file.is_file() else {}


def write_folder(
    folder: str | os.PathLike[str], model: SentencePieceModel, added: AddedVocabulary, options: Mapping[str, Any]
) -> None:
    """Write a tokenizer into a folder, which is made if need be: all of its files or none.

    `options` are those that `OPTIONS` names. Raises NotADirectoryError if `folder` is a file, ValueError if the model
    is no Unigram model.
    """
    if Path(folder).is_file():
        raise NotADirectoryError(f"folder={str(folder)!r} is a file")
    proto = read_model(model.serialized)
    contents = _describe(added, options, len(model))
    contents[RUST_VOCABULARY] = write_tokenizer_json(proto, added, options["do_lower_case"], options["keep_accents"])
    with whole_files(folder) as hidden:
        (hidden / VOCABULARY).write_bytes(model.serialized)
        for name, content in contents.items():
            text = json.dumps(content, ensure_ascii=False, indent=None if name == RUST_VOCABULARY else 2)
            (hidden / name).write_text(text + "\n", encoding="utf-8", newline="\n")


def _describe(added: AddedVocabulary, options: Mapping[str, Any], vocab_size: int) -> dict[str, Any]:
    """Return the JSON files (name → content) that hold a tokenizer's special tokens and options."""
    additional = {"additional_special_tokens": added.additional} if added.additional else {}
    flagged = {token.content: token.to_json() for token in added.by_id.values() if token.lstrip or token.rstrip}
    config = {
        "tokenizer_class": "AlbertTokenizer",
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **options,
        **added.roles,
        **additional,
        "added_tokens_decoder": {str(i): token.to_json() for i, token in added.by_id.items()},
    }
    contents = {
        CONFIG: config,
        SPECIAL_TOKENS: {role: flagged.get(token, token) for role, token in added.roles.items()} | additional,
    }
    behind = {token.content: i for i, token in added.by_id.items() if i >= vocab_size}
    return {**contents, ADDED_TOKENS: behind} if behind else contents


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
    model: ModelProto, added: AddedVocabulary, do_lower_case: bool, keep_accents: bool
) -> dict[str, Any]:
    """Return the content of a `tokenizer.json` with the pipeline of the released ALBERT models."""
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
        "added_tokens": [{"id": i, **token.to_json()} for i, token in added.by_id.items()],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "post_processor": _template(added.roles["cls_token"], added.roles["sep_token"], added.ids),
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": unknown_id(model.pieces),
            "vocab": [[p.text, p.score - DIGIT_COMMA_PENALTY * ends_in_digit_comma(p.text)] for p in model.pieces],
            "byte_fallback": False,
        },
    }


def _template(cls: str, sep: str, ids: Mapping[str, int]) -> dict[str, Any]:
    """`[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]` with their token types."""

    def special(token: str, token_type: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": token_type}}

    first = [special(cls, 0), {"Sequence": {"id": "A", "type_id": 0}}, special(sep, 0)]
    second = [{"Sequence": {"id": "B", "type_id": 1}}, special(sep, 1)]
    return {
        "type": "TemplateProcessing",
        "single": first,
        "pair": first + second,
        "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in (cls, sep)},
    }

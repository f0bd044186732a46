"""A tokenizer's folder, in Hugging Face's layout.

The vocabulary lies in `spiece.model`, options and special tokens in JSON files beside it. `tokenizer.json`, the format
of the Rust tokenizers, describes the same Unigram model with other means: the text clean-up is a list of normalizers,
and the digit-comma rule is imitated by taking 100 off the score of every piece that ends in a digit and a comma. It is
read where there is no `spiece.model`, and written for others.
"""

import base64
import json
import os
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from albert_np.checkpoints import resolve
from albert_np.files import whole_files
from albert_np.tokenization.attributes import LISTS, ROLES
from albert_np.tokenization.fields import (
    OPTIONS,
    TOKENS,
    read_fields,
    read_id,
    read_listed_tokens,
    read_normalizer,
    read_object,
    read_tokens_by_id,
    read_unigram,
    read_words,
)
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

DIGIT_COMMA_PENALTY = 100.0


def read_folder(folder: str | Path) -> tuple[SentencePieceModel, dict[str, Any]]:
    """Return the vocabulary of a folder, and the tokenizer options that its files give.

    folder: a path, or a name on the model hub (`checkpoints.resolve`). Raises OSError if there is no such folder or
    no vocabulary in it, ValueError, which names file and field, if a file is damaged or the vocabulary is of another
    kind.
    """
    path = resolve(folder)
    if not path.is_dir():
        raise NotADirectoryError(f"folder={str(path)!r} is no folder")
    model, options = _read_vocabulary(path)
    config = read_object(path / CONFIG)
    options |= read_fields(path / CONFIG, config, OPTIONS)
    options |= read_fields(path / CONFIG, config, TOKENS)
    listed = read_fields(path / CONFIG, config, {"added_tokens_decoder": read_tokens_by_id})
    if listed:
        added = listed["added_tokens_decoder"]
    else:  # older versions wrote special and added tokens to files of their own, version 5 to tokenizer.json
        options |= read_fields(path / SPECIAL_TOKENS, read_object(path / SPECIAL_TOKENS), TOKENS)
        added = _behind(
            path / ADDED_TOKENS, {str(options[role]) for role in ROLES if role in options} | _further(options)
        )
        added |= options.get("added_tokens") or _added_tokens(path / RUST_VOCABULARY, len(model))
    contents = {token.content for token in added.values()}
    for role in ROLES:  # what a list of added tokens says of a token holds for its role too
        if str(options.get(role)) in contents:
            options[role] = str(options[role])
    try:
        AddedVocabulary.with_ids(model, added)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return model, {**options, "added_tokens": added}


def _further(options: Mapping[str, Any]) -> set[str]:
    """The tokens of `additional_special_tokens` and `extra_special_tokens`."""
    lists = [options.get(name, ()) for name in LISTS]
    return {str(token) for tokens in lists for token in (tokens.values() if isinstance(tokens, dict) else tokens)}


def _behind(file: Path, special: Container[str]) -> dict[int, AddedToken]:
    """The tokens of added_tokens.json, which gives their ids alone; `special` are those that are known to be."""
    found: dict[int, AddedToken] = {}
    for content, token_id in read_object(file).items():
        try:
            found[read_id(token_id)] = AddedToken.from_json(content, special=content in special)
        except ValueError as error:
            raise ValueError(f"{file}, {content!r}: {error}") from error
    return found


def _added_tokens(file: Path, pieces: int) -> dict[int, AddedToken]:
    """The added tokens of a tokenizer.json, but for pieces that are cut out of text anyway (user-defined symbols)."""
    found = read_fields(file, read_object(file), {"added_tokens": read_listed_tokens}).get("added_tokens", {})
    return {i: token for i, token in found.items() if token.special or i >= pieces}


def _read_vocabulary(path: Path) -> tuple[SentencePieceModel, dict[str, Any]]:
    for name in (VOCABULARY, *GOOGLES_VOCABULARIES):
        if (path / name).is_file():
            return SentencePieceModel.from_file(path / name), {}
    if (path / "vocab.txt").is_file():
        raise ValueError(
            f"folder={str(path)!r} holds vocab.txt and no {VOCABULARY}: that is a BertTokenizer vocabulary, "
            "as the Chinese ALBERT models have; AlbertTokenizer cannot read it"
        )
    file = path / RUST_VOCABULARY
    if file.is_file():
        model, options = read_tokenizer_json(file)
        return SentencePieceModel(write_model(model), source=str(file)), options
    raise FileNotFoundError(f"folder={str(path)!r} holds neither {VOCABULARY} nor {RUST_VOCABULARY}")


def write_folder(folder: str | os.PathLike[str], added: AddedVocabulary, options: Mapping[str, Any]) -> list[str]:
    """Write a tokenizer into a folder, which is made if need be: all of its files or none. Return their names.

    `options` are those that `OPTIONS` names. Raises NotADirectoryError if `folder` is a file, ValueError if the model
    is no Unigram model.
    """
    if Path(folder).is_file():
        raise NotADirectoryError(f"folder={str(folder)!r} is a file")
    proto = read_model(added.model.serialized)
    contents = _describe(added, options)
    if proto.byte_fallback or proto.space_behind:  # version 5 takes a pipeline of its own for "AlbertTokenizer"
        contents[CONFIG]["tokenizer_class"] = "PreTrainedTokenizerFast"
    contents[RUST_VOCABULARY] = write_tokenizer_json(proto, added, options["do_lower_case"], options["keep_accents"])
    with whole_files(folder) as hidden:
        (hidden / VOCABULARY).write_bytes(added.model.serialized)
        for name, content in contents.items():
            text = json.dumps(content, ensure_ascii=False, indent=None if name == RUST_VOCABULARY else 2)
            (hidden / name).write_text(text + "\n", encoding="utf-8", newline="\n")
    if ADDED_TOKENS not in contents:  # of a tokenizer that was here before
        (Path(folder) / ADDED_TOKENS).unlink(missing_ok=True)
    return [*contents, VOCABULARY]


def _describe(added: AddedVocabulary, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON files (name → content) that hold a tokenizer's special tokens and options."""
    additional: dict[str, Any] = {"additional_special_tokens": [*added.additional]} if added.additional else {}
    if named := {role: token for role, token in added.roles.items() if role not in ROLES}:
        additional["extra_special_tokens"] = named
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
    behind = {token.content: i for i, token in added.by_id.items() if i >= len(added.model)}
    return {**contents, ADDED_TOKENS: behind} if behind else contents


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
    tokens = _added_tokens(file, len(entries))
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


# The steps of a pipeline for vocabularies with the "▁" of a word in front of it, and for those with it behind.
METASPACE = {"type": "Metaspace", "replacement": WORD_START, "prepend_scheme": "always", "split": True}
WORDS = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, METASPACE]}
SPACE_BEHIND_STEPS = [
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
SPACE_BEHIND_JOINED = [
    {"type": "Replace", "pattern": {"String": WORD_START}, "content": " "},
    {"type": "Fuse"},
    {"type": "Replace", "pattern": {"Regex": " $"}, "content": ""},
]


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
    steps += SPACE_BEHIND_STEPS if model.space_behind else []
    words = SPACE_BEHIND_WORDS if model.space_behind else WORDS
    joined = [{"type": "ByteFallback"}] if model.byte_fallback else []
    joined += SPACE_BEHIND_JOINED if model.space_behind else [METASPACE]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, **token.to_json()} for i, token in added.by_id.items()],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": words,
        "post_processor": _template(added.roles["cls_token"], added.roles["sep_token"], added.ids),
        "decoder": {"type": "Sequence", "decoders": joined} if len(joined) > 1 else joined[0],
        "model": {
            "type": "Unigram",
            "unk_id": unknown_id(model.pieces),
            "vocab": [[p.text, p.score - DIGIT_COMMA_PENALTY * ends_in_digit_comma(p.text)] for p in model.pieces],
            "byte_fallback": model.byte_fallback,
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

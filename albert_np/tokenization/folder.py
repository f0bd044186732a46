"""A tokenizer's folder, in Hugging Face's layout.

The vocabulary lies in `spiece.model`, options and special tokens in JSON files beside it. `tokenizer.json` is read
where there is no `spiece.model`, and written for others.
"""

import json
import os
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
    read_object,
    read_tokens_by_id,
)
from albert_np.tokenization.sentencepiece_model import (
    SentencePieceModel,
    read_model,
    write_model,
)
from albert_np.tokenization.special_tokens import AddedToken, AddedVocabulary
from albert_np.tokenization.tokenizer_json import read_added_tokens, read_tokenizer_json, write_tokenizer_json

VOCABULARY = "spiece.model"
GOOGLES_VOCABULARIES = ("30k-clean.model", "assets/30k-clean.model")  # of a checkpoint, of a TF-Hub module
RUST_VOCABULARY = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"


def read_folder(folder: str | Path, revision: str | None = None) -> tuple[SentencePieceModel, dict[str, Any]]:
    """Return the vocabulary of a folder, and the tokenizer options that its files give.

    folder, revision: a path, or a name on the model hub and what to take of it (`checkpoints.resolve`). Raises OSError
    if there is no such folder or no vocabulary in it, ValueError, which names file and field, if a file is damaged or
    the vocabulary is of another kind.
    """
    path = resolve(folder, revision)
    if not path.is_dir():
        raise NotADirectoryError(f"folder={str(path)!r} is no folder")
    model, options = _read_vocabulary(path)
    config = read_object(path / CONFIG)
    options |= read_fields(path / CONFIG, config, OPTIONS)
    options |= read_fields(path / CONFIG, config, TOKENS)
    options |= {role: None for role in ROLES if config.get(role, "") is None}
    listed = read_fields(path / CONFIG, config, {"added_tokens_decoder": read_tokens_by_id})
    if listed:
        added = told = listed["added_tokens_decoder"]
    else:  # older versions wrote special and added tokens to files of their own, version 5 to tokenizer.json
        options |= read_fields(path / SPECIAL_TOKENS, read_object(path / SPECIAL_TOKENS), TOKENS)
        added = _behind(
            path / ADDED_TOKENS, {str(options[role]) for role in ROLES if options.get(role)} | _further(options)
        )
        told = options.get("added_tokens") or read_added_tokens(path / RUST_VOCABULARY, len(model))
        added |= told
    contents = {token.content for token in told.values()}
    for role in ROLES:  # what a list of added tokens tells of a token holds for its role too
        if options.get(role) is not None and str(options[role]) in contents:
            options[role] = str(options[role])
    try:
        AddedVocabulary.with_ids(model, added)
    except ValueError as error:
        files = [CONFIG] if listed else [name for name in (ADDED_TOKENS, RUST_VOCABULARY) if (path / name).is_file()]
        raise ValueError(f"{path / files[0]}, {error}") from error
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
            raise ValueError(f"{file}, {content!r:.80}: {str(error)[:400]}") from error
    return found


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
    additional: dict[str, Any] = {"additional_special_tokens": [*added.listed]} if added.listed else {}
    if named := {role: token for role, token in added.roles.items() if role not in ROLES}:
        additional["extra_special_tokens"] = named
    flagged = {t.content: t.to_json() for t in added.by_id.values() if t.lstrip or t.rstrip or t.single_word}
    config = {
        "tokenizer_class": "AlbertTokenizer",
        **options,
        **dict.fromkeys(ROLES),
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

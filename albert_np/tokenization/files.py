"""A tokenizer's folder, in Hugging Face's layout."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from albert_np.checkpoints.hub import resolve
from albert_np.tokenization.model_proto import write_model
from albert_np.tokenization.sentencepiece_model import SentencePieceModel
from albert_np.tokenization.special_tokens import AddedToken, AddedVocabulary
from albert_np.tokenization.tokenizer_json import read_tokenizer_json

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


def read_folder(folder: str | Path) -> tuple[SentencePieceModel, dict[str, Any]]:
    """Return the vocabulary of a folder, and the tokenizer options that its files give.

    folder: a path, or a name on the model hub (`checkpoints.hub.resolve`). Raises OSError if there is no such folder or
    no vocabulary in it, ValueError if a file is damaged or the vocabulary is of another kind.
    """
    path = resolve(folder)
    if not path.is_dir():
        raise NotADirectoryError(f"folder={str(path)!r} is no folder")
    model, options = _read_vocabulary(path)
    config = _read_json(path / CONFIG)
    options |= {name: config[name] for name in OPTIONS if config.get(name) is not None}
    if "added_tokens_decoder" in config:
        options["added_tokens"] = {
            int(i): AddedToken.from_json(token) for i, token in config["added_tokens_decoder"].items()
        }
    else:
        config |= _read_json(path / SPECIAL_TOKENS)
    options |= {role: _token(config[role]) for role in ROLES if config.get(role) is not None}
    options["additional_special_tokens"] = [_token(t) for t in config.get("additional_special_tokens") or ()]
    if "added_tokens_decoder" not in config:
        named = [options.get(role) for role in ROLES] + options["additional_special_tokens"]
        specials = {str(token) for token in named}
        options["added_tokens"] = options.get("added_tokens", {}) | {
            i: AddedToken.from_json(content, special=content in specials)
            for content, i in _read_json(path / ADDED_TOKENS).items()
        }
    return model, options


def _token(value: Any) -> str | AddedToken:
    """A string stays one: the tokenizer gives it the flags that fit its role."""
    return value if isinstance(value, str) else AddedToken.from_json(value)


def describe(added: AddedVocabulary, options: Mapping[str, Any], vocab_size: int) -> dict[str, Any]:
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
        model, options = read_tokenizer_json(_read_json(path / RUST_VOCABULARY))
        return SentencePieceModel(write_model(model), source=str(path / RUST_VOCABULARY)), options
    raise FileNotFoundError(f"folder={str(path)!r} holds neither {VOCABULARY} nor {RUST_VOCABULARY}")


def _read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object; a file that is not there counts as empty."""
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold a JSON object, not {type(content).__name__}")
    return content


def write_folder(folder: str | os.PathLike[str], vocabulary: bytes, contents: Mapping[str, Any]) -> None:
    """Write the vocabulary and the JSON files (name → content) into a folder, which is made if need be."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    texts = {
        name: json.dumps(content, ensure_ascii=False, indent=None if name == RUST_VOCABULARY else 2) + "\n"
        for name, content in contents.items()
    }
    (path / VOCABULARY).write_bytes(vocabulary)
    for name, text in texts.items():
        (path / name).write_text(text, encoding="utf-8")

"""What may stand in the JSON files of a tokenizer: one reader for each field, and one error that names it.

A reader returns the value of a field as the tokenizer takes it, or raises TypeError or ValueError that says what is
allowed; `read_fields` puts file and field in front.
"""

import base64
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from albert_np.files import read_json
from albert_np.tokenization.arguments import SIDES, check_input_names, check_sampling
from albert_np.tokenization.attributes import ROLES
from albert_np.tokenization.special_tokens import AddedToken, is_unicode

LARGEST_FILE = 64 * 2**20  # bytes; a tokenizer.json of 250,000 pieces has 17 million
LARGEST_SCORE = 1e30
LARGEST_LENGTH = 10**31  # Hugging Face writes a little more than 10**30 where there is no limit


def read_flag(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise TypeError(f"must be true or false, got {value!r}")
    return value


def read_length(value: Any) -> int:
    """A number of tokens; one like 1e30 stands for no limit."""
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not is_whole or not 1 <= value <= LARGEST_LENGTH:
        raise ValueError(f"must be a whole number from 1 to {LARGEST_LENGTH:.0e}, got {value!r}")
    return int(value)


def read_side(value: object) -> str:
    """ "right" or "left"."""
    if value not in SIDES:
        raise ValueError(f"must be {' or '.join(map(repr, SIDES))}, got {value!r}")
    return str(value)


def read_input_names(value: object) -> list[str]:
    """A list of the names of columns."""
    return check_input_names("this", value)


def read_sampling(value: object) -> dict[str, object]:
    """An object with the arguments of SentencePiece's sampling."""
    return check_sampling("this", value)


def read_token(value: object) -> str | AddedToken:
    """A string, or an object with `content`; a string stays one, as its role says which flags it has."""
    token = AddedToken.from_json(value)
    return value if isinstance(value, str) else token


def read_tokens(value: object) -> list[str | AddedToken]:
    """A list of tokens."""
    if not isinstance(value, list):
        raise TypeError(f"must be a list of tokens, got {value!r}")
    return [read_token(token) for token in value]


def read_tokens_or_names(value: object) -> list[str | AddedToken] | dict[str, str | AddedToken]:
    """A list of tokens, or an object name → token."""
    return {name: read_token(token) for name, token in value.items()} if isinstance(value, dict) else read_tokens(value)


def read_tokens_by_id(value: object) -> dict[int, AddedToken]:
    """An object id → token."""
    if not isinstance(value, dict):
        raise TypeError(f"must be an object of ids and tokens, got {value!r}")
    ids = {i: int(i) if re.fullmatch("[0-9]{1,10}", i) else i for i in value}  # JSON has strings as keys
    return {read_id(ids[i]): AddedToken.from_json(token) for i, token in value.items()}


def read_listed_tokens(value: object) -> dict[int, AddedToken]:
    """A list of tokens that are objects with an id, as in tokenizer.json."""
    if not isinstance(value, list) or not all(isinstance(token, dict) for token in value):
        raise TypeError("must be a list of objects")
    return {read_id(token.get("id")): AddedToken.from_json(token, special=False) for token in value}


def read_unigram(value: object) -> tuple[list[tuple[str, float]], int, bool]:
    """The model of a tokenizer.json: pieces with scores, the id of the unknown one, and whether it cuts bytes."""
    if not isinstance(value, dict) or not isinstance(value.get("vocab"), list) or value.get("unk_id") is None:
        raise ValueError("it is no Unigram model, which ALBERT's tokenizer is")
    entries = [_read_piece(i, entry) for i, entry in enumerate(value["vocab"])]
    if read_id(value["unk_id"]) >= len(entries):
        raise ValueError(f"unk_id must be below {len(entries)}, the number of pieces, got {value['unk_id']}")
    return entries, value["unk_id"], read_flag(value.get("byte_fallback", False))


def _read_piece(i: int, entry: object) -> tuple[str, float]:
    if isinstance(entry, list) and len(entry) == 2:
        text, score = entry
        is_number = isinstance(score, (int, float)) and not isinstance(score, bool) and abs(score) < LARGEST_SCORE
        if isinstance(text, str) and text and is_unicode(text) and is_number:
            return text, float(score)
    raise ValueError(f"vocab[{i}] must be a list of a string and a finite number, got {entry!r}")


def read_normalizer(value: object) -> tuple[set[str], bytes]:
    """The normalizer of a tokenizer.json: the types of its steps, and SentencePiece's table of characters, if any."""
    steps = value.get("normalizers") if isinstance(value, dict) and value.get("type") == "Sequence" else [value]
    if not isinstance(steps, list) or not all(isinstance(s, dict) and isinstance(s.get("type"), str) for s in steps):
        raise ValueError("must be an object with a 'type', or a 'Sequence' of those")
    tables = [step.get("precompiled_charsmap") or "" for step in steps if step["type"] == "Precompiled"]
    return {step["type"] for step in steps}, base64.b64decode(tables[0] if tables else "", validate=True)


def read_words(value: object) -> bool:
    """The pre-tokenizer of a tokenizer.json: whether the "▁" of a word stays behind it."""
    return isinstance(value, dict) and value.get("type") == "Split" and value.get("behavior") == "MergedWithPrevious"


def read_id(value: object) -> int:
    """A token id."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError(f"a token id must be a whole number from 0 to {2**31 - 1}, got {value!r}")
    return value


OPTIONS: dict[str, Callable[[object], Any]] = {
    "do_lower_case": read_flag,
    "remove_space": read_flag,
    "keep_accents": read_flag,
    "model_max_length": read_length,
    "padding_side": read_side,
    "truncation_side": read_side,
    "clean_up_tokenization_spaces": read_flag,
    "split_special_tokens": read_flag,
    "model_input_names": read_input_names,
    "sp_model_kwargs": read_sampling,
}
TOKENS: dict[str, Callable[[object], Any]] = {
    **dict.fromkeys(ROLES, read_token),
    "additional_special_tokens": read_tokens,
    "extra_special_tokens": read_tokens_or_names,
}


def read_fields(
    file: Path, content: Mapping[str, object], readers: Mapping[str, Callable[[object], Any]]
) -> dict[str, Any]:
    """Return those fields of a file's content that it has, and that are not null.

    Raises ValueError, which names file and field, if one does not hold what it may.
    """
    found = {}
    for name, reader in readers.items():
        if content.get(name) is not None:
            try:
                found[name] = reader(content[name])
            except (TypeError, ValueError) as error:
                raise ValueError(f"{file}, {name}: {str(error)[:400]}") from error  # which may quote a long value
    return found


def read_object(file: Path) -> dict[str, Any]:
    """Read a JSON object; a file that is not there counts as empty. Raises ValueError, which names the file."""
    if not file.is_file():
        return {}
    if file.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, more than a tokenizer's file can have")
    return read_json(file, max_bytes=LARGEST_FILE)

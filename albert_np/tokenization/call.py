"""The arguments of a tokenizer call, checked before any work starts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from albert_np.tokenization.truncation import Limits

Text = str | Sequence[str]  # a text, or one that is already cut into words

TRUNCATIONS = ("do_not_truncate", "longest_first", "longest_first_fast", "only_first", "only_second")
PADDINGS = ("do_not_pad", "longest", "max_length")
SIDES = ("right", "left")
UNBOUNDED = 10**20  # a model_max_length above this is Hugging Face's way to write "none"


class Inputs(NamedTuple):
    """The texts of a call: lists, whether one text or a batch of them was given."""

    firsts: list[Text]
    seconds: list[Text] | None
    batched: bool


def read_inputs(text: Any, text_pair: Any, split_into_words: bool) -> Inputs:
    """Sort out what was given: one text, a batch, pairs; as strings or as lists of words.

    Raises TypeError or ValueError that says what is allowed.
    """
    batched = _is_batch("text", text, split_into_words)
    if text_pair is None:
        if batched and not split_into_words and text and not isinstance(text[0], str):
            text, text_pair = _unzip(text)
    elif batched != _is_batch("text_pair", text_pair, split_into_words):
        raise TypeError("text and text_pair must both be single texts or both be batches")
    elif batched and len(text) != len(text_pair):
        raise ValueError(f"text has {len(text)} entries and text_pair {len(text_pair)}; they must be as many")
    firsts = list(text) if batched else [text]
    seconds = None if text_pair is None else list(text_pair) if batched else [text_pair]
    for name, texts in (("text", firsts), ("text_pair", seconds or [])):
        check_texts(name, texts, split_into_words)
    return Inputs(firsts, seconds, batched)


def _is_batch(name: str, text: Any, split_into_words: bool) -> bool:
    if isinstance(text, str) and not split_into_words:
        return False
    if not isinstance(text, (list, tuple)):
        wanted = "a list of words or a list of such lists" if split_into_words else "a string or a list of strings"
        raise TypeError(f"{name} must be {wanted}, got {type(text).__name__}")
    return not split_into_words or (len(text) > 0 and not isinstance(text[0], str))


def _unzip(pairs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Turn a batch of (text, text) pairs into two batches."""
    for i, pair in enumerate(pairs):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise TypeError(f"text[{i}] must be a string or, if all of them are, a pair of strings; got {pair!r}")
    firsts, seconds = zip(*pairs, strict=True)
    return list(firsts), list(seconds)


def check_texts(name: str, texts: Any, split_into_words: bool = False) -> None:
    """Raise TypeError unless `texts` are strings, or lists of words."""
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a sequence of strings, not one string")
    for i, text in enumerate(texts):
        if not split_into_words:
            if not isinstance(text, str):
                raise TypeError(f"{name}[{i}] must be a string, got {type(text).__name__}")
        elif not isinstance(text, (list, tuple)) or not all(isinstance(word, str) for word in text):
            raise TypeError(f"{name}[{i}] must be a list of words (is_split_into_words=True), got {text!r}")


def read_limits(
    truncation: bool | str | None, max_length: int, side: str, stride: int, specials: int, pair: bool, overflow: bool
) -> Limits | None:
    """Translate the truncation arguments; None where nothing is cut. Raises ValueError for a contradiction."""
    check_int("stride", stride, least=0)
    if isinstance(truncation, bool) or truncation is None:
        strategy = "longest_first" if truncation else "do_not_truncate"
    else:
        strategy = check_choice("truncation", truncation, TRUNCATIONS)
    if strategy == "do_not_truncate":
        return None
    if strategy == "only_second" and not pair:
        raise ValueError("truncation='only_second' needs a second text to cut: give text_pair")
    if overflow and pair and strategy.startswith("longest_first"):
        raise ValueError("overflowing tokens of pairs need truncation='only_first' or 'only_second'")
    if max_length <= specials:
        raise ValueError(f"max_length={max_length} leaves no room beside {specials} special tokens")
    return Limits(strategy, max_length, side, stride)


def read_padding(padding: bool | str, max_length: int, multiple: int | None, truncated: bool) -> str:
    """Translate `padding`. Raises ValueError if the width is not defined, or contradicts the truncation."""
    check_int("pad_to_multiple_of", multiple, least=1)
    if isinstance(padding, bool):
        strategy = "longest" if padding else "do_not_pad"
    else:
        strategy = check_choice("padding", padding, PADDINGS)
    if strategy == "max_length" and max_length > UNBOUNDED:
        raise ValueError("padding='max_length' needs max_length, as this tokenizer has no model_max_length")
    if truncated and multiple and strategy != "do_not_pad" and max_length % multiple:
        raise ValueError(f"max_length={max_length} is no multiple of pad_to_multiple_of={multiple}")
    return strategy


def check_choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Return `value`. Raises ValueError if it is not one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {value!r}")
    return str(value)


def check_int(name: str, value: Any, least: int) -> None:
    """Raise TypeError or ValueError unless `value` is None or an integer of at least `least`."""
    if value is None:
        return
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")

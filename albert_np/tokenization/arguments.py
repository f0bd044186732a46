"""What a tokenizer is given, checked before any work starts: texts, truncation, padding."""

from collections.abc import Sequence
from operator import index
from typing import NamedTuple, SupportsIndex

from albert_np.tokenization.batch import Limits, Padding
from albert_np.tokenization.encoder import Text

TRUNCATIONS = ("do_not_truncate", "longest_first", "longest_first_fast", "only_first", "only_second")
PADDINGS = ("do_not_pad", "longest", "max_length")
SIDES = ("right", "left")
UNBOUNDED = 10**20  # a model_max_length above this is Hugging Face's way to write "none"


class Inputs(NamedTuple):
    """The texts of a call: first texts, second texts (None without pairs), and whether a batch of them was given."""

    firsts: list[Text]
    seconds: list[Text] | None
    batched: bool


def read_inputs(text: Text | Sequence[Text], text_pair: Text | Sequence[Text] | None, as_words: bool) -> Inputs:
    """Sort out what was given: one text, a batch, pairs; as strings or, with `as_words`, as lists of words.

    Raises TypeError or ValueError that says what is allowed.
    """
    firsts, batched = _texts("text", text, as_words)
    seconds: list[Text] | None = None
    if text_pair is not None:
        seconds, both = _texts("text_pair", text_pair, as_words)
        if batched != both:
            raise TypeError("text and text_pair must both be single texts or both be batches")
        if len(firsts) != len(seconds):
            raise ValueError(f"text has {len(firsts)} entries and text_pair {len(seconds)}; they must be as many")
    elif batched and not as_words and firsts and not isinstance(firsts[0], str):
        firsts, seconds = _unzip(firsts)
    check_texts("text", firsts, as_words)
    check_texts("text_pair", seconds or [], as_words)
    return Inputs(firsts, seconds, batched)


def _texts(name: str, given: Text | Sequence[Text], as_words: bool) -> tuple[list[Text], bool]:
    """Return what was given as a list, and whether it was a batch."""
    if isinstance(given, str) and not as_words:
        return [given], False
    if not isinstance(given, (list, tuple)):
        wanted = "a list of words or a list of such lists" if as_words else "a string or a list of strings"
        raise TypeError(f"{name} must be {wanted}, got {type(given).__name__}")
    batched = not as_words or (len(given) > 0 and not isinstance(given[0], str))
    return list(given) if batched else [given], batched


def _unzip(pairs: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    """Turn a batch of (text, text) pairs into two batches."""
    for i, pair in enumerate(pairs):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise TypeError(f"text[{i}] must be a string or, if all of them are, a pair of strings; got {pair!r}")
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def check_texts(name: str, texts: Sequence[Text], as_words: bool = False) -> None:
    """Raise TypeError unless `texts` are strings or, with `as_words`, lists of words."""
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a sequence of strings, not one string")
    for i, text in enumerate(texts):
        if not as_words:
            if not isinstance(text, str):
                raise TypeError(f"{name}[{i}] must be a string, got {type(text).__name__}")
        elif not isinstance(text, (list, tuple)) or not all(isinstance(word, str) for word in text):
            raise TypeError(f"{name}[{i}] must be a list of words (is_split_into_words=True), got {text!r}")


def read_limits(
    truncation: bool | str | None,
    max_length: int,
    side: str,
    stride: int,
    special_count: int,
    paired: bool,
    overflowing: bool,
) -> Limits | None:
    """Read the arguments of truncation; None where nothing is cut. Raises ValueError for a contradiction."""
    check_int("stride", stride, least=0)
    if isinstance(truncation, bool) or truncation is None:
        strategy = "longest_first" if truncation else "do_not_truncate"
    else:
        strategy = check_choice("truncation", truncation, TRUNCATIONS)
    if strategy == "do_not_truncate":
        return None
    if strategy == "only_second" and not paired:
        raise ValueError("truncation='only_second' needs a second text to cut: give text_pair")
    if overflowing and paired and strategy.startswith("longest_first"):
        raise ValueError("overflowing tokens of pairs need truncation='only_first' or 'only_second'")
    if max_length <= special_count:
        raise ValueError(f"max_length={max_length} leaves no room beside {special_count} special tokens")
    return Limits(strategy, max_length, max_length - special_count, side, stride)


def read_padding(
    padding: bool | str,
    max_length: int,
    multiple: int | None,
    side: str,
    pad_id: int,
    return_tensors: str | None,
    truncated: bool,
) -> Padding:
    """Read the arguments of padding. Raises ValueError if the width is not defined, or contradicts the truncation."""
    check_int("pad_to_multiple_of", multiple, least=1)
    if isinstance(padding, bool):
        strategy = "longest" if padding else "do_not_pad"
    else:
        strategy = check_choice("padding", padding, PADDINGS)
    if strategy == "max_length" and max_length > UNBOUNDED:
        raise ValueError("padding='max_length' needs max_length, as this tokenizer has no model_max_length")
    if truncated and multiple and strategy != "do_not_pad" and max_length % multiple:
        raise ValueError(f"max_length={max_length} is no multiple of pad_to_multiple_of={multiple}")
    check_choice("padding_side", side, SIDES)
    if return_tensors is not None:
        check_choice("return_tensors", return_tensors, ("np",))
    return Padding(strategy, max_length, multiple, side, pad_id, return_tensors == "np")


def check_choice(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return `value`. Raises ValueError if it is not one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {value!r}")
    return value


def check_int(name: str, value: object, least: int) -> None:
    """Raise TypeError or ValueError unless `value` is None or an integer of at least `least`."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if index(value) < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")

"""What a tokenizer is given, checked before any work starts: texts, options, truncation, padding."""

from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any, NamedTuple, SupportsIndex, TypedDict, cast

from albert_np.schema import check_flag, listed
from albert_np.tokenization.batch import Limits, Padding
from albert_np.tokenization.elsewhere import CALLS
from albert_np.tokenization.encoder import Text
from albert_np.tokenization.special_tokens import is_unicode

TRUNCATIONS = ("do_not_truncate", "longest_first", "longest_first_fast", "only_first", "only_second")
PADDINGS = ("do_not_pad", "longest", "max_length")
SIDES = ("right", "left")
UNBOUNDED = 10**20  # a model_max_length above this is Hugging Face's way to write "none"

Pair = tuple[Text, Text] | list[Text]


class CallOptions(TypedDict, total=False):
    """The options of a call, by name; None stands for the default. `AlbertTokenizer.__call__` says what they do."""

    add_special_tokens: bool | None
    padding: bool | str | None
    truncation: bool | str | None
    max_length: int | None
    stride: int | None
    is_split_into_words: bool | None
    pad_to_multiple_of: int | None
    padding_side: str | None
    return_tensors: str | None
    return_token_type_ids: bool | None
    return_attention_mask: bool | None
    return_overflowing_tokens: bool | None
    return_special_tokens_mask: bool | None
    return_offsets_mapping: bool | None
    return_length: bool | None
    split_special_tokens: bool | None


DEFAULTS: CallOptions = {
    "add_special_tokens": True,
    "padding": False,
    "truncation": None,
    "max_length": None,
    "stride": 0,
    "is_split_into_words": False,
    "pad_to_multiple_of": None,
    "padding_side": None,
    "return_tensors": None,
    "return_token_type_ids": None,
    "return_attention_mask": None,
    "return_overflowing_tokens": False,
    "return_special_tokens_mask": False,
    "return_offsets_mapping": False,
    "return_length": False,
    "split_special_tokens": None,
}
NO_FLAGS = ("padding", "truncation", "max_length", "stride", "pad_to_multiple_of", "padding_side", "return_tensors")
SAMPLING = ("enable_sampling", "nbest_size", "alpha")
INPUT_NAMES = ("input_ids", "token_type_ids", "attention_mask")


def read_options(options: CallOptions) -> CallOptions:
    """Fill in the defaults. Raises TypeError for an option that there is not, and for a flag that is no bool."""
    given: Mapping[str, object] = options
    if unknown := [name for name in given if name not in DEFAULTS]:
        hint = CALLS.get(unknown[0], f"these are: {', '.join(DEFAULTS)}")
        raise TypeError(f"{unknown[0]!r} is no option of a tokenizer's call; {hint}")
    filled: dict[str, object] = {**DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    for name, value in filled.items():
        if value is not None and name not in NO_FLAGS:
            filled[name] = check_flag(name, value)
    return cast(CallOptions, filled)


class Inputs(NamedTuple):
    """The texts of a call: first texts, second texts (None without any pair), and whether a batch of them was given."""

    firsts: list[Text]
    seconds: list[Text | None] | None
    batched: bool


def read_inputs(text: Text | Sequence[Text | Pair], text_pair: Text | Sequence[Text] | None, as_words: bool) -> Inputs:
    """Sort out what was given: one text, a batch, pairs; as strings or, with `as_words`, as lists of words.

    Raises TypeError or ValueError that says what is allowed.
    """
    firsts, batched = _texts("text", text, as_words)
    seconds: list[Text | None] | None = None
    if text_pair is not None:
        seconds, both = _texts("text_pair", text_pair, as_words)
        if batched != both:
            raise TypeError("text and text_pair must both be single texts or both be batches")
        if len(firsts) != len(seconds):
            raise ValueError(f"text has {len(firsts)} entries and text_pair {len(seconds)}; they must be as many")
    elif batched and any(_is_pair(entry, as_words) for entry in firsts):
        pairs = [entry if _is_pair(entry, as_words) else (entry, None) for entry in firsts]
        firsts, seconds = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    for name, texts in (("text", firsts), ("text_pair", seconds or [])):
        for i, entry in enumerate(texts):
            if entry is not None or texts is firsts:
                check_text(f"{name}[{i}]" if batched else name, entry, as_words)
    return Inputs(firsts, seconds, batched)


def _texts(name: str, given: object, as_words: bool) -> tuple[list[Any], bool]:
    """Return what was given as a list, and whether it was a batch."""
    if isinstance(given, str) and not as_words:
        return [given], False
    if not isinstance(given, (list, tuple)):
        wanted = "a list of words or a list of such lists" if as_words else "a string or a list of strings"
        raise TypeError(f"{name} must be {wanted}, got {type(given).__name__}")
    batched = not as_words or (len(given) > 0 and not isinstance(given[0], str))
    return list(given) if batched else [given], batched


def _is_pair(entry: object, as_words: bool) -> bool:
    """Whether an entry of a batch is a pair of texts, not one text."""
    single = (str,) if not as_words else (list, tuple)
    return isinstance(entry, (list, tuple)) and len(entry) == 2 and all(isinstance(text, single) for text in entry)


def check_texts(name: str, texts: Sequence[str]) -> None:
    """Raise TypeError unless `texts` are strings, ValueError if one is no Unicode."""
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a sequence of strings, not one string")
    if not isinstance(texts, Iterable):
        raise TypeError(f"{name} must be a sequence of strings, got {texts!r:.80}")
    for i, text in enumerate(texts):
        check_text(f"{name}[{i}]", text)


def check_text(place: str, text: object, as_words: bool = False) -> None:
    """Raise TypeError unless this is a string or, with `as_words`, a list of strings; ValueError if no Unicode."""
    if as_words:
        if not isinstance(text, (list, tuple)) or not all(isinstance(word, str) for word in text):
            raise TypeError(f"{place} must be a list of words (is_split_into_words=True), got {text!r}")
        if not is_unicode("".join(text)):
            for i, word in enumerate(text):
                check_text(f"{place}[{i}]", word)
    elif not isinstance(text, str):
        pair = " or a pair of strings" if isinstance(text, (list, tuple)) else ""
        raise TypeError(f"{place} must be a string{pair}, got {type(text).__name__}{f' {text!r}' if pair else ''}")
    elif not is_unicode(text):
        at = next(i for i, character in enumerate(text) if not is_unicode(character))
        raise ValueError(
            f"{place} is no Unicode text: the lone surrogate {text[at]!r} at place {at}; decode the bytes that it came "
            "from with their encoding, or with errors='replace'"
        )


class Asked(NamedTuple):
    """What a call asks for: special tokens, columns, how rows are cut and filled up, and windows as rows."""

    special: bool
    columns: list[str]
    limits: Limits | None
    padding: Padding
    overflowing: bool


def read_asked(
    options: CallOptions,
    paired: bool,
    model_max_length: int,
    sides: tuple[str, str],
    pad_id: int | None,
    input_names: Sequence[str],
) -> Asked:
    """Read the options of a call, filled in by `read_options`; `sides`: where a tokenizer cuts and fills up.

    input_names: the columns that come back unless a call says otherwise. Raises TypeError or ValueError for what is not
    allowed.
    """
    given: Mapping[str, Any] = options
    truncation, padding, max_length = given["truncation"], given["padding"], given["max_length"]
    check_int("max_length", max_length, least=1)
    if truncation is None and max_length is not None and padding is False:
        truncation = True
    length = model_max_length if max_length is None else max_length
    overflowing = given["return_overflowing_tokens"]
    limits = read_limits(truncation, length, sides[0], given["stride"], paired, overflowing)
    side = sides[1] if given["padding_side"] is None else given["padding_side"]
    fill = read_padding(
        padding, length, given["pad_to_multiple_of"], side, pad_id, given["return_tensors"], limits is not None
    )

    def returned(name: str) -> bool:
        told: bool | None = given[f"return_{name}"]
        return name in input_names if told is None else told

    asked = {
        "input_ids": True,
        "token_type_ids": returned("token_type_ids"),
        "attention_mask": returned("attention_mask"),
        "special_tokens_mask": given["return_special_tokens_mask"],
        "offset_mapping": given["return_offsets_mapping"],
        "length": given["return_length"],
        "overflow_to_sample_mapping": overflowing,
    }
    return Asked(given["add_special_tokens"], [name for name in asked if asked[name]], limits, fill, overflowing)


def read_limits(
    truncation: bool | str | None,
    max_length: int,
    side: str,
    stride: int,
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
    return Limits(strategy, max_length, side, stride if overflowing else 0)


def read_padding(
    padding: bool | str,
    max_length: int,
    multiple: int | None,
    side: str,
    pad_id: int | None,
    return_tensors: str | None,
    truncated: bool,
) -> Padding:
    """Read the arguments of padding; `pad_id` is None where no token fills up.

    Raises ValueError if nothing fills up, or if the width is not defined or contradicts the truncation.
    """
    check_int("pad_to_multiple_of", multiple, least=1)
    if isinstance(padding, bool):
        strategy = "longest" if padding else "do_not_pad"
    else:
        strategy = check_choice("padding", padding, PADDINGS)
    if strategy != "do_not_pad" and pad_id is None:
        raise ValueError(
            f"padding={padding!r}: this tokenizer has no pad_token to fill up with; set it, or padding=False"
        )
    if strategy == "max_length" and max_length > UNBOUNDED:
        raise ValueError("padding='max_length' needs max_length, as this tokenizer has no model_max_length")
    if truncated and multiple and strategy != "do_not_pad" and max_length % multiple:
        raise ValueError(f"max_length={max_length} is no multiple of pad_to_multiple_of={multiple}")
    check_choice("padding_side", side, SIDES)
    if return_tensors not in (None, "np"):
        hint = ": torch.from_numpy makes tensors of arrays" if return_tensors == "pt" else ""
        raise ValueError(f"return_tensors must be 'np' or None, got {return_tensors!r}{hint}")
    return Padding(strategy, max_length, multiple, side, pad_id or 0, return_tensors == "np")


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


def check_id(value: SupportsIndex) -> int:
    """Return a token id as Python's integer. Raises TypeError for anything else, 1.5 among it."""
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"a token id is an integer, got {value!r:.80}") from None


def check_ids(value: Any) -> None:
    """Raise TypeError for ids that are no list of them, such as one string of digits."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"ids must be an integer or a list of integers, got {value!r:.80}")


def check_length(name: str, value: int) -> int:
    """Return a number of tokens, at least 1. Raises TypeError or ValueError for anything else."""
    check_int(name, value, least=1)
    if value is None:
        raise TypeError(f"{name} must be an integer, got None")
    return index(value)


def check_sampling(name: str, value: object) -> dict[str, object]:
    """Return the arguments of SentencePiece's sampling, none if it is off. Raises TypeError or ValueError otherwise."""
    given = {} if value is None else value
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be names and values, got {value!r}")
    if unknown := [key for key in given if key not in SAMPLING]:
        raise ValueError(f"{name}: {unknown[0]!r} is not among {', '.join(map(repr, SAMPLING))}")
    check_flag(f"{name}['enable_sampling']", given.get("enable_sampling", False))
    check_int(f"{name}['nbest_size']", given.get("nbest_size"), least=-1)
    alpha = given.get("alpha", 0.1)
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 <= alpha < float("inf"):
        raise ValueError(f"{name}['alpha'] must be a number from 0 up, got {alpha!r}")
    return dict(given)


def check_names(name: str, value: object, known: Iterable[str]) -> dict[str, str]:
    """Return a mapping of `known` names to new ones. Raises TypeError or ValueError for anything else."""
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for pair in value.items() for each in pair):
        raise TypeError(f"{name} must be a dict old name → new name, got {value!r:.80}")
    if stray := [old for old in value if old not in known]:
        raise ValueError(f"{name}: there is no token {stray[0]!r:.80}; these are {listed(list(known))}")
    return dict(value)


def check_input_names(name: str, value: object) -> list[str]:
    """Return names of columns, "input_ids" first. Raises ValueError for anything else."""
    names = list(value) if isinstance(value, (list, tuple)) else []
    if not names or names[0] != "input_ids" or len({*names}) < len(names) or not {*names} <= {*INPUT_NAMES}:
        raise ValueError(
            f"{name} must be a list of 'input_ids' and, behind it, some of {INPUT_NAMES[1:]}; got {value!r}"
        )
    return names


def check_side(name: str, value: str) -> str:
    """Return "right" or "left". Raises ValueError for anything else."""
    return check_choice(name, value, SIDES)

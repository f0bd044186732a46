"""Which tokens of a text stay when it is too long."""

from collections.abc import Iterator
from typing import NamedTuple


class Limits(NamedTuple):
    """How rows are held to a length.

    `strategy`: which text is cut; `max_length`: tokens in a row, special ones included; `side`: the end that is
    cut off; `stride`: tokens that neighbouring windows share.
    """

    strategy: str
    max_length: int
    side: str
    stride: int


def windows(n_first: int, n_second: int | None, room: int, limits: Limits) -> Iterator[tuple[slice, slice]]:
    """Yield what each row keeps of two texts of `n_first` and `n_second` tokens that exceed `room`.

    The first window is what truncation keeps; the following ones hold the rest, each as wide and sharing
    `stride` tokens with the one before (Rust tokenizers, `Encoding::truncate`). Raises ValueError if nothing of
    the text would be left, or nothing beside the stride.
    """
    everything = slice(None)
    excess = n_first + (n_second or 0) - room
    if n_second is None or limits.strategy == "only_first":
        for window in _sliding(n_first, n_first - excess, limits):
            yield window, everything
    elif limits.strategy == "only_second":
        for window in _sliding(n_second, n_second - excess, limits):
            yield everything, window
    else:
        share = fast_shares if limits.strategy == "longest_first_fast" else slow_shares
        keep_first, keep_second = share(n_first, n_second, room)
        yield _kept(n_first, keep_first, limits.side), _kept(n_second, keep_second, limits.side)


def _kept(length: int, keep: int, side: str) -> slice:
    """The part of a text that stays when it is cut on `side`."""
    return slice(0, keep) if side == "right" else slice(length - keep, length)


def _sliding(length: int, keep: int, limits: Limits) -> Iterator[slice]:
    """Yield windows of `keep` tokens, from the end of the text that truncation keeps to the other."""
    if keep <= 0:
        raise ValueError(
            f"max_length={limits.max_length} with truncation={limits.strategy!r}: all {length} tokens of the text "
            f"and {-keep} more would have to go; raise max_length or choose 'longest_first'"
        )
    if limits.stride >= keep:
        raise ValueError(
            f"stride={limits.stride} must be less than the {keep} tokens that max_length leaves to a window"
        )
    for moved in range(0, length, keep - limits.stride):
        stop = min(moved + keep, length)
        yield slice(moved, stop) if limits.side == "right" else slice(length - stop, length - moved)
        if stop == length:
            return


def slow_shares(n_first: int, n_second: int, room: int) -> tuple[int, int]:
    """What longest_first keeps of two texts: level the longer one down, then take from both in turn.

    Source: Hugging Face transformers 4.57, `PreTrainedTokenizerBase.truncate_sequences`.
    """
    excess = n_first + n_second - room
    level = min(abs(n_first - n_second), excess)
    rest = excess - level
    if n_first > n_second:
        return n_first - level - rest // 2, n_second - (rest - rest // 2)
    return n_first - rest // 2, n_second - level - (rest - rest // 2)


def fast_shares(n_first: int, n_second: int, room: int) -> tuple[int, int]:
    """What longest_first keeps of two texts in the Rust tokenizers, which give an odd token to the longer text.

    Source: tokenizers 0.22, `truncate_encodings`.
    """
    shorter, longer = sorted((n_first, n_second))
    longer = shorter if shorter > room else max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room - room // 2
    return (longer, shorter) if n_first > n_second else (shorter, longer)

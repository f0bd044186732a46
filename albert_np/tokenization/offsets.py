"""Where in the source every piece came from."""

from collections.abc import Container, Sequence

from albert_np.tokenization.normalization import Spans


def piece_offsets(
    pieces: Sequence[str], text: str, alignment: Spans, spans: Spans, blanks: Container[str]
) -> list[tuple[int, int]]:
    """Return start and end, in the source, of each piece.

    `alignment` are the spans in `text` of the characters that the joined pieces spell, `spans` those of `text` in
    the source. Characters at either end of a piece that leave no trace in it (`blanks`), such as the space
    before a word, are left out. A lone "▁" gets the first character of the word it starts, as in the Rust
    tokenizers.
    """
    offsets = []
    position = 0
    for piece in pieces:
        start = alignment.starts[position]
        position += len(piece)
        end = alignment.ends[position - 1]
        while start < end and text[start] in blanks:
            start += 1
        while start < end and text[end - 1] in blanks:
            end -= 1
        if start == end:
            start = min(start, len(text) - 1)
            end = start + 1
        offsets.append((spans.starts[start], spans.ends[end - 1]))
    return offsets


def shared_ends(starts: Sequence[int], length: int) -> list[int]:
    """Return where each character ends, when only starts are known.

    Characters that stand for the same source character (the two of "ﬁ", the "▁" put before the first letter)
    share its start; each of them ends where the next start lies.
    """
    ends: list[int] = []
    end, following = length, length
    for start in reversed(starts):
        if start < following:
            end, following = following, start
        ends.append(end)
    return ends[::-1]

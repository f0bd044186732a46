"""From token ids back to text."""

from collections.abc import Callable, Collection, Sequence
from itertools import groupby


def join_tokens(
    ids: Sequence[int],
    specials: Collection[int],
    plain: Collection[int],
    spell: Callable[[int], str],
    join_pieces: Callable[[Sequence[int]], str],
) -> str:
    """Join pieces with `join_pieces`; tokens that are `specials` or `plain` come as `spell` writes them.

    The text before a special token gets a space in front, the text behind it none: `[CLS] hello[SEP]`. Plain
    added tokens stand between spaces. Semantics: Hugging Face transformers 4.57, `PreTrainedTokenizer._decode`
    and `AlbertTokenizer.convert_tokens_to_string`.
    """
    stretches: list[str] = []
    for is_plain, run in groupby(ids, key=lambda i: i in plain):
        if is_plain:
            stretches += map(spell, run)
        elif joined := _join_specials(list(run), specials, spell, join_pieces):
            stretches.append(joined)
    return " ".join(stretches)


def _join_specials(
    ids: Sequence[int],
    specials: Collection[int],
    spell: Callable[[int], str],
    join_pieces: Callable[[Sequence[int]], str],
) -> str:
    text, after_special = "", False
    pieces: list[int] = []
    for i in ids:
        if i not in specials:
            pieces.append(i)
            after_special = False
            continue
        text += ("" if after_special else " ") + join_pieces(pieces) + spell(i)
        pieces, after_special = [], True
    return (text + join_pieces(pieces)).strip()


CLEAN_UPS = {
    " .": ".",
    " ?": "?",
    " !": "!",
    " ,": ",",
    " ' ": "'",
    " n't": "n't",
    " 'm": "'m",
    " 's": "'s",
    " 've": "'ve",
    " 're": "'re",
}


def clean_up(text: str) -> str:
    """Drop the spaces before punctuation and English contractions (Hugging Face `clean_up_tokenization`)."""
    for spaced, joined in CLEAN_UPS.items():
        text = text.replace(spaced, joined)
    return text

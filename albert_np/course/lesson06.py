"""Notebook 06: SentencePiece and Unigram."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from albert_np.course.report import holds, self_check
from albert_np.tokenization import UNKNOWN_PENALTY, Row, TokenizedText

__all__ = ["check_build_pair", "check_viterbi"]

SCORES = {
    **dict.fromkeys("lampshde", -5.0),
    "lamp": -3.0,
    "lamps": -4.0,
    "shade": -4.0,
    "sh": -4.5,
    "ha": -6.0,
    "de": -6.0,
    "mps": -7.5,
}


@self_check("the best segmentation")
def check_viterbi(viterbi: Callable[[str, dict[str, float]], Any]) -> Iterator[Any]:
    """Check `pieces = viterbi(text, scores)`: a list of pieces that spell the text and whose scores sum highest."""
    ways = {
        "the longest piece first is not the best": "lampshade",
        "the whole text is one piece": "shade",
        "only single characters fit": "aed",
        "several words' worth of text": "shadelampslamp",
        "one character": "m",
        "an unknown character": "lam?pshade",
        "unknown characters only": "?!",
    }
    for what, text in ways.items():
        yield _best(what, viterbi, text, SCORES)
    yield _best("two ways score the same", viterbi, "abc", {"a": -2.0, "b": -2.0, "c": -2.0, "ab": -1.0, "bc": -1.0})
    yield _best("scores of zero", viterbi, "aab", {"a": 0.0, "b": -1.0, "aab": -1.5})
    scores = dict(SCORES)
    viterbi("lampshade", scores)
    yield holds("scores were not changed", scores == SCORES, "they were")


def _best(what: str, viterbi: Callable[..., Any], text: str, scores: Mapping[str, float]) -> Any:
    pieces = list(viterbi(text, dict(scores)))
    if "".join(pieces) != text:
        return holds(what, False, f"the pieces of {text!r} spell {''.join(pieces)!r}: got {pieces}")
    expected = max(_segmentations(text), key=lambda candidate: _score(candidate, scores))
    wrong = f"{text!r} as {pieces} scores {_score(pieces, scores):g}, but {expected} {_score(expected, scores):g}"
    return holds(what, _score(pieces, scores) >= _score(expected, scores) - 1e-9, wrong)


def _segmentations(text: str) -> Iterator[list[str]]:
    """Yield all 2ⁿ⁻¹ ways to cut a text of n characters: what Viterbi's algorithm spares us."""
    for count in range(len(text)):
        for cuts in combinations(range(1, len(text)), count):
            yield [text[i:j] for i, j in pairwise((0, *cuts, len(text)))]


def _score(pieces: Sequence[str], scores: Mapping[str, float]) -> float:
    unknown = min(scores.values()) - UNKNOWN_PENALTY
    return sum(scores.get(piece, unknown if len(piece) == 1 else float("-inf")) for piece in pieces)


@self_check("[CLS] A [SEP] B [SEP]")
def check_build_pair(build_pair: Callable[..., Any]) -> Iterator[Any]:
    """Check `input_ids, token_type_ids, special_tokens_mask = build_pair(a, b, cls, sep)`, lists of integers."""
    pairs = {
        "two texts": ([21, 22, 23], [31, 32]),
        "a long B": ([21], [31, 32, 33, 34, 35]),
        "an empty B": ([21, 22], []),
        "an empty A": ([], [31]),
        "a text that holds the number of [SEP] itself": ([21, 3, 22], [31]),
    }
    for what, (a, b) in pairs.items():
        given = (list(a), list(b))
        got = build_pair(*given, 2, 3)
        row = Row(0, TokenizedText(list(a)), TokenizedText(list(b)), special=(2, 3))
        expected = row.input_ids(), row.token_type_ids(), row.special_tokens_mask()
        for name, mine, right in zip(("input_ids", "token_type_ids", "special mask"), got, expected, strict=True):
            yield holds(f"{what}: {name}", list(mine) == right, f"got {list(mine)}, expected {right}")
        yield holds(f"{what}: a and b were not changed", given == (a, b), f"they are now {given}")

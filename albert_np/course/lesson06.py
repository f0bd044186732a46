"""Notebook 06: SentencePiece and Unigram."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.tokenization import UNKNOWN_PENALTY, Kind, Piece, Row, TokenizedText, Unigram

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
    yield from _unknown_score(viterbi)
    yield from _long_texts(viterbi)


def _unknown_score(viterbi: Callable[..., Any]) -> Iterator[Finding]:
    """A character that no piece has costs min − 10 (6.6): texts in which a point more or less would show."""
    letters = {**dict.fromkeys("abc", -9.0), "abc": -0.1}
    yield _best("no unknown piece of several characters", viterbi, "abc?", letters, SEVERAL)
    penalty = "The score of an unknown character is min(scores.values()) − 10 (6.6)"
    for score, what in ((-11.5, "costs no more"), (-10.5, "costs no less")):
        scores = {"a": -30.0, "ab": -1.0, "b?": score}
        yield _best(f"an unknown character {what} than min − 10", viterbi, "ab?", scores, penalty)
    covered = {"a": 0.0, "b": 0.0, "ab?": -20.0}
    yield _best("a piece that holds the character", viterbi, "ab?", covered, penalty)


SEVERAL = "Only a single character that is no piece is an edge; a longer string that is no piece is none"
SECONDS = 0.2  # of processor time for up to 20 characters, where a right answer needs a millisecond


def _long_texts(viterbi: Callable[..., Any]) -> Iterator[Finding]:
    """Texts that grow: whoever tries every way to cut takes twice as long for one character more."""
    name = "a text of 200 characters"
    for length in (*range(10, 21), 200):
        text = ("shadelampslampshade" * 11)[:length]
        started = time.process_time()
        pieces = viterbi(text, dict(SCORES))
        seconds = time.process_time() - started
        if seconds > SECONDS and length <= 20:
            told = f"{length} characters took {seconds:.1f} s: is every way to cut tried?"
            yield Finding(name, False, f"{told} Keep the best score up to each place (6.4)")
            return
    vocabulary = [Piece("<unk>", 0.0, Kind.UNKNOWN), *(Piece(p, s, Kind.NORMAL) for p, s in SCORES.items())]
    best = sum(edge.score for edge in Unigram(vocabulary).best_path(text))
    yield equal(f"{name}: the sum of scores", _score(pieces, SCORES), best)


def _best(what: str, viterbi: Callable[..., Any], text: str, scores: Mapping[str, float], advice: str = "") -> Finding:
    got = viterbi(text, dict(scores))
    if isinstance(got, str) or not isinstance(got, Sequence) or not all(isinstance(piece, str) for piece in got):
        return Finding(what, False, f"got {got!r:.60}, expected a list of pieces")
    pieces = list(got)
    if "".join(pieces) != text:
        return Finding(what, False, f"the pieces of {text!r} spell {''.join(pieces)!r}: got {pieces}")
    strange = [piece for piece in pieces if len(piece) > 1 and piece not in scores]
    if strange:
        return Finding(what, False, f"{text!r} as {pieces}: {strange[0]!r} is no piece. {SEVERAL}")
    expected = max(_segmentations(text), key=lambda candidate: _score(candidate, scores))
    wrong = f"{text!r} as {pieces} scores {_score(pieces, scores):g}, but {expected} {_score(expected, scores):g}"
    right = _score(pieces, scores) >= _score(expected, scores) - 1e-9
    return holds(what, right, f"{wrong}. {advice}" if advice else wrong)


def _segmentations(text: str) -> Iterator[list[str]]:
    """Yield all 2ⁿ⁻¹ ways to cut a text of n characters: what Viterbi's algorithm spares us."""
    for count in range(len(text)):
        for cuts in combinations(range(1, len(text)), count):
            yield [text[i:j] for i, j in pairwise((0, *cuts, len(text)))]


def _score(pieces: Sequence[str], scores: Mapping[str, float]) -> float:
    unknown = min(scores.values()) - UNKNOWN_PENALTY
    return sum(scores.get(piece, unknown if len(piece) == 1 else float("-inf")) for piece in pieces)


LISTS = ("input_ids", "token_type_ids", "special_tokens_mask")


@self_check("[CLS] A [SEP] B [SEP]", returns=LISTS)
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
        got = build_pair(list(a), list(b), 2, 3)
        row = Row(0, TokenizedText(list(a)), TokenizedText(list(b)), special=(2, 3))
        expected = row.input_ids(), row.token_type_ids(), row.special_tokens_mask()
        for name, mine, right in zip(LISTS, got, expected, strict=True):
            told = f"got {list(mine)}, expected {right}: {PLACES[name]}"
            yield holds(f"{what}: {name}", list(mine) == right, told)


PLACES = {
    "input_ids": "[CLS], the ids of A, [SEP], those of B, [SEP]",
    "token_type_ids": "the first [SEP] belongs to A, type 0, and the last to B, type 1",
    "special_tokens_mask": "1 where [CLS] or [SEP] was put in, by its place and not by its number",
}

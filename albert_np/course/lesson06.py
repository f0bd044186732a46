"""Notebook 06: SentencePiece and Unigram."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise

from albert_np.course.answers import Function
from albert_np.course.report import Finding, equal, holds, left_out, self_check
from albert_np.tokenization import UNKNOWN_PENALTY, Kind, Piece, Row, TokenizedText, Unigram

__all__ = ["check_bpe_merges", "check_build_pair", "check_counterexample", "check_em_step", "check_viterbi"]

LAMPSHADE = {**dict.fromkeys("lampshde", -5.0), "lamp": -3.0, "lamps": -4.0, "shade": -4.0, "sh": -4.5}  # section 2
SCORES = {**LAMPSHADE, "ha": -6.0, "de": -6.0, "mps": -7.5}


@self_check("the best segmentation")
def check_viterbi(viterbi: Callable[[str, dict[str, float]], object]) -> Iterator[Finding]:
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


def _unknown_score(viterbi: Function) -> Iterator[Finding]:
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


def _long_texts(viterbi: Function) -> Iterator[Finding]:
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
    yield equal(f"{name}: the sum of scores", _score(pieces, SCORES), _score(package_viterbi(text, SCORES), SCORES))


def _best(what: str, viterbi: Function, text: str, scores: Mapping[str, float], advice: str = "") -> Finding:
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


def package_viterbi(text: str, scores: Mapping[str, float]) -> list[str]:
    """The package's best cut, called as the exercise is."""
    pieces = (Piece(piece, score, Kind.NORMAL) for piece, score in scores.items())
    return [edge.piece for edge in Unigram([Piece("<unk>", 0.0, Kind.UNKNOWN), *pieces]).best_path(text)]


def almost_viterbi(text: str, scores: dict[str, float]) -> list[str]:
    unknown = min(scores.values()) - 10
    best, start_of = [0.0] + [-100.0] * len(text), [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for start in range(end):
            piece = text[start:end]
            if piece in scores or len(piece) == 1:
                score = best[start] + scores.get(piece, unknown)
                if score > best[end]:
                    best[end], start_of[end] = score, start
    pieces, end = [], len(text)
    while end > 0:
        pieces.append(text[start_of[end] : end])
        end = start_of[end]
    return pieces[::-1]


SHORTEST = 7  # characters: as many unknown ones, each for −15


@self_check("a text that breaks it", returns=("text",))
def check_counterexample(breaks_it: Callable[[], object]) -> Iterator[Finding]:
    """Check `text = breaks_it()`: `almost_viterbi` does not find the best cut of it by the scores of `LAMPSHADE`."""
    text = breaks_it()
    name = "a text that almost_viterbi cuts wrongly"
    if not isinstance(text, str) or not text:
        yield Finding(name, False, f"got {text!r:.60}, expected a text of one character or more")
        return
    pieces, best = almost_viterbi(text, dict(LAMPSHADE)), package_viterbi(text, LAMPSHADE)
    shown = text if len(text) <= 30 else f"{text[:27]}…"
    reached = f"{shown!r} comes out with the best score there is, {_score(best, LAMPSHADE):g}"
    broken = _score(pieces, LAMPSHADE) < _score(best, LAMPSHADE) - 1e-9
    yield holds(
        name, broken, f"{reached}. From which score on does `score > best[end]` say no where it should say yes?"
    )
    if broken and len(text) > SHORTEST:
        yield left_out("shorter", f"yours has {len(text)} characters, and {SHORTEST} are enough: what is dearest?")


LISTS = ("input_ids", "token_type_ids", "special_tokens_mask")


@self_check("[CLS] A [SEP] B [SEP]", returns=LISTS)
def check_build_pair(build_pair: Function) -> Iterator[Finding]:
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
        expected = package_build_pair(a, b, 2, 3)
        for name, mine, right in zip(LISTS, got, expected, strict=True):
            numbers = list(mine)
            yield holds(f"{what}: {name}", numbers == right, f"got {numbers}, expected {right}: {PLACES[name]}")


def package_build_pair(a: Sequence[int], b: Sequence[int], cls: int, sep: int) -> tuple[list[int], ...]:
    """The package's three lists, called as the exercise is."""
    row = Row(0, TokenizedText(list(a)), TokenizedText(list(b)), special=(cls, sep))
    return row.input_ids(), row.token_type_ids(), row.special_tokens_mask()


PLACES = {
    "input_ids": "[CLS], the ids of A, [SEP], those of B, [SEP]",
    "token_type_ids": "the first [SEP] belongs to A, type 0, and the last to B, type 1",
    "special_tokens_mask": "1 where [CLS] or [SEP] was put in, by its place and not by its number",
}


WORDS = {"lamp": 5, "lamps": 2, "shade": 3, "shades": 2, "lampshade": 1}


@self_check("BPE: the merges", returns=("merges",))
def check_bpe_merges(bpe_merges: Function) -> Iterator[Finding]:
    """Check `merges = bpe_merges(words, count)`: words: text → how often; returns up to `count` pairs of pieces."""
    yield _merges("the words of the lamp, one merge", bpe_merges, WORDS, 1, "the pair that occurs most often")
    advice = "count again after every merge, in the words as they are cut then"
    yield _merges("the words of the lamp, eight merges", bpe_merges, WORDS, 8, advice)
    advice = "a word that occurs n times counts n times"
    yield _merges("a pair in three rare words, another in one common word", bpe_merges, RARE, 2, advice)
    advice = "of pairs that are equally frequent, the first one met, reading the words in their order"
    yield _merges("pairs that are equally frequent", bpe_merges, {"xy": 2, "ab": 2, "cd": 2}, 3, advice)
    advice = "from the left, and no character twice: aaaa becomes aa aa, and aaa becomes aa a"
    yield _merges("the same letter again and again", bpe_merges, {"aaaa": 3, "aaab": 2}, 4, advice)
    advice = "pieces are merged, not characters: the pair (a, b) is not in the pieces xa, b"
    yield _merges("a piece that ends as the pair begins", bpe_merges, {"xab": 4, "ab": 5, "xa": 6}, 3, advice)
    advice = "a word that is one piece has no pair left: stop there"
    yield _merges("more merges asked than there are", bpe_merges, {"ab": 1, "c": 4}, 5, advice)


RARE = {"ax": 1, "ay": 1, "az": 1, "qr": 5, "axe": 1}


def _merges(what: str, bpe_merges: Function, words: Mapping[str, int], count: int, advice: str) -> Finding:
    got = bpe_merges(dict(words), count)
    if not isinstance(got, Sequence) or not all(_is_pair(found) for found in got):
        return Finding(what, False, f"got {got!r:.60}, expected a list of pairs of pieces")
    merges = [tuple(pair) for pair in got]
    right = course_bpe_merges(words, count)
    place = next(
        (i for i, (a, b) in enumerate(zip(merges, right, strict=False)) if a != b), min(len(merges), len(right))
    )
    mine, theirs = (", ".join(" + ".join(pair) for pair in pairs[place : place + 2]) for pairs in (merges, right))
    told = f"from merge {place + 1} on got {mine or 'none'}, expected {theirs or 'none'}: {advice}"
    return holds(what, merges == right, told)


def _is_pair(found: object) -> bool:
    return isinstance(found, tuple | list) and [type(piece) for piece in found] == [str, str]


def course_bpe_merges(words: Mapping[str, int], count: int) -> list[tuple[str, str]]:
    """A right answer, called as the exercise is; the package has no BPE."""
    cut = {word: list(word) for word in words}
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in cut.items():
            for pair in pairwise(pieces):
                pairs[pair] += words[word]
        if not pairs:
            break
        merges.append(max(pairs, key=lambda pair: pairs[pair]))
        cut = {word: merged(pieces, merges[-1]) for word, pieces in cut.items()}
    return merges


def merged(pieces: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """Return the pieces with every occurrence of the pair made one, from the left."""
    joined: list[str] = []
    fresh = False  # whether the last piece has been merged by now, and is not to be merged again
    for piece in pieces:
        fresh = bool(joined) and not fresh and (joined[-1], piece) == pair
        if fresh:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


HALVES = {"a": math.log(0.25), "ab": math.log(0.5), "b": math.log(0.25)}
BEST_ALONE = "this counts the best cut alone; every cut counts, by its probability"


@self_check("one step of EM", returns=("scores",))
def check_em_step(em_step: Function) -> Iterator[Finding]:
    """Check `new = em_step(words, scores)`: words: text → how often; scores and new: piece → log-probability."""
    known = {
        BEST_ALONE: [0.0, 1.0, 0.0],
        "every cut counts alike; each is to be weighted by its probability": [1 / 3, 1 / 3, 1 / 3],
        "these are expected counts: divide them by their sum": [1 / 9, 8 / 9, 1 / 9],
    }
    yield _new_scores("ab, once", em_step, {"ab": 1}, HALVES, known)
    words = {"ab": 3, "ba": 1, "aab": 2, "b": 1}
    once = _probabilities(course_em_step(dict.fromkeys(words, 1), HALVES))
    joint = _probabilities(course_em_step({word: n * _summed(word, HALVES)[-1] for word, n in words.items()}, HALVES))
    known = {
        "a word that occurs n times counts n times": once,
        "the probabilities of a word's cuts have to be divided by their sum, or a long word hardly counts": joint,
        BEST_ALONE: [0.3, 0.5, 0.2],
    }
    yield _new_scores("four words, seven in all", em_step, words, HALVES, known)
    scores = {"a": -2.0, "aa": -1.5, "aaa": -2.0, "b": -2.5, "c": -1.0}
    advice = "a piece that stands twice in a cut is used twice; one that is never used has probability 0"
    yield _new_scores("one piece several times in a word", em_step, {"aaaa": 1, "aba": 2}, scores, advice=advice)
    yield _new_scores("the words of the lamp", em_step, WORDS, LAMPSHADE)


def _new_scores(
    what: str,
    em_step: Function,
    words: Mapping[str, int],
    scores: Mapping[str, float],
    known: Mapping[str, Sequence[float]] | None = None,
    advice: str = "",
) -> Finding:
    got = em_step(dict(words), dict(scores))
    if not isinstance(got, Mapping) or not all(isinstance(score, int | float) for score in got.values()):
        return Finding(what, False, f"got {got!r:.60}, expected a dictionary: piece → its new log-probability")
    right = course_em_step(words, scores)
    found = {piece: float(score) for piece, score in got.items()}
    for piece in sorted(set(right) | set(found)):
        if piece not in scores:
            return Finding(what, False, f"{piece!r} is no piece of the vocabulary")
        if piece not in found:
            return Finding(what, False, f"the piece {piece!r} is missing")
        if found[piece] > 1e-9:
            told = f"{piece!r} has the score {found[piece]:.4g}: scores are logarithms of probabilities, none above 0"
            return Finding(what, False, told)
        right.setdefault(piece, -math.inf)
    name = f"{what}: the probabilities of {', '.join(sorted(right))}"
    return equal(name, _probabilities(found), _probabilities(right), 1e-7, known, advice)


def _probabilities(scores: Mapping[str, float]) -> list[float]:
    return [math.exp(scores[piece]) for piece in sorted(scores)]


def course_em_step(words: Mapping[str, float], scores: Mapping[str, float]) -> dict[str, float]:
    """A right answer, called as the exercise is; the library has its own, in C++. Pieces without a use are left out."""
    counts: dict[str, float] = defaultdict(float)
    for word, times in words.items():
        before, after = _summed(word, scores), _summed(word[::-1], {p[::-1]: s for p, s in scores.items()})[::-1]
        for start, end in combinations(range(len(word) + 1), 2):
            piece = word[start:end]
            if piece in scores:
                used = before[start] * math.exp(scores[piece]) * after[end] / before[-1]
                counts[piece] += times * used
    total = sum(counts.values())
    return {piece: math.log(count / total) for piece, count in counts.items() if count > 0}


def _summed(word: str, scores: Mapping[str, float]) -> list[float]:
    """Return Σ over all ways to cut each beginning of a word, of the product of probabilities. Short words only."""
    sums = [1.0]
    for end in range(1, len(word) + 1):
        pieces = ((start, word[start:end]) for start in range(end))
        sums.append(sum(sums[start] * math.exp(scores[piece]) for start, piece in pieces if piece in scores))
    return sums


def log_likelihood(words: Mapping[str, int], scores: Mapping[str, float]) -> float:
    """Return (6.7) of words that occur so often, every way to cut them counted."""
    return sum(times * math.log(_summed(word, scores)[-1]) for word, times in words.items())

"""Lab 3: words and holes. Definitions by enumeration and what is looked at; no algorithm that is asked for is here."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.labs.checks import (
    expect,
    expect_array,
    expect_gradient,
    expect_one,
    expect_same,
    expect_slope,
    expect_unchanged,
    expect_within,
)
from albert_np.labs.points import Answer, Arguments, Exercise, Lab, Numbers, Wrong

__all__ = ["LAB"]

DRAWS = 3000
RARE = 20  # a mask that is expected less often is counted among the others
SIGMAS = 6.0
SHRINK = (0.6, 0.75, 0.9)  # so far apart that thousands of masks tell them


def _personal(rng: np.random.Generator) -> Numbers:
    shares = rng.permutation([3, 4, 5, 8]).tolist()
    return {
        "text": str(rng.choice(["abab", "aabb", "abba", "baab"])),
        **{f"p_{piece}": share / 20 for piece, share in zip(("a", "b", "ab", "ba"), shares, strict=True)},
        "q": float(rng.choice(SHRINK)),
        "longest": int(rng.integers(3, 5)),
    }


LAB = Lab("03", "Words and holes", hours=4, notebooks=("06", "13"), personal=_personal)


def cuts(text: str, pieces: Sequence[str]) -> list[list[str]]:
    """Return every way to cut a text into pieces, one after the other."""
    if not text:
        return [[]]
    starts = [piece for piece in pieces if text.startswith(piece)]
    return [[piece, *rest] for piece in starts for rest in cuts(text[len(piece) :], pieces)]


def uses(text: str, pieces: Sequence[str]) -> Ints:
    """Return how often each cut of a text uses each piece, (cuts, pieces)."""
    found = cuts(text, [piece for piece in pieces if piece in text])
    used, place = np.zeros((len(found), len(pieces)), int), {piece: i for i, piece in enumerate(pieces)}
    for row, cut in zip(used, found, strict=True):
        for piece in cut:
            row[place[piece]] += 1
    return used


def log_sum(used: Ints, values: Floats) -> float:
    """Return ln Σ over all cuts of Π p(piece), values being ln p of each piece; −inf without a cut."""
    return np.logaddexp.reduce(used @ values) if len(used) else -math.inf


def _drawn(answer: Answer, text: str, pieces: Sequence[str]) -> tuple[str, list[str], Floats]:
    """Draw ln p for pieces, in an order that says nothing, one that is not in the text among them."""
    order = answer.rng.permutation(sorted({*pieces, "abcabcabcabc"})).tolist()
    return text, order, np.log(answer.rng.dirichlet(np.full(len(order), 2.0)))


def _lattice(answer: Answer, length: int) -> tuple[str, list[str], Floats]:
    text = "".join(answer.rng.choice(list("abc"), length))
    found = sorted({text[i:j] for i in range(length) for j in range(i + 2, min(i + 4, length + 1))})
    return _drawn(answer, text, [*"abc", *(piece for piece in found if answer.rng.random() < 0.6)])


def _with_holes(answer: Answer) -> tuple[str, list[str], Floats]:
    """Draw a text with an x that one piece alone covers, and the y behind it: no cut ends between or behind them."""
    text = "".join(answer.rng.choice(list("abc"), 8))
    text = f"{text[:3]}xy{text[5:]}"
    return _drawn(answer, text, [*"abcy", text[:2], text[6:], text[2:6]])


Blocks = tuple[list[tuple[Ints, int]], int]  # each block's uses with how often it comes, and the place of their border


def _long(answer: Answer) -> tuple[str, list[str], Floats, Blocks]:
    """Draw a long text of blocks with a piece between them that is in no other, so that few cuts must be enumerated."""
    blocks = ["".join(answer.rng.choice(list("abcdefgh"), 8)) for _ in range(30)]
    found = {block[i:j] for block in blocks for i in range(8) for j in range(i + 1, min(i + 4, 9))}
    _, pieces, values = _drawn(answer, "", [*found, *"abcdefgh", "|"])
    order = answer.rng.integers(0, len(blocks), 180)
    counted = Counter(order.tolist())
    return (
        "|".join(blocks[i] for i in order),
        pieces,
        values,
        ([(uses(blocks[i], pieces), times) for i, times in counted.items()], pieces.index("|")),
    )


def _long_log_sum(blocks: Blocks, values: Floats) -> Any:
    borders = sum(times for _, times in blocks[0]) - 1
    return sum(times * log_sum(used, values) for used, times in blocks[0]) + borders * values[blocks[1]]


def _named(pieces: Sequence[str], values: Floats) -> dict[str, float]:
    return dict(zip(pieces, values.tolist(), strict=True))


def _log_partition(exercise: Exercise) -> None:
    def look(answer: Answer, text: str, pieces: list[str], values: Floats) -> None:
        used = uses(text, pieces)
        got = expect_one("ln Z", answer.log_partition(text, _named(pieces, values)))
        best = np.array((used @ values).max())
        viterbi = ("that is Viterbi: the best cut alone.", lambda _: best)
        expect_same(f"ln Z of {text!r}", got, log_sum(used, values), suspects=[viterbi], scale=1.0)

    @exercise.finding("the sum over all cuts", 7, "At each place: how do the ways that end there go together?")
    def _sum(answer: Answer) -> None:
        for length in (1, 4, 7, 8):
            look(answer, *_lattice(answer, length))

    @exercise.finding("places where no piece ends", 3, "What is the sum of nothing, and its logarithm?")
    def _holes(answer: Answer) -> None:
        for _ in range(3):
            look(answer, *_with_holes(answer))

    @exercise.finding("no cut at all", 1, "The sum of nothing is 0, and its logarithm −inf.", side=True)
    def _none(answer: Answer) -> None:
        got = expect_one("ln Z", answer.log_partition("abxab", {"a": -1.0, "b": -2.0, "ab": -1.5, "xy": -3.0}))
        expect(float(got) == -math.inf, f"ln Z of 'abxab' is {got}, and no piece has the x: expected -inf.")

    @exercise.finding("a long text", 3, "Probabilities of long texts are too small for a float: stay with logarithms.")
    def _far(answer: Answer) -> None:
        text, pieces, values, blocks = _long(answer)
        got = expect_one("ln Z", answer.log_partition(text, _named(pieces, values)))
        expect_within(answer)
        expect_same(f"ln Z of {len(text)} letters", got, np.asarray(_long_log_sum(blocks, values)))

    @exercise.finding("arguments unchanged", 1, side=True)
    def _unchanged(answer: Answer) -> None:
        text, pieces, values = _lattice(answer, 6)
        given = _named(pieces, values)
        answer.log_partition(text, given)
        expect(list(given.items()) == list(_named(pieces, values).items()), "your function changed log_probs.")


def _counts(got: Any, pieces: Sequence[str]) -> Floats:
    """Return counts in the order of the pieces; a piece that is not named counts 0."""
    expect(type(got) is dict, f"counts is a {type(got).__name__}, expected a dict: dict(counts).")
    unknown = sorted(map(str, got.keys() - set(pieces)))
    expect(not unknown, f"counts has {unknown[:3]}, which log_probs has not.")
    return np.array([float(got.get(piece, 0)) for piece in pieces])


def _expected_counts(exercise: Exercise) -> None:
    def look(answer: Answer, text: str, pieces: list[str], values: Floats) -> None:
        used = uses(text, pieces)
        got = _counts(expect_one("counts", answer.expected_counts(text, _named(pieces, values))), pieces)
        best, z = used[np.argmax(used @ values)].astype(float), math.exp(log_sum(used, values))
        suspects = [
            ("these are the counts of the best cut alone.", lambda _: best),
            ("these are not divided by Z.", lambda expected: expected * z),
            ("these are the counts of a cut drawn at random from all.", lambda _: used.mean(axis=0)),
        ]
        try:
            expect_gradient("counts", got, partial(log_sum, used, values), values, 1.0, suspects=suspects)
        except Wrong as wrong:
            worst = int(np.argmax(np.abs(got - _shares(used, values))))
            raise Wrong(f"in {text!r}, of which {pieces[worst]!r} is the worst: {wrong}") from None

    @exercise.finding("counts", 12, "Which ways lead to a piece, and which lead on from it to the end?")
    def _small(answer: Answer) -> None:
        for length in (1, 4, 7, 8):
            look(answer, *_lattice(answer, length))

    @exercise.finding("places where no piece ends", 3, "A way that leads nowhere counts nothing.")
    def _holes(answer: Answer) -> None:
        for _ in range(3):
            look(answer, *_with_holes(answer))

    @exercise.finding("no cut at all", 1, "No cut uses any piece: all counts are 0.", side=True)
    def _none(answer: Answer) -> None:
        pieces = ["a", "b", "ab", "xy"]
        got = expect_one("counts", answer.expected_counts("abxab", _named(pieces, np.full(4, -1.5))))
        expect(not _counts(got, pieces).any(), f"counts of 'abxab' are {got}, and no piece has the x: expected 0.")

    @exercise.finding("a long text", 8, "Probabilities of long texts are too small for a float: stay with logarithms.")
    def _far(answer: Answer) -> None:
        text, pieces, values, blocks = _long(answer)
        got = expect_one("counts", answer.expected_counts(text, _named(pieces, values)))
        expect_within(answer)
        f = partial(_long_log_sum, blocks, values)
        expect_slope("counts", _counts(got, pieces), f, values, 1.0, answer.rng)

    @exercise.finding("arguments unchanged", 1, side=True)
    def _unchanged(answer: Answer) -> None:
        text, pieces, values = _lattice(answer, 6)
        given = _named(pieces, values)
        answer.expected_counts(text, given)
        expect(list(given.items()) == list(_named(pieces, values).items()), "your function changed log_probs.")


def _shares(used: Ints, values: Floats) -> Floats:
    """Return the counts by their definition: of each cut, times its share of Z."""
    return np.exp(used @ values - log_sum(used, values)) @ used


Chances = Mapping[frozenset[int], float]


def length_chances(q: float, longest: int) -> Array:
    """Return P(ℓ) ∝ q^(ℓ − 1) for ℓ = 1 … longest."""
    chances = q ** np.arange(longest)
    return chances / chances.sum()


def _clipped(q: float, longest: int) -> Floats:
    chances = (1 - q) * q ** np.arange(longest)
    return np.append(chances[:-1], q ** (longest - 1))


def mask_chances(sizes: Sequence[int], budget: int, lengths: Floats, chosen: frozenset[int] = frozenset()) -> Chances:
    """Return how likely each set of words is to be masked in the end, once some are chosen."""
    found: dict[frozenset[int], float] = {}

    def add(words: frozenset[int], chance: float) -> None:
        found[words] = found.get(words, 0.0) + chance

    left = budget - sum(sizes[word] for word in chosen)
    for length, chance in enumerate(lengths, 1):
        spans = [range(start, start + length) for start in range(len(sizes) - length + 1)]
        free = [span for span in spans if not chosen & set(span)]
        for span in free:
            if sum(sizes[word] for word in span) > left:
                add(chosen, chance / len(free))
                continue
            for words, share in mask_chances(sizes, budget, lengths, chosen | set(span)).items():
                add(words, chance / len(free) * share)
        if not free:
            add(chosen, chance)
    return found


def _surprise(seen: Mapping[frozenset[int], int], chances: Chances, draws: int) -> float:
    """Return by how many standard deviations frequencies are off: χ² over masks, made normal (Wilson, Hilferty)."""
    often = {words: chance * draws for words, chance in chances.items() if chance * draws >= RARE}
    cells = [(seen.get(words, 0), expected) for words, expected in often.items()]
    rest, seen_rest = draws - sum(often.values()), sum(seen.values()) - sum(count for count, _ in cells)
    cells += [(seen_rest, max(rest, 1.0))] if rest > 0.5 or seen_rest else []
    if len(cells) < 2:
        return 0.0
    k = len(cells) - 1
    chi = sum((count - expected) ** 2 / expected for count, expected in cells)
    return float(((chi / k) ** (1 / 3) - (1 - 2 / (9 * k))) / math.sqrt(2 / (9 * k)))


def _masks(answer: Answer, sizes: list[int], budget: int, n: int, seed: int | None = None) -> np.ndarray:
    generator = np.random.default_rng(answer.rng.integers(2**32) if seed is None else seed)
    got = expect_one("masks", answer.span_masks(list(sizes), budget, generator, n))
    return expect_array("masks", got, (n, sum(sizes) + 2), bool)


def _words(masks: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Return which words have their first piece masked, (n, words)."""
    return masks[:, 1 + np.cumsum([0, *sizes[:-1]])]


SIZES = [2, 1, 3, 1, 1, 2, 1]


def _span_masks(exercise: Exercise) -> None:
    @exercise.finding("how often each mask is drawn", 11, "Length first, then a place among those that are free.")
    def _chances(answer: Answer) -> None:
        q, longest = answer.personal["q"], answer.personal["longest"]
        right = length_chances(q, longest)
        suspects = {
            "lengths beyond the longest are to be left out, not cut to it.": _clipped(q, longest),
            f"your q is {q:g}, and P(ℓ) proportional to q^(ℓ − 1), not the same for all.": np.full(
                longest, 1 / longest
            ),
            f"your longest span has {longest} words.": length_chances(q, 7 - longest),
            **{f"your q is {q:g}, not {other:g}.": length_chances(other, longest) for other in SHRINK if other != q},
        }
        for sizes, budget in ([1] * 6, 4), (SIZES, 6):
            masks = _masks(answer, sizes, budget, DRAWS)
            seen = Counter(frozenset(np.flatnonzero(row).tolist()) for row in _words(masks, sizes))
            chances = mask_chances(sizes, budget, right)
            if _surprise(seen, chances, DRAWS) <= SIGMAS:
                continue
            off_by = {k: _surprise(seen, mask_chances(sizes, budget, v), DRAWS) for k, v in suspects.items()}
            likely = min(off_by, key=lambda message: off_by[message])
            expect(off_by[likely] > SIGMAS, likely)
            off = {words: seen.get(words, 0) / DRAWS - chances.get(words, 0.0) for words in {*seen, *chances}}
            worst = max(off, key=lambda words: abs(off[words]))
            expected, got = chances.get(worst, 0.0), chances.get(worst, 0.0) + off[worst]
            what = f"words of {sizes} pieces, budget {budget}: the words {sorted(worst)} are masked"
            raise Wrong(f"{what} in {100 * got:.1f}% of {DRAWS} masks, expected {100 * expected:.1f}%.")

    def add_side(name: str, points: float, question: str, look: Callable[[np.ndarray], str]) -> None:
        @exercise.finding(name, points, question, side=True)
        def _look(answer: Answer) -> None:
            expect(not (fault := look(_masks(answer, SIZES, 6, 300))), fault)

    def special(masks: np.ndarray) -> str:
        return "the first or the last place is masked." if masks[:, [0, -1]].any() else ""

    def over(masks: np.ndarray) -> str:
        most = int(masks.sum(axis=1).max())
        return f"a mask has {most} pieces, and the budget is 6." if most > 6 else ""

    def broken(masks: np.ndarray) -> str:
        whole = np.repeat(_words(masks, SIZES), SIZES, axis=1)
        return "" if np.array_equal(whole, masks[:, 1:-1]) else "a word is masked in part."

    add_side("[CLS] and [SEP] stay", 2, "They stand first and last and are no words.", special)
    add_side("the budget is kept", 2, "What if the next span has more pieces than are left?", over)
    add_side("whole words", 2, "Which places of the row belong to a word?", broken)

    @exercise.finding("the generator that is given", 2, "Where do your random numbers come from?", side=True)
    def _generator(answer: Answer) -> None:
        first, again, other = (_masks(answer, SIZES, 6, 50, seed) for seed in (1, 1, 2))
        expect(np.array_equal(first, again), "equal generators give other masks.")
        expect(not np.array_equal(first, other), "other generators give equal masks.")

    @exercise.finding("arguments unchanged", 1, side=True)
    def _unchanged(answer: Answer) -> None:
        sizes = list(SIZES)
        answer.span_masks(sizes, 6, np.random.default_rng(0), 5)
        expect(sizes == SIZES, "your function changed word_sizes.")


def told(len_a: Ints, len_b: Ints, label: Ints) -> float:
    """Return in bits H(label) + H(which is longer) − H(both)."""
    longer = np.sign(np.asarray(len_a) - len_b).tolist()
    labels = label.tolist()
    return entropy(labels) + entropy(longer) - entropy(list(zip(labels, longer, strict=True)))


def entropy(values: Sequence[object]) -> float:
    """Return −Σ p log₂ p of the frequencies of values."""
    return -sum(count / len(values) * math.log2(count / len(values)) for count in Counter(values).values())


def _pairs(answer: Answer, n: int, lean: float) -> Arguments:
    """Draw lengths and labels in which each of three relations meets each label; lean: how much they go together."""
    while True:
        label = answer.rng.integers(0, 2, n)
        len_a = answer.rng.integers(1, 6, n) + np.where(answer.rng.random(n) < lean, 2 * label, 0)
        given = {"len_a": len_a, "len_b": answer.rng.integers(1, 6, n), "label": label}
        if len(set(zip(np.sign(len_a - given["len_b"]).tolist(), label.tolist(), strict=True))) == 6:
            return given


def _leak(exercise: Exercise) -> None:
    def look(answer: Answer, given: Arguments) -> None:
        got = expect_one("bits", answer.leak(*(value.copy() for value in given.values())))
        unequal = given["len_a"] != given["len_b"]
        without = told(*(value[unequal] for value in given.values())) if unequal.any() else 0.0
        at_least = told(given["len_a"], np.minimum(given["len_b"], given["len_a"]), given["label"])
        suspects = [
            ("that is in nats: bits need log₂.", lambda expected: expected * math.log(2)),
            ("pairs of equal length are pairs too.", lambda _: np.array(without)),
            ("shorter and equal are two things.", lambda _: np.array(at_least)),
        ]
        expect_same("bits", got, np.array(told(**given)), suspects=suspects, scale=1e-3)

    @exercise.finding("bits", 4, "Three relations, two labels: six shares, and those of rows and columns.")
    def _bits(answer: Answer) -> None:
        for lean in (0.3, 0.6, 1.0):
            look(answer, _pairs(answer, 60, lean))

    @exercise.finding("cells that are empty", 3, "What is 0 · log 0 here, and why?")
    def _empty(answer: Answer) -> None:
        label = answer.rng.permutation([0] * 7 + [1] * 5)
        len_b = answer.rng.integers(2, 9, 12)
        look(answer, {"len_a": len_b + 2 * label - 1, "len_b": len_b, "label": label})
        look(answer, {"len_a": len_b + label, "len_b": len_b, "label": label})

    @exercise.finding("nothing to tell", 1, "If one label is all there is, nothing can be learned of it.", side=True)
    def _nothing(answer: Answer) -> None:
        given = _pairs(answer, 60, 0.3)
        for label in (0, 1):
            one = np.full(60, label)
            got = expect_one("bits", answer.leak(given["len_a"].copy(), given["len_b"].copy(), one))
            expect(abs(float(got)) < 1e-12, f"bits are {got} if all labels are {label}, expected 0.")

    @exercise.finding("arguments unchanged", 1, side=True)
    def _unchanged(answer: Answer) -> None:
        given = _pairs(answer, 60, 0.3)
        before = {name: value.copy() for name, value in given.items()}
        answer.leak(*given.values())
        expect_unchanged(given, before)

    @exercise.finding("many pairs in time", 1, side=True)
    def _many(answer: Answer) -> None:
        given = _pairs(answer, 50_000, 0.3)
        got = expect_one("bits", answer.leak(*given.values()))
        expect_within(answer)
        expect_same("bits", got, np.array(told(**given)), scale=1e-3)


_log_partition(LAB.exercise("log_partition", "All cuts of a text, together"))
_expected_counts(LAB.exercise("expected_counts", "How often a piece is used"))
_span_masks(LAB.exercise("span_masks", "Holes of several words"))
_leak(LAB.exercise("leak", "What lengths give away"))

LAB.written("lattice", "A lattice by hand", 10)
LAB.written("slope", "Why a slope counts", 10)
LAB.written("holes", "How much a hole hides", 10)

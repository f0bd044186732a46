"""Notebook 13: n-gram masks and pairs of segments."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from albert_np.backend import Ints
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms
from albert_np.course.report import Finding, holds, self_check
from albert_np.pretraining import ngram_probabilities

__all__ = ["check_order_pair", "check_replace_tokens", "check_span_length", "check_which_bug"]

DRAWS = {3: 20_000, 2: 10_000, 5: 20_000, 1: 200}  # longest → how often to draw


@self_check("span lengths", returns=("n",))
def check_span_length(span_length: Function) -> Iterator[Finding]:
    """Check `n = span_length(rng, longest)`: an integer from 1 to longest, with probability in proportion to 1/n."""
    first = span_length(np.random.default_rng(13), 3)
    told = f"got a {type(first).__name__} {np.shape(first) or ''}".rstrip()
    whole = isinstance(first, int | np.integer)
    yield holds("a length is one whole number", whole, f"{told}: int(…) makes it one")
    one, two, fresh = (np.random.default_rng(seed) for seed in (13, 13, 13))
    same = whole and [span_length(one, 3) for _ in range(50)] == [span_length(two, 3) for _ in range(50)]
    yield holds("two generators with one seed give the same lengths", same, "they do not: draw from `rng` alone")
    moved = one.bit_generator.state != fresh.bit_generator.state
    yield holds("`rng` was used", moved, "nothing was drawn from it")
    if not (same and moved):
        return
    for longest, draws in DRAWS.items():
        measured = functools.cache(functools.partial(_lengths, span_length, longest, draws))
        found = set(np.unique(measured(13)).tolist())
        told = f"got {sorted(found)}: there are {longest} of them, and the first is 1"
        right = found == set(range(1, longest + 1))
        yield holds(f"longest {longest}: the lengths are 1 to {longest}", right, told)
        if not right:
            return
        for n, p in enumerate(ngram_probabilities(longest).tolist(), start=1):
            share, rule = functools.partial(_share_of, measured, n), functools.partial(_rule, measured, longest)
            finding = _within(f"longest {longest}, share of n = {n}", share, p, draws, rule)
            yield finding
            right = right and bool(finding.ok)
        if not right:
            return  # what is wrong here is wrong for the other lengths too, and drawing takes time


def _lengths(span_length: Function, longest: int, draws: int, seed: int) -> Ints:
    rng = np.random.default_rng(seed)
    return np.array([span_length(rng, longest) for _ in range(draws)])


def _rule(measured: Callable[[int], Ints], longest: int) -> str:
    """Return by which rule lengths look as if they were drawn, if it is a known one."""
    lengths, n = measured(13), np.arange(1, longest + 1)
    rules = {
        "all lengths alike": np.ones(longest),
        "in proportion to n: the weights are the wrong way round": n,
        "1/n²": 1 / n**2,
        "1/(n + 1): the weights begin at n = 2": 1 / (n + 1),
        "halved at each step": 0.5 ** np.minimum(n, longest - 1),
        "in proportion to e^(-n)": np.exp(-1.0 * n),
    }
    shares = (lengths[:, None] == n).mean(axis=0)
    for rule, weights in rules.items():
        p = weights / weights.sum()
        if (abs(shares - p) <= 3 * np.sqrt(p * (1 - p) / len(lengths)) + 1e-12).all():
            return f"; this is the rule “{rule}”, and it should be 1/n"
    return "; p(n) is 1/n divided by the sum of all 1/n (13.1)"


def _share_of(measured: Callable[[int], Ints], value: int, seed: int) -> float:
    return float((measured(seed) == value).mean())


def _share_all_masked(measured: Callable[[int], Ints], seed: int) -> float:
    return float((measured(seed) == 0).all(axis=1).mean())


def _within(
    name: str, measure: Callable[[int], float], p: float, draws: int, advice: Callable[[], str] = str
) -> Finding:
    """Compare a share with its probability, to 3σ; 1 in 370 lies outside by luck, so such a one is measured anew."""
    margin = 3 * math.sqrt(p * (1 - p) / draws)
    shares = []
    for seed in (13, 14):
        shares.append(measure(seed))
        if abs(shares[-1] - p) <= margin:
            return Finding(f"{name}: {shares[-1]:.4f}, expected {p:.4f} ± {margin:.4f}", True)
    told = f"{shares[0]:.4f}, then {shares[1]:.4f}, expected {p:.4f} ± {margin:.4f}"
    return Finding(name, False, told + advice())


MASK = 4
ORDINARY = np.arange(5, 25)  # ids 0 to 4 are special
EXAMPLES, CHOSEN = 2000, 10  # how many examples, and how many tokens are chosen in each


@self_check("80 / 10 / 10", returns=("input_ids",))
def check_replace_tokens(replace_tokens: Function) -> Iterator[Finding]:
    """Check `input_ids = replace_tokens(ids, chosen, mask_id, ordinary_ids, rng)`; all (T,), chosen bool."""
    ids, chosen = _example()
    got = np.asarray(replace_tokens(ids, chosen, MASK, ORDINARY, np.random.default_rng(13)))
    told = f"got {got.dtype} of shape {got.shape}, expected whole numbers of shape {ids.shape}"
    fits = got.shape == ids.shape and got.dtype.kind in "iu"
    yield holds("one id for each token", fits, told)
    if not fits:
        return
    yield holds(
        "tokens that were not chosen stay", (got == ids)[~chosen].all(), "some were replaced: is `chosen` turned round?"
    )
    again = replace_tokens(ids, chosen, MASK, ORDINARY, np.random.default_rng(13))
    yield holds("one seed gives one result", (got == again).all(), "it does not: draw from `rng` alone")

    measured = functools.cache(functools.partial(_outcomes, replace_tokens))
    draws = EXAMPLES * CHOSEN
    names = {"masked": 0.8, "replaced at random": 0.1, "kept": 0.1}
    for kind, (name, p) in enumerate(names.items()):
        share = functools.partial(_share_of, measured, kind)
        yield _within(
            f"share {name}", share, p, draws, lambda: "; one number u for each place, compared with 0.8 and 0.9"
        )
    yield _within(
        "each token by itself: share of examples in which all ten are masked",
        functools.partial(_share_all_masked, measured),
        0.8**CHOSEN,
        EXAMPLES,
        lambda: "; each place draws a number of its own, and no count is fixed",
    )
    yield from _random_pieces(replace_tokens)


def _example() -> tuple[Ints, np.ndarray]:
    """30 tokens, ten of them chosen; their ids are none of the ordinary ones, so that each outcome can be told."""
    return np.arange(100, 130), np.arange(30) % 3 == 1


def _outcomes(replace_tokens: Function, seed: int) -> Ints:
    """Return (examples, chosen) int: 0 masked, 1 another token, 2 kept."""
    ids, chosen = _example()
    rng = np.random.default_rng(seed)
    rows = [np.asarray(replace_tokens(ids, chosen, MASK, ORDINARY, rng))[chosen] for _ in range(EXAMPLES)]
    return np.where(np.stack(rows) == MASK, 0, np.where(np.stack(rows) == ids[chosen], 2, 1))


def _random_pieces(replace_tokens: Function) -> Iterator[Finding]:
    """One example with 20,000 chosen tokens: some 2,000 pieces at random, so that no ordinary one can be missing."""
    ids, chosen = np.full(20_000, 100), np.ones(20_000, dtype=bool)
    pieces = np.asarray(replace_tokens(ids, chosen, MASK, ORDINARY, np.random.default_rng(13)))
    pieces = pieces[(pieces != MASK) & (pieces != 100)]
    strange = sorted(set(pieces.tolist()) - set(ORDINARY.tolist()))
    yield holds(
        "random tokens are ordinary ones", not strange, f"{strange[:5]} are not among `ordinary_ids`: draw from it"
    )
    missing = sorted(set(ORDINARY.tolist()) - set(pieces.tolist()))
    yield holds(
        "each ordinary token can come, drawn anew for each place",
        not missing,
        f"{missing[:5]} never came: is one piece drawn for all places?",
    )


PAIRS = 4000  # pairs that are drawn for a share


@self_check("pairs in and out of order", returns=("first", "second", "label"))
def check_order_pair(order_pair: Function) -> Iterator[Finding]:
    """Check `first, second, label = order_pair(sentences, rng)`; sentences: a list of two or more."""
    for count in (6, 3, 2):
        findings = list(_one_text(order_pair, list(range(1, count + 1))))
        yield from findings
        if not all(finding.ok for finding in findings):
            return
    drawn = functools.cache(functools.partial(_drawn_pairs, order_pair))
    again = _drawn_pairs(order_pair, 13)
    yield holds("one seed gives one result", (again == drawn(13)).all(), "it does not: draw from `rng` alone")
    yield _within("share swapped", functools.partial(_swapped, drawn, range(6)), 0.5, PAIRS, lambda: "; toss a coin")
    for a in range(1, 6):
        share = functools.partial(_cut_after, drawn, a)
        finding = _within(f"cut after sentence {a} of 6", share, 1 / 5, PAIRS, lambda: UNIFORM)
        yield finding
        if not finding.ok:
            return
    for a in range(1, 6):
        share = functools.partial(_swapped, drawn, [a])
        yield _within(f"share swapped, cut after sentence {a}", share, 0.5, PAIRS // 5, lambda: APART)


UNIFORM = "; the cut is uniform over the five boundaries between six sentences (13.10)"
APART = "; the coin must not know where the cut is, or the lengths tell the label"


def _cut_after(drawn: Callable[[int], Ints], a: int, seed: int) -> float:
    return float((drawn(seed)[:, 0] == a).mean())


def _swapped(drawn: Callable[[int], Ints], cuts: Sequence[int], seed: int) -> float:
    """Return the share that is swapped of the pairs with one of these cuts."""
    pairs = drawn(seed)
    return float(pairs[np.isin(pairs[:, 0], cuts), 1].mean())


def _one_text(order_pair: Function, sentences: list[int]) -> Iterator[Finding]:
    """Look at fifty pairs of one text: nothing lost, nothing empty, nothing turned round, and the label right."""
    name, rng = f"{len(sentences)} sentences", np.random.default_rng(13)
    for _ in range(50):
        first, second, label = order_pair(list(sentences), rng)
        try:
            first, second = list(first), list(second)
        except TypeError:
            told = f"got a {type(first).__name__} and a {type(second).__name__}, expected two lists of sentences"
            yield Finding(name, False, told)
            return
        if not isinstance(label, int | np.integer) or label not in (0, 1):
            yield Finding(name, False, f"the label is {label!r}, expected 0 or 1")
            return
        told = _what_is_wrong(first, second, int(label), sentences)
        if told:
            yield Finding(name, False, f"first {first}, second {second}, label {label}: {told}")
            return
    yield Finding(f"{name}: nothing lost, and 1 means swapped", True)


def _what_is_wrong(first: list[int], second: list[int], label: int, sentences: list[int]) -> str:
    """Return what is wrong with a pair of a text, or ""."""
    if not first or not second:
        return "a segment is empty; of s sentences the first segment gets 1 to s − 1"
    if sorted(first + second) != sentences:
        return "each sentence belongs into one of the two segments, once"
    if sorted(first) != first or sorted(second) != second:
        return "the sentences inside a segment stay in order; only the segments are swapped"
    in_order, swapped = first + second == sentences, second + first == sentences
    if not in_order and not swapped:
        return "the text is cut in one place: the segments are its front and its back"
    return "" if swapped == bool(label) else "1 means swapped: the back of the text comes first"


def _drawn_pairs(order_pair: Function, seed: int) -> Ints:
    """Return (PAIRS, 2) int: after how many of six sentences the text was cut, and the label."""
    rng, sentences = np.random.default_rng(seed), [1, 2, 3, 4, 5, 6]
    rows = [order_pair(list(sentences), rng) for _ in range(PAIRS)]
    return np.array([(len(second) if label else len(first), label) for first, second, label in rows])


Pair = tuple[list[Any], list[Any], int]  # segments A and B, and 1 if they are swapped


def package_order_pair(sentences: list[Any], rng: np.random.Generator) -> Pair:
    """The answer to the third exercise, for those who go on without it."""
    cut, label = int(rng.integers(1, len(sentences))), int(rng.integers(2))
    front, back = sentences[:cut], sentences[cut:]
    return (back, front, 1) if label else (front, back, 0)


def package_span_length(rng: np.random.Generator, longest: int) -> int:
    """The answer to the first exercise, for those who go on without it."""
    return 1 + int(rng.choice(longest, p=ngram_probabilities(longest)))


def package_replace_tokens(
    ids: Ints, chosen: np.ndarray, mask_id: int, ordinary_ids: Ints, rng: np.random.Generator
) -> Ints:
    """The answer to the second exercise, for those who go on without it."""
    u, pieces = rng.random(ids.shape), rng.choice(ordinary_ids, ids.shape)
    changed = np.where(u < 0.8, mask_id, np.where(u < 0.9, pieces, ids))
    return np.where(chosen, changed, ids)


TEXT = [1, 2, 3, 4, 5, 6]


def _biased(rng: np.random.Generator) -> Pair:
    first, second, _ = package_order_pair(TEXT, rng)
    front, back = sorted((first, second))
    return (back, front, 1) if rng.random() < 1 / 3 else (front, back, 0)


def _longer_first_if_swapped(rng: np.random.Generator) -> Pair:
    first, second, label = package_order_pair(TEXT, rng)
    if label and len(first) < len(second):
        cut = len(second)
        first, second = TEXT[len(TEXT) - cut :], TEXT[: len(TEXT) - cut]
    return first, second, label


def _label_turned(rng: np.random.Generator) -> Pair:
    first, second, label = package_order_pair(TEXT, rng)
    return first, second, 1 - label


def _turned_inside(rng: np.random.Generator) -> Pair:
    first, second, label = package_order_pair(TEXT, rng)
    return (first[::-1], second[::-1], 1) if label else (first, second, 0)


def _middle(rng: np.random.Generator) -> Pair:
    return (TEXT[3:], TEXT[:3], 1) if rng.integers(2) else (TEXT[:3], TEXT[3:], 0)


def _last_cut_missing(rng: np.random.Generator) -> Pair:
    cut = int(rng.integers(1, len(TEXT) - 1))
    return (TEXT[cut:], TEXT[:cut], 1) if rng.integers(2) else (TEXT[:cut], TEXT[cut:], 0)


@functools.cache
def _pair_symptoms(sampler: Callable[[np.random.Generator], Pair]) -> Symptoms:
    """What 4,000 pairs of a text of six sentences show."""
    rng = np.random.default_rng(131)
    pairs = [sampler(rng) for _ in range(4000)]
    labels = np.array([label for *_, label in pairs])
    lengths = np.array([len(first) for first, *_ in pairs])
    of_swapped, share = np.bincount(lengths, labels, minlength=6)[1:], np.bincount(lengths, minlength=6)[1:]
    guessed = np.maximum(of_swapped, share - of_swapped).sum() / len(pairs)
    fronts = np.bincount(np.where([1 in first for first, *_ in pairs], lengths, 6 - lengths), minlength=6)[1:]
    begins = [1 in first for first, _, label in pairs if label == 0]
    kept = [list(first) == sorted(first) and list(second) == sorted(second) for first, second, _ in pairs]
    return {
        "label 1": f"{100 * labels.mean():.0f} %",
        "1 in A, label 0": f"{100 * np.mean(begins):.0f} %",
        "cut after 1 … 5": " ".join(f"{100 * n / len(pairs):.0f}" for n in fronts),
        "by length": f"{100 * guessed:.0f} %",
        "order inside": f"{100 * np.mean(kept):.0f} %",
    }


HUNT = Hunt(
    bugs={
        "of the swapped pairs, A is always the longer segment": _longer_first_if_swapped,
        "the label is turned round": _label_turned,
        "the coin is a die: one in three is swapped": _biased,
        "the text is always cut in its middle": _middle,
        "in swapped pairs the sentences too are turned round": _turned_inside,
        "the last cut is missing": _last_cut_missing,
    },
    symptoms=_pair_symptoms,
    numbers=(3, 1, 6, 2, 5, 4),
    right=functools.partial(package_order_pair, TEXT),
)
check_which_bug = HUNT.check()

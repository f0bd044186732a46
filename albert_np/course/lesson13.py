"""Notebook 13: n-gram masks and pairs of segments."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import Finding, holds, self_check
from albert_np.pretraining import ngram_probabilities

__all__ = ["check_replace_tokens", "check_span_length"]

DRAWS = {3: 20_000, 2: 10_000, 5: 20_000, 1: 200}  # longest → how often to draw


@self_check("span lengths", returns=("n",))
def check_span_length(span_length: Callable[..., Any]) -> Iterator[Any]:
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


def _lengths(span_length: Callable[..., Any], longest: int, draws: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return np.array([span_length(rng, longest) for _ in range(draws)])


def _rule(measured: Callable[[int], Any], longest: int) -> str:
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


def _share_of(measured: Callable[[int], Any], value: int, seed: int) -> float:
    return float((measured(seed) == value).mean())


def _share_all_masked(measured: Callable[[int], Any], seed: int) -> float:
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
def check_replace_tokens(replace_tokens: Callable[..., Any]) -> Iterator[Any]:
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


def _example() -> tuple[Any, Any]:
    """30 tokens, ten of them chosen; their ids are none of the ordinary ones, so that each outcome can be told."""
    return np.arange(100, 130), np.arange(30) % 3 == 1


def _outcomes(replace_tokens: Callable[..., Any], seed: int) -> Any:
    """Return (examples, chosen) int: 0 masked, 1 another token, 2 kept."""
    ids, chosen = _example()
    rng = np.random.default_rng(seed)
    rows = [np.asarray(replace_tokens(ids, chosen, MASK, ORDINARY, rng))[chosen] for _ in range(EXAMPLES)]
    return np.where(np.stack(rows) == MASK, 0, np.where(np.stack(rows) == ids[chosen], 2, 1))


def _random_pieces(replace_tokens: Callable[..., Any]) -> Iterator[Any]:
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

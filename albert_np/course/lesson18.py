"""Notebook 18: how far a step moves a token, where a head looks, and what a change costs along its way."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from albert_np.backend import Floats, Ints
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.model import AlbertModel
from albert_np.study import experiments, inside

__all__ = ["check_along_the_way", "check_head_statistics", "check_layer_distances", "check_which_bug"]

SMALL = AlbertConfig(
    vocab_size=30,
    embedding_size=4,
    hidden_size=8,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=8,
    initializer_range=0.5,
)
LENGTHS = (6, 2, 4)  # unequal: a mean over sequences is not the mean over tokens


@self_check("distances between a step's input and output")
def check_layer_distances(layer_distances: Function) -> Iterator[Finding]:
    """Check `layer_distances(hidden_states, attention_mask)`, a dict of "l2" and "degrees", (L,) each.

    hidden_states: L + 1 arrays (B, T, H), attention_mask (B, T).
    """
    by_hand = [np.array([[vector]], dtype=float) for vector in ((3, 4), (4, 3), (8, 6))]
    got = layer_distances(by_hand, np.array([[1]]))
    yield _has_keys(got, ("l2", "degrees"))
    known: dict[str, npt.ArrayLike] = {
        "the square of the length": [2.0, 25.0],
        "from the first state, not the one before": [math.sqrt(2), math.sqrt(29)],
    }
    advice = "one number for each step, of the difference between what goes in and what comes out"
    yield equal("one token by hand, its L2 distances", got["l2"], [math.sqrt(2), 5.0], mistakes=known, advice=advice)
    angles = [math.degrees(math.acos(24 / 25)), 0.0]
    known = {"these are radians": np.radians(angles), "this is the cosine": np.cos(np.radians(angles))}
    yield equal("one token by hand, its angles in degrees", got["degrees"], angles, 1e-3, known)
    back = layer_distances([by_hand[0], -2 * by_hand[0]], np.array([[1]]))
    yield equal("a token that is turned round: 180 degrees", back["degrees"], [180.0], 1e-5)

    rng = np.random.default_rng(16)
    mask = _mask()
    states = [rng.standard_normal((3, 6, 5)) for _ in range(4)]
    expected = experiments.layer_distances(states, mask)
    got, others = layer_distances(states, mask), _other_means(states, mask)
    for name in ("l2", "degrees"):
        what = f"{name}, the mean over the real tokens of sequences of 6, 2 and 4"
        yield equal(what, got[name], expected[name], 1e-6, others[name], TOKENS)
    poisoned = [np.where(mask[..., None] == 1, state, 1e3 * rng.standard_normal(state.shape)) for state in states]
    got = layer_distances(poisoned, mask)
    for name in ("l2", "degrees"):
        yield equal(f"{name} with other numbers in the padding, which must not count", got[name], expected[name], 1e-6)
    zeroed = [np.where(mask[..., None] == 1, state, 0.0) for state in states]
    degrees = np.asarray(layer_distances(zeroed, mask)["degrees"])
    yield holds("padding that is zero has no angle: no NaN from there", bool(np.isfinite(degrees).all()), "NaN")
    yield from _no_rounding_above_one(layer_distances, rng)
    out, mask = _small_model()
    got, expected = layer_distances(out.hidden_states, mask), experiments.layer_distances(out.hidden_states, mask)
    for name in ("l2", "degrees"):
        yield equal(f"{name} of a small ALBERT, against the package", got[name], expected[name], 1e-6)


TOKENS = "One length, or one angle, for each real token; then one mean over all of them"


def _other_means(states: Sequence[Floats], mask: Ints) -> dict[str, dict[str, Floats]]:
    """Return for both measures advice → what another mean comes to."""
    everything = experiments.layer_distances(states, np.ones_like(mask))
    each = [experiments.layer_distances([x[b : b + 1] for x in states], mask[b : b + 1]) for b in range(len(mask))]
    return {
        name: {
            "the padding counts here, and must not": everything[name],
            "the mean of the sequences' means; each token counts the same": np.mean(
                [one[name] for one in each], axis=0
            ),
        }
        for name in ("l2", "degrees")
    }


def _no_rounding_above_one(layer_distances: Function, rng: np.random.Generator) -> Iterator[Finding]:
    """A cosine of 1 + 2e-16 has no angle; among 500 tokens that stay where they are, many have it."""
    still = rng.standard_normal((1, 500, 7))
    degrees = np.asarray(layer_distances([still, still], np.ones((1, 500)))["degrees"])
    name = "tokens that do not move: 0 degrees, though rounding makes some cosines larger than 1"
    yield holds(name, (abs(degrees) < 1e-3).all(), f"got {degrees}: clip the cosine to [-1, 1]")


@self_check("statistics of attention heads")
def check_head_statistics(head_statistics: Function) -> Iterator[Finding]:
    """Check `head_statistics(probs, attention_mask)`, a dict of six arrays (N,), see `inside.head_statistics`.

    probs (B, N, T, T), attention_mask (B, T).
    """
    third, whole = 1 / 3, np.ones((1, 3))
    patterns = {
        "all alike, T = 3": (np.full((3, 3), third), (math.log(3), 8 / 9, third, 2 / 9, 2 / 9, third)),
        "each at itself, T = 3": (np.eye(3), (0, 0, 1, 0, 0, third)),
        "each at the one before, the first at itself, T = 3": (
            np.eye(3)[[0, 0, 1]],
            (0, 2 / 3, third, 2 / 3, 0, 2 / 3),
        ),
        "each at the next, the last at the first, T = 3": (np.eye(3)[[1, 2, 0]], (0, 4 / 3, 0, 0, 2 / 3, third)),
        "each at the one before, the first at the last, T = 3": (np.eye(3)[[2, 0, 1]], (0, 4 / 3, 0, 2 / 3, 0, third)),
    }
    for pattern, (probs, expected) in patterns.items():
        got = head_statistics(probs[None, None], whole)
        yield _has_keys(got, NAMES)
        for name, value in zip(NAMES, expected, strict=True):
            yield _statistic(f"by hand, {pattern}: {name}", name, got, [value])

    rng = np.random.default_rng(160)
    mask = _mask()
    probs = rng.random((3, 2, 6, 6)) * mask[:, None, None, :]  # padded keys have no weight
    probs /= probs.sum(axis=-1, keepdims=True)
    yield from _compared(head_statistics, "two heads, sequences of 6, 2 and 4", probs, mask, probs)
    other = probs.copy()
    other[np.broadcast_to(mask[:, None, :] == 0, other.shape[:3])] = np.eye(6)[0]  # padded queries: all at [CLS]
    yield from _compared(
        head_statistics, "padded queries that look elsewhere, which must not count", other, mask, probs
    )
    out, mask = _small_model()
    yield from _compared(head_statistics, "a small ALBERT, against the package", out.attentions[1], mask)


NAMES = ("entropy", "distance", "self", "previous", "next", "first")


def _compared(
    head_statistics: Function, what: str, probs: Floats, mask: Ints, same_as: Floats | None = None
) -> Iterator[Finding]:
    got = head_statistics(probs, mask)
    expected = inside.head_statistics(probs if same_as is None else same_as, mask)
    for name in NAMES:
        yield _statistic(f"{what}: {name}", name, got, expected[name])


def _statistic(what: str, name: str, got: Any, expected: npt.ArrayLike) -> Finding:
    """Compare one statistic; an entropy to 1e-6, so that a log(p + 1e-12), which never meets a zero, is right too."""
    tolerance, scale = (1e-6, 1.0) if name == "entropy" else (1e-9, 1e-12)
    known = {"this is in bits: the natural logarithm is asked for": np.asarray(expected) / math.log(2)}
    return equal(what, got[name], expected, tolerance, known if name == "entropy" else None, ADVICE[name], scale)


ADVICE = {
    "entropy": "−Σ p ln p over the keys, with 0 ln 0 = 0; then the mean over the real queries",
    "distance": "Σ p |query − key| over all keys; then the mean over the real queries",
    "self": "the weight at key = query",
    "previous": "the weight at key = query − 1; the first query has none, and counts as 0",
    "next": "the weight at key = query + 1; the last query has none, and counts as 0",
    "first": "the weight at key 0",
}


def measured(probs: Floats, attention_mask: np.ndarray, bug: str = "") -> dict[str, float]:
    """Return (18.7) to (18.9) of one head, probs (B, T, T), with a bug of the hunt if one is named."""
    T = probs.shape[-1]
    offset = np.arange(T) - np.arange(T)[:, None]  # key - query
    if bug == "exchanged":
        offset = -offset
    before = offset % T == T - 1 if bug == "round" else offset == -1
    of_queries = {
        "entropy": -(probs * np.log(np.where(probs > 0, probs, 1))).sum(-1) / (math.log(2) if bug == "bits" else 1),
        "distance": (probs * (offset if bug == "signed" else abs(offset))).sum(-1),
        "previous": (probs * before).sum(-1),
        "next": (probs * (offset == 1)).sum(-1),
        "first": probs[..., 0],
    }
    real = np.ones_like(attention_mask) if bug == "padding" else attention_mask
    if bug == "sequences":
        means = {name: (values * real).sum(-1) / real.sum(-1) for name, values in of_queries.items()}
        return {name: float(values.mean()) for name, values in means.items()}
    return {name: float((values * real).sum() / real.sum()) for name, values in of_queries.items()}


def _symptoms(function: Function) -> Symptoms:
    """What a head's statistics say of heads that are known."""
    whole, T = np.ones((1, 4)), 4
    even, before = np.full((1, T, T), 1 / T), np.eye(T)[[3, 0, 1, 2]][None]
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    unlike = np.array([np.full((T, T), 1 / 4), [[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]])
    found = {
        "entropy": function(even, whole)["entropy"],
        "distance": function(even, whole)["distance"],
        "previous": function(before, whole)["previous"],
        "next": function(before, whole)["next"],
        "first of two": function(unlike, mask)["first"],
    }
    return {name: f"{value:.2f}" for name, value in found.items()}


HUNT = Hunt(
    bugs={
        "the first query has one before it, the last key": partial(measured, bug="round"),
        "padded queries are counted": partial(measured, bug="padding"),
        "key less query without the bars: a way to the left is negative": partial(measured, bug="signed"),
        "the mean of the sequences' means is taken": partial(measured, bug="sequences"),
        "query and key are exchanged": partial(measured, bug="exchanged"),
        "the logarithm has the base 2": partial(measured, bug="bits"),
    },
    symptoms=_symptoms,
    numbers=(5, 3, 6, 1, 4, 2),
    right=measured,
)
check_which_bug = HUNT.check()


def package_along_the_way(gradient: Callable[[Floats], Floats], start: Floats, end: Floats, steps: int = 16) -> Floats:
    """Return the attributions of (18.15) by the midpoint rule, called as the exercise is."""
    way = end - start
    return way * sum(gradient(start + (k + 0.5) / steps * way) for k in range(steps)) / steps


@self_check("gradients along a way", returns=("attributions",))
def check_along_the_way(along_the_way: Function) -> Iterator[Finding]:
    """Check `a = along_the_way(gradient, start, end, steps)`, (18.15) with that many points.

    gradient(e) is the gradient of a loss at e, of e's shape; start and end are arrays of one shape.
    """
    start, end = np.array([1.0, 0.0]), np.array([3.0, -1.0])

    def flat(e: Floats) -> Floats:
        return np.array([2.0, 5.0]) + 0 * e

    yield equal("a loss with one gradient everywhere: it, times the way", along_the_way(flat, start, end, 1), [4, -5])
    yield _way("by hand: the loss is the sum of all e², from (1, 0) to (3, -1)", along_the_way, _double, start, end)
    rng = np.random.default_rng(180)
    start, end = rng.standard_normal((2, 2, 3, 4))
    weight = rng.standard_normal((4, 4))
    yield _way("a loss that bends, from (2, 3, 4) numbers", along_the_way, partial(_bent, weight), start, end)
    got = np.asarray(along_the_way(partial(_bent, weight), start, end, 64))
    there, here = (float(np.log(np.cosh(e @ weight)).sum()) for e in (end, start))
    told = f"they add up to {got.sum():.6g}, and the loss changes by {there - here:.6g}"
    yield holds("all attributions add up to the change of the loss", abs(got.sum() - (there - here)) < 2e-3, told)
    one = start.copy()
    one[1, 2] = end[1, 2]
    got = np.asarray(along_the_way(partial(_bent, weight), start, one, 64))
    told = "no way, no part of the change: the factor end - start is 0 there"
    yield holds("what does not move gets nothing", not np.delete(got.reshape(6, 4), 5, axis=0).any(), told)


def _double(e: Floats) -> Floats:
    return 2 * e


def _bent(weight: Floats, e: Floats) -> Floats:
    return np.tanh(e @ weight) @ weight.T  # of Σ ln cosh(e · weight)


def _way(
    what: str, along_the_way: Function, gradient: Callable[[Floats], Floats], start: Floats, end: Floats
) -> Finding:
    way, steps = end - start, 64
    exact = package_along_the_way(gradient, start, end, 2000)
    points = [gradient(start + k / steps * way) for k in range(steps + 1)]
    mean = exact / np.where(way == 0, 1, way)
    known = {
        "this is the gradient at the start, times the way: that is (18.14), a way of one step": way * gradient(start),
        "this is the gradient at the end, times the way; the way between counts too": way * gradient(end),
        "the points are at the beginnings of their pieces; take the middles, (k + ½)/n": way * sum(points[:-1]) / steps,
        "the points are at the ends of their pieces; take the middles, (k + ½)/n": way * sum(points[1:]) / steps,
        "both ends are among the points, and count whole; take the middles, (k + ½)/n": way * sum(points) / (steps + 1),
        "a sum over the points, where (18.15) has their mean": steps * exact,
        "the mean gradient has to be multiplied by the way, end - start": mean,
        "multiplied by the end, not by the way there": mean * end,
        "the way goes from start to end: the sign is turned round": -exact,
        "the points lie between 0 and the end, not between start and end": way
        * package_along_the_way(gradient, 0 * end, end, steps)
        / np.where(end == 0, 1, end),
    }
    return equal(what, along_the_way(gradient, start, end, steps), exact, 2e-3, known)


def _has_keys(got: object, names: tuple[str, ...]) -> Finding:
    lacking = [name for name in names if not isinstance(got, dict) or name not in got]
    return holds(f"a dict with {', '.join(names)}", not lacking, f"got {type(got).__name__} without {lacking}")


def _mask() -> Ints:
    return (np.arange(6) < np.array(LENGTHS)[:, None]).astype(np.int64)  # whole numbers, as a tokenizer returns them


def _small_model() -> tuple[Any, Ints]:
    model = AlbertModel(SMALL, dtype="float64", seed=16).eval()
    mask = _mask()
    ids = np.random.default_rng(161).integers(5, 30, mask.shape) * mask
    return model(ids, attention_mask=mask, output_hidden_states=True, output_attentions=True), mask

"""Notebook 18: how far a step moves a token, and where a head looks."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.model import AlbertModel
from albert_np.study import experiments, inside

__all__ = ["check_head_statistics", "check_layer_distances"]

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
def check_layer_distances(layer_distances: Callable[..., Any]) -> Iterator[Any]:
    """Check `layer_distances(hidden_states, attention_mask)`, a dict of "l2" and "degrees", (L,) each.

    hidden_states: L + 1 arrays (B, T, H), attention_mask (B, T).
    """
    by_hand = [np.array([[vector]], dtype=float) for vector in ((3, 4), (4, 3), (8, 6))]
    got = layer_distances(by_hand, np.array([[1]]))
    yield _has_keys(got, ("l2", "degrees"))
    known: dict[str, Any] = {
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
    got, known = layer_distances(states, mask), _other_means(states, mask)
    for name in ("l2", "degrees"):
        what = f"{name}, the mean over the real tokens of sequences of 6, 2 and 4"
        yield equal(what, got[name], expected[name], 1e-6, known[name], TOKENS)
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


def _other_means(states: list[Any], mask: Any) -> dict[str, dict[str, Any]]:
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


def _no_rounding_above_one(layer_distances: Callable[..., Any], rng: np.random.Generator) -> Iterator[Any]:
    """A cosine of 1 + 2e-16 has no angle; among 500 tokens that stay where they are, many have it."""
    still = rng.standard_normal((1, 500, 7))
    degrees = np.asarray(layer_distances([still, still], np.ones((1, 500)))["degrees"])
    name = "tokens that do not move: 0 degrees, though rounding makes some cosines larger than 1"
    yield holds(name, (abs(degrees) < 1e-3).all(), f"got {degrees}: clip the cosine to [-1, 1]")


@self_check("statistics of attention heads")
def check_head_statistics(head_statistics: Callable[..., Any]) -> Iterator[Any]:
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
    head_statistics: Callable[..., Any], what: str, probs: Any, mask: Any, same_as: Any | None = None
) -> Iterator[Any]:
    got = head_statistics(probs, mask)
    expected = inside.head_statistics(probs if same_as is None else same_as, mask)
    for name in NAMES:
        yield _statistic(f"{what}: {name}", name, got, expected[name])


def _statistic(what: str, name: str, got: Any, expected: Any) -> Finding:
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


def _has_keys(got: Any, names: tuple[str, ...]) -> Any:
    lacking = [name for name in names if not isinstance(got, dict) or name not in got]
    return holds(f"a dict with {', '.join(names)}", not lacking, f"got {type(got).__name__} without {lacking}")


def _mask() -> Any:
    return (np.arange(6) < np.array(LENGTHS)[:, None]).astype(np.int64)  # whole numbers, as a tokenizer returns them


def _small_model() -> Any:
    model = AlbertModel(SMALL, dtype="float64", seed=16).eval()
    mask = _mask()
    ids = np.random.default_rng(161).integers(5, 30, mask.shape) * mask
    return model(ids, attention_mask=mask, output_hidden_states=True, output_attentions=True), mask

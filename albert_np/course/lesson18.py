"""Notebook 18: how far a step moves a token, and where a head looks."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.course.report import equal, holds, self_check
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
    yield equal("one token by hand, its L2 distances", got["l2"], [math.sqrt(2), 5.0])
    angles = [math.degrees(math.acos(24 / 25)), 0.0]
    yield equal("one token by hand, its angles in degrees", got["degrees"], angles, tolerance=1e-6)
    back = layer_distances([by_hand[0], -2 * by_hand[0]], np.array([[1]]))
    yield equal("a token that is turned round: 180 degrees", back["degrees"], [180.0])

    rng = np.random.default_rng(16)
    mask = _mask()
    states = [rng.standard_normal((3, 6, 5)) for _ in range(4)]
    expected = experiments.layer_distances(states, mask)
    given = [state.copy() for state in states]
    got = layer_distances(given, mask.copy())
    unchanged = all((a == b).all() for a, b in zip(given, states, strict=True))
    yield holds("no argument was changed", unchanged, "one was")
    for name in ("l2", "degrees"):
        yield equal(f"{name}, the mean over the real tokens of sequences of 6, 2 and 4", got[name], expected[name])
    poisoned = [np.where(mask[..., None] == 1, state, 1e3 * rng.standard_normal(state.shape)) for state in states]
    got = layer_distances(poisoned, mask)
    for name in ("l2", "degrees"):
        yield equal(f"{name} with other numbers in the padding, which must not count", got[name], expected[name])
    zeroed = [np.where(mask[..., None] == 1, state, 0.0) for state in states]
    with np.errstate(all="ignore"):
        degrees = np.asarray(layer_distances(zeroed, mask)["degrees"])
    yield holds("padding that is zero has no angle: no NaN from there", bool(np.isfinite(degrees).all()), "NaN")
    yield from _no_rounding_above_one(layer_distances, rng)
    out, mask = _small_model()
    got, expected = layer_distances(out.hidden_states, mask), experiments.layer_distances(out.hidden_states, mask)
    for name in ("l2", "degrees"):
        yield equal(f"{name} of a small ALBERT, against the package", got[name], expected[name])


def _no_rounding_above_one(layer_distances: Callable[..., Any], rng: np.random.Generator) -> Iterator[Any]:
    """A cosine of 1 + 2e-16 has no angle; among 500 tokens that stay where they are, many have it."""
    still = rng.standard_normal((1, 500, 7))
    with np.errstate(invalid="ignore"):
        degrees = np.asarray(layer_distances([still, still], np.ones((1, 500)))["degrees"])
    name = "tokens that do not move: 0 degrees, though rounding makes some cosines larger than 1"
    yield holds(name, bool((abs(degrees) < 1e-5).all()), f"got {degrees}: clip the cosine to [-1, 1]")


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
        with np.errstate(divide="ignore", invalid="ignore"):
            got = head_statistics(probs[None, None], whole)
        yield _has_keys(got, NAMES)
        for name, value in zip(NAMES, expected, strict=True):
            yield equal(f"by hand, {pattern}: {name}", got[name], [value])

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
    given = probs.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        got = head_statistics(given, mask)
    yield holds(f"{what}: probs were not changed", bool((given == probs).all()), "they were")
    expected = inside.head_statistics(probs if same_as is None else same_as, mask)
    for name in NAMES:
        yield equal(f"{what}: {name}", got[name], expected[name])


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

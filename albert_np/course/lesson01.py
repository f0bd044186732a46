"""Notebook 01: broadcasting, and undoing it."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from albert_np.backend import Array, Floats
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms, factor
from albert_np.course.report import Finding, differences, equal, holds, self_check

__all__ = ["check_centre_backward", "check_shape_predictions", "check_unbroadcast", "check_which_bug"]


class Question(NamedTuple):
    text: str
    compute: Function
    shapes: tuple[tuple[int, ...], ...]
    advice: str


QUESTIONS = {
    "a": Question("x + bias", np.add, ((2, 5, 8), (8,)), "a bias has ones put in front: (1, 1, 8)"),
    "b": Question("column + row", np.add, ((5, 1), (1, 8)), "each axis takes the larger of its two sizes"),
    "c": Question("row + column", np.add, ((5,), (8, 1)), "align at the right: (5,) becomes (1, 5), not (5, 1)"),
    "d": Question("u + v", np.add, ((5,), (8,)), "5 meets 8 and neither is 1: NumPy refuses, so the answer is None"),
    "e": Question("words + positions", np.add, ((2, 5, 8), (1, 5, 8)), "the 1 is stretched over the batch"),
    "f": Question("x - x.mean(axis=-1)", lambda x: x - x.mean(axis=-1), ((2, 5, 8),), "(2, 5, 8) meets (2, 5)"),
    "g": Question(
        "x.mean(axis=-1, keepdims=True)",
        lambda x: x.mean(axis=-1, keepdims=True),
        ((2, 5, 8),),
        "keepdims leaves an axis of size 1 where the mean was taken",
    ),
    "h": Question(
        "x @ weight.T", lambda x, weight: x @ weight.T, ((2, 5, 8), (3, 8)), "the inner sizes, 8 and 8, are summed away"
    ),
    "i": Question("scores + mask", np.add, ((2, 4, 5, 5), (2, 1, 1, 5)), "one line of a sequence serves all heads"),
    "j": Question(
        "table[ids]",
        lambda table, ids: table[ids.astype(int)],
        ((9, 8), (1, 5)),
        "every id is replaced by a row: the shape of the ids, then the length of a row",
    ),
}


@self_check("ten shapes")
def check_shape_predictions(predictions: Callable[[], object]) -> Iterator[Finding]:
    """Check `predictions()`: a dictionary from "a" to "j" to a shape, or None where NumPy raises an error."""
    given = predictions()
    if not isinstance(given, dict):
        yield Finding("a dictionary", False, f'got a {type(given).__name__}, expected {{"a": (2, 5, 8), …}}')
        return
    for letter, question in QUESTIONS.items():
        line = f"{letter}: {question.text}, shapes {', '.join(map(str, question.shapes))}"
        if letter not in given:
            yield Finding(line, False, "no prediction")
        elif not isinstance(given[letter], tuple | list | type(None)):
            yield Finding(line, False, f"{given[letter]!r} is no shape: write a tuple such as (5,), or None")
        else:
            predicted = given[letter] if given[letter] is None else tuple(given[letter])
            otherwise = f"NumPy disagrees. Think: {question.advice}"
            yield holds(f"{line}: {predicted}", predicted == _shape_of(question), otherwise)


def _shape_of(question: Question) -> tuple[int, ...] | None:
    try:
        shape: tuple[int, ...] = np.shape(question.compute(*map(np.zeros, question.shapes)))
    except ValueError:
        return None
    return shape


SHAPES = {  # shape of x → shape that it was broadcast to
    "a bias": ((4,), (2, 3, 4)),
    "positions, stretched over the batch": ((1, 3, 4), (2, 3, 4)),
    "a column": ((3, 1), (3, 4)),
    "one number for each sequence": ((2, 1, 1), (2, 3, 4)),
    "a new axis and a stretched one": ((3, 1), (2, 3, 4)),
    "a mask, stretched over heads and rows": ((2, 1, 1, 3), (2, 4, 3, 3)),
    "a single number": ((), (2, 3)),
    "nothing was broadcast": ((2, 3), (2, 3)),
    "square, where a wrong axis would fit too": ((3, 1), (3, 3)),
    "size 1 stays 1": ((1, 3), (1, 3)),
}


ADVICE = "Sum over the axes that were put in front, and over those of size 1 in `shape`, which stay, with size 1"


@self_check("unbroadcast", returns=("dx",))
def check_unbroadcast(unbroadcast: Function) -> Iterator[Finding]:
    """Check `dx = unbroadcast(dy, shape)`: dy summed over every axis along which x of that shape was copied."""
    rng = np.random.default_rng(1)
    for name, (shape, large) in SHAPES.items():
        x, dy = rng.standard_normal(shape), rng.standard_normal(large)
        dx = unbroadcast(dy, shape)
        expected = unbroadcast_place_by_place(dy, shape)
        share = expected * np.size(expected) / dy.size
        known = {"the mean over the copies; each of them passes its gradient on, so they add up": share}
        yield equal(f"{name}, {large} → {shape}", dx, expected, mistakes=known, advice=ADVICE)
        if np.shape(dx) == shape:
            copied, summed = float((dy * np.broadcast_to(x, large)).sum()), float((np.asarray(dx) * x).sum())
            sides = math.isclose(copied, summed, rel_tol=1e-9, abs_tol=1e-9)
            yield holds(
                f"{name}: the dot-product test (1.6)", sides, f"{copied:.6g} on one side, {summed:.6g} on the other"
            )

    x, weight = rng.standard_normal((2, 3, 4)), rng.standard_normal((3, 1))

    def backward(dy: Floats, _: None) -> tuple[Floats, Floats]:
        return dy * weight, unbroadcast(dy * x, (3, 1))

    def forward(x: Floats, weight: Floats) -> tuple[Floats, None]:
        return x * weight, None

    yield from differences(forward, backward, {"x": x, "weight": weight})


def unbroadcast_place_by_place(dy: Floats, shape: tuple[int, ...]) -> np.ndarray:
    """Sum with the slowest code that cannot be wrong: every number of dy goes home to the place it was copied from."""
    home = np.broadcast_to(np.arange(np.prod(shape, dtype=int)).reshape(shape), dy.shape)
    return np.bincount(home.ravel(), weights=dy.ravel()).reshape(shape)


@self_check("backward of y = x − mean(x)", returns=("dx",))
def check_centre_backward(backward: Function) -> Iterator[Finding]:
    """Check `dx = backward(dy)` of y = x − mean of each row; dy and dx (…, H)."""
    dy = np.array([3.0, 0.0, 0.0])
    known = {
        "the mean is not a constant: each x is in it, so each x reaches every y through it": dy,
        "the way through the mean comes with a minus (1.8)": dy + dy.mean(),
        "each x is only a third of the mean: the sum of dy has to be divided by H (1.9)": dy - dy.sum(),
        "the mean's own way alone; x also reaches its own y directly": -dy.mean() * np.ones(3),
        "each x reaches every y through the mean, not its own alone": dy - dy / 3,
        "divided by H − 1: a mean divides by H": dy - dy.sum() / 2,
    }
    yield equal("dx for dy = (3, 0, 0)", backward(dy), np.array([2.0, -1.0, -1.0]), mistakes=known, advice="(1.9)")

    rng = np.random.default_rng(1)
    dy = rng.standard_normal((3, 3, 3))  # so many axes of one size that a wrong one fits
    known = {
        "the mean has lost its axis and counts as a row: keepdims=True": dy - dy.mean(axis=-1),
        "the mean is over everything: each row has its own": dy - dy.mean(),
        "the mean is over the first axis: it belongs over the last": dy - dy.mean(axis=0),
        "the mean is over the axis before the last": dy - dy.mean(axis=-2, keepdims=True),
    }
    dx = backward(dy)
    yield equal("dx, three axes", dx, dy - dy.mean(axis=-1, keepdims=True), mistakes=known)
    constant = abs(np.asarray(backward(np.ones((2, 4))))).max()
    yield holds(
        "dx is 0 for a constant dy", constant < 1e-12, f"it is up to {constant:.1e}: the outputs of a row sum to 0"
    )
    yield from differences(centre_forward, lambda dy, _: backward(dy), {"x": rng.standard_normal((2, 3, 4))})


def centre_forward(x: Floats) -> tuple[Floats, None]:
    """y = x − mean of each row, x and y (…, H); backward needs nothing of it."""
    return x - x.mean(axis=-1, keepdims=True), None


def centre_backward(dy: Floats) -> Floats:
    """The answer to the third exercise, for those who go on without it."""
    return centre_forward(dy)[0]


HUNT_X, HUNT_DY = np.random.default_rng(8).standard_normal((2, 2, 4, 4))  # (B, T, H) each, with T = H


def _dweight(dy: Floats, x: Floats) -> Array:
    return (dy * x).sum(axis=(0, 1))


def _symptoms(dweight: Function) -> Symptoms:
    """What can be seen from outside of a function that should return the gradient of weight (H,) in y = x · weight."""
    got, right = dweight(HUNT_DY, HUNT_X), _dweight(HUNT_DY, HUNT_X)
    twice = dweight(np.concatenate([HUNT_DY, HUNT_DY]), np.concatenate([HUNT_X, HUNT_X]))
    return {
        "shape": str(np.shape(got)),
        "each number": factor(got, right),
        "their sum": f"× {got.sum() / right.sum():.3g}",
        "batch twice": factor(twice, got),
        "x doubled": factor(dweight(HUNT_DY, 2 * HUNT_X), got),
    }


HUNT = Hunt(
    bugs={
        "the sum runs over the batch and the last axis": lambda dy, x: (dy * x).sum(axis=(0, 2)),
        "`=` for `+=`: each sentence overwrites what the one before it gave": lambda dy, x: _dweight(dy[-1:], x[-1:]),
        "the sum is left with axes of size 1": lambda dy, x: (dy * x).sum(axis=(0, 1), keepdims=True),
        "the mean over the copies, for their sum": lambda dy, x: (dy * x).mean(axis=(0, 1)),
        "dy itself is summed, not dy · x": lambda dy, x: dy.sum(axis=(0, 1)),
        "only the batch is summed, as if each position had its own weight": lambda dy, x: (dy * x).sum(axis=0),
    },
    symptoms=_symptoms,
    numbers=(4, 2, 6, 1, 3, 5),
    right=_dweight,
)
check_which_bug = HUNT.check()

"""Notebook 07: factorised embeddings."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import differences, equal, float32_stays, holds, self_check
from albert_np.ops import EmbeddingCache, embedding_backward, embedding_forward

__all__ = ["check_embedding_backward", "check_position_backward"]

LOST = "it is not: a place's gradient is lost, or counted more than once; which ids occur twice?"


@self_check("backward of the lookup", returns=("dweight",))
def check_embedding_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dweight = backward(dy, ids, rows)`; dy (…, E), ids (…) integers, dweight (rows, E)."""
    hand = backward(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), np.array([2, 0, 2]), 4)
    right = np.array([[2.0, 2.0], [0.0, 0.0], [4.0, 4.0], [0.0, 0.0]])
    known = {
        advice: np.stack([rows, rows], axis=-1)
        for advice, rows in {
            "the last place of an id wins, as in `dweight[ids] += dy`; which ids occur twice?": [
                2,
                0,
                3,
                0,
            ],
            "the first place of an id wins; which ids occur twice?": [2, 0, 1, 0],
            "the mean over the places of an id; their gradients add up": [2, 0, 2, 0],
            "row 0 is a row like the others: no id is left out": [0, 0, 4, 0],
            "this is how often each id occurs, without dy": [1, 0, 2, 0],
        }.items()
    }
    yield equal("the case by hand, ids = (2, 0, 2)", hand, right, mistakes=known)

    rng = np.random.default_rng(7)
    rows = 9  # the last two are never looked up
    for shape in ((6,), (3, 8), (2, 3, 4)):
        ids, dy = rng.integers(0, rows - 2, shape), rng.standard_normal((*shape, 5))
        dweight = backward(dy, ids, rows)
        expected = embedding_backward(dy, EmbeddingCache(ids, rows, None))
        advice = "dy[place] goes to row ids[place], whatever the shape of ids"
        yield equal(f"ids {shape}, against the package", dweight, expected, advice=advice)

    ids = np.array([[1, 4, 4, 0], [4, 1, 6, 6]])
    dy = rng.standard_normal((2, 4, 5))
    dweight = np.asarray(backward(dy, ids, rows))
    total = dweight.shape[-1:] == (5,) and np.allclose(dweight.sum(axis=0), dy.sum(axis=(0, 1)))
    yield holds("Σ of dweight over all rows is Σ of dy over all places (7.6)", total, LOST)
    unused = dweight.shape[0] == rows and not dweight[[2, 3, 5, 7, 8]].any()
    yield holds("rows that were never looked up are exactly 0", unused, "they are not, or are not there")
    yield float32_stays(backward, (dy, ids, rows), "np.zeros needs dtype=dy.dtype")

    def forward(weight: Any) -> Any:
        return embedding_forward(ids, weight)

    table = rng.standard_normal((rows, 5))
    yield from differences(forward, lambda dy, cache: backward(dy, cache.ids, cache.rows), {"weight": table})


@self_check("backward of shared positions", returns=("dweight",))
def check_position_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dweight = backward(dx, rows)`; dx (B, T, E), positions 0 … T-1 in each sentence, dweight (rows, E)."""
    hand = backward(np.array([[[1.0], [2.0]], [[10.0], [20.0]]]), 3)
    known = {
        advice: np.array(rows)[:, None]
        for advice, rows in {
            "the first sentence alone; each adds its gradient": [1.0, 2.0, 0.0],
            "the last sentence alone; each adds its gradient": [10.0, 20.0, 0.0],
            "the mean over the sentences; each adds its gradient": [5.5, 11.0, 0.0],
            "summed over everything; each place has a row of its own": [33.0, 33.0, 0.0],
        }.items()
    }
    advice = "dweight has a row for each position that there is, used or not"
    yield equal("two sentences of two places, three rows", hand, [[11.0], [22.0], [0.0]], mistakes=known, advice=advice)

    rng = np.random.default_rng(70)
    for shape, rows in (((3, 4, 5), 4), ((1, 4, 5), 6), ((4, 2, 3), 7)):
        dx = rng.standard_normal(shape)
        ids = np.broadcast_to(np.arange(shape[1]), shape[:2])
        dweight = backward(dx, rows)
        expected = embedding_backward(dx, EmbeddingCache(ids, rows, None))
        yield equal(f"dx {shape}, {rows} rows, against a lookup in every sentence", dweight, expected, advice=advice)
    yield float32_stays(backward, (dx, rows), "np.zeros needs dtype=dx.dtype")


def package_embedding_backward(dy: Any, ids: Any, rows: int) -> Any:
    """The package's backward, called as the exercise is."""
    return embedding_backward(dy, EmbeddingCache(ids, rows, None))

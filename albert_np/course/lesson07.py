"""Notebook 07: factorised embeddings."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import equal, holds, self_check
from albert_np.gradcheck import check_gradients
from albert_np.ops import EmbeddingCache, embedding_backward, embedding_forward

__all__ = ["check_embedding_backward", "check_position_backward"]

LOST = "it is not: a place's gradient is lost, or counted more than once; which ids occur twice?"


@self_check("backward of the lookup")
def check_embedding_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dweight = backward(dy, ids, rows)`; dy (…, E), ids (…) integers, dweight (rows, E)."""
    hand = backward(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), np.array([2, 0, 2]), 4)
    yield equal("the case by hand, ids = (2, 0, 2)", hand, [[2.0, 2.0], [0.0, 0.0], [4.0, 4.0], [0.0, 0.0]])

    rng = np.random.default_rng(7)
    rows = 9  # the last two are never looked up
    for shape in ((6,), (3, 8), (2, 3, 4)):
        ids, dy = rng.integers(0, rows - 2, shape), rng.standard_normal((*shape, 5))
        dweight = backward(dy, ids, rows)
        expected = embedding_backward(dy, EmbeddingCache(ids, rows, None))
        yield equal(f"ids {shape}, against the package", dweight, expected)

    ids = np.array([[1, 4, 4, 0], [4, 1, 6, 6]])
    dy = rng.standard_normal((2, 4, 5))
    given = dy.copy(), ids.copy()
    dweight = np.asarray(backward(*given, rows))
    yield holds("no argument was changed", bool((given[0] == dy).all() and (given[1] == ids).all()), "one was")
    total = dweight.shape[-1:] == (5,) and np.allclose(dweight.sum(axis=0), dy.sum(axis=(0, 1)))
    yield holds("Σ of dweight over all rows is Σ of dy over all places (7.6)", total, LOST)
    unused = dweight.shape[0] == rows and not dweight[[2, 3, 5, 7, 8]].any()
    yield holds("rows that were never looked up are exactly 0", unused, "they are not, or are not there")
    single = np.asarray(backward(dy.astype(np.float32), ids, rows))
    yield holds(
        "float32 in gives float32 out", single.dtype == np.float32, f"got {single.dtype}: np.zeros needs dtype="
    )

    def forward(weight: Any) -> Any:
        return embedding_forward(ids, weight)

    table = rng.standard_normal((rows, 5))
    yield from check_gradients(forward, lambda dy, cache: backward(dy, cache.ids, cache.rows), {"weight": table})[:1]


@self_check("backward of shared positions")
def check_position_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dweight = backward(dx, rows)`; dx (B, T, E), positions 0 … T-1 in each sentence, dweight (rows, E)."""
    hand = backward(np.array([[[1.0], [2.0]], [[10.0], [20.0]]]), 3)
    yield equal("two sentences of two places, three rows", hand, [[11.0], [22.0], [0.0]])

    rng = np.random.default_rng(70)
    for shape, rows in (((3, 4, 5), 4), ((1, 4, 5), 6), ((4, 2, 3), 7)):
        dx = rng.standard_normal(shape)
        ids = np.broadcast_to(np.arange(shape[1]), shape[:2])
        given = dx.copy()
        dweight = backward(given, rows)
        expected = embedding_backward(dx, EmbeddingCache(ids, rows, None))
        yield equal(f"dx {shape}, {rows} rows, against a lookup in every sentence", dweight, expected)
        yield holds("no argument was changed", bool((given == dx).all()), "it was")
    single = np.asarray(backward(dx.astype(np.float32), rows))
    yield holds(
        "float32 in gives float32 out", single.dtype == np.float32, f"got {single.dtype}: np.zeros needs dtype="
    )

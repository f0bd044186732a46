"""Notebook 07: factorised embeddings."""

from collections.abc import Iterator

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.course.answers import Function
from albert_np.course.report import Finding, differences, equal, float32_stays, holds, self_check
from albert_np.ops import EmbeddingCache, embedding_backward, embedding_forward

__all__ = ["check_embedding_backward", "check_low_rank_backward", "check_position_backward", "check_sorted_backward"]

LOST = "it is not: a place's gradient is lost, or counted more than once; which ids occur twice?"


@self_check("backward of the lookup", returns=("dweight",))
def check_embedding_backward(backward: Function) -> Iterator[Finding]:
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

    yield from _any_ids(backward)


def _any_ids(backward: Function) -> Iterator[Finding]:
    """Hold a lookup's backward against the package's, with ids in several shapes, against (7.6), and differences."""
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

    def forward(weight: Floats) -> tuple[Floats, EmbeddingCache]:
        return embedding_forward(ids, weight)

    table = rng.standard_normal((rows, 5))
    yield from differences(forward, lambda dy, cache: backward(dy, cache.ids, cache.rows), {"weight": table})


def almost_sorted(dy: Floats, ids: Ints, rows: int) -> Floats:
    ids, dy = ids.ravel(), dy.reshape(ids.size, -1)
    ordered = np.sort(ids)
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))  # where a run of equal ids begins
    dweight = np.zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    dweight[ordered[begins]] = np.add.reduceat(dy, begins, axis=0)  # the sum of each run
    return dweight


@self_check("the sorted backward", returns=("dweight",))
def check_sorted_backward(backward: Function) -> Iterator[Finding]:
    """Check `dweight = backward(dy, ids, rows)`; dy (…, E), ids (…) integers, dweight (rows, E)."""
    dy = np.array([[1.0], [2.0], [4.0], [8.0]])
    right = np.array([[4.0], [0.0], [11.0]])
    known = {
        "dy is still in the order of the text, and the ids are not: row 0 got dy of the first place": [
            [1.0],
            [0.0],
            [14.0],
        ],
        "dy and ids stand in opposite orders": [[8.0], [0.0], [7.0]],
        "dy[order] takes a row of dy for each place in order; this puts it there": [[2.0], [0.0], [13.0]],
        "only the last of a run of equal ids counts": [[4.0], [0.0], [8.0]],
        "only the first of a run of equal ids counts": [[4.0], [0.0], [1.0]],
    }
    yield equal(
        "ids = (2, 2, 0, 2), four different rows of dy", backward(dy, np.array([2, 2, 0, 2]), 3), right, mistakes=known
    )
    yield from _any_ids(backward)


@self_check("backward of shared positions", returns=("dweight",))
def check_position_backward(backward: Function) -> Iterator[Finding]:
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


def package_embedding_backward(dy: Floats, ids: Ints, rows: int) -> Array:
    """The package's backward, called as the exercise is."""
    return embedding_backward(dy, EmbeddingCache(ids, rows, None))


@self_check("backward of a low-rank change", returns=("dx", "ddown", "dup"))
def check_low_rank_backward(backward: Function) -> Iterator[Finding]:
    """Check `dx, ddown, dup = backward(dy, x, weight, down, up, scale)`; x (R, in), weight (out, in), up (out, r)."""
    rng = np.random.default_rng(72)
    x, weight = rng.standard_normal((6, 5)), rng.standard_normal((4, 5))
    down, up, scale = rng.standard_normal((2, 5)), rng.standard_normal((4, 2)), 0.5
    dy = rng.standard_normal((6, 4))
    dx, ddown, dup = backward(dy, x, weight, down, up, scale)
    right = course_low_rank_backward(dy, x, weight, down, up, scale)
    known: dict[str, Floats] = {
        "the way through the narrow pair is missing: x goes both ways, and the gradients add up": dy @ weight,
        "the way through the frozen weight is missing: it does not learn, but x's gradient passes it": right[0]
        - dy @ weight,
        "scale is missing in the narrow way": dy @ weight + dy @ up @ down,
        "scale belongs to the narrow way alone": scale * (dy @ weight) + scale * (dy @ up @ down),
        "the pair is applied twice": right[0] + scale * (dy @ up @ down),
    }
    yield equal("dx", dx, right[0], mistakes=known)
    known = {
        "scale is missing": right[1] / scale,
        "scale is there twice": right[1] * scale,
        "a mean over the rows: their gradients add up": right[1] / len(x),
        "the sign is turned round": -right[1],
    }
    yield equal("ddown", ddown, right[1], mistakes=known, advice="dy passes up before it reaches down (7.11)")
    known = {
        "scale is missing": right[2] / scale,
        "scale is there twice": right[2] * scale,
        "a mean over the rows: their gradients add up": right[2] / len(x),
        "the sign is turned round": -right[2],
    }
    yield equal("dup", dup, right[2], mistakes=known, advice="up reads x downᵀ, not x (7.11)")
    yield float32_stays(backward, (dy, x, weight, down, up, scale), "a number or an array that NumPy made is a float64")

    def forward(x: Floats, down: Floats, up: Floats) -> tuple[Floats, tuple[object, ...]]:
        return low_rank_forward(x, weight, down, up, scale), (x, weight, down, up, scale)

    yield from differences(forward, lambda dy, cache: backward(dy, *cache), {"x": x, "down": down, "up": up})


def low_rank_forward(x: Floats, weight: Floats, down: Floats, up: Floats, scale: float) -> Floats:
    """y = x weightᵀ + scale · x downᵀ upᵀ (R, out); x (R, in), weight (out, in), down (r, in), up (out, r)."""
    return x @ weight.T + scale * (x @ down.T @ up.T)


def course_low_rank_backward(
    dy: Floats, x: Floats, weight: Floats, down: Floats, up: Floats, scale: float
) -> tuple[Floats, Floats, Floats]:
    """A right answer, called as the exercise is; the package has no such layer."""
    narrow = scale * (dy @ up)  # (R, r)
    return dy @ weight + narrow @ down, narrow.T @ x, scale * (dy.T @ (x @ down.T))

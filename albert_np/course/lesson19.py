"""Notebook 19: from NumPy to CuPy, and what is fast."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.backend import array_module, register
from albert_np.course.answers import AnswerFailed
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.execution import StrictArray, recorded, strict_backend
from albert_np.ops import attention_forward, gelu_forward, gelu_new_forward

__all__ = ["check_added_up", "check_gelu_any", "check_streamed_attention"]


@self_check("GELU on any array module", returns=("y",))
def check_gelu_any(gelu_any: Callable[[Any], Any]) -> Iterator[Any]:
    """Check `y = gelu_any(x)`: the tanh form of GELU, on NumPy's and on any other arrays, in the dtype of x."""
    x = np.concatenate([np.linspace(-6, 6, 25), [0.0, -300.0, 300.0]]).reshape(4, 7)
    expected = gelu_new_forward(x)[0]
    yield equal("values, float64", gelu_any(x), expected, mistakes=_mistakes(x))
    single = gelu_any(x.astype(np.float32))
    told = f"it became {single.dtype}: a constant of NumPy's is a float64 and drags the arrays with it; use math.sqrt"
    yield holds("NumPy float32 stays float32", single.dtype == np.float32, told)
    yield equal("values, float32", single, expected, 1e-5)
    yield from _on_strict_arrays(gelu_any, x.astype(np.float32), expected)


def _on_strict_arrays(gelu_any: Callable[[Any], Any], x: np.ndarray, expected: np.ndarray) -> Iterator[Any]:
    register(strict_backend())
    with recorded() as operations:
        try:
            y = gelu_any(StrictArray(x.copy()))
        except AnswerFailed as error:
            told = f"{error}; take functions from array_module(x), and numbers from math"
            yield Finding("an array that is not NumPy's", False, told)
            return
    yield holds("a strict array comes back", isinstance(y, StrictArray), f"got {type(y).__name__}")
    yield equal("values on strict arrays", getattr(y, "inner", y), expected, 1e-5)
    names = {operation.name for operation in operations}
    copies = sorted(names & {"to_numpy", "from_numpy"})
    yield holds("the array stays where it is", not copies, f"{' and '.join(copies)}: two trips between GPU and host")
    wide = [operation.name for operation in operations if operation.dtype == "float64"]
    yield holds("float32 all the way", not wide, f"float64 in {', '.join(wide)}: twice the bytes")
    power = names & {"pow", "power", "float_power"}
    yield holds("no general power", not power, "x**3 is far slower than x * x * x on float32")


def _mistakes(x: np.ndarray) -> dict[str, Any]:
    scale = math.sqrt(2 / math.pi)
    return {
        "this is the erf form": gelu_forward(x)[0],
        "the factor ½ is missing": x * (1 + np.tanh(scale * x * (1 + 0.044715 * x * x))),
        "the factor x is missing": 0.5 * (1 + np.tanh(scale * x * (1 + 0.044715 * x * x))),
        "the cube is x · x · x: here is a square": 0.5 * x * (1 + np.tanh(scale * (x + 0.044715 * x * x))),
        "the scale √(2/π) stands before the cube too": 0.5 * x * (1 + np.tanh(scale * x + 0.044715 * x * x * x)),
        "the 1 is missing": 0.5 * x * np.tanh(scale * x * (1 + 0.044715 * x * x)),
    }


def package_gelu_any(x: Any) -> Any:
    """The package's GELU, called as the exercise is."""
    return gelu_new_forward(x)[0]


def package_streamed_attention(query: Any, key: Any, value: Any, block: int) -> Any:
    """Attention in blocks of keys, (19.6), called as the exercise is."""
    xp, scaled = array_module(query), query * query.shape[-1] ** -0.5
    largest, total, weighted = -math.inf, 0.0, 0.0
    for start in range(0, len(key), block):
        scores = scaled @ key[start : start + block].T
        larger = xp.maximum(largest, scores.max(axis=-1, keepdims=True))
        old, new = xp.exp(largest - larger), xp.exp(scores - larger)
        total = total * old + new.sum(axis=-1, keepdims=True)
        weighted = weighted * old + new @ value[start : start + block]
        largest = larger
    return weighted / total


@self_check("attention in blocks", returns=("y",))
def check_streamed_attention(streamed: Callable[..., Any]) -> Iterator[Any]:
    """Check `y = streamed(query, key, value, block)`, (T, D) each: attention without an array of (T, T)."""
    rng = np.random.default_rng(19)
    arrays = [rng.standard_normal((6, 4)) for _ in range(3)]
    expected = _whole(*arrays)
    known = {
        "scores are divided by √D": _whole(arrays[0] * 2, *arrays[1:]),
        "the sum is not rescaled when a larger score comes: ℓ e^(a − a⁺)": _not_rescaled(*arrays, total=False),
        "what is weighted is not rescaled when a larger score comes: o · e^(m − m⁺)": _not_rescaled(
            *arrays, total=True
        ),
        "each block has a softmax of its own, and they are added": _blockwise(*arrays) * 3,
        "each block has a softmax of its own, and the mean is taken": _blockwise(*arrays),
    }
    yield equal("one block of all keys", streamed(*arrays, 6), expected, mistakes=known)
    yield equal("blocks of 2", streamed(*arrays, 2), expected, mistakes=known)
    told = "6 keys in blocks of 4: the last block is shorter"
    yield equal("blocks of 4", streamed(*arrays, 4), expected, advice=told)
    large = [1000 * arrays[0], arrays[1], arrays[2]]
    y = np.asarray(streamed(*large, 2))
    told = "inf or nan: take the largest score so far off before exp, of old and new alike"
    yield holds("scores of thousands stay finite", bool(np.isfinite(y).all()), told)
    yield equal("values with scores of thousands", y, _whole(*large))
    late = [arrays[0], arrays[1] * np.geomspace(1, 1e3, 6)[:, None], arrays[2]]
    told = "the largest scores come last here: what came before must shrink"
    yield equal("the largest scores come last", streamed(*late, 2), _whole(*late), advice=told)
    yield from _streamed_on_strict_arrays(streamed)


def _whole(query: Any, key: Any, value: Any) -> Any:
    return attention_forward(query[None, None], key[None, None], value[None, None], None)[0][0, 0]


def _blockwise(query: Any, key: Any, value: Any) -> Any:
    """The mean of each block's own attention, blocks of 2."""
    return np.mean([_whole(query, key[i : i + 2], value[i : i + 2]) for i in range(0, len(key), 2)], axis=0)


def _not_rescaled(query: Any, key: Any, value: Any, total: bool) -> Any:
    """(19.6) in blocks of 2 with one factor forgotten: that of o if `total` is carried rightly, else that of ℓ."""
    largest, sums, weighted = -math.inf, 0.0, 0.0
    for i in range(0, len(key), 2):
        scores = query @ key[i : i + 2].T * query.shape[-1] ** -0.5
        larger = np.maximum(largest, scores.max(axis=-1, keepdims=True))
        old, new = np.exp(largest - larger), np.exp(scores - larger)
        sums = sums * (old if total else 1) + new.sum(axis=-1, keepdims=True)
        weighted = weighted * (1 if total else old) + new @ value[i : i + 2]
        largest = larger
    return weighted / sums


def _streamed_on_strict_arrays(streamed: Callable[..., Any]) -> Iterator[Any]:
    register(strict_backend())
    T, D, block = 256, 4, 8
    arrays = [np.random.default_rng(20).standard_normal((T, D)).astype(np.float32) for _ in range(3)]
    with recorded() as operations:
        try:
            y = streamed(*(StrictArray(a.copy()) for a in arrays), block)
        except AnswerFailed as error:
            told = f"{error}; take functions from array_module(query), and numbers from math"
            yield Finding("arrays that are not NumPy's", False, told)
            return
    yield equal("values on strict arrays", getattr(y, "inner", y), _whole(*arrays), 1e-4, scale=1e-2)
    wide = sorted({operation.name for operation in operations if operation.dtype == "float64"})
    yield holds("float32 all the way", not wide, f"float64 in {', '.join(wide)}: twice the bytes")
    largest = max(operations, key=lambda operation: operation.bytes)
    told = f"{largest.name} moves {largest.bytes:,} bytes: all {T} × {T} scores of 4 bytes are {4 * T * T:,}"
    yield holds("no array of all scores", largest.bytes < 4 * T * T, told)


def package_added_up(parts: Any) -> Any:
    """Loss and gradient of a whole batch, called as the exercise is."""
    whole = sum(count for _, _, count in parts)
    loss = sum(count * part_loss for part_loss, _, count in parts) / whole
    return loss, sum(count / whole * gradient for _, gradient, count in parts)


@self_check("parts added up", returns=("loss", "gradient"))
def check_added_up(added_up: Callable[..., Any]) -> Iterator[Any]:
    """Check `loss, gradient = added_up(parts)`; parts: [(mean loss, its gradient, count of tokens), …]."""
    one, two = np.array([1.0, 0.0]), np.array([0.0, 8.0])
    loss, gradient = added_up([(2.0, one, 5), (4.0, two, 5)])
    by_parts = "divided by the number of parts, not of tokens"
    yield equal("equal counts: the mean of both", loss, 3.0, mistakes={"sums, not divided": 6.0, by_parts: 15.0})
    known = {"sums, not divided": [1.0, 8.0], by_parts: [2.5, 20.0]}
    yield equal("equal counts, the gradient", gradient, [0.5, 4.0], mistakes=known)
    loss, gradient = added_up([(2.0, one, 9), (4.0, two, 1)])
    means = "a mean of means: the one token of the second part counts as much as the nine of the first"
    upside_down = "weighted the wrong way round: nine tokens count nine times as much as one"
    known = {means: 3.0, by_parts: 11.0, upside_down: 3.8}
    yield equal("9 tokens and 1: loss", loss, 2.2, mistakes=known)
    known = {means: [0.5, 4.0], by_parts: [4.5, 4.0], upside_down: [0.1, 7.2]}
    yield equal("9 tokens and 1: gradient", gradient, [0.9, 0.8], mistakes=known)
    loss, gradient = added_up([(2.0, one, 4), (0.0, 0 * two, 0), (4.0, two, 4)])
    told = "a part in which nothing is asked has count 0"
    yield equal("an empty part adds nothing: loss", loss, 3.0, advice=told)
    yield equal("an empty part adds nothing: gradient", gradient, [0.5, 4.0], advice=told)
    rng = np.random.default_rng(4)
    tokens = rng.standard_normal((12, 3, 2))  # of 12 tokens, the gradient; the loss is its first number
    cuts = [tokens[:1], tokens[1:4], tokens[4:]]
    loss, gradient = added_up([(float(t[:, 0, 0].mean()), t.mean(axis=0), len(t)) for t in cuts])
    yield equal("three parts, token by token: loss", loss, tokens[:, 0, 0].mean())
    yield equal("three parts, token by token: gradient", gradient, tokens.mean(axis=0))

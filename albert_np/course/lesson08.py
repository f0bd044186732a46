"""Notebook 08: one attention head."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import equal, holds, self_check
from albert_np.gradcheck import check_gradients
from albert_np.ops import attention_backward, attention_forward

__all__ = ["check_attention_backward", "check_attention_forward"]

NAMES = ("dquery", "dkey", "dvalue")
LN3 = math.log(3)
HAND = {"query": [[LN3], [0.0]], "key": [[1.0], [0.0]], "value": [[8.0], [4.0]]}  # the case that notebook 08 works out
DCONTEXT = [[1.0], [2.0]]
BY_HAND = {"dquery": [[0.75], [2.0]], "dkey": [[0.75 * LN3], [-0.75 * LN3]], "dvalue": [[1.75], [1.25]]}


@self_check("one head, forward")
def check_attention_forward(forward: Callable[..., Any]) -> Iterator[Any]:
    """Check `context, probs = forward(query, key, value)`; query (T, D), key and value (S, D), probs (T, S)."""
    context, probs = forward(*map(np.array, HAND.values()))
    yield equal("weights of the 2×2 case", probs, [[0.75, 0.25], [0.5, 0.5]])
    yield equal("context of the 2×2 case", context, [[7.0], [6.0]])

    query, key, value = _heads(T=4, S=4, D=9)
    given = query.copy(), key.copy(), value.copy()
    context, probs = forward(*given)
    rows = np.shape(probs) == (4, 4) and np.allclose(np.sum(probs, axis=1), 1)
    yield holds("the weights of every query sum to 1", rows, "they do not: over which axis does the softmax run?")
    expected, cache = attention_forward(query, key, value, None)
    wanted = cache.softmax.probs
    unscaled = np.shape(probs) == (4, 4) and np.allclose(probs, _weights(query @ key.T))
    yield holds("scores are divided by √D", not unscaled, "they are not")
    yield equal("weights, against the package", probs, wanted)
    yield equal("context, against the package", context, expected)
    unchanged = all((a == b).all() for a, b in zip(given, (query, key, value), strict=True))
    yield holds("no argument was changed", unchanged, "one was")

    with np.errstate(over="ignore", invalid="ignore"):
        large, _ = forward(1e3 * query, key, value)
    yield holds(
        "scores in the thousands stay finite", np.isfinite(large).all(), "exp overflows: subtract the largest first"
    )
    query, key, value = _heads(T=3, S=5, D=4)
    yield equal("3 queries, 5 keys", forward(query, key, value)[0], attention_forward(query, key, value, None)[0])


@self_check("one head, backward")
def check_attention_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dquery, dkey, dvalue = backward(dcontext, query, key, value, probs)`; shapes as in the forward."""
    probs = np.array([[0.75, 0.25], [0.5, 0.5]])
    got = backward(np.array(DCONTEXT), *map(np.array, HAND.values()), probs)
    for gradient, (name, expected) in zip(got, BY_HAND.items(), strict=True):
        yield equal(f"{name} of the 2×2 case", gradient, expected)

    query, key, value = _heads(T=5, S=5, D=9)
    context, cache = attention_forward(query, key, value, None)
    arguments = (_upstream(context), query, key, value, cache.softmax.probs)
    given = [array.copy() for array in arguments]
    gradients = [np.asarray(gradient) for gradient in backward(*given)]
    wanted = attention_backward(arguments[0], cache)
    for name, gradient, expected in zip(NAMES, gradients, wanted, strict=True):
        large = gradient.shape == expected.shape and np.allclose(gradient, 3 * expected)
        if name != "dvalue":
            yield holds(f"{name} carries the scale 1/√D", not large, "it is √D too large: the scale is missing")
        yield equal(f"{name}, against the package", gradient, expected)
    unchanged = all((a == b).all() for a, b in zip(given, arguments, strict=True))
    yield holds("no argument was changed", unchanged, "one was")

    yield from _rows_of_dscores(backward, arguments, gradients)
    yield from _masked_key(backward)

    query, key, value = _heads(T=3, S=5, D=4)
    context, cache = attention_forward(query, key, value, None)
    got = backward(_upstream(context), query, key, value, cache.softmax.probs)
    for name, gradient, expected in zip(NAMES, got, attention_backward(_upstream(context), cache), strict=True):
        yield equal(f"3 queries, 5 keys: {name}", gradient, expected)
    singles = [np.asarray(a).astype(np.float32) for a in (_upstream(context), query, key, value, cache.softmax.probs)]
    dtypes = sorted({str(np.asarray(gradient).dtype) for gradient in backward(*singles)})
    yield holds(
        "float32 in gives float32 out",
        dtypes == ["float32"],
        f"got {', '.join(dtypes)}: is a np.float64 among the factors?",
    )

    def forward(query: Any, key: Any, value: Any) -> Any:
        return attention_forward(query, key, value, None)

    def own(dcontext: Any, cache: Any) -> Any:
        return tuple(backward(dcontext, cache.query, cache.key, cache.value, cache.softmax.probs))

    yield from check_gradients(forward, own, {"query": query, "key": key, "value": value})


def _rows_of_dscores(backward: Callable[..., Any], arguments: Any, gradients: Any) -> Iterator[Any]:
    """The rows sum to 0 (8.8): seen from outside, for a function does not give its dscores away."""
    dcontext, query, key, value, probs = arguments
    dquery, dkey, _ = gradients
    scale = max(1e-12, abs(dkey).max())
    yield holds(
        "rows of dscores sum to 0: dkey summed over all keys is 0 (8.11)",
        abs(dkey.sum(axis=0)).max() < 1e-9 * scale,
        "it is not: does softmax's backward subtract the mean of each row?",
    )
    shifted = np.asarray(backward(dcontext, query, key + 5, value, probs)[0])
    yield holds(
        "rows of dscores sum to 0: the same vector added to every key does not change dquery",
        shifted.shape == dquery.shape and np.allclose(shifted, dquery),
        "it does",
    )


def _masked_key(backward: Callable[..., Any]) -> Iterator[Any]:
    query, key, value = _heads(T=4, S=4, D=4)
    mask = np.array([0.0, 0.0, np.finfo(np.float64).min, 0.0])  # nobody may look at key 2
    context, cache = attention_forward(query, key, value, mask)
    _, dkey, dvalue = (np.asarray(g) for g in backward(_upstream(context), query, key, value, cache.softmax.probs))
    for name, gradient in (("dkey", dkey), ("dvalue", dvalue)):
        yield holds(f"{name} of a masked key is exactly 0", not gradient[2].any(), f"got {gradient[2]}")


def _heads(T: int, S: int, D: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(100 * T + 10 * S + D)
    return rng.standard_normal((T, D)), rng.standard_normal((S, D)), rng.standard_normal((S, D))


def _upstream(context: Any) -> Any:
    return np.random.default_rng(80).standard_normal(context.shape)


def _weights(scores: Any) -> Any:
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)

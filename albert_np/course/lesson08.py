"""Notebook 08: one attention head."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import Finding, differences, equal, holds, left_out, self_check
from albert_np.ops import AttentionCache, DropoutCache, SoftmaxCache, attention_backward, attention_forward

__all__ = ["check_attention_backward", "check_attention_forward"]

NAMES = ("dquery", "dkey", "dvalue")
LN3 = math.log(3)
HAND = {"query": [[LN3], [0.0]], "key": [[1.0], [0.0]], "value": [[8.0], [4.0]]}  # the case that notebook 08 works out
DCONTEXT = [[1.0], [2.0]]
BY_HAND = {"dquery": [[0.75], [2.0]], "dkey": [[0.75 * LN3], [-0.75 * LN3]], "dvalue": [[1.75], [1.25]]}


@self_check("one head, forward", returns=("context", "probs"))
def check_attention_forward(forward: Callable[..., Any]) -> Iterator[Any]:
    """Check `context, probs = forward(query, key, value)`; query (T, D), key and value (S, D), probs (T, S)."""
    context, probs = forward(*map(np.array, HAND.values()))
    known = {
        "the softmax runs over the queries: it belongs over the keys, the last axis": [[0.75, 0.5], [0.25, 0.5]],
        "these are the scores: the softmax is missing": [[LN3, 0.0], [0.0, 0.0]],
        "exp is not divided by the sum of its row": [[3.0, 1.0], [1.0, 1.0]],
        "divided by the root of the number of keys: it is √D": _weights(
            np.array([[LN3, 0.0], [0.0, 0.0]]) / math.sqrt(2)
        ),
        "the softmax runs over all scores: each query has its own": [[1 / 2, 1 / 6], [1 / 6, 1 / 6]],
    }
    yield equal("weights of the 2×2 case", probs, [[0.75, 0.25], [0.5, 0.5]], mistakes=known)
    known = {"probs is transposed here: row i holds the weights of query i": [[8.0], [4.0]]}
    yield equal("context of the 2×2 case", context, [[7.0], [6.0]], mistakes=known)

    query, key, value = _heads(T=4, S=4, D=9)
    context, probs = forward(query, key, value)
    expected, cache = attention_forward(query, key, value, None)
    scores = query @ key.T
    known = {
        "scores are divided by √D, and here they are not": _weights(scores),
        "divided by D: it is √D": _weights(scores / 9),
        "multiplied by √D": _weights(scores * 3),
        "over which axis does the softmax run? Over the keys, the last": _weights(scores.T / 3).T,
        "query and key are exchanged: row i holds the weights of query i": _weights(scores.T / 3),
        "the softmax runs over all scores: each query has its own": np.exp(scores / 3) / np.exp(scores / 3).sum(),
        "divided by √D after the softmax: it belongs on the scores": _weights(scores) / 3,
    }
    yield equal("weights, against the package", probs, cache.softmax.probs, mistakes=known)
    known = {"probs is transposed in the product with value": cache.softmax.probs.T @ value}
    yield equal("context, against the package", context, expected, mistakes=known)
    yield _far_apart(forward)
    query, key, value = _heads(T=3, S=5, D=4)
    yield equal("3 queries, 5 keys", forward(query, key, value)[0], attention_forward(query, key, value, None)[0])


def _far_apart(forward: Callable[..., Any]) -> Finding:
    """Rows of scores near 1,000, 0 and -1,000: each has to lose its own largest, not the largest of all."""
    name = "scores in the thousands stay finite"
    query, key = np.array([[1e3], [0.0], [-1e3]]), np.array([[1.0], [1.01]])
    context, probs = forward(query, key, np.array([[1.0], [2.0]]))
    if np.isfinite(probs).all() and np.isfinite(context).all():
        return equal(name, probs, _weights(query @ key.T), advice="Does each row lose its own largest score?")
    if np.isfinite(probs[0]).all():
        told = "a row far below the largest of all comes to 0 / 0: subtract the largest of each row (axis=-1, keepdims)"
        return Finding(name, False, told)
    return Finding(name, False, "exp overflows: subtract the largest of each row first")


@self_check("one head, backward", returns=NAMES)
def check_attention_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dquery, dkey, dvalue = backward(dcontext, query, key, value, probs)`; shapes as in the forward."""
    query, key, value = _heads(T=5, S=5, D=9)
    context, cache = attention_forward(query, key, value, None)
    arguments = (_upstream(context), query, key, value, cache.softmax.probs)
    gradients = [np.asarray(gradient) for gradient in backward(*arguments)]
    known = _backward_mistakes(*arguments)
    for name, gradient, expected in zip(NAMES, gradients, attention_backward(arguments[0], cache), strict=True):
        yield equal(f"{name}, against the package", gradient, expected, mistakes=known[name], advice=ADVICE[name])

    probs = np.array([[0.75, 0.25], [0.5, 0.5]])
    got = backward(np.array(DCONTEXT), *map(np.array, HAND.values()), probs)
    for gradient, (name, expected) in zip(got, BY_HAND.items(), strict=True):
        yield equal(f"{name} of the 2×2 case", gradient, expected, advice=ADVICE[name])

    yield from _rows_of_dscores(backward, arguments, gradients)
    yield from _masked_key(backward)

    query, key, value = _heads(T=3, S=5, D=4)
    context, cache = attention_forward(query, key, value, None)
    got = backward(_upstream(context), query, key, value, cache.softmax.probs)
    for name, gradient, expected in zip(NAMES, got, attention_backward(_upstream(context), cache), strict=True):
        yield equal(f"3 queries, 5 keys: {name}", gradient, expected, advice=ADVICE[name])
    singles = [np.asarray(a).astype(np.float32) for a in (_upstream(context), query, key, value, cache.softmax.probs)]
    if any(np.asarray(gradient).dtype != np.float32 for gradient in backward(*singles)):
        yield left_out(
            "float32 in, float64 out", "right, with twice the bytes: np.sqrt(D) is a float64, math.sqrt(D) not"
        )

    def forward(query: Any, key: Any, value: Any) -> Any:
        return attention_forward(query, key, value, None)

    def own(dcontext: Any, cache: Any) -> Any:
        return tuple(backward(dcontext, cache.query, cache.key, cache.value, cache.softmax.probs))

    yield from differences(forward, own, {"query": query, "key": key, "value": value})


ADVICE = {
    "dquery": "(8.9): dscores times key, with the scale 1/√D",
    "dkey": "(8.10): dscoresᵀ times query, with the scale 1/√D",
    "dvalue": "(8.5): probsᵀ times dcontext",
}


def _backward_mistakes(dcontext: Any, query: Any, key: Any, value: Any, probs: Any) -> dict[str, dict[str, Any]]:
    """Return for each gradient advice → what a mistake makes of it."""
    scale = math.sqrt(query.shape[-1])
    dprobs = dcontext @ value.T
    dscores = probs * (dprobs - (dprobs * probs).sum(axis=-1, keepdims=True)) / scale

    known: dict[str, dict[str, Any]] = {
        "dquery": {"dscores is transposed in this product": dscores.T @ key, "query for key": dscores @ query},
        "dkey": {"dscores is not transposed in this product": dscores @ query, "key for query": dscores.T @ key},
        "dvalue": {"probs is not transposed in this product": probs @ dcontext, "value for dcontext": probs.T @ value},
    }
    wrong = {
        "the scale is missing: it stands on the scores, so it stands on their gradient": dscores * scale,
        "the scale is 1/√D, not 1/D": dscores / scale,
        "the scale is 1/√D, not √D": dscores * scale * scale,
        "softmax's backward is missing: this is dprobs": dprobs / scale,
        "does softmax's backward subtract the mean of each row? Here it does not": probs * dprobs / scale,
        "softmax's backward is its diagonal alone: subtract the mean of each row": probs * (1 - probs) * dprobs / scale,
        "the sum in softmax's backward has to be weighted by probs": probs
        * (dprobs - dprobs.sum(axis=-1, keepdims=True))
        / scale,
        "the sum in softmax's backward runs over the queries: it belongs over the keys": probs
        * (dprobs - (dprobs * probs).sum(axis=0, keepdims=True))
        / scale,
        "the sign of softmax's backward is turned round": -dscores,
    }
    for advice, mistaken in wrong.items():
        known["dquery"][advice] = mistaken @ key
        known["dkey"][advice] = mistaken.T @ query
    return known


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
        "it does: a part of dquery is along the sum of all keys",
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


def package_attention_backward(dcontext: Any, query: Any, key: Any, value: Any, probs: Any) -> Any:
    """The package's backward, called as the exercise is."""
    cache = AttentionCache(query, key, value, SoftmaxCache(probs), DropoutCache(None, 1.0), probs)
    return attention_backward(dcontext, cache)


def of_each_head(backward: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """Return a backward of one head as `backward(dcontext, cache)` of all heads of a batch, (B, N, T, D)."""

    def of_all(dcontext: Any, cache: AttentionCache) -> tuple[Any, ...]:
        arrays = (dcontext, cache.query, cache.key, cache.value, cache.softmax.probs)
        heads = zip(*(array.reshape(-1, *array.shape[2:]) for array in arrays), strict=True)
        gradients = zip(*(backward(*head) for head in heads), strict=True)
        return tuple(np.stack(each).reshape(like.shape) for each, like in zip(gradients, arrays[1:4], strict=True))

    return of_all

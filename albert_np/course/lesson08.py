"""Notebook 08: one attention head."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms, factor
from albert_np.course.report import Finding, differences, equal, holds, left_out, self_check
from albert_np.ops import (
    AttentionCache,
    DropoutCache,
    SoftmaxCache,
    attention_backward,
    attention_forward,
    softmax_backward,
)

__all__ = [
    "check_attention_backward",
    "check_attention_forward",
    "check_bias_gradient",
    "check_key_by_key",
    "check_which_bug",
]

NAMES = ("dquery", "dkey", "dvalue")
LN3 = math.log(3)
HAND = {"query": [[LN3], [0.0]], "key": [[1.0], [0.0]], "value": [[8.0], [4.0]]}  # the case that notebook 08 works out
DCONTEXT = [[1.0], [2.0]]
BY_HAND = {"dquery": [[0.75], [2.0]], "dkey": [[0.75 * LN3], [-0.75 * LN3]], "dvalue": [[1.75], [1.25]]}


@self_check("one head, forward", returns=("context", "probs"))
def check_attention_forward(forward: Function) -> Iterator[Finding]:
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


def _far_apart(forward: Function) -> Finding:
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
def check_attention_backward(backward: Function) -> Iterator[Finding]:
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

    def forward(query: Floats, key: Floats, value: Floats) -> tuple[Floats, AttentionCache]:
        return attention_forward(query, key, value, None)

    def own(dcontext: Floats, cache: AttentionCache) -> tuple[object, ...]:
        return tuple(backward(dcontext, cache.query, cache.key, cache.value, cache.softmax.probs))

    yield from differences(forward, own, {"query": query, "key": key, "value": value})


ADVICE = {
    "dquery": "(8.9): dscores times key, with the scale 1/√D",
    "dkey": "(8.10): dscoresᵀ times query, with the scale 1/√D",
    "dvalue": "(8.5): probsᵀ times dcontext",
}


def _backward_mistakes(
    dcontext: Floats, query: Floats, key: Floats, value: Floats, probs: Floats
) -> dict[str, dict[str, Floats]]:
    """Return for each gradient advice → what a mistake makes of it."""
    scale = math.sqrt(query.shape[-1])
    dprobs = dcontext @ value.T
    dscores = probs * (dprobs - (dprobs * probs).sum(axis=-1, keepdims=True)) / scale

    known: dict[str, dict[str, Floats]] = {
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


def _rows_of_dscores(backward: Function, arguments: Sequence[Floats], gradients: Sequence[Floats]) -> Iterator[Finding]:
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


def _masked_key(backward: Function) -> Iterator[Finding]:
    query, key, value = _heads(T=4, S=4, D=4)
    mask = np.array([0.0, 0.0, np.finfo(np.float64).min, 0.0])  # nobody may look at key 2
    context, cache = attention_forward(query, key, value, mask)
    _, dkey, dvalue = (np.asarray(g) for g in backward(_upstream(context), query, key, value, cache.softmax.probs))
    for name, gradient in (("dkey", dkey), ("dvalue", dvalue)):
        yield holds(f"{name} of a masked key is exactly 0", not gradient[2].any(), f"got {gradient[2]}")


def _heads(T: int, S: int, D: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(100 * T + 10 * S + D)
    return rng.standard_normal((T, D)), rng.standard_normal((S, D)), rng.standard_normal((S, D))


def _upstream(context: Floats) -> Floats:
    return np.random.default_rng(80).standard_normal(context.shape)


def _weights(scores: Floats) -> Array:
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def package_attention_forward(query: Floats, key: Floats, value: Floats) -> tuple[Floats, Floats]:
    """The package's forward, called as the exercise is."""
    context, cache = attention_forward(query, key, value, None)
    return context, cache.softmax.probs


def package_attention_backward(
    dcontext: Floats, query: Floats, key: Floats, value: Floats, probs: Floats
) -> tuple[Floats, Floats, Floats]:
    """The package's backward, called as the exercise is."""
    cache = AttentionCache(query, key, value, SoftmaxCache(probs), DropoutCache(None, 1.0), probs)
    return attention_backward(dcontext, cache)


def package_key_by_key(query: Floats, blocks: Iterable[tuple[Floats, Floats]]) -> tuple[Floats, float]:
    """One query's context and log-sum-exp, asked for as in the exercise."""
    context, log = np.zeros(len(query)), -np.inf
    for block in blocks:
        part, part_log = _at_once(query, *block)
        both = np.logaddexp(log, part_log)
        context, log = np.exp(log - both) * context + np.exp(part_log - both) * part, both
    return context, log


def of_each_head(backward: Function) -> Function:
    """Return a backward of one head as `backward(dcontext, cache)` of all heads of a batch, (B, N, T, D)."""

    def of_all(dcontext: Floats, cache: AttentionCache) -> tuple[Floats, ...]:
        arrays = (dcontext, cache.query, cache.key, cache.value, cache.softmax.probs)
        heads = zip(*(array.reshape(-1, *array.shape[2:]) for array in arrays), strict=True)
        gradients = zip(*(backward(*head) for head in heads), strict=True)
        return tuple(np.stack(each).reshape(like.shape) for each, like in zip(gradients, arrays[1:4], strict=True))

    return of_all


def _backward(
    dcontext: Floats, query: Floats, key: Floats, value: Floats, probs: Floats, bug: str = ""
) -> tuple[Floats, Floats, Floats]:
    """Return dquery, dkey and dvalue with one of the bugs of `HUNT`."""
    scale = math.sqrt(query.shape[-1])
    if bug == "mask":
        probs = _weights(query @ key.T / scale)
    dprobs = dcontext @ value.T
    mean = 0 if bug == "mean" else (dprobs * probs).sum(axis=-1, keepdims=True)
    dscores = probs * (dprobs - mean) / (1 if bug == "scale" else scale)
    dkey = (dscores if bug == "dscores" else dscores.T) @ query
    dvalue = (probs if bug == "probs" else probs.T) @ dcontext
    return dscores @ key, dkey * scale if bug == "scale of dkey" else dkey, dvalue


def _symptoms(backward: Function) -> Symptoms:
    """What can be seen from outside of the backward of one head of five tokens, the last of which is masked."""
    query, key, value = _heads(T=5, S=5, D=4)
    context, cache = attention_forward(query, key, value, np.array([0.0, 0.0, 0.0, 0.0, np.finfo(np.float64).min]))
    arguments = (_upstream(context), query, key, value, cache.softmax.probs)
    gradients = backward(*arguments)
    right = attention_backward(arguments[0], cache)
    try:
        backward(arguments[0][:3], query[:3], key, value, cache.softmax.probs[:3])
        runs = "runs"
    except ValueError:
        runs = "fails"
    dkey = gradients[1]
    return {
        **{name: factor(*pair) for name, *pair in zip(NAMES, gradients, right, strict=True)},
        "Σ dkey": "0" if abs(dkey.sum(axis=0)).max() < 1e-12 else "not 0",
        "masked": "not 0" if dkey[4].any() else "0",
        "3 × 5": runs,
    }


HUNT = Hunt(
    bugs={
        "the mean of the row is not taken off in softmax's backward": partial(_backward, bug="mean"),
        "probs is not transposed in dvalue": partial(_backward, bug="probs"),
        "the weights are computed again, without the mask": partial(_backward, bug="mask"),
        "1/√D is forgotten for dkey alone": partial(_backward, bug="scale of dkey"),
        "1/√D is forgotten throughout": partial(_backward, bug="scale"),
        "dscores is not transposed in dkey": partial(_backward, bug="dscores"),
    },
    symptoms=_symptoms,
    numbers=(5, 3, 6, 1, 4, 2),
    right=_backward,
)
check_which_bug = HUNT.check()


@self_check("the gradient of a bias for each distance", returns=("dbias",))
def check_bias_gradient(bias_gradient: Function) -> Iterator[Finding]:
    """Check `dbias = bias_gradient(dcontext, value, probs)`; dcontext, value (T, D), probs (T, T), dbias (2T - 1)."""
    rng = np.random.default_rng(81)
    query, key, value, dcontext = rng.standard_normal((4, 5, 4))
    bias = rng.standard_normal(9)
    probs = biased_attention(query, key, value, bias)[1]
    hand = np.array(DCONTEXT), np.array(HAND["value"]), np.array([[0.75, 0.25], [0.5, 0.5]])
    for name, case in (("the 2×2 case", hand), ("against sums along the diagonals", (dcontext, value, probs))):
        got = bias_gradient(*case)
        yield equal(name, got, package_bias_gradient(*case), mistakes=_bias_mistakes(*case), advice=SUMMED)
    yield holds("sums to 0, as the rows of dscores do (8.8)", abs(np.sum(got)) < 1e-9, f"it sums to {np.sum(got):.3g}")

    def forward(bias: Floats) -> tuple[Floats, Floats]:
        return biased_attention(query, key, value, bias)

    yield from differences(forward, lambda dy, probs: np.asarray(bias_gradient(dy, value, probs)), {"bias": bias})


SUMMED = "each number of the bias stands on one diagonal of the scores: add dscores up along it (8.14)"


def biased_attention(query: Floats, key: Floats, value: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """Return context and probs of one head with `bias[j - i + T - 1]` added to score (i, j), (8.13); bias (2T - 1)."""
    T = len(query)
    probs = _weights(query @ key.T / math.sqrt(query.shape[-1]) + bias[distances(T)])
    return probs @ value, probs


def distances(T: int) -> Ints:
    """Return the place of each score's bias, j - i + T - 1, (T, T)."""
    return np.arange(T) - np.arange(T)[:, None] + T - 1


def package_bias_gradient(dcontext: Floats, value: Floats, probs: Floats) -> Floats:
    """The gradient of the bias, asked for as in the exercise."""
    return _diagonals(softmax_backward(dcontext @ value.T, SoftmaxCache(probs)))


def _diagonals(dscores: Floats) -> Floats:
    T = len(dscores)
    return np.array([np.trace(dscores, offset=k) for k in range(1 - T, T)])


def _bias_mistakes(dcontext: Floats, value: Floats, probs: Floats) -> dict[str, Floats]:
    T, dprobs = len(probs), dcontext @ value.T
    dscores = softmax_backward(dprobs, SoftmaxCache(probs))
    lost = np.zeros(2 * T - 1)
    lost[distances(T)] += dscores
    right = _diagonals(dscores)
    return {
        "`dbias[places] += dscores` keeps one of several numbers for the same place: np.add.at adds them all": lost,
        "the first number belongs to j - i = -(T-1), which looks back; here i - j is counted": right[::-1],
        "1/√D belongs to the product of query and key; the bias is added after it": right / math.sqrt(value.shape[1]),
        "softmax's backward is missing: this is dprobs, summed": _diagonals(dprobs),
        "does softmax's backward subtract the mean of each row? Here it does not": _diagonals(probs * dprobs),
        "what is used many times gets the sum of the gradients, not the mean": right / _diagonals(np.ones((T, T))),
        "these are sums of probs: dscores is what goes on to the bias": _diagonals(probs),
    }


@self_check("one block of keys after the other", returns=("context", "logsumexp"))
def check_key_by_key(key_by_key: Function) -> Iterator[Finding]:
    """Check `context, logsumexp = key_by_key(query, blocks)`; query (D,), blocks yields pairs of key, value (S, D)."""
    rng = np.random.default_rng(82)
    query, (key, value) = rng.standard_normal(9), rng.standard_normal((2, 7, 9))
    key = key[np.argsort(key @ query)]  # each block has a score that is larger than all before
    yield from _streamed(key_by_key, "one block", query, key, value, 7)
    yield from _streamed(key_by_key, "blocks of three", query, key, value, 3)
    yield from _streamed(key_by_key, "one key a block", query, key[::-1], value, 1)
    for size in (1000, -1000):
        far = key + 3 * size * query / (query @ query)  # moves every score by `size`
        yield from _streamed(key_by_key, f"scores near {size:,}", query, far, value, 4, FAR)

    def overwritten() -> Iterator[tuple[Floats, ...]]:
        block = np.empty((2, 2, 9))
        for start in (0, 2, 4):
            block[:] = key[start : start + 2], value[start : start + 2]
            yield tuple(block)

    got = key_by_key(query, overwritten())[0]
    told = "each block comes in the memory of the one before: take from it what is needed, and let it go"
    yield equal("a block is gone when the next one comes", got, _at_once(query, key[:6], value[:6])[0], advice=told)


FAR = "exp overflows, or all of it is 0: subtract the largest score seen so far, and begin with m = -inf"
SHRINK = "both the sum and the weighted values shrink by exp(m - m′) where a block brings a larger score (8.15)"


def _streamed(
    function: Function, name: str, query: Floats, key: Floats, value: Floats, size: int, advice: str = SHRINK
) -> Iterator[Finding]:
    """Give a reader's function the keys and values in blocks, and yield what is found."""
    cuts = range(size, len(key), size)
    blocks = list(zip(np.split(key, cuts), np.split(value, cuts), strict=True))
    context, logsumexp = function(query, iter(blocks))
    expected, log = _at_once(query, key, value)
    largest = (key @ query).max() / math.sqrt(len(query))
    known = {
        "scores are divided by √D, and here they are not": _at_once(query * math.sqrt(len(query)), key, value)[0],
        "the weighted values are not divided by the sum of the weights": expected * np.exp(log - largest),
        "a block counts by its weights: divide once, at the end": np.mean(
            [_at_once(query, *block)[0] for block in blocks], axis=0
        ),
        "this is the last block's alone: what came before is added to": _at_once(query, *blocks[-1])[0],
    }
    yield equal(f"{name}: context", context, expected, mistakes=known, advice=advice)
    known = {
        "the largest score is missing: the sum was of exp(s - m)": log - largest,
        "its logarithm is missing": np.exp(log - largest),
        "this is the largest score: the logarithm of the sum is missing": largest,
    }
    yield equal(f"{name}: log-sum-exp", logsumexp, log, mistakes=known, advice="m + ln l (8.16)")


def _at_once(query: Floats, key: Floats, value: Floats) -> tuple[Floats, float]:
    """Return the context (D,) and the log-sum-exp of one query over all keys."""
    scores = key @ query / math.sqrt(len(query))
    exponentials = np.exp(scores - scores.max())
    return exponentials @ value / exponentials.sum(), np.log(exponentials.sum()) + scores.max()

"""Wrong answers to notebook 19: check → (functions, what the report must say)."""

import math

import numpy as np

from albert_np.backend import array_module, backend_of

SCALE = math.sqrt(2 / math.pi)


def tanh_of_numpy(x):
    return 0.5 * x * (1 + np.tanh(SCALE * x * (1 + 0.044715 * x * x)))


def turned_into_numpy(x):
    x = np.asarray(x)
    return 0.5 * x * (1 + np.tanh(SCALE * x * (1 + 0.044715 * x * x)))


def there_and_back(x):
    backend = backend_of(x)
    return backend.from_numpy(tanh_of_numpy(backend.to_numpy(x)))


def scale_of_float64(x):
    return 0.5 * x * (1 + array_module(x).tanh(np.sqrt(2 / np.pi) * x * (1 + 0.044715 * x * x)))


def computed_in_float64(x):
    xp = array_module(x)
    wide = x.astype(xp.float64)
    return (0.5 * wide * (1 + xp.tanh(SCALE * wide * (1 + 0.044715 * wide * wide)))).astype(x.dtype)


def cube_as_power(x):
    return 0.5 * x * (1 + array_module(x).tanh(SCALE * (x + 0.044715 * x**3)))


def in_place(x):
    t = array_module(x).tanh(SCALE * x * (1 + 0.044715 * x * x))
    x *= 0.5 * (1 + t)
    return x


def streamed(query, key, value, block, scale=None, rescale=(True, True), running=True, last=True):
    """Attention in blocks, with what is to go wrong as options."""
    xp = array_module(query)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    m, total, o = (-math.inf if running else 0.0), 0.0, 0.0
    stop = len(key) if last else len(key) // block * block
    for start in range(0, stop, block):
        s = query * scale @ key[start : start + block].T
        larger = xp.maximum(m, s.max(axis=-1, keepdims=True)) if running else 0.0
        old, new = (xp.exp(m - larger) if running else 1.0), xp.exp(s - larger)
        total = total * (old if rescale[0] else 1.0) + new.sum(axis=-1, keepdims=True)
        o = o * (old if rescale[1] else 1.0) + new @ value[start : start + block]
        m = larger
    return o / total


def no_scale(query, key, value, block):
    return streamed(query, key, value, block, scale=1.0)


def sum_not_rescaled(query, key, value, block):
    return streamed(query, key, value, block, rescale=(False, True))


def values_not_rescaled(query, key, value, block):
    return streamed(query, key, value, block, rescale=(True, False))


def no_largest_score(query, key, value, block):
    return streamed(query, key, value, block, running=False)


def short_block_dropped(query, key, value, block):
    return streamed(query, key, value, block, last=False)


def all_scores_at_once(query, key, value, block):
    return streamed(query, key, value, len(key))


def softmax_of_each_block(query, key, value, block):
    starts = range(0, len(key), block)
    return sum(streamed(query, key[i : i + block], value[i : i + block], block) for i in starts) / len(starts)


def softmaxes_added(query, key, value, block):
    starts = range(0, len(key), block)
    return sum(streamed(query, key[i : i + block], value[i : i + block], block) for i in starts)


def exp_of_numpy(query, key, value, block):
    s = query * query.shape[-1] ** -0.5 @ key.T
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    return p @ value / p.sum(axis=-1, keepdims=True)


def scale_of_numpy(query, key, value, block):
    return streamed(query, key, value, block, scale=1 / np.sqrt(query.shape[-1]))


def not_divided_at_the_end(query, key, value, block):
    return streamed(query, key, value, block) * len(key)


def mean_of_means(parts):
    return sum(p[0] for p in parts) / len(parts), sum(p[1] for p in parts) / len(parts)


def sums(parts):
    return sum(p[0] for p in parts), sum(p[1] for p in parts)


def divided_by_the_parts(parts):
    return sum(p[0] * p[2] for p in parts) / len(parts), sum(p[1] * p[2] for p in parts) / len(parts)


def only_the_loss_mended(parts):
    whole = sum(p[2] for p in parts)
    return sum(p[0] * p[2] for p in parts) / whole, sum(p[1] for p in parts) / len(parts)


def divided_by_the_counts(parts):
    weights = [1 / p[2] if p[2] else 0.0 for p in parts]
    shares = [weight / sum(weights) for weight in weights]
    return sum(s * p[0] for s, p in zip(shares, parts, strict=True)), sum(
        s * p[1] for s, p in zip(shares, parts, strict=True)
    )


def empty_parts_counted_as_one(parts):
    counts = [max(p[2], 1) for p in parts]
    return tuple(sum(c * p[i] for c, p in zip(counts, parts, strict=True)) / sum(counts) for i in (0, 1))


def loss_alone(parts):
    return sum(p[0] * p[2] for p in parts) / sum(p[2] for p in parts)


def gradients_scaled_in_place(parts):
    whole = sum(p[2] for p in parts)
    for _, gradient, count in parts:
        gradient *= count / whole
    return sum(p[0] * p[2] for p in parts) / whole, sum(p[1] for p in parts)


MISTAKES = {
    "check_gelu_any": [
        ((tanh_of_numpy,), "take functions from array_module(x)"),
        ((turned_into_numpy,), "does not turn into a NumPy array"),
        ((there_and_back,), "two trips between GPU and host"),
        ((scale_of_float64,), "it became float64"),
        ((computed_in_float64,), "float64 in astype"),
        ((cube_as_power,), "x**3 is far slower"),
        ((in_place,), "changed its argument x"),
    ],
    "check_streamed_attention": [
        ((no_scale,), "scores are divided by √D"),
        ((sum_not_rescaled,), "the sum is not rescaled"),
        ((values_not_rescaled,), "what is weighted is not rescaled"),
        ((no_largest_score,), "take the largest score so far off"),
        ((short_block_dropped,), "the last block is shorter"),
        ((all_scores_at_once,), "no array of all scores"),
        ((softmax_of_each_block,), "and the mean is taken"),
        ((softmaxes_added,), "and they are added"),
        ((exp_of_numpy,), "take functions from array_module(query)"),
        ((scale_of_numpy,), "float64 in"),
        ((not_divided_at_the_end,), "every number is 6 times what is expected"),
    ],
    "check_added_up": [
        ((mean_of_means,), "a mean of means"),
        ((sums,), "sums, not divided"),
        ((divided_by_the_parts,), "divided by the number of parts"),
        ((only_the_loss_mended,), "9 tokens and 1: gradient: a mean of means"),
        ((divided_by_the_counts,), "weighted the wrong way round"),
        ((empty_parts_counted_as_one,), "a part in which nothing is asked has count 0"),
        ((loss_alone,), "expected 2 values (loss, gradient)"),
        ((gradients_scaled_in_place,), "changed its argument parts"),
    ],
}

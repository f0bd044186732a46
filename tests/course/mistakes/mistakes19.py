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


def cost(
    batch,
    length,
    layers,
    hidden,
    inner,
    head_size,
    kv_heads,
    width=2,
    *,
    two=2,
    kept=2,
    rows=1,
    scores=2,
    weight=None,
):
    """(19.5), with what is to go wrong as options."""
    n = kv_heads * head_size
    weight = 2 * hidden * (hidden + n + inner) if weight is None else weight
    flops = two * batch * layers * (weight + scores * length * hidden)
    return flops, width * layers * (weight * rows + kept * batch * length * n)


def one_flop_a_weight(*case):
    return cost(*case, two=1)


def four_square_matrices(batch, length, layers, hidden, inner, head_size, kv_heads, width=2):
    weight = 4 * hidden**2 + 2 * hidden * inner
    return cost(batch, length, layers, hidden, inner, head_size, kv_heads, width, weight=weight)


def numbers_for_bytes(*case):
    flops, least = cost(*case)
    return flops, least / case[7]


def keys_alone(*case):
    return cost(*case, kept=1)


def scores_alone(*case):
    return cost(*case, scores=1)


def weights_read_for_each_sequence(*case):
    return cost(*case, rows=case[0])


def one_batch_of_keys(batch, *case):
    return batch * cost(1, *case)[0], cost(1, *case)[1]


def fewer_scores_too(batch, length, layers, hidden, inner, head_size, kv_heads, width=2):
    flops, least = cost(batch, length, layers, hidden, inner, head_size, kv_heads, width)
    return flops - 4 * batch * layers * length * (hidden - kv_heads * head_size), least


def keys_of_all_heads(batch, length, layers, hidden, inner, head_size, kv_heads, width=2):
    flops, least = cost(batch, length, layers, hidden, inner, head_size, kv_heads, width)
    return flops, least + 2 * width * layers * batch * length * (hidden - kv_heads * head_size)


def one_layer(batch, length, layers, *case):
    return cost(batch, length, 1, *case)


def two_bytes_always(*case):
    return cost(*case[:7], 2)


def every_token_anew(batch, length, *case):
    flops, least = cost(batch, length, *case)
    return flops * max(length, 1), least


def only_flops(*case):
    return cost(*case)[0]


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
    "check_next_token": [
        ((one_flop_a_weight,), "two FLOP for each weight"),
        ((four_square_matrices,), "key and value"),
        ((numbers_for_bytes,), "bytes, not numbers"),
        ((keys_alone,), "keys *and* values are kept"),
        ((scores_alone,), "two products"),
        ((weights_read_for_each_sequence,), "all weights are read once for the whole batch"),
        ((one_batch_of_keys,), "each sequence has keys and values of its own"),
        ((fewer_scores_too,), "also where heads share keys"),
        ((keys_of_all_heads,), "not H"),
        ((one_layer,), "L layers"),
        ((two_bytes_always,), "`width` bytes a number"),
        ((every_token_anew,), "only one row is new"),
        ((only_flops,), "expected 2 values (F, m)"),
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

"""Solutions of notebook 19."""

import math

from albert_np.backend import array_module


def gelu_any(x):
    xp = array_module(x)
    inner = math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)
    return 0.5 * x * (1 + xp.tanh(inner))


def streamed_attention(query, key, value, block):
    xp, scale = array_module(query), query.shape[-1] ** -0.5
    m, total, o = -math.inf, 0.0, 0.0
    for start in range(0, len(key), block):
        k, v = key[start : start + block], value[start : start + block]
        s = query * scale @ k.T
        larger = xp.maximum(m, s.max(axis=-1, keepdims=True))
        old, new = xp.exp(m - larger), xp.exp(s - larger)
        m, total, o = larger, total * old + new.sum(axis=-1, keepdims=True), o * old + new @ v
    return o / total


def added_up(parts):
    whole = sum(count for _, _, count in parts)
    loss = sum(part_loss * count for part_loss, _, count in parts) / whole
    return loss, sum(gradient * count for _, gradient, count in parts) / whole


ANSWERS = {
    "check_gelu_any": (gelu_any,),
    "check_streamed_attention": (streamed_attention,),
    "check_added_up": (added_up,),
}

"""Solutions of notebook 19."""

import math

from albert_np.backend import array_module


def gelu_any(x):
    xp = array_module(x)
    inner = math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)
    return 0.5 * x * (1 + xp.tanh(inner))


def next_token(batch, length, layers, hidden, inner, head_size, kv_heads, width=2):
    kept = kv_heads * head_size
    weights = 2 * hidden * (hidden + kept + inner)
    flops = 2 * batch * layers * (weights + 2 * length * hidden)
    return flops, width * layers * (weights + 2 * batch * length * kept)


def added_up(parts):
    whole = sum(count for _, _, count in parts)
    loss = sum(part_loss * count for part_loss, _, count in parts) / whole
    return loss, sum(gradient * count for _, gradient, count in parts) / whole


ANSWERS = {
    "check_gelu_any": (gelu_any,),
    "check_next_token": (next_token,),
    "check_added_up": (added_up,),
}

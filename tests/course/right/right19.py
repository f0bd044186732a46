"""Right answers to notebook 19, written otherwise: check → functions."""

import math

from albert_np.backend import array_module

SCALE = math.sqrt(2 / math.pi)


def square_times_x(x):
    return 0.5 * x * (1 + array_module(x).tanh(SCALE * (x + 0.044715 * (x**2 * x))))


def three_factors(x):
    xp = array_module(x)
    return x * (xp.tanh(SCALE * (x + 0.044715 * x * x * x)) + 1) / 2


def half_square(x):
    half = x / 2
    return half + half * array_module(x).tanh((x * SCALE) * (0.044715 * x**2 + 1))


def layer_by_layer(batch, length, layers, hidden, inner, head_size, kv_heads, width=2):
    shapes = [(hidden, hidden)] * 2 + [(hidden, kv_heads * head_size)] * 2 + [(hidden, inner), (inner, hidden)]
    flops = least = 0
    for _ in range(layers):
        flops += sum(2 * batch * rows * columns for rows, columns in shapes)
        least += sum(width * rows * columns for rows, columns in shapes)
        for _ in range(batch):
            flops += 2 * (hidden // head_size) * 2 * length * head_size
            least += 2 * width * length * kv_heads * head_size
    return float(flops), float(least)


def by_shares(parts):
    parts = [part for part in parts if part[2]]
    whole = sum(part[2] for part in parts)
    loss, gradient = 0.0, 0.0
    for part_loss, part_gradient, count in parts:
        share = count / whole
        loss, gradient = loss + share * part_loss, gradient + share * part_gradient
    return loss, gradient


RIGHT = {
    "check_gelu_any": [(square_times_x,), (three_factors,), (half_square,)],
    "check_next_token": [(layer_by_layer,)],
    "check_added_up": [(by_shares,)],
}

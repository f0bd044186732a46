"""Right answers to notebook 16, written otherwise than the solutions: check → lists of functions."""

import copy

from albert_np.execution import dense_pattern
from albert_np.layers import layer_forward

LAYER = "albert.encoder.albert_layer_groups.0.albert_layers.0."


def copied_whole(model, heads):
    other = copy.deepcopy(model)
    weight = other.params[LAYER + "attention.dense.weight"]
    by_head = weight.reshape(len(weight), model.config.num_attention_heads, -1)
    by_head[:, list(heads)] = 0
    return other


def multiplied(model, heads):
    other = copy.deepcopy(model)
    D = model.config.head_size
    keep = [0.0 if column // D in list(heads) else 1.0 for column in range(model.config.hidden_size)]
    other.params[LAYER + "attention.dense.weight"] *= keep
    return other


def without_values(model, heads):
    other = copy.deepcopy(model)
    for head in heads:
        rows = slice(head * model.config.head_size, (head + 1) * model.config.head_size)
        for name in ("weight", "bias"):
            other.params[LAYER + f"attention.value.{name}"][rows] = 0
    return other


def from_both_passes(model, ids, donors, place):
    own = model(ids, output_hidden_states=True, grad=False).hidden_states
    other = model(donors, output_hidden_states=True, grad=False).hidden_states
    x = own[1].copy()
    for row in range(len(x)):
        x[row, place] = other[1][row, place]
    for _ in range(len(own) - 2):
        x = layer_forward(x, dense_pattern(len(x), x.shape[1]), model.params.scope(LAYER), model.config)[0]
    return x


def one_sequence_at_a_time(model, ids, donors, place):
    out = []
    for one, donor in zip(ids, donors, strict=True):
        out.append(from_both_passes(model, one[None], donor[None], place)[0])
    return out


RIGHT = {
    "check_without_heads": [(copied_whole,), (multiplied,), (without_values,)],
    "check_patched": [(from_both_passes,), (one_sequence_at_a_time,)],
}

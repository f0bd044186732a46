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


def mean_in_the_values(model, heads, contexts):
    other, D = copy.deepcopy(model), model.config.head_size
    mean = contexts.mean(axis=tuple(range(contexts.ndim - 1)))
    for n in heads:
        rows = slice(n * D, (n + 1) * D)
        other.params[LAYER + "attention.value.weight"][rows] = 0
        other.params[LAYER + "attention.value.bias"][rows] = mean[rows]  # weights of attention add up to 1
    return other


def bias_all_at_once(model, heads, contexts):
    other, mean = copy.deepcopy(model), contexts.reshape(-1, contexts.shape[-1]).mean(0)
    chosen = [n * model.config.head_size + i for n in heads for i in range(model.config.head_size)]
    weight = other.params[LAYER + "attention.dense.weight"]
    other.params[LAYER + "attention.dense.bias"] += (weight[:, chosen] * mean[chosen]).sum(axis=1)
    weight[:, chosen] = 0
    return other


def bugs_by_hand():
    numbers = {"D": 3}
    numbers["C"], numbers["A"] = 1, 2
    numbers["B"] = numbers["D"] + numbers["C"]
    return numbers


RIGHT = {
    "check_without_heads": [(copied_whole,), (multiplied,), (without_values,)],
    "check_patched": [(from_both_passes,), (one_sequence_at_a_time,)],
    "check_at_their_mean": [(mean_in_the_values,), (bias_all_at_once,)],
    "check_which_bug": [(bugs_by_hand,)],
}

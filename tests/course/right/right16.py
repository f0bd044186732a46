"""Right answers to notebook 16, written otherwise: check → functions."""

import copy

import numpy as np

from albert_np.execution import dense_pattern
from albert_np.layers import layer_forward

LAYER = "albert.encoder.albert_layer_groups.0.albert_layers.0."


def a_deep_copy(model, heads):
    other = copy.deepcopy(model)
    weight = other.params[LAYER + "attention.dense.weight"].reshape(
        model.config.hidden_size, -1, model.config.head_size
    )
    weight[:, list(heads)] = 0
    return other


def by_where(model, ids, donors, place):
    own, other = (model(x, output_hidden_states=True).hidden_states[1] for x in (ids, donors))
    x = np.where(np.arange(ids.shape[1])[None, :, None] == place, other, own)
    p, pattern = model.params.scope(LAYER), dense_pattern(*ids.shape)
    for _ in range(1, model.config.num_hidden_layers):
        x = layer_forward(x, pattern, p, model.config)[0]
    return x


RIGHT = {"check_without_heads": [(a_deep_copy,)], "check_patched": [(by_where,)]}

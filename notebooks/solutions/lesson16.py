"""Solutions of notebook 16."""

from albert_np.execution import dense_pattern
from albert_np.layers import layer_forward

LAYER = "albert.encoder.albert_layer_groups.0.albert_layers.0."


def without_heads(model, heads):
    other = type(model)(model.config, dtype=model.dtype).eval()
    other.params.flat[...] = model.params.flat
    D = model.config.head_size
    for n in heads:
        other.params[LAYER + "attention.dense.weight"][:, n * D : (n + 1) * D] = 0
    return other


def patched(model, ids, donors, place):
    x = model(ids, output_hidden_states=True).hidden_states[1].copy()
    x[:, place] = model(donors, output_hidden_states=True).hidden_states[1][:, place]
    for _ in range(model.config.num_hidden_layers - 1):
        x, _ = layer_forward(x, dense_pattern(*ids.shape), model.params.scope(LAYER), model.config)
    return x


def at_their_mean(model, heads, contexts):
    other, D = without_heads(model, heads), model.config.head_size
    mean = contexts.reshape(-1, contexts.shape[-1]).mean(axis=0)
    for n in heads:
        columns = slice(n * D, (n + 1) * D)
        weight = model.params[LAYER + "attention.dense.weight"]
        other.params[LAYER + "attention.dense.bias"][...] += weight[:, columns] @ mean[columns]
    return other


def which_bug():
    return {"A": 2, "B": 4, "C": 1, "D": 3}


ANSWERS = {
    "check_without_heads": (without_heads,),
    "check_patched": (patched,),
    "check_at_their_mean": (at_their_mean,),
    "check_which_bug": (which_bug,),
}

"""What the heads of a model do, in numbers rather than in pictures."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from albert_np.backend import Array, ArrayLike, Floats, backend_of
from albert_np.execution import dense_pattern
from albert_np.layers import layer_forward
from albert_np.model import AlbertForMaskedLM

__all__ = ["head_statistics", "layer_distances", "patched", "without_heads"]


def layer_distances(hidden_states: Sequence[ArrayLike], attention_mask: ArrayLike) -> dict[str, Floats]:
    """How far each layer step moves a token: the paper's figure 1.

    hidden_states: L + 1 arrays (B, T, H), as a model returns them; attention_mask (B, T). Returns "l2", the Euclidean
    distance between a step's input and output, and "degrees", the angle between them, each (L,): means over the real
    tokens.

    Derivation: notebook 18, eq. 18.1 and 18.2.
    """
    real = np.asarray(attention_mask, dtype=bool)
    steps = [np.asarray(h, dtype=np.float64)[real] for h in hidden_states]
    l2, degrees = [], []
    for x, y in pairwise(steps):
        l2.append(np.linalg.norm(y - x, axis=-1).mean())
        cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
        degrees.append(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())
    return {"l2": np.array(l2), "degrees": np.array(degrees)}


def head_statistics(probs: ArrayLike, attention_mask: ArrayLike) -> dict[str, Floats]:
    """Describe where each head looks: means over the real queries of a batch.

    probs: (B, N, T, T), one step's attention probabilities, query before key, zero at padded keys, as a model returns
    them in `attentions`; attention_mask (B, T). Returns name → (N,):

        "entropy": of a query's weights, in nats; 0 looks at one place, ln of the number of places at all alike.
        "distance": how many positions away it looks, by weight.
        "self", "previous", "next", "first": the weight on the token itself, on its neighbour to the left and to the
            right, and on position 0, which is [CLS]. Where there is no such neighbour it is 0.

    Derivation: notebook 18, eq. 18.7, 18.8 and 18.9.
    """
    probs = _on_host(probs).astype(np.float64)
    real = _on_host(attention_mask).astype(bool)  # (B, T)
    places = np.arange(probs.shape[-1])
    offset = places - places[:, None]  # (T, T): key minus query
    logs = np.log(np.where(probs > 0, probs, 1.0))
    of_queries = {"entropy": -(probs * logs).sum(axis=-1), "distance": (probs * abs(offset)).sum(axis=-1)}  # (B, N, T)
    kinds = {"self": offset == 0, "previous": offset == -1, "next": offset == 1, "first": (places == 0) & (offset <= 0)}
    of_queries |= {name: (probs * keys).sum(axis=-1) for name, keys in kinds.items()}
    return {name: (values * real[:, None]).sum(axis=(0, 2)) / real.sum() for name, values in of_queries.items()}


def _on_host(x: ArrayLike) -> Array:
    return np.asarray(x) if isinstance(x, np.ndarray | list | tuple) else backend_of(x).to_numpy(x)


def without_heads(model: AlbertForMaskedLM, heads: Iterable[int]) -> AlbertForMaskedLM:
    """Return a copy of a model in which some heads add nothing, in every step that shares their layer.

    heads: their numbers from 0. What a head adds is its context times its columns of the dense layer after attention;
    in the copy these are 0. ValueError for a head that there is not.

    Derivation: notebook 16, eq. 16.1.
    """
    config = model.config
    other = type(model)(config, dtype=model.dtype, backend=model.backend.name).eval()
    other.params.flat[...] = model.params.flat
    for head in heads:
        if not 0 <= head < config.num_attention_heads:
            raise ValueError(f"there is no head {head}; there are 0 to {config.num_attention_heads - 1}")
        columns = slice(head * config.head_size, (head + 1) * config.head_size)
        for name, weight in other.params.items():
            if name.endswith("attention.dense.weight"):
                weight[:, columns] = 0
    return other


def patched(model: AlbertForMaskedLM, ids: ArrayLike, donors: ArrayLike, place: int, step: int = 1) -> Array:
    """Run sequences in which one token, after `step` steps of a shared layer, is replaced by that of other sequences.

    ids, donors (B, T), without padding; place: the token's; returns the last hidden states (B, T, H). The steps before
    run as always, those after see the donors' hidden state at that place. ValueError if the steps share no one layer.

    Derivation: notebook 16, eq. 16.2.
    """
    config = model.config
    if config.num_hidden_groups != 1 or config.inner_group_num != 1:
        raise ValueError("patched needs a model whose steps share one layer")
    own, other = (model(x, output_hidden_states=True, grad=False).hidden_states[step] for x in (ids, donors))
    x = own.copy()
    x[:, place] = other[:, place]
    scope = model.params.scope("albert.encoder.albert_layer_groups.0.albert_layers.0.")
    for _ in range(step, config.num_hidden_layers):
        x, _ = layer_forward(x, dense_pattern(*x.shape[:2]), scope, config)
    return x

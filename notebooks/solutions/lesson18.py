"""Solutions of notebook 18."""

from itertools import pairwise

import numpy as np


def layer_distances(hidden_states, attention_mask):
    real = np.asarray(attention_mask) == 1
    l2, degrees = [], []
    for before, after in pairwise(hidden_states):
        x, y = before[real], after[real]  # (real tokens, H)
        l2.append(np.linalg.norm(y - x, axis=-1).mean())
        cosine = (x * y).sum(axis=-1) / (np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1))
        degrees.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())
    return {"l2": np.array(l2), "degrees": np.array(degrees)}


def head_statistics(probs, attention_mask):
    T = probs.shape[-1]
    query, key = np.arange(T)[:, None], np.arange(T)
    weights = {
        "distance": abs(query - key),
        "self": key == query,
        "previous": key == query - 1,
        "next": key == query + 1,
        "first": np.broadcast_to(key == 0, (T, T)),
    }
    of_queries = {name: (probs * weight).sum(axis=-1) for name, weight in weights.items()}  # (B, N, T)
    of_queries["entropy"] = -(probs * np.log(np.where(probs > 0, probs, 1))).sum(axis=-1)
    real = attention_mask[:, None] == 1  # (B, 1, T)
    return {name: (values * real).sum(axis=(0, 2)) / real.sum() for name, values in of_queries.items()}


def which_bug():
    return {"A": 5, "B": 3, "C": 6, "D": 1, "E": 4, "F": 2}


def along_the_way(gradient, start, end, steps=16):
    total = np.zeros_like(start)
    for k in range(steps):
        total = total + gradient(start + (k + 0.5) / steps * (end - start))
    return (end - start) * total / steps


ANSWERS = {
    "check_along_the_way": (along_the_way,),
    "check_head_statistics": (head_statistics,),
    "check_layer_distances": (layer_distances,),
    "check_which_bug": (which_bug,),
}

"""Training runs of a fraction of a second, the same on every machine: what lab 8 measures."""

from functools import cache
from typing import Any

import numpy as np

from albert_np.backend import Ints
from albert_np.config import AlbertConfig
from albert_np.model import AlbertForMaskedLM
from albert_np.ops import IGNORE_INDEX
from albert_np.training import AdamW, clip_by_global_norm

__all__ = ["held_out_loss"]

WORDS, FIRST = 6, 5  # of the language; ids below FIRST are special tokens
POSITIONS, BATCH, UPDATES = 6, 16, 24
MASK = 4


def held_out_loss(seed: int, **config: Any) -> float:
    """Train a tiny ALBERT and return its loss on held-out text, in nats.

    A sentence counts up round a circle of six words, from the first or from the fourth; one word in ten is any.
    seed: of the initial weights and of all batches. config: fields of `AlbertConfig` that are to be other than the
    usual ones. All is computed in float64, so that another machine's figures differ by rounding alone.
    """
    return _trained(int(seed), tuple(sorted(config.items())))


@cache
def _trained(seed: int, changes: tuple[tuple[str, Any], ...]) -> float:
    sizes = {
        "vocab_size": FIRST + WORDS,
        "embedding_size": 8,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": POSITIONS,
        "initializer_range": 0.3,
    }
    model = AlbertForMaskedLM(AlbertConfig(**{**sizes, **dict(changes)}), dtype="float64", seed=seed)
    optimizer = AdamW(model.params, model.grads)
    rng = np.random.default_rng([seed, 1])
    for update in range(UPDATES):
        model.zero_grad()
        model(**_batch(rng, BATCH))
        model.backward()
        clip_by_global_norm(model.grads, 1.0)
        optimizer.step(0.03 * min(1.0, (update + 1) / 10))
    return float(model.eval()(**_batch(np.random.default_rng(0), 256), grad=False).loss)


def _batch(rng: np.random.Generator, size: int) -> dict[str, Ints]:
    words = (3 * rng.integers(0, 2, (size, 1)) + np.arange(POSITIONS)) % WORDS
    noise = rng.random(words.shape) < 0.1
    ids = FIRST + np.where(noise, rng.integers(0, WORDS, words.shape), words)
    asked = rng.random(ids.shape) < 0.2
    asked[:, 0] |= ~asked.any(axis=1)
    return {"input_ids": np.where(asked, MASK, ids), "labels": np.where(asked, ids, IGNORE_INDEX)}

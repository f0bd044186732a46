"""A tiny ALBERT for the explorer, small enough that every number of it fits on a screen, and trained in seconds.

Its language has two sentences: "the ANIMAL SOUNDS" and "it MOVES". Which sound tells which animal, so that a masked
animal can be told from it; the second sentence follows the first, or stands before it.
"""

from typing import Any, NamedTuple

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.model import AlbertForPreTraining
from albert_np.training import AdamW

__all__ = ["Toy", "make_toy"]

WORDS = "<pad> [CLS] [SEP] [MASK] the it cat dog bird meows barks sings runs waits".split()
SOUNDS = {"cat": "meows", "dog": "barks", "bird": "sings"}
UPDATES = 60  # few enough that the model is not yet sure, and its gradients not yet nothing
CONFIG = AlbertConfig(
    vocab_size=len(WORDS),
    embedding_size=4,
    hidden_size=8,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=8,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    classifier_dropout_prob=0.0,
    initializer_range=0.3,
    bos_token_id=1,
    eos_token_id=2,
)


class Toy(NamedTuple):
    """A model, a batch for it, and the text of the batch and of each id."""

    model: AlbertForPreTraining
    batch: dict[str, Any]
    tokens: list[list[str]]
    vocabulary: list[str]


def make_toy(seed: int = 0) -> Toy:
    """Train the tiny model, always alike for one seed, and return it with one pair of sentences."""
    rng = np.random.default_rng(seed)
    model = AlbertForPreTraining(CONFIG, dtype="float64", seed=seed)
    optimizer = AdamW(model.params, model.grads, weight_decay=0.0)
    for _ in range(UPDATES):
        model.zero_grad()
        model(**_batch([_pair(rng) for _ in range(32)], rng))
        model.backward()
        optimizer.step(0.02)
    words = ["[CLS]", "the", "dog", "barks", "[SEP]", "it", "runs", "[SEP]"]
    batch = _batch([(words, 0)], None)
    return Toy(model.eval(), batch, [[*words[:2], "[MASK]", *words[3:]]], WORDS)


def _pair(rng: np.random.Generator) -> tuple[list[str], int]:
    """Return a pair of sentences as words, and 1 where the second one stands first."""
    animal = rng.choice(list(SOUNDS))
    first, second = ["the", animal, SOUNDS[animal]], ["it", str(rng.choice(["runs", "waits"]))]
    swapped = int(rng.integers(2))
    if swapped:
        first, second = second, first
    return ["[CLS]", *first, "[SEP]", *second, "[SEP]"], swapped


def _batch(pairs: list[tuple[list[str], int]], rng: np.random.Generator | None) -> dict[str, Any]:
    """Return a batch in which one word of each pair is masked, a random one, or the third of all where rng is None."""
    ids = np.array([[WORDS.index(word) for word in words] for words, _ in pairs])
    inside = np.array([[word not in ("[CLS]", "[SEP]") for word in words] for words, _ in pairs])
    types = np.array([[words.index("[SEP]") < i for i in range(len(words))] for words, _ in pairs]).astype(np.int64)
    labels = np.full_like(ids, -100)
    for row, places in enumerate(inside):
        place = 2 if rng is None else rng.choice(np.flatnonzero(places))
        labels[row, place] = ids[row, place]
        ids[row, place] = WORDS.index("[MASK]")
    return {
        "input_ids": ids,
        "token_type_ids": types,
        "labels": labels,
        "sentence_order_label": np.array([swapped for _, swapped in pairs]),
    }

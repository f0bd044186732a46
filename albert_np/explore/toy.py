"""A tiny ALBERT for the explorer, small enough that every number of it fits on a screen, and trained in seconds.

Its language has two sentences: "the ANIMAL SOUNDS" and "it MOVES". The sound tells the animal, so that a masked animal
can be guessed from it; the second sentence follows the first, or stands before it. One sound in five and one order in
seven are drawn at random, so that no model can be sure: the gradients of one that is sure are nothing.
"""

from typing import NamedTuple

import numpy as np

from albert_np.backend import Ints
from albert_np.config import AlbertConfig
from albert_np.model import AlbertForPreTraining
from albert_np.training import AdamW, clip_by_global_norm

__all__ = ["Toy", "make_toy"]

WORDS = "<pad> [CLS] [SEP] [MASK] the it cat dog bird meows barks sings runs waits".split()
SOUNDS = {"cat": "meows", "dog": "barks", "bird": "sings"}
UPDATES = 400
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
    batch: dict[str, Ints]
    tokens: list[list[str]]
    vocabulary: list[str]


def make_toy() -> Toy:
    """Train the tiny model, always alike, and return it with one pair of sentences."""
    rng = np.random.default_rng(0)
    model = AlbertForPreTraining(CONFIG, dtype="float64", seed=0)
    optimizer = AdamW(model.params, model.grads, weight_decay=0.0, beta2=0.99)
    for k in range(UPDATES):
        model.zero_grad()
        model(**_batch([_pair(rng) for _ in range(32)], rng))
        model.backward()
        clip_by_global_norm(model.grads, 1.0)
        optimizer.step(0.01 * min(1, (k + 1) / 50) * (1 - k / UPDATES))
    words = ["[CLS]", "the", "dog", "barks", "[SEP]", "it", "runs", "[SEP]"]
    batch = _batch([(words, 0)], None)
    return Toy(model.eval(), batch, [[*words[:2], "[MASK]", *words[3:]]], WORDS)


def _pair(rng: np.random.Generator) -> tuple[list[str], int]:
    """Return a pair of sentences as words, and 1 where the second one stands first."""
    animal = str(rng.choice(list(SOUNDS)))
    sound = SOUNDS[animal] if rng.random() < 0.8 else str(rng.choice(list(SOUNDS.values())))
    first, second = ["the", animal, sound], ["it", str(rng.choice(["runs", "waits"]))]
    swapped = int(rng.integers(2))
    if swapped:
        first, second = second, first
    if rng.random() < 1 / 7:
        swapped = int(rng.integers(2))
    return ["[CLS]", *first, "[SEP]", *second, "[SEP]"], swapped


def _batch(pairs: list[tuple[list[str], int]], rng: np.random.Generator | None) -> dict[str, Ints]:
    """Return a batch with one masked word a pair: the animal in half of them at least, and in all if rng is None."""
    ids = np.array([[WORDS.index(word) for word in words] for words, _ in pairs])
    types = np.array([[words.index("[SEP]") < i for i in range(len(words))] for words, _ in pairs]).astype(np.int64)
    labels = np.full_like(ids, -100)
    for row, (words, _) in enumerate(pairs):
        place = next(i for i, word in enumerate(words) if word in SOUNDS)
        if rng is not None and rng.random() < 0.5:
            place = rng.choice([i for i, word in enumerate(words) if word not in ("[CLS]", "[SEP]")])
        labels[row, place] = ids[row, place]
        ids[row, place] = WORDS.index("[MASK]")
    return {
        "input_ids": ids,
        "token_type_ids": types,
        "labels": labels,
        "sentence_order_label": np.array([swapped for _, swapped in pairs]),
    }

"""Notebook 15: what can be known of a hidden word, and one update."""

import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.course.report import equal, holds, self_check
from albert_np.model import AlbertForMaskedLM
from albert_np.study.world import train_step
from albert_np.training import AdamW, global_norm

__all__ = ["check_posterior", "check_train_step"]

SMALL = AlbertConfig(
    vocab_size=11,
    embedding_size=4,
    hidden_size=6,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
    initializer_range=0.4,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


@self_check("what can be known of hidden words")
def check_posterior(posterior: Callable[..., Any]) -> Iterator[Any]:
    """Check `p = posterior(stories, probability, seen)`, (V,) for each place where `seen` is -1: (places, V).

    stories (N, T) ids below V = stories.max() + 1, probability (N,), seen (T,) with -1 at hidden places.
    """
    stories = np.array([[0, 2], [0, 3], [1, 3]])
    probability = np.array([0.6, 0.2, 0.2])
    given = stories.copy(), probability.copy()
    got = np.asarray(posterior(*given, np.array([0, -1])))
    if got.shape == (1, 4):
        yield holds("a row adds up to 1", bool(np.isclose(got.sum(), 1)), f"to {got.sum():g}: divide by what agrees")
        alike = bool(np.allclose(got, [[0, 0, 0.5, 0.5]]))
        yield holds("a story counts by its probability", not alike, "all count alike")
    yield equal("by hand, the first word 0 is seen: 3/4 and 1/4 for the second", got, [[0, 0, 0.75, 0.25]])
    got = posterior(*given, np.array([-1, 3]))
    yield equal("by hand, the second word 3 is seen: half and half for the first", got, [[0.5, 0.5, 0, 0]])
    both = [[0.8, 0.2, 0, 0], [0, 0, 0.6, 0.4]]
    yield equal("both hidden: what is left is how frequent words are", posterior(*given, np.array([-1, -1])), both)
    got = np.asarray(posterior(*given, np.array([1, 3])))
    yield holds("nothing hidden: no row", got.shape == (0, 4), f"got shape {got.shape}, expected (0, 4)")
    unchanged = bool((given[0] == stories).all() and (given[1] == probability).all())
    yield holds("no argument was changed", unchanged, "one was")

    rng = np.random.default_rng(15)
    stories = np.array(list(itertools.product(range(3), range(3, 5), range(5, 9), range(3))))
    stories = stories[rng.random(len(stories)) < 0.6]
    probability = rng.random(len(stories))
    probability /= probability.sum()
    for hidden in ((1,), (0, 2), (1, 2, 3)):
        seen = stories[7].copy()
        seen[list(hidden)] = -1
        expected = _counted(stories, probability, seen)
        yield equal(f"{len(stories)} stories, places {hidden} hidden", posterior(stories, probability, seen), expected)


def _counted(stories: np.ndarray, probability: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The same story by story, in plain loops."""
    hidden = [place for place, word in enumerate(seen) if word < 0]
    counts = np.zeros((len(hidden), stories.max() + 1))
    for story, share in zip(stories, probability, strict=True):
        if all(word in (-1, told) for word, told in zip(seen, story, strict=True)):
            for row, place in enumerate(hidden):
                counts[row, story[place]] += share
    counts /= counts.sum(axis=1, keepdims=True)
    return counts


@self_check("one update")
def check_train_step(train: Callable[..., Any]) -> Iterator[Any]:
    """Check `loss = train(model, batch, optimizer, learning_rate)`, which makes one update as `train_step` does."""
    rng = np.random.default_rng(3)
    batches = [_batch(rng) for _ in range(3)]
    ours, theirs = _trained(train, batches[:1]), _trained(train_step, batches[:1])
    moved = bool((ours.weights != _trained(train_step, []).weights).any())
    yield holds("the weights move", moved, "they do not: was `optimizer.step(learning_rate)` called?")
    yield equal("the loss of the batch, before the update", ours.losses[0], theirs.losses[0])
    fresh = _trained(train, batches[:1], before=0.0)
    forgotten = np.allclose(fresh.weights, theirs.weights) and not np.allclose(ours.weights, theirs.weights)
    yield holds("what was in the gradients before does not count", not forgotten, "it does: set them to 0 first")
    norm = global_norm(ours.model.grads)
    told = f"their norm is {norm:.3g}: clip it to 1, after backward and before the step"
    yield holds("gradients are clipped", bool(norm <= 1 + 1e-6), told)
    yield equal("weights after one update", ours.weights, theirs.weights)
    calm = [_trained(each, [_known()], sure=5.0) for each in (train, train_step)]
    told = (
        f"a gradient of norm {global_norm(calm[1].model.grads):.2f} stays as it is; yours has "
        f"{global_norm(calm[0].model.grads):.2f} after it: is it divided by its norm always, or added up twice?"
    )
    same = bool(np.allclose(calm[0].model.grads.flat, calm[1].model.grads.flat, rtol=1e-6))
    yield holds("a short gradient is not clipped", same, told)
    ours, theirs = _trained(train, batches), _trained(train_step, batches)
    told = "the first update was right and a later one is not: `backward` adds, so where do gradients start again at 0?"
    same = bool(np.allclose(ours.weights, theirs.weights, rtol=0, atol=1e-9))
    yield holds("weights after three updates", same, told)
    same = bool(np.allclose(ours.losses, theirs.losses, rtol=1e-9))
    yield holds("three losses", same, f"got {ours.losses}, expected {theirs.losses}")


def _batch(rng: np.random.Generator) -> dict[str, np.ndarray]:
    ids = rng.integers(4, SMALL.vocab_size, (3, 6))
    labels = np.where(rng.random(ids.shape) < 0.4, ids, -100)
    labels[:, 0] = ids[:, 0]
    return {"input_ids": np.where(labels >= 0, 3, ids), "attention_mask": np.ones_like(ids), "labels": labels}


def _known() -> dict[str, np.ndarray]:
    """A batch in which every hidden word is word 5."""
    ids = np.full((3, 6), 3)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "labels": np.full_like(ids, 5)}


def _trained(
    train: Callable[..., Any], batches: list[dict[str, np.ndarray]], before: float = 0.5, sure: float = 0.0
) -> Any:
    """The weights and losses of a fresh model after an update with each batch.

    before: what is in its first gradients. sure: how much it is for word 5 from the start.
    """
    model = AlbertForMaskedLM(SMALL, dtype="float64", seed=15)
    model.params["predictions.bias"][5] = sure
    model.grads.flat.fill(before)
    optimizer = AdamW(model.params, model.grads)
    losses = [train(model, {name: a.copy() for name, a in batch.items()}, optimizer, 0.01) for batch in batches]
    return SimpleNamespace(model=model, weights=model.params.flat.copy(), losses=losses)

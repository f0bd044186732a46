"""Notebook 17: the gradient of a large batch from its parts, and what can be had without looking at the context."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.course.report import equal, holds, self_check
from albert_np.model import AlbertForPreTraining
from albert_np.study.quickstart import without_context

__all__ = ["check_accumulated_gradient", "check_context_free"]

Part = dict[str, Any]

SMALL = AlbertConfig(
    vocab_size=17,
    embedding_size=4,
    hidden_size=6,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
    initializer_range=0.3,
    classifier_dropout_prob=0.0,  # or no two passes would agree
    pad_token_id=None,
)
SHOWN = (  # one parameter that only MLM reaches, one that only SOP reaches, and one that both do
    ("predictions.bias", "MLM alone"),
    ("sop_classifier.classifier.bias", "SOP alone"),
    ("albert.embeddings.word_embeddings.weight", "both"),
)


@self_check("accumulated gradient", returns=("loss",))
def check_accumulated_gradient(accumulated_gradient: Callable[..., Any]) -> Iterator[Any]:
    """Check `loss = accumulated_gradient(model, parts)`, which leaves the gradient of all parts in model.grads.

    parts: dictionaries of the model's arguments, each a micro-batch.
    """
    single, even, uneven = [_part(0, (1, 2))], [_part(i, (2, 2)) for i in range(2)], _uneven_parts()
    yield from _one_large_batch(accumulated_gradient, "one part alone", single)
    yield from _one_large_batch(accumulated_gradient, "two parts with four labels each", even)
    yield from _one_large_batch(accumulated_gradient, "parts with 5, 1 and 2 labels", uneven)

    nothing_asked = [*uneven, _part(7, (0, 0))]
    yield from _one_large_batch(accumulated_gradient, "a part in which no token is asked for", nothing_asked)
    no_pair = [*uneven, _part(8, (1, 1))]
    no_pair[-1]["sentence_order_label"][0] = -100
    yield from _one_large_batch(accumulated_gradient, "a part with a sequence that is no pair (-100)", no_pair)
    lengths = [_part(9, (2, 2)), _part(10, (1,), length=5)]
    yield from _one_large_batch(accumulated_gradient, "parts of 7 and of 5 tokens, which are not one array", lengths)

    model = _model()
    accumulated_gradient(model, uneven)
    untouched = bool((model.params.flat == _model().params.flat).all())
    yield holds("the weights stay as they are", untouched, "they moved: a gradient is no update")
    first = model.grads.flat.copy()
    accumulated_gradient(model, uneven)
    yield equal("called twice, the same gradient: it starts at zero each time", model.grads.flat, first)


def _one_large_batch(accumulated_gradient: Callable[..., Any], what: str, parts: list[Part]) -> Iterator[Any]:
    """Against the package's gradient of all sequences at once."""
    whole, model = _model(), _model()
    whole.zero_grad()
    out = whole(**_joined(parts))
    whole.backward()
    model.zero_grad()
    loss = accumulated_gradient(model, parts)
    advice = (
        "A part's sum is divided by the number of labels, and of pairs, in all parts: mlm_denominator, sop_denominator"
    )
    yield equal(f"{what}: loss", loss, out.loss, advice=advice)
    for name, reached_by in SHOWN:
        yield equal(f"{what}: gradient of {name} ({reached_by})", model.grads[name], whole.grads[name])
    yield equal(f"{what}: all gradients", model.grads.flat, whole.grads.flat)


def _model() -> AlbertForPreTraining:
    return AlbertForPreTraining(SMALL, dtype="float64", seed=15)


def _uneven_parts() -> list[Part]:
    return [_part(1, (2, 3)), _part(2, (1, 0)), _part(3, (0, 1, 1))]


def _part(seed: int, labelled: tuple[int, ...], length: int = 7) -> Part:
    """A micro-batch of one sequence for each of `labelled`, with so many labels."""
    rng = np.random.default_rng([15, seed])
    input_ids = rng.integers(5, SMALL.vocab_size, (len(labelled), length))
    labels = np.full_like(input_ids, -100)
    for row, count in enumerate(labelled):
        chosen = rng.permutation(length)[:count]
        labels[row, chosen] = input_ids[row, chosen]
        input_ids[row, chosen] = 4
    return {
        "input_ids": input_ids,
        "attention_mask": np.ones_like(input_ids),
        "labels": labels,
        "sentence_order_label": rng.integers(0, 2, len(labelled)),
    }


def _joined(parts: list[Part]) -> Part:
    """All parts as one batch, padded to the longest."""
    longest = max(part["input_ids"].shape[1] for part in parts)

    def padded(name: str, part: Part) -> Any:
        if part[name].ndim == 1:
            return part[name]
        filling = -100 if name == "labels" else 0
        return np.pad(part[name], ((0, 0), (0, longest - part[name].shape[1])), constant_values=filling)

    return {name: np.concatenate([padded(name, part) for part in parts]) for name in parts[0]}


@self_check("without context", returns=("accuracy", "loss"))
def check_context_free(context_free: Callable[..., Any]) -> Iterator[Any]:
    """Check `accuracy, loss = context_free(counts, labels)`; counts (V,), labels of any shape with -100 in it."""
    counts, labels = np.array([3, 2, 1, 0]), np.array([[-100, 0, 3], [0, -100, 1]])
    accuracy, loss = context_free(counts, labels)
    yield equal("by hand: accuracy, two of the four asked tokens are 0", accuracy, 0.5)
    expected = -(np.log(4 / 10) + np.log(1 / 10) + np.log(4 / 10) + np.log(3 / 10)) / 4
    yield equal("by hand: loss, frequencies (4, 3, 2, 1) / 10", loss, expected)

    rng = np.random.default_rng(151)
    rare = np.full((2, 5), -100)
    rare[:, 1:3] = 6  # the piece that the training text has least of
    counts = np.array([9, 8, 7, 6, 5, 4, 0])
    yield from _against_the_package(context_free, "asked for is mostly a piece that the text never has", counts, rare)
    labels = np.where(rng.random((8, 16)) < 0.15, rng.integers(0, 20, (8, 16)), -100)
    counts = rng.integers(0, 50, 20)
    yield from _against_the_package(context_free, "8 sequences of 16 tokens", counts, labels)
    yield from _against_the_package(context_free, "only the asked tokens, one axis", counts, labels[labels >= 0])


def _against_the_package(context_free: Callable[..., Any], what: str, counts: Any, labels: Any) -> Iterator[Any]:
    accuracy, loss = context_free(counts, labels)
    _, expected_accuracy, expected_loss = without_context((counts + 1) / (counts + 1).sum(), labels)
    yield equal(f"{what}: accuracy", accuracy, expected_accuracy)
    yield equal(f"{what}: loss", loss, expected_loss)

"""Notebook 16: what a head is worth, and what a hidden state causes."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.course.report import equal, holds, self_check
from albert_np.model import AlbertForMaskedLM
from albert_np.study import inside

__all__ = ["check_patched", "check_without_heads"]

SMALL = AlbertConfig(
    vocab_size=15,
    embedding_size=6,
    hidden_size=12,
    num_hidden_layers=3,
    num_attention_heads=3,
    intermediate_size=16,
    max_position_embeddings=8,
    initializer_range=0.5,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
DENSE = "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.dense.weight"
BIAS = DENSE.replace("weight", "bias")


def _model() -> AlbertForMaskedLM:
    model = AlbertForMaskedLM(SMALL, dtype="float64", seed=16).eval()
    model.params[BIAS][...] = np.linspace(-1, 1, SMALL.hidden_size)  # a fresh one is 0, and could be lost unseen
    return model


def _ids(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, SMALL.vocab_size, (3, 6))


@self_check("without heads")
def check_without_heads(without_heads: Callable[..., Any]) -> Iterator[Any]:
    """Check `other = without_heads(model, heads)`, a copy of a model in which these heads add nothing."""
    model, ids = _model(), _ids(0)
    whole = model(ids, grad=False).last_hidden_state
    other = without_heads(model, [1])
    untouched = bool((model.params.flat == _model().params.flat).all())
    yield holds("the model that was given stays as it is", untouched, "its weights changed: copy them first")
    got = other(ids, grad=False).last_hidden_state
    wanted = inside.without_heads(model, [1])(ids, grad=False).last_hidden_state
    if not np.allclose(got, wanted):
        yield from _what_is_zero(model, other)
    yield equal("hidden states without head 1", got, wanted)
    got = without_heads(model, [0, 2])(ids, grad=False).last_hidden_state
    yield equal("two heads", got, inside.without_heads(model, [0, 2])(ids, grad=False).last_hidden_state)
    yield equal("no head: the same model", without_heads(model, [])(ids, grad=False).last_hidden_state, whole)


def _what_is_zero(model: AlbertForMaskedLM, other: AlbertForMaskedLM) -> Iterator[Any]:
    """Which numbers of the dense layer a wrong answer has set to 0."""
    zeros = (other.params[DENSE] == 0).all(axis=0)
    rows = bool((other.params[DENSE] == 0).all(axis=1).any())
    told = "rows of W^O are 0; a head's context is on the *input* side, which is columns here" if rows else ""
    yield holds("columns of the dense weight are 0, not rows", not rows, told)
    expected = np.repeat([False, True, False], SMALL.head_size)
    told = f"columns {np.flatnonzero(zeros).tolist()} are 0, expected {np.flatnonzero(expected).tolist()}"
    yield holds("the columns of head 1", bool((zeros == expected).all()), told)
    bias = bool((other.params[BIAS] == model.params[BIAS]).all())
    yield holds("the bias stays: it belongs to no head", bias, "it does not")


@self_check("a hidden state replaced")
def check_patched(patched: Callable[..., Any]) -> Iterator[Any]:
    """Check `y = patched(model, ids, donors, place)`: the last hidden states, one token's replaced after step 1."""
    model, ids, donors = _model(), _ids(1), _ids(2)
    own, other = (model(x, grad=False).last_hidden_state for x in (ids, donors))
    yield equal("donors that are the same: nothing changes (this model has 3 steps)", patched(model, ids, ids, 2), own)
    got = np.asarray(patched(model, ids, donors, 2))
    if got.shape == own.shape:
        yield holds("another donor: something changes", not np.allclose(got, own), "nothing does")
        yield holds(
            "the donors' answer is not simply copied", not np.allclose(got, other), "all states are the donors'"
        )
        late = own.copy()
        late[:, 2] = other[:, 2]
        told = "the last state was replaced: what comes after step 1 must run again"
        yield holds("the token is replaced before the later steps", not np.allclose(got, late), told)
    expected = inside.patched(model, ids, donors, 2)
    yield equal("the token in place 2, after step 1", got, expected)
    yield equal("in place 5", patched(model, ids, donors, 5), inside.patched(model, ids, donors, 5))
    untouched = bool((model.params.flat == _model().params.flat).all())
    yield holds("the model stays as it is", untouched, "its weights changed")

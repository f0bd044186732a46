"""Notebook 16: what a head is worth, and what a hidden state causes."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function
from albert_np.course.hunt import by_signs, named_bugs
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.execution import dense_pattern
from albert_np.layers import layer_forward
from albert_np.model import AlbertForMaskedLM
from albert_np.study import inside

__all__ = ["check_at_their_mean", "check_patched", "check_which_bug", "check_without_heads"]

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
LAYER = "albert.encoder.albert_layer_groups.0.albert_layers.0."
DENSE = LAYER + "attention.dense.weight"
BIAS = DENSE.replace("weight", "bias")
VALUE_BIAS = LAYER + "attention.value.bias"


def _model() -> AlbertForMaskedLM:
    model = AlbertForMaskedLM(SMALL, dtype="float64", seed=16).eval()
    for bias in (BIAS, VALUE_BIAS):  # fresh ones are 0, and could be lost or left unseen
        model.params[bias][...] = np.linspace(-1, 1, SMALL.hidden_size)
    return model


def _ids(seed: int) -> Ints:
    return np.random.default_rng(seed).integers(1, SMALL.vocab_size, (3, 6))


@self_check("without heads")
def check_without_heads(without_heads: Function) -> Iterator[Finding]:
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


def _what_is_zero(model: AlbertForMaskedLM, other: AlbertForMaskedLM) -> Iterator[Finding]:
    """Which numbers a wrong answer has set to 0, and whether the others are the model's."""
    others = [name for name in model.params if name not in (DENSE, BIAS) and "attention.value" not in name]
    copied = all((other.params[name] == model.params[name]).all() for name in others)
    yield holds("all other weights are the model's", copied, "they are not: copy them into the new model")
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
def check_patched(patched: Function) -> Iterator[Finding]:
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
    mistakes = {
        "it is replaced before step 1: put it in after the first step": inside.patched(model, ids, donors, 2, step=0),
        "it is replaced after step 2": inside.patched(model, ids, donors, 2, step=2),
        "ids and donors have changed places": inside.patched(model, donors, ids, 2),
        "this is what place 1 gives": inside.patched(model, ids, donors, 1),
    }
    yield equal("the token in place 2, after step 1", got, expected, mistakes=mistakes)
    yield equal("in place 5", patched(model, ids, donors, 5), inside.patched(model, ids, donors, 5))
    untouched = bool((model.params.flat == _model().params.flat).all())
    yield holds("the model stays as it is", untouched, "its weights changed")


def package_at_their_mean(model: AlbertForMaskedLM, heads: Iterable[int], contexts: Floats) -> AlbertForMaskedLM:
    """Return a copy in which some heads always give the mean of their contexts (…, H), called as the exercise is."""
    heads, mean = list(heads), contexts.reshape(-1, contexts.shape[-1]).mean(axis=0)
    other = inside.without_heads(model, heads)
    gone = np.isin(np.arange(len(mean)) // model.config.head_size, heads)
    other.params[BIAS][...] += model.params[DENSE][:, gone] @ mean[gone]
    return other


@self_check("heads at their mean")
def check_at_their_mean(at_their_mean: Function) -> Iterator[Finding]:
    """Check `other = at_their_mean(model, heads, contexts)`, a copy in which these heads always give their mean."""
    model, ids = _model(), _ids(3)
    contexts = np.random.default_rng(16).standard_normal((4, 5, SMALL.hidden_size)) + 1
    other = at_their_mean(model, [1], contexts)
    untouched = bool((model.params.flat == _model().params.flat).all())
    yield holds("the model that was given stays as it is", untouched, "its weights changed: copy them first")
    got, wanted = (m(ids, grad=False).last_hidden_state for m in (other, package_at_their_mean(model, [1], contexts)))
    if not np.allclose(got, wanted):
        yield from _what_is_constant(model, other, contexts)
    yield equal("hidden states, head 1 at its mean", got, wanted)
    for name, heads in (("two heads", [0, 2]), ("no head: the same model", [])):
        got = at_their_mean(model, heads, contexts)(ids, grad=False).last_hidden_state
        wanted = package_at_their_mean(model, heads, contexts)(ids, grad=False).last_hidden_state
        yield equal(name, got, wanted)


def _what_is_constant(model: AlbertForMaskedLM, other: AlbertForMaskedLM, contexts: Floats) -> Iterator[Finding]:
    """Which numbers of the dense layer a wrong answer has changed, where head 1 is to be at its mean."""
    gone = np.isin(np.arange(SMALL.hidden_size) // SMALL.head_size, [1])
    zeros = (other.params[DENSE] == 0).all(axis=0)
    told = f"columns {np.flatnonzero(zeros).tolist()} are 0, expected {np.flatnonzero(gone).tolist()}"
    yield holds("the columns of head 1 are 0", bool((zeros == gone).all()), told)
    weight, bias, mean = model.params[DENSE], model.params[BIAS], contexts.mean(axis=(0, 1))
    added = weight[:, gone] @ mean[gone]
    known = {
        "the bias is as before: what the mean brings is missing": bias,
        "the bias is lost: b′ is b + …": added,
        "all heads' means are in the bias: only those of `heads` belong there": bias + weight @ mean,
        "W is transposed: inputs are its columns": bias + weight[gone].T @ mean[gone],
        "a sum over tokens, not their mean": bias + 20 * added,
        "the mean of head 0 for that of head 1": bias + weight[:, gone] @ mean[: SMALL.head_size],
        "one number for a head: keep its D numbers apart": bias + weight[:, gone].sum(axis=1) * mean[gone].mean(),
        "taken off, not added": bias - added,
    }
    yield equal("the bias b′ of (16.3)", other.params[BIAS], bias + added, mistakes=known)


def _suspect(model: AlbertForMaskedLM, ids: Ints, donors: Ints, place: int, bug: int) -> Array:
    """`patched` for a model of two steps, with one of the bugs of the list in the notebook."""
    own, other = (model(x, output_hidden_states=True, grad=False).hidden_states for x in (ids, donors))
    step = 2 if bug == 1 else 1
    x = own[step].copy()
    where = slice(None) if bug == 3 else place
    x[:, where] = other[step][:1, where] if bug == 4 else other[step][:, where]
    for _ in range({1: 0, 2: 0, 5: 2}.get(bug, 1)):
        x, _ = layer_forward(x, dense_pattern(*x.shape[:2]), model.params.scope(LAYER), model.config)
    return x


_CAST = {"A": 2, "B": 4, "C": 1, "D": 3}
SUSPECTS: dict[str, Function] = {letter: partial(_suspect, bug=bug) for letter, bug in _CAST.items()}
_SIGNS = {
    1: "a state replaced after the last step changes its own place alone: only at the verb does it turn the verb round",
    2: "without step 2 the states are those of step 1, also where the donors are the same",
    3: "with all states replaced it is the donors' answer, whichever place was asked for",
    4: "one donor for all turns round only stories of the other number, and changes stories of the same donors too",
    5: "after three steps of two the states differ where the donors are the same, and the subject still decides",
}


@self_check("which bug is this?")
def check_which_bug(which_bug: Callable[[], object]) -> Iterator[Finding]:
    """Check `numbers = which_bug()`: suspect → the number of its bug, for `SUSPECTS`."""
    yield from named_bugs(which_bug(), _CAST, _SIGNS, by_signs(_SIGNS))

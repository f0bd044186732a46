"""Notebook 12: the MLM and SOP heads, and the gradient of the tied matrix."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms
from albert_np.course.report import Finding, differences, equal, float32_stays, holds, self_check
from albert_np.model import AlbertForPreTraining
from albert_np.ops import (
    EmbeddingCache,
    LinearCache,
    TanhCache,
    cross_entropy_backward,
    embedding_backward,
    linear_forward,
    softmax_forward,
    tanh_backward,
    tanh_forward,
)

__all__ = ["check_tied_gradient", "check_which_bug", "check_z_loss_backward"]

WORD_EMBEDDINGS = "albert.embeddings.word_embeddings.weight"
SMALL = AlbertConfig(
    vocab_size=15,
    embedding_size=4,
    hidden_size=6,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
    initializer_range=0.3,
    pad_token_id=None,
)


@self_check("gradient of the tied matrix", returns=("dweight",))
def check_tied_gradient(tied_gradient: Function) -> Iterator[Finding]:
    """Check `dweight = tied_gradient(ids, dembedded, dlogits, hidden)`, (V, E).

    ids (B, T), dembedded (B, T, E), dlogits (R, V), hidden (R, E).
    """
    ids, dembedded = np.array([[2, 0, 2]]), np.array([[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]])
    dlogits, hidden = np.array([[0.25, -0.75, 0.25, 0.25]]), np.array([[4.0, -4.0]])
    by_hand = tied_gradient(ids, dembedded, dlogits, hidden)
    decoder = np.array([[1.0, -1.0], [-3.0, 3.0], [1.0, -1.0], [1.0, -1.0]])  # dlogitsᵀ hidden
    last = np.array([[2.0, 2.0], [0.0, 0.0], [3.0, 3.0], [0.0, 0.0]])
    lookup = np.array([[2.0, 2.0], [0.0, 0.0], [4.0, 4.0], [0.0, 0.0]])
    known = {
        "the lookup's path is missing": decoder,
        "the decoder's path is missing": lookup,
        "the mean of the two paths: they add up": (lookup + decoder) / 2,
        "an id that occurs twice: `dweight[ids] += …` adds once for each id": decoder + last,
        "the sign of the decoder's path is turned round": lookup - decoder,
        "rows that were looked up have lost the decoder's path: `=` for `+=`": np.where(lookup, lookup, decoder),
        "rows that were never looked up have the decoder's path too": np.where(lookup, lookup + decoder, 0),
    }
    yield equal("by hand (12.9)", by_hand, lookup + decoder, mistakes=known)

    rng = np.random.default_rng(12)
    V, E = 9, 5
    ids = np.array([[1, 4, 4, 0], [4, 1, 6, 6]])
    dembedded, dlogits, hidden = (rng.standard_normal(shape) for shape in ((2, 4, E), (3, V), (3, E)))
    lookup, decoder = embedding_backward(dembedded, EmbeddingCache(ids, V, None)), dlogits.T @ hidden
    known = {
        "the decoder's path is a sum over rows, not a mean; the loss has divided already": lookup + decoder / 3,
        "the lookup's path is a sum over places, not a mean": lookup / ids.size + decoder,
    }
    dweight = tied_gradient(ids, dembedded, dlogits, hidden)
    yield equal("both paths at once, ids repeated", dweight, lookup + decoder, mistakes=known)
    alone = tied_gradient(ids, dembedded, 0 * dlogits, hidden)
    yield equal("the lookup's path alone (dlogits = 0): scatter-add, repeated ids summed", alone, lookup)
    alone = tied_gradient(ids, 0 * dembedded, dlogits, hidden)
    yield equal("the decoder's path alone (dembedded = 0): dlogitsᵀ hidden", alone, decoder)
    square = rng.standard_normal((5, E, E))  # V = E = 5: a transposed product would fit too
    dweight = tied_gradient(ids % E, dembedded, square[0], square[1])
    expected = embedding_backward(dembedded, EmbeddingCache(ids % E, E, None)) + square[0].T @ square[1]
    transposed = embedding_backward(dembedded, EmbeddingCache(ids % E, E, None)) + square[1].T @ square[0]
    known = {"the decoder's path is transposed: dlogitsᵀ hidden": transposed}
    yield equal("V = E, where a transposed product would fit", dweight, expected, mistakes=known)
    advice = "np.zeros needs dtype=dembedded.dtype"
    yield float32_stays(tied_gradient, (ids, dembedded, dlogits, hidden), advice)
    yield from _finite_differences(tied_gradient)
    yield _pretraining(tied_gradient)


def _finite_differences(tied_gradient: Function) -> Iterator[Finding]:
    """A bag of words that guesses a word: logits = tanh(Σₜ weight[ids]) weightᵀ."""
    rng = np.random.default_rng(120)
    ids = rng.integers(0, 6, (4, 5))  # rows 6 and 7 are never looked up

    def forward(weight: Floats) -> tuple[Floats, tuple[LinearCache, TanhCache]]:
        hidden, tanh_cache = tanh_forward(weight[ids].sum(axis=1))
        logits, linear_cache = linear_forward(hidden, weight, np.zeros(8))
        return logits, (linear_cache, tanh_cache)

    def backward(dlogits: Floats, cache: tuple[LinearCache, TanhCache]) -> Array:
        linear_cache, tanh_cache = cache
        dsum = tanh_backward(dlogits @ linear_cache.weight, tanh_cache)
        dembedded = np.repeat(dsum[:, None], ids.shape[1], axis=1)
        return tied_gradient(ids, dembedded, dlogits, linear_cache.x)

    for found in differences(forward, backward, {"weight": rng.standard_normal((8, 3))}):
        yield replace(found, name=f"{found.name}, a bag of words with a tied matrix")


def _pretraining(tied_gradient: Function) -> Finding:
    """The small ALBERT with both heads, against the package's own backward pass."""
    model = AlbertForPreTraining(SMALL, dtype="float64", seed=12).eval()
    ids = np.array([[2, 7, 4, 9, 3], [2, 5, 5, 4, 3]])
    labels = np.array([[-100, -100, 8, -100, -100], [-100, 5, -100, 11, -100]])
    model(ids, labels=labels, sentence_order_label=np.array([0, 1]))
    mlm = model.cache.mlm
    dembedded = model.backward()
    dlogits = cross_entropy_backward(1.0, mlm.cross_entropy)
    got = tied_gradient(ids, dembedded, dlogits, mlm.head.decoder.x)
    return equal("a small AlbertForPreTraining, against the package", got, model.grads[WORD_EMBEDDINGS])


def package_tied_gradient(ids: Ints, dembedded: Floats, dlogits: Floats, hidden: Floats) -> Array:
    """The package's two paths, called as the exercise is."""
    return embedding_backward(dembedded, EmbeddingCache(ids, dlogits.shape[-1], None)) + dlogits.T @ hidden


CLASSES, ASKED, POSITIONS = 60, 8, 64  # V; R, the labelled rows; B·T
UPDATES = (0, 25, 300)

ALL_POSITIONS = "the mean is over all B·T positions, not over the R labelled ones"
SUM = "the sum over the labelled rows, for their mean"
BASE_TWO = "the logarithm is to base 2"
TWICE = "softmax is applied twice"
WIDE = "the decoder's first weights are drawn with a spread of 2, not of 0.02"
NO_LABEL = "in the gradient, the 1 at the label is not subtracted"


def _losses(bug: str = "") -> list[float]:
    """Return the losses that a decoder reports before, while and after it learns eight words by heart, with one bug."""
    rng = np.random.default_rng(121)
    n, labels = rng.standard_normal((ASKED, 16)), rng.integers(CLASSES, size=ASKED)
    weight = rng.normal(0, 2.0 if bug == WIDE else 0.02, (CLASSES, 16))
    one_hot = np.eye(CLASSES)[labels]
    scale = {ALL_POSITIONS: ASKED / POSITIONS, SUM: ASKED, BASE_TWO: 1 / np.log(2)}.get(bug, 1.0)
    told = []
    for update in range(UPDATES[-1] + 1):
        probs, _ = softmax_forward(n @ weight.T)
        said = softmax_forward(probs)[0] if bug == TWICE else probs
        dlogits = said - (0 if bug == NO_LABEL else one_hot)
        if bug == TWICE:
            dlogits = probs * (dlogits - (dlogits * probs).sum(axis=1, keepdims=True))
        if update in UPDATES:
            told.append(float(-np.log(said[np.arange(ASKED), labels]).mean() * scale))
        weight = weight - 0.5 * scale * (dlogits / ASKED).T @ n
    return told


def _symptoms(losses: Callable[[], list[float]]) -> Symptoms:
    return {f"update {update}": f"{loss:.2f}" for update, loss in zip(UPDATES, losses(), strict=True)}


HUNT = Hunt(
    bugs={bug: partial(_losses, bug) for bug in (SUM, TWICE, ALL_POSITIONS, NO_LABEL, BASE_TWO, WIDE)},
    symptoms=_symptoms,
    numbers=(2, 4, 1, 6, 3, 5),
    right=_losses,
)
check_which_bug = HUNT.check()


@self_check("backward of the z-loss", returns=("dlogits",))
def check_z_loss_backward(backward: Function) -> Iterator[Finding]:
    """Check `dlogits = backward(dloss, logits)` of the mean over rows of (ln Σ exp z)²; both (R, V)."""
    logits = np.log([[1.0, 3.0], [1.0, 3.0]])  # Z = 4 in both rows, probabilities 1/4 and 3/4
    by_hand = np.log(4) * np.array([[0.25, 0.75]] * 2)
    known = {
        "the 2 of the square is missing": by_hand / 2,
        "the mean is missing: a row has only a part of 1/R in the loss": 2 * by_hand,
        "ln Z is missing: the square's derivative is 2 ln Z": by_hand / np.log(4),
        "the probabilities are missing: the derivative of ln Z by z_v is softmax(z)_v": np.full((2, 2), np.log(4)),
        "this is Z for ln Z": by_hand * 4 / np.log(4),
        "the logits stand where their probabilities belong": np.log(4) * logits,
        "no label stands in this loss, so none is subtracted": by_hand - np.log(4) * np.array([[1.0, 0.0]] * 2),
    }
    yield equal("by hand, logits (ln 1, ln 3) twice", backward(1.0, logits), by_hand, mistakes=known)
    rng = np.random.default_rng(122)
    logits = 2 * rng.standard_normal((4, 4))
    probs, log_z = softmax_forward(logits)[0], np.log(np.exp(logits).sum(axis=1, keepdims=True))
    known = {
        "the sums run over the rows: each row has its own Z": (
            2 * np.log(np.exp(logits).sum(axis=0)) * softmax_forward(logits.T)[0].T / 4
        ),
        "ln Z has lost its axis and counts as a row: keepdims=True": 2 * log_z.T * probs / 4,
        "divided by V: the mean is over the R rows": 2 * log_z * probs,
    }
    yield equal("four rows, V = 4", backward(1.0, logits), 2 * log_z * probs / 4, mistakes=known)
    yield equal("dloss = 0.1", backward(0.1, logits), 0.2 * log_z * probs / 4, advice="dloss is a factor of all")
    shifted = backward(1.0, logits + 1000)
    finite = np.isfinite(shifted).all()
    told = "exp overflows: take the largest logit of each row out, ln Z = m + ln Σ exp(z − m)"
    yield holds("logits of 1,000 give finite numbers", finite, told)
    if finite:
        expected = 2 * (log_z + 1000) * probs / 4
        yield equal("logits of 1,000", shifted, expected, advice="ln Z = m + ln Σ exp(z − m), with m added back")
    yield float32_stays(lambda x: backward(1.0, x), (logits,), "np.float64 numbers or arrays have come in")

    def forward(logits: Floats) -> tuple[Floats, Floats]:
        return (np.log(np.exp(logits).sum(axis=1)) ** 2).mean(), logits

    yield from differences(forward, backward, {"logits": rng.standard_normal((3, 5))})


def package_z_loss_backward(dloss: float, logits: Floats) -> Array:
    """The answer to the last exercise, for those who go on without it."""
    largest = logits.max(axis=1, keepdims=True)
    powers = np.exp(logits - largest)
    total = powers.sum(axis=1, keepdims=True)
    return 2 * dloss / len(logits) * (largest + np.log(total)) * powers / total

"""Lab 4: two thin matrices and a tie. Forward functions and what is looked at; no gradient is written down here."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.labs.checks import Become, as_if, ask, backward_exercise, expect, expect_array, expect_same, slopes
from albert_np.labs.points import Answer, Arguments, Lab, Numbers

__all__ = ["LAB", "adapted", "distillation_loss", "factorised_lookup", "tied"]


def _personal(rng: np.random.Generator) -> Numbers:
    return {
        "vocab": int(rng.integers(8, 60)) * 1000,
        "hidden": int(rng.choice([256, 384, 512, 768, 1024])),
        "embedding": int(rng.choice([32, 48, 64, 96, 128])),
        "rank": int(rng.choice([4, 8, 16])),
        "alpha": int(rng.choice([8, 12, 16, 24, 32])),
        "temperature": int(rng.integers(2, 6)),
        "student": rng.permutation([-1, 0, 2, 3])[:3].tolist(),
        "teacher": rng.permutation([-4, 0, 1, 6])[:3].tolist(),
    }


LAB = Lab("04", "Two thin matrices and a tie", hours=3, notebooks=("07", "12"), personal=_personal)


def factorised_lookup(ids: Ints, A: Floats, B: Floats) -> Floats:
    """ids (…) from −1 to V − 1, A (V, E), B (E, H): y (…, H) = A[ids] B, and 0 where the id is −1."""
    return np.where((ids >= 0)[..., None], A[ids] @ B, 0)


def _ids(rng: np.random.Generator, shape: tuple[int, ...], vocab: int) -> Ints:
    ids = rng.integers(0, vocab, shape)
    ids.flat[-1] = ids.flat[0]
    return ids


def _lookup_arguments(answer: Answer, batch: int, length: int, vocab: int, embedding: int, hidden: int) -> Arguments:
    rng = answer.rng
    ids = _ids(rng, (batch, length), vocab)
    ids.flat[1] = -1
    return {"ids": ids, "A": rng.normal(size=(vocab, embedding)), "B": rng.normal(size=(embedding, hidden))}


def _last_use(dy: Floats, given: Arguments, expected: Floats) -> Floats:
    """Return dA if of several places with one id the last alone counts."""
    ids, A, B = (given[name] for name in ("ids", "A", "B"))
    own = A[ids]
    mistaken = np.zeros_like(expected)
    mistaken[ids[ids >= 0]] = slopes(lambda: np.where((ids >= 0)[..., None], own @ B, 0), own, dy)[ids >= 0]
    return mistaken


def _without_holes(ids: Ints, A: Floats, B: Floats) -> Floats:
    return A[ids] @ B


HOLES = "places without a word count too; −1 is no word, and in NumPy the last."

backward_exercise(
    LAB,
    "factorised_lookup_backward",
    "Factorised lookup: backward",
    forward=factorised_lookup,
    draw=_lookup_arguments,
    gradients={
        "dA": ("A", 8, "What comes back to one looked-up row, and how many places looked that row up?"),
        "dB": ("B", 6, "Which rows went into this matrix, and which of them reached y?"),
    },
    shapes=[(2, 4, 5, 2, 3), (1, 5, 3, 1, 4), (4, 1, 2, 3, 2), (2, 3, 1, 2, 1)],
    large=(16, 64, 2000, 32, 64),
    speed=4,
    suspects={
        "dA": [
            ("a word that stands in two places gets one gradient only: `dA[ids] +=` keeps the last.", _last_use),
            (HOLES, as_if(_without_holes, "A")),
        ],
        "dB": [(HOLES, as_if(_without_holes, "B"))],
    },
)


def adapted(x: Floats, W: Floats, A: Floats, B: Floats, alpha: float) -> Array:
    """x (…, H), W (H, K), A (H, r), B (r, K): y = x W + (alpha / r) x A B."""
    return x @ W + alpha / A.shape[1] * (x @ A @ B)


def _adapter_arguments(answer: Answer, batch: int, length: int, width: int, out: int, rank: int) -> Arguments:
    rng = answer.rng
    return {
        "x": rng.normal(size=(batch, length, width)),
        "W": rng.normal(size=(width, out)),
        "A": rng.normal(size=(width, rank)),
        "B": rng.normal(size=(rank, out)),
        "alpha": float(rng.uniform(1, 4)),
    }


def _alpha_alone(x: Floats, W: Floats, A: Floats, B: Floats, alpha: float) -> Array:
    return adapted(x, W, A, B, alpha * A.shape[1])


def _frozen_alone(x: Floats, W: Floats, A: Floats, B: Floats, alpha: float) -> Array:
    return x @ W


def _adapter_alone(x: Floats, W: Floats, A: Floats, B: Floats, alpha: float) -> Array:
    return adapted(x, 0 * W, A, B, alpha)


SCALE = "the adapter is scaled by alpha / r, on the way back too."

backward_exercise(
    LAB,
    "adapter_backward",
    "A low-rank adapter: backward",
    forward=adapted,
    draw=_adapter_arguments,
    gradients={
        "dx": ("x", 6, "How many ways lead from x to y?"),
        "dA": ("A", 4, "What went into A, and what comes back to its outputs, through B and the scale?"),
        "dB": ("B", 4, "What went into B? Which axes has B not?"),
    },
    shapes=[(2, 3, 4, 3, 2), (1, 4, 2, 3, 3), (3, 2, 3, 1, 2), (2, 1, 1, 4, 1)],
    large=(16, 64, 96, 96, 16),
    speed=4,
    suspects={
        "dx": [
            ("the way through the adapter is missing.", as_if(_frozen_alone, "x")),
            ("W is frozen, and gets no gradient; but x gets one through it.", as_if(_adapter_alone, "x")),
            (SCALE, as_if(_alpha_alone, "x")),
        ],
        "dA": [(SCALE, as_if(_alpha_alone, "A"))],
        "dB": [(SCALE, as_if(_alpha_alone, "B"))],
    },
)


def _log_softmax(x: Floats) -> Array:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def distillation_loss(student: Floats, teacher: Floats, labels: Ints, temperature: float) -> Any:
    """student, teacher (…, V), labels (…): T² · the mean over rows with a label other than −100 of KL(p ‖ q).

    p and q are the softmax of the teacher's and of the student's logits over T. Without such a row the loss is 0.
    """
    log_p, log_q = _log_softmax(teacher / temperature), _log_softmax(student / temperature)
    divergence = (np.exp(log_p) * (log_p - log_q)).sum(-1)
    asked = labels != -100
    return temperature**2 * (divergence * asked).sum() / max(int(asked.sum()), 1)


def _reversed(student: Floats, teacher: Floats, labels: Ints, temperature: float) -> Any:
    return distillation_loss(teacher, student, labels, temperature)


def _rows(answer: Answer, batch: int, length: int, vocab: int) -> Arguments:
    rng = answer.rng
    return {
        "student": rng.normal(0, 2, (batch, length, vocab)),
        "teacher": rng.normal(0, 2, (batch, length, vocab)),
        "labels": rng.integers(0, vocab, (batch, length)),
        "temperature": float(rng.uniform(1.5, 4)),
    }


def _times(power: int) -> Become:
    return lambda dy, given, expected: expected * given["temperature"] ** power


POWER = "T² stands before the loss, and each logit is divided by T: which power of T is left?"

distillation = backward_exercise(
    LAB,
    "distillation_backward",
    "Distillation on labelled rows: backward",
    forward=distillation_loss,
    draw=_rows,
    gradients={"dstudent": ("student", 7, "What is the slope of KL(p ‖ q) along one logit of q?")},
    shapes=[(2, 3, 4), (1, 4, 3), (3, 1, 2)],
    large=(8, 32, 200),
    speed=3,
    suspects={
        "dstudent": [
            (POWER, _times(1)),
            (POWER, _times(-1)),
            (POWER, _times(-2)),
            ("that is KL(q ‖ p), the reversed one.", as_if(_reversed, "student")),
            ("is it the mean over rows, or their sum?", lambda dy, given, e: e * given["labels"].size),
        ]
    },
)


def _dstudent(answer: Answer, given: Arguments) -> Floats:
    got = ask(answer, {"dloss": 1.5, **given}, "distillation_backward", ["dstudent"])
    return expect_array("dstudent", got["dstudent"], given["student"].shape)


def _some_dstudent(answer: Answer, given: Arguments) -> Floats:
    got = _dstudent(answer, given)
    expect(np.any(got[given["labels"] != -100]), "dstudent is 0 for rows that have a label.")
    sums, sizes = np.abs(got.sum(-1)), np.abs(got).sum(-1)  # a number added to all logits of a row changes no loss
    expect(not np.any(sums > 1e-6 * sizes), "a row of dstudent does not sum to 0.")
    return got


@distillation.finding("rows without a label", 4, "Which rows are in the loss, and how many are they?")
def _ignored(answer: Answer) -> None:
    for shape in [(2, 4, 3), (1, 5, 4), (4, 1, 3)]:
        given = _rows(answer, *shape)
        asked = answer.rng.permutation(np.arange(given["labels"].size) % 2 == 0).reshape(shape[:2])
        given["labels"][~asked] = -100
        got = _some_dstudent(answer, given)
        expect(not np.any(got[~asked]), "dstudent is not 0 in a row whose label is −100.")
        alone = given | {name: given[name][asked] for name in ("student", "teacher", "labels")}
        by_all = ("the mean is over all rows, not over those with a label.", partial(np.multiply, asked.mean()))
        expect_same("dstudent of rows with a label", got[asked], _some_dstudent(answer, alone), suspects=[by_all])


@distillation.finding("no row with a label", 2, "What is 0 / 0?", side=True)
def _nothing(answer: Answer) -> None:
    given = _rows(answer, 2, 3, 4)
    given["labels"][...] = -100
    got = _dstudent(answer, given)
    expect(not np.any(got), "without a row that has a label the loss is 0, but dstudent is not.")


@distillation.finding("logits of 1e4", 2, "What is exp(1e4)? Which number may be taken from all logits of a row?")
def _large_logits(answer: Answer) -> None:
    given = _rows(answer, 2, 3, 4)
    shift = answer.rng.choice([-1e4, 1e4], (2, 3, 1))
    shifted = given | {"student": given["student"] + shift, "teacher": given["teacher"] - shift}
    with_shift = _some_dstudent(answer, shifted)
    expect(np.all(np.isfinite(with_shift)), "dstudent is not finite for logits of 1e4.")
    expect_same("with 1e4 added to all logits of a row dstudent", with_shift, _some_dstudent(answer, given))
    apart = given | {name: 5e3 * given[name] for name in ("student", "teacher")}
    expect(np.all(np.isfinite(_dstudent(answer, apart))), "dstudent is not finite for logits that lie 1e4 apart.")


def tied(ids: Ints, M: Floats, K: Floats) -> Array:
    """ids (…), M (V, E), K (E, E): logits (…, V) = tanh(√E M[ids] K) Mᵀ / √E."""
    return _untied(ids, M, M, K)


def _untied(ids: Ints, M_in: Floats, M_out: Floats, K: Floats) -> Array:
    root = np.sqrt(M_in.shape[1])
    return np.tanh(root * M_in[ids] @ K) @ M_out.T / root


def _tied_arguments(answer: Answer, batch: int, length: int, vocab: int, embedding: int) -> Arguments:
    rng = answer.rng
    return {
        "ids": _ids(rng, (batch, length), vocab),
        "M": rng.normal(size=(vocab, embedding)) / embedding,
        "K": rng.normal(size=(embedding, embedding)),
    }


def _paths(of_lookup: Callable[[float], float], of_logits: Callable[[float], float]) -> Become:
    """Return for `suspects` dM with its two paths times those functions of √E."""

    def become(dy: Floats, given: Arguments, expected: Floats) -> Floats:
        ids, M, K = (given[name] for name in ("ids", "M", "K"))
        copy, root = M.copy(), float(np.sqrt(M.shape[1]))
        lookup = slopes(lambda: _untied(ids, copy, M, K), copy, dy)
        return of_lookup(root) * lookup + of_logits(root) * (expected - lookup)

    return become


ROOT = "√E comes back with the gradient: as a factor on the path of the lookup, as a divisor on that of the logits."

backward_exercise(
    LAB,
    "tied_backward",
    "A tied matrix, √E in and 1/√E out: backward",
    forward=tied,
    draw=_tied_arguments,
    gradients={
        "dM": ("M", 7, "M is used twice: do both uses give their gradient, each with its factor?"),
        "dK": ("K", 3, "What went into K, and what comes back to its outputs?"),
    },
    shapes=[(2, 3, 5, 4), (1, 4, 3, 2), (3, 1, 4, 3), (2, 2, 3, 1)],
    large=(8, 32, 800, 32),
    speed=3,
    suspects={
        "dM": [
            ("the path through the logits is missing.", _paths(lambda r: 1, lambda r: 0)),
            ("the path through the lookup is missing.", _paths(lambda r: 0, lambda r: 1)),
            (ROOT, _paths(lambda r: 1 / r, lambda r: 1)),
            (ROOT, _paths(lambda r: 1, lambda r: r)),
            (ROOT, _paths(lambda r: 1 / r, lambda r: r)),
        ],
    },
)


LAB.written("thin", "What two thin matrices save", 8)
LAB.written("adapter", "An adapter's first step", 8)
LAB.written("warm", "A teacher at high temperature", 9)

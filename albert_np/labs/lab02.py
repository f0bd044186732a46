"""Lab 2: norms and losses. Forward functions and what is looked at; no gradient is written down here."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.labs.checks import (
    Suspect,
    backward_exercise,
    common_findings,
    expect,
    expect_array,
    expect_gradient,
    expect_one,
    expect_same,
    slopes,
)
from albert_np.labs.points import Answer, Arguments, Exercise, Lab, Numbers

__all__ = ["LAB"]

ALPHAS = (0.2, 0.25, 0.4, 0.6, 0.75, 0.8)
POWERS = (3, 4, 5)
IGNORED = -100
ROWS = [(3, 5), (1, 4), (6, 2)]
ONE_ROW = [(1, 5), (1, 2), (1, 7)]  # where the divisor cannot be wrong
OFF = "Which number, taken off all logits of a row, changes no probability and keeps exp in range?"


def _personal(rng: np.random.Generator) -> Numbers:
    row = sorted(rng.choice(9, 3, replace=False).tolist())
    return {"alpha": float(rng.choice(ALPHAS)), "p": int(rng.choice(POWERS)), "row": row}


LAB = Lab("02", "Norms and losses", hours=4, notebooks=("04", "05"), personal=_personal)


def rms_norm(x: Floats, weight: Floats, eps: float) -> Array:
    """x (..., H), weight (H,): y = weight · x / √(mean x² + eps)."""
    return weight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)


def capped_softmax(scores: Floats, cap: float) -> Array:
    """scores (..., K): softmax of cap · tanh(scores / cap) along the last axis."""
    exponentials = np.exp(cap * np.tanh(scores / cap))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def loss_as_defined(logits: Floats, labels: Ints, smoothing: float, z_weight: float) -> Any:
    """logits (N, V), labels (N,): the loss as its definition has it, which is neither safe for large logits nor for
    rows none of which has a label."""
    log_z = np.log(np.exp(logits).sum(axis=-1))
    asked = labels != IGNORED
    right = np.take_along_axis(logits, np.where(asked, labels, 0)[:, None], axis=-1)[:, 0]
    rows = log_z - (1 - smoothing) * right - smoothing * logits.mean(axis=-1) + z_weight * log_z**2
    return rows[asked].sum() / asked.sum()


def power_norm(x: Floats, weight: Floats, eps: float, *, alpha: float, p: float) -> Array:
    """x (..., H), weight (H,): y = weight · (x − α μ) / (mean |x − α μ|ᵖ + eps)^(1/p), μ the mean of the row."""
    moved = x - alpha * np.mean(x, axis=-1, keepdims=True)
    return weight * moved / (np.mean(np.abs(moved) ** p, axis=-1, keepdims=True) + eps) ** (1 / p)


def _norm_arguments(answer: Answer, *shape: int) -> Arguments:
    x = answer.rng.normal(0.5, 1, shape)
    alpha = answer.personal.get("alpha", 0.0)
    for _ in range(100):  # |u|ᵖ has a kink in its p-th derivative, which differences would feel
        moved = x - alpha * np.mean(x, axis=-1, keepdims=True)
        near = np.abs(moved) < 0.02
        if not near.any():
            break
        x = x + np.where(near, 0.1 * np.sign(moved), 0.0)
    return {"x": x, "weight": answer.rng.normal(1, 0.5, shape[-1]), "eps": 0.1}


def _softmax_arguments(answer: Answer, *shape: int) -> Arguments:
    return {"scores": answer.rng.normal(0, 2, shape), "cap": float(answer.rng.uniform(1, 3))}


def _loss_arguments(
    answer: Answer, *shape: int, smoothing: float = 0.0, z_weight: float = 0.0, ignored: bool = False
) -> Arguments:
    labels = answer.rng.integers(
        0, shape[-1] - 1, shape[0]
    )  # never the last class, which is what −100 may be taken for
    if ignored:
        labels[::2] = IGNORED
    logits = answer.rng.normal(0, 2, shape)
    return {"logits": logits, "labels": labels, "smoothing": smoothing, "z_weight": z_weight}


def _direct(dy: Floats, a: Arguments) -> Array:
    """What would reach x if RMSNorm's divisor were a number and no function of x."""
    return dy * rms_norm(a["x"], a["weight"], a["eps"]) / a["x"]


def _for_others(dy: Floats, a: Arguments, dx: Floats, **others: float) -> Floats:
    """What dx would be for other personal numbers."""
    x, numbers = a["x"].copy(), {"alpha": a["alpha"], "p": a["p"], **others}
    return slopes(partial(power_norm, x, a["weight"], a["eps"], **numbers), x, dy)


backward_exercise(
    LAB,
    "rms_norm_backward",
    "RMSNorm, backward",
    forward=rms_norm,
    draw=_norm_arguments,
    gradients={
        "dx": ("x", 8, "By which ways does one number of a row reach the others of its row?"),
        "dweight": ("weight", 6, "Which axes does the weight not have?"),
    },
    shapes=[(3, 5), (2, 1, 4), (1, 3, 2), (4, 1)],
    large=(8, 8192),
    suspects={
        "dx": [
            (
                "a mean is taken off that RMSNorm does not take off.",
                lambda dy, a, dx: dx - np.mean(_direct(dy, a), axis=-1, keepdims=True),
            ),
            (
                "is it the mean along the row, or the sum?",
                lambda dy, a, dx: dx + (dy.shape[-1] - 1) * (dx - _direct(dy, a)),
            ),
            ("the divisor, too, depends on x.", lambda dy, a, dx: _direct(dy, a)),
        ],
        "dweight": [("is it the sum over rows, or the mean?", lambda dy, a, dw: dw / (dy.size / dy.shape[-1]))],
    },
    speed=4,
)

backward_exercise(
    LAB,
    "capped_softmax_backward",
    "Softmax of capped scores, backward",
    forward=capped_softmax,
    draw=_softmax_arguments,
    gradients={"dscores": ("scores", 10, "Which function came last on the way forward? Its slope comes first.")},
    shapes=[(3, 5), (2, 1, 4), (2, 3, 1, 6), (4, 1)],
    large=(4, 8192),
    suspects={
        "dscores": [
            (
                "the slope of the cap is missing.",
                lambda dy, a, dscores: dscores * np.cosh(a["scores"] / a["cap"]) ** 2,
            ),
            ("is there a factor cap too many?", lambda dy, a, dscores: dscores * a["cap"]),
        ],
    },
    speed=3,
)


def _look_at_loss(answer: Answer, name: str, got: object, given: Arguments) -> None:
    expect_same(name, got, loss_as_defined(**given))


def _loss_forward(exercise: Exercise) -> None:
    def look(answer: Answer, shapes: Sequence[tuple[int, int]], **options: Any) -> None:
        for shape in shapes:
            given = _loss_arguments(answer, *shape, **options)
            loss = expect_one("loss", answer.smoothed_loss(*given.values()))
            expect_same("loss", loss, loss_as_defined(**given))

    @exercise.finding("cross-entropy", 2, "With smoothing 0 and z_weight 0: the mean over rows of −log p[label].")
    def _plain(answer: Answer) -> None:
        look(answer, ROWS)

    @exercise.finding("smoothing", 1, "Has every class, the right one too, its share smoothing / V?")
    def _smoothed(answer: Answer) -> None:
        look(answer, ONE_ROW, smoothing=0.2)

    @exercise.finding("z-loss", 1, "z_weight · log² Z is added to each row's loss before the mean.")
    def _z(answer: Answer) -> None:
        look(answer, ONE_ROW, z_weight=0.3)

    @exercise.finding("ignored rows", 2, "A row with the label −100 counts neither above nor below the line.")
    def _ignored(answer: Answer) -> None:
        for shape in ((3, 5), (4, 4), (6, 2)):
            given = _loss_arguments(answer, *shape, ignored=True)
            expected = loss_as_defined(**given)
            asked = np.mean(given["labels"] != IGNORED)
            loss = expect_one("loss", answer.smoothed_loss(*given.values()))
            suspects = [("all rows are its divisor.", lambda right, asked=asked: right * asked)]
            expect_same("loss", loss, expected, suspects=suspects)

    @exercise.finding("logits of 1e4", 1, OFF, side=True)
    def _far(answer: Answer) -> None:
        given = _loss_arguments(answer, 3, 5)
        near = expect_one("loss", answer.smoothed_loss(*given.values()))
        for shift in (1e4, -1e4):
            far = given | {"logits": given["logits"] + shift}
            expect_same("loss", expect_one("loss", answer.smoothed_loss(*far.values())), near, tolerance=1e-6)

    @exercise.finding("nothing is asked", 1, "No row has a label: the loss is 0.", side=True)
    def _nothing(answer: Answer) -> None:
        given = _loss_arguments(answer, 3, 5, smoothing=0.1, z_weight=0.1) | {"labels": np.full(3, IGNORED)}
        loss = expect_one("loss", answer.smoothed_loss(*given.values()))
        expect_same("loss", loss, 0.0)

    common_findings(
        exercise,
        "smoothed_loss",
        ["loss"],
        draw=lambda answer, shape: _loss_arguments(answer, *shape),
        small=(3, 5),
        large=(64, 8192),
        look=_look_at_loss,
        points=(0.5, 0.5, 1),
    )


def _loss_backward(exercise: Exercise) -> None:
    def look(answer: Answer, shape: tuple[int, int], suspects: Sequence[Suspect] = (), **options: Any) -> None:
        given = _loss_arguments(answer, *shape, **options)
        dlogits = expect_one("dlogits", answer.smoothed_loss_backward(1.0, *given.values()))
        expect_gradient("dlogits", dlogits, partial(loss_as_defined, **given), given["logits"], 1.0, suspects=suspects)

    @exercise.finding("smoothing", 2, "What is the sum of the smoothed labels of a row? And of dlogits?")
    def _smoothed(answer: Answer) -> None:
        for shape in ONE_ROW:
            look(answer, shape, smoothing=0.2)

    @exercise.finding("z-loss", 2, "What is the slope of log² Z, and that of log Z?")
    def _z(answer: Answer) -> None:
        for shape in ONE_ROW:
            look(answer, shape, z_weight=0.3)

    @exercise.finding("ignored rows", 2, "Their gradient is 0, and they are not counted.")
    def _ignored(answer: Answer) -> None:
        for shape, asked in (((3, 5), 1 / 3), ((4, 4), 1 / 2), ((6, 2), 1 / 2)):
            suspects = [("all rows are its divisor.", lambda expected, asked=asked: expected * asked)]
            look(answer, shape, suspects, ignored=True)

    @exercise.finding("logits of 1e4", 1, OFF, side=True)
    def _far(answer: Answer) -> None:
        given = _loss_arguments(answer, 3, 5)
        near = expect_one("dlogits", answer.smoothed_loss_backward(1.0, *given.values()))
        for shift in (1e4, -1e4):
            far = given | {"logits": given["logits"] + shift}
            got = expect_one("dlogits", answer.smoothed_loss_backward(1.0, *far.values()))
            expect_same("dlogits", got, near, tolerance=1e-6)

    @exercise.finding("nothing is asked", 1, "No row has a label: there is nothing to learn.", side=True)
    def _nothing(answer: Answer) -> None:
        given = _loss_arguments(answer, 3, 5, smoothing=0.1, z_weight=0.1) | {"labels": np.full(3, IGNORED)}
        dlogits = expect_one("dlogits", answer.smoothed_loss_backward(1.0, *given.values()))
        expect(not expect_array("dlogits", dlogits, (3, 5)).any(), "dlogits is not 0 everywhere.")


_loss_forward(LAB.exercise("smoothed_loss", "Cross-entropy with smoothing, z-loss and ignored rows"))
_loss_backward(
    backward_exercise(
        LAB,
        "smoothed_loss_backward",
        "The same, backward",
        forward=loss_as_defined,
        draw=_loss_arguments,
        gradients={"dlogits": ("logits", 3, "With smoothing 0 and z_weight 0: p less the label, in parts.")},
        shapes=ROWS,
        large=(16, 8192),
        suspects={
            "dlogits": [
                ("twice dloss must give twice the gradient.", lambda dy, a, dlogits: dlogits / dy),
                ("is the loss the mean over rows, or their sum?", lambda dy, a, dlogits: dlogits * len(a["labels"])),
            ]
        },
    )
)

backward_exercise(
    LAB,
    "power_norm_backward",
    "A norm of your own, backward",
    forward=power_norm,
    draw=_norm_arguments,
    gradients={
        "dx": ("x", 12, "Which three ways lead from one number of a row to another's place in y?"),
        "dweight": ("weight", 4, "Which axes does the weight not have?"),
    },
    shapes=[(3, 5), (2, 1, 4), (1, 3, 2), (4, 1)],
    large=(8, 8192),
    personal=("alpha", "p"),
    suspects={
        "dx": [
            ("that is LayerNorm's.", partial(_for_others, alpha=1.0, p=2)),
            *[("your p is {p}.", partial(_for_others, p=p)) for p in (2, *POWERS)],
            *[("your α is {alpha}.", partial(_for_others, alpha=alpha)) for alpha in (0.0, 1.0, *ALPHAS)],
        ]
    },
)

LAB.written("forgets", "What your norm forgets", 12)
LAB.written("centred", "A test that sees nothing", 8)

"""Notebook 04: softmax and cross-entropy."""

from collections.abc import Iterator

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms, factor
from albert_np.course.report import Finding, differences, equal, holds, self_check
from albert_np.ops import (
    IGNORE_INDEX,
    CrossEntropyCache,
    SoftmaxCache,
    cross_entropy_backward,
    cross_entropy_forward,
    softmax_backward,
    softmax_forward,
)

__all__ = [
    "check_cross_entropy_backward",
    "check_log_softmax_backward",
    "check_softmax_backward",
    "check_which_loss",
]

HUGE = 1e30


@self_check("backward of softmax", returns=("dx",))
def check_softmax_backward(backward: Function) -> Iterator[Finding]:
    """Check `dx = backward(dy, probs)`; dy and probs (…, C), dx too."""
    quarter, dy = np.array([0.25, 0.75]), np.array([1.0, 0.0])
    known = {
        "the sum over the other numbers is missing: each x reaches every y (4.5)": dy * quarter,
        "this is the diagonal alone: each x reaches every y (4.5)": dy * quarter * (1 - quarter),
        "the sum has to be weighted by probs": quarter * (dy - dy.sum()),
        "a mean for the sum; the weights are in probs already": quarter * (dy - (dy * quarter).mean()),
        "the sign is turned round": -quarter * (dy - (dy * quarter).sum()),
    }
    yield equal("dx for p = (1/4, 3/4), dy = (1, 0)", backward(dy, quarter), np.array([3, -3]) / 16, mistakes=known)

    rng = np.random.default_rng(4)
    x, dy = 2 * rng.standard_normal((2, 3, 3, 3)), rng.standard_normal((2, 3, 3, 3))  # an axis too many fits
    probs, cache = softmax_forward(x)
    dx = np.asarray(backward(dy, probs))
    known = {
        f"the sum runs over {what}: it belongs over the last axis": probs * (dy - (dy * probs).sum(axis, keepdims=True))
        for what, axis in (("the first axis", 0), ("everything", None), ("the axis before the last", -2))
    }
    known["the sum has lost its axis: keepdims=True"] = probs * (dy - (dy * probs).sum(axis=-1)[..., None, :])
    right = softmax_backward(dy, cache)
    yield equal("dx, against the package", dx, right, mistakes=known, advice="Is every row on its own (4.5)?")
    sums = abs(np.sum(dx, axis=-1)).max()
    otherwise = f"Σ dx is not 0 but up to {sums:.1e}: does the sum run over the last axis, and is it weighted by probs?"
    yield holds("each row of dx sums to 0 (4.6)", sums < 1e-12, otherwise)
    constant = abs(np.asarray(backward(np.ones_like(probs), probs))).max()
    yield holds("dx is 0 for a constant dy (4.6)", constant < 1e-12, f"it is up to {constant:.1e}")

    hard = softmax_forward(np.array([[HUGE, -HUGE, 0.0], [-HUGE, -HUGE, HUGE]]))[0]
    finite = np.isfinite(backward(rng.standard_normal((2, 3)), hard)).all()
    yield holds("logits of ±1e30 give a finite dx", finite, "it is not: probs holds exact zeros here")
    yield from differences(softmax_forward, lambda dy, cache: backward(dy, cache.probs), {"x": x})


@self_check("backward of the mean cross-entropy", returns=("dlogits",))
def check_cross_entropy_backward(backward: Function) -> Iterator[Finding]:
    """Check `dlogits = backward(dloss, probs, labels)`; probs (R, C), labels (R,) with -100 where ignored."""
    known = {
        "the sign is turned round: p − 1 at the label": np.array([[0.75, -0.75]]),
        "the 1 of the label is not subtracted (4.9)": np.array([[0.25, 0.75]]),
        "the 1 of the label is added: it is subtracted (4.9)": np.array([[1.25, 0.75]]),
        "probs is missing: p − 1 at the label, p beside it": np.array([[-1.0, 0.0]]),
        "divided by the number of classes: it is the number of counted rows": np.array([[-0.375, 0.375]]),
        "label 0 is a class like the others; only -100 is ignored": np.array([[0.0, 0.0]]),
        "the 1 is subtracted from the last class": np.array([[0.25, -0.25]]),
    }
    hand = backward(1.0, np.array([[0.25, 0.75]]), np.array([0]))
    yield equal("p = (1/4, 3/4), label 0", hand, np.array([[-0.75, 0.75]]), mistakes=known)

    rng = np.random.default_rng(5)
    logits, labels = 2 * rng.standard_normal((7, 5)), np.array([2, IGNORE_INDEX, 0, 4, 4, IGNORE_INDEX, 1])
    _, cache = cross_entropy_forward(logits, labels)
    probs, counted = cache.probs, labels != IGNORE_INDEX
    dlogits = backward(1.7, probs, labels)
    right = cross_entropy_backward(1.7, cache)
    yield equal("shape of dlogits", np.zeros(np.shape(dlogits)), np.zeros(right.shape))
    if np.shape(dlogits) != right.shape:
        return
    dlogits = np.asarray(dlogits)
    ignored = (dlogits[~counted] == 0).all()
    yield holds("ignored rows are exactly 0", ignored, "they are not: no label was asked for there")
    known = {
        "divide by the number of counted rows, not of all rows": right * counted.sum() / len(labels),
        "the mean over the counted rows is missing: this is the gradient of a sum": right * counted.sum(),
        "dloss is a factor of everything": right / 1.7,
        "divided by the number of classes": right * counted.sum() / probs.shape[1],
        "the sign is turned round": -right,
    }
    yield equal("dlogits, against the package", dlogits, right, mistakes=known)
    sums = abs(dlogits.sum(axis=-1)).max()
    otherwise = f"they sum up to {sums:.1e}: is the 1 of the label subtracted once in each counted row?"
    yield holds("each row of dlogits sums to 0 (4.9)", sums < 1e-12, otherwise)
    beside = np.allclose(dlogits[counted], backward(1.7, probs[counted], labels[counted]))
    otherwise = "they do: divide by the number of counted rows, not of all rows"
    yield holds("ignored rows change nothing in the others", beside, otherwise)
    scaled = np.allclose(backward(3.4, probs, labels), 2 * dlogits)
    yield holds("twice dloss gives twice dlogits", scaled, "it does not: dloss is a factor")
    none = backward(1.0, probs, np.full(7, IGNORE_INDEX))
    yield equal("with every row ignored, dlogits is 0", none, np.zeros_like(probs), advice=NOTHING)

    hard = cross_entropy_forward(np.array([[HUGE, -HUGE, 0.0]]), np.array([1]))[1].probs
    advice = "The probability of the label is exactly 0 here: was something divided by it, or its logarithm taken?"
    yield equal("logits of ±1e30, label 1", backward(1.0, hard, np.array([1])), [[1.0, -1.0, 0.0]], advice=advice)

    def forward(logits: Floats) -> tuple[Floats, CrossEntropyCache]:
        return cross_entropy_forward(logits, labels)

    def its_backward(dloss: float, cache: CrossEntropyCache) -> Array:
        return backward(dloss, cache.probs, labels)

    yield from differences(forward, its_backward, {"logits": logits})


NOTHING = "The number of counted rows is 0, and something was divided by it"


def package_softmax_backward(dy: Floats, probs: Floats) -> Array:
    """The package's backward, called as the exercise is."""
    return softmax_backward(dy, SoftmaxCache(probs))


def package_cross_entropy_backward(dloss: float, probs: Floats, labels: Ints) -> Array:
    """The package's backward, called as the exercise is."""
    _, cache = cross_entropy_forward(np.zeros_like(probs), labels)
    return cross_entropy_backward(dloss, cache._replace(probs=probs))


@self_check("backward of log-softmax", returns=("dx",))
def check_log_softmax_backward(backward: Function) -> Iterator[Finding]:
    """Check `dx = backward(dy, y)`; y = log softmax(x) (…, C), dy and dx of the same shape."""
    quarter, dy = np.array([0.25, 0.75]), np.array([2.0, 1.0])
    y = np.log(quarter)
    known = {
        "this is softmax's gradient; its logarithm stands behind it": quarter * (dy - (dy * quarter).sum()),
        "y is a logarithm: p is e^y": dy - y * dy.sum(),
        "the sum of dy is missing: x reaches every y through the sum of all e^x": dy - quarter,
        "the sum is of dy alone, not weighted by p": dy - quarter * (dy * quarter).sum(),
        "a mean for the sum": dy - quarter * dy.mean(),
        "the factor p is missing": dy - dy.sum(),
        "the way through the sum of all e^x is missing": dy,
        "the sign of the second term is turned round": dy + quarter * dy.sum(),
    }
    right = np.array([1.25, -1.25])
    yield equal("dx for p = (1/4, 3/4), dy = (2, 1)", backward(dy, y), right, mistakes=known, advice="(4.11)")

    rng = np.random.default_rng(6)
    x, dy = 2 * rng.standard_normal((2, 3, 3, 3)), rng.standard_normal((2, 3, 3, 3))
    y, _ = log_softmax_forward(x)
    known = {
        f"the sum runs over {what}: it belongs over the last axis": dy - np.exp(y) * dy.sum(axis, keepdims=True)
        for what, axis in (("the first axis", 0), ("everything", None), ("the axis before the last", -2))
    }
    known["the sum has lost its axis: keepdims=True"] = dy - np.exp(y) * dy.sum(axis=-1)[..., None, :]
    dx = backward(dy, y)
    yield equal("dx, four axes", dx, dy - np.exp(y) * dy.sum(axis=-1, keepdims=True), mistakes=known)
    sums = abs(np.sum(dx, axis=-1)).max()
    yield holds("each row of dx sums to 0, as softmax's does", sums < 1e-12, f"up to {sums:.1e} is left")
    hard, _ = log_softmax_forward(np.array([[1e3, -1e3, 0.0]]))
    finite = np.isfinite(backward(np.array([[1.0, 2.0, -1.0]]), hard)).all()
    yield holds("logits of ±1,000 give a finite dx", finite, "it is not: take e^y, and divide by nothing")
    yield from differences(log_softmax_forward, backward, {"x": x})


def log_softmax_forward(x: Floats) -> tuple[Floats, Floats]:
    """x (…, C); returns y = x − log Σ e^x and y again, which is all that backward needs."""
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return y, y


def log_softmax_backward(dy: Floats, y: Floats) -> Array:
    """The answer to the last exercise, for those who go on without it."""
    return dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


def _counted(labels: Ints) -> Array:
    return labels != IGNORE_INDEX


def _one_hot(probs: Floats, labels: Ints) -> Array:
    """1 at the label of each counted row, 0 elsewhere."""
    return (labels[:, None] == np.arange(probs.shape[1])).astype(float)


def _right(dloss: float, probs: Floats, labels: Ints) -> Array:
    return package_cross_entropy_backward(dloss, probs, labels)


def _of_all_rows(dloss: float, probs: Floats, labels: Ints) -> Array:
    return _right(dloss, probs, labels) * _counted(labels).sum() / len(labels)


def _sum(dloss: float, probs: Floats, labels: Ints) -> Array:
    return _right(dloss, probs, labels) * _counted(labels).sum()


def _label_forgotten(dloss: float, probs: Floats, labels: Ints) -> Array:
    return _right(dloss, probs, labels) + dloss * _one_hot(probs, labels) / max(1, _counted(labels).sum())


def _ignored_kept(dloss: float, probs: Floats, labels: Ints) -> Array:
    return dloss * (probs - _one_hot(probs, labels)) / max(1, _counted(labels).sum())


def _nothing_counted(dloss: float, probs: Floats, labels: Ints) -> Array:
    return _sum(dloss, probs, labels) / np.float64(_counted(labels).sum())


def _through_the_logarithm(dloss: float, probs: Floats, labels: Ints) -> Array:
    dprobs = -dloss * _one_hot(probs, labels) / (probs + 1e-12) / max(1, _counted(labels).sum())
    return softmax_backward(dprobs, SoftmaxCache(probs))


def _dloss_left_out(dloss: float, probs: Floats, labels: Ints) -> Array:
    return _right(1.0, probs, labels)


HUNT_LABELS = np.array([2, IGNORE_INDEX, 0, 4, IGNORE_INDEX, 1])
HUNT_PROBS = softmax_forward(np.random.default_rng(9).standard_normal((6, 5)))[0]


def _symptoms(backward: Function) -> Symptoms:
    """What can be seen from outside of a function that should return (4.9)."""
    got = backward(1.0, HUNT_PROBS, HUNT_LABELS)
    twice = backward(1.0, np.tile(HUNT_PROBS, (2, 1)), np.tile(HUNT_LABELS, 2))[:6]
    with np.errstate(all="ignore"):
        nothing = backward(1.0, HUNT_PROBS, np.full(6, IGNORE_INDEX))
    hopeless = backward(1.0, np.array([[1.0, 0.0, 0.0]]), np.array([1]))
    counted = _counted(HUNT_LABELS)
    return {
        "row sums": f"{abs(got[counted].sum(axis=-1)).max():.2f}",
        "ignored": f"{abs(got[~counted]).max():.2f}",
        "each number": factor(got, _right(1.0, HUNT_PROBS, HUNT_LABELS)),
        "rows twice": factor(twice, got),
        "dloss = 2": factor(backward(2.0, HUNT_PROBS, HUNT_LABELS), got),
        "none": "nan" if np.isnan(nothing).any() else f"{abs(nothing).max():.2f}",
        "p = 0": f"{hopeless[0, 1] + 0.0:.2f}",
    }


HUNT = Hunt(
    bugs={
        "the loss was summed over the counted rows, not averaged": _sum,
        "the gradient went through −1/(p + 1e-12), not through the fused form": _through_the_logarithm,
        "divided by the number of all rows": _of_all_rows,
        "dloss is not used": _dloss_left_out,
        "divided by the number of counted rows, even if that is 0": _nothing_counted,
        "the 1 at the label is not subtracted": _label_forgotten,
        "ignored rows keep their p": _ignored_kept,
    },
    symptoms=_symptoms,
    numbers=(5, 1, 7, 2, 4, 6, 3),
    right=_right,
)
check_which_loss = HUNT.check("which loss is this?")

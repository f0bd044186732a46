"""Notebook 04: softmax and cross-entropy."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import equal, holds, self_check
from albert_np.gradcheck import check_gradients
from albert_np.ops import (
    IGNORE_INDEX,
    cross_entropy_backward,
    cross_entropy_forward,
    softmax_backward,
    softmax_forward,
)

__all__ = ["check_cross_entropy_backward", "check_softmax_backward"]

HUGE = 1e30


@self_check("backward of softmax")
def check_softmax_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dx = backward(dy, probs)`; dy and probs (…, C), dx too."""
    with np.errstate(all="ignore"):  # a wrong answer is reported, not warned of
        quarter = np.array([0.25, 0.75])
        hand = backward(np.array([1.0, 0.0]), quarter)
        yield equal("dx for p = (1/4, 3/4), dy = (1, 0)", hand, np.array([3, -3]) / 16)

        rng = np.random.default_rng(4)
        x, dy = 2 * rng.standard_normal((2, 3, 3, 3)), rng.standard_normal((2, 3, 3, 3))  # an axis too many fits
        probs, cache = softmax_forward(x)
        given = [dy.copy(), probs.copy()]
        dx = np.asarray(backward(*given))
        yield equal("dx, against the package", dx, softmax_backward(dy, cache))
        yield holds("no argument was changed", bool((given[0] == dy).all() and (given[1] == probs).all()), "one was")
        sums = abs(np.sum(dx, axis=-1)).max()
        yield holds(
            "each row of dx sums to 0 (4.6)",
            bool(sums < 1e-12),
            f"Σ dx is not 0 but up to {sums:.1e}: does the sum run over the last axis, and is it weighted by probs?",
        )
        constant = abs(np.asarray(backward(np.ones_like(probs), probs))).max()
        yield holds("dx is 0 for a constant dy (4.6)", bool(constant < 1e-12), f"it is up to {constant:.1e}")

        hard = softmax_forward(np.array([[HUGE, -HUGE, 0.0], [-HUGE, -HUGE, HUGE]]))[0]
        finite = np.isfinite(backward(rng.standard_normal((2, 3)), hard)).all()
        yield holds("logits of ±1e30 give a finite dx", bool(finite), "it is not: probs holds exact zeros here")
        yield from check_gradients(softmax_forward, lambda dy, cache: backward(dy, cache.probs), {"x": x})[:1]


@self_check("backward of the mean cross-entropy")
def check_cross_entropy_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dlogits = backward(dloss, probs, labels)`; probs (R, C), labels (R,) with -100 where ignored."""
    with np.errstate(all="ignore"):
        hand = backward(1.0, np.array([[0.25, 0.75]]), np.array([0]))
        yield equal("p = (1/4, 3/4), label 0", hand, np.array([[-0.75, 0.75]]))

        rng = np.random.default_rng(5)
        logits, labels = 2 * rng.standard_normal((7, 5)), np.array([2, IGNORE_INDEX, 0, 4, 4, IGNORE_INDEX, 1])
        _, cache = cross_entropy_forward(logits, labels)
        probs, counted = cache.probs, labels != IGNORE_INDEX
        given = [probs.copy(), labels.copy()]
        dlogits = np.asarray(backward(1.7, *given))
        yield equal("dlogits, against the package", dlogits, cross_entropy_backward(1.7, cache))
        unchanged = (given[0] == probs).all() and (given[1] == labels).all()
        yield holds("no argument was changed", bool(unchanged), "one was: work on probs.copy()")
        sums = abs(dlogits.sum(axis=-1)).max()
        otherwise = f"they sum up to {sums:.1e}: is the 1 of the label subtracted once in each counted row?"
        yield holds("each row of dlogits sums to 0 (4.9)", bool(sums < 1e-12), otherwise)
        ignored = (dlogits[~counted] == 0).all()
        yield holds("ignored rows are exactly 0", bool(ignored), "they are not: no label was asked for there")

        alone = np.asarray(backward(1.7, probs[counted], labels[counted]))
        beside = np.allclose(dlogits[counted], alone)
        otherwise = "they do: divide by the number of counted rows, not of all rows"
        yield holds("ignored rows change nothing in the others", bool(beside), otherwise)
        scaled = np.allclose(backward(3.4, probs, labels), 2 * dlogits)
        yield holds("twice dloss gives twice dlogits", bool(scaled), "it does not: dloss is a factor")
        none = np.asarray(backward(1.0, probs, np.full(7, IGNORE_INDEX)))
        otherwise = "it is not: the number of counted rows is 0, and something was divided by it"
        yield holds("with every row ignored, dlogits is 0", bool((none == 0).all()), otherwise)

        hard = cross_entropy_forward(np.array([[HUGE, -HUGE, 0.0]]), np.array([1]))[1].probs
        yield equal("logits of ±1e30, label 1", backward(1.0, hard, np.array([1])), np.array([[1.0, -1.0, 0.0]]))

        def forward(logits: Any) -> Any:
            return cross_entropy_forward(logits, labels)

        def its_backward(dloss: Any, cache: Any) -> Any:
            return backward(dloss, cache.probs, labels)

        yield from check_gradients(forward, its_backward, {"logits": logits})[:1]

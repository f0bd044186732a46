"""Notebook 02: trusting a gradient."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from albert_np.course.answers import AnswerFailed, Wrong
from albert_np.course.report import Finding, holds, self_check
from albert_np.ops import gelu_backward, gelu_forward, softmax_backward, softmax_forward, tanh_backward, tanh_forward

__all__ = ["check_gradient_error"]


class OpPair(NamedTuple):
    """`y, cache = forward(x)` and `dx = backward(dy, cache)`, and an x to try them at."""

    forward: Callable[[Any], tuple[Any, Any]]
    backward: Callable[[Any, Any], Any]
    x: Any


RNG = np.random.default_rng(2)
X = RNG.standard_normal((3, 4))
SQUARE, NARROW = RNG.standard_normal((4, 4)), RNG.standard_normal((2, 4))


def product_forward(x: Any, weight: Any = SQUARE) -> tuple[Any, Any]:
    """y = x weightᵀ. x (…, 4), weight (4, 4); the weight is the cache."""
    return x @ weight.T, weight


def product_backward(dy: Any, weight: Any) -> Any:
    return dy @ weight


def square_forward(x: Any) -> tuple[Any, Any]:
    """y = x²."""
    return x * x, x


def square_backward(dy: Any, x: Any) -> Any:
    return 2 * x * dy


def residual_forward(x: Any) -> tuple[Any, Any]:
    """y = x + gelu(x): x is used twice."""
    y, cache = gelu_forward(x)
    return x + y, cache


def residual_backward(dy: Any, cache: Any) -> Any:
    dx = np.zeros_like(dy)
    dx += dy
    dx += gelu_backward(dy, cache)
    return dx


def zero_backward(dy: Any, cache: Any) -> Any:
    return np.zeros_like(dy)


def square_without_the_2(dy: Any, x: Any) -> Any:
    return x * dy


def product_transposed(dy: Any, weight: Any) -> Any:
    return dy @ weight.T


def residual_overwritten(dy: Any, cache: Any) -> Any:
    dx = np.zeros_like(dy)
    dx[...] = dy
    dx[...] = gelu_backward(dy, cache)
    return dx


PAIRS = {
    "softmax": OpPair(softmax_forward, softmax_backward, X),
    "square": OpPair(square_forward, square_backward, X),
    "product": OpPair(product_forward, product_backward, X),
    "residual": OpPair(residual_forward, residual_backward, X),
}
BUGS = {  # the same forwards, with a backward that is wrong
    "softmax, all zeros": PAIRS["softmax"]._replace(backward=zero_backward),
    "square, the factor 2 lost": PAIRS["square"]._replace(backward=square_without_the_2),
    "product, transposed": PAIRS["product"]._replace(backward=product_transposed),
    "residual, = for +=": PAIRS["residual"]._replace(backward=residual_overwritten),
}


def second_difference(dy: Any) -> Any:
    """What is 0 for constants and for ramps such as np.arange."""
    padded = np.pad(dy.ravel(), 1)
    return (padded[2:] - 2 * padded[1:-1] + padded[:-2]).reshape(dy.shape) * _inside(dy)


def _inside(dy: Any) -> Any:
    """1, and 0 at both ends, where there is no second difference."""
    inside = np.ones(dy.size)
    inside[[0, -1]] = 0
    return inside.reshape(dy.shape)


HIDDEN: dict[
    str, Callable[[Any], Any]
] = {  # what a backward may add to the right gradient, unseen by an upstream gradient with a pattern
    "a term that a ramp cannot see": second_difference,
    "a term that equal rows cannot see": lambda dy: dy - dy.mean(axis=0),
    "a term that equal columns cannot see": lambda dy: dy - dy.mean(axis=-1, keepdims=True),
    "a term that a symmetric dy cannot see": lambda dy: dy - dy.T,
}

ACCEPTED, REJECTED = 1e-6, 1e-3
ONES = "is the upstream gradient ones? Then this gradient is 0, as is that of an all-zero backward; so are sums over x"
PATTERN = "dy has a pattern that hides it (np.arange is a ramp, for one): draw it with rng.normal"
APART = "do both use the same dy, random and not ones? Is the difference divided by 2h?"
THROUGH = "this bug went through: is the size of the difference compared, entry by entry?"
HALVED = "every difference is twice as large: from x - h to x + h it is 2h"
ROUGH = "the difference is too rough: two sides, over 2h, h near 1e-5, in float64"


@self_check("a gradient check")
def check_gradient_error(gradient_error: Callable[..., Any]) -> Iterator[Any]:
    """Check `error = gradient_error(forward, backward, x)`: below 1e-6 for right pairs, above 1e-3 for wrong ones."""
    for name, pair in PAIRS.items():
        yield _accepts(gradient_error, name, pair, APART)
    for name, pair in BUGS.items():
        yield _rejects(gradient_error, name, pair, ONES if "softmax" in name else THROUGH)

    narrow = OpPair(lambda x: product_forward(x, NARROW), product_backward, X)
    shapes: set[tuple[int, ...]] = set()

    def spy(dy: Any, _: Any) -> Any:
        shapes.add(np.shape(dy))
        return np.zeros_like(X)

    with suppress(AnswerFailed):
        gradient_error(narrow.forward, spy, X.copy())
    told = f"y has shape (3, 2), but backward was given {' and '.join(map(str, sorted(shapes))) or 'nothing'}"
    yield holds("dy has the shape of y", shapes == {(3, 2)}, told)
    yield _accepts(gradient_error, "a y that is narrower than x", narrow, APART)
    sharp = PAIRS["softmax"]._replace(x=np.array([[30.0, 28.0, 0.0, -10.0]]))
    yield _accepts(
        gradient_error, "some gradients are nearly 0", sharp, "divide by the largest gradient, not entry by entry"
    )
    one_wrong = PAIRS["square"]._replace(backward=_last_entry_wrong)
    yield _rejects(gradient_error, "one wrong entry, the last", one_wrong, "every entry of x has to be tried")
    tiny = OpPair(_tiny_tanh, lambda dy, cache: 2e-8 * tanh_backward(dy, cache), X)
    yield _rejects(
        gradient_error, "small numbers, a factor 2 too much", tiny, "an absolute error? It depends on the scale"
    )
    for name, term in HIDDEN.items():
        hiding = OpPair(square_forward, partial(_square_with, term), SQUARE)
        yield _rejects(gradient_error, name, hiding, PATTERN)


def _square_with(term: Callable[[Any], Any], dy: Any, x: Any) -> Any:
    return square_backward(dy, x) + term(dy)


def slopes(forward: Callable[[Any], Any], x: Any, dy: Any, h: float = 1e-5) -> Any:
    """Return the slope of Σ dy·forward(x)[0] along each coordinate of x (C,), by central differences."""
    steps = h * np.eye(len(x))
    return np.array([(dy * (forward(x + step)[0] - forward(x - step)[0])).sum() / (2 * h) for step in steps])


def _last_entry_wrong(dy: Any, x: Any) -> Any:
    dx = square_backward(dy, x)
    dx[-1, -1] += 1
    return dx


def _tiny_tanh(x: Any) -> tuple[Any, Any]:
    y, cache = tanh_forward(x)
    return 1e-8 * y, cache


def _error(gradient_error: Callable[..., Any], pair: OpPair) -> float:
    error = np.asarray(gradient_error(pair.forward, pair.backward, pair.x.copy()))
    if error.shape != () or error.dtype.kind not in "fiu":
        raise Wrong(f"returned {error.dtype} of shape {error.shape}, expected one number (2.10)")
    return float(error)


def _accepts(gradient_error: Callable[..., Any], name: str, pair: OpPair, advice: str) -> Finding:
    error = _error(gradient_error, pair)
    line, right = f"right: {name}: error {error:.1e}", error <= ACCEPTED
    advice = ROUGH if error < 0.1 else HALVED if abs(error - 0.5) < 1e-3 else advice
    return holds(f"{line}, accepted" if right else line, right, f"not accepted; {advice}")


def _rejects(gradient_error: Callable[..., Any], name: str, pair: OpPair, advice: str) -> Finding:
    error = _error(gradient_error, pair)
    line = f"wrong: {name}: error {error:.1e}"
    advice = "NaN is larger than nothing: was something divided by 0?" if np.isnan(error) else advice
    return holds(f"{line}, rejected" if error > REJECTED else line, error > REJECTED, f"not rejected; {advice}")

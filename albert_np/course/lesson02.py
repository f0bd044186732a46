"""Notebook 02: trusting a gradient."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

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

ACCEPTED, REJECTED = 1e-6, 1e-3
ONES = "is the upstream gradient ones? Then the gradient is 0 here, and so is that of an all-zero backward"
APART = "do both use the same dy, random and not ones? Is the difference divided by 2h?"
ROUGH = "the difference is too rough: two sides, over 2h, h near 1e-5, in float64"


@self_check("a gradient check")
def check_gradient_error(gradient_error: Callable[..., Any]) -> Iterator[Any]:
    """Check `error = gradient_error(forward, backward, x)`: below 1e-6 for right pairs, above 1e-3 for wrong ones."""
    for name, pair in PAIRS.items():
        yield _accepts(gradient_error, name, pair, APART)
    for name, pair in BUGS.items():
        yield _rejects(gradient_error, name, pair, ONES if "softmax" in name else "this bug went through")

    narrow = OpPair(lambda x: product_forward(x, NARROW), product_backward, X)
    upstreams: list[Any] = []

    def spy(dy: Any, _: Any) -> Any:
        upstreams.append(np.array(dy))
        return np.zeros_like(X)

    with suppress(ValueError):
        gradient_error(narrow.forward, spy, X.copy())
    shapes = [np.shape(dy) for dy in upstreams]
    yield holds("dy has the shape of y", shapes == [(3, 2)], f"y has shape (3, 2), but backward was given {shapes}")
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

    patternless = all(len(np.unique(dy)) == dy.size for dy in upstreams)
    yield holds("the upstream gradient is random", patternless, "some of its entries are equal; rng.normal draws it")
    given = X.copy()
    gradient_error(square_forward, square_backward, given)
    yield holds("x is as it was", bool((given == X).all()), "some of it still carries a step: put the old number back")


def _last_entry_wrong(dy: Any, x: Any) -> Any:
    dx = square_backward(dy, x)
    dx[-1, -1] += 1
    return dx


def _tiny_tanh(x: Any) -> tuple[Any, Any]:
    y, cache = tanh_forward(x)
    return 1e-8 * y, cache


def _error(gradient_error: Callable[..., Any], pair: OpPair) -> float:
    return float(gradient_error(pair.forward, pair.backward, pair.x.copy()))


def _accepts(gradient_error: Callable[..., Any], name: str, pair: OpPair, advice: str) -> Finding:
    error = _error(gradient_error, pair)
    line, right = f"right: {name}: error {error:.1e}", error <= ACCEPTED
    return holds(f"{line}, accepted" if right else line, right, f"not accepted; {ROUGH if error < 0.1 else advice}")


def _rejects(gradient_error: Callable[..., Any], name: str, pair: OpPair, advice: str) -> Finding:
    error = _error(gradient_error, pair)
    line = f"wrong: {name}: error {error:.1e}"
    return holds(f"{line}, rejected" if error > REJECTED else line, error > REJECTED, f"not rejected; {advice}")

"""Notebook 03: the linear map and GELU."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import equal, holds, self_check
from albert_np.gradcheck import check_gradients
from albert_np.ops import gelu_new_backward, gelu_new_forward, linear_backward, linear_forward

__all__ = ["check_gelu_new_backward", "check_linear_backward"]

NAMES = ("dx", "dweight", "dbias")
HAND = {  # the case that notebook 03 works out: x, weight, dy
    "x": [[1.0, 2.0], [0.0, 1.0]],
    "weight": [[1.0, 0.0], [3.0, -1.0]],
    "dy": [[1.0, -1.0], [2.0, 0.0]],
}


@self_check("backward of the linear map")
def check_linear_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dx, dweight, dbias = backward(dy, x, weight)`; dy (…, out), x (…, in), weight (out, in)."""
    dy, x, weight = (np.array(HAND[name]) for name in ("dy", "x", "weight"))
    for name, got, expected in zip(NAMES, backward(dy, x, weight), _linear(dy, x, weight), strict=True):
        yield equal(f"{name} of the 2×2 case", got, expected)

    rng = np.random.default_rng(3)
    weight = rng.standard_normal((3, 4))
    for leading in ((2, 5), (6,), (2, 1, 3), ()):
        x, dy = rng.standard_normal((*leading, 4)), rng.standard_normal((*leading, 3))
        shapes = [(*leading, 4), (3, 4), (3,)]
        got = [np.shape(gradient) for gradient in backward(dy, x, weight)]
        yield holds(f"shape table, x {x.shape}: {_table(shapes)}", got == shapes, f"got {_table(got)}")

    x, dy = rng.standard_normal((2, 5, 4)), rng.standard_normal((2, 5, 3))
    given = [dy.copy(), x.copy(), weight.copy()]
    gradients = backward(*given)
    for name, got, expected in zip(NAMES, gradients, _linear(dy, x, weight), strict=True):
        yield equal(f"{name}, against the package", got, expected)
    unchanged = all((a == b).all() for a, b in zip(given, (dy, x, weight), strict=True))
    yield holds("no argument was changed", unchanged, "one was")

    twice = backward(np.concatenate([dy, dy]), np.concatenate([x, x]), weight)
    for name, once, double in zip(NAMES[1:], gradients[1:], twice[1:], strict=True):
        yield holds(
            f"every row twice gives {name} twice (3.3, 3.4)",
            np.shape(once) == np.shape(double) and np.allclose(double, 2 * np.asarray(once)),
            "it does not: it is a sum over rows, neither a mean nor one row's share",
        )

    def forward(x: Any, weight: Any, bias: Any) -> Any:
        return linear_forward(x, weight, bias)

    inputs = {"x": x, "weight": weight, "bias": rng.standard_normal(3)}
    yield from check_gradients(forward, lambda dy, cache: tuple(backward(dy, *cache)), inputs)


def _linear(dy: Any, x: Any, weight: Any) -> Any:
    _, cache = linear_forward(x, weight, np.zeros(weight.shape[0]))
    return linear_backward(dy, cache)


def _table(shapes: Any) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in zip(NAMES, shapes, strict=False))


@self_check("backward of gelu_new")
def check_gelu_new_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dx = backward(dy, x)` of the tanh form of GELU; dy and x of one shape, dx too."""
    points = np.array([-30.0, 0.0, 30.0])
    slope = np.asarray(backward(np.ones(3), points))
    yield equal("slope at -30, 0 and 30", slope, np.array([0.0, 0.5, 1.0]))

    rng = np.random.default_rng(4)
    x, dy = 2 * rng.standard_normal((2, 3, 7)), rng.standard_normal((2, 3, 7))
    given = [dy.copy(), x.copy()]
    dx = backward(*given)
    yield equal("dx, against the package", dx, gelu_new_backward(dy, gelu_new_forward(x)[1]))
    yield holds("no argument was changed", bool((given[0] == dy).all() and (given[1] == x).all()), "one was")
    scaled = np.allclose(backward(3 * dy, x), 3 * np.asarray(dx))
    yield holds("three times dy gives three times dx", scaled, "it does not: is dy a factor of everything?")
    one = np.ones_like(x)
    sums = np.asarray(backward(one, x)) + np.asarray(backward(one, -x))
    yield holds("the slopes at x and -x sum to 1 (3.11)", np.allclose(sums, 1), "they do not: is a factor x missing?")
    single = np.asarray(backward(dy.astype(np.float32), x.astype(np.float32)))
    yield holds(
        "float32 in gives float32 out",
        single.dtype == np.float32,
        f"got {single.dtype}: np.sqrt of a number is a float64 and drags the arrays with it; use math.sqrt",
    )
    yield from check_gradients(gelu_new_forward, lambda dy, cache: backward(dy, cache.x), {"x": x})[:1]

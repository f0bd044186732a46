"""Notebook 03: the linear map and GELU."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.course.report import differences, equal, float32_stays, holds, self_check
from albert_np.ops import (
    gelu_backward,
    gelu_forward,
    gelu_new_backward,
    gelu_new_forward,
    linear_backward,
    linear_forward,
)

__all__ = ["check_gelu_new_backward", "check_linear_backward"]

NAMES = ("dx", "dweight", "dbias")
ADVICE = {
    "dx": "(3.2): each input reaches every output through one row of Wᵀ",
    "dweight": "(3.3): dyᵀ x, a sum of one outer product for each row",
    "dbias": "(3.4): the bias is added to each row, so dy is summed over all of them",
}
HAND = {  # the case that notebook 03 works out: x, weight, dy
    "x": [[1.0, 2.0], [0.0, 1.0]],
    "weight": [[1.0, 0.0], [3.0, -1.0]],
    "dy": [[1.0, -1.0], [2.0, 0.0]],
}


@self_check("backward of the linear map", returns=NAMES)
def check_linear_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dx, dweight, dbias = backward(dy, x, weight)`; dy (…, out), x (…, in), weight (out, in)."""
    dy, x, weight = (np.array(HAND[name]) for name in ("dy", "x", "weight"))
    known = {
        "dx": {"W for Wᵀ: which axis of `weight` is summed away?": dy @ weight.T},
        "dweight": {
            "it is transposed: dweight has the shape of weight, (out, in)": x.T @ dy,
            "the mean over rows; each row adds its share": dy.T @ x / 2,
            "the last row alone: `=` for `+=`": np.outer(dy[-1], x[-1]),
            "the first row alone": np.outer(dy[0], x[0]),
        },
        "dbias": {
            "the mean over rows; each row adds its share": dy.mean(axis=0),
            "the last row alone: `=` for `+=`": dy[-1],
            "summed over the outputs: it belongs over the rows": dy.sum(axis=1),
        },
    }
    for name, got, expected in zip(NAMES, backward(dy, x, weight), package_linear_backward(dy, x, weight), strict=True):
        yield equal(f"{name} of the 2×2 case", got, expected, mistakes=known[name], advice=ADVICE[name])

    rng = np.random.default_rng(3)
    weight = rng.standard_normal((3, 4))
    for leading in ((2, 5), (6,), (2, 1, 3), ()):
        x, dy = rng.standard_normal((*leading, 4)), rng.standard_normal((*leading, 3))
        shapes = [(*leading, 4), (3, 4), (3,)]
        got = [np.shape(gradient) for gradient in backward(dy, x, weight)]
        otherwise = f"got {_table(got)}: a weight's gradient has the weight's shape, so every leading axis is summed"
        yield holds(f"shape table, x {x.shape}: {_table(shapes)}", got == shapes, otherwise)

    x, dy = rng.standard_normal((2, 5, 4)), rng.standard_normal((2, 5, 3))
    gradients = backward(dy, x, weight)
    for name, got, expected in zip(NAMES, gradients, package_linear_backward(dy, x, weight), strict=True):
        yield equal(f"{name}, against the package", got, expected, advice=ADVICE[name])
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
    yield from differences(forward, lambda dy, cache: tuple(backward(dy, *cache)), inputs)


def package_linear_backward(dy: Any, x: Any, weight: Any) -> Any:
    """The package's backward, called as the exercise is."""
    _, cache = linear_forward(x, weight, np.zeros(weight.shape[0]))
    return linear_backward(dy, cache)


def _table(shapes: Any) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in zip(NAMES, shapes, strict=False))


@self_check("backward of gelu_new", returns=("dx",))
def check_gelu_new_backward(backward: Callable[..., Any]) -> Iterator[Any]:
    """Check `dx = backward(dy, x)` of the tanh form of GELU; dy and x of one shape, dx too."""
    rng = np.random.default_rng(4)
    x, dy = 2 * rng.standard_normal((2, 3, 7)), rng.standard_normal((2, 3, 7))
    dx = backward(dy, x)
    scaled = np.allclose(backward(3 * dy, x), 3 * np.asarray(dx))
    yield holds("three times dy gives three times dx", scaled, "it does not: is dy a factor of everything?")
    advice = "Two terms (3.9): the bracket, and x times the slope of the bracket"
    yield equal("dx", dx, gelu_new_backward(dy, gelu_new_forward(x)[1]), mistakes=_gelu_mistakes(dy, x), advice=advice)
    one = np.ones_like(x)
    sums = np.asarray(backward(one, x)) + np.asarray(backward(one, -x))
    yield holds("the slopes at x and -x sum to 1 (3.11)", np.allclose(sums, 1), "they do not: is a factor x missing?")
    points = np.array([-30.0, 0.0, 30.0])
    slope = np.asarray(backward(np.ones(3), points))
    yield equal("slope at -30, 0 and 30", slope, np.array([0.0, 0.5, 1.0]))
    drags = "np.sqrt of a number is a float64 and drags the arrays with it; use math.sqrt"
    yield float32_stays(backward, (dy, x), drags)
    yield from differences(gelu_new_forward, lambda dy, cache: backward(dy, cache.x), {"x": x})


def _gelu_mistakes(dy: Any, x: Any) -> dict[str, Any]:
    scale, cubic = math.sqrt(2 / math.pi), 0.044715
    t = np.tanh(scale * (x + cubic * x * x * x))
    outer, inner = 0.5 * (1 + t), 0.5 * x * (1 - t * t)
    slope = scale * (1 + 3 * cubic * x * x)
    return {
        "this is the slope of the erf form": gelu_backward(dy, gelu_forward(x)[1]),
        "a factor x is missing in the second term of (3.9)": dy * (outer + 0.5 * (1 - t * t) * slope),
        "the slope of u is missing, (3.9): 1 + 3 · 0.044715 x²": dy * (outer + inner * scale),
        "the derivative of x³ is 3 x²: the 3 is missing": dy * (outer + inner * scale * (1 + cubic * x * x)),
        "the factor √(2/π) is missing in the slope of u": dy * (outer + inner * slope / scale),
        "the slope of tanh is 1 − t²: t stands for it": dy * (outer + 0.5 * x * t * slope),
        "one of the two ½ is missing": dy * (outer + 2 * inner * slope),
        "the second term of (3.9), through u, is missing": dy * outer,
        "the first term of (3.9) is missing": dy * inner * slope,
    }


def package_gelu_new_backward(dy: Any, x: Any) -> Any:
    """The package's backward, called as the exercise is."""
    return gelu_new_backward(dy, gelu_new_forward(x)[1])

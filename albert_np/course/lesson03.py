"""Notebook 03: the linear map and GELU."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from albert_np.backend import Array, Floats
from albert_np.course.answers import Function, Wrong
from albert_np.course.report import Finding, differences, equal, float32_stays, holds, self_check
from albert_np.gradcheck import Comparison, check_gradients
from albert_np.ops import (
    LinearCache,
    gelu_backward,
    gelu_forward,
    gelu_new_backward,
    gelu_new_forward,
    linear_backward,
    linear_forward,
)

__all__ = ["check_gelu_new_backward", "check_linear_backward", "check_mended", "check_swiglu_backward"]

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
def check_linear_backward(backward: Function) -> Iterator[Finding]:
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

    def forward(x: Floats, weight: Floats, bias: Floats) -> tuple[Floats, LinearCache]:
        return linear_forward(x, weight, bias)

    inputs = {"x": x, "weight": weight, "bias": rng.standard_normal(3)}
    yield from differences(forward, lambda dy, cache: tuple(backward(dy, *cache)), inputs)


def package_linear_backward(dy: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """The package's backward, called as the exercise is."""
    _, cache = linear_forward(x, weight, np.zeros(weight.shape[0]))
    return linear_backward(dy, cache)


def _table(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in zip(NAMES, shapes, strict=False))


@self_check("backward of gelu_new", returns=("dx",))
def check_gelu_new_backward(backward: Function) -> Iterator[Finding]:
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


def _gelu_mistakes(dy: Floats, x: Floats) -> dict[str, Floats]:
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


def package_gelu_new_backward(dy: Floats, x: Floats) -> Array:
    """The package's backward, called as the exercise is."""
    return gelu_new_backward(dy, gelu_new_forward(x)[1])


BROKEN = (  # the backward of y = x + gelu_new(x weight1ᵀ + bias1) weight2ᵀ + bias2, with bugs
    "rows = dy.reshape(-1, dy.shape[-1])",
    "dweight2 = rows.T @ a.reshape(-1, a.shape[-1])",
    "dbias2 = rows.sum(axis=0)",
    "da = dy @ weight2.T",
    "dh = gelu_new_slope(a) * da",
    "rows = dh.reshape(-1, dh.shape[-1])",
    "dweight1 = rows.T @ x.reshape(-1, x.shape[-1])",
    "dbias1 = rows.sum(axis=0)",
    "dx = dh @ weight1",
)
GRADIENTS = ("dx", "dweight1", "dbias1", "dweight2", "dbias2")


def listing(lines: Sequence[str] = BROKEN) -> str:
    """Return the lines with their numbers, the first of which is 1."""
    return "\n".join(f"{number}  {line}" for number, line in enumerate(lines, 1))


def feed_forward(
    x: Floats, weight1: Floats, bias1: Floats, weight2: Floats, bias2: Floats
) -> tuple[Floats, dict[str, Floats]]:
    """y = x + gelu_new(h) weight2ᵀ + bias2 with h = x weight1ᵀ + bias1; the cache holds what backward reads by name."""
    h = x @ weight1.T + bias1
    a, _ = gelu_new_forward(h)
    cache = {"x": x, "h": h, "a": a, "weight1": weight1, "weight2": weight2}
    return x + a @ weight2.T + bias2, cache


def run_lines(lines: Sequence[str], dy: Floats, cache: Mapping[str, Floats]) -> tuple[Any, ...]:
    """Run the lines of a backward, and return dx, dweight1, dbias1, dweight2, dbias2."""

    def gelu_new_slope(x: Floats) -> Array:
        return gelu_new_backward(np.ones_like(x), gelu_new_forward(x)[1])

    names: dict[str, object] = {**cache, "dy": dy, "np": np, "gelu_new_slope": gelu_new_slope}
    for number, line in enumerate(lines, 1):
        try:
            exec(line, names)
        except Exception as error:
            raise Wrong(f"line {number}, {line!r}, fails: {type(error).__name__}: {error}") from error
    return tuple(names.get(name) for name in GRADIENTS)


def with_lines(changed: object) -> list[str]:
    """Return the broken lines with those exchanged that `changed` names: number → line."""
    if not isinstance(changed, dict):
        raise Wrong(f'got a {type(changed).__name__}, expected a dictionary such as {{1: "rows = …"}}')
    for number, line in changed.items():
        if number not in range(1, len(BROKEN) + 1):
            raise Wrong(f"{number!r} is no number of a line, 1 to {len(BROKEN)}")
        if not isinstance(line, str):
            raise Wrong(f"line {number} is a {type(line).__name__}; write it as a text, in quotes")
    return [changed.get(number, line) for number, line in enumerate(BROKEN, 1)]


def reports_of(lines: Sequence[str], width: int = 4, inner: int = 4) -> list[Comparison]:
    """Return what finite differences say of each gradient that the lines compute, and of all along one direction."""
    rng = np.random.default_rng(8)
    shapes = {"x": (2, 3, width), "weight1": (inner, width), "bias1": (inner,), "weight2": (width, inner)}
    inputs = {name: rng.standard_normal(shape) for name, shape in {**shapes, "bias2": (width,)}.items()}
    return check_gradients(feed_forward, lambda dy, cache: run_lines(lines, dy, cache), inputs)


BACK = {  # in the order of the way back: the gradient, and where to look if it is the first that is wrong
    "weight2": "it needs dy, and what went into the second linear map (3.3)",
    "bias2": "dy, summed over the rows (3.4)",
    "bias1": "it is the first wrong one on the way back, so look between dweight2 and here: (3.2), then (3.10)",
    "weight1": "dbias1 is right, so dh is: what went into the first linear map?",
    "x": "all else is right: in how many places does x stand in the formula?",
}


@self_check("the mended backward")
def check_mended(mended: Callable[[], object]) -> Iterator[Finding]:
    """Check `mended()`: number of a line of `BROKEN` → the line that should stand there."""
    lines = with_lines(mended())
    found = {row.name: row for row in reports_of(lines)}
    for name, advice in BACK.items():
        row = found[name]
        told = f"got {row.got:.4g}, expected {row.expected:.4g}. {advice}"
        yield holds(f"the gradient of {name}", row.ok, told)
    if all(found[name].ok for name in BACK):
        others = reports_of(lines, width=3, inner=5)
        yield holds("other sizes, 3 and 5", all(row.ok for row in others), "not all gradients are right there")


MENDED = {4: "da = dy @ weight2", 5: "dh = gelu_new_slope(h) * da", 9: "dx = dy + dh @ weight1"}


@self_check("backward of SwiGLU", returns=("dgate", "dup"))
def check_swiglu_backward(backward: Function) -> Iterator[Finding]:
    """Check `dgate, dup = backward(dy, gate, up)` of y = silu(gate) · up; all of one shape."""
    rng = np.random.default_rng(9)
    gate, up, dy = 2 * rng.standard_normal((3, 2, 3, 5))
    dgate, dup = backward(dy, gate, up)
    known = _swiglu_mistakes(dy, gate, up)
    right = swiglu_backward(dy, gate, up)
    yield equal("dup", dup, right[1], mistakes=known["dup"], advice="(3.14): up stands in y with the factor silu(gate)")
    yield equal("dgate", dgate, right[0], mistakes=known["dgate"], advice="(3.14): dy · up, times silu's slope (3.13)")
    points = np.array([-1000.0, 0.0, 1000.0])
    slope = backward(np.ones(3), points, np.ones(3))[0]
    yield equal("silu's slope at -1000, 0 and 1000", slope, np.array([0.0, 0.5, 1.0]), advice="is something e^1000?")
    yield float32_stays(backward, (dy, gate, up), "a number or an array that NumPy made is a float64")
    yield from differences(swiglu_forward, lambda dy, cache: tuple(backward(dy, *cache)), {"gate": gate, "up": up})


def _sigmoid(x: Floats) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def swiglu_forward(gate: Floats, up: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
    """y = silu(gate) · up, all of one shape; backward needs both."""
    return gate * _sigmoid(gate) * up, (gate, up)


def swiglu_backward(dy: Floats, gate: Floats, up: Floats) -> tuple[Floats, Floats]:
    """The answer to the fourth exercise, for those who go on without it."""
    s = _sigmoid(gate)
    return dy * up * (s + gate * s * (1 - s)), dy * gate * s


def _swiglu_mistakes(dy: Floats, gate: Floats, up: Floats) -> dict[str, dict[str, Floats]]:
    s = _sigmoid(gate)
    slope = s + gate * s * (1 - s)
    return {
        "dup": {
            "this is dgate: the two are returned in the order of the arguments, dgate first": dy * up * slope,
            "the sigmoid alone: up's factor is silu(gate), gate times it": dy * s,
            "the slope of silu belongs to dgate; up's factor is silu itself": dy * slope,
        },
        "dgate": {
            "silu for its slope": dy * up * gate * s,
            "the sigmoid alone: gate also stands inside it (3.13)": dy * up * s,
            "the sigmoid's slope alone: gate is a factor too (3.13)": dy * up * s * (1 - s),
            "the first term of (3.13) is missing": dy * up * gate * s * (1 - s),
            "the factor gate is missing in the second term of (3.13)": dy * up * (s + s * (1 - s)),
            "the factor up is missing": dy * slope,
            "the sign of the second term is turned round": dy * up * (s - gate * s * (1 - s)),
        },
    }

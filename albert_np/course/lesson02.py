"""Notebook 02: trusting a gradient."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from albert_np import ops
from albert_np.backend import Floats
from albert_np.course.answers import AnswerFailed, Function, Wrong
from albert_np.course.hunt import Hunt, Symptoms
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.gradcheck import small_batch, small_config
from albert_np.model import AlbertForPreTraining
from albert_np.ops import (
    ActivationCache,
    LayerNormCache,
    TanhCache,
    gelu_backward,
    gelu_forward,
    layer_norm_backward,
    softmax_backward,
    softmax_forward,
    tanh_backward,
    tanh_forward,
)
from albert_np.training import AdamW

__all__ = ["check_direction_error", "check_fourth_order_slope", "check_gradient_error", "check_which_check"]


Term = Callable[[Floats], Floats]  # added to a right gradient; a dy with some pattern cannot see it


class OpPair(NamedTuple):
    """`y, cache = forward(x)` and `dx = backward(dy, cache)`, and an x to try them at."""

    forward: Callable[[Floats], tuple[Floats, Any]]
    backward: Callable[[Floats, Any], Floats]
    x: Floats


RNG = np.random.default_rng(2)
X = RNG.standard_normal((3, 4))
SQUARE, NARROW = RNG.standard_normal((4, 4)), RNG.standard_normal((2, 4))


def product_forward(x: Floats, weight: Floats = SQUARE) -> tuple[Floats, Floats]:
    """y = x weightᵀ. x (…, 4), weight (4, 4); the weight is the cache."""
    return x @ weight.T, weight


def product_backward(dy: Floats, weight: Floats) -> Floats:
    return dy @ weight


def square_forward(x: Floats) -> tuple[Floats, Floats]:
    """y = x²."""
    return x * x, x


def square_backward(dy: Floats, x: Floats) -> Floats:
    return 2 * x * dy


def residual_forward(x: Floats) -> tuple[Floats, ActivationCache]:
    """y = x + gelu(x): x is used twice."""
    y, cache = gelu_forward(x)
    return x + y, cache


def residual_backward(dy: Floats, cache: ActivationCache) -> Floats:
    dx = np.zeros_like(dy)
    dx += dy
    dx += gelu_backward(dy, cache)
    return dx


def zero_backward(dy: Floats, cache: object) -> Floats:
    return np.zeros_like(dy)


def square_without_the_2(dy: Floats, x: Floats) -> Floats:
    return x * dy


def product_transposed(dy: Floats, weight: Floats) -> Floats:
    return dy @ weight.T


def residual_overwritten(dy: Floats, cache: ActivationCache) -> Floats:
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


def second_difference(dy: Floats) -> Floats:
    """What is 0 for constants and for ramps such as np.arange."""
    padded = np.pad(dy.ravel(), 1)
    return (padded[2:] - 2 * padded[1:-1] + padded[:-2]).reshape(dy.shape) * _inside(dy)


def _inside(dy: Floats) -> Floats:
    """1, and 0 at both ends, where there is no second difference."""
    inside = np.ones(dy.size)
    inside[[0, -1]] = 0
    return inside.reshape(dy.shape)


HIDDEN: dict[str, Term] = {
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
def check_gradient_error(gradient_error: Function) -> Iterator[Finding]:
    """Check `error = gradient_error(forward, backward, x)`: below 1e-6 for right pairs, above 1e-3 for wrong ones."""
    for name, pair in PAIRS.items():
        yield _accepts(gradient_error, name, pair, APART)
    for name, pair in BUGS.items():
        yield _rejects(gradient_error, name, pair, ONES if "softmax" in name else THROUGH)

    narrow = OpPair(lambda x: product_forward(x, NARROW), product_backward, X)
    shapes: set[tuple[int, ...]] = set()

    def spy(dy: Floats, _: object) -> Floats:
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


def _square_with(term: Term, dy: Floats, x: Floats) -> Floats:
    return square_backward(dy, x) + term(dy)


def slopes(
    forward: Callable[[Floats], tuple[Floats, object]], x: Floats, dy: Floats, h: float = 1e-5, one_sided: bool = False
) -> Floats:
    """Return the slope of Σ dy·forward(x)[0] along each coordinate of x, by central or one-sided differences."""
    steps = h * np.eye(x.size).reshape(-1, *x.shape)
    below = [forward(x)[0]] * x.size if one_sided else [forward(x - step)[0] for step in steps]
    moved = [(dy * (forward(x + step)[0] - low)).sum() for step, low in zip(steps, below, strict=True)]
    return np.array(moved).reshape(x.shape) / (h if one_sided else 2 * h)


def _last_entry_wrong(dy: Floats, x: Floats) -> Floats:
    dx = square_backward(dy, x)
    dx[-1, -1] += 1
    return dx


def _tiny_tanh(x: Floats) -> tuple[Floats, TanhCache]:
    y, cache = tanh_forward(x)
    return 1e-8 * y, cache


def _error(gradient_error: Function, pair: OpPair) -> float:
    error = np.asarray(gradient_error(pair.forward, pair.backward, pair.x.copy()))
    if error.shape != () or error.dtype.kind not in "fiu":
        raise Wrong(f"returned {error.dtype} of shape {error.shape}, expected one number (2.10)")
    return float(error)


def _accepts(gradient_error: Function, name: str, pair: OpPair, advice: str) -> Finding:
    error = _error(gradient_error, pair)
    line, right = f"right: {name}: error {error:.1e}", error <= ACCEPTED
    advice = ROUGH if error < 0.01 else HALVED if abs(error - 0.5) < 1e-3 else advice
    return holds(f"{line}, accepted" if right else line, right, f"not accepted; {advice}")


def _rejects(gradient_error: Function, name: str, pair: OpPair, advice: str) -> Finding:
    error = _error(gradient_error, pair)
    line = f"wrong: {name}: error {error:.1e}"
    advice = "NaN is larger than nothing: was something divided by 0?" if np.isnan(error) else advice
    return holds(f"{line}, rejected" if error > REJECTED else line, error > REJECTED, f"not rejected; {advice}")


def _claimed(pair: OpPair, ones: bool = False) -> tuple[Floats, Floats]:
    """Return an upstream gradient and what the pair's backward makes of it."""
    y, cache = pair.forward(pair.x)
    dy = np.ones_like(y) if ones else np.random.default_rng(0).standard_normal(y.shape)
    return dy, pair.backward(dy, cache)


def _checked(pair: OpPair, ones: bool = False, **how: Any) -> float:
    """The error (2.10), with what the hunted checks do otherwise."""
    dy, dx = _claimed(pair, ones)
    d = slopes(pair.forward, pair.x, dy, **how)
    floor = 1e-3 * abs(pair.forward(pair.x)[0]).max()  # for ones: a gradient of rounding alone counts as zero
    return float(abs(dx - d).max() / max(floor if ones else 0.0, abs(d).max()))


def _without_dividing(pair: OpPair) -> float:
    dy, dx = _claimed(pair)
    return float(abs(dx - slopes(pair.forward, pair.x, dy)).max())


def _entry_by_entry(pair: OpPair) -> float:
    dy, dx = _claimed(pair)
    d = slopes(pair.forward, pair.x, dy)
    return float((abs(dx - d) / np.maximum(abs(dx), 1e-30)).max())


def _one_entry(pair: OpPair) -> float:
    dy, dx = _claimed(pair)
    d = slopes(pair.forward, pair.x, dy)
    return float(abs(dx.flat[0] / d.flat[0] - 1))


def _dy_left_out(pair: OpPair) -> float:
    _, dx = _claimed(pair)
    d = slopes(pair.forward, pair.x, np.ones_like(pair.forward(pair.x)[0]))
    return float(abs(dx - d).max() / abs(d).max())


def _symptoms(check: Callable[[OpPair], float]) -> Symptoms:
    """What a check says of three right pairs and of four wrong ones."""
    sharp = PAIRS["softmax"]._replace(x=np.array([[30.0, 28.0, 0.0, -10.0]]))
    pairs = {
        "x Wᵀ": PAIRS["product"],
        "x²": PAIRS["square"],
        "sharp softmax": sharp,
        "zeros": BUGS["softmax, all zeros"],
        "last entry": PAIRS["square"]._replace(backward=_last_entry_wrong),
        "tiny, × 2": OpPair(_tiny_tanh, lambda dy, cache: 2e-8 * tanh_backward(dy, cache), X),
        "= for +=": BUGS["residual, = for +="],
    }
    return {name: _short(check(pair)) for name, pair in pairs.items()}


def _short(error: float) -> str:
    return "< 1e-8" if error < 1e-8 else f"{error:.0e}" if error < 0.01 else f"{error:.2g}"


HUNT = Hunt(
    bugs={
        "errors are not divided by the size of the gradient": _without_dividing,
        "the step is 1e-12": lambda pair: _checked(pair, h=1e-12),
        "one entry of x is moved, the first": _one_entry,
        "the upstream gradient is ones": lambda pair: _checked(pair, ones=True),
        "each entry's error is divided by that entry": _entry_by_entry,
        "the difference is one-sided": lambda pair: _checked(pair, one_sided=True),
        "backward gets dy, the difference does not": _dy_left_out,
    },
    symptoms=_symptoms,
    numbers=(3, 7, 1, 4, 6, 2, 5),
    right=_checked,
)
check_which_check = HUNT.check("which check is this?")


RUNS = 6  # of forward, at most: one for the cache, two for the difference, and as many again to spare


@self_check("one direction for all entries")
def check_direction_error(direction_error: Function) -> Iterator[Finding]:
    """Check `error = direction_error(forward, backward, x)`: few runs, below 1e-6 if right, above 1e-3 if wrong."""
    runs = 0

    def counted(x: Floats) -> tuple[Floats, Floats]:
        nonlocal runs
        runs += 1
        return square_forward(x)

    first = _accepts(direction_error, "square", OpPair(counted, square_backward, X), APART_ALONG)
    yield holds(
        f"forward is run {runs} times for 12 entries" if runs <= RUNS else "few runs",
        runs <= RUNS,
        f"forward was run {runs} times for an x of 12 entries: a direction moves all of them at once",
    )
    yield first
    for name in ("product", "residual", "softmax"):
        yield _accepts(direction_error, name, PAIRS[name], NOISE if name == "softmax" else APART_ALONG)
    for name, pair in BUGS.items():
        yield _rejects(direction_error, name, pair, ALONG_DY if "transposed" in name else "are both sides compared?")
    wrong_entry = PAIRS["square"]._replace(backward=_last_entry_wrong)
    yield _rejects(direction_error, "one wrong entry, the last", wrong_entry, "v has to move every entry of x")
    tiny = OpPair(_tiny_tanh, lambda dy, cache: 2e-8 * tanh_backward(dy, cache), X)
    absolute = "an absolute error? Divide by one of both sides"
    yield _rejects(direction_error, "small numbers, a factor 2 too much", tiny, absolute)


APART_ALONG = "do ⟨dx, v⟩ and the difference use the same dy and the same v? From x − hv to x + hv it is 2h"
NOISE = (
    "is dy or v (1, …, 1)? Then both sides are 0 for a softmax, and what is left is noise: draw both with rng.normal"
)
ALONG_DY = "is v = dy? Then ⟨dy W, dy⟩ = ⟨dy Wᵀ, dy⟩, and a transposed weight is not seen: draw v by itself"


def direction_error(forward: Function, backward: Function, x: Floats) -> float:
    """The answer to the second exercise, for those who go on without it."""
    rng = np.random.default_rng(0)
    y, cache = forward(x)
    dy, v, h = rng.standard_normal(y.shape), rng.standard_normal(x.shape), 1e-5
    along = float((dy * (forward(x + h * v)[0] - forward(x - h * v)[0])).sum() / (2 * h))
    claimed = float((backward(dy, cache) * v).sum())
    return abs(claimed - along) / max(abs(claimed), abs(along))


@self_check("a slope of the fourth order")
def check_fourth_order_slope(slope: Function) -> Iterator[Finding]:
    """Check `slope(f, x, h)`: the slope of f at x from four values, with an error of h⁴ f⁽⁵⁾ / 30 (2.14)."""

    def central(f: Callable[[float], float], x: float, h: float) -> float:
        return (f(x + h) - f(x - h)) / (2 * h)

    x, h = 2.0, 0.1
    near, far = central(_cube, x, h), central(_cube, x, 2 * h)
    known = {
        "this is the central difference (2.3): its h² is still there": near,
        "this is the central difference over 2h": far,
        "the mean of both differences: the terms in h² add up rather than cancel": (near + far) / 2,
        "2 D(h) − D(2h): the term of D(2h) is four times as large, not twice": 2 * near - far,
        "4 D(h) − D(2h) is three slopes: divide by 3": 4 * near - far,
        "the signs are turned: D(2h) is the one that is taken off": (4 * far - near) / 3,
        "D(2h) is divided by h where it goes from x − 2h to x + 2h, a way of 4h": (4 * near - 2 * far) / 3,
    }
    yield equal("slope of x³ at 2, h = 0.1", slope(_cube, x, h), 12.0, mistakes=known, advice="(4 D(h) − D(2h)) / 3")
    runs = 0

    def counted(x: float) -> float:
        nonlocal runs
        runs += 1
        return float(np.exp(x))

    slope(counted, 0.0, 0.1)
    yield holds("f is run four times", runs == 4, f"f was run {runs} times: at x ± h and x ± 2h it is four")
    fifth = float(slope(lambda x: float(x) ** 5, 0.0, 0.1))
    yield equal("x⁵ at 0, h = 0.1: the first power that it does not get", fifth, -4e-4, advice="−h⁴ f⁽⁵⁾/30 = −4 h⁴")
    coarse, fine = (abs(float(slope(np.exp, 1.0, h)) - np.e) for h in (0.2, 0.1))
    told = f"it falls by {coarse / fine:.1f}" if fine else "it is 0: was the step used?"
    yield holds("half the step, a sixteenth of the error", fine > 0 and abs(coarse / fine - 16) < 1, told)


def _cube(x: float) -> float:
    return float(x * x * x)


def fourth_order_slope(f: Callable[[float], float], x: float, h: float) -> float:
    """The answer to the fourth exercise, for those who go on without it."""
    near, far = f(x + h) - f(x - h), f(x + 2 * h) - f(x - 2 * h)
    return (8 * near - far) / (12 * h)


def _norm_backward_with_a_bug(dy: Floats, cache: LayerNormCache) -> tuple[Floats, Floats, Floats]:
    """LayerNorm's backward, with the mean of dx̂ not taken off: (1.9) forgotten."""
    dx_hat = dy * cache.weight
    along = (dx_hat * cache.x_hat).mean(axis=-1, keepdims=True)
    return cache.rstd * (dx_hat - cache.x_hat * along), *layer_norm_backward(dy, cache)[1:]


PROGRAMS = {"A": (_norm_backward_with_a_bug, 11), "B": (layer_norm_backward, 5)}  # LayerNorm's backward, and a seed


@contextmanager
def program(name: str) -> Iterator[None]:
    """Run what is within as program "A" or "B" would; one of them has a bug in a backward."""
    ops.layer_norm_backward, _ = PROGRAMS[name]
    try:
        yield
    finally:
        ops.layer_norm_backward = layer_norm_backward


def two_trainings(updates: int = 40) -> dict[str, list[float]]:
    """Return the losses of a small ALBERT that learns one batch by heart, in program A and in program B."""
    return {name: _training(name, updates) for name in PROGRAMS}


def _training(name: str, updates: int) -> list[float]:
    model = AlbertForPreTraining(small_config(), dtype="float64", seed=PROGRAMS[name][1]).train()
    batch, optimizer, losses = small_batch(model.config), AdamW(model.params, model.grads), []
    with program(name):
        for _ in range(updates):
            model.zero_grad()
            losses.append(float(model(**batch).loss))
            model.backward()
            optimizer.step(3e-3)
    return losses

"""Notebook 20: walk a pass."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from albert_np.backend import Floats
from albert_np.course.answers import Function
from albert_np.course.hunt import Hunt, Symptoms, factor
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.explore import explore

__all__ = ["check_go_back", "check_unit_rows_backward", "check_which_bug"]

EPS = 1e-9
Cache = tuple[Floats, Floats, Floats, Floats]  # x, length, r, direction


def unit_rows_forward(x: Floats, length: Floats) -> tuple[Floats, Cache]:
    """Give every row of x (R, C) the Euclidean length that `length` (R,) says; returns y (R, C)."""
    squares = (x * x).sum(axis=-1, keepdims=True)  # (R, 1)
    r = 1 / np.sqrt(squares + EPS)
    direction = x * r
    y = direction * length[:, None]
    return y, (x, length, r, direction)


def package_unit_rows_backward(dy: Floats, cache: Cache) -> tuple[Floats, Floats]:
    """Mirror of `unit_rows_forward`, (20.5), called as the exercise is."""
    _, length, r, direction = cache
    ddirection = dy * length[:, None]
    dlength = (dy * direction).sum(axis=-1)
    dx = r * (ddirection - direction * (ddirection * direction).sum(axis=-1, keepdims=True))
    return dx, dlength


@self_check("rows of a given length")
def check_unit_rows_backward(backward: Any) -> Iterator[Finding]:
    """Check `dx, dlength = backward(dy, cache)` for `unit_rows_forward`, line by line as far as lines are named."""
    for rows, columns in ((3, 4), (2, 5), (1, 3)):
        rng = np.random.default_rng(180 + rows)
        inputs = rng.standard_normal((rows, columns)), rng.uniform(1, 2, rows)
        for claim in explore(unit_rows_forward, backward.function, inputs).claims:
            told = f"got {claim.said:.6g} along a random direction, differences give {claim.slope:.6g}"
            yield holds(f"({rows}, {columns}): {claim.name} is the gradient of {claim.of}", claim.holds, told)


class Step(NamedTuple):
    """A step of a tape: from the values named `inputs` it made the value named `output`.

    back: the gradient of the output → a tuple with the gradient of each input, in their order.
    """

    inputs: tuple[str, ...]
    output: str
    back: Callable[[Floats], tuple[Floats, ...]]


def package_go_back(steps: Sequence[Step], output: str, dy: Floats) -> dict[str, Floats]:
    """Go back along a tape, called as the exercise is."""
    gradients = {output: dy}
    for step in reversed(steps):
        if step.output in gradients:
            for name, gradient in zip(step.inputs, step.back(gradients[step.output]), strict=True):
                gradients[name] = gradients[name] + gradient if name in gradients else gradient
    return gradients


_X = np.array([2.0, -3.0])
_DY = np.array([1.0, 10.0])


def _times(a: str, b: str, output: str, x: Floats, y: Floats) -> Step:
    return Step((a, b), output, lambda dy: (dy * y, dy * x))


def _scaled(a: str, output: str, by: float) -> Step:
    return Step((a,), output, lambda dy: (dy * by,))


def _sum(a: str, b: str, output: str) -> Step:
    return Step((a, b), output, lambda dy: (dy, dy))  # one array for both: whoever adds into it in place changes two


_TAPES: dict[str, tuple[list[Step], dict[str, Floats]]] = {
    "a chain": ([_scaled("x", "a", 2), _scaled("a", "y", 3)], {"x": 6 * _DY, "a": 3 * _DY}),
    "x read twice": ([_scaled("x", "a", 2), _scaled("x", "b", 3), _sum("a", "b", "y")], {"x": 5 * _DY}),
    "x · x": ([_times("x", "x", "y", _X, _X)], {"x": 2 * _X * _DY}),
    "a way around": (
        [_scaled("x", "a", 2), _sum("x", "a", "b"), _scaled("b", "y", 5)],
        {"x": 15 * _DY, "a": 5 * _DY, "b": 5 * _DY},
    ),
    "around, read again": (
        [_scaled("x", "a", 2), _scaled("a", "c", 7), _sum("a", "x", "b"), _sum("c", "b", "y")],
        {"x": 17 * _DY, "a": 8 * _DY, "b": _DY, "c": _DY},
    ),
    "a step that leads nowhere": ([_scaled("x", "a", 2), _scaled("a", "n", 9), _scaled("a", "y", 3)], {"x": 6 * _DY}),
    "a weight, 3 steps": (
        [_times("h0", "w", "h1", _X, _X), _times("h1", "w", "h2", _X**2, _X), _times("h2", "w", "y", _X**3, _X)],
        {"w": 3 * _X**3 * _DY, "h0": _X**3 * _DY},
    ),
}


@self_check("back along a tape")
def check_go_back(go_back: Function) -> Iterator[Finding]:
    """Check `gradients = go_back(steps, output, dy)`: value name → gradient, `steps` as they were recorded."""
    advice = {
        "a chain": "begin with {output: dy}, and go through the steps in the reverse order",
        "x read twice": "a value with two readers gets two gradients: add them (20.1)",
        "x · x": "both inputs are x: two gradients of one step, and both count",
        "a way around": "a value with two readers gets two gradients: add them (20.1)",
        "around, read again": "a value with two readers gets two gradients: add them (20.1)",
        "a step that leads nowhere": "no gradient comes to its output: leave it out",
        "a weight, 3 steps": "three terms (20.2): the last of them is not the sum",
    }
    in_place = "`+=` changes an array that another value has too: add with a + b"
    for name, (steps, wanted) in _TAPES.items():
        dy = _DY.copy()
        gradients = go_back(list(steps), "y", dy)
        yield holds("a dictionary comes back", isinstance(gradients, dict), f"got a {type(gradients).__name__}")
        for value, expected in wanted.items():
            there = value in gradients
            yield holds(f"{name}: there is a gradient of {value}", there, f"it is missing. {advice[name]}")
            if there:
                known = {in_place: wanted["x"]} if value in "ab" else {}
                yield equal(f"{name}: {value}", gradients[value], expected, mistakes=known, advice=advice[name])
        yield holds(f"{name}: dy as it was", bool((dy == _DY).all()), f"it changed. {in_place}")


def _with_bug(bug: str) -> Function:
    def go_back(steps: Sequence[Step], output: str, dy: Floats) -> dict[str, Floats]:
        gradients: dict[str, Floats] = {output: np.array(dy)}
        for step in steps if bug == "order" else reversed(steps):
            if step.output not in gradients:
                continue
            back = step.back(gradients[step.output])
            found = dict(zip(step.inputs, back, strict=True)) if bug == "twice" else None
            for name, gradient in found.items() if found else zip(step.inputs, back, strict=True):
                if name not in gradients or bug == "set":
                    gradients[name] = gradient
                elif bug == "place":
                    gradients[name] += gradient
                elif bug == "mean":
                    gradients[name] = (gradients[name] + gradient) / 2
                elif bug == "first":
                    continue
                else:
                    gradients[name] = gradients[name] + gradient
        return gradients

    return go_back


def _symptoms(go_back: Function) -> Symptoms:
    """What the experiments say of x's gradient, or of the weight's: a factor to the right one."""
    found = {}
    for name in ("a chain", "x read twice", "x · x", "around, read again", "a weight, 3 steps"):
        steps, wanted = _TAPES[name]
        value = next(iter(wanted))
        gradients = go_back(steps, "y", _DY.copy())
        found[name] = factor(gradients[value], wanted[value]) if value in gradients else "none"
    return found


HUNT = Hunt(
    bugs={
        "added in place, `+=`, into an array that another value has too": _with_bug("place"),
        "the steps are gone through in the order of the forward pass": _with_bug("order"),
        "where a gradient is there, the new one takes its place": _with_bug("set"),
        "where one step reads a value twice, only one of its gradients is taken": _with_bug("twice"),
        "where a gradient is there, the mean of both is taken": _with_bug("mean"),
        "where a gradient is there, the new one is dropped": _with_bug("first"),
    },
    symptoms=_symptoms,
    numbers=(5, 3, 6, 1, 4, 2),
    right=package_go_back,
)
check_which_bug = HUNT.check()

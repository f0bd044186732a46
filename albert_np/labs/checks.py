"""What findings are made of. No gradient is stored here: each is compared with differences of a forward function."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from albert_np.course.answers import expect, expect_array, expect_values
from albert_np.gradcheck import compare
from albert_np.labs.points import Answer, Exercise, Lab, Wrong

__all__ = [
    "as_if",
    "backward_exercise",
    "expect",
    "expect_array",
    "expect_gradient",
    "expect_same",
    "expect_unchanged",
    "expect_values",
    "expect_within",
    "slopes",
]

Floats = npt.NDArray[np.floating[Any]]
Suspect = tuple[str, Callable[[Floats], Floats]]  # a message, and what the expected array becomes by that mistake

STEP = 1e-3  # of a difference of fourth order in float64: truncation and rounding are then both near 1e-12
TOLERANCE = 1e-7
LARGE_SECONDS = 2.0


def expect_same(
    name: str,
    got: Any,
    expected: Any,
    tolerance: float = TOLERANCE,
    suspects: Sequence[Suspect] = (),
    scale: float = 1e-12,
) -> None:
    """Raise `Wrong` unless two arrays agree, relative to the largest number expected (or to `scale`, if larger).

    suspects: what is said of an answer that is not right, but what that mistake would have made of the expected array.
    """
    expected = np.asarray(expected)
    array = expect_array(name, got, expected.shape, expected.dtype)
    row = compare(name, array, expected, tolerance, floor=scale)
    if row.ok:
        return
    for message, become in suspects:
        mistaken = np.broadcast_to(become(expected), expected.shape)
        if compare(name, array, mistaken, max(tolerance, 1e-6), floor=scale).ok:
            raise Wrong(f"{name}: {message}")
    place = f"{name}[{', '.join(map(str, row.index))}]" if row.index else name
    raise Wrong(f"{place} is {row.got:.6g}, expected {row.expected:.6g}.")


def slopes(f: Callable[[], Any], value: Floats, dy: Any, step: float = STEP) -> Floats:
    """Return d(Σ dy·f) / d value by central differences of fourth order; `value` is moved in place and put back."""
    gradient = np.zeros_like(value)
    for index in np.ndindex(value.shape):
        before = value[index]
        terms = []
        for shift in (1, -1, 2, -2):
            value[index] = before + shift * step
            terms.append(np.array(f(), dtype=np.float64))
        value[index] = before
        near, far = terms[0] - terms[1], terms[2] - terms[3]
        gradient[index] = np.sum(dy * (8 * near - far)) / (12 * step)
    return gradient


def expect_gradient(
    name: str,
    got: Any,
    f: Callable[[], Any],
    value: Floats,
    dy: Any,
    tolerance: float = TOLERANCE,
    suspects: Sequence[Suspect] = (),
) -> None:
    """Raise `Wrong` unless `got` is d(Σ dy·f) / d value, value being an array that f reads.

    What fails is looked at again with a quarter of the step: an error of the differences shrinks, a wrong gradient
    stays wrong.
    """
    try:
        expect_same(name, got, slopes(f, value, dy), tolerance, suspects, scale=1e-9)
    except Wrong:
        expect_same(name, got, slopes(f, value, dy, STEP / 4), tolerance, suspects, scale=1e-9)


def as_if(forward: Callable[..., Any], argument: str) -> Callable[[Any, Mapping[str, Any], Floats], Floats]:
    """Return for `suspects` what a gradient is if another forward was meant: its slopes along that argument."""

    def become(dy: Any, given: Mapping[str, Any], expected: Floats) -> Floats:
        inputs = [value for name, value in given.items() if name != "dy"]
        return slopes(lambda: forward(*inputs), given[argument], dy)

    return become


def expect_unchanged(arguments: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Raise `Wrong` if an array among the arguments is not what it was."""
    for name, value in arguments.items():
        if isinstance(value, np.ndarray):
            expect(np.array_equal(value, before[name], equal_nan=True), f"your function changed its argument {name}")


def expect_within(answer: Answer, seconds: float = LARGE_SECONDS) -> None:
    """Raise `Wrong` if the last call took more processor time."""
    expect(answer.seconds <= seconds, f"took {answer.seconds:.1f} s, expected at most {seconds:g} s")


def backward_exercise(
    lab: Lab,
    function: str,
    title: str,
    *,
    forward: Callable[..., Any],
    draw: Callable[..., dict[str, Any]],
    gradients: Mapping[str, tuple[str, float, str]],
    shapes: Sequence[tuple[int, ...]],
    large: tuple[int, ...],
    suspects: Mapping[str, Sequence[tuple[str, Callable[..., Floats]]]] | None = None,
    arguments: float = 1,
    float32: float = 1,
    speed: float = 2,
) -> Exercise:
    """Add an exercise that asks for `function(dy, *arguments)`, the backward of `forward(*arguments)`.

    draw: `draw(answer, *shape)` gives the arguments by name, in order. gradients: what the function returns, in order:
    name → (the argument it belongs to, points, the question to ask). shapes: those of the small cases. large: one that
    differences inside an answer could not do in time. suspects: for a gradient, messages and functions of (dy,
    arguments by name, expected) that give what the mistake gives. arguments, float32, speed: the points for leaving
    arguments as they are, for float32 results of float32 arguments, and for the large case.
    """
    exercise = lab.exercise(function, title)
    names = list(gradients)

    def asked(answer: Answer, shape: tuple[int, ...], dtype: Any = np.float64) -> tuple[Any, dict[str, Any], Any]:
        given = {k: _cast(v, dtype) for k, v in draw(answer, *shape).items()}
        y = np.asarray(forward(*given.values()))
        dy = answer.rng.standard_normal(y.shape).astype(dtype) if y.shape else dtype(answer.rng.normal())
        return dy, given, expect_values(getattr(answer, function)(_copy(dy), *map(_copy, given.values())), names)

    def add_gradient(name: str, argument: str, points: float, question: str) -> None:
        @exercise.finding(name, points, question)
        def look(answer: Answer) -> None:
            for shape in shapes:
                dy, given, got = asked(answer, shape)
                known = [(text, partial(become, dy, given)) for text, become in (suspects or {}).get(name, ())]
                mine = dict(zip(names, got, strict=True))[name]
                expect_gradient(name, mine, partial(forward, *given.values()), given[argument], dy, suspects=known)

    for name, (argument, points, question) in gradients.items():
        add_gradient(name, argument, points, question)

    @exercise.finding("arguments unchanged", arguments, side=True)
    def _unchanged(answer: Answer) -> None:
        given = draw(answer, *shapes[0])
        dy = answer.rng.standard_normal(np.shape(forward(*given.values())))
        passed = {"dy": dy, **given}
        before = {name: _copy(value) for name, value in passed.items()}
        getattr(answer, function)(*passed.values())
        expect_unchanged(passed, before)

    @exercise.finding("float32 stays float32", float32, side=True)
    def _float32(answer: Answer) -> None:
        for name, value in zip(names, asked(answer, shapes[0], np.float32)[2], strict=True):
            expect(np.asarray(value).dtype == np.float32, f"{name} is {np.asarray(value).dtype}, expected float32")

    @exercise.finding("a large case in time", speed, f"It may take {LARGE_SECONDS:g} s: where is a loop?", side=True)
    def _speed(answer: Answer) -> None:
        asked(answer, large)
        expect_within(answer)

    return exercise


def _cast(value: Any, dtype: Any) -> Any:
    floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(dtype) if floats else value


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value

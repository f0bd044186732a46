"""What findings are made of. No gradient is stored here: each is compared with differences of a forward function."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import EllipsisType
from typing import Any

import numpy as np
import numpy.typing as npt

from albert_np.backend import Floats
from albert_np.course.answers import Function, expect, expect_array, expect_values
from albert_np.gradcheck import compare
from albert_np.labs.points import Answer, Arguments, Exercise, Lab, Wrong

__all__ = [
    "as_if",
    "ask",
    "backward_exercise",
    "common_findings",
    "expect",
    "expect_array",
    "expect_gradient",
    "expect_one",
    "expect_same",
    "expect_slope",
    "expect_unchanged",
    "expect_values",
    "expect_within",
    "slope_along",
    "slopes",
]

Suspect = tuple[str, Callable[[Floats], npt.ArrayLike]]  # a message, and what that mistake makes of what is expected
Become = Callable[[Any, Arguments, Floats], npt.ArrayLike]  # (dy, arguments, right gradient) → a mistaken one
Look = Callable[[Answer, str, Any, Arguments], None]  # `look(answer, name, value, arguments)` raises `Wrong`

STEP = 1e-3  # of a difference of fourth order in float64: truncation and rounding are then both near 1e-12
STEPS = (STEP, STEP / 4, 1e-6)  # a number at a kink, such as relu's at 0, needs a step that does not reach it
LARGE_STEPS = (STEP, STEP / 4, 1e-6, 1e-9)  # of 100,000 numbers some are near a kink; rounding leaves 1e-6 at 1e-9
TOLERANCE = 1e-7
LARGE_SECONDS = 2.0


def expect_one(name: str, got: object) -> Any:
    """Return the one value that a function gave, be it bare or in a tuple of one."""
    return expect_values(got, [name])[0]


def expect_same(
    name: str,
    got: object,
    expected: npt.ArrayLike,
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


def slope_along(
    f: Callable[[], npt.ArrayLike],
    value: Floats,
    dy: Floats | float,
    direction: Floats | float,
    step: float,
    index: tuple[int, ...] | EllipsisType = ...,
) -> float:
    """Return the slope of Σ dy·f along a direction of value[index], by central differences of fourth order.

    `value`, an array that f reads, is moved in place and put back.
    """
    before, terms = value[index].copy(), []
    for shift in (1, -1, 2, -2):
        value[index] = before + shift * step * direction
        terms.append(np.array(f(), dtype=np.float64))
    value[index] = before
    near, far = terms[0] - terms[1], terms[2] - terms[3]
    return float(np.sum(dy * (8 * near - far)) / (12 * step))


def slopes(f: Callable[[], npt.ArrayLike], value: Floats, dy: Floats | float, step: float = STEP) -> Floats:
    """Return d(Σ dy·f) / d value, of value's shape."""
    gradient = np.zeros_like(value)
    for index in np.ndindex(value.shape):
        gradient[index] = slope_along(f, value, dy, 1.0, step, index)
    return gradient


def expect_gradient(
    name: str,
    got: object,
    f: Callable[[], npt.ArrayLike],
    value: Floats,
    dy: Floats | float,
    tolerance: float = TOLERANCE,
    suspects: Sequence[Suspect] = (),
) -> None:
    """Raise `Wrong` unless `got` is d(Σ dy·f) / d value, value being an array that f reads.

    What fails is looked at again with smaller steps: an error of the differences shrinks, a wrong gradient stays wrong.
    """
    scale = _noise(f, dy) / tolerance
    for step in STEPS[:-1]:
        with suppress(Wrong):
            return expect_same(name, got, slopes(f, value, dy, step), tolerance, suspects, scale)
    return expect_same(name, got, slopes(f, value, dy, STEPS[-1]), tolerance, suspects, scale)


def _noise(f: Callable[[], npt.ArrayLike], dy: Floats | float) -> float:
    """Return what rounding may do to a slope of Σ dy·f, which may be 0 in exact arithmetic."""
    return 16 * float(np.finfo(np.float64).eps * np.sum(np.abs(dy * np.asarray(f())))) / STEP + 1e-15


def expect_slope(
    name: str,
    got: object,
    f: Callable[[], npt.ArrayLike],
    value: Floats,
    dy: Floats | float,
    rng: np.random.Generator,
    tolerance: float = 1e-6,
) -> None:
    """Raise `Wrong` unless `got` gives the slope of Σ dy·f along one random direction of `value`: for large arrays.

    The error is measured against the length of `got`, or that of the slope, if larger.
    """
    gradient, direction = expect_array(name, got, value.shape), rng.standard_normal(value.shape)
    claimed, noise = float(np.sum(gradient * direction)), _noise(f, dy)
    for step in LARGE_STEPS:
        slope = slope_along(f, value, dy, direction, step)
        if abs(claimed - slope) <= tolerance * max(float(np.linalg.norm(gradient)), abs(slope)) + noise:
            return
    raise Wrong(f"along a random direction {name} gives the slope {claimed:.6g}, expected {slope:.6g}.")


def as_if(forward: Function, argument: str) -> Become:
    """Return for `suspects` what a gradient is if another forward was meant: its slopes along that argument."""

    def become(dy: Floats | float, given: Arguments, expected: Floats) -> Floats:
        inputs = [value for name, value in given.items() if name != "dy"]
        return slopes(lambda: forward(*inputs), given[argument], dy)

    return become


def expect_unchanged(arguments: Mapping[str, object], before: Mapping[str, Any]) -> None:
    """Raise `Wrong` if an array among the arguments is not what it was."""
    for name, value in arguments.items():
        if isinstance(value, np.ndarray):
            expect(np.array_equal(value, before[name], equal_nan=True), f"your function changed its argument {name}.")


def expect_within(answer: Answer, seconds: float = LARGE_SECONDS) -> None:
    """Raise `Wrong` if the last call took more processor time."""
    enough = answer.seconds <= seconds
    expect(enough, f"took {answer.seconds:.1f} s, expected at most {seconds:g} s: where is a loop over numbers?")


def ask(answer: Answer, given: Arguments, function: str, names: Sequence[str]) -> dict[str, Any]:
    """Call a function of the answer with copies of the arguments, and return by name what it returns."""
    got = getattr(answer, function)(*map(_copy, given.values()))
    return dict(zip(names, expect_values(got, names), strict=True))


def common_findings(
    exercise: Exercise,
    function: str,
    names: Sequence[str],
    *,
    draw: Callable[[Answer, tuple[int, ...]], Arguments],
    small: tuple[int, ...],
    large: tuple[int, ...],
    look: Look,
    points: tuple[float, float, float] = (1, 1, 2),
) -> None:
    """Add what every function is looked at for, on the side: its arguments, float32, and a large case in time.

    draw: `draw(answer, shape)` gives all arguments by name, in order. look: `look(answer, name, value, arguments)`
    raises `Wrong` unless a value that the function returned is right; the large case is looked at for the values that
    are right in a small one. points: of the three findings.
    """

    call = partial(ask, function=function, names=names)

    @exercise.finding("arguments unchanged", points[0], side=True)
    def _unchanged(answer: Answer) -> None:
        given = draw(answer, small)
        before = {name: _copy(value) for name, value in given.items()}
        getattr(answer, function)(*given.values())
        expect_unchanged(given, before)

    @exercise.finding("float32 stays float32", points[1], side=True)
    def _float32(answer: Answer) -> None:
        given = {name: _cast(value, np.float32) for name, value in draw(answer, small).items()}
        wide = call(answer, {name: _cast(value, np.float64) for name, value in given.items()})
        scale = 1e-3 * max(float(np.abs(value).max(initial=0)) for value in wide.values())
        for name, value in call(answer, given).items():
            array = expect_array(name, value, np.shape(wide[name]), np.float32)
            alike = compare(name, array, np.asarray(wide[name]), 1e-3, floor=max(scale, 1e-6)).ok
            expect(alike, f"{name} of float32 numbers is far from {name} of the same numbers as float64.")

    @exercise.finding("a large case in time", points[2], side=True)
    def _large(answer: Answer) -> None:
        given = draw(answer, small)
        right = [name for name, value in call(answer, given).items() if _holds(look, answer, name, value, given)]
        given = draw(answer, large)
        got = call(answer, given)
        expect_within(answer)
        for name in right:
            look(answer, name, got[name], given)


def backward_exercise(
    lab: Lab,
    function: str,
    title: str,
    *,
    forward: Function,
    draw: Callable[..., Arguments],
    gradients: Mapping[str, tuple[str, float, str]],
    shapes: Sequence[tuple[int, ...]],
    large: tuple[int, ...],
    suspects: Mapping[str, Sequence[tuple[str, Become]]] | None = None,
    personal: Sequence[str] = (),
    arguments: float = 1,
    float32: float = 1,
    speed: float = 2,
) -> Exercise:
    """Add an exercise that asks for `function(dy, *arguments)`, the backward of `forward(*arguments)`.

    draw: `draw(answer, *shape)` gives the arguments by name, in order. gradients: what the function returns, in order:
    name → (the argument it belongs to, points, the question to ask). shapes: those of the small cases. large: one that
    differences inside an answer could not do in time: make the axis long along which numbers reach each other.
    suspects: for a gradient, messages and functions of (dy, arguments and personal numbers by name, expected) that give
    what the mistake gives; a message may name them, as in "your p is {p}". personal: the student's numbers that
    `forward` takes by name, and the function does not. arguments, float32, speed: the points for leaving arguments as
    they are, for float32 results of float32 arguments, and for the large case.
    """
    exercise = lab.exercise(function, title)
    names = list(gradients)

    def own(answer: Answer) -> Arguments:
        return {name: answer.personal[name] for name in personal}

    def drawn(answer: Answer, shape: tuple[int, ...]) -> Arguments:
        given = draw(answer, *shape)
        size = np.shape(forward(*given.values(), **own(answer)))
        return {"dy": answer.rng.standard_normal(size) if size else answer.rng.standard_normal() + 2.0, **given}

    def add_gradient(name: str, argument: str, points: float, question: str) -> None:
        @exercise.finding(name, points, question)
        def look(answer: Answer) -> None:
            for shape in shapes:
                dy, *rest = (given := drawn(answer, shape)).values()
                mine = ask(answer, given, function, names)[name]
                numbers = {**given, **own(answer)}
                known = [
                    (text.format(**numbers), partial(become, dy, numbers))
                    for text, become in (suspects or {}).get(name, ())
                ]
                _expect_in_case(name, mine, partial(forward, *rest, **own(answer)), argument, given, known)

    for name, (argument, points, question) in gradients.items():
        add_gradient(name, argument, points, question)

    def look_large(answer: Answer, name: str, got: object, given: Arguments) -> None:
        dy, *rest = given.values()
        f = partial(forward, *rest, **own(answer))
        expect_slope(name, got, f, given[gradients[name][0]], dy, answer.rng)

    common_findings(
        exercise,
        function,
        names,
        draw=drawn,
        small=shapes[0],
        large=large,
        look=look_large,
        points=(arguments, float32, speed),
    )
    return exercise


def _expect_in_case(
    name: str,
    value: object,
    f: Callable[[], npt.ArrayLike],
    argument: str,
    given: Arguments,
    suspects: Sequence[Suspect],
) -> None:
    """Do as `expect_gradient`; what is `Wrong` names the shape and the texts of the case."""
    try:
        expect_gradient(name, value, f, given[argument], given["dy"], suspects=suspects)
    except Wrong as wrong:
        texts = "".join(f", {k} {v!r}" for k, v in given.items() if isinstance(v, str))
        raise Wrong(f"with {argument} of shape {given[argument].shape}{texts}: {wrong}") from None


def _holds(look: Look, answer: Answer, name: str, value: object, given: Arguments) -> bool:
    try:
        look(answer, name, value, given)
    except Wrong:
        return False
    return True


def _cast(value: Any, dtype: npt.DTypeLike) -> Any:
    floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(dtype) if floats else value


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value

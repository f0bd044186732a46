"""A reader's own pair, forward and backward, as what the page is given; and a referee's word on its gradients."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from albert_np.explore.engine import replay
from albert_np.explore.export import Arrays, Json, export_rows
from albert_np.explore.program import program_of
from albert_np.explore.rows import Program
from albert_np.explore.tape import Step, Tape, TapeArray

__all__ = ["Claim", "pair_pass"]

AGREE = 1e-6  # how far a gradient may be from the differences, relative to them
LARGEST = 2_000_000  # numbers that a page computes
STEPS = (1e-3, 1e-5)  # of the differences: the second where the first one is too wide
UPSTREAM, DIRECTION = 0xA1BE27, 0x5EED  # seeds that a reader's own inputs do not have


class Claim(NamedTuple):
    """`name`, in the backward function, is said to be the gradient of `of`, in the forward function."""

    name: str
    of: str
    forward: int  # the values' numbers
    backward: int
    slope: float  # Σ of the gradient along a random direction, by differences
    said: float  # the same by the backward function
    holds: bool  # the two agree; at a kink, where slopes differ on its sides, `said` lies between them


def pair_pass(
    forward: Callable[..., Any], backward: Callable[..., Any], inputs: Sequence[Any] | Mapping[str, Any]
) -> tuple[Json, Arrays, Program, list[Claim]]:
    """Run `y, cache = forward(*inputs)` and `backward(dy, cache)` with a random dy; return the page's data and numbers,
    the program, and the claims.

    inputs: in order, or by name; floating-point arrays are differentiated, anything else is passed on. Every local
    variable `dNAME` of the backward function is a claim about the forward function's `NAME`, unless a loop gives one of
    the two several values; the arrays that it returns are claims about the inputs in the order of the forward
    function's arguments. Each is held against differences of the recorded forward pass. TypeError and ValueError say
    what is wrong with the inputs, and with what the functions return.
    """
    tape = Tape(followed={inspect.unwrap(f).__code__.co_filename for f in (forward, backward)})
    arguments = {name: _argument(tape, name, x) for name, x in _bound(forward, inputs).items()}
    starts = {name: x.value for name, x in arguments.items() if isinstance(x, TapeArray) and x.value is not None}
    if not starts:
        raise ValueError("none of the inputs is an array of floating-point numbers: there is nothing to differentiate")
    rng = np.random.default_rng(UPSTREAM)
    with tape.running():
        outputs, cache = _results(forward(**arguments))
        values = [_made(tape, array, starts) for array in outputs]
        upstream = [TapeArray(rng.standard_normal(array.shape)) for array in outputs]
        probes = {value: dy.inner.copy() for value, dy in zip(values, upstream, strict=True)}
        for array, name in zip(upstream, inspect.signature(backward).parameters, strict=False):
            tape.values[tape.add(array, live=True)].name = name
        tape.turn_back()
        gradients = _gradients(tape, backward(*upstream, cache), [(name, arguments[name]) for name in starts])
    found = {name: tape.number(gradient).value for name, gradient in zip(starts, gradients, strict=True)}
    program = program_of(tape, None, [*probes, *found.values()])
    if sum(program.values[i].array.size for row in program.rows for i in row.out) > LARGEST:
        raise ValueError(f"the pair computes more than {LARGEST:,} numbers: give smaller inputs")
    given = set(inspect.signature(backward).parameters)
    for name, value in found.items():
        program.values[value].name = program.values[value].name or f"d{name}"
    claims = _claims(program, tape, starts, found, probes, given)
    arrays = Arrays()
    data = export_rows(program, arrays, lambda shape, row, value: [""] * len(shape))
    numbers = data.pop("numbers")
    data |= {
        "version": 1,
        "kind": "pair",
        "model": {"class": f"{forward.__name__}, {backward.__name__}", "parameters": 0, "config": {}},
        "tokens": [],
        "asked": [],
        "vocabulary": None,
        "params": [],
        "loss": None,
        "probe": [{"value": numbers[v], "upstream": arrays.add(x)} for v, x in probes.items()],
        "outputs": {},
        "places": {},
        "claims": [
            {
                "name": c.name,
                "of": c.of,
                "forward": numbers[c.forward],
                "backward": numbers[c.backward],
                "holds": c.holds,
            }
            for c in claims
            if c.forward in numbers and c.backward in numbers
        ],
        "arrays": arrays.table,
    }
    return data, arrays, program, claims


def _bound(forward: Callable[..., Any], inputs: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs by name, in the order of the function's arguments."""
    signature = inspect.signature(forward)
    try:
        bound = signature.bind(**inputs) if isinstance(inputs, Mapping) else signature.bind(*inputs)
    except TypeError as error:
        raise TypeError(f"inputs do not fit {forward.__name__}{signature}: {error}") from None
    return dict(bound.arguments)


def _argument(tape: Tape, name: str, x: Any) -> Any:
    if isinstance(x, np.ndarray | np.floating) and np.asarray(x).dtype.kind == "f":
        if not np.isfinite(x).all():
            raise ValueError(f"{name} holds NaN or infinity")
        array = TapeArray(np.array(x, dtype=np.float64))
        tape.values[tape.add(array, live=True)].name = name
        return array
    return TapeArray(np.array(x)) if isinstance(x, np.ndarray) else x


def _results(result: object) -> tuple[list[TapeArray], Any]:
    """Return the arrays and the cache that a forward function returned."""
    if not isinstance(result, tuple) or len(result) < 2:
        found = "None: is a `return` missing?" if result is None else f"one {_kind(result)}"
        raise TypeError(f"forward must return its result and a cache, (y, cache); it returned {found}")
    *outputs, cache = result
    for array in outputs:
        if not isinstance(array, TapeArray):
            raise TypeError(
                f"forward must return arrays before its cache, got {_kind(array)}; an array made by np.zeros and the "
                "like does not take recorded numbers: begin with np.zeros_like of an input"
            )
    return outputs, cache


def _kind(x: object) -> str:
    return "array" if isinstance(x, TapeArray) else type(x).__name__


def _made(tape: Tape, array: TapeArray, starts: Mapping[str, int]) -> int:
    """Return the number of an output; ValueError where it was not computed from the inputs."""
    if array.value is None or array.value in starts.values():
        raise ValueError("forward returned an array that it did not compute from its floating-point inputs")
    return array.value


def _gradients(tape: Tape, returned: object, inputs: list[tuple[str, TapeArray]]) -> list[Any]:
    """Return one array for each input; the errors name the input whose gradient is not one."""
    if returned is None:
        raise TypeError("backward returned None: is a `return` missing?")
    gradients = list(returned) if isinstance(returned, tuple | list) else [returned]
    names = ", ".join(name for name, _ in inputs)
    if len(gradients) != len(inputs):
        raise ValueError(
            f"backward returned {len(gradients)} gradients, expected {len(inputs)}: one for each array of "
            f"floating-point numbers, {names}"
        )
    for i, (gradient, (name, x)) in enumerate(zip(gradients, inputs, strict=True)):
        if isinstance(gradient, int | float | np.ndarray | np.floating):
            gradients[i] = gradient = tape.known(np.asarray(gradient, dtype=np.float64))
        if not isinstance(gradient, TapeArray):
            found = "None" if gradient is None else _kind(gradient)
            raise TypeError(
                f"backward returned {found} as the gradient of {name}; give an array, of zeros if it is none"
            )
        if gradient.shape != x.shape:
            raise ValueError(
                f"gradient {i} that backward returned has shape {gradient.shape}, its input {name} {x.shape}"
            )
    return gradients


def _claims(
    program: Program,
    tape: Tape,
    inputs: Mapping[str, int],
    gradients: Mapping[str, int],
    probes: Mapping[int, np.ndarray],
    given: set[str],
) -> list[Claim]:
    """Return what the backward function says of the forward function's variables, in the order in which it does.

    given: names of its own arguments, which say nothing.
    """
    made = {i: row for row in program.rows for i in row.out}
    looped = _looped(tape)
    own = [
        (v.name, i)
        for i, v in enumerate(program.values)
        if v.name and i in made and made[i].kind != "copy" and i not in looped
    ]
    forward = {name: i for name, i in own if not made[i].backward} | dict(inputs)
    pairs = [(f"d{name}", name, number) for name, number in gradients.items()]
    pairs += [
        (name, name[1:], i) for name, i in own if made[i].backward and name[1:] not in gradients and name not in given
    ]
    claims: list[Claim] = []
    for name, of, backward in pairs:
        if name.startswith("d") and of in forward and program.shape(backward) == program.shape(forward[of]):
            claims.append(_judged(program, name, of, forward[of], backward, probes))
            program.gradient_of[forward[of]] = backward
    order = {i: n for n, row in enumerate(program.rows) for i in row.out}
    return sorted(claims, key=lambda claim: order.get(claim.backward, 0))


def _looped(tape: Tape) -> set[int]:
    """Return the values made at a place of the code that was run several times: a name stands for the last alone."""
    places: dict[tuple[object, ...], list[Step]] = {}
    for step in tape.steps:
        chain: list[object] = [step.place]
        call = step.call
        while call is not None:
            chain.append((call.code, call.place))
            call = call.parent
        places.setdefault(tuple(chain), []).append(step)
    return {i for steps in places.values() if len(steps) > 1 for step in steps for i in step.results}


def _judged(
    program: Program, name: str, of: str, forward: int, backward: int, probes: Mapping[int, np.ndarray]
) -> Claim:
    """Move the forward value along a random direction and see whether the probes move as its gradient says."""
    x, dx = program.values[forward].array, program.values[backward].array
    rng = np.random.default_rng(DIRECTION)

    def moved(step: np.ndarray) -> float:
        values = replay(program, {forward: x + step})
        return sum(float((values[v] * dy).sum()) for v, dy in probes.items())

    def slope(step: np.ndarray, h: float) -> float:
        return (moved(h * step) - moved(-h * step)) / (2 * h)

    direction = rng.standard_normal(x.shape)
    said = float((dx * direction).sum())
    rounding = 1e-9 * sum(float(np.abs(program.values[v].array * dy).sum()) for v, dy in probes.items())
    slopes = []
    for h in STEPS:
        slopes.append((4 * slope(direction, h / 2) - slope(direction, h)) / 3)
        if abs(slopes[-1] - said) <= AGREE * max(abs(slopes[-1]), abs(said)) + rounding:
            return Claim(name, of, forward, backward, slopes[-1], said, True)
    at_kink = all(_at_kink(moved, v, float((dx * v).sum())) for v in rng.standard_normal((8, *x.shape)))
    return Claim(name, of, forward, backward, slopes[0], said, at_kink)


def _at_kink(moved: Callable[[np.ndarray], float], direction: np.ndarray, said: float) -> bool:
    """Whether the slopes on the two sides differ, and what is said lies between them."""
    h = STEPS[-1]
    here = moved(0 * direction)
    sides = sorted([(moved(h * direction) - here) / h, (here - moved(-h * direction)) / h])
    slack = 1e-3 * max(map(abs, sides))
    return sides[1] - sides[0] > slack and sides[0] - slack <= said <= sides[1] + slack

"""A reader's own pair, forward and backward, as what the page is given; and a referee's word on its gradients."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from albert_np.explore.engine import replay
from albert_np.explore.export import Arrays, export_rows
from albert_np.explore.program import program_of
from albert_np.explore.rows import Program
from albert_np.explore.tape import Tape, TapeArray

__all__ = ["Claim", "pair_pass"]

AGREE = 1e-6  # how far a gradient may be from the differences, relative to them


class Claim(NamedTuple):
    """`name`, in the backward function, is said to be the gradient of `of`, in the forward function."""

    name: str
    of: str
    forward: int  # the values' numbers
    backward: int
    slope: float  # Σ of the gradient along a random direction, by differences
    said: float  # the same by the backward function

    @property
    def holds(self) -> bool:
        """Whether the two agree."""
        return abs(self.slope - self.said) <= AGREE * max(abs(self.slope), abs(self.said), 1e-6)


def pair_pass(
    forward: Callable[..., Any], backward: Callable[..., Any], inputs: Sequence[Any] | Mapping[str, Any]
) -> tuple[dict[str, Any], Arrays, list[Claim]]:
    """Run `y, cache = forward(*inputs)` and `backward(dy, cache)` with a random dy, and return the page's data.

    inputs: in order, or by name; floating-point arrays are differentiated, anything else is passed on. Every local
    variable `dNAME` of the backward function is a claim about the forward function's `NAME`, and the arrays that it
    returns are claims about the inputs in their order; each is held against differences of the recorded forward pass.
    TypeError and ValueError say what is wrong with what the functions return.
    """
    names = list(inspect.signature(forward).parameters)
    given = dict(inputs) if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
    tape = Tape(followed={f.__code__.co_filename for f in (forward, backward)})
    arguments = {name: _argument(tape, name, x) for name, x in given.items()}
    inputs = {name: x.value for name, x in arguments.items() if isinstance(x, TapeArray) and x.value is not None}
    rng = np.random.default_rng(0)
    with tape.running():
        outputs, cache = _results(forward(**arguments))
        for array in outputs:
            if array.value is None:
                raise ValueError("forward returned an array that does not depend on its inputs")
        upstream = [TapeArray(rng.standard_normal(array.shape)) for array in outputs]
        for array in upstream:
            tape.add(array, live=True)
        tape.turn_back()
        returned = backward(*upstream, cache)
    gradients = [returned] if isinstance(returned, TapeArray) else returned
    _check_returned(gradients, [arguments[name] for name in inputs])
    probes = {tape.number(array).value: dy.inner for array, dy in zip(outputs, upstream, strict=True)}
    numbers = [tape.number(g).value for g in gradients if g is not None]
    program = program_of(tape, None, [*probes, *numbers])
    claims = _claims(program, inputs, dict(zip(inputs, numbers, strict=False)), probes)
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
    return data, arrays, claims


def _argument(tape: Tape, name: str, x: Any) -> Any:
    if isinstance(x, np.ndarray | np.floating) and np.asarray(x).dtype.kind == "f":
        array = TapeArray(np.array(x, dtype=np.float64))
        tape.values[tape.add(array, live=True)].name = name
        return array
    return TapeArray(np.array(x)) if isinstance(x, np.ndarray) else x


def _results(result: Any) -> tuple[list[TapeArray], Any]:
    """Return the arrays and the cache that a forward function returned."""
    if not isinstance(result, tuple) or len(result) < 2:
        found = "None: is a `return` missing?" if result is None else type(result).__name__
        raise TypeError(f"forward must return its result and a cache, (y, cache); it returned {found}")
    *outputs, cache = result
    for array in outputs:
        if not isinstance(array, TapeArray):
            raise TypeError(f"forward must return arrays before its cache, got {type(array).__name__}")
    return outputs, cache


def _check_returned(gradients: Any, inputs: list[TapeArray]) -> None:
    if gradients is None:
        raise TypeError("backward returned None: is a `return` missing?")
    if len(gradients) != len(inputs):
        raise ValueError(f"backward returned {len(gradients)} gradients, expected {len(inputs)}: one for each input")
    for i, (gradient, x) in enumerate(zip(gradients, inputs, strict=True)):
        if gradient is not None and np.shape(getattr(gradient, "inner", gradient)) != x.shape:
            shape = np.shape(getattr(gradient, "inner", gradient))
            raise ValueError(f"gradient {i} that backward returned has shape {shape}, its input {x.shape}")


def _claims(
    program: Program, inputs: Mapping[str, int], gradients: Mapping[str, int], probes: Mapping[int, np.ndarray]
) -> list[Claim]:
    """Return what the backward function says of the forward function's variables, in the order in which it does."""
    made = {i: row for row in program.rows for i in row.out}
    own = [(v.name, i) for i, v in enumerate(program.values) if v.name and i in made and made[i].kind != "copy"]
    forward = {name: i for name, i in own if not made[i].backward} | dict(inputs)
    pairs = [(f"d{name}", name, number) for name, number in gradients.items()]
    pairs += [(name, name[1:], i) for name, i in own if made[i].backward]
    claims: dict[tuple[str, int], Claim] = {}
    for name, of, backward in pairs:
        if name.startswith("d") and of in forward and program.shape(backward) == program.shape(forward[of]):
            claims.setdefault((of, backward), _judged(program, name, of, forward[of], backward, probes))
            program.gradient_of[forward[of]] = backward
    order = {i: n for n, row in enumerate(program.rows) for i in row.out}
    return sorted(claims.values(), key=lambda claim: order.get(claim.backward, 0))


def _judged(
    program: Program, name: str, of: str, forward: int, backward: int, probes: Mapping[int, np.ndarray]
) -> Claim:
    """Move the forward value along a random direction and see whether the probes move as its gradient says."""
    x = program.values[forward].array
    direction = np.random.default_rng(1).standard_normal(x.shape)

    def slope(h: float) -> float:
        ends = [replay(program, {forward: x + sign * h * direction}) for sign in (1, -1)]
        moved = [sum(float((values[v] * dy).sum()) for v, dy in probes.items()) for values in ends]
        return (moved[0] - moved[1]) / (2 * h)

    h = 1e-3
    said = float((program.values[backward].array * direction).sum())
    return Claim(name, of, forward, backward, (4 * slope(h / 2) - slope(h)) / 3, said)

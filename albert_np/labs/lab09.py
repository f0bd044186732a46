"""Lab 9: change ALBERT. A student's pair is proved on its own, then inside whole models, by `albert_np.labs.swap`."""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from albert_np import ops
from albert_np.backend import Array, Floats
from albert_np.changes import SIZES, Parameter
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function
from albert_np.labs.checks import (
    STEP,
    expect,
    expect_array,
    expect_gradient,
    expect_same,
    expect_slope,
    expect_unchanged,
    expect_within,
    slope_along,
)
from albert_np.labs.points import Answer, AnswerFailed, Lab, Wrong
from albert_np.labs.swap import KINDS, Part, swap
from albert_np.model import AlbertForMaskedLM
from albert_np.training import AdamW

__all__ = ["LAB", "PARTS"]

Batch = dict[str, np.ndarray]  # arguments of a model, by name
PARTS = ("norm", "activation", "attention", "feed_forward", "wiring")
LONGEST, MOST = 12, 10_000  # steps of a schedule; numbers of an array that an answer brings
FUNCTIONS = ("attention", "feed_forward", "norm_1", "norm_2")  # that a wiring is given
LAB = Lab("09", "Capstone: change ALBERT", hours=40, notebooks=("10", "11", "17"))
part = LAB.exercise("part", "Your part, alone and in the model", ("change", "part_forward", "part_backward"))
special = LAB.exercise("special_case", "Where it is ALBERT", ("change", "part_forward", "special_case"))


class Change(NamedTuple):
    part: str
    own: dict[str, Parameter] | None
    schedule: tuple[int, ...] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arrays whose gradients backward returns."""
        kind = KINDS[self.part]
        return (*kind.arrays, *(kind.default if self.own is None else self.own))


def _change(answer: Answer) -> Change:
    """Return what `change()` says; `Wrong` names what it may not be."""
    found = answer.change()
    expect(isinstance(found, Mapping), f"change() returned a {type(found).__name__}, expected a dict")
    unknown = set(found) - {"part", "parameters", "schedule"}
    expect(not unknown, f"change() holds {sorted(unknown)}; it may hold 'part', 'parameters' and 'schedule'")
    expect(found.get("part") in PARTS, f"change()['part'] is {found.get('part')!r}; it may be {', '.join(PARTS)}")
    pair = (lambda *_: None, lambda *_: None)
    try:
        own = Part(found["part"], (*pair, found["parameters"])).own if "parameters" in found else None
    except (TypeError, ValueError) as error:
        raise Wrong(f"change(): {error}") from None
    schedule = found.get("schedule")
    expect(schedule is None or all(type(group) is int for group in schedule), f"change(): schedule={schedule!r}")
    short = schedule is None or 1 <= len(schedule) <= LONGEST
    expect(short, f"change(): a schedule of {len(schedule or ())} steps; at most {LONGEST} are tried")
    for name, parameter in (own or {}).items():
        numbers = math.prod(size if isinstance(size, int) else 8 for size in parameter.shape)
        expect(numbers <= MOST, f"change(): {name} has {numbers:,} numbers; at most {MOST:,} are tried")
    return Change(found["part"], own, None if schedule is None else tuple(schedule))


# The part alone.


class Case(NamedTuple):
    """Arguments of a part: `arrays`, by name, have gradients; `given` comes after them, `back` after backward's."""

    arrays: dict[str, Array]
    given: tuple[Any, ...]
    back: Callable[[], tuple[Any, ...]] = tuple


SMALL = ((2, 3, 2, 2, 5), (1, 1, 1, 2, 3), (3, 2, 1, 4, 1))  # B, T, N, D, I
LARGE = (8, 32, 4, 32, 256)


def _case(change: Change, rng: np.random.Generator, sizes: tuple[int, ...]) -> Case:
    batch, positions, heads, width, inner = sizes
    hidden = heads * width
    known = dict(zip("VEHINDLGT", (7, 3, hidden, inner, heads, width, 2, 1, positions), strict=True)) | {"W": hidden}
    wide = {"activation": inner}.get(change.part, hidden)
    shape = (batch, heads, positions, width) if change.part == "attention" else (batch, positions, wide)
    arrays: dict[str, Array] = {name: rng.normal(0.2, 1, shape) for name in KINDS[change.part].arrays}
    if change.own is None:
        arrays |= _defaults(change.part, rng, hidden, inner)
    else:
        arrays |= {name: _drawn(rng, parameter, known) for name, parameter in change.own.items()}
    if change.part == "norm":
        return Case(arrays, (0.1,))
    if change.part == "attention":
        mask = np.where(np.arange(positions) < max(1, positions - 1), 0.0, np.finfo(np.float32).min / 2)
        return Case(arrays, (mask[None, None, None], 0.0, None))
    if change.part == "wiring":
        ways = [_Way(rng.normal(0, 1, (hidden, hidden)) / np.sqrt(hidden)) for _ in FUNCTIONS]
        return Case(arrays, tuple(way.forward for way in ways), lambda: tuple(way.backward for way in ways))
    return Case(arrays, ())


def _defaults(name: str, rng: np.random.Generator, hidden: int, inner: int) -> dict[str, Floats]:
    shapes: dict[str, tuple[int, ...]] = {
        "weight": (hidden,),
        "bias": (hidden,),
        "ffn.weight": (inner, hidden),
        "ffn.bias": (inner,),
        "ffn_output.weight": (hidden, inner),
        "ffn_output.bias": (hidden,),
    }
    return {each: rng.normal(1.0 if each == "weight" else 0.0, 0.5, shapes[each]) for each in KINDS[name].default}


def _drawn(rng: np.random.Generator, parameter: Parameter, known: Mapping[str, int]) -> Floats:
    """Return values around those that the parameter starts from: an array, of no axes for the shape ()."""
    shape = tuple(size if isinstance(size, int) else known[size] for size in parameter.shape)
    if parameter.start is None:
        return np.asarray(rng.normal(0, 0.5, shape))
    spread = rng.uniform(-1, 1, shape)
    return np.asarray(0.3 * spread if parameter.start == 0 else parameter.start * (1 + 0.2 * spread))


class _Way:
    """tanh(h M), and the way back through its last call: what a wiring is given in place of ALBERT's four parts."""

    def __init__(self, matrix: Floats) -> None:
        self.matrix, self.outputs = matrix, list[Floats]()

    def forward(self, h: Floats) -> Floats:
        y = np.tanh(h @ self.matrix.astype(h.dtype))
        self.outputs.append(y)
        return y

    def backward(self, dy: Floats) -> Floats:
        expect(self.outputs, "a way back was taken more often than the way there")
        return (dy * (1 - self.outputs.pop() ** 2)) @ self.matrix.T.astype(dy.dtype)


def _forward(answer: Answer, case: Case) -> Array:
    """Return y; a wiring's functions forget what they were called with."""
    y, _ = _both(answer.part_forward(*(value.copy() for value in case.arrays.values()), *case.given))
    _forget(case)
    return y


def _forget(case: Case) -> None:
    for function in case.given:
        if isinstance(getattr(function, "__self__", None), _Way):
            function.__self__.outputs.clear()


def _both(result: Any) -> tuple[Any, Any]:
    good = isinstance(result, tuple | list) and len(result) == 2
    expect(good, "part_forward must return y and a cache")
    return result[0], result[1]


def _gradients(answer: Answer, change: Change, case: Case, dy: Floats) -> dict[str, Any]:
    """Return the gradients by the names of the arrays."""
    _forget(case)
    y, cache = _both(answer.part_forward(*(value.copy() for value in case.arrays.values()), *case.given))
    expect_array("y", y, next(iter(case.arrays.values())).shape)
    result = answer.part_backward(dy.copy(), cache, *case.back())
    gradients = tuple(result) if isinstance(result, tuple | list) else (result,)
    wanted = ", ".join(f"d{name}" for name in change.names)
    expect(len(gradients) == len(change.names), f"part_backward returned {len(gradients)} gradients, expected {wanted}")
    return dict(zip(change.names, gradients, strict=True))


def _expect_gradients(answer: Answer, wanted: Callable[[Change], tuple[str, ...]]) -> None:
    change = _change(answer)
    for sizes in SMALL:
        case = _case(change, answer.rng, sizes)
        dy = answer.rng.standard_normal(next(iter(case.arrays.values())).shape)
        got = _gradients(answer, change, case, dy)
        for name in wanted(change):
            expect_gradient(f"d{name}", got[name], partial(_forward, answer, case), case.arrays[name], dy)


@part.finding("gradients of the arrays", 10, "Does your pair agree with differences of your own forward?")
def _arrays(answer: Answer) -> None:
    _expect_gradients(answer, lambda change: KINDS[change.part].arrays)


@part.finding("gradients of the parameters", 5, "Is each summed over the axes that the parameter does not have?")
def _parameters(answer: Answer) -> None:
    _expect_gradients(answer, lambda change: change.names[len(KINDS[change.part].arrays) :] or change.names)


@part.finding("something else than ALBERT", 2, side=True)
def _else(answer: Answer) -> None:
    change = _change(answer)
    case = _case(change, answer.rng, SMALL[0])
    y = _forward(answer, case)
    for known in _of_albert(change, case):
        same = np.allclose(y, known, rtol=1e-9, atol=1e-9)
        expect(not same, "part_forward computes what ALBERT computes: what is changed?")


def _of_albert(change: Change, case: Case) -> Iterator[Floats]:
    """Yield what ALBERT's own parts give for these arrays, where they take such arrays."""
    arrays = list(case.arrays.values())
    x = arrays[0]
    if change.part == "norm":
        ones, zeros = np.ones(x.shape[-1]), np.zeros(x.shape[-1])
        own = [value for value in arrays[1:] if value.shape == ones.shape]
        yield ops.layer_norm_forward(x, *[*own, *[ones, zeros][len(own) :]][:2], *case.given)[0]
        yield ops.layer_norm_forward(x, ones, zeros, *case.given)[0]
    if change.part == "activation":
        yield from (ops.activation_forward(x, name)[0] for name in ops.ACTIVATIONS)
    if change.part == "attention":
        yield ops.attention_forward(*arrays[:3], *case.given)[0]
    if change.part == "feed_forward" and change.own is None:
        yield from (_feed_forward(*arrays, *[name]) for name in ops.ACTIVATIONS)
    if change.part == "wiring" and change.schedule is None:
        yield _post_norm(x, *case.given)


def _feed_forward(*given: Any) -> Array:
    x, weight, bias, output_weight, output_bias, name = given
    return ops.activation_forward(x @ weight.T + bias, name)[0] @ output_weight.T + output_bias


def _post_norm(x: Floats, attention: Function, feed_forward: Function, norm_1: Function, norm_2: Function) -> Array:
    h = norm_1(x + attention(x))
    return norm_2(h + feed_forward(h))


@part.finding("arguments unchanged", 1, side=True)
def _unchanged(answer: Answer) -> None:
    change = _change(answer)
    case = _case(change, answer.rng, SMALL[0])
    before = {name: value.copy() for name, value in case.arrays.items()}
    y, cache = _both(answer.part_forward(*case.arrays.values(), *case.given))
    dy = answer.rng.standard_normal(np.shape(y))
    passed = {"dy": dy, **case.arrays}
    answer.part_backward(dy, cache, *case.back())
    expect_unchanged(passed, {"dy": dy.copy(), **before})


@part.finding("a large case in time", 2, side=True)
def _large(answer: Answer) -> None:
    change = _change(answer)
    case = _case(change, answer.rng, LARGE)
    first = next(iter(case.arrays))
    dy = answer.rng.standard_normal(case.arrays[first].shape)
    got = _gradients(answer, change, case, dy)
    expect_within(answer)
    expect_slope(f"d{first}", got[first], lambda: _forward(answer, case), case.arrays[first], dy, answer.rng, 1e-5)


# The part in whole models.


@contextmanager
def _swapped(answer: Answer) -> Iterator[Change]:
    """Put the answer's part in force; `Wrong` for what it gives the model that does not fit."""
    change = _change(answer)

    def part_forward(*given: Any) -> Array:
        return answer.part_forward(*given)

    def part_backward(*given: Any) -> Array:
        return answer.part_backward(*given)

    pair = (part_forward, part_backward) if change.own is None else (part_forward, part_backward, change.own)
    parts: dict[str, Any] = {change.part: pair}
    try:
        with swap(**parts, schedule=change.schedule):
            yield change
    except (AnswerFailed, Wrong):
        raise
    except (TypeError, ValueError) as error:
        raise Wrong(f"in the model: {error}") from None


def _model(change: Change, rng: np.random.Generator, steps: int, dtype: str = "float64") -> AlbertForMaskedLM:
    """Return a small model whose parameters, the own ones too, are not where they start."""
    schedule = change.schedule
    config = AlbertConfig(
        vocab_size=19,
        embedding_size=6,
        hidden_size=8,
        num_hidden_layers=steps if schedule is None else len(schedule),
        num_attention_heads=2,
        intermediate_size=10,
        max_position_embeddings=7,
        layer_norm_eps=1e-6,
    )
    model = AlbertForMaskedLM(config, dtype=dtype, seed=int(rng.integers(2**31))).eval()
    known = {symbol: getattr(config, field) for symbol, field in SIZES.items()}
    for name, weight in model.params.items():
        own = _own(change, name)
        drawn = rng.normal(0, 0.3, weight.shape) + (weight if weight.ndim == 1 else 0)
        weight[...] = drawn if own is None else _drawn(rng, own, {**known, "W": weight.shape[-1] if weight.ndim else 1})
    return model


def _own(change: Change, name: str) -> Parameter | None:
    inside = name.startswith("albert.") and (change.part != "norm" or "LayerNorm" in name or "layer_norm" in name)
    owns = change.own or {}
    return next((parameter for end, parameter in owns.items() if inside and name.endswith(f".{end}")), None)


def _batch(rng: np.random.Generator, lengths: tuple[int, ...] = (5, 5)) -> Batch:
    mask = (np.arange(5) < np.array(lengths)[:, None]).astype(np.int64)
    asked = (rng.random(mask.shape) < 0.5) & (mask == 1)
    asked[:, 1] = True
    ids = rng.integers(4, 19, mask.shape)
    return {"input_ids": ids, "attention_mask": mask, "labels": np.where(asked, rng.integers(4, 19, mask.shape), -100)}


def _loss_and_gradients(model: AlbertForMaskedLM, batch: Batch, **options: Any) -> tuple[float, Floats]:
    model.zero_grad()
    loss = float(model(**batch, **options).loss)
    model.backward()
    return loss, model.grads.flat.copy()


def _expect_model(answer: Answer, steps: int, lengths: tuple[int, ...] = (5, 5), skip: bool = False) -> None:
    """Raise `Wrong` unless, on five seeds, the gradient of all parameters gives the slope along a random direction."""
    for seed in range(5):
        with _swapped(answer) as change:
            model, batch = _model(change, answer.rng, steps), _batch(answer.rng, lengths)
            loss, gradients = _loss_and_gradients(model, batch)
            _expect_direction(model, batch, gradients, answer.rng, f"seed {seed} of 5: ")
            if skip:
                other, skipped = _loss_and_gradients(model, batch, skip_padding=True)
                far = np.abs(skipped - gradients).max() / np.abs(gradients).max()
                good = abs(other - loss) < 1e-9 * abs(loss) and far < 1e-9
                message = f"seed {seed} of 5: the loss is {loss:.8g} with padding masked, {other:.8g} with it skipped"
                expect(good, f"{message}, and gradients differ by {far:.1e}; does a row know of others?")


def _expect_direction(
    model: AlbertForMaskedLM, batch: Batch, gradients: Floats, rng: np.random.Generator, where: str
) -> None:
    direction = rng.standard_normal(gradients.shape)
    claimed, slope = float(gradients @ direction), np.nan
    for step in (STEP / 10, STEP / 40, 1e-6, 1e-8):  # the last for what is near a kink
        slope = slope_along(lambda: model(**batch, grad=False).loss, model.params.flat, 1.0, direction, step)
        if abs(claimed - slope) <= 1e-6 * max(float(np.linalg.norm(gradients)), abs(slope)):
            return
    raise Wrong(f"{where}along a random direction of all parameters the loss rises by {slope:.6g}, the gradient says "
                f"{claimed:.6g}")  # fmt: skip


@part.finding("one layer step, five seeds", 5, "Which of its gradients does the model use?")
def _one_step(answer: Answer) -> None:
    _expect_model(answer, 1)


@part.finding("a layer that is used again, five seeds", 5, "Does a call remember another one?")
def _shared(answer: Answer) -> None:
    _expect_model(answer, 3)


@part.finding("padding, masked and skipped, five seeds", 5, "What does your part do with the mask?")
def _padded(answer: Answer) -> None:
    _expect_model(answer, 2, (5, 3), skip=True)


@part.finding("float32", 2, "Where does a number of 64 bits come in?")
def _float32(answer: Answer) -> None:
    with _swapped(answer) as change:
        wide = _model(change, np.random.default_rng(5), 2)
        batch = _batch(answer.rng)
        loss, gradients = _loss_and_gradients(wide, batch)
        narrow = _model(change, np.random.default_rng(5), 2, dtype="float32")
        other, others = _loss_and_gradients(narrow, batch)
        expect_same("the loss in float32", np.float64(other), np.float64(loss), 1e-4)
        far = np.abs(others - gradients).max() / np.abs(gradients).max()
        expect(far < 1e-3, f"gradients in float32 differ by {far:.1e} of the largest")


@part.finding("saved and resumed", 3, "Does your part keep something between calls?")
def _resumed(answer: Answer) -> None:
    with _swapped(answer) as change, tempfile.TemporaryDirectory() as folder:
        model = _model(change, answer.rng, 2, dtype="float32")
        first = model.params.flat.copy()
        batches = [_batch(answer.rng) for _ in range(4)]
        optimizer = AdamW(model.params, model.grads, weight_decay=0.0)
        _train(model, optimizer, batches[:2])
        model.save_pretrained(folder)
        loaded = AlbertForMaskedLM.from_pretrained(folder)
        again = AdamW(loaded.params, loaded.grads, weight_decay=0.0)
        again.load_state_dict({name: value.copy() for name, value in optimizer.state_dict().items()})
        _train(model, optimizer, batches[2:])
        _train(loaded, again, batches[2:])
        expect(bool((loaded.params.flat == model.params.flat).all()), "a resumed run ends at other numbers")
        expect(bool((model.params.flat != first).any()), "no parameter has learned")
        still = [name for name in change.own or {} if not _moved(model, name, first)]
        expect(not still, f"your parameter {', '.join(still)} never learns: its gradient is 0")


def _moved(model: AlbertForMaskedLM, end: str, first: Floats) -> bool:
    for name, (start, shape) in model.layout.slots.items():
        if name.endswith(f".{end}") and name.startswith("albert.encoder."):
            size = int(np.prod(shape))
            return bool((model.params.flat[start : start + size] != first[start : start + size]).any())
    return True


def _train(model: AlbertForMaskedLM, optimizer: AdamW, batches: list[Batch]) -> None:
    for batch in batches:
        _loss_and_gradients(model, batch)
        optimizer.step(1e-2)


# The special case.


@special.finding("it equals ALBERT", 5, "For which parameters or inputs does it do what ALBERT's does?")
def _special(answer: Answer) -> None:
    change = _change(answer)
    for _ in range(3):
        found = answer.special_case(answer.rng)
        good = isinstance(found, tuple | list) and len(found) == 2 and all(isinstance(f, tuple | list) for f in found)
        expect(good, "special_case must return two tuples: arguments of your forward, and of ALBERT's")
        for value in [value for values in found for value in values if isinstance(value, np.ndarray)]:
            small = value.size <= MOST and max(value.shape, default=1) <= 64
            expect(small, f"an array of shape {value.shape}: at most 64 along an axis and {MOST:,} numbers are tried")
        own, albert = (_with_functions(change.part, values) for values in found)
        y = _both(answer.part_forward(*own))[0]
        expected = np.asarray(_albert(change.part, albert))
        expect(expected.ndim >= 3 and expected.std() > 1e-2, "ALBERT's part gives nearly the same number everywhere: "
               "choose arguments of three axes or more that show something")  # fmt: skip
        expect_same("y", y, expected, 1e-6, scale=1e-6)


def _with_functions(name: str, given: Sequence[object]) -> list[Any]:
    """Return a wiring's arguments with functions in the place of their names."""
    known = {"identity": lambda h: h, "tanh": np.tanh}
    if name != "wiring":
        return list(given)
    return [known.get(value, value) if isinstance(value, str) else value for value in given]


def _albert(name: str, given: list[Any]) -> Array:
    albert: dict[str, Function] = {
        "norm": lambda *given: ops.layer_norm_forward(*given)[0],
        "activation": lambda *given: ops.activation_forward(*given)[0],
        "attention": lambda *given: ops.attention_forward(*given)[0],
        "feed_forward": _feed_forward,
        "wiring": _post_norm,
    }
    try:
        return albert[name](*given)
    except (TypeError, ValueError, KeyError) as error:
        raise Wrong(f"ALBERT's {name} does not take these arguments: {error}") from None


LAB.written("derivation", "The derivation", 15)
LAB.written("runs", "The runs", 15)
LAB.written("report", "The report", 15)
LAB.written("viva", "The viva", 10)

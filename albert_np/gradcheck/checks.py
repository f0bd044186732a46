"""Proof of gradients: any forward and backward pair against finite differences, in float64.

The rule behind every check: pick a random upstream gradient dy, so that f(x) = Σ dy y(x) is one number; the backward
pass claims df/dx, and (f(x + h) - f(x - h)) / 2h says what it is. An upstream gradient of ones would let a zero
softmax or LayerNorm backward pass.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from types import EllipsisType
from typing import Any

import numpy as np

from albert_np.backend import Array, ArrayLike, backend_of
from albert_np.model import AlbertBase
from albert_np.schema import check_whole

__all__ = [
    "Comparison",
    "GradientError",
    "assert_gradients",
    "check_gradients",
    "check_model",
    "compare",
    "compare_results",
    "model_results",
    "named_outputs",
    "scattered",
    "upstream_like",
]

STEP = 1e-5  # truncation and rounding errors of a central difference in float64 are then both near 1e-10
TOLERANCE = 1e-6
Forward = Callable[..., tuple[Any, Any]]  # of a pair: its arguments → y, cache
Backward = Callable[[Any, Any], Any]  # of a pair: dy, cache → the gradients
# Values that move at once: an array, an index, and by how much for a step of 1.
Line = Sequence[tuple[Array, tuple[int, ...] | EllipsisType, float | Array]]


class GradientError(AssertionError):
    """A gradient is wrong; the message says which, where, and what was expected."""


@dataclass(frozen=True)
class Comparison:
    """One array against what it should be.

    max_rel is the largest difference divided by the largest expected magnitude: a relative error of the array, not of
    each number, so that entries that are zero but for rounding do not count as wrong. index is where the largest
    difference is. remark: what may explain it. zero: both arrays are so small beside the others that only rounding is
    left in them, as in the gradient of the key's bias, which is zero in exact arithmetic.
    """

    name: str
    max_abs: float
    max_rel: float
    index: tuple[int, ...]
    got: float
    expected: float
    tolerance: float
    remark: str = ""
    zero: bool = False

    @property
    def ok(self) -> bool:
        return self.max_rel <= self.tolerance

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "WRONG"
        where = list(self.index)
        return (
            f"{verdict}: {self.name}: relative error {self.max_rel:.1e} (allowed {self.tolerance:.0e}), "
            f"worst at {where}: got {self.got:.10g}, expected {self.expected:.10g}"
            + ("; zero but for rounding" if self.zero else "")
            + (f"; {self.remark}" if self.remark else "")
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the verdict, ready for JSON."""
        return {**asdict(self), "index": list(self.index), "ok": self.ok}


def compare(name: str, got: Array, expected: Array, tolerance: float, floor: float = 0.0) -> Comparison:
    """Compare two arrays of one shape, of any backend.

    floor: the smallest magnitude to measure errors against. Give it where an array is zero in exact arithmetic, like
    the gradient of the key's bias, so that nothing but rounding noise would be left to compare. ValueError if the
    shapes differ; NaN anywhere is an infinite error.
    """
    got, expected = (_to_numpy(x).astype(np.float64) for x in (got, expected))
    if got.shape != expected.shape:
        raise ValueError(f"{name}: got shape {got.shape}, expected {expected.shape}")
    if got.size == 0:
        return Comparison(name, 0.0, 0.0, (), 0.0, 0.0, tolerance)
    difference = np.nan_to_num(np.abs(got - expected), nan=np.inf)
    worst = tuple(int(i) for i in np.unravel_index(difference.argmax(), difference.shape))
    max_abs = float(difference[worst])
    size = float(np.abs(expected).max())
    scale = max(size, float(floor))
    max_rel = 0.0 if max_abs == 0 else max_abs / scale if scale > 0 else math.inf
    zero = bool(floor > 0 and size + max_abs <= tolerance * floor)
    return Comparison(name, max_abs, max_rel, worst, float(got[worst]), float(expected[worst]), tolerance, zero=zero)


def check_gradients(
    forward: Forward,
    backward: Backward,
    inputs: Mapping[str, Array],
    *,
    fixed: Mapping[str, object] | None = None,
    samples: int = 30,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> list[Comparison]:
    """Check any op: `y, cache = forward(**inputs, **fixed)` and `gradients = backward(dy, cache)`.

    inputs: the differentiable arguments by name, float64 arrays, in the order in which `backward` returns their
    gradients (one array, or a tuple). fixed: the other arguments. samples: coordinates tried in each input (all, if it
    has no more). y: an array or a number, or a tuple of them, of which dy is then one too. Returns one comparison an
    input, and one along a random direction through all of them at once.
    At a kink, such as relu's at 0, there is no one slope; a comparison that fails there says so. TypeError for inputs
    that are not float64; ValueError if the number or a shape of the gradients is wrong, or a `return` is missing, and
    for options that no check can be made with.
    """
    _check_options(samples, seed, tolerance)
    fixed = fixed or {}
    if not callable(forward) or not callable(backward) or not isinstance(inputs, Mapping):
        raise TypeError("forward and backward must be functions, inputs a dict: arguments by their names")
    for name, x in inputs.items():
        if getattr(x, "dtype", None) != np.float64:
            kind = getattr(x, "dtype", type(x).__name__)
            raise TypeError(f"finite differences need float64, but {name} is {kind}")
    values = {name: x.copy() for name, x in inputs.items()}
    _, upstreams, gradients = run_pair(forward, backward, values, fixed, seed)

    def run() -> list[Array]:
        y, _ = y_and_cache(forward(**values, **fixed))
        return listed(y)

    return _check(values, gradients, run, upstreams, samples, seed, tolerance)


def run_pair(
    forward: Forward,
    backward: Backward,
    inputs: Mapping[str, Array],
    fixed: Mapping[str, object],
    seed: int,
) -> tuple[list[Array], list[Array], dict[str, Array]]:
    """Return the outputs of a pair, random upstream gradients of them, and the gradients of the inputs by name."""
    y, cache = y_and_cache(forward(**inputs, **fixed))
    rng = np.random.default_rng(seed)
    outputs = listed(y)
    upstreams = [_random_like(each, rng) for each in outputs]
    gradients = backward(tuple(upstreams) if isinstance(y, tuple) else upstreams[0], cache)
    return outputs, upstreams, named_gradients(gradients, tuple(inputs))


def y_and_cache(result: object) -> tuple[Any, Any]:
    """Return what a forward function returned; ValueError if that is not y and a cache."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError(f"forward must return y and cache, not {_described(result)}")
    return result


def listed(y: object) -> list[Array]:
    """Return the outputs of a pair as arrays or NumPy's numbers; ValueError for what is neither."""
    outputs = [np.float64(each) if type(each) is float else each for each in (y if isinstance(y, tuple) else (y,))]
    for each in outputs:
        if not hasattr(each, "shape"):
            raise ValueError(f"forward must return y as an array, a number or a tuple of them, not {_described(each)}")
    return outputs


def named_gradients(result: object, names: Sequence[str], optional: bool = False) -> dict[str, Array]:
    """Return what a backward function returned by the names of the inputs; ValueError for another number of them.

    optional: of several, some may be None.
    """
    gradients = result if isinstance(result, tuple) else (result,)
    named = dict(zip(names, gradients, strict=False))
    for name, gradient in named.items():
        if not hasattr(gradient, "shape") and not (optional and gradient is None and len(gradients) > 1):
            raise ValueError(f"backward must return the gradient of {name}, not {_described(gradient)}")
    if len(gradients) != len(names):
        raise ValueError(f"backward returned {len(gradients)} gradients for {len(names)} inputs ({', '.join(names)})")
    return named


def assert_gradients(
    forward: Forward,
    backward: Backward,
    inputs: Mapping[str, Array],
    **options: Any,
) -> None:
    """Do `check_gradients`, and raise GradientError with every comparison that failed."""
    require_ok(check_gradients(forward, backward, inputs, **options))


def require_ok(comparisons: Iterable[Comparison]) -> None:
    """Raise GradientError with every comparison that failed, if any did."""
    failed = [comparison for comparison in comparisons if not comparison.ok]
    if failed:
        raise GradientError("\n".join(map(str, failed)))


def check_model(
    model: AlbertBase,
    inputs: Mapping[str, ArrayLike],
    outputs: Sequence[str] = ("loss",),
    *,
    samples: int = 6,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> list[Comparison]:
    """Check every parameter's gradient of a float64 model, and that of `inputs["inputs_embeds"]` if it is given.

    outputs: names of the outputs that get a random upstream gradient at once. Dropout masks are held fixed. The
    model's weights are the same afterwards; its gradients are those of this check. Returns one comparison a
    parameter and one along a random direction through all. ValueError for an output that the inputs do not give.
    """
    _check_options(samples, seed, tolerance)
    if not isinstance(model, AlbertBase):
        raise TypeError(f"model must be one of albert_np's, got a {type(model).__name__}")
    if model.dtype != np.float64:
        raise TypeError(f"finite differences need a float64 model, this one is {model.dtype}")
    inputs = dict(inputs)
    values = dict(model.params)
    if "inputs_embeds" in inputs:
        values["inputs_embeds"] = inputs["inputs_embeds"] = model.backend.own(inputs["inputs_embeds"].copy())
    random_state = model.rng.bit_generator.state

    def run(**options: bool) -> list[Array]:
        model.rng.bit_generator.state = random_state
        out = model(**inputs, **options)
        if absent := [name for name in outputs if getattr(out, name, None) is None]:
            raise ValueError(f"the model gives no {absent[0]} for these inputs; a loss needs its labels")
        return [getattr(out, name) for name in outputs]

    rng = np.random.default_rng(seed)
    upstreams = [_random_like(y, rng) for y in run()]
    model.zero_grad()
    embeds_gradient = model.backward(**dict(zip(outputs, upstreams, strict=True)))
    gradients = {**model.grads, "inputs_embeds": embeds_gradient}
    return _check(values, gradients, lambda: run(grad=False), upstreams, samples, seed, tolerance)


FLOOR = 1e-2  # of the largest gradient: the key's bias, for one, has a gradient of zero, with only rounding to compare
LOSS_SCALE = 2.0**10  # of gradients that pass through float16, see `training.LossScale`


def model_results(model: AlbertBase, inputs: Mapping[str, ArrayLike], scale: float = 1.0) -> dict[str, np.ndarray]:
    """Return every output, hidden state and attention by name, and every gradient under "d name".

    The model is put into eval mode. The gradients are those of the loss, or, where the class has none, of
    `upstream_like` its two outputs. scale: a power of 2 that the gradients are multiplied by on their way, see
    `training.LossScale`.
    """
    out = model.eval()(**inputs, output_hidden_states=True, output_attentions=True)
    model.zero_grad()
    if hasattr(out, "loss"):
        model.backward(loss=scale)
    else:
        names = ("last_hidden_state", "pooler_output")
        model.backward(**{name: scale * upstream_like(getattr(out, name)) for name in names})
    tensors = named_outputs(out) | {f"d {name}": gradient / scale for name, gradient in model.grads.items()}
    return {name: _to_numpy(t) for name, t in tensors.items()}


def compare_results(got: Mapping[str, Array], expected: Mapping[str, Array], tolerance: float) -> list[Comparison]:
    """Compare two results of a model by name; a gradient far below the largest is judged on its scale."""
    floor = FLOOR * max(
        float(np.abs(value).max(initial=0.0)) for name, value in expected.items() if name.startswith("d ")
    )
    return [
        compare(name, got[name], value, tolerance, floor if name.startswith("d ") else 0.0)
        for name, value in expected.items()
    ]


def named_outputs(out: object) -> dict[str, Array]:
    """Return the tensors of a model's output, ours or Hugging Face's, by name."""
    names = (
        "loss",
        "prediction_logits",
        "sop_logits",
        "logits",
        "start_logits",
        "end_logits",
        "last_hidden_state",
        "pooler_output",
    )
    named = {name: getattr(out, name) for name in names if getattr(out, name, None) is not None}
    for group in ("hidden_states", "attentions"):
        named |= {f"{group}[{i}]": t for i, t in enumerate(getattr(out, group))}
    return named


def upstream_like(x: Array) -> np.ndarray:
    """Return numbers without a pattern in the shape of x, the same on every machine."""
    return scattered(tuple(x.shape))


def scattered(shape: tuple[int, ...], start: int = 1) -> np.ndarray:
    """Return sin(k²) for k = start, start + 1, …, in that shape: like random numbers in [-1, 1], but reproducible."""
    k = np.arange(start, start + math.prod(shape), dtype=np.float64)
    return np.sin(k * k).reshape(shape)


def _check(
    values: Mapping[str, Array],
    gradients: Mapping[str, Array],
    run: Callable[[], list[Array]],
    upstreams: list[Array],
    samples: int,
    seed: int,
    tolerance: float,
) -> list[Comparison]:
    """Perturb `values` in place, put them back, and compare; `run` computes the outputs from them."""
    rng = np.random.default_rng(seed + 1)
    size = sum(float(abs(dy * y).sum()) for dy, y in zip(upstreams, run(), strict=True))
    noise = 4 * np.finfo(np.float64).eps * size / STEP  # of a difference, by the rounding of its terms
    floor = noise / tolerance

    def slope(line: Line, high: float, low: float) -> float:
        """Return (f(high) - f(low)) / (high - low), the difference taken output by output, where it cancels least."""
        start = [value[index].copy() for value, index, _ in line]
        ends = []
        for h in (high, low):
            for (value, index, along), x in zip(line, start, strict=True):
                value[index] = x + h * along
            ends.append([y.copy() for y in run()])  # an output may be a view of the input that moves
        for (value, index, _), x in zip(line, start, strict=True):
            value[index] = x
        pairs = zip(upstreams, *ends, strict=True)
        return sum(float((dy * (a - b)).sum()) for dy, a, b in pairs) / (high - low)

    def compared(name: str, lines: list[Line], got: Sequence[float], floor: float) -> Comparison:
        def at(step: float) -> Comparison:
            expected = np.array([slope(line, step, -step) for line in lines])
            return compare(name, np.array(got, float), expected, tolerance, floor)

        return _refined(at)

    rows = []
    for name, value in values.items():
        gradient = gradients[name]
        if gradient.shape != value.shape:
            raise ValueError(f"the gradient of {name} has shape {gradient.shape}, expected {value.shape}")
        where = _sample(gradient, samples, rng)
        row = compared(name, [[(value, i, 1.0)] for i in where], [float(gradient[i]) for i in where], floor)
        index = where[row.index[0]] if where else ()
        remark = "" if row.ok else _kink(partial(slope, [(value, index, 1.0)]), row, floor)
        rows.append(replace(row, index=index, remark=remark))
    # along a random direction through all values at once nothing escapes the sampling
    through = [(value, ..., _random_like(value, rng)) for value in values.values()]
    got = sum(float((gradients[name] * v).sum()) for name, (_, _, v) in zip(values, through, strict=True))
    norm = math.sqrt(sum(float((gradients[name] ** 2).sum()) for name in values))  # the slope's standard deviation
    row = compared("a direction through all", [through], [got], max(floor, norm))
    rows.append(row if row.ok else replace(row, remark=_kink(partial(slope, through), row, max(floor, norm))))
    return rows


def _refined(compared: Callable[[float], Comparison]) -> Comparison:
    """Compare with differences of STEP and, as long as that fails but comes closer, with a quarter of the last step.

    A central difference is wrong by the square of its step times a third derivative, which strongly curved functions
    and long directions make large: a quarter of the step leaves a sixteenth of it. A wrong gradient stays as wrong.
    """
    step, error, row = STEP, math.inf, compared(STEP)
    while not row.ok and 4 * row.max_abs < error:
        step /= 4
        error, row = row.max_abs, compared(step)
    return row


def _kink(slope: Callable[[float, float], float], row: Comparison, floor: float) -> str:
    """Return what there is to say of a function whose slopes on both sides of a point differ, or "".

    The two slopes of a smooth function come closer in proportion to the step; at a kink they do not, nor where the
    smaller step no longer reaches over one. floor: that of the comparison.
    """
    near, far = ((slope(0.0, -step), slope(step, 0.0)) for step in (STEP / 4, STEP))
    apart, before = abs(near[1] - near[0]), abs(far[1] - far[0])
    noise = 10 * row.tolerance * max(abs(far[0]), abs(far[1]), floor)
    if before <= noise or before / 5 <= apart <= before / 3:
        return ""
    left, right = far
    least, most = sorted(far)
    here = "; the gradient lies between them" if least - 1e-6 <= row.got <= most + 1e-6 else ""
    return (
        f"a kink: the slope is {left:.6g} to the left of this place and {right:.6g} to the right{here}: "
        "check at inputs that are not on it"
    )


def _check_options(samples: int, seed: int, tolerance: float) -> None:
    """Raise ValueError, naming the argument, for what no check can be made with."""
    check_whole("samples", samples, 1)
    check_whole("seed", seed, 0)
    if not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance={tolerance!r} must be a finite number of at least 0")


def _described(result: object) -> str:
    if result is None:
        return "None: is a `return` missing?"
    return f"{len(result)} values" if isinstance(result, tuple) else f"a {type(result).__name__}"


def _sample(gradient: Array, samples: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Return coordinates to try: all of a small array, else the largest entry's and random ones."""
    if gradient.size <= samples:
        chosen: Iterable[int] = range(gradient.size)
    else:
        largest = int(abs(gradient).argmax())
        chosen = sorted({largest, *rng.choice(gradient.size, samples - 1, replace=False).tolist()})
    return [tuple(int(j) for j in np.unravel_index(i, gradient.shape)) for i in chosen]


def _random_like(x: Array, rng: np.random.Generator) -> Array:
    noise = np.asarray(rng.standard_normal(x.shape), x.dtype)
    return backend_of(x).from_numpy(noise) if x.shape else float(noise)


def _to_numpy(x: Array) -> np.ndarray:
    if hasattr(x, "detach"):  # a PyTorch tensor
        x = x.detach().cpu().numpy()
    return np.asarray(x) if isinstance(x, np.ndarray | np.generic | float) else backend_of(x).to_numpy(x)

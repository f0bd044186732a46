"""Notebook 19: from NumPy to CuPy, and what is fast."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from albert_np.backend import Array, Floats, register
from albert_np.course.answers import AnswerFailed, Function
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.execution import StrictArray, recorded, strict_backend
from albert_np.ops import gelu_forward, gelu_new_forward

__all__ = ["check_added_up", "check_gelu_any", "check_next_token"]


@self_check("GELU on any array module", returns=("y",))
def check_gelu_any(gelu_any: Function) -> Iterator[Finding]:
    """Check `y = gelu_any(x)`: the tanh form of GELU, on NumPy's and on any other arrays, in the dtype of x."""
    x = np.concatenate([np.linspace(-6, 6, 25), [0.0, -300.0, 300.0]]).reshape(4, 7)
    expected = gelu_new_forward(x)[0]
    yield equal("values, float64", gelu_any(x), expected, mistakes=_mistakes(x))
    single = gelu_any(x.astype(np.float32))
    became = getattr(single, "dtype", type(single).__name__)
    told = f"it became {became}: a constant of NumPy's is a float64 and drags the arrays with it; use math.sqrt"
    yield holds("NumPy float32 stays float32", became == np.float32, told)
    yield equal("values, float32", single, expected, 1e-5)
    yield from _on_strict_arrays(gelu_any, x.astype(np.float32), expected)


def _on_strict_arrays(gelu_any: Function, x: Floats, expected: Floats) -> Iterator[Finding]:
    register(strict_backend())
    with recorded() as operations:
        try:
            y = gelu_any(StrictArray(x.copy()))
        except AnswerFailed as error:
            told = f"{error}; take functions from array_module(x), and numbers from math"
            yield Finding("an array that is not NumPy's", False, told)
            return
    yield holds("a strict array comes back", isinstance(y, StrictArray), f"got {type(y).__name__}")
    yield equal("values on strict arrays", getattr(y, "inner", y), expected, 1e-5)
    names = {operation.name for operation in operations}
    copies = sorted(names & {"to_numpy", "from_numpy"})
    yield holds("the array stays where it is", not copies, f"{' and '.join(copies)}: two trips between GPU and host")
    wide = [operation.name for operation in operations if operation.dtype == "float64"]
    yield holds("float32 all the way", not wide, f"float64 in {', '.join(wide)}: twice the bytes")
    power = names & {"pow", "power", "float_power"}
    yield holds("no general power", not power, "x**3 is far slower than x * x * x on float32")


def _mistakes(x: Floats) -> dict[str, Floats]:
    scale = math.sqrt(2 / math.pi)
    return {
        "this is the erf form": gelu_forward(x)[0],
        "the factor ½ is missing": x * (1 + np.tanh(scale * x * (1 + 0.044715 * x * x))),
        "the factor x is missing": 0.5 * (1 + np.tanh(scale * x * (1 + 0.044715 * x * x))),
        "the cube is x · x · x: here is a square": 0.5 * x * (1 + np.tanh(scale * (x + 0.044715 * x * x))),
        "the scale √(2/π) stands before the cube too": 0.5 * x * (1 + np.tanh(scale * x + 0.044715 * x * x * x)),
        "the 1 is missing": 0.5 * x * np.tanh(scale * x * (1 + 0.044715 * x * x)),
    }


def package_gelu_any(x: Array) -> Array:
    """The package's GELU, called as the exercise is."""
    return gelu_new_forward(x)[0]


def package_next_token(
    batch: int, length: int, layers: int, hidden: int, inner: int, head_size: int, kv_heads: int, width: int = 2
) -> tuple[int, int]:
    """FLOP and bytes of one new token in each sequence, (19.5), called as the exercise is."""
    weights = 2 * hidden**2 + 2 * hidden * kv_heads * head_size + 2 * hidden * inner
    flops = 2 * batch * layers * (weights + 2 * length * hidden)
    return flops, width * layers * (weights + 2 * batch * length * kv_heads * head_size)


@self_check("the next token", returns=("F", "m"))
def check_next_token(next_token: Function) -> Iterator[Finding]:
    """Check `F, m = next_token(batch, length, layers, hidden, inner, head_size, kv_heads, width)`."""
    flops, least = next_token(1, 0, 1, 4, 10, 2, 2, 2)
    known: dict[str, npt.ArrayLike] = {
        "two FLOP for each weight, a product and a sum": 144,
        "query, key, value and output: four of them": 224,
    }
    yield equal("no kept token, 144 weights: F", flops, 288, mistakes=known)
    known = {"bytes, not numbers": 144, "each weight is read once, at `width` bytes": 576}
    yield equal("no kept token, 144 weights: m", least, 288, mistakes=known)
    flops, least = next_token(1, 3, 1, 4, 10, 2, 2, 2)
    known = {
        "scores *and* the sum of values: two products": 312,
        "two FLOP for each number of the kept keys and values": 312,
        "that is the cost of all T tokens; only one row is new": 288 * 3 + 48 * 3,
    }
    yield equal("three kept tokens: F", flops, 336, mistakes=known)
    yield equal("three kept tokens: m", least, 336, mistakes={"keys *and* values are kept": 312})
    flops, least = next_token(5, 3, 1, 4, 10, 2, 2, 2)
    yield equal("five sequences: F", flops, 5 * 336, mistakes={"each sequence has a new row": 336})
    known = {
        "all weights are read once for the whole batch": 5 * 336,
        "each sequence has keys and values of its own": 336,
    }
    yield equal("five sequences: m", least, 288 + 5 * 48, mistakes=known)
    flops, least = next_token(1, 3, 1, 4, 10, 2, 1, 2)
    known = {"every head of queries has scores with all T keys, also where heads share keys": 256 + 24}
    known["key and value weights are H × nD"] = 288 + 48
    yield equal("one head of keys for two of queries: F", flops, 256 + 48, mistakes=known)
    known = {"kept are kv_heads × head_size numbers, not H": 256 + 48, "key and value weights are H × nD": 288 + 24}
    yield equal("one head of keys for two of queries: m", least, 256 + 24, mistakes=known)
    case = (3, 7, 4, 6, 11, 2, 1, 4)
    flops, least = next_token(*case)
    expected = package_next_token(*case)
    yield equal("four layers, four bytes: F", flops, expected[0], mistakes={"L layers": expected[0] / 4})
    known = {"L layers": expected[1] / 4, "`width` bytes a number": expected[1] / 2}
    yield equal("four layers, four bytes: m", least, expected[1], mistakes=known)


def package_added_up(parts: Sequence[tuple[float, Array, int]]) -> tuple[float, Array]:
    """Loss and gradient of a whole batch, called as the exercise is."""
    whole = sum(count for _, _, count in parts)
    loss = sum(count * part_loss for part_loss, _, count in parts) / whole
    return loss, sum(count / whole * gradient for _, gradient, count in parts)


@self_check("parts added up", returns=("loss", "gradient"))
def check_added_up(added_up: Function) -> Iterator[Finding]:
    """Check `loss, gradient = added_up(parts)`; parts: [(mean loss, its gradient, count of tokens), …]."""
    one, two = np.array([1.0, 0.0]), np.array([0.0, 8.0])
    loss, gradient = added_up([(2.0, one, 5), (4.0, two, 5)])
    by_parts = "divided by the number of parts, not of tokens"
    yield equal("equal counts: the mean of both", loss, 3.0, mistakes={"sums, not divided": 6.0, by_parts: 15.0})
    known: dict[str, npt.ArrayLike] = {"sums, not divided": [1.0, 8.0], by_parts: [2.5, 20.0]}
    yield equal("equal counts, the gradient", gradient, [0.5, 4.0], mistakes=known)
    loss, gradient = added_up([(2.0, one, 9), (4.0, two, 1)])
    means = "a mean of means: the one token of the second part counts as much as the nine of the first"
    upside_down = "weighted the wrong way round: nine tokens count nine times as much as one"
    known = {means: 3.0, by_parts: 11.0, upside_down: 3.8}
    yield equal("9 tokens and 1: loss", loss, 2.2, mistakes=known)
    known = {means: [0.5, 4.0], by_parts: [4.5, 4.0], upside_down: [0.1, 7.2]}
    yield equal("9 tokens and 1: gradient", gradient, [0.9, 0.8], mistakes=known)
    loss, gradient = added_up([(2.0, one, 4), (0.0, 0 * two, 0), (4.0, two, 4)])
    told = "a part in which nothing is asked has count 0"
    yield equal("an empty part adds nothing: loss", loss, 3.0, advice=told)
    yield equal("an empty part adds nothing: gradient", gradient, [0.5, 4.0], advice=told)
    rng = np.random.default_rng(4)
    tokens = rng.standard_normal((12, 3, 2))  # of 12 tokens, the gradient; the loss is its first number
    cuts = [tokens[:1], tokens[1:4], tokens[4:]]
    loss, gradient = added_up([(float(t[:, 0, 0].mean()), t.mean(axis=0), len(t)) for t in cuts])
    yield equal("three parts, token by token: loss", loss, tokens[:, 0, 0].mean())
    yield equal("three parts, token by token: gradient", gradient, tokens.mean(axis=0))

"""Notebook 19: from NumPy to CuPy, and what is fast."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.backend import register
from albert_np.course.answers import AnswerFailed
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.execution import StrictArray, recorded, strict_backend
from albert_np.ops import gelu_forward, gelu_new_forward

__all__ = ["check_gelu_any"]


@self_check("GELU on any array module", returns=("y",))
def check_gelu_any(gelu_any: Callable[[Any], Any]) -> Iterator[Any]:
    """Check `y = gelu_any(x)`: the tanh form of GELU, on NumPy's and on any other arrays, in the dtype of x."""
    x = np.concatenate([np.linspace(-6, 6, 25), [0.0, -300.0, 300.0]]).reshape(4, 7)
    expected = gelu_new_forward(x)[0]
    yield equal("values, float64", gelu_any(x), expected, mistakes=_mistakes(x))
    single = gelu_any(x.astype(np.float32))
    told = f"it became {single.dtype}: a constant of NumPy's is a float64 and drags the arrays with it; use math.sqrt"
    yield holds("NumPy float32 stays float32", single.dtype == np.float32, told)
    yield equal("values, float32", single, expected, 1e-5)
    yield from _on_strict_arrays(gelu_any, x.astype(np.float32), expected)


def _on_strict_arrays(gelu_any: Callable[[Any], Any], x: np.ndarray, expected: np.ndarray) -> Iterator[Any]:
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


def _mistakes(x: np.ndarray) -> dict[str, Any]:
    scale = math.sqrt(2 / math.pi)
    return {
        "this is the erf form": gelu_forward(x)[0],
        "the factor ½ is missing": x * (1 + np.tanh(scale * x * (1 + 0.044715 * x * x))),
        "the factor x is missing": 0.5 * (1 + np.tanh(scale * x * (1 + 0.044715 * x * x))),
        "the cube is x · x · x: here is a square": 0.5 * x * (1 + np.tanh(scale * (x + 0.044715 * x * x))),
        "the scale √(2/π) stands before the cube too": 0.5 * x * (1 + np.tanh(scale * x + 0.044715 * x * x * x)),
        "the 1 is missing": 0.5 * x * np.tanh(scale * x * (1 + 0.044715 * x * x)),
    }

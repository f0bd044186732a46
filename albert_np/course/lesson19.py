"""Notebook 19: from NumPy to CuPy, and what is fast."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from albert_np.backend import register
from albert_np.course.report import equal, holds, self_check
from albert_np.execution import StrictArray, recorded, strict_backend
from albert_np.ops import gelu_new_forward

__all__ = ["check_gelu_any"]


@self_check("GELU on any array module")
def check_gelu_any(gelu_any: Callable[[Any], Any]) -> Iterator[Any]:
    """Check `y = gelu_any(x)`: the tanh form of GELU, on NumPy's and on any other arrays, in the dtype of x."""
    x = np.concatenate([np.linspace(-6, 6, 25), [0.0, -300.0, 300.0]]).reshape(4, 7)
    expected = gelu_new_forward(x)[0]
    given = x.copy()
    yield equal("values, float64", gelu_any(given), expected)
    yield holds("x was not changed", bool((given == x).all()), "it was")
    single = gelu_any(x.astype(np.float32))
    yield holds("NumPy float32 stays float32", single.dtype == np.float32, f"it became {single.dtype}")
    yield equal("values, float32", single, expected, 1e-5)
    yield from _on_strict_arrays(gelu_any, x.astype(np.float32), expected)


def _on_strict_arrays(gelu_any: Callable[[Any], Any], x: np.ndarray, expected: np.ndarray) -> Iterator[Any]:
    register(strict_backend())
    with recorded() as operations:
        try:
            y = gelu_any(StrictArray(x.copy()))
        except TypeError as error:
            yield False, f"an array that is not NumPy's: {error}; take functions from array_module(x)"
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

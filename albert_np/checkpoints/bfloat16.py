"""bfloat16, which NumPy does not know: the upper 16 bits of a float32, kept here as uint16."""

import numpy as np

from albert_np.execution.precision import narrowed, widened

__all__ = ["narrow", "widen"]


def widen(bits: np.ndarray) -> np.ndarray:
    """Return the float32 array whose upper halves are `bits` (uint16); exact."""
    wide: np.ndarray = widened(bits)
    return wide


def narrow(array: np.ndarray) -> np.ndarray:
    """Return the bits (uint16) of the nearest bfloat16 numbers; ties go to the even one, NaN stays NaN.

    Numbers beyond the largest bfloat16, 3.39e38, become infinite. float64 is rounded to float32 first, as PyTorch does.
    """
    with np.errstate(over="ignore"):
        bits: np.ndarray = narrowed(array.astype(np.float32), "bfloat16")
    return bits

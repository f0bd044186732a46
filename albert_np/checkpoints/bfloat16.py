"""bfloat16, which NumPy does not know: the upper 16 bits of a float32, kept here as uint16."""

import numpy as np

from albert_np.execution.products import rounded

__all__ = ["narrow", "widen"]


def widen(bits: np.ndarray) -> np.ndarray:
    """Return the float32 array whose upper halves are `bits` (uint16); exact."""
    wide = bits.astype(np.uint32)
    wide <<= 16  # in place: a model's weights are large
    return wide.view(np.float32)


def narrow(array: np.ndarray) -> np.ndarray:
    """Return the bits (uint16) of the nearest bfloat16 numbers; ties go to the even one, NaN stays NaN.

    Numbers beyond the largest bfloat16, 3.39e38, become infinite. float64 is rounded to float32 first, as PyTorch does.
    """
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    upper: np.ndarray = rounded(single, "bfloat16").view(np.uint32) >> 16
    return np.where(np.isnan(single), upper | 0x40, upper).astype(np.uint16)  # else a NaN might become an infinity

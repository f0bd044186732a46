"""bfloat16, which NumPy does not know: the upper 16 bits of a float32, kept here as uint16."""

import numpy as np

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
    bits = single.view(np.uint32)
    last = (bits >> 16) & 1  # of the bits that stay
    rounded = (bits + 0x7FFF + last) >> 16
    quiet_nan = (bits >> 16) | 0x40  # adding could carry a NaN over into an infinity, or a number
    return np.where(np.isnan(single), quiet_nan, rounded).astype(np.uint16)

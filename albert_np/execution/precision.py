"""The precision of matrix products: what operands are rounded to, and how those lie in memory that products alone read.

The precision is in force inside `with precision_of_products(…)`, in the thread that enters it. In bfloat16 and float16
an operand that is kept, or read by several products, is rounded once and lies in 16 bits: `for_products`. What anything
else reads stays in float32, and so do weights, sums and what products give.

NumPy has no bfloat16, and CuPy has one only where ml_dtypes is installed. Here its bits are kept as uint16, which only
`product` and `widened` take for the numbers that they are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from albert_np.backend import Array, array_module
from albert_np.execution.device import on_device

__all__ = [
    "PRECISIONS",
    "SIXTEEN_BITS",
    "for_products",
    "is_narrowed",
    "narrowed",
    "precision_in_force",
    "precision_of_products",
    "rounded",
    "weight_for_products",
    "weights_rounded_once",
    "widened",
]

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
SIXTEEN_BITS = {"bfloat16": np.dtype(np.uint16), "float16": np.dtype(np.float16)}  # how numbers of a precision lie

_precision: ContextVar[str] = ContextVar("precision of products", default="float32")
_rounded_weights: ContextVar[dict[tuple[int, str], tuple[Array, Array]] | None] = ContextVar("weights", default=None)


@contextmanager
def precision_of_products(precision: str) -> Iterator[None]:
    """Multiply float32 operands in this precision within the block; float64 operands stay what they are."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r}: allowed are {', '.join(PRECISIONS)}")
    token = _precision.set(precision)
    try:
        yield
    finally:
        _precision.reset(token)


def precision_in_force() -> str:
    """Return the precision of products made here and now."""
    return _precision.get()


@contextmanager
def weights_rounded_once() -> Iterator[None]:
    """Let `weight_for_products` remember what it returned within the block, in which no weight may change: a pass."""
    token = _rounded_weights.set({})
    try:
        yield
    finally:
        _rounded_weights.reset(token)


def for_products(x: Array) -> Array:
    """Return x as products of the precision in force read it: for what nothing but products reads.

    In bfloat16 and float16 that is a copy of the float32 numbers, rounded, in 16 bits: half the memory of x, and the
    same products, since rounding what is rounded changes nothing. Otherwise it is x itself.
    """
    return narrowed(x, _precision.get()) if is_narrowed(x) else x


def is_narrowed(x: Array) -> bool:
    """Return whether `for_products` makes another array of x."""
    return _precision.get() in SIXTEEN_BITS and x.dtype == np.float32


def weight_for_products(weight: Array) -> Array:
    """Return what `for_products` does: within `weights_rounded_once` the same array for all steps that share one."""
    known = _rounded_weights.get()
    if known is None or not is_narrowed(weight):
        return for_products(weight)
    name = id(weight), _precision.get()
    if name not in known:
        known[name] = weight, for_products(weight)  # while it is held, no other array has its id
    return known[name][1]


@on_device()
def narrowed(x: Array, precision: str) -> Array:
    """Return float32 numbers rounded as `rounded` does, in 16 bits: of `SIXTEEN_BITS`."""
    if precision == "float16":
        with np.errstate(all="ignore"):
            return x.astype(np.float16)
    xp = array_module(x)
    upper = rounded(x, precision).view(np.uint32) >> 16
    return xp.where(xp.isnan(x), upper | 0x40, upper).astype(np.uint16)  # else a NaN might become an infinity


def widened(x: Array) -> Array:
    """Return numbers of 16 bits as float32, exactly; arrays of another dtype as they are."""
    if x.dtype == SIXTEEN_BITS["float16"]:
        return x.astype(np.float32)
    if x.dtype == SIXTEEN_BITS["bfloat16"]:
        wide = x.astype(np.uint32)
        wide <<= 16  # in place: a model's weights are large
        return wide.view(np.float32)
    return x


# A float32 has 23 bits behind the point; those that a precision lacks are rounded away.

_DROPPED_BITS = {"tf32": 13, "bfloat16": 16}


def rounded(x: Array, precision: str) -> Array:
    """Return float32 numbers rounded to the nearest of a precision, ties to the even one, still as float32.

    tf32 keeps 10 bits behind the point and bfloat16 7, both with float32's exponents. float16 keeps 10, and has
    5 bits of exponent: beyond 65,504 it is infinite, below 6.1e-5 it has fewer digits and below 3e-8 it is 0. Arrays of
    another dtype come back as they are.
    """
    if precision == "float32" or x.dtype != np.float32:
        return x
    if precision == "float16":
        with np.errstate(all="ignore"):
            return x.astype(np.float16).astype(np.float32)
    xp, dropped = array_module(x), _DROPPED_BITS[precision]
    bits = x.view(np.uint32)
    last = (bits >> dropped) & 1  # of the bits that stay
    nearest = (bits + (last + ((1 << dropped - 1) - 1))) & (0xFFFFFFFF << dropped & 0xFFFFFFFF)
    return xp.where(xp.isnan(x), x, nearest.view(np.float32))  # adding could carry a NaN over into a number

"""Matrix products: NumPy's own, or cuBLAS on arrays as they lie, in the precision that is in force.

`product(a, b)` is `a @ b`. On NumPy it is exactly that. On a GPU, where CuPy would copy every stack of matrices that is
not contiguous, cuBLAS gets the matrices where they are: it reads rows or columns, with any distance between them.

The precision says what the operands are rounded to before they are multiplied; weights, sums and all else stay in
float32. It is in force inside `with precision_of_products(…)`, in the thread that enters it.
"""

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from albert_np.backend import Array, array_module, backend_of

__all__ = [
    "PRECISIONS",
    "Cublas",
    "Operand",
    "laid_out",
    "operand",
    "played_product",
    "played_product_into",
    "precision_of_products",
    "product",
    "product_into",
    "rounded",
]

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")

_precision: ContextVar[str] = ContextVar("precision of products", default="float32")


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


def product(a: Array, b: Array) -> Array:
    """Return a @ b. a (…, m, k), b (…, k, n), leading axes broadcast; returns (…, m, n)."""
    precision = _precision.get()
    if isinstance(a, np.ndarray):
        return a @ b if precision == "float32" else played_product(a, b, precision)
    kernel = _kernel(a)
    if kernel is None:
        return played_product(a, b, precision)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return kernel(laid_out(_broadcast(a, stack)), laid_out(_broadcast(b, stack)), precision)


def product_into(target: Array, a: Array, b: Array, *, adds: bool) -> None:
    """Write a @ b into the target or, if it `adds`, add it there, on a device in one launch.

    target (…, m, n) in order, a (…, m, k), b (…, k, n), under the same leading axes.
    """
    kernel = None if isinstance(a, np.ndarray) else _kernel(a, "product_into")
    if kernel is None:
        played_product_into(target, a, b, _precision.get(), adds)
    else:
        kernel(target, laid_out(a), laid_out(b), _precision.get(), adds)


def laid_out(x: Array) -> Array:
    """Return x (…, rows, columns), copied if it is a device's and products could not read it as it lies.

    What several products read is better laid out once, before them.
    """
    if isinstance(x, np.ndarray) or _kernel(x) is None or 0 in x.shape or operand(x) is not None:
        return x
    return x.copy()


def _broadcast(x: Array, stack: tuple[int, ...]) -> Array:
    return x if x.shape[:-2] == stack else array_module(x).broadcast_to(x, stack + x.shape[-2:])


def _kernel(x: Array, name: str = "product") -> Callable[..., Any] | None:
    """Return what multiplies arrays of x's device, given a, b and a precision; None for what has just `@`."""
    backend = backend_of(x)
    return backend.kernels.get(name) or (getattr(_cublas(), name) if backend.name == "cupy" else None)


def played_product(a: Array, b: Array, precision: str) -> Array:
    """Return a @ b as hardware of this precision has it: operands rounded, what they give summed in float32.

    The products of rounded numbers are exact in float32, so that nothing but the order of the sums can differ. It takes
    longer than float32 itself: it is there to see what a precision does.
    """
    return rounded(a, precision) @ rounded(b, precision) if a.dtype == b.dtype else a @ b


def played_product_into(target: Array, a: Array, b: Array, precision: str, adds: bool) -> None:
    """Write what `played_product` returns into the target, or add it there."""
    target[...] = target + played_product(a, b, precision) if adds else played_product(a, b, precision)


# Rounding: a float32 has 23 bits behind the point; those that a precision lacks are rounded away.

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


# How cuBLAS reads.


class Operand(NamedTuple):
    """Where the numbers of a stack of matrices lie, in numbers from one to the next."""

    transposed: bool  # columns lie whole, one after the other, instead of rows
    leading: int  # from a row, or a column, to the next
    stride: int  # from a matrix to the next; 0 where there is but one


def operand(x: Array) -> Operand | None:
    """Return how cuBLAS has to read x (…, rows, columns), none of them empty; None where it cannot.

    It can where rows or columns lie whole and apart from each other, and one number leads from each matrix of the
    stack to the next.
    """
    if any(step % x.itemsize for step in x.strides):
        return None
    *shape, rows, columns = x.shape
    *steps, to_row, to_column = (step // x.itemsize for step in x.strides)
    stride = _one_step(shape, steps)
    if stride is None:
        return None
    if (to_column == 1 or columns == 1) and (to_row >= columns or rows == 1):
        return Operand(False, to_row if rows > 1 else columns, stride)
    if (to_row == 1 or rows == 1) and (to_column >= rows or columns == 1):
        return Operand(True, to_column if columns > 1 else rows, stride)
    return None


def _one_step(shape: list[int], steps: list[int]) -> int | None:
    """Return the one step that walks along all leading axes together; None if there is none."""
    axes = [(size, step) for size, step in zip(shape, steps, strict=True) if size > 1]
    if not axes:
        return 0
    whole, stride = 1, axes[-1][1]
    for size, step in reversed(axes):
        if step < 0 or step != stride * whole:
            return None
        whole *= size
    return stride


class Cublas:
    """Products by cuBLAS, one launch each.

    library: CuPy's module of cuBLAS's functions. handle: returns the handle of the current device.
    """

    def __init__(self, library: Any, handle: Callable[[], int]):
        self.library = library
        self.handle = handle
        self._compute_types = {
            "float32": library.CUBLAS_COMPUTE_32F,
            "tf32": library.CUBLAS_COMPUTE_32F_FAST_TF32,
            "bfloat16": library.CUBLAS_COMPUTE_32F_FAST_16BF,
            "float16": library.CUBLAS_COMPUTE_32F_FAST_16F,
        }

    def product(self, a: Array, b: Array, precision: str) -> Array:
        """Return a @ b of operands that `laid_out` returned, under the same leading axes."""
        (*stack, m, k), n = a.shape, b.shape[-1]
        if a.dtype != b.dtype or a.dtype not in _CUDA_TYPES:
            return a @ b
        if b.shape[-2] != k:
            raise ValueError(f"a @ b of shapes {tuple(a.shape)} and {tuple(b.shape)}: {k} columns, {b.shape[-2]} rows")
        xp, count = array_module(a), math.prod(stack)
        if not (count and m and k and n):
            return xp.zeros((*stack, m, n), dtype=a.dtype)
        c = xp.empty((*stack, m, n), dtype=a.dtype)
        self._multiply(a, b, c, _ZERO[a.dtype], precision)
        return c

    def product_into(self, target: Array, a: Array, b: Array, precision: str, adds: bool) -> None:
        """Write a @ b into the target, or add it there, in the same launch; all of them under the same leading axes."""
        if not (a.dtype == b.dtype == target.dtype and a.dtype in _CUDA_TYPES and a.size and b.size):
            target[...] = target + self.product(a, b, precision) if adds else self.product(a, b, precision)
            return
        (*stack, m, k), n = a.shape, b.shape[-1]
        fits = target.shape == (*stack, m, n) and b.shape == (*stack, k, n)
        if not (fits and target.flags.c_contiguous):
            raise ValueError(f"a @ b of shapes {a.shape} and {b.shape} cannot go into one of {target.shape}")
        self._multiply(a, b, target, (_ONE if adds else _ZERO)[a.dtype], precision)

    def _multiply(self, a: Array, b: Array, c: Array, keep: np.ndarray, precision: str) -> None:
        """c = a @ b + keep c, keep 0 or 1.

        cuBLAS thinks in columns: what it takes for a matrix is the transpose of one whose rows lie whole. So it is
        asked for cᵀ = bᵀ aᵀ, and c comes out row by row.
        """
        (*stack, m, k), n = a.shape, b.shape[-1]
        count = math.prod(stack)
        left, right = operand(b), operand(a)
        if left is None or right is None:
            raise ValueError("operands must have come from laid_out")
        kind = _CUDA_TYPES[a.dtype]
        compute = self._compute_types[precision] if a.dtype == np.float32 else self.library.CUBLAS_COMPUTE_64F
        sizes = (int(left.transposed), int(right.transposed), n, m, k)
        first, second = (b.data.ptr, kind, left.leading), (a.data.ptr, kind, right.leading)
        third, how = (c.data.ptr, kind, n), (compute, self.library.CUBLAS_GEMM_DEFAULT)
        one, beta = _ONE[a.dtype].ctypes.data, keep.ctypes.data
        if count == 1:
            self.library.gemmEx(self.handle(), *sizes, one, *first, *second, beta, *third, *how)
        else:
            operands = (*first, left.stride, *second, right.stride, beta, *third, m * n, count)
            self.library.gemmStridedBatchedEx(self.handle(), *sizes, one, *operands, *how)


_CUDA_TYPES = {np.dtype(np.float32): 0, np.dtype(np.float64): 1}  # CUDA_R_32F and CUDA_R_64F of library_types.h
_ONE = {dtype: np.ones(1, dtype) for dtype in _CUDA_TYPES}  # cuBLAS reads both factors where they are
_ZERO = {dtype: np.zeros(1, dtype) for dtype in _CUDA_TYPES}


@functools.cache
def _cublas() -> Cublas:
    from cupy.cuda import cublas, device

    return Cublas(cublas, device.get_cublas_handle)

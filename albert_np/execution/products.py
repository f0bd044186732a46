"""Matrix products: NumPy's own, or cuBLAS on arrays as they lie, in the precision that is in force.

`product(a, b)` is `a @ b`. On NumPy it is exactly that. On a GPU, where CuPy would copy every stack of matrices that is
not contiguous, cuBLAS gets the matrices where they are: it reads rows or columns, with any distance between them.

What operands are rounded to, and which of them lie in 16 bits: see precision.py. What a product gives is in float32,
or in float64 where its operands are.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from albert_np.backend import Array, array_module, backend_of
from albert_np.execution.precision import SIXTEEN_BITS, precision_in_force, rounded, widened

__all__ = [
    "Cublas",
    "Operand",
    "laid_out",
    "operand",
    "played_product",
    "played_product_into",
    "product",
    "product_into",
]


def product(a: Array, b: Array) -> Array:
    """Return a @ b. a (…, m, k), b (…, k, n), leading axes broadcast; returns (…, m, n).

    Operands may be what `for_products` returned: 16 bits count for the numbers that they hold, in any precision.
    """
    precision = precision_in_force()
    if isinstance(a, np.ndarray):
        is_plain = precision == "float32" and min(a.itemsize, b.itemsize) > 2
        return a @ b if is_plain else played_product(a, b, precision)
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
        played_product_into(target, a, b, precision_in_force(), adds)
    else:
        kernel(target, laid_out(a), laid_out(b), precision_in_force(), adds)


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
    left, right = widened(a), widened(b)
    if left.dtype != right.dtype:
        return left @ right
    return (rounded(a, precision) if left is a else left) @ (rounded(b, precision) if right is b else right)


def played_product_into(target: Array, a: Array, b: Array, precision: str, adds: bool) -> None:
    """Write what `played_product` returns into the target, or add it there."""
    target[...] = target + played_product(a, b, precision) if adds else played_product(a, b, precision)


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
        a, b = _of_one_dtype(a, b)
        (*stack, m, k), n = a.shape, b.shape[-1]
        if a.dtype != b.dtype or a.dtype not in _CUDA_TYPES:
            return a @ b
        if b.shape[-2] != k:
            raise ValueError(f"a @ b of shapes {tuple(a.shape)} and {tuple(b.shape)}: {k} columns, {b.shape[-2]} rows")
        xp, count = array_module(a), math.prod(stack)
        if not (count and m and k and n):
            return xp.zeros((*stack, m, n), dtype=_given(a.dtype))
        c = xp.empty((*stack, m, n), dtype=_given(a.dtype))
        self._multiply(a, b, c, _ZERO[c.dtype], precision)
        return c

    def product_into(self, target: Array, a: Array, b: Array, precision: str, adds: bool) -> None:
        """Write a @ b into the target, or add it there, in the same launch; all of them under the same leading axes."""
        a, b = _of_one_dtype(a, b)
        is_ours = a.dtype == b.dtype and a.dtype in _CUDA_TYPES and _given(a.dtype) == target.dtype
        if not (is_ours and a.size and b.size):
            target[...] = target + self.product(a, b, precision) if adds else self.product(a, b, precision)
            return
        (*stack, m, k), n = a.shape, b.shape[-1]
        fits = target.shape == (*stack, m, n) and b.shape == (*stack, k, n)
        if not (fits and target.flags.c_contiguous):
            raise ValueError(f"a @ b of shapes {a.shape} and {b.shape} cannot go into one of {target.shape}")
        self._multiply(a, b, target, (_ONE if adds else _ZERO)[target.dtype], precision)

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
        kind, kind_given = _CUDA_TYPES[a.dtype], _CUDA_TYPES[c.dtype]
        compute = self._compute_type(a.dtype, precision)
        sizes = (int(left.transposed), int(right.transposed), n, m, k)
        first, second = (b.data.ptr, kind, left.leading), (a.data.ptr, kind, right.leading)
        third, how = (c.data.ptr, kind_given, n), (compute, self.library.CUBLAS_GEMM_DEFAULT)
        one, beta = _ONE[c.dtype].ctypes.data, keep.ctypes.data
        if count == 1:
            self.library.gemmEx(self.handle(), *sizes, one, *first, *second, beta, *third, *how)
        else:
            operands = (*first, left.stride, *second, right.stride, beta, *third, m * n, count)
            self.library.gemmStridedBatchedEx(self.handle(), *sizes, one, *operands, *how)

    def _compute_type(self, dtype: np.dtype[Any], precision: str) -> Any:
        if dtype == np.float64:
            return self.library.CUBLAS_COMPUTE_64F
        return self._compute_types[precision if dtype == np.float32 else "float32"]  # 16 bits are rounded already


def _of_one_dtype(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both operands of a product, those of 16 bits as float32 where the other is not the same."""
    return (a, b) if a.dtype == b.dtype else (widened(a), widened(b))


def _given(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return what a product of operands of a dtype is in."""
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


_CUDA_TYPES = {  # CUDA_R_32F, CUDA_R_64F, CUDA_R_16F and CUDA_R_16BF of library_types.h
    np.dtype(np.float32): 0,
    np.dtype(np.float64): 1,
    SIXTEEN_BITS["float16"]: 2,
    SIXTEEN_BITS["bfloat16"]: 14,
}
_ONE = {dtype: np.ones(1, dtype) for dtype in (np.dtype(np.float32), np.dtype(np.float64))}  # cuBLAS reads them there
_ZERO = {dtype: np.zeros_like(one) for dtype, one in _ONE.items()}


@functools.cache
def _cublas() -> Cublas:
    from cupy.cuda import cublas, device

    return Cublas(cublas, device.get_cublas_handle)

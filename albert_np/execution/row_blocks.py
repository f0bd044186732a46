"""How the formulas are executed: what makes plain NumPy fast without touching what it computes."""

import ctypes
import functools
import sys
from collections.abc import Callable

import numpy as np

from albert_np.backend import Array

__all__ = ["in_row_blocks", "keep_freed_memory"]

BLOCK_BYTES = 3 << 18  # of one array: several such blocks fit a processor's cache, and 64 rows of base's 3072 are one


def in_row_blocks(formula: Callable[..., Array]) -> Callable[..., Array]:
    """Run a formula on some rows at a time, so that what it computes in between stays in the cache.

    formula: takes arrays of one shape (…, C) and returns one such array, each row (or number) on its own. Large NumPy
    arrays are cut into blocks; others are computed whole.
    """

    @functools.wraps(formula)
    def blocked(*arrays: Array) -> Array:
        first = arrays[0]
        if not isinstance(first, np.ndarray) or first.nbytes <= BLOCK_BYTES:
            return formula(*arrays)
        y = np.empty(first.shape, dtype=first.dtype)
        width = first.shape[-1]
        rows, y_rows = [array.reshape(-1, width) for array in arrays], y.reshape(-1, width)
        step = max(1, BLOCK_BYTES // (width * first.itemsize))
        for i in range(0, len(y_rows), step):
            y_rows[i : i + step] = formula(*(row[i : i + step] for row in rows))
        return y

    return blocked


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory for the next array instead of giving it back to the system.

    An op's result is a fresh array of some megabytes. By default glibc maps such a block anew and returns it when it
    is freed, so that the system has to hand out, and clear, each of its pages at every op: on a virtual machine that
    can take ten times as long as a multiplication of the same size. With these settings the pages stay. Affects the
    whole process; does nothing where the C library is another one.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_M_ARENA_MAX, 1)  # one pool for all threads

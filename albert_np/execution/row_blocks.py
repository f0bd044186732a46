"""Formulas on some rows at a time, so that what they compute in between stays in the processor's cache."""

import functools
from collections.abc import Callable

import numpy as np

from albert_np.backend import Array

__all__ = ["in_row_blocks"]

BLOCK_BYTES = 3 << 18  # of one array: several such blocks fit a processor's cache, and 64 rows of base's 3072 are one


def in_row_blocks(formula: Callable[..., Array]) -> Callable[..., Array]:
    """Return the same formula, computed on blocks of rows.

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

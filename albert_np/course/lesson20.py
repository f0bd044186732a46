"""Notebook 20: walk a pass."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from albert_np.course.report import holds, self_check
from albert_np.explore import explore

__all__ = ["check_unit_rows_backward"]

EPS = 1e-9


def unit_rows_forward(x: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, Any]:
    """Give every row of x (R, C) the Euclidean length that `length` (R,) says; returns y (R, C)."""
    squares = (x * x).sum(axis=-1, keepdims=True)  # (R, 1)
    r = 1 / np.sqrt(squares + EPS)
    direction = x * r
    y = direction * length[:, None]
    return y, (x, length, r, direction)


@self_check("rows of a given length")
def check_unit_rows_backward(backward: Any) -> Iterator[Any]:
    """Check `dx, dlength = backward(dy, cache)` for `unit_rows_forward`, line by line as far as lines are named."""
    for rows, columns in ((3, 4), (2, 5), (1, 3)):
        rng = np.random.default_rng(180 + rows)
        inputs = rng.standard_normal((rows, columns)), rng.uniform(1, 2, rows)
        for claim in explore(unit_rows_forward, backward.function, inputs).claims:
            told = f"got {claim.said:.6g} along a random direction, differences give {claim.slope:.6g}"
            yield holds(f"({rows}, {columns}): {claim.name} is the gradient of {claim.of}", claim.holds, told)

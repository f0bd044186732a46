"""Rows: what a pass computed, each of one of a few kinds, by the numbers of the values that it reads and makes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from albert_np.explore.tape import Call, Value

__all__ = ["Attrs", "Program", "Row", "window_of", "window_places"]

Attrs = dict[str, Any]  # what a row needs to know beside its inputs, ready for JSON


@dataclass
class Row:
    """`out` computed from `inputs`, by their numbers among the program's values; None stands for an input left out."""

    kind: str
    inputs: list[int | None]
    out: list[int]
    attrs: Attrs = field(default_factory=dict)
    call: Call | None = None  # of the function that asked for it
    line: int = 0  # of that function
    backward: bool = False
    caches: list[object] = field(default_factory=list)  # what forward left for backward; pairs a row with its mirror
    mirror: int | None = None  # the number of the row that goes back through it, or that it goes back through


@dataclass
class Program:
    """The rows of one pass, in order, and what they compute."""

    values: list[Value]
    rows: list[Row]
    gradients: dict[str, list[int]]  # parameter → what was added to its gradient, in order
    gradient_of: dict[int, int]  # forward value → the backward value that is its gradient
    loss: int | None

    def shape(self, value: int | None) -> tuple[int, ...]:
        """Return the shape of a value, () for None."""
        return () if value is None else self.values[value].array.shape


def window_of(places: np.ndarray) -> Attrs | None:
    """Return where places (…) in a flat array are, as an offset and a stride for each axis; None if they are not."""
    if places.size == 0:
        return None
    offset = int(places.flat[0])
    strides = [int(places.take(1, axis).flat[0]) - offset if n > 1 else 0 for axis, n in enumerate(places.shape)]
    grid = offset + sum(
        np.arange(n).reshape([-1 if a == axis else 1 for a in range(places.ndim)]) * strides[axis]
        for axis, n in enumerate(places.shape)
    )
    return {"offset": offset, "strides": strides} if (np.asarray(grid) == places).all() else None


def window_places(window: Attrs, shape: tuple[int, ...]) -> np.ndarray:
    """Return the places in a flat array that a window of that shape shows, as an array of that shape."""
    places = np.full(shape, window["offset"])
    for axis, (n, stride) in enumerate(zip(shape, window["strides"], strict=True)):
        places += np.arange(n).reshape([-1 if a == axis else 1 for a in range(len(shape))]) * stride
    return places

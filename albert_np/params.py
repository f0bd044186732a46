"""Parameters in one flat arena: every weight is a view under its Hugging Face name, a tied weight is stored once."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from albert_np.backend import Array, array_module

__all__ = ["Layout", "ParamStore", "Scope"]

Shapes = Mapping[str, tuple[int, ...]]


class Layout:
    """Where each parameter lies in the arena; weights, gradients and optimizer moments share one layout.

    shapes: name → shape, in arena order. ties: alias → stored name of the same shape; both names reach one array.
    spans: name → names that lie next to each other, read as one array stacked along the first axis.
    """

    def __init__(
        self,
        shapes: Shapes,
        ties: Mapping[str, str] | None = None,
        spans: Mapping[str, list[str]] | None = None,
    ):
        self.shapes = dict(shapes)
        self.ties = dict(ties or {})
        self.slots: dict[str, tuple[int, tuple[int, ...]]] = {}  # name → offset, shape
        offset = 0
        for name, shape in self.shapes.items():
            self.slots[name] = (offset, shape)
            offset += math.prod(shape)
        self.size = offset
        for alias, name in self.ties.items():
            self.slots[alias] = self.slots[name]
        for span, names in (spans or {}).items():
            self.slots[span] = self._span(names)

    def _span(self, names: list[str]) -> tuple[int, tuple[int, ...]]:
        first, (rows, *columns) = self.slots[names[0]]
        for i, name in enumerate(names):
            assert self.slots[name] == (first + i * math.prod((rows, *columns)), (rows, *columns)), names
        return first, (rows * len(names), *columns)


class ParamStore(Mapping[str, Array]):
    """A mapping from name to a view of one flat array.

    Iteration goes over the stored names in arena order; tied names and spans are reached by `store[name]` alone.
    `store[name] = value` copies into the view, so `store[name] += gradient` accumulates in place.
    """

    def __init__(self, layout: Layout, flat: Array):
        self.layout = layout
        self.flat = flat  # (layout.size,)
        self._views = {
            name: flat[offset : offset + math.prod(shape)].reshape(shape)
            for name, (offset, shape) in layout.slots.items()
        }

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __setitem__(self, name: str, value: Array) -> None:
        view = self._views[name]
        if value is view:  # what `store[name] += …` ends with
            return
        if value.shape != view.shape:
            raise ValueError(f"{name} has shape {view.shape}, got {value.shape}")
        view[...] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout.shapes)

    def __len__(self) -> int:
        return len(self.layout.shapes)

    def __repr__(self) -> str:
        return f"ParamStore({len(self)} arrays, {self.layout.size:,} numbers, {self.flat.dtype})"

    def scope(self, prefix: str) -> "Scope":
        """Return the same arrays under their names without `prefix`."""
        return Scope(self, prefix)

    def zeros_like(self) -> "ParamStore":
        """Return a store of the same layout, filled with zeros: room for gradients or moments."""
        return ParamStore(self.layout, array_module(self.flat).zeros_like(self.flat))


class Scope:
    """A part of a store, seen through a prefix: `p["weight"]` is `store[prefix + "weight"]`."""

    def __init__(self, store: Any, prefix: str):
        self._store = store
        self._prefix = prefix

    def __getitem__(self, name: str) -> Array:
        return self._store[self._prefix + name]

    def __setitem__(self, name: str, value: Array) -> None:
        self._store[self._prefix + name] = value

    def __repr__(self) -> str:
        return f"Scope({self._prefix!r})"

    def scope(self, prefix: str) -> "Scope":
        """Return the part of this part whose names start with `prefix`."""
        return Scope(self._store, self._prefix + prefix)

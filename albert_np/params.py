"""Parameters in one flat arena: every weight is a view under its Hugging Face name, a tied weight is stored once.

`albert_shapes`, `albert_ties` and `albert_spans` say which parameters ALBERT's trunk has.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from albert_np.backend import Array, array_module
from albert_np.changes import own_shapes
from albert_np.config import AlbertConfig

__all__ = ["Layout", "ParamStore", "Scope", "Shapes", "albert_shapes", "albert_spans", "albert_ties", "layer_prefix"]

Shapes = dict[str, tuple[int, ...]]


class Layout:
    """Where each parameter lies in the arena; weights, gradients and optimizer moments share one layout.

    shapes: name → shape, in arena order. ties: alias → stored name of the same shape; both names reach one array.
    spans: name → names that lie next to each other, read as one array stacked along the first axis. names: all names
    of single parameters, stored and tied.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        ties: Mapping[str, str] | None = None,
        spans: Mapping[str, list[str]] | None = None,
    ):
        self.shapes = dict(shapes)
        self.ties = dict(ties or {})
        self.names = (*self.shapes, *self.ties)
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
        self.abandoned = False  # by its model, which was moved or resized since
        self._flat = flat
        views = {slot: flat[slot[0] : slot[0] + math.prod(slot[1])].reshape(slot[1]) for slot in layout.slots.values()}
        self._views = {name: views[slot] for name, slot in layout.slots.items()}  # one of a tied weight, too

    @property
    def flat(self) -> Array:
        """All numbers, (layout.size,). Write into it, `flat[…] = …`; another array cannot take its place."""
        return self._flat

    @flat.setter
    def flat(self, value: Array) -> None:
        if value is not self._flat:  # it is what `store.flat += …` ends with
            raise AttributeError("the arena cannot be replaced, or names and numbers would part: use flat[...] = …")

    def __reduce__(self) -> tuple[type["ParamStore"], tuple[Layout, Array]]:
        return ParamStore, (self.layout, self._flat)  # a copy, or what is unpickled, makes its own views anew

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __contains__(self, name: object) -> bool:
        return name in self._views

    def __setitem__(self, name: str, value: Array) -> None:
        view = self._views[name]
        if value is view:  # what `store[name] += …` ends with
            return
        shape = getattr(value, "shape", ())
        if shape != view.shape:
            raise ValueError(f"{name} has shape {view.shape}, got {shape}")
        view[...] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout.shapes)

    def __len__(self) -> int:
        return len(self.layout.shapes)

    def __repr__(self) -> str:
        return f"ParamStore({len(self)} arrays, {self.layout.size:,} numbers, {self._flat.dtype})"

    def scope(self, prefix: str) -> "Scope":
        """Return the same arrays under their names without `prefix`."""
        return Scope(self, prefix)

    def zeros_like(self) -> "ParamStore":
        """Return a store of the same layout, filled with zeros: room for gradients or moments."""
        return ParamStore(self.layout, array_module(self._flat).zeros_like(self._flat))


class Scope:
    """A part of a store, seen through a `prefix`: `p["weight"]` is `store[prefix + "weight"]`."""

    def __init__(self, store: Any, prefix: str):
        self._store = store
        self.prefix = prefix

    def __getitem__(self, name: str) -> Array:
        return self._store[self.prefix + name]

    def __setitem__(self, name: str, value: Array) -> None:
        self._store[self.prefix + name] = value

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self._store

    def get(self, name: str, default: Array | float) -> Array:
        """Return the array of that name, or `default` where there is none."""
        return self._store.get(self.prefix + name, default)

    def __repr__(self) -> str:
        return f"Scope({self.prefix!r})"

    def scope(self, prefix: str) -> "Scope":
        """Return the part of this part whose names start with `prefix`."""
        return Scope(self._store, self.prefix + prefix)


def albert_shapes(config: AlbertConfig, pooler: bool = True) -> Shapes:
    """Return name → shape of the stored parameters of the trunk, under Hugging Face's names."""
    E, H = config.embedding_size, config.hidden_size
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (config.vocab_size, E),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, E),
        "embeddings.token_type_embeddings.weight": (config.type_vocab_size, E),
        "embeddings.LayerNorm.weight": (E,),
        "embeddings.LayerNorm.bias": (E,),
        "encoder.embedding_hidden_mapping_in.weight": (H, E),
        "encoder.embedding_hidden_mapping_in.bias": (H,),
    }
    shapes = own_shapes(shapes, config, embeddings=True)
    ties = albert_ties(config)
    for prefix in _layer_prefixes(config):
        names = {prefix + name: shape for name, shape in _layer_shapes(config).items()}
        shapes |= {name: shape for name, shape in names.items() if name not in ties}
    if pooler:
        shapes |= {"pooler.weight": (H, H), "pooler.bias": (H,)}
    return shapes


def albert_ties(config: AlbertConfig) -> dict[str, str]:
    """Return alias → stored name: what `config.sharing` ties across the groups (group 0 stores it)."""
    shared = {"all": (), "none": (), "attention": ("attention.",), "ffn": ("ffn", "full_layer")}[config.sharing]
    return {
        layer_prefix(g, j) + name: layer_prefix(0, j) + name
        for g in range(1, config.num_hidden_groups)
        for j in range(config.inner_group_num)
        for name in _layer_shapes(config)
        if name.startswith(shared)
    }


def albert_spans(config: AlbertConfig) -> dict[str, list[str]]:
    """Return name → adjacent names: query, key and value of each layer as one array, (3H, H) and (3H,)."""
    return {
        f"{prefix}attention.query_key_value.{kind}": [
            f"{prefix}attention.{part}.{kind}" for part in ("query", "key", "value")
        ]
        for prefix in _layer_prefixes(config)
        for kind in ("weight", "bias")
    }


def layer_prefix(group: int, inner: int) -> str:
    """Return what the names of one layer's parameters begin with."""
    return f"encoder.albert_layer_groups.{group}.albert_layers.{inner}."


def _layer_prefixes(config: AlbertConfig) -> list[str]:
    return [layer_prefix(g, j) for g in range(config.num_hidden_groups) for j in range(config.inner_group_num)]


def _layer_shapes(config: AlbertConfig) -> Shapes:
    H, I = config.hidden_size, config.intermediate_size  # noqa: E741
    shapes: Shapes = {
        # query, key and value lie next to each other: one product serves all three
        "attention.query.weight": (H, H),
        "attention.key.weight": (H, H),
        "attention.value.weight": (H, H),
        "attention.query.bias": (H,),
        "attention.key.bias": (H,),
        "attention.value.bias": (H,),
        "attention.dense.weight": (H, H),
        "attention.dense.bias": (H,),
        "attention.LayerNorm.weight": (H,),
        "attention.LayerNorm.bias": (H,),
        "ffn.weight": (I, H),
        "ffn.bias": (I,),
        "ffn_output.weight": (H, I),
        "ffn_output.bias": (H,),
        "full_layer_layer_norm.weight": (H,),
        "full_layer_layer_norm.bias": (H,),
    }
    return own_shapes(shapes, config, embeddings=False)

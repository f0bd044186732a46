"""From a checkpoint to a model: which class, whether config and weights fit, and every weight in its place."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from albert_np.checkpoints import Checkpoint
from albert_np.config import AlbertConfig
from albert_np.params import ParamStore

if TYPE_CHECKING:
    from albert_np.model.base import AlbertBase

__all__ = ["check_weights", "class_of", "fill", "initialize", "model_classes", "register_class"]

_classes: "dict[str, type[AlbertBase]]" = {}  # in the order of their definition


def register_class(cls: "type[AlbertBase]") -> None:
    """Make a model class known by its name; `AlbertBase` does it for each class that is defined on it."""
    _classes[cls.__name__] = cls


def model_classes() -> "Mapping[str, type[AlbertBase]]":
    """Return name → class of every model class there is."""
    return _classes


def class_of(checkpoint: Checkpoint) -> "type[AlbertBase]":
    """Return the class that a checkpoint was saved from: the one its config names, or the one its heads tell.

    Told by heads it is the class of which most tensors are there and fewest are missing, and of equals the one defined
    first: a `classifier` alone could be of three classes.
    """
    for name in checkpoint.config.extra.get("architectures") or ():
        if name in _classes:
            return _classes[name]

    def fit(cls: "type[AlbertBase]") -> int:
        ties = {name: alias for alias, name in cls.ties.items()}
        return sum(
            1 if name in checkpoint.weights or ties.get(name) in checkpoint.weights else -1
            for name in cls.head_shapes(checkpoint.config)
        )

    return max(_classes.values(), key=fit)


def check_weights(cls: "type[AlbertBase]", config: AlbertConfig, checkpoint: Checkpoint) -> list[str]:
    """Return the names that a checkpoint lacks and may lack; ValueError if config and weights do not fit."""
    if config.num_hidden_groups * config.inner_group_num > len(checkpoint.weights):
        raise ValueError(
            f"the weights in {checkpoint.source} do not fit its config.json: {len(checkpoint.weights)} arrays for "
            f"{config.num_hidden_groups} groups of {config.inner_group_num} layers"
        )
    layout = cls.make_layout(config)
    slots = layout.slots
    named = {_own_name(cls, name): array for name, array in checkpoint.weights.items()}
    others = _other_heads(config)
    unknown = sorted(n for n in named if n not in slots and not n.removeprefix("albert.").startswith(others))
    wrong = sorted(
        f"{n} {a.shape} (expected {slots[n][1]})" for n, a in named.items() if n in slots and a.shape != slots[n][1]
    )
    found = {layout.ties.get(n, n) for n in named}
    missing = [n for n in layout.shapes if n not in found]
    heads = cls.head_shapes(config)
    problems = {
        "missing": [n for n in missing if n not in heads and "pooler." not in n],
        "unexpected": unknown,
        "of another shape": wrong,
    }
    if any(problems.values()):
        listed = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names)
        raise ValueError(f"the weights in {checkpoint.source} do not fit its config.json: {listed}")
    return missing


def fill(model: "AlbertBase", checkpoint: Checkpoint) -> None:
    """Copy the weights that the model has; ValueError where two that are tied differ."""
    filled: set[str] = set()
    for given, array in checkpoint.weights.items():
        name = _own_name(type(model), given)
        if name not in model.layout.slots:
            continue
        stored = model.layout.ties.get(name, name)
        if stored in filled and not np.array_equal(model.params[stored], array.astype(model.dtype)):
            raise ValueError(f"{checkpoint.source}: {name} differs from {stored}, to which sharing ties it")
        model.params[stored] = array
        filled.add(stored)


def initialize(params: ParamStore, config: AlbertConfig, rng: np.random.Generator) -> None:
    """Fill as Hugging Face does: matrices from N(0, initializer_range²); biases and the padding row 0; LayerNorms 1."""
    for name, weight in params.items():
        if name.endswith("bias"):
            weight[...] = 0
        elif weight.ndim == 1:
            weight[...] = 1
        else:
            weight[...] = config.initializer_range * rng.standard_normal(weight.shape, dtype=np.float32)
        if name.endswith("word_embeddings.weight") and config.pad_token_id is not None:
            weight[config.pad_token_id] = 0


def _own_name(cls: "type[AlbertBase]", name: str) -> str:
    """Return the name that a tensor of a bare `AlbertModel` or of a model with a head has in this class."""
    bare = name.removeprefix("albert.")
    is_trunk = bare.startswith(("embeddings.", "encoder.", "pooler."))
    return cls.prefix + bare if is_trunk else name


def _other_heads(config: AlbertConfig) -> tuple[str, ...]:
    """Return what the names of tensors begin with that belong to a head of any class, or to a pooler."""
    names: set[Any] = {name.partition(".")[0] for cls in _classes.values() for name in cls.head_shapes(config)}
    return tuple(f"{name}." for name in sorted({*names, "pooler"}))

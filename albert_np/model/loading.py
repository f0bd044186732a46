"""From a checkpoint to a model: which class, whether config and weights fit, and every weight in its place."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from albert_np.backend import Array
from albert_np.changes import KEY, change_in_force, own_parameter, require_change, unchanged
from albert_np.checkpoints import Checkpoint
from albert_np.config import AlbertConfig
from albert_np.params import Layout, ParamStore
from albert_np.schema import check, listed, optional, text

if TYPE_CHECKING:
    from albert_np.model.base import AlbertBase

__all__ = [
    "OtherNames",
    "check_config",
    "check_state",
    "check_weights",
    "class_of",
    "fill",
    "initialize",
    "initialize_changed",
    "model_classes",
    "other_names",
    "register_class",
    "resized",
]

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
    check(checkpoint.config.extra, {"architectures": optional([text()])}, f"the config of {checkpoint.source}")
    for name in checkpoint.config.extra.get("architectures") or ():
        if name in _classes:
            return _classes[name]

    def fit(cls: "type[AlbertBase]") -> int:
        ties = {name: alias for alias, name in cls.head_ties(checkpoint.config).items()}
        return sum(
            1 if name in checkpoint.weights or ties.get(name) in checkpoint.weights else -1
            for name in cls.head_shapes(checkpoint.config)
        )

    return max(_classes.values(), key=fit)


def check_weights(
    cls: "type[AlbertBase]", config: AlbertConfig, checkpoint: Checkpoint, ignore_mismatched_sizes: bool = False
) -> list[str]:
    """Return what is to be said of weights that do not come from a checkpoint, or go nowhere.

    A checkpoint may lack heads and poolers, and hold what no model has beside the trunk; if `ignore_mismatched_sizes`,
    arrays may have another shape; what a change in force brings or leaves out may be missing or left over. ValueError
    if config and weights do not fit otherwise, or if the checkpoint was saved under another change.
    """
    change = change_in_force()
    gone = () if change is None else tuple(change.gone)
    if KEY in config.extra:
        require_change(config.extra, str(checkpoint.source))
    if config.num_hidden_groups * config.inner_group_num > len(checkpoint.weights):
        raise ValueError(
            f"the weights in {checkpoint.source} do not fit its config.json: {len(checkpoint.weights)} arrays for "
            f"{config.num_hidden_groups} groups of {config.inner_group_num} layers"
        )
    layout = cls.make_layout(config)
    slots = {name: layout.slots[name] for name in layout.names}
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
        "missing": [n for n in missing if n not in heads and "pooler." not in n and own_parameter(n) is None],
        "unexpected": [n for n in unknown if _is_of_trunk(n) and not n.endswith(gone)],
        "of another shape (ignore_mismatched_sizes=True makes them anew)": [] if ignore_mismatched_sizes else wrong,
    }
    if any(problems.values()):
        problems["unexpected"] = unknown  # all of them: one may be what is missing, under another name
        told = "; ".join(f"{kind}: {listed(names, 10, 200)}" for kind, names in problems.items() if names)
        raise ValueError(f"the weights in {checkpoint.source} do not fit its config.json: {told}")
    remarks = {
        f"not in {checkpoint.source}, so newly initialised": missing,
        f"of another shape in {checkpoint.source}, so newly initialised": wrong,
        f"in {checkpoint.source}, but in no model, so not used": unknown,
    }
    said = [f"{what}: {listed(names, 10, 200)}" for what, names in remarks.items() if names]
    if change is not None and KEY not in config.extra:
        said.append(f"{checkpoint.source} was trained as ALBERT is, without {', '.join(change.described)}")
    return said


def fill(model: "AlbertBase", checkpoint: Checkpoint) -> None:
    """Copy the weights that the model has, in its shapes; ValueError where two that are tied differ."""
    slots = {name: model.layout.slots[name] for name in model.layout.names}
    named = {_own_name(type(model), name): array for name, array in checkpoint.weights.items()}
    fitting = {name: array for name, array in named.items() if name in slots and array.shape == slots[name][1]}
    if not model.config.tie_word_embeddings and "predictions.decoder.bias" in fitting:
        fitting.pop("predictions.bias", None)  # stored, but read by nobody, where Hugging Face does not tie them
    try:
        stored = check_state(model.layout, fitting, strict=False)
    except ValueError as error:
        raise ValueError(f"{checkpoint.source}: {error}") from error
    for name, array in stored.items():
        model.params[name] = array


class OtherNames(NamedTuple):
    """In what the names of given arrays differ from a model's: PyTorch's answer to `load_state_dict`."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def other_names(layout: Layout, arrays: Mapping[str, Array]) -> OtherNames:
    """Return the stored names that have no array under any of their names, and the names that are not the model's."""
    known, found = set(layout.names), {layout.ties.get(name, name) for name in arrays}
    return OtherNames([name for name in layout.shapes if name not in found], [n for n in arrays if n not in known])


def check_state(layout: Layout, arrays: Mapping[str, Array], strict: bool) -> dict[str, Array]:
    """Return stored name → array; ValueError where shapes differ, or arrays that are tied, or, if `strict`, the names.

    Other names than the layout's are left out unless `strict`.
    """
    known = set(layout.names)
    missing, unexpected = other_names(layout, arrays) if strict else ([], [])
    wrong = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": [
            f"{name} {tuple(array.shape)} (expected {layout.slots[name][1]})"
            for name, array in arrays.items()
            if name in known and tuple(array.shape) != layout.slots[name][1]
        ],
    }
    if any(wrong.values()):
        told = "; ".join(f"{kind}: {listed(names, 10, 200)}" for kind, names in wrong.items() if names)
        raise ValueError(f"these arrays are not the model's: {told}")
    given: dict[str, str] = {}  # stored name → the name that its numbers came under
    for name in filter(known.__contains__, arrays):
        stored = layout.ties.get(name, name)
        first = given.setdefault(stored, name)
        if first != name and not bool((arrays[first] == arrays[name]).all()):
            alias = name if name != stored else first
            is_decoder = alias.startswith("predictions.")
            why = "the config ties it, unless tie_word_embeddings=False" if is_decoder else "sharing ties it"
            raise ValueError(f"{alias} differs from {stored}, to which {why}")
    return {stored: arrays[name] for stored, name in given.items()}


def check_config(model: "AlbertBase") -> None:
    """Raise ValueError where a model's config was set otherwise since, so that it would mean other weights."""
    model.config.check()
    if KEY in model.config.extra:
        return  # what is replaced, and so what belongs to it, may be in force or not
    with unchanged():
        meant = type(model).make_layout(model.config).shapes
    made = model.layout.shapes
    wrong = sorted(name for name in made.keys() | meant.keys() if made.get(name) != meant.get(name))
    if wrong:
        each = [f"{name} {made.get(name, 'missing')} (the config means {meant.get(name, 'none')})" for name in wrong]
        raise ValueError(
            f"the config was changed since this {type(model).__name__} was made, and its weights do not fit it: "
            f"{listed(each, 10, 200)}; make or load a model with the config that is wanted"
        )


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


def initialize_changed(params: ParamStore, plain: Layout, config: AlbertConfig, rng: np.random.Generator) -> None:
    """Fill the parameters of a changed model; those that it has in common with the `plain` one begin as they do there.

    A change's own begin as it says.
    """
    common = ParamStore(plain, np.zeros(plain.size, params.flat.dtype))
    (own_rng,) = rng.spawn(1)
    initialize(common, config, rng)
    for name, weight in params.items():
        own = own_parameter(name)
        if own is None:
            weight[...] = common[name]
        elif own.start is None:
            weight[...] = config.initializer_range * own_rng.standard_normal(weight.shape, dtype=np.float32)
        else:
            weight[...] = own.start


def resized(old: np.ndarray, new: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Return the rows of `old` in the shape of `new`: cut, or followed by rows drawn around their mean.

    With an `rng` further rows are the mean of the old ones and a deviation, that of embeddings (V, E) with a billionth
    of the rows' covariance, that of a bias (V,) with a billionth of its standard deviation; else they are `new`'s.
    Semantics: Hugging Face's `resize_token_embeddings`.
    """
    rows = min(len(old), len(new))
    result = new.copy()
    result[:rows] = old[:rows]
    if rng is None or rows == len(new):
        return result
    mean = old.mean(axis=0, dtype=np.float64)
    if old.ndim == 1:
        scale = 1e-9 * old.std(ddof=1, dtype=np.float64) if rows > 1 else 0.0
        result[rows:] = mean + scale * rng.standard_normal(len(new) - rows)
        return result
    centered = old - mean
    variances, axes = np.linalg.eigh(centered.T @ centered / rows)
    scales = np.sqrt(1e-9 * variances.clip(min=0))  # along the axes of the covariance, (E,)
    result[rows:] = mean + (rng.standard_normal((len(new) - rows, len(scales))) * scales) @ axes.T
    return result


def _own_name(cls: "type[AlbertBase]", name: str) -> str:
    """Return the name that a tensor of a bare `AlbertModel` or of a model with a head has in this class."""
    return cls.prefix + name.removeprefix("albert.") if _is_of_trunk(name) else name


def _is_of_trunk(name: str) -> bool:
    return name.removeprefix("albert.").startswith(("embeddings.", "encoder.", "pooler."))


def _other_heads(config: AlbertConfig) -> tuple[str, ...]:
    """Return what the names of tensors begin with that belong to a head of any class, or to a pooler."""
    names: set[str] = {name.partition(".")[0] for cls in _classes.values() for name in cls.head_shapes(config)}
    return tuple(f"{name}." for name in sorted({*names, "pooler"}))

"""What a model call accepts, checked and brought to the model's device before any work starts."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from albert_np.backend import Array, ArrayLike, Backend, array_module, backend_of
from albert_np.config import AlbertConfig
from albert_np.execution import Pattern, dense_pattern, packed_pattern
from albert_np.layers import AlbertInputs
from albert_np.ops import IGNORE_INDEX
from albert_np.schema import check_flag

__all__ = [
    "as_array",
    "check_denominator",
    "check_inputs",
    "check_integers",
    "check_labels",
    "check_targets",
    "refuse",
    "refuse_skipped",
    "require_together",
]


def check_inputs(
    config: AlbertConfig,
    backend: Backend,
    dtype: DTypeLike,
    input_ids: ArrayLike | None = None,
    attention_mask: ArrayLike | None = None,
    token_type_ids: ArrayLike | None = None,
    position_ids: ArrayLike | None = None,
    inputs_embeds: ArrayLike | None = None,
    skip_padding: bool = False,
) -> AlbertInputs:
    """Return what the trunk reads, on the model's device; ValueError or TypeError names the argument that is wrong."""
    check_flag("skip_padding", skip_padding)
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError("give exactly one of input_ids and inputs_embeds")
    if input_ids is not None:
        input_ids = backend.own(_integers("input_ids", input_ids, backend, config.vocab_size, "vocab_size"))
        if input_ids.ndim != 2 or 0 in input_ids.shape:
            raise ValueError(f"input_ids must be (B, T) with B and T at least 1, got shape {input_ids.shape}")
        B, T = input_ids.shape
    else:
        inputs_embeds = _floats("inputs_embeds", inputs_embeds, backend, dtype)
        if inputs_embeds.ndim != 3 or 0 in inputs_embeds.shape or inputs_embeds.shape[-1] != config.embedding_size:
            raise ValueError(
                f"inputs_embeds must be (B, T, embedding_size={config.embedding_size}), got {inputs_embeds.shape}"
            )
        B, T = inputs_embeds.shape[:2]
    if position_ids is None and config.max_position_embeddings < T:
        name = "inputs_embeds" if input_ids is None else "input_ids"
        raise ValueError(f"{name} has {T} positions, but max_position_embeddings={config.max_position_embeddings}")
    if token_type_ids is None:
        token_type_ids = np.zeros((B, T), dtype=np.int64)
    if position_ids is None:
        position_ids = np.arange(T)[None]
    token_type_ids = _grid("token_type_ids", token_type_ids, (B, T), backend, config.type_vocab_size, "type_vocab_size")
    limit = "max_position_embeddings"
    position_ids = _grid("position_ids", position_ids, (B, T), backend, config.max_position_embeddings, limit, (1, T))
    pattern = _pattern(attention_mask, (B, T), config.num_attention_heads, backend, dtype, skip_padding)
    return AlbertInputs(
        None if input_ids is None else pattern.pack(input_ids),
        pattern.pack(token_type_ids),
        pattern.pack(position_ids),
        None if inputs_embeds is None else pattern.pack(inputs_embeds),
        pattern,
    )


def _pattern(
    attention_mask: ArrayLike | None,
    shape: tuple[int, int],
    heads: int,
    backend: Backend,
    dtype: DTypeLike,
    skip_padding: bool,
) -> Pattern:
    if attention_mask is None or not skip_padding:
        return dense_pattern(*shape, _additive_mask(attention_mask, shape, heads, backend, dtype))
    mask = as_array("attention_mask", attention_mask, backend)
    mask = backend.to_numpy(mask) if isinstance(mask, backend.array_type) else mask
    if mask.shape not in (shape, (1, shape[1])):
        raise ValueError(f"with skip_padding, attention_mask must have shape {shape}, got {mask.shape}")
    return packed_pattern(np.broadcast_to(mask, shape), backend)


def as_array(name: str, value: ArrayLike, backend: Backend) -> Array:
    """Return an array of the backend as it is, and anything else as NumPy's; TypeError or ValueError says what it is.

    ValueError for rows of different lengths, the batch that was not padded.
    """
    is_array = isinstance(value, backend.array_type)
    if is_array and value.dtype != object:
        return value
    if (other := _known_backend(value)) not in (None, "numpy", backend.name):
        raise TypeError(
            f"{name} is an array of the backend {other!r}, and the model is on {backend.name!r}: move one of them, "
            f"with get_backend({other!r}).to_numpy(…) or model.to({other!r})"
        )
    if isinstance(value, Mapping):
        raise TypeError(f"{name} is a {type(value).__name__}: its arrays are given by their names, model(**batch)")
    try:
        array = np.asarray(value)
    except (RuntimeError, TypeError) as error:  # a PyTorch tensor that requires a gradient, an array of another library
        raise TypeError(f"{name} is a {type(value).__name__} that NumPy does not read: {error}") from error
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise ValueError(f"{name}: {error}") from error
        array = np.empty(0, dtype=object)
    if array.dtype == object:
        raise ValueError(f"{name} must be a grid of numbers, but {_unevenness(value)}")
    return array


def _known_backend(value: ArrayLike) -> str | None:
    """Return the name of the backend that a value is an array of, None for anything else."""
    try:
        return backend_of(value).name
    except TypeError:
        return None


def _unevenness(rows: ArrayLike) -> str:
    try:
        lengths = {len(row) for row in rows}
    except TypeError:
        return "holds something else"
    if len(lengths) < 2:
        return "its rows hold something else"
    return (
        f"its rows have {min(lengths)} to {max(lengths)} numbers: a batch is padded to one length, as by "
        "tokenizer(texts, padding=True)"
    )


def require_together(given: Mapping[str, object]) -> bool:
    """Return whether these arguments are given; ValueError where some are, and others are None."""
    absent = [name for name, value in given.items() if value is None]
    if absent and len(absent) < len(given):
        present = next(name for name in given if name not in absent)
        raise ValueError(f"{present} is given, and {absent[0]} is not: a loss needs {' and '.join(given)}")
    return not absent


def check_denominator(name: str, value: object) -> float | None:
    """Return what a summed loss is divided by, or None; ValueError unless it is a finite number above 0."""
    if value is None:
        return None
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{name}={value!r}: must be a finite number above 0, or None")
    return value


def check_integers(name: str, value: ArrayLike, shape: tuple[int, ...], backend: Backend) -> Array:
    """Return integers of the given shape, but for axes of length 1, on the model's device."""
    value = as_array(name, value, backend)
    if value.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, got {value.dtype}")
    return backend.own(_shaped(name, value, shape))


def check_labels(
    name: str,
    labels: ArrayLike,
    shape: tuple[int, ...],
    backend: Backend,
    classes: int,
    limit: str,
    ignore_index: int = IGNORE_INDEX,
) -> Array:
    """Return integer labels of the given shape, but for axes of length 1, each in [0, classes) or `ignore_index`.

    They stay where they are: of labels in the host's memory, what must be known of them is known without waiting.
    """
    return _shaped(name, _integers(name, labels, backend, classes, limit, ignore_index), shape)


def check_targets(name: str, targets: ArrayLike, shape: tuple[int, ...], backend: Backend, dtype: DTypeLike) -> Array:
    """Return finite numbers in the model's dtype, shaped as by `check_labels`: what is to be predicted, or a mask."""
    targets = as_array(name, targets, backend)
    if targets.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got {targets.dtype}")
    targets = backend.own(_shaped(name, targets, shape))
    refuse(name, targets, ~backend.xp.isfinite(targets), "finite numbers, not NaN or infinity")
    return targets.astype(dtype)


def refuse(name: str, value: Array, bad: Array, allowed: str) -> None:
    """Raise ValueError for the first number of `value` that is `bad`, with its place and what is allowed."""
    if bool(bad.any()):
        where = tuple(int(i[0]) for i in bad.nonzero())
        raise ValueError(f"{name}{list(where)} is {value[where]}: allowed are {allowed}")


def refuse_skipped(name: str, asked: Array, pattern: Pattern) -> None:
    """Raise ValueError where labels ask for something in padding that is skipped. asked: booleans (B, T)."""
    if pattern.tokens is not None:
        real = pattern.unpack(array_module(asked).ones(pattern.tokens.shape, dtype=bool))
        skipped = asked & ~real
        if bool(skipped.any()):
            where = tuple(int(i[0]) for i in skipped.nonzero())
            raise ValueError(f"{name} asks for something at {where}, in padding that skip_padding leaves out")


def _shaped(name: str, value: Array, shape: tuple[int, ...]) -> Array:
    """Return (B, 1) or (1, B) as (B,), and the like; ValueError if more than axes of length 1 is different."""
    if [n for n in value.shape if n != 1] != [n for n in shape if n != 1]:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(value.shape)}")
    return value.reshape(shape)


def _grid(
    name: str,
    value: ArrayLike,
    shape: tuple[int, int],
    backend: Backend,
    upper: int,
    limit: str,
    kept: tuple[int, int] | None = None,
) -> Array:
    """Return integers that broadcast to `shape` in that shape, or in `kept` if that is how they come."""
    value = backend.own(_integers(name, value, backend, upper, limit))
    given = (1,) * (2 - value.ndim) + tuple(value.shape)
    if len(given) > 2 or any(n not in (1, want) for n, want in zip(given, shape, strict=True)):
        raise ValueError(f"{name} must have shape {shape}, or broadcast to it, got {tuple(value.shape)}")
    value = value.reshape(given)
    return value if given == kept else backend.xp.broadcast_to(value, shape)


def _integers(
    name: str, value: ArrayLike, backend: Backend, upper: int, limit: str, ignore_index: int | None = None
) -> Array:
    value = as_array(name, value, backend)
    if value.dtype.kind in "US":
        raise TypeError(f"{name} holds text: ids come from a tokenizer, as in model(**tokenizer(texts, padding=True))")
    if value.dtype.kind not in "iu" and value.size:
        raise TypeError(f"{name} must hold integers, got {value.dtype}")
    bad = (value < 0) | (value >= upper)
    if ignore_index is not None:
        bad &= value != ignore_index
    allowed = f"0 to {upper - 1} ({limit}={upper})" + ("" if ignore_index is None else f" or {ignore_index}")
    refuse(name, value, bad, allowed)
    return value


def _floats(name: str, value: ArrayLike, backend: Backend, dtype: DTypeLike) -> Array:
    value = as_array(name, value, backend)
    if value.dtype.kind != "f":
        raise TypeError(f"{name} must hold floating-point numbers, got {value.dtype}")
    return backend.own(value).astype(dtype, copy=False)


def _additive_mask(
    attention_mask: ArrayLike | None, shape: tuple[int, int], heads: int, backend: Backend, dtype: DTypeLike
) -> Array | None:
    """Return what is added to the scores, or None where nothing is masked.

    A mask (B, T), or (1, T) for all sequences, of 1 (attend) and 0 (padding) becomes (1 - mask) · min, (B, 1, 1, T),
    with min the dtype's lowest number, as Hugging Face does it: a row without any 1 attends evenly. (B, T, T) says it
    for each token. A 4-D mask is added as it is if it holds floats; booleans and integers in it mean attend or not.
    A share between 0 and 1 is refused: 4.57 of Hugging Face hides such a place, and 5 attends to it.
    """
    if attention_mask is None:
        return None
    mask = as_array("attention_mask", attention_mask, backend)
    if mask.dtype.kind not in "biuf":
        raise TypeError(f"attention_mask must hold numbers, got {mask.dtype}")
    (B, T), given = shape, tuple(mask.shape)
    wanted = {2: (B, T), 3: (B, T, T), 4: (B, heads, T, T)}.get(mask.ndim, ())
    free = {2: (0,), 3: (0,), 4: (0, 1, 2, 3)}.get(mask.ndim, ())  # the axes that may be 1
    if not wanted or any(n != wanted[i] and (n != 1 or i not in free) for i, n in enumerate(given)):
        raise ValueError(
            f"attention_mask must have shape {shape} or (1, {T}), {(B, T, T)}, or four axes that broadcast to "
            f"{(B, heads, T, T)}, got {given}"
        )
    if mask.ndim == 4 and mask.dtype.kind == "f":
        mask = mask.astype(dtype, copy=False)
        refuse("attention_mask", mask, ~(mask < math.inf), "numbers to add to the scores, not NaN or infinity")
        return backend.own(mask)
    attend = mask == 1
    if bool(attend.all()):
        return None
    allowed = "1 (attend), 0 (padding); what is to be added to the scores has four axes"
    refuse("attention_mask", mask, ~(attend | (mask == 0)), allowed)
    attend = attend.reshape({2: (-1, 1, 1, T), 3: (-1, 1, T, T), 4: given}[mask.ndim]).astype(dtype)
    return backend.own((1 - attend) * float(np.finfo(dtype).min))

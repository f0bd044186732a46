"""What a model call accepts, checked and brought to the model's device before any work starts."""

from typing import Any

import numpy as np

from albert_np.backend import Array, Backend, array_module
from albert_np.config import AlbertConfig
from albert_np.execution import Pattern, dense_pattern, packed_pattern
from albert_np.layers import AlbertInputs
from albert_np.ops import IGNORE_INDEX

__all__ = ["check_inputs", "check_labels", "check_targets", "refuse", "refuse_skipped"]


def check_inputs(
    config: AlbertConfig,
    backend: Backend,
    dtype: Any,
    input_ids: Any = None,
    attention_mask: Any = None,
    token_type_ids: Any = None,
    position_ids: Any = None,
    inputs_embeds: Any = None,
    skip_padding: bool = False,
) -> AlbertInputs:
    """Return what the trunk reads, on the model's device; ValueError or TypeError names the argument that is wrong."""
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError("give exactly one of input_ids and inputs_embeds")
    if input_ids is not None:
        input_ids = _integers("input_ids", input_ids, backend, config.vocab_size, "vocab_size")
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
    token_type_ids = backend.xp.broadcast_to(token_type_ids, (B, T))
    limit = "max_position_embeddings"
    position_ids = _grid("position_ids", position_ids, (B, T), backend, config.max_position_embeddings, limit)
    pattern = _pattern(attention_mask, (B, T), config.num_attention_heads, backend, dtype, skip_padding)
    return AlbertInputs(
        None if input_ids is None else pattern.pack(input_ids),
        pattern.pack(token_type_ids),
        pattern.pack(position_ids),
        None if inputs_embeds is None else pattern.pack(inputs_embeds),
        pattern,
    )


def _pattern(
    attention_mask: Any, shape: tuple[int, int], heads: int, backend: Backend, dtype: Any, skip_padding: bool
) -> Pattern:
    if attention_mask is None or not skip_padding:
        return dense_pattern(*shape, _additive_mask(attention_mask, shape, heads, backend, dtype))
    on_device = isinstance(attention_mask, backend.array_type)
    mask = backend.to_numpy(attention_mask) if on_device else np.asarray(attention_mask)
    if mask.shape != shape:
        raise ValueError(f"with skip_padding, attention_mask must have shape {shape}, got {mask.shape}")
    return packed_pattern(mask, backend)


def check_labels(
    name: str,
    labels: Any,
    shape: tuple[int, ...],
    backend: Backend,
    classes: int,
    limit: str,
    ignore_index: int = IGNORE_INDEX,
) -> Array:
    """Return integer labels of the given shape, each in [0, classes) or `ignore_index`."""
    labels = _integers(name, labels, backend, classes, limit, ignore_index)
    if labels.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {labels.shape}")
    return labels


def check_targets(name: str, targets: Any, shape: tuple[int, ...], backend: Backend, dtype: Any) -> Array:
    """Return finite numbers of the given shape, in the model's dtype: what is to be predicted, or a mask."""
    targets = targets if isinstance(targets, backend.array_type) else backend.from_numpy(np.asarray(targets))
    if targets.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got {targets.dtype}")
    if targets.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(targets.shape)}")
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


def _grid(name: str, value: Any, shape: tuple[int, int], backend: Backend, upper: int, limit: str) -> Array:
    value = _integers(name, value, backend, upper, limit)
    if value.shape not in (shape, (1, shape[1])):
        raise ValueError(f"{name} must have shape {shape} or {(1, shape[1])}, got {value.shape}")
    return value


def _integers(
    name: str, value: Any, backend: Backend, upper: int, limit: str, ignore_index: int | None = None
) -> Array:
    value = value if isinstance(value, backend.array_type) else np.asarray(value)
    if value.dtype.kind not in "iu" and value.size:
        raise TypeError(f"{name} must hold integers, got {value.dtype}")
    bad = (value < 0) | (value >= upper)
    if ignore_index is not None:
        bad &= value != ignore_index
    allowed = f"0 to {upper - 1} ({limit}={upper})" + ("" if ignore_index is None else f" or {ignore_index}")
    refuse(name, value, bad, allowed)
    return value if isinstance(value, backend.array_type) else backend.from_numpy(value)


def _floats(name: str, value: Any, backend: Backend, dtype: Any) -> Array:
    value = value if isinstance(value, backend.array_type) else backend.from_numpy(np.asarray(value))
    if value.dtype.kind != "f":
        raise TypeError(f"{name} must hold floating-point numbers, got {value.dtype}")
    return value.astype(dtype, copy=False)


def _additive_mask(
    attention_mask: Any, shape: tuple[int, int], heads: int, backend: Backend, dtype: Any
) -> Array | None:
    """Return what is added to the scores, or None where nothing is masked.

    A 2-D mask (B, T) of 1 (attend) and 0 (padding) becomes (1 - mask) · min, (B, 1, 1, T), with min the dtype's
    lowest number, as Hugging Face does it: a row without any 1 attends evenly. A 4-D mask is added as it is if it
    holds floats; booleans and integers in it mean attend or not.
    """
    if attention_mask is None:
        return None
    if not isinstance(attention_mask, backend.array_type):
        attention_mask = backend.from_numpy(np.asarray(attention_mask))
    B, T = shape
    if attention_mask.ndim == 4:
        want = (B, heads, T, T)
        if not all(attention_mask.shape[i] in (1, want[i]) for i in range(4)):
            raise ValueError(f"a 4-D attention_mask must broadcast to {want}, got {tuple(attention_mask.shape)}")
        if attention_mask.dtype.kind == "f":
            return attention_mask.astype(dtype, copy=False)
    elif attention_mask.shape != shape:
        raise ValueError(f"attention_mask must have shape {shape} or four axes, got {tuple(attention_mask.shape)}")
    else:
        attention_mask = attention_mask[:, None, None, :]
    if attention_mask.dtype.kind not in "biuf":
        raise TypeError(f"attention_mask must hold numbers, got {attention_mask.dtype}")
    attend = attention_mask.astype(dtype)
    if bool((attend == 1).all()):
        return None
    outside = ~((attend >= 0) & (attend <= 1))  # NaN too
    refuse("attention_mask", attend, outside, "1 (attend), 0 (padding), and numbers between")
    return (1 - attend) * float(np.finfo(dtype).min)

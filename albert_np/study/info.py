"""What a configuration costs: parameters by part, memory, computation, and what sharing saves of each."""

import math
from dataclasses import replace
from typing import Any

from albert_np.config import AlbertConfig
from albert_np.model import AlbertForPreTraining, AlbertModel

__all__ = ["count_parameters", "describe", "parameters_by_part"]

_PARTS = {
    "embeddings": ("albert.embeddings.",),
    "projection E→H": ("albert.encoder.embedding_hidden_mapping_in.",),
    "attention": ("albert.encoder.albert_layer_groups.*.attention.",),
    "feed-forward": ("albert.encoder.albert_layer_groups.",),
    "pooler": ("albert.pooler.",),
    "MLM head": ("predictions.",),
    "SOP head": ("sop_classifier.",),
}


def count_parameters(config: AlbertConfig, cls: Any = AlbertModel) -> int:
    """Return the number of parameters of a model of that class; a tied one counts once. Nothing is allocated."""
    return sum(math.prod(shape) for shape in cls.parameter_shapes(config).values())


def parameters_by_part(config: AlbertConfig) -> dict[str, int]:
    """Return the parameters of `AlbertForPreTraining` by part; they sum to its count."""
    counts = dict.fromkeys(_PARTS, 0)
    for name, shape in AlbertForPreTraining.parameter_shapes(config).items():
        counts[_part_of(name)] += math.prod(shape)
    return counts


def _part_of(name: str) -> str:
    if ".attention." in name:
        return "attention"
    return next(part for part, prefixes in _PARTS.items() if name.startswith(prefixes))


def describe(config: AlbertConfig, positions: int | None = None) -> dict[str, Any]:
    """Return a configuration's figures, ready for JSON.

    positions: length of the sequence that computation and activations are counted for; the longest by default.
    Activations are the float32 numbers that a forward pass keeps for the backward pass of one sequence: for each step
    the inputs of its matrix products, the attention probabilities and the normalised values.
    """
    positions = config.max_position_embeddings if positions is None else positions
    if not 1 <= positions <= config.max_position_embeddings:
        raise ValueError(f"positions={positions}: allowed are 1 to {config.max_position_embeddings}")
    alone = replace(config, sharing="none", num_hidden_groups=0)
    backbone, unshared = count_parameters(config), count_parameters(alone)
    E, H, V = config.embedding_size, config.hidden_size, config.vocab_size
    return {
        "config": config.to_dict(),
        "parameters": parameters_by_part(config),
        "backbone_parameters": backbone,
        "pretraining_parameters": count_parameters(config, AlbertForPreTraining),
        "weight_bytes_float32": 4 * backbone,
        "training_bytes_float32": 4 * 4 * count_parameters(config, AlbertForPreTraining),
        "positions": positions,
        "flops_per_token": config.flops_per_token(positions),
        "activation_bytes_per_sequence": 4 * positions * activations_per_token(config, positions),
        "word_embedding_parameters": {"factorised": V * E + E * H, "V x H": V * H},
        "without_sharing": {
            "backbone_parameters": unshared,
            "flops_per_token": alone.flops_per_token(positions),
            "activation_bytes_per_sequence": 4 * positions * activations_per_token(alone, positions),
        },
    }


def activations_per_token(config: AlbertConfig, positions: int) -> int:
    """Return how many numbers one token leaves in the caches of the L · inner steps.

    Each step keeps its input (H), query, key and value (3H), N rows of attention probabilities (T each), the merged
    heads (H), the normalised values of two LayerNorms (2H), the attention's output (H), and the feed-forward's inner
    values before and after the activation (2I).
    """
    step = 8 * config.hidden_size + config.num_attention_heads * positions + 2 * config.intermediate_size
    return config.num_hidden_layers * config.inner_group_num * step

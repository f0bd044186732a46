"""What a configuration costs: parameters by part, memory, matrix products, and what sharing saves of each."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from albert_np.config import AlbertConfig
from albert_np.execution import PRECISIONS, keeps_probabilities
from albert_np.model import AlbertBase, AlbertForPreTraining, AlbertModel

__all__ = [
    "Product",
    "activation_bytes_per_token",
    "activations_per_token",
    "count_parameters",
    "describe",
    "flops_per_token",
    "matrix_products",
    "parameters_by_part",
    "word_embedding_parameters",
]

FLOAT32 = 4  # bytes
ROUNDED = 2  # of a number that products alone read, where they are in bfloat16 or float16
_PARTS = {  # a parameter belongs to the first part whose text its name contains
    "embeddings": "albert.embeddings.",
    "projection E→H": "albert.encoder.embedding_hidden_mapping_in.",
    "attention": ".attention.",
    "feed-forward": "albert.encoder.albert_layer_groups.",
    "pooler": "albert.pooler.",
    "MLM head": "predictions.",
    "SOP head": "sop_classifier.",
}


def count_parameters(config: AlbertConfig, cls: type[AlbertBase] = AlbertModel) -> int:
    """Return the number of parameters of a model of that class; a tied one counts once. Nothing is allocated."""
    return sum(math.prod(shape) for shape in cls.parameter_shapes(config).values())


def parameters_by_part(config: AlbertConfig) -> dict[str, int]:
    """Return the parameters of `AlbertForPreTraining` by part; they sum to its count."""
    counts = dict.fromkeys(_PARTS, 0)
    for name, shape in AlbertForPreTraining.parameter_shapes(config).items():
        counts[next(part for part, text in _PARTS.items() if text in name)] += math.prod(shape)
    return counts


def word_embedding_parameters(config: AlbertConfig) -> dict[str, int]:
    """Return the numbers in the word embeddings and their projection, V·E + E·H, and in a table V·H instead."""
    V, E, H = config.vocab_size, config.embedding_size, config.hidden_size
    return {"factorised": V * E + E * H, "V x H": V * H}


class Product(NamedTuple):
    """`times` times, for `batch` pairs of matrices: (m, k) times (k, n).

    layout: "nt" reads the second matrix transposed (y = x weightᵀ), "nn" none (dx = dy weight), "tn" the first
    (dweight = dyᵀ x).
    """

    layout: str
    batch: int
    m: int
    k: int
    n: int
    times: int

    @property
    def flops(self) -> int:
        """Two for each multiplication and addition."""
        return 2 * self.batch * self.m * self.k * self.n * self.times


def matrix_products(
    config: AlbertConfig, lengths: Sequence[int], labelled: int = 0, read: int | None = None, backward: bool = False
) -> list[Product]:
    """Return the matrix products of a pass over sequences of these lengths: of `AlbertForPreTraining` with its
    backward pass, of `AlbertModel` without.

    labelled: positions at which logits are computed; read: positions of the last layer step that are wanted, all by
    default.
    """
    E, H, V = config.embedding_size, config.hidden_size, config.vocab_size
    linears = [(len(lengths), H, H, 1)]  # rows, in, out, times: the pooler
    if backward:
        linears += [(labelled, H, E, 1), (labelled, E, V, 1), (len(lengths), H, 2, 1)]  # MLM and SOP heads
    heads = [product for linear in linears for product in _linear(*linear, backward)]
    return [*_encoder_products(config, lengths, sum(lengths) if read is None else read, backward), *heads]


def _encoder_products(config: AlbertConfig, lengths: Sequence[int], read: int, backward: bool) -> list[Product]:
    E, H, I = config.embedding_size, config.hidden_size, config.intermediate_size  # noqa: E741
    rows, steps = sum(lengths), config.num_hidden_layers * config.inner_group_num
    linears = [(rows, E, H, 1), (rows, H, 3 * H, steps)]  # the projection; query, key and value
    for count, times in ((rows, steps - 1), (read, 1)):
        linears += [(count, H, H, times), (count, H, I, times), (count, I, H, times)]
    found = [product for linear in linears for product in _linear(*linear, backward)]
    for length, count in sorted(Counter(lengths).items()):
        found += _attention(count * config.num_attention_heads, length, config.head_size, steps, backward)
    return found


def _linear(rows: int, width_in: int, width_out: int, times: int, backward: bool) -> list[Product]:
    y = Product("nt", 1, rows, width_in, width_out, times)
    dx = Product("nn", 1, rows, width_out, width_in, times)
    dweight = Product("tn", 1, width_out, rows, width_in, times)
    return [y, dx, dweight] if backward else [y]


def _attention(heads: int, T: int, D: int, times: int, backward: bool) -> list[Product]:
    scores, context = Product("nt", heads, T, D, T, times), Product("nn", heads, T, T, D, times)
    dprobs, dvalue = Product("nt", heads, T, D, T, times), Product("tn", heads, T, T, D, times)
    dquery, dkey = Product("nn", heads, T, T, D, times), Product("tn", heads, T, T, D, times)
    return [scores, context, dprobs, dvalue, dquery, dkey] if backward else [scores, context]


def flops_per_token(config: AlbertConfig, positions: int) -> int:
    """Return the floating-point operations of the encoder's matrix products for one token of a forward pass.

    Two per multiplication and addition; E→H projection and all layer steps, in a sequence of `positions`. Sharing does
    not enter: a shared layer is computed as often as an unshared one.

    Derivation: notebook 19, eq. 19.6.
    """
    return sum(product.flops for product in _encoder_products(config, [positions], positions, False)) // positions


def activations_per_token(config: AlbertConfig, positions: int, on_gpu: bool = False) -> int:
    """Return how many numbers one token leaves in the caches of the L · inner steps.

    Each step keeps its input (H), query, key and value (3H), the merged heads (H), the normalised values of two
    LayerNorms (2H), the attention's output (H), and the feed-forward's inner values before and after the activation
    (2I). Of N rows of attention probabilities it keeps all T numbers where sequences are short or some are dropped, and
    on a GPU; otherwise two of each row, from which they are computed again.
    """
    of_row = positions if _keeps_probabilities(config, positions, on_gpu) else 2
    step = 8 * config.hidden_size + 2 * config.intermediate_size + config.num_attention_heads * of_row
    return _steps(config) * step


def activation_bytes_per_token(
    config: AlbertConfig, positions: int, precision: str = "float32", on_gpu: bool = False
) -> int:
    """Return the bytes of what `activations_per_token` counts, where products are computed in a precision.

    In bfloat16 and float16 what nothing but products with weights reads lies in 16 bits: of each step its input, the
    merged heads and the attention's output (3H), and the inner values after the activation (I). Where probabilities are
    computed again, that needs the merged heads in float32 besides.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r}: allowed are {', '.join(PRECISIONS)}")
    wide, narrow = activations_per_token(config, positions, on_gpu), 0
    if precision in ("bfloat16", "float16"):
        narrow = _steps(config) * (3 * config.hidden_size + config.intermediate_size)
        wide -= narrow
        if not _keeps_probabilities(config, positions, on_gpu):
            wide += _steps(config) * config.hidden_size
    return FLOAT32 * wide + ROUNDED * narrow


def _steps(config: AlbertConfig) -> int:
    return config.num_hidden_layers * config.inner_group_num


def _keeps_probabilities(config: AlbertConfig, positions: int, on_gpu: bool) -> bool:
    kept = keeps_probabilities(config.num_attention_heads, positions, positions)
    return on_gpu or kept or config.attention_probs_dropout_prob > 0


def _rounded_weights(config: AlbertConfig) -> int:
    """Return the numbers of the matrices of `AlbertForPreTraining` that products read."""
    shapes = AlbertForPreTraining.parameter_shapes(config)
    looked_up = ".position_embeddings.", ".token_type_embeddings."  # word embeddings are the MLM head's, too
    read = [shape for name, shape in shapes.items() if not any(part in name for part in looked_up)]
    return sum(math.prod(shape) for shape in read if len(shape) == 2)


def describe(config: AlbertConfig, positions: int | None = None) -> dict[str, Any]:
    """Return a configuration's figures, ready for JSON.

    positions: length of the sequence that computation and activations are counted for; the longest by default.
    Activations are the float32 numbers that a forward pass keeps for the backward pass of one sequence: for each step
    the inputs of its matrix products, the attention probabilities and the normalised values. Training holds four
    numbers for each parameter: weight, gradient and the optimizer's two moments. `offload` can
    hand the moments to the host, and the inputs of one sequence that `recompute` keeps. A GPU keeps all probabilities;
    there, activations are counted for each precision of products, and what the weights take once more where they are
    rounded for bfloat16 or float16. All of this is counted, not measured.
    """
    if not isinstance(config, AlbertConfig):
        raise TypeError(f"config must be an AlbertConfig, such as AlbertConfig.preset('base-v2'), got {config!r:.80}")
    positions = config.max_position_embeddings if positions is None else positions
    if not 1 <= positions <= config.max_position_embeddings:
        raise ValueError(f"positions={positions}: allowed are 1 to {config.max_position_embeddings}")
    pretraining = count_parameters(config, AlbertForPreTraining)
    figures = _of_backbone(config, positions)
    return {
        "config": config.to_dict(),
        "parameters": parameters_by_part(config),
        "pretraining_parameters": pretraining,
        "weight_bytes_float32": FLOAT32 * figures["backbone_parameters"],
        "training_bytes_float32": 4 * FLOAT32 * pretraining,
        "offloaded_bytes_float32": {
            "moments": 2 * FLOAT32 * pretraining,
            "inputs": FLOAT32 * positions * _steps(config) * config.hidden_size,
        },
        "gpu_activation_bytes_per_sequence": {
            each: positions * activation_bytes_per_token(config, positions, each, on_gpu=True) for each in PRECISIONS
        },
        "rounded_weight_bytes": ROUNDED * _rounded_weights(config),
        "positions": positions,
        **figures,
        "word_embedding_parameters": word_embedding_parameters(config),
        "without_sharing": _of_backbone(replace(config, sharing="none", num_hidden_groups=0), positions),
    }


def _of_backbone(config: AlbertConfig, positions: int) -> dict[str, int]:
    return {
        "backbone_parameters": count_parameters(config),
        "flops_per_token": flops_per_token(config, positions),
        "activation_bytes_per_sequence": positions * activation_bytes_per_token(config, positions),
    }

"""ALBERT's blocks as nodes of a graph: the forwards of `layers` and `heads` again, in eval mode and in ONNX's words.

Each function takes the graph, names of values, and what the names of its parameters begin with; it returns the names
of its results. Shapes as in `layers`: B batch and T positions are free in the file.
"""

import math
from collections.abc import Callable

import numpy as np

from albert_np.export.graph import Graph
from albert_np.heads import FORBIDDEN
from albert_np.params import layer_prefix

__all__ = ["albert", "answers", "dense", "mlm", "pooler", "spans"]


def albert(g: Graph, input_ids: str, attention_mask: str, token_type_ids: str) -> str:
    """input_ids, attention_mask, token_type_ids (B, T) → the sequence output (B, T, H)."""
    config, prefix = g.model.config, g.model.prefix
    x = embeddings(g, input_ids, token_type_ids, f"{prefix}embeddings.")
    x = dense(g, x, f"{prefix}encoder.embedding_hidden_mapping_in.")
    padding = g.node("Sub", g.number(1), g.node("Cast", attention_mask, to=g.onnx.TensorProto.FLOAT))
    lowest = g.node("Mul", padding, g.number(float(np.finfo(np.float32).min)))
    mask = g.node("Unsqueeze", lowest, g.integers(1, 2))  # (B, 1, 1, T), added to the scores
    for step in range(config.num_hidden_layers):
        for inner in range(config.inner_group_num):
            x = layer(g, x, mask, prefix + layer_prefix(config.group_of(step), inner))
    return x


def embeddings(g: Graph, input_ids: str, token_type_ids: str, prefix: str) -> str:
    """Word + token type + position → LayerNorm: (B, T, E)."""
    positions = g.node("Shape", input_ids, start=1, end=2)  # [T]
    table = g.weight(f"{prefix}position_embeddings.weight")
    rows = g.node("Slice", table, g.integers(0), positions, g.integers(0))  # (T, E)
    words = g.node("Gather", g.weight(f"{prefix}word_embeddings.weight"), input_ids)
    types = g.node("Gather", g.weight(f"{prefix}token_type_embeddings.weight"), token_type_ids)
    return norm(g, g.node("Add", g.node("Add", words, types), rows), f"{prefix}LayerNorm.")


def layer(g: Graph, x: str, mask: str, prefix: str) -> str:
    """LayerNorm(x + A(x)), then LayerNorm(h + F(h)): (B, T, H)."""
    h = norm(g, g.node("Add", x, attention(g, x, mask, f"{prefix}attention.")), f"{prefix}attention.LayerNorm.")
    inner = activation(g, dense(g, h, f"{prefix}ffn."))  # (B, T, I)
    return norm(g, g.node("Add", h, dense(g, inner, f"{prefix}ffn_output.")), f"{prefix}full_layer_layer_norm.")


def attention(g: Graph, x: str, mask: str, prefix: str) -> str:
    """dense(attention over N heads): (B, T, H)."""
    N, D = g.model.config.num_attention_heads, g.model.config.head_size
    stacked = dense(g, x, f"{prefix}query_key_value.")  # (B, T, 3H)
    split = g.node("Reshape", stacked, g.integers(0, 0, 3, N, D))
    parts = g.node("Split", g.node("Transpose", split, perm=[2, 0, 3, 1, 4]), axis=0, outputs=3)
    query, key, value = (g.node("Squeeze", part, g.integers(0)) for part in parts)  # (B, N, T, D)
    scaled = g.node("Mul", query, g.number(D**-0.5))
    scores = g.node("Add", g.node("MatMul", scaled, g.node("Transpose", key, perm=[0, 1, 3, 2])), mask)
    context = g.node("MatMul", g.node("Softmax", scores, axis=-1), value)
    merged = g.node("Reshape", g.node("Transpose", context, perm=[0, 2, 1, 3]), g.integers(0, 0, N * D))
    return dense(g, merged, f"{prefix}dense.")


def dense(g: Graph, x: str, prefix: str) -> str:
    """x weightᵀ + bias: (…, in) → (…, out)."""
    product = g.node("MatMul", x, g.weight(f"{prefix}weight", transposed=True))
    return str(g.node("Add", product, g.weight(f"{prefix}bias")))


def norm(g: Graph, x: str, prefix: str) -> str:
    """LayerNorm over the last axis."""
    weight, bias = g.weight(f"{prefix}weight"), g.weight(f"{prefix}bias")
    return str(g.node("LayerNormalization", x, weight, bias, axis=-1, epsilon=g.model.config.layer_norm_eps))


def activation(g: Graph, x: str) -> str:
    """The configuration's activation; ValueError for one that is not here."""
    name = g.model.config.hidden_act
    if name not in _ACTIVATIONS:
        raise ValueError(f"hidden_act={name!r} is not exported to ONNX; allowed are {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name](g, x)


def _gelu(g: Graph, x: str) -> str:
    return _half(g, x, g.node("Erf", g.node("Mul", x, g.number(math.sqrt(0.5)))))


def _gelu_new(g: Graph, x: str) -> str:
    cube = g.node("Mul", g.node("Mul", x, x), x)
    inner = g.node("Add", x, g.node("Mul", cube, g.number(0.044715)))
    return _half(g, x, g.node("Tanh", g.node("Mul", inner, g.number(math.sqrt(2 / math.pi)))))


def _half(g: Graph, x: str, gate: str) -> str:
    """x (1 + gate) / 2."""
    return str(g.node("Mul", g.node("Mul", x, g.number(0.5)), g.node("Add", gate, g.number(1))))


def _silu(g: Graph, x: str) -> str:
    return str(g.node("Mul", x, g.node("Sigmoid", x)))


def _quick_gelu(g: Graph, x: str) -> str:
    return str(g.node("Mul", x, g.node("Sigmoid", g.node("Mul", x, g.number(1.702)))))


_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "gelu": _gelu,
    "gelu_new": _gelu_new,
    "gelu_fast": _gelu_new,
    "gelu_python": _gelu,
    "gelu_pytorch_tanh": _gelu_new,
    "quick_gelu": _quick_gelu,
    "relu": lambda g, x: str(g.node("Relu", x)),
    "silu": _silu,
    "swish": _silu,
    "tanh": lambda g, x: str(g.node("Tanh", x)),
}


def first(g: Graph, x: str) -> str:
    """x at [CLS]: (B, T, H) → (B, H)."""
    return str(g.node("Squeeze", g.node("Slice", x, g.integers(0), g.integers(1), g.integers(1)), g.integers(1)))


def pooler(g: Graph, x: str) -> str:
    """tanh(dense(x at [CLS])): (B, H)."""
    return str(g.node("Tanh", dense(g, first(g, x), f"{g.model.prefix}pooler.")))


def mlm(g: Graph, x: str, input_ids: str) -> str:
    """decoder(LayerNorm(act(dense(x)))): (B, T, V), with the word embeddings as they are stored for looking up."""
    config = g.model.config
    normed = norm(g, activation(g, dense(g, x, "predictions.dense.")), "predictions.LayerNorm.")
    rows = g.node("Reshape", normed, g.integers(-1, config.embedding_size))
    decoder, bias = g.weight("predictions.decoder.weight"), g.weight("predictions.bias")
    logits = g.node("Gemm", rows, decoder, bias, transB=1)  # (B · T, V)
    shape = g.node("Concat", g.node("Shape", input_ids), g.integers(config.vocab_size), axis=0)
    return str(g.node("Reshape", logits, shape))


def spans(g: Graph, x: str) -> tuple[str, str]:
    """Start and end logits, (B, T) each."""
    halves = g.node("Split", dense(g, x, "qa_outputs."), axis=-1, outputs=2)
    start, end = (g.node("Squeeze", half, g.integers(-1)) for half in halves)
    return start, end


def answers(g: Graph, x: str, p_mask: str, start_n_top: int, end_n_top: int) -> dict[str, str]:
    """The SQuAD 2 head: logits (B, T) of starts and (B,) of no answer, and what `TopAnswers` holds, by its names."""
    allowed = g.node("Equal", p_mask, g.integers(0))  # (B, T)
    start = _where_allowed(g, allowed, dense(g, x, "start_logits.dense."))  # (B, T)
    start_probs, starts = _top(g, start, start_n_top)  # (B, K)
    end = _where_allowed(g, g.node("Unsqueeze", allowed, g.integers(1)), _ends(g, x, starts))  # (B, K, T)
    end_probs, ends = (g.node("Flatten", each) for each in _top(g, end, end_n_top))  # (B, K · J)
    return {
        "start_logits": start,
        "cls_logits": _no_answer(g, x, start),
        "start_top_log_probs": start_probs,
        "start_top_index": starts,
        "end_top_log_probs": end_probs,
        "end_top_index": ends,
    }


def _where_allowed(g: Graph, allowed: str, logits: str) -> str:
    """logits (…, 1) → (…), and -1e30 where `allowed` is not."""
    return str(g.node("Where", allowed, g.node("Squeeze", logits, g.integers(-1)), g.number(FORBIDDEN)))


def _top(g: Graph, logits: str, count: int) -> tuple[str, str]:
    """The highest log softmax(logits) along the last axis, and where they are; of equals the first."""
    width = g.node("Shape", logits, start=-1)
    most = g.node("Min", width, g.integers(count))
    values, index = g.node("TopK", g.node("LogSoftmax", logits, axis=-1), most, outputs=2)
    return values, index


def _ends(g: Graph, x: str, starts: str) -> str:
    """dense_1(LayerNorm(tanh(dense_0([x; x at the start])))): x (B, T, H), starts (B, K) → (B, K, T, 1)."""
    rows = g.node("Unsqueeze", starts, g.integers(2))
    at_start = g.node("Unsqueeze", g.node("GatherND", x, rows, batch_dims=1), g.integers(2))  # (B, K, 1, H)
    places = g.node("Unsqueeze", x, g.integers(1))  # (B, 1, T, H)
    shape = g.node("Shape", g.node("Add", places, at_start))
    pairs = g.node("Concat", g.node("Expand", places, shape), g.node("Expand", at_start, shape), axis=-1)
    inner = g.node("Tanh", dense(g, pairs, "end_logits.dense_0."))  # (B, K, T, H)
    return dense(g, norm(g, inner, "end_logits.LayerNorm."), "end_logits.dense_1.")


def _no_answer(g: Graph, x: str, start: str) -> str:
    """dense_1(tanh(dense_0([the expected start; x at [CLS]]))): x (B, T, H), start (B, T) → (B,)."""
    probs = g.node("Unsqueeze", g.node("Softmax", start, axis=-1), g.integers(1))  # (B, 1, T)
    expected = g.node("Squeeze", g.node("MatMul", probs, x), g.integers(1))  # (B, H)
    features = g.node("Concat", expected, first(g, x), axis=-1)
    inner = g.node("Tanh", dense(g, features, "answer_class.dense_0."))
    logits = g.node("MatMul", inner, g.weight("answer_class.dense_1.weight", transposed=True))  # (B, 1)
    return str(g.node("Squeeze", logits, g.integers(1)))

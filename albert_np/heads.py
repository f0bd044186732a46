"""The heads that fine-tuning puts on ALBERT's trunk, each as a pair: a classifier's targets, span, SQuAD 2's answers.

The heads of pretraining stand in `layers`, the classifier that fine-tuning uses too among them; they have their names
here as well. Same convention as `layers`. Names are Hugging Face's; the SQuAD 2 head is Google's (`create_v2_model` and
`v2_model_fn_builder` in squad_utils.py of google-research/albert). Shapes beside those of `layers`: K starts, J ends
for each start.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from albert_np import ops
from albert_np.backend import Array, array_module
from albert_np.config import AlbertConfig
from albert_np.execution import Pattern, product
from albert_np.layers import (
    classifier_backward,
    classifier_forward,
    classifier_shapes,
    dense_backward,
    dense_forward,
    mlm_backward,
    mlm_forward,
    mlm_loss_backward,
    mlm_loss_forward,
    mlm_shapes,
    mlm_ties,
    norm_backward,
    norm_forward,
    sop_shapes,
)
from albert_np.params import Scope, Shapes

__all__ = [
    "TopAnswers",
    "answer_class_backward",
    "answer_class_forward",
    "answer_loss_backward",
    "answer_loss_forward",
    "class_targets",
    "classifier_backward",
    "classifier_forward",
    "classifier_shapes",
    "end_logits_backward",
    "end_logits_forward",
    "mlm_backward",
    "mlm_forward",
    "mlm_loss_backward",
    "mlm_loss_forward",
    "mlm_shapes",
    "mlm_ties",
    "sop_shapes",
    "span_backward",
    "span_forward",
    "span_loss_backward",
    "span_loss_forward",
    "span_shapes",
    "squad2_shapes",
    "start_logits_backward",
    "start_logits_forward",
    "top_answers",
]


def class_targets(
    labels: Array, classes: int, class_weights: Array | None, label_smoothing: float
) -> tuple[Array, float]:
    """Return how much each class counts as the right one, for `ops.soft_cross_entropy_forward`, and the denominator.

    labels (R,) integers below `classes`, or -100, where nothing counts; class_weights (classes,), None for 1 each;
    returns (R, classes) and the sum of the labels' weights. A label keeps 1 - label_smoothing of its weight, and all
    classes share out the rest, each by its own: the semantics of PyTorch's `cross_entropy`.
    """
    xp = array_module(labels)
    weights = xp.ones(classes) if class_weights is None else class_weights
    counted = labels != ops.IGNORE_INDEX
    own = (labels[:, None] == xp.arange(classes)) * weights  # (R, classes)
    total = float(own.sum())
    shared = counted[:, None] * (weights / classes)
    return (1 - label_smoothing) * own + label_smoothing * shared, total or 1.0


def span_shapes(config: AlbertConfig) -> Shapes:
    """Return name → shape of the head that points at the start and the end of an answer."""
    return {"qa_outputs.weight": (2, config.hidden_size), "qa_outputs.bias": (2,)}


class SpanCache(NamedTuple):
    pattern: Pattern
    dense: ops.LinearCache


def span_forward(x: Array, pattern: Pattern, p: Scope) -> tuple[Array, Array, SpanCache]:
    """Return start_logits and end_logits, (B, T) each: the two columns of dense(x), without dropout.

    x (B, T, H). Where padding was skipped its logits are the dtype's lowest number: no answer lies there.
    """
    logits, dense = dense_forward(x, p.scope("qa_outputs."))  # (B, T, 2)
    logits = pattern.unpack(pattern.pack(logits), fill=float(np.finfo(x.dtype).min))
    return logits[..., 0], logits[..., 1], SpanCache(pattern, dense)


def span_backward(dstart: Array, dend: Array, cache: SpanCache, g: Scope) -> Array:
    """Mirror of `span_forward`. dstart and dend (B, T); returns dx (B, T, H)."""
    dlogits = array_module(dstart).stack([dstart, dend], axis=-1)  # (B, T, 2)
    dlogits = cache.pattern.unpack(cache.pattern.pack(dlogits))
    return dense_backward(dlogits, cache.dense, g.scope("qa_outputs."))


class SpanLossCache(NamedTuple):
    start: ops.CrossEntropyCache
    end: ops.CrossEntropyCache


def span_loss_forward(
    start_logits: Array,
    end_logits: Array,
    start_positions: Array,
    end_positions: Array,
    denominator: float | None = None,
) -> tuple[Array, SpanLossCache]:
    """The mean of two cross-entropies, of the start and of the end. Returns a loss without axes.

    start_logits and end_logits (B, T); start_positions and end_positions (B,) in [0, T], where T is ignored. Each
    cross-entropy is a sum divided by `denominator`, by default the number of starts, or of ends, that count.
    """
    T = start_logits.shape[1]
    start_loss, start = ops.cross_entropy_forward(start_logits, start_positions, T, denominator)
    end_loss, end = ops.cross_entropy_forward(end_logits, end_positions, T, denominator)
    return (start_loss + end_loss) / 2, SpanLossCache(start, end)


def span_loss_backward(dloss: Array | float, cache: SpanLossCache) -> tuple[Array, Array]:
    """Mirror of `span_loss_forward`; returns dstart_logits and dend_logits, (B, T) each."""
    dend = ops.cross_entropy_backward(dloss / 2, cache.end)
    dstart = ops.cross_entropy_backward(dloss / 2, cache.start)
    return dstart, dend


# The SQuAD 2 head: where does the answer start; given that start, where does it end; and is there an answer at all?

FORBIDDEN = -1e30  # the logit where no answer may be: no probability, yet finite, so that nothing becomes NaN


def squad2_shapes(config: AlbertConfig) -> Shapes:
    """Return name → shape of the head's parameters; `answer_class.dense_1` has no bias."""
    H = config.hidden_size
    return {
        "start_logits.dense.weight": (1, H),
        "start_logits.dense.bias": (1,),
        "end_logits.dense_0.weight": (H, 2 * H),
        "end_logits.dense_0.bias": (H,),
        "end_logits.LayerNorm.weight": (H,),
        "end_logits.LayerNorm.bias": (H,),
        "end_logits.dense_1.weight": (1, H),
        "end_logits.dense_1.bias": (1,),
        "answer_class.dense_0.weight": (H, 2 * H),
        "answer_class.dense_0.bias": (H,),
        "answer_class.dense_1.weight": (1, H),
    }


class StartLogitsCache(NamedTuple):
    dense: ops.LinearCache
    allowed: Array  # (B, T) booleans


def start_logits_forward(x: Array, allowed: Array, p: Scope) -> tuple[Array, StartLogitsCache]:
    """dense(x), and -1e30 where no answer may start. x (B, T, H), allowed (B, T) booleans; returns (B, T)."""
    logits, dense = dense_forward(x, p.scope("dense."))  # (B, T, 1)
    return array_module(x).where(allowed, logits[..., 0], FORBIDDEN), StartLogitsCache(dense, allowed)


def start_logits_backward(dlogits: Array, cache: StartLogitsCache, g: Scope) -> Array:
    """Mirror of `start_logits_forward`. dlogits (B, T); returns dx (B, T, H)."""
    return dense_backward((dlogits * cache.allowed)[..., None], cache.dense, g.scope("dense."))


class EndLogitsCache(NamedTuple):
    picked: Array  # (B, K, T), 1 at each start, else 0
    dense_0: ops.LinearCache
    tanh: ops.TanhCache
    layer_norm: ops.LayerNormCache
    dense_1: ops.LinearCache
    allowed: Array  # (B, T) booleans


def end_logits_forward(
    x: Array, starts: Array, allowed: Array, p: Scope, config: AlbertConfig
) -> tuple[Array, EndLogitsCache]:
    """dense_1(LayerNorm(tanh(dense_0([x; x at the start])))), and -1e30 where no answer may end.

    x (B, T, H), starts (B, K) positions, allowed (B, T) booleans; returns (B, K, T), the ends given each start.
    """
    xp = array_module(x)
    (B, T, H), K = x.shape, starts.shape[1]
    picked = (starts[..., None] == xp.arange(T)).astype(x.dtype)  # (B, K, T)
    at_start = product(picked, x)  # (B, K, H)
    pairs = [xp.broadcast_to(half, (B, K, T, H)) for half in (x[:, None], at_start[:, :, None])]
    inner, dense_0 = dense_forward(xp.concatenate(pairs, axis=-1), p.scope("dense_0."))  # (B, K, T, H)
    activated, tanh = ops.tanh_forward(inner)
    normed, layer_norm = norm_forward(activated, p.scope("LayerNorm."), config)
    logits, dense_1 = dense_forward(normed, p.scope("dense_1."))  # (B, K, T, 1)
    cache = EndLogitsCache(picked, dense_0, tanh, layer_norm, dense_1, allowed)
    return xp.where(allowed[:, None], logits[..., 0], FORBIDDEN), cache


def end_logits_backward(dlogits: Array, cache: EndLogitsCache, g: Scope) -> Array:
    """Mirror of `end_logits_forward`: x served all starts, x at a start all ends.

    dlogits (B, K, T); returns dx (B, T, H).
    """
    dlogits = dlogits * cache.allowed[:, None]
    dnormed = dense_backward(dlogits[..., None], cache.dense_1, g.scope("dense_1."))
    dactivated = norm_backward(dnormed, cache.layer_norm, g.scope("LayerNorm."))
    dinner = ops.tanh_backward(dactivated, cache.tanh)
    dpairs = dense_backward(dinner, cache.dense_0, g.scope("dense_0."))  # (B, K, T, 2H)
    H = dpairs.shape[-1] // 2
    dx, dat_start = dpairs[..., :H].sum(axis=1), dpairs[..., H:].sum(axis=2)  # (B, T, H), (B, K, H)
    return dx + product(cache.picked.swapaxes(1, 2), dat_start)


class AnswerClassCache(NamedTuple):
    x: Array  # (B, T, H)
    softmax: ops.SoftmaxCache  # (B, T), the probability of a start at each position
    dense_0: ops.LinearCache
    tanh: ops.TanhCache
    dropout: ops.DropoutCache
    dense_1: ops.LinearCache


def answer_class_forward(
    x: Array, start_logits: Array, p: Scope, config: AlbertConfig, rng: Generator | None = None
) -> tuple[Array, AnswerClassCache]:
    """dense_1(dropout(tanh(dense_0([the expected start; [CLS]])))): above 0 where no answer is likelier than one.

    x (B, T, H), start_logits (B, T); returns (B,). The expected start is Σ softmax(start_logits) x over the positions.
    """
    probs, softmax = ops.softmax_forward(start_logits)  # (B, T)
    expected_start = product(probs[:, None], x)[:, 0]  # (B, H)
    features = array_module(x).concatenate([expected_start, x[:, 0]], axis=-1)  # (B, 2H)
    inner, dense_0 = dense_forward(features, p.scope("dense_0."))  # (B, H)
    activated, tanh = ops.tanh_forward(inner)
    dropped, dropout = ops.dropout_forward(activated, config.head_dropout_prob, rng)
    logits, dense_1 = dense_forward(dropped, p.scope("dense_1."))  # (B, 1)
    return logits[:, 0], AnswerClassCache(x, softmax, dense_0, tanh, dropout, dense_1)


def answer_class_backward(dlogits: Array, cache: AnswerClassCache, g: Scope) -> tuple[Array, Array]:
    """Mirror of `answer_class_forward`. dlogits (B,); returns dx (B, T, H) and dstart_logits (B, T)."""
    ddropped = dense_backward(dlogits[:, None], cache.dense_1, g.scope("dense_1."))
    dactivated = ops.dropout_backward(ddropped, cache.dropout)
    dinner = ops.tanh_backward(dactivated, cache.tanh)
    dfeatures = dense_backward(dinner, cache.dense_0, g.scope("dense_0."))
    H = cache.x.shape[-1]
    dexpected_start, dcls = dfeatures[:, None, :H], dfeatures[:, H:]  # (B, 1, H), (B, H)
    dprobs = product(dexpected_start, cache.x.swapaxes(1, 2))[:, 0]  # (B, T)
    dx = cache.softmax.probs[..., None] * dexpected_start  # (B, T, H)
    dx[:, 0] += dcls
    return dx, ops.softmax_backward(dprobs, cache.softmax)


class AnswerLossCache(NamedTuple):
    start: ops.CrossEntropyCache
    end: ops.CrossEntropyCache
    impossible: ops.BinaryCrossEntropyCache


def answer_loss_forward(
    start_logits: Array,
    end_logits: Array,
    cls_logits: Array,
    start_positions: Array,
    end_positions: Array,
    is_impossible: Array,
    denominator: float | None = None,
) -> tuple[Array, AnswerLossCache]:
    """Half the cross-entropies of start, of end, and of whether there is no answer: (start + end + impossible) / 2.

    start_logits and end_logits (B, T), the others (B,); is_impossible numbers from 0 to 1. Each is a sum over the
    examples divided by `denominator`, their number by default; returns a loss without axes.
    """
    start_loss, start = ops.cross_entropy_forward(start_logits, start_positions, denominator=denominator)
    end_loss, end = ops.cross_entropy_forward(end_logits, end_positions, denominator=denominator)
    impossible_loss, impossible = ops.binary_cross_entropy_forward(cls_logits, is_impossible, denominator)
    return (start_loss + end_loss + impossible_loss) / 2, AnswerLossCache(start, end, impossible)


def answer_loss_backward(dloss: Array | float, cache: AnswerLossCache) -> tuple[Array, Array, Array]:
    """Mirror of `answer_loss_forward`; returns dstart_logits and dend_logits (B, T), dcls_logits (B,)."""
    dcls = ops.binary_cross_entropy_backward(dloss / 2, cache.impossible)
    dend = ops.cross_entropy_backward(dloss / 2, cache.end)
    dstart = ops.cross_entropy_backward(dloss / 2, cache.start)
    return dstart, dend, dcls


class TopAnswers(NamedTuple):
    """The likeliest starts and, for each, the likeliest ends; J ends of the k-th start from column k · J on."""

    start_top_log_probs: Array  # (B, K), falling
    start_top_index: Array  # (B, K) positions
    end_top_log_probs: Array  # (B, K · J), given the start
    end_top_index: Array  # (B, K · J) positions


def top_answers(
    x: Array, start_logits: Array, allowed: Array, p: Scope, config: AlbertConfig, start_n_top: int, end_n_top: int
) -> TopAnswers:
    """Search with a beam: the `start_n_top` likeliest starts, and the `end_n_top` likeliest ends given each.

    x (B, T, H), start_logits (B, T), allowed (B, T) booleans, p the scope of the end's weights. Of equals the first
    counts as likelier; there are never more starts or ends than the T positions.
    """
    start_log_probs, starts = _top(start_logits, start_n_top)  # (B, K)
    end_logits, _ = end_logits_forward(x, starts, allowed, p, config)  # (B, K, T)
    end_log_probs, ends = _top(end_logits, end_n_top)  # (B, K, J)
    B = len(x)
    return TopAnswers(start_log_probs, starts, end_log_probs.reshape(B, -1), ends.reshape(B, -1))


def _top(logits: Array, count: int) -> tuple[Array, Array]:
    """Return the highest log softmax(logits) along the last axis, and where they are."""
    xp = array_module(logits)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probs = shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))
    index = xp.argsort(-log_probs, axis=-1, kind="stable")[..., :count]
    return xp.take_along_axis(log_probs, index, axis=-1), index

"""Answers that may not exist: the SQuAD 2 head of Google's ALBERT, which Hugging Face never ported.

Three questions about a window of text: where does the answer start; given that start, where does it end; and is there
an answer at all? Semantics: `create_v2_model` and `v2_model_fn_builder` in squad_utils.py of google-research/albert.
Same convention as `layers`. Shapes beside those: K starts, J ends for each start.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from albert_np.backend import Array, array_module
from albert_np.config import AlbertConfig
from albert_np.layers import Shapes
from albert_np.model.base import AlbertBase, AlbertCache, looked_at, named_inputs, require, sum_of
from albert_np.model.inputs import check_targets
from albert_np.model.pretraining import AlbertModelOutput
from albert_np.ops import (
    BinaryCrossEntropyCache,
    CrossEntropyCache,
    DropoutCache,
    LayerNormCache,
    LinearCache,
    SoftmaxCache,
    TanhCache,
    binary_cross_entropy_backward,
    binary_cross_entropy_forward,
    cross_entropy_backward,
    cross_entropy_forward,
    dropout_backward,
    dropout_forward,
    layer_norm_backward,
    layer_norm_forward,
    linear_backward,
    linear_forward,
    softmax_backward,
    softmax_forward,
    tanh_backward,
    tanh_forward,
)
from albert_np.params import Scope

__all__ = [
    "AlbertForQuestionAnsweringV2",
    "QuestionAnsweringV2Output",
    "TopAnswers",
    "answer_class_backward",
    "answer_class_forward",
    "answer_loss_backward",
    "answer_loss_forward",
    "end_logits_backward",
    "end_logits_forward",
    "squad2_shapes",
    "start_logits_backward",
    "start_logits_forward",
    "top_answers",
]

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
    dense: LinearCache
    allowed: Array  # (B, T) booleans


def start_logits_forward(x: Array, allowed: Array, p: Scope) -> tuple[Array, StartLogitsCache]:
    """dense(x), and -1e30 where no answer may start. x (B, T, H), allowed (B, T) booleans; returns (B, T)."""
    logits, dense_cache = linear_forward(x, p["dense.weight"], p["dense.bias"])  # (B, T, 1)
    return array_module(x).where(allowed, logits[..., 0], FORBIDDEN), StartLogitsCache(dense_cache, allowed)


def start_logits_backward(dlogits: Array, cache: StartLogitsCache, g: Scope) -> Array:
    """Mirror of `start_logits_forward`. dlogits (B, T); returns dx (B, T, H)."""
    dlogits = dlogits * cache.allowed
    dx, dweight, dbias = linear_backward(dlogits[..., None], cache.dense)
    g["dense.weight"] += dweight
    g["dense.bias"] += dbias
    return dx


class EndLogitsCache(NamedTuple):
    picked: Array  # (B, K, T), 1 at each start, else 0
    here: LinearCache
    start: LinearCache
    tanh: TanhCache
    layer_norm: LayerNormCache
    dense_1: LinearCache
    allowed: Array  # (B, T) booleans


def end_logits_forward(
    x: Array, starts: Array, allowed: Array, p: Scope, config: AlbertConfig
) -> tuple[Array, EndLogitsCache]:
    """dense_1(LayerNorm(tanh(dense_0([x; x at the start])))), and -1e30 where no answer may end.

    x (B, T, H), starts (B, K) positions, allowed (B, T) booleans; returns (B, K, T), the ends given each start. What
    dense_0 makes of a pair is the sum of what its two halves make of the two, so that T + K rows are multiplied
    instead of T · K twice as wide.
    """
    xp = array_module(x)
    _, T, H = x.shape
    weight = p["dense_0.weight"]  # (H, 2H)
    picked = (starts[..., None] == xp.arange(T)).astype(x.dtype)  # (B, K, T)
    here, here_cache = linear_forward(x, weight[:, :H], p["dense_0.bias"])  # (B, T, H)
    start, start_cache = linear_forward(picked @ x, weight[:, H:], 0.0)  # (B, K, H); the bias is in `here`
    inner, tanh_cache = tanh_forward(here[:, None] + start[:, :, None])  # (B, K, T, H)
    normed, norm_cache = layer_norm_forward(inner, p["LayerNorm.weight"], p["LayerNorm.bias"], config.layer_norm_eps)
    logits, dense_1_cache = linear_forward(normed, p["dense_1.weight"], p["dense_1.bias"])  # (B, K, T, 1)
    cache = EndLogitsCache(picked, here_cache, start_cache, tanh_cache, norm_cache, dense_1_cache, allowed)
    return xp.where(allowed[:, None], logits[..., 0], FORBIDDEN), cache


def end_logits_backward(dlogits: Array, cache: EndLogitsCache, g: Scope) -> Array:
    """Mirror of `end_logits_forward`: `here` served all starts, `start` all ends. dlogits (B, K, T); returns dx."""
    dlogits = dlogits * cache.allowed[:, None]
    dnormed, dweight, dbias = linear_backward(dlogits[..., None], cache.dense_1)
    g["dense_1.weight"] += dweight
    g["dense_1.bias"] += dbias
    dinner, dweight, dbias = layer_norm_backward(dnormed, cache.layer_norm)
    g["LayerNorm.weight"] += dweight
    g["LayerNorm.bias"] += dbias
    dsum = tanh_backward(dinner, cache.tanh)  # (B, K, T, H)
    dpicked_x, dright, _ = linear_backward(dsum.sum(axis=2), cache.start)  # (B, K, H)
    dx, dleft, dbias = linear_backward(dsum.sum(axis=1), cache.here)  # (B, T, H)
    g["dense_0.weight"] += array_module(dsum).concatenate([dleft, dright], axis=1)
    g["dense_0.bias"] += dbias
    return dx + cache.picked.swapaxes(1, 2) @ dpicked_x


class AnswerClassCache(NamedTuple):
    x: Array  # (B, T, H)
    softmax: SoftmaxCache  # (B, T), the probability of a start at each position
    dense_0: LinearCache
    tanh: TanhCache
    dropout: DropoutCache
    dense_1: LinearCache


def answer_class_forward(
    x: Array, start_logits: Array, p: Scope, config: AlbertConfig, rng: Any | None = None
) -> tuple[Array, AnswerClassCache]:
    """dense_1(dropout(tanh(dense_0([the expected start; [CLS]])))): above 0 where no answer is likelier than one.

    x (B, T, H), start_logits (B, T); returns (B,). The expected start is Σ softmax(start_logits) x over the positions.
    """
    probs, softmax_cache = softmax_forward(start_logits)  # (B, T)
    expected_start = (probs[:, None] @ x)[:, 0]  # (B, H)
    features = array_module(x).concatenate([expected_start, x[:, 0]], axis=-1)  # (B, 2H)
    inner, dense_0_cache = linear_forward(features, p["dense_0.weight"], p["dense_0.bias"])  # (B, H)
    activated, tanh_cache = tanh_forward(inner)
    dropped, dropout_cache = dropout_forward(activated, config.classifier_dropout_prob, rng)
    logits, dense_1_cache = linear_forward(dropped, p["dense_1.weight"], 0.0)  # (B, 1)
    cache = AnswerClassCache(x, softmax_cache, dense_0_cache, tanh_cache, dropout_cache, dense_1_cache)
    return logits[:, 0], cache


def answer_class_backward(dlogits: Array, cache: AnswerClassCache, g: Scope) -> tuple[Array, Array]:
    """Mirror of `answer_class_forward`. dlogits (B,); returns dx (B, T, H) and dstart_logits (B, T)."""
    ddropped, dweight, _ = linear_backward(dlogits[:, None], cache.dense_1)
    g["dense_1.weight"] += dweight
    dactivated = dropout_backward(ddropped, cache.dropout)
    dinner = tanh_backward(dactivated, cache.tanh)
    dfeatures, dweight, dbias = linear_backward(dinner, cache.dense_0)
    g["dense_0.weight"] += dweight
    g["dense_0.bias"] += dbias
    H = cache.x.shape[-1]
    dexpected_start, dcls = dfeatures[:, None, :H], dfeatures[:, H:]  # (B, 1, H), (B, H)
    dprobs = (dexpected_start @ cache.x.swapaxes(1, 2))[:, 0]  # (B, T)
    dx = cache.softmax.probs[..., None] * dexpected_start  # (B, T, H)
    dx[:, 0] += dcls
    return dx, softmax_backward(dprobs, cache.softmax)


class AnswerLossCache(NamedTuple):
    start: CrossEntropyCache
    end: CrossEntropyCache
    impossible: BinaryCrossEntropyCache


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
    start, start_cache = cross_entropy_forward(start_logits, start_positions, denominator=denominator)
    end, end_cache = cross_entropy_forward(end_logits, end_positions, denominator=denominator)
    impossible, impossible_cache = binary_cross_entropy_forward(cls_logits, is_impossible, denominator)
    return (start + end + impossible) / 2, AnswerLossCache(start_cache, end_cache, impossible_cache)


def answer_loss_backward(dloss: Array | float, cache: AnswerLossCache) -> tuple[Array, Array, Array]:
    """Mirror of `answer_loss_forward`; returns dstart_logits and dend_logits (B, T), dcls_logits (B,)."""
    return (
        cross_entropy_backward(dloss / 2, cache.start),
        cross_entropy_backward(dloss / 2, cache.end),
        binary_cross_entropy_backward(dloss / 2, cache.impossible),
    )


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


@dataclass
class QuestionAnsweringV2Output(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and the head's answers.

    start_logits (B, T), -1e30 where no answer may start; cls_logits (B,), above 0 where the question looks
    unanswerable. With start_positions: end_logits (B, T), given those starts; loss without axes, or None. Without
    them: the fields of `TopAnswers`. What does not belong to the call is None.
    """

    loss: Array | None
    start_logits: Array
    cls_logits: Array
    end_logits: Array | None = None
    start_top_log_probs: Array | None = None
    start_top_index: Array | None = None
    end_top_log_probs: Array | None = None
    end_top_index: Array | None = None


class QuestionAnsweringV2Cache(NamedTuple):
    albert: AlbertCache
    start: StartLogitsCache
    answer_class: AnswerClassCache
    end: EndLogitsCache | None
    loss: AnswerLossCache | None


class AlbertForQuestionAnsweringV2(AlbertBase):
    """ALBERT that points at an answer or says that there is none: the original's SQuAD 2 head, not in Hugging Face.

    The head of Google's run_squad_v2.py. It reads no pooled [CLS], so there is no pooler. `start_n_top` and
    `end_n_top` are the widths of the beam that predicts; see `top_answers`.
    """

    start_n_top = 5
    end_n_top = 5

    @classmethod
    def _has_pooler(cls) -> bool:
        return False

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return squad2_shapes(config)

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        inputs_embeds: Any = None,
        p_mask: Any = None,
        start_positions: Any = None,
        end_positions: Any = None,
        is_impossible: Any = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        skip_padding: bool = False,
        grad: bool = True,
        denominator: float | None = None,
    ) -> QuestionAnsweringV2Output:
        """Run the model; inputs as in `AlbertModel.forward`.

        p_mask (B, T): 1 where no answer may start or end, else 0; the original's has 1 at the question, [SEP] and
        padding, and 0 at [CLS] and the text. None forbids the padding that a 2-D attention_mask shows. start_positions
        and end_positions (B,): the answer's first and last token, 0 and 0 (that is [CLS]) where there is none;
        is_impossible (B,): 1 where there is none, else 0. Ends are scored given start_positions, or, without them,
        given each of the likeliest starts. The loss is there if all three are given. `denominator` divides the summed
        losses instead of the number of examples: with that of a whole batch, the losses and gradients of its parts
        add up to the whole's.
        """
        self._start()
        rng = self._dropout_rng()
        inputs = named_inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        y, _, albert_cache = self._albert_forward(inputs, rng, grad, output_hidden_states, output_attentions)
        allowed = self._allowed(p_mask, attention_mask, y.shape[:2])
        starts = self._positions("start_positions", start_positions, allowed)
        labels = (starts, self._positions("end_positions", end_positions, allowed), self._impossible(is_impossible, y))
        p = self.params
        start_logits, start_cache = start_logits_forward(y, allowed, p.scope("start_logits."))
        cls_logits, class_cache = answer_class_forward(y, start_logits, p.scope("answer_class."), self.config, rng)
        ends, end_cache = self._ends(y, start_logits, starts, allowed)
        loss, loss_cache = None, None
        if all(label is not None for label in labels):
            loss, loss_cache = answer_loss_forward(start_logits, ends["end_logits"], cls_logits, *labels, denominator)
        self._finish(QuestionAnsweringV2Cache(albert_cache, start_cache, class_cache, end_cache, loss_cache), grad)
        looked = looked_at(albert_cache, output_hidden_states, output_attentions)
        return QuestionAnsweringV2Output(
            y, None, **looked, loss=loss, start_logits=start_logits, cls_logits=cls_logits, **ends
        )

    def backward(
        self, loss: float | None = None, *, start_logits: Any = None, end_logits: Any = None, cls_logits: Any = None
    ) -> Array:
        """Add d loss into `grads`, or the gradients for any upstream gradients of the logits.

        `loss` is the upstream gradient of the loss, 1 if nothing is given; start_logits and end_logits (B, T),
        cls_logits (B,). Returns the gradient of the word embeddings looked up, or of `inputs_embeds`, (B, T, E).
        """
        cache: QuestionAnsweringV2Cache = self._last_cache()
        if loss is None and start_logits is None and end_logits is None and cls_logits is None:
            loss = 1.0
        B, T, _ = cache.albert.sequence_output.shape
        dstart = self._upstream("start_logits", start_logits, (B, T))
        dend = self._upstream("end_logits", end_logits, (B, T))
        dcls = self._upstream("cls_logits", cls_logits, (B,))
        if loss is not None:
            parts = answer_loss_backward(loss, require(cache.loss, "loss"))
            dstart, dend, dcls = (sum_of(d, part) for d, part in zip((dstart, dend, dcls), parts, strict=True))
        g, dy = self.grads, None
        if dend is not None:
            end_cache = require(cache.end, "end_logits")
            dy = end_logits_backward(dend[:, None], end_cache, g.scope("end_logits."))
        if dcls is not None:
            dx, dsoft = answer_class_backward(dcls, cache.answer_class, g.scope("answer_class."))
            dy, dstart = sum_of(dy, dx), sum_of(dstart, dsoft)
        if dstart is not None:
            dy = sum_of(dy, start_logits_backward(dstart, cache.start, g.scope("start_logits.")))
        return self._albert_backward(dy, None, cache.albert)

    def _ends(
        self, y: Array, start_logits: Array, starts: Array | None, allowed: Array
    ) -> tuple[dict[str, Array], EndLogitsCache | None]:
        """Return what is known of the end: its logits given the starts, or else the fields of `TopAnswers`."""
        p = self.params.scope("end_logits.")
        if starts is None:
            top = top_answers(y, start_logits, allowed, p, self.config, self.start_n_top, self.end_n_top)
            return top._asdict(), None
        logits, cache = end_logits_forward(y, starts[:, None], allowed, p, self.config)
        return {"end_logits": logits[:, 0]}, cache

    def _allowed(self, p_mask: Any, attention_mask: Any, shape: tuple[int, int]) -> Array:
        """Return booleans (B, T): where an answer may start and end."""
        if p_mask is not None:
            p_mask = check_targets("p_mask", p_mask, shape, self.backend, self.dtype)
            if bool(((p_mask != 0) & (p_mask != 1)).any()):
                raise ValueError("p_mask must hold 1 (no answer here) and 0, got other numbers")
            return p_mask == 0
        if attention_mask is not None and np.ndim(attention_mask) == 2:
            return check_targets("attention_mask", attention_mask, shape, self.backend, self.dtype) != 0
        return self.backend.xp.ones(shape, dtype=bool)

    def _impossible(self, is_impossible: Any, y: Array) -> Array | None:
        if is_impossible is None:
            return None
        impossible = check_targets("is_impossible", is_impossible, y.shape[:1], self.backend, self.dtype)
        if bool(((impossible < 0) | (impossible > 1)).any()):
            raise ValueError("is_impossible must hold 1 (no answer) and 0, got numbers outside [0, 1]")
        return impossible

    def _positions(self, name: str, positions: Any, allowed: Array) -> Array | None:
        if positions is None:
            return None
        if not isinstance(positions, self.backend.array_type):
            positions = self.backend.from_numpy(np.asarray(positions))
        B, T = allowed.shape
        if positions.dtype.kind not in "iu":
            raise TypeError(f"{name} must hold integers, got {positions.dtype}")
        if positions.shape != (B,):
            raise ValueError(f"{name} must have shape {(B,)}, got {tuple(positions.shape)}")
        inside = (positions >= 0) & (positions < T)
        bad = ~(inside & allowed[self.backend.xp.arange(B), positions.clip(0, T - 1)])
        if bool(bad.any()):
            i = int(bad.nonzero()[0][0])
            raise ValueError(
                f"{name}[{i}] is {int(positions[i])}: allowed are 0 to {T - 1}, except where p_mask forbids an answer"
            )
        return positions

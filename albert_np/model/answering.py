"""ALBERT that answers questions: pointing at a span, and, for SQuAD 2, saying that there is none.

Semantics: Hugging Face's `AlbertForQuestionAnswering`; `run_squad_v2.py` of google-research/albert.
"""

from typing import NamedTuple

from numpy.typing import DTypeLike

from albert_np.backend import Array, ArrayLike
from albert_np.config import AlbertConfig
from albert_np.execution import Pattern
from albert_np.heads import (
    AnswerClassCache,
    AnswerLossCache,
    EndLogitsCache,
    SpanCache,
    SpanLossCache,
    StartLogitsCache,
    answer_class_backward,
    answer_class_forward,
    answer_loss_backward,
    answer_loss_forward,
    end_logits_backward,
    end_logits_forward,
    span_backward,
    span_forward,
    span_loss_backward,
    span_loss_forward,
    span_shapes,
    squad2_shapes,
    start_logits_backward,
    start_logits_forward,
    top_answers,
)
from albert_np.layers import AlbertCache
from albert_np.model.base import AlbertBase, require
from albert_np.model.inputs import (
    as_array,
    check_denominator,
    check_integers,
    check_targets,
    refuse,
    refuse_skipped,
    require_together,
)
from albert_np.model.outputs import QuestionAnsweringOutput, QuestionAnsweringV2Output
from albert_np.params import Shapes

__all__ = ["AlbertForQuestionAnswering", "AlbertForQuestionAnsweringV2"]


class QuestionAnsweringCache(NamedTuple):
    albert: AlbertCache
    head: SpanCache
    loss: SpanLossCache | None


class AlbertForQuestionAnswering(AlbertBase):
    """ALBERT that points at the start and the end of an answer in the text. No pooler and no dropout in the head."""

    has_pooler = False

    def __init__(self, config: AlbertConfig, dtype: DTypeLike = "float32", backend: str = "numpy", seed: int = 0):
        if config.num_labels != 2:
            raise ValueError(f"num_labels={config.num_labels}: question answering has 2 (start, end)")
        super().__init__(config, dtype, backend, seed)

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return span_shapes(config)

    def forward(
        self,
        input_ids: ArrayLike | None = None,
        attention_mask: ArrayLike | None = None,
        token_type_ids: ArrayLike | None = None,
        position_ids: ArrayLike | None = None,
        inputs_embeds: ArrayLike | None = None,
        start_positions: ArrayLike | None = None,
        end_positions: ArrayLike | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        skip_padding: bool = False,
        grad: bool = True,
        denominator: float | None = None,
    ) -> QuestionAnsweringOutput:
        """Run the model; inputs as in `AlbertModel.forward`.

        start_positions and end_positions (B,): the answer's first and last token. One at T or beyond is not in the
        window and is ignored, a negative one counts as 0, both as in Hugging Face. loss: the mean of the two
        cross-entropies, there if both are given (ValueError for one of them alone); 0 where nothing is left of one (NaN
        in Hugging Face). Padding counts among the places that an answer could have, as in Hugging Face, unless it is
        skipped. `denominator` divides both summed cross-entropies instead of the numbers of starts and of ends that
        count: with that of a whole batch, the losses and gradients of its parts add up.
        """
        inputs = self._inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        denominator = check_denominator("denominator", denominator)
        labelled = require_together({"start_positions": start_positions, "end_positions": end_positions})
        if labelled:
            starts = self._clipped_positions("start_positions", start_positions, inputs.pattern)
            ends = self._clipped_positions("end_positions", end_positions, inputs.pattern)
        y, _, looked, albert = self._albert_forward(
            inputs, self._dropout_rng(), grad, output_hidden_states, output_attentions
        )
        start_logits, end_logits, head = span_forward(y, inputs.pattern, self.params.scope(""))
        loss, loss_cache = None, None
        if labelled:
            loss, loss_cache = span_loss_forward(start_logits, end_logits, starts, ends, denominator)
        self.cache = QuestionAnsweringCache(albert, head, loss_cache) if grad else None
        return QuestionAnsweringOutput(
            y,
            None,
            *looked,
            loss=loss,
            start_logits=start_logits,
            end_logits=end_logits,
        )

    def _clipped_positions(self, name: str, positions: ArrayLike | None, pattern: Pattern) -> Array:
        """Return positions as labels (B,) from 0 to T, where T is ignored."""
        B, T = pattern.batch, pattern.positions
        labels = check_integers(name, positions, (B,), self.backend).clip(0, T)
        refuse_skipped(name, labels[:, None] == self.backend.xp.arange(T), pattern)
        return labels

    def backward(
        self, loss: float | None = None, *, start_logits: ArrayLike | None = None, end_logits: ArrayLike | None = None
    ) -> Array:
        """Add the gradients of the loss into `grads`, or those for any upstream gradients of the logits, (B, T) each.

        Returns the gradient of the word embeddings looked up, or of `inputs_embeds`, (B, T, E).
        """
        cache: QuestionAnsweringCache = self._last_pass()
        loss = self._upstream_of_loss(loss)
        if loss is None and start_logits is None and end_logits is None:
            loss = 1.0
        shape = cache.albert.sequence_output.shape[:2]
        dstart = self._upstream_or_zeros("start_logits", start_logits, shape)
        dend = self._upstream_or_zeros("end_logits", end_logits, shape)
        if loss is not None:
            of_loss = span_loss_backward(loss, require(cache.loss, "loss"))
            dstart, dend = dstart + of_loss[0], dend + of_loss[1]
        dy = span_backward(dstart, dend, cache.head, self.grads.scope(""))
        return self._albert_backward(dy, None, cache.albert)


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

    has_pooler = False
    start_n_top = 5
    end_n_top = 5

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return squad2_shapes(config)

    def forward(
        self,
        input_ids: ArrayLike | None = None,
        attention_mask: ArrayLike | None = None,
        token_type_ids: ArrayLike | None = None,
        position_ids: ArrayLike | None = None,
        inputs_embeds: ArrayLike | None = None,
        p_mask: ArrayLike | None = None,
        start_positions: ArrayLike | None = None,
        end_positions: ArrayLike | None = None,
        is_impossible: ArrayLike | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        skip_padding: bool = False,
        grad: bool = True,
        denominator: float | None = None,
    ) -> QuestionAnsweringV2Output:
        """Run the model; inputs as in `AlbertModel.forward`.

        p_mask (B, T): 1 where no answer may start or end, else 0; the original's has 1 at the question, [SEP] and
        padding, and 0 at [CLS] and the text. None forbids the padding that a 2-D attention_mask shows. start_positions
        and end_positions (B,): the answer's first and last token, 0 and 0 (that is [CLS]) where there is none;
        is_impossible (B,): 1 where there is none, else 0. Ends are scored given start_positions, or, without them,
        given each of the likeliest starts; ValueError for end_positions alone. The loss is there if all three are
        given. `denominator` divides the summed losses instead of the number of examples: with that of a whole batch,
        the losses and gradients of its parts add up to the whole's.
        """
        inputs = self._inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        denominator = check_denominator("denominator", denominator)
        B, T = inputs.pattern.batch, inputs.pattern.positions
        if start_positions is None:
            require_together({"start_positions": start_positions, "end_positions": end_positions})
        allowed = self._allowed(p_mask, attention_mask, (B, T))
        starts = self._allowed_positions("start_positions", start_positions, allowed)
        ends_given = self._allowed_positions("end_positions", end_positions, allowed)
        labels = (starts, ends_given, self._impossible(is_impossible, B))
        rng, p = self._dropout_rng(), self.params
        y, _, looked, albert = self._albert_forward(inputs, rng, grad, output_hidden_states, output_attentions)
        start_logits, start_cache = start_logits_forward(y, allowed, p.scope("start_logits."))
        cls_logits, class_cache = answer_class_forward(y, start_logits, p.scope("answer_class."), self.config, rng)
        ends, end_cache = self._ends(y, start_logits, starts, allowed)
        loss, loss_cache = None, None
        if all(label is not None for label in labels):
            loss, loss_cache = answer_loss_forward(start_logits, ends["end_logits"], cls_logits, *labels, denominator)
        self.cache = QuestionAnsweringV2Cache(albert, start_cache, class_cache, end_cache, loss_cache) if grad else None
        return QuestionAnsweringV2Output(
            y,
            None,
            *looked,
            loss=loss,
            start_logits=start_logits,
            cls_logits=cls_logits,
            **ends,
        )

    def backward(
        self,
        loss: float | None = None,
        *,
        start_logits: ArrayLike | None = None,
        end_logits: ArrayLike | None = None,
        cls_logits: ArrayLike | None = None,
    ) -> Array:
        """Add the gradients of the loss into `grads`, or those for any upstream gradients of the logits.

        `loss` is the upstream gradient of the loss, 1 if nothing is given; start_logits and end_logits (B, T),
        cls_logits (B,). Returns the gradient of the word embeddings looked up, or of `inputs_embeds`, (B, T, E).
        """
        cache: QuestionAnsweringV2Cache = self._last_pass()
        loss = self._upstream_of_loss(loss)
        if loss is None and start_logits is None and end_logits is None and cls_logits is None:
            loss = 1.0
        g, (B, T, _) = self.grads, cache.albert.sequence_output.shape
        dstart = self._upstream_or_zeros("start_logits", start_logits, (B, T))
        dend = self._upstream_or_zeros("end_logits", end_logits, (B, T))
        dcls = self._upstream_or_zeros("cls_logits", cls_logits, (B,))
        if loss is not None:
            of_loss = answer_loss_backward(loss, require(cache.loss, "loss"))
            dstart, dend, dcls = dstart + of_loss[0], dend + of_loss[1], dcls + of_loss[2]
        if end_logits is not None:
            require(cache.end, "end_logits")
        dy = self.backend.xp.zeros_like(cache.albert.sequence_output)
        if cache.end is not None:
            dy = end_logits_backward(dend[:, None], cache.end, g.scope("end_logits."))
        dy_class, dstart_class = answer_class_backward(dcls, cache.answer_class, g.scope("answer_class."))
        dy = dy + dy_class + start_logits_backward(dstart + dstart_class, cache.start, g.scope("start_logits."))
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

    def _allowed(self, p_mask: ArrayLike | None, attention_mask: ArrayLike | None, shape: tuple[int, int]) -> Array:
        """Return booleans (B, T): where an answer may start and end."""
        if p_mask is not None:
            p_mask = check_targets("p_mask", p_mask, shape, self.backend, self.dtype)
            refuse("p_mask", p_mask, (p_mask != 0) & (p_mask != 1), "1 (no answer here) and 0")
            return p_mask == 0
        if attention_mask is not None:
            mask = as_array("attention_mask", attention_mask, self.backend)
            if mask.ndim == 2:
                mask = check_targets("attention_mask", mask, (len(mask), shape[1]), self.backend, self.dtype)
                return self.backend.xp.broadcast_to(mask != 0, shape)
        return self.backend.xp.ones(shape, dtype=bool)

    def _impossible(self, is_impossible: ArrayLike | None, batch: int) -> Array | None:
        if is_impossible is None:
            return None
        impossible = check_targets("is_impossible", is_impossible, (batch,), self.backend, self.dtype)
        outside = (impossible < 0) | (impossible > 1)
        refuse("is_impossible", impossible, outside, "1 (no answer), 0, and numbers between")
        return impossible

    def _allowed_positions(self, name: str, positions: ArrayLike | None, allowed: Array) -> Array | None:
        if positions is None:
            return None
        B, T = allowed.shape
        positions = check_integers(name, positions, (B,), self.backend)
        inside = (positions >= 0) & (positions < T)
        bad = ~(inside & allowed[self.backend.xp.arange(B), positions.clip(0, T - 1)])
        if bool(bad.any()):
            i = int(bad.nonzero()[0][0])
            raise ValueError(
                f"{name}[{i}] is {int(positions[i])}: allowed are 0 to {T - 1}, except where p_mask forbids an answer"
            )
        return positions

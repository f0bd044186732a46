"""The bare ALBERT, and ALBERT with its heads of pretraining: the trunk of `layers`, MLM and SOP, and their losses.

What is computed stands here, in `layers` and in `ops`. The base class adds a model's state: its weights `params`, their
gradients `grads`, and the `cache` of the last forward pass. `_inputs` checks what is given and makes of the mask a
pattern of who attends to whom; `_dropout_rng` is a generator, or None in eval mode; `_albert_forward` and
`_albert_backward` call the pair of `layers` with the model's weights and gradients; `_last_pass` is the cache, and
RuntimeError without one; `_upstream_of_loss` and `_upstream_or_zeros` check a gradient that is given; `require` returns
a part of the cache, or raises ValueError where the forward pass left none.
"""

from functools import partial
from typing import NamedTuple

from numpy.typing import DTypeLike

from albert_np import ops
from albert_np.backend import Array, ArrayLike
from albert_np.config import AlbertConfig
from albert_np.layers import (
    AlbertCache,
    AlbertInputs,
    ClassifierCache,
    MLMLossCache,
    classifier_backward,
    classifier_forward,
    mlm_backward,
    mlm_forward,
    mlm_loss_backward,
    mlm_loss_forward,
    mlm_shapes,
    mlm_ties,
    sop_shapes,
)
from albert_np.model.base import AlbertBase, in_own_precision, require
from albert_np.model.inputs import check_denominator, check_labels, refuse_skipped
from albert_np.model.outputs import (
    AlbertForPreTrainingOutput,
    AlbertModelOutput,
    MaskedLMOutput,
)
from albert_np.params import Shapes

__all__ = ["AlbertForMaskedLM", "AlbertForPreTraining", "AlbertModel"]


class AlbertModel(AlbertBase):
    """The bare ALBERT: hidden states and the pooled [CLS]."""

    prefix = ""

    def forward(
        self,
        input_ids: ArrayLike | None = None,
        attention_mask: ArrayLike | None = None,
        token_type_ids: ArrayLike | None = None,
        position_ids: ArrayLike | None = None,
        inputs_embeds: ArrayLike | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        skip_padding: bool = False,
        grad: bool = True,
    ) -> AlbertModelOutput:
        """Run the model.

        input_ids (B, T) integers, or inputs_embeds (B, T, E) in their place; token_type_ids and position_ids (B, T)
        integers, by default 0 everywhere and 0 to T - 1. attention_mask (B, T), or (B, T, T) for each token: 1 for what
        is attended to, as everything is by default, and 0 for what is not, which adds the dtype's lowest number to the
        scores. Four axes, broadcastable to (B, N, T, T), say the same, or are added as they are if they hold floats.
        Arrays of the model's backend, or anything NumPy reads.

        `output_attentions` and `output_hidden_states`: None stands for what the config says. `skip_padding=True`
        computes nothing for the padding that a mask (B, T) shows, so that the cost follows the real tokens; results are
        zero there, and the same elsewhere. `grad=False` keeps nothing for `backward`, so that memory stays that of one
        layer. ValueError and TypeError name the argument that does not fit.
        """
        inputs = self._inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        y, pooled, looked, cache = self._albert_forward(
            inputs, self._dropout_rng(), grad, output_hidden_states, output_attentions
        )
        self.cache = cache if grad else None
        return AlbertModelOutput(y, pooled, *looked)

    def backward(self, *, last_hidden_state: ArrayLike | None = None, pooler_output: ArrayLike | None = None) -> Array:
        """Add the gradients for the given upstream gradients, (B, T, H) and (B, H), into `grads`.

        Returns the gradient of the word embeddings looked up, or of `inputs_embeds`, (B, T, E).
        """
        cache: AlbertCache = self._last_pass()
        if last_hidden_state is None and pooler_output is None:
            raise ValueError("backward needs an upstream gradient: last_hidden_state=, pooler_output=, or both")
        B, T, H = cache.sequence_output.shape
        dy = self._upstream_or_zeros("last_hidden_state", last_hidden_state, (B, T, H))
        dpooled = self._upstream_or_zeros("pooler_output", pooler_output, (B, H))
        return self._albert_backward(dy, dpooled, cache)


class PreTrainingCache(NamedTuple):
    albert: AlbertCache
    mlm: MLMLossCache | None
    sop: ClassifierCache
    sop_loss: ops.CrossEntropyCache | None


class AlbertForPreTraining(AlbertBase):
    """ALBERT with both pretraining heads; loss = MLM cross-entropy + SOP cross-entropy."""

    def __init__(self, config: AlbertConfig, dtype: DTypeLike = "float32", backend: str = "numpy", seed: int = 0):
        if config.num_labels != 2:
            raise ValueError(f"num_labels={config.num_labels}: sentence order prediction has 2 (in order, swapped)")
        super().__init__(config, dtype, backend, seed)

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return mlm_shapes(config) | sop_shapes(config)

    @classmethod
    def head_ties(cls, config: AlbertConfig) -> dict[str, str]:
        return mlm_ties(config)

    def forward(
        self,
        input_ids: ArrayLike | None = None,
        attention_mask: ArrayLike | None = None,
        token_type_ids: ArrayLike | None = None,
        position_ids: ArrayLike | None = None,
        inputs_embeds: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        sentence_order_label: ArrayLike | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        skip_padding: bool = False,
        grad: bool = True,
        mlm_denominator: float | None = None,
        sop_denominator: float | None = None,
    ) -> AlbertForPreTrainingOutput:
        """Run the model; inputs as in `AlbertModel.forward`.

        labels (B, T): token ids, -100 where nothing is asked; sentence_order_label (B,): 0 in order, 1 swapped, -100
        ignored. `mlm_loss` and `sop_loss` each need only their own labels, and are 0 where all labels are -100 (NaN in
        Hugging Face); `loss`, their sum, needs both. What lacks its labels is None. Prediction logits are not computed
        until `prediction_logits` is read.

        With labels, `skip_padding=True` leaves out whatever the losses do not read: padding, and in the last layer
        step all but the labelled places and [CLS]. `last_hidden_state` is zero there, so that prediction logits mean
        something at labelled places only. `mlm_denominator` and `sop_denominator` divide the summed losses instead of
        the number of labelled tokens and pairs: with those of a whole batch, the losses and gradients of its parts add
        up to the whole's.
        """
        inputs = self._inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        inputs, labels = _inputs_and_labels(self, inputs, labels, skip_padding)
        mlm_denominator = check_denominator("mlm_denominator", mlm_denominator)
        sop_denominator = check_denominator("sop_denominator", sop_denominator)
        order = sentence_order_label
        if order is not None:
            shape = (inputs.pattern.batch,)
            order = self.backend.own(check_labels("sentence_order_label", order, shape, self.backend, 2, "labels"))
        rng, p = self._dropout_rng(), self.params
        y, pooled, looked, albert = self._albert_forward(inputs, rng, grad, output_hidden_states, output_attentions)
        mlm_loss, mlm, sop_loss, sop_loss_cache = None, None, None, None
        if labels is not None:
            mlm_loss, mlm = mlm_loss_forward(y, labels, p.scope("predictions."), self.config, mlm_denominator)
        sop_logits, sop = classifier_forward(pooled, p.scope("sop_classifier."), self.config, rng)
        if order is not None:
            sop_loss, sop_loss_cache = ops.cross_entropy_forward(sop_logits, order, denominator=sop_denominator)
        self.cache = PreTrainingCache(albert, mlm, sop, sop_loss_cache) if grad else None
        return AlbertForPreTrainingOutput(
            y,
            pooled,
            *looked,
            sop_logits=sop_logits,
            loss=None if mlm_loss is None or sop_loss is None else mlm_loss + sop_loss,
            mlm_loss=mlm_loss,
            sop_loss=sop_loss,
            _mlm=None if mlm is None else mlm.cross_entropy,
            _sop=sop_loss_cache,
            _read_logits=partial(_all_logits, self, y),
        )

    def backward(
        self,
        loss: float | None = None,
        *,
        prediction_logits: ArrayLike | None = None,
        sop_logits: ArrayLike | None = None,
        last_hidden_state: ArrayLike | None = None,
        pooler_output: ArrayLike | None = None,
    ) -> Array:
        """Add the gradients of the loss into `grads`, or those for any upstream gradients of the outputs' shapes.

        Each argument is the upstream gradient of the output of its name: `loss` is a number, 1 if nothing is given.
        Returns the gradient of the word embeddings looked up, or of `inputs_embeds`, (B, T, E).
        """
        cache: PreTrainingCache = self._last_pass()
        dloss, dlogits = self._upstream_of_loss(loss), None
        if all(d is None for d in (dloss, prediction_logits, sop_logits, last_hidden_state, pooler_output)):
            dloss = 1.0
        B, T, H = cache.albert.sequence_output.shape
        dsop = self._upstream_or_zeros("sop_logits", sop_logits, (B, 2))
        dpooled = self._upstream_or_zeros("pooler_output", pooler_output, (B, H))
        dy = self._upstream_or_zeros("last_hidden_state", last_hidden_state, (B, T, H))
        if prediction_logits is not None:
            shape = (B, T, self.config.vocab_size)
            dlogits = self._upstream_or_zeros("prediction_logits", prediction_logits, shape)
        if dloss is not None:
            require(cache.mlm, "loss")  # before anything is added into grads
            dsop = dsop + ops.cross_entropy_backward(dloss, require(cache.sop_loss, "loss"))
        dpooled = dpooled + classifier_backward(dsop, cache.sop, self.grads.scope("sop_classifier."))
        dy = dy + _mlm_backward(self, cache.mlm, cache.albert, dloss, dlogits)
        return self._albert_backward(dy, dpooled, cache.albert)


class MaskedLMCache(NamedTuple):
    albert: AlbertCache
    mlm: MLMLossCache | None


class AlbertForMaskedLM(AlbertBase):
    """ALBERT with the masked language model head; without a pooler, as in Hugging Face."""

    has_pooler = False

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return mlm_shapes(config)

    @classmethod
    def head_ties(cls, config: AlbertConfig) -> dict[str, str]:
        return mlm_ties(config)

    def forward(
        self,
        input_ids: ArrayLike | None = None,
        attention_mask: ArrayLike | None = None,
        token_type_ids: ArrayLike | None = None,
        position_ids: ArrayLike | None = None,
        inputs_embeds: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        skip_padding: bool = False,
        grad: bool = True,
    ) -> MaskedLMOutput:
        """Run the model; inputs as in `AlbertModel.forward`.

        labels (B, T): token ids, -100 where nothing is asked; a loss without any label is 0 (NaN in Hugging Face). With
        labels `skip_padding=True` computes nothing but labelled places and [CLS] in the last layer step, as in
        `AlbertForPreTraining.forward`.
        """
        inputs = self._inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        inputs, labels = _inputs_and_labels(self, inputs, labels, skip_padding)
        y, _, looked, albert = self._albert_forward(
            inputs, self._dropout_rng(), grad, output_hidden_states, output_attentions
        )
        loss, mlm = None, None
        if labels is not None:
            loss, mlm = mlm_loss_forward(y, labels, self.params.scope("predictions."), self.config)
        self.cache = MaskedLMCache(albert, mlm) if grad else None
        return MaskedLMOutput(
            y,
            None,
            *looked,
            loss=loss,
            _read_logits=partial(_all_logits, self, y),
        )

    def backward(
        self, loss: float | None = None, *, logits: ArrayLike | None = None, last_hidden_state: ArrayLike | None = None
    ) -> Array:
        """Add the gradients of the loss into `grads`, or those for upstream gradients as in `AlbertForPreTraining`."""
        cache: MaskedLMCache = self._last_pass()
        dloss, dlogits = self._upstream_of_loss(loss), None
        if dloss is None and logits is None and last_hidden_state is None:
            dloss = 1.0
        B, T, H = cache.albert.sequence_output.shape
        dy = self._upstream_or_zeros("last_hidden_state", last_hidden_state, (B, T, H))
        if logits is not None:
            dlogits = self._upstream_or_zeros("logits", logits, (B, T, self.config.vocab_size))
        if dloss is not None:
            require(cache.mlm, "loss")  # before anything is added into grads
        dy = dy + _mlm_backward(self, cache.mlm, cache.albert, dloss, dlogits)
        return self._albert_backward(dy, None, cache.albert)


def _inputs_and_labels(
    model: AlbertBase, inputs: AlbertInputs, labels: ArrayLike | None, skip: bool
) -> tuple[AlbertInputs, Array | None]:
    """Return the inputs and the checked labels; if `skip`, the last layer step computes only what the losses read."""
    if labels is None:
        return inputs, None
    shape = (inputs.pattern.batch, inputs.pattern.positions)
    labels = check_labels("labels", labels, shape, model.backend, model.config.vocab_size, "vocab_size")
    if skip:
        read = labels != ops.IGNORE_INDEX
        refuse_skipped("labels", read, inputs.pattern)
        read[:, 0] = True  # [CLS], for the pooler
        inputs = inputs._replace(pattern=inputs.pattern.wanting(read, model.backend))
    return inputs, labels


@in_own_precision
def _all_logits(model: AlbertBase, y: Array) -> Array:
    """Return the prediction logits (B, T, V) of all positions of the sequence output (B, T, H)."""
    logits, _ = mlm_forward(y.reshape(-1, y.shape[-1]), model.params.scope("predictions."), model.config)
    return logits.reshape(*y.shape[:2], -1)


def _mlm_backward(
    model: AlbertBase, cache: MLMLossCache | None, albert: AlbertCache, dloss: float | None, dlogits: Array | None
) -> Array | float:
    """Return the gradient (B, T, H) that reaches the trunk through the MLM head; 0 where neither dloss nor dlogits is.

    dloss: upstream of the loss; dlogits (B, T, V): of the prediction logits. They were computed when they were read,
    after the loss, and so go back before it, from a cache made again.
    """
    g, y, dy = model.grads.scope("predictions."), albert.sequence_output, 0.0
    if dlogits is not None:
        _, head = mlm_forward(y.reshape(-1, y.shape[-1]), model.params.scope("predictions."), model.config)
        dy = mlm_backward(dlogits.reshape(-1, model.config.vocab_size), head, g).reshape(y.shape)
    if dloss is not None:
        dy = dy + mlm_loss_backward(dloss, require(cache, "loss"), g)
    return dy

"""The models: forward, loss, and backward in mirror order; loading and saving Hugging Face folders.

A model owns its parameters, their gradients and the cache of its last forward pass (`model.cache`, a tree of named
tuples). `out = model(…)`, then `model.backward()` adds d loss / d parameter into `model.grads`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from albert_np.backend import Array
from albert_np.config import AlbertConfig
from albert_np.heads import (
    MLM_TIES,
    ClassifierCache,
    MLMLossCache,
    classifier_backward,
    classifier_forward,
    mlm_backward,
    mlm_forward,
    mlm_loss_backward,
    mlm_loss_forward,
    mlm_shapes,
    sop_shapes,
)
from albert_np.layers import Shapes
from albert_np.model.base import AlbertBase, AlbertCache, looked_at, named_inputs, require, sum_of
from albert_np.model.inputs import check_labels
from albert_np.ops import CrossEntropyCache, cross_entropy_backward, cross_entropy_forward

__all__ = [
    "AlbertForMaskedLM",
    "AlbertForPreTraining",
    "AlbertForPreTrainingOutput",
    "AlbertModel",
    "AlbertModelOutput",
    "MaskedLMOutput",
]


@dataclass
class AlbertModelOutput:
    """What every model returns.

    last_hidden_state (B, T, H); pooler_output (B, H), or None in classes without a pooler; hidden_states, L·inner + 1
    arrays (B, T, H), of which the first is the projected embeddings; attentions, L·inner arrays (B, N, T, T), after
    dropout. The last two are None unless asked for.
    """

    last_hidden_state: Array
    pooler_output: Array | None
    hidden_states: tuple[Array, ...] | None
    attentions: tuple[Array, ...] | None


@dataclass
class AlbertForPreTrainingOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and the two heads' answers.

    sop_logits (B, 2); mlm_loss, sop_loss and their sum, loss, without axes, each None without its labels;
    prediction_logits (B, T, V), computed when they are first read, with the weights of that moment.
    """

    sop_logits: Array
    loss: Array | None
    mlm_loss: Array | None
    sop_loss: Array | None
    _mlm: CrossEntropyCache | None = field(repr=False)
    _sop: CrossEntropyCache | None = field(repr=False)
    _read_logits: Callable[[], Array] = field(repr=False)

    @cached_property
    def prediction_logits(self) -> Array:
        return self._read_logits()

    @property
    def mlm_count(self) -> int:
        """The number of labelled tokens; `mlm_correct` of them had the highest logit at the label."""
        return _correct_and_count(self._mlm)[1]

    @property
    def mlm_correct(self) -> int:
        return _correct_and_count(self._mlm)[0]

    @property
    def sop_count(self) -> int:
        """The number of labelled pairs; `sop_correct` of them had the higher logit at the label."""
        return _correct_and_count(self._sop)[1]

    @property
    def sop_correct(self) -> int:
        return _correct_and_count(self._sop)[0]


@dataclass
class MaskedLMOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and the head's answer.

    loss without axes, or None without labels; logits (B, T, V), computed when they are first read, with the weights of
    that moment.
    """

    loss: Array | None
    _read_logits: Callable[[], Array] = field(repr=False)

    @cached_property
    def logits(self) -> Array:
        return self._read_logits()


def _correct_and_count(cache: CrossEntropyCache | None) -> tuple[int, int]:
    if cache is None:
        return 0, 0
    correct = (cache.probs.argmax(axis=-1) == cache.labels) & cache.counted
    return int(correct.sum()), int(cache.counted.sum())


class PreTrainingCache(NamedTuple):
    albert: AlbertCache
    mlm: MLMLossCache | None
    sop: ClassifierCache
    sop_loss: CrossEntropyCache | None


class MaskedLMCache(NamedTuple):
    albert: AlbertCache
    mlm: MLMLossCache | None


class AlbertModel(AlbertBase):
    """The bare ALBERT: hidden states and the pooled [CLS]."""

    prefix = ""

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        inputs_embeds: Any = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        skip_padding: bool = False,
        grad: bool = True,
    ) -> AlbertModelOutput:
        """Run the model.

        input_ids (B, T) integers, or inputs_embeds (B, T, E) in their place; attention_mask (B, T) of 1 and 0, or 4-D,
        broadcastable to (B, N, T, T); token_type_ids and position_ids (B, T). Arrays of the model's backend, or
        anything NumPy reads. `grad=False` keeps nothing for `backward`, so that memory stays that of one layer.
        ValueError and TypeError name the argument that does not fit.
        """
        self._start()
        inputs = named_inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        y, pooled, cache = self._albert_forward(
            inputs, self._dropout_rng(), grad, output_hidden_states, output_attentions
        )
        self._finish(cache, grad)
        return AlbertModelOutput(y, pooled, **looked_at(cache, output_hidden_states, output_attentions))

    def backward(self, *, last_hidden_state: Any = None, pooler_output: Any = None) -> Array:
        """Add the gradients for the given upstream gradients, (B, T, H) and (B, H), into `grads`.

        Returns the gradient of the word embeddings looked up, or of `inputs_embeds`, (B, T, E).
        """
        cache: AlbertCache = self._last_cache()
        B, T, H = cache.sequence_output.shape
        if last_hidden_state is None and pooler_output is None:
            raise ValueError("backward needs an upstream gradient: last_hidden_state=, pooler_output=, or both")
        return self._albert_backward(
            self._upstream("last_hidden_state", last_hidden_state, (B, T, H)),
            self._upstream("pooler_output", pooler_output, (B, H)),
            cache,
        )


class AlbertForPreTraining(AlbertBase):
    """ALBERT with both pretraining heads; loss = MLM cross-entropy + SOP cross-entropy."""

    ties = MLM_TIES

    def __init__(self, config: AlbertConfig, dtype: Any = "float32", backend: str = "numpy", seed: int = 0):
        if config.num_labels != 2:
            raise ValueError(f"num_labels={config.num_labels}: sentence order prediction has 2 (in order, swapped)")
        super().__init__(config, dtype, backend, seed)

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return mlm_shapes(config) | sop_shapes(config)

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        inputs_embeds: Any = None,
        labels: Any = None,
        sentence_order_label: Any = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        skip_padding: bool = False,
        skip_unlabelled: bool = False,
        grad: bool = True,
        mlm_denominator: float | None = None,
        sop_denominator: float | None = None,
    ) -> AlbertForPreTrainingOutput:
        """Run the model; inputs as in `AlbertModel.forward`.

        labels (B, T): token ids, -100 where nothing is asked; sentence_order_label (B,): 0 in order, 1 swapped, -100
        unknown. `loss` is there if both are given, as in Hugging Face. The denominators divide the summed losses
        instead of the number of labelled tokens and pairs: with those of a whole batch, the losses and gradients of
        its parts add up to the whole's. `skip_unlabelled` computes the last layer step where the losses read it, at
        labels and [CLS], and leaves `last_hidden_state` zero elsewhere; without labels it does nothing.
        """
        self._start()
        rng = self._dropout_rng()
        inputs = named_inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        y, pooled, albert_cache = self._albert_forward(
            inputs, rng, grad, output_hidden_states, output_attentions, labels if skip_unlabelled else None
        )
        sop_logits, sop_cache = classifier_forward(pooled, self.params.scope("sop_classifier."), self.config, rng)
        mlm_loss, mlm_cache = _mlm_loss(self, y, labels, mlm_denominator)
        sop_loss, sop_loss_cache = None, None
        if sentence_order_label is not None:
            order = check_labels("sentence_order_label", sentence_order_label, y.shape[:1], self.backend, 2, "labels")
            sop_loss, sop_loss_cache = cross_entropy_forward(sop_logits, order, denominator=sop_denominator)
        self._finish(PreTrainingCache(albert_cache, mlm_cache, sop_cache, sop_loss_cache), grad)
        return AlbertForPreTrainingOutput(
            last_hidden_state=y,
            pooler_output=pooled,
            **looked_at(albert_cache, output_hidden_states, output_attentions),
            sop_logits=sop_logits,
            loss=None if mlm_loss is None or sop_loss is None else mlm_loss + sop_loss,
            mlm_loss=mlm_loss,
            sop_loss=sop_loss,
            _mlm=None if mlm_cache is None else mlm_cache.cross_entropy,
            _sop=sop_loss_cache,
            _read_logits=lambda: _all_logits(self, y),
        )

    def backward(
        self,
        loss: float | None = None,
        *,
        prediction_logits: Any = None,
        sop_logits: Any = None,
        last_hidden_state: Any = None,
        pooler_output: Any = None,
    ) -> Array:
        """Add d loss into `grads`, or the gradients for any upstream gradients of the outputs' shapes.

        `loss` is the upstream gradient of the loss; 1 if nothing is given. Returns the gradient of the word
        embeddings looked up, or of `inputs_embeds`, (B, T, E).
        """
        cache: PreTrainingCache = self._last_cache()
        if all(d is None for d in (loss, prediction_logits, sop_logits, last_hidden_state, pooler_output)):
            loss = 1.0
        B, T, H = cache.albert.sequence_output.shape
        g = self.grads
        dpooled = self._upstream("pooler_output", pooler_output, (B, H))
        dsop = self._upstream("sop_logits", sop_logits, (B, 2))
        dy = self._upstream("last_hidden_state", last_hidden_state, (B, T, H))
        if loss is not None:
            require(cache.mlm, "loss")
            dsop = sum_of(dsop, cross_entropy_backward(loss, require(cache.sop_loss, "loss")))
        if dsop is not None:
            dpooled = sum_of(dpooled, classifier_backward(dsop, cache.sop, g.scope("sop_classifier.")))
        dy = sum_of(dy, _mlm_backward(self, cache.mlm, cache.albert, loss, prediction_logits))
        return self._albert_backward(dy, dpooled, cache.albert)


class AlbertForMaskedLM(AlbertBase):
    """ALBERT with the masked language model head; without a pooler, as in Hugging Face."""

    ties = MLM_TIES

    @classmethod
    def _has_pooler(cls) -> bool:
        return False

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return mlm_shapes(config)

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        inputs_embeds: Any = None,
        labels: Any = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        skip_padding: bool = False,
        skip_unlabelled: bool = False,
        grad: bool = True,
    ) -> MaskedLMOutput:
        """Run the model; inputs as in `AlbertModel.forward`.

        labels (B, T): token ids, -100 where nothing is asked. skip_unlabelled: see `AlbertForPreTraining.forward`.
        """
        self._start()
        inputs = named_inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        only = labels if skip_unlabelled else None
        y, _, albert_cache = self._albert_forward(
            inputs, self._dropout_rng(), grad, output_hidden_states, output_attentions, only
        )
        loss, mlm_cache = _mlm_loss(self, y, labels)
        self._finish(MaskedLMCache(albert_cache, mlm_cache), grad)
        return MaskedLMOutput(
            last_hidden_state=y,
            pooler_output=None,
            **looked_at(albert_cache, output_hidden_states, output_attentions),
            loss=loss,
            _read_logits=lambda: _all_logits(self, y),
        )

    def backward(self, loss: float | None = None, *, logits: Any = None, last_hidden_state: Any = None) -> Array:
        """Add d loss into `grads`, or the gradients for any upstream gradients; see `AlbertForPreTraining.backward`."""
        cache: MaskedLMCache = self._last_cache()
        if loss is None and logits is None and last_hidden_state is None:
            loss = 1.0
        if loss is not None:
            require(cache.mlm, "loss")
        dy = self._upstream("last_hidden_state", last_hidden_state, cache.albert.sequence_output.shape)
        dy = sum_of(dy, _mlm_backward(self, cache.mlm, cache.albert, loss, logits))
        return self._albert_backward(dy, None, cache.albert)


def _mlm_loss(
    model: AlbertBase, y: Array, labels: Any, denominator: float | None = None
) -> tuple[Array | None, MLMLossCache | None]:
    if labels is None:
        return None, None
    labels = check_labels("labels", labels, y.shape[:2], model.backend, model.config.vocab_size, "vocab_size")
    return mlm_loss_forward(y, labels, model.params.scope("predictions."), model.config, denominator)


def _all_logits(model: AlbertBase, y: Array) -> Array:
    logits, _ = mlm_forward(y.reshape(-1, y.shape[-1]), model.params.scope("predictions."), model.config)
    return logits.reshape(*y.shape[:2], -1)


def _mlm_backward(
    model: AlbertBase, cache: MLMLossCache | None, albert: AlbertCache, dloss: float | None, dlogits: Any
) -> Array | None:
    """Return the gradient (B, T, H) that reaches the trunk from the loss, from logits that somebody used, or both."""
    y, g = albert.sequence_output, model.grads.scope("predictions.")
    dy = None if dloss is None or cache is None else mlm_loss_backward(dloss, cache, g)
    dlogits = model._upstream("the logits", dlogits, (*y.shape[:2], model.config.vocab_size))
    if dlogits is not None:
        _, head = mlm_forward(y.reshape(-1, y.shape[-1]), model.params.scope("predictions."), model.config)
        dy = sum_of(dy, mlm_backward(dlogits.reshape(math.prod(y.shape[:2]), -1), head, g).reshape(y.shape))
    return dy

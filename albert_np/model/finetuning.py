"""The classes of fine-tuning: a linear head over the trunk, and the loss that its task asks for.

Semantics: Hugging Face's `AlbertForSequenceClassification`, `…TokenClassification`, `…MultipleChoice` and
`…QuestionAnswering`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from albert_np.backend import Array
from albert_np.config import AlbertConfig
from albert_np.execution.pattern import pack, unpack
from albert_np.heads import ClassifierCache, classifier_backward, classifier_forward, classifier_shapes
from albert_np.layers import Shapes
from albert_np.model.base import AlbertBase, AlbertCache, looked_at, named_inputs, require, sum_of
from albert_np.model.inputs import check_labels, check_targets
from albert_np.model.pretraining import AlbertModelOutput
from albert_np.ops import (
    LinearCache,
    binary_cross_entropy_backward,
    binary_cross_entropy_forward,
    cross_entropy_backward,
    cross_entropy_forward,
    linear_backward,
    linear_forward,
    mean_squared_error_backward,
    mean_squared_error_forward,
)

__all__ = [
    "AlbertForMultipleChoice",
    "AlbertForQuestionAnswering",
    "AlbertForSequenceClassification",
    "AlbertForTokenClassification",
    "ClassifierOutput",
    "QuestionAnsweringOutput",
]


@dataclass
class ClassifierOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and: logits, (B, num_labels), of tokens (B, T, num_labels), of choices (B, C);
    loss without axes, or None without labels."""

    loss: Array | None
    logits: Array


@dataclass
class QuestionAnsweringOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and: start_logits and end_logits (B, T); loss without axes, or None."""

    loss: Array | None
    start_logits: Array
    end_logits: Array


class Loss(NamedTuple):
    """A loss that was computed: its backward pass and the cache for it."""

    backward: Callable[[Any, Any], Array]
    cache: Any


class HeadCache(NamedTuple):
    albert: AlbertCache
    head: ClassifierCache
    loss: Loss | None


class _Classifier(AlbertBase):
    """A linear classifier with dropout before it. Subclasses say over what, and with which loss."""

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
        grad: bool = True,
        denominator: float | None = None,
    ) -> ClassifierOutput:
        """Run the model; inputs as in `AlbertModel.forward`, labels as the class says.

        `denominator` divides the summed loss instead of the number of its terms: with that of a whole batch, the
        losses and gradients of its parts add up to the whole's.
        """
        self._start()
        rng = self._dropout_rng()
        inputs = named_inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        inputs, shape = self._arrange(inputs)
        y, pooled, albert_cache = self._albert_forward(inputs, rng, grad, output_hidden_states, output_attentions)
        logits, head_cache = classifier_forward(self._select(y, pooled), self.params.scope(""), self.config, rng)
        logits = logits if shape is None else logits.reshape(shape)
        loss, loss_cache = (None, None) if labels is None else self._loss(logits, labels, denominator)
        self._finish(HeadCache(albert_cache, head_cache, loss_cache), grad)
        looked = looked_at(albert_cache, output_hidden_states, output_attentions)
        return ClassifierOutput(y, pooled, **looked, loss=loss, logits=logits)

    def backward(self, loss: float | None = None, *, logits: Any = None) -> Array:
        """Add d loss into `grads`, or the gradients for any upstream gradient of the logits.

        `loss` is the upstream gradient of the loss; 1 if nothing is given. Returns the gradient of the word
        embeddings looked up, or of `inputs_embeds`, (…, T, E).
        """
        cache: HeadCache = self._last_cache()
        if loss is None and logits is None:
            loss = 1.0
        x, weight = cache.head.classifier
        raw = (*x.shape[:-1], weight.shape[0])  # of the classifier's output
        dlogits = None
        if loss is not None:
            kept = require(cache.loss, "loss")
            dlogits = kept.backward(loss, kept.cache).reshape(raw)
        if logits is not None:
            given = logits.reshape(raw) if hasattr(logits, "reshape") else np.reshape(logits, raw)
            dlogits = sum_of(dlogits, self._upstream("logits", given, raw))
        dfeatures = classifier_backward(dlogits, cache.head, self.grads.scope(""))
        return self._albert_backward(*self._spread(dfeatures), cache.albert)

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return classifier_shapes(config, config.num_labels)

    def _arrange(self, inputs: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...] | None]:
        """Return the inputs as the trunk takes them, and the shape of the logits if it is not the classifier's."""
        return inputs, None

    def _select(self, y: Array, pooled: Array | None) -> Array:
        return pooled

    def _spread(self, dfeatures: Array) -> tuple[Array | None, Array | None]:
        """Return the gradients of (sequence output, pooled output)."""
        return None, dfeatures

    def _loss(self, logits: Array, labels: Any, denominator: float | None) -> tuple[Array, Loss]:
        """Cross-entropy over the last axis; labels have the logits' other axes, -100 where nothing is asked."""
        *shape, classes = logits.shape
        labels = check_labels("labels", labels, tuple(shape), self.backend, classes, "num_labels")
        loss, cache = cross_entropy_forward(logits.reshape(-1, classes), labels.ravel(), denominator=denominator)
        return loss, Loss(cross_entropy_backward, cache)


class AlbertForSequenceClassification(_Classifier):
    """ALBERT with a classifier or a regression on the pooled [CLS].

    labels and loss follow `config.problem_type`: "regression", numbers (B,) or (B, num_labels), mean squared error;
    "single_label_classification", integers (B,), cross-entropy; "multi_label_classification", numbers from 0 to 1,
    (B, num_labels), binary cross-entropy. None means regression for one label, otherwise single for integers and multi
    for other numbers; unlike Hugging Face's, the config stays as it is.
    """

    def _loss(self, logits: Array, labels: Any, denominator: float | None) -> tuple[Array, Loss]:
        labels = labels if isinstance(labels, self.backend.array_type) else np.asarray(labels)
        kind = self.config.problem_type or self._problem_type(labels)
        if kind == "single_label_classification":
            return super()._loss(logits, labels, denominator)
        if logits.shape[1] == 1:
            labels = labels.reshape(-1, 1)  # (B,) is as good as (B, 1)
        targets = check_targets("labels", labels, logits.shape, self.backend, self.dtype)
        if kind == "regression":
            loss, squared = mean_squared_error_forward(logits, targets, denominator)
            return loss, Loss(mean_squared_error_backward, squared)
        if bool(((targets < 0) | (targets > 1)).any()):
            raise ValueError("labels of a multi-label classification must lie between 0 and 1")
        loss, binary = binary_cross_entropy_forward(logits, targets, denominator)
        return loss, Loss(binary_cross_entropy_backward, binary)

    def _problem_type(self, labels: Array) -> str:
        if self.config.num_labels == 1:
            return "regression"
        return "single_label_classification" if labels.dtype.kind in "iu" else "multi_label_classification"


class AlbertForTokenClassification(_Classifier):
    """ALBERT with a classifier on every token; labels (B, T), -100 where nothing is asked. No pooler."""

    @classmethod
    def _has_pooler(cls) -> bool:
        return False

    def _select(self, y: Array, pooled: Array | None) -> Array:
        return y

    def _spread(self, dfeatures: Array) -> tuple[Array | None, Array | None]:
        return dfeatures, None


class AlbertForMultipleChoice(_Classifier):
    """ALBERT that scores C choices by their pooled [CLS]; inputs (B, C, T), labels (B,) integers below C."""

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return classifier_shapes(config, 1)

    def _arrange(self, inputs: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...] | None]:
        flat: dict[str, Any] = {}
        shape: tuple[int, ...] | None = None
        for name, value in inputs.items():
            if value is None or name == "skip_padding":
                flat[name] = value
                continue
            array: Any = value if isinstance(value, self.backend.array_type) else np.asarray(value)
            axes = 4 if name == "inputs_embeds" else 3
            if array.ndim != axes:
                raise ValueError(f"{name} must have {axes} axes, (B, C, T…), got shape {tuple(array.shape)}")
            shape = tuple(array.shape[:2])
            flat[name] = array.reshape(-1, *array.shape[2:])
        return flat, shape


class QuestionAnsweringCache(NamedTuple):
    albert: AlbertCache
    head: LinearCache
    losses: tuple[Loss, Loss] | None  # of start and end


class AlbertForQuestionAnswering(AlbertBase):
    """ALBERT that points at the start and the end of an answer in the text. No pooler and no dropout in the head."""

    def __init__(self, config: AlbertConfig, dtype: Any = "float32", backend: str = "numpy", seed: int = 0):
        if config.num_labels != 2:
            raise ValueError(f"num_labels={config.num_labels}: question answering has 2 (start, end)")
        super().__init__(config, dtype, backend, seed)

    @classmethod
    def _has_pooler(cls) -> bool:
        return False

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return {"qa_outputs.weight": (2, config.hidden_size), "qa_outputs.bias": (2,)}

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        inputs_embeds: Any = None,
        start_positions: Any = None,
        end_positions: Any = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        skip_padding: bool = False,
        grad: bool = True,
        start_denominator: float | None = None,
        end_denominator: float | None = None,
    ) -> QuestionAnsweringOutput:
        """Run the model; inputs as in `AlbertModel.forward`.

        start_positions and end_positions (B,): the answer's first and last token. One at T or beyond is not in the
        window and is ignored, a negative one counts as 0, both as in Hugging Face. loss: the mean of the two
        cross-entropies, there if both are given. Padding counts among the places that an answer could have, as in
        Hugging Face, unless it is skipped. The denominators divide the summed losses instead of the number of
        starts and ends counted: with those of a whole batch, the losses and gradients of its parts add up.
        """
        self._start()
        rng = self._dropout_rng()
        inputs = named_inputs(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, skip_padding)
        y, _, albert_cache = self._albert_forward(inputs, rng, grad, output_hidden_states, output_attentions)
        logits, head = linear_forward(y, self.params["qa_outputs.weight"], self.params["qa_outputs.bias"])  # (B, T, 2)
        if albert_cache.packing is not None:  # no answer lies in padding that was skipped
            lowest = float(np.finfo(self.dtype).min)
            logits = unpack(pack(logits, albert_cache.packing), albert_cache.packing, lowest)
        start_logits, end_logits = logits[..., 0], logits[..., 1]
        loss, losses = None, None
        if start_positions is not None and end_positions is not None:
            start, start_loss = self._position_loss("start_positions", start_logits, start_positions, start_denominator)
            end, end_loss = self._position_loss("end_positions", end_logits, end_positions, end_denominator)
            loss, losses = (start + end) / 2, (start_loss, end_loss)
        self._finish(QuestionAnsweringCache(albert_cache, head, losses), grad)
        looked = looked_at(albert_cache, output_hidden_states, output_attentions)
        return QuestionAnsweringOutput(y, None, **looked, loss=loss, start_logits=start_logits, end_logits=end_logits)

    def _position_loss(self, name: str, logits: Array, positions: Any, denominator: float | None) -> tuple[Array, Loss]:
        B, T = logits.shape
        positions = positions if isinstance(positions, self.backend.array_type) else np.asarray(positions)
        if positions.dtype.kind not in "iu":
            raise TypeError(f"{name} must hold integers, got {positions.dtype}")
        if positions.ndim == 2 and positions.shape[1] == 1:
            positions = positions[:, 0]
        labels = check_labels(name, positions.clip(0, T), (B,), self.backend, T, "positions", ignore_index=T)
        loss, cache = cross_entropy_forward(logits, labels, T, denominator)
        return loss, Loss(cross_entropy_backward, cache)

    def backward(self, loss: float | None = None, *, start_logits: Any = None, end_logits: Any = None) -> Array:
        """Add d loss into `grads`, or the gradients for any upstream gradients of the logits, (B, T) each.

        Returns the gradient of the word embeddings looked up, or of `inputs_embeds`, (B, T, E).
        """
        cache: QuestionAnsweringCache = self._last_cache()
        if loss is None and start_logits is None and end_logits is None:
            loss = 1.0
        shape = cache.albert.sequence_output.shape[:2]
        halves = [self._upstream("start_logits", start_logits, shape), self._upstream("end_logits", end_logits, shape)]
        if loss is not None:
            kept = require(cache.losses, "loss")
            halves = [sum_of(d, k.backward(loss / 2, k.cache)) for d, k in zip(halves, kept, strict=True)]
        xp = self.backend.xp
        zeros = xp.zeros(shape, dtype=self.dtype)
        dlogits = xp.stack([zeros if d is None else d for d in halves], axis=-1)  # (B, T, 2)
        dy, dweight, dbias = linear_backward(dlogits, cache.head)
        self.grads["qa_outputs.weight"] += dweight
        self.grads["qa_outputs.bias"] += dbias
        return self._albert_backward(dy, None, cache.albert)

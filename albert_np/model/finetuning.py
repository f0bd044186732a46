"""A linear classifier over the trunk, and the loss that its task asks for.

Semantics: Hugging Face's `AlbertForSequenceClassification`, `…TokenClassification` and `…MultipleChoice`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from albert_np import ops
from albert_np.backend import Array, ArrayLike
from albert_np.config import AlbertConfig
from albert_np.execution import Pattern
from albert_np.heads import class_targets
from albert_np.layers import AlbertCache, ClassifierCache, classifier_backward, classifier_forward, classifier_shapes
from albert_np.model.base import AlbertBase, require
from albert_np.model.inputs import (
    as_array,
    check_denominator,
    check_labels,
    check_targets,
    refuse,
    refuse_skipped,
)
from albert_np.model.outputs import ClassifierOutput
from albert_np.params import Shapes

__all__ = ["AlbertForMultipleChoice", "AlbertForSequenceClassification", "AlbertForTokenClassification"]


class Loss(NamedTuple):
    """A loss that was computed: its backward pass and the cache for it."""

    backward: Callable[[float, Any], Array]
    cache: Any


class Weighing(NamedTuple):
    """What the terms of a loss are weighed and divided by; see `_Classifier.forward`."""

    denominator: float | None
    class_weights: Array | None
    label_smoothing: float


class HeadCache(NamedTuple):
    albert: AlbertCache
    head: ClassifierCache
    shape: tuple[int, ...]  # of the logits
    loss: Loss | None


class _Classifier(AlbertBase):
    """A linear classifier with dropout before it, over the pooled [CLS], or, without a pooler, over every token."""

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return classifier_shapes(config, config.num_labels)

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
        denominator: float | None = None,
        class_weights: ArrayLike | None = None,
        label_smoothing: float = 0.0,
    ) -> ClassifierOutput:
        """Run the model; inputs as in `AlbertModel.forward`, labels as the class says.

        Where all labels are -100 the loss is 0 (NaN in Hugging Face) and has no gradient. `denominator` divides the
        summed loss instead of the number of its terms: with that of a whole batch, the losses and gradients of its
        parts add up to the whole's. `class_weights` (classes,), numbers from 0, and
        `label_smoothing`, from 0 to 1, are those of PyTorch's `cross_entropy`; with weights, the number of terms is the
        sum of the labels' weights.
        """
        weighing = self._weighing(denominator, class_weights, label_smoothing)
        arrays, shape = self._arrange(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        inputs, rng = self._inputs(*arrays, skip_padding), self._dropout_rng()
        y, pooled, looked, albert = self._albert_forward(inputs, rng, grad, output_hidden_states, output_attentions)
        logits, head = classifier_forward(y if pooled is None else pooled, self.params.scope(""), self.config, rng)
        logits = logits.reshape(shape or logits.shape)
        loss, loss_cache = (None, None) if labels is None else self._loss(logits, labels, weighing, inputs.pattern)
        self.cache = HeadCache(albert, head, logits.shape, loss_cache) if grad else None
        return ClassifierOutput(
            y,
            pooled,
            *looked,
            loss=loss,
            logits=logits,
        )

    def backward(self, loss: float | None = None, *, logits: ArrayLike | None = None) -> Array:
        """Add the gradients of the loss into `grads`, or those for any upstream gradient of the logits.

        `loss` is the upstream gradient of the loss; 1 if nothing is given. Returns the gradient of the word
        embeddings looked up, or of `inputs_embeds`, (…, T, E).
        """
        cache: HeadCache = self._last_pass()
        loss = self._upstream_of_loss(loss)
        if loss is None and logits is None:
            loss = 1.0
        dlogits = self._upstream_or_zeros("logits", logits, cache.shape)
        if loss is not None:
            kept = require(cache.loss, "loss")
            dlogits = dlogits + kept.backward(loss, kept.cache).reshape(cache.shape)
        x, weight = cache.head.classifier
        dx = classifier_backward(dlogits.reshape(*x.shape[:-1], len(weight)), cache.head, self.grads.scope(""))
        if self.has_pooler:
            return self._albert_backward(self.backend.xp.zeros_like(cache.albert.sequence_output), dx, cache.albert)
        return self._albert_backward(dx, None, cache.albert)

    def _arrange(self, *arrays: ArrayLike | None) -> tuple[tuple[ArrayLike | None, ...], tuple[int, ...] | None]:
        """Return the inputs as the trunk takes them, and the shape of the logits if it is not the classifier's."""
        return arrays, None

    def _weighing(self, denominator: float | None, class_weights: ArrayLike | None, label_smoothing: float) -> Weighing:
        """Return what a loss is weighed by, checked."""
        if isinstance(label_smoothing, bool) or not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing={label_smoothing!r}: must be a number from 0 to 1")
        if class_weights is not None:
            shape = (len(self.params["classifier.bias"]),)
            class_weights = check_targets("class_weights", class_weights, shape, self.backend, self.dtype)
            refuse("class_weights", class_weights, class_weights < 0, "numbers from 0")
        return Weighing(check_denominator("denominator", denominator), class_weights, float(label_smoothing))

    def _loss(self, logits: Array, labels: ArrayLike, weighing: Weighing, pattern: Pattern) -> tuple[Array, Loss]:
        """Cross-entropy over the last axis; labels have the logits' other axes, -100 where nothing is asked."""
        *shape, classes = logits.shape
        labels = check_labels("labels", labels, tuple(shape), self.backend, classes, "num_labels")
        if not self.has_pooler:
            refuse_skipped("labels", labels != ops.IGNORE_INDEX, pattern)
        labels = self.backend.own(labels)
        rows, (denominator, class_weights, label_smoothing) = logits.reshape(-1, classes), weighing
        if class_weights is None and not label_smoothing:
            loss, cache = ops.cross_entropy_forward(rows, labels.ravel(), denominator=denominator)
            return loss, Loss(ops.cross_entropy_backward, cache)
        targets, total = class_targets(labels.ravel(), classes, class_weights, label_smoothing)
        loss, soft = ops.soft_cross_entropy_forward(rows, targets.astype(rows.dtype), denominator or total)
        return loss, Loss(ops.soft_cross_entropy_backward, soft)


class AlbertForSequenceClassification(_Classifier):
    """ALBERT with a classifier or a regression on the pooled [CLS].

    labels and loss follow `config.problem_type`: "regression", numbers (B,) or (B, num_labels), mean squared error;
    "single_label_classification", integers (B,), cross-entropy; "multi_label_classification", numbers from 0 to 1,
    (B, num_labels), binary cross-entropy. None means regression for one label, otherwise single for integers and multi
    for other numbers; unlike Hugging Face's, the config stays as it is.
    """

    def _loss(self, logits: Array, labels: ArrayLike, weighing: Weighing, pattern: Pattern) -> tuple[Array, Loss]:
        labels = as_array("labels", labels, self.backend)
        kind = self.config.problem_type or self._problem_type(labels, logits.shape)
        if kind == "single_label_classification":
            return super()._loss(logits, labels, weighing, pattern)
        denominator, class_weights, label_smoothing = weighing
        if class_weights is not None or label_smoothing:
            raise ValueError(f"class_weights and label_smoothing are for classes, and the problem_type is {kind}")
        targets = check_targets("labels", labels, logits.shape, self.backend, self.dtype)
        if kind == "regression":
            loss, squared = ops.mean_squared_error_forward(logits, targets, denominator)
            return loss, Loss(ops.mean_squared_error_backward, squared)
        refuse("labels", targets, (targets < 0) | (targets > 1), "0 to 1 in a multi-label classification")
        loss, binary = ops.binary_cross_entropy_forward(logits, targets, denominator)
        return loss, Loss(ops.binary_cross_entropy_backward, binary)

    def _problem_type(self, labels: Array, shape: tuple[int, ...]) -> str:
        if self.config.num_labels == 1:
            return "regression"
        if labels.dtype.kind in "iu":
            return "single_label_classification"
        if labels.size == shape[0]:
            raise TypeError(
                f"labels must be integers, the class of each example, or numbers of shape {shape}, one for each label; "
                f"got {labels.dtype} of shape {tuple(labels.shape)}"
            )
        return "multi_label_classification"


class AlbertForTokenClassification(_Classifier):
    """ALBERT with a classifier on every token; labels (B, T), -100 where nothing is asked. No pooler."""

    has_pooler = False


class AlbertForMultipleChoice(_Classifier):
    """ALBERT that scores C choices by their pooled [CLS]; inputs (B, C, T), labels (B,) integers below C."""

    @classmethod
    def head_shapes(cls, config: AlbertConfig) -> Shapes:
        return classifier_shapes(config, 1)

    def _arrange(self, *arrays: ArrayLike | None) -> tuple[tuple[ArrayLike | None, ...], tuple[int, ...] | None]:
        names = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds")
        flat: list[Array | None] = []
        shape: tuple[int, ...] | None = None
        for name, value in zip(names, arrays, strict=True):
            if value is None:
                flat.append(None)
                continue
            array = as_array(name, value, self.backend)
            axes = 4 if name == "inputs_embeds" else 3
            if array.ndim != axes:
                raise ValueError(f"{name} must have {axes} axes, (B, C, T…), got shape {tuple(array.shape)}")
            shape = shape or tuple(array.shape[:2])
            if array.shape[:2] != shape:
                raise ValueError(f"{name} must have the leading axes (B, C) = {shape}, got shape {tuple(array.shape)}")
            flat.append(array.reshape(-1, *array.shape[2:]))
        return tuple(flat), shape

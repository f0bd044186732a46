"""The model classes: state (parameters, gradients, modes, the last cache) over the pairs of layers and heads."""

from albert_np.model.base import RECOMPUTE, AlbertBase, AlbertCache
from albert_np.model.conversion import class_of, convert
from albert_np.model.finetuning import (
    AlbertForMultipleChoice,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    ClassifierOutput,
    QuestionAnsweringOutput,
)
from albert_np.model.pretraining import (
    AlbertForMaskedLM,
    AlbertForPreTraining,
    AlbertForPreTrainingOutput,
    AlbertModel,
    AlbertModelOutput,
    MaskedLMOutput,
)
from albert_np.model.squad2 import (
    AlbertForQuestionAnsweringV2,
    QuestionAnsweringV2Output,
    TopAnswers,
    answer_class_backward,
    answer_class_forward,
    answer_loss_backward,
    answer_loss_forward,
    end_logits_backward,
    end_logits_forward,
    squad2_shapes,
    start_logits_backward,
    start_logits_forward,
    top_answers,
)

__all__ = [
    "RECOMPUTE",
    "AlbertBase",
    "AlbertCache",
    "AlbertForMaskedLM",
    "AlbertForMultipleChoice",
    "AlbertForPreTraining",
    "AlbertForPreTrainingOutput",
    "AlbertForQuestionAnswering",
    "AlbertForQuestionAnsweringV2",
    "AlbertForSequenceClassification",
    "AlbertForTokenClassification",
    "AlbertModel",
    "AlbertModelOutput",
    "ClassifierOutput",
    "MaskedLMOutput",
    "QuestionAnsweringOutput",
    "QuestionAnsweringV2Output",
    "TopAnswers",
    "answer_class_backward",
    "answer_class_forward",
    "answer_loss_backward",
    "answer_loss_forward",
    "class_of",
    "convert",
    "end_logits_backward",
    "end_logits_forward",
    "squad2_shapes",
    "start_logits_backward",
    "start_logits_forward",
    "top_answers",
]

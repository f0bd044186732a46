"""The model classes: state (parameters, gradients, modes, the last cache) over the pairs of layers and heads."""

from albert_np.model.answering import AlbertForQuestionAnswering, AlbertForQuestionAnsweringV2
from albert_np.model.base import RECOMPUTE, AlbertBase
from albert_np.model.conversion import convert
from albert_np.model.finetuning import (
    AlbertForMultipleChoice,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
)
from albert_np.model.inputs import check_inputs
from albert_np.model.loading import class_of, model_classes
from albert_np.model.outputs import (
    AlbertForPreTrainingOutput,
    AlbertModelOutput,
    ClassifierOutput,
    MaskedLMOutput,
    QuestionAnsweringOutput,
    QuestionAnsweringV2Output,
)
from albert_np.model.pretraining import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel

__all__ = [
    "RECOMPUTE",
    "AlbertBase",
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
    "check_inputs",
    "class_of",
    "convert",
    "model_classes",
]

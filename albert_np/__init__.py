"""ALBERT from the inside: pure NumPy, with every gradient written by hand."""

from albert_np.config import AlbertConfig
from albert_np.finetuning import (
    AlbertForMultipleChoice,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
)
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel
from albert_np.tokenization import AlbertTokenizer

__all__ = [
    "AlbertConfig",
    "AlbertForMaskedLM",
    "AlbertForMultipleChoice",
    "AlbertForPreTraining",
    "AlbertForQuestionAnswering",
    "AlbertForSequenceClassification",
    "AlbertForTokenClassification",
    "AlbertModel",
    "AlbertTokenizer",
]

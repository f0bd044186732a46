"""ALBERT from the inside: pure NumPy, with every gradient written by hand."""

from typing import Any

from albert_np import _moved as _moved  # makes the old import paths known
from albert_np.config import AlbertConfig
from albert_np.model import (
    AlbertForMaskedLM,
    AlbertForMultipleChoice,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForQuestionAnsweringV2,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)
from albert_np.tokenization import AlbertTokenizer

__all__ = [
    "AlbertConfig",
    "AlbertForMaskedLM",
    "AlbertForMultipleChoice",
    "AlbertForPreTraining",
    "AlbertForQuestionAnswering",
    "AlbertForQuestionAnsweringV2",
    "AlbertForSequenceClassification",
    "AlbertForTokenClassification",
    "AlbertModel",
    "AlbertTokenizer",
    "torch_function",
]


def __getattr__(name: str) -> Any:
    if name == "explore":  # a room that is also its function; imported when it is first asked for
        import importlib

        return importlib.import_module("albert_np.explore")
    if name == "torch_function":
        from albert_np.gradcheck import torch_function

        return torch_function
    raise AttributeError(f"module 'albert_np' has no attribute {name!r}")

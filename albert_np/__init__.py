"""ALBERT from the inside: pure NumPy, with every gradient written by hand."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from albert_np import _moved as _moved  # makes the old import paths known

if TYPE_CHECKING:
    from albert_np.config import AlbertConfig
    from albert_np.gradcheck import torch_function
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

_ROOMS = {"AlbertConfig": "config", "AlbertTokenizer": "tokenization", "torch_function": "gradcheck"}  # else model


def __getattr__(name: str) -> Any:
    """Import a public name, or a room, when it is first asked for: the package itself takes no time to import."""
    if name in __all__:
        value = getattr(import_module(f"albert_np.{_ROOMS.get(name, 'model')}"), name)
        return globals().setdefault(name, value)
    if not name.startswith("_") and find_spec(f"albert_np.{name}"):
        return import_module(f"albert_np.{name}")
    raise AttributeError(f"module 'albert_np' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

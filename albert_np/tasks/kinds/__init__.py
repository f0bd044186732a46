"""The kinds of task by name: what is asked, of which model, and how its answers are read and measured."""

from typing import Any

from albert_np.tasks.kinds.answering import Answering
from albert_np.tasks.kinds.answering_v2 import AnsweringV2
from albert_np.tasks.kinds.base import Feature, FoundAnswer, Kind, Prediction, Unlabelled
from albert_np.tasks.kinds.choice import Choice
from albert_np.tasks.kinds.tagging import Entity, Tagging, entities, split_words
from albert_np.tasks.kinds.texts import Classification, MultiLabel, Regression

__all__ = [
    "KINDS",
    "Entity",
    "Feature",
    "FoundAnswer",
    "Kind",
    "Prediction",
    "Unlabelled",
    "entities",
    "split_words",
]

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (Classification(), MultiLabel(), Regression(), Tagging(), Answering(), AnsweringV2(), Choice())
}

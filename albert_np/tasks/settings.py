"""The settings of a task, and those to begin with for data of one's own."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

import numpy as np

from albert_np.schema import Schema, check, number, optional, text, whole

__all__ = ["NamedTask", "check_settings", "own_settings", "settings_from"]

S = TypeVar("S")


def check_settings(settings: object, schema: Mapping[str, Schema], source: str) -> None:
    """Raise ValueError that names the first field of a frozen dataclass which does not fit.

    NumPy's numbers become Python's, which JSON can hold.
    """
    for name, value in vars(settings).items():
        if isinstance(value, np.generic):
            object.__setattr__(settings, name, value.item())
    check(vars(settings), schema, source)


def settings_from(cls: type[S], values: Any, source: object) -> S:
    """Return the dataclass that a JSON object holds; ValueError names `source` and the field that is wrong."""
    check(values, {}, source)
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    if strange := [name for name in values if name not in known]:
        raise ValueError(f"{source}: {strange[0]!r:.80} is no setting that this version knows")
    for name, field in known.items():
        if name not in values and field.default is MISSING:
            raise ValueError(f"{source}: {name} is missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise ValueError(f"{source}: {str(error)[:400]}") from error  # which quotes whatever the file holds


COUNT = whole(1, 10**9)
SETTINGS: dict[str, Schema] = {
    "name": text(1000),
    "kind": text(1000),
    "metric": text(1000),
    "learning_rate": optional(number(0)),
    "batch_size": COUNT,
    "dropout": optional(number(0, below=1)),
    "classifier_dropout": number(0, below=1),
    "steps": optional(COUNT),
    "warmup_steps": optional(whole(0, 10**9)),
    "max_seq_length": whole(3, 10**9),
    "doc_stride": optional(COUNT),
    "max_query_length": optional(COUNT),
    "max_answer_length": optional(COUNT),
    "positive_label": optional(text()),
    "epochs": optional(number(0, 1e9)),
    "warmup_fraction": optional(number(0, 1)),
    "no_answer_above": optional(number()),
    "label_threshold": number(0, 1),
}


@dataclass(frozen=True)
class NamedTask:
    """The settings of a task; `dataclasses.replace` changes them.

    kind: one of `KINDS`. metric: which of its metrics decides what checkpoint is best; the larger, the better.
    learning_rate: of the largest update; None where `learning_rate_for` takes it from the model's size.
    dropout: of hidden states and attention; None leaves the model's. classifier_dropout: before the head.
    steps, warmup_steps: updates; None where epochs over the training examples and warmup_fraction of all updates say
    it instead. max_seq_length: tokens, the special ones among them. Tokens too, and only for answering, are
    doc_stride, from window to window of a long context, and the longest query and answer. positive_label: the class
    whose F1 is reported; None for the mean of all. no_answer_above: the score of "no answer" above which a question
    is said to have none; None where every question has an answer. label_threshold: the probability from which on one of
    several labels holds (multi-label).

    Raises ValueError that names the field which is of another type or outside its bounds.
    """

    name: str
    kind: str
    metric: str
    learning_rate: float | None
    batch_size: int
    dropout: float | None
    classifier_dropout: float
    steps: int | None
    warmup_steps: int | None
    max_seq_length: int
    doc_stride: int | None = None
    max_query_length: int | None = None
    max_answer_length: int | None = None
    positive_label: str | None = None
    epochs: float | None = None
    warmup_fraction: float | None = None
    no_answer_above: float | None = 0.0
    label_threshold: float = 0.5

    def __post_init__(self) -> None:
        check_settings(self, SETTINGS, "task")
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"steps={self.steps} and epochs={self.epochs}: give one of them")
        if self.epochs == 0:
            raise ValueError("epochs=0: must be more than 0")

    def learning_rate_for(self, hidden_size: int) -> float:
        """Return the task's learning rate, or if it has none one for a model so wide: 1e-3 · (128 / hidden_size)².

        It is kept between 1e-3, which suits a model 128 wide that was pretrained in minutes (3e-3 is too much), and
        1e-5, the smallest of the paper's. A base model gets 2.8e-5. Whether the largest converge differs from seed
        to seed; users have gone down to 5e-6.
        """
        if self.learning_rate is not None:
            return self.learning_rate
        return float(np.clip(1e-3 * (128 / hidden_size) ** 2, 1e-5, 1e-3))


def own_settings(kind: str, metric: str, max_seq_length: int = 128, **lengths: Any) -> NamedTask:
    """Return the settings of a kind for data of one's own: thousands of examples, not hundreds of thousands."""
    return NamedTask(
        name=kind,
        kind=kind,
        metric=metric,
        learning_rate=None,
        batch_size=16,
        dropout=None,
        classifier_dropout=0.1,
        steps=None,
        warmup_steps=None,
        max_seq_length=max_seq_length,
        epochs=5,
        warmup_fraction=0.1,
        **lengths,
    )

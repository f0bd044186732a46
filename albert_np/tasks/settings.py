"""The settings of a task, and those to begin with for data of one's own."""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["NamedTask", "own_settings"]


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
    is said to have none; None where every question has an answer.
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

    def learning_rate_for(self, hidden_size: int) -> float:
        """Return the task's learning rate, or if it has none one for a model so wide: 1e-3 · (128 / hidden_size)².

        It is kept between 1e-3, which suits a model 128 wide that was pretrained in minutes (3e-3 is too much), and
        1e-5, the smallest of the paper's. A base model gets 2.8e-5. Whether the largest converge differs from seed
        to seed; users have gone down to 5e-6.
        """
        return self.learning_rate or float(np.clip(1e-3 * (128 / hidden_size) ** 2, 1e-5, 1e-3))


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

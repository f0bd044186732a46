"""Fine-tuning tasks by name: with the paper's settings, and with settings to begin with for data of your own."""

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["TASKS", "NamedTask"]


@dataclass(frozen=True)
class NamedTask:
    """The settings of a task; `dataclasses.replace` changes them.

    kind: one of `KINDS`. metric: which of its `METRICS` decides what checkpoint is best; the larger, the better.
    learning_rate: of the largest update; None where `learning_rate_for` takes it from the model's size.
    dropout: of hidden states and attention; None leaves the model's. classifier_dropout: before the head.
    steps, warmup_steps: updates; None where epochs over the training examples and warmup_fraction of all updates say
    it instead. max_seq_length: tokens, the special ones among them. Tokens too, and only for answering, are
    doc_stride, from window to window of a long context, and the longest query and answer. positive_label: the class
    whose F1 is reported; None for the mean of all.
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

    def learning_rate_for(self, hidden_size: int) -> float:
        """Return the task's learning rate, or if it has none one for a model so wide: 1e-3 · (128 / hidden_size)².

        It is kept between 1e-3, which suits a model 128 wide that was pretrained in minutes (3e-3 is too much), and
        1e-5, the smallest of the paper's. A base model gets 2.8e-5. Whether the largest converge differs from seed
        to seed; users have gone down to 5e-6.
        """
        return self.learning_rate or float(np.clip(1e-3 * (128 / hidden_size) ** 2, 1e-5, 1e-3))


# Lan et al. (2019), Table 14, in the order of its columns: learning rate, batch size, dropout of ALBERT and of the
# classifier, steps, warm-up, sequence length. The metrics and SQuAD's other lengths are google-research/albert's, whose
# version 2 checkpoints diverge with the paper's settings for RACE; race-v2 has those that its README gives instead.
_PAPER = (
    NamedTask("cola", "classification", "matthews", 1e-5, 16, 0.0, 0.1, 5336, 320, 512),
    NamedTask("sts-b", "regression", "pearson", 2e-5, 16, 0.0, 0.1, 3598, 214, 512),
    NamedTask("sst-2", "classification", "accuracy", 1e-5, 32, 0.0, 0.1, 20935, 1256, 512),
    NamedTask("mnli", "classification", "accuracy", 3e-5, 128, 0.0, 0.1, 10000, 1000, 512),
    NamedTask("qnli", "classification", "accuracy", 1e-5, 32, 0.0, 0.1, 33112, 1986, 512),
    NamedTask("qqp", "classification", "accuracy", 5e-5, 128, 0.1, 0.1, 14000, 1000, 512, positive_label="1"),
    NamedTask("rte", "classification", "accuracy", 3e-5, 32, 0.1, 0.1, 800, 200, 512),
    NamedTask("mrpc", "classification", "accuracy", 2e-5, 32, 0.0, 0.1, 800, 200, 512, positive_label="1"),
    NamedTask("wnli", "classification", "accuracy", 2e-5, 16, 0.1, 0.1, 2000, 250, 512),
    NamedTask("squad1", "answering", "f1", 5e-5, 48, 0.0, 0.1, 3649, 365, 384, 128, 64, 30),
    NamedTask("squad2", "answering", "f1", 3e-5, 48, 0.0, 0.1, 8144, 814, 512, 128, 64, 30),
    NamedTask("race", "choice", "accuracy", 2e-5, 32, 0.1, 0.1, 12000, 1000, 512),
    NamedTask("race-v2", "choice", "accuracy", 1e-5, 32, 0.0, 0.1, 12000, 1000, 512),
)


# For data of one's own, thousands of examples rather than hundreds of thousands.
_own = NamedTask(
    *("classification", "classification", "accuracy", None, 16, None, 0.1, None, None, 128),
    epochs=5,
    warmup_fraction=0.1,
)
_OWN = (
    _own,
    replace(_own, name="multilabel", kind="multilabel", metric="micro_f1"),
    replace(_own, name="regression", kind="regression", metric="pearson"),
    replace(_own, name="tagging", kind="tagging", metric="f1"),
    replace(_own, name="choice", kind="choice", metric="accuracy"),
    replace(
        _own,
        name="answering",
        kind="answering",
        metric="f1",
        max_seq_length=384,
        doc_stride=128,
        max_query_length=64,
        max_answer_length=30,
    ),
)

TASKS: dict[str, NamedTask] = {task.name: task for task in (*_PAPER, *_OWN)}

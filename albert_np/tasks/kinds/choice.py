"""Which of several choices fits a context."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.model import AlbertForMultipleChoice
from albert_np.tasks.examples import ChoiceExample
from albert_np.tasks.kinds.base import Feature, Kind, Prediction, Windows, cut_rows, row, softmax, stacked_inputs
from albert_np.tasks.metrics import choice_metrics
from albert_np.tasks.readers.choices import choice_example, read_choices
from albert_np.tasks.readers.files import Asked, Entry
from albert_np.tasks.settings import NamedTask, own_settings
from albert_np.tokenization import AlbertTokenizer

__all__ = ["Choice"]


class Choice(Kind[ChoiceExample]):
    """The choice that fits. Arrays of a feature are (C, T), a row a choice."""

    name = "choice"
    model = AlbertForMultipleChoice
    example = ChoiceExample
    columns = ("context", "question", "choices", "label")
    reads_folders = True
    defaults = own_settings("choice", metric="accuracy")
    measures = ("accuracy",)

    def read(self, path: Path, asked: Asked) -> Iterator[ChoiceExample]:
        return read_choices(path, asked)

    def from_json(self, entry: Entry, labelled: bool = True) -> ChoiceExample:
        return choice_example(entry, {}, labelled)

    def rows(
        self,
        task: NamedTask,
        numbers: Mapping[str, int],
        tokenizer: AlbertTokenizer,
        examples: Sequence[ChoiceExample],
        first: int,
    ) -> Iterator[Feature]:
        """A block a question: each choice is a pair of context and question + choice, the longer one cut first."""
        contexts = [example.context for example in examples for _ in example.choices]
        choices = [f"{example.question or ''} {choice}".strip() for example in examples for choice in example.choices]
        rows = cut_rows(tokenizer, contexts, choices, task.max_seq_length)
        pad_id = tokenizer.role_id("pad_token")
        bounds = np.cumsum([0, *(len(example.choices) for example in examples)]).tolist()
        for at, (start, stop) in enumerate(pairwise(bounds)):
            block = [row(first + at, ids, types, None) for ids, types, _ in rows[start:stop]]
            cut = sum(each.cut for each in rows[start:stop])
            yield Feature(first + at, *stacked_inputs(block, pad_id), examples[at].label, cut=cut)

    def decode(self, task: NamedTask, labels: Sequence[str], example: ChoiceExample, windows: Windows) -> Prediction:
        ((_, (logits,)),) = windows  # (C,)
        shares = softmax(logits).tolist()
        return Prediction(shares.index(max(shares)), shares)

    def metrics(self, answers: Sequence[Any], references: Sequence[Any], task: NamedTask) -> dict[str, float]:
        return choice_metrics(answers, references)

    def shown(self, example: ChoiceExample, prediction: Prediction) -> str:
        shares = zip(prediction.probabilities or (), example.choices, strict=True)
        return "\n".join(f"{share:7.1%}  {choice}" for share, choice in shares)

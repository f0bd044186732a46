"""Which of several choices fits a context."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.model import AlbertForMultipleChoice
from albert_np.tasks.examples import ChoiceExample
from albert_np.tasks.kinds.base import Feature, Kind, Prediction, Windows, softmax
from albert_np.tasks.metrics import choice_metrics
from albert_np.tasks.readers.choices import read_choices
from albert_np.tasks.readers.files import OnBad
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

    def read(self, path: Path, columns: Mapping[str, str], labelled: bool, on_bad: OnBad) -> Iterator[ChoiceExample]:
        return read_choices(path, columns, labelled, on_bad)

    def rows(
        self,
        task: NamedTask,
        numbers: Mapping[str, int],
        tokenizer: AlbertTokenizer,
        examples: Sequence[ChoiceExample],
        first: int,
    ) -> Iterator[Feature]:
        """A block a question: each choice is a pair of context and question + choice, the longer one cut first."""
        encoded = tokenizer(
            [example.context for example in examples for _ in example.choices],
            [f"{example.question or ''} {choice}".strip() for example in examples for choice in example.choices],
            truncation=True,
            max_length=task.max_seq_length,
        )
        bounds = np.cumsum([0, *(len(example.choices) for example in examples)]).tolist()
        for at, (start, stop) in enumerate(pairwise(bounds)):
            block = {name: column[start:stop] for name, column in encoded.items()}
            padded = tokenizer.pad(block, return_tensors="np")
            arrays = padded["input_ids"], padded["token_type_ids"], padded["attention_mask"]
            yield Feature(first + at, *arrays, examples[at].label)

    def decode(self, task: NamedTask, labels: Sequence[str], example: ChoiceExample, windows: Windows) -> Prediction:
        ((_, (logits,)),) = windows  # (C,)
        shares = softmax(logits).tolist()
        return Prediction(shares.index(max(shares)), shares)

    def metrics(self, answers: Sequence[Any], references: Sequence[Any], task: NamedTask) -> dict[str, float]:
        return choice_metrics(answers, references)

    def shown(self, example: ChoiceExample, prediction: Prediction) -> str:
        shares = zip(prediction.probabilities or (), example.choices, strict=True)
        return "\n".join(f"{share:7.1%}  {choice}" for share, choice in shares)

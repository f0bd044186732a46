"""Texts and pairs of texts: one class each, several labels, or a number."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.model import AlbertBase, AlbertForSequenceClassification
from albert_np.tasks.examples import TextExample
from albert_np.tasks.kinds.base import Feature, Kind, Prediction, Windows, cut_rows, label_number, ranked, row, softmax
from albert_np.tasks.metrics import classification_metrics, multilabel_metrics, regression_metrics
from albert_np.tasks.readers.files import Asked, Entry
from albert_np.tasks.readers.texts import class_name, label_list, number, read_texts, text_example
from albert_np.tasks.settings import NamedTask, own_settings
from albert_np.tokenization import AlbertTokenizer

__all__ = ["Classification", "MultiLabel", "Regression"]

SHOWN = 3  # labels, of the most probable


class TextKind(Kind[TextExample]):
    """What the three have in common; they differ in what a label is."""

    model = AlbertForSequenceClassification
    example = TextExample
    columns = ("text", "text_pair", "label")
    names_labels = True
    reads_folders = True
    read_label: ClassVar[Any]  # (value, where) → label

    def read(self, path: Path, asked: Asked) -> Iterator[TextExample]:
        return read_texts(path, type(self).read_label, asked)

    def from_json(self, entry: Entry, labelled: bool = True) -> TextExample:
        columns = {role: role for role in self.columns if role in entry.fields or role == "text"}
        return text_example(entry, columns, type(self).read_label)

    def checked(self, examples: Sequence[TextExample]) -> list[TextExample]:
        """As of every kind; and either all have a second text, or none has."""
        found = super().checked(examples)
        seconds = [example.text_pair for example in found]
        if None in seconds and any(text is not None for text in seconds):
            raise ValueError(f"example {seconds.index(None) + 1} has no text_pair, and others have one")
        return found

    def from_texts(self, texts: Sequence[str], pair: str | None = None) -> list[TextExample]:
        return [TextExample(text, pair) for text in texts]

    def is_of(self, cls: type[AlbertBase], config: AlbertConfig) -> bool:
        default = "regression" if config.num_labels == 1 else "single_label_classification"
        return cls is self.model and (config.problem_type or default) == self.problem_type

    def rows(
        self,
        task: NamedTask,
        numbers: Mapping[str, int],
        tokenizer: AlbertTokenizer,
        examples: Sequence[TextExample],
        first: int,
    ) -> Iterator[Feature]:
        """A row a text or pair, cut to `task.max_seq_length`, the longer of a pair first."""
        texts = [example.text for example in examples]
        pairs = [example.text_pair for example in examples if example.text_pair is not None]
        rows = cut_rows(tokenizer, texts, pairs or None, task.max_seq_length)
        for at, (example, (ids, types, cut)) in enumerate(zip(examples, rows, strict=True), start=first):
            target = None if example.label is None else self.target(example.label, numbers, at)
            yield row(at, ids, types, target, cut=cut)

    def submission(self, examples: Sequence[TextExample], predictions: Sequence[Prediction]) -> str:
        lines = (f"{place}\t{prediction.answer}\n" for place, prediction in enumerate(predictions))
        return "index\tprediction\n" + "".join(lines)

    @abstractmethod
    def target(self, label: Any, numbers: Mapping[str, int], example: int) -> Any:
        """Return what the loss takes of a label."""

    def shown(self, example: TextExample, prediction: Prediction) -> str:
        assert isinstance(prediction.probabilities, dict)
        best = [f"{name} {share:.1%}" for name, share in list(prediction.probabilities.items())[:SHOWN]]
        return f"{', '.join(best)}\t{example.text}"


class Classification(TextKind):
    """The one class that a text belongs to."""

    name = "classification"
    problem_type = "single_label_classification"
    weighs_labels = True
    defaults = own_settings("classification", metric="accuracy")
    measures = ("accuracy", "f1", "matthews")
    read_label = staticmethod(class_name)

    def label_names(self, examples: Sequence[TextExample]) -> tuple[str, ...]:
        return at_least(2, {str(example.label) for example in examples})

    def suited(self, task: NamedTask, examples: Sequence[TextExample]) -> NamedTask:
        return self.reporting(task, self.label_names(examples)) if examples else task

    def reporting(self, task: NamedTask, labels: Sequence[str]) -> NamedTask:
        """The class whose F1 is reported goes by the name that the data has for it: "equivalent" is the "1" of MRPC."""
        if task.positive_label in (None, *labels):
            return task
        affirmed = [name for name in labels if set(labels) == {name, f"not_{name}"}]
        if not affirmed:
            raise ValueError(
                f"positive_label={task.positive_label!r}, the class whose F1 {task.name} reports, must be one of "
                f"{', '.join(map(repr, labels))}"
            )
        return replace(task, positive_label=affirmed[0])

    def target(self, label: Any, numbers: Mapping[str, int], example: int) -> int:
        return label_number(numbers, label, example)

    def decode(self, task: NamedTask, labels: Sequence[str], example: TextExample, windows: Windows) -> Prediction:
        ((_, (logits,)),) = windows  # (L,)
        shares = ranked(labels, softmax(logits))
        return Prediction(next(iter(shares)), shares)

    def metrics(self, answers: Sequence[Any], references: Sequence[Any], task: NamedTask) -> dict[str, float]:
        return classification_metrics(answers, references, task.positive_label)


class MultiLabel(TextKind):
    """All the labels that hold of a text, any number."""

    name = "multilabel"
    problem_type = "multi_label_classification"
    defaults = own_settings("multilabel", metric="micro_f1")
    measures = ("micro_f1", "macro_f1", "subset_accuracy")
    read_label = staticmethod(label_list)

    def label_names(self, examples: Sequence[TextExample]) -> tuple[str, ...]:
        return at_least(1, {name for example in examples if isinstance(example.label, tuple) for name in example.label})

    def target(self, label: Any, numbers: Mapping[str, int], example: int) -> Any:
        """Return 1 for each label that holds, 0 for the others, (L,)."""
        target = np.zeros(len(numbers), np.float32)
        target[[label_number(numbers, name, example) for name in label]] = 1
        return target

    def decode(self, task: NamedTask, labels: Sequence[str], example: TextExample, windows: Windows) -> Prediction:
        ((_, (logits,)),) = windows  # (L,)
        probabilities = 0.5 * (1 + np.tanh(logits.astype(np.float64) / 2))  # the logistic function, without overflow
        holding = tuple(
            name for name, share in zip(labels, probabilities, strict=True) if share >= task.label_threshold
        )
        return Prediction(holding, ranked(labels, probabilities))

    def submission(self, examples: Sequence[TextExample], predictions: Sequence[Prediction]) -> str:
        return Kind.submission(self, examples, predictions)  # GLUE has no such task

    def metrics(self, answers: Sequence[Any], references: Sequence[Any], task: NamedTask) -> dict[str, float]:
        return multilabel_metrics(answers, references)


class Regression(TextKind):
    """A number for a text."""

    name = "regression"
    problem_type = "regression"
    names_labels = False
    defaults = own_settings("regression", metric="pearson")
    measures = ("pearson", "spearman")
    read_label = staticmethod(number)

    def num_labels(self, labels: Sequence[str]) -> int:
        return 1

    def target(self, label: Any, numbers: Mapping[str, int], example: int) -> Any:
        return label

    def decode(self, task: NamedTask, labels: Sequence[str], example: TextExample, windows: Windows) -> Prediction:
        ((_, (logits,)),) = windows  # (1,)
        return Prediction(float(logits[0]))

    def metrics(self, answers: Sequence[Any], references: Sequence[Any], task: NamedTask) -> dict[str, float]:
        return regression_metrics(answers, references)

    def majority(self, known: Sequence[Any], asked: Sequence[Any]) -> list[Any]:
        """Of numbers it is the mean."""
        return [float(np.mean(known))] * len(asked)

    def shown(self, example: TextExample, prediction: Prediction) -> str:
        return f"{prediction.answer:.4f}\t{example.text}"


def at_least(count: int, names: set[str]) -> tuple[str, ...]:
    """Return names, sorted; ValueError if there are too few to choose from."""
    if len(names) < count:
        least = "two labels" if count == 2 else "one label"
        raise ValueError(f"the training examples must hold at least {least} to choose from, got {sorted(names)}")
    return tuple(sorted(names))

"""What a kind of task is: all that differs between classifying, tagging, answering and choosing, in one object."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from albert_np.backend import Array, Floats, Ints
from albert_np.config import AlbertConfig
from albert_np.model import AlbertBase
from albert_np.ops import IGNORE_INDEX, softmax_forward
from albert_np.tasks.examples import Example
from albert_np.tasks.metrics import collapse_warning
from albert_np.tasks.readers.files import Asked, Entry, brief, listed
from albert_np.tasks.settings import NamedTask
from albert_np.tokenization import AlbertTokenizer
from albert_np.training import Batch, Metrics

__all__ = [
    "CHUNK",
    "Feature",
    "FoundAnswer",
    "Kind",
    "Labelled",
    "Output",
    "Prediction",
    "Unlabelled",
    "Windows",
    "cut_rows",
    "cut_tokens",
    "label_number",
    "ranked",
    "row",
    "softmax",
    "stack",
    "stacked_inputs",
]

Output = Sequence[npt.NDArray[Any]]  # what a model says of one feature: an array for each of `Kind.outputs`

CHUNK = 4096  # examples tokenized at a time: bounds the memory that lists of ids need


class Feature(NamedTuple):
    """What the model reads of an example; a long one has several. Of a choice all arrays are (C, T), else (T,).

    example: which one. target: what the model should say, None if unknown. places: where its tokens are in the
    example. What the two hold is a matter of the kind. cut: how many of the example's tokens did not fit.
    """

    example: int
    input_ids: Ints
    token_type_ids: Ints
    attention_mask: Ints
    target: Any = None
    places: Ints | None = None
    cut: int = 0


Windows = Sequence[tuple[Feature, Output]]  # the features of one example, and what the model says of each


class Unlabelled(NamedTuple):
    """What every model reads, int64 (B, T), or (B, C, T) of choices; padded at the end to the longest."""

    input_ids: Ints
    token_type_ids: Ints
    attention_mask: Ints


class Labelled(NamedTuple):
    """The same with labels: (B,), of tags (B, T) with -100 where nothing is asked, of many labels float (B, L)."""

    input_ids: Ints
    token_type_ids: Ints
    attention_mask: Ints
    labels: npt.NDArray[np.int64 | np.float32]


class FoundAnswer(NamedTuple):
    """An answer, `context[start:end]`; an empty one says that the context has none.

    score: of a span, what its start and its end score together. probability: its share among the candidates.
    """

    text: str
    start: int
    end: int
    score: float
    probability: float


class Prediction(NamedTuple):
    """What a model says of an example.

    answer: the name of a class; a tuple of names (multi-label); a number (regression); a list of tags, one a word; a
    text, "" for no answer; or the place of a choice, from 0. probabilities: of each label by its name, the most
    probable first; of each word's tag; of each choice; None for numbers and texts. candidates: the best answers to a
    question, the one given first.
    """

    answer: Any
    probabilities: dict[str, float] | list[float] | None = None
    candidates: list[FoundAnswer] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what there is, as JSON can hold it."""
        candidates = None if self.candidates is None else [found._asdict() for found in self.candidates]
        contents = {"answer": self.answer, "probabilities": self.probabilities, "candidates": candidates}
        return {name: value for name, value in contents.items() if value is not None}


E = TypeVar("E", bound=Example)
S = TypeVar("S", bound=np.generic)


class Kind(ABC, Generic[E]):
    """One kind of task. What other modules need to know of it they ask here; a new kind is a new subclass in `KINDS`.

    name: as in `NamedTask.kind`. model: the class that is trained. problem_type: what its config says, if anything.
    example: the named tuple of its examples, and answer_field: which of its fields holds the right answer.
    columns: which columns of a file may be named. names_labels: whether its labels have names. weighs_labels: whether
    its loss takes weights of labels and smooths them. reads_folders: whether `read` takes a folder too. bound: the
    setting beyond which an example is cut. defaults: the settings for data of one's own. measures: those of its metrics
    by which the best checkpoint may be told, the larger the better.
    """

    name: str
    model: type[AlbertBase]
    problem_type: str | None = None
    example: type[Example]
    answer_field: str = "label"
    columns: tuple[str, ...] = ()
    names_labels: bool = False
    weighs_labels: bool = False
    reads_folders: bool = False
    bound: str = "max_seq_length"
    defaults: NamedTask
    measures: tuple[str, ...]

    @abstractmethod
    def read(self, path: Path, asked: Asked) -> Iterator[E]:
        """Yield the examples of a file; see `read_examples`."""

    def to_json(self, example: E) -> dict[str, object]:
        """Return an example as the JSON object that `read` reads as the same example."""
        return {name: value for name, value in example._asdict().items() if value is not None}

    @abstractmethod
    def from_json(self, entry: Entry, labelled: bool = True) -> E:
        """Return the example that a JSON object of `to_json` holds; ValueError says where it is bad.

        labelled: with its answer, which must be there.
        """

    def checked(self, examples: Sequence[E]) -> list[E]:
        """Return examples made by hand as `read` would give them: labels of classes are strings, NumPy's are Python's.

        Raises ValueError, with the example's place from 1, for one of another kind, and for one that no file may hold
        either, such as one with a label NaN or an empty text.
        """
        return [self._checked(f"example {number}", example) for number, example in enumerate(examples, start=1)]

    def _checked(self, where: str, example: E) -> E:
        if not isinstance(example, self.example):
            given = type(example).__name__
            raise ValueError(f"{where} is a {given}; the kind of task is {self.name}, of {self.example.__name__}")
        labelled = getattr(example, self.answer_field) is not None
        return self.from_json(Entry(where, _plain(self.to_json(example))), labelled)

    def from_texts(self, texts: Sequence[str], pair: str | None = None) -> list[E]:
        """Return examples without answers of bare texts, or of one text and its pair; ValueError if they need more."""
        raise ValueError(f"this model's kind of task is {self.name}, which needs more than a text")

    def references(self, examples: Sequence[E]) -> list[Any]:
        """Return what the metrics compare with; ValueError for an example, numbered from 1, without its answer."""
        found = [getattr(example, self.answer_field) for example in self.checked(examples)]
        if None in found:
            raise ValueError(f"example {found.index(None) + 1} has no {self.answer_field} to compare with")
        return found

    def label_names(self, examples: Sequence[E]) -> tuple[str, ...]:
        """Return the labels that occur, sorted; none for kinds without names of labels.

        Raises ValueError if there is nothing to choose from.
        """
        return ()

    def num_labels(self, labels: Sequence[str]) -> int:
        """Return `num_labels` of the model's config."""
        return len(labels) or 2

    def is_of(self, cls: type[AlbertBase], config: AlbertConfig) -> bool:
        """Whether a model of this class and configuration does this kind of task."""
        return cls is self.model

    def fitted(self, task: NamedTask, positions: int) -> NamedTask:
        """Return a task with its lengths cut to what a model of so many positions can read; ValueError if none."""
        length = min(task.max_seq_length, positions)
        if length < 3:  # [CLS], a token, [SEP]
            raise ValueError(f"max_seq_length={length}, of a model of {positions} positions, must be at least 3")
        return replace(task, max_seq_length=length)

    def suited(self, task: NamedTask, examples: Sequence[E]) -> NamedTask:
        """Return a task with what the training examples decide of its settings; none where they are not known."""
        return task

    def reporting(self, task: NamedTask, labels: Sequence[str]) -> NamedTask:
        """Return a task whose metrics are of labels that there are; ValueError if they cannot be."""
        return task

    def tuned(self, task: NamedTask, metrics: Metrics) -> NamedTask:
        """Return a task with what an evaluation decides of its settings."""
        return task

    def features(
        self, task: NamedTask, labels: Sequence[str], tokenizer: AlbertTokenizer, examples: Sequence[E], first: int = 0
    ) -> list[Feature]:
        """Return the features of examples, in order; ValueError for a label that is not among `labels`.

        first: the number of the first example.
        """
        numbers = {name: number for number, name in enumerate(labels)}
        examples = self.checked(examples)
        return [
            feature
            for at in range(0, len(examples), CHUNK)
            for feature in self.rows(task, numbers, tokenizer, examples[at : at + CHUNK], first + at)
        ]

    @abstractmethod
    def rows(
        self,
        task: NamedTask,
        numbers: Mapping[str, int],
        tokenizer: AlbertTokenizer,
        examples: Sequence[E],
        first: int,
    ) -> Iterator[Feature]:
        """Yield the features of some examples. numbers: of the labels. first: the number of the first example."""

    def collate(self, features: Sequence[Feature], pad_id: int) -> Batch:
        """Stack features to a batch, the arguments of a model call; without targets there are no labels in it."""
        inputs = stacked_inputs(features, pad_id)
        targets = [feature.target for feature in features]
        if targets[0] is None:
            return inputs
        return Labelled(*inputs, stack(targets, IGNORE_INDEX) if np.ndim(targets[0]) else np.array(targets))

    def denominators(self, batches: Sequence[Any]) -> dict[str, int]:
        """Return by what a model call divides its summed losses, so that those of all batches add up to their mean."""
        counts = ((b.labels != IGNORE_INDEX).sum() if b.labels.dtype.kind == "i" else b.labels.size for b in batches)
        return {"denominator": max(1, int(sum(counts)))}

    def outputs(self, model: AlbertBase, output: Any, batch: Mapping[str, Array]) -> tuple[Array, ...]:
        """Return the arrays, (B, …) each, that `decode` reads of a model's output for a batch."""
        return (output.logits,)

    @abstractmethod
    def decode(self, task: NamedTask, labels: Sequence[str], example: E, windows: Windows) -> Prediction:
        """Return the prediction of an example."""

    @abstractmethod
    def metrics(self, answers: Sequence[Any], references: Sequence[Any], task: NamedTask) -> dict[str, float]:
        """Return how good answers are, compared with the right ones."""

    def measure(
        self, predictions: Sequence[Prediction], references: Sequence[Any], task: NamedTask
    ) -> dict[str, float]:
        """Return the metrics of predictions, and what else they tell."""
        return self.metrics([prediction.answer for prediction in predictions], references, task)

    def majority(self, known: Sequence[Any], asked: Sequence[Any]) -> list[Any]:
        """Return one and the same answer for all of `asked`: the most frequent of `known`."""
        return [Counter(known).most_common(1)[0][0]] * len(asked)

    def cut_warning(self, task: NamedTask, cut: Mapping[int, int], count: int, positions: int) -> str | None:
        """Return a warning if examples were cut, how many and by how much, else None.

        cut: see `cut_tokens`. count: of all examples. positions: of the model.
        """
        if not cut:
            return None
        longest = getattr(task, self.bound)
        more = f"a larger {self.bound} shows more" if longest < positions else "which is all that the model can read"
        return (
            f"{len(cut):,} of {count:,} examples ({len(cut) / count:.0%}) are cut to {self.bound}={longest} tokens and "
            f"lose {sum(cut.values()) / len(cut):.0f} each on average; {more}"
        )

    def collapse_warning(self, predictions: Sequence[Prediction]) -> str | None:
        """Return a warning if all predictions are the same, or nearly all; else None."""
        return collapse_warning([prediction.answer for prediction in predictions])

    @abstractmethod
    def shown(self, example: E, prediction: Prediction) -> str:
        """Return a prediction as a person reads it: a line, or a line for each choice or answer."""

    def why(self, task: NamedTask, prediction: Prediction) -> str | None:
        """Return how a threshold decided what is said, if one did."""
        return None

    def submission(self, examples: Sequence[E], predictions: Sequence[Prediction]) -> str:
        """Return a file of answers as the servers of GLUE or SQuAD take it; ValueError if they take no such."""
        raise ValueError(f"there is no form of submission for {self.name}")


def row(
    example: int, ids: Sequence[int], types: Sequence[int], target: Any, places: Ints | None = None, cut: int = 0
) -> Feature:
    """Return a feature without padding."""
    array = np.array(ids, np.int64)
    return Feature(example, array, np.array(types, np.int64), np.ones_like(array), target, places, cut)


def cut_tokens(features: Sequence[Feature]) -> dict[int, int]:
    """Return the numbers of the examples that were cut, and how many tokens of each did not fit."""
    return {feature.example: feature.cut for feature in features if feature.cut}


class CutRow(NamedTuple):
    """Ids and types of a text or pair, as many as fit, and how many tokens do not."""

    ids: list[int]
    types: list[int]
    cut: int


def cut_rows(
    tokenizer: AlbertTokenizer, texts: Sequence[str], pairs: Sequence[str] | None, longest: int
) -> list[CutRow]:
    """Return the rows of texts, or of pairs, of at most `longest` tokens; of a pair the longer text is cut first."""
    whole = tokenizer(texts, pairs, truncation=False, max_length=longest)
    rows = [CutRow(*both, 0) for both in zip(whole["input_ids"], whole["token_type_ids"], strict=True)]
    long = [i for i, each in enumerate(rows) if len(each.ids) > longest]
    if long:
        seconds = None if pairs is None else [pairs[i] for i in long]
        kept = tokenizer([texts[i] for i in long], seconds, truncation=True, max_length=longest)
        for i, ids, types in zip(long, kept["input_ids"], kept["token_type_ids"], strict=True):
            rows[i] = CutRow(ids, types, len(rows[i].ids) - len(ids))
    return rows


def label_number(numbers: Mapping[str, int], name: str, example: int) -> int:
    """Return the number of a label; ValueError, with the example's place from 1, if the model does not know it."""
    if name not in numbers:
        known = listed([repr(each) for each in numbers])
        raise ValueError(f"example {example + 1} has the label {brief(name)}; the model knows {known}")
    return numbers[name]


def stacked_inputs(features: Sequence[Feature], pad_id: int) -> Unlabelled:
    """Return what every model reads of some features."""
    return Unlabelled(
        stack([feature.input_ids for feature in features], pad_id),
        stack([feature.token_type_ids for feature in features], 0),
        stack([feature.attention_mask for feature in features], 0),
    )


def stack(arrays: Sequence[npt.NDArray[S]], fill: int) -> npt.NDArray[S]:
    """Return arrays as rows of one, filled up to the longest along the last axis."""
    longest = max(array.shape[-1] for array in arrays)
    stacked = np.full((len(arrays), *arrays[0].shape[:-1], longest), fill, arrays[0].dtype)
    for filled, array in zip(stacked, arrays, strict=True):
        filled[..., : array.shape[-1]] = array
    return stacked


def _plain(value: object) -> Any:
    """Return what JSON would make of a value: lists of tuples and arrays, Python's numbers of NumPy's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Return probabilities, in float64, of logits along the last axis."""
    probabilities: npt.NDArray[np.float64] = softmax_forward(logits.astype(np.float64))[0]
    return probabilities


def ranked(labels: Sequence[str], probabilities: Floats) -> dict[str, float]:
    """Return label → probability, the most probable first."""
    order = np.argsort(-probabilities, kind="stable")
    return {labels[i]: float(probabilities[i]) for i in order}

"""A fine-tuned model in use: texts in, answers with probabilities out."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from albert_np.checkpoints import Checkpoint, find_model, open_checkpoint
from albert_np.config import AlbertConfig
from albert_np.execution.replicas import Replicas, available_threads, split
from albert_np.model import (
    AlbertForMultipleChoice,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    class_of,
)
from albert_np.tasks.batches import Inputs, batches_by_length, collate, objective
from albert_np.tasks.decoding import Prediction, decode
from albert_np.tasks.examples import ChoiceExample, Example, QuestionExample, TaggedExample, TextExample
from albert_np.tasks.features import Feature, make_features
from albert_np.tasks.metrics import METRICS, collapse_warning, references
from albert_np.tasks.recipes import TASKS, NamedTask
from albert_np.tokenization import AlbertTokenizer

__all__ = ["MODELS", "TASK_FILE", "Evaluation", "Predictor", "fitted", "label_list", "named_task"]

TASK_FILE = "task.json"
TOKENS = 8192  # that a thread is given at a time
MODELS: dict[str, type[Any]] = {
    "classification": AlbertForSequenceClassification,
    "multilabel": AlbertForSequenceClassification,
    "regression": AlbertForSequenceClassification,
    "tagging": AlbertForTokenClassification,
    "answering": AlbertForQuestionAnswering,
    "choice": AlbertForMultipleChoice,
}

Floats = npt.NDArray[np.floating]


class Evaluation(NamedTuple):
    metrics: dict[str, float | None]
    predictions: list[Prediction]


class Predictor:
    """A model of fine-tuning with its tokenizer and its task.

    refuses: whether a question may have no answer. threads: all processors by default, on NumPy. progress: wraps the
    list of batches that prediction goes through, for a progress bar.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: AlbertTokenizer,
        task: NamedTask,
        refuses: bool = True,
        threads: int | None = None,
    ):
        self.tokenizer = tokenizer
        self.task = task
        self.refuses = refuses
        self.labels = label_list(model.config)
        self.progress: Callable[[list[list[int]]], Iterable[list[int]]] = lambda batches: batches
        threads = threads or (available_threads() if model.backend.name == "numpy" else 1)
        self._replicas = Replicas(model.replica().eval(), threads)  # shares the weights and nothing else

    @classmethod
    def load(
        cls, source: str | Path, task_name: str | None = None, threads: int | None = None, dtype: str = "float32"
    ) -> Self:
        """Load what `albert-np finetune` made, or any model of fine-tuning that `open_checkpoint` opens.

        task_name: whose lengths and metrics to use where the folder has no task.json; by default those of the kind
        that the model's class tells. Raises ValueError for a model without a head of fine-tuning, or of another kind.
        """
        checkpoint = open_checkpoint(find_model(source))
        task, refuses = _task_of(checkpoint, task_name)
        numbered = {i: f"LABEL_{i}" for i in range(checkpoint.config.num_labels)}  # Hugging Face's for want of names
        if checkpoint.config.id2label == numbered and not (checkpoint.source / TASK_FILE).is_file():
            checkpoint = checkpoint._replace(config=replace(checkpoint.config, id2label=None))
        model = MODELS[task.kind].from_checkpoint(checkpoint, dtype)
        return cls(model, AlbertTokenizer.from_pretrained(checkpoint.source), task, refuses, threads)

    def save_task(self, folder: Path) -> None:
        """Write task.json, which `load` reads."""
        contents = {"task": asdict(self.task), "refuses": self.refuses}
        (folder / TASK_FILE).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")

    def classify(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Prediction]:
        """Return the class, the labels or the number of each text, or pair of texts."""
        self._require("classification", "multilabel", "regression")
        return self.predict(
            [TextExample(*both) for both in zip(texts, pairs or repeat(None), strict=pairs is not None)]
        )

    def tag(self, sentences: Sequence[str | Sequence[str]]) -> list[Prediction]:
        """Return the tags of each sentence: of its words, or, of a string, of what `split_words` makes of it."""
        self._require("tagging")
        words = [split_words(sentence) if isinstance(sentence, str) else sentence for sentence in sentences]
        return self.predict([TaggedExample(tuple(each)) for each in words])

    def answer(self, question: str, context: str) -> Prediction:
        """Return what the context answers to a question, of whatever length it is."""
        self._require("answering")
        return self.predict([QuestionExample("1", question, context)])[0]

    def choose(self, choices: Sequence[str], context: str, question: str | None = None) -> Prediction:
        """Return which of the choices fits."""
        self._require("choice")
        return self.predict([ChoiceExample(context, question, tuple(choices))])[0]

    def _require(self, *kinds: str) -> None:
        if self.task.kind not in kinds:
            raise ValueError(f"this model's kind of task is {self.task.kind}, not {' or '.join(kinds)}")

    def features(self, examples: Sequence[Example]) -> list[Feature]:
        """Return what the model reads of the examples."""
        return make_features(self.task, self.labels, self.tokenizer, examples)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Return a prediction for each example."""
        features = self.features(examples)
        return decode(self.task, self.labels, self.refuses, examples, features, self._logits(features)[0])

    def evaluate(self, examples: Sequence[Example], features: Sequence[Feature] | None = None) -> Evaluation:
        """Return the loss and the metrics of the task on labelled examples, and the predictions.

        features: those of the examples, if they are there already. Raises ValueError for an example without its answer
        or with a label that the model does not know.
        """
        asked = references(self.task.kind, examples)
        features = features or self.features(examples)
        logits, loss = self._logits(features)
        predictions = decode(self.task, self.labels, self.refuses, examples, features, logits)
        options = {"positive_label": self.task.positive_label} if self.task.kind == "classification" else {}
        metrics = METRICS[self.task.kind]([prediction.answer for prediction in predictions], asked, **options)
        return Evaluation({"loss": loss, **metrics}, predictions)

    def collapse_warning(self, predictions: Sequence[Prediction]) -> str | None:
        """Return a warning if all predictions are the same, or nearly all; else None."""
        answers = [prediction.answer for prediction in predictions]
        return collapse_warning([tag for tags in answers for tag in tags] if self.task.kind == "tagging" else answers)

    def _logits(self, features: Sequence[Feature]) -> tuple[list[Floats], float]:
        """Return the logits of each feature, those of starts and ends as (2, T), and the mean loss, if there is one."""
        found: dict[int, Floats] = {}
        loss, weights = 0.0, 0
        denominators: dict[str, int] = {}

        def pass_through(model: Any, part: dict[str, Any]) -> tuple[Floats, float]:
            output = model(**part, **denominators, skip_padding=True, grad=False)
            pair = (output.start_logits, output.end_logits) if self.task.kind == "answering" else None
            logits = model.backend.xp.stack(pair, axis=1) if pair else output.logits
            return model.backend.to_numpy(logits), 0.0 if output.loss is None else float(output.loss)

        count = objective(self.task.kind).denominators
        for numbers in self.progress(list(batches_by_length(features, TOKENS * self._replicas.threads))):
            batch = collate([features[i] for i in numbers], self.tokenizer.pad_token_id)
            denominators = {} if isinstance(batch, Inputs) else count([batch])
            weight = max(denominators.values(), default=0)
            parts = self._replicas.map(pass_through, split(batch._asdict(), self._replicas.threads), gradients=False)
            found |= zip(numbers, (row for logits, _ in parts for row in logits), strict=True)
            loss, weights = loss + weight * sum(part for _, part in parts), weights + weight
        return [found[i] for i in range(len(features))], loss / max(1, weights)


def split_words(text: str) -> list[str]:
    """Return the words and the punctuation marks of a text, as treebanks part them, only more simply."""
    return re.findall(r"\w+(?:[-'’]\w+)*|[^\w\s]", text)


def named_task(name: str) -> NamedTask:
    """Return a task of `TASKS`; ValueError lists them if there is none of that name."""
    if name not in TASKS:
        raise ValueError(f"task {name!r} is unknown; known are {', '.join(TASKS)}")
    return TASKS[name]


def fitted(task: NamedTask, positions: int) -> NamedTask:
    """Return a task with its lengths cut to what a model of so many positions can read."""
    length = min(task.max_seq_length, positions)
    if task.kind != "answering":
        return replace(task, max_seq_length=length)
    query = min(task.max_query_length or length, length // 3)
    stride = min(task.doc_stride or length, (length - query - 3) // 2)
    return replace(task, max_seq_length=length, max_query_length=query, doc_stride=stride)


def label_list(config: AlbertConfig) -> tuple[str, ...]:
    """Return the names of a model's labels; those without names go by their numbers."""
    return tuple(config.id2label[i] if config.id2label else str(i) for i in range(config.num_labels))


def _task_of(checkpoint: Checkpoint, name: str | None) -> tuple[NamedTask, bool]:
    """Return the task that a model was trained for, or the one named, and whether questions may have no answer."""
    kind = _kind_of(checkpoint)
    path = checkpoint.source / TASK_FILE
    task, refuses = named_task(name or kind), True
    if path.is_file():
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            own, refuses = NamedTask(**saved["task"]), bool(saved["refuses"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error!r}") from error
        task = own if name is None else task
    if task.kind != kind:
        raise ValueError(f"{checkpoint.source} is a model for {kind}, and {task.name} is {task.kind}")
    return fitted(task, checkpoint.config.max_position_embeddings), refuses


def _kind_of(checkpoint: Checkpoint) -> str:
    """Return which kind of task a model is for, by its class and what its config says."""
    cls, config = class_of(checkpoint), checkpoint.config
    if cls is AlbertForSequenceClassification:
        by_loss = {"regression": "regression", "multi_label_classification": "multilabel"}
        default = "regression" if config.num_labels == 1 else "classification"
        return by_loss.get(config.problem_type or "", default)
    for kind, model in MODELS.items():
        if cls is model:
            return kind
    raise ValueError(f"{checkpoint.source} holds an {cls.__name__}, which answers nothing yet: fine-tune it first")

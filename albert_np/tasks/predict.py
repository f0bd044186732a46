"""Using a fine-tuned model: predictions with their probabilities, and evaluation."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from albert_np.checkpoints import Checkpoint, find_model, open_checkpoint
from albert_np.config import AlbertConfig
from albert_np.execution import ALONE, Ranks, Replicas, threads_for
from albert_np.files import read_json, write_json
from albert_np.model import AlbertBase, class_of
from albert_np.schema import check, flag, optional
from albert_np.tasks.batches import WINDOW, Progress, found_in_batches, shared_out
from albert_np.tasks.examples import ChoiceExample, Example, QuestionExample, TaggedExample, TextExample
from albert_np.tasks.kinds import KINDS, Entity, Feature, Kind, Prediction, entities, split_words
from albert_np.tasks.kinds.base import Output, cut_tokens
from albert_np.tasks.recipes import named_task, task_from
from albert_np.tasks.settings import NamedTask
from albert_np.tokenization import AlbertTokenizer
from albert_np.training import Metrics

__all__ = ["Evaluation", "Predictor", "check_list", "label_list", "listed_texts", "save_task"]

TASK_FILE = "task.json"


class Evaluation(NamedTuple):
    """The loss and the metrics of a model on labelled examples, and its predictions for them."""

    metrics: Metrics
    predictions: list[Prediction]


class Predictor:
    """A model of fine-tuning with its tokenizer and its task.

    threads: those of this process, all processors by default on NumPy. ranks: processes that make the same calls, have
    as many threads each, and share the work; all get the whole result. progress: wraps the list of rounds that
    prediction goes through, each of a batch a thread, for a progress bar; copies do not take it over. `copy.deepcopy`
    and `pickle` make a predictor with weights of its own. TypeError for a model that is not of the task's kind.
    """

    def __init__(
        self,
        model: AlbertBase,
        tokenizer: AlbertTokenizer,
        task: NamedTask,
        threads: int | None = None,
        ranks: Ranks = ALONE,
    ):
        for name, value, wanted in (("tokenizer", tokenizer, AlbertTokenizer), ("task", task, NamedTask)):
            if not isinstance(value, wanted):
                raise TypeError(f"{name} must be of class {wanted.__name__}, got {value!r:.80}")
        if not isinstance(model, KINDS[task.kind].model):
            kind = KINDS[task.kind].model.__name__
            raise TypeError(f"model must be an {kind}, as the task is {task.kind}; got a {type(model).__name__}")
        self.tokenizer = tokenizer
        self.task = task
        self.labels = label_list(model.config)
        self.progress: Progress | None = None
        threads = threads_for(model.backend.name, threads)
        self._replicas = Replicas(model.replica().eval(), threads, ranks)  # shares the weights and nothing else

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"progress": None}

    @property
    def ranks(self) -> Ranks:
        """The processes that share the work."""
        return self._replicas.ranks

    @property
    def kind(self) -> Kind[Any]:
        """The kind of task that the model does."""
        return KINDS[self.task.kind]

    @classmethod
    def load(
        cls,
        source: str | Path,
        task_name: str | None = None,
        threads: int | None = None,
        dtype: str = "float32",
        no_answer_above: float | None = None,
        backend: str = "numpy",
        ranks: Ranks = ALONE,
    ) -> Self:
        """Load what `albert-np finetune` made, or any model of fine-tuning that `open_checkpoint` opens.

        task_name: whose lengths and metrics to use where the folder has no task.json; by default those of the kind
        that the model's class tells. no_answer_above: the score above which a question is said to have no answer,
        `math.inf` for never. By default it is what task.json says; without one, a model with the plain head of question
        answering always gives an answer: whether it was trained with questions that have none, nothing tells. Raises
        ValueError for a model without a head of fine-tuning, or of another kind.
        """
        checkpoint = open_checkpoint(find_model(source))
        task = _task_of(checkpoint, task_name)
        if no_answer_above is not None:
            task = replace(task, no_answer_above=None if no_answer_above == math.inf else no_answer_above)
        model = KINDS[task.kind].model.from_checkpoint(checkpoint, dtype, backend)
        predictor = cls(model, AlbertTokenizer.from_pretrained(checkpoint.source), task, threads, ranks)
        numbers = tuple(map(str, range(model.config.num_labels)))
        unnamed = tuple(f"LABEL_{number}" for number in numbers)  # what a config has for want of names
        if predictor.labels == unnamed and not (checkpoint.source / TASK_FILE).is_file():
            predictor.labels = numbers
        return predictor

    def classify(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Prediction]:
        """Return the class, the labels or the number of each text, or pair of texts."""
        texts = listed_texts("texts", texts)
        if pairs is None:
            return self.predict([TextExample(text) for text in texts])
        pairs = listed_texts("pairs", pairs)
        if len(pairs) != len(texts):
            raise ValueError(f"texts and pairs must be equally many, got {len(texts)} and {len(pairs)}")
        return self.predict([TextExample(*both) for both in zip(texts, pairs, strict=True)])

    def tag(self, sentences: Sequence[str | Sequence[str]]) -> list[Prediction]:
        """Return the tags of each sentence: of its words, or, of a string, of what `split_words` makes of it."""
        if isinstance(sentences, str):
            raise TypeError(f"sentences must be a list of sentences, got one: write [{sentences[:20]!r}]")
        if not isinstance(sentences, Iterable):
            raise TypeError(f"sentences must be a list of sentences, got {sentences!r:.40}")
        words = [
            split_words(sentence) if isinstance(sentence, str) else listed_texts(f"sentences[{i}]", sentence)
            for i, sentence in enumerate(sentences)
        ]
        return self.predict([TaggedExample(tuple(each)) for each in words])

    def entities(self, text: str) -> list[Entity]:
        """Return the spans that the tags of a text's words mark, in order, and the characters at which they stand."""
        _check_text("text", text)
        return entities(text, self.tag([text])[0], self.labels)

    def answer(self, question: str, context: str) -> Prediction:
        """Return what the context, of whatever length, answers to a question; "" if it is said to have no answer."""
        for name, text in (("question", question), ("context", context)):
            _check_text(name, text)
            if not text.strip():
                raise ValueError(f"{name} holds no text")
        return self.predict([QuestionExample("1", question, context)])[0]

    def choose(self, choices: Sequence[str], context: str, question: str | None = None) -> Prediction:
        """Return which of the choices fits."""
        choices = listed_texts("choices", choices)
        if not choices:
            raise ValueError("choices is empty: there is nothing to choose from")
        _check_text("context", context)
        if question is not None:
            _check_text("question", question)
        return self.predict([ChoiceExample(context, question, tuple(choices))])[0]

    def features(self, examples: Sequence[Example], first: int = 0) -> list[Feature]:
        """Return what the model reads of the examples, of which each rank tokenizes a share.

        first: the number of the first one.
        """
        check_list("examples", examples, self.kind)

        def of_share(own: Sequence[Example], first: int) -> list[Feature]:
            return self.kind.features(self.task, self.labels, self.tokenizer, own, first)

        def facts() -> dict[str, object]:
            return {
                "the checksum of the tokenizer": self.tokenizer.checksum(),
                "the task": f"{self.task}, {self.labels}",
            }

        return shared_out(self.ranks, examples, of_share, first, facts)

    def _tell_of_cut(self, cut: Mapping[int, int], count: int) -> None:
        positions = self._replicas.model.config.max_position_embeddings
        if warning := self.kind.cut_warning(self.task, cut, count, positions):
            warnings.warn(warning, stacklevel=4)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Return a prediction for each example; warns of those that are cut.

        Raises TypeError for what is no list, ValueError for an example that the model is not made for.
        """
        return list(self.stream(examples))

    def stream(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """Yield what `predict` returns, in memory that hardly grows with the examples; warns of cut ones at the end."""
        check_list("examples", examples, self.kind)
        self.kind.checked(examples)  # before the first is predicted
        self.ranks.require_alike(lambda: {"the number of examples": len(examples)})
        return self._stream(examples)

    def _stream(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        cut: dict[int, int] = {}
        for first in range(0, len(examples), WINDOW):
            own = examples[first : first + WINDOW]
            features = self.features(own, first)
            cut |= cut_tokens(features)
            yield from self._decode(own, features, self._outputs(features)[0], first)
        self._tell_of_cut(cut, len(examples))

    def evaluate(self, examples: Sequence[Example], features: Sequence[Feature] | None = None) -> Evaluation:
        """Return the loss and the metrics of the task on labelled examples, and the predictions.

        features: those of the examples, if they are there already; if not, it warns of examples that are cut. Raises
        TypeError for what is no list; ValueError for an example without its answer or with a label that the model
        does not know, or if there is none.
        """
        check_list("examples", examples, self.kind)
        if not examples:
            raise ValueError("examples is empty: there is nothing to evaluate on")
        asked, task = self.kind.references(examples), self.kind.reporting(self.task, self.labels)
        if features is None:
            features = self.features(examples)
            self._tell_of_cut(cut_tokens(features), len(examples))
        outputs, loss = self._outputs(features)
        predictions = self._decode(examples, features, outputs)
        return Evaluation({"loss": loss, **self.kind.measure(predictions, asked, task)}, predictions)

    def collapse_warning(self, predictions: Sequence[Prediction]) -> str | None:
        """Return a warning if all predictions are the same, or nearly all; else None."""
        return self.kind.collapse_warning(predictions)

    def _decode(
        self, examples: Sequence[Example], features: Sequence[Feature], outputs: Sequence[Output], first: int = 0
    ) -> list[Prediction]:
        windows: list[list[tuple[Feature, Output]]] = [[] for _ in examples]
        for feature, output in zip(features, outputs, strict=True):
            windows[feature.example - first].append((feature, output))
        pairs = zip(examples, windows, strict=True)
        return [self.kind.decode(self.task, self.labels, example, own) for example, own in pairs]

    def _outputs(self, features: Sequence[Feature]) -> tuple[list[Output], float]:
        """Return what the model says of each feature, and the mean loss; 0 if the features have no targets."""
        kind = self.kind
        found: dict[int, Output] = {}
        loss, weights = 0.0, 0

        def pass_through(model: AlbertBase, own: list[Feature]) -> tuple[list[Output], float, int]:
            batch = kind.collate(own, self.tokenizer.role_id("pad_token"))
            inputs = batch._asdict()
            denominators = {} if own[0].target is None else kind.denominators([batch])
            output = model(**inputs, **denominators, skip_padding=True, grad=False)
            arrays = [model.backend.to_numpy(array) for array in kind.outputs(model, output, inputs)]
            mean = 0.0 if output.loss is None else float(output.loss)
            return list(zip(*arrays, strict=True)), mean, max(denominators.values(), default=0)

        for numbers, (outputs, mean, weight) in found_in_batches(self._replicas, features, pass_through, self.progress):
            found |= zip(numbers, outputs, strict=True)
            loss, weights = loss + weight * mean, weights + weight
        return [found[i] for i in range(len(features))], loss / max(1, weights)


def check_list(name: str, examples: object, kind: Kind[Any]) -> None:
    """Raise TypeError unless examples are in a list."""
    if isinstance(examples, str | bytes | kind.example) or not isinstance(examples, Sequence):
        raise TypeError(f"{name} must be a list of {kind.example.__name__}, got a {type(examples).__name__}")


def listed_texts(name: str, texts: object) -> list[str]:
    """Return texts of any iterable in a list; TypeError for one string, which would be a list of its letters."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise TypeError(f"{name} must be a list of texts, got {texts!r:.40}; of one text, a list of one")
    made = list(texts)
    for i, text in enumerate(made):
        _check_text(f"{name}[{i}]", text)
    return made


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a text, got {type(text).__name__}")


def save_task(task: NamedTask, folder: Path) -> None:
    """Write task.json, which `Predictor.load` reads."""
    write_json(folder / TASK_FILE, {"task": asdict(task)})


def label_list(config: AlbertConfig) -> tuple[str, ...]:
    """Return the names of a model's labels, in the order of their numbers."""
    return tuple(name for _, name in sorted((config.id2label or {}).items()))


def _task_of(checkpoint: Checkpoint, name: str | None) -> NamedTask:
    """Return the task that a model was trained for, or the one named."""
    kind = _kind_of(checkpoint)
    path = checkpoint.source / TASK_FILE
    task = named_task(name or kind.name)
    task = KINDS[task.kind].suited(task, ())
    if path.is_file():
        saved = read_json(path)
        check(saved, {"task": {}, "refuses": optional(flag())}, path)
        own = task_from(saved["task"], path)
        if saved.get("refuses") is False:  # as version 0.1 says that every question has an answer
            own = replace(own, no_answer_above=None)
        task = own if name is None else replace(task, no_answer_above=own.no_answer_above)
    if task.kind != kind.name:
        raise ValueError(f"{checkpoint.source} is a model for {kind.name}, and {task.name} is {task.kind}")
    try:
        return kind.fitted(task, checkpoint.config.max_position_embeddings)
    except ValueError as error:
        raise ValueError(f"{checkpoint.source}: {error}") from error


def _kind_of(checkpoint: Checkpoint) -> Kind[Any]:
    """Return which kind of task a model is for, by its class and what its config says."""
    cls = class_of(checkpoint)
    for kind in KINDS.values():
        if kind.is_of(cls, checkpoint.config):
            return kind
    raise ValueError(f"{checkpoint.source} holds an {cls.__name__}, which has no head for a task: fine-tune it first")

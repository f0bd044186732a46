"""A fine-tuning run, from examples to a model that answers: a folder that holds all it needs to be resumed.

finetuning.json   task, recipe, configuration, and whose weights it starts from
data/             train.jsonl and eval.jsonl, the examples
metrics.jsonl     one record a line
checkpoints/      see `checkpoints.runs`; best/ likewise holds the model of the best evaluation so far
config.json, model.safetensors, spiece.model, task.json …    the finished model, a Hugging Face folder
"""

import json
import math
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from albert_np.backend import get_backend
from albert_np.checkpoints import (
    CONFIG_FILE,
    MANIFEST,
    Checkpoint,
    find_model,
    latest_checkpoint,
    open_checkpoint,
    save_checkpoint,
    verify_checkpoint,
)
from albert_np.config import AlbertConfig
from albert_np.execution import PRECISIONS, available_threads, this_job, threads_for
from albert_np.files import given, is_vacant, locked, read_json, remove_leftovers, whole_files, whole_folder, write_json
from albert_np.model import AlbertBase, class_of
from albert_np.schema import Schema, anything, check, flag, number, one_of, optional, text, whole
from albert_np.tasks.batches import FineTuningData, class_weights_for, objective
from albert_np.tasks.examples import Example
from albert_np.tasks.kinds import KINDS, Feature, Kind
from albert_np.tasks.kinds.base import cut_tokens
from albert_np.tasks.predict import Evaluation, Predictor, check_list, label_list, save_task
from albert_np.tasks.reading import read_examples
from albert_np.tasks.recipes import TASKS, check_task, named_task, task_from
from albert_np.tasks.settings import COUNT, NamedTask, check_settings, settings_from
from albert_np.tokenization import AlbertTokenizer
from albert_np.training import AdamW, Record, Trainer, read_metrics, warmup_linear

__all__ = ["FineTuningRecipe", "FineTuningRun", "prepare_finetuning"]

RUN_FILE = "finetuning.json"
RUN: dict[str, Schema] = {
    "task": {},
    "recipe": {},
    "config": {},
    "start": text(),
    "from_scratch": flag(),
}
SIZES = (
    "vocab_size embedding_size hidden_size num_hidden_layers num_hidden_groups num_attention_heads intermediate_size "
    "inner_group_num max_position_embeddings type_vocab_size"
).split()
RECIPE: dict[str, Schema] = {
    "accumulation": COUNT,
    "weight_decay": number(0),
    "max_grad_norm": number(0),
    "evaluate_every": optional(COUNT),
    "patience": optional(COUNT),
    "seed": whole(),
    "dtype": one_of("float32", "float64"),
    "backend": one_of("numpy", "cupy"),
    "threads": optional(whole(1, 10**6)),
    "freeze_trunk": flag(),
    "label_smoothing": number(0, below=1),
    "class_weights": anything(),
    "precision": one_of(*PRECISIONS),
}


@dataclass(frozen=True)
class FineTuningRecipe:
    """How to train, beside what the task says: AdamW, a line up to the learning rate and a line down to 0.

    accumulation: batches to an update. evaluate_every: updates; None for ten evaluations in all. patience: evaluations
    without a better one after which training ends, None for never. threads: None for all processors; they decide the
    last bits of every sum. Of several ranks they are those of all together. freeze_trunk: train the head alone, and
    leave the pretrained weights as they are. label_smoothing: the share of a label that all labels share out.
    class_weights: label → how much it counts in the loss, 1 if it is not named, or "balanced", see
    `class_weights_for`; both for classification and tagging, and for training alone: the loss of an evaluation is
    without. precision: of matrix products, see `precision` of the models; anything but "float32" needs
    dtype="float32".

    Raises ValueError that names the field which is of another type or outside its bounds.
    """

    accumulation: int = 1
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    evaluate_every: int | None = None
    patience: int | None = None
    seed: int = 0
    dtype: str = "float32"
    backend: str = "numpy"
    threads: int | None = None
    freeze_trunk: bool = False
    label_smoothing: float = 0.0
    class_weights: str | Mapping[str, float] | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_settings(self, RECIPE, "recipe")
        if self.max_grad_norm == 0:
            raise ValueError("max_grad_norm=0: must be more than 0")
        if self.precision != "float32" and self.dtype != "float32":
            raise ValueError(f"precision={self.precision!r} rounds float32, and dtype={self.dtype!r}")
        if self.threads is None:
            object.__setattr__(self, "threads", available_threads() if self.backend == "numpy" else 1)


def prepare_finetuning(
    output: str | Path,
    task: str | NamedTask,
    train: Sequence[Example],
    evaluation: Sequence[Example],
    model: str | Path,
    *,
    from_scratch: bool = False,
    recipe: FineTuningRecipe | None = None,
) -> "FineTuningRun":
    """Make a run folder, whole or not at all.

    task: a name of `TASKS`, or its settings, see `task_settings`; a task's own lengths are cut to what the model can
    read. train, evaluation: labelled examples; the labels to choose from are those of `train`. model: a run, a folder
    or anything else that `open_checkpoint` opens, with its tokenizer; with `from_scratch`, its configuration alone.
    Warns of texts that are cut.

    Raises FileExistsError unless `output` is a new or empty folder; TypeError for examples that are no list; ValueError
    if task, examples and model do not fit, or for a `max_seq_length` other than the task's own that the model cannot
    read.
    """
    output = given(output)
    if not is_vacant(output):
        raise FileExistsError(f"{output} already exists: resume the run in it or choose another folder")
    if not isinstance(recipe, FineTuningRecipe | None):
        raise TypeError(f"recipe must be a FineTuningRecipe, got a {type(recipe).__name__}")
    if recipe is not None:
        get_backend(recipe.backend)
        threads_for(recipe.backend, max(1, (recipe.threads or 1) // this_job().size))
    task = named_task(task) if isinstance(task, str) else task
    check_task(task)
    kind = KINDS[task.kind]
    for name, examples in (("train", train), ("evaluation", evaluation)):
        check_list(name, examples, kind)
        if not examples:
            raise ValueError(f"{name} is empty: it must hold examples")
    checkpoint, tokenizer = _opened(model, task)
    positions = checkpoint.config.max_position_embeddings
    train, evaluation = kind.checked(train), kind.checked(evaluation)
    for examples in (train, evaluation):
        kind.references(examples)
    task = kind.suited(kind.fitted(task, positions), train)
    contents = {
        "task": asdict(task),
        "recipe": asdict(recipe or FineTuningRecipe()),
        "config": _config(checkpoint.config, kind, task, kind.label_names(train)).to_dict(),
        "start": str(Path(model).resolve() if Path(model).exists() else model),
        "from_scratch": from_scratch,
    }
    with whole_folder(output) as hidden:
        (hidden / "data").mkdir()
        for part, examples in (("train", train), ("eval", evaluation)):
            lines = (json.dumps(kind.to_json(example)) + "\n" for example in examples)
            (hidden / "data" / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")
        tokenizer.save_pretrained(hidden)
        write_json(hidden / RUN_FILE, contents)
        run = FineTuningRun(hidden)
        run.check()
    for part, features, count in (
        ("training", run.data.features, len(train)),
        ("evaluation", run.eval_features, len(evaluation)),
    ):
        if warning := kind.cut_warning(task, cut_tokens(features), count, positions):
            warnings.warn(f"of the {part} examples, {warning}", stacklevel=2)
    run.output = output
    return run


def _opened(model: str | Path, task: NamedTask) -> tuple[Checkpoint, AlbertTokenizer]:
    """Open a model and its tokenizer; ValueError if they do not fit, or the task is longer than the model can read."""
    checkpoint = open_checkpoint(find_model(model))
    tokenizer = AlbertTokenizer.from_pretrained(checkpoint.source)
    if len(tokenizer) > checkpoint.config.vocab_size:
        raise ValueError(
            f"{model}: its tokenizer has {len(tokenizer)} pieces, the model {checkpoint.config.vocab_size}"
        )
    positions = checkpoint.config.max_position_embeddings
    if task.max_seq_length > positions and not _is_own_length(task):
        raise ValueError(f"max_seq_length={task.max_seq_length}: {model} can read {positions} tokens at most")
    return checkpoint, tokenizer


def _is_own_length(task: NamedTask) -> bool:
    return task.name in TASKS and task.max_seq_length == TASKS[task.name].max_seq_length


class FineTuningRun:
    """A prepared run folder, opened: train it, resume it."""

    evaluation: Evaluation  # of the finished model, as it will answer; there once it is trained

    def __init__(self, output: str | Path):
        """Open `output`; FileNotFoundError if it holds no run, ValueError, with file and field, if that is damaged."""
        self.output = given(output)
        path = self.output / RUN_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{self.output} holds no fine-tuning run: it has no {RUN_FILE}")
        contents = read_json(path)
        check(contents, RUN, path)
        self.task = task_from(contents["task"], path)
        self.recipe = settings_from(FineTuningRecipe, contents["recipe"], path)
        self.start, self.from_scratch = contents["start"], contents["from_scratch"]
        try:
            self.config = AlbertConfig.from_dict(contents["config"])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {str(error)[:400]}") from error
        self.tokenizer = AlbertTokenizer.from_pretrained(self.output)

    @property
    def kind(self) -> Kind[Any]:
        """The kind of task."""
        return KINDS[self.task.kind]

    @cached_property
    def train_examples(self) -> list[Example]:
        return read_examples(self.output / "data" / "train.jsonl", self.task.kind)

    @cached_property
    def eval_examples(self) -> list[Example]:
        return read_examples(self.output / "data" / "eval.jsonl", self.task.kind)

    @cached_property
    def eval_features(self) -> list[Feature]:
        return self._features(self.eval_examples)

    @cached_property
    def data(self) -> FineTuningData:
        features, pad_id = self._features(self.train_examples), self.tokenizer.role_id("pad_token")
        return FineTuningData(self.kind, features, self.task.batch_size, pad_id, self.recipe.seed)

    def _features(self, examples: Sequence[Example]) -> list[Feature]:
        return self.kind.features(self.task, label_list(self.config), self.tokenizer, examples)

    @property
    def steps(self) -> int:
        """Updates to make at most."""
        if self.task.steps is not None:
            return self.task.steps
        assert self.task.epochs is not None  # one of the two is given
        return math.ceil(self.task.epochs * self.data.batches_per_epoch / self.recipe.accumulation)

    @property
    def schedule(self) -> Callable[[int], float]:
        """The learning rate as a function of the updates made."""
        warmup, peak = self.task.warmup_steps, self.task.learning_rate_for(self.config.hidden_size)
        if warmup is None:
            warmup = min(int((self.task.warmup_fraction or 0) * self.steps), self.steps - 1)
        return partial(warmup_linear, warmup_steps=warmup, total_steps=self.steps, peak=peak)

    def check(self) -> None:
        """Raise ValueError if the examples do not fit the task, or the settings each other."""
        shapes = {feature.input_ids.shape[:-1] for feature in self.data.features}
        if len(shapes) > 1:
            raise ValueError(f"all training examples must have equally many choices, got {sorted(shapes)}")
        if any(feature.target is None for feature in (*self.data.features, *self.eval_features)):
            raise ValueError("all examples must have a label, tags or answers")
        if (self.recipe.label_smoothing or self.recipe.class_weights) and not self.kind.weighs_labels:
            raise ValueError(f"label_smoothing and class_weights are for single labels; the task is {self.task.kind}")
        self._class_weights()
        warmup = self.task.warmup_steps
        if warmup is not None and warmup >= self.steps:
            raise ValueError(f"warmup_steps={warmup} must be less than the updates of the run, which are {self.steps}")

    def _class_weights(self) -> npt.NDArray[np.float64] | None:
        given = self.recipe.class_weights
        return None if given is None else class_weights_for(given, label_list(self.config), self.data.features)

    def start_model(self) -> AlbertBase:
        """Return the model that training starts from; its head is new unless it knew the same labels before."""
        cls, recipe = self.kind.model, self.recipe
        checkpoint = open_checkpoint(find_model(self.start))
        self._check_config(checkpoint.config, self.start)
        fresh = cls(self.config, recipe.dtype, seed=recipe.seed)
        if self.from_scratch:
            return fresh.to(recipe.backend)
        keeps_head = class_of(checkpoint) is cls and checkpoint.config.id2label == self.config.id2label
        head = {name: fresh.params[name] for name in cls.head_shapes(self.config)}
        stored = {name: weight for name, weight in checkpoint.weights.items() if keeps_head or name not in head}
        checkpoint = checkpoint._replace(config=self.config, weights={**head, **stored})
        return cls.from_checkpoint(checkpoint, recipe.dtype, recipe.backend, recipe.seed)

    def _check_config(self, other: AlbertConfig, source: str | Path) -> None:
        """Raise ValueError if this run's model is of other sizes than one that it starts or goes on from."""
        for name in SIZES:
            own, theirs = getattr(self.config, name), getattr(other, name)
            if own != theirs:
                path = self.output / RUN_FILE
                raise ValueError(f"{path}: config.{name} is {own}, and that of {source} is {theirs}")

    def _frozen(self) -> list[str]:
        """Return the names of the parameters that are not trained."""
        if not self.recipe.freeze_trunk:
            return []
        cls = self.kind.model
        return [name for name in cls.make_layout(self.config).shapes if name not in cls.head_shapes(self.config)]

    def trainer(self, on_step: Callable[[Record], None] | None = None, resume: bool = False) -> Trainer[AlbertBase]:
        """Return a trainer at the run's first step, or at its latest checkpoint."""
        trainer = this_job().together(partial(self._new_trainer, on_step, resume))
        if resume:
            trainer.resume()
        return trainer

    def _new_trainer(self, on_step: Callable[[Record], None] | None, resume: bool) -> Trainer[AlbertBase]:
        recipe, every = self.recipe, self.recipe.evaluate_every or math.ceil(self.steps / 10)
        assert recipe.threads is not None  # its default is a number by now
        if resume and (saved := latest_checkpoint(self.output)) is not None:
            self._check_config(AlbertConfig.from_json_file(saved / CONFIG_FILE), saved)
        fresh = partial(self.kind.model, self.config, recipe.dtype, recipe.backend, recipe.seed)
        model: AlbertBase = fresh() if resume else self.start_model()  # to resume is to load the weights
        model.precision = recipe.precision
        ranks = this_job()
        predictor = Predictor(model, self.tokenizer, self.task, max(1, recipe.threads // ranks.size), ranks)

        def save_files(folder: Path) -> None:
            self.tokenizer.save_pretrained(folder)
            latest = trainer.evaluations[-1:]
            save_task(self.kind.tuned(self.task, latest[0]["evaluation"]) if latest else self.task, folder)

        def save_best(folder: Path) -> None:
            model.save_pretrained(folder)
            save_files(folder)

        def after_step(record: Record) -> None:
            if "evaluation" in record and self.best_of(trainer.evaluations) is record:
                save_checkpoint(self.output / "best", record["step"], save_best, model.params.flat.nbytes + 2**23, 1)
            if on_step:
                on_step(record)

        trainer = Trainer(
            model,
            AdamW(model.params, model.grads, weight_decay=recipe.weight_decay, frozen=self._frozen()),
            self.schedule,
            self.data,
            self.output,
            objective=objective(self.kind, self._class_weights(), recipe.label_smoothing),
            accumulation=recipe.accumulation,
            max_grad_norm=recipe.max_grad_norm,
            threads=recipe.threads,
            ranks=ranks,
            evaluate=lambda _: predictor.evaluate(self.eval_examples, self.eval_features).metrics,
            evaluate_every=every,
            stop_early=self.is_out_of_patience,
            checkpoint_every=every,
            settings={"seed": recipe.seed},
            save_files=save_files,
            on_step=after_step,
        )
        return trainer

    def train(self, on_step: Callable[[Record], None] | None = None, resume: bool = False) -> Predictor:
        """Train to the end, leave the model of the best evaluation in the run folder, and return it ready for use.

        With `resume`, go on from the latest checkpoint; a run that was killed before its first one starts anew. Warns
        if the model says the same of everything. The ranks of a job train it together, and share what the predictor
        does; each must see the run folder, and rank 0 writes into it. Raises BlockingIOError while another process
        trains it, and what `Trainer.train` and `Trainer.resume` raise.
        """
        ranks = this_job()
        with ExitStack() as held:
            ranks.on_first(lambda: held.enter_context(locked(self.output)))
            ranks.take_device(self.recipe.backend)
            ranks.together(self._require_run)
            ranks.on_first(self._remove_leftovers)
            trainer = self.trainer(on_step, ranks.told(resume and latest_checkpoint(self.output) is not None))
            trainer.train(self.steps)
            ranks.on_first(self._publish)
            assert self.recipe.threads is not None  # its default is a number by now
            threads = self.recipe.threads // ranks.size
            predictor = ranks.together(
                lambda: Predictor.load(
                    self.output, threads=threads, dtype=self.recipe.dtype, backend=self.recipe.backend, ranks=ranks
                )
            )
        self.evaluation = predictor.evaluate(self.eval_examples, self.eval_features)
        if warning := predictor.collapse_warning(self.evaluation.predictions):
            warnings.warn(warning, stacklevel=2)
        return predictor

    def _require_run(self) -> None:
        if not (self.output / RUN_FILE).is_file():
            raise FileNotFoundError(f"{self.output} holds no run any more: it has no {RUN_FILE}")

    def _remove_leftovers(self) -> None:
        for folder in (self.output, self.output / "best" / "checkpoints"):
            remove_leftovers(folder)

    def _publish(self) -> None:
        best = self.output / "best" / "checkpoints" / f"step-{self.best()['step']:08d}"
        verify_checkpoint(best)
        with whole_files(self.output, seal=CONFIG_FILE) as hidden:
            for path in best.iterdir():
                if path.name != MANIFEST:
                    shutil.copyfile(path, hidden / path.name)

    def best(self) -> Record:
        """Return the record of the best evaluation so far; ValueError if there was none, or the log is damaged."""
        path = self.output / "metrics.jsonl"
        records = [record for record in read_metrics(path) if "evaluation" in record]
        if not records:
            raise ValueError(f"{path} holds no evaluation")
        return self.best_of(records)

    def best_of(self, evaluations: Sequence[Record]) -> Record:
        """Return the record with the best value of the task's metric; of equals the earliest.

        Raises ValueError, with file and step, for a record that lacks it.
        """
        for record in evaluations:
            where = f"{self.output / 'metrics.jsonl'}, step {record['step']}, evaluation"
            check(record["evaluation"], {self.task.metric: number()}, where)
        return max(evaluations, key=lambda record: float(record["evaluation"][self.task.metric]))

    def is_out_of_patience(self, evaluations: Sequence[Record]) -> bool:
        """Whether so many evaluations as the recipe allows have brought nothing better."""
        if self.recipe.patience is None or not evaluations:
            return False
        best: int = self.best_of(evaluations)["step"]
        return len([record for record in evaluations if record["step"] > best]) >= self.recipe.patience


def _config(config: AlbertConfig, kind: Kind[Any], task: NamedTask, labels: Sequence[str]) -> AlbertConfig:
    """Return the model's configuration for a task, with the names of its labels and the dropout that it asks for."""
    if task.dropout is not None:
        config = replace(config, hidden_dropout_prob=task.dropout, attention_probs_dropout_prob=task.dropout)
    return replace(
        config,
        id2label=dict(enumerate(labels)) or None,
        num_labels=kind.num_labels(labels),
        problem_type=kind.problem_type,
        classifier_dropout_prob=task.classifier_dropout,
    )

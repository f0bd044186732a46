"""A fine-tuning run, from examples to a model that answers: a folder that holds all it needs to be resumed.

finetuning.json   task, recipe, configuration, and whose weights it starts from
data/             train.jsonl and eval.jsonl, the examples
metrics.jsonl     one record a line
checkpoints/      see `checkpoints.runs`; best/ likewise holds the model of the best evaluation so far
config.json, model.safetensors, spiece.model, task.json …    the finished model, a Hugging Face folder
"""

import json
import math
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from albert_np.checkpoints import open_checkpoint
from albert_np.checkpoints.huggingface import CONFIG_FILE
from albert_np.checkpoints.runs import MANIFEST, find_model, latest_checkpoint, save_checkpoint, verify_checkpoint
from albert_np.config import AlbertConfig
from albert_np.execution.replicas import available_threads
from albert_np.model import class_of
from albert_np.tasks.batches import FineTuningData, objective
from albert_np.tasks.examples import Example
from albert_np.tasks.features import Feature, label_names, make_features
from albert_np.tasks.predict import MODELS, Predictor, fitted, label_list, named_task
from albert_np.tasks.readers import read_examples
from albert_np.tasks.recipes import NamedTask
from albert_np.tokenization import AlbertTokenizer
from albert_np.training.metrics import Record, read_metrics
from albert_np.training.optimizers import AdamW
from albert_np.training.schedules import warmup_linear
from albert_np.training.trainer import Trainer

__all__ = ["FineTuningRecipe", "FineTuningRun", "prepare_finetuning", "task_settings"]

RUN_FILE = "finetuning.json"
PROBLEM_TYPES = {
    "classification": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
}


@dataclass(frozen=True)
class FineTuningRecipe:
    """How to train, beside what the task says: AdamW, a line up to the learning rate and a line down to 0.

    accumulation: batches to an update. evaluate_every: updates; None for ten evaluations in all. patience: evaluations
    without a better one after which training ends, None for never. threads: None for all processors; they decide the
    last bits of every sum.
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

    def __post_init__(self) -> None:
        for name in ("accumulation", "evaluate_every", "patience", "threads"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.threads is None:
            object.__setattr__(self, "threads", available_threads() if self.backend == "numpy" else 1)


def task_settings(
    name: str, *, steps: int | None = None, epochs: float | None = None, warmup_steps: int | None = None, **changes: Any
) -> NamedTask:
    """Return a task of `TASKS` with some settings changed; None changes nothing.

    The warm-up keeps its share of all updates unless it is given. Raises ValueError for an unknown name, or if both
    steps and epochs are given.
    """
    task = replace(named_task(name), **{field: value for field, value in changes.items() if value is not None})
    if steps is not None and epochs is not None:
        raise ValueError(f"steps={steps} and epochs={epochs}: give one of them")
    if steps is not None or epochs is not None:
        share = task.warmup_steps / task.steps if task.steps and task.warmup_steps is not None else task.warmup_fraction
        task = replace(task, steps=steps, epochs=epochs, warmup_steps=None, warmup_fraction=share)
    return task if warmup_steps is None else replace(task, warmup_steps=warmup_steps)


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

    task: a name of `TASKS`, or its settings, see `task_settings`; lengths are cut to what the model can read. train,
    evaluation: labelled examples; the labels to choose from are those of `train`. model: a run, a folder or anything
    else that `open_checkpoint` opens, with its tokenizer; with `from_scratch`, its configuration alone.

    Raises FileExistsError unless `output` is a new or empty folder; ValueError if task, examples and model do not fit.
    """
    output = Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"{output} already exists: resume the run in it or choose another folder")
    checkpoint = open_checkpoint(find_model(model))
    tokenizer = AlbertTokenizer.from_pretrained(checkpoint.source)
    if len(tokenizer) > checkpoint.config.vocab_size:
        raise ValueError(
            f"{model}: its tokenizer has {len(tokenizer)} pieces, the model {checkpoint.config.vocab_size}"
        )
    task = fitted(named_task(task) if isinstance(task, str) else task, checkpoint.config.max_position_embeddings)
    contents = {
        "task": asdict(task),
        "recipe": asdict(recipe or FineTuningRecipe()),
        "config": _config(checkpoint.config, task, label_names(task.kind, train)).to_dict(),
        "start": str(Path(model).resolve() if Path(model).exists() else model),
        "from_scratch": from_scratch,
    }
    hidden = output.with_name(f".{output.name}.partial")
    shutil.rmtree(hidden, ignore_errors=True)  # what a killed process left
    (hidden / "data").mkdir(parents=True)
    try:
        for part, examples in (("train", train), ("eval", evaluation)):
            lines = (json.dumps(_record(example)) + "\n" for example in examples)
            (hidden / "data" / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")
        tokenizer.save_pretrained(hidden)
        (hidden / RUN_FILE).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
        run = FineTuningRun(hidden)
        run.check()
        os.replace(hidden, output)
    except BaseException:
        shutil.rmtree(hidden)
        raise
    run.output = output
    return run


class FineTuningRun:
    """A prepared run folder, opened: train it, resume it."""

    def __init__(self, output: str | Path):
        """Open `output`; FileNotFoundError if it holds no run, ValueError if its finetuning.json is damaged."""
        self.output = Path(output)
        path = self.output / RUN_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{self.output} holds no fine-tuning run: it has no {RUN_FILE}")
        try:
            contents = json.loads(path.read_text(encoding="utf-8"))
            self.task = NamedTask(**contents["task"])
            self.recipe = FineTuningRecipe(**contents["recipe"])
            self.config = AlbertConfig.from_dict(contents["config"])
            self.start, self.from_scratch = str(contents["start"]), bool(contents["from_scratch"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error!r}") from error
        self.tokenizer = AlbertTokenizer.from_pretrained(self.output)

    @cached_property
    def train_examples(self) -> list[Example]:
        return read_examples(self.output / "data" / "train.jsonl", self.task.kind)

    @cached_property
    def eval_examples(self) -> list[Example]:
        return read_examples(self.output / "data" / "eval.jsonl", self.task.kind)

    @cached_property
    def eval_features(self) -> list[Feature]:
        return make_features(self.task, label_list(self.config), self.tokenizer, self.eval_examples)

    @cached_property
    def data(self) -> FineTuningData:
        features = make_features(self.task, label_list(self.config), self.tokenizer, self.train_examples)
        return FineTuningData(features, self.task.batch_size, self.tokenizer.pad_token_id, self.recipe.seed)

    @property
    def steps(self) -> int:
        """Updates to make at most."""
        if self.task.steps is not None:
            return self.task.steps
        return math.ceil((self.task.epochs or 0) * self.data.batches_per_epoch / self.recipe.accumulation)

    @property
    def schedule(self) -> Callable[[int], float]:
        """The learning rate as a function of the updates made."""
        warmup, peak = self.task.warmup_steps, self.task.learning_rate_for(self.config.hidden_size)
        if warmup is None:
            warmup = int((self.task.warmup_fraction or 0) * self.steps)
        return partial(warmup_linear, warmup_steps=warmup, total_steps=self.steps, peak=peak)

    def check(self) -> None:
        """Raise ValueError if the examples do not fit the task, or the settings each other."""
        shapes = {feature.input_ids.shape[:-1] for feature in self.data.features}
        if len(shapes) > 1:
            raise ValueError(f"all training examples must have equally many choices, got {sorted(shapes)}")
        if any(feature.target is None for feature in (*self.data.features, *self.eval_features)):
            raise ValueError("all examples must have a label, tags or answers")
        self.schedule(0)

    def start_model(self) -> Any:
        """Return the model that training starts from; its head is new unless it knew the same labels before."""
        cls, recipe = MODELS[self.task.kind], self.recipe
        fresh = cls(self.config, recipe.dtype, seed=recipe.seed)
        if self.from_scratch:
            return fresh.to(recipe.backend)
        checkpoint = open_checkpoint(find_model(self.start))
        keeps_head = class_of(checkpoint) is cls and checkpoint.config.id2label == self.config.id2label
        head = {name: fresh.params[name] for name in cls.head_shapes(self.config)}
        stored = {name: weight for name, weight in checkpoint.weights.items() if keeps_head or name not in head}
        checkpoint = checkpoint._replace(config=self.config, weights={**head, **stored})
        return cls.from_checkpoint(checkpoint, recipe.dtype, recipe.backend, recipe.seed)

    def trainer(self, on_step: Callable[[Record], None] | None = None, resume: bool = False) -> Trainer[Any]:
        """Return a trainer at the run's first step, or at its latest checkpoint."""
        recipe, every = self.recipe, self.recipe.evaluate_every or math.ceil(self.steps / 10)
        options = {"dtype": recipe.dtype, "backend": recipe.backend, "seed": recipe.seed}
        model = MODELS[self.task.kind](self.config, **options) if resume else self.start_model()
        refuses = any(getattr(example, "answers", None) == () for example in self.train_examples)
        predictor = Predictor(model, self.tokenizer, self.task, refuses, recipe.threads)

        def save_files(folder: Path) -> None:
            self.tokenizer.save_pretrained(folder)
            predictor.save_task(folder)

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
            AdamW(model.params, model.grads, weight_decay=recipe.weight_decay),
            self.schedule,
            self.data,
            self.output,
            objective=objective(self.task.kind),
            accumulation=recipe.accumulation,
            max_grad_norm=recipe.max_grad_norm,
            threads=recipe.threads or 1,
            evaluate=lambda _: predictor.evaluate(self.eval_examples, self.eval_features).metrics,
            evaluate_every=every,
            stop_early=self.is_out_of_patience,
            checkpoint_every=every,
            settings={"seed": recipe.seed},
            save_files=save_files,
            on_step=after_step,
        )
        if resume:
            trainer.resume()
        return trainer

    def train(self, on_step: Callable[[Record], None] | None = None, resume: bool = False) -> Predictor:
        """Train to the end, leave the model of the best evaluation in the run folder, and return it ready for use.

        With `resume`, go on from the latest checkpoint; a run that was killed before its first one starts anew. Warns
        if the model says the same of everything. Raises what `Trainer.train` and `Trainer.resume` raise.
        """
        trainer = self.trainer(on_step, resume and latest_checkpoint(self.output) is not None)
        trainer.train(self.steps)
        self._publish(self.output / "best" / "checkpoints" / f"step-{self.best()['step']:08d}")
        predictor = Predictor.load(self.output, threads=self.recipe.threads, dtype=self.recipe.dtype)
        predictions = predictor.evaluate(self.eval_examples, self.eval_features).predictions
        if warning := predictor.collapse_warning(predictions):
            warnings.warn(warning, stacklevel=2)
        return predictor

    def _publish(self, best: Path) -> None:
        verify_checkpoint(best)
        files = [path for path in best.iterdir() if path.name != MANIFEST]
        for path in sorted(files, key=lambda path: path.name == CONFIG_FILE):  # which is last to say: complete
            hidden = self.output / f".{path.name}.partial"
            shutil.copyfile(path, hidden)
            os.replace(hidden, self.output / path.name)

    def best(self) -> Record:
        """Return the record of the best evaluation so far; ValueError if there was none."""
        records = [record for record in read_metrics(self.output / "metrics.jsonl") if "evaluation" in record]
        return self.best_of(records)

    def best_of(self, evaluations: Sequence[Record]) -> Record:
        """Return the record with the best value of the task's metric; of equals the earliest."""
        return max(evaluations, key=lambda record: float(record["evaluation"][self.task.metric]))

    def is_out_of_patience(self, evaluations: Sequence[Record]) -> bool:
        """Whether so many evaluations as the recipe allows have brought nothing better."""
        if self.recipe.patience is None or not evaluations:
            return False
        best: int = self.best_of(evaluations)["step"]
        return len([record for record in evaluations if record["step"] > best]) >= self.recipe.patience


def _config(config: AlbertConfig, task: NamedTask, labels: Sequence[str]) -> AlbertConfig:
    """Return the model's configuration for a task, with the names of its labels and the dropout that it asks for."""
    if task.dropout is not None:
        config = replace(config, hidden_dropout_prob=task.dropout, attention_probs_dropout_prob=task.dropout)
    return replace(
        config,
        id2label=dict(enumerate(labels)) or None,
        num_labels=len(labels) or (1 if task.kind == "regression" else 2),
        problem_type=PROBLEM_TYPES.get(task.kind),
        classifier_dropout_prob=task.classifier_dropout,
    )


def _record(example: Example) -> dict[str, Any]:
    """Return an example as the JSON object that `read_examples` reads as the same example."""
    record = {name: value for name, value in example._asdict().items() if value is not None}
    if "answers" in record:
        record["answers"] = [{"text": answer.text, "answer_start": answer.start} for answer in record["answers"]]
    return record

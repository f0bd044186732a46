"""One model of an experiment: trained with one seed and measured, on the quickstart's prose or in the toy world."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from albert_np.backend import Array
from albert_np.config import AlbertConfig
from albert_np.model import AlbertBase, AlbertForMaskedLM
from albert_np.pretraining import (
    PretrainingBatch,
    PretrainingRun,
    evaluate_kinds,
    held_out_kinds,
    is_held_out,
    prepare_run,
    python_prose,
    python_prose_source,
)
from albert_np.study import quickstart
from albert_np.study.inside import layer_distances
from albert_np.study.world import PROBES, Exam, World, learning, world_config
from albert_np.tokenization import train_vocabulary
from albert_np.training import NonFiniteError, first_nonfinite

Json = dict[str, Any]

HELD_OUT = 0.1  # of the documents
STORIES = 500  # of each exam of the world
SMALL = {"hidden_size": 32, "embedding_size": 32, "intermediate_size": 64, "initializer_range": 0.08}
RECIPE = {"batch_size": 16, "learning_rate": 0.005}  # with which so small a model learns most in a few seconds
EVERY = 300  # updates from one point of a curve to the next
EXAMS: dict[str, int | None] = {"gap": None, "ngram_gap": 3}  # measure: `max_ngram` of its exam


@dataclass(frozen=True)
class Variant:
    """One model of an experiment: what differs from the others, and the paper's figures for its counterpart.

    config: fields of `AlbertConfig` that are not those of the ground. recipe: fields of `Recipe` that are not the
    quickstart's, or options of `learning` beside `RECIPE`. paper: measure → per cent, empty where the paper has no
    counterpart.
    """

    name: str
    config: Mapping[str, Any]
    recipe: Mapping[str, Any]
    paper: Mapping[str, float]


class Ground(Protocol):
    """Where the models of an experiment learn, and what they are asked there."""

    @staticmethod
    def config(variant: Variant) -> AlbertConfig:
        """Return a variant's configuration; as many groups as it needs unless it says how many."""

    @classmethod
    def prepare(cls, folder: Path) -> "Ground":
        """Make, in `folder`, what all models have in common."""

    def about(self) -> Json:
        """Return what a result says of it."""

    def train(self, variant: Variant, seed: int, steps: int, folder: Path) -> Json:
        """Train one variant, in `folder`, and return the figures of its run."""


class Prose(NamedTuple):
    """The quickstart's text and settings: the documents, and the vocabulary that all models have."""

    documents: Sequence[Sequence[str]]
    vocabulary: Path

    @staticmethod
    def config(variant: Variant) -> AlbertConfig:
        return replace(quickstart.CONFIG, **{"num_hidden_groups": 0, **variant.config})

    @classmethod
    def prepare(cls, folder: Path) -> "Prose":
        documents, vocabulary = list(python_prose()), folder / "spiece.model"
        training = (sentence for d in documents if not is_held_out(d, HELD_OUT) for sentence in d)
        train_vocabulary(training, vocabulary, quickstart.VOCAB_SIZE)
        return cls(documents, vocabulary)

    def about(self) -> Json:
        return {"text": python_prose_source()}

    def train(self, variant: Variant, seed: int, steps: int, folder: Path) -> Json:
        config = self.config(variant)
        recipe = replace(quickstart.recipe(steps, seed), threads=1, checkpoint_every=steps, **variant.recipe)
        run = prepare_run(
            folder, lambda: self.documents, None, config, recipe, vocabulary=self.vocabulary, held_out=HELD_OUT
        )
        model = run.train()
        order, words, following = (_asked(run, **options) for options in ({}, {"max_ngram": 1}, {"pairs": "next"}))
        asked, about_words, about_order = (evaluate_kinds(model, exam) for exam in (order, words, following))
        measured = {
            "mlm_loss": asked["mlm_loss"],
            "mlm_accuracy": asked["mlm_accuracy"],
            "word_accuracy": about_words["mlm_accuracy"],
            "sop_accuracy": asked["sop_accuracy"],
            "sop_two": asked["sop_accuracy_two"],
            "sop_more": asked["sop_accuracy_more"],
            "nsp_accuracy": about_order["sop_accuracy"],
        }
        return {
            "seed": seed,
            "parameters": model.params.layout.size,
            **{name: round(value, 5) for name, value in measured.items() if value is not None},
            "distances": _distances(model, order["more"][0]._asdict()),
            "curve": _curve(run.metrics()),
        }


def _asked(run: PretrainingRun, **options: Any) -> Mapping[str, Sequence[PretrainingBatch]]:
    """The held-out text by kind of example, asked about in one way, whatever the run itself was trained on."""
    assert run.held_out is not None  # the text has documents enough
    return held_out_kinds(run.held_out, run.tokenizer, 64, run.recipe.max_seq_length, **options)


def _curve(records: Iterable[Json]) -> list[list[float | None]]:
    evaluations = [(record["step"], record["evaluation"]) for record in records if record.get("evaluation")]
    keys = ("mlm_loss", "mlm_accuracy", "sop_accuracy")
    return [[step, *(e[key] and round(e[key], 4) for key in keys)] for step, e in evaluations]


@cache
def _world() -> World:
    return World()


class Toy(NamedTuple):
    """The toy world, in which the best that can be had is known: its exams, the same for all models."""

    exams: Mapping[str, Exam]

    @staticmethod
    def config(variant: Variant) -> AlbertConfig:
        return world_config(_world(), **{"num_hidden_groups": 0, **SMALL, **variant.config})

    @classmethod
    def prepare(cls, folder: Path) -> "Toy":
        return cls({name: _world().exam(STORIES, max_ngram=n) for name, n in EXAMS.items()})

    def about(self) -> Json:
        return {"best": {name: {"loss": e.loss, "accuracy": e.accuracy} for name, e in self.exams.items()}}

    def train(self, variant: Variant, seed: int, steps: int, folder: Path) -> Json:
        exam = self.exams["gap"]
        model = AlbertForMaskedLM(self.config(variant), seed=seed)
        stories = {"input_ids": exam.input_ids[:64], "attention_mask": exam.attention_mask[:64]}
        untrained = _distances(model, stories)
        curve = [[0, *self._known(model)]]
        recipe = {**RECIPE, **variant.recipe}
        for step, loss in learning(_world(), model, steps, seed, **recipe):
            if not math.isfinite(loss):
                raise NonFiniteError(step - 1, f"loss is {loss}", first_nonfinite(model), recipe["learning_rate"])
            if step % EVERY == 0 or step == steps:
                curve.append([step, *self._known(model)])
        return {
            "seed": seed,
            "parameters": model.params.layout.size,
            "gap": curve[-1][1],
            "ngram_gap": self._measure(model, "ngram_gap")[0],
            "accuracy": curve[-1][2],
            **{name: round(_world().probe(model, probe), 4) for name, probe in PROBES.items()},
            "distances": _distances(model, stories),
            "untrained": untrained,
            "curve": curve,
        }

    def _measure(self, model: AlbertForMaskedLM, name: str) -> tuple[float, float]:
        """Return by how many nats a model's loss on an exam is above the best there is, and its accuracy."""
        loss, accuracy = _world().measure(model, self.exams[name])
        return round(loss - self.exams[name].loss, 5), round(accuracy, 5)

    def _known(self, model: AlbertForMaskedLM) -> list[float]:
        skills = [round(_world().probe(model, probe, 50), 4) for probe in PROBES.values()]
        return [*self._measure(model, "gap"), *skills]


def _distances(model: AlbertBase, batch: Mapping[str, Array]) -> Json:
    out = model.eval()(**batch, output_hidden_states=True, grad=False)
    model.train()
    distances = layer_distances(out.hidden_states, batch["attention_mask"])
    return {name: values.round(4).tolist() for name, values in distances.items()}

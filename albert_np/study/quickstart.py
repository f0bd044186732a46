"""The quickstart: a tiny ALBERT learns a toy world, then a small one English, in minutes and with nothing to download.

The world is that of `study.world`, where the best possible answer is known. The English is the prose of Python's own
manual and docstrings (`pretraining.python_docs`), which lie on the user's disk. Sizes and settings were chosen by
experiment for two processors; the README has the figures.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.config import AlbertConfig
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining
from albert_np.pretraining import (
    PretrainingBatch,
    PretrainingRun,
    Progress,
    Recipe,
    evaluate_kinds,
    prepare_run,
    python_prose,
    python_prose_source,
)
from albert_np.study.world import STEPS as WORLD_STEPS
from albert_np.study.world import Exam, Moment, Word, World, watched, world_config
from albert_np.tasks.fill_mask import Candidate, fill_mask
from albert_np.training import Metrics, Record

__all__ = [
    "CONFIG",
    "VOCAB_SIZE",
    "WORLD_STEPS",
    "Baselines",
    "Learned",
    "Summary",
    "baselines",
    "learn_world",
    "quickstart",
    "recipe",
    "summarize",
    "without_context",
]

VOCAB_SIZE = 2000
MAX_SEQ_LENGTH = 64  # short, so that each position is met often enough, and long enough for two or three sentences
CONFIG = AlbertConfig(
    vocab_size=VOCAB_SIZE,
    embedding_size=128,
    hidden_size=128,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=512,
    max_position_embeddings=MAX_SEQ_LENGTH,
    classifier_dropout_prob=0.0,
    initializer_range=0.04,
)
STEPS = 2400
BLANKS = (
    "the number [MASK] elements in the array.",
    "return a [MASK] of strings.",
    "a [MASK] of the array.",
    "if [MASK] is given, it must be a string.",
)
STORIES = (
    "the girl near the boys [MASK] home . [MASK] finds a new [MASK] . she [MASK] the new apple .",
    "the kings near the queen [MASK] away . [MASK] [MASK] a red hat . [MASK] wear the red [MASK] .",
    "the queen near the kings [MASK] outside . [MASK] sees a big letter . she [MASK] the [MASK] letter .",
)  # what is hidden follows from what is seen, but for the verb of moving, of which one form of the three is right


class Learned(NamedTuple):
    """How the toy world was learned, moment by moment, and stories with the answers to their hidden words."""

    moments: list[Moment]
    exam: Exam
    stories: list[tuple[str, list[Word]]]


def learn_world(seed: int = 0, on_moment: Callable[[Moment, Exam], None] = lambda moment, exam: None) -> Learned:
    """Train a tiny model on the toy world for `WORLD_STEPS` updates, from `seed`; some 30 s of one processor."""
    world = World()
    exam = world.exam(300)
    model = AlbertForMaskedLM(world_config(world), seed=seed)
    moments = []
    for moment in watched(world, model, exam, WORLD_STEPS, seed):
        moments.append(moment)
        on_moment(moment, exam)
    return Learned(moments, exam, [(story, world.fill(model, story)) for story in STORIES])


def recipe(steps: int = STEPS, seed: int = 0) -> Recipe:
    """Return the quickstart's recipe, its warm-up in proportion to the number of updates."""
    return Recipe(
        steps=steps,
        batch_size=16,
        max_seq_length=MAX_SEQ_LENGTH,
        optimizer="lamb",
        learning_rate=6e-3,
        warmup_steps=steps // 10,
        evaluate_every=max(1, steps // 5),
        checkpoint_every=max(1, steps // 3),
        seed=seed,
    )


class Baselines(NamedTuple):
    """What can be had on the held-out text without looking at the context.

    frequent_token: the one that is asked for most often, always answered; unigram_loss: the cross-entropy of the
    training text's token frequencies (nats); majority_order: accuracy of the commoner order of pairs. The first and
    the last know the held-out answers, so no constant answer can do better.

    Derivation: notebook 17, eq. 17.10 and 17.11.
    """

    frequent_token: str
    frequent_accuracy: float
    unigram_loss: float
    majority_order: float


class Summary(NamedTuple):
    """The run's result beside what it must be compared with; blanks: (text, answers before, answers after)."""

    baselines: Baselines
    untrained: Metrics
    trained: Metrics
    blanks: list[tuple[str, list[Candidate], list[Candidate]]]


def quickstart(
    output: Path,
    steps: int = STEPS,
    seed: int = 0,
    report: Progress = lambda what: None,
    on_step: Callable[[Record], None] | None = None,
) -> Summary:
    """Gather the text, learn a vocabulary, pretrain, and summarise.

    Raises what `prepare_run` and `PretrainingRun.train` raise.
    """

    @cache
    def documents() -> list[Sequence[str]]:
        report("reading Python's manual and docstrings")
        return list(python_prose())

    run = prepare_run(
        output,
        documents,
        python_prose_source(),
        CONFIG,
        recipe(steps, seed),
        vocab_size=VOCAB_SIZE,
        report=report,
    )
    report("training")
    return summarize(run, run.train(on_step))


def summarize(run: PretrainingRun, model: AlbertForPreTraining) -> Summary:
    """Compare a trained model with the untrained one and with the baselines, on all of the run's held-out text."""
    batches = run.held_out_batches(max_examples=None)
    untrained = run.untrained_model()
    blanks = [
        (text, fill_mask(untrained, run.tokenizer, text)[0], fill_mask(model, run.tokenizer, text)[0])
        for text in BLANKS
    ]
    kinds = run.held_out_kinds(max_examples=None)
    before, after = (evaluate_kinds(m, kinds) for m in (untrained, model))
    return Summary(baselines(run, batches), before, after, blanks)


def baselines(run: PretrainingRun, batches: Sequence[PretrainingBatch]) -> Baselines:
    """Measure the baselines on the same masked tokens and pairs as the model."""
    labels = np.concatenate([batch.labels.ravel() for batch in batches])
    orders = np.concatenate([b.sentence_order_label[b.sentence_order_label >= 0] for b in batches])
    frequent, accuracy, loss = without_context(run.frequencies(), labels)
    return Baselines(
        frequent_token=run.tokenizer.convert_ids_to_tokens(frequent),
        frequent_accuracy=accuracy,
        unigram_loss=loss,
        majority_order=float(max(orders.mean(), 1 - orders.mean())),
    )


def without_context(frequencies: npt.NDArray[np.float64], labels: npt.NDArray[np.integer]) -> tuple[int, float, float]:
    """Return what answers without reading reach: the commonest label, its accuracy, the loss of the frequencies.

    frequencies: share of each token in the training text, (V,), none of them 0.
    labels: integers of any shape, -100 where nothing is asked; at least one is asked for.
    """
    asked = labels[labels >= 0]
    commonest = int(np.bincount(asked).argmax())
    return commonest, float((asked == commonest).mean()), float(-np.log(frequencies[asked]).mean())

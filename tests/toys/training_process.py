"""A small pretraining run for the training tests: imported for its parts, or run as a process to be killed.

    python tests/toys/training_process.py RUN [--die-while writing|removing]

Starts the run or, where RUN holds a checkpoint, resumes it. --die-while kills the process in the middle of saving or
of removing a checkpoint. A signal that is honoured gives exit status 3 and a line that names the checkpoint.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_np import training
from albert_np.config import AlbertConfig
from albert_np.model import AlbertForPreTraining
from albert_np.pretraining import PRETRAINING
from albert_np.training import LAMB, Trainer, TrainingInterrupted, latest_checkpoint
from albert_np.training.schedules import warmup_linear

evaluate = partial(training.evaluate, objective=PRETRAINING)

TOTAL_STEPS = 24
CONFIG = {
    "vocab_size": 50,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 16,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}


class Batch(NamedTuple):
    input_ids: np.ndarray
    token_type_ids: np.ndarray
    attention_mask: np.ndarray
    labels: np.ndarray
    sentence_order_label: np.ndarray


class Position(NamedTuple):
    epoch: int
    example: int


class RandomData:
    """Examples that are pure functions of seed and number, with lengths and numbers of labels that differ."""

    first_position = Position(0, 0)

    def __init__(self, batch_size, seed=0, examples=64, positions=12):
        self.batch_size = batch_size
        self.seed = seed
        self.examples = examples
        self.positions = positions

    def settings(self):
        return {"batch_size": self.batch_size, "seed": self.seed, "examples": self.examples}

    def batch_at(self, position):
        epoch, first = position
        numbers = range(first, first + self.batch_size)
        batch = Batch(*map(np.stack, zip(*(self._example(epoch, i) for i in numbers), strict=True)))
        after = first + self.batch_size
        return batch, Position(epoch, after) if after < self.examples else Position(epoch + 1, 0)

    def _example(self, epoch, number):
        rng = np.random.default_rng((self.seed, epoch, number))
        length = rng.integers(4, self.positions + 1)
        real = (np.arange(self.positions) < length).astype(np.int64)
        ids = rng.integers(5, 50, self.positions) * real
        labels = np.where((rng.random(self.positions) < 0.4) & (real == 1), ids, -100)
        order = rng.integers(-1, 2)
        return ids, real * (np.arange(self.positions) > 3), real, labels, np.int64(-100 if order < 0 else order)


def make_trainer(output, **changes):
    """Return a trainer on a new model; `changes` go to the model (config, dtype, …), the data, the trainer."""
    config = AlbertConfig(**{**CONFIG, **changes.pop("config", {})})
    dtype, backend = changes.pop("dtype", "float32"), changes.pop("backend", "numpy")
    model = AlbertForPreTraining(config, dtype=dtype, backend=backend, seed=1)
    model.precision = changes.pop("precision", "float32")
    data = RandomData(changes.pop("batch_size", 4), seed=changes.pop("data_seed", 0))
    held_out = [RandomData(3, seed=99).batch_at(Position(0, i))[0] for i in (0, 3)]
    defaults = {
        "objective": PRETRAINING,
        "schedule": partial(warmup_linear, warmup_steps=4, total_steps=TOTAL_STEPS, peak=changes.pop("peak", 0.02)),
        "accumulation": 2,
        "log_every": 1,
        "checkpoint_every": 3,
        "evaluate": partial(evaluate, batches=held_out),
        "evaluate_every": 5,
    }
    optimizer = changes.pop("optimizer", LAMB)(model.params, model.grads)
    return Trainer(model, optimizer, data=data, output=output, **{**defaults, **changes})


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--die-while", choices=["writing", "removing"])
    arguments.add_argument("--seconds-per-step", type=float, default=0.0)
    arguments.add_argument("--threads", type=int, default=1)
    options = arguments.parse_args()
    trainer = make_trainer(
        options.run, threads=options.threads, on_step=lambda record: time.sleep(options.seconds_per_step)
    )
    if latest_checkpoint(options.run):
        trainer.resume()
    if options.die_while == "writing":
        trainer.save_files = lambda folder: die() if trainer.state.step >= 12 else None
    if options.die_while == "removing":
        shutil.rmtree = lambda folder, **_: folder.is_dir() and die()
    processes = trainer.ranks.share(os.getpid)
    if trainer.ranks.is_first:
        print("ready", *(processes if len(processes) > 1 else ()), flush=True)
    try:
        trainer.train(TOTAL_STEPS)
    except TrainingInterrupted as stopped:
        if trainer.ranks.is_first:
            print(stopped, flush=True)
        sys.exit(3)


if __name__ == "__main__":
    main()

"""A pretraining run, from texts to a saved model: a folder that holds all it needs to be resumed.

run.json          configuration, recipe, and what the texts were
spiece.model …    the tokenizer
corpus/           token ids of the training and the held-out documents, memory-mapped
metrics.jsonl     one record a line
checkpoints/      see `checkpoints.runs`
config.json, model.safetensors    the finished model, a Hugging Face folder
"""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.checkpoints import latest_checkpoint
from albert_np.config import AlbertConfig
from albert_np.execution import this_job
from albert_np.files import given, locked, read_json, remove_leftovers
from albert_np.model import AlbertForPreTraining
from albert_np.pretraining.batches import PretrainingBatch, PretrainingData, held_out_batches, held_out_kinds
from albert_np.pretraining.corpus import TokenizedCorpus
from albert_np.pretraining.objective import PRETRAINING, evaluate_kinds
from albert_np.pretraining.recipe import OPTIMIZERS, SCHEDULES, Recipe
from albert_np.schema import anything, listed
from albert_np.tokenization import AlbertTokenizer
from albert_np.training import Metrics, Record, Trainer, read_metrics

__all__ = ["RUN_FILE", "Preparation", "PretrainingRun"]

RUN_FILE = "run.json"
HELD_OUT_EXAMPLES = 512  # evaluated on at most
_SHOWN, _PAIRS, _UNKNOWN = 0.5, 0.5, 0.01  # shares of tokens shown, of pairs, below, of unknown above, which warn


class Preparation(NamedTuple):
    """What it took to prepare a run.

    text: bytes of its sentences in UTF-8. peak_memory: bytes that were resident at most, in this process and those that
    helped it together, mapped files included; None where the system does not count them.
    """

    text: int
    seconds: float
    peak_memory: int | None

    @property
    def speed(self) -> float:
        """Megabytes, of a million bytes, in a second."""
        return self.text / 1e6 / self.seconds

    def __str__(self) -> str:
        peak = "" if self.peak_memory is None else f"; peak memory {self.peak_memory / 1e6:,.0f} MB"
        return f"prepared {self.text / 1e6:,.1f} MB of text in {self.seconds:,.1f} s, {self.speed:.1f} MB/s{peak}"


class PretrainingRun:
    """A prepared run folder, opened: train it, resume it, evaluate it.

    preparation: what it took, where this process has prepared it; else None.
    """

    preparation: Preparation | None = None

    def __init__(self, output: str | Path):
        """Open `output`; FileNotFoundError if it holds no run, ValueError, naming the file, if one of it is damaged."""
        self.output = given(output)
        path = self.output / RUN_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{self.output} holds no run: it has no {RUN_FILE}")
        contents = read_json(path, {"config": {}, "recipe": {"steps": anything()}})
        if unknown := contents["recipe"].keys() - {field.name for field in fields(Recipe)}:
            raise ValueError(f"{path}: recipe.{listed([min(unknown)])} is unknown")
        try:
            self.config = AlbertConfig.from_dict(contents["config"])
            self.recipe = Recipe(**contents["recipe"])
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(f"{path} is damaged: {str(error)[:400]}") from error
        self.tokenizer = AlbertTokenizer.from_pretrained(self.output)
        sizes = self.config.vocab_size, len(self.tokenizer)
        lengths = self.recipe.max_seq_length, self.config.max_position_embeddings
        if sizes[0] != sizes[1] or lengths[0] > lengths[1]:
            raise ValueError(
                f"{path} is damaged: vocab_size={sizes[0]} for a vocabulary of {sizes[1]}, "
                f"max_seq_length={lengths[0]} for {lengths[1]} positions"
            )
        self.corpus = self._corpus("train")
        self.held_out = self._corpus("held_out") if (self.output / "corpus" / "held_out").exists() else None

    def _corpus(self, name: str) -> TokenizedCorpus:
        folder = self.output / "corpus" / name
        corpus = TokenizedCorpus.open(folder)
        try:
            return corpus.check(self.tokenizer)
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from error

    def check(self, report: Callable[[str], None] = lambda what: None) -> None:
        """Say what an epoch shows, and warn of what it leaves out; ValueError if texts and recipe do not fit."""
        data = self.data()
        try:
            self.held_out_batches()
        except ValueError as error:
            raise ValueError(f"the held-out text: {error}; with held_out=0 there is none") from error
        examples, tokens = data.epoch_size(0), self.corpus.num_tokens
        shown = data.shown_tokens(0) / tokens
        pairs = data.num_pairs(0) / examples
        what = f"{examples:,} examples, {pairs:.1%} of them pairs"
        report(f"an epoch has {what}, which show {shown:.1%} of {tokens:,} tokens")
        if self.recipe.pairs != "none" and pairs < _PAIRS:
            warnings.warn(
                f"{pairs:.1%} of the examples are pairs: the others have no two sentences, one after the other, that "
                "end alike, and no order to ask about",
                stacklevel=2,
            )
        if shown < _SHOWN:
            warnings.warn(
                f"an epoch shows {shown:.1%} of the tokens: of longer sentences, examples of "
                f"max_seq_length={self.recipe.max_seq_length} tokens show a part alone",
                stacklevel=2,
            )
        if examples < self.recipe.batch_size:
            warnings.warn(f"an epoch has {examples} examples, fewer than batch_size={data.batch_size}", stacklevel=2)
        unknown = self.corpus.token_counts(self.config.vocab_size)[self.tokenizer.model.unk_id] / tokens
        if unknown > _UNKNOWN:
            warnings.warn(f"{unknown:.1%} of the tokens are unknown to the vocabulary, and never asked", stacklevel=2)

    def untrained_model(self) -> AlbertForPreTraining:
        """Return the model that the run starts from."""
        recipe = self.recipe
        model = AlbertForPreTraining(self.config, dtype=recipe.dtype, backend=recipe.backend, seed=recipe.seed)
        model.recompute, model.precision = recipe.recompute, recipe.precision
        model.offload = "inputs" if recipe.offload in ("inputs", "both") else "none"
        if recipe.output_bias == "frequencies":
            model.params["predictions.bias"] = model.backend.from_numpy(np.log(self.frequencies()).astype(recipe.dtype))
        return model

    def frequencies(self) -> npt.NDArray[np.float64]:
        """Return the share of each token in the training text, (V,), each counted once more so that none is 0."""
        counts = self.corpus.token_counts(self.config.vocab_size) + 1
        shares: npt.NDArray[np.float64] = counts / counts.sum()
        return shares

    def data(self) -> PretrainingData:
        """Return the batches that the run is trained on."""
        return PretrainingData(self.corpus, self.tokenizer, seed=self.recipe.seed, **self.recipe.batch_settings())

    def held_out_batches(self, max_examples: int | None = HELD_OUT_EXAMPLES) -> list[PretrainingBatch]:
        """Return the fixed batches that the run is evaluated on; none if no document was held out."""
        if self.held_out is None:
            return []
        settings = self.recipe.batch_settings()
        return held_out_batches(self.held_out, self.tokenizer, max_examples=max_examples, **settings)

    def held_out_kinds(self, max_examples: int | None = HELD_OUT_EXAMPLES) -> dict[str, list[PretrainingBatch]]:
        """Return the examples of `held_out_batches` by the number of their sentences; none if none was held out."""
        if self.held_out is None:
            return {}
        settings = self.recipe.batch_settings()
        return held_out_kinds(self.held_out, self.tokenizer, max_examples=max_examples, **settings)

    def trainer(self, on_step: Callable[[Record], None] | None = None) -> Trainer[AlbertForPreTraining]:
        """Return a trainer at the run's first step."""
        recipe = self.recipe
        model = self.untrained_model()
        optimizer = OPTIMIZERS[recipe.optimizer](
            model.params,
            model.grads,
            weight_decay=recipe.weight_decay,
            bias_correction=recipe.bias_correction,
            offload=recipe.offload in ("moments", "both"),
        )
        schedule = partial(
            SCHEDULES[recipe.schedule],
            warmup_steps=recipe.warmup_steps,
            total_steps=recipe.steps,
            peak=recipe.learning_rate,
        )
        kinds, ranks = self.held_out_kinds(), this_job()

        def evaluation(model: AlbertForPreTraining) -> Metrics:
            return evaluate_kinds(model, kinds, ranks)

        return Trainer(
            model,
            optimizer,
            schedule,
            self.data(),
            self.output,
            objective=PRETRAINING,
            accumulation=recipe.accumulation,
            max_grad_norm=recipe.max_grad_norm,
            threads=recipe.threads or 1,  # never None
            ranks=ranks,
            log_every=recipe.log_every,
            evaluate=evaluation if kinds else None,
            evaluate_every=recipe.evaluate_every,
            checkpoint_every=recipe.checkpoint_every,
            settings={"seed": recipe.seed},
            save_files=self.tokenizer.save_pretrained,
            on_step=on_step,
        )

    def train(self, on_step: Callable[[Record], None] | None = None, resume: bool = False) -> AlbertForPreTraining:
        """Train to the end, save the finished model into the run folder, and return it.

        With `resume`, go on from the latest checkpoint; a run that was killed before its first one starts anew.
        The ranks of a job train it together; each must see the run folder, and rank 0 writes into it. Raises
        BlockingIOError if another process trains it, and what `Trainer.train` and `Trainer.resume` raise.
        """
        ranks = this_job()
        with ExitStack() as held:
            ranks.on_first(lambda: held.enter_context(locked(self.output)))
            ranks.take_device(self.recipe.backend)
            trainer = ranks.together(partial(self._fresh_trainer, on_step))
            ranks.on_first(lambda: remove_leftovers(self.output))
            if ranks.told(resume and latest_checkpoint(self.output) is not None):
                trainer.resume()
            trainer.train(self.recipe.steps)
            ranks.on_first(lambda: trainer.model.save_pretrained(self.output))
        return trainer.model

    def _fresh_trainer(self, on_step: Callable[[Record], None] | None) -> Trainer[AlbertForPreTraining]:
        if not (self.output / RUN_FILE).is_file():
            raise FileNotFoundError(f"{self.output} holds no run any more: it has no {RUN_FILE}")
        return self.trainer(on_step)

    def metrics(self) -> list[Record]:
        """Return the records of metrics.jsonl; none before the first is written."""
        path = self.output / "metrics.jsonl"
        return read_metrics(path) if path.exists() else []

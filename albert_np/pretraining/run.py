"""A pretraining run, from texts to a saved model: a folder that holds all it needs to be resumed.

run.json          configuration, recipe, and what the texts were
spiece.model …    the tokenizer
corpus/           token ids of the training and the held-out documents, memory-mapped
metrics.jsonl     one record a line
checkpoints/      see `checkpoints.runs`
config.json, model.safetensors    the finished model, a Hugging Face folder
"""

import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from albert_np.checkpoints import CONFIG_FILE, latest_checkpoint
from albert_np.config import AlbertConfig
from albert_np.execution import available_threads
from albert_np.files import read_json, write_json
from albert_np.model import RECOMPUTE, AlbertForPreTraining
from albert_np.pretraining.batches import PretrainingBatch, PretrainingData, check_settings, held_out_batches
from albert_np.pretraining.corpus import TokenizedCorpus
from albert_np.pretraining.documents import is_held_out
from albert_np.pretraining.objective import PRETRAINING
from albert_np.tokenization import AlbertTokenizer, train_vocabulary
from albert_np.training import (
    LAMB,
    AdamW,
    Metrics,
    Record,
    Trainer,
    evaluate,
    google_schedule,
    read_metrics,
    warmup_linear,
)

__all__ = ["PretrainingRun", "Progress", "Recipe", "prepare_run"]

OPTIMIZERS = {"lamb": LAMB, "adamw": AdamW}
SCHEDULES = {"linear": warmup_linear, "google": google_schedule}
RUN_FILE = "run.json"
_OF_OTHERS = (CONFIG_FILE, "model.safetensors", "finetuning.json", "metrics.jsonl", "checkpoints")  # not to write over
HELD_OUT_EXAMPLES = 512  # evaluated on at most

Documents = Callable[[], Iterable[Sequence[str]]]  # each call reads the texts from the start
Progress = Callable[[str], None]  # is told what is being done


@dataclass(frozen=True)
class Recipe:
    """How to train: everything but the texts and the model's shape. Sequences, tokens and updates are counts.

    optimizer: "lamb" or "adamw"; bias_correction=False is Google's form of both. schedule: "linear" or "google", see
    `training.schedules`. pairs: "order" (SOP), "next" (BERT's NSP) or "none", see `make_pair`.
    max_predictions_per_seq: None masks as many as `masked_lm_prob` asks for. threads: worker threads on NumPy, None
    for all processors; part of the recipe, because it decides the last bits of every sum.
    recompute: "layer" trains with the memory of about one layer step, for more time; see `recompute` of the models.
    """

    steps: int
    batch_size: int = 32
    max_seq_length: int = 128
    accumulation: int = 1
    optimizer: str = "lamb"
    learning_rate: float = 5e-3
    warmup_steps: int = 0
    schedule: str = "linear"
    weight_decay: float = 0.01
    bias_correction: bool = True
    max_grad_norm: float = 1.0
    masked_lm_prob: float = 0.15
    max_ngram: int = 3
    pairs: str = "order"
    max_predictions_per_seq: int | None = None
    short_seq_prob: float = 0.1
    log_every: int = 10
    evaluate_every: int = 200
    checkpoint_every: int = 200
    seed: int = 0
    dtype: str = "float32"
    backend: str = "numpy"
    threads: int | None = None
    recompute: str = "none"

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer={self.optimizer!r}: allowed are {', '.join(OPTIMIZERS)}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule={self.schedule!r}: allowed are {', '.join(SCHEDULES)}")
        if self.recompute not in RECOMPUTE:
            raise ValueError(f"recompute={self.recompute!r}: allowed are {', '.join(RECOMPUTE)}")
        if self.threads is None:
            object.__setattr__(self, "threads", available_threads() if self.backend == "numpy" else 1)
        for name in ("steps", "accumulation", "log_every", "evaluate_every", "checkpoint_every", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if not 0 <= self.warmup_steps < self.steps:
            raise ValueError(f"warmup_steps={self.warmup_steps} must lie in [0, steps={self.steps})")
        for name in ("learning_rate", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be finite and not negative")
        if not self.max_grad_norm > 0:
            raise ValueError(f"max_grad_norm={self.max_grad_norm} must be positive")
        check_settings(seed=self.seed, **self.batch_settings())

    def batch_settings(self) -> dict[str, Any]:
        """Return what `PretrainingData` and `held_out_batches` take, but for the seed."""
        names = "batch_size max_seq_length masked_lm_prob max_ngram pairs max_predictions_per_seq short_seq_prob"
        return {name: getattr(self, name) for name in names.split()}


def prepare_run(
    output: Path,
    documents: Documents,
    source: Any,
    config: AlbertConfig,
    recipe: Recipe,
    *,
    vocabulary: Path | None = None,
    vocab_size: int = 30000,
    held_out: float = 0.05,
    report: Progress = lambda what: None,
) -> "PretrainingRun":
    """Make a run folder: the vocabulary, the tokenized texts, and, last, run.json.

    documents: reads the texts anew at each call; source: what tells them from others, as JSON can hold it.
    vocabulary: a spiece.model to use; without one, `vocab_size` pieces are learned from the training documents.
    held_out: share of the documents kept for evaluation. The configuration's vocabulary size becomes that of the
    vocabulary. FileExistsError if there is a run or a model already; ValueError if an argument or the texts do not fit.
    """
    if (output / RUN_FILE).exists():
        raise FileExistsError(f"{output} already holds a run: resume it or choose another folder")
    if held := [name for name in _OF_OTHERS if (output / name).exists()]:
        raise FileExistsError(f"{output} already holds {held[0]}, of a model or another run: choose another folder")
    if recipe.max_seq_length > config.max_position_embeddings:
        raise ValueError(
            f"max_seq_length={recipe.max_seq_length}, but max_position_embeddings={config.max_position_embeddings}"
        )
    if not 0 <= held_out < 1:
        raise ValueError(f"held_out={held_out} must lie in [0, 1)")
    output.mkdir(parents=True, exist_ok=True)

    def part(want_held_out: bool) -> Iterable[Sequence[str]]:
        return (d for d in documents() if is_held_out(d, held_out) == want_held_out)

    if vocabulary is None:
        report("learning a vocabulary")
        tokenizer = train_vocabulary((s for d in part(False) for s in d), output / "spiece.model", vocab_size)
    else:
        tokenizer = AlbertTokenizer(vocabulary)
    tokenizer.save_pretrained(output)
    report("tokenizing")
    TokenizedCorpus.build(output / "corpus" / "train", part(False), tokenizer, source)
    shutil.rmtree(output / "corpus" / "held_out", ignore_errors=True)
    if any(True for _ in part(True)):
        TokenizedCorpus.build(output / "corpus" / "held_out", part(True), tokenizer, source)
    config = replace(config, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    contents = {"config": config.to_dict(), "recipe": asdict(recipe), "source": source}
    write_json(output / RUN_FILE, contents)
    return PretrainingRun(output)


class PretrainingRun:
    """A prepared run folder, opened: train it, resume it, evaluate it."""

    def __init__(self, output: str | Path):
        """Open `output`; FileNotFoundError if it holds no run, ValueError if its run.json is damaged."""
        self.output = Path(output)
        path = self.output / RUN_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{self.output} holds no run: it has no {RUN_FILE}")
        try:
            contents = read_json(path)
            self.config = AlbertConfig.from_dict(contents["config"])
            self.recipe = Recipe(**contents["recipe"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error!r}") from error
        self.tokenizer = AlbertTokenizer.from_pretrained(self.output)
        self.corpus = TokenizedCorpus.open(self.output / "corpus" / "train")
        folder = self.output / "corpus" / "held_out"
        self.held_out = TokenizedCorpus.open(folder) if folder.exists() else None

    def untrained_model(self) -> AlbertForPreTraining:
        """Return the model that the run starts from."""
        recipe = self.recipe
        model = AlbertForPreTraining(self.config, dtype=recipe.dtype, backend=recipe.backend, seed=recipe.seed)
        model.recompute = recipe.recompute
        return model

    def held_out_batches(self, max_examples: int | None = HELD_OUT_EXAMPLES) -> list[PretrainingBatch]:
        """Return the fixed batches that the run is evaluated on; none if no document was held out."""
        if self.held_out is None:
            return []
        settings = self.recipe.batch_settings()
        return held_out_batches(self.held_out, self.tokenizer, max_examples=max_examples, **settings)

    def trainer(self, on_step: Callable[[Record], None] | None = None) -> Trainer[AlbertForPreTraining]:
        """Return a trainer at the run's first step."""
        recipe = self.recipe
        model = self.untrained_model()
        optimizer = OPTIMIZERS[recipe.optimizer](
            model.params, model.grads, weight_decay=recipe.weight_decay, bias_correction=recipe.bias_correction
        )
        schedule = partial(
            SCHEDULES[recipe.schedule],
            warmup_steps=recipe.warmup_steps,
            total_steps=recipe.steps,
            peak=recipe.learning_rate,
        )
        batches = self.held_out_batches()

        def evaluation(model: AlbertForPreTraining) -> Metrics:
            return evaluate(model, batches, PRETRAINING)

        return Trainer(
            model,
            optimizer,
            schedule,
            PretrainingData(self.corpus, self.tokenizer, seed=recipe.seed, **self.recipe.batch_settings()),
            self.output,
            objective=PRETRAINING,
            accumulation=recipe.accumulation,
            max_grad_norm=recipe.max_grad_norm,
            threads=recipe.threads or 1,
            log_every=recipe.log_every,
            evaluate=evaluation if batches else None,
            evaluate_every=recipe.evaluate_every,
            checkpoint_every=recipe.checkpoint_every,
            settings={"seed": recipe.seed},
            save_files=self.tokenizer.save_pretrained,
            on_step=on_step,
        )

    def train(self, on_step: Callable[[Record], None] | None = None, resume: bool = False) -> AlbertForPreTraining:
        """Train to the end, save the finished model into the run folder, and return it.

        With `resume`, go on from the latest checkpoint; a run that was killed before its first one starts anew.
        Raises what `Trainer.train` and `Trainer.resume` raise.
        """
        trainer = self.trainer(on_step)
        if resume and latest_checkpoint(self.output) is not None:
            trainer.resume()
        trainer.train(self.recipe.steps)
        trainer.model.save_pretrained(self.output)
        return trainer.model

    def metrics(self) -> list[Record]:
        """Return the records of metrics.jsonl; none before the first is written."""
        path = self.output / "metrics.jsonl"
        return read_metrics(path) if path.exists() else []

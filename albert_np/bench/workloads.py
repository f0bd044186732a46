"""What is measured: a batch, and how much of it has to be computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.model import AlbertBase, AlbertForPreTraining, AlbertModel
from albert_np.ops import IGNORE_INDEX

__all__ = ["SENTENCE_LENGTHS", "Workload", "forward_workload", "model_class", "step_workload"]

LABELLED = 0.15  # share of the tokens that pretraining asks for

# Tokens of 32 sentences, [CLS] and [SEP] among them: drawn with `default_rng(0)` from the 21,294 that `python_prose`
# makes of Python 3.11.7 and NumPy 2.4.6, cut with the released vocabulary. Of all of them the mean is 20, the median
# 17, the longest 129.
SENTENCE_LENGTHS = (
    *(41, 32, 9, 20, 13, 12, 24, 20, 14, 12, 12, 12, 13, 17, 9, 19),
    *(35, 17, 23, 16, 14, 38, 9, 19, 15, 24, 13, 24, 11, 8, 19, 11),
)


@dataclass(frozen=True)
class Workload:
    """A batch and the work to do on it.

    work: "forward" (`AlbertModel`, nothing kept for a backward pass) or "step" (`AlbertForPreTraining`, the loss and
        all gradients).
    batch: the model's arguments, arrays (B, T) or (B,).
    practical: albert_np leaves out what no loss reads: padding, and without a label the logits and the last step's
        feed-forward part. Otherwise the batch is such that everybody has to compute everything.
    """

    config: AlbertConfig
    work: str
    batch: dict[str, np.ndarray]
    practical: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """B, T."""
        B, T = self.batch["input_ids"].shape
        return B, T

    @property
    def tokens(self) -> int:
        """The number of real tokens."""
        return int(self.batch["attention_mask"].sum())

    @property
    def labelled(self) -> int:
        """The number of positions with a label."""
        return int((self.batch["labels"] != IGNORE_INDEX).sum()) if "labels" in self.batch else 0

    @property
    def read(self) -> int | None:
        """The number of positions where a practical step's losses read the last hidden state; None: all are wanted."""
        if not self.practical or self.work != "step":
            return None
        read = self.batch["labels"] != IGNORE_INDEX
        read[:, 0] = True
        return int(read.sum())

    @property
    def left_out(self) -> list[str]:
        """What a practical pass has no need to compute."""
        B, T = self.shape
        padding = self.tokens < B * T
        unlabelled = self.work == "step" and self.labelled < B * T
        return ["the padding"] * padding + ["the logits and the last feed-forward where there is no label"] * unlabelled

    @property
    def title(self) -> str:
        B, T = self.shape
        ragged = " ragged" if self.tokens < B * T else ""
        return f"{self.work} {B}x{T}{ragged}, {'practical' if self.practical else 'like for like'}"

    @property
    def description(self) -> str:
        """What is compared, in words."""
        B, T = self.shape
        ragged = f"{B} sentences padded to {T} tokens, {self.tokens / (B * T):.0%} of them real"
        batch = ragged if self.tokens < B * T else f"{B} sequence{'s'[: B - 1]} of {T} tokens"
        if self.work == "forward":
            work, computed = "AlbertModel, forward", "every position"
        else:
            work = "AlbertForPreTraining, forward and backward"
            computed = "every position and, as each has a label, its logits"
            batch += f"; {self.labelled / self.tokens:.0%} have a label" if self.practical else ""
        if self.practical:
            return f"{work}: {batch}. albert_np leaves out {' and '.join(self.left_out)}; the others compute them."
        return f"{work}: {batch}. All compute {computed}."


def model_class(work: str) -> type[AlbertBase]:
    """Return the class of the models that do this work."""
    return {"forward": AlbertModel, "step": AlbertForPreTraining}[work]


def forward_workload(config: AlbertConfig, lengths: Sequence[int], practical: bool = False, seed: int = 0) -> Workload:
    """Return a forward pass over sequences of these lengths, padded to the longest."""
    return Workload(config, "forward", _inputs(config, lengths, np.random.default_rng(seed)), practical)


def step_workload(config: AlbertConfig, lengths: Sequence[int], practical: bool = False, seed: int = 0) -> Workload:
    """Return a pretraining step over sequences of these lengths, padded to the longest.

    `practical` labels 15 % of the real tokens; otherwise every position has a label, padding too.
    """
    rng = np.random.default_rng(seed)
    inputs = _inputs(config, lengths, rng)
    labels = rng.integers(0, config.vocab_size, inputs["input_ids"].shape)
    if practical:
        real = np.flatnonzero(inputs["attention_mask"])
        asked = rng.choice(real, max(1, round(LABELLED * real.size)), replace=False)
        chosen = np.isin(np.arange(labels.size), asked).reshape(labels.shape)
        labels = np.where(chosen, labels, IGNORE_INDEX)
    orders = rng.integers(0, 2, len(lengths))
    return Workload(config, "step", {**inputs, "labels": labels, "sentence_order_label": orders}, practical)


def _inputs(config: AlbertConfig, lengths: Sequence[int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    longest, limit = max(lengths), config.max_position_embeddings
    if not 1 <= min(lengths) <= longest <= limit:
        raise ValueError(
            f"sequences of {min(lengths)} to {longest} tokens: allowed are 1 to {limit}, the model's positions"
        )
    places, ends = np.arange(longest), np.array(lengths)[:, None]
    real = places < ends  # (B, T)
    ids = rng.integers(1, config.vocab_size, real.shape)
    return {
        "input_ids": np.where(real, ids, config.pad_token_id or 0),
        "attention_mask": real.astype(np.int64),
        "token_type_ids": (real & (places >= ends // 2)).astype(np.int64),
    }

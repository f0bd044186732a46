"""Small models of every class, with a batch that has a loss: passes to record."""

from typing import Any

import numpy as np

from albert_np import model as models
from albert_np.config import AlbertConfig

V, B, T = 23, 2, 5
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
CLASSES = list(models.model_classes())
MODES = ["whole", "masked", "skipped"]


def model(name: str, changes: dict[str, Any]) -> Any:
    """A model in float64 with random weights; in training mode where anything can be dropped."""
    sizes = {
        "vocab_size": V, "embedding_size": 6, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 12, "max_position_embeddings": 9, "num_labels": 2,
    }  # fmt: skip
    made = getattr(models, name)(AlbertConfig(**{**sizes, **changes}), dtype="float64", seed=3)
    return made.train() if "hidden_dropout_prob" in changes else made.eval()


def batch(name: str, mode: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call: two sequences, whole, or one masked at its end, or that end not computed at all."""
    rng = np.random.default_rng(1)
    choices = name == "AlbertForMultipleChoice"
    labels = np.full((B, T), -100)
    labels[0, 1], labels[1, 2], labels[0, 4] = 7, 9, 3
    span = {"start_positions": np.array([1, 0]), "end_positions": np.array([2, 1])}
    classes = {1: np.array([0.5, -1.0]), 3: np.array([[1.0, 0, 1], [0, 0, 1]])}
    asked = {
        "AlbertModel": {},
        "AlbertForPreTraining": {"labels": labels, "sentence_order_label": np.array([0, 1])},
        "AlbertForMaskedLM": {"labels": labels},
        "AlbertForSequenceClassification": {"labels": classes.get(changes.get("num_labels", 2), np.array([1, 0]))},
        "AlbertForTokenClassification": {"labels": np.where(labels >= 0, labels % 2, -100)},
        "AlbertForMultipleChoice": {"labels": np.array([2, 0])},
        "AlbertForQuestionAnswering": span,
        "AlbertForQuestionAnsweringV2": {**span, "is_impossible": np.array([0, 1])},
    }[name]
    ids = rng.integers(5, V, (B, 3, T) if choices else (B, T))
    if mode == "whole":
        return {"input_ids": ids, **asked}
    mask = np.stack([MASK] * 3, axis=1) if choices else MASK
    return {"input_ids": ids, **asked, "attention_mask": mask, "skip_padding": mode == "skipped"}


def upstream(made: Any, out: Any) -> dict[str, np.ndarray]:
    """What a bare model is given to go back from: the same random numbers as `explore` takes; else nothing."""
    if getattr(out, "loss", None) is not None:
        return {}
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(getattr(out, name).shape) for name in ("last_hidden_state", "pooler_output")}

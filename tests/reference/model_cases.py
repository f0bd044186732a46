"""The cases whose PyTorch values are committed, made without random generators so that they never change."""

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.gradcheck import randomize
from albert_np.model import (
    AlbertForMaskedLM,
    AlbertForMultipleChoice,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
)

SIZES = {
    "vocab_size": 13,
    "embedding_size": 5,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 6,
    "num_hidden_layers": 2,
    "classifier_dropout_prob": 0.0,
}
TRUNK = {
    "input_ids": np.array([[2, 7, 7, 5, 3, 1], [2, 7, 12, 3, 0, 0]]),
    "attention_mask": np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]]),
    "token_type_ids": np.array([[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0]]),
}
LABELS = {"labels": np.array([[-100, 7, -100, 9, -100, -100], [-100, -100, 7, -100, -100, -100]])}
ORDER = {"sentence_order_label": np.array([1, 0])}

CASES = {
    "model_gelu_new": (AlbertModel, {}, TRUNK),
    "model_gelu_groups_3_inner_2": (
        AlbertModel,
        {"hidden_act": "gelu", "num_hidden_layers": 3, "num_hidden_groups": 3, "inner_group_num": 2},
        TRUNK,
    ),
    "pretraining_gelu_new": (AlbertForPreTraining, {"num_hidden_layers": 3}, TRUNK | LABELS | ORDER),
    "pretraining_relu_groups_2": (
        AlbertForPreTraining,
        {"hidden_act": "relu", "num_hidden_layers": 4, "num_hidden_groups": 2},
        TRUNK | LABELS | ORDER,
    ),
    "pretraining_sharing_attention": (AlbertForPreTraining, {"sharing": "attention"}, TRUNK | LABELS | ORDER),
    "pretraining_sharing_ffn": (AlbertForPreTraining, {"sharing": "ffn"}, TRUNK | LABELS | ORDER),
    "single_label": (AlbertForSequenceClassification, {"num_labels": 3}, TRUNK | {"labels": np.array([2, 0])}),
    "regression": (AlbertForSequenceClassification, {"num_labels": 1}, TRUNK | {"labels": np.array([0.5, -2.0])}),
    "multi_label": (
        AlbertForSequenceClassification,
        {"num_labels": 3},
        TRUNK | {"labels": np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])},
    ),
    "tokens": (
        AlbertForTokenClassification,
        {"num_labels": 4},
        TRUNK | {"labels": np.array([[-100, 1, 3, 0, 0, -100], [-100, 2, 2, -100, -100, -100]])},
    ),
    "answers": (
        AlbertForQuestionAnswering,
        {},
        TRUNK | {"start_positions": np.array([2, 6]), "end_positions": np.array([4, -1])},
    ),
    "choices": (
        AlbertForMultipleChoice,
        {},
        {name: value[None] for name, value in TRUNK.items()} | {"labels": np.array([1])},
    ),
    "masked_lm_gelu_inner_2": (AlbertForMaskedLM, {"hidden_act": "gelu", "inner_group_num": 2}, TRUNK | LABELS),
}


def make(name, dtype="float64"):
    """Return the model and the inputs of a case."""
    cls, changes, inputs = CASES[name]
    return randomize(cls(AlbertConfig(**{**SIZES, **changes}), dtype=dtype)), inputs

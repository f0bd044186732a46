"""The cases whose PyTorch values are committed, made without random generators so that they never change."""

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel
from albert_np.verify import randomize

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
    "masked_lm_gelu_inner_2": (AlbertForMaskedLM, {"hidden_act": "gelu", "inner_group_num": 2}, TRUNK | LABELS),
}


def make(name, dtype="float64"):
    """Return the model and the inputs of a case."""
    cls, changes, inputs = CASES[name]
    return randomize(cls(AlbertConfig(**{**SIZES, **changes}), dtype=dtype)), inputs

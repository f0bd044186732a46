"""What stands in the committed TensorFlow checkpoints, without TensorFlow and without random generators."""

import hashlib
import math

import numpy as np

# Google's keys, as in albert_config.json.
SIZES = {
    "vocab_size": 29,
    "embedding_size": 6,
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_hidden_groups": 1,
    "inner_group_num": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 10,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0,
    "attention_probs_dropout_prob": 0,
    "initializer_range": 0.02,
    "net_structure_type": 0,
}
GROUPS = {"num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2, "hidden_act": "relu"}

# Folder → the prefix of its files, what SIZES are changed to, and how it was made.
CASES = {
    "pretraining": ("model.ckpt-best", {}, {"head": "pretraining", "moments": True}),
    "three_shards": ("model.ckpt-best", {}, {"head": "pretraining", "shards": 3}),
    "bfloat16": ("model.ckpt-7", {}, {"dtype": "bfloat16"}),
    "float16": ("model.ckpt-7", {}, {"dtype": "float16"}),
    "float64": ("model.ckpt-7", {}, {"dtype": "float64"}),
    "module": ("variables/variables", GROUPS, {"head": "pretraining", "scope": "module/", "shards": 2}),
    "glue": ("model.ckpt-9", {}, {"head": "glue", "moments": True}),
    "squad1": ("model.ckpt-9", {}, {"head": "squad1", "scope": "module/"}),
    "squad2": ("model.ckpt-9", {}, {"head": "squad2"}),
    "equal_sizes": ("model.ckpt-best", {"embedding_size": 8}, {}),
    "layer_normalization": ("model.ckpt-9", {}, {"keras_layer_norm": True}),
}
LABELS = 3  # of the head of "glue"
MANY = 200  # variables in many_blocks, whose index has more than one block


def numbers(name: str, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Return numbers in [-1, 1) that follow from a variable's name; those of bfloat16 as the equal float32."""
    raw = np.frombuffer(hashlib.shake_128(name.encode()).digest(2 * math.prod(shape)), "<i2").reshape(shape)
    values = raw.astype(np.float32) / 2**15
    if dtype == "bfloat16":
        return (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    return values.astype(dtype)


def many_names() -> list[str]:
    """Return names so long that a block of the index, 256 KiB, does not hold them all."""
    return [f"v{i:03}/" + "scope/" * 250 + "kernel" for i in range(MANY)]

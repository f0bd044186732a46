"""The SQuAD 2 case whose PyTorch values are committed, made without random generators so that it never changes."""

import numpy as np
from reference import model_cases

from albert_np.config import AlbertConfig
from albert_np.gradcheck import randomize
from albert_np.model import AlbertForQuestionAnsweringV2

INPUTS = {
    **model_cases.TRUNK,
    "p_mask": np.array([[0, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 1]]),
    "start_positions": np.array([3, 0]),
    "end_positions": np.array([5, 0]),
    "is_impossible": np.array([0, 1]),
}
BEAM = 2  # as many positions as each row allows


def make(dtype="float64"):
    """Return the model and the inputs: an answer after a question, and padding after a text without one."""
    config = AlbertConfig(**{**model_cases.SIZES, "num_hidden_layers": 4, "num_hidden_groups": 2})
    return randomize(AlbertForQuestionAnsweringV2(config, dtype=dtype)), INPUTS

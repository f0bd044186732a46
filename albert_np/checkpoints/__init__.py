"""Readers and writers of weights in other libraries' formats."""

from albert_np.checkpoints.runs import (
    CheckpointError,
    find_model,
    latest_checkpoint,
    remove_leftovers,
    save_checkpoint,
    verify_checkpoint,
)
from albert_np.checkpoints.source import Checkpoint, open_checkpoint

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "find_model",
    "latest_checkpoint",
    "open_checkpoint",
    "remove_leftovers",
    "save_checkpoint",
    "verify_checkpoint",
]

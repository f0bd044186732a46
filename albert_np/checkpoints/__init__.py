"""Readers and writers of weights in other libraries' formats."""

from albert_np.checkpoints.source import Checkpoint, open_checkpoint

__all__ = ["Checkpoint", "open_checkpoint"]

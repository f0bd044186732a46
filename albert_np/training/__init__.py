"""Optimizers, schedules, and a training loop that knows nothing of what it trains for."""

from albert_np.checkpoints import (
    CheckpointError,
    latest_checkpoint,
    remove_leftovers,
    save_checkpoint,
    verify_checkpoint,
)
from albert_np.training.interrupts import TrainingInterrupted
from albert_np.training.loss_scale import LossScale
from albert_np.training.metrics import MetricsLog, Record, read_metrics
from albert_np.training.nonfinite import NonFiniteError, first_nonfinite
from albert_np.training.objective import Batch, Metrics, Objective, evaluate
from albert_np.training.optimizers import LAMB, AdamW, clip_by_global_norm, global_norm
from albert_np.training.schedules import constant, google_schedule, scale_learning_rate, warmup_linear
from albert_np.training.state import TrainerState
from albert_np.training.trainer import Data, Trainer

__all__ = [
    "LAMB",
    "AdamW",
    "Batch",
    "CheckpointError",
    "Data",
    "LossScale",
    "Metrics",
    "MetricsLog",
    "NonFiniteError",
    "Objective",
    "Record",
    "Trainer",
    "TrainerState",
    "TrainingInterrupted",
    "clip_by_global_norm",
    "constant",
    "evaluate",
    "first_nonfinite",
    "global_norm",
    "google_schedule",
    "latest_checkpoint",
    "read_metrics",
    "remove_leftovers",
    "save_checkpoint",
    "scale_learning_rate",
    "verify_checkpoint",
    "warmup_linear",
]

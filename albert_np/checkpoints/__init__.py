"""Models as files: Hugging Face folders, PyTorch's and TensorFlow's formats, the hub, and checkpoints of runs."""

from albert_np.checkpoints.hub import resolve
from albert_np.checkpoints.huggingface import CONFIG_FILE, Checkpoint, write_folder
from albert_np.checkpoints.opening import open_checkpoint
from albert_np.checkpoints.runs import (
    MANIFEST,
    CheckpointError,
    find_model,
    latest_checkpoint,
    remove_leftovers,
    remove_older,
    save_checkpoint,
    verify_checkpoint,
)
from albert_np.checkpoints.safetensors_files import read_safetensors

__all__ = [
    "CONFIG_FILE",
    "MANIFEST",
    "Checkpoint",
    "CheckpointError",
    "find_model",
    "latest_checkpoint",
    "open_checkpoint",
    "read_safetensors",
    "remove_leftovers",
    "remove_older",
    "resolve",
    "save_checkpoint",
    "verify_checkpoint",
    "write_folder",
]

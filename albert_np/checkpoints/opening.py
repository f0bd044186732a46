"""Opening a checkpoint of any kind."""

from pathlib import Path

from albert_np.checkpoints.hub import resolve
from albert_np.checkpoints.huggingface import CONFIG_FILE, Checkpoint, read_folder
from albert_np.checkpoints.tensorflow import find_tensorflow, read_tensorflow
from albert_np.files import given

__all__ = ["open_checkpoint"]


def open_checkpoint(
    source: str | Path, revision: str | None = None, config_path: str | Path | None = None
) -> Checkpoint:
    """Read a checkpoint of any kind.

    source: a Hugging Face folder; a TensorFlow checkpoint, by its prefix or its folder, or a TF-Hub module; or a name
    on the model hub, of which `revision` picks a branch, tag or commit. config_path: the albert_config.json of a
    TensorFlow checkpoint, where it does not lie beside it; ValueError with any other. Raises what `hub.resolve`,
    `read_folder` and `read_tensorflow` raise.
    """
    if not (given(source) / CONFIG_FILE).is_file() and find_tensorflow(source) is not None:
        return read_tensorflow(source, config_path)
    if config_path is not None:
        raise ValueError(f"config_path={str(config_path)!r} goes with a TensorFlow checkpoint, and {source} is none")
    return read_folder(resolve(source, revision))

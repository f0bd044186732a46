"""One door to every kind of checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_np.checkpoints.hub import resolve
from albert_np.checkpoints.huggingface import CONFIG_FILE, read_config, read_weights
from albert_np.checkpoints.tensorflow import find_tensorflow, read_tensorflow
from albert_np.config import AlbertConfig

__all__ = ["Checkpoint", "open_checkpoint"]


class Checkpoint(NamedTuple):
    """A model as it was stored: weights under Hugging Face's names, and what its reader wants said."""

    kind: str  # "Hugging Face" or "TensorFlow"
    source: Path  # the folder, with the tokenizer in it if there is one
    config: AlbertConfig
    weights: dict[str, np.ndarray]
    remarks: Sequence[str]


def open_checkpoint(
    source: str | Path, revision: str | None = None, config_path: str | Path | None = None
) -> Checkpoint:
    """Read a checkpoint of any kind.

    source: a Hugging Face folder; a TensorFlow checkpoint, by its prefix or its folder, or a TF-Hub module; or a name
    on the model hub, of which `revision` picks a branch, tag or commit. config_path: the albert_config.json of a
    TensorFlow checkpoint, where it does not lie beside it. Raises what `hub.resolve`, `read_config`, `read_weights`
    and `read_tensorflow` raise.
    """
    prefix = None if (Path(source) / CONFIG_FILE).is_file() else find_tensorflow(source)
    if prefix is not None:
        config, weights, prefix, remarks = read_tensorflow(prefix, config_path)
        folder = prefix.parent.parent if prefix.parent.name == "variables" else prefix.parent
        return Checkpoint("TensorFlow", folder, config, weights, remarks)
    folder = resolve(source, revision)
    return Checkpoint("Hugging Face", folder, read_config(folder), read_weights(folder), ())

"""Hugging Face folders: config.json beside model.safetensors."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from albert_np.config import AlbertConfig

__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "read_config", "read_weights", "write_folder"]

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


def read_config(folder: str | Path) -> AlbertConfig:
    """Read `folder`/config.json; FileNotFoundError names what is missing."""
    return AlbertConfig.from_json_file(_existing(Path(folder), CONFIG_FILE))


def read_weights(folder: str | Path) -> dict[str, np.ndarray]:
    """Read every tensor of `folder`/model.safetensors; ValueError names a file that is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = _existing(Path(folder), WEIGHTS_FILE)
    try:
        return load_file(path)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from error


def write_folder(
    folder: str | Path, config: AlbertConfig, architecture: str, weights: Mapping[str, np.ndarray]
) -> None:
    """Write config.json and model.safetensors, each whole or not at all. The folder is made if it is missing."""
    from safetensors.numpy import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    dtype = next(iter(weights.values())).dtype.name
    values = {**config.to_dict(), "architectures": [architecture], "dtype": dtype}
    values.pop("torch_dtype", None)  # the old spelling of dtype
    arrays = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    with _whole(folder / WEIGHTS_FILE) as partial:
        save_file(arrays, partial, metadata={"format": "pt"})
    with _whole(folder / CONFIG_FILE) as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _existing(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    if not (folder / name).is_file():
        raise FileNotFoundError(f"{folder} holds no {name}: a Hugging Face folder has {CONFIG_FILE} and {WEIGHTS_FILE}")
    return folder / name


class _whole:
    """`with _whole(path) as partial:` write to `partial`; it becomes `path` only if the block succeeds."""

    def __init__(self, path: Path):
        self.path = path
        self.partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> Path:
        return self.partial

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None:
            os.replace(self.partial, self.path)
        else:
            self.partial.unlink(missing_ok=True)

"""Hugging Face folders: config.json beside the weights, in one file or in several with an index."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from albert_np.checkpoints.safetensors_files import itemsize, read_safetensors, write_safetensors
from albert_np.checkpoints.shards import INDEX_FILE, read_shards, write_shards
from albert_np.checkpoints.torch_files import read_torch_file
from albert_np.config import AlbertConfig

__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "read_config", "read_weights", "write_folder"]

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

# Where weights are looked for, in this order, and what reads them; an index says which of several files holds which.
_READERS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    WEIGHTS_FILE: read_safetensors,
    INDEX_FILE: lambda index: read_shards(index, read_safetensors),
    "pytorch_model.bin": read_torch_file,
    "pytorch_model.bin.index.json": lambda index: read_shards(index, read_torch_file),
}
_WRITTEN = re.compile(r"model(-\d+-of-\d+)?\.safetensors(\.index\.json)?")
_LAYER_NORM = re.compile(r"(.*(?:LayerNorm|layer_norm)\.)(gamma|beta)")
_BUFFERS = (".position_ids", ".token_type_ids")  # constants that older versions stored too


def read_config(folder: str | Path) -> AlbertConfig:
    """Read `folder`/config.json; FileNotFoundError names what is missing."""
    path = _existing(folder) / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no {CONFIG_FILE}")
    return AlbertConfig.from_json_file(path)


def read_weights(folder: str | Path) -> dict[str, np.ndarray]:
    """Return name → array of all weights in a folder: safetensors or else PyTorch's format, one file or several.

    Arrays are read-only views of memory maps, in the type they are stored in, bfloat16 widened to float32. LayerNorm's
    old gamma and beta are named weight and bias. Raises FileNotFoundError if there are no weights; ValueError, naming
    the file, if one is damaged or holds anything but tensors. Nothing in a file is ever executed.
    """
    folder = _existing(folder)
    for name, read in _READERS.items():
        if (folder / name).is_file():
            return _with_current_names(read(folder / name), folder / name)
    raise FileNotFoundError(f"{folder} holds no {' nor '.join(_READERS)}{_hint(folder)}")


def _existing(folder: str | Path) -> Path:
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    return Path(folder)


def _hint(folder: Path) -> str:
    if any(folder.glob("*.index")):
        return "; its TensorFlow checkpoint is turned into such a folder by `albert-np convert`"
    for name in ("tf_model.h5", "flax_model.msgpack"):
        if (folder / name).exists():
            return f"; {name} is not read: load it with Hugging Face's transformers 4 and save it from there"
    return ""


def _with_current_names(weights: Mapping[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    current: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if name.endswith(_BUFFERS):
            continue
        if old := _LAYER_NORM.fullmatch(name):
            name = old[1] + {"gamma": "weight", "beta": "bias"}[old[2]]
        if name in current:
            raise ValueError(f"{source} holds {name} twice, under its old and its new name")
        current[name] = array
    return current


def write_folder(
    folder: str | Path,
    config: AlbertConfig,
    architecture: str,
    weights: Mapping[str, np.ndarray],
    dtype: str | None = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Write config.json and the weights as Hugging Face does. The folder is made if it is missing.

    dtype: "float64", "float32", "float16" or "bfloat16"; that of the weights by default. max_shard_bytes: cut the
    weights into files of at most that size, and write an index. Files appear only when all are written whole; those of
    an earlier layout go. ValueError, naming the tensor, if a number is too large for `dtype`.
    """
    if max_shard_bytes is not None and max_shard_bytes < 1:
        raise ValueError(f"max_shard_bytes={max_shard_bytes}: must be at least 1, or None for one file")
    dtype = dtype or next(iter(weights.values())).dtype.name
    values = {**config.to_dict(), "architectures": [architecture], "dtype": dtype}
    values.pop("torch_dtype", None)  # the old spelling of dtype
    size = itemsize(dtype) * sum(array.size for array in weights.values())
    with _staging(Path(folder)) as staging:
        if max_shard_bytes is None or size <= max_shard_bytes:
            write_safetensors(staging / WEIGHTS_FILE, weights, dtype)
        else:
            write_shards(staging, weights, dtype, max_shard_bytes)
        (staging / CONFIG_FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder to write into; its files move into `folder` only if the block succeeds."""
    hidden = folder / ".partial"
    shutil.rmtree(hidden, ignore_errors=True)  # what a killed process left
    hidden.mkdir(parents=True)
    try:
        yield hidden
        _publish(hidden, folder)
    finally:
        shutil.rmtree(hidden)


def _publish(hidden: Path, folder: Path) -> None:
    new = {path.name for path in hidden.iterdir()}
    stale = [path for path in folder.iterdir() if _WRITTEN.fullmatch(path.name) and path.name not in new]
    if INDEX_FILE in new:  # without its index, a half-replaced set of files cannot be read as one model
        (folder / INDEX_FILE).unlink(missing_ok=True)
    for name in sorted(new, key=lambda name: name == INDEX_FILE):
        os.replace(hidden / name, folder / name)
    for path in stale:
        path.unlink()

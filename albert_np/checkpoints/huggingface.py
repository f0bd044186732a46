"""Hugging Face folders: config.json beside the weights, in one file or in several with an index."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_np.checkpoints.safetensors_files import itemsize, read_safetensors, write_safetensors
from albert_np.checkpoints.torch_files import read_torch_file
from albert_np.config import AlbertConfig
from albert_np.files import read_json, whole_files, write_json
from albert_np.schema import listed, text

__all__ = ["CONFIG_FILE", "Checkpoint", "read_config", "read_folder", "read_weights", "write_folder"]

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

Weights = dict[str, np.ndarray]

# Where weights are looked for, in this order, and what reads them; an index says which of several files holds which.
_READERS: dict[str, Callable[[Path], Weights]] = {
    WEIGHTS_FILE: read_safetensors,
    INDEX_FILE: lambda index: _read_shards(index, read_safetensors),
    "pytorch_model.bin": read_torch_file,
    "pytorch_model.bin.index.json": lambda index: _read_shards(index, read_torch_file),
}
_LONGEST_NAME = 200  # characters
_WRITTEN = re.compile(r"model(-\d+-of-\d+)?\.safetensors(\.index\.json)?")
_LAYER_NORM = re.compile(r"(.*(?:LayerNorm|layer_norm)\.)(gamma|beta)")
_BUFFERS = (".position_ids", ".token_type_ids")  # constants that older versions stored too


class Checkpoint(NamedTuple):
    """A model as it was stored: its weights under Hugging Face's names, and remarks of what read it."""

    kind: str  # "Hugging Face" or "TensorFlow"
    source: Path  # the folder, with the tokenizer in it if there is one
    config: AlbertConfig
    weights: Weights
    remarks: Sequence[str]


def read_folder(folder: str | Path) -> Checkpoint:
    """Read a Hugging Face folder; raises what `read_config` and `read_weights` raise."""
    return Checkpoint("Hugging Face", Path(folder), read_config(folder), read_weights(folder), ())


def read_config(folder: str | Path) -> AlbertConfig:
    """Read `folder`/config.json; FileNotFoundError names what is missing."""
    path = _existing(folder) / CONFIG_FILE
    if not path.is_file():
        halfway = list(path.parent.glob(".partial-*"))
        hint = "; a model was being written there when its process was killed: save it again" if halfway else ""
        raise FileNotFoundError(f"{folder} holds no {CONFIG_FILE}{hint}")
    return AlbertConfig.from_json_file(path)


def read_weights(folder: str | Path) -> Weights:
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
    path = Path(folder)
    if path.is_dir():
        return path
    if path.is_file() and path.suffix in (".safetensors", ".bin", ".json", ".pt", ".pth", ".ckpt"):
        raise NotADirectoryError(f"{folder} is one file of a model; give the folder that it is in")
    raise FileNotFoundError(f"{folder} is not a folder")


def _hint(folder: Path) -> str:
    if any(folder.glob("*.index")):
        return "; its TensorFlow checkpoint is turned into such a folder by `albert-np convert`"
    for name in ("tf_model.h5", "flax_model.msgpack"):
        if (folder / name).exists():
            return f"; {name} is not read: load it with Hugging Face's transformers 4 and save it from there"
    return ""


def _with_current_names(weights: Mapping[str, np.ndarray], source: Path) -> Weights:
    current: Weights = {}
    for name, array in weights.items():
        _check_name(name, source)
        if name.endswith(_BUFFERS):
            continue
        if old := _LAYER_NORM.fullmatch(name):
            name = old[1] + {"gamma": "weight", "beta": "bias"}[old[2]]
        if name in current:
            raise ValueError(f"{source} holds {name} twice, under its old and its new name")
        current[name] = array
    return current


def _check_name(name: str, source: Path) -> None:
    """Raise ValueError for a name that no tensor has, or that tells that a model was saved from within another."""
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"{source} holds a tensor named {name[:40]!a}…: allowed are {_LONGEST_NAME} characters that can be printed"
        )
    prefix, found, _ = name.partition("embeddings.word_embeddings.weight")
    prefix = prefix.removesuffix("albert.")
    if not found or not prefix:
        return
    makers = {"module.": ", as torch.nn.DataParallel saves them", "_orig_mod.": ", as torch.compile saves them"}
    raise ValueError(
        f"the names of the tensors in {source} begin with {prefix[:80]!r}{makers.get(prefix, '')}: save "
        "the ALBERT inside with its save_pretrained, or under names that begin with 'albert.' or 'embeddings.'"
    )


def _read_shards(index: Path, read: Callable[[Path], Weights]) -> Weights:
    """Return the tensors of all files that a Hugging Face index lists, each file read by `read`.

    Only files beside the index may be listed; links there are followed, since the hub's cache is made of them. Raises
    FileNotFoundError if a file is missing, ValueError if the index is damaged or the files hold other tensors than it
    says.
    """
    files = _read_index(index)
    weights: Weights = {}
    for file in sorted(set(files.values())):
        path = index.parent / file
        if not path.is_file():
            raise FileNotFoundError(f"{index} lists {file}, which is missing")
        shard = read(path)
        differing = sorted({name for name in files if files[name] == file} ^ set(shard))
        if differing:
            raise ValueError(f"{index} and {file} disagree about where these are: {listed(differing, 5)}")
        weights |= shard
    return weights


def _read_index(index: Path) -> dict[str, str]:
    files: dict[str, str] = read_json(index, {"weight_map": {...: text()}})["weight_map"]
    if not files:
        raise ValueError(f"{index}: weight_map names no tensor")
    for file in files.values():
        if not re.fullmatch(r"[\w.-]{1,200}\.(safetensors|bin)", file, re.ASCII):  # what every system can name
            raise ValueError(f"{index} lists {file[:80]!r}: only the name of a weights file beside it is allowed")
    return files


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
    an earlier layout go. A folder is without its config.json while they are replaced, so that one that was left halfway
    is never read as a model. ValueError, naming the tensor, if a number is too large for `dtype`.
    """
    if max_shard_bytes is not None and (type(max_shard_bytes) is not int or max_shard_bytes < 1):
        raise ValueError(f"max_shard_bytes={max_shard_bytes!r}: must be a whole number of at least 1, or None")
    if not weights:
        raise ValueError("weights are empty: there is nothing to write")
    dtype = dtype or next(iter(weights.values())).dtype.name
    values = {**config.to_dict(), "architectures": [architecture], "dtype": dtype}
    values.pop("torch_dtype", None)  # the old spelling of dtype
    size = itemsize(dtype) * sum(array.size for array in weights.values())
    with whole_files(folder, CONFIG_FILE, _WRITTEN) as hidden:
        if max_shard_bytes is None or size <= max_shard_bytes:
            write_safetensors(hidden / WEIGHTS_FILE, weights, dtype)
        else:
            _write_shards(hidden, weights, dtype, max_shard_bytes)
        write_json(hidden / CONFIG_FILE, values)


def _write_shards(folder: Path, weights: Mapping[str, np.ndarray], dtype: str, max_bytes: int) -> None:
    """Write model-00001-of-0000N.safetensors, … of at most `max_bytes` of numbers each, and their index.

    An array larger than that gets a file of its own. ValueError as from `write_safetensors`.
    """
    shards = _split(weights, itemsize(dtype), max_bytes)
    files: dict[str, str] = {}
    for i, shard in enumerate(shards, 1):
        file = f"model-{i:05}-of-{len(shards):05}.safetensors"
        write_safetensors(folder / file, shard, dtype)
        files |= dict.fromkeys(shard, file)
    total = itemsize(dtype) * sum(array.size for array in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": files}
    write_json(folder / INDEX_FILE, index)


def _split(weights: Mapping[str, np.ndarray], itemsize: int, max_bytes: int) -> list[Weights]:
    shards: list[Weights] = [{}]
    used = 0
    for name, array in weights.items():
        size = array.size * itemsize
        if shards[-1] and used + size > max_bytes:
            shards.append({})
            used = 0
        shards[-1][name] = array
        used += size
    return shards

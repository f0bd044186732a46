"""Weights cut into several files, with an index that says which tensor is in which."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from albert_np.checkpoints.safetensors_files import itemsize, write_safetensors

__all__ = ["INDEX_FILE", "read_shards", "write_shards"]

INDEX_FILE = "model.safetensors.index.json"

Arrays = dict[str, np.ndarray]


def read_shards(index: Path, read: Callable[[Path], Arrays]) -> Arrays:
    """Return the tensors of all files that a Hugging Face index lists, each file read by `read`.

    Only files beside the index may be listed; links there are followed, since the hub's cache is made of them. Raises
    FileNotFoundError if a file is missing, ValueError if the index is damaged or the files hold other tensors than it
    says.
    """
    files = _read_index(index)
    weights: Arrays = {}
    for file in sorted(set(files.values())):
        path = index.parent / file
        if not path.is_file():
            raise FileNotFoundError(f"{index} lists {file}, which is missing")
        shard = read(path)
        differing = sorted({name for name in files if files[name] == file} ^ set(shard))
        if differing:
            raise ValueError(f"{index} and {file} disagree about where these are: {', '.join(differing[:5])}")
        weights |= shard
    return weights


def _read_index(index: Path) -> dict[str, str]:
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{index} is not valid JSON: {error}") from error
    files = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(files, dict) or not files:
        raise ValueError(f"{index} holds no weight_map of names and files")
    for file in files.values():
        if not isinstance(file, str) or not re.fullmatch(r"[\w.-]+\.(safetensors|bin)", file):
            raise ValueError(f"{index} lists {str(file)[:80]!r}: only the name of a weights file beside it is allowed")
    return files


def write_shards(folder: Path, weights: Mapping[str, np.ndarray], dtype: str, max_bytes: int) -> None:
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
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _split(weights: Mapping[str, np.ndarray], itemsize: int, max_bytes: int) -> list[Arrays]:
    shards: list[Arrays] = [{}]
    used = 0
    for name, array in weights.items():
        size = array.size * itemsize
        if shards[-1] and used + size > max_bytes:
            shards.append({})
            used = 0
        shards[-1][name] = array
        used += size
    return shards

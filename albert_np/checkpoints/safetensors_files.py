"""Safetensors: the length of the header in eight bytes, a JSON header that says where each tensor lies, the numbers."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.checkpoints.bfloat16 import narrow, widen
from albert_np.files import telltale
from albert_np.schema import one_line

__all__ = ["itemsize", "read_safetensors", "write_safetensors"]

_WRITTEN = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_MAX_HEADER = 2**20  # bytes; the largest ALBERT with nothing shared needs a twentieth
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "?",
}


def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """Return name → array, read-only views of a memory map of the file; bfloat16 is widened to float32.

    The safetensors library checks the header against the file first. Raises ValueError, naming the file, if it is
    damaged, laid out for TensorFlow or Flax, or of a type that NumPy does not have.
    """
    from safetensors import SafetensorError, safe_open

    begin = b""
    try:
        with open(path, "rb") as file:
            begin = file.read(512)
        start = 8 + int.from_bytes(begin[:8], "little")
        if 8 + _MAX_HEADER < start <= Path(path).stat().st_size:
            raise ValueError(f"its header has {start - 8} bytes; at most {_MAX_HEADER} are read")
        with safe_open(path, framework="np"):
            data = np.asarray(np.memmap(path, np.uint8, "r"))
        header = json.loads(data[8:start].tobytes())
        layout = (header.pop("__metadata__", None) or {}).get("format")
        if layout in ("tf", "flax"):
            raise ValueError(
                f"its weights are laid out for {layout}; Hugging Face's transformers 4 turns them into PyTorch's"
            )
        return {name: _array(data[start:], name, entry) for name, entry in header.items()}
    except (SafetensorError, ValueError, TypeError) as error:  # TypeError: the library allows lists for objects
        problem = one_line(str(error).partition("\n")[0])
        raise ValueError(f"{path} cannot be read as safetensors: {problem}{telltale(begin)}") from error


def _array(data: np.ndarray, name: str, entry: dict[str, Any]) -> np.ndarray:
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"{name[:80]} is of type {entry['dtype']}; allowed are {', '.join(_DTYPES)}")
    begin, end = entry["data_offsets"]
    array = data[begin:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return widen(array) if entry["dtype"] == "BF16" else array


def itemsize(dtype: str) -> int:
    """Return the bytes that one number of type `dtype` takes; ValueError names the types that can be written."""
    if dtype not in _WRITTEN:
        raise ValueError(f"dtype={dtype!r}: allowed are {', '.join(_WRITTEN)}")
    return np.dtype(_DTYPES[_WRITTEN[dtype]]).itemsize


def write_safetensors(path: str | Path, arrays: Mapping[str, np.ndarray], dtype: str) -> None:
    """Write arrays of floats as `dtype`: "float64", "float32", "float16" or "bfloat16".

    They are converted one by one on their way to the file. Raises ValueError, naming the array, if a finite number
    would become infinite; the file is incomplete then.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, array in arrays.items():
        end = begin + itemsize(dtype) * math.prod(array.shape)
        header[name] = {"dtype": _WRITTEN[dtype], "shape": array.shape, "data_offsets": [begin, end]}
        begin = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)  # so that the numbers are aligned
    with open(path, "wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for name, array in arrays.items():
            file.write(np.ascontiguousarray(_converted(name, array, dtype)).data)


def _converted(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """Return `array` as it is stored: little-endian, bfloat16 as uint16."""
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is of type {array.dtype}: only real numbers can be written")
    with np.errstate(over="ignore"):
        stored = narrow(array) if dtype == "bfloat16" else array.astype(_DTYPES[_WRITTEN[dtype]], copy=False)
    if stored.itemsize < array.itemsize:
        rounded = widen(stored) if dtype == "bfloat16" else stored
        if (np.isinf(rounded) & np.isfinite(array)).any():
            largest = np.abs(array[np.isfinite(array)]).max()
            raise ValueError(f"{name} does not fit {dtype}: it holds numbers as large as {largest:.4g}")
    return stored

"""PyTorch's files of named tensors, pytorch_model.bin, read without PyTorch and without running what is in them.

torch.save writes a zip archive since version 1.6: data.pkl says how the tensors lie in the storages, data/0, data/1, …,
which are stored as they are, so that they can be memory-mapped. Before, it wrote pickles in a row with the storages
behind them.
"""

import math
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np

from albert_np.checkpoints.bfloat16 import widen
from albert_np.checkpoints.pickles import Storage, Tensor, read_pickle
from albert_np.files import telltale
from albert_np.schema import one_line

__all__ = ["read_torch_file"]

Blocks = dict[str, np.ndarray]  # key of a storage → its bytes

_ZIP_ENTRY = b"PK\3\4"
_BEFORE_1_6 = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickle of PyTorch's magic number
_MAX_PICKLE = 2**19  # bytes; the largest ALBERT with nothing shared needs a fifth
_MAX_AXES = 64  # NumPy's limit


def read_torch_file(path: str | Path) -> dict[str, np.ndarray]:
    """Return name → array, read-only views of a memory map of the file; bfloat16 is widened to float32.

    Raises ValueError, naming the file, if it is damaged, was written in an order of bytes other than little-endian, or
    holds anything but named tensors.
    """
    start = b""
    try:
        with open(path, "rb") as file:
            start = file.read(512)
        data = np.asarray(np.memmap(path, np.uint8, "r"))
        if start.startswith(_ZIP_ENTRY):
            root, blocks = _open_zip(path, data)
        elif start.startswith(_BEFORE_1_6):
            root, blocks = _open_before_1_6(data)
        else:
            raise ValueError(f"torch.save did not write it{telltale(start)}")
        return _arrays(root, blocks)
    except (ValueError, zipfile.BadZipFile, NotImplementedError, OverflowError, struct.error) as error:
        raise ValueError(f"{path} cannot be read as a PyTorch file: {one_line(error)}") from error


def _open_zip(path: str | Path, data: np.ndarray) -> tuple[object, Blocks]:
    entries = _zip_entries(path, data)
    if "constants.pkl" in entries:
        raise ValueError("it is a TorchScript program; save its weights with torch.save(model.state_dict(), path)")
    if "data.pkl" not in entries:
        raise ValueError("the archive holds no data.pkl")
    if "byteorder" in entries and entries["byteorder"].tobytes() != b"little":
        raise ValueError("its numbers are not little-endian")
    if entries["data.pkl"].size > _MAX_PICKLE:
        raise ValueError(f"its data.pkl has {entries['data.pkl'].size} bytes; at most {_MAX_PICKLE} are read")
    root = read_pickle(BytesIO(entries["data.pkl"].tobytes()))
    return root, {name.removeprefix("data/"): block for name, block in entries.items() if name.startswith("data/")}


def _zip_entries(path: str | Path, data: np.ndarray) -> Blocks:
    """Return name, without the archive's folder, → bytes of every entry."""
    with zipfile.ZipFile(path) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    entries: Blocks = {}
    end = 0
    for info in infos:
        name = info.filename.partition("/")[2]
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ValueError(f"{name[:80]} is compressed or encrypted, which torch.save does not do")
        header = data[info.header_offset : info.header_offset + 30].tobytes()
        if info.header_offset < end or name in entries or not header.startswith(_ZIP_ENTRY):
            raise ValueError(f"its entry {name[:80]} is there twice, or lies where another one does")
        begin = info.header_offset + 30 + sum(struct.unpack("<HH", header[26:]))  # behind the name and extra fields
        end = begin + info.file_size
        entries[name] = _cut(data, begin, end)
    return entries


def _open_before_1_6(data: np.ndarray) -> tuple[object, Blocks]:
    file = BytesIO(data[:_MAX_PICKLE].tobytes())
    _magic, _version, machine, root, keys = (read_pickle(file) for _ in range(5))
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ValueError("its numbers are not little-endian")
    itemsizes = {tensor.storage.key: _dtype(tensor.storage).itemsize for tensor in _tensors(root).values()}
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in itemsizes for key in keys):
        raise ValueError("its list of storages is not that of its tensors")
    blocks: Blocks = {}
    end = file.tell()
    for key in keys:
        begin = end + 8
        (size,) = struct.unpack("<q", _cut(data, end, begin).tobytes())
        end = begin + size * itemsizes[key]
        blocks[key] = _cut(data, begin, end)
    return root, blocks


def _cut(data: np.ndarray, begin: int, end: int) -> np.ndarray:
    if not 0 <= begin <= end <= data.size:
        raise ValueError(f"it ends after {data.size} bytes, where bytes {begin} to {end} are expected")
    return data[begin:end]


def _arrays(root: object, blocks: Blocks) -> dict[str, np.ndarray]:
    tensors = _tensors(root)
    numbers = {storage: _numbers(storage, blocks) for storage in {tensor.storage for tensor in tensors.values()}}
    return {name: _view(name, tensor, numbers[tensor.storage]) for name, tensor in tensors.items()}


def _tensors(root: object) -> dict[str, Tensor]:
    if not isinstance(root, dict):
        raise ValueError(f"it holds a {type(root).__name__}, not named tensors")
    for name, value in root.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name[:80]} is a {type(value).__name__}, not a tensor")
    return root


def _dtype(storage: Storage) -> np.dtype[np.generic]:
    return np.dtype("uint16" if storage.dtype == "bfloat16" else storage.dtype).newbyteorder("<")


def _numbers(storage: Storage, blocks: Blocks) -> np.ndarray:
    """Return a storage as a one-dimensional array."""
    expected = storage.size * _dtype(storage).itemsize
    block = blocks.get(storage.key)
    if block is None or block.size != expected:
        given = "none" if block is None else block.size
        raise ValueError(f"storage {storage.key[:80]} should have {expected} bytes, and there are {given}")
    numbers = block.view(_dtype(storage))
    return widen(numbers) if storage.dtype == "bfloat16" else numbers


def _view(name: str, tensor: Tensor, numbers: np.ndarray) -> np.ndarray:
    if not _lies_within(tensor, numbers.size):
        raise ValueError(f"{name[:80]} is not a view of its storage of {numbers.size} numbers")
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    return np.ndarray(tensor.shape, numbers.dtype, numbers, tensor.offset * numbers.itemsize, strides)


def _lies_within(tensor: Tensor, size: int) -> bool:
    """Whether all of the tensor lies in its storage of `size` numbers, and is no larger by repeating them."""
    _, offset, shape, strides = tensor
    if not len(shape) == len(strides) <= _MAX_AXES:
        return False
    if not all(isinstance(n, int) and n >= 0 for n in (offset, *shape, *strides)):
        return False
    count: int = math.prod(shape)
    last: int = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    return count == 0 or (count <= size and last < size)

"""TensorFlow's tensor bundles: named tensors in X.index and X.data-00000-of-00001, …, read without TensorFlow.

The data files, called shards, hold nothing but numbers. The index is LevelDB's sorted table of keys and values:

    block, block, …, index block, footer

The footer, the last 48 bytes, says where the index block lies, and the index block where each block does. A block is
a run of entries; each stores of its key only what differs from the key before:

    varint shared, varint unshared, varint length, key[shared:], value

Behind them stand the places of the entries that share nothing, for searching by halves, and how many these are; then
one byte for the compression and four for the checksum. The first key is empty and has the bundle's header. Every
other key is the name of a tensor, and its value says what the tensor is and where it lies.

These values are protocol buffers, and their varints serve the blocks too: see `albert_np.files`.

Sources: tensor_bundle.proto, tensor_bundle.cc and lib/io/format.cc of tensorflow/tensorflow.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_np.checkpoints.bfloat16 import widen
from albert_np.files import telltale
from albert_np.protobuf import read_fields, read_varint

__all__ = ["Entry", "list_bundle", "read_tensors"]

Message = dict[int, list[int | bytes]]  # number of a field → its values

_FOOTER, _TRAILER = 48, 5  # bytes
_MAGIC = 0xDB4775248B80FB57
_MAX_INDEX = 2**19  # bytes; the largest ALBERT with nothing shared, and an optimizer's moments, needs a fifth
_MAX_KEYS = 2**24  # bytes of all keys written out: few bytes can stand for a long key that is shared
_MAX_AXES = 64  # NumPy's limit
_SHARDS, _BIG_ENDIAN = 1, 2  # fields of BundleHeaderProto
_DTYPE, _SHAPE, _SHARD, _OFFSET, _SIZE, _CHECKSUM, _SLICES = range(1, 8)  # fields of BundleEntryProto
_AXIS, _AXIS_SIZE = 2, 1  # fields of TensorShapeProto and of its Dim
_DTYPES = {  # TensorFlow's DataType, as far as NumPy can have it
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    19: "float16",
}


class Entry(NamedTuple):
    """What a tensor is, and where: `size` bytes from `offset` on in `shard`, unless it is stored in slices."""

    dtype: str
    shape: tuple[int, ...]
    shard: str
    offset: int
    size: int
    checksum: int
    sliced: bool


def list_bundle(prefix: str | Path) -> dict[str, Entry]:
    """Return name → entry of all tensors, from `prefix`.index alone, its checksums verified.

    Raises FileNotFoundError if there is no such file; ValueError, naming it, if it is damaged, or in a form that
    TensorFlow does not write on today's machines: compressed, or for big-endian numbers.
    """
    path, data = Path(f"{prefix}.index"), b""
    try:
        if path.stat().st_size > _MAX_INDEX:
            raise ValueError(f"it has {path.stat().st_size} bytes; at most {_MAX_INDEX} are read")
        data = path.read_bytes()
        table = _table(data)
        header = _message(table.pop(b"", b""))
        if _number(header, _BIG_ENDIAN):
            raise ValueError("its numbers are big-endian")
        # A zero byte begins the keys of slices, which the entry of the whole tensor speaks for.
        names = [key for key in table if not key.startswith(b"\0")]
        return {key.decode(): _entry(f"{prefix}", _number(header, _SHARDS), table[key]) for key in names}
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a TensorFlow checkpoint: {error}{telltale(data)}") from error


def _table(data: bytes) -> dict[bytes, bytes]:
    """Return the keys and values of a table, in rising order of the keys."""
    footer = data[-_FOOTER:]
    if len(footer) < _FOOTER or int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise ValueError("it does not end as TensorFlow's tables do")
    *_, position = _handle(footer, 0)  # of a block of filters, which TensorFlow leaves empty
    begin, end, _ = _handle(footer, position)
    table: dict[bytes, bytes] = {}
    last_end = size = 0
    last_key = None
    for _, handle in _entries(_block(data, begin, end)):
        begin, end, _ = _handle(handle, 0)
        if begin < last_end:
            raise ValueError("its blocks overlap")
        for key, value in _entries(_block(data, begin, end)):
            size += len(key)
            if (last_key is not None and key <= last_key) or size > _MAX_KEYS:
                raise ValueError(f"its keys do not rise, or have more than {_MAX_KEYS} bytes together")
            table[key] = value
            last_key = key
        last_end = end
    return table


def _handle(data: bytes, position: int) -> tuple[int, int, int]:
    """Return where the block that a handle speaks of begins and ends, and the position behind the handle."""
    begin, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return begin, begin + size, position


def _block(data: bytes, begin: int, end: int) -> bytes:
    """Return the entries of a block and what is behind them, its checksum verified."""
    trailer = data[end : end + _TRAILER]
    if len(trailer) < _TRAILER:
        raise ValueError(f"it ends after {len(data)} bytes, where a block is expected from {begin} to {end}")
    if _masked_crc32c(data[begin : end + 1]) != int.from_bytes(trailer[1:], "little"):
        raise ValueError(f"it is damaged: the checksum of bytes {begin} to {end} is another one")
    if trailer[0]:
        raise ValueError("it is compressed, which TensorFlow does not do; save it again with TensorFlow")
    return data[begin:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block."""
    end = len(block) - 4 * (1 + int.from_bytes(block[-4:], "little"))
    key, position = b"", 0
    while position < end:
        shared, position = read_varint(block, position)
        unshared, position = read_varint(block, position)
        length, position = read_varint(block, position)
        middle, behind = position + unshared, position + unshared + length
        if shared > len(key) or behind > end:
            raise ValueError(f"a block of {len(block)} bytes has an entry that does not fit at byte {position}")
        key = key[:shared] + block[position:middle]
        yield key, block[middle:behind]
        position = behind
    if position != end:
        raise ValueError(f"a block of {len(block)} bytes is too short for what it says of its entries")


def _entry(prefix: str, shards: int, value: bytes) -> Entry:
    message = _message(value)
    dtype, shard = _number(message, _DTYPE), _number(message, _SHARD)
    if shard >= shards:
        raise ValueError(f"a tensor lies in shard {shard}, and there are {shards}")
    axes = [axis for shape in message.get(_SHAPE, []) for axis in _message(shape).get(_AXIS, [])]
    if len(axes) > _MAX_AXES:
        raise ValueError(f"a tensor has {len(axes)} axes; at most {_MAX_AXES} are read")
    return Entry(
        dtype=_DTYPES.get(dtype, f"number {dtype} of TensorFlow's DataType"),
        shape=tuple(_number(_message(axis), _AXIS_SIZE) for axis in axes),
        shard=f"{prefix}.data-{shard:05}-of-{shards:05}",
        offset=_number(message, _OFFSET),
        size=_number(message, _SIZE),
        checksum=_checksum(message),
        sliced=_SLICES in message,
    )


def read_tensors(entries: Mapping[str, Entry]) -> dict[str, np.ndarray]:
    """Return name → array of entries from `list_bundle`, of all or of a choice, their checksums verified.

    Arrays are read-only views of memory maps of the shards; bfloat16, which NumPy does not know, is widened to the
    equal float32. Raises FileNotFoundError if a shard is missing; ValueError, naming shard and tensor, if it is
    damaged, if the tensor is of a type that NumPy does not know, or if it is stored in slices.
    """
    tensors: dict[str, np.ndarray] = {}
    places = sorted((entry.shard, entry.offset, entry.size, name) for name, entry in entries.items())
    for shard, group in groupby(places, key=lambda place: place[0]):
        try:
            if Path(shard).exists() and not Path(shard).is_file():
                raise ValueError("it is not a file")
            data, end = np.asarray(np.memmap(shard, np.uint8, "r")), 0
            for _, begin, size, name in group:
                if begin < end:
                    raise ValueError(f"{name[:80]} lies where another tensor does")
                tensors[name] = _tensor(data, name[:80], entries[name])
                end = begin + size
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{shard} is missing, and tensors of the checkpoint are in it") from error
        except ValueError as error:
            raise ValueError(f"{shard} cannot be read as part of a TensorFlow checkpoint: {error}") from error
    return {name: tensors[name] for name in entries}


def _tensor(data: np.ndarray, name: str, entry: Entry) -> np.ndarray:
    if entry.sliced:
        raise ValueError(f"{name} is a partitioned variable, stored in slices; save it whole with TensorFlow")
    if entry.dtype not in _DTYPES.values():
        raise ValueError(f"{name} is of type {entry.dtype}; allowed are {', '.join(_DTYPES.values())}")
    dtype = np.dtype("uint16" if entry.dtype == "bfloat16" else entry.dtype).newbyteorder("<")
    if entry.size != math.prod(entry.shape) * dtype.itemsize:
        raise ValueError(f"{name} has {entry.size} bytes, not those of {entry.dtype} {str(entry.shape)[:80]}")
    end = entry.offset + entry.size
    if end > data.size:
        raise ValueError(f"it ends after {data.size} bytes, where {name} is expected from {entry.offset} to {end}")
    numbers = data[entry.offset : end]
    if _masked_crc32c(numbers) != entry.checksum:
        raise ValueError(f"{name} is damaged, or not from the same save as the index: its checksum is another one")
    array = numbers.view(dtype).reshape(entry.shape)
    return widen(array) if entry.dtype == "bfloat16" else array


def _masked_crc32c(data: bytes | np.ndarray) -> int:
    """Return CRC-32C as it is stored: masked, since a checksum of data with plain checksums in it says little."""
    import google_crc32c

    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _message(data: int | bytes) -> Message:
    """Return the fields of a protocol buffer."""
    if isinstance(data, int):
        raise ValueError("a protocol buffer holds a number where another belongs")
    message: Message = {}
    for number, value in read_fields(data):
        message.setdefault(number, []).append(value)
    return message


def _number(message: Message, field: int) -> int:
    """Return a field's number, 0 where it is left out; negative ones, which nothing here may be, come out huge."""
    value = message.get(field, [0])[-1]
    if not isinstance(value, int):
        raise ValueError("a protocol buffer holds bytes where a number belongs")
    return value


def _checksum(message: Message) -> int:
    """Return the checksum, a number of four bytes; 0 where it is left out."""
    value = message.get(_CHECKSUM, [b""])[-1]
    return value if isinstance(value, int) else int.from_bytes(value, "little")

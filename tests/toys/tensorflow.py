"""TensorFlow's index of a bundle, written by hand, so that it can say what TensorFlow's own writer never would."""

from pathlib import Path

import google_crc32c

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def masked_crc32c(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    value &= 2**64 - 1  # a negative number, as protocol buffers write it
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def header(shards: int = 1, big_endian: int = 0) -> bytes:
    return number(1, shards) + number(2, big_endian)


def tensor(shape: tuple = (2,), offset: int = 0, size: int = 8, dtype: int = 1, shard: int = 0, data=bytes(8)) -> bytes:
    axes = b"".join(message(2, number(1, n)) for n in shape)
    where = number(3, shard) + number(4, offset) + number(5, size)
    return number(1, dtype) + message(2, axes) + where + b"\x35" + masked_crc32c(data).to_bytes(4, "little")


def entry(key: bytes, value: bytes, shared: int = 0) -> bytes:
    """Write an entry whose key begins with `shared` bytes of the key before it."""
    return varint(shared) + varint(len(key)) + varint(len(value)) + key + value


def block(*entries: bytes, restarts: bytes = bytes(4) + b"\1\0\0\0") -> bytes:
    return b"".join(entries) + restarts


def sealed(content: bytes, compression: int = 0) -> bytes:
    """Write a block with its checksum."""
    content += bytes([compression])
    return content + masked_crc32c(content).to_bytes(4, "little")


def handle(begin: int, size: int) -> bytes:
    return varint(begin) + varint(size)


def footer(begin: int, size: int) -> bytes:
    return (handle(0, 0) + handle(begin, size)).ljust(40, b"\0") + MAGIC


def table(*blocks: bytes) -> bytes:
    """Write a whole table of blocks that have no checksum yet."""
    data, handles = b"", []
    for content in blocks:
        handles.append(entry(b"%03d" % len(handles), handle(len(data), len(content))))
        data += sealed(content)
    index = block(*handles)
    return data + sealed(index) + footer(len(data), len(index))


def bundle(tensors: dict[str, bytes], head: bytes | None = None) -> bytes:
    """Write the index of some tensors: name → `tensor(…)`."""
    entries = [entry(name.encode(), value) for name, value in sorted(tensors.items())]
    return table(block(entry(b"", header() if head is None else head), *entries))


def write_bundle(prefix: Path, tensors: dict[str, bytes], data: bytes = bytes(8)) -> None:
    """Write a bundle of one shard."""
    Path(f"{prefix}.index").write_bytes(bundle(tensors))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)

"""PyTorch's file format, written by hand, so that its reader is proved without PyTorch.

Every function returns the pickle instructions that leave the thing it is named for on the stack.
"""

import struct
import zipfile
from pathlib import Path

BEFORE_1_6 = 0x1950A86A20F9469CFC6C  # the number that old files begin with


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def name(dotted: str) -> bytes:
    module, _, function = dotted.rpartition(".")
    return f"c{module}\n{function}\n".encode()


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + value.to_bytes(4, "little", signed=True)
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(function: str, *arguments: bytes) -> bytes:
    return name(function) + tuple_of(*arguments) + b"R"


def ordered_dict(items: dict[str, bytes]) -> bytes:
    return call("collections.OrderedDict") + b"(" + b"".join(text(k) + v for k, v in items.items()) + b"u"


def plain_dict(items: dict[str, bytes]) -> bytes:
    return b"}" + b"".join(text(k) + v + b"s" for k, v in items.items())


def storage(kind: str, key: str, size: int, *views: bytes) -> bytes:
    return tuple_of(text("storage"), name(f"torch.{kind}Storage"), text(key), text("cpu"), number(size), *views) + b"Q"


def tensor(where: bytes, shape: tuple, strides: tuple, offset: int = 0) -> bytes:
    return call(
        "torch._utils._rebuild_tensor_v2",
        where,
        number(offset),
        tuple_of(*map(number, shape)),
        tuple_of(*map(number, strides)),
        b"\x89",
        ordered_dict({}),
    )


def parameter(value: bytes) -> bytes:
    return call("torch._utils._rebuild_parameter", value, b"\x88", ordered_dict({}))


def write_zip(path: Path, root: bytes, storages: dict[str, bytes], **entries: bytes) -> None:
    """Write an archive as torch.save does: nothing compressed, numbers aligned to 64 bytes by the extra field."""
    files = {"data.pkl": pickled(root), **{f"data/{key}": numbers for key, numbers in storages.items()}, **entries}
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            info = zipfile.ZipInfo(f"archive/{file}")
            begin = archive.fp.tell() + 30 + len(info.filename) + 4
            info.extra = struct.pack("<2sH", b"FB", -begin % 64) + bytes(-begin % 64)
            archive.writestr(info, content)


def write_before_1_6(
    path: Path, root: bytes, storages: dict[str, tuple[int, bytes]], little_endian: bool = True
) -> None:
    """Write a file as torch.save did before zip archives. storages: key → how many numbers, and their bytes."""
    machine = plain_dict({"little_endian": b"\x88" if little_endian else b"\x89"})
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    pickles = map(pickled, (number(BEFORE_1_6), number(1001), machine, root, keys))
    blocks = (struct.pack("<q", size) + numbers for size, numbers in storages.values())
    path.write_bytes(b"".join((*pickles, *blocks)))

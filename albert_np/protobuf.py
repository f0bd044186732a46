"""The wire format of protocol buffers, in which SentencePiece keeps vocabularies and TensorFlow lists of tensors."""

import struct
from collections.abc import Iterable, Iterator

__all__ = ["read_fields", "read_varint", "write_fields"]


def read_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a protocol buffer: an integer for a varint, else the raw bytes.

    A message is a list of fields. A field is a varint, number · 8 + wire type, and a value: a varint (type 0), eight
    or four bytes (1, 5), or a varint length and that many bytes (2). Raises ValueError if the message is damaged, or
    has one of the wire types that were given up.
    """
    position = 0
    while position < len(message):
        key, position = read_varint(message, position)
        match key & 7:
            case 0:
                value, position = read_varint(message, position)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, position = read_varint(message, position)
            case 5:
                size = 4
            case wire_type:
                raise ValueError(f"a protocol buffer holds a field of wire type {wire_type} before byte {position}")
        if size > len(message) - position:
            raise ValueError(f"a protocol buffer of {len(message)} bytes ends within a field")
        yield key >> 3, message[position : position + size]
        position += size


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at `position` and the position behind it.

    A varint holds seven bits to the byte, lowest first; the top bit says that more follow. Raises ValueError if it
    has no end, or more than ten bytes.
    """
    value = 0
    for i, byte in enumerate(data[position : position + 10]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, position + i + 1
    raise ValueError(f"a number at byte {position} of {len(data)} has no end")


def write_fields(fields: Iterable[tuple[int, int | float | bytes]]) -> bytes:
    """Return a protocol buffer of numbers and values: integers, not negative, as varints, floats in four bytes."""
    message = bytearray()
    for number, value in fields:
        if isinstance(value, bytes):
            message += _varint(number << 3 | 2) + _varint(len(value)) + value
        elif isinstance(value, float):
            message += _varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            message += _varint(number << 3) + _varint(value)
    return bytes(message)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])

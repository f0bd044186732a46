"""The inside of a `spiece.model` file: pieces, scores and the normalisation table, as protocol-buffer bytes.

Field numbers are those of `sentencepiece_model.proto` (google/sentencepiece). A message is a list of fields; each
field is a varint (number · 8 + wire type) and a value: a varint (type 0), 8 or 4 raw bytes (1, 5), or a varint
length and that many bytes (2). A varint holds seven bits to the byte, lowest first; the top bit says "more follows".
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What a piece is."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Piece(NamedTuple):
    """One entry of the vocabulary; its place in the file is its id."""

    text: str
    score: float
    kind: Kind


class ModelProto(NamedTuple):
    """The part of a SentencePiece model that tokenizing needs; `charsmap` is its compiled normalisation table."""

    pieces: list[Piece]
    charsmap: bytes


PIECES, TRAINER_SPEC, NORMALIZER_SPEC = 1, 2, 3  # fields of ModelProto
TEXT, SCORE, KIND = 1, 2, 3  # fields of SentencePiece
MODEL_TYPE, UNK_ID = 3, 40  # fields of TrainerSpec
NAME, CHARSMAP = 1, 2  # fields of NormalizerSpec
UNIGRAM = 1  # a MODEL_TYPE


def read_model(serialized: bytes) -> ModelProto:
    """Parse the bytes of a model file. Raises ValueError if they are damaged or hold no Unigram model."""
    pieces, charsmap = [], b""
    for number, value in _fields(serialized):
        if number == PIECES and isinstance(value, bytes):
            pieces.append(_read_piece(value))
        elif number == NORMALIZER_SPEC and isinstance(value, bytes):
            charsmap = next((v for n, v in _fields(value) if n == CHARSMAP and isinstance(v, bytes)), b"")
        elif number == TRAINER_SPEC and isinstance(value, bytes):
            model_type = next((v for n, v in _fields(value) if n == MODEL_TYPE), UNIGRAM)
            if model_type != UNIGRAM:
                raise ValueError(f"this SentencePiece model is not a Unigram model (model_type {model_type!r})")
    return ModelProto(pieces, charsmap)


def _read_piece(message: bytes) -> Piece:
    text, score, kind = "", 0.0, Kind.NORMAL
    for number, value in _fields(message):
        if number == TEXT and isinstance(value, bytes):
            text = value.decode("utf-8")
        elif number == SCORE and isinstance(value, bytes):
            score = struct.unpack("<f", value)[0]
        elif number == KIND and isinstance(value, int):
            kind = Kind(value)
    return Piece(text, score, kind)


def write_model(model: ModelProto) -> bytes:
    """Return a model file that the sentencepiece library reads."""
    unk_id = next(i for i, piece in enumerate(model.pieces) if piece.kind == Kind.UNKNOWN)
    normalizer = _bytes(NAME, b"nmt_nfkc") + _bytes(CHARSMAP, model.charsmap)
    return b"".join(
        [_bytes(PIECES, _write_piece(piece)) for piece in model.pieces]
        + [_bytes(TRAINER_SPEC, _number(UNK_ID, unk_id)), _bytes(NORMALIZER_SPEC, normalizer)]
    )


def _write_piece(piece: Piece) -> bytes:
    score = _varint(SCORE << 3 | 5) + struct.pack("<f", piece.score)
    return _bytes(TEXT, piece.text.encode()) + score + _number(KIND, piece.kind)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field: an integer for a varint, else the raw bytes."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        wire_type = key & 7
        if wire_type == 0:
            value, position = _read_varint(message, position)
            yield key >> 3, value
            continue
        if wire_type == 2:
            size, position = _read_varint(message, position)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"not a SentencePiece model: wire type {wire_type} at byte {position}")
        if position + size > len(message):
            raise ValueError(f"truncated SentencePiece model: {size} bytes wanted at byte {position}")
        yield key >> 3, message[position : position + size]
        position += size


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    """Return the number at `position` and the position behind it."""
    value = 0
    for i, byte in enumerate(message[position : position + 10]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, position + i + 1
    raise ValueError(f"truncated SentencePiece model: unfinished number at byte {position}")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value

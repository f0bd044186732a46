"""A SentencePiece model: what its file holds, and cutting text with it, through the sentencepiece library.

`read_model` and `write_model` know the inside of a `spiece.model` file. `SentencePieceModel` lets the library work
and adds ALBERT's digit-comma rule.
"""

import os
import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from albert_np.execution import available_threads
from albert_np.files import telltale
from albert_np.protobuf import read_fields, write_fields
from albert_np.tokenization.normalization import Spans

WORD_START = "▁"  # U+2581: SentencePiece writes the space before a word as part of the piece
LARGEST_FILE = 2**28  # bytes; the largest vocabularies have a few million
BATCH_WORTH_THREADS = 64  # below this many texts, starting threads costs more than it saves

# Field numbers of `sentencepiece_model.proto` (google/sentencepiece).
PIECES, TRAINER_SPEC, NORMALIZER_SPEC = 1, 2, 3  # of ModelProto
TEXT, SCORE, KIND = 1, 2, 3  # of SentencePiece
MODEL_TYPE, SPACE_BEHIND, BYTE_FALLBACK, UNK_ID = 3, 24, 35, 40  # of TrainerSpec
NAME, CHARSMAP = 1, 2  # of NormalizerSpec
UNIGRAM = 1  # a MODEL_TYPE


class Kind(IntEnum):
    """What a piece is."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Piece(NamedTuple):
    """One entry of the vocabulary: its text, log-probability and kind; its place in the file is its id."""

    text: str
    score: float
    kind: Kind


class ModelProto(NamedTuple):
    """The part of a SentencePiece model that tokenizing needs; `charsmap` is its compiled normalisation table.

    `byte_fallback`: a character that no piece spells is cut into the pieces of its bytes, "<0xE4>" and so on.
    `space_behind`: the "▁" of a word stands behind it, not in front.
    """

    pieces: list[Piece]
    charsmap: bytes
    byte_fallback: bool = False
    space_behind: bool = False


def unknown_id(pieces: Sequence[Piece]) -> int:
    """The id of the piece that stands for all that is unknown. Raises ValueError if there is none."""
    for i, piece in enumerate(pieces):
        if piece.kind == Kind.UNKNOWN:
            return i
    raise ValueError("pieces must hold one of kind UNKNOWN, and there is none")


def read_model(serialized: bytes) -> ModelProto:
    """Parse the bytes of a model file. Raises ValueError if they are damaged or hold no Unigram model."""
    pieces, charsmap = [], b""
    trainer: dict[int, int | bytes] = {}
    try:
        for number, value in read_fields(serialized):
            if number == PIECES and isinstance(value, bytes):
                pieces.append(_read_piece(value))
            elif number == NORMALIZER_SPEC and isinstance(value, bytes):
                charsmap = next((v for n, v in read_fields(value) if n == CHARSMAP and isinstance(v, bytes)), b"")
            elif number == TRAINER_SPEC and isinstance(value, bytes):
                trainer |= dict(read_fields(value))
    except (ValueError, struct.error) as error:
        raise ValueError(f"damaged SentencePiece model: {error}") from error
    if trainer.get(MODEL_TYPE, UNIGRAM) != UNIGRAM:
        raise ValueError(f"this SentencePiece model is not a Unigram model (model_type {trainer[MODEL_TYPE]!r})")
    return ModelProto(pieces, charsmap, trainer.get(BYTE_FALLBACK) == 1, trainer.get(SPACE_BEHIND) == 1)


def _read_piece(message: bytes) -> Piece:
    text, score, kind = "", 0.0, Kind.NORMAL
    for number, value in read_fields(message):
        if number == TEXT and isinstance(value, bytes):
            text = value.decode("utf-8")
        elif number == SCORE and isinstance(value, bytes):
            score = struct.unpack("<f", value)[0]
        elif number == KIND and isinstance(value, int):
            kind = Kind(value)
    return Piece(text, score, kind)


def write_model(model: ModelProto) -> bytes:
    """Return a model file that the sentencepiece library reads. Raises ValueError without an unknown piece."""
    normalizer = write_fields([(NAME, b"nmt_nfkc"), (CHARSMAP, model.charsmap)])
    flags = [(SPACE_BEHIND, int(model.space_behind)), (BYTE_FALLBACK, int(model.byte_fallback))]
    trainer = write_fields([*((number, flag) for number, flag in flags if flag), (UNK_ID, unknown_id(model.pieces))])
    pieces = [
        (PIECES, write_fields([(TEXT, text.encode()), (SCORE, float(score)), (KIND, int(kind))]))
        for text, score, kind in model.pieces
    ]
    return write_fields([*pieces, (TRAINER_SPEC, trainer), (NORMALIZER_SPEC, normalizer)])


class SentencePieceModel:
    """Pieces, ids and segmentation of one SentencePiece model.

    `serialized` is the content of a `spiece.model` file. Raises ValueError if it is not a SentencePiece model.
    """

    def __init__(self, serialized: bytes, source: str = "the SentencePiece model"):
        from sentencepiece import SentencePieceProcessor  # imported late: keeps `import albert_np` light

        self._processor: Any = SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(serialized)
            pieces = [self._processor.IdToPiece(i) for i in range(self._processor.GetPieceSize())]
        except (RuntimeError, ValueError, TypeError, OSError) as error:
            hint = telltale(serialized)
            raise ValueError(f"{source} is not a SentencePiece model (or it is damaged): {error}{hint}") from error
        self.serialized = serialized
        self.pieces: list[str] = pieces
        self.unk_id: int = self._processor.unk_id()
        bytes_of = {piece: int(piece[3:5], 16) for i, piece in enumerate(self.pieces) if self._processor.IsByte(i)}
        self._bytes: dict[str, int] = bytes_of  # piece → the byte that it stands for; empty without byte fallback
        self._space_behind = not self._processor.normalize("a").startswith(WORD_START)
        self._is_blank: dict[str, bool] = {}

    @classmethod
    def from_file(cls, file: str | os.PathLike[str]) -> "SentencePieceModel":
        """Read a `spiece.model` file. Raises FileNotFoundError, or ValueError if it is something else."""
        path = Path(file)
        if not path.is_file():
            raise FileNotFoundError(f"vocab_file={str(path)!r}: there is no such file")
        if path.name == "vocab.txt":
            raise ValueError(
                f"vocab_file={str(path)!r} is a word-piece list (BertTokenizer's vocabulary), as the Chinese "
                "ALBERT models have; AlbertTokenizer needs a SentencePiece model (spiece.model)"
            )
        if path.suffix in (".txt", ".gz", ".json", ".jsonl"):
            raise ValueError(f"vocab_file={str(path)!r} is no SentencePiece model: that is a file such as spiece.model")
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(
                f"vocab_file={str(path)!r} has {path.stat().st_size} bytes, more than a vocabulary can have"
            )
        return cls(path.read_bytes(), source=f"vocab_file={str(path)!r}")

    def __len__(self) -> int:
        return len(self.pieces)

    def __reduce__(self) -> tuple[type["SentencePieceModel"], tuple[bytes]]:
        """Copy and pickle the file's content alone; the library's object is made anew from it."""
        return type(self), (self.serialized,)

    @cached_property
    def piece_ids(self) -> Mapping[str, int]:
        """piece → id."""
        return {piece: i for i, piece in enumerate(self.pieces)}

    def piece_to_id(self, piece: str) -> int:
        """The id of a piece; of a string that is no piece, the id of the unknown piece."""
        return self.piece_ids.get(piece, self.unk_id)

    def decode(self, pieces: Sequence[str | int]) -> str:
        """Join pieces, or their ids, to text: ▁ becomes a space, the first one disappears."""
        text: str = self._processor.decode(list(pieces)) if pieces else ""
        return text

    def normalize(self, text: str) -> str:
        """The text as the pieces spell it: with "▁" for each space, and one before the first word."""
        normalized: str = self._processor.normalize(text)
        return normalized

    def alignment(self, text: str, pieces: Sequence[str]) -> Spans:
        """Return the spans in `text` of the characters that its pieces spell."""
        if "".join(pieces) == WORD_START + text.replace(" ", WORD_START):
            return Spans([0, *range(len(text))], [1, *range(1, len(text) + 1)])
        starts = self._processor.normalize(text, with_offsets=True)[1][:-1]
        return Spans.from_starts(starts, len(text))

    def places(self, pieces: Sequence[str]) -> list[tuple[int, int]]:
        """Return for each piece the first and the last of the characters that it spells, counted through all pieces.

        Pieces that are bytes of one character all spell that one.
        """
        places, position = [], 0
        rest = 0  # how many bytes of a character are still to come
        for piece in pieces:
            byte = self._bytes.get(piece)
            if byte is None:
                places.append((position, position + len(piece) - 1))
                position += len(piece)
                continue
            rest = rest - 1 if rest else max(8 - (byte ^ 0xFF).bit_length(), 1) - 1  # UTF-8: 0xxxxxxx, 110xxxxx …
            places.append((position, position))
            position += rest == 0
        return places

    def starts_word(self, piece: str) -> bool:
        """Whether white space, or the beginning of the text, was in front of a piece."""
        return not self._space_behind and piece.startswith(WORD_START)

    def ends_word(self, piece: str) -> bool:
        """Whether white space, or the end of the text, was behind a piece."""
        return self._space_behind and piece.endswith(WORD_START)

    def word_of_space(self, start: int, end: int, text: str) -> int:
        """The character, of the word that it belongs to, for a "▁" that stands for `text[start:end]`."""
        return max(start - 1, 0) if self._space_behind and start < len(text) - 1 else min(end, len(text) - 1)

    def blanks(self, text: str) -> set[str]:
        """The characters of `text` that leave no trace in pieces when they stand alone: spaces, controls."""
        characters = set(text)
        for character in characters - self._is_blank.keys():
            self._is_blank[character] = self.normalize(character) == ""
        return {character for character in characters if self._is_blank[character]}

    def encode_pieces(self, texts: list[str], sampling: Mapping[str, object] | None = None) -> list[list[str]]:
        """Cut normalised texts into pieces; a run of unknown characters is one piece.

        With `sampling` (`AlbertTokenizer.sp_model_kwargs`) the cut is drawn, by the library's generator.

        Digit-comma rule (Google albert, `tokenization.encode_pieces`): a piece that ends in a digit and a
        comma is cut again without the comma, so that "2010," gives "▁2010" and ",".
        """
        batch: list[list[str]]
        if sampling:  # one text at a time: threads of a batch would all begin at the seed
            batch = [self._processor.encode(text, out_type=str, **sampling) for text in texts]
        else:
            batch = self._processor.encode(texts, out_type=str, num_threads=_threads(len(texts)))
        return [
            [part for p in pieces for part in (self._split_comma(p) if ends_in_digit_comma(p) else (p,))]
            for pieces in batch
        ]

    def _split_comma(self, piece: str) -> list[str]:
        """`"▁2010,"` → `["▁2010", ","]`, without adding a word start that the piece did not have."""
        parts: list[str] = self._processor.encode(piece[:-1].replace(WORD_START, ""), out_type=str)
        if not piece.startswith(WORD_START) and parts[0].startswith(WORD_START):
            parts = [*([parts[0][1:]] if len(parts[0]) > 1 else []), *parts[1:]]
        return [*parts, ","]

    def encode_ids(self, texts: list[str], sampling: Mapping[str, object] | None = None) -> list[list[int]]:
        """Cut normalised texts into piece ids, on all cores, with the digit-comma rule."""
        # A run of unknown characters can end in a comma, and ids do not show it.
        if "," not in self.piece_ids or sampling:
            return [[self.piece_to_id(p) for p in pieces] for pieces in self.encode_pieces(texts, sampling)]
        batch: list[list[int]] = self._processor.encode(texts, out_type=int, num_threads=_threads(len(texts)))
        touched = self._comma_parts.keys()
        for i, ids in enumerate(batch):
            if not touched.isdisjoint(ids):
                batch[i] = [part for piece in ids for part in self._comma_parts.get(piece, (piece,))]
        return batch

    @cached_property
    def _comma_parts(self) -> dict[int, list[int]]:
        """Id of every piece that ends in digit and comma → the ids that the rule puts in its place."""
        return {
            i: [self.piece_to_id(part) for part in self._split_comma(piece)]
            for i, piece in enumerate(self.pieces)
            if ends_in_digit_comma(piece) and not self._is_reserved(i)
        }

    def _is_reserved(self, piece: int) -> bool:
        """Whether a piece is never cut out of text: control, unknown or unused."""
        sp = self._processor
        return bool(sp.IsControl(piece) or sp.IsUnknown(piece) or sp.IsUnused(piece))

    @cached_property
    def reserved(self) -> list[str]:
        """The pieces that are never cut out of text, such as "[CLS]" (control, unknown and unused ones)."""
        return [piece for i, piece in enumerate(self.pieces) if self._is_reserved(i)]


def ends_in_digit_comma(piece: str) -> bool:
    """Whether the digit-comma rule applies to a piece: "▁2010," is cut again, "," alone is not."""
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()


def _threads(texts: int) -> int:
    """How many threads are worth starting for so many texts."""
    return available_threads() if texts >= BATCH_WORTH_THREADS else 1

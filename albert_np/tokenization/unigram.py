"""The Unigram model in plain Python: the same ids as the SentencePiece library, with the lattice laid open.

A Unigram model gives every piece a log-probability and scores a segmentation by the sum over its pieces,
log P(x₁ … xₙ) = Σ log p(xᵢ); of all ways to cut a text, the tokenizer takes the one with the highest score.
The ways form a lattice: places between characters are its nodes, pieces that fit are its edges. Viterbi's
algorithm finds the best path from left to right, keeping for each place only the best edge that ends there
(Kudo, 2018, "Subword Regularization", section 3.2).
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from albert_np.tokenization.sentencepiece_model import Kind, Piece, SentencePieceModel, read_model, unknown_id

UNKNOWN_PENALTY = 10.0  # an unknown character scores this much less than the rarest piece
USER_DEFINED_BONUS = 0.1  # for each byte after the first: one long user-defined symbol wins over several short ones


class Edge(NamedTuple):
    """One candidate piece: it covers `text[start:end]`, and `score` is its log-probability."""

    start: int
    end: int
    piece: str
    id: int
    score: float


class Unigram:
    """A Unigram vocabulary: pieces with scores, and the segmentation that maximises their sum.

    Works on text as SentencePiece normalises it (`SentencePieceModel.normalize`: spaces are "▁"). Raises ValueError
    if `pieces` hold none of kind UNKNOWN, or none of kind NORMAL.
    """

    def __init__(self, pieces: Sequence[Piece]):
        normal = [piece.score for piece in pieces if piece.kind == Kind.NORMAL]
        if not normal:
            raise ValueError("pieces must hold one of kind NORMAL, and there is none")
        self.unk_id = unknown_id(pieces)
        self.unk_score = float(np.float32(min(normal) - UNKNOWN_PENALTY))
        self.byte_ids = {piece.text: i for i, piece in enumerate(pieces) if piece.kind == Kind.BYTE}
        self.longest = max(len(piece.text) for piece in pieces)
        self.entries = {
            piece.text: (i, self._score(piece))
            for i, piece in enumerate(pieces)
            if piece.kind in (Kind.NORMAL, Kind.USER_DEFINED)
        }

    @classmethod
    def from_model(cls, model: SentencePieceModel) -> "Unigram":
        """The pieces of a SentencePiece model."""
        return cls(read_model(model.serialized).pieces)

    def _score(self, piece: Piece) -> float:
        """The log-probability of a piece; a user-defined symbol is certain, whatever score the file gives it."""
        if piece.kind == Kind.USER_DEFINED:
            return float(np.float32(USER_DEFINED_BONUS * (len(piece.text.encode()) - 1)))
        return float(np.float32(piece.score))

    def edges_from(self, text: str, start: int) -> Iterator[Edge]:
        """Yield the pieces that fit at `start`, shortest first; an unknown character gets an edge of its own."""
        for end in range(start + 1, min(start + self.longest, len(text)) + 1):
            piece = text[start:end]
            if piece in self.entries:
                yield Edge(start, end, piece, *self.entries[piece])
            elif end == start + 1:
                yield Edge(start, end, piece, self.unk_id, self.unk_score)

    def lattice(self, text: str) -> list[Edge]:
        """Return every candidate piece of `text`, by start."""
        return [edge for start in range(len(text)) for edge in self.edges_from(text, start)]

    def best_path(self, text: str) -> list[Edge]:
        """Return the edges of the best segmentation of `text` (Viterbi).

        Scores and sums are rounded to float32, as in the library: that decides between paths of equal score.

        Derivation: notebook 06, eq. 6.4 and 6.5.
        """
        best_score = [0.0] + [-np.inf] * len(text)  # of the best path that ends at each place
        best_edge: list[Edge | None] = [None] * (len(text) + 1)  # the last edge of that path
        for start in range(len(text)):
            for edge in self.edges_from(text, start):
                score = float(np.float32(best_score[start] + edge.score))
                if score > best_score[edge.end]:
                    best_score[edge.end] = score
                    best_edge[edge.end] = edge

        path: list[Edge] = []
        edge_back = best_edge[len(text)]
        while edge_back is not None:
            path.append(edge_back)
            edge_back = best_edge[edge_back.start]
        return path[::-1]

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """Return piece and id of the best segmentation.

        Neighbouring unknown characters are joined to one piece or, where the vocabulary has bytes, cut into those.
        """
        joined: list[tuple[str, int]] = []
        for unknown, edges in groupby(self.best_path(text), key=lambda edge: edge.id == self.unk_id):
            if unknown and self.byte_ids:
                spelled = "".join(edge.piece for edge in edges).encode()
                joined += [(piece, self.byte_ids[piece]) for piece in (f"<0x{byte:02X}>" for byte in spelled)]
            elif unknown:
                joined.append(("".join(edge.piece for edge in edges), self.unk_id))
            else:
                joined += [(edge.piece, edge.id) for edge in edges]
        return joined

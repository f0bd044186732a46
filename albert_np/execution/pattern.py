"""Who attends to whom in a batch, and which results are wanted: all that a block must know of how a batch is laid out.

Hidden states travel as rows. In a dense batch these are its B · T positions, (B, T, …). Where padding is skipped they
are the R real tokens alone, (R, …), sequence after sequence, the shortest first, so that equally long sequences are
neighbours and attend in one go. A dense batch is one run of B sequences of T tokens.
"""

import math
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np

from albert_np.backend import Array, Backend, array_module
from albert_np.changes import change_in_force

__all__ = ["Pattern", "Run", "dense_pattern", "packed_pattern"]


class Run(NamedTuple):
    """Neighbouring sequences of equal length."""

    start: int  # the first one's first row
    sequences: int
    length: int  # tokens of each

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + self.sequences * self.length)


@dataclass(frozen=True)
class Pattern:
    """A batch of B sequences of T positions.

    runs: sequences that lie side by side; the tokens of one attend to each other. mask: added to the scores of
    attention, broadcastable to (B, N, T, T), or None; only where there is one run. tokens: places (R,) of the real
    tokens in the flattened batch, or None where all B · T positions are computed; host_tokens: the same in the host's
    memory, for arrays that are there. sequences: of each that has a token, in the order of the rows, (S, 3): its first
    row, its length, and which it is of its run, from 0; or None like tokens. wanted: numbers (W,) of the rows whose
    results are read at the end, or None for all of them.
    """

    batch: int  # B
    positions: int  # T
    runs: tuple[Run, ...]
    mask: Array | None = None
    tokens: Array | None = None
    host_tokens: np.ndarray | None = None
    sequences: Array | None = None
    wanted: Array | None = None

    def pack(self, x: Array) -> Array:
        """Take the real tokens: (B, T, …) → rows, where (1, T, …) stands for every sequence."""
        if self.tokens is None:
            return x
        whole = array_module(x).broadcast_to(x, (self.batch, self.positions, *x.shape[2:]))
        return whole.reshape(-1, *x.shape[2:])[self._tokens_for(x)]

    def unpack(self, rows: Array, fill: float = 0) -> Array:
        """Mirror of `pack`: put rows where they belong, `fill` into the padding; returns (B, T, …)."""
        if self.tokens is None:
            return rows
        return _put(rows, self._tokens_for(rows), (self.batch, self.positions), fill)

    def split(self, x: Array) -> list[Array]:
        """Return the rows of each run as (sequences, length, …); views, where x is contiguous."""
        flat = x.reshape(-1, x.shape[-1])
        return [flat[run.rows].reshape(run.sequences, run.length, -1) for run in self.runs]

    def join(self, parts: list[Array]) -> Array:
        """Mirror of `split`."""
        if len(parts) > 1:
            parts = [array_module(parts[0]).concatenate([part.reshape(-1, part.shape[-1]) for part in parts])]
        return parts[0].reshape(*self._rows_shape, -1)

    @property
    def room(self) -> tuple[int, int]:
        """How many sequences there are, and how long the longest is; of a dense batch B and T."""
        return sum(run.sequences for run in self.runs), self.runs[-1].length

    def squares(self, parts: list[Array]) -> Array:
        """Return what the tokens of each run have to do with each other, (sequences, N, t, t), as (B, N, T, T).

        Zero in padding that is not computed. A device may have computed all runs in one, in the `room` of the longest.
        """
        if self.tokens is None:
            return parts[0]
        if len(parts) < len(self.runs):
            ends = np.cumsum([run.sequences for run in self.runs]).tolist()
            bounds = zip(self.runs, [0, *ends], ends, strict=False)
            parts = [parts[0][start:end, :, : run.length, : run.length] for run, start, end in bounds]
        B, T, N = self.batch, self.positions, parts[0].shape[1]
        whole = array_module(parts[0]).zeros((B * T, T, N), dtype=parts[0].dtype)  # of each token to each place
        for run, part in zip(self.runs, parts, strict=True):
            tokens = self.tokens[run.rows].reshape(run.sequences, run.length)
            whole[tokens[:, :, None], tokens[:, None, :] % T] = part.transpose(0, 2, 3, 1)
        return whole.reshape(B, T, T, N).transpose(0, 3, 1, 2)

    def gather(self, x: Array) -> Array:
        """Take the wanted rows: (…, C) → (W, C)."""
        return x if self.wanted is None else x.reshape(-1, *x.shape[len(self._rows_shape) :])[self.wanted]

    def spread(self, dx: Array) -> Array:
        """Mirror of `gather`, (W, C) → (…, C): zero in all other rows."""
        return dx if self.wanted is None else _put(dx, self.wanted, self._rows_shape)

    def wanting(self, read: Array, backend: Backend) -> "Pattern":
        """Return the same pattern for a reader of some results alone.

        read: booleans (B, T), of the backend or in the host's memory: then nobody waits to know how many they are.
        """
        return replace(self, wanted=backend.own(array_module(read).flatnonzero(self.pack(read))))

    def of_steps(self, steps: int) -> list["Pattern"]:
        """Return the pattern of each layer step: all rows are needed up to the last one, which computes the wanted."""
        return [replace(self, wanted=None)] * (steps - 1) + [self]

    def _tokens_for(self, x: Array) -> Array:
        return self.host_tokens if isinstance(x, np.ndarray) else self.tokens

    @property
    def _rows_shape(self) -> tuple[int, ...]:
        return (self.batch, self.positions) if self.tokens is None else self.tokens.shape


def _put(rows: Array, places: Array, shape: tuple[int, ...], fill: float = 0) -> Array:
    """Put (R, …) into an array of the leading axes `shape`, flattened, at `places`."""
    whole = array_module(rows).full((math.prod(shape), *rows.shape[1:]), fill, dtype=rows.dtype)
    whole[places] = rows
    return whole.reshape(*shape, *rows.shape[1:])


def dense_pattern(batch: int, positions: int, mask: Array | None = None) -> Pattern:
    """Return the pattern of a batch that is computed whole, with an additive mask or none."""
    return Pattern(batch, positions, (Run(0, batch, positions),), mask)


def packed_pattern(attention_mask: np.ndarray, backend: Backend) -> Pattern:
    """Return the pattern of the ones in a mask (B, T): padding is not computed at all.

    A mask of nothing but ones gives the dense pattern. ValueError if the mask holds anything but 0 and 1, or not a
    single 1; and, where a change makes attention depend on positions, if padding stands before a token, since tokens
    would move to other places.
    """
    real = attention_mask == 1
    if not (real | (attention_mask == 0)).all():
        raise ValueError("skip_padding needs an attention_mask of 1 (real) and 0 (padding) alone")
    B, T = real.shape
    if real.all():
        return dense_pattern(B, T)
    if not real.any():
        raise ValueError("attention_mask has no 1: there is no real token")
    change = change_in_force()
    if change is not None and change.right_padding and (real[:, 1:] > real[:, :-1]).any():
        raise ValueError(
            f"skip_padding with {', '.join(change.described)} replaced needs all padding at the end of each sequence"
        )
    lengths = real.sum(axis=1)
    order = np.argsort(lengths, kind="stable")
    tokens = np.concatenate([b * T + np.flatnonzero(real[b]) for b in order])
    runs: list[Run] = []
    for length, group in groupby(int(lengths[b]) for b in order if lengths[b]):
        start = runs[-1].rows.stop if runs else 0
        runs.append(Run(start, len(list(group)), length))
    sequences = np.array([(run.start + i * run.length, run.length, i) for run in runs for i in range(run.sequences)])
    own = backend.from_numpy
    return Pattern(B, T, tuple(runs), tokens=own(tokens), host_tokens=tokens, sequences=own(sequences))

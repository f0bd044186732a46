"""Real tokens alone: a padded batch (B, T) as R rows, so that its cost follows what is in it.

Only attention needs to know which rows make a sequence. Rows lie sequence after sequence, the shortest first, so that
equally long ones are neighbours and attend in one go.
"""

import math
from itertools import groupby
from typing import NamedTuple

import numpy as np

from albert_np.backend import Array, Backend, array_module

__all__ = ["Packing", "Run", "make_packing", "pack", "put_rows", "take_rows", "unpack"]


class Run(NamedTuple):
    """Neighbouring sequences of equal length."""

    start: int  # the first one's first row
    sequences: int
    length: int  # tokens of each

    @property
    def rows(self) -> slice:
        return slice(self.start, self.start + self.sequences * self.length)


class Packing(NamedTuple):
    rows: Array  # (R,) places of the real tokens in the flattened batch, B·T long
    shape: tuple[int, int]  # B, T
    runs: list[Run]


def make_packing(attention_mask: np.ndarray, backend: Backend) -> Packing | None:
    """Return where the ones of a mask (B, T) lie, or None if there is nothing but ones.

    ValueError if the mask holds anything but 0 and 1, or not a single 1.
    """
    real = attention_mask == 1
    if not (real | (attention_mask == 0)).all():
        raise ValueError("skip_padding needs an attention_mask of 1 (real) and 0 (padding) alone")
    if real.all():
        return None
    if not real.any():
        raise ValueError("attention_mask has no 1: there is no real token")
    lengths = real.sum(axis=1)
    order = np.argsort(lengths, kind="stable")
    rows = np.concatenate([b * real.shape[1] + np.flatnonzero(real[b]) for b in order])
    runs, start = [], 0
    for length, group in groupby(int(lengths[b]) for b in order if lengths[b]):
        runs.append(Run(start, len(list(group)), length))
        start = runs[-1].rows.stop
    return Packing(backend.from_numpy(rows), (real.shape[0], real.shape[1]), runs)


def pack(x: Array, packing: Packing | None) -> Array:
    """Take the real tokens: (B, T, …) → (R, …), where (1, T, …) stands for every sequence. No packing: x itself."""
    if packing is None:
        return x
    return take_rows(array_module(x).broadcast_to(x, (*packing.shape, *x.shape[2:])), packing.rows, axes=2)


def unpack(x: Array, packing: Packing | None, fill: float = 0) -> Array:
    """Put the real tokens back, `fill` in the padding: (R, …) → (B, T, …). No packing: x itself."""
    return x if packing is None else put_rows(x, packing.rows, packing.shape, fill)


def take_rows(x: Array, rows: Array, axes: int) -> Array:
    """Take some rows of an array whose leading `axes` are flattened: (B, T, …) or (R, …) → (len(rows), …)."""
    return x.reshape(-1, *x.shape[axes:])[rows]


def put_rows(x: Array, rows: Array, shape: tuple[int, ...], fill: float = 0) -> Array:
    """Mirror of `take_rows`: (len(rows), …) → (*shape, …), `fill` in all other places."""
    whole = array_module(x).full((math.prod(shape), *x.shape[1:]), fill, dtype=x.dtype)
    whole[rows] = x
    return whole.reshape(*shape, *x.shape[1:])

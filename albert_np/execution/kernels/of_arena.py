"""Launchers of what is done to the whole arena at once: its norm, a step of an optimizer."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from albert_np.backend import Array, Backend
from albert_np.execution.kernels.launching import Launching, blocks_for, in_order, serves

__all__ = ["OfArena"]

CHUNK = 1 << 13  # numbers of the arena to a block


class Tables(NamedTuple):
    """An arena cut into chunks, see optimizer.cu."""

    chunks: Array  # (C, 2)
    owners: Array  # (C,)
    adapted: Array  # (tensors,)
    firsts: Array  # (tensors + 1,)


class OfArena(Launching):
    """Launchers under the names and signatures of formulas in training/optimizers.py."""

    def __init__(self, backend: Backend, raw_module: Callable[..., Any]):
        super().__init__(backend, raw_module)
        self._tables = functools.cache(self._cut)

    def _cut(self, spans: tuple[tuple[int, int, bool], ...]) -> Tables:
        """Return the tables of tensors (start, end, adapted) in an arena."""
        chunks = [
            (i, start, min(start + CHUNK, end))
            for i, (first, end, _) in enumerate(spans)
            for start in range(first, end, CHUNK)
        ]
        owners = np.array([owner for owner, *_ in chunks], np.int32)
        tables = Tables(
            np.array([bounds for _, *bounds in chunks], np.int64),
            owners,
            np.array([adapted for *_, adapted in spans], np.int32),
            np.searchsorted(owners, np.arange(len(spans) + 1)).astype(np.int32),
        )
        return Tables(*map(self.backend.from_numpy, tables))

    def sum_of_squares(self, x: Array) -> Array:
        """Return Σ x² of a 1-D array as one number of float64 on the device."""
        if not serves(x):
            return NotImplemented
        blocks = min(blocks_for(x.size), 512)
        partial, total = self.xp.empty(blocks, dtype=np.float64), self.xp.empty(1, dtype=np.float64)
        self._launch("sum_of_squares", x, blocks, 256, (in_order(x), partial, total, x.size))
        return total[0]

    def shorten(self, x: Array, max_norm: float) -> Array:
        """Return the norm as one number of float64 on the device."""
        if not serves(x) or not x.flags.c_contiguous:
            return NotImplemented
        norm = self.xp.empty(1, dtype=np.float64)
        args = (x, self.sum_of_squares(x), float(max_norm), norm, x.size)
        self._launch("shorten", x, blocks_for(x.size), 256, args)
        return norm[0]

    def update(self, optimizer: Any, stretch: Any, learning_rate: float) -> Any:
        """Make the step of an `AdamW` or `LAMB` for a stretch, whose moments and weights change in place."""
        spans, w, g, m, v = stretch
        tables = self._tables(spans)
        c1, c2 = optimizer.corrections()
        betas = (float(optimizer.beta1), float(optimizer.beta2))
        constants = (float(c1), float(c2), float(optimizer.epsilon), float(optimizer.weight_decay))
        rate, count = float(learning_rate), len(tables.owners)
        chunks, owners, adapted, firsts = tables
        if not optimizer.has_trust_ratios:
            args = (w, g, m, v, chunks, owners, adapted, *betas, *constants, rate)
            self._launch("adamw", w, count, 256, args)
            return []
        norms, ratios = self.xp.empty((count, 2), dtype=np.float64), self.xp.empty(len(adapted), dtype=np.float64)
        args = (w, g, m, v, chunks, owners, adapted, norms, *betas, *constants)
        self._launch("lamb_moments", w, count, 256, args)
        args = (w, m, v, chunks, owners, adapted, firsts, norms, ratios, *constants, rate)
        self._launch("lamb_weights", w, count, 256, args)
        return ratios

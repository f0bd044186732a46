"""Launchers of kernels under the names and signatures of formulas in ops.py.

A launcher returns what its formula does, caches as plain tuples, or NotImplemented where its kernel does not serve:
dtypes other than float32 and float64, nothing to compute.
"""

from typing import Any

import numpy as np
from numpy.random import Generator

from albert_np.backend import Array
from albert_np.execution.kernels.launching import (
    NO_ARRAY,
    WARP,
    Launching,
    blocks_for,
    in_order,
    or_none,
    serves,
    threads_for,
)
from albert_np.execution.masks import drop_limit
from albert_np.execution.pattern import Pattern, dense_pattern
from albert_np.execution.products import product, product_into

__all__ = ["ACTIVATIONS", "NO_DROPOUT", "OfOps", "sums_fit"]

WARPS = 4  # to a block, where a warp has a row
SHARED_BYTES = (48 << 10) - 1024  # that a block has without being asked, less what `block_sum` takes
FAN = 16  # of layer_norm.cu
NORM_BLOCKS = FAN * FAN
SLICES, TILES = 16, 1024  # of sum_rows.cu
NO_DROPOUT = (None, 1.0)
Cache = tuple[object, ...]  # of a formula, its fields in order


class OfOps(Launching):
    """Launchers of ops."""

    def activation_forward(self, x: Array, name: str) -> Any:
        if name not in ACTIVATIONS or not serves(x):
            return NotImplemented
        return self._activated(x, None, name)

    def _activated(self, x: Array, bias: Array | None, name: str) -> tuple[Array, tuple[Array, str]]:
        """Return act(x + bias) and the cache; a bias is added in place."""
        x, y = in_order(x), self._like(x)
        args = (x, or_none(bias), y, x.size, x.shape[-1] if x.ndim else 1)
        self._launch(f"{ACTIVATIONS[name]}_forward", x, blocks_for(x.size), 256, args)
        return y, (x, name)

    def activation_backward(self, dy: Array, cache: tuple[Array, str]) -> Array:
        x, name = cache
        kernel = ACTIVATIONS.get(name)
        if kernel is None or not serves(dy, x):
            return NotImplemented
        dx = self._like(dy)
        self._launch(f"{kernel}_backward", dy, blocks_for(dy.size), 256, (in_order(dy), in_order(x), dx, dy.size))
        return dx

    def layer_norm_forward(self, x: Array, weight: Array, bias: Array, eps: float) -> Any:
        return self._norm(x, weight, bias, eps) if serves(x, weight, bias) else NotImplemented

    def _norm(
        self,
        x: Array,
        weight: Array,
        bias: Array,
        eps: float,
        branch: Array | None = None,
        branch_bias: Array | None = None,
    ) -> tuple[Array, tuple[Array, Array, Array]]:
        """Return LayerNorm(x + (branch + its bias)) and the cache."""
        x, width = in_order(x), x.shape[-1]
        rows = x.size // width
        y, x_hat, rstd = self._like(x), self._like(x), self._like(x, *x.shape[:-1], 1)
        given = (x, or_none(branch), or_none(branch_bias), in_order(weight), in_order(bias), float(eps))
        args = (*given, y, x_hat, rstd, rows, np.int32(width))
        self._launch("layer_norm_forward", x, -(-rows // WARPS), WARPS * WARP, args)
        return y, (x_hat, rstd, weight)

    def layer_norm_backward(self, dy: Array, cache: tuple[Array, Array, Array]) -> Any:
        dweight, dbias = self._like(dy, dy.shape[-1]), self._like(dy, dy.shape[-1])
        dx = self._norm_dx(dy, cache, dweight, dbias, adds=False)
        return NotImplemented if dx is None else (dx, dweight, dbias)

    def _norm_dx(
        self,
        dy: Array,
        cache: tuple[Array, Array, Array],
        dweight: Array,
        dbias: Array,
        dbranch_bias: Array | None = None,
        *,
        adds: bool,
    ) -> Array | None:
        """Return dx, or None where the kernel does not serve. The sums over rows go into the others, or are added."""
        x_hat, rstd, weight = cache
        width = dy.shape[-1]
        if not serves(dy, x_hat, weight, dweight, dbias) or not sums_fit(dy, 2):
            return None
        third = dbranch_bias if sums_fit(dy, 3) else None
        rows, columns = dy.size // width, (2 if third is None else 3) * width
        blocks = min(rows, NORM_BLOCKS)
        dx, partial = self._like(dy), self._like(dy, blocks + -(-blocks // FAN), columns)
        targets = (dweight, dbias, or_none(third), np.int32(adds))
        args = (*map(in_order, (dy, x_hat, rstd, weight)), dx, partial, *targets, rows, np.int32(width))
        self._launch("layer_norm_backward", dy, blocks, threads_for(width), args, columns * dy.itemsize)
        if third is not dbranch_bias:
            self._sum_rows(dx.reshape(rows, width), dbranch_bias, adds=adds)
        return dx

    def softmax_forward(self, x: Array) -> Any:
        if not serves(x):
            return NotImplemented
        x, probs = in_order(x), self._like(x)
        self._softmax(x, 1.0, None, None, probs)
        return probs, (probs,)

    def softmax_backward(self, dprobs: Array, cache: tuple[Array]) -> Array:
        (probs,) = cache
        if not serves(dprobs, probs):
            return NotImplemented
        dx = self._like(dprobs)
        self._softmax_dx(in_order(dprobs), in_order(probs), 1.0, None, dx)
        return dx

    def _softmax(self, x: Array, scale: float, mask: Array | None, sequences: Array | None, probs: Array) -> None:
        width = x.shape[-1]
        rows = x.size // width
        mask = None if mask is None else in_order(mask)
        steps = [0] * 4 if mask is None else _steps(self.xp.broadcast_to(mask, x.shape))
        args = (x, scale, or_none(mask), or_none(sequences), *_heads_and_queries(x), *steps, probs, rows, width)
        self._launch("softmax_forward", x, -(-rows // WARPS), WARPS * WARP, args)

    def _softmax_dx(self, dprobs: Array, probs: Array, scale: float, sequences: Array | None, dx: Array) -> None:
        width = probs.shape[-1]
        rows = probs.size // width
        args = (dprobs, probs, scale, or_none(sequences), *_heads_and_queries(probs), dx, rows, width)
        self._launch("softmax_backward", probs, -(-rows // WARPS), WARPS * WARP, args)

    def attention_forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        mask: Array | None,
        dropout_prob: float = 0.0,
        rng: Generator | None = None,
    ) -> Any:
        arrays = (query, key, value) if mask is None else (query, key, value, mask)
        if query.ndim != 4 or not 0 <= dropout_prob <= 1 or not serves(*arrays):
            return NotImplemented
        B, _, T, _ = query.shape
        return self._attended(query, key, value, dense_pattern(B, T, mask), dropout_prob, rng)

    def _attended(
        self, query: Array, key: Array, value: Array, pattern: Pattern, prob: float, rng: Generator | None
    ) -> tuple[Array, Cache]:
        """Return the context and the cache; the pattern may say that there is padding, which nobody attends to."""
        probs = product(query, key.swapaxes(-1, -2))  # what they are made of takes their place
        self._softmax(probs, query.shape[-1] ** -0.5, pattern.mask, pattern.sequences, probs)
        dropped, dropout = (probs, NO_DROPOUT) if rng is None or prob == 0 else self._drop(probs, pattern, prob, rng)
        return product(dropped, value), (query, key, value, (probs,), dropout, dropped)

    def attention_backward(self, dcontext: Array, cache: Any) -> Any:
        query, key, value, *_, dropped = cache
        if query.ndim != 4 or not serves(dcontext, dropped):
            return NotImplemented
        gradients = self._like(query), self._like(key), self._like(value)
        self._attended_back(dcontext, cache, None, *gradients)
        return gradients

    def _attended_back(
        self, dcontext: Array, cache: Any, sequences: Array | None, dquery: Array, dkey: Array, dvalue: Array
    ) -> None:
        query, key, value, (probs,), dropout, dropped = cache
        ddropped = product(dcontext, value.swapaxes(-1, -2))
        product_into(dvalue, dropped.swapaxes(-1, -2), dcontext, adds=False)
        dscores = ddropped if dropout[0] is None else self.dropout_backward(ddropped, dropout)
        self._softmax_dx(dscores, probs, query.shape[-1] ** -0.5, sequences, dscores)
        product_into(dquery, dscores, key, adds=False)
        product_into(dkey, dscores.swapaxes(-1, -2), query, adds=False)

    def narrowed(self, x: Array, precision: str) -> Array:
        if precision != "bfloat16" or x.dtype != np.float32 or not serves(x):
            return NotImplemented  # float16 is the device's own
        y = self.xp.empty(x.shape, dtype=np.uint16)
        self._launch("narrow", x, blocks_for(x.size), 256, (in_order(x), y, x.size))
        return y

    def dropout_forward(self, x: Array, prob: float, rng: Generator | None) -> Any:
        if rng is None or not 0 < prob <= 1 or not serves(x):
            return NotImplemented
        x, y, kept = in_order(x), self._like(x), self.xp.empty(x.shape, dtype=bool)
        seed, scale = int(rng.integers(2**63)), _scale(prob)
        args = (x, seed, drop_limit(prob), scale, kept, y, x.size)
        self._launch("dropout_forward", x, blocks_for(x.size), 256, args)
        return y, (kept, scale)

    def _drop(self, probs: Array, pattern: Pattern, prob: float, rng: Generator) -> Any:
        """Drop probabilities (B, N, T, S); where padding is skipped run by run, as the formula does."""
        if pattern.sequences is None:
            return self.dropout_forward(probs, prob, rng)
        y, kept, scale = self._like(probs), self.xp.empty(probs.shape, dtype=bool), _scale(prob)
        seeds = np.repeat([rng.integers(2**63) for _ in pattern.runs], [run.sequences for run in pattern.runs])
        N, T = _heads_and_queries(probs)
        rows = probs.size // T
        own = (probs, pattern.sequences, self.backend.from_numpy(seeds))
        args = (*own, drop_limit(prob), scale, kept, y, N, T, rows)
        self._launch("dropout_in_runs", probs, -(-rows // WARPS), WARPS * WARP, args)
        return y, (kept, scale)

    def dropout_backward(self, dy: Array, cache: tuple[Array | None, float]) -> Array:
        kept, scale = cache
        if kept is None or not serves(dy) or dy.shape != kept.shape:
            return NotImplemented
        dx = self._like(dy)
        args = (in_order(dy), kept, float(scale), dx, dy.size)
        self._launch("dropout_backward", dy, blocks_for(dy.size), 256, args)
        return dx

    def scatter_add(self, target: Array, ids: Array, rows: Array) -> Any:
        if not serves(target, rows) or not target.flags.c_contiguous:
            return NotImplemented
        ids, rows = ids.reshape(-1).astype(np.int64, copy=False), in_order(rows.reshape(-1, rows.shape[-1]))
        order = self.xp.argsort(ids, kind="stable")
        ids = ids[order]
        starts, pieces = self.xp.searchsorted(ids, ids), self._like(rows)
        blocks = blocks_for(rows.size)
        self._launch("sum_pieces", rows, blocks, 256, (starts, order, rows, pieces, *rows.shape))
        self._launch("add_pieces", rows, blocks, 256, (starts, ids, pieces, target, *rows.shape))
        return None

    def cross_entropy_forward(
        self, logits: Array, labels: Array, ignore_index: int = -100, denominator: float | None = None
    ) -> Any:
        if not serves(logits) or (denominator is not None and not isinstance(denominator, int | float)):
            return NotImplemented
        rows, width = logits.shape
        empty, probs = self.xp.empty, self._like(logits)
        safe_labels, counted = empty(rows, dtype=np.int64), empty(rows, dtype=bool)
        loss, divided_by, row_losses = self._like(logits, 1), self._like(logits, 1), empty(rows, dtype=np.float64)
        args = (
            *(in_order(logits), in_order(labels.astype(np.int64, copy=False)), int(ignore_index)),
            *(float(denominator or 0), probs, safe_labels, counted, row_losses, loss, divided_by, width),
        )
        self._launch("cross_entropy_forward", logits, rows, threads_for(width), args)
        used = divided_by[0] if denominator is None else denominator
        return loss[0], (probs, safe_labels, counted, used)

    def cross_entropy_backward(self, dloss: Array | float, cache: tuple[Array, Array, Array, Array | float]) -> Array:
        probs, labels, counted, denominator = cache
        if not serves(probs):
            return NotImplemented
        factor: Any = dloss / denominator
        factors, dlogits = NO_ARRAY, self._like(probs)
        if hasattr(factor, "shape"):
            factor, factors = 1.0, factor.astype(probs.dtype, copy=False)
        args = (in_order(probs), labels, counted, float(factor), factors, dlogits, probs.shape[-1])
        self._launch("cross_entropy_backward", probs, len(probs), threads_for(probs.shape[-1]), args)
        return dlogits

    def sum_rows(self, rows: Array) -> Array:
        if not serves(rows):
            return NotImplemented
        y = self._like(rows, rows.shape[1])
        self._sum_rows(rows, y, adds=False)
        return y

    def _sum_rows(self, rows: Array, y: Array, adds: bool) -> None:
        count, width = rows.shape
        tiles = -(-width // WARP)
        slices = max(1, min(SLICES, count // 64)) if tiles <= TILES else 1
        args = (in_order(rows), self._like(rows, slices, width), y, np.int32(adds), count, width)
        self._launch("sum_rows", rows, (tiles, slices), 8 * WARP, args)


# By Hugging Face's names: what activation.cu calls them
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_python": "gelu",
    "gelu_pytorch_tanh": "gelu_new",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}


def _scale(prob: float) -> float:
    return 1 / (1 - prob) if prob < 1 else 0.0


def sums_fit(x: Array, count: int) -> bool:
    """Return whether a block has room for so many sums over rows as wide as those of x."""
    return bool(count * x.shape[-1] * x.itemsize <= SHARED_BYTES)


def _heads_and_queries(scores: Array) -> tuple[int, int]:
    """Return N and T of scores (B, N, T, S); 1 and 1 of others."""
    return scores.shape[1:3] if scores.ndim == 4 else (1, 1)


def _steps(x: Array) -> list[int]:
    """Return how many numbers lead from one to the next along each axis."""
    return [step // x.itemsize for step in x.strides]

"""Attention some heads at a time, so that no probabilities wait for the backward pass: they are computed again there.

The probabilities of long sequences are the largest arrays of a pass, N · T numbers for each token. What is kept in
their place are two numbers of each row of scores, its highest and the sum Σ of the exponentials, as in FlashAttention
(Dao et al., 2022). With e = exp(scores - highest), probs = e / Σ, and what is divided by Σ is never an array of (T, S):

    context = (e value) / Σ
    dvalue = eᵀ d,  dscores = e (d valueᵀ - Σ d · context)  with d = dcontext / Σ

In dscores, Σ d · context over the head is the softmax's Σ dprobs probs over the keys, divided as d is.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.random import Generator

from albert_np.backend import Array
from albert_np.execution.products import product
from albert_np.execution.row_blocks import BLOCK_BYTES

__all__ = ["AttentionCall", "back_in_head_blocks", "in_head_blocks", "keeps_probabilities"]

F = TypeVar("F", bound=Callable[..., Any])
Block = tuple[slice, slice]  # of the sequences and of the heads


def keeps_probabilities(heads: int, queries: int, keys: int, itemsize: int = 4) -> bool:
    """Return whether the probabilities of one sequence are small enough to be kept, and computed with all others."""
    return heads * queries * keys * itemsize <= BLOCK_BYTES


class AttentionCall(NamedTuple):
    """What attention was called with and what it gave, in place of its cache: enough to compute it again."""

    query: Array  # (B, N, T, D)
    key: Array  # (B, N, S, D)
    value: Array  # (B, N, S, D)
    mask: Array | None  # (B, N, T, S)
    context: Array  # (B, N, T, D)
    highest: Array  # (B, N, T, 1), of the scores
    total: Array  # (B, N, T, 1), of the exponentials

    @property
    def dropped(self) -> Array:
        """The probabilities (B, N, T, S), computed again each time that they are read."""
        everything = (slice(None), slice(None))
        return self.exponentials(everything) / self.total

    def blocks(self) -> Iterator[Block]:
        """Go over the sequences, and in each over as many heads as are one block of scores, at least one."""
        (B, N, T, _), S = self.query.shape, self.key.shape[-2]
        heads = max(1, BLOCK_BYTES // (T * S * self.query.itemsize))
        for b in range(B):
            for n in range(0, N, heads):
                yield slice(b, b + 1), slice(n, n + heads)

    def scores(self, block: Block) -> Array:
        """Return the scores of a block, (…, T, S)."""
        scores = product(self.scaled_query(block), self.key[block].swapaxes(-1, -2))
        if self.mask is not None:
            scores += self.mask[block]
        return scores

    def exponentials(self, block: Block) -> Array:
        """Return exp(scores - highest) of a block whose highest scores are known, (…, T, S)."""
        scores = self.scores(block)
        scores -= self.highest[block]
        return np.exp(scores, out=scores)

    def scaled_query(self, block: Block) -> Array:
        """Return query / √D of a block."""
        return self.query[block] * self.query.shape[-1] ** -0.5


def in_head_blocks(forward: F) -> F:
    """Return attention's forward formula, computed block by block where the probabilities would be large.

    Its cache then is an `AttentionCall`. Arrays that are not NumPy's are computed whole, and so is what drops
    probabilities at random: the mask is drawn for all of them.
    """

    @functools.wraps(forward)
    def blocked(
        query: Array,
        key: Array,
        value: Array,
        mask: Array | None,
        dropout_prob: float = 0.0,
        rng: Generator | None = None,
    ) -> Any:
        drops = rng is not None and dropout_prob > 0
        if drops or not isinstance(query, np.ndarray) or query.ndim != 4 or _is_small(query, key):
            return forward(query, key, value, mask, dropout_prob, rng)
        return _forward(query, key, value, mask)

    return cast(F, blocked)


def back_in_head_blocks(backward: F) -> F:
    """Return attention's backward formula, computed block by block where its forward was."""

    @functools.wraps(backward)
    def blocked(dcontext: Array, cache: Any) -> Any:
        return _backward(dcontext, cache) if isinstance(cache, AttentionCall) else backward(dcontext, cache)

    return cast(F, blocked)


def _is_small(query: Array, key: Array) -> bool:
    return keeps_probabilities(query.shape[1], query.shape[2], key.shape[2], query.itemsize)


def _forward(query: Array, key: Array, value: Array, mask: Array | None) -> tuple[Array, AttentionCall]:
    (B, N, T, D), S = query.shape, key.shape[-2]
    if mask is not None:
        mask = np.broadcast_to(mask, (B, N, T, S))
    context = np.empty((B, T, N, D), query.dtype).swapaxes(1, 2)  # as the heads will lie side by side
    highest, total = np.empty((2, B, N, T, 1), query.dtype)
    call = AttentionCall(query, key, value, mask, context, highest, total)
    for block in call.blocks():
        e = call.scores(block)
        e.max(axis=-1, keepdims=True, out=highest[block])
        e -= highest[block]
        np.exp(e, out=e)
        e.sum(axis=-1, keepdims=True, out=total[block])
        np.divide(product(e, value[block]), total[block], out=context[block])
    return context, call


def _backward(dcontext: Array, call: AttentionCall) -> tuple[Array, Array, Array]:
    query, key, value = call.query, call.key, call.value
    dquery, dkey, dvalue = (np.empty_like(x) for x in (query, key, value))
    for block in call.blocks():
        e, d = call.exponentials(block), dcontext[block] / call.total[block]
        dvalue[block] = product(e.swapaxes(-1, -2), d)
        dscores = product(d, value[block].swapaxes(-1, -2))
        dscores -= (d * call.context[block]).sum(axis=-1, keepdims=True)
        dscores *= e
        np.multiply(product(dscores, key[block]), query.shape[-1] ** -0.5, out=dquery[block])
        dkey[block] = product(dscores.swapaxes(-1, -2), call.scaled_query(block))
    return dquery, dkey, dvalue

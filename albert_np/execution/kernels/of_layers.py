"""Launchers of what layers.py says in several formulas: the smallest blocks, a layer's heads, a whole layer.

A layer's additions go along with what reads or writes their terms anyway: a bias with the cut into heads, with the
activation, or with the sum that LayerNorm is taken of; the gradient that comes by the way around a branch with the
product that ends the way through it.
"""

from typing import Any

import numpy as np
from numpy.random import Generator

from albert_np.backend import Array
from albert_np.changes import change_in_force
from albert_np.config import AlbertConfig
from albert_np.execution.kernels.launching import in_order, or_none, serves, threads_for
from albert_np.execution.kernels.of_ops import NO_DROPOUT, Cache, OfOps, sums_fit
from albert_np.execution.pattern import Pattern
from albert_np.execution.precision import for_products, weight_for_products
from albert_np.execution.products import product, product_into
from albert_np.params import Scope

__all__ = ["OfLayers"]


class OfLayers(OfOps):
    """Launchers of blocks."""

    def norm_backward(self, dy: Array, cache: tuple[Array, Array, Array], g: Scope) -> Array:
        dx = self._norm_dx(dy, cache, g["weight"], g["bias"], adds=True)
        return NotImplemented if dx is None else dx

    def dense_backward(self, dy: Array, cache: tuple[Array, Array], g: Scope) -> Array:
        targets = [g[name] for name in ("weight", "bias") if name in g]
        if not serves(dy, *targets) or not all(x.size for x in cache):
            return NotImplemented
        for target in targets[1:]:
            self._sum_rows(_rows(dy), target, adds=True)
        return self._dense_dx(dy, cache, g["weight"])

    def _dense_dx(self, dy: Array, cache: tuple[Array, Array], dweight: Array, dx: Array | None = None) -> Array:
        """Add the gradient of the weight and return that of the input, added to `dx` if it is given."""
        x, weight = cache
        rows = for_products(_rows(dy))
        product_into(dweight, rows.T, _rows(x), adds=True)
        if dx is None:
            return product(rows, weight).reshape(x.shape)
        product_into(_rows(dx), rows, weight, adds=True)
        return dx

    def heads_forward(
        self, stacked: Array, pattern: Pattern, config: AlbertConfig, rng: Generator | None = None
    ) -> Any:
        if not _is_served(pattern, stacked):
            return NotImplemented
        return self._heads(stacked, None, pattern, config, rng)

    def _heads(
        self, stacked: Array, bias: Array | None, pattern: Pattern, config: AlbertConfig, rng: Generator | None
    ) -> tuple[Array, Cache]:
        split = self._split(stacked, bias, pattern, 3, config.num_attention_heads)
        prob = config.attention_probs_dropout_prob
        context, cache = self._attended(split[0], split[1], split[2], pattern, prob, rng)
        return self._merged(context[None], pattern), (pattern, [cache])

    def heads_backward(self, dmerged: Array, cache: Any) -> Array:
        pattern, [run, *_] = cache
        if not _is_served(pattern, dmerged):
            return NotImplemented
        dsplit = self._like(dmerged, 3, *run.query.shape)
        dcontext = self._split(dmerged, None, pattern, 1, run.query.shape[1])[0]
        self._attended_back(dcontext, run, pattern.sequences, dsplit[0], dsplit[1], dsplit[2])
        return self._merged(dsplit, pattern)

    def _split(self, x: Array, bias: Array | None, pattern: Pattern, parts: int, heads: int) -> Array:
        """Return the heads (parts, B, N, T, D) of rows (…, parts · N · D).

        Where padding is skipped, B are the sequences that have tokens, and T the tokens of the longest.
        """
        (B, T), width = pattern.room, x.shape[-1]
        y = self._like(x, parts, B, heads, T, width // (parts * heads))
        args = (in_order(x), or_none(bias), or_none(pattern.sequences), y, B, np.int32(heads), T)
        self._launch("split_heads", x, B * T, threads_for(width), (*args, np.int32(y.shape[-1]), np.int32(width)))
        return y

    def _merged(self, x: Array, pattern: Pattern) -> Array:
        """Mirror of `_split`."""
        parts, B, N, T, D = x.shape
        width = parts * N * D
        y = self._like(x, *((B, T) if pattern.tokens is None else pattern.tokens.shape), width)
        args = (x, or_none(pattern.sequences), y, B, np.int32(N), T, np.int32(D), np.int32(width))
        self._launch("merge_heads", x, B * T, threads_for(width), args)
        return y

    def layer_forward(
        self, x: Array, pattern: Pattern, p: Scope, config: AlbertConfig, rng: Generator | None = None
    ) -> Any:
        drops = rng is not None and config.hidden_dropout_prob > 0
        if drops or not _is_served(pattern, x, p["ffn.weight"]):
            return NotImplemented
        eps = config.layer_norm_eps
        stacked, query_key_value = _times(x, p.scope("attention.query_key_value."))
        bias = p["attention.query_key_value.bias"]
        merged, heads = self._heads(stacked, bias, pattern, config, rng)
        a, dense = _times(pattern.gather(merged), p.scope("attention.dense."))
        norm = p["attention.LayerNorm.weight"], p["attention.LayerNorm.bias"], eps
        h, attention_norm = self._norm(pattern.gather(x), *norm, a, p["attention.dense.bias"])
        inner, ffn = _times(h, p.scope("ffn."))
        activated, activation = self._activated(inner, p["ffn.bias"], config.hidden_act)
        f, ffn_output = _times(activated, p.scope("ffn_output."))
        norm = p["full_layer_layer_norm.weight"], p["full_layer_layer_norm.bias"], eps
        y, full_layer_layer_norm = self._norm(h, *norm, f, p["ffn_output.bias"])
        attention = (query_key_value, heads, dense, NO_DROPOUT)
        feed_forward = (ffn, activation, ffn_output, NO_DROPOUT)
        return y, (pattern, attention, attention_norm, feed_forward, full_layer_layer_norm)

    def layer_backward(self, dy: Array, cache: Any, g: Scope) -> Array:
        pattern, attention, attention_norm, feed_forward, full_layer_layer_norm = cache
        drops = attention.dropout.kept is not None or feed_forward.dropout.kept is not None
        if drops or not _is_served(pattern, dy, g["ffn.weight"]) or not sums_fit(dy, 2):
            return NotImplemented
        dh = self._norm_back(dy, full_layer_layer_norm, g.scope("full_layer_layer_norm."), g["ffn_output.bias"])
        dactivated = self._dense_dx(dh, feed_forward.ffn_output, g["ffn_output.weight"])
        dinner = self.activation_backward(dactivated, feed_forward.activation)
        self._sum_rows(_rows(dinner), g["ffn.bias"], adds=True)
        dh = self._dense_dx(dinner, feed_forward.ffn, g["ffn.weight"], dh)  # to what came by the way around
        da = self._norm_back(dh, attention_norm, g.scope("attention.LayerNorm."), g["attention.dense.bias"])
        dmerged = pattern.spread(self._dense_dx(da, attention.dense, g["attention.dense.weight"]))
        dstacked = self.heads_backward(dmerged, attention.heads)
        self._sum_rows(_rows(dstacked), g["attention.query_key_value.bias"], adds=True)
        dweight = g["attention.query_key_value.weight"]
        return self._dense_dx(dstacked, attention.query_key_value, dweight, pattern.spread(da))

    def _norm_back(self, dy: Array, cache: tuple[Array, Array, Array], g: Scope, dbranch_bias: Array) -> Array:
        """Return the gradient of both terms of the sum that LayerNorm is taken of, and add those of the parameters."""
        return self._norm_dx(dy, cache, g["weight"], g["bias"], dbranch_bias, adds=True)


def _is_served(pattern: Pattern, *arrays: Array) -> bool:
    """Return whether kernels take these, some rows are wanted, and nothing of ALBERT is replaced."""
    is_wanted = pattern.wanted is None or len(pattern.wanted) > 0
    mask = [] if pattern.mask is None else [pattern.mask]
    return change_in_force() is None and is_wanted and serves(*arrays, *mask)


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def _times(x: Array, p: Scope) -> tuple[Array, tuple[Array, Array]]:
    """Return a dense block's product, its bias still to be added, and its cache."""
    x, weight = for_products(x), weight_for_products(p["weight"])
    return product(_rows(x), weight.T).reshape(*x.shape[:-1], len(weight)), (x, weight)

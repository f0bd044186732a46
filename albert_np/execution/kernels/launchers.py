"""How kernels are launched: room for results, grids and blocks, arguments in order, under the formulas' signatures.

A launcher returns what its formula does, caches as plain tuples, or NotImplemented where its kernel does not serve:
dtypes other than float32 and float64, nothing to compute, dropout.
"""

import functools
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from albert_np.backend import Array, Backend
from albert_np.execution.products import add_product, product

__all__ = ["Launchers", "source"]

REAL = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
WARP = 32
WARPS = 4  # to a block, where a warp has a row
SHARED_BYTES = 48 << 10  # that a block has without being asked
FAN = 16  # of layer_norm.cu
NORM_BLOCKS = FAN * FAN
SLICES, TILES = 16, 1024  # of sum_rows.cu
CHUNK = 1 << 13  # numbers of the arena to a block
MOST_BLOCKS = 1 << 11  # where each thread takes one number after the other
NO_ARRAY = 0
OTHERS = ("norm_backward", "dense_backward", "sum_rows", "sum_of_squares", "update")


def source() -> str:
    """Return all kernels as one text, what they share first; REAL is still to be said."""
    folder = files("albert_np.execution.kernels")
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(".cu"))
    return "".join(f'#line 1 "{name}"\n{(folder / name).read_text("utf-8")}' for name in ("block.cuh", *names))


class Tables(NamedTuple):
    """An arena cut into chunks, see optimizer.cu."""

    chunks: Array  # (C, 2)
    owners: Array  # (C,)
    adapted: Array  # (tensors,)
    firsts: Array  # (tensors + 1,)


class Launchers:
    """The launchers of one backend.

    raw_module: compiles CUDA C for it and gives the kernels; called as `cupy.RawModule` is.
    """

    def __init__(self, backend: Backend, raw_module: Callable[..., Any]):
        self.backend = backend
        self.xp = backend.xp
        self._raw_module = raw_module
        self._kernel = functools.cache(self._find)
        self._module = functools.cache(self._compile)
        self._tables = functools.cache(self._cut)

    def by_name(self) -> Mapping[str, Callable[..., Any]]:
        """Return the launchers by the names of their formulas."""
        ops = ["activation", "layer_norm", "softmax", "attention", "cross_entropy"]
        names = [f"{op}_{direction}" for op in ops for direction in ("forward", "backward")]
        return {name: getattr(self, name) for name in (*names, *OTHERS)}

    def _compile(self, dtype: np.dtype[Any]) -> Any:
        return self._raw_module(code=source(), options=(f"-DREAL={REAL[dtype]}", "-std=c++17"))

    def _find(self, name: str, dtype: np.dtype[Any]) -> Any:
        return self._module(dtype).get_function(name)

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

    def _launch(
        self, name: str, like: Array, blocks: Any, threads: int, args: tuple[Any, ...], shared: int = 0
    ) -> None:
        grid = blocks if isinstance(blocks, tuple) else (blocks,)
        self._kernel(name, like.dtype)(grid, (threads,), args, shared_mem=shared)

    def _like(self, x: Array, *shape: int) -> Array:
        return self.xp.empty(shape or x.shape, dtype=x.dtype)

    def activation_forward(self, x: Array, name: str) -> Any:
        kernel = ACTIVATIONS.get(name)
        if kernel is None or not _serves(x):
            return NotImplemented
        x, y = _in_order(x), self._like(x)
        self._launch(f"{kernel}_forward", x, _blocks_for(x.size), 256, (x, y, x.size))
        return y, (x, name)

    def activation_backward(self, dy: Array, cache: Any) -> Any:
        x, name = cache
        kernel = ACTIVATIONS.get(name)
        if kernel is None or not _serves(dy, x):
            return NotImplemented
        dx = self._like(dy)
        self._launch(f"{kernel}_backward", dy, _blocks_for(dy.size), 256, (_in_order(dy), _in_order(x), dx, dy.size))
        return dx

    def layer_norm_forward(self, x: Array, weight: Array, bias: Array, eps: float) -> Any:
        if not _serves(x, weight, bias):
            return NotImplemented
        x, width = _in_order(x), x.shape[-1]
        rows = x.size // width
        y, x_hat, rstd = self._like(x), self._like(x), self._like(x, *x.shape[:-1], 1)
        args = (x, _in_order(weight), _in_order(bias), float(eps), y, x_hat, rstd, rows, np.int32(width))
        self._launch("layer_norm_forward", x, -(-rows // WARPS), WARPS * WARP, args)
        return y, (x_hat, rstd, weight)

    def layer_norm_backward(self, dy: Array, cache: Any) -> Any:
        dweight, dbias = self._like(dy, dy.shape[-1]), self._like(dy, dy.shape[-1])
        dx = self._norm_dx(dy, cache, dweight, dbias, adds=False)
        return NotImplemented if dx is None else (dx, dweight, dbias)

    def norm_backward(self, dy: Array, cache: Any, g: Any) -> Any:
        dx = self._norm_dx(dy, cache, g["weight"], g["bias"], adds=True)
        return NotImplemented if dx is None else dx

    def _norm_dx(self, dy: Array, cache: Any, dweight: Array, dbias: Array, adds: bool) -> Array | None:
        x_hat, rstd, weight = cache
        width = dy.shape[-1]
        shared = 2 * width * dy.itemsize
        if not _serves(dy, x_hat, weight, dweight, dbias) or shared > SHARED_BYTES:
            return None
        rows = dy.size // width
        blocks = min(rows, NORM_BLOCKS)
        dx, partial = self._like(dy), self._like(dy, blocks + -(-blocks // FAN), 2 * width)
        arrays = tuple(map(_in_order, (dy, x_hat, rstd, weight)))
        args = (*arrays, dx, partial, dweight, dbias, np.int32(adds), rows, np.int32(width))
        self._launch("layer_norm_backward", dy, blocks, _threads_for(width), args, shared)
        return dx

    def softmax_forward(self, x: Array) -> Any:
        if not _serves(x):
            return NotImplemented
        x, probs = _in_order(x), self._like(x)
        self._softmax(x, 1.0, None, probs)
        return probs, (probs,)

    def softmax_backward(self, dprobs: Array, cache: Any) -> Any:
        (probs,) = cache
        if not _serves(dprobs, probs):
            return NotImplemented
        dx = self._like(dprobs)
        self._softmax_dx(_in_order(dprobs), _in_order(probs), 1.0, dx)
        return dx

    def _softmax(self, x: Array, scale: float, mask: Array | None, probs: Array) -> None:
        width = x.shape[-1]
        rows = x.size // width
        _, N, T, _ = x.shape if mask is not None else (1, 1, 1, 1)
        steps = [0] * 4 if mask is None else _steps(self.xp.broadcast_to(mask, x.shape))
        args = (x, scale, NO_ARRAY if mask is None else mask, N, T, *steps, probs, rows, width)
        self._launch("softmax_forward", x, -(-rows // WARPS), WARPS * WARP, args)

    def _softmax_dx(self, dprobs: Array, probs: Array, scale: float, dx: Array) -> None:
        width = probs.shape[-1]
        rows = probs.size // width
        args = (dprobs, probs, scale, dx, rows, width)
        self._launch("softmax_backward", probs, -(-rows // WARPS), WARPS * WARP, args)

    def attention_forward(
        self, query: Array, key: Array, value: Array, mask: Array | None, dropout_prob: float = 0.0, rng: Any = None
    ) -> Any:
        arrays = (query, key, value) if mask is None else (query, key, value, mask)
        if (rng is not None and dropout_prob) or query.ndim != 4 or not _serves(*arrays):
            return NotImplemented
        probs = product(query, key.swapaxes(-1, -2))  # what they are made of takes their place
        self._softmax(probs, query.shape[-1] ** -0.5, None if mask is None else _in_order(mask), probs)
        return product(probs, value), (query, key, value, (probs,), (None, 1.0), probs)

    def attention_backward(self, dcontext: Array, cache: Any) -> Any:
        query, key, value, (probs,), (kept, _), _ = cache
        if kept is not None or query.ndim != 4 or not _serves(dcontext, probs):
            return NotImplemented
        dscores = product(dcontext, value.swapaxes(-1, -2))
        dvalue = product(probs.swapaxes(-1, -2), dcontext)
        self._softmax_dx(dscores, probs, query.shape[-1] ** -0.5, dscores)
        return product(dscores, key), product(dscores.swapaxes(-1, -2), query), dvalue

    def cross_entropy_forward(
        self, logits: Array, labels: Array, ignore_index: int = -100, denominator: float | None = None
    ) -> Any:
        if not _serves(logits) or (denominator is not None and not isinstance(denominator, int | float)):
            return NotImplemented
        rows, width = logits.shape
        empty, probs = self.xp.empty, self._like(logits)
        safe_labels, counted = empty(rows, dtype=np.int64), empty(rows, dtype=bool)
        loss, divided_by, row_losses = self._like(logits, 1), self._like(logits, 1), empty(rows, dtype=np.float64)
        args = (
            *(_in_order(logits), _in_order(labels.astype(np.int64, copy=False)), int(ignore_index)),
            *(float(denominator or 0), probs, safe_labels, counted, row_losses, loss, divided_by, width),
        )
        self._launch("cross_entropy_forward", logits, rows, _threads_for(width), args)
        used = divided_by[0] if denominator is None else denominator
        return loss[0], (probs, safe_labels, counted, used)

    def cross_entropy_backward(self, dloss: Any, cache: Any) -> Any:
        probs, labels, counted, denominator = cache
        if not _serves(probs):
            return NotImplemented
        factor: Any = dloss / denominator
        factors, dlogits = NO_ARRAY, self._like(probs)
        if hasattr(factor, "shape"):
            factor, factors = 1.0, factor.astype(probs.dtype, copy=False)
        args = (_in_order(probs), labels, counted, float(factor), factors, dlogits, probs.shape[-1])
        self._launch("cross_entropy_backward", probs, len(probs), _threads_for(probs.shape[-1]), args)
        return dlogits

    def sum_rows(self, rows: Array) -> Any:
        if not _serves(rows):
            return NotImplemented
        y = self._like(rows, rows.shape[1])
        self._sum_rows(rows, y, adds=False)
        return y

    def _sum_rows(self, rows: Array, y: Array, adds: bool) -> None:
        count, width = rows.shape
        tiles = -(-width // WARP)
        slices = max(1, min(SLICES, count // 64)) if tiles <= TILES else 1
        args = (_in_order(rows), self._like(rows, slices, width), y, np.int32(adds), count, width)
        self._launch("sum_rows", rows, (tiles, slices), 8 * WARP, args)

    def dense_backward(self, dy: Array, cache: Any, g: Any) -> Any:
        x, weight = cache
        targets = [g[name] for name in ("weight", "bias") if name in g]
        if not _serves(dy, x, weight, *targets):
            return NotImplemented
        dy_rows, x_rows = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
        add_product(g["weight"], dy_rows.T, x_rows)
        for target in targets[1:]:
            self._sum_rows(dy_rows, target, adds=True)
        return product(dy_rows, weight).reshape(x.shape)

    def sum_of_squares(self, x: Array) -> Any:
        """Return Σ x² of a 1-D array as one number of float64 on the device."""
        if not _serves(x):
            return NotImplemented
        blocks = min(_blocks_for(x.size), 512)
        partial, total = self.xp.empty(blocks, dtype=np.float64), self.xp.empty(1, dtype=np.float64)
        self._launch("sum_of_squares", x, blocks, 256, (_in_order(x), partial, total, x.size))
        return total[0]

    def update(self, optimizer: Any, learning_rate: float) -> Any:
        """Make the step of an `AdamW` or `LAMB`, whose moments and weights change in place."""
        stores = (optimizer.params, optimizer.grads, optimizer.first_moment, optimizer.second_moment)
        w, g, m, v = (store.flat for store in stores)
        tables = self._tables(optimizer.spans())
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


def _serves(*arrays: Array) -> bool:
    """Return whether kernels can take these: of one dtype that they are compiled for, none of them empty."""
    dtype = arrays[0].dtype
    return dtype in REAL and all(x.dtype == dtype and x.size for x in arrays)


def _in_order(x: Array) -> Array:
    """Return x with its numbers one after the other, copied if they are not."""
    return x if x.flags.c_contiguous else x.copy()


def _steps(x: Array) -> list[int]:
    """Return how many numbers lead from one to the next along each axis."""
    return [step // x.itemsize for step in x.strides]


def _blocks_for(size: int) -> int:
    return min(MOST_BLOCKS, -(-size // 256))


def _threads_for(width: int) -> int:
    """Return how many threads share a row: whole warps, at most 256 threads."""
    return min(256, -(-width // WARP) * WARP)

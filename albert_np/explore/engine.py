"""Each kind of row as a formula of its own, in NumPy: what a pass should have computed from what it was given.

The page has the same formulas in JavaScript (`page/engine.js`). Neither knows the package's pairs, so a wrong pair
differs from both.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erf

from albert_np.backend import Array, Floats, Ints
from albert_np.explore.rows import Attrs, Program, Row, window_places

__all__ = ["compute", "replay"]

Shapes = list[tuple[int, ...]]  # of what a row makes


def replay(program: Program, changes: dict[int, np.ndarray] | None = None) -> list[np.ndarray]:
    """Return all values of a pass, computed anew in float64; `changes` holds arrays to use in place of some values."""
    changes = changes or {}
    values = [changes.get(i, value.array) for i, value in enumerate(program.values)]
    for row in program.rows:
        inputs = [None if i is None else values[i] for i in row.inputs]
        shapes = [program.shape(i) for i in row.out]
        for number, array in zip(row.out, compute(row, inputs, shapes), strict=True):
            values[number] = changes.get(number, array)
    return values


def compute(row: Row, inputs: list[np.ndarray | None], shapes: Shapes) -> list[np.ndarray]:
    """Return what a row gives for these inputs; shapes: of its outputs."""
    result = _KINDS[row.kind](row.attrs, shapes, *inputs)
    return list(result) if isinstance(result, tuple | list) else [np.asarray(result)]


def _linear_backward(attrs: Attrs, shapes: Shapes, dy: Floats, x: Floats, weight: Floats) -> tuple[Floats, ...]:
    rows, x_rows = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    return np.einsum("...o,oi->...i", dy, weight), np.einsum("ro,ri->oi", rows, x_rows), rows.sum(axis=0)


def _layer_norm(attrs: Attrs, shapes: Shapes, x: Floats, weight: Floats, bias: Floats) -> tuple[Floats, ...]:
    rstd = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + attrs["eps"])
    x_hat = (x - x.mean(axis=-1, keepdims=True)) * rstd
    return x_hat * weight + bias, x_hat, rstd


def _layer_norm_backward(
    attrs: Attrs, shapes: Shapes, dy: Floats, x_hat: Floats, rstd: Floats, weight: Floats
) -> tuple[Floats, ...]:
    d, leading = dy * weight, tuple(range(dy.ndim - 1))
    mean = d.mean(axis=-1, keepdims=True)
    along = (d * x_hat).mean(axis=-1, keepdims=True)
    return rstd * (d - mean - x_hat * along), (dy * x_hat).sum(axis=leading), dy.sum(axis=leading)


def _embedding_backward(attrs: Attrs, shapes: Shapes, dy: Floats, ids: Ints) -> Floats:
    dweight = np.zeros(shapes[0])
    np.add.at(dweight, ids, dy)
    if attrs["padding_idx"] is not None:
        dweight[attrs["padding_idx"]] = 0
    return dweight


def _phi(x: Floats) -> Floats:
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _inner(x: Floats) -> Floats:
    return np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def _gelu_new_slope(x: Floats) -> Floats:
    t = _inner(x)
    return (1 + t) / 2 + x / 2 * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)


_ACTIVATIONS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "gelu": (lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, lambda x: (1 + erf(x / math.sqrt(2))) / 2 + x * _phi(x)),
    "gelu_new": (lambda x: x / 2 * (1 + _inner(x)), _gelu_new_slope),
    "relu": (lambda x: np.where(x > 0, x, 0.0), lambda x: np.where(x > 0, 1.0, 0.0)),
    "silu": (lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) * (1 + x * (1 - _sigmoid(x)))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}
_ACTIVATIONS |= {
    "gelu_pytorch_tanh": _ACTIVATIONS["gelu_new"],
    "gelu_fast": _ACTIVATIONS["gelu_new"],
    "gelu_python": _ACTIVATIONS["gelu"],
    "quick_gelu": (
        lambda x: x * _sigmoid(1.702 * x),
        lambda x: _sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - _sigmoid(1.702 * x))),
    ),
    "swish": _ACTIVATIONS["silu"],
}


def _softmax(x: Floats) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _scores(attrs: Attrs, shapes: Shapes, query: Floats, key: Floats, mask: Floats | None) -> Array:
    scores = np.einsum("bntd,bnsd->bnts", query, key) / math.sqrt(query.shape[-1])
    return scores if mask is None else scores + mask


def _scores_backward(attrs: Attrs, shapes: Shapes, dscores: Floats, query: Floats, key: Floats) -> tuple[Floats, ...]:
    d = dscores / math.sqrt(query.shape[-1])
    return np.einsum("bnts,bnsd->bntd", d, key), np.einsum("bnts,bntd->bnsd", d, query)


def _context_backward(
    attrs: Attrs, shapes: Shapes, dcontext: Floats, dropped: Floats, value: Floats
) -> tuple[Floats, ...]:
    return np.einsum("bntd,bnsd->bnts", dcontext, value), np.einsum("bnts,bntd->bnsd", dropped, dcontext)


def _log_softmax(x: Floats) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _cross_entropy(attrs: Attrs, shapes: Shapes, logits: Floats, labels: Ints) -> tuple[Floats, ...]:
    counted = np.flatnonzero(labels != attrs["ignore_index"])
    losses = -_log_softmax(logits)[counted, labels[counted]]
    return np.asarray(losses.sum() / attrs["denominator"]), _softmax(logits)


def _cross_entropy_backward(attrs: Attrs, shapes: Shapes, probs: Floats, labels: Ints) -> Array:
    counted = labels != attrs["ignore_index"]
    onehot = np.eye(probs.shape[1])[np.where(counted, labels, 0)]
    return (probs - onehot) * counted[:, None] * attrs["dloss"] / attrs["denominator"]


def _soft_cross_entropy(attrs: Attrs, shapes: Shapes, logits: Floats, targets: Floats) -> tuple[Floats, ...]:
    return np.asarray(-(targets * _log_softmax(logits)).sum() / attrs["denominator"]), _softmax(logits)


def _soft_cross_entropy_backward(attrs: Attrs, shapes: Shapes, probs: Floats, targets: Floats) -> Array:
    return (probs * targets.sum(axis=-1, keepdims=True) - targets) * attrs["dloss"] / attrs["denominator"]


def _binary_cross_entropy(attrs: Attrs, shapes: Shapes, x: Floats, labels: Ints) -> Floats:
    losses = labels * np.logaddexp(0, -x) + (1 - labels) * np.logaddexp(0, x)
    return np.asarray(losses.sum() / attrs["denominator"])


def _view(attrs: Attrs, shapes: Shapes, x: Floats) -> Array:
    return x.reshape(-1)[window_places(attrs, shapes[0])]


def _put(attrs: Attrs, shapes: Shapes, base: Floats | None, part: Floats) -> Floats:
    y = _base(base, shapes[0])
    y.reshape(-1)[window_places(attrs, tuple(attrs["shape"]))] = part
    return y


def _scatter(attrs: Attrs, shapes: Shapes, base: Floats | None, part: Floats, add: bool = False) -> Floats:
    y = _base(base, shapes[0])
    target = y if attrs["rows"] else y.reshape(-1)
    wide = (len(attrs["index"]), *target.shape[1:])
    part = part.reshape(wide) if part.size == math.prod(wide) else np.broadcast_to(part, wide)
    if add:
        np.add.at(target, attrs["index"], part)
    else:
        target[attrs["index"]] = part
    return y


def _where(attrs: Attrs, shapes: Shapes, x: Floats, condition: Floats, other: Floats | None = None) -> Floats:
    return np.where(condition, attrs["value"] if x is None else x, attrs["fill"] if other is None else other)


def _base(base: Floats | None, shape: tuple[int, ...]) -> Floats:
    return np.zeros(shape) if base is None else np.array(base, dtype=np.float64)


_FUNCTIONS: dict[str, Callable[..., Any]] = {"abs": np.abs, "erf": erf}


def _elementwise(attrs: Attrs, shapes: Shapes, *operands: Floats) -> Floats:
    function = _FUNCTIONS.get(attrs["f"]) or getattr(np, attrs["f"])
    given = list(operands)
    if "scalar" in attrs:
        given.insert(attrs["side"], attrs["scalar"])
    return np.asarray(function(*given)).astype(np.float64)


_KINDS: dict[str, Callable[..., Any]] = {
    "linear": lambda a, s, x, w, b: np.einsum("...i,oi->...o", x, w) + (0.0 if b is None else b),
    "linear_backward": _linear_backward,
    "layer_norm": _layer_norm,
    "layer_norm_backward": _layer_norm_backward,
    "embedding": lambda a, s, ids, w: w[ids],
    "embedding_backward": _embedding_backward,
    "activation": lambda a, s, x: _ACTIVATIONS[a["name"]][0](x),
    "activation_backward": lambda a, s, dy, x: dy * _ACTIVATIONS[a["name"]][1](x),
    "tanh": lambda a, s, x: np.tanh(x),
    "tanh_backward": lambda a, s, dy, y: dy * (1 - y**2),
    "softmax": lambda a, s, x: _softmax(x),
    "softmax_backward": lambda a, s, d, p: p * (d - (d * p).sum(axis=-1, keepdims=True)),
    "dropout": lambda a, s, x, kept: x * kept * a["scale"],
    "dropout_backward": lambda a, s, dy, kept: dy * kept * a["scale"],
    "scores": _scores,
    "scores_backward": _scores_backward,
    "context": lambda a, s, p, v: np.einsum("bnts,bnsd->bntd", p, v),
    "context_backward": _context_backward,
    "cross_entropy": _cross_entropy,
    "cross_entropy_backward": _cross_entropy_backward,
    "soft_cross_entropy": _soft_cross_entropy,
    "soft_cross_entropy_backward": _soft_cross_entropy_backward,
    "binary_cross_entropy": _binary_cross_entropy,
    "binary_cross_entropy_backward": lambda a, s, x, z: (_sigmoid(x) - z) * a["dloss"] / a["denominator"],
    "mean_squared_error": lambda a, s, x, z: np.asarray(((x - z) ** 2).sum() / a["denominator"]),
    "mean_squared_error_backward": lambda a, s, x, z: 2 * (x - z) * a["dloss"] / a["denominator"],
    "copy": lambda a, s, x: [x] * len(s),
    "add": lambda a, s, *terms: sum(terms[1:], terms[0]),
    "view": _view,
    "gather": lambda a, s, x: x[a["index"]].reshape(s[0]),
    "take": lambda a, s, x: x.reshape(-1)[a["index"]].reshape(s[0]),
    "put": _put,
    "scatter": _scatter,
    "scatter_add": lambda a, s, base, part: _scatter(a, s, base, part, add=True),
    "concat": lambda a, s, *parts: np.concatenate(parts, axis=a["axis"]),
    "stack": lambda a, s, *parts: np.stack(parts, axis=a["axis"]),
    "sum": lambda a, s, x: x.sum(axis=tuple(a["axes"]), keepdims=a["keepdims"]),
    "reduce": lambda a, s, x: getattr(np, a["f"])(x, axis=tuple(a["axes"]), keepdims=a["keepdims"]),
    "matmul": lambda a, s, x, y: x @ y,
    "einsum": lambda a, s, *operands: np.einsum(a["subscripts"], *operands),
    "where": _where,
    "elementwise": _elementwise,
}

"""The maths: pairs of pure functions, forward and, directly below it, backward. Nothing here knows of ALBERT.

`y, cache = f_forward(…)` and `dx, … = f_backward(dy, cache)`: gradients come back in the order of the forward's
differentiable arguments. A cache is a named tuple, so every intermediate can be printed and looked at. Arrays may be
NumPy's or CuPy's; functions follow the arrays they are given and edit none of them. Shapes: B batch, T positions,
S positions attended to, N heads, D head size, R rows, C classes, V rows of a table, E and H widths; `…` stands for any
leading axes.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from albert_np.backend import Array, array_module, backend_of
from albert_np.execution import (
    back_in_head_blocks,  # the same formula, computed as its forward was: see `in_head_blocks`
    for_products,  # the same numbers, rounded and in 16 bits where the model's precision says so, for products alone
    in_head_blocks,  # the same formula, some heads at a time where all probabilities would be too many
    in_row_blocks,  # the same formula, some rows at a time
    keep_mask,  # random booleans, False with the probability that is given
    on_device,  # the same formula as one kernel, where a GPU has it
    product,  # a @ b, its operands rounded where the model's precision says so
    scatter_add,  # target[ids] += rows, where the rows of a repeated id all count
    weight_for_products,  # what for_products gives of a weight, made once a pass for all steps that share it
)

__all__ = [
    "ACTIVATIONS",
    "IGNORE_INDEX",
    "activation_backward",
    "activation_forward",
    "attention_backward",
    "attention_forward",
    "binary_cross_entropy_backward",
    "binary_cross_entropy_forward",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "dropout_backward",
    "dropout_forward",
    "embedding_backward",
    "embedding_forward",
    "gelu_backward",
    "gelu_forward",
    "gelu_new_backward",
    "gelu_new_forward",
    "layer_norm_backward",
    "layer_norm_forward",
    "linear_backward",
    "linear_forward",
    "mean_squared_error_backward",
    "mean_squared_error_forward",
    "relu_backward",
    "relu_forward",
    "silu_backward",
    "silu_forward",
    "soft_cross_entropy_backward",
    "soft_cross_entropy_forward",
    "softmax_backward",
    "softmax_forward",
    "tanh_backward",
    "tanh_forward",
]


IGNORE_INDEX = -100  # the label of a place where nothing is asked


class EmbeddingCache(NamedTuple):
    ids: Array  # (…) integers
    rows: int  # V
    padding_idx: int | None


def embedding_forward(ids: Array, weight: Array, padding_idx: int | None = None) -> tuple[Array, EmbeddingCache]:
    """Look up rows of a table: y = weight[ids].

    ids (…) integers in [0, V), checked by the caller; weight (V, E); returns y (…, E). Row `padding_idx` is looked up
    like any other, but receives no gradient (as `torch.nn.Embedding`).

    Derivation: notebook 07, eq. 7.3.
    """
    return weight[ids], EmbeddingCache(ids, weight.shape[0], padding_idx)


def embedding_backward(dy: Array, cache: EmbeddingCache) -> Array:
    """dweight[v] = Σ dy over all places where ids = v: an id that occurs twice receives two gradients.

    dy (…, E); returns dweight (V, E).

    Derivation: notebook 07, eq. 7.5.
    """
    ids, rows, padding_idx = cache
    dweight = array_module(dy).zeros((rows, dy.shape[-1]), dtype=dy.dtype)
    scatter_add(dweight, ids, dy)
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return dweight


class LinearCache(NamedTuple):
    x: Array  # (…, in), as products read it: see `for_products`
    weight: Array  # (out, in), likewise


def linear_forward(x: Array, weight: Array, bias: Array) -> tuple[Array, LinearCache]:
    """y = x weightᵀ + bias. x (…, in), weight (out, in), bias (out) or 0.0; returns y (…, out).

    Derivation: notebook 03, eq. 3.1.
    """
    x, weight = for_products(x), weight_for_products(weight)
    y = product(_rows(x), weight.T)
    y += bias
    return y.reshape(*x.shape[:-1], len(weight)), LinearCache(x, weight)


def linear_backward(dy: Array, cache: LinearCache) -> tuple[Array, Array, Array]:
    """dx = dy weight; dweight = dyᵀ x and dbias = Σ dy, both summed over all leading axes.

    dy (…, out); returns dx (…, in), dweight (out, in), dbias (out).

    Derivation: notebook 03, eq. 3.2 to 3.4 (dbias also notebook 01, eq. 1.4).
    """
    x, weight = cache
    rows = for_products(_rows(dy))
    dx = product(rows, weight).reshape(x.shape)
    dweight = product(rows.T, _rows(x))
    return dx, dweight, sum_rows(_rows(dy))


def _rows(x: Array) -> Array:
    """Return (…, C) as (R, C): one long product is faster than one for each leading index."""
    return x.reshape(-1, x.shape[-1])


@on_device()
def sum_rows(rows: Array) -> Array:
    """Sum (R, C) over its rows in √R blocks: one running sum over thousands of rows would lose float32 digits."""
    block = max(1, math.isqrt(rows.shape[0]))
    whole = rows.shape[0] // block * block
    blocks = rows[:whole].reshape(-1, block, rows.shape[1])
    return blocks.sum(axis=1).sum(axis=0) + rows[whole:].sum(axis=0)


class LayerNormCache(NamedTuple):
    x_hat: Array  # (…, H), along the last axis of mean 0 and, but for eps, of variance 1
    rstd: Array  # (…, 1), 1 / √(var + eps)
    weight: Array  # (H,)


@on_device(LayerNormCache)
def layer_norm_forward(x: Array, weight: Array, bias: Array, eps: float) -> tuple[Array, LayerNormCache]:
    """x̂ = (x - mean) / √(var + eps) over the last axis; y = weight x̂ + bias (Ba et al., 2016).

    x (…, H), weight (H), bias (H); returns y (…, H). The variance is the biased one, E[(x - mean)²]; as
    E[x²] - mean² it would be the small difference of two large numbers.

    Derivation: notebook 05, eq. 5.1 and 5.2.
    """
    xp = array_module(x)
    centered = x - x.mean(axis=-1, keepdims=True)
    variance = xp.square(centered).mean(axis=-1, keepdims=True)  # (…, 1)
    rstd = 1 / xp.sqrt(variance + eps)
    x_hat = centered * rstd
    return weight * x_hat + bias, LayerNormCache(x_hat, rstd, weight)


@on_device()
def layer_norm_backward(dy: Array, cache: LayerNormCache) -> tuple[Array, Array, Array]:
    """dx = rstd (dx̂ - mean(dx̂) - x̂ mean(dx̂ x̂)) with dx̂ = dy weight; dweight = Σ dy x̂; dbias = Σ dy.

    dy (…, H); returns dx (…, H), dweight (H), dbias (H). dx is orthogonal to 1 and, but for eps, to x̂: moving x along
    either changes nothing in y.

    Derivation: notebook 05, eq. 5.3, 5.6 and 5.7.
    """
    x_hat, rstd, weight = cache
    dx_hat = dy * weight
    projection = (dx_hat * x_hat).mean(axis=-1, keepdims=True)  # (…, 1)
    dx = rstd * (dx_hat - dx_hat.mean(axis=-1, keepdims=True) - x_hat * projection)
    dweight, dbias = sum_rows(_rows(dy * x_hat)), sum_rows(_rows(dy))
    return dx, dweight, dbias


class ActivationCache(NamedTuple):
    x: Array  # (…)
    name: str  # in ACTIVATIONS


@on_device(ActivationCache)
def activation_forward(x: Array, name: str) -> tuple[Array, ActivationCache]:
    """y = act(x), number by number. x (…), name a key of `ACTIVATIONS`; returns y (…)."""
    return in_row_blocks(ACTIVATIONS[name].value)(x), ActivationCache(x, name)


@on_device()
def activation_backward(dy: Array, cache: ActivationCache) -> Array:
    """dx = dy act'(x). dy (…); returns dx (…). What the slope shares with the value is computed again, not kept."""
    slope = ACTIVATIONS[cache.name].slope
    return in_row_blocks(lambda dy, x: dy * slope(x))(dy, cache.x)


def gelu_forward(x: Array) -> tuple[Array, ActivationCache]:
    """y = x Φ(x), Φ the normal distribution function: Φ(x) = (1 + erf(x/√2)) / 2 (Hendrycks & Gimpel, 2016).

    x (…); returns y (…). Hugging Face's "gelu". Google's TensorFlow "gelu" is `gelu_new`.

    Derivation: notebook 03, eq. 3.5.
    """
    return activation_forward(x, "gelu")


def gelu_backward(dy: Array, cache: ActivationCache) -> Array:
    """dx = dy (Φ(x) + x φ(x)), φ(x) = exp(-x²/2)/√(2π). Derivation: notebook 03, eq. 3.7."""
    return activation_backward(dy, cache)


def _gelu(x: Array) -> Array:
    return x * _normal_cdf(x)


def _gelu_slope(x: Array) -> Array:
    density = array_module(x).exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return _normal_cdf(x) + x * density


def _normal_cdf(x: Array) -> Array:
    return 0.5 * (1 + backend_of(x).erf(x / math.sqrt(2)))


# (1 + tanh u) / 2 = σ(2u), and exp takes half of tanh's time. 0.044715 keeps the largest distance of that from Φ(x)
# least (notebook 03, which finds it); Taylor at 0 would give 2/(3π) - 1/6 = 0.0455.
_GELU_LINEAR = 2 * math.sqrt(2 / math.pi)  # 2u = _GELU_LINEAR x + _GELU_CUBIC x³
_GELU_CUBIC = 0.044715 * _GELU_LINEAR


def gelu_new_forward(x: Array) -> tuple[Array, ActivationCache]:
    """y = x (1 + t) / 2 with t = tanh(√(2/π) (x + 0.044715 x³)), the tanh form of GELU.

    x (…); returns y (…). Hugging Face's "gelu_new" and "gelu_pytorch_tanh", Google's "gelu".

    Derivation: notebook 03, eq. 3.8.
    """
    return activation_forward(x, "gelu_new")


def gelu_new_backward(dy: Array, cache: ActivationCache) -> Array:
    """dx = dy ((1 + t) / 2 + x (1 - t²) √(2/π) (1 + 3·0.044715 x²) / 2).

    Derivation: notebook 03, eq. 3.9 and 3.10.
    """
    return activation_backward(dy, cache)


def _gelu_new(x: Array) -> Array:
    return x * _sigmoid(x * (_GELU_LINEAR + _GELU_CUBIC * (x * x)))


def _gelu_new_slope(x: Array) -> Array:
    square = x * x
    s = _sigmoid(x * (_GELU_LINEAR + _GELU_CUBIC * square))
    return s + x * s * (1 - s) * (_GELU_LINEAR + 3 * _GELU_CUBIC * square)


def relu_forward(x: Array) -> tuple[Array, ActivationCache]:
    """y = max(x, 0). x (…); returns y (…)."""
    return activation_forward(x, "relu")


def relu_backward(dy: Array, cache: ActivationCache) -> Array:
    """dx = dy where x > 0, else 0 (0 at x = 0, as PyTorch). dy (…); returns dx (…)."""
    return activation_backward(dy, cache)


def _relu(x: Array) -> Array:
    return array_module(x).maximum(x, 0)


def _relu_slope(x: Array) -> Array:
    return x > 0


def silu_forward(x: Array) -> tuple[Array, ActivationCache]:
    """y = x σ(x), also called swish. x (…); returns y (…). Derivation: notebook 03, eq. 3.12."""
    return activation_forward(x, "silu")


def silu_backward(dy: Array, cache: ActivationCache) -> Array:
    """dx = dy (σ + x σ (1 - σ)), σ = σ(x). dy (…); returns dx (…). Derivation: notebook 03, eq. 3.13."""
    return activation_backward(dy, cache)


def _silu(x: Array) -> Array:
    return x * _sigmoid(x)


def _silu_slope(x: Array) -> Array:
    s = _sigmoid(x)
    return s + x * s * (1 - s)


def _sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):  # where exp(-x) is infinite, σ(x) is 0
        return 1 / (1 + array_module(x).exp(-x))


_QUICK = 1.702  # Hendrycks & Gimpel's: to three decimals, the largest distance of σ(1.702 x) from Φ(x) is least


def _quick_gelu(x: Array) -> Array:
    return x * _sigmoid(_QUICK * x)


def _quick_gelu_slope(x: Array) -> Array:
    s = _sigmoid(_QUICK * x)
    return s + _QUICK * x * s * (1 - s)


class TanhCache(NamedTuple):
    y: Array  # (…)


def tanh_forward(x: Array) -> tuple[Array, TanhCache]:
    """y = tanh(x). x (…); returns y (…)."""
    y = _tanh(x)
    return y, TanhCache(y)


def tanh_backward(dy: Array, cache: TanhCache) -> Array:
    """dx = dy (1 - y²). dy (…); returns dx (…)."""
    return dy * (1 - cache.y * cache.y)


def _tanh(x: Array) -> Array:
    return array_module(x).tanh(x)


def _tanh_slope(x: Array) -> Array:
    y = _tanh(x)
    return 1 - y * y


class Activation(NamedTuple):
    """A function of numbers and its derivative, both of an array (…)."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


ACTIVATIONS = {  # by Hugging Face's names
    "gelu": Activation(_gelu, _gelu_slope),
    "gelu_new": Activation(_gelu_new, _gelu_new_slope),
    "gelu_fast": Activation(_gelu_new, _gelu_new_slope),  # there with √(2/π) rounded to ten digits
    "gelu_python": Activation(_gelu, _gelu_slope),
    "gelu_pytorch_tanh": Activation(_gelu_new, _gelu_new_slope),
    "quick_gelu": Activation(_quick_gelu, _quick_gelu_slope),  # y = x σ(1.702 x), OpenAI's CLIP
    "relu": Activation(_relu, _relu_slope),
    "silu": Activation(_silu, _silu_slope),
    "swish": Activation(_silu, _silu_slope),
    "tanh": Activation(_tanh, _tanh_slope),
}


class SoftmaxCache(NamedTuple):
    probs: Array  # (…, C)


@on_device(SoftmaxCache)
def softmax_forward(x: Array) -> tuple[Array, SoftmaxCache]:
    """probs = exp(x - max x) / Σ exp(x - max x) over the last axis. x (…, C); returns probs (…, C).

    Derivation: notebook 04, eq. 4.1 and 4.2.
    """
    probs = _softmax(x)
    return probs, SoftmaxCache(probs)


@on_device()
def softmax_backward(dprobs: Array, cache: SoftmaxCache) -> Array:
    """dx = probs (dprobs - Σ dprobs probs), the sum over the last axis. dprobs (…, C); returns dx (…, C).

    Derivation: notebook 04, eq. 4.5.
    """
    return _softmax_dx(dprobs, cache.probs)


@in_row_blocks
def _softmax(x: Array) -> Array:
    probs = array_module(x).exp(x - x.max(axis=-1, keepdims=True))
    probs /= probs.sum(axis=-1, keepdims=True)
    return probs


@in_row_blocks
def _softmax_dx(dprobs: Array, probs: Array) -> Array:
    return probs * (dprobs - (dprobs * probs).sum(axis=-1, keepdims=True))


class DropoutCache(NamedTuple):
    kept: Array | None  # booleans of x's shape; None where nothing was dropped
    scale: float


@on_device(DropoutCache)
def dropout_forward(x: Array, prob: float, rng: Generator | None) -> tuple[Array, DropoutCache]:
    """y = x kept / (1 - prob), kept drawn with probability 1 - prob from `rng`; `rng=None` means y = x.

    x (…), prob in [0, 1], where 1 gives zeros; rng a NumPy generator, from which one number is drawn: it decides the
    mask, whatever the backend. Returns y (…); ValueError for another prob.
    """
    if not 0 <= prob <= 1:
        raise ValueError(f"prob={prob} must lie in [0, 1]")
    if rng is None or prob == 0:
        return x, DropoutCache(None, 1.0)
    kept = backend_of(x).own(keep_mask(x.shape, prob, int(rng.integers(2**63))))
    scale = 1 / (1 - prob) if prob < 1 else 0.0
    return _dropped(x, kept, scale), DropoutCache(kept, scale)


@on_device()
def dropout_backward(dy: Array, cache: DropoutCache) -> Array:
    """dx = dy kept / (1 - prob). dy (…); returns dx (…)."""
    return dy if cache.kept is None else _dropped(dy, cache.kept, cache.scale)


def _dropped(x: Array, kept: Array, scale: float) -> Array:
    y = x * kept
    y *= scale
    return y


class AttentionCache(NamedTuple):
    query: Array  # (B, N, T, D)
    key: Array  # (B, N, S, D)
    value: Array  # (B, N, S, D)
    softmax: SoftmaxCache
    dropout: DropoutCache
    dropped: Array  # (B, N, T, S), the probabilities after dropout


@on_device(AttentionCache)
@in_head_blocks
def attention_forward(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    dropout_prob: float = 0.0,
    rng: Generator | None = None,
) -> tuple[Array, AttentionCache]:
    """context = dropout(softmax(query keyᵀ / √D + mask)) value (Vaswani et al., 2017).

    query (B, N, T, D), key and value (B, N, S, D), mask additive and broadcastable to (B, N, T, S) or None;
    returns context (B, N, T, D). Where all probabilities would be too many, the cache has in their place what they are
    computed again from.

    Derivation: notebook 08, eq. 8.1 to 8.4; the mask: notebook 09, eq. 9.3.
    """
    scores = product(query * query.shape[-1] ** -0.5, key.swapaxes(-1, -2))  # (B, N, T, S)
    if mask is not None:
        scores += mask
    probs, softmax = softmax_forward(scores)
    dropped, dropout = dropout_forward(probs, dropout_prob, rng)
    return product(dropped, value), AttentionCache(query, key, value, softmax, dropout, dropped)


@on_device()
@back_in_head_blocks
def attention_backward(dcontext: Array, cache: AttentionCache) -> tuple[Array, Array, Array]:
    """dquery = dscores key / √D; dkey = dscoresᵀ query / √D; dvalue = droppedᵀ dcontext.

    dscores are what ddropped = dcontext valueᵀ becomes on the way back through dropout and softmax.

    dcontext (B, N, T, D); returns dquery (B, N, T, D), dkey (B, N, S, D), dvalue (B, N, S, D).

    Derivation: notebook 08, eq. 8.5 to 8.10.
    """
    query, key, value, softmax, dropout, dropped = cache
    ddropped = product(dcontext, value.swapaxes(-1, -2))  # (B, N, T, S)
    dvalue = product(dropped.swapaxes(-1, -2), dcontext)
    dscores = softmax_backward(dropout_backward(ddropped, dropout), softmax)
    scale = query.shape[-1] ** -0.5
    dquery = product(dscores, key) * scale
    dkey = product(dscores.swapaxes(-1, -2), query * scale)
    return dquery, dkey, dvalue


class CrossEntropyCache(NamedTuple):
    probs: Array  # (R, C)
    labels: Array  # (R,), 0 in rows that are not counted
    counted: Array  # (R,) booleans
    denominator: float


@on_device(CrossEntropyCache)
def cross_entropy_forward(
    logits: Array, labels: Array, ignore_index: int = IGNORE_INDEX, denominator: float | None = None
) -> tuple[Array, CrossEntropyCache]:
    """loss = Σ -log softmax(logits)[label] / denominator over the rows whose label is not `ignore_index`.

    logits (R, C), labels (R) integers in [0, C) or `ignore_index`; returns a loss without axes. The denominator is the
    number of counted rows, unless given: parts of a batch, each divided by the whole batch's number, add up to the
    loss of the whole. No counted row gives 0, as in Google's code, and no gradient; PyTorch gives NaN.

    Derivation: notebook 04, eq. 4.7 and 4.8.
    """
    xp = array_module(logits)
    counted = labels != ignore_index
    if denominator is None:
        denominator = max(1, int(counted.sum()))
    shifted = logits - logits.max(axis=-1, keepdims=True)
    probs = xp.exp(shifted)
    totals = probs.sum(axis=-1, keepdims=True)  # (R, 1)
    probs /= totals
    safe_labels = xp.where(counted, labels, 0)
    terms = xp.log(totals) - xp.take_along_axis(shifted, safe_labels[:, None], axis=-1)  # -log softmax, (R, 1)
    loss = xp.where(counted, terms[:, 0], 0).sum() / denominator
    return loss, CrossEntropyCache(probs, safe_labels, counted, denominator)


@on_device()
def cross_entropy_backward(dloss: Array | float, cache: CrossEntropyCache) -> Array:
    """dlogits = dloss (softmax(logits) - onehot(label)) / denominator in counted rows, 0 elsewhere.

    dloss without axes; returns dlogits (R, C).

    Derivation: notebook 04, eq. 4.9.
    """
    probs, labels, counted, denominator = cache
    xp = array_module(probs)
    dlogits = probs.copy()
    dlogits[xp.arange(len(labels)), labels] -= 1
    dlogits *= (counted * (dloss / denominator))[:, None].astype(probs.dtype)
    return dlogits


class SoftCrossEntropyCache(NamedTuple):
    probs: Array  # (R, C)
    targets: Array  # (R, C)
    denominator: float


def soft_cross_entropy_forward(
    logits: Array, targets: Array, denominator: float | None = None
) -> tuple[Array, SoftCrossEntropyCache]:
    """loss = -Σ targets log softmax(logits) / denominator, the denominator by default the number of rows.

    logits (R, C); targets (R, C), how much each class counts as the right one: a row's sum need not be 1. Returns a
    loss without axes. Weights of classes and label smoothing are such targets, see `heads.class_targets`.
    """
    xp = array_module(logits)
    denominator = len(logits) if denominator is None else denominator
    shifted = logits - logits.max(axis=-1, keepdims=True)
    probs = xp.exp(shifted)
    totals = probs.sum(axis=-1, keepdims=True)  # (R, 1)
    probs /= totals
    loss = (targets * (xp.log(totals) - shifted)).sum() / denominator
    return loss, SoftCrossEntropyCache(probs, targets, denominator)


def soft_cross_entropy_backward(dloss: Array | float, cache: SoftCrossEntropyCache) -> Array:
    """dlogits = dloss (softmax(logits) Σ targets - targets) / denominator, the sum over the classes of a row.

    dloss without axes; returns dlogits (R, C).
    """
    probs, targets, denominator = cache
    total = targets.sum(axis=-1, keepdims=True)  # (R, 1)
    dlogits: Array = (probs * total - targets) * (dloss / denominator)
    return dlogits


class MeanSquaredErrorCache(NamedTuple):
    difference: Array  # (…)
    denominator: float


def mean_squared_error_forward(
    x: Array, labels: Array, denominator: float | None = None
) -> tuple[Array, MeanSquaredErrorCache]:
    """loss = Σ (x - label)² / denominator, by default the number of labels. x, labels (…); a loss without axes."""
    difference = x - labels
    denominator = difference.size if denominator is None else denominator
    return (difference * difference).sum() / denominator, MeanSquaredErrorCache(difference, denominator)


def mean_squared_error_backward(dloss: Array | float, cache: MeanSquaredErrorCache) -> Array:
    """dx = 2 dloss (x - label) / denominator. dloss without axes; returns dx (…)."""
    return cache.difference * (2 * dloss / cache.denominator)


class BinaryCrossEntropyCache(NamedTuple):
    logits: Array  # (…)
    labels: Array  # (…)
    denominator: float


def binary_cross_entropy_forward(
    logits: Array, labels: Array, denominator: float | None = None
) -> tuple[Array, BinaryCrossEntropyCache]:
    """loss = Σ -(z log σ(x) + (1 - z) log(1 - σ(x))) / denominator for logits x and labels z in [0, 1].

    Computed as max(x, 0) - x z + log(1 + exp(-|x|)), which neither overflows nor cancels. logits and labels (…), the
    denominator their number by default; returns a loss without axes.
    """
    xp = array_module(logits)
    denominator = logits.size if denominator is None else denominator
    terms = xp.maximum(logits, 0) - logits * labels + xp.log1p(xp.exp(-abs(logits)))
    return terms.sum() / denominator, BinaryCrossEntropyCache(logits, labels, denominator)


def binary_cross_entropy_backward(dloss: Array | float, cache: BinaryCrossEntropyCache) -> Array:
    """dlogits = dloss (σ(x) - z) / denominator. dloss without axes; returns dlogits (…)."""
    logits, labels, denominator = cache
    return (_sigmoid(logits) - labels) * (dloss / denominator)

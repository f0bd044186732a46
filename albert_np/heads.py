"""The heads that ALBERT is pretrained with: masked language model (MLM) and sentence order prediction (SOP).

Same convention as `layers`. R rows: any set of positions, flattened. Names and ties are Hugging Face's.
"""

from typing import Any, NamedTuple

from albert_np.backend import Array, array_module
from albert_np.config import AlbertConfig
from albert_np.layers import Shapes
from albert_np.ops import (
    ACTIVATIONS,
    IGNORE_INDEX,
    CrossEntropyCache,
    DropoutCache,
    LayerNormCache,
    LinearCache,
    cross_entropy_backward,
    cross_entropy_forward,
    dropout_backward,
    dropout_forward,
    layer_norm_backward,
    layer_norm_forward,
    linear_backward,
    linear_forward,
)
from albert_np.params import Scope

__all__ = [
    "MLM_TIES",
    "ClassifierCache",
    "classifier_backward",
    "classifier_forward",
    "classifier_shapes",
    "mlm_backward",
    "mlm_forward",
    "mlm_loss_backward",
    "mlm_loss_forward",
    "mlm_shapes",
    "sop_shapes",
]

MLM_TIES = {
    "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
    "predictions.decoder.bias": "predictions.bias",
}


def mlm_shapes(config: AlbertConfig) -> Shapes:
    """Return name → shape of what the MLM head stores; its decoder is the word embeddings (`MLM_TIES`)."""
    V, E, H = config.vocab_size, config.embedding_size, config.hidden_size
    return {
        "predictions.dense.weight": (E, H),
        "predictions.dense.bias": (E,),
        "predictions.LayerNorm.weight": (E,),
        "predictions.LayerNorm.bias": (E,),
        "predictions.bias": (V,),
    }


class MLMCache(NamedTuple):
    activation_name: str
    dense: LinearCache
    activation: Any
    layer_norm: LayerNormCache
    decoder: LinearCache


def mlm_forward(x: Array, p: Scope, config: AlbertConfig) -> tuple[Array, MLMCache]:
    """logits = decoder(LayerNorm(act(dense(x)))): H → E → V. x (R, H); returns (R, V).

    Derivation: notebook 12, eq. 12.1 and 12.2.
    """
    activation_forward, _ = ACTIVATIONS[config.hidden_act]
    inner, dense_cache = linear_forward(x, p["dense.weight"], p["dense.bias"])  # (R, E)
    activated, activation_cache = activation_forward(inner)
    normed, norm_cache = layer_norm_forward(
        activated, p["LayerNorm.weight"], p["LayerNorm.bias"], config.layer_norm_eps
    )
    logits, decoder_cache = linear_forward(normed, p["decoder.weight"], p["decoder.bias"])  # (R, V)
    return logits, MLMCache(config.hidden_act, dense_cache, activation_cache, norm_cache, decoder_cache)


def mlm_backward(dlogits: Array, cache: MLMCache, g: Scope) -> Array:
    """Mirror of `mlm_forward`; the decoder adds to the word embeddings' gradient. dlogits (R, V); returns dx (R, H).

    Derivation: notebook 12, eq. 12.7 and 12.9.
    """
    _, activation_backward = ACTIVATIONS[cache.activation_name]
    dnormed, dweight, dbias = linear_backward(dlogits, cache.decoder)
    g["decoder.weight"] += dweight
    g["decoder.bias"] += dbias
    dactivated, dweight, dbias = layer_norm_backward(dnormed, cache.layer_norm)
    g["LayerNorm.weight"] += dweight
    g["LayerNorm.bias"] += dbias
    dinner = activation_backward(dactivated, cache.activation)
    dx, dweight, dbias = linear_backward(dinner, cache.dense)
    g["dense.weight"] += dweight
    g["dense.bias"] += dbias
    return dx


class MLMLossCache(NamedTuple):
    rows: Array  # (R,) where the flattened labels ask for something
    shape: tuple[int, int, int]  # B, T, H
    head: MLMCache
    cross_entropy: CrossEntropyCache


def mlm_loss_forward(
    x: Array, labels: Array, p: Scope, config: AlbertConfig, denominator: float | None = None
) -> tuple[Array, MLMLossCache]:
    """Mean cross-entropy over the labelled positions; logits are computed at those R positions only, not at B · T.

    x (B, T, H), labels (B, T) with -100 where nothing is asked; returns a loss without axes.

    Derivation: notebook 12, eq. 12.4.
    """
    rows = array_module(labels).flatnonzero(labels != IGNORE_INDEX)
    logits, head_cache = mlm_forward(x.reshape(-1, x.shape[-1])[rows], p, config)
    loss, loss_cache = cross_entropy_forward(logits, labels.ravel()[rows], IGNORE_INDEX, denominator)
    return loss, MLMLossCache(rows, x.shape, head_cache, loss_cache)


def mlm_loss_backward(dloss: Array | float, cache: MLMLossCache, g: Scope) -> Array:
    """Mirror of `mlm_loss_forward`; returns dx (B, T, H), zero where there is no label.

    Derivation: notebook 12, eq. 12.6.
    """
    drows = mlm_backward(cross_entropy_backward(dloss, cache.cross_entropy), cache.head, g)
    B, T, H = cache.shape
    dx = array_module(drows).zeros((B * T, H), dtype=drows.dtype)
    dx[cache.rows] = drows  # each position occurs once: nothing to add up
    return dx.reshape(B, T, H)


def sop_shapes(config: AlbertConfig) -> Shapes:
    """Return name → shape of the SOP head, two classes: 0 in order, 1 swapped."""
    return {"sop_classifier." + name: shape for name, shape in classifier_shapes(config, config.num_labels).items()}


def classifier_shapes(config: AlbertConfig, classes: int) -> Shapes:
    """Return name → shape of a linear classifier over H."""
    return {"classifier.weight": (classes, config.hidden_size), "classifier.bias": (classes,)}


class ClassifierCache(NamedTuple):
    dropout: DropoutCache
    classifier: LinearCache


def classifier_forward(
    x: Array, p: Scope, config: AlbertConfig, rng: Any | None = None
) -> tuple[Array, ClassifierCache]:
    """logits = classifier(dropout(x)): the SOP head on the pooled [CLS], and the heads of fine-tuning.

    x (…, H); returns (…, classes).

    Derivation: notebook 12, eq. 12.3.
    """
    dropped, dropout_cache = dropout_forward(x, config.classifier_dropout_prob, rng)
    logits, linear_cache = linear_forward(dropped, p["classifier.weight"], p["classifier.bias"])
    return logits, ClassifierCache(dropout_cache, linear_cache)


def classifier_backward(dlogits: Array, cache: ClassifierCache, g: Scope) -> Array:
    """Mirror of `classifier_forward`. dlogits (…, classes); returns dx (…, H)."""
    ddropped, dweight, dbias = linear_backward(dlogits, cache.classifier)
    g["classifier.weight"] += dweight
    g["classifier.bias"] += dbias
    return dropout_backward(ddropped, cache.dropout)

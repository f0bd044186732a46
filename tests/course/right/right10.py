"""Right answers to notebook 10, written otherwise: check → functions."""

from albert_np.layers import attention_branch_backward, feed_forward_branch_backward, norm_backward
from albert_np.ops import layer_norm_backward


def with_ops(dy, cache, g):
    ds, dweight, dbias = layer_norm_backward(dy, cache.full_layer_layer_norm)
    g["full_layer_layer_norm.weight"] += dweight
    g["full_layer_layer_norm.bias"] += dbias
    dh = feed_forward_branch_backward(ds, cache.feed_forward, g) + ds
    scope = g.scope("attention.")
    da, dweight, dbias = layer_norm_backward(dh, cache.attention_norm)
    scope["LayerNorm.weight"] += dweight
    scope["LayerNorm.bias"] += dbias
    return attention_branch_backward(da, cache.attention, scope) + da


def scopes_of_scopes(dy, cache, g):
    attention = g.scope("attention.")
    upper = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    middle = norm_backward(
        upper + feed_forward_branch_backward(upper, cache.feed_forward, g),
        cache.attention_norm,
        attention.scope("LayerNorm."),
    )
    return middle + attention_branch_backward(middle, cache.attention, attention)


RIGHT = {"check_layer_backward": [(with_ops,), (scopes_of_scopes,)]}

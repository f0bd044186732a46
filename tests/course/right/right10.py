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


def in_another_order():
    return {"E": 4, "D": 2, "C": 1, "B": 5, "A": 3}


def pre_ln_with_ops(dy, cache, g):
    through, dweight, dbias = layer_norm_backward(
        feed_forward_branch_backward(dy, cache.feed_forward, g), cache.full_layer_layer_norm
    )
    g["full_layer_layer_norm.weight"] += dweight
    g["full_layer_layer_norm.bias"] += dbias
    dh = through + dy
    attention = g.scope("attention.")
    through, dweight, dbias = layer_norm_backward(
        attention_branch_backward(dh, cache.attention, attention), cache.attention_norm
    )
    attention["LayerNorm.weight"] += dweight
    attention["LayerNorm.bias"] += dbias
    return through + dh


def pre_ln_by_halves(dy, cache, g):
    def half(dy, branch, branch_cache, branch_scope, norm_cache, norm_scope):
        return dy + norm_backward(branch(dy, branch_cache, branch_scope), norm_cache, norm_scope)

    full, first = g.scope("full_layer_layer_norm."), g.scope("attention.LayerNorm.")
    dh = half(dy, feed_forward_branch_backward, cache.feed_forward, g, cache.full_layer_layer_norm, full)
    attention = g.scope("attention.")
    return half(dh, attention_branch_backward, cache.attention, attention, cache.attention_norm, first)


RIGHT = {
    "check_layer_backward": [(with_ops,), (scopes_of_scopes,)],
    "check_which_bug": [(in_another_order,)],
    "check_pre_ln_backward": [(pre_ln_with_ops,), (pre_ln_by_halves,)],
}

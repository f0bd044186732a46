"""Solutions of notebook 10."""

from albert_np.layers import attention_branch_backward, feed_forward_branch_backward, norm_backward


def layer_backward(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


ANSWERS = {"check_layer_backward": (layer_backward,)}

"""Solutions of notebook 10."""

from albert_np.course.lesson10 import attention_branch_backward, feed_forward_branch_backward
from albert_np.ops import layer_norm_backward


def layer_backward(dy, cache, g):
    ds, dweight, dbias = layer_norm_backward(dy, cache.feed_forward.layer_norm)
    g["full_layer_layer_norm.weight"] += dweight
    g["full_layer_layer_norm.bias"] += dbias
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)

    g = g.scope("attention.")
    da, dweight, dbias = layer_norm_backward(dh, cache.attention.layer_norm)
    g["LayerNorm.weight"] += dweight
    g["LayerNorm.bias"] += dbias
    return da + attention_branch_backward(da, cache.attention, g)


ANSWERS = {"check_layer_backward": (layer_backward,)}

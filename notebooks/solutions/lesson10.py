"""Solutions of notebook 10."""

from albert_np.layers import attention_branch_backward, feed_forward_branch_backward, norm_backward


def layer_backward(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def which_bug():
    return {"A": 3, "B": 5, "C": 1, "D": 2, "E": 4}


def pre_ln_backward(dy, cache, g):
    df = feed_forward_branch_backward(dy, cache.feed_forward, g)
    dh = dy + norm_backward(df, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    da = attention_branch_backward(dh, cache.attention, g.scope("attention."))
    return dh + norm_backward(da, cache.attention_norm, g.scope("attention.LayerNorm."))


ANSWERS = {
    "check_layer_backward": (layer_backward,),
    "check_which_bug": (which_bug,),
    "check_pre_ln_backward": (pre_ln_backward,),
}

"""Wrong answers to notebook 10: check → (functions, what the report must say)."""

from albert_np.layers import attention_branch_backward, feed_forward_branch_backward, norm_backward
from albert_np.ops import layer_norm_backward


def without_the_skip_around_the_feed_forward_part(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def without_the_skip_around_the_attention(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return attention_branch_backward(da, cache.attention, g.scope("attention."))


def without_the_branches(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    return norm_backward(ds, cache.attention_norm, g.scope("attention.LayerNorm."))


def overwritten(dy, cache, g):
    ds, dweight, dbias = layer_norm_backward(dy, cache.full_layer_layer_norm)
    g["full_layer_layer_norm.weight"] = dweight
    g["full_layer_layer_norm.bias"] = dbias
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da, dweight, dbias = layer_norm_backward(dh, cache.attention_norm)
    g["attention.LayerNorm.weight"] = dweight
    g["attention.LayerNorm.bias"] = dbias
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def skip_around_the_norms_too(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = dy + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return dh + attention_branch_backward(da, cache.attention, g.scope("attention."))


def in_the_order_of_forward(dy, cache, g):
    da = norm_backward(dy, cache.attention_norm, g.scope("attention.LayerNorm."))
    dh = da + attention_branch_backward(da, cache.attention, g.scope("attention."))
    ds = norm_backward(dh, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    return ds + feed_forward_branch_backward(ds, cache.feed_forward, g)


def norms_not_learned(dy, cache, g):
    ds = layer_norm_backward(dy, cache.full_layer_layer_norm)[0]
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = layer_norm_backward(dh, cache.attention_norm)[0]
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def in_place(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dy[...] = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dy, cache.attention_norm, g.scope("attention.LayerNorm."))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def scope_forgotten(dy, cache, g):
    return norm_backward(dy, cache.full_layer_layer_norm, g)


def scope_without_its_dot(dy, cache, g):
    return norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm"))


def attention_in_the_scope_of_the_layer(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return da + attention_branch_backward(da, cache.attention, g)


def one_scope_for_both_norms(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("full_layer_layer_norm."))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def one_cache_for_both_norms(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.full_layer_layer_norm, g.scope("attention.LayerNorm."))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def dy_into_the_feed_forward_part(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(dy, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def attention_counted_twice(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    attention_branch_backward(da, cache.attention, g.scope("attention."))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def only_the_last_norm(dy, cache, g):
    return norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))


def nothing_returned(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    attention_branch_backward(da, cache.attention, g.scope("attention."))


def gradients_beside_dx(dy, cache, g):
    return only_the_last_norm(dy, cache, g), g


def skip_of_the_attention_from_dh(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return dh + attention_branch_backward(da, cache.attention, g.scope("attention."))


def cache_of_another_name(dy, cache, g):
    return norm_backward(dy, cache.layer_norm, g.scope("full_layer_layer_norm."))


def minus_at_the_join(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = ds - feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


BUGS = {"A": 3, "B": 5, "C": 1, "D": 2, "E": 4}


def the_wrong_skip():
    return BUGS | {"A": 4}


def overwriting_taken_for_twice():
    return BUGS | {"B": 2}


def a_way_too_many_for_one_too_few():
    return BUGS | {"C": 4}


def twice_taken_for_overwriting():
    return BUGS | {"D": 5}


def one_too_few_for_a_way_too_many():
    return BUGS | {"E": 1}


def a_name_for_a_number():
    return BUGS | {"A": "no skip"}


def one_letter_left_out():
    return {letter: BUGS[letter] for letter in "ABCD"}


def a_list_of_numbers():
    return list(BUGS.values())


FULL, FIRST = "full_layer_layer_norm.", "attention.LayerNorm."


def pre_ln(dy, cache, g, norms=(True, True), skips=(True, True)):
    df = feed_forward_branch_backward(dy, cache.feed_forward, g)
    df = norm_backward(df, cache.full_layer_layer_norm, g.scope(FULL)) if norms[0] else df
    dh = dy + df if skips[0] else df
    da = attention_branch_backward(dh, cache.attention, g.scope("attention."))
    da = norm_backward(da, cache.attention_norm, g.scope(FIRST)) if norms[1] else da
    return dh + da if skips[1] else da


def post_ln_once_more(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope(FULL))
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope(FIRST))
    return da + attention_branch_backward(da, cache.attention, g.scope("attention."))


def pre_ln_without_norms(dy, cache, g):
    return pre_ln(dy, cache, g, norms=(False, False))


def pre_ln_first_skip_lost(dy, cache, g):
    return pre_ln(dy, cache, g, skips=(False, True))


def pre_ln_second_skip_lost(dy, cache, g):
    return pre_ln(dy, cache, g, skips=(True, False))


def pre_ln_dy_into_the_attention(dy, cache, g):
    df = feed_forward_branch_backward(dy, cache.feed_forward, g)
    dh = dy + norm_backward(df, cache.full_layer_layer_norm, g.scope(FULL))
    da = attention_branch_backward(dy, cache.attention, g.scope("attention."))
    return dh + norm_backward(da, cache.attention_norm, g.scope(FIRST))


def pre_ln_dy_at_the_end(dy, cache, g):
    df = feed_forward_branch_backward(dy, cache.feed_forward, g)
    dh = dy + norm_backward(df, cache.full_layer_layer_norm, g.scope(FULL))
    da = attention_branch_backward(dh, cache.attention, g.scope("attention."))
    return dy + norm_backward(da, cache.attention_norm, g.scope(FIRST))


def pre_ln_norms_before_the_branches(dy, cache, g):
    df = norm_backward(dy, cache.full_layer_layer_norm, g.scope(FULL))
    dh = dy + feed_forward_branch_backward(df, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope(FIRST))
    return dh + attention_branch_backward(da, cache.attention, g.scope("attention."))


def pre_ln_called_twice(dy, cache, g):
    pre_ln(dy, cache, g)
    return pre_ln(dy, cache, g)


def pre_ln_scope_forgotten(dy, cache, g):
    return norm_backward(feed_forward_branch_backward(dy, cache.feed_forward, g), cache.full_layer_layer_norm, g)


def pre_ln_overwritten(dy, cache, g):
    through = feed_forward_branch_backward(dy, cache.feed_forward, g)
    df, dweight, dbias = layer_norm_backward(through, cache.full_layer_layer_norm)
    g[FULL + "weight"], g[FULL + "bias"] = dweight, dbias
    da = attention_branch_backward(dy + df, cache.attention, g.scope("attention."))
    return dy + df + norm_backward(da, cache.attention_norm, g.scope(FIRST))


MISTAKES = {
    "check_layer_backward": [
        ((without_the_skip_around_the_feed_forward_part,), "nothing comes through the feed-forward part"),
        ((without_the_skip_around_the_attention,), "nothing comes through the attention"),
        ((without_the_branches,), "Nothing arrived in attention.query.weight"),
        ((overwritten,), "Overwritten: attention.LayerNorm.weight"),
        ((skip_around_the_norms_too,), "look at `dh`"),
        ((in_the_order_of_forward,), "in the reverse order of forward"),
        ((norms_not_learned,), "Nothing arrived in attention.LayerNorm.weight"),
        ((in_place,), "changed its argument dy"),
        ((scope_forgotten,), "g has no 'weight': is a g.scope(…) missing"),
        ((scope_without_its_dot,), "g has no 'full_layer_layer_normweight'"),
        ((attention_in_the_scope_of_the_layer,), "is a g.scope(…) missing"),
        ((one_scope_for_both_norms,), "attention.LayerNorm.weight"),
        ((one_cache_for_both_norms,), "wrong in"),
        ((dy_into_the_feed_forward_part,), "wrong in"),
        ((attention_counted_twice,), "wrong in attention.query.weight"),
        ((only_the_last_norm,), "Nothing arrived in"),
        ((nothing_returned,), "is a `return` missing"),
        ((gradients_beside_dx,), "returned 2 values, expected one value (dx)"),
        ((skip_of_the_attention_from_dh,), "dx, against the package"),
        ((cache_of_another_name,), "in your line"),
        ((minus_at_the_join,), "look at `dh`"),
    ],
    "check_which_bug": [
        ((the_wrong_skip,), "“LN₁” would say no factor"),
        ((overwriting_taken_for_twice,), "“value” would say × 2"),
        ((a_way_too_many_for_one_too_few,), "“dx, F dead” would say × 0"),
        ((twice_taken_for_overwriting,), "“value” would say × 1"),
        ((one_too_few_for_a_way_too_many,), "“dx, F dead” would say no factor"),
        ((a_name_for_a_number,), "'no skip' is no number of the list"),
        ((one_letter_left_out,), "E: no answer"),
        ((a_list_of_numbers,), "got a list"),
    ],
    "check_pre_ln_backward": [
        ((post_ln_once_more,), "this is the post-LN layer"),
        ((pre_ln_without_norms,), "each branch begins with a LayerNorm"),
        ((pre_ln_first_skip_lost,), "the skip path around F is missing"),
        ((pre_ln_second_skip_lost,), "the skip path around A is missing"),
        ((pre_ln_dy_into_the_attention,), "the attention's half gets dh, not dy"),
        ((pre_ln_dy_at_the_end,), "carries dh, not dy"),
        ((pre_ln_norms_before_the_branches,), "F and its LayerNorm, a sum"),
        ((pre_ln_called_twice,), "is it called once?"),
        ((pre_ln_scope_forgotten,), "is a g.scope(…) missing"),
        ((pre_ln_overwritten,), "Overwritten: full_layer_layer_norm.weight"),
    ],
}

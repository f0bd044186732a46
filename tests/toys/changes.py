"""Right pairs for every part of ALBERT that can be replaced: what `albert_np.labs.swap` is tried with."""

import numpy as np

from albert_np import layers, ops


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def rms_norm_forward(x, weight, eps):
    rstd = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return weight * x * rstd, (x, weight, rstd)


def rms_norm_backward(dy, cache):
    x, weight, rstd = cache
    dscaled = dy * weight
    dx = rstd * (dscaled - x * rstd * rstd * (dscaled * x).mean(axis=-1, keepdims=True))
    return dx, _rows(dy * x * rstd).sum(axis=0)


def swish_forward(x, beta):
    sigma = 1 / (1 + np.exp(-beta * x))
    return x * sigma, (x, beta, sigma)


def swish_backward(dy, cache):
    x, beta, sigma = cache
    slope = sigma * (1 - sigma)
    return dy * (sigma + beta * x * slope), (dy * x * x * slope).sum().reshape(1)


def alibi_forward(query, key, value, mask, dropout_prob, rng):
    heads, positions = query.shape[1:3]
    places = np.arange(positions)
    slopes = 2.0 ** -np.arange(1, heads + 1)[:, None, None]
    bias = (-slopes * abs(places[:, None] - places)).astype(query.dtype)
    return ops.attention_forward(query, key, value, bias if mask is None else bias + mask, dropout_prob, rng)


def capped_forward(query, key, value, cap, mask, dropout_prob, rng):
    raw = (query * query.shape[-1] ** -0.5) @ key.swapaxes(-1, -2)
    squashed = np.tanh(raw / cap)
    scores = cap * squashed if mask is None else cap * squashed + mask
    probs, softmax = ops.softmax_forward(scores)
    dropped, dropout = ops.dropout_forward(probs, dropout_prob, rng)
    return dropped @ value, (query, key, value, cap, raw, squashed, softmax, dropped, dropout)


def capped_backward(dcontext, cache):
    query, key, value, cap, raw, squashed, softmax, dropped, dropout = cache
    dvalue = dropped.swapaxes(-1, -2) @ dcontext
    dprobs = ops.dropout_backward(dcontext @ value.swapaxes(-1, -2), dropout)
    dscores = ops.softmax_backward(dprobs, softmax)
    slope = 1 - squashed * squashed
    draw = dscores * slope * query.shape[-1] ** -0.5
    dcap = (dscores * (squashed - raw / cap * slope)).sum().reshape(1)
    return draw @ key, draw.swapaxes(-1, -2) @ query, dvalue, dcap


def swiglu_forward(x, gate, value, out):
    gated, plain = x @ gate.T, x @ value.T
    sigma = 1 / (1 + np.exp(-gated))
    return (gated * sigma * plain) @ out.T, (x, gate, value, out, gated, plain, sigma)


def swiglu_backward(dy, cache):
    x, gate, value, out, gated, plain, sigma = cache
    dinner = dy @ out
    dplain = dinner * gated * sigma
    dgated = dinner * plain * (sigma + gated * sigma * (1 - sigma))
    dout = _rows(dy).T @ _rows(gated * sigma * plain)
    return dgated @ gate + dplain @ value, _rows(dgated).T @ _rows(x), _rows(dplain).T @ _rows(x), dout


def relu_branch_forward(x, ffn_weight, ffn_bias, ffn_output_weight, ffn_output_bias):
    inner = x @ ffn_weight.T + ffn_bias
    y = np.maximum(inner, 0) @ ffn_output_weight.T + ffn_output_bias
    return y, (x, inner, ffn_weight, ffn_output_weight)


def relu_branch_backward(dy, cache):
    x, inner, weight, output_weight = cache
    dinner = (dy @ output_weight) * (inner > 0)
    doutput_weight = _rows(dy).T @ _rows(np.maximum(inner, 0))
    return (
        dinner @ weight,
        _rows(dinner).T @ _rows(x),
        _rows(dinner).sum(axis=0),
        doutput_weight,
        _rows(dy).sum(axis=0),
    )


def pre_norm_forward(x, pattern, p, config, rng=None):
    """x + A(norm(x)), then h + γ F(norm(h))."""
    normed, attention_norm = layers.norm_forward(x, p.scope("attention.LayerNorm."), config)
    a, attention = layers.attention_branch_forward(normed, pattern, p.scope("attention."), config, rng=rng)
    h = pattern.gather(x) + a
    normed, full_norm = layers.norm_forward(h, p.scope("full_layer_layer_norm."), config)
    f, feed_forward = layers.feed_forward_branch_forward(normed, p, config, rng=rng)
    return h + p["gamma"] * f, (pattern, attention_norm, attention, full_norm, feed_forward, p["gamma"], f)


def pre_norm_backward(dy, cache, g):
    pattern, attention_norm, attention, full_norm, feed_forward, gamma, f = cache
    g["gamma"] += _rows(dy * f).sum(axis=0)
    dnormed = layers.feed_forward_branch_backward(dy * gamma, feed_forward, g)
    dh = dy + layers.norm_backward(dnormed, full_norm, g.scope("full_layer_layer_norm."))
    dnormed = layers.attention_branch_backward(dh, attention, g.scope("attention."))
    return pattern.spread(dh) + layers.norm_backward(dnormed, attention_norm, g.scope("attention.LayerNorm."))


def adapter_layer_forward(x, pattern, p, config, rng=None):
    """ALBERT's layer, and an adapter beside the feed-forward branch: h + F(h) + up down h."""
    a, attention = layers.attention_branch_forward(x, pattern, p.scope("attention."), config, rng)
    h, attention_norm = layers.norm_forward(pattern.gather(x) + a, p.scope("attention.LayerNorm."), config)
    f, feed_forward = layers.feed_forward_branch_forward(h, p, config, rng)
    narrow = h @ p["adapter.down"].T
    y, full_norm = layers.norm_forward(h + f + narrow @ p["adapter.up"].T, p.scope("full_layer_layer_norm."), config)
    kept = (h, narrow, p["adapter.down"], p["adapter.up"])
    return y, (pattern, attention, attention_norm, feed_forward, kept, full_norm)


def adapter_layer_backward(dy, cache, g):
    pattern, attention, attention_norm, feed_forward, (h, narrow, down, up), full_norm = cache
    ds = layers.norm_backward(dy, full_norm, g.scope("full_layer_layer_norm."))
    dnarrow = ds @ up
    g["adapter.up"] += _rows(ds).T @ _rows(narrow)
    g["adapter.down"] += _rows(dnarrow).T @ _rows(h)
    dh = ds + layers.feed_forward_branch_backward(ds, feed_forward, g) + dnarrow @ down
    da = layers.norm_backward(dh, attention_norm, g.scope("attention.LayerNorm."))
    return pattern.spread(da) + layers.attention_branch_backward(da, attention, g.scope("attention."))


def placeless_forward(inputs, p, config, rng=None):
    """Words and token types, without positions."""
    words, word = layers.lookup_forward(inputs.input_ids, p.scope("word_embeddings."), config.pad_token_id)
    types, token_type = layers.lookup_forward(inputs.token_type_ids, p.scope("token_type_embeddings."))
    normed, norm = layers.norm_forward(words + types, p.scope("LayerNorm."), config)
    return normed, (word, token_type, norm)


def placeless_backward(dy, cache, g):
    word, token_type, norm = cache
    dsum = layers.norm_backward(dy, norm, g.scope("LayerNorm."))
    layers.lookup_backward(dsum, token_type, g.scope("token_type_embeddings."))
    layers.lookup_backward(dsum, word, g.scope("word_embeddings."))
    return dsum


def value_gate_forward(x, pattern, p, config, rng=None):
    """Attention's branch, its heads scaled by a gate of the branch's own: built from the smaller blocks."""
    stacked, projection = layers.dense_forward(x, p.scope("query_key_value."))
    merged, heads = layers.heads_forward(stacked, pattern, config, rng)
    rows = pattern.gather(merged)
    y, dense = layers.dense_forward(rows * p["gate"], p.scope("dense."))
    return y, (pattern, projection, heads, rows, p["gate"], dense)


def value_gate_backward(dy, cache, g):
    pattern, projection, heads, rows, gate, dense = cache
    dgated = layers.dense_backward(dy, dense, g.scope("dense."))
    g["gate"] += _rows(dgated * rows).sum(axis=0)
    dstacked = layers.heads_backward(pattern.spread(dgated * gate), heads)
    return layers.dense_backward(dstacked, projection, g.scope("query_key_value."))


def wired_forward(x, scale, attention, feed_forward, norm_1, norm_2):
    """Pre-norm once more, from functions: h = x + A(norm(x)), y = h + scale F(norm(h))."""
    h = x + attention(norm_1(x))
    f = feed_forward(norm_2(h))
    return h + scale * f, (f, scale)


def wired_backward(dy, cache, attention, feed_forward, norm_1, norm_2):
    f, scale = cache
    dh = dy + norm_2(feed_forward(dy * scale))
    return dh + norm_1(attention(dh)), _rows(dy * f).sum(axis=0)


RMS_NORM = (rms_norm_forward, rms_norm_backward, {"weight": (("W",), 1.0)})
SWISH = (swish_forward, swish_backward, {"beta": ((1,), 1.5)})
ALIBI = (alibi_forward, ops.attention_backward)
CAPPED = (capped_forward, capped_backward, {"cap": ((1,), 2.0)})
SWIGLU = (
    swiglu_forward,
    swiglu_backward,
    {"gate": (("I", "H"), None), "value": (("I", "H"), None), "out": (("H", "I"), None)},
)
RELU_BRANCH = (relu_branch_forward, relu_branch_backward)
VALUE_GATE = (value_gate_forward, value_gate_backward, {"gate": (("H",), 1.0)})
PRE_NORM = (pre_norm_forward, pre_norm_backward, {"gamma": (("H",), 1.0)})
WIRED = (wired_forward, wired_backward, {"scale": (("H",), 1.0)})
ADAPTERS = (
    adapter_layer_forward,
    adapter_layer_backward,
    {"adapter.down": ((2, "H"), None), "adapter.up": (("H", 2), 0.0)},
)
PLACELESS = (placeless_forward, placeless_backward)

CHANGES = {
    "RMSNorm": {"norm": RMS_NORM},
    "swish": {"activation": SWISH},
    "ALiBi": {"attention": ALIBI},
    "soft cap": {"attention": CAPPED},
    "SwiGLU": {"feed_forward": SWIGLU},
    "ReLU branch": {"feed_forward": RELU_BRANCH},
    "gated heads": {"attention_branch": VALUE_GATE},
    "pre-norm": {"layer": PRE_NORM},
    "wired": {"wiring": WIRED},
    "adapters": {"layer": ADAPTERS},
    "no positions": {"embeddings": PLACELESS},
    "schedule": {"schedule": (0, 1, 1, 0)},
    "all at once": {
        "norm": RMS_NORM,
        "activation": SWISH,
        "attention": CAPPED,
        "attention_branch": VALUE_GATE,
        "layer": PRE_NORM,
        "embeddings": PLACELESS,
        "schedule": (0, 1, 1, 0),
    },
}

"""ALBERT's blocks in the order of the data's way: embeddings → mapping → attention → feed-forward → encoder → pooler.

`y, cache = block_forward(x, …, p, config, rng)` reads its weights from the scope `p`, and
`dx = block_backward(dy, cache, g)` adds their gradients into the scope `g`, always with `+=`. The steps of a shared
layer get the same `p` and `g` and different caches: that is all there is to sharing. `rng=None` means no dropout.
Shapes: B batch, T positions, E embedding, H hidden, I intermediate, N heads, D head size, L layers, G groups.
"""

from typing import Any, NamedTuple

from albert_np.backend import Array, array_module, backend_of
from albert_np.config import AlbertConfig
from albert_np.execution.pattern import Packing, put_rows, take_rows
from albert_np.ops import (
    ACTIVATIONS,
    AttentionCache,
    DropoutCache,
    EmbeddingCache,
    LayerNormCache,
    LinearCache,
    TanhCache,
    attention_backward,
    attention_forward,
    dropout_backward,
    dropout_forward,
    embedding_backward,
    embedding_forward,
    layer_norm_backward,
    layer_norm_forward,
    linear_backward,
    linear_forward,
    tanh_backward,
    tanh_forward,
)
from albert_np.params import Scope

__all__ = [
    "albert_shapes",
    "albert_spans",
    "albert_ties",
    "embeddings_backward",
    "embeddings_forward",
    "encoder_backward",
    "encoder_forward",
    "feed_forward_backward",
    "feed_forward_forward",
    "heads_backward",
    "heads_forward",
    "layer_backward",
    "layer_forward",
    "packed_heads_backward",
    "packed_heads_forward",
    "pooler_backward",
    "pooler_forward",
    "self_attention_backward",
    "self_attention_forward",
]

Shapes = dict[str, tuple[int, ...]]


def albert_shapes(config: AlbertConfig, pooler: bool = True) -> Shapes:
    """Return name → shape of the stored parameters of a bare ALBERT, under Hugging Face's names."""
    V, P, S, E, H = (
        config.vocab_size,
        config.max_position_embeddings,
        config.type_vocab_size,
        config.embedding_size,
        config.hidden_size,
    )
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (V, E),
        "embeddings.position_embeddings.weight": (P, E),
        "embeddings.token_type_embeddings.weight": (S, E),
        "embeddings.LayerNorm.weight": (E,),
        "embeddings.LayerNorm.bias": (E,),
        "encoder.embedding_hidden_mapping_in.weight": (H, E),
        "encoder.embedding_hidden_mapping_in.bias": (H,),
    }
    ties = albert_ties(config)
    for prefix in _layer_prefixes(config):
        names = {prefix + name: shape for name, shape in _layer_shapes(config).items()}
        shapes |= {name: shape for name, shape in names.items() if name not in ties}
    if pooler:
        shapes |= {"pooler.weight": (H, H), "pooler.bias": (H,)}
    return shapes


def _layer_shapes(config: AlbertConfig) -> Shapes:
    H, I = config.hidden_size, config.intermediate_size  # noqa: E741
    return {
        "attention.query.weight": (
            H,
            H,
        ),  # query, key, value lie next to each other: one product serves all three
        "attention.key.weight": (H, H),
        "attention.value.weight": (H, H),
        "attention.query.bias": (H,),
        "attention.key.bias": (H,),
        "attention.value.bias": (H,),
        "attention.dense.weight": (H, H),
        "attention.dense.bias": (H,),
        "attention.LayerNorm.weight": (H,),
        "attention.LayerNorm.bias": (H,),
        "ffn.weight": (I, H),
        "ffn.bias": (I,),
        "ffn_output.weight": (H, I),
        "ffn_output.bias": (H,),
        "full_layer_layer_norm.weight": (H,),
        "full_layer_layer_norm.bias": (H,),
    }


def _layer_prefixes(config: AlbertConfig) -> list[str]:
    return [_layer_prefix(g, j) for g in range(config.num_hidden_groups) for j in range(config.inner_group_num)]


def _layer_prefix(group: int, inner: int) -> str:
    return f"encoder.albert_layer_groups.{group}.albert_layers.{inner}."


def albert_ties(config: AlbertConfig) -> dict[str, str]:
    """Return alias → stored name: what `config.sharing` ties across the groups (group 0 stores it)."""
    shared = {"all": (), "none": (), "attention": ("attention.",), "ffn": ("ffn", "full_layer")}[config.sharing]
    return {
        _layer_prefix(g, j) + name: _layer_prefix(0, j) + name
        for g in range(1, config.num_hidden_groups)
        for j in range(config.inner_group_num)
        for name in _layer_shapes(config)
        if name.startswith(shared)
    }


def albert_spans(config: AlbertConfig) -> dict[str, list[str]]:
    """Return name → adjacent names: query, key and value of each layer as one array, (3H, H) and (3H,)."""
    return {
        f"{prefix}attention.query_key_value.{kind}": [
            f"{prefix}attention.{part}.{kind}" for part in ("query", "key", "value")
        ]
        for prefix in _layer_prefixes(config)
        for kind in ("weight", "bias")
    }


class EmbeddingsCache(NamedTuple):
    word: EmbeddingCache | None  # None where inputs_embeds were given
    token_type: EmbeddingCache
    position: EmbeddingCache
    layer_norm: LayerNormCache
    dropout: DropoutCache


def embeddings_forward(
    input_ids: Array | None,
    token_type_ids: Array,
    position_ids: Array,
    p: Scope,
    config: AlbertConfig,
    rng: Any | None = None,
    inputs_embeds: Array | None = None,
) -> tuple[Array, EmbeddingsCache]:
    """Sum of word, token type and position embeddings → LayerNorm → dropout, all E wide.

    input_ids and token_type_ids (B, T), position_ids (B, T) or (1, T); inputs_embeds (B, T, E) take the place of the
    looked-up words. Returns (B, T, E).

    Derivation: notebook 07, eq. 7.7.
    """
    word_cache = None
    if inputs_embeds is None:
        inputs_embeds, word_cache = embedding_forward(input_ids, p["word_embeddings.weight"], config.pad_token_id)
    types, type_cache = embedding_forward(token_type_ids, p["token_type_embeddings.weight"])
    positions, position_cache = embedding_forward(position_ids, p["position_embeddings.weight"])
    summed = inputs_embeds + types + positions  # (B, T, E)
    x, norm_cache = layer_norm_forward(summed, p["LayerNorm.weight"], p["LayerNorm.bias"], config.layer_norm_eps)
    y, dropout_cache = dropout_forward(x, config.hidden_dropout_prob, rng)
    return y, EmbeddingsCache(word_cache, type_cache, position_cache, norm_cache, dropout_cache)


def embeddings_backward(dy: Array, cache: EmbeddingsCache, g: Scope) -> Array:
    """Mirror of `embeddings_forward`; returns the gradient of the word embeddings looked up, (B, T, E).

    Derivation: notebook 07, eq. 7.8.
    """
    dx = dropout_backward(dy, cache.dropout)
    dsummed, dweight, dbias = layer_norm_backward(dx, cache.layer_norm)
    g["LayerNorm.weight"] += dweight
    g["LayerNorm.bias"] += dbias
    shared_positions = len(cache.position.ids) == 1  # (1, T) ids were broadcast over the batch
    dpositions = dsummed.sum(axis=0, keepdims=True) if shared_positions else dsummed
    g["position_embeddings.weight"] += embedding_backward(dpositions, cache.position)
    g["token_type_embeddings.weight"] += embedding_backward(dsummed, cache.token_type)
    if cache.word is not None:
        g["word_embeddings.weight"] += embedding_backward(dsummed, cache.word)
    return dsummed


def heads_forward(
    stacked: Array, mask: Array | None, config: AlbertConfig, rng: Any | None = None
) -> tuple[Array, AttentionCache]:
    """Split query, key and value into N heads, attend, merge the heads. stacked (B, T, 3H); returns (B, T, H).

    Derivation: notebook 09, eq. 9.1.
    """
    B, T, width = stacked.shape
    heads = stacked.reshape(B, T, 3, config.num_attention_heads, config.head_size)
    query, key, value = heads.transpose(2, 0, 3, 1, 4)  # (B, N, T, D) each
    context, cache = attention_forward(query, key, value, mask, config.attention_probs_dropout_prob, rng)
    return context.transpose(0, 2, 1, 3).reshape(B, T, width // 3), cache


def heads_backward(dmerged: Array, cache: AttentionCache) -> Array:
    """Mirror of `heads_forward`; dmerged (B, T, H), returns dstacked (B, T, 3H). Derivation: notebook 09, eq. 9.2."""
    B, N, T, D = cache.query.shape
    dcontext = dmerged.reshape(B, T, N, D).transpose(0, 2, 1, 3)
    dheads = array_module(dmerged).stack(attention_backward(dcontext, cache))  # (3, B, N, T, D)
    return dheads.transpose(1, 3, 0, 2, 4).reshape(B, T, 3 * N * D)


class PackedHeadsCache(NamedTuple):
    packing: Packing
    attention: list[AttentionCache]  # of each run


def packed_heads_forward(
    stacked: Array, packing: Packing, config: AlbertConfig, rng: Any | None = None
) -> tuple[Array, PackedHeadsCache]:
    """`heads_forward` for each run of equally long sequences. stacked (R, 3H), packed; returns (R, H)."""
    merged = array_module(stacked).empty((len(stacked), config.hidden_size), dtype=stacked.dtype)
    caches = []
    for run in packing.runs:
        rows = stacked[run.rows].reshape(run.sequences, run.length, -1)
        attended, cache = heads_forward(rows, None, config, rng)
        merged[run.rows] = attended.reshape(-1, config.hidden_size)
        caches.append(cache)
    return merged, PackedHeadsCache(packing, caches)


def packed_heads_backward(dmerged: Array, cache: PackedHeadsCache) -> Array:
    """Mirror of `packed_heads_forward`; dmerged (R, H), returns dstacked (R, 3H)."""
    R, H = dmerged.shape
    dstacked = array_module(dmerged).empty((R, 3 * H), dtype=dmerged.dtype)
    for run, attention in zip(cache.packing.runs, cache.attention, strict=True):
        rows = dmerged[run.rows].reshape(run.sequences, run.length, H)
        dstacked[run.rows] = heads_backward(rows, attention).reshape(-1, 3 * H)
    return dstacked


class SelfAttentionCache(NamedTuple):
    query_key_value: LinearCache
    attention: AttentionCache | PackedHeadsCache
    rows: Array | None  # that were wanted alone
    dense: LinearCache
    dropout: DropoutCache
    layer_norm: LayerNormCache


def self_attention_forward(
    x: Array,
    mask: Array | Packing | None,
    p: Scope,
    config: AlbertConfig,
    rng: Any | None = None,
    rows: Array | None = None,
) -> tuple[Array, SelfAttentionCache]:
    """LayerNorm(x + dropout(dense(attention over N heads))).

    x (B, T, H), mask additive and broadcastable to (B, N, T, T) or None; returns (B, T, H). Or x (R, H), the real
    tokens alone, and a `Packing` that says which sequence each belongs to; returns (R, H). With `rows`, places of the
    flattened x, only these are returned, (len(rows), H): all are attended to, but the others' results are not wanted.

    Derivation: notebook 09, eq. 9.7 and 9.9, and notebook 10, eq. 10.1.
    """
    stacked, qkv_cache = linear_forward(x, p["query_key_value.weight"], p["query_key_value.bias"])  # (…, 3H)
    attention_cache: AttentionCache | PackedHeadsCache
    if isinstance(mask, Packing):
        merged, attention_cache = packed_heads_forward(stacked, mask, config, rng)
    else:
        merged, attention_cache = heads_forward(stacked, mask, config, rng)
    if rows is not None:
        x, merged = take_rows(x, rows, x.ndim - 1), take_rows(merged, rows, x.ndim - 1)
    projected, dense_cache = linear_forward(merged, p["dense.weight"], p["dense.bias"])
    dropped, dropout_cache = dropout_forward(projected, config.hidden_dropout_prob, rng)
    y, norm_cache = layer_norm_forward(x + dropped, p["LayerNorm.weight"], p["LayerNorm.bias"], config.layer_norm_eps)
    return y, SelfAttentionCache(qkv_cache, attention_cache, rows, dense_cache, dropout_cache, norm_cache)


def self_attention_backward(dy: Array, cache: SelfAttentionCache, g: Scope) -> Array:
    """Mirror of `self_attention_forward`: add the weights' gradients into `g`, return dx like x.

    Derivation: notebook 09, eq. 9.8, and notebook 10, eq. 10.6.
    """
    dsum, dweight, dbias = layer_norm_backward(dy, cache.layer_norm)  # of x + dropped: flows into both
    g["LayerNorm.weight"] += dweight
    g["LayerNorm.bias"] += dbias
    dprojected = dropout_backward(dsum, cache.dropout)
    dmerged, dweight, dbias = linear_backward(dprojected, cache.dense)
    g["dense.weight"] += dweight
    g["dense.bias"] += dbias
    if cache.rows is not None:
        shape = cache.query_key_value.x.shape[:-1]
        dsum, dmerged = put_rows(dsum, cache.rows, shape), put_rows(dmerged, cache.rows, shape)
    if isinstance(cache.attention, PackedHeadsCache):
        dstacked = packed_heads_backward(dmerged, cache.attention)
    else:
        dstacked = heads_backward(dmerged, cache.attention)
    dx, dweight, dbias = linear_backward(dstacked, cache.query_key_value)
    g["query_key_value.weight"] += dweight
    g["query_key_value.bias"] += dbias
    return dsum + dx


class FeedForwardCache(NamedTuple):
    activation_name: str
    ffn: LinearCache
    activation: Any
    ffn_output: LinearCache
    dropout: DropoutCache
    layer_norm: LayerNormCache


def feed_forward_forward(
    x: Array, p: Scope, config: AlbertConfig, rng: Any | None = None
) -> tuple[Array, FeedForwardCache]:
    """LayerNorm(x + ffn_output(act(ffn(x)))), with dropout before the sum if `config.ffn_output_dropout`.

    x (B, T, H); returns (B, T, H).

    Derivation: notebook 10, eq. 10.2.
    """
    activation_forward, _ = ACTIVATIONS[config.hidden_act]
    inner, ffn_cache = linear_forward(x, p["ffn.weight"], p["ffn.bias"])  # (B, T, I)
    activated, activation_cache = activation_forward(inner)
    outer, output_cache = linear_forward(activated, p["ffn_output.weight"], p["ffn_output.bias"])  # (B, T, H)
    prob = config.hidden_dropout_prob if config.ffn_output_dropout else 0.0
    dropped, dropout_cache = dropout_forward(outer, prob, rng)
    y, norm_cache = layer_norm_forward(
        dropped + x, p["full_layer_layer_norm.weight"], p["full_layer_layer_norm.bias"], config.layer_norm_eps
    )
    cache = FeedForwardCache(config.hidden_act, ffn_cache, activation_cache, output_cache, dropout_cache, norm_cache)
    return y, cache


def feed_forward_backward(dy: Array, cache: FeedForwardCache, g: Scope) -> Array:
    """Mirror of `feed_forward_forward`: add the weights' gradients into `g`, return dx (B, T, H).

    Derivation: notebook 10, eq. 10.5.
    """
    _, activation_backward = ACTIVATIONS[cache.activation_name]
    dsum, dweight, dbias = layer_norm_backward(dy, cache.layer_norm)  # of dropped + x: flows into both
    g["full_layer_layer_norm.weight"] += dweight
    g["full_layer_layer_norm.bias"] += dbias
    douter = dropout_backward(dsum, cache.dropout)
    dactivated, dweight, dbias = linear_backward(douter, cache.ffn_output)
    g["ffn_output.weight"] += dweight
    g["ffn_output.bias"] += dbias
    dinner = activation_backward(dactivated, cache.activation)
    dx, dweight, dbias = linear_backward(dinner, cache.ffn)
    g["ffn.weight"] += dweight
    g["ffn.bias"] += dbias
    return dsum + dx


class LayerCache(NamedTuple):
    x: Array  # (B, T, H), the layer's input
    attention: SelfAttentionCache
    feed_forward: FeedForwardCache


def layer_forward(
    x: Array,
    mask: Array | Packing | None,
    p: Scope,
    config: AlbertConfig,
    rng: Any | None = None,
    rows: Array | None = None,
) -> tuple[Array, LayerCache]:
    """One ALBERT layer, attention then feed-forward, each with its residual and LayerNorm after it.

    x (B, T, H); returns (B, T, H), or the wanted `rows` of it, (len(rows), H), as `self_attention_forward`.
    """
    attended, attention_cache = self_attention_forward(x, mask, p.scope("attention."), config, rng, rows)
    y, feed_forward_cache = feed_forward_forward(attended, p, config, rng)
    return y, LayerCache(x, attention_cache, feed_forward_cache)


def layer_backward(dy: Array, cache: LayerCache, g: Scope) -> Array:
    """Mirror of `layer_forward`; returns dx (B, T, H). Derivation: notebook 10, eq. 10.7."""
    dattended = feed_forward_backward(dy, cache.feed_forward, g)
    return self_attention_backward(dattended, cache.attention, g.scope("attention."))


class Deferred(NamedTuple):
    """A step of which only the input was kept: its backward pass computes the rest again."""

    x: Array
    mask: Array | Packing | None
    p: Scope
    config: AlbertConfig
    seed: int | None  # of the step's dropout masks, None without dropout
    rows: Array | None


class EncoderCache(NamedTuple):
    mapping: LinearCache
    prefixes: list[str]  # of each step's parameters: equal where layers are shared
    steps: list[LayerCache | Deferred]  # one for each of the L · inner applications; empty if nothing was to be kept


def encoder_forward(
    x: Array,
    mask: Array | Packing | None,
    p: Scope,
    config: AlbertConfig,
    rng: Any | None = None,
    keep: bool = True,
    recompute: bool = False,
    rows: Array | None = None,
) -> tuple[Array, EncoderCache]:
    """Map E → H, then apply L times a layer group of `inner_group_num` layers. x (B, T, E); returns (B, T, H).

    Layer step i uses group i · G // L, so with G = 1 every step has the same weights. `keep=False` forgets each
    step's cache: the memory of one layer instead of L, and no backward. `recompute=True` keeps each step's input
    alone, and its backward pass runs the step again. With `rows` the last step returns only these, (len(rows), H).

    Derivation: notebook 11, eq. 11.5.
    """
    p = p.scope("encoder.")
    y, mapping_cache = linear_forward(x, p["embedding_hidden_mapping_in.weight"], p["embedding_hidden_mapping_in.bias"])
    cache = EncoderCache(mapping_cache, [], [])
    for i in range(config.num_hidden_layers):
        for j in range(config.inner_group_num):
            prefix = f"albert_layer_groups.{config.group_of(i)}.albert_layers.{j}."
            seed = None if rng is None else int(rng.integers(2**31))
            last = (i + 1, j + 1) == (config.num_hidden_layers, config.inner_group_num)
            deferred = Deferred(y, mask, p.scope(prefix), config, seed, rows if last else None)
            y, step = _run(deferred)
            if keep:
                cache.prefixes.append(prefix)
                cache.steps.append(deferred if recompute else step)
    return y, cache


def _run(step: Deferred) -> tuple[Array, LayerCache]:
    x, mask, p, config, seed, rows = step
    rng = None if seed is None else backend_of(x).generator(seed)
    return layer_forward(x, mask, p, config, rng, rows)


def encoder_backward(dy: Array, cache: EncoderCache, g: Scope) -> Array:
    """Walk the steps in reverse; each adds into the gradients of the parameters it used. Returns dx (B, T, E).

    Derivation: notebook 11, eq. 11.2 and 11.3.
    """
    g = g.scope("encoder.")
    for prefix, step in zip(reversed(cache.prefixes), reversed(cache.steps), strict=True):
        dy = layer_backward(dy, _run(step)[1] if isinstance(step, Deferred) else step, g.scope(prefix))
    dx, dweight, dbias = linear_backward(dy, cache.mapping)
    g["embedding_hidden_mapping_in.weight"] += dweight
    g["embedding_hidden_mapping_in.bias"] += dbias
    return dx


class PoolerCache(NamedTuple):
    linear: LinearCache
    tanh: TanhCache
    positions: int  # T


def pooler_forward(x: Array, p: Scope) -> tuple[Array, PoolerCache]:
    """tanh(linear(x at [CLS])). x (B, T, H); returns (B, H)."""
    inner, linear_cache = linear_forward(x[:, 0], p["pooler.weight"], p["pooler.bias"])
    y, tanh_cache = tanh_forward(inner)
    return y, PoolerCache(linear_cache, tanh_cache, x.shape[1])


def pooler_backward(dy: Array, cache: PoolerCache, g: Scope) -> Array:
    """Mirror of `pooler_forward`: dx (B, T, H) is zero everywhere but at [CLS]."""
    dinner = tanh_backward(dy, cache.tanh)
    dfirst, dweight, dbias = linear_backward(dinner, cache.linear)
    g["pooler.weight"] += dweight
    g["pooler.bias"] += dbias
    B, H = dy.shape
    dx = array_module(dy).zeros((B, cache.positions, H), dtype=dy.dtype)
    dx[:, 0] = dfirst
    return dx

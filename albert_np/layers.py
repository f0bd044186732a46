"""ALBERT as it is pretrained: the trunk as one pair, the smallest blocks, all others in the order of the data's way.

That order is embeddings → mapping → layer steps → pooler, and on them the two heads of pretraining: MLM with its loss,
and the classifier over the pooled [CLS] that SOP uses. `y, cache = block_forward(x, …, p, config, rng)` reads its
weights from the scope `p`, and `dx = block_backward(dy, cache, g)` adds their gradients into the scope `g`. Only the
smallest blocks, `dense`, `norm` and `lookup`, add with `+=`; every larger block is the mirror of its forward, line by
line. The steps of a shared layer get the same `p` and `g` and different caches: that is all there is to sharing.
`rng=None` means no dropout.

Hidden states are (B, T, H), or (R, H) where a `Pattern` leaves padding out; below, (…, H) stands for either. Shapes:
B batch, T positions, R rows, V vocabulary, E embedding, H hidden, I intermediate, N heads, D head size, L layers,
G groups. A layer step is one application of a layer: there are L · `inner_group_num`.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from numpy.random import Generator, default_rng

from albert_np import ops
from albert_np.backend import Array, Backend, array_module, backend_of
from albert_np.config import AlbertConfig
from albert_np.execution import (
    # pack, unpack: (B, T, …) ↔ real tokens; gather, spread: all rows ↔ wanted ones; split, join: rows ↔ runs of equally
    # long sequences; mask: added to the scores; of_steps: that of each layer step, the last alone wanting fewer rows
    Pattern,
    brought_back,  # the arrays that were handed out, on the device again, the last first
    handed_out,  # a copy in the host's memory
    is_narrowed,  # whether products keep a rounded copy of an array, in 16 bits
    laid_out,  # the same numbers, in the order in which a device's products read them
    on_device,  # the same formula as one kernel, where a GPU has it
)
from albert_np.params import (
    Scope,  # p["weight"] is the array whose name is the scope's prefix and "weight"
    Shapes,
    layer_prefix,  # of the names of one layer of a group
)

__all__ = [
    "AlbertCache",
    "AlbertInputs",
    "ClassifierCache",
    "Keep",
    "LayerCache",
    "MLMLossCache",
    "albert_backward",
    "albert_forward",
    "attention_branch_backward",
    "attention_branch_forward",
    "classifier_backward",
    "classifier_forward",
    "classifier_shapes",
    "dense_backward",
    "dense_forward",
    "embeddings_backward",
    "embeddings_forward",
    "encoder_backward",
    "encoder_forward",
    "feed_forward_branch_backward",
    "feed_forward_branch_forward",
    "heads_backward",
    "heads_forward",
    "layer_backward",
    "layer_forward",
    "lookup_backward",
    "lookup_forward",
    "mlm_backward",
    "mlm_forward",
    "mlm_loss_backward",
    "mlm_loss_forward",
    "mlm_shapes",
    "mlm_ties",
    "norm_backward",
    "norm_forward",
    "pooler_backward",
    "pooler_forward",
    "sop_shapes",
]

# What a forward pass keeps of each layer step: its cache; its input too; its input alone, from which backward makes the
# cache again; the same in the memory of the host; or nothing, and then there is no backward pass.
Keep = Literal["caches", "caches and inputs", "inputs", "inputs on host", "nothing"]


class AlbertInputs(NamedTuple):
    """What the trunk reads, checked: (B, T, …), or the rows that `Pattern.pack` takes of it."""

    input_ids: Array | None  # (…)
    token_type_ids: Array  # (…)
    position_ids: Array  # (…) or (1, T)
    inputs_embeds: Array | None  # (…, E), in place of the words that input_ids look up
    pattern: Pattern


class AlbertCache(NamedTuple):
    pattern: Pattern
    embeddings: "EmbeddingsCache"
    encoder: "EncoderCache"
    sequence_output: Array  # (B, T, H)
    pooler: "PoolerCache | None"


def albert_forward(
    inputs: AlbertInputs, p: Scope, config: AlbertConfig, rng: Generator | None = None, keep: Keep = "caches"
) -> tuple[Array, Array | None, AlbertCache]:
    """Return the sequence output (B, T, H), zero where the pattern computes nothing, and the pooled [CLS] (B, H).

    There is a pooler if `p` holds weights for it. keep: see `Keep`.
    """
    embedded, embeddings = embeddings_forward(inputs, p.scope("embeddings."), config, rng)
    encoded, encoder = encoder_forward(embedded, inputs.pattern, p, config, rng, keep)
    sequence_output = inputs.pattern.unpack(inputs.pattern.spread(encoded))  # (B, T, H)
    pooled, pooler = pooler_forward(sequence_output, p.scope("pooler.")) if "pooler.weight" in p else (None, None)
    return sequence_output, pooled, AlbertCache(inputs.pattern, embeddings, encoder, sequence_output, pooler)


def albert_backward(dsequence: Array, dpooled: Array | None, cache: AlbertCache, g: Scope) -> Array:
    """Mirror of `albert_forward`; returns the gradient of the word embeddings looked up, (B, T, E).

    dsequence (B, T, H); dpooled (B, H), or None where there is no pooler.
    """
    if cache.pooler is not None:
        dsequence = dsequence + pooler_backward(dpooled, cache.pooler, g.scope("pooler."))
    dencoded = cache.pattern.gather(cache.pattern.pack(dsequence))
    dembedded = encoder_backward(dencoded, cache.encoder, g)
    return cache.pattern.unpack(embeddings_backward(dembedded, cache.embeddings, g.scope("embeddings.")))


# The smallest blocks are an op and its weights in a scope, and nothing else adds into gradients.


def dense_forward(x: Array, p: Scope) -> tuple[Array, ops.LinearCache]:
    """y = x weightᵀ + bias, the bias if there is one. x (…, in); returns (…, out)."""
    return ops.linear_forward(x, p["weight"], p.get("bias", 0.0))


@on_device()
def dense_backward(dy: Array, cache: ops.LinearCache, g: Scope) -> Array:
    """Add dweight and dbias into `g`; returns dx (…, in)."""
    dx, dweight, dbias = ops.linear_backward(dy, cache)
    g["weight"] += dweight
    if "bias" in g:
        g["bias"] += dbias
    return dx


def norm_forward(x: Array, p: Scope, config: AlbertConfig) -> tuple[Array, ops.LayerNormCache]:
    """LayerNorm over the last axis. x (…, H); returns (…, H)."""
    return ops.layer_norm_forward(x, p["weight"], p["bias"], config.layer_norm_eps)


@on_device()
def norm_backward(dy: Array, cache: ops.LayerNormCache, g: Scope) -> Array:
    """Add dweight and dbias into `g`; returns dx (…, H)."""
    dx, dweight, dbias = ops.layer_norm_backward(dy, cache)
    g["weight"] += dweight
    g["bias"] += dbias
    return dx


def lookup_forward(ids: Array, p: Scope, padding_idx: int | None = None) -> tuple[Array, ops.EmbeddingCache]:
    """Rows of a table. ids (…); returns (…, E)."""
    return ops.embedding_forward(ids, p["weight"], padding_idx)


def lookup_backward(dy: Array, cache: ops.EmbeddingCache, g: Scope) -> None:
    """Add dweight into `g`; ids have no gradient."""
    g["weight"] += ops.embedding_backward(dy, cache)


class EmbeddingsCache(NamedTuple):
    word: ops.EmbeddingCache | None  # None where inputs_embeds were given
    token_type: ops.EmbeddingCache
    position: ops.EmbeddingCache
    layer_norm: ops.LayerNormCache
    dropout: ops.DropoutCache


def embeddings_forward(
    inputs: AlbertInputs, p: Scope, config: AlbertConfig, rng: Generator | None = None
) -> tuple[Array, EmbeddingsCache]:
    """Sum of word, token type and position embeddings → LayerNorm → dropout, all E wide. Returns (…, E).

    Derivation: notebook 07, eq. 7.7.
    """
    words, word = inputs.inputs_embeds, None
    if words is None:
        words, word = lookup_forward(inputs.input_ids, p.scope("word_embeddings."), config.pad_token_id)
    types, token_type = lookup_forward(inputs.token_type_ids, p.scope("token_type_embeddings."))
    positions, position = lookup_forward(inputs.position_ids, p.scope("position_embeddings."))
    normed, layer_norm = norm_forward(words + types + positions, p.scope("LayerNorm."), config)
    y, dropout = ops.dropout_forward(normed, config.hidden_dropout_prob, rng)
    return y, EmbeddingsCache(word, token_type, position, layer_norm, dropout)


def embeddings_backward(dy: Array, cache: EmbeddingsCache, g: Scope) -> Array:
    """Mirror of `embeddings_forward`; returns the gradient of the word embeddings looked up, (…, E).

    Derivation: notebook 07, eq. 7.8.
    """
    dnormed = ops.dropout_backward(dy, cache.dropout)
    dsum = norm_backward(dnormed, cache.layer_norm, g.scope("LayerNorm."))
    shared_positions = len(cache.position.ids) == 1  # (1, T) ids were broadcast over the batch
    dpositions = dsum.sum(axis=0, keepdims=True) if shared_positions else dsum
    lookup_backward(dpositions, cache.position, g.scope("position_embeddings."))
    lookup_backward(dsum, cache.token_type, g.scope("token_type_embeddings."))
    if cache.word is not None:
        lookup_backward(dsum, cache.word, g.scope("word_embeddings."))
    return dsum


class LayerCall(NamedTuple):
    """What a layer step was called with: enough to run it again."""

    x: Array | None  # (…, H); None where it was not kept
    pattern: Pattern  # of this step
    prefix: str  # of the names of its parameters: the same in the steps of a shared layer
    seed: int | None  # of its dropout masks; None without dropout


class EncoderCache(NamedTuple):
    p: Scope
    config: AlbertConfig
    mapping: ops.LinearCache
    steps: list["LayerCache"]  # of the layer steps; none if only their inputs were kept
    calls: list[LayerCall]  # what the steps were called with; none if nothing was kept


def encoder_forward(
    x: Array, pattern: Pattern, p: Scope, config: AlbertConfig, rng: Generator | None = None, keep: Keep = "caches"
) -> tuple[Array, EncoderCache]:
    """Map E → H, then apply L times a layer group of `inner_group_num` layers.

    x (…, E); returns (…, H), or the wanted rows of it. Of the L times, the i-th from 0 uses group i · G // L, so that
    with G = 1 all use the same weights. keep: see `Keep`; "inputs" is gradient checkpointing. With "nothing" the memory
    is that of one step. An input that is kept has the model's dtype in any precision: the residual reads it, too.

    Derivation: notebook 07, eq. 7.7 (the mapping), and notebook 11, eq. 11.1 and 11.5.
    """
    y, mapping = dense_forward(x, p.scope("encoder.embedding_hidden_mapping_in."))
    cache = EncoderCache(p, config, mapping, [], [])
    layers = [(config.group_of(i), j) for i in range(config.num_hidden_layers) for j in range(config.inner_group_num)]
    for (group, inner), step_pattern in zip(layers, pattern.of_steps(len(layers)), strict=True):
        seed = None if rng is None else int(rng.integers(2**31))
        call = LayerCall(y, step_pattern, layer_prefix(group, inner), seed)
        if keep != "nothing":
            cache.calls.append(call._replace(x=_kept(y, keep)))
        y, step = _run_step(call, p, config)
        if keep in ("caches", "caches and inputs"):
            cache.steps.append(step)
    return y, cache


def encoder_backward(dy: Array, cache: EncoderCache, g: Scope) -> Array:
    """Mirror of `encoder_forward`: each step adds into the gradients of the parameters it used. Returns dx (…, E).

    Derivation: notebook 11, eq. 11.2 and 11.3.
    """
    steps = reversed(cache.steps) if cache.steps else _run_again(cache, backend_of(dy))
    for call, step in zip(reversed(cache.calls), steps, strict=True):
        dy = layer_backward(dy, step, g.scope(call.prefix))
    return dense_backward(dy, cache.mapping, g.scope("encoder.embedding_hidden_mapping_in."))


def _kept(x: Array, keep: Keep) -> Array | None:
    """Return what is kept of a step's input; with "caches", None where the cache holds but a rounded copy of x."""
    if keep == "inputs on host":
        return handed_out(x)
    return None if keep == "caches" and is_narrowed(x) else x


def _run_again(cache: EncoderCache, device: Backend) -> Iterator["LayerCache"]:
    """Yield the caches of the steps, the last first, made again from their inputs."""
    inputs = brought_back([call.x for call in cache.calls], device)
    for call, x in zip(reversed(cache.calls), inputs, strict=True):
        yield _run_step(call._replace(x=x), cache.p, cache.config)[1]


def _run_step(call: LayerCall, p: Scope, config: AlbertConfig) -> tuple[Array, "LayerCache"]:
    rng = None if call.seed is None else default_rng(call.seed)
    return layer_forward(call.x, call.pattern, p.scope(call.prefix), config, rng)


class LayerCache(NamedTuple):
    pattern: Pattern
    attention: "AttentionBranchCache"
    attention_norm: ops.LayerNormCache
    feed_forward: "FeedForwardBranchCache"
    full_layer_layer_norm: ops.LayerNormCache


@on_device(LayerCache)
def layer_forward(
    x: Array, pattern: Pattern, p: Scope, config: AlbertConfig, rng: Generator | None = None
) -> tuple[Array, LayerCache]:
    """h = LayerNorm(a) with a = x + A(x), y = LayerNorm(s) with s = h + F(h): attention, then feed-forward.

    Each is a branch beside a residual connection. x (…, H); returns (…, H), or the wanted rows of it.

    Derivation: notebook 10, eq. 10.1 and 10.2.
    """
    attended, attention = attention_branch_forward(x, pattern, p.scope("attention."), config, rng)
    h, attention_norm = norm_forward(pattern.gather(x) + attended, p.scope("attention.LayerNorm."), config)
    fed_forward, feed_forward = feed_forward_branch_forward(h, p, config, rng)
    y, full_layer_layer_norm = norm_forward(h + fed_forward, p.scope("full_layer_layer_norm."), config)
    return y, LayerCache(pattern, attention, attention_norm, feed_forward, full_layer_layer_norm)


@on_device()
def layer_backward(dy: Array, cache: LayerCache, g: Scope) -> Array:
    """Mirror of `layer_forward`: a sum flows back into both of its terms. Returns dx (…, H).

    Derivation: notebook 10, eq. 10.5 to 10.7.
    """
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))  # s = h + F(h)
    dh = ds + feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))  # a = x + A(x)
    return cache.pattern.spread(da) + attention_branch_backward(da, cache.attention, g.scope("attention."))


class AttentionBranchCache(NamedTuple):
    query_key_value: ops.LinearCache
    heads: "HeadsCache"
    dense: ops.LinearCache
    dropout: ops.DropoutCache


def attention_branch_forward(
    x: Array, pattern: Pattern, p: Scope, config: AlbertConfig, rng: Generator | None = None
) -> tuple[Array, AttentionBranchCache]:
    """A(x) = dropout(dense(attention over N heads)). x (…, H); returns (…, H), or the wanted rows of it.

    The weights of query, key and value lie side by side, so that one product serves all three.

    Derivation: notebook 09, eq. 9.7 and 9.9.
    """
    stacked, query_key_value = dense_forward(x, p.scope("query_key_value."))  # (…, 3H)
    merged, heads = heads_forward(stacked, pattern, config, rng)  # (…, H)
    projected, dense = dense_forward(pattern.gather(merged), p.scope("dense."))
    y, dropout = ops.dropout_forward(projected, config.hidden_dropout_prob, rng)
    return y, AttentionBranchCache(query_key_value, heads, dense, dropout)


def attention_branch_backward(dy: Array, cache: AttentionBranchCache, g: Scope) -> Array:
    """Mirror of `attention_branch_forward`; returns dx (…, H). Derivation: notebook 09, eq. 9.8."""
    dprojected = ops.dropout_backward(dy, cache.dropout)
    dmerged = cache.heads.pattern.spread(dense_backward(dprojected, cache.dense, g.scope("dense.")))
    dstacked = heads_backward(dmerged, cache.heads)
    return dense_backward(dstacked, cache.query_key_value, g.scope("query_key_value."))


class HeadsCache(NamedTuple):
    pattern: Pattern
    runs: list[ops.AttentionCache]  # of each run of the pattern; a dense batch is one


@on_device(HeadsCache)
def heads_forward(
    stacked: Array, pattern: Pattern, config: AlbertConfig, rng: Generator | None = None
) -> tuple[Array, HeadsCache]:
    """Split query, key and value into N heads, attend within each run, merge the heads.

    stacked (…, 3H); returns (…, H).

    Derivation: notebook 09, eq. 9.1.
    """
    contexts, runs = [], []
    for part in pattern.split(stacked):  # (B, T, 3H) of one run: B sequences of T tokens
        query, key, value = laid_out(_split_heads(part, 3, config.num_attention_heads))  # (B, N, T, D) each
        context, cache = ops.attention_forward(
            query, key, value, pattern.mask, config.attention_probs_dropout_prob, rng
        )
        contexts.append(_merge_heads(context[None]))  # (B, T, H)
        runs.append(cache)
    return pattern.join(contexts), HeadsCache(pattern, runs)


@on_device()
def heads_backward(dmerged: Array, cache: HeadsCache) -> Array:
    """Mirror of `heads_forward`; dmerged (…, H), returns dstacked (…, 3H). Derivation: notebook 09, eq. 9.2."""
    dparts = []
    for dpart, run in zip(reversed(cache.pattern.split(dmerged)), reversed(cache.runs), strict=True):
        (dcontext,) = laid_out(_split_heads(dpart, 1, run.query.shape[1]))  # (B, N, T, D)
        dparts.append(_merge_heads(array_module(dpart).stack(ops.attention_backward(dcontext, run))))
    return cache.pattern.join(dparts[::-1])


def _split_heads(x: Array, parts: int, heads: int) -> Array:
    """(B, T, parts · N · D) → (parts, B, N, T, D)."""
    B, T, _ = x.shape
    return x.reshape(B, T, parts, heads, -1).transpose(2, 0, 3, 1, 4)


def _merge_heads(x: Array) -> Array:
    """(parts, B, N, T, D) → (B, T, parts · N · D)."""
    _, B, _, T, _ = x.shape
    return x.transpose(1, 3, 0, 2, 4).reshape(B, T, -1)


class FeedForwardBranchCache(NamedTuple):
    ffn: ops.LinearCache
    activation: ops.ActivationCache
    ffn_output: ops.LinearCache
    dropout: ops.DropoutCache


def feed_forward_branch_forward(
    x: Array, p: Scope, config: AlbertConfig, rng: Generator | None = None
) -> tuple[Array, FeedForwardBranchCache]:
    """F(x) = ffn_output(act(ffn(x))), then dropout if `config.ffn_output_dropout`. x (…, H); returns (…, H).

    Derivation: notebook 10, eq. 10.2.
    """
    inner, ffn = dense_forward(x, p.scope("ffn."))  # (…, I)
    activated, activation = ops.activation_forward(inner, config.hidden_act)
    outer, ffn_output = dense_forward(activated, p.scope("ffn_output."))  # (…, H)
    y, dropout = ops.dropout_forward(outer, config.hidden_dropout_prob if config.ffn_output_dropout else 0.0, rng)
    return y, FeedForwardBranchCache(ffn, activation, ffn_output, dropout)


def feed_forward_branch_backward(dy: Array, cache: FeedForwardBranchCache, g: Scope) -> Array:
    """Mirror of `feed_forward_branch_forward`; returns dx (…, H). Derivation: notebook 10, eq. 10.4."""
    douter = ops.dropout_backward(dy, cache.dropout)
    dactivated = dense_backward(douter, cache.ffn_output, g.scope("ffn_output."))
    dinner = ops.activation_backward(dactivated, cache.activation)
    return dense_backward(dinner, cache.ffn, g.scope("ffn."))


class PoolerCache(NamedTuple):
    dense: ops.LinearCache
    tanh: ops.TanhCache
    positions: int  # T


def pooler_forward(x: Array, p: Scope) -> tuple[Array, PoolerCache]:
    """tanh(dense(x at [CLS])). x (B, T, H); returns (B, H)."""
    inner, dense = dense_forward(x[:, 0], p)
    y, tanh = ops.tanh_forward(inner)
    return y, PoolerCache(dense, tanh, x.shape[1])


def pooler_backward(dy: Array, cache: PoolerCache, g: Scope) -> Array:
    """Mirror of `pooler_forward`: dx (B, T, H) is zero everywhere but at [CLS]."""
    dfirst = dense_backward(ops.tanh_backward(dy, cache.tanh), cache.dense, g)  # (B, H)
    B, H = dfirst.shape
    dx = array_module(dy).zeros((B, cache.positions, H), dtype=dy.dtype)
    dx[:, 0] = dfirst
    return dx


def mlm_shapes(config: AlbertConfig) -> Shapes:
    """Return name → shape of the parameters that the MLM head stores; `mlm_ties` names those that it shares."""
    V, E, H = config.vocab_size, config.embedding_size, config.hidden_size
    shapes: Shapes = {
        "predictions.dense.weight": (E, H),
        "predictions.dense.bias": (E,),
        "predictions.LayerNorm.weight": (E,),
        "predictions.LayerNorm.bias": (E,),
        "predictions.bias": (V,),
    }
    return shapes if config.tie_word_embeddings else {**shapes, "predictions.decoder.weight": (V, E)}


def mlm_ties(config: AlbertConfig) -> dict[str, str]:
    """Return alias → the stored name that it shares its numbers with: the decoder's weight is the word embeddings.

    With `tie_word_embeddings=False` that weight is stored, and only the bias has two names.
    """
    ties = {"predictions.decoder.bias": "predictions.bias"}
    if config.tie_word_embeddings:
        ties["predictions.decoder.weight"] = "albert.embeddings.word_embeddings.weight"
    return ties


class MLMCache(NamedTuple):
    dense: ops.LinearCache
    activation: ops.ActivationCache
    layer_norm: ops.LayerNormCache
    decoder: ops.LinearCache


def mlm_forward(x: Array, p: Scope, config: AlbertConfig) -> tuple[Array, MLMCache]:
    """logits = decoder(LayerNorm(act(dense(x)))): H → E → V. x (R, H); returns (R, V).

    Derivation: notebook 12, eq. 12.1 and 12.2.
    """
    inner, dense = dense_forward(x, p.scope("dense."))  # (R, E)
    activated, activation = ops.activation_forward(inner, config.hidden_act)
    normed, layer_norm = norm_forward(activated, p.scope("LayerNorm."), config)
    logits, decoder = dense_forward(normed, p.scope("decoder."))  # (R, V)
    return logits, MLMCache(dense, activation, layer_norm, decoder)


def mlm_backward(dlogits: Array, cache: MLMCache, g: Scope) -> Array:
    """Mirror of `mlm_forward`; the decoder adds to the word embeddings' gradient. dlogits (R, V); returns dx (R, H).

    Derivation: notebook 12, eq. 12.7 and 12.9.
    """
    dnormed = dense_backward(dlogits, cache.decoder, g.scope("decoder."))
    dactivated = norm_backward(dnormed, cache.layer_norm, g.scope("LayerNorm."))
    dinner = ops.activation_backward(dactivated, cache.activation)
    return dense_backward(dinner, cache.dense, g.scope("dense."))


class MLMLossCache(NamedTuple):
    rows: Array  # (R,) where the flattened labels ask for something
    shape: tuple[int, int, int]  # B, T, H
    head: MLMCache
    cross_entropy: ops.CrossEntropyCache


def mlm_loss_forward(
    x: Array, labels: Array, p: Scope, config: AlbertConfig, denominator: float | None = None
) -> tuple[Array, MLMLossCache]:
    """Mean cross-entropy over the labelled positions; logits are computed at those R positions only, not at B · T.

    x (B, T, H), labels (B, T) with -100 where nothing is asked, on x's device or in NumPy: then the host, which must
    know R, waits for no device. Returns a loss without axes.

    Derivation: notebook 12, eq. 12.4.
    """
    device, labels = backend_of(x), labels.ravel()
    rows = array_module(labels).flatnonzero(labels != ops.IGNORE_INDEX)
    rows, asked = device.own(rows), device.own(labels[rows])
    logits, head = mlm_forward(x.reshape(-1, x.shape[-1])[rows], p, config)
    loss, cross_entropy = ops.cross_entropy_forward(logits, asked, ops.IGNORE_INDEX, denominator)
    return loss, MLMLossCache(rows, x.shape, head, cross_entropy)


def mlm_loss_backward(dloss: Array | float, cache: MLMLossCache, g: Scope) -> Array:
    """Mirror of `mlm_loss_forward`; returns dx (B, T, H), zero where there is no label.

    Derivation: notebook 12, eq. 12.6.
    """
    dlogits = ops.cross_entropy_backward(dloss, cache.cross_entropy)
    drows = mlm_backward(dlogits, cache.head, g)
    B, T, H = cache.shape
    dx = array_module(drows).zeros((B * T, H), dtype=drows.dtype)
    dx[cache.rows] = drows  # each position occurs once: nothing to add up
    return dx.reshape(B, T, H)


def classifier_shapes(config: AlbertConfig, classes: int) -> Shapes:
    """Return name → shape of a linear classifier over H."""
    return {"classifier.weight": (classes, config.hidden_size), "classifier.bias": (classes,)}


def sop_shapes(config: AlbertConfig) -> Shapes:
    """Return name → shape of the SOP head, two classes: 0 in order, 1 swapped."""
    return {"sop_classifier." + name: shape for name, shape in classifier_shapes(config, config.num_labels).items()}


class ClassifierCache(NamedTuple):
    dropout: ops.DropoutCache
    classifier: ops.LinearCache


def classifier_forward(
    x: Array, p: Scope, config: AlbertConfig, rng: Generator | None = None
) -> tuple[Array, ClassifierCache]:
    """logits = classifier(dropout(x)): the SOP head on the pooled [CLS], and the heads of fine-tuning.

    x (…, H); returns (…, classes).

    Derivation: notebook 12, eq. 12.3.
    """
    dropped, dropout = ops.dropout_forward(x, config.head_dropout_prob, rng)
    logits, classifier = dense_forward(dropped, p.scope("classifier."))
    return logits, ClassifierCache(dropout, classifier)


def classifier_backward(dlogits: Array, cache: ClassifierCache, g: Scope) -> Array:
    """Mirror of `classifier_forward`. dlogits (…, classes); returns dx (…, H)."""
    ddropped = dense_backward(dlogits, cache.classifier, g.scope("classifier."))
    return ops.dropout_backward(ddropped, cache.dropout)

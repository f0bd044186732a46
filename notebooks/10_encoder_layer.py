# %% [markdown]
# # 10 · The encoder layer
#
# **100 minutes.** You need: notebook 03 (linear and GELU), 05 (LayerNorm), 09 (heads). You
# will be able to
#
# * draw a post-LN layer and the way of every gradient through it,
# * write its backward from the backwards of its parts,
# * read a table of gradients and see where a path is missing,
# * wire another layer, pre-LN, and say what it does otherwise.
#
# **A question.** GPT-3 is 96 layers deep, ALBERT-xlarge runs one layer 24 times. A gradient that enters at the top has to
# get through all of them, and each layer multiplies it by a Jacobian. Were each of these to take away nine tenths, $10^{-96}$ would
# be left, less than float32 can hold. Why does anything arrive? And why has GPT-3 its LayerNorms in another place than ALBERT?
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x$ | (B, T, H) | the layer's input |
# | $A$ | | the attention branch: query, key and value, heads, `dense` |
# | $a$ | (B, T, H) | $x + A(x)$ |
# | $h$ | (B, T, H) | $\mathrm{LN}_1(a)$, input of the second half |
# | $F$ | | the feed-forward branch: `ffn`, GELU, `ffn_output` |
# | $s$ | (B, T, H) | $h + F(h)$ |
# | $y$ | (B, T, H) | $\mathrm{LN}_2(s)$, the layer's output |
# | $\bar y$ `dy`, $\bar s$ `ds`, … | (B, T, H) | gradient of the loss by $y$, by $s$, … |
#
# All parts are known by now. What is new is how they are wired, and that two wires meet where a sum was, and where a
# value was used twice.

# %% [markdown]
# ## 1. Forward
#
# $$h = \mathrm{LN}_1\big(\underbrace{x + A(x)}_{a}\big) \tag{10.1}$$
# $$y = \mathrm{LN}_2\big(\underbrace{h + F(h)}_{s}\big), \qquad
# F(h) = \mathrm{GELU}(h\,W_1^\top + b_1)\,W_2^\top + b_2 \tag{10.2}$$
#
# The attention lets tokens exchange what they know. The feed-forward part works on each token by itself: H → I → H, where
# I is 4·H in all released models. Each branch only has to compute a *change*; the input itself goes around it on the
# skip path, and is added. LayerNorm stands after the sum, hence "post-LN". Dropout, where it is on, acts inside A, on its
# probabilities and its output. On F's output it acts in Google's code but not in Hugging Face's, which is the default here:
# `ffn_output_dropout=True` asks for it.

# %%
from albert_np.course.figures import layer_figure
from albert_np.plots import show

show(
    layer_figure("(B, T, H)"),
    "10.1",
    "An encoder layer: data goes to the right, gradients to the left.",
    "A layer from left to right: x, attention with a way around it, a sum, LayerNorm, h, feed-forward with a way around "
    "it, a sum, LayerNorm, y. Gradients take every way in the other direction.",
)

# %% [markdown]
# Blue goes right, vermillion goes left; the second row goes on where the first one ends. There are two kinds of crossings. At a dot a value is **used twice**. At a
# plus two values are **added**. On the way back they change their roles.

# %% [markdown]
# ## 2. Backward: copy and sum
#
# **A sum copies the gradient.** For $s = h + f$ with $f = F(h)$, both derivatives are 1:
#
# $$\bar f = \bar s, \qquad \bar h_{\text{skip}} = \bar s \tag{10.3}$$
#
# **A copy sums the gradient.** $h$ goes on over two ways, and both change the loss. With $J_F$ the Jacobian of $F$,
#
# $$\bar h = \underbrace{\bar s}_{\text{skip}} + \underbrace{J_F^\top\, \bar s}_{\text{branch}} \tag{10.4}$$
#
# **By hand first.** Take single numbers, no LayerNorm, and the branch $F(h) = w h^2$ with $w = \tfrac12$, $h = 2$. Then
# $s = 2 + 2 = 4$. With $\bar s = 1$, what comes over the skip path, what through the branch, and what is $\bar h$?

# %%
h, w, step = 2.0, 0.5, 1e-6
skip, branch = 1.0, 2 * w * h
slope = ((h + step + w * (h + step) ** 2) - (h - step + w * (h - step) ** 2)) / (2 * step)
print(f"skip {skip}, branch {branch}, sum {skip + branch}; measured by finite differences {slope:.6f}")

# %% [markdown]
# One third of the gradient takes the skip path here. Whoever forgets it gets 2 for 3: the right sign, a plausible size,
# and a network that learns badly for no visible reason.
#
# With the two LayerNorms in their places, a layer's backward is four lines, from right to left:
#
# $$\bar s = J_{\mathrm{LN}_2}^\top\, \bar y \qquad\qquad\quad \bar h = \bar s + J_F^\top\, \bar s \tag{10.5}$$
# $$\bar a = J_{\mathrm{LN}_1}^\top\, \bar h \qquad\qquad\quad \bar x = \bar a + J_A^\top\, \bar a \tag{10.6}$$
#
# or, in one,
#
# $$\boxed{\;\bar x = (I + J_A)^\top\, J_{\mathrm{LN}_1}^\top\, (I + J_F)^\top\, J_{\mathrm{LN}_2}^\top\;\bar y\;} \tag{10.7}$$
#
# Note what the skip path carries: $\bar s$, which has passed the LayerNorm, and not $\bar y$. In a post-LN layer nothing
# gets around the LayerNorms.

# %% [markdown]
# ## 3. Walking the caches
#
# Everything that backward needs lies in the cache of forward: a tree of named tuples. Here it is, for a small layer.

# %%
import numpy as np

from albert_np.execution import dense_pattern
from albert_np.gradcheck import randomize, small_config
from albert_np.layers import layer_backward as package_layer_backward
from albert_np.layers import layer_forward
from albert_np.model import AlbertModel

config = small_config()  # H = 12, I = 20, N = 3
model = randomize(AlbertModel(config, dtype="float64"))
LAYER = "encoder.albert_layer_groups.0.albert_layers.0."
p = model.params.scope(LAYER)

rng = np.random.default_rng(0)
x, dy = rng.normal(size=(2, 2, 5, 12))  # (B, T, H) each
y, cache = layer_forward(x, dense_pattern(2, 5), p, config)


def walk(node, indent=""):
    for name, value in zip(node._fields, node, strict=True):
        if name == "pattern":
            continue
        if isinstance(value, list):
            (value,) = value  # one run of sequences
        if hasattr(value, "_fields"):
            print(f"{indent}{name}")
            walk(value, indent + "    ")
        else:
            print(f"{indent}{name:<{28 - len(indent)}}{getattr(value, 'shape', value)}")


walk(cache)

# %% [markdown]
# Look for the inputs of the linear layers. `query_key_value.x` is the layer's $x$ itself, and `ffn.x` is $h$: the value
# that is used twice is kept once, and both uses point to it. (Left out is `pattern`, which says who attends to whom: here
# two sentences of five tokens, each token to all of its sentence.)

# %%
print("x is kept once:", cache.attention.query_key_value.x is x)
before_norm = cache.attention_norm
h = before_norm.weight * before_norm.x_hat + p["attention.LayerNorm.bias"]
print("ffn.x is h:    ", np.allclose(cache.feed_forward.ffn.x, h))

# %% [markdown]
# ## 4. Your turn: wire the layer  (difficulty 3 of 5, 15 minutes)
#
# Given are the two branches *without* their skip path and LayerNorm. Each takes the gradient of the branch's output, adds
# the gradients of its weights into `g`, and returns the gradient of the branch's input:
#
# * `feed_forward_branch_backward(d, cache.feed_forward, g)` for $J_F^\top$,
# * `attention_branch_backward(d, cache.attention, g.scope("attention."))` for $J_A^\top$,
# * `norm_backward(d, norm_cache, scope)`, the `layer_norm_backward` of notebook 05 that adds `dweight` and `dbias` into a
#   scope of `g` and returns `dx`.
#
# The LayerNorms' caches are `cache.full_layer_layer_norm` and `cache.attention_norm`; the scopes of their weights are
# `g.scope("full_layer_layer_norm.")` and `g.scope("attention.LayerNorm.")`. All gradients of weights are *added* to what
# `g` holds, because in ALBERT the same layer is used many times (cross-layer parameter sharing, 跨层参数共享, is the subject of notebook 11).
#
# <details><summary>Hint 1: the idea</summary>
#
# Read the figure from right to left along vermillion: LayerNorm, dot with two arrivals, LayerNorm, dot with two arrivals.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (10.5), then (10.6). Where the formula has a plus, your code has one too.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# ds = norm_backward(dy, ..., g.scope("full_layer_layer_norm."))
# dh = ...
# da = norm_backward(..., cache.attention_norm, ...)
# return ...
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson10
from albert_np.layers import attention_branch_backward, feed_forward_branch_backward, norm_backward


def layer_backward(dy, cache, g):
    """dy (B, T, H), cache of layer_forward, g the scope of the layer's gradients; returns dx (B, T, H)."""
    raise NotImplementedError


report = lesson10.check_layer_backward(layer_backward)

# %% [markdown]
# ## 5. The norm table
#
# How long is the gradient at each arrow? Two things can be predicted from the formulas before you run the cell: which
# rows have the *same* length, and whether the sum's length is the sum of the lengths.

# %%
scratch = model.params.zeros_like().scope(LAYER)
arrows = lesson10.arrow_gradients(dy, cache, scratch)
meanings = {
    "dy": "arrives at the output",
    "ds": "through LayerNorm 2; the skip path carries the same",
    "branch F": "what F passes back",
    "dh": "skip + branch (10.4)",
    "da": "through LayerNorm 1; the skip path carries the same",
    "branch A": "what A passes back",
    "dx": "skip + branch, leaves at the input",
}
for name, meaning in meanings.items():
    print(f"{name:<10}{arrows[name].shape!s:<13}{np.linalg.norm(arrows[name]):8.3f}   {meaning}")

# %%
lengths = {name: np.linalg.norm(array) for name, array in arrows.items()}
show(
    layer_figure("(B, T, H)", lengths),
    "10.2",
    "The same layer, with the length of every gradient.",
    "The layer again, with the length of the gradient at each arrow.",
)

# %% [markdown]
# Skip and branch are vectors, and vectors add as arrows do: $\|\bar s + u\|^2 = \|\bar s\|^2 + \|u\|^2 + 2\,\bar s\cdot u$.
# Where they point apart, the sum is shorter than the two together, or shorter than one alone.
#
# The weights of this small layer are large, so that its branches speak loudly. In a freshly made ALBERT they are
# small ($\sigma = 0.02$), and nearly all of the gradient takes the skip path. We will see what follows from that in
# section 8. First, the lengths for the layer's own weights. One of them is special. Which, and why?

# %%
grads = model.params.zeros_like()
package_dx = package_layer_backward(dy, cache, grads.scope(LAYER))
for name in grads:
    if name.startswith(LAYER):
        print(f"{name.removeprefix(LAYER):<34}{grads[name].shape!s:<10}{np.linalg.norm(grads[name]):8.3f}")

# %% [markdown]
# The key's bias has no gradient, up to rounding. Add one vector $c$ to all keys, and each score of a row grows by the
# same $q\cdot c/\sqrt D$; softmax does not see what is added to all. The bias has no effect, and the gradient says so.

# %% [markdown]
# To walk through a whole layer, there and back, copies and sums included: `albert-np explore --toy`, "step 1".

# %% [markdown]
# ## 6. Checks
#
# Your layer (until it has passed, the package's) beside the norm table, whose lines are (10.5) and (10.6), and beside the
# package's own.

# %%
layer_backward = report.yours(package_layer_backward)
yours = model.params.zeros_like()
assert np.allclose(layer_backward(dy, cache, yours.scope(LAYER)), package_dx, rtol=1e-12, atol=1e-12)
assert np.allclose(yours.flat, grads.flat, rtol=1e-12, atol=1e-12)
assert np.allclose(arrows["dx"], package_dx, rtol=1e-12, atol=1e-12)
for name in ("ffn.weight", "full_layer_layer_norm.weight", "attention.query.weight", "attention.dense.bias"):
    assert np.allclose(scratch[name], grads[LAYER + name], rtol=1e-12, atol=1e-12)
print("formula and package agree")

# %% [markdown]
# The feed-forward branch, the layer, and an encoder of two shared layers, against finite differences with a random upstream
# gradient, without dropout and with it.

# %%
from albert_np.gradcheck import block_cases, check_case

lines = []
for case in block_cases():
    if case.name.partition(",")[0] in ("feed_forward_branch", "layer", "encoder"):
        rows = check_case(case)
        assert all(row.ok for row in rows)
        worst = max(row.max_rel for row in rows)
        lines.append(f"{case.name:<30}{len(rows):>3} comparisons, all right; worst relative error {worst:.0e}")
print("\n".join(lines))

# %% [markdown]
# And a whole model of two layers against PyTorch: every hidden state, every attention and every gradient. The values were
# computed once with Hugging Face's ALBERT in float64 and come with the course.

# %%
from albert_np.course import committed_model
from albert_np.gradcheck import compare_results, model_results

model, inputs, expected = committed_model()
rows = compare_results(model_results(model, inputs), expected, 1e-10)
print(f"{len(rows)} arrays, worst relative error {max(row.max_rel for row in rows):.1e}")
assert all(row.ok for row in rows)

# %% [markdown]
# ## 7. Your turn: which bug is this?  (difficulty 3 of 5, 10 minutes)
#
# Five people wired the layer, each with one mistake. What they give, beside what is right:
#
# | column | what it says |
# |---|---|
# | ffn, LN₁, value | the gradient of `ffn.weight`, of $\mathrm{LN}_1$'s weight, of the value's weight: the right one, times one factor? |
# | dx | the same of $\bar x$ |
# | dx, F dead | the same of $\bar x$ where F's last weight is 0, so that F passes nothing back |
# | 2 calls | `ffn.weight`'s gradient after two calls into the same `g`, over that after one |
#
# For each letter, name the cause: a number from 1 to 5. Follow each cause along the vermillion arrows of the figure: what does
# it reach?

# %%
print(lesson10.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Backward goes from right to left. Whatever is right at LN₁ was wired rightly up to there.
# </details>
# <details><summary>Hint 2: the columns</summary>
#
# With F dead, $\bar h = \bar s$: the skip path is all that there is. What is 0 there has no skip path, and what is neither 0 nor
# right has a wrong one. And of a gradient that is added, two calls make twice as much.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": 5, "C": ..., "D": ..., "E": ...}
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns a dictionary from "A" to "E" to the number of the cause, 1 to 5."""
    raise NotImplementedError


lesson10.check_which_bug(which_bug)

# %% [markdown]
# B is right in every column but the last. It would pass any test that calls it once, and in ALBERT, whose layer is called twelve
# times, it would lose eleven twelfths (notebook 11).

# %% [markdown]
# ## 8. What breaks if…
#
# **…the skip path is forgotten in the backward?** Stack 24 layers with the same weights, as ALBERT does, and follow the
# gradient down. Once with weights as they are drawn at the beginning, $\sigma = 0.02$; once with ten times larger ones;
# and once with the first weights and *only the branches* on the way back.

# %%
from albert_np.config import AlbertConfig
from albert_np.course.figures import flow_figure


def stacked(sigma, layers=24, forward=layer_forward):
    """Run the layers; return model and caches."""
    config = AlbertConfig(
        vocab_size=50, embedding_size=16, hidden_size=64, num_attention_heads=4, intermediate_size=256,
        max_position_embeddings=32, initializer_range=sigma,
    )  # fmt: skip
    model = AlbertModel(config, dtype="float64", seed=1)
    y, caches, pattern = np.random.default_rng(1).normal(size=(2, 16, 64)), [], dense_pattern(2, 16)
    for _ in range(layers):
        y, cache = forward(y, pattern, model.params.scope(LAYER), config)
        caches.append(cache)
    return model, caches


def branches_only(dy, cache, g):
    ds = norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = feed_forward_branch_backward(ds, cache.feed_forward, g)
    da = norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return attention_branch_backward(da, cache.attention, g.scope("attention."))


def flow(sigma, backward, forward=layer_forward):
    model, caches = stacked(sigma, forward=forward)
    g = model.params.zeros_like().scope(LAYER)
    gradient = np.random.default_rng(2).normal(size=(2, 16, 64))
    lengths = [np.linalg.norm(gradient)]
    for cache in reversed(caches):
        gradient = backward(gradient, cache, g)
        lengths.append(np.linalg.norm(gradient))
    return lengths


curves = {
    "σ = 0.02": flow(0.02, layer_backward),
    "σ = 0.2": flow(0.2, layer_backward),
    "σ = 0.02, skip path forgotten": flow(0.02, branches_only),
}
show(
    flow_figure(curves),
    "10.3",
    "The length of the gradient on its way down through 24 layers.",
    "Gradient length over 24 layers, logarithmic: two nearly level lines near 1, and one that falls by three or four "
    "powers of ten with each layer.",
)

# %% [markdown]
# With the skip paths the gradient reaches the bottom of 24 layers, with small weights nearly undiminished. Without them it
# loses three or four digits a layer: three layers down, less than a billionth is left. In a test with one layer
# and large weights, the same mistake looks like a small
# difference. That is why the check sets a branch's last weight to zero: then *everything* must come over the skip path.

# %% [markdown]
# **…there is no skip path at all, forward either?** With small weights all scores are near 0, so the attention is nearly
# even: every token receives the same average, and nothing reminds it of what it was. The mean cosine between different
# tokens of a sentence, with the skip path and without (0: unlike, 1: all the same):

# %%
from albert_np.layers import attention_branch_forward, feed_forward_branch_forward
from albert_np.ops import layer_norm_forward


def likeness(y):
    unit = y / np.linalg.norm(y, axis=-1, keepdims=True)
    cosines = unit @ unit.swapaxes(1, 2)  # (B, T, T)
    T = y.shape[1]
    return (cosines.sum() - len(y) * T) / (len(y) * T * (T - 1))


def layer_without_skip(x, p, config):
    ones, zeros = np.ones(x.shape[-1]), np.zeros(x.shape[-1])
    attended, _ = attention_branch_forward(x, dense_pattern(2, 16), p.scope("attention."), config)  # A(x)
    h = layer_norm_forward(attended, ones, zeros, 1e-12)[0]
    outer, _ = feed_forward_branch_forward(h, p, config)  # F(h)
    return layer_norm_forward(outer, ones, zeros, 1e-12)[0]


model, _ = stacked(0.02, 0)
p = model.params.scope(LAYER)
with_skip = without_skip = rng.normal(size=(2, 16, 64))
print("layers   with skip   without")
for layer in range(25):
    if layer in (0, 1, 2, 4, 8, 24):
        print(f"{layer:>6}{likeness(with_skip):>12.3f}{likeness(without_skip):>10.3f}")
    with_skip = layer_forward(with_skip, dense_pattern(2, 16), p, model.config)[0]
    without_skip = layer_without_skip(without_skip, p, model.config)

# %% [markdown]
# Without the skip path the tokens are one after two layers, and no later layer can tell them apart. The skip path is not
# only a road for gradients: it keeps the tokens different. (Try σ = 0.1: with larger weights it only delays the same.)

# %% [markdown]
# ## 9. Your turn: LayerNorm first  (difficulty 3 of 5, 25 minutes)
#
# Most models since GPT-2 put the LayerNorm at the *beginning of each branch*, and nothing on the skip path: pre-LN.
#
# $$h = x + A(\mathrm{LN}_1(x)), \qquad y = h + F(\mathrm{LN}_2(h)) \tag{10.8}$$

# %%
show(
    layer_figure("(B, T, H)", pre=True),
    "10.4",
    "A pre-LN layer: the way around each branch meets no LayerNorm.",
    "A layer in two rows. In each the value goes on in two ways: unchanged, and through LayerNorm and a branch; then the two are "
    "added. Gradients take every way back.",
)

# %% [markdown]
# **On paper first.** Write $\bar h$ and $\bar x$ as (10.5) and (10.6) did, and then $\bar x$ in one line as (10.7). Which gradient
# gets from the top of 96 such layers to the bottom without passing any LayerNorm?
#
# <details><summary>The derivation</summary>
#
# $y$ is a sum, so $\bar y$ goes unchanged into both terms. The branch is LayerNorm first, then F; on the way back F comes first:
#
# $$\bar h = \bar y + J_{\mathrm{LN}_2}^\top J_F^\top\,\bar y, \qquad
# \bar x = \bar h + J_{\mathrm{LN}_1}^\top J_A^\top\,\bar h \tag{10.9}$$
# $$\bar x = (I + J_A J_{\mathrm{LN}_1})^\top (I + J_F J_{\mathrm{LN}_2})^\top\,\bar y \tag{10.10}$$
#
# Multiplied out over all layers, one of the terms is $I\cdot I\cdots I\,\bar y = \bar y$: the gradient of the top arrives at the bottom as it
# is, and all else is added to it. In (10.7) there is no such term.
# </details>
#
# Now wire it. The cache has the names of the post-LN layer's, and so have the scopes.
#
# <details><summary>Hint 1: the idea</summary>
#
# Two halves of the same form, the one of F first. Each is: a branch back, its LayerNorm back, and the skip path added.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (10.9), from the left. `feed_forward_branch_backward` gets `dy` itself, and what it returns goes on into `norm_backward`.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# through = feed_forward_branch_backward(..., cache.feed_forward, g)
# dh = ... + norm_backward(through, ..., g.scope("full_layer_layer_norm."))
# through = ...
# return ... + norm_backward(...)
# ```
# </details>


# %% tags=["exercise"]
def pre_ln_backward(dy, cache, g):
    """dy (B, T, H), cache of lesson10.pre_ln_forward, g the scope of the layer's gradients; returns dx (B, T, H)."""
    raise NotImplementedError


pre_ln_report = lesson10.check_pre_ln_backward(pre_ln_backward)

# %% [markdown]
# Both layers, 24 times, with your backwards. With small weights they will hardly differ. With large ones (σ = 0.2), which of
# the two will let more of the gradient through? And what will the values themselves do on the way *up*, where nothing
# normalises the skip path?

# %%
pre_ln_backward = pre_ln_report.yours(lesson10.package_pre_ln_backward)
curves = {
    "pre-LN, σ = 0.02": flow(0.02, pre_ln_backward, lesson10.pre_ln_forward),
    "pre-LN, σ = 0.2": flow(0.2, pre_ln_backward, lesson10.pre_ln_forward),
    "post-LN, σ = 0.02": flow(0.02, layer_backward),
    "post-LN, σ = 0.2": flow(0.2, layer_backward),
}
show(
    flow_figure(curves, floor=0.05),
    "10.5",
    "The gradient on its way down through 24 pre-LN and 24 post-LN layers.",
    "Four lines of gradient length over 24 layers, logarithmic: each of two layers with small and with large weights.",
)
for name, sigma, forward in (
    ("post-LN", 0.2, layer_forward), ("pre-LN", 0.02, lesson10.pre_ln_forward), ("pre-LN", 0.2, lesson10.pre_ln_forward)
):  # fmt: skip
    y = np.random.default_rng(1).normal(size=(2, 16, 64))
    spread = [y.std()]
    model, _ = stacked(sigma, 0)
    for _ in range(24):
        y = forward(y, dense_pattern(2, 16), model.params.scope(LAYER), model.config)[0]
        spread.append(y.std())
    print(f"{name:<8} σ = {sigma:<5} spread of the values after 0, 1, 6, 24 layers:", end="")
    print("".join(f"{spread[n]:9.2f}" for n in (0, 1, 6, 24)))

# %% [markdown]
# With small weights all is as (10.7) and (10.10) say: what gets through a layer is nearly what came in, because of the $I$ in $I + J$. That
# is why anything arrives at the bottom of 96 layers.
#
# With large ones the two differ. Post-LN loses four fifths in its four uppermost layers and gets some of it back further down:
# each LayerNorm sits on the only road. Pre-LN passes the gradient through the upper layers as it is, and multiplies it by a
# hundred near the bottom. The spreads say why. Nothing normalises the skip path, so values grow from layer to layer, and
# a LayerNorm whose input is 90 wide divides its gradient by 90 (notebook 05: $r = 1/\sigma$): up there a branch passes back next to
# nothing beside $\bar y$. At the bottom the values are still narrow, and there the branches speak. Neither is free: in pre-LN each
# further layer changes less of what it is given, and a last LayerNorm has to tame what comes out at the top.

# %% [markdown]
# ## 10. In today's models
#
# * **Names.** The way around a branch is a *residual connection* or *skip connection* ([He et al.,
#   2015](https://arxiv.org/abs/1512.03385)), and what runs along it from the bottom to the top is often called the *residual
#   stream*.
# * **Post-LN and pre-LN.** The first Transformer, BERT and ALBERT are post-LN; GPT-2, GPT-3, Llama and most others since are pre-LN,
#   with one more norm after the last layer. [Xiong et al. (2020)](https://arxiv.org/abs/2002.04745) show that post-LN's gradients
#   at the start are largest near the output, that it therefore needs a warm-up of the learning rate (notebook 14), and that pre-LN
#   can do without. Some put a norm at both ends of a branch
#   ([Gemma 2](https://arxiv.org/abs/2408.00118)).
# * **RMSNorm** ([Zhang and Sennrich, 2019](https://arxiv.org/abs/1910.07467)) leaves out the mean and the bias. It is what Llama and its
#   like have in LayerNorm's place.
# * **The feed-forward part** has a gate in them: *SwiGLU* ([Shazeer, 2020](https://arxiv.org/abs/2002.05202)), which notebook 03 derives. Or there are
#   many, of which each token gets a few: *mixture of experts* ([Switch Transformer](https://arxiv.org/abs/2101.03961)).
# * **Both branches at once.** $y = x + A(\mathrm{LN}(x)) + F(\mathrm{LN}(x))$ saves waiting for one of them
#   ([PaLM](https://arxiv.org/abs/2204.02311)); its backward is the exercise below.
# * **Attention alone** makes all tokens alike, doubly exponentially in depth, where there is neither a skip path nor a feed-forward part
#   ([Dong et al., 2021](https://arxiv.org/abs/2103.03404)): the table at the end of section 8.

# %% [markdown]
# ### On paper: both branches at once  (difficulty 2 of 5, 10 minutes)
#
# In PaLM's layer both branches read the same row, and neither waits for the other:
#
# $$n = \mathrm{LN}(x), \qquad y = x + A(n) + F(n) \tag{10.11}$$
#
# How often is $x$ used, how often $n$? Draw the figure, and write $\bar x$. What would a test see of someone who gave
# each branch a LayerNorm backward of its own, and added?
#
# <details><summary>The answer</summary>
#
# $x$ is used twice (the skip path and LN), $n$ twice (A and F). Gradients are added where a value was used twice:
#
# $$\bar n = J_A^\top\bar y + J_F^\top\bar y, \qquad \bar x = \bar y + J_{\mathrm{LN}}^\top\,\bar n \tag{10.12}$$
#
# A test would see nothing wrong: a backward is linear in its upstream gradient, so $J_{\mathrm{LN}}^\top u + J_{\mathrm{LN}}^\top v =
# J_{\mathrm{LN}}^\top(u+v)$, for $\bar x$ and for the weights. It only costs a LayerNorm more.
# </details>

# %% [markdown]
# ## Three questions
#
# 1. `dh = dy + branch` in place of `dh = ds + branch`: to which other architecture would this belong?
# 2. Why does backward need neither $a$ nor $s$, the two sums?
# 3. A layer is used 12 times. Its backward writes `g[…] = dweight`. What does the optimiser see?
#
# <details><summary>Answers</summary>
#
# 1. To $y = h + \mathrm{LN}(F(h))$, where the skip path goes around the LayerNorm too. Pre-LN, $y = h + F(\mathrm{LN}(h))$, has
#    such a skip path as well: a free way for the gradient from top to bottom. ALBERT's layer is post-LN.
# 2. The derivative of a sum is 1, whatever the summands are. LayerNorm's backward needs only $\hat x$ and $r$.
# 3. The gradient of the layer's last backward step alone, which is its *first* use, at the bottom. Eleven twelfths of the uses
#    are lost, and no error comes. With one layer, everything looks right.
# </details>
#
# Next: [11, sharing across layers and groups](11_sharing.ipynb), where one layer's gradient is the sum over all its uses.

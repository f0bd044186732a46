# %% [markdown]
# # 09 · Many heads and masks
#
# **110 minutes.** You need: notebook 03 (linear), 04 (softmax), 08 (one attention head). You will be able to
#
# * split a row into heads and merge them again, and say why each is the backward of the other,
# * compute query, key and value in one product, and find their three gradients in one array,
# * hide padding or the future with a mask, show that nothing is learned from it, and write a test that catches a mask that leaks,
# * let several heads share keys and values, and give them their gradient.
#
# **A question.** While a model writes, it keeps the keys and values of all that it has read, in every layer. [Llama
# 3](https://arxiv.org/abs/2407.21783) with 70 billion weights has 80 layers of 64 heads of 128 numbers: with 16 bits a number, how much is that for
# a text of 8,192 tokens? Its makers kept all 64 heads, and let them share 8 sets of keys and values. What does that
# save, and what is the gradient of a key that eight heads have used? Section 10 answers; first, what a head is.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x$ | (B, T, H) | the layer's input: B sentences of T tokens, H numbers each |
# | N, D | | heads, and the width of one head; H = N·D |
# | $Q, K, V$ `query, key, value` | (B, N, T, D) | what each head asks, offers and hands out |
# | $S$ `scores` | (B, N, T, T) | query times key, row: query, column: key |
# | $P$ `probs` | (B, N, T, T) | softmax of the scores plus the mask |
# | $C$ `context` | (B, N, T, D) | $P V$ |
# | $m$ `attention_mask` | (B, T) | 1: a token, 0: padding |
# | $M$ `mask` | (B, 1, 1, T) | what is added to the scores |
#
# One head gives each token *one* way to look at the others. A sentence has many relations at once: who does it, what is
# meant by "it", which word stands before. So ALBERT lets N heads look, each in its own D of the H numbers, and lays what
# they bring back side by side. All of it in one figure, for a batch:

# %%
from albert_np.course.figures import block_figure
from albert_np.plots import show

show(
    block_figure(),
    "9.1",
    "A block of heads with a mask: data goes forward, gradients come back.",
    "x goes through one linear map, is split into heads, and each head makes scores, adds the mask, makes weights and a context. "
    "The heads are merged, and a last linear map gives y. Gradients take every way back; the mask gets none.",
)

# %% [markdown]
# ## 1. Split and merge
#
# Head $n$ owns the columns $nD$ to $nD + D - 1$ of each row:
#
# $$\mathrm{split}(x)_{b,n,t,d} = x_{b,t,\,nD+d} \qquad \mathrm{merge}(c)_{b,t,\,nD+d} = c_{b,n,t,d} \tag{9.1}$$
#
# No number is computed, each only gets another address. In NumPy it takes two moves. `reshape` cuts the last axis:
# (B, T, H) → (B, T, N, D). `transpose` brings the heads forward: (B, T, N, D) → (B, N, T, D). Then one `@` multiplies
# all heads of all sentences at once, because `@` works on the last two axes and treats all others as a list.
#
# **By hand first.** Here are 3 tokens with 6 numbers, for two heads. Predict the rows of head 1 before you run the cell.

# %%
import numpy as np

from albert_np.course.figures import split_figure

x = np.arange(18).reshape(1, 3, 6)  # (B, T, H) = (1, 3, 6)
heads = x.reshape(1, 3, 2, 3).transpose(0, 2, 1, 3)  # (B, N, T, D) = (1, 2, 3, 3)
print("head 1:")
print(heads[0, 1])
show(
    split_figure(x[0], 2),
    "9.2",
    "Splitting: columns that lie side by side become heads.",
    "A matrix of three rows and six columns; its left half becomes head 0, its right half head 1.",
)

# %% [markdown]
# **Backward.** Let $\bar c$ be the gradient that arrives at the split's output. The number $x_{b,t,nD+d}$ went to exactly
# one place, so its gradient comes from that place:
#
# $$\bar x_{b,t,\,nD+d} = \bar c_{b,n,t,d}, \quad\text{that is}\quad
# \bar x = \mathrm{merge}(\bar c) \tag{9.2}$$
#
# The backward of split is merge, and the backward of merge is split. It is so for every op that only moves numbers:
# its Jacobian is a permutation matrix, and the transpose of a permutation is its inverse.

# %% [markdown]
# ## 2. Your turn: split and merge  (difficulty 2 of 5, 10 minutes)
#
# <details><summary>Hint 1: the idea</summary>
#
# Split: cut the last axis, then exchange two axes. Merge: the same two moves backwards, in reverse order.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (B, T, H) → reshape → (B, T, N, D) → transpose → (B, N, T, D). `transpose` takes the old number of each new axis.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# # split_heads
# B, T, H = x.shape
# return x.reshape(B, T, ...).transpose(...)
# # merge_heads
# B, N, T, D = context.shape
# return context.transpose(...).reshape(...)
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson09


def split_heads(x, heads):
    """x (B, T, H); returns (B, heads, T, H / heads)."""
    raise NotImplementedError


def merge_heads(context):
    """context (B, N, T, D); returns (B, T, N·D)."""
    raise NotImplementedError


heads_report = lesson09.check_heads(split_heads, merge_heads)

# %% [markdown]
# ## 3. What heads look at
#
# To see heads at work, we make four by hand. Each token's row says which word it is (columns 0 to 7, a single 1) and
# where it stands (columns 8 to 15, a single 1). A head can then ask by word or by place:
#
# * head 0 asks for the place before its own,
# * head 1 asks for its own word,
# * head 2 asks for [CLS], whoever asks: a bias is enough,
# * head 3 asks for nothing: all its scores are 0.
#
# Predict: what does head 0 do at the first token, which has no neighbour on its left?

# %%
from albert_np.ops import attention_backward, attention_forward, linear_forward

tokens = ["[CLS]", "the", "lamp", "and", "the", "shade", "[SEP]", "[PAD]"]
words = ["[CLS]", "the", "lamp", "and", "shade", "[SEP]", "[PAD]"]
T, N, D, H = 8, 4, 8, 32
x = np.zeros((1, T, H))
x[0, range(T), [words.index(token) for token in tokens]] = 1
x[0, range(T), 8 + np.arange(T)] = 1

word, place = np.eye(8, H), np.eye(8, H, k=8)  # (D, H): what reads the word, and what reads the place
zero, ask = np.zeros((D, H)), 12.0
query_weight = np.concatenate([ask * np.eye(8, k=1) @ place, ask * word, zero, zero])  # (H, H), D rows a head
key_weight = np.concatenate([place, word, word, zero])
query_bias = np.zeros(H)
query_bias[2 * D + words.index("[CLS]")] = ask
rng = np.random.default_rng(0)
value_weight = rng.normal(size=(H, H))

split_heads, merge_heads = heads_report.yours(lesson09.package_split_heads, lesson09.package_merge_heads)
query = split_heads(linear_forward(x, query_weight, query_bias)[0], N)
key = split_heads(linear_forward(x, key_weight, np.zeros(H))[0], N)
value = split_heads(linear_forward(x, value_weight, np.zeros(H))[0], N)
_, without_mask = attention_forward(query, key, value, None)
print("scores and probabilities of all heads:", without_mask.softmax.probs.shape)

# %% [markdown]
# Now the padding. It fills the shorter sentences of a batch and is no part of the text, yet head 3 gives it an eighth of
# its attention, and head 1 lets padding look at itself. A mask forbids it:
#
# $$P = \mathrm{softmax}\Big(\frac{QK^\top}{\sqrt D} + M\Big), \qquad M = (1 - m)\cdot \mathrm{min} \tag{9.3}$$
#
# with min the lowest number of the dtype, $-1.8\cdot10^{308}$ in float64 and $-3.4\cdot10^{38}$ in float32. The mask has
# the shape (B, 1, 1, T): it broadcasts over all heads and all queries, and its last axis is the one of the *keys*.

# %%
from albert_np.course.figures import heads_figure

attention_mask = np.array([[1, 1, 1, 1, 1, 1, 1, 0]])
mask = lesson09.package_mask(attention_mask, np.float64)  # (9.3); you will write it in section 5
_, masked = attention_forward(query, key, value, mask)
both = np.stack([without_mask.softmax.probs[0], masked.softmax.probs[0]])
titles = ["head 0:\none to the left", "head 1:\nthe same word", "head 2:\n[CLS]", "head 3:\neverybody"]
show(
    heads_figure(both, tokens, titles, ["no mask", "with mask"]),
    "9.3",
    "Four heads, without the mask and with it.",
    "Attention of four heads without and with a mask: a diagonal shifted left; the diagonal and the two the; the first "
    "column; an even grey. With the mask the column of the padding is empty, exactly zero, in all heads.",
)

# %% [markdown]
# Read a row from left to right: what one token looks at. The first token of head 0 finds no neighbour and looks at
# everybody evenly. Empty is what is exactly zero: with the mask, the whole last column, in every head. The last
# *row* is not: the padding still asks and gets an answer. Nobody reads it, because no other token may look there.

# %% [markdown]
# ## 4. Why exactly zero
#
# **By hand first.** Scores (2, 1, 3), of which the third is padding. Predict the three probabilities.

# %%
from albert_np.ops import softmax_forward

low = np.finfo(np.float64).min
print("2 + min, 3 + min:", 2 + low, 3 + low)
print("probabilities:   ", softmax_forward(np.array([2.0, 1.0, 3.0 + low]))[0])

# %% [markdown]
# The largest score of the row belongs to a token, $s_{\max}$. Softmax subtracts it, and for a padded key $j$
#
# $$P_{ij} \propto e^{\,\mathrm{min} + s_{ij} - s_{\max}} = 0 \tag{9.4}$$
#
# not nearly, but exactly: the exponential of such a number is below the smallest float and becomes 0. The gradients of
# notebook 08 have $P$ as a factor, so they are zero as well. With $\bar C$ the upstream gradient,
#
# $$\bar V_j = \sum_i P_{ij}\,\bar C_i = 0, \qquad
# \bar S_{ij} = P_{ij}\Big(\bar P_{ij} - \sum_k \bar P_{ik}P_{ik}\Big) = 0, \qquad
# \bar K_j = \frac1{\sqrt D}\sum_i \bar S_{ij}\, Q_i = 0 \tag{9.5}$$
#
# Neither the key nor the value of padding receives a gradient: whatever stands there, it teaches nothing.

# %%
from albert_np.course.figures import key_gradients_figure

query, key, value, dcontext = rng.normal(size=(4, 1, N, T, D))
dcontext[:, :, -1] = 0  # nobody reads what the [PAD] query answers
_, cache = attention_forward(query, key, value, mask)
_, dkey, dvalue = attention_backward(dcontext, cache)
lengths = [np.linalg.norm(gradient[0], axis=-1) for gradient in (dkey, dvalue)]  # (N, T)
show(
    key_gradients_figure(lengths, ["length of dK", "length of dV"], tokens),
    "9.4",
    "How long the gradients of keys and values are, by head and key.",
    "Two tables of numbers, heads by keys: all positive, but zero in the column of the padding.",
)
assert not dkey[:, :, -1].any()
assert not dvalue[:, :, -1].any()

# %% [markdown]
# **A row without any token.** What if all of $m$ is 0? Then min is added to every score. Floats near min lie far apart
# ($2\cdot10^{292}$ in float64, $2\cdot10^{31}$ in float32), so that a score of ordinary size is rounded away:
#
# $$s_{ij} + \mathrm{min} = \mathrm{min} \;\text{ for all } j \quad\Rightarrow\quad P_{ij} = \tfrac1T \tag{9.6}$$
#
# All are equal, and softmax makes equal numbers even. The row attends to everything a little; it means nothing, but it
# is finite, and that is what matters in a batch of a million rows.

# %%
nobody = np.full((1, 1, 1, T), low)
_, cache = attention_forward(query, key, value, nobody)
print("probabilities of one query with everything masked:", cache.softmax.probs[0, 0, 0])

# %% [markdown]
# ## 5. Your turn: the mask  (difficulty 2 of 5, 10 minutes)
#
# Write (9.3) for any dtype. The check looks at shapes and values, at what the mask does to the probabilities, and at the
# gradients of padded keys.
#
# <details><summary>Hint 1: the idea</summary>
#
# Turn 1 into 0 and 0 into 1, multiply by the lowest number, and put two axes of length 1 between B and T.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $M_{b,0,0,t} = (1 - m_{b,t})\cdot\mathrm{min}$. `np.finfo(dtype).min` is the lowest number of a dtype; indexing with
# `None` makes an axis. Convert the mask to the dtype before you multiply.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# attend = attention_mask[...]      # (B, 1, 1, T)
# return (1 - attend...) * ...
# ```
# </details>


# %% tags=["exercise"]
def additive_mask(attention_mask, dtype):
    """attention_mask (B, T) of 1 (a token) and 0 (padding); returns (B, 1, 1, T) in dtype."""
    raise NotImplementedError


mask_report = lesson09.check_additive_mask(additive_mask)

# %% [markdown]
# ### Only backwards  (difficulty 3 of 5, 15 minutes)
#
# ALBERT reads: every token may look at every other one. A model that writes, such as GPT, must not look at what it has not
# written yet, and so gets a *causal* mask: query $i$ may look at key $j$ if $j \le i$, and if token $j$ is no padding.
#
# $$M_{b,0,i,j} = \begin{cases} 0 & j \le i \text{ and } m_{b,j} = 1 \\ \mathrm{min} & \text{else} \end{cases} \tag{9.10}$$
#
# Each query has a row of its own now, so the mask is (B, 1, T, T). Before you write it: why not add the mask of the padding
# and a mask of the future?
#
# <details><summary>Hint 1: the idea</summary>
#
# Two conditions, and both have to hold. Combine them as booleans, and turn the result into numbers once. (Added, the two
# masks come to min + min, which is $-\infty$.)
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `np.tri(T, dtype=bool)` is true where $j \le i$, (T, T). The padding is (B, 1, 1, T). `&` broadcasts.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# allowed = ... & (attention_mask[...] == 1)
# return np.where(allowed, ..., ...).astype(...)
# ```
# </details>


# %% tags=["exercise"]
def causal_mask(attention_mask, dtype):
    """attention_mask (B, T) of 1 (a token) and 0 (padding); returns (B, 1, T, T) in dtype, queries by keys."""
    raise NotImplementedError


causal_report = lesson09.check_causal_mask(causal_mask)

# %% [markdown]
# What does it do to head 3, which asks for nothing and shares itself out evenly? Predict the rows of its weights for five
# tokens, before you run the cell.

# %%
own_causal_mask = causal_report.yours(lesson09.package_causal_mask)
nothing = np.zeros((1, 1, 5, D))
_, causal = attention_forward(nothing, nothing, nothing, own_causal_mask(np.ones((1, 5), dtype=int), np.float64))
print(causal.softmax.probs[0, 0].round(3))

# %% [markdown]
# Each token takes the mean of what has been written so far. The first one can only look at itself. Column 0 gets
# most of all attention, for no other reason than that it is always there.

# %% [markdown]
# ## 6. Three in one product
#
# Query, key and value are three linear layers of the same $x$. Put their weights on top of each other and one product
# gives all three:
#
# $$\big[\,Q \;\; K \;\; V\,\big] = x \begin{bmatrix} W^Q\\ W^K\\ W^V \end{bmatrix}^{\!\top} + [\,b^Q\; b^K\; b^V\,],
# \qquad (B,T,H)\,(H,3H) \to (B,T,3H) \tag{9.7}$$
#
# The backward is that of one linear layer (notebook 03). Written out, the gradient of $x$ is a sum of three, because
# $x$ was used three times, while each weight gets its own part:
#
# $$\bar x = \bar Q\, W^Q + \bar K\, W^K + \bar V\, W^V, \qquad
# \begin{bmatrix} \bar W^Q\\ \bar W^K\\ \bar W^V \end{bmatrix} =
# \begin{bmatrix} \bar Q^\top x\\ \bar K^\top x\\ \bar V^\top x \end{bmatrix} \tag{9.8}$$
#
# The package does not copy weights together for this. They lie next to each other in memory under three names, and
# `query_key_value.weight` is a fourth name for all of them:

# %%
from albert_np.gradcheck import randomize, small_config
from albert_np.model import AlbertModel

config = small_config()  # H = 12, N = 3, D = 4
model = randomize(AlbertModel(config, dtype="float64"))
p = model.params.scope("encoder.albert_layer_groups.0.albert_layers.0.attention.")
for name in ("query.weight", "key.weight", "value.weight", "query_key_value.weight"):
    print(
        f"{name:<24}{p[name].shape!s:<10} in the same memory: {np.shares_memory(p[name], p['query_key_value.weight'])}"
    )

# %% [markdown]
# After the heads comes one more linear layer, `dense`. It mixes what they bring back. With $W^n$ the $D$ columns of its
# weight that belong to head $n$,
#
# $$y = \mathrm{merge}(C)\, W^\top + b = \sum_{n} C^n\, (W^n)^\top + b \tag{9.9}$$
#
# so the heads do not compete: each adds its own part to the result. Let us walk through the package's block and look at
# every cache on the way.

# %%
from albert_np.execution import dense_pattern
from albert_np.layers import attention_branch_backward, attention_branch_forward

B, T, H, N, D = 2, 5, config.hidden_size, config.num_attention_heads, config.head_size
x = rng.normal(size=(B, T, H))
attention_mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
mask = (1.0 - attention_mask[:, None, None, :]) * low
y, cache = attention_branch_forward(x, dense_pattern(B, T, mask), p, config)
(attention,) = cache.heads.runs  # one run: padding is masked here, not skipped
walk = {
    "x": cache.query_key_value.x,
    "stacked weight": cache.query_key_value.weight,
    "query": attention.query,
    "key": attention.key,
    "value": attention.value,
    "probs": attention.softmax.probs,
    "merged": cache.dense.x,
    "y": y,
}
for name, array in walk.items():
    print(f"{name:<16}{array.shape}")
print("row sums of probs:", set(attention.softmax.probs.sum(axis=-1).round(12).ravel().tolist()))

# %% [markdown]
# ## 7. Checks
#
# First your own attention block (the package's functions in the place of those that have not passed yet): your split, your
# mask, your merge, between the linear layers of the package's.

# %%
additive_mask = mask_report.yours(lesson09.package_mask)
parts = [linear_forward(x, p[f"{part}.weight"], p[f"{part}.bias"])[0] for part in ("query", "key", "value")]
context, _ = attention_forward(*(split_heads(part, N) for part in parts), additive_mask(attention_mask, x.dtype))
own = linear_forward(merge_heads(context), p["dense.weight"], p["dense.bias"])[0]
assert np.allclose(own, y, rtol=1e-12, atol=1e-12)
print("your block gives what the package's gives")

# %% [markdown]
# Attention with a mask, in three ways: finite differences, PyTorch values that are kept with the course, and PyTorch
# itself where it is installed.

# %%
from albert_np.course import verify_op

verify_op("attention")

# %% [markdown]
# The whole branch, from the stacked product to `dense`, against finite differences: input and all weights, with
# padding in the batch, without dropout and with it.

# %%
from albert_np.gradcheck import block_cases, check_case

lines = []
for case in block_cases():
    if case.name.startswith("attention_branch"):
        rows = check_case(case)
        assert all(row.ok for row in rows)
        worst = max(row.max_rel for row in rows)
        lines.append(f"{case.name:<42}{len(rows)} comparisons, all right; worst relative error {worst:.0e}")
print("\n".join(lines))

# %% [markdown]
# Formula and package, side by side: one head after the other in a loop, as (9.3), (9.5), (9.8) and (9.9) stand above.

# %%
grads = model.params.zeros_like()
g = grads.scope("encoder.albert_layer_groups.0.albert_layers.0.attention.")
dy = rng.normal(size=y.shape)
attention_branch_backward(dy, cache, g)

rows = x.reshape(-1, H)  # (B·T, H)
projected = np.zeros_like(x)
weights = {part: p[f"{part}.weight"].reshape(N, D, H) for part in ("query", "key", "value")}
biases = {part: p[f"{part}.bias"].reshape(N, D) for part in ("query", "key", "value")}
made = []
for n in range(N):
    Q, K, V = (x @ weights[part][n].T + biases[part][n] for part in ("query", "key", "value"))  # (B, T, D)
    P = softmax_forward(Q @ K.swapaxes(1, 2) / np.sqrt(D) + mask[:, 0])[0]  # (9.3)
    projected += P @ V @ p["dense.weight"][:, n * D : (n + 1) * D].T  # (9.9)
    made.append((Q, K, V, P))
projected += p["dense.bias"]
assert np.allclose(projected, y, rtol=1e-12, atol=1e-12)

# g holds what came out of the package
for n, (Q, K, V, P) in enumerate(made):
    part = slice(n * D, (n + 1) * D)
    dC = dy @ p["dense.weight"][:, part]  # (B, T, D)
    dP = dC @ V.swapaxes(1, 2)
    dS = P * (dP - (dP * P).sum(axis=-1, keepdims=True)) / np.sqrt(D)  # (9.5), with the scale
    dQ, dK, dV = dS @ K, dS.swapaxes(1, 2) @ Q, P.swapaxes(1, 2) @ dC
    for name, gradient in (("query", dQ), ("key", dK), ("value", dV)):
        assert np.allclose(gradient.reshape(-1, D).T @ rows, g[f"{name}.weight"][part], rtol=1e-10, atol=1e-12)  # (9.8)
print("formula and package agree, forward and backward")

# %% [markdown]
# ## 8. Your turn: does padding leak?  (difficulty 3 of 5, 20 minutes)
#
# A mask that leaks raises no error: shapes are right, the loss falls, and a sentence gets another answer in another
# batch. So one needs a detector. Write `leaks(attend, x, attention_mask)`, which finds out *from outside* whether padding has
# any influence on real tokens. You do not see how `attend(x, attention_mask)`, (B, T, H) → (B, T, H), works; you may call it as
# often as you like, with whatever you like.
#
# The check gives you two that are right and seven that leak, each in its own way: think first of how a mask can be wrong.
# What will you change, what must stay as it is, and where will you look?
#
# <details><summary>Hint 1: the idea</summary>
#
# Change what stands in the padding and nothing else. No real token may notice.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# For a right mask (9.4) holds *exactly*: what is compared is equal to the last bit. What padding itself gets is nobody's
# business: compare `y[attention_mask == 1]`.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# real = attention_mask == 1  # (B, T)
# changed = np.where(real[..., None], ..., ...)
# before, after = attend(...), attend(...)
# return bool((before[...] != after[...]).any())
# ```
# </details>


# %% tags=["exercise"]
def leaks(attend, x, attention_mask):
    """attend(x, attention_mask) gives (B, T, H); returns True if padding changes what real tokens get, else False."""
    raise NotImplementedError


leaks_report = lesson09.check_leaks(leaks)

# %% [markdown]
# ## 9. What breaks if…
#
# **…the transpose is forgotten?** `x.reshape(B, N, T, D)` has the right shape, and no error comes. But a row of a "head"
# is then a piece of any token, and the mask hides the wrong pieces. Predict what your detector says of the block with your own
# split, and of the one without the transpose.

# %%
leaks = leaks_report.yours(lesson09.package_leaks)


def block(split):
    def attend(x, attention_mask):
        stacked = x @ p["query_key_value.weight"].T  # (B, T, 3H)
        Q, K, V = (split(part, N) for part in np.split(stacked, 3, axis=-1))
        return merge_heads(attention_forward(Q, K, V, additive_mask(attention_mask, x.dtype))[0])

    return attend


print("your split   leaks:", leaks(block(split_heads), x, attention_mask))
print("reshape alone leaks:", leaks(block(lambda a, N: a.reshape(B, N, T, D)), x, attention_mask))

# %% [markdown]
# **…the mask is $-\infty$?** It hides a padded key as well. But a row without any token then computes
# $-\infty - (-\infty)$, which is not a number, and one such row is enough to spoil the loss of the batch.
#
# **…the mask is the minimum, but in float16?** The lowest float16 is −65,504, and its neighbours are only 32 away. A
# score of −16 is enough to fall off the end, and there the infinity is again.

# %%
with np.errstate(over="ignore", invalid="ignore"):
    print("mask of -inf, nobody to look at:", softmax_forward(np.array([2.0, 1.0, 3.0]) - np.inf)[0])
    lowest = np.finfo(np.float16).min
    scores = np.array([-15, -16, -17], dtype=np.float16)
    print("float16, scores", scores, "plus", lowest, "=", scores + lowest)

# %% [markdown]
# ## 10. Your turn: keys that several heads share  (difficulty 3 of 5, 20 minutes)
#
# N heads ask, and $n_{\mathrm{kv}}$ sets of keys and values answer, $N/n_{\mathrm{kv}}$ heads to a set. The queries stay (B, N, T, D); keys and values are
# (B, n_kv, T, D). Heads of one set stand side by side:
#
# $$K^{\text{head}}_{b,n} = K_{b,\lfloor n\,n_{\mathrm{kv}}/N\rfloor} \tag{9.11}$$
#
# With $n_{\mathrm{kv}} = N$ this is what ALBERT does, with $n_{\mathrm{kv}} = 1$ all heads look at the same keys. After it, attention is what it was.
#
# **On paper first.** For N = 6 and $n_{\mathrm{kv}} = 2$, which heads look into set 0? A key of set 0 has been used by each of them. What is
# its gradient, in terms of the gradients $\bar K^{\text{head}}_{b,n}$ that `attention_backward` gives?
#
# <details><summary>The derivation</summary>
#
# Heads 0, 1 and 2. Each use moves the loss, and the chain rule sums over the uses, as it did when broadcasting copied a number:
#
# $$\bar K_{b,g} = \sum_{n\,:\,\lfloor n\,n_{\mathrm{kv}}/N\rfloor = g} \bar K^{\text{head}}_{b,n} \tag{9.12}$$
# </details>
#
# Write both, the way there and the way back.
#
# <details><summary>Hint 1: the idea</summary>
#
# There: each set is repeated $N/n_{\mathrm{kv}}$ times along the axis of heads. Back: that axis is cut into groups, one for each set, and the groups
# are summed.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `np.repeat(a, 3, axis=…)` gives 0 0 0 1 1 1, `np.tile` gives 0 1 0 1 0 1: which one is (9.11)? Back: (B, N, T, D) → (B, n_kv,
# N / n_kv, T, D), and a sum over one of the five axes.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# # spread_groups
# return np.repeat(..., ..., axis=...)
# # gather_groups
# B, N, T, D = dkey.shape
# return dkey.reshape(...).sum(axis=...)
# ```
# </details>


# %% tags=["exercise"]
def spread_groups(key, heads):
    """key (B, n_kv, T, D); returns (B, heads, T, D)."""
    raise NotImplementedError


def gather_groups(dkey, groups):
    """dkey (B, N, T, D), the gradient of what spread_groups gave; returns (B, groups, T, D)."""
    raise NotImplementedError


groups_report = lesson09.check_groups(spread_groups, gather_groups)

# %% [markdown]
# The whole attention with six heads and two sets, your functions around the package's pair, against finite differences:

# %%
from albert_np.gradcheck import check_gradients

spread, gather = groups_report.yours(lesson09.package_spread_groups, lesson09.package_gather_groups)


def grouped_forward(query, key, value):
    return attention_forward(query, spread(key, 6), spread(value, 6), None)


def grouped_backward(dcontext, cache):
    dquery, dkey, dvalue = attention_backward(dcontext, cache)
    return dquery, gather(dkey, 2), gather(dvalue, 2)


shapes = {"query": (2, 6, 5, 4), "key": (2, 2, 5, 4), "value": (2, 2, 5, 4)}
grouped = check_gradients(grouped_forward, grouped_backward, {name: rng.normal(size=of) for name, of in shapes.items()})
for row in grouped:
    assert row.ok, row
    print(f"{row.name:<12} worst relative error {row.max_rel:.0e}")

# %% [markdown]
# And the memory that we began with: 2 arrays (keys, values) × layers × sets × D × tokens × 2 bytes. For GPT-3, which has a set for
# each of its 96 heads, predict before you run the cell: is it more or less than for Llama 3 405B, a model with twice as
# many weights?

# %%
print("model           layers  heads   sets     for 8,192 tokens    with a set for each head")
for name, layers, heads, sets in (
    ("GPT-3 175B", 96, 96, 96), ("Llama 3 8B", 32, 32, 8), ("Llama 3 70B", 80, 64, 8), ("Llama 3 405B", 126, 128, 8)
):  # fmt: skip
    kept, all_of_them = (2 * layers * each * 128 * 8192 * 2 / 1e9 for each in (sets, heads))
    print(f"{name:<14}{layers:>8}{heads:>7}{sets:>7}{kept:>16.1f} GB{all_of_them:>24.1f} GB")

# %% [markdown]
# An eighth of it, for 70B: about 19 GB of 21 are saved for each text that is being written, and the queries, which nobody has to
# keep, stay as many as they were.

# %% [markdown]
# ## 11. In today's models
#
# * **Names.** *Multi-head attention* ([Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)); with (9.11) *grouped-query attention*
#   ([Ainslie et al., 2023](https://arxiv.org/abs/2305.13245)), and with one set for all heads *multi-query attention*
#   ([Shazeer, 2019](https://arxiv.org/abs/1911.02150)). What is kept is the *KV cache*. Another way to make it small is
#   to keep one narrow vector a token and compute keys and values from it
#   ([DeepSeek-V2](https://arxiv.org/abs/2405.04434)): a factorisation, like that of ALBERT's embeddings.
# * **Causal or not.** ALBERT and BERT are *encoders*, everybody sees everybody. Models that write, GPT and Llama among them, are
#   *decoders* with the mask of (9.10). In some of them most layers see only a *window* of the last few thousand tokens
#   ([Mistral 7B](https://arxiv.org/abs/2310.06825)).
# * **Width of a head.** 64 in BERT, GPT-2 and every ALBERT but xlarge (128), and 128 in most large models: they grow by more
#   heads rather than by wider ones.
# * **Are all heads needed?** Not after training: of many trained models, most heads of a layer can be taken away one by one with
#   little loss ([Michel et al., 2019](https://arxiv.org/abs/1905.10650)). Notebook 16 does that, rule by rule.
# * **Padding** is avoided rather than masked where speed counts: sentences are laid end to end and attention is told where
#   each begins. The package can do that too; `execution` holds it, and the numbers are the same.

# %% [markdown]
# ## Three questions
#
# 1. Twelve heads of 64, or one head of 768: which has more parameters, and which has more probabilities to keep?
# 2. The mask hides keys. Why are the padded *queries* not hidden too?
# 3. Google's code adds −10,000 in place of the lowest number. For which rows do the two differ?
#
# <details><summary>Answers</summary>
#
# 1. The same parameters: (9.7) and (9.9) have H × H weights however they are cut. Twelve heads keep twelve tables of T × T
#    probabilities, one keeps one.
# 2. Their output is read by nobody: no key at that place is open, the pooler reads [CLS], and the loss has no label
#    there. So their upstream gradient is zero, and hiding them would change nothing but cost time.
# 3. Only for rows without any token. Beside a real score, both give a probability of exactly 0. Where all are masked,
#    −10,000 leaves the differences of the scores as they are (up to rounding), so the row attends as if there were no
#    mask; with the lowest number it attends evenly.
# </details>
#
# Next: [10, the encoder layer](10_encoder_layer.ipynb), where attention and the feed-forward part become a layer.

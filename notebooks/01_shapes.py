# %% [markdown]
# # 01 · Shapes
#
# **60 minutes.** You need: Python, NumPy arrays, the chain rule. You will be able to
#
# * predict the shape of any expression in this course before you run it,
# * say what broadcasting copies, and undo it in a backward pass,
# * find the three places where ALBERT's gradients are summed because of it,
# * name a bug by what it does to a gradient, where no shape gives it away.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $B, T, H$ | | sentences in a batch, positions in a sentence, numbers for a position |
# | $x$ | any | what was broadcast |
# | $y$ | larger | what it was broadcast to |
# | $\bar y$ `dy` | as $y$ | upstream gradient, $\partial L/\partial y$; $L$ is the loss, one number |
# | $\bar x$ `dx` | as $x$ | the gradient that we look for, $\partial L/\partial x$ |
# | $c(i)$ | | the place in $x$ that the place $i$ of $y$ was copied from |
#
# **A question from a real model.** ALBERT base has one query bias of 768 numbers. It is added to the row of every token, in
# every sentence of the batch, in each of the 12 layers, which share it. Google pretrained with batches of 4,096 sentences of
# up to 512 tokens ([Lan et al., 2019](https://arxiv.org/abs/1909.11942)). How often is one number of that bias used in one
# update? Guess a power of ten, then run.

# %%
from albert_np import AlbertConfig

config = AlbertConfig.preset("base-v2")
print(f"{config.hidden_size} numbers, each used up to {4096 * 512 * config.num_hidden_layers:,} times in one update")

# %% [markdown]
# And yet its gradient is one number, as for every other weight. Which numbers is it made of, and how are they brought
# together? And which mistakes on the way raise no exception? That is what this notebook is about.
#
# Most of what flows through ALBERT has the shape (B, T, H): a row of H numbers for each token. There are others: ids (B, T),
# the scores of N heads (B, N, T, T), a feed-forward part that is four times as wide; and the weights have to fit them all.
# Most errors in hand-written gradients are errors of shape, and the bad ones run without a word.

# %% [markdown]
# ## 1. The rule
#
# Write the two shapes one above the other, **aligned at the right**. Fill the shorter one with ones on its left. An axis
# with sizes $a$ and $b$ then gives
#
# $$n = \begin{cases} a & b = 1 \text{ or } b = a\\ b & a = 1\\ \text{an error} & \text{otherwise}\end{cases} \tag{1.1}$$
#
# **By hand first.** A column (3, 1) holds 0, 10, 20; a row (4,) holds 1, 2, 3, 4. What is the shape of their sum, and what
# stands in its lower left corner? Decide, then run.

# %%
import numpy as np

column = np.array([[0], [10], [20]])  # (3, 1)
row = np.array([1, 2, 3, 4])  # (4,), which counts as (1, 4)
grid = column + row
print(grid.shape)
print(grid)

# %% [markdown]
# Full colour: the numbers that are stored. Pale: copies that broadcasting pretends to have.

# %%
from albert_np.course.figures import broadcast_figure
from albert_np.plots import show

show(
    broadcast_figure(column, row[None]),
    "1.1",
    "A column plus a row: what broadcasting copies, pale, and what is stored, full.",
    "Three grids of 3 by 4 cells: a column copied to the right, plus a row copied downwards, equals a full grid.",
)

# %% [markdown]
# *Pretends*: no number is copied. The stride of an axis says how many bytes lie between two neighbours along it, and
# along a broadcast axis it is 0: every neighbour is the same number in memory.

# %%
spread = np.broadcast_to(column, (3, 4))
print("strides of the column:", column.strides, " spread over 4 columns:", spread.strides)
print("same memory:", np.shares_memory(column, spread))

# %% [markdown]
# ## 2. Your turn: ten shapes  (difficulty 1 of 5, 8 minutes)
#
# Predict each, on paper. Return a dictionary from letter to shape, or to `None` where NumPy raises an error. These are the
# shapes of a small ALBERT: B = 2, T = 5, H = 8, four heads.
#
# | | expression | shapes |
# |---|---|---|
# | a | `x + bias` | (2, 5, 8), (8,) |
# | b | `column + row` | (5, 1), (1, 8) |
# | c | `row + column` | (5,), (8, 1) |
# | d | `u + v` | (5,), (8,) |
# | e | `words + positions` | (2, 5, 8), (1, 5, 8) |
# | f | `x - x.mean(axis=-1)` | (2, 5, 8) |
# | g | `x.mean(axis=-1, keepdims=True)` | (2, 5, 8) |
# | h | `x @ weight.T` | (2, 5, 8), (3, 8) |
# | i | `scores + mask` | (2, 4, 5, 5), (2, 1, 1, 5) |
# | j | `table[ids]` | (9, 8), (1, 5) |
#
# <details><summary>Hint 1: the idea</summary>
#
# Align at the right, always. A mean takes an axis away, unless `keepdims` leaves it with size 1.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (1.1) for every axis. For `@`: (…, m, k) @ (k, n) is (…, m, n). For a lookup: the shape of the ids, then that of a row.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"a": (2, 5, 8), "b": ..., "c": ..., "d": ..., ...}
# ```
# Two of the ten are errors.
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson01


def predictions():
    """Returns a dictionary from "a" to "j" to a shape, or None for an error."""
    raise NotImplementedError


lesson01.check_shape_predictions(predictions)

# %% [markdown]
# ## 3. Undoing it
#
# Forward, broadcasting copies: the place $i$ of $y$ shows the place $c(i)$ of $x$,
#
# $$y_i = x_{c(i)} \tag{1.2}$$
#
# Now change one number $x_k$ a little. Every copy of it changes by as much, and each of them moves the loss:
#
# $$\frac{\partial L}{\partial x_k} = \sum_i \frac{\partial L}{\partial y_i}\frac{\partial y_i}{\partial x_k}
# = \sum_{i\,:\,c(i)=k} \bar y_i \tag{1.3}$$
#
# since $\partial y_i/\partial x_k$ is 1 where $i$ is a copy of $k$, and 0 elsewhere. **What forward copies, backward sums.**
# Along which axes? There are two kinds of copying in (1.1), and two kinds of sum:
#
# $$\text{axes that were put in front: sum, and they are gone} \tag{1.4}$$
# $$\text{axes of size 1 that were stretched: sum, and keep a 1} \tag{1.5}$$
#
# **By hand.** In the grid above let $\bar y$ be 1 in the first row, 2 in the second, 3 in the third. What gradient does the
# column get, and what the row? Predict both, then look.

# %%
from albert_np.course.figures import unbroadcast_figure

dy = np.array([[1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]])  # (3, 4)
print("dcolumn", dy.sum(axis=1, keepdims=True).tolist(), " (1.5)")
print("drow   ", dy.sum(axis=0).tolist(), " (1.4)")
show(
    unbroadcast_figure(dy),
    "1.2",
    "The way back: every cell's gradient goes to the column and to the row it was copied from.",
    "The gradient of the grid, 3 by 4; arrows lead from each row to the column's gradient and from each column to the row's.",
)

# %% [markdown]
# Another way to see it. Lay $x$ and $y$ out as long vectors; then (1.2) is a matrix, $y = Rx$, with a single 1 in every
# row. The backward pass of any matrix is its transpose, $\bar x = R^\top\bar y$, and a transposed copying matrix sums. Here
# it is for a column (3, 1) spread to (3, 2).

# %%
from matplotlib.figure import Figure

from albert_np.plots import matrix

R = np.stack([np.broadcast_to(unit.reshape(3, 1), (3, 2)).ravel() for unit in np.eye(3)], axis=1)  # (6, 3)
figure = Figure(figsize=(6.0, 3.2), layout="constrained")
forward, backward = figure.subplots(1, 2)
matrix(forward, R, "y = R x: each x is shown twice", digits=0)
matrix(backward, R.T, "dx = Rᵀ dy: each dx sums two", digits=0)
forward.set(xlabel="place in x", ylabel="place in y")
backward.set(xlabel="place in y", ylabel="place in x")
show(
    figure,
    "1.3",
    "Broadcasting as a matrix, and its backward as the transpose.",
    "A 6 by 3 matrix with one 1 in every row, and its transpose with two ones in every row.",
)

# %% [markdown]
# This gives a test that is exact but for rounding: the **dot-product test**. For any $x$ and any $\bar y$,
#
# $$\langle \bar y,\, Rx\rangle = \bar y^\top R\,x = \langle R^\top \bar y,\, x\rangle, \qquad
# \textstyle\sum \bar y \cdot \text{broadcast}(x) = \sum \text{unbroadcast}(\bar y)\cdot x \tag{1.6}$$

# %%
rng = np.random.default_rng(0)
x, dy = rng.normal(size=(3, 1)), rng.normal(size=(2, 3, 4))
dx = dy.sum(axis=0).sum(axis=1, keepdims=True)  # (1.4), then (1.5)
print((dy * np.broadcast_to(x, dy.shape)).sum(), "=", (dx * x).sum())

# %% [markdown]
# A product adds one step only. For $y = w\,x$ with $w$ broadcast, the copies of $w$ get $\bar y\,x$ each, and then go home:
#
# $$\bar w = \text{unbroadcast}(\bar y\, x) \tag{1.7}$$
#
# And the mirror image: a **sum** forward means a **copy** backward. If $s = \sum_j x_j$, then every $x_j$ gets $\bar s$. Section 5
# puts both together.

# %% [markdown]
# ## 4. Your turn: unbroadcast  (difficulty 2 of 5, 10 minutes)
#
# Write the function that takes a gradient back to the shape of what was broadcast.
#
# <details><summary>Hint 1: the idea</summary>
#
# Two steps, (1.4) and then (1.5). After the first, `dy` and `shape` have equally many axes.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `dy.ndim - len(shape)` axes were put in front: sum them. Then sum the axes where `shape` has a 1, with `keepdims=True`.
# An axis that had size 1 all along is summed too, which does no harm.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# new = ...                         # how many axes were put in front?
# dy = dy.sum(axis=tuple(range(new)))
# stretched = ...                   # the axes whose size in `shape` is 1
# return dy.sum(axis=stretched, ...)
# ```
# With an empty tuple as `axis`, NumPy sums nothing.
# </details>


# %% tags=["exercise"]
def unbroadcast(dy, shape):
    """dy (any), shape: of what was broadcast to dy's shape; returns dx of that shape."""
    raise NotImplementedError


unbroadcast_report = lesson01.check_unbroadcast(unbroadcast)

# %% [markdown]
# ## 5. On paper, then in code: taking the mean off  (difficulty 2 of 5, 12 minutes)
#
# LayerNorm, which stands in four places of ALBERT, begins by taking the mean off each row of H numbers:
#
# $$y_j = x_j - m, \qquad m = \frac1H\sum_k x_k \tag{1.8}$$
#
# There is a sum in it, and a broadcast: $m$ is one number, and H numbers use it. What is $\bar x$, given $\bar y$? **On paper
# first.** By which two ways does $x_k$ reach the outputs? What does $m$ get, and what does each $x_k$ get of that?
#
# <details><summary>The derivation</summary>
#
# The direct way: $x_k$ stands in $y_k$ with the factor 1, and gets $\bar y_k$.
#
# The way through the mean: $m$ was copied into all H outputs, each time with the factor −1. What forward copies, backward sums:
# $\bar m = -\sum_j \bar y_j$. And $m$ is a sum over the $x_k$, each with the factor 1/H. What forward sums, backward copies:
# each $x_k$ gets $\bar m/H$. Together
#
# $$\bar x_k = \bar y_k - \frac1H\sum_j \bar y_j \tag{1.9}$$
#
# So backward takes the mean off $\bar y$, as forward does off $x$. As a matrix: $y = Ax$ with $A = I - \tfrac1H\,1\,1^\top$, where
# $1\,1^\top$ is all ones. $A$ is symmetric, and $\bar x = A^\top\bar y = A\bar y$. And $AA = A$: a mean that is off stays off.
# A matrix with $AA = A = A^\top$ is a *projection*; notebook 05 meets this one again.
# </details>
# <details><summary>Hint 1: the idea</summary>
#
# Treat $m$ as a variable of its own. First everything that arrives at $m$; then what $m$ hands on.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (1.9), with the mean of each row over its last axis.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# dmean = ...                        # what arrives at m: one number a row, with its axis kept
# return dy + ... / dy.shape[-1]
# ```
# </details>


# %% tags=["exercise"]
def centre_backward(dy):
    """dy (…, H), upstream of y = x − mean of each row; returns dx (…, H)."""
    raise NotImplementedError


centre_report = lesson01.check_centre_backward(centre_backward)

# %% [markdown]
# By (1.9) no gradient that comes back through a mean has a part along (1, 1, …, 1). Yours on random numbers, twice:

# %%
take_off = centre_report.yours(lesson01.centre_backward)
once = take_off(rng.normal(size=(2, 6)))
print("sum of each row:", once.sum(axis=-1).round(12) + 0.0)
print("a second time changes it by", abs(take_off(once) - once).max().round(12))

# %% [markdown]
# ## 6. Where the package uses it
#
# A look ahead: notebooks 03, 05 and 07 derive these functions. For now read their shapes alone, and come back later.
#
# The package has no `unbroadcast`: each backward knows its own shapes and says which axes it sums. There are three such
# places, and here they are against your function (until it has passed, the course's), on random inputs.
#
# | forward | broadcast | backward |
# |---|---|---|
# | `linear_forward`: y = x weightᵀ + bias | bias (out) over (B, T) | dbias = Σ dy over (B, T) |
# | `layer_norm_forward`: y = weight x̂ + bias | weight, bias (H) over (B, T) | dweight = Σ dy x̂ over (B, T) |
# | `embeddings_forward`: words + positions | positions (1, T, E) over B | dpositions = Σ dy over B |

# %%
from albert_np.ops import layer_norm_backward, layer_norm_forward, linear_backward, linear_forward

home = unbroadcast_report.yours(lesson01.unbroadcast_place_by_place)
B, T, H = 2, 5, 8
x, dy = rng.normal(size=(B, T, H)), rng.normal(size=(B, T, 3))
_, cache = linear_forward(x, rng.normal(size=(3, H)), rng.normal(size=3))
dbias = linear_backward(dy, cache)[2]
assert np.allclose(dbias, home(dy, (3,)), rtol=1e-12)  # (1.4), (B, T, 3) → (3,)

dy = rng.normal(size=(B, T, H))
_, cache = layer_norm_forward(x, rng.normal(size=H), rng.normal(size=H), 1e-12)
_, dweight, _ = layer_norm_backward(dy, cache)
assert np.allclose(dweight, home(dy * cache.x_hat, (H,)), rtol=1e-12)  # (1.7), (B, T, H) → (H,)
print("the upstream gradient", dy.shape, "· x̂", cache.x_hat.shape, "→ dweight", dweight.shape)

# %% [markdown]
# The positions are the third. All sentences of a batch have the positions 0, 1, 2, …, so the package looks them up once, as
# ids of shape (1, T), and lets broadcasting hand them to every sentence. Walk through the caches to see it.

# %%
from albert_np.gradcheck import small_config
from albert_np.layers import embeddings_backward
from albert_np.model import AlbertModel

model = AlbertModel(small_config(), dtype="float64")
E = model.config.embedding_size
model(rng.integers(5, model.config.vocab_size, (B, T)))
cache, g = model.cache.embeddings, model.grads.scope("embeddings.")
for name in ("word", "token_type", "position"):
    print(f"{name:<11} ids {getattr(cache, name).ids.shape}")

dsummed = embeddings_backward(rng.normal(size=(B, T, E)), cache, g)  # (B, T, E), the gradient of the sum of all three
dpositions = home(dsummed, (1, T, E))  # (1.5), (B, T, E) → (1, T, E)
assert np.allclose(g["position_embeddings.weight"][:T], dpositions[0], rtol=1e-12)
print("dpositions", dpositions.shape, "added to", T, "rows of", g["position_embeddings.weight"].shape)

# %% [markdown]
# Sharing is the same law. ALBERT uses one layer's weights at every depth (cross-layer parameter sharing 跨层参数共享): that
# is a copy along the depth, so its gradient is a sum over the layers. Notebook 11 does nothing else. So the question at the
# top is answered: one number of the query bias has a gradient that is a sum of up to 25 million upstream numbers, over
# sentences, tokens and layers.

# %% [markdown]
# ## 7. Checks
#
# The linear map with its broadcast bias, by finite differences, by PyTorch values that are kept with the course, and by
# PyTorch itself where it is installed. Notebook 02 explains the first of these.

# %%
from albert_np.course import verify_op

verify_op("linear")

# %% [markdown]
# And (1.7) itself, with your function: a product with a weight (T, 1), which is broadcast in both ways at once.

# %%
from albert_np.gradcheck import check_gradients


def scale_forward(x, weight):
    return x * weight, (x, weight)


def scale_backward(dy, cache):
    x, weight = cache
    return dy * weight, home(dy * x, weight.shape)  # (1.7): (B, T, H) → (T, 1)


print(*check_gradients(scale_forward, scale_backward, {"x": x, "weight": rng.normal(size=(T, 1))}), sep="\n")

# %% [markdown]
# ## 8. Your turn: which bug is this?  (difficulty 3 of 5, 10 minutes)
#
# Six people wrote the gradient of a weight (H) in $y = w\,x$, with $x$ of shape (B, T, H); by (1.7) it is
# $\sum_{b,t} \bar y_{bt}\,x_{bt}$. Each made one mistake, and you cannot see their code. You can try it. The columns:
#
# | column | what it says |
# |---|---|
# | shape | of what they return; here T = H = 4 and B = 2 |
# | each number | is every number the right one, times one factor? |
# | their sum | the sum of all their numbers, over that of the right ones |
# | batch twice | what happens to their answer if every sentence comes twice |
# | x doubled | what happens to it if $x$ is doubled |
#
# For each letter, name the cause: a number from 1 to 6. Ask of each cause what it would do to each column.

# %%
print(lesson01.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Two shapes are unlike all others. Then two answers do not grow when the batch comes twice: what forgets half of the
# sentences, and what divides by their number?
# </details>
# <details><summary>Hint 2: the columns</summary>
#
# "Each number × 0.125" is 1/(B·T). A sum that is right, of numbers that are not, has added the right products and sorted them
# into the wrong places. And what does not see $x$ does not multiply by it.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": ..., "D": 1, "E": ..., "F": ...}
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns a dictionary from "A" to "F" to the number of the cause, 1 to 6."""
    raise NotImplementedError


lesson01.check_which_bug(which_bug)

# %% [markdown]
# Four of the six return the right shape, A because T = H here, and would be added to a stored gradient without a word. Twice
# the batch and twice the input are experiments that you can make with any backward, without knowing what is right.

# %% [markdown]
# ## 9. What breaks if…
#
# **…`keepdims` is forgotten?** With (2, 5, 8) you get an error, which is luck. With as many rows as columns you get an answer:
# the means count as a row (1.1), so *column* $j$ has the mean of *row* $j$ taken away, and no row its own.

# %%
square = np.array([[1.0, 3.0], [10.0, 30.0]])
print("wrong:", (square - square.mean(axis=-1)).tolist())
print("right:", (square - square.mean(axis=-1, keepdims=True)).tolist())

# %% [markdown]
# **…the sum is forgotten?** Adding a gradient that was not summed to one that is stored fails loudly. The other direction
# does not: `+=` of a small array into a large one broadcasts without a word. No look at shapes finds that afterwards,
# for the stored array keeps its own. Only a check of values does.

# %%
stored = np.zeros(8)
try:
    stored += rng.normal(size=(2, 5, 8))
except ValueError as error:
    print("ValueError:", error)

stored = np.zeros((2, 5, 8))
stored += np.ones(8)  # a (8,) gradient where a (2, 5, 8) one was due: no complaint
print("taken without a word:", stored.shape, stored.sum())

# %% [markdown]
# **…the sum is long?** A batch of 512 sentences of 512 tokens makes dbias a sum of 262,144 rows. `sum(axis=0)` keeps one
# running total for a column; once that is large, each small number that is added loses its last digits. The package sums
# in blocks and then sums the blocks. In float32:

# %%
from albert_np.ops import LinearCache

dy = rng.random((512 * 512, 4), dtype=np.float32)
exact = dy.sum(axis=0, dtype=np.float64)
blocks = linear_backward(dy, LinearCache(np.ones((len(dy), 1), np.float32), np.ones((4, 1), np.float32)))[2]
print(f"relative error of a running total: {abs(dy.sum(axis=0) / exact - 1).max():.0e}")
print(f"relative error of blocks:          {abs(blocks / exact - 1).max():.0e}")

# %% [markdown]
# ## Three questions
#
# 1. The mask has shape (B, 1, 1, T) and the scores (B, N, T, T). If the mask were learned, which axes would its gradient be
#    summed over?
# 2. `x` of shape (1, 5) is added to something of shape (1, 5). `unbroadcast` sums the first axis. Does that change anything?
# 3. Someone divides dbias by B·T, "so that it does not grow with the batch". What would finite differences say?
#
# <details><summary>Answers</summary>
#
# 1. Over the heads and over the rows of the scores, axes 1 and 2, both with `keepdims`.
# 2. No. A sum over one number is that number, and `keepdims` puts the axis back.
# 3. That it is wrong by a factor of B·T. The bias is used B·T times, and each use counts. If an average is wanted, the loss
#    has to be one; then $\bar y$ already carries the 1/(B·T).
# </details>
#
# ## In today's models
#
# What (1.3) does to $\bar y$ is called a **vector-Jacobian product** (VJP): the upstream gradient times the matrix of all
# derivatives, here $R$, without building it. Automatic differentiation is a table of such products, one for each operation;
# that a transposed copy is a sum is one of its entries ([Radul et al., 2022](https://arxiv.org/abs/2204.10923), for JAX).
# PyTorch calls the copy `expand`, with strides of 0 as above, and the way home `sum_to_size`. NumPy's rule (1.1) has become
# everybody's ([Harris et al., 2020](https://doi.org/10.1038/s41586-020-2649-2)).
#
# Two of the three places of section 6 are empty in a Llama: its linear maps have no bias
# ([Touvron et al., 2023](https://arxiv.org/abs/2302.13971)), and its positions are rotations of queries and keys rather than
# vectors that are added ([Su et al., 2021](https://arxiv.org/abs/2104.09864)). New copies have come. In **grouped-query
# attention** several query heads read one key and one value ([Ainslie et al., 2023](https://arxiv.org/abs/2305.13245)), so the
# gradients of these are summed over the heads of a group. In **data-parallel** training every device holds a copy of all
# weights, and the sum over the copies is a step of its own, the all-reduce
# ([Li et al., 2020](https://arxiv.org/abs/2006.15704)).
#
# Next: [02, Trusting a gradient](02_gradient_checks.ipynb): how to find out whether a gradient is right.

# %% [markdown]
# # 05 · LayerNorm
#
# **80 minutes**, and 20 for one more exercise. You need: notebook 02 (finite differences), 03 (linear). You will be able to
#
# * say what LayerNorm takes away from a row and what it leaves,
# * derive its gradient on paper and write it in two lines,
# * tell from a gradient alone which of its terms is missing,
# * do the same for RMSNorm, which stands in its place in newer models.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x$ | (…, H) | a token's numbers, a row |
# | $\mu, \sigma^2$ | (…, 1) | mean and (biased) variance of the row |
# | $r$ `rstd` | (…, 1) | $1/\sqrt{\sigma^2+\varepsilon}$ |
# | $\hat x$ `x_hat` | (…, H) | the normalised row |
# | $w, b$ | (H) | weight and bias, learned |
# | $\bar y$ `dy` | (…, H) | upstream gradient, $\partial L/\partial y$ |
# | $g$ `dx_hat` | (…, H) | $\partial L/\partial\hat x$; $\partial L/\partial x$ is written out |
#
# ALBERT normalises after the embeddings, after the attention and after the feed-forward part, and in pretraining once
# more, in the MLM head. Every token is on its own: no other token and no other sentence enters.

# %% [markdown]
# ## A question first
#
# Here is a small ALBERT that was trained on prose about Python. A word enters it as the sum of a row from each of three
# tables (notebook 07), and the rest of the model works on that sum. Somebody multiplies every number of the three tables by
# 1,000. **What do you expect of the model's answer?** And what if 5 is added to every number instead? Decide, then run.

# %%
import numpy as np

import albert_np as anp
from albert_np.course import data_folder

input_ids = np.array([[2, 40, 411, 52, 13, 97, 3]])


def answer(change):
    """The model's hidden states (1, T, H) after `change` was made to its three tables."""
    model = anp.AlbertModel.from_pretrained(data_folder() / "small-albert", dtype="float64")
    for table in ("word", "token_type", "position"):
        weight = model.params[f"embeddings.{table}_embeddings.weight"]
        weight[...] = change(weight)
    return model(input_ids).last_hidden_state


as_trained = answer(lambda weight: weight)
print(f"its numbers lie between {as_trained.min():.1f} and {as_trained.max():.1f}")
for name, change in {"times 1,000": lambda w: 1000 * w, "plus 5": lambda w: w + 5, "squared": np.square}.items():
    print(f"{name:<12} the largest difference: {abs(answer(change) - as_trained).max():.1e}")

# %% [markdown]
# The first two change nothing that matters (the little that is left is the doing of $\varepsilon$, section 2). The model does read its
# tables: squaring their numbers changes the answer. But the first thing that it does with a sum of rows makes it blind to a factor and to a shift. This notebook is about
# that op, and about the question that follows: which gradient can then reach the tables?

# %% [markdown]
# ## 1. Forward
#
# $$\hat x_i = (x_i - \mu)\, r, \qquad r = \frac1{\sqrt{\sigma^2+\varepsilon}} \tag{5.1}$$
# $$y_i = w_i \hat x_i + b_i \tag{5.2}$$
#
# **By hand first.** Take $x = (1, 3)$. Its mean is 2, its variance $((-1)^2 + 1^2)/2 = 1$, so $\hat x = (-1, 1)$: with
# two numbers, only the sign of their difference survives. Predict $\hat x$ for $(10, 30)$ before you run the cell.

# %%
from albert_np.ops import layer_norm_backward, layer_norm_forward

weight, bias = np.ones(2), np.zeros(2)
for x in ([1.0, 3.0], [10.0, 30.0], [5.0, 5.0]):
    y, cache = layer_norm_forward(np.array(x), weight, bias, 1e-12)
    print(x, "→", cache.x_hat, " rstd", cache.rstd)

# %% [markdown]
# $(10, 30)$ gives the same row: LayerNorm forgets where the numbers lie and how wide they are spread. $(5, 5)$ has no
# spread; without $\varepsilon$ it would be $0/0$.
#
# Now many rows. Each comes with a place and a width of its own and leaves with mean 0 and variance 1.

# %%
from albert_np.course.figures import normalised_figure
from albert_np.plots import show

rng = np.random.default_rng(0)
H = 64
x = rng.normal([[-4], [0], [6]], [[0.5], [2], [1]], (3, H))  # (3, H)
_, cache = layer_norm_forward(x, np.ones(H), np.zeros(H), 1e-12)
show(
    normalised_figure(x, cache.x_hat, ("around −4, width 0.5", "around 0, width 2", "around 6, width 1")),
    "5.1",
    "Three rows before LayerNorm and after it.",
    "Histograms of three rows: apart and unequally wide before LayerNorm, on top of each other after it.",
)

# %% [markdown]
# Two steps, then, each of which forgets one thing, and a third that is learned. Gradients go back through the same three:

# %%
from albert_np.course.figures import layer_norm_diagram

show(
    layer_norm_diagram(),
    "5.2",
    "LayerNorm step by step: data goes forward, gradients come back.",
    "x goes through centre, scale and a learned factor and shift to y; the gradient comes back through the same steps.",
)

# %% [markdown]
# What do the two steps do to a row as a point in space? With three numbers one can look. Taking the mean off drops the
# point onto the plane at right angles to $(1, 1, 1)$. **Predict:** what do all the points that can come out have in common,
# beside lying in this plane? What is $\sum_i \hat x_i^2$?

# %%
from albert_np.course.figures import sphere_figure

rows = np.array([[5.0, 0, 1], [2, 3, -2], [0, 3, 0], [-1, 2, 1], [1, 1, 2], [3, 0, 4]])  # (6, 3)
_, cache3 = layer_norm_forward(rows, np.ones(3), np.zeros(3), 1e-12)
g = np.array(
    [[0.2, 0.4, 1], [-1, 0.6, 0.5], [1, 0, 0.5], [0.3, -0.8, 0], [0.9, -0.7, 0.1], [0.4, -0.3, -1]]
)  # upstream
show(
    sphere_figure(rows, cache3.x_hat, g, layer_norm_backward(g, cache3)[0] / cache3.rstd),
    "5.3",
    "Six rows of three numbers as points, before and after; and what of a gradient passes.",
    "Above, six points in a plane move straight towards the origin or away from it, onto a circle. Below, an upstream "
    "gradient at each point of the circle, and its part along the circle.",
)

# %% [markdown]
# $\sum_i\hat x_i^2 = H$ (up to $\varepsilon$): with the mean gone, a row keeps its *direction* alone and lands on a sphere of
# radius $\sqrt H$; for three numbers, in a plane, a circle. The lower picture is what section 2 derives.

# %% [markdown]
# ## 2. Backward
#
# The weight and the bias first; they are as in a linear layer. Summed over all rows,
#
# $$\frac{\partial L}{\partial w_i} = \sum \bar y_i \hat x_i, \qquad \frac{\partial L}{\partial b_i} = \sum \bar y_i, \qquad
# \frac{\partial L}{\partial \hat x_i} = \bar y_i w_i =: g_i \tag{5.3}$$
#
# For $x$, every output of the row depends on every input, through $\mu$ and $r$. Write $d$ for a small change of the
# row. From (5.1),
#
# $$d\hat x_i = (dx_i - d\mu)\, r + (x_i-\mu)\, dr, \qquad d\mu = \tfrac1H\sum_j dx_j \tag{5.4}$$
#
# and since $r = (\sigma^2+\varepsilon)^{-1/2}$ and $d\sigma^2 = \tfrac2H\sum_j (x_j-\mu)(dx_j - d\mu) = \tfrac2H\sum_j (x_j-\mu)\,dx_j$
# ($d\mu$ is the same for all $j$, and $\sum_j (x_j-\mu) = 0$),
#
# $$dr = -\tfrac12 r^3\, d\sigma^2 = -r^2\, \tfrac1H\sum_j \hat x_j\, dx_j \tag{5.5}$$
#
# Now on paper: put (5.5) into (5.4), multiply by $g_i$, sum over $i$ and collect what stands before $dx_j$.
#
# <details><summary>The derivation, line by line</summary>
#
# 1. $dr = -\tfrac12(\sigma^2+\varepsilon)^{-3/2}\,d\sigma^2 = -\tfrac12r^3\,d\sigma^2$, and with $(x_j-\mu)\,r = \hat x_j$ that is (5.5).
# 2. In (5.4), $(x_i-\mu)\,dr = -(x_i-\mu)\,r^2\,\tfrac1H\sum_j \hat x_j\,dx_j = -r\,\hat x_i\,\tfrac1H\sum_j\hat x_j\,dx_j$, so
#    $$d\hat x_i = r\Big(dx_i - \tfrac1H\sum_j dx_j - \hat x_i\,\tfrac1H\sum_j \hat x_j\,dx_j\Big)$$
# 3. The loss changes by $dL = \sum_i g_i\,d\hat x_i$. The two sums inside are numbers; $g_i$ goes past them:
#    $$dL = r\Big(\sum_i g_i\,dx_i - \tfrac1H\sum_i g_i\;\sum_j dx_j -
#    \tfrac1H\sum_i g_i\hat x_i\;\sum_j\hat x_j\,dx_j\Big)$$
# 4. Call the first $i$ a $j$, and take $dx_j$ out: what stands before it is $\partial L/\partial x_j$.
# </details>
#
# $$\boxed{\;\frac{\partial L}{\partial x_j} = r\,\Big(g_j - \tfrac1H\sum_i g_i - \hat x_j\, \tfrac1H\sum_i g_i\hat x_i\Big)\;} \tag{5.6}$$
#
# Read it: take the upstream gradient, remove its part along $(1,…,1)$, remove its part along $\hat x$, scale by $r$.
# These are the two directions in which the forward pass forgot something. Moving a row along them changes nothing, so
# no gradient can point there:
#
# $$\sum_j \frac{\partial L}{\partial x_j} = 0, \qquad \sum_j \frac{\partial L}{\partial x_j}\hat x_j = 0 \quad (\varepsilon \to 0) \tag{5.7}$$

# %%
weight, bias = rng.normal(size=H), rng.normal(size=H)
dy = rng.normal(size=x.shape)
_, cache = layer_norm_forward(x, weight, bias, 1e-12)
dx, dweight, dbias = layer_norm_backward(dy, cache)
print("Σ dx     of each row:", dx.sum(axis=-1).round(14))
print("Σ dx·x̂   of each row:", (dx * cache.x_hat).sum(axis=-1).round(12))

# %% [markdown]
# That is the lower picture above: a step across the circle is a step that the forward pass would forget, so only what
# lies along the circle is left.
#
# The same as numbers: the Jacobian $\partial\hat x_i/\partial x_j = r\,(\delta_{ij} - \tfrac18 - \tfrac18\hat x_i\hat x_j)$ of one row
# of eight. With so few numbers it is far from $r$ times the identity: an $\hat x_i$ of 2 leaves 3/8 of $r$ on the diagonal.

# %%
from matplotlib.figure import Figure

from albert_np.plots import matrix

row = rng.normal(size=8)
_, cache8 = layer_norm_forward(row, np.ones(8), np.zeros(8), 1e-12)
jacobian = np.stack([layer_norm_backward(unit, cache8)[0] for unit in np.eye(8)])  # row i: gradient of x̂_i
figure = Figure(figsize=(5.6, 5.2), layout="constrained")
ax = figure.subplots()
matrix(ax, jacobian, "∂x̂ᵢ/∂xⱼ", signed=True)
ax.tick_params(labelsize=9)
ax.set(xlabel="j, of the input", ylabel="i, of the output")
show(
    figure,
    "5.4",
    "The Jacobian of LayerNorm for a row of eight numbers.",
    "An 8 by 8 matrix: large positive numbers on the diagonal, small ones of both signs beside it.",
)

# %% [markdown]
# ### On paper: what $\varepsilon$ leaves  (10 minutes)
#
# The second half of (5.7) holds for $\varepsilon\to0$ alone. What is $\sum_j \frac{\partial L}{\partial x_j}\hat x_j$ exactly? Multiply (5.6) by
# $\hat x_j$, sum, and use what $\sum_j\hat x_j^2$ is when $\varepsilon$ is *not* left out. Does the sum grow or shrink with $r$? And is the
# first half of (5.7) touched by $\varepsilon$?
#
# <details><summary>The derivation</summary>
#
# From (5.1), $\tfrac1H\sum_j\hat x_j^2 = \sigma^2 r^2 = \frac{\sigma^2}{\sigma^2+\varepsilon} = 1 - \varepsilon r^2$. And $\sum_j \hat x_j = 0$, so the middle term of
# (5.6) falls out:
#
# $$\sum_j \frac{\partial L}{\partial x_j}\hat x_j = r\sum_j g_j\hat x_j\,\Big(1 - \tfrac1H\sum_k\hat x_k^2\Big) = \varepsilon\,r^3\sum_j g_j\hat x_j
# \tag{5.8}$$
#
# With $\varepsilon = 10^{-12}$ and $r$ near 1 nobody sees it. It grows with $r^3$: for a row that is nearly constant,
# $\sigma^2 \ll \varepsilon$, there is $r^2\varepsilon\approx1$, and $\hat x$ is no longer forgotten at all. The first half holds for every $\varepsilon$: the mean is
# taken off before $\varepsilon$ comes in.
# </details>

# %%
for eps in (1e-12, 0.1, 1e3):
    _, kept = layer_norm_forward(x, weight, bias, eps)
    left = (layer_norm_backward(dy, kept)[0] * kept.x_hat).sum(axis=-1)
    predicted = eps * kept.rstd[:, 0] ** 3 * (dy * weight * kept.x_hat).sum(axis=-1)  # (5.8)
    print(f"ε = {eps:<6g} Σ dx·x̂ = {left.round(10)}   (5.8): {predicted.round(10)}")

# %% [markdown]
# ## 3. Your turn: dx in two lines  (difficulty 3 of 5, 15 minutes)
#
# Write (5.6). The mean runs over the last axis and keeps it (`keepdims=True`), so that it broadcasts back.
#
# <details><summary>Hint 1: the idea</summary>
#
# Three terms: the upstream gradient times the weight, minus two projections of it. Compute the first once.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With $g = \bar y\,w$: $\;r\,(g - \mathrm{mean}(g) - \hat x\,\mathrm{mean}(g\hat x))$.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# dx_hat = ...
# along = (...).mean(axis=-1, keepdims=True)
# return rstd * (dx_hat - ... - x_hat * along)
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson05


def layer_norm_dx(dy, x_hat, rstd, weight):
    """dy, x_hat (B, T, H), rstd (B, T, 1), weight (H,); returns dx (B, T, H)."""
    raise NotImplementedError


report = lesson05.check_layer_norm_dx(layer_norm_dx)

# %% [markdown]
# To see (5.6) with a trained model's numbers: `albert-np explore --toy --at layer_norm_backward`.

# %% [markdown]
# ## 4. Checks
#
# Your dx (until it has passed, the package's) beside the package's other two gradients, in three ways: finite differences in float64 with a random upstream gradient, PyTorch values that
# are kept with the course, and PyTorch itself where it is installed.

# %%
from albert_np.course import verify_op

layer_norm_dx = report.yours(lesson05.package_layer_norm_dx)
verify_op("layer_norm", backward=lambda dy, cache: (layer_norm_dx(dy, *cache), *layer_norm_backward(dy, cache)[1:]))

# %% [markdown]
# Formula and package, side by side on random rows: (5.6) as it stands above, and what the package computes.

# %%
dx_hat = dy * weight  # (5.3)
along_ones = dx_hat.mean(axis=-1, keepdims=True)
along_x_hat = cache.x_hat * (dx_hat * cache.x_hat).mean(axis=-1, keepdims=True)
formula = cache.rstd * (dx_hat - along_ones - along_x_hat)  # (5.6)
assert np.allclose(formula, dx, rtol=1e-12, atol=1e-12)

# %% [markdown]
# ## 5. Your turn: what is missing?  (difficulty 3 of 5, 15 minutes)
#
# By (5.7), a wrong $\partial L/\partial x$ can be told without knowing the right one. Write a function that looks at $\partial L/\partial x$ and $\hat x$ and says which of
# the two subtracted terms is missing: `"mean"`, `"projection"`, `"both"`, or `"nothing"`.
#
# <details><summary>Hint 1: the idea</summary>
#
# Without its middle term, (5.6) no longer sums to 0 over a row. Without its last, it is no longer orthogonal to $\hat x$. Look at
# each row by itself, and let the worst row decide.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# Two sums over the last axis, each compared with the size of `dx`: rounding leaves about $10^{-16}$ of that in float64, $10^{-7}$ in
# float32. Anything between there and 1 is a limit that will do.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# allowed = ... * abs(dx).max()
# mean = abs(...).max() > allowed
# projection = ...
# if mean and projection:
#     return "both"
# ...
# ```
# </details>


# %% tags=["exercise"]
def what_is_missing(dx, x_hat):
    """dx, x_hat (…, H); returns "mean", "projection", "both" or "nothing"."""
    raise NotImplementedError


tool = lesson05.check_what_is_missing(what_is_missing)

# %% [markdown]
# ### Which bug is this?  (difficulty 3 of 5, 10 minutes)
#
# Six people wrote (5.6), each with one mistake, A to F. You cannot see their lines, only what they return for three rows. Your tool
# speaks first (until it has passed, the course's). Then come more experiments:
#
# | column | what it says |
# |---|---|
# | Σ dx, Σ dx·x̂ | the two sums of (5.7), in the worst row |
# | first row, second row | is it right but for one factor? |
# | alone | does the first row get the same gradient when it comes without the others? |
# | 2 · x | what happens to the answer if the numbers of each row lie twice as far apart |
# | 2 · w | what happens to it if the weight is doubled |
#
# Name the cause of each, 1 to 6.

# %%
what_is_missing = tool.yours(lesson05.course_what_is_missing)
for letter, bug in zip(lesson05.HUNT.letters, lesson05.HUNT.bugs.values(), strict=True):
    print(f"{letter}: the tool finds missing: {what_is_missing(*lesson05.hunted(bug))}")
print()
print(lesson05.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Compare each row with the first. Where both sums are 0, both terms were taken off as they should be, if perhaps of a wrong $g$.
# </details>
# <details><summary>Hint 2: the factors</summary>
#
# A row twice as wide has half the `rstd`, and so half the gradient. Twice the weight is twice $g$.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": 1, "D": ..., "E": ..., "F": ...}
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns a dictionary from "A" to "F" to the number of the cause, 1 to 6."""
    raise NotImplementedError


lesson05.check_which_bug(which_bug)

# %% [markdown]
# B and D pass both sums of (5.7) and are wrong all the same. An invariant that holds excludes some bugs; it is no proof. That
# takes the right numbers, as in section 4.

# %% [markdown]
# ## 6. What breaks if…
#
# **…the check uses ones as upstream gradient?** With $w = 1$ the sum of $\hat x$ is always 0, so $\partial L/\partial x = 0$: a
# backward that returns zeros passes. That is why every check of this course draws the upstream gradient at random.

# %%
unit_weight = layer_norm_forward(x, np.ones(H), np.zeros(H), 1e-12)[1]
print("largest |dx| for dy = 1:", abs(layer_norm_backward(np.ones_like(x), unit_weight)[0]).max())

# %% [markdown]
# **…the variance is computed as $E[x^2] - E[x]^2$?** On paper the same; in float32, with a mean far from 0, the two
# large numbers cancel and leave noise, or something negative under the root.

# %%
far = (1e4 + rng.normal(size=4096)).astype(np.float32)
short = (far * far).mean() - far.mean() ** 2
print(
    f"variance of 4,096 numbers around 10,000: {far.astype(np.float64).var():.4f};  E[x²] - E[x]² in float32: {short:.4f}"
)

# %% [markdown]
# ## Three questions
#
# 1. A row is multiplied by 10 before LayerNorm. What happens to $y$, and what to $\partial L/\partial x$?
# 2. Why does the gradient of the *bias* not depend on $x$?
# 3. With $\varepsilon = 10^{-12}$ and float16 statistics, what is $r$ for a constant row?
#
# <details><summary>Answers</summary>
#
# 1. $y$ stays as it is; $r$, and with it the gradient, is a tenth. Large rows learn slowly: this is how LayerNorm holds
#    back what has grown.
# 2. $y = w\hat x + b$: its derivative by $b$ is 1.
# 3. $10^{-12}$ is below the smallest float16 and becomes 0, so $r = 1/0$. Statistics are kept in float32 at least.
# </details>

# %% [markdown]
# ## 7. One more exercise: RMSNorm  (difficulty 3 of 5, 20 minutes)
#
# Does it matter that the mean is taken off? Zhang and Sennrich (2019) left it out, the bias too, and their models were as good:
#
# $$\hat x_i = x_i\, r, \qquad r = \frac1{\sqrt{\tfrac1H\sum_j x_j^2 + \varepsilon}}, \qquad y_i = w_i\hat x_i \tag{5.9}$$
#
# It lands on the same sphere, but not in the plane. First on paper: which of the two sums of (5.7) still vanishes? Derive
# $\partial L/\partial x$ as in section 2, then write it, and the gradient of the weight.
#
# <details><summary>The derivation</summary>
#
# $dr = -\tfrac12 r^3\,\tfrac2H\sum_j x_j\,dx_j = -r^2\,\tfrac1H\sum_j\hat x_j\,dx_j$, as in (5.5), and $d\hat x_i = r\,dx_i + x_i\,dr =
# r\,\big(dx_i - \hat x_i\,\tfrac1H\sum_j\hat x_j\,dx_j\big)$. With $g_i = \bar y_i w_i$, summed and collected:
#
# $$\frac{\partial L}{\partial x_j} = r\,\Big(g_j - \hat x_j\,\tfrac1H\sum_i g_i\hat x_i\Big), \qquad \frac{\partial L}{\partial w_i} = \sum\bar y_i\hat x_i
# \tag{5.10}$$
#
# The width is still forgotten, so $\sum_j\frac{\partial L}{\partial x_j}\hat x_j = 0$. The mean is not: $\sum_j\frac{\partial L}{\partial x_j}$ may be anything.
# </details>
# <details><summary>Hint 1: the idea</summary>
#
# One direction is forgotten rather than two, so one term is taken off.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (5.10). The sum for the weight runs over all axes but the last.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# g = ...
# dx = r * (g - ... * (...).mean(axis=-1, keepdims=True))
# dweight = (...).sum(axis=(0, 1))
# return dx, dweight
# ```
# </details>


# %% tags=["exercise"]
def rms_norm_backward(dy, x_hat, r, weight):
    """dy, x_hat (B, T, H), r (B, T, 1), weight (H,); returns dx (B, T, H) and dweight (H,)."""
    raise NotImplementedError


rms = lesson05.check_rms_norm_backward(rms_norm_backward)

# %% [markdown]
# What can it be used for at once? LayerNorm is RMSNorm of a row whose mean was taken off, plus a bias. Taking the mean off is
# linear, and its own transpose; so LayerNorm's gradient is yours, with *its* mean taken off. Three ways to check it:

# %%
own_rms = rms.yours(lesson05.course_rms_norm_backward)


def by_rms_norm(dy, cache):
    """LayerNorm's three gradients, the first two from RMSNorm's."""
    dcentred, dweight = own_rms(dy, cache.x_hat, cache.rstd, cache.weight)
    return dcentred - dcentred.mean(axis=-1, keepdims=True), dweight, dy.sum(axis=(0, 1))


verify_op("layer_norm", backward=by_rms_norm)

# %% [markdown]
# ## In today's models
#
# * LayerNorm is [Ba, Kiros and Hinton's (2016)](https://arxiv.org/abs/1607.06450). What (5.6) computes, upstream gradient
#   times Jacobian without the Jacobian, is called a **vector-Jacobian product**, VJP.
# * ALBERT normalises *after* each residual sum, as BERT and the first Transformer do: **post-LN**. Most large
#   models since GPT-2 normalise what goes *into* a branch instead, **pre-LN**, and leave the sum itself alone; it trains
#   without a long warm-up ([Xiong et al., 2020](https://arxiv.org/abs/2002.04745)). Notebook 10 puts both into one layer.
# * T5, Llama, Mistral, Qwen and many others use **RMSNorm** ([Zhang and Sennrich, 2019](https://arxiv.org/abs/1910.07467)),
#   the op of section 7. It saves one mean and loses next to nothing.
# * Some normalise queries and keys as well, so that scores cannot grow (**QK-norm**,
#   [Henry et al., 2020](https://arxiv.org/abs/2010.04245)).
# * On a GPU the op is bound by memory, not arithmetic: forward and backward are each fused into one kernel that reads a row
#   once. The formula in it is (5.6).
#
# Next: [06, where the tokens come from](06_tokenizer.ipynb).

# %% [markdown]
# # 05 · LayerNorm
#
# **60 minutes.** You need: notebook 02 (finite differences), 03 (linear). You will be able to
#
# * say what LayerNorm takes away from a row and what it leaves,
# * derive its gradient on paper and write it in two lines,
# * see from a gradient that a mean is missing.
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
# ## 1. Forward
#
# $$\hat x_i = (x_i - \mu)\, r, \qquad r = \frac1{\sqrt{\sigma^2+\varepsilon}} \tag{5.1}$$
# $$y_i = w_i \hat x_i + b_i \tag{5.2}$$
#
# **By hand first.** Take $x = (1, 3)$. Its mean is 2, its variance $((-1)^2 + 1^2)/2 = 1$, so $\hat x = (-1, 1)$: with
# two numbers, only the sign of their difference survives. Predict $\hat x$ for $(10, 30)$ before you run the cell.

# %%
import numpy as np

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
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, show

rng = np.random.default_rng(0)
H = 64
x = rng.normal([[-4], [0], [6]], [[0.5], [2], [1]], (3, H))  # (3, H)
_, cache = layer_norm_forward(x, np.ones(H), np.zeros(H), 1e-12)

figure = Figure(figsize=(8, 2.6), layout="constrained")
before, after = figure.subplots(1, 2)
for row, x_hat, colour in zip(x, cache.x_hat, ("blue", "orange", "green"), strict=True):
    before.hist(row, bins=20, color=COLOURS[colour], alpha=0.6)
    after.hist(x_hat, bins=np.linspace(-3, 3, 21), color=COLOURS[colour], alpha=0.6)
before.set_title("three rows before: three places, three widths", fontsize=10)
after.set_title("after: mean 0, variance 1", fontsize=10)
show(
    figure,
    "5.1",
    "Three rows before LayerNorm and after it.",
    "Histograms of three rows: apart and unequally wide before LayerNorm, on top of each other after it.",
)

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
# The picture of (5.6): the Jacobian $\partial\hat x_i/\partial x_j = r\,(\delta_{ij} - \tfrac18 - \tfrac18\hat x_i\hat x_j)$ of one row
# of eight. With so few numbers it is far from $r$ times the identity: an $\hat x_i$ of 2 leaves 3/8 of $r$ on the diagonal.

# %%
from albert_np.plots import matrix

row = rng.normal(size=8)
_, cache8 = layer_norm_forward(row, np.ones(8), np.zeros(8), 1e-12)
jacobian = np.stack([layer_norm_backward(unit, cache8)[0] for unit in np.eye(8)])  # row i: gradient of x̂_i
figure = Figure(figsize=(4.6, 4.2), layout="constrained")
matrix(figure.subplots(), jacobian, "∂x̂ᵢ/∂xⱼ", signed=True)
show(
    figure,
    "5.2",
    "The Jacobian of LayerNorm for a row of eight numbers.",
    "An 8 by 8 matrix: large positive numbers on the diagonal, small ones of both signs beside it.",
)

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
# ## 5. What breaks if…
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
#
# Next: 06, where the tokens come from.

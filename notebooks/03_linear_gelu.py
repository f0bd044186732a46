# %% [markdown]
# # 03 · Linear and GELU
#
# **90 minutes**, 20 of them for section 8, which may wait. You need: notebook 01 (shapes, and how to undo a broadcast), 02
# (finite differences). You will be able to
#
# * derive the three gradients of a linear map with indices, and check them by their shapes alone,
# * differentiate GELU in both of its forms, and say how far apart they are,
# * tell which form a set of ALBERT weights was trained with, and why its configuration may say otherwise,
# * find bugs in a backward whose shapes all fit, from the gradients that are wrong and those that are not.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x$ | (…, in) | the input; its leading axes, such as (B, T), are rows $r$ |
# | $W$ `weight` | (out, in) | the weight, one row for each output |
# | $b$ `bias` | (out) | the bias |
# | $y$ | (…, out) | the output |
# | $\bar y, \bar x, \bar W, \bar b$ `dy`, `dx`, `dweight`, `dbias` | as $y, x, W, b$ | gradients of one number $L$, the loss |
# | $\Phi, \varphi$ | as $x$ | distribution and density of the standard normal |
# | $t$ | as $x$ | the tanh inside the second form of GELU |
# | $h, g$ | (…, I) | hidden numbers inside the feed-forward part; the gate that one is multiplied with |
#
# **A question from a real model.** Two versions of ALBERT base were published on the hub. Google trained both with one program, in
# which the activation has one name. Their configurations say:

# %%
from albert_np.config import PRESETS

for name in ("base-v1", "base-v2"):
    print(name, PRESETS[name]["hidden_act"])

# %% [markdown]
# Is one of them wrong? If so, which, and would you see it in what the model says? Guess, and keep it for section 4.
#
# Almost every multiplication in ALBERT happens in a linear map: query, key, value, the feed-forward part, the heads.
# Between the two linear maps of the feed-forward part stands GELU. Without it, the two would be no more than one.

# %% [markdown]
# ## 1. The linear map
#
# For each row $r$ and each output $o$,
#
# $$y_{ro} = \sum_i x_{ri} W_{oi} + b_o \qquad\text{in short}\qquad y = x W^\top + b \tag{3.1}$$
#
# The row index $r$ stands for all leading axes at once: a batch of 2 sentences of 5 tokens is 10 rows. No row looks at
# another. The bias has no $r$; it is broadcast over the rows.
#
# **By hand first.** Take two rows, two inputs, two outputs:
#
# $$x = \begin{pmatrix}1 & 2\\ 0 & 1\end{pmatrix},\quad W = \begin{pmatrix}1 & 0\\ 3 & -1\end{pmatrix},\quad b = (0, 1).$$
#
# Row 0 gives $y_{00} = 1\cdot1 + 2\cdot0 + 0 = 1$ and $y_{01} = 1\cdot3 - 2\cdot1 + 1 = 2$. Predict row 1 before you
# run the cell.

# %%
import numpy as np

from albert_np.ops import linear_backward, linear_forward

x = np.array([[1.0, 2.0], [0.0, 1.0]])
weight = np.array([[1.0, 0.0], [3.0, -1.0]])
bias = np.array([0.0, 1.0])
y, cache = linear_forward(x, weight, bias)
print(y)
cache

# %% [markdown]
# The cache keeps $x$ and $W$: the derivation below says why it needs both, and why it does not need $b$.
#
# ## 2. Backward
#
# Let $L$ be one number that depends on $y$, and $\bar y_{ro} = \partial L/\partial y_{ro}$. To find the gradient of a
# letter in (3.1), ask: *in which $y_{ro}$ does it occur, and with which factor?* Then add up.
#
# $x_{ri}$ occurs in $y_{ro}$ for every $o$, with the factor $W_{oi}$:
#
# $$\bar x_{ri} = \sum_o \bar y_{ro} W_{oi} \qquad\text{in short}\qquad \bar x = \bar y\, W \tag{3.2}$$
#
# $W_{oi}$ occurs in $y_{ro}$ for every row $r$, with the factor $x_{ri}$:
#
# $$\bar W_{oi} = \sum_r \bar y_{ro}\, x_{ri} \qquad\text{in short}\qquad \bar W = \bar y^\top x \tag{3.3}$$
#
# $b_o$ occurs in $y_{ro}$ for every row $r$, with the factor 1 (the broadcast of notebook 01, undone):
#
# $$\bar b_o = \sum_r \bar y_{ro} \tag{3.4}$$
#
# **The shape table.** You need not remember where the transposes go. A gradient has the shape of its letter, and there
# is one way to multiply the two arrays at hand so that the shapes fit. With R rows:
#
# | gradient | product | shapes | summed away |
# |---|---|---|---|
# | $\bar x$ | $\bar y\,W$ | (R, out)(out, in) → (R, in) | outputs |
# | $\bar W$ | $\bar y^\top x$ | (out, R)(R, in) → (out, in) | **rows** |
# | $\bar b$ | $\sum_r \bar y$ | (R, out) → (out) | **rows** |
#
# The table fails you in one case: where in = out, $\bar y\,W^\top$ fits too, and so does $x^\top\bar y$. ALBERT's query,
# key and value maps are all square. Values must be checked, not shapes alone.
#
# **By hand.** With $\bar y = \begin{pmatrix}1 & -1\\ 2 & 0\end{pmatrix}$, row 0 of $\bar x$ is
# $1\cdot(1, 0) - 1\cdot(3, -1) = (-2, 1)$. Row 0 contributes to $\bar W$ the outer product
# $\binom{1}{-1}(1, 2) = \begin{pmatrix}1 & 2\\ -1 & -2\end{pmatrix}$. Predict what row 1 adds, and $\bar b$.

# %%
dy = np.array([[1.0, -1.0], [2.0, 0.0]])
dx, dweight, dbias = linear_backward(dy, cache)
print("dx\n", dx, "\ndweight\n", dweight, "\ndbias\n", dbias)

# %% [markdown]
# Everything so far in one diagram. What forward reads, backward needs; what forward broadcasts or shares, backward sums.

# %%
from albert_np.course.figures import dense_figure
from albert_np.plots import show

show(
    dense_figure(),
    "3.1",
    "The linear map: data along blue arrows, gradients back along vermillion ones.",
    "x of shape (R, in), W (out, in) and b (out) go into a box, linear, from which y (R, out) comes. Back along the same ways: "
    "dy; dy W to x; the transpose of dy times x to W; the sum of dy to b.",
)

# %% [markdown]
# (3.3) as a picture, with three rows, four inputs and three outputs: each row leaves an outer product on the weight, and
# the gradient is their sum. All rows write to the *same* weight, so their contributions add. Cross-layer
# parameter sharing (跨层参数共享), notebook 11, is the same rule once more.

# %%
from albert_np.course.figures import outer_products_figure

rng = np.random.default_rng(3)
dy = np.array([[1, -1, 0.5], [0, 2, -1], [-1.5, 0.5, 1]])
x = np.array([[1, 0.5, -1, 2], [-1, 1, 0, 0.5], [0.5, -0.5, 1, -1]])
figure = outer_products_figure(dy, x)
show(
    figure,
    "3.2",
    "The weight's gradient is a sum of outer products, one for each row.",
    "Three matrices of 3 by 4, one for each row, and a fourth that is their sum, entry by entry.",
)

# %% [markdown]
# With more leading axes nothing new happens: flatten them to rows for the two sums, and leave them alone for $\bar x$.
# Predict the three shapes before you run this.

# %%
x, dy = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 3))  # (B, T, in), (B, T, out)
_, cache = linear_forward(x, rng.normal(size=(3, 4)), rng.normal(size=3))
for name, gradient in zip(("dx", "dweight", "dbias"), linear_backward(dy, cache), strict=True):
    print(f"{name:8}{gradient.shape}")

# %% [markdown]
# ## 3. Your turn: the backward of a linear map  (difficulty 2 of 5, 10 minutes)
#
# Write (3.2), (3.3) and (3.4) for any number of leading axes, none included.
#
# <details><summary>Hint 1: the idea</summary>
#
# Two of the three gradients are sums over all rows. Make one row axis out of all leading axes, and the shape table
# gives the rest.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\bar x = \bar y W$ works on the last axis whatever stands before it. For $\bar W$ and $\bar b$ reshape $\bar y$ to
# (R, out) and $x$ to (R, in); `reshape(-1, width)` finds R by itself.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# dx = dy @ ...
# dy_rows, x_rows = dy.reshape(-1, dy.shape[-1]), ...
# return dx, ... @ x_rows, dy_rows.sum(axis=...)
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson03


def my_linear_backward(dy, x, weight):
    """dy (…, out), x (…, in), weight (out, in); returns dx (…, in), dweight (out, in), dbias (out,)."""
    raise NotImplementedError


linear_report = lesson03.check_linear_backward(my_linear_backward)

# %% [markdown]
# ## 4. GELU
#
# $\max(x, 0)$ lets a number through or stops it. GELU multiplies it by the probability that a standard normal draw
# lies below it:
#
# $$y = x\,\Phi(x), \qquad \Phi(x) = \tfrac12\Big(1 + \operatorname{erf}\frac{x}{\sqrt2}\Big) \tag{3.5}$$
#
# Far to the right $\Phi = 1$ and $y = x$; far to the left $\Phi = 0$ and $y = 0$; between them it is smooth, and dips
# below zero. The slope is a product rule. The derivative of a distribution is its density:
#
# $$\Phi'(x) = \varphi(x) = \frac{e^{-x^2/2}}{\sqrt{2\pi}} \tag{3.6}$$
# $$\frac{dy}{dx} = \Phi(x) + x\,\varphi(x) \tag{3.7}$$
#
# **By hand.** $\Phi(1) = 0.8413$ and $\varphi(1) = 0.2420$, so GELU(1) = 0.8413 with slope $0.8413 + 0.2420 = 1.0833$:
# more than 1. Predict value and slope at $-1$, where $\Phi(-1) = 1 - \Phi(1)$ and $\varphi(-1) = \varphi(1)$.

# %%
from albert_np.ops import gelu_backward, gelu_forward, gelu_new_backward, gelu_new_forward

x = np.array([-1.0, 0.0, 1.0])
y, cache = gelu_forward(x)
print("value", y.round(4), " slope", gelu_backward(np.ones(3), cache).round(4))

# %% [markdown]
# **The tanh form.** An erf was slow, or missing, in many libraries, so the authors of GELU gave a form without it:
#
# $$y = \tfrac12\,x\,(1 + t), \qquad t = \tanh u, \qquad u = \sqrt{\tfrac2\pi}\,\big(x + 0.044715\,x^3\big) \tag{3.8}$$
#
# Compare with (3.5): $t$ stands in for $\operatorname{erf}(x/\sqrt2)$. The factor $\sqrt{2/\pi}$ is the slope of that erf at 0,
# so the two agree there. Where does 0.044715 come from? Call it $c$ and $s = \sqrt{2/\pi}$. Taylor's formula at 0 asks the
# cubes to agree as well. With $\tanh u = u - \tfrac13u^3 + …$ and $\operatorname{erf}(x/\sqrt2) = s\,(x - \tfrac16x^3 + …)$,
#
# $$s\,c - \tfrac13 s^3 = -\tfrac16 s \quad\Rightarrow\quad c = \tfrac13 s^2 - \tfrac16 = \tfrac2{3\pi} - \tfrac16 = 0.0455,$$
#
# which is best near 0 and not elsewhere. Ask instead that the *largest* distance from $\Phi$ be small, and try many $c$:

# %%
import math

z = np.linspace(0.001, 6, 6_000)
cumulative = gelu_forward(z)[0] / z  # Φ, by (3.5)


def farthest(c):
    """The largest distance between the tanh form of Φ, with c before the cube, and Φ."""
    return abs((1 + np.tanh(math.sqrt(2 / math.pi) * (z + c * z * z * z))) / 2 - cumulative).max()


taylor, best = 2 / (3 * math.pi) - 1 / 6, min(np.arange(0.0440, 0.0460, 5e-6), key=farthest)
for name, c in (("by Taylor", taylor), ("best of those tried", best), ("GELU's", 0.044715)):
    print(f"{name:20} c = {c:.6f}, never farther from Φ than {farthest(c):.2e}")

# %% [markdown]
# So 0.044715 is the minimax choice for $\Phi$. Differentiate (3.8), with $\tanh' = 1 - \tanh^2$:
#
# $$\frac{dy}{dx} = \underbrace{\tfrac12(1 + t)}_{\text{factor } x} +
# \underbrace{\tfrac12\,x\,(1 - t^2)\,\sqrt{\tfrac2\pi}\,\big(1 + 3\cdot0.044715\,x^2\big)}_{\text{factor } t, \text{ through } u} \tag{3.9}$$
#
# Each number is on its own, so the gradient is a product without a sum:
#
# $$\bar x = \bar y\;\frac{dy}{dx}(x) \tag{3.10}$$
#
# One more fact, which makes a good check. Both forms have the shape $x$ times (½ plus an odd function), so
# $y(x) - y(-x) = x$, and therefore
#
# $$\frac{dy}{dx}(x) + \frac{dy}{dx}(-x) = 1 \tag{3.11}$$

# %%
from albert_np.course.figures import gelu_figure

show(
    gelu_figure(),
    "3.3",
    "Two forms of GELU, their slopes, and how far they are apart.",
    "Above: two curves of GELU on top of each other, with a shallow dip below zero near -0.75. In the middle: their slopes, from 0 "
    "through ½ to 1, dipping to -0.13 and rising to 1.13. Below: the difference of the forms, below 5e-4 in value and 9e-4 in slope.",
)

# %% [markdown]
# The two forms lie on top of each other; only the third panel, ten thousand times larger, tells them apart.

# %%
x = np.linspace(-6, 6, 12_001)
one = np.ones_like(x)
apart = abs(gelu_new_forward(x)[0] - gelu_forward(x)[0])
slopes = [gelu_backward(one, gelu_forward(x)[1]), gelu_new_backward(one, gelu_new_forward(x)[1])]
print(f"values differ by at most {apart.max():.2e}, at |x| = {abs(x[apart.argmax()]):.1f}")
print(f"slopes differ by at most {abs(slopes[1] - slopes[0]).max():.2e}")
print(f"slope(x) + slope(-x): erf form {np.ptp(slopes[0] + slopes[0][::-1]):.0e}", end=", ")
print(f"tanh form {np.ptp(slopes[1] + slopes[1][::-1]):.0e} away from a constant")

# %% [markdown]
# **Which form is ALBERT's?** Google's code calls the *tanh* form "gelu". Hugging Face calls the *erf* form "gelu", and the
# tanh form "gelu_new". When the weights of version 1 moved to the hub, the word moved with them, and its meaning changed on the
# way. Version 2 says what Google computed.
#
# So the answer to the question at the top: version 1's `gelu` is the wrong one. Its weights, run as the hub's configuration says,
# are not quite what Google trained. To have Google's numbers, use `gelu_new` for version 1 as well. To have Hugging Face's
# numbers, keep `gelu`. Would you see it? Section 9 tries.
#
# **A word about cubes.** In (3.8) the package never writes `x**3`. NumPy has a short way for squares and square roots;
# for a cube it calls the general power function for each number, which may cost tens of times what two
# multiplications cost. The answers agree to float32 rounding.

# %%
import timeit

x = rng.normal(size=100_000).astype(np.float32)
power = min(timeit.repeat(lambda: x**3, number=1, repeat=9))
product = min(timeit.repeat(lambda: x * x * x, number=1, repeat=9))
print("x**3 is slower than x*x*x:", power > product)
print("they agree to float32 rounding:", np.allclose(x**3, x * x * x, rtol=3e-7, atol=0))

# %% [markdown]
# ## 5. Your turn: the backward of `gelu_new`  (difficulty 2 of 5, 10 minutes)
#
# Write (3.9) and (3.10). No cubes by `**3`, please, and no constant typed in rounded: $\sqrt{2/\pi}$ is `math.sqrt(2 / math.pi)`.
#
# <details><summary>Hint 1: the idea</summary>
#
# Compute $t$ once. The slope has two terms: one for each place where $x$ stands in $\tfrac12 x(1 + t)$.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With $s = \sqrt{2/\pi}$ and $c = 0.044715$: $t = \tanh(s(x + c\,x\,x\,x))$ and
# $\bar x = \bar y\,\big(\tfrac12(1 + t) + \tfrac12 x(1 - t\,t)\,s\,(1 + 3c\,x\,x)\big)$.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# scale = math.sqrt(2 / math.pi)
# t = np.tanh(...)
# slope = ...                       # of what stands inside the tanh
# return dy * (0.5 * (1 + t) + ...)
# ```
# </details>

# %% tags=["exercise"]
import math


def my_gelu_new_backward(dy, x):
    """dy and x of one shape; returns dx of the same shape and dtype."""
    raise NotImplementedError


gelu_report = lesson03.check_gelu_new_backward(my_gelu_new_backward)

# %% [markdown]
# ## 6. Your turn: mend it  (difficulty 4 of 5, 15 minutes)
#
# ALBERT's feed-forward part is two linear maps with GELU between them, and $x$ is added to what comes out:
#
# $$h = xW_1^\top + b_1, \qquad a = \text{gelu\_new}(h), \qquad y = x + aW_2^\top + b_2$$
#
# Somebody wrote its backward, and tried it with H = I = 4. It ran. `gelu_new_slope` is the slope (3.9), without an upstream
# gradient. `x`, `h`, `a` and the weights are those of the forward pass.

# %%
print(lesson03.listing())

# %% [markdown]
# The gradient check says:

# %%
for row in lesson03.reports_of(lesson03.BROKEN):
    print(f"{row.name:26}{'ok' if row.ok else 'WRONG':6} relative error {row.max_rel:.0e}")

# %% [markdown]
# Mend it. Return a dictionary from the number of a line to what should stand there. There is more than one bug, and no line to be
# added. Do not stare at the lines first: on its way back, where is the first gradient that is wrong?
#
# <details><summary>Hint 1: the idea</summary>
#
# Backward goes from `dy` to `dx`. What is right so far does not depend on a bug; the bug is between the last gradient that is right
# and the first that is wrong. Mend that, look again.
# </details>
# <details><summary>Hint 2: three questions</summary>
#
# Which weight fits only because it is square (3.2)? At which place is GELU's slope taken (3.10)? In how many places does $x$ stand in
# the formula?
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {4: "da = ...", ...: "dh = ...", ...: "..."}
# ```
# </details>


# %% tags=["exercise"]
def mended():
    """Returns a dictionary from the number of a line to the right line, as a text."""
    raise NotImplementedError


mended_report = lesson03.check_mended(mended)

# %% [markdown]
# Yours, with H and I as they are in a model, one four times the other. The lines as they were do not even run here: with sizes that
# differ, the first bug is an exception. A check with equal sizes hides what a check with different ones shouts.

# %%
repair = mended_report.yours(lambda: lesson03.MENDED)
for name, changed in (("as it was", {}), ("mended", repair())):
    try:
        rows = lesson03.reports_of(lesson03.with_lines(changed), width=6, inner=24)
        print(f"{name}: {sum(row.ok for row in rows)} of {len(rows)} right")
    except Exception as error:
        print(f"{name}: {error}"[:88])

# %% [markdown]
# ## 7. Checks
#
# Your two backwards (until they have passed, the package's) and the package's GELU, each in three ways: finite differences
# in float64 with a random upstream gradient, PyTorch values that are kept with the course, and PyTorch itself where it is
# installed.

# %%
from albert_np.course import verify_op

own_linear = linear_report.yours(lesson03.package_linear_backward)
verify_op("linear", backward=lambda dy, cache: tuple(own_linear(dy, cache.x, cache.weight)))

# %%
verify_op("gelu")

# %%
own_gelu = gelu_report.yours(lesson03.package_gelu_new_backward)
verify_op("gelu_new", backward=lambda dy, cache: own_gelu(dy, cache.x))

# %% [markdown]
# Formula and package, side by side on random numbers: (3.1) to (3.4) with their indices, then
# (3.7) and (3.9).

# %%
x, weight, dy = rng.normal(size=(2, 5, 4)), rng.normal(size=(3, 4)), rng.normal(size=(2, 5, 3))
y, cache = linear_forward(x, weight, bias := rng.normal(size=3))
dx, dweight, dbias = linear_backward(dy, cache)
assert np.allclose(y, np.einsum("bti,oi->bto", x, weight) + bias)  # (3.1)
assert np.allclose(dx, np.einsum("bto,oi->bti", dy, weight))  # (3.2)
assert np.allclose(dweight, np.einsum("bto,bti->oi", dy, x))  # (3.3)
assert np.allclose(dbias, np.einsum("bto->o", dy))  # (3.4)

x, dy = 2 * rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
cdf = 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))  # (3.5)
density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # (3.6)
t = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))  # (3.8)
inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
assert np.allclose(gelu_forward(x)[0], x * cdf, rtol=1e-12)
assert np.allclose(gelu_backward(dy, gelu_forward(x)[1]), dy * (cdf + x * density), rtol=1e-12)  # (3.7)
assert np.allclose(gelu_new_forward(x)[0], 0.5 * x * (1 + t), rtol=1e-12)
slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner  # (3.9)
assert np.allclose(gelu_new_backward(dy, gelu_new_forward(x)[1]), dy * slope, rtol=1e-12)  # (3.10)
print("formulas and package agree")

# %% [markdown]
# ## 8. More: the gate of a Llama  (difficulty 3 of 5, 20 minutes)
#
# Many models of today have no GELU. Their feed-forward part makes two linear maps of $x$, and one of them opens or closes the other:
#
# $$y = \operatorname{silu}(g)\,h, \qquad \operatorname{silu}(g) = g\,\sigma(g), \qquad \sigma(g) = \frac1{1 + e^{-g}} \tag{3.12}$$
#
# with $g = xW_{\text{gate}}^\top$ and $h = xW_{\text{up}}^\top$; a third map $W_{\text{down}}$ follows. This is SwiGLU.

# %%
from albert_np.course.figures import gated_figure

show(
    gated_figure(),
    "3.4",
    "A gated feed-forward part. x is used twice, so its gradient is a sum of two.",
    "x goes into two linear maps, gate and up. Their results meet in silu(gate) times up, which goes into a linear map, down. "
    "Gradients come back along the same ways: dy, then dgate and dup, which meet at x.",
)

# %% [markdown]
# **On paper:** the slope of $\sigma$, expressed by $\sigma$ itself; the slope of silu; then $\bar g$ and $\bar h$ from $\bar y$.
#
# <details><summary>The derivation</summary>
#
# $\sigma' = e^{-g}/(1 + e^{-g})^2 = \sigma\,(1 - \sigma)$. The product rule gives
#
# $$\operatorname{silu}'(g) = \sigma(g) + g\,\sigma(g)\,\big(1 - \sigma(g)\big) \tag{3.13}$$
#
# In $y = \operatorname{silu}(g)\,h$ each factor is the other's slope:
#
# $$\bar g = \bar y\,h\,\operatorname{silu}'(g), \qquad \bar h = \bar y\,\operatorname{silu}(g) \tag{3.14}$$
#
# Compare (3.13) with (3.7): $\sigma$ stands for $\Phi$, and $\sigma(1-\sigma)$, the density of the logistic distribution, for $\varphi$.
# </details>
# <details><summary>Hint 1: the idea</summary>
#
# It is GELU's derivation with another distribution, times a second variable.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (3.13) and (3.14). Mind large numbers: $e^{1000}/(1 + e^{1000})$ is not a number, $1/(1 + e^{-1000})$ is 1.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# sigmoid = 1 / ...
# slope = sigmoid + ...
# return dy * ... * slope, dy * ...
# ```
# </details>


# %% tags=["exercise"]
def my_swiglu_backward(dy, gate, up):
    """dy, gate and up of one shape; returns dgate and dup."""
    raise NotImplementedError


swiglu_report = lesson03.check_swiglu_backward(my_swiglu_backward)

# %% [markdown]
# With your linear map and your gate, the whole part, checked in all four gradients. Before you run: what is $\bar x$?

# %%
from albert_np.gradcheck import check_gradients

own_swiglu = swiglu_report.yours(lesson03.swiglu_backward)


def gated_forward(x, gate_weight, up_weight, down_weight):
    gate, up = x @ gate_weight.T, x @ up_weight.T
    inner, _ = lesson03.swiglu_forward(gate, up)
    return inner @ down_weight.T, (x, gate, up, inner, gate_weight, up_weight, down_weight)


def gated_backward(dy, cache):
    x, gate, up, inner, gate_weight, up_weight, down_weight = cache
    dinner, ddown_weight, _ = own_linear(dy, inner, down_weight)
    dgate, dup = own_swiglu(dinner, gate, up)
    dx_gate, dgate_weight, _ = own_linear(dgate, x, gate_weight)
    dx_up, dup_weight, _ = own_linear(dup, x, up_weight)
    return dx_gate + dx_up, dgate_weight, dup_weight, ddown_weight


shapes = {"x": (2, 3, 4), "gate_weight": (6, 4), "up_weight": (6, 4), "down_weight": (4, 6)}
for row in check_gradients(gated_forward, gated_backward, {name: rng.normal(size=s) for name, s in shapes.items()}):
    print(f"{row.name:26}{'ok' if row.ok else 'WRONG':6} relative error {row.max_rel:.0e}")

# %% [markdown]
# Three matrices rather than two: to cost what ALBERT's part with I = 4H costs, the inside is made narrower, $I = \tfrac83H$. For
# then $3\cdot\tfrac83H^2 = 2\cdot4H^2$.

# %% [markdown]
# ## 9. What breaks if…
#
# **…a forward is paired with the other form's backward?** The slopes differ by less than 1e-3. A check that
# allows 1e-2, as many do in float32, would call that right. In float64 there is no doubt:


# %%
def slope_of_the_other_form(dy, cache):
    return gelu_backward(dy, gelu_forward(cache.x)[1])


pairs = {"gelu_new with its own": gelu_new_backward, "gelu_new with gelu's": slope_of_the_other_form}
for name, backward in pairs.items():
    comparison = check_gradients(gelu_new_forward, backward, {"x": 2 * rng.normal(size=(5, 9))})[0]
    print(f"{name:24}relative error {comparison.max_rel:.0e}  {'ok' if comparison.ok else 'WRONG'}")
    assert comparison.ok == (backward is gelu_new_backward)

# %% [markdown]
# **…a model runs with the other form?** Nothing complains: there is no weight in GELU whose shape could be wrong. Here is a
# small ALBERT of 12 layers with random weights, in both forms.

# %%
from albert_np import AlbertConfig, AlbertModel
from albert_np.gradcheck import randomize

sizes = {"vocab_size": 50, "embedding_size": 8, "hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 96}
input_ids = rng.integers(5, 50, (2, 8))
outputs = []
for act in ("gelu", "gelu_new"):
    config = AlbertConfig(**sizes, max_position_embeddings=16, hidden_act=act)
    model = randomize(AlbertModel(config, dtype="float64")).eval()
    outputs.append(model(input_ids=input_ids).last_hidden_state)
print(f"{config.num_hidden_layers} layers: outputs differ by at most {abs(outputs[0] - outputs[1]).max():.0e}")

# %% [markdown]
# Small, but far above rounding, which is near $10^{-15}$ here. Nobody sees it in what a model says. Whoever compares two
# programs digit by digit, and has the wrong form in one of them, may search for a long time.
#
# ## Three questions
#
# 1. The bias is not in the cache of the linear map. Why is it not needed?
# 2. A batch is repeated, so that every row occurs twice. What happens to $\bar x$, $\bar W$ and $\bar b$?
# 3. Between two linear maps, GELU is left out. Which single linear map is left?
#
# <details><summary>Answers</summary>
#
# 1. None of (3.2), (3.3), (3.4) contains $b$: it enters with the factor 1, whatever its value.
# 2. Each row of $\bar x$ is what it was, only twice as many of them. $\bar W$ and $\bar b$ are sums over rows and double.
#    (If $L$ is a *mean* over rows, $\bar y$ is halved, and they stay.)
# 3. $(xW_1^\top + b_1)W_2^\top + b_2 = x(W_2W_1)^\top + (W_2b_1 + b_2)$: weight $W_2W_1$, bias $W_2b_1 + b_2$. All the width
#    between them would be for nothing.
# </details>
#
# ## In today's models
#
# (3.2) is the **vector-Jacobian product** of a linear map, (3.3) its gradient of the weight. Together they are two products for
# the one of forward: that is why training costs about three times what running costs. **LoRA**
# ([Hu et al., 2021](https://arxiv.org/abs/2106.09685)) trains $W + BA$ with two thin matrices, so that (3.3) is needed for these
# alone.
#
# GELU is of [Hendrycks and Gimpel, 2016](https://arxiv.org/abs/1606.08415), who also gave the tanh form and $\sigma(1.702\,x)\,x$;
# BERT, GPT-2 and ALBERT compute the tanh form. silu came from [Elfwing et al., 2017](https://arxiv.org/abs/1702.03118), and as
# *swish* from [Ramachandran et al., 2017](https://arxiv.org/abs/1710.05941); the gate from
# [Shazeer, 2020](https://arxiv.org/abs/2002.05202), whose paper offers no explanation of why it is better, and says so. Llama
# ([Touvron et al., 2023](https://arxiv.org/abs/2302.13971)) uses SwiGLU, near $I = \tfrac83H$, and no bias anywhere.
#
# Next: [04, Softmax and cross-entropy](04_softmax_cross_entropy.ipynb).

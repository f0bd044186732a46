# %% [markdown]
# # Lab 2 · Norms and losses
#
# **4 hours, 100 points.** You need notebooks 04 (softmax and cross-entropy) and 05 (LayerNorm). You will
#
# * derive the backward of three functions that are near relatives of ALBERT's and not the same,
# * write each of them for arrays of any number of axes, without a loop over rows,
# * say what a norm forgets, and why a gradient cannot point there.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x$, $w$ | (…, H), (H) | rows, and a weight that all rows share |
# | $\bar y$ `dy` | the shape of $y$ | the gradient of some number $L$ by the output; `dx` is that by the input |
# | $s$, $c$ | (…, K), a number | attention scores, and the cap that they do not pass |
# | `logits`, `labels` | (N, V), (N) | scores of V classes for N rows; the right class of each row, or −100 |
#
# **How an answer is looked at.** Under each exercise stands a cell that checks your function and says what it found.
# The check knows the forward function alone. It draws new numbers each time, a random upstream gradient among them,
# in float64, for several shapes, some with an axis of length 1, and compares your gradient with finite differences.
# It also looks at four things that are easily forgotten: arguments stay as they are, float32 in gives float32 out,
# one large case must be done in two seconds of processor time, and its gradient must be right too.
# Written questions are marked by a person, as is a short talk about your answers.

# %%
import numpy as np

from albert_np.labs import check

# %% [markdown]
# Your own numbers. Exercise 5 and the first question use them.

# %% lab="personal"
PERSONAL = {"alpha": 0.2, "p": 3, "row": [4, 5, 7]}

# %% [markdown]
# ## 1. RMSNorm, backward (20 points)
#
# Many language models since ALBERT leave out LayerNorm's mean and keep its division:
#
# $$y_i = \frac{w_i\,x_i}{r}, \qquad r = \sqrt{\tfrac1H\textstyle\sum_j x_j^2 + \varepsilon}$$
#
# One row at a time: rows do not see each other, but all of them use the same $w$. Write down $dy_i$ for a small change
# of the row, as notebook 05 does in (5.4) and (5.5), and collect what stands before $dx_j$.
# A number $x_j$ reaches $y_i$ in two ways: directly, if $i = j$, and through $r$.


# %% lab="answer" id="rms_norm_backward"
def rms_norm_backward(dy, x, weight, eps):
    """Return dx (…, H) and dweight (H,) of y = weight · x / √(mean x² + eps); dy and x (…, H), weight (H,)."""
    ### BEGIN SOLUTION
    rrms = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    x_hat = x * rrms
    dx_hat = dy * weight
    along = np.mean(dx_hat * x_hat, axis=-1, keepdims=True)
    dx = rrms * (dx_hat - x_hat * along)
    dweight = (dy * x_hat).reshape(-1, x.shape[-1]).sum(axis=0)
    return dx, dweight
    ### END SOLUTION


# %% lab="check" id="rms_norm_backward"
check("02", "rms_norm_backward", rms_norm_backward)

# %% [markdown]
# ## 2. Softmax of capped scores, backward (15 points)
#
# A score far above all others makes softmax put everything on one place, and hardly any gradient is left. Some models
# therefore cap the scores softly, which lets small ones through as they are and none beyond $\pm c$:
#
# $$p = \mathrm{softmax}(t), \qquad t_k = c\,\tanh(s_k / c)$$
#
# Two functions, one after the other; each has a backward of its own.


# %% lab="answer" id="capped_softmax_backward"
def capped_softmax_backward(dy, scores, cap):
    """Return dscores (…, K) of softmax(cap · tanh(scores / cap)) along the last axis; dy and scores (…, K)."""
    ### BEGIN SOLUTION
    squeezed = np.tanh(scores / cap)
    exponentials = np.exp(cap * squeezed - np.max(cap * squeezed, axis=-1, keepdims=True))
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    dcapped = probs * (dy - np.sum(dy * probs, axis=-1, keepdims=True))
    return dcapped * (1 - squeezed**2)
    ### END SOLUTION


# %% lab="check" id="capped_softmax_backward"
check("02", "capped_softmax_backward", capped_softmax_backward)

# %% [markdown]
# ## 3. A loss with three additions (10 points)
#
# The loss of notebook 04, and what training runs add to it. With $Z_n = \sum_k e^{\ell_{nk}}$ and
# $p_{nk} = e^{\ell_{nk}}/Z_n$, over the rows $n$ that have a label $t_n$, of which there are $M$:
#
# $$L = \frac1M \sum_n \Big( -\sum_k q_{nk} \ln p_{nk} + \zeta\,(\ln Z_n)^2 \Big), \qquad
# q_{nk} = (1-\sigma)\,[k = t_n] + \frac{\sigma}{V}$$
#
# * **smoothing** $\sigma$: a little of the label is spread over all V classes, the right one among them;
# * **z-loss** with weight $\zeta$: keeps $\ln Z$ near 0, so that logits do not drift away where softmax cannot see it;
# * **ignored rows**: a label of −100 says that nothing is asked of this row. If no row has a label, the loss is 0.
#
# Logits may lie around $\pm 10^4$: $e^{\ell}$ must not be computed as it stands.


# %% lab="answer" id="smoothed_loss"
def smoothed_loss(logits, labels, smoothing, z_weight):
    """Return the loss, a number; logits (N, V), labels (N,) integers, of which −100 stands for no label."""
    ### BEGIN SOLUTION
    asked = labels != -100
    logits, labels = logits[asked], labels[asked]
    if len(labels) == 0:
        return logits.dtype.type(0)
    top = logits.max(axis=-1, keepdims=True)
    log_z = top + np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
    log_probs = logits - log_z
    smoothed = np.full_like(logits, smoothing / logits.shape[-1])
    smoothed[np.arange(len(labels)), labels] += 1 - smoothing
    rows = -np.sum(smoothed * log_probs, axis=-1) + z_weight * log_z[:, 0] ** 2
    return rows.mean()
    ### END SOLUTION


# %% lab="check" id="smoothed_loss"
check("02", "smoothed_loss", smoothed_loss)

# %% [markdown]
# ## 4. The same, backward (15 points)
#
# The upstream gradient is one number, $\bar L$ `dloss`. An ignored row has a gradient too: which?


# %% lab="answer" id="smoothed_loss_backward"
def smoothed_loss_backward(dloss, logits, labels, smoothing, z_weight):
    """Return dlogits (N, V) of `smoothed_loss`; dloss is a number."""
    ### BEGIN SOLUTION
    dlogits = np.zeros_like(logits)
    rows = np.flatnonzero(labels != -100)
    if len(rows) == 0:
        return dlogits
    picked, right = logits[rows], labels[rows]
    top = picked.max(axis=-1, keepdims=True)
    exponentials = np.exp(picked - top)
    z = exponentials.sum(axis=-1, keepdims=True)
    probs, log_of_z = exponentials / z, top + np.log(z)
    each = probs * (1 + 2 * z_weight * log_of_z) - smoothing / logits.shape[-1]
    each[np.arange(len(rows)), right] -= 1 - smoothing
    dlogits[rows] = each * (dloss / len(rows))
    return dlogits
    ### END SOLUTION


# %% lab="check" id="smoothed_loss_backward"
check("02", "smoothed_loss_backward", smoothed_loss_backward)

# %% [markdown]
# ## 5. A norm of your own (20 points)
#
# $$u = x - \alpha\mu, \quad \mu = \tfrac1H \textstyle\sum_j x_j, \qquad
# n = \big(\tfrac1H \sum_j |u_j|^p + \varepsilon\big)^{1/p}, \qquad y_i = \frac{w_i\,u_i}{n}$$
#
# $\alpha = 1$, $p = 2$ is LayerNorm without a bias, and $\alpha = 0$, $p = 2$ is RMSNorm. Yours has
# $\alpha$ = {{alpha}} and $p$ = {{p}}. It is marked with your numbers only; a function that reads them from `PERSONAL`
# is as good as one that has them written into it.


# %% lab="answer" id="power_norm_backward"
def power_norm_backward(dy, x, weight, eps):
    """Return dx (…, H) and dweight (H,) of your norm; dy and x (…, H), weight (H,)."""
    ### BEGIN SOLUTION
    alpha, p = PERSONAL["alpha"], PERSONAL["p"]
    u = x - alpha * x.mean(axis=-1, keepdims=True)
    n = (np.mean(np.abs(u) ** p, axis=-1, keepdims=True) + eps) ** (1 / p)
    y_hat = u / n
    dy_hat = dy * weight
    dn = -np.sum(dy_hat * y_hat, axis=-1, keepdims=True) / n
    du = dy_hat / n + dn * n ** (1 - p) * np.sign(u) * np.abs(u) ** (p - 1) / x.shape[-1]
    dx = du - alpha * du.mean(axis=-1, keepdims=True)
    dweight = (dy * y_hat).reshape(-1, x.shape[-1]).sum(axis=0)
    return dx, dweight
    ### END SOLUTION


# %% lab="check" id="power_norm_backward"
check("02", "power_norm_backward", power_norm_backward, personal=PERSONAL)

# %% [markdown]
# ### What a right answer shows
#
# Row $i$ of the picture is the gradient of $y_i$ by the eight numbers of one row, with $w = 1$. LayerNorm's rows and
# columns sum to 0. Do yours?

# %% lab="figure"
from albert_np.ops import layer_norm_backward, layer_norm_forward
from albert_np.plots import matrix, new_figure, show

row, ones = np.random.default_rng(2).normal(0.5, 1, 8), np.ones(8)
_, cache = layer_norm_forward(row, ones, np.zeros(8), 1e-6)
layer_norm = np.stack([layer_norm_backward(unit, cache)[0] for unit in np.eye(8)])
own = np.stack([power_norm_backward(unit, row, ones, 1e-6)[0] for unit in np.eye(8)])
figure, (above, below) = new_figure(6, 8.4, 2, 1)
matrix(above, layer_norm, "LayerNorm: ∂yᵢ/∂xⱼ", signed=True)
matrix(below, own, f"your norm, α = {PERSONAL['alpha']}, p = {PERSONAL['p']}", signed=True)
show(
    figure,
    "L2.1",
    "The Jacobians of LayerNorm and of your norm.",
    "Two 8 by 8 matrices, one above the other, with large positive numbers on the diagonal: LayerNorm's, whose rows and columns sum to 0, and that of your norm.",
)
for name, jacobian in (("LayerNorm", layer_norm), ("yours", own)):
    print(f"{name}: along x {abs(jacobian @ row).max():.1e}, along 1 {abs(jacobian @ ones).max():.1e}")

# %% [markdown]
# ### For the board: how near to one exponential?
#
# The loss needs one exponential for each logit; everything else is cheaper. How many times as long as that does your
# backward take? No points; write your number on the board.

# %% lab="figure"
import time


def fastest(run, times=7):
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


some = np.random.default_rng(3)
logits, labels = some.normal(0, 2, (256, 4000)).astype(np.float32), some.integers(0, 4000, 256)
ratio = fastest(lambda: smoothed_loss_backward(1.0, logits, labels, 0.1, 1e-4)) / fastest(lambda: np.exp(logits))
print(f"{ratio:.1f} times as long as np.exp")

# %% [markdown] lab="written" id="forgets" points=12
# ## 6. What your norm forgets (12 points)
#
# Take your $\alpha$ = {{alpha}} and $p$ = {{p}}, with $\varepsilon = 0$ and $w = 1$.
#
# 1. (3) Which of these changes of a row does $y$ not feel, and why: $x \to 3x$, $x \to -x$, $x \to x + 3$? For which
#    other $\alpha$ is the answer another one?
# 2. (4) Derive $\partial n/\partial x_j$. Write each step, and the result with your numbers in it.
# 3. (3) Show that $\sum_j x_j\,\partial L/\partial x_j = 0$ for every $\bar y$. LayerNorm also has
#    $\sum_j \partial L/\partial x_j = 0$. What has your norm in its place?
# 4. (2) For the row $x$ = {{row}}: $n$, and $\partial n/\partial x_3$ of its last number, to three digits.

# %% [markdown] lab="solution"
# 1. $u$ and $n$ are both multiplied by 3: $y$ is the same. For $-x$, $u$ changes its sign and $n$ does not, so $y$ changes
#    its sign: it is felt. $x + 3$ gives $u + 3(1-\alpha)$: it is felt, as $\alpha \ne 1$; for $\alpha = 1$ it is not.
# 2. Let $S = \frac1H\sum_i |u_i|^p$, $n = S^{1/p}$. Then $\partial n/\partial S = \frac1p S^{1/p-1} = \frac1p n^{1-p}$ and
#    $\partial S/\partial u_i = \frac pH |u_i|^{p-1}\mathrm{sgn}(u_i)$, so
#    $g_i := \partial n/\partial u_i = \frac1H n^{1-p}|u_i|^{p-1}\mathrm{sgn}(u_i)$. As
#    $\partial u_i/\partial x_j = [i=j] - \alpha/H$: $\;\partial n/\partial x_j = g_j - \frac{\alpha}{H}\sum_i g_i$.
# 3. $y(\lambda x) = y(x)$ for every $\lambda > 0$. Differentiate by $\lambda$ at 1:
#    $\sum_j (\partial y_i/\partial x_j)\,x_j = 0$ for each $i$; multiply by $\bar y_i$ and sum. For the other:
#    $\partial L/\partial x_j = d_j - \frac{\alpha}{H}\sum_i d_i$ with $d = \partial L/\partial u$, hence
#    $\sum_j \partial L/\partial x_j = (1-\alpha)\sum_j d_j$, which is 0 for every $\bar y$ only if $\alpha = 1$.
# 4. The next cell computes it.

# %% lab="solution"
u = np.array(PERSONAL["row"], float) - PERSONAL["alpha"] * np.mean(PERSONAL["row"])
n = np.mean(np.abs(u) ** PERSONAL["p"]) ** (1 / PERSONAL["p"])
g = n ** (1 - PERSONAL["p"]) * np.sign(u) * np.abs(u) ** (PERSONAL["p"] - 1) / 3
print(f"n = {n:.3f}, ∂n/∂x₃ = {g[-1] - PERSONAL['alpha'] * g.mean():.3f}")

# %% [markdown] lab="written" id="centred" points=8
# ## 7. A test that sees nothing (8 points)
#
# Somebody uses LayerNorm's `dx` where RMSNorm's belongs (both with $w$ and the same $\varepsilon$) and tests on rows
# whose mean is 0.
#
# 1. (2) Why do both norms give the same $y$ on such rows?
# 2. (3) By how much do the two gradients differ there? Derive it. For which $\bar y$ do they not differ?
# 3. (3) The gradient is right along some directions of $x$ and wrong along others: which? Describe a test that finds the
#    mistake on the very same rows, and one that cannot find it although its $\bar y$ is random.

# %% [markdown] lab="solution"
# 1. $\mu = 0$, so $x - \mu = x$ and the variance is the mean of $x^2$.
# 2. With $\bar x = \bar y w$ both have $r(\bar x - \hat x\,\mathrm{mean}(\bar x \hat x))$, and LayerNorm takes
#    $r\,\mathrm{mean}(\bar x)$ off every number. They do not differ where $\sum_i \bar y_i w_i = 0$.
# 3. LayerNorm's is RMSNorm's less its mean along the row, as $\hat x$ has mean 0. Along any direction $v$ with $\sum v = 0$
#    both give the same slope; along $(1, …, 1)$ LayerNorm gives 0. Finite differences in single coordinates find it; moving
#    whole rows along random directions that are centred first (such as from one centred row to another) does not.

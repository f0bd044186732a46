# %% [markdown]
# # Lab 7 · Optimizers
#
# **4 hours, 100 points.** You need notebook 14 (AdamW, LAMB, schedules).
#
# Adam keeps two numbers beside each weight. Here are three ways to do with fewer: Lion keeps one and uses its sign, Adafactor keeps
# one for each row and column, Muon keeps one and makes of a whole matrix what a sign is for a number. Then a schedule that
# need not know when it will end, and a clip that goes row by row.
#
# | symbol | |
# |---|---|
# | `w`, `g` | weights, and the gradient at them |
# | `lr` | η, the learning rate of this step |
# | `m` | momentum: a running mean, or sum, of gradients |
#
# Every function returns new arrays and leaves its arguments as they are; float32 stays float32. Each `check` can be run as often as you
# like. It holds no optimizer: it looks at what must be true of a right step, such as how far a number moved and which way.

# %%
import numpy as np

from albert_np.labs import check

# %% [markdown]
# The numbers in your written questions:

# %% lab="personal"
PERSONAL = {"beta1": 0.95, "beta2": 0.99, "rows": 3072, "columns": 512, "size": 10, "sigma": 0.001}

# %% [markdown]
# ## 1 · Lion: one step (15 points)
#
# Lion (found by a search over programs) moves every number by the same amount. The *direction* is the sign of a mix of
# momentum and gradient, with weights $\beta_1$ and $1 - \beta_1$; the *momentum* then becomes a mix of itself and the gradient, with
# $\beta_2$ and $1 - \beta_2$. Two betas, and so the direction is not simply the sign of the momentum. Weight decay is decoupled, as
# AdamW's: it takes the share $\eta\lambda$ off each weight and touches neither sign nor momentum. The sign of 0 is 0.


# %% lab="answer" id="lion_step"
def lion_step(w, g, m, lr, beta1, beta2, decay):
    """Return the new w and the new m of one step of Lion; w, g, m of one shape."""
    ### BEGIN SOLUTION
    direction = np.sign(beta1 * m + (1 - beta1) * g)
    new_m = beta2 * m + (1 - beta2) * g
    return w - lr * (direction + decay * w), new_m
    ### END SOLUTION


# %% lab="check" id="lion_step"
check("07", "lion_step", lion_step)

# %% [markdown]
# ## 2 · Adafactor: one step (25 points)
#
# Adam's running mean of $g^2$ is as large as the weights. Adafactor keeps, of a matrix (n, k), only the mean of each row and of each
# column, and puts a whole matrix $V$ together from them. With $t$ = `step`, which is 1 at the first step:
#
# $$\rho = 1 - t^{-0.8}, \qquad r \leftarrow \rho\,r + (1-\rho)\,\mathrm{mean}_{\mathrm{columns}}(g^2 + 10^{-30}), \qquad
# c \leftarrow \rho\,c + (1-\rho)\,\mathrm{mean}_{\mathrm{rows}}(g^2 + 10^{-30})$$
#
# $$V_{ij} = \frac{r_i\,c_j}{\mathrm{mean}(r)}, \qquad u = \frac{g}{\sqrt V}, \qquad
# \hat u = \frac{u}{\max(1, \mathrm{RMS}(u))}, \qquad w \leftarrow w - \eta\,\max(10^{-3}, \mathrm{RMS}(w))\;\hat u$$
#
# `row` is $r$ (n,), `column` is $c$ (k,); RMS is the root of the mean square of all entries. All of a step uses the *new* averages.
# The step is in proportion to the weights: $\eta = 0.01$ changes them by about one hundredth. (In float32, $10^{-30}$ times a
# small number is 0. Divide twice instead of multiplying first.)


# %% lab="answer" id="adafactor_step"
def adafactor_step(w, g, row, column, step, lr):
    """Return the new w (n, k), row (n,) and column (k,) of one step of Adafactor; step is 1 at the first."""

    ### BEGIN SOLUTION
    def rms(x):
        return float(np.sqrt(np.mean(x * x)))

    keep = 1 - step**-0.8
    squares = g * g + 1e-30
    row = keep * row + (1 - keep) * squares.mean(axis=1)
    column = keep * column + (1 - keep) * squares.mean(axis=0)
    u = g / np.sqrt(row / row.mean())[:, None] / np.sqrt(column)
    u = u / max(1.0, rms(u))
    return w - lr * max(1e-3, rms(w)) * u, row, column
    ### END SOLUTION


# %% lab="check" id="adafactor_step"
check("07", "adafactor_step", adafactor_step)

# %% [markdown]
# ## 3 · Muon: one step (20 points)
#
# A matrix $G = U\,\mathrm{diag}(\sigma)\,V^\top$ acts strongly along a few directions and hardly along the others. Muon replaces all its
# singular values by numbers near 1: $U V^\top$, nearly. It needs no decomposition for this. A polynomial in $X X^\top$ acts on the singular
# values alone:
#
# $$X_0 = G / \lVert G\rVert_F, \qquad X \leftarrow a X + b\,(X X^\top)\,X + c\,(X X^\top)^2 X, \qquad a, b, c = 3.4445,\,-4.7750,\,2.0315$$
#
# five times. That is `orthogonalise`; a matrix of zeros may give what you like. One step, with $\mu$ = `momentum`, is then
#
# $$m \leftarrow \mu\,m + g, \qquad O = \mathrm{orthogonalise}(g + \mu\,m), \qquad w \leftarrow w - \eta\,\sqrt{\max(1, n/k)}\;O$$
#
# for a matrix (n, k), with the new $m$ in the second formula (Nesterov's momentum). Which of $X X^\top$ and $X^\top X$ is the smaller matrix?
# Both give the same result.


# %% lab="answer" id="muon"
def orthogonalise(g):
    """Return g (n, k) with its singular values brought near 1, by five steps of a polynomial."""
    ### BEGIN SOLUTION
    x = g / max(float(np.linalg.norm(g)), 1e-30)
    if x.shape[0] > x.shape[1]:
        return orthogonalise(g.T).T
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x
    ### END SOLUTION


def muon_step(w, g, m, lr, momentum):
    """Return the new w and the new m, both (n, k), of one step of Muon."""
    ### BEGIN SOLUTION
    m = momentum * m + g
    rows, columns = w.shape
    size = max(1, rows / columns) ** 0.5
    return w - lr * size * orthogonalise(g + momentum * m), m
    ### END SOLUTION


# %% lab="check" id="muon"
check("07", "muon", orthogonalise, muon_step)

# %% [markdown]
# **What a right answer shows.** Left, what five steps do to a singular value. Right, the singular values of a random matrix before and
# after.

# %% lab="figure"
from albert_np.plots import COLOURS, legend, new_figure, plain, show

sigma = np.geomspace(1e-3, 1, 200)
other = np.zeros((200, 2, 2))
other[:, 0, 0], other[:, 1, 1] = sigma, np.sqrt(1 - sigma**2)
matrix = np.random.default_rng(7).normal(size=(64, 96))
before, after = (np.linalg.svd(x, compute_uv=False) for x in (matrix, orthogonalise(matrix)))

figure, (above, below) = new_figure(6, 4.8, 2, 1)
above.plot(sigma, [abs(orthogonalise(x)[0, 0]) for x in other], color=COLOURS["blue"])
above.set(xscale="log", xlabel="singular value over the norm", ylabel="after five steps")
below.plot(before / before.max(), "--", color=COLOURS["grey"], label="before, over the largest")
below.plot(after, color=COLOURS["blue"], label="after")
below.set(xlabel="singular value, the largest first", ylim=(0, 1.3))
plain(above, below)
legend(below)
show(
    figure,
    "L7.1",
    "Five steps of Newton and Schulz: one value, and 64 together.",
    "Above: from 0.01 on, five steps bring any value between 0.68 and 1.14. Below: 64 values from 1 to 0.1 become values near 1.",
)

# %% [markdown]
# ## 4 · Warm-up, stable, decay (8 points)
#
# A line or a cosine down to 0 must know its end from the start. This schedule stays at its peak, and comes down within the last
# `decay` steps of `steps`, whenever one decides to stop. `step` is the number of updates already made, 0 for the first:
#
# * in the first `warmup` steps a line that begins at peak / warmup and reaches the peak at the last of them, `step = warmup - 1`;
# * then the peak, up to and with `step = steps - decay`;
# * then, with $f$ the share of the decay that is over, which is 1 at `step = steps`: peak times $1 - \sqrt f$.
#
# A stage may have no steps. The three fit: `warmup + decay <= steps`.


# %% lab="answer" id="wsd"
def wsd(step, steps, peak, warmup, decay):
    """Return the learning rate after `step` updates: a line up, the peak, then 1 - √ of the share of the decay."""
    ### BEGIN SOLUTION
    if step < warmup:
        return peak * (step + 1) / warmup
    over = step - (steps - decay)
    if over <= 0:
        return peak
    return peak * (1 - (over / decay) ** 0.5)
    ### END SOLUTION


# %% lab="check" id="wsd"
check("07", "wsd", wsd)

# %% [markdown]
# ## 5 · Clip each row to its weights (7 points)
#
# Clipping by the global norm lets one bad row make the step of all others small. Adaptive clipping looks at each row $i$ of a matrix by
# itself: where
#
# $$\lVert g_i \rVert > \text{most} \cdot \max(\lVert w_i \rVert, 10^{-3}),$$
#
# the row is scaled down to that bound; elsewhere it stays exactly as it is. The $10^{-3}$ lets rows that are 0 begin to learn.


# %% lab="answer" id="clip_rows"
def clip_rows(g, w, most):
    """Return g (n, k), each row no longer than most · max(‖row of w‖, 1e-3)."""
    ### BEGIN SOLUTION
    bound = most * np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1e-3)
    length = np.linalg.norm(g, axis=1, keepdims=True)
    return np.where(length > bound, g * (bound / np.maximum(length, 1e-30)), g)
    ### END SOLUTION


# %% lab="check" id="clip_rows"
check("07", "clip_rows", clip_rows)

# %% [markdown]
# **What right answers show.** A net of two matrices learns what another net of its kind computes, from batches of 32 examples.
# Four optimizers, three seeds each, each with a rate that was chosen beforehand, and your schedule. For the leaderboard: the
# lowest loss after 400 updates, with an optimizer and rates of your choice.

# %% lab="figure"
inputs, width, updates = 24, 48, 400


def adam(w, g, state, step, lr):
    m, v = state
    m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
    return w - lr * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8), (m, v)


def lion(w, g, state, step, lr):
    w, m = lion_step(w, g, *state, lr, 0.9, 0.99, 0.0)
    return w, (m,)


def adafactor(w, g, state, step, lr):
    w, *averages = adafactor_step(w, g, *state, step, lr)
    return w, averages


def muon(w, g, state, step, lr):
    w, m = muon_step(w, g, *state, lr, 0.9)
    return w, (m,)


def whole(w):
    return np.zeros_like(w)


OPTIMIZERS = {  # step, what it keeps, peak rate, colour
    "Adam": (adam, lambda w: (whole(w), whole(w)), 0.03, "grey"),
    "Lion": (lion, lambda w: (whole(w),), 0.003, "orange"),
    "Adafactor": (adafactor, lambda w: (np.zeros(w.shape[0]), np.zeros(w.shape[1])), 0.1, "green"),
    "Muon": (muon, lambda w: (whole(w),), 0.03, "blue"),
}


def losses(name, seed):
    step_of, start, peak, _ = OPTIMIZERS[name]
    rng = np.random.default_rng(seed)
    scales = np.geomspace(2, 0.2, inputs)  # of the inputs: some say much, some little
    goal = [rng.normal(size=(inputs, 16)) / 5, rng.normal(size=(16, 8)) / 4]
    weights = [rng.normal(size=(inputs, width)) / 5, rng.normal(size=(width, 8)) / 7]
    states, found = [start(w) for w in weights], []
    for update in range(1, updates + 1):
        x = rng.normal(size=(32, inputs)) * scales
        h = np.tanh(x @ weights[0])
        error = h @ weights[1] - np.tanh(x @ goal[0]) @ goal[1]
        found.append((error**2).mean())
        dy = 2 * error / error.size
        gradients = [x.T @ ((dy @ weights[1].T) * (1 - h * h)), h.T @ dy]
        lr = wsd(update - 1, updates, peak, 20, 120)
        for i, g in enumerate(gradients):
            weights[i], states[i] = step_of(weights[i], g, states[i], update, lr)
    return found


figure, ax = new_figure(6, 3.4)
for (name, (*_, colour)), style in zip(OPTIMIZERS.items(), (":", "-.", "--", "-"), strict=True):
    curves = np.array([np.convolve(losses(name, seed), np.ones(10) / 10, "valid") for seed in range(3)])
    for i, curve in enumerate(curves):
        ax.plot(curve, style, color=COLOURS[colour], linewidth=1.2, label=None if i else name)
    print(f"{name:10} loss at the end: {', '.join(f'{curve[-1]:.5f}' for curve in curves)}")
ax.set(xlabel="update", ylabel="loss, mean over ten updates", yscale="log")
plain(ax)
legend(ax)
show(
    figure,
    "L7.2",
    "Loss against updates for four optimizers, three seeds each.",
    "Loss against updates, three seeds each: Muon ends lowest, then Adam and Adafactor, Lion highest; seeds lie close together.",
)

# %% [markdown] lab="written" id="late" points=9
# ## 6 · When Lion turns (9 points)
#
# Take Lion with **β₁ = {{beta1}}** and **β₂ = {{beta2}}**. For a long time one number's gradient has been $+1$, so that its momentum is 1.
# From now on it is $-1$.
#
# 1. Give the momentum after $k$ such steps, and derive the first step whose direction has turned. Give its number. (4)
# 2. Which step would it be if both betas were your β₂, and which if both were your β₁? (2)
# 3. What is a small β₁ beside a large β₂ good for? Say what each of the two forgets, and what happens to the direction of a number
#    whose gradients are pure noise. (3)

# %% [markdown] lab="solution"
# 1. After $k$ steps the momentum is $2\beta_2^k - 1$. Step $k$ takes the sign of $\beta_1(2\beta_2^{k-1} - 1) - (1 - \beta_1)$, which is
#    negative when $2\beta_1\beta_2^{k-1} < 1$: the first $k$ above $1 + \ln(2\beta_1)/(-\ln\beta_2)$. For 0.95 and 0.99: above 64.9, step 65.
# 2. With $\beta$ in both places the direction is the sign of the new momentum, $2\beta^k - 1$: the first $k$ above $\ln 2/(-\ln\beta)$. For
#    0.99: 69; for 0.95: 14.
# 3. β₂ decides how many gradients the momentum remembers, about $1/(1-\beta_2)$; β₁ how much the newest one counts in the direction
#    beside them, here $1 - \beta_1$, which is more than the $1 - \beta_2$ that it has in the momentum. So noise is averaged over a long time, and a
#    change is still felt at once. Pure noise gives a random sign of full size: the number walks at random by η a step, and only a smaller η,
#    or the decay, holds it.

# %% [markdown] lab="written" id="factors" points=8
# ## 7 · What two averages know (8 points)
#
# 1. How many numbers does Adam keep for a matrix ({{rows}}, {{columns}}), how many does Adafactor, without momentum? (1)
# 2. Show that the mean of each row of $V$ is that row's average $r_i$, if the means of $r$ and of $c$ are equal. Why are they? (2)
# 3. For which $g^2$ is $V = g^2$ exactly at the first step? (2)
# 4. The gradient is the identity matrix of size **{{size}}**, at the first step. Compute $V$, $u$ and RMS(u); how far does an entry of
#    the diagonal move, compared with Adam's first step of the same η · RMS(w)? (3)

# %% [markdown] lab="solution"
# 1. Adam $2nk = 3{,}145{,}728$; Adafactor $n + k = 3{,}584$.
# 2. $\mathrm{mean}_j V_{ij} = r_i\,\mathrm{mean}(c)/\mathrm{mean}(r) = r_i$. Both means are the running mean of the mean of all of $g^2$.
# 3. Where $g^2$ is of rank one, $g_{ij}^2 = a_i b_j$: $r_i = a_i\bar b$, $c_j = \bar a b_j$, mean of $r$ is $\bar a\bar b$, so $V_{ij} = a_i b_j$.
# 4. $r_i = c_j = 1/n$, so $V_{ij} = 1/n$ everywhere, $u = \sqrt n$ on the diagonal and 0 beside it, $\mathrm{RMS}(u) = \sqrt{n \cdot n / n^2} = 1$:
#    nothing is clipped. An entry of the diagonal moves $\sqrt n$ times as far as with Adam, whose first step is the sign: for 10,
#    3.16 times.

# %% [markdown] lab="written" id="polynomial" points=8
# ## 8 · Five steps towards 1 (8 points)
#
# Let $p(x) = a x + b x^3 + c x^5$, with Muon's coefficients and, to compare, with $15/8, -10/8, 3/8$.
#
# 1. Show that one step turns $U\,\mathrm{diag}(\sigma)\,V^\top$ into $U\,\mathrm{diag}(p(\sigma))\,V^\top$. (2)
# 2. Compute $p(1)$, $p'(1)$ and $p''(1)$ for both. Which one's steps end at 1, and how fast near it? (3)
# 3. A singular value begins at **σ = {{sigma}}**. While it is small a step multiplies it by $a$: about how many steps does it need to
#    reach 0.7 with either? What does Muon pay for its speed? (3)

# %% [markdown] lab="solution"
# 1. $X X^\top = U\,\mathrm{diag}(\sigma^2)\,U^\top$ as $V^\top V = I$; so $(X X^\top)^k X = U\,\mathrm{diag}(\sigma^{2k+1})\,V^\top$, and the sum is $p$.
# 2. Muon: 0.701, −0.723, 11.98; the other: 1, 0, 0. The other ends at 1, and its error is cubed (times a number) by each step near it.
#    Muon's does not: 1 is not even a fixed point, and values go on jumping between 0.68 and 1.14.
# 3. $\ln(0.7/\sigma)/\ln a$: for 0.001, 5.3 steps with 3.4445, 10.4 with 1.875. It pays with accuracy: near 1 is all that it gives, which an
#    optimizer does not feel.

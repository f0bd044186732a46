# %% [markdown]
# # Lab 6 · A layer of your own
#
# **4 hours, 100 points.** You need notebooks 10 (the encoder layer) and 11 (sharing).
#
# ALBERT normalises after each skip, applies one layer many times, and keeps what backward needs. Here you change all
# three: a layer that normalises first, a stack whose layers come back in an order of their own, and a way back that
# keeps only a few activations and computes the others again.
#
# `dy` is the gradient at the output, `d<name>` the gradient of `<name>`. You may use `albert_np.ops`. Each `check` can be
# run as often as you like: it compares with finite differences of the forward function, on new random numbers.

# %%
import numpy as np

from albert_np import ops
from albert_np.labs import check

# %% [markdown]
# The numbers in your written questions:

# %% lab="personal"
PERSONAL = {
    "layers": 8,
    "gamma": 0.02,
    "reach": 1.7,
    "rate": 0.37,
    "schedule": [2, 2, 0, 0, 1, 1, 1, 0],
    "chain": 38,
    "slots": 5,
}

# %% [markdown]
# ## 1 · Pre-LN, LayerScale, drop path: backward (30 points)
#
# In ALBERT's layer (post-LN) the LayerNorm stands on the skip, and every gradient on its way down passes all of them. Deep
# models put it *into the branch* (pre-LN), so that the skip is the identity from the top to the bottom. LayerScale
# multiplies the branch by a learned vector γ that begins small; drop path leaves the branch out for whole examples:
#
# $$h = \mathrm{LN}(x), \qquad y = x + k \cdot \gamma \odot \big(\tanh(h\,U)\,D\big)$$
#
# with $k$ = `keep[b]`, one number for each example of the batch: 0 where the branch is left out, $1/(1-p)$ where it is not,
# so that its mean is 1.
#
# | argument | shape | |
# |---|---|---|
# | `dy`, `x` | (B, T, H) | gradient at the output; input |
# | `weight`, `bias` | (H,) | of LN: `weight * x_hat + bias`, with `eps` added to the variance |
# | `up`, `down` | (H, I), (I, H) | $U$ and $D$; they have no bias |
# | `gamma` | (H,) | |
# | `keep` | (B,) | a constant: it has no gradient |
#
# Draw the layer first, with both ways from x to y. Then walk it back, the last operation first.


# %% lab="answer" id="pre_ln_backward"
def pre_ln_backward(dy, x, weight, bias, up, down, gamma, keep, eps):
    """Return dx, dweight, dbias, dup, ddown, dgamma of y = x + keep · gamma · tanh(LN(x) up) down."""
    ### BEGIN SOLUTION
    h, norm = ops.layer_norm_forward(x, weight, bias, eps)
    a = np.tanh(h @ up)  # (B, T, I)
    kept = keep[:, None, None] * dy  # (B, T, H)
    dgamma = (kept * (a @ down)).sum(axis=(0, 1))
    dbranch = gamma * kept  # (B, T, H)
    ddown = np.einsum("bti,bth->ih", a, dbranch)
    ds = (dbranch @ down.T) * (1 - a * a)  # (B, T, I)
    dup = np.einsum("bth,bti->hi", h, ds)
    dh, dweight, dbias = ops.layer_norm_backward(ds @ up.T, norm)
    return dy + dh, dweight, dbias, dup, ddown, dgamma
    ### END SOLUTION


# %% lab="check" id="pre_ln_backward"
check("06", "pre_ln_backward", pre_ln_backward)

# %% [markdown]
# **What a right answer shows.** Twelve layers, random weights, a random gradient at the top. The norm of the gradient at
# each step on its way down, for three stacks. (The gradients of the post-LN stack are finite differences.)

# %% lab="figure"
from albert_np.labs.checks import slopes
from albert_np.labs.lab06 import pre_ln_layer
from albert_np.plots import COLOURS, legend, new_figure, plain, show

rng = np.random.default_rng(6)
steps, shape, inner = 12, (1, 4, 16), 32
ones, zeros = np.ones(16), np.zeros(16)
matrices = [(rng.normal(size=(16, inner)) / 4, rng.normal(size=(inner, 16)) / 4) for _ in range(steps)]
x_first, dy_last = rng.normal(size=shape), rng.normal(size=shape)


def post_ln(x, up, down):
    return ops.layer_norm_forward(x + np.tanh(x @ up) @ down, ones, zeros, 1e-6)[0]


def norms_down(forward, backward):
    """The norm of the gradient at each step's input, the output's last, over the norm at the output."""
    xs, dy = [x_first], dy_last
    for up, down in matrices:
        xs.append(forward(xs[-1], up, down))
    norms = [np.linalg.norm(dy)]
    for (up, down), x in zip(reversed(matrices), reversed(xs[:-1]), strict=True):
        dy = backward(dy, x, up, down)
        norms.append(np.linalg.norm(dy))
    return np.array(norms[::-1]) / norms[0]


def pre_ln(gamma):
    given = (gamma * ones, np.ones(1), 1e-6)
    return norms_down(
        lambda x, up, down: pre_ln_layer(x, ones, zeros, up, down, *given),
        lambda dy, x, up, down: pre_ln_backward(dy, x, ones, zeros, up, down, *given)[0],
    )


figure, ax = new_figure(6, 3)
curves = {
    "post-LN": (norms_down(post_ln, lambda dy, x, *m: slopes(lambda: post_ln(x, *m), x, dy)), "vermillion"),
    "pre-LN": (pre_ln(1.0), "blue"),
    "pre-LN, γ = 0.1": (pre_ln(0.1), "green"),
}
for name, (norms, colour) in curves.items():
    ax.plot(norms, marker={"vermillion": "s", "blue": "o", "green": "^"}[colour], label=name, color=COLOURS[colour])
ax.set(xlabel="step", ylabel="‖gradient‖, at the output 1", yscale="log")
ax.minorticks_off()
ax.set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
plain(ax)
legend(ax)
show(
    figure,
    "L6.1",
    "The gradient's norm by step, for three ways to place the norm.",
    "Gradient norm by step: near 1 at γ = 0.1; growing towards the input with pre-LN; falling, then rising with post-LN.",
)

# %% [markdown]
# ## 2 · Groups by schedule: backward (20 points)
#
# ALBERT with groups gives each group a run of neighbouring steps. Here a *schedule* says which group's weights each step
# uses, in any order, such as (0, 1, 1, 2, 0, 1, 2); a group may be used often, or never:
#
# $$x \leftarrow x + \tanh(x\,W_g + b_g) \qquad \text{for } g \text{ in the schedule}$$
#
# `x` and `dy` (B, T, H), `weights` (G, H, H), `biases` (G, H), `schedule` a tuple of numbers from 0 to G − 1. Groups that are
# not used get zeros.


# %% lab="answer" id="scheduled_backward"
def scheduled_backward(dy, x, weights, biases, schedule):
    """Return dx (B, T, H), dweights (G, H, H), dbiases (G, H); for each g of schedule, x becomes x + tanh(x W_g + b_g)."""
    ### BEGIN SOLUTION
    inputs, slopes_of_tanh = [], []
    for group in schedule:
        a = np.tanh(x @ weights[group] + biases[group])
        inputs.append(x)
        slopes_of_tanh.append(1 - a * a)
        x = x + a
    dx, dweights, dbiases = dy, np.zeros_like(weights), np.zeros_like(biases)
    for step in reversed(range(len(schedule))):
        group = schedule[step]
        ds = dx * slopes_of_tanh[step]
        dweights[group] += np.einsum("bth,btk->hk", inputs[step], ds)
        dbiases[group] += ds.sum(axis=(0, 1))
        dx = dx + ds @ weights[group].T
    return dx, dweights, dbiases
    ### END SOLUTION


# %% lab="check" id="scheduled_backward"
check("06", "scheduled_backward", scheduled_backward)

# %% [markdown]
# ## 3 · Go back with few slots (25 points)
#
# Backward through layer $i$ needs $x_i$, the layer's input. To keep all of them takes one place a layer; to keep none
# but $x_0$ takes $n(n-1)/2$ evaluations of layers. In between lies a choice: keep some, and compute the others again.
#
# Write a plan that works for any number of layers and slots. It never sees an activation: it commands a machine, which has one
# of them *in hand*, at first $x_0$.
#
# | call | what it does |
# |---|---|
# | `put(slot)` | copies what is in hand into that slot, from 0 to `slots - 1`; what was there is gone |
# | `get(slot)` | takes a copy of what is in that slot in hand |
# | `step()` | evaluates a layer: from $x_i$ in hand to $x_{i+1}$ in hand. **This is what costs.** |
# | `back()` | goes back through the last layer that is left, $i$; $x_i$ must be in hand. What it evaluates itself is not counted: no plan avoids it |
#
# So `back()` wants $x_{n-1}$ first, then $x_{n-2}$, down to $x_0$. The first input, $x_0$, is in no slot until you put it there. Points are
# given for a plan that works at all, for one that works with few slots, for two evaluations a layer where there are about $2\sqrt n$
# slots, and for the fewest that are possible:
#
# | layers | 2 | 4 | 5 | 10 | 12 | 15 | 20 | 64 |
# |---|---|---|---|---|---|---|---|---|
# | slots | 2 | 1 | 2 | 3 | 2 | 4 | 5 | 6 |
# | fewest `step()` | 1 | 6 | 6 | 15 | 28 | 24 | 33 | 156 |
#
# Try by hand: 5 layers with 2 slots. `Machine` in the figure's cell below is the machine that the check uses.


# %% lab="answer" id="recompute"
def recompute(layers, slots, put, get, step, back):
    """Go back through all layers with that many slots; return how often `step` was called."""
    ### BEGIN SOLUTION
    from functools import cache

    @cache
    def fewest(n, slots):
        """Evaluations for n layers with that many slots, one of which holds their first input; and what to keep next."""
        if slots == 1 or n == 1:
            return n * (n - 1) // 2, 0
        return min((k + fewest(n - k, slots - 1)[0] + fewest(k, slots)[0], k) for k in range(1, n))

    evaluations = 0

    def forward(n):
        nonlocal evaluations
        for _ in range(n):
            step()
        evaluations += n

    def through(n, slot):
        """Go back through n layers; their first input is in hand and in that slot, and the slots above are free."""
        _, k = fewest(n, slots - slot)
        if k:
            forward(k)
            put(slot + 1)
            through(n - k, slot + 1)
            get(slot)
            through(k, slot)
        else:
            for last in reversed(range(n)):
                get(slot)
                forward(last)
                back()

    put(0)
    through(layers, 0)
    return evaluations
    ### END SOLUTION


# %% lab="check" id="recompute"
check("06", "recompute", recompute)

# %% [markdown]
# **What a right answer shows.** The way of one plan: what is in hand, call by call. Up: evaluations; down: a kept input is taken,
# or a layer is gone back through. For the leaderboard: evaluations for 64 layers with 6 slots.

# %% lab="figure"
from albert_np.labs.lab06 import Machine

machine = Machine(15, 4)
recompute(15, 4, machine.put, machine.get, machine.step, machine.back)

figure, ax = new_figure(6, 3)
ax.plot([hand for _, hand in machine.path], color=COLOURS["grey"], linewidth=1)
for call, colour in {"put": "blue", "back": "vermillion"}.items():
    at = [(when, hand) for when, (name, hand) in enumerate(machine.path) if name == call]
    ax.plot(*zip(*at, strict=True), "." if call == "put" else "x", color=COLOURS[colour], label=call)
ax.set(xlabel="call", ylabel="layer whose input is in hand")
plain(ax)
legend(ax)
show(
    figure,
    "L6.2",
    "How deep the recomputation stands as backward goes on.",
    "A saw-tooth: up to layer 14, then ever shorter climbs from kept inputs, with a step back at the top of each.",
)

board = Machine(64, 6)
recompute(64, 6, board.put, board.get, board.step, board.back)
print(f"15 layers, 4 slots: {machine.steps} evaluations; 64 layers, 6 slots: {board.steps}")

# %% [markdown] lab="written" id="depth" points=9
# ## 4 · How far a gradient gets (9 points)
#
# A pre-LN stack has **{{layers}}** layers, every γ is **{{gamma}}** in all places, and the Jacobian of each branch without γ (LN, both
# matrices, tanh) stretches no vector by more than **{{reach}}**.
#
# 1. Derive a lower and an upper bound for ‖gradient at $x_0$‖ / ‖gradient at the output‖, and give both numbers. (4)
# 2. Drop path with rate $p$: what is the expected Jacobian of a layer over the draw of `keep`, and do your bounds hold for every
#    single draw? (2)
# 3. Post-LN: $y = \mathrm{LN}(x + f(x))$. Why has it no lower bound of this kind, however small $f$ is? Name two directions of the
#    gradient that its LayerNorm takes away. (3)

# %% [markdown] lab="solution"
# 1. With $J_i = I + \gamma B_i$, $\|B_i\| \le c$: $(1-\gamma c)\|v\| \le \|J_i^\top v\| \le (1+\gamma c)\|v\|$ by the triangle inequality, so the
#    ratio lies between $(1-\gamma c)^L$ (if $\gamma c < 1$; else 0) and $(1+\gamma c)^L$. For L = 8, γ = 0.02, c = 1.7: 0.758 and 1.307.
# 2. The mask is 1 in the mean and stands linearly in $J$, so $E J = I + \gamma B$, the layer without drop path. A single draw has
#    $\gamma c/(1-p)$ for $\gamma c$ where it is kept, so the bounds become $(1 \pm \gamma c/(1-p))^L$: wider.
# 3. The skip passes LN: its Jacobian $\frac{1}{\sigma}(I - \frac{1}{H} 1 1^\top - \frac{1}{H}\hat x \hat x^\top)$ (times the weight) takes
#    away the direction of ones and that of $\hat x$, whatever $f$ is, so a gradient (multiplied by the weight) along those is gone: the lower
#    bound is 0. What is left is divided by σ, so it is scaled by the width of $x + f(x)$ at each layer.

# %% [markdown] lab="written" id="uses" points=8
# ## 5 · A schedule, and a layer that is sometimes not there (8 points)
#
# 1. Your schedule is **{{schedule}}**. Write the gradient of group 1's matrix as a sum over step numbers; say for each term which $x$
#    and which gradient it holds. (3)
# 2. Say that each of these terms has norm 1. How long is the sum if all are equal, and how long in the root of the mean square if
#    they are independent with mean 0? What follows for the learning rate of a group that is used often? (2)
# 3. `keep` is 0 with probability **{{rate}}**, else 1/(1 − p). Compute its mean and variance. By which factor is the variance of
#    `dgamma` of one example larger than with rate p/2, if all else is fixed? (3)

# %% [markdown] lab="solution"
# 1. $dW_1 = \sum_{i:\,s_i = 1} x_i^\top \big(\bar x_{i+1} \odot (1 - a_i^2)\big)$ over the steps with group 1, each with its own input $x_i$ and
#    the gradient $\bar x_{i+1}$ at its own output; for (2, 2, 0, 0, 1, 1, 1, 0): steps 4, 5 and 6.
# 2. $m$ uses: $m$ if equal, $\sqrt m$ if independent. A group that is used often takes larger steps under plain SGD; Adam's
#    normalisation takes that off.
# 3. Mean 1, variance $1/(1-p) - 1 = p/(1-p)$, for 0.37: 0.587. Factor $\frac{p/(1-p)}{(p/2)/(1-p/2)} = \frac{2-p}{1-p}$: 2.59.

# %% [markdown] lab="written" id="slots" points=8
# ## 6 · What a slot buys (8 points)
#
# For $n$ layers and $s$ slots, let $r$ be the smallest number with $\binom{s+r}{s} \ge n$. The fewest evaluations are
# $r\,n - \binom{s+r}{s+1}$.
#
# 1. Give $r$ and the fewest evaluations for **{{chain}}** layers and **{{slots}}** slots, and the same with one slot more. (2)
# 2. Show that the formula is right for $s = 1$ and for $s \ge n$. (2)
# 3. Let $x_0$ be in a slot, and let $x_k$ be the next input that is kept. Write the evaluations as those of two smaller tasks, and
#    say for each how many slots it has, and why. (2)
# 4. To go back through a layer, its own evaluation not counted, takes twice as long as to evaluate it. By which factor is a training
#    step with your $n$ and $s$ longer than one that keeps everything that it computes? (2)

# %% [markdown] lab="solution"
# 1. For 38 and 5: $\binom{7}{5} = 21 < 38 \le \binom{8}{5} = 56$, so $r = 3$, and $3\cdot 38 - \binom{8}{6} = 86$.
#    With 6 slots: $\binom{8}{6} = 28 < 38 \le \binom{9}{6} = 84$, so $r = 3$ again, and $3\cdot 38 - \binom{9}{7} = 78$.
# 2. $s = 1$: $1 + r \ge n$, $r = n - 1$, and $(n-1)n - \binom{n}{2} = n(n-1)/2$: to $x_i$ for each $i$ from $x_0$. $s \ge n$ (and $n > 1$): $r = 1$, as
#    $s + 1 \ge n$; $n - \binom{s+1}{s+1} = n - 1$: each input is computed once.
# 3. $E(n, s) = \min_k\; k + E(n-k, s-1) + E(k, s)$: $k$ evaluations to $x_k$; the layers above, first, with $x_0$'s slot taken; then those
#    below with all slots, for $x_k$ is not needed any more.
# 4. In evaluations: all kept, $n + 2n$. With few slots each `back` evaluates its own layer, which is $n$ again, and `step` comes on
#    top: $3n + E$. The factor is $1 + E/3n$, for 38 and 5: 1.75.

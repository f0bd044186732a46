# %% [markdown]
# # 02 · Trusting a gradient
#
# **90 minutes**, 15 of them for section 11, which may wait. You need: notebook 01 (shapes), Taylor's formula. You will be
# able to
#
# * say how exact a finite difference can be, and choose its step,
# * write a check that accepts right gradients and rejects wrong ones, and say why ones as upstream gradient cannot,
# * check any number of entries with three forward passes, and find what is wrong with a check,
# * read the report of `albert_np.gradcheck`.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x$ | any | the input of an op |
# | $y$ | any | its output |
# | $\bar y$ `dy` | as $y$ | upstream gradient, drawn at random in a check |
# | $\bar x$ `dx` | as $x$ | the gradient that a backward pass claims |
# | $f$ | one number | $f(x) = \sum \bar y\, y(x)$, what is differentiated |
# | $h$ | one number | the step of a difference |
# | $\varepsilon$ | one number | distance from 1 to the next number: $2.2\cdot10^{-16}$ in float64, $1.2\cdot10^{-7}$ in float32 |
# | $v$ | as $x$ | a direction |
# | $J$ | | the Jacobian, $\partial y_i/\partial x_j$ |
#
# **A question from a real model.** Two programs train the same small ALBERT on the same batch, each from its own random
# start. In one of them a backward has a bug: in every LayerNorm, a term is missing. Which one is it?

# %%
from albert_np.course import lesson02
from albert_np.course.figures import two_losses_figure
from albert_np.plots import show

show(
    two_losses_figure(lesson02.two_trainings()),
    "2.1",
    "Two programs learn one batch by heart. One of them has a bug in a backward.",
    "The losses of programs A and B over 40 updates: both fall from 3.8 to 2.2, nearly on top of each other.",
)

# %% [markdown]
# Write your guess down; section 9 has the answer. A wrong gradient does not crash, and the loss falls all the same. So
# nothing in this course is believed because it trains. It is believed because two ways to compute it agree.

# %% [markdown]
# ## 1. A slope by differences
#
# Taylor's formula to both sides of $x$:
#
# $$f(x\pm h) = f(x) \pm h f'(x) + \tfrac{h^2}2 f''(x) \pm \tfrac{h^3}6 f'''(x) + \dots \tag{2.1}$$
#
# One side, or both:
#
# $$\frac{f(x+h)-f(x)}h = f' + \tfrac h2 f'' + \dots \tag{2.2}$$
# $$\frac{f(x+h)-f(x-h)}{2h} = f' + \tfrac{h^2}6 f''' + \dots \tag{2.3}$$
#
# In the second, everything even cancels: its error falls with the *square* of the step.
#
# **By hand first.** $f(x) = x^3$ at 2 has the slope 12. With $h = 0.1$: $2.1^3 = 9.261$ and $1.9^3 = 6.859$. What do the two
# differences give? By (2.3), what will the central one give for $h = 0.01$?

# %%
import numpy as np

for h in (0.1, 0.01, 0.001):
    one_sided = ((2 + h) ** 3 - 2**3) / h
    central = ((2 + h) ** 3 - (2 - h) ** 3) / (2 * h)
    print(f"h = {h:<6} one-sided {one_sided:.6f}   central {central:.6f}")

# %% [markdown]
# ## 2. Why not a smaller step
#
# A computer keeps $f$ only to about $\varepsilon|f|$. The difference of two such numbers is off by up to twice that, and is
# then divided by a small number:
#
# $$\text{rounding} \approx \frac{2\varepsilon|f|}{h} \text{ one-sided}, \qquad \frac{2\varepsilon|f|}{2h} \text{ central} \tag{2.4}$$
#
# The first error falls with $h$, the second grows as $h$ falls. Together, for $f = \exp$, where every derivative is $f$ itself
# and the errors become relative ones:
#
# $$e_1(h) = \frac h2 + \frac{2\varepsilon}h, \qquad e_2(h) = \frac{h^2}6 + \frac\varepsilon h \tag{2.5}$$
#
# Set the derivatives to 0. The best step is $h = 2\sqrt\varepsilon$ on one side, $h = \sqrt[3]{3\varepsilon}$ on both, and the
# error left there, the floor, is
#
# $$e_1 = 2\sqrt\varepsilon, \qquad e_2 = \tfrac12 (3\varepsilon)^{2/3} \tag{2.6}$$
#
# Before you look: how many digits does the best central difference have in float64, and how many in float32?

# %%
from albert_np.course.figures import step_figure

show(
    step_figure(),
    "2.2",
    "The error of a difference against its step: too large a step on the right, rounding on the left.",
    "Two panels, float64 and float32: error against step for exp at 1, log-log. Each curve falls, reaches a floor and rises; the "
    "best steps and the floors are written beside them. Central differences have the lower floor, at a larger step.",
)

# %% [markdown]
# To the right of a floor the points follow a straight line, of slope 1 or 2: Taylor. To its left they are noise below a
# line of slope −1: rounding. Ten digits in float64, four or five in float32. So every check of this course runs in float64,
# with central differences and $h = 10^{-5}$.

# %% [markdown]
# ## 3. From many outputs to one number
#
# A difference needs one number. Draw an upstream gradient $\bar y$ and take
#
# $$f(x) = \sum_i \bar y_i\, y_i(x) \tag{2.7}$$
# $$\frac{\partial f}{\partial x_j} = \sum_i \bar y_i \frac{\partial y_i}{\partial x_j} = \bar x_j \tag{2.8}$$
#
# which is exactly what `dx = backward(dy, cache)` claims. Which $\bar y$? The tempting one is all ones: $f$ is then the sum of
# the outputs. But the outputs of a softmax sum to 1, whatever $x$ is:
#
# $$\bar y = 1 \;\Rightarrow\; f(x) = \sum_i \text{softmax}(x)_i = 1 \;\Rightarrow\; \frac{\partial f}{\partial x_j} = 0 \tag{2.9}$$
#
# A backward that returns nothing but zeros is right for this $\bar y$. With random numbers it is not.

# %%
from albert_np.course.figures import upstream_figure
from albert_np.ops import softmax_backward, softmax_forward

rng = np.random.default_rng(0)
x, dy = rng.normal(size=6), rng.normal(size=6)
show(
    upstream_figure(x, dy),
    "2.3",
    "One softmax, a right and a wrong backward, two upstream gradients.",
    "Gradients of a softmax. For an upstream gradient of ones they are all 0, as are those of a wrong backward; "
    "for a random one they are bars of both signs, and the wrong ones stay at 0.",
)

# %% [markdown]
# LayerNorm with weight 1 has the same blind spot, for its rows have mean 0. Other patterns hide other bugs: a constant
# upstream gradient cannot tell one axis from another, and a symmetric one cannot tell `dy` from `dy.T`.

# %% [markdown]
# ## 4. How wrong is wrong?
#
# A difference of 0.001 is a catastrophe for gradients of 0.001 and nothing for gradients of a million. So divide. Entry by
# entry? Then an entry that is 0 but for rounding counts as wholly wrong. Divide by the largest of the array:
#
# $$\text{error} = \frac{\max_j |\bar x_j - d_j|}{\max_j |d_j|}, \qquad d_j = \frac{f(x+he_j) - f(x-he_j)}{2h} \tag{2.10}$$
#
# Below are the four entries of a right softmax gradient. Two are tiny; their differences are nothing but rounding.

# %%
sharp, dy = np.array([30.0, 28.0, 0.0, -10.0]), rng.normal(size=4)
_, cache = softmax_forward(sharp)
dx = softmax_backward(dy, cache)
differences = lesson02.slopes(softmax_forward, sharp, dy)  # what you will write in section 6
for claimed, difference in zip(dx, differences, strict=True):
    print(f"claimed {claimed:9.1e}   difference {difference:9.1e}   entry by entry {abs(claimed / difference - 1):.0e}")
print(f"of the array, (2.10): {abs(dx - differences).max() / abs(np.array(differences)).max():.0e}")

# %% [markdown]
# What to expect from (2.10) in float64 with $h = 10^{-5}$:
#
# | error | reading |
# |---|---|
# | $10^{-8}$ and less | right |
# | $10^{-6}$ | right, if the function is large, long or steep; otherwise have a look |
# | $10^{-4}$ | suspicious: a kink, a step that does not fit, float32 somewhere |
# | $10^{-2}$ and more | wrong |
#
# A bug rarely makes a small error. There is a gap of many powers of ten between the right and the wrong, and the art is
# only to keep it open.

# %% [markdown]
# ## 5. Two cheaper tests
#
# (2.10) runs the forward pass twice for every entry of $x$. A layer of ALBERT base has seven million. A **directional derivative**
# needs two runs for all of them together: for a random direction $v$,
#
# $$\frac{f(x+hv) - f(x-hv)}{2h} \approx \sum_j \bar x_j v_j = \langle \bar x, v\rangle \tag{2.11}$$
#
# One number then speaks for every entry: a single wrong one moves it. It does not say *which* is wrong.
#
# The **dot-product test** is the same thought without the choice of $f$. Backward is multiplication with $J^\top$, a
# *vector-Jacobian product*; $Jv$ is a *Jacobian-vector product*; and for any $\bar y$ and $v$
#
# $$\langle \bar y,\, Jv\rangle = \langle J^\top\bar y,\, v\rangle \tag{2.12}$$
#
# Where forward is linear in $x$, it *is* $J$; nothing has to be subtracted or divided, and both sides agree to the last digits.
# That was (1.6) for broadcasting. Elsewhere $Jv$ is a central difference of the whole output.

# %%
from albert_np.ops import gelu_backward, gelu_forward, linear_backward, linear_forward

x, v, weight = rng.normal(size=(2, 5, 8)), rng.normal(size=(2, 5, 8)), rng.normal(size=(3, 8))
dy = rng.normal(size=(2, 5, 3))
_, cache = linear_forward(x, weight, np.zeros(3))
Jv, _ = linear_forward(v, weight, np.zeros(3))  # without a bias forward is linear: it is J
print("linear:", (dy * Jv).sum(), "=", (linear_backward(dy, cache)[0] * v).sum())

dy = rng.normal(size=x.shape)
_, cache = gelu_forward(x)
Jv = (gelu_forward(x + h * v)[0] - gelu_forward(x - h * v)[0]) / (2 * h)
print("gelu:  ", (dy * Jv).sum(), "≈", (gelu_backward(dy, cache) * v).sum())

# %% [markdown]
# ## 6. Your turn: a gradient check  (difficulty 3 of 5, 20 minutes)
#
# Write `gradient_error(forward, backward, x)`: the error (2.10) of a pair `y, cache = forward(x)`, `dx = backward(dy, cache)`.
# The self-check hands it four right pairs, for which the error has to stay below $10^{-6}$, and the same four with a bug, for
# which it has to be above $10^{-3}$:
#
# | forward | right | planted bug |
# |---|---|---|
# | y = softmax(x) | dx = p (dy − Σ dy p) | `return np.zeros_like(dy)` |
# | y = x² | `2 * x * dy` | `x * dy` |
# | y = x weightᵀ | `dy @ weight` | `dy @ weight.T` |
# | y = x + gelu(x) | `dx += dy; dx += gelu_backward(…)` | `dx = dy; dx = gelu_backward(…)` |
#
# The last is the bug to remember: $x$ is used twice, so its gradient has two parts, and `=` throws the first away. ALBERT
# uses each weight of a layer twelve times.
#
# <details><summary>Hint 1: the idea</summary>
#
# Run forward, draw `dy` in the shape of `y`, ask backward. Then move one entry of $x$ at a time, up and down, and see how much
# $f$ changes. Put the entry back, or work on copies.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $d_j = \sum_i \bar y_i\,(y_i(x+he_j) - y_i(x-he_j)) / 2h$ with $h = 10^{-5}$, then (2.10). `np.ndindex(x.shape)` goes through all
# entries.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# y, cache = forward(x)
# dy = ...                          # of whose shape?
# dx = backward(dy, cache)
# expected = np.zeros_like(x)
# for i in np.ndindex(x.shape):
#     step = ...                    # zeros, and h at i
#     expected[i] = ...             # how much does Σ dy y change, for each unit of x[i]?
# return ...                        # (2.10)
# ```
# </details>


# %% tags=["exercise"]
def gradient_error(forward, backward, x):
    """y, cache = forward(x) and dx = backward(dy, cache), x (any) in float64; returns the error (2.10), one number."""
    raise NotImplementedError


report = lesson02.check_gradient_error(gradient_error)

# %% [markdown]
# From here on it is your function that looks at the four bugs, as soon as it has passed; until then, `albert_np.gradcheck`.

# %%
from albert_np.gradcheck import check_gradients


def gradcheck_error(forward, backward, x):
    """What your function returns, from the package."""
    return check_gradients(forward, backward, {"x": x})[0].max_rel


gradient_error = report.yours(gradcheck_error)
for name, (forward, backward, x) in {**lesson02.PAIRS, **lesson02.BUGS}.items():
    print(f"{name:<30}{gradient_error(forward, backward, x.copy()):8.0e}")

# %% [markdown]
# ### One direction for all entries  (difficulty 2 of 5, 10 minutes)
#
# Your function ran forward twice for each entry. Write `direction_error(forward, backward, x)` by (2.11): three runs, however many
# entries $x$ has. Return how far both sides are apart, divided by one of them. Think before you draw $v$: which $v$ would let
# a bug through? One of the four bugs above goes unseen with a $v$ that is as random as any.
#
# <details><summary>Hint 1: the idea</summary>
#
# Both sides of (2.11) are one number. The left needs forward at $x + hv$ and at $x - hv$, the right backward, once.
# </details>
# <details><summary>Hint 2: the choice</summary>
#
# $v = (1, …, 1)$ finds nothing in a softmax, where every gradient sums to 0. And $v = \bar y$ cannot see a transposed weight, for
# $\langle \bar y W, \bar y\rangle = \langle \bar y W^\top, \bar y\rangle$. So: $v$ random, and drawn by itself.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# y, cache = forward(x)
# dy, v = ..., ...                  # two draws, of which shapes?
# claimed = ...                     # ⟨dx, v⟩
# along = ...                       # a difference of Σ dy y, per unit of v
# return abs(claimed - along) / ...
# ```
# </details>


# %% tags=["exercise"]
def direction_error(forward, backward, x):
    """As gradient_error, by one random direction (2.11) and at most six runs of forward; returns one number."""
    raise NotImplementedError


direction_report = lesson02.check_direction_error(direction_error)

# %% [markdown]
# Yours on a million entries of `gelu_new`, the form of GELU that ALBERT version 2 uses (notebook 03): with its own backward, and
# with that of the *other* form, whose slope is never off by more than 0.001. A check of every entry would take two million runs.

# %%
from albert_np.ops import gelu_new_backward, gelu_new_forward

along_one = direction_report.yours(lesson02.direction_error)
million = rng.normal(size=(1000, 1000))
print(f"its own backward: {along_one(gelu_new_forward, gelu_new_backward, million):.0e}")
other = along_one(gelu_new_forward, lambda dy, cache: gelu_backward(dy, gelu_forward(cache.x)[1]), million)
print(f"the other form's: {other:.0e}")

# %% [markdown]
# ## 7. Your turn: which check is this?  (difficulty 4 of 5, 12 minutes)
#
# Who checks the checks? Seven people wrote `gradient_error`, each with one mistake. Here is what theirs say of three right pairs and
# of four wrong ones, below what a good one says.
#
# | column | forward and backward |
# |---|---|
# | x Wᵀ, x² | right |
# | sharp softmax | right; some of its gradients are nearly 0 (section 4) |
# | zeros | a softmax whose backward returns zeros: **wrong** |
# | last entry | x², with the last entry of dx off by 1: **wrong** |
# | tiny, × 2 | tanh(x) times $10^{-8}$, with twice its gradient: **wrong** |
# | = for += | the residual of section 6: **wrong** |
#
# Name the cause of each, 1 to 7. No two causes give the same row.

# %%
print(lesson02.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# First those that call something right that is wrong: a small number in a wrong column. Then those that call something
# wrong that is right.
# </details>
# <details><summary>Hint 2: the numbers</summary>
#
# Errors between $10^{-6}$ and $10^{-3}$ on right pairs are the two branches of the picture in section 2. Taylor's error is 0
# for $xW^\top$, which has no second derivative; rounding spares nobody.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": 7, "C": ..., "D": ..., "E": ..., "F": ..., "G": ...}
# ```
# </details>


# %% tags=["exercise"]
def which_check():
    """Returns a dictionary from "A" to "G" to the number of the cause, 1 to 7."""
    raise NotImplementedError


lesson02.check_which_check(which_check)

# %% [markdown]
# ## 8. The grown-up version
#
# `albert_np.gradcheck` does the same with a few additions: several inputs at once, a sample of entries where there are many
# (the largest is always in it), one direction (2.11) through everything, and a floor below which a gradient counts as zero.
# Here it is on the four bugs. Each report says where the worst entry is, what was claimed and what was expected.

# %%
for name, (forward, backward, x) in lesson02.BUGS.items():
    print(name)
    print("   ", check_gradients(forward, backward, {"x": x})[0])

# %% [markdown]
# The gap, in a picture: eight pairs, and nothing between the right and the wrong.

# %%
from matplotlib.figure import Figure

from albert_np.gradcheck import TOLERANCE
from albert_np.plots import COLOURS

figure = Figure(figsize=(6.0, 3.2), layout="constrained")
ax = figure.subplots()
for pairs, colour, shape in ((lesson02.PAIRS, "blue", "o"), (lesson02.BUGS, "vermillion", "X")):
    for name, (forward, backward, x) in pairs.items():
        error = check_gradients(forward, backward, {"x": x})[0].max_rel
        ax.plot(error, name, shape, color=COLOURS[colour], ms=9)
ax.axvline(TOLERANCE, color=COLOURS["grey"], ls="--", lw=1)
ax.text(TOLERANCE * 1.3, 0, "allowed: 1e-6", fontsize=9, va="center")
ax.text(1e-10, 1.5, "right", fontsize=10, color=COLOURS["blue"], va="center")
ax.text(1e-2, 5.5, "with a bug", fontsize=10, color=COLOURS["vermillion"], va="center", ha="right")
ax.set(xscale="log", xlim=(1e-13, 10), xlabel="relative error (2.10)")
ax.spines[["top", "right"]].set_visible(False)
show(
    figure,
    "2.4",
    "Relative errors of four right pairs and of four with a bug, and the limit between them.",
    "Relative errors on a log scale: four right pairs between 1e-12 and 1e-10, four bugs between 0.1 and 2.",
)

# %% [markdown]
# ## 9. Checks
#
# Formula and package: (2.10) and (2.11) as they stand above, on random inputs, against the backward of the package's GELU.

# %%
h = 1e-5
x, v, dy = (rng.normal(size=(3, 4)) for _ in range(3))
d = np.zeros_like(x)
for i in np.ndindex(x.shape):
    step = np.zeros_like(x)
    step[i] = h
    d[i] = (dy * (gelu_forward(x + step)[0] - gelu_forward(x - step)[0])).sum() / (2 * h)
dx = gelu_backward(dy, gelu_forward(x)[1])
along = (dy * (gelu_forward(x + h * v)[0] - gelu_forward(x - h * v)[0])).sum() / (2 * h)
assert abs(dx - d).max() < 1e-9 * abs(d).max()  # (2.10)
assert abs((dx * v).sum() - along) < 1e-9 * abs(along)  # (2.11)

# %% [markdown]
# Differences are one witness. PyTorch is another, with other mistakes to make; where both agree with a backward, little doubt
# is left. The softmax before all of them:

# %%
from albert_np.course import verify_op

verify_op("softmax")

# %% [markdown]
# And a whole model: every parameter of a small ALBERT for pretraining, in float64, through its loss. The gradient of a shared
# layer (cross-layer parameter sharing 跨层参数共享) is a sum over the layers, and here it is compared as that sum. Five of the
# reports; the last is the direction through all parameters.

# %%
from albert_np.gradcheck import check_model, randomize, small_batch, small_config
from albert_np.model import AlbertForPreTraining

model = randomize(AlbertForPreTraining(small_config(), dtype="float64"))
reports = check_model(model, small_batch(model.config), samples=3)
print(*reports[:4], reports[-1], sep="\n")
print(f"{sum(report.ok for report in reports)} of {len(reports)} right")
assert all(report.ok for report in reports)

# %% [markdown]
# And the question from the beginning. The same check, run inside program A and inside program B:

# %%
for name in "AB":
    with lesson02.program(name):
        reports = check_model(model, small_batch(model.config), samples=3)
    error = reports[-1].max_rel
    print(
        f"program {name}: {sum(report.ok for report in reports)} of {len(reports)} right; the direction's error {error:.0e}"
    )

# %% [markdown]
# The one that ended with the *lower* loss has the bug: its LayerNorms forget the way through the mean, (1.9). The starts
# were chosen for it; from most starts the right one ends lower. From one curve nobody can tell.

# %% [markdown]
# ## 10. What breaks if…
#
# **…the check runs in float32?** With the usual step a right backward looks wrong, and the best step, which differs from op to
# op, still leaves a million times the error. The package's check refuses float32 for that reason.

# %%
x, dy = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))


def softmax_error(dtype, h):
    """The error (2.10) of the right softmax backward, all in one dtype."""
    rows, upstream, h = x.astype(dtype), dy.astype(dtype), dtype(h)
    dx = softmax_backward(upstream, softmax_forward(rows)[1])
    steps = h * np.eye(x.size, dtype=dtype).reshape(-1, 3, 4)
    d = [(upstream * (softmax_forward(rows + e)[0] - softmax_forward(rows - e)[0])).sum() / (2 * h) for e in steps]
    return abs(dx.ravel() - d).max() / abs(np.array(d)).max()


for dtype in (np.float64, np.float32):
    best = min(softmax_error(dtype, h) for h in np.logspace(-7, -1, 25))
    print(f"{dtype.__name__}: with h = 1e-5 {softmax_error(dtype, 1e-5):.0e}, with the best of 25 steps {best:.0e}")
try:
    check_gradients(softmax_forward, softmax_backward, {"x": x.astype(np.float32)})
except TypeError as error:
    print("TypeError:", error)

# %% [markdown]
# **…there is a kink?** At 0, ReLU has no slope. A step across it finds something between 0 and 1, and a right backward looks
# wrong. Keep random inputs away from kinks, or take a smooth function, as ALBERT does with GELU.

# %%
from albert_np.ops import relu_backward, relu_forward

near = np.array([-1.0, 2e-6, 1.0])  # the second is nearer to 0 than h = 1e-5
d = (relu_forward(near + 1e-5)[0] - relu_forward(near - 1e-5)[0]) / 2e-5
print("claimed   ", relu_backward(np.ones(3), relu_forward(near)[1]))
print("difference", d)

# %% [markdown]
# ## 11. More: one order further, on paper and in code  (difficulty 3 of 5, 15 minutes)
#
# Call the central difference $D(h)$. With one more term than in (2.3),
#
# $$D(h) = f' + \tfrac{h^2}6 f''' + \tfrac{h^4}{120} f^{(5)} + \dots \tag{2.13}$$
#
# You may also compute $D(2h)$. **On paper:** which combination of both has no term in $h^2$? What is left of the term in
# $h^4$? And what will the best step and the floor be like, beside those of section 2?
#
# <details><summary>The derivation</summary>
#
# $D(2h) = f' + 4\cdot\tfrac{h^2}6 f''' + 16\cdot\tfrac{h^4}{120} f^{(5)} + \dots$ The term in $h^2$ is four times as large, so it is
# gone from $4D(h) - D(2h)$, and $f'$ is in there three times:
#
# $$\frac{4D(h) - D(2h)}3 = f' + \frac{4 - 16}{3\cdot120}\,h^4 f^{(5)} + \dots = f' - \frac{h^4}{30} f^{(5)} + \dots \tag{2.14}$$
#
# Rounding still goes as $\varepsilon/h$. Where $h^4/30 \approx \varepsilon/h$, the step is of the order of $\varepsilon^{1/5}$, which is
# larger than before, and the floor of that of $\varepsilon^{4/5}$, which is lower.
# </details>
# <details><summary>Hint 1: the idea</summary>
#
# Two measurements, one unknown error: eliminate it, as in a pair of linear equations.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (2.14). $D(2h)$ goes over a way of $4h$. Altogether that is four values of $f$.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# near = (f(x + h) - f(x - h)) / (2 * h)
# far = ... / ...
# return (... * near - far) / ...
# ```
# </details>


# %% tags=["exercise"]
def fourth_order_slope(f, x, h):
    """f: a number to a number; x and h numbers; returns the slope of f at x by (2.14), from four values of f."""
    raise NotImplementedError


slope_report = lesson02.check_fourth_order_slope(fourth_order_slope)

# %% [markdown]
# The errors for exp at 1, yours beside (2.3); each number is the median of 20 steps near the one that is named. Before you look:
# how many digits does one order more buy in float64?

# %%
fourth = slope_report.yours(lesson02.fourth_order_slope)


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


print("step          (2.3)    (2.14)")
for h in (1e-5, 1e-4, 1e-3, 1e-2):
    near = h * np.linspace(0.9, 1.1, 20)
    errors = [np.median([abs(slope(np.exp, 1.0, step) / np.e - 1) for step in near]) for slope in (central, fourth)]
    print(f"{h:<10}{errors[0]:9.0e}{errors[1]:10.0e}")

# %% [markdown]
# ## Three questions
#
# 1. A check is done at $x = 0$ with all weights 0, and passes. Why is that worth little?
# 2. With dropout, two runs of the same forward differ. How can it be checked at all?
# 3. A directional derivative agrees to ten digits. Could one entry of the gradient still be wrong?
#
# <details><summary>Answers</summary>
#
# 1. Zeros hide whatever they are multiplied with: a wrong factor, a transposed weight, a lost term. Check at random,
#    non-zero values.
# 2. Hold the mask fixed: put the random generator back to the same state before each run. `check_model` does that.
# 3. Only if the entry of $v$, or the error, is almost 0 there, or if several errors cancel. With a random $v$ that has
#    practically no chance; a second $v$ settles it.
# </details>
#
# ## In today's models
#
# `torch.autograd.gradcheck` is section 6, with every output in turn as the upstream gradient; its `fast_mode` goes along random
# directions, (2.11) and (2.12). JAX's `check_grads` takes directions, both ways. To combine two steps as in (2.14) is Richardson's
# extrapolation; the best step of section 2 is derived in books on numerical optimisation too, such as that of
# [Nocedal and Wright](https://doi.org/10.1007/978-0-387-40065-5), ch. 8. How automatic differentiation differs from differences
# and from symbols: [Baydin et al., 2018](https://arxiv.org/abs/1502.05767).
#
# Large models are trained with backwards that somebody wrote by hand: kernels that fuse attention, such as FlashAttention
# ([Dao et al., 2022](https://arxiv.org/abs/2205.14135)), come with their own. They are tested much as here, against a plain version
# in higher precision and with random upstream gradients. And losses that fall in spite of a bug are not a thing of small models:
# notebook 04, section 9, has one that widely used training programs carried for years.
#
# Next: [03, Linear and GELU](03_linear_gelu.ipynb): the first two backwards that you derive yourself.

# %% [markdown]
# # Lab 1 · Slopes
#
# **4 hours, 100 points.** You need notebooks 01 (shapes), 02 (trusting a gradient) and 03 (linear and GELU). You will
#
# * write the backward of any product of two arrays that `einsum` can say,
# * write a gradient check that neither raises false alarms nor lets a mistake through,
# * derive the slopes of an activation that learns its own bend, and of a gate,
# * say which step is best for a function, and why.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $\bar y$ `dy` | the shape of $y$ | the gradient of some number $L$ by the output; `da` is that by the input $a$ |
# | $h$ | a number | the step of a difference |
# | $\sigma(z)$ | – | $1 / (1 + e^{-z})$ |
# | $\beta$ | (H) | a number for each feature, learned |
#
# **How an answer is looked at.** The cell under each exercise checks your function and says what it found. The check knows
# the forward function alone, draws new numbers and a random upstream gradient, in float64, for several shapes, and compares
# with finite differences. It also looks at what is easily forgotten: arguments stay as they are, float32 in gives float32
# out, and one large case must be right within two seconds of processor time.

# %%
import numpy as np

from albert_np.labs import check

# %% [markdown]
# Your own numbers, for the written questions.

# %% lab="personal"
PERSONAL = {"rate": 8, "place": 0.9, "beta": 0.6, "x": 0.2}

# %% [markdown]
# ## 1. Any product of two arrays, backward (25 points)
#
# `np.einsum("bij,jk->bik", a, b)` multiplies numbers of `a` and `b` and sums over the indices that the result does not have:
#
# $$y_{bik} = \sum_j a_{bij}\,b_{jk}$$
#
# A linear layer, scores, a weighted sum of values, an outer product: all are such products. So one backward does for all
# of them. The rule of notebook 01 is all that is needed: what was copied on the way forward is summed on the way back, and
# what was summed is copied. Some specs have an index that one array has alone and the result has not, as $j$ in
# `"ijk,k->i"`; there the gradient is copied along it. No array has an index twice, and `...` does not occur.


# %% lab="answer" id="einsum_backward"
def einsum_backward(dy, spec, a, b):
    """Return da and db of np.einsum(spec, a, b), in the shapes of a and b; dy in the shape of the result."""
    ### BEGIN SOLUTION
    inputs, result = spec.split("->")
    indices_a, indices_b = inputs.split(",")

    def gradient(own, other, array, shape):
        known = "".join(index for index in own if index in result + other)
        met = np.einsum(f"{result},{other}->{known}", dy, array)
        lost = tuple(axis for axis, index in enumerate(own) if index not in known)
        return np.broadcast_to(np.expand_dims(met, lost), shape).copy()

    return gradient(indices_a, indices_b, b, a.shape), gradient(indices_b, indices_a, a, b.shape)
    ### END SOLUTION


# %% lab="check" id="einsum_backward"
check("01", "einsum_backward", einsum_backward)

# %% [markdown]
# ## 2. A gradient check of your own (25 points)
#
# Two functions.
#
# `differences` estimates the gradient of $f$, a function of an array that returns a number, from evaluations of $f$ at a
# distance of $h$ and $2h$. Its error must be of fourth order: with half the step, a sixteenth of the error.
#
# `trust` says whether somebody's gradient is right. It is shown right and wrong ones, of functions whose numbers are near 1,
# near $10^6$ or near $10^{-7}$; mistakes may be in one number only, and as small as a thousandth of the largest. It must
# neither refuse a right gradient nor trust a wrong one. `x` may be an array of integers, and it may have any shape. Both
# functions leave it exactly as it was.


# %% lab="answer" id="trust"
def differences(f, x, h):
    """Return the slopes of f at x, an array in the shape of x, with an error of the order of h⁴; f(x) is a number."""
    ### BEGIN SOLUTION
    x = np.array(x, float)
    slopes = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        before = x[index]
        values = []
        for shift in (-2, -1, 1, 2):
            x[index] = before + shift * h
            values.append(f(x))
        x[index] = before
        slopes[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    return slopes
    ### END SOLUTION


def trust(f, x, gradient):
    """Return whether `gradient`, an array in the shape of x, is the gradient of f at x."""
    ### BEGIN SOLUTION
    expected = differences(f, x, 1e-3)
    error = np.abs(gradient - expected).max()
    return bool(error <= 1e-6 * np.abs(expected).max())
    ### END SOLUTION


# %% lab="check" id="trust"
check("01", "trust", differences, trust)

# %% [markdown]
# ## 3. Swish with a learned β, backward (20 points)
#
# $$y = x\,\sigma(\beta x)$$
#
# For $\beta \to \infty$ it is ReLU, for $\beta = 0$ a straight line, and $\beta = 1.702$ is nearly GELU. Each feature learns
# a $\beta$ of its own. `x` may be far from 0, where $\sigma$ is 0 or 1: no NaN may come out.


# %% lab="answer" id="swish_backward"
def swish_backward(dy, x, beta):
    """Return dx (…, H) and dbeta (H,) of y = x σ(β x); dy and x (…, H), beta (H,)."""
    ### BEGIN SOLUTION
    z = beta * x
    sigma = 0.5 * (1 + np.tanh(0.5 * z))
    slope = sigma * (1 - sigma)  # of σ at z
    dx = dy * (sigma + z * slope)
    dbeta = (dy * x * x * slope).reshape(-1, x.shape[-1]).sum(axis=0)
    return dx, dbeta
    ### END SOLUTION


# %% lab="check" id="swish_backward"
check("01", "swish_backward", swish_backward)

# %% [markdown]
# ## 4. A gate, backward (10 points)
#
# Many feed-forward layers since ALBERT have two branches, one of which opens and shuts the other, number by number:
#
# $$y = u \cdot \mathrm{silu}(v), \qquad \mathrm{silu}(v) = v\,\sigma(v)$$


# %% lab="answer" id="gate_backward"
def gate_backward(dy, u, v):
    """Return du and dv of y = u · v σ(v); all of one shape."""
    ### BEGIN SOLUTION
    sigma = 0.5 * (1 + np.tanh(0.5 * v))
    du = dy * v * sigma
    dv = dy * u * sigma * (1 + v * (1 - sigma))
    return du, dv
    ### END SOLUTION


# %% lab="check" id="gate_backward"
check("01", "gate_backward", gate_backward)

# %% [markdown]
# ### What a right answer shows
#
# The error of three estimates of the slope of $e^x$ at 1, against the step. To the right the formula's own error falls, the
# steeper the higher its order; to the left rounding rises, for all alike. The valley is the best that a formula can do.

# %% lab="figure"
from albert_np.plots import COLOURS, legend, new_figure, plain, show

steps = 10.0 ** np.linspace(-14, 0, 57)
at = np.array([1.0])


def exponential(x):
    return float(np.exp(x[0]))


estimates = {
    "one-sided": [(exponential(at + h) - exponential(at)) / h for h in steps],
    "central": [(exponential(at + h) - exponential(at - h)) / (2 * h) for h in steps],
    "yours, of fourth order": [differences(exponential, at, h)[0] for h in steps],
}
figure, ax = new_figure(6, 3.6)
for (name, slopes), colour, style in zip(
    estimates.items(), ("vermillion", "orange", "blue"), ("-.", "--", "-"), strict=True
):
    ax.loglog(steps, np.abs(np.array(slopes) / np.e - 1) + 1e-17, style, color=COLOURS[colour], label=name)
ax.set(xlabel="step h", ylabel="relative error")
ax.minorticks_off()
plain(ax)
legend(ax)
show(
    figure,
    "L1.1",
    "The error of three differences against their step.",
    "Three valleys of error against step: the one-sided difference's is the shallowest, that of fourth order the deepest and at the largest step.",
)

# %% [markdown]
# ### For the board: six evaluations
#
# No points. Estimate the slope of a function of one number with at most six evaluations. The board has the mean relative
# error over these ten functions. Which formula, and which step?


# %% lab="figure"
def with_six(f, x):
    """Return the slope of f at x, both numbers, from six evaluations of f or fewer."""
    ### BEGIN SOLUTION
    h = 8e-3
    near, middle, far = (f(x + k * h) - f(x - k * h) for k in (1, 2, 3))
    return (45 * near - 9 * middle + far) / (60 * h)
    ### END SOLUTION


# %% lab="figure"
functions = [
    (lambda x, a=a: np.sin(a * x) + np.exp(x / a), lambda x, a=a: a * np.cos(a * x) + np.exp(x / a) / a)
    for a in range(1, 11)
]
print(f"{np.mean([abs(with_six(f, 0.7) / slope(0.7) - 1) for f, slope in functions]):.1e}")

# %% [markdown] lab="written" id="step" points=12
# ## 5. The best step for a function of your own (12 points)
#
# Take $f(x) = e^{rx}$ with $r$ = {{rate}}, at $x$ = {{place}}, in float64 ($\varepsilon = 2.2 \cdot 10^{-16}$ is the distance
# from 1 to the next number).
#
# 1. (4) Expand $f(x + h)$ and $f(x - h)$ and derive the error of the central difference up to $h^2$. Add the error of rounding,
#    $\varepsilon |f| / h$ at most, and find the step at which the sum is smallest. Give it with your number.
# 2. (3) The same for fourth order, whose error is $h^4 f^{(5)}(x)/30$ and whose rounding is at most
#    $\tfrac32\,\varepsilon |f| / h$. By which factor is its smallest error smaller?
# 3. (2) Neither step depends on $x$ here. Why not, and for which other functions would it?
# 4. (3) A loss of 2.3 is computed in float32 ($\varepsilon = 1.2\cdot10^{-7}$). One gradient is 0.001. What does a central
#    difference with $h = 10^{-3}$ make of it at worst, and what would you do?

# %% [markdown] lab="solution"
# 1. $f(x \pm h) = f \pm hf' + \tfrac{h^2}2 f'' \pm \tfrac{h^3}6 f''' + …$; the even terms cancel, so the error is $h^2 f'''/6$.
#    $E(h) = h^2 |f'''|/6 + \varepsilon|f|/h$; $E' = 0$ gives $h^3 = 3\varepsilon |f|/|f'''| = 3\varepsilon/r^3$.
# 2. $E(h) = h^4 |f^{(5)}|/30 + \tfrac32\varepsilon|f|/h$; $h^5 = \tfrac{45}{4}\,\varepsilon/r^5$. The next cell has the numbers.
# 3. $f'''/f = r^3$ everywhere, as $e^{rx}$ is its own derivative but for a factor. For $x^3$ or $\sin x$ it would depend on $x$.
# 4. Rounding alone is up to $\varepsilon |f|/h = 1.2\cdot10^{-7}\cdot 2.3/10^{-3} \approx 2.8\cdot10^{-4}$: a quarter of the gradient.
#    Compute in float64, or compare along a direction in which the slope is large.

# %% lab="solution"
eps, r = 2.2e-16, PERSONAL["rate"]
f = np.exp(r * PERSONAL["place"])
two, four = np.cbrt(3 * eps) / r, (45 / 4 * eps) ** 0.2 / r
error_two = two**2 * r**3 * f / 6 + eps * f / two
error_four = four**4 * r**5 * f / 30 + 1.5 * eps * f / four
print(
    f"h = {two:.1e} and {four:.1e}; errors {error_two:.1e} and {error_four:.1e}, a factor of {error_two / error_four:.0f}"
)

# %% [markdown] lab="written" id="beta" points=8
# ## 6. What β learns from (8 points)
#
# 1. (3) Derive $\partial y/\partial \beta$ of $y = x\,\sigma(\beta x)$, beginning with $\sigma' = \sigma(1 - \sigma)$. Give it for
#    $\beta$ = {{beta}}, $x$ = {{x}} to three digits.
# 2. (2) For which $x$ is it largest in size, and why do very large and very small $x$ teach $\beta$ nothing? (An equation for
#    $z = \beta x$ is enough; solve it to one digit.)
# 3. (3) A batch has 32 sentences of 128 tokens. A colleague returns the mean over them instead of the sum. His check, with one
#    token, passes. What does training do with plain SGD, and what with Adam?

# %% [markdown] lab="solution"
# 1. $\partial y/\partial\beta = x\,\sigma'(\beta x)\,x = x^2 \sigma(1 - \sigma)$. The next cell has the number.
# 2. With $z = \beta x$ it is $z^2\sigma(z)(1-\sigma(z))/\beta^2$, the same for $\pm z$. The derivative vanishes where
#    $2/z = 2\sigma(z) - 1 = \tanh(z/2)$, so $z \approx \pm 2.4$. Far from 0, $\sigma'$ falls like $e^{-|z|}$; near 0, $x^2$ does.
# 3. The gradient is 1/4,096 of the right one: with SGD β hardly moves; Adam divides by the gradient's own size, so that nearly
#    nothing changes until ε matters. With one token sum and mean are equal.

# %% lab="solution"
z = PERSONAL["beta"] * PERSONAL["x"]
sigma = 1 / (1 + np.exp(-z))
print(f"∂y/∂β = {PERSONAL['x'] ** 2 * sigma * (1 - sigma):.3g}")

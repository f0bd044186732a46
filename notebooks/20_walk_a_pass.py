# %% [markdown]
# # 20 · Walk a pass
#
# **40 minutes.** You need: notebooks 05 (LayerNorm), 10 (the encoder layer), 11 (sharing). You will be able to
#
# * walk through every op of a trained ALBERT, forward and back, and open any number into its terms,
# * say which step of the backward pass belongs to which step of the forward pass, and why sums become copies,
# * let a referee check a backward pass of your own, and read off the first gradient in it that is wrong.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x_k$ | | what step $k$ of the pass computes |
# | $\mathrm{d}x_k$ | as $x_k$ | gradient of the loss with respect to it |
# | $W$, $\mathrm{d}W^{(i)}$ | as $W$ | a shared weight, and what layer step $i$ adds to its gradient |
# | $v$ | as $x_k$ | a direction in which numbers are moved |
# | $h$ | | how far |

# %% [markdown]
# ## 1. Record a pass
#
# The model below is tiny: eight positions, eight wide, three steps of one shared layer. In 400 updates it has learned that
# what barks is mostly a dog. `explore` runs one pass, forward and back, on arrays that **write down what is done to
# them**, and makes a page of what they wrote.
#
# **Predict** before you run the cell: a layer step has ten ops (which?). How many stops will the walk have, there and back?

# %%
from albert_np.explore import explore_toy

walk = explore_toy()
walk

# %% [markdown]
# The page works by itself: click into it, then go on with <kbd>→</kbd>; <kbd>M</kbd> jumps between an op and its
# backward; <kbd>Tab</kbd> leads into a matrix, <kbd>Enter</kbd> opens a number; <kbd>?</kbd> shows all keys. If you see
# nothing above, your viewer runs no scripts: `albert-np explore --toy` opens the same page in a browser.
#
# Three walks to take, each with a question to answer on the way:
#
# 1. **Forward to "step 3 · softmax".** Go along the row [MASK] of either head: which word does the masked place look at most?
# 2. **Press M at the last LayerNorm of step 1.** Add up a row of `dx` in your head, roughly. Why must it be nothing (5.7)?
# 3. **Back to "step 2 · widen", `dweight`, tab "Sums".** Which of the three steps says most about this weight?

# %% [markdown]
# ## 2. What the walk is made of
#
# Each stop is an op, forward or backward. Between them stand two that no formula shows: where an array has two readers it
# is *copied*, and where two arrays meet they are *added*. Count the kinds, there and back.

# %%
from collections import Counter

stops = walk.data["stops"]
for phase in ("forward", "backward"):
    labels = Counter(stop["label"].split(":")[0] for stop in stops if stop["phase"] == phase)
    print(f"{phase:<9}", dict(labels.most_common()))

# %% [markdown]
# Ops go back as themselves. The others change names: **a copy goes back as a sum, a sum as a copy**, and a pick as a
# scatter. (There are nine sums and seven copies back: the two sums of the embeddings go back as one copy of three, and the
# sum of the two losses needs none.) It is the chain rule for a number that is used twice. With $y = f(x)$ and $z = g(x)$,
#
# $$\mathrm{d}x = f'(x)\,\mathrm{d}y + g'(x)\,\mathrm{d}z \tag{20.1}$$
#
# and it is all there is to residuals, to tied weights and to sharing. The page finds the mirror of each stop by following
# the gradients, not by counting: here are the stops of one layer step with theirs.

# %%
step = [i for i, stop in enumerate(stops) if stop["block"][0] == "step 2" and stop["phase"] == "forward"]
for i in step:
    mirror = stops[i]["mirror"]
    print(f"{i:4} {stops[i]['label']:<26} ← {mirror:4} {stops[mirror]['label']}")

# %% [markdown]
# A whole pass in one picture: above, how large the numbers are that each forward stop makes; below each, how large the
# gradients are that its mirror makes. **Predict**: do the gradients shrink on their way from the loss to the words?

# %%
import numpy as np

from albert_np.course.figures import walk_figure
from albert_np.plots import show

rows, values = walk.data["rows"], walk.program.values
sizes = [float(np.sqrt(np.square(values[row.out[0]].array).mean())) for row in walk.program.rows]
show(
    walk_figure(stops, rows, sizes),
    "20.1",
    "Every stop of a pass: the size of what it makes, and of the gradient that its mirror makes.",
    "Bars for each stop of the tiny model's pass. Above, the size of what the forward stops make; below, on a "
    "logarithmic scale, the size of the gradients that their mirrors make.",
)

# %% [markdown]
# They do not: the copies around the branches carry the gradient back as it is. In this model it is smallest in the middle
# and grows again at the words. In each step the scores and the probabilities have the smallest.

# %% [markdown]
# ## 3. One weight, three steps
#
# The layer's weights are shared by three steps, so each of its gradients is a sum of three (11.3):
#
# $$\mathrm{d}W = \sum_{i=1}^{L} \mathrm{d}W^{(i)} \tag{20.2}$$
#
# The page shows the terms side by side under "Sums". Here they are as arrays, last step first, since backward begins
# there. **Predict**: do the three point the same way?

# %%
name = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight"
terms = walk.contributions(name)
total = sum(terms)
for i, term in zip((3, 2, 1), terms, strict=True):
    cosine = (term * total).sum() / np.linalg.norm(term) / np.linalg.norm(total)
    print(f"step {i}: ‖dW‖ = {np.linalg.norm(term):.4f}, cosine with the sum {cosine:+.2f}")

# %% [markdown]
# And the matrix that is used twice, first to look words up and last for the scores of all words (12.7): two terms. The
# decoder's touches every row, the look-up's only those of the words that occur.

# %%
for term, use in zip(
    walk.contributions("albert.embeddings.word_embeddings.weight"), ("decoder", "lookup"), strict=True
):
    print(
        f"{use:<8} ‖dE‖ = {np.linalg.norm(term):.4f}, rows that are not zero: {np.abs(term).any(axis=1).sum()} of {len(term)}"
    )

# %% [markdown]
# ## 4. "Is it true?"
#
# The button under a number moves it, runs the model again and compares the slope with the gradient. For a whole array one
# moves along a direction $v$ and uses two steps, $h$ and $h/2$, so that the error of order $h^2$ drops out (02 derives it):
#
# $$\langle \mathrm{d}x, v\rangle \approx \frac{4\,s(h/2) - s(h)}{3}, \qquad
# s(h) = \frac{\mathcal{L}(x + h v) - \mathcal{L}(x - h v)}{2h} \tag{20.3}$$
#
# Below for every value whose gradient the pass computed; `replay` computes the pass anew with one array changed.

# %%
from albert_np.explore import replay


def slope(value, v, h):
    """s(h) of (20.3) for one of the walk's values."""
    x = values[value].array
    up, down = (replay(walk.program, {value: x + sign * h * v})[walk.program.loss] for sign in (1, -1))
    return (up - down) / (2 * h)


rng = np.random.default_rng(0)
worst = 0.0
for value, gradient in walk.program.gradient_of.items():
    v = rng.standard_normal(values[value].array.shape)
    expected = (4 * slope(value, v, 5e-4) - slope(value, v, 1e-3)) / 3
    worst = max(worst, abs((values[gradient].array * v).sum() - expected) / max(abs(expected), 1e-4))
print(f"{len(walk.program.gradient_of)} gradients, worst relative difference {worst:.0e}")
assert worst < 1e-5

# %% [markdown]
# ## 5. How it is recorded
#
# Notebook 19 made an array type that stands in for a GPU. The recorder is another one: its arrays belong to a backend named
# "tape", and `array_module` leads every function to it. What a pair of `ops` does is one step of the tape; what happens
# between pairs is a step each.

# %%
from albert_np.explore import Tape, TapeArray

tape = Tape()
x = TapeArray(np.arange(6.0).reshape(2, 3))
tape.add(x, live=True)
with tape.running():
    y = (x - x.mean(axis=-1, keepdims=True))[:, :2] * 10
for step in tape.steps:
    print(f"{step.name:<8} makes {tape.values[step.results[0]].array.tolist()}")

# %% [markdown]
# ## 6. The referee
#
# The page knows the formula of each op for itself. So it can tell which op did not compute it. Plant a bug: forget the
# projection in softmax's backward (4.5), as everybody does once.

# %%
from albert_np import ops

right = ops.softmax_backward
ops.softmax_backward = lambda dprobs, cache: cache.probs * dprobs
try:
    print(*explore_toy().differs, sep="\n")
finally:
    ops.softmax_backward = right

# %% [markdown]
# The tiny model was trained with the bug in place, and the loss fell all the same: a wrong gradient often still trains.
#
# ## 7. Your turn: rows of a given length  (difficulty 3 of 5, 15 minutes)
#
# `explore` also takes a pair of your own. Each row of $x$ is scaled to the length $\ell_r$ that is learned for it:
#
# $$u_r = \frac{x_r}{\sqrt{\lVert x_r \rVert^2 + \varepsilon}}, \qquad y_r = \ell_r\, u_r \tag{20.4}$$
#
# Its forward function is `lesson20.unit_rows_forward`; the cache is `x, length, r, direction`. Write the backward one.
# **Name what you compute by what it is the gradient of**, `ddirection` for `direction`: the referee looks at every name that
# you give so, and says which one is the first that is wrong. A line without such a name is judged by what comes after it.
#
# <details><summary>Hint 1: the idea</summary>
#
# It is LayerNorm without the mean and with a sum for the mean: there are two ways from $x$ to $u$, the direct one and the
# one through the length.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\mathrm{d}x = r\,(\mathrm{d}u - u\,\langle \mathrm{d}u, u\rangle)$ for each row, with $r = 1/\sqrt{\lVert x\rVert^2 + \varepsilon}$.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# _, length, r, direction = cache
# ddirection = ...                 # how does y depend on direction?
# dlength = (...).sum(axis=-1)     # one number a row
# along = (...).sum(axis=-1, keepdims=True)
# dx = r * (ddirection - ...)
# return dx, dlength
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson20


def unit_rows_backward(dy, cache):
    """dy (R, C); returns dx (R, C) and dlength (R,)."""
    raise NotImplementedError


lesson20.check_unit_rows_backward(unit_rows_backward)

# %% [markdown]
# When it passes, look at it: `explore(lesson20.unit_rows_forward, unit_rows_backward, inputs)` is a page of your own pair,
# with every intermediate number.
#
# ## 8. What breaks if…
#
# **…a residual is forgotten on the way back?** Every op still computes its own formula, so none is named. But the copy has
# no sum to go back through any more, and the page shows a stop without a mirror. Predict how many such stops there are.

# %%
from albert_np import layers

whole = layers.layer_backward


def without_residual(dy, cache, g):
    ds = layers.norm_backward(dy, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
    dh = layers.feed_forward_branch_backward(ds, cache.feed_forward, g)  # ds + … is forgotten
    da = layers.norm_backward(dh, cache.attention_norm, g.scope("attention.LayerNorm."))
    return cache.pattern.spread(da) + layers.attention_branch_backward(da, cache.attention, g.scope("attention."))


layers.layer_backward = without_residual
try:
    broken = explore_toy()
finally:
    layers.layer_backward = whole
lost = [stop for stop in broken.data["stops"] if stop["label"] == "copy" and stop["mirror"] is None]
print("ops that differ:", broken.differs)
print("copies without a sum:", [stop["block"][0] for stop in lost if stop["phase"] == "forward"])

# %% [markdown]
# ## Three questions
#
# 1. The walk has a stop "copy" before attention and none before the query, key and value are taken apart. Why?
# 2. The proof of a shared weight moves the weight in all steps, or in one of them. Which gradient does each one prove?
# 3. A bug makes `dweight` of one linear wrong by 1 %, in all steps alike. Will a proof by moving an activation find it?
#
# <details><summary>Answers</summary>
#
# 1. A copy is a number with two readers. Query, key and value are different columns of one array: each number has one.
# 2. In all steps: the sum, `model.grads`. In one: that step's term of (20.2).
# 3. No: no activation's gradient depends on `dweight`. It is proved by moving the weight itself, and by the op's own check.
# </details>
#
# In today's models the walk is the same, only longer: GPT and Llama add a mask that looks back only, RMSNorm for LayerNorm
# and a gate in the feed-forward part. Their frameworks keep the same tape and go back along it; it is called reverse-mode
# automatic differentiation, and each rule in it is a pair like ours.
#
# This was the last notebook. `albert-np labs` lists exercises without solutions, for who wants to go on.

# %% [markdown]
# # 20 · Walk a pass
#
# **75 minutes.** You need: notebooks 05 (LayerNorm), 10 (the encoder layer), 11 (sharing). You will be able to
#
# * walk through every op of a trained ALBERT, forward and back, and open any number into its terms,
# * say which step of the backward pass belongs to which step of the forward pass, and why sums become copies,
# * go back along a tape: write the loop that every deep-learning framework has at its heart,
# * let a referee check a backward pass of your own, and read off the first gradient in it that is wrong.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x_k$ | | what step $k$ of the pass computes |
# | $\bar x_k$ | as $x_k$ | gradient of the loss with respect to it |
# | $W$, $\bar W^{(i)}$ | as $W$ | a shared weight, and what layer step $i$ adds to its gradient |
# | $v$ | as $x_k$ | a direction in which numbers are moved |
# | $h$ | | how far |

# %% [markdown]
# **A question from a real model.** One update of GPT-3 has gradients for 175 billion weights. Nobody derived them for that
# model. A program wrote down what the forward pass did, and went back along the list, with a rule for each kind of step. How
# long is that program? This notebook lets you look at such a list for a whole ALBERT, number by number; then you write the
# loop. It has six lines.
#
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
# $$\bar x = f'(x)\,\bar y + g'(x)\,\bar z \tag{20.1}$$
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

from albert_np import ops
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
# $$\bar W = \sum_{i=1}^{L} \bar W^{(i)} \tag{20.2}$$
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
# **Predict**, before you run the cell: of how many terms is the gradient of each of these a sum? Think of who reads it, how
# often; not of how many numbers it has.

# %%
layer = "albert.encoder.albert_layer_groups.0.albert_layers.0."
for name in (
    "albert.embeddings.position_embeddings.weight",
    "albert.embeddings.word_embeddings.weight",
    "albert.encoder.embedding_hidden_mapping_in.weight",
    f"{layer}attention.query_key_value.weight",
    f"{layer}full_layer_layer_norm.bias",
    "albert.pooler.weight",
    "predictions.bias",
):
    print(f"{len(walk.contributions(name))}  {name}")

# %% [markdown]
# ## 4. "Is it true?"
#
# The button under a number moves it, runs the model again and compares the slope with the gradient. For a whole array one
# moves along a direction $v$ and uses two steps, $h$ and $h/2$, so that the error of order $h^2$ drops out (02 derives it):
#
# $$\langle \bar x, v\rangle \approx \frac{4\,s(h/2) - s(h)}{3}, \qquad
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
# ### Your turn: back along a tape  (difficulty 3 of 5, 15 minutes)
#
# Here is the smallest tape there can be. A step says which values it read, which value it made, and how to go back through it:
# `step.back(gradient of the output)` gives a tuple with a gradient for each input. That is a *vector-Jacobian product*, and
# every `_backward` of `albert_np.ops` is one. Write what goes on between the steps: (20.1), and nothing else.
#
# <details><summary>Hint 1: the idea</summary>
#
# Keep a dictionary, value name → gradient so far. When you come to a step from behind, everybody who read its output has been
# visited: its gradient is complete.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# The first gradient of a value is stored; each further one is added. Add with `a + b`: the step "sum" gives *one* array for
# both of its inputs, and `+=` would change it for both. A step whose output got no gradient led nowhere: leave it out.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# gradients = {output: dy}
# for step in ...:
#     if ...:
#         for name, gradient in zip(step.inputs, ...):
#             gradients[name] = ...
# return gradients
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson20


def go_back(steps, output, dy):
    """steps: a list of Step(inputs, output, back), as recorded; returns value name → gradient of `output`, dy its own."""
    raise NotImplementedError


report = lesson20.check_go_back(go_back)

# %% [markdown]
# Now let it go back through something like ALBERT: three steps of one shared layer, each $x + \mathrm{gelu}(xW^\top + b)$ with a
# LayerNorm behind it. The rules are the package's ops; what connects them is yours. **Predict** how often `W` is read.

# %%
go_back = report.yours(lesson20.package_go_back)
shapes = {"x0": (5, 8), "W": (8, 8), "b": (8,), "scale": (8,), "shift": (8,)}
leaves = {name: np.random.default_rng(i).standard_normal(shape) for i, (name, shape) in enumerate(shapes.items())}


def recorded_pass(leaves):
    """Values by name, and the tape, of three shared steps."""
    found, steps = dict(leaves), []

    def run(name, output, inputs, *rest):
        found[output], cache = getattr(ops, f"{name}_forward")(*(found[i] for i in inputs), *rest)
        back = getattr(ops, f"{name}_backward")
        as_tuple = (lambda dy: back(dy, cache)) if len(inputs) > 1 else (lambda dy: (back(dy, cache),))
        steps.append(lesson20.Step(inputs, output, as_tuple))

    for i in range(3):
        run("linear", f"wide{i}", (f"x{i}", "W", "b"))
        run("gelu", f"f{i}", (f"wide{i}",))
        found[f"sum{i}"] = found[f"x{i}"] + found[f"f{i}"]
        steps.append(lesson20.Step((f"x{i}", f"f{i}"), f"sum{i}", lambda dy: (dy, dy)))
        run("layer_norm", f"x{i + 1}", (f"sum{i}", "scale", "shift"), 1e-12)
    return found, steps


upstream = np.random.default_rng(9).standard_normal((5, 8))
_, steps = recorded_pass(leaves)
gradients = go_back(steps, "x3", upstream)
print("W is read by", sum("W" in step.inputs for step in steps), "steps")
for name, leaf in leaves.items():
    v = np.random.default_rng(20).standard_normal(leaf.shape)
    up, down = ((recorded_pass(leaves | {name: leaf + h * v})[0]["x3"] * upstream).sum() for h in (1e-6, -1e-6))
    along, expected = (gradients[name] * v).sum(), (up - down) / 2e-6
    print(f"{name:<6} along a random direction {along:+.6f}, by differences {expected:+.6f}")
    assert abs(along - expected) < 1e-5 * max(1, abs(expected))

# %% [markdown]
# Nothing in your loop knows of layers, of sharing or of residuals. That one weight gets three terms and the way around a branch
# gets its share is all in one addition.
#
# ### Your turn: which bug is this?  (difficulty 3 of 5, 10 minutes)
#
# Six such loops, each with one bug, on five small tapes. You see the gradient that each gives for $x$ (or for the weight),
# as a factor of the right one. The causes stand below, in another order.

# %%
print(lesson20.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Whoever is right where every value is read once, and wrong where one is read twice, has something against the addition.
# </details>
# <details><summary>Hint 2: by hand</summary>
#
# *x read twice* is $y = 2x + 3x$. Going back, the 3 comes first. What is left if the second is dropped, if it takes the
# place of the first, if the mean is taken?
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": ..., "D": ..., "E": ..., "F": ...}   # A is wrong on one tape only: who else has that array?
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns letter → the number of its cause."""
    raise NotImplementedError


lesson20.check_which_bug(which_bug)

# %% [markdown]
# ## 6. The referee
#
# The page knows the formula of each op for itself. So it can tell which op did not compute it. Plant a bug: forget the
# projection in softmax's backward (4.5), as everybody does once.

# %%
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
# **On paper first** (10 minutes): derive $\bar x$ of one row from $\bar u$. Why is it at right angles to $x$ when
# $\varepsilon = 0$?
#
# <details><summary>A solution</summary>
#
# With $r = (\lVert x\rVert^2 + \varepsilon)^{-1/2}$ the row is $u = r\,x$, and $x$ is read twice: by the product and by $r$. The
# product gives $r\,\bar u$ and $\bar r = \langle \bar u, x\rangle$; by $\partial r/\partial x_j = -r^3 x_j$ the other way gives
# $-r^3\langle \bar u, x\rangle\, x$. With $u = r\,x$:
#
# $$\bar x = r\,\big(\bar u - \langle \bar u, u\rangle\, u\big) \tag{20.5}$$
#
# $\langle \bar x, u\rangle = r\,\langle \bar u, u\rangle (1 - \lVert u\rVert^2)$, and $\lVert u\rVert = 1$ if $\varepsilon = 0$. Of course:
# to make $x$ longer changes no $u$, so the loss has no slope in that direction.
# </details>
#
# <details><summary>Hint 1: the idea</summary>
#
# It is LayerNorm without the mean and with a sum for the mean: there are two ways from $x$ to $u$, the direct one and the
# one through the length.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (20.5) for each row: $\bar x = r\,(\bar u - u\,\langle \bar u, u\rangle)$, with $r = 1/\sqrt{\lVert x\rVert^2 + \varepsilon}$.
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
def unit_rows_backward(dy, cache):
    """dy (R, C); returns dx (R, C) and dlength (R,)."""
    raise NotImplementedError


report = lesson20.check_unit_rows_backward(unit_rows_backward)

# %% [markdown]
# What the referee says of each name in your own pair (until it has passed, the course's). To see its page, with every
# intermediate number, write `pair` alone into a cell.

# %%
from albert_np.explore import explore

unit_rows_backward = report.yours(lesson20.package_unit_rows_backward)
rng = np.random.default_rng(4)
pair = explore(lesson20.unit_rows_forward, unit_rows_backward, (rng.standard_normal((3, 4)), rng.uniform(1, 2, 3)))
for claim in pair.claims:
    print(f"{claim.name:<12} is {'' if claim.holds else 'not '}the gradient of {claim.of}")

# %% [markdown]
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
# ## In today's models
#
# * The walk is the same, only longer: GPT and Llama add a mask that looks back only (*causal*), RMSNorm for LayerNorm
#   ([Zhang and Sennrich, 2019](https://arxiv.org/abs/1910.07467)), before the branches instead of behind them (*pre-LN*,
#   [Xiong et al., 2020](https://arxiv.org/abs/2002.04745)), and a gate in the feed-forward part (*SwiGLU*,
#   [Shazeer, 2020](https://arxiv.org/abs/2002.05202)).
# * Your loop is *reverse-mode automatic differentiation*
#   ([Baydin et al., 2018](https://arxiv.org/abs/1502.05767), a survey). PyTorch records its tape while the forward pass runs;
#   JAX records it once, for all passes, and gives the list to a compiler. The rules are pairs like ours.
# * A tape keeps what its steps need, and that is most of the memory of training. To keep less and compute it again on the way
#   back is *gradient checkpointing* ([Chen et al., 2016](https://arxiv.org/abs/1604.06174)); here, `model.recompute = "layer"`.
#
# This was the last notebook. `albert-np labs` lists exercises without solutions, for who wants to go on.

# %% [markdown]
# # 04 · Softmax and cross-entropy
#
# **95 minutes**, 15 of them for section 10, which may wait. You need: notebook 02 (finite differences), 03 (linear). You will be
# able to
#
# * compute a softmax and a loss that stay finite whatever the logits are,
# * derive the softmax's Jacobian, and go backward without ever building it,
# * write the gradient of the mean cross-entropy in one step, with rows that do not count,
# * tell from the outside which mistake such a gradient has.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x$ `logits` | (…, C) | a score for each of C classes; in section 4, (R, C): R rows |
# | $p$ `probs` | as $x$ | the probabilities, softmax of $x$ over the last axis |
# | $\bar p$ `dy`, $\bar x$ `dx` | as $x$ | upstream gradient $\partial L/\partial p$, and the gradient of $x$ |
# | $\delta_{ij}$ | | 1 if $i = j$, else 0 |
# | $c_r$ `labels` | (R) | the right class of row $r$, or −100: nothing is asked there |
# | $n$ | | the number of rows that are asked |
# | $L$ `loss` | () | the mean cross-entropy |
#
# ALBERT uses softmax in two places: inside attention, over the positions that a token may look at, and in its losses, over
# 30,000 pieces of words or over two answers.
#
# **A question from a real model.** A small ALBERT was pretrained on the computer's own texts (notebook 17). It is asked for a
# hidden word, and gives each piece of its vocabulary a score, the logit. Its five highest:

# %%
import numpy as np

from albert_np import AlbertForMaskedLM, AlbertTokenizer
from albert_np.course import data_folder

folder = data_folder() / "small-albert"
tokenizer, small = AlbertTokenizer.from_pretrained(folder), AlbertForMaskedLM.from_pretrained(folder)
input_ids = np.array([tokenizer("the function returns [MASK] if there is no such key.")["input_ids"]])
scores = small(input_ids).logits[0, list(input_ids[0]).index(tokenizer.mask_token_id)]
best = np.argsort(-scores)[:5]
for piece, score in zip(tokenizer.convert_ids_to_tokens(best.tolist()), scores[best], strict=True):
    print(f"{piece:12}{score:7.2f}")

# %% [markdown]
# How many times as probable as the second is the first? And how sure is the model of the first: 10, 50, 90 %? One of the two
# questions can be answered from these numbers. Section 1 answers both.

# %% [markdown]
# ## 1. Forward
#
# $$p_i = \frac{e^{x_i}}{\sum_j e^{x_j}} \tag{4.1}$$
#
# All $p_i$ are positive and sum to 1. **By hand first.** Take $x = (0, \ln 3)$. The exponentials are 1 and 3, so
# $p = (\tfrac14, \tfrac34)$. Predict $p$ for $(100, 100 + \ln 3)$ before you run the cell.

# %%
import math

from albert_np.ops import softmax_backward, softmax_forward

for x in ([0.0, math.log(3)], [100.0, 100 + math.log(3)], [-7.0, -7.0]):
    p, cache = softmax_forward(np.array(x))
    print(np.array(x).round(3), "→", p.round(12))
cache

# %% [markdown]
# Only differences count: a number $a$ added to the whole row cancels,
#
# $$\frac{e^{x_i + a}}{\sum_j e^{x_j + a}} = \frac{e^a\,e^{x_i}}{e^a \sum_j e^{x_j}} = p_i \tag{4.2}$$
#
# On paper every $a$ is as good as any other. In a computer it is not: in float32, $e^{89}$ is already infinite, and
# infinite divided by infinite is not a number. Choose $a = -\max_j x_j$. Then the largest exponential is $e^0 = 1$, none
# can overflow, and the sum is at least 1, so nothing is divided by 0.

# %%
rows = [[0.0, 1.0], [89.0, 90.0], [-200.0, -201.0], [1e30, -1e30]]
for row in np.array(rows, dtype=np.float32):
    with np.errstate(all="ignore"):  # what (4.1) does if it is taken literally
        literal = np.exp(row) / np.exp(row).sum()
        stable = softmax_forward(row)[0]
    print(f"{row!s:24} as it stands {literal.round(4)!s:18} max subtracted {stable.round(4)}")

# %% [markdown]
# Taken literally, the second and the fourth row divide infinite by infinite, and the third, whose exponentials are all too
# small for float32, 0 by 0.
#
# $\ln\sum_j e^{x_j} = \max_j x_j + \ln\sum_j e^{x_j - \max_k x_k}$ is called **log-sum-exp**; it lies between the largest logit and
# that plus $\ln C$. With it $\ln p_i = x_i - \text{logsumexp}(x)$. Back to the hidden word: between two pieces only their
# difference counts, $p_i/p_j = e^{x_i - x_j}$. For $p_i$ itself all the logits are needed.

# %%
p, _ = softmax_forward(scores)
first, second = best[:2]
print(f"first over second: e^{scores[first] - scores[second]:.2f} = {p[first] / p[second]:.2f}")
print(
    f"log-sum-exp of the five {np.log(np.exp(scores[best]).sum()):.2f}, of all {len(p):,} {np.log(np.exp(scores).sum()):.2f}"
)
print(f"so the first has {p[first]:.0%}, all but these five together {1 - p[best].sum():.0%}")

# %% [markdown]
# What does count is how far the logits are apart. The same four logits, multiplied by four numbers: from "all the same" to
# "the largest takes nearly all". This is why attention divides its scores by $\sqrt D$ (notebook 08).

# %%
from albert_np.course.figures import softmax_scale_figure
from albert_np.plots import show

show(
    softmax_scale_figure([2.0, 1.0, 0.0, -1.0]),
    "4.1",
    "Softmax of the same four logits, times four factors.",
    "Bars of four probabilities in four panels: all 0.25 for logits times 0, and more and more in the first class as the factor "
    "grows; 0.95 for logits times 3.",
)

# %% [markdown]
# ## 2. Backward
#
# Each $p_i$ depends on each $x_j$, through the sum. Take the logarithm of (4.1), $\ln p_i = x_i - \ln\sum_k e^{x_k}$, and
# differentiate it; the last term's derivative by $x_j$ is $e^{x_j}/\sum_k e^{x_k} = p_j$:
#
# $$\frac{1}{p_i}\frac{\partial p_i}{\partial x_j} = \delta_{ij} - p_j
# \qquad\text{so}\qquad \frac{\partial p_i}{\partial x_j} = p_i\,(\delta_{ij} - p_j) \tag{4.3}$$
#
# As a matrix, with $p$ as a column:
#
# $$J = \operatorname{diag}(p) - p\,p^\top \tag{4.4}$$
#
# **By hand.** For $p = (\tfrac14, \tfrac34)$: $J_{00} = \tfrac14\cdot\tfrac34 = \tfrac3{16}$ and
# $J_{01} = -\tfrac14\cdot\tfrac34 = -\tfrac3{16}$. Predict the other two before you look.

# %%
from albert_np.course.figures import softmax_jacobian, softmax_jacobian_figure

print(16 * softmax_jacobian([0.0, math.log(3)]))

# %% [markdown]
# And for six classes. Before you look: which entries are positive, and what is the sum of a row, of a column?

# %%
logits = np.array([1.0, 0.0, 2.0, -1.0, 0.5, 1.5])
show(
    softmax_jacobian_figure(logits),
    "4.2",
    "The Jacobian of softmax for six classes, beside the probabilities it is made of.",
    "Left: six probabilities in a column, the third the largest. Right: their 6 by 6 Jacobian, a number in every cell, strongest "
    "where both probabilities are large.",
)
J = softmax_jacobian(logits)
p, _ = softmax_forward(logits)
assert np.allclose(J, np.diag(p) - np.outer(p, p))  # (4.4)
print("sums of rows:", abs(J.sum(axis=1)).max().round(12), " of columns:", abs(J.sum(axis=0)).max().round(12))

# %% [markdown]
# A probability can only grow at the cost of the others. Where $p_i$ is near 0 or near 1, its whole row is near 0: a softmax that is
# sure of itself passes hardly any gradient.
#
# **Without the Jacobian.** A vocabulary of 30,000 pieces would need a Jacobian of 900 million numbers for each token. But the
# backward pass never needs $J$, only its product with $\bar p$, a **vector-Jacobian product**. Put (4.3) into the chain rule:
#
# $$\bar x_j = \sum_i \bar p_i\,p_i\,(\delta_{ij} - p_j) = \bar p_j\,p_j - p_j\sum_i \bar p_i\,p_i $$
# $$\boxed{\;\bar x_j = p_j\,\Big(\bar p_j - \sum_i \bar p_i\,p_i\Big)\;} \tag{4.5}$$
#
# Read it: the sum is the *average* upstream gradient, weighted by the probabilities. A class whose upstream gradient is above
# the average goes up, one below it goes down. Two consequences, one for each thing that the forward pass forgets or fixes:
#
# $$\sum_j \bar x_j = 0, \qquad\text{and}\qquad \bar x = 0 \text{ if } \bar p \text{ is constant along the row} \tag{4.6}$$
#
# The first because a shift of $x$ changes nothing, by (4.2). The second because the probabilities sum to 1 whatever
# happens: $\sum_i p_i$ has no slope.

# %%
rng = np.random.default_rng(4)
x, dy = 2 * rng.normal(size=(2, 3, 6)), rng.normal(size=(2, 3, 6))
p, cache = softmax_forward(x)
dx = softmax_backward(dy, cache)
print("Σ dx of each row:", dx.sum(axis=-1).round(14).ravel() + 0.0)
print("largest |dx| for dy = 1:", abs(softmax_backward(np.ones_like(dy), cache)).max().round(14))

# %% [markdown]
# To see (4.5) with a trained model's numbers, each opened into its terms: `albert-np explore --toy --at softmax_backward`.

# %% [markdown]
# ## 3. Your turn: the backward of softmax  (difficulty 2 of 5, 10 minutes)
#
# Write (4.5) for any number of leading axes.
#
# <details><summary>Hint 1: the idea</summary>
#
# One average for each row, taken over the last axis. Subtract it, then multiply.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $p\,\big(\bar p - \operatorname{sum}(\bar p\,p)\big)$, the sum with `axis=-1, keepdims=True`, so that it broadcasts back over its row.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# average = (...).sum(axis=-1, ...)
# return probs * (... - average)
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson04


def my_softmax_backward(dy, probs):
    """dy and probs (…, C); returns dx (…, C)."""
    raise NotImplementedError


softmax_report = lesson04.check_softmax_backward(my_softmax_backward)

# %% [markdown]
# ## 4. Cross-entropy
#
# The loss of a row is the surprise at its label: $-\ln p$ of the right class. Put (4.1) in:
#
# $$\ell_r = -\ln p_{r c_r} = \ln\sum_j e^{x_{rj}} - x_{r c_r} \tag{4.7}$$
#
# log-sum-exp minus the logit of the label: how far the right class is behind what all of them have together.
#
# Use the right-hand side, with the row's maximum subtracted from all of its logits. The left-hand side first rounds a small
# $p$ to 0, and then takes its logarithm.
#
# Not every row has a label. A **masked language model (掩码语言模型)** is asked only for the few tokens that were hidden from
# it; all others carry the label −100, which says "do not count this". With $n$ counted rows,
#
# $$L = \frac1n \sum_{r \text{ counted}} \ell_r, \qquad\text{and } L = 0 \text{ if } n = 0 \tag{4.8}$$
#
# The empty case is a convention. A mean over nothing is $0/0$; PyTorch answers NaN, and one such batch would spoil every weight.
#
# **By hand.** Logits $(0, \ln 3)$ and label 0: $p_0 = \tfrac14$, so $\ell = \ln 4 = 1.386$. With label 1 it is $\ln\tfrac43 = 0.288$.
# Predict the mean of the two, and of the two together with an ignored row.

# %%
from albert_np.ops import cross_entropy_backward, cross_entropy_forward

logits = np.array([[0.0, math.log(3)]] * 3)
for labels in ([0, -100, -100], [-100, 1, -100], [0, 1, -100], [-100, -100, -100]):
    loss, cache = cross_entropy_forward(logits, np.array(labels))
    print(f"labels {labels!s:22} loss {loss + 0.0:.4f}   counted {cache.counted}   divided by {cache.denominator}")

# %% [markdown]
# With nothing counted the package divides by 1, not by 0: it takes $\max(1, n)$.
#
# Two numbers to remember: a model that knows nothing gives every class the same probability, and its loss is
# the logarithm of their number. A pretraining run of ALBERT begins near them, or something is wrong. The second
# belongs to sentence-order prediction (句序预测): are these two segments in order, or swapped?

# %%
for name, classes in (("masked tokens", 30_000), ("order of two segments", 2)):
    loss, _ = cross_entropy_forward(np.zeros((4, classes)), np.array([0, 1, 1, 0]))
    print(f"{name:22} loss {loss:.4f}, ln {classes} = {math.log(classes):.4f}")

# %% [markdown]
# ## 5. Backward, fused
#
# One could go through $p$: the gradient of (4.7) by $p$ is $-1/p$ at the label and 0 elsewhere, then (4.5). It works on
# paper and divides by zero in a computer. Differentiate the right-hand side of (4.7) instead. The derivative of
# $\ln\sum_k e^{x_{rk}}$ by $x_{rj}$ is $p_{rj}$, as above, and that of $x_{rc_r}$ is 1 at the label:
#
# $$\boxed{\;\frac{\partial L}{\partial x_{rj}} = \frac1n\,\big(p_{rj} - \delta_{j c_r}\big)
# \text{ in counted rows, } 0 \text{ in the others}, \qquad \sum_j \frac{\partial L}{\partial x_{rj}} = 0\;} \tag{4.9}$$
#
# Probabilities minus the right answer, divided by the number of questions. No logarithm and no division by $p$ is left.

# %%
from albert_np.course.figures import two_ways_figure

show(
    two_ways_figure(),
    "4.3",
    "Two ways back from the loss to the logits: step by step, with a division by p, and at once.",
    "logits, then softmax, then the negative logarithm at the label, then the loss L. Back: 1/n, then -1/p, then (4.5); "
    "or in one long arrow from L to the logits: p minus 1 at the label, over n.",
)

# %% [markdown]
# **By hand.** $p = (\tfrac14, \tfrac34)$ with label 0: the gradient is $(\tfrac14 - 1,\ \tfrac34) = (-\tfrac34, \tfrac34)$. Going
# *against* it raises the first logit and lowers the second. In the picture, six rows of five classes, two of them ignored.
# Predict the gradient of row 3, which is nearly sure, and right.

# %%
from albert_np.course.figures import loss_gradient_figure

logits = np.random.default_rng(7).normal(size=(6, 5)).round(1)
logits[3] = [0, 0, 0, 0, 5]
labels = np.array([2, -100, 0, 4, 1, -100])
show(
    loss_gradient_figure(logits, labels),
    "4.4",
    "Probabilities and the gradient of the loss; the labels are framed.",
    "Two tables of six rows and five classes: probabilities, with the label of four rows framed, and their "
    "gradient, with the same frames; two rows are ignored.",
)

# %% [markdown]
# Three classes fit into one picture. The three probabilities of a row are a point of a triangle, the **simplex**: a corner is
# certainty, the middle is "all the same". On the left, three rows of logits times a growing factor; dots at 1, 2 and 4. On
# the right, one step of learning: logits minus 0.4 times their gradient (4.9), with label 1. Before you look: where does $p$
# move least, and is the *gradient* small there?

# %%
from albert_np.course.figures import simplex_figure

show(
    simplex_figure([[1.0, 0.5, -1.0], [-0.5, 1.0, 0.2], [-1.0, 0.9, 1.0]], 1),
    "4.5",
    "The simplex of three classes: what a factor on the logits does, and what a step of learning does.",
    "Left: three lines from the middle of a triangle towards its corners or along a side. Right: many arrows of different lengths "
    "in the triangle, all of them towards corner 1.",
)

# %% [markdown]
# Arrows are short near corner 1, where nothing is left to learn, and along the opposite side, where everything is. There the
# gradient of the logits is as large as it gets, $-1$ at the label; but where $p_1$ is near 0 its row of the Jacobian is too (4.4),
# and $p_1$ hardly moves for a step of the logits. The logits move on at full speed, and after some steps $p$ follows. Section 9
# shows a loss for which it does not.

# %% [markdown]
# ## 6. Your turn: the backward of the mean cross-entropy  (difficulty 3 of 5, 15 minutes)
#
# Write (4.9), times the upstream gradient `dloss`, which is one number. Mind the three traps: −100 is no index of a class, the
# divisor is $n$ and not R, and $n$ may be 0.
#
# <details><summary>Hint 1: the idea</summary>
#
# Copy the probabilities, take 1 away at each label, make the ignored rows zero, scale. To be able to index with them, replace
# the labels −100 by any class: those rows become zero anyway.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `probs[np.arange(R), labels]` is one entry from each row. The factor is $\bar L / \max(1, n)$ with $n$ the number of labels that are
# not −100.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# counted = labels != -100
# dlogits = probs.copy()
# dlogits[np.arange(len(labels)), ...] -= 1   # which column, where the label is -100?
# dlogits[...] = 0
# return dlogits * (dloss / ...)              # and if nothing is counted?
# ```
# </details>


# %% tags=["exercise"]
def my_cross_entropy_backward(dloss, probs, labels):
    """dloss a number, probs (R, C), labels (R,) with -100 where nothing is asked; returns dlogits (R, C)."""
    raise NotImplementedError


cross_entropy_report = lesson04.check_cross_entropy_backward(my_cross_entropy_backward)

# %% [markdown]
# ## 7. Your turn: which loss is this?  (difficulty 3 of 5, 10 minutes)
#
# Seven people wrote section 6, each with one mistake. All seven return an array of the right shape, and all seven would train
# something. Six rows, two of them ignored, go through their hands:
#
# | column | what it says |
# |---|---|
# | row sums | the largest sum of a counted row |
# | ignored | the largest number in an ignored row |
# | each number | is every number the right one, times one factor? |
# | rows twice | what happens to a row's gradient if every row comes twice |
# | dloss = 2 | what happens to the answer if `dloss` is doubled |
# | none | the largest number if every row is ignored |
# | p = 0 | the label's gradient in a row that is sure and wrong: $p = (1, 0, 0)$, label 1 |
#
# Name the cause of each, 1 to 7.

# %%
print(lesson04.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Compare each row with the first, and look for what is different. Three of the seven differ in one column alone.
# </details>
# <details><summary>Hint 2: the factors</summary>
#
# Six rows, four of them counted. What is 4, and what 4/6? If every row comes twice, twice as many are counted, and in a
# mean each has half the weight.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": ..., "D": 2, "E": ..., "F": ..., "G": ...}
# ```
# </details>


# %% tags=["exercise"]
def which_loss():
    """Returns a dictionary from "A" to "G" to the number of the cause, 1 to 7."""
    raise NotImplementedError


lesson04.check_which_loss(which_loss)

# %% [markdown]
# B is the bug of every `log(p + 1e-12)`. It is right to twelve digits until a row is sure and wrong; then, where the gradient
# should be largest, it is 0.

# %% [markdown]
# ## 8. Checks
#
# Your backwards (until they have passed, the package's), in three ways: finite differences in float64 with a random upstream gradient, PyTorch values that
# are kept with the course, and PyTorch itself where it is installed.

# %%
from albert_np.course import verify_op

own_softmax = softmax_report.yours(lesson04.package_softmax_backward)
verify_op("softmax", backward=lambda dy, cache: own_softmax(dy, cache.probs))

# %%
own_cross_entropy = cross_entropy_report.yours(lesson04.package_cross_entropy_backward)


def of_the_cache(dloss, cache):
    """The package's cache holds a label 0 where a row is not counted; yours expects -100."""
    return own_cross_entropy(dloss, cache.probs, np.where(cache.counted, cache.labels, -100))


verify_op("cross_entropy", backward=of_the_cache)

# %% [markdown]
# Formula and package, side by side on random rows. The softmax's gradient is compared with the product by the whole Jacobian
# (4.4) as well, one row at a time, which only small C allow.

# %%
x, dy = 2 * rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
p, cache = softmax_forward(x)
dx = softmax_backward(dy, cache)
assert np.allclose(p, np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True), rtol=1e-12)  # (4.1)
assert np.allclose(dx, p * (dy - (dy * p).sum(axis=-1, keepdims=True)), rtol=1e-12)  # (4.5)
assert np.allclose(dx, [(np.diag(row) - np.outer(row, row)) @ up for row, up in zip(p, dy, strict=True)])  # (4.4)

labels = np.array([5, -100, 0, 2])
loss, cache = cross_entropy_forward(x, labels)
counted = [r for r, label in enumerate(labels) if label != -100]
assert np.isclose(loss, np.mean([np.log(np.exp(x[r]).sum()) - x[r, labels[r]] for r in counted]))  # (4.7), (4.8)
formula = np.zeros_like(x)
for r in counted:
    formula[r] = (p[r] - np.eye(6)[labels[r]]) / len(counted)  # (4.9)
assert np.allclose(cross_entropy_backward(1.7, cache), 1.7 * formula, rtol=1e-12)
print("formulas and package agree")

# %% [markdown]
# ## 9. What breaks if…
#
# **…the logarithm is taken of a softmax, in two steps?** The label's probability is below the smallest float32 and becomes 0. Its
# logarithm is minus infinity, the loss is infinite, and a gradient through $-1/p$ is not a number. The fused pair gives 150 and
# a gradient that pushes as hard as any can.

# %%
x, label = np.array([[0.0, 150.0]], dtype=np.float32), np.array([0])
p, softmax_cache = softmax_forward(x)
with np.errstate(all="ignore"):
    dp = np.array([[-1 / p[0, 0], 0]], dtype=np.float32)
    print("two steps: loss", -np.log(p[0, 0]), " gradient", softmax_backward(dp, softmax_cache)[0])
loss, cache = cross_entropy_forward(x, label)
print("fused:     loss", loss, " gradient", cross_entropy_backward(1.0, cache)[0])

# %% [markdown]
# **…the loss is the squared error of $p$?** With $\tfrac12\sum_j (p_j - \delta_{jc})^2$ the upstream gradient of $p$ is
# $p - \delta$, and it has to pass (4.5). Where the softmax is sure and wrong, hardly anything gets through, and the row is
# never mended. The surprise $-\ln p$ grows as fast as the Jacobian shrinks; that is why both cancel to (4.9).

# %%
print("how sure and wrong   (4.9) at the label   squared error's")
for lead in (0.0, 2.0, 5.0, 10.0):
    p, cache = softmax_forward(np.array([[lead, 0.0, 0.0]]))
    wanted = np.array([[0.0, 1.0, 0.0]])
    print(f"p = {p[0, 1]:.0e} at it {(p - wanted)[0, 1]:20.3f} {softmax_backward(p - wanted, cache)[0, 1]:17.0e}")

# %% [markdown]
# **…a batch is cut in two and the two means are averaged?** The parts seldom have the same number of counted rows, and those in
# the emptier part would weigh more. Dividing both by the *whole* batch's number, the parts simply add up: that is what
# the argument `denominator` is for. Well-known training programs averaged the means for years (notebook 17).

# %%
x, labels = rng.normal(size=(6, 5)), np.array([1, 4, 0, -100, -100, 2])
parts = [(x[:3], labels[:3]), (x[3:], labels[3:])]
n = (labels != -100).sum()
whole = cross_entropy_forward(x, labels)[0]
averaged = np.mean([cross_entropy_forward(*part)[0] for part in parts])
added = sum(cross_entropy_forward(*part, denominator=n)[0] for part in parts)
print(f"whole batch {whole:.4f}   average of two means {averaged:.4f}   sum with the whole's n {added:.4f}")

# %% [markdown]
# ## 10. More: log-softmax  (difficulty 3 of 5, 15 minutes)
#
# Losses are often computed from the logarithms of the probabilities, which stay exact where a probability is rounded to 0:
#
# $$y_i = \ln p_i = x_i - \ln\sum_j e^{x_j} \tag{4.10}$$
#
# Backward keeps $y$ alone. First on paper: how does $y_i$ depend on $x_j$, where $i = j$ and where not? Then the gradient
# $\bar x$ from $\bar y$, and then the function.
#
# <details><summary>The derivation</summary>
#
# The first term of (4.10) gives $\delta_{ij}$. The second is the same for all $i$, and its slope is
# $e^{x_j}/\sum_k e^{x_k} = p_j = e^{y_j}$. Summed over all outputs:
#
# $$\bar x_j = \sum_i \bar y_i\,(\delta_{ij} - e^{y_j}) = \bar y_j - e^{y_j}\sum_i \bar y_i \tag{4.11}$$
# </details>
# <details><summary>Hint 1: the idea</summary>
#
# An input reaches its own output directly, and every output through the sum. Two terms.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (4.11). It divides by nothing, and takes no logarithm.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return dy - ... * dy.sum(...)
# ```
# </details>


# %% tags=["exercise"]
def my_log_softmax_backward(dy, y):
    """dy, and y = log softmax(x), (…, C) both; returns dx (…, C)."""
    raise NotImplementedError


log_softmax_report = lesson04.check_log_softmax_backward(my_log_softmax_backward)

# %% [markdown]
# The cross-entropy is log-softmax, minus its entry at the label. Its upstream gradient is then −1 at the label and 0 elsewhere, and
# (4.11) has to give $p - 1$ at the label: (4.9), by a second way. With yours:

# %%
own_log_softmax = log_softmax_report.yours(lesson04.log_softmax_backward)
y, _ = lesson04.log_softmax_forward(scores.astype(np.float64))
upstream = np.where(np.arange(len(y)) == second, -1.0, 0.0)  # if the model's second guess were the right word
fused = cross_entropy_backward(1.0, cross_entropy_forward(scores[None].astype(np.float64), np.array([second]))[1])[0]
print("largest difference of the two ways:", abs(own_log_softmax(upstream, y) - fused).max())
print(
    f"loss if the second guess were right: {-y[second]:.2f}; its gradient at first and second: {fused[best[:2]].round(3)}"
)

# %% [markdown]
# ## Three questions
#
# 1. A check of a softmax backward draws no random upstream gradient but takes ones. Which wrong answer passes?
# 2. In which row is the gradient (4.9) largest, and how large can the sum of its magnitudes be?
# 3. Attention adds $-10^{30}$, or the most negative float, to the scores that must not be looked at. What gradient do
#    those scores receive?
#
# <details><summary>Answers</summary>
#
# 1. Zero everywhere: by (4.6) that is the right answer for ones, and for no other reason. (Anything that is zero for a constant
#    passes as well.)
# 2. In a row that is sure and wrong: $p$ near 0 at the label and near 1 elsewhere. The magnitudes sum to $2(1 - p_{c})/n$, so at
#    most $2/n$: one row can never push without bound.
# 3. Exactly 0: their probability is exactly 0 (as long as one position may be looked at), and (4.5) multiplies by it.
# </details>
#
# ## In today's models
#
# Large language models end in (4.9) too. Only their labels are others: in a causal model each position's label is the next token,
# and −100 stands where nothing is asked, as in a prompt. With vocabularies of 100,000 pieces and more the logits are the
# largest array of the whole pass, so newer programs never store them: the loss and (4.9) are computed block by block
# ([Wijmans et al., 2024](https://arxiv.org/abs/2411.09009)). What makes that possible is (4.2): a softmax can be computed in
# one walk along a row, with a maximum that is corrected on the way
# ([Milakov and Gimelshein, 2018](https://arxiv.org/abs/1805.02867)), and FlashAttention does so in attention
# ([Dao et al., 2022](https://arxiv.org/abs/2205.14135)); notebook 08 has it as an exercise.
#
# Two additions are common. *Label smoothing* ([Szegedy et al., 2015](https://arxiv.org/abs/1512.00567)) asks for 0.9 at the label
# rather than 1, so that $p - 1$ can become 0 without infinite logits. The *z-loss*
# ([Chowdhery et al., 2022](https://arxiv.org/abs/2204.02311)) adds a small multiple of the squared log-sum-exp, for (4.2) leaves
# the logits free to drift. And a language model's *temperature* is the factor of figure 4.1, turned round.
#
# Next: [05, LayerNorm](05_layer_norm.ipynb).

# %% [markdown]
# # 08 · One attention head
#
# **95 minutes**, and 30 for the exercise at the end. You need: notebook 03 (matrix products and their gradients), 04
# (softmax). You will be able to
#
# * compute what one head does, for two tokens on paper and for any number in three lines,
# * say why scores are divided by $\sqrt D$, and show it,
# * derive the gradients of query, key and value, and say which tokens they come from,
# * tell from its symptoms which line of a wrong backward is wrong.
#
# **A question.** BERT-base has 144 attention heads, and nobody told any of them what to look for. Yet in one of them (layer 5,
# head 4) a mention such as "it" or "she" looks at what it stands for in [65 of 100
# cases](https://arxiv.org/abs/1906.04341). All that such a head has is three matrices of weights. How can "it" find "cat" with
# that, and where does the gradient come from that teaches it to?
#
# | symbol | shape | meaning |
# |---|---|---|
# | $Q, K, V$ `query`, `key`, `value` | (T, D) | a row for each token: what it looks for, what it can be found by, what it tells |
# | $S$ `scores` | (T, T) | how well query $i$ fits key $j$ |
# | $P$ `probs` | (T, T) | the weights: row $i$ is how token $i$ shares out its attention |
# | $C$ `context` | (T, D) | what each token has gathered |
# | $\bar C$ `dcontext` | (T, D) | upstream gradient, $\partial L/\partial C$; a bar marks gradients throughout |
# | T, D | | tokens; width of the head, `head_size` |
#
# So far every token was on its own. Attention is the only place in ALBERT where tokens exchange anything. This notebook takes
# one sentence and one head; many heads, batches and padding are the next one's. The figure is the whole of it: a number
# in blue is the equation of the way there, one in vermillion that of the way back.

# %%
from albert_np.course.figures import head_figure
from albert_np.plots import show

show(
    head_figure(),
    "8.1",
    "One head: data goes forward, gradients come back.",
    "From x three linear maps lead to query, key and value. Query and key meet in the T by T scores, softmax makes weights "
    "of them, and weights and values meet in the context. Beside each arrow runs one for the gradient, the other way.",
)

# %% [markdown]
# ## 1. Forward: three lines
#
# $$S_{ij} = \frac{1}{\sqrt D}\, Q_i\cdot K_j, \qquad S = QK^\top/\sqrt D \tag{8.1}$$
# $$P_{ij} = \frac{e^{S_{ij}}}{\sum_k e^{S_{ik}}}, \qquad \text{softmax along each row} \tag{8.2}$$
# $$C_i = \sum_j P_{ij} V_j, \qquad C = PV \tag{8.3}$$
#
# Each context is a weighted mean of the values. Its weights are positive and sum to 1.
#
# **By hand first.** Two tokens, D = 1, so that the scale is 1:
# $Q = (\ln 3,\, 0)$, $K = (1,\, 0)$, $V = (8,\, 4)$.
#
# * The first token's scores are $\ln 3$ and 0. Their exponentials are 3 and 1, so its weights are $\tfrac34$ and $\tfrac14$, and
#   its context is $\tfrac34\cdot 8+\tfrac14\cdot 4 = 7$.
# * The second token's query is 0. What are its scores, its weights, its context? Predict, then run.

# %%
import numpy as np

from albert_np.ops import attention_backward, attention_forward

query, key, value = np.array([[np.log(3)], [0.0]]), np.array([[1.0], [0.0]]), np.array([[8.0], [4.0]])
context, cache = attention_forward(query, key, value, mask=None)
print("weights\n", cache.softmax.probs)
print("context\n", context)

# %% [markdown]
# A query of 0 asks for nothing in particular. It gets the plain mean, 6.
#
# Now a sentence, with vectors made up for it. Each of the four numbers stands for something: a noun, a verb, a reason, a
# state. A key says what the token *is*, a query what it *looks for*. "it" looks for a noun, and asks louder than the others: 3
# rather than 2. Which word will get most of its attention, and about how much? Two keys have a noun in them, with 3 and 1, and
# D is 4.

# %%
from albert_np.course.figures import weights_figure

#            looks for (query)        is (key)         noun, verb, reason, state
made_up = {
    "the": ([2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
    "cat": ([0.0, 2.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]),
    "slept": ([2.0, 0.0, 2.0, 0.0], [0.0, 3.0, 0.0, 0.0]),
    "because": ([0.0, 2.0, 0.0, 2.0], [0.0, 0.0, 3.0, 0.0]),
    "it": ([3.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]),
    "was": ([0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, 0.0]),
    "tired": ([2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]),
}
query, key = (np.array(rows) for rows in zip(*made_up.values(), strict=True))  # (T, D) = (7, 4)
_, cache = attention_forward(query, key, key, mask=None)
show(
    weights_figure(list(made_up), query @ key.T / np.sqrt(4), cache.softmax.probs),
    "8.2",
    "Scores and weights of a made-up head; a row is a word that looks, a column a word it looks at.",
    "Two 7 by 7 matrices for the words the cat slept because it was tired. Scores: a few "
    "positive entries, all others 0. Weights: in each row one or two large ones, at those entries.",
)

# %% [markdown]
# Read the row of "it": its score for "cat" is $3\cdot 3/2 = 4.5$, three more than for itself, so "cat" gets $e^3 = 20$ times as
# much, 0.90 in all. This is the first half of the answer: "it" finds "cat" because the two vectors point the same way. The matrix is not symmetric, as looking for and being found are two different things:
# that is why there are queries *and* keys. In ALBERT nobody makes the vectors up. Each is a linear map of the hidden state, and
# the maps are learned. Here they are in a small model with random weights, as its caches hold them:

# %%
import albert_np as anp

config = anp.AlbertConfig(
    vocab_size=12,
    embedding_size=4,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
    initializer_range=0.3,
)
model = anp.AlbertModel(config, dtype="float64", seed=0)
model(np.array([[2, 5, 7, 9, 3]]))
self_attention = model.cache.encoder.steps[0].attention
(head,) = self_attention.heads.runs  # one run: a batch without padding to skip
print(
    "linear map of x",
    self_attention.query_key_value.x.shape,
    "by weightᵀ, weight",
    self_attention.query_key_value.weight.shape,
)
for name in ("query", "key", "value"):
    print(f"{name:6} (B, N, T, D) =", getattr(head, name).shape)
print("weights of head 0\n", head.softmax.probs[0, 0].round(3))

# %% [markdown]
# ## 2. Why √D
#
# Let the numbers in a query and a key be independent, with mean 0 and variance 1. Each product then has mean 0 and variance 1,
# and variances of independent terms add:
#
# $$\operatorname{Var}(Q_i\cdot K_j) = \sum_{d=1}^{D} \operatorname{Var}(Q_{id}K_{jd}) = D, \qquad
# \operatorname{Var}(S_{ij}) = \frac{D}{(\sqrt D)^2} = 1 \tag{8.4}$$
#
# Undivided, scores have a spread of $\sqrt D$: 8 for the base model's D = 64. Softmax turns differences of 8 into ratios
# of 3,000: one token gets nearly all the weight, by accident, before anything is learned.
#
# A number for it is the entropy of a row, $-\sum_j P_{ij}\ln P_{ij}$: $\ln T$ if all weights are alike, 0 if one has
# everything. Predict for the upper picture: at the scale $1/\sqrt D$, does the entropy still depend on D?

# %%
from albert_np.course.figures import scale_figure

show(
    scale_figure(),
    "8.3",
    "Why scores are divided by √D: the entropy of the weights, and the slope of softmax.",
    "Above: the entropy of 64 weights over the scale, a curve for each of three D, with a dot at 1/√D. Below: the "
    "slope of softmax over D, with scores divided by √D and not.",
)

# %% [markdown]
# The dots lie at one height: $1/\sqrt D$ makes heads of any width start alike. The lower picture says why a sharp start
# is bad. The slope of a weight by its own score is $p(1-p)$ (notebook 04). Where one weight is near 1 and the others
# near 0, every such slope is near 0, and hardly any gradient comes through to *that* query's scores. Section 8 counts over
# many queries.

# %% [markdown]
# ## 3. Your turn: forward  (difficulty 2 of 5, 10 minutes)
#
# Write (8.1) to (8.3), and return the weights too. Subtract each row's largest score before `exp` (notebook 04).
#
# <details><summary>Hint 1: the idea</summary>
#
# Two matrix products with a softmax between them. Softmax runs along the keys, the last axis.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $S = QK^\top/\sqrt D$; $P = e^{S-\max S}$, divided by its sum along the row; $C = PV$.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# scores = query @ ... / ...
# exponentials = np.exp(scores - ...)
# probs = exponentials / ...
# return ..., probs
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson08


def my_attention_forward(query, key, value):
    """query, key, value (T, D); returns context (T, D) and probs (T, T)."""
    raise NotImplementedError


forward_report = lesson08.check_attention_forward(my_attention_forward)

# %% [markdown]
# ## 4. Backward: the same steps, in reverse
#
# **Through the mean** (8.3). It is a product of two matrices, and both have a gradient. From $C_i = \sum_j P_{ij}V_j$,
#
# $$\bar V_j = \sum_i P_{ij}\,\bar C_i, \qquad \boxed{\;\bar V = P^\top \bar C\;} \tag{8.5}$$
# $$\bar P_{ij} = \bar C_i \cdot V_j, \qquad \bar P = \bar C\, V^\top \tag{8.6}$$
#
# **Through the softmax** (8.2), one row at a time. Notebook 04 gave
#
# $$\bar S_{ij} = P_{ij}\,\Big(\bar P_{ij} - \sum_k \bar P_{ik}P_{ik}\Big) \tag{8.7}$$
#
# The sum is the row's mean of $\bar P$, taken with the weights $P$. A score that leads to more than the mean gain is
# raised, the others are lowered, and the weights being shared out, it cancels in each row:
#
# $$\sum_j \bar S_{ij} = \sum_j P_{ij}\bar P_{ij} - \underbrace{\textstyle\sum_j P_{ij}}_{1}\,\sum_k \bar P_{ik}P_{ik}
# = 0 \tag{8.8}$$
#
# **Through the scores** (8.1). Again a product of two matrices, and the scale is a factor of both gradients:
#
# $$\bar Q_i = \tfrac{1}{\sqrt D}\sum_j \bar S_{ij} K_j, \qquad \boxed{\;\bar Q = \bar S K/\sqrt D\;} \tag{8.9}$$
# $$\bar K_j = \tfrac{1}{\sqrt D}\sum_i \bar S_{ij} Q_i, \qquad \boxed{\;\bar K = \bar S^\top Q/\sqrt D\;} \tag{8.10}$$
#
# Read the indices. A query's gradient sums over $j$: over all tokens it looked at. The gradients of a key and a value sum
# over $i$: over all tokens that looked at them. Hence the transposes in (8.5) and (8.10), and none in (8.9).
#
# **By hand**: the two tokens again, with $\bar C = (1, 2)$.
#
# * $\bar V = P^\top\bar C$: the first is $\tfrac34\cdot 1 + \tfrac12\cdot 2 = 1.75$. The second?
# * $\bar P$ has the rows $1\cdot(8, 4)$ and $2\cdot(8, 4)$. Their weighted means are 7 and 12. So the first row of
#   $\bar S$ is $(\tfrac34\cdot 1,\, \tfrac14\cdot(-3)) = (0.75, -0.75)$. The second?
# * $\bar Q = \bar S K$ with $K = (1, 0)$: the first column of $\bar S$. And $\bar K = \bar S^\top Q$ with $Q = (\ln 3, 0)$?

# %%
query, key, value = np.array([[np.log(3)], [0.0]]), np.array([[1.0], [0.0]]), np.array([[8.0], [4.0]])
_, cache = attention_forward(query, key, value, mask=None)
for name, gradient in zip(
    ("dquery", "dkey", "dvalue"), attention_backward(np.array([[1.0], [2.0]]), cache), strict=True
):
    print(f"{name:6}", gradient.ravel())
print("0.75 ln 3 =", 0.75 * np.log(3))

# %% [markdown]
# The two numbers of dkey cancel. That is no accident of this case. If one vector $a$ is added to every key, each score
# of row $i$ grows by the same $Q_i\cdot a/\sqrt D$, and softmax does not see it. So no gradient can point there:
#
# $$\sum_j \bar K_j = \tfrac1{\sqrt D}\sum_i \Big(\sum_j \bar S_{ij}\Big) Q_i = 0 \tag{8.11}$$
#
# The bias of the key's linear map is such an $a$. Its gradient is always 0.

# %%
own_forward = forward_report.yours(lesson08.package_attention_forward)
rng = np.random.default_rng(8)
query, key, value = rng.normal(size=(3, 5, 4))  # T = 5, D = 4
context, probs = own_forward(query, key, value)
dcontext = rng.normal(size=context.shape)
dkey = lesson08.package_attention_backward(dcontext, query, key, value, probs)[1]
print("Σ dkey over the keys:", abs(dkey.sum(axis=0).round(14)))

# %% [markdown]
# ### A key that nobody may look at
#
# A mask is added to the scores: 0 where a query may look, a hugely negative number where not. Softmax makes an exact 0 of it.
# From (8.5) and (8.7), if $P_{ij} = 0$ for every $i$,
#
# $$\bar V_j = \sum_i 0\cdot\bar C_i = 0, \qquad \bar S_{ij} = 0\cdot(\dots) = 0 \;\Rightarrow\; \bar K_j = 0 \tag{8.12}$$
#
# Exactly 0, not nearly: what is masked learns nothing, and teaches nothing.

# %%
mask = np.array([0.0, 0.0, 0.0, 0.0, np.finfo(np.float64).min])  # nobody looks at key 4
_, masked = attention_forward(query, key, value, mask)
_, dkey, dvalue = attention_backward(dcontext, masked)
print("weights on key 4 :", masked.softmax.probs[:, 4])
print("dkey   of key 4  :", dkey[4])
print("dvalue of key 4  :", dvalue[4])

# %% [markdown]
# ## 5. Your turn: backward  (difficulty 4 of 5, 20 minutes)
#
# Write (8.5) to (8.10). Do not edit the arrays you are given.
#
# <details><summary>Hint 1: the idea</summary>
#
# Walk back: dcontext gives dvalue and dprobs; dprobs gives dscores; dscores gives dquery and dkey. Five lines.
# If you are unsure about a transpose, let the number of queries and keys differ: one order alone fits.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\bar V = P^\top\bar C$; $\bar P = \bar C V^\top$; $\bar S = P\,(\bar P - \mathrm{rowsum}(\bar P P))$;
# $\bar Q = \bar SK/\sqrt D$; $\bar K = \bar S^\top Q/\sqrt D$. Products inside $\bar S$ are number by number.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# dvalue = ...
# dprobs = ...
# dscores = probs * (dprobs - ...)  # notebook 04
# dscores = dscores / ...
# return dscores @ ..., ..., dvalue
# ```
# </details>


# %% tags=["exercise"]
def my_attention_backward(dcontext, query, key, value, probs):
    """dcontext, query, key, value (T, D), probs (T, T); returns dquery, dkey, dvalue, (T, D) each."""
    raise NotImplementedError


report = lesson08.check_attention_backward(my_attention_backward)

# %% [markdown]
# Now as a figure: the weights, what arrives at them, and what goes on to the scores, for once by each row's whole Jacobian.

# %%
from albert_np.course.figures import backward_figure

dvalue = probs.T @ dcontext  # (8.5)
dprobs = dcontext @ value.T  # (8.6)
dscores = np.array([(np.diag(p) - np.outer(p, p)) @ dp for p, dp in zip(probs, dprobs, strict=True)])  # (8.7), by (4.4)
dquery = dscores @ key / np.sqrt(4)  # (8.9)
dkey = dscores.T @ query / np.sqrt(4)  # (8.10)
show(
    backward_figure(probs, dprobs, dscores),
    "8.4",
    "Weights, their gradient, the product of the two, and the scores' gradient.",
    "Four 5 by 5 matrices: the weights, their gradient, the product of the two, and the scores' gradient, whose rows each sum to "
    "0. Where a weight is small, the scores' gradient is small, however large the weight's gradient.",
)

# %% [markdown]
# The cell above is the whole backward pass, and yours (until it has passed, the package's) computes the same.

# %%
own_backward = report.yours(lesson08.package_attention_backward)
for formula, own in zip((dquery, dkey, dvalue), own_backward(dcontext, query, key, value, probs), strict=True):
    assert np.allclose(formula, own, rtol=1e-12, atol=1e-12)
print("formula and function agree")

# %% [markdown]
# To walk from the scores to the context and back with a trained model's numbers: `albert-np explore --toy --at attention_forward`.

# %% [markdown]
# ## 6. Checks
#
# The package's pair works on (B, N, T, D), a batch of heads at once, with a mask. Each head is one of yours: below, your
# backward does them one after the other.

# %%
from albert_np.course import verify_op

verify_op("attention", backward=lesson08.of_each_head(own_backward))

# %% [markdown]
# ## 7. Your turn: which bug is this?  (difficulty 3 of 5, 15 minutes)
#
# Six people wrote the backward of a head, each with one mistake. You do not see their code. You see what it does to five tokens, the
# last of which nobody may look at:
#
# | column | what it says |
# |---|---|
# | dquery, dkey, dvalue | is it the right gradient, times one factor? |
# | Σ dkey | the sum over all keys, of which (8.11) says something |
# | masked | dkey of the masked key, of which (8.12) says something |
# | 3 × 5 | whether three queries with five keys run at all |
#
# D is 4. For each letter, name the cause: a number from 1 to 6. Ask of each cause what it would do to each column.

# %%
print(lesson08.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# A bug shows in what is computed after it. Which gradients does a wrong dscores reach, and which does it leave alone?
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# dvalue needs $P$ alone (8.5). dquery and dkey both need $\bar S$ (8.9, 8.10). $\sum_j\bar K_j = 0$ needs rows of $\bar S$ that
# sum to 0 (8.8), and the sum over queries in (8.10).
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": ..., "D": 1, "E": ..., "F": ...}
# ```
# Begin with the letters of which one gradient alone is wrong.
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns a dictionary from "A" to "F" to the number of the cause, 1 to 6."""
    raise NotImplementedError


lesson08.check_which_bug(which_bug)

# %% [markdown]
# B and F fail as soon as queries and keys differ in number: a test with T = 5 for both would have let their shapes pass. And
# three of the six leave Σ dkey at 0, so that no test for (8.11) alone would find them.

# %% [markdown]
# ## 8. What breaks if…
#
# **…the mask comes after the softmax?** Setting the unwanted weights to 0 afterwards looks equivalent. It is not: the
# rest no longer sums to 1, and the masked key still sits in the denominator of every row, so it gets a gradient.

# %%
keep = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
late = probs * keep
print("sums of the rows:", late.sum(axis=-1).round(3))
dprobs = dcontext @ value.T * keep
dscores = probs * (dprobs - (dprobs * probs).sum(axis=-1, keepdims=True))
print("dkey of key 4   :", (dscores.T @ query / np.sqrt(4))[4].round(3))

# %% [markdown]
# **…the scale is left out of backward alone?** Then dquery and dkey are $\sqrt D$ too large, with the right directions, and
# dvalue is right. But what flows on to the tokens is the *sum* of three paths, $\bar x = \bar Q W^Q + \bar K W^K + \bar V W^V$, and
# there two of the three count $\sqrt D$ times as much as they should:

# %%
x, maps = rng.normal(size=(64, 256)), rng.normal(size=(3, 64, 256)) / 16  # (T, H) and (3, D, H)
_, wide = attention_forward(*(x @ weight.T for weight in maps), mask=None)
gradients = attention_backward(rng.normal(size=(64, 64)), wide)
by_query, by_key, by_value = (gradient @ weight for gradient, weight in zip(gradients, maps, strict=True))
right, wrong = by_query + by_key + by_value, 8 * (by_query + by_key) + by_value  # √D = 8
lengths = np.linalg.norm(right), np.linalg.norm(wrong)
print(
    f"dx, wrong and right: cosine {(right * wrong).sum() / np.prod(lengths):.2f}, lengths as {lengths[1] / lengths[0]:.1f} : 1"
)

# %% [markdown]
# The direction is wrong too, in every layer below, though still downhill. The loss falls, and an optimizer that divides by
# the gradient's own size hides most of the rest. Only a comparison of values sees it.
#
# **…the scale is left out of both?** Then the gradient is right, and the head is badly started. How much of the
# gradient still arrives at the scores of a wide head?

# %%
T, D = 64, 1024
query, key, value = rng.normal(size=(3, T, D))
dcontext = rng.normal(size=(T, D))
for name, factor in (("divided by √D", 1.0), ("not divided", np.sqrt(D))):
    _, wide = attention_forward(query * factor, key, value, mask=None)
    probs, dprobs = wide.softmax.probs, dcontext @ value.T
    dscores = probs * (dprobs - (dprobs * probs).sum(axis=-1, keepdims=True))
    rows = np.linalg.norm(dscores, axis=-1)  # (T,), how much gradient each query's scores receive
    print(f"{name:14} median of a row's largest weight {np.median(probs.max(-1)):.3f}; of dscores, length of a row:")
    print(f"{'':14} shortest {rows.min():.0e}, median {np.median(rows):.0e}, longest {rows.max():.0f}", end="")
    print(f", root mean square {np.sqrt((rows**2).mean()):.1f}")

# %% [markdown]
# On the whole two thirds of the gradient are still there (root mean square). What changes is where it arrives. Undivided, most
# queries are sure of one key, and the median one gets hundreds of times less than it would; the few that hesitate between
# two keys get nearly all that there is.

# %% [markdown]
# ## 9. Your turn: a bias for each distance  (difficulty 3 of 5, 25 minutes)
#
# A head so far cannot tell "the word before" from any other: nothing in (8.1) to (8.3) knows where a token stands. T5 gives each
# head one learned number for each *distance* $k = j - i$ and adds it to the scores:
#
# $$S_{ij} = \tfrac1{\sqrt D}\,Q_i\cdot K_j + u_{j-i}, \qquad k = -(T-1), …, T-1 \tag{8.13}$$
#
# **On paper first.** $u_k$ is used once in each place $(i, j)$ with $j - i = k$. What is $\bar u_k$, given $\bar S$? And what is
# $\sum_k \bar u_k$, without any computation?
#
# <details><summary>The derivation</summary>
#
# $\partial S_{ij}/\partial u_k$ is 1 where $j-i=k$ and 0 elsewhere. The chain rule sums over all uses (notebook 01, eq. 1.3):
#
# $$\bar u_k = \sum_{i,j} \bar S_{ij}\,\frac{\partial S_{ij}}{\partial u_k} = \sum_{i,j\,:\,j-i=k} \bar S_{ij} \tag{8.14}$$
#
# the sum along one diagonal. The scale has no part in it: it stands on the product, and the bias is added after. All
# diagonals together are the whole matrix, whose rows sum to 0 by (8.8), so $\sum_k\bar u_k = 0$: one number added to all
# biases changes nothing.
# </details>
#
# Now write it. The first number of the result belongs to $k = -(T-1)$, the last one to $k = T-1$.
#
# <details><summary>Hint 1: the idea</summary>
#
# First $\bar S$, as in section 5 but not scaled. Then add each of its numbers to the place of its distance. Places repeat:
# what does `dbias[places] += dscores` do there? (Notebook 07 is about it.)
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# Number $(i, j)$ belongs to place $j - i + T - 1$. `np.add.at(dbias, places, dscores)` adds at repeated places;
# `np.trace(dscores, offset=k)` sums one diagonal.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# dscores = ...
# dbias = np.zeros(2 * T - 1)
# places = np.arange(T) - ... + T - 1  # (T, T)
# np.add.at(...)
# return dbias
# ```
# </details>


# %% tags=["exercise"]
def bias_gradient(dcontext, value, probs):
    """dcontext, value (T, D), probs (T, T); returns dbias (2T - 1,), from distance -(T-1) to T-1."""
    raise NotImplementedError


bias_report = lesson08.check_bias_gradient(bias_gradient)

# %% [markdown]
# **What does it teach?** Queries and keys are all 0 now, so that the bias alone decides. Each token is asked to gather the
# value of the token at its left; the loss is the squared difference, and your gradient goes down it. Predict the 15
# biases: which will be the largest, and will all others be alike?

# %%
from albert_np.course.figures import bias_figure

own_bias_gradient = bias_report.yours(lesson08.package_bias_gradient)
T, D, biases = 8, 8, np.zeros(15)
nothing = np.zeros((T, D))
for _ in range(200):
    value = rng.normal(size=(T, D))
    context, probs = lesson08.biased_attention(nothing, nothing, value, biases)
    dcontext = 2 * (context - np.roll(value, 1, axis=0)) / T  # row i of what is wanted: the value of token i - 1
    dcontext[0] = 0  # nobody stands at the left of the first token, and nothing is asked of it
    biases -= 0.2 * own_bias_gradient(dcontext, value, probs)
show(
    bias_figure(biases, probs),
    "8.5",
    "A bias for each distance, learned, and the weights that it makes.",
    "Left: 15 bars, one for each distance. Right: 8 by 8 weights.",
)

# %% [markdown]
# The bias of distance −1 has grown, and all others have paid for it, as the sum stays 0. They are not alike: a distance $k$ stands
# in $T - |k|$ places, so near ones have been pushed down more often than far ones. (The first token was asked nothing, and
# looks everywhere.)
#
# A head that looks one to the left, and nobody told it how: the gradient of what it should *bring* has taught it where to
# *look*. That is the second half of the answer to our question. A head of BERT gets its $\bar C$ from the words that were
# guessed wrongly, and (8.7) raises the score of whatever would have helped.

# %% [markdown]
# ## 10. In today's models
#
# * **Names.** What this notebook does is *scaled dot-product attention* ([Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)).
#   (8.5) to (8.10) are *vector-Jacobian products*: a vector comes in, its product with a Jacobian goes out, and the Jacobian, here
#   of $T^2$ by $TD$ numbers, is never built.
# * **FlashAttention** ([Dao et al., 2022](https://arxiv.org/abs/2205.14135)) computes the same numbers without ever holding the
#   T × T weights. It takes keys block by block, as in the exercise below, keeps one *log-sum-exp* a row, and computes the
#   weights again in the backward. Most large models are trained so.
# * **Positions.** ALBERT adds a learned embedding to the input, once. [T5](https://arxiv.org/abs/1910.10683) learns a bias for each
#   distance (far distances share one), [ALiBi](https://arxiv.org/abs/2108.12409) takes a fixed one that falls with the distance,
#   and [rotary embeddings](https://arxiv.org/abs/2104.09864), today the most common, turn query and key by an angle that grows with
#   the position, so that $Q_i\cdot K_j$ depends on $j - i$.
# * **The scale.** T5 leaves $1/\sqrt D$ out of the scores and starts with smaller query weights instead. Very large models have seen
#   scores grow in training until every row was sure of one key, and so [normalise query and key](https://arxiv.org/abs/2302.05442)
#   before the product.
# * **A head with nothing to say** has to put its weights somewhere, as they sum to 1. Trained models put them on the first token or a
#   separator: [attention sinks](https://arxiv.org/abs/2309.17453).

# %% [markdown]
# ## More exercises
#
# ### One block of keys after the other  (difficulty 4 of 5, 30 minutes, optional)
#
# A text of 100,000 tokens has $10^{10}$ weights a head. They need not all be there at once. Let the keys come in blocks, and keep three things only: the
# largest score so far $m$, the sum $l$ of $e^{s - m}$, and the weighted values $a$. A block with scores $s_j$ and values $V_j$
# may bring a larger score, $m' = \max(m, \max_j s_j)$. What was gathered was measured against $m$, and has to be measured
# against $m'$:
#
# $$l' = e^{m-m'}\,l + \sum_j e^{s_j-m'}, \qquad a' = e^{m-m'}\,a + \sum_j e^{s_j-m'}\,V_j \tag{8.15}$$
#
# and after the last block
#
# $$C = a/l, \qquad \mathrm{lse} = \ln \sum_j e^{s_j} = m + \ln l \tag{8.16}$$
#
# Before the first block $m = -\infty$: what is $e^{m-m'}$ then, and is $l$ right after one block?
#
# <details><summary>Hint 1: the idea</summary>
#
# One loop over the blocks, three variables. Do not collect the blocks: each is gone when the next one comes.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $s = Kq/\sqrt D$, then (8.15), and (8.16) after the loop. $e^{-\infty} = 0$, and `np.exp(-np.inf)` knows it.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# m, l, a = -np.inf, 0.0, 0.0
# for key, value in blocks:
#     scores = ...
#     new = max(m, ...)
#     weights = np.exp(...)
#     shrink = ...
#     m, l, a = new, ..., ...
# return ..., ...
# ```
# </details>


# %% tags=["exercise"]
def key_by_key(query, blocks):
    """query (D,), blocks yields pairs of key (S, D) and value (S, D); returns context (D,) and the log-sum-exp, a number."""
    raise NotImplementedError


stream_report = lesson08.check_key_by_key(key_by_key)

# %% [markdown]
# Your function on 200,000 keys, made as they are asked for; and the weights of any key can still be had afterwards, from the
# log-sum-exp alone, $P_j = e^{s_j - \mathrm{lse}}$. FlashAttention's backward starts from there.

# %%
own_key_by_key = stream_report.yours(lesson08.package_key_by_key)


def made_up_blocks(blocks=200, size=1000, width=16):
    stream = np.random.default_rng(9)
    for _ in range(blocks):
        yield stream.normal(size=(size, width)), stream.normal(size=(size, width))


query = np.full(16, 0.5)
context, lse = own_key_by_key(query, made_up_blocks())
total = sum(np.exp(key @ query / 4 - lse).sum() for key, _ in made_up_blocks())
print(f"200,000 weights, never all there at once; from the log-sum-exp they sum to {total:.12f}")

# %% [markdown]
# ## Three questions
#
# 1. All keys are equal. What are the weights, and what is dquery?
# 2. The tokens change places: the same rows of $Q$, $K$ and $V$ in another order. What happens to the contexts? Where,
#    then, does ALBERT know the order of words from?
# 3. What is $\sum_j \bar P_{ij}P_{ij}$ in terms of $C$? Why could that save memory?
#
# <details><summary>Answers</summary>
#
# 1. Every score of a row is the same, so all weights are $1/T$. And $\bar Q_i = \tfrac1{\sqrt D}\sum_j\bar S_{ij}K = 0$ by
#    (8.8): whatever it asks, it gets the same answer.
# 2. They change places in the same way; none changes its value. Order enters through the position embeddings alone
#    (notebook 07).
# 3. $\sum_j (\bar C_i\cdot V_j)P_{ij} = \bar C_i\cdot C_i$. It needs no T × T matrix, only the context, so a backward that works
#    block by block can have it before it starts.
# </details>
#
# Next: [09, many heads and masks](09_heads_masks.ipynb): many heads side by side, and padding.

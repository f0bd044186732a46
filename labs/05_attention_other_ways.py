# %% [markdown]
# # Lab 5 · Attention, other ways
#
# **4 hours, 100 points.** You need notebooks 08 (one attention head) and 09 (many heads and masks). ALBERT learns a vector
# for each position and adds it to the word's. Here are four things that models after it do instead or besides. You will
#
# * write the backward of a table that is read at many places,
# * turn pairs of numbers by their position, and turn gradients back,
# * let several query heads share a key head, and fold their gradients,
# * give a softmax a mask under which some rows may look nowhere at all.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $Q$, $K$, $V$ | (B, N, T, D), (B, N, S, D) | queries, keys and values of N heads; T places ask, S places are asked |
# | $S$ `scores` | (B, N, T, S) | row $i$: what query $i$ makes of each key |
# | $b$ `table` | (N, 2R + 1) | a bias for each head and distance, from $-R$ to $R$ |
# | $\bar y$ `dy` | the shape of $y$ | the gradient of some number $L$ by the output; `dx` is that by the input |
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
PERSONAL = {"length": 10, "reach": 2, "near": 8, "far": 9, "base": 10, "key_heads": 2, "shared": 4}

# %% [markdown]
# ## 1. A learned bias for each distance, backward (20 points)
#
# No position is added to the words. Instead each head learns how much it cares for a distance (T5 and others):
#
# $$S_{ij} = \frac{q_i \cdot k_j}{\sqrt D} + b_{\,\mathrm{clip}(j - i,\,-R,\,R)}$$
#
# The table's first place stands for the distance $-R$ and everything further to the left, its last place for $R$ and
# everything further to the right. In NumPy: `table[:, np.clip(j - i, -R, R) + R]`. The bias is not divided by $\sqrt D$.


# %% lab="answer" id="biased_scores_backward"
def biased_scores_backward(dscores, query, key, table):
    """Return dquery, dkey, dtable; dscores (B, N, T, S), query (B, N, T, D), key (B, N, S, D), table (N, 2R + 1)."""
    ### BEGIN SOLUTION
    scale = 1 / np.sqrt(query.shape[-1]).astype(query.dtype)
    dquery = dscores @ key * scale
    dkey = np.swapaxes(dscores, -1, -2) @ query * scale
    reach = table.shape[-1] // 2
    distance = np.arange(key.shape[-2]) - np.arange(query.shape[-2])[:, None]
    place = np.clip(distance, -reach, reach) + reach
    dtable = np.zeros_like(table)
    np.add.at(dtable, (slice(None), place), dscores.sum(axis=0))
    return dquery, dkey, dtable
    ### END SOLUTION


# %% lab="check" id="biased_scores_backward"
check("05", "biased_scores_backward", biased_scores_backward)

# %% [markdown]
# ## 2. Rotary positions (6 points)
#
# Queries and keys are turned before they meet: of the vector at position $m$, the pair $(x_{2i}, x_{2i+1})$ turns by the
# angle $m\,\theta_i$ with $\theta_i = \mathit{base}^{-2i/D}$.
#
# $$\begin{pmatrix} y_{2i} \\ y_{2i+1} \end{pmatrix} =
# \begin{pmatrix} \cos m\theta_i & -\sin m\theta_i \\ \sin m\theta_i & \cos m\theta_i \end{pmatrix}
# \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix}, \qquad i = 0, \dots, D/2 - 1$$
#
# Pairs are neighbours. (Some programs pair the first half of a vector with the second; their weights do not fit these.)
# `positions` are any whole numbers, one for each of the T places.


# %% lab="answer" id="rotary"
def rotary(x, positions, base):
    """Return y, of the shape and dtype of x (…, T, D), D even; positions (T,) integers, base a number."""
    ### BEGIN SOLUTION
    size = x.shape[-1]
    angles = positions[:, None] * base ** (-np.arange(0, size, 2) / size)  # (T, D / 2)
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    y = np.empty_like(x)
    y[..., 0::2] = even * cos - odd * sin
    y[..., 1::2] = even * sin + odd * cos
    return y
    ### END SOLUTION


# %% lab="check" id="rotary"
check("05", "rotary", rotary)

# %% [markdown]
# ## 3. Rotary positions, backward (9 points)
#
# Nothing is learned here; only $x$ has a gradient.


# %% lab="answer" id="rotary_backward"
def rotary_backward(dy, x, positions, base):
    """Return dx (…, T, D) of `rotary`."""
    ### BEGIN SOLUTION
    return rotary(dy, -positions, base)
    ### END SOLUTION


# %% lab="check" id="rotary_backward"
check("05", "rotary_backward", rotary_backward)

# %% [markdown]
# ## 4. Grouped-query attention, backward (25 points)
#
# While a model writes, keys and values of everything so far are kept. With fewer key heads than query heads there is less to
# keep. N query heads share K key heads, N / K neighbours each: with N = 4 and K = 2, query heads 0 and 1 read key head 0, and
# 2 and 3 read key head 1.
#
# $$C_n = \mathrm{softmax}\Big(\frac{Q_n K_{g(n)}^\top}{\sqrt D}\Big)\,V_{g(n)}, \qquad g(n) = \lfloor n\,K/N \rfloor$$


# %% lab="answer" id="grouped_attention_backward"
def grouped_attention_backward(dcontext, query, key, value):
    """Return dquery (B, N, T, D), dkey and dvalue (B, K, S, D); dcontext and query (B, N, T, D)."""
    ### BEGIN SOLUTION
    batch, heads, length, size = query.shape
    key_heads = key.shape[1]
    scale = 1 / np.sqrt(size).astype(query.dtype)
    grouped = (batch, key_heads, heads // key_heads, length, size)
    query, dcontext = query.reshape(grouped), dcontext.reshape(grouped)  # (B, K, N / K, T, D)
    key, value = key[:, :, None], value[:, :, None]  # (B, K, 1, S, D)
    scores = query @ np.swapaxes(key, -1, -2) * scale
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    dvalue = (np.swapaxes(probs, -1, -2) @ dcontext).sum(axis=2)
    dprobs = dcontext @ np.swapaxes(value, -1, -2)
    dscores = probs * (dprobs - np.sum(dprobs * probs, axis=-1, keepdims=True)) * scale
    dquery = (dscores @ key).reshape(batch, heads, length, size)
    dkey = (np.swapaxes(dscores, -1, -2) @ query).sum(axis=2)
    return dquery, dkey, dvalue
    ### END SOLUTION


# %% lab="check" id="grouped_attention_backward"
check("05", "grouped_attention_backward", grouped_attention_backward)

# %% [markdown]
# ## 5. Softmax where one may look (6 points)
#
# A mask of True and False says which places a row may look at. The softmax runs over those; the others have the
# probability 0. A row that may look nowhere, such as a row of padding, has 0 everywhere: no NaN, and no share for places
# that it must not see. Scores are what they are, 10,000 under the mask for instance.


# %% lab="answer" id="masked_softmax"
def masked_softmax(scores, mask):
    """Return probs (…, S); scores (…, S), mask the same shape, True where a place may be looked at."""
    ### BEGIN SOLUTION
    lowest = np.finfo(scores.dtype).min
    top = np.max(scores, axis=-1, keepdims=True, where=mask, initial=lowest)
    exponentials = np.exp(np.where(mask, scores - top, 0)) * mask
    total = exponentials.sum(axis=-1, keepdims=True)
    return exponentials / np.where(total > 0, total, 1)
    ### END SOLUTION


# %% lab="check" id="masked_softmax"
check("05", "masked_softmax", masked_softmax)

# %% [markdown]
# ## 6. The same, backward (9 points)


# %% lab="answer" id="masked_softmax_backward"
def masked_softmax_backward(dy, scores, mask):
    """Return dscores (…, S) of `masked_softmax`."""
    ### BEGIN SOLUTION
    probs = masked_softmax(scores, mask)
    along = np.sum(dy * probs, axis=-1, keepdims=True)
    return probs * (dy - along)
    ### END SOLUTION


# %% lab="check" id="masked_softmax_backward"
check("05", "masked_softmax_backward", masked_softmax_backward)

# %% [markdown]
# ### What a right answer shows
#
# A head whose words are all alike cannot tell places apart, except by its bias. On the left its table, then what it looks
# at without the bias and with it. The table was learned with your backward: the head is asked to look one place to the left.

# %% lab="figure"
from matplotlib.figure import Figure

from albert_np.plots import COLOURS, matrix, plain, show, titled

T, R = 8, 3
query = key = np.ones((1, 1, T, 4))
table, mask = np.zeros((1, 2 * R + 1)), np.ones((1, 1, T, T), bool)
wanted = np.eye(T, k=-1)[None, None]  # row i: all on i − 1; nothing for the first row
distance = np.arange(T) - np.arange(T)[:, None]


def attention(table):
    return masked_softmax(query @ key.swapaxes(-1, -2) / 2 + table[:, np.clip(distance, -R, R) + R], mask)


before = attention(table)
for _ in range(200):
    probs = attention(table)
    dprobs = -wanted / np.maximum(probs, 1e-9)  # of the cross-entropy
    dscores = masked_softmax_backward(dprobs, np.log(probs), mask)
    table = table - 0.2 * biased_scores_backward(dscores, query, key, table)[2]
figure = Figure(figsize=(6, 5.4), layout="constrained")
panels = figure.subplot_mosaic([["bars", "bars"], ["without", "with"]])
bars = panels["bars"]
bars.bar(range(-R, R + 1), table[0], color=COLOURS["blue"])
bars.set_xlabel("distance j − i")
titled(bars, "the learned bias")
plain(bars, grid="y")
matrix(panels["without"], before[0, 0], "attention without bias", digits=1)
matrix(panels["with"], attention(table)[0, 0], "attention with bias", digits=1)
show(
    figure,
    "L5.1",
    "A head's bias by distance, and its attention without and with it.",
    "Bars, of which the one at distance −1 stands out; a matrix of equal numbers; and one with its weight just left of the diagonal.",
)

# %% [markdown]
# ### For the board: how little memory?
#
# No points. Attention over T = 4,096 places needs 16.8 million probabilities, 67 MB in float32, if all of them are there
# at once. Write exact attention that never holds so many: go through blocks of keys, and keep for each query the largest
# score so far, the sum of exponentials and the weighted sum of values. Write your peak on the board.


# %% lab="figure"
def blockwise_attention(query, key, value):
    """Return the context (T, D) of one head, query (T, D), key and value (S, D), float32, exactly."""
    ### BEGIN SOLUTION
    context, block, scale = np.empty_like(query), 128, np.float32(1 / np.sqrt(query.shape[-1]))
    for start in range(0, len(query), block):
        rows = query[start : start + block] * scale
        top = np.full((len(rows), 1), -np.inf, query.dtype)
        total, weighted = np.zeros_like(top), np.zeros_like(rows)
        for other in range(0, len(key), block):
            scores = rows @ key[other : other + block].T
            higher = np.maximum(top, scores.max(axis=1, keepdims=True))
            shrink, shares = np.exp(top - higher), np.exp(scores - higher)
            total = total * shrink + shares.sum(axis=1, keepdims=True)
            weighted = weighted * shrink + shares @ value[other : other + block]
            top = higher
        context[start : start + block] = weighted / total
    return context
    ### END SOLUTION


# %% lab="figure"
import tracemalloc

some = np.random.default_rng(0)
one_head = [some.normal(size=(4096, 64)).astype(np.float32) for _ in range(3)]
tracemalloc.start()
context = blockwise_attention(*one_head)
peak = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()
exact = np.exp(one_head[0][:64] @ one_head[1].T / 8)
assert np.allclose(context[:64], exact / exact.sum(axis=1, keepdims=True) @ one_head[2], atol=1e-4)
print(f"{peak / 1e6:.1f} MB, of which the context is {context.nbytes / 1e6:.1f}")

# %% [markdown] lab="written" id="turning" points=9
# ## 7. Why rotary positions are relative (9 points)
#
# 1. (3) Let $R_m$ be the rotation of a pair by $m\theta$. Show from the matrix that $R_m^\top = R_{-m}$ and
#    $R_m^\top R_n = R_{n-m}$, and conclude that the score of a query at $m$ and a key at $n$ depends on $n - m$ alone.
# 2. (2) Take D = 4, base {{base}}, $q = k = (1, 0, 1, 0)$, the query at position {{near}} and the key at {{far}}. Give the
#    score $q_m \cdot k_n$ (not divided by $\sqrt D$) to three digits. What is it if both are moved by 100?
# 3. (2) Why is the backward a rotation too, and why does it need neither $x$ nor $y$?
# 4. (2) A colleague's model pairs the first half of each vector with the second half. By which permutation of the rows of
#    its query and key matrices do its weights fit your function? Why must both matrices be permuted?

# %% [markdown] lab="solution"
# 1. $\cos$ is even and $\sin$ odd: transposing changes the sign of the sines, as $-m$ does. The sum formulas give
#    $R_{-m}R_n = R_{n-m}$. $(R_m q)\cdot(R_n k) = q^\top R_m^\top R_n k = q^\top R_{n-m} k$, in each pair with its own $\theta_i$.
# 2. $\theta_0 = 1$, $\theta_1 = \mathit{base}^{-1/2}$; the score is $\cos(n-m) + \cos((n-m)\,\theta_1)$, the same after the move.
#    The next cell has the number.
# 3. $y = R x$ is linear, so $\bar x = R^\top \bar y = R_{-m}\bar y$: only positions enter.
# 4. Its pair $i$ is $(x_i, x_{i + D/2})$; row $i$ goes to $2i$ and row $i + D/2$ to $2i + 1$, in each head. Scores are
#    products of queries with keys, number by number: a permutation of one alone would pair other numbers.

# %% lab="solution"
apart = PERSONAL["far"] - PERSONAL["near"]
print(f"the score is {np.cos(apart) + np.cos(apart * PERSONAL['base'] ** -0.5):.3f}")

# %% [markdown] lab="written" id="places" points=8
# ## 8. How often a place of the table is read (8 points)
#
# One head, T = S = {{length}} places, R = {{reach}}.
#
# 1. (3) How many of the scores read the table's place of distance 0, that of distance −1, and its first place? Derive a
#    formula for each, and give your numbers.
# 2. (2) Somebody writes `dtable[:, place] += dscores.sum(axis=0)`. What does `dtable` hold then, and why does a test with
#    T = S = 1 not notice?
# 3. (3) All entries of `dscores` are independent with mean 0 and the same variance. By which factor is the standard deviation
#    of the first place's gradient larger than that of distance 0? What does this mean for a learning rate that all
#    places share, with SGD and with Adam?

# %% [markdown] lab="solution"
# 1. Distance 0: T. Distance −1: T − 1. The first place has all $i - j \ge R$: $\sum_{d=R}^{T-1}(T - d) = (T-R)(T-R+1)/2$.
# 2. For each place the value of one score only, the last that NumPy writes, because `a[i] += v` reads `a[i]` once, adds, and
#    writes repeated indices over each other. With T = S = 1 each place is read at most once.
# 3. Variances add: $\sqrt{(T-R)(T-R+1)/(2T)}$. With SGD the ends move faster by that factor; Adam divides by the gradient's own
#    size, so all places move at about the same speed.

# %% lab="solution"
T, R = PERSONAL["length"], PERSONAL["reach"]
first = (T - R) * (T - R + 1) // 2
print(f"distance 0: {T}, distance -1: {T - 1}, first place: {first}, factor {np.sqrt(first / T):.3f}")

# %% [markdown] lab="written" id="shared" points=8
# ## 9. What shared key heads save (8 points)
#
# A model has 24 layers, D = 64, K = {{key_heads}} key heads, {{shared}} query heads to each of them, and keeps keys and
# values of 8,192 places in float16.
#
# 1. (2) How many bytes is that, and how many were it with a key head for each query head?
# 2. (3) Show why `dkey` of a key head is the *sum* over its query heads, beginning with $L$ as a function of one $K$ that is
#    used in several places. Why is the mean wrong although it points in the same direction?
# 3. (3) Somebody copies the weights of a model with N key heads and replaces each group's keys by their mean. Is the new model's
#    output the old one's? Give one condition under which it is, and say which gradient tells that the condition is being lost.

# %% [markdown] lab="solution"
# 1. $24 \cdot 2 \cdot K \cdot 64 \cdot 8192 \cdot 2$ bytes; as many times as much as there are query heads to a key head.
# 2. $L = f(K, K, …, K)$ with a copy for each query head: the chain rule gives the sum of the partial derivatives. The mean is
#    the gradient divided by N / K: relative to the queries' gradients, and for any optimizer that compares parameters or uses
#    a fixed step, it is another step; finite differences show it at once.
# 3. Not in general: softmax is not linear, and the heads' keys differ. It is if the keys (and values) of a group were equal. The
#    difference between the gradients that the query heads of a group send to their key: where they differ, separate keys
#    would move apart.

# %% lab="solution"
kept = 24 * 2 * PERSONAL["key_heads"] * 64 * 8192 * 2
print(f"{kept:,} bytes, {kept * PERSONAL['shared']:,} with a key head for each query head")

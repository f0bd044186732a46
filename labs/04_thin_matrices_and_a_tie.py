# %% [markdown]
# # Lab 4 · Two thin matrices and a tie
#
# **3 hours, 100 points.** You need notebooks 07 (embeddings) and 12 (heads).
#
# ALBERT factorises its word embeddings, and ties its decoder to them. Here you do the same with holes among the ids and a
# scale on both sides of the tie; then a layer that is adapted by two thin matrices, and a small model that learns from a large one.
#
# `dy` is the gradient at the output, `d<name>` the gradient of `<name>`. Each `check` can be run as often as you like: it
# compares with finite differences of the forward function, on new random numbers.

# %%
import numpy as np

from albert_np.labs import check

# %% [markdown]
# The numbers in your written questions:

# %% lab="personal"
PERSONAL = {
    "vocab": 52000,
    "hidden": 768,
    "embedding": 64,
    "rank": 4,
    "alpha": 12,
    "temperature": 2,
    "student": [-1, 3, 2],
    "teacher": [6, 0, 1],
}

# %% [markdown]
# ## 1 · Factorised lookup: backward (20 points)
#
# $V$ words of width $E$ in a table $A$, and a matrix $B$ that brings each to the width $H$ of the layers:
#
# $$y_{bt} = A_{\mathrm{ids}_{bt}}\, B, \qquad y_{bt} = 0 \text{ where } \mathrm{ids}_{bt} = -1$$
#
# An id of −1 is a hole: no word stands there. (In NumPy, `A[-1]` is the last row.) `ids` (B, T), `A` (V, E), `B` (E, H), `dy`
# (B, T, H). A word may stand in many places.


# %% lab="answer" id="factorised_lookup_backward"
def factorised_lookup_backward(dy, ids, A, B):
    """Return dA (V, E) and dB (E, H) of y = A[ids] B, which is 0 where the id is -1."""
    ### BEGIN SOLUTION
    words = ids >= 0
    found, rows = ids[words], dy[words]  # (n,), (n, H)
    dA = np.zeros_like(A)
    np.add.at(dA, found, rows @ B.T)
    dB = A[found].T @ rows
    return dA, dB
    ### END SOLUTION


# %% lab="check" id="factorised_lookup_backward"
check("04", "factorised_lookup_backward", factorised_lookup_backward)

# %% [markdown]
# ## 2 · A low-rank adapter: backward (20 points)
#
# To fine-tune a large matrix $W$ (H, K), leave it as it is and learn two thin ones beside it, $A$ (H, r) and $B$ (r, K):
#
# $$y = x\,W + \frac{\alpha}{r}\, x\,A\,B$$
#
# `x` (B, T, H), `alpha` a number. $W$ is frozen: it gets no gradient. The scale is there so that $r$ can be changed
# without finding a new learning rate (question 5 asks whether that is so).


# %% lab="answer" id="adapter_backward"
def adapter_backward(dy, x, W, A, B, alpha):
    """Return dx (B, T, H), dA (H, r) and dB (r, K) of y = x W + (alpha / r) x A B."""
    ### BEGIN SOLUTION
    scale = alpha / A.shape[1]
    thin = x @ A  # (B, T, r)
    dthin = scale * (dy @ B.T)
    dx = dy @ W.T + dthin @ A.T
    dA = np.einsum("bth,btr->hr", x, dthin)
    dB = scale * np.einsum("btr,btk->rk", thin, dy)
    return dx, dA, dB
    ### END SOLUTION


# %% lab="check" id="adapter_backward"
check("04", "adapter_backward", adapter_backward)

# %% [markdown]
# ## 3 · Distillation on labelled rows: backward (20 points)
#
# A teacher's logits $v$ and a student's $z$, both (B, T, V), and labels (B, T) that say which rows count: −100 means that a row does
# not. With $p = \mathrm{softmax}(v/T)$ and $q = \mathrm{softmax}(z/T)$, and $n$ rows that count:
#
# $$\mathrm{loss} = \frac{T^2}{n} \sum_{\text{rows that count}} \;\sum_j p_j\,(\log p_j - \log q_j)$$
#
# Without a row that counts the loss is 0. The labels themselves are not looked at otherwise. `dloss` is a number, the gradient at
# the loss. Logits may be as large as 1e4.


# %% lab="answer" id="distillation_backward"
def distillation_backward(dloss, student, teacher, labels, temperature):
    """Return dstudent (B, T, V) of T² · the mean over labelled rows of KL(softmax(teacher / T) ‖ softmax(student / T))."""

    ### BEGIN SOLUTION
    def softmax(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    counts = labels != -100
    n = max(int(counts.sum()), 1)
    difference = softmax(student / temperature) - softmax(teacher / temperature)
    return float(dloss) * temperature / n * difference * counts[..., None]
    ### END SOLUTION


# %% lab="check" id="distillation_backward"
check("04", "distillation_backward", distillation_backward)

# %% [markdown]
# **What right answers show.** A teacher knows which of 100 words follows which. A student of 2,720 numbers, a factorised lookup and
# one matrix, learns it from the teacher's logits with your two functions. For the leaderboard: a lower KL on words
# that were held out, with at most 100,000 numbers.

# %% lab="figure"
from albert_np.labs.lab04 import distillation_loss, factorised_lookup
from albert_np.plots import COLOURS, legend, new_figure, plain, show

rng = np.random.default_rng(4)
vocab, thin, wide, batch = 100, 6, 20, 64
teacher = 1.5 * rng.normal(size=(vocab, 8)) @ rng.normal(size=(8, vocab)) / np.sqrt(8)  # logits of the next word
weights = {
    "A": rng.normal(size=(vocab, thin)),
    "B": rng.normal(size=(thin, wide)) / 3,
    "out": rng.normal(size=(wide, vocab)) / 9,
}
moments = {name: [np.zeros_like(w), np.zeros_like(w)] for name, w in weights.items()}
everything = np.arange(vocab)[None]
curve = []
for step in range(1, 401):
    ids = rng.integers(-1, vocab, (1, batch))  # with a hole now and then
    labels = np.where(ids < 0, -100, ids)
    h = factorised_lookup(ids, weights["A"], weights["B"])
    dlogits = distillation_backward(1.0, h @ weights["out"], teacher[ids], labels, 2.0)
    dA, dB = factorised_lookup_backward(dlogits @ weights["out"].T, ids, weights["A"], weights["B"])
    for name, gradient in {"A": dA, "B": dB, "out": h[0].T @ dlogits[0]}.items():  # Adam
        m, v = moments[name]
        m += 0.1 * (gradient - m)
        v += 0.01 * (gradient**2 - v)
        weights[name] -= 0.02 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8)
    logits = factorised_lookup(everything, weights["A"], weights["B"]) @ weights["out"]
    curve.append(distillation_loss(logits, teacher[everything], everything, 1.0))

figure, ax = new_figure(6, 2.6)
ax.plot(curve, color=COLOURS["blue"])
ax.set(xlabel="update", ylabel="KL(teacher ‖ student)", yscale="log")
plain(ax)
show(
    figure,
    "L4.1",
    "The student's divergence from the teacher over the updates.",
    "The divergence from teacher to student falls over 400 updates, steeply at first.",
)
print(f"{sum(w.size for w in weights.values()):,} numbers, KL at the end {curve[-1]:.4f}, at the start {curve[0]:.4f}")

# %% [markdown]
# ## 4 · A tied matrix, √E in and 1/√E out: backward (15 points)
#
# One matrix $M$ (V, E) gives words their vectors and vectors their words. Its entries are of size $1/\sqrt E$ or less, too small
# for a layer's input; so the lookup multiplies by $\sqrt E$, and the logits are divided by it:
#
# $$x = \sqrt E\, M_{\mathrm{ids}}, \qquad h = \tanh(x\,K), \qquad \mathrm{logits} = \frac{1}{\sqrt E}\, h\, M^\top$$
#
# `ids` (B, T) without holes, `K` (E, E), `dlogits` (B, T, V).


# %% lab="answer" id="tied_backward"
def tied_backward(dlogits, ids, M, K):
    """Return dM (V, E) and dK (E, E) of logits = tanh(√E M[ids] K) Mᵀ / √E."""
    ### BEGIN SOLUTION
    root = M.shape[1] ** 0.5
    ids, dlogits = ids.reshape(-1), dlogits.reshape(-1, M.shape[0])
    x = root * M[ids]  # (n, E)
    h = np.tanh(x @ K)
    dM = dlogits.T @ h / root
    ds = (dlogits @ M / root) * (1 - h * h)
    np.add.at(dM, ids, root * (ds @ K.T))
    return dM, x.T @ ds
    ### END SOLUTION


# %% lab="check" id="tied_backward"
check("04", "tied_backward", tied_backward)

# %% [markdown]
# **What a right answer shows.** Words are drawn so that few are frequent and most are rare, and the model is to say the next one. How
# long is each row's gradient on either path? To tell the paths apart, the vocabulary is written down twice: ids look up the first
# copy, and only the logits of the second copy have a gradient. (A gradient of 0 has no dot.)

# %% lab="figure"
rng = np.random.default_rng(14)
vocab, width = 400, 32
chances = 1 / np.arange(1, vocab + 1)
words = rng.choice(vocab, (32, 33), p=chances / chances.sum())
ids, following = words[:, :-1], words[:, 1:]
M, K = rng.normal(size=(vocab, width)) / width, rng.normal(size=(width, width)) / np.sqrt(width)
logits = np.tanh(np.sqrt(width) * M[ids] @ K) @ M.T / np.sqrt(width)
dlogits = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)  # of the cross-entropy with the next word
np.put_along_axis(dlogits, following[..., None], np.take_along_axis(dlogits, following[..., None], -1) - 1, -1)

dM, _ = tied_backward(np.concatenate([np.zeros_like(dlogits), dlogits], -1), ids, np.concatenate([M, M]), K)
counts = np.bincount(ids.ravel(), minlength=vocab)
figure, ax = new_figure(6, 3)
for path, rows, colour, mark in [("lookup", dM[:vocab], "blue", "o"), ("logits", dM[vocab:], "orange", "x")]:
    style = {"color": COLOURS[colour], "ms": 4, "mfc": "none"}
    ax.plot(counts + 0.5, np.linalg.norm(rows, axis=1), mark, label=f"through the {path}", **style)
ax.set(xlabel="how often a word was looked up, and a half", ylabel="‖gradient of its row‖", xscale="log", yscale="log")
plain(ax)
legend(ax)
show(
    figure,
    "L4.2",
    "The gradient of a word's row by path and by the word's frequency.",
    "By word frequency: both paths grow with it; words that were not looked up have a gradient from the logits alone.",
)

# %% [markdown] lab="written" id="thin" points=8
# ## 5 · What two thin matrices save (8 points)
#
# Take **{{vocab}}** words, **H = {{hidden}}** and **E = {{embedding}}**.
#
# 1. How many numbers have $A$ and $B$ together, how many has one matrix (V, H)? From which $E$ on does nothing get saved? (2)
# 2. What is the largest rank that the matrix of all words' vectors, $A\,B$, can have, and what follows for the vectors of any E + 1
#    words? (2)
# 3. A batch looks up 500 different words. Which rows of `dA` are 0, which of `dB`? After one step of AdamW that has taken others before,
#    which rows of $A$ have moved, and why? (4)

# %% [markdown] lab="solution"
# 1. $VE + EH = 3{,}328{,}000 + 49{,}152 = 3{,}377{,}152$, beside $VH = 39{,}936{,}000$. Nothing is saved if
#    $E \ge VH/(V + H) = 756.8$: from 757 on.
# 2. Rank $E$ = 64: all vectors lie in a space of 64 dimensions, so those of any 65 words are linearly dependent.
# 3. The rows of `dA` of all other words are 0, 51,500 of them. Of `dB` none is: each row holds all words of the batch. AdamW moves more rows of
#    $A$ than those 500: words of earlier batches still have momentum, and weight decay moves every row.

# %% [markdown] lab="written" id="adapter" points=8
# ## 6 · An adapter's first step (8 points)
#
# An adapter of a (H, H) matrix with **H = {{hidden}}**, **r = {{rank}}** and **α = {{alpha}}**. At the start the entries of $A$ are
# independent with mean 0 and variance 1/H, and $B$ is 0.
#
# 1. How many numbers are learned, and which share of the matrix's own is that? (2)
# 2. Which of `dx`, `dA`, `dB` is what it would be without the adapter, which is 0, which is neither? Why are $A$ and $B$ not both 0? (2)
# 3. One step of gradient descent with rate η from there. Show that the output of a row $x$ changes by
#    $-\eta\,(\alpha/r)^2\, x\,A\,A^\top \sum x'^\top dy'$ (sum over the rows of the batch), and find its expectation over the draw of $A$. What
#    happens to it if you double $r$ and leave α? With which power of $r$ instead of $\alpha/r$ would nothing happen? (4)

# %% [markdown] lab="solution"
# 1. $2Hr = 6{,}144$ of $H^2 = 589{,}824$: 1.04 %.
# 2. With $B = 0$: `dx` is `dy Wᵀ`, as without the adapter; `dA` is 0, as its gradient comes through $B$; `dB` is neither. If $A$ were 0 too, both
#    gradients would be 0, and would stay so.
# 3. $\Delta B = -\eta\frac{\alpha}{r} A^\top\sum x'^\top dy'$ and $A$ stays, so $\Delta y = \frac{\alpha}{r} x A\,\Delta B$ is what is asked.
#    $E[A A^\top] = \frac{r}{H} I$, since an entry is a sum of $r$ products, of mean $1/H$ on the diagonal and 0 beside it. So
#    $E\,\Delta y = -\eta\,\frac{\alpha^2}{r H}\, x\sum x'^\top dy'$: half of it with twice the $r$. With $\alpha/\sqrt r$ it does not
#    depend on $r$.

# %% [markdown] lab="written" id="warm" points=9
# ## 7 · A teacher at high temperature (9 points)
#
# One labelled row of three logits: the student's are **{{student}}**, the teacher's **{{teacher}}**, and **T = {{temperature}}**.
#
# 1. Derive the gradient of the loss with respect to one of the student's logits. (3)
# 2. Give it in numbers for your row, three digits. (2)
# 3. Let $T$ grow without bound. What does the gradient become? Give it in numbers beside those of 2, and say what is lost in it that a
#    small $T$ sees. (4)

# %% [markdown] lab="solution"
# 1. With $q_j = e^{z_j/T}/\sum_k e^{z_k/T}$: $\partial \log q_k/\partial z_j = (\delta_{jk} - q_j)/T$, so
#    $\partial\,\mathrm{KL}/\partial z_j = -\sum_k p_k(\delta_{jk} - q_j)/T = (q_j - p_j)/T$, and with $T^2$: $T\,(q_j - p_j)$.
# 2. For T = 2, (−1, 3, 2) and (6, 0, 1): q = (0.078, 0.574, 0.348), p = (0.883, 0.044, 0.073), gradient (−1.612, 1.060, 0.551).
# 3. $q_j \to \frac1V\big(1 + (z_j - \bar z)/T\big)$, so the gradient goes to $\frac1V\big((z_j - \bar z) - (v_j - \bar v)\big)$: (−2, 1.333, 0.667).
#    That is least squares between centred logits: every word counts alike, however unlikely. A small $T$ weighs words by their
#    probability.

# %% [markdown]
# # 07 · Factorised embeddings
#
# **75 minutes**, and 20 for one more exercise. You need: notebook 03 (linear), 05 (LayerNorm), 06 (where the ids come from). You will be able to
#
# * say what the embedding factorisation (嵌入分解) saves, and what it costs,
# * see a lookup as a matrix product, and get its gradient from that,
# * add up the gradients of an id that occurs more than once, which the obvious line of NumPy does not do,
# * mend a fast version of it that keeps every total and is wrong,
# * say how wide an embedding must be: by the paper's experiment, and by a small one of our own.
#
# | symbol | shape | meaning |
# |---|---|---|
# | V, E, H | | rows of the table; width of an embedding; width of the hidden states |
# | `ids` | (B, T) | a batch of token ids, whole numbers in [0, V) |
# | $W$ `weight` | (V, E) | the table of word embeddings |
# | $O$ | (B·T, V) | the ids as rows with a single 1 in them |
# | $y$ | (B, T, E) | the rows looked up |
# | $W^{\mathrm{type}}, W^{\mathrm{pos}}$ | (2, E), (512, E) | tables of token types and positions |
# | $W^{\mathrm{map}}, b^{\mathrm{map}}$ | (H, E), (H) | the projection from E to H |
# | $\bar y$ `dy` | (B, T, E) | upstream gradient, $\partial L/\partial y$ |

# %% [markdown]
# ## A question first
#
# A small ALBERT, trained on nothing but prose about Python, keeps one row of numbers for each piece of its vocabulary. Nobody told
# it what a piece means: each row began as random numbers. Rows can be compared by the cosine of the angle between them. **Which
# piece do you expect nearest to *true*, and which nearest to *can*?** Write two guesses down, then run.

# %%
import numpy as np

import albert_np as anp
from albert_np.course import data_folder
from albert_np.tokenization import AlbertTokenizer

folder = data_folder() / "small-albert"
pieces = AlbertTokenizer.from_pretrained(folder).model.pieces
table = anp.AlbertModel.from_pretrained(folder).params["embeddings.word_embeddings.weight"]  # (V, E)
print("rows, and numbers in each:", table.shape)
directions = table - table.mean(axis=0)  # what all rows have in common says nothing
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
for piece in ("▁true", "▁can", "▁string", "▁was"):
    cosines = directions @ directions[pieces.index(piece)]
    nearest = np.argsort(-cosines)[1:5]
    print(f"{piece:<8}", *(f"{pieces[i]} {cosines[i]:.2f}" for i in nearest), sep="   ")

# %% [markdown]
# *true* lies beside *false*, its opposite: what rows have in common is not meaning but *places in sentences*. All that ever
# moved a row is its gradient, and a row has one only where its piece stands in a text. This notebook is about those rows, how
# wide they have to be, and how each gets its gradient.

# %% [markdown]
# ## 1. Two thin matrices for a wide one
#
# A model that works at width H could keep a table of V rows, each H wide. ALBERT keeps narrow rows, E = 128, and one
# matrix that all words share to widen them:
#
# $$V\cdot H \quad\longrightarrow\quad V\cdot E + E\cdot H \tag{7.1}$$
#
# That is fewer numbers as long as
#
# $$E\,(V+H) < V\cdot H, \qquad E < \frac{V H}{V + H} \tag{7.2}$$
#
# **By hand first.** ALBERT-xxlarge has V = 30,000, H = 4,096, E = 128. One table: $30{,}000\cdot 4{,}096$, about 123
# million. Two factors: predict them before you run the cell. Which of the two terms is the larger one?

# %%
configs = {size: anp.AlbertConfig.preset(f"{size}-v2") for size in ("base", "large", "xlarge", "xxlarge")}
print(f"{'':8} {'V·H':>12} {'V·E':>11} {'E·H':>9} {'V·E + E·H':>11}  saves a factor of")
for size, c in configs.items():
    V, E, H = c.vocab_size, c.embedding_size, c.hidden_size
    print(f"{size:8} {V * H:12,} {V * E:11,} {E * H:9,} {V * E + E * H:11,}  {V * H / (V * E + E * H):.1f}")

# %%
from albert_np.course.figures import table_sizes_figure
from albert_np.plots import show

show(
    table_sizes_figure(configs),
    "7.1",
    "Parameters of the embedding as one table and as two factors, for the released sizes.",
    "Above: for each released size a bar for one table and one for the two factors. Below: for xxlarge the same two "
    "over the embedding size E.",
)

# %% [markdown]
# The table's cost no longer depends on H. That is what lets ALBERT grow wide: from base to xxlarge, H grows more than
# fivefold and the two factors by a tenth.
#
# **What it costs.** If nothing stood between them, the two factors would be one matrix $W\,(W^{\mathrm{map}})^\top$ of shape (V, H) whose
# rows all lie in a space of E dimensions: its rank is at most E. The thought behind it: an embedding
# knows a word without its context, and needs little room; hidden states know the context, and need much.

# %%
rng = np.random.default_rng(0)
narrow, widen = rng.normal(size=(200, 8)), rng.normal(size=(64, 8))  # V = 200, E = 8, H = 64
print("shape of the product", (narrow @ widen.T).shape, " its rank", np.linalg.matrix_rank(narrow @ widen.T))

# %% [markdown]
# ## 2. A lookup is a matrix product
#
# Write each id $i$ as a row with a 1 at place $i$ and zeros elsewhere, and put these rows under each other: $O$. Then
#
# $$y = O\,W, \qquad y_t = \sum_v O_{tv} W_v = W_{\mathrm{ids}_t} \tag{7.3}$$
#
# Nobody computes it so: of V products in the sum, V - 1 are with zero. Indexing, `weight[ids]`, reads the one row
# that matters. But (7.3) says what the lookup *is*: linear in $W$. So the gradient is already known.

# %%
from albert_np.ops import embedding_backward, embedding_forward

ids = np.array([2, 0, 2])
weight = np.array([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0], [30.0, 31.0]])  # (V, E) = (4, 2)
one_hot = np.eye(len(weight))[ids]  # (T, V)
y, cache = embedding_forward(ids, weight)
print("O =", *one_hot, sep="\n")
print("O @ weight  =", (one_hot @ weight).tolist())
print("weight[ids] =", y.tolist())
print("kept for backward:", cache)

# %% [markdown]
# ## 3. Backward: scatter-add
#
# A lookup is a linear map of notebook 03, with $O$ in the place of $x$ and our $W$ in the place of $W^\top$. So (3.3),
# transposed, is
#
# $$\frac{\partial L}{\partial W} = O^\top \bar y \tag{7.4}$$
#
# Row $v$ of $O^\top$ has a 1 at every place where the id $v$ stands. So row $v$ of the gradient collects the upstream
# gradients of these places:
#
# $$\boxed{\;\frac{\partial L}{\partial W_v} = \sum_{t\,:\;\mathrm{ids}_t = v} \bar y_t\;} \tag{7.5}$$
#
# The lookup hands out rows; its gradient hands them back, each to where it came from, and *adds* what meets there. A row that was
# never looked up gets exactly 0. And as each place is handed back once, nothing is lost:
#
# $$\sum_v \frac{\partial L}{\partial W_v} = \sum_t \bar y_t \tag{7.6}$$
#
# The ids have no gradient. They are whole numbers; there is no step small enough.
#
# **By hand.** ids = (2, 0, 2) as above, and $\bar y$ = (1, 1), (2, 2), (3, 3). Which rows of the gradient are zero,
# and what is row 2? Then run the cell.

# %%
dy = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
print(embedding_backward(dy, cache))

# %% [markdown]
# The same as a picture, for five places and six rows. Follow id 4: two ones in its row of $O^\top$, so two rows of dy
# are added.

# %%
from albert_np.course.figures import scatter_figure

ids5 = np.array([4, 1, 4, 0, 2])
dy5 = rng.normal(size=(5, 3)).round(1)
show(
    scatter_figure(ids5, dy5, rows=6),
    "7.2",
    "The gradient of a lookup as a product with the transposed one-hot matrix.",
    "Three matrices: the transposed one-hot matrix, times dy, equals dweight. Row 4 of dweight is the sum of rows 0 and 2 "
    "of dy; rows 3 and 5 are zero.",
)

# %% [markdown]
# ### The line that loses gradients
#
# It is tempting to write `dweight[ids] += dy`. Predict row 2 before you run it.

# %%
tempting = np.zeros_like(weight)
tempting[ids] += dy
print("dweight[ids] += dy\n", tempting)

# %% [markdown]
# Row 2 is (3, 3), not (4, 4). NumPy reads `dweight[ids]` once, adds dy to this copy, and writes the copy back: the
# second write to row 2 overwrites the first. There is no error and no warning, the shape is right, and a test without
# repeated ids passes.

# %% [markdown]
# ## 4. Your turn: the gradient of a lookup  (difficulty 2 of 5, 10 minutes)
#
# Write (7.5). `ids` may have any number of axes, and `dy` has one more. The gradient has as many rows as the table, used
# or not, and the dtype of `dy`.
#
# <details><summary>Hint 1: the idea</summary>
#
# Start from zeros in the shape of the table. Then go over the places and add each row of dy to the row of its id.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `dweight[ids[place]] += dy[place]` is right if `place` is a single place. `np.add.at` does it for all places.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# dweight = np.zeros((rows, ...), dtype=...)
# ...                               # np.add.at adds place after place; or a loop over np.ndindex(ids.shape)
# return dweight
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson07


def my_embedding_backward(dy, ids, rows):
    """dy (…, E), ids (…) integers; returns dweight (rows, E)."""
    raise NotImplementedError


report = lesson07.check_embedding_backward(my_embedding_backward)

# %% [markdown]
# NumPy has one call for it: `np.add.at(dweight, ids, dy)` adds one place after another, where `dweight[ids] += dy` reads
# once and writes once.
#
# ### A faster one, with a fault  (difficulty 3 of 5, 15 minutes)
#
# Adding place after place is slow. If equal ids stood side by side, each *run* of them could be summed at once: `np.add.reduceat`
# sums from each of the given beginnings to the next. Somebody wrote it so, and tested it:

# %%
import inspect

print(inspect.getsource(lesson07.almost_sorted))
ids6, dy6 = np.array([0, 2, 2, 3, 3, 3]), rng.normal(size=(6, 2))
mixed = np.array([3, 0, 3, 2, 3, 2])  # the same ids in another order
for name, tried in {"ids in order": ids6, "ids in another order": mixed}.items():
    theirs = lesson07.almost_sorted(dy6, tried, 5)
    right = embedding_backward(dy6, embedding_forward(tried, np.zeros((5, 2)))[1])
    print(f"{name}:")
    print("   rows with a gradient ", np.flatnonzero(theirs.any(axis=1)), " right:", np.flatnonzero(right.any(axis=1)))
    print("   total, as (7.6) wants", theirs.sum(axis=0).round(3), " right:", dy6.sum(axis=0).round(3))
    print("   every row right      ", np.isclose(theirs, right).all(axis=1).tolist())

# %% [markdown]
# The total is kept, the right rows have a gradient, and yet rows are wrong. **Which bug is this?** Say it in one sentence before you
# mend it. Your own takes `ids` of any shape, and goes over no places one by one.
#
# <details><summary>Hint 1: the idea</summary>
#
# Two arrays belong together, row by row. One of them was put in order.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `np.sort` forgets where each id came from. `np.argsort` keeps it: `ids[order]` is in order, and `dy[order]` goes along.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# ids, dy = ids.ravel(), ...
# order = ...
# ordered = ids[...]
# begins = ...                      # as above
# ...
# ```
# </details>


# %% tags=["exercise"]
def sorted_backward(dy, ids, rows):
    """dy (…, E), ids (…) integers; returns dweight (rows, E), each run of equal ids summed at once."""
    raise NotImplementedError


sorted_report = lesson07.check_sorted_backward(sorted_backward)

# %% [markdown]
# <details><summary>The bug in one sentence</summary>
#
# `dy` stays in the order of the text while the ids are put in theirs, so each run sums as many rows as it should, but other
# people's. Every row of `dy` is still used once, and so the total is kept: an invariant that holds proves little.
# </details>

# %% [markdown]
# ## 5. Three tables, one sum
#
# A token enters ALBERT as the sum of three rows: which word it is, which of the two segments it belongs to (its token
# type), and where it stands. Then LayerNorm, still at width E, and the projection to H:
#
# $$x_{bt} = W_{\mathrm{ids}_{bt}} + W^{\mathrm{type}}_{\mathrm{types}_{bt}} + W^{\mathrm{pos}}_t, \qquad
# h_{bt} = W^{\mathrm{map}}\,\mathrm{LayerNorm}(x_{bt}) + b^{\mathrm{map}} \tag{7.7}$$

# %%
from albert_np.course.figures import embeddings_diagram

show(
    embeddings_diagram(),
    "7.3",
    "Three lookups, their sum, LayerNorm and the projection; gradients come back into the rows that were looked up.",
    "ids, types and positions each point to a table; three arrows meet in a sum, which goes through LayerNorm and the map "
    "from E to H. Gradients run back along all of them but the ids.",
)

# %% [markdown]
# A small model, and its caches:

# %%
config = anp.AlbertConfig(
    vocab_size=12,
    embedding_size=4,
    hidden_size=6,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
)
model = anp.AlbertModel(config, dtype="float64", seed=0)
input_ids = np.array([[2, 5, 7, 3, 5, 3], [2, 9, 3, 5, 3, 0]])  # 2 [CLS], 3 [SEP], 0 padding
token_type_ids = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]])
out = model(input_ids, token_type_ids=token_type_ids)

embeddings = model.cache.embeddings
for name, kept in zip(embeddings._fields[:3], embeddings[:3], strict=True):
    print(f"{name:12} a table of {kept.rows:2} rows, padding row {kept.padding_idx}, ids {kept.ids.tolist()}")
print("after LayerNorm, before weight and bias, x_hat", embeddings.layer_norm.x_hat.shape)
mapping = model.cache.encoder.mapping
print("projection: x", mapping.x.shape, "times weightᵀ, weight", mapping.weight.shape)

# %% [markdown]
# The derivative of a sum by each of its terms is 1. So all three tables are handed the same upstream gradient
# $\bar x$ (B, T, E), the one that comes out of LayerNorm's backward, and each scatters it by its own ids.
#
# Positions have a short cut. The package keeps their ids once, as (1, T), and lets the row $W^{\mathrm{pos}}_t$ broadcast over the
# batch. What is broadcast forward is summed backward (notebook 01):
#
# $$\frac{\partial L}{\partial W^{\mathrm{pos}}_t} = \sum_b \bar x_{bt} \quad (t < T), \qquad 0 \text{ for the rows beyond} \tag{7.8}$$

# %%
model.zero_grad()
model.backward(last_hidden_state=rng.normal(size=out.last_hidden_state.shape))
for name in ("word", "token_type", "position"):
    gradient = model.grads[f"embeddings.{name}_embeddings.weight"]
    print(f"{name:12} rows with a gradient: {np.flatnonzero(gradient.any(axis=1)).tolist()}")

# %% [markdown]
# Compare with `input_ids`. Id 0 occurs, and yet row 0 has no gradient. It is the **padding row**, the id that fills a
# short sentence up to the length of the others. Its gradient is put to zero on purpose, as in PyTorch's
# `Embedding(padding_idx=0)`, so that the row stays as it was. This is a rule, not a derivative. Finite
# differences know the derivative, and object:

# %%
from dataclasses import replace

from albert_np.gradcheck import check_model

inputs = {"input_ids": input_ids, "token_type_ids": token_type_ids}
for pad in (0, None):
    padded = replace(config, pad_token_id=pad)
    proof = check_model(anp.AlbertModel(padded, dtype="float64", seed=0), inputs, ("last_hidden_state",))
    print(f"pad_token_id={pad}:", *[c for c in proof if "_embeddings" in c.name], sep="\n   ")

# %% [markdown]
# The table has a second use, as the output matrix of the masked language model (掩码语言模型). Through that use the padding row
# does receive a gradient: notebook 12.
#
# ## 6. Your turn: positions  (difficulty 1 of 5, 5 minutes)
#
# Write (7.8).
#
# <details><summary>Hint 1: the idea</summary>
#
# Within a sentence each position occurs once, so no scatter-add is needed. Only the batch has to be summed.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# The first T rows are `dx.sum(axis=0)`; there may be more rows.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# dweight = np.zeros((rows, ...), dtype=...)
# dweight[: dx.shape[1]] = ...
# return dweight
# ```
# </details>


# %% tags=["exercise"]
def position_backward(dx, rows):
    """dx (B, T, E), positions 0 … T-1 in every sentence; returns dweight (rows, E)."""
    raise NotImplementedError


lesson07.check_position_backward(position_backward)

# %% [markdown]
# ### On paper: both factors  (10 minutes)
#
# Leave out LayerNorm and the bias, and let all places stand below each other: $h = O\,W\,(W^{\mathrm{map}})^\top$, of shape (B·T, H). The
# upstream gradient is $\bar h$. What are $\partial L/\partial W$ and $\partial L/\partial W^{\mathrm{map}}$? In which order would you multiply, with V = 30,000, H = 4,096,
# E = 128 and B·T = 4,096: what does the other order cost? Could the two be had from the gradient of a single wide table?
#
# <details><summary>The derivation</summary>
#
# A linear map twice. By (3.3) and (3.2), or by shapes:
#
# $$\frac{\partial L}{\partial W} = O^\top\,\big(\bar h\,W^{\mathrm{map}}\big), \qquad
# \frac{\partial L}{\partial W^{\mathrm{map}}} = \bar h^\top\,\big(O\,W\big) \tag{7.9}$$
#
# As bracketed, $\bar h$ is made narrow first, (B·T, E), and then handed to its rows: 4,096 · 4,096 · 128 products, and nothing larger
# than the table is ever made. The other order, $(O^\top\bar h)\,W^{\mathrm{map}}$, makes the gradient of a wide table, 30,000 · 4,096 numbers,
# and takes seven times as many products.
#
# But it says something. Let $\bar Z = O^\top\bar h$ be that wide gradient. Then $\partial L/\partial W = \bar Z\,W^{\mathrm{map}}$ and
# $\partial L/\partial W^{\mathrm{map}} = \bar Z^\top W$: each factor gets what the *other* lets it see. Where one is 0, the other does not learn; with both 0,
# neither ever does.
# </details>

# %%
places = rng.integers(0, 50, 12)
narrow, wide_map, dh = rng.normal(size=(50, 4)), rng.normal(size=(16, 4)), rng.normal(size=(12, 16))
first_narrow = embedding_backward(dh @ wide_map, embedding_forward(places, narrow)[1])  # (7.9) as bracketed
first_wide = embedding_backward(dh, embedding_forward(places, np.zeros((50, 16)))[1])  # the gradient of a wide table
assert np.allclose(first_narrow, first_wide @ wide_map)
assert np.allclose(dh.T @ narrow[places], first_wide.T @ narrow)

# %% [markdown]
# ## 7. Checks

# %%
from albert_np.course import verify_op

own_backward = (sorted_report if sorted_report.passed else report).yours(lesson07.package_embedding_backward)
verify_op("embedding", backward=lambda dy, cache: own_backward(dy, cache.ids, cache.rows))

# %% [markdown]
# Formula and package, side by side on a random batch: (7.4) as a product with the one-hot matrix, and the scatter-add.
# The package sorts the places by id and sums each run of equal ids at once: the same sum, faster than `np.add.at`, and always in
# the same order.

# %%
ids = rng.integers(0, 50, (4, 16))
dy = rng.normal(size=(4, 16, 8))
_, cache = embedding_forward(ids, rng.normal(size=(50, 8)))
one_hot = np.eye(50)[ids.ravel()]  # (B·T, V)
formula = one_hot.T @ dy.reshape(-1, 8)  # (7.4)
package = embedding_backward(dy, cache)
assert np.allclose(formula, package, rtol=1e-12, atol=1e-12)
assert np.allclose(package.sum(axis=0), dy.sum(axis=(0, 1)), rtol=1e-12, atol=1e-12)  # (7.6)

# %% [markdown]
# ## 8. What breaks if…
#
# **…the tempting line runs on text?** In text, few words make up most places: the $n$-th most frequent word occurs
# roughly $1/n$ as often as the first. Here is a batch of 4,096 places drawn so from 30,000 words.

# %%
from albert_np.course.figures import lost_rows_figure

frequency = 1 / np.arange(1, 30_001)
ids = rng.choice(30_000, 4096, p=frequency / frequency.sum())
dy = rng.normal(size=(4096, 16))
full = embedding_backward(dy, embedding_forward(ids, np.zeros((30_000, 16)))[1])
lost = np.zeros_like(full)
lost[ids] += dy
print(
    f"{len(np.unique(ids)):,} different ids; the other {1 - len(np.unique(ids)) / ids.size:.0%} of all places are lost"
)
cosine = (full * lost).sum() / np.linalg.norm(full) / np.linalg.norm(lost)
print(f"cosine of what is left with the gradient: {cosine:.2f}")
show(
    lost_rows_figure(np.bincount(ids, minlength=30_000), full, lost),
    "7.4",
    "How long a row's gradient is, by how often its id occurs: with every occurrence added, and with the tempting line.",
    "Length of a gradient row against how often its id occurs, both axes logarithmic: with every occurrence added it "
    "grows as a straight line, with the tempting line it stays level. Both agree only for ids that occur once.",
)

# %% [markdown]
# The cosine is positive, so a small step along what is left still lowers this loss: nothing fails, and the rows of the
# commonest words are the furthest off. That is the kind of bug that is not noticed for weeks.
#
# **…an id is negative?** NumPy counts from the end, and the wrong row comes back without a word. The model
# looks at its inputs first.

# %%
print("weight[-1] is the last row:", weight[np.array([-1])].tolist())
try:
    model(np.array([[2, 5, -1]]))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## 9. How wide must an embedding be?
#
# Section 1 counted what a small E saves. What does it cost? The paper tried E = 64, 128, 256, 768 at H = 768 and found
# little difference (table 3). Here are E = 16, 32, 64, 128 at H = 128, in similar proportions: models of two steps, with
# and without shared layers, each from two seeds, 1,000 updates on Python's manual. They are measured on held-out
# documents: how many masked tokens they get right (MLM), and how many orders of two segments (SOP; a coin gets 50 %).
# Notebooks 12 and 13 explain both questions.
#
# **Predict**: does E matter as little here? For which of the two questions does it matter more?

# %%
from albert_np.course.figures import ablation_figure
from albert_np.study.experiments import read_result, result_table, run_experiment

RERUN = False  # True: train the 16 models again, on the Python manual of your machine; some 12 minutes on two cores
widths = run_experiment("embedding", seeds=2) if RERUN else read_result("embedding")
print(result_table(widths, ("mlm_accuracy", "sop_accuracy")))
show(
    ablation_figure(widths, ("mlm_accuracy", "sop_accuracy")),
    "7.5",
    "The embedding size in our trial, and in the paper.",
    "Three panels over the embedding size E: MLM accuracy and SOP accuracy of ours, and the averages in the paper, "
    "each with shared layers and without.",
)

# %% [markdown]
# **What agrees.** Wide tables gain little by being wider still. From 64 to 128 our shared models gain 0.9 points of MLM
# accuracy. The column "paper" stands at its own widths: 79.0, 80.1, 79.6 and 79.8 are those of E = 64, 128, 256 and 768. So in
# the paper the step from 64 to 128 brings 1.1 points of its own measure, and wider tables no more.
#
# **What does not.** Below that, E matters much more here: from 16 to 128 MLM accuracy grows by half, while two seeds
# differ by 0.7 points at most. A conjecture: proportions are the wrong thing to compare. The table is used a second
# time, to score all V words (notebook 12), and with E = 16 these V scores are made of 16 numbers. The paper never went
# below 64. Nor is there much of the paper's gap between shared and unshared layers: with two steps there is little to
# share.
#
# **What says nothing.** The SOP column: two seeds of one variant are up to 3 points apart, and so are the best variant
# and the worst.

# %% [markdown]
# ## Three questions
#
# 1. V = 30,000 and E = H = 128. How many numbers does the factorisation save?
# 2. A batch has 16 sentences of 128 tokens. At most how many of the 30,000 rows get a gradient? What does that mean for
#    an optimizer that moves every row at every step, as weight decay does?
# 3. LayerNorm stands between the sum of the tables and the projection. What happens to $h$ if all three tables are
#    multiplied by 2? And if only the table of words is?
#
# <details><summary>Answers</summary>
#
# 1. None: it adds $E\cdot H = 16{,}384$. By (7.2) it saves only below $E = 127.5$.
# 2. 2,048, and in text far fewer. The others shrink by the decay, and are moved by what the moments remember of
#    earlier gradients: a rare word drifts between its occurrences.
# 3. Nothing, but for the tiny $\varepsilon$: LayerNorm forgets the scale (notebook 05). Only the proportion of the three
#    matters; so if the words alone grow, positions and types count for less.
# </details>

# %% [markdown]
# ## 10. One more exercise: a change of low rank  (difficulty 3 of 5, 20 minutes)
#
# Two thin matrices for a wide one: the idea has had a second life. Suppose a large model is trained already, and only to be
# *adapted*. Its weight $W$ (out, in) stays frozen; beside it learns a change of rank r,
#
# $$y = x\,W^\top + s\,\big(x\,(W^{\mathrm{down}})^\top\big)(W^{\mathrm{up}})^\top, \qquad
# W^{\mathrm{down}}\;(r, \text{in}), \quad W^{\mathrm{up}}\;(\text{out}, r) \tag{7.10}$$
#
# with a fixed number $s$. Derive the gradients of $x$ and of the two narrow weights on paper; (7.9) is the pattern. Then write them.
#
# <details><summary>The derivation</summary>
#
# The narrow way is two linear maps. What comes back through the second is $\bar n = s\,\bar y\,W^{\mathrm{up}}$, (R, r). Then
#
# $$\frac{\partial L}{\partial W^{\mathrm{up}}} = s\,\bar y^\top\big(x\,(W^{\mathrm{down}})^\top\big), \qquad
# \frac{\partial L}{\partial W^{\mathrm{down}}} = \bar n^\top x, \qquad
# \frac{\partial L}{\partial x} = \bar y\,W + \bar n\,W^{\mathrm{down}} \tag{7.11}$$
#
# $x$ goes two ways, so its gradient is a sum. That $W$ is frozen means that nobody asks for its gradient; $x$ still gets what comes
# through it.
# </details>
# <details><summary>Hint 1: the idea</summary>
#
# Draw the two ways from x to y. Go back along each, and add where they meet.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (7.11). Compute `scale * dy @ up` once; both $x$ and `down` need it.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# narrow = ...                      # (R, r)
# dx = dy @ weight + ...
# ddown = ...
# dup = scale * dy.T @ (...)
# return dx, ddown, dup
# ```
# </details>


# %% tags=["exercise"]
def low_rank_backward(dy, x, weight, down, up, scale):
    """dy (R, out), x (R, in), weight (out, in), down (r, in), up (out, r); returns dx, ddown, dup."""
    raise NotImplementedError


low_rank_report = lesson07.check_low_rank_backward(low_rank_backward)

# %% [markdown]
# Let it learn (yours, or until it has passed the course's). A weight of 16 × 16 is to become another that differs from it by a matrix
# of rank 2, with singular values 3 and 1. `up` starts at 0, so that the first answer is the old model's. The loss is
# $\tfrac1{2R}\sum(y-y^*)^2$, and $x$ is white noise, so that at the start it is about $\tfrac12(3^2+1^2) = 5$.
#
# **Predict:** where does the loss end with r = 2? Where with r = 1, and why not at 0? Which of the two narrow weights has a
# gradient in the very first step?

# %%
own_low_rank = low_rank_report.yours(lesson07.course_low_rank_backward)
frozen = rng.normal(size=(16, 16)) / 4
left, right = (np.linalg.qr(rng.normal(size=(16, 2)))[0] for _ in range(2))
target = frozen + left @ np.diag([3.0, 1.0]) @ right.T
x = rng.normal(size=(4000, 16))
for r in (1, 2):
    down, up = rng.normal(size=(r, 16)) / 4, np.zeros((16, r))
    for step in range(401):
        error = lesson07.low_rank_forward(x, frozen, down, up, 1.0) - x @ target.T
        _, ddown, dup = own_low_rank(error / len(x), x, frozen, down, up, 1.0)
        if step in (0, 400):
            loss = (error**2).sum() / 2 / len(x)
            print(
                f"r = {r}, step {step:3}: loss {loss:.4f}, |ddown| {abs(ddown).max():.4f}, |dup| {abs(dup).max():.4f}"
            )
        down, up = down - 0.1 * ddown, up - 0.1 * dup

# %% [markdown]
# With r = 2 nothing is left. With r = 1 the larger part of the change is learned and the smaller is left, $\tfrac12\cdot1^2$: the best
# matrix of rank 1 keeps the largest singular value (Eckart and Young). In the first step `up` is 0, so `down` sees nothing: (7.9)
# again.
#
# ## In today's models
#
# * The **factorised embedding** is [ALBERT's (Lan et al., 2020)](https://arxiv.org/abs/1909.11942), section 3.1. Large models mostly
#   keep a full table, V × H: with tens of layers of their own it is a small part of the whole. Where it is not, as in
#   MobileBERT, which is made for phones, rows of 128 numbers are widened too.
# * Section 10 is **LoRA** ([Hu et al., 2021](https://arxiv.org/abs/2106.09685)), the usual way to adapt a large model on a small
#   machine; `up` starts at 0 there too.
# * Segments have gone with sentence pairs. Learned positions, which end at 512, have mostly given way to **rotary** ones
#   ([Su et al., 2021](https://arxiv.org/abs/2104.09864)): queries and keys are turned by an angle that grows with the place; nothing is added
#   to the embedding.
# * The gradient of a lookup is a **scatter-add** on every machine. On GPUs the order of additions may change from run to run,
#   and with it the last digits; sorting first, as here, is the remedy.
# * How often words occur, $1/n$ for the $n$-th, is **Zipf's law**. Optimizers for huge tables move only the rows that have a
#   gradient (**sparse updates**).
#
# Next: [08, where tokens look at each other](08_attention_head.ipynb) for the first time: one attention head.

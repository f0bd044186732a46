# %% [markdown]
# # 12 · MLM and SOP heads
#
# **80 minutes**, and 15 more for the last exercise. You need: notebook 04 (cross-entropy), 07 (embeddings), 11 (a weight that is
# used more than once). You will be able to
#
# * follow the data through the two heads that ALBERT is pretrained with, and predict their losses before training,
# * derive the gradient of a matrix that is used at both ends of the network,
# * say what each head sends back to the encoder, and where,
# * tell from the first losses of a run what is wrong with it.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $h$ | (B, T, H) | the encoder's output |
# | R | | number of labelled positions in the batch |
# | $h_R$ | (R, H) | the rows of $h$ at these positions |
# | $W^{\mathrm{mlm}}, b^{\mathrm{mlm}}$ | (E, H), (E) | the MLM head's dense layer |
# | $n$ `hidden` | (R, E) | what the decoder reads |
# | $W$ | (V, E) | the word embeddings, and the decoder's weight |
# | $b$ | (V) | the decoder's bias |
# | $z$ `logits`, $\bar z$ `dlogits` | (R, V) | a number for every word, and its gradient |
# | $e$, $\bar e$ `dembedded` | (B, T, E) | the rows of $W$ looked up at the start, and their gradient |
# | $u$ | (B, H) | the pooled [CLS] |
# | $W^{\mathrm{sop}}, b^{\mathrm{sop}}$ | (2, H), (2) | the SOP classifier |
#
# **A question from a real model.** ALBERT-base reads one sentence of ten tokens, one of them hidden behind [MASK], and takes one
# training step. Its table of word embeddings has 30,000 rows. How many rows get a gradient that is not zero: one, ten,
# eleven, or all? And in a model with one table at the input and another at the output, as in most models of many billion
# weights: how many of its *input* table? Write both numbers down.

# %% [markdown]
# ## 1. Two questions about a text
#
# ALBERT learns from text without any labels by people. It makes up two questions and knows the answers:
#
# * **Which word was here?** Some 15 % of the words are hidden, most of them behind [MASK]. This is the masked
#   language model (掩码语言模型, MLM). Its labels are the hidden words' ids, and -100 everywhere else: nothing is asked
#   there.
# * **Are these two pieces in order?** The input is [CLS] A [SEP] B [SEP], with A and B next to each other in a
#   document. In half of the cases they are swapped. This is sentence-order prediction (句序预测, SOP). Its label is 0 in
#   order and 1 swapped.
#
# **The MLM head** works at the labelled positions. It narrows from H to E, and then compares with every word:
#
# $$n = \mathrm{LayerNorm}\big(\mathrm{gelu}(h_R W^{\mathrm{mlm}\top} + b^{\mathrm{mlm}})\big) \tag{12.1}$$
# $$z = n W^\top + b, \qquad z_{rv} = n_r \cdot W_v + b_v \tag{12.2}$$
#
# The decoder's weight is not new. It is the table of word embeddings: a word is likely where $n$ points along its
# row. **The SOP head** looks at [CLS] alone, after the pooler, $u = \tanh(\mathrm{linear}(h_{[CLS]}))$:
#
# $$z^{\mathrm{sop}} = \mathrm{dropout}(u)\, W^{\mathrm{sop}\top} + b^{\mathrm{sop}} \tag{12.3}$$
#
# Both losses are cross-entropies (notebook 04), a mean over the R labelled words and one over the B pairs, and
# they are added with equal weight:
#
# $$\mathrm{loss} = -\frac1R\sum_r \log \mathrm{softmax}(z_r)_{\mathrm{label}_r} -
# \frac1B \sum_b \log\mathrm{softmax}(z^{\mathrm{sop}}_b)_{\mathrm{label}_b} \tag{12.4}$$
#
# **Before any training**, weights are small, so all logits are near 0, and every answer is as likely as the others:
#
# $$\mathrm{loss}_{\mathrm{mlm}} \approx -\log\tfrac1V = \ln V, \qquad \mathrm{loss}_{\mathrm{sop}} \approx \ln 2 \tag{12.5}$$
#
# Predict both for V = 60, to one decimal; then for V = 30,000.

# %%
from dataclasses import replace

import numpy as np

import albert_np as anp

config = anp.AlbertConfig(
    vocab_size=60,
    embedding_size=8,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=32,
    max_position_embeddings=16,
    pad_token_id=None,
)
rng = np.random.default_rng(0)
B, T, V = 4, 16, config.vocab_size
CLS, SEP, MASK = 2, 3, 4
input_ids = rng.integers(5, 40, (B, T))  # words 40 to 59 do not occur
input_ids[:, 0], input_ids[:, 8], input_ids[:, 15] = CLS, SEP, SEP
token_type_ids = np.repeat([[0, 1]], [9, 7], axis=1).repeat(B, axis=0)
asked = rng.permuted(np.repeat([[True, True, False, False, False, False, False]], B, axis=0), axis=1)
labels = np.full((B, T), -100)
labels[:, 1:8] = np.where(asked, input_ids[:, 1:8], -100)
input_ids[labels != -100] = MASK
order = np.array([0, 1, 1, 0])
batch = {"input_ids": input_ids, "token_type_ids": token_type_ids, "labels": labels, "sentence_order_label": order}

fresh = anp.AlbertForPreTraining(config, dtype="float64", seed=0).eval()
out = fresh(**batch)
print(f"MLM loss {out.mlm_loss:.3f}, ln {V} = {np.log(V):.3f};  SOP loss {out.sop_loss:.3f}, ln 2 = {np.log(2):.3f}")
print(f"ln 30,000 = {np.log(30_000):.2f}")

# %% [markdown]
# The whole way, with the gradients that go back along it, and the matrix that stands at both of its ends:

# %%
from albert_np.course.figures import tied_figure
from albert_np.plots import show

show(
    tied_figure(),
    "12.1",
    "ALBERT in pretraining, from ids to both losses: one matrix stands at both ends.",
    "A diagram. The ids look up rows of W, the encoder makes h of them; the MLM head makes n of its labelled rows, and the "
    "decoder multiplies n by the same W for the MLM loss; the SOP head reads CLS. Gradients flow back along every arrow, into W "
    "from the decoder and from the lookup.",
)

# %% [markdown]
# Keep the two numbers in mind. A pretraining that does not start near them has a bug, before the first update.
#
# What the heads have kept, for the backward pass and for us to look at. Here the weights are drawn ten times wider, so
# that there is something to see.

# %%
model = anp.AlbertForPreTraining(replace(config, initializer_range=0.2), dtype="float64", seed=0).eval()
out = model(**batch)
head = model.cache.mlm.head
print("labelled rows of the flattened batch:", model.cache.mlm.rows)
print(
    "n =",
    head.decoder.x.shape,
    " decoder's weight",
    head.decoder.weight.shape,
    " logits",
    model.cache.mlm.cross_entropy.probs.shape,
)
print("SOP: u =", model.cache.sop.classifier.x.shape, " logits", out.sop_logits.shape)
WORDS = "albert.embeddings.word_embeddings.weight"
print("the decoder's weight is the table itself:", np.shares_memory(head.decoder.weight, model.params[WORDS]))

# %% [markdown]
# ## 2. Logits only where something is asked
#
# The head is wide: V numbers for each row. At positions without a label they would be computed, put into a softmax,
# and multiplied by 0. So the package picks the R rows first. The loss and the gradients are the same; let us see.

# %%
from albert_np.ops import cross_entropy_backward, cross_entropy_forward

everywhere = out.prediction_logits  # (B, T, V), computed only because we ask
loss, cache = cross_entropy_forward(everywhere.reshape(-1, V), labels.ravel())
print(f"over all {B * T} rows {loss:.12f}, over the {len(model.cache.mlm.rows)} labelled ones {out.mlm_loss:.12f}")
dlogits_everywhere = cross_entropy_backward(1.0, cache)
print("rows with a gradient:", np.flatnonzero(dlogits_everywhere.any(axis=1)))
dlogits = cross_entropy_backward(1.0, model.cache.mlm.cross_entropy)  # (R, V)
assert np.allclose(dlogits_everywhere[model.cache.mlm.rows], dlogits, rtol=1e-10, atol=1e-13)

base = anp.AlbertConfig.preset("base-v2")
for name, rows in (("all 512 positions", 512), ("15 % of them", 77)):
    numbers = rows * base.vocab_size
    print(
        f"ALBERT-base, {name}: {numbers * 4 / 1e6:.0f} MB of float32 logits a sequence,"
        f" {2 * numbers * base.embedding_size / 1e9:.2f} billion operations in the decoder"
    )

# %% [markdown]
# ## 3. Backward through the heads
#
# From notebook 04, for a row with label $l$ and $p = \mathrm{softmax}(z_r)$,
#
# $$\bar z_{rv} = \frac1R\,(p_{rv} - [v = l_r]) \tag{12.6}$$
#
# and the decoder is linear (notebook 03):
#
# $$\bar n = \bar z\, W, \qquad \bar W^{\mathrm{dec}} = \bar z^\top n, \qquad \bar b = \textstyle\sum_r \bar z_r \tag{12.7}$$
#
# $\bar n$ goes on through LayerNorm, gelu and the dense layer, to the encoder, and through all of it down to the
# embeddings, where it arrives as $\bar e$. And there it meets $W$ again.
#
# ### The tied matrix
#
# Write the loss as a function of two matrices, one at the bottom and one at the top: $\mathrm{loss} =
# F(W^{\mathrm{emb}}, W^{\mathrm{dec}})$. They are the same matrix, $W^{\mathrm{emb}} = W^{\mathrm{dec}} = W$. As in
# notebook 11, the chain rule sums over both places:
#
# $$\bar W = \frac{\partial F}{\partial W^{\mathrm{emb}}} + \frac{\partial F}{\partial W^{\mathrm{dec}}} \tag{12.8}$$
#
# The first is the scatter-add of notebook 07, the second stands in (12.7). Row by row:
#
# $$\boxed{\;\bar W_v = \sum_{(b,t)\,:\;\mathrm{ids}_{bt} = v} \bar e_{bt} \;+\; \sum_r \bar z_{rv}\, n_r\;} \tag{12.9}$$
#
# The two paths are very different. The lookup reaches only rows whose id stands *in the input*; of a hidden word,
# [MASK] stands there. The decoder reaches *every* row: it pulls the row of the right word towards $n_r$ and pushes
# all others away, in proportion to their probability.
#
# **By hand.** V = 4, E = 2. The ids (2, 0, 2) have $\bar e$ = (1, 1), (2, 2), (3, 3). One labelled position, label 1,
# with all four words equally likely, so $\bar z = (\frac14, -\frac34, \frac14, \frac14)$, and $n = (4, -4)$. Write
# down the four rows of $\bar W$ before you run the cell.

# %%
from albert_np.ops import embedding_backward, embedding_forward, linear_backward, linear_forward

W = np.zeros((4, 2))
_, lookup_cache = embedding_forward(np.array([2, 0, 2]), W)
lookup = embedding_backward(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), lookup_cache)
_, decoder_cache = linear_forward(np.array([[4.0, -4.0]]), W, np.zeros(4))
_, decoder, _ = linear_backward(np.array([[0.25, -0.75, 0.25, 0.25]]), decoder_cache)
for v in range(4):
    print(f"row {v}: lookup {lookup[v]} + decoder {decoder[v]} = {lookup[v] + decoder[v]}")

# %% [markdown]
# Now in a model. A vocabulary of eight pieces and two sentences: "the [MASK] sat" (the answer is *cat*), and "the cat
# [MASK]" (the answer is *sat*).

# %%
from albert_np.course.figures import two_paths_figure


def two_paths(model):
    """The two terms of (12.9) for the last forward pass, read off the caches. Leaves the whole gradient in model.grads."""
    mlm, word = model.cache.mlm, model.cache.albert.embeddings.word
    _, decoder, _ = linear_backward(cross_entropy_backward(1.0, mlm.cross_entropy), mlm.head.decoder)
    model.zero_grad()
    dembedded = model.backward()
    return embedding_backward(dembedded, word), decoder


pieces = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat")
tiny = anp.AlbertForPreTraining(
    replace(config, vocab_size=8, embedding_size=4, initializer_range=0.4), dtype="float64", seed=2
).eval()
tiny(
    np.array([[2, 5, 4, 7, 3], [2, 5, 6, 4, 3]]),
    labels=np.array([[-100, -100, 6, -100, -100], [-100, -100, -100, 7, -100]]),
    sentence_order_label=np.array([0, 0]),
)
lookup, decoder = two_paths(tiny)
show(
    two_paths_figure(lookup, decoder, pieces),
    "12.2",
    "The gradient of the tied matrix is the sum of two paths.",
    "Three matrices with eight rows, one for each piece: the gradient through the lookup, whose rows pad and unk are zero, "
    "plus that through the decoder, which has no zero row, equals the gradient of the tied matrix.",
)

# %% [markdown]
# **On paper** (5 minutes). Add up the rows of the second matrix, $\sum_v \bar W^{\mathrm{dec}}_v$. Show that the sum is zero, whatever $n$
# and the labels are. What does it mean for the rows of words that are never asked for?
#
# <details><summary>The derivation</summary>
#
# By (12.7) and (12.6),
#
# $$\sum_v \bar W^{\mathrm{dec}}_v = \sum_r \Big(\sum_v \bar z_{rv}\Big) n_r, \qquad
# \sum_v \bar z_{rv} = \frac1R\Big(\sum_v p_{rv} - 1\Big) = 0$$
#
# for probabilities add up to 1, and there is one label. Softmax does not change when all logits grow alike (notebook 04), so
# there is no slope in that direction. What the labels' rows are pulled towards $n_r$, all others together are pushed away
# from it, each by its probability. A word that is never asked for is only ever pushed, and all such words the same
# way: in trained models their rows lie close together in a narrow cone
# ([Gao et al., 2019](https://arxiv.org/abs/1907.12009)). The lookup's path has no such law.
# </details>

# %%
print(
    "largest sum over the rows: decoder",
    abs(decoder.sum(axis=0)).max().round(12),
    " lookup",
    abs(lookup.sum(axis=0)).max().round(3),
)

# %% [markdown]
# The first matrix has no entry for `<pad>` and `<unk>`: they do not stand in the sentences. The second has an entry
# everywhere, the largest for *cat* and *sat*. With 60 words it is plainer still. Words 40 to 59 stand nowhere in this
# batch; which picture has bars for them?

# %%
from albert_np.course.figures import row_lengths_figure

model(**batch)
lookup, decoder = two_paths(model)
show(
    row_lengths_figure(lookup, decoder, input_ids, labels[labels != -100]),
    "12.3",
    "The length of each row's gradient, by path.",
    "Bars for 60 rows. Above, through the lookup: bars only for ids below 40 that stand in the input, [MASK]'s the "
    "longest. Below, through the decoder: a bar for every row, the longest for the labels.",
)

# %% [markdown]
# One label's bar is twice as long as the others: that word is asked for twice, and (12.9) adds up both.
#
# ## 4. Your turn: the gradient of the tied matrix  (difficulty 3 of 5, 15 minutes)
#
# Write (12.9) for the whole matrix. V is the last size of `dlogits`. The gradient has the dtype of `dembedded`, and
# an id may stand in the input many times: [CLS] does so in every sequence.
#
# <details><summary>Hint 1: the idea</summary>
#
# Two matrices of shape (V, E), one for each use, and their sum. You have met both: the first in notebook 07, the
# second in notebook 03.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `np.add.at(dweight, ids, dembedded)` for the lookup; $\bar z^\top n$ for the decoder.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# dweight = np.zeros(..., dtype=dembedded.dtype)
# ...                               # the lookup's path, notebook 07
# return dweight + ...              # the decoder's path, notebook 03
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson12


def tied_gradient(ids, dembedded, dlogits, hidden):
    """ids (B, T), dembedded (B, T, E), dlogits (R, V), hidden (R, E); returns dweight (V, E)."""
    raise NotImplementedError


report = lesson12.check_tied_gradient(tied_gradient)

# %% [markdown]
# Let it train. A model with both heads learns the batch by heart; the gradient of the tied matrix is yours (until it has
# passed, the package's), all others are the package's.

# %%
tied_gradient = report.yours(lesson12.package_tied_gradient)
learner = anp.AlbertForPreTraining(replace(config, initializer_range=0.2), dtype="float64", seed=3).eval()
for step in range(121):
    learner.zero_grad()
    out = learner(**batch)
    dembedded = learner.backward()
    mlm = learner.cache.mlm
    dlogits = cross_entropy_backward(1.0, mlm.cross_entropy)
    learner.grads[WORDS] = tied_gradient(input_ids, dembedded, dlogits, mlm.head.decoder.x)
    learner.params.flat -= 0.1 * learner.grads.flat
    if step % 40 == 0:
        print(f"update {step:3}   loss {float(out.loss):.3f}")

# %% [markdown]
# To see the two paths into the tied matrix with a trained model's numbers: `albert-np explore --at embedding_backward`, tab
# "Sums".

# %% [markdown]
# ## 5. What the heads send back
#
# Both heads read $h$, so their gradients add up there. The MLM head sends one to each labelled position. The SOP
# head has seen [CLS] alone, so all else gets exactly 0 from it. Let only one loss count at a time:

# %%
from albert_np.course.figures import arriving_figure
from albert_np.layers import classifier_backward, mlm_loss_backward, pooler_backward

model(**batch)
nowhere = model.params.zeros_like()  # the weights' gradients are not wanted here
from_mlm = mlm_loss_backward(1.0, model.cache.mlm, nowhere.scope("predictions."))
dsop = cross_entropy_backward(1.0, model.cache.sop_loss)
dpooled = classifier_backward(dsop, model.cache.sop, nowhere.scope("sop_classifier."))
from_sop = pooler_backward(dpooled, model.cache.albert.pooler, nowhere.scope("albert.pooler."))
show(
    arriving_figure(from_mlm, from_sop, labels),
    "12.4",
    "Where in the last hidden states the gradient of each head arrives.",
    "Two grids of four sequences and sixteen positions. From the MLM head, only the labelled positions, marked with a "
    "question mark, get a gradient; from the SOP head, only the column of [CLS].",
)

# %% [markdown]
# How, then, does SOP teach the other words anything? Through the attention: [CLS] has looked at them in every layer,
# and on the way down the gradient spreads to all that was looked at. One step below, nothing is 0 any more:

# %%
from albert_np.layers import layer_backward

encoder = model.cache.albert.encoder
below = layer_backward(from_sop, encoder.steps[-1], nowhere.scope("albert." + encoder.calls[-1].prefix))
print("positions of sequence 0 with a gradient from SOP, at the encoder's output:", np.flatnonzero(from_sop[0].any(-1)))
print("one layer below:", np.flatnonzero(below[0].any(-1)))

# %% [markdown]
# Why order, and not, as in BERT, whether B follows A at all, with a random B in half of the cases? A random B mostly
# comes from another document, on another subject; the subject gives it away. A model trained so is at 52 % when asked
# about the order, hardly better than a coin (the paper's Table 5). With SOP, both pieces have the same subject, and
# only their order is left to learn from.

# %% [markdown]
# ## 6. Checks
#
# The cross-entropy, in the three usual ways:

# %%
from albert_np.course import verify_op

verify_op("cross_entropy")

# %% [markdown]
# The whole model with both heads, against finite differences: every parameter, the tied matrix among them, and one
# random direction through all. (`pad_token_id=None`, since the padding row's lookup has no gradient by rule; see
# notebook 07.)

# %%
from albert_np.gradcheck import check_model

proof = check_model(model, batch, ("loss",))
print(f"{sum(c.ok for c in proof)} of {len(proof)} comparisons agree")
print(*[c for c in proof if c.name == WORDS or "predictions" in c.name or "sop" in c.name], proof[-1], sep="\n")

# %% [markdown]
# Formula and package, side by side: (12.6), (12.7) and (12.9) from the caches, against `model.backward`.

# %%
model(**batch)
mlm = model.cache.mlm
R = len(mlm.rows)
z = mlm.head.decoder.x @ model.params[WORDS].T + model.params["predictions.bias"]  # (12.2)
p = np.exp(z - z.max(axis=1, keepdims=True))
p /= p.sum(axis=1, keepdims=True)
dlogits = (p - np.eye(V)[labels[labels != -100]]) / R  # (12.6)
model.zero_grad()
dembedded = model.backward()
one_hot = np.eye(V)[input_ids.ravel()]  # (B·T, V)
formula = one_hot.T @ dembedded.reshape(B * T, -1) + dlogits.T @ mlm.head.decoder.x  # (12.9)
assert np.allclose(formula, model.grads[WORDS], rtol=1e-10, atol=1e-13)
assert np.allclose(dlogits.sum(axis=0), model.grads["predictions.bias"], rtol=1e-10, atol=1e-13)

# %% [markdown]
# ## 7. What breaks if…
#
# **…a path is dropped?** In code that was not written with the tie in mind, the second use often *sets* the gradient,
# and the first is lost. Compare with the slope that finite differences find, at one number of the row of [MASK] and
# at one of a label's row.

# %%
whole = lookup + decoder


def slope(row, column, h=1e-5):
    weight = model.params[WORDS]
    kept, losses = weight[row, column], []
    for move in (h, -h):
        weight[row, column] = kept + move
        losses.append(float(model(**batch, grad=False).loss))
    weight[row, column] = kept
    return (losses[0] - losses[1]) / (2 * h)


print(f"{'':16} {'slope':>10} {'both':>10} {'lookup':>10} {'decoder':>10}")
for name, row in (("[MASK]", MASK), ("a label", int(labels[labels != -100][0]))):
    found = (slope(row, 0), whole[row, 0], lookup[row, 0], decoder[row, 0])
    print(f"{name:10} {row:5}", *(f"{number:10.6f}" for number in found))
for name, part in (("lookup", lookup), ("decoder", decoder)):
    cosine = (part * whole).sum() / np.linalg.norm(part) / np.linalg.norm(whole)
    print(f"cosine between the {name}'s path alone and the gradient: {cosine:.2f}")

# %% [markdown]
# In the row of [MASK] the decoder's path alone even has the wrong sign. As a whole, though, each path alone still
# points somewhat downhill, and the loss falls. So again: no error, no warning, only a model that is worse than it
# could be.
#
# **…the initial weights are wide?** Then logits are large, and the fresh model is sure of wrong answers. The loss
# starts far above $\ln V$.

# %%
for spread in (0.02, 0.2, 1.0, 3.0):
    wide = anp.AlbertForPreTraining(replace(config, initializer_range=spread), dtype="float64", seed=0).eval()
    out = wide(**batch)
    print(f"initializer_range {spread:4}: MLM {out.mlm_loss:6.2f} (ln V = {np.log(V):.2f}), SOP {out.sop_loss:5.2f}")

# %% [markdown]
# **…nothing is asked?** A batch may happen to have no label. The mean over no rows would be 0/0. The package says 0,
# and the gradient is 0.

# %%
nothing = {**batch, "labels": np.full_like(labels, -100)}
print("MLM loss without labels is 0:", model(**nothing).mlm_loss == 0)

# %% [markdown]
# ## 8. Your turn: which bug is this?  (difficulty 3 of 5, 10 minutes)
#
# Six runs, each with one bug. In each a decoder with V = 60 learns R = 8 words by heart, in a batch of B·T = 64 positions, and
# reports its loss before the first update, after 25 and after 300. There is no error and no warning. For each letter, name the
# cause: a number from 1 to 6. You have $\ln 60 = 4.09$, and a pencil.

# %%
print(lesson12.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Divide every first loss by $\ln 60$. Three of the factors can be read off B, T, R and the base of a logarithm.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# 8/64; 8; $1/\ln 2 = 1.44$. Two runs begin rightly and do not reach 0: what is the smallest loss if the *logits* can be
# no more than 1 and no less than 0?
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": 1, "D": ..., "E": ..., "F": ...}
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns a dictionary from "A" to "F" to the number of the cause, 1 to 6."""
    raise NotImplementedError


lesson12.check_which_bug(which_bug)

# %% [markdown]
# <details><summary>How low can it get? (read this after the check)</summary>
#
# Softmax of softmax: the inner one gives numbers between 0 and 1, so at best $e^1$ stands against 59 times $e^0$, and
# the loss cannot fall below $\ln(e + 59) - 1 = 3.12$. Such a run looks healthy, only slow. Who knows this
# number sees it at once.
# </details>

# %% [markdown]
# ## 9. One more exercise: the z-loss  (difficulty 3 of 5, 15 minutes)
#
# Softmax forgets a number that all logits have in common, so no gradient holds it back, and over a long training it drifts.
# Numbers of 16 bits then lose their last digits. Large models therefore add a small penalty on the **log-sum-exp** of each row,
# which is what a common number moves:
#
# $$\mathrm{zloss} = \frac1R \sum_r (\ln Z_r)^2, \qquad \ln Z_r = \ln \sum_v e^{z_{rv}} \tag{12.10}$$
#
# Derive its gradient on paper, then write it. It has to be right for logits of 1,000 too, where $e^z$ is no number.
#
# <details><summary>The derivation</summary>
#
# A square, then a logarithm, then a sum: $\partial (\ln Z)^2 = 2 \ln Z \cdot \partial \ln Z$, and
# $\partial \ln Z/\partial z_v = e^{z_v}/Z = \mathrm{softmax}(z)_v$ (notebook 04). So
#
# $$\bar z_{rv} = \frac{2 \ln Z_r}{R}\,\mathrm{softmax}(z_r)_v \tag{12.11}$$
#
# and with $m$ the largest logit of the row, $\ln Z = m + \ln\sum_v e^{z_v - m}$.
# </details>
# <details><summary>Hint 1: the idea</summary>
#
# Two things are needed of each row, its log-sum-exp and its softmax, and both come from the same powers.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (12.11), times `dloss`. Take the largest logit of each row out before `np.exp`, and add it back to the logarithm.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# largest = logits.max(...)
# powers = ...
# total = powers.sum(...)
# return dloss * 2 * (... + np.log(total)) * ... / len(logits)
# ```
# </details>


# %% tags=["exercise"]
def z_loss_backward(dloss, logits):
    """dloss: a number; logits (R, V); returns dlogits (R, V) of the mean over rows of (ln Z)²."""
    raise NotImplementedError


z_report = lesson12.check_z_loss_backward(z_loss_backward)

# %% [markdown]
# Does it hold the common number back? A decoder whose bias starts at 10 for all words learns the eight labels of the batch, from
# the rows of $n$ above, without the penalty and with a hundredth of it.

# %%
z_loss_backward = z_report.yours(lesson12.package_z_loss_backward)
model(**batch)
n, asked_for = model.cache.mlm.head.decoder.x, labels[labels != -100]
for share in (0.0, 0.01):
    weight, bias = np.zeros((V, n.shape[1])), np.full(V, 10.0)
    for _ in range(1001):
        logits = n @ weight.T + bias
        loss, cache = cross_entropy_forward(logits, asked_for)
        dlogits = cross_entropy_backward(1.0, cache) + z_loss_backward(share, logits)
        weight, bias = weight - 0.3 * dlogits.T @ n, bias - 0.3 * dlogits.sum(axis=0)
    log_z = np.logaddexp.reduce(logits, axis=1)
    print(
        f"{share} of the z-loss: cross-entropy {float(loss):.3f}, ln Z {log_z.min():.1f} to {log_z.max():.1f}, mean of the bias {bias.mean():.2f}"
    )

# %% [markdown]
# Without the penalty the mean of the bias stays at 10: the cross-entropy has no slope there. With it $\ln Z$ comes down,
# and the eight words are learned more slowly; large models take a share of 0.0001.

# %% [markdown]
# ## Three questions
#
# 1. How many numbers does the MLM head of ALBERT-base store, and how many would it store with a decoder of its own?
# 2. A word never stands in the training text. Does its row of $W$ change?
# 3. After a thousand updates the SOP loss is still 0.69, while the MLM loss falls. Name two possible causes.
#
# <details><summary>Answers</summary>
#
# 1. $H E + E + 2E + V$ = 768 · 128 + 3 · 128 + 30,000 = 128,688. With a decoder of its own, V · E = 3,840,000 more.
# 2. Yes, in two ways. The decoder pushes it away from every $n_r$, a little at each update, and so it does with all words
#    that never occur, in nearly the same direction. And the lookup reaches it where masking puts it in as the random piece
#    (13.8), one in ten of the masked places: rarely, but not never.
# 3. The pooler or the SOP head gets no gradient (look at `model.grads`); or the labels do not fit the data, for
#    instance swapped pairs that are labelled 0. Or it is simply early: order is harder to see than frequent words.
# </details>
#
# ## In today's models
#
# The question at the top: all 30,000 rows, because the decoder pushes every word away; the lookup alone reaches ten or fewer,
# and in a model with two tables these are all that the input table gets.
#
# Using one matrix at both ends is called **weight tying** (权重绑定;
# [Press and Wolf, 2016](https://arxiv.org/abs/1608.05859); [Inan et al., 2016](https://arxiv.org/abs/1611.01462)). GPT-2 ties, and
# so do T5, Gemma and the small sizes of Llama 3.2 and Qwen 2.5: where the table is a large part of the weights. Larger
# Llamas have two tables.
#
# A language model of today asks at *every* position for the next word, rather than at 15 % of them for a hidden one, so section 2
# does not help it; with vocabularies of 100,000 and more the logits are then the largest array of the whole pass, and
# kernels compute loss and gradient block by block without ever holding them
# ([Wijmans et al., 2024](https://arxiv.org/abs/2411.09009)). The z-loss is from PaLM
# ([Chowdhery et al., 2022](https://arxiv.org/abs/2204.02311)). Questions about pairs have gone:
# RoBERTa found that NSP does not help ([Liu et al., 2019](https://arxiv.org/abs/1907.11692)), and encoders since then mostly ask
# for hidden words alone, ModernBERT for 30 % of them ([Warner et al., 2024](https://arxiv.org/abs/2412.13663)). ELECTRA asks of
# every word whether it was replaced ([Clark et al., 2020](https://arxiv.org/abs/2003.10555)).
#
# Next: [13, n-gram masks and SOP pairs](13_masks_pairs.ipynb): how the words to hide and the pairs to swap are drawn.

# %% [markdown]
# # 17 · Pretrain a small ALBERT
#
# **150 minutes.** You need: notebook 02 (the errors of finite differences), 11 to 15. You will be able to
#
# * train an ALBERT on real prose, which is harder than the world of notebook 15,
# * find many bugs before the first update, and most of the others with a single batch,
# * read a loss curve: what an even guess has, what token frequencies give, and what only the context can give.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $V, E, s$ | | vocabulary size, embedding size, spread of fresh weights (`initializer_range`) |
# | $N, M$ | | labelled tokens, and labelled pairs, of a whole batch |
# | $f, g$ | –, (P) | the loss as a function of all P weights, and its gradient |
# | $h, v$ | –, (P) | step of a finite difference, and a random direction |
# | $p_r$ | (V) | the model's answer at the $r$-th of R hidden tokens: a probability for each piece |
# | $\bar p$ | (V) | the mean of these answers |
# | $\pi, q$ | (V) | the shares of the pieces among the labels; an answer that is the same everywhere |
# | $J$ | | how much the answers differ from place to place (nats) |
#
# **A question from a real model.** Somebody trains an ALBERT with 30,000 pieces on text of their own. The MLM loss falls from
# 10.4 to 7 within a day, and then stays near 7 for days (huggingface/transformers#5984). Three people answer: "it has
# converged, take a larger model"; "there is a bug, start again"; "wait". What would you measure, in a minute and without
# training on, to say who is right? Write it down; sections 6 and 7 come back to it.

# %% [markdown]
# ## 1. The loop
#
# Nothing in this picture is new. Each box has had its notebook.

# %%
from albert_np.course.figures import loop_figure
from albert_np.plots import show

show(
    loop_figure(),
    "17.1",
    "One update of pretraining, and what is made once before all of them.",
    "Text, vocabulary and ids are made once. At every update: pairs and masks, batch, forward, loss, backward, clip, LAMB "
    "with its learning rate, and the new weights go back to forward.",
)

# %% [markdown]
# The text is on your disk: the English of Python's manual and docstrings. The vocabulary is the one that comes with the
# project, 2,000 pieces of the same text. One document in twenty is held out, by a hash of its words, so nobody can
# train on it by accident.
#
# The variable in the first line decides how long this notebook takes. It is written for 400 updates.

# %%
import tempfile
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

import albert_np as anp
from albert_np.pretraining import PretrainingData, is_held_out, prepare_run, python_prose, python_prose_source
from albert_np.study import data_folder, quickstart

UPDATES = 400  # 2,400 for the quickstart's figures, some four minutes
LONG = UPDATES >= 2400

small = data_folder() / "small-albert"
folder = tempfile.TemporaryDirectory()
documents = list(islice(python_prose(), None if LONG else 600))
recipe = replace(
    quickstart.recipe(UPDATES),
    batch_size=32 if LONG else 16,
    max_seq_length=32,
    output_bias="zeros",  # the quickstart starts with the frequencies; here they are to be learned, see section 7
    evaluate_every=UPDATES // 5,
    threads=2,
)


def prepared(name, documents, recipe):
    """A run folder: tokenizer, ids of the training and of the held-out documents, configuration, recipe."""
    return prepare_run(
        Path(folder.name) / name,
        lambda: documents,
        python_prose_source(),
        quickstart.CONFIG,
        recipe,
        vocabulary=small / "spiece.model",
    )


run = prepared("run", documents, recipe)
tokenizer, config = run.tokenizer, run.config
data = PretrainingData(run.corpus, tokenizer, recipe.batch_size, recipe.max_seq_length, seed=recipe.seed)
held_out = run.held_out_batches(max_examples=None)
print(f"{len(documents)} documents; {len(run.corpus.ids):,} tokens to train on, {len(run.held_out.ids):,} held out")
print(f"an epoch has {data.epoch_size(0):,} examples; the run sees {UPDATES * recipe.batch_size:,}")
print(
    f"held out: {sum(len(b.labels) for b in held_out)} examples, {sum((b.labels >= 0).sum() for b in held_out)} labels"
)

# %% [markdown]
# Look at a batch before you train on it. Decode it; many bugs end here. `▁` is a space; the answers stand below the
# pieces that are asked for. Two of its pairs, one in order and one swapped:

# %%
batch, _ = data.batch_at(data.first_position)
print({name: array.shape for name, array in batch._asdict().items()})
asked_early = (batch.labels[:, :21] >= 0).sum(axis=1)
for label in (0, 1):
    row = np.where(batch.sentence_order_label == label, asked_early, -1).argmax()
    ids, asked = batch.input_ids[row, :21], batch.labels[row, :21]
    read = tokenizer.convert_ids_to_tokens(ids.tolist())
    answers = [tokenizer.convert_ids_to_tokens(int(i)) if i >= 0 else "" for i in asked]
    widths = [1 + max(len(a), len(b)) for a, b in zip(read, answers, strict=True)]
    print(f"\npair {row}, label {label} ({('in order', 'swapped')[label]})")
    print("".join(f"{a:<{w}}" for a, w in zip(read, widths, strict=True)), "…")
    print("".join(f"{a:<{w}}" for a, w in zip(answers, widths, strict=True)).rstrip())

# %% [markdown]
# ## 2. Check before you train: the first loss
#
# Fresh weights know nothing, so (12.5) says $\ln V$ and $\ln 2$. We can do better. The decoder's input $n$ comes out of
# a LayerNorm, so $\|n\|^2 = E$. The rows $W_v$ are drawn with spread $s$. A sum of $E$ independent terms $n_e W_{ve}$
# is nearly normal:
#
# $$z_v = n \cdot W_v \sim \mathcal N(0, \sigma^2), \qquad \sigma^2 = \|n\|^2 s^2 = E\,s^2 \tag{17.1}$$
#
# The mean of $e^z$ over a normal $z$ is $e^{\sigma^2/2}$. With thousands of rows the sum is close to its mean:
#
# $$\log\sum_v e^{z_v} \approx \log\big(V e^{\sigma^2/2}\big) = \ln V + \tfrac{\sigma^2}2 \tag{17.2}$$
#
# The label's own logit is 0 on average, so
#
# $$\boxed{\;\mathrm{loss}_{\mathrm{mlm}} \approx \ln V + \tfrac12 E s^2, \qquad \mathrm{loss}_{\mathrm{sop}} \approx \ln 2\;} \tag{17.3}$$
#
# **Predict** for $V = 2000$ ($\ln V = 7.60$), $E = 128$ and our $s = 0.04$. Then for $s = 0.2$.

# %%
print(f"{'s':>5}  {'(17.3)':>7}  {'MLM, mean of 5 seeds':>20}  {'lowest and highest':>18}  {'SOP':>5}")
for spread in (0.02, 0.04, 0.08, 0.2):
    outs = [
        anp.AlbertForPreTraining(replace(config, initializer_range=spread), seed=seed)(**batch._asdict(), grad=False)
        for seed in range(5)
    ]
    mlm, sop = ([float(getattr(out, name)) for out in outs] for name in ("mlm_loss", "sop_loss"))
    expected = np.log(config.vocab_size) + config.embedding_size * spread**2 / 2
    print(f"{spread:>5}  {expected:7.2f}  {np.mean(mlm):20.2f}  {min(mlm):9.2f} {max(mlm):8.2f}  {np.mean(sop):5.2f}")

# %% [markdown]
# Seeds differ by a tenth or so: fresh answers are nearly the same at every place, so it matters whether they happen to
# suit the most frequent labels. SOP has [CLS] alone, and with wide weights it is sure of something wrong.
#
# What another number would mean:
#
# | the first MLM loss is | look for |
# |---|---|
# | far above | weights drawn too wide; no LayerNorm before the decoder |
# | a sixth or seventh of it | a mean over all positions, not over the labelled ones |
# | dozens of times it | a sum where the mean should be |
# | clearly below | the weights are not fresh, or the answers stand in the input |
#
# ## 3. Check before you train: the gradient
#
# Every op was checked by itself. But bugs also live between ops, and on real data: a repeated id, a padded row, a pair
# without a label. So check the whole model, on a real batch, in float64. Half a million weights are too many for
# (2.10); draw a few entries of each parameter, and one direction through all of them.
#
# **What error to expect.** For a step $h$ along $v$, from (2.3) and (2.4):
#
# $$\text{error}(h) \approx \underbrace{\tfrac{h^2}6\,\big|D^3 f[v,v,v]\big|}_{\text{Taylor}} + \underbrace{\frac{\varepsilon|f|}{h}}_{\text{rounding}} \tag{17.4}$$
#
# With $f \approx 8.4$, $\varepsilon = 2.2\times10^{-16}$ and $h = 10^{-5}$, rounding alone is $2\times10^{-10}$. That
# is an *absolute* error. An entry of $10^{-3}$ is then right to some seven digits, one of $10^{-9}$ to none. So errors
# are measured against the largest entry tried of a parameter, and what lies below the rounding counts as 0.
#
# Before you look: for a single weight $v$ has length 1; for a random direction, $v_i \sim \mathcal N(0,1)$, it has
# length $\sqrt P \approx 700$. Which of the two errors in (17.4) changes, and which way does the best $h$ move?

# %%
from albert_np.course.figures import difference_figure

few = {name: array[:8] for name, array in batch._asdict().items()}
model = anp.AlbertForPreTraining(config, dtype="float64", seed=0)
first = model(**few)
model.zero_grad()
model.backward()
weights, g = model.params.flat.copy(), model.grads.flat.copy()
rng = np.random.default_rng(15)


def difference(v, h):
    """(f(θ + hv) - f(θ - hv)) / 2h."""
    found = []
    for move in (h, -h):
        model.params.flat[...] = weights + move * v
        found.append(float(model(**few, grad=False, skip_padding=True).loss))
    model.params.flat[...] = weights
    return (found[0] - found[1]) / (2 * h)


v = rng.standard_normal(g.size)
entries = [np.eye(1, g.size, int(i))[0] for i in rng.choice(g.size, 5, replace=False)]
steps = 10.0 ** np.arange(-2, -10, -1)
along = [abs(difference(v, h) - g @ v) for h in steps]
single = [np.median([abs(difference(e, h) - g @ e) for e in entries]) for h in steps]
show(
    difference_figure(steps, single, along, float(first.loss)),
    "17.2",
    "The error of a gradient check of the whole model, against its step.",
    "Errors against the step h, log-log. For a single weight they fall with h to some 1e-11 "
    "near h = 1e-4 and then rise along the line of rounding. For the random direction they are far larger at large h, and "
    "lowest below h = 1e-6.",
)
print(
    f"P = {g.size:,}   |g| = {np.linalg.norm(g):.2f}   g·v = {g @ v:.2f}   a typical entry of g: {np.median(abs(g)):.0e}"
)

# %% [markdown]
# The Taylor part grows with the cube of the length of $v$; rounding does not change. The long direction wants a shorter
# step. At $h = 10^{-5}$ it has a few $10^{-7}$ of error, for a slope of order $\|g\|$: enough.
#
# **Why a random direction?** With $v_i \sim \mathcal N(0,1)$ independent,
#
# $$\langle g, v\rangle \sim \mathcal N\big(0, \|g\|^2\big) \tag{17.5}$$
#
# so the slope along $v$ is about as large as the whole gradient, never hidden among tiny entries. Let the backward pass
# be wrong by any $e$. Then the two sides differ by $\langle e, v\rangle \sim \mathcal N(0, \|e\|^2)$, and this escapes
# a tolerance $\tau\|g\|$ only by luck:
#
# $$P\big(|\langle e, v\rangle| < \tau\|g\|\big) \approx \sqrt{\tfrac2\pi}\;\frac{\tau\,\|g\|}{\|e\|} \tag{17.6}$$
#
# Whichever weights $e$ sits in, two forward passes find it. Entries drawn one at a time find it if they happen to hit
# it, and then they say where. The package's check does both. Right first; then with a bug: one row of the 2,000 word
# embeddings gets no gradient.

# %%
from albert_np.gradcheck import TOLERANCE, check_model

half = {name: array[:4] for name, array in few.items()}  # fewer rows, for the check runs forward hundreds of times
found = check_model(model, half, ["loss"], samples=2)
assert all(comparison.ok for comparison in found)
print(f"{sum(comparison.ok for comparison in found)} of {len(found)} agree; the last: {found[-1]}\n")

WORDS = "albert.embeddings.word_embeddings.weight"
by_row = np.linalg.norm(model.grads[WORDS], axis=1)
seen = np.unique(half["input_ids"])
forgotten = int(seen[np.argsort(by_row[seen])[len(seen) // 2]])  # a row of middling length
share = by_row[forgotten] / np.linalg.norm(model.grads.flat)
right_backward = model.backward


def forgetful_backward(**upstream):
    dembedded = right_backward(**upstream)
    model.grads[WORDS][forgotten] = 0
    return dembedded


model.backward = forgetful_backward
wrong = [comparison for comparison in check_model(model, half, ["loss"], samples=2) if not comparison.ok]
del model.backward
print(
    f"the row of {tokenizer.convert_ids_to_tokens(forgotten)!r} forgotten, |e| / |g| = {share:.4f}:", *wrong, sep="\n"
)
print(f"the entries miss it: 2 of {model.grads[WORDS].size:,} were tried")
print(f"a direction that would miss it (17.6): one in {1 / (np.sqrt(2 / np.pi) * TOLERANCE / share):,.0f}")

# %% [markdown]
# ## 4. One batch first
#
# Now the loop. Five lines do the work, and nothing else is needed to train a model.

# %%
from itertools import repeat

from albert_np.training import LAMB, clip_by_global_norm, warmup_linear


def train(model, batches, updates, peak, warmup, max_norm=1.0):
    """batches: dictionaries of the model's arguments, one an update. Returns a record of each update."""
    optimizer, records = LAMB(model.params, model.grads), []
    for step, batch in zip(range(updates), batches, strict=False):
        model.zero_grad()  # backward adds (11.3), so start at 0
        out = model(**batch, skip_padding=True)  # the vocabulary's logits where there are labels, and nowhere else
        model.backward()
        norm = clip_by_global_norm(model.grads, max_norm)  # (14.13), all parameters together
        optimizer.step(warmup_linear(step, warmup, updates, peak))  # (14.7), (14.10)
        losses = {name: float(getattr(out, name)) for name in ("loss", "mlm_loss", "sop_loss")}
        records.append({"step": step + 1, **losses, "grad_norm": norm})
    return records


# %% [markdown]
# Show it eight pairs, the same at every update. Half a million weights can learn eight pairs by heart, so both losses
# must go to 0.
#
# How far would a model get that is *blind*: one whose answer does not depend on the input? Let $\pi_v$ be the share of
# piece $v$ among the labels, $q$ its one answer. With $\mathrm{KL}(\pi\|q) = \sum_v \pi_v \ln(\pi_v / q_v) \ge 0$, its
# loss is
#
# $$-\sum_v \pi_v \ln q_v = \underbrace{-\sum_v \pi_v \ln \pi_v}_{H(\pi)} + \mathrm{KL}(\pi\,\|\,q) \;\ge\; H(\pi) \tag{17.7}$$
#
# Below the entropy $H(\pi)$ of the labels, a model must have looked at its input.

# %%
from albert_np.course.figures import one_batch_figure

labels = few["labels"][few["labels"] >= 0]
shares = np.unique_counts(labels).counts / len(labels)
blind = -(shares * np.log(shares)).sum()
model = anp.AlbertForPreTraining(config, seed=0)
records = by_heart = train(model, repeat(few), 60, peak=0.02, warmup=10)
show(
    one_batch_figure(records, np.log(config.vocab_size), blind),
    "17.3",
    "One batch, learned by heart.",
    "One batch, 60 updates. The MLM loss falls from 7.7 through the labels' entropy to nearly 0; the SOP loss hesitates "
    "below ln 2 and then falls to 0.",
)
for i in (0, 19, 39, 59):
    print(
        "update {step:2}: MLM {mlm_loss:.4f}, SOP {sop_loss:.4f}, norm of the gradient {grad_norm:.3f}".format(
            **records[i]
        )
    )
assert records[-1]["loss"] < 0.1

# %% [markdown]
# It takes seconds, and it is the best test there is of a training loop. If it fails:
#
# | what you see | look for |
# |---|---|
# | it stays at $\ln V$ | no step is made: a learning rate of 0, an optimizer of another model, gradients set to 0 behind backward |
# | it rises | the sign of the step |
# | it stops near $H(\pi)$ | the input does not arrive: a mask that hides everything, a lost path to the embeddings |
# | MLM goes to 0, SOP stays at 0.69 | the pooler or its head gets no gradient; labels that are all −100 |
# | it jumps up and down, or NaN | the learning rate |
#
# (The rate here, 0.02, is higher than the run's. One batch forgives much.)

# %% [markdown]
# ## 5. Large batches out of small ones
#
# ALBERT was trained with 4,096 sequences an update. If they do not fit into memory, send them through in parts, and let
# the gradients add up: `backward` adds anyway. Only the *means* need care. The loss of the whole batch is a mean over
# all its N labelled tokens and one over all its M labelled pairs:
#
# $$L = \sum_k \Big[\frac1N \sum_{r \in \text{part } k} c_r + \frac1M \sum_{b \in \text{part } k} c_b\Big], \qquad N = \sum_k N_k,\quad M = \sum_k M_k \tag{17.8}$$
#
# with $c$ the cross-entropies. The derivative of a sum is the sum of the derivatives, so part $k$ adds its share of the
# gradient, if it divides by $N$ and $M$ and not by its own $N_k$ and $M_k$. The tempting way is the mean of the parts'
# means. With $K$ parts, a token then has the weight
#
# $$\frac1{K N_k} \quad\text{and not}\quad \frac1N \tag{17.9}$$
#
# A token in a part with few labels counts more. Well-known training libraries have had this bug
# for years (huggingface/transformers#34191): nothing fails, the model is only a little worse.
#
# **By hand.** Two parts: three labels of loss 6, and one label of loss 2. What is the whole batch's mean, and what the
# mean of means? $(3\cdot6 + 2)/4 = 5$; $(6 + 2)/2 = 4$.
#
# ### Your turn: accumulate  (difficulty 3 of 5, 15 minutes)
#
# Write it for any number of parts. `model(**part, mlm_denominator=…, sop_denominator=…)` divides by what it is told.
# Labels of −100 do not count. Return the whole batch's loss and leave its gradient in `model.grads`, whatever was in
# there before. Do not join the parts: they may be of different lengths, and they were split for a reason.
#
# <details><summary>Hint 1: the idea</summary>
#
# Two passes over the parts: the first only counts, the second computes.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $N$ counts `part["labels"] != -100`, $M$ counts `part["sentence_order_label"] != -100`, both over all parts. Each
# part's `loss` is then its term in (17.8).
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# tokens, pairs = ...               # of all parts
# model.zero_grad()
# loss = 0.0
# for part in parts:
#     loss += float(model(**part, mlm_denominator=..., sop_denominator=...).loss)
#     ...
# return loss
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson17


def accumulated_gradient(model, parts):
    """parts: a list of dictionaries of the model's arguments. Returns the loss of all; its gradient is in model.grads."""
    raise NotImplementedError


lesson17.check_accumulated_gradient(accumulated_gradient)

# %% [markdown]
# The package counts with `PRETRAINING.denominators`. Here are the right way and three wrong ones on a real batch of 16,
# in parts of 2, 2, 5 and 7 pairs, as a full memory may leave them: how far is each gradient from that of the whole?

# %%
from albert_np.pretraining import PRETRAINING

parts = [type(batch)(*(array[a:b] for array in batch)) for a, b in pairwise((0, 2, 4, 9, 16))]
print(
    "labels in the parts:",
    [int((part.labels >= 0).sum()) for part in parts],
    " whole:",
    PRETRAINING.denominators(parts),
)
model = anp.AlbertForPreTraining(config, dtype="float64", seed=0)
model(**{name: array[:16] for name, array in batch._asdict().items()})
model.backward()
whole = model.grads.flat.copy()


def gradient(parts, keep=True, **denominators):
    """The parts' gradients added up; keep=False: each one overwrites the last, = for +=."""
    model.zero_grad()
    for part in parts:
        if not keep:
            model.zero_grad()
        model(**part._asdict(), **denominators)
        model.backward()
    return model.grads.flat.copy()


right = gradient(parts, **PRETRAINING.denominators(parts))
assert np.allclose(right, whole, rtol=1e-9, atol=1e-12)  # (17.8)
for name, got in (
    ("(17.8)", right),
    ("mean of means", gradient(parts) / len(parts)),
    ("sum of means", gradient(parts)),
    ("= for +=, the last part alone", gradient(parts, keep=False)),
):
    cosine = got @ whole / np.linalg.norm(got) / np.linalg.norm(whole)
    print(
        f"{name:<30} |got - whole| / |whole| = {np.linalg.norm(got - whole) / np.linalg.norm(whole):7.1e}, cosine {cosine:.4f}"
    )

# %% [markdown]
# ## 6. What needs no context
#
# A loss means nothing by itself. On held-out text, with the labels' entropy unknown, the blind model (17.7) that one
# can actually have is the table of token frequencies of the *training* text. A piece that it never has must not be
# impossible, so each count gets one more:
#
# $$q_v = \frac{c_v + 1}{\sum_u (c_u + 1)}, \qquad \mathrm{loss}(q) = -\frac1R \sum_r \ln q_{\text{label}_r} \tag{17.10}$$
#
# And the accuracy of the best constant answer is the share of the piece that is asked for most often:
#
# $$\max_v \pi_v \tag{17.11}$$
#
# **By hand.** Counts (3, 2, 1, 0), so $q = (4, 3, 2, 1)/10$. Asked for are the pieces 0, 3, 0, 1. The accuracy is 1/2,
# and the loss $-(2\ln 0.4 + \ln 0.1 + \ln 0.3)/4 = 1.33$. An even guess has $\ln 4 = 1.39$.
#
# ### Your turn: without context  (difficulty 2 of 5, 10 minutes)
#
# <details><summary>Hint 1: the idea</summary>
#
# First take the labelled positions out of the rest. As an index, −100 would count from the end.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `np.bincount` counts ids; (17.10) looks each label up in one array of frequencies.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# asked = labels[...]
# frequencies = ...                 # one more than counted, of all pieces
# return ..., -np.log(frequencies[...]).mean()
# ```
# </details>


# %% tags=["exercise"]
def context_free(counts, labels):
    """counts (V,) of the training text, labels of any shape with -100 in it; returns the accuracy (17.11) and the loss (17.10)."""
    raise NotImplementedError


lesson17.check_context_free(context_free)

# %% [markdown]
# ## 7. The run
#
# The package's `Trainer` is the loop of section 4, with threads, a log, evaluations and checkpoints around it. While it
# runs, we look at the model in two more ways. Take the answers $p_r$ at hidden tokens of held-out text, and their mean
# $\bar p$. If a model is blind, all $p_r$ are the same. So
#
# $$J = \frac1R \sum_r \mathrm{KL}(p_r\,\|\,\bar p) = H(\bar p) - \frac1R \sum_r H(p_r) \tag{17.12}$$
#
# says how much it uses the context: 0 for a blind model, more the more its answers differ from place to place. (It is
# the mutual information of place and answer.)
#
# **On paper** (10 minutes). Show that the two sides of (17.12) are equal, and that $0 \le J \le \ln R$. Which answers reach
# $\ln R$? And what does it mean for somebody who measures $J$ at 50 places?
#
# <details><summary>A solution</summary>
#
# Write the divergence out, and take the mean over $r$ in the second sum, where only $p_r$ hangs on $r$:
#
# $$\frac1R \sum_r \sum_v p_{rv} \ln p_{rv} - \sum_v \Big(\frac1R \sum_r p_{rv}\Big) \ln \bar p_v
# = -\frac1R \sum_r H(p_r) + H(\bar p)$$
#
# for what stands in brackets is $\bar p_v$. No divergence is below 0 (notebook 15, section 3), and each is 0 only where
# $p_r = \bar p$. Above: $\bar p_v$ is a mean of R numbers that are not negative, one of which is $p_{rv}$, so
# $\bar p_v \ge p_{rv} / R$, and
#
# $$\mathrm{KL}(p_r\,\|\,\bar p) = \sum_v p_{rv} \ln \frac{p_{rv}}{\bar p_v} \le \sum_v p_{rv} \ln R = \ln R$$
#
# It is reached where no two answers have a piece in common. At 50 places no model can show more than $\ln 50 = 3.9$ nats,
# however much it knows; so $J$ is to be measured at many places, and compared at equally many.
# </details>
#
# ### Your turn: how much the context is used  (difficulty 3 of 5, 15 minutes)
#
# Write $J$ for answers that come as logits, R places of V pieces. A sure model gives some pieces a probability that is 0
# in float64, and $0 \ln 0 = 0$.
#
# <details><summary>Hint 1: the idea</summary>
#
# Either side of (17.12) does. The logits of a place may all be shifted by one number without any effect; use that before
# you take an exponential (notebook 04).
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\ln p_{rv}$ itself is never $-\infty$ if you compute it as $z_{rv} - \log\sum_u e^{z_{ru}}$. Only $\ln \bar p_v$ may be, and
# only where all $p_{rv}$ are 0.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# z = logits - ...                       # (R, V)
# log_p = z - np.log(...)
# mean = np.exp(log_p).mean(axis=...)    # (V)
# of_mean = -(mean * np.log(np.where(..., mean, 1))).sum()
# return of_mean + (... * log_p).sum(axis=1).mean()
# ```
# </details>


# %% tags=["exercise"]
def context_use(logits):
    """logits (R, V) of R places; returns J (17.12) of the answers softmax(logits), in nats."""
    raise NotImplementedError


report = lesson17.check_context_use(context_use)

# %% [markdown]
# From here on yours is used, if it passes. And has the model learned the frequencies?
#
# $$\mathrm{KL}(q\,\|\,\bar p) \tag{17.13}$$
#
# **Predict** before you run: what will the model learn first, the frequencies or the context? And what does the loss
# look like in between?

# %%
from albert_np.ops import softmax_forward

context_use = report.yours(lesson17.package_context_use)
base = quickstart.baselines(run, held_out)
counts = np.bincount(run.corpus.ids, minlength=config.vocab_size)
q = (counts + 1) / (counts + 1).sum()


def logits_of(model, batches):
    """The logits (R, V) of the model's answers at the hidden tokens: labelled, and [MASK] in the input."""
    hidden = [(b.labels >= 0) & (b.input_ids == tokenizer.mask_token_id) for b in batches]
    outs = (
        model(**b._asdict(), grad=False, skip_padding=True) for b in batches
    )  # what the loss does not read is left out
    return np.concatenate([o.prediction_logits[h] for o, h in zip(outs, hidden, strict=True)]).astype(np.float64)


def divergence(p, q):
    """KL(p ‖ q) along the last axis."""
    return (p * np.log(p / q)).sum(axis=-1)


def look(model):
    """J (17.12) and the distance of the mean answer from the frequencies (17.13)."""
    logits = logits_of(model, held_out[:4])
    return float(context_use(logits)), float(divergence(q, softmax_forward(logits)[0].mean(axis=0)))


trainer = run.trainer()
looks = [(1, *look(trainer.model))]


def on_step(record):
    if record["step"] % 20 == 0:
        looks.append((record["step"], *look(trainer.model)))


trainer.on_step = on_step
trainer.train(UPDATES)
fast = trainer.model

# %%
from albert_np.course.figures import plateau_figure

show(
    plateau_figure(run.metrics(), looks, np.log(config.vocab_size), base.unigram_loss),
    "17.4",
    "The plateau: the loss above; below, what the model's answers depend on.",
    "Above, the MLM loss falls from ln V to the line of token frequencies, stays near it, and then slowly goes below. Below, on a "
    "logarithmic axis, the mean answer's distance from the frequencies falls early; J falls to almost 0 and rises again later.",
)
deaf = min(looks, key=lambda entry: entry[1])
back = next((update for update, used, _ in looks if update > deaf[0] and used > 0.01), None)
print(f"J is smallest at update {deaf[0]}, {deaf[1]:.5f} nats; it is first above 0.01 again at update {back}")

# %% [markdown]
# First the frequencies. They are the easy part: a bias for each piece, the same everywhere. On the way $J$ even
# *falls*, until the model gives the same answer at every place. Its loss is then near that of a table of counts, and
# stays there: the **plateau**. A flat curve looks like a run that has converged, or is broken. This one has not and is
# not: $J$ rises again before the loss shows it.
#
# The easy part need not be learned at all. The logits' gradient at a hidden token is $p_r$ less its label's one-hot row
# (4.9), and a bias collects it from all of them, so
#
# $$\frac{\partial L}{\partial b_v} = \bar p_v - \pi_v \tag{17.14}$$
#
# It is 0 where the mean answer has the labels' frequencies. A model whose answers hang on the bias alone,
# $p_r = \mathrm{softmax}(b)$, gets there with $b_v = \ln \pi_v + c$, for any $c$. So start the bias at $\ln q_v$,
# which the training text tells before the first update: `output_bias="frequencies"`, as the package does unless it is
# told "zeros". Fresh answers then cost what the frequencies cost, and a little more for the random part (17.3):

# %%
informed = replace(recipe, output_bias="frequencies")
started = prepared("informed", documents, informed).untrained_model()
assert np.allclose(started.params["predictions.bias"], np.log(q), atol=1e-5)
for name, model in (("zeros", run.untrained_model()), ("frequencies", started)):
    first_loss = np.mean([float(model(**b._asdict(), grad=False).mlm_loss) for b in held_out[:8]])
    print(f"bias at {name:<12} first MLM loss {first_loss:.2f}  (frequencies {base.unigram_loss:.2f})")

# %% [markdown]
# It skips the slope, not the plateau: what comes after it, the context, has to be learned either way.
#
# Against the baselines, on all held-out text of this slice:

# %%
from albert_np.training import evaluate


def table(models):
    """The baselines, then a line for each model, on all held-out text of this slice."""
    print(f"{'':<34}{'MLM accuracy':>13}{'MLM loss':>10}{'SOP accuracy':>14}{'J':>8}")
    print(
        f"{'always ' + base.frequent_token:<34}{base.frequent_accuracy:13.1%}{'':>10}{base.majority_order:14.1%}{0:8.2f}"
    )
    print(f"{'frequencies of the training text':<34}{'':>13}{base.unigram_loss:10.2f}{'':>14}{0:8.2f}")
    for name, model in models.items():
        found, used = evaluate(model, held_out, PRETRAINING), look(model)[0]
        print(
            f"{name:<34}{found['mlm_accuracy']:13.1%}{found['mlm_loss']:10.2f}{found['sop_accuracy']:14.1%}{used:8.2f}"
        )


table({"untrained": run.untrained_model(), f"after {UPDATES} updates": fast})
pairs = sum((b.sentence_order_label >= 0).sum() for b in held_out)
print(f"\na coin on {pairs} pairs: 50 % ± {3 * (0.25 / pairs) ** 0.5:.1%}  (three standard deviations, 13.5)")

# %% [markdown]
# (A fresh model's answers differ too, at random; so its $J$ is not 0.) So few updates leave the plateau, and hardly
# more. Compare the SOP accuracy with the coin's: is anything learned about order?

# %% [markdown]
# ## 8. The long run
#
# With the project comes a model of 6 layer steps that was trained on all of the text for 12,000 updates of 32 examples
# of 32 tokens, in some 40 minutes, with LAMB at 0.006 and a bias that started at 0. Its log and its held-out figures are in `data/small-albert`. **Predict** from the picture of the short run: how far
# below the line of token frequencies will 30 times as many updates get?

# %%
import json

from albert_np.course.figures import runs_figure
from albert_np.training import read_metrics

log = read_metrics(small / "metrics.jsonl")
show(
    runs_figure(
        {f"this run, {UPDATES:,} updates": run.metrics(), f"the long one, {log[-1]['step']:,}": log},
        np.log(config.vocab_size),
        base.unigram_loss,
    ),
    "17.5",
    "Losses of this run and of a long one, beside their baselines.",
    "Losses against updates on a logarithmic axis. Both MLM curves fall from 7.6 to the line of token frequencies; the long "
    "run goes on falling, to 4.2. Its SOP loss leaves 0.69 after hundreds of updates; on held-out text it falls to about 0.56 "
    "and rises again to 0.6, while that of the training batches falls on to 0.45.",
)
figures = json.loads((small / "figures.json").read_text())
print(f"the long run, on all held-out text ({figures['held_out_examples']} pairs):")
for when in ("untrained", "trained"):
    print(
        "  {0:<10} MLM loss {mlm_loss:.2f}, accuracy {mlm_accuracy:.1%}; SOP accuracy {sop_accuracy:.1%}".format(
            when, **figures[when]
        )
    )
print(
    f"its last training batches: MLM loss {np.mean([r['mlm_loss'] for r in log[-20:]]):.2f}, SOP loss {np.mean([r['sop_loss'] for r in log[-20:]]):.2f}"
)

# %% [markdown]
# Three things to see.
#
# * The long run crosses the plateau later: its warm-up takes 1,200 updates instead of 40, so its rate is low for
#   longer.
# * MLM falls slowly for thousands of updates, and then faster. A curve that has been nearly flat for a long time may
#   still bend.
# * This run asked about order otherwise than the package does now: a chunk of one sentence was cut between two words.
#   At 32 tokens that was a third of the pairs, and the easy third: the half with the full stop is the second one. On
#   cut sentences the model gets 83.6 % right, on pairs of two whole sentences 55.4 ± 3.0, on longer ones 72.6 ± 4.3. One
#   number for all of them, 68 %, hid it. On the pairs of the table below, whole sentences all, it is near a coin. A measure that mixes questions of unlike difficulty tells of none of them.
# * On held-out text the SOP loss is lowest half way and rises again, though its accuracy stays. The run reads the same
#   text dozens of times. In the end the model knows by heart which sentence follows which; that does not help with
#   other texts, and there it is too sure of its answers. MLM asks something new at each reading, for the masks are
#   drawn anew.
#
# The long model on the held-out text of *this* slice (which it has not seen either, if your Python is 3.11.7 like the
# one that it was trained on; in other versions some texts differ, and a few may have moved to the other side):

# %%
long = anp.AlbertForPreTraining.from_pretrained(small, dtype="float32")
table({f"after {UPDATES} updates": fast, "the long run": long})

from albert_np.tasks.fill_mask import fill_mask

for text in (
    "return a [MASK] of strings.",
    "the default value [MASK] none.",
    "this function is deprecated [MASK] version 3.",
    "it is not possible [MASK] change the name.",
):
    print(f"\n{text}")
    for name, model in (("this run", fast), ("long run", long)):
        candidates = fill_mask(model, tokenizer, text, top_k=4)[0]
        print(f"  {name}: " + "   ".join(f"{c.token} {c.probability:.0%}" for c in candidates))

# %% [markdown]
# The short run answers with nearly the same frequent pieces everywhere; what its $J$ measures is still small. The long
# one has grammar, where a noun belongs and where *to*, and some of the manual's phrases. It has read 280,000 words:
# enough for phrases, not for meaning.
#
# ### More text, fewer scraps
#
# The second model that comes with the project had a better start: the docstrings of SciPy, scikit-learn, Matplotlib and
# others as well, 786,000 words in all; 6,000 pieces, so that fewer words are cut into scraps; 64 tokens, so that two or
# three sentences fit; the bias at (17.14); single words masked, one token in four; and three layer steps for its time
# rather than six:
#
# ```sh
# albert-np pretrain --libraries --config data/prose-albert/config.json --vocab-size 6000 --steps 14500 --batch-size 16 \
#   --max-seq-length 64 --optimizer adamw --learning-rate 4e-4 --warmup-steps 300 --masked-lm-prob 0.25 --max-ngram 1 \
#   --threads 1 --output runs/prose
# ```
#
# Is it better? Their losses a *piece* cannot be compared: with other pieces the question is another one. Hide the same
# whole words, from documents that neither has read, and count nats a word; the pieces' losses of a word add up.
# **Predict** which model leaves more of its accuracy when a word is in one piece for both.

# %%
prose = json.loads((data_folder() / "prose-albert" / "figures.json").read_text())
words = prose["words"]
print(f"{words['hidden']:,} words hidden, one a sentence, the same for both models:")
for name in ("small-albert", "prose-albert"):
    single = words["one piece in both"]
    print(
        f"  {name}: {words['pieces'][name]:.2f} pieces a word, {words['nats'][name]:.2f} nats a word, "
        f"right {words['accuracy'][name]:.1%}; of the {single['hidden']:,} in one piece for both {single[name]:.1%}"
    )
gain = words["accuracy"]["difference"]
print(f"  paired difference of the accuracies: {100 * gain['mean']:+.1f} ± {100 * gain['error']:.1f} points")
order, pairs_of = prose["trained"], prose["pairs"]
for kind, name in (("two", "two sentences"), ("more", "three or more")):
    share, count = order[f"sop_accuracy_{kind}"], pairs_of[kind]
    print(f"order of {name}: {share:.1%} ± {(share * (1 - share) / count) ** 0.5:.1%} of {count} pairs")

# %% [markdown]
# ### Your turn: bits per byte  (difficulty 3 of 5, 15 minutes)
#
# Papers compare models of unlike vocabularies by what a *byte* costs. The losses of a line's pieces add up, a bit is $\ln 2$
# nats, and the line has as many bytes whichever way it is cut:
#
# $$\text{bits per byte} = \frac{1}{\ln 2}\;\frac{\sum_r \text{loss}_r}{\text{bytes of the line in UTF-8}} \tag{17.15}$$
#
# Write it for a line of pieces. A ▁ is a space of the line; the one at the very beginning was put there by the tokenizer.
#
# **By hand.** ▁the costs 2 bits and ▁cat 5. How many bits per byte has the line? (*the cat* has seven bytes.)
#
# <details><summary>Hint 1: the idea</summary>
#
# First make the line again as a reader sees it. Then count, once for the whole line; a mean of the pieces' own ratios is
# something else.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `text.encode()` has the bytes: ▁ itself would be three of them, and ï is two.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# text = "".join(pieces).replace(..., ...)       # and the first space?
# return ... / np.log(2) / len(...)
# ```
# </details>


# %% tags=["exercise"]
def bits_per_byte(nats, pieces):
    """nats (R,): the loss of each of R pieces, which are a line of text; returns (17.15)."""
    raise NotImplementedError


report = lesson17.check_bits_per_byte(bits_per_byte)

# %% [markdown]
# Our models guess hidden pieces, so let us hide the pieces of a line one at a time, each with all others to be read, and add
# up what they cost; that is a **pseudo-log-likelihood** ([Salazar et al., 2020](https://arxiv.org/abs/1910.14659)). Then again,
# with the whole word hidden around each piece. **Predict**: which of the two is the fair comparison of these vocabularies, and
# whom does the other one favour?

# %%
bits_per_byte = report.yours(lesson17.package_bits_per_byte)
prose_folder = data_folder() / "prose-albert"
both = {
    "small-albert": (long, tokenizer),
    "prose-albert": (
        anp.AlbertForPreTraining.from_pretrained(prose_folder, dtype="float32"),
        anp.AlbertTokenizer.from_pretrained(prose_folder),
    ),
}


def line_bits(model, tokenizer, line, whole_words):
    """Bits per byte of a line: each piece hidden by itself, or with all of its word."""
    ids = np.array(tokenizer(line)["input_ids"])
    pieces = tokenizer.convert_ids_to_tokens(ids[1:-1].tolist())
    places = np.arange(len(pieces))
    word = np.cumsum([piece.startswith("▁") for piece in pieces]) if whole_words else places
    asked = np.pad(word[:, None] == word, ((0, 0), (1, 1)))  # a row for each piece; [CLS] and [SEP] stay
    logits = model(np.where(asked, tokenizer.mask_token_id, ids), grad=False).prediction_logits
    p = softmax_forward(logits[places, 1 + places].astype(np.float64))[0]
    return bits_per_byte(-np.log(p[places, ids[1:-1]]), pieces)


lines = [sentence for document in documents if is_held_out(document, 0.05) for sentence in document]
lines = [line for line in lines if 8 <= len(line.split()) <= 14][:40]
for whole_words, what in ((False, "a piece hidden"), (True, "a word hidden")):
    bits = {name: np.array([line_bits(*each, line, whole_words) for line in lines]) for name, each in both.items()}
    apart = bits["prose-albert"] - bits["small-albert"]
    told = ", ".join(f"{name} {values.mean():.2f}" for name, values in bits.items())
    print(
        f"{what:<15} bits per byte of {len(lines)} held-out lines: {told}; "
        f"difference {apart.mean():+.2f} ± {apart.std() / len(lines) ** 0.5:.2f}"
    )

# %% [markdown]
# With a piece hidden alone, the rest of its word stays in sight, and who has more scraps guesses more of them by spelling; so hide
# the word. By either measure prose-albert needs fewer bits. That the measures hardly differ says that scraps are not what these
# lines are made of: most words are one piece to both models. Neither sum is the probability of the line, for each piece is asked
# with the others in sight; a model that writes from left to right has one that is.
#
# One run each, with one seed: that these two models differ is sure, which of the changes did it is not. Short trials
# before it told little. After 400 updates AdamW at 0.002 and LAMB at 0.006 were alike (held-out MLM loss 5.95 and 5.93), and
# AdamW at 0.005 was behind (6.21): all of them were on the plateau, where one cannot see who will leave it first.
#
# ## 9. Interrupt and resume
#
# In forty minutes something may go wrong. What must be kept, so that a run goes on *to the bit*, as if it had never
# been stopped? The weights; LAMB's two moments and its $t$ (14.1 to 14.3); the place in the data; the state of the
# random numbers, for dropout. The learning rate follows from the step (14.10), and a batch from its place.
#
# Three small runs in float64: one goes through, one gets a Ctrl-C after its third update and is resumed, and one is
# resumed without its moments.

# %%
import shutil
import signal

from albert_np.pretraining import PretrainingRun
from albert_np.training import TrainingInterrupted

brief = replace(
    recipe, steps=8, warmup_steps=2, batch_size=8, evaluate_every=8, checkpoint_every=8, threads=1, dtype="float64"
)
through = prepared("through", documents[:80], brief).train()


def press_control_c(record):
    if record["step"] == 3:
        signal.raise_signal(signal.SIGINT)


try:
    prepared("stopped", documents[:80], brief).train(press_control_c)
except TrainingInterrupted as stopped:
    print("stopped after step", stopped.step, "with", sorted(path.name for path in stopped.checkpoint.iterdir()))
    print(
        "state:",
        json.loads((stopped.checkpoint / "trainer.json").read_text())["state"][:3],
        "(step, place in the data, tokens)",
    )
path = Path(folder.name)
shutil.copytree(path / "stopped", path / "forgetful")

resumed = PretrainingRun(path / "stopped").train(resume=True)  # all of it read from the folder, as by a new process
forgetful = PretrainingRun(path / "forgetful").trainer()
forgetful.resume()
forgetful.optimizer.first_moment.flat[...] = 0
forgetful.optimizer.second_moment.flat[...] = 0
forgetful.optimizer.steps = 0
forgetful.train(8)

for name, other in (("resumed", resumed), ("resumed without moments", forgetful.model)):
    print(
        f"{name:<24} largest difference from the run that went through: {abs(other.params.flat - through.params.flat).max():.1e}"
    )
assert np.array_equal(resumed.params.flat, through.params.flat)

# %% [markdown]
# Exactly 0. The released ALBERT models come without moments, so nobody can go on with their training as if nothing had
# happened (google-research/albert#17); one can only start a new run from their weights, with a new warm-up.
#
# ## 10. Checks
#
# Formula and package: the loop of section 4 against the `Trainer`, on the run that went through; the two forms of
# (17.12); and (17.10) and (17.11) against `quickstart.baselines`.

# %%
brief_run = PretrainingRun(path / "through")
brief_data = PretrainingData(brief_run.corpus, tokenizer, brief.batch_size, brief.max_seq_length, seed=brief.seed)
ours = brief_run.untrained_model()
train(ours, (batch._asdict() for batch, _ in brief_data.batches()), 8, brief.learning_rate, brief.warmup_steps)
moved = abs(through.params.flat - brief_run.untrained_model().params.flat).max()
apart = abs(ours.params.flat - through.params.flat).max()
print(f"weights moved by up to {moved:.1e}; the loop and the Trainer are {apart:.1e} apart")
assert apart < 1e-7 * moved


def entropy(p):
    return -(p * np.log(p)).sum(axis=-1)


logits = logits_of(long, held_out[:4])
p = softmax_forward(logits)[0]
J = divergence(p, p.mean(axis=0)).mean()
assert np.isclose(J, entropy(p.mean(axis=0)) - entropy(p).mean(), rtol=1e-9)  # (17.12)
assert np.isclose(J, context_use(logits), rtol=1e-9)
asked = np.concatenate([b.labels[b.labels >= 0] for b in held_out])
assert np.isclose(-np.log(q[asked]).mean(), base.unigram_loss, rtol=1e-12)  # (17.10)
assert np.bincount(asked).max() / len(asked) == base.frequent_accuracy  # (17.11)

# %% [markdown]
# The gradient of all this was proved in section 3, on a real batch; the other witness, PyTorch, has seen the same model
# in notebooks 10 to 12.

# %% [markdown]
# ## 11. What breaks if…
#
# **…the learning rate is ten times too high, or too low?** Sixty updates each, 40 of them warm-up,
# as in the run. Which of the two has the lower loss?

# %%
for name, factor in (("a tenth", 0.1), ("ten times", 10)):
    model = run.untrained_model()
    batches = (batch._asdict() for batch, _ in data.batches())
    records = train(model, batches, 60, factor * recipe.learning_rate, warmup=40)
    print(
        f"{name:<10} MLM loss of the last 20 updates {np.mean([r['mlm_loss'] for r in records[-20:]]):.2f}, J {look(model)[0]:.1e}"
    )
middle = [r["mlm_loss"] for r in run.metrics() if 40 < r["step"] <= 60]
print(
    f"{'the run':<10} MLM loss at the same time      {np.mean(middle):.2f}, J {next(j for t, j, _ in looks if t == 60):.1e}"
)
words = [
    word.strip(".,;:!?()\"'").lower() for document in documents for sentence in document for word in sentence.split()
]
words = np.unique_counts(words).counts / len(words)
print(f"the entropy of the text's words, were each a piece of its own: {entropy(words):.1f} nats")

# %% [markdown]
# The low rate has not yet learned the frequencies. The high one has, as fast as any; by the loss it is fine. But its
# $J$ is 0 but for rounding: it has *become* blind. Where all places look the same, a gradient has next to nothing to
# tell them apart by, and such a run may stay on the plateau to its end.
#
# "My ALBERT's loss is stuck near 7" is a question that comes again and again (huggingface/transformers#5984, #10840).
# With 30,000 pieces an even guess is 10.3. Token frequencies give far less: 6.3 with whole words on our little text,
# and more on a larger one with more different words. So such a run is most likely not stuck anywhere; it is on the
# plateau. Measure $J$. If it grows, wait. If it does not, lower the rate or warm up for longer.
#
# Those who change the batch should scale the rate by its root (14.12); a loss that explodes may be one that was not
# scaled (google-research/albert#29: a lower rate mended it). As a rule between models it has its limits: from the paper's 0.00176 at 4,096
# sequences it would make 0.00011 at our 16, less than the rate that was too low here. A small model takes more.
#
# A third question is about the factorisation (brightmart/albert_zh#8). Word embeddings leave a LayerNorm with entries
# of size 1, and the projection to H multiplies them by $s\sqrt E$, in the manner of (17.1): 0.23 for ALBERT-base, 0.45
# here. The first layer step gets quieter inputs than BERT's; the later ones do not notice, for each step ends in a
# LayerNorm. A wider $s$ makes up for it. Our 0.04 was found by trial.
#
# **…`zero_grad` is forgotten?** Every update then goes along the sum of all gradients so far. One batch again, beside the run
# of section 4:

# %%
model = anp.AlbertForPreTraining(config, seed=0)
model.zero_grad = lambda: None
for name, records in (("with", by_heart), ("without", train(model, repeat(few), 60, peak=0.02, warmup=10))):
    print(f"{name:<8} zero_grad: loss {records[-1]['loss']:.4f}, norm of the gradient {records[-1]['grad_norm']:.3f}")

# %% [markdown]
# Clipping and LAMB's trust ratio swallow the length of the sum, and its direction is still downhill: the loss falls,
# if not as far. The loss alone would hardly have told you. The norm does: at the bottom there is nothing left to do, and
# a gradient that is not near 0 there is not the gradient.
#
# **…the padding mask is forgotten?** One sentence in three widths, filled up with `<pad>`, with and without its mask.
# The long model's first answers:

# %%
ids = np.array(tokenizer("return true if the [MASK] is empty.")["input_ids"])
for with_mask in (True, False):
    for width in (len(ids), 20, 32):
        padded = np.full((1, width), tokenizer.pad_token_id)
        padded[0, : len(ids)] = ids
        mask = (np.arange(width) < len(ids))[None].astype(int)
        out = long(padded, attention_mask=mask if with_mask else None, grad=False)
        p = softmax_forward(out.prediction_logits[0, list(ids).index(tokenizer.mask_token_id)].astype(np.float64))[0]
        best = ", ".join(
            f"{tokenizer.convert_ids_to_tokens(int(i)).removeprefix('▁')} {p[i]:.4f}" for i in np.argsort(-p)[:3]
        )
        print(f"{'with' if with_mask else 'without':<8} mask, {width:2} wide: {best}")

# %% [markdown]
# With the mask a sentence means the same however wide its batch is. Without, the answer depends on the longest sentence
# that happens to be in it.

# %%
folder.cleanup()

# %% [markdown]
# ## Three questions
#
# 1. A gradient check passes, one batch goes to 0, and yet the run never leaves the plateau, at any learning rate. Where
#    do you look?
# 2. Four micro-batches have equally many labelled tokens and equally many pairs. Is the mean of their means right?
# 3. A model has $J = 2$ and a loss *above* that of the token frequencies. How can that be?
#
# <details><summary>Answers</summary>
#
# 1. In the data. One batch can be learned by heart even if its labels have nothing to do with its input: masks that
#    were drawn anew after the labels, rows that were shuffled apart, a tokenizer of another vocabulary. Decode a batch
#    and read it.
# 2. Yes: with $N_k = N/K$, (17.9) is $1/N$. With masks drawn at random the numbers are rarely equal.
# 3. $J$ says that the answers differ, not that they are right. A model that has learned one batch by heart is sure of
#    something else at each place of a held-out text, and mostly wrong.
# </details>
#
# ## In today's models
#
# The question at the top: the loss of the token frequencies, from a table of counts, and $J$ (17.12). If $J$ grows, wait.
#
# * Large language models guess the *next* token, at every place, rather than hidden ones at one place in seven. Where masks are
#   still used, more is hidden: 40 % was found as good as 15 or better ([Wettig et al., 2022](https://arxiv.org/abs/2202.08005)),
#   ModernBERT hides 30 % ([Warner et al., 2024](https://arxiv.org/abs/2412.13663)). Our second model hid 25.
# * The second question is gone: RoBERTa did without NSP and lost nothing
#   ([Liu et al., 2019](https://arxiv.org/abs/1907.11692)), and what came later asks nothing about pairs.
# * Losses of different vocabularies are compared a byte, not a token, as *bits per byte*
#   ([Gao et al., 2020](https://arxiv.org/abs/2101.00027)). Our nats a word are the same idea.
# * The optimizer is mostly AdamW ([Loshchilov and Hutter, 2017](https://arxiv.org/abs/1711.05101)), with warm-up, a norm
#   clipped at 1, and a rate that falls along a cosine or stays level until a short fall at the end
#   ([Hu et al., 2024](https://arxiv.org/abs/2404.06395)). LAMB was made for the largest batches
#   ([You et al., 2019](https://arxiv.org/abs/1904.00962)).
# * Most have no output bias at all; the frequencies then sit in the matrix, and are learned first, as here.
#
# Next: [18, a look inside](18_look_inside.ipynb) the long model of section 8.

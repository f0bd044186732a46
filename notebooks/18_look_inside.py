# %% [markdown]
# # 18 · Look inside
#
# **180 minutes.** You need: notebook 09 (heads and masks), 11 (a weight that is used many times), 12 (the MLM head).
# You will be able to
#
# * measure what a trained model does, step by step and head by head, with a control beside every number,
# * use what only a shared layer allows: the same weights, applied fewer or more times than in training,
# * test what a picture suggests, by taking something away,
# * share a change of the loss out among its causes, so that the parts add up.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x_i$ | (B, T, H) | hidden states after $i$ steps; $x_0$ is what the first step reads |
# | $f$ | | the shared layer, $x_{i+1} = f(x_i)$ |
# | R | | number of real tokens in the batch: those with `attention_mask` 1 |
# | $P$ | (T, T) | attention probabilities of one head in one step, for one sequence |
# | $W$ | (V, E) | the table of word embeddings |
# | $c_n$ | (T, D) | what head $n$ brings back, $P\,V$ of notebook 09 |
# | $e_t, \bar e_t$ | (E) | the word embedding of token $t$, and the gradient of the loss there |
# | $\delta, a_i$ | | a change of the embeddings, and the share of their number $i$ in what the loss changes by |
#
# **A question from a real model.** The ALBERT paper's figure 1 shows how far each of ALBERT-large's 24 steps moves its input:
# the distances fall smoothly, where BERT-large's jump, and do not go to zero. The paper says that sharing "has an effect on
# stabilizing network parameters" ([Lan et al., 2019](https://arxiv.org/abs/1909.11942), section 3.1). Which model, that cost
# nothing to train, would you put beside the two before you believed it? Section 2 does.
#
# ## 1. Two models and a text
#
# A picture of a network always shows something. Much of what it shows is there before the first update: it comes from
# the architecture, from the sentence, or from chance. So every measurement of this notebook is made twice, on a model
# that was trained and on **the same model with random weights**, those that the training started from. What both
# show, nobody has learned.
#
# The trained one is small: 6 steps of one shared layer, 4 heads, H = E = 128, 2,000 pieces, sequences of at most 32.
# Its text was the English of Python's manual and docstrings. The documents below were held out from it.

# %%
import json
from dataclasses import replace
from itertools import islice

import numpy as np

import albert_np as anp
from albert_np.pretraining import PRETRAINING, TokenizedCorpus, held_out_batches, is_held_out, python_prose
from albert_np.study import data_folder
from albert_np.training import evaluate

folder = data_folder() / "small-albert"
tokenizer = anp.AlbertTokenizer.from_pretrained(folder)
trained = anp.AlbertForPreTraining.from_pretrained(folder)
config = trained.config
random = anp.AlbertForPreTraining(config, seed=0).eval()
models = {"trained": trained, "random weights": random}
L, N, V = config.num_hidden_layers, config.num_attention_heads, config.vocab_size

documents = list(islice((d for d in python_prose() if is_held_out(d, 0.05)), 60))
corpus = TokenizedCorpus.from_documents(documents, tokenizer)
batches = held_out_batches(corpus, tokenizer, 64, config.max_position_embeddings)
print(
    f"{len(documents)} documents, {corpus.num_tokens:,} tokens, {sum((b.labels >= 0).sum() for b in batches):,} masked"
)
for name, model in models.items():
    result = evaluate(model, batches, PRETRAINING)
    print(f"{name:15} MLM loss {result['mlm_loss']:.2f} (ln V = {np.log(V):.2f}), right {result['mlm_accuracy']:.1%}")
kept = json.loads((folder / "figures.json").read_text())  # of the run, on all of its held-out documents
unigram, all_documents = kept["baselines"]["unigram_loss"], kept["trained"]["mlm_loss"]
print(f"on all held-out documents: by the words' frequencies {unigram:.2f}, by the trained model {all_documents:.2f}")

# %% [markdown]
# It is a modest model. That makes it a good one to look into: nothing here is too clean.
#
# ## 2. How far does a step move a token?
#
# Figure 1 of the ALBERT paper asks this of every layer. Two measures, for the input $x = x_i$ and the output $y =
# x_{i+1}$ of step $i + 1$, at each token, and then the mean over the R real tokens of the batch:
#
# $$d_{i+1} = \frac1R \sum_{\text{real}} \|y - x\| \tag{18.1}$$
# $$\theta_{i+1} = \frac1R \sum_{\text{real}} \frac{180°}{\pi}\,\arccos \frac{x \cdot y}{\|x\|\,\|y\|} \tag{18.2}$$
#
# **By hand.** One token, H = 2, two steps: $(3, 4) \to (4, 3) \to (8, 6)$. The first moves by $(1, -1)$, so $d_1 =
# \sqrt2$; its cosine is $24/25$, and $\theta_1 = 16.3°$. The second doubles the vector: $d_2 = 5$, and $\theta_2 =
# 0$. A distance can be all length and no turn.
#
# ### Your turn: distances  (difficulty 2 of 5, 10 minutes)
#
# Write (18.1) and (18.2) for all steps. Rounding can make a cosine $1 + 2\cdot10^{-16}$, which has no angle.
#
# <details><summary>Hint 1: the idea</summary>
#
# Pick the real tokens of each array first: (B, T, H) becomes (R, H), and padding cannot count any more. Then go
# through the pairs of neighbours; L + 1 arrays have L of them.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `x[attention_mask == 1]` is (R, H). Norms and products run over the last axis, the mean over the tokens comes last:
# the mean of the angles, not the angle of a mean.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# real = attention_mask == 1
# for before, after in zip(hidden_states, hidden_states[1:]):
#     x, y = before[real], after[real]        # (real tokens, H)
#     l2.append(...)
#     cosine = ...
#     degrees.append(...)                     # rounding may put a cosine above 1
# return {"l2": np.array(l2), "degrees": np.array(degrees)}
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson18


def layer_distances(hidden_states, attention_mask):
    """hidden_states: L + 1 arrays (B, T, H), attention_mask (B, T); returns {"l2": (L,), "degrees": (L,)}."""
    raise NotImplementedError


lesson18.check_layer_distances(layer_distances)

# %% [markdown]
# From here on the package's `layer_distances` does it, so that nothing hangs on your own. The third model is a second
# control: random weights again, but `sharing="none"`, so that each step has its own.
#
# **Predict**: which of the two controls looks more like the trained model?

# %%
from albert_np.course.figures import distances_figure
from albert_np.plots import show
from albert_np.study.experiments import layer_distances as distances_of

batch = batches[0]._asdict()


def distances(model):
    out = model(**batch, output_hidden_states=True)
    return distances_of(out.hidden_states, batch["attention_mask"])


unshared = anp.AlbertForPreTraining(replace(config, sharing="none", num_hidden_groups=0), seed=0).eval()
curves = {
    "trained, shared": distances(trained),
    "random, shared": distances(random),
    "random, not shared": distances(unshared),
}
show(
    distances_figure(curves),
    "18.1",
    "How far each step moves the hidden states: trained, and two random controls.",
    "L2 distance and angle of six steps, a curve for the trained model and for each of two random ones, one with a "
    "shared layer and one with six.",
)
for label, curve in curves.items():
    print(f"{label:20} degrees", *(f"{angle:5.1f}" for angle in curve["degrees"]))

# %% [markdown]
# With a layer of its own for each step, random weights turn a token by about the same angle every time. With *one*
# layer the angle shrinks from step to step, smoothly, and no training was needed for that: $f$ pushes a token in some
# direction, and next time, reading nearly the same token, it pushes in nearly the same direction, where the token
# already is. What training did change: the first two steps turn a token far more than chance does, and the last ones
# a little less.
#
# Are the two panels two facts? $f$ ends with a LayerNorm. With random weights its scale is still 1 and its shift 0,
# so every $x_i$ with $i \ge 1$ has the length $\rho = \sqrt H$ (notebook 05). Between two vectors of one length,
#
# $$\|y - x\|^2 = 2\rho^2 (1 - \cos\theta) = \big(2\rho \sin\tfrac\theta2\big)^2 \tag{18.3}$$
#
# and either panel follows from the other. Only step 1, which reads the mapped embeddings, is different.

# %%
out = random(**batch, output_hidden_states=True)
real = batch["attention_mask"] == 1
x, y = (h[real].astype(np.float64) for h in out.hidden_states[1:3])
theta = np.arccos((x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1))
assert np.allclose(np.linalg.norm(y - x, axis=-1), 2 * np.sqrt(config.hidden_size) * np.sin(theta / 2), rtol=1e-4)
for name, model in models.items():
    states = model(**batch, output_hidden_states=True).hidden_states
    print(
        f"{name:15} mean length after step 0, 1, …:",
        *(f"{np.linalg.norm(h[real], axis=-1).mean():5.1f}" for h in states),
    )

# %% [markdown]
# **The paper** compares ALBERT-large with BERT-large, both trained, and finds ALBERT's curves much smoother from
# layer to layer. It has no random control. In the toy world, models of two steps were trained with one layer and with two
# layers, each from ten seeds (notebook 11, section 6), of which five are drawn; the controls are the same models before their first update. **Predict**
# the four shapes.

# %%
from albert_np.study.experiments import read_result

variants = {variant["name"]: variant["runs"] for variant in read_result("sharing")["variants"]}
curves = {}
for state, key in (("trained", "distances"), ("random", "untrained")):
    for label, name in (("shared", "all shared"), ("not shared", "nothing shared")):
        runs = [run[key] for run in variants[name][:5]]
        curves[f"{state}, {label}"] = {each: np.array([run[each] for run in runs]) for each in ("l2", "degrees")}
show(
    distances_figure(curves),
    "18.2",
    "The same in the toy world, for models with one shared layer and with two layers.",
    "L2 distance and angle of two steps, for trained models with one shared layer and with two layers, five seeds each, "
    "and for the same models before their first update.",
)

# %% [markdown]
# Two steps are little of a curve, but one thing can be seen. Before the first update both kinds fall alike, from 3.3 to about 1.1: the
# second step finds less to change. Training parts them. Where the layer is shared, the second step stays the shorter one; where it is not, it becomes
# the longer one. And at a released size? ALBERT-base with random weights costs a few seconds, with its one layer and with twelve:

# %%
ids = np.random.default_rng(0).integers(5, 30_000, (1, 32))
for label, groups in (("one layer", 1), ("twelve layers", 12)):
    base = anp.AlbertModel(anp.AlbertConfig.preset("base-v2", num_hidden_groups=groups), seed=0).eval()
    states = base(ids, output_hidden_states=True).hidden_states
    print(f"base-v2, random, {label:14} L2", *(f"{x:5.1f}" for x in distances_of(states, np.ones_like(ids))["l2"]))

# %% [markdown]
# Before any training, the shared layer's curve already falls smoothly, from 22 to 4, and the unshared one's stays level
# near 11 after its first step. So a smooth curve by itself is no evidence of what training did: sharing alone gives one. That is all these controls
# can say. How much of the paper's figure 1, of *trained* large models, is due to sharing, only trained weights can tell.
#
# ## 3. More steps, fewer steps
#
# $f$ has no step number in it. So the trained layer can be applied as often as we like:

# %%


def with_steps(model, steps):
    """The same weights, applied `steps` times."""
    other = anp.AlbertForPreTraining(replace(model.config, num_hidden_layers=steps)).eval()
    other.params.flat[...] = model.params.flat
    return other


MORE = 96
half = {name: array[:32] for name, array in batch.items()}
deep = {}
for name, model in models.items():
    other = with_steps(model, MORE)
    deep[name] = other(**half, output_hidden_states=True, grad=False).hidden_states
far = {name: distances_of(states, half["attention_mask"]) for name, states in deep.items()}
show(
    distances_figure(far, trained_steps=L),
    "18.3",
    "Ninety-six steps of a model that was trained with six.",
    "L2 distance and angle of 96 steps. Both curves fall steeply at first, then slowly towards zero; the trained model's is the "
    "lower one after the first few steps.",
)


def likeness(x):
    """Mean cosine between two different tokens of one sequence; x (B, T, H)."""
    cosines = []
    for tokens, present in zip(x, half["attention_mask"] == 1, strict=True):
        unit = tokens[present] / np.linalg.norm(tokens[present], axis=-1, keepdims=True)
        cosines.append((unit @ unit.T)[~np.eye(len(unit), dtype=bool)].mean())
    return np.mean(cosines)


for name, states in deep.items():
    for steps in (1, L, 24, MORE):
        length, angle = far[name]["l2"][steps - 1], far[name]["degrees"][steps - 1]
        print(
            f"{name:15} step {steps:2} moves a token by {length:.2f} and {angle:5.2f}°;"
            f" then two tokens of a sequence have a cosine of {likeness(states[steps]):.2f}"
        )

# %% [markdown]
# If the distance goes to 0, the tokens come to rest at a **fixed point** of the layer,
#
# $$x^* = f(x^*) \tag{18.4}$$
#
# Deep equilibrium models (DEQ) look for such a point on purpose and read their answer there. The distances of
# ALBERT-large, the paper says, do not go to 0 even after 24 layers, so it has found something else. Our small model
# does come to rest, slowly: after 96 steps hardly anything moves. But look at *where*: the tokens of a sequence have
# become nearly the same vector. Each step mixes them, and a mean of means is a mean. So do those of the random model,
# and nobody asked it to. A point of rest need not be an answer.
#
# Does the model *answer* better with more steps? One pass tells it for all numbers of steps at once. The state $x_i$
# of a deeper model is the last state of a model of $i$ steps, since both did the same until then. So its MLM head
# reads
#
# $$p_i = \mathrm{softmax}\big(\mathrm{head}(x_i)\big) \quad = \text{ the answer of a model of } i \text{ steps} \tag{18.5}$$
#
# **Predict** where the loss is lowest, and what 12 steps do to it. And 0 steps?

# %%
from albert_np.course.figures import steps_figure
from albert_np.layers import mlm_loss_forward


def read_each_step(model, batches):
    """Loss and accuracy of the masked tokens after 0, 1, 2, … steps, (steps + 1,) each."""
    losses, right, count = 0.0, 0.0, 0
    head = model.params.scope("predictions.")
    for batch in batches:
        states = model(**batch._asdict(), output_hidden_states=True, skip_padding=True, grad=False).hidden_states
        found = [mlm_loss_forward(x, batch.labels, head, model.config) for x in states]
        R = len(found[0][1].rows)
        losses = losses + R * np.array([loss for loss, _ in found])
        right = right + np.array([(c.cross_entropy.probs.argmax(1) == c.cross_entropy.labels).sum() for _, c in found])
        count += R
    return {"loss": losses / count, "accuracy": right / count}


measured = {name: read_each_step(with_steps(model, 12), batches) for name, model in models.items()}
for steps in (1, 3):  # (18.5): reading early is having fewer steps
    other = evaluate(with_steps(trained, steps), batches, PRETRAINING)
    assert np.isclose(measured["trained"]["loss"][steps], other["mlm_loss"], rtol=1e-4)
show(
    steps_figure(measured, L, np.log(V)),
    "18.4",
    "Answers read after each step: loss and accuracy.",
    "MLM loss and accuracy after 0 to 12 steps, of the trained model and of a random one, beside ln V.",
)
for name, values in measured.items():
    print(f"{name:15} loss after 0, 1, …, 12 steps:", *(f"{loss:.2f}" for loss in values["loss"]))

# %% [markdown]
# Most is won in the first two or three steps. The loss is lowest near six, the number that training used, and then
# rises again: training asked for a right answer *after six steps*, never for one that stays. The random model moves
# too, and gets nowhere but to the even guess. With 0 steps the head reads [MASK]'s own embedding, which knows nothing
# of the sentence. That its loss is then far above that of the words' frequencies shows that the head was never
# trained on such input.
#
# ## 4. The table of words, and when an answer comes up
#
# Before the first step there is the table $W$. Which words lie near each other in it? The cosine of rows $a$ and $b$
# says; and chance says how large it gets without any meaning. In E dimensions the cosine of two random directions
# spreads by $1/\sqrt E$ around 0, and the largest of V such numbers is about
#
# $$\cos(a, b) = \frac{W_a \cdot W_b}{\|W_a\|\,\|W_b\|}, \qquad \max_{b}\, \cos(a, b) \approx \sqrt{\frac{2 \ln V}{E}} \;\text{ by chance} \tag{18.6}$$
#
# which is 0.34 here. A list of nearest neighbours always has entries; the random table shows what they are worth.

# %%
WORDS = "albert.embeddings.word_embeddings.weight"


def nearest(model, word, count=5):
    table = model.params[WORDS].astype(np.float64)
    rows = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)  # the padding row is 0
    at = tokenizer.convert_tokens_to_ids("▁" + word)
    cosines = rows @ rows[at]
    best = np.argsort(-cosines)[1 : count + 1]  # the first is the word itself
    return ", ".join(f"{tokenizer.convert_ids_to_tokens(int(b)).strip('▁')} {cosines[b]:.2f}" for b in best)


for name, model in models.items():
    table = model.params[WORDS][1:].astype(np.float64)  # without the padding row
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    cosines = table @ table.T
    np.fill_diagonal(cosines, np.nan)
    mean, highest = np.nanmean(cosines), np.nanmax(cosines, axis=1).mean()
    print(f"{name:15} mean cosine of two words {mean:5.2f}, of a word and its nearest one {highest:.2f}")
for word in ("string", "true", "returns", "two", "is", "file"):
    for name, model in models.items():
        print(f"{word:8} {name:15} {nearest(model, word)}")

# %% [markdown]
# *true* has *false* beside it, *is* has *are* and *was*, *returns* has *return*, with cosines that chance does not
# reach. They are not words of the same meaning (true and false!) but words that stand in the same places; more
# this little training has not taught. And beside them stand neighbours that look odd, with cosines of 0.4 and more. Two trained
# rows have a cosine above 0 on average, for they have a direction in common; so chance now comes higher than 0.34.
#
# Now sentences with a hole. The answer after each step, by (18.5): in the trained model and in the random one. The
# first row is the word that we hid, the others are the favourites after the last step.

# %%
from albert_np.course.figures import answers_figure
from albert_np.layers import mlm_forward
from albert_np.ops import softmax_forward

HIDDEN = {
    "return true [MASK] the string is empty.": "if",
    "return a [MASK] of the array.": "copy",
}


def answers(model, text):
    """Probabilities (steps + 1, V) of the words at the first [MASK] of a text, after each step."""
    ids = np.asarray(tokenizer(text)["input_ids"])
    out = model(ids[None], output_hidden_states=True)
    at = int(np.argmax(ids == tokenizer.mask_token_id))
    states = np.stack([h[0, at] for h in out.hidden_states])  # (steps + 1, H)
    logits, _ = mlm_forward(states, model.params.scope("predictions."), model.config)
    return softmax_forward(logits)[0]


for i, (text, word) in enumerate(HIDDEN.items()):
    panels = {}
    for name, model in models.items():
        probs = answers(model, text)
        asked = tokenizer.convert_tokens_to_ids("▁" + word)
        favourites = [i for i in np.argsort(-probs[-1])[:4] if i != asked][:3]
        words = [tokenizer.convert_ids_to_tokens(int(i)).replace("▁", "") for i in (asked, *favourites)]
        panels[name] = words, probs[:, [asked, *favourites]].T
    show(
        answers_figure(panels, f"{text}   (probabilities in %)"),
        f"18.{5 + i}",
        f"A hidden word, {word}, and three others, read after each step.",
        f"Probabilities of the hidden word, {word}, and three favourites after 0 to 6 steps: in the trained model they "
        "change with the steps, in the random one all are near 0.",
    )

# %% [markdown]
# *if* grows from step to step. In the second sentence *list* leads after two steps, and then *copy* passes it and
# *view* comes up. It looks as if "return a … of" had its say first and "array" later; section 7 asks whether "array"
# matters at all. Such a reading of a layer that is not the last is known as a logit lens. In the random model every
# answer is near 1/V = 0.05 % at every step.
#
# ## 5. Where a head looks
#
# One sentence, all heads, three of the steps. Rows are the tokens that look, columns those they look at. The last
# line is the random model.

# %%
from albert_np.course.figures import attention_figure

sentence = "return true if the string is empty."
ids = np.asarray(tokenizer(sentence)["input_ids"])
tokens = [token.replace("▁", "") for token in tokenizer.convert_ids_to_tokens(ids.tolist())]
seen = {name: model(ids[None], output_attentions=True).attentions for name, model in models.items()}
rows = {f"step {i + 1}": seen["trained"][i][0] for i in (0, 1, 5)}
show(
    attention_figure({**rows, "random,\nstep 6": seen["random weights"][-1][0]}, tokens),
    "18.7",
    "Where four heads look, in three steps of the trained model and in the random one.",
    "Attention of four heads in steps 1, 2 and 6 of the trained model, as matrices over the tokens of a sentence; below, the random "
    "model, whose matrices are of nearly one colour.",
)

# %% [markdown]
# Write down in a sentence what each head does. Then let us see whether the numbers agree. For a query $i$ of a head
# with the weights $P$:
#
# $$\text{entropy}_i = -\sum_j P_{ij} \ln P_{ij}, \qquad 0 \ln 0 = 0 \tag{18.7}$$
# $$\text{distance}_i = \sum_j P_{ij}\,|i - j| \tag{18.8}$$
# $$\text{self}_i = P_{ii}, \quad \text{previous}_i = P_{i,i-1}, \quad \text{next}_i = P_{i,i+1}, \quad \text{first}_i = P_{i0} \tag{18.9}$$
#
# where a neighbour that does not exist counts as 0. The statistic of a head is the mean over all *real* queries of
# the batch. To read them one must know what a head has that looks at all T places alike:
#
# $$\text{entropy} = \ln T, \quad \text{distance} = \frac{T^2 - 1}{3T}, \quad \text{self} = \text{first} = \frac1T, \quad \text{previous} = \text{next} = \frac{T - 1}{T^2} \tag{18.10}$$
#
# **By hand** for T = 3: $|i - j|$ sums to $3 + 2 + 3 = 8$ over the nine pairs, each weighs $\frac13$, and there are
# three queries: $\frac89$. What are all six for the head that always looks at the token before it, the first one at
# itself?
#
# ### Your turn: explain a head  (difficulty 3 of 5, 15 minutes)
#
# Write (18.7) to (18.9) for all heads of a step.
#
# <details><summary>Hint 1: the idea</summary>
#
# First a number for every query, (B, N, T); then the mean over B and T with padded queries left out. Padded *keys*
# have the weight 0 already.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# All but the entropy are $\sum_j P_{ij} w_{ij}$ with a matrix $w$ of shape (T, T): $|i-j|$, or 1 where $j$ is the
# place in question and 0 elsewhere. With `key = np.arange(T)` and `query = key[:, None]`, `key == query - 1` is such
# a matrix. For the entropy put a 1 into the logarithm where $P$ is 0.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# key = np.arange(probs.shape[-1])
# query = key[:, None]
# weights = {"distance": abs(query - key), "self": ..., "previous": ..., "next": ..., "first": ...}
# of_queries = {name: (...).sum(axis=-1) for name, w in weights.items()}      # (B, N, T)
# of_queries["entropy"] = ...                                                 # 0 ln 0 = 0
# real = attention_mask[:, None] == 1                                         # (B, 1, T)
# return {name: ... for name, values in of_queries.items()}
# ```
# </details>


# %% tags=["exercise"]
def head_statistics(probs, attention_mask):
    """probs (B, N, T, T), attention_mask (B, T); returns {"entropy", "distance", "self", "previous", "next", "first"}, (N,) each."""
    raise NotImplementedError


lesson18.check_head_statistics(head_statistics)

# %% [markdown]
# Now over 64 held-out sequences, for each step, and with one more column: the weight on the [SEP]s. The grey lines
# are the four heads of the random model, and the dotted one is (18.10), averaged over the sequences' lengths.

# %%
from albert_np.course.figures import statistics_figure
from albert_np.study.inside import head_statistics as statistics_of

mask = batch["attention_mask"]
T = mask.sum(axis=1)  # of each sequence
is_sep = batch["input_ids"] == tokenizer.sep_token_id


def statistics(model):
    """name → (L, N)."""
    steps = []
    for probs in model(**batch, output_attentions=True).attentions:
        on_sep = ((probs * is_sep[:, None, None]).sum(-1) * mask[:, None]).sum((0, 2)) / mask.sum()
        steps.append({**statistics_of(probs, mask), "sep": on_sep})
    return {name: np.array([step[name] for step in steps]) for name in steps[0]}


formulas = {
    "entropy": np.log(T),
    "distance": (T**2 - 1) / (3 * T),
    "self": 1 / T,
    "previous": (T - 1) / T**2,
    "next": (T - 1) / T**2,
    "first": 1 / T,
    "sep": is_sep.sum(axis=1) / T,
}
alike = {name: float((value * T).sum() / T.sum()) for name, value in formulas.items()}  # (18.10), by the queries
titles = {
    "entropy": "entropy, nats",
    "distance": "distance, positions",
    "self": "weight on itself",
    "previous": "… on the one before",
    "next": "… on the next",
    "first": "… on [CLS]",
    "sep": "… on [SEP]",
}
of = {name: statistics(model) for name, model in models.items()}
show(
    statistics_figure(of["trained"], of["random weights"], alike, titles),
    "18.8",
    "Seven statistics of each head over the steps.",
    "Seven statistics of the four heads over six steps. The random model's grey lines lie on the dotted line of a head that "
    "looks at all places alike; the trained heads differ from it and from each other, most in the first steps.",
)

# %% [markdown]
# The random model shows what no training looks like: its scores are so small that softmax makes them all alike, so
# the grey lines lie on the dotted one. In the trained model head 1 has the neighbours: half of its weight in step 1
# is on the next token, and head 0 looks to the right as well, over some more positions. Head 2 looks rather to the
# left, in step 1. Head 3 stays nearest to the dotted line: for most tokens it takes a mean over the sentence, or so.
#
# The steps have one set of query and key weights in common. So "head 0 of step 1" and "head 0 of step 6" are the
# *same* head, reading something else. Head 1 looks at the next token in step 1; in step 2, rather at itself and the
# one before. Entropies rise with the steps, but for that of head 3, which is high from the start. "What does head 1
# do?" has no answer without "in which step?".
#
# ### Your turn: which bug is this?  (difficulty 3 of 5, 10 minutes)
#
# Six colleagues wrote `head_statistics`, each with one mistake. You see what theirs say of heads that are known: of one that
# looks at all of four places alike, its entropy and its distance; of one that looks at the place before, and from the first
# place at the *last*, its previous and its next; and, under *first of two*, the weight on place 0 in sequences of 4 and of 2
# tokens, where all look evenly at what is real, and the two padded queries look at place 0. Take a pencil: what is right is in
# (18.7) to (18.10). For each letter, name the cause, a number from 1 to 6.

# %%
print(lesson18.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Each of the six changes one column, or two. Which columns does a wrong mean leave as they are? There is only one
# sequence in the others, and no padding.
# </details>
# <details><summary>Hint 2: the last column</summary>
#
# Four queries have ¼ on place 0, two have ½, and two more, which are padding, have 1. Take the mean of six numbers, of eight,
# and of the two sequences' own means.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": 6, "D": ..., "E": ..., "F": ...}   # one is given: what has to cancel out for a distance of 0?
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns a dictionary from "A" to "F" to the number of the cause, 1 to 6."""
    raise NotImplementedError


lesson18.check_which_bug(which_bug)

# %% [markdown]
# ## 6. Does the head matter?
#
# A head that looks somewhere need not be of use. A test: take it away. The dense layer after the heads reads them
# side by side, so with its weight cut into blocks of D columns, $W^O = [W^O_1 \dots W^O_N]$ (notebook 09),
#
# $$a = [c_1 \dots c_N]\, (W^O)^\top + b = \sum_n c_n\, (W^O_n)^\top + b \tag{18.11}$$
#
# With $W^O_n = 0$ head $n$ adds nothing, in every step, for the layer is shared. What it is worth to this model is
#
# $$\Delta_n = \mathrm{loss}(W^O_n = 0) - \mathrm{loss} \tag{18.12}$$
#
# measured on the same masked tokens with and without it. So each token has its own difference, and these have a
# standard error (a little too small, as tokens of one sequence are not independent). To take a head away in *one*
# step only, un-share the layer first, as in notebook 11 (measured on one batch, to save time).

# %%
from albert_np.course.figures import knockout_figure

DENSE = "albert.encoder.albert_layer_groups.{}.albert_layers.0.attention.dense.weight"
D = config.head_size


def without(model, heads, step=None):
    """A copy of the model without some heads: in all steps, or, with its layer un-shared, in one."""
    groups = 1 if step is None else config.num_hidden_layers
    other = anp.AlbertForPreTraining(replace(config, num_hidden_groups=groups)).eval()
    for name in other.params:
        group = name.split(".")[3] if "groups" in name else "0"
        other.params[name] = model.params[name.replace(f"groups.{group}.", "groups.0.")]
    for n in heads:
        other.params[DENSE.format(step or 0)][:, n * D : (n + 1) * D] = 0
    return other


def token_losses(model, batches):
    """The loss of every masked token, one after the other."""
    losses = []
    for batch in batches:
        model(**batch._asdict(), skip_padding=True)
        cache = model.cache.mlm.cross_entropy
        losses.append(-np.log(cache.probs[np.arange(len(cache.labels)), cache.labels].astype(np.float64)))
    return np.concatenate(losses)


effects, errors, all_gone = {}, {}, {}
for name, model in models.items():
    whole = token_losses(model, batches)
    changes = [token_losses(without(model, [n]), batches) - whole for n in range(N)]
    effects[name] = np.array([change.mean() for change in changes])
    errors[name] = np.array([change.std() / np.sqrt(len(change)) for change in changes])
    all_gone[name] = (token_losses(without(model, range(N)), batches) - whole).mean()
few = batches[:1]
whole = token_losses(trained, few)
by_step = [[(token_losses(without(trained, [n], step), few) - whole).mean() for n in range(N)] for step in range(L)]
assert np.allclose(
    token_losses(without(trained, [], step=0), few), whole, atol=1e-3
)  # un-sharing alone changes nothing
show(
    knockout_figure(effects, errors, np.array(by_step)),
    "18.9",
    "The loss gained when a head is taken away, in all steps and in one.",
    "Above: dots for the loss gained when a head is set to zero in all steps, trained and random, with error bars. Below: a "
    "matrix of the same for single steps of the trained model.",
)
for name in models:
    print(f"{name:15}", "   ".join(f"head {n}: {effects[name][n]:.3f} ± {errors[name][n]:.3f}" for n in range(N)))
    print(f"{'':15} one head at a time, summed: {effects[name].sum():.3f} nats;  all {N} at once: {all_gone[name]:.3f}")

# %% [markdown]
# The test agrees with the picture in one point: the head of the neighbours costs by far the most, near 1 nat. It does
# not in another: head 2 has a pattern that one can see, and costs no more than head 3, which looks about evenly.
# Three things to read with care:
#
# * **Some bars of the random model are more than two standard errors away from 0.** It has learned nothing, yet
#   taking something away moves its loss a little, and with many tokens any little is "significant". The control says
#   what size of effect counts.
# * **One step alone hardly matters**, but for head 1 in step 1. All steps at once cost several times the sum of the
#   single ones: what one step misses, the next brings.
# * **The heads together cost more than their sum.** They stand in for each other. In the random model the two numbers
#   agree, as small effects do. And no model was trained again: this is what *this* model loses, not what one without
#   the head would lack.
#
# ## 7. Which tokens does an answer hang on?
#
# One sentence, one hole, one loss. The backward pass ends with $\bar e_t$, the gradient of the loss at the embedding
# of each token (`model.backward` returns it). To first order, moving the embeddings by $\delta$ changes the loss by
#
# $$\mathrm{loss}(e + \delta) \approx \mathrm{loss}(e) + \sum_t \bar e_t \cdot \delta_t \tag{18.13}$$
#
# so $\|\bar e_t\|$ says how *sensitive* the loss is to token $t$. And there is the experiment itself: hide token $t$
# behind [MASK] as well, and see what it costs. By (18.13) with $\delta_t = e_{[MASK]} - e_t$,
#
# $$o_t = \mathrm{loss}(t \to [\mathrm{MASK}]) - \mathrm{loss} \;\approx\; \bar e_t \cdot (e_{[\mathrm{MASK}]} - e_t) \tag{18.14}$$
#
# Before we use a gradient we check it. In float64, with the words' embeddings given as `inputs_embeds`, along a
# random direction $v$:

# %%
exact = {
    "trained": anp.AlbertForPreTraining.from_pretrained(folder, dtype="float64"),
    "random weights": anp.AlbertForPreTraining(config, dtype="float64", seed=0).eval(),
}
MASK = tokenizer.mask_token_id


def hole(text, word):
    """ids (1, T) of a text with a [MASK], labels, and the place of the hole."""
    ids = np.asarray(tokenizer(text)["input_ids"])[None]
    labels = np.where(ids == MASK, tokenizer.convert_tokens_to_ids("▁" + word), -100)
    return ids, labels, int(np.argmax(ids[0] == MASK))


text, word = "return a [MASK] of the array.", "copy"
ids, labels, at = hole(text, word)
no_pair = np.array([-100])  # nothing is asked about the order
rng = np.random.default_rng(16)
for name, model in exact.items():
    model(ids, labels=labels, sentence_order_label=no_pair)
    gradient = model.backward()  # (1, T, E)
    e = model.params[WORDS][ids]
    v = rng.standard_normal(e.shape)
    h = 1e-5 / np.linalg.norm(v)
    above, below = (
        float(model(inputs_embeds=e + move * v, labels=labels, sentence_order_label=no_pair).loss) for move in (h, -h)
    )
    slope, claimed = (above - below) / (2 * h), float((gradient * v).sum())
    print(f"{name:15} slope along v: {slope:.8f} by finite differences, {claimed:.8f} by the gradient")
    assert np.isclose(slope, claimed, rtol=1e-5, atol=1e-8)

# %% [markdown]
# Now side by side, for the same hole: attention (of the hole's row, the mean over all heads and steps), the
# gradient's length, and what hiding the token really costs.

# %%
from albert_np.course.figures import tokens_figure


def token_measures(model, ids, labels, at):
    """Four numbers for every token, (T,) each: attention, gradient, first-order estimate, cost of hiding it."""
    T = ids.shape[1]
    out = model(ids, labels=labels, sentence_order_label=no_pair, output_attentions=True)
    gradient = model.backward()[0]  # (T, E)
    table = model.params[WORDS]
    hidden = np.repeat(ids, T, axis=0)
    hidden[np.arange(T), np.arange(T)] = MASK
    model(hidden, labels=np.repeat(labels, T, axis=0), sentence_order_label=np.full(T, -100))
    losses = -np.log(model.cache.mlm.cross_entropy.probs[:, labels[0, at]])
    return {
        "attention": np.mean([probs[0, :, at] for probs in out.attentions], axis=(0, 1)),
        "length of the gradient": np.linalg.norm(gradient, axis=-1),
        "estimate (18.14)": (gradient * (table[MASK] - table[ids[0]])).sum(axis=-1),
        "cost of hiding": losses - float(out.mlm_loss),
    }


tokens = [token.replace("▁", "") for token in tokenizer.convert_ids_to_tokens(ids[0].tolist())]
show(
    tokens_figure(tokens, {name: token_measures(model, ids, labels, at) for name, model in exact.items()}, at),
    "18.10",
    "Four measures of how much a token matters for the hidden word.",
    "Four rows of bars over the tokens of a sentence with a hole, for the trained and the random model: attention, the gradient's "
    "length, the first-order estimate, and what hiding the token costs.",
)

# %% [markdown]
# *of* has the second most attention, and a long gradient, yet hiding it costs next to nothing. Hiding *a* costs most.
# And *array*? There is the answer to the question of section 4: without it, *copy* is far less likely.
#
# But one sentence proves nothing. So 64 held-out sentences, a hole in each at a random place, and for each a rank
# correlation: do the tokens come in the same order by the measure as by the size of the cost of hiding, $|o_t|$? 1 is
# the same order, 0 none. (A rank correlation is the correlation of the ranks, 0 for the smallest, 1 for the next, and
# so on.) "Nearness" to the hole is a fourth measure, which needs no model at all.

# %%


def rank_correlation(a, b):
    return np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1]


sentences = [s for d in documents for s in d if 10 <= len(tokenizer(s)["input_ids"]) <= 18]
chosen = np.random.default_rng(16).choice(sentences, 64, replace=False)
found = {name: [] for name in models}
for i, text in enumerate(chosen):
    ids = np.asarray(tokenizer(str(text))["input_ids"])[None]
    at = int(np.random.default_rng([16, i]).integers(1, ids.shape[1] - 1))
    labels = np.where(np.arange(ids.shape[1]) == at, ids, -100)
    ids[0, at] = MASK
    others = np.arange(ids.shape[1]) != at
    for name, model in models.items():
        values = token_measures(model, ids, labels, at)
        cost = abs(values.pop("cost of hiding"))[others]
        values["nearness"] = ids.shape[1] - abs(np.arange(ids.shape[1]) - at)
        row = {measure: rank_correlation(abs(value)[others], cost) for measure, value in values.items()}
        found[name].append({**row, "largest cost": cost.max()})
for measure in found["trained"][0]:
    line = []
    for name in models:
        numbers = np.array([row[measure] for row in found[name]])
        line.append(f"{name} {numbers.mean():5.2f} ± {numbers.std() / np.sqrt(len(numbers)):.2f}")
    print(f"{measure:24}", "   ".join(line))

# %% [markdown]
# In the trained model all measures have something to say. But *nearness*, which looks into no model, says nearly as
# much as attention: words close by matter more, and attention looks close by. "Attention explains the answer" would
# have to beat that. The gradient's length does best, and it too is far from 1. In the random model attention says
# nothing, as it should.
#
# The last surprise is the estimate (18.14). It is *better* in the random model. There, hiding a token changes the
# loss by a few hundredths, and for so little the first order is enough. In the trained model it costs 1 nat and more,
# and a whole word is far from "moved a little". That two measures agree tells how straight the loss is, not how much
# the model knows.
#
# (And the cost of hiding is no last word either. It asks what is lost when a [MASK] stands there, which is a token
# like others.)
#
# ### The whole way
#
# A word is far from "moved a little". But any way can be cut into little pieces. Go from $e$ to $e + \delta$ in a straight line,
# and let each number have its share of what happens on the way:
#
# $$a_i = \delta_i \int_0^1 \frac{\partial\,\mathrm{loss}}{\partial e_i}(e + s\,\delta)\,ds
# \;\approx\; \frac{\delta_i}{n} \sum_{k=0}^{n-1} \frac{\partial\,\mathrm{loss}}{\partial e_i}\Big(e + \frac{k + \frac12}{n}\,\delta\Big) \tag{18.15}$$
#
# With one point at the *start* of the way, this is (18.13).
#
# **On paper** (10 minutes). Show that the shares add up to the whole change,
#
# $$\sum_i a_i = \mathrm{loss}(e + \delta) - \mathrm{loss}(e) \tag{18.16}$$
#
# and that for a quadratic loss one point in the middle is exact, where one point at the start is not.
#
# <details><summary>A solution</summary>
#
# Let $g(s) = \mathrm{loss}(e + s\,\delta)$, a function of one number. By the chain rule
# $g'(s) = \sum_i \delta_i\, \partial\,\mathrm{loss} / \partial e_i$ at $e + s\,\delta$. So
#
# $$\sum_i a_i = \int_0^1 g'(s)\,ds = g(1) - g(0)$$
#
# If the loss is quadratic, every $\partial\,\mathrm{loss} / \partial e_i$ is a straight line in $s$, and the mean of a
# straight line over an interval is its value in the middle. Its value at the start is off by half of what it rises by: what
# (18.13) leaves out is the second-order term. Where the loss bends more, $n$ middles leave an error that falls with $1/n^2$.
# </details>
#
# ### Your turn: along the way  (difficulty 3 of 5, 15 minutes)
#
# Write the right-hand side of (18.15), for any function that gives a gradient.
#
# <details><summary>Hint 1: the idea</summary>
#
# Only the gradients have to be added up, at $n$ points; the way is the same for all of them.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# The points are the middles of $n$ pieces of the way: with $n = 2$, a quarter and three quarters of it. `gradient(e)` has the
# shape of `e`, and so has the answer.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# way = ...
# total = np.zeros_like(start)
# for k in range(steps):
#     total = total + gradient(... + ... * way)
# return ...
# ```
# </details>


# %% tags=["exercise"]
def along_the_way(gradient, start, end, steps=16):
    """gradient(e): of a loss at e; start, end: arrays of one shape. Returns (18.15), of that shape, with `steps` points."""
    raise NotImplementedError


report = lesson18.check_along_the_way(along_the_way)

# %% [markdown]
# Once more the sentence with the hole, in the trained model. Each token in turn goes from its own embedding to that of [MASK],
# all of them in one batch, a row for each. **Predict**: how many points until the sum along the way is the true cost of hiding?

# %%
along_the_way = report.yours(lesson18.package_along_the_way)
ids, labels, at = hole("return a [MASK] of the array.", "copy")
model, T = exact["trained"], ids.shape[1]
table = model.params[WORDS]
start = np.repeat(table[ids], T, axis=0)  # (T, T, E)
end = start.copy()
end[np.arange(T), np.arange(T)] = table[MASK]


def gradient_of_each(e):
    """The gradient of each row's own loss; the model's is the mean over the rows."""
    model(inputs_embeds=e, labels=np.repeat(labels, T, axis=0), sentence_order_label=np.full(T, -100))
    return T * model.backward()


measures = token_measures(model, ids, labels, at)
columns = {"hiding": measures["cost of hiding"], "(18.14)": measures["estimate (18.14)"]}
for steps in (1, 4, 16):
    columns[f"{steps} points"] = along_the_way(gradient_of_each, start, end, steps).sum(axis=(1, 2))
print(f"{'':10}" + "".join(f"{name:>11}" for name in columns))
for t, token in enumerate(tokenizer.convert_ids_to_tokens(ids[0].tolist())):
    print(f"{token.replace('▁', ''):10}" + "".join(f"{values[t]:11.3f}" for values in columns.values()))

# %% [markdown]
# With sixteen points the shares of each token add up to what hiding it costs, to a thousandth or so, as (18.16) says that they
# must. One point does not do: for *of* the start of the way says −0.38, its middle 2.64, and the truth is 0.04. Half way
# between a word and [MASK] lies nothing that the model has ever read, and there the loss goes up and down again. So (18.14) had the
# slope right; the way is long, and it bends.
#
# For the sum alone two passes would do. The way is gone for the *parts*: where several tokens change at once, each has its share,
# and the shares leave nothing over.
#
# ## 8. Checks
#
# The formulas token by token, in plain loops, against the package; then (18.10) and (18.11).

# %%
import math

out = trained(**batch, output_hidden_states=True, output_attentions=True)
mask, i, n = batch["attention_mask"], 2, 1  # one step and one head
lengths, angles, values = [], [], {name: [] for name in statistics_of(out.attentions[0], mask)}
for b, t in np.argwhere(mask == 1):
    x, y = (out.hidden_states[k][b, t].astype(np.float64) for k in (i, i + 1))
    lengths.append(math.sqrt(sum((y - x) ** 2)))  # (18.1)
    angles.append(math.degrees(math.acos(x @ y / math.sqrt(x @ x) / math.sqrt(y @ y))))  # (18.2)
    p = out.attentions[i][b, n, t].astype(np.float64)
    values["entropy"].append(-sum(weight * math.log(weight) for weight in p if weight > 0))  # (18.7)
    values["distance"].append(sum(weight * abs(t - j) for j, weight in enumerate(p)))  # (18.8)
    for name, j in (("self", t), ("previous", t - 1), ("next", t + 1), ("first", 0)):  # (18.9)
        values[name].append(p[j] if 0 <= j < len(p) else 0.0)
package = distances_of(out.hidden_states, mask)
assert np.isclose(np.mean(lengths), package["l2"][i])
assert np.isclose(np.mean(angles), package["degrees"][i])
package = statistics_of(out.attentions[i], mask)
assert all(np.isclose(np.mean(numbers), package[name][n]) for name, numbers in values.items())
print(f"(18.1), (18.2), (18.7) to (18.9): {len(lengths)} tokens one by one, and the package: the same")

T = 7
package = statistics_of(np.full((1, 1, T, T), 1 / T), np.ones((1, T)))
expected = (math.log(T), (T**2 - 1) / (3 * T), 1 / T, (T - 1) / T**2, (T - 1) / T**2, 1 / T)
assert np.allclose(
    [package[name][0] for name in ("entropy", "distance", "self", "previous", "next", "first")], expected
)

exact["trained"](ids, labels=labels, sentence_order_label=no_pair)
dense = exact["trained"].cache.albert.encoder.steps[i].attention.dense  # what went in, and the weight
heads = [dense.x[..., k * D : (k + 1) * D] @ dense.weight[:, k * D : (k + 1) * D].T for k in range(N)]
assert np.allclose(dense.x @ dense.weight.T, sum(heads), rtol=1e-12, atol=1e-12)  # (18.11), without the bias
print("(18.10), (18.11): the same")

# %% [markdown]
# ## 9. What breaks if…
#
# **…padding is counted?** Padded places have hidden states and attention too, and nothing warns. Here are the 64
# short sentences of section 7, each padded to 32 places, and what comes of a mask of ones in the *mean*. (The model
# itself has the right mask.)

# %%
short = dict(tokenizer([str(text) for text in chosen], padding="max_length", max_length=32, return_tensors="np"))
padded, everything = short["attention_mask"], np.ones_like(short["attention_mask"])
print(f"{1 - padded.mean():.0%} of the places are padding")
for name, model in models.items():
    out = model(**short, output_hidden_states=True, output_attentions=True)
    right, wrong = (distances_of(out.hidden_states, m)["degrees"][0] for m in (padded, everything))
    print(f"{name:15} angle of step 1: {right:5.1f}°, with padding {wrong:5.1f}°", end="   ")
    right, wrong = (statistics_of(out.attentions[0], m)["previous"].max() for m in (padded, everything))
    print(f"largest weight on the one before: {right:.3f}, with padding {wrong:.3f}")

# %% [markdown]
# **…there is one sentence only?** Two numbers from above, each for single sentences: the rank correlation of
# attention with the cost of hiding, and the weight of one head on the token before (the head and step that have the
# most of it).

# %%
single = [row["attention"] for row in found["trained"]]
print(
    f"attention and cost of hiding, mean {np.mean(single):.2f}: single sentences from {min(single):.2f} to {max(single):.2f}"
)
out = trained(**batch, output_attentions=True)
before = of["trained"]["previous"]
i, n = np.unravel_index(before.argmax(), before.shape)
single = [statistics_of(p[None], m[None])["previous"][n] for p, m in zip(out.attentions[i], mask, strict=True)]
print(
    f"head {n} in step {i + 1} on the token before, mean {before[i, n]:.2f}: from {min(single):.2f} to {max(single):.2f}"
)

# %% [markdown]
# **…the control is too weak?** Training changes the size of weights too, and large weights alone can make scores
# large and attention less even. So a difference from a fresh model may be a matter of *size*. A stricter control has
# the numbers of the trained model, tensor by tensor, in a random order:

# %%
shuffled = anp.AlbertForPreTraining(config).eval()
rng = np.random.default_rng(16)
for name, weight in trained.params.items():
    shuffled.params[name] = rng.permutation(weight.ravel()).reshape(weight.shape)
for name, model in {**models, "shuffled": shuffled}.items():
    stats, turn = statistics(model), distances(model)["degrees"]
    entropies = " ".join(f"{e:.2f}" for e in stats["entropy"][0])
    print(
        f"{name:15} step 1: entropies of the heads {entropies};  angles, step 1 to {L}:", *(f"{a:.0f}°" for a in turn)
    )

# %% [markdown]
# The two pictures part ways. The shuffled model turns its tokens as far as the trained one, and further: the large
# first angles of section 2 need no learning, large weights do. But its attention is as even as the random model's:
# where the trained heads look is in the *arrangement* of their weights. One control would not have told us.
#
# ## Three questions
#
# 1. A colleague shows that the steps of her shared model move tokens less and less, smoothly, and concludes that it
#    refines its answer as people do. Which two experiments of this notebook would you show her?
# 2. In some other model each head, knocked out alone, costs hardly anything, and all at once cost a lot. How can both
#    be?
# 3. Reading the MLM head after step 3 is natural in ALBERT and less so in BERT. Why? And why is it not quite fair in
#    ALBERT either?
#
# <details><summary>Answers</summary>
#
# 1. The random shared model, whose curve falls smoothly too, and the random model that shares nothing, whose curve
#    stays level: the smooth fall comes with sharing. And the loss by number of steps, which says how much the answer
#    gains from each.
# 2. Heads stand in for each other: what one brings, another brings as well, or the residual carries it. A cost alone
#    is what this model loses *without being trained again*, with all other heads in place. It is neither what the
#    head does nor what a model that never had it would lack.
# 3. In ALBERT $x_3$ is the answer of a model of three steps with the very same weights (18.5); in BERT no model ends
#    with layer 3, and the head has never seen its output's like. But ALBERT's head was trained on $x_6$ alone, so
#    that early answers may know more than it can read.
# </details>
#
# ## In today's models
#
# * Figure 1 of the ALBERT paper is the start of a long series. That the steps of one set of weights can be counted out, fewer
#   or more than in training, is what recurrent-depth models live by
#   ([Geiping et al., 2025](https://arxiv.org/abs/2502.05171)); they are trained with a number of steps that varies, and so do
#   not fall apart beyond it.
# * Reading a hidden state of the middle with the last head is the *logit lens*; with a small map trained for each layer, which
#   mends the unfairness of answer 3, the *tuned lens* ([Belrose et al., 2023](https://arxiv.org/abs/2303.08112)).
# * Gradient times input, our first-order estimate, is a *saliency* method. *Integrated gradients* is (18.15)
#   ([Sundararajan et al., 2017](https://arxiv.org/abs/1703.01365)), for the reason seen here: a word taken away is not a small
#   step. Random weights as a control for such pictures were asked for by
#   [Adebayo et al. (2018)](https://arxiv.org/abs/1810.03292), who found methods that do not notice.
# * Knocking heads out one by one showed that most can go ([Michel et al., 2019](https://arxiv.org/abs/1905.10650)); keys and
#   values shared between heads make use of it ([Ainslie et al., 2023](https://arxiv.org/abs/2305.13245)).
#
# Next: [19, from NumPy to CuPy, and what is fast](19_backends_speed.ipynb).

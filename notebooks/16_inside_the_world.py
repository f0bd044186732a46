# %% [markdown]
# # 16 · Inside a world that is learned
#
# **60 minutes**, and 30 more for section 8. You need: notebook 09 (heads), 11 (a shared layer), 15 (the toy world). You will be able to
#
# * see where a head looks, and say why that is no proof that the head is needed,
# * take a head away, and replace a hidden state by another one: change a cause and watch the effect,
# * find the steps in which a rule is carried out.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $x_i$ | (B, T, H) | hidden states after $i$ steps of the layer $f$, $x_{i+1} = f(x_i)$ |
# | $c_n$ | (T, D) | what head $n$ brings back: its context, notebook 09 |
# | $W^O$ | (H, H) | the dense layer behind the heads, cut into blocks $W^O_n$ of D columns |
# | $c_n^{\mathrm{mean}}$ | (D) | its mean over many tokens |
# | $\tilde x_i$ | (B, T, H) | the hidden states of other sentences, the *donors* |
#
# **A question from a real model.** *When Mary and John went to the store, John gave a drink to* — GPT-2 small goes on with
# *Mary*. [Wang et al. (2022)](https://arxiv.org/abs/2211.00593) asked which of its 144 attention heads do that, and found 26,
# in seven kinds. Not by looking at pictures of attention: by taking heads away, and by putting what a head gave in one
# sentence into another. How does one find such a thing, and how does one go wrong? We ask in the toy world: where is it kept
# that *the girl near the boys* is one person? There we can find the very vector.
#
# ## 1. The model
#
# That of notebook 15, trained once more; half a minute. Beside it, its own first weights.

# %%
import numpy as np

import albert_np as anp
from albert_np.plots import show
from albert_np.study.world import NOUNS, PROBES, STEPS, World, learning, world_config

world = World()
exam = world.exam(300)
model = anp.AlbertForMaskedLM(world_config(world), seed=2)
random = anp.AlbertForMaskedLM(model.config, seed=2).eval()
for _ in learning(world, model, STEPS, seed=2):
    pass
model.eval()
N, D = model.config.num_attention_heads, model.config.head_size


def skills(model):
    """The share of right answers of each probe."""
    return [world.probe(model, probe, 100) for probe in PROBES.values()]


for name, m in {"trained": model, "first weights": random}.items():
    loss, accuracy = world.measure(m, exam)
    print(
        f"{name:<14} loss {loss:.3f} (best {exam.loss:.3f}), right {accuracy:.1%};",
        dict(zip(PROBES, skills(m), strict=True)),
    )

# %% [markdown]
# ## 2. Where does the verb look?
#
# Take stories in which a noun of the other number stands between the subject and its verb. All words that show the number
# are hidden. Here is one, and where the hidden verb looks, on average over a hundred such stories: four heads in each of
# two steps.
#
# **Predict**: where would you look, if you had two looks to find out whether it is *goes* or *go*?

# %%
from albert_np.course.figures import looks_figure

probe = PROBES["agreement across a misleading noun"]
ids, places, right = world.questions(probe, 100)
verb = int(places[0])
words = world.decode(ids[0]).split()
labels = ["[CLS]", "the", "subject", "near", "the", "neighbour", "VERB", "place", ".", *words[8:], "[SEP]"]


def looks(model):
    """Attention of the verb's place, (steps, heads, T), the mean over stories."""
    out = model(ids, output_attentions=True, grad=False)
    return np.stack([p[:, :, verb].mean(axis=0) for p in out.attentions])


print(" ".join(words))
where = {"trained": looks(model), "first weights": looks(random)}
show(
    looks_figure(labels, where),
    "16.1",
    "Where the hidden verb looks (weights in hundredths), trained and before training.",
    "Two matrices, a row for each place of the story, a column for each head in each step: where the hidden verb looks, in "
    "the trained model and with its first weights.",
)
subject, neighbour = labels.index("subject"), labels.index("neighbour")
for name, weights in where.items():
    for step in (0, 1):
        told = "   ".join(f"{weights[step, n, subject]:.2f} {weights[step, n, neighbour]:.2f}" for n in range(N))
        print(f"{name:<14} step {step + 1}: weight on subject and neighbour, by head   {told}")

# %% [markdown]
# With first weights every head looks everywhere. The trained one has a head that looks at the subject: with some four tenths
# of its weight in the first step, with seven or more in the second. The other three do not, and the noun right before the
# verb gets hardly anything from any of them. (Training again on another machine changes the last digits of sums, and with
# them such weights by a tenth or two.)
#
# ## 3. Is what it looks at needed?
#
# A picture like this is often taken for an explanation. It is a guess, and it can be tested. The dense layer behind the
# heads reads them side by side, so what it gives is a sum with one term a head:
#
# $$a = \sum_n c_n\,(W^O_n)^\top + b \tag{16.1}$$
#
# With $W^O_n = 0$ head $n$ may look where it likes; it adds nothing. (In every step: the layer is shared.)
#
# ### Your turn: without heads  (difficulty 2 of 5, 10 minutes)
#
# <details><summary>Hint 1: the idea</summary>
#
# A new model with the same configuration, the same weights, and then some zeros. The model that was given must stay whole.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $y = x\,W^\top + b$: inputs are the *columns* of $W$, and the inputs here are the contexts, head after head, D numbers
# each.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# other = type(model)(model.config, dtype=model.dtype).eval()
# other.params.flat[...] = …
# for n in heads:
#     other.params["….attention.dense.weight"][…, …] = 0
# return other
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson16


def without_heads(model, heads):
    """A copy of the model in which the heads with these numbers add nothing."""
    raise NotImplementedError


report = lesson16.check_without_heads(without_heads)

# %% [markdown]
# From here on yours is used, if its check passes. **Predict**: what is left of each skill when the head that looks at the
# subject is gone?

# %%
from albert_np.course.figures import needs_figure
from albert_np.study import inside

without_heads = report.yours(inside.without_heads)
left = {"whole": skills(model)}
for heads in [(n,) for n in range(N)] + [(0, 1), (2, 3)]:
    left["without " + " and ".join(map(str, heads))] = skills(without_heads(model, heads))
show(
    needs_figure(list(PROBES), left),
    "16.2",
    "What the model can still do without some of its heads.",
    "A matrix: for the whole model, and without one or two of its heads, the share of stories answered rightly for each of "
    "five skills.",
)

# %% [markdown]
# This time the picture was right: without head 1 the verb has no subject, nor has the pronoun, and nothing else is lost. It is
# not so always, as section 6 will show. And three things the picture did not tell. Head 0, which looks nowhere near the
# subject, is needed as much, for copying and the choice of the verb. Heads 2 and 3 cost no skill alone, and a part of the
# pronouns if both are gone: what is doubled is not missed until both are away. And that no *skill* is lost does not mean that
# nothing is: section 8 has the losses, and that without head 2 is the highest of the four.
#
# ## 4. One step too few
#
# $f$ has no step number in it, so the layer can be applied once, or more often than in training. **Predict**: which skills
# need both steps?

# %%
for steps in (1, 2, 3, 4):
    other = anp.AlbertForMaskedLM(world_config(world, num_hidden_layers=steps)).eval()
    other.params.flat[...] = model.params.flat
    told = "  ".join(f"{name} {share:.0%}" for name, share in zip(PROBES, skills(other), strict=True))
    print(f"{steps} step{'s'[: steps > 1]}: loss {world.measure(other, exam)[0]:.3f}   {told}")

# %% [markdown]
# Some skills are there after one step, though the head was trained to read the second; agreement even across the noun, and
# less so where nothing stands between, so that reading early has its own ways of failing. More steps than in training do not
# make the model better; it was never asked to stay where it is.
#
# ## 5. The vector that knows
#
# Now the question from the beginning. Run two stories that differ in one thing, the number of the subject. After step 1,
# take the hidden state of *one* token from the second story, put it into the first, and let step 2 run:
#
# $$x_1[\text{place}] \leftarrow \tilde x_1[\text{place}], \qquad x_2 = f(x_1) \tag{16.2}$$
#
# If the verb now agrees with the other story's subject, what it needs to know was in that one vector.
#
# ### Your turn: replace a hidden state  (difficulty 3 of 5, 15 minutes)
#
# <details><summary>Hint 1: the idea</summary>
#
# `model(ids, output_hidden_states=True).hidden_states[1]` is $x_1$ of all tokens, a view of what the model keeps: copy it
# before you change it. Then go on with `layer_forward`, as often as there are steps left.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `layer_forward(x, dense_pattern(B, T), scope, config)` gives the next state and a cache; the scope holds the shared
# layer's weights under their short names (notebook 10).
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# x = model(ids, output_hidden_states=True).hidden_states[1].copy()
# x[:, place] = …
# for _ in range(…):
#     x, _ = layer_forward(x, dense_pattern(*ids.shape), model.params.scope(LAYER), model.config)
# return x
# ```
# </details>

# %% tags=["exercise"]
from albert_np.execution import dense_pattern  # noqa: F401
from albert_np.layers import layer_forward  # noqa: F401

LAYER = "albert.encoder.albert_layer_groups.0.albert_layers.0."


def patched(model, ids, donors, place):
    """ids, donors (B, T), no padding; the last hidden states (B, T, H), one token's replaced after step 1."""
    raise NotImplementedError


report = lesson16.check_patched(patched)

# %% [markdown]
# **Predict**: in which places does it turn the verb round? There are 22.

# %%
from albert_np.layers import mlm_forward

patched = report.yours(inside.patched)
other_number = {world.id_of[a]: world.id_of[b] for pair in NOUNS.items() for a, b in (pair, pair[::-1])}
donors = ids.copy()
donors[:, subject] = [other_number[word] for word in ids[:, subject]]
plural = [world.id_of[word] for word in ("go", "run", "walk")]
singular = [world.id_of[word] for word in ("goes", "runs", "walks")]


def is_plural(model, hidden_states):
    """Whether the verb's place expects a plural form, (B,)."""
    logits = mlm_forward(hidden_states, model.params.scope("predictions."), model.config)[0][:, verb]
    return logits[:, plural].max(axis=1) > logits[:, singular].max(axis=1)


def turned_round(model, place):
    """In what share of stories the donors' state at a place turns the verb round."""
    before = is_plural(model, model(ids, grad=False).last_hidden_state)
    return np.mean(is_plural(model, patched(model, ids, donors, place)) != before)


before = is_plural(model, model(ids, grad=False).last_hidden_state)
with_donors = is_plural(model, model(donors, grad=False).last_hidden_state)
print(f"the other subject in the text itself turns the verb round in {np.mean(with_donors != before):.0%} of stories")
turned = [turned_round(model, place) for place in range(ids.shape[1])]
print("its hidden state after step 1, place by place:")
print("  " + "  ".join(f"{label} {share:.0%}" for label, share in zip(labels, turned, strict=True)))

# %% [markdown]
# It is the subject's own vector, and no other. Does that mean that the verb's place knew nothing yet? Read its state after
# step 1 through the MLM head, as in section 4:

# %%
early = model(ids, output_hidden_states=True, grad=False).hidden_states[1]
print(f"after step 1 the verb's own place is right in {np.mean(is_plural(model, early) == before):.0%} of stories")

# %% [markdown]
# It knew, always. Step 2 looks at the subject again, and believes what it finds there, whatever the verb's own place has
# gathered before. So "replacing this state changes nothing" does not mean "nothing is known here"; it means that what is
# known here does not decide.
#
# And what *is* a subject to this model, a kind of word or a place? In this world the subject is always the second word.
# A model that looks at place 2 and one that knows what a subject is answer all stories alike, and no story of this world
# tells them apart.
#
# ## 6. What breaks if…
#
# **…there is another seed?** The same world, other first weights, other training stories, and to save time half the updates.
# Which of the sentences above were about ALBERT, and which about this one model?

# %%
again = anp.AlbertForMaskedLM(model.config, seed=0)
for _ in learning(world, again, 400, seed=0):
    pass
again.eval()
weights = looks(again)
for step in (0, 1):
    told = "   ".join(f"{weights[step, n, subject]:.2f} {weights[step, n, neighbour]:.2f}" for n in range(N))
    print(f"seed 0, step {step + 1}: weight on subject and neighbour, by head   {told}")
for heads in [(), *((n,) for n in range(N))]:
    told = "  ".join(
        f"{name} {share:.0%}" for name, share in zip(PROBES, skills(without_heads(again, heads)), strict=True)
    )
    print(f"seed 0, without {heads or 'none'}: {told}")
print(f"seed 0, the subject's state replaced: turned round in {turned_round(again, subject):.0%} of stories")
most = max(turned_round(again, place) for place in range(ids.shape[1]) if place != subject)
print(f"seed 0, any other place: at most {most:.0%}")

# %% [markdown]
# Which head does what, and whether another one could stand in for it, is a matter of chance. Here *two* heads look at the
# subject in step 2, with the same weight, 0.53: without head 0 a quarter of the verbs across the noun are wrong, and
# without head 2 hardly any. So "it looks there" and "it is needed" are two things, and pictures of attention alone tell only
# the first. That the subject's own vector turns the verb round, and that of no other place does, is true of both models.
# Say the first kind of thing with the seed that it was found with, and the second kind after more seeds than two.
#
# ## 7. Checks
#
# (16.1) with the real numbers of a pass, and (16.2) with donors that are the same.

# %%
double = anp.AlbertForMaskedLM(model.config, dtype="float64").eval()
double.params.flat[...] = model.params.flat
double(ids)
for step in (0, 1):
    dense = double.cache.albert.encoder.steps[step].attention.dense  # what went in, and the weight
    heads = [dense.x[..., n * D : (n + 1) * D] @ dense.weight[:, n * D : (n + 1) * D].T for n in range(N)]
    assert np.allclose(dense.x @ dense.weight.T, sum(heads), rtol=1e-12, atol=1e-12)  # (16.1), without the bias
same = patched(double, ids, ids, subject)
assert np.allclose(same, double(ids, grad=False).last_hidden_state, rtol=1e-12, atol=1e-12)  # (16.2)
print("(16.1), (16.2): the same")

# %% [markdown]
# ## 8. More exercises
#
# **Is 0 a fair replacement?** Without a head the rest of the model gets what it has never met: a term of 0 where there was
# always something. Part of the damage may be the surprise. A milder question: what if the head gives what it gives *on
# average*, whatever the story says? It then knows nothing of this story, and nothing is unusual.
#
# **On paper** (5 minutes). Put a constant vector $c_n^{\mathrm{mean}}$ in the place of $c_n$ in (16.1), for the heads $n$ of a set $S$. Show
# that the layer is one without these heads and with another bias, and write that bias down.
#
# <details><summary>A solution</summary>
#
# The sum splits in two, and in the second nothing depends on the story any more:
#
# $$a = \sum_{n \notin S} c_n (W^O_n)^\top + b', \qquad b' = b + \sum_{n \in S} W^O_n\, c_n^{\mathrm{mean}} \tag{16.3}$$
#
# So columns become 0 as before, and $b'$ takes the place of $b$.
# </details>
#
# ### Your turn: heads at their mean  (difficulty 3 of 5, 15 minutes)
#
# `contexts` holds what the heads brought back in many tokens: (…, H), head after head, D numbers each.
#
# <details><summary>Hint 1: the idea</summary>
#
# Your `without_heads` gives the copy. What is missing is the bias, and it must be computed from the *old* columns.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# The mean is over all axes but the last. For one head $W^O_n c_n^{\mathrm{mean}}$ is `weight[:, columns] @ mean[columns]`.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# other, D = without_heads(model, heads), model.config.head_size
# mean = contexts.reshape(-1, ...).mean(axis=...)
# for n in heads:
#     columns = slice(...)
#     other.params[LAYER + "attention.dense.bias"][...] += ... @ ...     # weight: whose, the model's or the copy's?
# return other
# ```
# </details>


# %% tags=["exercise"]
def at_their_mean(model, heads, contexts):
    """A copy of the model in which these heads always give the mean of their contexts; contexts (…, H)."""
    raise NotImplementedError


report = lesson16.check_at_their_mean(at_their_mean)

# %% [markdown]
# **Predict**: whose loss is higher, without a head or with the head at its mean? And is a head that was needed still needed?

# %%
at_their_mean = report.yours(lesson16.package_at_their_mean)
model(exam.input_ids, exam.attention_mask)
inside_heads = [step.attention.dense.x for step in model.cache.albert.encoder.steps]  # (B, T, H) of each step
contexts = np.concatenate([c[exam.attention_mask == 1] for c in inside_heads])
across = PROBES["agreement across a misleading noun"]
print(f"heads      loss: without, at the mean     {'agreement across: without, at the mean':>40}")
for heads in [(n,) for n in range(N)] + [(0, 1), (2, 3)]:
    pair = without_heads(model, heads), at_their_mean(model, heads, contexts)
    losses = "   ".join(f"{world.measure(m, exam)[0]:10.3f}" for m in pair)
    print(f"{heads!s:<12}{losses}   " + "   ".join(f"{world.probe(m, across):20.0%}" for m in pair))

# %% [markdown]
# For head 2 the mean costs much less than 0: more than a quarter of what "taking the head away" had shown was a bias that was
# missing. For the others it makes little difference, and no head becomes needless by it: most of the damage was what the head
# knows of the story. Papers say which of the two they did; so should you.
#
# ### Your turn: which bug is this?  (difficulty 3 of 5, 10 minutes)
#
# Four colleagues wrote `patched`, each with one mistake. You see, for stories as in section 5: in what share of them the verb
# turns round when the state at the subject, at the neighbour, or at the verb itself is replaced; and by how much the hidden
# states change when the donors are *the same stories*.

# %%
print(f"{'':<6}{'subject':>9}{'neighbour':>11}{'verb':>7}   same donors")
for name, other in {"right": patched, **lesson16.SUSPECTS}.items():
    whole = model(ids, grad=False).last_hidden_state
    shares = [np.mean(is_plural(model, other(model, ids, donors, at)) != before) for at in (subject, neighbour, verb)]
    change = abs(other(model, ids, ids, subject) - whole).max()
    print(f"{name:<6}{shares[0]:>9.0%}{shares[1]:>11.0%}{shares[2]:>7.0%}   {change:11.2f}")

# %% [markdown]
# 1. The state is replaced after the *last* step.
# 2. After the replacement, no step is run any more.
# 3. The states of *all* places are replaced.
# 4. All stories get the state of the *first* donor.
# 5. One step too many is run.
#
# <details><summary>Hint 1: the idea</summary>
#
# Donors that are the same must change nothing. Who changes something there, and who does not?
# </details>
# <details><summary>Hint 2: what tells two apart</summary>
#
# The first donor has one number, and the stories have both. After the last step no place can look at another one any more.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": 4, "C": ..., "D": ...}   # one is given: half as many turn round as should, and why just these?
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns suspect → the number of its bug, for the suspects A to D."""
    raise NotImplementedError


lesson16.check_which_bug(which_bug)

# %% [markdown]
# ## Four questions
#
# 1. A head attends to the subject with weight 1.00 in every story. What may you say of it, and what not?
# 2. Taking away head 2 costs no skill, taking away head 3 costs none, taking away both does. What would a
#    table of single heads have told you?
# 3. Replacing the subject's hidden state after step 1 turns the verb round. Replacing that of the verb does not. What
#    would it mean if it were the other way round?
# 4. Somebody exchanges the *position ids* of the two nouns, sees every verb turn round, and concludes that the model goes by
#    place. Why does this show nothing?
#
# <details><summary>Answers</summary>
#
# 1. That it looks there. Not that anything comes of it: its value may hold nothing that is used, or another head may
#    bring the same.
# 2. That no head matters. What is doubled shows only when both are gone.
# 3. That step 2 does not look at the subject again: what the verb's place had gathered by then decides.
# 4. A token is its word and its position, in no order besides. With the two positions exchanged, the model is given just
#    what it is given when the two *words* are exchanged: another story, with another subject.
# </details>
#
# ## In today's models
#
# * Taking parts away is called *ablation*, by zeros or by means; replacing states *activation patching* or *causal tracing*.
#   Both are how circuits are looked for in large language models. With causal tracing
#   [Meng et al. (2022)](https://arxiv.org/abs/2202.05262) found where GPT keeps that the Space Needle is in Seattle: at the last
#   token of the *subject*, in layers of the middle.
# * Heads that stand in for each other are known there as *backup heads* (Wang et al., 2022, above); a table of single heads
#   misses them, as ours did.
# * Whether attention explains was a dispute of its own: [Jain and Wallace (2019)](https://arxiv.org/abs/1902.10186), and the
#   answer of [Wiegreffe and Pinter (2019)](https://arxiv.org/abs/1908.04626).
# * Reading a hidden state of the middle through the last head, as in sections 4 and 5, is called the *logit lens*.
#
# Next: [17, pretraining on real prose, which is harder](17_pretraining.ipynb); a look inside that model is 18.

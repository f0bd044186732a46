# %% [markdown]
# # 15 · A world that is learned
#
# **90 minutes**, and 30 more for section 9. You need: notebook 12 (the MLM head), 13 (masks), 14 (LAMB, AdamW, warm-up).
# You will be able to
#
# * say what the best possible answer to a hidden word is, where the world can be listed, and prove that no model does better,
# * write the update that trains a model, and watch a model learn with it, in the end with gradients that are all yours,
# * tell a skill from a good loss: ask for one thing, and let nothing else give it away,
# * tell from a few losses what is wrong with a training loop.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $s$, $p(s)$ | (T), – | a story as words, and its probability |
# | $\text{seen}$ | (T) | a story in which some words are hidden |
# | $p^*$ | (V) | what can be known of a hidden word: its exact probabilities |
# | $q$ | (V) | what a model says of it |
# | $H(p^*)$ | | entropy, $-\sum_w p^*_w \ln p^*_w$ (nats) |
#
# **A question from a real model.** The loss of a language model falls with its size and with its text, ever more slowly. To
# what? From four hundred models of up to sixteen billion weights, [Hoffmann et al. (2022)](https://arxiv.org/abs/2203.15556)
# estimated a floor of 1.69 nats a token: what no model gets rid of, because text is not predictable. It is the constant of a
# curve that was fitted; nobody can list all texts and look.
#
# So before real prose (notebook 17) we take a world that is small enough to know all of it. There the floor is a number
# that one can compute, and a model of sixty thousand weights comes near it while you look on.
#
# ## 1. All there is
#
# Every story has three sentences. Someone moves somewhere; they come by something; they use it. Half of the stories put
# another noun between the subject and its verb.

# %%
import time

import numpy as np

import albert_np as anp
from albert_np.study.world import PROBES, World, learning, watched, world_config

world = World()
rng = np.random.default_rng(15)
print(
    f"{len(world.ids):,} stories, of {len(world.words) - 4} different words; {world.held_out.mean():.0%} are held out, such as"
)
for row in world.sample(rng, 4, held_out=True):
    print(" ", world.decode(world.ids[row]))

# %% [markdown]
# There are rules in it, and each needs something else of a model:
#
# | rule | in the story | what it takes |
# |---|---|---|
# | agreement | the girl **goes**, the girls **go** | the word before |
# | … across another noun | the girl near the boys **goes** | the right one of two words |
# | pronoun | the girl …. **she** … | a word some way back, and what kind it is |
# | copying | a new apple …. the new **apple** | a word far back, as it is |
# | choice of verb | she **eats** the new apple | what goes with what |
#
# ## 2. What can be known
#
# Hide some words. A story *agrees* with what is seen if it has the same words in all places that are not hidden. Then
#
# $$p^*_i(w \mid \text{seen}) = \frac{\sum_{s \text{ agrees},\; s_i = w} p(s)}{\sum_{s \text{ agrees}} p(s)} \tag{15.1}$$
#
# This is no model. It is all that what is seen says about place $i$.
#
# **By hand.** Take *the girl near the boys goes home . she finds a new apple . she eats the new apple .* and hide one
# word. Predict its probabilities:
#
# * *goes*. Three verbs have the singular form, and they are equally likely.
# * the first *she*. Who else may stand there?
# * *girl*. The pronoun says what kind of person it is, not which.
# * *boys*. The verb does not agree with it, and nothing else refers to it. But it is never the subject's own noun.

# %%
STORY = "the girl near the boys goes home . she finds a new apple . she eats the new apple ."


def known(text):
    """The exact probabilities at the first [MASK], as words."""
    p = world.posterior(world.encode(text))[0]
    return "  ".join(f"{world.words[i]} {p[i]:.3f}" for i in np.argsort(-p) if p[i])


for word in ("goes", "she", "girl", "boys"):
    print(f"{word:>5}: {known(STORY.replace(word, '[MASK]', 1))}")

# %% [markdown]
# ### Your turn: what can be known  (difficulty 2 of 5, 10 minutes)
#
# Write (15.1) for a small world. Stories are rows of ids; hidden places hold −1.
#
# <details><summary>Hint 1: the idea</summary>
#
# First find the stories that agree, all places at once. Then forget the others, make what is left add up to 1, and
# count words at each hidden place.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `(stories == seen) | (seen < 0)` is (N, T): where a story says what is seen, or nothing is. A story agrees if all of
# its row does. `np.bincount(words, weights)` adds up weights by word.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# agrees = (…).all(axis=…)
# share = np.where(agrees, …, 0)
# share = share / …
# rows = [np.bincount(stories[:, place], …, stories.max() + 1) for place in …]
# return np.array(rows).reshape(-1, stories.max() + 1)
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson15


def posterior(stories, probability, seen):
    """stories (N, T) ids, probability (N,), seen (T,) with -1 at hidden places; returns (places, V)."""
    raise NotImplementedError


report = lesson15.check_posterior(posterior)

# %% [markdown]
# ## 3. The best there is
#
# A model says $q$ where $p^*$ is the truth. Its loss, on average over what may be hidden, is
#
# $$\mathbb E\big[-\ln q_w\big] = -\sum_w p^*_w \ln q_w = H(p^*) + \underbrace{\sum_w p^*_w \ln\frac{p^*_w}{q_w}}_{\mathrm{KL}(p^*\|q)\;\ge\;0} \tag{15.2}$$
#
# So $H(p^*)$ is the floor, and only $q = p^*$ reaches it.
#
# **On paper** (10 minutes). (15.2) says that the second sum, the *Kullback-Leibler divergence*, is never negative. Show it,
# and say when it is 0. You need one inequality only: $\ln x \le x - 1$, where both sides are equal at $x = 1$ alone.
#
# <details><summary>A solution</summary>
#
# Turn the sign round, so that the inequality can be used with $x = q_w / p^*_w$, over the words with $p^*_w > 0$:
#
# $$-\mathrm{KL} = \sum_w p^*_w \ln\frac{q_w}{p^*_w} \;\le\; \sum_w p^*_w \Big(\frac{q_w}{p^*_w} - 1\Big) = \sum_{w:\,p^*_w>0} q_w - 1 \;\le\; 0$$
#
# The last step holds because probabilities add up to 1 at most. It is 0 only if both are equalities: the first where
# $q_w = p^*_w$ for each of these words, and then the second holds by itself. So every other $q$ costs something, also one
# that is *surer* than it may be: of three words that fit alike, the right one gets 1/3, and whoever says 0.98 of one of
# them pays for the other two.
# </details>
#
# The most right answers has whoever always says the likeliest word:
#
# $$\text{accuracy} \le \mathbb E\big[\max_w p^*_w\big] \tag{15.3}$$
#
# An **exam** is a few hundred held-out stories with a quarter of their words hidden. **Predict**: how many of the hidden
# words can be known for certain, how many right answers are the most one can have, and how many has a guess from the two
# neighbouring words?

# %%
exam = world.exam(400)
asked = exam.labels >= 0
exact = np.concatenate([world.posterior(row) for row in exam.input_ids])  # (15.1), with an index that makes it quick
posterior = report.yours(lesson15.package_posterior)
for row in exam.input_ids[:20]:  # yours (once it has passed), among the stories as long as this one
    length, seen = (row != 0).sum(), np.where(row == world.id_of["[MASK]"], -1, row)
    alike = world.lengths == length
    p = posterior(world.ids[alike, :length], world.probability[alike], seen[:length])
    assert np.allclose(p, world.posterior(row)[:, : p.shape[1]], rtol=1e-9)
print(f"{asked.sum():,} hidden words; known for certain: {(exact.max(axis=1) > 1 - 1e-9).mean():.0%}")
print(f"always the most frequent word: {world.frequent(exam):.1%} right")
print(f"the best guess from both neighbours: {world.neighbours(exam):.1%}")
print(f"the best there is: {exam.accuracy:.1%}, and a loss of {exam.loss:.3f}")
entropy = -(exact * np.log(np.where(exact > 0, exact, 1))).sum(axis=1)
print(f"expected, by (15.2) and (15.3): {exact.max(axis=1).mean():.1%} and {entropy.mean():.3f}")

# %% [markdown]
# The last two lines differ by chance alone: the exam's stories are drawn, and a word of probability 1/3 is sometimes
# there and sometimes not.
#
# ## 4. The loop
#
# One update has five lines. All of them were in earlier notebooks: forget the old gradients (11.3), forward, backward,
# clip (14.13), step (14.3).
#
# ### Your turn: one update  (difficulty 2 of 5, 10 minutes)
#
# <details><summary>Hint 1: the idea</summary>
#
# `backward` adds to what is in `model.grads`. The loss is that of the forward pass, before anything moves.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `model.zero_grad()`, `model(**batch)`, `model.backward()`, `clip_by_global_norm(model.grads, 1.0)`,
# `optimizer.step(learning_rate)`: each once. Only their order is the question.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# …
# out = model(**batch)
# …
# clip_by_global_norm(…, …)
# …
# return …
# ```
# </details>

# %% tags=["exercise"]
from albert_np.training import clip_by_global_norm


def train_step(model, batch, optimizer, learning_rate):
    """One update, gradients clipped to a norm of 1; batch: the model's arguments. Returns the loss as a float."""
    raise NotImplementedError


report = lesson15.check_train_step(train_step)

# %% [markdown]
# If your check passes, everything below is trained by *your* update; if not, by the package's.

# %%
from albert_np.study.world import train_step as package_train_step

train_step = report.yours(package_train_step)

# %% [markdown]
# The model: ALBERT with one layer, applied twice. H = E = 64, four heads. Its first loss should be an even guess over
# 54 words, $\ln 54 = 3.99$ (12.5).

# %%
UPDATES = 800

model = anp.AlbertForMaskedLM(world_config(world), seed=2)
print(model)
print(f"loss and accuracy before the first update: {world.measure(model, exam)}")

# %% [markdown]
# ## 5. Watch it learn
#
# Forty-eight stories at each update, a quarter of their words hidden, AdamW. The lower panel shows how many of 50 held-out
# stories it answers rightly for each rule: at each, all words that would give the answer away are hidden too (section 6).
#
# **Predict** which rule is learned first, and which last.

# %%
ACROSS = world.questions(PROBES["agreement across a misleading noun"], 200)
PLURAL = [world.id_of[word] for word in ("go", "run", "walk")]
SINGULAR = [world.id_of[word] for word in ("goes", "runs", "walks")]


def says_plural(model):
    """Across a misleading noun: how often the verb is plural where the subject is singular, and where it is plural."""
    ids, places, right = ACROSS
    logits = model(ids, grad=False).logits[np.arange(len(ids)), places]
    plural = logits[:, PLURAL].max(axis=1) > logits[:, SINGULAR].max(axis=1)
    wanted = np.isin(right, PLURAL)
    return plural[~wanted].mean(), plural[wanted].mean()


HOLES = "the girl near the boys [MASK] home . [MASK] [MASK] a new apple . [MASK] [MASK] the new apple ."

started, moments, answers, plurals = time.perf_counter(), [], {}, {}
print(f"{'update':>6} {'loss':>6}  {'right':>6}   " + "  ".join(PROBES))
for moment in watched(world, model, exam, UPDATES, seed=2, every=50, train=train_step):
    moments.append(moment)
    if moment.step % 100 == 0:
        answers[moment.step], plurals[moment.step] = world.fill(model, HOLES), says_plural(model)
        skills = "  ".join(f"{share:>{len(name)}.0%}" for name, share in moment.skills.items())
        print(f"{moment.step:>6} {moment.loss:6.3f}  {moment.accuracy:6.1%}   {skills}", flush=True)
print(f"the best there is: {exam.loss:.3f} and {exam.accuracy:.1%}; {time.perf_counter() - started:.0f} s")

# %%
from albert_np.plots import learning_figure, show

show(
    learning_figure(moments, exam.loss),
    "15.1",
    "Learning the toy world: the loss beside the best there is, and five rules.",
    "Above, the loss on held-out stories against updates, with a dashed line at the best there is. Below, the share of right "
    "answers for five rules against updates.",
)

# %% [markdown]
# First come the words' frequencies and what usually stands next to what: half of the answers are right before any rule is
# known. Then, within two hundred updates or so, the rules, one after another. After that the model learns to be sure where
# one may be, and only there: from the last rule on, the loss still falls by an eighth.
#
# What does a skill look like while it comes? The same five holes, asked again and again:

# %%
for step, words in answers.items():
    holes = iter(words)
    print(
        f"{step:>4}",
        " ".join(f"[{next(holes).word}]" if word == "[MASK]" else word for word in HOLES.split()),
    )
print("\nat the end: the model's probability, and the exact one of the same word")
for word in answers[UPDATES]:
    print(f"  {word.word:<8} {word.probability:.3f}  {word.exact:.3f}")

# %% [markdown]
# Look at the line of update 100: the verb of the girl is singular already, though *boys* stands before it. Is that the rule?
# One story cannot tell. Who agrees the verb with the *nearest* noun says plural wherever the subject is singular, and singular
# wherever it is plural. Ask all stories of the kind, and the two kinds of subject apart:

# %%
print("update   plural where the subject is singular   … where it is plural")
for step, (singular, plural) in plurals.items():
    print(f"{step:>6}   {singular:>36.0%}   {plural:>20.0%}")

# %% [markdown]
# Where both columns are near 0 or both near 100 %, the model says the same of every story: no rule, only a habit, and a
# share near one half in the figure is nothing but how many of the stories happen to want that answer. A rule would be 0 and
# 100. So ask for each class by itself before you read a rule into a number; and never read one into a single story.
#
# Look at the probabilities of the words, too. A good model is *not* sure everywhere: of three verbs that fit, each has a
# third, and to say more would cost loss (15.2).
#
# ## 6. A skill, or a short cut?
#
# That a verb is right says nothing yet. In *the girl near the boys [MASK] home . she …* the pronoun gives the number away.
# So the question hides the pronouns and the other verbs too; what is left that knows is the subject. And of two nouns,
# each is as often the subject as the other: only their *order* tells.
#
# ### Your turn: a question that gives nothing away  (difficulty 3 of 5, 15 minutes)
#
# The number of the subject shows in the verb of the second sentence as well: *she finds*, *they find*. Does the model agree
# *that* verb with its subject, where a noun of the other number stands between the subject and its first verb? Write the
# question as a `Probe`. Hide whatever else would give the number away, and nothing more.
#
# `Probe(hidden, asked, classes, neighbour)`: the parts of the story that are hidden, the part that is asked for, word →
# class for each possible answer, and `"other number"` for the stories that you want. The parts, in their order: `subject`,
# `neighbour`, `move`, `place`, `pronoun`, `get`, `adjective`, `object`, `second pronoun`, `use`, `second adjective`,
# `second object`.
#
# <details><summary>Hint 1: the idea</summary>
#
# Read *the girl near the boys goes home . she finds a new apple . she eats the new apple .* and its twin with *girls*. In
# which places do they differ? All of these tell the number; one of them must stay, or nobody can know.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# The asked word must be hidden itself. `classes` has two classes and six words, three verbs in two forms.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# forms = {"finds": "singular", "find": "plural", ...}
# return Probe(hidden=("move", ...), asked=..., classes=forms, neighbour=...)
# ```
# </details>

# %% tags=["exercise"]
from albert_np.study.world import Probe  # noqa: F401


def question():
    """Returns a Probe: does the verb of the second sentence agree with a subject behind which another noun stands?"""
    raise NotImplementedError


report = lesson15.check_question(question)

# %%
asked_for = report.yours(lesson15.package_question)()
print(f"the trained model: right in {world.probe(model, asked_for):.0%} of stories")

# %% [markdown]
# **What cannot know.** A model that cannot see order has no way to answer. Here is one: the same, but every token is told
# that it stands in place 0. It has had 200 updates, the first 200 of the very run above: hold it against the line of
# update 200 there. **Predict** its agreement across a misleading noun, its answer to your question, and its loss.

# %%
from itertools import islice

CONTROL = 200


def control(seed=2, **options):
    """Train another model for the first CONTROL updates of UPDATES, and measure it; options: of the config, and *_ids."""
    inputs = {name: options.pop(name) for name in list(options) if name.endswith("_ids")}
    other = anp.AlbertForMaskedLM(world_config(world, **options), seed=seed)
    for _ in islice(learning(world, other, UPDATES, seed=2, train=train_step, **inputs), CONTROL):
        pass
    loss, accuracy = world.measure(other, exam, **inputs)
    probes = PROBES | {"your question": asked_for}
    return loss, accuracy, {name: world.probe(other, probe, **inputs) for name, probe in probes.items()}


def told(name, loss, accuracy, skills):
    shares = "  ".join(f"{name} {share:.0%}" for name, share in skills.items())
    print(f"{name}: loss {loss:.3f}, right {accuracy:.1%}\n    {shares}")


told("without positions", *control(position_ids=0))

# %% [markdown]
# Without positions a story is a bag of words. Across a misleading noun the bag does not say which of two nouns is the
# subject, and no training will help. The other rules it could know in part, for the words are all there; in so few updates
# it has learned none of them, and gives the same answer everywhere.
#
# ## 7. What breaks if…
#
# **…the layer is applied once only?** To copy *apple* or to agree with the subject, a token must find another one. Is one
# look enough?

# %%
told("one step of the layer", *control(num_hidden_layers=1))

# %% [markdown]
# Hold these numbers against update 200 of two steps, which agree by then and know the pronoun. One step knows no rule yet. Is
# one look not enough? Careful: this says that one step learns more slowly. Trained for longer (`learning(…, 1200)`, half a
# minute), this model of one step gets all five rules right in all stories; only its loss, 0.50, stays above the 0.39 of two
# steps. A control that had too little time shows how long something takes, not what is possible.
#
# **…the loop has a bug?** Then it still runs, and prints losses. Here are four training loops, each with one bug, and what
# one sees of them: the loss of the batch that was trained on, the loss of *another batch made the same way*, and the loss
# of the exam. (A small model and small batches; the best there is on the exam is the first line.)

# %%
print(lesson15.symptoms(world))

# %% [markdown]
# ### Your turn: which bug is this?  (difficulty 3 of 5, 10 minutes)
#
# 1. The gradients are set to 0 between `backward` and `step`.
# 2. `input_ids` are the whole stories: the words to find are not hidden.
# 3. The random numbers begin anew at each update, so that each batch is the same.
# 4. Every token is told that it stands in place 0.
# 5. The learning rate is a hundred times too large.
# 6. The gradients are never set to 0.
#
# <details><summary>Hint 1: the idea</summary>
#
# Ask of each: does anything move? Does the training loss go below the floor, which no honest answer can do (15.2)?
# </details>
# <details><summary>Hint 2: what tells two apart</summary>
#
# Who learned one batch by heart is lost on another one. Who can read the answers is good on any batch that shows them.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": ..., "D": 4}   # one is given: which of them is stuck far above the floor everywhere?
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns loop → the number of its bug, for the loops A to D."""
    raise NotImplementedError


lesson15.check_which_bug(which_bug)

# %% [markdown]
# ## 8. Checks
#
# (15.1) story by story in plain loops; and the gradient of the trained model, on real stories, by finite differences.

# %%
ids = world.encode(HOLES)
hidden = np.flatnonzero(ids == world.id_of["[MASK]"])
counts = np.zeros((len(hidden), len(world.words)))
for story, share in zip(world.ids[:, : len(ids)], world.probability, strict=True):
    if all(a in (b, world.id_of["[MASK]"]) for a, b in zip(ids, story, strict=True)):
        counts[np.arange(len(hidden)), story[hidden]] += share
assert np.allclose(world.posterior(ids), counts / counts.sum(axis=1, keepdims=True), rtol=1e-12)

from albert_np.gradcheck import check_model

double = anp.AlbertForMaskedLM(model.config, dtype="float64")
double.params.flat[...] = model.params.flat
found = check_model(double, world.hide(world.sample(rng, 4), rng), samples=2)
assert all(comparison.ok for comparison in found)
print(f"(15.1): the same. Gradients: {len(found)} comparisons agree; the last: {found[-1]}")

# %% [markdown]
# ## 9. More: trained by yours alone  (30 minutes, if you have done 10, 12 and 14)
#
# `model.backward()` is the package's. How much of a training run can be yours? Paste three functions from your own
# notebooks: the way back through a layer (10), the gradient of the tied matrix (12), the step of LAMB (14). What you leave
# out stays the package's.


# %% tags=["exercise"]
def layer_backward(dy, cache, g):  # notebook 10
    raise NotImplementedError


def tied_gradient(ids, dembedded, dlogits, hidden):  # notebook 12
    raise NotImplementedError


def lamb_step(w, g, m, v, step, learning_rate, weight_decay=0.01, excluded=False):  # notebook 14
    raise NotImplementedError


from albert_np import layers
from albert_np.course import lesson10, lesson12, lesson14

layer_backward = lesson10.check_layer_backward(layer_backward).yours(layers.layer_backward)
tied_gradient = lesson12.check_tied_gradient(tied_gradient).yours(lesson12.package_tied_gradient)
lamb_step = lesson14.check_lamb_step(lamb_step).yours(lesson14.package_lamb_step)

# %% [markdown]
# Now a run with them. `layers.layer_backward` is exchanged while it lasts, so both steps of the shared layer go back through
# yours, and add into the same gradients. **Predict**: beside a run with the package's own LAMB, the same first weights and
# the same batches, how far apart are the losses after 1 update, and after 60?

# %%
from unittest.mock import patch

from albert_np.ops import cross_entropy_backward
from albert_np.training import LAMB
from albert_np.training.optimizers import is_excluded

WORDS = "albert.embeddings.word_embeddings.weight"


class OwnLamb:
    """An optimizer that makes `lamb_step` tensor by tensor, and keeps their moments."""

    def __init__(self, params, grads):
        self.params, self.grads, self.steps = params, grads, 0
        self.moments = {name: (np.zeros_like(w), np.zeros_like(w)) for name, w in params.items()}

    def step(self, learning_rate):
        self.steps += 1
        for name, (m, v) in self.moments.items():
            w, g = self.params[name], self.grads[name]
            new, *self.moments[name] = lamb_step(w, g, m, v, self.steps, learning_rate, 0.01, is_excluded(name))
            w[...] = new


def own_step(model, batch, optimizer, learning_rate):
    """`train_step` with the tied matrix's gradient by `tied_gradient`."""
    model.zero_grad()
    loss = float(model(**batch).loss)
    dembedded, mlm = model.backward(), model.cache.mlm
    dlogits = cross_entropy_backward(1.0, mlm.cross_entropy)
    model.grads[WORDS][...] = tied_gradient(batch["input_ids"], dembedded, dlogits, mlm.head.decoder.x)
    clip_by_global_norm(model.grads, 1.0)
    optimizer.step(learning_rate)
    return loss


def run(train, optimizer):
    learner = anp.AlbertForMaskedLM(world_config(world), seed=2)
    losses = [loss for _, loss in learning(world, learner, 60, 1, optimizer=optimizer, train=train, learning_rate=0.02)]
    return losses, world.measure(learner, exam)


with patch.object(layers, "layer_backward", layer_backward):
    own_losses, own_exam = run(own_step, OwnLamb)
package_losses, package_exam = run(package_train_step, LAMB)
for update in (1, 2, 5, 20, 40, 60):
    mine, theirs = own_losses[update - 1], package_losses[update - 1]
    print(f"update {update:3}: yours {mine:.6f}, the package's {theirs:.6f}, apart {abs(mine - theirs):.0e}")
print(f"exam, loss and accuracy: yours {own_exam}, the package's {package_exam}")
assert abs(own_losses[1] - package_losses[1]) < 1e-4

# %% [markdown]
# What is the same on paper may add up in another order, and in float32 it then differs in the last digits. In long runs
# training makes small differences grow, since each update starts where the last one ended; what is learned stays the same.
#
# ## Three questions
#
# 1. A model of this world has a loss of 0.30 on the exam, where the best there is was 0.37. What has happened?
# 2. *Agreement* reaches 100 % for a model that always agrees with the noun right before the verb. Which number in the
#    figure tells it from one that has the rule?
# 3. Why is the best accuracy below 100 %, and which words are to blame?
#
# <details><summary>Answers</summary>
#
# 1. No model can be better than (15.2) on average. Either the exam is small and lucky, or the model has seen the
#    answers: stories of the exam in training, labels in the input, or a word that the mask left readable.
# 2. Agreement across a misleading noun: there the noun before the verb has the wrong number, and that model has 0 %.
# 3. Words that nothing else in the story determines: the verb of moving, the place, how the thing was come by, the noun
#    in between; the subject, of which the pronoun tells no more than he, she or they; and adjective and thing, if both of
#    their places are hidden.
# </details>
#
# ## In today's models
#
# * (15.2) is what *perplexity* reports: $e^{\text{loss}}$, as many words as an even guess would have to choose from. Its floor
#   is called *irreducible loss* or the entropy of text; the rest, $\mathrm{KL}(p^*\|q)$, is what more data and more weights can
#   take away ([Kaplan et al., 2020](https://arxiv.org/abs/2001.08361); Hoffmann et al., 2022, above).
# * GPT and Llama predict the next word rather than hidden ones. The best there is is then $p^*$ given all words *before*.
# * Rules that come one after another, and suddenly, while the loss falls smoothly: small models that can be looked at whole
#   are how *induction heads* were found, which copy as in our last rule but one
#   ([Olsson et al., 2022](https://arxiv.org/abs/2209.11895)). Whether a jump is one in the model or one in the measure is a
#   question of its own ([Schaeffer et al., 2023](https://arxiv.org/abs/2304.15004)): the share of right answers jumps where the
#   probabilities behind it may move slowly.
# * Agreement across a misleading noun is an old test of language models
#   ([Linzen et al., 2016](https://arxiv.org/abs/1611.01368)), and a question that gives its answer away elsewhere is an old
#   fault of such tests ([Gururangan et al., 2018](https://arxiv.org/abs/1803.02324), of sentence pairs).
#
# Next: [16, a look inside the model that learned this world](16_inside_the_world.ipynb).

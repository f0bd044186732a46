# %% [markdown]
# # 14 · AdamW, LAMB and the warm-up
#
# **90 minutes**, and 20 for the last exercise. You need: notebook 11 (where the gradients come from), norms of vectors. You
# will be able to
#
# * follow Adam's two running means by hand, and say what the correction of their start is for,
# * write a step of LAMB, the optimizer that ALBERT was trained with,
# * tell why its learning rate of 0.00176 is not comparable with one of Adam,
# * read a comparison of optimizers: over learning rates and seeds, with a warm-up and without,
# * tell from a few numbers which bug an optimizer has.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $w, g$ | any | one weight tensor and its gradient |
# | $m, v$ | as $w$ | running mean of the gradients, and of their squares: the moments |
# | $t$, $\eta$ | | number of the update (1, 2, …), learning rate |
# | $\beta_1, \beta_2$ | | 0.9, 0.999: how much of a running mean is kept |
# | $\varepsilon, \lambda$ | | $10^{-6}$; weight decay, 0.01 |
# | $r, u$ | as $w$ | Adam's direction; the direction with decay |
# | $\varphi$ | | trust ratio, one number for each tensor |
#
# **A question from real models.** BERT was trained with Adam at a learning rate of 0.0001, ALBERT with LAMB at 0.00176, and
# the small model of notebook 15 will be trained with AdamW at 0.003. Which of the three takes the boldest steps: by how much of
# itself does a weight matrix change in one update, at most? Write down an order. Section 3 measures it.
#
# A gradient says which way is down, and for how steep a slope. It does not say how far to go. Multiply a loss by 1,000
# and every gradient grows by 1,000; the way to the bottom does not. This notebook is about the length of a step.

# %% [markdown]
# ## 1. Two running means
#
# Keep a running mean of the gradients, and one of their squares. Each step keeps a part $\beta$ of the old and takes
# a part $1-\beta$ of the new. All of this is elementwise:
#
# $$m \leftarrow \beta_1 m + (1-\beta_1)\, g \tag{14.1}$$
# $$v \leftarrow \beta_2 v + (1-\beta_2)\, g^2 \tag{14.2}$$
#
# Both start at 0, and that is felt for a while. Unroll (14.1): $m_t = (1-\beta_1)\sum_{i\le t} \beta_1^{\,t-i} g_i$. If
# all gradients were the same $g$, the geometric sum would give $m_t = (1-\beta_1^{\,t})\,g$: too small by a factor that
# is known. Divide by it:
#
# $$\hat m = \frac{m}{1-\beta_1^{\,t}}, \qquad \hat v = \frac{v}{1-\beta_2^{\,t}} \tag{14.3}$$
#
# And the direction is the mean, measured in its own typical size:
#
# $$r = \frac{\hat m}{\sqrt{\hat v} + \varepsilon} \tag{14.4}$$
#
# **By hand first.** One number, three gradients: 2, 2, −2. All squares are 4, so $\hat v = 4$ throughout, and
# $\sqrt{\hat v} = 2$.
#
# | $t$ | $g$ | $m = 0.9\,m + 0.1\,g$ | $1 - 0.9^t$ | $\hat m$ | $r$ |
# |---|---|---|---|---|---|
# | 1 | 2 | 0.2 | 0.1 | 2 | 1 |
# | 2 | 2 | 0.38 | 0.19 | 2 | 1 |
# | 3 | −2 | 0.142 | 0.271 | 0.524 | 0.262 |
#
# The first two steps have length 1, whatever the gradient's size. **Predict** the column $r$ for the gradients 0.02,
# 0.02, −0.02, and for 2, −2, 2. The package's moments are there to be looked at:

# %%
import math

import numpy as np

from albert_np.params import Layout, ParamStore
from albert_np.training import LAMB, AdamW


def store_of(**arrays):
    """A store with these arrays, and an empty one for their gradients."""
    layout = Layout({name: np.shape(array) for name, array in arrays.items()})
    params = ParamStore(layout, np.concatenate([np.ravel(array) for array in arrays.values()]).astype(np.float64))
    return params, params.zeros_like()


for gradients in ((2, 2, -2), (0.02, 0.02, -0.02), (2, -2, 2)):
    params, grads = store_of(weight=[0.0])
    optimizer = AdamW(params, grads, weight_decay=0)
    print("gradients", gradients)
    for t, g in enumerate(gradients, start=1):
        before = params["weight"][0]
        grads["weight"] = np.array([g])
        optimizer.step(1.0)
        m, v = optimizer.first_moment["weight"][0], optimizer.second_moment["weight"][0]
        print(f"  t = {t}: m = {m:8.5f}   v = {v:.7f}   r = {before - params['weight'][0]:7.4f}")

# %% [markdown]
# A hundredth of the gradient, the same step. And signs that disagree make it short: $|r|$ is near 1 where the gradients
# agree and near 0 where they are noise.
#
# ALBERT's own code leaves (14.3) out. Then the direction is longer by the quotient of what is missing,
#
# $$\frac{m}{\sqrt v} = c_t\, \frac{\hat m}{\sqrt{\hat v}}, \qquad c_t = \frac{1-\beta_1^{\,t}}{\sqrt{1-\beta_2^{\,t}}} \tag{14.5}$$
#
# $c_1 = 0.1/\sqrt{0.001} \approx 3.2$. It grows from there, for $m$ has forgotten its start after some ten updates, and
# $v$ only after thousands.

# %%
from albert_np.course.figures import moments_figure
from albert_np.plots import show

rng = np.random.default_rng(0)
noisy = 1 + 0.6 * rng.standard_normal(40)
params, grads = store_of(weight=[0.0])
optimizer = AdamW(params, grads)
means = []
for g in noisy:
    grads["weight"] = np.array([g])
    optimizer.step(0.0)  # moments move, the weight does not
    means.append(optimizer.first_moment["weight"][0])
corrected = means / (1 - 0.9 ** np.arange(1, 41))  # (14.3)
t = np.arange(1, 5001)
factors = (1 - 0.9**t) / np.sqrt(1 - 0.999**t)  # (14.5)
show(
    moments_figure(noisy, means, corrected, factors),
    "14.1",
    "Running means of a noisy gradient, with and without correction for the start; and how long Adam's steps are without it.",
    "Above: noisy gradients around 1; their running mean climbs slowly from 0, the corrected one is near 1 at once. Below: "
    "without correction Adam's steps are 3 times too long at first, 6.6 times at update 12, and right after thousands.",
)

# %% [markdown]
# ## 2. Decay that goes its own way
#
# Weight decay pulls weights towards 0. It could be added to the gradient, $g + \lambda w$, as the derivative of
# $\tfrac\lambda2\|w\|^2$. But then it goes through (14.4), is divided by $\sqrt{\hat v}$ like everything else, and
# weights with large gradients hardly decay. AdamW adds it *behind* the moments:
#
# $$u = r + \lambda w \tag{14.6}$$
#
# The extreme case shows it best. Let a weight have no gradient at all. With (14.6), $w \leftarrow (1-\eta\lambda)\,w$:
# it fades, slowly. With the decay in the gradient, $r \approx \lambda w / |\lambda w| = \pm 1$: a full step of $\eta$
# towards 0, *whatever $\lambda$ is*.

# %%
rate, decay = 0.01, 0.01
for name, through_the_gradient in (("behind the moments", False), ("in the gradient", True)):
    params, grads = store_of(weight=[1.0])
    optimizer = AdamW(params, grads, weight_decay=0.0 if through_the_gradient else decay)
    for _ in range(50):
        grads["weight"] = decay * params["weight"] if through_the_gradient else np.zeros(1)
        optimizer.step(rate)
    print(f"{name:<20} 1 → {params['weight'][0]:.4f} after 50 updates")

# %% [markdown]
# ## 3. The trust ratio
#
# Entries of $r$ are about 1 in size, those of a fresh weight matrix about 0.02. A step of $\eta$ is a small change for
# one tensor and a large one for another. LAMB measures both and sets their quotient right, for each tensor by itself:
#
# $$\varphi = \begin{cases} \|w\| / \|u\| & \text{if both are above 0} \\ 1 & \text{else} \end{cases} \qquad w \leftarrow w - \eta\,\varphi\,u \tag{14.7}$$
#
# What comes of it takes one line. If neither norm is 0,
#
# $$\boxed{\;\frac{\|\Delta w\|}{\|w\|} = \frac{\eta\,\varphi\,\|u\|}{\|w\|} = \eta\;} \tag{14.8}$$
#
# Every tensor moves by the same *share of itself*. With ALBERT's $\eta = 0.00176$ that is 0.176 % per update at the peak.
#
# **By hand.** $w = (3, 4)$, $g = (1, 1)$, first update, no decay, $\eta = 0.1$. Then $r = (1, 1)$, $\|w\| = 5$,
# $\|u\| = \sqrt2$ and $\varphi = 3.54$. The step is $0.354$ in each entry, of length $0.5$: a tenth of 5. What would
# the step be for $w = (0.03, 0.04)$? And AdamW's?

# %%
for values in ([3.0, 4.0], [0.03, 0.04]):
    for optimizer_class in (LAMB, AdamW):
        params, grads = store_of(weight=values)
        grads["weight"] = np.ones(2)
        optimizer = optimizer_class(params, grads, weight_decay=0)
        optimizer.step(0.1)
        step = np.linalg.norm(params["weight"] - values)
        ratio = f"φ = {optimizer.trust_ratios['weight']:.4f}" if optimizer_class is LAMB else ""
        print(
            f"{optimizer_class.__name__:<6} w = {values!s:<13} moves by {step:.4f}, {100 * step / math.hypot(*values):5.1f} %  {ratio}"
        )

# %% [markdown]
# **Who is spared.** Biases and the parameters of LayerNorm have $\lambda = 0$ and $\varphi = 1$. They start at 0 and 1,
# not at random, and their size means something else: a bias may have to come from 0, and a decaying LayerNorm weight
# would slowly switch a feature off.
#
# Now a real model, small: three layers with cross-layer parameter sharing (跨层参数共享). Random tokens, random
# questions, one loss; and the trust ratios of its first and of its thirtieth update.

# %%
from albert_np import AlbertConfig, AlbertForPreTraining
from albert_np.course.figures import trust_ratio_figure
from albert_np.training.optimizers import is_excluded

config = AlbertConfig(
    vocab_size=200,
    embedding_size=16,
    hidden_size=32,
    num_attention_heads=4,
    intermediate_size=64,
    num_hidden_layers=3,
    max_position_embeddings=32,
    classifier_dropout_prob=0.0,
)
model = AlbertForPreTraining(config, dtype="float64", seed=1)
rng = np.random.default_rng(2)
ids = rng.integers(5, 200, (8, 24))
labels = np.where(rng.random(ids.shape) < 0.15, rng.integers(5, 200, ids.shape), -100)
order = rng.integers(0, 2, 8)

optimizer = LAMB(model.params, model.grads)
rate, ratios, losses = 0.00176, {name: [] for name in model.params}, []
for t in range(1, 31):
    losses.append(model(ids, labels=labels, sentence_order_label=order).loss)
    model.zero_grad()
    model.backward()
    before = {name: weight.copy() for name, weight in model.params.items()}
    optimizer.step(rate)
    if t in (1, 30):
        for name, ratio in optimizer.trust_ratios.items():
            ratios[name].append(ratio)

spared = {name: is_excluded(name) for name in model.params}
short = {name: name.replace("albert_layer_groups.0.albert_layers.0.", "").replace("albert.", "") for name in ratios}
show(
    trust_ratio_figure(
        {short[name]: values for name, values in ratios.items()}, {short[n]: s for n, s in spared.items()}, (1, 30)
    ),
    "14.2",
    "Trust ratios of LAMB at the first update and at the thirtieth.",
    "Horizontal bars of the trust ratios of the weight matrices at updates 1 and 30, between 0.02 and 0.08; "
    "biases and LayerNorm parameters, with 1, are not drawn.",
)
print(f"loss {losses[0]:.3f} → {losses[-1]:.3f} in 30 updates")

# %% [markdown]
# At the first update most entries of $r$ are ±1, and $\varphi$ is near 0.02, the spread that weights are drawn with. So
#
# $$\eta_{\text{Adam}} = \eta\,\varphi \approx 0.00176 \times 0.02 \approx 3.5\times 10^{-5} \tag{14.9}$$
#
# is what an Adam user would call LAMB's learning rate here. A published rate belongs to its optimizer.
#
# **The three rates of the beginning**, then, as the share of itself that a fresh weight matrix moves by in one update at the peak.
# ALBERT: 0.00176, by (14.8). BERT: entries of about 0.0001 against weights of about 0.02, half a per cent. Notebook 15: 0.003 against 0.05,
# six per cent. The smallest of the three numbers does not make the smallest step, and the small model takes the boldest: it has 800
# updates, BERT had a million.
#
# The bars that stick out have reasons. Only 24 of the 32 positions occur, and one of the two types; the other rows have
# no gradient and no $r$. So $\|u\|$ of the positions is smaller by $\sqrt{24/32}$, and $\varphi$ is 0.023. (The word
# table is used twice, and as the output it has a gradient in every row: notebook 12.) Query and key have gradients so
# small that $\varepsilon$ counts in (14.4). And at update 30 gradients have begun to disagree, so that $|r| < 1$.

# %%
moved = {name: np.linalg.norm(model.params[name] - before[name]) for name in before}
for name in before:
    if not spared[name]:
        assert math.isclose(moved[name] / np.linalg.norm(before[name]), rate, rel_tol=1e-9), name  # (14.8)
print(f"{sum(not s for s in spared.values())} adapted tensors: each moved by {rate} of its norm")

# %% [markdown]
# ## 4. Your turn: a step of LAMB  (difficulty 3 of 5, 20 minutes)
#
# Write (14.1) to (14.4), (14.6) and (14.7), with $\beta_1 = 0.9$, $\beta_2 = 0.999$, $\varepsilon = 10^{-6}$. `step` is
# $t$ and starts at 1. A tensor with `excluded=True` has no decay and $\varphi = 1$. Return new arrays.
#
# <details><summary>Hint 1: the idea</summary>
#
# Moments first, then corrected copies for the direction. The moments that you return are the uncorrected ones. The
# norms run over the whole tensor.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $u = \hat m / (\sqrt{\hat v} + \varepsilon) + \lambda w$, $\;\varphi = \|w\|/\|u\|$ with the *same* $u$, decay
# included; $w - \eta\varphi u$.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# m, v = ...
# u = ... / (np.sqrt(...) + 1e-6)
# ratio = 1.0
# if not excluded:
#     u = u + ...
#     ...                           # φ, where both norms are above 0
# return w - ..., m, v
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson14


def lamb_step(w, g, m, v, step, learning_rate, weight_decay=0.01, excluded=False):
    """w, g, m, v of one shape, step 1, 2, …. Returns the new w, m and v."""
    raise NotImplementedError


report = lesson14.check_lamb_step(lamb_step)

# %% [markdown]
# Let it train: the small model of section 4 learns its batch by heart, with your step (until it has passed, the package's)
# and with the package's LAMB. The two losses should be one.

# %%
lamb_step = report.yours(lesson14.package_lamb_step)
with_yours, with_ours = (AlbertForPreTraining(config, dtype="float64", seed=1).eval() for _ in range(2))
optimizer = LAMB(with_ours.params, with_ours.grads, weight_decay=0.01)
moments = {name: (np.zeros_like(w), np.zeros_like(w)) for name, w in with_yours.params.items()}
for step in range(1, 31):
    losses = []
    for learner in (with_yours, with_ours):
        learner.zero_grad()
        losses.append(float(learner(ids, labels=labels, sentence_order_label=order).loss))
        learner.backward()
    for name, (m, v) in moments.items():
        w, g = with_yours.params[name], with_yours.grads[name]
        new, *moments[name] = lamb_step(w, g, m, v, step, 0.01, 0.01, is_excluded(name))
        w[...] = new
    optimizer.step(0.01)
    if step in (1, 10, 20, 30):
        print(f"update {step:2}   loss with your step {losses[0]:.6f}   with the package's {losses[1]:.6f}")
assert np.allclose(*losses, rtol=1e-9)

# %% [markdown]
# ## 5. The warm-up
#
# The learning rate is not constant. With $s$ updates already made, a warm-up of $W$ and $S$ in all, the package's
# `warmup_linear` goes up in a line and down in a line:
#
# $$\eta_s = \eta_{\max}\,\min\Big(\frac{s+1}{W},\; \frac{S-s}{S-W}\Big) \tag{14.10}$$
#
# The first updates are the least reliable: $v$ is a mean of a few squares, the loss is steep, and without correction
# Adam's steps are up to 6.6 times too long (14.5). Small rates take the edge off.
#
# ALBERT's original code has two quirks:
#
# $$\eta_s = \begin{cases} \eta_{\max}\; s / W & s < W \\ \eta_{\max}\,(1 - s/S) & s \ge W \end{cases} \tag{14.11}$$
#
# **Predict** from (14.11): what does the very first update change? And how high is the rate right after the warm-up, for
# $\eta_{\max} = 0.00176$, $W = 3125$, $S = 125{,}000$?

# %%
from albert_np.course.figures import schedule_figure
from albert_np.training import google_schedule, scale_learning_rate, warmup_linear

W, S, peak = 3125, 125_000, 0.00176
show(
    schedule_figure(W, S, peak),
    "14.3",
    "The learning rate over the updates: the package's and Google's.",
    "Two panels of the learning rate over the updates, the package's schedule and Google's: all of it, and the end "
    "of the warm-up enlarged.",
)
for s in (0, 1, W - 1, W, S - 1):
    print(
        f"s = {s:>7,}: warmup_linear {warmup_linear(s, W, S, peak):.7f}   google_schedule {google_schedule(s, W, S, peak):.7f}"
    )

# %% [markdown]
# The first update has the rate 0: a whole batch for nothing. And the decay counts from step 0, so that the line down
# starts at $\eta_{\max}(1 - W/S) = 0.001716$ (google-research/albert#49). Neither does harm worth mentioning. It
# must be known by whoever compares two runs.
#
# **Smaller batches.** The rate of 0.00176 belongs to 4,096 sequences per update. The mean of $B$ gradients has noise of
# $1/\sqrt B$, and the authors of LAMB scale the rate with the root of the batch:
#
# $$\eta_B = \eta\,\sqrt{B / 4096} \tag{14.12}$$

# %%
for batch in (4096, 1024, 64, 16):
    print(f"B = {batch:>5}: {scale_learning_rate(peak, batch):.6f}")
    assert math.isclose(scale_learning_rate(peak, batch), peak * math.sqrt(batch / 4096))

# %% [markdown]
# **Clipping.** Before an update, the gradient of the whole model is shortened if it is longer than $c = 1$, all tensors by one
# factor, so that its direction stays:
#
# $$g \leftarrow g\,\min\big(1,\; c / \|g\|\big), \qquad \|g\|^2 = \sum_{\text{all tensors}} \|g_i\|^2 \tag{14.13}$$

# %%
from albert_np.training import clip_by_global_norm, global_norm

for length in (0.5, 20.0):
    _, grads = store_of(weight=np.zeros((4, 3)), bias=np.zeros(4))
    grads.flat[...] = np.random.default_rng(5).normal(size=16)
    grads.flat *= length / global_norm(grads)
    expected = grads.flat * min(1, 1 / length)  # (14.13)
    norm = clip_by_global_norm(grads, 1.0)
    assert np.allclose(grads.flat, expected, rtol=1e-12)
    print(f"a gradient of norm {norm:.1f} has norm {global_norm(grads):.1f} after clipping")

# %% [markdown]
# ### On paper: a word that occurs once  (10 minutes)
#
# The row of a rare word in the embedding table has had no gradient for thousands of updates: $m = v = 0$, and the factors of
# (14.3) are 1 by now. Then the word occurs, with a gradient $g$, and never again. How long is the step of that update? And how
# far has the row gone when $m$ has died away, in units of the learning rate? For comparison: a weight whose gradients all agree
# goes 1 in each update.
#
# <details><summary>The derivation</summary>
#
# After $k$ more updates without gradient, $m = (1-\beta_1)\,\beta_1^{\,k}\, g$ and $v = (1-\beta_2)\,\beta_2^{\,k}\, g^2$. The steps are a
# geometric series:
#
# $$r_k = \frac{1-\beta_1}{\sqrt{1-\beta_2}}\Big(\frac{\beta_1}{\sqrt{\beta_2}}\Big)^k, \qquad \sum_k r_k = \frac{1-\beta_1}{\sqrt{1-\beta_2}}\;\frac{1}{1-\beta_1/\sqrt{\beta_2}} \approx 3.16 \times 10.05 \approx 31.8
# \tag{14.14}$$
#
# whatever the size of $g$ (as long as $\varepsilon$ is small beside it). One occurrence moves the row as far as 32 updates move a weight that is always used: Adam
# takes the rare seriously, mistakes in it too.
# </details>

# %%
params, grads = store_of(weight=[0.0])
optimizer = AdamW(params, grads, weight_decay=0)
optimizer.steps = 100_000  # so that (14.3) divides by 1
grads["weight"] = np.array([0.37])
gone = []
for _ in range(200):
    optimizer.step(1.0)
    gone.append(-params["weight"][0])
    grads["weight"] = np.zeros(1)
print(f"after the update with the word: {gone[0]:.2f}; after 200 more: {gone[-1]:.2f}")
assert math.isclose(gone[-1], 0.1 / 0.001**0.5 / (1 - 0.9 / 0.999**0.5), rel_tol=1e-3)  # (14.14)

# %% [markdown]
# ## 6. What suits a small world?
#
# Claims about optimizers are cheap: *LAMB is better*, *without a warm-up it diverges*. Here is what it takes to have one. The
# toy world of notebook 15, whose best possible loss is known; ALBERT with one step of the layer, H = 32; 16 stories in an update, 600 updates. Each
# optimizer gets a *range* of learning rates, for a comparison at one rate compares the rates. Each rate gets five seeds, and all
# sit the same exam.
#
# **Predict**: by which factor do the best rates of AdamW and LAMB differ? (14.9) is a start. Which is lower at its best? And what
# happens to either without a warm-up, at a good rate and at one that is too high?

# %%
from albert_np.course.figures import rates_figure
from albert_np.study.experiments import read_result, result_table, run_experiment

RERUN = False  # True: train the models again; some 15 minutes on two cores
rates = run_experiment("optimizers", seeds=5) if RERUN else read_result("optimizers")
print(result_table(rates, ("gap", "accuracy")))
show(
    rates_figure(rates),
    "14.4",
    "The toy world's loss above the best there is, against the highest learning rate; rings are seeds, bars standard errors.",
    "Curves over the learning rate for AdamW and LAMB, with a warm-up and without.",
)

# %% [markdown]
# **Each has its own rate, and a narrow one.** AdamW is best at 0.005 of the three that were tried, LAMB at 0.01 of four; three to five times off,
# either loses 0.2 to 0.7 nats, more than everything else in the table is about. Compared at one rate, say 0.003 for LAMB or 0.02 for
# AdamW, either could be shown to be the worse.
#
# (14.9) is not far off: with weights drawn at 0.08, a $\varphi$ of 0.08 would make LAMB's 0.01 an Adam's 0.0008. In truth 0.005 is best, six
# times more; $|r|$ is below 1 as soon as gradients disagree, and $\varphi = \|w\|/\|u\|$ grows.
#
# **At their best** AdamW is ahead by 0.06 ± 0.03 nats. That is two errors of five pairs: no proof that LAMB is worse here, and no sign that it is
# better. It was made for batches of thousands; here 16 stories make one.
#
# **Without a warm-up** nothing diverges. AdamW at its best rate loses 0.09 ± 0.04 nats; LAMB loses 0.01 ± 0.01, AdamW at 0.02 loses 0.01 ± 0.04, which
# is nothing to be told from luck. So the warm-up may help AdamW somewhat; that training *needs* it cannot be shown with one step of the
# layer. Deep post-LN models are where it is needed ([Xiong et al., 2020](https://arxiv.org/abs/2002.04745)).
#
# ## 7. Checks
#
# First, the formulas as they stand above against the package, in all four forms: AdamW and LAMB, corrected and not. Three
# tensors, one of them a bias, ten updates with random gradients.

# %%
for optimizer_class in (AdamW, LAMB):
    for bias_correction in (True, False):
        rng = np.random.default_rng(6)
        start = {"a.weight": rng.normal(size=(5, 3)), "a.bias": rng.normal(size=5), "zero.weight": np.zeros((2, 2))}
        params, grads = store_of(**start)
        optimizer = optimizer_class(params, grads, weight_decay=0.1, bias_correction=bias_correction)
        state = {name: (w, np.zeros_like(w), np.zeros_like(w)) for name, w in start.items()}
        for t in range(1, 11):
            rate = warmup_linear(t - 1, 3, 10, 0.05)
            for name, (w, m, v) in state.items():
                grads[name] = g = rng.normal(size=w.shape)
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2  # (14.1), (14.2)
                m_hat = m / (1 - 0.9**t) if bias_correction else m  # (14.3)
                v_hat = v / (1 - 0.999**t) if bias_correction else v
                u = m_hat / (np.sqrt(v_hat) + 1e-6)  # (14.4)
                u += 0.0 if "bias" in name else 0.1 * w  # (14.6)
                norms = np.linalg.norm(w), np.linalg.norm(u)
                adapted = optimizer_class is LAMB and "bias" not in name and min(norms) > 0
                state[name] = w - rate * (norms[0] / norms[1] if adapted else 1.0) * u, m, v  # (14.7)
            optimizer.step(rate)
        for name, (w, m, v) in state.items():
            ours = params[name], optimizer.first_moment[name], optimizer.second_moment[name]
            assert all(np.allclose(a, b, rtol=1e-12, atol=1e-14) for a, b in zip(ours, (w, m, v), strict=True))
        print(f"{optimizer_class.__name__:<6} bias_correction={bias_correction!s:<6} formulas and package agree")

# %% [markdown]
# Second, PyTorch's AdamW where it is installed. (PyTorch has no LAMB.) Third, the gradient that all of this starts
# from: that of the small model above, by finite differences.

# %%
import importlib.util

if importlib.util.find_spec("torch"):
    import torch

    rng = np.random.default_rng(7)
    params, grads = store_of(weight=rng.normal(size=(4, 3)))
    tensor = torch.tensor(params["weight"].copy(), requires_grad=True)
    theirs = torch.optim.AdamW([tensor], lr=0.05, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.1)
    ours = AdamW(params, grads, weight_decay=0.1)
    for _ in range(10):
        grads["weight"] = rng.normal(size=(4, 3))
        tensor.grad = torch.from_numpy(grads["weight"].copy())
        theirs.step()
        ours.step(0.05)
    assert np.allclose(params["weight"], tensor.detach().numpy(), rtol=1e-12, atol=1e-12)
    print("PyTorch's AdamW agrees after ten updates")
else:
    print("PyTorch is not installed here, so it was not compared")

from albert_np.gradcheck import check_model

questions = {"input_ids": ids[:2, :8], "labels": labels[:2, :8], "sentence_order_label": order[:2]}
found = check_model(model, questions, ["loss"], samples=2)
assert all(comparison.ok for comparison in found)
print(f"gradients of the small model: {len(found)} comparisons with finite differences, all right")

# %% [markdown]
# ## 8. What breaks if…
#
# **…the correction is left out?** The first update of AdamW is 3.2 times as long. And LAMB's? Guess, then run.

# %%
rng = np.random.default_rng(9)
w0, g0 = 0.02 * rng.normal(size=(32, 32)), rng.normal(size=(32, 32))
for optimizer_class in (AdamW, LAMB):
    for bias_correction in (True, False):
        params, grads = store_of(weight=w0)
        grads["weight"] = g0
        optimizer_class(params, grads, bias_correction=bias_correction).step(0.00176)
        share = np.linalg.norm(params["weight"] - w0) / np.linalg.norm(w0)
        print(
            f"{optimizer_class.__name__:<6} bias_correction={bias_correction!s:<6} moves by {100 * share:6.3f} % of its norm"
        )

# %% [markdown]
# Nothing happens to LAMB: $\varphi$ divides by $\|u\|$, and a factor $c_t$ on $r$ falls out again, but for the little
# decay in $u$. Only the excluded tensors feel it. That is why the original could do without. With AdamW the warm-up has
# to catch it. (AdamW, at LAMB's rate, moves the matrix by 9 % at once: (14.9) again.)
#
# **…biases are adapted too?** A bias starts at 0. Its first step is taken with $\varphi = 1$; from then on each is a
# share $\eta$ of the little that is there. The same 200 gradients of 1, once under a name that is spared and once not:

# %%
params, grads = store_of(**{"spared.bias": np.zeros(8), "adapted": np.zeros(8)})
optimizer = LAMB(params, grads, weight_decay=0)
for _ in range(200):
    grads.flat[...] = 1
    optimizer.step(0.00176)
for name, value in params.items():
    print(f"{name:<12} after 200 updates: {value[0]:.5f}")

# %% [markdown]
# The adapted one is stuck near 0: it can grow by 0.176 % per update and no faster.
#
# ## 9. Your turn: which bug is this?  (difficulty 3 of 5, 15 minutes)
#
# Six people wrote `lamb_step`, each with one bug. All six train, after a fashion. You see what each does to $w = (0.1, 0.7)$ with
# $\eta = 0.1$ and no decay, from empty moments:
#
# | column | what was done | what is told |
# |---|---|---|
# | moved | one update, $g = (2, -2)$ | $\|\Delta w\|/\|w\|$ |
# | bias | the same, excluded | length of the step of the first entry, in $\eta$ |
# | 2, 2, -2 | three updates, excluded, of the gradients of section 1 | the same, of the third step |
# | g x 1000 | one update, excluded, with $g = 1000$ and with $g = 1$ | quotient of the steps |
# | fades | one update with no gradient and $\lambda = 0.01$ | cosine of $\Delta w$ and $-w$ |

# %%
print(lesson14.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Only one column differs from the right one in three of the rows. Which equation is that column about?
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $0.1/\sqrt{0.001}$; $\|w\|/\|r\| = 0.707/1.414$; $2/4$. A sign vector, $(1, 1)$, and $(0.1, 0.7)$ have the cosine 0.8.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": ..., "D": 6, "E": ..., "F": ...}
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns a dictionary from "A" to "F" to the number of the cause, 1 to 6."""
    raise NotImplementedError


lesson14.check_which_bug(which_bug)

# %% [markdown]
# <details><summary>Which of the six would you notice? (read this after the check)</summary>
#
# Not the missing correction, the decay in the gradient, the exchanged betas: weight matrices move by the same 10 %, for the trust ratio makes
# every direction as long as it should be. LAMB hides bugs of length. They show in biases, which are spared, or in the end, as a
# model that is a little worse than it could be. Hence section 7: against the package, step by step.
# </details>
#
# ## 10. One more exercise: a second moment that is no matrix  (difficulty 3 of 5, 20 minutes)
#
# Moments need memory: two numbers for each weight. Adafactor ([Shazeer and Stern, 2018](https://arxiv.org/abs/1804.04235)) keeps of $v$, for an
# $(n, k)$ matrix, the means of its rows and of its columns alone, $n + k$ numbers:
#
# $$R_i \leftarrow \beta_2 R_i + (1-\beta_2)\,\tfrac1k\textstyle\sum_j g_{ij}^2, \qquad C_j \leftarrow \beta_2 C_j + (1-\beta_2)\,\tfrac1n\sum_i g_{ij}^2 \tag{14.15}$$
# $$v_{ij} = \frac{R_i\, C_j}{\tfrac1n\sum_i R_i} \tag{14.16}$$
#
# On paper first: show that (14.16) is exact if the squares are a row times a column, $g_{ij}^2 = a_i b_j$, and that the mean of all $v_{ij}$ is
# right in any case. Then write it, with $\beta_2 = 0.999$.
#
# <details><summary>The derivation</summary>
#
# With $g_{ij}^2 = a_i b_j$, after one update $R_i = (1-\beta_2)\, a_i \bar b$, $C_j = (1-\beta_2)\, \bar a\, b_j$, and the mean of the rows
# is $(1-\beta_2)\,\bar a\bar b$: the quotient is $(1-\beta_2)\, a_i b_j$. In any case the mean over $i$ and $j$ of (14.16) is $\bar R\,\bar C/\bar R = \bar C$, the mean of all squares.
# </details>
# <details><summary>Hint 1: the idea</summary>
#
# Square first, then take means. `rows` has one number for each row, so its mean runs over the columns.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# (14.15), with `axis=1` for the rows; then (14.16) of the *new* margins, with `np.outer`. Before the first gradient both are 0.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# rows = 0.999 * rows + ...
# columns = ...
# mean = ...                        # where it is 0, so is v
# v = np.outer(...) / ...
# return rows, columns, v
# ```
# </details>


# %% tags=["exercise"]
def factored_moment(rows, columns, g):
    """rows (n,), columns (k,): the margins so far; g (n, k). Returns the new rows and columns, and v (n, k)."""
    raise NotImplementedError


margins = lesson14.check_factored_moment(factored_moment)

# %% [markdown]
# How good is it on the gradients of a model? Here are those of section 3's, with your function (until it has passed, the
# course's): the direction that it gives, beside the one of a whole $v$.

# %%
factored_moment = margins.yours(lesson14.course_factored_moment)
print(f"{'cosine':>8} {'whole v':>9} {'margins':>9}")
for name, g in model.grads.items():
    if g.ndim == 2 and min(g.shape) > 2:
        *kept, v = factored_moment(np.zeros(g.shape[0]), np.zeros(g.shape[1]), g)
        ours, theirs = g / (np.sqrt(v / 0.001) + 1e-6), g / (abs(g) + 1e-6)
        cosine = (ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs)
        print(f"{cosine:8.3f} {v.size:9,} {sum(map(len, kept)):9,}  {short[name]}")

# %% [markdown]
# ## Three questions
#
# 1. The loss is multiplied by 1,000. What changes in an update of AdamW, and in one of plain gradient descent, $w - \eta g$?
# 2. A weight matrix has grown to ten times its norm. What is its step under LAMB, and what is it under AdamW?
# 3. The whole gradient is clipped to norm 1 before the update. When does that change an Adam step at all?
#
# <details><summary>Answers</summary>
#
# 1. In AdamW nothing, as long as $\sqrt{\hat v} \gg \varepsilon$: $m$ grows by 1,000 and so does $\sqrt v$. Plain descent
#    takes steps 1,000 times as long.
# 2. Ten times as long under LAMB, by (14.8); the same as before under AdamW, if the gradients look alike.
# 3. If every gradient were clipped by the same factor, never: it cancels. It matters when *one* batch has a far larger
#    gradient than the others; clipped, it cannot swamp $m$ and $v$ for the next updates.
# </details>
#
# ## In today's models
#
# * Most language models of today are trained with AdamW ([Loshchilov and Hutter, 2017](https://arxiv.org/abs/1711.05101)), which is
#   Adam ([Kingma and Ba, 2014](https://arxiv.org/abs/1412.6980)) with section 2, often with $\beta_2 = 0.95$, so that $v$ forgets within
#   tens of updates and not thousands; gradients are clipped to norm 1, as in (14.13).
# * LAMB ([You et al., 2019](https://arxiv.org/abs/1904.00962)) was made for batches of tens of thousands, and is seldom used for others. Its idea, a step
#   measured in the size of the weight, came back in other forms.
# * Adafactor trained T5. Optimizers that keep less, or see a matrix as a matrix, are being tried: Lion
#   ([Chen et al., 2023](https://arxiv.org/abs/2302.06675)), Shampoo ([Gupta et al., 2018](https://arxiv.org/abs/1802.09568)).
# * A warm-up is in nearly every recipe. After it the rate mostly follows half a cosine, or stays level and falls only at the end, which lets one go
#   on from any point.
#
# Next: [15 · A world that is learned](15_toy_world.ipynb), all of it together, while you look on.

# %% [markdown]
# # 11 · Sharing across layers and groups
#
# **120 minutes**, and 30 more for the last exercises. You need: notebook 02 (finite differences), 10 (the encoder layer). You
# will be able to
#
# * derive the gradient of a weight that is used many times, and see why it is a sum,
# * accumulate it through a stack of layers, with or without groups, and tell from three numbers how it went wrong,
# * say what cross-layer parameter sharing (跨层参数共享) saves, and what it does not,
# * say what it costs in accuracy: in the paper, and in a small experiment of our own.
#
# | symbol | shape | meaning |
# |---|---|---|
# | L, G | | number of layer steps; number of layer groups (层组) |
# | $x_i$ | (B, T, H) | input of step $i$, counted from 0; $x_L$ is the encoder's output |
# | $f(x, \theta)$ | | one encoder layer: attention, feed-forward, residuals, LayerNorms |
# | $\theta$ `p` | | the layer's weights, all of them |
# | $\bar x_i$ | (B, T, H) | upstream gradient at $x_i$, $\partial L/\partial x_i$ |
# | $c_i$ | as $\theta$ | what step $i$ adds to the gradient of $\theta$ |
# | $\bar\theta$ `g` | as $\theta$ | gradient of the shared weights |
#
# (The loss is called $L$ too, but only inside $\partial L$.)
#
# **A question from a real model.** BERT-large has a new set of weights in each of its 24 layers: 334 million in all. ALBERT-large
# has one set and applies it 24 times: 18 million, and on the average of five tasks it is at 82.4 rather than 85.2
# ([Lan et al., 2019](https://arxiv.org/abs/1909.11942), table 2). Three things one would like to know, so write down a guess for each: how
# much of BERT-large's *time* does it need? How much of its *memory* in training? And if all 24 layers want something else
# of the one set of weights, who decides?

# %% [markdown]
# ## 1. A weight that is used more than once
#
# **By hand first.** Take the smallest layer there is, $f(x) = wx + b$ with $w = 2$, $b = 1$, and apply it three times
# from $x_0 = 3$:
#
# $$3 \to 7 \to 15 \to 31$$
#
# Backward starts with 1 at the end. Each step multiplies it by $w$ on its way down, so $\bar x_3, \bar x_2, \bar x_1,
# \bar x_0$ = 1, 2, 4, 8. A step adds its *input* times its *upstream gradient* to the gradient of $w$. Predict
# $\partial L/\partial w$ and $\partial L/\partial b$, then run the cell.

# %%
import numpy as np


def three_times(w, b, x=3.0):
    for _ in range(3):
        x = w * x + b
    return x


h = 1e-6
print(f"finite differences: dw = {(three_times(2 + h, 1) - three_times(2 - h, 1)) / (2 * h):.6f}", end="  ")
print(f"db = {(three_times(2, 1 + h) - three_times(2, 1 - h)) / (2 * h):.6f}")

# %% [markdown]
# By steps: $15 \cdot 1 + 7 \cdot 2 + 3 \cdot 4$ for $w$, and $1 + 2 + 4$ for $b$.
#
# Now in general. The encoder is
#
# $$x_{i+1} = f(x_i, \theta), \qquad i = 0, …, L-1 \tag{11.1}$$
#
# Pretend for a moment that each step has a copy of its own, $\theta_0, …, \theta_{L-1}$. Then this is an ordinary deep
# network, and backward walks it from the end:
#
# $$\bar x_i = \Big(\frac{\partial f}{\partial x}\Big)_{x_i}^{\!\top} \bar x_{i+1}, \qquad
# c_i := \frac{\partial L}{\partial \theta_i} = \Big(\frac{\partial f}{\partial \theta}\Big)_{x_i}^{\!\top} \bar x_{i+1}
# \tag{11.2}$$
#
# Sharing means $\theta_0 = \theta_1 = … = \theta$. Move $\theta$ a little, and every copy moves by the same amount:
# $\partial\theta_i/\partial\theta = 1$. The chain rule sums over all ways from $\theta$ to the loss, and there is one
# through each copy:
#
# $$\boxed{\;\bar\theta = \sum_{i=0}^{L-1} \frac{\partial L}{\partial \theta_i}\,\frac{\partial \theta_i}{\partial\theta}
# = \sum_{i=0}^{L-1} c_i\;} \tag{11.3}$$

# %%
from albert_np.course.figures import shared_walk_figure
from albert_np.plots import show

show(
    shared_walk_figure(),
    "11.1",
    "The walk back through three steps that share their weights: each step adds its own term.",
    "Three steps f from x0 to x3, each of which keeps its own input. The weights theta go to all three. Gradients go back from "
    "x3 to x0, and from each step a term c0, c1, c2 goes to theta, whose gradient is their sum.",
)

# %% [markdown]
# A sum, not a mean: three uses push three times. And (11.2) needs $x_i$, another one in each step. So the steps have
# the weights in common, and *nothing else*: each keeps a cache of its own. Products such as those in (11.2) are called
# **vector-Jacobian products** (VJP); and (11.3) along the steps of time, rather than of depth, is **backpropagation through
# time**, by which recurrent networks are trained.
#
# **On paper** (5 minutes). Leave $b$ out: $x_{i+1} = w x_i$, so that $x_L = w^L x_0$, and let the loss be $x_L$ itself. Differentiate
# $w^L x_0$ by $w$. Then find the $c_i$ by (11.2), and add them up. Which step contributes most? And what happens to the
# gradient of deep stacks if $w$ is 1.1, or 0.9?
#
# <details><summary>The derivation</summary>
#
# Directly: $L\,w^{L-1} x_0$. By steps: $\bar x_L = 1$ and each step multiplies by $w$ on the way down, so
# $\bar x_{i+1} = w^{L-1-i}$. Step $i$ has the input $x_i = w^i x_0$, and contributes
#
# $$c_i = \bar x_{i+1}\, x_i = w^{L-1-i}\, w^i x_0 = w^{L-1} x_0$$
#
# the same from every step, and L of them are $L\,w^{L-1} x_0$. What a late step has in its input, an early one has in
# its upstream gradient. With $w = 1.1$ and 24 steps the factor $w^{L-1}$ is 9, with 0.9 it is 0.09: this is how gradients explode
# and vanish. A LayerNorm in each step, as in notebook 10, keeps the inputs at one length.
# </details>

# %% [markdown]
# ## 2. The same p and g, different caches
#
# The package has no mechanism for sharing. `encoder_forward` hands each step the part of the parameters that it is to
# use, and for a shared layer that is the same part each time. Here is a small ALBERT of six steps, and what its forward
# pass has kept. (The weights are drawn ten times wider than usual, so that the steps differ visibly.)

# %%
import albert_np as anp

config = anp.AlbertConfig(
    vocab_size=40,
    embedding_size=8,
    hidden_size=16,
    num_hidden_layers=6,
    num_attention_heads=4,
    intermediate_size=32,
    max_position_embeddings=16,
    initializer_range=0.2,
)
shared = anp.AlbertModel(config, dtype="float64", seed=0)
rng = np.random.default_rng(0)
input_ids = rng.integers(5, 40, (4, 12))
dy = rng.normal(size=(4, 12, 16))

shared(input_ids)
encoder = shared.cache.encoder
first = encoder.steps[0].feed_forward.ffn.weight
for i, (call, step) in enumerate(zip(encoder.calls, encoder.steps, strict=True)):
    same = np.shares_memory(first, step.feed_forward.ffn.weight)
    print(f"step {i}: {call.prefix}  the same ffn.weight: {same},  its own x: {call.x[0, 0, :3].round(3)} …")

# %% [markdown]
# Backward walks this list from its end. Each step *adds* into `g`, and they all got the same `g`: this is the sum
# (11.3), and nobody had to write it down.
#
# **Proof by un-sharing.** The model below has `sharing="none"`: six layers of their own (0 groups stand for as
# many as that needs). We fill each with the same numbers. Both models now compute the same thing; predict how their gradients differ.

# %%
from dataclasses import replace

unshared = anp.AlbertModel(replace(config, sharing="none", num_hidden_groups=0), dtype="float64")


def shared_name(name, step=0):
    """The name that the weight of group `step` has in a model of one group."""
    return name.replace(f"groups.{step}.", "groups.0.")


for name in unshared.params:
    group = int(name.split(".")[2]) if "groups" in name else 0
    unshared.params[name] = shared.params[shared_name(name, group)]

for model in (shared, unshared):
    out = model(input_ids)
    model.zero_grad()
    model.backward(last_hidden_state=dy)
    print(f"{model}: y[0, 0, :3] = {out.last_hidden_state[0, 0, :3].round(6)}")

in_layers = [name for name in shared.params if "groups" in name]
contributions = {
    name: [unshared.grads[name.replace("groups.0.", f"groups.{i}.")] for i in range(6)] for name in in_layers
}
worst = max(abs(shared.grads[name] - sum(contributions[name])).max() for name in in_layers)
print(f"over {len(in_layers)} weights, shared gradient = Σ of the six unshared ones, to 1e-12: {worst < 1e-12}")

# %% [markdown]
# Same outputs, and the shared gradient is the sum of the six. So the unshared model shows us what is hidden in the sum:
# the contribution $c_i$ of each step. How much of the whole does each make up? Project $c_i$ onto the sum:
#
# $$\text{share of step } i = \frac{\langle c_i, \bar\theta\rangle}{\langle\bar\theta, \bar\theta\rangle}, \qquad
# \sum_i \text{share}_i = 1 \tag{11.4}$$

# %%
from albert_np.course.figures import contributions_figure

parts = {}
for name in in_layers:
    if name.endswith("weight") and "norm" not in name.lower():
        parts[name.split("albert_layers.0.")[1].removesuffix(".weight")] = contributions[name]
whole = np.stack([np.concatenate([contributions[name][i].ravel() for name in in_layers]) for i in range(6)])  # (L, all)
lengths = np.linalg.norm(whole, axis=1)
cosines = whole @ whole.T / np.outer(lengths, lengths)
show(
    contributions_figure(parts, cosines),
    "11.2",
    "What each of six steps adds to the gradient of the shared layer, and how much they agree.",
    "Above: for six weight matrices, a bar made of the shares of the six layer steps, which add up to 100 per cent. "
    "Below: a 6 by 6 matrix of cosines between the contributions: near 0.8 for neighbours, near 0 for the first and last.",
)

# %% [markdown]
# Read the bars: no step makes up the gradient alone; each adds its part, between 6 and 23 per cent. Read the
# cosines: neighbours want nearly the same of the weights, the first and the last step hardly have a wish in common.
# Sharing makes the steps compromise. This is its price; the paper's Table 4 finds most of it in the feed-forward
# part.

# %% [markdown]
# To see the terms of one shared gradient side by side: `albert-np explore --at linear_backward`, tab "Sums".

# %% [markdown]
# ## 3. Groups
#
# There is a middle way: G groups of weights, and the L steps divided evenly among them. Step $i$ uses group
#
# $$\mathrm{group}(i) = \lfloor i \cdot G / L \rfloor \tag{11.5}$$
#
# and the sum (11.3) runs over the steps of a group only. `inner_group_num` is another thing: the number of different
# layers *inside* a step. With two, a group is a pair of layers, a and b, and each step applies both; the network is
# 2L layers deep. All released models have G = 1 and one inner layer.
#
# By hand: L = 12, G = 3. Which group has step 7? And how many terms does each group's sum have?

# %%
from albert_np.course.figures import groups_figure

twelve = anp.AlbertConfig.preset("base-v2")
choices = [replace(twelve, num_hidden_groups=G) for G in (1, 2, 3, 6)]
choices.append(replace(twelve, num_hidden_groups=3, inner_group_num=2))
print("group of steps 0 to 11 with G = 3:", [choices[2].group_of(i) for i in range(12)])
show(
    groups_figure(choices),
    "11.3",
    "Twelve steps in groups: a number for the group whose weights a step uses.",
    "Five lines of twelve boxes, numbered by group: with one group all are 0; with 2, 3 and 6 groups, equal runs of 6, 4 "
    "and 2 steps; in the last line each step holds two boxes, a and b.",
)

# %% [markdown]
# ## 4. Your turn: walk the stack in reverse  (difficulty 3 of 5, 15 minutes)
#
# Write (11.2) and (11.3) for any layer. You get the upstream gradient of the stack's output; the caches in the order
# of the forward pass; the layer's `backward(dy, cache)`, which returns dx and a dictionary of *one* application's
# gradients; and the name and shape of every weight. A weight that nobody used gets zeros, so that groups work too.
#
# <details><summary>Hint 1: the idea</summary>
#
# Start all gradients at zero. Go through the caches from the last to the first. Each step's dx is the dy of the step
# before it; its gradients are added to what is there.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\bar x_i, c_i = \mathrm{backward}(\bar x_{i+1}, \mathrm{cache}_i)$ for $i = L-1, …, 0$,
# and $\bar\theta \mathrel{+}= c_i$. `np.zeros(shape, dtype=dy.dtype)` makes room.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# total = {name: ... for name, shape in shapes.items()}
# for cache in ...:
#     dy, gradients = backward(dy, cache)
#     for name, gradient in gradients.items():
#         ...
# return dy, total
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson11


def shared_backward(dy, caches, backward, shapes):
    """dy: upstream of the last layer; caches: first layer first; returns dx and {name: gradient} for all of shapes."""
    raise NotImplementedError


report = lesson11.check_shared_backward(shared_backward)

# %% [markdown]
# Now to work with it: your walk (until it has passed, the package's) trains a stack. The layer is ALBERT's, six steps share it,
# and it is to learn what the model of section 2 makes of its inputs: other weights, the same data. The loss is the mean squared
# error.

# %%
from albert_np.layers import layer_backward, layer_forward

walk_back = report.yours(lesson11.package_shared_backward)
prefix = encoder.calls[0].prefix
shapes = {name: shared.params[name].shape for name in in_layers}
wanted = shared(input_ids).last_hidden_state


def one_layer_backward(dy, cache):
    """dx, and one application's gradients by name."""
    g = shared.params.zeros_like()
    dx = layer_backward(dy, cache, g.scope(prefix))
    return dx, {name: g[name] for name in in_layers}


def learn(walk, updates=100, rate=0.05):
    """The losses of a stack of six shared steps that learns by plain gradient descent."""
    p, losses = anp.AlbertModel(config, dtype="float64", seed=5).params, []
    for _ in range(updates + 1):
        x, caches = encoder.calls[0].x, []
        for _ in range(6):
            x, cache = layer_forward(x, encoder.calls[0].pattern, p.scope(prefix), config)
            caches.append(cache)
        losses.append(((x - wanted) ** 2).mean())
        _, gradients = walk(2 * (x - wanted) / x.size, caches, one_layer_backward, shapes)
        for name, gradient in gradients.items():
            p[name] = p[name] - rate * gradient
    return losses


learned = learn(walk_back)
print("loss after 0, 25, 50, 100 updates:", *(f"{learned[i]:.3f}" for i in (0, 25, 50, 100)))

# %% [markdown]
# ### Your turn: which bug is this?  (difficulty 2 of 5, 10 minutes)
#
# Six walks through $y = 3x - 1$, from $x = 1$ and with 1 at the end, each with one bug. You cannot see their code, only what they
# return for a stack of one step and for one of three. Take a pencil: the inputs are 1, 2, 5. For each letter, name
# the cause: a number from 1 to 6.

# %%
print(lesson11.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# $\bar w$ is a sum of products, an input times an upstream gradient. Write the three right products down. Which of the
# six causes change the inputs, which the upstream gradients, and which the sum?
# </details>
# <details><summary>Hint 2: the columns</summary>
#
# $\bar b$ is the sum of the upstream gradients alone, and $\bar x_0$ is their last. Where both are right, the inputs are wrong.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": 6, "C": ..., "D": ..., "E": ..., "F": ...}
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns a dictionary from "A" to "F" to the number of the cause, 1 to 6."""
    raise NotImplementedError


lesson11.check_which_bug(which_bug)

# %% [markdown]
# With one step, five of the six are right. A test of a shared layer needs two steps at least, and inputs that differ.

# %% [markdown]
# ## 5. What sharing saves
#
# One often reads that ALBERT is faster, or needs less memory, by about the factor by which it has fewer parameters.
# We need not believe anything: the caches say what a forward pass has kept, and which matrix products it has done.
# Add it up, for the shared and the unshared model above. (2 operations for each multiplication and addition.)

# %%
from albert_np.ops import AttentionCache, LinearCache


def walk(node):
    """All caches and arrays of a tree of named tuples and lists."""
    yield node
    if isinstance(node, tuple | list):
        for child in node:
            yield from walk(child)


def root(array):
    """The array that owns the memory."""
    return array if array.base is None else root(array.base)


def measured(model):
    """Weights in the arena; bytes that the steps have kept, each array once; operations in their matrix products."""
    model(input_ids)
    nodes = list(walk(model.cache.encoder.steps))
    arrays = {id(root(a)): root(a) for a in nodes if isinstance(a, np.ndarray)}
    kept = sum(a.nbytes for a in arrays.values() if a is not root(model.params.flat))
    linear = sum(2 * c.x.size * len(c.weight) for c in nodes if isinstance(c, LinearCache))
    attention = sum(4 * c.dropped.size * c.query.shape[-1] for c in nodes if isinstance(c, AttentionCache))
    return {"parameters": model.params.flat.size, "bytes kept": kept, "operations": linear + attention}


counts = {"shared": measured(shared), "unshared": measured(unshared)}
for quantity in counts["shared"]:
    a, b = counts["shared"][quantity], counts["unshared"][quantity]
    print(f"{quantity:12} shared {a:9,}   unshared {b:9,}   ratio {a / b:.3f}")

# %% [markdown]
# Only the first line differs. A shared layer is computed as often as an unshared one, and each step needs its own
# cache. `albert_np.study.describe` counts the same for any configuration without making the model. For the released
# sizes:

# %%
from albert_np.course.figures import savings_figure
from albert_np.study import describe

ratios = {}
for size in ("base", "large", "xxlarge"):
    told = describe(anp.AlbertConfig.preset(f"{size}-v2"), positions=512)
    alone = told["without_sharing"]
    ratios[f"ALBERT-{size}"] = {
        "parameters": told["backbone_parameters"] / alone["backbone_parameters"],
        "activations": told["activation_bytes_per_sequence"] / alone["activation_bytes_per_sequence"],
        "operations": told["flops_per_token"] / alone["flops_per_token"],
    }
    print(
        f"{size:8} parameters {told['backbone_parameters'] / 1e6:6.1f} M of {alone['backbone_parameters'] / 1e6:7.1f} M unshared;"
        f"  a token: {told['flops_per_token'] / 1e6:6.0f} M operations;"
        f"  a sequence of 512: {told['activation_bytes_per_sequence'] / 2**20:5.0f} MiB kept,"
        f" weights {told['weight_bytes_float32'] / 2**20:4.0f} MiB"
    )
show(
    savings_figure(ratios),
    "11.4",
    "What sharing saves, and what it does not: with sharing in per cent of without.",
    "Three groups of bars, each for ALBERT base, large and xxlarge. Parameters with sharing are 13, 6 and 9 per cent of those "
    "without; activations and operations are 100 per cent in all three.",
)

# %% [markdown]
# So the figures to remember:
#
# * **Parameters**: those of the layers go down by a factor of L; all in all by 8 times for base, 17 times for large. With
#   them goes all that has the size of the parameters: the file, the gradients, the optimizer's two moments, and what
#   several machines must send each other at each update. The "18 times" of the paper is this: ALBERT-large has 18 times
#   fewer parameters than BERT-large.
# * **Operations**: unchanged. ALBERT-base and BERT-base do 189 million operations a token alike. The paper measured
#   1.7 times BERT-large's training throughput for ALBERT-large, not 18 times; xxlarge, which is much wider, had 0.3
#   times.
# * **Activations**: unchanged. Already a single sequence of 512 tokens leaves far more in the caches of ALBERT-base
#   than its weights take. If a batch does not fit into memory, sharing does not help.
#
# **And time?** Time follows the operations. Take a model of twelve steps, shared and not: predict the ratio of their
# times for one forward and backward pass, then run the cell. Your machine will print a figure of its own; nearer to 1
# than to a twelfth, on any.

# %%
import time

twelve_steps = replace(config, hidden_size=128, num_hidden_layers=12, intermediate_size=512, initializer_range=0.02)
pair = [anp.AlbertModel(replace(twelve_steps, num_hidden_groups=groups), dtype="float32") for groups in (1, 12)]
many_ids, upstream = rng.integers(5, 40, (32, 16)), rng.normal(size=(32, 16, 128)).astype("float32")


def seconds(model):
    started = time.perf_counter()
    model(many_ids)
    model.zero_grad()
    model.backward(last_hidden_state=upstream)
    return time.perf_counter() - started


ratio = np.median([seconds(pair[0]) / seconds(pair[1]) for _ in range(7)])
a, b = (model.params.flat.size for model in pair)
print(f"shared / unshared: parameters {a / b:.2f}, time of forward and backward {ratio:.2f}")

# %% [markdown]
# What the optimizer does comes on top, and *that* goes by parameters: a small part of the work of an update. So
# ALBERT-base, with 11 % of BERT-base's parameters, does not train in 11 % of its time. Table 2 of the paper gives
# speeds in training, relative to BERT-large. Turned into times:

# %%
speeds = {"base": 5.6, "large": 1.7, "xlarge": 0.6, "xxlarge": 0.3}  # BERT-large 1.0, BERT-base 4.7
print(f"ALBERT-base  takes {4.7 / speeds['base']:.2f} of BERT-base's time, with 9 times fewer parameters")
print(f"ALBERT-large takes {1.0 / speeds['large']:.2f} of BERT-large's time, with 18 times fewer parameters")
print(f"\n{'to ALBERT-base':14} {'parameters':>11} {'operations':>11} {'time, Table 2':>14}")
sizes = {size: describe(anp.AlbertConfig.preset(f"{size}-v2"), positions=512) for size in speeds}
for size, told in sizes.items():
    more = [told[key] / sizes["base"][key] for key in ("backbone_parameters", "flops_per_token")]
    print(f"{size:14} {more[0]:11.1f} {more[1]:11.1f} {speeds['base'] / speeds[size]:14.1f}")

# %% [markdown]
# One also reads relative times of 1 : 1.8 : 3.2 : 18 for the four sizes; Table 2 gives 1 : 3.3 : 9.3 : 18.7. ALBERT-large
# has half as many parameters again as base and takes over three times as long, as its operations say. (The two largest
# take less time than that, probably because wide matrix products use a processor better; and a speed such as 0.3 is
# rounded.)

# %% [markdown]
# ## 6. What sharing costs
#
# The same weights must do for every step. What is lost? The paper pretrained four models that differ in what they share:
# everything, the attention, the feed-forward network (FFN), nothing (table 4). Here are four small ones, of two steps with
# H = E = 32, in a world of short stories that is small enough to know the best possible loss (notebook 15 builds it): they guess hidden
# words, and are measured by how many nats they stay above the best.
#
# One model of each kind would say little: another seed gives another figure. So each was trained from ten seeds. And all sat
# the *same* exam, and the models of one seed met the same stories in the same order: what is hard or easy about either is common to them, and
# drops out of a difference *seed by seed*. The mean of ten differences $d_s$ has the standard error
#
# $$\sqrt{\frac{1}{10}\cdot\frac{\sum_s (d_s - \bar d)^2}{10 - 1}}$$
#
# **Predict**: which is worse, to share the attention or to share the FFN? And is the error of a difference smaller or larger than the distance between two
# seeds of one variant?

# %%
from albert_np.course.figures import ablation_figure
from albert_np.study.experiments import paired_table, read_result, result_table, run_experiment

RERUN = False  # True: train the 40 models again, some twelve minutes on two cores
ablation = run_experiment("sharing", seeds=10) if RERUN else read_result("sharing")
print(result_table(ablation, ("gap", "accuracy")), "\n")
print(paired_table(ablation, ("gap", "accuracy")))
show(
    ablation_figure(ablation, ("gap", "accuracy")),
    "11.5",
    "What is shared, in the toy world (differences by seed, with standard errors) and in the paper.",
    "Three panels with four rows (all shared, attention shared, FFN shared, nothing shared): the loss above the best and the share of "
    "right words as differences from all shared, and the averages in the paper.",
)

# %% [markdown]
# **Here sharing costs nothing: it helps.** Who shares everything is best by the means, with the fewest parameters. Who shares nothing
# loses 0.057 ± 0.022 nats against that, two and a half errors. (Were there no difference, a mean of ten would still lie beyond 2.26 of its errors
# in five of a hundred such trials.) Which of the two parts is it? Take the two variants that share a part against the two that do not, again seed
# by seed:

# %%
gaps = {variant["name"]: np.array([run["gap"] for run in variant["runs"]]) for variant in ablation["variants"]}
for part, own, in_common in (
    ("FFN", ("attention shared", "nothing shared"), ("all shared", "FFN shared")),
    ("attention", ("FFN shared", "nothing shared"), ("all shared", "attention shared")),
):
    d = (sum(gaps[name] for name in own) - sum(gaps[name] for name in in_common)) / 2
    print(f"each step its own {part:10} {d.mean():+.4f} ± {d.std(ddof=1) / len(d) ** 0.5:.4f} nats")
for name, gap in gaps.items():
    print(f"{name:17} models that end more than 0.1 above the best: {(gap > 0.1).sum()} of {len(gap)}")

# %% [markdown]
# An FFN of its own for each step costs 0.059 ± 0.015 nats, four errors; an attention of its own nothing that can be seen.
#
# **What agrees with the paper**: sharing the attention does not cost. **What does not**: there, sharing the FFN costs most; here it gains.
#
# The last lines say how. Most models end close to 0.014, or close to 0.13, with a rule not yet found: one in ten of those that share everything,
# six in ten of those with two FFNs. A conjecture that fits: with two FFNs a rule has to be found by the right one of them, and each
# gets the gradient of one step alone.
#
# **What a toy cannot show** is why the paper's models lose by sharing. Twelve million weights are few for a language, and those who do
# not share have seven times as many. Thirteen thousand are plenty for 53 words and five rules: there is nothing that more of them could hold.
#
# Why do the errors stay so large, with ten seeds? Look at the last line of the first table: two seeds of *one* variant are up to 0.4 nats apart. What a
# seed decides is *when* each rule is found, and the models of one seed do not find it at the same moment, though they read the same stories in the
# same order.

# %% [markdown]
# ## 7. More steps of the same layer
#
# With sharing, depth costs no parameters: apply the layer more often. The paper did, with ALBERT-large, and gained up to
# 24 steps (table 11: 52.9, 71.2, 77.2, 81.5 with 1, 3, 6, 12). But its deeper models did not begin at random weights: from three layers on,
# each went on from the weights of the one before it in the table. Here are 1, 2 and 3 steps of one layer in the toy world,
# each from the start and all by one recipe.
#
# **Predict**: one step lets each word look at the others once. Which of the world's rules need a second look? (To copy *apple* one must find the
# place where it stood; to agree across another noun, the right one of two.)

# %%
RERUN = False  # True: train the 30 models again, some eight minutes on two cores
deeper = run_experiment("depth", seeds=10) if RERUN else read_result("depth")
skills = ("agreement", "agreement across a misleading noun", "pronoun", "copying", "choice of verb")
print(result_table(deeper, ("gap", "accuracy")), "\n")
print(paired_table(deeper, ("gap", "accuracy")), "\n")
for skill in skills:
    shares = [np.mean([run[skill] for run in variant["runs"]]) for variant in deeper["variants"]]
    print(
        f"{skill:35}",
        *[f"{variant['name']} {share:4.0%}   " for variant, share in zip(deeper["variants"], shares, strict=True)],
    )
show(
    ablation_figure(deeper, ("gap", "copying")),
    "11.6",
    "How many steps the shared layer takes, in the toy world (differences by seed, with standard errors) and in the paper.",
    "Three panels with rows for 1, 2 and 3 steps: the loss above the best and the share of words copied rightly, as differences from one "
    "step, and the averages in the paper.",
)

# %% [markdown]
# **A second look pays.** From one step to two the loss falls by 0.164 ± 0.047 nats, from one to three by 0.128 ± 0.034: differences of
# three and a half errors, from ten pairs. That is the paper's first finding, at the same number of parameters.
#
# **Where does it pay?** Not in agreement across a misleading noun: with one step, too, all ten seeds have it in all stories. One look at the
# right place is enough for that, since here the subject is always the second word. It is copying that wants two: with one step three of ten seeds
# have not learned it when training ends, with two steps none. A conjecture that fits: to copy *apple*
# is to find where *a new* stood, and then to read what came after it, and those are two looks.
#
# **A loss is a list of rules.** Print `[run["gap"] for run in deeper["variants"][0]["runs"]]`, and the same for the others: most
# lie close to 0.014, 0.13, 0.28 or 0.40. A model that lacks a rule mostly lacks it wholly, and pays the same for it whatever its
# depth. So the mean of ten seeds says how many of them had learned what, and the error of a difference is large because a rule
# learned a little too late counts as one not learned at all.
#
# **Is a third step worth it?** Two of its ten models have not learned to copy, of the two-step models none; by the means two steps are 0.036 nats
# better. That difference cannot be told from luck. The paper gained up to 24 steps. **What a toy cannot show** is what so many are good
# for: in a world whose rules want a look or two there is nothing left for a third to do.

# %% [markdown]
# ## 8. Checks
#
# Finite differences on whole models, in float64 with a random upstream gradient: six steps that share one layer, and
# four steps in two groups of two inner layers each. If a step's contribution were missing, the slope would say so.

# %%
from albert_np.gradcheck import check_model

grouped = replace(config, num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2)
for title, proved in (("one group", config), ("two groups of two", grouped)):
    proof = check_model(
        anp.AlbertModel(proved, dtype="float64", seed=1), {"input_ids": input_ids[:2, :6]}, ("last_hidden_state",)
    )
    layers = [c for c in proof if "groups" in c.name]
    print(f"{title}: {sum(c.ok for c in proof)} of {len(proof)} comparisons agree, {len(layers)} of them inside layers")
    print("  ", proof[-1])

# %% [markdown]
# Formula and package, side by side: (11.2) and (11.3), as your walk goes through the six steps of the model above, against
# `model.backward`.

# %%
shared(input_ids)
shared.zero_grad()
shared.backward(last_hidden_state=dy)
_, total = walk_back(dy, shared.cache.encoder.steps, one_layer_backward, shapes)
for name in in_layers:
    assert np.allclose(total[name], shared.grads[name], rtol=1e-12, atol=1e-12)
print(f"{len(total)} gradients: the same")

# %% [markdown]
# ## 9. What breaks if…
#
# **…a gradient is set, not added?** One character, `=` for `+=`. Then each step overwrites the one before, and what
# remains is $c_0$, of the step that backward reaches last. With one layer all is right: a test with one layer passes.

# %%
for L in (1, 2, 6):
    told = whole[6 - L :]  # the last L steps, as if the stack began there
    full, kept = told.sum(axis=0), told[0]
    cosine = full @ kept / np.linalg.norm(full) / np.linalg.norm(kept)
    print(
        f"L = {L}: error {np.linalg.norm(kept - full) / np.linalg.norm(full):4.0%} of the gradient's length,"
        f" cosine with it {cosine:.2f}"
    )

# %% [markdown]
# A positive cosine is enough for the loss to go down. Does it show in training? Predict, then let the stack of section 4
# learn with `=`.

# %%


def set_not_added(dy, caches, backward, shapes):
    for cache in reversed(caches):
        dy, gradients = backward(dy, cache)
    return dy, gradients


badly = learn(set_not_added)
for i in (0, 25, 50, 100):
    print(f"update {i:3}: loss {learned[i]:.3f} with the sum, {badly[i]:.3f} with the last one alone")

# %% [markdown]
# It learns, only badly, and nothing tells you.
#
# **…the group is computed with fractions?** `int(i / L * G)` looks like (11.5), and Google's original code has this
# form. But `i / L` is rounded. No released model is touched, yet:

# %%
L = G = 22
for i in (14, 15, 16):
    print(f"L = G = 22, step {i}: int(i / L * G) = {int(i / L * G)},  i * G // L = {i * G // L}")

# %% [markdown]
# Two steps would share what should be two layers, and group 15 would never be used: zeros for its gradient. With whole
# numbers nothing is rounded. The package also insists that G divides L.
#
# **…the state lives on the layer?** Code where a layer object keeps its last input on itself works for
# unshared layers. Shared, the object is called L times and remembers the last call alone.

# %%
last = shared.cache.encoder.steps[-1]
wrong = shared.params.zeros_like()
upstream = dy
for _ in range(6):
    upstream = layer_backward(upstream, last, wrong.scope(prefix))
got, right = (np.concatenate([g[name].ravel() for name in in_layers]) for g in (wrong, shared.grads))
print(
    f"error with the last cache for all steps: {np.linalg.norm(got - right) / np.linalg.norm(right):.0%} of the gradient"
)

# %% [markdown]
# ## 10. More exercises
#
# ### On paper: nearly shared  (difficulty 3 of 5, 10 minutes)
#
# Give each step a small change of its own: step $i$ uses $W_i = W + B_i A_i$ for a weight matrix (O, I), with $B_i$ of shape
# (O, r), $A_i$ of shape (r, I), and $r$ much smaller than both. $W$ is shared, $A_i$ and $B_i$ are not. Let $C_i$ be the
# gradient of $W_i$, as step $i$ gives it. What are $\bar W$, $\bar A_i$ and $\bar B_i$? And if all $B_i$ begin at zero, which of
# the three are zero in the first update?
#
# <details><summary>The derivation</summary>
#
# $W$ stands in every $W_i$ with the factor 1: $\bar W = \sum_i C_i$, as in (11.3). The rest is a product of two
# matrices (notebook 03), used in step $i$ alone: a small change of $B_i$ moves $W_i$ by $\mathrm dB_i\,A_i$, so
#
# $$\bar B_i = C_i A_i^\top, \qquad \bar A_i = B_i^\top C_i$$
#
# With $B_i = 0$ all $\bar A_i$ are zero and $\bar B_i$ is not. The first update moves the $B_i$, and from then on all learn. (With
# $A_i = B_i = 0$ neither would ever move.) Nothing is summed over the steps but $\bar W$: what steps do not
# share, they need not agree on.
# </details>
#
# ### Your turn: keep the inputs alone  (difficulty 3 of 5, 15 minutes)
#
# Section 5 found that sharing saves no activations. This does. Keep each step's *input* on the way up, and throw its cache away;
# when backward comes to a step, run it again from its input. All steps are one `forward(x)`, which returns y and a cache.
# You may call it twice for each step, and hold one or two caches at a time.
#
# <details><summary>Hint 1: the idea</summary>
#
# Two loops. The first goes up and makes a list of arrays. The second is `shared_backward`, with a cache that is made
# just before it is used.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# Inputs $x_0, …, x_{L-1}$: that of the first step is the argument `x`, that of step $i$ is what step $i-1$ gave. The last
# step's output is not needed.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# inputs = []
# for _ in range(steps):
#     ...
# total = ...
# for x in reversed(inputs):
#     _, cache = ...
#     dy, gradients = ...
#     ...                             # as before
# return dy, total
# ```
# </details>


# %% tags=["exercise"]
def recomputed_backward(dy, x, steps, forward, backward, shapes):
    """dy: upstream of the last step; x: input of the first; returns dx and {name: gradient} for all of shapes."""
    raise NotImplementedError


recomputed_report = lesson11.check_recomputed_backward(recomputed_backward)

# %% [markdown]
# The same gradients, then, for one more forward pass. And the memory? ALBERT's layer, by both ways; what a step keeps against what
# its input alone takes:

# %%
again = recomputed_report.yours(lesson11.package_recomputed_backward)
first_call = shared.cache.encoder.calls[0]


def one_layer_forward(x):
    return layer_forward(x, first_call.pattern, shared.params.scope(prefix), config)


_, gradients = again(dy, first_call.x, 6, one_layer_forward, one_layer_backward, shapes)
print("as model.backward:", all(np.allclose(gradients[n], shared.grads[n], rtol=1e-10, atol=1e-12) for n in in_layers))
kept = counts["shared"]["bytes kept"]
print(f"kept with caches {kept:,} bytes; inputs and one step's cache {6 * first_call.x.nbytes + kept // 6:,} bytes")

# %% [markdown]
# The package does the same with `model.recompute = "layer"`.

# %% [markdown]
# ## Three questions
#
# 1. A model with G = L = 12 is trained. Then somebody ties all layers (G = 1), with the mean of the twelve weights in
#    each place. Is the gradient of the tied layer the sum of the twelve old gradients?
# 2. The gradient is a sum of 12 terms. Should the learning rate be a twelfth, then?
# 3. Training needs memory for weights, gradients, two moments, and activations. Which of them does sharing divide by
#    nearly L, and which other trick would help with the rest?
#
# <details><summary>Answers</summary>
#
# 1. No. (11.3) holds at equal weights: the mean is another point, the inputs $x_i$ are others, and so is
#    each $c_i$.
# 2. Not because of this. The sum is the true slope of the loss. With Adam or LAMB a common factor drops out
#    of the update anyway (notebook 14).
# 3. Weights, gradients, moments. For activations: keep only each step's input $x_i$ and run the step's forward again
#    when backward comes to it (section 10). That costs one more forward pass.
# </details>
#
# ## In today's models
#
# The question at the top: ALBERT-large needs 0.59 of BERT-large's time and about all of its activations; and the sum (11.3)
# decides, in which those weigh most whose contributions point the same way.
#
# Large language models do not share their layers: they have memory for the weights, and want what the weights can store.
# Where memory is short, sharing is back. MobileLLM applies each of its blocks twice
# ([Liu et al., 2024](https://arxiv.org/abs/2402.14905)); *relaxed recursive* transformers give each use of a shared
# block a small low-rank change of its own, the paper exercise above ([Bae et al., 2024](https://arxiv.org/abs/2410.20672)), in the
# form of LoRA ([Hu et al., 2021](https://arxiv.org/abs/2106.09685)). Others share for the sake of depth: the Universal
# Transformer lets each token decide how often ([Dehghani et al., 2018](https://arxiv.org/abs/1807.03819)), deep
# equilibrium models go on to the fixed point itself ([Bai et al., 2019](https://arxiv.org/abs/1909.01377)), and recurrent-depth
# models spend more steps on harder questions ([Geiping et al., 2025](https://arxiv.org/abs/2502.05171)).
#
# Keeping the inputs alone is called **activation** (or gradient) **checkpointing**
# ([Chen et al., 2016](https://arxiv.org/abs/1604.06174)). Most training of large models uses it.
#
# Next: [12, MLM and SOP heads](12_heads.ipynb): what ALBERT is pretrained with, and a matrix that is shared in another way.

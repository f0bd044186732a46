# %% [markdown]
# # Lab 9 · Capstone: change ALBERT
#
# **Three weeks, 100 points**: 45 are given by the check, 55 by a person. You need notebooks 10 (the encoder layer), 11
# (sharing) and 17 (pretraining).
#
# Replace one part of ALBERT by one of your own, prove its gradients, train both models on the same text, and say what the
# change is worth. Choose one:
#
# | change | part | worth thinking about first |
# |---|---|---|
# | RMSNorm, or another norm | `norm` | it stands in three places, of two widths; what becomes of the bias? |
# | ALiBi, rotary positions, a learned bias, a soft cap | `attention` | what does the mask do to it; what are the places of skipped padding? |
# | an activation with parameters | `activation` | a parameter for all numbers, or one for each? |
# | SwiGLU or another gated branch | `feed_forward` | how wide, for as many parameters as before? |
# | pre-LN, LayerScale, adapters, parallel branches | `wiring` | how far does a gradient get? |
# | another schedule of groups | `schedule`, with the `wiring` that it makes interesting | which steps are alike? |
# | your own | any of these | ask first |
#
# ## How a part is written
#
# A part is a pair of functions, as everywhere in `albert_np`: `part_forward` returns y and a cache, `part_backward(dy, cache)`
# the gradients of the arrays, in the order of forward's arguments. `change()` says where it belongs and which parameters it
# has of its own: name → (shape, start). Shapes are made of numbers and of the letters below, `()` being one number; `start` is the number that a
# parameter is filled with, or `None` for small random ones. Own parameters are passed after the arrays, before all else.
#
# | part | forward without own parameters |
# |---|---|
# | `norm` | `(x, weight, bias, eps)`; own ones take the place of weight and bias, and may have the letter W, the width of the place |
# | `activation` | `(x)` |
# | `attention` | `(query, key, value, mask, dropout_prob, rng)`: (B, N, T, D); mask is added to the scores, or None |
# | `feed_forward` | `(x, ffn_weight, ffn_bias, ffn_output_weight, ffn_output_bias)`; own ones take the place of the four |
# | `wiring` | `(x, attention, feed_forward, norm_1, norm_2)`: four functions of (…, H); backward is `(dy, cache, attention, feed_forward, norm_1, norm_2)`, the ways back through them, each taken as often as forward went there |
#
# Letters: V vocabulary, E embedding, H hidden, I intermediate, N heads, D head size, L steps, G groups, T most positions.
#
# Where padding is skipped, x is (R, H) instead of (B, T, H): write `…` and the last axis. float32 must stay float32.
#
# **In the model**: the same pair goes into `albert_np.labs.swap`, in a notebook or in a file.
#
# ```python
# from albert_np.labs import swap
# with swap(attention=(part_forward, part_backward, change()["parameters"])):
#     model = AlbertForPreTraining(config)          # made, checked, trained, saved, loaded in here
# ```
#
# ```sh
# albert-np experiment change --with change.py --seeds 3 --output change.json     # both models, on equal seeds
# ```
#
# `change.py` holds your functions and, as its last line, the same call without `with`, so that it holds for all that follows:
#
# ```python
# swap(attention=(part_forward, part_backward, change()["parameters"]))    # with a schedule: swap(…, schedule=change()["schedule"])
# ```
#
# Two seeds of one model differ by about 0.01 nats after 1,000 updates; three pairs show a difference of about 0.03.

# %%
import numpy as np

from albert_np.labs import check

# %% [markdown]
# ## 1 · The part, alone and in the model (40 points)
#
# Alone (20): gradients of arrays and parameters against differences of your own forward, on three shapes; a large case in
# two seconds; arguments as they were. In whole models (15), each on five seeds: one step, a layer used three times, padding masked and
# skipped. And float32, a run that is saved and goes on to the same bits (5).
#
# Write the derivation first.


# %% lab="answer" id="part"
def change():
    """Return {"part": name, "parameters": {name: (shape, start)}}, and "schedule": [group of each step] if it is one."""
    ### BEGIN SOLUTION
    return {"part": "attention", "parameters": {"cap": (("N",), 8.0)}}
    ### END SOLUTION


def part_forward(query, key, value, cap, mask, dropout_prob, rng):
    """Return y and a cache; change the arguments to those of your part."""
    ### BEGIN SOLUTION
    scale = query.shape[-1] ** -0.5
    raw = (query * scale) @ key.swapaxes(-1, -2)  # (B, N, T, T)
    wide = cap[:, None, None]  # (N, 1, 1)
    squeezed = np.tanh(raw / wide)
    scores = wide * squeezed
    if mask is not None:
        scores = scores + mask
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probs = exponentials / exponentials.sum(axis=-1, keepdims=True)
    kept = None
    if rng is not None and dropout_prob > 0:
        kept = (rng.random(probs.shape, dtype=np.float32) >= dropout_prob) / probs.dtype.type(1 - dropout_prob)
    dropped = probs if kept is None else probs * kept
    return dropped @ value, (query, key, value, wide, raw, squeezed, probs, kept)
    ### END SOLUTION


def part_backward(dy, cache):
    """Return the gradients, arrays first, then own parameters."""
    ### BEGIN SOLUTION
    query, key, value, wide, raw, squeezed, probs, kept = cache
    scale = query.shape[-1] ** -0.5
    dropped = probs if kept is None else probs * kept
    dvalue = dropped.swapaxes(-1, -2) @ dy
    dprobs = dy @ value.swapaxes(-1, -2)
    if kept is not None:
        dprobs = dprobs * kept
    dscores = probs * (dprobs - (dprobs * probs).sum(axis=-1, keepdims=True))
    slope = 1 - squeezed * squeezed
    dcap = (dscores * (squeezed - raw / wide * slope)).sum(axis=(0, 2, 3))
    draw = dscores * slope * scale
    return draw @ key, draw.swapaxes(-1, -2) @ query, dvalue, dcap
    ### END SOLUTION


# %% lab="check" id="part"
check("09", "part", change, part_forward, part_backward)

# %% [markdown]
# ## 2 · Where it is ALBERT (5 points)
#
# A good change has ALBERT as a special case, or comes as near as you like: that is how one sees that nothing else was changed.
# Return arguments of your forward and arguments of ALBERT's, for which both give the same: of three axes or more, drawn
# from `rng`, and not so special that nothing happens. ALBERT's forwards are `ops.layer_norm_forward`,
# `ops.activation_forward(x, name)`, `ops.attention_forward`, for the branch `(x, ffn_weight, ffn_bias, ffn_output_weight,
# ffn_output_bias, name)`, and for a wiring `(x, attention, feed_forward, norm_1, norm_2)`, where "identity" and "tanh" stand for functions.
# They need to agree to six digits.


# %% lab="answer" id="special_case"
def special_case(rng):
    """Return (arguments of part_forward), (arguments of ALBERT's part)."""
    ### BEGIN SOLUTION
    query, key, value = rng.standard_normal((3, 2, 4, 5, 3))
    no_cap = np.full(4, 1e8)
    return (query, key, value, no_cap, None, 0.0, None), (query, key, value, None)
    ### END SOLUTION


# %% lab="check" id="special_case"
check("09", "special_case", change, part_forward, special_case)

# %% [markdown] lab="written" id="derivation" points=15
# ## 3 · The derivation (15 points)
#
# Derive every gradient of your part: from the change of y for a small change of each argument, in the notation of notebook 05 or 08, on at most two
# pages. Say where a sum over axes comes from, and check one entry by hand with numbers.

# %% [markdown] lab="solution"
# For the soft cap: t = c tanh(s / c). dt/ds = 1 − tanh², dt/dc = tanh(s/c) − (s/c)(1 − tanh²); the softmax above it as in (4.5),
# the products around it as in (8.5) to (8.10); dc sums over batch, queries and keys, since a head has one cap. At c → ∞ the slope is 1
# and dc is 0: ALBERT.

# %% [markdown] lab="written" id="runs" points=15
# ## 4 · The runs (15 points)
#
# Train both models on at least three equal seeds, for equal updates (so equal tokens); hand in `change.py` and the result of
# `albert-np experiment`, with the command that made it. What is equal in the two runs of a pair, and what is not: parameters, time, initial
# weights? Which settings did you try before, and how many?

# %% [markdown] lab="solution"
# The result names the file's SHA-256, the parts and the seeds; three pairs or more; updates as in the report; parameters beside the losses.

# %% [markdown] lab="written" id="report" points=15
# ## 5 · The report (15 points)
#
# At most 1,000 words: the question, why one should expect an answer, what was changed, all runs, the paired interval
# (lab 8), what follows and what does not. One figure that shows what your part does inside the trained model.

# %% [markdown] lab="solution"
# The soft cap with c = 8 changes nothing that three pairs could show: scores of a model of this size after 1,000 updates stay below 4, where
# tanh is nearly a line. The figure: the largest |score| by update, with and without the cap.

# %% [markdown] lab="written" id="viva" points=10
# ## 6 · The viva (10 points)
#
# Fifteen minutes about your own code and figures. Nothing to hand in.

# %% [markdown] lab="solution"
# Questions are in the rubric.

# %% [markdown]
# # Lab 8 · Measure
#
# **4 hours, 100 points.** You need notebooks 17 (pretraining) and 18 (looking inside).
#
# A change makes a model better on one seed. Is it the change, or the seed? Here you build what answers that: an interval
# from pairs of runs, the number of pairs that it takes, the noise in a gradient, and a test of what a head looks at. At the
# end you measure a change of your own numbers and report it.
#
# | symbol | meaning |
# |---|---|
# | $d_i$ | after − before, of the two runs with seed $i$ |
# | $\bar d$, $s$, $n$ | mean and standard deviation of the differences, and how many there are |
# | $t_{q,k}$ | quantile of Student's distribution with $k$ degrees of freedom (`scipy.stats.t.ppf(q, k)`) |
#
# **How an answer is looked at.** Under each exercise stands a cell that checks your functions on new random numbers each
# time and says what it found. Questions in words are marked by a person, as is a short talk about your answers.

# %%
import numpy as np
from scipy import stats

from albert_np.labs import check

# %% [markdown]
# Your own numbers. Exercise 5 and the written questions use them.

# %% lab="personal"
PERSONAL = {
    "seeds": [3428, 5599, 6731],
    "before": {"intermediate_size": 8},
    "after": {"intermediate_size": 64},
    "sd": 0.008,
    "effect": 0.017,
    "heads": 19,
}

# %% [markdown]
# ## 1 · A paired interval (15 points)
#
# Two runs with one seed see the same batches in the same order, and begin with the same weights where they can. What makes
# a seed a lucky one helps both; in the difference $d_i$ it falls out. So compare seed by seed:
#
# $$\bar d \pm t_{(1+\text{level})/2,\;n-1}\,\frac{s}{\sqrt n}, \qquad s^2 = \frac{1}{n-1}\sum_i (d_i - \bar d)^2$$
#
# If $d_i$ are independent and normal, this interval holds the true mean in a share `level` of all experiments. **Predict**
# by which factor the interval of three pairs is wider than $\pm 1.96\,s/\sqrt n$.


# %% lab="answer" id="paired_interval"
def paired_interval(before, after, level):
    """Return mean, low and high of after − before; before and after (n,), of equal seeds in equal places."""
    ### BEGIN SOLUTION
    differences = after - before
    n = len(differences)
    mean = differences.mean()
    half = stats.t.ppf((1 + level) / 2, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half
    ### END SOLUTION


# %% lab="check" id="paired_interval"
check("08", "paired_interval", paired_interval)

# %% [markdown]
# ## 2 · How many pairs? (10 points)
#
# Before any run: differences have the standard deviation `sd` (from a pilot, say), and you want to tell an `effect` of that
# size from none. Find the smallest $n \ge 2$ for which the half width of the 95 % interval, with that $s$, is not above the
# effect. There is no formula, as $t$ depends on $n$; but the half width falls with $n$.


# %% lab="answer" id="pairs_needed"
def pairs_needed(sd, effect):
    """Return the smallest number of pairs, an int of at least 2."""
    ### BEGIN SOLUTION
    n = 2
    while stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n) > effect:
        n += 1
    return n
    ### END SOLUTION


# %% lab="check" id="pairs_needed"
check("08", "pairs_needed", pairs_needed)

# %% [markdown]
# ### What a right answer shows
#
# The half width over $s$, by the number of pairs: the third pair buys more than all that follow.

# %% lab="figure"
from albert_np.plots import COLOURS, legend, new_figure, plain, show

pairs = np.arange(2, 21)
figure, ax = new_figure(6, 3.4)
own = [paired_interval(np.zeros(n), np.resize([1.0, -1.0], n), 0.95)[2] for n in pairs]
ax.plot(pairs, own, color=COLOURS["blue"], label="of ±1, in turn")
ax.plot(pairs, stats.t.ppf(0.975, pairs - 1) / np.sqrt(pairs), "-.", color=COLOURS["orange"], label="Student's, s = 1")
ax.plot(pairs, 1.96 / np.sqrt(pairs), "--", color=COLOURS["green"], label="1.96 / √n")
ax.set(yscale="log", xlabel="pairs of runs", ylabel="half width / s")
ax.set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
ax.minorticks_off()
ax.set_xticks([2, 5, 10, 15, 20])
plain(ax)
legend(ax)
show(
    figure,
    "L8.1",
    "Half the width of an interval against the number of pairs, beside 1.96/√n.",
    "Half widths fall from 9 at two pairs to 2.5 at three and 0.5 at twenty; 1.96 over root n lies far below at the left.",
)

# %% [markdown]
# ## 3 · The noise of a gradient (15 points)
#
# A batch's gradient is the true one and noise: $g_i = G + \epsilon_i$, where $\epsilon_i$ has the covariance $\Sigma / b$ for
# a batch of $b$ examples. How large a batch is worth its cost depends on one number, the *noise scale*
# $\operatorname{tr}\Sigma / |G|^2$ (McCandlish et al., 2018): far below it, twice the batch is worth twice the steps; far
# above, nothing. Estimate it from the gradients $g_1, \dots, g_n$ of $n$ batches, **without bias** in numerator and
# denominator: what is the mean of $|\bar g|^2$? And of $\sum_i |g_i - \bar g|^2$?


# %% lab="answer" id="noise_scale"
def noise_scale(gradients, batch):
    """Return the trace of Σ, |G|², and their quotient; gradients (n, P), each of `batch` examples.

    The quotient is np.inf where the estimate of |G|² is not above 0.
    """
    ### BEGIN SOLUTION
    n = len(gradients)
    mean = gradients.mean(axis=0)
    trace = batch * np.sum((gradients - mean) ** 2) / (n - 1)
    square = np.sum(mean**2) - trace / (batch * n)
    return trace, square, trace / square if square > 0 else np.inf
    ### END SOLUTION


# %% lab="check" id="noise_scale"
check("08", "noise_scale", noise_scale)

# %% [markdown]
# ## 4 · A permutation test of a head (15 points)
#
# A head puts a lot of weight on the token before. More than a head that does not care where keys lie? If it does not care,
# the keys of a sequence may change places, and nothing is special about the real order. So:
#
# 1. the **statistic**: the mean weight `probs[b, i, i + offset]` over all real queries whose key `i + offset` is real;
# 2. in each of `rounds` rounds, give the **real** keys of each sequence a random new order, the same for all its queries,
#    and compute the statistic again;
# 3. $p = (1 + m)/(1 + \text{rounds})$, $m$ being the number of rounds whose statistic was at least as large, up to $10^{-12}$.
#    The real order is one of the possible ones: that is the 1.
#
# Padding is at the end of a sequence; weights on it are 0.


# %% lab="answer" id="head_p_value"
def head_p_value(probs, mask, offset, rounds, rng):
    """Return the statistic and p; probs (B, T, T) of one head, query before key, mask (B, T) of 1 and 0."""
    ### BEGIN SOLUTION
    sequences = [weights[:n, :n] for weights, n in zip(probs, mask.sum(axis=1), strict=True)]

    def statistic(orders):
        chosen = [np.diagonal(w[:, order], offset) for w, order in zip(sequences, orders, strict=True)]
        return np.concatenate(chosen).mean()

    observed = statistic([np.arange(len(w)) for w in sequences])
    drawn = [statistic([rng.permutation(len(w)) for w in sequences]) for _ in range(rounds)]
    as_large = sum(value >= observed - 1e-12 for value in drawn)
    return observed, (1 + as_large) / (1 + rounds)
    ### END SOLUTION


# %% lab="check" id="head_p_value"
check("08", "head_p_value", head_p_value)

# %% [markdown]
# ## 5 · Runs of your own (15 points)
#
# `held_out_loss(seed, **config)` trains a tiny ALBERT for 24 updates and gives its loss on held-out text: half a second, and
# the same on every machine. Your question: what do the fields **{{after}}** change, against **{{before}}**? Your seeds:
# **{{seeds}}**. Make the six runs, and put their figures into `evidence`, as numbers; they are computed again when this is
# marked.

# %%
from albert_np.labs.small_runs import held_out_loss


# %% lab="answer" id="evidence"
def evidence():
    """Return {"before": [3 losses], "after": [3 losses], "interval": [low, high] at 95 %}, seeds in your order."""
    ### BEGIN SOLUTION
    before = [held_out_loss(seed, **PERSONAL["before"]) for seed in PERSONAL["seeds"]]
    after = [held_out_loss(seed, **PERSONAL["after"]) for seed in PERSONAL["seeds"]]
    differences = np.subtract(after, before)
    low, high = stats.t.interval(0.95, 2, loc=differences.mean(), scale=stats.sem(differences))
    return {"before": before, "after": after, "interval": [float(low), float(high)]}
    ### END SOLUTION


# %% lab="check" id="evidence"
check("08", "evidence", evidence, personal=PERSONAL)

# %% [markdown] lab="written" id="design" points=10
# ## 6 · Before the runs (10 points)
#
# 1. A pilot gave differences of standard deviation **{{sd}}** nats. You want to see an effect of **{{effect}}** nats. How many
#    pairs, and how many runs in all? What changes if the runs are not paired and one seed moves a run by 0.05? (4)
# 2. You test each of **{{heads}}** heads with the test of exercise 4. How many do you expect below 0.05 if none cares? Which
#    threshold keeps the chance of a single false alarm below 5 %, and how many rounds does that need at least? (4)
# 3. You look after each pair and stop as soon as the interval leaves out 0. Is its level still 95 %? Why? (2)

# %% [markdown] lab="solution"
# 1. `pairs_needed(sd, effect)` pairs, twice as many runs. Unpaired, the standard deviation of a difference of two runs is about
#    √(2 · 0.05² + sd²) instead of sd, so it takes (that / sd)² times as many pairs.
# 2. 0.05 · heads. Bonferroni: 0.05 / heads; as p is at least 1 / (rounds + 1), rounds must be at least 20 · heads − 1.
# 3. No: each look is another chance to be outside by luck; after many looks the share of false alarms is far above 5 %.

# %% [markdown] lab="written" id="report" points=20
# ## 7 · What they say (20 points)
#
# Report exercise 5 in at most 300 words and one table or figure: the question and why the answer was open; what was equal in the two
# runs of a pair and what was not; all six losses; the interval; what can be said, and what cannot. If the interval holds 0,
# say how large an effect would have been seen. One sentence on what would have to be shown before one believes the same of
# ALBERT-base.

# %% [markdown] lab="solution"
# A good report states the question before the numbers, gives every run, says that weights of another shape begin with other numbers
# (so that pairing helps less there), reads an interval with 0 in it as "not larger than", not as "no effect", and does not
# explain a difference that was not shown.

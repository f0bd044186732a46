# %% [markdown]
# # Lab 3 · Words and holes
#
# **4 hours, 100 points.** You need notebooks 06 (SentencePiece and Unigram) and 13 (masks and pairs). The tokenizer takes the
# best cut of a text, and the pretraining data has holes of one to three words. Here you look at all cuts, and at other
# holes. You will
#
# * sum over more cuts than anybody could list,
# * say how often a piece is used over all of them, which is how a vocabulary is learned,
# * draw masks from a distribution that is given, and from no other,
# * measure in bits what data give away that they should not.
#
# | symbol | meaning |
# |---|---|
# | $p(v)$, `log_probs` | the probability of a piece; a dict from pieces to $\ln p$ |
# | a cut | pieces that make up the text, one after the other; its probability is the product of theirs |
# | $Z$ | the sum of the probabilities of all cuts of a text |
# | $\ell$ | the number of words of a span |
#
# **How an answer is looked at.** The cell under each exercise checks your function and says what it found. The check lists all
# cuts, or all masks with their probabilities, of small cases that it draws anew; expected counts are compared with
# finite differences; masks are drawn by the thousand, and their frequencies must fit.

# %%
import math

import numpy as np

from albert_np.labs import check

# %% [markdown]
# Your own numbers. Exercise 3 and the written questions use them.

# %% lab="personal"
PERSONAL = {"text": "aabb", "p_a": 0.25, "p_b": 0.15, "p_ab": 0.2, "p_ba": 0.4, "q": 0.6, "longest": 3}

# %% [markdown]
# ## 1. All cuts of a text, together (15 points)
#
# $$Z = \sum_{\text{cuts } v_1 \dots v_m} \; \prod_{k=1}^m p(v_k)$$
#
# A text of 100 letters may have $2^{99} \approx 6 \cdot 10^{29}$ cuts; at a billion a second they take $2 \cdot 10^{13}$ years.
# But all cuts that end with a piece $v$ have everything before $v$ in common: with $Z_j$ for the first $j$ letters, $Z_0 = 1$,
#
# $$Z_j = \sum_{i < j,\; v = \text{text}[i:j] \text{ a piece}} Z_i \, p(v)$$
#
# Viterbi (notebook 06) has the largest term where this has the sum. Stay with logarithms: the probability of a long text is too
# small for a float. Some places may be the end of no piece. There is a text of 1,600 letters; pieces are short.


# %% lab="answer" id="log_partition"
def log_partition(text, log_probs):
    """Return ln Z of a text, −inf if it has no cut; log_probs: a dict from pieces to ln p."""
    ### BEGIN SOLUTION
    longest = max(map(len, log_probs))
    log_z = [0.0] + [-math.inf] * len(text)  # of the first j letters
    for j in range(1, len(text) + 1):
        ways = [log_z[i] + log_probs[text[i:j]] for i in range(max(0, j - longest), j) if text[i:j] in log_probs]
        if ways and max(ways) > -math.inf:
            log_z[j] = max(ways) + math.log(sum(math.exp(way - max(ways)) for way in ways))
    return log_z[-1]
    ### END SOLUTION


# %% lab="check" id="log_partition"
check("03", "log_partition", log_partition)

# %% [markdown]
# ## 2. How often a piece is used (25 points)
#
# If cuts are drawn by their probability, how often is a piece used on average? These expected counts are the E step by which
# a Unigram vocabulary is learned; the M step divides them by their sum.
#
# $$\langle n_v \rangle = \sum_{\text{cuts}} \frac{p(\text{cut})}{Z}\; n_v(\text{cut}), \qquad
# \langle n_v \rangle = \sum_{\text{places } i,j:\; \text{text}[i:j] = v} \frac{Z_i \; p(v) \; Y_j}{Z}$$
#
# with $Y_j$ for what $Z_j$ is from the other end: the sum over all cuts of the letters from $j$ on. It is no accident that
# $\langle n_v \rangle$ is also a slope, $\partial \ln Z / \partial \ln p(v)$; the check uses that, and so will you, below.


# %% lab="answer" id="expected_counts"
def expected_counts(text, log_probs):
    """Return a dict with the expected count of each piece of log_probs, 0 for all if the text has no cut."""
    ### BEGIN SOLUTION
    longest, size = max(map(len, log_probs)), len(text)
    edges = [
        (i, j, text[i:j])
        for i in range(size)
        for j in range(i + 1, min(i + longest, size) + 1)
        if text[i:j] in log_probs
    ]
    before, after = [0.0] + [-math.inf] * size, [-math.inf] * size + [0.0]
    for i, j, piece in edges:  # in the order of i: all ways to i are known
        before[j] = np.logaddexp(before[j], before[i] + log_probs[piece])
    for i, j, piece in reversed(edges):
        after[i] = np.logaddexp(after[i], log_probs[piece] + after[j])
    counts = dict.fromkeys(log_probs, 0.0)
    for i, j, piece in edges:
        if before[-1] > -math.inf:
            counts[piece] += math.exp(before[i] + log_probs[piece] + after[j] - before[-1])
    return counts
    ### END SOLUTION


# %% lab="check" id="expected_counts"
check("03", "expected_counts", expected_counts)

# %% [markdown]
# ## 3. Holes of several words (20 points)
#
# ALBERT hides spans of one to three words. SpanBERT takes longer ones, the longer the rarer. Draw masks so:
#
# 1. Draw a length: $P(\ell) \propto q^{\,\ell - 1}$ for $\ell = 1, …, R$, with your $q$ = {{q}} and $R$ = {{longest}} words.
#    The probabilities sum to 1: what would be longer than $R$ is left out, not cut to $R$.
# 2. Draw a place for the span, each place equally likely at which all its $\ell$ words are still free. If there is none, the
#    mask is done.
# 3. If its words have more pieces than are left of the budget, the span is dropped and the mask is done. Else its words are
#    masked, all their pieces count, and it goes on at 1.
#
# A row is [CLS], the pieces of all words, [SEP]; `word_sizes` says how many pieces each word has. The special tokens are no words.
# Take random numbers from `rng` alone.


# %% lab="answer" id="span_masks"
def span_masks(word_sizes, budget, rng, n):
    """Return n masks, bool, (n, 2 + sum of word_sizes), True where a piece is masked; rng: a NumPy generator."""
    ### BEGIN SOLUTION
    words, ends = len(word_sizes), np.cumsum([0, *word_sizes])
    chances = PERSONAL["q"] ** np.arange(PERSONAL["longest"])
    borders = np.cumsum(chances / chances.sum()).tolist()
    masks = np.zeros((n, 2 + int(ends[-1])), bool)
    for mask in masks:
        free, left = [True] * words, budget
        while True:
            draw = rng.random()
            length = 1 + sum(draw >= border for border in borders[:-1])
            places = [start for start in range(words - length + 1) if all(free[start : start + length])]
            if not places:
                break
            start = places[int(rng.random() * len(places))]
            pieces = sum(word_sizes[start : start + length])
            if pieces > left:
                break
            left -= pieces
            free[start : start + length] = [False] * length
            mask[1 + ends[start] : 1 + ends[start + length]] = True
    return masks
    ### END SOLUTION


# %% lab="check" id="span_masks"
check("03", "span_masks", span_masks, personal=PERSONAL)

# %% [markdown]
# ## 4. What lengths give away (10 points)
#
# A task over two sentences shall be learned from what they say. If, say, the first is longer more often when the label is 1, a
# model may look at lengths alone. How much do they tell? With $c$ for which sentence is longer (first, second, neither) and $y$
# for the label, in bits:
#
# $$I = \sum_{c,\,y} p(c, y)\; \log_2 \frac{p(c, y)}{p(c)\,p(y)}$$
#
# where $p$ are shares of the pairs. Shares may be 0.


# %% lab="answer" id="leak"
def leak(len_a, len_b, label):
    """Return I in bits, a number; len_a, len_b, label (N,) integers, label 0 or 1."""
    ### BEGIN SOLUTION
    table = np.zeros((3, 2))
    np.add.at(table, (np.sign(len_a - len_b) + 1, label), 1 / len(label))
    apart = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    some = table > 0
    return float(np.sum(table[some] * np.log2(table[some] / apart[some])))
    ### END SOLUTION


# %% lab="check" id="leak"
check("03", "leak", leak)

# %% [markdown]
# ### What a right answer shows
#
# All pieces that a text may be cut into. Each is an arc from where it begins to where it ends, the thicker the more often it is
# used; *re* stands at two places, and both arcs show the mean of the two. Counts times lengths add up to 9, the letters.

# %% lab="figure"
from matplotlib.patches import Arc

from albert_np.plots import COLOURS, new_figure, show

text = "rereading"
shares = dict.fromkeys(text, 0.02) | {
    "re": 0.2,
    "read": 0.1,
    "ing": 0.2,
    "reading": 0.02,
    "ad": 0.03,
    "in": 0.05,
    "rer": 0.004,
}
counts = expected_counts(text, {piece: math.log(share) for piece, share in shares.items()})
figure, ax = new_figure(6, 3.2)
for i in range(len(text)):
    for j in range(i + 1, len(text) + 1):
        if counts.get(text[i:j], 0) > 1e-4:
            share = counts[text[i:j]] / sum(text[k:].startswith(text[i:j]) for k in range(len(text)))
            middle, high, thick = (i + j) / 2, j - i, 0.5 + 7 * share
            ax.add_patch(Arc((middle, 0), high, high, theta2=180, lw=thick, color=COLOURS["blue"]))
            above = {"xytext": (0, thick / 2 + 1), "textcoords": "offset points"}
            ax.annotate(text[i:j], (middle, high / 2), ha="center", va="bottom", fontsize=9, **above)
for k, letter in enumerate(text):
    ax.text(k + 0.5, -0.4, letter, ha="center", fontsize=13)
ax.set(xlim=(-0.2, len(text) + 0.2), ylim=(-0.6, 4.4))
ax.axis("off")
show(
    figure,
    "L3.1",
    "How likely each piece is to be part of a cut.",
    "The word rereading with an arc over each piece: re, read and ing have the thickest arcs, single letters the thinnest. Equal pieces have arcs of their mean thickness.",
)

# %% [markdown]
# ### For the board: three steps
#
# No points. Choose pieces for this text and improve their probabilities by three EM steps: expected counts, divided by their sum.
# The board has bits per character, $-\log_2 Z$ over the number of letters. No more than 300 pieces.

# %% lab="figure"
verse = (
    "the sea lay still and the sand lay still and the sun went down behind the hill and what the sea had brought the sand "
    "it took again with a careless hand and what the sand had kept all day the sea came in and took away "
)


def chosen_pieces(text):
    """Return at most 300 pieces that any text of these letters can be cut into."""
    ### BEGIN SOLUTION
    found = [text[i : i + n] for n in range(2, 9) for i in range(len(text) - n + 1)]
    often = sorted(
        {piece for piece in found if found.count(piece) > 1}, key=lambda piece: -(len(piece) - 1) * found.count(piece)
    )
    return [*sorted(set(text)), *often[: 300 - len(set(text))]]
    ### END SOLUTION


# %% lab="figure"
pieces = chosen_pieces(verse)
log_probs = dict.fromkeys(pieces, -math.log(len(pieces)))
for step in range(4):
    print(f"after {step} steps: {-log_partition(verse, log_probs) / math.log(2) / len(verse):.3f} bits per character")
    counts = expected_counts(verse, log_probs)
    total = sum(counts.values())
    log_probs = {piece: math.log(max(count, 1e-12) / total) for piece, count in counts.items()}

# %% [markdown] lab="written" id="lattice" points=10
# ## 5. A lattice by hand (10 points)
#
# The text {{text}}, with $p(\mathrm a)$ = {{p_a}}, $p(\mathrm b)$ = {{p_b}}, $p(\mathrm{ab})$ = {{p_ab}}, $p(\mathrm{ba})$ = {{p_ba}}.
#
# 1. (3) Draw the lattice. List all cuts with their probabilities, and give $Z$.
# 2. (3) Give $Z_0, …, Z_4$ and $Y_0, …, Y_4$. Which of the $Y_j$ equals $Z_4$ whatever the probabilities are, and why?
# 3. (2) Give the expected count of $\mathrm{ab}$ and of $\mathrm a$. Why is $\sum_v \langle n_v\rangle\,|v| = 4$?
# 4. (2) Which cut does Viterbi take, and what is its share of $Z$? What does a tokenizer that takes it not tell?

# %% [markdown] lab="solution"
# The next cell lists them. $Z_4 = Y_0 = Z$: both are the sum over all cuts of the whole text. Each cut has pieces of four letters
# together, so the average has. The share that is not the best cut's is the doubt about it, which the ids do not show.

# %% lab="solution"
shares = {piece: PERSONAL[f"p_{piece}"] for piece in ("a", "b", "ab", "ba")}


def all_cuts(text):
    if not text:
        return [[]]
    return [[piece, *rest] for piece in shares if text.startswith(piece) for rest in all_cuts(text[len(piece) :])]


text = PERSONAL["text"]
total = sum(math.prod(shares[piece] for piece in cut) for cut in all_cuts(text))
for cut in all_cuts(text):
    chance = math.prod(shares[piece] for piece in cut)
    print(f"{' '.join(cut):<10}{chance:.6f}  share {chance / total:.3f}")
print(f"Z = {total:.6f}")
for j in range(5):
    sums = [sum(math.prod(shares[piece] for piece in cut) for cut in all_cuts(part)) for part in (text[:j], text[j:])]
    print(f"Z_{j} = {sums[0]:.6f}, Y_{j} = {sums[1]:.6f}")
print({piece: round(n, 4) for piece, n in expected_counts(text, {k: math.log(v) for k, v in shares.items()}).items()})

# %% [markdown] lab="written" id="slope" points=10
# ## 6. Why a slope counts (10 points)
#
# 1. (4) Write $Z = \sum_{\text{cuts}} \exp\big(\sum_v n_v(\text{cut}) \ln p(v)\big)$ and derive
#    $\partial \ln Z/\partial \ln p(v) = \langle n_v\rangle$. Where else in this course is the slope of a log of a sum of
#    exponentials an average?
# 2. (3) What is $\partial^2 \ln Z / \partial (\ln p(v))^2$ in words? Conclude that a piece with a count that is the same in every
#    cut has none.
# 3. (3) $\ln Z$ shall grow while $\sum_v p(v) = 1$. Show with a Lagrange multiplier that at a maximum
#    $p(v) = \langle n_v\rangle / \sum_w \langle n_w\rangle$. Why must it be done more than once?

# %% [markdown] lab="solution"
# 1. $\frac1Z\frac{\partial Z}{\partial \ln p(v)} = \frac1Z\sum_{\text{cuts}} n_v\, p(\text{cut})$. As in softmax: the slope of
#    $\ln\sum_k e^{\ell_k}$ is $p_k$ (notebook 04).
# 2. The variance of $n_v$ over cuts drawn by their probability. If $n_v$ never varies, it is 0.
# 3. $\partial/\partial p(v)$ of $\ln Z - \lambda(\sum p - 1)$: $\langle n_v\rangle/p(v) = \lambda$; summed over $v$,
#    $\lambda = \sum_w\langle n_w\rangle$. The counts depend on $p$ themselves: it is an equation for a fixed point.

# %% [markdown] lab="written" id="holes" points=10
# ## 7. How much a hole hides (10 points)
#
# With your $q$ = {{q}} and $R$ = {{longest}}.
#
# 1. (3) Give $P(\ell)$ for $\ell = 1, …, R$ and its mean, to three digits. What are they if lengths are cut to $R$ instead?
# 2. (2) Somebody draws a place first and then a length that fits. Which words are masked more often than with your rule, and
#    which more seldom?
# 3. (2) The mask is done with the first span that does not fit. Somebody draws again instead until one fits. How does
#    the distribution of lengths among masked spans change, and why does it matter what the budget is?
# 4. (3) A task takes as its negative pairs a sentence and one from another document, cut to fill the row; its positive pairs are
#    neighbours. Name two ways in which lengths or words tell the label. Why do swapped neighbours (SOP) not have them, and
#    what would `leak` measure on them?

# %% [markdown] lab="solution"
# 1. The next cell has the numbers.
# 2. Near the end only short spans fit, and every place begins as many spans as any other: the last words are masked more often
#    than with the rule, under which a long span near the end is as likely as elsewhere and a place there begins few. The first
#    word begins one of $W$ places instead of one of $W - \ell + 1$: it is masked somewhat more seldom.
# 3. Short spans become more frequent, as they fit into what is left; the smaller the budget, the more of all spans are the last one.
# 4. Topic words that do not recur; lengths that depend on how the second was cut. Swapped neighbours have the same two sentences
#    with either label, so every length occurs in both orders; `leak` is 0 but for chance.

# %% lab="solution"
q, longest = PERSONAL["q"], PERSONAL["longest"]
left_out = q ** np.arange(longest) / sum(q ** np.arange(longest))
cut_to = np.append((1 - q) * q ** np.arange(longest - 1), q ** (longest - 1))
for name, chances in (("left out", left_out), ("cut to R", cut_to)):
    print(f"{name}: {chances.round(3)}, mean {chances @ np.arange(1, longest + 1):.3f}")

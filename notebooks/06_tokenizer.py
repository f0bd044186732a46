# %% [markdown]
# # 06 · SentencePiece and Unigram
#
# **50 minutes.** You need: Python, and that the logarithm turns products into sums. You will be able to
#
# * follow a sentence from raw text to the row `[CLS] A [SEP] B [SEP]` by hand,
# * derive Viterbi's algorithm and write it in a dozen lines,
# * say what a larger vocabulary buys, and what it costs.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $c_0 … c_{n-1}$ | (n) | the characters of a cleaned text |
# | $v$, $s_v$ | | a piece and its score, $s_v = \log p_v$ |
# | $V$ | | number of pieces |
# | $\alpha_j$ | (n+1) | best score of the first $j$ characters |
# | `input_ids` | (T) | numbers of the pieces: all that the model ever sees |
# | `token_type_ids` | (T) | 0 for the first text, 1 for the second |
# | `special_tokens_mask` | (T) | 1 for [CLS] and [SEP], 0 for text |
#
# Nothing in this notebook has a gradient. It decides what the rest of the course computes with.

# %% [markdown]
# ## 1. Clean the text
#
# ALBERT's vocabulary has no capitals and no accents. So a text goes through four small steps before it is cut:
#
# 1. spaces at the ends go, runs of spaces become one;
# 2. the typewriter's quotes ` `` ` and `''` become `"`;
# 3. every character is taken apart (Unicode's form NFKD), and marks that combine with a letter are dropped: é → e + ´ → e;
# 4. lower case.
#
# **Predict** what each line becomes. Three of them hold a surprise: a ligature (one character, ﬁ), a superscript, a German ß.

# %%
import unicodedata

from albert_np.tokenization import Normalizer

normalizer = Normalizer()
for raw in ["  Déjà   vu ", "``ALBERT''", "ﬁne-tuned", "10² m", "Straße", "naïve İstanbul"]:
    step1 = " ".join(raw.split())
    step2 = step1.replace("``", '"').replace("''", '"')
    step3 = "".join(c for c in unicodedata.normalize("NFKD", step2) if not unicodedata.combining(c))
    step4 = step3.lower()
    assert step4 == normalizer(raw)  # the package does the same
    print(f"{raw!r:<18} → {step4!r}")

# %% [markdown]
# NFKD knows that ﬁ is f and i. It also knows that ² is a kind of 2, and so "10²" became "102". It leaves ß alone, which
# is a letter and not an s with a mark.
# What is lost here is lost for good: no model that reads cleaned text can tell *Polish* from *polish*.
#
# SentencePiece adds one thing of its own. It writes a space as a visible character, ▁, and puts one before the first
# word. Then pieces alone spell the text, spaces too, and joining them gives it back.

# %% [markdown]
# ## 2. A model of pieces
#
# A Unigram model is a list of pieces with probabilities. It pretends that a text is written by drawing pieces one after
# another, each without regard to the others. Cut a text into pieces $x_1 … x_k$; the cut's probability is a product, and
# its logarithm a sum:
#
# $$P(x_1 … x_k) = \prod_{i} p_{x_i}, \qquad \log P = \sum_i s_{x_i} \tag{6.1}$$
#
# A text of $n$ characters has $n-1$ places where one may cut or not: $2^{n-1}$ ways. The tokenizer takes the likeliest,
#
# $$x^* = \arg\max_{x_1 … x_k \,=\, c_0 … c_{n-1}} \;\sum_i s_{x_i} \tag{6.2}$$
#
# **By hand first.** A vocabulary of eight letters, each with the score −5, and four longer pieces:
#
# | piece | lamp | lamps | shade | sh | each of l a m p s h d e |
# |---|---|---|---|---|---|
# | score | −3 | −4 | −4 | −4.5 | −5 |
#
# How would you cut *lampshade*? A reader in a hurry takes the longest piece that fits, then again the longest. What does
# that cut score, and is there a better one? Decide before you look at the figure.

# %%
from albert_np.course.figures import lattice_figure
from albert_np.plots import show
from albert_np.tokenization import Kind, Piece, Unigram

scores = {**dict.fromkeys("lampshde", -5.0), "lamp": -3.0, "lamps": -4.0, "shade": -4.0, "sh": -4.5}
unigram = Unigram([Piece("<unk>", 0.0, Kind.UNKNOWN), *(Piece(p, s, Kind.NORMAL) for p, s in scores.items())])


def longest_first(unigram, text):
    """The cut of a reader in a hurry: at every place the longest piece that fits."""
    path, place = [], 0
    while place < len(text):
        path.append(list(unigram.edges_from(text, place))[-1])  # they come shortest first
        place = path[-1].end
    return path


def total(path):
    return sum(edge.score for edge in path)


word = "lampshade"
best, hasty = unigram.best_path(word), longest_first(unigram, word)
for name, path in (("longest first", hasty), ("best", best)):
    print(f"{name:<14} {' · '.join(edge.piece for edge in path):<24} score {total(path):g}")

# %%
alpha = [total(unigram.best_path(word[:j])) for j in range(len(word) + 1)]
names = (f"the best path, {total(best):g}", f"longest piece first, {total(hasty):g}")
figure = lattice_figure(word, unigram.lattice(word), best, hasty, alpha, names)
show(
    figure,
    "6.1",
    "The lattice of a word: every path from left to right is a cut.",
    "The word lampshade as ten places in a row with arcs for pieces. The best path, lamp and shade, is strong and blue, "
    "above; the hasty path, lamps, h, a, d, e, is red, below.",
)

# %% [markdown]
# This picture is the **lattice**: places between characters are nodes, pieces that fit are edges, a cut is a path from
# left to right. The hasty path took *lamps*, and the rest, *hade*, fell into letters.

# %% [markdown]
# ## 3. Viterbi's algorithm
#
# Trying $2^{n-1}$ paths is out of the question; a sentence of 100 characters has $2^{99} \approx 6\cdot10^{29}$ of them. But a path to place
# $j$ has a last edge. It comes from some place $i$, and what stands before $i$ does not care what follows:
#
# $$\text{score of a path to } j \;=\; \text{score of its part up to } i \;+\; s_{c_i … c_{j-1}} \tag{6.3}$$
#
# The second term is fixed by $i$ and $j$. The first is at most $\alpha_i$, the best score up to $i$, and there is a path
# that reaches it. So the best path to $j$ is the best choice of the last edge, nothing more:
#
# $$\boxed{\;\alpha_0 = 0, \qquad \alpha_j = \max_{i<j,\; c_i … c_{j-1} \text{ is a piece}} \big(\alpha_i + s_{c_i … c_{j-1}}\big)\;} \tag{6.4}$$
#
# $$b_j = \text{the } i \text{ that reached the maximum}; \qquad \text{the path, from its end: } n,\; b_n,\; b_{b_n},\; …,\; 0 \tag{6.5}$$
#
# If the longest piece has $m$ characters, that is at most $n\,m$ sums. The blue numbers in the figure are $\alpha$. Check
# two by hand: $\alpha_6 = \max(\alpha_5 - 5,\; \alpha_4 - 4.5) = \max(-9, -7.5)$, and $\alpha_9 = \max(\alpha_8 - 5,\; \alpha_4 - 4)$.
#
# **A character that no piece has** would break the lattice. It gets an edge of its own, worse than every piece,
#
# $$s_{\text{unknown}} = \min_v s_v - 10 \tag{6.6}$$
#
# The edge is there only for a character that is no piece by itself, and then it competes like any other. Mostly it wins
# only where nothing else fits, but not always. Say "xy" and "y" score −12, "yyyy" −1, and "x" is no piece, so unknown: −22.
# "xyyyy" could be cut without the unknown, xy · y · y · y, for −48; x · yyyy has −23 and wins.
#
# **Ties** are broken by order: the first path found is kept.

# %% [markdown]
# ## 4. Your turn: the best cut  (difficulty 3 of 5, 15 minutes)
#
# Write (6.4), (6.5) and (6.6). `scores` maps pieces to scores. Return the pieces in the order of the text. A single
# character that is no piece scores `min(scores.values()) - 10`; a longer string that is no piece is no edge.
#
# <details><summary>Hint 1: the idea</summary>
#
# Two lists of length n + 1: the best score up to each place, and where its last piece begins. Fill them from left to
# right, then walk back from the end.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# For every `end`, over all `start < end`: the candidate is `best[start] + score(text[start:end])`. Keep the highest and its
# `start`. Scores are negative, so begin with minus infinity, not with 0.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# best, start_of = [0.0] + [float("-inf")] * len(text), [0] * (len(text) + 1)
# for end in range(1, len(text) + 1):
#     for start in range(end):
#         piece = text[start:end]
#         ...                       # skip what is no edge
#         score = ...
#         if score > best[end]:
#             ...
# ...                               # then back, from end = len(text) to 0
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson06


def viterbi(text, scores):
    """text: a string; scores: piece → score. Returns the list of pieces whose scores sum highest."""
    raise NotImplementedError


lesson06.check_viterbi(viterbi)

# %% [markdown]
# ## 5. Learn a vocabulary
#
# Where do the pieces and their probabilities come from? From text, without any labels. Training makes the text as
# likely as possible, counting every way to cut it,
#
# $$\mathcal L = \sum_{\text{sentences}} \log \sum_{x \,=\, \text{a cut of the sentence}} \;\prod_i p_{x_i} \tag{6.7}$$
#
# and it starts from far too many pieces: all frequent strings. Then two steps take turns. Given the $p$, count how often
# each piece is used, every cut weighted by its probability, and set the new $p$ to these counts, divided by their sum. And
# throw away the pieces that $\mathcal L$ would miss least, until $V$ are left. Single characters stay, so that any word
# can be spelt. (Kudo, 2018. The library does this; `train_vocabulary` gives it ALBERT's settings.)
#
# Our text: 3,000 sentences of Python's own manual, which you already have.

# %%
import tempfile
from itertools import chain, islice
from pathlib import Path

from albert_np.pretraining import python_prose
from albert_np.tokenization import train_vocabulary

sentences = list(islice(chain.from_iterable(python_prose()), 3000))
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
SIZES = (100, 250, 500, 1000, 2000)
tokenizers = {V: train_vocabulary(sentences, folder / f"{V}.model", V) for V in SIZES}

tokenizer = tokenizers[2000]
print("the first 20 pieces:", *tokenizer.model.pieces[:20])
print("the last 10 pieces: ", *tokenizer.model.pieces[-10:])

# %% [markdown]
# First `<pad>`, `<unk>` and ALBERT's three special tokens; then eight signs that always stand alone; then pieces by
# frequency. One sentence at three sizes, letters below each other:

# %%
from albert_np.course.figures import segmentations_figure

sentence = "The interpreter remembers the names of unreachable objects."
cuts = {V: tokenizers[V].tokenize(sentence) for V in (100, 500, 2000)}
figure = segmentations_figure({f"V = {V:,}: {len(pieces)} pieces": pieces for V, pieces in cuts.items()})
show(
    figure,
    "6.2",
    "One sentence, cut with three vocabularies.",
    "One sentence cut with 100, 500 and 2,000 pieces: from single letters to nearly whole words.",
)

# %% [markdown]
# Small vocabularies spell, large ones read words. Endings such as *-s* and *-able* come out by themselves; nobody told the
# model about grammar. But look closely: a piece is what *pays*, not what has a meaning.
#
# A larger vocabulary makes shorter rows, and attention's cost grows with the square of a row's length. What does it
# cost? A row of the embedding table for every piece. **Predict:** do ten times as many pieces make rows ten times shorter?

# %%
from matplotlib.figure import Figure

from albert_np.plots import COLOURS

lengths = [sum(map(len, tokenizers[V].encode_lines(sentences))) / len(sentences) for V in SIZES]
figure = Figure(figsize=(8.4, 2.9), layout="constrained")
left, right = figure.subplots(1, 2)
left.plot(SIZES, lengths, "o-", color=COLOURS["blue"])
left.set(title="pieces per sentence", xlabel="pieces in the vocabulary, V", ylim=(0, None))
E, H = 128, 768
right.plot(SIZES, [V * H / 1e6 for V in SIZES], "o-", color=COLOURS["vermillion"], label=f"V × H, H = {H}")
right.plot(SIZES, [(V * E + E * H) / 1e6 for V in SIZES], "o-", color=COLOURS["green"], label=f"V × E + E × H, E = {E}")
right.set(title="numbers in the embedding, millions", xlabel="pieces in the vocabulary, V", ylim=(0, None))
right.legend(frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
show(
    figure,
    "6.3",
    "What a larger vocabulary gains, and what it costs.",
    "Two curves over the size V of the vocabulary: pieces per sentence, and the numbers of the embedding table.",
)

# %% [markdown]
# The gain flattens, the cost is a straight line. ALBERT takes $V = 30{,}000$, and makes the line less steep by embedding
# factorisation (嵌入分解), the green one: notebook 07.
#
# ## 6. There and back, and what is lost
#
# Joining the pieces gives the *cleaned* text back. A character that the vocabulary never saw becomes `<unk>`, and that
# is the one thing that cannot be undone.

# %%
for text in ("The interpreter remembers.", "Zürich  is   NOT forgotten.", "A snake: 🐍 or 蛇."):
    ids = tokenizer.encode(text, add_special_tokens=False)
    print(f"{text!r:<32} → {tokenizer.decode(ids)!r:<34} unknown: {ids.count(tokenizer.unk_token_id)}")

rows = zip(sentences, tokenizer.encode_lines(sentences), strict=True)
complete = [(s, ids) for s, ids in rows if tokenizer.unk_token_id not in ids]
assert all(tokenizer.decode(ids) == normalizer(s) for s, ids in complete)
print(f"{len(complete):,} of {len(sentences):,} sentences have no unknown character, and all of these come back")

# %% [markdown]
# A few of the sentences that taught the vocabulary have an unknown character themselves: signs too rare to be worth a
# piece. ALBERT's setting covers 99.995 % of all characters, not 100 %.

#
# **One rule more.** Where years are common, a digit and the comma behind it can become one piece. ALBERT takes such
# pieces apart again: a piece that ends in a digit and a comma is cut once more without the comma. Before you run the
# cell, in which 2012 is common: what becomes of "9,000"?

# %%
from albert_np.tokenization import ends_in_digit_comma

years = [f"In {year}, the release came." for year in (2010, 2012) for _ in range(60)]
with_years = train_vocabulary(sentences + years, folder / "years.model", 1000)
pieces = [p for p in with_years.model.pieces if ends_in_digit_comma(p)]
print("pieces that end in a digit and a comma:", pieces)
print("the library:", Unigram.from_model(with_years.model).pieces("▁in▁2012,▁the▁release"))
print("ALBERT:     ", with_years.tokenize("In 2012, the release"))
print("and 9,000:  ", with_years.tokenize("9,000"))

# %% [markdown]
# The rule looks at the end of a *piece*, wherever in a number that piece stands: the "2," of "2,000" is taken apart too. Here
# "9," is no piece, so there was nothing to undo. Only a comma *inside* a piece would stay: "9,000", if it were one.

# %% [markdown]
# ## 7. The row that the model reads
#
# A pretraining example is two texts, A and B, in one row, with marks around them:
#
# $$[\text{CLS}]\; A\; [\text{SEP}]\; B\; [\text{SEP}], \qquad T = |A| + |B| + 3 \tag{6.8}$$
#
# [CLS] is a place for what is true of the whole row; the sentence-order prediction (句序预测) is read from it. The marks
# are pieces of the vocabulary with numbers of their own, which Unigram never cuts out of a text. (Whoever writes the five
# characters [SEP] into a text does get the mark.) Which half a token is in is said by its type:
#
# $$\text{type}_t = \begin{cases} 0 & t < |A| + 2 \quad\text{([CLS], A and the first [SEP])} \\ 1 & \text{else (B and the last [SEP])} \end{cases} \tag{6.9}$$

# %%
from albert_np.course.figures import pair_figure

row = tokenizer("The name is bound.", "A value is assigned.", return_special_tokens_mask=True)
tokens = tokenizer.convert_ids_to_tokens(row["input_ids"])
show(
    pair_figure(tokens, row["token_type_ids"], row["special_tokens_mask"]),
    "6.4",
    "A pair as the model reads it: marks, two texts, two types.",
    "A row of tokens: [CLS], the first text and [SEP] blue, of type 0; the second text and its [SEP] orange, of type 1.",
)
print("input_ids:", row["input_ids"])

# %% [markdown]
# ## 8. Your turn: `[CLS] A [SEP] B [SEP]`  (difficulty 2 of 5, 10 minutes)
#
# Write (6.8) and (6.9). `a` and `b` are lists of ids, `cls` and `sep` the ids of the marks. Return three lists of length $T$.
#
# <details><summary>Hint 1: the idea</summary>
#
# Each list has five parts: [CLS], A, [SEP], B, [SEP]. The special mask goes by *place*, not by number.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $|A| + 2$ zeros, then $|B| + 1$ ones, for the types.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# input_ids = [cls, *a, ...]
# token_type_ids = [0] * ... + [1] * ...
# special_tokens_mask = [1] + [0] * len(a) + ...
# ```
# </details>


# %% tags=["exercise"]
def build_pair(a, b, cls, sep):
    """a, b: lists of ids; cls, sep: ids. Returns (input_ids, token_type_ids, special_tokens_mask), three lists."""
    raise NotImplementedError


lesson06.check_build_pair(build_pair)

# %% [markdown]
# ## 9. Checks
#
# There is no gradient to check here. Instead, first: the formula (6.4), as it stands, against the package's Viterbi, on
# random strings of the small vocabulary with unknown characters in them.

# %%
import random
from functools import cache

rng = random.Random(6)
unknown = min(scores.values()) - 10  # (6.6)
for _ in range(200):
    text = "".join(rng.choices("lampshde?", k=rng.randint(1, 25)))

    @cache
    def alpha_of(j, text=text):
        if j == 0:
            return 0.0
        found = [(i, scores.get(text[i:j], unknown if j == i + 1 else None)) for i in range(j)]
        return max(alpha_of(i) + s for i, s in found if s is not None)  # (6.4)

    assert abs(alpha_of(len(text)) - total(unigram.best_path(text))) < 1e-4

# %% [markdown]
# Second: the readable Viterbi against the SentencePiece library itself, written in C++. Not nearly the same, but the
# same ids.

# %%
from sentencepiece import SentencePieceProcessor

library = SentencePieceProcessor(model_file=str(folder / "2000.model"))
ours = Unigram.from_model(tokenizer.model)
noise = ["".join(rng.choices("abcdeilnorst ,.(0123é蛇", k=40)) for _ in range(100)]
checked = 0
for text in map(normalizer, sentences[:300] + noise):
    ids = [i for _, i in ours.pieces(tokenizer.model.normalize(text))]
    assert ids == library.encode(text), text
    checked += len(ids)
print(f"{checked:,} ids, all equal")

# %% [markdown]
# ## 10. What breaks if…
#
# **…one takes the longest piece first?** It is simpler and looks fine on most words. Count on real sentences:

# %%
normalized = [tokenizer.model.normalize(normalizer(s)) for s in sentences[:500]]
paths = [(ours.best_path(text), longest_first(ours, text)) for text in normalized]
differing = [(b, h) for b, h in paths if b != h]
lost = sum(total(b) - total(h) for b, h in differing) / len(differing)
print(
    f"{len(differing)} of {len(paths)} sentences are cut otherwise; on average they become e^{lost:.1f} times less likely"
)
b, h = max(differing, key=lambda pair: (total(pair[0]) - total(pair[1])) / len(pair[0]))
changed = sorted(set(b) ^ set(h))
print("best:         ", *[edge.piece for edge in b if edge in changed])
print("longest first:", *[edge.piece for edge in h if edge in changed])

# %% [markdown]
# **…the text is not cleaned?** The vocabulary has no capitals. Each becomes `<unk>`, and the model reads holes. Nothing
# fails, no error is raised; results are just bad. This is a common bug with models trained on lower case.

# %%
raw = "NumPy Is Written In C And Python."
for name, text in (("cleaned", normalizer(raw)), ("as it is", raw)):
    ids = library.encode(text)
    print(f"{name:<9} {ids.count(tokenizer.unk_token_id)} unknown of {len(ids)}: {library.decode(ids)!r}")
temporary.cleanup()

# %% [markdown]
# ## Three questions
#
# 1. All scores are multiplied by 2. Which cuts change? And if 1 is subtracted from every score?
# 2. A piece of the vocabulary is never part of a best path. Can that be?
# 3. Two texts of 300 tokens each are to go into a row of 512. How many tokens must go, and why not 88?
#
# <details><summary>Answers</summary>
#
# 1. Doubling changes nothing: every sum doubles, and the largest stays the largest. (Unknown characters could differ,
#    since the 10 of (6.6) does not double.) Subtracting 1 from each favours cuts with fewer pieces.
# 2. Yes: *abc* with score −9 never wins if *ab* and *c* have −4 each. Training throws such pieces out first, since the
#    likelihood would miss them least.
# 3. 600 + 3 marks = 603, so 91 must go. Who forgets the marks cuts off the last [SEP].
# </details>
#
# Next: 07, how an id becomes a vector, and why ALBERT takes two steps to it.

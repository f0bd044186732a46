# %% [markdown]
# # 06 · SentencePiece and Unigram
#
# **75 minutes**, and 45 for the exercises of section 11. You need: Python, and that the logarithm turns products into sums. You will be able to
#
# * follow a sentence from raw text to the row `[CLS] A [SEP] B [SEP]` by hand,
# * derive Viterbi's algorithm, write it in a dozen lines, and find the text on which a faulty one fails,
# * say what a larger vocabulary buys, and what it costs,
# * tell Unigram, WordPiece and BPE apart.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $c_0 … c_{n-1}$ | (n) | the characters of a cleaned text |
# | $v$, $s_v$ | | a piece and its score, $s_v = \log p_v$ |
# | $V$ | | number of pieces |
# | $\alpha_j$ | (n+1) | best score of the first $j$ characters |
# | $b_j$ | (n+1) | where the last piece of that best cut begins |
# | `input_ids` | (T) | numbers of the pieces: all that the model ever sees |
# | `token_type_ids` | (T) | 0 for the first text, 1 for the second |
# | `special_tokens_mask` | (T) | 1 for [CLS] and [SEP], 0 for text |
#
# Nothing in this notebook has a gradient. It decides what the rest of the course computes with.

# %% [markdown]
# ## A question first
#
# Two sentences of five words, and the tokenizer of a small ALBERT that was trained on prose about Python. A model reads
# pieces, not words. **How many pieces do you expect for each sentence?** Decide, then run.

# %%
from albert_np.course import data_folder
from albert_np.tokenization import AlbertTokenizer

trained = AlbertTokenizer.from_pretrained(data_folder() / "small-albert")
for text in ("The interpreter calls the function.", "The elephant admires the violin."):
    pieces = trained.tokenize(text)
    print(f"{len(pieces):2} pieces:", *pieces)

# %% [markdown]
# The same grammar, nearly as many letters, and one row is far longer: it takes far more of the model's room and says no more.
# Who decided that *interpreter* is one piece and *elephant* is none? Why is it cut just *there*?
# Nobody wrote a list. Both answers come out of one formula, in section 3.

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
# $$p(x_1 … x_k) = \prod_{i} p_{x_i}, \qquad \log p(x_1 … x_k) = \sum_i s_{x_i} \tag{6.1}$$
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
#
# Now the question from the beginning. The same formula with the scores of the trained tokenizer; a short word can still be
# cut in every way, to see which cuts come after the best.

# %%
from itertools import combinations, pairwise

learned = Unigram.from_model(trained.model)
for word in ("▁interpreter", "▁elephant"):
    ways = [(0, *c, len(word)) for k in range(len(word)) for c in combinations(range(1, len(word)), k)]
    cuts = [[word[i:j] for i, j in pairwise(places)] for places in ways]
    known = {p: learned.entries[p][1] for cut in cuts for p in cut if p in learned.entries}  # piece → score
    scored = sorted(((sum(map(known.get, cut)), cut) for cut in cuts if set(cut) <= known.keys()), reverse=True)
    print(f"{len(cuts):,} ways to cut {word}, {len(scored)} of them into pieces of the vocabulary; the best three:")
    for score, cut in scored[:3]:
        print(f"   {score:7.2f}  {' · '.join(cut)}")
assert [edge.piece for edge in learned.best_path(word)] == scored[0][1]

# %% [markdown]
# *interpreter* is a piece because it is frequent in what was read, and as one piece it scores higher than as any two, though it
# *can* be cut in more ways than *elephant*. That word is rare there, and has to be put together from scraps. When a string
# is worth a piece of its own is section 5. Where a word is cut has nothing to do with its syllables: it is the least
# improbable of the cuts there are.

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


report = lesson06.check_viterbi(viterbi)

# %% [markdown]
# ### A text that breaks it  (difficulty 2 of 5, 10 minutes)
#
# Here is somebody else's answer. It finds *lamp · shade*, and everything else that its author tried. It has one wrong number.
# Read it: which one, and why did the author think that it would do?

# %%
import inspect

print(inspect.getsource(lesson06.almost_viterbi))
for text in ("lampshade", "shadelampslamp", "lam?p"):
    print(f"{text:<15}", *lesson06.almost_viterbi(text, scores))

# %% [markdown]
# A bug is understood when one can say *when* it shows. Return a text that this function cuts wrongly, by the scores of the
# lamp (section 2). Then a shorter one: how short can it be?
#
# <details><summary>Hint 1: the idea</summary>
#
# Compare its first line with that of hint 3 above. Then ask which texts make the two differ.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# A place whose best score $\alpha_j$ is not above the number that it starts with is never written to. Which $\alpha_j$ are that low?
# A character that no piece has costs −15 (6.6).
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return "..." * ...
# ```
# </details>


# %% tags=["exercise"]
def breaks_it():
    """Returns a text of which `almost_viterbi` does not find the best cut."""
    raise NotImplementedError


lesson06.check_counterexample(breaks_it)

# %% [markdown]
# <details><summary>What it does there</summary>
#
# A place whose best score is −100 or less stays as it was: score −100, last piece from place 0. If it is the last place, the
# whole text comes back as one "piece" that is none; and later places build on a score that no path has. With words nobody
# notices. A sentence of real text, 100 characters at −7 a piece, gets there. Numbers that stand for "nothing yet" must be
# worse than anything that can come: minus infinity is.
# </details>

# %% [markdown]
# ## 5. Learn a vocabulary
#
# Where do the pieces and their probabilities come from? From text, without any labels. Training makes the text as
# likely as possible, counting every way to cut it,
#
# $$\mathcal L = \sum_{\text{sentences}} \log \sum_{x \,=\, \text{a cut of the sentence}} \;\prod_i p_{x_i} \tag{6.7}$$
#
# and it starts from far too many pieces: all frequent strings. Then two steps take turns. Given the $p$, count how often
# each piece is used, every cut weighted by its probability, and set the new $p$ to these counts, divided by their sum: a
# step of **expectation-maximisation** (EM), which section 11 lets you write. And
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
from albert_np.course.figures import sizes_figure

lengths = [sum(map(len, tokenizers[V].encode_lines(sentences))) / len(sentences) for V in SIZES]
show(
    sizes_figure(SIZES, lengths, H=768, E=128),
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


pair_report = lesson06.check_build_pair(build_pair)

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
# Third: your own two functions (until they have passed, the package's), on real sentences. Your pieces must score as much as
# the library's, and your rows must be the tokenizer's own.

# %%
own_viterbi = report.yours(lesson06.package_viterbi)
own_pair = pair_report.yours(lesson06.package_build_pair)
piece_scores = {piece: score for piece, (_, score) in ours.entries.items()}
same = 0
for text in map(tokenizer.model.normalize, map(normalizer, sentences[:40])):
    mine, best = own_viterbi(text, piece_scores), ours.best_path(text)
    assert abs(sum(piece_scores.get(p, ours.unk_score) for p in mine) - total(best)) < 1e-3, text
    same += mine == [edge.piece for edge in best]
print(f"40 sentences cut as well as the library does, {same} of them into the very same pieces")

for a, b in pairwise(sentences[:40]):
    row = tokenizer(a, b, return_special_tokens_mask=True)
    parts = (tokenizer.encode(text, add_special_tokens=False) for text in (a, b))
    mine = own_pair(*parts, tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert [list(part) for part in mine] == [row[name] for name in lesson06.LISTS]
print("39 rows, [CLS] A [SEP] B [SEP], all as the tokenizer's")

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

# %% [markdown]
# ## 11. More exercises
#
# ### Byte-pair encoding, by hand and in code  (difficulty 3 of 5, 25 minutes)
#
# GPT's tokenizers learn the other way round: from letters upwards, without probabilities. Cut all words into letters. Find
# the pair of neighbouring pieces that occurs most often; make it one piece wherever it stands; repeat. The list of these
# **merges**, in order, *is* the tokenizer: a new word is cut into letters, and the merges are made in it, one after another.
#
# On paper first. Five words: lamp occurs 5 times, lamps 2, shade 3, shades 2, lampshade 1. Which are the first
# three merges (of equally frequent pairs, the first one met, reading in this order)? How is *lampshade* cut after eight?
# And will *ps* ever become a piece?
#
# <details><summary>Answers</summary>
#
# *la*, *am* and *mp* all occur 5 + 2 + 1 = 8 times; *la* is met first. Now *am* is gone where *la* stands, and la · m occurs 8 times,
# as does m · p: *lam*, then *lamp*. Next sh · a and so on, 6 times each: *sh*, *sha*, *shad*, *shade*. That is seven. The eighth is
# lamp · s or shade · s, 2 each (in *lampshade* the s has gone into *shade*); *lamps* is met first. So: lamp · shade. *ps*
# never: its p was taken by *lamp*, long before *p · s* was the most frequent of all. A greedy choice is not taken back.
# </details>
#
# Now write it. `words` maps words to how often they occur. Return at most `count` pairs (left, right), fewer if no pair is left.
#
# <details><summary>Hint 1: the idea</summary>
#
# Keep a list of pieces for each word. Each round: count pairs over all words, choose one, and make the list of each word anew.
# </details>
# <details><summary>Hint 2: the details</summary>
#
# A word that occurs n times adds n to each of its pairs. Python's dictionaries keep their order, and `max` returns the first
# of several. Go through a word from the left, and step over both pieces of a pair that was merged.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# cut, merges = {word: list(word) for word in words}, []
# for _ in range(count):
#     pairs = Counter()
#     ...                        # for every word and every two neighbours
#     if not pairs:
#         break
#     merges.append(max(pairs, key=...))
#     ...                        # make the pair one in every list of pieces
# return merges
# ```
# </details>


# %% tags=["exercise"]
def bpe_merges(words, count):
    """words: text → how often; returns the first `count` merges, pairs of pieces."""
    raise NotImplementedError


bpe_report = lesson06.check_bpe_merges(bpe_merges)

# %% [markdown]
# Yours (until it has passed, the course's) on the manual. **Predict** the first merge before you look: what do more English words
# begin with, or end in, than anything else?

# %%
from collections import Counter

own_merges = bpe_report.yours(lesson06.course_bpe_merges)
words = dict(Counter("▁" + word for sentence in sentences for word in normalizer(sentence).split()).most_common(1000))
merges = own_merges(words, 250)
print("the first merges:", *("".join(pair) for pair in merges[:16]))


def bpe_cut(word):
    pieces = list(word)
    for pair in merges:
        pieces = lesson06.merged(pieces, pair)
    return pieces


for word in ("▁interpreters", "▁remembers", "▁unreachable", "▁elephant"):
    unigram_cut = [edge.piece for edge in Unigram.from_model(tokenizers[500].model).best_path(word)]
    print(f"{word:<14} BPE {' · '.join(bpe_cut(word)):<32} Unigram {' · '.join(unigram_cut)}")

# %% [markdown]
# Both have a few hundred pieces. BPE has no scores to compare cuts with; Unigram can say how likely a cut is, and can draw
# another one for a change, which makes a model that is trained on it more robust (Kudo's "subword regularization").
#
# ### A step of EM  (difficulty 4 of 5, 20 minutes)
#
# Section 5 said: count how often each piece is used, every cut weighted by its probability. Let $u_v(x)$ be how often the cut
# $x$ uses piece $v$. Then
#
# $$c_v = \sum_{\text{words}} n_{\text{word}} \sum_x p(x\mid\text{word})\,u_v(x), \qquad p(x\mid\text{word}) = \frac{\prod_i p_{x_i}}{\sum_{x'}\prod_i p_{x'_i}},
# \qquad p_v^{\text{new}} = \frac{c_v}{\sum_{v'} c_{v'}} \tag{6.10}$$
#
# On paper: the word *ab*, once, and $p_a = p_b = \tfrac14$, $p_{ab} = \tfrac12$. What are the three new probabilities?
#
# <details><summary>Answer</summary>
#
# The cut a · b has $\tfrac1{16}$, ab has $\tfrac8{16}$. Divided by their sum: $\tfrac19$ and $\tfrac89$. So $c_a = c_b = \tfrac19$, $c_{ab} = \tfrac89$, together
# $\tfrac{10}9$, and the new probabilities are $\tfrac1{10}, \tfrac1{10}, \tfrac8{10}$.
# </details>
#
# Write it for words that the pieces can spell. Words are short enough to go through all their cuts. Whoever wants the real
# thing replaces the max of (6.4) by a sum, and goes once from the left and once from the right (hint 2).
#
# <details><summary>Hint 1: the idea</summary>
#
# For each word: all cuts, the probability of each, divided by their sum. Each piece of a cut gets that share, times n.
# </details>
# <details><summary>Hint 2: the formula without all cuts</summary>
#
# $A_0 = 1$, $A_j = \sum_i A_i\,p_{c_i…c_{j-1}}$ sums over all cuts of the first $j$ characters, and $B_i = \sum_j p_{c_i…c_{j-1}} B_j$, $B_n = 1$, over all of
# what is behind $i$. The piece from $i$ to $j$ is used with probability $A_i\,p\,B_j / A_n$. (In logarithms each sum is a
# *log-sum-exp*; for sentences one needs it, for words not.)
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# used = Counter()
# for word, times in words.items():
#     ...                        # every cut of the word into pieces of `scores`, with its probability
#     for probability, pieces in cuts:
#         for piece in pieces:
#             used[piece] += ...
# total = ...
# return {piece: ... for piece, count in used.items()}
# ```
# </details>


# %% tags=["exercise"]
def em_step(words, scores):
    """words: text → how often; scores: piece → log p. Returns piece → new log p; pieces without a use may be left out."""
    raise NotImplementedError


em_report = lesson06.check_em_step(em_step)

# %% [markdown]
# It learns. Start from all strings of up to five letters that are frequent in 150 words of the manual, with their
# frequencies, and take ten steps. Nothing says that each step makes the text more likely, and yet each does: that is the
# theorem about EM.

# %%
from math import log

own_step = em_report.yours(lesson06.course_em_step)
few = {word.strip("▁"): n for word, n in words.items() if word.strip("▁").isalpha() and len(word) <= 10}
few = dict(list(few.items())[:150])
strings = Counter()
for text, n in few.items():
    for i, j in combinations(range(len(text) + 1), 2):
        if j - i <= 5:
            strings[text[i:j]] += n
found = {piece: n for piece, n in strings.items() if n >= 20 or len(piece) == 1}
learned_scores = {piece: log(n / sum(found.values())) for piece, n in found.items()}
letters = sum(n * len(text) for text, n in few.items())
for step in range(11):
    if step % 2 == 0:
        alive = sum(score > log(1e-6) for score in learned_scores.values())
        each = lesson06.log_likelihood(few, learned_scores) / letters
        print(
            f"step {step:2}: {each:.4f} nats a letter; {alive} of {len(found)} pieces are likelier than one in a million"
        )
    before, learned_scores = lesson06.log_likelihood(few, learned_scores), own_step(few, learned_scores)
    assert lesson06.log_likelihood(few, learned_scores) >= before - 1e-9
longer = [piece for piece in sorted(learned_scores, key=learned_scores.get, reverse=True) if 2 <= len(piece) <= 4]
print("the likeliest pieces of two to four letters:", *longer[:16])

# %% [markdown]
# No piece was thrown out by hand. Strings that are only ever parts of better ones starve: their expected count goes to 0.
#
# ## In today's models
#
# * **Unigram** is [Kudo's (2018)](https://arxiv.org/abs/1804.10959), the library
#   [SentencePiece](https://arxiv.org/abs/1808.06226). ALBERT, XLNet and T5 use it. BERT's **WordPiece** cuts by the longest piece
#   first, as in section 10.
# * GPT, Llama and Qwen use **byte-pair encoding**, BPE ([Sennrich, Haddow and Birch, 2016](https://arxiv.org/abs/1508.07909)), mostly
#   on bytes rather than letters: 256 bytes spell everything, so there is no `<unk>`. Nothing is lower-cased or taken apart.
# * ALBERT has 30,000 pieces. Llama 3 has 128,000, Gemma 256,000: with a wide model and many languages the table is cheap beside
#   the rest, and shorter rows pay more.
# * (6.4) with max and its sum in section 11 are one algorithm over two kinds of arithmetic. With max it is **Viterbi's**, with sum
#   the **forward-backward** algorithm; speech recognition and part-of-speech tagging ran on both for decades.
# * That few words make up most of a text, and most words are rare, is **Zipf's law**. It is why a vocabulary of pieces works, and
#   notebook 07 meets it again.
#
# Next: [07, how an id becomes a vector](07_embeddings.ipynb), and why ALBERT takes two steps to it.

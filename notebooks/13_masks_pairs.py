# %% [markdown]
# # 13 · n-gram masks and SOP pairs
#
# **120 minutes**, and 10 more for the last exercise. You need: notebook 06 (pieces and `[CLS] A [SEP] B [SEP]`), 12 (the two
# heads). You will be able to
#
# * turn plain text into the two questions that ALBERT is trained on,
# * draw span lengths with probability in proportion to $1/n$, and replace tokens 80 / 10 / 10,
# * tell from a frequency and its $3\sigma$ whether a sampler is right, and from a few more how it is wrong,
# * say what a model learns from each question, by the paper's experiment and by a small one of our own.
#
# | symbol | shape | meaning |
# |---|---|---|
# | $n$, $n_{\max}$ | | words in a masked span, and the most there may be (3) |
# | $p(n)$ | $(n_{\max})$ | probability of the length $n$ |
# | $F(n)$ | $(n_{\max})$ | $p(1) + … + p(n)$ |
# | $m$, $\sigma$ | | number of draws, and the spread of a share measured with them |
# | $T$, $b$ | | tokens of an example, and how many of them may be masked: the budget |
# | `sizes` | (words) | tokens of each word |
# | `input_ids`, `labels` | (T) | what the model reads; what it should say, −100 where it is not asked |
# | `sentence_order_label` | | 0 in order, 1 swapped |
#
# **A question from a real model.** In May 2019 Google released a second BERT-large: the same network, the same text, the same
# number of updates. On SQuAD 1.1 it had an F1 of 92.8, where the first one had 91.0
# ([google-research/bert](https://github.com/google-research/bert)). All that had changed was which pieces of the text were
# hidden. Guess what the new rule was; section 4 has the answer. And how would you have noticed that the old one was wanting?
#
# Nobody has labelled the text. The labels come from hiding something and asking for it back. The masked language model
# (掩码语言模型) hides words, sentence-order prediction (句序预测) hides which of two segments came first. Nothing here has a
# gradient; what can be wrong are *probabilities*, and a wrong probability raises no error.

# %% [markdown]
# ## 1. How long is a gap?
#
# A single hidden word is often easy: "the United ___ of America". ALBERT hides up to $n_{\max} = 3$ words in a row, short gaps
# more often than long ones:
#
# $$p(n) = \frac{1/n}{\sum_{k=1}^{n_{\max}} 1/k}, \qquad n = 1, …, n_{\max} \tag{13.1}$$
#
# **By hand first.** For $n_{\max} = 3$ the sum is $1 + \tfrac12 + \tfrac13 = \tfrac{11}6$. So
# $p = (\tfrac6{11}, \tfrac3{11}, \tfrac2{11})$. What is $p$ for $n_{\max} = 2$? Work it out, then run the cell.

# %%
from fractions import Fraction

import numpy as np

from albert_np.pretraining import ngram_probabilities

for longest in (1, 2, 3):
    total = sum(Fraction(1, k) for k in range(1, longest + 1))
    exact = [str(Fraction(1, n) / total) for n in range(1, longest + 1)]
    print(f"longest {longest}:", *exact, " ", ngram_probabilities(longest).round(4))

# %% [markdown]
# Why $1/n$? A span of $n$ words hides $n$ of them. The mean length is
#
# $$\mathbb E[n] = \sum_n n\,p(n) = \frac{n_{\max}}{\sum_k 1/k} = \tfrac{18}{11} \approx 1.64 \tag{13.2}$$
#
# and of all hidden words, the share that lies in spans of $n$ words is
#
# $$\frac{n\,p(n)}{\mathbb E[n]} = \frac1{n_{\max}} \tag{13.3}$$
#
# the same for every $n$. With $1/n$, each length gets an equal part of the *words*: a third stand alone, a third in
# twos, a third in threes. Other rules do not: you will see two of them in the figure.
#
# ## 2. From a uniform number to a length
#
# A generator gives $u$, uniform in $[0, 1)$. Lay the $p(n)$ side by side on that line. They fill it, and $u$ falls into one:
#
# $$n = 1 + \#\{k < n_{\max} : F(k) \le u\}, \qquad F(k) = p(1) + … + p(k) \tag{13.4}$$
#
# For $n_{\max} = 3$ the fences are $F = (0.545, 0.818)$. Which $n$ belongs to $u = 0.5$, $u = 0.6$, $u = 0.9$?
#
# **How far may a frequency be off?** Draw $m$ times and count how often $n$ came up. The count is binomial: its mean is
# $m p$ and its variance $m p (1-p)$. So the measured share scatters around $p$ by
#
# $$\sigma = \sqrt{\frac{p\,(1-p)}{m}} \tag{13.5}$$
#
# and lies within $3\sigma$ in 369 of 370 cases. A hundred times as many draws, a tenth of the scatter. Below, the same
# lengths measured twice, with the bars of (13.5), on the draws of the package's own `choose_ngrams` in a long text.

# %%
from albert_np.course.figures import lengths_figure
from albert_np.plots import show
from albert_np.pretraining import choose_ngrams


def drawn_lengths(count, seed):
    """Lengths of the first span of `count` examples: 30 free words each, room for all."""
    rng = np.random.default_rng(seed)
    return np.array([choose_ngrams(np.ones(30, dtype=int), 3, rng)[0].length for _ in range(count)])


p = ngram_probabilities(3)
rules = {"1/n, ALBERT's": p, "all alike": np.ones(3) / 3, "in proportion to n": np.arange(1, 4) / 6}
figure = lengths_figure(p, [drawn_lengths(300, 0), drawn_lengths(30_000, 1)], rules)
show(
    figure,
    "13.1",
    "Lengths of masked spans under the rule 1/n, and where the masked words lie under four rules.",
    "Above: shares of the lengths 1, 2, 3 on bars of 6/11, 3/11, 2/11; 300 draws have wide error bars, 30,000 narrow ones. "
    "Below: with 1/n a third of the masked words lies in spans of each length; with other rules long spans take most.",
)

# %% [markdown]
# Something like the last rule was once real. With its switch `favor_shorter_ngram` on, the original script turned the weights
# $1/n$ round, to 2 : 3 : 6, and so favoured the *longer* ones (google-research/google-research#79, #136). No error told
# anybody. A histogram does.
#
# ## 3. Your turn: the length of a span  (difficulty 2 of 5, 10 minutes)
#
# Write (13.4) for any `longest`. Use the generator that you are given and no other: the original script drew its lengths
# from NumPy's global one, and so no run could be repeated.
#
# <details><summary>Hint 1: the idea</summary>
#
# Weights, divided by their sum, then added up from the left. Count the fences that $u$ has passed.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $F(k)$ is `np.cumsum`. The last fence, $F(n_{\max}) = 1$, is not needed, and rounding may put it a hair below 1: leave it out.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# weights = ...
# fences = np.cumsum(...)[:-1]
# return 1 + int((fences <= ...).sum())
# ```
# </details>

# %% tags=["exercise"]
from albert_np.course import lesson13


def span_length(rng, longest):
    """rng: np.random.Generator. Returns n, an integer from 1 to longest, with probability p(n)."""
    raise NotImplementedError


length_report = lesson13.check_span_length(span_length)

# %% [markdown]
# The check draws thousands of lengths with a fixed seed. A share outside $3\sigma$ is measured once more with another
# seed: one right answer in 370 lies outside by luck, but hardly twice in a row. Yours will choose the spans of real
# examples in section 8.

# %% [markdown]
# ## 4. Whole words
#
# Hide one piece of *un·read·able* and the other two give it away. That was the first BERT's rule. The second one's unit is the
# word, and so is ALBERT's. A piece begins one if it
# begins with ▁ (a space), is a punctuation mark, or holds anything but English letters and such marks; special tokens
# stand by themselves. With $s_t = 1$ where piece $t$ begins a word, the word of a piece is
#
# $$\text{word}(t) = \sum_{i \le t} s_i - 1, \qquad \text{sizes}_w = \#\{t : \text{word}(t) = w\} \tag{13.6}$$
#
# Our vocabulary is small, 1,000 pieces of Python's own manual, so that long words fall apart.

# %%
import tempfile
from itertools import chain, islice
from pathlib import Path

from albert_np.pretraining import Vocabulary, mask_tokens, python_prose
from albert_np.tokenization import train_vocabulary

documents = list(islice(python_prose(), 60))
folder = tempfile.TemporaryDirectory()
tokenizer = train_vocabulary(list(chain.from_iterable(documents)), Path(folder.name) / "small.model", 1000)
vocabulary = Vocabulary.from_tokenizer(tokenizer)

sentence = "The interpreter remembers every unreachable object until a collector removes it from memory."
ids = np.array(tokenizer.encode(sentence))
pieces = tokenizer.convert_ids_to_tokens(ids.tolist())
word = np.cumsum(vocabulary.starts_word[ids]) - 1  # (13.6)
sizes = np.bincount(word)
for w in range(len(sizes)):
    print("·".join(piece for piece, owner in zip(pieces, word, strict=True) if owner == w), end="   ")

# %% [markdown]
# ## 5. The budget, and where the spans go
#
# About 15 % of an example's tokens are asked for, special tokens counted in, and at least one:
#
# $$b = \max\big(1, \mathrm{round}(0.15\,T)\big), \quad \text{with a cap if one is set} \tag{13.7}$$
#
# `choose_ngrams` draws $n$ by (13.1), then a place, uniformly among those where $n$ words in a row are still free and
# fit into what is left of $b$. If there is none, $n$ shrinks. **Predict:** does $p(n)$ hold at the end of an example,
# when little is left?

# %%
from albert_np.pretraining.masks import prediction_budget

T = len(ids)
budget = prediction_budget(T, 0.15, None)
free = np.where(vocabulary.is_special[ids[np.searchsorted(word, np.arange(len(sizes)))]], budget + 1, sizes)
print(f"T = {T}, budget {budget}; [CLS] and [SEP] cost {budget + 1}, more than we have")
print("sizes:", free)
for seed in range(3):
    print("spans:", choose_ngrams(free, budget, np.random.default_rng(seed)))

rng = np.random.default_rng(0)
spans = [span.length for _ in range(3000) for span in choose_ngrams(np.ones(125, dtype=int), 19, rng)]
print(
    "\nall spans of examples of 128 tokens, budget 19:",
    (np.bincount(spans)[1:] / len(spans)).round(3),
    "; p:",
    p.round(3),
)

# %% [markdown]
# The last spans are cut short, so short ones are a little more frequent over all. The *first* span of an example, which
# is what the figure above measured, has room and keeps to $p(n)$.
#
# ## 6. 80 / 10 / 10
#
# What stands in a chosen place? Each chosen token throws a die of its own:
#
# $$\text{read} = \begin{cases}\text{[MASK]} & \text{with } 0.8 \\ \text{a random ordinary piece} & \text{with } 0.1 \\ \text{the token itself} & \text{with } 0.1\end{cases} \tag{13.8}$$
#
# Whatever it is, the label asks for the original. Here is the sentence with half of its tokens as budget, to see
# more at a time. The die falls per token, not per word: a word may be half masked and half kept.

# %%
from albert_np.course.figures import masked_figure

input_ids, labels = mask_tokens(ids, vocabulary, T // 2, np.random.default_rng(24))
state = np.where(labels == -100, 0, np.where(input_ids == vocabulary.mask_id, 1, np.where(input_ids != ids, 2, 3)))
read = tokenizer.convert_ids_to_tokens(input_ids.tolist())
show(
    masked_figure(pieces, read, state, word),
    "13.2",
    "A sentence before masking, and what the model reads.",
    "A sentence in pieces with a line over each word. Below it what the model reads: most chosen pieces are [MASK], "
    "some are other pieces, some are as they were.",
)
print("labels:", labels)

# %% [markdown]
# Why not [MASK] always? Because no text that the model will ever be used on holds a [MASK]. Suppose 15 % are chosen,
# and you look at a place that shows an ordinary piece. It was not chosen (0.85), or kept (0.015), or replaced (0.015).
# So
#
# $$p(\text{wrong} \mid \text{not [MASK]}) = \frac{0.015}{0.85 + 0.015 + 0.015} \approx 1.7\,\% \tag{13.9}$$
#
# and *if it is asked for*, the piece that one sees is right in exactly half of the cases. A model cannot just copy, and
# it cannot stop thinking at words that it can see.
#
# ## 7. Your turn: 80 / 10 / 10  (difficulty 2 of 5, 10 minutes)
#
# Write (13.8). `ordinary_ids` holds all pieces but the special ones. Do not write into `ids`: the labels are read off it.
#
# <details><summary>Hint 1: the idea</summary>
#
# One uniform number for every chosen place. It decides among three outcomes, so it must be *one* number, compared twice.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $u < 0.8$: mask. $u \ge 0.9$: a random piece, drawn anew for every place. Between: nothing to do.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# input_ids = ids.copy()
# places = np.flatnonzero(chosen)
# luck = ...                        # one number for each place
# input_ids[places[...]] = mask_id
# at_random = places[...]
# input_ids[at_random] = rng.choice(...)
# return input_ids
# ```
# </details>


# %% tags=["exercise"]
def replace_tokens(ids, chosen, mask_id, ordinary_ids, rng):
    """ids (T,), chosen (T,) bool, ordinary_ids (any number,), rng: np.random.Generator. Returns input_ids (T,)."""
    raise NotImplementedError


replace_report = lesson13.check_replace_tokens(replace_tokens)

# %% [markdown]
# ## 8. Which came first?
#
# The second question is about order. Take a chunk of consecutive sentences, as many as fit into an example. Cut it where a
# sentence begins, at a place drawn uniformly: of $s$ sentences, A gets the first $a$, $a = 1, …, s-1$. Then a coin:
#
# $$(A, B, \text{label}) = \begin{cases} (\text{front}, \text{back}, 0) & \text{with } \tfrac12 \\ (\text{back}, \text{front}, 1) & \text{with } \tfrac12 \end{cases} \tag{13.10}$$
#
# The label 1 means *swapped*. A guess is right half of the time and costs $\ln 2 \approx 0.693$: the baseline of
# notebook 17. Read our six sentences, then the pairs in the figure. Could you tell the swapped ones without their
# labels?

# %%
from albert_np.course.figures import pairs_figure
from albert_np.pretraining import TokenizedCorpus, make_pair

story = [
    "The kettle is empty.",
    "She puts water into it.",
    "The water begins to boil.",
    "Now it goes over the leaves.",
    "They sink to the bottom.",
    "The tea is ready.",
]
corpus = TokenizedCorpus.from_documents([story], tokenizer)
chunk = np.array([0, len(story)])
sentences = np.split(corpus.ids, corpus.sentence_starts[1:-1])
number_of = {tuple(sentence_ids): s for s, sentence_ids in enumerate(sentences, start=1)}


def sentences_of(segment):
    """The numbers of the sentences that a segment consists of."""
    found, rest = [], tuple(segment)
    while rest:
        first = next(s for s in number_of if rest[: len(s)] == s)
        found.append(number_of[first])
        rest = rest[len(first) :]
    return found


rng = np.random.default_rng(5)
pairs = [make_pair(corpus, chunk, 200, vocabulary, rng) for _ in range(4000)]
numbered = [(sentences_of(a), sentences_of(b), label) for a, b, label in pairs]
for s, text in enumerate(story, start=1):
    print(s, text)
show(
    pairs_figure([(list(map(str, a)), list(map(str, b)), label) for a, b, label in numbered[:6]]),
    "13.3",
    "Six pairs for sentence-order prediction.",
    "Six pairs made of the sentences 1 to 6, cut at different places. Where the label is 1, the later sentences come first.",
)

# %% [markdown]
# Both segments come from one text and speak of one thing; only the order can tell. That is the difference to BERT's
# *next-sentence* question (NSP), whose wrong pairs come from another document: for it one need only notice that the topic
# changes.
#
# ### Your turn: a pair  (difficulty 2 of 5, 10 minutes)
#
# Write (13.10) for a list of sentences, whatever they are made of. Both segments are lists in the order of the text, and
# neither is empty. Two draws are needed, and the second must not know of the first.
#
# <details><summary>Hint 1: the idea</summary>
#
# A cut is a whole number. Slices before it and from it on are front and back.
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $a$ uniform in $1, …, s-1$: `rng.integers(low, high)` leaves `high` out. The coin is `rng.integers(2)`.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# cut = rng.integers(...)
# front, back = ...
# label = ...
# return ... if label == 1 else ...
# ```
# </details>


# %% tags=["exercise"]
def order_pair(sentences, rng):
    """sentences: a list of two or more; rng: np.random.Generator. Returns first, second (lists) and the label."""
    raise NotImplementedError


pair_report = lesson13.check_order_pair(order_pair)

# %% [markdown]
# ### Your turn: which bug is this?  (difficulty 3 of 5, 10 minutes)
#
# Six samplers of pairs, each with one bug, and what 4,000 pairs of a text of six sentences show of each. For each letter, name
# the cause: a number from 1 to 6. And which of the six would *raise* the accuracy of a model that knows nothing of order?
#
# | column | what it says |
# |---|---|
# | label 1 | share of pairs with the label 1 |
# | 1 in A, label 0 | of the pairs with the label 0, in how many sentence 1 stands in A |
# | cut after 1 … 5 | share of pairs, in per cent, that were cut after sentence 1, 2, 3, 4, 5 |
# | by length | how often one is right who sees how many sentences A has, and knows the sampler |
# | order inside | share of pairs in whose segments the sentences stand in their order |

# %%
print(lesson13.HUNT)

# %% [markdown]
# <details><summary>Hint 1: the idea</summary>
#
# Go column by column. Three samplers are told by one column alone.
# </details>
# <details><summary>Hint 2: the lengths</summary>
#
# Whoever can guess by length has found that some lengths of A come with one label more often. Write down, for cuts after 1 to 4
# only, how long A can be in order, and how long when swapped.
# </details>
# <details><summary>Hint 3: a skeleton</summary>
#
# ```python
# return {"A": ..., "B": ..., "C": 6, "D": ..., "E": ..., "F": ...}
# ```
# </details>


# %% tags=["exercise"]
def which_bug():
    """Returns a dictionary from "A" to "F" to the number of the cause, 1 to 6."""
    raise NotImplementedError


lesson13.check_which_bug(which_bug)

# %% [markdown]
# <details><summary>Which would raise the accuracy? (read this after the check)</summary>
#
# A, C and F, by length alone. And E: sentences that run backwards inside a segment give away that the pair is swapped. B
# raises nothing; a model learns the turned question as well, and is then wrong on every right exam. D makes the question neither
# easier nor harder, only less varied.
# </details>
#
# ### All three of yours together
#
# From text to examples with your three functions (until they have passed, the package's): `order_pair` cuts, `span_length`
# says how long each span is to be, `replace_tokens` what stands there. Between them is what sections 4 and 5 have said.

# %%
import albert_np as anp
from albert_np.training import AdamW

span_length = length_report.yours(lesson13.package_span_length)
replace_tokens = replace_report.yours(lesson13.package_replace_tokens)
order_pair = pair_report.yours(lesson13.package_order_pair)
CLS, SEP, ordinary = tokenizer.cls_token_id, tokenizer.sep_token_id, np.flatnonzero(~vocabulary.is_special)


def words_to_hide(sizes, budget, rng):
    """Bool for each word: again and again `span_length` words in a row, in a place where they are free and fit."""
    cost, hidden, left = sizes.copy(), np.zeros(len(sizes), dtype=bool), budget
    while left > 0:
        for n in range(span_length(rng, 3), 0, -1):
            tokens = np.convolve(cost, np.ones(n, dtype=int), "valid")
            places = np.flatnonzero(tokens <= left)
            if len(places):
                break
        else:
            break
        start = rng.choice(places)
        hidden[start : start + n], left = True, left - tokens[start]
        cost[start : start + n] = budget + 1
    return hidden


def example(sentences, rng):
    """One example from a list of tokenized sentences: input_ids, token_type_ids, labels and the order's label."""
    first, second, swapped = order_pair(sentences, rng)
    ids = np.concatenate([[CLS], *first, [SEP], *second, [SEP]])
    types = np.repeat([0, 1], [2 + sum(map(len, first)), 1 + sum(map(len, second))])
    word = np.cumsum(vocabulary.starts_word[ids]) - 1  # (13.6)
    sizes, budget = np.bincount(word), prediction_budget(len(ids), 0.15, None)  # (13.7)
    sizes[word[vocabulary.is_special[ids]]] = budget + 1
    chosen = words_to_hide(sizes, budget, rng)[word]
    return replace_tokens(ids, chosen, vocabulary.mask_id, ordinary, rng), types, np.where(chosen, ids, -100), swapped


def batch_of(examples):
    """Examples side by side, filled up with padding to the longest."""
    longest = max(len(ids) for ids, *_ in examples)
    rows = [
        [np.pad(a, (0, longest - len(a)), constant_values=c) for a, c in zip(e, (0, 0, -100), strict=False)]
        for e in examples
    ]
    ids, types, labels = (np.stack(column) for column in zip(*rows, strict=True))
    order = np.array([swapped for *_, swapped in examples])
    return {
        "input_ids": ids,
        "token_type_ids": types,
        "labels": labels,
        "attention_mask": ids > 0,
        "sentence_order_label": order,
    }


prose = [[np.array(line) for line in tokenizer.encode_lines(d) if 4 < len(line) < 40] for d in documents]
prose = [d for d in prose if len(d) >= 3]
rng = np.random.default_rng(3)


def draw_example():
    document = prose[rng.integers(len(prose))]
    start = rng.integers(len(document) - 2)
    return example(document[start : start + 3], rng)


one, _, asked_of_one, swapped = draw_example()
print(
    *tokenizer.convert_ids_to_tokens(one.tolist()),
    f"  label {swapped}, asked for {(asked_of_one != -100).sum()} of {len(one)}\n",
)
small = anp.AlbertConfig(
    vocab_size=1000,
    embedding_size=32,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
    max_position_embeddings=128,
)
model = anp.AlbertForPreTraining(small, seed=0)
optimizer = AdamW(model.params, model.grads)
print(f"a guess costs ln 1,000 = {np.log(1000):.2f} and ln 2 = {np.log(2):.2f}")
for update in range(61):
    out = model(**batch_of([draw_example() for _ in range(16)]))
    if update % 20 == 0:
        print(f"update {update:2}: MLM {float(out.mlm_loss):.2f}, SOP {float(out.sop_loss):.2f}")
    model.zero_grad()
    model.backward()
    optimizer.step(0.003)

# %% [markdown]
# The first losses are those of notebook 12. Words begin to be learned at once, the commonest first; the order is not, in
# sixty updates.
#
# ## 9. What does each question teach?
#
# The paper trained three models that differ in this alone: one was asked nothing about pairs, one NSP, one SOP. Then
# each was asked *both* questions (table 5). Here is the same in miniature: half a million parameters, 1,000 updates on
# Python's manual, each kind of model from three seeds; and then an exam of 700 pairs from documents that were held out.
#
# **Predict** three shares: the NSP model on NSP pairs; the NSP model on SOP pairs; the SOP model on NSP pairs. A coin
# gets 50 % everywhere.

# %%
from albert_np.course.figures import cross_task_figure
from albert_np.study.experiments import read_result, result_table, run_experiment

RERUN = False  # True: train the nine models again, on the Python manual of your machine; some 7 minutes on two cores
taught = run_experiment("pairs", seeds=3) if RERUN else read_result("pairs")
print(result_table(taught, ("nsp_accuracy", "sop_accuracy", "mlm_accuracy")))
for variant in taught["variants"]:
    for asked in ("nsp_accuracy", "sop_accuracy"):
        print(f"{variant['name']:5} {asked:13}", *(f"{run[asked]:6.1%}" for run in variant["runs"]))
print(f"σ of a share of one half among 700 pairs (13.5): {100 * (0.25 / 700) ** 0.5:.1f} points")
show(
    cross_task_figure(taught),
    "13.4",
    "What a model was trained with against what it is asked, in our trial and in the paper.",
    "Two tables of accuracies, ours and the paper's: what a model was trained with, no pairs, NSP or SOP, against "
    "what it is asked.",
)

# %% [markdown]
# **Order is not learned at all** in 1,000 updates, by no model that was asked it: the three SOP models always answer the same, and are
# right as often as that order is the commoner one. It is hard, and comes late: `data/prose-albert`, with more text and far longer
# training, reaches 61 % and 63 % (its README has the figures). So the corner of the table that carries the paper's argument, what an SOP model knows of
# NSP, is empty here; ours knows nothing of either.
#
# **NSP is learned sooner**: 64 % in two seeds of three, more than seven $\sigma$ from a coin; the third is where it began. And what these two know
# is no order: they are at 50 % on SOP pairs. That half of the paper's argument shows even here. *What* they know is not said
# by that: another document has other words, but also other lengths and ends of sentences.
#
# **A figure that was too good.** While pairs were still cut anywhere, between two words too, the same trial gave 64 % on SOP, and
# it would have been a fine result. But one pair in three was then a sentence in two pieces, whose full stop gives the order away (section 12).
# Of whole sentences nothing is left of it.
#
# **What says nothing.** The "none" model was never asked about pairs: its SOP head is as it was drawn, and gets what answering always the same
# gets, on either side of a half. $\sigma$ counts the luck of the pairs, not that of the weights. In the MLM column the three kinds are within
# 0.3 points. The paper's average of five tasks (79.0 without a question, 79.2 with NSP, 80.1 with SOP) we cannot measure at this size.

# %% [markdown]
# ## 10. Does the length of a gap matter?
#
# The paper chose $N = 3$ and shows no comparison. So this is our own question: small models of the toy world (notebook 15), trained with
# $N$ = 1 and 3, a quarter of each story's words hidden in both cases, from ten seeds each. All are examined twice, on single words and
# on gaps of up to three, by how many nats they stay above the best that can be had on that exam; and compared seed by seed, as in
# notebook 11. **Predict**: is each model best at the gaps that it was trained on?

# %%
from albert_np.course.figures import ablation_figure
from albert_np.study.experiments import paired_table

RERUN = False  # True: train the twenty models again, some five minutes on two cores
spans_of = run_experiment("ngrams", seeds=10) if RERUN else read_result("ngrams")
best = spans_of["best"]
print(
    f"the best there is: {best['gap']['loss']:.3f} on single words, {best['ngram_gap']['loss']:.3f} on gaps of up to three"
)
asked = ("gap", "ngram_gap")
print(result_table(spans_of, asked), "\n")
print(paired_table(spans_of, asked))
show(
    ablation_figure(spans_of, asked),
    "13.5",
    "How long the gaps are in training, and what comes of it in the toy world: differences by seed, with standard errors.",
    "Two panels with two rows, for gaps of up to 1 and 3 words in training: the loss above the best on single words, and on "
    "gaps of up to three words, as differences from N = 1.",
)

# %% [markdown]
# **It does not matter here**: on single words the two differ by 0.0001 ± 0.0043 nats, on gaps of up to three by 0.0042 ± 0.0026 in favour of whoever was trained on them. By that time nearly every model has learned every rule of its
# world, and one that knows the rules fills a gap of any length.
#
# The moment matters, though. After 600 updates, a quarter of the way, five models of each kind were apart by 0.071 ± 0.029 nats on single words, the
# longer gaps ahead: a hint that came to nothing with more seeds and more updates. Whoever compares two settings in the
# middle of training compares how *soon* they learn, and with few seeds mostly who was lucky.
#
# **What a toy cannot show**: the paper's reason for n-grams, words that belong together (*New York City*) and give each other
# away.

# %% [markdown]
# ## 11. Checks
#
# First, formulas against the package: (13.1) exactly, (13.6) against the spans that it masks, (13.8) and (13.10) by
# counting, within $3\sigma$.

# %%


def within(share, p, m):
    """Say whether a measured share fits its probability (13.5)."""
    sigma = (p * (1 - p) / m) ** 0.5
    print(f"  {share:.4f}, expected {p:.4f} ± {3 * sigma:.4f}")
    return abs(share - p) <= 3 * sigma


for longest in range(1, 8):
    total = sum(Fraction(1, k) for k in range(1, longest + 1))
    exact = [float(Fraction(1, n) / total) for n in range(1, longest + 1)]  # (13.1)
    assert np.allclose(ngram_probabilities(longest), exact, rtol=1e-15)

rng = np.random.default_rng(1)
outcomes = []
for _ in range(1500):
    input_ids, labels = mask_tokens(ids, vocabulary, 8, rng)
    chosen = labels != -100
    assert chosen.sum() <= 8
    assert not vocabulary.is_special[ids[chosen]].any()
    assert all(chosen[word == w].all() or not chosen[word == w].any() for w in range(len(sizes)))  # whole words (13.6)
    assert (labels[chosen] == ids[chosen]).all()
    assert (input_ids[~chosen] == ids[~chosen]).all()
    outcomes += (input_ids[chosen] == vocabulary.mask_id).tolist()
print("share of [MASK] (13.8):")
assert within(np.mean(outcomes), 0.8, len(outcomes))
print("share swapped (13.10):")
assert within(np.mean([label for *_, label in pairs]), 0.5, len(pairs))
print("share of each of the five cuts (13.10):")
cuts = np.bincount([len(b) if label else len(a) for a, b, label in numbered], minlength=6)[1:] / len(pairs)
for share in cuts:
    assert within(share, 1 / 5, len(pairs))
assert all(sorted(a + b) == list(range(1, 7)) for a, b, _ in numbered)

# %% [markdown]
# Second, all of it together: a batch of `PretrainingData`, as training gets it. Example $i$ of epoch $e$ is a pure
# function of (corpus, settings, seed, $e$, $i$). Ask twice, get the same; ask in the next epoch, and the same text is
# cut, swapped and masked anew.

# %%
from albert_np.pretraining import PretrainingData

corpus60 = TokenizedCorpus.from_documents(documents, tokenizer)
data = PretrainingData(corpus60, tokenizer, batch_size=4, max_seq_length=64)
batch, after = data.batch_at(data.first_position)
again, _ = data.batch_at(data.first_position)
assert all((a == b).all() for a, b in zip(batch, again, strict=True))
for name, array in batch._asdict().items():
    print(f"{name:<22}{array.shape!s:<10}{array[0, :12] if array.ndim == 2 else array}")
lengths = batch.attention_mask.sum(axis=1)
print("asked for:", (batch.labels != -100).sum(axis=1), "of", lengths, "tokens; next:", after)

# %% [markdown]
# ## 12. What breaks if…
#
# **…pieces are masked one by one, not words?** Then the rest of a word often stays in sight. Count how many hidden
# pieces can be guessed by spelling:

# %%


def gives_itself_away(whole_words):
    rng, shown, hidden = np.random.default_rng(2), 0, 0
    for line in islice(tokenizer.encode_lines(documents[0] + documents[1]), 200):
        line = np.asarray(line, dtype=np.int64)
        starts = vocabulary.starts_word[line].copy()
        starts[0] = True
        owner = np.cumsum(starts) - 1
        units = np.bincount(owner) if whole_words else np.ones(len(line), dtype=int)
        edges = np.concatenate([[0], np.cumsum(units)])
        chosen = np.zeros(len(line), dtype=bool)
        for start, length in choose_ngrams(units, max(1, round(0.15 * len(line))), rng):
            chosen[edges[start] : edges[start + length]] = True
        in_sight = np.bincount(owner, ~chosen) > 0
        shown, hidden = shown + in_sight[owner[chosen]].sum(), hidden + chosen.sum()
    return shown / hidden


for name, whole_words in (("pieces", False), ("whole words", True)):
    print(
        f"{name:<12} {100 * gives_itself_away(whole_words):5.1f} % of the hidden pieces have a neighbour of their own word in sight"
    )

# %% [markdown]
# **…the cap stays at its default?** The original script allows 20 predictions per example, made for 128 tokens. At 512
# the cap quietly decides:

# %%
for length in (128, 512):
    capped, asked = prediction_budget(length, 0.15, 20), prediction_budget(length, 0.15, None)
    print(
        f"T = {length}: {capped} of {asked} tokens, {100 * capped / length:.1f} % instead of {100 * asked / length:.1f} %"
    )

# %% [markdown]
# Training then runs and converges, and asks a quarter of the questions that it was meant to ask. The package warns of
# such a cap.
#
# **…the wrong pairs are cut to fit?** In an NSP pair with the label 1, B comes from another document. How long should it be?
# "As long as there is room" sounds harmless. Then let a rule guess that sees the *lengths* of A and B and no word: it
# learns on one half of the pairs which label is the commoner for each two lengths, and is tested on the other half.

# %%
from albert_np.pretraining.segments import plan_epoch, truncate_pair


def guessed_by_lengths(fill, room=29):
    rng, seen = np.random.default_rng(4), []
    for chunk in plan_epoch(corpus60, room, 0.1, rng):
        a, b, label = make_pair(corpus60, chunk, 10_000, vocabulary, rng, "next")
        if fill and label == 1:
            b = np.zeros(max(1, room - len(a)))
        a, b = truncate_pair(a, b, room, rng)
        seen += [(len(a), len(b), label)] if label >= 0 else []
    learned, asked = np.array(seen[::2]), np.array(seen[1::2])
    count = np.zeros((room + 1, room + 1, 2))
    np.add.at(count, tuple(learned.T), 1)
    return (count.argmax(axis=-1)[asked[:, 0], asked[:, 1]] == asked[:, 2]).mean()


print(f"B fills the room: {guessed_by_lengths(True):.0%} guessed by lengths alone")
print(f"B is as long as the stretch that it stands for: {guessed_by_lengths(False):.0%}")

# %% [markdown]
# A long A leaves little room, so a B of very few tokens gives itself away. Our own first NSP model was trained on such
# pairs. It looked far better than that of section 9, and much like the paper's; it had learned to measure. If a result is better
# than expected, look for what else could have told the answer.
#
# **…every chunk is filled from the beginning?** A chunk takes sentences until it is full, and a long sentence is more likely
# than a short one to be the one that fills it. If that is always the chunk's last, the later part is the longer one. **Predict**
# how often a rule is right that says so and reads no word, for chunks as they are and once they are cut down to the room there is.
# Google's code fills from the beginning; the package fills half of the documents from their end.

# %%


def longer_is_later(pairs, cut, room=29):
    rng, right = np.random.default_rng(5), []
    for chunk in plan_epoch(corpus60, room, 0.1, rng, pairs):
        if chunk[1] - chunk[0] > 1:  # one sentence alone is another matter, see below
            a, b, label = make_pair(corpus60, chunk, cut, vocabulary, rng, pairs)
            right += [(len(b) > len(a)) != label] if label >= 0 and len(a) != len(b) else []
    return f"{np.mean(right):.0%} ± {3 * (0.25 / len(right)) ** 0.5:.0%}"


for pairs, told in (("google", "from the beginning"), ("order", "half from the end")):
    print(
        f"{told:<20} chunks as they are {longer_is_later(pairs, 10_000)}, cut to 29 tokens {longer_is_later(pairs, 29)}"
    )

# %% [markdown]
# (± three standard deviations of a coin.) As they are, the chunks that are filled from the beginning give seven answers in ten
# away. Cutting to fit takes from the longer part, and happens to hide it here; with a rule that does not hide it, or with room for all,
# a model could find it. A leak is better stopped where it starts.
#
# **…a chunk has one sentence only?** There is no order to ask about. The original script then borrows B from another document,
# with the label *swapped*. Such pairs can be told by topic, the very shortcut that the order was to rule out. See what the
# package makes of two such chunks (−100: no pair):

# %%
single = TokenizedCorpus.from_documents([["The kettle is empty."], ["Tea"]], tokenizer)
for s in range(2):
    pair = make_pair(single, np.array([s, s + 1]), 50, vocabulary, np.random.default_rng(4))
    print(*(tokenizer.convert_ids_to_tokens(part.tolist()) for part in pair[:2]), " label", pair.sentence_order_label)

# %% [markdown]
# **…one sentence is cut in two between words?** Then there is a pair at least, and both halves speak of one thing. Let a rule look
# at two bits alone: does A end with a full stop, does B? `order_pair` takes the words of a sentence as well as the sentences of a
# text. Predict how often the rule is right, in either case.

# %%
full_stop = tokenizer.convert_tokens_to_ids(".")


def guessed_by_full_stops(texts):
    """Learn on one half of the pairs which label is the commoner for the two bits; return how often it is right on the other."""
    rng, count = np.random.default_rng(6), np.zeros((2, 2, 2, 2))
    for i, parts in enumerate(texts):
        a, b, label = order_pair(parts, rng)
        count[i % 2, int(a[-1][-1] == full_stop), int(b[-1][-1] == full_stop), label] += 1
    learned, asked = count
    return np.take_along_axis(asked, learned.argmax(axis=-1)[..., None], axis=-1).sum() / asked.sum()


sentences = [line for document in prose for line in document]
in_words = [np.split(line, np.flatnonzero(vocabulary.starts_word[line[1:]]) + 1) for line in sentences]
in_twos = [document[i : i + 2] for document in prose for i in range(0, len(document) - 1, 2)]
print(f"one sentence, cut between two words: {guessed_by_full_stops([w for w in in_words if len(w) > 1]):.1%} guessed")
print(f"two sentences: {guessed_by_full_stops(in_twos):.1%}")

# %% [markdown]
# The model need not read a word. Our own first SOP models met such pairs at 32 tokens, where hardly two sentences fit: a third of all
# pairs. They were right on 84 % of those and on 55 % of two whole sentences, and the mean of both looked like a skill.

# %% [markdown]
# ## 13. One more exercise, on paper: SpanBERT's lengths  (difficulty 3 of 5, 10 minutes)
#
# SpanBERT draws its lengths from a *geometric* distribution that is cut off at 10: $p(n) \propto q^{\,n-1}$ with $q = 0.8$,
# $n = 1, …, 10$.
#
# 1. Show that 1/n is the only rule for which every length hides the same number of words, as in (13.3).
# 2. In spans of which length do most of SpanBERT's hidden words lie?
# 3. What is the mean length? ($\sum_{n=1}^{N} n q^{n-1} = \frac{1 - (N+1) q^N + N q^{N+1}}{(1-q)^2}$)
#
# <details><summary>The derivation</summary>
#
# 1. The share of words in spans of $n$ is $n\,p(n)/\mathbb E[n]$. If it is the same for all $n$, so is $n\,p(n)$, and so
#    $p(n) = c/n$. That the $p(n)$ add up to 1 fixes $c$, and (13.1) is what comes out.
# 2. $n\,q^{n-1}$ grows as long as $\frac{(n+1)\,q^n}{n\,q^{n-1}} = \frac{n+1}{n}\,q > 1$, that is for $n < q/(1-q) = 4$. From 4 to 5
#    the factor is exactly 1: spans of 4 and of 5 hide the most words, and equally many.
# 3. $q^{10} = 0.107$ and $q^{11} = 0.086$. The sum of $n q^{n-1}$ is $25\,(1 - 11 \cdot 0.107 + 10 \cdot 0.086) = 16.9$; the sum of
#    $q^{n-1}$ is $5\,(1 - 0.107) = 4.46$; their quotient is 3.8, the paper's figure. ALBERT's is 1.64 (13.2).
# </details>

# %%
lengths_10 = np.arange(1, 11)
geometric = 0.8 ** (lengths_10 - 1) / (0.8 ** (lengths_10 - 1)).sum()
print(f"mean length {(lengths_10 * geometric).sum():.2f}; share of the words by length:")
print(
    *(f"{n}: {share:.3f}" for n, share in enumerate(lengths_10 * geometric / (lengths_10 * geometric).sum(), start=1)),
    sep="  ",
)

# %% [markdown]
# ## Three questions
#
# 1. What are $p(n)$ and the share of masked words in spans of $n$ for $n_{\max} = 2$?
# 2. A sampler should give $p = 0.5$ and gives 0.51. Is it wrong?
# 3. A document begins with "This page explains…". Which of its pairs can a model solve without reading B?
#
# <details><summary>Answers</summary>
#
# 1. $p = (\tfrac23, \tfrac13)$, and a half each: (13.3) holds for every $n_{\max}$.
# 2. It depends on $m$. With 1,000 draws $\sigma = 0.016$ and 0.51 is nothing; with 100,000 $\sigma = 0.0016$ and it is
#    more than $6\sigma$ away.
# 3. Those with the first sentence in them. If A begins with it, they are in order. Such hints cannot be kept out of real
#    texts; they are few, and unlike a change of topic they are hints about *order*.
# </details>
#
# ## In today's models
#
# The question at the top: whole words, *whole word masking*. Count the hidden pieces that can be guessed by spelling, as in
# section 12, and one sees what the old rule was wanting.
#
# SpanBERT went further in ALBERT's year ([Joshi et al., 2019](https://arxiv.org/abs/1907.10529)), RoBERTa masks anew each
# time a text is read, as here, and asks nothing about pairs ([Liu et al., 2019](https://arxiv.org/abs/1907.11692)). T5 replaces a
# span by one mark and has it written out ([Raffel et al., 2019](https://arxiv.org/abs/1910.10683)). Fifteen per cent is no law:
# larger models learn more with 40 ([Wettig et al., 2022](https://arxiv.org/abs/2202.08005)), ModernBERT takes 30
# ([Warner et al., 2024](https://arxiv.org/abs/2412.13663)), and language models by *diffusion* draw the share anew for every text,
# from nothing to all ([Nie et al., 2025](https://arxiv.org/abs/2502.09992)). Causal models ask at every position for the next
# word and need no masks; to fill gaps, they are given text whose middle has been moved to the end
# ([Bavarian et al., 2022](https://arxiv.org/abs/2207.14255)). The order of sentences was also asked by StructBERT
# ([Wang et al., 2019](https://arxiv.org/abs/1908.04577)). What has stayed is the care of section 12: whatever a program makes
# up as a question, a model will answer in the cheapest way there is.
#
# Next: [14, AdamW, LAMB, warm-up](14_optimizers.ipynb): how a gradient becomes a step.

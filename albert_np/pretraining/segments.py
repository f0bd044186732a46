"""Documents to pairs of segments: where each example of an epoch lies in the corpus, and how it is cut in two."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.pretraining.corpus import TokenizedCorpus
from albert_np.pretraining.vocabulary import Ints

__all__ = ["IN_ORDER", "NO_PAIR", "PAIRS", "SWAPPED", "Pair", "make_pair", "plan_epoch", "truncate_pair"]

IN_ORDER, SWAPPED, NO_PAIR = 0, 1, -100  # sentence_order_label
PAIRS = ("order", "next", "none")  # SOP, BERT's NSP, nothing asked


class Pair(NamedTuple):
    """Two stretches of text and whether the second follows the first (0) or not (1); `second` may be empty."""

    first: Ints
    second: Ints
    sentence_order_label: int


def plan_epoch(
    corpus: TokenizedCorpus, max_tokens: int, short_seq_prob: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Cut every document into chunks of consecutive sentences; return them (chunks, 2) int64 in random order.

    A row holds the chunk's first sentence and the one after its last. Together the chunks hold every sentence of the
    corpus once, and no chunk reaches over the end of a document. A chunk takes sentences until it has `max_tokens`
    tokens or, with probability `short_seq_prob`, a number drawn uniformly from 2 to `max_tokens`: the paper's
    10 % of shorter inputs (section 4.1). The last sentence may reach beyond; `truncate_pair` cuts it.

    Google's create_pretraining_data.py draws the target once per document, not per chunk: then far more than 10 %
    of the inputs are short, because a short target makes many chunks out of a document.
    """
    sentence_starts = corpus.sentence_starts
    firsts: list[int] = []
    for start, end in zip(corpus.document_starts[:-1].tolist(), corpus.document_starts[1:].tolist(), strict=True):
        while start < end:
            firsts.append(start)
            target = int(rng.integers(2, max_tokens + 1)) if rng.random() < short_seq_prob else max_tokens
            start = int(sentence_starts.searchsorted(sentence_starts[start] + target))
    chunks = np.column_stack([firsts, [*firsts[1:], corpus.num_sentences]])
    return rng.permutation(chunks)


def make_pair(
    corpus: TokenizedCorpus,
    chunk: Ints,
    max_tokens: int,
    starts_word: npt.NDArray[np.bool_],
    rng: np.random.Generator,
    pairs: str = "order",
) -> Pair:
    """Cut a chunk in two where a sentence begins, swap the parts half of the time, and truncate them.

    The cut is uniform over the sentence boundaries inside the chunk. A chunk of one sentence is cut where a word
    begins (`starts_word` (V,) bool); one of a single word is no pair: `second` is empty and the label -100.

    pairs: "order" as described (SOP); "next" puts a stretch of another document in the second's place instead of
    swapping (BERT's NSP, which needs two documents), as long as the second was, so that lengths do not give the
    answer away; "none" leaves all in order and labels nothing.

    Google's code cuts no single sentence but takes the second segment from a random other document and labels it as
    swapped, so that the topic alone often gives the answer (create_pretraining_data.py); we do not.

    Derivation: notebook 13, eq. 13.10.
    """
    first, end = chunk
    ids = corpus.ids[corpus.sentence_starts[first] : corpus.sentence_starts[end]]
    if end - first > 1:
        cuts = corpus.sentence_starts[first + 1 : end] - corpus.sentence_starts[first]
    else:
        cuts = np.flatnonzero(starts_word[ids[1:]]) + 1
    if len(cuts) == 0:
        return Pair(*truncate_pair(ids, ids[:0], max_tokens, rng), NO_PAIR)
    cut = int(cuts[rng.integers(len(cuts))])
    first_part, second_part = ids[:cut], ids[cut:]
    label = int(rng.integers(2)) if pairs != "none" else NO_PAIR
    if label == SWAPPED and pairs == "next":
        second_part = _from_another_document(corpus, first, len(second_part), rng)
    elif label == SWAPPED:
        first_part, second_part = second_part, first_part
    return Pair(*truncate_pair(first_part, second_part, max_tokens, rng), label)


def _from_another_document(corpus: TokenizedCorpus, sentence: int, length: int, rng: np.random.Generator) -> Ints:
    """Return up to `length` tokens from a random sentence on, of any document but the one that holds `sentence`."""
    own = int(corpus.document_starts.searchsorted(sentence, side="right")) - 1
    start, end = corpus.document_starts[own], corpus.document_starts[own + 1]
    other = int(rng.integers(corpus.num_sentences - (end - start)))
    other += int(end - start) if other >= start else 0
    document = int(corpus.document_starts.searchsorted(other, side="right"))
    begin, limit = corpus.sentence_starts[[other, corpus.document_starts[document]]]
    return corpus.ids[begin : min(begin + length, limit)]


def truncate_pair(first: Ints, second: Ints, max_tokens: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Shorten the longer segment, token by token, until both together hold at most `max_tokens` tokens.

    Every token that goes is the first or the last of its segment with probability 1/2, so the number that goes at
    the front is binomial. Of two equally long segments the second is shortened. Google's `truncate_seq_pair`.
    """
    if len(first) + len(second) <= max_tokens:
        return first, second
    keep_first = min(len(first), max(max_tokens - len(second), (max_tokens + 1) // 2))
    keep_second = max_tokens - keep_first
    return _cut_ends(first, keep_first, rng), _cut_ends(second, keep_second, rng)


def _cut_ends(ids: Ints, keep: int, rng: np.random.Generator) -> Ints:
    front = int(rng.binomial(len(ids) - keep, 0.5))
    return ids[front : front + keep]

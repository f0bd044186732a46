"""Documents to pairs of segments: where each example of an epoch lies in the corpus, and how it is cut in two."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.backend import Ints
from albert_np.pretraining.corpus import TokenizedCorpus
from albert_np.pretraining.vocabulary import Vocabulary

__all__ = ["IN_ORDER", "NO_PAIR", "PAIRS", "SWAPPED", "Pair", "count_pairs", "make_pair", "plan_epoch", "truncate_pair"]

IN_ORDER, SWAPPED, NO_PAIR = 0, 1, -100  # sentence_order_label
PAIRS = ("order", "google", "next", "none")  # SOP, SOP as Google's code has it, BERT's NSP, nothing asked
FROM_OTHERS = ("google", "next")  # may take the second segment from another document


class Pair(NamedTuple):
    """Two stretches of text and whether the second follows the first (0) or not (1); `second` may be empty."""

    first: Ints
    second: Ints
    sentence_order_label: int


def plan_epoch(
    corpus: TokenizedCorpus, max_tokens: int, short_seq_prob: float, rng: np.random.Generator, pairs: str = "order"
) -> npt.NDArray[np.int64]:
    """Cut every document into chunks of consecutive sentences; return them (chunks, 2) int64 in random order.

    A row holds the chunk's first sentence and the one after its last. Together the chunks hold every sentence of the
    corpus once, and no chunk reaches over the end of a document. A chunk takes sentences until it has `max_tokens`
    tokens or, with probability `short_seq_prob`, a number drawn uniformly from 2 to `max_tokens`: the paper's
    10 % of shorter inputs (section 4.1). It takes at least two, so that there is an order to ask about, and the last
    of a document takes a sentence that would be left alone: only a document of one sentence makes a chunk of one.
    What reaches beyond `max_tokens`, `truncate_pair` cuts.

    Half of the documents are cut up from their end, in a mirror: the sentence that fills a chunk is longer than
    others, and if it always were the last, the lengths of two segments would tell their order.

    pairs="google": always from the beginning, and a chunk may be one sentence, as in create_pretraining_data.py.
    That draws the target once per document, not per chunk: then far more than 10 % of the inputs are short, because a
    short target makes many chunks out of a document.
    """
    at_least, mirrored = (1, 0.0) if pairs == "google" else (2, 0.5)
    bounds = []
    for start, end in zip(corpus.document_starts[:-1].tolist(), corpus.document_starts[1:].tolist(), strict=True):
        places = corpus.sentence_starts[start : end + 1]
        if rng.random() < mirrored:
            bounds.append(end - _fill(places[-1] - places[::-1], at_least, max_tokens, short_seq_prob, rng)[::-1])
        else:
            bounds.append(start + _fill(places - places[0], at_least, max_tokens, short_seq_prob, rng))
    return rng.permutation(np.concatenate([np.column_stack([b[:-1], b[1:]]) for b in bounds]))


def _fill(
    places: Ints, at_least: int, max_tokens: int, short_seq_prob: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Fill chunks with the sentences of a document, which begin at `places` (S + 1,); return the chunks' bounds."""
    end = len(places) - 1
    bounds = [0]
    while (start := bounds[-1]) < end:
        target = int(rng.integers(2, max_tokens + 1)) if rng.random() < short_seq_prob else max_tokens
        stop = max(int(places.searchsorted(places[start] + target)), start + at_least)
        bounds.append(end if end - stop < at_least else stop)
    return np.array(bounds)


def make_pair(
    corpus: TokenizedCorpus,
    chunk: Ints,
    max_tokens: int,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    pairs: str = "order",
) -> Pair:
    """Cut a chunk in two where a sentence begins, swap the parts half of the time, and truncate them.

    The cut is uniform over the boundaries between sentences after which neither part begins or ends within a
    sentence: a full stop behind one part alone would tell which is the later one. Both parts end with the mark of a
    sentence's end, and what comes before them in the document does too. That concerns the parts of very long
    sentences and headings; where no sentence of a chunk has a mark, any boundary will do. A chunk without such a
    boundary, of one sentence for example, is no pair: `second` is empty and the label -100.

    pairs: "order" as described (SOP); "next" puts a stretch of another document in the second's place instead of
    swapping (BERT's NSP, which needs two documents), as long as the second was, so that lengths do not give the
    answer away; "none" leaves all in order and labels nothing. "google" is SOP as create_pretraining_data.py has it:
    the cut is at any boundary, and a chunk of one sentence gets, as its second segment, the beginning of another
    document's stretch and counts as swapped, so that the topic alone often gives the answer.

    Derivation: notebook 13, eq. 13.10.
    """
    first, end = chunk
    ids = corpus.ids[corpus.sentence_starts[first] : corpus.sentence_starts[end]]
    if pairs == "google" and end - first == 1:
        second = _from_another_document(corpus, first, max(1, max_tokens - len(ids)), rng)
        return Pair(*truncate_pair(ids, second, max_tokens, rng), SWAPPED)
    cuts = corpus.sentence_starts[first + 1 : end] - corpus.sentence_starts[first]
    if pairs != "google":
        marked = vocabulary.ends_sentence[ids[cuts - 1]]
        whole = vocabulary.ends_sentence[ids[-1]] and _begins_sentence(corpus, first, vocabulary)
        cuts = cuts[marked & whole if marked.any() or vocabulary.ends_sentence[ids[-1]] else slice(None)]
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


def count_pairs(corpus: TokenizedCorpus, chunks: Ints, vocabulary: Vocabulary, pairs: str = "order") -> int:
    """Return how many of some chunks (n, 2) `make_pair` cuts in two."""
    if pairs == "google":
        return len(chunks)
    first, last = chunks[:, 0], chunks[:, 1] - 1
    ends = vocabulary.ends_sentence[corpus.last_ids()]
    earlier = np.zeros(len(ends) + 1, dtype=np.int64)  # how many sentences before each end with a mark
    np.cumsum(ends, out=earlier[1:])
    marked = earlier[last] - earlier[first]
    begins = ends[first - 1] | np.isin(first, corpus.document_starts)
    unmarked = (marked == 0) & ~ends[last] & (last > first)
    return int(np.count_nonzero(unmarked | (marked > 0) & ends[last] & begins))


def _begins_sentence(corpus: TokenizedCorpus, sentence: int, vocabulary: Vocabulary) -> bool:
    """Whether a sentence begins a document or stands behind one that ends with a mark."""
    place = corpus.document_starts.searchsorted(sentence)
    at_start = bool(corpus.document_starts[place] == sentence)
    return at_start or bool(vocabulary.ends_sentence[corpus.ids[corpus.sentence_starts[sentence] - 1]])


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

"""Pairs of segments: no token lost, no document mixed, honest labels, Google's truncation."""

import itertools

import numpy as np
import pytest
from toys.pretraining import ToyTokenizer, random_documents

from albert_np.pretraining import TokenizedCorpus, Vocabulary, make_pair, plan_epoch, truncate_pair
from albert_np.pretraining.segments import IN_ORDER, NO_PAIR, SWAPPED, count_pairs

TOKENIZER = ToyTokenizer()
VOCABULARY = Vocabulary.from_tokenizer(TOKENIZER)


@pytest.fixture(scope="module")
def corpus():
    return TokenizedCorpus.from_documents(random_documents(300), TOKENIZER)


def plan(corpus, max_tokens=61, short_seq_prob=0.1, seed=0, pairs="order"):
    return plan_epoch(corpus, max_tokens, short_seq_prob, np.random.default_rng(seed), pairs)


@pytest.mark.parametrize("short_seq_prob", [0, 0.1, 1])
@pytest.mark.parametrize("max_tokens", [5, 61, 10_000])
def test_the_chunks_of_an_epoch_cover_every_sentence_once(corpus, max_tokens, short_seq_prob):
    chunks = plan(corpus, max_tokens, short_seq_prob)
    covered = np.concatenate([np.arange(first, end) for first, end in chunks])
    assert np.array_equal(np.sort(covered), np.arange(corpus.num_sentences))


def test_no_chunk_reaches_over_the_end_of_a_document(corpus):
    owner = np.repeat(np.arange(corpus.num_documents), np.diff(corpus.document_starts))
    for first, end in plan(corpus):
        assert owner[first] == owner[end - 1]


def test_a_chunk_is_filled_from_one_side_of_its_document_and_half_of_the_documents_from_each():
    """With sentences of one token, and documents of 100 for chunks of 7: the shorter chunk is at one of two ends."""
    corpus = TokenizedCorpus.from_documents([["▁aa"] * 100] * 400, TOKENIZER)
    chunks = np.sort(plan(corpus, 7, short_seq_prob=0), axis=0)
    lengths = (chunks[:, 1] - chunks[:, 0]).reshape(400, -1)
    assert (np.delete(lengths, (0, -1), axis=1) == 7).all()
    assert set(map(tuple, lengths[:, [0, -1]])) == {(7, 2), (2, 7)}
    assert abs((lengths[:, 0] == 2).mean() - 0.5) < 3 * 0.5 / np.sqrt(400)


@pytest.mark.parametrize("max_tokens", [5, 29, 61])
def test_a_chunk_has_two_sentences_or_more_unless_its_document_has_one(corpus, max_tokens):
    chunks = plan(corpus, max_tokens)
    single = {start for start, end in itertools.pairwise(corpus.document_starts) if end - start == 1}
    assert {first for first, end in chunks if end - first == 1} == single
    assert {first for first, end in plan(corpus, max_tokens, pairs="google") if end - first == 1} > single


def test_google_fills_chunks_from_the_beginning_and_leaves_single_sentences(corpus):
    starts = corpus.sentence_starts
    for first, end in plan(corpus, 61, short_seq_prob=0, pairs="google"):
        assert starts[end - 1] - starts[first] < 61
        assert starts[end] - starts[first] >= 61 or end in corpus.document_starts


def test_targets_are_full_or_short_with_the_given_probability_and_short_ones_uniform():
    """With one token per sentence and one endless document, a chunk is as long as its target."""
    corpus = TokenizedCorpus.from_documents([["▁aa"] * 200_000], TOKENIZER)
    chunks = plan(corpus, max_tokens=11, short_seq_prob=0.5)
    lengths = (chunks[:, 1] - chunks[:, 0])[(chunks[:, 0] > 0) & (chunks[:, 1] < corpus.num_sentences)]
    expected = np.array([0, 0, *[0.5 / 10] * 9, 0.5 + 0.5 / 10])  # a short target is one of 2 to 11
    observed = np.bincount(lengths, minlength=12) / len(lengths)
    assert (np.abs(observed - expected) <= 3 * np.sqrt(expected / len(lengths))).all()


def test_the_plan_is_a_function_of_the_seed_and_comes_in_random_order(corpus):
    assert np.array_equal(plan(corpus, seed=1), plan(corpus, seed=1))
    assert not np.array_equal(plan(corpus, seed=1), plan(corpus, seed=2))
    positions = plan(corpus)[:, 0]
    assert abs(np.corrcoef(positions, np.arange(len(positions)))[0, 1]) < 3 / np.sqrt(len(positions))


def chunk_ids(corpus, chunk):
    return corpus.ids[corpus.sentence_starts[chunk[0]] : corpus.sentence_starts[chunk[1]]]


def pairs(corpus, max_tokens=10_000, epochs=10, **options):
    rng = np.random.default_rng(3)
    for seed in range(epochs):
        for chunk in plan(corpus, 61, seed=seed):
            yield chunk, make_pair(corpus, chunk, max_tokens, VOCABULARY, rng, **options)


def test_a_pair_holds_its_chunk_and_its_label_says_in_which_order(corpus):
    for chunk, pair in pairs(corpus):
        parts = (pair.first, pair.second) if pair.sentence_order_label != SWAPPED else (pair.second, pair.first)
        assert np.array_equal(np.concatenate(parts), chunk_ids(corpus, chunk))
        assert (len(pair.second) == 0) == (pair.sentence_order_label == NO_PAIR)


def test_half_of_the_pairs_are_swapped(corpus):
    labels = np.array([pair.sentence_order_label for _, pair in pairs(corpus)])
    labels = labels[labels != NO_PAIR]
    assert len(labels) > 5000
    assert abs(np.mean(labels == SWAPPED) - 0.5) < 3 * 0.5 / np.sqrt(len(labels))


def test_the_cut_is_uniform_over_the_sentence_boundaries():
    corpus = TokenizedCorpus.from_documents([["▁aa", "▁bb ▁bb", "▁cc", "▁dd"]], TOKENIZER)
    rng = np.random.default_rng(0)
    cuts = {1: 0, 3: 0, 4: 0}
    for _ in range(6000):
        pair = make_pair(corpus, np.array([0, 4]), 100, VOCABULARY, rng)
        cuts[len(pair.first if pair.sentence_order_label == IN_ORDER else pair.second)] += 1
    assert max(abs(count - 2000) for count in cuts.values()) < 3 * np.sqrt(6000 * (1 / 3) * (2 / 3))


@pytest.mark.parametrize("kind", ["order", "next", "none"])
def test_a_single_sentence_is_no_pair_but_is_not_lost(kind):
    corpus = TokenizedCorpus.from_documents([["▁aa kk ll ▁bb kk ."], ["▁cc ."]], TOKENIZER)
    pair = make_pair(corpus, np.array([0, 1]), 100, VOCABULARY, np.random.default_rng(0), kind)
    assert pair.sentence_order_label == NO_PAIR
    assert np.array_equal(pair.first, corpus.ids[:6])
    assert len(pair.second) == 0
    short = make_pair(corpus, np.array([0, 1]), 2, VOCABULARY, np.random.default_rng(0), kind)
    assert (len(short.first), len(short.second)) == (2, 0)


def test_google_sets_a_stretch_of_another_document_behind_a_single_sentence_and_calls_it_swapped():
    corpus = TokenizedCorpus.from_documents([["▁aa kk ll ▁bb ."], ["▁cc kk .", "▁dd ."]], TOKENIZER)
    rng = np.random.default_rng(0)
    pairs = [make_pair(corpus, np.array([0, 1]), 7, VOCABULARY, rng, "google") for _ in range(50)]
    assert {pair.sentence_order_label for pair in pairs} == {SWAPPED}
    assert all(np.array_equal(pair.first, corpus.ids[:5]) for pair in pairs)
    assert {tuple(TOKENIZER.convert_ids_to_tokens(pair.second)) for pair in pairs} == {("▁cc", "kk"), ("▁dd", ".")}


def test_no_part_begins_or_ends_within_a_sentence():
    """A heading, three sentences, and a sentence in two parts: tokens of the first part, for each chunk."""
    sentences = ["▁aa", "▁bb .", "▁cc ll .", "▁bb .", "▁dd kk", "▁ee ."]
    corpus = TokenizedCorpus.from_documents([sentences], TOKENIZER)
    rng = np.random.default_rng(0)
    cuts = {(0, 3): {3}, (1, 3): set(), (2, 4): {3}, (0, 2): set(), (4, 6): set(), (2, 5): set(), (3, 6): {2}}
    for (first, end), allowed in cuts.items():
        chunk = np.array([first, end])
        pairs = [make_pair(corpus, chunk, 100, VOCABULARY, rng) for _ in range(20)]
        assert {len(pair[pair.sentence_order_label]) for pair in pairs if len(pair.second)} == allowed
        assert count_pairs(corpus, chunk[None], VOCABULARY) == bool(allowed)


def test_pairs_are_counted_as_they_are_cut(corpus):
    for kind in ("order", "google"):
        chunks = plan(corpus, 29, pairs=kind)
        found = [make_pair(corpus, chunk, 29, VOCABULARY, np.random.default_rng(0), kind) for chunk in chunks]
        assert count_pairs(corpus, chunks, VOCABULARY, kind) == sum(len(pair.second) > 0 for pair in found)


def unordered(count, seed):
    """A corpus of documents whose sentences stand in no order; long ones come in parts, the last with a full stop."""
    rng = np.random.default_rng(seed)

    def parts():
        for last in [[True], [False, False, True]][int(rng.random() < 0.25)]:
            yield " ".join([*["▁aa"] * int(rng.choice([3, 8, 20, 40])), *["."] * last])

    documents = [[part for _ in range(rng.integers(1, 20)) for part in parts()] for _ in range(count)]
    return TokenizedCorpus.from_documents(documents, TOKENIZER)


def looks(corpus, max_tokens, rng):
    """What can be seen of an epoch's pairs without reading them, (pairs, 9), and their labels."""
    stop = TOKENIZER.ids["."]
    seen, labels = [], []
    for chunk in plan(corpus, max_tokens):
        first, second, label = make_pair(corpus, chunk, max_tokens, VOCABULARY, rng)
        if label != NO_PAIR:
            ends, stops = (
                [f(ids) for ids in (first, second)] for f in (lambda x: x[-1] == stop, lambda x: sum(x == stop))
            )
            seen.append([1, len(first), len(second), len(first) > len(second), *ends, ends[0] > ends[1], *stops])
            labels.append(label)
    return np.array(seen, dtype=float), np.array(labels)


@pytest.mark.parametrize("max_tokens", [13, 29, 61])
def test_nothing_but_the_text_of_a_pair_tells_its_order(max_tokens):
    """Where sentences have no order, nor must lengths, end marks, their number, and what was cut off tell one.

    Each of them is compared between the two orders, and a linear rule for all, fitted to other texts, is at chance.
    """
    rng = np.random.default_rng(9)
    (x, y), (seen, labels) = (looks(unordered(1500, seed), max_tokens, rng) for seed in range(2))
    assert min(len(y), len(labels)) > 2500
    error = np.sqrt(sum(x[y == label].var(axis=0) / (y == label).sum() for label in (IN_ORDER, SWAPPED)))
    assert (np.abs(x[y == IN_ORDER].mean(axis=0) - x[y == SWAPPED].mean(axis=0)) <= 3 * error).all()
    rule = np.linalg.lstsq(x, 2 * y - 1, rcond=None)[0]
    right = ((seen @ rule > 0) == labels).mean()
    assert abs(right - 0.5) < 3 * 0.5 / np.sqrt(len(labels))


def test_truncation_keeps_a_window_of_each_segment_and_shortens_the_longer_as_google_does():
    rng = np.random.default_rng(0)
    for first in range(14):
        for second in range(14):
            for limit in range(2, 20):
                lengths = [first, second]
                while sum(lengths) > limit:  # one token after the other, as the original loop does
                    lengths[0 if lengths[0] > lengths[1] else 1] -= 1
                a, b = truncate_pair(np.arange(first), np.arange(100, 100 + second), limit, rng)
                assert [len(a), len(b)] == lengths
                assert (np.diff(a) == 1).all()
                assert (np.diff(b) == 1).all()


def test_truncated_tokens_go_at_the_front_or_the_back_with_equal_chance():
    rng = np.random.default_rng(0)
    fronts = np.array([truncate_pair(np.arange(14), np.arange(0), 10, rng)[0][0] for _ in range(8000)])
    expected = np.array([1, 4, 6, 4, 1]) / 16  # binomial with four draws
    observed = np.bincount(fronts, minlength=5) / len(fronts)
    assert (np.abs(observed - expected) < 3 * np.sqrt(expected / len(fronts))).all()


@pytest.fixture(scope="module")
def numbered():
    """A corpus of which every token occurs in one document only, so that a stretch tells where it is from."""
    words = [f"▁{i}" for i in range(4000)]
    rng = np.random.default_rng(0)
    ends = np.sort(rng.choice(np.arange(1, len(words)), 400, replace=False))
    sentences = [" ".join(part) for part in np.split(np.array(words), ends)]
    documents = [list(part) for part in np.split(np.array(sentences, dtype=object), np.arange(3, 400, 7))]
    tokenizer = ToyTokenizer(pieces=words)
    corpus = TokenizedCorpus.from_documents(documents, tokenizer)
    return corpus, Vocabulary.from_tokenizer(tokenizer)


def next_pairs(numbered, max_tokens, epochs=60):
    corpus, vocabulary = numbered
    rng = np.random.default_rng(4)
    for seed in range(epochs):
        for chunk in plan(corpus, max_tokens, seed=seed):
            yield chunk, make_pair(corpus, chunk, max_tokens, vocabulary, rng, "next")


def places(corpus, ids):
    """Where in the corpus the tokens stand."""
    return ids - corpus.ids[0]


def test_next_takes_half_of_the_seconds_from_another_document(numbered):
    corpus, _ = numbered
    owner = np.repeat(np.arange(corpus.num_documents), np.diff(corpus.document_starts))
    labels = []
    for chunk, pair in next_pairs(numbered, 21):
        if pair.sentence_order_label == NO_PAIR:
            assert len(pair.second) == 0
            continue
        labels.append(pair.sentence_order_label)
        sentences = [corpus.sentence_starts.searchsorted(places(corpus, ids), "right") - 1 for ids in pair[:2]]
        first, second = (np.unique(owner[where]) for where in sentences)
        assert first == owner[chunk[0]]
        assert len(second) == 1
        assert (second[0] != first[0]) == (pair.sentence_order_label == SWAPPED)
    assert len(labels) > 5000
    assert abs(np.mean(np.array(labels) == SWAPPED) - 0.5) < 3 * 0.5 / np.sqrt(len(labels))


def test_next_keeps_both_segments_in_the_order_of_the_text_and_within_the_length(numbered):
    corpus, _ = numbered
    for chunk, pair in next_pairs(numbered, 21, epochs=10):
        assert 1 <= len(pair.first) + len(pair.second) <= 21
        assert all((np.diff(ids) == 1).all() for ids in pair[:2])
        if pair.sentence_order_label == IN_ORDER:
            assert np.isin(np.concatenate(pair[:2]), chunk_ids(corpus, chunk)).all()
        if pair.sentence_order_label == SWAPPED:
            assert len(pair.second) >= 1


def test_next_does_not_give_its_answer_away_by_lengths():
    """With documents so long that stretches seldom end with them."""
    corpus = TokenizedCorpus.from_documents(random_documents(3, longest_document=3000), TOKENIZER)
    rng = np.random.default_rng(5)
    lengths = {IN_ORDER: [], SWAPPED: [], NO_PAIR: []}
    for seed in range(10):
        for chunk in plan(corpus, 21, seed=seed):
            pair = make_pair(corpus, chunk, 21, VOCABULARY, rng, "next")
            lengths[pair.sentence_order_label].append((len(pair.first), len(pair.second)))
    following, other = np.array(lengths[IN_ORDER]), np.array(lengths[SWAPPED])
    error = np.sqrt(following.var(axis=0) / len(following) + other.var(axis=0) / len(other))
    assert len(other) > 5000
    assert (np.abs(following.mean(axis=0) - other.mean(axis=0)) < 3 * error).all()


def test_next_begins_its_other_segment_at_any_sentence_with_equal_chance():
    """The chunk is the second of three documents, and its second segment has three tokens."""
    tokenizer = ToyTokenizer()
    corpus = TokenizedCorpus.from_documents([["▁aa"], ["▁ab", "▁ba ▁bb ▁bc"], ["▁ad", "▁ae", "▁af"]], tokenizer)
    rng = np.random.default_rng(0)
    seconds = {}
    for _ in range(8000):
        pair = make_pair(corpus, np.array([1, 3]), 100, VOCABULARY, rng, "next")
        if pair.sentence_order_label == SWAPPED:
            words = tuple(tokenizer.convert_ids_to_tokens(pair.second))
            seconds[words] = seconds.get(words, 0) + 1
    assert seconds.keys() == {("▁aa",), ("▁ad", "▁ae", "▁af"), ("▁ae", "▁af"), ("▁af",)}
    count = sum(seconds.values())
    assert max(abs(n - count / 4) for n in seconds.values()) < 3 * np.sqrt(count * (1 / 4) * (3 / 4))


def test_none_leaves_every_pair_in_order_and_without_a_label(corpus):
    found = list(pairs(corpus, pairs="none", epochs=2))
    assert {pair.sentence_order_label for _, pair in found} == {NO_PAIR}
    assert all(np.array_equal(np.concatenate(pair[:2]), chunk_ids(corpus, chunk)) for chunk, pair in found)
    assert sum(len(pair.second) > 0 for _, pair in found) > 0.9 * len(found)


def test_order_is_what_is_done_unless_something_else_is_asked_for(corpus):
    for (_, left), (_, right) in zip(pairs(corpus, epochs=2), pairs(corpus, epochs=2, pairs="order"), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))

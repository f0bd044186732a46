"""Pairs of segments: no token lost, no document mixed, honest labels, Google's truncation."""

import numpy as np
import pytest
from toys.pretraining import ToyTokenizer, random_documents

from albert_np.pretraining import TokenizedCorpus, Vocabulary, make_pair, plan_epoch, truncate_pair
from albert_np.pretraining.segments import IN_ORDER, NO_PAIR, SWAPPED

TOKENIZER = ToyTokenizer()
STARTS_WORD = Vocabulary.from_tokenizer(TOKENIZER).starts_word


@pytest.fixture(scope="module")
def corpus():
    return TokenizedCorpus.from_documents(random_documents(300), TOKENIZER)


def plan(corpus, max_tokens=61, short_seq_prob=0.1, seed=0):
    return plan_epoch(corpus, max_tokens, short_seq_prob, np.random.default_rng(seed))


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


def test_a_chunk_ends_with_the_first_sentence_that_fills_it(corpus):
    starts = corpus.sentence_starts
    for first, end in plan(corpus, 61, short_seq_prob=0):
        assert starts[end - 1] - starts[first] < 61
        assert starts[end] - starts[first] >= 61 or end in corpus.document_starts


def test_targets_are_full_or_short_with_the_given_probability_and_short_ones_uniform():
    """With one token per sentence and one endless document, a chunk is as long as its target."""
    corpus = TokenizedCorpus.from_documents([["▁aa"] * 200_000], TOKENIZER)
    chunks = plan(corpus, max_tokens=11, short_seq_prob=0.5)
    lengths = (chunks[:, 1] - chunks[:, 0])[chunks[:, 1] < corpus.num_sentences]
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
            yield chunk, make_pair(corpus, chunk, max_tokens, STARTS_WORD, rng, **options)


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
        pair = make_pair(corpus, np.array([0, 4]), 100, STARTS_WORD, rng)
        cuts[len(pair.first if pair.sentence_order_label == IN_ORDER else pair.second)] += 1
    assert max(abs(count - 2000) for count in cuts.values()) < 3 * np.sqrt(6000 * (1 / 3) * (2 / 3))


def test_a_single_sentence_is_cut_at_a_word_boundary():
    corpus = TokenizedCorpus.from_documents([["▁aa kk ll ▁bb kk . ▁cc"]], TOKENIZER)
    rng = np.random.default_rng(0)
    cuts = set()
    for _ in range(200):
        pair = make_pair(corpus, np.array([0, 1]), 100, STARTS_WORD, rng)
        cuts.add(len(pair.first if pair.sentence_order_label == IN_ORDER else pair.second))
    assert cuts == {3, 5, 6}


def test_a_single_word_is_no_pair_but_is_not_lost():
    corpus = TokenizedCorpus.from_documents([["▁aa kk ll"]], TOKENIZER)
    pair = make_pair(corpus, np.array([0, 1]), 100, STARTS_WORD, np.random.default_rng(0))
    assert pair.sentence_order_label == NO_PAIR
    assert np.array_equal(pair.first, corpus.ids)
    assert len(pair.second) == 0
    short = make_pair(corpus, np.array([0, 1]), 2, STARTS_WORD, np.random.default_rng(0))
    assert (len(short.first), len(short.second)) == (2, 0)


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
    return corpus, Vocabulary.from_tokenizer(tokenizer).starts_word


def next_pairs(numbered, max_tokens, epochs=60):
    corpus, starts_word = numbered
    rng = np.random.default_rng(4)
    for seed in range(epochs):
        for chunk in plan(corpus, max_tokens, seed=seed):
            yield chunk, make_pair(corpus, chunk, max_tokens, starts_word, rng, "next")


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
            pair = make_pair(corpus, chunk, 21, STARTS_WORD, rng, "next")
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
        pair = make_pair(corpus, np.array([1, 3]), 100, STARTS_WORD, rng, "next")
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

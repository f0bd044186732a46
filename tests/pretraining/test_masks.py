"""n-gram masks: whole words, the budget, the distributions that the docstrings promise."""

import numpy as np
import pytest
from toys.pretraining import SPECIALS, ToyTokenizer, random_documents

from albert_np.pretraining import (
    Vocabulary,
    choose_ngrams,
    mask_tokens,
    ngram_probabilities,
    replace_tokens,
    starts_word,
)
from albert_np.pretraining.masks import prediction_budget

TOKENIZER = ToyTokenizer()
VOCABULARY = Vocabulary.from_tokenizer(TOKENIZER)


def example(rng):
    """[CLS] A [SEP] B [SEP] of random words."""
    (first,), (second,) = random_documents(2, int(rng.integers(2**31)), longest_document=1)
    return np.array(TOKENIZER.encode_lines([f"[CLS] {first} [SEP] {second} [SEP]"])[0])


@pytest.mark.parametrize("piece", ["▁the", "▁", "<unk>", ".", "-", "'s", "5", "1,000", "é", "naïve", "中", "€", "="])
def test_these_pieces_start_a_word(piece):
    assert starts_word(piece)


@pytest.mark.parametrize("piece", ["ing", "s", "ER", ".com", "-based", "..."])
def test_these_pieces_go_on_a_word(piece):
    assert not starts_word(piece)


def google_starts_word(piece):
    """The rule as it stands in Google's script, character by character."""
    marks = set('!"#$%&"()*+,-./:;?@[\\]^_`{|}~')
    letters = set("abcdefghijklmnopqrstuvwxyz")
    return piece.startswith(("▁", "<")) or piece in marks or not all(c.lower() in letters.union(marks) for c in piece)


def test_word_starts_of_the_released_vocabulary_are_googles(released):
    pieces = released.convert_ids_to_tokens(range(len(released)))
    assert [starts_word(piece) for piece in pieces] == [google_starts_word(piece) for piece in pieces]


def test_ngram_probabilities_are_proportional_to_one_over_n():
    assert np.allclose(ngram_probabilities(3), np.array([6, 3, 2]) / 11)
    assert np.allclose(ngram_probabilities(1), [1])


def test_ngram_lengths_follow_one_over_n():
    """Over a text so long that only the last n-gram of it is short of room."""
    rng = np.random.default_rng(0)
    lengths = [n for _ in range(40) for _, n in choose_ngrams(np.ones(10_000, dtype=np.int64), 1500, rng)[:-2]]
    expected = ngram_probabilities(3)
    observed = np.bincount(lengths, minlength=4)[1:] / len(lengths)
    assert len(lengths) > 30_000
    assert (np.abs(observed - expected) < 3 * np.sqrt(expected * (1 - expected) / len(lengths))).all()


def test_ngram_places_are_uniform():
    rng = np.random.default_rng(0)
    firsts = [choose_ngrams(np.ones(12, dtype=np.int64), 3, rng)[0] for _ in range(30_000)]
    for n in (1, 2, 3):
        places = np.bincount([start for start, length in firsts if length == n])
        share = 1 / (13 - n)
        assert len(places) == 13 - n
        assert (np.abs(places / places.sum() - share) < 3.5 * np.sqrt(share / places.sum())).all()


def test_ngrams_do_not_overlap_and_keep_to_the_budget_and_use_it_up():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        sizes = rng.integers(1, 5, size=rng.integers(1, 60))
        budget = int(rng.integers(1, 30))
        sizes[rng.random(len(sizes)) < 0.1] = budget + 1
        ngrams = choose_ngrams(sizes, budget, rng)
        words = [word for start, length in ngrams for word in range(start, start + length)]
        left = budget - sizes[words].sum()
        assert len(words) == len(set(words))
        assert left >= 0
        free = np.delete(sizes, words)
        assert (free > left).all()  # no word is left that would have fitted
        assert all(1 <= length <= 3 for _, length in ngrams)


def test_choosing_ngrams_does_not_change_its_argument():
    sizes = np.ones(20, dtype=np.int64)
    choose_ngrams(sizes, 5, np.random.default_rng(0))
    assert (sizes == 1).all()


def test_longer_ngrams_may_be_asked_for_than_there_are_words():
    assert choose_ngrams(np.array([1, 1]), 2, np.random.default_rng(0), max_ngram=9)


def test_labels_are_the_original_tokens_and_putting_them_back_restores_the_text():
    rng = np.random.default_rng(0)
    for _ in range(300):
        ids = example(rng)
        before = ids.copy()
        budget = prediction_budget(len(ids), 0.15, None)
        input_ids, labels = mask_tokens(ids, VOCABULARY, budget, rng)
        chosen = labels != -100
        assert np.array_equal(ids, before)
        assert np.array_equal(labels[chosen], ids[chosen])
        assert np.array_equal(input_ids[~chosen], ids[~chosen])
        assert np.array_equal(np.where(chosen, labels, input_ids), ids)
        assert chosen.sum() <= budget
        assert input_ids.dtype == labels.dtype == np.int64


def test_whole_words_are_masked_and_special_tokens_never():
    rng = np.random.default_rng(0)
    for _ in range(300):
        ids = example(rng)
        unknown = rng.choice(len(ids) - 3) + 1
        ids[unknown] = TOKENIZER.unk_token_id
        _, labels = mask_tokens(ids, VOCABULARY, max(1, len(ids) // 3), rng)
        chosen = labels != -100
        assert not VOCABULARY.is_special[ids[chosen]].any()
        for here in range(1, len(ids)):
            goes_on = not VOCABULARY.starts_word[ids[here]] and not VOCABULARY.is_special[ids[here - 1]]
            assert not goes_on or chosen[here] == chosen[here - 1]


def test_an_ngram_does_not_reach_over_a_special_token():
    ids = TOKENIZER.encode_lines(["[CLS] ▁aa [SEP] ▁bb [SEP]"])[0]
    rng = np.random.default_rng(0)
    assert {(mask_tokens(ids, VOCABULARY, 1, rng)[1] != -100).sum() for _ in range(50)} == {1}
    sizes = np.array([9, 1, 9, 1, 9])
    assert all(length == 1 for _ in range(50) for _, length in choose_ngrams(sizes, 8, rng))


def test_the_rest_of_a_word_that_truncation_cut_is_a_word():
    ids = TOKENIZER.encode_lines(["[CLS] ▁aa [SEP] kk ll ▁bb [SEP]"])[0]
    rng = np.random.default_rng(0)
    masked = {tuple(np.flatnonzero(mask_tokens(ids, VOCABULARY, 2, rng, max_ngram=1)[1] != -100)) for _ in range(100)}
    assert masked == {(3, 4), (1, 5)}


def test_a_word_longer_than_the_budget_is_left_alone():
    ids = TOKENIZER.encode_lines(["[CLS] ▁aa kk ll [SEP]"])[0]
    input_ids, labels = mask_tokens(ids, VOCABULARY, 2, np.random.default_rng(0))
    assert (labels == -100).all()
    assert np.array_equal(input_ids, ids)


def test_the_budget_is_fifteen_percent_at_least_one_and_under_the_cap():
    assert [prediction_budget(length, 0.15, None) for length in (3, 10, 128, 512)] == [1, 2, 19, 77]
    assert prediction_budget(512, 0.15, 20) == 20
    assert prediction_budget(16, 0.15, 20) == 2


def test_tokens_are_replaced_in_the_ratio_80_10_10_and_random_ones_are_uniform():
    rng = np.random.default_rng(0)
    count = 400_000
    original = TOKENIZER.ids["▁aa"]
    ids = np.full(count, original)
    replaced = replace_tokens(ids, np.ones(count, dtype=bool), VOCABULARY, rng)
    ordinary = len(TOKENIZER) - len(SPECIALS)
    for seen, share in (
        (replaced == TOKENIZER.mask_token_id, 0.8),
        (replaced == original, 0.1 + 0.1 / ordinary),
    ):
        assert abs(seen.mean() - share) < 3 * np.sqrt(share * (1 - share) / count)
    counts = np.bincount(replaced, minlength=len(TOKENIZER))
    random = np.delete(counts, [*TOKENIZER.all_special_ids, original])
    assert counts[[TOKENIZER.ids[token] for token in SPECIALS if token != "[MASK]"]].sum() == 0
    assert abs(random.sum() - 0.1 * count * (ordinary - 1) / ordinary) < 3 * np.sqrt(0.1 * 0.9 * count)
    assert np.abs(random - random.mean()).max() < 4 * np.sqrt(random.mean())  # the largest of 126


def test_only_chosen_tokens_are_replaced():
    ids = np.full(1000, 7)
    chosen = np.arange(1000) % 2 == 0
    replaced = replace_tokens(ids, chosen, VOCABULARY, np.random.default_rng(0))
    assert (replaced[~chosen] == 7).all()
    assert (replaced[chosen] != 7).mean() > 0.8


@pytest.mark.parametrize(
    ("specials", "message"),
    [
        (["<pad>", "<unk>", "[CLS]", "[SEP]"], "mask_token_id is None"),
        (["<pad>", "<unk>", "[SEP]", "[MASK]"], "cls_token_id is None"),
    ],
)
def test_a_vocabulary_without_a_special_token_is_a_clear_error(specials, message):
    with pytest.raises(ValueError, match=f"{message}: pretraining needs"):
        Vocabulary.from_tokenizer(ToyTokenizer(specials))


def test_a_special_token_must_have_an_id_of_its_own():
    for role, other in (("mask", "unk"), ("sep", "cls")):
        tokenizer = ToyTokenizer()
        setattr(tokenizer, f"{role}_token_id", getattr(tokenizer, f"{other}_token_id"))
        with pytest.raises(ValueError, match="an id of its own"):
            Vocabulary.from_tokenizer(tokenizer)


def test_a_vocabulary_of_special_tokens_alone_is_a_clear_error():
    with pytest.raises(ValueError, match="all of them are special"):
        Vocabulary.from_tokenizer(ToyTokenizer(pieces=()))

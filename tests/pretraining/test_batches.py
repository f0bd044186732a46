"""Batches: pure functions of their position, whole epochs, honest padding, clear errors."""

import json
import math

import numpy as np
import pytest
from toys.pretraining import ToyTokenizer, random_documents

from albert_np.pretraining import (
    KINDS,
    Position,
    PretrainingBatch,
    PretrainingData,
    TokenizedCorpus,
    held_out_batches,
    held_out_kinds,
)

TOKENIZER = ToyTokenizer()


@pytest.fixture(scope="module")
def corpus():
    return TokenizedCorpus.from_documents(random_documents(100), TOKENIZER)


def make(corpus, batch_size=8, max_seq_length=64, **options):
    return PretrainingData(corpus, TOKENIZER, batch_size, max_seq_length, **options)


def rows(batches):
    """The examples of batches as tuples without padding."""
    return [
        (*(tuple(column[i][batch.attention_mask[i] == 1]) for column in batch[:4]), batch.sentence_order_label[i])
        for batch in batches
        for i in range(len(batch.input_ids))
    ]


def take(data, count, position=None):
    stream = data.batches(position)
    return [next(stream)[0] for _ in range(count)]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_batch_is_int64_and_padded_to_its_longest_example_and_no_further(corpus):
    for batch in take(make(corpus), 20):
        assert isinstance(batch, PretrainingBatch)
        assert all(column.dtype == np.int64 for column in batch)
        assert all(column.shape == batch.input_ids.shape for column in batch[:4])
        assert batch.sentence_order_label.shape == (8,)
        lengths = batch.attention_mask.sum(axis=1)
        assert lengths.max() == batch.input_ids.shape[1] <= 64
        assert np.array_equal(batch.attention_mask, np.arange(lengths.max()) < lengths[:, None])
        padding = batch.attention_mask == 0
        assert (batch.input_ids[padding] == TOKENIZER.pad_token_id).all()
        assert (batch.token_type_ids[padding] == 0).all()
        assert (batch.labels[padding] == -100).all()


def test_an_example_is_cls_a_sep_b_sep_with_token_types(corpus):
    cls, sep = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id
    for ids, types, _, labels, order in rows(take(make(corpus), 40)):
        ids, types, labels = (np.array(column) for column in (ids, types, labels))
        original = np.where(labels == -100, ids, labels)
        separators = np.flatnonzero(original == sep)
        assert original[0] == cls
        assert separators[-1] == len(original) - 1
        assert len(separators) == (1 if order == -100 else 2)
        assert np.array_equal(types, np.arange(len(original)) > separators[0])
        assert order in (0, 1, -100)
        assert (labels != -100).sum() <= max(1, round(0.15 * len(ids)))


@pytest.mark.parametrize(
    "pairs, labels", [("order", {0, 1, -100}), ("google", {0, 1}), ("next", {0, 1, -100}), ("none", {-100})]
)
def test_examples_of_every_kind_of_pair_are_labelled_and_fit(corpus, pairs, labels):
    found = rows(take(make(corpus, max_seq_length=32, pairs=pairs), 60))
    assert {order for *_, order in found} == labels
    assert max(len(ids) for ids, *_ in found) == 32
    assert sum(1 in types for _, types, *_ in found) > 0.9 * len(found)
    assert all(1 in types for _, types, *_, order in found if order != -100)


def test_next_sentences_need_a_second_document():
    corpus = TokenizedCorpus.from_documents(random_documents(1), TOKENIZER)
    make(corpus, pairs="none")
    with pytest.raises(ValueError, match='pairs="next" takes segments from other documents, but the corpus has one'):
        make(corpus, pairs="next")


def test_an_epoch_shows_every_token_of_the_corpus_once(corpus):
    """With sequences long enough that nothing is truncated."""
    data = make(corpus, max_seq_length=4096)
    seen = []
    for index in range(data.epoch_size(3)):
        example = data.example(3, index)
        original = np.where(example.labels == -100, example.input_ids, example.labels)
        seen.append(original[~np.isin(original, TOKENIZER.all_special_ids)])
    assert np.array_equal(np.bincount(np.concatenate(seen)), np.bincount(corpus.ids))


def test_examples_do_not_depend_on_the_batch_size(corpus):
    one, three, eight = (rows(take(make(corpus, size), 240 // size)) for size in (1, 3, 8))
    assert one == three == eight


def test_batches_do_not_depend_on_the_order_of_asking(corpus):
    expected = take(make(corpus), 60)
    positions = [Position(0, 0)]
    for _, position in zip(range(59), (position for _, position in make(corpus).batches()), strict=False):
        positions.append(position)
    data = make(corpus)
    for i in np.random.default_rng(0).permutation(60):
        assert same(data.batch_at(positions[i])[0], expected[i])


def test_a_stream_resumed_from_json_continues_to_the_bit(corpus):
    data = make(corpus, seed=5)
    stream = data.batches()
    for _ in range(37):
        _, position = next(stream)
    expected = [next(stream)[0] for _ in range(30)]
    restored = Position(*json.loads(json.dumps(position)))
    resumed = take(make(corpus, seed=5), 30, restored)
    assert all(same(a, b) for a, b in zip(resumed, expected, strict=True))


def test_the_last_batch_of_an_epoch_is_filled_up_from_the_next(corpus):
    data = make(corpus, batch_size=7)
    count = data.epoch_size(0)
    assert count % 7
    batch, position = data.batch_at(Position(0, count - 3))
    assert position == Position(1, 4)
    expected = [data.example(0, i) for i in range(count - 3, count)] + [data.example(1, i) for i in range(4)]
    assert same(batch, data.collate(expected))
    _, position = data.batch_at(Position(0, count - 7))
    assert position == Position(1, 0)


def test_every_epoch_and_every_seed_comes_in_an_order_of_its_own(corpus):
    def texts(data, epoch):
        examples = [data.example(epoch, i) for i in range(50)]
        return [tuple(sorted(np.where(e.labels == -100, e.input_ids, e.labels))) for e in examples]

    first, second, other = texts(make(corpus), 0), texts(make(corpus), 1), texts(make(corpus, seed=1), 0)
    assert first == texts(make(corpus), 0)
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 5
    assert sum(a == b for a, b in zip(first, other, strict=True)) < 5


def test_every_example_epoch_and_seed_has_masks_of_its_own():
    """A corpus of equal sentences: equal masks would be streams that repeat."""
    corpus = TokenizedCorpus.from_documents([["▁aa " * 57] * 2] * 200, TOKENIZER)
    masks = []
    for seed in range(2):
        data = make(corpus, short_seq_prob=0, seed=seed)
        masks += [tuple(data.example(epoch, i).labels) for epoch in range(2) for i in range(data.epoch_size(epoch))]
    assert len(set(masks)) > 0.99 * len(masks)


def test_plans_of_past_epochs_are_not_kept(corpus):
    data = make(corpus, batch_size=100)
    for _ in zip(range(20), data.batches(), strict=False):
        assert len(data._plans) <= 2


def test_held_out_batches_are_fixed_and_hold_every_example_once(corpus):
    batches = held_out_batches(corpus, TOKENIZER, 16, 64, seed=3)
    again = held_out_batches(corpus, TOKENIZER, 16, 64, seed=3)
    assert all(same(a, b) for a, b in zip(batches, again, strict=True))
    data = make(corpus, seed=3)
    assert rows(batches) == rows([data.collate([data.example(0, i)]) for i in range(data.epoch_size(0))])
    assert [len(batch.input_ids) for batch in batches[:-1]] == [16] * (len(batches) - 1)
    assert len(batches[-1].input_ids) == data.epoch_size(0) % 16
    assert rows(held_out_batches(corpus, TOKENIZER, 16, 64, seed=3, max_examples=20)) == rows(batches)[:20]
    (only,) = held_out_batches(corpus, TOKENIZER, 10_000, 64)
    assert len(only.input_ids) == make(corpus).epoch_size(0)


def test_settings_name_everything_the_stream_depends_on(corpus):
    settings = make(corpus).settings()
    assert json.loads(json.dumps(settings)) == settings
    other = TokenizedCorpus.from_documents(random_documents(100, seed=9), TOKENIZER)
    for changed in (
        make(other),
        make(corpus, batch_size=4),
        make(corpus, max_seq_length=32),
        make(corpus, masked_lm_prob=0.2),
        make(corpus, max_predictions_per_seq=10),
        make(corpus, short_seq_prob=0.2),
        make(corpus, max_ngram=1),
        make(corpus, pairs="next"),
        make(corpus, seed=1),
    ):
        assert sum(settings[key] != value for key, value in changed.settings().items()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masked_lm_prob": 0}, "masked_lm_prob is 0; allowed is a number above 0 and below 1"),
        ({"masked_lm_prob": 1.0}, "masked_lm_prob is 1.0; allowed"),
        ({"masked_lm_prob": math.nan}, "masked_lm_prob is nan; allowed"),
        ({"short_seq_prob": 1.5}, "short_seq_prob is 1.5; allowed is a finite number at least 0 and at most 1"),
        ({"max_seq_length": 7}, "max_seq_length is 7; allowed is a whole number from 8 "),
        ({"batch_size": 0}, "batch_size is 0; allowed is a whole number from 1 "),
        ({"batch_size": 8.0}, r"batch_size is 8\.0; allowed"),
        ({"batch_size": True}, "batch_size is true; allowed"),
        ({"max_predictions_per_seq": 0}, "max_predictions_per_seq is 0; allowed"),
        ({"max_ngram": 0}, "max_ngram is 0; allowed"),
        ({"pairs": "sop"}, "pairs is 'sop'; allowed is one of 'order', 'google', 'next', 'none'"),
        ({"seed": -1}, "seed is -1; allowed is a whole number from 0 "),
    ],
)
def test_arguments_out_of_range_are_named(corpus, options, message):
    with pytest.raises(ValueError, match=message):
        make(corpus, **options)


def test_numbers_may_be_numpys(corpus):
    data = make(corpus, batch_size=np.int64(8), seed=np.uint8(1), masked_lm_prob=np.float64(0.15))
    assert json.loads(json.dumps(data.settings())) == make(corpus, batch_size=8, seed=1).settings()


def test_an_epoch_counts_the_tokens_that_it_shows(corpus):
    data = make(corpus, max_seq_length=16)
    examples = [data.example(0, i) for i in range(data.epoch_size(0))]
    specials = [data.vocabulary.cls_id, data.vocabulary.sep_id]
    ids = [np.where(e.labels == -100, e.input_ids, e.labels) for e in examples]
    assert data.shown_tokens(0) == sum(int((~np.isin(row, specials)).sum()) for row in ids) < corpus.num_tokens
    assert make(corpus, max_seq_length=10_000).shown_tokens(0) == corpus.num_tokens


def test_a_batch_larger_than_an_epoch_goes_on_into_the_next_ones(corpus):
    one = make(corpus, batch_size=1)
    sizes = [one.epoch_size(epoch) for epoch in range(3)]
    batch, following = make(corpus, batch_size=sum(sizes[:2]) + 5).batch_at(Position(0, 3))
    assert following == Position(2, 8)
    order = [(0, i) for i in range(3, sizes[0])] + [(1, i) for i in range(sizes[1])] + [(2, i) for i in range(8)]
    assert rows([batch]) == rows([one.batch_at(Position(*place))[0] for place in order])


def test_positions_outside_the_corpus_are_clear_errors(corpus):
    for position, message in (
        (Position(0, -1), "has examples 0 to"),
        (Position(-1, 0), "epoch=-1 must be at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            make(corpus).batch_at(position)
    data = make(corpus)
    with pytest.raises(ValueError, match="has examples 0 to"):
        data.batch_at(Position(0, data.epoch_size(0)))


def test_a_corpus_of_another_vocabulary_is_refused(corpus):
    with pytest.raises(ValueError, match="another vocabulary"):
        PretrainingData(corpus, ToyTokenizer(pieces=["▁aa"]), 8, 64)


def test_a_cap_below_the_asked_share_warns_with_the_numbers(corpus):
    with pytest.warns(UserWarning, match=r"max_predictions_per_seq=20 masks at most 3\.9%.*512 tokens.*asks for 77"):
        data = make(corpus, max_seq_length=512, max_predictions_per_seq=20)
    assert all((data.example(0, i).labels != -100).sum() <= 20 for i in range(data.epoch_size(0)))
    make(corpus, max_seq_length=128, max_predictions_per_seq=20)  # asks for 19: no warning


def test_kinds_hold_the_same_examples_as_the_batches(corpus):
    options = {"batch_size": 16, "max_seq_length": 32, "seed": 3, "max_examples": 100}
    kinds = held_out_kinds(corpus, TOKENIZER, **options)
    batches = held_out_batches(corpus, TOKENIZER, **options)
    assert tuple(kinds) == KINDS
    assert sorted(rows([b for each in kinds.values() for b in each])) == sorted(rows(batches))
    data = make(corpus, max_seq_length=32, seed=3)
    for kind, sizes in zip(KINDS, ({1}, {2}, set(range(3, 13))), strict=True):
        members = [i for i in range(100) if data.kind(0, i) == kind]
        assert rows(kinds[kind]) == rows([data.collate([data.example(0, i) for i in members])])
        assert {int(end - first) for first, end in data._plan(0)[members]} <= sizes
    assert (np.concatenate([batch.sentence_order_label for batch in kinds["one"]]) == -100).all()


def test_an_epoch_counts_its_pairs(corpus):
    data = make(corpus, max_seq_length=32)
    labels = [data.example(0, i).sentence_order_label for i in range(data.epoch_size(0))]
    assert data.num_pairs(0) == len(labels) - labels.count(-100) < len(labels)

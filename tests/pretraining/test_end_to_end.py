"""From text files through a vocabulary of their own to batches, with the real tokenizer."""

from itertools import islice

import numpy as np
import pytest
from toys.texts import stories

from albert_np.pretraining import (
    PretrainingData,
    TokenizedCorpus,
    Vocabulary,
    is_held_out,
    read_documents,
    text_source,
)
from albert_np.tokenization import train_vocabulary


@pytest.fixture(scope="module")
def documents():
    return stories(80)


@pytest.fixture(scope="module")
def tokenizer(documents, tmp_path_factory):
    model_file = tmp_path_factory.mktemp("vocabulary") / "spiece.model"
    return train_vocabulary((sentence for document in documents for sentence in document), model_file, 600)


def test_batches_hold_the_text_of_the_files(documents, tokenizer, tmp_path):
    path = tmp_path / "prose.txt"
    path.write_text("\n\n".join("\n".join(document) for document in documents))
    training = (document for document in read_documents(path) if not is_held_out(document))
    corpus = TokenizedCorpus.cached(tmp_path / "corpus", training, tokenizer, text_source(path))
    kept = [document for document in documents if not is_held_out(document)]
    assert corpus.num_documents == len(kept) < len(documents)
    assert corpus.num_sentences == sum(map(len, kept))
    text = tokenizer.decode(corpus.ids)
    data = PretrainingData(corpus, tokenizer, batch_size=16, max_seq_length=64)
    for batch, _ in islice(data.batches(), 10):
        restored = np.where(batch.labels == -100, batch.input_ids, batch.labels)
        share = (batch.labels != -100).sum() / batch.attention_mask.sum()
        assert share == pytest.approx(0.15, abs=0.02)
        for ids in restored:
            first, second = "".join(tokenizer.convert_ids_to_tokens(ids)).split("[SEP]")[:2]
            for segment in (first.removeprefix("[CLS]"), second):
                assert segment.replace("▁", " ").strip() in text


def test_letters_go_on_a_word_unless_a_space_begins_it(documents, tokenizer):
    starts_word = Vocabulary.from_tokenizer(tokenizer).starts_word
    for ids in tokenizer.encode_lines(documents[0]):
        for piece, starts in zip(tokenizer.convert_ids_to_tokens(ids), starts_word[ids], strict=True):
            assert starts or (piece.isascii() and not piece.isdigit())
            assert not (starts and piece.isalpha())


def test_the_released_vocabulary_masks_whole_words(documents, released):
    corpus = TokenizedCorpus.from_documents(documents, released)
    vocabulary = Vocabulary.from_tokenizer(released)
    data = PretrainingData(corpus, released, batch_size=32, max_seq_length=128)
    batch, _ = data.batch_at(data.first_position)
    masked = batch.labels != -100
    original = np.where(masked, batch.labels, batch.input_ids)
    goes_on = ~vocabulary.starts_word[original[:, 1:]] & ~vocabulary.is_special[original[:, :-1]]
    assert goes_on.any()
    assert np.array_equal(masked[:, 1:][goes_on], masked[:, :-1][goes_on])

"""Tokenized corpora: what they hold, streaming, atomic building, staleness."""

import json
import os
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from toys.pretraining import ToyTokenizer, random_documents

from albert_np.execution import Processes
from albert_np.pretraining import PretrainingData, TokenizedCorpus
from albert_np.pretraining import corpus as corpus_module
from albert_np.pretraining.corpus import build_parts


@pytest.fixture
def tokenizer():
    return ToyTokenizer()


def sentences_of(corpus, tokenizer):
    """The corpus as text again, document by document."""
    ids, sentences, documents = corpus.ids, corpus.sentence_starts, corpus.document_starts
    text = [" ".join(tokenizer.convert_ids_to_tokens(ids[a:b])) for a, b in pairwise(sentences)]
    return [text[a:b] for a, b in pairwise(documents)]


@pytest.mark.parametrize("batch_sentences", [1, 7, 8192])
def test_the_arrays_hold_every_token_sentence_and_document(tmp_path, tokenizer, monkeypatch, batch_sentences):
    monkeypatch.setattr(corpus_module, "BATCH_SENTENCES", batch_sentences)
    documents = random_documents(50)
    built = TokenizedCorpus.build(tmp_path / "corpus", iter(documents), tokenizer)
    in_memory = TokenizedCorpus.from_documents(documents, tokenizer)
    for corpus in (built, in_memory, TokenizedCorpus.open(tmp_path / "corpus")):
        assert sentences_of(corpus, tokenizer) == documents
        assert corpus.num_documents == 50
        assert corpus.num_sentences == sum(map(len, documents))
        assert corpus.num_tokens == sum(len(sentence.split()) for document in documents for sentence in document)
        assert corpus.ids.dtype == np.uint16
        assert corpus.fingerprint == in_memory.fingerprint


def test_large_vocabularies_get_wider_ids():
    tokenizer = ToyTokenizer(pieces=[f"▁{i}" for i in range(2**16)])
    corpus = TokenizedCorpus.from_documents([["▁65535 ▁0"]], tokenizer)
    assert corpus.ids.dtype == np.int32
    assert corpus.ids.tolist() == [2**16 + 4, 5]


def test_empty_sentences_and_documents_are_dropped(tokenizer):
    documents = [[], ["", "▁aa"], ["", " "], ["▁bb", "", "▁cc ▁dd"]]
    corpus = TokenizedCorpus.from_documents(documents, tokenizer)
    assert sentences_of(corpus, tokenizer) == [["▁aa"], ["▁bb", "▁cc ▁dd"]]


def test_documents_are_streamed(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(corpus_module, "BATCH_SENTENCES", 10)
    read, done = [], []

    def documents():
        for number in range(100):
            assert number - (done[-1] if done else 0) <= 10, "read further ahead than one batch"
            read.append(number)
            yield ["▁aa ▁bb ."]

    corpus = TokenizedCorpus.build(
        tmp_path / "corpus", documents(), tokenizer, progress=lambda sentences, tokens: done.append(sentences)
    )
    assert done == list(range(10, 101, 10))
    assert corpus.num_tokens == 300


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_any_number_of_processes_writes_the_same_bytes(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(corpus_module, "BATCH_SENTENCES", 20)
    documents = [*random_documents(60), [], ["", " "]]
    TokenizedCorpus.build(tmp_path / "one", iter(documents), tokenizer)
    for count in (2, 3):
        with Processes(count) as processes:
            TokenizedCorpus.build(tmp_path / f"{count}", iter(documents), tokenizer, processes=processes)
        assert files_of(tmp_path / f"{count}") == files_of(tmp_path / "one")


def test_parts_are_built_in_one_pass_as_each_would_be_alone(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(corpus_module, "BATCH_SENTENCES", 20)
    documents = [(i % 3 == 1, document) for i, document in enumerate([*random_documents(60), [""], ["", "▁aa"]])]
    build_parts([tmp_path / "first", tmp_path / "second"], iter(documents), tokenizer, source="both")
    for number, name in enumerate(("first", "second")):
        alone = tmp_path / f"{name} alone"
        TokenizedCorpus.build(alone, [document for part, document in documents if part == number], tokenizer, "both")
        assert files_of(tmp_path / name) == files_of(alone)
    with pytest.raises(ValueError, match="documents hold no text"):
        build_parts([tmp_path / "third", tmp_path / "fourth"], [(0, ["▁aa"])], tokenizer)
    assert not (tmp_path / "third").exists()


class Dying(ToyTokenizer):
    """Ends its process at a sentence with an exclamation mark."""

    def encode_lines(self, lines):
        if any("!" in line for line in lines):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_lines(lines)


class Refusing(ToyTokenizer):
    """Refuses a sentence with an exclamation mark."""

    def encode_lines(self, lines):
        if any("!" in line for line in lines):
            raise ValueError("no exclamations")
        return super().encode_lines(lines)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("kind", "error"), [(Dying, ChildProcessError), (Refusing, ValueError)])
def test_a_process_that_fails_leaves_nothing_half_written(tmp_path, monkeypatch, kind, error):
    monkeypatch.setattr(corpus_module, "BATCH_SENTENCES", 20)
    documents = [*random_documents(60), ["▁aa !"], *random_documents(60)]
    with pytest.raises(error, match=r"ended by SIGKILL|no exclamations"), Processes(2) as processes:
        TokenizedCorpus.build(tmp_path / "new" / "corpus", documents, kind(), processes=processes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="other systems let nobody cut off a mapped file")
@pytest.mark.parametrize("name", ["ids", "sentence_starts", "document_starts"])
def test_a_file_that_is_cut_off_while_it_is_read_is_an_error_and_no_bus_error(tmp_path, tokenizer, name):
    corpus = TokenizedCorpus.build(tmp_path / "corpus", random_documents(50), tokenizer)
    data = PretrainingData(corpus, tokenizer, 2, 16)
    _, position = data.batch_at(data.first_position)
    TokenizedCorpus.from_documents([["▁aa"]], tokenizer).check_files()  # in memory
    os.truncate(tmp_path / "corpus" / f"{name}.npy", 130)
    with pytest.raises(ValueError, match=rf"{name}\.npy of the tokenized corpus had [\d,]+ bytes and now has 130"):
        data.batch_at(position)
    with pytest.raises(ValueError, match="the tokenized corpus is damaged"):
        TokenizedCorpus.open(tmp_path / "corpus")


def test_tokens_are_counted_in_pieces(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(corpus_module, "_COUNTED", 7)
    corpus = TokenizedCorpus.build(tmp_path / "corpus", random_documents(10), tokenizer)
    counts = corpus.token_counts(len(tokenizer))
    np.testing.assert_array_equal(counts, np.bincount(np.array(corpus.ids), minlength=len(tokenizer)))
    assert counts.dtype == np.int64
    for each in (corpus, TokenizedCorpus.from_documents(random_documents(10), tokenizer)):
        np.testing.assert_array_equal(each.last_ids(), each.ids[each.sentence_starts[1:] - 1])
        assert each.last_ids().dtype == np.uint16


def test_an_interrupted_build_leaves_nothing_and_keeps_the_older_corpus(tmp_path, tokenizer):
    def interrupted():
        yield from random_documents(3, seed=1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TokenizedCorpus.build(tmp_path / "corpus", interrupted(), tokenizer)
    assert list(tmp_path.iterdir()) == []
    before = TokenizedCorpus.build(tmp_path / "corpus", random_documents(5), tokenizer)
    with pytest.raises(KeyboardInterrupt):
        TokenizedCorpus.build(tmp_path / "corpus", interrupted(), tokenizer)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
    assert TokenizedCorpus.open(tmp_path / "corpus").fingerprint == before.fingerprint


def test_what_a_killed_build_left_is_not_opened_and_not_in_the_way(tmp_path, tokenizer):
    folder = tmp_path / "corpus"
    whole = TokenizedCorpus.build(folder, random_documents(5), tokenizer)
    folder.rename(tmp_path / ".partial-corpus")
    with pytest.raises(FileNotFoundError, match=r"has no corpus\.json"):
        TokenizedCorpus.open(folder)
    rebuilt = TokenizedCorpus.build(folder, random_documents(5), tokenizer)
    assert rebuilt.fingerprint == whole.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_the_arrays_are_files_of_numpy(tmp_path, tokenizer):
    corpus = TokenizedCorpus.build(tmp_path / "corpus", random_documents(5), tokenizer)
    for name in ("ids", "sentence_starts", "document_starts"):
        np.testing.assert_array_equal(np.load(tmp_path / "corpus" / f"{name}.npy"), getattr(corpus, name))
        np.save(tmp_path / "again.npy", getattr(corpus, name))
        assert (tmp_path / "again.npy").read_bytes() == (tmp_path / "corpus" / f"{name}.npy").read_bytes()


def pickled(path):
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


def archive(path):
    with path.open("wb") as file:
        np.savez(file, x=np.arange(3))


DAMAGES = {
    "an array is missing": ("sentence_starts.npy", Path.unlink),
    "an array is cut": ("ids.npy", lambda path: path.write_bytes(path.read_bytes()[:-2])),
    "an array has no header": ("ids.npy", lambda path: path.write_bytes(b"")),
    "other ids": ("ids.npy", lambda path: np.save(path, np.load(path)[::-1])),
    "fewer ids": ("ids.npy", lambda path: np.save(path, np.zeros(3, dtype=np.uint16))),
    "another dtype": ("ids.npy", lambda path: np.save(path, np.load(path).astype(np.float64))),
    "two axes": ("ids.npy", lambda path: np.save(path, np.load(path)[None])),
    "a pickle": ("ids.npy", pickled),
    "an archive": ("document_starts.npy", archive),
    "starts that stand still": ("sentence_starts.npy", lambda path: np.save(path, np.load(path) * 0)),
    "no JSON": ("corpus.json", lambda path: path.write_text("{")),
    "no object": ("corpus.json", lambda path: path.write_text("[]")),
    "no fingerprint": ("corpus.json", lambda path: path.write_text('{"vocabulary": "", "source": null}')),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_corpus_is_a_clear_error(tmp_path, tokenizer, damage):
    folder = tmp_path / "corpus"
    TokenizedCorpus.build(folder, random_documents(5), tokenizer)
    name, do = DAMAGES[damage]
    do(folder / name)
    with pytest.raises(ValueError, match=r"the tokenized corpus is damaged and must be made anew: .*corpus"):
        TokenizedCorpus.open(folder)


def test_starts_that_do_not_rise_are_refused_whatever_the_checksum_says(tmp_path, tokenizer):
    folder = tmp_path / "corpus"
    TokenizedCorpus.build(folder, random_documents(5), tokenizer)
    starts = np.load(folder / "sentence_starts.npy")
    starts[1] = 0  # an empty sentence: cutting the text into chunks would never get beyond it
    np.save(folder / "sentence_starts.npy", starts)
    arrays = [np.load(folder / f"{name}.npy") for name in ("ids", "sentence_starts", "document_starts")]
    description = json.loads((folder / "corpus.json").read_text())
    (folder / "corpus.json").write_text(json.dumps(description | {"fingerprint": corpus_module._digest(arrays)}))
    with pytest.raises(ValueError, match="its arrays disagree"):
        TokenizedCorpus.open(folder)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize("name", ["ids.npy", "corpus.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, tokenizer, name):
    folder = tmp_path / "corpus"
    TokenizedCorpus.build(folder, random_documents(5), tokenizer)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises((ValueError, FileNotFoundError), match=name):
        TokenizedCorpus.open(folder)


def test_a_folder_of_something_else_is_not_overwritten(tmp_path, tokenizer):
    (tmp_path / "thesis.txt").write_text("my only copy")
    with pytest.raises(FileExistsError, match="exists and is not a tokenized corpus"):
        TokenizedCorpus.build(tmp_path, random_documents(1), tokenizer)
    assert (tmp_path / "thesis.txt").read_text() == "my only copy"


def test_the_arrays_are_read_only(tmp_path, tokenizer):
    corpus = TokenizedCorpus.build(tmp_path / "corpus", random_documents(2), tokenizer)
    with pytest.raises(ValueError, match="read-only"):
        corpus.ids[0] = 1


def test_a_cached_corpus_is_built_anew_only_when_texts_or_vocabulary_change(tmp_path, tokenizer):
    folder, source = tmp_path / "corpus", {"files": [("a.txt", 3)]}

    def unread():
        raise AssertionError("the documents were read again")
        yield

    first = TokenizedCorpus.cached(folder, random_documents(5), tokenizer, source)
    assert TokenizedCorpus.cached(folder, unread(), tokenizer, source).fingerprint == first.fingerprint
    with pytest.raises(AssertionError, match="read again"):
        TokenizedCorpus.cached(folder, unread(), tokenizer, {"files": [("a.txt", 4)]})
    other = ToyTokenizer(pieces=[*tokenizer.tokens[5:-1], "!"])
    with pytest.raises(AssertionError, match="read again"):
        TokenizedCorpus.cached(folder, unread(), other, source)
    with pytest.raises(ValueError, match="another vocabulary"):
        first.check(other)
    with pytest.raises(ValueError, match=r"other texts: .*'a.txt', 3.* not .*'b.txt'"):
        first.check(tokenizer, {"files": ["b.txt"]})
    (folder / "ids.npy").unlink()
    assert TokenizedCorpus.cached(folder, random_documents(5), tokenizer, source).fingerprint == first.fingerprint


def test_corpora_without_text_are_a_clear_error(tmp_path, tokenizer):
    for documents in ([], [[]], [["", " "]]):
        with pytest.raises(ValueError, match="documents hold no text"):
            TokenizedCorpus.from_documents(documents, tokenizer)
        with pytest.raises(ValueError, match="documents hold no text"):
            TokenizedCorpus.build(tmp_path / "corpus", documents, tokenizer)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match="must be a list of sentences, got the string 'A sentence"):
        TokenizedCorpus.from_documents(["A sentence."], tokenizer)

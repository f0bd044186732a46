"""Text files to documents: layouts, streaming, clear errors, the split into training and held-out."""

import gzip
import json
import os
from itertools import islice

import numpy as np
import pytest

from albert_np.execution import Processes
from albert_np.pretraining import documents as documents_module
from albert_np.pretraining import is_held_out, read_documents, text_source


def test_lines_layout_is_a_sentence_per_line_and_a_blank_line_between_documents(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffFirst one. Still the first.\r\nSecond\r\n\r\n  \n\nThird\n".encode())
    assert list(read_documents(path)) == [["First one. Still the first.", "Second"], ["Third"]]


def test_prose_layout_joins_lines_to_paragraphs_and_splits_sentences(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("One is\nhere. Two\nis not.\n\nThree is. \n\n\nA new document.\nIt ends.")
    assert list(read_documents([path], layout="prose")) == [
        ["One is here.", "Two is not.", "Three is."],
        ["A new document.", "It ends."],
    ]


def test_what_is_no_path_is_refused():
    with pytest.raises(TypeError, match="a path must be text or a Path, got 5"):
        read_documents(5)


def test_files_follow_each_other_and_end_their_documents(tmp_path):
    first, second = tmp_path / "b.txt", tmp_path / "a.txt.gz"
    first.write_text("b one\nb two")
    second.write_bytes(gzip.compress("é one\n\né two\n".encode()))
    assert list(read_documents([first, second])) == [["b one", "b two"], ["é one"], ["é two"]]


@pytest.mark.parametrize("layout", ["lines", "prose"])
def test_a_text_without_blank_lines_is_cut_before_it_fills_the_memory(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(documents_module, "LONGEST_DOCUMENT", 10)
    path = tmp_path / "a.txt"
    path.write_text("".join(f"This is line {i}.\n" for i in range(25)))
    documents = list(read_documents(path, layout))
    assert [len(document) for document in documents] == [10, 10, 5]
    assert [sentence for document in documents for sentence in document] == [f"This is line {i}." for i in range(25)]


def test_reading_streams(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"fine\n\n" * 100_000 + b"\xff\n")
    assert list(islice(read_documents(path), 3)) == [["fine"]] * 3


def test_bad_bytes_are_named_by_file_and_line(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("good\ngood\nna\u00efve\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.txt, line 3: byte 0xef at place 3 .* not UTF-8"):
        list(read_documents(path))


def test_files_are_checked_before_anything_is_read(tmp_path):
    good, empty, blank, broken = (tmp_path / name for name in ("good.txt", "empty.txt", "blank.txt", "broken.gz"))
    good.write_text("text")
    empty.write_text("")
    blank.write_text(" \n\n ")
    broken.write_bytes(gzip.compress(b"text " * 1000)[:30])
    with pytest.raises(FileNotFoundError, match=r"no file .*gone\.txt"):
        read_documents([good, tmp_path / "gone.txt"])
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_documents(tmp_path)
    with pytest.raises(ValueError, match=r"empty\.txt is empty"):
        read_documents([good, empty])
    with pytest.raises(ValueError, match="names no file"):
        read_documents([])
    with pytest.raises(ValueError, match=r"layout must be one of 'lines', 'prose', got 'book'"):
        read_documents(good, layout="book")
    with pytest.raises(ValueError, match=r"blank\.txt holds nothing"):
        list(read_documents(blank))
    for content in (broken.read_bytes(), b"no gzip at all"):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=r"broken\.gz is not a whole gzip file"):
            list(read_documents(broken))


def test_text_source_notices_a_changed_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one")
    before = text_source(path)
    assert text_source([path]) == before != text_source(path, layout="prose")
    path.write_text("two words")
    assert text_source(path) != before


def test_held_out_documents_are_chosen_by_their_text_alone():
    documents = [[f"Sentence {i}.", f"Number {i * i}."] for i in range(20_000)]
    held_out = [is_held_out(document) for document in documents]
    sigma = np.sqrt(0.05 * 0.95 / len(documents))
    assert abs(np.mean(held_out) - 0.05) < 3 * sigma
    assert [is_held_out(document) for document in reversed(documents)] == held_out[::-1]
    assert is_held_out(tuple(documents[held_out.index(True)]))
    assert not any(is_held_out(document, 0) for document in documents)
    assert all(is_held_out(document, 1) for document in documents)
    larger = [is_held_out(document, 0.1) for document in documents]
    assert all(now or not before for now, before in zip(larger, held_out, strict=True))
    with pytest.raises(ValueError, match=r"fraction must lie between 0 and 1, got 5"):
        is_held_out(documents[0], 5)


def long_text(words):
    return " ".join(f"word{i}" for i in range(words))


@pytest.mark.parametrize("layout", ["lines", "prose"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_line_of_any_length_is_used_to_the_last_word(tmp_path, monkeypatch, layout, name):
    monkeypatch.setattr(documents_module, "LONGEST_LINE", 1000)
    monkeypatch.setattr(documents_module, "LONGEST_PARAGRAPH", 3000)
    path = tmp_path / name
    path.write_text(json.dumps({"text": long_text(5000)}) if name == "a.jsonl" else long_text(5000))
    with pytest.warns(UserWarning, match=r"\d+ of \d+ sentences have more than 80 words, .* cut into [\d,]+ parts"):
        sentences = [sentence for document in read_documents(path, layout) for sentence in document]
    assert " ".join(sentences) == long_text(5000)
    assert max(len(sentence.split()) for sentence in sentences) <= 80


@pytest.mark.parametrize("layout", ["lines", "prose"])
@pytest.mark.parametrize("size", [1, 300])
def test_processes_read_the_same_documents_and_warn_of_the_same_cuts(tmp_path, monkeypatch, layout, size):
    monkeypatch.setattr(documents_module, "BATCH_CHARACTERS", size)
    monkeypatch.setattr(documents_module, "LONGEST_DOCUMENT", 20)
    path = tmp_path / "a.txt"
    pages = [f"Page {i} begins. It has 数{i}。 It ends here.\nA line more {i}." for i in range(60)]
    path.write_text("\n\n".join(pages[:40]) + "\n\n\n" + "\n\n\n".join(pages[40:]) + "\n\n" + long_text(300))
    with pytest.warns(UserWarning, match="2 of .* sentences have more than 80 words") as here:
        documents = list(read_documents([path, path], layout))
    assert max(map(len, documents)) == (20 if layout == "prose" else 7)
    with Processes(2) as processes, pytest.warns(UserWarning, match="have more than 80 words") as there:
        assert list(read_documents([path, path], layout, processes)) == documents
    assert [str(warning.message) for warning in there] == [str(warning.message) for warning in here]


@pytest.mark.parametrize("layout", ["lines", "prose"])
def test_processes_name_file_and_line_of_what_cannot_be_read(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(documents_module, "BATCH_CHARACTERS", 10)
    path = tmp_path / "a.txt"
    path.write_bytes(b"It is fine.\n\n\n" * 100 + b"\xff\n")
    with Processes(2) as processes, pytest.raises(ValueError, match=r"a\.txt, line 301: byte 0xff .* is not UTF-8"):
        list(read_documents(path, layout, processes))


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize("longest", [13, 14, 15, 2**20])
def test_lines_may_end_in_any_way(tmp_path, monkeypatch, end, longest):
    monkeypatch.setattr(documents_module, "LONGEST_LINE", longest)
    path = tmp_path / "a.txt"
    path.write_bytes(f"One is{end}here. Two{end}{end}{end}Three.{end}".encode())
    assert list(read_documents(path, "prose")) == [["One is here.", "Two"], ["Three."]]
    assert list(read_documents(path, "lines")) == [["One is", "here. Two"], ["Three."]]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.JSONL.gz"])
def test_json_lines_hold_a_text_each(tmp_path, name):
    entries = [{"text": "One. Two.\n\nThree."}, {"id": 3, "text": " "}, {"text": "Four\n\n\nFive"}]
    content = "\n".join(map(json.dumps, entries)) + "\n\n"
    (tmp_path / name).write_bytes(gzip.compress(content.encode()) if name.endswith("gz") else content.encode())
    assert list(read_documents(tmp_path / name, "prose")) == [["One.", "Two.", "Three."], ["Four"], ["Five"]]
    assert list(read_documents(tmp_path / name, "lines")) == [["One. Two."], ["Three."], ["Four"], ["Five"]]


@pytest.mark.parametrize(
    "line", ['{"text": 3}', '{"body": "x"}', "[]", "3", "{", '{"text": "\\ud800"}', "[" * 100_000, "9" * 5000]
)
def test_a_line_that_is_no_json_text_is_named(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(ValueError, match=r'a\.jsonl, line 2 is not a JSON object with a "text" of Unicode characters'):
        list(read_documents(path))


def test_what_is_no_text_is_refused(tmp_path):
    zeros = tmp_path / "zeros.txt.gz"
    zeros.write_bytes(gzip.compress(b"fine\n" + bytes(10**7)))
    with pytest.raises(ValueError, match=r"zeros\.txt\.gz, line 2 holds the character NUL"):
        list(read_documents(zeros))


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes of POSIX")
def test_a_pipe_is_refused_before_it_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="is a pipe or a device; a text is read more than once"):
            read_documents(path)

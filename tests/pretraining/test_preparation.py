"""Run folders: made whole or not at all, by one process at a time, and nothing is left out without a word."""

import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from toys.runs import WORDS, documents, learned_vocabulary, prepare
from toys.texts import PROSE

import albert_np
from albert_np import files
from albert_np.execution import Processes
from albert_np.files import locked
from albert_np.pretraining import PretrainingRun, Recipe
from albert_np.pretraining import corpus as corpus_module


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    return learned_vocabulary(tmp_path_factory.mktemp("vocabulary"))


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def text_of(run, corpus):
    return [run.tokenizer.decode(corpus.ids[a:b]) for a, b in pairwise(corpus.sentence_starts)]


def test_whole_documents_are_held_out_where_there_are_enough(tmp_path, vocabulary):
    said = []
    run = prepare(tmp_path / "run", documents(60), vocabulary, report=said.append)
    assert run.held_out.num_documents + run.corpus.num_documents == 60
    assert said[1] == (
        f"60 documents of 480 sentences: {run.held_out.num_documents} documents, "
        f"{run.held_out.num_sentences / 480:.1%} of the sentences, are held out"
    )
    assert re.fullmatch(
        r"an epoch has [\d,]+ examples, \d+\.\d% of them pairs, which show \d+\.\d% of [\d,]+ tokens", said[-2]
    )


@pytest.mark.parametrize("count", [1, 3, 19])
def test_of_few_documents_the_last_sentences_are_held_out(tmp_path, vocabulary, count):
    said = []
    texts = documents(count)
    run = prepare(tmp_path / "run", texts, vocabulary, held_out=0.05, report=said.append)
    last = max(1, round(count * 8 * 0.05))
    sentences = [sentence for document in texts for sentence in document]
    assert text_of(run, run.corpus) == sentences[:-last]
    assert text_of(run, run.held_out) == sentences[-last:]
    assert f"the last {last} sentences are held out" in said[1]
    assert run.held_out_batches()


@pytest.mark.parametrize(("texts", "held_out"), [(documents(30), 0), ([["one sentence alone"]], 0.5)])
def test_without_held_out_text_the_run_says_that_nothing_is_evaluated(tmp_path, vocabulary, texts, held_out):
    said = []
    recipe = Recipe(2, batch_size=1, max_seq_length=96, pairs="none", threads=1)
    run = prepare(tmp_path / "run", texts, vocabulary, recipe, held_out=held_out, report=said.append)
    assert said[1].endswith("nothing is held out, and there will be no evaluation")
    assert run.held_out is None
    assert run.trainer().evaluate is None


def test_what_an_epoch_does_not_show_is_said(tmp_path, vocabulary):
    with pytest.warns(UserWarning, match=r"an epoch shows \d+\.\d% of the tokens: of longer sentences"):
        prepare(tmp_path / "long", [[" ".join(WORDS * 20)] * 2] * 3, vocabulary)
    with pytest.warns(UserWarning, match=r"\d+\.\d% of the tokens are unknown to the vocabulary"):
        prepare(tmp_path / "unknown", [["Він пішов додому."] * 8] * 3, vocabulary)
    with pytest.warns(UserWarning, match=r"an epoch has \d examples, fewer than batch_size=32"):
        prepare(tmp_path / "few", documents(1), vocabulary, Recipe(2, batch_size=32, max_seq_length=96)).train()
    with pytest.warns(UserWarning, match=r"0\.0% of the examples are pairs: the others have no two sentences"):
        prepare(tmp_path / "single", [[sentence] for document in documents(30) for sentence in document], vocabulary)


WRONG = {
    "no text": ({"texts": [[]]}, "the documents hold no text"),
    "a sequence longer than the positions": ({"recipe": Recipe(1, max_seq_length=128)}, "max_seq_length=128"),
    "too large a share": ({"held_out": 1.0}, "held_out is 1.0; allowed"),
    "no share": ({"held_out": float("nan")}, "held_out is nan; allowed"),
    "no vocabulary": ({"vocabulary": None, "vocab_size": 0}, "vocab_size is 0; allowed"),
    "a vocabulary too large": ({"vocabulary": None, "vocab_size": 10**6}, "vocab_size=1000000 is more"),
    "no sample": ({"vocabulary_sample": 0}, "vocabulary_sample is 0; allowed"),
    "an unknown backend": ({"recipe": Recipe(1, max_seq_length=32, backend="abacus")}, "abacus"),
    "one document held out for NSP": (
        {"texts": documents(3), "recipe": Recipe(1, max_seq_length=32, pairs="next")},
        "the held-out text: pairs=.next. .*; with held_out=0 there is none",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_failed_preparation_leaves_nothing(tmp_path, vocabulary, case):
    options, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / "runs" / "mine", **{"texts": documents(30), "vocabulary": vocabulary, **options})
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "held", ["config.json", "model.safetensors", "finetuning.json", "metrics.jsonl", "corpus/a.txt"]
)
def test_a_folder_with_a_model_or_another_run_is_left_as_it_is(tmp_path, vocabulary, held):
    (tmp_path / held).parent.mkdir(exist_ok=True)
    (tmp_path / held).write_text("mine")
    (tmp_path / "spiece.model").write_text("mine too")
    before = names(tmp_path)
    with pytest.raises(FileExistsError, match=f"already holds {held.split('/')[0]}, of a model or another run"):
        prepare(tmp_path, documents(30), vocabulary)
    assert names(tmp_path) == before
    assert (tmp_path / held).read_text() == "mine"


def test_a_folder_in_use_is_left_to_its_user(tmp_path, vocabulary):
    run = prepare(tmp_path / "run", documents(30), vocabulary)
    before = names(tmp_path)
    with locked(tmp_path / "run"), pytest.raises(BlockingIOError, match="run is in use by another process"):
        run.train()
    (tmp_path / "new").mkdir()
    with locked(tmp_path / "new"), pytest.raises(BlockingIOError, match="new is in use by another process"):
        prepare(tmp_path / "new", documents(30), vocabulary)
    (tmp_path / "new").rmdir()
    assert names(tmp_path) == before


def test_a_run_that_was_deleted_is_not_made_again(tmp_path, vocabulary):
    run = prepare(tmp_path / "run", documents(30), vocabulary)
    files.remove_folder(run.output)
    with pytest.raises(FileNotFoundError, match=r"run holds no run any more: it has no run\.json"):
        run.train()
    assert names(tmp_path) == []


# Kills itself before the n-th call that changes a name, or opens or makes a file to write, inside the run folder.
KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
from toys.runs import documents, prepare
left = int(sys.argv[3])
def hook(event, arguments):
    global left
    changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if (changes or writes) and str(arguments[0]).startswith(sys.argv[1]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
prepare(Path(sys.argv[1]), documents(30), Path(sys.argv[2]))
print(left)
"""
STEP = int(os.environ.get("ALBERT_NP_KILL_EVERY", "12"))  # 1: before each call


def test_a_preparation_killed_anywhere_once_and_twice_can_be_made_anew(tmp_path, vocabulary):
    paths = [str(path) for path in (Path(albert_np.__file__).parents[1], Path(__file__).parents[1])]

    def killed(output, n):
        command = [sys.executable, "-c", KILLED, str(output), str(vocabulary), str(n), *paths]
        result = subprocess.run(command, capture_output=True, text=True)
        return None if result.returncode == -9 else int(result.stdout)

    whole = prepare(tmp_path / "whole", documents(30), vocabulary)
    total = 10**6 - killed(tmp_path / "counted", 10**6)
    assert total > 20
    for n in range(0, total, STEP):
        output = tmp_path / f"{n}"
        assert killed(output, n) is None
        if n % 2 and not (output / "run.json").exists():
            killed(output, n + 3)
        if not (output / "run.json").exists():
            prepare(output, documents(30), vocabulary)
            assert names(output) == names(whole.output)
        run = PretrainingRun(output)
        assert run.corpus.fingerprint == whole.corpus.fingerprint
        assert json.loads((output / "run.json").read_text()) == json.loads((whole.output / "run.json").read_text())
        run.train()
        assert not any(".partial" in name or ".lock" in name for name in names(tmp_path))


def test_what_is_learned_from_is_a_sample_that_is_said(tmp_path):
    texts = [PROSE[:12]] * 30
    with pytest.warns(
        UserWarning, match=r"learned from a random sample: \d+ of \d+ sentences, [\d,]+ of [\d,]+ characters"
    ):
        prepare(tmp_path / "run", texts, None, vocab_size=100, vocabulary_sample=5000)


def test_any_number_of_processes_prepares_the_same_run_and_says_what_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_module, "BATCH_SENTENCES", 50)
    texts, said = documents(100), []
    runs = {}
    for count in (1, 2):
        with Processes(count) as processes:
            runs[count] = prepare(
                tmp_path / f"{count}", texts, None, vocab_size=50, report=said.append, processes=processes
            )
    files = [path for path in names(tmp_path / "1") if (tmp_path / "1" / path).is_file()]
    assert names(tmp_path / "1") == names(tmp_path / "2")
    assert {path: (tmp_path / "1" / path).read_bytes() for path in files} == {
        path: (tmp_path / "2" / path).read_bytes() for path in files
    }
    took = runs[2].preparation
    assert took.text == sum(len(sentence) for document in texts for sentence in document)
    assert took.speed == took.text / 1e6 / took.seconds > 0
    assert re.fullmatch(r"prepared 0\.0 MB of text in [\d.]+ s, [\d.]+ MB/s; peak memory [\d,]+ MB", said[-1])
    assert took.peak_memory > runs[1].preparation.peak_memory
    assert PretrainingRun(tmp_path / "1").preparation is None

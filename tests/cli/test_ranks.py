"""Commands of several ranks: what is said is said once, and one that fails alone ends the others."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file
from toys.ranks import ENVIRONMENT, Aborted, mpiexec, run_ranks
from toys.tasks import examples

from albert_np.cli import ranks
from albert_np.model import AlbertForSequenceClassification
from albert_np.tokenization import AlbertTokenizer

CONFIG = {
    "vocab_size": 32,
    "embedding_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 32,
}
SETTINGS = "--vocab-size 32 --steps 3 --batch-size 4 --max-seq-length 16 --held-out 0.2"


@pytest.mark.parametrize("rank, lines", [(0, 1), (1, 0)])
def test_without_mpi4py_several_ranks_are_refused_in_one_line(tmp_path, rank, lines):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('no MPI')")
    path = os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "albert_np", "pretrain", "--output", tmp_path / "run"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT | {"PYTHONPATH": path, "PMI_RANK": str(rank), "PMI_SIZE": "4"},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == lines
    assert lines == 0 or "4 processes were started, which need mpi4py" in done.stderr
    assert not (tmp_path / "run").exists()


def left(statuses, monkeypatch, capsys):
    """What the ranks return or raise that end with so many statuses; those of None do not come to their end."""
    monkeypatch.setattr(ranks, "PATIENCE", 0.1)

    def leave(job):
        status = statuses[job.rank]
        return None if status is None else ranks._leave(job, status, f"no {job.rank}" if job.rank and status else "")

    outcomes = run_ranks(len(statuses), leave)
    return outcomes, capsys.readouterr().err


def test_ranks_that_fail_alike_end_alike_and_only_rank_0_speaks(monkeypatch, capsys):
    assert left([2, 1, 1], monkeypatch, capsys) == ([2, 2, 2], "")
    assert left([0, 0, 0], monkeypatch, capsys) == ([0, 0, 0], "")


def test_a_failure_that_rank_0_does_not_know_of_is_said_by_its_rank(monkeypatch, capsys):
    outcomes, said = left([0, 1, 2], monkeypatch, capsys)
    assert outcomes == [1, 1, 1]
    assert said.startswith("rank 1 of 3, on ")
    assert said.endswith(": no 1\n")


def test_a_rank_that_fails_alone_says_so_and_ends_the_others(monkeypatch, capsys):
    outcomes, said = left([None, 1, None], monkeypatch, capsys)
    assert isinstance(outcomes[1], Aborted)
    assert outcomes[1].args == (1,)
    assert said.endswith(": no 1\n")


def test_a_rank_that_ends_is_not_taken_for_one_that_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(ranks, "PATIENCE", 0.1)

    def work(job):
        return ranks._leave(job, 1, "no disk") if job.rank == 1 else job.share(lambda: "goes on")

    assert [type(outcome) for outcome in run_ranks(3, work)] == [Aborted] * 3
    assert capsys.readouterr().err.count("no disk") == 1


def test_the_last_words_are_the_traceback_or_the_last_line():
    assert ranks._last_words("tokenizing\nalbert-np: no file\n") == "albert-np: no file"
    assert ranks._last_words("hm\nTraceback (most recent call last):\n  x\nE: y\n").endswith("  x\nE: y")
    assert ranks._last_words("") == ""


def albert(count, *arguments):
    launcher = mpiexec(count, "-m", "albert_np", *arguments, stdin=subprocess.DEVNULL)
    output, errors = launcher.communicate(timeout=300)
    return launcher.returncode, output, errors


def test_a_run_of_two_ranks_is_that_of_two_threads_and_is_told_once(tmp_path):
    sentences = [f"The {a} sees a {b}." for a in ("cat", "dog", "bird", "fish") for b in ("tree", "house", "hill")]
    (tmp_path / "text.txt").write_text("\n\n\n".join(" ".join(sentences[i:] + sentences[:i]) for i in range(12)))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    given = ["pretrain", "--corpus", tmp_path / "text.txt", "--config", tmp_path / "config.json", *SETTINGS.split()]
    status, output, errors = albert(2, *given, "--threads", "1", "--output", tmp_path / "ranks")
    assert status == 0, output + errors
    assert output.count("model:") == errors.count("tokenizing") == 1
    assert "2 ranks of 1 threads: 0 is process " in errors
    command = [sys.executable, "-m", "albert_np", *given, "--threads", "2", "--output", tmp_path / "threads"]
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("ranks", "threads"))
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    status, output, errors = albert(2, *given, "--output", tmp_path / "ranks")
    assert status == 2
    assert (output + errors).count("already holds a run") == 1


def alone(*arguments):
    command = [sys.executable, "-m", "albert_np", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def classifier(start, tmp_path):
    names = {"num_labels": 2, "id2label": {0: "animal", 1: "thing"}}
    AlbertForSequenceClassification.from_pretrained(start, seed=3, **names).save_pretrained(tmp_path)
    AlbertTokenizer.from_pretrained(start).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:not in .* newly initialised")
def test_bad_lines_of_any_share_are_told_as_one_process_tells_them(classifier, tmp_path):
    rows = [{"text": example.text, "label": example.label} for example in examples("classification", 60)]
    rows[50]["text"] *= 40  # which is cut
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in [*rows, {"text": ""}, {"no": 1}]))
    rows[45]["label"] = "neither"
    (tmp_path / "unknown.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for status, word, *given in (
        (0, "2 rows were skipped", "classify", "--file", tmp_path / "rows.jsonl", "--skip-bad-rows"),
        (2, "line 61: 'text' must be a text", "classify", "--file", tmp_path / "rows.jsonl"),
        (2, "example 46 has the label 'neither'", "evaluate", "--data", tmp_path / "unknown.jsonl"),
    ):
        *said, words = alone(*given, "--model", classifier)
        assert said[0] == status
        assert word in words
        *said_by_ranks, told = albert(3, *given, "--model", classifier)
        assert said_by_ranks == said
        assert told.startswith(words)  # Open MPI has a word of its own on a status other than 0


@pytest.mark.filterwarnings("ignore:not in .* newly initialised")
def test_lines_are_shared_out_and_said_as_one_process_says_them(classifier, tmp_path):
    texts = [example.text for example in examples("classification", 200)]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    for given in (["classify", "--file", tmp_path / "lines.jsonl"], ["embed", "--file", tmp_path / "texts.txt"]):
        _, expected, words = alone(*given, "--model", classifier)
        assert len(expected.splitlines()) >= 200, words
        status, output, errors = albert(3, *given, "--model", tmp_path)
        assert status == 0, errors
        assert output == expected
    status, _, _ = albert(2, *given, "--model", tmp_path, "--output", tmp_path / "made.npy")
    assert status == 0
    assert np.load(tmp_path / "made.npy").shape == (200, 24)
    (tmp_path / "made.npy").unlink()
    status, output, errors = albert(3, *given, "--model", tmp_path / "absent")
    assert (status, output, errors.count("absent")) == (2, "", 1)


def test_what_one_process_reads_or_fills_is_refused(start):
    for given, what in (["fill-mask", "the [MASK]"], "fill-mask"), (["embed"], "reading standard input (give a file)"):
        status, output, errors = albert(2, *given, "--model", start)
        assert status == 2
        assert (output + errors).count(f"{what} is done by one process") == 1


def test_what_one_process_does_is_not_started_twice(tmp_path):
    status, output, errors = albert(2, "quickstart", "--output", tmp_path / "run")
    assert status == 2
    assert (output + errors).count("quickstart is done by one process: start it without mpiexec") == 1
    assert not (tmp_path / "run").exists()

"""Fine-tuning, evaluation and prediction by several ranks: the model, the metrics and the words of one process."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from toys.ranks import run_ranks
from toys.tasks import examples

from albert_np.execution import ALONE, RankError
from albert_np.tasks import (
    KINDS,
    TASKS,
    FineTuningRecipe,
    FineTuningRun,
    Predictor,
    batches,
    embed,
    load_encoder,
    prepare_finetuning,
    task_settings,
)
from albert_np.tokenization import AlbertTokenizer

pytestmark = pytest.mark.filterwarnings("ignore:.*answers are")  # after so few updates


def test_two_ranks_tune_and_evaluate_as_two_threads_do(start, tmp_path, monkeypatch):
    task = task_settings("classification", steps=4, batch_size=8, learning_rate=8e-3)
    recipe = FineTuningRecipe(threads=2, evaluate_every=2)
    asked = examples("classification", 12, seed=1)
    for name in ("threads", "ranks"):
        prepare_finetuning(tmp_path / name, task, examples("classification", 24), asked, start, recipe=recipe)
    FineTuningRun(tmp_path / "threads").train()
    jobs = {}
    monkeypatch.setattr("albert_np.tasks.finetune.this_job", lambda: jobs[threading.get_ident()])

    def work(job):
        jobs[threading.get_ident()] = job
        run = FineTuningRun(tmp_path / "ranks")
        run.train()
        return run.evaluation

    first, second = run_ranks(2, work)
    assert first == second == Predictor.load(tmp_path / "threads", threads=2).evaluate(asked)
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("ranks", "threads"))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


KINDS_ASKED = ["classification", "multilabel", "regression", "tagging", "answering", "choice"]


def predictor_of(kind, start, made, threads=1, job=ALONE):
    labels = dict(enumerate(KINDS[kind].label_names(made)))
    more = {"id2label": labels, "num_labels": len(labels)} if labels else {}
    more |= {"num_labels": 1} if kind == "regression" else {}
    model = KINDS[kind].model.from_pretrained(start, seed=3, problem_type=KINDS[kind].problem_type, **more)
    task = KINDS[kind].fitted(TASKS[kind], model.config.max_position_embeddings)
    return Predictor(model, AlbertTokenizer.from_pretrained(start), task, threads, job)


@pytest.mark.filterwarnings("ignore:not in .* newly initialised")
@pytest.mark.parametrize("kind", KINDS_ASKED)
def test_any_number_of_ranks_and_threads_says_the_same_to_the_bit(kind, start, monkeypatch):
    monkeypatch.setattr(batches, "MOST_TOKENS", 64)
    made = examples(kind, 40)

    def work(job, threads=1):
        predictor = predictor_of(kind, start, made, threads, job)
        return predictor.predict(made), predictor.evaluate(made)

    expected = work(ALONE)
    assert work(ALONE, threads=3) == expected
    assert run_ranks(3, work) == [expected] * 3
    assert run_ranks(2, lambda job: work(job, threads=2)) == [expected] * 2


def test_ranks_embed_as_one_process_does(start, monkeypatch):
    monkeypatch.setattr(batches, "MOST_TOKENS", 64)
    texts = [example.text for example in examples("classification", 40)]
    expected = embed(*load_encoder(start), texts, threads=1)
    for vectors in run_ranks(3, lambda job: embed(*load_encoder(start), texts, threads=1, ranks=job)):
        np.testing.assert_array_equal(vectors, expected)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_each_rank_does_a_share_and_all_have_the_whole(size, monkeypatch):
    monkeypatch.setattr(batches, "CHUNK", 16)
    items = [f"text {i}" for i in range(36)]  # two chunks and a last one that is too small for seven ranks

    def work(job):
        done = []

        def lengths(own, first):
            done.extend(range(first, first + len(own)))
            return [each for i, item in enumerate(own, start=first) for each in (i, item)]  # any number for each item

        return batches.shared_out(job, items, lengths, 100, dict), done

    found = run_ranks(size, work)
    assert [whole for whole, _ in found] == [work(ALONE)[0]] * size
    shares = [done for _, done in found]
    assert sorted(number for done in shares for number in done) == list(range(100, 136))
    assert max(map(len, shares)) - min(map(len, shares)) <= 3  # one a chunk
    assert run_ranks(size, lambda job: batches.shared_out(job, [], None, 0, dict)) == [[]] * size


def test_one_process_compares_nothing():
    def facts():
        raise AssertionError("checksums are for several ranks")

    assert batches.shared_out(ALONE, ["a", "bc"], lambda own, first: [len(item) for item in own], 0, facts) == [1, 2]


@pytest.mark.filterwarnings("ignore:not in .* newly initialised")
@pytest.mark.parametrize("kind", KINDS_ASKED)
def test_features_of_shares_are_those_of_one_process(kind, start):
    made = examples(kind, 11)

    def work(job):
        return [
            [value.tolist() if isinstance(value, np.ndarray) else value for value in feature]
            for feature in predictor_of(kind, start, made, job=job).features(made, 5)
        ]

    assert run_ranks(3, work) == [work(ALONE)] * 3


@pytest.mark.filterwarnings("ignore:not in .* newly initialised")
@pytest.mark.parametrize("place", [0, 7, 19])
def test_a_bad_example_is_told_by_all_as_one_process_tells_it(place, start):
    made = examples("classification", 20)
    pairs = [example._replace(text_pair=None if i == place else "the dog") for i, example in enumerate(made)]
    other = [example._replace(label="neither") if i >= place else example for i, example in enumerate(made)]

    def told(job, asked):
        try:
            return predictor_of("classification", start, made, job=job).evaluate(asked)
        except ValueError as error:
            return str(error)

    for asked, words in ((pairs, "has no text_pair, and others have one"), (other, "has the label 'neither'; the")):
        expected = told(ALONE, asked)
        assert expected.startswith(f"example {place + 1} {words}")
        assert run_ranks(3, lambda job, asked=asked: told(job, asked)) == [expected] * 3


@pytest.mark.filterwarnings("ignore:not in .* newly initialised")
def test_ranks_that_would_predict_other_things_are_told_so(start):
    made = examples("classification", 6)

    def given(change):
        def work(job):
            predictor = predictor_of("classification", start, made, job=job)
            return predictor.predict(change(predictor, job.rank) or made)

        found = run_ranks(3, work)
        assert {type(error) for error in found} == {RankError}
        return str(found[0])

    def other_weights(predictor, rank):
        predictor._replicas.model.params.flat[...] += rank == 2

    def other_case(predictor, rank):
        predictor.tokenizer.do_lower_case = rank != 1

    def other_length(predictor, rank):
        predictor.task = replace(predictor.task, max_seq_length=16 - rank)

    assert "rank 1 on" in given(lambda _, rank: made[rank:])
    assert "the number of examples is 5, not 6" in given(lambda _, rank: made[rank:])
    assert "the checksum of the examples is" in given(lambda _, rank: made[::-1] if rank == 2 else made)
    assert "the checksum of the tokenizer is" in given(other_case)
    assert "the task is" in given(other_length)
    assert "rank 2 on" in (words := given(other_weights))
    assert "the checksum of the weights is" in words


@pytest.mark.filterwarnings("ignore:not in .* newly initialised")
def test_what_a_rank_cannot_predict_ends_all_with_its_name(start, monkeypatch):
    monkeypatch.setattr(batches, "MOST_TOKENS", 64)
    made = examples("classification", 20)

    def work(job):
        predictor = predictor_of("classification", start, made, job=job)
        if job.rank == 1:
            predictor._replicas.model.forward = lambda **_: (_ for _ in ()).throw(MemoryError("no room"))
        return predictor.predict(made)

    found = run_ranks(2, work)
    assert str(found[0]) == "rank 1 of 2: MemoryError: no room"
    assert type(found[1]) is MemoryError

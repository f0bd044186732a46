"""Fine-tuning, evaluation and prediction by several ranks: the model, the metrics and the words of one process."""

import threading

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

    assert "rank 1 on" in given(lambda _, rank: made[rank:])
    assert "the number of examples is 5, not 6" in given(lambda _, rank: made[rank:])
    assert "the checksum of the examples is" in given(lambda _, rank: made[::-1] if rank == 2 else made)
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

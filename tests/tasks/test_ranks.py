"""Fine-tuning and evaluation by several ranks: the model and the metrics of one process with as many threads."""

import threading

import pytest
from safetensors.numpy import load_file
from toys.ranks import run_ranks
from toys.tasks import examples

from albert_np.tasks import FineTuningRecipe, FineTuningRun, Predictor, prepare_finetuning, task_settings

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

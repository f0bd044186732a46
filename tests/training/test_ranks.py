"""Training by several ranks: the numbers of one process, one folder, and one end for all."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file
from toys.ranks import ENVIRONMENT, mpiexec, run_ranks
from toys.training_process import RandomData, evaluate, make_trainer

from albert_np.execution import RankError
from albert_np.pretraining import PRETRAINING
from albert_np.training import NonFiniteError, TrainingInterrupted, latest_checkpoint, read_metrics

SCRIPT = Path(__file__).parents[1] / "toys" / "training_process.py"
KILLS = int(os.environ.get("ALBERT_NP_KILLS", "1"))
STEPS = 6


def train(output, steps=STEPS, **changes):
    """Train, or go on, as one of the ranks; 4 threads in all."""

    def work(job):
        trainer = make_trainer(output, batch_size=6, threads=4, ranks=job, evaluate_every=2, **changes)
        if latest_checkpoint(output):
            trainer.resume()
        trainer.train(steps)
        return trainer.model.params.flat.copy()

    return work


def numbers(run):
    """Everything that a run has come to, but for times."""
    folder = latest_checkpoint(run)
    records = read_metrics(run / "metrics.jsonl")
    for record in records:
        del record["seconds"], record["tokens_per_second"]
    return [*(load_file(folder / name) for name in ("model.safetensors", "optimizer.safetensors")), records]


def assert_equal_numbers(run, expected):
    *ours, records = numbers(run)
    *theirs, their_records = numbers(expected)
    assert records == their_records
    for mine, their in zip(ours, theirs, strict=True):
        for name, array in mine.items():
            np.testing.assert_array_equal(array, their[name], err_msg=name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run of one process with 4 threads, which all others must equal."""
    run = tmp_path_factory.mktemp("alone")
    run_ranks(1, train(run))
    return run


@pytest.mark.parametrize("count", [2, 4])
def test_ranks_and_threads_train_the_same_weights(tmp_path, alone, count):
    weights = run_ranks(count, train(tmp_path))
    assert all((each == weights[0]).all() for each in weights)
    assert_equal_numbers(tmp_path, alone)


def test_a_run_goes_on_with_other_ranks_to_the_same_bits(tmp_path, alone):
    for steps, count in ((2, 1), (4, 4), (6, 2)):
        for outcome in run_ranks(count, train(tmp_path, steps)):
            assert isinstance(outcome, np.ndarray), outcome
    assert_equal_numbers(tmp_path, alone)


def test_held_out_batches_are_dealt_out_with_equal_sums(tmp_path):
    model = make_trainer(tmp_path).model
    batches = [RandomData(3, seed=9).batch_at((0, 3 * i))[0] for i in range(5)]
    expected = evaluate(model, batches)
    assert run_ranks(3, lambda job: evaluate(model.replica(), batches, ranks=job)) == [expected] * 3


def test_an_odd_number_of_threads_is_refused(tmp_path):
    for error in run_ranks(3, train(tmp_path)):
        assert str(error) == "threads=4 cannot be shared out evenly to 3 ranks"


def test_ranks_with_other_settings_or_weights_are_refused(tmp_path):
    def other_rate(job):
        return train(tmp_path / "a", **({"peak": 0.1} if job.rank == 2 else {}))(job)

    def other_weights(job):
        trainer = make_trainer(tmp_path / "b", threads=2, ranks=job)
        trainer.model.params.flat[3] += job.rank
        trainer.train(1)

    for error in run_ranks(4, other_rate):
        assert re.match(r"rank 2 on .*: schedule\.peak is 0\.1, not 0\.02", str(error))
    for error in run_ranks(2, other_weights):
        assert re.match(r"rank 1 on .*: the checksum of weights is", str(error))
    assert not any(tmp_path.glob("*/checkpoints"))


def test_weights_that_drift_apart_end_the_run_before_they_are_saved(tmp_path):
    def work(job):
        trainer = make_trainer(tmp_path, threads=2, ranks=job)
        trainer.train(3)
        trainer.model.params.flat[3] += job.rank
        trainer.train(6)

    for error in run_ranks(2, work):
        assert re.match(r"rank 1 on .*: the checksum of weights is", str(error))
    assert latest_checkpoint(tmp_path).name == "step-00000003"


def test_a_loss_that_is_not_finite_on_one_rank_stops_all(tmp_path):
    def work(job):
        def denominators(batches):
            found = PRETRAINING.denominators(batches)
            return dict.fromkeys(found, 1e-40) if job.rank == 1 else found

        make_trainer(tmp_path, threads=2, ranks=job, objective=PRETRAINING._replace(denominators=denominators)).train(2)

    zero, one = run_ranks(2, work)
    assert isinstance(one, NonFiniteError)
    assert isinstance(zero, RankError)
    assert str(zero) == f"rank 1 of 2: NonFiniteError: {one}"
    assert latest_checkpoint(tmp_path).name == "step-00000000"


@pytest.mark.parametrize("where", ["on_step", "save_files"])
def test_where_rank_0_cannot_write_all_end(tmp_path, where):
    def fail(_):
        raise OSError("no disk")

    zero, one = run_ranks(2, train(tmp_path, **{where: fail}))
    assert isinstance(zero, OSError)
    assert isinstance(one, RankError)
    assert str(one) == "rank 0 of 2: OSError: no disk"


def test_a_signal_at_any_rank_stops_all_after_the_same_update(tmp_path, monkeypatch):
    heard = [SimpleNamespace(first=None), SimpleNamespace(first=None)]

    def work(job):
        def stop(record):
            if record["step"] == 4:
                heard[1].first = "SIGTERM"  # rank 1 may have told of this update before, and then tells with the next

        monkeypatch.setattr("albert_np.training.trainer.deferred_interrupts", lambda: nullcontext(heard[by_thread()]))
        threads[threading.get_ident()] = job.rank
        make_trainer(tmp_path, threads=2, ranks=job, on_step=stop).train(STEPS)

    threads = {}

    def by_thread():
        return threads[threading.get_ident()]

    for error in run_ranks(2, work):
        assert isinstance(error, TrainingInterrupted)
        assert (error.step, error.signal_name) == (latest_step(tmp_path), "SIGTERM")
    assert latest_step(tmp_path) in (4, 5)


def latest_step(run):
    return int(latest_checkpoint(run).name[5:])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The training process by itself, with the threads of two ranks."""
    run = tmp_path_factory.mktemp("uninterrupted")
    subprocess.run([sys.executable, SCRIPT, run, "--threads", "2"], check=True, capture_output=True, env=ENVIRONMENT)
    return run


def start(run, *options):
    """Start two ranks, and return the launcher and the ranks' processes once they are about to train."""
    launcher = mpiexec(2, SCRIPT, run, "--threads", "2", *options)
    ready = launcher.stdout.readline()
    if not ready.startswith("ready"):
        pytest.fail(ready + "".join(launcher.communicate()))
    return launcher, [int(word) for word in ready.split()[1:]]


def finish(launcher):
    output, errors = launcher.communicate(timeout=300)
    assert launcher.returncode == 0, output + errors


def wait_for(run, records):
    log = run / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not log.exists() or log.read_text().count("\n") < records:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_killed_rank_ends_the_job_and_what_resumes_is_the_same_run(tmp_path, uninterrupted):
    seed = int(os.environ.get("ALBERT_NP_SEED", "0"))
    moments = random.Random(seed)
    for i in range(KILLS):
        run = tmp_path / str(i)
        launcher, processes = start(run, "--seconds-per-step", "0.02")
        wait_for(run, moments.randrange(1, 18))
        time.sleep(moments.uniform(0, 0.03))
        victim = processes[moments.randrange(2)]
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        output, errors = launcher.communicate(timeout=60)
        assert launcher.returncode != 0
        assert time.monotonic() - killed < 30
        assert str(victim) in output + errors  # Open MPI names the rank too, MPICH process and machine
        finish(start(run)[0])
        assert_equal_numbers(run, uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_one_rank_or_to_the_launcher_saves_once_and_all_end(tmp_path, uninterrupted, number):
    launcher, processes = start(tmp_path, "--seconds-per-step", "0.1")
    wait_for(tmp_path, 2)
    os.kill(processes[1] if number == signal.SIGTERM else launcher.pid, number)
    output, errors = launcher.communicate(timeout=120)
    assert launcher.returncode == 3, output + errors
    assert output.count(f"{number.name} after step") == 1
    finish(start(tmp_path)[0])
    assert_equal_numbers(tmp_path, uninterrupted)

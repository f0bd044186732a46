"""Processes that share a batch: equal numbers however its parts are dealt out, and errors that reach all."""

import os
import pickle
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from toys.ranks import run_ranks
from toys.strict import StrictArray as StrictArray  # makes the backend known

from albert_np.execution import ALONE, RankError, Replicas, ranks, replicas, split, this_job, threads_in_all
from albert_np.gradcheck import DROPOUT, randomize, small_batch, small_config
from albert_np.model import AlbertForPreTraining


def passes(threads, job=ALONE, size=7, backend="numpy"):
    """Results and gradients of two batches, one after the other, in training mode."""
    model = randomize(AlbertForPreTraining(small_config(**DROPOUT), seed=4)).train().to(backend)
    batch = small_batch(model.config, batch=size)
    counts = {"mlm_denominator": int((batch["labels"] != -100).sum()), "sop_denominator": size}

    def work(copy, part):
        out = copy(**part, **counts)
        copy.backward()
        return float(out.loss)

    together = Replicas(model, threads, job)
    model.zero_grad()
    results = [together.map(work, split(batch, together.parts)) for _ in range(2)]
    return results, model.backend.to_numpy(model.grads.flat).copy()


@pytest.mark.parametrize("piece", [1 << 20, 1000])
@pytest.mark.parametrize("number, threads", [(4, 1), (2, 2)])
def test_ranks_and_threads_have_equal_numbers(monkeypatch, number, threads, piece):
    monkeypatch.setattr(ranks, "PIECE", piece)
    expected, gradient = passes(4)
    for results, own in run_ranks(number, lambda job: passes(threads, job)):
        assert results == expected
        np.testing.assert_array_equal(own, gradient)


def test_fewer_parts_than_ranks_leave_some_without_work():
    expected, gradient = passes(4, size=2)
    for results, own in run_ranks(4, lambda job: passes(1, job, size=2)):
        assert results == expected
        np.testing.assert_array_equal(own, gradient)


@pytest.mark.parametrize("size, lent", [(1, 4), (2, 2), (3, 1), (4, 1), (7, 1)])
def test_the_blas_is_lent_as_many_threads_however_the_parts_are_dealt_out(monkeypatch, size, lent):
    used = []
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.setattr(replicas._blas, "limited", lambda threads: nullcontext(used.append(threads)))
    passes(4, size=size)
    run_ranks(2, lambda job: passes(2, job, size=size))
    run_ranks(4, lambda job: passes(1, job, size=size))
    assert set(used) == {lent}
    assert len(used) == 2 * (1 + 2 + 4)


def test_gradients_of_a_device_are_added_up_too():
    expected, gradient = passes(2)
    for results, own in run_ranks(2, lambda job: passes(1, job, backend="strict")):
        assert results == expected
        np.testing.assert_array_equal(own, gradient)


def test_ranks_of_a_machine_take_its_devices_in_turn(monkeypatch):
    taken = []
    cuda = SimpleNamespace(
        Device=lambda number: SimpleNamespace(use=lambda: taken.append(number)),
        runtime=SimpleNamespace(getDeviceCount=lambda: 2),
    )
    monkeypatch.setattr(ranks, "get_backend", lambda name: SimpleNamespace(xp=SimpleNamespace(cuda=cuda)))
    ALONE.take_device("cupy")
    run_ranks(3, lambda job: job.take_device("numpy"))
    assert taken == []
    assert run_ranks(3, lambda job: job.take_device("cupy")) == [None] * 3
    assert sorted(taken) == [0, 0, 1]


def test_the_sum_is_taken_from_left_to_right():
    numbers = np.array([[1e8], [1.0], [-1e8], [1.0]], dtype=np.float32)  # in this order 1, in another 0 or 2

    def total(job):
        own = numbers[job.rank].copy()
        job.add_up(own, [])
        return own[0]

    assert run_ranks(4, total) == [1, 1, 1, 1]


def test_what_one_rank_raises_all_raise_and_only_it_as_it_was():
    def work(job):
        def fail():
            if job.rank in (1, 2):
                raise OSError(f"no disk {job.rank}")

        job.share(fail)

    found = run_ranks(3, work)
    assert [type(error) for error in found] == [RankError, OSError, RankError]
    assert str(found[1]) == "no disk 1"
    assert str(found[0]) == str(found[2]) == "rank 1 of 3: OSError: no disk 1"


def test_what_cannot_be_pickled_is_an_error_of_its_rank():
    found = run_ranks(2, lambda job: job.share(lambda: (lambda: 1) if job.rank == 1 else 0))
    assert "rank 1 of 2" in str(found[0])
    assert "pickle" in str(found[1])


def test_on_first_is_done_once_and_awaited():
    done = []
    assert run_ranks(3, lambda job: (job.on_first(lambda: done.append(job.rank) or "made"), list(done))) == [
        ("made", [0]),
        (None, [0]),
        (None, [0]),
    ]
    assert run_ranks(3, lambda job: job.told(10 * (job.rank + 1))) == [10, 10, 10]


def test_ranks_that_differ_are_told_in_what():
    found = run_ranks(3, lambda job: job.require_alike(lambda: {"numpy": "2.0" if job.rank == 2 else "2.3", "seed": 1}))
    assert {type(error) for error in found} == {RankError}
    assert all("rank 2 on " in str(error) and "numpy is '2.0', not '2.3'" in str(error) for error in found)
    assert run_ranks(2, lambda job: job.require_alike(lambda: {"seed": 1})) == [None, None]


def test_threads_are_shared_out_to_the_ranks_of_a_machine(monkeypatch):
    monkeypatch.setattr("albert_np.execution.replicas.available_threads", lambda: 8)
    assert run_ranks(2, threads_in_all) == [8, 8]
    assert run_ranks(3, threads_in_all) == [6, 6, 6]
    assert run_ranks(2, lambda job: threads_in_all(job, 3)) == [6, 6]
    assert threads_in_all(ALONE) == 8
    monkeypatch.setattr("albert_np.execution.replicas.available_threads", lambda: 1)
    assert run_ranks(3, threads_in_all) == [3, 3, 3]


def test_local_ranks_count_those_of_one_machine(monkeypatch):
    assert run_ranks(3, lambda job: job.local_rank()) == [0, 1, 2]


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({}, (0, 1)),
        ({"PMI_RANK": "2", "PMI_SIZE": "4"}, (2, 4)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "1"}, (1, 2)),
        ({"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8"}, (3, 8)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, (0, 1)),  # a batch script, which is no rank
        ({"PMI_RANK": "x", "PMI_SIZE": "4"}, (0, 1)),
    ],
)
def test_a_launcher_is_known_by_its_environment(monkeypatch, environment, expected):
    for names in ranks._LAUNCHERS.items():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ranks.place_in_job() == expected


def started(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, timeout=120
    )


def test_without_a_launcher_nothing_looks_for_mpi():
    code = "import sys; sys.modules['mpi4py'] = None; from albert_np.execution import *; print(this_job() is ALONE)"
    assert started(code).stdout == "True\n"


def test_ranks_without_mpi4py_are_refused():
    code = "import sys; sys.modules['mpi4py'] = None; from albert_np.execution import this_job; this_job()"
    error = started(code, PMI_RANK="1", PMI_SIZE="4").stderr
    assert "ImportError: 4 processes were started, which need mpi4py" in error
    assert "pip install 'albert-np[mpi]'" in error


def test_a_job_of_one_is_pickled():
    assert pickle.loads(pickle.dumps(ALONE)).size == 1
    assert this_job() is ALONE

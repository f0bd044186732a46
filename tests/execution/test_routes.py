"""How arrays travel between ranks: the same sums to the bit by MPI, through the host and by NCCL, and which it is."""

import threading

import numpy as np
import pytest
from toys.nccl import PlayedNccl, numbers, played_backend
from toys.ranks import run_ranks
from toys.strict import StrictArray as StrictArray  # makes the backend known

from albert_np import backend as backends
from albert_np.backend import get_backend
from albert_np.execution import ranks, routes


@pytest.fixture
def played(monkeypatch):
    """Return a function that plays a job of CuPy arrays: (ranks, work, GPUs, NCCL) -> results."""

    def play(size, work, nccl, gpus=range(99)):
        number = {}
        backend = played_backend(lambda: f"0000:{gpus[number[threading.get_ident()]]}")
        monkeypatch.setitem(backends._backends, "cupy", backend)

        class Seen:  # the module, as one rank finds it
            def __getattr__(self, name):
                return getattr(nccl, name)

            @property
            def available(self):
                return number[threading.get_ident()] not in nccl.absent

        monkeypatch.setattr(routes, "_nccl", Seen)

        def on_rank(job):
            number[threading.get_ident()] = job.rank
            return work(job, backend)

        return run_ranks(size, on_rank)

    return play


def summed(job, backend, dtype=np.float32, idle=()):
    """What a rank has after its numbers, and those of two more parts, are added up."""
    make = backend.from_numpy
    total = make(numbers(job.rank, dtype=dtype) * (job.rank not in idle))
    more = (
        []
        if job.rank in idle
        else [make(numbers(100 + job.rank, dtype=dtype)), make(numbers(200 + job.rank, dtype=dtype))]
    )
    job.add_up(total, more, has_part=job.rank not in idle)
    return job.route(backend).name, backend.to_numpy(total).copy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("idle", [(), (2, 3)])
def test_sums_are_the_same_to_the_bit_on_every_route(played, monkeypatch, dtype, idle):
    monkeypatch.setattr(ranks, "SMALL_PIECE", 700)  # the last piece is a short one
    monkeypatch.setattr(ranks, "PIECE", 700)
    by_mpi = run_ranks(4, lambda job: summed(job, get_backend("numpy"), dtype, idle))
    expected = np.zeros(5000, dtype)
    for rank in set(range(4)) - {*idle}:
        for part in (rank, 100 + rank, 200 + rank):
            expected += numbers(part, dtype=dtype)
    nccl = PlayedNccl()
    work = lambda job, backend: summed(job, backend, dtype, idle)  # noqa: E731
    by_nccl = played(4, work, nccl)
    by_host = run_ranks(4, lambda job: summed(job, get_backend("strict"), dtype, idle))
    names = ("MPI", "NCCL", "MPI, through the host's memory")
    for name, results in zip(names, (by_mpi, by_nccl, by_host), strict=True):
        assert [route for route, _ in results] == [name] * 4
        for _, total in results:
            np.testing.assert_array_equal(total, expected)
    assert nccl.carried == 6 * expected.nbytes  # along the chain, and to the others


@pytest.mark.parametrize(
    "nccl, gpus, why",
    [
        (PlayedNccl(absent=[1]), "abc", "as rank 1 does not find NCCL"),
        (PlayedNccl(broken=[2]), "abc", "as NCCL does not start: rank 2 hears from it NCCL_ERROR_SYSTEM_ERROR"),
        (PlayedNccl(), "aba", "as ranks share the GPU 0000:a on "),
    ],
)
def test_where_nccl_cannot_be_had_the_host_carries_and_the_route_says_why(played, nccl, gpus, why):
    found = played(3, summed, nccl, gpus)
    expected = run_ranks(3, lambda job: summed(job, get_backend("numpy")))
    for (name, total), (_, sums) in zip(found, expected, strict=True):
        assert name.startswith("MPI, through the host's memory, ")
        assert why in name
        np.testing.assert_array_equal(total, sums)
    assert nccl.carried == 0


def test_a_job_finds_its_route_once(played):
    nccl = PlayedNccl()

    def work(job, backend):
        summed(job, backend)
        return job.route(backend) is job.route(backend)

    assert played(2, work, nccl) == [True, True]
    assert len(nccl.jobs) == 1

"""Ranks without MPI, a communicator between threads with the methods of mpi4py's that the package uses; and with it."""

import importlib.util
import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import albert_np
from albert_np.execution import Ranks

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(albert_np.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}


class ThreadComm:
    """What one thread sees of a job of several; `jobs(size)` makes one for each."""

    def __init__(self, rank, shared):
        self.rank, self.shared, self.round = rank, shared, 0

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.shared.size

    def Dup(self):
        return ThreadComm(self.rank, self.shared.twin)

    def Ibarrier(self):
        return Request(self)

    def allgather(self, value):
        self.shared.values[self.rank] = value
        self.shared.barrier.wait()
        found = list(self.shared.values)
        self.shared.barrier.wait()
        return found

    def bcast(self, value, root):
        return self.allgather(value)[root]

    def Send(self, array, dest):
        self.shared.pipes[self.rank, dest].put(array.copy())

    def Recv(self, array, source):
        array[...] = self.shared.pipes[source, self.rank].get(timeout=60)

    def Abort(self, status):
        self.shared.aborted = True
        raise Aborted(status)

    def Bcast(self, array, root):
        array[...] = self.allgather(array.copy() if self.rank == root else None)[root]


class Aborted(Exception):
    """What would have ended all ranks."""


class Request:
    """A barrier that is looked at now and then."""

    def __init__(self, comm):
        self.shared, self.round = comm.shared, comm.round
        comm.round += 1
        with self.shared.lock:
            self.shared.arrived[self.round] = self.shared.arrived.get(self.round, 0) + 1

    def Test(self):
        if self.shared.aborted:
            raise Aborted
        return self.shared.arrived[self.round] == self.shared.size


class Shared:
    def __init__(self, size, twin=None):
        self.size, self.twin = size, twin
        self.aborted = False
        self.barrier = threading.Barrier(size, timeout=60)
        self.values = [None] * size
        self.pipes = {(a, b): queue.Queue() for a in range(size) for b in range(size)}
        self.lock = threading.Lock()
        self.arrived = {}


def run_ranks(size, work):
    """Return [work(ranks) of each rank], computed side by side; an exception is returned in the place of a result."""
    shared = Shared(size, twin=Shared(size))
    results = [None] * size

    def run(rank):
        try:
            results[rank] = work(Ranks(ThreadComm(rank, shared)))
        except Exception as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=[rank]) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def mpiexec(count, *program, **options):
    """Start a Python program of so many ranks; skips the test where mpi4py or mpiexec is missing."""
    beside = Path(sys.executable).with_name("mpiexec")
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
    if launcher is None or importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpiexec or mpi4py is missing: pip install 'albert-np[mpi]' mpich")
    version = subprocess.run([launcher, "--version"], capture_output=True, text=True).stdout
    of_root = ["--allow-run-as-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    open_mpi = [*of_root, "--oversubscribe"] if "Open MPI" in version or "OpenRTE" in version else []
    return subprocess.Popen(
        [launcher, *open_mpi, "-n", str(count), sys.executable, *map(str, program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        **options,
    )

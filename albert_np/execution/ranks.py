"""Many processes for one batch: the ranks that `mpiexec` or `srun` started, to which its parts are dealt out.

Each rank is the whole program, with weights, moments and batches of its own that are equal on all. What travels is the
gradient, once a batch, and a few small objects. The parts of a batch are added up in the order of the parts, whichever
rank has which, so 4 ranks of 1 thread, 2 of 2 and 1 of 4 have the same sums to the bit. That is why the sum goes along
a chain, from rank to rank in pieces, and is not left to the MPI library, which adds in an order of its own.

Only rank 0 writes files. What one rank alone may fail at is done through `share`, `together` or `on_first`, which are
not nested: then all raise.
"""

import functools
import math
import os
import pickle
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from albert_np.backend import Array, Backend, array_module, backend_of, get_backend
from albert_np.execution.routes import Route, route_of

__all__ = ["ALONE", "RankError", "Ranks", "place_in_job", "this_job"]

T = TypeVar("T")
PIECE, SMALL_PIECE = 1 << 20, 1 << 14  # numbers of the gradient that travel at a time, at most and at least
_POLL, _LONGEST_POLL = 1e-4, 2e-3  # seconds between two looks at whether the others have come: waiting must cost little

# What launchers tell a process: the number of processes and its own among them. A batch script of SLURM has
# SLURM_NTASKS too, without being one of several; SLURM_STEP_NUM_TASKS is srun's.
_LAUNCHERS = {
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
    "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
}


def piece_size(numbers: int, ranks: int) -> int:
    """Return how many numbers travel at a time: while a rank adds one piece, its neighbours move others.

    Few ranks are best served by long messages. A chain of many would stand idle until its end has something to do.
    """
    return min(PIECE, max(SMALL_PIECE, numbers // (4 * ranks)))


class RankError(RuntimeError):
    """Another rank failed, or none can go on with the others; all ranks stop."""


class Ranks:
    """The processes of a job, of which this one is number `rank` of `size`; of one process unless given more.

    comm: a communicator of mpi4py, or what has its methods; None for a process by itself. All ranks must call the same
    methods in the same order; each waits for the others, without keeping a processor busy.
    """

    def __init__(self, comm: Any = None):
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self._comm = comm
        self._farewell: Any = None if comm is None else comm.Dup()  # a rank that ends is not taken for one that goes on
        self._routes: dict[str, Route] = {}  # by the names of backends

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which alone writes and speaks."""
        return self.rank == 0

    def __reduce__(self) -> tuple[Callable[[], "Ranks"], tuple[()]]:
        return (this_job if self.size > 1 else Ranks), ()

    def share(self, work: Callable[[], T]) -> list[T]:
        """Return what `work` returns on each rank, in their order; where it raises on one, all ranks raise.

        The first rank that failed raises what it met, the others a RankError that names rank and error.
        """
        if self.size == 1:
            return [work()]
        result, failure, words = b"", None, None
        try:
            result = pickle.dumps(work())
        except Exception as error:
            failure, words = error, f"{type(error).__name__}: {error}"
        self._meet(self._comm)
        found = self._comm.allgather((result, words))
        for rank, (_, told) in enumerate(found):
            if told is not None:
                if rank == self.rank and failure is not None:
                    raise failure
                raise RankError(f"rank {rank} of {self.size}: {told}")
        return [pickle.loads(each) for each, _ in found]

    def together(self, work: Callable[[], T]) -> T:
        """Return what `work` returns here, once it has returned on all ranks; where it raises on one, all raise."""
        made: list[T] = []
        self.share(lambda: made.append(work()))
        return made[0]

    def on_first(self, work: Callable[[], T]) -> T | None:
        """Return what `work` returns on rank 0, None on the others, which wait for it; where it raises, all raise."""
        return self.together(lambda: work() if self.is_first else None)

    def told(self, value: T) -> T:
        """Return rank 0's value, which is pickled."""
        if self.size == 1:
            return value
        self._meet(self._comm)
        of_first: T = self._comm.bcast(value, root=0)
        return of_first

    def add_up(self, total: Array, more: Sequence[Array], has_part: bool = True) -> None:
        """Leave in `total` (P,), on all ranks, Σ (total + Σ more) over the ranks, added from left to right.

        has_part: whether this rank has something to add.
        """
        if self.size == 1:
            for addend in more:
                total += addend
            return
        self._add_along(total, more, has_part, self.route(backend_of(total)))

    def route(self, backend: Backend) -> Route:
        """Return how the arrays of a backend travel; on a device, the one that `take_device` took."""
        if backend.name not in self._routes:
            self._routes[backend.name] = route_of(self, self._comm, backend)
        return self._routes[backend.name]

    def _add_along(self, total: Array, more: Sequence[Array], has_part: bool, route: Route) -> None:
        """Receive each piece of the sum from the rank before, add this rank's own and hand it on."""
        piece = piece_size(total.size, self.size)
        room = array_module(total).empty(piece, dtype=total.dtype)
        last = self.size - 1
        for start in range(0, total.size, piece):
            own = total[start : start + piece]
            if self.rank > 0:
                so_far = room[: own.size]
                route.receive(so_far, self.rank - 1)
                if has_part:
                    own += so_far  # a sum of two numbers is the same in either order
                else:
                    own[...] = so_far
            for addend in more:
                own += addend[start : start + piece]
            if self.rank < last:
                route.send(own, self.rank + 1)
        route.broadcast(total, last)

    def require_alike(self, facts: Callable[[], Mapping[str, object]]) -> None:
        """Raise RankError, on all ranks, that names the first rank and fact which are not as on rank 0."""
        if self.size == 1:
            return
        everyone = self.share(lambda: (platform.node(), dict(facts())))
        there, expected = everyone[0]
        for rank, (here, found) in enumerate(everyone):
            for name in sorted(expected.keys() | found.keys()):
                ours, theirs = expected.get(name, "absent"), found.get(name, "absent")
                if ours != theirs:
                    raise RankError(
                        f"rank {rank} on {here} is not like rank 0 on {there}: {name} is {theirs!r}, not {ours!r}"
                    )

    def local_rank(self) -> int:
        """Return which of the ranks on this machine this one is, from 0: which of its GPUs to take."""
        nodes = self.share(platform.node)
        return nodes[: self.rank].count(nodes[self.rank])

    def take_device(self, backend: str) -> None:
        """Make a GPU of its own the one that this rank computes on; more ranks than GPUs share them in turn."""
        if self.size > 1 and backend == "cupy":
            cuda = get_backend(backend).xp.cuda
            cuda.Device(self.local_rank() % cuda.runtime.getDeviceCount()).use()

    def describe(self) -> str:
        """Say which process on which machine each rank is, as launchers name only those when one dies."""
        places = self.share(lambda: f"{os.getpid()} on {platform.node()}")
        return "; ".join(f"{rank} is process {place}" for rank, place in enumerate(places))

    def end(self, status: int, seconds: float) -> list[int] | None:
        """Return the exit statuses of all ranks, if all come to this call within some seconds, or else None.

        A rank that has waited in vain must call `abort`.
        """
        if self.size == 1:
            return [status]
        if not self._meet(self._farewell, time.monotonic() + seconds):
            return None
        statuses: list[int] = self._farewell.allgather(status)
        return statuses

    def abort(self, status: int) -> NoReturn:
        """End the processes of all ranks at once, with an exit status."""
        self._comm.Abort(status)
        os._exit(status)

    def _meet(self, comm: Any, until: float = math.inf) -> bool:
        """Wait until all ranks are here; False if they are not in time."""
        request, started = comm.Ibarrier(), time.monotonic()
        while not request.Test():
            now = time.monotonic()
            if now > until:
                return False
            time.sleep(min(_POLL + (now - started) / 20, _LONGEST_POLL))
        return True


ALONE = Ranks()


def place_in_job() -> tuple[int, int]:
    """Return this process's rank and the number of ranks, as the launcher's environment has them; (0, 1) without one.

    Known are the variables of Open MPI, of PMI (MPICH, Intel MPI, Microsoft MPI), of MVAPICH and of SLURM's srun.
    """
    for size, rank in _LAUNCHERS.items():
        try:
            found = int(os.environ[rank]), int(os.environ[size])
        except (KeyError, ValueError):
            continue
        if 0 <= found[0] < found[1]:
            return found
    return 0, 1


@functools.cache
def this_job() -> Ranks:
    """Return the ranks among which a launcher has started this process; `ALONE`, without a look at MPI, if it is none.

    Raises ImportError if there are several and mpi4py is missing or finds another number of them: processes that do not
    know of each other would each do the whole work, into one folder.
    """
    _, started = place_in_job()
    if started == 1:
        return ALONE
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            f"{started} processes were started, which need mpi4py and an MPI library to work together: "
            f"pip install 'albert-np[mpi]' ({error})"
        ) from error
    if MPI.COMM_WORLD.Get_size() != started:
        library = MPI.Get_library_version().splitlines()[0]
        raise ImportError(
            f"{started} processes were started, but mpi4py's library, {library}, knows of {MPI.COMM_WORLD.Get_size()}: "
            "mpiexec or srun is of another MPI than mpi4py"
        )
    return Ranks(MPI.COMM_WORLD.Dup())  # of our own: what else uses MPI here has the world

"""How an array travels from rank to rank: by MPI through the host's memory, or by NCCL from one GPU to another.

A route carries numbers and adds none. Who adds what to what, and in which order, is the same on every route.
"""

import platform
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from albert_np.backend import Array, Backend

if TYPE_CHECKING:
    from albert_np.execution.ranks import Ranks

__all__ = ["Route", "ThroughHost", "ThroughNccl", "route_of"]


class Route(Protocol):
    """Carries one-dimensional arrays without gaps; what one rank sends, the other must be about to receive.

    name: what carries them, as a person reads it.
    """

    name: str

    def send(self, array: Array, to: int) -> None:
        """Send an array to a rank."""

    def receive(self, array: Array, source: int) -> None:
        """Fill an array with what a rank sends."""

    def broadcast(self, array: Array, source: int) -> None:
        """Fill the arrays of all ranks with that of one."""


class ThroughHost:
    """MPI, which carries NumPy's arrays as they lie, and those of a device by way of a copy."""

    def __init__(self, comm: Any, backend: Backend, why_not_nccl: str = ""):
        self._comm = comm
        self._backend = backend
        self.name = "MPI" if backend.name == "numpy" else "MPI, through the host's memory"
        if why_not_nccl:
            self.name += f", as {why_not_nccl}"

    def send(self, array: Array, to: int) -> None:
        self._comm.Send(self._backend.to_numpy(array), dest=to)

    def receive(self, array: Array, source: int) -> None:
        self._fill(array, lambda host: self._comm.Recv(host, source=source))

    def broadcast(self, array: Array, source: int) -> None:
        if self._comm.Get_rank() == source:
            self._comm.Bcast(self._backend.to_numpy(array), root=source)
        else:
            self._fill(array, lambda host: self._comm.Bcast(host, root=source))

    def _fill(self, array: Array, read: Callable[[np.ndarray], None]) -> None:
        if isinstance(array, np.ndarray):
            read(array)
            return
        host = np.empty(array.shape, array.dtype)
        read(host)
        array[...] = self._backend.from_numpy(host)


class ThroughNccl:
    """NCCL, through CuPy's own bindings: what is sent and received is queued on the current stream, like a kernel.

    cuda, nccl: the modules `cupy.cuda` and `cupy.cuda.nccl`. communicator: of the latter, this rank's.
    """

    name = "NCCL"

    def __init__(self, cuda: ModuleType, nccl: ModuleType, communicator: Any):
        self._cuda = cuda
        self._types = {"float32": nccl.NCCL_FLOAT32, "float64": nccl.NCCL_FLOAT64}
        self._communicator = communicator

    def send(self, array: Array, to: int) -> None:
        self._communicator.send(*self._place(array), to, self._stream())

    def receive(self, array: Array, source: int) -> None:
        self._communicator.recv(*self._place(array), source, self._stream())

    def broadcast(self, array: Array, source: int) -> None:
        self._communicator.bcast(*self._place(array), source, self._stream())

    def _place(self, array: Array) -> tuple[int, int, int]:
        return array.data.ptr, array.size, self._types[array.dtype.name]

    def _stream(self) -> int:
        stream: int = self._cuda.get_current_stream().ptr
        return stream


def route_of(ranks: "Ranks", comm: Any, backend: Backend) -> Route:
    """Return how the arrays of a backend travel: by NCCL where each rank has a GPU of its own and all can use it.

    ranks: the `Ranks` of `comm`, all of which must make this call, each with its GPU as the current one.
    """
    nccl = _nccl() if backend.name == "cupy" else None
    if nccl is None:
        return ThroughHost(comm, backend)
    cuda = backend.xp.cuda
    gpus = ranks.share(lambda: (platform.node(), cuda.Device().pci_bus_id) if nccl.available else None)
    if None in gpus:
        return ThroughHost(comm, backend, f"rank {gpus.index(None)} does not find NCCL")
    if shared := next((gpu for gpu in gpus if gpus.count(gpu) > 1), None):
        return ThroughHost(comm, backend, f"ranks share the GPU {shared[1]} on {shared[0]}")
    communicators = []

    def join(job: object) -> str | None:
        try:
            communicators.append(nccl.NcclCommunicator(ranks.size, job, ranks.rank))
        except RuntimeError as error:
            return f"rank {ranks.rank} hears from it {error}"
        return None

    [job, *_] = ranks.share(lambda: nccl.get_unique_id() if ranks.is_first else None)
    if failed := next(filter(None, ranks.share(lambda: join(job))), None):
        return ThroughHost(comm, backend, f"NCCL does not start: {failed}")
    return ThroughNccl(cuda, nccl, communicators[0])


def _nccl() -> Any:
    """Return CuPy's bindings of NCCL, whose `available` says whether there is such a library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing library; the route says so
        from cupy.cuda import nccl
    return nccl

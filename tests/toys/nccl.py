"""NCCL without GPUs: CuPy's bindings of it between threads, on arrays that stand in for a device and have addresses."""

import ctypes
import queue
import threading
from types import SimpleNamespace

import numpy as np
from toys.strict import StrictArray

from albert_np.execution.strict import boxed_backend

STREAM = 77  # the address of the current stream


class PlacedArray(StrictArray):
    """A strict array that says where it lies, as CuPy's do."""

    @property
    def data(self):
        assert self.inner.flags.c_contiguous
        return SimpleNamespace(ptr=self.inner.ctypes.data)


class NcclError(RuntimeError):
    pass


class PlayedNccl:
    """The module `cupy.cuda.nccl`, for ranks in threads; absent, broken: the ranks that lack it, or cannot start it."""

    NCCL_FLOAT32, NCCL_FLOAT64 = 7, 8
    SIZES = {7: 4, 8: 8}  # noqa: RUF012

    def __init__(self, absent=(), broken=()):
        self.absent, self.broken = absent, broken
        self.jobs = {}
        self.lock = threading.Lock()
        self.carried = 0  # bytes

    def get_unique_id(self):
        with self.lock:
            job = bytes(range(128))
            self.jobs[job] = {}
            return job

    def NcclCommunicator(self, ndev, commId, rank):
        assert isinstance(commId, bytes)
        if rank in self.broken:
            raise NcclError("NCCL_ERROR_SYSTEM_ERROR")
        return PlayedCommunicator(self, self.jobs[commId], ndev, rank)


class PlayedCommunicator:
    """One rank's: it reads and writes memory by address, count and type, and knows of no arrays."""

    def __init__(self, module, pipes, size, rank):
        self.module, self.pipes, self.size, self.rank = module, pipes, size, rank

    def send(self, sendbuf, count, datatype, peer, stream):
        assert stream == STREAM
        content = ctypes.string_at(sendbuf, count * self.module.SIZES[datatype])
        self.module.carried += len(content)
        self._pipe(self.rank, peer).put((datatype, content))

    def recv(self, recvbuf, count, datatype, peer, stream):
        assert stream == STREAM
        sent_as, content = self._pipe(peer, self.rank).get(timeout=60)
        assert (sent_as, len(content)) == (datatype, count * self.module.SIZES[datatype])
        ctypes.memmove(recvbuf, content, len(content))

    def bcast(self, buff, count, datatype, root, stream):
        if self.rank == root:
            for peer in range(self.size):
                if peer != root:
                    self.send(buff, count, datatype, peer, stream)
        else:
            self.recv(buff, count, datatype, root, stream)

    def _pipe(self, source, to):
        with self.module.lock:
            return self.pipes.setdefault((source, to), queue.Queue())


def played_backend(gpus):
    """Return a backend "cupy" of placed arrays. gpus: rank -> the bus address of its GPU, by the rank of the caller."""
    backend = boxed_backend("cupy", PlacedArray)
    backend.xp.cuda = SimpleNamespace(
        Device=lambda: SimpleNamespace(pci_bus_id=gpus()),
        get_current_stream=lambda: SimpleNamespace(ptr=STREAM),
    )
    return backend


def numbers(rank, size=5000, dtype=np.float32):
    """Numbers of very different sizes, whose sum depends on the order."""
    rng = np.random.default_rng(rank)
    return (rng.standard_normal(size) * 10.0 ** rng.integers(-6, 7, size)).astype(dtype)

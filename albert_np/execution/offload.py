"""Arrays of a device in the host's memory for a while, copied out and back beside what the device computes.

What is queued on a stream of a GPU is done in order, and two streams know nothing of each other: all copies have one of
their own, and events say what must be done before what.
"""

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from albert_np.backend import Array, Backend, backend_of

__all__ = ["brought_back", "handed_out"]


def handed_out(x: Array) -> np.ndarray:
    """Return a copy of an array in the host's memory, for `brought_back` alone: it may still be under way."""
    return _copies_of(backend_of(x)).out(x)


def brought_back(arrays: Sequence[Array], device: Backend) -> Iterator[Array]:
    """Yield arrays, the last first, on a device: while one is in use, the next is on its way.

    arrays: all as `handed_out` returned them, or all on the device still.
    """
    if all(isinstance(x, device.array_type) for x in arrays):
        yield from reversed(arrays)
        return
    copies = _copies_of(device)
    arriving = copies.begin(arrays[-1])
    for before in (*reversed(arrays[:-1]), None):
        x = copies.finish(arriving)
        if before is not None:
            arriving = copies.begin(before)
        yield x


class Copies(Protocol):
    """Copies arrays of a backend to the host and back, one after the other."""

    def out(self, x: Array) -> np.ndarray:
        """Return a copy for `begin`; who reads it otherwise must wait for the device first."""

    def begin(self, host: np.ndarray) -> Any:
        """Begin to copy an array back, and return what `finish` takes."""

    def finish(self, arriving: Any) -> Array:
        """Return the array: what is computed from now on finds it there."""


class PlainCopies:
    """Copies for which the host waits."""

    def __init__(self, backend: Backend):
        self.out, self.begin, self.finish = backend.to_numpy, np.asarray, backend.from_numpy


class StreamedCopies:
    """Copies on a stream of their own, from and to pages that the system leaves in memory; the host waits for none.

    xp: the module `cupy`.
    """

    def __init__(self, xp: ModuleType):
        self._xp = xp
        self._stream = xp.cuda.Stream(non_blocking=True)
        self._last: tuple[Array, Any] | None = None  # what is copied at the moment, and the event of its arrival

    def out(self, x: Array) -> np.ndarray:
        self._let_go()
        x = self._xp.ascontiguousarray(x)
        room = self._xp.cuda.alloc_pinned_memory(x.nbytes)
        host = np.frombuffer(room, x.dtype, x.size).reshape(x.shape)
        self._follow()
        x.data.copy_to_host_async(host.ctypes.data, x.nbytes, self._stream)
        self._last = x, self._stream.record()
        return host

    def begin(self, host: np.ndarray) -> tuple[Array, Any]:
        self._let_go()
        x = self._xp.empty(host.shape, dtype=host.dtype)
        self._follow()
        x.data.copy_from_host_async(host.ctypes.data, host.nbytes, self._stream)
        self._last = x, self._stream.record()
        return self._last

    def finish(self, arriving: tuple[Array, Any]) -> Array:
        x, arrived = arriving
        self._xp.cuda.get_current_stream().wait_event(arrived)
        return x

    def _follow(self) -> None:
        """Let the next copy wait for all that is queued: it made the array, or had its memory before."""
        self._stream.wait_event(self._xp.cuda.get_current_stream().record())

    def _let_go(self) -> None:
        """Give back the memory of what was copied last: who gets it waits until that is done."""
        if self._last is not None:
            self.finish(self._last)
            self._last = None


_streamed: dict[tuple[str, int], Copies] = {}  # by the backend and the number of the device


def _copies_of(backend: Backend) -> Copies:
    """Return what copies arrays of a backend: beside the work on the current device of CuPy, one by one elsewhere."""
    if not hasattr(backend.xp, "cuda"):
        return PlainCopies(backend)
    place = backend.name, backend.xp.cuda.runtime.getDevice()
    if place not in _streamed:
        _streamed[place] = StreamedCopies(backend.xp)
    return _streamed[place]

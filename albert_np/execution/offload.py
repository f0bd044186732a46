"""Arrays of a device in the host's memory for a while, copied out and back beside what the device computes.

What is queued on a stream of a GPU is done in order, and two streams know nothing of each other: all copies have one of
their own, and events say what must be done before what.
"""

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from albert_np.backend import Array, Backend, backend_of

__all__ = ["all_arrived", "brought_back", "handed_out", "host_copy", "passed_through"]


def handed_out(x: Array) -> np.ndarray:
    """Return a copy of an array in the host's memory, for `brought_back` alone: it may still be under way."""
    copies = _copies_of(backend_of(x))
    host = copies.room(x)
    copies.out([x], [host])
    return host


def brought_back(arrays: Sequence[Array], device: Backend) -> Iterator[Array]:
    """Yield arrays, the last first, on a device: while one is in use, the next is on its way.

    arrays: all as `handed_out` returned them, or all on the device still.
    """
    if all(isinstance(x, device.array_type) for x in arrays):
        yield from reversed(arrays)
        return
    for (x,) in _arriving([[host] for host in reversed(arrays)], _copies_of(device)):
        yield x


def host_copy(x: Array, device: Backend) -> np.ndarray:
    """Return a copy of an array, in memory of the host's to and from which a device copies beside its work."""
    host = _copies_of(device).room(x)
    host[...] = backend_of(x).to_numpy(x)
    return host


def passed_through(hosts: Sequence[np.ndarray], places: Sequence[slice], device: Backend) -> Iterator[Sequence[Array]]:
    """Yield [host[place] for each host] on a device, place by place; what becomes of them there is written back.

    While the arrays of one place are in use, those of the next are on their way: a device holds those of two places.
    The host waits for none; who reads `hosts` afterwards must call `all_arrived` first.
    """
    copies = _copies_of(device)
    own = [[host[place] for host in hosts] for place in places]
    for arrays, there in zip(_arriving(own, copies), own, strict=True):
        yield arrays
        copies.out(arrays, there)
    copies.let_go()


def all_arrived(device: Backend) -> None:
    """Wait until all that is on its way to the host's memory is there."""
    _copies_of(device).wait()


def _arriving(hosts: Sequence[Sequence[np.ndarray]], copies: "Copies") -> Iterator[Sequence[Array]]:
    """Yield arrays on a device, some at a time: before they are used, the next begin to move."""
    arriving = copies.begin(hosts[0]) if hosts else None
    for following in (*hosts[1:], None) if hosts else ():
        arrays = copies.finish(arriving)
        arriving = None if following is None else copies.begin(following)
        yield arrays


class Copies(Protocol):
    """Copies arrays of a backend to the host and back, some at a time, one time after the other."""

    def room(self, like: Array) -> np.ndarray:
        """Return memory of the host's for an array of this shape and dtype, with whatever stands in it."""

    def out(self, arrays: Sequence[Array], hosts: Sequence[np.ndarray]) -> None:
        """Begin to copy arrays to `hosts`; who reads these otherwise than by `begin` must wait first."""

    def begin(self, hosts: Sequence[np.ndarray]) -> Any:
        """Begin to copy arrays back, and return what `finish` takes."""

    def finish(self, arriving: Any) -> Sequence[Array]:
        """Return the arrays: what is computed from now on finds them there."""

    def let_go(self) -> None:
        """Give back the memory of what was copied last: who gets it waits until that is done."""

    def wait(self) -> None:
        """Wait until all copies are made."""


class PlainCopies:
    """Copies for which the host waits."""

    def __init__(self, backend: Backend):
        self._backend = backend

    def room(self, like: Array) -> np.ndarray:
        return np.empty(like.shape, like.dtype)

    def out(self, arrays: Sequence[Array], hosts: Sequence[np.ndarray]) -> None:
        for x, host in zip(arrays, hosts, strict=True):
            host[...] = self._backend.to_numpy(x)

    def begin(self, hosts: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        return hosts

    def finish(self, arriving: Sequence[np.ndarray]) -> Sequence[Array]:
        return [self._backend.from_numpy(host) for host in arriving]

    def let_go(self) -> None:
        pass

    def wait(self) -> None:
        pass


class StreamedCopies:
    """Copies on a stream of their own, from and to pages that the system leaves in memory; the host waits for none.

    xp: the module `cupy`.
    """

    def __init__(self, xp: ModuleType):
        self._xp = xp
        self._stream = xp.cuda.Stream(non_blocking=True)
        self._last: tuple[Sequence[Array], Any] | None = None  # what is copied at the moment, and the event of its end

    def room(self, like: Array) -> np.ndarray:
        room = self._xp.cuda.alloc_pinned_memory(like.nbytes)
        return np.frombuffer(room, like.dtype, like.size).reshape(like.shape)

    def out(self, arrays: Sequence[Array], hosts: Sequence[np.ndarray]) -> None:
        self.let_go()
        arrays = [self._xp.ascontiguousarray(x) for x in arrays]
        self._follow()
        for x, host in zip(arrays, hosts, strict=True):
            x.data.copy_to_host_async(host.ctypes.data, x.nbytes, self._stream)
        self._last = arrays, self._stream.record()

    def begin(self, hosts: Sequence[np.ndarray]) -> tuple[Sequence[Array], Any]:
        self.let_go()
        arrays = [self._xp.empty(host.shape, dtype=host.dtype) for host in hosts]
        self._follow()
        for x, host in zip(arrays, hosts, strict=True):
            x.data.copy_from_host_async(host.ctypes.data, host.nbytes, self._stream)
        self._last = arrays, self._stream.record()
        return self._last

    def finish(self, arriving: tuple[Sequence[Array], Any]) -> Sequence[Array]:
        arrays, arrived = arriving
        self._xp.cuda.get_current_stream().wait_event(arrived)
        return arrays

    def let_go(self) -> None:
        if self._last is not None:
            self.finish(self._last)
            self._last = None

    def wait(self) -> None:
        self._stream.synchronize()

    def _follow(self) -> None:
        """Let the next copy wait for all that is queued: it made the array, or had its memory before."""
        self._stream.wait_event(self._xp.cuda.get_current_stream().record())


_streamed: dict[tuple[str, int], Copies] = {}  # by the backend and the number of the device


def _copies_of(backend: Backend) -> Copies:
    """Return what copies arrays of a backend: beside the work on the current device of CuPy, one by one elsewhere."""
    if not hasattr(backend.xp, "cuda"):
        return PlainCopies(backend)
    place = backend.name, backend.xp.cuda.runtime.getDevice()
    if place not in _streamed:
        _streamed[place] = StreamedCopies(backend.xp)
    return _streamed[place]

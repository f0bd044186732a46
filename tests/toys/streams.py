"""Streams of a GPU without one: copies happen as late, or as early, as events allow, on arrays that have addresses."""

import ctypes
import weakref
from types import SimpleNamespace

import numpy as np
from toys.strict import StrictArray

from albert_np.execution.strict import boxed_backend


class MovedArray(StrictArray):
    """A strict array that can be copied from and to an address, as CuPy's can, on a stream."""

    @property
    def data(self):
        assert self.inner.flags.c_contiguous
        whole = weakref.ref(self)  # who frees an array while it is copied gives its memory to another

        def move(to, source, size):
            array = whole()
            assert array is not None, "freed while it was copied"
            ctypes.memmove(to, source, size)

        here = self.inner.ctypes.data
        return SimpleNamespace(
            copy_to_host_async=lambda there, size, stream: stream.queue(lambda: move(there, here, size), "out"),
            copy_from_host_async=lambda there, size, stream: stream.queue(lambda: move(here, there, size), "in"),
        )


class PlayedStream:
    """A stream of copies: `work` is what is queued, events are places in it. What is computed is done at once."""

    def __init__(self, cuda, non_blocking):
        assert non_blocking  # or else it would wait for what is computed on the null stream
        self.cuda, self.work, self.done, self.follows = cuda, [], 0, False

    def queue(self, copy, name):
        assert self.follows, "a copy that waits for nothing"
        self.cuda.log.append(f"copy {name}")
        self.work.append(copy)
        if self.cuda.early:
            self.run(len(self.work))

    def wait_event(self, event):
        assert event is self.cuda.computed
        self.follows = True

    def record(self):
        self.follows = False
        return self, len(self.work)

    def synchronize(self):
        self.cuda.log.append("wait of the host")
        self.run(len(self.work))

    def run(self, until):
        for copy in self.work[self.done : until]:
            copy()
        self.done = max(self.done, until)


class PlayedCuda:
    """The module `cupy.cuda`; early: whether copies are made as soon as they are queued. log: what was done."""

    def __init__(self, early):
        self.early, self.log, self.computed = early, [], object()
        self.runtime = SimpleNamespace(getDevice=lambda: id(self))

    def Stream(self, non_blocking):
        return PlayedStream(self, non_blocking)

    def get_current_stream(self):
        return SimpleNamespace(record=lambda: self.computed, wait_event=self.wait)

    def wait(self, event):
        stream, place = event
        if stream.done < place or self.early:
            self.log.append("wait")
        stream.run(place)

    def alloc_pinned_memory(self, size):
        return bytearray(np.full(size, 0xFF, np.uint8).tobytes())  # not a number, until it is filled


def played_backend(early):
    """Return a backend "moved" of arrays that are copied on streams."""
    backend = boxed_backend("moved", MovedArray)
    backend.xp.cuda = PlayedCuda(early)
    backend.xp.ascontiguousarray = lambda x: x if x.inner.flags.c_contiguous else MovedArray(x.inner.copy())
    backend.xp.empty = lambda shape, dtype: MovedArray(
        np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 0, dtype)
    )
    return backend

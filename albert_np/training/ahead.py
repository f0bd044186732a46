"""Batches made ahead of time, in a thread, so that training does not wait for them."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

__all__ = ["Batches", "ahead_of"]

B = TypeVar("B", covariant=True)  # a batch
P = TypeVar("P")  # a position


class Batches(Protocol[B, P]):
    """What makes the batch at a position, and gives the position after it; both follow from the position alone."""

    def batch_at(self, position: P) -> tuple[B, P]: ...


@contextmanager
def ahead_of(data: Batches[B, P], count: int) -> Iterator[Batches[B, P]]:
    """Yield the same batches; while they are asked for in their order, a thread makes the next `count` meanwhile.

    An error is raised when its batch is asked for. A batch that nobody expected is made when it is asked for, and
    those that follow it ahead. The thread, which alone calls the data, ends with the block, at the latest when the
    batch that it is making is made.
    """
    thread = ThreadPoolExecutor(1, "batches")
    try:
        yield _Ahead(data, count, thread)
    finally:
        thread.shutdown(cancel_futures=True)


class _Ahead(Generic[B, P]):
    def __init__(self, data: Batches[B, P], count: int, thread: ThreadPoolExecutor):
        self._data = data
        self._count = count
        self._thread = thread
        self._expected: P | None = None  # the position of the first of those that wait
        self._waiting: deque[Future[tuple[B, P]]] = deque()

    def batch_at(self, position: P) -> tuple[B, P]:
        if not self._waiting or self._expected != position:
            for future in self._waiting:
                future.cancel()
            self._waiting = deque([self._thread.submit(self._data.batch_at, position)])
        while len(self._waiting) <= self._count:
            self._waiting.append(self._thread.submit(self._after, self._waiting[-1]))
        self._expected = None  # if this one fails, what follows it is made anew
        batch, self._expected = self._waiting.popleft().result()
        return batch, self._expected

    def _after(self, earlier: Future[tuple[B, P]]) -> tuple[B, P]:
        return self._data.batch_at(earlier.result()[1])

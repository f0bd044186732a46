"""All cores for one batch: its sequences are dealt out to threads that each run the plain code on their part.

Sequences do not know of each other, so a thread needs nothing but the weights, which all threads read, and gradients
of its own, which are added up at the end. NumPy and the BLAS let go of Python's global lock while they compute. The
BLAS itself is held to one thread meanwhile: two layers of threads would only get in each other's way.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Self

import numpy as np

from albert_np.backend import Array

__all__ = ["Replicas", "available_threads", "split"]


def available_threads() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def split(batch: Mapping[str, Array], parts: int) -> list[dict[str, Array]]:
    """Cut arrays (B, …) into at most `parts` runs of sequences, sizes differing by one at most, none empty."""
    size = len(next(iter(batch.values())))
    parts = min(parts, size)
    bounds = [size * i // parts for i in range(parts + 1)]
    return [{name: array[start:stop] for name, array in batch.items()} for start, stop in pairwise(bounds)]


class Replicas:
    """A model and copies of it that share its weights: as many as there are threads to run them.

    The result of a pass is the same for the same number of threads, to the bit. Another number adds the parts up in
    another order, and draws other dropout masks.
    """

    def __init__(self, model: Any, threads: int):
        if threads < 1:
            raise ValueError(f"threads={threads} must be at least 1")
        self.model = model
        self.threads = threads
        self._copies = [model.replica() for _ in range(threads)] if threads > 1 else [model]
        self._pool = ThreadPoolExecutor(threads)

    @contextmanager
    def one_blas_thread_each(self) -> Iterator[Self]:
        """Hold the BLAS to one thread within the block, if there are several of ours."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1 if self.threads > 1 else None, user_api="blas"):
            yield self

    def map(self, work: Callable[[Any, Any], Any], parts: Sequence[Any]) -> list[Any]:
        """Return [work(copy, part) for each part], computed side by side, in the order of the parts.

        At most one part a thread. Each copy is in the model's mode, with zero gradients and, for its dropout, a
        random stream that follows from `model.rng`; what the copies' gradients hold afterwards is added, in order, to
        the model's.
        """
        if len(parts) > self.threads:
            raise ValueError(f"{len(parts)} parts are too many for {self.threads} threads")
        if self.threads == 1:
            return [work(self.model, part) for part in parts]
        copies = self._copies[: len(parts)]
        for copy in copies:
            copy.training = self.model.training
            copy.rng = np.random.default_rng(int(self.model.rng.integers(2**63)))
            copy.zero_grad()
        results = list(self._pool.map(work, copies, parts))
        for copy in copies:
            self.model.grads.flat += copy.grads.flat
        return results

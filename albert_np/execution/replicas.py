"""All cores for one batch: its sequences are dealt out to threads that each run the plain code on their part.

Sequences do not know of each other, so a thread needs nothing but the weights, which all threads read, and gradients
of its own, which are added up at the end. NumPy and the BLAS let go of Python's global lock while they compute. The
BLAS itself has no threads of its own meanwhile: two layers of threads would only get in each other's way.
"""

import math
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from albert_np.backend import Array
from albert_np.execution.protocol import Model
from albert_np.execution.ranks import ALONE, Ranks
from albert_np.schema import check_whole

__all__ = ["Replicas", "available_threads", "split", "threads_for", "threads_in_all"]

M = TypeVar("M", bound=Model)
Part = TypeVar("Part")
Result = TypeVar("Result")


def available_threads() -> int:
    """Return the number of processors that this process may use: by its affinity and its container's quota, if any.

    A quota is rounded up: with one of 1.5 processors, two threads are faster than one.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(processors, _cpu_quota(), _share)))


_share = math.inf  # of the processors, what this process may use


def use_one_thread() -> None:
    """Let `available_threads` give 1 from here on: in one of several processes that share the processors."""
    global _share
    _share = 1


def threads_for(backend: str, threads: int | None) -> int:
    """Return how many threads compute on a backend: `threads`, or by default all processors on NumPy and 1 elsewhere.

    ValueError for more than one where a device and its stream belong to the thread that calls, and for what is no
    number of threads.
    """
    if threads is None:
        return available_threads() if backend == "numpy" else 1
    threads = check_whole("threads", threads, 1)
    if threads > 1 and backend != "numpy":
        raise ValueError(f"threads={threads}: with backend={backend!r}, only threads=1 is possible")
    return threads


def _cpu_quota(root: Path = Path("/")) -> float:
    """Return how many processors Linux's control groups, version 2 or 1, allow; infinity where none sets a limit.

    The limit of a group holds for the groups within it. A container may see its own group as the outermost.
    """
    quotas = [math.inf]
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
        outermost = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        group = outermost / name.strip("/")
        for folder in (group, *group.parents):
            match " ".join(_read(folder / name) for name in names).split():  # microseconds of work, in so many
                case [quota, period] if quota not in ("max", "-1"):
                    quotas.append(int(quota) / int(period))
            if folder == outermost:
                break
    return min(quotas)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def threads_in_all(ranks: Ranks, each: int | None = None) -> int:
    """Return the number of threads of all ranks together, for so many on each.

    By default ranks share the processors that they may use, all of them or those that a launcher has bound each to,
    and the one with the fewest decides for all.
    """
    processors = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
    places = ranks.share(lambda: (platform.node(), processors, available_threads()))
    fewest = min(available // places.count((node, own, available)) for node, own, available in places)
    return ranks.size * (max(1, fewest) if each is None else each)


def split(batch: Mapping[str, Array], parts: int) -> list[dict[str, Array]]:
    """Cut arrays (B, …) into at most `parts` runs of sequences, none empty, as even as can be.

    Even in real tokens where there is an attention_mask (B, T), in sequences otherwise.
    """
    size = len(next(iter(batch.values())))
    parts = min(parts, size)
    mask = batch.get("attention_mask")
    costs = np.ones(size) if mask is None else np.asarray(mask).reshape(size, -1).sum(axis=1) + 1
    shares = np.cumsum(costs) / costs.sum()
    bounds = [0]
    for i in range(1, parts):
        nearest = 1 + int(np.abs(shares - i / parts).argmin())
        bounds.append(min(max(nearest, bounds[-1] + 1), size - parts + i))
    return [{name: array[start:stop] for name, array in batch.items()} for start, stop in pairwise([*bounds, size])]


class _BlasThreads:
    """How many threads the BLAS has, which is one number for the whole process.

    Where limits overlap in time, set by threads that do not know of each other, the smallest counts; when the last one
    ends, the BLAS has what it had before the first. One thread does all the setting: threadpoolctl lets a limit be
    changed by none but the thread that has set it.
    """

    def __init__(self) -> None:
        self._setter = ThreadPoolExecutor(1)
        self._limits: list[int] = []
        self._libraries: Any = None
        self._first: Any = None  # remembers what was there before

    def find_libraries(self) -> None:
        """Look for the libraries that are loaded by now; without it there are none."""
        from threadpoolctl import ThreadpoolController

        self._libraries = ThreadpoolController().select(user_api="blas")

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        """Hold the BLAS to so many threads within the block, at least 1."""
        self._setter.submit(self._begin, threads).result()
        try:
            yield
        finally:
            self._setter.submit(self._end, threads).result()

    def _begin(self, threads: int) -> None:
        if not self._limits:
            self._first = self._libraries.limit(limits=threads)
            self._first.__enter__()
        elif threads < min(self._limits):
            self._libraries.limit(limits=threads)
        self._limits.append(threads)

    def _end(self, threads: int) -> None:
        self._limits.remove(threads)
        if not self._limits:
            self._first.__exit__(None, None, None)
        elif threads < min(self._limits):
            self._libraries.limit(limits=min(self._limits))

    def start_anew(self) -> None:
        """In the child of a fork, which has none of its parent's threads, end what limits they had set."""
        self._setter = ThreadPoolExecutor(1)
        if self._limits:
            self._limits = []
            self._first.__exit__(None, None, None)


_blas = _BlasThreads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blas.start_anew)


class Replicas(Generic[M]):
    """A model and copies of it that share its weights: together, one for each thread.

    threads: those of this process. ranks: processes that have as many each, and take parts as threads do; all of them
    must make the same calls. `parts` is the number of all their threads: for the same number of them the result of a
    pass is the same to the bit. Another number adds the parts up in another order, and draws other dropout masks.
    Copies and threads are made when there are parts for them.
    """

    def __init__(self, model: M, threads: int, ranks: Ranks = ALONE):
        self.model = model
        self.threads = threads_for(model.backend.name, threads)
        self.ranks = ranks
        self.parts = self.threads * ranks.size
        self._copies: list[M] = []
        self._start_threads()

    def _start_threads(self) -> None:
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(self.threads)
        _blas.find_libraries()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_process", "_pool")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._start_threads()

    def map(
        self,
        work: Callable[[M, Part], Result],
        parts: Sequence[Part],
        gradients: bool = True,
        lend: bool = True,
    ) -> list[Result]:
        """Return [work(model, part) for each part], computed side by side, in the order of the parts.

        At most one part a thread. The first part is the model's own, on rank 0; for the others there are copies in the
        model's mode, with zero gradients and, for dropout, random streams that follow from `model.rng`. What their
        gradients hold afterwards is added, in order, to the model's; `gradients=False` says that there are none. On
        other ranks the model itself is such a copy, and has the sum as well. Results travel between ranks pickled, and
        what `work` raises on one is raised on all.

        lend: whether threads without a part are lent to the BLAS, in equal shares. How many it has decides the last
        digits of its products; they are as many however the parts are dealt out.
        """
        if len(parts) > self.parts:
            raise ValueError(f"{len(parts)} parts are too many for {self.parts} threads")
        shares = min(self.parts, os.cpu_count() or 1) // max(1, len(parts)) if lend else 1
        first = self.ranks.rank * self.threads
        own = parts[first : first + self.threads]
        seeds = self.ranks.told([int(self.model.rng.integers(2**63)) for _ in parts[1:]])
        models = self._models(len(own))
        for number, model in enumerate(models, first):
            if number > 0:
                model.training, model.recompute = self.model.training, self.model.recompute
                model.precision, model.offload = self.model.precision, self.model.offload
                model.rng = np.random.default_rng(seeds[number - 1])
                if gradients:
                    model.zero_grad()
        results = self.ranks.share(lambda: self._side_by_side(work, models, own, max(1, shares)))
        if gradients:
            self.ranks.add_up(self.model.grads.flat, [copy.grads.flat for copy in models[1:]], has_part=bool(own))
        return [result for own_results in results for result in own_results]

    def _models(self, count: int) -> list[M]:
        """Return the model and copies of it, so many together."""
        while len(self._copies) < count - 1:
            self._copies.append(self.model.replica())
        return [self.model, *self._copies][:count]

    def _side_by_side(
        self, work: Callable[[M, Part], Result], models: Sequence[M], parts: Sequence[Part], blas_threads: int
    ) -> list[Result]:
        if self._process != os.getpid():  # a fork copies the pool, but not its threads
            self._start_threads()
        with _blas.limited(blas_threads):
            if len(parts) == 1:  # a device and its stream belong to the thread of the caller
                return [work(models[0], parts[0])]
            return list(self._pool.map(work, models, parts))

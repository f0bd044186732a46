"""Plain Python on all cores: a function applied to a stream of items by processes of their own, in the items' order.

Threads do for arrays, since NumPy lets go of Python's global lock while it computes; text is cut up by Python itself.
A process here is a new interpreter that reads pickled items from a pipe and answers through another. Unlike those of
`multiprocessing` it does not run the main program again, which in a script or a notebook may not bear it, and it needs
no fork, which would copy threads' locks without their threads. When its parent dies, however that happens, its pipe
ends, and it with it.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice
from itertools import count as numbers
from types import TracebackType
from typing import IO, Any, TypeVar, cast

from albert_np.execution.replicas import use_one_thread

__all__ = ["Processes", "peak_memory"]

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_STARTING = 8  # items; of fewer, starting a process takes longer than it saves
AHEAD = 2  # items in work for each process: one that it works on, one for when it is done

_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from albert_np.execution.processes import serve; serve()"
)
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Processes:
    """So many processes, which start when there is work for them and end with the `with` block.

        with Processes(4) as processes:
            for result in processes.map(function, items): ...

    Raises ValueError for a count below 1. With a count of 1 there are none: the work is done here.
    """

    def __init__(self, count: int):
        if count < 1:
            raise ValueError(f"count={count} must be at least 1")
        self.count = count
        self._numbers = numbers()
        self._own = threading.local()  # each thread has one process, sends it items and waits for its answers
        self._threads: ThreadPoolExecutor | None = None
        self._started: list[_Process] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, whatever they are doing; what is asked for later starts new ones."""
        threads, self._threads = self._threads, None
        for _ in range(2):  # the second time those that were being started
            for process in self._started:
                process.kill()
            if threads is not None:
                threads.shutdown(cancel_futures=True)
        self._started.clear()
        self._own = threading.local()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield function(item) for each item, in order; the items are read no further ahead than `AHEAD` a process.

        Function, items and results must be picklable; the function goes to each process once. Fewer than
        `WORTH_STARTING` items are worked on here. Maps may be nested: the items of one may come from another.

        Raises what the function raises, with the process's traceback as a note, TypeError if it cannot be pickled, and
        ChildProcessError if a process ends before it has answered.
        """
        items = iter(items)
        first = list(islice(items, WORTH_STARTING if self.count > 1 else 0))
        items = chain(first, items)
        if len(first) < WORTH_STARTING:
            yield from map(function, items)
            return
        try:
            number, pickled = next(self._numbers), pickle.dumps(function)
        except (AttributeError, TypeError, pickle.PicklingError) as error:  # of what cannot be pickled, by version
            raise TypeError(f"function={function!r:.80} cannot be pickled: only what a module defines can") from error
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                if self._threads is None:
                    self._threads = ThreadPoolExecutor(self.count)
                pending.append(self._threads.submit(self._answer, number, pickled, item))
                if len(pending) >= AHEAD * self.count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def peak_memory(self) -> int | None:
        """Return the sum of what this process and each started so far have had resident at most; see `peak_memory`."""
        peaks = [peak_memory(), *(process.peak for process in self._started)]
        return None if None in peaks else sum(peak for peak in peaks if peak is not None)

    def _answer(self, number: int, function: bytes, item: object) -> Any:
        process = getattr(self._own, "process", None)
        if process is None:
            process = self._own.process = _Process()
            self._started.append(process)
        return process.answer(number, function, item)


class _Process:
    """One process, seen from its parent."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            process_group=0 if os.name == "posix" else None,  # Ctrl-C is for the parent alone
        )
        self._known: set[int] = set()
        self._has_path = False
        self.peak: int | None = 0

    def answer(self, number: int, function: bytes, item: object) -> Any:
        """Return what the pickled function, known by its number, gives for an item, or raise what it raises."""
        sink, source = cast(IO[bytes], self._program.stdin), cast(IO[bytes], self._program.stdout)
        try:
            if not self._has_path:
                sink.write(pickle.dumps(sys.path))
                self._has_path = True
            sink.write(pickle.dumps((number, None if number in self._known else function, item)))
            sink.flush()
            self._known.add(number)
            succeeded, value, self.peak = pickle.load(source)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            status = self._program.wait()
            how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
            raise ChildProcessError(f"a process that helped with the work was ended {how}") from error
        if not succeeded:
            raise value
        return value

    def kill(self) -> None:
        """End the process and wait until it is gone."""
        self._program.kill()
        with suppress(BrokenPipeError), self._program:  # closes its pipes, of which one may hold what nobody reads now
            pass
        self._program.wait()


def serve() -> None:
    """Answer the items that come in on standard input, until it ends: what a process runs."""
    use_one_thread()
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not spoil an answer
    functions: dict[int, Callable[[object], object]] = {}
    try:
        while True:
            number, pickled, item = pickle.load(source)
            sink.write(_answered(functions, number, pickled, item))
            sink.flush()
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
        os._exit(0)  # the parent is gone; so is what is left to write


def _answered(
    functions: dict[int, Callable[[object], object]], number: int, pickled: bytes | None, item: object
) -> bytes:
    try:
        if pickled is not None:
            functions[number] = pickle.loads(pickled)
        return pickle.dumps((True, functions[number](item), peak_memory()))
    except Exception as error:
        error.add_note(traceback.format_exc())
        try:
            return pickle.dumps((False, error, peak_memory()))
        except Exception:  # what cannot be pickled is told in words
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}"), peak_memory()))


def peak_memory() -> int | None:
    """Return what this process has had resident at most, in bytes, mapped files included; None where nobody counts."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

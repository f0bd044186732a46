"""A submission's process, seen from the grader: its cells are run there, its functions are called from here.

    with Child(cells) as child:
        child.report                        # what became of each cell
        f = child.function("rms_norm")      # Missing, if there is none
        y, cache = f(x, weight, 1e-6)       # a NamedTuple or any object stays there; here it is a Handle
        dx, dweight = child.function("rms_norm_backward")(dy, cache)

A remote function is called as one of one's own. Numbers, texts, lists, dicts and arrays are passed by value; arrays,
lists, dicts and random generators that it changes are changed here too; functions among its arguments are called here.
Whatever the submission does, a call gives a value or raises `AnswerFailed`, and the next call goes on, with a new
process if it has to.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from albert_np.labs import sandbox
from albert_np.labs.points import AnswerFailed
from albert_np.labs.process import START_SECONDS, Handle, Lost, Process, RemoteFunction, exactly, shown
from albert_np.labs.wire import Message, WireError

__all__ = [
    "CellReport",
    "Child",
    "Died",
    "Handle",
    "Limits",
    "Missing",
    "RemoteFunction",
    "StudentError",
    "TookTooLong",
]

REFUSED = tuple("torch functorch jax jaxlib tensorflow keras autograd tinygrad mlx mxnet theano pytensor".split())
INERT = tuple("matplotlib mpl_toolkits seaborn plotly bokeh altair IPython ipywidgets albert_np.plots".split())
ALL_OVER = "all cells and calls together took longer than"

Result = TypeVar("Result")

FARTHEST = 2**40  # steps that one call may move a random generator
PCG64_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645


@dataclass(frozen=True)
class Limits:
    """What a submission may use: seconds of a call, of a cell, of all together; bytes; counts.

    Seconds are those of a machine that does nothing else: on a busy one up to four times as many may go by.
    message: bytes of arrays in one reply. handles: values of other kinds that are kept for the grader. callbacks: calls
    of the grader's functions during one call. output: characters of output that are kept.
    """

    call: float = 5.0
    cell: float = 10.0
    total: float = 60.0
    memory: int = 2 * 2**30
    file: int = 16 * 2**20
    processes: int = 64
    message: int = 64 * 2**20
    handles: int = 1000
    callbacks: int = 20_000
    output: int = 10_000


class StudentError(AnswerFailed):
    """A submission's function or cell raised; `text` is line `line` of cell `cell`, where it came up."""

    def __init__(self, kind: str, message: str, line: int = 0, cell: int = 0, text: str = "") -> None:
        where = f", in line {line} of cell {cell}: {text}" if cell else ""
        super().__init__(f"{kind}: {message}{where}", kind)
        self.message, self.line, self.cell, self.text = message, line, cell, text


class Died(AnswerFailed):
    """A submission's process ended, or can no longer be talked to."""

    def __init__(self, why: str) -> None:
        super().__init__(f"its process {why}")
        self.why = why


class TookTooLong(AnswerFailed):
    """A call or a cell went on for longer than `seconds`."""

    def __init__(self, seconds: float, what: str = "") -> None:
        super().__init__(what or f"took longer than {seconds:g} s")
        self.seconds = seconds


class Missing(AnswerFailed):
    """A submission has no function of this name."""


class LostValue(Died):
    """A value that a submission's process kept for later ended with it: not the doing of the function that needs it."""


class CellReport(NamedTuple):
    """What became of a cell, numbered from 1: "ok", "error", "skipped" (not Python), "killed" or "not run".

    magics: how many of its lines (or, if it is skipped, the whole cell) are IPython's and were left out.
    """

    number: int
    outcome: str
    error: AnswerFailed | None = None
    magics: int = 0


SAID = {"error": "has failed", "killed": "has ended the process", "skipped": "is not Python", "not run": "has not run"}


class Child:
    """A submission in a process of its own. Starting it runs the cells, in order; each may fail alone.

    cells: sources of code cells. isolation: "auto", "require" (RuntimeError where nothing keeps files, network and
    processes apart), "none", or the name of a sandbox. withheld: modules that the submission may not import, beside
    frameworks that differentiate by themselves; modules that draw are there, and do nothing. readable: files and
    folders that it may read, beside Python, NumPy and this package. RuntimeError if no process can be started, which
    is never the submission's doing.
    """

    def __init__(
        self,
        cells: Sequence[str],
        limits: Limits | None = None,
        isolation: str = "auto",
        *,
        withheld: Sequence[str] = (),
        readable: Sequence[str | Path] = (),
    ) -> None:
        self.limits = limits or Limits()
        self.starts = 0
        self._cells = list(cells)
        self._kind = sandbox.choose(isolation)
        self._readable = list(readable)
        self._modules = {"refused": [*REFUSED, *withheld], "inert": list(INERT)}
        self._left = self.limits.total
        self._guilty: set[int] = set()  # numbers of cells that ended the process
        self._reports: dict[int, CellReport] = {}
        self._names: dict[str, str] = {}
        self._process: Process | None = None
        self._earlier = ""  # output of processes that ended
        self._limited: list[str] = []  # what the process is kept from using too much of
        self._busy = self._closed = False
        try:
            self._revive()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and all that it started as far as the sandbox can; nothing can be called any more."""
        self._closed = True
        self._end()

    @property
    def report(self) -> list[CellReport]:
        """What became of each cell, in order."""
        return [self._reports[number] for number in sorted(self._reports)]

    @property
    def functions(self) -> list[str]:
        """The names of what can be called."""
        return [name for name, kind in self._names.items() if not kind]

    @property
    def isolation(self) -> str:
        """What the submission is kept from, in words."""
        limited = ", ".join(["time", *self._limited])
        lifted = self._kind is sandbox.Sandbox and sandbox.is_root()
        return f"{self._kind.words}; limited: {limited}" + (", but root can lift all but time" if lifted else "")

    @property
    def output(self) -> str:
        """The beginning of what the submission printed, and how much is left out."""
        now = self._process.output.text() if self._process else ""
        return (self._earlier + now)[: self.limits.output + 100]

    def function(self, name: str) -> RemoteFunction:
        """Return a function of the submission; `Missing`, which says why, if it has none of this name."""
        if self._names.get(name) != "":
            raise Missing(self._why_missing(name))
        return RemoteFunction(name, self)

    def _why_missing(self, name: str) -> str:
        if name in self._names:
            return f"{name} is a {self._names[name]}, not a function"
        for report in reversed(self.report):
            defines = rf"^[ \t]*(def[ \t]+{re.escape(name)}\b|{re.escape(name)}[ \t]*=)"
            if report.outcome != "ok" and re.search(defines, self._cells[report.number - 1], re.M):
                why = f": {report.error}" if report.error else ""
                return (
                    f"there is no function {name}: cell {report.number}, which defines it, {SAID[report.outcome]}{why}"
                )
        return f"there is no function {name}"

    def call(self, name: str, arguments: tuple[object, ...], named: dict[str, object]) -> tuple[Any, float]:
        """Call a function of the submission; return the result, and the seconds of processor time."""
        if self._closed:
            raise RuntimeError(f"{name} was called after its process was closed")
        if self._busy:
            raise RuntimeError(f"{name} was called by a function that a call of the submission is waiting for")
        self._revive()
        passed = [list(arguments), named]

        def read(reply: Message) -> tuple[Any, float]:
            if "missing" in reply:
                raise Missing(self._why_missing(name))
            error = _student_error(reply.get("error"))
            if error:
                raise error
            seconds = exactly(float, reply.get("seconds"))
            if not seconds >= 0:
                raise WireError("less than no time")
            if reply.get("changed") is not None:
                merged(passed, reply["changed"])
            return reply.get("result"), seconds

        request = {"ask": "call", "function": name, "arguments": passed[0], "named": named}
        return self._ask(request, self.limits.call, read)

    def _ask(self, request: Message, seconds: float, read: Callable[[Message], Result]) -> Result:
        """Send a request and read the reply; a process that fails is ended, and the next call starts another."""
        process = self._process
        if self._left <= 0:
            raise self._all_over()
        if process is None:
            raise Died("ends by itself, whichever cell is left out")
        try:
            encoded = process.encode(request)
        except Lost:
            raise LostValue("has ended since, and a value that it kept for later was lost with it") from None
        except WireError as error:
            raise TypeError(f"an argument cannot be passed to a submission: {error}") from None
        started, allowed, patience = time.monotonic(), min(seconds, self._left), _patience()
        self._busy = True
        try:
            return read(process.ask(encoded, allowed * patience))
        except AnswerFailed:
            raise
        except TimeoutError:
            self._end()
            raise (TookTooLong(seconds) if allowed == seconds else self._all_over()) from None
        except WireError:
            self._end()
            raise Died("sent a malformed reply") from None
        except (EOFError, OSError):
            why = process.why()
            self._end()
            raise Died(why) from None
        except BaseException:  # of the grader's own; the process still waits for an answer that will not come
            self._end()
            raise
        finally:
            self._busy = False
            self._left -= (time.monotonic() - started) / patience

    def _all_over(self) -> TookTooLong:
        total = self.limits.total
        return TookTooLong(total, f"{ALL_OVER} {total:g} s")

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._earlier += self._process.output.text()
            self._process = None

    def _revive(self) -> None:
        """If there is no process, start one and run the cells, without those that ended one, until that goes well."""
        for _ in range(len(self._cells) + 2):
            if self._process is None and (self._left > 0 or not self.starts):
                self._start()
                self._run_cells()

    def _start(self) -> None:
        limits, started = self.limits, time.monotonic()
        try:
            process = Process(self, self._kind, self._readable, limits.message, limits.callbacks, limits.output)
        except OSError as error:
            raise RuntimeError(f"no process for a submission could be started: {error}") from error
        self._process = process
        numbers = {"memory": limits.memory, "file": limits.file, "processes": limits.processes}
        numbers["processor"] = int(limits.total) + 30
        setup = {
            "ask": "setup",
            "greatest": limits.message,
            "handles": limits.handles,
            "limits": numbers,
            **self._modules,
        }
        try:
            reply = process.ask(process.encode(setup), START_SECONDS)
            self._limited = [name for name in exactly(list, reply.get("limits")) if name in numbers]
        except (OSError, EOFError, WireError) as error:
            why = process.why()
            self._end()
            raise RuntimeError(f"no process for a submission could be started: it {why}. {self._earlier}") from error
        if self.starts:  # the first start is not the submission's doing
            self._left -= time.monotonic() - started
        self.starts += 1

    def _run_cells(self) -> None:
        for number, source in enumerate(self._cells, 1):
            if number in self._guilty:
                continue
            if self._left <= 0:
                self._reports[number] = CellReport(number, "not run", self._all_over())
                continue
            request = {"ask": "cell", "number": number, "source": source.encode(errors="surrogatepass")}
            try:
                error, magics, whole = self._ask(request, self.limits.cell, _cell)
            except (Died, TookTooLong) as died:
                self._guilty.add(number)
                self._reports[number] = CellReport(number, "killed", died)
                return
            outcome = "error" if error else "skipped" if whole else "ok"
            self._reports[number] = CellReport(number, outcome, error, magics)
        with contextlib.suppress(Died, TookTooLong):
            self._names = self._ask({"ask": "names"}, self.limits.cell, _names)


def _cell(reply: Message) -> tuple[StudentError | None, int, bool]:
    magics, whole = exactly(int, reply.get("magics", 0)), exactly(bool, reply.get("whole", False))
    return _student_error(reply.get("error")), magics, whole


def _names(reply: Message) -> dict[str, str]:
    names: dict[str, str] = exactly(dict, reply.get("names"))
    return {name: shown(kind) for name, kind in names.items()}


def _student_error(reply: Any) -> StudentError | None:
    if reply is None:
        return None
    kind, message, text = (shown(exactly(dict, reply).get(name)) for name in ("kind", "message", "text"))
    line, cell = (exactly(int, reply.get(name)) for name in ("line", "cell"))
    return StudentError(kind, message, line, cell, text)


def _patience() -> float:
    """Return how many times as long as alone on a machine something may take now: tasks a processor, at most 4."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return min(4.0, max(1.0, load / (os.cpu_count() or 1)))


def merged(old: Any, new: Any) -> Any:
    """Return `new`, or `old` changed to be equal if it is of a kind that can be changed."""
    if old is new or type(old) is not type(new):
        return new
    match old:
        case np.ndarray():
            if old.shape != new.shape or old.dtype != new.dtype:
                change = f"{old.dtype} {old.shape} was made {new.dtype} {new.shape}"
                raise StudentError("ValueError", f"an array among the arguments, {change}, in place")
            if old.flags.writeable:
                old[...] = new
        case list():
            old[:] = [merged(*pair) for pair in zip(old, new, strict=False)] + new[len(old) :]
        case dict():
            items = {key: merged(old[key], value) if key in old else value for key, value in new.items()}
            old.clear()
            old.update(items)
        case tuple():
            return tuple([merged(*pair) for pair in zip(old, new, strict=False)]) + new[len(old) :]
        case np.random.Generator():
            if not _can_come(old.bit_generator.state["state"], new.bit_generator.state["state"]):
                raise StudentError("ValueError", "the random generator among the arguments was given another state")
            old.bit_generator.state = new.bit_generator.state
        case _:
            return new
    return old


def _can_come(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Say whether drawing (or putting back an earlier state) leads from one state of PCG64 to another.

    A submission that could choose the state could know the numbers of the checks to come. The distance is found bit by
    bit: of 2^k steps, only those at an odd distance change bit k of the state.
    """
    if before["inc"] != after["inc"]:
        return False
    state, wanted, multiplier, plus = before["state"], after["state"], PCG64_MULTIPLIER, before["inc"]
    distance, bit = 0, 1
    while state != wanted and bit < 2**128:
        if (state ^ wanted) & bit:
            state = (state * multiplier + plus) % 2**128
            distance |= bit
        plus = (multiplier + 1) * plus % 2**128
        multiplier = multiplier * multiplier % 2**128
        bit <<= 1
    return min(distance, 2**128 - distance) < FARTHEST

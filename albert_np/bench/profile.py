"""Where the time of a pass goes, op by op, and how little it could be.

While a profile is taken, every op of `albert_np.ops` is replaced, wherever the package holds it, by one that is timed.
The time of an op that calls others is what they leave of it, so that all times add up to that of the pass.
"""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, NamedTuple, ParamSpec, TypeVar

from albert_np import ops
from albert_np.backend import Array, Backend
from albert_np.bench.contenders import pass_of
from albert_np.bench.floor import Rates, measure_rates
from albert_np.bench.workloads import Workload
from albert_np.execution import split
from albert_np.model import AlbertBase

__all__ = ["BETWEEN", "OpTime", "Profile", "profile_workload", "timed_ops"]

P = ParamSpec("P")
T = TypeVar("T")
BETWEEN = "between the ops"  # residual sums, copies, sums of gradients


@dataclass(frozen=True)
class OpTime:
    """All calls of an op in a pass, those of `linear` by their widths.

    flops: of the matrix products, two for each multiplication and addition. bytes: of the arrays that go in and come
    out, each once.
    """

    op: str
    calls: int = 0
    seconds: float = 0.0
    flops: int = 0
    bytes: int = 0

    def plus(self, seconds: float, flops: int, size: int) -> "OpTime":
        return OpTime(self.op, self.calls + 1, self.seconds + seconds, self.flops + flops, self.bytes + size)

    def floor(self, rates: Rates) -> float:
        """Return the seconds that computing alone or moving data alone takes at full rate, whichever is longer."""
        return max(self.flops / rates.flops, self.bytes / rates.bytes)


class Profile(NamedTuple):
    """Times of a pass, the longest first, and the rates of the machine that say how short they could be."""

    description: str
    ops: list[OpTime]
    rates: Rates

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as a JSON object; no floor is known for what lies between the ops."""
        total = sum(op.seconds for op in self.ops)
        rows = [
            {
                **vars(op),
                "share": op.seconds / total,
                "floor_seconds": None if op.op == BETWEEN else op.floor(self.rates),
            }
            for op in self.ops
        ]
        return {"description": self.description, "seconds": total, "rates": self.rates._asdict(), "ops": rows}


def profile_workload(model: AlbertBase, workload: Workload, threads: int = 1, repeats: int = 3) -> Profile:
    """Profile what one of `threads` threads does: its part of the batch, with the BLAS on one thread, all others idle.

    Times are medians of `repeats` passes after one that warms up. Rates are measured on one thread too.
    """
    from threadpoolctl import threadpool_limits

    backend = model.backend
    part = {name: backend.from_numpy(array) for name, array in split(workload.batch, threads)[0].items()}
    B, T = part["input_ids"].shape
    one_pass = pass_of(workload)
    model.train() if workload.work == "step" else model.eval()
    with threadpool_limits(1, user_api="blas"):
        one_pass(model, part)
        passes = [_profiled(lambda: one_pass(model, part), backend) for _ in range(repeats)]
        rates = measure_rates(model.config.intermediate_size, B * T, backend)
    times = [replace(op, seconds=median(p[name].seconds for p in passes)) for name, op in passes[0].items()]
    description = f"{workload.work} {B}x{T} on one thread"
    return Profile(description, sorted(times, key=lambda op: -op.seconds), rates)


def _profiled(run: Callable[[], object], backend: Backend) -> dict[str, OpTime]:
    with timed_ops(backend) as times:
        run()
    return times


@contextmanager
def timed_ops(backend: Backend) -> Iterator[dict[str, OpTime]]:
    """Time every op within the block; the times are complete when it ends, and the ops are as they were.

    For one thread: the block must not run ops on several.
    """
    stopwatch = _Stopwatch(backend)
    plain = {name: op for name, op in vars(ops).items() if name.endswith(("_forward", "_backward"))}
    vars(ops).update({name: stopwatch.around(op) for name, op in plain.items()})  # blocks call `ops.…`
    try:
        yield stopwatch.times
    finally:
        vars(ops).update(plain)
        stopwatch.stop()


class _Stopwatch:
    """Keeps the time that each op takes by itself."""

    def __init__(self, backend: Backend):
        self.times: dict[str, OpTime] = {}
        self._backend = backend
        self._inner = [0.0]  # seconds spent in ops that were called, for each op that is running
        self._started = self._now()

    def _now(self) -> float:
        self._backend.synchronize()
        return time.perf_counter()

    def around(self, op: Callable[P, T]) -> Callable[P, T]:
        """Return `op`, timed."""

        @functools.wraps(op)
        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            started = self._now()
            self._inner.append(0.0)
            result = op(*args, **kwargs)
            seconds = self._now() - started - self._inner.pop()
            self._note(op.__name__, seconds, (*args, *kwargs.values()), result)
            self._inner[-1] += self._now() - started  # the time of taking notes is nobody's
            return result

        return timed

    def _note(self, name: str, seconds: float, args: tuple[object, ...], result: object) -> None:
        label, flops = _flops(name, args, result)
        size = _bytes(name, args, result, self._backend.array_type)
        self.times[label] = self.times.get(label, OpTime(label)).plus(seconds, flops, size)

    def stop(self) -> None:
        self.times[BETWEEN] = OpTime(BETWEEN).plus(self._now() - self._started - self._inner[0], 0, 0)


def _flops(name: str, args: tuple[Any, ...], result: Any) -> tuple[str, int]:
    """Return the op's label and the floating-point operations of its matrix products, read off shapes and caches."""
    forward = name.endswith("_forward")
    x, cache = result if forward else args[:2]
    if name in ("linear_forward", "linear_backward"):
        width_out, width_in = cache.weight.shape
        return f"{name} {width_in}→{width_out}", (2 if forward else 4) * x.size * width_in
    if name in ("activation_forward", "activation_backward"):
        return f"{name} {cache.name}", 0
    if name in ("attention_forward", "attention_backward"):
        return name, (4 if forward else 8) * cache.query.size * cache.key.shape[-2]
    return name, 0


def _bytes(name: str, args: tuple[Any, ...], result: Any, array_type: type) -> int:
    """Return the bytes of the arrays given and returned, each once; 0 if none is new, as where nothing is dropped."""
    given, returned = (dict(_arrays(values, array_type)) for values in (args, result))
    if returned.keys() <= given.keys():
        return 0
    if name == "embedding_forward":  # reads the rows that it returns, not the whole table
        return 2 * int(result[0].nbytes)
    return sum(int(array.nbytes) for array in {**given, **returned}.values())


def _arrays(value: object, array_type: type) -> Iterator[tuple[int, Array]]:
    if isinstance(value, array_type):
        yield id(value), value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _arrays(item, array_type)

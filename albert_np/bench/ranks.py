"""A training step of several ranks: measured beside as many threads, and reckoned for larger machines."""

import math
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from albert_np.bench.contenders import pass_of
from albert_np.bench.workloads import Workload
from albert_np.execution import ALONE, Ranks, Replicas, split
from albert_np.execution.ranks import piece_size
from albert_np.model import AlbertBase
from albert_np.training import LAMB, clip_by_global_norm

__all__ = ["Network", "RankTimes", "measure_ranks", "predicted_step"]


class RankTimes(NamedTuple):
    """Seconds of each round on rank 0.

    threads: a step of one process with as many threads as there are ranks, while the others sleep. ranks: the same step
    by all ranks, of one thread each. adding: of that, the sum of the gradients over the ranks, all of them ready.
    updating: clipping and LAMB, which every rank does for itself. parameters: in the gradient.
    """

    threads: list[float]
    ranks: list[float]
    adding: list[float]
    updating: list[float]
    parameters: int

    @property
    def ratio(self) -> float:
        """The median over the rounds of ranks against threads: pairs that were measured one after the other."""
        return median(ours / theirs for ours, theirs in zip(self.ranks, self.threads, strict=True))


class Network(NamedTuple):
    """What connects the ranks: numbers of one message on its way, in seconds and in bytes a second."""

    latency: float
    bandwidth: float


def measure_ranks(model: AlbertBase, workload: Workload, ranks: Ranks, repeats: int = 5) -> RankTimes:
    """Time a step of `model`, of the workload's class, in rounds that take turns; every rank makes this call.

    Raises ValueError if the batch has fewer sequences than there are ranks.
    """
    if len(workload.batch["input_ids"]) < ranks.size:
        raise ValueError(f"a batch of {len(workload.batch['input_ids'])} sequences is too small for {ranks.size} ranks")
    optimizer = LAMB(model.params, model.grads)
    parts = split(workload.batch, ranks.size)
    together, by_threads = Replicas(model, 1, ranks), Replicas(model, ranks.size, ALONE)
    one_pass = pass_of(workload)

    def step(replicas: Replicas[AlbertBase]) -> None:
        model.train().zero_grad()
        replicas.map(one_pass, parts)
        update()

    def update() -> None:
        clip_by_global_norm(model.grads, 1.0)
        optimizer.step(1e-4)

    def timed(work: Callable[[], object]) -> float:
        ranks.told(None)  # all begin together
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    turns: dict[str, Callable[[], object]] = {
        "threads": lambda: ranks.on_first(lambda: step(by_threads)),
        "ranks": lambda: step(together),
        "adding": lambda: ranks.add_up(model.grads.flat, []),
        "updating": update,
    }
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(repeats + 1):
        for name, work in turns.items():
            took = timed(work)
            if number > 0:  # the first round finds its memory
                seconds[name].append(took)
    return RankTimes(**seconds, parameters=model.params.flat.size)


def predicted_step(times: RankTimes, measured: int, count: int, network: Network) -> float:
    """Return the seconds that a step would take `count` ranks, from the times of one process with `measured` threads.

    compute · measured / count + update + (pieces + count - 2) · hop + 2 · bytes / bandwidth

    Passes share out evenly and updates do not. The sum's pieces follow each other along the chain, each hop taking
    latency + piece / bandwidth; the broadcast of the sum is a scatter and a gather. Float32.
    """
    update = median(times.updating)
    passes = (median(times.threads) - update) * measured / count
    if count == 1:
        return passes + update
    size, piece = times.parameters, piece_size(times.parameters, count)
    hop = network.latency + 4 * piece / network.bandwidth
    chain = (math.ceil(size / piece) + count - 2) * hop
    broadcast = 2 * (4 * size / network.bandwidth + math.log2(count) * network.latency)
    return passes + update + chain + broadcast

"""What no implementation can go below: the matrix products of a pass alone, and the rates of the machine."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from albert_np.backend import Array, Backend
from albert_np.bench.comparison import Contender
from albert_np.bench.workloads import Workload
from albert_np.execution import product, split
from albert_np.study import Product, matrix_products

__all__ = ["Rates", "floor", "measure_rates", "products_of"]


def floor(workload: Workload, threads: int, backend: Backend) -> Contender:
    """Return a workload's matrix products as a contender, written into arrays that exist, split as the batch is."""
    from threadpoolctl import ThreadpoolController

    runs = [_multiplier(products_of(replace(workload, batch=part)), backend) for part in split(workload.batch, threads)]
    pool, controller = ThreadPoolExecutor(len(runs)), ThreadpoolController()

    def run() -> None:
        with controller.limit(limits=max(1, threads // len(runs)), user_api="blas"):
            if len(runs) == 1:  # a device belongs to the caller's thread
                runs[0]()
            else:
                list(pool.map(lambda multiply: multiply(), runs))
        backend.synchronize()

    return Contender("matrix products alone", run)


def products_of(workload: Workload) -> list[Product]:
    """Return the matrix products that albert_np has to compute in a workload."""
    B, T = workload.shape
    lengths = workload.batch["attention_mask"].sum(axis=1).tolist() if workload.practical else [T] * B
    return matrix_products(workload.config, lengths, workload.labelled, workload.read, backward=workload.work == "step")


def _multiplier(parts: Sequence[Product], backend: Backend) -> Callable[[], None]:
    """Return what computes the products: on NumPy into arrays that exist, elsewhere as the model computes them."""
    xp, rng = backend.xp, np.random.default_rng(0)

    def matrices(batch: int, rows: int, columns: int, transposed: bool) -> Array:
        shape = (batch, columns, rows) if transposed else (batch, rows, columns)
        array = backend.from_numpy(rng.standard_normal(shape, dtype=np.float32))
        return array.swapaxes(1, 2) if transposed else array

    # Two arrays even where one would do: NumPy computes x.T @ x with half the work.
    operands = [
        (
            matrices(p.batch, p.m, p.k, p.layout[0] == "t"),
            matrices(p.batch, p.k, p.n, p.layout[1] == "t"),
            xp.empty((p.batch, p.m, p.n), dtype=xp.float32),
            p.times,
        )
        for p in parts
    ]

    def multiply() -> None:
        for left, right, out, times in operands:
            for _ in range(times):
                if xp is np:
                    np.matmul(left, right, out=out)
                else:
                    product(left, right)

    return multiply


class Rates(NamedTuple):
    """What the machine reaches: multiplications and additions a second, and bytes read and written a second."""

    flops: float
    bytes: float


def measure_rates(width: int, rows: int, backend: Backend, repeats: int = 5) -> Rates:
    """Measure a product of two 1024×1024 matrices, and a copy of an array (rows, width), which may fit the cache."""
    xp = backend.xp
    square = Product("nn", 1, 1024, 1024, 1024, 1)
    source = xp.ones((rows, width), dtype=xp.float32)
    target = xp.empty_like(source)
    multiply = _fastest(_multiplier([square], backend), backend, repeats)
    copy = _fastest(lambda: xp.copyto(target, source), backend, repeats)
    return Rates(square.flops / multiply, 2 * source.nbytes / copy)


def _fastest(run: Callable[[], object], backend: Backend, repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        backend.synchronize()
        seconds.append(time.perf_counter() - started)
    return min(seconds)

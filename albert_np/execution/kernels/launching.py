"""How a kernel is launched: the sources compiled, grid and block, arguments in order."""

import functools
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import numpy as np

from albert_np.backend import Array, Backend

__all__ = ["NO_ARRAY", "WARP", "Launching", "blocks_for", "in_order", "or_none", "serves", "source", "threads_for"]

REAL = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
WARP = 32
MOST_BLOCKS = 1 << 11  # where each thread takes one number after the other
NO_ARRAY = 0


def source() -> str:
    """Return all kernels as one text, what they share first; REAL is still to be said."""
    folder = files("albert_np.execution.kernels")
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(".cu"))
    return "".join(f'#line 1 "{name}"\n{(folder / name).read_text("utf-8")}' for name in ("block.cuh", *names))


class Launching:
    """What launches the kernels of one backend.

    raw_module: compiles CUDA C for it and gives the kernels; called as `cupy.RawModule` is.
    """

    def __init__(self, backend: Backend, raw_module: Callable[..., Any]):
        self.backend = backend
        self.xp = backend.xp
        self._raw_module = raw_module
        self._kernel = functools.cache(self._find)
        self._module = functools.cache(self._compile)

    def _compile(self, dtype: np.dtype[np.generic]) -> Any:
        return self._raw_module(code=source(), options=(f"-DREAL={REAL[dtype]}", "-std=c++17"))

    def _find(self, name: str, dtype: np.dtype[np.generic]) -> Any:
        return self._module(dtype).get_function(name)

    def _launch(
        self,
        name: str,
        like: Array,
        blocks: int | tuple[int, ...],
        threads: int,
        args: tuple[object, ...],
        shared: int = 0,
    ) -> None:
        grid = blocks if isinstance(blocks, tuple) else (blocks,)
        self._kernel(name, like.dtype)(grid, (threads,), args, shared_mem=shared)

    def _like(self, x: Array, *shape: int) -> Array:
        return self.xp.empty(shape or x.shape, dtype=x.dtype)


def serves(*arrays: Array) -> bool:
    """Return whether kernels can take these: of one dtype that they are compiled for, none of them empty."""
    dtype = arrays[0].dtype
    return dtype in REAL and all(x.dtype == dtype and x.size for x in arrays)


def in_order(x: Array) -> Array:
    """Return x with its numbers one after the other, copied if they are not."""
    return x if x.flags.c_contiguous else x.copy()


def or_none(x: Array | None) -> Array | int:
    """Return x, or what a kernel is given in place of an array that is not there."""
    return NO_ARRAY if x is None else x


def blocks_for(size: int) -> int:
    """Return how many blocks of 256 threads share so many numbers."""
    return min(MOST_BLOCKS, -(-size // 256))


def threads_for(width: int) -> int:
    """Return how many threads share a row: whole warps, at most 256 threads."""
    return min(256, -(-width // WARP) * WARP)

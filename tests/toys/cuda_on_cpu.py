"""CUDA C on a CPU: `CpuModule` is called as `cupy.RawModule` is, and computes what a GPU would, by `cuda_on_cpu.h`."""

import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.backend import Backend
from albert_np.execution import Launchers, StrictArray, strict
from albert_np.execution.strict import boxed_backend, played_products

COMPILER = shutil.which("g++")
HEADER = Path(__file__).with_name("cuda_on_cpu.h")
_folder = Path(tempfile.gettempdir()) / "albert-np-cuda-on-cpu"


class CpuModule:
    """Kernels compiled by g++. The next seed is that of the order in which threads and blocks go on.

    `code` and `options` as `cupy.RawModule` takes them; kernels that are `extern "C"`. `launches` counts.
    """

    seed = 0
    launches = 0

    def __init__(self, code: str, options: Sequence[str] = ()):
        self._library = ctypes.CDLL(str(_compiled(code, [o for o in options if o.startswith("-D")])))

    def get_function(self, name: str) -> "CpuKernel":
        """Return the kernel of that name."""
        return CpuKernel(self._library, name)


class CpuKernel:
    """One kernel, called as CuPy's are."""

    def __init__(self, library: ctypes.CDLL, name: str):
        self.name = name
        self._play = getattr(library, f"{name}_play")
        self._play.restype = ctypes.c_char_p
        sizes = getattr(library, f"{name}_sizes")
        sizes.restype = ctypes.POINTER(ctypes.c_int)
        self._sizes: list[int] = []
        while sizes()[len(self._sizes)]:
            self._sizes.append(sizes()[len(self._sizes)])

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any], *, shared_mem: int = 0):
        """Play the kernel; RuntimeError on what a GPU would hang on, TypeError on arguments that are not its own."""
        packed = [_packed(value) for value in args]
        if [ctypes.sizeof(value) for value in packed] != self._sizes:
            given = [ctypes.sizeof(value) for value in packed]
            raise TypeError(f"{self.name} takes arguments of {self._sizes} bytes, got {given}")
        x, y, z = (*grid, 1, 1)[:3]
        assert (block[1:], z) in (((), 1), ((1,), 1), ((1, 1), 1)), "played are blocks of one axis, grids of two"
        assert min(x, y) > 0, f"a grid of {grid} holds no block"
        assert block[0] % 32 == 0, f"a block of {block} is no number of whole warps"
        assert 0 < block[0] <= 1024
        assert shared_mem <= 48 << 10, "more than a kernel has without being asked"
        pointers = (ctypes.c_void_p * len(packed))(*(ctypes.addressof(value) for value in packed))
        CpuModule.seed += 1
        CpuModule.launches += 1
        strict._launch(self.name)
        error = self._play(
            (ctypes.c_uint * 2)(x, y), ctypes.c_uint(block[0]), ctypes.c_size_t(shared_mem), pointers,
            ctypes.c_ulonglong(CpuModule.seed),
        )  # fmt: skip
        if error:
            raise RuntimeError(f"{self.name}: {error.decode()}")


def _packed(value: Any) -> Any:
    """Return an argument as CuPy packs it: an array's address, a number of Python's in 8 bytes, NumPy's as it is."""
    inner = getattr(value, "inner", value)
    if isinstance(inner, np.ndarray):
        assert inner.flags.c_contiguous, "a kernel was given an array whose numbers do not lie in order"
        return ctypes.c_void_p(inner.ctypes.data)
    if isinstance(value, np.generic):
        return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())
    return {bool: ctypes.c_bool, int: ctypes.c_longlong, float: ctypes.c_double}[type(value)](value)


def _compiled(code: str, defines: Sequence[str]) -> Path:
    """Return the library, compiled unless it has been before."""
    key = hashlib.sha256(repr((code, HEADER.read_text(), defines)).encode()).hexdigest()[:16]
    library = _folder / f"{key}.so"
    if library.exists():
        return library
    _folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_folder) as folder:
        source, made = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
        source.write_text(f'#include "{HEADER}"\n{code}\n')
        plain = _run(COMPILER, "-E", "-P", *defines, source)
        names = re.findall(r'extern "C"\s+void (\w+)\(', plain)
        source.write_text(source.read_text() + "".join(f"PLAYED({name})\n" for name in names))
        flags = "-std=c++17 -O1 -ffp-contract=off -U_FORTIFY_SOURCE -shared -fPIC -w".split()
        _run(COMPILER, *flags, *defines, source, "-o", made)
        made.replace(library)
    return library


def _run(*command: Any) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return done.stdout


class PlayedArray(StrictArray):
    """A strict array of a backend whose kernels are played."""


def played_backend(code: str | None = None) -> Backend:
    """Return strict arrays as the backend "cuda-on-cpu", with the kernels of the package, launched as on a GPU.

    code: what to compile in place of the package's own source.
    """
    bare = boxed_backend("cuda-on-cpu", PlayedArray)
    module = CpuModule if code is None else lambda options, **_: CpuModule(code, options)
    launchers = Launchers(bare, module)
    return boxed_backend("cuda-on-cpu", PlayedArray, {**played_products(), **launchers.by_name()})

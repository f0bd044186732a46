"""The array seam: whatever NumPy and CuPy do under different names, and how the C library keeps NumPy's memory.

The array module follows the array (`xp = array_module(x)`); there is no switch for the whole program. A third array
library is added by `register(Backend(…))`.
"""

import ctypes
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

Array = Any  # an array of any registered backend
ArrayLike = Any  # one of those, or whatever NumPy makes an array of
Floats = npt.NDArray[np.floating]  # an array of NumPy's, in any precision
Ints = npt.NDArray[np.integer]  # the same of whole numbers, such as ids and labels

__all__ = [
    "Array",
    "ArrayLike",
    "Backend",
    "Floats",
    "Ints",
    "array_module",
    "backend_of",
    "get_backend",
    "keep_freed_memory",
    "register",
]


@dataclass(frozen=True)
class Backend:
    """What the package asks of an array library beyond the functions that NumPy and CuPy share.

    `name` is what `get_backend` knows it by, `xp` its module, `array_type` the type of its arrays; `from_numpy` and
    `to_numpy` move an array; `erf` is the error function, number by number; `synchronize()` waits until all queued work
    is done (a clock needs it); `kernels` holds, under the name of a formula, what computes the same from the same
    arguments, only faster. `scatter_add` must be among them where `xp.add` has no `reduceat`.
    """

    name: str
    xp: ModuleType
    array_type: type
    from_numpy: Callable[[np.ndarray], Array]
    to_numpy: Callable[[Array], np.ndarray]
    erf: Callable[[Array], Array]
    synchronize: Callable[[], None]
    kernels: Mapping[str, Callable[..., Any]] = field(default_factory=dict, hash=False)

    def own(self, x: Array) -> Array:
        """Return an array of this backend as it is, and one of NumPy's moved here."""
        return x if isinstance(x, self.array_type) else self.from_numpy(x)


def array_module(x: Array) -> ModuleType:
    """Return the module (`numpy`, `cupy`, …) whose functions work on `x`."""
    return backend_of(x).xp


def backend_of(x: Array) -> Backend:
    """Return the backend that `x` belongs to; TypeError for anything that is not one of its arrays."""
    if isinstance(x, np.ndarray):
        return get_backend("numpy")
    for kind in type(x).__mro__:  # a backend's arrays may be of a class derived from another backend's
        for backend in _backends.values():
            if kind is backend.array_type:
                return backend
    if type(x).__module__.partition(".")[0] in _loaders:
        return get_backend(type(x).__module__.partition(".")[0])
    raise TypeError(f"expected an array of one of the backends {_names()}, got {type(x).__qualname__}")


def get_backend(name: str) -> Backend:
    """Return the backend of that name.

    ValueError for an unknown one, ImportError for one not installed, OSError for CuPy without a GPU or its driver.
    """
    if name not in _backends:
        if name not in _loaders:
            raise ValueError(f"backend={name!r} is unknown; known are {_names()}")
        _backends[name] = _loaders[name]()
    return _backends[name]


def register(backend: Backend) -> None:
    """Make `backend` known under its name; a second one of the same name replaces the first."""
    _backends[backend.name] = backend


def _names() -> str:
    return ", ".join(sorted({*_backends, *_loaders}))


class _Erf:
    """The error function on NumPy arrays, which NumPy lacks: erf(x) = 1 - exp(-x²) erfcx(x) for x ≥ 0, odd.

    The scaled complement erfcx is smooth in u = SLOPE x / (x + CENTER) - 1, which maps [0, LARGEST] to [-1, 1],
    so one short polynomial in u serves every x. Its coefficients are not typed in but interpolated, once per
    precision, from the standard library's `math.erfc`. Absolute error: at most 3e-15 in float64, 2e-7 in float32.
    SciPy's erf is nearer to the truth (3e-16 and 3e-8), but GELU in float32 takes 1.5 times as long with it.
    """

    LARGEST = 6.0  # erf rounds to 1 from here on
    CENTER = 3.0
    SLOPE = 2 * (LARGEST + CENTER) / LARGEST
    DEGREE: ClassVar = {4: 9, 8: 18}  # by bytes of the dtype

    def __init__(self) -> None:
        self._coefficients: dict[int, list[float]] = {}

    def __call__(self, x: np.ndarray) -> np.ndarray:
        magnitude = np.minimum(np.abs(x), self.LARGEST)
        u = self.SLOPE * magnitude / (magnitude + self.CENTER) - 1
        *lower, highest = self._polynomial(x.dtype.itemsize)
        erfcx = np.full_like(u, highest)
        for coefficient in reversed(lower):  # Horner's rule, in place
            erfcx *= u
            erfcx += coefficient
        y: np.ndarray = np.copysign(1 - np.exp(-magnitude * magnitude) * erfcx, x)
        return y

    def _polynomial(self, itemsize: int) -> list[float]:
        if itemsize not in self._coefficients:
            interpolated: Any = chebyshev.chebinterpolate(self._erfcx, self.DEGREE[max(4, itemsize)])
            self._coefficients[itemsize] = chebyshev.cheb2poly(interpolated).tolist()
        return self._coefficients[itemsize]

    def _erfcx(self, u: np.ndarray) -> np.ndarray:
        x = self.CENTER * (1 + u) / (self.SLOPE - (1 + u))
        return np.array([math.exp(v * v) * math.erfc(v) for v in x])


def _load_numpy() -> Backend:
    keep_freed_memory()
    return Backend(
        name="numpy",
        xp=np,
        array_type=np.ndarray,
        from_numpy=np.ascontiguousarray,
        to_numpy=np.asarray,
        erf=_Erf(),
        synchronize=lambda: None,
    )


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory for the next array instead of giving it back to the system.

    An op's result is a fresh array of some megabytes. By default glibc maps such a block anew and returns it when it
    is freed, so that the system has to hand out, and clear, each of its pages at every op: on a virtual machine that
    can take ten times as long as a multiplication of the same size. With these settings the pages stay. They are made
    once, when the NumPy backend is first used, and hold for the whole process; where the C library is another one,
    nothing happens.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_M_ARENA_MAX, 1)  # one pool for all threads


def _load_cupy() -> Backend:
    try:
        import cupy
        from cupyx.scipy.special import erf
    except ImportError as error:
        raise ImportError(
            "backend='cupy' needs CuPy: pip install 'albert-np[cuda12]', or 'albert-np[cuda13]' for CUDA 13"
        ) from error
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise OSError(f"backend='cupy' finds no GPU to compute on: {error}") from error
    return Backend(
        name="cupy",
        xp=cupy,
        array_type=cupy.ndarray,
        from_numpy=cupy.asarray,
        to_numpy=cupy.asnumpy,
        erf=erf,
        synchronize=lambda: cupy.cuda.get_current_stream().synchronize(),
    )


_loaders: dict[str, Callable[[], Backend]] = {"numpy": _load_numpy, "cupy": _load_cupy}
_backends: dict[str, Backend] = {}

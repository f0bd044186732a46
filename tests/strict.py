"""An array type that, like CuPy's, refuses to mix with NumPy arrays or to turn into one by itself.

It stands in for a GPU on machines that have none: code that runs on it follows its arrays everywhere. Reductions
return arrays without axes, never scalars, and any NumPy array that meets one is a TypeError.
"""

import types
from typing import Any

import numpy as np

from albert_np.backend import Backend, get_backend, register


def _unwrap(value: Any) -> Any:
    if isinstance(value, StrictArray):
        return value.inner
    if isinstance(value, np.ndarray):
        raise TypeError("a NumPy array met a strict array")
    if isinstance(value, tuple | list):
        return type(value)(_unwrap(v) for v in value)
    return value


def _wrap(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return StrictArray(np.asarray(value))
    if isinstance(value, tuple | list):
        return type(value)(_wrap(v) for v in value)
    return value


def _lifted(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return _wrap(function(*map(_unwrap, args), **{k: _unwrap(v) for k, v in kwargs.items()}))

    return call


class StrictArray:
    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, inner: np.ndarray):
        self.inner = inner

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a strict array does not turn into a NumPy array by itself")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # __array_interface__ would let NumPy read it
            raise AttributeError(name)
        attribute = getattr(self.inner, name)
        return _lifted(attribute) if callable(attribute) else _wrap(attribute)

    def __getitem__(self, index: Any) -> Any:
        return _wrap(self.inner[_unwrap(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.inner[_unwrap(index)] = _unwrap(value)

    def __len__(self) -> int:
        return len(self.inner)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.inner)

    def __int__(self) -> int:
        return int(self.inner)

    def __float__(self) -> float:
        return float(self.inner)


def _add_operators() -> None:
    binary = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"]
    names = [f"__{prefix}{name}__" for name in binary for prefix in ("", "r", "i")]
    names += [f"__{name}__" for name in ["lt", "le", "gt", "ge", "eq", "ne", "neg", "abs", "invert"]]
    for name in names:

        def operator(self: StrictArray, *others: Any, name: str = name) -> Any:
            result = getattr(self.inner, name)(*map(_unwrap, others))
            return self if name.startswith("__i") and name != "__invert__" else _wrap(result)

        setattr(StrictArray, name, operator)


_add_operators()

GPU_ONLY_NAMES = {"errstate", "vectorize", "frompyfunc", "nditer", "asarray", "array", "ascontiguousarray"}


class _Module(types.ModuleType):
    """NumPy's functions on strict arrays; those that CuPy lacks, or that would copy from the host, are missing."""

    def __getattr__(self, name: str) -> Any:
        if name in GPU_ONLY_NAMES:
            raise AttributeError(f"strict arrays have no {name}")
        attribute = getattr(np, name)
        is_function = callable(attribute) and not isinstance(attribute, type)
        return _lifted(attribute) if is_function else attribute


class _Generator:
    def __init__(self, seed: int):
        self._rng = np.random.default_rng(seed)

    def integers(self, high: int) -> np.integer:
        return self._rng.integers(high)

    def random(self, shape: Any, dtype: Any) -> StrictArray:
        return StrictArray(self._rng.random(shape, dtype=dtype))


_numpy = get_backend("numpy")
register(
    Backend(
        name="strict",
        xp=_Module("strict"),
        array_type=StrictArray,
        from_numpy=lambda x: StrictArray(np.array(x)),
        to_numpy=lambda x: x.inner.copy(),
        erf=_lifted(_numpy.erf),
        scatter_add=_lifted(_numpy.scatter_add),
        generator=_Generator,
        synchronize=lambda: None,
    )
)

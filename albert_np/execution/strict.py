"""Arrays that, like CuPy's, refuse to mix with NumPy's: they stand in for a GPU on machines that have none.

Code that runs on them follows its arrays everywhere. `backend.register(strict_backend())` makes them a backend.
"""

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import numpy as np

from albert_np.backend import Backend, get_backend

__all__ = ["Operation", "StrictArray", "recorded", "strict_backend"]


class Operation(NamedTuple):
    """What a strict array was asked to do: `bytes` are those of the operands, each counted once, and of the result."""

    name: str
    flops: int
    bytes: int
    dtype: str  # of the result


class StrictArray:
    """An array that refuses NumPy's functions and arrays, and that can write down what is done to it.

    It holds a NumPy array, on which its own module (`strict_backend().xp`) and its operators compute.
    """

    __array_ufunc__ = None  # NumPy's functions raise TypeError, its operators leave the work to ours
    __hash__ = None  # type: ignore[assignment]
    log: ClassVar[list[Operation] | None] = None

    def __init__(self, inner: Any):
        self.inner = inner

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a strict array does not turn into a NumPy array by itself")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # __array_interface__ would let NumPy read it
            raise AttributeError(name)
        attribute = getattr(self.inner, name)
        return _lifted(name, attribute, self) if callable(attribute) else _wrapped(attribute)

    def __getitem__(self, index: Any) -> Any:
        return _wrapped(self.inner[_unwrapped(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.inner[_unwrapped(index)] = _unwrapped(value)

    def __len__(self) -> int:
        return len(self.inner)

    def __bool__(self) -> bool:
        return bool(self.inner)

    def __int__(self) -> int:
        return int(self.inner)

    def __float__(self) -> float:
        return float(self.inner)

    def __repr__(self) -> str:
        return f"StrictArray of {self.inner.dtype}, shape {self.inner.shape}"


def _unwrapped(value: Any) -> Any:
    if isinstance(value, StrictArray):
        return value.inner
    if isinstance(value, np.ndarray):
        raise TypeError("a NumPy array met a strict array")
    return type(value)(map(_unwrapped, value)) if isinstance(value, tuple | list) else value


def _wrapped(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return StrictArray(np.asarray(value))
    return type(value)(map(_wrapped, value)) if isinstance(value, tuple | list) else value


def _lifted(name: str, function: Callable[..., Any], owner: StrictArray | None = None) -> Callable[..., Any]:
    """Return a function of NumPy's, or a method of `owner`'s array, as one of strict arrays."""

    def call(*args: Any, **kwargs: Any) -> Any:
        plain = [_unwrapped(value) for value in args]
        result = function(*plain, **{key: _unwrapped(value) for key, value in kwargs.items()})
        _note(name, plain if owner is None else [owner.inner, *plain], result)
        return _wrapped(result)

    return call


def _note(name: str, operands: list[Any], result: Any) -> None:
    """Write an operation down; a view of an operand moves and computes nothing."""
    if StrictArray.log is None or not isinstance(result, np.ndarray | np.generic):
        return
    arrays = list({id(x): x for x in operands if isinstance(x, np.ndarray)}.values())  # x * x reads x once
    if any(result is not x and np.shares_memory(result, x) for x in arrays):
        return
    size = max(x.size for x in (*arrays, result))
    flops = 2 * result.size * arrays[0].shape[-1] if name == "matmul" else size
    moved = sum(x.nbytes for x in arrays) + result.nbytes
    StrictArray.log.append(Operation(name, flops, moved, str(result.dtype)))


def _add_operators() -> None:
    binary = "add sub mul truediv floordiv mod pow matmul and or xor".split()
    names = {f"__{prefix}{name}__": name for name in binary for prefix in ("", "r", "i")}
    names |= {f"__{name}__": name for name in "lt le gt ge eq ne neg abs invert".split()}
    for method, name in names.items():
        in_place = method.startswith("__i") and name != "invert"

        def operator(
            self: StrictArray, *others: Any, method: str = method, name: str = name, keep: Any = in_place
        ) -> Any:
            plain = [_unwrapped(value) for value in others]
            result = getattr(self.inner, method)(*plain)
            _note(name, [self.inner, *plain], result)
            return self if keep else _wrapped(result)

        setattr(StrictArray, method, operator)


_add_operators()

_MISSING = {"errstate", "vectorize", "frompyfunc", "nditer", "asarray", "array", "ascontiguousarray"}


class _Module(types.ModuleType):
    """NumPy's functions on strict arrays, without those that would let a NumPy array in."""

    def __getattr__(self, name: str) -> Any:
        if name in _MISSING:
            raise AttributeError(f"strict arrays have no {name}")
        attribute = getattr(np, name)
        is_function = callable(attribute) and not isinstance(attribute, type)
        return _lifted(name, attribute) if is_function else attribute


class _Generator:
    def __init__(self, seed: int):
        self._rng = np.random.default_rng(seed)

    def integers(self, high: int) -> int:
        return int(self._rng.integers(high))

    def random(self, shape: Any, dtype: Any) -> StrictArray:
        return StrictArray(self._rng.random(shape, dtype=dtype))


def _from_numpy(x: np.ndarray) -> StrictArray:
    result = np.array(x)
    _note("from_numpy", [], result)
    return StrictArray(result)


def _to_numpy(x: StrictArray) -> np.ndarray:
    result: np.ndarray = x.inner.copy()
    _note("to_numpy", [], result)
    return result


def strict_backend() -> Backend:
    """Return strict arrays as the backend "strict"; `backend.register` makes it known."""
    numpy = get_backend("numpy")
    return Backend(
        name="strict",
        xp=_Module("strict"),
        array_type=StrictArray,
        from_numpy=_from_numpy,
        to_numpy=_to_numpy,
        erf=_lifted("erf", numpy.erf),
        scatter_add=_lifted("scatter_add", numpy.scatter_add),
        generator=_Generator,
        synchronize=lambda: None,
    )


@contextmanager
def recorded() -> Iterator[list[Operation]]:
    """Give a list that fills with what is done to strict arrays inside the block."""
    operations: list[Operation] = []
    before, StrictArray.log = StrictArray.log, operations
    try:
        yield operations
    finally:
        StrictArray.log = before

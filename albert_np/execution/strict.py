"""Arrays that, like CuPy's, refuse to mix with NumPy's: they stand in for a GPU on machines that have none.

Code that runs on them follows its arrays everywhere. `backend.register(strict_backend())` makes them a backend.
"""

import functools
import inspect
import operator as operators
import types
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, NoReturn, ParamSpec, TypeVar

import numpy as np

from albert_np.backend import Backend, get_backend
from albert_np.execution.precision import narrowed
from albert_np.execution.products import played_product, played_product_into
from albert_np.execution.scatter import scatter_add

__all__ = ["Counts", "Operation", "StrictArray", "as_kernel", "boxed_backend", "counted", "recorded", "strict_backend"]

P = ParamSpec("P")
T = TypeVar("T")


class Operation(NamedTuple):
    """What a strict array was asked to do: `bytes` are those of the operands, each counted once, and of the result."""

    name: str
    flops: int
    bytes: int
    dtype: str  # of the result


class Counts(NamedTuple):
    """What a GPU would have to do, by the names of the operations; `counts.launches.total()` is the sum.

    launches: kernels started, as CuPy starts them: one for each operation that computes or copies, none for a view.
    waits: times that the host needs a number or a shape from the device, and must wait for all work before it.
    """

    launches: Counter[str]
    waits: Counter[str]


class StrictArray:
    """An array that refuses NumPy's functions and arrays, and that can write down what is done to it.

    It holds a NumPy array, on which its own module (`strict_backend().xp`) and its operators compute.
    """

    __array_ufunc__: Any = None  # NumPy's functions raise TypeError, its operators leave the work to ours
    __hash__ = None  # type: ignore[assignment]
    log: ClassVar[list[Operation] | None] = None
    counts: ClassVar[Counts | None] = None

    def __init__(self, inner: np.ndarray):
        self.inner = inner

    @classmethod
    def compute(
        cls,
        name: str,
        function: Callable[..., Any],
        operands: Sequence[Any],
        options: Mapping[str, object] | None = None,
        in_place: bool = False,
    ) -> Any:
        """Apply a function of NumPy's: whatever is done to these arrays passes through here.

        With in_place, NumPy's function has changed the first operand, and that is what comes back.
        """
        plain = [cls.unwrapped(value) for value in operands]
        result = function(*plain, **{key: cls.unwrapped(value) for key, value in (options or {}).items()})
        _note(name, plain, result)
        if StrictArray.counts is not None:
            changes = in_place or name in ("setitem", "fill") or "out" in (options or {})
            _count(StrictArray.counts, name, plain, result, changes)
        return operands[0] if in_place else cls.wrapped(result)

    @classmethod
    def unwrapped(cls, value: object) -> Any:
        """Return what NumPy is to be given in place of `value`."""
        if isinstance(value, StrictArray):
            return value.inner
        if isinstance(value, np.ndarray):
            raise TypeError("a NumPy array met a strict array")
        return type(value)(map(cls.unwrapped, value)) if isinstance(value, tuple | list) else value

    @classmethod
    def wrapped(cls, value: object) -> Any:
        """Return what NumPy gave, its arrays and scalars as arrays of this class."""
        if isinstance(value, np.ndarray | np.generic):
            return cls(np.asarray(value))
        return type(value)(map(cls.wrapped, value)) if isinstance(value, tuple | list) else value

    @classmethod
    def lifted(cls, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of NumPy's as one of these arrays."""
        return lambda *args, **kwargs: cls.compute(name, function, args, kwargs)

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a strict array does not turn into a NumPy array by itself")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # __array_interface__ would let NumPy read it
            raise AttributeError(name)
        attribute = getattr(self.inner, name)
        if callable(attribute):
            return lambda *args, **kwargs: self.compute(name, getattr(np.ndarray, name), (self, *args), kwargs)
        return (
            self.compute(name, lambda x: getattr(x, name), (self,)) if isinstance(attribute, np.ndarray) else attribute
        )

    def __getitem__(self, index: object) -> Any:
        return self.compute("getitem", lambda x, index: x[index], (self, index))

    def __setitem__(self, index: object, value: object) -> None:
        self.compute("setitem", np.ndarray.__setitem__, (self, index, value))

    def __len__(self) -> int:
        return len(self.inner)

    def __bool__(self) -> bool:
        _wait("bool")
        return bool(self.inner)

    def __int__(self) -> int:
        _wait("int")
        return int(self.inner)

    def __float__(self) -> float:
        _wait("float")
        return float(self.inner)

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {self.inner.dtype}, shape {self.inner.shape}"


SHORT_POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal", 1: "positive"}  # what `x**2` is computed as, and so on


def _note(name: str, operands: list[Any], result: object) -> None:
    """Write an operation down; a view of an operand moves and computes nothing, and rows picked are not counted."""
    if StrictArray.log is None or not isinstance(result, np.ndarray | np.generic) or name == "getitem":
        return
    arrays = list({id(x): x for x in operands if isinstance(x, np.ndarray)}.values())  # x * x reads x once
    if any(result is not x and np.shares_memory(result, x) for x in arrays):
        return
    if name == "pow" and isinstance(operands[1], int | float):
        name = SHORT_POWERS.get(operands[1], name)
    size = max(x.size for x in (*arrays, result))
    flops = 2 * result.size * arrays[0].shape[-1] if name == "matmul" else size
    moved = sum(x.nbytes for x in arrays) + result.nbytes
    StrictArray.log.append(Operation(name, flops, moved, str(result.dtype)))


_FREE = {"empty", "empty_like", "item", "tolist"}  # no kernel
_SEVERAL = {"flatnonzero": 4, "nonzero": 4, "argsort": 2, "take_along_axis": 3, "scatter_add": 6}  # kernels, about
_WAITING = {"flatnonzero", "nonzero", "item", "tolist"}


def _count(counts: Counts, name: str, operands: list[Any], result: object, changes: bool) -> None:
    """Count what an operation would launch, and whether the host must wait for it."""
    picks = _parts(operands[1]) if name == "getitem" else []
    by_mask = any(part.dtype == bool for part in picks)  # how many there are decides the shape
    if name in _WAITING or by_mask:
        counts.waits[name] += 1
    if changes:
        counts.launches[name] += 1
    elif by_mask:
        counts.launches[name] += _SEVERAL["nonzero"]
    elif picks or not (name == "getitem" or name in _FREE or _is_view(result, operands)):
        copies = sum(not _is_product_ready(x) for x in operands) if name == "matmul" else 0
        counts.launches[name] += _SEVERAL.get(name, 1) + copies


def _parts(index: object) -> list[np.ndarray]:
    """Return the arrays in an index; one without any gives a view."""
    return [
        np.asarray(x) for x in (index if isinstance(index, tuple) else (index,)) if isinstance(x, np.ndarray | list)
    ]


def _is_view(result: object, operands: Sequence[object]) -> bool:
    return isinstance(result, np.ndarray) and any(
        np.may_share_memory(result, x) for x in operands if isinstance(x, np.ndarray)
    )


def _is_product_ready(x: np.ndarray) -> bool:
    """Return whether `cupy.matmul` takes an operand as it lies: a matrix transposed or not, a stack only whole."""
    return x.flags.c_contiguous or (x.ndim <= 2 and x.flags.f_contiguous)


def _wait(name: str) -> None:
    if StrictArray.counts is not None:
        StrictArray.counts.waits[name] += 1


def _launch(name: str, launches: int = 1) -> None:
    if StrictArray.counts is not None:
        StrictArray.counts.launches[name] += launches


def as_kernel(formula: Callable[P, T], launches: int = 1, name: str = "") -> Callable[P, T]:
    """Return a formula that strict arrays compute as it stands and count as so many launches of one kernel.

    It stands for a kernel in `strict_backend(kernels)`. What wraps the formula is left out. Operands that the formula
    has rounded for products are launches of their own.
    """
    plain: Callable[P, T] = inspect.unwrap(formula)
    name = name or formula.__name__

    @functools.wraps(plain)
    def kernel(*args: P.args, **kwargs: P.kwargs) -> T:
        _launch(name, launches)
        with counted() as inside:
            result = plain(*args, **kwargs)
        if inside.launches["narrowed"]:
            _launch("narrowed", inside.launches["narrowed"])
        return result

    return kernel


def _add_operators() -> None:
    def add(
        method: str, name: str, function: Callable[..., Any], reverse: bool = False, in_place: bool = False
    ) -> None:
        def operator(self: StrictArray, *others: object) -> Any:
            operands = (*others, self) if reverse else (self, *others)
            return self.compute(name, function, operands, in_place=in_place)

        setattr(StrictArray, method, operator)

    for name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
        function = getattr(operators, f"__{name}__")
        add(f"__{name}__", name, function)
        add(f"__r{name}__", name, function, reverse=True)
        add(f"__i{name}__", name, getattr(operators, f"__i{name}__"), in_place=True)
    for name in "lt le gt ge eq ne neg abs invert".split():
        add(f"__{name}__", name, getattr(operators, f"__{name}__"))


_add_operators()

_MISSING = {"errstate", "vectorize", "frompyfunc", "nditer", "asarray", "array", "ascontiguousarray"}


class _Module(types.ModuleType):
    """NumPy's functions on boxed arrays, without those that would let a NumPy array in."""

    def __init__(self, name: str, array_type: type[StrictArray]):
        super().__init__(name)
        self.__array_type = array_type

    def __getattr__(self, name: str) -> Any:
        if name in _MISSING:
            raise AttributeError(f"{self.__name__} arrays have no {name}")
        attribute = getattr(np, name)
        is_function = callable(attribute) and not isinstance(attribute, type)
        return self.__array_type.lifted(name, attribute) if is_function else attribute


def boxed_backend(
    name: str, array_type: type[StrictArray], kernels: Mapping[str, Callable[..., Any]] | None = None
) -> Backend:
    """Return arrays of `StrictArray`'s kind as a backend; `backend.register` makes it known."""
    numpy = get_backend("numpy")

    def from_numpy(x: np.ndarray) -> StrictArray:
        result = np.array(x)
        _note("from_numpy", [], result)
        _launch("from_numpy")
        return array_type(result)

    def to_numpy(x: StrictArray) -> np.ndarray:
        result: np.ndarray = x.inner.copy()
        _note("to_numpy", [], result)
        _wait("to_numpy")
        return result

    return Backend(
        name=name,
        xp=_Module(name, array_type),
        array_type=array_type,
        from_numpy=from_numpy,
        to_numpy=to_numpy,
        erf=array_type.lifted("erf", numpy.erf),
        synchronize=lambda: _wait("synchronize"),
        kernels={"scatter_add": array_type.lifted("scatter_add", inspect.unwrap(scatter_add)), **(kernels or {})},
    )


def strict_backend(kernels: Mapping[str, Callable[..., Any]] | None = None) -> Backend:
    """Return strict arrays as the backend "strict"; kernels: see `Backend`, made by `as_kernel`.

    Products are a device's, of one launch each, where no operand has to be copied for them.
    """
    return boxed_backend("strict", StrictArray, played_products() | dict(kernels or {}))


def played_products() -> dict[str, Callable[..., Any]]:
    """Return products, and the rounding of what they read, as kernels of strict arrays."""
    played: dict[str, Callable[..., Any]] = {"product": played_product, "product_into": played_product_into}
    return {name: as_kernel(formula, name=name) for name, formula in (played | {"narrowed": narrowed}).items()}


@contextmanager
def recorded() -> Iterator[list[Operation]]:
    """Give a list that fills with what is done to strict arrays inside the block."""
    operations: list[Operation] = []
    before, StrictArray.log = StrictArray.log, operations
    try:
        yield operations
    finally:
        StrictArray.log = before


@contextmanager
def counted() -> Iterator[Counts]:
    """Give counters of what the operations on strict arrays inside the block would cost a GPU."""
    counts = Counts(Counter(), Counter())
    before, StrictArray.counts = StrictArray.counts, counts
    try:
        yield counts
    finally:
        StrictArray.counts = before

"""Formulas on a device: a kernel in place of the many operations that a formula would be there, where there is one.

A kernel is found by the formula's name: among those that the array's backend brings along (`Backend.kernels`), and for
CuPy among those of the folder `kernels`.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np

from albert_np.backend import Array, backend_of

__all__ = ["kernel_for", "on_device"]

F = TypeVar("F", bound=Callable[..., Any])


def kernel_for(x: Array, name: str) -> Callable[..., Any] | None:
    """Return what computes the formula of that name on the device where `x` lies; None where nothing but it does."""
    if isinstance(x, np.ndarray):
        return None
    backend = backend_of(x)
    return backend.kernels.get(name) or (_cupy_kernels().get(name) if backend.name == "cupy" else None)


@functools.cache
def _cupy_kernels() -> Mapping[str, Callable[..., Any]]:
    from albert_np.execution.kernels import cupy_kernels  # not above: they multiply, and products round by a kernel

    return cupy_kernels()


def on_device(cache: Any = None) -> Callable[[F], F]:
    """Return a decorator: a formula of which a device may have a kernel, which computes the same under its signature.

    NumPy's arrays always get the formula; others do where there is no kernel, or where it returns NotImplemented. A
    kernel knows no types of caches: with `cache`, the second of what it returns becomes one, by its fields in order.
    """

    def decorate(formula: F) -> F:
        @functools.wraps(formula)
        def run(*args: Any, **kwargs: Any) -> Any:
            if isinstance(args[0] if args else None, np.ndarray):
                return formula(*args, **kwargs)
            kernel = kernel_for(_first_array(args), formula.__name__)
            result = NotImplemented if kernel is None else kernel(*args, **kwargs)
            if result is NotImplemented:
                return formula(*args, **kwargs)
            return (result[0], _typed(cache, result[1])) if cache else result

        return cast(F, run)

    return decorate


def _first_array(args: tuple[object, ...]) -> Array:
    """Return the first array among arguments and what begins a cache: an upstream gradient may be a mere number."""
    for value in args:
        first = value[0] if isinstance(value, tuple) else value
        if hasattr(first, "shape") and not isinstance(first, np.generic):
            return first
    return np.empty(0)


def _typed(kind: Any, value: Any) -> Any:
    """Return fields as the named tuple `kind`, those among them that are caches too, or lists of some, as theirs."""
    if hasattr(kind, "_make"):
        return kind(*(_typed(of_field, field) for of_field, field in zip(_kinds(kind), value, strict=True)))
    return [_typed(get_args(kind)[0], each) for each in value] if get_origin(kind) is list else value


@functools.cache
def _kinds(cache: type) -> tuple[object, ...]:
    return tuple(get_type_hints(cache).values())

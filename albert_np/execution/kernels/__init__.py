"""Kernels in CUDA C, one source a formula, and what launches them. Nothing is compiled before a device asks for it."""

from collections.abc import Callable, Mapping
from typing import Any

from albert_np.backend import get_backend
from albert_np.execution.kernels.launchers import Launchers
from albert_np.execution.kernels.launching import source

__all__ = ["Launchers", "cupy_kernels", "source"]


def cupy_kernels() -> Mapping[str, Callable[..., Any]]:
    """Return the kernels of CuPy's arrays, by the names of their formulas."""
    import cupy

    return Launchers(get_backend("cupy"), cupy.RawModule).by_name()

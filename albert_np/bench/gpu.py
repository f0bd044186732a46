"""Settings of a GPU that CuPy and PyTorch must share to be compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

__all__ = ["tf32"]


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Within the block, CuPy and PyTorch (if it is there) multiply with TF32's 10 bits of mantissa, or neither does."""
    from cupy import _core, float32
    from cupy._core import _routines_linalg

    products: Any = SimpleNamespace(allow_tf32=False)
    if find_spec("torch"):
        products = import_module("torch").backends.cuda.matmul
    before = _core.get_compute_type(float32), products.allow_tf32
    kind = _routines_linalg.COMPUTE_TYPE_TF32 if allowed else _routines_linalg.COMPUTE_TYPE_DEFAULT
    _core.set_compute_type(float32, kind)
    products.allow_tf32 = allowed
    try:
        yield
    finally:
        _core.set_compute_type(float32, before[0])
        products.allow_tf32 = before[1]

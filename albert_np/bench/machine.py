"""On what it was measured."""

import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from albert_np.execution.replicas import available_threads

__all__ = ["machine"]

PACKAGES = ("numpy", "torch", "transformers", "onnxruntime", "cupy-cuda12x")


def machine() -> dict[str, Any]:
    """Return the processor, the processors that this process may use, and the versions of what may compute."""
    from threadpoolctl import threadpool_info

    blas: dict[str, Any] = next((pool for pool in threadpool_info() if pool["user_api"] == "blas"), {})
    versions = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "processor": _processor(),
        "processors": available_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "blas": " ".join(str(blas[key]) for key in ("internal_api", "version", "architecture") if key in blas),
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())

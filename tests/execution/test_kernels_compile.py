"""The kernels compile for GPUs, by NVIDIA's own compiler, which needs no GPU, and their threads fit the registers."""

import contextlib
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from toys import nvrtc
from toys.kernel_launches import counted_kernels

from albert_np import ops
from albert_np.execution import kernels
from albert_np.execution.kernels import Launchers, source
from albert_np.execution.kernels.of_ops import ACTIVATIONS

needs_nvrtc = pytest.mark.skipif(nvrtc.library() is None, reason="needs NVRTC: pip install nvidia-cuda-nvrtc-cu12")


@needs_nvrtc
@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_kernels_compile_without_spills(architecture, real):
    used = nvrtc.compiled(source(), [f"-DREAL={real}"], architecture)
    modules = (path.read_text("utf-8") for path in Path(kernels.__file__).parent.glob("*.py"))
    launched = {name for module in modules for name in re.findall(r'_launch\("(\w+)"', module)}
    launched |= {f"{name}_{way}" for name in ACTIVATIONS.values() for way in ("forward", "backward")}
    assert used.keys() == launched
    for name, usage in used.items():
        assert (usage.spills, usage.stack) == (0, 0), name
        assert usage.registers <= 64, name  # 1,024 threads share 65,536


@needs_nvrtc
def test_what_does_not_compile_says_where():
    with pytest.raises(ValueError, match=r'sum_rows\.cu\(\d+\): error: identifier "WARQ" is undefined'):
        nvrtc.compiled(source().replace("parts[8][WARP]", "parts[8][WARQ]"), ["-DREAL=float"], "sm_80")


def test_every_activation_has_kernels():
    assert ACTIVATIONS.keys() == ops.ACTIVATIONS.keys()


def test_every_launcher_is_counted():
    class Nothing:
        xp = None

    launched = Launchers(Nothing(), None).by_name().keys()
    assert launched == counted_kernels().keys()


def test_cupy_takes_the_source_as_it_is_given():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    device = SimpleNamespace(xp=cupy, from_numpy=cupy.asarray)
    made = Launchers(device, cupy.RawModule)
    assert isinstance(made._compile(np.dtype(np.float32)), cupy.RawModule)
    with contextlib.suppress(cupy.cuda.runtime.CUDARuntimeError):  # without a GPU it stops here
        assert isinstance(made._find("sum_rows", np.dtype(np.float32)), cupy.RawKernel)

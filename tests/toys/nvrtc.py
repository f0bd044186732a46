"""NVIDIA's compiler of kernels, called without a GPU or a driver: PyPI's nvidia-cuda-nvrtc-cu12 is all it needs."""

import ctypes
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Usage", "compiled", "library"]


class Usage(NamedTuple):
    """What one kernel takes of a GPU's multiprocessor, in bytes but for the registers, which are a thread's."""

    registers: int
    spills: int
    stack: int


def library() -> Path | None:
    """Return where the compiler lies; None where it is not installed."""
    for package in ("nvidia.cuda_nvrtc", "nvidia.cu13"):
        try:
            spec = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            continue
        for folder in spec.submodule_search_locations or [] if spec else []:
            for found in sorted(Path(folder).glob("lib/libnvrtc.so.*")):
                if "builtins" not in found.name:
                    return found
    return None


def compiled(code: str, options: Sequence[str], architecture: str) -> dict[str, Usage]:
    """Compile for an architecture such as "sm_90" and return kernel → what it uses; ValueError where it fails."""
    nvrtc = ctypes.CDLL(str(library()))
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None)
    arguments = [f"--gpu-architecture={architecture}", "--ptxas-options=-v", "--std=c++17", *options]
    failed = nvrtc.nvrtcCompileProgram(
        program, len(arguments), (ctypes.c_char_p * len(arguments))(*(each.encode() for each in arguments))
    )
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    text = log.value.decode()
    if failed:
        raise ValueError(text)
    cubin = ctypes.c_size_t()
    assert nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(cubin)) == 0
    assert cubin.value > 0
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return _usages(text)


def _usages(log: str) -> dict[str, Usage]:
    parts = re.split(r"Compiling entry function '(\w+)'", log)
    found = {}
    for name, words in zip(parts[1::2], parts[2::2], strict=True):
        stack = int(re.search(r"(\d+) bytes stack frame", words)[1])
        spills = sum(int(n) for n in re.findall(r"(\d+) bytes spill", words))
        found[name] = Usage(int(re.search(r"Used (\d+) registers", words)[1]), spills, stack)
    return found

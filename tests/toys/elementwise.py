"""CuPy's elementwise kernels on the processor: the same body, compiled by g++, for one i after the other."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["compiled"]

C_TYPES = {
    "bool": "bool",
    "int32": "int",
    "int64": "long long",
    "uint64": "unsigned long long",
    "float32": "float",
    "float64": "double",
}


def compiled(kernel, folder: Path, **types):
    """Return a kernel (parameters, results, body) as a function of NumPy arrays and numbers, and the size to run over.

    types: what a letter such as T stands for; results are given as arrays, last, and written into.
    """
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the kernel with")
    parameters, results, body = kernel
    names, lines, given = [], [], []
    for parameter in f"{parameters}, {results}".split(", "):
        *raw, kind, name = parameter.split()
        is_array = bool(raw) or parameter in results.split(", ")
        kind = types.get(kind, kind)
        names.append((name, kind, is_array))
        lines.append(f"{C_TYPES[kind]} {'*' if is_array else ''}{name}{'' if raw or not is_array else '_'}")
        if is_array and not raw:
            given.append(f"{C_TYPES[kind]} &{name} = {name}_[i];")
    letters = "".join(f"typedef {C_TYPES[kind]} {letter};\n" for letter, kind in types.items())
    source = folder / "kernel.cpp"
    source.write_text(
        f'{letters}extern "C" void run(long long size, {", ".join(lines)}) {{\n'
        f"for (long long i = 0; i < size; ++i) {{ {' '.join(given)}\n{body}\n}} }}\n"
    )
    library = folder / "kernel.so"
    subprocess.run(["g++", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
    run = ctypes.CDLL(str(library)).run

    def call(*values, size):
        arguments = []
        for (_, kind, is_array), value in zip(names, values, strict=True):
            if is_array:
                assert value.dtype == kind
                assert value.flags.c_contiguous
                arguments.append(ctypes.c_void_p(value.ctypes.data))
            else:
                arguments.append(ctypes.c_uint64(value) if kind == "uint64" else ctypes.c_int64(value))
        run(ctypes.c_int64(size), *arguments)

    return call

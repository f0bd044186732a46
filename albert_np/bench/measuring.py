"""What `albert-np bench` asks for: one workload done by all contenders, tokenizers, growth with the batch."""

import platform
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from albert_np.backend import get_backend
from albert_np.bench.comparison import Contender, Result, compare
from albert_np.bench.contenders import INSTALL_TORCH, RIVALS, UnavailableError, needs, ours
from albert_np.bench.floor import floor
from albert_np.bench.workloads import Workload, forward_workload
from albert_np.execution import available_threads
from albert_np.model import AlbertBase
from albert_np.tokenization import AlbertTokenizer

__all__ = ["machine", "measure_growth", "measure_tokenizers", "measure_workload"]

PACKAGES = ("numpy", "torch", "transformers", "onnxruntime", "cupy-cuda12x", "cupy-cuda13x")


def measure_workload(
    model: AlbertBase,
    workload: Workload,
    against: Sequence[str] = ("torch",),
    threads: int = 1,
    repeats: int = 5,
    tf32: bool | None = None,
) -> Result:
    """Compare `model`, of the workload's class, with rivals (names of `RIVALS`) and with its own matrix products alone.

    tf32: whether a GPU multiplies in TF32, for the title; results may then differ more. Raises DisagreementError
    where a rival computes something else.
    """
    contenders, skipped = [ours(model, workload, threads)], []
    for name in against:
        try:
            contenders.append(RIVALS[name](model, workload, threads))
        except UnavailableError as error:
            skipped.append(str(error))
    contenders.append(floor(workload, threads, model.backend))
    seconds = compare(contenders, repeats, tolerance=3e-2 if tf32 else 1e-3)
    title = workload.title + {None: "", True: ", TF32", False: ", float32"}[tf32]
    return Result(title, workload.description, workload.tokens, "real tokens", seconds, skipped)


def measure_growth(
    model: AlbertBase, lengths: Sequence[int], batches: Sequence[int], threads: int = 1, repeats: int = 3
) -> list[dict[str, Any]]:
    """Time the forward pass of an `AlbertModel` for each length and number of sequences, all of that length.

    Returns for each: length, batch, the seconds of every run, and by their median the microseconds a token.
    """
    rows = []
    for length in lengths:
        for batch in batches:
            workload = forward_workload(model.config, [length] * batch)
            (seconds,) = compare([ours(model, workload, threads)], repeats).values()
            row = {"length": length, "batch": batch, "seconds": seconds}
            rows.append({**row, "microseconds_per_token": 1e6 * median(seconds) / workload.tokens})
    return rows


def measure_tokenizers(tokenizer: AlbertTokenizer, lines: Sequence[str], repeats: int = 5) -> Result:
    """Compare an `AlbertTokenizer` with transformers' fast tokenizer of the same vocabulary and settings.

    Each gets all lines in one call and returns lists. Raises DisagreementError if any id differs.
    """
    contenders, skipped = [_tokenizer("albert_np", tokenizer, lines)], []
    try:
        contenders.append(_their_tokenizer(tokenizer, lines))
    except UnavailableError as error:
        skipped.append(str(error))
    description = (
        f"{len(lines):,} sentences of Python's documentation to input_ids, attention_mask and token_type_ids, in one "
        "call. Everybody uses as many threads as by default."
    )
    seconds = compare(contenders, repeats, tolerance=0)
    return Result("tokenize", description, len(lines), "lines", seconds, skipped)


def _tokenizer(name: str, tokenizer: Any, lines: Sequence[str]) -> Contender:
    def run() -> Any:
        return tokenizer(list(lines), return_token_type_ids=True)

    def results() -> dict[str, np.ndarray]:
        ids = run()["input_ids"]
        return {"ids": np.concatenate(ids), "number of ids a line": np.array([len(line) for line in ids])}

    return Contender(name, run, results)


def _their_tokenizer(tokenizer: AlbertTokenizer, lines: Sequence[str]) -> Contender:
    (transformers,) = needs(INSTALL_TORCH, "transformers")
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        theirs = transformers.AlbertTokenizerFast.from_pretrained(folder)
    return _tokenizer(f"transformers, {type(theirs).__name__}", theirs, lines)


def machine(backend: str = "numpy") -> dict[str, Any]:
    """Return the processor, those that this process may use, CuPy's GPU, and the versions of what may compute."""
    from threadpoolctl import threadpool_info

    blas: Mapping[str, object] = next((pool for pool in threadpool_info() if pool["user_api"] == "blas"), {})
    versions = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "processor": _processor(),
        **({"gpu": _gpu()} if backend == "cupy" else {}),
        "processors": available_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "blas": " ".join(str(blas[key]) for key in ("internal_api", "version", "architecture") if key in blas),
        **versions,
    }


def _gpu() -> str:
    runtime = get_backend("cupy").xp.cuda.runtime
    found = runtime.getDeviceProperties(runtime.getDevice())
    version = runtime.driverGetVersion()
    cuda = f"{version // 1000}.{version % 1000 // 10}"  # the highest that the driver knows
    return f"{found['name'].decode()}, {found['totalGlobalMem'] / 2**30:.0f} GiB, CUDA {cuda}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())

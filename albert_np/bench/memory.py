"""Memory of a step, measured in a fresh process for each contender, so that no contender's peak hides another's."""

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from albert_np.bench.comparison import Contender
from albert_np.bench.contenders import INSTALL_TORCH, UnavailableError, needs, ours, torch_contender
from albert_np.bench.workloads import step_workload
from albert_np.config import AlbertConfig
from albert_np.gradcheck import hugging_face_model
from albert_np.model import AlbertForPreTraining

__all__ = ["measure_memory"]

ATTENTION = {"torch": "sdpa", "torch-eager": "eager"}


def measure_memory(
    config: AlbertConfig,
    shape: tuple[int, int],
    against: Sequence[str] = ("torch",),
    threads: int = 1,
    steps: int = 200,
    small: tuple[int, int] = (2, 16),
) -> list[dict[str, Any]]:
    """Return what each contender needs for pretraining steps, 15 % of the tokens labelled, in bytes.

    contender; start, resident once weights and batch (of `shape`, B and T) exist, before the first step; peak, what
    the first step needs above that, with the gradients, whose memory it is the first to touch; growth, resident after
    `steps` steps of shape `small` less resident after a tenth of them. Or contender and skipped, the reason. Raises
    OSError where there is no /proc/self/clear_refs: other systems than Linux.
    """
    if not Path("/proc/self/clear_refs").exists():
        raise OSError("memory is measured by /proc/self/clear_refs, which this system does not have")
    rows = []
    for name, recompute in [("albert_np", "none"), ("albert_np", "layer"), *((name, "none") for name in against)]:
        request = {"config": config.to_dict(), "contender": name, "recompute": recompute, "threads": threads}
        row = {"contender": name + (", recompute=layer" if recompute == "layer" else "")}
        first = _in_fresh_process({**request, "shape": shape, "steps": 1})
        if "skipped" not in first:
            many = _in_fresh_process({**request, "shape": small, "steps": steps})
            first["growth"] = many["growth"]
        rows.append(row | first)
    return rows


def _in_fresh_process(request: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-c", "from albert_np.bench.memory import answer; answer()"]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"measuring the memory of {request['contender']} failed: {done.stderr.strip().splitlines()[-1]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def answer() -> None:
    """What the fresh process does: read a request from standard input, answer on standard output, both JSON."""
    json.dump(_measured(json.load(sys.stdin)), sys.stdout)


def _measured(request: dict[str, Any]) -> dict[str, Any]:
    try:
        contender = _contender(**request)
    except UnavailableError as error:
        return {"skipped": str(error)}
    gc.collect()
    _give_back_freed_memory()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    start = settled = _status("VmRSS")
    contender.run()
    peak = _status("VmHWM") - start
    for step in range(2, request["steps"] + 1):
        contender.run()
        if step == request["steps"] // 10:
            settled = _status("VmRSS")
    return {"start": start, "peak": peak, "growth": _status("VmRSS") - settled}


def _contender(
    config: dict[str, Any], contender: str, recompute: str, threads: int, shape: tuple[int, int], steps: int
) -> Contender:
    """Return a contender with weights of its own: what albert_np tells the C library is not in PyTorch's process."""
    B, T = shape
    workload = step_workload(AlbertConfig.from_dict(config), [T] * B, practical=True)
    if contender == "albert_np":
        model = AlbertForPreTraining(workload.config)
        model.recompute = recompute
        return ours(model, workload, threads)
    if contender not in ATTENTION:
        raise UnavailableError(f"memory of {contender}: only that of {' and '.join(ATTENTION)} is measured")
    needs(INSTALL_TORCH, "torch", "transformers")
    twin = hugging_face_model("AlbertForPreTraining", workload.config, ATTENTION[contender])
    return torch_contender(contender, twin, workload, threads)


def _give_back_freed_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status(name: str) -> int:
    """Return a figure of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

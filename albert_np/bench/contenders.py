"""The contenders: albert_np, and Hugging Face's ALBERT in PyTorch, compiled or not, and in ONNX Runtime.

All have the same weights, inputs, precision and number of threads. What albert_np asks of the C library's allocator
holds for the whole process, so the others profit from it too. Their packages are imported when they are asked for.
"""

import importlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from albert_np.backend import Array
from albert_np.bench.comparison import Contender
from albert_np.bench.workloads import Workload
from albert_np.config import AlbertConfig
from albert_np.execution import Replicas, precision_of_products, split
from albert_np.gradcheck import torch_twin
from albert_np.model import AlbertBase
from albert_np.params import albert_ties

__all__ = [
    "INSTALL_TORCH",
    "RIVALS",
    "UnavailableError",
    "needs",
    "ours",
    "pass_of",
    "tf32",
    "torch_contender",
]

INSTALL_TORCH = "pip install 'albert-np[torch]'"


def ours(model: AlbertBase, workload: Workload, threads: int) -> Contender:
    """Return `model`, of the workload's class, as a contender; its gradients are set to zero before each step."""
    to_device, to_host = model.backend.from_numpy, model.backend.to_numpy
    parts = [{name: to_device(array) for name, array in part.items()} for part in split(workload.batch, threads)]
    replicas = Replicas(model, threads)
    one_pass = pass_of(workload)

    def run(training: bool = workload.work == "step") -> list[Array]:
        if training:
            model.train()
        else:
            model.eval()
        if workload.work == "step":
            model.zero_grad()
        outputs = replicas.map(one_pass, parts, gradients=workload.work == "step")
        model.backend.synchronize()
        return outputs

    def results() -> dict[str, np.ndarray]:
        outputs = run(training=False)
        if workload.work == "step":
            norm = np.linalg.norm(to_host(model.grads.flat))
            return {"loss": np.array(sum(outputs)), "norm of all gradients": np.array(norm)}
        hidden = np.concatenate([to_host(y) for y in outputs])
        return {"last_hidden_state": hidden[workload.batch["attention_mask"] == 1]}

    return Contender("albert_np", run, results)


def pass_of(workload: Workload) -> Callable[[AlbertBase, Mapping[str, Array]], Array]:
    """Return the function of a model and a part of the batch that does the work on that part.

    The parts' losses and gradients add up to those of the batch, as in the trainer.
    """
    counts = {"mlm_denominator": workload.labelled, "sop_denominator": workload.shape[0]}

    def forward(model: AlbertBase, part: Mapping[str, Array]) -> Array:
        return model(**part, skip_padding=workload.practical, grad=False).last_hidden_state

    def step(model: AlbertBase, part: Mapping[str, Array]) -> float:
        output = model(**part, skip_padding=workload.practical, **counts)
        model.backward()
        return float(output.loss)

    return {"forward": forward, "step": step}[workload.work]


class UnavailableError(Exception):
    """A rival cannot take part; the message says why, and what to install."""


def needs(install: str, *names: str) -> list[ModuleType]:
    """Import modules by name; UnavailableError says how to install them."""
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError as error:
        raise UnavailableError(f"{error.name or names[0]} is not installed: {install}") from error


def _twin(model: AlbertBase, attention: str) -> Any:
    needs(INSTALL_TORCH, "torch", "transformers")
    twin = torch_twin(model, attention=attention)
    return twin.to("cuda") if model.backend.name == "cupy" else twin


def torch_contender(
    name: str, twin: Any, workload: Workload, threads: int, call: Callable[..., Any] | None = None
) -> Contender:
    """Return Hugging Face's model `twin` as a contender; call: what runs it, if it is not the model itself."""
    (torch,) = needs(INSTALL_TORCH, "torch")
    torch.set_num_threads(threads)
    device = next(twin.parameters()).device
    tensors = {name: torch.from_numpy(array).to(device) for name, array in workload.batch.items()}
    call = twin if call is None else call
    step = workload.work == "step"

    def run(training: bool = step) -> Any:
        twin.train(training)
        if step:
            twin.zero_grad()
        with torch.inference_mode(not step):
            output = call(**tensors)
        if step:
            output.loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return output

    def results() -> dict[str, np.ndarray]:
        output = run(training=False)
        if step:
            norm = _gradient_norm(twin, workload.config)
            return {"loss": output.loss.detach().cpu().numpy(), "norm of all gradients": norm}
        return {"last_hidden_state": output.last_hidden_state.cpu().numpy()[workload.batch["attention_mask"] == 1]}

    return Contender(name, run, results)


def _gradient_norm(twin: Any, config: AlbertConfig) -> np.ndarray:
    """Return the norm over all weights; of copies of a weight that `config.sharing` ties, the gradients add up."""
    ties = {f"albert.{alias}": f"albert.{name}" for alias, name in albert_ties(config).items()}
    gradients: dict[str, Any] = {}
    for name, parameter in twin.named_parameters():
        stored = ties.get(name, name)
        gradients[stored] = gradients.get(stored, 0) + parameter.grad
    return np.array(sum(float((gradient**2).sum()) for gradient in gradients.values()) ** 0.5)


def _torch(model: AlbertBase, workload: Workload, threads: int, attention: str) -> Contender:
    return torch_contender(f"PyTorch, {attention}", _twin(model, attention), workload, threads)


def _torch_compiled(model: AlbertBase, workload: Workload, threads: int) -> Contender:
    (torch,) = needs(INSTALL_TORCH, "torch")
    torch.compiler.reset()  # what was compiled for the last workload would make this one's shapes dynamic, and slower
    twin = _twin(model, "sdpa")
    contender = torch_contender("torch.compile", twin, workload, threads, torch.compile(twin, dynamic=False))
    try:
        contender.run()
    except RuntimeError as error:
        raise UnavailableError(f"torch.compile failed: {str(error).splitlines()[0]}") from error
    return contender


def _onnx(model: AlbertBase, workload: Workload, threads: int) -> Contender:
    if workload.work != "forward" or model.backend.name != "numpy":
        raise UnavailableError("ONNX Runtime is compared in forward passes on the processor only")
    needs("pip install onnx", "onnx")
    (onnxruntime,) = needs("pip install onnxruntime", "onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")  # leave the processor to whoever is next
    with tempfile.TemporaryDirectory() as folder:
        path = _export(_twin(model, "eager"), workload.batch, model.config, Path(folder))
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run() -> Any:
        return session.run(None, workload.batch)

    def results() -> dict[str, np.ndarray]:
        return {"last_hidden_state": run()[0][workload.batch["attention_mask"] == 1]}

    return Contender("ONNX Runtime", run, results)


def _export(twin: Any, batch: Mapping[str, np.ndarray], config: AlbertConfig, folder: Path) -> str:
    """Write `twin` as ONNX with attention, GELU and LayerNorm fused, and return the file's path.

    From eager attention and by the tracing exporter: of this graph alone does the optimizer recognise attention.
    """
    torch, optimizer = needs("pip install onnx onnxruntime", "torch", "onnxruntime.transformers.optimizer")
    plain, fused = str(folder / "plain.onnx"), str(folder / "fused.onnx")
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    outputs = ["last_hidden_state", "pooler_output"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing, and of its age
        torch.onnx.export(
            twin.eval(), (), plain, kwargs=tensors, input_names=list(tensors), output_names=outputs, dynamo=False
        )
        graph = optimizer.optimize_model(
            plain, "bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size, opt_level=0
        )
    graph.save_model_to_file(fused)
    return fused


RIVALS: dict[str, Callable[[AlbertBase, Workload, int], Contender]] = {
    "torch": partial(_torch, attention="sdpa"),
    "torch-eager": partial(_torch, attention="eager"),
    "torch-compile": _torch_compiled,
    "onnx": _onnx,
}


@contextmanager
def tf32(model: AlbertBase, allowed: bool) -> Iterator[None]:
    """Within the block, a model on a GPU and PyTorch there multiply with TF32's 10 bits of mantissa, or neither."""
    products: Any = SimpleNamespace(allow_tf32=False)
    if find_spec("torch"):
        products = importlib.import_module("torch").backends.cuda.matmul
    before = model.precision, products.allow_tf32
    model.precision, products.allow_tf32 = "tf32" if allowed else "float32", allowed
    try:
        with precision_of_products(model.precision):  # of the products alone, too
            yield
    finally:
        model.precision, products.allow_tf32 = before

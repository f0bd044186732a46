"""Live comparison with Hugging Face's PyTorch ALBERT: the same weights, the same inputs, every output, every gradient.

The functions need the extra `torch` and raise ImportError without it; it is imported when they are called.
"""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from albert_np.backend import ArrayLike
from albert_np.changes import refuse_changed
from albert_np.config import AlbertConfig
from albert_np.gradcheck.checks import (
    FLOOR,
    LOSS_SCALE,
    Comparison,
    compare_results,
    model_results,
    named_outputs,
    upstream_like,
)
from albert_np.model import AlbertBase

__all__ = [
    "Precision",
    "compare_precision",
    "compare_with_torch",
    "hugging_face_model",
    "torch_results",
    "torch_twin",
]


def torch_and_transformers() -> tuple[ModuleType, ModuleType]:
    """Return the two modules; ImportError says how to install them."""
    try:
        import torch
        import transformers
    except ImportError as error:
        message = "comparing with PyTorch needs torch and transformers: pip install 'albert-np[torch]'"
        raise ImportError(message, name=error.name) from error
    return torch, transformers


def hugging_face_model(name: str, config: AlbertConfig, attention: str = "eager") -> Any:
    """Return Hugging Face's model of that class and configuration, freshly initialised.

    attention: "eager", or "sdpa" (PyTorch's fused attention).
    """
    _, transformers = torch_and_transformers()
    refuse_changed(config.extra, "Hugging Face's PyTorch")
    values: dict[str, Any] = {**config.to_dict(), "attn_implementation": attention}
    del values["sharing"], values["ffn_output_dropout"]  # our own fields
    return getattr(transformers, name)(transformers.AlbertConfig(**values))


def torch_twin(model: AlbertBase, dtype: DTypeLike | None = None, attention: str = "eager") -> Any:
    """Return Hugging Face's model of the same class, configuration and weights, in eval mode."""
    torch, _ = torch_and_transformers()
    twin = hugging_face_model(type(model).__name__, model.config, attention)
    twin = twin.to(getattr(torch, np.dtype(dtype or model.dtype).name))
    weights = {name: torch.from_numpy(model.backend.to_numpy(model.params[name]).copy()) for name in twin.state_dict()}
    twin.load_state_dict(weights)
    return twin.eval()


def compare_with_torch(
    model: AlbertBase, inputs: Mapping[str, ArrayLike], tolerance: float = 1e-10, twin: Any = None
) -> list[Comparison]:
    """Compare outputs, hidden states, attentions and gradients of a model in eval mode with those of its twin.

    twin: Hugging Face's model in eval mode, by default `torch_twin(model)`. The gradients are those of the loss, or,
    for `AlbertModel`, of upstream gradients of its two outputs. A weight that `config.sharing` ties is compared with
    the sum of its copies' gradients.
    """
    return compare_results(model_results(model, inputs), torch_results(model, inputs, twin=twin), tolerance)


def torch_results(
    model: AlbertBase,
    inputs: Mapping[str, ArrayLike],
    dtype: Any = None,
    twin: Any = None,
    precision: str = "float32",
    scale: float = 1.0,
) -> dict[str, np.ndarray]:
    """Return what `gradcheck.model_results` returns, computed by `twin`, or by the model's own in `dtype`.

    precision: "bfloat16" or "float16" is that of PyTorch's autocast.
    """
    torch, _ = torch_and_transformers()
    twin = torch_twin(model, dtype) if twin is None else twin
    dtype = next(twin.parameters()).dtype
    tensors = {name: torch.as_tensor(np.asarray(value)) for name, value in inputs.items()}
    tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    with nullcontext() if precision == "float32" else torch.autocast("cpu", getattr(torch, precision)):
        out = twin(**tensors, output_hidden_states=True, output_attentions=True)
    if "loss" in out:
        (scale * out.loss).backward()
    else:
        products = [
            (getattr(out, name) * torch.from_numpy(scale * upstream_like(getattr(out, name))).to(dtype)).sum()
            for name in ("last_hidden_state", "pooler_output")
        ]
        sum(products).backward()
    gradients: dict[str, Any] = {}
    for name, parameter in twin.named_parameters():
        stored = model.layout.ties.get(name, name)
        if parameter.grad is not None:  # of an untied decoder's second bias, which nobody reads
            gradients[stored] = gradients.get(stored, 0) + parameter.grad
    tensors = named_outputs(out) | {f"d {name}": gradients[name] / scale for name in model.params}
    return {name: t.detach().to(dtype).numpy() for name, t in tensors.items()}


class Precision:
    """How far two runs are from the float64 truth: ‖x - truth‖ / ‖truth‖ for each tensor of each run."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.torch: list[float] = []

    @property
    def root_mean_squares(self) -> tuple[float, float]:
        """The root-mean-square error over all tensors, ours and PyTorch's."""
        ours, theirs = (float(np.sqrt(np.mean(np.square(errors)))) for errors in (self.ours, self.torch))
        return ours, theirs

    @property
    def ratio(self) -> float:
        """Our root-mean-square error over all tensors, divided by PyTorch's."""
        return float(np.linalg.norm(self.ours) / np.linalg.norm(self.torch))


def compare_precision(runs: Iterable[tuple[AlbertBase, Mapping[str, ArrayLike]]]) -> Precision:
    """Measure the errors of float32 models and of their PyTorch twins against the twins in float64.

    runs: pairs of model and inputs. One run alone says little: a handful of roundings near the loss dominates it.
    Where a model's `precision` is bfloat16 or float16, its twin computes under autocast, and where it is float16 both
    losses are scaled by `LOSS_SCALE`; ValueError for tf32, which PyTorch does not have on a CPU.
    """
    precision = Precision()
    for model, inputs in runs:
        if model.dtype != np.float32:
            raise TypeError(f"the precision of float32 needs a float32 model, this one is {model.dtype}")
        if model.precision == "tf32":
            raise ValueError("precision='tf32': PyTorch has none on a CPU to compare with")
        truth = torch_results(model, inputs, "float64")
        largest = max(float(np.abs(v).max()) for v in truth.values())
        scale = LOSS_SCALE if model.precision == "float16" else 1.0
        ours = model_results(model, inputs, scale)
        theirs = torch_results(model, inputs, precision=model.precision, scale=scale)
        for name, value in truth.items():
            if np.abs(value).max() > FLOOR * largest:  # what is zero in exact arithmetic has no relative error
                precision.ours.append(float(np.linalg.norm(ours[name] - value) / np.linalg.norm(value)))
                precision.torch.append(float(np.linalg.norm(theirs[name] - value) / np.linalg.norm(value)))
    return precision

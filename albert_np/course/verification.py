"""The three proofs that a notebook gives of an op: finite differences, committed PyTorch values, live PyTorch."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from albert_np import ops
from albert_np.course.report import equal, self_check
from albert_np.gradcheck import Case, Comparison, check_gradients, op_cases

__all__ = ["VALUES", "cases", "live_results", "verify_op"]

VALUES = Path(__file__).with_name("torch_values.npz")  # made by tests/reference/make_course_values.py

Arrays = dict[str, np.ndarray]


def cases() -> dict[str, Case]:
    """Return the ops that the course derives, with arguments to try them at."""
    found = {case.name: case for case in op_cases()}
    names = {"embedding": "embedding, padding_idx=None", "cross_entropy": "cross_entropy, denominator=None"}
    names |= {name: name for name in ("linear", "layer_norm", "gelu", "gelu_new", "softmax", "tanh")}
    chosen = {name: found[case]._replace(name=name) for name, case in names.items()}
    masked = found["attention, a mask, dropout"]
    attention = Case(
        "attention", ops.attention_forward, ops.attention_backward, masked.inputs, {"mask": masked.fixed["mask"]}
    )
    return {**chosen, "attention": attention}


def verify_op(name: str, backward: Callable[..., Any] | None = None, forward: Callable[..., Any] | None = None) -> Any:
    """Prove an op of the package, or your own pair in its place, in three ways; returns a report.

    name: one of `cases()`. Committed values are PyTorch's, in float64, at the same arguments and upstream gradient.
    """
    case = cases()[name]
    case = case._replace(forward=forward or case.forward, backward=backward or case.backward)
    return _verify(case)


@self_check("three proofs")
def _verify(case: Case) -> Iterator[Any]:
    for comparison in check_gradients(case.forward, case.backward, case.inputs, fixed=case.fixed):
        yield comparison.ok, f"finite differences: {comparison}"
    ours = results(case)
    with np.load(VALUES) as file:
        committed = {key.split("/")[1]: file[key] for key in file.files if key.startswith(case.name + "/")}
    yield from _compared("committed PyTorch values", ours, committed)
    if importlib.util.find_spec("torch") is None:
        yield True, "live PyTorch: not installed here, so not compared"
    else:
        yield from _compared("live PyTorch", ours, live_results(case))


def _compared(kind: str, ours: Arrays, theirs: Mapping[str, np.ndarray]) -> Iterator[tuple[bool, str]]:
    for key, expected in theirs.items():
        comparison = equal(key, ours[key], expected, 1e-10)
        yield (comparison.ok, f"{kind}: {comparison}") if isinstance(comparison, Comparison) else comparison


def upstream(y: np.ndarray) -> np.ndarray:
    """Return an upstream gradient of y's shape, without a pattern and the same in every run."""
    return np.asarray(np.sin(1 + 7 * np.arange(y.size)).reshape(y.shape))


def results(case: Case) -> Arrays:
    """Return the op's output y and the gradients of its inputs, as d<name>, for `upstream(y)`."""
    y, cache = case.forward(**case.inputs, **case.fixed)
    gradients = case.backward(upstream(np.asarray(y)), cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    return {"y": y, **{f"d{name}": g for name, g in zip(case.inputs, gradients, strict=True)}}


def live_results(case: Case) -> Arrays:
    """Return what PyTorch's autograd makes of the same."""
    import torch
    import torch.nn.functional as F

    def attention(query: Any, key: Any, value: Any, mask: Any) -> Any:
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + torch.from_numpy(mask)
        return torch.softmax(scores, -1) @ value

    functions: dict[str, Callable[..., Any]] = {
        "linear": F.linear,
        "gelu": F.gelu,
        "gelu_new": partial(F.gelu, approximate="tanh"),
        "softmax": partial(torch.softmax, dim=-1),
        "tanh": torch.tanh,
        "attention": attention,
        "layer_norm": lambda x, weight, bias, eps: F.layer_norm(x, weight.shape, weight, bias, eps),
        "embedding": lambda weight, ids, padding_idx: F.embedding(torch.from_numpy(ids), weight),
        "cross_entropy": lambda logits, labels, denominator: F.cross_entropy(logits, torch.from_numpy(labels)),
    }
    inputs: dict[str, Any] = {name: torch.tensor(x, requires_grad=True) for name, x in case.inputs.items()}
    y = functions[case.name](**inputs, **case.fixed)
    y.backward(torch.from_numpy(upstream(y.detach().numpy())))
    return {"y": y.detach().numpy(), **{f"d{name}": x.grad.numpy() for name, x in inputs.items()}}

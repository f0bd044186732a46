"""Three checks of an op in a notebook: finite differences, committed PyTorch values, live PyTorch; and a whole
model with its committed values.
"""

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from albert_np import ops
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function
from albert_np.course.report import CheckReport, Finding, differences, equal, left_out, self_check
from albert_np.gradcheck import Case, op_cases, randomize
from albert_np.model import AlbertModel

__all__ = ["VALUES", "cases", "committed_model", "drawn_cases", "live_results", "verify_op"]

VALUES = Path(__file__).with_name("torch_values.npz")  # made by tests/reference/make_course_values.py

Arrays = dict[str, np.ndarray]


def cases() -> dict[str, Case]:
    """Return the ops that the course derives, with the arguments at which PyTorch's committed values were taken."""
    with np.load(VALUES) as file:
        arrays = {tuple(key.split("/")): file[key] for key in file.files}
    return {
        name: case._replace(inputs=_taken(arrays, name, case.inputs), fixed=_taken(arrays, name, case.fixed))
        for name, case in drawn_cases().items()
    }


def _taken(arrays: Mapping[tuple[str, ...], np.ndarray], name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {key: arrays.get((name, "argument", key), value) for key, value in arguments.items()}


def drawn_cases() -> dict[str, Case]:
    """Return the ops with new arguments, from which committed values are made."""
    found = {case.name: case for case in op_cases()}
    names = {"embedding": "embedding, padding_idx=None", "cross_entropy": "cross_entropy, denominator=None"}
    names |= {name: name for name in ("linear", "layer_norm", "gelu", "gelu_new", "softmax", "tanh")}
    chosen = {name: found[case]._replace(name=name) for name, case in names.items()}
    masked = found["attention, a mask, dropout"]
    attention = Case(
        "attention", ops.attention_forward, ops.attention_backward, masked.inputs, {"mask": masked.fixed["mask"]}
    )
    return {**chosen, "attention": attention}


def verify_op(name: str, backward: Function | None = None, forward: Function | None = None) -> CheckReport:
    """Check an op of the package, or your own pair in its place, in three ways; returns a report.

    name: one of `cases()`. backward: `gradients = backward(dy, cache)`, with the cache of the forward. Committed values
    are PyTorch's, in float64, at the same arguments and upstream gradient. Where PyTorch is not installed, the third
    check is left out, and the report says so.
    """
    known = cases()
    if name not in known:
        raise ValueError(f"{name!r} is no op of the course; there are {', '.join(known)}")
    case = known[name]

    @self_check(f"{name}, three ways")
    def verify(forward: Function, backward: Function) -> Iterator[Finding]:
        tried = case._replace(forward=forward, backward=backward)
        yield _one("finite differences", differences(forward, backward, case.inputs, fixed=case.fixed))
        ours = results(tried)
        with np.load(VALUES) as file:
            committed = {key.split("/")[2]: file[key] for key in file.files if key.startswith(f"{name}/value/")}
        yield _one("committed PyTorch values", _compared(ours, committed))
        if importlib.util.find_spec("torch") is None:
            yield left_out("live PyTorch", "not installed here, so not compared")
        else:
            yield _one("live PyTorch", _compared(ours, live_results(case)))

    return verify(forward or case.forward, backward or case.backward)


def committed_model() -> tuple[AlbertModel, Arrays, Arrays]:
    """Return a tiny model in float64, inputs, and what Hugging Face's ALBERT in PyTorch makes of them.

    The last is named as in `gradcheck.model_results`: every output, hidden state, attention and gradient.
    """
    with np.load(VALUES) as file:
        inputs, expected = (
            {key.split("/")[2]: file[key] for key in file.files if key.startswith(f"model/{kind}/")}
            for kind in ("argument", "value")
        )
    config = AlbertConfig(
        vocab_size=13,
        embedding_size=5,
        hidden_size=8,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=6,
        num_hidden_layers=2,
    )
    return randomize(AlbertModel(config, dtype="float64")), inputs, expected


def _one(kind: str, found: Iterable[Finding]) -> Finding:
    """Return several findings as one: what is wrong first, or how many are right."""
    findings = list(found)
    wrong = [finding.line for finding in findings if not finding.ok]
    return Finding(f"{kind} ({len(findings)} array{'s'[: len(findings) > 1]})", not wrong, wrong[0] if wrong else "")


def _compared(ours: Arrays, theirs: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    for key, expected in theirs.items():
        yield equal(key, ours[key], expected, 1e-10)


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
        "gelu": lambda x, name: F.gelu(x),
        "gelu_new": lambda x, name: F.gelu(x, approximate="tanh"),
        "softmax": lambda x: torch.softmax(x, -1),
        "tanh": lambda x, name: torch.tanh(x),
        "attention": attention,
        "layer_norm": lambda x, weight, bias, eps: F.layer_norm(x, weight.shape, weight, bias, eps),
        "embedding": lambda weight, ids, padding_idx: F.embedding(torch.from_numpy(ids), weight),
        "cross_entropy": lambda logits, labels, denominator: F.cross_entropy(logits, torch.from_numpy(labels)),
    }
    inputs: dict[str, Any] = {name: torch.tensor(x, requires_grad=True) for name, x in case.inputs.items()}
    y = functions[case.name](**inputs, **case.fixed)
    y.backward(torch.from_numpy(upstream(y.detach().numpy())))
    return {"y": y.detach().numpy(), **{f"d{name}": x.grad.numpy() for name, x in inputs.items()}}

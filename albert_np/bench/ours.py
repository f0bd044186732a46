"""albert_np as a contender: on all threads, as the trainer runs it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from albert_np.bench.cases import Case
from albert_np.bench.comparison import Contender
from albert_np.execution.replicas import Replicas, split

__all__ = ["ours", "pass_of"]


def ours(model: Any, case: Case, threads: int) -> Contender:
    """Return `model`, of the case's class, as a contender; its gradients are set to zero before each step."""
    to_device, to_host = model.backend.from_numpy, model.backend.to_numpy
    parts = [{name: to_device(array) for name, array in part.items()} for part in split(case.batch, threads)]
    replicas = Replicas(model, threads)
    one_pass = pass_of(case)

    def run(training: bool = case.work == "step") -> list[Any]:
        if training:
            model.train()
        else:
            model.eval()
        if case.work == "step":
            model.zero_grad()
        outputs = replicas.map(one_pass, parts, gradients=case.work == "step")
        model.backend.synchronize()
        return outputs

    def results() -> dict[str, np.ndarray]:
        outputs = run(training=False)
        if case.work == "step":
            norm = np.linalg.norm(to_host(model.grads.flat))
            return {"loss": np.array(sum(outputs)), "norm of all gradients": np.array(norm)}
        hidden = np.concatenate([to_host(y) for y in outputs])
        return {"last_hidden_state": hidden[case.batch["attention_mask"] == 1]}

    return Contender("albert_np", run, results)


def pass_of(case: Case) -> Callable[[Any, Any], Any]:
    """Return the function of a model and a part of the batch that does the case's work on that part.

    The parts' losses and gradients add up to those of the batch, as in the trainer.
    """
    counts = {"mlm_denominator": case.labelled, "sop_denominator": case.shape[0]}

    def forward(model: Any, part: Any) -> Any:
        return model(**part, skip_padding=case.practical, grad=False).last_hidden_state

    def step(model: Any, part: Any) -> float:
        output = model(**part, skip_padding=case.practical, **counts)
        model.backward()
        return float(output.loss)

    return {"forward": forward, "step": step}[case.work]

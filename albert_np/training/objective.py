"""What the Trainer must know of a task: how losses of parts add up, and what to report."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from albert_np.ops import IGNORE_INDEX

__all__ = ["PRETRAINING", "Objective", "evaluate"]

Tallies = dict[str, float]


class Objective(NamedTuple):
    """What describes a task: three functions, and how the model is called.

    denominators: batches → keyword arguments of the model call, by which it divides its summed losses. Counted
        over all the batches, they make losses and gradients of the parts add up to those of one large batch.
    tallies: the model's output → numbers that add up over batches, "loss" among them.
    metrics: the tallies' sums → what is reported; None where nothing was counted.
    options: further keyword arguments of the model call.

    Derivation: notebook 15, eq. 15.8.
    """

    denominators: Callable[[Sequence[Any]], dict[str, int]]
    tallies: Callable[[Any], Tallies]
    metrics: Callable[[Tallies], dict[str, float | None]]
    options: Mapping[str, Any] = MappingProxyType({})


def add(totals: Tallies, more: Tallies) -> Tallies:
    """Return the sums of two tallies; a name that only `more` has counts from 0."""
    return {name: totals.get(name, 0) + value for name, value in more.items()}


def _pretraining_denominators(batches: Sequence[Any]) -> dict[str, int]:
    tokens = sum(int((batch.labels != IGNORE_INDEX).sum()) for batch in batches)
    pairs = sum(int((batch.sentence_order_label != IGNORE_INDEX).sum()) for batch in batches)
    return {"mlm_denominator": max(1, tokens), "sop_denominator": max(1, pairs)}


def _pretraining_tallies(output: Any) -> Tallies:
    names = ("loss", "mlm_loss", "sop_loss", "mlm_correct", "mlm_count", "sop_correct", "sop_count")
    return {name: float(getattr(output, name)) for name in names}


def _pretraining_metrics(totals: Tallies) -> dict[str, float | None]:
    mlm, sop = totals["mlm_count"] > 0, totals["sop_count"] > 0
    return {
        "loss": totals["loss"],
        "mlm_loss": totals["mlm_loss"] if mlm else None,
        "mlm_perplexity": math.exp(min(totals["mlm_loss"], 700)) if mlm else None,  # exp(710) overflows
        "mlm_accuracy": totals["mlm_correct"] / totals["mlm_count"] if mlm else None,
        "sop_loss": totals["sop_loss"] if sop else None,
        "sop_accuracy": totals["sop_correct"] / totals["sop_count"] if sop else None,
    }


PRETRAINING = Objective(_pretraining_denominators, _pretraining_tallies, _pretraining_metrics)


def evaluate(model: Any, batches: Sequence[Any], objective: Objective = PRETRAINING) -> dict[str, float | None]:
    """Return the task's metrics over held-out batches, as if they were one batch; dropout is off meanwhile.

    batches: NamedTuples of the model's arguments. Raises ValueError if there are none.
    """
    if not batches:
        raise ValueError("batches is empty: there is nothing to evaluate on")
    denominators = objective.denominators(batches)
    totals: Tallies = {}
    was_training = model.training
    model.eval()
    try:
        for batch in batches:
            output = model(**batch._asdict(), **denominators, **objective.options, skip_padding=True, grad=False)
            totals = add(totals, objective.tallies(output))
    finally:
        if was_training:
            model.train()
    return objective.metrics(totals)

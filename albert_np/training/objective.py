"""What the trainer must know of a task: how the losses of parts add up, and what is reported."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple, Protocol

from albert_np.backend import Array
from albert_np.execution import ALONE, Model, Ranks

__all__ = ["Batch", "Metrics", "Objective", "add", "evaluate", "tally"]

Tallies = dict[str, float]
Metrics = dict[str, float | None]


class Batch(Protocol):
    """A NamedTuple of the arguments of a model's call; `attention_mask` (B, T) is 1 on real tokens, 0 on padding."""

    @property
    def attention_mask(self) -> Array: ...

    def _asdict(self) -> dict[str, Array]: ...


class Objective(NamedTuple):
    """What describes a task to the trainer: three functions.

    denominators: batches → keyword arguments of the model call, by which it divides its summed losses. Counted over
        all the batches, they make losses and gradients of the parts add up to those of one large batch.
    tallies: the model's output → numbers that add up over batches, "loss" among them.
    metrics: the tallies' sums → what is reported; None where nothing was counted.

    Derivation: notebook 17, eq. 17.8.
    """

    denominators: Callable[[Sequence[Any]], dict[str, int]]
    tallies: Callable[[Any], Tallies]
    metrics: Callable[[Tallies], Metrics]


def add(totals: Tallies, more: Tallies) -> Tallies:
    """Return the sums of two tallies; a name that only `more` has counts from 0."""
    return {name: totals.get(name, 0) + value for name, value in more.items()}


def evaluate(model: Model, batches: Sequence[Batch], objective: Objective, ranks: Ranks = ALONE) -> Metrics:
    """Return the task's metrics over held-out batches, as if they were one batch; dropout is off meanwhile.

    ranks: processes that all make this call and have the batches dealt out to them; the result is the same to the bit.
    Raises ValueError if there are no batches.
    """
    return objective.metrics(tally(model, batches, objective, objective.denominators(batches), ranks))


def tally(
    model: Model,
    batches: Sequence[Batch],
    objective: Objective,
    denominators: Mapping[str, int],
    ranks: Ranks = ALONE,
) -> Tallies:
    """Return the sums of the tallies of some batches, for denominators that may count more; see `evaluate`."""
    if not batches:
        raise ValueError("batches is empty: there is nothing to evaluate on")

    def own_tallies() -> list[Tallies]:
        outputs = (
            model(**batch._asdict(), **denominators, skip_padding=True, grad=False)
            for batch in batches[ranks.rank :: ranks.size]
        )
        return [objective.tallies(output) for output in outputs]

    was_training = model.training
    model.eval()
    try:
        found = ranks.share(own_tallies)
    finally:
        if was_training:
            model.train()
    in_order = (found[i % ranks.size][i // ranks.size] for i in range(len(batches)))
    return reduce(add, in_order, {})

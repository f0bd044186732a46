"""The objective of pretraining: the MLM and the SOP loss, each a mean over all labels of an update."""

import math
from collections.abc import Mapping, Sequence
from functools import reduce

from albert_np.execution import ALONE, Model, Ranks
from albert_np.model import AlbertForPreTrainingOutput
from albert_np.ops import IGNORE_INDEX
from albert_np.pretraining.batches import PretrainingBatch
from albert_np.training import Metrics, Objective
from albert_np.training.objective import add, tally

__all__ = ["PRETRAINING", "evaluate_kinds"]


def _denominators(batches: Sequence[PretrainingBatch]) -> dict[str, int]:
    tokens = sum(int((batch.labels != IGNORE_INDEX).sum()) for batch in batches)
    pairs = sum(int((batch.sentence_order_label != IGNORE_INDEX).sum()) for batch in batches)
    return {"mlm_denominator": max(1, tokens), "sop_denominator": max(1, pairs)}


def _metrics(totals: dict[str, float]) -> Metrics:
    mlm, sop = totals["mlm_count"] > 0, totals["sop_count"] > 0
    return {
        "loss": totals["loss"],
        "mlm_loss": totals["mlm_loss"] if mlm else None,
        "mlm_perplexity": math.exp(min(totals["mlm_loss"], 700)) if mlm else None,  # exp(710) overflows
        "mlm_accuracy": totals["mlm_correct"] / totals["mlm_count"] if mlm else None,
        "sop_loss": totals["sop_loss"] if sop else None,
        "sop_accuracy": totals["sop_correct"] / totals["sop_count"] if sop else None,
    }


PRETRAINING = Objective(_denominators, AlbertForPreTrainingOutput.tallies, _metrics)


def evaluate_kinds(model: Model, kinds: Mapping[str, Sequence[PretrainingBatch]], ranks: Ranks = ALONE) -> Metrics:
    """Return the metrics of `evaluate` over all batches and, as "sop_accuracy_KIND", the accuracy on each kind's pairs.

    kinds: as `held_out_kinds` gives them. A kind without a labelled pair gets None. ranks: see `evaluate`.
    """
    if not any(kinds.values()):
        raise ValueError("kinds holds no batch: there is nothing to evaluate on")
    denominators = PRETRAINING.denominators([batch for batches in kinds.values() for batch in batches])
    tallies = {
        kind: tally(model, batches, PRETRAINING, denominators, ranks) for kind, batches in kinds.items() if batches
    }
    by_kind = {
        f"sop_accuracy_{kind}": _metrics(tallies[kind])["sop_accuracy"] if kind in tallies else None for kind in kinds
    }
    return _metrics(reduce(add, tallies.values())) | by_kind

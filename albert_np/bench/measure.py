"""One case, everybody who can do it; and how albert_np's time grows with the batch."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from albert_np.bench.cases import Case, forward_case
from albert_np.bench.comparison import Result, compare
from albert_np.bench.floor import floor
from albert_np.bench.ours import ours
from albert_np.bench.rivals import RIVALS, UnavailableError

__all__ = ["measure_case", "measure_growth"]


def measure_case(
    model: Any,
    case: Case,
    against: Sequence[str] = ("torch",),
    threads: int = 1,
    repeats: int = 5,
    tf32: bool | None = None,
) -> Result:
    """Compare `model`, of the case's class, with rivals (names of `RIVALS`) and with its own matrix products alone.

    tf32: whether a GPU multiplies in TF32, for the title; results may then differ more. Raises DisagreementError
    where a rival computes something else.
    """
    contenders, skipped = [ours(model, case, threads)], []
    for name in against:
        try:
            contenders.append(RIVALS[name](model, case, threads))
        except UnavailableError as error:
            skipped.append(str(error))
    contenders.append(floor(case, threads, model.backend))
    seconds = compare(contenders, repeats, tolerance=3e-2 if tf32 else 1e-3)
    title = case.title + {None: "", True: ", TF32", False: ", float32"}[tf32]
    return Result(title, case.description, case.tokens, "real tokens", seconds, skipped)


def measure_growth(
    model: Any, lengths: Sequence[int], batches: Sequence[int], threads: int = 1, repeats: int = 3
) -> list[dict[str, Any]]:
    """Time the forward pass of an `AlbertModel` for each length and number of sequences, all of that length.

    Returns for each: length, batch, the seconds of every run, and by their median the microseconds a token.
    """
    rows = []
    for length in lengths:
        for batch in batches:
            case = forward_case(model.config, [length] * batch)
            (seconds,) = compare([ours(model, case, threads)], repeats).values()
            row = {"length": length, "batch": batch, "seconds": seconds}
            rows.append({**row, "microseconds_per_token": 1e6 * median(seconds) / case.tokens})
    return rows

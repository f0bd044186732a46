"""Side by side: contenders that must agree take turns, and their times are compared round by round."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Contender", "DisagreementError", "Result", "compare"]

PAUSE = 0.02  # seconds before each turn, in which the last contender's idle threads stop waiting actively


class DisagreementError(Exception):
    """Two contenders computed different things, so their times cannot be compared."""


class Contender(NamedTuple):
    """An implementation that can do the work.

    run: does it once, and is done when it returns. results: does it once without dropout and returns what came out,
    by name; None where nothing comes out that could be compared.
    """

    name: str
    run: Callable[[], object]
    results: Callable[[], dict[str, np.ndarray]] | None = None


class Result(NamedTuple):
    """Times of one comparison; the first contender is the one that the others are compared with.

    amount: how many units a run works on. seconds: contender → one time for each round. skipped: who is missing, why.
    """

    title: str
    description: str
    amount: int
    unit: str
    seconds: dict[str, list[float]]
    skipped: list[str]

    def rows(self) -> list[dict[str, Any]]:
        """Return for each contender the median time, the quartiles, units a second, and the ratio of times.

        The ratio is the median over the rounds of the first contender's time divided by this one's in the same round:
        below 1, the first one is faster.
        """
        first = np.array(next(iter(self.seconds.values())))
        rows = []
        for name, seconds in self.seconds.items():
            low, median, high = np.percentile(seconds, [25, 50, 75]).tolist()
            rows.append(
                {
                    "contender": name,
                    "median": median,
                    "quartiles": [low, high],
                    "per_second": self.amount / median,
                    "ratio": float(np.median(first / np.array(seconds))),
                }
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as a JSON object; each of the contenders' rows has the seconds of its rounds."""
        rows = [{**row, "seconds": self.seconds[row["contender"]]} for row in self.rows()]
        about = {name: getattr(self, name) for name in ("title", "description", "amount", "unit")}
        return {**about, "contenders": rows, "skipped": self.skipped}


def compare(contenders: Sequence[Contender], repeats: int, tolerance: float = 1e-3) -> dict[str, list[float]]:
    """Return each contender's seconds in `repeats` rounds; in a round each runs once, in the same order.

    One run of each before the rounds warms up. Raises DisagreementError where a result is further than `tolerance` from
    the first contender's: ‖x - y‖ / ‖x‖.
    """
    _require_agreement([c for c in contenders if c.results], tolerance)
    for contender in contenders:
        contender.run()
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(repeats):
        for contender in contenders:
            time.sleep(PAUSE)
            started = time.perf_counter()
            contender.run()
            seconds[contender.name].append(time.perf_counter() - started)
    return seconds


def _require_agreement(contenders: Sequence[Contender], tolerance: float) -> None:
    if len(contenders) < 2:
        return
    (first, expected), *others = [(c.name, c.results()) for c in contenders if c.results]
    for name, results in others:
        for what, value in expected.items():
            difference = _difference(value, results[what])
            if not difference <= tolerance:  # NaN too
                raise DisagreementError(
                    f"{name} computes another {what} than {first}: they differ by {difference:.1e} of its size, "
                    f"allowed are {tolerance:.0e}; nothing is reported"
                )


def _difference(expected: np.ndarray, got: np.ndarray) -> float:
    if np.shape(expected) != np.shape(got):
        return np.inf
    size = float(np.linalg.norm(expected))
    return float(np.linalg.norm(expected - got)) / (size or 1.0)

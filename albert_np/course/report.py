"""What a self-check says of a reader's function."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from albert_np.gradcheck import Comparison, compare

__all__ = ["CheckReport", "Finding", "equal", "holds", "self_check"]

Finding = tuple[bool, str]  # whether it is right, and a line that says what was looked at


@dataclass(frozen=True)
class CheckReport:
    """A self-check's findings; in a notebook it shows itself. `passed` only if every one is right."""

    title: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(ok for ok, _ in self.findings)

    def __repr__(self) -> str:
        lines = [f"{'✓' if ok else '✗'} {line}" for ok, line in self.findings]
        return "\n".join([f"{self.title}: {'all right' if self.passed else 'not yet'}", *lines])


def self_check(title: str) -> Callable[[Callable[..., Iterable[Any]]], Callable[..., CheckReport]]:
    """Turn a generator of findings into a check that always returns a report.

    The generator gets the reader's functions and yields `Comparison`s, or pairs of a verdict and a line. A function
    that is not written yet (it raises NotImplementedError) and one that fails are findings too.
    """

    def decorate(check: Callable[..., Iterable[Any]]) -> Callable[..., CheckReport]:
        @functools.wraps(check)
        def run(*answers: Callable[..., Any]) -> CheckReport:
            findings: list[Finding] = []
            try:
                findings.extend(_as_finding(found) for found in check(*answers))
            except NotImplementedError:
                findings.append((False, "not written yet: replace the `raise` by your own lines"))
            except Exception as error:
                findings.append((False, f"{type(error).__name__}: {error}"))
            return CheckReport(title, tuple(findings))

        return run

    return decorate


def _as_finding(found: Comparison | Finding) -> Finding:
    return (found.ok, str(found)) if isinstance(found, Comparison) else found


def equal(name: str, got: Any, expected: Any, tolerance: float = 1e-9) -> Any:
    """Compare what a reader's function gave with what it should be: shape first, then values."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        return False, f"{name}: got shape {got.shape}, expected {expected.shape}"
    return compare(name, got, expected, tolerance, floor=1e-12)


def holds(name: str, condition: bool, otherwise: str) -> Finding:
    """Return a finding: `name` if the condition holds, and what is wrong if it does not."""
    return bool(condition), name if condition else f"{name}: {otherwise}"

"""Bug hunts: functions that are wrong in one way each; a reader tells from what they do which way that is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from albert_np.course.report import Finding, holds

__all__ = ["Hunt", "Symptoms", "factor"]

Symptoms = dict[str, str]  # experiment → its outcome, a few characters


@dataclass(frozen=True)
class Hunt:
    """Functions with a bug each, lettered in the order of `bugs`, and experiments that tell them apart.

    bugs: the cause, in words → the function. symptoms: what the experiments say of a function. numbers: the number of
    each cause in the list that the reader chooses from, in the order of `bugs`. right: a function without a bug, whose
    symptoms stand in the table's first row.
    """

    bugs: Mapping[str, Callable[..., Any]]
    symptoms: Callable[[Callable[..., Any]], Symptoms]
    numbers: tuple[int, ...]
    right: Callable[..., Any]

    @property
    def letters(self) -> str:
        return "ABCDEFGH"[: len(self.bugs)]

    @property
    def causes(self) -> dict[int, str]:
        """Number → cause, in the order of the numbers."""
        return dict(sorted(zip(self.numbers, self.bugs, strict=True)))

    @cached_property
    def found(self) -> dict[str, Symptoms]:
        """Cause → what the experiments say of it, in the order of `bugs`."""
        return {cause: self.symptoms(bug) for cause, bug in self.bugs.items()}

    def __repr__(self) -> str:
        rows = {"right": self.symptoms(self.right)}
        rows |= zip(self.letters, self.found.values(), strict=True)
        columns = list(rows["right"])
        widths = [max(len(name), *(len(row[name]) for row in rows.values())) for name in columns]
        lines = ["      " + "".join(f"  {name:>{w}}" for name, w in zip(columns, widths, strict=True))]
        for letter, row in rows.items():
            lines.append(f"{letter:<6}" + "".join(f"  {row[n]:>{w}}" for n, w in zip(columns, widths, strict=True)))
        return "\n".join([*lines, "", *(f"{number}  {cause}" for number, cause in self.causes.items())])

    def findings(self, given: Any) -> Iterator[Finding]:
        """Yield one finding a letter: whether the cause is named, or which experiment speaks against the one given."""
        if not isinstance(given, dict):
            example = "{" + ", ".join(f'"{letter}": …' for letter in self.letters[:2]) + ", …}"
            yield Finding("a dictionary", False, f"got a {type(given).__name__}, expected {example}")
            return
        for letter, number, cause in zip(self.letters, self.numbers, self.bugs, strict=True):
            if letter not in given:
                yield Finding(letter, False, "no answer")
            elif given[letter] not in self.causes:
                yield Finding(letter, False, f"{given[letter]!r} is no number of the list, 1 to {len(self.bugs)}")
            else:
                chosen = self.causes[given[letter]]
                told = f"{letter} is {number}: {cause}" if chosen == cause else letter
                yield holds(told, chosen == cause, self._against(chosen, cause))

    def _against(self, chosen: str, cause: str) -> str:
        """Return the first experiment that would have come out otherwise with the cause that was chosen."""
        theirs, here = self.found[chosen], self.found[cause]
        named = next((name for name in here if here[name] != theirs[name]), None)
        if named is None:
            return ""
        return (
            f"not “{chosen}”: with that bug, the column “{named}” would say {theirs[named]}, here it says {here[named]}"
        )


def factor(got: Any, expected: Any) -> str:
    """Return the factor between two arrays, such as "× 2"; "no factor" if there is not one, "–" if sizes differ."""
    got, expected = np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if got.size != expected.size:
        return "–"
    got, expected = got.ravel(), expected.ravel()
    ratio = float(got @ expected) / float(expected @ expected)
    same = np.allclose(got, ratio * expected, rtol=1e-6, atol=1e-9 * abs(expected).max())
    return f"× {ratio:.4g}" if same else "no factor"

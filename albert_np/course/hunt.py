"""Bug hunts: suspects that are wrong in one way each; a reader tells from what they do which way that is."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from albert_np.course.answers import Function
from albert_np.course.report import CheckReport, Finding, self_check

__all__ = ["Hunt", "Symptoms", "by_signs", "factor", "named_bugs"]

Symptoms = dict[str, str]  # experiment → its outcome, a few characters


@dataclass(frozen=True)
class Hunt:
    """Functions with a bug each, lettered in the order of `bugs`, and experiments that tell them apart.

    bugs: the cause, in words → the function. symptoms: what the experiments say of a function. numbers: the number of
    each cause in the list that the reader chooses from, in the order of `bugs`. right: a function without a bug, whose
    symptoms stand in the table's first row.
    """

    bugs: Mapping[str, Function]
    symptoms: Callable[[Function], Symptoms]
    numbers: tuple[int, ...]
    right: Function

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

    def check(self, title: str = "which bug is this?") -> Callable[..., CheckReport]:
        """Return a self-check of a reader's function that gives a dictionary, letter → number of the cause."""

        @self_check(title)
        def check_which_bug(which_bug: Callable[[], object]) -> Iterator[Finding]:
            """Check `which_bug()`: a dictionary from the letters of `HUNT` to the numbers of its causes."""
            yield from self.findings(which_bug())

        return check_which_bug

    def findings(self, given: object) -> Iterator[Finding]:
        """Yield one finding a letter: whether the cause is named, or which experiment speaks against the one given."""
        cast = dict(zip(self.letters, self.numbers, strict=True))
        return named_bugs(given, cast, self.causes, self._against)

    def _against(self, letter: str, chosen: int) -> str:
        """Return the first experiment that would have come out otherwise with the cause that was chosen."""
        cause = self.causes[chosen]
        theirs, here = self.found[cause], list(self.found.values())[self.letters.index(letter)]
        name = next(name for name in here if here[name] != theirs[name])
        return f"not “{cause}”: with that bug, the column “{name}” would say {theirs[name]}, here it says {here[name]}"


def named_bugs(
    given: object, cast: Mapping[str, int], numbers: Collection[int], against: Callable[[str, int], str]
) -> Iterator[Finding]:
    """Yield whether a reader's answer, suspect → number of its bug, is right for each suspect.

    cast: the right answer. numbers: those of the list that the reader chooses from. against: a suspect and a number
    that is not its own → what speaks against it.
    """
    if not isinstance(given, Mapping):
        wanted = ", ".join(f'"{suspect}": …' for suspect in cast)
        yield Finding("a dictionary", False, f"got a {type(given).__name__}, expected {{{wanted}}}")
        return
    for suspect, number in cast.items():
        chosen: Any = given.get(suspect)
        if suspect not in given:
            yield Finding(suspect, False, "no answer")
        elif np.ndim(chosen) or chosen not in numbers:
            yield Finding(suspect, False, f"{chosen!r} is no number of the list, {min(numbers)} to {max(numbers)}")
        elif chosen != number:
            yield Finding(suspect, False, against(suspect, chosen))
        else:
            yield Finding(f"{suspect} is {number}", True)


def by_signs(signs: Mapping[int, str]) -> Callable[[str, int], str]:
    """Return what speaks against a wrong number, for `named_bugs`; signs: number of a bug → what one sees of it."""
    return lambda suspect, bug: f"not bug {bug}: {signs[bug]}. Is it so in {suspect}?"


def factor(got: npt.ArrayLike, expected: npt.ArrayLike) -> str:
    """Return the factor between two arrays, such as "× 2"; "no factor" if there is not one, "–" if sizes differ."""
    got, expected = np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if got.size != expected.size:
        return "–"
    got, expected = got.ravel(), expected.ravel()
    ratio = float(got @ expected) / float(expected @ expected)
    same = np.allclose(got, ratio * expected, rtol=1e-6, atol=1e-9 * abs(expected).max())
    return f"× {ratio:.4g}" if same else "no factor"

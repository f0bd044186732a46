"""Bug hunts by symptoms: a reader says which bug each of several suspects has."""

from collections.abc import Iterator, Mapping
from typing import Any

from albert_np.course.report import Finding, holds

__all__ = ["named_bugs"]


def named_bugs(got: Any, cast: Mapping[str, int], signs: Mapping[int, str]) -> Iterator[Finding]:
    """Yield whether a reader's answer, suspect → number of its bug, is right for each suspect.

    cast: the right answer. signs: number of a bug → what one sees of it, which is told to whoever names it wrongly.
    """
    if not isinstance(got, dict):
        wanted = ", ".join(f"{suspect!r}: …" for suspect in cast)
        yield Finding("a dictionary", False, f"got a {type(got).__name__}: return {{{wanted}}}")
        return
    for suspect, bug in cast.items():
        if suspect not in got:
            yield Finding(suspect, False, "no answer")
        elif got[suspect] not in signs:
            yield Finding(suspect, False, f"there is no bug {got[suspect]!r}, only {min(signs)} to {max(signs)}")
        else:
            told = f"not bug {got[suspect]}: {signs[got[suspect]]}. Is it so in {suspect}?"
            yield holds(suspect, got[suspect] == bug, told)

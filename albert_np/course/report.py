"""What a self-check says of a reader's function."""

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from albert_np.course.answers import (
    AnswerFailed,
    Function,
    Wrong,
    called_as,
    expect_values,
    not_none,
    own_words,
    report_lines,
)
from albert_np.gradcheck import Comparison, check_gradients, compare

__all__ = [
    "CheckFailed",
    "CheckReport",
    "Finding",
    "differences",
    "equal",
    "float32_stays",
    "holds",
    "left_out",
    "self_check",
]

STRICT = "ALBERT_NP_CHECKS"  # an environment variable: where it is "strict", a check that fails raises CheckFailed
SINGLE = 1e-6  # a relative error that float32 leaves, and hardly anything else
NAMED = 3  # findings that are told by name where there are more


class CheckFailed(AssertionError):
    """A check found something wrong, and was asked to raise; the message is the report."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    ok: None where it could not be looked at, or where it is said without being held against the answer. message: what
    is wrong, and what to think of.
    """

    name: str
    ok: bool | None
    message: str = ""

    @property
    def line(self) -> str:
        if not self.message or self.message.startswith(f"{self.name} "):
            return self.message or self.name
        return f"{self.name}: {self.message}"


@dataclass
class CheckReport:
    """A self-check's findings. In a notebook it shows itself as soon as it is there, what is wrong first.

    complete: False if the check stopped at the last finding, and there was more to look at. answers: the reader's
    functions.
    """

    title: str
    findings: tuple[Finding, ...]
    complete: bool = True
    answers: tuple[Function, ...] = ()
    _shown_in: int | None = field(default=None, compare=False, repr=False)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong, and something was looked at."""
        verdicts = [finding.ok for finding in self.findings]
        return self.complete and False not in verdicts and True in verdicts

    def __repr__(self) -> str:
        right, wrong, unknown = ([f for f in self.findings if f.ok is ok] for ok in (True, False, None))
        many, told = len(self.findings), f"{len(right)} of {len(self.findings)} checks"
        if self.passed:
            title = f"{self.title}: {told}" if unknown else f"{self.title}: all right, {many} check{'s'[: many > 1]}"
        else:
            title = f"{self.title}: not yet, " + (told if self.complete else f"stopped after {len(right)} right")
        first = [wrong[0].line] if wrong else []
        if wrong[1:]:
            first.append(f"and, perhaps for the same reason: {_few([f.name for f in wrong[1:]])}")
        few = [_few([f.name for f in right])] if right else []
        return "\n".join(report_lines(title, first, [f.line for f in unknown], few))

    def yours(self, *instead: Function) -> Any:
        """Return the reader's functions if they have passed, or else those given; one by itself, not in a tuple."""
        if len(instead) != len(self.answers):
            raise ValueError(f"the check was of {len(self.answers)} functions, got {len(instead)} in their place")
        chosen = self.answers if self.passed else instead
        names = ", ".join(map(_name_of, self.answers))
        _display(f"below: your own {names}" if self.passed else f"below, until yours pass: the course's, not {names}")
        return chosen if len(chosen) > 1 else chosen[0]

    def show(self) -> None:
        """Display the report where there is a notebook to do it in, once a cell."""
        shell = _shell()
        if shell is not None and self._shown_in != shell.execution_count:
            self._shown_in = shell.execution_count
            _display(repr(self))

    def _ipython_display_(self) -> None:
        self.show()


def _name_of(answer: object) -> str:
    """Return the name of a reader's function; a partial or another thing that can be called may have none."""
    return getattr(answer, "__name__", "your function")


def _shell() -> Any:
    """Return IPython's shell, if this runs in one."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _display(text: str) -> None:
    """Show a text in a notebook, if this runs in one."""
    if _shell() is not None:
        sys.modules["IPython.display"].display({"text/plain": text}, raw=True)


def _few(names: Sequence[str]) -> str:
    if len(names) <= NAMED + 1:
        return "; ".join(names)
    return f"{'; '.join(names[:NAMED])}; and {len(names) - NAMED} more"


def self_check(
    title: str, returns: Sequence[str] = ()
) -> Callable[[Callable[..., Iterable[Finding | Comparison]]], Callable[..., CheckReport]]:
    """Turn a generator of findings into a check that always returns a report.

    The generator gets the reader's functions, and yields findings or `Comparison`s. Whatever a function does is a
    finding: that it is not written yet, that it fails, and where; that it returns None, or another number of values
    than `returns` names; that it changes an array that it was given. Where the environment variable ALBERT_NP_CHECKS
    is "strict", a report that is not passed is raised as `CheckFailed`. TypeError for another number of functions than
    the generator takes.
    """

    def decorate(check: Callable[..., Iterable[Finding | Comparison]]) -> Callable[..., CheckReport]:
        wanted = list(inspect.signature(check).parameters)

        @functools.wraps(check)
        def run(*answers: Function) -> CheckReport:
            if len(answers) != len(wanted):
                raise TypeError(f"{check.__name__} takes {', '.join(wanted)}: got {len(answers)} of {len(wanted)}")
            asked = [_Asked(answer, returns) for answer in answers]
            findings: list[Finding] = []
            stop = None
            try:
                with np.errstate(all="ignore"):  # a wrong answer is told, not warned of
                    findings.extend(_as_finding(found) for found in check(*asked))
            except Exception as error:
                stop = _stopped_by(error, asked)
                findings.append(stop)
            report = CheckReport(title, tuple(findings), stop is None, answers)
            report.show()
            if os.environ.get(STRICT) == "strict" and not report.passed:
                raise CheckFailed(repr(report))
            return report

        return run

    return decorate


class _Asked:
    """A reader's function as a check calls it: `last` is the last call, for those who want to try it."""

    def __init__(self, function: Any, returns: Sequence[str]) -> None:
        self.function, self.returns = function, returns
        self.name = _name_of(function)
        self._arguments: list[object] | None = None

    def __call__(self, *arguments: object, **named: object) -> Any:
        if not callable(self.function):
            kind = type(self.function).__name__
            raise Wrong(f"got a {kind}: the check takes your function itself, f, not what it returns, f(…)")
        given = (*arguments, *named.values())
        before = [_kept(x) for x in given]
        self._arguments = [x if isinstance(x, tuple) else old for old, x in zip(before, given, strict=True)]
        try:
            result = self.function(*arguments, **named)
        except NotImplementedError:
            raise
        except Exception as error:
            raise AnswerFailed(own_words(error, self.function), type(error).__name__) from error
        for place, (old, new) in enumerate(zip(before, given, strict=True)):
            if old is not new and not _same(old, new):
                raise Wrong(
                    f"{self.name} changed its argument {self._argument(place)}, which the caller needs as it was: "
                    "work on a copy (x = x + … for x += …), or put the old numbers back"
                )
        if self.returns:
            values = expect_values(not_none(self.name, result), self.returns)
            return values if len(self.returns) > 1 else values[0]
        return not_none(self.name, result)

    @property
    def last(self) -> str:
        return "" if self._arguments is None else called_as(self.name, self._arguments)

    def _argument(self, place: int) -> str:
        try:
            return list(inspect.signature(self.function).parameters)[place]
        except (IndexError, TypeError, ValueError):
            return f"number {place + 1}"


def _kept(x: object) -> object:
    """Return a copy of the arrays, lists and dictionaries in an argument; other things are themselves."""
    if isinstance(x, np.ndarray):
        return x.copy()
    if isinstance(x, dict):
        return {key: _kept(value) for key, value in x.items()}
    return [_kept(value) for value in x] if isinstance(x, list | tuple) else x


def _same(old: object, new: object) -> bool:
    """Whether an argument is what `_kept` made of it before."""
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return old.dtype == new.dtype and np.array_equal(old, new, equal_nan=_floats(old))
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list | tuple):
        return len(old) == len(new) and all(map(_same, old, new))
    return old is new


def _floats(x: np.ndarray) -> bool:
    return x.dtype.kind in "fc"


def _stopped_by(error: Exception, asked: Sequence[_Asked]) -> Finding:
    """Return the finding that a check could not go on, and with which call."""
    called = next((f"\n    called as {one.last}" for one in asked if one.last), "")
    names = " and ".join(one.name for one in asked)
    if isinstance(error, NotImplementedError):
        return Finding(names, False, "not written yet: replace the `raise` by your own lines")
    if isinstance(error, AnswerFailed | Wrong):
        return Finding(names, False, f"{error}{called}")
    place = traceback.extract_tb(error.__traceback__)[-1].name
    told = f"{type(error).__name__}: {error}; in {place}"
    return Finding(names, False, f"what it returned could not be used ({told}){called}")


def _as_finding(found: Comparison | Finding) -> Finding:
    if isinstance(found, Finding):
        return found
    return Finding(found.name, found.ok, "" if found.ok else _told(found))


def _told(row: Comparison) -> str:
    place = f"at {list(row.index)} " if row.index else ""
    remark = f"; {row.remark}" if row.remark else ""
    return f"{place}got {row.got:.6g}, expected {row.expected:.6g} (relative error {row.max_rel:.1e}){remark}"


def holds(name: str, condition: object, otherwise: str) -> Finding:
    """Return a finding: `name` if the condition holds, and what is wrong if it does not."""
    return Finding(name, True) if condition else Finding(name, False, otherwise)


def left_out(name: str, why: str) -> Finding:
    """Return the finding that something was not looked at, or is worth a word and nothing more."""
    return Finding(name, None, why)


def equal(
    name: str,
    got: object,
    expected: npt.ArrayLike,
    tolerance: float = 1e-9,
    mistakes: Mapping[str, npt.ArrayLike] | None = None,
    advice: str = "",
    scale: float = 1e-12,
) -> Finding:
    """Compare what a reader's function gave with what it should be: type and shape first, then values.

    mistakes: advice → the array that a known mistake gives in this case; who comes to that array is told the advice.
    advice: what everybody else is told whose numbers are wrong. scale: the smallest magnitude that errors are measured
    against.
    """
    expected = np.asarray(expected)
    array = _as_numbers(got)
    if array is None:
        kind = f"an array of {got.dtype}" if isinstance(got, np.ndarray) else f"a {type(got).__name__}"
        return Finding(name, False, f"is {kind}, expected an array of shape {expected.shape}")
    if array.shape != expected.shape:
        return Finding(name, False, f"got shape {array.shape}, expected {expected.shape}")
    row = compare(name, array, expected, tolerance, floor=scale)
    if row.ok:
        return Finding(name, True)
    for known, mistaken in (mistakes or {}).items():
        mistaken = np.asarray(mistaken)
        if mistaken.shape != array.shape:
            continue
        to_mistake = compare(name, array, mistaken, 1e-6, floor=1e-12)
        if to_mistake.ok and to_mistake.max_rel < row.max_rel / 10:  # in some cases a mistake makes no difference
            return Finding(name, False, f"{known}: {_told(row)}")
    if row.max_rel < SINGLE:
        return Finding(name, False, f"right to the seven digits of float32 only: is something float32? {_told(row)}")
    told = f"{_told(row)}{_how_it_differs(array, expected)}"
    return Finding(name, False, f"{told}. {advice}" if advice else told)


def _as_numbers(got: object) -> np.ndarray | None:
    """Return an array of what may be read as one, or None."""
    if got is None:
        return None
    try:
        array = np.asarray(got)
    except Exception:  # a ragged list, or an object of another library
        return None
    return array if array.dtype.kind in "biuf" else None


def _how_it_differs(got: np.ndarray, expected: np.ndarray) -> str:
    """Return what is the same all over a wrong array: a factor, a transposition, a part that is right."""
    wrong = ~np.isclose(got, expected, rtol=1e-6, atol=1e-9 * max(1e-12, float(abs(expected).max())))
    size = float((expected * expected).sum())
    factor = float((got * expected).sum()) / size if size > 0 else 1.0
    if got.size > 1 and np.isfinite(factor) and np.allclose(got, factor * expected, rtol=1e-6, atol=1e-12):
        return f"; every number is {factor:.4g} times what is expected" if factor else "; every number is 0"
    if got.ndim > 1 and got.shape[-1] == got.shape[-2] > 1 and np.allclose(got.swapaxes(-1, -2), expected):
        return "; it is right when its last two axes are swapped"
    if got.size > 1 and wrong.sum() < got.size:
        return f"; {wrong.sum()} of {got.size} numbers are wrong"
    return ""


def differences(
    forward: Function, backward: Function, inputs: Mapping[str, np.ndarray], **options: Any
) -> Iterator[Finding]:
    """Yield what finite differences say of the gradient of each input, and along a direction through all.

    What `equal` reads as an array, such as a list or a matrix, is one here too.
    """

    def arrays(dy: np.ndarray, cache: object) -> object:
        gradients = backward(dy, cache)
        several = isinstance(gradients, tuple)
        found = tuple(x if _as_numbers(x) is None else _as_numbers(x) for x in (gradients if several else (gradients,)))
        return found if several else found[0]

    rows = check_gradients(forward, arrays, inputs, **options)
    for row in rows if len(inputs) > 1 else rows[:1]:  # one direction through one input says nothing more
        name = f"the gradient of {row.name}" if row.name in inputs else row.name
        yield Finding(f"finite differences, {name}", row.ok, "" if row.ok else _told(row))


def float32_stays(function: Function, arguments: Sequence[object], advice: str) -> Finding:
    """Call a function with its floating arrays as float32, and look whether float32 comes back."""
    singles = [x.astype(np.float32) if isinstance(x, np.ndarray) and _floats(x) else x for x in arguments]
    result = function(*singles)
    values = result if isinstance(result, tuple) else (result,)
    name = "float32 in gives float32 out"
    for value in values:
        if not isinstance(value, np.ndarray | np.generic):
            return Finding(name, False, f"got a {type(value).__name__}, which has no dtype: return an array")
    found = sorted({str(value.dtype) for value in values})
    return holds(name, found == ["float32"], f"got {', '.join(found)}: {advice}")

"""Calls of functions that somebody else wrote: what they were asked, what they gave, and where they failed.

The notebooks' checks and the labs' findings call answers through this module, so that both say the same of them.
"""

import inspect
import linecache
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "AnswerFailed",
    "Function",
    "Wrong",
    "called_as",
    "described",
    "expect",
    "expect_array",
    "expect_values",
    "not_none",
    "own_words",
    "report_lines",
]

Function = Callable[..., Any]  # a reader's, or a wrong one like it: what it gives is to be looked at

SHOWN = 8  # numbers of an array that are worth reading


class Wrong(Exception):
    """An answer is not right; the message says what, where, what was got and what was expected."""


class AnswerFailed(Exception):
    """A function of an answer gave nothing: it raised, ran too long, or ended its process.

    kind: the name of the exception that it raised, or "".
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


def called_as(name: str, arguments: Sequence[object]) -> str:
    """Return a call as one would write it down: small arguments whole, large arrays by dtype and shape."""
    return f"{name}({', '.join(map(described, arguments))})"


def described(value: object) -> str:
    """Return one argument of a call in few words."""
    if isinstance(value, np.ndarray):
        if value.size > SHOWN or value.dtype.kind not in "biuf":
            return f"{value.dtype} {value.shape}"
        numbers = np.array2string(value, precision=4, separator=", ", max_line_width=1000)
        return f"{value.dtype} {' '.join(numbers.split())}"
    if callable(value):
        return value.__name__ if isinstance(value, type) else "a function"
    if isinstance(value, list) and any(isinstance(part, np.ndarray) for part in value):
        return f"[{', '.join(map(described, value[:2]))}{', …' * (len(value) > 2)}]"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def own_words(error: BaseException, function: Function) -> str:
    """Return an error with the last line of its author's own in which it came up.

    Own are the lines that share the function's globals: its cell, its file, and the cells and helpers beside it.
    """
    own = getattr(inspect.unwrap(function), "__globals__", None)
    where, trace = "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if own is not None and frame.f_globals is own:
            line = linecache.getline(frame.f_code.co_filename, trace.tb_lineno, frame.f_globals).strip()
            where = f", in your line {trace.tb_lineno}: {line}"
        trace = trace.tb_next
    kind = "" if isinstance(error, Wrong) else f"{type(error).__name__}: "
    return f"{kind}{error}{where}"


def not_none(name: str, result: Any) -> Any:
    """Return what a function returned, unless it is None: then raise `Wrong`."""
    if result is None:
        raise Wrong(f"{name} returned None: is a `return` missing?")
    return result


def expect(condition: object, message: str) -> None:
    """Raise `Wrong` with the message unless the condition holds."""
    if not condition:
        raise Wrong(message)


def expect_values(got: Any, names: Sequence[str]) -> tuple[Any, ...]:
    """Return what a function gave as a tuple of as many values as there are names; one value may be a list."""
    wanted = f"{len(names)} values ({', '.join(names)})" if len(names) > 1 else f"one value ({names[0]})"
    several = isinstance(got, tuple) or (isinstance(got, list) and len(names) > 1)
    values = tuple(got) if several else (got,)
    found = f"{len(values)} values" if several else f"one {type(got).__name__}"
    expect(len(values) == len(names), f"returned {found}, expected {wanted}")
    return values


def expect_array(name: str, got: object, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> np.ndarray:
    """Return `got` if it is an array (or a NumPy number, for shape ()) of that shape and dtype."""
    expect(got is not None, f"{name} is None")
    expect(
        isinstance(got, np.ndarray | np.generic) or (shape == () and isinstance(got, float | int)),
        f"{name} is a {type(got).__name__}, expected an array of shape {shape}",
    )
    array = np.asarray(got)
    expect(array.shape == shape, f"{name} has shape {array.shape}, expected {shape}")
    if isinstance(got, np.ndarray | np.generic):
        expect(array.dtype == dtype, f"{name} is {array.dtype}, expected {np.dtype(dtype)}")
    return array


def report_lines(title: str, wrong: Sequence[str], open_: Sequence[str], right: Sequence[str]) -> list[str]:
    """Return what a reader sees of a report: what is wrong first, then what was not looked at, then what is right."""
    passed = [f"✓ {', '.join(right)}"] if right else []
    return [title, *(f"✗ {line}" for line in wrong), *(f"– {line}" for line in open_), *passed]

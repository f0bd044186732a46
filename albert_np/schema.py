"""What a JSON value may be: small schemas with bounds, and one error that says where a value does not fit.

A schema is a `Kind`, such as `whole(1)` or `text()`; a list of one schema, for a list of such values; or a dict, for an
object. Its keys are the fields that must be there; under `...` stands the schema of all others, which are allowed
without. A field whose schema is `optional` may be missing or null.

    check(value, {"step": whole(1), "recipe": {"seed": whole()}, "losses": [number()], "note": optional(text())}, path)

Numbers are finite, and True is none of them. Text can be written as UTF-8. Everything has an upper bound, since a
number that is believed is one that memory is asked for.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Kind",
    "anything",
    "check",
    "check_flag",
    "check_whole",
    "flag",
    "is_unicode",
    "listed",
    "number",
    "one_line",
    "one_of",
    "optional",
    "text",
    "whole",
]


class Kind(NamedTuple):
    """A kind of value: the words for what is allowed, and whether a value is."""

    allowed: str
    admits: Callable[[Any], bool]
    schema: Any = None  # of an optional value that is there


Schema = Kind | list[Any] | Mapping[Any, Any]

_LONGEST = 10**7  # of lists, objects and texts


def whole(least: int = 0, most: int = 2**53) -> Kind:
    """A whole number from `least` to `most`."""
    return Kind(f"a whole number from {least} to {most}", lambda value: type(value) is int and least <= value <= most)


def number(least: float = -math.inf, most: float = math.inf, below: float = math.inf) -> Kind:
    """A finite number, whole or not, from `least` to `most`, and below `below`."""
    given = (("at least", least), ("at most", most), ("below", below))
    bounds = [f"{word} {bound:g}" for word, bound in given if math.isfinite(bound)]

    def admits(value: object) -> bool:
        if type(value) is int:
            return least <= value <= most and value < below and abs(value) < 1e300
        return type(value) is float and math.isfinite(value) and least <= value <= most and value < below

    return Kind(" ".join(["a finite number", " and ".join(bounds)]).strip(), admits)


def text(most: int = _LONGEST) -> Kind:
    """A text of at most so many characters, none of them half of a surrogate pair."""
    return Kind(
        f"text of at most {most} characters that UTF-8 can hold",
        lambda value: isinstance(value, str) and len(value) <= most and is_unicode(value),
    )


def is_unicode(value: str) -> bool:
    """Whether UTF-8 can hold a text: whether no character of it is half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def flag() -> Kind:
    """true or false."""
    return Kind("true or false", lambda value: isinstance(value, bool))


def one_of(*values: object) -> Kind:
    """One of a few values; True is not 1."""
    return Kind(
        "one of " + ", ".join(map(repr, values)),
        lambda value: any(type(value) is type(known) and value == known for known in values),
    )


def anything() -> Kind:
    """Whatever JSON can hold."""
    return Kind("any value", lambda value: True)


def optional(schema: Schema) -> Kind:
    """What `schema` describes, null, or nothing at all."""
    return Kind("null", lambda value: value is None, schema)


def check_flag(name: str, value: object) -> bool:
    """Return a bool, Python's of NumPy's. Raises TypeError for anything else: "false" would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r:.80}")
    return bool(value)


def check_whole(name: str, value: object, least: int) -> int:
    """Return a whole number, Python's of NumPy's. ValueError for anything else, such as True, or below `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}={value!r:.80} must be a whole number of at least {least}")
    return int(value)


def check(value: object, schema: Schema, source: object) -> None:
    """Raise ValueError that names `source`, such as a file, and the field, if a value does not fit a schema."""
    if misfit := _misfit(value, schema, ""):
        raise ValueError(f"{source}: {misfit}")


def _misfit(value: object, schema: Schema, where: str) -> str | None:
    """Return what is wrong with the first value that does not fit, None if all do."""
    if isinstance(schema, Kind):
        if schema.admits(value):
            return None
        if schema.schema is not None:
            return _misfit(value, schema.schema, where)
        return _wrong(where, value, schema.allowed)
    if isinstance(schema, list):
        if not isinstance(value, list) or len(value) > _LONGEST:
            return _wrong(where, value, "a list")
        return next(filter(None, (_misfit(v, schema[0], f"{where}[{i}]") for i, v in enumerate(value))), None)
    if not isinstance(value, dict):
        return _wrong(where, value, "an object")
    for name, field in schema.items():
        inside = f"{where}.{name}" if where else str(name)
        if name is ...:
            continue
        if name not in value and not (isinstance(field, Kind) and field.schema is not None):
            return f"{inside} is missing"
        if misfit := _misfit(value.get(name), field, inside):
            return misfit
    others = schema.get(..., anything())
    names = (name for name in value if name not in schema) if ... in schema else ()
    return next(filter(None, (_misfit(value[n], others, f"{where}[{_short(n)}]") for n in names)), None)


def _wrong(where: str, value: object, allowed: str) -> str:
    return f"{where or 'its content'} is {_short(value)}; allowed is {allowed}"


def _short(value: Any) -> str:
    """Return a value as an error shows it, on one line and not longer than that."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return str(json.dumps(value))
    if isinstance(value, int) and abs(value) > 10**40:
        return "a number of more than 40 digits"
    shown = repr(value[:80] if isinstance(value, str) else value)
    return ascii(value[:80]) if not shown.isprintable() else shown


def one_line(message: object, most: int = 300) -> str:
    """Return what an error passes on of another, which may quote a file: cut, what cannot be printed written out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(message)[:most])


def listed(names: Sequence[str], most: int = 20, longest: int = 80) -> str:
    """Return names with commas between, so many of them, for an error: what is long or cannot be printed as `repr`."""
    fit = (name if name.isprintable() and len(name) <= longest else repr(name[:longest]) for name in names[:most])
    return ", ".join(fit) + (f" and {len(names) - most:,} more" if len(names) > most else "")

"""What of ALBERT is replaced at the moment, if anything: all that a model must know of a change.

`albert_np.labs.swap` puts a change in force for the whole process: it exchanges functions of `layers`, which find each
other by name when they are called, and says here what follows from it. A model keeps, in its configuration, what it was
made under, and so does its folder; it runs under that change alone.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = [
    "KEY",
    "SIZES",
    "Change",
    "Parameter",
    "change_in_force",
    "own_parameter",
    "own_shapes",
    "put_in_force",
    "recorded",
    "refuse_changed",
    "require_change",
    "schedule_of",
    "unchanged",
]

KEY = "changed_parts"  # of a config.json: what is replaced, see `Change.described`
SIZES = {  # what a shape may name
    "V": "vocab_size",
    "E": "embedding_size",
    "H": "hidden_size",
    "I": "intermediate_size",
    "N": "num_attention_heads",
    "D": "head_size",
    "L": "num_hidden_layers",
    "G": "num_hidden_groups",
    "T": "max_position_embeddings",
}


class Parameter(NamedTuple):
    """A parameter of a part's own.

    shape: whole numbers and names of `SIZES`. start: the number that it is filled with, or None for normal numbers of
    standard deviation `initializer_range`.
    """

    shape: tuple[int | str, ...]
    start: float | None = None


@dataclass(frozen=True)
class Change:
    """What is replaced.

    described: part → the names of its functions and of its parameters, as config.json has it. own: name → parameter;
    names of the embeddings begin with "embeddings.", all others are of a layer. gone: names of ALBERT's parameters that
    nobody reads any more. schedule: the group of each layer step, or None. right_padding: whether positions count, so
    that padding can be skipped only at the end of a sequence.
    """

    described: Mapping[str, object]
    own: Mapping[str, Parameter] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    schedule: tuple[int, ...] | None = None
    right_padding: bool = False


_in_force: Change | None = None
_aside = ContextVar("_aside", default=False)


def change_in_force() -> Change | None:
    """Return the change that is in force, None where ALBERT is as it is."""
    return None if _in_force is None or _aside.get() else _in_force


@contextmanager
def unchanged() -> Iterator[None]:
    """Say inside the block what ALBERT's sizes and shapes would be without a change; what runs is the same."""
    token = _aside.set(True)
    try:
        yield
    finally:
        _aside.reset(token)


def put_in_force(change: Change | None) -> None:
    """Let `change` be what follows from the functions that stand in `layers` now."""
    global _in_force
    _in_force = change


def own_shapes(shapes: Mapping[str, tuple[int, ...]], config: Any, embeddings: bool) -> dict[str, tuple[int, ...]]:
    """Return name → shape of a layer's parameters, or of the embeddings', as the change in force has them."""
    change = change_in_force()
    if change is None:
        return dict(shapes)
    own = {
        name: tuple(size if isinstance(size, int) else getattr(config, SIZES[size]) for size in parameter.shape)
        for name, parameter in change.own.items()
        if name.startswith("embeddings.") == embeddings
    }
    return {name: shape for name, shape in shapes.items() if name not in change.gone} | own


def own_parameter(name: str) -> Parameter | None:
    """Return the own parameter of the change in force that a model's parameter of that name is, or None."""
    own = {} if _in_force is None else _in_force.own
    return max(((len(end), p) for end, p in own.items() if f".{name}".endswith(f".{end}")), default=(0, None))[1]


def schedule_of(extra: Mapping[str, object]) -> tuple[int, ...] | None:
    """Return the group of each layer step where a change says it: the one on record, or else the one in force.

    ValueError for a record that is none.
    """
    if KEY not in extra:
        change = change_in_force()
        return None if change is None else change.schedule
    record = extra[KEY]
    schedule = record.get("schedule", ()) if isinstance(record, Mapping) else None
    if not isinstance(schedule, list | tuple) or any(type(group) is not int for group in schedule):
        raise ValueError(f"{KEY}={str(record)[:80]}: must name parts, and for a schedule give a list of groups")
    return tuple(schedule) or None


def recorded(extra: Mapping[str, object]) -> dict[str, object]:
    """Return a configuration's `extra` with the change in force on record; ValueError if another one is."""
    if KEY in extra:
        require_change(extra, "the configuration")
    return dict(extra) if _in_force is None else {**extra, KEY: _in_force.described}


def require_change(extra: Mapping[str, object], what: str) -> None:
    """Raise ValueError unless what is on record in a configuration's `extra` is what is in force.

    what: whose configuration it is.
    """
    wanted, given = extra.get(KEY), None if _in_force is None else _in_force.described
    if wanted is given or wanted == given:
        return
    if wanted is None:
        raise ValueError(
            f"{what} is ALBERT as it is, but {_words(given)} is in force: use it outside that swap, or make a new one"
        )
    now = "nothing is replaced" if given is None else f"in force is {_words(given)}"
    raise ValueError(f"{what} needs {_words(wanted)}, and {now}: see albert_np.labs.swap")


def refuse_changed(extra: Mapping[str, object], what: str) -> None:
    """Raise ValueError if a model is changed, or would be if it were made now.

    what: what knows ALBERT as it is alone.
    """
    found = extra.get(KEY, None if _in_force is None else _in_force.described)
    if found is not None:
        raise ValueError(f"{what} knows ALBERT as it is alone, not {_words(found)}")


def _words(described: object) -> str:
    """Return a change as the call that makes it: swap(norm=rms_norm_forward)."""
    if not isinstance(described, Mapping):
        return f"the change {described!r}"
    parts = [
        f"{part}={value.get('forward', '…') if isinstance(value, Mapping) else value}"
        for part, value in described.items()
    ]
    return f"swap({', '.join(parts)})"

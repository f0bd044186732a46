"""From the tape of a pass to its program: rows that compute the loss and the gradients anew, and nothing else."""

from collections.abc import Iterable

import numpy as np

from albert_np.explore.mirrors import pair_up, with_copies
from albert_np.explore.rows import Program, Row, window_of, window_places
from albert_np.explore.tape import Tape, Value
from albert_np.explore.translate import rows_of

__all__ = ["program_of"]


def program_of(tape: Tape, loss: int | None, wanted: Iterable[int]) -> Program:
    """Return the rows that compute the loss, the gradients, and the other values that are wanted.

    ValueError names the function of NumPy's, and the line, that no kind of row explains.
    """
    rows = rows_of(tape)
    gradients: dict[str, list[int]] = {}
    for name, value, *_ in tape.contributions:
        gradients.setdefault(name, []).append(value)
    aliases: dict[int, int] = {}

    def found(value: int) -> int:
        while value in aliases:
            value = aliases[value]
        return value

    while more := _drop_what_changes_nothing(tape.values, _folded(tape.values, rows)):
        aliases |= more
        rows = [row for row in rows if row.kind != "same"]
        for row in rows:
            row.inputs = [None if i is None else found(i) for i in row.inputs]
    gradients = {name: list(map(found, values)) for name, values in gradients.items()}
    roots = [
        found(i) for i in (*wanted, *([] if loss is None else [loss]), *(v for vs in gradients.values() for v in vs))
    ]
    rows = _needed(rows, roots)
    program = Program(tape.values, rows, gradients, {}, None if loss is None else found(loss))
    program.rows = with_copies(program)
    pair_up(program)
    return program


def _drop_what_changes_nothing(values: list[Value], rows: list[Row]) -> dict[int, int]:
    """Mark rows that hand an array on as it is, and return value → what it is another name of."""
    aliases: dict[int, int] = {}
    for row in rows:
        y = values[row.out[0]].array
        same: int | None = None
        if row.kind == "view":
            x = values[row.inputs[0]].array  # type: ignore[index]
            flat = window_of(np.arange(x.size).reshape(x.shape))
            if x.shape == y.shape and flat == row.attrs:
                same = row.inputs[0]
        elif row.kind == "add" or (row.kind == "elementwise" and row.attrs["f"] == "add"):
            zeros = [i for i in row.inputs if i is not None and not values[i].live and not values[i].array.any()]
            rest = [i for i in row.inputs if i not in zeros]
            if len(rest) == 1 and row.attrs.get("scalar", 0) == 0 and values[rest[0]].array.shape == y.shape:  # type: ignore[index]
                same = rest[0]
        if same is not None:
            row.kind = "same"
            aliases[row.out[0]] = same
            values[same].name = values[same].name or values[row.out[0]].name
    return aliases


def _folded(values: list[Value], rows: list[Row]) -> list[Row]:
    """Let a window of a window show the first source at once, where one window can."""
    views = {row.out[0]: row for row in rows if row.kind == "view"}
    for row in rows:
        inner = views.get(row.inputs[0]) if row.kind == "view" else None  # type: ignore[arg-type]
        if inner is not None:
            first = window_places(inner.attrs, values[inner.out[0]].array.shape).ravel()
            window = window_of(first[window_places(row.attrs, values[row.out[0]].array.shape)])
            if window is not None:
                row.inputs, row.attrs = list(inner.inputs), window
    return rows


def _needed(rows: list[Row], roots: Iterable[int]) -> list[Row]:
    """Return the rows without which a root cannot be computed."""
    needed = set(roots)
    kept = []
    for row in reversed(rows):
        if needed.intersection(row.out):
            kept.append(row)
            needed.update(i for i in row.inputs if i is not None)
    return kept[::-1]

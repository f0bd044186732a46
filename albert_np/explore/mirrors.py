"""Which backward row goes back through which forward row, and which value is the gradient of which.

Where one array serves several readers, a row `copy` says so: its mirror is the sum of their gradients.
"""

import math

import numpy as np

from albert_np.explore.rows import Program, Row, window_of, window_places
from albert_np.explore.tape import Call, Value

__all__ = ["pair_up", "with_copies"]


def with_copies(program: Program) -> list[Row]:
    """Return the rows, with a row `copy` where one array serves several readers of the same pass.

    What a backward row reads of the forward pass is no use in this sense, nor are windows that do not overlap.
    """
    made = {out: row for row in program.rows for out in row.out}
    rows: list[Row] = []
    readers: dict[tuple[int, bool], list[tuple[Row, int]]] = {}
    for row in program.rows:
        for slot, value in enumerate(row.inputs):
            if value is not None and value in made and made[value].backward == row.backward:
                readers.setdefault((value, row.backward), []).append((row, slot))
    for row in program.rows:
        rows.append(row)
        for value in row.out:
            uses = readers.get((value, row.backward), [])
            if len(uses) > 1 and not _is_split(program, value, uses):
                call, line = _common(uses)
                copy = Row("copy", [value], [], {}, call, line, row.backward)
                for reader, slot in uses:
                    held = program.values[value]
                    program.values.append(Value(held.array, True, held.name))
                    copy.out.append(len(program.values) - 1)
                    reader.inputs[slot] = copy.out[-1]
                    _follow_pair(program, reader, value, copy.out[-1])
                rows.append(copy)
    return rows


def _common(uses: list[tuple[Row, int]]) -> tuple[Call | None, int]:
    """Return the innermost call in which all readers lie, and its line where the first of them begins."""
    chains = []
    for row, _ in uses:
        chain: list[tuple[Call, int]] = []
        call, line = row.call, row.line
        while call is not None:
            chain.append((call, line))
            line, call = call.line, call.parent
        chains.append(chain)
    for common, place in chains[0]:
        if all(any(common is other for other, _ in chain) for chain in chains):
            return common, place
    return None, 0


def _follow_pair(program: Program, reader: Row, value: int, use: int) -> None:
    """A backward row reads what its forward row read: the same copy of it."""
    for row in program.rows:
        mirrors = row.backward and not reader.backward and row.kind == f"{reader.kind}_backward"
        if mirrors and any(c is d for c in row.caches for d in reader.caches):
            row.inputs = [use if i == value else i for i in row.inputs]


def _is_split(program: Program, value: int, uses: list[tuple[Row, int]]) -> bool:
    """Whether the readers are windows that share the numbers out among them: a split, not several uses of one."""
    if any(row.kind != "view" for row, _ in uses):
        return False
    seen = np.zeros(program.values[value].array.size, dtype=int)
    for row, _ in uses:
        seen[np.unique(window_places(row.attrs, program.values[row.out[0]].array.shape))] += 1
    return bool((seen == 1).all())


# Which input of a forward row each output of its mirror is the gradient of.
_DIFFERENTIATED = {
    "embedding": (1,),
    "linear": (0, 1, 2),
    "layer_norm": (0, 1, 2),
    "scores": (0, 1),
    "context": (0, 1),
}

_LOSSES = ("cross_entropy", "soft_cross_entropy", "binary_cross_entropy", "mean_squared_error")
_MIRRORED_MOVES = {  # how a gradient may go back through a move of numbers
    "view": ("view", "put", "sum", "concat", "stack"),
    "gather": ("scatter", "scatter_add"),
    "take": ("scatter", "scatter_add"),
    "scatter": ("gather", "view"),
    "put": ("view", "elementwise"),
    "where": ("elementwise", "where"),
    "sum": ("view",),
}


def pair_up(program: Program) -> None:
    numbers = {id(row): i for i, row in enumerate(program.rows)}
    forwards = [row for row in program.rows if not row.backward]
    backwards = [row for row in program.rows if row.backward]

    def marry(forward: Row, backward: Row) -> None:
        forward.mirror, backward.mirror = numbers[id(backward)], numbers[id(forward)]

    for forward in forwards:
        for backward in backwards:
            if backward.kind == f"{forward.kind}_backward" and any(
                c is d for c in backward.caches for d in forward.caches
            ):
                marry(forward, backward)
                _take_gradients(program, forward, backward)
    flow = _Flow(program, backwards)
    reshaped: dict[int, int] = {}  # value → its gradient in another shape, where no row gives it in the value's own
    for forward in reversed(forwards):
        known = reshaped | program.gradient_of
        gradients = [known[value] for value in forward.out if value in known]
        if forward.kind == "copy":
            back = flow.sum_of(gradients)
        elif not gradients or forward.mirror is not None or _chooses(forward):
            continue
        elif forward.kind in ("concat", "stack"):
            _parts_back(program, flow, forward, gradients[0])
            continue
        elif forward.kind == "add":
            back = flow.reader(gradients[0], ("copy",))
            _sum_back(program, flow, forward, gradients[0], numbers[id(forward)])
        else:
            back = flow.reader(gradients[0], _MIRRORED_MOVES.get(forward.kind, ()), program.shape(_moved(forward)))
        if back is None:
            if forward.kind == "view" and len(gradients) == 1:
                reshaped[_moved(forward)] = gradients[0]
            continue
        marry(forward, back[0])
        if forward.kind != "add":
            alike = program.shape(_moved(forward)) == program.shape(back[1])
            (program.gradient_of if alike else reshaped).setdefault(_moved(forward), back[1])


def _is_flat(row: Row) -> bool:
    """Whether a view shows all numbers in their order."""
    strides = row.attrs["strides"]
    return bool(row.attrs["offset"] == 0 and strides == sorted(strides, reverse=True))


def _chooses(row: Row) -> bool:
    """Whether a row takes its numbers from two arrays, or from none: no one gradient goes back through it."""
    return row.kind == "where" and (len(row.inputs) > 2 or row.inputs[0] is None)


def _moved(row: Row) -> int:
    """Return the input whose numbers a row hands on."""
    value = row.inputs[-1 if row.kind in ("put", "scatter", "scatter_add") else 0]
    assert value is not None
    return value


def _sum_back(program: Program, flow: "_Flow", forward: Row, gradient: int, number: int) -> None:
    """Note the gradients of a sum's terms: its own, summed over the axes along which a term was repeated."""
    for value in forward.inputs:
        if program.shape(value) == program.shape(forward.out[0]):
            program.gradient_of.setdefault(value, gradient)  # type: ignore[arg-type]
        elif (back := flow.reader(gradient, ("sum",), program.shape(value))) is not None:
            back[0].mirror = number
            program.gradient_of.setdefault(value, back[1])  # type: ignore[arg-type]


def _parts_back(program: Program, flow: "_Flow", forward: Row, gradient: int) -> None:
    """Note the gradients of what was joined: the windows of the joined array's gradient where each part lies."""
    shape, axis = program.shape(forward.out[0]), forward.attrs["axis"]
    places = np.arange(np.prod(shape)).reshape(shape)
    sizes = [1 if forward.kind == "stack" else program.shape(value)[axis] for value in forward.inputs]
    for value, part in zip(forward.inputs, np.split(places, np.cumsum(sizes)[:-1], axis), strict=True):
        window = window_of(part.reshape(program.shape(value)))
        for row in flow.readers(gradient, ("view",)):
            if row.attrs == window and value is not None:
                program.gradient_of.setdefault(value, row.out[0])


def _take_gradients(program: Program, forward: Row, backward: Row) -> None:
    """Note what the two rows of a pair say of each other's values."""
    if forward.kind not in _LOSSES:
        program.gradient_of[forward.out[0]] = backward.inputs[0]  # type: ignore[assignment]
    for slot, gradient in zip(_DIFFERENTIATED.get(forward.kind, (0,)), backward.out, strict=False):
        value = forward.inputs[slot]
        if value is not None and program.values[value].param is None:
            program.gradient_of[value] = gradient


class _Flow:
    """Follows gradients through the backward rows."""

    def __init__(self, program: Program, backwards: list[Row]):
        self.program = program
        self.backwards = backwards
        self.origin = {out: row.inputs[0] for row in program.rows if row.kind == "copy" for out in row.out}

    def before_copies(self, value: int | None) -> int | None:
        while value in self.origin:
            value = self.origin[value]
        return value

    def reader(
        self, gradient: int, kinds: tuple[str, ...], shape: tuple[int, ...] | None = None
    ) -> tuple[Row, int] | None:
        """Return the row of one of these kinds that reads a gradient, and the gradient that it gives, of that shape."""
        for row in self.readers(gradient, kinds):
            given = self._reshaped(row.out[0], shape)
            if given is not None:
                return row, given
        return None

    def readers(self, gradient: int, kinds: tuple[str, ...]) -> list[Row]:
        """Return the rows of these kinds that read a gradient, or a copy of it."""
        source = self._whole(self.before_copies(gradient))
        return [
            row
            for row in self.backwards
            if row.kind in kinds
            and source in [self._whole(self.before_copies(i)) for i in row.inputs]
            and not (row.kind == "view" and self._whole(row.out[0]) == source)
            and not (row.kind == "scatter_add" and row.inputs[0] is not None)  # a sum of several gradients
        ]

    def _reshaped(self, value: int, shape: tuple[int, ...] | None) -> int | None:
        """Return the value, or what it was reshaped into, of that shape, or at least of as many numbers."""
        if shape is None or self.program.shape(value) == shape:
            return value
        for row in self.backwards:
            if row.kind == "view" and row.inputs[0] == value and self.program.shape(row.out[0]) == shape:
                return row.out[0]
        return value if math.prod(self.program.shape(value)) == math.prod(shape) else None

    def _whole(self, value: int | None) -> int | None:
        """Return what a value was before it was given another shape."""
        for row in self.backwards:
            if row.kind == "view" and row.out[0] == value and _is_flat(row):
                source = row.inputs[0]
                if math.prod(self.program.shape(value)) == math.prod(self.program.shape(source)):
                    return source
        return value

    def sum_of(self, gradients: list[int]) -> tuple[Row, int] | None:
        """Return the row that ends the sum of these gradients, and the sum."""
        left = {self._whole(self.before_copies(g)) for g in gradients}
        last = None
        for row in self.backwards:
            terms = {self._whole(self.before_copies(i)) for i in row.inputs}
            if row.kind == "add" and terms <= left:
                left = left - terms | {row.out[0]}
                last = row
        return None if last is None or len(left) > 1 else (last, last.out[0])

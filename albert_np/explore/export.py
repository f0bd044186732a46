"""What the page is given: rows, names and sources as JSON, numbers as one block of bytes."""

import inspect
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

import numpy as np

from albert_np import ops
from albert_np.explore.engine import compute
from albert_np.explore.rows import Program, Row, window_of

__all__ = ["Arrays", "Json", "export_rows", "fingerprint"]

Json = dict[str, Any]  # an object of the page's data
LARGEST = 1e29
AGREE = 1e-9  # how far an array may be from what it should be, relative to its largest number


class Arrays:
    """The numbers of a page: each array once, in the smallest float that holds it exactly."""

    def __init__(self) -> None:
        self.table: list[Json] = []
        self.chunks: list[bytes] = []
        self._length = 0
        self._known: dict[tuple[str, tuple[int, ...], bytes], int] = {}

    def add(self, x: np.ndarray) -> int:
        """Take in an array; returns its number."""
        name, stored = _smallest(np.ascontiguousarray(x))
        data = stored.tobytes()
        key = (name, x.shape, data)
        if key not in self._known:
            self._known[key] = len(self.table)
            self.table.append({"dtype": name, "shape": list(x.shape), "offset": self._length, "length": len(data)})
            padding = -len(data) % 8  # typed arrays want their bytes aligned
            self.chunks += [data, bytes(padding)]
            self._length += len(data) + padding
        return self._known[key]

    def blob(self) -> bytes:
        """Return all arrays' bytes, little-endian."""
        return b"".join(self.chunks)


def _smallest(x: np.ndarray) -> tuple[str, np.ndarray]:
    if x.dtype.kind == "b":
        return "u8", x.astype("u1")
    if x.dtype.kind in "iu":
        return "i32", x.astype("<i4")
    for name, dtype in (("f16", "<f2"), ("f32", "<f4")):
        with np.errstate(over="ignore"):
            if (x.astype(dtype) == x).all():
                return name, x.astype(dtype)
    return "f64", x.astype("<f8")


def fingerprint(x: np.ndarray) -> list[float]:
    """Return Σ x and Σ x cos(i + 1), i a number's place in the flat array; from LARGEST on it counts 0."""
    flat = _moderate(np.asarray(x, dtype=np.float64)).ravel()
    return [float(flat.sum()), float(flat @ np.cos(np.arange(1, flat.size + 1)))]


def _wrong(program: Program, row: Row) -> list[bool]:
    """Return, for each output of a row, whether it is not what the row's formula gives for the row's inputs."""
    inputs = [None if i is None else program.values[i].array for i in row.inputs]
    results = compute(row, inputs, [program.shape(i) for i in row.out])
    given = max((_size(x) for x in inputs if x is not None), default=0.0)
    return [not _agree(program.values[i].array, right, given) for i, right in zip(row.out, results, strict=True)]


def _agree(x: np.ndarray, right: np.ndarray, given: float) -> bool:
    """Whether two arrays are equal; what cancels to nothing may keep the rounding of what was `given`."""
    scale = max(_size(right), 1e-3 * given, 1e-30)
    return x.shape == right.shape and bool(np.abs(np.where(x == right, 0, x - right)).max(initial=0) <= AGREE * scale)


def _size(x: np.ndarray) -> float:
    return float(np.abs(_moderate(x)).max(initial=0))


def _moderate(x: np.ndarray) -> np.ndarray:
    """Return numbers without those that stand for infinity: the lowest of a dtype, in masks and forbidden logits."""
    return np.where(np.abs(x) < LARGEST, x, 0)


class _Values:
    """The values of a page, in the order in which its rows name them first."""

    def __init__(
        self, program: Program, arrays: Arrays, name_axes: Callable[[tuple[int, ...], Row | None, int], list[str]]
    ) -> None:
        self.table: list[Json] = []
        self.numbers: dict[int, int] = {}  # value → its place in the table
        self._program, self._arrays, self._name_axes = program, arrays, name_axes

    def number(self, value: int | None, row: Row | None, made: bool = False) -> int | None:
        """Return the place of a value that a row reads, or has `made`; None for none."""
        if value is None:
            return None
        if value not in self.numbers:
            self.numbers[value] = len(self.table)
            held = self._program.values[value]
            entry: Json = {"name": held.name or self._seen_as(row, made), "shape": list(held.array.shape)}
            entry["axes"] = self._name_axes(held.array.shape, row, value)
            if made:
                entry["print"] = fingerprint(held.array)
            elif held.param is None:
                entry["const"] = self._arrays.add(held.array)
            self.table.append(entry)
        return self.numbers[value]

    def _seen_as(self, row: Row | None, made: bool) -> str:
        """Return the name of a matrix turned, or of an array in another shape, that has none of its own."""
        if row is None or not made or row.kind != "view":
            return ""
        name: str = self.table[self.numbers[row.inputs[0]]]["name"]  # type: ignore[index]
        source, shape = self._program.shape(row.inputs[0]), self._program.shape(row.out[0])
        places = np.arange(math.prod(source)).reshape(source)
        if places.size == math.prod(shape) and window_of(places.reshape(shape)) == row.attrs:
            return name
        turned = places.ndim == 2 and places.T.shape == shape and window_of(places.T) == row.attrs
        return f"{name}ᵀ" if name and turned else ""


def export_rows(
    program: Program, arrays: Arrays, name_axes: Callable[[tuple[int, ...], Row | None, int], list[str]]
) -> Json:
    """Return `values`, `rows`, `sources` and `stops` of a page, and `numbers`: a value's number there."""
    sources, values = _Sources(), _Values(program, arrays, name_axes)
    steps = _steps(program)
    rows: list[Json] = []
    for row in program.rows:
        block, label = _block(row, program, steps), _label(row)
        entry = {
            "kind": row.kind,
            "phase": "backward" if row.backward else "forward",
            "in": [values.number(i, row) for i in row.inputs],
            "out": [values.number(i, row, made=True) for i in row.out],
            "attrs": row.attrs,
            "block": block,
            "label": label,
            "mirror": row.mirror,
            **sources.of(row),
        }
        wrong = _wrong(program, row)
        if any(wrong):
            entry["differs"] = [
                arrays.add(program.values[i].array) if bad else None for i, bad in zip(row.out, wrong, strict=True)
            ]
        rows.append(entry)
    for value, gradient in program.gradient_of.items():
        if value in values.numbers and gradient in values.numbers:
            values.table[values.numbers[value]]["grad"] = values.numbers[gradient]
    return {
        "numbers": values.numbers,
        "values": values.table,
        "rows": rows,
        "sources": sources.table,
        "stops": _stops(program, rows),
    }


_SILENT = ("view", "stack", "concat", "take")


def is_stop(program: Program, row: Row) -> bool:
    """Whether the walk stops at a row: not where numbers only change places, unless some are left out or put back."""
    if row.kind == "view":
        whole = np.prod(program.shape(row.inputs[0]))
        alone = sum(row.inputs[0] in other.inputs for other in program.rows if other.backward == row.backward) == 1
        return bool(np.prod(program.shape(row.out[0])) < whole and alone)
    return row.kind not in _SILENT


def _stops(program: Program, rows: list[Json]) -> list[Json]:
    walked = [i for i, row in enumerate(program.rows) if is_stop(program, row)]
    stops: list[Json] = []
    for i in walked:
        entry = {key: rows[i][key] for key in ("phase", "block", "label")}
        mirror = program.rows[i].mirror
        stops.append({**entry, "rows": [i], "mirror": walked.index(mirror) if mirror in walked else None})
    return stops


# Where in the model a row lies.

_BLOCKS = {
    "embeddings": "embeddings", "pooler": "pooler", "mlm": "MLM head", "mlm_loss": "MLM head", "span": "span head",
    "start_logits": "start logits", "end_logits": "end logits", "answer_class": "answerability", "span_loss": "loss",
    "answer_loss": "loss",
}  # fmt: skip


def _steps(program: Program) -> dict[int, int]:
    """Return, for the order of each call of a layer, forward or backward, which step it is, from 1."""
    steps: dict[int, int] = {}
    for function, reverse in (("layer_forward", False), ("layer_backward", True)):
        calls = {call.order for row in program.rows if row.call and (call := row.call.within(function))}
        for i, order in enumerate(sorted(calls, reverse=reverse)):
            steps[order] = i + 1
    return steps


def _block(row: Row, program: Program, steps: dict[int, int]) -> list[str]:
    mirror = None if row.mirror is None else program.rows[row.mirror]
    if row.backward and mirror is not None and not mirror.backward:
        row = mirror
    if row.call is None:
        return []
    if not row.call.function:  # a reader's own
        return [row.call.code.co_name]
    way = "backward" if row.backward else "forward"
    layer = row.call.within(f"layer_{way}")
    if layer is not None:
        return [f"step {steps[layer.order]}", *_part(row, way)]
    for function, block in _BLOCKS.items():
        if row.call.within(f"{function}_{way}"):
            return [block]
    classifier = row.call.within(f"classifier_{way}")
    if classifier is not None:
        return ["SOP head" if classifier.prefix.startswith("sop") else "classifier"]
    if row.call.within(f"encoder_{way}"):
        return ["mapping"]
    return ["trunk"] if row.backward or row.kind in ("copy", "view", "scatter", "put") else ["loss"]


def _part(row: Row, way: str) -> list[str]:
    assert row.call is not None
    for function, part in (("attention_branch", "attention"), ("feed_forward_branch", "feed-forward")):
        if row.call.within(f"{function}_{way}"):
            return [part]
    if row.kind.startswith("layer_norm"):
        return ["attention norm" if row.call.prefix.endswith("attention.LayerNorm.") else "norm"]
    return ["around"]


def _label(row: Row) -> str:
    kind = row.kind.removesuffix("_backward")
    if kind in ("linear", "embedding") and row.call is not None and row.call.prefix:
        *before, last = row.call.prefix.rstrip(".").split(".")
        return f"{kind}:{'attention.dense' if [*before[-1:], last] == ['attention', 'dense'] else last}"
    if kind in ("view", "gather", "take"):
        return "pick"
    return "scatter" if kind == "put" and row.inputs[0] is None else kind


# The code that a row comes from.


_WRAPPERS = ("dense", "norm", "lookup", "activation")  # that do nothing but call a pair with a scope's weights


class _Sources:
    """Functions' sources, each once."""

    def __init__(self) -> None:
        self.table: list[Json] = []
        self._known: dict[CodeType, int | None] = {}

    def of(self, row: Row) -> Json:
        """Return `code`, `lines` and `caller` of a row's entry, and `equation` where the docstring names one."""
        function = _function(row)
        call, line = row.call, row.line
        entry: Json = {}
        if function is not None:
            entry["code"] = self._add(inspect.unwrap(function).__code__)
            entry["equation"] = _equation(function)
            while call is not None and call.parent is not None and call.function.rsplit("_", 1)[0] in _WRAPPERS:
                call, line = call.parent, call.line
        elif call is not None:
            entry["code"], entry["line"] = self._add(call.code), line
            entry["equation"] = _equation_in(self.table[entry["code"]]["lines"]) if entry["code"] is not None else None
            line, call = call.line, call.parent
        if call is not None:
            entry["caller"] = {"source": self._add(call.code), "line": line}
        return {key: value for key, value in entry.items() if value is not None}

    def _add(self, code: CodeType) -> int | None:
        if code not in self._known:
            try:
                lines, first = inspect.getsourcelines(code)
            except (OSError, TypeError):  # typed into an interpreter that keeps no source
                self._known[code] = None
                return None
            file = code.co_filename.replace("\\", "/").rpartition("/")[2]
            self._known[code] = len(self.table)
            text = textwrap.dedent("".join(lines)).rstrip().split("\n")
            self.table.append({"function": code.co_name, "file": file, "first": first, "lines": text})
        return self._known[code]


def _function(row: Row) -> Callable[..., Any] | None:
    """Return the function whose formula a row is; None for arithmetic, which lies in its caller."""
    kind = row.kind.removesuffix("_backward")
    if kind == "activation":
        act = ops.ACTIVATIONS[row.attrs["name"]]
        return act.slope if row.backward else act.value
    if kind in ("scores", "context"):
        return None
    function = getattr(ops, row.kind if row.kind.endswith("_backward") else f"{row.kind}_forward", None)
    return function if hasattr(function, "__code__") else None


def _equation(function: Callable[..., Any]) -> dict[str, str] | None:
    return _equation_in((function.__doc__ or "").split("\n"))


def _equation_in(lines: Sequence[str]) -> dict[str, str] | None:
    found = re.search(r"notebook\s+(\d\d),\s+eq\.\s+([\d.]+\d)", " ".join(line.strip() for line in lines))
    return None if found is None else {"notebook": found[1], "number": found[2]}

"""From the steps of a tape to rows.

A pair of `ops` is a row of its own kind; attention is three pairs, scores, softmax and context. What stands between
pairs becomes a row of arithmetic, or a move of numbers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from albert_np.explore.rows import Attrs, Row, window_of
from albert_np.explore.tape import Call, Number, Step, Tape, TapeArray

__all__ = ["rows_of"]


def rows_of(tape: Tape) -> list[Row]:
    """Return a row for each step, in order; ValueError names a function of NumPy's that no kind explains."""
    return _Translation(tape).rows()


# Kinds of pairs: what a row reads and makes, from a call's arguments, what it returned, and its cache.

_FORWARD: dict[str, Callable[..., tuple[list[Any], list[Any], Attrs]]] = {
    "embedding": lambda c, ids, weight, padding_idx: ([ids, weight], [], {}),
    "linear": lambda c, x, weight, bias: ([x, weight, bias if isinstance(bias, Number) else None], [], {}),
    "layer_norm": lambda c, x, weight, bias, eps: ([x, weight, bias], [c.x_hat, c.rstd], {"eps": eps}),
    "activation": lambda c, x, name: ([x], [], {"name": name}),
    "tanh": lambda c, x: ([x], [], {}),
    "softmax": lambda c, x: ([x], [], {}),
    "dropout": lambda c, x, prob, rng: ([x, c.kept], [], {"scale": c.scale}),
    "cross_entropy": lambda c, logits, labels, ignore_index, denominator: (
        [logits, labels], [c.probs], {"ignore_index": ignore_index, "denominator": c.denominator}
    ),
    "soft_cross_entropy": lambda c, logits, targets, denominator: (
        [logits, targets], [c.probs], {"denominator": c.denominator}
    ),
    "binary_cross_entropy": lambda c, x, labels, denominator: ([x, labels], [], {"denominator": c.denominator}),
    "mean_squared_error": lambda c, x, labels, denominator: ([x, labels], [], {"denominator": c.denominator}),
}  # fmt: skip

_BACKWARD: dict[str, Callable[..., tuple[list[Any], Attrs]]] = {
    "embedding": lambda dy, c, f: ([dy, c.ids], {"padding_idx": c.padding_idx}),
    "linear": lambda dy, c, f: ([dy, c.x, c.weight], {}),
    "layer_norm": lambda dy, c, f: ([dy, c.x_hat, c.rstd, c.weight], {}),
    "activation": lambda dy, c, f: ([dy, c.x], {"name": c.name}),
    "tanh": lambda dy, c, f: ([dy, c.y], {}),
    "softmax": lambda dy, c, f: ([dy, c.probs], {}),
    "dropout": lambda dy, c, f: ([dy, c.kept], {"scale": c.scale}),
    "cross_entropy": lambda dloss, c, f: ([c.probs, f.inputs[1]], {**f.attrs, "dloss": float(dloss)}),
    "soft_cross_entropy": lambda dloss, c, f: ([c.probs, c.targets], {**f.attrs, "dloss": float(dloss)}),
    "binary_cross_entropy": lambda dloss, c, f: (f.inputs, {**f.attrs, "dloss": float(dloss)}),
    "mean_squared_error": lambda dloss, c, f: (f.inputs, {**f.attrs, "dloss": float(dloss)}),
}

# Functions of NumPy's that move numbers and compute nothing.
_MOVES = (
    "getitem reshape transpose swapaxes ravel flatten broadcast_to squeeze expand_dims moveaxis T copy astype repeat "
    "take take_along_axis tile flip roll ascontiguousarray atleast_2d"
).split()
_ARITHMETIC = {
    "add": "add", "sub": "subtract", "subtract": "subtract", "mul": "multiply", "multiply": "multiply",
    "truediv": "divide", "divide": "divide", "true_divide": "divide", "pow": "power", "power": "power",
    "neg": "negative", "negative": "negative", "abs": "abs", "absolute": "abs", "exp": "exp", "log": "log",
    "log1p": "log1p", "expm1": "expm1", "sin": "sin", "cos": "cos",
    "sqrt": "sqrt", "square": "square", "tanh": "tanh", "sign": "sign", "maximum": "maximum",
    "minimum": "minimum", "erf": "erf", "reciprocal": "reciprocal", "gt": "greater", "greater": "greater",
    "lt": "less", "less": "less", "ge": "greater_equal", "greater_equal": "greater_equal", "le": "less_equal",
    "less_equal": "less_equal",
}  # fmt: skip
_LOGIC: dict[str, tuple[Any, ...]] = {  # of conditions, which are 1 and 0
    "and": ("multiply",), "logical_and": ("multiply",), "bitwise_and": ("multiply",), "or": ("maximum",),
    "logical_or": ("maximum",), "bitwise_or": ("maximum",), "invert": ("subtract", 1.0),
    "logical_not": ("subtract", 1.0),
}  # fmt: skip
_OF_VECTORS = {"outer": "i,j->ij", "inner": "i,i->", "vdot": "i,i->"}
_REDUCTIONS = "sum mean max min prod var std amax amin".split()
_CONSTANT = (  # what does not change with the numbers, or not smoothly
    "zeros_like ones_like full_like empty_like shape ndim size eq ne equal not_equal allclose isclose isfinite isnan "
    "any all argmax argmin argsort array_equal nonzero flatnonzero"
).split()


class _Translation:
    """Turns the steps of a tape into rows, one after the other."""

    def __init__(self, tape: Tape):
        self.tape = tape

    def rows(self) -> list[Row]:
        rows: list[Row] = []
        for i, step in enumerate(self.tape.steps):
            for row in self._pair(step, rows) if step.cache is not None else self._arithmetic(step):
                row.call, row.line, row.backward = step.call, step.line, i >= self.tape.turn
                rows.append(row)
        return _with_attention(rows, self.tape)

    def number(self, x: Any) -> int | None:
        """Return the number of an array, constants included; None for None."""
        if x is None or isinstance(x, int):
            return x
        number: int = x.value if isinstance(x, Number) else self.tape.number(x).value
        return number

    def _pair(self, step: Step, rows: list[Row]) -> list[Row]:
        op, way = step.name.rsplit("_", 1)
        if op == "dropout" and step.cache.kept is None:
            return []  # nothing dropped: the array itself comes back
        if way == "forward":
            inputs, more, attrs = _FORWARD[op](step.cache, *step.operands)
            out = [*step.results, *(self.tape.number(x).value for x in more)]
            return [Row(op, list(map(self.number, inputs)), out, attrs, caches=[step.cache])]
        forward = next((r for r in rows if any(c is step.cache for c in r.caches)), None)
        inputs, attrs = _BACKWARD[op](step.operands[0], step.cache, forward)
        inputs = list(map(self.number, inputs))
        return [Row(f"{op}_backward", inputs, list(step.results), attrs, caches=[step.cache])]

    def _arithmetic(self, step: Step) -> list[Row]:
        if step.name in _CONSTANT or (step.name == "where" and len(step.operands) == 1):
            for number in step.results:
                self.tape.values[number].live = False
            return []
        return self._clip(step) if step.name == "clip" else [self._row(step)]

    def _row(self, step: Step) -> Row:
        name = step.name
        if name in _MOVES:
            return self._move(step)
        if name in ("put", "setitem", "put_along_axis", "add_at"):
            return self._put(step)
        if name in _LOGIC and all(self.plain(x).dtype == bool for x in step.operands):
            return self._elementwise((*_LOGIC[name][1:], *step.operands), step.results, _LOGIC[name][0])
        if name in _ARITHMETIC:
            return self._elementwise(step.operands, step.results, _ARITHMETIC[name])
        if name in _REDUCTIONS:
            return self._reduction(step, name.removeprefix("a"))
        if name in ("stack", "concatenate"):
            axis = step.options.get("axis", step.operands[1] if len(step.operands) > 1 else 0)
            parts = [x.value for x in step.operands[0]]
            ndim = self.tape.values[step.results[0]].array.ndim
            kind = "stack" if name == "stack" else "concat"
            return Row(kind, parts, list(step.results), {"axis": int(axis) % ndim})
        if name in ("matmul", "dot"):
            return Row("matmul", [x.value for x in step.operands], list(step.results))
        if name == "einsum":
            subscripts, *operands = step.operands
            return Row("einsum", [x.value for x in operands], list(step.results), {"subscripts": subscripts})
        if name in _OF_VECTORS and all(self.plain(x).ndim == 1 for x in step.operands):
            subscripts = {"subscripts": _OF_VECTORS[name]}
            return Row("einsum", [x.value for x in step.operands], list(step.results), subscripts)
        if name == "where":
            condition, x, other = step.operands
            attrs = {key: float(y) for key, y in (("value", x), ("fill", other)) if not isinstance(y, Number)}
            inputs = [self._given(x), condition.value, self._given(other)]
            return Row("where", inputs[:2] if inputs[2] is None else inputs, list(step.results), attrs)
        raise self._refusal(step, f"numpy.{name} is not one of the operations that can be walked through")

    def _refusal(self, step: Step, why: str) -> ValueError:
        place = f"{step.call.code.co_filename}:{step.line}" if step.call else "the pass"
        return ValueError(f"{place}: {why}")

    def _given(self, x: object) -> int | None:
        return x.value if isinstance(x, Number) else None

    def _move(self, step: Step) -> Row:
        """A move of numbers: a window with strides where it is one, else rows picked by their numbers."""
        source, *rest = step.operands
        x = self.tape.values[source.value].array
        places = np.arange(x.size).reshape(x.shape)
        given = [self.plain(value) for value in rest]
        options = {key: self.plain(value) for key, value in step.options.items()}
        if step.name != "astype":
            places = np.asarray(step.function(places, *given, **options))  # type: ignore[misc]
        window = window_of(places)
        if window is not None:
            return Row("view", [source.value], list(step.results), window)
        rows = _row_numbers(places, x)
        if rows is not None:
            return Row("gather", [source.value], list(step.results), {"index": rows["index"]})
        return Row("take", [source.value], list(step.results), {"index": places.ravel().tolist()})

    def _put(self, step: Step) -> Row:
        """Part of an array replaced: a window of it, or rows by their numbers."""
        base, value = step.operands[0], step.operands[2 if step.name == "put_along_axis" else -1]
        target = self.tape.values[base.value].array
        places = np.arange(target.size).reshape(target.shape)
        index = self.plain(step.operands[1])
        if step.name == "put":
            places = np.asarray(step.function(places))  # type: ignore[misc]
        elif step.name == "put_along_axis":
            places = np.take_along_axis(places, index, *step.operands[3:], **step.options)
        else:
            places = np.asarray(places[index])
        held = self.tape.values[base.value]
        zeros = not held.live and not held.array.any()
        part = self.number(value if isinstance(value, Number) else np.asarray(float(value)))
        inputs = [None if zeros else base.value, part]
        where = _row_numbers(places, target) or _place_numbers(places)
        if step.name == "add_at":
            return Row("scatter_add", inputs, list(step.results), where)
        window = window_of(places)
        if window is not None:
            return Row("put", inputs, list(step.results), {**window, "shape": list(places.shape)})
        return Row("scatter", inputs, list(step.results), where)

    def _clip(self, step: Step) -> list[Row]:
        """A number that is not below one bound, then not above the other."""
        x, low, high, *more = (*step.operands, None, None)[: max(3, len(step.operands))]
        options = dict(step.options)
        low = options.pop("a_min", options.pop("min", low))
        high = options.pop("a_max", options.pop("max", high))
        bounds = [(f, bound) for f, bound in (("maximum", low), ("minimum", high)) if bound is not None]
        if not bounds or more or options:
            raise self._refusal(step, "numpy.clip can be walked through with one or two bounds, and nothing else")
        rows: list[Row] = []
        for i, (function, bound) in enumerate(bounds):
            results = step.results
            if i + 1 < len(bounds):
                between = TapeArray(np.maximum(self.plain(x), self.plain(bound)))
                results = (self.tape.add(between, live=True),)
            rows.append(self._elementwise((x, bound), results, function))
            x = Number(results[0])
        return rows

    def _elementwise(self, operands: tuple[Any, ...], results: tuple[int, ...], function: str) -> Row:
        scalars = [side for side, x in enumerate(operands) if not isinstance(x, Number)]
        inputs: list[int | None] = [x.value for x in operands if isinstance(x, Number)]
        attrs: Attrs = {"f": function}
        if scalars:
            attrs |= {"scalar": float(operands[scalars[0]]), "side": scalars[0]}
        kind = "add" if function == "add" and not scalars else "elementwise"
        return Row(kind, inputs, list(results), attrs if kind == "elementwise" else {})

    def _reduction(self, step: Step, function: str) -> Row:
        source, *rest = step.operands
        ndim = self.tape.values[source.value].array.ndim
        axis = step.options.get("axis", rest[0] if rest else None)
        axes = range(ndim) if axis is None else [axis] if isinstance(axis, int) else axis
        if step.options.get("ddof") or len(rest) > 1:
            raise ValueError(f"numpy.{step.name} with more arguments than axis and keepdims cannot be walked through")
        attrs = {"axes": sorted(int(a) % ndim for a in axes), "keepdims": bool(step.options.get("keepdims", False))}
        kind = "sum" if function == "sum" else "reduce"
        return Row(kind, [source.value], list(step.results), attrs if kind == "sum" else {"f": function, **attrs})

    def plain(self, x: Any) -> Any:
        """Return a constant among the operands as NumPy's array."""
        if isinstance(x, Number):
            return self.tape.values[x.value].array
        return type(x)(map(self.plain, x)) if type(x) in (tuple, list) else x


def _row_numbers(places: np.ndarray, source: np.ndarray) -> Attrs | None:
    """Return places in a flat array as numbers of rows along the source's first axis, where they are whole rows."""
    width = source.size // len(source)
    if source.ndim < 2 or places.size % width:
        return None
    rows = places.reshape(-1, width)
    whole = (rows == rows[:, :1] + np.arange(width)).all() and not (rows[:, 0] % width).any()
    return {"index": (rows[:, 0] // width).tolist(), "rows": True} if whole else None


def _place_numbers(places: np.ndarray) -> Attrs:
    return {"index": places.ravel().tolist(), "rows": False}


def _with_attention(rows: list[Row], tape: Tape) -> list[Row]:
    """Put scores and context in place of the arithmetic inside calls of attention, forward and backward."""
    result: list[Row] = []
    inside: dict[int, list[Row]] = {}
    for row in rows:
        if (call := _attention_of(row)) is not None:
            inside.setdefault(call.order, []).append(row)
    for row in rows:
        call = _attention_of(row)
        group = inside.get(call.order, []) if call is not None else []
        pair = [r for r in group if r.kind.startswith("softmax")]
        if call is None or len(pair) != 1:
            result.append(row)
        elif row is group[0]:
            merge = _attention_forward if call.function == "attention_forward" else _attention_backward
            result += merge(call, group, tape)
    return result


def _attention_of(row: Row) -> Call | None:
    """Return the call of attention that a row is part of, itself or inside a product."""
    call = row.call
    if call is not None and call.function not in ("attention_forward", "attention_backward"):
        call = call.parent
    return call if call is not None and call.function in ("attention_forward", "attention_backward") else None


def _line_in(call: Call, row: Row) -> int:
    """Return the line of a call's own code at which a row was computed, itself or inside a product."""
    return row.line if row.call is None or row.call is call else row.call.line


def _attention_forward(call: Call, group: list[Row], tape: Tape) -> list[Row]:
    query, key, value, mask = (x.value if isinstance(x, Number) else x for x in list(call.arguments.values())[:4])
    context, cache = call.returned
    softmax = next(row for row in group if row.kind == "softmax")
    dropout = [row for row in group if row.kind == "dropout"]
    mask = None if mask is None else tape.number(mask).value
    line = softmax.line
    return [
        Row("scores", [query, key, mask], [softmax.inputs[0]], {}, call, line, caches=[cache]),  # type: ignore[list-item]
        softmax,
        *dropout,
        Row(
            "context",
            [(dropout or [softmax])[-1].out[0], value],
            [context.value],
            {},
            call,
            _line_in(call, group[-1]),
            caches=[cache],
        ),
    ]


def _attention_backward(call: Call, group: list[Row], tape: Tape) -> list[Row]:
    dcontext, cache = list(call.arguments.values())[:2]
    dquery, dkey, dvalue = (x.value for x in call.returned)
    softmax = next(row for row in group if row.kind == "softmax_backward")
    dropout = [row for row in group if row.kind == "dropout_backward"]
    ddropped = (dropout or [softmax])[0].inputs[0]
    first = [dcontext.value, cache.dropped.value, cache.value.value]
    last = [softmax.out[0], cache.query.value, cache.key.value]
    assert ddropped is not None
    return [
        Row("context_backward", first, [ddropped, dvalue], {}, call, _line_in(call, group[0]), True, [cache]),
        *dropout,
        softmax,
        Row("scores_backward", last, [dquery, dkey], {}, call, _line_in(call, group[-1]), True, [cache]),
    ]

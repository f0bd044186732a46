"""The tape of one pass: an array library whose arrays write down what is done to them, and by whom.

The model runs on tape arrays as it runs on NumPy's or CuPy's. What one of the pairs of `ops` does is one step of the
tape, with its inputs and outputs; what stands between them (a sum, a slice, a transposition) is a step each. Functions
are followed by the interpreter's profiling hook, which is given back as it was found.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np

from albert_np import heads, layers, model, ops
from albert_np.backend import register
from albert_np.execution.strict import StrictArray, boxed_backend
from albert_np.params import ParamStore, Scope

__all__ = ["Call", "Step", "Tape", "TapeArray", "Value"]


class TapeArray(StrictArray):
    """An array that tells the running tape what is done to it; NumPy's functions and arrays are welcome."""

    tape: ClassVar["Tape | None"] = None
    value: int | None = None  # its number on the tape, of what it holds now
    parent: "tuple[TapeArray, Callable[[Any], Any]] | None" = None  # what it is a view of, and how it was taken

    @classmethod
    def compute(
        cls,
        name: str,
        function: Callable[..., Any],
        operands: Sequence[Any],
        options: Mapping[str, object] | None = None,
        in_place: bool = False,
    ) -> Any:
        tape = cls.tape
        if tape is None or tape.inside_pair:
            return super().compute(name, function, operands, options, in_place)
        changes = in_place or name == "setitem"
        if changes:
            tape.hold(operands[0])
        result = super().compute(name, function, operands, options, in_place)
        tape.write(Done(name, function, operands, options or {}, _arrays(operands[0] if changes else result), changes))
        return result

    @classmethod
    def unwrapped(cls, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value
        return super().unwrapped(value)

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "a recorded array met one of NumPy's that cannot take it, such as np.zeros or np.array makes: begin with "
            "np.zeros_like of a recorded one"
        )

    def __float__(self) -> float:
        if self.tape is not None and self.tape.followed and not self.tape.inside_pair and self.tape.is_live(self):
            raise TypeError("float(…) takes a number out of the recording: keep it an array")
        return super().__float__()

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        target = options.pop("out", (None,))[0]
        if method == "__call__":
            name, function = ufunc.__name__, ufunc
        elif method == "reduce":
            names = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}
            name, function = names.get(ufunc.__name__, ufunc.__name__), ufunc.reduce
        elif method == "at" and ufunc is np.add:
            base, *rest = operands
            base = self.tape.standing_for(base) if self.tape and isinstance(base, np.ndarray) else base
            self.compute("add_at", ufunc.at, (base, *rest), in_place=True)
            return None
        else:
            raise TypeError(
                f"np.{ufunc.__name__}.{method} cannot be walked through; to add numbers at ids, write np.add.at"
            )
        result = self.compute(name, function, operands, options)
        if target is None:
            return result
        target[...] = result
        return target

    def __array_function__(
        self, function: Callable[..., Any], _types: object, operands: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        if function in _CHANGING:
            raise TypeError(
                f"np.{function.__name__} changes an array in a way that cannot be walked through: write x[…] = …"
            )
        return self.compute(function.__name__, function, operands, options, in_place=function is np.put_along_axis)


_CHANGING = (np.copyto, np.put, np.place, np.putmask, np.fill_diagonal)

register(boxed_backend("tape", TapeArray))


@dataclass(eq=False)
class Call:
    """One call of a function that is followed."""

    code: CodeType
    parent: "Call | None"
    line: int  # of the parent, where it was made
    arguments: dict[str, Any]  # by name; an array by its number on the tape, see `Tape.number`
    order: int  # how many calls were made before it
    place: int  # of the parent's code, in bytes
    function: str  # the name by which the package knows it; "" for a reader's own
    returned: Any = None

    @property
    def prefix(self) -> str:
        """The prefix of the parameters, or of their gradients, that it was given."""
        scopes = [value for value in self.arguments.values() if isinstance(value, Scope)]
        return scopes[0].prefix if scopes else ""

    def within(self, function: str) -> "Call | None":
        """Return the innermost call of that name that it is, or lies, in."""
        call: Call | None = self
        while call is not None and call.function != function:
            call = call.parent
        return call


@dataclass
class Value:
    """What an array held at one moment."""

    array: np.ndarray
    live: bool  # it depends on parameters or on upstream gradients
    name: str = ""  # of a local variable that held it
    param: str | None = None


class Done(NamedTuple):
    """One function of NumPy's that has just run on tape arrays."""

    name: str
    function: Callable[..., Any]
    operands: Sequence[Any]
    options: Mapping[str, object]
    results: list[TapeArray]
    changed: bool  # the first operand, which is the result then


class Number(NamedTuple):
    """An array among the arguments of a call or the operands of a step, by its number on the tape."""

    value: int


class Step(NamedTuple):
    """Something done to arrays: a pair's call (`pair` is set), or one function of NumPy's."""

    name: str  # linear_forward, …, or add, reshape, getitem, …
    operands: tuple[Any, ...]
    options: dict[str, Any]
    results: tuple[int, ...]
    function: Callable[..., Any] | None
    call: Call | None
    line: int  # of the call's function
    place: int  # of its code, in bytes: the same each time round a loop
    cache: Any = None  # of a pair's call: what forward returned, or backward was given


class Contribution(NamedTuple):
    """`value`, added to the gradient of the parameter `name` (or put in its place)."""

    name: str
    value: int
    call: Call | None
    line: int


_OPS = (
    "embedding linear layer_norm activation tanh softmax dropout cross_entropy soft_cross_entropy binary_cross_entropy "
    "mean_squared_error"
)
PAIRS = {f"{op}_{way}" for op in _OPS.split() for way in ("forward", "backward")}  # that are one step each
_FOLLOWED = (Path(ops.__file__), Path(layers.__file__), Path(heads.__file__), Path(model.__file__).parent)


def _functions() -> dict[CodeType, str]:
    """Return the functions that stand in `ops`, `layers` and `heads` at this moment, by name: they may be replaced."""
    found = [pair for module in (heads, layers, ops) for pair in vars(module).items()]
    return {inspect.unwrap(function).__code__: name for name, function in found if hasattr(function, "__code__")}


@dataclass
class Tape:
    """Records a pass: `with tape.running(): …`."""

    values: list[Value] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    contributions: list[Contribution] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    followed: set[str] = field(default_factory=set)  # files of further functions to follow
    _stack: list[tuple[FrameType, Call]] = field(default_factory=list)
    _pair: str = ""  # that is running; what it does inside is not written down
    _gradients: dict[int, str] = field(default_factory=dict)  # id of a gradient's array → name
    _codes: dict[CodeType, str] = field(default_factory=dict)  # of the functions that are known by name
    _stand_ins: dict[int, TapeArray] = field(default_factory=dict)  # id of an array of NumPy's → see `standing_for`
    turn: int = sys.maxsize  # the number of steps before the backward pass

    @contextmanager
    def running(self) -> Iterator["Tape"]:
        """Record what is done to tape arrays inside the block."""
        self._codes = _functions()
        before, TapeArray.tape, profile = TapeArray.tape, self, sys.getprofile()
        sys.setprofile(self._event)
        try:
            yield self
        finally:
            sys.setprofile(profile)
            TapeArray.tape = before

    def parameters(self, params: ParamStore, grads: ParamStore) -> None:
        """Make a model's parameters, tied names and spans included, known by their names."""
        for name in params.layout.slots:
            stored = params.layout.ties.get(name, name)
            if name == stored:
                self.add(params[name], live=True, param=name)
            else:
                params[name].value = params[stored].value
            self._gradients[id(grads[name])] = stored

    def turn_back(self) -> None:
        """Say that the backward pass begins."""
        self.turn = len(self.steps)

    def add(self, array: TapeArray, live: bool, param: str | None = None) -> int:
        """Give what an array holds now the next number."""
        self.values.append(Value(array.inner.copy(), live, param=param))
        array.value = len(self.values) - 1
        return array.value

    def number(self, x: Any) -> Any:
        """Return an array, or each of a list of them, by its number; anything else as it is."""
        if isinstance(x, np.ndarray):
            x = self.known(x)
        if isinstance(x, TapeArray):
            return Number(self.add(x, live=False) if x.value is None else x.value)
        return type(x)(map(self.number, x)) if type(x) in (tuple, list) else x

    def standing_for(self, x: np.ndarray) -> TapeArray:
        """Return a tape array that shares the memory of one of NumPy's: it stands for it from now on."""
        self._stand_ins[id(x)] = self.known(x)
        return self._stand_ins[id(x)]

    def known(self, x: np.ndarray) -> TapeArray:
        """Return the tape array that stands for one of NumPy's; a constant where none does, or x was changed since."""
        held = self._stand_ins.get(id(x))
        unchanged = held is not None and held.value is not None and (self.values[held.value].array == x).all()
        return held if held is not None and unchanged else TapeArray(x)

    @property
    def inside_pair(self) -> bool:
        """Whether one of the pairs is running: what it does inside is not written down."""
        return bool(self._pair)

    def hold(self, array: TapeArray) -> None:
        """Remember what an array, and what it is a view of, held before it is changed."""
        self.number(array)
        if array.parent is not None:
            self.hold(array.parent[0])

    def write(self, done: Done) -> None:
        """Write down what was done, if it depends on parameters or upstream gradients."""
        target = done.operands[0]
        if done.changed and id(target) in self._gradients:
            self._contribute(self._gradients[id(target)], done.operands[-1])
            return
        if isinstance(target, TapeArray) and not done.changed:
            for array in done.results:
                if np.may_share_memory(array.inner, target.inner):
                    array.parent = (target, _taken(done))
        if not self.is_live([*done.operands, *done.options.values()]):
            if done.changed:
                self._forget(target)
        elif not (done.name == "setitem" and _is_place(target, done.operands)):  # what `x[i] += …` ends with
            numbers = tuple(self.number(x) for x in done.operands)
            options = {key: self.number(x) for key, x in done.options.items()}
            for array in done.results:
                self.add(array, live=True)
            self._append(done.name, numbers, options, done.results, done.function)
            if done.changed:
                self._tell_parents(target)

    def _forget(self, array: TapeArray) -> None:
        array.value = None
        if array.parent is not None:
            self._forget(array.parent[0])

    def _tell_parents(self, array: TapeArray) -> None:
        """What was changed through a view has changed what it is a view of."""
        while array.parent is not None:
            parent, taken = array.parent
            numbers = (self.number(parent), self.number(array))
            self.add(parent, live=True)
            self._append("put", numbers, {}, [parent], taken)
            array = parent

    def _append(
        self,
        name: str,
        operands: tuple[Any, ...],
        options: dict[str, Any],
        results: list[Any],
        function: Callable[..., Any],
    ) -> None:
        frame, call = self._stack[-1] if self._stack else (None, None)
        line, place = (0, 0) if frame is None else (frame.f_lineno, frame.f_lasti)
        numbers = tuple(array.value for array in results)
        self.steps.append(Step(name, operands, options, numbers, function, call, line, place))

    def _contribute(self, name: str, array: object) -> None:
        frame, call = self._stack[-1] if self._stack else (None, None)
        number = self.number(array)
        self.contributions.append(Contribution(name, number.value, call, 0 if frame is None else frame.f_lineno))

    def is_live(self, x: object) -> bool:
        """Whether an array, or one in a list, depends on parameters or upstream gradients."""
        if isinstance(x, np.ndarray):
            x = self.known(x)
        if isinstance(x, TapeArray):
            return x.value is not None and self.values[x.value].live
        return isinstance(x, tuple | list) and any(map(self.is_live, x))

    # Following functions.

    def _event(self, frame: FrameType, event: str, result: object) -> None:
        if event == "call" and not self._pair and self._is_followed(frame.f_code):
            self._enter(frame)
        elif event == "return" and self._stack and self._stack[-1][0] is frame:
            self._leave(frame, result)

    def _is_followed(self, code: CodeType) -> bool:
        if code in self._codes or code.co_filename in self.followed:
            return True
        path = Path(code.co_filename)
        return any(path == followed or followed in path.parents for followed in _FOLLOWED)

    def _enter(self, frame: FrameType) -> None:
        code = frame.f_code
        local = frame.f_locals
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        parent = self._stack[-1] if self._stack else None
        line, place = (0, 0) if parent is None else (parent[0].f_lineno, parent[0].f_lasti)
        arguments = {name: self._numbered(local[name]) for name in names if name in local}
        own = code.co_filename in self.followed  # a reader's, whatever its name: `softmax_forward` is not ops'
        name = self._codes.get(code, "" if own else code.co_name)
        call = Call(code, None if parent is None else parent[1], line, arguments, len(self.calls), place, name)
        self.calls.append(call)
        self._stack.append((frame, call))
        self._pair = name if name in PAIRS else ""

    def _numbered(self, x: Any) -> Any:
        """Return a live array by its number: a constant gets one only where it is used."""
        return self.number(x) if self.is_live(x) else x

    def _leave(self, frame: FrameType, result: Any) -> None:
        _, call = self._stack.pop()
        if self._pair:
            name, self._pair = self._pair, ""
            self._write_pair(name, call, result)
            return
        call.returned = result
        for name, x in dict(frame.f_locals).items():
            given = call.arguments.get(name)
            is_given = given is x or (isinstance(given, Number) and given.value == getattr(x, "value", None))
            if isinstance(x, TapeArray) and x.value is not None and not is_given:
                self.values[x.value].name = name

    def _write_pair(self, name: str, call: Call, result: Any) -> None:
        way = name.rpartition("_")[2]
        results = result[:1] if way == "forward" and type(result) is tuple else result
        cache = result[1] if way == "forward" else list(call.arguments.values())[1]
        held = [x for x in cache if isinstance(x, TapeArray)] if way == "forward" else []
        new = [x for x in (*_arrays(results), *held) if x.value is None]
        for array in new:
            self.add(array, live=array.inner.dtype.kind == "f")
        numbers = [self.number(array).value for array in _arrays(results)]
        step = Step(
            name, tuple(call.arguments.values()), {}, tuple(numbers), None, call.parent, call.line, call.place, cache
        )
        self.steps.append(step)
        call.returned = result


def _arrays(x: object) -> list[TapeArray]:
    if isinstance(x, TapeArray):
        return [x]
    return [array for each in x for array in _arrays(each)] if isinstance(x, tuple | list) else []


def _taken(done: Done) -> Callable[[Any], Any]:
    """Return the function that takes a view of another array as `done` did."""
    rest = [TapeArray.unwrapped(x) for x in done.operands[1:]]
    options = {key: TapeArray.unwrapped(x) for key, x in done.options.items()}
    return lambda x: done.function(x, *rest, **options)


def _is_place(target: TapeArray, operands: Sequence[Any]) -> bool:
    """Whether `target[index] = value` puts a view of the target back where it lies."""
    value = operands[-1]
    if not isinstance(value, TapeArray) or value.parent is None or value.parent[0] is not target:
        return False
    place = np.asarray(target.inner[TapeArray.unwrapped(operands[1])])
    return bool(place.ctypes.data == value.inner.ctypes.data and place.shape == value.inner.shape)

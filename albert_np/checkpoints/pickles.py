"""The pickle in a PyTorch file, read without running it.

A pickle is a program for a small stack machine, and Python's own machine calls whatever function the program names.
This one knows only the instructions and the names that a file of tensors needs, and calls nothing: what would make a
tensor makes a description of it.
"""

import pickletools
from collections.abc import Iterable
from typing import Any, BinaryIO, NamedTuple

__all__ = ["Storage", "Tensor", "read_pickle"]

# PyTorch's name of a block of numbers → the type of the numbers.
_STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
_NAMES = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    *_STORAGES,
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


class Storage(NamedTuple):
    """A block of `size` numbers that lies elsewhere in the file, under `key`."""

    dtype: str
    key: str
    size: int


class Tensor(NamedTuple):
    """A view of a storage: where it begins, its shape, and the step along each axis, all counted in numbers."""

    storage: Storage
    offset: int
    shape: tuple[Any, ...]
    strides: tuple[Any, ...]


class _Name(str):
    """A function or class, by its dotted name."""

    __slots__ = ()


def read_pickle(file: BinaryIO) -> object:
    """Return what the next pickle in `file` holds: dicts with text for keys, lists, tuples, text, numbers, `Tensor`s.

    Raises ValueError for a damaged pickle, and for an instruction or a name that tensors do not need.
    """
    try:
        return _run(pickletools.genops(file))
    except (LookupError, TypeError, AttributeError) as error:  # an empty stack, or things of the wrong kind on it
        raise ValueError(f"its pickle is damaged: {error!r}") from error


def _run(instructions: Iterable[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> object:
    stack: list[Any] = []
    marks: list[int] = []  # lengths of the stack
    memo: dict[int, object] = {}

    def since_mark() -> list[Any]:
        mark = marks.pop()
        items = stack[mark:]
        del stack[mark:]
        return items

    for instruction, argument, _ in instructions:
        match instruction.name:
            case "PROTO":
                pass
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_TUPLE":
                stack.append(_CONSTANTS[instruction.name])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(instruction.name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "APPEND" | "APPENDS":
                items = [stack.pop()] if instruction.name == "APPEND" else since_mark()
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = [stack.pop(-2), stack.pop()] if instruction.name == "SETITEM" else since_mark()
                _set_items(stack[-1], items)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(_name(argument))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(_result(stack.pop(), arguments))
            case "BUILD":  # attributes of a dict: Module.state_dict notes versions there
                stack.pop()
            case "STOP":
                return stack.pop()
            case other:
                raise ValueError(f"refuses the pickle instruction {other}, which tensors do not need")
    raise ValueError("its pickle has no end")


def _set_items(target: dict[str, object], items: list[object]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str):  # hashing a deeply nested tuple would exhaust the C stack
            raise ValueError(f"a key must be text, got a {type(key).__name__}")
        target[key] = value


def _name(argument: str) -> _Name:
    name = argument.replace(" ", ".", 1)
    if name not in _NAMES:
        raise ValueError(
            f"refuses {name[:80]}: tensors, as torch.save(model.state_dict(), path) writes them, do not need it"
        )
    return _Name(name)


def _storage(identity: object) -> Storage:
    match identity:
        case ("storage", _Name() as kind, str() as key, str(), int() as size, *views) if views in ([], [None]):
            return Storage(_STORAGES[kind], key, size)
    raise ValueError("refuses a reference to something that is not a storage")


def _result(function: object, arguments: Any) -> object:
    """Return what the function would: an empty dict, or a description of a tensor."""
    match function, arguments:
        case "collections.OrderedDict", ():
            return {}
        case "torch._utils._rebuild_tensor_v2", (Storage(), int(), tuple(), tuple(), _, _):
            return Tensor(*arguments[:4])
        case "torch._utils._rebuild_parameter", (Tensor() as tensor, _, _):
            return tensor
    name = function if isinstance(function, str) else type(function).__name__
    raise ValueError(f"refuses to call {name[:80]} with arguments that tensors do not need")

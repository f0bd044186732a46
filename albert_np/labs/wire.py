"""What passes between the grader and a submission: JSON and raw bytes, sizes checked before anything is allocated.

A message is one value: None, bool, int, float, complex, str, bytes, list, tuple, dict with keys of these, NumPy's
numbers, arrays of booleans, integers, floats and complex numbers, the types of numbers, and random generators of PCG64
(`default_rng`).
Types are taken exactly: an instance of a subclass is not one of these. Whatever else a value holds is passed as a
reference, which whoever sends and whoever receives must understand.

    prefix: 4 bytes magic, 4 bytes length of the header, 8 bytes length of the data
    header: JSON in ASCII; a value that JSON has not is an object of one key, its kind
    data:   the bytes of arrays, NumPy's numbers and `bytes`, one after the other in the order of the header

This file is loaded by the process of the submission too, where nothing else of the package is.
"""

import json
import math
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "GREATEST_HEADER",
    "Message",
    "Reference",
    "WireError",
    "decode",
    "encode",
    "holds",
    "pack",
    "receive",
    "send",
    "size",
]

Message = dict[str, Any]  # a request, a reply, or a call of a function that was given
Reference = list[Any]  # what stands for a value that is not passed itself
Refer = Callable[[Any], Reference]
Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Resolve = Callable[[Reference], Any]

PREFIX = struct.Struct("!4sIQ")
MAGIC = b"anp1"
GREATEST_HEADER = 2**20  # bytes; what a megabyte of JSON becomes in Python stays below 100 MB
TOO_MANY = "lists, dicts and texts of more than a megabyte; an array could hold numbers"
DEEPEST = 50  # lists in lists
KINDS = "?bhilqBHILQefdgFDG"
DTYPES = {name: np.dtype(name) for kind in KINDS for name in (np.dtype(kind).str, np.dtype(kind).newbyteorder().str)}
SCALARS = {np.dtype(kind).type for kind in KINDS}
TYPES = {kind.__name__: kind for kind in (bool, int, float, complex)} | {name: d.type for name, d in DTYPES.items()}
NAMES = {kind: name for name, kind in reversed(TYPES.items())}
KEYS = {str, int, float, bool, tuple, type(None), *SCALARS}  # of dicts

# Bound here, where nobody has changed NumPy or the standard library yet; a submission may do so.
_dumps, _loads, _clock = json.dumps, json.loads, time.monotonic
Array, _empty, _frombuffer, _contiguous, _byte = np.ndarray, np.empty, np.frombuffer, np.ascontiguousarray, np.uint8
NOTHING = _empty(0, _byte)
_dtype, _Generator, _PCG64 = np.dtype, np.random.Generator, np.random.PCG64


class WireError(ValueError):
    """A message that is not one, or a value that cannot be one."""


def no_reference(value: object) -> Reference:
    """Refuse a value that cannot be passed."""
    raise WireError(f"a {type(value).__name__} cannot be passed")


def encode(value: Any, refer: Refer = no_reference) -> tuple[bytes, list[memoryview]]:
    """Return the header and the pieces of data of a value; the pieces are views of its arrays, not copies.

    refer: from a value of another kind, what stands for it, itself a list of plain values. WireError if the value has
    more than a header can hold or is nested too deeply, and whatever `refer` raises.
    """
    pieces: list[memoryview] = []
    values = 0

    def plain(value: Any, depth: int) -> Any:
        nonlocal values
        values += 1
        if depth > DEEPEST:
            raise WireError(f"lists or dicts more than {DEEPEST} deep")
        if values > GREATEST_HEADER // 3:  # "0, " is the shortest that a list holds
            raise WireError(TOO_MANY)
        kind = type(value)
        if value is None or kind is bool or kind is float or kind is str:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**63 else {"int": hex(value)}
        if kind is list:
            return [plain(item, depth + 1) for item in value]
        if kind is tuple:
            return {"tuple": [plain(item, depth + 1) for item in value]}
        if kind is dict and all(type(key) is str for key in value):
            return {"dict": {key: plain(item, depth + 1) for key, item in value.items()}}
        if kind is dict and all(type(key) in KEYS for key in value):
            return {"pairs": [[plain(key, depth + 1), plain(item, depth + 1)] for key, item in value.items()]}
        if kind is complex:
            return {"complex": [value.real, value.imag]}
        if kind is bytes:
            pieces.append(memoryview(value))
            return {"bytes": len(value)}
        if kind is Array and value.dtype.str in DTYPES:
            pieces.append(_contiguous(value).reshape(-1).view(_byte).data)
            return {"array": [value.dtype.str, list(value.shape), value.flags.writeable]}
        if kind in SCALARS:
            pieces.append(memoryview(value.tobytes()))
            return {"number": value.dtype.str}
        if kind is _Generator and type(value.bit_generator) is _PCG64:
            state = value.bit_generator.state
            numbers = [state["state"]["state"], state["state"]["inc"], state["has_uint32"], state["uinteger"]]
            return {"generator": [plain(number, depth + 1) for number in numbers]}
        if isinstance(value, _dtype) and value.str in DTYPES:
            return {"dtype": value.str}
        if kind is type and value in NAMES:
            return {"type": NAMES[value]}
        return {"other": plain(refer(value), depth + 1)}

    header = _dumps(plain(value, 0), check_circular=False).encode()
    if len(header) > GREATEST_HEADER:
        raise WireError(TOO_MANY)
    return header, pieces


def decode(header: bytes, data: Any, resolve: Resolve = no_reference) -> Any:
    """Return the value of a message whose data are bytes or an array of bytes; its arrays are copies of their own.

    resolve: from what stands for a value of another kind, the value. WireError for whatever is not a message.
    """
    reader = _Reader(memoryview(data), resolve)
    try:
        value = reader.build(_loads(header), 0)
    except WireError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, MemoryError) as error:
        raise WireError(f"no message: {str(error)[:200]}") from None
    if reader.data:
        raise WireError("more data than the header speaks of")
    return value


class _Reader:
    """Builds a value from a header's tree, and takes what belongs to it off the front of the data."""

    def __init__(self, data: memoryview, resolve: Resolve) -> None:
        self.data, self.resolve = data, resolve

    def take(self, length: int) -> memoryview:
        if type(length) is not int or not 0 <= length <= len(self.data):
            raise WireError("less data than the header speaks of")
        taken, self.data = self.data[:length], self.data[length:]
        return taken

    def build(self, node: Any, depth: int) -> Any:
        if depth > 2 * DEEPEST:
            raise WireError("nested too deeply")
        if node is None or type(node) in (bool, int, float, str):
            return node
        if type(node) is list:
            return [self.build(item, depth + 1) for item in node]
        if type(node) is not dict or len(node) != 1:
            raise WireError("an object of JSON that has not one key")
        ((kind, body),) = node.items()
        match kind:
            case "tuple":
                return tuple(self.build(item, depth + 1) for item in _of(list, body))
            case "dict":
                return {key: self.build(item, depth + 1) for key, item in _of(dict, body).items()}
            case "pairs":
                return dict(self.build(pair, depth + 1) for pair in _of(list, body))
            case "int":
                return int(_of(str, body), 16)
            case "complex":
                real, imaginary = (_of(float, part) for part in body)
                return complex(real, imaginary)
            case "bytes":
                return bytes(self.take(body))
            case "array":
                return self.array(*_of(list, body))
            case "number":
                return self.array(body, [], True)[()]
            case "dtype":
                return DTYPES[body]
            case "type":
                return TYPES[body]
            case "generator":
                return _generator([self.build(number, depth + 1) for number in _of(list, body)])
            case "other":
                return self.resolve(_of(list, self.build(body, depth + 1)))
        raise WireError(f"there is no kind {kind[:20]!r}")

    def array(self, dtype: str, shape: list[int], writeable: bool) -> np.ndarray:
        exact = DTYPES[_of(str, dtype)]
        if len(_of(list, shape)) > 64 or any(not 0 <= _of(int, length) < 2**62 for length in shape):
            raise WireError("a shape that is none")
        data = _frombuffer(self.take(math.prod(shape) * exact.itemsize), _byte)
        if exact.kind == "b" and data.size and data.max() > 1:
            raise WireError("booleans that are neither 0 nor 1")
        array = _empty(shape, exact)
        if data.size:
            array.reshape(-1).view(_byte)[:] = data
        array.flags.writeable = _of(bool, writeable)
        return array


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise WireError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def _generator(numbers: list[int]) -> np.random.Generator:
    state, increment, has_half, half = (_of(int, number) for number in numbers)
    if not (0 <= state < 2**128 and 0 <= increment < 2**128 and has_half in (0, 1) and 0 <= half < 2**32):
        raise WireError("a state of a generator that is none")
    bits = _PCG64(0)
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": increment},
        "has_uint32": has_half,
        "uinteger": half,
    }
    return _Generator(bits)


def holds(data: Bytes, pieces: list[memoryview]) -> bool:
    """Say whether the data of a message is what these pieces of data are, one after the other."""
    start = 0
    for piece in pieces:
        end = start + piece.nbytes
        if end > len(data) or (_frombuffer(piece, _byte) != data[start:end]).any():
            return False
        start = end
    return start == len(data)


def size(encoded: tuple[bytes, list[memoryview]]) -> int:
    """Return how many bytes of data a message has."""
    return sum(piece.nbytes for piece in encoded[1])


def pack(encoded: tuple[bytes, list[memoryview]]) -> bytes:
    """Return what goes before a message's data: the prefix and the header."""
    return PREFIX.pack(MAGIC, len(encoded[0]), size(encoded)) + encoded[0]


def send(socket: Any, encoded: tuple[bytes, list[memoryview]], deadline: float | None = None) -> None:
    """Send a message; TimeoutError if that takes until after `deadline`, a time of `time.monotonic`."""
    for piece in (memoryview(pack(encoded)), *encoded[1]):
        while piece:
            _wait_until(socket, deadline)
            piece = piece[socket.send(piece) :]


def receive(socket: Any, greatest: int, deadline: float | None = None) -> tuple[bytes, Bytes]:
    """Receive the header and the data of a message, the data of at most `greatest` bytes.

    EOFError if the other side has closed, TimeoutError as in `send`, WireError if what comes is not a message.
    """
    magic, header, data = PREFIX.unpack(_receive_exactly(socket, PREFIX.size, deadline).data)
    if magic != MAGIC or header > GREATEST_HEADER:
        raise WireError("what came does not begin like a message")
    if data > greatest:
        raise WireError(f"a message of {data} bytes; {greatest} are allowed")
    return _receive_exactly(socket, header, deadline).tobytes(), _receive_exactly(socket, data, deadline)


def _receive_exactly(socket: Any, length: int, deadline: float | None) -> Bytes:
    received = _empty(length, _byte)  # memory that is only promised: no page of it is there before something came
    rest = received.data
    while rest:
        _wait_until(socket, deadline)
        count = socket.recv_into(rest)
        if not count:
            raise EOFError("the other side has closed")
        rest = rest[count:]
    return received


def _wait_until(socket: Any, deadline: float | None) -> None:
    if deadline is not None:
        left = deadline - _clock()
        if left <= 0:
            raise TimeoutError
        socket.settimeout(left)

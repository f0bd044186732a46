"""What runs inside a submission's process: executes its cells, and calls its functions when the grader asks.

    python -P -s -S worker.py FILENO FOLDER…

FILENO is the number of a connected socket, or "stdin" if a port and a secret to say there come by standard input;
the folders are those where NumPy and this package are found. The file is run as a script and imports nothing of the
package, which would cost a third of a second; the submission gets a `__main__` of its own.

Nothing here is a secret, and nothing here can be relied on by the grader: a submission can change all of it.
"""

import builtins
import contextlib
import importlib.machinery
import importlib.util
import linecache
import os
import re
import socket
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from albert_np.labs import wire

LONGEST = 2000  # characters of a message that a person reads
RUN_ANYWAY = re.compile(r"%%(time|capture|prun)\b")  # cell magics whose cell is Python all the same
MAGIC = re.compile(r"^([ \t]*)(?:[%!]|\?|[\w.]+\?{1,2}[ \t]*$).*$", re.M)  # a line that is IPython's and not Python's

# Bound before a submission can change them.
_clock, _exit, _pid = time.process_time, os._exit, os.getpid


class Inert:
    """Stands for anything that draws: whatever is asked of it, it gives another of its kind."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> "Inert":
        return self

    def __getattr__(self, name: str) -> "Inert":
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self

    def __iter__(self) -> Iterator["Inert"]:
        """Give as many as `a, b = …` asks for, which the caller's next instruction says; to a loop, none."""
        import opcode

        frame = sys._getframe(1)
        operation, count = frame.f_code.co_code[frame.f_lasti : frame.f_lasti + 2]
        return iter([self] * (count if opcode.opname[operation] == "UNPACK_SEQUENCE" else 0))

    def __getitem__(self, _: object) -> "Inert":
        return self

    def __setitem__(self, *_: object) -> None:
        pass

    def __enter__(self) -> "Inert":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False


class InertModule(types.ModuleType):
    """A module that has everything, and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Inert()


class Finder:
    """Finds inert modules in the place of some, and refuses others, with what is inside them."""

    def __init__(self, inert: Sequence[str], refused: Sequence[str]) -> None:
        self.inert, self.refused = inert, refused

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if within(fullname, self.refused):
            raise ImportError(f"{fullname} is not allowed in this lab")
        if within(fullname, self.inert):
            return importlib.util.spec_from_loader(fullname, self, is_package=True)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return InertModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is to be run."""


def within(name: str, names: Sequence[str]) -> bool:
    """Say whether a module is one of `names`, or inside one of them."""
    return any(name == other or name.startswith(other + ".") for other in names)


def guard(names: Sequence[str]) -> None:
    """Refuse the import of some modules where the finder that refuses them was taken away; a hook cannot be."""
    refused = tuple(names)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "import" and within(str(arguments[0]), refused):
            raise ImportError(f"{arguments[0]} is not allowed in this lab")

    sys.addaudithook(hook)


def limit(limits: Mapping[str, int]) -> list[str]:
    """Set the limits that this system knows, for good; return the names of those."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    kinds = {"memory": "RLIMIT_AS", "file": "RLIMIT_FSIZE", "processes": "RLIMIT_NPROC", "processor": "RLIMIT_CPU"}
    done = []
    for name, value in {**limits, "core": 0}.items():
        try:
            resource.setrlimit(getattr(resource, kinds.get(name, "RLIMIT_CORE")), (value, value))
        except (AttributeError, ValueError, OSError):
            continue
        done.append(name)
    return done


class Callback:
    """A function of the grader's: a call of it is answered there."""

    def __init__(self, worker: "Worker", number: int) -> None:
        self.__name__ = "given"
        self._worker, self._number, self.ended = worker, number, False

    def __call__(self, *arguments: object, **named: object) -> Any:
        if self.ended:
            raise RuntimeError("this function can only be called while the call that was given it goes on")
        return self._worker.call_back(self._number, arguments, named)


class Worker:
    """Answers the grader's requests, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
        self.pid = _pid()
        self.module = types.ModuleType("__main__")
        self.cells: dict[str, tuple[int, list[str]]] = {}  # file name → the cell's number and lines
        self.handles: dict[int, Any] = {}
        self.last_handle = self.greatest = self.most_handles = 0
        self.whole: Any = None  # what the call returned, if that is a tuple: its items are of use to the grader
        self.data = wire.NOTHING  # of the request, as it came
        self.refs: list[Any] = []  # what references of the request and of callbacks' results stand for, in their order

    def serve(self) -> None:
        """Answer until the grader closes the connection."""
        answers: dict[str, Callable[[wire.Message], wire.Message]] = {
            "setup": self.set_up,
            "cell": self.run_cell,
            "names": self.names,
            "call": self.call,
        }
        while True:
            try:
                header, self.data = wire.receive(self.connection, 2**62)
            except (EOFError, OSError):
                return
            self.refs = []
            request = wire.decode(header, self.data, self.resolve)
            for number in request["release"]:
                self.handles.pop(number, None)
            reply = answers[request["ask"]](request)
            if _pid() != self.pid:  # a copy that the submission made by forking: only the first of it may answer
                _exit(0)
            self.reply({"id": request["id"], **reply})

    def reply(self, message: "wire.Message") -> None:
        """Send a message; one that cannot be sent becomes an error of the submission's."""
        handles = self.last_handle
        try:
            encoded = wire.encode(message, self.refer)
            if wire.size(encoded) > self.greatest:
                raise wire.WireError(
                    f"{wire.size(encoded) / 2**20:.0f} MB of arrays; at most {self.greatest / 2**20:.0f} MB can be read"
                )
        except Exception as error:
            for number in range(handles + 1, self.last_handle + 1):
                self.handles.pop(number, None)
            problem = {"kind": "ValueError", "message": f"what came back cannot be read: {error}"[:LONGEST]}
            encoded = wire.encode({"id": message.get("id"), "error": {**problem, "cell": 0, "line": 0, "text": ""}})
        wire.send(self.connection, encoded)

    def set_up(self, body: "wire.Message") -> "wire.Message":
        self.greatest, self.most_handles = body["greatest"], body["handles"]
        sys.meta_path.insert(0, Finder(body["inert"], body["refused"]))
        guard(body["refused"])
        sys.modules["__main__"] = self.module
        vars(self.module).update(display=Inert(), get_ipython=Inert())
        return {"limits": limit(body["limits"])}

    def run_cell(self, body: "wire.Message") -> "wire.Message":
        """Run a cell; say how many lines of it were not Python, and what it raised."""
        number, source = body["number"], body["source"].decode(errors="surrogatepass")
        name = f"<cell {number}>"
        if source.lstrip().startswith("%%") and not RUN_ANYWAY.match(source.lstrip()):
            return {"magics": 1, "whole": True, "error": None}
        magics = 0
        self.cells[name] = number, source.splitlines(keepends=True)
        try:
            try:
                code = compile(source, name, "exec", dont_inherit=True)
            except SyntaxError:
                source, magics = MAGIC.subn(r"\1pass", source)
                if not magics:
                    raise
                code = compile(source, name, "exec", dont_inherit=True)
            linecache.cache[name] = len(source), None, self.cells[name][1], name  # for tracebacks that it prints
            exec(code, vars(self.module))
        except BaseException as error:
            return {"magics": magics, "error": self.described(error)}
        return {"magics": magics, "error": None}

    def names(self, _: object) -> "wire.Message":
        """Return what of the submission can be called, and of what type everything else is."""
        own = {k: v for k, v in vars(self.module).items() if type(k) is str and not k.startswith("_")}
        return {"names": {k: "" if callable(v) else type(v).__name__ for k, v in own.items() if type(v) is not Inert}}

    def call(self, body: "wire.Message") -> "wire.Message":
        function = vars(self.module).get(body["function"])
        if not callable(function):
            return {"missing": True}
        passed = [body["arguments"], body["named"]]
        before, _ = wire.encode(passed, self.same)
        self.whole = None
        started = _clock()
        try:
            try:
                result = function(*body["arguments"], **body["named"])
            finally:
                seconds = _clock() - started
                for reference in self.refs:
                    if type(reference) is Callback:
                        reference.ended = True
            after, pieces = wire.encode(passed, self.same)
        except BaseException as error:
            return {"error": self.described(error), "seconds": seconds}
        self.whole = result if isinstance(result, tuple) else None
        changed = before != after or not wire.holds(self.data, pieces)
        return {"result": result, "seconds": seconds, "changed": passed if changed else None}

    def call_back(self, number: int, arguments: tuple[object, ...], named: dict[str, object]) -> Any:
        """Ask the grader for the result of one of its functions."""
        wire.send(
            self.connection,
            wire.encode({"callback": number, "arguments": list(arguments), "named": named}, self.refer),
        )
        reply = wire.decode(*wire.receive(self.connection, 2**62), self.resolve)
        if reply["error"] is not None:
            kind, message = reply["error"]
            known = getattr(builtins, kind, None)
            raise (known if isinstance(known, type) and issubclass(known, Exception) else RuntimeError)(message)
        return reply["result"]

    def resolve(self, reference: "wire.Reference") -> Any:
        """Return what a reference stands for: a value kept here, a function of the submission, one of the grader's."""
        kind, what = reference
        if kind == "handle":
            value = self.handles[what]
        elif kind == "function":
            value = vars(self.module).get(what)
        else:
            value = Callback(self, what)
        self.refs.append(value)
        return value

    def refer(self, value: Any) -> "wire.Reference":
        """Return what stands for a value in the grader; unless it came from there, it is kept here."""
        same = self.same(value)
        if same[0] == "same":
            return same
        if len(self.handles) >= self.most_handles:
            raise wire.WireError(f"more than {self.most_handles} values other than numbers, texts and arrays")
        self.last_handle += 1
        self.handles[self.last_handle] = value
        items = [list(value)] if value is self.whole else []
        return ["handle", self.last_handle, same[1], *items]

    def same(self, value: Any) -> "wire.Reference":
        """Refer to a value by its place among the references that came, or by its type."""
        for place, reference in enumerate(self.refs):
            if reference is value:
                return ["same", place]
        kind = str(type(value).__name__)[:100]
        return ["new", f"{kind} of {value.dtype.name[:40]}" if type(value) is wire.Array else kind]

    def described(self, error: BaseException) -> "wire.Message":
        """Return what an exception says, and the last line of the submission's own that it came through."""
        cell, line, text = 0, 0, ""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename in self.cells:
                cell, lines = self.cells[trace.tb_frame.f_code.co_filename]
                line = trace.tb_lineno
                text = lines[line - 1] if 0 < line <= len(lines) else ""
            trace = trace.tb_next
        if isinstance(error, SyntaxError) and error.filename in self.cells:
            cell, line, text = self.cells[error.filename][0], error.lineno or 0, error.text or ""
        try:
            message = str(error.msg if isinstance(error, SyntaxError) else error)[:LONGEST]
        except BaseException:  # its own words may be a submission's code, and fail as well
            message = ""
        kind = "ValueError" if isinstance(error, wire.WireError) else str(type(error).__name__)[:100]
        return {"kind": kind, "message": message, "cell": cell, "line": line, "text": text.strip()[:200]}


def load_wire(folder: str) -> types.ModuleType:
    """Load wire.py, which lies beside this file, as a module that nobody finds."""
    spec = importlib.util.spec_from_file_location("_wire", os.path.join(folder, "wire.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def connected_by_port() -> socket.socket:
    """Connect to the port of this machine that standard input names, and say the secret that follows there."""
    port, _, secret = sys.stdin.buffer.read().partition(b"\n")
    connection = socket.create_connection(("127.0.0.1", int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(secret)
    return connection


if __name__ == "__main__":
    sys.path.extend(sys.argv[2:])
    wire = load_wire(os.path.dirname(os.path.abspath(__file__)))
    place, sys.argv[1:] = sys.argv[1], []
    Worker(connected_by_port() if place == "stdin" else socket.socket(fileno=int(place))).serve()

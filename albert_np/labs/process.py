"""One life of a submission's process: it is started, asked, and ended; what it prints is kept in part."""

import contextlib
import hmac
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from albert_np.labs import wire
from albert_np.labs.sandbox import Sandbox, environment, import_folders, open_sandbox

__all__ = ["Handle", "Lost", "Process", "RemoteFunction", "exactly", "shown"]

LONGEST = 500  # characters of a message that people read
START_SECONDS = 30.0  # that Python and NumPy may take to start on a busy machine
BUFFER = 2**22  # bytes under way, if the system allows so many
POSIX = os.name == "posix"  # a process can be given an open socket, and a group of processes be ended
WORKER = str(Path(__file__).with_name("worker.py"))
THREADS = "OPENBLAS OMP MKL NUMEXPR BLIS".split()


Encoded = tuple[bytes, list[memoryview]]
Popen = subprocess.Popen[bytes]


class Handle:
    """A value that stayed in the submission's process; `kind` is the name of its type. It can be passed back."""

    def __init__(self, kind: str, number: int, process: "Process") -> None:
        self.kind = kind
        self._number, self._process = number, process
        weakref.finalize(self, process.released.append, number).atexit = False

    def __repr__(self) -> str:
        return f"<a {self.kind} of the submission>"


class HeldTuple(tuple[Any, ...]):
    """What a function returned that is a tuple of a kind of its own, such as a NamedTuple: its items, and a handle."""

    handle: Handle


@lru_cache(maxsize=256)
def named(base: type, kind: str) -> type:
    """Return a subclass with the name of a submission's type, so that messages about its values say that name."""
    return type(kind, (base,), {})


class Lost(Exception):
    """A handle of a value whose process has ended."""


class RemoteFunction:
    """A function of a submission. seconds: of processor time that its last call took, as its process says."""

    def __init__(self, name: str, owner: Any) -> None:
        self.__name__ = name
        self.seconds = 0.0
        self.owner = owner

    def __call__(self, *arguments: object, **named: object) -> Any:
        result, self.seconds = self.owner.call(self.__name__, arguments, named)
        return result

    def __repr__(self) -> str:
        return f"<{self.__name__} of the submission>"


class Process:
    """A submission's process in a sandbox of some kind; `close` ends it.

    owner: what its functions belong to. message: the greatest number of bytes of arrays in what it sends. callbacks:
    how often it may call functions that it was given, in one request. output: how many characters of what it prints
    are kept.
    """

    def __init__(
        self, owner: Any, kind: type[Sandbox], readable: Sequence[str | Path], message: int, callbacks: int, output: int
    ) -> None:
        self.owner = owner
        self.message, self.callbacks = message, callbacks
        self.released: list[int] = []  # numbers of handles that nobody has any more
        self.sent: list[Any] = []  # what references of this request stand for, in their order
        self.asked = 0
        self.box = open_sandbox(kind, readable)
        self.output = Output(output)
        try:
            self.connection, self.popen = self._start() if POSIX else self._start_by_port()
        except BaseException:
            self.output.stop()
            self.box.close()
            raise
        finally:
            self.output.theirs.close()
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)

    def _command(self, place: str) -> tuple[list[str], dict[str, Any]]:
        """Return what to run, and around it; place: where the process finds its connection."""
        one_thread = {f"{library}_NUM_THREADS": "1" for library in THREADS} | {"VECLIB_MAXIMUM_THREADS": "1"}
        variables = environment(self.box) | one_thread | {"PYTHONHASHSEED": "0"}  # sets in the same order each time
        python = [sys.executable, *"-P -s -S -B -X utf8".split(), WORKER, place, *import_folders()]
        return self.box.command(python), {"cwd": self.box.folder, "env": variables}

    def _start(self) -> tuple[socket.socket, Popen]:
        """Start a process that inherits its end of the connection."""
        ours, theirs = socket.socketpair()
        with theirs:
            command, around = self._command(str(theirs.fileno()))
            printed = self.output.theirs.fileno()
            around |= {"stdin": subprocess.DEVNULL, "stdout": printed, "stderr": printed, "start_new_session": True}
            try:
                return ours, subprocess.Popen(command, pass_fds=[theirs.fileno()], **around)
            except BaseException:
                ours.close()
                raise

    def _start_by_port(self) -> tuple[socket.socket, Popen]:
        """Start a process that connects to a port of this machine, and says a secret that it has read; for Windows."""
        secret = secrets.token_bytes(32)
        with socket.create_server(("127.0.0.1", 0)) as server:
            command, around = self._command("stdin")
            around |= {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            popen = subprocess.Popen(command, **around)
            try:
                assert popen.stdin is not None
                with popen.stdin:
                    popen.stdin.write(b"%d\n%b" % (server.getsockname()[1], secret))
                return _accepted(server, secret), popen
            except BaseException:
                popen.kill()
                popen.wait()
                raise

    def encode(self, request: wire.Message) -> Encoded:
        """Return a request as it is sent; TypeError for a value that cannot be, `Lost` for another process's handle."""
        self.sent = []
        self.asked += 1
        released = [self.released.pop() for _ in range(len(self.released))]
        return wire.encode({"id": self.asked, "release": released, **request}, self._refer)

    def ask(self, encoded: Encoded, seconds: float) -> wire.Message:
        """Send a request and return the reply; meanwhile functions that the request holds are called here.

        TimeoutError, EOFError or another OSError, and WireError.
        """
        deadline = time.monotonic() + seconds
        wire.send(self.connection, encoded, deadline)
        calls = 0
        while True:
            reply = exactly(dict, self._receive(deadline))
            if "callback" not in reply:
                if exactly(int, reply.get("id")) != self.asked:
                    raise wire.WireError("a reply to something else")
                return dict(reply)
            calls += 1
            wire.send(self.connection, self._called(reply, calls), deadline)

    def _receive(self, deadline: float) -> Any:
        return wire.decode(*wire.receive(self.connection, self.message, deadline), self._resolve)

    def _called(self, reply: wire.Message, calls: int) -> Encoded:
        """Call a function that the request holds, and return what is answered."""
        function = self._sent(reply.get("callback"))
        arguments, named = exactly(list, reply.get("arguments")), exactly(dict, reply.get("named"))
        if not callable(function) or (isinstance(function, RemoteFunction) and function.owner is self.owner):
            raise wire.WireError("a call of what is no function")
        try:
            if calls > self.callbacks:
                raise RuntimeError(f"more than {self.callbacks} calls of functions that were given")
            return wire.encode({"result": function(*arguments, **named), "error": None}, self._refer)
        except Exception as error:
            return wire.encode({"error": [type(error).__name__, str(error)[:LONGEST]]})

    def _refer(self, value: Any) -> wire.Reference:
        original = value
        if isinstance(value, HeldTuple):
            value = value.handle
        if isinstance(value, Handle):
            if value._process is not self:
                raise Lost
            reference: wire.Reference = ["handle", value._number]
        elif isinstance(value, RemoteFunction) and value.owner is self.owner:
            reference = ["function", value.__name__]
        elif callable(value):
            reference = ["callback", len(self.sent)]
        else:
            raise TypeError(f"a {type(value).__name__} cannot be passed to a submission")
        self.sent.append(original)
        return reference

    def _sent(self, place: object) -> Any:
        if type(place) is not int or not 0 <= place < len(self.sent):
            raise wire.WireError("a reference to nothing")
        return self.sent[place]

    def _resolve(self, reference: wire.Reference) -> Any:
        match reference:
            case ["same", place]:
                return self._sent(place)
            case ["handle", int(number), str(kind)]:
                return self._handle(number, kind)
            case ["handle", int(number), str(kind), list(items)]:
                held = named(HeldTuple, shown(kind))(items)
                held.handle = self._handle(number, kind)
                return held
        raise wire.WireError("a reference of no kind")

    def _handle(self, number: int, kind: str) -> Handle:
        handle: Handle = named(Handle, shown(kind))(shown(kind), number, self)
        return handle

    def why(self) -> str:
        """Say how the process ended, or that it closed its connection."""
        try:
            status = self.popen.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "closed its connection to the grader"
        number = -status if status < 0 else status - 128  # a sandbox passes a signal on as 128 and its number
        if 0 < number < 65:
            name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
            return f"was ended by signal {name}"
        return f"ended itself, with status {status}"

    def close(self) -> None:
        """End the process and, as far as its sandbox can, all that it started."""
        if POSIX:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.kill()
        self.popen.wait()
        self.connection.close()
        self.output.stop()
        self.box.close()


def _accepted(server: socket.socket, secret: bytes) -> socket.socket:
    """Return the first connection over which the secret comes; OSError if there is none in time."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        server.settimeout(max(0.001, deadline - time.monotonic()))
        connection, _ = server.accept()
        connection.settimeout(1.0)
        with contextlib.suppress(OSError):
            if hmac.compare_digest(connection.recv(len(secret), socket.MSG_WAITALL), secret):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
        connection.close()


class Output:
    """Reads what a process prints, so that it is never kept waiting, and keeps the beginning.

    theirs: the end to give to the process.
    """

    def __init__(self, characters: int) -> None:
        self._characters, self._kept, self._bytes = characters, bytearray(), 0
        self._ours, self.theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while some := self._ours.recv(2**16):
            self._bytes += len(some)
            self._kept += some[: 4 * self._characters - len(self._kept)]

    def text(self) -> str:
        """Return the beginning of what was printed, and say how much more it was."""
        text = self._kept.decode(errors="replace")
        cut = self._bytes > len(self._kept) or len(text) > self._characters
        return shown(text[: self._characters], self._characters) + (f"… ({self._bytes} bytes in all)" if cut else "")

    def stop(self) -> None:
        """Read what is there and no more, even if something still holds the other end."""
        self._thread.join(timeout=0.2)
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._ours.close()


def shown(text: Any, longest: int = LONGEST) -> str:
    """Return the beginning of a text that a process sent, without what would command a terminal or break a file."""
    beginning = exactly(str, text) if len(exactly(str, text)) <= longest else text[: longest - 1] + "…"
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in beginning)


def exactly(kind: type, value: Any) -> Any:
    """Return what a process sent if it is of this type; WireError if not."""
    if type(value) is not kind:
        raise wire.WireError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value

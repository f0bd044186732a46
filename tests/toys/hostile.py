"""Submissions that try to get more than they deserve, and some that only look like it.

Two functions are asked for, `double(x)` and `triple(x)`, which leave x as it is; one point each. A submission is an
honest cell with both and the cells below after it. None of them harms anything where it is not kept apart: those that
could are run in sandboxes only.
"""

from typing import NamedTuple

HONEST = """
import numpy as np

def double(x):
    return 2 * x

def triple(x):
    return 3 * x
"""


class Submission(NamedTuple):
    """What is tried, after the honest cell; the points that `double` and `triple` deserve.

    found: what the submission's `found()` returns, if it has one. error: what the report of its last cell says.
    needs: "contained" where files, network and processes must be kept apart, "users" where it must be another user.
    """

    points: tuple[int, int]
    cells: list[str]
    found: object = None
    error: str = ""
    needs: str = ""


def defined(name: str, body: str) -> str:
    """Return a cell that defines a function of x, which needs none, with this body."""
    lines = "\n    ".join(body.strip().splitlines())
    return f"import os, sys, time\ndef {name}(x=None):\n    {lines}"


def double(body: str, points: tuple[int, int] = (0, 1)) -> Submission:
    """Return a submission whose `double` is this."""
    return Submission(points, [defined("double", body)])


def looks(body: str, found: object, needs: str = "") -> Submission:
    """Return a submission whose functions are right, and which looks for what it may not see or do."""
    return Submission((1, 1), [defined("found", body)], found, needs=needs)


SUBMISSIONS = {
    "is honest": Submission((1, 1), []),
    # judges of its own
    "patches NumPy's comparisons": Submission(
        (0, 1),
        [
            "np.allclose = np.array_equal = np.isclose = np.all = lambda *a, **k: True\n"
            "np.abs = np.max = lambda *a, **k: 0.0\n"
            "np.testing.assert_allclose = lambda *a, **k: None\n"
            "def double(x): return x"
        ],
    ),
    "patches arrays": Submission((1, 1), ["np.ndarray.__eq__ = lambda *a: True"], error="TypeError: cannot set"),
    "patches what NumPy's messages are made with": Submission(
        (1, 1), ["np.frombuffer = np.ascontiguousarray = np.empty = None\nimport json\njson.dumps = json.loads = None"]
    ),
    "overrides display": Submission(
        (0, 1),
        [
            "import sys, builtins\nbuiltins.print = sys.displayhook = sys.excepthook = lambda *a, **k: None\n"
            "class Right:\n    def __repr__(self): return '100 of 100 points'\n"
            "def double(x): return Right()"
        ],
    ),
    "overrides builtins": Submission((1, 1), ["import builtins\nbuiltins.type = builtins.len = lambda *a: 0"]),
    "patches the checks": Submission(
        (0, 1),
        [
            "import albert_np.labs.points as points\npoints.judge = points.Wrong = None\n"
            "import albert_np.gradcheck as g\ng.compare = None\ndef double(x): return x"
        ],
    ),
    "reads the checks, which hold no answer": Submission((1, 1), ["from albert_np.labs import lab02, checks"]),
    # the caller
    "searches the caller's frames": double(
        """
frame = sys._getframe()
while frame:
    for name, value in frame.f_locals.items():
        if name in ("expected", "want", "answer"):
            return value
    frame = frame.f_back
import gc
return [o for o in gc.get_objects() if type(o) is dict and "expected" in o]
"""
    ),
    "replaces the worker's reply": double(
        """
frame = sys._getframe(1)
worker = frame.f_locals["self"]
worker.reply = lambda message: frame.f_globals["wire"].send(worker.connection, (b'{"id": 1}', []))
return 2 * x
"""
    ),
    "replaces the worker's module": double(
        """
sys.modules["__main__"] = sys.modules["wire"] = sys.modules["json"] = None
return 2 * x
""",
        (1, 1),
    ),
    "sets the worker's clock back": double(
        """
sys._getframe(1).f_globals["_clock"] = iter([0.0, -100.0]).__next__
return 2 * x
"""
    ),
    # ending
    "ends in a cell": Submission((1, 1), ["import os; os._exit(0)"], error="its process ended itself, with status 0"),
    "ends in a call": double("os._exit(0)"),
    "exits in a cell": Submission((1, 1), ["import sys; sys.exit(0)"], error="SystemExit: 0"),
    "exits in a call": double("sys.exit(0)"),
    "kills itself": double("os.kill(os.getpid(), 9)"),
    "reads memory that is not there": double("import ctypes; return ctypes.string_at(0)"),
    "interrupts": double("raise KeyboardInterrupt"),
    "raises what cannot be told": double(
        """
class Mute(BaseException):
    def __str__(self): os._exit(1)
raise Mute
"""
    ),
    "raises a novel": double("raise ValueError('\\x1b[2J' + 'x' * 10**7)"),
    "hangs in a cell": Submission((1, 1), ["while True: pass"], error="took longer than 1 s"),
    "hangs in a call": double("while True: pass"),
    "hangs on all signals": double(
        """
import signal
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
time.sleep(1000)
"""
    ),
    "recurses": double("return double(x)"),
    "recurses until the stack is full": double("sys.setrecursionlimit(10**9)\nreturn eval('[' * 5) or double([x])"),
    "hangs at exit": Submission((1, 1), ["import atexit, time\natexit.register(time.sleep, 1000)"]),
    "leaves threads running": Submission(
        (1, 1),
        ["import threading\nfor _ in range(3): threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()"],
    ),
    # output and input
    "prints a million lines": double("for i in range(10**6): print(i)\nreturn 2 * x", (1, 1)),
    "warns": double("import warnings; warnings.warn('beware'); sys.stderr.write('Error')\nreturn 2 * x", (1, 1)),
    "asks the keyboard": double("return input('the answer, please: ')"),
    # what it may use
    "allocates 4 GB": double("return bytearray(2**32)"),
    "forks": double("os.fork()\nreturn 2 * x", (1, 1)),
    "forks again and again": looks(
        """
made = 0
try:
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        made += 1
except OSError:
    pass
return made < 64
""",
        found=True,
        needs="users",
    ),
    "raises its limits": looks(
        """
import resource
raised = []
for name in ("RLIMIT_AS", "RLIMIT_NPROC", "RLIMIT_FSIZE"):
    try:
        resource.setrlimit(getattr(resource, name), (-1, -1))
        raised.append(name)
    except (ValueError, OSError):
        pass
return raised
""",
        found=[],
        needs="users",
    ),
    "writes a large file": looks(
        """
import tempfile
with tempfile.TemporaryFile(buffering=0) as file:
    try:
        return sum(file.write(bytes(2**20)) for _ in range(40))
    except OSError:
        return "refused"
""",
        found="refused",
    ),
    # the protocol
    "closes every descriptor": double("os.closerange(0, 256)\nreturn 2 * x"),
    "writes junk to every descriptor": double(
        """
for number in range(256):
    try: os.write(number, b"junk" * 100)
    except OSError: pass
return 2 * x
"""
    ),
    "promises more than it sends": double(
        """
import struct
for number in range(3, 256):
    try: os.write(number, struct.pack("!4sIQ", b"anp1", 10, 2**60) + b"x")
    except OSError: pass
return 2 * x
"""
    ),
    "answers the next question too": double(
        """
worker = sys._getframe(1).f_locals["self"]
wire = sys._getframe(1).f_globals["wire"]
for number in range(100):
    wire.send(worker.connection, wire.encode({"id": number, "result": x, "seconds": 0.0, "changed": None}))
return 2 * x
"""
    ),
    # values
    "returns an array of objects": double("return np.array([object() for _ in x.flat], object).reshape(x.shape)"),
    "returns an array that equals all": Submission(
        (0, 1),
        [
            "class Equal(np.ndarray):\n    def __eq__(self, other): return np.bool_(True)\n"
            "    def __array__(self, *a, **k): raise SystemExit\n"
            "    def __array_ufunc__(self, *a, **k): return 0.0\n"
            "def double(x): return x.view(Equal)"
        ],
    ),
    "returns a number that equals all": Submission(
        (0, 1),
        [
            "class Equal(float):\n    __eq__ = __le__ = lambda *a: True\n    __sub__ = lambda *a: 0.0\n"
            "def double(x): return Equal()"
        ],
    ),
    "returns a generator": double("return (2 * value for value in x)"),
    "returns a list in itself": double("some = []; some.append(some)\nreturn some"),
    "returns a long list": double("return [0] * 10**6"),
    "returns a long text": double("return 'x' * 10**7"),
    "returns more than can be read": double("return np.zeros(2**24)"),
    "returns more than there is": double("return np.broadcast_to(x.flat[0], (2**20, 2**20))"),
    "returns nothing": double("pass"),
    "changes its argument": double("x *= 2\nreturn x"),
    "gives its argument another shape": double("x.shape = (-1,)\nreturn 2 * x"),
    "keeps objects without end": double("return [object() for _ in range(5000)]"),
    # what is not its own work
    "imports torch": Submission((1, 1), ["import torch"], error="ImportError: torch is not allowed in this lab"),
    "imports torch by another name": double("return __import__('to' + 'rch').tensor(x).numpy() * 2"),
    "imports torch by another way": double("import importlib\nreturn importlib.import_module('torch.autograd')"),
    "imports torch past the guard": double("sys.meta_path.pop(0)\nimport autograd"),
    # what it may not see
    "reads the environment": looks("return [k for k, v in os.environ.items() if 'HUSH' in k + v]", found=[]),
    "reads files": looks(
        """
import glob
places = [SECRET, "/root/.ssh", "/etc/passwd", "/etc/shadow", "/var", "/home/*/*", f"/proc/{PARENT}/environ"]
places += [f"{CHECKOUT}/{name}" for name in ("notebooks", "tests", "labs", ".git")]
return [place for place in places if any(os.access(path, os.R_OK) for path in glob.glob(place))]
""",
        found=[],
        needs="contained",
    ),
    "writes files": looks(
        """
places = [f"{CHECKOUT}/{name}" for name in ("", "albert_np", "albert_np/labs")]
places += [os.path.dirname(SECRET), os.path.dirname(os.__file__), os.path.dirname(np.__file__)]
written = []
for place in [*places, "/", "/usr", "/etc", "/dev", "/dev/shm", "/var/tmp"]:
    try:
        open(f"{place}/hostile", "w").close()
        written.append(place)
    except OSError:
        pass
return written
""",
        found=[],
        needs="contained",
    ),
    "calls home": looks(
        """
import socket
try:
    socket.create_connection(("127.0.0.1", PORT), 1).close()
    return "through"
except OSError:
    return "refused"
""",
        found="refused",
        needs="contained",
    ),
    "signals the grader": looks(
        """
try:
    os.kill(PARENT, 0)
    return "reached"
except OSError:
    return "refused"
""",
        found="refused",
        needs="users",
    ),
    "leaves a daemon": looks(
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(30)", MARK])
    os._exit(0)
os.wait()
""",
        found=None,
        needs="users",
    ),
}

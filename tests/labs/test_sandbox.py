"""Sandboxes: each keeps what it says, and where there is none, that is said."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from albert_np.labs import process, sandbox, worker
from albert_np.labs.child import Child

LOOKS = """
import os, socket

def readable(path):
    return os.access(path, os.R_OK)

def processes():
    return len([name for name in os.listdir("/proc") if name.isdigit()])

def user():
    return os.getuid()

def interfaces():
    return [name for _, name in socket.if_nameindex()]

def environment():
    return dict(os.environ)

def descriptors():
    return len(os.listdir("/proc/self/fd"))

def written():
    with open("mine.txt", "w") as file:
        file.write("x")
    return os.path.abspath("mine.txt")
"""


def works(name):
    kind = {kind.name: kind for kind in sandbox.WAYS}[name]
    if sandbox.why_not(kind):
        pytest.skip(f"{name} does not work here: {sandbox.why_not(kind)}")
    return kind


@pytest.mark.parametrize("name", [kind.name for kind in sandbox.WAYS])
def test_a_sandbox_keeps_what_it_says(name, tmp_path, monkeypatch):
    kind = works(name)
    monkeypatch.setenv("SECRET", "42")
    given, other = tmp_path / "given.txt", tmp_path / "other.txt"
    given.write_text("given")
    other.write_text("other")
    with Child([LOOKS], isolation=name, readable=[given]) as child:
        assert [report.outcome for report in child.report] == ["ok"]
        assert child.isolation.startswith(kind.words)
        assert "SECRET" not in child.function("environment")()
        assert child.function("descriptors")() <= 6
        folder = Path(child.function("written")()).parent
        if kind.contained:
            assert [child.function("readable")(str(path)) for path in (given, other)] == [True, False]
            assert child.function("interfaces")() == ["lo"]
            assert child.function("processes")() <= 3
            assert folder == Path("/tmp")
        if kind.changes_user():
            assert child.function("user")() not in (0, os.getuid())
        if os.name == "posix":
            assert "memory" in child.isolation
        assert ("root can lift" in child.isolation) == (child.function("user")() == 0)
    if not kind.contained:
        assert not folder.exists()


def test_the_same_on_a_system_that_only_knows_ports(monkeypatch):
    monkeypatch.setattr(process, "POSIX", False)
    monkeypatch.setattr(sandbox, "_tried", {})
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with Child(["def double(x): return 2 * x\ndef hang():\n    while True: pass"], isolation="auto") as child:
        assert "NOT protected" in child.isolation
        np.testing.assert_array_equal(child.function("double")(np.ones(10**6)), np.full(10**6, 2.0))
        popen = child._process.popen
    assert popen.returncode is not None


def test_what_says_a_wrong_secret_to_the_port_is_not_listened_to(monkeypatch):
    monkeypatch.setattr(process, "START_SECONDS", 0.5)
    with process.socket.create_server(("127.0.0.1", 0)) as server:
        stranger = process.socket.create_connection(server.getsockname())
        with stranger:
            stranger.sendall(b"x" * 32)
            with pytest.raises(TimeoutError):
                process._accepted(server, b"y" * 32)


def test_require_refuses_where_nothing_keeps_apart_and_says_why(monkeypatch):
    monkeypatch.setattr(sandbox, "_tried", {})
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="bubblewrap: there is no bwrap; namespaces: there is no unshare"):
        Child([], isolation="require")
    assert sandbox.choose("auto") is sandbox.Sandbox


def test_a_sandbox_that_fails_is_not_relied_on(monkeypatch):
    monkeypatch.setattr(sandbox, "_tried", {})
    monkeypatch.setattr(sandbox.Bubblewrap, "command", lambda self, command: ["false"])
    monkeypatch.setattr(
        sandbox.Namespaces, "command", lambda self, command: ["sh", "-c", "echo no such luck >&2; exit 1"]
    )
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: name)
    assert sandbox.why_not(sandbox.Namespaces) == "no such luck"
    assert not sandbox.choose("auto").contained


def test_an_isolation_that_is_none_is_refused():
    with pytest.raises(ValueError, match="isolation is 'docker'; it can be auto, require, none, bubblewrap"):
        Child([], isolation="docker")


def test_a_process_that_does_not_start_is_not_the_submissions_fault(monkeypatch):
    monkeypatch.setattr(process, "WORKER", "/nowhere/worker.py")
    with pytest.raises(RuntimeError, match=r"no process for a submission could be started: it ended itself.*worker.py"):
        Child(["def f(): pass"], isolation="none")


def test_a_system_without_limits_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert worker.limit({"memory": 2**30}) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_sandboxes_have_users_of_their_own():
    boxes = [sandbox.open_sandbox(sandbox.OtherUser) for _ in range(3)]
    assert len({box.user for box in boxes}) == 3
    for box in boxes:
        box.close()


def test_starting_the_worker_imports_nothing_of_the_package():
    code = "import sys; sys.path.insert(0, sys.argv[1]); import worker; print('albert_np' in sys.modules)"
    folder = str(Path(worker.__file__).parent)
    done = subprocess.run([sys.executable, "-I", "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

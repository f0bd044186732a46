"""Where a submission runs: apart from files, network and other processes, as far as this machine can keep it apart.

Four ways, from the best: bubblewrap, util-linux's `unshare`, another user (both of these as root), limits alone.
Each is tried before it is relied on, and says in words what it protects from and what it does not.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

__all__ = ["WAYS", "Sandbox", "choose", "environment", "import_folders", "open_sandbox", "why_not"]

SYSTEM = "/usr /bin /sbin /lib /lib32 /lib64 /etc/ld.so.cache /etc/alternatives".split()
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = ("SYSTEMROOT", "LD_LIBRARY_PATH")  # by Windows, and by a Python whose libraries lie elsewhere
TMP_BYTES = 64 * 2**20
FIRST_USER, USERS = 60578, 600  # ids that Debian, Fedora and systemd give to nobody
PROBE = """
import os, sys
sealed, library, *folders = sys.argv[1:]
if os.__file__ != library or not all(os.access(folder, os.R_OK) for folder in folders):
    sys.exit("Python, NumPy or the package cannot be read there")
if sealed and any(os.access(folder, os.W_OK) for folder in folders):
    sys.exit("what is to be read can be written to")
"""

_tried: dict[type["Sandbox"], str] = {}  # why a kind does not work here, or ""


def import_folders() -> list[str]:
    """Return the folders where a submission's process finds NumPy and this package."""
    return list(dict.fromkeys([str(Path(np.__file__).parents[1]), str(Path(__file__).parents[2])]))


def readable_paths(more: Sequence[str | Path] = ()) -> list[str]:
    """Return what a submission has to read: the system's programs, Python, NumPy, this package, and `more`."""
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix, Path(np.__file__).parents[1], Path(__file__).parents[1], *more]
    paths = [path for path in SYSTEM if os.path.exists(path)]
    for path in own:
        for name in (os.path.abspath(path), os.path.realpath(path)):
            if not any(name == other or name.startswith(other + os.sep) for other in paths):
                paths.append(name)
    return paths


def is_root() -> bool:
    """Say whether this process may become another user."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


class Sandbox:
    """One way to run one submission. `command` says how; `close` when all that it started is to be gone.

    paths: what is readable. folder: an empty one of its own, where it runs if no other is made for it.
    """

    name: ClassVar[str] = "limits"
    words: ClassVar[str] = "limits alone; files, network and other processes of this user are NOT protected"
    contained: ClassVar[bool] = False  # keeps files, network and processes apart
    programs: ClassVar[tuple[str, ...]] = ()  # that it needs
    needs_root: ClassVar[bool] = False

    def __init__(self, paths: Sequence[str], folder: str) -> None:
        self.paths, self.folder = paths, folder
        self.user = 0
        self._claim: socket.socket | None = None
        if self.changes_user():
            self.user, self._claim = _claimed_user()

    @classmethod
    def changes_user(cls) -> bool:
        """Say whether what is run inside becomes another user."""
        return False

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs `command` inside."""
        return list(command)

    def close(self) -> None:
        """End what may still run, and remove the folder."""
        if self._claim:
            self._claim.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def dropped(self) -> list[str]:
        """Return what goes before a command that is to run without any privilege."""
        user = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"] if self.user else []
        return ["setpriv", *user, "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


class Bubblewrap(Sandbox):
    """An allow-list: a file system that holds what is readable and nothing else, and no network."""

    name = "bubblewrap"
    words = "bubblewrap: no network, no files but Python, NumPy and the package, no processes but its own"
    contained = True
    programs = ("bwrap",)

    @classmethod
    def changes_user(cls) -> bool:
        return is_root() and shutil.which("setpriv") is not None  # so that the number of processes can be limited

    def command(self, command: Sequence[str]) -> list[str]:
        above = dict.fromkeys(str(parent) for path in self.paths for parent in [*Path(path).parents][-2::-1])
        folders = [part for path in above if path != "/tmp" for part in ("--perms", "755", "--dir", path)]
        binds = [part for path in self.paths for part in ("--ro-bind", path, path)]
        inside = list(command)
        apart = ["--unshare-all"]
        if self.user:
            capabilities = [part for name in ("SETUID", "SETGID", "SETPCAP") for part in ("--cap-add", f"CAP_{name}")]
            apart = [*"--unshare-ipc --unshare-pid --unshare-net --unshare-uts".split(), *capabilities]
            inside = [*self.dropped(), *inside]
        tmp = ["--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"]
        sealed = ["--remount-ro", "/", "--remount-ro", "/dev"]
        places = ["--proc", "/proc", "--dev", "/dev", *tmp, *folders, *binds, *sealed, "--chdir", "/tmp"]
        return ["bwrap", "--die-with-parent", "--new-session", *apart, *places, "--", *inside]


class Namespaces(Sandbox):
    """The same by `unshare`, mounts and `chroot`: as root, or where users may have namespaces of their own."""

    name = "namespaces"
    words = "namespaces: no network, no files but Python, NumPy and the package, no processes but its own"
    contained = True
    programs = ("unshare", "setpriv", "mount", "chroot", "sh")

    @classmethod
    def changes_user(cls) -> bool:
        return is_root()

    def command(self, command: Sequence[str]) -> list[str]:
        apart = "unshare --mount --net --pid --ipc --uts --fork --kill-child".split()
        apart += [] if self.user else ["--user", "--map-root-user"]
        inside = shlex.join([*self.dropped(), *command])
        # Not `exec`: the shell stays the first process there and keeps its user, so that it dies with `unshare`.
        enter = f"chroot . sh -c {shlex.quote(f'cd /tmp && exec {inside}')}"
        return [*apart, "sh", "-c", "\n".join(["set -e", *self.mounts(), enter, "exit $?"])]

    def mounts(self) -> list[str]:
        """Return the lines of a shell that make the file system and go there."""
        devices = [f"/dev/{name}" for name in ("null", "zero", "random", "urandom")]
        there = {path: shlex.quote(f".{path}") for path in [*devices, *self.paths]}
        folders = [there[path] if os.path.isdir(path) else shlex.quote(f".{Path(path).parent}") for path in self.paths]
        return [
            f"mount -t tmpfs -o mode=755,size=1m,nosuid tmpfs {shlex.quote(self.folder)}",
            f"cd {shlex.quote(self.folder)}",
            "mkdir tmp proc dev",
            "mount -t proc proc proc",
            f"mount -t tmpfs -o mode=1777,size={TMP_BYTES},nosuid,nodev tmpfs tmp",
            f"mkdir -p {' '.join(folders)}",
            *(f": > {there[path]}" for path in there if not os.path.isdir(path)),
            *(f"mount --bind {path} {there[path]}" for path in devices),
            *(f"mount --bind -o ro,nosuid {shlex.quote(path)} {there[path]}" for path in self.paths),
            "mount -o remount,bind,ro,nosuid .",
        ]


class OtherUser(Sandbox):
    """A user that nobody else is: what others may not read or write, it may not either."""

    name = "user"
    words = "a user of its own; network, and files that everybody may read or write, are NOT protected"
    programs = ("setpriv", "kill")
    needs_root = True

    @classmethod
    def changes_user(cls) -> bool:
        return True

    def command(self, command: Sequence[str]) -> list[str]:
        os.chown(self.folder, self.user, self.user)
        return [*self.dropped(), *command]

    def close(self) -> None:
        subprocess.run([*self.dropped(), "kill", "-KILL", "-1"], capture_output=True, check=False)
        super().close()


def _claimed_user() -> tuple[int, socket.socket]:
    """Return the id of a user that no other sandbox here has, and a socket whose name claims it while it is open."""
    for user in range(FIRST_USER, FIRST_USER + USERS):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0albert-np-lab-{user}")  # in no file system; Linux only, as all that needs it
        except OSError:
            claim.close()
            continue
        return user, claim
    raise RuntimeError(f"all {USERS} users for submissions are in use")


WAYS: tuple[type[Sandbox], ...] = (Bubblewrap, Namespaces, OtherUser, Sandbox)


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment variables of a submission: nothing of this process's own."""
    home = "/tmp" if sandbox.contained else sandbox.folder
    needed = {name: os.environ[name] for name in NEEDED if name in os.environ}
    return {"PATH": PROGRAMS, "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", **needed}


def open_sandbox(kind: type[Sandbox], readable: Sequence[str | Path] = ()) -> Sandbox:
    """Return a sandbox of a kind, with an empty folder of its own."""
    return kind(readable_paths(readable), os.path.realpath(tempfile.mkdtemp(prefix="lab-")))


def why_not(kind: type[Sandbox]) -> str:
    """Say why a kind does not work here, or "" if it does; each is tried once."""
    if kind not in _tried:
        _tried[kind] = _try(kind)
    return _tried[kind]


def _try(kind: type[Sandbox]) -> str:
    if kind.needs_root and not is_root():
        return "only root can do this"
    missing = [name for name in kind.programs if not shutil.which(name)]
    if missing:
        return f"there is no {' and no '.join(missing)}"
    sandbox = open_sandbox(kind)
    command = sandbox.command(
        [sys.executable, "-I", "-S", "-c", PROBE, "sealed" if kind.contained else "", os.__file__, *import_folders()]
    )
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=20, check=False, cwd=sandbox.folder, env=environment(sandbox)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        sandbox.close()
    words = " ".join(done.stderr.decode(errors="replace").split())
    return "" if done.returncode == 0 else words[:200] or f"it ended with status {done.returncode}"


def choose(isolation: str = "auto") -> type[Sandbox]:
    """Return the best kind that works here.

    isolation: "auto", the best; "require", one that keeps files, network and processes apart, or RuntimeError which
    says why each of those does not work; "none", limits alone; or the name of a kind, such as "bubblewrap".
    """
    names = {kind.name: kind for kind in WAYS}
    if isolation not in ("auto", "require", "none", *names):
        raise ValueError(f"isolation is {isolation!r}; it can be auto, require, none, {', '.join(names)}")
    if isolation == "none":
        return Sandbox
    wanted = [kind for kind in WAYS if isolation == "auto" or (isolation == "require" and kind.contained)]
    wanted = wanted or [names[isolation]]
    for kind in wanted:
        if not why_not(kind):
            return kind
    raise RuntimeError(
        "nothing here keeps a submission apart: " + "; ".join(f"{kind.name}: {why_not(kind)}" for kind in wanted)
    )

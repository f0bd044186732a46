"""Whatever a submission tries, it gets what it deserves, and the grader goes on."""

import os
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from toys.hostile import HONEST, SUBMISSIONS

from albert_np.labs import sandbox
from albert_np.labs.checks import expect_same
from albert_np.labs.child import Child, Limits, Missing
from albert_np.labs.points import Exercise, Wrong, judge

IMPATIENT = Limits(call=1.0, cell=1.0)
ISOLATION = os.environ.get("ALBERT_NP_ISOLATION", "auto")  # to try the set with another sandbox than the best
CHECKOUT = Path(__file__).parents[2]


def graded(child: Child) -> tuple[float, float]:
    """Return the points of the two functions; nothing is raised."""
    functions = {}
    for name in ("double", "triple"):
        try:
            functions[name] = child.function(name)
        except Missing:
            continue
    return tuple(judged(name, factor, functions) for name, factor in (("double", 2), ("triple", 3)))


def judged(name, factor, functions):
    exercise = Exercise(name, name, (name,))

    @exercise.finding("right", 1)
    def look(answer):
        x = answer.rng.standard_normal((3, 4))
        before = x.copy()
        expect_same("y", getattr(answer, name)(x), factor * before)
        if x.shape != before.shape or not np.array_equal(x, before):
            raise Wrong("changed its argument")

    (verdict,) = judge(exercise, functions, 0, {})
    return verdict.points


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory):
    """What a submission may look for: a file, a port, this process, and a mark to find processes by."""
    secret = tmp_path_factory.mktemp("checks") / "secret.txt"
    secret.write_text("42")
    with socket.create_server(("127.0.0.1", 0)) as server:
        names = {"SECRET": str(secret), "CHECKOUT": str(CHECKOUT), "PORT": server.getsockname()[1]}
        yield "\n".join(
            f"{k} = {v!r}" for k, v in {**names, "PARENT": os.getpid(), "MARK": f"mark-{os.getpid()}"}.items()
        )


def skip_unless(needs):
    kind = sandbox.choose(ISOLATION)
    if needs == "contained" and not kind.contained:
        pytest.skip("neither bubblewrap nor namespaces work here")
    if needs == "users" and not kind.contained and not kind.changes_user():
        pytest.skip("neither bubblewrap, namespaces nor other users are at hand")


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_a_submission_gets_what_it_deserves(name, surroundings, monkeypatch):
    submission = SUBMISSIONS[name]
    skip_unless(submission.needs)
    monkeypatch.setenv("HUSH_KEY", "HUSH")
    limits = IMPATIENT if "hangs" in name else Limits()
    with Child([HONEST, surroundings, *submission.cells], limits, ISOLATION) as child:
        assert graded(child) == submission.points
        if submission.error:
            assert submission.error in str(child.report[-1].error)
        if "found" in child.functions:
            assert child.function("found")() == submission.found
        assert len(child.output) <= limits.output + 100
        assert judged("triple", 3, {"triple": child.function("triple")}) == 1
    if name == "leaves a daemon":
        assert not processes_with(f"mark-{os.getpid()}")


def processes_with(mark):
    """Return the processes with this among their arguments, of those that are left after a moment."""
    for _ in range(20):
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [path.parent.name] if mark in path.read_text() else []
            except OSError:
                continue
        if not found:
            return []
        time.sleep(0.05)
    return found

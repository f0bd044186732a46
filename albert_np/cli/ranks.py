"""A command that `mpiexec` started several times: rank 0 speaks for all, and a rank that fails alone ends the job."""

import io
import math
import os
import platform
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TypeVar

import click

from albert_np.execution import Ranks, place_in_job, this_job
from albert_np.files import whole_file

__all__ = ["as_one_program", "refuse_ranks", "written_by_first"]

T = TypeVar("T")
PATIENCE = 2.0  # seconds that a failing rank gives the others to fail as well, as with a wrong option all do
STAGGER = 0.1  # seconds more for each rank: of some that fail, the first ends the job and is the only one to speak


def as_one_program(command: Callable[[], T]) -> T:
    """Run a command, on each rank if there are several, so that what it says is said once."""
    rank, size = place_in_job()
    if size == 1:
        return command()
    if rank == 0:
        job, status = _run(command)
        said = ""
    else:
        heard = io.StringIO()
        with open(os.devnull, "w", encoding="utf-8") as unheard, redirect_stdout(unheard), redirect_stderr(heard):
            job, status = _run(command)
        said = _last_words(heard.getvalue())
    sys.exit(status if job is None else _leave(job, status, said))


def refuse_ranks(name: str) -> None:
    """Raise UsageError, with the command's name, if there are several ranks: each would do the whole of it."""
    if place_in_job()[1] > 1:
        raise click.UsageError(f"{name} is done by one process: start it without mpiexec or srun")


def written_by_first(ranks: Ranks, path: Path | None) -> AbstractContextManager[Path | None]:
    """Return a context that gives rank 0 what `whole_file` does, and None to the others, or where there is no path."""
    return whole_file(path) if path is not None and ranks.is_first else nullcontext()


def _run(command: Callable[[], object]) -> tuple[Ranks | None, int]:
    """Return the job, None if its ranks cannot reach each other, and the exit status of the command."""
    try:
        job = this_job()
    except ImportError as error:
        click.echo(f"albert-np: {error}", file=sys.stderr)
        return None, 2
    try:
        command()
    except SystemExit as end:
        return job, end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return job, 1
    return job, 0


def _leave(job: Ranks, status: int, said: str) -> int:
    """Wait until all ranks are done and return the status of the first that failed; say what rank 0 has not said.

    If a rank that failed waits in vain, it ends the others.
    """
    statuses = job.end(status, PATIENCE + STAGGER * job.rank if status else math.inf)
    if statuses is None:
        _say(job, said)
        job.abort(status)
    failed = next((rank for rank, each in enumerate(statuses) if each), 0)
    if failed == job.rank:
        _say(job, said)
    return statuses[failed]


def _say(job: Ranks, said: str) -> None:
    if said:
        click.echo(f"rank {job.rank} of {job.size}, on {platform.node()}: {said}", file=sys.stderr)
    sys.stderr.flush()


def _last_words(text: str) -> str:
    """Return the traceback that a text ends with, or its last line."""
    start = text.rfind("Traceback (most recent call last)")
    return text[start:].rstrip() if start >= 0 else ["", *text.rstrip().splitlines()][-1]

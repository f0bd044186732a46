"""Crash-safe checkpoints: a folder under its final name is whole, whenever the power was cut.

A run folder holds `checkpoints/step-00000500/`, …; each has a `manifest.json` with the size and SHA-256 of
every other file. A checkpoint is written under a hidden name, flushed to disk file by file and only then
renamed, which file systems do at one stroke; older ones are removed after that. Nothing here knows what a
checkpoint contains.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

__all__ = ["CheckpointError", "latest_checkpoint", "remove_leftovers", "save_checkpoint", "verify_checkpoint"]

MANIFEST = "manifest.json"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, quota used up, file larger than allowed


class CheckpointError(ValueError):
    """A folder is not a whole checkpoint; the message names the file at fault."""


def save_checkpoint(
    run: str | Path, step: int, write: Callable[[Path], None], expected_bytes: int, keep: int = 2
) -> Path:
    """Let `write(folder)` fill a new checkpoint of the run and return its folder, durable on disk.

    Afterwards the last `keep` checkpoints up to `step` are left. Whatever stops the writing, what was written
    is removed and the older checkpoints stay whole.

    Raises OSError (ENOSPC) that names the folder and the space needed if the disk holds less than
    `expected_bytes` or turns out to be full, and whatever `write` raises.
    """
    folder = Path(run) / "checkpoints" / f"step-{step:08d}"
    partial = folder.with_name(f".partial-{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.mkdir()
        if shutil.disk_usage(partial).free < expected_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(partial)
        _write_manifest(partial)
        for path in (*partial.rglob("*"), partial):
            _flush(path)
        if folder.exists():  # a damaged checkpoint of the same step
            _remove(folder)
        partial.rename(folder)
        _flush(folder.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if _errno(error) in _FULL:
            raise _disk_full(folder, expected_bytes) from error
        raise
    for older in [path for path in _checkpoints(run) if _step(path) < step][keep - 1 :]:
        _remove(older)
    return folder


def latest_checkpoint(run: str | Path) -> Path | None:
    """Return the newest whole checkpoint of a run, or None; warns of each newer one that is damaged."""
    for folder in _checkpoints(run):
        try:
            verify_checkpoint(folder)
        except CheckpointError as error:
            warnings.warn(f"passing over a damaged checkpoint: {error}", stacklevel=2)
        else:
            return folder
    return None


def verify_checkpoint(folder: str | Path) -> None:
    """Compare every file with the manifest; CheckpointError names the first that is missing or changed."""
    folder = Path(folder)
    for name, expected in _read_manifest(folder).items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path} is missing")
        if path.stat().st_size != expected["bytes"]:
            raise CheckpointError(f"{path} has {path.stat().st_size} bytes, not {expected['bytes']}")
        if _sha256(path) != expected["sha256"]:
            raise CheckpointError(f"{path} was changed: its SHA-256 is not the one in {MANIFEST}")


def remove_leftovers(run: str | Path) -> None:
    """Remove what a killed process left half-written or half-removed."""
    for path in (Path(run) / "checkpoints").glob(".partial-*"):
        shutil.rmtree(path)


def _checkpoints(run: str | Path) -> list[Path]:
    """Checkpoint folders of a run, newest first."""
    folders = (Path(run) / "checkpoints").glob("step-*")
    return sorted((path for path in folders if re.fullmatch(r"step-\d{8,}", path.name)), key=_step, reverse=True)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _remove(folder: Path) -> None:
    """Remove a checkpoint; a half-removed one is never seen under a checkpoint's name."""
    doomed = folder.with_name(f".partial-old-{folder.name}")
    folder.rename(doomed)
    shutil.rmtree(doomed)


def _write_manifest(folder: Path) -> None:
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=2) + "\n", encoding="utf-8")


def _read_manifest(folder: Path) -> dict[str, dict[str, object]]:
    path = folder / MANIFEST
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing, so {folder} is no checkpoint of a run. Released models hold no optimizer "
            "state; start a new run from their weights."
        )
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {name: {"bytes": entry["bytes"], "sha256": entry["sha256"]} for name, entry in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {error!r}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Wait until a file or, where the system can, a folder's list of names is on disk."""
    if path.is_file():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    elif os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _errno(error: BaseException) -> int | None:
    """Return the system's error number, which safetensors reports in the text alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _disk_full(folder: Path, expected_bytes: int) -> OSError:
    free = shutil.disk_usage(folder.parent).free
    return OSError(
        errno.ENOSPC,
        f"no room for a checkpoint: it needs about {expected_bytes / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are "
        "free; earlier checkpoints are untouched",
        str(folder),
    )

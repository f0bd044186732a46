"""The checkpoints of a training run: a folder under its final name is whole, whenever the power was cut.

A run folder holds `checkpoints/step-00000500/`, …; each has a `manifest.json` with the size and SHA-256 of every
other file. A checkpoint appears whole, see `albert_np.files`; older ones are removed after that. What else a
checkpoint contains is up to its writer.
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

from albert_np import files
from albert_np.checkpoints.huggingface import CONFIG_FILE
from albert_np.schema import check_whole, text, whole

__all__ = [
    "MANIFEST",
    "CheckpointError",
    "find_model",
    "latest_checkpoint",
    "remove_leftovers",
    "remove_older",
    "save_checkpoint",
    "verify_checkpoint",
]

MANIFEST = "manifest.json"
_LONGEST_NAME = 200  # characters
_MANIFEST = {"files": {...: {"bytes": whole(), "sha256": text(64)}}}


class CheckpointError(ValueError):
    """A folder is not a whole checkpoint; the message names the file at fault."""


def save_checkpoint(
    run: str | Path, step: int, write: Callable[[Path], None], expected_bytes: int, keep: int = 2
) -> Path:
    """Let `write(folder)` fill a new checkpoint of the run and return its folder, durable on disk.

    Afterwards the last `keep` checkpoints up to `step` are left. Whatever stops the writing, what was written
    is removed, folders that were made for it too, and the older checkpoints stay whole.

    Raises TypeError or ValueError for an argument that is not allowed, OSError (ENOSPC) that names the folder and the
    space needed if the disk holds less than `expected_bytes` or turns out to be full, and whatever `write` raises.
    """
    step, keep = check_whole("step", step, 0), check_whole("keep", keep, 1)
    if not callable(write):
        raise TypeError(f"write must be a function of a folder, got {write!r:.80}")
    folder = files.given(run) / "checkpoints" / f"step-{step:08d}"
    try:
        with files.whole_folder(folder, replace=True) as hidden:  # replaces a damaged checkpoint of the same step
            if shutil.disk_usage(hidden).free < expected_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(hidden)
            _write_manifest(hidden)
    except BaseException as error:
        if _errno(error) in files.NO_ROOM:
            raise _disk_full(folder, expected_bytes) from error
        raise
    remove_older(run, step, keep)
    return folder


def remove_older(run: str | Path, step: int, keep: int) -> None:
    """Remove the checkpoints up to `step` but for the last `keep`; a killed process may have left more."""
    for older in [path for path in _checkpoints(run) if _step(path) <= step][keep:]:
        files.remove_folder(older)


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
    folder = files.given(folder)
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
    files.remove_leftovers(Path(run) / "checkpoints")


def find_model(source: str | Path) -> str | Path:
    """Return what `open_checkpoint` reads: the latest checkpoint of an unfinished run, or `source` itself."""
    path = files.given(source)
    if path.is_dir() and not (path / CONFIG_FILE).is_file():
        return latest_checkpoint(path) or source
    return source


def _checkpoints(run: str | Path) -> list[Path]:
    """Checkpoint folders of a run, newest first."""
    folders = (files.given(run) / "checkpoints").glob("step-*")
    return sorted((path for path in folders if re.fullmatch(r"step-\d{8,}", path.name)), key=_step, reverse=True)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _write_manifest(folder: Path) -> None:
    entries = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / MANIFEST).write_text(json.dumps({"files": entries}, indent=2) + "\n", encoding="utf-8")


def _read_manifest(folder: Path) -> dict[str, dict[str, object]]:
    path = folder / MANIFEST
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing, so {folder} is no checkpoint of a run. Released models hold no optimizer "
            "state; start a new run from their weights."
        )
    try:
        entries: dict[str, dict[str, object]] = files.read_json(path, _MANIFEST)["files"]
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    for name in entries:
        if len(name) > _LONGEST_NAME or not name.isprintable() or {"", ".."} & {*name.split("/")}:
            raise CheckpointError(f"{path}: files names {name[:80]!r}, which is no file of a checkpoint")
    return entries


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _errno(error: BaseException) -> int | None:
    """Return the system's error number, which safetensors reports in the text alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _disk_full(folder: Path, expected_bytes: int) -> OSError:
    there = next(parent for parent in folder.absolute().parents if parent.exists())
    free = shutil.disk_usage(there).free
    return OSError(
        errno.ENOSPC,
        f"no room for a checkpoint: it needs about {expected_bytes / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are "
        "free; earlier checkpoints are untouched",
        str(folder),
    )

"""Checkpoints: whole or absent, whatever happens."""

import errno
import json
import os
import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from albert_np.checkpoints import (
    CheckpointError,
    latest_checkpoint,
    remove_leftovers,
    save_checkpoint,
    verify_checkpoint,
)


def write_files(folder):
    (folder / "a.txt").write_text("a")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "b.bin").write_bytes(bytes(1000))


def save(run, step, write=write_files, **options):
    return save_checkpoint(run, step, write, expected_bytes=2000, **options)


def names(run):
    return sorted(path.name for path in (Path(run) / "checkpoints").iterdir())


def test_a_saved_checkpoint_is_whole_and_the_latest(tmp_path):
    folder = save(tmp_path, 500)
    assert folder == tmp_path / "checkpoints" / "step-00000500"
    verify_checkpoint(folder)
    assert latest_checkpoint(tmp_path) == folder
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert listed.keys() == {"a.txt", "deeper/b.bin"}
    assert listed["deeper/b.bin"]["bytes"] == 1000


def test_a_run_without_checkpoints_has_no_latest(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    remove_leftovers(tmp_path)


def test_the_last_two_are_kept_in_the_order_of_their_steps(tmp_path):
    for step in (0, 5, 99_999_999, 100_000_000):
        save(tmp_path, step)
    assert names(tmp_path) == ["step-100000000", "step-99999999"]
    assert latest_checkpoint(tmp_path).name == "step-100000000"
    save(tmp_path, 100_000_001, keep=3)
    assert len(names(tmp_path)) == 3
    save(tmp_path, 100_000_002, keep=1)
    assert names(tmp_path) == ["step-100000002"]


def test_older_checkpoints_stand_until_the_new_one_is_complete(tmp_path):
    seen = []
    for step in range(4):
        save(tmp_path, step, lambda folder: seen.append(names(tmp_path)), keep=1)
    assert seen == [[f".partial-step-{step:08d}", *([f"step-{step - 1:08d}"] if step else [])] for step in range(4)]


def test_everything_is_flushed_before_the_name_appears(tmp_path, monkeypatch):
    events = []
    fsync, rename = os.fsync, Path.rename

    def note_fsync(descriptor):
        inode = os.fstat(descriptor).st_ino
        events.extend(path.name for path in tmp_path.rglob("*") if path.stat().st_ino == inode)
        fsync(descriptor)

    def note_rename(self, target):
        events.append(f"rename to {target.name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    save(tmp_path, 1)
    renamed = events.index("rename to step-00000001")
    assert {"a.txt", "b.bin", "manifest.json", "deeper", ".partial-step-00000001"} == set(events[:renamed])
    assert events[renamed + 1 :] == ["checkpoints"]


@pytest.mark.parametrize("arguments", [(-1, 2), ("x", 2), (1, 0), (1, None)])
def test_a_number_that_cannot_be_is_refused_before_anything_is_made(arguments, tmp_path):
    step, keep = arguments
    with pytest.raises(ValueError, match=r"(step|keep)=.* must be a whole number of at least"):
        save_checkpoint(tmp_path / "run", step, lambda folder: None, 0, keep)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [RuntimeError("writer failed"), KeyboardInterrupt()])
def test_a_failing_writer_leaves_nothing_and_its_error_comes_through(tmp_path, error):
    save(tmp_path, 1)

    def fail(folder):
        write_files(folder)
        raise error

    with pytest.raises(type(error)):
        save(tmp_path, 2, fail)
    assert names(tmp_path) == ["step-00000001"]
    verify_checkpoint(tmp_path / "checkpoints" / "step-00000001")
    with pytest.raises(type(error)):
        save(tmp_path / "new" / "run", 1, fail)
    assert not (tmp_path / "new").exists()


def test_what_is_no_writer_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(TypeError, match="write must be a function of a folder, got 'writer'"):
        save_checkpoint(tmp_path / "run", 1, "writer", 0)
    assert not list(tmp_path.iterdir())


def test_a_first_checkpoint_that_finds_no_room_leaves_no_folder(tmp_path):
    with pytest.raises(OSError, match="no room for a checkpoint"):
        save_checkpoint(tmp_path / "run", 1, write_files, 2**62)
    assert not list(tmp_path.iterdir())


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    folder = save(tmp_path, 1)
    leftover = folder.with_name(".partial-step-00000002")
    shutil.copytree(folder, leftover)
    shutil.copytree(folder, folder.with_name(".partial-old-step-00000000"))
    (folder.parent / "notes").mkdir()
    assert latest_checkpoint(tmp_path) == folder
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["notes", "step-00000001"]


def test_saving_replaces_a_leftover_and_a_damaged_checkpoint_of_the_same_step(tmp_path):
    folder = save(tmp_path, 1)
    shutil.copytree(folder, folder.with_name(".partial-step-00000001"))
    (folder / "a.txt").write_text("b")
    save(tmp_path, 1)
    verify_checkpoint(folder)
    assert names(tmp_path) == ["step-00000001"]


def damage_change(folder):
    content = bytearray((folder / "deeper" / "b.bin").read_bytes())
    content[500] ^= 1
    (folder / "deeper" / "b.bin").write_bytes(content)


def damage_cut(folder):
    os.truncate(folder / "deeper" / "b.bin", 999)


def damage_remove(folder):
    (folder / "deeper" / "b.bin").unlink()


def damage_manifest_missing(folder):
    (folder / "manifest.json").unlink()


def damage_manifest_cut(folder):
    os.truncate(folder / "manifest.json", 40)


def damage_manifest_strange(folder):
    (folder / "manifest.json").write_text('{"files": ["a.txt"]}')


def damage_manifest_name(name):
    def damage(folder):
        content = json.loads((folder / "manifest.json").read_text())
        content["files"][name] = {"bytes": 1, "sha256": ""}
        (folder / "manifest.json").write_text(json.dumps(content))

    return damage


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (damage_change, r"b\.bin was changed"),
        (damage_cut, r"b\.bin has 999 bytes, not 1000"),
        (damage_remove, r"b\.bin is missing"),
        (damage_manifest_missing, r"manifest\.json is missing.*no optimizer state"),
        (damage_manifest_cut, r"manifest\.json is not valid JSON"),
        (damage_manifest_strange, r"manifest\.json: files is a list; allowed is an object"),
        (damage_manifest_name("a" * 70_000), r"manifest\.json: files names 'a{80}', which is no file"),
        (damage_manifest_name("../a.txt"), r"manifest\.json: files names '\.\./a\.txt', which is no file"),
        (damage_manifest_name("/etc/passwd"), r"manifest\.json: files names '/etc/passwd', which is no file"),
        (damage_manifest_name(""), r"manifest\.json: files names '', which is no file"),
    ],
)
def test_damage_is_named_and_the_one_before_is_chosen(tmp_path, damage, named):
    older, newer = save(tmp_path, 1), save(tmp_path, 2)
    damage(newer)
    with pytest.raises(CheckpointError, match=named):
        verify_checkpoint(newer)
    with pytest.warns(UserWarning, match=named):
        assert latest_checkpoint(tmp_path) == older


def assert_full_disk_is_survived(run, write, expected_bytes=2000):
    with pytest.raises(OSError, match=r"needs about 0\.0 MB.*step-00000002") as caught:
        save_checkpoint(run, 2, write, expected_bytes)
    assert caught.value.errno == errno.ENOSPC
    assert names(run) == ["step-00000001"]
    verify_checkpoint(run / "checkpoints" / "step-00000001")


def test_a_disk_known_to_be_too_small_is_not_written_to(tmp_path, monkeypatch):
    save(tmp_path, 1)
    usage = namedtuple("usage", "total used free")(10_000, 8_001, 1_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert_full_disk_is_survived(tmp_path, lambda folder: pytest.fail("must not be called"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_write_that_finds_the_disk_full_leaves_the_old_checkpoint(tmp_path, number):
    save(tmp_path, 1)

    def write(folder):
        write_files(folder)
        raise OSError(number, os.strerror(number))

    assert_full_disk_is_survived(tmp_path, write)


def write_too_much(folder):
    (folder / "small.txt").write_text("fits")
    save_file({"x": np.zeros(1_000_000)}, folder / "large.safetensors")


def test_files_over_the_size_limit_leave_the_old_checkpoint(tmp_path):
    resource = pytest.importorskip("resource")
    save(tmp_path, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        assert_full_disk_is_survived(tmp_path, write_too_much)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_really_full_file_system_leaves_the_old_checkpoint(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a small file system")
    try:
        save(tmp_path, 1)
        assert_full_disk_is_survived(tmp_path, write_too_much)
        save(tmp_path, 2)
        assert latest_checkpoint(tmp_path).name == "step-00000002"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_other_errors_are_not_called_a_full_disk(tmp_path):
    def write(folder):
        raise PermissionError(errno.EACCES, "not yours")

    with pytest.raises(PermissionError, match="not yours"):
        save(tmp_path, 1, write)

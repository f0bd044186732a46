"""Files appear whole or not at all, errors name the final path, and damage is named with its place."""

import errno
import gzip
import json
import os
import random
import re
import stat
import subprocess
import sys
import threading
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest

from albert_np import AlbertConfig, AlbertModel, AlbertTokenizer, files
from albert_np.checkpoints import latest_checkpoint, verify_checkpoint
from albert_np.files import (
    is_vacant,
    locked,
    read_json,
    read_lines,
    read_text,
    remove_folder,
    remove_leftovers,
    telltale,
    whole_file,
    whole_files,
    whole_folder,
    write_json,
    write_text,
)
from albert_np.pretraining import PretrainingRun
from albert_np.tasks import FineTuningRun

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and devices of POSIX")


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_nothing_else_in_the_package_renames_files():
    package = Path(files.__file__).parent
    texts = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    found = {name for name, text in texts.items() if re.search(r"\bos\.(replace|rename)\(|\.rename\(", text)}
    assert found == {"files.py"}


def test_a_file_appears_whole_at_the_end_and_replaces_the_one_before(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with whole_file(path) as hidden:
        assert hidden.parent == tmp_path
        assert hidden.suffix == ".txt"
        hidden.write_text("after")
        assert path.read_text() == "before"
    assert names(tmp_path) == ["a.txt"]
    assert path.read_text() == "after"


@pytest.mark.parametrize("error", [RuntimeError("stopped"), KeyboardInterrupt()])
@pytest.mark.parametrize("existed", [True, False])
def test_a_failing_block_leaves_what_was_there(tmp_path, error, existed):
    path, folder = tmp_path / "a.txt", tmp_path / "folder"
    if existed:
        path.write_text("before")
        folder.mkdir()
        (folder / "b").write_text("before")
    before = names(tmp_path)

    def fail(block):
        with block as hidden:
            (hidden / "b" if hidden.is_dir() else hidden).write_text("half")
            raise error

    for block in (whole_file(path), whole_folder(folder, replace=True), whole_files(folder, seal="b")):
        with pytest.raises(type(error)):
            fail(block)
    assert names(tmp_path) == before
    if existed:
        assert path.read_text() == (folder / "b").read_text() == "before"


@posix
def test_a_file_has_the_permissions_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_all_is_on_disk_before_the_name_appears_and_the_name_after_it(tmp_path, monkeypatch):
    events = []
    fsync = os.fsync

    def note_fsync(descriptor):
        inode = os.fstat(descriptor).st_ino
        events.extend((path.name, *names(tmp_path)) for path in tmp_path.rglob("*") if path.stat().st_ino == inode)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note_fsync)
    (tmp_path / "in").mkdir()
    write_text(tmp_path / "in" / "a", "text")
    assert events == [(".partial-a", "in", "in/.partial-a"), ("in", "in", "in/a")]
    events.clear()
    with whole_folder(tmp_path / "in" / "b") as hidden:
        (hidden / "c").write_text("text")
    assert [event[0] for event in events] == ["c", ".partial-b", "in"]
    assert "in/b" not in events[1]
    assert "in/b/c" in events[2]


def test_errors_name_the_final_path(tmp_path):
    missing = tmp_path / "missing" / "a.txt"
    with pytest.raises(FileNotFoundError) as caught:
        write_text(missing, "text")
    assert caught.value.filename == str(missing)
    assert ".partial" not in str(caught.value)
    with pytest.raises(ValueError, match=r"^the figure in .*a\.png is bad$"), whole_file(tmp_path / "a.png") as hidden:
        raise ValueError(f"the figure in {hidden} is bad")
    with pytest.raises(FileNotFoundError) as caught, whole_folder(tmp_path / "b") as hidden:
        (hidden / "deep" / "c").write_text("text")
    assert caught.value.filename == str(tmp_path / "b" / "deep" / "c")
    with pytest.raises(FileNotFoundError) as caught, whole_files(tmp_path / "c") as hidden:
        (hidden / "deep" / "c").write_text("text")
    assert caught.value.filename == str(tmp_path / "c" / "deep" / "c")
    assert names(tmp_path) == []


def test_errors_name_the_path_as_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        write_text("missing/a.txt", "text")
    assert caught.value.filename == "missing/a.txt"


def test_a_full_disk_is_told_with_the_path(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught, whole_file(tmp_path / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "a")
    with pytest.raises(OSError, match=r"Connection refused$") as caught, whole_file(tmp_path / "a"):
        raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    assert caught.value.filename is None


def test_a_way_round_that_is_no_folder_leaves_none(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), whole_folder(tmp_path / "new" / "sub" / ".." / ".." / "file" / "a"):
        pytest.fail("the block ran")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_the_place_of_a_file_is_refused_before_the_block_runs(tmp_path):
    with pytest.raises(IsADirectoryError) as caught, whole_file(tmp_path):
        pytest.fail("the block ran")
    assert caught.value.filename == str(tmp_path)


@pytest.mark.parametrize("writer, name", [(whole_folder, "file"), (whole_folder, "file/folder"), (whole_files, "file")])
def test_a_file_in_the_way_of_a_folder_is_named(tmp_path, writer, name):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError) as caught, writer(tmp_path / name):
        pytest.fail("the block ran")
    assert caught.value.filename == str(tmp_path / "file")


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_parent_is_refused_before_the_block_runs(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError) as caught, whole_file(tmp_path / "a"):
            pytest.fail("the block ran")
        assert caught.value.filename == str(tmp_path / "a")
        with pytest.raises(PermissionError) as caught, whole_folder(tmp_path / "b"):
            pytest.fail("the block ran")
        assert caught.value.filename == str(tmp_path / "b")
    finally:
        tmp_path.chmod(0o700)


@posix
@pytest.mark.parametrize("number, passes", [(errno.EINVAL, True), (errno.EIO, False)])
def test_folders_that_cannot_be_flushed_are_no_failure(tmp_path, monkeypatch, number, passes):
    fsync = os.fsync

    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    with nullcontext() if passes else pytest.raises(OSError, match=os.strerror(number)):
        write_text(tmp_path / "a", "text")


@posix
def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("a")
    write_text(tmp_path / "b", "b")
    assert not (tmp_path / "b").is_symlink()
    assert (tmp_path / "a").read_text() == "a"


@posix
def test_devices_and_pipes_are_written_to(tmp_path):
    write_text("/dev/null", "text")
    assert not os.path.isfile("/dev/null")
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "text")
    reader.join()
    assert got == ["text"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@posix
@pytest.mark.parametrize("to_a_file", [True, False])
def test_the_standard_output_is_written_to_by_its_name(tmp_path, to_a_file):
    code = "from albert_np.files import write_text; write_text('/dev/stdout', 'text')"
    with (tmp_path / "out").open("w+") as file:
        done = subprocess.run([sys.executable, "-c", code], stdout=file if to_a_file else subprocess.PIPE, check=True)
        assert (file.read() if to_a_file else done.stdout.decode()) == "text"


def test_what_a_killed_writer_left_is_cleared_by_the_next(tmp_path):
    for writer, name in ((whole_file, "a"), (whole_folder, "b"), (whole_files, "c")):
        code = (
            f"import os\nfrom pathlib import Path\nfrom albert_np.files import {writer.__name__}\n"
            f"with {writer.__name__}({str(tmp_path / name)!r}) as hidden:\n"
            "    (hidden / 'old' if hidden.is_dir() else hidden).write_text('half')\n    os._exit(3)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3
    assert names(tmp_path) == [
        ".partial-a",
        ".partial-b",
        ".partial-b/old",
        "c",
        "c/.partial-files",
        "c/.partial-files/old",
    ]
    for writer, name in ((whole_file, "a"), (whole_folder, "b"), (whole_files, "c")):
        with writer(tmp_path / name) as hidden:
            (hidden / "new" if hidden.is_dir() else hidden).write_text("whole")
    assert names(tmp_path) == ["a", "b", "b/new", "c", "c/new"]


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".partial-a").write_text("half")
    (tmp_path / ".partial-b").mkdir()
    (tmp_path / ".partial-b" / "c").write_text("half")
    (tmp_path / "partial").write_text("whole")
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "missing")
    assert names(tmp_path) == ["partial"]


def test_a_folder_appears_whole_with_its_parents(tmp_path):
    with whole_folder(tmp_path / "deep" / "a") as hidden:
        (hidden / "in").mkdir()
        (hidden / "in" / "b").write_text("text")
        assert not (tmp_path / "deep" / "a").exists()
    assert names(tmp_path / "deep") == ["a", "a/in", "a/in/b"]


def test_only_an_empty_folder_gives_way_to_a_new_one(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("text")
    (tmp_path / "file").write_text("text")
    assert [is_vacant(tmp_path / name) for name in ("none", "empty", "full", "file")] == [True, True, False, False]
    with whole_folder(tmp_path / "empty") as hidden:
        (hidden / "a").write_text("text")
    for name, replace in (("full", False), ("file", False), ("file", True)):
        with pytest.raises(FileExistsError) as caught, whole_folder(tmp_path / name, replace=replace):
            pytest.fail("the block ran")
        assert caught.value.filename == str(tmp_path / name)
    with whole_folder(tmp_path / "full", replace=True) as hidden:
        (hidden / "b").write_text("text")
    assert names(tmp_path) == ["empty", "empty/a", "file", "full", "full/b"]


def test_a_folder_that_came_meanwhile_is_left_alone(tmp_path):
    def write():
        with whole_folder(tmp_path / "folder") as hidden:
            (hidden / "file").write_text("late")
            (tmp_path / "folder").mkdir()
            (tmp_path / "folder" / "other").write_text("early")

    with pytest.raises(FileExistsError, match="folder"):
        write()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "other"]


def test_a_folder_named_from_within_is_written_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with whole_files(".") as hidden:
        (hidden / "a").write_text("text")
    write_text("b", "text")
    assert names(tmp_path) == ["a", "b"]


def test_files_move_into_a_folder_beside_others_the_seal_last(tmp_path, monkeypatch):
    for name in ("kept", "index", "part-1", "part-2"):
        (tmp_path / name).write_text("before")
    replace, seen = os.replace, []

    def note(source, target):
        seen.append((target.name, (tmp_path / "index").exists()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", note)
    with whole_files(tmp_path, seal="index") as hidden:
        for name in ("part-2", "index", "part-1"):
            (hidden / name).write_text("after")
        assert (tmp_path / "index").read_text() == "before"
    assert seen == [("part-1", False), ("part-2", False), ("index", False)]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "kept": "before",
        "index": "after",
        "part-1": "after",
        "part-2": "after",
    }


def test_an_empty_path_is_not_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for writer in (whole_file, whole_files, whole_folder):
        with pytest.raises(ValueError, match=r"the path is empty; the working folder is '\.'"), writer(""):
            pass
        with pytest.raises(TypeError, match=r"a path must be text or a Path, got 5 \(int\)"), writer(5):
            pass
    assert names(tmp_path) == []


def test_obsolete_files_go_before_the_seal_comes(tmp_path, monkeypatch):
    for name in ("kept", "old-1", "old-2", "seal"):
        (tmp_path / name).write_text("before")
    replace, seen = os.replace, {}

    def note(source, target):
        seen[target.name] = {path.name for path in tmp_path.iterdir()} - {".partial-files"}
        replace(source, target)

    monkeypatch.setattr(os, "replace", note)
    with whole_files(tmp_path, seal="seal", obsolete=re.compile(r"old-\d")) as hidden:
        for name in ("seal", "new", "old-2"):
            (hidden / name).write_text("after")
    assert seen == {"new": {"kept", "old-1", "old-2"}, "old-2": {"kept", "new", "old-1", "old-2"}} | {
        "seal": {"kept", "new", "old-2"}
    }
    assert names(tmp_path) == ["kept", "new", "old-2", "seal"]


@posix
def test_what_libraries_write_for_the_owner_alone_gets_the_permissions_of_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        for writer, path in ((whole_folder, tmp_path / "a" / "x"), (whole_files, tmp_path / "b" / "x")):
            with writer(path.parent) as hidden:
                (hidden / "x").touch(0o600)
        with whole_file(tmp_path / "c") as hidden:
            hidden.unlink()
            hidden.touch(0o600)
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "a" / "x", tmp_path / "b" / "x", tmp_path / "c")]
    assert modes == [0o640] * 3


@posix
def test_pipes_and_devices_are_refused_unless_they_are_open(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/tty"):
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))} is (a pipe or a device, )?not a file"):
            read_text(path)
        with pytest.raises(ValueError, match="is not a file"):
            read_json(path)
    done = subprocess.run(
        [sys.executable, "-c", "from albert_np.files import read_text; print(read_text('/dev/stdin'))"],
        input="text",
        capture_output=True,
        text=True,
    )
    assert done.stdout == "text\n"


def test_a_few_kilobytes_that_stand_for_a_gigabyte_are_not_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_LONGEST_LINE", 2**16)
    monkeypatch.setattr(files, "_LONGEST_TEXT", 2**17)
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"a\n" + bytes(2**17)))
    with pytest.raises(ValueError, match=r"a\.txt\.gz, line 2: it has more than 0 MiB; cut it up"):
        list(read_lines(path))
    path.write_bytes(gzip.compress(b"a\n" * 2**17))
    assert sum(1 for _ in read_lines(path)) == 2**17
    with pytest.raises(ValueError, match="has more than 0 MiB of text"):
        read_text(path)
    monkeypatch.undo()
    path.write_bytes(gzip.compress(b"the same line\n" * 2**20))
    for read in (read_text, lambda path: sum(1 for _ in read_lines(path))):
        with pytest.raises(ValueError, match=r"a\.txt\.gz has more than [234] MiB of text"):
            read(path)
    path.write_bytes(gzip.compress(b"the same line\n" * 2**17))
    assert len(read_text(path)) == 14 * 2**17


TELLTALES = {
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 47\n", "git lfs pull"),
    "a page": (b"\n<!DOCTYPE html><html><title>404</title>", "a web page"),
    "a page without a doctype": (b"\xef\xbb\xbf<HTML>", "a web page"),
    "an error of a store": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "an XML document"),
    "packed": (gzip.compress(b"{}"), "packed with gzip"),
    "an archive": (b"PK\3\4\0\0", "a zip archive"),
    "an old pickle": (b"\x80\x02}q", "a pickle"),
    "Keras": (b"\x89HDF\r\n\x1a\n", "HDF5"),
    "nothing": (b"", "it is empty"),
    "zeros": (bytes(4096), "nothing but zeros"),
}


@pytest.mark.parametrize("case", TELLTALES)
def test_what_a_file_is_in_truth_is_told_from_its_first_bytes(case, tmp_path):
    content, message = TELLTALES[case]
    assert message in telltale(content)
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.json is not valid JSON: .*{message}"):
        read_json(path)


def test_first_bytes_that_tell_nothing_add_nothing():
    assert telltale(b"{") == telltale(b"\x00\x01") == ""


def test_a_folder_is_never_seen_half_removed(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "b").write_text("text")
    remove_folder(folder)
    assert names(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        remove_folder(folder)


def holding(folder, then):
    """Start a process that holds a folder, says so, and then does something."""
    code = f"from albert_np.files import locked\nwith locked({str(folder)!r}):\n print('held', flush=True)\n {then}"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path):
    folder = tmp_path / "run"
    with holding(folder, "input()") as process:
        message = r"run is in use by another process: wait until .* another folder"
        with pytest.raises(BlockingIOError, match=message), locked(folder):
            raise AssertionError
        process.communicate(b"\n")
    with locked(folder):
        assert names(folder) == [".lock"]
    assert names(tmp_path) == ["run"]


def test_a_killed_holder_is_in_nobodys_way(tmp_path):
    with holding(tmp_path, "input()") as process:
        process.kill()
    with locked(tmp_path):
        pass
    assert names(tmp_path) == []


def test_many_processes_hold_a_folder_in_turn(tmp_path):
    """Each makes the lock's file anew: one that waits for a removed file must not believe that it has the folder."""
    code = (
        "import sys, os\nfrom albert_np.files import locked\ndone = 0\nwhile done < 200:\n"
        "    try:\n        with locked(sys.argv[1]):\n"
        "            os.close(os.open(sys.argv[2], os.O_CREAT | os.O_EXCL))\n            os.unlink(sys.argv[2])\n"
        "            done += 1\n    except BlockingIOError:\n        pass"
    )
    command = [sys.executable, "-c", code, tmp_path / "run", tmp_path / "inside"]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]


@pytest.mark.parametrize("writer", [locked, whole_files, whole_folder])
def test_folders_made_for_a_block_that_fails_go_again(tmp_path, writer):
    (tmp_path / "kept").mkdir()
    for folder in (tmp_path / "a" / "b" / "c", tmp_path / "kept" / "a"):
        with pytest.raises(ValueError, match="no"), writer(folder):
            raise ValueError("no")
    assert names(tmp_path) == ["kept"]


def test_where_the_file_system_has_no_locks_a_warning_says_so(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.warns(UserWarning, match=r"no lock can be had here .*; let one process alone use it"), locked(tmp_path):
        pass


def test_json_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "a.json"
    content = {"text": "Ünï", "numbers": [1, 2.5, None]}
    write_json(path, content)
    assert read_json(path) == content
    assert path.read_bytes().startswith(b'{\n  "text": "\\u00dcn')
    write_json(path, content, indent=None, ensure_ascii=False)
    assert path.read_text(encoding="utf-8") == json.dumps(content, ensure_ascii=False) + "\n"
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"a": object()})
    assert read_json(path) == content


@pytest.mark.parametrize(
    "content, message",
    [
        (b"{", "is not valid JSON"),
        (b"\xff", "is not valid JSON"),
        (b"[" * 10**5, "is not valid JSON"),
        (b"[]", "must hold a JSON object, got a list"),
    ],
)
def test_damaged_json_is_named(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.json {message}"):
        read_json(path)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.GZ"])
def test_a_text_is_read_without_mark_and_unpacked(tmp_path, name):
    text = "Ünï\r\n\n  last without end"
    data = text.encode("utf-8-sig")
    (tmp_path / name).write_bytes(gzip.compress(data) if name.lower().endswith("gz") else data)
    assert list(read_lines(tmp_path / name)) == ["Ünï\r\n", "\n", "  last without end"]
    assert read_text(tmp_path / name) == text


@pytest.mark.parametrize("alphabet", ["ab \n", "é😀中", "a\r\n"])
def test_a_long_line_comes_in_pieces_of_whole_characters(tmp_path, alphabet):
    text = "".join(random.Random(0).choices(alphabet, k=500))
    (tmp_path / "a.txt").write_text(text, encoding="utf-8", newline="")
    for longest in (4, 5, 7, 64, 10_000):
        pieces = list(read_lines(tmp_path / "a.txt", longest))
        assert "".join(pieces) == text
        assert all(0 < len(piece.encode()) <= longest for piece in pieces)
        assert all(piece[-1].isspace() or not re.search(r"\s", piece[:-1]) for piece in pieces[:-1])
        assert not any(a.endswith("\r") and b.startswith("\n") for a, b in pairwise(pieces))


def test_nul_is_no_text_and_named_with_the_line(tmp_path):
    path = tmp_path / "a.docx"
    path.write_bytes(b"PK\3\4\n\0\0")
    for read in (read_text, lambda path: list(read_lines(path))):
        with pytest.raises(ValueError, match=r"a\.docx, line 2 holds the character NUL: this is no text"):
            read(path)
    assert read_text(path, lenient=True) == "PK\3\4\n\0\0"


def test_damaged_text_is_named_with_the_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\n\nna\xefve\n")
    lines = read_lines(path)
    assert next(lines) == "good\n"
    with pytest.raises(ValueError, match=r"a\.txt, line 3: byte 0xef at place 3 of the line is not UTF-8"):
        list(lines)
    packed = tmp_path / "a.gz"
    for content in (b"no gzip", gzip.compress(b"text " * 99)[:-9], gzip.compress(b"text")[:10] + b"\xff" * 20):
        packed.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.gz is not a whole gzip file"):
            read_text(packed)
    with pytest.raises(FileNotFoundError):
        list(read_lines(tmp_path / "missing"))


@pytest.mark.parametrize(
    "opened",
    [
        AlbertConfig.from_pretrained,
        AlbertTokenizer.from_pretrained,
        AlbertModel.from_pretrained,
        PretrainingRun,
        FineTuningRun,
        latest_checkpoint,
        verify_checkpoint,
    ],
)
def test_what_is_no_path_is_refused_wherever_one_is_opened(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("config.json", "run.json", "finetuning.json", "manifest.json"):
        (tmp_path / name).write_text("{}")
    for path in (5, None, ["a"]):
        with pytest.raises(TypeError, match="a path must be text or a Path, got"):
            opened(path)
    with pytest.raises(ValueError, match="the path is empty"):
        opened("")

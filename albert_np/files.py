"""Files: written whole or not at all; texts and JSON, read with errors that say where.

`whole_file`, `whole_files` and `whole_folder` give their block a hidden name beside the final one. What the block has
written is flushed to disk and only then renamed, which file systems do at one stroke. So a name never shows half of
what was to be written, whenever a process is killed or the power is cut. If the block raises anything, what it wrote
is removed, what was there before stays, and the error names the final path. The hidden name of a path is always the
same: the next writer clears what a killed one left, and two must not write to the same path at the same time: where
that could happen, they hold the folder with `locked`.
"""

import errno
import gzip
import json
import math
import os
import re
import shutil
import sys
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import IO, Any, cast

from albert_np.schema import check

__all__ = [
    "NO_ROOM",
    "given",
    "is_vacant",
    "locked",
    "read_json",
    "read_lines",
    "read_text",
    "remove_folder",
    "remove_leftovers",
    "telltale",
    "whole_file",
    "whole_files",
    "whole_folder",
    "write_json",
    "write_text",
]

Name = str | os.PathLike[str]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, quota used up, file larger than allowed
_UNFLUSHED = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)  # of folders, on some systems of files
_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)  # a lock is held; the last two on Windows
_LONGEST_LINE, _LONGEST_TEXT = 2**26, 2**28  # bytes; a few kilobytes of gzip can stand for gigabytes
_HIDDEN = ".partial-"  # in front of a name: what it ends in, some libraries go by


@contextmanager
def whole_file(path: Name) -> Iterator[Path]:
    """Yield the hidden path that a block writes the file `path` under; the file appears, or is replaced, at its end.

    It has the permissions of any new file. A symbolic link is replaced, not followed. A device or a pipe, such as
    /dev/stdout, is yielded itself. Raises, before the block runs, IsADirectoryError if `path` is a folder and OSError,
    such as FileNotFoundError or PermissionError, if no file can be made beside it.
    """
    path = _named(path)
    if _is_stream(path):
        yield path
        return
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    hidden = _hidden(path)
    try:
        hidden.write_bytes(b"")
        allowed = hidden.stat().st_mode & 0o666
        yield hidden
        if hidden.stat().st_mode & 0o666 != allowed:
            hidden.chmod(allowed)
        _flush(hidden)
        os.replace(hidden, path)
        _flush(path.parent)
    except BaseException as error:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
        _name_finally(error, hidden, path)
        raise


@contextmanager
def whole_files(folder: Name, seal: str | None = None, obsolete: re.Pattern[str] | None = None) -> Iterator[Path]:
    """Yield an empty hidden folder; at the end of the block the files in it move into `folder`, each at one stroke.

    `folder` is made if it is missing; other files in it stay. FileExistsError if it is no folder. seal: name of a
    file without which the others are not read as one. If the block has written it, it is taken out of `folder` before
    the first file is replaced, and the new one comes last, so that a half-replaced set is never taken for a whole one.
    obsolete: whole names of files to be removed, unless the block has written them, before the seal comes.
    """
    folder = _named(folder)
    hidden = folder / f"{_HIDDEN}files"
    with _made(folder):
        try:
            shutil.rmtree(hidden, ignore_errors=True)
            hidden.mkdir()
            yield hidden
            _finish_all(hidden)
            names = {path.name for path in hidden.iterdir()}
            if seal in names:
                (folder / seal).unlink(missing_ok=True)
                _flush(folder)
            for name in sorted(names - {seal}):
                os.replace(hidden / name, folder / name)
            for path in folder.iterdir() if obsolete else ():
                if obsolete and obsolete.fullmatch(path.name) and path.name not in names:
                    path.unlink()
            if seal in names:
                _flush(folder)
                os.replace(hidden / seal, folder / seal)
            hidden.rmdir()
            _flush(folder)
        except BaseException as error:
            shutil.rmtree(hidden, ignore_errors=True)
            _name_finally(error, hidden, folder)
            raise


@contextmanager
def whole_folder(folder: Name, replace: bool = False) -> Iterator[Path]:
    """Yield an empty hidden folder that becomes `folder`, with all that is in it, at the end of the block.

    Missing parents are made. With `replace`, a folder of that name is replaced, which takes two renames: between
    them there is none. Raises FileExistsError, before the block runs and again after it, if there is anything but an
    empty folder and `replace` does not allow it, or if it is no folder.
    """
    folder = _named(folder)
    _check_vacant(folder, replace)
    hidden = _hidden(folder)
    with _made(folder.parent):
        try:
            shutil.rmtree(hidden, ignore_errors=True)
            hidden.mkdir()
            yield hidden
            _finish_all(hidden)
            _check_vacant(folder, replace)  # another process may have made it meanwhile
            if folder.exists():
                remove_folder(folder)
            hidden.rename(folder)
            _flush(folder.parent)
        except BaseException as error:
            shutil.rmtree(hidden, ignore_errors=True)
            _name_finally(error, hidden, folder)
            raise


def _check_vacant(folder: Path, replace: bool) -> None:
    if not is_vacant(folder) and not (replace and folder.is_dir()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))


@contextmanager
def locked(folder: Name) -> Iterator[None]:
    """Hold a folder for this process; raise BlockingIOError at once, with the folder's name, if another holds it.

    The folder is made if it is missing, and taken away again if the block fails and leaves it empty. The lock is the
    operating system's, on the file `.lock` in the folder: it ends with the process, however that ends, and a file that
    a killed process left is in nobody's way. Where the file system has no locks, a warning says so. Within one process
    a folder is held once, not again inside the block.
    """
    folder = _named(folder)
    path = folder / ".lock"
    with _made(folder):
        descriptor = _open_locked(path)
        try:
            yield
        finally:
            if os.name == "posix" and _is_open_as(descriptor, path):
                path.unlink()
            os.close(descriptor)


def write_text(path: Name, text: str) -> None:
    """Write a UTF-8 text as `whole_file`, its lines ending in \\n on every system."""
    with whole_file(path) as hidden:
        hidden.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Name, content: object, *, indent: int | None = 2, ensure_ascii: bool = True) -> None:
    """Write what JSON can hold as `whole_file`; indent and ensure_ascii are those of `json.dumps`."""
    write_text(path, json.dumps(content, indent=indent, ensure_ascii=ensure_ascii) + "\n")


def is_vacant(folder: Name) -> bool:
    """Whether there is nothing under this name, or an empty folder."""
    path = Path(folder)
    return not any(path.iterdir()) if path.is_dir() else not os.path.lexists(path)


def remove_folder(folder: Name) -> None:
    """Remove a folder and all in it; a half-removed one is never seen under its name."""
    folder = _named(folder)
    doomed = folder.with_name(f"{_HIDDEN}old-{folder.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed)


def remove_leftovers(folder: Name) -> None:
    """Remove what killed writers left half-written or half-removed in a folder, which need not exist."""
    for path in Path(folder).glob(f"{_HIDDEN}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def given(path: Name) -> Path:
    """Return a path; TypeError if it is none, ValueError if it is "", which would be the working folder."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"a path must be text or a Path, got {str(path)[:80]} ({type(path).__name__})")
    if not os.fspath(path):
        raise ValueError("the path is empty; the working folder is '.'")
    return Path(path)


def _named(path: Name) -> Path:
    """Return a path as it was given, as errors should show it, unless that ends in no name: "." does."""
    return given(path) if given(path).name not in ("", "..") else Path(os.path.abspath(path))


def _hidden(path: Path) -> Path:
    return path.with_name(f"{_HIDDEN}{path.name}")


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; those that were missing go again if the block fails and leaves them empty."""
    missing = list(takewhile(lambda path: not os.path.lexists(path), (folder, *folder.parents)))
    try:
        _make(folder)
        yield
    except BaseException:
        for path in missing:
            if path.name != "..":
                with suppress(OSError):
                    path.rmdir()
        raise


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise FileExistsError(errno.EEXIST, "this is a file, and no folder", str(folder)) from error


def _open_locked(path: Path) -> int:
    """Open a file with the operating system's lock on it; BlockingIOError where another process has that."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, path.parent)
            if _is_open_as(descriptor, path):  # else its last holder removed it before this one had it
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise BlockingIOError(
                f"{folder} is in use by another process: wait until that has ended, or choose another folder"
            ) from error
        warnings.warn(f"{folder}: no lock can be had here ({error}); let one process alone use it", stacklevel=2)


def _is_open_as(descriptor: int, path: Path) -> bool:
    """Whether a path still names the file that is open."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _is_stream(path: Path) -> bool:
    """Whether a name stands for something that bytes go through; /dev/stdout does even where it is sent to a file."""
    whole = Path(os.path.abspath(path))
    if whole.parent in (Path("/dev"), Path("/dev/fd")) or whole.is_relative_to("/proc"):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _flush(path: Path) -> None:
    """Wait until a file or, where the system can, a folder's list of names is on disk."""
    is_folder = path.is_dir()
    if is_folder and os.name != "posix":
        return
    try:
        descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not is_folder or error.errno not in _UNFLUSHED:
            raise


def _finish_all(folder: Path) -> None:
    """Give what was written in a hidden folder the permissions of new files, and wait until it is on disk.

    Some libraries write files that their owner alone may read.
    """
    allowed = folder.stat().st_mode & 0o666
    for path in (*folder.rglob("*"), folder):
        if path.is_file() and path.stat().st_mode & 0o666 != allowed:
            path.chmod(allowed)
        _flush(path)


def _name_finally(error: BaseException, hidden: Path, path: Path) -> None:
    """Let an error name `path` where it names `hidden`, or nothing although there is no room on the disk."""

    def final(value: object) -> object:
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        return text.replace(str(hidden), str(path)) if isinstance(text, str) else value

    if not isinstance(error, OSError) or error.errno is None:
        error.args = tuple(final(value) for value in error.args)
    elif error.filename is None and error.errno in NO_ROOM:
        error.filename = str(path)
    else:
        for name in ("filename", "filename2"):
            if getattr(error, name) is not None:  # setting None would show it
                setattr(error, name, final(getattr(error, name)))


def read_lines(path: Name, longest: int | None = None) -> Iterator[str]:
    """Yield the lines of a UTF-8 text one at a time, each with its \n, without a byte order mark.

    A file whose name ends in `.gz` is unpacked on the way. longest: bytes; a longer line comes in pieces of no more,
    each ending in white space if there is any in it. Raises ValueError, naming the file, if it is damaged gzip or holds
    more than a text can, a named pipe or a device, or, with the line, if that is not UTF-8, holds NUL or, without
    `longest`, has more than 64 MiB; OSError as `open`.
    """
    path = Path(path)
    number, size, most = 1, 0, _most_unpacked(path)
    with _opened(path) as file, _whole_gzip(path):
        for data in _whole_lines(file, path) if longest is None else _pieces(file, longest):
            size += len(data)
            if size > most:
                raise _too_long(path, most)
            try:
                line = data.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, error) from error
            if "\0" in line:
                raise _no_text(path, number)
            yield line
            number += data.endswith(b"\n")


def _most_unpacked(path: Path) -> float:
    """Return how many bytes a file may stand for: packed, 100 times its own, or else 2 MiB: no text packs better."""
    packed = path.suffix.lower() == ".gz" and path.is_file()
    return max(2**21, 100 * path.stat().st_size) if packed else math.inf


def _too_long(path: Path, most: float) -> ValueError:
    return ValueError(f"{path} has more than {int(most) >> 20} MiB of text; cut it up")


def _no_text(path: Path, number: int) -> ValueError:
    return ValueError(f"{path}, line {number} holds the character NUL: this is no text")


def _not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> ValueError:
    """Return the error for bytes that begin with line `number`."""
    data, start = error.object, error.start
    number, begin = number + data.count(b"\n", 0, start), data.rfind(b"\n", 0, start) + 1
    return ValueError(
        f"{path}, line {number}: byte 0x{data[start]:02x} at place {start - begin + 1} of the line is not UTF-8; "
        f"convert the file to UTF-8{telltale(data) if number == 1 else ''}"
    )


@contextmanager
def _whole_gzip(path: Path) -> Iterator[None]:
    """Name the file where what is read from it turns out to be damaged gzip."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from error


def _opened(path: Path) -> IO[bytes]:
    """Open a text, packed or not; a pipe or a device only where it is open already, as /dev/stdin and /dev/fd/3 are."""
    if path.exists() and not path.is_file() and not path.is_dir():
        whole = Path(os.path.abspath(path))
        if whole != Path("/dev/stdin") and not whole.is_relative_to("/dev/fd") and not whole.is_relative_to("/proc"):
            raise ValueError(f"{path} is a pipe or a device, not a file; standard input is /dev/stdin")
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def _whole_lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    number = 0
    while data := file.readline(_LONGEST_LINE + 1):
        number += 1
        if len(data) > _LONGEST_LINE:
            raise ValueError(f"{path}, line {number}: it has more than {_LONGEST_LINE >> 20} MiB; cut it up")
        yield data


def _pieces(file: IO[bytes], longest: int) -> Iterator[bytes]:
    """Yield the lines of a binary file, a long one in pieces, cut behind white space or else between characters."""
    rest = b""
    while True:
        piece = rest + file.readline(longest - len(rest))
        rest = b""
        if len(piece) == longest and not piece.endswith(b"\n"):
            end = piece.rfind(b"\r", 0, -1) + 1 or piece.rfind(b" ") + 1  # not between \r and \n
            if end == 0:  # a character's first byte is not 10xxxxxx
                end = next((i for i in range(longest - 1, longest - 4, -1) if piece[i] & 0xC0 != 0x80), longest)
            piece, rest = piece[:end], piece[end:]
        if not piece:
            return
        yield piece


def read_text(path: Name, lenient: bool = False) -> str:
    """Return a whole text; reads and raises as `read_lines`, and ValueError if it has more than 256 MiB.

    lenient: NUL stays, and each byte that is not UTF-8 becomes the half surrogate U+DC00 + byte, so that what they
    stand in can be left out; what begins with both, or as another format does, is refused all the same.
    """
    path = Path(path)
    most = min(_LONGEST_TEXT, _most_unpacked(path))
    data = bytearray()
    with _opened(path) as file, _whole_gzip(path):
        while piece := file.read(2**20):
            data += piece
            if len(data) > most:
                raise _too_long(path, most)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = bytes(data[:512])
        if lenient and b"\0" not in start and not telltale(start):
            return data.decode("utf-8-sig", "surrogateescape")
        raise _not_utf8(path, 1, error) from error
    if not lenient and "\0" in text:
        raise _no_text(path, text.count("\n", 0, text.index("\0")) + 1)
    return text


_TELLTALES = {
    b"version https://git-lfs.github.com/": "a pointer of Git's large-file storage: `git lfs pull` fetches the file",
    b"\x1f\x8b": "packed with gzip: unpack it",
    b"PK\3\4": "a zip archive, as torch.save writes them",
    b"\x80\x02": "a pickle, as older versions of torch.save write them",
    b"\x89HDF\r\n": "an HDF5 file, as Keras writes them",
    b"<!doctype html": "a web page: the download was answered by an error or a login",
    b"<html": "a web page: the download was answered by an error or a login",
    b"<?xml": "an XML document: the download was answered by an error",
}


def telltale(start: bytes) -> str:
    """Return what the first bytes of a file that cannot be read say of it, as the end of an error; often ""."""
    if not start:
        return " (it is empty)"
    if not start[:512].strip(b"\0"):
        return " (it begins with nothing but zeros: its download or copying was cut off)"
    plain = start[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((f" (it is {what})" for sign, what in _TELLTALES.items() if plain.startswith(sign.lower())), "")


def read_json(path: Name, schema: Mapping[Any, Any] | None = None, max_bytes: int = 2**23) -> dict[str, Any]:
    """Return the JSON object in a file, checked against a schema, see `albert_np.schema`, if one is given.

    Raises ValueError, naming the file and the field, if it is damaged, holds something else, has more than `max_bytes`
    or is no file but a folder, a device or a pipe; OSError as `open`.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a file; it should hold a JSON object")
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"{path} has more than {max_bytes / 2**20:.0f} MiB, which no such file needs")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}{telltale(data)}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, got a {type(content).__name__}")
    check(content, schema or {}, path)
    return content

"""What a class hands in: one file, a folder or a zip, as learning platforms export them.

    s01.ipynb                                           the name is the student's id
    s01/lab.ipynb    submitted/s01/02/lab.ipynb         the folder is
    Ada Lovelace_1234567_assignsubmission_file/…        Moodle: name and number of the participant
    lovelaceada_LATE_345_6789_lab-1.ipynb               Canvas: name, number of the user, of the file
    submission_42/…  beside submission_metadata.yml     Gradescope: the student number or e-mail it says

A zip is read in place: nothing is unpacked to the disk, and what is too large is refused by the size that it states
before it is read. A zip inside, as students hand them in, is opened too, but none inside that.
"""

import hashlib
import os
import re
import stat
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path, PurePosixPath

from albert_np.labs.notebook import read_cells
from albert_np.labs.roster import Student, clean, resolve
from albert_np.labs.source import Cell

__all__ = ["Found", "Submission", "find_submissions"]

MIB = 2**20
LARGEST_FILE = 16 * MIB
LARGEST_INNER_ZIP = 64 * MIB
LARGEST_TOTAL = 2048 * MIB
MOST_FILES = 50_000
PACKED_BEST = 200  # no notebook packs better, but for one of a single repeated byte

_MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_[a-z]+(_(?P<file>.*))?")
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+|anon_?\w+?)_(?P<attempt>\d+)_(?P<file>.+)")
_GRADESCOPE = re.compile(r"submission_\d+")
_EXPORT = re.compile(r"submitted|submissions|assignment_\d+_export")
_SKIPPED = ("__MACOSX", ".ipynb_checkpoints", "__pycache__")


@dataclass(frozen=True)
class Submission:
    """One student's file.

    path: where it was found. name: what an export calls the student, or "". aside: what was not taken, and why.
    sha256: of the file. problem: why it cannot be read, in one line, or "". advice: what its student is told of that,
    without the words of a parser.
    """

    id: str
    path: str
    cells: tuple[Cell, ...] = ()
    name: str = ""
    aside: tuple[str, ...] = ()
    sha256: str = ""
    problem: str = ""
    advice: str = ""


@dataclass
class Found:
    """Submissions by student, and what was said on the way to them, one line each."""

    submissions: list[Submission] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _File:
    """A file in a folder or a zip; order: of attempts, later ones larger."""

    path: str
    size: int
    modified: float
    read: Callable[[], bytes]


@dataclass(frozen=True)
class _Claim:
    """Whose file it is, by its path."""

    id: str
    name: str
    order: tuple[float, ...]
    file: _File


def find_submissions(
    path: str | Path,
    lab: str,
    stem: str,
    pattern: str | None = None,
    roster: Mapping[str, Student] | None = None,
    only: str | None = None,
) -> Found:
    """Find the submissions of a lab in a file, a folder or a zip.

    lab: its number. stem: the name of its release without the ending, by which a file is preferred where a student has
    several. pattern: a regular expression whose group `student`, or first group, is the id; it is searched in the
    path of each file. roster: ids that are to be found; what an export calls a student is looked up in it. only: whose
    all of it is. ValueError if nothing is there, or it is too large to be what it should; FileNotFoundError.
    """
    path = Path(path)
    expression = _compiled(pattern)
    found = Found()
    if path.is_dir():
        files = list(_files_of_folder(path, found.remarks))
    elif path.suffix.lower() == ".zip":
        files = list(_files_of_zip(path, path.name, "", found.remarks))
    elif path.suffix.lower() in (".ipynb", ".py"):
        files = [_File(path.name, path.stat().st_size, path.stat().st_mtime, path.read_bytes)]
    else:
        path.stat()
        raise ValueError(f"{path} is neither a folder, nor a .zip, .ipynb or .py")
    claims = _claims(files, expression, found.remarks)
    if only is not None:
        claims = [replace(claim, id=only) for claim in claims]
    by_student: dict[str, list[_Claim]] = defaultdict(list)
    for claim in claims:
        id = claim.id if roster is None else resolve(claim.id, claim.name, roster)
        if id is None:
            found.remarks.append(f"{claim.file.path}: nobody on the roster is {claim.name or claim.id}")
        by_student[claim.id if id is None else id].append(claim)
    found.submissions = [_chosen(id, some, lab, stem) for id, some in sorted(by_student.items())]
    if not found.submissions:
        reasons = "; ".join(found.remarks[:3])
        raise ValueError(f"{path} holds no notebook that can be graded{': ' if reasons else ''}{reasons}")
    return found


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"student_from={pattern!r} is not a regular expression: {error}") from error
    if not expression.groups:
        raise ValueError(f"student_from={pattern!r} has no group in parentheses, which would be the id")
    return expression


def _files_of_folder(folder: Path, remarks: list[str]) -> Iterator[_File]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(names):
            path = Path(root, name)
            shown = path.relative_to(folder).as_posix()
            if _is_hidden(name):
                continue
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                remarks.append(f"{shown} is not a file of its own (a link or a device): left out")
            elif path.suffix.lower() == ".zip":
                if status.st_size > LARGEST_INNER_ZIP:
                    remarks.append(f"{shown} has {status.st_size / MIB:.0f} MiB: left out")
                else:
                    yield from _files_of_inner_zip(path.read_bytes, shown, status.st_mtime, remarks)
            else:
                yield _File(shown, status.st_size, status.st_mtime, path.read_bytes)


def _files_of_zip(
    file: Path | BytesIO, shown: str, prefix: str, remarks: list[str], inner: bool = False
) -> Iterator[_File]:
    """Yield the files of a zip; ValueError if it is none, or states more than any class hands in."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ValueError(f"{shown} is not a whole zip archive: {str(error)[:200]}") from error
    entries = [entry for entry in archive.infolist() if entry.filename and not entry.is_dir()]
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_FILES or total > LARGEST_TOTAL:
        raise ValueError(
            f"{shown} states {len(entries):,} files of {total / MIB:,.0f} MiB together; allowed are {MOST_FILES:,} and "
            f"{LARGEST_TOTAL // MIB:,}"
        )
    for entry in entries:
        name = _name_of(entry).replace("\\", "/")
        parts = PurePosixPath(name).parts
        if not parts or any(_is_hidden(part) for part in parts if part != ".."):
            continue
        if name.startswith("/") or ".." in parts or ":" in parts[0]:
            remarks.append(f"{shown}: {clean(name)} leads out of the archive: left out")
        elif entry.flag_bits & 1:
            remarks.append(f"{shown}: {clean(name)} is encrypted: left out")
        elif entry.file_size > max(PACKED_BEST * entry.compress_size, MIB):
            remarks.append(f"{shown}: {clean(name)} is packed as no notebook is: left out")
        elif name.lower().endswith(".zip"):
            if inner or entry.file_size > LARGEST_INNER_ZIP:
                remarks.append(f"{shown}: {clean(name)} is a zip too deep or too large: left out")
            else:
                yield from _files_of_inner_zip(_member(archive, entry), prefix + name, _time_of(entry), remarks)
        else:
            yield _File(prefix + name, entry.file_size, _time_of(entry), _member(archive, entry))


def _files_of_inner_zip(read: Callable[[], bytes], shown: str, modified: float, remarks: list[str]) -> Iterator[_File]:
    """Yield the files of a zip that a student handed in, as lying in a folder of its name; its bytes are not kept."""

    def files(said: list[str]) -> list[_File]:
        return list(_files_of_zip(BytesIO(read()), shown, f"{shown[:-4]}/", said, inner=True))

    def reader(path: str) -> Callable[[], bytes]:
        return lambda: next(file.read() for file in files([]) if file.path == path)

    try:
        for file in files(remarks):
            yield replace(file, modified=modified, read=reader(file.path))
    except ValueError as error:
        remarks.append(str(error))


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with archive.open(entry) as file:
                return file.read(entry.file_size + 1)
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise ValueError(f"{clean(_name_of(entry))} cannot be unpacked: {str(error)[:200]}") from error
        except Exception as error:  # what the decompressor of one method or another raises on damage
            raise ValueError(f"{clean(_name_of(entry))} is damaged: {str(error)[:200]}") from error

    return read


def _name_of(entry: zipfile.ZipInfo) -> str:
    """Return the name of a zip's file: UTF-8 also where its flag is missing, as Info-ZIP leaves it out."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:  # it is the old encoding, or `zipfile` knew better
        return entry.filename


def _time_of(entry: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*entry.date_time, 0, 0, -1))
    except (OverflowError, ValueError):
        return 0.0


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED


def _claims(files: Iterable[_File], expression: re.Pattern[str] | None, remarks: list[str]) -> list[_Claim]:
    """Return whose each notebook or Python file is; others are left out, those that one might miss with a remark."""
    files = sorted(files, key=lambda file: file.path)
    told = _gradescope_metadata(files, remarks)
    claims, ignored = [], 0
    for file in files:
        if not file.path.lower().endswith((".ipynb", ".py")):
            ignored += 1
            continue
        if expression is not None:
            match = expression.search(file.path)
            id = clean((match.groupdict().get("student") or match[1] or "") if match else "")
            if not id:
                remarks.append(f"{file.path}: --student-from finds no student in it: left out")
                continue
            claims.append(_Claim(id, "", (file.modified,), file))
        else:
            claims.append(_claim(file, told))
    if ignored:
        remarks.append(f"files that are no notebooks, left out: {ignored}")
    return claims


def _claim(file: _File, told: Mapping[str, tuple[str, str, float]]) -> _Claim:
    parts = PurePosixPath(file.path).parts
    for part in parts:
        if _GRADESCOPE.fullmatch(part) and len(parts) > 1:
            id, name, created = told.get(part, (part, "", file.modified))
            return _Claim(id, name, (created, file.modified), file)
        if match := _MOODLE.fullmatch(part):
            return _Claim(match["id"], clean(match["name"]), (file.modified,), file)
        if match := _CANVAS.fullmatch(part):
            return _Claim(match["id"], clean(match["name"]), (float(match["attempt"]), file.modified), file)
    while len(parts) > 2 and _EXPORT.fullmatch(parts[0]):
        parts = parts[1:]
    if len(parts) == 2 and _EXPORT.fullmatch(parts[0]):
        parts = parts[1:]
    id = clean(parts[0] if len(parts) > 1 else PurePosixPath(parts[0]).stem)
    return _Claim(id or "nameless", "", (file.modified,), file)


def _gradescope_metadata(files: Iterable[_File], remarks: list[str]) -> dict[str, tuple[str, str, float]]:
    """Return folder → (id, name, time) from `submission_metadata.yml`: its few lines of interest, read as text."""
    told: dict[str, tuple[str, str, float]] = {}
    for file in files:
        if PurePosixPath(file.path).name != "submission_metadata.yml" or file.size > LARGEST_FILE:
            continue
        text = file.read().decode("utf-8", "replace")
        for block in re.split(r"^(?=submission_\d+:)", text, flags=re.M):
            if not (head := _GRADESCOPE.match(block)):
                continue
            values = {
                key: clean(match[1].strip().strip("'\"")) if (match := re.search(rf"{key}: *(.*)", block)) else ""
                for key in (":sid", ":email", ":name", ":created_at")
            }
            id = values[":sid"] or values[":email"] or head[0]
            if len(re.findall(r"^ *- :", block.partition(":created_at")[0], re.M)) > 1:
                remarks.append(f"{head[0]} was handed in by a group: it is graded as {id}'s alone")
            told[head[0]] = (id, values[":email"] or values[":name"], _seconds(values[":created_at"]))
    return told


def _seconds(created: str) -> float:
    digits = re.match(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)", created)
    return time.mktime((*map(int, digits.groups()), 0, 0, -1)) if digits else 0.0  # type: ignore[arg-type]


def _chosen(id: str, claims: list[_Claim], lab: str, stem: str) -> Submission:
    """Return a student's submission: of several files the lab's, a notebook, the latest; it says what it left aside."""

    def is_labs(claim: _Claim) -> bool:
        names = PurePosixPath(claim.file.path).parts[-2:]
        return any(re.search(rf"(?<!\d)0*{int(lab)}(?!\d)", name) or stem in name for name in names if name != id)

    def rank(claim: _Claim) -> tuple[bool, bool, tuple[float, ...], str]:
        return is_labs(claim), claim.file.path.lower().endswith(".ipynb"), claim.order, claim.file.path

    *others, best = sorted(claims, key=rank)
    aside = []
    for other in others:
        same = rank(other)[:2] == rank(best)[:2]
        aside.append(f"{clean(other.file.path)} ({'an earlier attempt' if same else 'another file'})")
    name = next((claim.name for claim in claims if claim.name), "")
    path, size = clean(best.file.path), best.file.size
    data, problem, advice = b"", "", ""
    cells: tuple[Cell, ...] = ()
    try:
        if size > LARGEST_FILE:
            raise ValueError(f"{path} has {size / MIB:.0f} MiB, more than {LARGEST_FILE // MIB}: clear its outputs")
        data = best.file.read()
        cells = tuple(read_cells(data, path))
    except (OSError, ValueError) as error:
        problem = str(error)
        foreign = isinstance(error, OSError) or error.__cause__ is not None  # in a system's or a parser's words
        advice = f"{path} cannot be read: save it again and hand it in again." if foreign else problem
    digest = hashlib.sha256(data).hexdigest() if data else ""
    return Submission(id, path, cells, name, tuple(aside), digest, problem, advice)

"""Who is in a course, the numbers that belong to each, and tables that spreadsheets may open."""

import csv
import hashlib
import hmac
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.files import read_text
from albert_np.labs.points import Lab
from albert_np.schema import listed

__all__ = [
    "Student",
    "csv_text",
    "file_name",
    "personal_numbers",
    "read_roster",
    "read_secret",
    "read_table",
    "resolve",
]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one
_SHORTEST_SECRET = 16


@dataclass(frozen=True)
class Student:
    """A line of a roster."""

    id: str
    name: str = ""
    email: str = ""


def read_roster(path: str | Path) -> dict[str, Student]:
    """Read a CSV with a column `id` and, if there are, `name` and `email`; ValueError says the line that is wrong."""
    students: dict[str, Student] = {}
    for line, row in read_table(path, ("id",)):
        student = Student(*(clean(row.get(key, "")) for key in ("id", "name", "email")))
        if not student.id:
            raise ValueError(f"{path}, line {line}: it has no id")
        if student.id in students:
            raise ValueError(f"{path}, line {line}: the id {student.id!r:.80} stands there twice")
        students[student.id] = student
    if not students:
        raise ValueError(f"{path} has nobody in it")
    return students


def read_table(path: str | Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV with a header, commas, semicolons or tabs, as (line, columns by lower-case name).

    What `csv_text` guarded against spreadsheets comes back as it was; cells that a line lacks are empty. ValueError if
    a needed column is missing.
    """
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=header.count))
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        if missing := [name for name in needed if name not in names]:
            has = listed([*filter(None, names)]) or "none"
            raise ValueError(f"{path}: the first line has no column {', '.join(missing)}; it has {has}")
        return [
            (reader.line_num, dict(zip(names, [*map(_unguarded, row), *[""] * len(names)], strict=False)))
            for row in reader
            if any(value.strip() for value in row)
        ]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV in which no text can be a formula: one that could gets an apostrophe in front."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for row in (header, *rows):
        writer.writerow([_guarded(value) for value in row])
    return out.getvalue()


def _guarded(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.10g}"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _unguarded(value: str) -> str:
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value


def clean(text: str) -> str:
    """Return a name or an id on one line, without control characters, in Unicode's composed form."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    printable = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
    return " ".join(printable.split())[:200]


def file_name(id: str, taken: set[str]) -> str:
    """Return a name for a student's files, the id itself where it can be one; `taken` is added to, in lower case."""
    name = "".join(c if c.isalnum() or c in "-_@+. " else f"%{ord(c):02X}" for c in id)[:100].rstrip(". ")
    if not name or name.startswith(".") or re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name):
        name = f"%{name}"
    number, unique = 1, name
    while unique.casefold() in taken:
        number += 1
        unique = f"{name}~{number}"
    taken.add(unique.casefold())
    return unique


def resolve(id: str, name: str, roster: Mapping[str, Student]) -> str | None:
    """Return the id in a roster of whom an export calls so, by id, e-mail, or name; None unless it is one alone.

    Names match in any order of their words, and run together, as in exports of Canvas.
    """
    if id in roster:
        return id
    for text in (id, name):
        found = [s.id for s in roster.values() if text and text.casefold() in (s.id.casefold(), s.email.casefold())]
        if len(found) == 1:
            return found[0]
    wanted = {_run_together(text) for text in (name, id) if text}
    found = [s.id for s in roster.values() if s.name and wanted & _spellings(s.name)]
    return found[0] if len(found) == 1 else None


def _spellings(name: str) -> set[str]:
    words = name.replace(",", " ").split()
    return {_run_together(" ".join(words[i:] + words[:i])) for i in range(len(words))}


def _run_together(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if c.isalnum())


def read_secret(path: str | Path) -> bytes:
    """Read the secret of a course; ValueError if it is shorter than could not be guessed."""
    secret = Path(path).read_bytes().strip()
    if len(secret) < _SHORTEST_SECRET:
        raise ValueError(
            f"{path} holds {len(secret)} bytes; a secret has at least {_SHORTEST_SECRET}: "
            'python -c "import secrets; print(secrets.token_hex(16))" makes one'
        )
    return secret


def personal_numbers(lab: Lab, secret: bytes | None, id: str) -> dict[str, Any]:
    """Return the numbers of a lab that belong to a student, as plain Python values.

    They follow from HMAC-SHA256(secret, lab and id) alone; without a secret everybody has those of the release without
    a roster.
    """
    seed = 0
    if secret is not None:
        digest = hmac.new(secret, f"{lab.number}/{unicodedata.normalize('NFC', id)}".encode(), hashlib.sha256)
        seed = int.from_bytes(digest.digest()[:16], "big")
    numbers = lab.personal(np.random.default_rng(seed))
    return {name: _plain(value) for name, value in numbers.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value

"""Text files to documents: the first step of the data's way. A document is a list of sentences."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

from albert_np.files import read_lines

__all__ = ["TextLayout", "is_held_out", "read_documents", "split_sentences", "text_source"]

TextLayout = Literal["lines", "prose"]
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

LONGEST_DOCUMENT = 10_000  # sentences, or lines of one paragraph: a text without blank lines must not fill the memory

# An end mark, any closing quotes or brackets, white space, and then something that can open a sentence.
_BOUNDARY = re.compile(r"""[.?!]+["'”’)\]]*(?=\s+["'“‘(\[]*[A-Z0-9])|[。！？]+[」』”’）]*""")
_OPENING = "([\"'“‘"
# A full stop after one of these ends no sentence: initials (J., U.S., e.g.) and abbreviations.
_ABBREVIATION = re.compile(
    r"(?:[A-Z]\.)+|(?:[a-z]\.){2,}"
    r"|(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|Gen|Col|Capt|Lt|Rev|Hon|Vol|Ed|Figs?|Eqs?|Sec|Ch|Refs?|pp|al|cf|vs|viz"
    r"|approx|resp|ca|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)\."
)


def read_documents(paths: Paths, layout: TextLayout = "lines") -> Iterator[list[str]]:
    """Read text files, one after the other, as a stream of documents.

    paths: one or several UTF-8 text files; those that end in `.gz` are unpacked on the way.
    layout: how sentences and documents are told apart.

        "lines": one sentence per line, a blank line ends the document, as in Google's create_pretraining_data.py.
        "prose": running text. A blank line ends a paragraph, two or more in a row end the document. The lines of
            a paragraph are joined and split into sentences by `split_sentences`.

    The end of a file ends a document too. Memory holds one document; one of more than 10,000 sentences is continued
    as the next. No document is empty and no sentence is blank.

    Raises, before anything is read, FileNotFoundError or IsADirectoryError for a path that is no file and ValueError
    for an empty file; while reading, ValueError with the file and line that is not UTF-8, or the file that is damaged
    gzip or holds nothing but white space.
    """
    if layout not in get_args(TextLayout):
        raise ValueError(f"layout must be one of {', '.join(map(repr, get_args(TextLayout)))}, got {layout!r}")
    files = _existing_files(paths)
    return chain.from_iterable(_file_documents(path, layout) for path in files)


def text_source(paths: Paths, layout: TextLayout = "lines") -> dict[str, Any]:
    """What tells the texts of `read_documents` from others: layout, and each file's name, size and time of change."""
    stats = [(path.name, path.stat()) for path in _existing_files(paths)]
    return {"layout": layout, "files": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]}


def is_held_out(document: Sequence[str], fraction: float = 0.05) -> bool:
    """Whether a document belongs to the held-out part rather than to the training part.

    Decided by a hash of the text alone, so neither the order of the documents nor the other documents matter, and
    copies of a document land on the same side. `fraction` is the expected share of documents held out.

    Raises ValueError unless 0 ≤ fraction ≤ 1.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    digest = hashlib.blake2b("\n".join(document).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < fraction * 2**64


def split_sentences(text: str) -> list[str]:
    """Split running English prose into sentences.

    A sentence ends at ``.``, ``?`` or ``!`` (with the quotes and brackets that close after it) where white space
    and a capital letter or a digit follow, unless the full stop belongs to initials or to a common abbreviation.
    The Chinese marks ``。！？`` always end one. Runs of white space, line ends too, become one space.

    Returns the sentences in order, none of them empty: together they hold every character of the text that is
    not white space.
    """
    text = " ".join(text.split())
    sentences, start = [], 0
    for match in _BOUNDARY.finditer(text):
        last_word = text[start : match.end()].rpartition(" ")[2].lstrip(_OPENING)
        if _ABBREVIATION.fullmatch(last_word):
            continue
        sentences.append(text[start : match.end()].strip())
        start = match.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _existing_files(paths: Paths) -> list[Path]:
    files = [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if not files:
        raise ValueError("paths names no file")
    for path in files:
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; name the text files in it")
        if path.stat().st_size == 0:
            raise ValueError(f"{path} is empty")
    return files


def _file_documents(path: Path, layout: TextLayout) -> Iterator[list[str]]:
    empty = True
    documents = _by_lines if layout == "lines" else _by_paragraphs
    for document in documents(line.strip() for line in read_lines(path)):
        empty = False
        yield document
    if empty:
        raise ValueError(f"{path} holds nothing but white space")


def _by_lines(lines: Iterable[str]) -> Iterator[list[str]]:
    document: list[str] = []
    for line in chain(lines, [""]):
        if line:
            document.append(line)
        if document and (not line or len(document) == LONGEST_DOCUMENT):
            yield document
            document = []


def _by_paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    document: list[str] = []
    paragraph: list[str] = []
    for line in chain(lines, ["", ""]):
        second_blank = not line and not paragraph
        if line:
            paragraph.append(line)
        if not line or len(paragraph) == LONGEST_DOCUMENT:
            document += split_sentences(" ".join(paragraph))
            paragraph = []
        if document and (second_blank or len(document) >= LONGEST_DOCUMENT):
            yield document
            document = []

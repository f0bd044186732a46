"""Text files to documents: the first step of the data's way. A document is a list of sentences."""

import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from albert_np.execution import Processes
from albert_np.files import given, read_lines
from albert_np.pretraining.sentences import LONGEST_SENTENCE, cut_long, split_sentences

__all__ = ["TextLayout", "is_held_out", "read_documents", "text_source"]

TextLayout = Literal["lines", "prose"]
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

# A text without blank lines, or without lines, must not fill the memory.
LONGEST_DOCUMENT = 10_000  # sentences
LONGEST_PARAGRAPH = 2**20  # characters
LONGEST_LINE, LONGEST_JSON_LINE = 2**20, 2**26  # bytes
BATCH_CHARACTERS = 2**18  # split by a process at a time


class _Section(NamedTuple):
    """A document, or a part of one: its paragraphs or sentences, none blank; `ends`: with it ends the document."""

    texts: list[str]
    ends: bool


def read_documents(
    paths: Paths, layout: TextLayout = "lines", processes: Processes | None = None
) -> Iterator[list[str]]:
    """Read text files, one after the other, as a stream of documents.

    paths: one or several UTF-8 text files; those that end in `.gz` are unpacked on the way. Of those named `.jsonl`
        or `.ndjson`, each line is a JSON object whose "text" is one document or more.
    layout: how sentences and documents are told apart.

        "lines": one sentence per line, a blank line ends the document, as in Google's create_pretraining_data.py.
        "prose": running text. A blank line ends a paragraph, two or more in a row end the document. The lines of
            a paragraph are joined and split into sentences by `split_sentences`.

    processes: split the sentences in these; the documents are the same.

    The end of a file ends a document too. Memory holds one document, or some half a million characters for each of
    the processes; a document of more than 10,000 sentences is continued as the next. Lines end in \\n, \\r\\n or \\r.
    No document is empty and no sentence is blank. Sentences of more than 80 words are cut, see `cut_long`; a warning
    at the end says how many.

    Raises, before anything is read, FileNotFoundError or IsADirectoryError for a path that is no file and ValueError
    for an empty file or a pipe; while reading, ValueError with the file and line that is not UTF-8 or not text, or
    the file that is damaged gzip or holds nothing but white space.
    """
    if layout not in get_args(TextLayout):
        raise ValueError(f"layout must be one of {', '.join(map(repr, get_args(TextLayout)))}, got {layout!r}")
    return _documents(_existing_files(paths), layout, processes or Processes(1))


def text_source(paths: Paths, layout: TextLayout = "lines") -> dict[str, object]:
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


def _existing_files(paths: Paths) -> list[Path]:
    several: Iterable[str | os.PathLike[str]] = (
        paths if isinstance(paths, Iterable) and not isinstance(paths, str | os.PathLike) else [paths]
    )
    files = [given(path) for path in several]
    if not files:
        raise ValueError("paths names no file")
    for path in files:
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; name the text files in it")
        if not path.is_file():
            raise ValueError(f"{path} is a pipe or a device; a text is read more than once: write it to a file first")
        if path.stat().st_size == 0:
            raise ValueError(f"{path} is empty")
    return files


def _documents(files: Iterable[Path], layout: TextLayout, processes: Processes) -> Iterator[list[str]]:
    sections = chain.from_iterable(_sections(path, layout) for path in files)
    batches = _batches(sections, BATCH_CHARACTERS if processes.count > 1 else 1)
    counts = Counter[str]()
    document: list[str] = []
    for batch, batch_counts in processes.map(partial(_split, layout=layout), batches):
        counts.update(batch_counts)
        for sentences, ends in batch:
            document += sentences
            while document and (ends or len(document) >= LONGEST_DOCUMENT):
                yield document[:LONGEST_DOCUMENT]
                document = document[LONGEST_DOCUMENT:]
    _say_what_was_cut(counts)


def _sections(path: Path, layout: TextLayout) -> Iterator[_Section]:
    """Yield the sections of a file's documents, in order."""
    empty = True
    read = _by_lines if layout == "lines" else _by_paragraphs
    for text in _json_texts(path) if _is_json_lines(path) else [_lines(path)]:
        for section in read(line.strip() for line in text):
            empty = False
            yield section
    if empty:
        raise ValueError(f"{path} holds nothing but white space")


def _batches(sections: Iterable[_Section], least: int) -> Iterator[list[_Section]]:
    """Yield consecutive sections with at least so many characters together, the last with fewer."""
    batch: list[_Section] = []
    size = 0
    for section in sections:
        batch.append(section)
        size += sum(map(len, section.texts))
        if size >= least:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _split(sections: Sequence[_Section], layout: TextLayout) -> tuple[list[_Section], Counter[str]]:
    """Return the sections with sentences, none too long, for their texts, and counts of what was cut."""
    counts = Counter[str]()
    found = []
    for texts, ends in sections:
        if layout == "prose":
            texts = [sentence for paragraph in texts for sentence in split_sentences(paragraph)]
        found.append(_Section([part for sentence in texts for part in _cut(sentence, counts)], ends))
    return found, counts


def _cut(sentence: str, counts: Counter[str]) -> list[str]:
    parts = cut_long(sentence)
    counts["sentences"] += 1
    if len(parts) > 1:
        counts["cut"] += 1
        counts["parts"] += len(parts)
    return parts


def _say_what_was_cut(counts: Counter[str]) -> None:
    if counts["cut"]:
        warnings.warn(
            f"{counts['cut']:,} of {counts['sentences']:,} sentences have more than {LONGEST_SENTENCE} words, or as "
            f"much without spaces; they are cut into {counts['parts']:,} parts",
            stacklevel=3,
        )


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text, whichever way they end; one of more than a megabyte in pieces."""
    for raw in read_lines(path, LONGEST_LINE):
        yield from raw.removesuffix("\n").removesuffix("\r").split("\r")


def _is_json_lines(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".jsonl", ".ndjson"))


def _json_texts(path: Path) -> Iterator[list[str]]:
    """The lines of each text of a file of JSON objects, one a line."""
    for number, line in enumerate(read_lines(path, LONGEST_JSON_LINE), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            text = entry["text"]
            text.encode()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f'{path}, line {number} is not a JSON object with a "text" of Unicode characters: {line[:60]!r}'
            ) from error
        yield text.splitlines()


def _by_lines(lines: Iterable[str]) -> Iterator[_Section]:
    return _in_sections(chain(lines, [""]))


def _by_paragraphs(lines: Iterable[str]) -> Iterator[_Section]:
    return _in_sections(_paragraphs(lines))


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """Join the lines of each paragraph; yield "" where a document ends."""
    paragraph: list[str] = []
    size = 0
    for line in chain(lines, ["", ""]):
        if line:
            paragraph.append(line)
            size += len(line)
        elif not paragraph:
            yield ""
        if paragraph and (not line or size >= LONGEST_PARAGRAPH):
            yield " ".join(paragraph)
            paragraph, size = [], 0


def _in_sections(texts: Iterable[str]) -> Iterator[_Section]:
    """Put texts together, those of a document up to "", into sections of about `BATCH_CHARACTERS`."""
    section: list[str] = []
    size, goes_on = 0, False
    for text in texts:
        if text:
            section.append(text)
            size += len(text)
        if size >= BATCH_CHARACTERS or (not text and (section or goes_on)):
            yield _Section(section, ends=not text)
            section, size, goes_on = [], 0, bool(text)

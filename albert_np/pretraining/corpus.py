"""A tokenized corpus on disk: documents in, memory-mapped token ids out."""

import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.backend import Ints
from albert_np.execution import Processes
from albert_np.files import read_json, whole_folder, write_json
from albert_np.pretraining.vocabulary import Tokenizer, fingerprint
from albert_np.schema import anything, text

__all__ = ["TokenizedCorpus", "build_parts"]

BATCH_SENTENCES = 8192  # tokenized at a time

_ARRAYS = {"ids": ("<u2", "<i4"), "sentence_starts": ("<i8",), "document_starts": ("<i8",)}  # name → allowed dtypes
_HEADER = 128  # bytes of an array's file before the numbers: the length can be written anew in place
_COUNTED = 2**20  # tokens at a time, of which NumPy makes int64
_DESCRIPTION = "corpus.json"
_SCHEMA = {"vocabulary": text(64), "source": anything(), "fingerprint": text(64)}

Counted = Callable[[int, int], None]  # is told the sentences and tokens done so far


@dataclass(frozen=True)
class TokenizedCorpus:
    """The token ids of a corpus, read-only, and where its sentences and documents begin.

    ids (N,) uint16 or int32: all tokens of all sentences, without special tokens.
    sentence_starts (S + 1,) int64: sentence s is ids[sentence_starts[s]:sentence_starts[s + 1]]; none is empty.
    document_starts (D + 1,) int64: document d holds sentences document_starts[d] to document_starts[d + 1] - 1.
    vocabulary: fingerprint of the tokenizer that made the ids. source: what the texts were, as the maker told it.
    fingerprint: SHA-256 of the arrays.
    """

    ids: Ints
    sentence_starts: Ints
    document_starts: Ints
    vocabulary: str
    source: object
    fingerprint: str

    @classmethod
    def from_documents(cls, documents: Iterable[Sequence[str]], tokenizer: Tokenizer) -> "TokenizedCorpus":
        """Tokenize documents into memory; for what is small. Raises ValueError if there is no text."""
        batches = _encode(((0, document) for document in documents), tokenizer, None, Processes(1))
        ids, sentence_lengths, document_sizes, _ = zip(*batches, strict=True)
        arrays = (
            np.concatenate(ids).astype(_id_dtype(tokenizer)),
            np.cumsum(np.concatenate([[0], *sentence_lengths])),
            np.cumsum(np.concatenate([[0], *document_sizes])),
        )
        return cls(*arrays, fingerprint(tokenizer), None, _digest(arrays))

    @classmethod
    def build(
        cls,
        folder: str | os.PathLike[str],
        documents: Iterable[Sequence[str]],
        tokenizer: Tokenizer,
        source: object = None,
        progress: Counted | None = None,
        processes: Processes | None = None,
    ) -> "TokenizedCorpus":
        """Tokenize a stream of documents into a new folder, and open it.

        Memory holds one batch of sentences, or some for each of the `processes` that tokenize them; the files are the
        same with any number of these, for which the tokenizer must be picklable. The folder appears under its name
        only when it is whole; an older corpus of that name is replaced then, and kept if the building fails. `source`
        is anything JSON can hold that tells these texts from others (`text_source`, `python_prose_source`).

        Raises FileExistsError if the folder is something else than a corpus, ValueError if there is no text, and
        what the documents raise.
        """
        build_parts([folder], ((0, document) for document in documents), tokenizer, source, progress, processes)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> "TokenizedCorpus":
        """Open a corpus that `build` made, memory-mapped, and compare it with its checksum: one pass over the files.

        Raises FileNotFoundError if there is none and ValueError, naming the file, if it is damaged.
        """
        folder = Path(folder)
        if not is_corpus(folder):
            raise FileNotFoundError(f"{folder} is not a tokenized corpus: it has no {_DESCRIPTION}")
        try:
            description = read_json(folder / _DESCRIPTION, _SCHEMA)
            arrays = [_open_array(folder / f"{name}.npy", dtypes) for name, dtypes in _ARRAYS.items()]
            if _digest(_numbers(folder)) != description["fingerprint"]:
                raise ValueError(f"{folder}: the SHA-256 of its arrays is not the one in {_DESCRIPTION}")
            for starts, end in ((arrays[1], len(arrays[0])), (arrays[2], len(arrays[1]) - 1)):
                if starts[0] != 0 or starts[-1] != end or (np.diff(starts) <= 0).any():
                    raise ValueError(f"{folder}: its arrays disagree")
        except (ValueError, OSError) as error:
            raise ValueError(f"the tokenized corpus is damaged and must be made anew: {error}") from error
        ids, sentence_starts, document_starts = arrays
        return cls(ids, sentence_starts, document_starts, **{name: description[name] for name in _SCHEMA})

    @classmethod
    def cached(
        cls,
        folder: str | os.PathLike[str],
        documents: Iterable[Sequence[str]],
        tokenizer: Tokenizer,
        source: object,
        progress: Counted | None = None,
        processes: Processes | None = None,
    ) -> "TokenizedCorpus":
        """Open the corpus in `folder` if it was made from this source with this vocabulary; else build it there.

        `documents` is read only in the second case. Arguments and errors as for `build`.
        """
        if is_corpus(Path(folder)):
            try:
                return cls.open(folder).check(tokenizer, source)
            except ValueError:
                pass  # stale or damaged: made anew
        return cls.build(folder, documents, tokenizer, source, progress, processes)

    def check(self, tokenizer: Tokenizer, source: object = None) -> "TokenizedCorpus":
        """Return the corpus if the tokenizer, and the source where one is given, are those it was made with.

        Raises ValueError that says which is not.
        """
        if self.vocabulary != fingerprint(tokenizer):
            raise ValueError("the corpus was tokenized with another vocabulary than this tokenizer's")
        if source is not None and self.source != json.loads(json.dumps(source)):
            raise ValueError(f"the corpus was made from other texts: {self.source}, not {source}")
        return self

    def check_files(self) -> None:
        """Raise ValueError, naming the file, if the file of a mapped array has become shorter since it was opened.

        What is read behind the end of a mapped file ends the program with a bus error, which nothing can catch. This
        takes a microsecond. It cannot see what happens to a file right after it, or that numbers in it were changed:
        the latter is seen when the corpus is opened again.
        """
        for name, array in zip(_ARRAYS, (self.ids, self.sentence_starts, self.document_starts), strict=True):
            mapped = _mapping(array)
            if mapped is not None and mapped.size() < len(mapped):
                raise ValueError(
                    f"{name}.npy of the tokenized corpus had {len(mapped):,} bytes and now has {mapped.size():,}: it "
                    "was cut off while it was read, and must be made anew"
                )

    def token_counts(self, size: int) -> npt.NDArray[np.int64]:
        """Return how often each id below `size`, (size,) int64, is in the corpus."""
        counts = np.zeros(size, dtype=np.int64)
        for start in range(0, self.num_tokens, _COUNTED):
            counts += np.bincount(self.ids[start : start + _COUNTED], minlength=size)
            self.let_go()
        return counts

    def last_ids(self) -> Ints:
        """Return the last token of each sentence, (S,), of the dtype of `ids`."""
        last = np.empty(self.num_sentences, dtype=self.ids.dtype)
        for start in range(0, len(last), _COUNTED):
            ends = self.sentence_starts[start + 1 : start + 1 + _COUNTED]
            last[start : start + len(ends)] = self.ids[ends - 1]
            self.let_go()
        return last

    def let_go(self) -> None:
        """Let the system have the memory of mapped ids; they are read again if asked for.

        What was read of a mapped file counts as memory in use until somebody else needs it.
        """
        mapped = _mapping(self.ids)
        if mapped is not None and hasattr(mapped, "madvise"):
            mapped.madvise(mmap.MADV_DONTNEED)

    @property
    def num_tokens(self) -> int:
        """N."""
        return len(self.ids)

    @property
    def num_sentences(self) -> int:
        """S."""
        return len(self.sentence_starts) - 1

    @property
    def num_documents(self) -> int:
        """D."""
        return len(self.document_starts) - 1


def is_corpus(folder: Path) -> bool:
    """Whether a folder says that it is a tokenized corpus."""
    return (folder / _DESCRIPTION).is_file()


def build_parts(
    folders: Sequence[str | os.PathLike[str]],
    documents: Iterable[tuple[int, Sequence[str]]],
    tokenizer: Tokenizer,
    source: object = None,
    progress: Counted | None = None,
    processes: Processes | None = None,
) -> None:
    """Tokenize a stream of documents, each with the number of its folder, into new folders, in one pass.

    Arguments and errors as for `TokenizedCorpus.build`; ValueError too if one of the folders gets no text.
    """
    paths = [Path(folder) for folder in folders]
    for folder in paths:
        if folder.exists() and not is_corpus(folder):
            raise FileExistsError(f"{folder} exists and is not a tokenized corpus; choose another name")
    with ExitStack() as stack:
        hidden = [stack.enter_context(whole_folder(folder, replace=True)) for folder in paths]
        with ExitStack() as files:
            parts = [files.enter_context(_Part(folder, _id_dtype(tokenizer))) for folder in hidden]
            for batch in _encode(documents, tokenizer, progress, processes or Processes(1)):
                for number, part in enumerate(parts):
                    part.append(batch.of_part(number))
        for folder, part in zip(hidden, parts, strict=True):
            if part.ids.length == 0:
                raise ValueError("documents hold no text: there is nothing to tokenize")
            description = {
                "vocabulary": fingerprint(tokenizer),
                "source": source,
                "fingerprint": _digest(_numbers(folder)),
            }
            write_json(folder / _DESCRIPTION, description)


class _Encoded(NamedTuple):
    """A batch of tokenized documents; no length is 0.

    ids, (n,) int32; sentence_lengths, tokens of each sentence; document_sizes, sentences of each document;
    document_parts, which part of the corpus each is of.
    """

    ids: Ints
    sentence_lengths: Ints
    document_sizes: Ints
    document_parts: Ints

    def of_part(self, number: int) -> "_Encoded":
        """The documents of one part."""
        document = self.document_parts == number
        if document.all():
            return self
        sentence = np.repeat(document, self.document_sizes)
        token = np.repeat(sentence, self.sentence_lengths)
        return _Encoded(
            self.ids[token],
            self.sentence_lengths[sentence],
            self.document_sizes[document],
            self.document_parts[document],
        )


def _encode(
    documents: Iterable[tuple[int, Sequence[str]]],
    tokenizer: Tokenizer,
    progress: Counted | None,
    processes: Processes,
) -> Iterator[_Encoded]:
    sentences = tokens = 0
    for batch in processes.map(partial(_encode_batch, tokenizer), _batches(documents)):
        if len(batch.ids) == 0:
            continue
        yield batch
        sentences += len(batch.sentence_lengths)
        tokens += len(batch.ids)
        if progress is not None:
            progress(sentences, tokens)
    if tokens == 0:
        raise ValueError("documents hold no text: there is nothing to tokenize")


def _encode_batch(tokenizer: Tokenizer, batch: Sequence[tuple[int, Sequence[str]]]) -> _Encoded:
    encoded = tokenizer.encode_lines([sentence for _, document in batch for sentence in document])
    lengths = np.array([len(ids) for ids in encoded], dtype=np.int64)
    owners = np.repeat(np.arange(len(batch)), [len(document) for _, document in batch])
    sizes = np.bincount(owners[lengths > 0], minlength=len(batch))
    ids = np.concatenate([np.zeros(0, dtype=np.int32), *encoded])
    parts = np.array([part for part, _ in batch])
    return _Encoded(ids, lengths[lengths > 0], sizes[sizes > 0], parts[sizes > 0])


def _batches(documents: Iterable[tuple[int, Sequence[str]]]) -> Iterator[list[tuple[int, Sequence[str]]]]:
    """Consecutive documents with about `BATCH_SENTENCES` sentences together; reads no further than it yields."""
    batch: list[tuple[int, Sequence[str]]] = []
    count = 0
    for part, document in documents:
        if isinstance(document, str):
            raise TypeError(f"a document must be a list of sentences, got the string {document[:40]!r}")
        batch.append((part, document))
        count += len(document)
        if count >= BATCH_SENTENCES:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


class _Part:
    """The arrays of one corpus, which grow with each batch of documents."""

    def __init__(self, folder: Path, id_dtype: np.dtype[np.generic]):
        with ExitStack() as files:
            self.ids = files.enter_context(_GrowingArray(folder / "ids.npy", id_dtype))
            self.sentence_starts = files.enter_context(_GrowingArray(folder / "sentence_starts.npy", np.dtype("<i8")))
            self.document_starts = files.enter_context(_GrowingArray(folder / "document_starts.npy", np.dtype("<i8")))
            self._files = files.pop_all()
        self.sentence_starts.append(np.array([0]))
        self.document_starts.append(np.array([0]))

    def append(self, batch: _Encoded) -> None:
        self.document_starts.append(self.sentence_starts.length - 1 + np.cumsum(batch.document_sizes))
        self.sentence_starts.append(self.ids.length + np.cumsum(batch.sentence_lengths))
        self.ids.append(batch.ids)

    def __enter__(self) -> "_Part":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._files.close()


class _GrowingArray:
    """A one-dimensional .npy file that is appended to; leaving the `with` block writes the final length."""

    def __init__(self, path: Path, dtype: np.dtype[np.generic]):
        self.dtype = dtype
        self.length = 0
        self._file = path.open("wb")
        self._write_header()

    def append(self, values: Ints) -> None:
        self._file.write(values.astype(self.dtype).tobytes())
        self.length += len(values)

    def _write_header(self) -> None:
        self._file.seek(0)
        self._file.write(_header(self.dtype, self.length))

    def __enter__(self) -> "_GrowingArray":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._file:
            self._write_header()


def _open_array(path: Path, dtypes: Sequence[str]) -> Ints:
    """Return a memory-mapped array of one of some dtypes; ValueError, naming the file, if no such was written whole.

    Where `numpy.load` guesses what a file is and believes its header, this takes what `_GrowingArray` writes alone.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing, or is no file")
    with path.open("rb") as file:
        header = file.read(_HEADER)
    size = path.stat().st_size
    for dtype in map(np.dtype, dtypes):
        length = (size - _HEADER) // dtype.itemsize
        if length > 0 and size == _HEADER + length * dtype.itemsize and header == _header(dtype, length):
            # The plain array view of a memory map reads the same file and is several times faster to slice.
            return np.memmap(path, dtype, "r", _HEADER, (length,)).view(np.ndarray)
    raise ValueError(f"{path}, of {size} bytes, is not a whole array of type {' or '.join(dtypes)} with one axis")


def _mapping(array: Ints) -> mmap.mmap | None:
    """Return the map of a file that an array shows, if any."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def _header(dtype: np.dtype[np.generic], length: int) -> bytes:
    """Return the start of an .npy file of one axis, in format 1.0."""
    description = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': ({length},), }}"
    return (
        b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little") + description.ljust(_HEADER - 11).encode() + b"\n"
    )


def _id_dtype(tokenizer: Tokenizer) -> np.dtype[np.generic]:
    return np.dtype("<u2" if len(tokenizer) <= 2**16 else "<i4")


def _digest(chunks: Iterable[Any]) -> str:
    """Return the SHA-256 of bytes or arrays, one behind the other."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _numbers(folder: Path) -> Iterator[bytes]:
    """Yield what the arrays' files hold behind their headers, in pieces; a mapped file would count as memory in use."""
    for name in _ARRAYS:
        with (folder / f"{name}.npy").open("rb") as file:
            file.seek(_HEADER)
            while piece := file.read(2**20):
                yield piece

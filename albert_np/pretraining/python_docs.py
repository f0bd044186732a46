"""A corpus that every reader already has: the English prose of Python's own manual and of docstrings.

Nothing is downloaded and nothing is stored in the repository: the text is read at run time from the reader's own
interpreter, NumPy and the other libraries that this one needs, and so differs a little from version to version. Modules
are parsed, never imported.
"""

import ast
import builtins
import importlib.metadata
import importlib.util
import os
import platform
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.pretraining.prose import clean_prose

_SKIPPED_FOLDERS = {
    *("__pycache__", "site-packages", "dist-packages", "_bundled"),
    *("test", "tests", "idlelib", "lib2to3", "turtledemo", "pydoc_data"),  # no docstrings of the library itself
    *("encodings", "distutils", "f2py"),  # the same few sentences many times; gone from newer versions; generators
}
# A docstring with this many sentences is a text of its own; shorter ones are read together with their neighbours.
_STANDS_ALONE = 8


# What is installed with this library has docstrings too: top-level packages, in the order in which they are read.
_LIBRARIES = ("scipy", "sklearn", "joblib", "matplotlib", "PIL", "click", "rich")


def python_prose(libraries: bool = False) -> Iterator[list[str]]:
    """The clean English sentences of Python's manual and of docstrings, document by document.

    Sources, in this order: the pages behind ``help("topic")`` (``pydoc_data.topics``), the docstrings of the
    standard library's and of NumPy's source files (tests and the like left out), and those of what is compiled:
    Python's built-in types and functions, NumPy's ufuncs and random generators.

    A document is a page, a docstring of at least eight sentences, or the shorter docstrings of one module, or of
    one class, one after the other. Every sentence comes once: where it stands first. The order is always the same.
    Python 3.11.7 and NumPy 2.4.6 make 21,294 sentences of 280,227 words in 1,938 documents, in 7 seconds of one core.
    With `libraries` those of what is installed with this library follow: SciPy, scikit-learn, joblib, Matplotlib,
    Pillow, Click and Rich, without those that are missing; another 505,842 words, and half a minute.

    Raises:
        OSError: there is nothing to read: no manual and no source files (an interpreter of ``.pyc`` files alone).
            Where only some of it is missing, the corpus is smaller.
    """
    seen: set[str] = set()
    for texts in _texts(libraries):
        document: list[str] = []
        for text in texts:
            sentences = [sentence for sentence in dict.fromkeys(clean_prose(text)) if sentence not in seen]
            seen.update(sentences)
            if len(sentences) >= _STANDS_ALONE:
                yield sentences
            else:
                document += sentences
        if document:
            yield document


def python_prose_source(libraries: bool = False) -> dict[str, str]:
    """What the prose is a function of: versions of Python and of libraries, for `TokenizedCorpus.build`'s `source`."""
    source = {"python": platform.python_version(), "numpy": np.__version__}
    return source | (_library_versions() if libraries else {})


def _library_versions() -> dict[str, str]:
    """The version of each library that is there, by its package's name."""
    owners = importlib.metadata.packages_distributions()
    found = [name for name in _LIBRARIES if importlib.util.find_spec(name) is not None]
    return {name: importlib.metadata.version(owners[name][0]) if name in owners else "unknown" for name in found}


def _texts(libraries: bool) -> Iterator[Iterable[str]]:
    """Groups of raw texts that belong together: one per page of the manual, module and class."""
    pages = _manual_pages()
    folders = [Path(sysconfig.get_path("stdlib")), Path(np.__file__).parent]
    files = [path for folder in folders for path in _source_files(folder)]
    if not pages and not files:
        raise OSError(
            "Python's own prose cannot be read: this interpreter has no pydoc_data.topics, and there are no .py "
            f"files in {' or '.join(map(str, folders))}; name text files instead"
        )
    yield from ([page] for page in pages)
    for path in files:
        yield from _docstrings(path)
    yield from _compiled_docstrings()
    for name in _LIBRARIES if libraries else ():
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
            for path in _source_files(Path(folder)):
                yield from _docstrings(path)


def _manual_pages() -> list[str]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return []
    return list(topics.values())


def _source_files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS)
        yield from (Path(here, name) for name in sorted(names) if name.endswith(".py"))


def _docstrings(path: Path) -> Iterator[list[str]]:
    """The docstrings of a source file: first those of the module and its functions, then class by class."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's strings
        try:
            nodes: list[ast.Module | ast.ClassDef] = [ast.parse(path.read_bytes())]
        except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
            # templates that are not Python yet, files that cannot be read or are nested too deeply
            return
    for node in nodes:  # grows while classes are found
        texts: list[str] = []
        _collect(node, texts, nodes)
        yield texts


def _collect(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
    texts: list[str],
    classes: list[ast.Module | ast.ClassDef],
) -> None:
    """Append a node's docstring and those of the functions in it to `texts`, and the classes in it to `classes`."""
    if docstring := ast.get_docstring(node, clean=False):
        texts.append(docstring)
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            _collect(child, texts, classes)
        elif isinstance(child, ast.ClassDef):
            classes.append(child)
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Call):
            # NumPy documents its compiled functions by calls: add_newdoc(module, name, docstring).
            constants = (part.value for part in ast.walk(child) if isinstance(part, ast.Constant))
            texts += [text for text in constants if isinstance(text, str) and "\n" in text]


def _compiled_docstrings() -> Iterator[list[str]]:
    """The docstrings of Python's built-ins, NumPy's ufuncs and random generators, and of each class among them."""
    values = [*_members(builtins), *_members(np.random)]
    ufuncs = [value for value in _members(np) if isinstance(value, np.ufunc)]
    classes = [_members(value) for value in values if isinstance(value, type)]
    for members in (values, ufuncs, *classes):
        docstrings = (getattr(member, "__doc__", None) for member in members)
        yield [docstring for docstring in docstrings if isinstance(docstring, str)]


def _members(owner: object) -> list[Any]:
    """What an object holds, by name: the order in which it was filled depends on what was imported before."""
    return [value for _, value in sorted(vars(owner).items())]


def module_prose() -> Iterator[tuple[str, list[str]]]:
    """The English sentences in the docstrings of each module of the standard library and of NumPy, by its dotted name.

    Cleaned as in `python_prose`; every sentence comes once, with the first module that has it.
    """
    seen: set[str] = set()
    for folder, prefix in ((Path(sysconfig.get_path("stdlib")), ""), (Path(np.__file__).parent, "numpy.")):
        for path in _source_files(folder):
            name = prefix + ".".join(path.relative_to(folder).with_suffix("").parts)
            found = (s for texts in _docstrings(path) for text in texts for s in clean_prose(text))
            sentences = [sentence for sentence in dict.fromkeys(found) if sentence not in seen]
            seen.update(sentences)
            if sentences:
                yield name.removesuffix(".__init__"), sentences

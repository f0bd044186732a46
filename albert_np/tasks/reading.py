"""Reading the files of every kind of task."""

import os
from collections.abc import Mapping, Sequence

from albert_np.files import given
from albert_np.tasks.examples import Example
from albert_np.tasks.kinds import KINDS
from albert_np.tasks.readers.files import Asked, OnBad

__all__ = ["read_examples"]


def _raise(error: ValueError) -> None:
    raise error


def read_examples(
    path: str | os.PathLike[str],
    task: str,
    *,
    columns: Mapping[str, str] | None = None,
    labelled: bool = True,
    on_bad: OnBad = _raise,
    names: Sequence[str] | None = None,
) -> list[Example]:
    """Read the examples of a task from a file; any may be gzipped (`.gz` behind the suffix). UTF-8, a BOM is dropped.

    task: one of `KINDS`; what is read for each:

        classification, multilabel, regression: `.csv` (with commas, or semicolons or tabs), `.json` or `.jsonl` (an
            array, or an object a line), all else as TSV, where quotes mean nothing. Columns `text`, `text_pair` and
            `label` are found under these names and those of GLUE. The first row of a table is its header if it has
            such a name, or if `columns` gives names. If not, `columns` gives positions from 0. Without either only
            CoLA's four columns are read, and one column of unlabelled texts.
            Classes are strings. Multi-label: names with | between, or a list in JSON; empty where none holds.
            A folder, as IMDB has them: a text each in `.txt` files, in a folder for each class; `unsup` is left out.
        tagging: CoNLL, a word a line with its tag in the last column, tabs or blanks between, a blank line after
            a sentence; lines that begin with -DOCSTART- are dropped. `.conllu`: the forms and universal parts of speech
            of syntactic words, without comments, "1-2" and "1.1". `columns`: positions of `words` and `tags`.
            JSON: lists `words` (or tokens) and `tags` (or ner_tags, labels).
        answering, answering-v2: SQuAD 1.1 or 2.0 (data → paragraphs → qas), or an object a question as Hugging Face
            has them.
        choice: a folder of RACE (all `.txt` below it) or one of its files; JSON with `context`, `question`, `choices`
            and `label` (a number from 0, or a letter), tables with columns `choice0`, `choice1`, … for the choices.

    columns: which column (or JSON name) holds what, for those that are not found by themselves.
    labelled: False leaves the answers out, which need not be in the file then.
    on_bad: called with the error of each row that cannot be read, which is then left out; by default it raises.
        `on_bad=errors.append` collects them: GLUE's QQP has a few rows that are cut short, SNLI many without a label.
    names: what the numbers stand for that a file has for classes or tags: names[0] for 0, and so on.

    Raises FileNotFoundError if there is no such file and ValueError, naming the file and the line or id, for what
    cannot be read.
    """
    path, columns = given(path), {} if columns is None else columns
    if not isinstance(columns, Mapping):
        raise TypeError(f"columns={columns!r:.80} must be a dict, what is read → where it stands")
    if task not in KINDS:
        raise ValueError(f"task={task!r} must be one of {', '.join(KINDS)}")
    kind = KINDS[task]
    unknown = [role for role in columns if role not in kind.columns]
    if unknown:
        allowed = ", ".join(kind.columns) or "none: its files have fixed names"
        swapped = columns[unknown[0]] in kind.columns
        hint = f"; as in {columns[unknown[0]]}={unknown[0]}, what is read comes first" if swapped else ""
        raise ValueError(f"columns: {unknown[0]!r} is nothing that {task} reads; allowed: {allowed}{hint}")
    for role, name in columns.items():
        if twice := [other for other in columns if other != role and columns[other] == name]:
            raise ValueError(f"columns: {role} and {twice[0]} cannot both be {name!r}")
    if names is not None:
        if not kind.names_labels:
            raise ValueError(f"names: the labels of {task} have no names")
        if isinstance(names, str) or len({*names}) < len(names) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"names={names!r} must be a list of strings, each once")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir() and not kind.reads_folders:
        raise ValueError(f"{path} is a folder; name a file in it")
    examples = list(kind.read(path, Asked(columns, labelled, on_bad, names)))
    if not examples:
        raise ValueError(f"{path} holds no example")
    return examples

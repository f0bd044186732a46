"""Multiple choice: RACE's folders, JSON files and tables → `ChoiceExample`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from albert_np.tasks.examples import ChoiceExample
from albert_np.tasks.readers.files import Asked, Entry, OnBad, brief, converted, json_entries, suffix, unicode
from albert_np.tasks.readers.tables import named_rows, read_table
from albert_np.tasks.readers.texts import required_text

__all__ = ["choice_example", "read_choices"]

NAMES = {
    "context": ("context", "article"),
    "question": ("question",),
    "choices": ("choices", "options"),
    "label": ("label", "answer"),
}


def read_choices(path: Path, asked: Asked) -> Iterator[ChoiceExample]:
    """Yield the questions of a file, or of all `.txt` files below a folder, sorted by path, as RACE has them.

    JSON objects hold one question (context, question, choices, label), or several about an article, as in RACE
    (article, questions, options, answers). A table's choices stand in columns numbered at the end: choice0, choice1.
    """
    columns, labelled, on_bad, _ = asked
    entries: Iterator[Entry]
    if suffix(path) in (".tsv", ".csv"):
        first, rows = read_table(path, on_bad)
        header = [cell.strip() for cell in first.cells]
        if twice := [name for name in header if name and header.count(name) > 1]:
            raise ValueError(f"{first.where}: two columns are called {brief(twice[0])}")
        entries = named_rows(header, rows, on_bad)
    elif path.is_dir():
        entries = chain.from_iterable(_of_file(file, on_bad) for file in sorted(path.rglob("*.txt")))
    else:
        entries = json_entries(path, on_bad)
    questions = chain.from_iterable(_questions(entry, on_bad) for entry in entries)
    return converted(questions, lambda entry: choice_example(entry, columns, labelled), on_bad)


def _of_file(file: Path, on_bad: OnBad) -> Iterator[Entry]:
    """Yield the objects of one file of many, which is bad itself where it holds no text."""
    try:
        yield from json_entries(file, on_bad)
    except ValueError as error:
        on_bad(error)


def _questions(entry: Entry, on_bad: OnBad) -> Iterable[Entry]:
    """Take the questions of a RACE object apart; any other is one question itself."""
    fields = entry.fields
    if "questions" not in fields:
        return [entry]
    lists = [fields.get(name) for name in ("questions", "options", "answers") if name in fields]
    if not all(isinstance(entries, list) and len(entries) == len(lists[0] or ()) for entries in lists):
        on_bad(ValueError(f"{entry.where}: questions, options and answers must be lists of the same length"))
        return []
    singular = {"questions": "question", "options": "choices", "answers": "label"}
    return [
        Entry(
            f"{entry.where}, question {number + 1}",
            {"context": fields.get("article")}
            | {name: fields[plural][number] for plural, name in singular.items() if plural in fields},
        )
        for number in range(len(fields["questions"]))
    ]


def choice_example(entry: Entry, columns: Mapping[str, str], labelled: bool = True) -> ChoiceExample:
    """Return the question of a row or a JSON object; columns: under which names, if not under those known."""
    names = {role: _name(entry, role, columns) for role in NAMES}
    asked = names["question"] in entry.fields or "question" in columns
    question = required_text(entry, names["question"]) if asked else None
    choices = _choices(entry, names["choices"])
    label = _label(entry, names["label"], len(choices)) if labelled else None
    return ChoiceExample(required_text(entry, names["context"]), question, choices, label)


def _name(entry: Entry, role: str, columns: Mapping[str, str]) -> str:
    if role in columns:
        return columns[role]
    return next((name for name in NAMES[role] if name in entry.fields), NAMES[role][0])


def _choices(entry: Entry, name: str) -> tuple[str, ...]:
    """Return the strings of the list under the name, or of the columns that are called so and numbered."""
    choices: object = entry.fields.get(name)
    if choices is None:
        pattern = re.compile(re.escape(name.removesuffix("s")) + r"_?(\d+)")
        places = {int(match[1]): match[0] for match in map(pattern.fullmatch, entry.fields) if match}
        choices = [entry.fields[places[number]] for number in sorted(places)]
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(choice, str) for choice in choices):
        raise ValueError(f"{entry.where}: {name!r} must be a list of two or more strings, got {brief(choices)}")
    return tuple(unicode(choice, f"{entry.where}: {name!r}") for choice in choices)


def _label(entry: Entry, name: str, choices: int) -> int:
    """Return the place of the right choice, given as a number from 0 or as a letter from A."""
    value = str(entry.fields.get(name)).strip()
    is_letter, is_number = re.fullmatch("[A-Z]", value), re.fullmatch("[0-9]{1,4}", value)
    place = ord(value) - ord("A") if is_letter else int(value) if is_number else -1
    if not 0 <= place < choices:
        last = chr(ord("A") + min(choices, 26) - 1)
        raise ValueError(f"{entry.where}: {name!r} must lie in 0 to {choices - 1} or A to {last}, got {brief(value)}")
    return place

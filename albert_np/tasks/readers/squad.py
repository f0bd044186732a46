"""Questions about a context: SQuAD 1.1 and 2.0, nested as released or one object a question → `QuestionExample`."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from albert_np.tasks.examples import Answer, QuestionExample
from albert_np.tasks.readers.files import Asked, Entry, OnBad, brief, converted, json_entries, unicode
from albert_np.tasks.readers.texts import required_text

__all__ = ["own_id", "question_example", "read_questions"]


def read_questions(path: Path, asked: Asked) -> Iterator[QuestionExample]:
    """Yield the questions of a file in SQuAD's JSON (data → paragraphs → qas), or of one object a question.

    The latter is Hugging Face's form: id, question, context, answers {text: […], answer_start: […]}.
    """
    seen: set[str] = set()

    def question(entry: Entry) -> QuestionExample:
        own_id(entry.fields.get("id"), entry.where, seen)
        return question_example(entry, asked.labelled)

    entries = chain.from_iterable(_flat(path, entry, asked.on_bad) for entry in json_entries(path, asked.on_bad))
    return converted(entries, question, asked.on_bad)


def _flat(path: Path, entry: Entry, on_bad: OnBad) -> Iterator[Entry]:
    """Yield the questions of SQuAD's nested form, each with its context."""
    if "data" not in entry.fields:
        yield entry
        return
    for article in _objects(entry.fields, "data", str(path), on_bad):
        where = f"{path}, article {brief(article.get('title'))}"
        for paragraph in _objects(article, "paragraphs", where, on_bad):
            for qa in _objects(paragraph, "qas", where, on_bad):
                yield Entry(f"{path}, question {brief(qa.get('id'))}", {**qa, "context": paragraph.get("context")})


def _objects(parent: dict[str, Any], name: str, where: str, on_bad: OnBad) -> list[dict[str, Any]]:
    children = parent.get(name)
    if not isinstance(children, list) or not all(isinstance(child, dict) for child in children):
        on_bad(ValueError(f"{where}: {name!r} must be a list of objects, as in SQuAD's files"))
    return [child for child in children if isinstance(child, dict)] if isinstance(children, list) else []


def own_id(given: object, where: str, seen: set[str]) -> None:
    """Note a question's id among those seen; ValueError if it is missing or another question has it."""
    if given in (None, "") or str(given) in seen:
        raise ValueError(f"{where}: each question needs an id of its own, got {brief(given)}")
    unicode(str(given), f"{where}: the id")
    seen.add(str(given))


def question_example(entry: Entry, labelled: bool = True) -> QuestionExample:
    """Return the question of a JSON object; labelled: with its answers."""
    question, context = required_text(entry, "question"), required_text(entry, "context")
    answers = _answers(entry.fields, context, entry.where) if labelled else None
    return QuestionExample(str(entry.fields.get("id")), question, context, answers)


def _answers(fields: Mapping[str, Any], context: str, where: str) -> tuple[Answer, ...]:
    given = fields.get("answers")
    if isinstance(given, dict):
        texts, starts = given.get("text"), given.get("answer_start")
    elif isinstance(given, list) and all(isinstance(answer, dict) for answer in given):
        texts, starts = [[answer.get(name) for answer in given] for name in ("text", "answer_start")]
    else:
        texts = starts = None
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        raise ValueError(f"{where}: 'answers' must be a list of objects with text and answer_start, got {brief(given)}")
    if texts and fields.get("is_impossible"):
        raise ValueError(f"{where}: is_impossible, and yet has answers")
    return tuple(_answer(text, start, context, where) for text, start in zip(texts, starts, strict=True))


def _answer(text: object, start: object, context: str, where: str) -> Answer:
    if not isinstance(text, str) or not text.strip() or not isinstance(start, int) or start < 0:
        raise ValueError(
            f"{where}: an answer must have a text and an answer_start from 0, got {brief(text)} at {brief(start)}"
        )
    there = context[start : start + len(text)]
    if there != text:
        found = f"the context has {brief(there)}, the answer is {brief(text)}"
        raise ValueError(f"{where}: at answer_start={brief(start)} {found}")
    return Answer(text, start)

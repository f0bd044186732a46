"""What the tasks of fine-tuning ask: one named tuple an example, its answer None where it is unknown."""

from typing import NamedTuple

__all__ = ["Answer", "ChoiceExample", "Example", "QuestionExample", "TaggedExample", "TextExample"]


class TextExample(NamedTuple):
    """A text, or a pair of texts, to be classified or rated.

    label: a class's name; the names of all that hold, in a tuple (multi-label); or a number (regression).
    """

    text: str
    text_pair: str | None = None
    label: str | tuple[str, ...] | float | None = None


class TaggedExample(NamedTuple):
    """Words, one tag each: in the BIO scheme where tags mark spans."""

    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None


class Answer(NamedTuple):
    """An answer as it stands in the context, and the character at which it starts there."""

    text: str
    start: int


class QuestionExample(NamedTuple):
    """A question about a context. answers: all that count as right; none where the context does not answer it."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] | None = None


class ChoiceExample(NamedTuple):
    """Which of the choices fits. The model reads each as the pair (context, question + choice).

    label: the right choice's place, from 0.
    """

    context: str
    question: str | None
    choices: tuple[str, ...]
    label: int | None = None


Example = TextExample | TaggedExample | QuestionExample | ChoiceExample

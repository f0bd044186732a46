"""A tag for every word of a sentence."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from albert_np.model import AlbertForTokenClassification
from albert_np.ops import IGNORE_INDEX
from albert_np.tasks.examples import TaggedExample
from albert_np.tasks.kinds.base import Feature, Kind, Prediction, Windows, label_number, row, softmax
from albert_np.tasks.kinds.texts import at_least
from albert_np.tasks.metrics import are_places, collapse_warning, entity_spans, tagging_metrics
from albert_np.tasks.readers.conll import read_tagged, tagged_example
from albert_np.tasks.readers.files import Asked, Entry
from albert_np.tasks.settings import NamedTask, own_settings
from albert_np.tokenization import AlbertTokenizer

__all__ = ["Entity", "Tagging", "entities", "split_words", "word_places"]


class Entity(NamedTuple):
    """A span that tags mark in a text, `text[start:end]`, and the mean probability of its words' tags."""

    text: str
    type: str
    start: int
    end: int
    probability: float


class Tagging(Kind[TaggedExample]):
    """A tag for every word. A feature's places are (words, 2): a word, and the first of its tokens."""

    name = "tagging"
    model = AlbertForTokenClassification
    example = TaggedExample
    answer_field = "tags"
    columns = ("words", "tags")
    names_labels = True
    weighs_labels = True
    defaults = own_settings("tagging", metric="f1")
    measures = ("f1", "precision", "recall", "accuracy")

    def read(self, path: Path, asked: Asked) -> Iterator[TaggedExample]:
        return read_tagged(path, asked)

    def from_json(self, entry: Entry, labelled: bool = True) -> TaggedExample:
        if not labelled and entry.fields["words"] == []:
            return TaggedExample(())  # such as an empty line of a text: it has no words, and so no tags
        return tagged_example(entry, {role: role for role in self.columns}, labelled)

    def from_texts(self, texts: Sequence[str], pair: str | None = None) -> list[TaggedExample]:
        if pair is not None:
            raise ValueError("this model's kind of task is tagging, which takes no pair")
        return [TaggedExample(tuple(split_words(text))) for text in texts]

    def label_names(self, examples: Sequence[TaggedExample]) -> tuple[str, ...]:
        return at_least(2, {tag for example in examples for tag in example.tags or ()})

    def rows(
        self,
        task: NamedTask,
        numbers: Mapping[str, int],
        tokenizer: AlbertTokenizer,
        examples: Sequence[TaggedExample],
        first: int,
    ) -> Iterator[Feature]:
        """A long sentence goes on in further windows.

        Only the first token of a word carries its tag, and only in the first window that has it.
        """
        encoded = tokenizer(
            [list(example.words) for example in examples],
            is_split_into_words=True,
            truncation=True,
            max_length=task.max_seq_length,
            stride=task.max_seq_length // 4,
            return_overflowing_tokens=True,
        )
        seen: set[tuple[int, int]] = set()
        for window, at in enumerate(encoded["overflow_to_sample_mapping"]):
            places = []
            for token, word in enumerate(encoded.word_ids(window)):
                if word is not None and (at, word) not in seen:
                    seen.add((at, word))
                    places.append((word, token))
            ids, tags = encoded["input_ids"][window], examples[at].tags
            target = None
            if tags is not None:
                target = np.full(len(ids), IGNORE_INDEX, np.int64)
                for word, token in places:
                    target[token] = label_number(numbers, tags[word], first + at)
            where = np.array(places, np.int64).reshape(-1, 2)
            yield row(first + at, ids, encoded["token_type_ids"][window], target, where)

    def decode(self, task: NamedTask, labels: Sequence[str], example: TaggedExample, windows: Windows) -> Prediction:
        """A word that becomes no token, such as a lone accent, gets O, or the first label if none is called so."""
        unread = "O" if "O" in labels else labels[0]
        tags, probabilities = [unread] * len(example.words), [0.0] * len(example.words)
        for window, (logits,) in windows:  # (T, L)
            assert window.places is not None
            for word, token in window.places.tolist():
                shares = softmax(logits[token])
                tags[word], probabilities[word] = labels[int(shares.argmax())], float(shares.max())
        return Prediction(tags, probabilities)

    def metrics(self, answers: Sequence[Any], references: Sequence[Any], task: NamedTask) -> dict[str, float]:
        return tagging_metrics(answers, references)

    def majority(self, known: Sequence[Any], asked: Sequence[Any]) -> list[Any]:
        """The most frequent tag, for every word."""
        tag = Counter(tag for tags in known for tag in tags).most_common(1)[0][0]
        return [[tag] * len(tags) for tags in asked]

    def collapse_warning(self, predictions: Sequence[Prediction]) -> str | None:
        return collapse_warning([tag for prediction in predictions for tag in prediction.answer])

    def shown(self, example: TaggedExample, prediction: Prediction) -> str:
        return " ".join(f"{word}/{tag}" for word, tag in zip(example.words, prediction.answer, strict=True))


# Of a text as `_shape` gives it: initials with their dots, a word or number, a flag of two letters, any other sign.
_WORD = re.compile(
    r"(?<![LN])(?:LM*\.){2,}(?:LM*(?![LN]))?|[LN][LNM]*(?:(?<=N)[.,:]N+|[-'’][LN][LNM]*)*|FF|\SM*(?:J\SM*)*"
)


def entities(text: str, prediction: Prediction, labels: Sequence[str]) -> list[Entity]:
    """Return the spans that the tags of a text's words mark, in order.

    prediction: for the words that `split_words` makes of the text. labels: those of the model, see `are_places`.
    """
    places, shares = word_places(text), prediction.probabilities
    assert isinstance(shares, list)
    spans = sorted(entity_spans(prediction.answer, are_places(labels)), key=lambda span: span[1])
    return [
        Entity(text[start:end], kind, start, end, float(np.mean(shares[first:last])))
        for kind, first, last in spans
        for start, end in [(places[first][0], places[last - 1][1])]
    ]


def split_words(text: str) -> list[str]:
    """Return the words and the punctuation marks of a text, as treebanks part them, only more simply.

    A letter keeps the marks on it, in every script; "3.14", "1,000", "10:30" and "U.S." are one word each, and so are
    words with hyphens and apostrophes in them. Scripts without spaces are parted at punctuation alone.
    """
    return [text[start:end] for start, end in word_places(text)]


def word_places(text: str) -> list[tuple[int, int]]:
    """Return the first character and the one after the last of each word that `split_words` finds."""
    return [match.span() for match in _WORD.finditer("".join(map(_shape, text)))]


def _shape(character: str) -> str:
    """Return what matters of a character to `_WORD`, in one: letter, mark, number, joiner, half a flag, or itself."""
    category = unicodedata.category(character)
    if character == "\u200d":
        return "J"
    if category[0] == "M" or "\U0001f3fb" <= character <= "\U0001f3ff" or (category == "Cf" and character != "\u200b"):
        return "M"  # Cf: such as the zero-width non-joiner in Persian; above, the colours of skin
    if category[0] in "LN" or character == "_":
        return "N" if category == "Nd" else "L"
    if "\U0001f1e6" <= character <= "\U0001f1ff":
        return "F"
    return " " if category[0] in "ZC" else character

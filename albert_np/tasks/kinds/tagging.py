"""A tag for every word of a sentence."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_np.model import AlbertForTokenClassification
from albert_np.ops import IGNORE_INDEX
from albert_np.tasks.examples import TaggedExample
from albert_np.tasks.kinds.base import Feature, Kind, Prediction, Windows, label_number, row, softmax
from albert_np.tasks.kinds.texts import at_least
from albert_np.tasks.metrics import collapse_warning, tagging_metrics
from albert_np.tasks.readers.conll import read_tagged
from albert_np.tasks.readers.files import OnBad
from albert_np.tasks.settings import NamedTask, own_settings
from albert_np.tokenization import AlbertTokenizer

__all__ = ["Tagging", "split_words"]


class Tagging(Kind[TaggedExample]):
    """A tag for every word. A feature's places are (words, 2): a word, and the first of its tokens."""

    name = "tagging"
    model = AlbertForTokenClassification
    example = TaggedExample
    answer_field = "tags"
    columns = ("words", "tags")
    defaults = own_settings("tagging", metric="f1")
    measures = ("f1", "precision", "recall", "accuracy")

    def read(self, path: Path, columns: Mapping[str, str], labelled: bool, on_bad: OnBad) -> Iterator[TaggedExample]:
        return read_tagged(path, columns, labelled, on_bad)

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

    def cut(
        self,
        task: NamedTask,
        tokenizer: AlbertTokenizer,
        examples: Sequence[TaggedExample],
        features: Sequence[Feature],
    ) -> int:
        return 0  # a long sentence has several windows

    def decode(self, task: NamedTask, labels: Sequence[str], example: TaggedExample, windows: Windows) -> Prediction:
        """A word that becomes no token, such as a lone accent, is tagged O."""
        tags, probabilities = ["O"] * len(example.words), [1.0] * len(example.words)
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


def split_words(text: str) -> list[str]:
    """Return the words and the punctuation marks of a text, as treebanks part them, only more simply."""
    return re.findall(r"\w+(?:[-'’]\w+)*|[^\w\s]", text)

"""Examples to rows for the model: ids between special tokens, what the model should say, and where tokens come from."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.ops import IGNORE_INDEX
from albert_np.tasks.examples import ChoiceExample, Example, QuestionExample, TaggedExample, TextExample
from albert_np.tasks.recipes import NamedTask
from albert_np.tokenization import AlbertTokenizer

__all__ = ["Feature", "Span", "label_names", "make_features"]

Ints = npt.NDArray[np.int64]

TEXT_KINDS = ("classification", "multilabel", "regression")
CHUNK = 4096  # examples tokenized at a time: bounds the memory that lists of ids need


class Span(NamedTuple):
    """The first and the last token of an answer; both 0, where [CLS] stands, if the window holds none."""

    start: int
    end: int


class Feature(NamedTuple):
    """What the model reads of an example; a long one has several. Of a choice all arrays are (C, T), else (T,).

    example: which one. target: None if unknown; the number of a class or choice, a number (regression), 0s and 1s
    (multi-label), a label for each token, -100 where nothing is asked (tagging), or a `Span`. places: where its tokens
    are in the example: of tags (words, 2), a word and its first token; of answers (T, 2), first and last character
    (exclusive) in the context, (0, 0) outside.
    """

    example: int
    input_ids: Ints
    token_type_ids: Ints
    attention_mask: Ints
    target: Any = None
    places: Ints | None = None


def label_names(kind: str, examples: Sequence[Example]) -> tuple[str, ...]:
    """Return the labels that occur, sorted; none for kinds without names of labels.

    Raises ValueError if there is nothing to choose from.
    """
    found: dict[str, Callable[[Any], Sequence[str]]] = {
        "classification": lambda example: (example.label,),
        "multilabel": lambda example: example.label,
        "tagging": lambda example: example.tags,
    }
    if kind not in found:
        return ()
    names = tuple(sorted({name for example in examples for name in found[kind](example)}))
    if len(names) < (1 if kind == "multilabel" else 2):
        raise ValueError(f"the training examples must hold at least two labels to choose from, got {list(names)}")
    return names


def make_features(
    task: NamedTask, labels: Sequence[str], tokenizer: AlbertTokenizer, examples: Sequence[Example]
) -> list[Feature]:
    """Return the features of all examples, in order.

    Texts, and pairs of a context and a choice, are cut to `task.max_seq_length`, the longer one first; tagged sentences
    and contexts of questions go on in further windows. Only the first token of a word carries its tag, and only in the
    first window that has it. Raises ValueError for a label that is not among `labels`.
    """
    makers: dict[str, Callable[..., Iterator[Feature]]] = dict.fromkeys(TEXT_KINDS, _text_features)
    makers |= {"tagging": _tagged_features, "answering": _question_features, "choice": _choice_features}
    make = makers[task.kind]
    targets = _Targets(task.kind, labels)
    return [
        feature
        for start in range(0, len(examples), CHUNK)
        for feature in make(task, targets, tokenizer, examples[start : start + CHUNK], start)
    ]


class _Targets:
    """Labels of examples to what the loss takes."""

    def __init__(self, kind: str, labels: Sequence[str]):
        self.kind = kind
        self.numbers = {name: number for number, name in enumerate(labels)}

    def number(self, name: str, example: int) -> int:
        if name not in self.numbers:
            raise ValueError(
                f"example {example + 1} has the label {name!r}; the model knows {', '.join(map(repr, self.numbers))}"
            )
        return self.numbers[name]

    def of(self, label: Any, example: int) -> Any:
        if label is None or self.kind in ("regression", "choice"):
            return label
        if self.kind == "classification":
            return self.number(label, example)
        target = np.zeros(len(self.numbers), np.float32)
        target[[self.number(name, example) for name in label]] = 1
        return target


def _text_features(
    task: NamedTask, targets: _Targets, tokenizer: AlbertTokenizer, examples: Sequence[TextExample], first: int
) -> Iterator[Feature]:
    seconds = [example.text_pair for example in examples]
    if None in seconds and any(seconds):
        raise ValueError(f"example {first + seconds.index(None) + 1} has no text_pair, and others have one")
    rows = tokenizer(
        [example.text for example in examples],
        seconds if any(seconds) else None,
        truncation=True,
        max_length=task.max_seq_length,
    )
    for at, example in enumerate(examples):
        target = targets.of(example.label, first + at)
        yield _row(first + at, rows["input_ids"][at], rows["token_type_ids"][at], target)


def _row(example: int, ids: Sequence[int], types: Sequence[int], target: Any, places: Ints | None = None) -> Feature:
    array = np.array(ids, np.int64)
    return Feature(example, array, np.array(types, np.int64), np.ones_like(array), target, places)


def _choice_features(
    task: NamedTask, targets: _Targets, tokenizer: AlbertTokenizer, examples: Sequence[ChoiceExample], first: int
) -> Iterator[Feature]:
    rows = tokenizer(
        [example.context for example in examples for _ in example.choices],
        [f"{example.question or ''} {choice}".strip() for example in examples for choice in example.choices],
        truncation=True,
        max_length=task.max_seq_length,
    )
    bounds = np.cumsum([0, *(len(example.choices) for example in examples)]).tolist()
    for at, (start, stop) in enumerate(pairwise(bounds)):
        block = {name: column[start:stop] for name, column in rows.items()}
        padded = tokenizer.pad(block, return_tensors="np")
        arrays = padded["input_ids"], padded["token_type_ids"], padded["attention_mask"]
        yield Feature(first + at, *arrays, targets.of(examples[at].label, first + at))


def _tagged_features(
    task: NamedTask, targets: _Targets, tokenizer: AlbertTokenizer, examples: Sequence[TaggedExample], first: int
) -> Iterator[Feature]:
    rows = tokenizer(
        [list(example.words) for example in examples],
        is_split_into_words=True,
        truncation=True,
        max_length=task.max_seq_length,
        stride=task.max_seq_length // 4,
        return_overflowing_tokens=True,
    )
    seen: set[tuple[int, int]] = set()
    for row, at in enumerate(rows["overflow_to_sample_mapping"]):
        places = []
        for token, word in enumerate(rows.word_ids(row)):
            if word is not None and (at, word) not in seen:
                seen.add((at, word))
                places.append((word, token))
        ids, tags = rows["input_ids"][row], examples[at].tags
        target = None
        if tags is not None:
            target = np.full(len(ids), IGNORE_INDEX, np.int64)
            for word, token in places:
                target[token] = targets.number(tags[word], first + at)
        where = np.array(places, np.int64).reshape(-1, 2)
        yield _row(first + at, ids, rows["token_type_ids"][row], target, where)


def _question_features(
    task: NamedTask, targets: _Targets, tokenizer: AlbertTokenizer, examples: Sequence[QuestionExample], first: int
) -> Iterator[Feature]:
    assert task.doc_stride is not None
    texts = list(dict.fromkeys(example.context for example in examples))  # several questions are about one
    encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
    contexts = dict(zip(texts, zip(encoded["input_ids"], encoded["offset_mapping"], strict=True), strict=True))
    queries = tokenizer([example.question for example in examples], add_special_tokens=False)["input_ids"]
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    for at, example in enumerate(examples):
        ids, places = contexts[example.context]
        offsets = np.array(places, np.int64).reshape(-1, 2)
        query = [cls, *queries[at][: task.max_query_length], sep]
        answer = None if example.answers is None else _answer_tokens(example, offsets)
        for start, stop in _windows(len(ids), task.max_seq_length - len(query) - 1, task.doc_stride):
            row = [*query, *ids[start:stop], sep]
            types = [0] * len(query) + [1] * (stop - start + 1)
            where = np.zeros((len(row), 2), np.int64)
            where[len(query) : -1] = offsets[start:stop]
            yield _row(first + at, row, types, _shifted(answer, start, stop, len(query)), where)


def _windows(length: int, width: int, stride: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of windows that cover `length` tokens, each `stride` further than the one before."""
    start = 0
    while start + width < length:
        yield start, start + width
        start += min(stride, width)
    yield start, length


def _answer_tokens(example: QuestionExample, offsets: Ints) -> Span:
    """Return the tokens of the context that hold the first answer; (-1, -1), which no window has, for none."""
    if not example.answers:
        return Span(-1, -1)
    text, begin = example.answers[0]
    first = int(np.searchsorted(offsets[:, 1], begin, side="right"))  # the first token that ends after `begin`
    last = int(np.searchsorted(offsets[:, 0], begin + len(text), side="left")) - 1
    return Span(first, last) if first <= last else Span(-1, -1)


def _shifted(answer: Span | None, start: int, stop: int, lead: int) -> Span | None:
    """Return where the answer is in a window of the context that has `lead` tokens before it."""
    if answer is None:
        return None
    inside = start <= answer.start and answer.end < stop
    return Span(answer.start - start + lead, answer.end - start + lead) if inside else Span(0, 0)

"""Logits to predictions: a class, labels, a number, tags, an answer or a choice, with probabilities."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.ops import softmax_forward
from albert_np.tasks.features import Feature
from albert_np.tasks.recipes import NamedTask

__all__ = ["FoundAnswer", "Prediction", "best_answers", "decode"]

N_BEST = 20  # spans among which probabilities are shared out, as in Google's and Hugging Face's SQuAD scripts

Floats = npt.NDArray[np.floating]


class FoundAnswer(NamedTuple):
    """An answer, `context[start:end]`; an empty one says that the context has none.

    score: start logit + end logit. probability: its share among the 20 best.
    """

    text: str
    start: int
    end: int
    score: float
    probability: float


class Prediction(NamedTuple):
    """What a model says of an example.

    answer: the name of a class; a tuple of names (multi-label); a number (regression); a list of tags, one a word; a
    text, "" for no answer; or the place of a choice, from 0. probabilities: of each label by its name, the most
    probable first; of each word's tag; of each choice; None for numbers and texts. candidates: the best answers to a
    question, the best first.
    """

    answer: Any
    probabilities: dict[str, float] | list[float] | None = None
    candidates: list[FoundAnswer] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what there is, as JSON can hold it."""
        candidates = None if self.candidates is None else [found._asdict() for found in self.candidates]
        contents = {"answer": self.answer, "probabilities": self.probabilities, "candidates": candidates}
        return {name: value for name, value in contents.items() if value is not None}


def decode(
    task: NamedTask,
    labels: Sequence[str],
    refuses: bool,
    examples: Sequence[Any],
    features: Sequence[Feature],
    logits: Sequence[Floats],
) -> list[Prediction]:
    """Return the prediction of each example.

    features: of all examples, in order. logits: of each feature (L,), (T, L) of tags, (2, T) of starts and ends, (C,)
    of choices. refuses: whether a question may have no answer.
    """
    rows = groupby(zip(features, logits, strict=True), key=lambda row: row[0].example)
    windows_of_each = [list(group) for _, group in rows]
    predictions = []
    for example, windows in zip(examples, windows_of_each, strict=True):
        first = windows[0][1]
        if task.kind == "regression":
            predictions.append(Prediction(float(first[0])))
        elif task.kind == "classification":
            named = _ranked(labels, _softmax(first))
            predictions.append(Prediction(next(iter(named)), named))
        elif task.kind == "multilabel":
            predictions.append(_labels_that_hold(labels, first))
        elif task.kind == "choice":
            shares = _softmax(first).tolist()
            predictions.append(Prediction(shares.index(max(shares)), shares))
        elif task.kind == "tagging":
            predictions.append(_tags(labels, len(example.words), windows))
        else:
            longest = task.max_answer_length or task.max_seq_length
            found = best_answers(example.context, windows, longest, refuses)
            predictions.append(Prediction(found[0].text, None, found))
    return predictions


def _softmax(logits: Floats) -> npt.NDArray[np.float64]:
    probabilities: npt.NDArray[np.float64] = softmax_forward(logits.astype(np.float64))[0]
    return probabilities


def _ranked(labels: Sequence[str], probabilities: Floats) -> dict[str, float]:
    order = np.argsort(-probabilities, kind="stable")
    return {labels[i]: float(probabilities[i]) for i in order}


def _labels_that_hold(labels: Sequence[str], logits: Floats) -> Prediction:
    probabilities = 0.5 * (1 + np.tanh(logits.astype(np.float64) / 2))  # the logistic function, without overflow
    likely = tuple(name for name, p in zip(labels, probabilities, strict=True) if p >= 0.5)
    return Prediction(likely, _ranked(labels, probabilities))


def _tags(labels: Sequence[str], words: int, windows: Sequence[tuple[Feature, Floats]]) -> Prediction:
    tags, probabilities = ["O"] * words, [1.0] * words  # a word that becomes no token, such as a lone accent, stays so
    for window, logits in windows:
        assert window.places is not None
        for word, token in window.places.tolist():
            row = _softmax(logits[token])
            tags[word], probabilities[word] = labels[int(row.argmax())], float(row.max())
    return Prediction(tags, probabilities)


def best_answers(
    context: str, windows: Sequence[tuple[Feature, Floats]], max_answer_length: int, refuses: bool
) -> list[FoundAnswer]:
    """Return the best answers over all windows of a context, the best first.

    windows: features with their logits (2, T) of starts and ends. max_answer_length: tokens. refuses: whether there
    may be no answer, which scores what [CLS] has in the window where that is least. A span that several windows hold
    counts where it scores best.
    """
    scores: dict[tuple[int, int], float] = {}
    for window, (starts, ends) in windows:
        assert window.places is not None
        for first, last, score in _best_spans(starts, ends, window.places[:, 1] > 0, max_answer_length):
            place = int(window.places[first, 0]), int(window.places[last, 1])
            if place[0] < place[1]:
                scores[place] = max(score, scores.get(place, -math.inf))
    if refuses or not scores:
        scores[0, 0] = min(float(starts[0] + ends[0]) for _, (starts, ends) in windows)
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:N_BEST]
    weights = [math.exp(score - ranked[0][1]) for _, score in ranked]
    return [
        FoundAnswer(context[start:end], start, end, score, weight / sum(weights))
        for ((start, end), score), weight in zip(ranked, weights, strict=True)
    ]


def _best_spans(
    starts: Floats, ends: Floats, inside: npt.NDArray[np.bool_], longest: int
) -> Iterator[tuple[int, int, float]]:
    """Yield first token, last token and score of the `N_BEST` best spans in a window, in no order."""
    T = len(inside)
    starts = np.where(inside, starts[:T], -np.inf)
    ends = np.where(inside, ends[:T], -np.inf)
    scores = np.full((min(longest, T), T), -np.inf)  # of each length - 1 and first token
    for more in range(len(scores)):
        scores[more, : T - more] = starts[: T - more] + ends[more:]
    flat = scores.ravel()
    best = np.argpartition(-flat, N_BEST)[:N_BEST] if flat.size > N_BEST else np.arange(flat.size)
    for i in best[np.isfinite(flat[best])].tolist():
        more, first = divmod(i, T)
        yield first, first + more, float(flat[i])

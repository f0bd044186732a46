"""Questions about a context: the answer is a span of it, or there is none."""

import json
import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.backend import Array, Floats, Ints
from albert_np.model import AlbertBase, AlbertForQuestionAnswering
from albert_np.tasks.examples import QuestionExample
from albert_np.tasks.kinds.base import Feature, FoundAnswer, Kind, Prediction, Windows, row, stacked_inputs
from albert_np.tasks.metrics import answering_metrics
from albert_np.tasks.readers.files import Asked, Entry
from albert_np.tasks.readers.squad import own_id, question_example, read_questions
from albert_np.tasks.settings import NamedTask, own_settings
from albert_np.tokenization import AlbertTokenizer
from albert_np.training import Batch

__all__ = ["NO_ANSWER", "Answering", "Place", "QuestionKind", "Span", "best_answers", "best_scores", "ranked_answers"]

N_BEST = 20  # spans among which probabilities are shared out, as in Google's and Hugging Face's SQuAD scripts
LENGTHS = {"max_seq_length": 384, "doc_stride": 128, "max_query_length": 64, "max_answer_length": 30}

Place = tuple[int, int]  # the characters of a context that an answer begins at and ends before

NO_ANSWER: Place = (0, 0)


class Span(NamedTuple):
    """The first and the last token of an answer; both 0, where [CLS] stands, if the window holds none."""

    start: int
    end: int


class SpanBatch(NamedTuple):
    """Inputs (B, T) with the first and last token of each window's answer, (B,)."""

    input_ids: Ints
    token_type_ids: Ints
    attention_mask: Ints
    start_positions: Ints
    end_positions: Ints


class QuestionKind(Kind[QuestionExample]):
    """What the two kinds of answering have in common.

    A feature is a window of the context behind the question; its target is a `Span`. Its places are (T, 2): each
    token's first and last character (exclusive) in the context, (0, 0) outside.
    """

    example = QuestionExample
    answer_field = "answers"
    bound = "max_query_length"

    def read(self, path: Path, asked: Asked) -> Iterator[QuestionExample]:
        return read_questions(path, asked)

    def from_json(self, entry: Entry, labelled: bool = True) -> QuestionExample:
        return question_example(entry, labelled)

    def checked(self, examples: Sequence[QuestionExample]) -> list[QuestionExample]:
        """As of every kind; those with answers must also have an id each, as in a file."""
        found = super().checked(examples)
        seen: set[str] = set()
        for number, example in enumerate(found, start=1):
            if example.answers is not None:
                own_id(example.id, f"example {number}", seen)
        return found

    def to_json(self, example: QuestionExample) -> dict[str, object]:
        record = super().to_json(example)
        if example.answers is not None:
            record["answers"] = [{"text": answer.text, "answer_start": answer.start} for answer in example.answers]
        return record

    def fitted(self, task: NamedTask, positions: int) -> NamedTask:
        """Leave a question at most a third; windows overlap by half of what is left for the context, or more."""
        length = min(task.max_seq_length, positions)
        query = min(task.max_query_length or length, length // 3)
        room = length - query - 3
        if room < 1:
            raise ValueError(
                f"max_seq_length={length}, of a model of {positions} positions, must be at least 5 for questions"
            )
        stride = max(1, room // 2) if task.doc_stride is None else min(task.doc_stride, max(1, room // 2))
        return replace(task, max_seq_length=length, max_query_length=query, doc_stride=stride)

    def suited(self, task: NamedTask, examples: Sequence[QuestionExample]) -> NamedTask:
        """Where no question of training is known to have no answer, the model is not asked whether there is one."""
        return task if any(example.answers == () for example in examples) else replace(task, no_answer_above=None)

    def rows(
        self,
        task: NamedTask,
        numbers: Mapping[str, int],
        tokenizer: AlbertTokenizer,
        examples: Sequence[QuestionExample],
        first: int,
    ) -> Iterator[Feature]:
        stride = _stride(task)
        texts = list(dict.fromkeys(example.context for example in examples))  # several questions are about one
        encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
        contexts = dict(zip(texts, zip(encoded["input_ids"], encoded["offset_mapping"], strict=True), strict=True))
        queries = tokenizer([example.question for example in examples], add_special_tokens=False)["input_ids"]
        cls, sep = tokenizer.role_id("cls_token"), tokenizer.role_id("sep_token")
        for at, example in enumerate(examples):
            ids, places = contexts[example.context]
            offsets = np.array(places, np.int64).reshape(-1, 2)
            query = [cls, *queries[at][: task.max_query_length], sep]
            cut = len(queries[at]) - (len(query) - 2)
            answer = None if example.answers is None else _answer_tokens(example, offsets)
            for start, stop in _windows(len(ids), task.max_seq_length - len(query) - 1, stride):
                window = [*query, *ids[start:stop], sep]
                types = [0] * len(query) + [1] * (stop - start + 1)
                where = np.zeros((len(window), 2), np.int64)
                where[len(query) : -1] = offsets[start:stop]
                yield row(first + at, window, types, _shifted(answer, start, stop, len(query)), where, cut)

    def decode(
        self,
        task: NamedTask,
        labels: Sequence[str],
        example: QuestionExample,
        windows: Windows,
    ) -> Prediction:
        found = self.found(task, example.context, windows)
        return Prediction(found[0].text, None, found)

    def denominators(self, batches: Sequence[Any]) -> dict[str, int]:
        return {"denominator": sum(len(batch.start_positions) for batch in batches)}

    @abstractmethod
    def found(self, task: NamedTask, context: str, windows: Windows) -> list[FoundAnswer]:
        """Return the best answers over all windows of a context, the one to give first."""

    def metrics(self, answers: Sequence[Any], references: Sequence[Any], task: NamedTask) -> dict[str, float]:
        return answering_metrics(answers, references)

    def submission(self, examples: Sequence[QuestionExample], predictions: Sequence[Prediction]) -> str:
        answers = {example.id: prediction.answer for example, prediction in zip(examples, predictions, strict=True)}
        return json.dumps(answers, ensure_ascii=False) + "\n"

    def majority(self, known: Sequence[Any], asked: Sequence[Any]) -> list[Any]:
        """That there is no answer."""
        return [""] * len(asked)

    def shown(self, example: QuestionExample, prediction: Prediction) -> str:
        lines = (
            f"{found.probability:7.1%}  {found.text or '(no answer)'}  [{found.start}:{found.end}]"
            for found in prediction.candidates or ()
        )
        return "\n".join(lines)


class Answering(QuestionKind):
    """Answers by a head that scores every token as start and as end; [CLS] stands for no answer."""

    name = "answering"
    model = AlbertForQuestionAnswering
    defaults = own_settings("answering", metric="f1", **LENGTHS)
    measures = ("exact_match", "f1")

    def collate(self, features: Sequence[Feature], pad_id: int) -> Batch:
        inputs, targets = stacked_inputs(features, pad_id), [feature.target for feature in features]
        return inputs if targets[0] is None else SpanBatch(*inputs, *np.array(targets).T)

    def outputs(self, model: AlbertBase, output: Any, batch: Mapping[str, Array]) -> tuple[Array, ...]:
        return output.start_logits, output.end_logits

    def found(self, task: NamedTask, context: str, windows: Windows) -> list[FoundAnswer]:
        return best_answers(context, windows, task.max_answer_length or task.max_seq_length, task.no_answer_above)

    def why(self, task: NamedTask, prediction: Prediction) -> str | None:
        """The score of "no answer" is given without the threshold, by how much it beats the best span."""
        none = [found.score for found in prediction.candidates or () if not found.text]
        spans = [found.score for found in prediction.candidates or () if found.text]
        if not task.no_answer_above or not none or not spans:
            return None
        threshold = task.no_answer_above
        margin = none[0] + threshold - spans[0]
        return f'"no answer" scores {margin:.3f} more than the best answer and is given above {threshold:.3f}'


def best_answers(
    context: str, windows: Windows, max_answer_length: int, no_answer_above: float | None
) -> list[FoundAnswer]:
    """Return the best answers over all windows of a context, the best first.

    windows: features with their logits of starts and of ends, (T,) each. max_answer_length: tokens. no_answer_above: by
    how much "no answer", which scores what [CLS] has in the window where that is least, must beat the best span; None
    if there is always an answer.
    """
    spans = (
        (window, span)
        for window, (starts, ends) in windows
        for span in _best_spans(starts, ends, window.places[:, 1] > 0, max_answer_length)  # type: ignore[index]
    )
    scores = best_scores(spans)
    if no_answer_above is not None or not scores:
        least = min(float(starts[0] + ends[0]) for _, (starts, ends) in windows)
        scores[NO_ANSWER] = least - (no_answer_above or 0.0)
    return ranked_answers(context, scores)


def best_scores(spans: Iterable[tuple[Feature, tuple[int, int, float]]]) -> dict[Place, float]:
    """Return place → score of spans (first token, last token, score) of windows, those that hold no character left out.

    A span that several windows hold counts where it scores best.
    """
    scores: dict[Place, float] = {}
    for window, (first, last, score) in spans:
        assert window.places is not None
        place = int(window.places[first, 0]), int(window.places[last, 1])
        if place[0] < place[1]:
            scores[place] = max(score, scores.get(place, -math.inf))
    return scores


def ranked_answers(context: str, scores: Mapping[Place, float]) -> list[FoundAnswer]:
    """Return the `N_BEST` answers with the highest scores, the best first; their exponentials share out 1."""
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:N_BEST]
    weights = [math.exp(score - best[0][1]) for _, score in best]
    return [
        FoundAnswer(context[start:end], start, end, score, weight / sum(weights))
        for ((start, end), score), weight in zip(best, weights, strict=True)
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


def _stride(task: NamedTask) -> int:
    """Return how far windows move on; ValueError if they would not, or would hold no token of the context."""
    stride, query = task.doc_stride or 0, task.max_query_length or 0
    if stride < 1 or query < 1:
        raise ValueError(
            f"doc_stride={task.doc_stride} and max_query_length={task.max_query_length} must be at least 1"
        )
    if task.max_seq_length < query + 4:
        raise ValueError(
            f"max_seq_length={task.max_seq_length} leaves a context no room beside max_query_length={query} and three "
            "special tokens"
        )
    return stride


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

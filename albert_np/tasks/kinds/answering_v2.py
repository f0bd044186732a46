"""Questions that may have no answer, as Google's run_squad_v2.py asks them.

The head tells apart where an answer would be and whether there is one. Training: a window that does not hold the answer
counts as one without. Prediction: a beam of the likeliest starts, and of the likeliest ends given each; the least of
the windows' answerability logits decides against a threshold.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.heads import top_answers
from albert_np.model import AlbertBase, AlbertForQuestionAnsweringV2
from albert_np.tasks.examples import QuestionExample
from albert_np.tasks.kinds.answering import LENGTHS, QuestionKind, best_scores, ranked_answers
from albert_np.tasks.kinds.base import Feature, FoundAnswer, Output, Prediction, Windows, stack, stacked_inputs
from albert_np.tasks.metrics import answering_metrics, answering_scores
from albert_np.tasks.settings import NamedTask, own_settings
from albert_np.training import Batch, Metrics

__all__ = ["AnsweringV2", "best_threshold"]


class MaskedBatch(NamedTuple):
    """Inputs (B, T) with p_mask (B, T): 0 at [CLS] and the text, 1 at the question, [SEP] and padding."""

    input_ids: Ints
    token_type_ids: Ints
    attention_mask: Ints
    p_mask: Ints


class AnswerableBatch(NamedTuple):
    """The same with the first and last token of each window's answer, and 1 where it holds none, (B,)."""

    input_ids: Ints
    token_type_ids: Ints
    attention_mask: Ints
    p_mask: Ints
    start_positions: Ints
    end_positions: Ints
    is_impossible: Ints


class AnsweringV2(QuestionKind):
    """Answers by the SQuAD 2 head."""

    name = "answering-v2"
    model = AlbertForQuestionAnsweringV2
    defaults = own_settings("answering-v2", metric="best_f1", **LENGTHS)
    measures = ("exact_match", "f1", "best_exact_match", "best_f1")

    def suited(self, task: NamedTask, examples: Sequence[QuestionExample]) -> NamedTask:
        """Without examples of training, the head itself says that some had no answer: it has weights for that."""
        return super().suited(task, examples) if examples else task

    def tuned(self, task: NamedTask, metrics: Metrics) -> NamedTask:
        """Refuse from the threshold on that was best, if questions may be refused at all."""
        return task if task.no_answer_above is None else replace(task, no_answer_above=metrics["best_threshold"])

    def collate(self, features: Sequence[Feature], pad_id: int) -> Batch:
        masked = MaskedBatch(*stacked_inputs(features, pad_id), stack([_p_mask(feature) for feature in features], 1))
        targets = [feature.target for feature in features]
        if targets[0] is None:
            return masked
        starts, ends = np.array(targets).T
        return AnswerableBatch(*masked, starts, ends, (ends == 0).astype(np.int64))  # [CLS] is never part of an answer

    def outputs(self, model: AlbertBase, output: Any, batch: Mapping[str, Array]) -> tuple[Array, ...]:
        """Return cls_logits (B,) and the beam; with labels the model has scored ends of the right starts alone."""
        assert isinstance(model, AlbertForQuestionAnsweringV2)
        beam = output
        if output.start_top_index is None:
            allowed = model.backend.from_numpy(np.asarray(batch["p_mask"]) == 0)
            p, widths = model.params.scope("end_logits."), (model.start_n_top, model.end_n_top)
            beam = top_answers(output.last_hidden_state, output.start_logits, allowed, p, model.config, *widths)
        tops = (beam.start_top_log_probs, beam.start_top_index, beam.end_top_log_probs, beam.end_top_index)
        return (output.cls_logits, *tops)

    def found(self, task: NamedTask, context: str, windows: Windows) -> list[FoundAnswer]:
        """Return the answers of the beams, and "no answer", with the answerability logit as its score.

        It comes first if it scores more than `task.no_answer_above`, and last if not. Its probability is the logistic
        function of its score; the others share what is left.
        """
        longest = task.max_answer_length or task.max_seq_length
        scores = best_scores((window, span) for window, (_, *beam) in windows for span in _spans(window, beam, longest))
        refusal = min(float(output[0]) for _, output in windows)
        refused = 0.5 * (1 + math.tanh(refusal / 2))
        answers = [
            found._replace(probability=found.probability * (1 - refused)) for found in ranked_answers(context, scores)
        ]
        none = FoundAnswer("", 0, 0, refusal, refused)
        is_refused = task.no_answer_above is not None and refusal > task.no_answer_above
        return [none, *answers] if is_refused else [*answers, none]

    def why(self, task: NamedTask, prediction: Prediction) -> str | None:
        if task.no_answer_above is None:
            return None
        return f'"no answer" scores {_refusal(prediction):.3f} and is given above {task.no_answer_above:.3f}'

    def measure(
        self, predictions: Sequence[Prediction], references: Sequence[Any], task: NamedTask
    ) -> dict[str, float]:
        """Return the metrics of the answers given, and the best that another threshold would give.

        best_exact_match and best_f1 each have a threshold of their own; best_threshold is that of best_f1.
        """
        measured = answering_metrics([prediction.answer for prediction in predictions], references)
        scores = np.array([_refusal(prediction) for prediction in predictions])
        answered = answering_scores([_first_answer(prediction) for prediction in predictions], references)
        refused = answering_scores([""] * len(predictions), references)
        best = {name: best_threshold(scores, answered[name], refused[name]) for name in ("exact_match", "f1")}
        return {
            **measured,
            "best_exact_match": best["exact_match"][1],
            "best_f1": best["f1"][1],
            "best_threshold": best["f1"][0],
        }


def best_threshold(scores: Floats, answered: Floats, refused: Floats) -> tuple[float, float]:
    """Return the threshold above which "no answer" is best said, and the mean that it brings.

    scores (N,): of "no answer", to each question. answered, refused (N,): how good the answer is, and how good none is.
    The threshold lies half-way between two scores, or by 1 outside all of them; of equally good ones it is the lowest.
    """
    order = np.argsort(scores, kind="stable")
    sorted_scores = scores[order].astype(np.float64)
    between = (sorted_scores[:-1] + sorted_scores[1:]) / 2
    thresholds = np.array([sorted_scores[0] - 1, *between, sorted_scores[-1] + 1])  # the first i questions are answered
    gains = refused.sum() + np.cumsum([0.0, *(answered - refused)[order]])
    apart = np.array([True, *(sorted_scores[:-1] < sorted_scores[1:]), True])  # equal scores are answered alike
    best = int(np.where(apart, gains, -np.inf).argmax())
    return float(thresholds[best]), float(gains[best] / len(scores))


def _p_mask(feature: Feature) -> Ints:
    assert feature.places is not None
    p_mask: Ints = (feature.places[:, 1] == 0).astype(np.int64)
    p_mask[0] = 0
    return p_mask


def _spans(window: Feature, beam: Output, longest: int) -> Iterator[tuple[int, int, float]]:
    """Yield first token, last token and score of the spans in a beam that lie in the text and are not too long."""
    assert window.places is not None
    start_log_probs, starts, end_log_probs, ends = beam  # (K,), (K,), (K · J,), (K · J,)
    inside = set(np.flatnonzero(window.places[:, 1]).tolist())
    for i, (last, end_log_prob) in enumerate(zip(ends.tolist(), end_log_probs.tolist(), strict=True)):
        k = i * len(starts) // len(ends)
        first = int(starts[k])
        if first in inside and last in inside and first <= last < first + longest:
            yield first, last, float(start_log_probs[k]) + end_log_prob


def _refusal(prediction: Prediction) -> float:
    return next(found.score for found in prediction.candidates or () if not found.text)


def _first_answer(prediction: Prediction) -> str:
    return next((found.text for found in prediction.candidates or () if found.text), "")

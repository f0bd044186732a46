"""What a model call returns: Hugging Face's field names and shapes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from albert_np.backend import Array
from albert_np.layers import AlbertCache
from albert_np.ops import CrossEntropyCache

__all__ = [
    "AlbertForPreTrainingOutput",
    "AlbertModelOutput",
    "ClassifierOutput",
    "MaskedLMOutput",
    "QuestionAnsweringOutput",
    "QuestionAnsweringV2Output",
    "looked_at",
]


@dataclass
class AlbertModelOutput:
    """What every model returns.

    last_hidden_state (B, T, H); pooler_output (B, H), or None in classes without a pooler; hidden_states, L·inner + 1
    arrays (B, T, H), of which the first is the projected embeddings; attentions, L·inner arrays (B, N, T, T), after
    dropout. The last two are None unless asked for.
    """

    last_hidden_state: Array
    pooler_output: Array | None
    hidden_states: tuple[Array, ...] | None
    attentions: tuple[Array, ...] | None


@dataclass
class AlbertForPreTrainingOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and the two heads' answers.

    sop_logits (B, 2); mlm_loss, sop_loss and their sum, loss, without axes, each None without its labels;
    prediction_logits (B, T, V), computed when they are first read, with the weights of that moment.
    """

    sop_logits: Array
    loss: Array | None
    mlm_loss: Array | None
    sop_loss: Array | None
    _mlm: CrossEntropyCache | None = field(repr=False)
    _sop: CrossEntropyCache | None = field(repr=False)
    _read_logits: Callable[[], Array] | None = field(repr=False)

    @cached_property
    def prediction_logits(self) -> Array:
        return _read(self._read_logits)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "prediction_logits": self.prediction_logits, "_read_logits": None}

    @property
    def mlm_count(self) -> int:
        """The number of labelled tokens; `mlm_correct` of them had the highest logit at the label."""
        return _correct_and_count(self._mlm)[1]

    @property
    def mlm_correct(self) -> int:
        return _correct_and_count(self._mlm)[0]

    @property
    def sop_count(self) -> int:
        """The number of labelled pairs; `sop_correct` of them had the higher logit at the label."""
        return _correct_and_count(self._sop)[1]

    @property
    def sop_correct(self) -> int:
        return _correct_and_count(self._sop)[0]


@dataclass
class MaskedLMOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and the head's answer.

    loss without axes, or None without labels; logits (B, T, V), computed when they are first read, with the weights of
    that moment.
    """

    loss: Array | None
    _read_logits: Callable[[], Array] | None = field(repr=False)

    @cached_property
    def logits(self) -> Array:
        return _read(self._read_logits)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "logits": self.logits, "_read_logits": None}


@dataclass
class ClassifierOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and: logits, (B, num_labels), of tokens (B, T, num_labels), of choices (B, C);
    loss without axes, or None without labels."""

    loss: Array | None
    logits: Array


@dataclass
class QuestionAnsweringOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and: start_logits and end_logits (B, T); loss without axes, or None."""

    loss: Array | None
    start_logits: Array
    end_logits: Array


@dataclass
class QuestionAnsweringV2Output(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and the head's answers.

    start_logits (B, T), -1e30 where no answer may start; cls_logits (B,), above 0 where the question looks
    unanswerable. With start_positions: end_logits (B, T), given those starts; loss without axes, or None. Without
    them: the fields of `TopAnswers`. What does not belong to the call is None.
    """

    loss: Array | None
    start_logits: Array
    cls_logits: Array
    end_logits: Array | None = None
    start_top_log_probs: Array | None = None
    start_top_index: Array | None = None
    end_top_log_probs: Array | None = None
    end_top_index: Array | None = None


Looked = tuple[tuple[Array, ...] | None, tuple[Array, ...] | None]


def looked_at(cache: AlbertCache, hidden_states: bool, attentions: bool) -> Looked:
    """Return hidden states and attentions, read off the caches, each None unless asked for.

    The input of each layer step and the sequence output, (B, T, H) each; each step's probabilities after dropout,
    (B, N, T, T). Both are zero where nothing was computed.
    """
    states, probs = None, None
    if hidden_states:
        states = (*(call.pattern.unpack(call.x) for call in cache.encoder.calls), cache.sequence_output)
    if attentions:
        heads = [step.attention.heads for step in cache.encoder.steps]
        probs = tuple(each.pattern.squares([run.dropped for run in each.runs]) for each in heads)
    return states, probs


def _read(logits: Callable[[], Array] | None) -> Array:
    assert logits is not None  # what was pickled or copied holds the logits themselves
    return logits()


def _correct_and_count(cache: CrossEntropyCache | None) -> tuple[int, int]:
    if cache is None:
        return 0, 0
    correct = (cache.probs.argmax(axis=-1) == cache.labels) & cache.counted
    return int(correct.sum()), int(cache.counted.sum())

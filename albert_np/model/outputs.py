"""What a model call returns: Hugging Face's field names and shapes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from albert_np.backend import Array, array_module, backend_of
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
    "numbers",
]


@dataclass
class AlbertModelOutput:
    """What every model returns.

    last_hidden_state (B, T, H); pooler_output (B, H), or None in classes without a pooler; hidden_states, L·inner + 1
    arrays (B, T, H), of which the first is the projected embeddings; attentions, L·inner arrays (B, N, T, T), after
    dropout. The last two are None unless asked for.

    What Hugging Face's output of the class holds is also read by its name, `out["logits"]`, or by its number among
    what is not None, `out[0]`, `out[:2]`: there the loss comes first, if there is one, then the answers of the head.
    `keys()` gives the names. Iteration gives the arrays, so that `loss, logits = out` unpacks them; over Hugging
    Face's it gives the names.
    """

    _names: ClassVar[tuple[str, ...]] = ("last_hidden_state", "pooler_output")

    last_hidden_state: Array
    pooler_output: Array | None
    hidden_states: tuple[Array, ...] | None
    attentions: tuple[Array, ...] | None

    def keys(self) -> tuple[str, ...]:
        """Return the names of what is not None, in Hugging Face's order."""
        names = (*self._names, "hidden_states", "attentions")
        return tuple(name for name in names if name in _LATE or getattr(self, name) is not None)

    def to_tuple(self) -> tuple[Any, ...]:
        """Return what `keys()` names."""
        return self[:]  # type: ignore[no-any-return]

    def items(self) -> tuple[tuple[str, Any], ...]:
        """Return name and value of what `keys()` names."""
        return tuple(zip(self.keys(), self.to_tuple(), strict=True))

    def __getitem__(self, key: str | int | slice) -> Any:
        names = self.keys()
        if isinstance(key, str):
            if key not in names:
                raise KeyError(f"{key}: this output has {', '.join(names)}")
            return getattr(self, key)
        chosen = names[key]  # names before arrays: logits that nobody asks for are not computed
        return getattr(self, chosen) if isinstance(chosen, str) else tuple(getattr(self, name) for name in chosen)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_tuple())

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, name: object) -> bool:
        return name in self.keys()


@dataclass
class AlbertForPreTrainingOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and the two heads' answers.

    sop_logits (B, 2); mlm_loss, sop_loss and their sum, loss, without axes, each None without its labels;
    prediction_logits (B, T, V), computed when they are first read, with the weights of that moment.
    """

    _names: ClassVar[tuple[str, ...]] = ("loss", "prediction_logits", "sop_logits")

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

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "prediction_logits": self.prediction_logits, "_read_logits": None}

    def tallies(self) -> dict[str, float]:
        """Return what adds up over batches, by name; the host waits for a device once, for all of it."""
        losses = {"loss": self.loss, "mlm_loss": self.mlm_loss, "sop_loss": self.sop_loss}
        names = ("mlm_correct", "mlm_count", "sop_correct", "sop_count")
        return numbers({**losses, **dict(zip(names, (*self._mlm_counts, *self._sop_counts), strict=True))})

    @cached_property
    def _mlm_counts(self) -> tuple[Array, Array]:
        return _correct_and_count(self._mlm)

    @cached_property
    def _sop_counts(self) -> tuple[Array, Array]:
        return _correct_and_count(self._sop)

    @property
    def mlm_count(self) -> int:
        """The number of labelled tokens; `mlm_correct` of them had the highest logit at the label."""
        return int(self._mlm_counts[1])

    @property
    def mlm_correct(self) -> int:
        return int(self._mlm_counts[0])

    @property
    def sop_count(self) -> int:
        """The number of labelled pairs; `sop_correct` of them had the higher logit at the label."""
        return int(self._sop_counts[1])

    @property
    def sop_correct(self) -> int:
        return int(self._sop_counts[0])


@dataclass
class MaskedLMOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and the head's answer.

    loss without axes, or None without labels; logits (B, T, V), computed when they are first read, with the weights of
    that moment.
    """

    _names: ClassVar[tuple[str, ...]] = ("loss", "logits")

    loss: Array | None
    _read_logits: Callable[[], Array] | None = field(repr=False)

    @cached_property
    def logits(self) -> Array:
        return _read(self._read_logits)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "logits": self.logits, "_read_logits": None}


@dataclass
class ClassifierOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and: logits, (B, num_labels), of tokens (B, T, num_labels), of choices (B, C);
    loss without axes, or None without labels."""

    _names: ClassVar[tuple[str, ...]] = ("loss", "logits")

    loss: Array | None
    logits: Array


@dataclass
class QuestionAnsweringOutput(AlbertModelOutput):
    """What `AlbertModelOutput` holds, and: start_logits and end_logits (B, T); loss without axes, or None."""

    _names: ClassVar[tuple[str, ...]] = ("loss", "start_logits", "end_logits")

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

    _names: ClassVar[tuple[str, ...]] = (
        "loss",
        "start_logits",
        "end_logits",
        "cls_logits",
        "start_top_log_probs",
        "start_top_index",
        "end_top_log_probs",
        "end_top_index",
    )

    loss: Array | None
    start_logits: Array
    cls_logits: Array
    end_logits: Array | None = None
    start_top_log_probs: Array | None = None
    start_top_index: Array | None = None
    end_top_log_probs: Array | None = None
    end_top_index: Array | None = None


_LATE = ("prediction_logits", "logits")  # may be computed only when they are read; never None

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


def numbers(values: Mapping[str, Array]) -> dict[str, float]:
    """Return arrays without axes, of one device or NumPy's, as Python's numbers, fetched together."""
    first = next(iter(values.values()))
    if isinstance(first, np.generic | np.ndarray | float):
        return {name: float(value) for name, value in values.items()}
    fetched = backend_of(first).to_numpy(array_module(first).stack(list(values.values())))
    return dict(zip(values, fetched.tolist(), strict=True))


def _correct_and_count(cache: CrossEntropyCache | None) -> tuple[Array, Array]:
    if cache is None:
        return 0, 0
    correct = (cache.probs.argmax(axis=-1) == cache.labels) & cache.counted
    return correct.sum(), cache.counted.sum()

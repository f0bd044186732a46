"""A model that somebody has trained, beside Hugging Face's own reading of the same folder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from albert_np.backend import Ints
from albert_np.changes import refuse_changed
from albert_np.checkpoints import Checkpoint, find_model, open_checkpoint
from albert_np.config import AlbertConfig
from albert_np.gradcheck.cases import small_batch
from albert_np.gradcheck.torch import torch_and_transformers, torch_twin
from albert_np.model import (
    AlbertBase,
    AlbertForMaskedLM,
    AlbertForMultipleChoice,
    AlbertForPreTraining,
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
    class_of,
)
from albert_np.ops import IGNORE_INDEX
from albert_np.tokenization import AlbertTokenizer

__all__ = ["TrainedCase", "trained_case"]

TEXTS = ("The cat sat on the mat.", "It rained.")


class TrainedCase(NamedTuple):
    """A model, Hugging Face's of the same folder, the arguments of a call of both, and what there is to say of them."""

    model: AlbertBase
    twin: Any
    inputs: dict[str, np.ndarray]
    remarks: list[str]


def trained_case(source: str | Path, dtype: str = "float64", texts: Sequence[str] = (), seed: int = 0) -> TrainedCase:
    """Load a model twice, here and by Hugging Face's transformers, for `compare_with_torch(*case[:2], …)`.

    source: a run, a Hugging Face folder, a TensorFlow checkpoint or a name on the model hub; the class is the one that
    it was saved from. texts: what the model reads, of a choice its options; two sentences by default, cut to what it
    can read, or random ids where there is no tokenizer. seed: of the labels, which are drawn as the class needs them.

    Remarks say where the two are not what the folder says: a class that Hugging Face does not have is compared without
    its head, and what transformers cannot read it gets from this package. Raises what `open_checkpoint` and
    `AlbertTokenizer.from_pretrained` raise; ValueError for a text that is empty or longer than the model reads, for a
    choice of one, and for an ALBERT that is changed; ImportError without torch and transformers.
    """
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype={dtype!r}: allowed are float32 and float64")
    checkpoint = open_checkpoint(find_model(source))
    refuse_changed(checkpoint.config.extra, "Hugging Face's PyTorch")
    cls: type[AlbertBase] = class_of(checkpoint)
    remarks: list[str] = []
    inputs = _token_inputs(cls, checkpoint, texts, seed, remarks)
    _, transformers = torch_and_transformers()  # which takes seconds: all that can be wrong with the texts comes before
    if not hasattr(transformers, cls.__name__):
        remarks.insert(0, f"Hugging Face has no {cls.__name__}: what is below its head is compared, as AlbertModel")
        cls = AlbertModel
    model = cls.from_checkpoint(checkpoint, dtype)
    rng = np.random.default_rng(seed)
    if cls is AlbertForMultipleChoice and dtype == "float32":
        remarks.append("float32: the gradients of two choices nearly cancel before training; float64 decides there")
    if cls in _LABELS:
        inputs |= _LABELS[cls](model.config, rng, inputs["input_ids"], inputs["attention_mask"] == 1)
    return TrainedCase(model, _own_reading(model, checkpoint, remarks), inputs, remarks)


def _token_inputs(
    cls: Any, checkpoint: Checkpoint, texts: Sequence[str], seed: int, remarks: list[str]
) -> dict[str, np.ndarray]:
    """Return ids, types and mask, (B, T), or (1, B, T) of a choice."""
    choice, longest = issubclass(cls, AlbertForMultipleChoice), checkpoint.config.max_position_embeddings
    folder = checkpoint.source
    if isinstance(texts, str):
        raise TypeError(f"texts must be a list of texts, got {texts!r:.40}; of one text, a list of one")
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"texts[{i}] must be a text that is not empty, got {text!r:.40}")
    if choice and len(texts) == 1:
        raise ValueError("texts: a choice is between two or more, and one was given")
    try:
        tokenizer = AlbertTokenizer.from_pretrained(folder)
    except FileNotFoundError:
        if texts:
            raise
        remarks.append(f"{folder} has no tokenizer: the token ids are random")
        batch = small_batch(checkpoint.config, seed, 2, min(16, longest))
    else:
        fitting: dict[str, Any] = (
            {} if texts else {"truncation": True, "max_length": longest}
        )  # our own sentences may be cut
        encoded = tokenizer(list(texts or TEXTS), padding=True, return_tensors="np", **fitting)
        batch = {name: np.asarray(x) for name, x in encoded.items()}
        for text, length in zip(texts or TEXTS, batch["attention_mask"].sum(axis=1), strict=True):
            if length > longest:
                raise ValueError(f"the text {text[:40]!r} has {length} tokens, and the model {longest} positions")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    return {name: x[None] for name, x in inputs.items()} if choice else inputs


def _of_tokens(config: AlbertConfig, rng: np.random.Generator, ids: Ints, real: Ints) -> dict[str, np.ndarray]:
    asked = real & (rng.random(ids.shape) < 0.5)
    asked[:, 1] = True
    return {"labels": np.where(asked, ids, IGNORE_INDEX)}


def _of_pretraining(config: AlbertConfig, rng: np.random.Generator, ids: Ints, real: Ints) -> dict[str, np.ndarray]:
    return _of_tokens(config, rng, ids, real) | {"sentence_order_label": rng.integers(0, 2, len(ids))}


def _of_sequences(config: AlbertConfig, rng: np.random.Generator, ids: Ints, real: Ints) -> dict[str, np.ndarray]:
    shape = (len(ids), config.num_labels)
    if config.num_labels == 1 or config.problem_type == "regression":
        return {"labels": rng.standard_normal(shape if config.num_labels > 1 else len(ids))}
    if config.problem_type == "multi_label_classification":
        return {"labels": rng.integers(0, 2, shape).astype(np.float64)}
    return {"labels": rng.integers(0, config.num_labels, len(ids))}


def _of_each_token(config: AlbertConfig, rng: np.random.Generator, ids: Ints, real: Ints) -> dict[str, np.ndarray]:
    return {"labels": np.where(real, rng.integers(0, config.num_labels, ids.shape), IGNORE_INDEX)}


def _of_spans(config: AlbertConfig, rng: np.random.Generator, ids: Ints, real: Ints) -> dict[str, np.ndarray]:
    ends = rng.integers(0, real.sum(axis=1), (2, len(ids)))
    return {"start_positions": ends.min(axis=0), "end_positions": ends.max(axis=0)}


def _of_choices(config: AlbertConfig, rng: np.random.Generator, ids: Ints, real: Ints) -> dict[str, np.ndarray]:
    return {"labels": rng.integers(0, ids.shape[1], len(ids))}


_LABELS: dict[type[AlbertBase], Callable[[AlbertConfig, np.random.Generator, Ints, Ints], dict[str, np.ndarray]]] = {
    AlbertForPreTraining: _of_pretraining,
    AlbertForMaskedLM: _of_tokens,
    AlbertForSequenceClassification: _of_sequences,
    AlbertForTokenClassification: _of_each_token,
    AlbertForQuestionAnswering: _of_spans,
    AlbertForMultipleChoice: _of_choices,
}


def _own_reading(model: AlbertBase, checkpoint: Checkpoint, remarks: list[str]) -> Any:
    """Return what Hugging Face reads from the folder; what it does not find there is the model's."""
    torch, transformers = torch_and_transformers()
    if checkpoint.kind != "Hugging Face":
        remarks.append(f"{checkpoint.source} is a {checkpoint.kind} checkpoint: Hugging Face's model gets our weights")
        return torch_twin(model)
    with _quiet(transformers):
        twin, info = getattr(transformers, type(model).__name__).from_pretrained(
            str(checkpoint.source),
            dtype=getattr(torch, model.dtype.name),
            attn_implementation="eager",
            local_files_only=True,
            output_loading_info=True,
        )
    missing = sorted(info["missing_keys"])
    if missing:
        remarks.append(f"not read by Hugging Face, so our numbers: {', '.join(missing)}")
        own = {name: torch.from_numpy(np.array(model.params[name])) for name in missing}
        twin.load_state_dict(own, strict=False)
    return twin.eval()


@contextmanager
def _quiet(transformers: ModuleType) -> Iterator[None]:
    """Keep transformers' reports of loading to ourselves: remarks say what matters."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()

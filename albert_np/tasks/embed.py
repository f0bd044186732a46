"""Sentence embeddings: one vector a text, from the last hidden states of a model."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from albert_np.backend import Array
from albert_np.checkpoints import find_model, open_checkpoint
from albert_np.execution.replicas import Replicas, split, threads_for
from albert_np.model import AlbertModel
from albert_np.tasks.batches import batches_by_length
from albert_np.tasks.kinds.base import cut_rows, row, stacked_inputs
from albert_np.tasks.predict import listed_texts
from albert_np.tokenization import AlbertTokenizer

__all__ = ["POOLINGS", "embed", "load_encoder"]

POOLINGS = ("mean", "cls")
TOKENS = 8192  # that a thread is given at a time


def load_encoder(
    source: str | Path, dtype: str = "float32", backend: str = "numpy"
) -> tuple[AlbertModel, AlbertTokenizer]:
    """Load the layers of any model, whatever head it has, and its tokenizer, for `embed`."""
    checkpoint = open_checkpoint(find_model(source))
    if not any("pooler." in name for name in checkpoint.weights):  # which embeddings do not need
        H = checkpoint.config.hidden_size
        unused = {"pooler.weight": np.zeros((H, H), np.float32), "pooler.bias": np.zeros(H, np.float32)}
        checkpoint = checkpoint._replace(weights={**checkpoint.weights, **unused})
    return AlbertModel.from_checkpoint(checkpoint, dtype, backend), AlbertTokenizer.from_pretrained(checkpoint.source)


def embed(
    model: AlbertModel,
    tokenizer: AlbertTokenizer,
    texts: Sequence[str],
    pooling: str = "mean",
    *,
    threads: int | None = None,
    progress: Callable[[list[list[int]]], Iterable[list[int]]] | None = None,
) -> npt.NDArray[np.floating]:
    """Return a vector for each text, (N, H) in the model's dtype; the model itself stays as it is.

    pooling: "mean" of the last hidden states of all tokens, [CLS] and [SEP] among them; or "cls", the one at [CLS].
    Neither was trained to tell meanings apart: compare vectors of one model alone, by their cosine, and expect a
    fine-tuned one to do better. threads: all processors by default, on NumPy. progress: wraps the list of batches, for
    a progress bar.

    Warns of texts that are longer than the model can read, and cut. Raises TypeError for what is no list of texts,
    ValueError for another pooling.
    """
    if not isinstance(model, AlbertModel):
        raise TypeError(f"model must be an AlbertModel, see load_encoder; got a {type(model).__name__}")
    texts = listed_texts("texts", texts)
    if pooling not in POOLINGS:
        raise ValueError(f"pooling={pooling!r}: allowed are {', '.join(POOLINGS)}")
    vectors = np.empty((len(texts), model.config.hidden_size), model.dtype)
    if not texts:
        return vectors
    longest = model.config.max_position_embeddings
    rows = cut_rows(tokenizer, texts, None, longest)
    if cut := sum(each.cut > 0 for each in rows):
        warnings.warn(
            f"{cut:,} of {len(texts):,} texts are cut to {longest} tokens, which is all that the model can read",
            stacklevel=2,
        )
    features = [row(i, each.ids, each.types, None) for i, each in enumerate(rows)]
    threads = threads_for(model.backend.name, threads)
    replicas = Replicas(model.replica().eval(), threads)

    def pass_through(model: AlbertModel, part: dict[str, Array]) -> Array:
        states = model.backend.to_numpy(model(**part, skip_padding=True, grad=False).last_hidden_state)  # (B, T, H)
        if pooling == "cls":
            return states[:, 0]
        mask = np.asarray(part["attention_mask"])[:, :, None]  # hidden states of the padding are 0
        return states.sum(axis=1) / mask.sum(axis=1)

    batches = list(batches_by_length(features, TOKENS * threads))
    for numbers in batches if progress is None else progress(batches):
        batch = stacked_inputs([features[i] for i in numbers], tokenizer.role_id("pad_token"))
        parts = replicas.map(pass_through, split(batch._asdict(), threads), gradients=False)
        vectors[numbers] = np.concatenate(parts)
    return vectors

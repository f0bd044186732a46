"""Sentence embeddings: one vector a text, from the last hidden states of a model."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from albert_np.backend import Array
from albert_np.checkpoints import find_model, open_checkpoint
from albert_np.execution import ALONE, Ranks, Replicas, threads_for
from albert_np.model import AlbertModel
from albert_np.tasks.batches import WINDOW, Progress, found_in_batches, shared_out
from albert_np.tasks.kinds.base import Feature, cut_rows, cut_tokens, row, stacked_inputs
from albert_np.tasks.predict import listed_texts
from albert_np.tokenization import AlbertTokenizer

__all__ = ["POOLINGS", "embed", "load_encoder"]

POOLINGS = ("mean", "cls")


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
    ranks: Ranks = ALONE,
    progress: Progress | None = None,
) -> npt.NDArray[np.floating]:
    """Return a vector for each text, (N, H) in the model's dtype; the model itself stays as it is.

    pooling: "mean" of the last hidden states of all tokens, [CLS] and [SEP] among them; or "cls", the one at [CLS].
    Neither was trained to tell meanings apart: compare vectors of one model alone, by their cosine, and expect a
    fine-tuned one to do better. threads: all processors by default, on NumPy. ranks: processes that make the same call
    and share the work; all get all vectors. progress: wraps the list of rounds, for a progress bar.

    Warns of texts that are longer than the model can read, and cut. Raises TypeError for what is no list of texts,
    ValueError for another pooling.
    """
    if not isinstance(model, AlbertModel):
        raise TypeError(f"model must be an AlbertModel, see load_encoder; got a {type(model).__name__}")
    if not isinstance(tokenizer, AlbertTokenizer):
        raise TypeError(f"tokenizer must be an AlbertTokenizer, got a {type(tokenizer).__name__}")
    texts = listed_texts("texts", texts)
    if pooling not in POOLINGS:
        raise ValueError(f"pooling={pooling!r}: allowed are {', '.join(POOLINGS)}")
    vectors = np.empty((len(texts), model.config.hidden_size), model.dtype)
    if not texts:
        return vectors
    longest = model.config.max_position_embeddings
    replicas = Replicas(model.replica().eval(), threads_for(model.backend.name, threads), ranks)

    def pass_through(model: AlbertModel, own: list[Feature]) -> Array:
        batch = stacked_inputs(own, tokenizer.role_id("pad_token"))
        output = model(**batch._asdict(), skip_padding=True, grad=False)
        states = model.backend.to_numpy(output.last_hidden_state)  # (B, T, H)
        if pooling == "cls":
            return states[:, 0]
        return states.sum(axis=1) / batch.attention_mask.sum(axis=1)[:, None]  # hidden states of the padding are 0

    def rows_of(own: Sequence[str], first: int) -> list[Feature]:
        rows = cut_rows(tokenizer, own, None, longest)
        return [row(i, each.ids, each.types, None, cut=each.cut) for i, each in enumerate(rows, start=first)]

    def facts() -> dict[str, object]:
        return {"the checksum of the tokenizer": tokenizer.checksum(), "pooling": pooling}

    ranks.require_alike(lambda: {"the number of texts": len(texts)})
    cut = 0
    for first in range(0, len(texts), WINDOW):
        features = shared_out(ranks, texts[first : first + WINDOW], rows_of, 0, facts)
        cut += len(cut_tokens(features))
        for numbers, found in found_in_batches(replicas, features, pass_through, progress):
            vectors[first : first + WINDOW][numbers] = found
    if cut:
        warnings.warn(
            f"{cut:,} of {len(texts):,} texts are cut to {longest} tokens, which is all that the model can read",
            stacklevel=2,
        )
    return vectors

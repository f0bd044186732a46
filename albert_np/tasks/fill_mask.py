"""Fill in the blanks: what a masked language model expects at each [MASK]."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from albert_np.checkpoints import find_model, open_checkpoint
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, class_of
from albert_np.ops import softmax_forward
from albert_np.tokenization import AlbertTokenizer

__all__ = ["Candidate", "fill_mask", "load_masked_lm"]


class Candidate(NamedTuple):
    """A token for a blank, the model's probability of it, and the text with it filled in."""

    token: str
    token_id: int
    probability: float
    text: str


def load_masked_lm(source: str | Path, backend: str = "numpy") -> tuple[AlbertForMaskedLM, AlbertTokenizer]:
    """Load a masked language model and its tokenizer; ValueError for a model without such a head, which would guess."""
    checkpoint = open_checkpoint(find_model(source))
    if not any(name.startswith("predictions.") for name in checkpoint.weights):
        kind = class_of(checkpoint).__name__
        raise ValueError(f"{source} holds an {kind}, which has no head that fills blanks")
    return AlbertForMaskedLM.from_checkpoint(checkpoint, backend=backend), AlbertTokenizer.from_pretrained(
        checkpoint.source
    )


def fill_mask(
    model: AlbertForMaskedLM | AlbertForPreTraining, tokenizer: AlbertTokenizer, text: str, top_k: int = 5
) -> list[list[Candidate]]:
    """Return, for each [MASK] of `text`, the `top_k` most probable tokens, most probable first.

    The model is put into eval mode. With several blanks each is filled alone, the others stay [MASK]. TypeError for a
    model without such a head and for what is no text; ValueError if the text has no [MASK] or more tokens than the
    model has positions.
    """
    if not isinstance(model, AlbertForMaskedLM | AlbertForPreTraining):
        raise TypeError(f"model is an {type(model).__name__}, which has no head that fills blanks")
    if not isinstance(tokenizer, AlbertTokenizer):
        raise TypeError(f"tokenizer must be an AlbertTokenizer, got a {type(tokenizer).__name__}")
    if not isinstance(text, str):
        raise TypeError(f"text must be one text, got {type(text).__name__}")
    ids = np.asarray(tokenizer(text, return_tensors="np")["input_ids"])  # (1, T)
    limit = model.config.max_position_embeddings
    blanks = np.flatnonzero(ids[0] == tokenizer.role_id("mask_token"))
    if blanks.size == 0:
        raise ValueError(f"text={text!r} has no {tokenizer.mask_token}")
    if ids.shape[1] > limit:
        raise ValueError(f"text has {ids.shape[1]} tokens; this model takes at most {limit}")
    if type(top_k) is not int or not 1 <= top_k <= model.config.vocab_size:
        raise ValueError(f"top_k={top_k!r}: allowed are 1 to {model.config.vocab_size}")
    out = model.eval()(ids, grad=False)
    logits = out.logits if hasattr(out, "logits") else out.prediction_logits
    probs, _ = softmax_forward(model.backend.to_numpy(logits)[0, blanks])  # (blanks, V)
    return [
        [_candidate(tokenizer, ids[0], int(at), int(i), float(row[i])) for i in np.argsort(-row, kind="stable")[:top_k]]
        for at, row in zip(blanks, probs, strict=True)
    ]


def _candidate(
    tokenizer: AlbertTokenizer, ids: npt.NDArray[np.int64], at: int, token_id: int, probability: float
) -> Candidate:
    filled = ids.copy()
    filled[at] = token_id
    inner = filled[1:-1].tolist()  # without [CLS] and [SEP]
    return Candidate(tokenizer.convert_ids_to_tokens(token_id), token_id, probability, tokenizer.decode(inner))

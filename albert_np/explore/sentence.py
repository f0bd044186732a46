"""A sentence with words in braces, which are masked and asked for, as a batch."""

import re

import numpy as np

from albert_np.backend import Ints
from albert_np.tokenization import AlbertTokenizer

__all__ = ["sentence_batch"]


def sentence_batch(
    tokenizer: AlbertTokenizer, text: str, second: str | None = None, longest: int | None = None
) -> tuple[dict[str, Ints], list[list[str]]]:
    """Return the arguments of a model's call and the text at each position.

    text: one sentence, such as "return the number of {items}."; every piece of a word in braces is masked and is the
    label there. second: a sentence that follows it; the batch then has a sentence_order_label, 0. ValueError for a text
    without braces or with one brace alone, for a second one that is empty, and for more than `longest` positions.
    """
    pieces = re.split(r"\{([^{}]*)\}", text)
    plain = "".join(pieces)
    if second is not None and ("{" in second or "}" in second):
        raise ValueError(f"mark words in the first sentence: braces in the second are not read, got {second!r}")
    if second is not None and not second.strip():
        raise ValueError(f"the second sentence holds no text: {second!r}; leave it out, or give one")
    if len(pieces) == 1 or "{" in plain or "}" in plain or not all(piece.strip() for piece in pieces[1::2]):
        raise ValueError(f"mark the words to ask for with braces, as in 'the {{number}} of items'; got {text!r}")
    spans, end = [], 0
    for i, piece in enumerate(pieces):
        if i % 2:
            spans.append((end, end + len(piece)))
        end += len(piece)
    found = tokenizer(plain, second, return_offsets_mapping=True)
    ids, types = np.array(found["input_ids"]), np.array(found["token_type_ids"])
    if longest is not None and len(ids) > longest:
        raise ValueError(f"the text has {len(ids)} tokens, and the model {longest} positions")
    labels = np.full_like(ids, -100)
    for place, (start, stop) in enumerate(found["offset_mapping"]):
        if types[place] == 0 and start < stop and any(a < stop and start < b for a, b in spans):
            labels[place] = ids[place]
    if (labels == -100).all():
        raise ValueError(f"the braces of {text!r} hold nothing to ask for")
    if (labels == tokenizer.model.unk_id).any():
        raise ValueError(f"the braces of {text!r} hold a word that the vocabulary has no pieces for")
    ids[labels != -100] = tokenizer.role_id("mask_token")
    batch: dict[str, Ints] = {"input_ids": ids[None], "token_type_ids": types[None], "labels": labels[None]}
    if second is not None:
        batch["sentence_order_label"] = np.array([0])
    return batch, [tokenizer.convert_ids_to_tokens(ids.tolist())]

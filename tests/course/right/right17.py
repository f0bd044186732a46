"""Right answers to notebook 17, written otherwise: check → functions."""

import numpy as np


def counted_first(model, parts):
    model.zero_grad()
    asked = np.concatenate([part["labels"].ravel() for part in parts]) >= 0
    pairs = np.concatenate([part["sentence_order_label"] for part in parts]) >= 0
    losses = []
    for part in parts:
        out = model(**part, mlm_denominator=int(asked.sum()), sop_denominator=int(pairs.sum()))
        model.backward()
        losses.append(float(out.loss))
    return sum(losses)


def by_comparison(counts, labels):
    asked = labels[labels >= 0]
    log_p = np.log(counts + 1.0) - np.log(counts.sum() + len(counts))
    return max((asked == piece).mean() for piece in range(len(counts))), float(-log_p[asked].sum() / asked.size)


def place_by_place(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    mean = p.mean(axis=0)
    return sum(sum(a * np.log(a / b) for a, b in zip(row, mean, strict=True) if a > 0) for row in p) / len(p)


def with_a_small_number(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    tiny = 1e-300
    return float(np.mean((p * (np.log(p + tiny) - np.log(p.mean(axis=0) + tiny))).sum(axis=-1)))


def byte_by_byte(nats, pieces):
    size = sum(len(piece.encode("utf-8")) - 2 * piece.count("▁") for piece in pieces)
    return sum(nats.tolist()) / (size - pieces[0].startswith("▁")) * np.log2(np.e)


RIGHT = {
    "check_accumulated_gradient": [(counted_first,)],
    "check_bits_per_byte": [(byte_by_byte,)],
    "check_context_free": [(by_comparison,)],
    "check_context_use": [(place_by_place,), (with_a_small_number,)],
}

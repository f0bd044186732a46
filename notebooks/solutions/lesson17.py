"""Solutions of notebook 17."""

import numpy as np


def accumulated_gradient(model, parts):
    tokens = sum(int((part["labels"] != -100).sum()) for part in parts)
    pairs = sum(int((part["sentence_order_label"] != -100).sum()) for part in parts)
    model.zero_grad()
    loss = 0.0
    for part in parts:
        loss += float(model(**part, mlm_denominator=tokens, sop_denominator=pairs).loss)
        model.backward()
    return loss


def context_free(counts, labels):
    asked = labels[labels != -100]
    frequencies = (counts + 1) / (counts + 1).sum()
    accuracy = np.bincount(asked).max() / len(asked)
    return accuracy, -np.log(frequencies[asked]).mean()


def context_use(logits):
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    mean = np.exp(log_p).mean(axis=0)
    of_mean = -(mean * np.log(np.where(mean > 0, mean, 1))).sum()
    return of_mean + (np.exp(log_p) * log_p).sum(axis=1).mean()


def bits_per_byte(nats, pieces):
    text = "".join(pieces).replace("▁", " ").removeprefix(" ")
    return np.sum(nats) / np.log(2) / len(text.encode("utf-8"))


ANSWERS = {
    "check_accumulated_gradient": (accumulated_gradient,),
    "check_bits_per_byte": (bits_per_byte,),
    "check_context_free": (context_free,),
    "check_context_use": (context_use,),
}

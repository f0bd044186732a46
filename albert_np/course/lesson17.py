"""Notebook 17: the gradient of a large batch from its parts, and losses beside what they are to be compared with."""

from collections.abc import Iterator, Sequence

import numpy as np

from albert_np.backend import Array, Floats, Ints
from albert_np.config import AlbertConfig
from albert_np.course.answers import Function
from albert_np.course.report import Finding, equal, holds, self_check
from albert_np.model import AlbertForPreTraining
from albert_np.study.quickstart import without_context

__all__ = [
    "check_accumulated_gradient",
    "check_bits_per_byte",
    "check_context_free",
    "check_context_use",
]

Part = dict[str, Ints]  # the model's arguments for a micro-batch

SMALL = AlbertConfig(
    vocab_size=17,
    embedding_size=4,
    hidden_size=6,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
    initializer_range=0.3,
    classifier_dropout_prob=0.0,  # or no two passes would agree
    pad_token_id=None,
)
SHOWN = (  # one parameter that only MLM reaches, one that only SOP reaches, and one that both do
    ("predictions.bias", "MLM alone"),
    ("sop_classifier.classifier.bias", "SOP alone"),
    ("albert.embeddings.word_embeddings.weight", "both"),
)


@self_check("accumulated gradient", returns=("loss",))
def check_accumulated_gradient(accumulated_gradient: Function) -> Iterator[Finding]:
    """Check `loss = accumulated_gradient(model, parts)`, which leaves the gradient of all parts in model.grads.

    parts: dictionaries of the model's arguments, each a micro-batch.
    """
    single, even, uneven = [_part(0, (1, 2))], [_part(i, (2, 2)) for i in range(2)], _uneven_parts()
    yield from _one_large_batch(accumulated_gradient, "one part alone", single)
    yield from _one_large_batch(accumulated_gradient, "two parts with four labels each", even)
    yield from _one_large_batch(accumulated_gradient, "parts with 5, 1 and 2 labels", uneven)

    nothing_asked = [*uneven, _part(7, (0, 0))]
    yield from _one_large_batch(accumulated_gradient, "a part in which no token is asked for", nothing_asked)
    no_pair = [*uneven, _part(8, (1, 1))]
    no_pair[-1]["sentence_order_label"][0] = -100
    yield from _one_large_batch(accumulated_gradient, "a part with a sequence that is no pair (-100)", no_pair)
    lengths = [_part(9, (2, 2)), _part(10, (1,), length=5)]
    yield from _one_large_batch(accumulated_gradient, "parts of 7 and of 5 tokens, which are not one array", lengths)

    model = _model()
    accumulated_gradient(model, uneven)
    untouched = bool((model.params.flat == _model().params.flat).all())
    yield holds("the weights stay as they are", untouched, "they moved: a gradient is no update")
    first = model.grads.flat.copy()
    accumulated_gradient(model, uneven)
    yield equal("called twice, the same gradient: it starts at zero each time", model.grads.flat, first)


def _one_large_batch(accumulated_gradient: Function, what: str, parts: list[Part]) -> Iterator[Finding]:
    """Against the package's gradient of all sequences at once."""
    whole, model = _model(), _model()
    whole.zero_grad()
    out = whole(**_joined(parts))
    whole.backward()
    model.zero_grad()
    loss = accumulated_gradient(model, parts)
    advice = (
        "A part's sum is divided by the number of labels, and of pairs, in all parts: mlm_denominator, sop_denominator"
    )
    yield equal(f"{what}: loss", loss, out.loss, advice=advice)
    for name, reached_by in SHOWN:
        yield equal(f"{what}: gradient of {name} ({reached_by})", model.grads[name], whole.grads[name])
    yield equal(f"{what}: all gradients", model.grads.flat, whole.grads.flat)


def _model() -> AlbertForPreTraining:
    return AlbertForPreTraining(SMALL, dtype="float64", seed=15)


def _uneven_parts() -> list[Part]:
    return [_part(1, (2, 3)), _part(2, (1, 0)), _part(3, (0, 1, 1))]


def _part(seed: int, labelled: tuple[int, ...], length: int = 7) -> Part:
    """A micro-batch of one sequence for each of `labelled`, with so many labels."""
    rng = np.random.default_rng([15, seed])
    input_ids = rng.integers(5, SMALL.vocab_size, (len(labelled), length))
    labels = np.full_like(input_ids, -100)
    for row, count in enumerate(labelled):
        chosen = rng.permutation(length)[:count]
        labels[row, chosen] = input_ids[row, chosen]
        input_ids[row, chosen] = 4
    return {
        "input_ids": input_ids,
        "attention_mask": np.ones_like(input_ids),
        "labels": labels,
        "sentence_order_label": rng.integers(0, 2, len(labelled)),
    }


def _joined(parts: list[Part]) -> Part:
    """All parts as one batch, padded to the longest."""
    longest = max(part["input_ids"].shape[1] for part in parts)

    def padded(name: str, part: Part) -> Ints:
        if part[name].ndim == 1:
            return part[name]
        filling = -100 if name == "labels" else 0
        return np.pad(part[name], ((0, 0), (0, longest - part[name].shape[1])), constant_values=filling)

    return {name: np.concatenate([padded(name, part) for part in parts]) for name in parts[0]}


@self_check("without context", returns=("accuracy", "loss"))
def check_context_free(context_free: Function) -> Iterator[Finding]:
    """Check `accuracy, loss = context_free(counts, labels)`; counts (V,), labels of any shape with -100 in it."""
    counts, labels = np.array([3, 2, 1, 0]), np.array([[-100, 0, 3], [0, -100, 1]])
    accuracy, loss = context_free(counts, labels)
    yield equal("by hand: accuracy, two of the four asked tokens are 0", accuracy, 0.5)
    expected = -(np.log(4 / 10) + np.log(1 / 10) + np.log(4 / 10) + np.log(3 / 10)) / 4
    yield equal("by hand: loss, frequencies (4, 3, 2, 1) / 10", loss, expected)

    rng = np.random.default_rng(151)
    rare = np.full((2, 5), -100)
    rare[:, 1:3] = 6  # the piece that the training text has least of
    counts = np.array([9, 8, 7, 6, 5, 4, 0])
    yield from _against_the_package(context_free, "asked for is mostly a piece that the text never has", counts, rare)
    labels = np.where(rng.random((8, 16)) < 0.15, rng.integers(0, 20, (8, 16)), -100)
    counts = rng.integers(0, 50, 20)
    yield from _against_the_package(context_free, "8 sequences of 16 tokens", counts, labels)
    yield from _against_the_package(context_free, "only the asked tokens, one axis", counts, labels[labels >= 0])


def _against_the_package(context_free: Function, what: str, counts: Ints, labels: Ints) -> Iterator[Finding]:
    accuracy, loss = context_free(counts, labels)
    _, expected_accuracy, expected_loss = without_context((counts + 1) / (counts + 1).sum(), labels)
    yield equal(f"{what}: accuracy", accuracy, expected_accuracy)
    yield equal(f"{what}: loss", loss, expected_loss)


def package_context_use(logits: Floats) -> float:
    """Return J of (17.12) in nats for the answers softmax(logits), logits (R, V), called as the exercise is."""
    log_p = _log_softmax(np.asarray(logits, dtype=np.float64))
    log_mean = np.log(np.maximum(np.exp(log_p).mean(axis=0), np.finfo(np.float64).tiny))
    return float((np.exp(log_p) * (log_p - log_mean)).sum(axis=1).mean())


def _log_softmax(z: Floats) -> Array:
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


@self_check("how much the context is used", returns=("J",))
def check_context_use(context_use: Function) -> Iterator[Finding]:
    """Check `J = context_use(logits)`, (17.12) of the answers softmax(logits), logits (R, V)."""
    answers = np.log([[0.8, 0.2], [0.4, 0.6]])
    by_hand = 0.8 * np.log(8 / 6) + 0.2 * np.log(2 / 4) + 0.4 * np.log(4 / 6) + 0.6 * np.log(6 / 4)
    yield _use("by hand: the answers (0.8, 0.2) and (0.4, 0.6)", context_use, answers, by_hand / 2)
    shifted = answers + np.array([[5.0], [-3.0]])
    yield _use("the same answers from logits that are shifted, each row by its own", context_use, shifted, by_hand / 2)
    blind = np.tile(np.random.default_rng(170).standard_normal(7), (5, 1))
    yield _use("one answer in five places: a blind model", context_use, blind, 0.0)
    sure = 2000 * np.eye(4, 6)
    yield _use("four answers, each sure of a piece of its own: ln 4", context_use, sure, np.log(4))
    logits = 2 * np.random.default_rng(171).standard_normal((6, 9))
    yield _use("six places, nine pieces", context_use, logits, package_context_use(logits))
    near = 1e-3 * logits[:, :5] + np.log([0.4, 0.3, 0.2, 0.07, 0.03])
    yield _use("answers that hardly differ", context_use, near, package_context_use(near), 1e-6)


def _use(what: str, context_use: Function, logits: Floats, expected: float, tolerance: float = 1e-9) -> Finding:
    log_p = _log_softmax(logits)
    p, mean = np.exp(log_p), np.exp(log_p).mean(axis=0)
    log_mean, R = np.log(np.maximum(mean, 1e-300)), len(p)
    of_mean, of_answers = -(mean * log_mean).sum(), -(p * log_p).sum(axis=1).mean()
    of_logits = _log_softmax(logits.mean(axis=0))
    known = {
        "this is KL(p̄ ‖ p_r): (17.12) has the answer first": (mean * (log_mean - log_p)).sum(axis=1).mean(),
        "a sum over the places, where J is their mean": R * expected,
        "in bits: the natural logarithm is asked for": expected / np.log(2),
        "this is H(p̄) alone: the entropies of the answers are to be taken off": of_mean,
        "this is the mean entropy of the answers: it is to be taken off that of their mean": of_answers,
        "the sign is turned round": -expected,
        "p̄ is the mean of the *probabilities*, not what the mean of the logits gives": (p * (log_p - of_logits))
        .sum(axis=1)
        .mean(),
        "the mean is over the R places, axis 0; yours is over the pieces": (
            p * (log_p - np.log(p.mean(axis=1, keepdims=True)))
        )
        .sum(axis=1)
        .mean(),
    }
    advice = "A probability may be 0, and 0 ln 0 = 0; e^z may be too large, unless z is at most 0"
    return equal(what, context_use(logits), expected, tolerance, known, advice, scale=1e-3 if expected else 1.0)


def package_bits_per_byte(nats: Floats, pieces: Sequence[str]) -> float:
    """Return (17.15), called as the exercise is."""
    text = "".join(pieces).replace("▁", " ").removeprefix(" ")
    return float(np.sum(nats) / np.log(2) / len(text.encode()))


@self_check("bits per byte", returns=("bits",))
def check_bits_per_byte(bits_per_byte: Function) -> Iterator[Finding]:
    """Check `bits = bits_per_byte(nats, pieces)`; pieces: R strings, a line of text; nats (R,), the loss of each."""
    ln2 = np.log(2)
    lines = {
        "by hand: the cat, 2 and 5 bits, 7 bytes": (ln2 * np.array([2.0, 5.0]), ["▁the", "▁cat"]),
        "the same line in scraps, the same nats in all": (ln2 * np.array([2.0, 1.5, 3.5]), ["▁the", "▁c", "at"]),
        "a line that begins within a word: s open": (np.array([1.0, 4.0]), ["s", "▁open"]),
        "naïve: six bytes, for ï has two": (np.array([1.0, 0.5, 2.5]), ["▁na", "ï", "ve"]),
        "a piece that is only a space": (np.array([3.0, 0.2, 1.0, 2.0]), ["▁is", "▁", "不", "可能"]),
    }
    for what, (nats, pieces) in lines.items():
        yield _bits(what, bits_per_byte, nats, pieces)
    rng = np.random.default_rng(172)
    pieces = ["▁return", "▁a", "▁copy", "▁of", "▁the", "▁str", "ing", "."]
    yield _bits("return a copy of the string.", bits_per_byte, rng.random(8) * 5, pieces)


def _bits(what: str, bits_per_byte: Function, nats: Floats, pieces: list[str]) -> Finding:
    joined, bits = "".join(pieces), nats.sum() / np.log(2)
    text = joined.replace("▁", " ").removeprefix(" ")
    size = len(text.encode())
    known = {
        "characters for bytes: text.encode() has the bytes": bits / len(text),
        "▁ stands for a space, which is one byte; in UTF-8 it has three itself": bits / len(joined.encode()),
        "the first ▁ is the tokenizer's: the line does not begin with a space": bits / (size + 1),
        "spaces are bytes too": bits / len(text.replace(" ", "").encode()),
        "these are nats: a bit is ln 2 of them": nats.sum() / size,
        "divided by ln 2 once; yours is multiplied by it": nats.sum() * np.log(2) / size,
        "a mean over the pieces: the line's nats add up, and so do its bytes": bits / len(pieces) / size,
        "bits a piece: divide by the bytes": bits / len(pieces),
    }
    return equal(what, bits_per_byte(nats, pieces), bits / size, mistakes=known)

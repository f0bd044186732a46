"""Lab 5: attention, other ways. Forward functions and what is looked at; no gradient is written down here."""

from functools import partial

import numpy as np

from albert_np.backend import Array, Floats
from albert_np.labs.checks import (
    as_if,
    backward_exercise,
    common_findings,
    expect,
    expect_array,
    expect_one,
    expect_same,
)
from albert_np.labs.points import Answer, Arguments, Exercise, Lab, Numbers

__all__ = ["LAB"]


def _personal(rng: np.random.Generator) -> Numbers:
    near, far = sorted(rng.choice(np.arange(1, 12), 2, replace=False).tolist())
    return {
        "length": int(rng.integers(8, 17)),
        "reach": int(rng.integers(2, 5)),
        "near": near,
        "far": far,
        "base": int(rng.choice([10, 100, 400])),
        "key_heads": int(rng.choice([2, 3])),
        "shared": int(rng.choice([4, 6, 8])),
    }


LAB = Lab("05", "Attention, other ways", hours=4, notebooks=("08", "09"), personal=_personal)


def biased_scores(query: Floats, key: Floats, table: Floats) -> Array:
    """query (B, N, T, D), key (B, N, S, D), table (N, 2R + 1): scores (B, N, T, S) with a bias for each distance."""
    reach = table.shape[-1] // 2
    distance = np.arange(key.shape[-2]) - np.arange(query.shape[-2])[:, None]  # (T, S)
    products = query @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1])
    return products + table[:, np.clip(distance, -reach, reach) + reach]


def _scaled_bias(query: Floats, key: Floats, table: Floats) -> Array:
    return biased_scores(query, key, table / np.sqrt(query.shape[-1]))


def turned(x: Floats, positions: np.ndarray, base: float) -> Floats:
    """x (…, T, D), positions (T,): the pair (x₂ᵢ, x₂ᵢ₊₁) as a complex number, turned by position · base^(−2i / D)."""
    size = x.shape[-1]
    angles = positions[:, None] * float(base) ** (-np.arange(0, size, 2) / size)  # (T, D / 2)
    pairs = (x[..., ::2] + 1j * x[..., 1::2]) * np.exp(1j * angles)
    return np.stack([pairs.real, pairs.imag], axis=-1).reshape(x.shape)


def _turned_halves(x: Floats, positions: np.ndarray, base: float) -> Floats:
    order = np.arange(x.shape[-1]).reshape(2, -1).T.ravel()  # pairs that halves make, one after the other
    return turned(x[..., order], positions, base)[..., np.argsort(order)]


def grouped_attention(query: Floats, key: Floats, value: Floats) -> Array:
    """query (B, N, T, D), key and value (B, K, S, D), K a divisor of N: N / K query heads in a row share a key head."""
    return _attention(query, *(np.repeat(a, query.shape[1] // key.shape[1], axis=1) for a in (key, value)))


def _tiled_attention(query: Floats, key: Floats, value: Floats) -> Array:
    return _attention(query, *(np.tile(a, (1, query.shape[1] // key.shape[1], 1, 1)) for a in (key, value)))


def _attention(query: Floats, key: Floats, value: Floats) -> Array:
    exponentials = np.exp(query @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1]))
    return exponentials / exponentials.sum(axis=-1, keepdims=True) @ value


def softmax_where(scores: Floats, mask: np.ndarray) -> Array:
    """scores (…, S), mask the same shape, True where a place may be looked at: softmax over those, 0 elsewhere."""
    exponentials = np.exp(scores) * mask
    total = exponentials.sum(axis=-1, keepdims=True)
    return exponentials / np.where(total > 0, total, 1)


def _bias_arguments(
    answer: Answer, batch: int, heads: int, length: int, places: int, size: int, reach: int
) -> Arguments:
    return {
        "query": answer.rng.normal(0, 1, (batch, heads, length, size)),
        "key": answer.rng.normal(0, 1, (batch, heads, places, size)),
        "table": answer.rng.normal(0, 1, (heads, 2 * reach + 1)),
    }


def _rotary_arguments(answer: Answer, *shape: int) -> Arguments:
    positions = answer.rng.permutation(3 * shape[-2])[: shape[-2]] + 1  # not 0, 1, 2, …
    return {"x": answer.rng.normal(0, 1, shape), "positions": positions, "base": float(answer.rng.uniform(5, 200))}


def _grouped_arguments(
    answer: Answer, batch: int, heads: int, key_heads: int, length: int, places: int, size: int
) -> Arguments:
    return {
        "query": answer.rng.normal(0, 1, (batch, heads, length, size)),
        "key": answer.rng.normal(0, 1, (batch, key_heads, places, size)),
        "value": answer.rng.normal(0, 1, (batch, key_heads, places, size)),
    }


def _masked_arguments(answer: Answer, *shape: int, empty: bool = False) -> Arguments:
    mask = answer.rng.random(shape) < 0.6
    np.put_along_axis(mask, answer.rng.integers(0, shape[-1], (*shape[:-1], 1)), True, axis=-1)  # one place at least
    if empty:
        mask[..., :1, :] = False
    return {"scores": answer.rng.normal(0, 2, shape), "mask": mask}


backward_exercise(
    LAB,
    "biased_scores_backward",
    "A learned bias for each distance, backward",
    forward=biased_scores,
    draw=_bias_arguments,
    gradients={
        "dquery": ("query", 4, "With which key did this query meet, and by what was the product divided?"),
        "dkey": ("key", 4, "Which queries met this key, and by what was the product divided?"),
        "dtable": ("table", 8, "Which scores read this place of the table? All of them add to its gradient."),
    },
    shapes=[(2, 3, 4, 4, 2, 2), (1, 2, 3, 5, 4, 1), (2, 1, 1, 4, 3, 2), (3, 2, 3, 1, 1, 3)],
    large=(1, 1, 128, 128, 1024, 16),
    suspects={
        "dtable": [
            ("the bias is not divided by √D.", as_if(_scaled_bias, "table")),
            ("is it the sum over the batch, or the mean?", lambda dy, a, dtable: dtable / len(dy)),
            ("the distance is j − i, from the query's place to the key's.", lambda dy, a, dtable: dtable[:, ::-1]),
        ],
        "dquery": [("where is the scale?", lambda dy, a, dquery: dquery * np.sqrt(dquery.shape[-1]))],
        "dkey": [("where is the scale?", lambda dy, a, dkey: dkey * np.sqrt(dkey.shape[-1]))],
    },
)


def _instead(mistaken: Floats, expected: Floats) -> Floats:
    return mistaken


HALVES = "pairs are neighbours, not halves: 0 and 1, 2 and 3, …"


def _rotary_forward(exercise: Exercise) -> None:
    @exercise.finding("rotated", 4, "Which two numbers are a pair, and by which angle does it turn at this position?")
    def _rotated(answer: Answer) -> None:
        for shape in ((2, 3, 4), (1, 2, 3, 6), (2, 1, 2)):
            given = _rotary_arguments(answer, *shape)
            got = expect_one("y", answer.rotary(*given.values()))
            positions = given["positions"]
            places = np.arange(len(positions))
            suspects = [
                (HALVES, partial(_instead, _turned_halves(**given))),
                ("it turns the other way.", partial(_instead, turned(**given | {"positions": -positions}))),
                ("is the position taken from `positions`?", partial(_instead, turned(**given | {"positions": places}))),
            ]
            expect_same("y", got, turned(**given), suspects=suspects)

    common_findings(
        exercise,
        "rotary",
        ["y"],
        draw=lambda answer, shape: _rotary_arguments(answer, *shape),
        small=(2, 3, 4),
        large=(2, 8, 128, 64),
        look=lambda answer, name, got, given: expect_same(name, got, turned(**given)),
        points=(0.5, 0.5, 1),
    )


_rotary_forward(LAB.exercise("rotary", "Rotary positions"))

backward_exercise(
    LAB,
    "rotary_backward",
    "Rotary positions, backward",
    forward=turned,
    draw=_rotary_arguments,
    gradients={"dx": ("x", 6, "What is the transpose of a rotation?")},
    shapes=[(2, 3, 4), (1, 2, 3, 6), (2, 1, 2)],
    large=(2, 8, 128, 64),
    suspects={
        "dx": [
            ("it is rotated forward again.", lambda dy, a, dx: turned(dy, a["positions"], a["base"])),
            (HALVES, as_if(_turned_halves, "x")),
        ]
    },
    speed=1,
)

TILED = "query heads 0 and 1 share key head 0, where there are half as many key heads."
backward_exercise(
    LAB,
    "grouped_attention_backward",
    "Grouped-query attention, backward",
    forward=grouped_attention,
    draw=_grouped_arguments,
    gradients={
        "dquery": ("query", 7, "Which ways lead from a query to the context?"),
        "dkey": ("key", 7, "Which query heads read this key head?"),
        "dvalue": ("value", 7, "Which query heads read this value head, and with which weights?"),
    },
    shapes=[(2, 4, 2, 3, 4, 2), (1, 4, 1, 2, 3, 3), (2, 3, 3, 1, 2, 2), (1, 2, 1, 3, 1, 1)],
    large=(2, 4, 2, 128, 128, 64),
    suspects={
        "dquery": [
            (TILED, as_if(_tiled_attention, "query")),
            ("where is the scale?", lambda dy, a, dquery: dquery * np.sqrt(dquery.shape[-1])),
        ],
        "dkey": [
            (TILED, as_if(_tiled_attention, "key")),
            ("where is the scale?", lambda dy, a, dkey: dkey * np.sqrt(dkey.shape[-1])),
            (
                "is it the sum over the query heads of the group, or their mean?",
                lambda dy, a, dkey: dkey * dkey.shape[1] / dy.shape[1],
            ),
        ],
        "dvalue": [(TILED, as_if(_tiled_attention, "value"))],
    },
)


def _masked_forward(exercise: Exercise) -> None:
    @exercise.finding("probabilities", 2, "Places that may be looked at share 1, the others have 0.")
    def _probs(answer: Answer) -> None:
        for shape in ((2, 3, 5), (1, 4), (3, 1, 2, 4), (3, 1)):
            given = _masked_arguments(answer, *shape)
            got = expect_one("probs", answer.masked_softmax(*given.values()))
            expect_same("probs", got, softmax_where(**given))

    @exercise.finding("empty rows", 1, "A row that may look nowhere has nothing to share.", side=True)
    def _empty(answer: Answer) -> None:
        given = _masked_arguments(answer, 2, 3, 4, empty=True)
        probs = expect_array("probs", expect_one("probs", answer.masked_softmax(*given.values())), (2, 3, 4))
        expect(not probs[:, :1].any(), f"probs of an empty row are {probs[0, 0].tolist()}, expected 0 everywhere.")

    @exercise.finding("a masked score of 1e4", 1, "Over which places is the largest score sought?", side=True)
    def _large(answer: Answer) -> None:
        given = _masked_arguments(answer, 4, 5)
        given["mask"][:, 2], given["mask"][:, 3] = False, True
        near = expect_one("probs", answer.masked_softmax(*given.values()))
        for shift in (1e4, -1e4):
            far = given["scores"] + shift
            far[:, 2] += 1e4
            got = expect_one("probs", answer.masked_softmax(far, given["mask"]))
            expect_same("probs", got, near, tolerance=1e-6)

    common_findings(
        exercise,
        "masked_softmax",
        ["probs"],
        draw=lambda answer, shape: _masked_arguments(answer, *shape),
        small=(2, 3, 5),
        large=(4, 8192),
        look=lambda answer, name, got, given: expect_same(name, got, softmax_where(**given)),
        points=(0.5, 0.5, 1),
    )


def _masked_backward(exercise: Exercise) -> None:
    @exercise.finding("empty rows", 2, "Nothing that such a row holds reaches the output.", side=True)
    def _empty(answer: Answer) -> None:
        given = _masked_arguments(answer, 2, 3, 4, empty=True)
        dy = answer.rng.standard_normal((2, 3, 4))
        got = expect_one("dscores", answer.masked_softmax_backward(dy, *given.values()))
        dscores = expect_array("dscores", got, (2, 3, 4))[:, 0]
        expect(not dscores.any(), f"dscores of an empty row are {dscores[0].tolist()}, expected 0 everywhere.")


_masked_forward(LAB.exercise("masked_softmax", "Softmax where one may look"))
_masked_backward(
    backward_exercise(
        LAB,
        "masked_softmax_backward",
        "Softmax where one may look, backward",
        forward=softmax_where,
        draw=_masked_arguments,
        gradients={"dscores": ("scores", 4, "A masked place has no gradient; the others, as in softmax.")},
        shapes=[(2, 3, 5), (1, 4), (3, 1, 2, 4), (3, 1)],
        large=(4, 8192),
        speed=1,
    )
)

LAB.written("turning", "Why rotary positions are relative", 9)
LAB.written("places", "How often a place of the table is read", 8)
LAB.written("shared", "What shared key heads save", 8)

"""Right answers to lab 9: other parts, each with its special case."""

import numpy as np
from toys.changes import ALIBI, RMS_NORM, SWIGLU, SWISH, WIRED


def rms_norm():
    return {"part": "norm", "parameters": RMS_NORM[2]}


def rms_norm_of_centred_rows(rng):
    x = rng.standard_normal((2, 3, 5))
    x -= x.mean(axis=-1, keepdims=True)
    weight = rng.standard_normal(5)
    return (x, weight, 1e-6), (x, weight, np.zeros(5), 1e-6)


def swiglu():
    return {"part": "feed_forward", "parameters": SWIGLU[2]}


def swiglu_without_a_gate(rng):
    """The last number of x is 1, and the plain half reads it alone: silu(x gateᵀ) outᵀ."""
    x, gate, out = rng.standard_normal((2, 3, 4)), rng.standard_normal((6, 4)), rng.standard_normal((4, 6))
    x[..., -1] = 1
    plain = np.zeros((6, 4))
    plain[:, -1] = 1
    return (x, gate, plain, out), (x, gate, np.zeros(6), out, np.zeros(4), "silu")


def alibi():
    return {"part": "attention"}


def alibi_of_one_place(rng):
    """One key: there is nothing to be near to."""
    query, key, value = rng.standard_normal((3, 4, 2, 1, 3))
    return (query, key, value, None, 0.0, None), (query, key, value, None)


def swish():
    return {"part": "activation", "parameters": SWISH[2]}


def swish_of_one(rng):
    x = rng.standard_normal((2, 3, 4))
    return (x, np.ones(1)), (x, "silu")


def wired():
    return {"part": "wiring", "parameters": WIRED[2], "schedule": [0, 1, 0]}


def wired_without_norms(rng):
    x = rng.standard_normal((2, 3, 4))
    functions = ("tanh", "tanh", "identity", "identity")
    return (x, np.ones(4), *functions), (x, *functions)


def squared_relu():
    return {"part": "activation", "parameters": {}}


def squared_relu_forward(x):
    return np.maximum(x, 0) ** 2, x


def squared_relu_backward(dy, x):
    return dy * 2 * np.maximum(x, 0)


def zero_or_one(rng):
    x = np.where(rng.random((2, 3, 4)) < 0.5, 1.0, 0.0)
    return (x,), (x, "relu")


ANSWERS = [
    (rms_norm, *RMS_NORM[:2], rms_norm_of_centred_rows),
    (swiglu, *SWIGLU[:2], swiglu_without_a_gate),
    (alibi, *ALIBI, alibi_of_one_place),
    (swish, *SWISH[:2], swish_of_one),
    (wired, *WIRED[:2], wired_without_norms),
    (squared_relu, squared_relu_forward, squared_relu_backward, zero_or_one),
]
RIGHT = {
    "part": [answer[:3] for answer in ANSWERS],
    "special_case": [(answer[0], answer[1], answer[3]) for answer in ANSWERS],
}

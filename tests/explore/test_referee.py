"""A wrong op is named, in a model's pass and in a reader's own pair."""

import numpy as np
import pytest
from toys.explore import open_data

from albert_np import model as models
from albert_np import ops
from albert_np.config import AlbertConfig
from albert_np.explore import explore


def model_and_batch():
    config = AlbertConfig(
        vocab_size=23,
        embedding_size=6,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=9,
        hidden_dropout_prob=0.3,
    )
    labels = np.full((2, 5), -100)
    labels[0, 1], labels[1, 2] = 7, 9
    batch = {
        "input_ids": np.random.default_rng(0).integers(5, 23, (2, 5)),
        "labels": labels,
        "sentence_order_label": np.array([0, 1]),
    }
    return models.AlbertForPreTraining(config, dtype="float64"), batch


def scaled(way, name, wrong):
    """The pair's function with its first result changed."""
    right = getattr(ops, f"{name}_{way}")

    def changed(dy, cache):
        result = right(dy, cache)
        return (wrong(result[0], dy), *result[1:]) if isinstance(result, tuple) else wrong(result, dy)

    return changed


BACKWARD_BUGS = {
    "embedding": lambda dx, dy: dx * (dx > 0),
    "linear": lambda dx, dy: dx * 0.5,
    "layer_norm": lambda dx, dy: dx + dx.mean() + 0.01,
    "activation": lambda dx, dy: dy * 1.0,
    "tanh": lambda dx, dy: dy * 1.0,
    "softmax": lambda dx, dy: dx + 0.001 * dy,
    "dropout": lambda dx, dy: dy * 1.0,
    "cross_entropy": lambda dx, dy: dx * 2,
}


@pytest.mark.parametrize("name", BACKWARD_BUGS)
def test_a_wrong_backward_op_is_named(name, monkeypatch):
    model, batch = model_and_batch()
    monkeypatch.setattr(ops, f"{name}_backward", scaled("backward", name, BACKWARD_BUGS[name]))
    differs = explore(model, batch).differs
    assert differs
    assert all(found.startswith(f"{name}_backward (") for found in differs), differs


def test_a_wrong_loss_of_weighed_classes_is_named(monkeypatch):
    config = model_and_batch()[0].config
    model = models.AlbertForTokenClassification(config, dtype="float64")
    batch = {"input_ids": [[5, 6, 7]], "labels": [[0, -100, 1]], "class_weights": [1.0, 2.0], "label_smoothing": 0.1}
    assert explore(model, batch).differs == []
    wrong = scaled("backward", "soft_cross_entropy", lambda dx, dy: dx * 2)
    monkeypatch.setattr(ops, "soft_cross_entropy_backward", wrong)
    assert explore(model, batch).differs == ["soft_cross_entropy_backward (loss)"]


def buggy_attention(dcontext, cache):
    query, key, value, softmax, dropout, dropped = cache
    ddropped = dcontext @ value.swapaxes(-1, -2)
    dvalue = dropped.swapaxes(-1, -2) @ dcontext
    dscores = ops.softmax_backward(ops.dropout_backward(ddropped, dropout), softmax)
    return dscores @ key, dscores.swapaxes(-1, -2) @ query, dvalue  # 1/√D is forgotten


def buggy_values(dcontext, cache):
    query, key, value, softmax, dropout, dropped = cache
    scale = query.shape[-1] ** -0.5
    ddropped = dcontext @ value.swapaxes(-1, -2)
    dvalue = dropped @ dcontext  # not transposed
    dscores = ops.softmax_backward(ops.dropout_backward(ddropped, dropout), softmax)
    return dscores @ key * scale, dscores.swapaxes(-1, -2) @ (query * scale), dvalue


@pytest.mark.parametrize("wrong, named", [(buggy_attention, "scores_backward"), (buggy_values, "context_backward")])
def test_a_wrong_part_of_attention_is_named(wrong, named, monkeypatch):
    model, batch = model_and_batch()
    monkeypatch.setattr(ops, "attention_backward", wrong)
    differs = explore(model, batch).differs
    assert differs
    assert all(found.startswith(f"{named} (") for found in differs), differs


FORWARD_BUGS = {
    "_gelu_new": lambda right: lambda x: right(x) + 0.01,
    "_softmax": lambda right: lambda x: right(x * 1.01),
}


@pytest.mark.parametrize("helper", FORWARD_BUGS)
def test_a_wrong_formula_inside_an_op_is_named(helper, monkeypatch):
    model, batch = model_and_batch()
    wrong = FORWARD_BUGS[helper](getattr(ops, helper))
    monkeypatch.setattr(ops, helper, wrong)
    if helper == "_gelu_new":
        act = ops.ACTIVATIONS["gelu_new"]
        monkeypatch.setitem(ops.ACTIVATIONS, "gelu_new", act._replace(value=wrong))
    first = explore(model, batch).differs[0]
    assert first.startswith({"_gelu_new": "activation_forward", "_softmax": "softmax_forward"}[helper])


def plant(bug, monkeypatch):
    """Put one of the bugs above into the package; returns the name of the op, as rows have it."""
    if bug in BACKWARD_BUGS:
        monkeypatch.setattr(ops, f"{bug}_backward", scaled("backward", bug, BACKWARD_BUGS[bug]))
        return f"{bug}_backward"
    if bug in FORWARD_BUGS:
        wrong = FORWARD_BUGS[bug](getattr(ops, bug))
        monkeypatch.setattr(ops, bug, wrong)
        act = ops.ACTIVATIONS["gelu_new"]
        monkeypatch.setitem(ops.ACTIVATIONS, "gelu_new", act._replace(value=wrong) if bug == "_gelu_new" else act)
        return {"_gelu_new": "activation", "_softmax": "softmax"}[bug]
    monkeypatch.setattr(ops, "attention_backward", {"scores": buggy_attention, "context": buggy_values}[bug])
    return f"{bug}_backward"


@pytest.mark.parametrize("bug", [*BACKWARD_BUGS, *FORWARD_BUGS, "scores", "context"])
def test_the_page_names_the_op_that_differs(modules, bug, monkeypatch):
    named = plant(bug, monkeypatch)
    model, batch = model_and_batch()
    explored = explore(model, batch)
    open_data(modules, explored.data, explored.arrays.blob())
    kinds = modules.evaluate("page.verify(data, values).map((row) => data.rows[row].kind)")
    assert set(kinds) == {named}


# Readers' own pairs.


def rms_norm_forward(x, weight):
    mean_square = np.mean(x**2, axis=-1, keepdims=True)
    r = 1 / np.sqrt(mean_square + 1e-6)
    x_hat = x * r
    y = x_hat * weight
    return y, (x, r, x_hat, weight)


def rms_norm_backward(dy, cache):
    _x, r, x_hat, weight = cache
    dx_hat = dy * weight
    dx = r * (dx_hat - x_hat * np.mean(dx_hat * x_hat, axis=-1, keepdims=True))
    dweight = (dy * x_hat).reshape(-1, len(weight)).sum(axis=0)
    return dx, dweight


def without_projection(dy, cache):
    _x, r, x_hat, weight = cache
    dx_hat = dy * weight
    dx = r * dx_hat
    dweight = (dy * x_hat).reshape(-1, len(weight)).sum(axis=0)
    return dx, dweight


def without_weight(dy, cache):
    _x, r, x_hat, weight = cache
    dx_hat = dy * 1.0
    dx = r * (dx_hat - x_hat * np.mean(dx_hat * x_hat, axis=-1, keepdims=True))
    dweight = (dy * x_hat).reshape(-1, len(weight)).sum(axis=0)
    return dx, dweight


def inputs(rng=None):
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 3, 5)), rng.standard_normal(5)


def test_a_right_pair_of_a_reader_has_nothing_against_it():
    exploration = explore(rms_norm_forward, rms_norm_backward, inputs())
    assert exploration.differs == []
    assert {claim.name for claim in exploration.claims} == {"dx_hat", "dx", "dweight"}


@pytest.mark.parametrize(
    "backward, first",
    [(without_projection, "dx is not the gradient of x"), (without_weight, "dx_hat is not the gradient of x_hat")],
)
def test_the_first_wrong_line_of_a_readers_pair_is_named(backward, first):
    assert explore(rms_norm_forward, backward, inputs()).differs[0] == first


def swiglu_forward(x, gate, up):
    u, v = x @ gate.T, np.einsum("bi,oi->bo", x, up)
    s = 1 / (1 + np.exp(-u))
    y = u * s * v
    return y, (x, gate, up, u, v, s)


def swiglu_backward(dy, cache):
    x, gate, up, u, v, s = cache
    dv = dy * u * s
    du = dy * v * (s + u * s * (1 - s))
    dx = du @ gate + dv @ up
    return dx, du.T @ x, dv.T @ x


def test_products_and_einsum_of_a_reader():
    rng = np.random.default_rng(1)
    given = {"x": rng.standard_normal((4, 3)), "gate": rng.standard_normal((6, 3)), "up": rng.standard_normal((6, 3))}
    exploration = explore(swiglu_forward, swiglu_backward, given)
    assert exploration.differs == []
    assert len(exploration.claims) == 5


def in_place_forward(x, labels):
    shifted = x - x.max(axis=-1, keepdims=True)
    probs = np.exp(shifted)
    probs /= probs.sum(axis=-1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(probs[rows, labels]).mean()
    return loss, (probs, labels)


def in_place_backward(dloss, cache):
    probs, labels = cache
    dx = probs.copy()
    dx[np.arange(len(labels)), labels] -= 1
    dx *= dloss / len(labels)
    return dx


def test_what_is_changed_in_place_is_followed():
    rng = np.random.default_rng(2)
    exploration = explore(
        in_place_forward, lambda d, c: (in_place_backward(d, c),), (rng.standard_normal((4, 3)), np.array([0, 2, 1, 1]))
    )
    assert exploration.differs == []


IDS = np.array([[0, 2], [2, 2], [1, 0]])


def looked_up(x, w):
    return x @ w[IDS].sum(axis=1).T, (x, w)


def looked_up_backward(zeros, ids):
    def backward(dy, cache):
        x, w = cache
        picked = np.repeat((dy.T @ x)[:, None], 2, axis=1)
        dw = zeros(w)
        np.add.at(dw, ids, picked)
        return dy @ w[IDS].sum(axis=1), dw

    return backward


def outer_forward(x, w):
    return np.outer(x[0], w[1]) * np.inner(x[1], w[0]), (x, w)


def outer_backward(dy, cache):
    x, w = cache
    scale, dscale = np.inner(x[1], w[0]), (dy * np.outer(x[0], w[1])).sum()
    dx = np.stack([dy @ w[1] * scale, w[0] * dscale, np.zeros_like(x[2])])
    dw = np.stack([x[1] * dscale, dy.T @ x[0] * scale, np.zeros_like(w[2])])
    return dx, dw


def along_axis_backward(dy, x, wrong):
    dx = np.zeros_like(x)
    first, second = IDS[:, :1], IDS[:, 1:]
    np.put_along_axis(dx, first, dy[:, :1], axis=1)
    np.put_along_axis(dx, second, np.take_along_axis(dx, second, axis=1) * (1 - wrong) + dy[:, 1:], 1)
    return dx


NUMPY_PAIRS = {  # forward; backward; what is wrong with it, and a wrong one
    "where of two": (
        lambda x, w: (np.where(x > w, x, 2 * w), (x, w)),
        lambda dy, c: (np.where(c[0] > c[1], dy, 0), np.where(c[0] > c[1], 0, 2 * dy)),
        lambda dy, c: (dy, np.where(c[0] > c[1], 0, 2 * dy)),
    ),
    "where of numbers": (
        lambda x, w: (np.where(x > 0, x, np.expm1(x)) + w, x),
        lambda dy, x: (dy * np.where(x > 0, 1.0, np.exp(x)), dy * np.where(x > 0, 1, 1)),
        lambda dy, x: (dy * np.where(x > 0, 1.0, 0.0), dy),
    ),
    "clip": (
        lambda x, w: (np.clip(x, -0.5, 1) + w.clip(min=0), (x, w)),
        lambda dy, c: (dy * ((c[0] > -0.5) & ~(c[0] >= 1)), dy * (c[1] > 0)),
        lambda dy, c: (dy * ((c[0] > -0.5) | (c[0] < 1)), dy * (c[1] > 0)),
    ),
    "outer": (outer_forward, outer_backward, lambda dy, c: outer_backward(dy.T, c)),
    "add.at in zeros": (
        looked_up,
        looked_up_backward(lambda w: np.zeros(w.shape), IDS),
        looked_up_backward(lambda w: np.zeros(w.shape), IDS - 1),
    ),
    "add.at in zeros_like": (looked_up, looked_up_backward(np.zeros_like, IDS), looked_up_backward(np.ones_like, IDS)),
    "along an axis": (
        lambda x, w: (np.take_along_axis(x, IDS, 1) + w[:, :2], x),
        lambda dy, x: (along_axis_backward(dy, x, 0), np.concatenate([dy, np.zeros_like(dy)], axis=1)),
        lambda dy, x: (along_axis_backward(dy, x, 1), np.concatenate([dy, np.zeros_like(dy)], axis=1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMPY_PAIRS)
def test_functions_that_readers_use_are_judged(name):
    forward, backward, wrong = NUMPY_PAIRS[name]
    rng = np.random.default_rng(5)
    given = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    assert explore(forward, backward, given).differs == []
    assert explore(forward, wrong, given).differs


def test_what_numpy_did_to_an_array_of_its_own_is_judged_by_its_numbers():
    def backward(dy, w):
        dw = np.zeros(w.shape)
        np.add.at(dw, IDS, dy)
        dw /= 2  # not recorded
        return dw * 2

    given = (np.random.default_rng(5).standard_normal((3, 4)),)
    assert explore(lambda w: (w[IDS], w), backward, given).differs == []
    assert explore(lambda w: (w[IDS] * 3, w), backward, given).differs


def square_forward(x):
    y = x * x
    return y, x


def doubled_in_place(dy, x):
    dy *= 2
    return 2 * x * dy


def used_up(dy, x):
    dy *= 2 * x
    return dy


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("backward", [doubled_in_place, lambda dy, x: 2 * dy * dy, lambda dy, x: 2 * x * x])
def test_neither_an_edited_dy_nor_a_common_seed_hides_an_error(backward, seed):
    x = np.random.default_rng(seed).standard_normal((3, 4))
    assert explore(square_forward, backward, (x,)).differs == ["dx is not the gradient of x"]


def test_a_right_backward_may_use_dy_up():
    assert explore(square_forward, used_up, (np.linspace(-1, 1, 6),)).differs == []


def recurrent_forward(x, w, h):
    states = [h]
    for i in range(3):
        h = np.tanh(x[i] + h @ w)
        states.append(h)
    return h, (x, w, states)


def recurrent_backward(dh, cache):
    x, w, states = cache
    dw, dx = np.zeros_like(w), np.zeros_like(x)
    for i in (2, 1, 0):
        da = dh * (1 - states[i + 1] ** 2)
        dx[i] = da
        dw += states[i].reshape(-1, 1) @ da.reshape(1, -1)
        dh = da @ w.T
    return dx, dw, dh


def test_names_that_a_loop_uses_again_are_no_claims():
    rng = np.random.default_rng(3)
    given = rng.standard_normal((3, 4)), rng.standard_normal((4, 4)), rng.standard_normal(4)
    assert explore(recurrent_forward, recurrent_backward, given).differs == []


def relu_forward(x):
    return np.maximum(x, 0), x


def test_a_kink_is_no_error_and_a_wrong_side_is():
    x = np.array([0.0, 1.0, -2.0])
    assert explore(relu_forward, lambda dy, x: dy * (x > 0), (x,)).differs == []
    assert explore(relu_forward, lambda dy, x: dy * (x < 0), (x,)).differs


def test_inputs_by_name_may_come_in_any_order():
    x, weight = inputs()
    assert explore(rms_norm_forward, rms_norm_backward, {"weight": weight, "x": x}).differs == []


@pytest.mark.parametrize(
    "given, words",
    [
        ((np.ones(2), np.ones(2), np.ones(2)), "do not fit"),
        ((np.ones(2, int), np.ones(2, int)), "nothing to differentiate"),
        ((np.array([np.nan]), np.ones(1)), "x holds NaN"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(given, words):
    with pytest.raises((TypeError, ValueError), match=words):
        explore(rms_norm_forward, rms_norm_backward, given)


@pytest.mark.parametrize(
    "forward, backward, error, words",
    [
        (lambda x, weight: None, rms_norm_backward, TypeError, "`return` missing"),
        (lambda x, weight: x * weight, rms_norm_backward, TypeError, "cache"),
        (rms_norm_forward, lambda dy, cache: None, TypeError, "`return` missing"),
        (rms_norm_forward, lambda dy, cache: (dy,), ValueError, "1 gradients, expected 2"),
        (rms_norm_forward, lambda dy, cache: (dy, dy), ValueError, "shape"),
        (rms_norm_forward, lambda dy, cache: (None, None), TypeError, "None as the gradient of x"),
        (rms_norm_forward, lambda dy, cache: (np.zeros((2, 3, 5)) + dy, 0.5), ValueError, "its input weight"),
        (lambda x, weight: (x, None), rms_norm_backward, ValueError, "did not compute"),
        (lambda x, weight: (x * float(x[0, 0, 0]), None), rms_norm_backward, TypeError, "out of the recording"),
        (lambda x, weight: (np.array([x[0, 0, 0]]) * 1, None), rms_norm_backward, TypeError, "zeros_like"),
        (lambda x, weight: (np.sort(x) * weight, ()), lambda dy, cache: (dy, dy[0, 0]), ValueError, "numpy.sort"),
        (lambda x, w: (np.clip(x, 0, 1, dtype=float) * w, ()), lambda dy, c: (dy, dy[0, 0]), ValueError, "numpy.clip"),
        (lambda x, w: (np.outer(x, w), ()), lambda dy, c: (dy[:6].reshape(2, 3, 5), dy[0]), ValueError, "numpy.outer"),
        (lambda x, weight: (np.copyto(x, weight), ()), rms_norm_backward, TypeError, "np.copyto"),
        (lambda x, weight: (np.subtract.at(x, 0, weight), ()), rms_norm_backward, TypeError, "np.subtract.at"),
        (1, rms_norm_backward, TypeError, "forward must be a function"),
    ],
)
def test_what_is_no_pair_is_refused(forward, backward, error, words):
    with pytest.raises(error, match=words):
        explore(forward, backward, inputs())


def test_what_is_too_large_or_has_no_loss_is_refused():
    model, batch = model_and_batch()
    with pytest.raises(ValueError, match="give its labels"):
        explore(model, {"input_ids": batch["input_ids"]})
    config = AlbertConfig(
        vocab_size=30000, embedding_size=128, num_hidden_layers=1, hidden_size=64, num_attention_heads=1
    )
    with pytest.raises(ValueError, match="2,000,000 at most"):
        explore(models.AlbertModel(config), {"input_ids": [[2, 3]]})
    with pytest.raises(TypeError, match="a model and its batch"):
        explore(3, 4)


def test_the_model_and_the_profiler_are_left_as_they_were():
    import sys

    model, batch = model_and_batch()
    seen = []
    sys.setprofile(lambda *event: seen.append(event[1]))
    try:
        hook = sys.getprofile()
        explore(model, batch)
        assert sys.getprofile() is hook
    finally:
        sys.setprofile(None)
    assert not model.grads.flat.any()
    assert model.cache is None

"""Readers' own pairs in the page: computed again, opened, and their gradients proved."""

import re

import numpy as np
import pytest
from toys.explore import arrays_of, open_data, troubles_of_explanations

from albert_np.explore import explore

RNG = np.random.default_rng(5)


def softmax_forward(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p, p


def softmax_backward(dp, p):
    return (p * (dp - np.sum(dp * p, axis=-1, keepdims=True)),)


def attention_forward(q, k, v):
    s = np.einsum("td,sd->ts", q, k) / np.sqrt(q.shape[-1])
    p, _ = softmax_forward(s)
    y = p @ v
    return y, (q, k, v, p)


def attention_backward(dy, cache):
    q, k, v, p = cache
    dv = p.T @ dy
    dp = dy @ v.T
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    scale = 1 / np.sqrt(q.shape[-1])
    return ds @ k * scale, ds.T @ q * scale, dv


def standardize_forward(x):
    center = x.mean(axis=0)
    spread = x.std(axis=0)
    y = (x - center) / spread
    return y, (y, spread)


def standardize_backward(dy, cache):
    y, spread = cache
    return ((dy - dy.mean(axis=0) - y * (dy * y).mean(axis=0)) / spread,)


def two_layers_forward(x, w1, b1, w2):
    a = x @ w1 + b1
    h = np.maximum(a, 0)
    y = np.tanh(h @ w2)
    return y, (x, w1, w2, a, h, y)


def two_layers_backward(dy, cache):
    x, w1, w2, a, h, y = cache
    do = dy * (1 - y**2)
    dh = do @ w2.T
    da = dh * (a > 0)
    return da @ w1.T, x.T @ da, da.sum(axis=0), h.T @ do


def residual_forward(x, w):
    left, right = x[:, :2], x[:, 2:]
    y = np.concatenate([left * right, left + right], axis=1) + x @ w
    return y, (x, w)


def residual_backward(dy, cache):
    x, w = cache
    dleft = dy[:, :2] * x[:, 2:] + dy[:, 2:]
    dright = dy[:, :2] * x[:, :2] + dy[:, 2:]
    return np.concatenate([dleft, dright], axis=1) + dy @ w.T, x.T @ dy


def chosen_forward(x, w, table):
    picked = table[[0, 2, 0]]
    y = np.where(x > picked, np.clip(x, -0.5, 1), np.where(w > 0, 2.0, w)) + np.outer(x[:, 0], w[0])
    return y, (x, w, table, picked)


def chosen_backward(dy, cache):
    x, w, table, picked = cache
    dx = np.where(x > picked, dy * ((x > -0.5) & (x < 1)), 0.0)
    dx[:, 0] += dy @ w[0]
    dw = np.where((x > picked) | (w > 0), 0, dy)
    dw[0] += dy.T @ x[:, 0]
    dtable = np.zeros(table.shape)
    np.add.at(dtable, [0, 2, 0], 0 * dy)
    return dx, dw, dtable


def gathered_forward(table):
    rows = table[[0, 2, 0]]
    y = rows * rows
    return y, (table, rows)


def gathered_backward(dy, cache):
    table, rows = cache
    drows = 2 * dy * rows
    dtable = np.zeros(table.shape)
    np.add.at(dtable, [0, 2, 0], drows)
    return dtable


PAIRS = {
    "chosen": (chosen_forward, chosen_backward, [(3, 4), (3, 4), (3, 4)]),
    "gathered": (gathered_forward, gathered_backward, [(3, 4)]),
    "softmax": (softmax_forward, softmax_backward, [(3, 4)]),
    "attention": (attention_forward, attention_backward, [(3, 4), (5, 4), (5, 2)]),
    "standardize": (standardize_forward, standardize_backward, [(6, 3)]),
    "two layers": (two_layers_forward, two_layers_backward, [(3, 4), (4, 5), (5,), (5, 2)]),
    "residual": (residual_forward, residual_backward, [(3, 4), (4, 4)]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_right_pair_is_computed_again_opened_and_proved(modules, name):
    forward, backward, shapes = PAIRS[name]
    inputs = [RNG.standard_normal(shape) for shape in shapes]
    explored = explore(forward, backward, inputs)
    open_data(modules, explored.data, explored.arrays.blob())
    assert modules.evaluate("page.verify(data, values).details") == []
    assert troubles_of_explanations(modules, 8) == []
    (claims,) = [explored.data["claims"]]
    assert {claim["of"] for claim in claims} >= set(forward.__code__.co_varnames[: len(shapes)])
    for claim in claims:
        ways = [f"page.prove(data, values, {{ value: {claim['forward']} }}, {i})" for i in range(2)]
        for proof in modules.evaluate(f"[{', '.join(ways)}]"):
            assert proof["verdict"] in ("agree", "zero"), (claim, proof)
            assert proof["digits"] >= 6 or proof["verdict"] == "zero", (claim, proof)


def names_in(modules):
    """What each row's inputs and outputs are called."""
    return modules.evaluate(
        """() => {
          const names = (row, r, side) => row[side].map((_, slot) => page.slotName(data, r, side, slot)).join(" ");
          return data.rows.map((row, r) => `${names(row, r, "in")} → ${names(row, r, "out")}`);
        }"""
    )


def test_arrays_are_called_as_their_reader_calls_them(modules):
    shapes = PAIRS["attention"][2]
    explored = explore(attention_forward, attention_backward, [RNG.standard_normal(shape) for shape in shapes])
    open_data(modules, explored.data, explored.arrays.blob())
    names = names_in(modules)
    assert {"p v → y", "pᵀ dy → dv", "dy vᵀ → dp", "s → s₁ s₂", "p b → ds", "x → dq", "ds → dsᵀ"} <= set(names)


def test_a_name_that_is_used_again_is_told_apart(modules):
    def forward(h, w):
        h = h @ w
        h = h * 2
        return h, w

    def backward(dh, w):
        dh = dh * 2
        return dh @ w.T, np.zeros_like(w)

    explored = explore(forward, backward, [RNG.standard_normal((3, 3)), RNG.standard_normal((3, 3))])
    open_data(modules, explored.data, explored.arrays.blob())
    names = names_in(modules)
    assert {"x → h", "dh → dh′", "dh wᵀ → y"} & set(names), names


def test_a_pairs_page_speaks_of_no_model(page, tmp_path):
    path = tmp_path / "pair.html"
    explore(softmax_forward, softmax_backward, [RNG.standard_normal((3, 4))]).save(path)
    page.goto(path.as_uri())
    page.wait_for_selector(".stage h2")
    page.keyboard.press("End")
    page.keyboard.press("p")
    page.wait_for_selector(".proof-words")
    for key in "123":
        page.keyboard.press(key)
        assert not re.search("model|loss", page.locator(".panel").inner_text())


def test_a_pairs_loss_is_its_outputs_along_random_upstream_gradients(modules):
    x = RNG.standard_normal((3, 4))
    explored = explore(softmax_forward, softmax_backward, [x])
    open_data(modules, explored.data, explored.arrays.blob())
    (upstream,) = arrays_of(modules, "[page.arrayOf(data, data.probe[0].upstream)]")
    wanted = float((softmax_forward(x)[0].ravel() * upstream).sum())
    assert modules.evaluate("page.lossOf(data, values)") == pytest.approx(wanted, rel=1e-13)


def test_a_wrong_gradient_of_a_pair_is_contradicted_on_the_page(modules):
    def forgetful_backward(dp, p):
        return (p * dp,)

    explored = explore(softmax_forward, forgetful_backward, [RNG.standard_normal((3, 4))])
    open_data(modules, explored.data, explored.arrays.blob())
    (claim,) = [claim for claim in explored.data["claims"] if claim["of"] == "x"]
    assert modules.evaluate(f"page.prove(data, values, {{ value: {claim['forward']} }}, 0).verdict") == "differ"

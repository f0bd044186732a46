"""Every gradient against finite differences, and the checker against planted bugs."""

import numpy as np
import pytest

from albert_np import layers, ops
from albert_np.execution import dense_pattern
from albert_np.gradcheck import (
    PRECISION_TOLERANCES,
    GradientError,
    assert_gradients,
    check_gradients,
    check_model,
    checks,
    compare,
    compare_with_float64,
    randomize,
    small_batch,
    small_config,
)
from albert_np.gradcheck import cases as verify
from albert_np.layers import encoder_backward, encoder_forward
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel
from albert_np.params import Scope

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4))


def _assert_all_ok(rows):
    assert all(row.ok for row in rows), "\n".join(str(row) for row in rows if not row.ok)


@pytest.mark.parametrize("case", list(verify.op_cases()), ids=lambda c: c.name)
def test_op_backward_matches_finite_differences(case):
    _assert_all_ok(verify.check_case(case))


@pytest.mark.parametrize("case", list(verify.block_cases()), ids=lambda c: c.name)
def test_block_backward_matches_finite_differences(case):
    _assert_all_ok(verify.check_case(case))


@pytest.mark.parametrize("case", list(verify.model_cases()), ids=lambda c: c.name)
def test_model_backward_matches_finite_differences(case):
    _assert_all_ok(verify.check_case(case))


def test_padding_row_gets_no_gradient_from_the_lookup():
    weight = RNG.standard_normal((5, 3))
    _, cache = ops.embedding_forward(np.array([0, 2, 0]), weight, padding_idx=0)
    dweight = ops.embedding_backward(np.ones((3, 3)), cache)
    assert (dweight[0] == 0).all()
    assert (dweight[2] == 1).all()


def test_shared_group_gradient_is_the_sum_over_layers():
    shared = randomize(AlbertModel(small_config(num_hidden_layers=3), dtype="float64"))
    unshared = AlbertModel(small_config(num_hidden_layers=3, sharing="none"), dtype="float64")
    for name in unshared.params:
        group = name.split("albert_layer_groups.")[-1].split(".")[0]
        unshared.params[name] = shared.params[name.replace(f"groups.{group}.", "groups.0.")]
    batch = {k: v for k, v in small_batch(shared.config).items() if "label" not in k}
    upstream = np.random.default_rng(1).standard_normal((3, 7, 12))
    for model in (shared, unshared):
        model.eval()(**batch)
        model.backward(last_hidden_state=upstream)
    for name in shared.params:
        copies = [name.replace("groups.0.", f"groups.{g}.") for g in range(3 if "groups.0." in name else 1)]
        total = sum(unshared.grads[copy] for copy in copies)
        np.testing.assert_allclose(shared.grads[name], total, rtol=1e-9, atol=1e-12, err_msg=name)


def test_tied_decoder_gradient_adds_to_the_embedding():
    model = randomize(AlbertForPreTraining(small_config(), dtype="float64")).eval()
    batch = small_batch(model.config)
    name = "albert.embeddings.word_embeddings.weight"
    model(**batch)
    model.backward()
    whole = model.grads[name].copy()
    assert np.shares_memory(model.grads["predictions.decoder.weight"], model.grads[name])
    absent = np.setdiff1d(np.arange(model.config.vocab_size), batch["input_ids"])
    assert np.abs(whole[absent]).min() > 0  # ids that are never looked up still hear from the decoder


def test_backward_adds_to_what_is_there():
    model = randomize(AlbertForPreTraining(small_config(), dtype="float64")).eval()
    model(**small_batch(model.config))
    model.backward()
    once = model.grads.flat.copy()
    model.backward()
    np.testing.assert_allclose(model.grads.flat, 2 * once, rtol=1e-12, atol=1e-14)
    model.zero_grad()
    assert not model.grads.flat.any()


def test_backward_scales_with_the_upstream_gradient_of_the_loss():
    model = randomize(AlbertForPreTraining(small_config(), dtype="float64")).eval()
    model(**small_batch(model.config))
    model.backward(3.0)
    tripled = model.grads.flat.copy()
    model.zero_grad()
    model.backward()
    np.testing.assert_allclose(tripled, 3 * model.grads.flat, rtol=1e-12, atol=1e-14)


# The checker itself.


def test_the_checker_passes_a_right_pair_and_leaves_inputs_alone():
    before = X.copy()
    assert_gradients(ops.tanh_forward, ops.tanh_backward, {"x": X})
    assert (before == X).all()


PLANTED = {
    "zero softmax": (ops.softmax_forward, lambda dy, c: np.zeros_like(dy), {"x": X}),
    "softmax without its mean": (ops.softmax_forward, lambda dy, c: c.probs * dy, {"x": X}),
    "one wrong sign": (
        ops.linear_forward,
        lambda dy, c: (dy @ c.weight, -(dy.T @ c.x), dy.sum(0)),
        {"x": X, "weight": RNG.standard_normal((2, 4)), "bias": np.zeros(2)},
    ),
    "a lost repeated id": (
        ops.embedding_forward,
        lambda dy, c: _lossy_embedding_backward(dy, c),
        {"weight": RNG.standard_normal((4, 3))},
    ),
    "one wrong entry in a thousand": (ops.tanh_forward, lambda dy, c: _one_wrong(dy, c), {"x": np.ones((40, 25)) / 2}),
}


def _lossy_embedding_backward(dy, cache):
    dweight = np.zeros((cache.rows, dy.shape[-1]))
    dweight[cache.ids] += dy
    return dweight


def _one_wrong(dy, cache):
    dx = ops.tanh_backward(dy, cache).copy()
    dx[3, 3] += 0.1
    return dx


@pytest.mark.parametrize("name", PLANTED)
def test_the_checker_rejects(name):
    forward, backward, inputs = PLANTED[name]
    fixed = {"ids": np.array([1, 1, 3])} if "id" in name and "repeated" in name else {}
    with pytest.raises(GradientError, match=r"worst at \[.*got .* expected"):
        assert_gradients(forward, backward, inputs, fixed=fixed)


def test_the_checker_names_the_input_that_is_wrong():
    rows = check_gradients(*PLANTED["one wrong sign"][:2], PLANTED["one wrong sign"][2])
    assert [row.name for row in rows if not row.ok] == ["weight", "a direction through all"]


def test_the_checker_refuses_float32_and_wrong_counts():
    with pytest.raises(TypeError, match="float64, but x is float32"):
        check_gradients(ops.tanh_forward, ops.tanh_backward, {"x": X.astype(np.float32)})
    with pytest.raises(ValueError, match="returned 1 gradients for 3 inputs"):
        check_gradients(ops.linear_forward, lambda dy, c: dy, PLANTED["one wrong sign"][2])
    with pytest.raises(ValueError, match="gradient of x has shape"):
        check_gradients(ops.tanh_forward, lambda dy, c: dy[0], {"x": X})
    for forward, inputs in ((None, {"x": X}), (ops.tanh_forward, [X])):
        with pytest.raises(TypeError, match="must be functions, inputs a dict"):
            check_gradients(forward, ops.tanh_backward, inputs)
    with pytest.raises(TypeError, match="float64, but x is list"):
        check_gradients(ops.tanh_forward, ops.tanh_backward, {"x": [1.0]})
    with pytest.raises(TypeError, match="float64 model"):
        check_model(AlbertModel(small_config()), {})


@pytest.mark.parametrize(
    "name, value",
    [
        ("samples", 0),
        ("samples", "many"),
        ("samples", 1.5),
        ("seed", -1),
        ("seed", None),
        ("tolerance", -1),
        ("tolerance", float("nan")),
        ("tolerance", "small"),
    ],
)
def test_options_that_no_check_can_be_made_with_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name}={value!r} must be a"):
        check_gradients(ops.tanh_forward, ops.tanh_backward, {"x": np.ones(3)}, **{name: value})
    with pytest.raises(ValueError, match=f"{name}={value!r} must be a"):
        check_model(None, {}, **{name: value})


def test_a_model_that_gives_no_such_output_is_refused():
    model = AlbertForMaskedLM(small_config(), dtype="float64")
    ids = {"input_ids": small_batch(model.config)["input_ids"]}
    for outputs in (("loss",), ("nothing",)):
        with pytest.raises(ValueError, match=f"the model gives no {outputs[0]} for these inputs"):
            check_model(model, ids, outputs)
    with pytest.raises(TypeError, match="model must be one of albert_np's, got a NoneType"):
        check_model(None, ids)


def test_compare_reports_the_worst_place_and_never_passes_nan():
    row = compare("x", np.array([1.0, 2.5, 3.0]), np.array([1.0, 2.0, 4.0]), 0.1)
    assert (row.max_abs, row.max_rel, row.index, row.got, row.expected, row.ok) == (1.0, 0.25, (2,), 3.0, 4.0, False)
    assert not compare("x", np.array([np.nan]), np.array([1.0]), 1e9).ok
    assert not compare("x", np.array([1.0]), np.array([0.0]), 1e9).ok
    assert compare("x", np.zeros(3), np.zeros(3), 0.0).ok


# Planted bugs in the model: each must be caught by the checks above.


def _caught(case_filter):
    return any(
        not row.ok for case in verify.model_cases() if case_filter in case.name for row in verify.check_case(case)
    )


class _Overwriting(Scope):
    """A scope whose `+=` forgets what was there."""

    def __setitem__(self, name, value):
        super().__setitem__(name, value)

    def __getitem__(self, name):
        array = super().__getitem__(name)
        return _Forgetful(array) if "ffn" in self.prefix else array


class _Forgetful:
    def __init__(self, array):
        self.array = array

    def __iadd__(self, value):
        self.array[...] = value
        return self.array


def test_overwriting_a_shared_gradient_is_caught(monkeypatch):
    def overwriting(dy, cache, g):
        return encoder_backward(dy, cache, _Overwriting(g._store, g.prefix))

    monkeypatch.setattr(_Overwriting, "scope", lambda self, p: _Overwriting(self._store, self.prefix + p))
    monkeypatch.setattr("albert_np.layers.encoder_backward", overwriting)
    assert _caught("AlbertModel, one group")


def test_a_dropped_tied_path_is_caught(monkeypatch):
    real = ops.linear_backward
    monkeypatch.setattr(
        ops,
        "linear_backward",
        lambda dy, c: (lambda dx, dw, db: (dx, dw * (len(dw) != 23), db))(*real(dy, c)),
    )
    assert _caught("AlbertForMaskedLM, one group")


def test_a_lost_repeated_id_is_caught(monkeypatch):
    monkeypatch.setattr(ops, "embedding_backward", _lossy_embedding_backward)
    assert _caught("AlbertModel, one group")


def test_a_skipped_layer_step_is_caught(monkeypatch):
    def skipping(dy, cache, g):
        return encoder_backward(dy, cache._replace(steps=cache.steps[1:], calls=cache.calls[1:]), g)

    monkeypatch.setattr("albert_np.layers.encoder_backward", skipping)
    assert _caught("AlbertModel, one group")


def test_encoder_forward_keeps_one_cache_for_each_step():
    model = randomize(AlbertModel(small_config(num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2)))
    _, cache = encoder_forward(
        RNG.standard_normal((2, 5, 6)).astype("f4"), dense_pattern(2, 5), model.params.scope(""), model.config
    )
    assert len(cache.steps) == 8
    assert [call.prefix.split(".")[2] for call in cache.calls] == list("00001111")


def test_an_output_that_is_a_view_of_its_input_is_checked_rightly():
    assert_gradients(lambda x: (x.T, None), lambda dy, _: dy.T, {"x": np.arange(6.0).reshape(2, 3)})


def test_a_forgotten_return_is_told():
    x = {"x": np.ones((2, 3))}
    square = lambda x: (x * x, x)  # noqa: E731
    for forward, backward, message in (
        (lambda x: None, lambda dy, cache: dy, r"forward must return y and cache, not None: is a `return` missing\?"),
        (lambda x: x * x, lambda dy, cache: dy, "forward must return y and cache, not a ndarray"),
        (lambda x: (x, x, x), lambda dy, cache: dy, "forward must return y and cache, not 3 values"),
        (square, lambda dy, cache: None, r"backward must return the gradient of x, not None: is a `return` missing\?"),
        (square, lambda dy, cache: (None, dy), "backward must return the gradient of x, not None"),
    ):
        with pytest.raises(ValueError, match=message):
            check_gradients(forward, backward, x)


def test_a_kink_is_told_from_a_mistake():
    x = np.array([-1.0, 0.0, 2.0])
    relu = ops.relu_forward, ops.relu_backward
    single, along = check_gradients(*relu, {"x": x})
    assert not single.ok
    assert single.index == (1,)
    assert "a kink: the slope is 0 to the left" in str(single).replace("-0 ", "0 ")
    assert "the gradient lies between them: check at inputs that are not on it" in str(single)
    assert all(row.ok for row in check_gradients(*relu, {"x": x + 0.1}))
    wrong = check_gradients(ops.tanh_forward, lambda dy, cache: dy, {"x": x})
    assert not any(row.ok or row.remark for row in wrong)
    assert single.to_dict()["remark"] == single.remark
    assert along.ok or along.remark.startswith("a kink")


@pytest.mark.parametrize("away", [0.0, 4e-6, 8e-6])
@pytest.mark.parametrize("seed", range(5))
def test_a_weak_kink_on_a_random_direction_or_beside_the_place_is_told_too(away, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(40)
    x[7] = away  # within a step of the kink at 0, which is a fortieth of what there is

    def forward(x):
        return (np.sin(x) + ops.relu_forward(x)[0] / 4).sum(), x

    def backward(dy, x):
        return dy * (np.cos(x) + (x > 0) / 4)

    rows = check_gradients(forward, backward, {"x": x}, samples=40, seed=seed)
    assert all(row.ok or row.remark.startswith("a kink") for row in rows)
    wrong = check_gradients(forward, lambda dy, x: 1.001 * backward(dy, x), {"x": rng.standard_normal(40)}, seed=seed)
    assert not any(row.ok or row.remark for row in wrong)


# Truncation: a strongly curved function, or a long direction, is not a wrong gradient.


def _sines(rate, factor=1.0):
    return lambda x: (np.sin(rate * x), x), lambda dy, x: factor * rate * np.cos(rate * x) * dy


@pytest.mark.parametrize("rate", [300, 1000, 10_000])
def test_strongly_curved_functions_are_not_called_wrong(rate):
    x = {"x": np.random.default_rng(0).standard_normal((40, 25))}
    _assert_all_ok(check_gradients(*_sines(rate), x))
    single, _ = check_gradients(*_sines(rate, 1 + 1e-5), x)
    assert not single.ok
    assert single.max_rel == pytest.approx(1e-5, rel=0.2)  # what is left of the truncation is far below the mistake


def test_nothing_but_numbers_ends_the_refinement():
    rows = check_gradients(*_sines(1000, np.nan), {"x": X})
    assert [row.max_rel for row in rows] == [np.inf, np.inf]


def _gated_forward(x, p, config, rng=None):
    """SwiGLU: silu of one half, times the other half."""
    halves, ffn = layers.dense_forward(x, p.scope("ffn."))  # (…, I)
    gate, value = np.split(halves, 2, axis=-1)
    opened, activation = ops.activation_forward(gate, "silu")
    gated = np.concatenate([opened * value] * 2, axis=-1)
    y, ffn_output = layers.dense_forward(gated, p.scope("ffn_output."))
    return y, (ffn, activation, opened, value, ffn_output)


def _gated_backward(dy, cache, g):
    ffn, activation, opened, value, ffn_output = cache
    dgated = sum(np.split(layers.dense_backward(dy, ffn_output, g.scope("ffn_output.")), 2, axis=-1))
    dgate = ops.activation_backward(dgated * value, activation)
    return layers.dense_backward(np.concatenate([dgate, dgated * opened], axis=-1), ffn, g.scope("ffn."))


def test_a_gated_feed_forward_branch_is_not_called_wrong(monkeypatch):
    monkeypatch.setattr(layers, "feed_forward_branch_forward", _gated_forward)
    monkeypatch.setattr(layers, "feed_forward_branch_backward", _gated_backward)
    config = small_config(num_hidden_layers=3, pad_token_id=None)
    model = randomize(AlbertModel(config, dtype="float64"))
    batch = {name: small_batch(config)[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    outputs = ("last_hidden_state", "pooler_output")
    rows = check_model(model, batch, outputs, samples=2)  # a central difference of one step is off by 3e-6
    _assert_all_ok(rows)
    right = model.grads.flat.copy()
    monkeypatch.setattr(layers, "feed_forward_branch_backward", lambda *a: (1 + 1e-5) * _gated_backward(*a))
    wrong = {row.name for row in check_model(model, batch, outputs, samples=2) if not row.ok}
    assert "encoder.albert_layer_groups.0.albert_layers.0.ffn.weight" in wrong
    np.testing.assert_allclose(model.grads.flat, right, atol=1e-4 * np.abs(right).max())  # nearly right, and yet found


@pytest.mark.parametrize("case", list(verify.op_cases()), ids=lambda c: c.name)
def test_a_mistake_of_a_hundred_thousandth_in_one_row_is_caught(case, monkeypatch):
    real = checks._check

    def planted(values, gradients, *rest):
        for name, gradient in gradients.items():
            row = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)[0]
            wrong = gradient.copy()
            wrong[row] *= 1 + 1e-5
            rows = real(values, {**gradients, name: wrong}, *rest)
            assert name in {row.name for row in rows if not row.ok}
        return rows

    monkeypatch.setattr(checks, "_check", planted)
    verify.check_case(case)


def test_no_case_hides_every_key():
    (case,) = (case for case in verify.op_cases(seed=146) if case.name == "attention, a mask, dropout")
    assert (case.fixed["mask"] == 0).any(axis=-1).all()  # that seed draws all of them
    _assert_all_ok(verify.check_case(case, 146))


@pytest.mark.parametrize("label", ["2 groups", "sharing all"])
def test_reference_models_are_not_called_wrong_at_a_seed_that_curves_strongly(label):
    (case,) = (case for case in verify.model_cases(seed=1) if case.name == f"AlbertForMaskedLM, {label}")
    _assert_all_ok(check_model(case.model, case.inputs, case.outputs, samples=1, seed=1))


@pytest.mark.parametrize("precision", PRECISION_TOLERANCES)
def test_gradients_are_as_near_the_truth_as_the_precision_allows(precision):
    config = small_config(hidden_size=48, embedding_size=16, num_hidden_layers=6)
    errors = []
    for seed in range(3):
        model = randomize(AlbertForPreTraining(config), seed, 0.1)
        model.precision = precision
        row = compare_with_float64(model, small_batch(config, seed, 4, 9))
        assert row.ok, str(row)
        errors.append(row.max_rel)
    assert max(errors) > PRECISION_TOLERANCES[precision] / 1000  # it was computed so


def test_the_truth_of_a_precision_is_asked_of_float32_alone():
    model = AlbertForPreTraining(small_config(), dtype="float64")
    with pytest.raises(TypeError, match="this one is float64"):
        compare_with_float64(model, small_batch(model.config))

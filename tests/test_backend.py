import math

import numpy as np
import pytest
from toys import strict

from albert_np import ops
from albert_np.backend import array_module, backend_of, get_backend
from albert_np.gradcheck import DROPOUT, randomize, small_batch, small_config
from albert_np.gradcheck import cases as verify
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel

CLASSES = {
    AlbertModel: ("input_ids", "attention_mask", "token_type_ids"),
    AlbertForPreTraining: ("input_ids", "attention_mask", "token_type_ids", "labels", "sentence_order_label"),
    AlbertForMaskedLM: ("input_ids", "attention_mask", "token_type_ids", "labels"),
}
GPU_BACKENDS = ["strict", "cupy"]


def _require(backend):
    if backend == "cupy":
        cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
        try:
            cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError:
            pytest.skip("no GPU")
    return get_backend(backend)


@pytest.mark.parametrize("dtype, error", [("float64", 3e-15), ("float32", 2e-7)])
def test_erf_agrees_with_the_standard_library(dtype, error):
    x = np.linspace(-7, 7, 20001).astype(dtype)
    expected = np.array([math.erf(v) for v in x.tolist()])
    got = get_backend("numpy").erf(x)
    assert got.dtype == x.dtype
    assert np.abs(got - expected).max() <= error


def test_erf_handles_infinities_and_nan():
    assert get_backend("numpy").erf(np.array([np.inf, -np.inf])).tolist() == [1, -1]
    assert np.isnan(get_backend("numpy").erf(np.array([np.nan]))).all()


def test_scatter_add_keeps_repeated_ids():
    target = np.ones((4, 2))
    get_backend("numpy").scatter_add(target, np.array([[1, 3], [1, 1]]), np.arange(8.0).reshape(2, 2, 2))
    assert target.tolist() == [[1, 1], [1 + 0 + 4 + 6, 1 + 1 + 5 + 7], [1, 1], [3, 4]]


def test_scatter_add_of_nothing_changes_nothing():
    target = np.ones((4, 2))
    get_backend("numpy").scatter_add(target, np.zeros((0,), int), np.zeros((0, 2)))
    assert (target == 1).all()


def test_array_module_follows_the_array():
    assert array_module(np.zeros(1)) is np
    assert backend_of(strict.StrictArray(np.zeros(1))).name == "strict"


def test_what_is_no_array_is_refused_by_name():
    with pytest.raises(TypeError, match=r"cupy, numpy.*got list"):
        backend_of([1.0])
    with pytest.raises(ValueError, match="'torch' is unknown"):
        get_backend("torch")


def test_a_strict_array_refuses_numpy_arrays():
    x = strict.StrictArray(np.zeros(3))
    for mix in (lambda: x + np.zeros(3), lambda: np.zeros(3) + x, lambda: np.exp(x), lambda: np.asarray(x)):
        with pytest.raises(TypeError):
            mix()


@pytest.mark.parametrize("backend", GPU_BACKENDS)
@pytest.mark.parametrize("case", list(verify.op_cases()), ids=lambda c: c.name)
def test_ops_agree_across_backends(case, backend):
    device = _require(backend)
    if "dropout" in case.name:
        pytest.skip("random masks differ between backends; see the model tests")

    def move(value):
        return device.from_numpy(value) if isinstance(value, np.ndarray) else value

    y, cache = case.forward(**case.inputs, **case.fixed)
    dy = np.asarray(np.random.default_rng(0).standard_normal(np.shape(y)))
    expected = case.backward(dy, cache)
    inputs = {name: move(value) for name, value in {**case.inputs, **case.fixed}.items()}
    got_y, got_cache = case.forward(**inputs)
    got = case.backward(device.from_numpy(dy), got_cache)
    got, expected = (g if isinstance(g, tuple) else (g,) for g in (got, expected))
    pairs = zip(got, expected, strict=True)
    for g, e in ((got_y, y), *pairs):
        assert isinstance(g, device.array_type)
        np.testing.assert_allclose(device.to_numpy(g), e, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", GPU_BACKENDS)
@pytest.mark.parametrize("act", ["gelu", "gelu_new", "relu", "silu", "tanh"])
@pytest.mark.parametrize("cls", CLASSES)
def test_models_in_eval_mode_agree_across_backends(cls, act, backend):
    device = _require(backend)
    config = small_config(hidden_act=act, num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2)
    inputs = {name: value for name, value in small_batch(config).items() if name in CLASSES[cls]}
    reference = randomize(cls(config, dtype="float64")).eval()
    model = randomize(cls(config, dtype="float64", backend=backend)).eval()
    outputs = [m(**inputs, output_hidden_states=True, output_attentions=True) for m in (reference, model)]
    for m, out in zip((reference, model), outputs, strict=True):
        upstream = np.ones(out.last_hidden_state.shape)
        m.backward(**({"last_hidden_state": upstream} if cls is AlbertModel else {}))
    np.testing.assert_allclose(device.to_numpy(model.grads.flat), reference.grads.flat, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        device.to_numpy(outputs[1].last_hidden_state), outputs[0].last_hidden_state, rtol=1e-8, atol=1e-10
    )
    if cls is AlbertForPreTraining:
        assert outputs[1].mlm_correct == outputs[0].mlm_correct
        logits = device.to_numpy(outputs[1].prediction_logits)
        np.testing.assert_allclose(logits, outputs[0].prediction_logits, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("backend", GPU_BACKENDS)
@pytest.mark.parametrize("case", list(verify.task_cases()), ids=lambda c: c[0])
def test_models_of_fine_tuning_agree_across_backends(case, backend):
    device = _require(backend)
    _, reference, inputs = case
    model = type(reference)(reference.config, dtype="float64", backend=backend)
    model.params.flat[...] = device.from_numpy(reference.params.flat)
    on_device = {name: device.from_numpy(value) for name, value in inputs.items()}
    losses = [m.eval()(**given).loss for m, given in ((reference, inputs), (model, on_device))]
    for m in (reference, model):
        m.zero_grad()
        m.backward()
    assert float(losses[1]) == pytest.approx(float(losses[0]), rel=1e-10)
    np.testing.assert_allclose(device.to_numpy(model.grads.flat), reference.grads.flat, rtol=1e-8, atol=1e-10)
    model.train()(**inputs)
    model.backward()


@pytest.mark.parametrize("backend", GPU_BACKENDS)
@pytest.mark.parametrize("cls", CLASSES)
def test_models_in_training_mode_run_on_their_own_arrays(cls, backend):
    device = _require(backend)
    config = small_config(**DROPOUT)
    inputs = {name: value for name, value in small_batch(config).items() if name in CLASSES[cls]}
    model = cls(config, backend=backend).train()
    out = model(**inputs)
    upstream = np.ones(out.last_hidden_state.shape)
    embeds = model.backward(**({"last_hidden_state": upstream} if cls is AlbertModel else {}))
    assert isinstance(embeds, device.array_type)
    assert float(abs(model.grads.flat).max()) > 0


@pytest.mark.parametrize("backend", GPU_BACKENDS)
def test_a_model_moves_between_backends_with_its_weights(backend):
    _require(backend)
    model = AlbertModel(small_config(), seed=3)
    before = model.params.flat.copy()
    assert model.to(backend).backend.name == backend
    assert (model.to("numpy").params.flat == before).all()


def test_ops_edit_neither_arguments_nor_caches():
    for case in [*verify.op_cases(), *verify.block_cases()]:
        before = {name: value.copy() for name, value in case.inputs.items()}
        y, cache = case.forward(**case.inputs, **case.fixed)
        dy = np.asarray(np.random.default_rng(0).standard_normal(np.shape(y)))
        kept = dy.copy()
        first = case.backward(dy, cache)
        second = case.backward(dy, cache)
        first, second = (g if isinstance(g, tuple) else (g,) for g in (first, second))
        assert all((a == b).all() for a, b in zip(first, second, strict=True)), case.name
        assert (dy == kept).all(), case.name
        assert all((case.inputs[name] == before[name]).all() for name in before), case.name


def test_activation_names_are_those_the_config_allows():
    from albert_np.config import HIDDEN_ACTS

    assert set(ops.ACTIVATIONS) == set(HIDDEN_ACTS)

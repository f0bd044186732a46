import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from toys import strict

from albert_np import backend as backend_module
from albert_np import ops
from albert_np.backend import array_module, backend_of, get_backend
from albert_np.cli import main
from albert_np.execution import precision_of_products, scatter_add, widened
from albert_np.gradcheck import DROPOUT, randomize, small_batch, small_config
from albert_np.gradcheck import cases as verify
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel

CLASSES = {
    AlbertModel: ("input_ids", "attention_mask", "token_type_ids"),
    AlbertForPreTraining: ("input_ids", "attention_mask", "token_type_ids", "labels", "sentence_order_label"),
    AlbertForMaskedLM: ("input_ids", "attention_mask", "token_type_ids", "labels"),
}
GPU_BACKENDS = ["strict", pytest.param("cupy", marks=pytest.mark.gpu)]


def fake_cupy(monkeypatch, count):
    """Put a CuPy into place that has no more than what is asked of it first."""

    class CUDARuntimeError(RuntimeError):
        pass

    def devices():
        if count == 0:
            raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
        return count

    runtime = SimpleNamespace(getDeviceCount=devices, CUDARuntimeError=CUDARuntimeError)
    names = {
        "cupy": SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)),
        "cupyx": SimpleNamespace(),
        "cupyx.scipy": SimpleNamespace(),
        "cupyx.scipy.special": SimpleNamespace(erf=None),
    }
    for name, module in names.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(backend_module, "_backends", {"numpy": get_backend("numpy")})


def test_cupy_without_a_gpu_is_told_before_anything_is_made(monkeypatch, tmp_path):
    fake_cupy(monkeypatch, count=0)
    told = "backend='cupy' finds no GPU to compute on: cudaErrorNoDevice"
    with pytest.raises(OSError, match=told):
        get_backend("cupy")
    with pytest.raises(OSError, match=told):
        AlbertModel(small_config(), backend="cupy")
    with pytest.raises(OSError, match=told):
        AlbertForMaskedLM.from_checkpoint(SimpleNamespace(), backend="cupy")
    output = tmp_path / "run"
    found = CliRunner().invoke(
        main, ["pretrain", "--output", str(output), "--backend", "cupy", "--steps", "3"], catch_exceptions=False
    )
    assert found.exit_code == 1
    assert found.stderr.count("\n") == 1
    assert "finds no GPU" in found.stderr
    assert not output.exists()


def test_cupy_that_is_not_installed_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(backend_module, "_backends", {"numpy": get_backend("numpy")})
    with pytest.raises(ImportError, match=r"pip install 'albert-np\[cuda12\]', or 'albert-np\[cuda13\]'"):
        get_backend("cupy")


def _require(backend):
    try:
        return get_backend(backend)
    except (ImportError, OSError) as error:
        pytest.skip(str(error))


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
def test_a_device_draws_numpys_masks_and_adds_in_one_order(backend):
    device = _require(backend)
    x = np.ones((33, 1001))
    masks = [ops.dropout_forward(move(x), 0.1, np.random.default_rng(6))[1].kept for move in (np.asarray, device.own)]
    assert (device.to_numpy(masks[1]) == masks[0]).all()
    rng = np.random.default_rng(0)
    ids, rows = rng.integers(0, 30, (8, 512)), rng.standard_normal((8, 512, 96), dtype=np.float32)
    expected = np.zeros((30, 96))
    np.add.at(expected, ids, rows)
    sums = []
    for _ in range(3):
        target = device.from_numpy(np.zeros((30, 96), np.float32))
        scatter_add(target, device.from_numpy(ids), device.from_numpy(rows))
        sums.append(device.to_numpy(target))
    np.testing.assert_allclose(sums[0], expected, atol=1e-3)
    assert all((each == sums[0]).all() for each in sums)


@pytest.mark.parametrize("backend", GPU_BACKENDS)
@pytest.mark.parametrize("case", list(verify.op_cases()), ids=lambda c: c.name)
def test_ops_agree_across_backends(case, backend):
    device = _require(backend)

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
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_products_of_16_bits_agree_across_backends(precision, backend):
    """Operands are rounded to the same bits, and their products summed in float32: in any order."""
    device, rng = _require(backend), np.random.default_rng(0)
    x, weight, bias, dy = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((3, 50, 48), (40, 48), (40,), (3, 50, 40))
    )
    found = []
    for move, back in ((np.copy, np.copy), (device.from_numpy, device.to_numpy)):
        with precision_of_products(precision):
            y, cache = ops.linear_forward(*map(move, (x, weight, bias)))
            results = y, *ops.linear_backward(move(dy), cache)
        assert {cache.x.itemsize, cache.weight.itemsize} == {2}
        found.append([back(widened(cache.x)), *map(back, results)])
    np.testing.assert_array_equal(found[1][0], found[0][0])
    for ours, plain in zip(*found, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("backend", GPU_BACKENDS)
@pytest.mark.parametrize("precision, unit", [("bfloat16", 2.0**-8), ("float16", 2.0**-11)])
@pytest.mark.parametrize("recompute", ["none", "layer"])
def test_gradients_in_16_bits_agree_across_backends(recompute, precision, unit, backend):
    """Where the last digits of float32 differ, a number may be rounded to the next one."""
    gradients = []
    for name in ("numpy", backend):
        _require(name)
        model = randomize(AlbertForPreTraining(small_config(), backend=name)).eval()
        model.precision, model.recompute = precision, recompute
        model(**small_batch(model.config), skip_padding=True)
        model.backward()
        gradients.append(model.backend.to_numpy(model.grads.flat))
    assert np.linalg.norm(gradients[1] - gradients[0]) <= unit * np.linalg.norm(gradients[0])


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
    for m in (reference, model):
        m.rng = np.random.default_rng(3)
        m.zero_grad()
        m.train()(**inputs)
        m.backward()
    np.testing.assert_allclose(device.to_numpy(model.grads.flat), reference.grads.flat, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("backend", GPU_BACKENDS)
@pytest.mark.parametrize("recompute", ["none", "layer"])
@pytest.mark.parametrize("cls", CLASSES)
def test_models_in_training_mode_agree_across_backends_with_dropout(cls, recompute, backend):
    _require(backend)
    config = small_config(**DROPOUT)
    inputs = {name: value for name, value in small_batch(config).items() if name in CLASSES[cls]}
    results = []
    for name in ("numpy", backend):
        model = randomize(cls(config, dtype="float64", backend=name)).train()
        model.rng = np.random.default_rng(7)
        model.recompute = recompute
        out = model(**inputs)
        upstream = {"last_hidden_state": np.ones(out.last_hidden_state.shape)} if cls is AlbertModel else {}
        embeds = model.backward(**upstream)
        assert isinstance(embeds, model.backend.array_type)
        results.append([model.backend.to_numpy(x) for x in (out.last_hidden_state, embeds, model.grads.flat)])
    for got, expected in zip(*results[::-1], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-10)


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

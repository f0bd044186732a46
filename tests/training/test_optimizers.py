"""AdamW and LAMB against references, by hand and step by step; clipping; state."""

import copy
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from toys.training_process import CONFIG

from albert_np.config import AlbertConfig
from albert_np.model import AlbertForPreTraining
from albert_np.params import Layout, ParamStore
from albert_np.training import optimizers
from albert_np.training.optimizers import LAMB, AdamW, clip_by_global_norm, global_norm, is_excluded

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "optimizer_reference.json").read_text())
CASES = [
    (AdamW, True, "adamw"),
    (AdamW, False, "adamw_without_correction"),
    (LAMB, True, "lamb"),
    (LAMB, False, "lamb_without_correction"),
]


def make_store(shapes, values=None, dtype="float64"):
    layout = Layout({name: tuple(shape) for name, shape in shapes.items()})
    store = ParamStore(layout, np.zeros(layout.size, dtype))
    for name, numbers in (values or {}).items():
        store[name] = np.reshape(numbers, layout.shapes[name]).astype(dtype)
    return store


def random_stores(shapes, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    stores = make_store(shapes, dtype=dtype), make_store(shapes, dtype=dtype)
    for store in stores:
        store.flat[...] = rng.standard_normal(store.flat.size)
    return stores


@pytest.mark.parametrize(("optimizer_class", "bias_correction", "key"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 3e-6)])
def test_every_step_follows_the_reference(optimizer_class, bias_correction, key, dtype, tolerance):
    params = make_store(REFERENCE["shapes"], REFERENCE["weights"], dtype)
    grads = params.zeros_like()
    optimizer = optimizer_class(params, grads, bias_correction=bias_correction)
    steps = zip(REFERENCE["gradients"], REFERENCE["learning_rates"], REFERENCE[key], strict=True)
    for t, (gradient, rate, expected) in enumerate(steps):
        for name, numbers in gradient.items():
            grads[name] = np.reshape(numbers, grads[name].shape)
        optimizer.step(rate)
        for name, numbers in expected.items():
            np.testing.assert_allclose(
                params[name].ravel(), numbers, rtol=tolerance, atol=tolerance, err_msg=f"{name}, step {t + 1}"
            )
        if optimizer_class is LAMB:
            assert optimizer.trust_ratios == pytest.approx(REFERENCE[f"{key}_trust_ratios"][t], rel=100 * tolerance)
    assert params.flat.dtype == optimizer.first_moment.flat.dtype == optimizer.second_moment.flat.dtype == dtype


def test_lamb_by_hand_on_two_numbers():
    """w = (3, 4), ‖w‖ = 5; equal gradients make m̂ = g and √v̂ = |g|, so r = sign(g) and u = r + w / 100."""
    params = make_store({"weight": (2,)}, {"weight": [3.0, 4.0]})
    grads = make_store({"weight": (2,)}, {"weight": [2.0, -7.0]})
    optimizer = LAMB(params, grads, epsilon=1e-300)

    for ratio, weight in [  # φ = ‖w‖ / ‖u‖, w ← w - 0.1 φ u, worked out in 30 decimals
        (3.551104121142, [2.634236275522, 4.340905995630]),  # u = (1.03, -0.96): φ = 5 / √1.9825
        (3.619114137242, [2.262791260053, 4.687107175097]),
        (3.723154491369, [1.882051089473, 5.041971800103]),
    ]:
        optimizer.step(0.1)
        assert optimizer.trust_ratios == {"weight": pytest.approx(ratio, rel=1e-12)}
        np.testing.assert_allclose(params["weight"], weight, rtol=1e-12)


def test_adamw_by_hand_on_two_numbers():
    params = make_store({"weight": (2,), "bias": (2,)}, {"weight": [3.0, 4.0], "bias": [3.0, 4.0]})
    grads = make_store({"weight": (2,), "bias": (2,)}, {"weight": [2.0, -7.0], "bias": [2.0, -7.0]})
    AdamW(params, grads, epsilon=1e-300).step(0.1)
    np.testing.assert_allclose(params["weight"], [3 - 0.103, 4 + 0.096], rtol=1e-15)
    np.testing.assert_allclose(params["bias"], [2.9, 4.1], rtol=1e-15)


def test_epsilon_is_outside_the_root():
    params, grads = make_store({"weight": (1,)}), make_store({"weight": (1,)}, {"weight": [1e-6]})
    AdamW(params, grads).step(1.0)
    np.testing.assert_allclose(params["weight"], [-0.5], rtol=1e-12)  # inside: -1e-6 / √(1e-12 + 1e-6) = -0.001


@pytest.mark.parametrize("optimizer_class", [AdamW, LAMB])
def test_torch_adamw_agrees_live(optimizer_class, torch):
    shapes = {"dense.weight": (300, 40), "dense.bias": (40,)}
    params, grads = random_stores(shapes, dtype="float64")
    tensors = {name: torch.nn.Parameter(torch.tensor(array.copy())) for name, array in params.items()}
    groups = [{"params": [t], "weight_decay": 0.0 if "bias" in n else 0.01} for n, t in tensors.items()]
    reference = torch.optim.AdamW(groups, lr=3e-3, eps=1e-6)
    optimizer = optimizer_class(params, grads)
    rng = np.random.default_rng(1)
    for _ in range(10):
        grads.flat[...] = rng.standard_normal(grads.flat.size)
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(grads[name].copy())
        reference.step()
        optimizer.step(3e-3)
    np.testing.assert_allclose(params["dense.bias"], tensors["dense.bias"].detach(), rtol=1e-11)
    weights_agree = np.allclose(params["dense.weight"], tensors["dense.weight"].detach(), rtol=1e-11)
    assert weights_agree == (optimizer_class is AdamW)  # LAMB differs in what it adapts, and only there


def test_layer_norms_and_biases_are_excluded_and_nothing_else():
    excluded = [
        "albert.embeddings.LayerNorm.weight",
        "albert.encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm.weight",
        "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.query.bias",
        "predictions.bias",
    ]
    included = [
        "albert.embeddings.word_embeddings.weight",
        "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight",
        "albert.pooler.weight",
    ]
    assert all(is_excluded(name) for name in excluded)
    assert not any(is_excluded(name) for name in included)


@pytest.mark.parametrize("optimizer_class", [AdamW, LAMB])
def test_without_a_gradient_only_included_weights_decay(optimizer_class):
    shapes = {"dense.weight": (3, 2), "dense.bias": (2,), "LayerNorm.weight": (2,)}
    params, grads = random_stores(shapes, dtype="float64")
    grads.flat[...] = 0
    before = {name: array.copy() for name, array in params.items()}
    optimizer = optimizer_class(params, grads)
    optimizer.step(0.1)
    shrunk = 0.1 if optimizer_class is LAMB else 0.1 * 0.01  # LAMB scales u = 0.01 w up to ‖w‖
    np.testing.assert_allclose(params["dense.weight"], before["dense.weight"] * (1 - shrunk), rtol=1e-12)
    np.testing.assert_array_equal(params["dense.bias"], before["dense.bias"])
    np.testing.assert_array_equal(params["LayerNorm.weight"], before["LayerNorm.weight"])


@pytest.mark.parametrize("optimizer_class", [AdamW, LAMB])
def test_frozen_weights_neither_move_nor_count_and_the_others_do_not_notice(optimizer_class):
    shapes = {"trunk.weight": (3, 4), "trunk.bias": (4,), "head.weight": (4, 2)}
    (params, grads), (alone, own) = (random_stores(names) for names in (shapes, {"head.weight": (4, 2)}))
    before = params.flat.copy()
    alone["head.weight"], own["head.weight"] = params["head.weight"], grads["head.weight"]
    optimizer = optimizer_class(params, grads, weight_decay=0.5, frozen=["trunk.weight", "trunk.bias"])
    other = optimizer_class(alone, own, weight_decay=0.5)
    for _ in range(3):
        optimizer.forget_frozen()
        assert global_norm(grads) == pytest.approx(global_norm(own))
        optimizer.step(0.1)
        other.step(0.1)
    np.testing.assert_array_equal(params.flat[:16], before[:16])
    np.testing.assert_array_equal(params["head.weight"], alone["head.weight"])
    assert optimizer.settings()["frozen"] == ["trunk.bias", "trunk.weight"]
    assert "frozen" not in other.settings()
    with pytest.raises(ValueError, match="frozen: 'x' is no parameter"):
        optimizer_class(params, grads, frozen=["x"])


def test_blocks_do_not_change_the_result(monkeypatch):
    shapes = {"a.weight": (53, 7), "a.bias": (11,), "b.weight": (3,)}
    results = []
    for size in (1 << 16, 5):
        monkeypatch.setattr(optimizers, "_block_size", lambda x, size=size: size)
        params, grads = random_stores(shapes)
        optimizer = AdamW(params, grads)
        for _ in range(3):
            optimizer.step(0.01)
        results.append((params.flat, optimizer.first_moment.flat, optimizer.second_moment.flat))
    for whole, in_blocks in zip(*results, strict=True):
        np.testing.assert_array_equal(whole, in_blocks)


@pytest.mark.parametrize("optimizer_class", [AdamW, LAMB])
def test_gradients_are_left_as_they_are_and_other_names_untouched(optimizer_class):
    params, grads = random_stores({"a.weight": (4, 3), "b.weight": (5,)})
    before = grads.flat.copy()
    views = dict(params.items())
    optimizer_class(params, grads).step(0.1)
    np.testing.assert_array_equal(grads.flat, before)
    assert all(params[name] is view and np.shares_memory(view, params.flat) for name, view in views.items())


@pytest.mark.parametrize("optimizer_class", [AdamW, LAMB])
def test_a_loaded_state_goes_on_bit_by_bit(optimizer_class):
    shapes = {"a.weight": (4, 3), "a.bias": (3,)}
    params, grads = random_stores(shapes)
    optimizer = optimizer_class(params, grads)
    optimizer.step(0.1)
    state = {name: array.copy() for name, array in optimizer.state_dict().items()}
    other_params = ParamStore(params.layout, params.flat.copy())
    other = optimizer_class(other_params, grads)
    other.load_state_dict(state)
    for _ in range(2):
        optimizer.step(0.1)
        other.step(0.1)
    np.testing.assert_array_equal(params.flat, other_params.flat)
    assert other.steps == 3


def make_gradients(model, seed):
    model.grads.flat[...] = np.random.default_rng(seed).standard_normal(model.grads.flat.size)


def assert_in_one_piece(optimizer):
    """Weights, gradients and moments lie in four arenas, and their names reach into these."""
    stores = (optimizer.params, optimizer.grads, optimizer.first_moment, optimizer.second_moment)
    for i, store in enumerate(stores):
        assert all(np.shares_memory(array, store.flat) for array in store.values())
        assert not any(np.shares_memory(store.flat, other.flat) for other in stores[:i])


def pickled(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("optimizer_class", [AdamW, LAMB])
@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_model_and_its_optimizer_copied_together_belong_together(optimizer_class, copied):
    model = AlbertForPreTraining(AlbertConfig(**CONFIG), seed=1)
    optimizer = optimizer_class(model.params, model.grads)
    make_gradients(model, seed=0)
    optimizer.step(0.1)
    other_model, other = copied((model, optimizer))
    assert other.params is other_model.params
    assert other.grads is other_model.grads
    assert_in_one_piece(other)
    own = (model.params.flat, model.grads.flat, optimizer.first_moment.flat, optimizer.second_moment.flat)
    before = [array.copy() for array in own]
    make_gradients(other_model, seed=1)
    other.step(0.1)
    for array, kept in zip(own, before, strict=True):
        np.testing.assert_array_equal(array, kept)
    make_gradients(model, seed=1)
    optimizer.step(0.1)
    np.testing.assert_array_equal(other_model.params.flat, model.params.flat)
    assert other.steps == optimizer.steps == 2


@pytest.mark.parametrize("optimizer_class", [AdamW, LAMB])
@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copied_optimizer_stands_by_itself_and_goes_on_bit_by_bit(optimizer_class, copied):
    params, grads = random_stores({"a.weight": (4, 3), "a.bias": (3,)})
    optimizer = optimizer_class(params, grads, beta1=0.8, bias_correction=False)
    optimizer.step(0.1)
    other = copied(optimizer)
    assert_in_one_piece(other)
    assert other.settings() == optimizer.settings()
    before = params.flat.copy()
    other.step(0.1)
    np.testing.assert_array_equal(params.flat, before)
    optimizer.step(0.1)
    np.testing.assert_array_equal(other.params.flat, params.flat)
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)


def test_a_pickle_holds_no_scratch_space():
    params, grads = random_stores({"a.weight": (100, 100)})
    assert len(pickle.dumps(AdamW(params, grads))) < 4 * params.flat.nbytes + 5000


def test_a_state_that_does_not_fit_is_refused_before_anything_changes():
    params, grads = random_stores({"a.weight": (4, 3)})
    optimizer = AdamW(params, grads)
    optimizer.step(0.1)
    good = {name: array.copy() for name, array in optimizer.state_dict().items()}
    bad_states = {
        "second_moment": {**good, "second_moment": good["second_moment"][:-1]},
        "float64": {**good, "first_moment": good["first_moment"].astype("float64")},
        "holds steps; expected are first_moment, second_moment, steps$": {"steps": good["steps"]},
        r"holds '\\n', .*, 'x{80}'; expected": {**good, "x" * 5000: good["steps"], "\n": good["steps"]},
    }
    for named, state in bad_states.items():
        with pytest.raises(ValueError, match=named):
            optimizer.load_state_dict(state)
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, good[name])


@pytest.mark.parametrize(
    ("constants", "named"),
    [
        ({"beta1": 1.0}, "beta1"),
        ({"beta2": -0.1}, "beta2"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"weight_decay": math.nan}, "weight_decay"),
    ],
)
def test_bad_constants_are_named(constants, named):
    params, grads = random_stores({"weight": (2,)})
    with pytest.raises(ValueError, match=named):
        LAMB(params, grads, **constants)


@pytest.mark.parametrize("rate", [-1e-3, math.nan, math.inf])
def test_a_bad_learning_rate_is_refused(rate):
    params, grads = random_stores({"weight": (2,)})
    before = params.flat.copy()
    with pytest.raises(ValueError, match="learning_rate"):
        AdamW(params, grads).step(rate)
    np.testing.assert_array_equal(params.flat, before)


def test_a_learning_rate_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="learning_rate='fast' must be a number"):
        AdamW(*random_stores({"weight": (2,)})).step("fast")


def test_stores_of_other_layouts_are_refused():
    params, _ = random_stores({"weight": (2,)})
    for shapes, dtype in (({"weight": (3,)}, "float32"), ({"weight": (2,)}, "float64")):
        with pytest.raises(ValueError, match="params and grads"):
            AdamW(params, make_store(shapes, dtype=dtype))


def test_clipping_scales_to_the_norm_and_returns_the_one_before():
    grads = make_store({"a": (2,), "b": (1,)}, {"a": [3.0, 0.0], "b": [4.0]})
    assert clip_by_global_norm(grads, 1.0) == 5.0
    np.testing.assert_allclose(grads.flat, [0.6, 0.0, 0.8], rtol=1e-15)
    assert clip_by_global_norm(grads, 2.0) == pytest.approx(1.0)
    np.testing.assert_allclose(grads.flat, [0.6, 0.0, 0.8], rtol=1e-15)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_clipping_leaves_a_bad_gradient_for_the_search(bad):
    grads = make_store({"a": (2,), "b": (1,)}, {"a": [3.0, 0.0], "b": [bad]})
    assert not math.isfinite(clip_by_global_norm(grads, 1.0))
    np.testing.assert_array_equal(grads["a"], [3.0, 0.0])
    with pytest.raises(ValueError, match="max_norm=0"):
        clip_by_global_norm(grads, 0)


def test_norms_keep_float64_precision_over_millions_of_float32_numbers():
    store = make_store({"a": (3_000_001,)}, dtype="float32")
    store.flat[...] = np.random.default_rng(0).standard_normal(store.flat.size, dtype=np.float32)
    exact = math.sqrt(math.fsum((store.flat.astype(np.float64) ** 2).tolist()))
    assert global_norm(store) == pytest.approx(exact, rel=1e-14)


def test_norms_do_not_overflow_in_float32():
    store = make_store({"a": (2,)}, {"a": [3e30, 4e30]}, dtype="float32")
    assert global_norm(store) == pytest.approx(5e30, rel=1e-6)

"""The kernels, played on a CPU by their launchers: against the formulas, in every order of threads, without a race."""

import dataclasses
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from toys.cuda_on_cpu import COMPILER, CpuModule, PlayedArray, played_backend

from albert_np import layers, ops
from albert_np.backend import get_backend, register
from albert_np.changes import Change, put_in_force
from albert_np.execution import (
    Launchers,
    counted,
    dense_pattern,
    packed_pattern,
    precision_of_products,
    scatter_add,
)
from albert_np.execution.kernels import source
from albert_np.execution.kernels.of_ops import sums_fit
from albert_np.execution.precision import SIXTEEN_BITS, narrowed
from albert_np.execution.strict import boxed_backend
from albert_np.gradcheck import compare_with_numpy, small_batch, small_config
from albert_np.model import AlbertForPreTraining
from albert_np.params import Layout, ParamStore
from albert_np.training import LAMB, AdamW
from albert_np.training.optimizers import clip_by_global_norm, global_norm, shorten

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++, which plays the kernels")

ALLOWED = {"float32": 3e-6, "float64": 1e-13}  # of the largest number of an array, the formula in float64 being right
ODD_SHAPES = [(1, 1), (3, 7), (2, 3, 33), (5, 64), (70, 96), (300, 5), (2, 1, 3, 130), (17, 515)]


LAUNCHERS = Launchers(boxed_backend("cuda-on-cpu", PlayedArray), CpuModule)


@pytest.fixture(scope="module", autouse=True)
def _played():
    register(played_backend())


def on_device(value):
    """An argument, or cache, with its arrays on the device."""
    if isinstance(value, np.ndarray):
        return get_backend("cuda-on-cpu").from_numpy(value)
    if isinstance(value, tuple):
        parts = [on_device(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def flat(result):
    """The arrays in what a formula returned, in order, as NumPy's in float64; numbers too."""
    if isinstance(result, tuple):
        return [array for part in result for array in flat(part)]
    if result is None or isinstance(result, str):
        return []
    return [np.asarray(getattr(result, "inner", result)).astype(np.float64)]


def in_double(value):
    if isinstance(value, np.ndarray):
        return value.astype(np.float64) if value.dtype.kind == "f" else value
    if isinstance(value, tuple):
        parts = [in_double(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def near(got, right, dtype):
    """The arrays of a result are, within what is allowed of the largest number, those of another."""
    for ours, want in zip(flat(tuple(got)), flat(tuple(right)), strict=True):
        assert ours.shape == want.shape
        scale = np.abs(want).max(initial=0) or 1.0
        assert np.abs(ours - want).max(initial=0) <= ALLOWED[dtype] * scale


def launched(formula, *args):
    """What a formula gives on the device, and how many kernels were launched."""
    CpuModule.launches = 0
    result = formula(*on_device(args))
    return result, CpuModule.launches


def check(formula, *args, dtype, launches=1):
    """The kernel agrees with the formula in float64, and served; returns what the formula gives."""
    expected = formula(*args)
    right = flat(formula(*in_double(args)))
    result, count = launched(formula, *args)
    assert count == launches
    assert type(result) is type(expected) or not isinstance(expected, tuple)
    for got, want, plain in zip(flat(result), right, flat(expected), strict=True):
        assert got.shape == want.shape == plain.shape
        scale = np.abs(want).max(initial=0) or 1.0
        assert np.abs(got - want).max(initial=0) <= ALLOWED[dtype] * scale
    return expected


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("name", sorted(ops.ACTIVATIONS))
def test_activations(name, dtype):
    rng = np.random.default_rng(0)
    for shape in [(1,), (3, 7), (2, 5, 257)]:
        x = (4 * rng.standard_normal(shape)).astype(dtype)
        _, cache = check(ops.activation_forward, x, name, dtype=dtype)
        check(ops.activation_backward, rng.standard_normal(shape).astype(dtype), cache, dtype=dtype)


@pytest.mark.parametrize("dtype", ALLOWED)
def test_activations_far_out(dtype):
    x = np.array([-1e30, -1e4, -100, -20, -6, 0, 6, 20, 100, 1e4, 1e30], dtype)
    for name in sorted(ops.ACTIVATIONS):
        with np.errstate(all="ignore"):
            expected = [ops.activation_forward(x, name)[0], ops.activation_backward(x, ops.ActivationCache(x, name))]
        cache = ops.ActivationCache(on_device(x), name)
        got = [ops.activation_forward(on_device(x), name)[0], ops.activation_backward(on_device(x), cache)]
        for ours, plain in zip(got, expected, strict=True):
            np.testing.assert_allclose(ours.inner, plain, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_layer_norm(shape, dtype):
    rng = np.random.default_rng(1)
    width = shape[-1]
    x, dy = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    weight, bias = (rng.standard_normal(width).astype(dtype) for _ in range(2))
    _, cache = check(ops.layer_norm_forward, 2 + x, weight, bias, 1e-5, dtype=dtype)
    check(ops.layer_norm_backward, dy, cache, dtype=dtype)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("shape", [*ODD_SHAPES, (3, 4096)])
def test_layer_norm_of_a_sum_with_the_bias_of_a_branch(shape, dtype):
    """A layer's: x + (branch + bias) is not kept, and Σ dx, the bias's gradient, comes with the others."""
    rng = np.random.default_rng(10)
    x, branch, dy = ((shift + rng.standard_normal(shape)).astype(dtype) for shift in (2, 0, 0))
    weight, bias, branch_bias = (rng.standard_normal(shape[-1]).astype(dtype) for _ in range(3))

    def of_sum(x, branch, branch_bias):
        return ops.layer_norm_forward(x + (branch + branch_bias), weight.astype(x.dtype), bias.astype(x.dtype), 1e-5)

    def all_gradients(dy, cache):
        dx, dweight, dbias = ops.layer_norm_backward(dy, cache)
        return dx, dweight, dbias, dx.reshape(-1, shape[-1]).sum(axis=0)

    given = on_device((x, weight, bias))
    got = LAUNCHERS._norm(*given, 1e-5, *on_device((branch, branch_bias)))
    near(got, of_sum(*in_double((x, branch, branch_bias))), dtype)
    cache = of_sum(x, branch, branch_bias)[1]
    right = all_gradients(*in_double((dy, cache)))
    for adds in (False, True):
        before = [np.full(shape[-1], 0.5 * adds, dtype) for _ in range(3)]
        targets = on_device(tuple(before))
        moved_dy, moved_cache = on_device((dy, cache))
        dx = LAUNCHERS._norm_dx(moved_dy, moved_cache, *targets, adds=adds)
        if shape[-1] == 4096 and dtype == "float64":
            assert dx is None  # not even two sums fit into a block's memory
            return
        near((dx, *targets), (right[0], *(each + 0.5 * adds for each in right[1:])), dtype)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 5, 257), (3000, 300)])
def test_an_activation_adds_the_bias_before_it(shape, dtype):
    rng = np.random.default_rng(11)
    x, bias = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape[-1]).astype(dtype)
    for name in ("gelu_new", "relu"):
        y, (kept, _) = LAUNCHERS._activated(*on_device((x, bias)), name)
        right = in_double(x) + in_double(bias)
        near((y, kept), (ops.activation_forward(right, name)[0], right), dtype)


REAL = {  # padding behind, before and between tokens; a sequence of nothing else; one of a single token
    "one sequence": [[1, 1, 1]],
    "behind": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "anywhere": [[0, 1, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0]],
    "longer than a warp": [[1] * 40 + [0] * 5, [0] * 44 + [1]],
}


def patterns(real):
    """The pattern of a mask on NumPy and on the device; of nothing but tokens it is dense, and masks some of them."""
    real = np.array(real)
    made = [packed_pattern(real, get_backend(name)) for name in ("numpy", "cuda-on-cpu")]
    if made[0].tokens is None:
        mask = np.where(np.arange(real.size).reshape(len(real), 1, 1, -1) % 3 == 1, -1e30, 0.0)
        return [
            dataclasses.replace(each, mask=move(mask)) for each, move in zip(made, (np.asarray, on_device), strict=True)
        ]
    return made


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("heads, size", [(1, 1), (3, 5), (2, 33)])
@pytest.mark.parametrize("real", REAL)
@pytest.mark.parametrize("scale", [1.0, 1e15])  # scores of up to 1e30: one key takes all
def test_heads_of_sequences_of_any_lengths_attend_in_one_go(real, heads, size, scale, dtype):
    plain, ours = patterns(REAL[real])
    if plain.mask is not None:
        plain = dataclasses.replace(plain, mask=plain.mask.astype(dtype))
        ours = dataclasses.replace(ours, mask=on_device(plain.mask))
    rng = np.random.default_rng(12)
    rows = plain.pack(rng.standard_normal((*np.shape(REAL[real]), 3 * heads * size)))
    rows[..., : 2 * heads * size] *= scale
    stacked, config = rows.astype(dtype), SimpleNamespace(num_attention_heads=heads, attention_probs_dropout_prob=0.5)
    dmerged = rng.standard_normal((*rows.shape[:-1], heads * size)).astype(dtype)
    exact = plain if plain.mask is None else dataclasses.replace(plain, mask=in_double(plain.mask))
    right, right_cache = layers.heads_forward(in_double(stacked), exact, config)
    (merged, cache), count = launched(layers.heads_forward, stacked, ours, config)
    assert count == 3
    assert type(cache.runs[0]) is ops.AttentionCache
    near((merged,), (right,), dtype)
    probs = plain.squares([run.dropped for run in right_cache.runs])
    near((ours.squares([cache.runs[0].dropped]),), (probs,), dtype)
    if scale == 1:
        dstacked, count = launched(layers.heads_backward, dmerged, cache)
        assert count == 3
        near((dstacked,), (layers.heads_backward(in_double(dmerged), right_cache),), dtype)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("prob", [1e-9, 0.5, 1.0])
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("real", REAL)
def test_dropout_among_sequences_of_any_lengths_draws_the_masks_of_numpy(real, heads, prob, dtype):
    plain, ours = (dataclasses.replace(each, mask=None) for each in patterns(REAL[real]))
    rng = np.random.default_rng(18)
    rows = plain.pack(rng.standard_normal((*np.shape(REAL[real]), 3 * heads * 2)))
    dmerged = rng.standard_normal((*rows.shape[:-1], heads * 2)).astype(dtype)
    config = SimpleNamespace(num_attention_heads=heads, attention_probs_dropout_prob=prob)
    draws = [np.random.default_rng(5) for _ in range(2)]
    right, right_cache = layers.heads_forward(in_double(rows.astype(dtype)), plain, config, draws[0])
    (merged, cache), count = launched(layers.heads_forward, rows.astype(dtype), ours, config, draws[1])
    assert count == 4
    assert draws[0].integers(2**63) == draws[1].integers(2**63)  # as many numbers as there are lengths
    (run,) = cache.runs
    assert run.dropout.scale == right_cache.runs[0].dropout.scale
    kept = plain.squares([each.dropout.kept for each in right_cache.runs])
    np.testing.assert_array_equal(ours.squares([run.dropout.kept]).inner, kept)
    near((merged,), (right,), dtype)
    dstacked, count = launched(layers.heads_backward, dmerged, cache)
    assert count == 4
    near((dstacked,), (layers.heads_backward(in_double(dmerged), right_cache),), dtype)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("real", ["one sequence", "behind", "anywhere"])
def test_a_layer(real, wanted, dtype):
    config = small_config(hidden_act="gelu_new")
    model = AlbertForPreTraining(config, dtype="float64", seed=3)
    plain, ours = patterns(REAL[real])
    rng = np.random.default_rng(13)
    if wanted:
        read = plain.unpack(np.ones(plain.pack(np.zeros(np.shape(REAL[real]))).shape, bool))
        read &= np.arange(read.size).reshape(read.shape) % 2 == 0
        plain, ours = (
            each.wanting(read, get_backend(name)) for each, name in ((plain, "numpy"), (ours, "cuda-on-cpu"))
        )
    x = plain.pack(rng.standard_normal((*np.shape(REAL[real]), config.hidden_size)))
    values = 0.5 * rng.standard_normal(model.layout.size)
    dy = rng.standard_normal((*plain.gather(x).shape,))
    results = []
    for name, pattern, kind in (("numpy", plain, "float64"), ("cuda-on-cpu", ours, dtype)):
        move = get_backend(name).from_numpy
        if pattern.mask is not None:
            pattern = dataclasses.replace(pattern, mask=move(plain.mask.astype(kind)))
        params, grads = (ParamStore(model.layout, move(flat.astype(kind))) for flat in (values, values))
        prefix = "albert.encoder.albert_layer_groups.0.albert_layers.0."
        CpuModule.launches = 0
        y, cache = layers.layer_forward(move(x.astype(kind)), pattern, params.scope(prefix), config)
        dx = layers.layer_backward(move(dy.astype(kind)), cache, grads.scope(prefix))
        results.append((y, dx, grads.flat - params.flat))
    assert CpuModule.launches == 6 + 8  # and products
    assert type(cache) is layers.LayerCache
    near(results[1], flat(results[0]), dtype)


def test_a_layer_of_which_nothing_is_wanted():
    config = small_config()
    model = AlbertForPreTraining(config, backend="cuda-on-cpu")
    pattern = packed_pattern(np.array(REAL["behind"]), model.backend)
    pattern = pattern.wanting(np.zeros((3, 5), bool), model.backend)
    scope = "albert.encoder.albert_layer_groups.0.albert_layers.0."
    x = on_device(np.ones((len(pattern.tokens), config.hidden_size), np.float32))
    y, cache = layers.layer_forward(x, pattern, model.params.scope(scope), config)
    assert y.shape == (0, config.hidden_size)
    dx = layers.layer_backward(y, cache, model.grads.scope(scope))
    assert dx.shape == x.shape
    assert not dx.inner.any()
    assert not model.grads.flat.inner.any()


def test_a_layer_of_rows_too_wide_for_the_sums_of_a_block_is_left_to_the_formula():
    dy = on_device(np.ones((2, 7000), np.float32))
    assert not sums_fit(dy, 2)
    assert LAUNCHERS._norm_dx(dy, (dy, dy[:, :1], dy[0]), dy[0], dy[1], adds=True) is None


def test_nothing_is_served_where_a_part_of_albert_is_replaced():
    pattern = dense_pattern(1, 2)
    x, config = on_device(np.ones((1, 2, 3 * small_config().hidden_size))), small_config()
    assert LAUNCHERS.heads_forward(x, pattern, config) is not NotImplemented
    put_in_force(Change({"attention": "…"}))
    try:
        assert LAUNCHERS.heads_forward(x, pattern, config) is NotImplemented
        assert LAUNCHERS.layer_forward(x, pattern, {"ffn.weight": x}, config) is NotImplemented
    finally:
        put_in_force(None)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_softmax(shape, dtype):
    rng = np.random.default_rng(2)
    x, dprobs = (5 * rng.standard_normal(shape).astype(dtype) for _ in range(2))
    _, cache = check(ops.softmax_forward, x, dtype=dtype)
    check(ops.softmax_backward, dprobs, cache, dtype=dtype)


MASKS = {
    "none": None,
    "keys": (2, 1, 1, 9),
    "queries": (1, 1, 5, 9),
    "heads": (2, 3, 5, 9),
    "one for all": (1, 1, 1, 1),
    "each head": (1, 3, 1, 9),
}


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("hidden", [np.finfo("float32").min / 2, -1e30, -10000.0])
@pytest.mark.parametrize("mask", MASKS)
def test_attention(mask, hidden, dtype):
    rng = np.random.default_rng(3)
    query, dcontext = (rng.standard_normal((2, 3, 5, 4)).astype(dtype) for _ in range(2))
    key, value = (rng.standard_normal((2, 3, 9, 4)).astype(dtype) for _ in range(2))
    added = None
    if MASKS[mask]:
        added = np.where(rng.random(MASKS[mask]) < 0.5, hidden, 0).astype(dtype)
        added[0, 0, 0] = hidden  # a row that sees nothing
        if hidden == -10000:  # which leaves float32 too few digits for such a row
            added[..., 0] = 0
    _, cache = check(ops.attention_forward, query, key, value, added, dtype=dtype)
    check(ops.attention_backward, dcontext, cache, dtype=dtype)


@pytest.mark.parametrize("dtype", ALLOWED)
def test_attention_with_dropout_draws_numpys_mask(dtype):
    rng = np.random.default_rng(17)
    query, key, value, dcontext = (rng.standard_normal((2, 3, 5, 4)).astype(dtype) for _ in range(4))
    draws = [np.random.default_rng(5) for _ in range(2)]
    right, right_cache = ops.attention_forward(*in_double((query, key, value)), None, 0.5, draws[0])
    (context, cache), count = launched(ops.attention_forward, query, key, value, None, 0.5, draws[1])
    assert count == 2
    assert (cache.dropout.kept.inner == right_cache.dropout.kept).all()
    near((context,), (right,), dtype)
    gradients, count = launched(ops.attention_backward, dcontext, cache)
    assert count == 2
    near(gradients, ops.attention_backward(in_double(dcontext), right_cache), dtype)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("rows, classes", [(1, 1), (1, 5), (9, 2), (40, 301), (7, 33)])
@pytest.mark.parametrize("denominator", [None, 17.5])
def test_cross_entropy(rows, classes, denominator, dtype):
    rng = np.random.default_rng(4)
    logits = (3 * rng.standard_normal((rows, classes))).astype(dtype)
    labels = np.where(rng.random(rows) < 0.6, rng.integers(0, classes, rows), ops.IGNORE_INDEX)
    _, cache = check(ops.cross_entropy_forward, logits, labels, -100, denominator, dtype=dtype)
    check(ops.cross_entropy_backward, 0.7, cache, dtype=dtype)
    check(ops.cross_entropy_backward, np.array(0.7, dtype), cache, dtype=dtype)


def test_cross_entropy_of_far_logits_and_of_no_label():
    logits = np.array([[-1e30, 1e30, 0], [1e30, 1e30, -1e30], [-1e30, -1e30, -1e30]], np.float32)
    for labels in ([1, 0, 2], [-100] * 3):
        check(ops.cross_entropy_forward, logits, np.array(labels), dtype="float32")


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("shape", [(1, 1), (5, 33), (700, 40), (64, 7), (1100, 3), (2, 32 * 1025)])
def test_sum_over_rows(shape, dtype):
    check(ops.sum_rows, np.random.default_rng(5).standard_normal(shape).astype(dtype), dtype=dtype)


def test_arrays_that_do_not_lie_in_order_are_copied_first():
    rng = np.random.default_rng(6)
    x, dy = (rng.standard_normal((6, 10, 4)) for _ in range(2))
    weight = rng.standard_normal(20)[::2]
    _, cache = check(ops.layer_norm_forward, x.transpose(2, 0, 1), weight, weight, 1e-5, dtype="float64")
    check(ops.layer_norm_backward, dy.transpose(2, 0, 1), cache, dtype="float64")
    _, cache = check(ops.softmax_forward, x.transpose(2, 0, 1), dtype="float64")
    check(ops.softmax_backward, dy.transpose(2, 0, 1), cache, dtype="float64")
    check(ops.sum_rows, x[:, :, 1], dtype="float64")


@pytest.mark.parametrize("shape", [(0, 5), (2, 0, 3)])
def test_nothing_to_compute_is_left_to_the_formula(shape):
    x = np.empty(shape)
    y, cache = ops.layer_norm_forward(on_device(x), *on_device((np.ones(shape[-1]),) * 2), 1e-5)
    assert y.shape == ops.layer_norm_backward(y, cache)[0].shape == shape


def test_another_dtype_is_left_to_the_formula():
    x = np.arange(12, dtype=np.float16).reshape(3, 4)
    assert ops.softmax_forward(on_device(x))[0].dtype == np.float16


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("prob", [1e-9, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1,), (3, 5, 7), (4, 1031)])
def test_dropout_drops_what_it_does_on_numpy(shape, prob, dtype):
    rng = np.random.default_rng(15)
    x, dy = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    draws = [np.random.default_rng(seed) for seed in (3, 3)]
    y, cache = ops.dropout_forward(x, prob, draws[0])
    (ours, our_cache), count = launched(ops.dropout_forward, x, prob, draws[1])
    assert count == 1
    assert draws[0].integers(2**63) == draws[1].integers(2**63)  # both have drawn one number
    assert (our_cache.kept.inner == cache.kept).all()
    assert our_cache.scale == cache.scale
    np.testing.assert_array_equal(ours.inner, y)
    np.testing.assert_array_equal(ops.dropout_backward(on_device(dy), our_cache).inner, ops.dropout_backward(dy, cache))


def test_a_probability_out_of_range_is_refused_as_on_numpy():
    x = on_device(np.ones((1, 1, 2, 3)))
    for call in (ops.dropout_forward, lambda *given: ops.attention_forward(x, x, x, None, *given[1:])):
        with pytest.raises(ValueError, match=r"prob=1.5 must lie in \[0, 1\]"):
            call(x, 1.5, np.random.default_rng(0))


def test_where_nothing_is_dropped_nothing_is_launched_or_drawn():
    x, rng = on_device(np.ones(3)), np.random.default_rng(3)
    for prob, given in ((0.0, rng), (0.5, None)):
        (y, cache), count = launched(ops.dropout_forward, x, prob, given)
        assert (y, cache, count) == (x, ops.DropoutCache(None, 1.0), 0)
        assert ops.dropout_backward(x, cache) is x
    assert rng.integers(2**63) == np.random.default_rng(3).integers(2**63)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("count, ids", [(1, 1), (500, 3), (64, 1), (65, 1), (400, 300)])
@pytest.mark.parametrize("whole", [np.int32, np.int64])
def test_rows_are_added_by_their_ids(count, ids, whole, dtype):
    rng = np.random.default_rng(16)
    places, rows = rng.integers(0, ids, (count, 1)).astype(whole), rng.standard_normal((count, 1, 5)).astype(dtype)
    target = np.ones((ids, 5), dtype)
    exact, ours = target.astype(np.float64), on_device(target)
    np.add.at(exact, places, rows)
    _, launches = launched(scatter_add, ours, places, rows)
    assert launches == 2
    near((ours,), (exact,), dtype)
    scatter_add(target, places, rows)
    near((target,), (exact,), dtype)


def test_no_rows_change_nothing():
    target = on_device(np.ones((4, 2)))
    scatter_add(target, *on_device((np.zeros((0,), int), np.zeros((0, 2)))))
    assert (target.inner == 1).all()


# Optimizers

SHAPES = {"a.weight": (130, 70), "a.bias": (70,), "b.weight": (3, 5), "LayerNorm.weight": (7,), "c.weight": (1,)}


def optimizer_of(kind, backend, dtype, **constants):
    """An optimizer on weights and gradients that are the same on each backend."""
    rng = np.random.default_rng(7)
    layout = Layout(SHAPES)
    stores = [ParamStore(layout, rng.standard_normal(layout.size).astype(dtype)) for _ in range(2)]
    stores[0]["c.weight"][...] = 0  # a norm of 0
    move = get_backend(backend).from_numpy
    return kind(*(ParamStore(layout, move(store.flat)) for store in stores), **constants)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("kind, launches", [(AdamW, 1), (LAMB, 2)])
@pytest.mark.parametrize("constants", [{}, {"frozen": ("a.bias", "b.weight")}, {"bias_correction": False}])
def test_a_step_of_the_whole_arena(kind, launches, constants, dtype):
    ours, plain = (optimizer_of(kind, backend, dtype, **constants) for backend in ("cuda-on-cpu", "numpy"))
    for rate in (1e-2, 3e-3, 0.0):
        CpuModule.launches = 0
        ours.step(rate)
        assert CpuModule.launches == launches
        plain.step(rate)
    pairs = [(ours.params, plain.params), (ours.first_moment, plain.first_moment), (ours.grads, plain.grads)]
    for got, want in [*pairs, (ours.second_moment, plain.second_moment)]:
        for name in SHAPES:
            scale = np.abs(want[name]).max() or 1.0
            assert np.abs(got[name].inner - want[name]).max() <= ALLOWED[dtype] * scale, name
    if kind is LAMB:
        assert ours.trust_ratios.keys() == plain.trust_ratios.keys()
        for name, ratio in plain.trust_ratios.items():
            assert abs(ours.trust_ratios[name] - ratio) <= ALLOWED[dtype] * ratio


@pytest.mark.parametrize("dtype", ALLOWED)
def test_the_global_norm_is_summed_in_double(dtype):
    ours, plain = (optimizer_of(AdamW, backend, dtype) for backend in ("cuda-on-cpu", "numpy"))
    assert abs(global_norm(ours.params) - global_norm(plain.params)) <= 1e-13 * global_norm(plain.params)


@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("length", [1, 31, 5000])
@pytest.mark.parametrize("longest", [1e-3, 1e4, "the gradients'"])
def test_gradients_are_clipped_on_the_device_without_a_wait(longest, length, dtype):
    x = np.random.default_rng(14).standard_normal(length).astype(dtype)
    longest = shorten(x.copy(), math.inf) if isinstance(longest, str) else longest
    plain, ours = x.copy(), on_device(x)
    CpuModule.launches = 0
    with counted() as counts:
        norm = shorten(ours, longest)
    assert (CpuModule.launches, counts.waits.total()) == (2, 0)
    assert abs(float(norm) - shorten(plain, longest)) <= 1e-13 * float(norm)
    near((ours,), (plain,), dtype)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_gradients_that_are_not_finite_stay_as_they_are(bad):
    x = np.array([1, bad, 3], np.float32)
    ours = on_device(x)
    assert not np.isfinite(float(shorten(ours, 1e-3)))
    np.testing.assert_array_equal(ours.inner, x)


# Orders and races


def battery():
    """Results of every kernel in which threads meet, as one list of arrays."""
    rng = np.random.default_rng(8)
    x, dy = (rng.standard_normal((300, 40)).astype(np.float32) for _ in range(2))  # some blocks have two rows
    weight, bias = (rng.standard_normal(40).astype(np.float32) for _ in range(2))
    y, cache = ops.layer_norm_forward(*on_device((x, weight, bias)), 1e-5)
    targets = on_device(tuple(np.zeros(40, np.float32) for _ in range(3)))
    launchers = get_backend("cuda-on-cpu").kernels["norm_backward"].__self__  # those of a source that is changed, too
    results = [y, *cache, launchers._norm_dx(on_device(dy), cache, *targets, adds=True), *targets]
    results += [ops.softmax_forward(on_device(x[:50]))[0]]
    results += ops.cross_entropy_forward(on_device(x[:50]), on_device(rng.integers(0, 40, 50)))
    results += [ops.sum_rows(on_device(dy)), table := on_device(np.zeros((7, 40), np.float32))]
    scatter_add(table, on_device(rng.integers(0, 7, 300)), on_device(dy))
    optimizer = optimizer_of(LAMB, "cuda-on-cpu", "float32")
    clip_by_global_norm(optimizer.grads, 0.5)
    optimizer.step(0.1)
    return [*flat(tuple(results)), global_norm(optimizer.params), optimizer.params.flat.inner]


def test_results_are_equal_to_the_bit_whatever_the_order_of_threads_and_blocks():
    first = battery()
    for seed in range(2):
        CpuModule.seed = 1000 * (seed + 1)
        for a, b in zip(first, battery(), strict=True):
            np.testing.assert_array_equal(a, b)


BARRIERS = [found.start() for found in re.finditer(r"__syncthreads\(\);", source())]


@pytest.mark.parametrize("barrier", range(len(BARRIERS)))
def test_a_missing_barrier_shows(barrier):
    code, place = source(), BARRIERS[barrier]
    right = battery()
    register(played_backend(code[:place] + code[place + len("__syncthreads();") :]))
    try:
        for seed in range(4):
            CpuModule.seed = 1000 * seed
            try:
                found = battery()
            except RuntimeError:
                return
            if any(not np.array_equal(a, b) for a, b in zip(right, found, strict=True)):
                return
    finally:
        register(played_backend())
    line = code[:place].rpartition("\n")[2]
    raise AssertionError(f"nothing noticed that a barrier was missing after {line!r}, number {barrier}")


def test_every_op_and_class_computes_what_numpy_does():
    """Every pair of ops and every model, forward and backward, dropout too: the proof that users run on their GPUs."""
    wrong = [
        f"{name}: {comparison}"
        for name, comparisons in compare_with_numpy("cuda-on-cpu", "float64")
        for comparison in comparisons
        if not comparison.ok
    ]
    assert not wrong


def test_a_bias_of_another_dtype_loses_no_gradient():
    rng = np.random.default_rng(9)
    x, weight, dy = (rng.standard_normal(shape) for shape in ((5, 4), (3, 4), (5, 3)))
    totals = []
    for move in (lambda array: array, on_device):
        g = {"weight": move(np.zeros((3, 4))), "bias": move(np.zeros(3, np.float32))}
        layers.dense_backward(move(dy), ops.LinearCache(move(x), move(weight)), g)
        totals.append(flat((g["weight"], g["bias"])))
    for ours, plain in zip(*totals, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-6)


BITS = np.random.default_rng(18).integers(0, 2**32, 3000, dtype=np.uint32)
BITS = np.concatenate([BITS, BITS >> 16 << 16 | 0x8000, BITS | 0x7F800000])  # halfway between two; NaN and infinities


@pytest.mark.parametrize("arranged", [lambda x: x, lambda x: x[::2], lambda x: x.reshape(90, 100).T, lambda x: x[:1]])
def test_numbers_are_rounded_to_the_bits_of_bfloat16(arranged):
    x = arranged(BITS.view(np.float32))
    ours, count = launched(narrowed, x, "bfloat16")
    assert (count, ours.dtype) == (1, np.uint16)
    np.testing.assert_array_equal(ours.inner, narrowed(x, "bfloat16"))
    half, count = launched(narrowed, x, "float16")
    assert count == 0
    np.testing.assert_array_equal(half.inner, narrowed(x, "float16"))


@pytest.mark.parametrize("precision", SIXTEEN_BITS)
@pytest.mark.parametrize("real", ["one sequence", "anywhere"])
def test_a_layer_keeps_16_bits_and_gives_the_formulas_numbers(real, precision):
    """Where the last digits of float32 differ, a number may be rounded to the next one: 2⁻⁸ of it in bfloat16."""
    config = small_config(hidden_act="gelu_new")
    model = AlbertForPreTraining(config, seed=3)
    rng = np.random.default_rng(19)
    plain, ours = (packed_pattern(np.array(REAL[real]), get_backend(name)) for name in ("numpy", "cuda-on-cpu"))
    x, dy = (plain.pack(rng.standard_normal((*np.shape(REAL[real]), config.hidden_size))) for _ in range(2))
    results, prefix = [], "albert.encoder.albert_layer_groups.0.albert_layers.0."
    for name, pattern in (("numpy", plain), ("cuda-on-cpu", ours)):
        move = get_backend(name).from_numpy
        stores = [ParamStore(model.layout, move(each.copy())) for each in (model.params.flat, model.grads.flat)]
        params, grads = (store.scope(prefix) for store in stores)
        CpuModule.launches = 0
        with precision_of_products(precision):
            y, cache = layers.layer_forward(move(x.astype(np.float32)), pattern, params, config)
            dx = layers.layer_backward(move(dy.astype(np.float32)), cache, grads)
        dense = (*cache.attention[:3:2], *cache.feed_forward[:3:2])
        assert {each.dtype for linear in dense for each in linear} == {SIXTEEN_BITS[precision]}
        results.append(flat((y, dx, stores[1].flat)))
    rounded_by_kernels = 3 * 4 if precision == "bfloat16" else 0  # inputs, weights, upstream gradients
    assert CpuModule.launches == 6 + 8 + rounded_by_kernels
    for got, want in zip(*results, strict=True):
        assert np.abs(got - want).max() <= 2.0 ** -(8 if precision == "bfloat16" else 11) * np.abs(want).max()


# A whole step


def step_on(backend, config, batch, precision="float32"):
    """Loss and weights of two updates, and what the second launched."""
    model = AlbertForPreTraining(config, dtype="float32", backend=backend, seed=1).train()
    model.precision = precision
    optimizer = LAMB(model.params, model.grads)
    for _ in range(2):  # the first brings the optimizer's tables to the device
        with counted() as counts:
            model.zero_grad()
            loss = model(**batch, skip_padding=True, mlm_denominator=3, sop_denominator=2).loss
            model.backward()
            clip_by_global_norm(model.grads, 0.5)
            optimizer.step(1e-2)
    return float(loss), model.backend.to_numpy(model.params.flat), counts.launches


@pytest.mark.usefixtures("counted_launches")
@pytest.mark.parametrize("dropout", [(0.0, 0.0), (0.1, 0.1), (0.0, 0.1)])
@pytest.mark.parametrize("ragged", [False, True])
def test_a_step_of_pretraining_gives_the_numbers_of_numpy_with_the_launches_that_are_counted(dropout, ragged):
    config = small_config(num_hidden_layers=2, num_hidden_groups=1, inner_group_num=1)
    probs = dict(zip(("hidden_dropout_prob", "attention_probs_dropout_prob"), dropout, strict=True))
    config = dataclasses.replace(config, **probs)
    batch = small_batch(config)
    if not ragged:
        batch["attention_mask"][...] = 1
    loss, weights, _ = step_on("numpy", config, batch)
    played_loss, played_weights, played = step_on("cuda-on-cpu", config, batch)
    _, _, launches = step_on("strict", config, batch)
    assert played.total() == launches.total(), (played, launches)
    assert abs(played_loss - loss) <= 1e-6 * loss
    assert np.abs(played_weights - weights).max() <= 3e-6 * np.abs(weights).max()


@pytest.mark.usefixtures("counted_launches")
@pytest.mark.parametrize("precision", SIXTEEN_BITS)
@pytest.mark.parametrize("ragged, dropout", [(False, 0.0), (True, 0.1)])
def test_a_step_in_16_bits_launches_what_is_counted(precision, ragged, dropout):
    config = small_config(num_hidden_layers=2, num_hidden_groups=1, inner_group_num=1)
    config = dataclasses.replace(config, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    batch = small_batch(config)
    if not ragged:
        batch["attention_mask"][...] = 1
    losses, launches = [], []
    for backend in ("numpy", "strict", "cuda-on-cpu"):
        loss, _, counts = step_on(backend, config, batch, precision)
        losses.append(loss)
        launches.append(counts.total())
    assert launches[1] == launches[2]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-3)

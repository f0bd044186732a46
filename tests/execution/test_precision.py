"""Rounding of operands to the precisions of GPUs, played on NumPy."""

import threading

import numpy as np
import pytest
from toys import strict  # noqa: F401

from albert_np import ops
from albert_np.backend import get_backend
from albert_np.checkpoints.bfloat16 import narrow, widen
from albert_np.execution import (
    PRECISIONS,
    StrictArray,
    counted,
    dense_pattern,
    for_products,
    precision_of_products,
    product,
    rounded,
    weight_for_products,
    weights_rounded_once,
    widened,
)
from albert_np.execution.precision import SIXTEEN_BITS, narrowed
from albert_np.gradcheck import DROPOUT, small_batch, small_config
from albert_np.layers import layer_forward
from albert_np.model import AlbertForPreTraining
from albert_np.training.nonfinite import first_nonfinite

MANTISSA = {"tf32": 10, "bfloat16": 7, "float16": 10}  # bits behind the point
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, np.finfo(np.float32).max, 65504, 65519, 65520, 1e-45]
EVERY_KIND = np.concatenate(
    [
        np.array(SPECIAL, np.float32),
        np.random.default_rng(0).integers(0, 2**32, 20000, dtype=np.uint32).view(np.float32),
        np.random.default_rng(1).standard_normal(5000, dtype=np.float32),
    ]
)


def plainly(x, bits):
    """Round to so many bits behind the point, with float32's exponents, in float64."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        _, exponent = np.frexp(wide)
        exponent = np.maximum(exponent, -125)  # below, numbers lie as far apart as they do here
        step = np.ldexp(1.0, exponent - bits - 1)
        return (np.rint(wide / step) * step).astype(np.float32)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_rounding_goes_to_the_nearest_and_of_two_to_the_even_one(precision):
    expected = plainly(EVERY_KIND, MANTISSA[precision])
    got = rounded(EVERY_KIND, precision)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)  # NaN as NaN
    np.testing.assert_array_equal(np.signbit(got), np.signbit(EVERY_KIND))
    np.testing.assert_array_equal(rounded(got, precision), got)


def test_bfloat16_is_what_checkpoints_are_stored_as():
    np.testing.assert_array_equal(rounded(EVERY_KIND, "bfloat16"), widen(narrow(EVERY_KIND)))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_rounding_is_pytorchs(precision):
    torch = pytest.importorskip("torch")
    expected = torch.from_numpy(EVERY_KIND).to(getattr(torch, precision)).to(torch.float32).numpy()
    np.testing.assert_array_equal(rounded(EVERY_KIND, precision), expected)


def test_rounding_leaves_other_dtypes_and_its_argument_alone():
    x, doubles = EVERY_KIND.copy(), np.ones(3)
    for kind in PRECISIONS:
        rounded(x, kind)
        assert rounded(doubles, kind) is doubles
    assert rounded(x, "float32") is x
    np.testing.assert_array_equal(x, EVERY_KIND)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_products_are_those_of_the_rounded_operands_summed_in_float32(precision):
    a, b = np.random.default_rng(0).standard_normal((2, 3, 16, 16), dtype=np.float32)
    with precision_of_products(precision):
        got = product(a, b.swapaxes(-1, -2))
        doubles = product(a.astype(np.float64), b)
        strictly = product(*map(get_backend("strict").from_numpy, (a, b.swapaxes(-1, -2)))).inner
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, rounded(a, precision) @ rounded(b, precision).swapaxes(-1, -2))
    np.testing.assert_array_equal(strictly, got)
    np.testing.assert_array_equal(doubles, a.astype(np.float64) @ b)
    error = np.abs(got - a.astype(np.float64) @ b.swapaxes(-1, -2)).max()
    unit = {"float32": 2.0**-24}.get(precision) or 2.0 ** -(MANTISSA[precision] + 1)
    assert error < 40 * unit
    assert precision == "float32" or error > unit


def test_a_precision_costs_a_device_no_more_launches():
    a, b = map(get_backend("strict").from_numpy, np.ones((2, 3, 4, 4), np.float32))
    for kind in PRECISIONS:
        with precision_of_products(kind), counted() as counts:
            product(a, b)
        assert counts.launches == {"product": 1}


def test_a_precision_is_in_force_in_its_block_and_thread_alone():
    x = np.full((1, 1), 1 + 2.0**-12, np.float32)
    seen = []
    with precision_of_products("bfloat16"):
        with precision_of_products("float32"):
            assert product(x, x) != 1
        thread = threading.Thread(target=lambda: seen.append(product(x, x)))
        thread.start()
        thread.join()
        assert product(x, x) == 1
    assert product(x, x) == seen[0] != 1


def test_an_unknown_precision_is_named():
    half = precision_of_products("half")
    with pytest.raises(ValueError, match="precision='half': allowed are float32, tf32, bfloat16, float16"), half:
        pass


# What products alone read lies in 16 bits.


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
@pytest.mark.parametrize("backend", ["numpy", "strict"])
def test_sixteen_bits_hold_the_rounded_numbers(kind, backend):
    device = get_backend(backend)
    for x in (EVERY_KIND, EVERY_KIND[:1200].reshape(3, 20, 20).transpose(2, 0, 1), EVERY_KIND[:0]):
        narrow = narrowed(device.from_numpy(x), kind)
        assert (narrow.dtype, narrow.shape) == (SIXTEEN_BITS[kind], x.shape)
        np.testing.assert_array_equal(device.to_numpy(widened(narrow)), rounded(x, kind))
        np.testing.assert_array_equal(narrowed(rounded(x, kind), kind), device.to_numpy(narrow))


def test_what_is_not_rounded_to_16_bits_stays_what_it_is():
    single, double = np.ones(3, np.float32), np.ones(3)
    for kind in PRECISIONS:
        with precision_of_products(kind):
            assert (for_products(single) is single) == (kind not in SIXTEEN_BITS)
            assert for_products(double) is weight_for_products(double) is widened(double) is double


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
def test_a_dense_layer_keeps_half_for_its_backward(kind):
    rng = np.random.default_rng(0)
    x, weight, bias = (rng.standard_normal(shape, dtype=np.float32) for shape in ((2, 50, 24), (16, 24), (16,)))
    kept = {}
    for each in ("float32", kind):
        with precision_of_products(each):
            _, cache = ops.linear_forward(x, weight, bias)
        kept[each] = cache.x.nbytes, cache.weight.nbytes
        assert cache.x.shape == x.shape
    assert kept["float32"] == (x.nbytes, weight.nbytes)
    assert kept[kind] == (x.nbytes / 2, weight.nbytes / 2)


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
@pytest.mark.parametrize("backend", ["numpy", "strict"])
@pytest.mark.parametrize(
    "sharing, groups, recompute", [("all", 2, "none"), ("attention", 4, "none"), ("all", 1, "layer")]
)
def test_keeping_16_bits_changes_no_bit_of_a_pass(kind, backend, sharing, groups, recompute, monkeypatch):
    """Against each product that rounds its operands itself, from float32, in both passes."""
    config = small_config(num_hidden_layers=4, num_hidden_groups=groups, sharing=sharing, **DROPOUT)
    found = []
    for stored in (True, False):
        if not stored:
            monkeypatch.setattr("albert_np.execution.precision.is_narrowed", lambda x: False)
        model = AlbertForPreTraining(config, backend=backend, seed=3).train()
        model.precision, model.recompute = kind, recompute
        for seed in range(2):
            out = model(**small_batch(config, seed), skip_padding=seed == 1, output_hidden_states=seed == 1)
            model.backward()
        assert model.cache.sop.classifier.x.itemsize == (2 if stored else 4)
        arrays = (model.grads.flat, out.loss, out.prediction_logits, *out.hidden_states)
        found.append([np.asarray(getattr(each, "inner", each)) for each in arrays])
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, plain)


def test_a_weight_is_rounded_once_a_pass_and_anew_in_the_next():
    weight = np.full((2, 2), 1 + 2.0**-12, np.float32)
    with precision_of_products("bfloat16"):
        assert weight_for_products(weight) is not weight_for_products(weight)  # nothing says that it stays what it is
        with weights_rounded_once():
            first = weight_for_products(weight)
            assert weight_for_products(weight) is first
            with precision_of_products("float16"):
                assert weight_for_products(weight).dtype == np.float16
        weight += 1
        with weights_rounded_once():
            assert (widened(weight_for_products(weight)) == 2).all()
    with weights_rounded_once():
        assert weight_for_products(weight) is weight


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
@pytest.mark.parametrize("sharing, groups, of_layers", [("all", 2, 8), ("attention", 4, 10), ("none", 4, 16)])
def test_weights_that_steps_share_are_rounded_once(kind, sharing, groups, of_layers):
    """Four weights a group, those that are tied once; four steps."""
    config = small_config(num_hidden_layers=4, num_hidden_groups=groups, inner_group_num=1, sharing=sharing)
    model = AlbertForPreTraining(config, backend="strict")
    model.precision = kind
    others = 5  # the mapping, pooler, MLM head (2) and SOP head
    with counted() as counts:
        model(**small_batch(config))
    assert counts.launches["narrowed"] == (4 * 4 + others) + (of_layers + others)  # inputs, weights
    model.params.flat[...] *= 2
    with counted() as counts:
        model.backward()
    assert counts.launches["narrowed"] == 4 * 4 + others  # upstream gradients; weights are those of the forward pass
    model.recompute = "layer"
    model(**small_batch(config))
    with counted() as counts:
        model.backward()
    assert counts.launches["narrowed"] == (4 * 4 + others) + (4 * 4 + of_layers)  # the steps again


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
def test_what_else_is_read_stays_in_float32(kind):
    config = small_config()
    model = AlbertForPreTraining(config, seed=1).eval()
    x = np.random.default_rng(0).standard_normal((2, 5, config.hidden_size), dtype=np.float32)
    with precision_of_products(kind):
        _, cache = layer_forward(x, dense_pattern(2, 5), model.params.scope("albert." + PREFIX), config)
    narrow = {path for path, array in arrays_of(cache) if array.dtype == SIXTEEN_BITS[kind]}
    dense = "attention.query_key_value attention.dense feed_forward.ffn feed_forward.ffn_output".split()
    assert narrow == {f".{path}.{field}" for path in dense for field in ("x", "weight")}
    assert {array.dtype for path, array in arrays_of(cache) if path not in narrow} == {np.dtype(np.float32)}


PREFIX = "encoder.albert_layer_groups.0.albert_layers.0."


def arrays_of(value, path=""):
    if isinstance(value, np.ndarray | StrictArray):
        yield path, value
    elif isinstance(value, tuple | list):
        for name, child in zip(getattr(value, "_fields", range(len(value))), value, strict=True):
            yield from arrays_of(child, f"{path}.{name}")


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
def test_the_inputs_of_steps_are_kept_only_where_somebody_reads_them(kind):
    model = AlbertForPreTraining(small_config())
    batch = small_batch(model.config)
    kept = {}
    for settings in ({}, {"output_hidden_states": True}, {"recompute": "layer"}):
        model.recompute = settings.get("recompute", "none")
        for model.precision in ("float32", kind):
            model(**batch, output_hidden_states="output_hidden_states" in settings)
            kept[(*settings, model.precision)] = {
                None if call.x is None else call.x.dtype for call in model.cache.albert.encoder.calls
            }
    assert kept.pop((kind,)) == {None}
    assert all(each == {np.dtype(np.float32)} for each in kept.values())


@pytest.mark.parametrize("kinds", [("bfloat16", "float32"), ("float32", "float16"), ("float16", "bfloat16")])
def test_a_precision_may_change_between_the_two_passes(kinds):
    gradients = {}
    for each in (kinds, ("float32", "float32")):
        model = AlbertForPreTraining(small_config(), seed=1).eval()
        model.precision = each[0]
        model(**small_batch(model.config))
        model.precision = each[1]
        model.backward()
        gradients[each] = model.grads.flat
    exact = gradients["float32", "float32"]
    assert 0 < np.linalg.norm(gradients[kinds] - exact) < 2e-2 * np.linalg.norm(exact)


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
def test_an_array_of_16_bits_that_went_bad_is_found(kind):
    model = AlbertForPreTraining(small_config())
    model.precision = kind
    model(**small_batch(model.config))
    assert first_nonfinite(model) is None
    model.cache.albert.encoder.mapping.x[0, 0, 0] = narrowed(np.array(np.inf, np.float32), kind)
    assert first_nonfinite(model) == "cache.albert.encoder.mapping.x"

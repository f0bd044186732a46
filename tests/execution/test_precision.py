"""Rounding of operands to the precisions of GPUs, played on NumPy."""

import threading

import numpy as np
import pytest
from toys import strict  # noqa: F401

from albert_np.backend import get_backend
from albert_np.checkpoints.bfloat16 import narrow, widen
from albert_np.execution import PRECISIONS, counted, precision_of_products, product, rounded

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
    for precision in PRECISIONS:
        rounded(x, precision)
        assert rounded(doubles, precision) is doubles
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
    for precision in PRECISIONS:
        with precision_of_products(precision), counted() as counts:
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

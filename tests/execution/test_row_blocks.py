from functools import partial

import numpy as np
import pytest

from albert_np import ops
from albert_np.execution import row_blocks as kernels


@pytest.mark.parametrize("activation", ["gelu", "gelu_new"])
@pytest.mark.parametrize("shape", [(7, 5, 24), (35, 24), (4096,)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_give_the_same_bits_as_the_whole(activation, shape, dtype, monkeypatch):
    forward, backward = partial(ops.activation_forward, name=activation), ops.activation_backward
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((*shape, 2)).astype(dtype)[..., 0] for _ in range(2))  # not contiguous
    whole, cache = forward(x)
    monkeypatch.setattr(kernels, "BLOCK_BYTES", 1000)
    np.testing.assert_array_equal(forward(x)[0], whole)
    got = backward(dy, cache)
    monkeypatch.undo()
    np.testing.assert_array_equal(got, backward(dy, cache))
    assert got.dtype == dtype
    assert got.shape == shape


def test_blocks_cut_large_arrays_only(monkeypatch):
    sizes = []

    @kernels.in_row_blocks
    def double(x):
        sizes.append(len(x))
        return 2 * x

    monkeypatch.setattr(kernels, "BLOCK_BYTES", 8 * 3 * 4)
    x = np.arange(30.0).reshape(10, 3)
    np.testing.assert_array_equal(double(x), 2 * x)
    double(x[:4])
    assert sizes == [4, 4, 2, 4]

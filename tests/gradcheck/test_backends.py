import pytest
import toys.strict  # noqa: F401 — the backend of that name

from albert_np import gradcheck
from albert_np.gradcheck import compare_with_numpy


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_op_and_class_on_another_array_library_agrees_with_numpy(dtype):
    cases = dict(compare_with_numpy("strict", dtype))
    assert len(cases) == len([*gradcheck.op_cases(), *gradcheck.model_cases()])
    for name, rows in cases.items():
        assert rows, name
        assert all(row.ok for row in rows), [str(row) for row in rows if not row.ok]


def test_a_wrong_product_on_the_device_is_found(monkeypatch):
    from albert_np.backend import get_backend

    device = get_backend("strict")
    right = device.kernels["product"]

    def wrong(a, b, precision):
        return right(a, b, precision) * 1.001

    monkeypatch.setitem(device.kernels, "product", wrong)
    cases = dict(compare_with_numpy("strict"))
    assert not all(row.ok for row in cases["linear"])
    assert not all(row.ok for row in cases["AlbertForPreTraining, dropout"])

"""Every output and every gradient against values that PyTorch computed once: needs no torch."""

from pathlib import Path

import numpy as np
import pytest
from reference import model_cases

from albert_np.gradcheck import compare_results, model_results

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE / "torch_reference.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 2e-4)])
@pytest.mark.parametrize("case", model_cases.CASES)
def test_outputs_and_gradients_equal_pytorchs(case, dtype, tolerance, reference):
    expected = {name.partition("/")[2]: value for name, value in reference.items() if name.startswith(case + "/")}
    model, inputs = model_cases.make(case, dtype)
    got = model_results(model, inputs)
    rows = compare_results(got, expected, tolerance)
    assert len(rows) > 30
    assert all(row.ok for row in rows), "\n".join(str(row) for row in rows if not row.ok)

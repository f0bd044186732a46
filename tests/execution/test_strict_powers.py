"""What strict arrays write down of a power: NumPy computes short ones as squares and roots."""

import numpy as np
import pytest

from albert_np.execution import StrictArray, recorded


@pytest.mark.parametrize(
    "exponent, name", [(2, "square"), (0.5, "sqrt"), (-1, "reciprocal"), (3, "pow"), (1.5, "pow"), (-2, "pow")]
)
def test_a_short_power_is_told_from_a_general_one(exponent, name):
    with recorded() as operations:
        StrictArray(np.array([1.0, 4.0])) ** exponent
    assert [operation.name for operation in operations] == [name]

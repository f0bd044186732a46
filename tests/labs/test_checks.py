"""What findings are made of: differences of a forward function."""

import numpy as np
import pytest

from albert_np.labs.checks import slope_along, slopes


def test_a_slope_is_that_of_a_cubic_along_any_direction_and_the_array_is_put_back():
    rng = np.random.default_rng(0)
    x, direction, dy = rng.standard_normal((3, 2, 4))
    before = x.copy()
    gradient = 3 * dy * x**2  # a difference of fourth order has no error for a cubic
    assert slope_along(lambda: x**3, x, dy, direction, 1e-3) == pytest.approx((gradient * direction).sum(), rel=1e-9)
    assert slope_along(lambda: x**3, x, dy, 1.0, 1e-3, (1, 2)) == pytest.approx(gradient[1, 2], rel=1e-9)
    np.testing.assert_allclose(slopes(lambda: x**3, x, dy), gradient, rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(x, before)

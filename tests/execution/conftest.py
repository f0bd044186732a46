"""What tests of execution share."""

import pytest
from toys.kernel_launches import counted_kernels

from albert_np.backend import register
from albert_np.execution import strict_backend


@pytest.fixture
def counted_launches():
    """Let the backend "strict" count launches as with kernels, as long as a test runs."""
    register(strict_backend(counted_kernels()))
    yield
    register(strict_backend())

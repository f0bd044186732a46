"""Strict arrays as the backend "strict", a GPU's stand-in; importing this module makes it known."""

from albert_np.backend import register
from albert_np.execution import StrictArray, strict_backend

__all__ = ["StrictArray"]

register(strict_backend())

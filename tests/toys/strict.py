"""An array type that, like CuPy's, refuses to mix with NumPy arrays or to turn into one by itself.

It stands in for a GPU on machines that have none: code that runs on it follows its arrays everywhere. It is the one
that the course registers as a third backend; importing this module makes it known as "strict".
"""

from dataclasses import replace

from albert_np.backend import register
from albert_np.course.lesson17 import StrictArray, strict_backend

__all__ = ["StrictArray"]

register(replace(strict_backend(), name="strict"))

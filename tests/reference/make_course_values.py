"""PyTorch's values for the ops that the course derives; with torch, `python tests/reference/make_course_values.py`."""

import numpy as np

from albert_np.course.verification import VALUES, cases, live_results

np.savez_compressed(
    VALUES, **{f"{name}/{key}": array for name, case in cases().items() for key, array in live_results(case).items()}
)

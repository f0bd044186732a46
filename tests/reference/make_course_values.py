"""PyTorch's values for the ops that the course derives; with torch, `python tests/reference/make_course_values.py`."""

import numpy as np

from albert_np.course.verification import VALUES, drawn_cases, live_results

arrays = {}
for name, case in drawn_cases().items():
    given = {**case.inputs, **case.fixed}
    arrays |= {f"{name}/argument/{key}": x for key, x in given.items() if isinstance(x, np.ndarray)}
    arrays |= {f"{name}/value/{key}": x for key, x in live_results(case).items()}
np.savez_compressed(VALUES, **arrays)

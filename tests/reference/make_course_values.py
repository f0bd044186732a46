"""PyTorch's values for what the course derives; with torch, `python tests/reference/make_course_values.py`.

Those of the whole model are taken from torch_reference.npz, which make_torch_reference.py makes.
"""

from pathlib import Path

import numpy as np
from model_cases import make

from albert_np.course.verification import VALUES, drawn_cases, live_results

arrays = {}
for name, case in drawn_cases().items():
    given = {**case.inputs, **case.fixed}
    arrays |= {f"{name}/argument/{key}": x for key, x in given.items() if isinstance(x, np.ndarray)}
    arrays |= {f"{name}/value/{key}": x for key, x in live_results(case).items()}

MODEL = "model_gelu_new"
arrays |= {f"model/argument/{key}": x for key, x in make(MODEL)[1].items()}
with np.load(Path(__file__).with_name("torch_reference.npz")) as file:
    arrays |= {f"model/value/{k.partition('/')[2]}": file[k] for k in file.files if k.startswith(f"{MODEL}/")}
np.savez_compressed(VALUES, **arrays)

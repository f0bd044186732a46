"""Write torch_reference.npz: what Hugging Face's PyTorch ALBERT computes, in float64, for each of the cases.

Run from the repository's root, where torch and transformers are installed:
    PYTHONPATH=tests python tests/reference/make_torch_reference.py
"""

from pathlib import Path

import numpy as np
from reference import model_cases

from albert_np.gradcheck import torch_results

if __name__ == "__main__":
    arrays = {}
    for case in model_cases.CASES:
        model, inputs = model_cases.make(case)
        arrays |= {f"{case}/{name}": value for name, value in torch_results(model, inputs).items()}
    np.savez_compressed(Path(__file__).with_name("torch_reference.npz"), **arrays)

"""Proofs of an array library: every op and every class on it, against NumPy in float64."""

from collections.abc import Iterator

import numpy as np

from albert_np.backend import get_backend
from albert_np.gradcheck.cases import Case, ModelCase, model_cases, op_cases
from albert_np.gradcheck.checks import Comparison, compare, compare_results, listed, scattered
from albert_np.model import AlbertBase

__all__ = ["BACKEND_TOLERANCES", "compare_with_numpy"]

BACKEND_TOLERANCES = {"float64": 1e-9, "float32": 2e-4}  # of right results in another order of sums


def compare_with_numpy(backend: str, dtype: str = "float32", seed: int = 0) -> Iterator[tuple[str, list[Comparison]]]:
    """Compute every op and every class on a backend in `dtype`; yield each case's name and its comparisons.

    What they are compared with is NumPy's result in float64, which finite differences prove. Dropout masks have the
    same bits on both sides.
    """
    for op in op_cases(seed):
        yield op.name, _compare_op(op, backend, dtype)
    for case in model_cases(seed):
        yield case.name, _compare_model(case, backend, dtype)


def _compare_op(case: Case, backend: str, dtype: str) -> list[Comparison]:
    device = get_backend(backend)

    def moved(value: object) -> object:
        if not isinstance(value, np.ndarray):
            return value
        return device.from_numpy(value.astype(dtype) if value.dtype.kind == "f" else value)

    arguments = {**case.inputs, **case.fixed}
    y, cache = case.forward(**arguments)
    dy = scattered(np.shape(y))
    got_y, got_cache = case.forward(**{name: moved(value) for name, value in arguments.items()})
    got = listed(case.backward(moved(dy), got_cache))
    expected = listed(case.backward(dy, cache))
    tolerance = BACKEND_TOLERANCES[dtype]
    named = zip((f"d {name}" for name in case.inputs), got, expected, strict=True)
    return [compare("y", got_y, y, tolerance), *(compare(name, ours, truth, tolerance) for name, ours, truth in named)]


def _compare_model(case: ModelCase, backend: str, dtype: str) -> list[Comparison]:
    twin = type(case.model)(case.model.config, dtype=dtype, backend=backend)
    twin.params.flat[...] = twin.backend.from_numpy(case.model.params.flat.astype(dtype))
    got, expected = (_results(model, case) for model in (twin, case.model))
    return compare_results(got, expected, BACKEND_TOLERANCES[dtype])


def _results(model: AlbertBase, case: ModelCase) -> dict[str, np.ndarray]:
    """Return the outputs of a case and, under "d name", the gradients of a training pass."""
    before, model.rng = model.rng, np.random.default_rng(5)
    model.zero_grad()
    out = model.train()(**case.inputs)
    outputs = {name: getattr(out, name) for name in case.outputs}
    upstreams = {
        name: scattered(tuple(y.shape)) if y.shape else float(scattered((1,))[0]) for name, y in outputs.items()
    }
    model.backward(**upstreams)
    model.rng = before
    tensors = outputs | {f"d {name}": gradient for name, gradient in model.grads.items()}
    return {
        name: np.asarray(x) if isinstance(x, np.generic) else model.backend.to_numpy(x) for name, x in tensors.items()
    }

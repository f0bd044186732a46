"""What a precision of products costs: gradients against those that the same weights give in float64."""

from collections.abc import Iterable, Mapping

import numpy as np

from albert_np.backend import ArrayLike
from albert_np.gradcheck.checks import LOSS_SCALE, Comparison, model_results
from albert_np.model import AlbertBase

__all__ = ["PRECISION_TOLERANCES", "compare_with_float64"]

# Of ‖error‖ / ‖gradient‖: some 20 times what one product is off by, since a dozen stand one behind the other.
PRECISION_TOLERANCES = {"float32": 1e-5, "tf32": 1e-2, "bfloat16": 1e-1, "float16": 1e-2}


def compare_with_float64(model: AlbertBase, inputs: Mapping[str, ArrayLike]) -> Comparison:
    """Compare all gradients of a float32 model, in its own `precision`, with the truth, as one array.

    The relative error is ‖error‖ / ‖truth‖. In float16 gradients are scaled by `LOSS_SCALE` on their way. index, got
    and expected are of the number that is off most. TypeError for a model of another dtype.
    """
    if model.dtype != np.float32:
        raise TypeError(f"a precision of products is one of a float32 model, this one is {model.dtype}")
    exact = type(model)(model.config, dtype="float64")
    exact.params.flat[...] = model.backend.to_numpy(model.params.flat)
    results = model_results(model, inputs, LOSS_SCALE if model.precision == "float16" else 1.0)
    truths = model_results(exact, inputs)
    errors = {name: results[name] - truth for name, truth in truths.items() if name.startswith("d ")}
    worst = max(errors, key=lambda name: np.abs(errors[name]).max())
    index = tuple(int(i) for i in np.unravel_index(np.abs(errors[worst]).argmax(), errors[worst].shape))
    relative = _norm(errors.values()) / _norm(truths[name] for name in errors)
    return Comparison(
        f"all gradients, most off in {worst.removeprefix('d ')}",
        float(np.abs(errors[worst][index])),
        relative,
        index,
        float(results[worst][index]),
        float(truths[worst][index]),
        PRECISION_TOLERANCES[model.precision],
    )


def _norm(arrays: Iterable[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.square(x, dtype=np.float64).sum() for x in arrays)))

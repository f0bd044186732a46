"""NaN and infinity in training: the error that stops it, and the search for the array that went bad first."""

from albert_np.backend import Array, array_module, backend_of
from albert_np.execution import Model, widened

__all__ = ["NonFiniteError", "first_nonfinite"]

ADVICE = (
    "Lower the learning rate (one tuned for batches of 4096 shrinks with the square root of the batch, "
    "lr · √(B / 4096)), warm up for longer or clip to a smaller norm, and start a new run."
)


class NonFiniteError(FloatingPointError):
    """Training met NaN or infinity and stopped before it could reach the weights or a checkpoint.

    step: updates made before. what: the quantity and its value. tensor: the first array that went bad, or None.
    """

    def __init__(self, step: int, what: str, tensor: str | None, learning_rate: float):
        self.step = step
        self.what = what
        self.tensor = tensor
        self.learning_rate = learning_rate
        super().__init__(step, what, tensor, learning_rate)

    def __str__(self) -> str:
        return (
            f"after {self.step} updates {self.what}; first bad array: {self.tensor or 'none found'}. "
            f"The last checkpoint is untouched. The learning rate was {self.learning_rate:.3g}. {ADVICE}"
        )


def first_nonfinite(model: Model) -> str | None:
    """Name the first array of the model that holds NaN or infinity, or return None.

    Weights come first, then what the last forward pass kept, in the order computed, then gradients:
    `params['albert.pooler.weight']`, `cache.albert.encoder.steps[3].attention.dense.x`, `grads['…']`.
    """
    for name, weight in model.params.items():
        if not _is_finite(weight):
            return f"params[{name!r}]"
    array_type = backend_of(model.params.flat).array_type
    found = _search(model.cache, "cache", array_type)
    if found:
        return found
    for name, grad in model.grads.items():
        if not _is_finite(grad):
            return f"grads[{name!r}]"
    return None


def _search(value: object, path: str, array_type: type) -> str | None:
    """Walk named tuples, tuples and lists in order; return the path to the first array that is not finite."""
    if isinstance(value, array_type):
        return None if _is_finite(value) else path
    if not isinstance(value, list | tuple):
        return None
    fields = getattr(value, "_fields", None)
    names = [f".{field}" for field in fields] if fields else [f"[{i}]" for i in range(len(value))]
    children = zip(names, value, strict=True)
    return next((found for name, child in children if (found := _search(child, path + name, array_type))), None)


def _is_finite(x: Array) -> bool:
    x = widened(x)  # what products alone read may lie in 16 bits
    return x.dtype.kind != "f" or bool(array_module(x).isfinite(x).all())

"""What running and training ask of a model; every class in `albert_np.model` that has a loss offers it."""

from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from albert_np.backend import Array, Backend
from albert_np.config import AlbertConfig
from albert_np.params import ParamStore

__all__ = ["Model"]


class Model(Protocol):
    """A model with its weights and gradients, a mode (training or not), and the cache of its last forward pass.

    config: its settings. params, grads: stores of one layout. training: whether dropout is on. recompute: what the
    backward pass computes again. precision: of its matrix products. offload: what it hands to the host meanwhile. rng:
    where dropout masks come from. cache: what the last forward pass kept for `backward`, named tuples, tuples and lists
    of arrays; None if nothing. backend: where its arrays live.
    """

    config: AlbertConfig
    params: ParamStore
    grads: ParamStore
    training: bool
    recompute: str
    precision: str
    offload: str
    rng: np.random.Generator
    cache: Any

    @property
    def backend(self) -> Backend: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the forward pass and return an output; one made with labels has a `loss`."""

    def backward(self, *args: Any, **kwargs: Any) -> Array:
        """Add the gradient of the last pass's loss, times what `loss` gives or 1, to `grads`."""

    def zero_grad(self) -> None:
        """Set all gradients to zero."""

    def train(self) -> Self:
        """Switch dropout on."""

    def eval(self) -> Self:
        """Switch dropout off."""

    def replica(self) -> Self:
        """Return a model that shares the weights and has gradients, cache and random stream of its own."""

    def save_pretrained(self, folder: Path) -> None:
        """Write configuration and weights into a folder."""

    @classmethod
    def from_pretrained(cls, source: Path, dtype: str, backend: str) -> Self:
        """Load what `save_pretrained` wrote."""

"""All kernels of a backend by the names of the formulas that they stand for."""

from collections.abc import Callable, Mapping
from typing import Any

from albert_np.execution.kernels.of_arena import OfArena
from albert_np.execution.kernels.of_layers import OfLayers

__all__ = ["Launchers"]

PAIRS = ("activation", "dropout", "layer_norm", "softmax", "attention", "cross_entropy", "heads", "layer")
OTHERS = "norm_backward dense_backward narrowed sum_rows scatter_add sum_of_squares shorten update".split()


class Launchers(OfLayers, OfArena):
    """The launchers of one backend, see `Launching`."""

    def by_name(self) -> Mapping[str, Callable[..., Any]]:
        """Return the launchers by the names of their formulas."""
        names = [f"{pair}_{direction}" for pair in PAIRS for direction in ("forward", "backward")]
        return {name: getattr(self, name) for name in (*names, *OTHERS)}

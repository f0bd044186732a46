"""An ONNX graph while it is made: nodes in order, and every weight once, however many nodes read it."""

from typing import Any

import numpy as np

from albert_np.model.base import AlbertBase

__all__ = ["Graph", "needs_onnx"]


def needs_onnx() -> Any:
    """Return the package `onnx`; ImportError says what to install."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError("ONNX files need the onnx package: pip install 'albert-np[onnx]'") from error
    return onnx


class Graph:
    """Nodes and initializers of a model, float32. Values are known by their names, as everywhere in ONNX."""

    def __init__(self, model: AlbertBase):
        self.model = model
        self.onnx = needs_onnx()
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self._weights: dict[tuple[int, bool], str] = {}  # place in the arena, whether transposed → name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; returns the name of its output, or their names if there are more."""
        names = [f"{op}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def name_output(self, value: str, name: str) -> None:
        """Let a value be known by another name too, as an output of the model."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))

    def weight(self, name: str, transposed: bool = False) -> str:
        """Return the name of a parameter, stored once even where it has several: sharing costs nothing."""
        place = (self.model.layout.slots[name][0], transposed)
        if place not in self._weights:
            self._weights[place] = f"{name}.T" if transposed else name
            array = self.model.backend.to_numpy(self.model.params[name])
            self._store(self._weights[place], (array.T if transposed else array).astype(np.float32))
        return self._weights[place]

    def number(self, value: float) -> str:
        """Return the name of a float without axes."""
        return self._constant(np.float32(value))

    def integers(self, *values: int) -> str:
        """Return the name of a list of integers."""
        return self._constant(np.array(values, np.int64))

    def _constant(self, array: np.ndarray | np.generic) -> str:
        name = f"constant {array.tolist()}"
        if name not in self.initializers:
            self._store(name, array)
        return name

    def _store(self, name: str, array: np.ndarray | np.generic) -> None:
        self.initializers[name] = self.onnx.numpy_helper.from_array(
            np.ascontiguousarray(array).reshape(array.shape), name
        )

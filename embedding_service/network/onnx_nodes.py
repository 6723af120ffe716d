"""Builds an ONNX graph node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Tensors = Mapping[str, tuple[type[np.generic], tuple[str | int, ...]]]
    """Type and shape by name. A size that is open has a name instead of a number."""

_OPSET = 18
_IR_VERSION = 10


class Nodes:
    """Collects nodes and constants. Every node has one output, of the same name as the node."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes the weights of the layers, by name."""
        self.arrays = arrays
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._named: set[str] = set()

    def add(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node, unless one of this name exists, and returns the name of its output."""
        if name not in self._named:
            self._named.add(name)
            node = helper.make_node(kind, list(inputs), [name], name=name, **attributes)
            self._nodes.append(node)
        return name

    def split(self, name: str, x: str, parts: Sequence[str], width: int) -> None:
        """Adds a node that cuts the channels into parts, each `width` wide."""
        sizes = self.integers(f"{name}.sizes", [width] * len(parts))
        self._nodes.append(helper.make_node("Split", [x, sizes], list(parts), name=name, axis=1))

    def floats(self, name: str, values: Any) -> str:
        """Adds a constant of floats, unless one of this name exists, and returns its name."""
        return self._constant(name, np.asarray(values, np.float32, order="C"))

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Adds a constant of integers (axes, sizes), as `floats` does."""
        return self._constant(name, np.asarray(values, np.int64))

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        if name not in self._named:
            self._named.add(name)
            self._constants.append(numpy_helper.from_array(values, name))
        return name

    def serialize(self, name: str, inputs: Tensors, outputs: Tensors) -> bytes:
        """Checks the graph with onnx's checker and returns it as bytes."""
        graph = helper.make_graph(
            self._nodes, name, _values(inputs), _values(outputs), self._constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="audiosearch",
        )
        onnx.checker.check_model(model)
        serialized: bytes = model.SerializeToString()
        return serialized


def _values(tensors: Tensors) -> list[Any]:
    return [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
        for name, (kind, shape) in tensors.items()
    ]

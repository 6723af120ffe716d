"""Builds PaddleSpeech's CNN14, CNN10 and CNN6 as ONNX graphs from their weights.

A graph computes the same as the class, for several clips of unlike length: each is followed by
zeros up to the length of the longest. The zeros are what a convolution reads beyond a clip's end in
PaddleSpeech's network too, if they are restored wherever a layer has written something else. So a
mask multiplies what the next convolution reads: 1 at the steps of the clip, 0 after them.

Three more steps differ in form, all exact. Time is the last axis: the engine is fast along that
one, and the last blocks have more steps of time than bands. The normalisation after a convolution
is folded into it. The mean over time is a sum, divided by the number of the clip's own steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedding_service.network.families.panns.network import BANDS
from embedding_service.network.families.panns.packing import Batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embedding_service.network.onnx_nodes import Nodes

GRAPH_VERSION = 2
"""Version of the graph, to be raised with every change here, so that no older one is reused."""

_BATCHNORM_EPS = 1e-5
"""Epsilon of Paddle's BatchNorm2D."""


VECTORS, TAGS = "vectors", "tags"
_FEATURES, _ABSENT = Batch._fields


def build(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Builds the graph.

    Args:
        arrays: Weights by their names in the class's `state_dict`, all of them, checked.

    Returns:
        A serialized ONNX model. Its inputs are those of `Batch`, in that order. Its outputs are
        `vectors`, shape (clips, dimension), of any norm and without negative values, and `tags`,
        shape (clips, tags), probabilities; both float32. Nodes are named after the network's
        layers: `conv_block1.conv1`, `fc1`.
    """
    from embedding_service.network.onnx_nodes import Nodes  # noqa: PLC0415  onnx: only to convert a model

    graph = Nodes(arrays)
    blocks = sum(key.startswith("conv_block") and key.endswith(".conv1.weight") for key in arrays)
    masks = _Masks(graph)
    scale, shift = (part.reshape(1, 1, -1, 1) for part in _affine(graph, "bn0"))
    x = graph.add("Mul", "bn0.scaled", _FEATURES, graph.floats("bn0.scale", scale))
    x = graph.add("Add", "bn0.shifted", x, graph.floats("bn0.shift", shift))
    x = masks.apply("bn0", x)
    for number in range(1, blocks + 1):
        x = _block(graph, masks, f"conv_block{number}", x, halves=number < 6)
    x = _dense(graph, "fc1", _pool(graph, masks, x))
    vectors = graph.add("Relu", VECTORS, x)
    graph.add("Sigmoid", TAGS, _dense(graph, "fc_audioset", vectors))
    dimension, tags = arrays["fc_audioset.weight"].shape
    inputs = {
        _FEATURES: (np.float32, ("clips", 1, BANDS, "frames")),
        _ABSENT: (np.float32, ("clips", 1, 1, "frames")),
    }
    outputs = {
        VECTORS: (np.float32, ("clips", dimension)),
        TAGS: (np.float32, ("clips", tags)),
    }
    return graph.serialize("panns", inputs, outputs)


class _Masks:
    """The mask of the clips at each length of the time axis, which every block halves."""

    def __init__(self, graph: Nodes) -> None:
        self._graph = graph
        self._level = 0
        self._absent = _ABSENT

    def halve(self) -> None:
        """Goes on to the time axis after a pooling: a step of two frames takes both."""
        self._level += 1
        self._absent = self._graph.add(
            "MaxPool", f"absent.{self._level}", self._absent, kernel_shape=[1, 2], strides=[1, 2]
        )

    def present(self) -> str:
        """Returns the mask: 1 at the steps of a clip."""
        one = self._graph.floats("one", 1)
        return self._graph.add("Sub", f"present.{self._level}", one, self._absent)

    def apply(self, name: str, x: str) -> str:
        """Adds zeros after the end of each clip."""
        return self._graph.add("Mul", f"{name}.masked", x, self.present())


def _block(graph: Nodes, masks: _Masks, block: str, x: str, *, halves: bool) -> str:
    """Adds one or two convolutions, each with its ReLU, and the pooling."""
    x = _conv(graph, f"{block}.conv1", f"{block}.bn1", x)
    if f"{block}.conv2.weight" in graph.arrays:
        x = masks.apply(f"{block}.conv1", x)
        x = _conv(graph, f"{block}.conv2", f"{block}.bn2", x)
    if halves:
        x = graph.add("AveragePool", f"{block}.pool", x, kernel_shape=[2, 2], strides=[2, 2])
        masks.halve()
    return masks.apply(block, x)


def _conv(graph: Nodes, layer: str, norm: str, x: str) -> str:
    """Adds a convolution with the normalisation after it folded in, and a ReLU."""
    scale, shift = _affine(graph, norm)
    weight = graph.arrays[f"{layer}.weight"].astype(np.float64) * scale[:, None, None, None]
    weight = weight.swapaxes(2, 3)
    kernel = list(weight.shape[2:])
    edge = [size // 2 for size in kernel]
    x = graph.add(
        "Conv",
        layer,
        x,
        graph.floats(f"{layer}.weight", weight),
        graph.floats(f"{layer}.bias", shift),
        kernel_shape=kernel,
        pads=edge * 2,
    )
    return graph.add("Relu", f"{layer}.relu", x)


def _affine(graph: Nodes, norm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns scale and shift of a BatchNorm of fixed statistics, each of shape (n,)."""
    part = {
        key: graph.arrays[f"{norm}.{key}"].astype(np.float64)
        for key in ("weight", "bias", "_mean", "_variance")
    }
    scale = part["weight"] / np.sqrt(part["_variance"] + _BATCHNORM_EPS)
    return scale, part["bias"] - part["_mean"] * scale


def _pool(graph: Nodes, masks: _Masks, x: str) -> str:
    """Adds the mean over the bands, then mean plus maximum over time, shape (clips, channels).

    No value is negative after a ReLU, so the zeros after a clip never are the maximum.
    """
    bands = time = graph.integers("axis.2", [2])  # time moves up when the bands are gone
    x = graph.add("ReduceMean", "pool.bands", x, bands, keepdims=0)
    present = graph.add("Squeeze", "pool.present", masks.present(), graph.integers("axis.1", [1]))
    steps = graph.add("ReduceSum", "pool.steps", present, time, keepdims=0)
    total = graph.add("ReduceSum", "pool.sum", x, time, keepdims=0)
    mean = graph.add("Div", "pool.mean", total, steps)
    most = graph.add("ReduceMax", "pool.max", x, time, keepdims=0)
    return graph.add("Add", "pool", most, mean)


def _dense(graph: Nodes, layer: str, x: str) -> str:
    """Adds a linear layer; Paddle's weights have the shape (in, out)."""
    weight, bias = graph.arrays[f"{layer}.weight"], graph.arrays[f"{layer}.bias"]
    x = graph.add("MatMul", f"{layer}.product", x, graph.floats(f"{layer}.weight", weight))
    return graph.add("Add", layer, x, graph.floats(f"{layer}.bias", bias))

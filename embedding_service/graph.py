"""PaddleSpeech's ECAPA-TDNN as an ONNX graph, built from its weights and the shape of its network.

The graph computes what `paddlespeech.vector.models.ecapa_tdnn.EcapaTdnn` does for clips without
padding, with the number of clips and of frames left open. Three things are done differently, all
exact: time is the width of an image of height 1, since engines know convolutions of images best;
the attention's first layer multiplies mean and spread once a clip, not once a frame; and the
normalisation before the last layer is part of that layer. Vectors leave as the network gives them:
scaling them to length 1 is the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

GRAPH_VERSION = 1
"""Goes up with every change of what is built: a graph kept on disk is one of this version."""

INPUT = "features"
OUTPUT = "vectors"

_OPSET = 18
_IR_VERSION = 10
_BATCHNORM_EPS = 1e-5
"""Of PaddleSpeech's BatchNorm1d."""

_VARIANCE_FLOOR = 1e-12
"""Of PaddleSpeech's AttentiveStatisticsPooling."""

_DILATIONS = (1, 2, 3, 4, 1)
"""Of PaddleSpeech's EcapaTdnn, when its settings name none."""


def build(arrays: Mapping[str, NDArray[Any]], shape: Mapping[str, Any]) -> bytes:
    """Builds the graph.

    Args:
        arrays: Weights by their names in EcapaTdnn's `state_dict`, all of them, checked.
        shape: The keyword arguments of EcapaTdnn; of these, `dilations` and `global_context`
            can't be read off the weights.

    Returns:
        A serialized ONNX model. Input `features`, float32, shape (clips, bands, frames), all clips
        equally long; output `vectors`, float32, shape (clips, dimension), of any length.
        Nodes are named after the network's layers: `blocks.0.conv`, `asp.softmax`, `fc.conv`.
    """
    dilations = shape.get("dilations", _DILATIONS)
    graph = _Graph(arrays)
    x = graph.add("Unsqueeze", "input", INPUT, graph.integers("input.axis", [2]))
    x = _tdnn(graph, "blocks.0", x, dilations[0])
    levels = []
    for index in range(1, len(dilations) - 1):
        x = _se_res2net(graph, f"blocks.{index}", x, dilations[index])
        levels.append(x)
    x = graph.add("Concat", "mfa.concat", *levels, axis=1)
    x = _tdnn(graph, "mfa", x, dilations[-1])
    x = _pool(graph, x, wide=shape.get("global_context", True))
    x = _last(graph, x)
    graph.add("Flatten", OUTPUT, x, axis=1)
    return graph.serialize()


class _Graph:
    """Nodes and constants as they are added; every node has one output, named as the node."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.arrays = arrays
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node and returns the name of its output."""
        from onnx import helper  # noqa: PLC0415  heavy: only where a model is converted

        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, name: str, x: str, parts: Sequence[str], width: int) -> None:
        """Cuts the channels into parts, each `width` wide."""
        from onnx import helper  # noqa: PLC0415  heavy: only where a model is converted

        sizes = self.integers(f"{name}.sizes", [width] * len(parts))
        self._nodes.append(helper.make_node("Split", [x, sizes], list(parts), name=name, axis=1))

    def floats(self, name: str, values: NDArray[Any]) -> str:
        """Adds a constant of floats."""
        return self._constant(name, np.ascontiguousarray(values, np.float32))

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Adds a constant of whole numbers: axes, sizes."""
        return self._constant(name, np.asarray(values, np.int64))

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        from onnx import numpy_helper  # noqa: PLC0415  heavy: only where a model is converted

        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def serialize(self) -> bytes:
        """Checks the graph's form and returns it as bytes."""
        import onnx  # noqa: PLC0415  heavy: only where a model is converted
        from onnx import helper  # noqa: PLC0415  the same

        bands = self.arrays["blocks.0.conv.conv.weight"].shape[1]
        dimension = self.arrays["fc.conv.weight"].shape[0]
        floats = onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "ecapa_tdnn",
            [helper.make_tensor_value_info(INPUT, floats, ["clips", bands, "frames"])],
            [helper.make_tensor_value_info(OUTPUT, floats, ["clips", dimension])],
            self._constants,
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


def _conv(graph: _Graph, layer: str, x: str, dilation: int = 1) -> str:
    """Adds a convolution over time, behind the reflected edges that keep the length."""
    weight = graph.arrays[f"{layer}.conv.weight"]
    edge = dilation * (weight.shape[2] - 1) // 2
    if edge:
        pads = graph.integers(f"{layer}.pads", [0, 0, 0, edge, 0, 0, 0, edge])
        x = graph.add("Pad", f"{layer}.pad", x, pads, mode="reflect")
    bias = graph.arrays[f"{layer}.conv.bias"]
    return _image_conv(graph, layer, x, weight, bias, dilation)


def _image_conv(
    graph: _Graph,
    layer: str,
    x: str,
    weight: NDArray[Any],
    bias: NDArray[Any] | None = None,
    dilation: int = 1,
) -> str:
    """Adds a convolution of an image of height 1; `weight` has shape (out, in, kernel)."""
    inputs = [x, graph.floats(f"{layer}.weight", weight[:, :, np.newaxis, :])]
    if bias is not None:
        inputs.append(graph.floats(f"{layer}.bias", bias))
    return graph.add("Conv", layer, *inputs, dilations=[1, dilation])


def _affine(graph: _Graph, norm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns what a BatchNorm of fixed statistics multiplies by and adds, each of shape (n,)."""
    part = {
        key: graph.arrays[f"{norm}.norm.{key}"].astype(np.float64)
        for key in ("weight", "bias", "_mean", "_variance")
    }
    scale = part["weight"] / np.sqrt(part["_variance"] + _BATCHNORM_EPS)
    return scale, part["bias"] - part["_mean"] * scale


def _norm(graph: _Graph, norm: str, x: str) -> str:
    scale, shift = (values[:, np.newaxis, np.newaxis] for values in _affine(graph, norm))
    x = graph.add("Mul", f"{norm}.scaled", x, graph.floats(f"{norm}.scale", scale))
    return graph.add("Add", norm, x, graph.floats(f"{norm}.shift", shift))


def _tdnn(graph: _Graph, block: str, x: str, dilation: int = 1) -> str:
    """Adds convolution, ReLU and, behind it, normalisation."""
    x = _conv(graph, f"{block}.conv", x, dilation)
    x = graph.add("Relu", f"{block}.relu", x)
    return _norm(graph, f"{block}.norm", x)


def _se_res2net(graph: _Graph, block: str, x: str, dilation: int) -> str:
    residual = x
    if f"{block}.shortcut.conv.weight" in graph.arrays:
        residual = _conv(graph, f"{block}.shortcut", x)
    x = _tdnn(graph, f"{block}.tdnn1", x)
    x = _res2net(graph, f"{block}.res2net_block", x, dilation)
    x = _tdnn(graph, f"{block}.tdnn2", x)
    weights = _excitation(graph, f"{block}.se_block", x)
    x = graph.add("Mul", f"{block}.excited", x, weights)
    return graph.add("Add", f"{block}.sum", x, residual)


def _res2net(graph: _Graph, block: str, x: str, dilation: int) -> str:
    """Adds the groups of channels, each of which also hears what the one before made."""
    scale = 2
    while f"{block}.blocks.{scale - 1}.conv.conv.weight" in graph.arrays:
        scale += 1
    width = graph.arrays[f"{block}.blocks.0.conv.conv.weight"].shape[1]
    groups = [f"{block}.group.{index}" for index in range(scale)]
    graph.split(f"{block}.split", x, groups, width)
    made = [groups[0]]
    for index, group in enumerate(groups[1:]):
        heard = graph.add("Add", f"{group}.sum", group, made[-1]) if index else group
        made.append(_tdnn(graph, f"{block}.blocks.{index}", heard, dilation))
    return graph.add("Concat", f"{block}.concat", *made, axis=1)


def _excitation(graph: _Graph, block: str, x: str) -> str:
    """Adds a weight for each channel, drawn from the means over time."""
    s = _over_time(graph, "ReduceMean", f"{block}.mean", x)
    s = graph.add("Relu", f"{block}.relu", _conv(graph, f"{block}.conv1", s))
    return graph.add("Sigmoid", f"{block}.sigmoid", _conv(graph, f"{block}.conv2", s))


def _over_time(graph: _Graph, kind: str, name: str, x: str) -> str:
    return graph.add(kind, name, x, graph.integers(f"{name}.axis", [3]), keepdims=1)


def _pool(graph: _Graph, x: str, *, wide: bool) -> str:
    """Adds mean and spread over time, with weights of their own for each channel and frame."""
    weight = graph.arrays["asp.tdnn.conv.conv.weight"]
    bias = graph.arrays["asp.tdnn.conv.conv.bias"]
    if wide:
        channels = weight.shape[1] // 3
        own = _image_conv(graph, "asp.tdnn.conv", x, weight[:, :channels])
        whole = _statistics(graph, "asp.context", x)
        shared = _image_conv(graph, "asp.context.conv", whole, weight[:, channels:], bias)
        a = graph.add("Add", "asp.tdnn.sum", own, shared)
    else:
        a = _image_conv(graph, "asp.tdnn.conv", x, weight, bias)
    a = _norm(graph, "asp.tdnn.norm", graph.add("Relu", "asp.tdnn.relu", a))
    a = _conv(graph, "asp.conv", graph.add("Tanh", "asp.tanh", a))
    return _statistics(graph, "asp", x, graph.add("Softmax", "asp.softmax", a, axis=3))


def _statistics(graph: _Graph, part: str, x: str, weights: str | None = None) -> str:
    """Adds mean and spread over time, one after the other in the channels; plain or weighted."""
    mean = _mean(graph, f"{part}.mean", x, weights)
    centred = graph.add("Sub", f"{part}.centred", x, mean)
    squared = graph.add("Mul", f"{part}.squared", centred, centred)
    variance = _mean(graph, f"{part}.variance", squared, weights)
    floor = graph.floats(f"{part}.floor", np.array(_VARIANCE_FLOOR))
    spread = graph.add("Sqrt", f"{part}.spread", graph.add("Max", f"{part}.max", variance, floor))
    return graph.add("Concat", f"{part}.statistics", mean, spread, axis=1)


def _mean(graph: _Graph, name: str, x: str, weights: str | None) -> str:
    if weights is None:
        return _over_time(graph, "ReduceMean", name, x)
    weighted = graph.add("Mul", f"{name}.weighted", x, weights)
    return _over_time(graph, "ReduceSum", name, weighted)


def _last(graph: _Graph, x: str) -> str:
    """Adds the last layer, with the normalisation before it folded in."""
    scale, shift = _affine(graph, "asp_bn")
    weight = graph.arrays["fc.conv.weight"].astype(np.float64)
    bias = graph.arrays["fc.conv.bias"] + weight[:, :, 0] @ shift
    return _image_conv(graph, "fc.conv", x, weight * scale[:, np.newaxis], bias)

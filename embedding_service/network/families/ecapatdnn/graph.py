"""Builds PaddleSpeech's ECAPA-TDNN as an ONNX graph from its weights and the network's shape.

The graph computes the same as `paddlespeech.vector.models.ecapa_tdnn.EcapaTdnn`, for any number of
whole clips of different lengths, one after the other on one time axis (see packing.py). Frames are
rows, so every layer is a product of matrices, and a convolution first gathers its input rows. Three
more steps differ in form, all exact: a sum over the frames of a clip is a product with a matrix of
which frame belongs to which clip; the first layer of the attention multiplies mean and spread once
a clip, not once a frame; and the normalisation before the last layer is folded into that layer. The
caller scales the vectors to length 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedding_service.network.families.ecapatdnn.packing import Pack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from embedding_service.network.onnx_nodes import Nodes

GRAPH_VERSION = 2
"""Version of the graph, to be raised with every change here, so that no older one is reused."""

OUTPUT = "vectors"
_FEATURES, _SOURCES, _OWNERS, _MEMBERS = Pack._fields
_BATCHNORM_EPS = 1e-5
"""Epsilon of PaddleSpeech's BatchNorm1d."""

_VARIANCE_FLOOR = 1e-12
"""Epsilon of PaddleSpeech's AttentiveStatisticsPooling."""

_WEIGHT_FLOOR = 1e-30
"""Divisor for a row that belongs to no clip."""

_DILATIONS = (1, 2, 3, 4, 1)
"""Default dilations of PaddleSpeech's EcapaTdnn."""

_TO_THE_END = 2**31 - 1


def margin(arrays: Mapping[str, NDArray[Any]], shape: Mapping[str, Any]) -> int:
    """Returns the number of frames beyond either end of a clip that the widest layer reads."""
    kernels: list[int] = [array.shape[2] for array in arrays.values() if array.ndim == 3]
    return max(_dilations(shape)) * (max(kernels) - 1) // 2


def build(arrays: Mapping[str, NDArray[Any]], shape: Mapping[str, Any]) -> bytes:
    """Builds the graph.

    Args:
        arrays: Weights by their names in EcapaTdnn's `state_dict`, all of them, checked.
        shape: The keyword arguments of EcapaTdnn; of these, `dilations` and `global_context`
            can't be derived from the weights.

    Returns:
        A serialized ONNX model. Its inputs are those of `packing.Pack`, in that order; its output
        `vectors`, float32, has shape (rows, dimension) and rows of any norm.
        Nodes are named after the network's layers: `blocks.0.conv`, `asp.weights`, `fc.conv`.
    """
    from embedding_service.network.onnx_nodes import Nodes  # noqa: PLC0415  onnx: only to convert a model

    dilations = _dilations(shape)
    graph = Nodes(arrays)
    _count(graph)
    x = _tdnn(graph, "blocks.0", _FEATURES, dilations[0])
    levels = []
    for index in range(1, len(dilations) - 1):
        x = _se_res2net(graph, f"blocks.{index}", x, dilations[index])
        levels.append(x)
    x = graph.add("Concat", "mfa.concat", *levels, axis=1)
    x = _tdnn(graph, "mfa", x, dilations[-1])
    x = _pool(graph, x, wide=shape.get("global_context", True))
    graph.add("Identity", OUTPUT, _last(graph, x))
    bands = arrays["blocks.0.conv.conv.weight"].shape[1]
    dimension = arrays["fc.conv.weight"].shape[0]
    inputs = {
        _FEATURES: (np.float32, ("places", bands)),
        _SOURCES: (np.int32, ("places",)),
        _OWNERS: (np.int32, ("places",)),
        _MEMBERS: (np.float32, ("rows", "places")),
    }
    return graph.serialize("ecapa_tdnn", inputs, {OUTPUT: (np.float32, ("rows", dimension))})


def _dilations(shape: Mapping[str, Any]) -> Sequence[int]:
    dilations: Sequence[int] = shape.get("dilations", _DILATIONS)
    return dilations


def _dense(
    graph: Nodes,
    layer: str,
    x: str,
    weight: NDArray[Any],
    bias: NDArray[Any] | None = None,
) -> str:
    """Adds a product with `weight`, shape (out, in)."""
    if bias is None:
        return graph.add("MatMul", layer, x, graph.floats(f"{layer}.weight", weight.T))
    product = graph.add("MatMul", f"{layer}.product", x, graph.floats(f"{layer}.weight", weight.T))
    return graph.add("Add", layer, product, graph.floats(f"{layer}.bias", bias))


def _conv(graph: Nodes, layer: str, x: str, dilation: int = 1) -> str:
    """Adds a convolution over time, with each clip reflected at its ends."""
    weight = graph.arrays[f"{layer}.conv.weight"]
    channels, kernel = weight.shape[1:]
    if kernel > 1:
        x = graph.add("Gather", f"{layer}.heard", x, _heard(graph, kernel, dilation), axis=0)
        shape = graph.integers(f"{layer}.shape", [0, kernel * channels])
        x = graph.add("Reshape", f"{layer}.row", x, shape)
    flat = weight.transpose(0, 2, 1).reshape(len(weight), -1)
    return _dense(graph, layer, x, flat, graph.arrays[f"{layer}.conv.bias"])


def _heard(graph: Nodes, kernel: int, dilation: int) -> str:
    """Adds, once, the input rows of a kernel at each place, shape (places, kernel)."""
    name = f"heard.{kernel}.{dilation}"
    edge = dilation * (kernel - 1) // 2
    pads = graph.integers(f"{name}.pads", [edge, edge])
    padded = graph.add("Pad", f"{name}.pad", _SOURCES, pads)
    first, second = graph.integers("axis.0", [0]), graph.integers("axis.1", [1])
    columns = []
    for tap in range(kernel):
        start = tap * dilation
        end = start - 2 * edge or _TO_THE_END
        bounds = [graph.integers(f"offset.{bound}", [bound]) for bound in (start, end)]
        column = graph.add("Slice", f"{name}.tap.{tap}", padded, *bounds, first)
        columns.append(graph.add("Unsqueeze", f"{name}.column.{tap}", column, second))
    return graph.add("Concat", name, *columns, axis=1)


def _affine(graph: Nodes, norm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns scale and shift of a BatchNorm of fixed statistics, each of shape (n,)."""
    part = {
        key: graph.arrays[f"{norm}.norm.{key}"].astype(np.float64)
        for key in ("weight", "bias", "_mean", "_variance")
    }
    scale = part["weight"] / np.sqrt(part["_variance"] + _BATCHNORM_EPS)
    return scale, part["bias"] - part["_mean"] * scale


def _norm(graph: Nodes, norm: str, x: str) -> str:
    scale, shift = _affine(graph, norm)
    x = graph.add("Mul", f"{norm}.scaled", x, graph.floats(f"{norm}.scale", scale))
    return graph.add("Add", norm, x, graph.floats(f"{norm}.shift", shift))


def _tdnn(graph: Nodes, block: str, x: str, dilation: int = 1) -> str:
    """Adds a convolution, a ReLU and a normalisation."""
    x = _conv(graph, f"{block}.conv", x, dilation)
    x = graph.add("Relu", f"{block}.relu", x)
    return _norm(graph, f"{block}.norm", x)


def _se_res2net(graph: Nodes, block: str, x: str, dilation: int) -> str:
    residual = x
    if f"{block}.shortcut.conv.weight" in graph.arrays:
        residual = _conv(graph, f"{block}.shortcut", x)
    x = _tdnn(graph, f"{block}.tdnn1", x)
    x = _res2net(graph, f"{block}.res2net_block", x, dilation)
    x = _tdnn(graph, f"{block}.tdnn2", x)
    weights = _excitation(graph, f"{block}.se_block", x)
    x = graph.add("Mul", f"{block}.excited", x, weights)
    return graph.add("Add", f"{block}.sum", x, residual)


def _res2net(graph: Nodes, block: str, x: str, dilation: int) -> str:
    """Adds the groups of channels. Each also takes the output of the group before it."""
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


def _excitation(graph: Nodes, block: str, x: str) -> str:
    """Adds a weight for each channel, from its mean over a clip, at each place of the clip."""
    s = _mean(graph, f"{block}.mean", x)
    s = graph.add("Relu", f"{block}.relu", _conv(graph, f"{block}.conv1", s))
    s = graph.add("Sigmoid", f"{block}.sigmoid", _conv(graph, f"{block}.conv2", s))
    return _spread_out(graph, f"{block}.frames", s)


def _count(graph: Nodes) -> None:
    """Adds the number of frames of each row, shape (rows, 1); 1 for a row without frames."""
    total = graph.add("ReduceSum", "frames", _MEMBERS, graph.integers("axis.1", [1]), keepdims=1)
    graph.add("Max", "lengths", total, graph.floats("one", 1))


def _sum(graph: Nodes, name: str, x: str) -> str:
    """Adds the sum over each clip's frames, shape (rows, channels)."""
    return graph.add("MatMul", name, _MEMBERS, x)


def _mean(graph: Nodes, name: str, x: str) -> str:
    return graph.add("Div", name, _sum(graph, f"{name}.sum", x), "lengths")


def _spread_out(graph: Nodes, name: str, x: str) -> str:
    """Adds the values of each clip at each of its places, shape (places, channels)."""
    return graph.add("Gather", name, x, _OWNERS, axis=0)


def _pool(graph: Nodes, x: str, *, wide: bool) -> str:
    """Adds mean and spread over time, weighted for each channel and frame."""
    weight = graph.arrays["asp.tdnn.conv.conv.weight"][:, :, 0]
    bias = graph.arrays["asp.tdnn.conv.conv.bias"]
    if wide:
        channels = weight.shape[1] // 3
        own = _dense(graph, "asp.tdnn.conv", x, weight[:, :channels])
        whole = _statistics(graph, "asp.context", x)
        shared = _dense(graph, "asp.context.conv", whole, weight[:, channels:], bias)
        a = graph.add("Add", "asp.tdnn.sum", own, _spread_out(graph, "asp.context.frames", shared))
    else:
        a = _dense(graph, "asp.tdnn.conv", x, weight, bias)
    a = _norm(graph, "asp.tdnn.norm", graph.add("Relu", "asp.tdnn.relu", a))
    a = _conv(graph, "asp.conv", graph.add("Tanh", "asp.tanh", a))
    # The softmax over the frames of a clip; `_weighted_mean` does its division.
    axis = graph.integers("axis.0", [0])
    low = graph.add("Sub", "asp.low", a, graph.add("ReduceMax", "asp.top", a, axis, keepdims=1))
    return _statistics(graph, "asp", x, graph.add("Exp", "asp.weights", low))


def _statistics(graph: Nodes, part: str, x: str, weights: str | None = None) -> str:
    """Adds mean and spread over time, joined along the channels; plain or weighted."""
    mean = _weighted_mean(graph, f"{part}.mean", x, weights)
    centred = graph.add("Sub", f"{part}.centred", x, _spread_out(graph, f"{part}.means", mean))
    squared = graph.add("Mul", f"{part}.squared", centred, centred)
    variance = _weighted_mean(graph, f"{part}.variance", squared, weights)
    floor = graph.floats("variance.floor", _VARIANCE_FLOOR)
    spread = graph.add("Sqrt", f"{part}.spread", graph.add("Max", f"{part}.max", variance, floor))
    return graph.add("Concat", f"{part}.statistics", mean, spread, axis=1)


def _weighted_mean(graph: Nodes, name: str, x: str, weights: str | None) -> str:
    if weights is None:
        return _mean(graph, name, x)
    total = _sum(graph, f"{weights}.sum", weights)
    total = graph.add("Max", f"{weights}.total", total, graph.floats("floor", _WEIGHT_FLOOR))
    weighted = graph.add("Mul", f"{name}.weighted", x, weights)
    return graph.add("Div", name, _sum(graph, f"{name}.sum", weighted), total)


def _last(graph: Nodes, x: str) -> str:
    """Adds the last layer, with the normalisation before it folded in."""
    scale, shift = _affine(graph, "asp_bn")
    weight = graph.arrays["fc.conv.weight"].astype(np.float64)[:, :, 0]
    bias = graph.arrays["fc.conv.bias"] + weight @ shift
    return _dense(graph, "fc.conv", x, weight * scale, bias)

"""Compiles a graph with OpenVINO in one precision, and runs it from any number of threads."""

from __future__ import annotations

import queue
import sys
import tempfile
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.network.family import Outputs, run_in_groups

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embedding_service.network.family import Packing


class Precision(str, Enum):
    """The precision of the network's arithmetic.

    8-bit integers are left out. A trained network, calibrated on noise, synthetic voices or speech,
    kept a cosine of only 0.99 to 0.9996 to PaddleSpeech's vectors, and 0.9998 with one layer in 8
    bits. On a processor that has both, bfloat16 was as fast.
    """

    FP32 = "fp32"
    MIXED = "mixed"
    BF16 = "bf16"
    PADDLE = "paddle"


_KEPT_PARTS = 4096
_KEPT_PARTS_BESIDE = 1024
"""The same for each of several runs at a time: some 25 sizes of pack, in 50 MB at most."""


class EngineError(CheckpointError):
    """The network can't be run as asked for. The message says what to do."""


class CompiledGraph:
    """The network, ready to run. Safe for any number of threads at once."""

    def __init__(self, compiled: Any, packing: Packing, requests: int) -> None:
        """Takes OpenVINO's compiled model, its way to pack clips, and the most runs at a time."""
        self._packing = packing
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(requests):
            self._free.put(compiled.create_infer_request())

    def run(self, clips: Sequence[NDArray[np.float32]]) -> Outputs:
        """Runs the network on clips of any number and length, in groups that fit the caches.

        Args:
            clips: Features, each of shape (bands, frames), float32.
        """
        return run_in_groups(self._packing, self._infer, clips)

    def _infer(self, clips: Sequence[NDArray[np.float32]]) -> Outputs:
        inputs = list(self._packing.inputs(clips))
        request = self._free.get()
        try:
            # Always shared: OpenVINO corrupts memory when some runs share inputs and some copy.
            results = request.infer(inputs, share_inputs=True)
            vectors, *tags = (results[index][: len(clips)].copy() for index in range(len(results)))
        finally:
            self._free.put(request)
        return Outputs(vectors, tags[0]) if tags else Outputs.without_tags(vectors)


def available() -> tuple[Precision, ...]:
    """Returns the precisions that this processor computes without emulation."""
    native = "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return (Precision.FP32, *((Precision.MIXED, Precision.BF16) if native else ()))


def machine() -> str:
    """Returns a text of the processor and the library, by which a choice of precision is kept.

    The number of threads is no part of it: it may change from start to start.
    """
    core = _core()
    parts = (
        _openvino().get_version(),
        core.get_property("CPU", "FULL_DEVICE_NAME"),
        *sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
    )
    return ", ".join(parts)


def compile_graph(
    graph: bytes,
    packing: Packing,
    precision: Precision,
    threads: int,
    streams: int = 1,
    kept: re.Pattern[str] | None = None,
) -> CompiledGraph:
    """Compiles a graph.

    Args:
        graph: A serialized ONNX model, as `Network.graph` builds it.
        packing: Puts clips into it.
        precision: Any precision but PADDLE.
        threads: Processor threads, shared by all streams.
        streams: Most runs at a time, each with its share of the threads.
        kept: Names of the layers that stay in fp32, whatever the precision.

    Raises:
        EngineError: OpenVINO can't compile the graph.
    """
    settings = {
        "INFERENCE_PRECISION_HINT": "f32" if precision is Precision.FP32 else "bf16",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        # Two processes that pin their threads to the same cores would wait for each other.
        "ENABLE_CPU_PINNING": False,
        # Each stream caches its preparation for each size of pack. All sizes fit, in 0.2 GB.
        "CPU_RUNTIME_CACHE_CAPACITY": _KEPT_PARTS if streams == 1 else _KEPT_PARTS_BESIDE,
    }
    core = _core()
    try:
        model = core.read_model(graph)
        if kept:
            model = _keep(core, model, kept)
        return CompiledGraph(core.compile_model(model, "CPU", settings), packing, streams)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO can't compile the network: {error}") from error


def _core() -> Any:
    return _openvino().Core()


def _openvino() -> Any:
    """Imports OpenVINO without the package that reports its use over the network."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: absent
    try:
        import openvino  # noqa: PLC0415  heavy: only where a model runs
    except ImportError as error:
        raise EngineError(
            f"OpenVINO can't be imported ({error}): pip install openvino onnx, "
            "or set AUDIOSEARCH_ENCODER_PRECISION=paddle"
        ) from error
    return openvino


def _keep(core: Any, model: Any, layers: re.Pattern[str]) -> Any:
    """Marks layers to stay in fp32.

    Only OpenVINO's file format can set the mark, so the model is written to a file and read back.
    """
    openvino = _openvino()
    with tempfile.TemporaryDirectory(prefix="audiosearch-") as folder:
        text, data = Path(folder) / "graph.xml", Path(folder) / "graph.bin"
        openvino.serialize(model, text, data)
        root = ET.fromstring(text.read_bytes())  # noqa: S314  written by this process
        weights = np.fromfile(data, np.uint8)
    for layer in root.iterfind("layers/layer"):
        if layers.match(layer.get("name", "")) and layer.get("type") != "Const":
            _mark(layer)
    return core.read_model(ET.tostring(root), openvino.Tensor(weights))


def _mark(layer: ET.Element) -> None:
    marks = layer.find("rt_info")
    if marks is None:
        marks = ET.Element("rt_info")
        layer.insert(0 if layer.find("data") is None else 1, marks)
    ET.SubElement(marks, "attribute", {"name": "precise", "version": "0"})

"""Runs a graph with ONNX Runtime on a GPU of NVIDIA.

Nothing of it is needed on a processor: ONNX Runtime is imported where a GPU is asked for, or where
its package for GPUs is installed.
"""

from __future__ import annotations

import importlib.metadata
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from embedding_service.network.family import Outputs, run_in_groups
from embedding_service.network.precision import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embedding_service.network.family import Packing

CUDA = "CUDAExecutionProvider"
_PACKAGE = "onnxruntime-gpu"
_ADVICE = (
    f"pip install {_PACKAGE} with the CUDA and cuDNN that it asks for, or set "
    "AUDIOSEARCH_DEVICE to auto or cpu"
)


class Device(str, Enum):
    """The device of the network's arithmetic."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def is_installed() -> bool:
    """Returns True if ONNX Runtime's package for GPUs is installed, which says nothing of a GPU."""
    try:
        importlib.metadata.distribution(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


class GraphOnDevice:
    """The network, ready to run. Safe for any number of threads at once."""

    def __init__(self, session: Any, packing: Packing) -> None:
        """Takes a session of ONNX Runtime, and its way to pack clips."""
        self._session = session
        self._packing = packing
        self._names = [each.name for each in session.get_inputs()]

    def run(self, clips: Sequence[NDArray[np.float32]]) -> Outputs:
        """Runs the network on clips of any number and length, in groups.

        Args:
            clips: Features, each of shape (bands, frames), float32.
        """
        return run_in_groups(self._packing, self._infer, clips)

    def _infer(self, clips: Sequence[NDArray[np.float32]]) -> Outputs:
        inputs = dict(zip(self._names, self._packing.inputs(clips), strict=True))
        vectors, *tags = (each[: len(clips)] for each in self._session.run(None, inputs))
        return Outputs(vectors, tags[0]) if tags else Outputs.without_tags(vectors)


def compile_graph(graph: bytes, packing: Packing, provider: str = CUDA) -> GraphOnDevice:
    """Prepares a graph in fp32.

    Args:
        graph: A serialized ONNX model, as `Network.graph` builds it.
        packing: Puts clips into it.
        provider: ONNX Runtime's name of the device.

    Raises:
        EngineError: There is no such device here, or ONNX Runtime can't use it.
    """
    try:
        import onnxruntime  # noqa: PLC0415  heavy: only where a device is asked for
    except ImportError as error:
        raise EngineError(f"a GPU needs ONNX Runtime ({error}): {_ADVICE}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if provider not in onnxruntime.get_available_providers():
        raise EngineError(f"the ONNX Runtime that is installed knows no GPU: {_ADVICE}")
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=[provider])
    except Exception as error:  # its errors have no common class
        raise EngineError(f"ONNX Runtime can't run the network on {provider}: {error}") from error
    # Without the libraries of CUDA it takes the processor, and says so in its log alone.
    if session.get_providers()[0] != provider:
        raise EngineError(f"no GPU can be used here: {_ADVICE}")
    return GraphOnDevice(session, packing)

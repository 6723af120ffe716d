"""The teacher of the model for sounds: aisfx, read from its wheel, run without its package.

aisfx 0.1.2 (A. B. Ma and A. Lerch, ISMIR 2022): a convolutional network that was trained on
commercial libraries of sound effects. It is needed while a training run is prepared, and never
installed with the product.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle
import soxr
from paddle.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Wave = NDArray[np.float32]
    Weights = dict[str, NDArray[np.float32]]

RATE = 44100
_WINDOW, _HOP, _BANDS, _FRAMES = 2048, 1024, 96, 100
_MOST = 9.457798957824707
"""Highest value of its features in its own training; its features are divided by it."""

_CHECKPOINT = "aisfx/models/checkpoint.pth"
_KINDS = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class TeacherError(Exception):
    """The wheel does not hold the teacher's weights. The message says why."""


def read_weights(wheel: Path) -> Weights:
    """Reads the weights of the embedding network from aisfx's wheel.

    Raises:
        TeacherError: The file is another, or asks for more than arrays of numbers.
    """
    try:
        with zipfile.ZipFile(wheel) as file:
            checkpoint = zipfile.ZipFile(io.BytesIO(file.read(_CHECKPOINT)))
            weights, *_ = _Reader(checkpoint).load()
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        message = f"{wheel} is not the wheel of aisfx 0.1.2: {error}"
        raise TeacherError(message) from error
    prefix = "embedding_net."
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


class _Reader(pickle.Unpickler):
    """Builds containers and arrays from PyTorch's file; any other object is refused."""

    def __init__(self, checkpoint: zipfile.ZipFile) -> None:
        super().__init__(io.BytesIO(checkpoint.read("archive/data.pkl")))
        self._checkpoint = checkpoint

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _array
        if module == "torch" and name in _KINDS:
            return name
        if module in {"numpy", "numpy.core.multiarray", "_codecs"}:
            return _Unread
        message = f"the checkpoint asks for {module}.{name}, which holds no weights"
        raise TeacherError(message)

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        _, kind, key, _, _ = pid
        return np.frombuffer(self._checkpoint.read(f"archive/data/{key}"), _KINDS[kind])


class _Unread:
    """Stands for the numbers of classes in the checkpoint, which are not needed."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def _array(numbers: NDArray[Any], offset: int, shape: tuple[int, ...], *_: Any) -> NDArray[Any]:
    count = int(np.prod(shape, dtype=np.int64))
    return numbers[offset : offset + count].reshape(shape)


class Teacher:
    """Turns sounds into vectors of 512 numbers, without negative values."""

    def __init__(self, wheel: Path, run: Callable[[Wave], Wave] | None = None) -> None:
        """Reads the weights; `run` may take the place of the network, as a faster engine does."""
        self._weights = {k: paddle.to_tensor(v) for k, v in read_weights(wheel).items()}
        self._run = run or self._network

    def embed(self, waves: list[Wave], rate: int) -> Wave:
        """Returns unit vectors of clips, shape (clips, 512). Only their first 2.3 s are heard."""
        features = np.stack([teacher_features(wave, rate) for wave in waves])
        vectors = self._run(features)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)

    def _network(self, features: Wave) -> Wave:
        with paddle.no_grad():
            return np.asarray(self.forward(paddle.to_tensor(features)).numpy())

    def forward(self, x: Any) -> Any:
        """Runs the network on features, shape (clips, 100, 96)."""
        x = x.unsqueeze(1)
        for block in range(1, 5):
            for layer in (1, 2):
                x = self._layer(x, f"conv_block{block}.conv{layer}", f"conv_block{block}.bn{layer}")
            if block < 4:
                x = functional.max_pool2d(x, 2)
        return x.mean(axis=3).max(axis=2)

    def _layer(self, x: Any, conv: str, norm: str) -> Any:
        weights = self._weights
        x = functional.conv2d(x, weights[f"{conv}.weight"], padding=1)
        names = ("running_mean", "running_var", "weight", "bias")
        return functional.relu(
            functional.batch_norm(x, *(weights[f"{norm}.{name}"] for name in names))
        )


def teacher_features(wave: Wave, rate: int) -> Wave:
    """Returns the teacher's features of a clip's first 2.3 s, shape (100, 96).

    The clip is scaled to a peak of 1. Frames after its end are zero, as in aisfx's own code.
    """
    wave = soxr.resample(wave, rate, RATE, "MQ")[: _HOP * (_FRAMES - 1) + 1]
    wave = wave / max(float(np.abs(wave).max(initial=0.0)), 1e-9)
    padded = np.pad(wave, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_WINDOW) / _WINDOW)
    power = np.abs(np.fft.rfft(frames * window, axis=1)).astype(np.float32) ** 2
    bands = np.log10(1.0 + 1e4 * (power @ _filters())) / _MOST
    result = np.zeros((_FRAMES, _BANDS), np.float32)
    result[: len(bands)] = bands[:_FRAMES]
    return result


@lru_cache(maxsize=1)
def _filters() -> Wave:
    """Returns triangular filters on HTK's mel scale, each with the sum 1, shape (1025, 96)."""
    edges = 700.0 * (10.0 ** (np.linspace(0.0, _mel(RATE / 2), _BANDS + 2) / 2595.0) - 1.0)
    hertz = np.linspace(0.0, RATE / 2, _WINDOW // 2 + 1)[:, None]
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(filters / np.maximum(filters.sum(axis=0), 1e-9), np.float32)


def _mel(hertz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hertz / 700.0))

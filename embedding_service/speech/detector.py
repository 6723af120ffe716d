"""Silero's detector of speech (version 6.2), for many pieces of 32 ms at once.

Each piece of 512 samples at 16 kHz becomes four spectra, and these one vector by four convolutions.
A recurrent layer hears the vectors one after the other, so a recording is heard as a whole,
whatever the blocks that it comes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedding_service.decoding.framing import Framing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedding_service.speech.weights import Weights

    Array = NDArray[np.float32]

RATE = 16_000
"""Sample rate of what it hears, Hz."""

PIECE_SECONDS = 0.032
_PIECE = 512
_REFLECTED = 64
"""Samples at each end of a piece that are heard once more, backwards."""

_WINDOW, _HOP, _BINS = 256, 128, 129
_STRIDES = (1, 2, 2, 1)
_HIDDEN = 128
_TOGETHER = 32
"""Pieces that are waited for, about a second: one at a time took five times as long."""

_AT_ONCE = 4 * _TOGETHER
"""Most pieces that go through the convolutions at once: 2 MB of spectra."""


class Detector:
    """Hears streamed samples at 16 kHz and gives the probability of speech for each piece."""

    def __init__(self, weights: Weights) -> None:
        """Starts with the silence before a recording."""
        self._weights = weights
        self._framing = Framing(RATE, _TOGETHER * PIECE_SECONDS)
        self._state = np.zeros(_HIDDEN, np.float32)
        self._cell = np.zeros(_HIDDEN, np.float32)

    def add(self, samples: Array) -> Array:
        """Takes the next samples, mono, shape (n,); gives the probabilities of the next pieces."""
        return self._hear(self._framing.add(samples).reshape(-1, _PIECE))

    def finish(self) -> Array:
        """Gives the probabilities of the pieces that are left; zeros fill up the last one."""
        rest = self._framing.finish().ravel()
        return self._hear(np.pad(rest, (0, -len(rest) % _PIECE)).reshape(-1, _PIECE))

    def _hear(self, pieces: Array) -> Array:
        parts = [
            self._follow(self._encode(pieces[first : first + _AT_ONCE]))
            for first in range(0, len(pieces), _AT_ONCE)
        ]
        return np.concatenate([*parts, np.zeros(0, np.float32)])

    def _encode(self, pieces: Array) -> Array:
        """Gives what the recurrent layer hears of each piece, shape (pieces, 512)."""
        padded = np.pad(pieces, ((0, 0), (_REFLECTED, _REFLECTED)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=1)[:, ::_HOP]
        waves = windows.reshape(-1, _WINDOW) @ self._weights.spectrum.T
        sizes = np.hypot(waves[:, :_BINS], waves[:, _BINS:])
        heard = sizes.reshape(len(pieces), -1, _BINS)
        for (kernel, bias), stride in zip(self._weights.layers, _STRIDES, strict=True):
            heard = _convolve(heard, kernel, bias, stride)
        inputs: Array = heard[:, 0] @ self._weights.inputs.T + self._weights.bias
        return inputs

    def _follow(self, inputs: Array) -> Array:
        """Runs the recurrent layer and the last one; shape (pieces,)."""
        states = np.empty((len(inputs), _HIDDEN), np.float32)
        state, cell, gate_count = self._state, self._cell, 3 * _HIDDEN
        for number, heard in enumerate(inputs):
            values = self._weights.states @ state
            values += heard
            gates = _sigmoid(values[:gate_count])
            cell = gates[_HIDDEN : 2 * _HIDDEN] * cell + gates[:_HIDDEN] * np.tanh(
                values[gate_count:]
            )
            state = gates[2 * _HIDDEN :] * np.tanh(cell)
            states[number] = state
        self._state, self._cell = state, cell
        weights = self._weights
        return _sigmoid(np.maximum(states, 0) @ weights.last + np.float32(weights.last_bias))


def _convolve(heard: Array, kernel: Array, bias: Array, stride: int) -> Array:
    """A convolution of three places over time with a zero at each end, cut off below zero."""
    padded = np.pad(heard, ((0, 0), (1, 1), (0, 0)))
    places = range(0, heard.shape[1], stride)
    joined = np.stack([padded[:, at : at + 3].reshape(len(heard), -1) for at in places], axis=1)
    convolved: Array = np.maximum(joined @ kernel.T + bias, 0)
    return convolved


def _sigmoid(values: Array) -> Array:
    # As a tangent, because an exponential of large values overflows.
    result: Array = 0.5 * np.tanh(0.5 * values) + 0.5
    return result

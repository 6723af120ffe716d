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

_WINDOW, _HOP = 256, 128
_STRIDES = (1, 2, 2, 1)
_HIDDEN = 128
_TOGETHER = 32
"""Pieces that are waited for, about a second: one at a time took five times as long."""

_AT_ONCE = 2 * _TOGETHER
"""Most pieces that go through the convolutions at once: what fits into a core's cache."""


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
        waves = np.fft.rfft(windows * self._weights.window).astype(np.complex64, copy=False)
        squares = np.square(waves.view(np.float32))  # the size by hypot takes four times as long
        heard = np.sqrt(squares[..., ::2] + squares[..., 1::2])
        for (kernel, bias), stride in zip(self._weights.layers, _STRIDES, strict=True):
            heard = _convolve(heard, kernel, bias, stride)
        inputs: Array = heard[:, 0] @ self._weights.inputs.T + self._weights.bias
        return inputs

    def _follow(self, inputs: Array) -> Array:
        """Runs the recurrent layer and the last one; shape (pieces,)."""
        weights, state, cell = self._weights, self._state, self._cell
        states = np.empty((len(inputs), _HIDDEN), np.float32)
        values, product = np.empty(4 * _HIDDEN, np.float32), np.empty(_HIDDEN, np.float32)
        taken, kept, given, new = np.split(values, 4)
        gates = values[: 3 * _HIDDEN]
        # In place: a step is so short that fresh arrays would cost a third of it.
        for heard, out in zip(inputs, states, strict=True):
            np.dot(state, weights.states, out=values)
            np.tanh(np.add(values, heard, out=values), out=values)
            np.add(np.multiply(gates, 0.5, out=gates), 0.5, out=gates)
            np.multiply(kept, cell, out=cell)
            np.add(cell, np.multiply(taken, new, out=product), out=cell)
            state = np.multiply(given, np.tanh(cell, out=product), out=out)
        self._state = state.copy()
        return _sigmoid(np.maximum(states, 0) @ weights.last + np.float32(weights.last_bias))


def _convolve(heard: Array, kernel: Array, bias: Array, stride: int) -> Array:
    """A convolution of three places over time with a zero at each end, cut off below zero."""
    pieces, length, width = heard.shape
    count = -(-length // stride)
    joined = np.zeros((pieces, count, 3, width), np.float32)
    joined[:, 1:, 0] = heard[:, stride - 1 : stride * (count - 1) : stride]
    joined[:, :, 1] = heard[:, ::stride]
    after = heard[:, 1::stride]
    joined[:, : after.shape[1], 2] = after
    convolved: Array = joined.reshape(-1, 3 * width) @ kernel.T
    convolved += bias
    np.maximum(convolved, 0, out=convolved)
    return convolved.reshape(pieces, count, -1)


def _sigmoid(values: Array) -> Array:
    # As a tangent, because an exponential of large values overflows.
    result: Array = 0.5 * np.tanh(0.5 * values) + 0.5
    return result

"""Finds channels that hold different sounds, such as the two sides of a telephone call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FRAME_SECONDS = 0.02
_SPAN = 50
"""Frames within which levels are compared: a second. A sound that moves from side to side in more
time than that stays one sound."""
_ROOT = 1 / 8
"""Power of a frame's energy that is its level: close to a logarithm, and silence stays finite."""
_LEAST_SPANS = 2

LIKE = 0.4
"""Least correlation of the levels of channels that hold the same sound. Of one voice it is 0.7 and
more, whatever delay, room or noise there is in each channel; of two voices about 0."""
ACTIVE_SHARE = 1e-3
"""Least power of a channel, as a share of the loudest one's, with which it is compared: -30 dB."""
MOVING = 0.05
"""Least spread of a channel's level, as a share of its mean, with which it is compared. Steady
noise and hum have less, and speech with as much noise has more."""


class Likeness:
    """Compares how the levels of channels rise and fall."""

    def __init__(self, channels: int, sample_rate: int) -> None:
        """Takes the number of channels and the sample rate in Hz."""
        self._frame = max(1, round(_FRAME_SECONDS * sample_rate))
        self._rest = np.zeros((0, channels), np.float32)
        self._frames = np.zeros((0, channels))
        """Powers of the last frames, less than a span of them."""
        self._spans = 0
        self._power = np.zeros(channels)
        self._level = np.zeros(channels)
        self._products = np.zeros((channels, channels))

    def add(self, block: NDArray[np.float32]) -> None:
        """Takes the next samples, shape (frames, channels)."""
        channels = block.shape[1]
        if channels == 1:
            return
        joined = np.concatenate([self._rest, block])
        whole = len(joined) - len(joined) % self._frame
        self._rest = joined[whole:].copy()
        # A product of matrices takes a fifth of the time of a sum along the middle axis.
        squares = np.square(joined[:whole]).reshape(-1, self._frame, channels)
        means = np.full((1, self._frame), 1 / self._frame, np.float32)
        powers = np.concatenate([self._frames, (means @ squares)[:, 0]])
        spans = len(powers) // _SPAN
        self._frames = powers[spans * _SPAN :]
        power = powers[: spans * _SPAN].reshape(-1, _SPAN, channels)
        level = power**_ROOT
        mean = level.mean(axis=1, keepdims=True)
        self._spans += len(power)
        self._power += power.sum(axis=(0, 1))
        self._level += mean.sum(axis=(0, 1))
        self._products += np.einsum("sfc,sfd->cd", level - mean, level - mean) / _SPAN

    @property
    def unlike(self) -> bool:
        """True if two channels hold different sounds. Less than two seconds are not judged."""
        if self._spans < _LEAST_SPANS:
            return False
        deviation = np.sqrt(np.diag(self._products))
        spread = np.sqrt(self._spans) * deviation
        active = self._power > ACTIVE_SHARE * self._power.max(initial=0)
        judged = np.flatnonzero(active & (spread > MOVING * self._level))
        likeness = self._products / np.maximum(np.outer(deviation, deviation), 1e-30)
        return bool((likeness[np.ix_(judged, judged)] < LIKE).any())

"""Many channels to one, without losing what they hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from embedding_service.decoding.readers import AudioError, undecodable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_PEAK = 1e6
"""Samples beyond this (full scale is 1) are no sound, and their power is too much for float32."""

LOST_SHARE = 0.1
"""Share of the power that unlike channels keep in their sum, below which the sum is no good.

Unlike channels keep 1, equal ones as much as there are channels, opposite ones nothing.
"""


class Mixer:
    """Makes one channel of many: the one chosen, or else their mean.

    The loudest one takes the place of the mean if channels cancel each other out.
    """

    def __init__(self, channels: int, channel: int = 0) -> None:
        """Takes the number of channels, and the channel to hear: from 1 on, or 0 for all.

        Raises:
            AudioError: AUDIO_CHANNEL_MISSING.
        """
        if channel > channels:
            there = "1 channel" if channels == 1 else f"{channels} channels"
            raise AudioError(
                "AUDIO_CHANNEL_MISSING",
                f"channel {channel} was asked for, and the audio has {there}",
            )
        self._chosen = channel
        self._mean = np.full(channels, 1 / channels, np.float32)
        self._power = np.zeros(channels)
        self._summed = 0.0

    def mix(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mixes the next block.

        Judged by all samples up to here, so that a copy of opposite sign costs a recording nothing.

        Args:
            block: Shape (frames, channels).

        Returns:
            Shape (frames,).

        Raises:
            AudioError: AUDIO_UNDECODABLE: samples are not numbers, or too large for any sound.
        """
        _check(block)
        if block.shape[1] == 1:
            return block[:, 0]
        if self._chosen:
            return block[:, self._chosen - 1]
        mixed: NDArray[np.float32] = block @ self._mean
        self._power += np.ones(len(block), np.float32) @ np.square(block)
        self._summed += float(np.dot(mixed, mixed)) * block.shape[1] ** 2
        if self._summed < LOST_SHARE * self._power.sum():
            return block[:, int(self._power.argmax())]
        return mixed


def _check(block: NDArray[np.float32]) -> None:
    peak = float(np.abs(block).max(initial=0))
    if not math.isfinite(peak):
        raise undecodable("the audio holds samples that are not numbers (NaN or infinite)")
    if peak > _MAX_PEAK:
        raise undecodable(f"the audio holds samples of size {peak:.3g}, where 1 is full scale")

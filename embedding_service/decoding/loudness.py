"""Measures the loudness of streamed audio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from embedding_service.decoding.framing import Framing

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_SECONDS = 0.025
_FLOOR_DBFS = -120.0
"""Level that stands for digital silence."""


class Loudness:
    """Measures the level of the whole audio and the length of the frames louder than a limit.

    The level of a frame ignores its mean, because a constant offset is no sound.
    """

    def __init__(self, sample_rate: int, limit_dbfs: float) -> None:
        """Takes the sample rate in Hz and the limit in dB relative to full scale."""
        self._framing = Framing(sample_rate, FRAME_SECONDS)
        self._rate = sample_rate
        self._limit = 10 ** (limit_dbfs / 10)
        self._power = 0.0
        self._active = 0
        self.samples = 0

    def add(self, samples: NDArray[np.float32]) -> None:
        """Takes the next samples, mono, shape (n,)."""
        self.samples += len(samples)
        self._measure(self._framing.add(samples))

    def finish(self) -> None:
        """Measures the remaining samples as one short frame."""
        self._measure(self._framing.finish())

    def _measure(self, frames: NDArray[np.float32]) -> None:
        wide = frames.astype(np.float64)
        power = np.einsum("ij,ij->i", wide, wide)
        self._power += float(power.sum())
        loud = power / frames.shape[1] - wide.mean(axis=1) ** 2 >= self._limit
        self._active += int(loud.sum()) * frames.shape[1]

    @property
    def active_seconds(self) -> float:
        """Length of the frames at or above the limit."""
        return self._active / self._rate

    @property
    def level_dbfs(self) -> float:
        """Root mean square level in dB; a sine of full scale has -3, digital silence -120."""
        mean = self._power / self.samples if self.samples else 0.0
        return max(10 * math.log10(mean), _FLOOR_DBFS) if mean > 0 else _FLOOR_DBFS

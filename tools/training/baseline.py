"""The baseline to compare training with: whitened statistics of log-mel bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedding_service.network.features import FeatureSettings, mel_db

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

_BANDS = FeatureSettings(n_mels=64)
_RIDGE = 1e-3
"""Share of the mean variance that is added to every direction, so that none is scaled too much."""


@dataclass(frozen=True)
class Baseline:
    """Mean, spread and delta spread of 64 log-mel bands, whitened on the training data.

    Attributes:
        mean: Mean of the statistics, shape (192,).
        whitening: Matrix for the statistics without their mean, shape (192, 192).
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]

    @classmethod
    def fit(cls, clips: Sequence[Wave]) -> Baseline:
        """Learns the mean and the whitening from clips."""
        rows = np.stack([_statistics(clip) for clip in clips])
        mean = rows.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov((rows - mean).T))
        values = np.maximum(values, 0.0) + _RIDGE * values.mean()
        return cls(mean, vectors / np.sqrt(values))

    def embed(self, clips: Sequence[Wave]) -> NDArray[np.float64]:
        """Returns unit vectors, shape (clips, 192)."""
        rows = (np.stack([_statistics(clip) for clip in clips]) - self.mean) @ self.whitening
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _statistics(clip: Wave) -> NDArray[np.float64]:
    bands = mel_db(clip, _BANDS).astype(np.float64)
    spread = np.diff(bands, axis=1).std(axis=1)
    return np.concatenate([bands.mean(axis=1), bands.std(axis=1), spread])

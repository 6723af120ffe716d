"""The one rule for a voiceprint, used for speakers, trials and evaluations alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mean_voice(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of unit vectors, scaled to unit length. Each vector has the same weight.

    Args:
        vectors: at least one, shape (vectors, dimension).

    Returns:
        Shape (dimension,). All zeros if the vectors cancel out; such a voiceprint matches nobody.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / (np.linalg.norm(mean) or 1.0), np.float32)

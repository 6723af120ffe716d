"""The rule for a voiceprint, in one place: for speakers, for trials, for evaluations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mean_voice(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of unit vectors, each counted the same, of unit length.

    Args:
        vectors: at least one, shape (vectors, dimension).

    Returns:
        Shape (dimension,). Zeros where the vectors cancel out: a voiceprint that is like nobody.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / (np.linalg.norm(mean) or 1.0), np.float32)

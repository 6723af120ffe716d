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


def lowest_agreement(vectors: NDArray[np.float32], judged: NDArray[np.bool_]) -> float | None:
    """The lowest cosine of one of some unit vectors to the mean of all others.

    Args:
        vectors: shape (vectors, dimension).
        judged: tells of each if it is judged, shape (vectors,).

    Returns:
        The cosine, in [-1, 1]; None if fewer than two are judged.
    """
    if np.count_nonzero(judged) < 2:
        return None
    wide = vectors.astype(np.float64)
    others = wide.sum(axis=0) - wide
    lengths = np.linalg.norm(others, axis=1)
    cosines = np.einsum("ij,ij->i", wide, others) / np.where(lengths, lengths, 1.0)
    return float(np.clip(cosines[judged].min(), -1.0, 1.0))

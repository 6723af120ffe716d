"""Example voices: unit vectors around one direction for each speaker."""

from __future__ import annotations

import numpy as np


def voices(
    speakers: int, clips: int, spread: float, seed: int, dimension: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of shape (speakers * clips, dimension), and the number of the speaker of each.

    Args:
        speakers: how many.
        clips: of each.
        spread: how far clips lie from their speaker's centre, in those that centres lie apart.
        seed: another one makes other speakers.
        dimension: of the vectors.
    """
    random = np.random.default_rng(seed)
    centres = random.standard_normal((speakers, dimension))
    labels = np.repeat(np.arange(speakers), clips)
    vectors = centres[labels] + spread * random.standard_normal((len(labels), dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels

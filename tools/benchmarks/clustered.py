"""Makes example vectors that resemble embeddings of speakers: unit vectors around centres."""

from __future__ import annotations

import numpy as np

DIMENSION = 192
SPEAKERS = 3000
SAME_SPEAKER = 0.65  # mean cosine of two vectors around one centre


def clustered(rows: int, seed: int, dimension: int = DIMENSION) -> np.ndarray:
    """Returns unit vectors around 3,000 centres, shape (rows, dimension).

    The centres are equal for all seeds, so vectors of another seed stand for new recordings of the
    same speakers. The part `sqrt(SAME_SPEAKER)` of each vector is its centre, the rest is noise.
    """
    centres = _unit(np.random.default_rng(7).standard_normal((SPEAKERS, dimension), np.float32))
    generator = np.random.default_rng(1000 + seed)
    speakers = _drawn(generator, rows)
    noise = _unit(generator.standard_normal((rows, dimension), np.float32))
    return _unit(np.sqrt(SAME_SPEAKER) * centres[speakers] + np.sqrt(1 - SAME_SPEAKER) * noise)


def speakers_of(rows: int, seed: int) -> np.ndarray:
    """Returns the number of the centre of each row of `clustered`, shape (rows,)."""
    return _drawn(np.random.default_rng(1000 + seed), rows)


def nearest(stored: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Returns the rows of the k most similar vectors of each query, best first, by exact search."""
    parts = [queries[start : start + 500] for start in range(0, len(queries), 500)]
    return np.vstack([_nearest(stored, part, k) for part in parts])


def _nearest(stored: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    found = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    for start in range(0, len(stored), 50_000):
        part = queries @ stored[start : start + 50_000].T
        best = np.argpartition(-part, min(k, part.shape[1]) - 1, axis=1)[:, :k]
        scores = np.hstack([found[0], np.take_along_axis(part, best, 1)])
        rows = np.hstack([found[1], start + best])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
    return found[1]


def recall(found: list[list[int]], exact: np.ndarray, k: int) -> float:
    """Returns the share of the exact k nearest that were found, over all queries."""
    there = [
        len(set(row[:k]) & set(truth[:k].tolist())) for row, truth in zip(found, exact, strict=True)
    ]
    return sum(there) / (k * len(exact))


def _drawn(generator: np.random.Generator, rows: int) -> np.ndarray:
    return generator.integers(SPEAKERS, size=rows)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

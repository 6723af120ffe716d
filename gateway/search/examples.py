"""Examples for and against: the strategies that make scores of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.search.query import Values
from serving.errors import Reason, ServiceError

_NOTHING = 1e-6
"""Length of a vector that is nothing but rounding."""


def average(positive: Values, negative: Values) -> Values:
    """The vector of STRATEGY_AVERAGE: the mean of the positive examples, away from the others.

    Args:
        positive: Unit vectors, shape (n, dimension), n at least 1.
        negative: Unit vectors, shape (m, dimension), m from 0.

    Raises:
        ServiceError: FIELD_INVALID if the examples cancel each other out.
    """
    mean: NDArray[np.float64] = positive.mean(axis=0, dtype=np.float64)
    if len(negative):
        mean = 2 * mean - negative.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    if length < _NOTHING:
        raise ServiceError(
            Reason.FIELD_INVALID,
            "examples: they cancel each other out, so that nothing is like them",
            {"field": "examples"},
        )
    return (mean / length).astype(np.float32)


def best_scores(rows: Values, positive: Values, negative: Values) -> NDArray[np.float64]:
    """The scores of STRATEGY_BEST_SCORE of unit vectors, shape (rows, dimension)."""
    like: NDArray[np.float64] = (rows @ positive.T).max(axis=1).astype(np.float64)
    if not len(negative):
        return like
    unlike: NDArray[np.float64] = (rows @ negative.T).max(axis=1).astype(np.float64)
    scores: NDArray[np.float64] = np.where(like > unlike, like, -(unlike**2))
    return scores

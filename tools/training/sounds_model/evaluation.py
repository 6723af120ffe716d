"""Retrieval by kind: how often the nearest other sounds are of the same kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NEAREST = 5
_FEWEST = 4
"""Sounds that a kind needs to count in the mean over kinds."""


@dataclass(frozen=True)
class Retrieval:
    """Figures of searches with every sound that has another of its kind to be found.

    Attributes:
        first: Share of searches whose first result is of the same kind.
        of_five: Share of the first five results that are of the same kind.
        by_kind: Mean of `first` over kinds.
        searches: Number of searches.
    """

    first: float
    of_five: float
    by_kind: float
    searches: int

    def __str__(self) -> str:
        """Gives the figures in percent."""
        return (
            f"first {self.first:.1%}, of five {self.of_five:.1%}, "
            f"by kind {self.by_kind:.1%} ({self.searches} searches)"
        )


def retrieval(
    vectors: NDArray[np.floating],
    kinds: NDArray[np.floating],
    groups: Sequence[str],
) -> Retrieval:
    """Searches with each sound among those of other groups, by cosine similarity.

    Args:
        vectors: One for each sound, shape (sounds, dimensions).
        kinds: 1 for the kinds of a sound, else 0, shape (sounds, kinds).
        groups: Sounds of one group never count as found with each other: takes of the same
            sound, or all sounds of a package or a drum kit.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    names = np.asarray(groups)
    apart = names[:, None] != names[None]
    alike = (kinds @ kinds.T) > 0
    searched = np.flatnonzero((alike & apart).any(axis=1))
    nearest = np.argsort(-np.where(apart, unit @ unit.T, -9.0), axis=1, kind="stable")
    right = np.take_along_axis(alike & apart, nearest[:, :_NEAREST], axis=1)[searched]
    named = kinds.argmax(axis=1)[searched]
    means = [
        float(right[named == kind, 0].mean())
        for kind in np.unique(named)
        if np.count_nonzero(named == kind) >= _FEWEST
    ]
    if not len(searched):
        return Retrieval(0.0, 0.0, 0.0, 0)
    first = float(right[:, 0].mean())
    return Retrieval(
        first, float(right.mean()), float(np.mean(means)) if means else first, len(searched)
    )


def average_precision(scores: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Returns the mean precision at each right sound, in the order of falling scores."""
    ordered = right[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return float(precision[ordered].mean()) if ordered.any() else 0.0

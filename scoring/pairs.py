"""Trials from labels: every pair of clips is one trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_PER_KIND = 500_000
"""Target trials that are kept, and other trials too; of more, a random part is kept."""


@dataclass(frozen=True)
class Pairs:
    """Scored trials, in arrays of shape (trials,)."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    scores: NDArray[np.float32]
    targets: NDArray[np.bool_]


def all_pairs(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
    most: int = MOST_PER_KIND,
) -> Pairs:
    """Scores every pair of clips. Pairs with the same label are target trials.

    If there are many more than `most` trials of a kind, each is kept with the same probability.
    Rates are shares of one kind, so this does not bias them.

    Args:
        vectors: unit vectors, shape (clips, dimension).
        labels: shape (clips,).
        seed: of the choice.
        most: trials of each kind that are kept.

    Raises:
        ValueError: if all labels are the same, or all are different.
    """
    sizes = np.bincount(labels)
    targets = int((sizes * (sizes - 1) // 2).sum())
    others = len(labels) * (len(labels) - 1) // 2 - targets
    if not targets or not others:
        raise ValueError("all labels are the same, or no two are")
    chances = np.array([min(1.0, most / others), min(1.0, most / targets)])
    random = np.random.default_rng(seed)
    parts = []
    for row in range(len(labels) - 1):
        same = labels[row + 1 :] == labels[row]
        kept = np.flatnonzero(random.random(len(same)) < chances[same.astype(np.int64)])
        second = kept + row + 1
        scores = vectors[second] @ vectors[row]
        parts.append((np.full(len(kept), row), second, scores, same[kept]))
    first, second, scores, same = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Pairs(first, second, scores, same)

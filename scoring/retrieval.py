"""Retrieval by label: every clip is a query for the others that have its label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 256


@dataclass(frozen=True)
class Answers:
    """The rank and the precision of each query."""

    queries: NDArray[np.int64]
    """Rows of the queries: the clips that share their label with another; shape (queries,)."""

    first_rank: NDArray[np.int64]
    """Rank of the first clip with the right label, from 1; shape (queries,)."""

    average_precision: NDArray[np.float64]
    """Shape (queries,)."""

    def recall_at(self, k: int) -> NDArray[np.float64]:
        """1 for each query with a right clip among its first k, else 0; shape (queries,)."""
        return (self.first_rank <= k).astype(np.float64)


def retrieve(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Answers:
    """Searches exactly with every clip among all the others.

    Args:
        vectors: unit vectors, shape (clips, dimension).
        labels: shape (clips,).

    Raises:
        ValueError: if no two clips share a label.
    """
    queries = np.flatnonzero(np.bincount(labels)[labels] > 1)
    if not len(queries):
        raise ValueError("no two clips share a label")
    ranks, precisions = [], []
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        scores = vectors[block] @ vectors.T
        for query, row in zip(block, scores, strict=True):
            relevant = np.delete(labels == labels[query], query)
            others = np.delete(row, query)
            ranks.append(first_rank(others, relevant))
            precisions.append(average_precision(others, relevant))
    return Answers(queries, np.array(ranks, np.int64), np.array(precisions))


def first_rank(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> int:
    """Rank of the best relevant clip, from 1. It ranks behind all others of the same score."""
    best = scores[relevant].max()
    return 1 + int(np.count_nonzero(scores[~relevant] >= best))


def average_precision(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> float:
    """Mean of the precision at each relevant clip, without interpolation.

    The precision at clips with equal scores is the one behind all of them, as in scikit-learn.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    found = np.cumsum(relevant[order])[ends]
    gained = np.diff(found, prepend=0)
    return float((gained * found / (ends + 1)).sum() / found[-1])

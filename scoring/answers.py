"""Compares the answers of two indexes to the same queries, and how well vectors tell labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scoring.error_rates import equal_error_rate, error_rates
from scoring.pairs import all_pairs

_LEAST_SHARING = 10
"""Labels that others share, for a rate of pairs to say anything."""


class Agreement(NamedTuple):
    """The share of answers that two indexes have in common."""

    overlap: float
    """Mean share of the answers to a query that both give, 0 to 1; 1 if there are none."""

    same_nearest_count: int
    """Queries whose first answer is the same."""


def agreement(one: Sequence[Sequence[str]], other: Sequence[Sequence[str]]) -> Agreement:
    """Compares the answers to the same queries, the best first.

    The share is that of the longer answer. Queries that neither answers say nothing.
    """
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a or b]
    shares = [len({*a} & {*b}) / max(len(a), len(b)) for a, b in pairs]
    overlap = float(np.mean(shares)) if shares else 1.0
    return Agreement(overlap, sum(a[:1] == b[:1] for a, b in pairs))


def tells_pairs(labels: Sequence[str]) -> bool:
    """True if there are pairs of one label and of two, enough for a rate. Empty ones are none."""
    counts = Counter(label for label in labels if label)
    return len(counts) > 1 and sum(n for n in counts.values() if n > 1) >= _LEAST_SHARING


def separation(vectors: Sequence[Sequence[float]], labels: Sequence[str]) -> float:
    """The equal error rate of all pairs of vectors with a label, of one label against of two.

    Args:
        vectors: unit vectors, shape (n, dimension).
        labels: of the vectors; an empty one leaves its vector out.
    """
    names = np.array(labels)
    has = names != ""
    _, codes = np.unique(names[has], return_inverse=True)
    pairs = all_pairs(np.array(vectors, np.float32)[has], codes, seed=0)
    return equal_error_rate(error_rates(pairs.scores, pairs.targets))

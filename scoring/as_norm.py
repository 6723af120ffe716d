"""AS-norm: a score beside those that the cohort's voices get."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_COHORT = 800
"""Clips of a cohort: some hundreds of best scores are wanted of it (Matejka et al. 2017 find 200 to
400 best), and each decision compares with all of it."""
MOST_TOP = 300
"""Best scores that are looked at, at most."""
TOP_SHARE = 0.5
"""Part of a small cohort's scores that is looked at: from 0.35 to 0.75 did about the same."""
LEAST_SCORES = 10
"""Scores without which neither mean nor spread tells anything."""

LEAST_COHORT_SPEAKERS = 4
"""Speakers that a cohort needs beside the two of a trial. With 3 to 5 speakers in all, AS-norm made
the equal error rate worse in 52 draws of 54."""
LEAST_SPREAD = 1e-6
"""Cosines of the same two vectors differ by less, as they are rounded."""


class Statistics(NamedTuple):
    """What the cohort's best scores against one voice are."""

    mean: float
    spread: float
    """Standard deviation, more than 0."""


def cohort_statistics(scores: NDArray[np.floating], top: int) -> Statistics | None:
    """Mean and spread of the best scores.

    Args:
        scores: cosines of one voice with the cohort's, without those of the speaker that is decided
            on, shape (clips,).
        top: how many of the best count.

    Returns:
        None where there are fewer than that, as the mean of all is not that of the best; where they
        are fewer than 10; and where all of the best are the same.
    """
    if not LEAST_SCORES <= top <= len(scores):
        return None
    best = np.partition(scores, len(scores) - top)[len(scores) - top :].astype(np.float64)
    spread = float(best.std())
    return Statistics(float(best.mean()), spread) if spread > LEAST_SPREAD else None


def as_norm(cosine: float, voiceprint: Statistics, query: Statistics) -> float:
    """The score in spreads of the cohort's scores: the mean of both sides.

    Adaptive symmetric normalisation, P. Matejka et al., "Analysis of Score Normalization in
    Multilingual Speaker Recognition", Interspeech 2017 (adaptive S-norm 1: each side by its own
    best scores).

    Args:
        cosine: of the query with the voiceprint.
        voiceprint: of the cohort's scores against the voiceprint.
        query: of the cohort's scores against the query.
    """
    by_voiceprint = (cosine - voiceprint.mean) / voiceprint.spread
    by_query = (cosine - query.mean) / query.spread
    return (by_voiceprint + by_query) / 2


def top_count(speakers: int, scores: int) -> int:
    """How many of the best scores count.

    Args:
        speakers: of the cohort without the two of a trial.
        scores: of their clips.

    Returns:
        0 where they are too few to normalise by.
    """
    count = min(MOST_TOP, int(scores * TOP_SHARE))
    return count if speakers >= LEAST_COHORT_SPEAKERS and count >= LEAST_SCORES else 0

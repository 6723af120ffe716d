"""AS-norm: a score in relation to the scores of the cohort's voices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_COHORT = 800
"""Clips of a cohort at most. AS-norm works best with 200 to 400 best scores (Matejka et al. 2017),
and each decision compares with the whole cohort."""
MOST_TOP = 300
"""Best scores that count at most."""
TOP_SHARE = 0.5
"""Share of a small cohort's scores that counts. Shares from 0.35 to 0.75 do about equally well."""
LEAST_SCORES = 10
"""Best scores that a useful mean and spread need."""

LEAST_COHORT_SPEAKERS = 4
"""Speakers that a cohort needs beside the two of a trial. With 3 to 5 speakers in all, AS-norm made
the equal error rate worse in 52 draws of 54."""
LEAST_SPREAD = 1e-6
"""Spread below which all scores count as equal: rounding alone makes such differences."""


class Statistics(NamedTuple):
    """Mean and spread of the cohort's best scores against one voice."""

    mean: float
    spread: float
    """Standard deviation, more than 0."""


def cohort_statistics(scores: NDArray[np.floating], top: int) -> Statistics | None:
    """Mean and spread of the best scores.

    Args:
        scores: cosines of one voice with the cohort's clips, without the clips of the speaker in
            question, shape (clips,).
        top: number of best scores that count.

    Returns:
        None if there are fewer than `top` scores, if `top` is less than 10, or if all of the best
        scores are the same.
    """
    if not LEAST_SCORES <= top <= len(scores):
        return None
    best = np.partition(scores, len(scores) - top)[len(scores) - top :].astype(np.float64)
    spread = float(best.std())
    return Statistics(float(best.mean()), spread) if spread > LEAST_SPREAD else None


def as_norm(cosine: float, voiceprint: Statistics, query: Statistics) -> float:
    """The normalised score: how many spreads above the cohort's mean, averaged over both sides.

    Adaptive symmetric normalisation, P. Matejka et al., "Analysis of Score Normalization in
    Multilingual Speaker Recognition", Interspeech 2017 (adaptive S-norm 1: each side by its own
    best scores).

    Args:
        cosine: of the query with the voiceprint.
        voiceprint: statistics of the cohort's scores against the voiceprint.
        query: statistics of the cohort's scores against the query.
    """
    by_voiceprint = (cosine - voiceprint.mean) / voiceprint.spread
    by_query = (cosine - query.mean) / query.spread
    return (by_voiceprint + by_query) / 2


def top_count(speakers: int, scores: int) -> int:
    """The number of best scores that count.

    Args:
        speakers: number of speakers in the cohort, without the two of a trial.
        scores: number of their clips.

    Returns:
        0 if the cohort is too small to normalise by.
    """
    count = min(MOST_TOP, int(scores * TOP_SHARE))
    return count if speakers >= LEAST_COHORT_SPEAKERS and count >= LEAST_SCORES else 0

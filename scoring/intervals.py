"""Intervals by resampling speakers.

Another test would have other speakers. Trials that share a speaker are not independent, so
intervals from resampled trials would be too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
MAX_USELESS = 50
LEAST_DRAWN_SPEAKERS = 3
"""Speakers that an interval needs. With two, every draw of any use holds each of them once."""
Counts = NDArray[np.float64]
Units = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """The 95 % interval of a figure."""

    low: float
    high: float


def draws(units: int, count: int, seed: int) -> Iterator[Counts]:
    """`count` draws, each with the number of times that each unit was drawn, shape (units,)."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        drawn = random.integers(units, size=units)
        yield np.bincount(drawn, minlength=units).astype(np.float64)


def trial_weights(counts: Counts, first: Units, second: Units) -> NDArray[np.float64]:
    """The number of times that each trial counts in a draw.

    Args:
        counts: number of times that each speaker was drawn, shape (speakers,).
        first: speaker of each trial's first side, shape (trials,).
        second: speaker of its second side, shape (trials,).

    Returns:
        Shape (trials,). A trial within one speaker counts as often as the speaker was drawn. A
        trial between two speakers counts as often as there are pairs of their copies.
    """
    return counts[first] * np.where(first == second, 1.0, counts[second])


def intervals(
    figures: Callable[[Counts], tuple[float, ...]], units: int, count: int, seed: int
) -> tuple[Interval, ...]:
    """Percentile intervals of several figures.

    Args:
        figures: computes the figures of one draw. It raises ValueError if the draw is useless, for
            example because it holds only one speaker. A useless draw is replaced by another one.
        units: number of speakers.
        count: number of draws.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        ValueError: if nearly all draws are useless.
    """
    told: list[tuple[float, ...]] = []
    for counts in draws(units, count * MAX_USELESS, seed):
        try:
            told.append(figures(counts))
        except ValueError:
            continue
        if len(told) == count:
            break
    else:
        raise ValueError("there are too few speakers to resample")
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(np.array(told), [tail, 100 - tail], axis=0)
    return tuple(Interval(float(a), float(b)) for a, b in zip(low, high, strict=True))

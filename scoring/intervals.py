"""Intervals by resampling speakers, who are what another test would draw anew.

Trials that share a speaker are not independent, so resampling trials would promise too much.
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
    """Between which two values a figure lies, at 95 %."""

    low: float
    high: float


def draws(units: int, count: int, seed: int) -> Iterator[Counts]:
    """How often each of `units` is drawn, `count` times over; shape (units,) each."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        drawn = random.integers(units, size=units)
        yield np.bincount(drawn, minlength=units).astype(np.float64)


def trial_weights(counts: Counts, first: Units, second: Units) -> NDArray[np.float64]:
    """How often each trial counts in a draw.

    Args:
        counts: how often each speaker was drawn, shape (speakers,).
        first: speaker of each trial's first side, shape (trials,).
        second: speaker of its second side, shape (trials,).

    Returns:
        Shape (trials,). A trial within one speaker comes as often as the speaker; a trial between
        two as often as the pairs of their copies.
    """
    return counts[first] * np.where(first == second, 1.0, counts[second])


def intervals(
    figures: Callable[[Counts], tuple[float, ...]], units: int, count: int, seed: int
) -> tuple[Interval, ...]:
    """Percentile intervals of several figures.

    Args:
        figures: the figures for one draw; ValueError if it can't tell them, as where a draw holds
            one speaker alone: such a draw is made again, but not without end.
        units: how many speakers there are.
        count: how many draws to make.
        seed: of the draws; the same one gives the same intervals.

    Raises:
        ValueError: when hardly any draw tells anything.
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

"""The figures of an evaluation, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.error_rates import ErrorRates, RankedTrials, equal_error_rate, min_dcf
from scoring.intervals import LEAST_DRAWN_SPEAKERS, Interval, intervals, trial_weights
from scoring.retrieval import Answers

P_TARGET = 0.01
Units = NDArray[np.int64]


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval. It has no interval if there are too few speakers."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Scored:
    """Trials with their scores and speakers, in arrays of shape (trials,)."""

    scores: NDArray[np.floating]
    targets: NDArray[np.bool_]
    first: Units
    """Number of the speaker of the first side."""

    second: Units
    """Number of the speaker of the second side."""


@dataclass(frozen=True)
class Resampling:
    """Parameters of the resampling that intervals are computed by."""

    units: int
    """Number of speakers to draw from, or of clips if the speakers are not known."""

    count: int
    seed: int


@dataclass(frozen=True)
class Verification:
    """Figures of decisions on trials."""

    rates: ErrorRates
    equal_error_rate: Figure
    min_dcf: Figure
    """At p_target 0.01 and unit costs, normalised."""

    target_trials: int
    other_trials: int


@dataclass(frozen=True)
class Retrieval:
    """Figures of searches by a clip for others with its label."""

    recall: dict[int, Figure]
    """For each k, the share of queries with such a clip among the first k matches."""

    mean_average_precision: Figure
    queries: int


def verify(trials: Scored, resampling: Resampling) -> Verification:
    """EER and minDCF, without intervals if the trials hold fewer than three speakers.

    Raises:
        ValueError: if one kind of trial is missing.
    """
    ranked = RankedTrials(trials.scores, trials.targets)
    rates = ranked.rates()

    def of_draw(counts: NDArray[np.float64]) -> tuple[float, ...]:
        drawn = ranked.rates(trial_weights(counts, trials.first, trials.second))
        return equal_error_rate(drawn), min_dcf(drawn, P_TARGET)

    found: Sequence[Interval | None] = (None, None)
    speakers = np.bincount(np.concatenate([trials.first, trials.second]))
    if np.count_nonzero(speakers) >= LEAST_DRAWN_SPEAKERS:
        found = _intervals(of_draw, resampling, 2)
    targets = int(trials.targets.sum())
    return Verification(
        rates,
        Figure(equal_error_rate(rates), found[0]),
        Figure(min_dcf(rates, P_TARGET), found[1]),
        targets,
        len(trials.targets) - targets,
    )


def judge(answers: Answers, units: Units, ks: Sequence[int], resampling: Resampling) -> Retrieval:
    """Recall at each k and mean average precision.

    Args:
        answers: of the queries.
        units: number of the speaker of each query, shape (queries,).
        ks: numbers of matches to look at.
        resampling: over the speakers of the queries.
    """
    values = np.stack([*(answers.recall_at(k) for k in ks), answers.average_precision])

    def of_draw(counts: NDArray[np.float64]) -> tuple[float, ...]:
        weights = counts[units]
        if not weights.any():
            raise ValueError("no query is drawn")
        return tuple(float(value) for value in values @ weights / weights.sum())

    found = _intervals(of_draw, resampling, len(values))
    figures = [Figure(float(row.mean()), each) for row, each in zip(values, found, strict=True)]
    return Retrieval(dict(zip(ks, figures[:-1], strict=True)), figures[-1], len(answers.first_rank))


def _intervals(
    figures: Callable[[NDArray[np.float64]], tuple[float, ...]],
    resampling: Resampling,
    count: int,
) -> Sequence[Interval | None]:
    """The intervals, or None for each if there is nothing to resample."""
    if resampling.units < 2 or not resampling.count:
        return [None] * count
    try:
        return intervals(figures, resampling.units, resampling.count, resampling.seed)
    except ValueError:
        return [None] * count

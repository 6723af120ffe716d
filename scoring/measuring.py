"""Measures decisions by one kind of score: its line, its figures, and rates over thresholds."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from audiosearch.catalog.v1.calibration_pb2 import OperatingRates, ScoreCalibration
from numpy.typing import NDArray

from scoring.error_rates import (
    ErrorRates,
    equal_error_rate,
    error_rates,
    min_dcf,
)
from scoring.figures import P_TARGET
from scoring.intervals import LEAST_DRAWN_SPEAKERS, Interval, intervals, trial_weights
from scoring.likelihood_ratios import cllr, fit_line
from scoring.trials import Trials

MOST_POINTS = 400
RESAMPLES = 200
ABOVE_ALL = 1e-3
"""Distance of the threshold that accepts nothing above all ratios, as a log-likelihood ratio."""
DEVIATE = 1.959964
"""Normal deviate of a 95 % interval."""
Floats = NDArray[np.float64]


def measure(trials: Trials, scores: NDArray[np.floating], seed: int) -> ScoreCalibration | None:
    """Fits and measures one kind of score.

    Args:
        trials: of both kinds.
        scores: of each trial, shape (trials,).
        seed: of the intervals.

    Returns:
        None if the scores are useless, because targets do not score higher than the others.
    """
    targets = trials.targets
    line = fit_line(scores, targets)
    rates = error_rates(scores, targets)
    if line.slope <= 0 or equal_error_rate(rates) >= 0.5:
        return None
    ratios = line.ratios(scores)
    return ScoreCalibration(
        slope=line.slope,
        intercept=line.intercept,
        equal_error_rate=equal_error_rate(rates),
        min_dcf=min_dcf(rates, P_TARGET),
        cllr=cllr(ratios, targets),
        target_trial_count=int(targets.sum()),
        nontarget_trial_count=int((~targets).sum()),
        rates=operating_rates(trials, ratios, seed),
    )


def operating_rates(trials: Trials, ratios: Floats, seed: int) -> list[OperatingRates]:
    """Error rates at up to 400 thresholds of the log-likelihood ratio, by rising threshold.

    They go from accepting all to accepting nothing and are denser where either rate is small.

    Args:
        trials: of both kinds.
        ratios: log-likelihood ratio of each, shape (trials,).
        seed: of the intervals.
    """
    rates = _thinned(error_rates(ratios, trials.targets))
    table = np.stack(
        [
            rates.thresholds,
            rates.miss,
            *_interval(rates.miss, trials, trials.targets),
            rates.false_alarm,
            *_interval(rates.false_alarm, trials, ~trials.targets),
        ]
    )
    resampled = _resampled(trials, ratios, rates.thresholds, seed)
    for row, bounds in zip((2, 5), resampled, strict=True):
        table[row] = np.minimum(table[row], bounds[0])
        table[row + 1] = np.maximum(table[row + 1], bounds[1])
    return [_point(values) for values in table.T.tolist()]


def _point(values: list[float]) -> OperatingRates:
    ratio, miss, miss_low, miss_high, alarm, alarm_low, alarm_high = values
    return OperatingRates(
        log_likelihood_ratio=ratio,
        miss_rate=miss,
        miss_rate_low=miss_low,
        miss_rate_high=miss_high,
        false_alarm_rate=alarm,
        false_alarm_rate_low=alarm_low,
        false_alarm_rate_high=alarm_high,
    )


def _thinned(rates: ErrorRates) -> ErrorRates:
    """The rates at no more thresholds than allowed, by rising threshold, none of them infinite."""
    chosen = np.arange(len(rates.thresholds))
    size = MOST_POINTS
    while len(chosen) > MOST_POINTS:
        chosen, size = _spaced(rates, size), size - size // 10
    chosen = chosen[::-1]
    thresholds = rates.thresholds[chosen]
    thresholds[-1] = thresholds[-2] + ABOVE_ALL
    return ErrorRates(thresholds, rates.miss[chosen], rates.false_alarm[chosen])


def _spaced(rates: ErrorRates, size: int) -> NDArray[np.int64]:
    """Positions of points, `size` each at even ratios of misses, false alarms and hits."""
    accepted = 1 - rates.miss
    alarms, shares, misses = (
        np.geomspace(of[of > 0].min(), 1, size) for of in (rates.false_alarm, accepted, rates.miss)
    )
    ends = 0, 1, len(rates.thresholds) - 1
    by_alarm = np.searchsorted(rates.false_alarm, alarms, side="right") - 1
    by_share = np.searchsorted(accepted, shares)
    by_miss = np.searchsorted(-rates.miss, -misses)
    return np.unique(np.concatenate([ends, by_alarm, by_share, by_miss]))


def _interval(rate: Floats, trials: Trials, kind: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Wilson's score interval, which treats trials as independent.

    It is a lower bound on the width of the intervals. Resampling gives no width where a rate is 0
    or 1 in every draw, and too little where there are few speakers. A clip counts once for each
    speaker, even if it is compared with several voiceprints of that speaker.
    """
    clips = int(trials.clips.max()) + 1
    count = len(np.unique(trials.first[kind] * clips + trials.clips[kind]))
    square = DEVIATE**2
    middle = (rate + square / (2 * count)) / (1 + square / count)
    half = np.sqrt(rate * (1 - rate) / count + square / (4 * count**2)) / (1 + square / count)
    half *= DEVIATE
    return np.clip(middle - half, 0, rate), np.clip(middle + half, rate, 1)


def _resampled(
    trials: Trials, ratios: Floats, thresholds: Floats, seed: int
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Low and high bounds of misses and of false alarms when speakers are resampled.

    The bounds are 0 and 1 if there are fewer than three speakers, because then all draws are alike.
    """
    points, targets = len(thresholds), trials.targets
    units = int(max(trials.first.max(), trials.second.max())) + 1
    places = np.searchsorted(thresholds, ratios, side="right")
    kinds = [(trials.first[of], trials.second[of], places[of]) for of in (targets, ~targets)]

    def rejected(counts: Floats) -> tuple[Floats, ...]:
        return tuple(_rejected(counts, *kind, points) for kind in kinds)

    def figures(counts: Floats) -> tuple[float, ...]:
        misses, right = rejected(counts)
        return (*misses.tolist(), *(1 - right).tolist())

    found = (Interval(0.0, 1.0),) * (2 * points)
    if len(np.unique(trials.second)) >= LEAST_DRAWN_SPEAKERS:
        with suppress(ValueError):  # hardly a draw holds trials of both kinds
            found = intervals(figures, units, RESAMPLES, seed)
    low = np.array([each.low for each in found])
    high = np.array([each.high for each in found])
    return (low[:points], high[:points]), (low[points:], high[points:])


def _rejected(
    counts: Floats,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    places: NDArray[np.int64],
    points: int,
) -> Floats:
    """Share of one kind of trial below each threshold in a draw; ValueError if none is drawn."""
    weights = trial_weights(counts, first, second)
    sums: Floats = np.cumsum(np.bincount(places, weights, points + 1))
    if not sums[-1]:
        raise ValueError("no trial of this kind is drawn")
    shares: Floats = sums[:-1] / sums[-1]
    return shares

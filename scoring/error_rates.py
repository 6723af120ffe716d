"""Miss and false-alarm rates of trials over all thresholds, and figures derived from them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MAX_POINTS = 2000


@dataclass(frozen=True)
class ErrorRates:
    """Every operating point of a set of trials, from accepting none to accepting all.

    A trial is accepted when its score is the threshold or higher.
    """

    thresholds: Floats
    """Falling, shape (points,); the first one is infinite."""

    miss: Floats
    """Share of the target trials that are not accepted, shape (points,); falls from 1 to 0."""

    false_alarm: Floats
    """Share of the other trials that are accepted, shape (points,); rises from 0 to 1."""


class RankedTrials:
    """Trials sorted by score once, for any number of weightings."""

    def __init__(self, scores: NDArray[np.floating], targets: Flags) -> None:
        """Sorts the trials.

        Args:
            scores: higher means more alike, shape (trials,).
            targets: True if both sides belong together, shape (trials,).

        Raises:
            ValueError: if one kind of trial is missing, or a score is not a finite number.
        """
        if targets.all() or not targets.any():
            raise ValueError("there must be target trials and others")
        if not np.isfinite(scores).all():
            raise ValueError("every score must be a finite number")
        self._order = np.argsort(-scores, kind="stable")
        ranked = np.asarray(scores, np.float64)[self._order]
        self._targets = targets[self._order]
        self._ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        self._thresholds = np.concatenate(([np.inf], ranked[self._ends]))

    def rates(self, weights: Floats | None = None) -> ErrorRates:
        """The error rates over all thresholds.

        Args:
            weights: number of times that each trial counts, shape (trials,); once by default.

        Raises:
            ValueError: if one kind of trial has no weight at all.
        """
        counts = np.ones(len(self._order)) if weights is None else weights[self._order]
        accepted = np.cumsum(np.where(self._targets, counts, 0.0))[self._ends]
        alarms = np.cumsum(np.where(self._targets, 0.0, counts))[self._ends]
        if not accepted[-1] or not alarms[-1]:
            raise ValueError("there must be target trials and others")
        return ErrorRates(
            self._thresholds,
            np.concatenate(([1.0], 1.0 - accepted / accepted[-1])),
            np.concatenate(([0.0], alarms / alarms[-1])),
        )


def error_rates(scores: NDArray[np.floating], targets: Flags) -> ErrorRates:
    """The error rates of trials over all thresholds. It raises the errors of `RankedTrials`."""
    return RankedTrials(scores, targets).rates()


def equal_error_rate(rates: ErrorRates) -> float:
    """The rate at which misses and false alarms are equally frequent, from 0 to 1.

    Both curves are taken to be straight lines between the two neighbouring operating points where
    they cross. Trials with the same score are accepted together, so they are one operating point.
    """
    gap = rates.false_alarm - rates.miss
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    step = rates.false_alarm[after] - rates.false_alarm[before]
    return float(rates.false_alarm[before] + share * step)


def min_dcf(
    rates: ErrorRates,
    p_target: float = 0.01,
    cost_miss: float = 1.0,
    cost_false_alarm: float = 1.0,
) -> float:
    """The least detection cost over all thresholds, normalised (NIST SRE).

    Cost = cost_miss * p_target * miss + cost_false_alarm * (1 - p_target) * false_alarm. It is
    divided by the cost of accepting all or of accepting none, whichever is less. The result is from
    0 to 1.
    """
    missing, alarming = cost_miss * p_target, cost_false_alarm * (1 - p_target)
    costs = missing * rates.miss + alarming * rates.false_alarm
    return float(costs.min() / min(missing, alarming))


def det_points(rates: ErrorRates) -> tuple[Floats, Floats]:
    """False-alarm and miss rates on the normal-deviate scale of a DET curve (Martin et al. 1997).

    Returns:
        Two arrays of shape (points,), at most 2,000 points. Points with a rate of 0 or 1 are left
        out, because their deviates are infinite.
    """
    inside = np.flatnonzero(
        (rates.miss > 0) & (rates.miss < 1) & (rates.false_alarm > 0) & (rates.false_alarm < 1)
    )
    if len(inside) > MAX_POINTS:
        inside = inside[np.linspace(0, len(inside) - 1, MAX_POINTS).astype(np.int64)]
    return normal_deviates(rates.false_alarm[inside]), normal_deviates(rates.miss[inside])


def normal_deviates(rates: Floats) -> Floats:
    """The inverse of the normal distribution at rates between 0 and 1, of the same shape."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse(float(rate)) for rate in rates], np.float64)

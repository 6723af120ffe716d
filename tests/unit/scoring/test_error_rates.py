"""Error rates, by hand and beside scikit-learn."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import roc_curve

from scoring.error_rates import (
    RankedTrials,
    det_points,
    equal_error_rate,
    error_rates,
    min_dcf,
    normal_deviates,
)

TARGETS = np.array([True, True, True, True, False, False, False, False])


def test_operating_points_by_hand() -> None:
    """From accepting none to accepting all; trials with one score move together."""
    rates = error_rates(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    assert rates.thresholds.tolist() == [np.inf, 0.9, 0.5, 0.1]
    assert rates.miss.tolist() == [1, 0.5, 0, 0]
    assert rates.false_alarm.tolist() == [0, 0, 0.5, 1]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        # All targets above all others; all below; all the same: a coin.
        ([8, 7, 6, 5, 4, 3, 2, 1], 0.0),
        ([1, 2, 3, 4, 5, 6, 7, 8], 1.0),
        ([1, 1, 1, 1, 1, 1, 1, 1], 0.5),
        # T T T N T N N N: one of four each way.
        ([8, 7, 6, 4, 5, 3, 2, 1], 0.25),
    ],
)
def test_equal_error_rate_by_hand(scores: list[float], expected: float) -> None:
    """The rate is taken at the crossing of both rates."""
    assert equal_error_rate(error_rates(np.array(scores), TARGETS)) == pytest.approx(expected)


def test_equal_error_rate_between_two_points() -> None:
    """From (0, 1/2) the line to (1/3, 0) meets the diagonal at 1/5."""
    scores = np.array([3.0, 2.0, 2.0, 1.0, 0.0])
    targets = np.array([True, True, False, False, False])
    assert equal_error_rate(error_rates(scores, targets)) == pytest.approx(0.2)


def test_min_dcf_by_hand() -> None:
    """At p_target 0.01 a false alarm of 1 in 100 costs as much as 99 in 100 misses."""
    scores = np.concatenate([[3.0, 1.0], [2.0], np.zeros(99)])
    targets = np.arange(102) < 2
    rates = error_rates(scores, targets)
    # Accept the first alone: half is missed. With the false alarm as well: 0.99 / 100 / 0.01.
    assert min_dcf(rates) == pytest.approx(0.5)
    assert min_dcf(rates, p_target=0.5) == pytest.approx(0.01)
    assert min_dcf(rates, 0.5, cost_miss=1, cost_false_alarm=10) == pytest.approx(0.1)
    assert min_dcf(error_rates(-scores, targets)) == 1


@pytest.mark.parametrize("decimals", [1, 2, 6])
def test_beside_scikit_learn(decimals: int) -> None:
    """The same points, and the EER as the line through them crosses; with and without ties."""
    random = np.random.default_rng(decimals)
    targets = random.random(3000) < 0.2
    scores = np.round(random.standard_normal(3000) + 1.5 * targets, decimals)
    rates = error_rates(scores, targets)
    alarms, found, thresholds = roc_curve(targets, scores, drop_intermediate=False)
    np.testing.assert_allclose(rates.false_alarm, alarms, atol=1e-12)
    np.testing.assert_allclose(1 - rates.miss, found, atol=1e-12)
    np.testing.assert_allclose(rates.thresholds, thresholds)
    expected = brentq(lambda x: 1 - x - interp1d(alarms, found)(x), 0, 1)
    assert equal_error_rate(rates) == pytest.approx(expected, abs=1e-9)


def test_weights_count_like_repeats() -> None:
    """A weight of 2 is the trial twice, a weight of 0 not at all."""
    random = np.random.default_rng(1)
    scores, targets = random.standard_normal(200), random.random(200) < 0.5
    weights = random.integers(0, 3, 200)
    weighted = RankedTrials(scores, targets).rates(weights.astype(float))
    repeated = error_rates(np.repeat(scores, weights), np.repeat(targets, weights))
    assert equal_error_rate(weighted) == pytest.approx(equal_error_rate(repeated))
    assert min_dcf(weighted) == pytest.approx(min_dcf(repeated))


def test_trials_of_one_kind_or_without_scores_are_refused() -> None:
    """No figure is made of nothing."""
    for targets in ([True, True], [False, False]):
        with pytest.raises(ValueError, match="target trials and others"):
            error_rates(np.array([1.0, 2.0]), np.array(targets))
    with pytest.raises(ValueError, match="finite"):
        error_rates(np.array([1.0, np.nan]), np.array([True, False]))
    with pytest.raises(ValueError, match="target trials and others"):
        RankedTrials(np.array([1.0, 2.0]), np.array([True, False])).rates(np.array([1.0, 0.0]))


def test_scores_of_two_normal_distributions_make_a_straight_det_curve() -> None:
    """Of slope -1, through the EER of theory."""
    random = np.random.default_rng(7)
    scores = np.concatenate([random.normal(2, 1, 40_000), random.normal(0, 1, 40_000)])
    rates = error_rates(scores, np.arange(80_000) < 40_000)
    alarms, misses = det_points(rates)
    assert len(alarms) <= 2000
    central = (np.abs(alarms) < 1.5) & (np.abs(misses) < 1.5)
    slope, start = np.polyfit(alarms[central], misses[central], 1)
    assert slope == pytest.approx(-1, abs=0.03)
    assert start == pytest.approx(-2, abs=0.05)
    assert equal_error_rate(rates) == pytest.approx(NormalDist().cdf(-1), abs=0.003)
    assert normal_deviates(np.array([0.5])) == pytest.approx([0])

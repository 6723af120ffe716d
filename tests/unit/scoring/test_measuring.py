"""Rates over thresholds of the log-likelihood ratio, and where they lie."""

from __future__ import annotations

import numpy as np
import pytest
from audiosearch.catalog.v1.calibration_pb2 import OperatingRates

from scoring.error_rates import equal_error_rate, error_rates, min_dcf
from scoring.measuring import MOST_POINTS, measure, operating_rates
from scoring.trials import Trials

INTERVALS = ("miss_rate", "false_alarm_rate")


def some_trials(
    speakers: int, clips: int, seed: int, gap: float = 2.0
) -> tuple[Trials, np.ndarray]:
    """Each speaker against each clip, and normal scores."""
    random = np.random.default_rng(seed)
    first, rows = (part.ravel() for part in np.indices((speakers, speakers * clips)))
    second = rows // clips
    scores = random.standard_normal(len(rows)) + gap * (first == second)
    return Trials(first, rows, first, second, scores.astype(np.float32)), scores


def column(rates: list[OperatingRates], name: str) -> np.ndarray:
    """One field of all of them."""
    return np.array([getattr(each, name) for each in rates])


def test_rates_by_hand() -> None:
    """Two targets at 2 and 0, two others at 1 and -1: from accepting all to accepting nothing."""
    numbers = np.array([0, 0, 0, 0])
    trials = Trials(numbers, np.arange(4), numbers, np.array([0, 0, 1, 1]), np.zeros(4, np.float32))
    found = operating_rates(trials, np.array([2.0, 0.0, 1.0, -1.0]), seed=0)
    ratios = column(found, "log_likelihood_ratio")
    assert ratios[:4].tolist() == [-1, 0, 1, 2]
    assert ratios[4] > 2
    assert column(found, "miss_rate").tolist() == [0, 0, 0.5, 0.5, 1]
    assert column(found, "false_alarm_rate").tolist() == [1, 0.5, 0.5, 0, 0]


def test_rates_of_many_trials_are_kept_where_they_are_small() -> None:
    """At most 400 by rising threshold, as measured, and some for each decade of both rates."""
    trials, scores = some_trials(60, 20, seed=0)
    found = operating_rates(trials, scores, seed=0)
    ratios = column(found, "log_likelihood_ratio")
    miss, alarm = (column(found, name) for name in INTERVALS)
    assert 300 < len(found) <= MOST_POINTS
    assert (np.diff(ratios) > 0).all()
    assert (np.diff(miss) >= 0).all()
    assert (np.diff(alarm) <= 0).all()
    assert (miss[0], alarm[0], miss[-1], alarm[-1]) == (0, 1, 1, 0)
    for place in range(0, len(found), 7):
        accepted = scores >= ratios[place]
        assert miss[place] == pytest.approx((~accepted[trials.targets]).mean())
        assert alarm[place] == pytest.approx(accepted[~trials.targets].mean())
    for rates in (miss, alarm):
        seen = np.sort(rates[rates > 20 / 1200])
        assert (seen[1:] / seen[:-1]).max() < 10**0.1


@pytest.mark.parametrize(("speakers", "clips"), [(2, 5), (3, 4), (6, 50), (40, 10)])
def test_intervals_hold_what_was_measured(speakers: int, clips: int) -> None:
    """From 0 to 1, with some width also where a rate is 0 or 1."""
    trials, scores = some_trials(speakers, clips, seed=speakers)
    found = operating_rates(trials, scores, seed=0)
    for name in INTERVALS:
        low, value, high = (column(found, name + end) for end in ("_low", "", "_high"))
        assert (low >= 0).all()
        assert (high <= 1).all()
        assert (low <= value).all()
        assert (value <= high).all()
        assert (high - low > 0).all()


def test_two_speakers_can_not_be_drawn_anew() -> None:
    """Any rate may be that of others."""
    trials, scores = some_trials(2, 100, seed=0)
    for rates in operating_rates(trials, scores, seed=0):
        assert (rates.miss_rate_low, rates.miss_rate_high) == (0, 1)
        assert (rates.false_alarm_rate_low, rates.false_alarm_rate_high) == (0, 1)


def test_no_error_among_n_is_no_promise_of_none() -> None:
    """0 of n: at most about 3.84 / (n + 3.84) by Wilson's interval."""
    trials, scores = some_trials(30, 10, seed=0, gap=100)
    best = operating_rates(trials, scores, seed=0)
    between = next(rates for rates in best if rates.log_likelihood_ratio > 50)
    assert between.miss_rate == between.false_alarm_rate == 0
    assert between.miss_rate_high == pytest.approx(3.8415 / (300 + 3.8415), rel=1e-3)
    assert between.false_alarm_rate_high == pytest.approx(3.8415 / (8700 + 3.8415), rel=1e-3)


def test_intervals_are_wider_where_speakers_differ() -> None:
    """Trials of one speaker stand and fall together; ten times the trials do not change that."""
    trials, scores = some_trials(12, 40, seed=0)
    shifted = scores + np.random.default_rng(1).normal(0, 2, 12)[trials.first]
    widths = []
    for each in (scores, shifted):
        rates = operating_rates(trials, each, seed=0)
        at = next(point for point in rates if point.false_alarm_rate <= 0.1)
        widths.append(at.false_alarm_rate_high - at.false_alarm_rate_low)
    assert widths[1] > 2 * widths[0]


def test_the_figures_are_those_of_the_trials() -> None:
    """EER and minDCF as evaluations report them, and the numbers of both kinds."""
    trials, scores = some_trials(10, 30, seed=4)
    found = measure(trials, scores, seed=0)
    assert found
    rates = error_rates(scores, trials.targets)
    assert found.equal_error_rate == equal_error_rate(rates)
    assert found.min_dcf == min_dcf(rates, 0.01)
    assert (found.target_trial_count, found.nontarget_trial_count) == (300, 2700)
    # Of N(2, 1) against N(0, 1): ln of the densities' ratio is 2 s - 2.
    assert (found.slope, found.intercept) == pytest.approx((2, -2), rel=0.15)


def test_scores_that_tell_the_wrong_way_are_not_measured() -> None:
    """Nor those that are all the same."""
    trials, scores = some_trials(6, 20, seed=0, gap=-1)
    assert measure(trials, scores, seed=0) is None
    assert measure(trials, np.full(len(scores), 0.5), seed=0) is None

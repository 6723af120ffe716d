"""Intervals, and the trials made from labels."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.error_rates import equal_error_rate, error_rates
from scoring.figures import Resampling, Scored, judge, verify
from scoring.intervals import draws, intervals, trial_weights
from scoring.pairs import all_pairs
from scoring.retrieval import retrieve
from tests.voices import voices


def test_a_draw_takes_as_many_as_there_are_and_is_told_by_its_seed() -> None:
    """Twice the same."""
    first, again = (list(draws(7, 3, seed=5)) for _ in range(2))
    assert all(counts.sum() == 7 for counts in first)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, list(draws(7, 3, seed=6)))


def test_trials_count_by_their_speakers() -> None:
    """Within one as often as it is drawn, between two as often as their copies pair."""
    counts = np.array([2.0, 0.0, 3.0])
    first, second = np.array([0, 0, 0, 2, 1]), np.array([0, 1, 2, 2, 1])
    assert trial_weights(counts, first, second).tolist() == [2, 0, 6, 3, 0]


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    """1.96 standard errors to each side."""
    values = np.random.default_rng(3).standard_normal(400)
    (found,) = intervals(lambda counts: (float(counts @ values / counts.sum()),), 400, 2000, seed=1)
    error = values.std() / 20
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_draws_that_tell_nothing_are_made_again_but_not_without_end() -> None:
    """One speaker drawn alone has no nontarget trial."""

    def never(_: np.ndarray) -> tuple[float, ...]:
        raise ValueError

    with pytest.raises(ValueError, match="too few"):
        intervals(never, 2, 3, seed=0)


def test_pairs_are_all_or_a_fair_part() -> None:
    """Each two clips once; of a part the error rate is the same but for chance."""
    vectors, labels = voices(20, 8, 1.2, seed=2)
    pairs = all_pairs(vectors, labels, seed=0)
    assert len(pairs.scores) == 160 * 159 // 2
    assert pairs.targets.sum() == 20 * 28
    assert (pairs.first < pairs.second).all()
    np.testing.assert_allclose(
        pairs.scores[:5], [vectors[0] @ vectors[n] for n in range(1, 6)], atol=1e-6
    )
    part = all_pairs(vectors, labels, seed=0, most=3000)
    assert part.targets.sum() == 560
    assert 2700 < (~part.targets).sum() < 3300
    whole, some = (equal_error_rate(error_rates(p.scores, p.targets)) for p in (pairs, part))
    assert some == pytest.approx(whole, abs=0.02)
    with pytest.raises(ValueError, match="the same"):
        all_pairs(vectors, np.zeros(160, np.int64), seed=0)


def test_figures_lie_in_their_intervals_which_narrow_with_more_speakers() -> None:
    """The same seed gives the same; without draws there is none."""
    widths = []
    for speakers in (8, 64):
        vectors, labels = voices(speakers, 6, 1.2, seed=4)
        pairs = all_pairs(vectors, labels, seed=0)
        scored = Scored(pairs.scores, pairs.targets, labels[pairs.first], labels[pairs.second])
        resampling = Resampling(speakers, 100, seed=0)
        found = verify(scored, resampling)
        assert found.min_dcf == verify(scored, resampling).min_dcf
        between = found.equal_error_rate.interval
        assert between
        assert between.low <= found.equal_error_rate.value <= between.high
        widths.append(between.high - between.low)
        answers = retrieve(vectors, labels)
        retrieval = judge(answers, labels[answers.queries], (1, 5), resampling)
        assert retrieval.recall[1].value <= retrieval.recall[5].value
        assert retrieval.mean_average_precision.interval
        bare = verify(scored, Resampling(speakers, 0, seed=0))
        assert bare.equal_error_rate.interval is None
    assert widths[1] < widths[0]


@pytest.mark.parametrize("others", [0, 6])
def test_error_rates_of_two_speakers_have_no_interval(others: int) -> None:
    """Each draw with trials of both kinds is both of them once, whoever else could be drawn."""
    vectors, labels = voices(2, 6, 1.2, seed=4)
    pairs = all_pairs(vectors, labels, seed=0)
    scored = Scored(pairs.scores, pairs.targets, labels[pairs.first], labels[pairs.second])
    resampling = Resampling(2 + others, 50, seed=0)
    found = verify(scored, resampling)
    assert 0 < found.equal_error_rate.value < 0.5
    assert found.equal_error_rate.interval is None
    assert found.min_dcf.interval is None
    answers = retrieve(vectors, labels)
    mean = judge(answers, labels[answers.queries], (1,), resampling).mean_average_precision
    assert mean.interval
    assert mean.interval.low < mean.interval.high


def test_error_rates_of_three_speakers_have_one() -> None:
    """Draws differ, and so does what they tell."""
    vectors, labels = voices(3, 6, 1.2, seed=4)
    pairs = all_pairs(vectors, labels, seed=0)
    scored = Scored(pairs.scores, pairs.targets, labels[pairs.first], labels[pairs.second])
    between = verify(scored, Resampling(3, 50, seed=0)).equal_error_rate.interval
    assert between
    assert between.low < between.high

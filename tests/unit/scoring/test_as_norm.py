"""AS-norm: by hand, and that of many trials beside that of one."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.as_norm import (
    LEAST_SCORES,
    MOST_COHORT,
    Statistics,
    as_norm,
    cohort_statistics,
    top_count,
)
from scoring.trial_cohorts import TrialCohort, best_without_each, choose_cohort
from scoring.trials import draw_voiceprints, make_trials
from tests.voices import voices


def test_as_norm_by_hand() -> None:
    """(0.7 - 0.1) / 0.2 = 3 and (0.7 - 0.2) / 0.1 = 5: 4 between them."""
    assert as_norm(0.7, Statistics(0.1, 0.2), Statistics(0.2, 0.1)) == pytest.approx(4)


def test_as_norm_treats_both_sides_alike() -> None:
    """Which of two voices was enrolled does not matter."""
    one, other = Statistics(0.1, 0.2), Statistics(-0.05, 0.07)
    assert as_norm(0.3, one, other) == as_norm(0.3, other, one)


def test_statistics_are_those_of_the_best() -> None:
    """Ten of 0.1 and ten of 0.3 are the best 20: mean 0.2, spread 0.1; the rest does not count."""
    scores = np.random.default_rng(0).permutation(np.repeat([0.3, -0.9, 0.1, -0.5], 10))
    assert cohort_statistics(scores, 20) == pytest.approx((0.2, 0.1))


def test_fewer_scores_than_count_tell_nothing() -> None:
    """The mean of all of them is not that of the best, which scores were calibrated with."""
    scores = np.repeat([0.1, 0.3], LEAST_SCORES)
    assert cohort_statistics(scores, len(scores)) == pytest.approx((0.2, 0.1))
    assert cohort_statistics(scores, len(scores) + 1) is None


@pytest.mark.parametrize(
    "scores",
    [np.zeros(0), np.linspace(0, 1, LEAST_SCORES - 1), np.full(50, 0.4), np.repeat([0.7, 0.1], 20)],
)
def test_no_statistics_of_too_little(scores: np.ndarray) -> None:
    """Of no score, of too few, and where the best are all the same."""
    assert cohort_statistics(scores, 20) is None


def test_rounding_is_no_spread() -> None:
    """Products of the same vectors differ in their last digit, which must not be divided by."""
    scores = np.float32(0.4) + np.float32(3e-8) * np.arange(50, dtype=np.float32)
    assert cohort_statistics(scores, 20) is None


@pytest.mark.parametrize(
    ("speakers", "scores", "expected"),
    [(100, 800, 300), (4, 100, 50), (3, 1000, 0), (10, 19, 0), (10, 20, 10), (0, 0, 0)],
)
def test_how_many_of_the_best_count(speakers: int, scores: int, expected: int) -> None:
    """300, half of a small cohort, none of one that is too small."""
    assert top_count(speakers, scores) == expected


def test_a_cohort_is_spread_over_speakers() -> None:
    """Those with few clips are in it with all of them, the others with as many each."""
    speakers = np.repeat(np.arange(5), [1000, 3, 1000, 1000, 1])
    chosen = choose_cohort(speakers, np.random.default_rng(0))
    assert len(np.unique(chosen)) == len(chosen) == MOST_COHORT
    counts = np.bincount(speakers[chosen])
    assert counts[[1, 4]].tolist() == [3, 1]
    assert np.ptp(counts[[0, 2, 3]]) <= 1


def test_a_cohort_of_more_speakers_than_it_holds() -> None:
    """One clip of each, of other speakers by another seed."""
    speakers = np.repeat(np.arange(2000), 3)
    first, other = (choose_cohort(speakers, np.random.default_rng(seed)) for seed in (0, 1))
    assert np.bincount(speakers[first]).max() == 1
    assert set(speakers[first]) != set(speakers[other])


def test_a_small_library_is_its_own_cohort() -> None:
    """All clips are in it."""
    assert choose_cohort(np.array([1, 0, 1]), np.random.default_rng(0)).tolist() == [0, 1, 2]


def test_the_best_without_each_speaker_are_those_without_the_speaker() -> None:
    """Sums for all speakers at once equal those for each alone."""
    random = np.random.default_rng(1)
    speakers = random.permutation(np.repeat([0, 1, 4, 7, 9], [30, 5, 40, 3, 60]))
    scores = random.standard_normal((10, len(speakers))).astype(np.float32)
    means, spreads = best_without_each(scores, speakers, 40)
    for voice in range(10):
        for column, speaker in enumerate([0, 1, 4, 7, 9, -1]):
            alone = cohort_statistics(scores[voice, speakers != speaker], 40)
            assert (means[voice, column], spreads[voice, column]) == pytest.approx(alone)


def test_trials_are_normalised_as_one_by_one() -> None:
    """By the best scores of a cohort that holds the clips of neither speaker."""
    vectors, speakers = voices(8, 20, 0.9, seed=3)
    random = np.random.default_rng(0)
    cohort = choose_cohort(speakers, random, most=90)
    voiceprints = draw_voiceprints(vectors, speakers, 3, random)
    trials = make_trials(vectors, speakers, voiceprints, random, most=200)
    among = TrialCohort.of(vectors[cohort], speakers[cohort])
    normalised = among.normalise(trials, voiceprints, vectors, speakers)
    for trial in range(len(trials.scores)):
        first, second = trials.first[trial], trials.second[trial]
        left = vectors[cohort[~np.isin(speakers[cohort], [first, second])]]
        sides = (voiceprints.vectors[trials.voiceprints[trial]], vectors[trials.clips[trial]])
        of_voiceprint, of_query = (cohort_statistics(left @ voice, among.top) for voice in sides)
        assert of_voiceprint
        assert of_query
        expected = as_norm(float(trials.scores[trial]), of_voiceprint, of_query)
        assert normalised[trial] == pytest.approx(expected, abs=1e-4)

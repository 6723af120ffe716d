"""Trials are made as decisions are made in use."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.trials import (
    MOST_DRAWS,
    MOST_VOICEPRINTS,
    Trials,
    draw_voiceprints,
    make_trials,
    usable_count,
)
from tests.voices import voices


def trials_of(
    vectors: np.ndarray, speakers: np.ndarray, count: int, most: int = 10**6
) -> tuple[Trials, np.ndarray]:
    """All trials, and the rows of the clips in each one's voiceprint."""
    random = np.random.default_rng(0)
    voiceprints = draw_voiceprints(vectors, speakers, count, random)
    trials = make_trials(vectors, speakers, voiceprints, random, most)
    return trials, voiceprints.clips[trials.voiceprints]


@pytest.mark.parametrize(
    ("sizes", "wanted", "expected"),
    [
        ([5, 5, 5], 3, 3),
        ([100, 4, 1], 10, 3),
        ([2, 2], 5, 1),
        ([100, 1, 1], 5, 0),
        ([100], 5, 0),
        ([], 5, 0),
    ],
)
def test_two_speakers_keep_a_clip_to_try(sizes: list[int], wanted: int, expected: int) -> None:
    """Voiceprints are made of fewer clips where there are not enough."""
    assert usable_count(np.array(sizes, np.int64), wanted) == expected


def test_a_voiceprint_is_the_mean_of_clips_of_one_speaker() -> None:
    """Each of other clips, of unit length."""
    vectors, speakers = voices(3, 8, 0.5, seed=0)
    made = draw_voiceprints(vectors, speakers, 4, np.random.default_rng(0))
    assert np.bincount(made.speakers).tolist() == [MOST_DRAWS] * 3
    assert (speakers[made.clips] == made.speakers[:, None]).all()
    assert all(len(set(clips)) == 4 for clips in made.clips.tolist())
    means = vectors[made.clips].mean(axis=1)
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(made.vectors, expected, atol=1e-6)


def test_speakers_with_too_few_clips_are_tried_but_have_no_voiceprint() -> None:
    """One clip more than a voiceprint takes is wanted, for it to be tried with."""
    vectors, _ = voices(1, 9, 0.5, seed=0)
    speakers = np.repeat([0, 1, 2], [4, 4, 1])
    trials, _ = trials_of(vectors, speakers, 3)
    assert set(trials.first) == {0, 1}
    assert set(trials.second) == {0, 1, 2}


def test_no_clip_is_tried_against_a_voiceprint_that_it_is_in() -> None:
    """All others are, and are targets if they are the speaker's."""
    vectors, speakers = voices(4, 6, 0.5, seed=1)
    trials, inside = trials_of(vectors, speakers, 2)
    assert not (inside == trials.clips[:, None]).any()
    assert len(trials.scores) == 4 * MOST_DRAWS * (24 - 2)
    assert trials.targets.sum() == 4 * MOST_DRAWS * (6 - 2)
    assert (trials.targets == (speakers[inside[:, 0]] == speakers[trials.clips])).all()


def test_scores_are_cosines() -> None:
    """Of voiceprint and clip."""
    vectors, speakers = voices(4, 6, 0.5, seed=1)
    trials, inside = trials_of(vectors, speakers, 1)
    expected = (vectors[inside[:, 0]] * vectors[trials.clips]).sum(axis=1)
    np.testing.assert_allclose(trials.scores, expected, atol=1e-5)


def test_many_trials_are_thinned_without_changing_the_rates() -> None:
    """About as many of each kind as were asked for, and of scores as before."""
    vectors, speakers = voices(20, 50, 0.9, seed=2)
    every, _ = trials_of(vectors, speakers, 3)
    some, _ = trials_of(vectors, speakers, 3, most=3000)
    for kind in (True, False):
        kept, of = some.scores[some.targets == kind], every.scores[every.targets == kind]
        assert len(kept) == pytest.approx(3000, abs=5 * 3000**0.5)
        assert kept.mean() == pytest.approx(of.mean(), abs=5 * float(of.std()) / 3000**0.5)


def test_many_speakers_have_fewer_voiceprints_each() -> None:
    """So that memory does not grow with both."""
    vectors, speakers = voices(MOST_VOICEPRINTS // 2, 2, 0.5, seed=0, dimension=4)
    made = draw_voiceprints(vectors, speakers, 1, np.random.default_rng(0))
    assert len(made.speakers) == MOST_VOICEPRINTS


def test_opposite_clips_make_a_voiceprint_that_is_like_nobody() -> None:
    """Their mean has no direction: no score, instead of one that is no number."""
    vectors = np.array([[1, 0], [-1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], np.float32)
    trials, _ = trials_of(vectors, np.repeat([0, 1], 3), 2)
    assert np.isfinite(trials.scores).all()

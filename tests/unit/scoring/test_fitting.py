"""Calibrations of synthetic speakers: what they promise holds for others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from audiosearch.catalog.v1.calibration_pb2 import (
    Calibration,
    DetectionCosts,
    OperatingPoint,
    ScoreCalibration,
)

from scoring.as_norm import MOST_COHORT, as_norm, cohort_statistics
from scoring.fitting import fit
from scoring.likelihood_ratios import Line, cllr, fit_line
from scoring.operating_points import set_operating_point
from scoring.trials import draw_voiceprints, make_trials
from serving.errors import Reason, ServiceError
from tests.voices import voices

ENROLLED = 3


def ids(count: int) -> list[str]:
    """So many ids of clips."""
    return [f"clip{number:05}" for number in range(count)]


def names(numbers: np.ndarray) -> list[str]:
    """Of speakers."""
    return [f"speaker{number}" for number in numbers.tolist()]


def fitted(vectors: np.ndarray, speakers: Sequence[str], count: int = ENROLLED) -> Calibration:
    """A calibration of these clips."""
    return fit(vectors, speakers, ids(len(speakers)), count, seed=5)


class Strangers:
    """Decisions in use: on speakers that the calibration has not seen."""

    def __init__(self, calibration: Calibration, cohort: np.ndarray) -> None:
        """Takes the vectors of the calibration's cohort, shape (clips, dimension)."""
        vectors, speakers = voices(60, 8, 0.9, seed=99, dimension=24)
        random = np.random.default_rng(0)
        voiceprints = draw_voiceprints(vectors, speakers, ENROLLED, random)
        trials = make_trials(vectors, speakers, voiceprints, random, most=20_000)
        of_voiceprints, of_clips = (
            [cohort_statistics(cohort @ each, calibration.cohort.top_count) for each in of]
            for of in (voiceprints.vectors, vectors)
        )
        self.targets = trials.targets
        self.cosines = trials.scores
        self.normalized = np.array(
            [
                as_norm(float(score), of_voiceprints[voiceprint], of_clips[clip])
                for score, voiceprint, clip in zip(
                    trials.scores, trials.voiceprints, trials.clips, strict=True
                )
            ]
        )


@pytest.fixture(scope="module")
def known() -> tuple[np.ndarray, list[str]]:
    """Clips of 60 speakers."""
    vectors, speakers = voices(60, 8, 0.9, seed=1, dimension=24)
    return vectors, names(speakers)


@pytest.fixture(scope="module")
def calibration(known: tuple[np.ndarray, list[str]]) -> Calibration:
    """Fitted to them."""
    return fitted(*known)


@pytest.fixture(scope="module")
def strangers(calibration: Calibration, known: tuple[np.ndarray, list[str]]) -> Strangers:
    """Other speakers."""
    rows = [int(clip.clip_id.removeprefix("clip")) for clip in calibration.cohort.clips]
    return Strangers(calibration, known[0][rows])


POINTS = {
    "even costs": OperatingPoint(costs=DetectionCosts(p_target=0.5)),
    "rare targets": OperatingPoint(costs=DetectionCosts(p_target=0.05)),
    "one in 100": OperatingPoint(max_false_alarm_rate=0.01),
}


@pytest.mark.parametrize("kind", ["cosine", "normalized"])
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
def test_strangers_are_decided_as_often_wrong_as_expected(
    calibration: Calibration, strangers: Strangers, kind: str, point: OperatingPoint
) -> None:
    """Miss and false-alarm rates are those expected, as near as their intervals tell."""
    chosen = Calibration()
    chosen.CopyFrom(calibration)
    chosen.operating_point.CopyFrom(point)
    set_operating_point(chosen)
    expected = getattr(chosen, kind).threshold
    scores = strangers.cosines if kind == "cosine" else strangers.normalized
    accepted = line(getattr(chosen, kind)).ratios(scores) >= expected.log_likelihood_ratio
    miss = (~accepted[strangers.targets]).mean()
    alarm = accepted[~strangers.targets].mean()
    # Both are of 60 speakers: a difference has 1.4 times the spread of one.
    assert abs(miss - expected.miss_rate) < expected.miss_rate_high - expected.miss_rate_low
    assert (
        abs(alarm - expected.false_alarm_rate)
        < expected.false_alarm_rate_high - expected.false_alarm_rate_low
    )
    assert 0.001 < expected.miss_rate < 0.6
    assert 0.0005 < expected.false_alarm_rate < 0.3


@pytest.mark.parametrize("kind", ["cosine", "normalized"])
def test_ratios_of_strangers_are_calibrated(
    calibration: Calibration, strangers: Strangers, kind: str
) -> None:
    """They cost hardly more bits than by a line that is fitted to the strangers themselves."""
    scores = strangers.cosines if kind == "cosine" else strangers.normalized
    told = getattr(calibration, kind)
    cost = cllr(line(told).ratios(scores), strangers.targets)
    best = cllr(fit_line(scores, strangers.targets).ratios(scores), strangers.targets)
    assert best - 1e-6 <= cost < best + 0.01
    assert cost == pytest.approx(told.cllr, abs=0.08)


def line(scores: ScoreCalibration) -> Line:
    """The line of a calibration."""
    return Line(scores.slope, scores.intercept)


def test_what_it_was_fitted_from(calibration: Calibration) -> None:
    """Speakers, clips, and a cohort that names whose voices it holds."""
    counts = calibration.speaker_count, calibration.clip_count, calibration.enrollment_clip_count
    assert counts == (60, 480, ENROLLED)
    assert {clip.clip_id: clip.speaker for clip in calibration.cohort.clips} == dict(
        zip(ids(480), names(np.repeat(np.arange(60), 8)), strict=True)
    )
    assert calibration.cohort.top_count == (480 - 16) // 2


def test_the_same_seed_fits_the_same() -> None:
    """In whatever order the clips come; another seed draws other trials."""
    vectors, numbers = voices(12, 8, 0.9, seed=3)
    speakers, clips = names(numbers), ids(len(numbers))
    order = np.random.default_rng(0).permutation(len(speakers))
    turned = [speakers[row] for row in order], [clips[row] for row in order]
    found = fit(vectors, speakers, clips, ENROLLED, seed=5)
    assert found.HasField("normalized")
    assert fit(vectors[order], *turned, ENROLLED, seed=5) == found
    for other in (6, -5):
        assert fit(vectors, speakers, clips, ENROLLED, seed=other) != found


def test_normalising_mends_what_shifts_with_the_recording() -> None:
    """Half of the clips were recorded in a way that makes all of them alike."""
    vectors, speakers = voices(40, 8, 0.7, seed=2, dimension=24)
    vectors[::2] += 0.6 * np.eye(24, dtype=np.float32)[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = fitted(vectors, names(speakers))
    assert found.normalized.equal_error_rate < 0.95 * found.cosine.equal_error_rate


@pytest.mark.parametrize(
    ("speakers", "told"),
    [
        ([], "no speaker"),
        (["a"] * 20, "only one speaker"),
        (["a"] * 20 + ["b"], "no two speakers have two clips"),
        (list("abcdef"), "no two speakers have two clips"),
    ],
)
def test_too_few_speakers(speakers: list[str], told: str) -> None:
    """The error names the missing speakers and says what to do."""
    vectors, _ = voices(1, len(speakers), 0.9, seed=0)
    with pytest.raises(ServiceError, match=told) as error:
        fitted(vectors, speakers)
    assert error.value.reason is Reason.SPEAKERS_TOO_FEW


@pytest.mark.parametrize("directions", [[0] * 8, range(8)], ids=["all the same", "mixed up"])
def test_scores_that_tell_nothing(directions: Sequence[int]) -> None:
    """One vector for all clips; or clips that are alike where their speakers are not the same."""
    vectors = np.tile(np.eye(8, dtype=np.float32)[list(directions)], (6, 1))
    with pytest.raises(ServiceError, match="no more alike") as error:
        fitted(vectors, names(np.repeat(np.arange(6), 8)))
    assert error.value.reason is Reason.SPEAKERS_TOO_FEW


def test_two_speakers_with_two_clips_each() -> None:
    """The least that can be fitted: from one clip for a voiceprint, and without a cohort."""
    vectors, speakers = voices(2, 2, 0.2, seed=0)
    found = fitted(vectors, names(speakers), count=10)
    assert found.enrollment_clip_count == 1
    assert found.cosine.slope > 0
    assert not found.HasField("normalized")
    assert not found.HasField("cohort")
    set_operating_point(found)
    assert found.cosine.threshold.false_alarm_rate_high == 1


@pytest.mark.parametrize(("speakers", "normalised"), [(3, False), (5, False), (6, True)])
def test_a_cohort_needs_some_other_speakers(speakers: int, normalised: bool) -> None:
    """Four beside the two of a trial."""
    vectors, numbers = voices(speakers, 20, 0.7, seed=0)
    found = fitted(vectors, names(numbers))
    assert found.HasField("normalized") == normalised
    assert found.HasField("cohort") == normalised


def test_clips_that_are_copies_of_one() -> None:
    """Perfect decisions: finite figures, and no promise that there are never errors."""
    vectors, numbers = voices(10, 1, 0.9, seed=0)
    found = fitted(np.repeat(vectors, 12, axis=0), names(np.repeat(numbers, 12)))
    set_operating_point(found)
    assert found.cosine.equal_error_rate == 0
    assert np.isfinite([found.cosine.slope, found.cosine.intercept]).all()
    assert 0 < found.cosine.cllr < 0.01
    assert found.cosine.threshold.miss_rate_high > 0


def test_a_large_library_has_a_cohort_of_bounded_size() -> None:
    """Of 850 speakers, 800 are in it; trials are thinned to about half a million of a kind."""
    vectors, numbers = voices(850, 2, 0.5, seed=0)
    found = fitted(vectors, names(numbers))
    assert len({clip.speaker for clip in found.cohort.clips}) == MOST_COHORT
    assert found.cohort.top_count == 300
    assert found.cosine.nontarget_trial_count == pytest.approx(500_000, rel=0.01)
    assert len(found.cosine.rates) <= 400
    assert found.ByteSize() < 100_000

"""Calibration: the meaning of scores, fitted from a library's own clips, and the threshold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_AS_NORM,
    NORMALIZATION_NONE,
    DetectionCosts,
    OperatingPoint,
)
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1.speakers_pb2 import Threshold, VerifySpeakerResponse

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.vowels import record
from tools.servers.processes import until

SPEAKERS, TAKES = 7, 7
Take = Callable[[int, int], Path]


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Records 2 s of a voice: `take(voice, number)`."""
    return partial(record, tmp_path, seconds=2.0)


def fill(
    shared: Running, folder: Path, voices: Sequence[int] = range(SPEAKERS), takes: int = TAKES
) -> str:
    """Makes a library with clips of a second whose speakers are known."""
    library = shared.library()

    def upload(which: tuple[int, int]) -> None:
        clip = Clip(speaker=f"v{which[0]}")
        shared.client.upload(library, record(folder, *which), clip)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upload, itertools.product(voices, range(takes))))
    return library


@pytest.fixture
def labelled(shared: Running, tmp_path: Path) -> str:
    """A library of seven speakers with seven clips each."""
    return fill(shared, tmp_path)


@pytest.fixture(scope="module")
def voices(shared: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same, to calibrate and to enroll its speakers; its clips stay."""
    return fill(shared, tmp_path_factory.mktemp("voices"))


def refused(call: Callable[[], object]) -> ServiceError:
    """The error of a call that is refused."""
    with pytest.raises(ServiceError) as raised:
        call()
    return raised.value


def test_a_calibrations_life(shared: Running, labelled: str, take: Take) -> None:
    """Fitted, read, used, changed, deleted; without it the default threshold decides."""
    speakers = shared.client.speakers
    assert refused(lambda: speakers.calibration(labelled)).reason is Reason.CALIBRATION_NOT_FOUND
    made = speakers.calibrate(labelled)
    assert made == speakers.calibration(labelled)
    assert (made.speaker_count, made.clip_count) == (SPEAKERS, SPEAKERS * TAKES)
    assert made.enrollment_clip_count == 3
    assert made.model.startswith("models/")
    assert made.cosine.equal_error_rate < 0.1
    for scores in (made.cosine, made.normalized):
        assert scores.equal_error_rate < 0.3
        assert scores.slope > 0
        assert 0 < scores.target_trial_count < scores.nontarget_trial_count
        chosen = scores.threshold
        assert chosen.log_likelihood_ratio == pytest.approx(math.log(99))
        assert chosen.miss_rate_low <= chosen.miss_rate <= chosen.miss_rate_high
        ratios = [each.log_likelihood_ratio for each in scores.rates]
        assert ratios == sorted(ratios)
    assert {each.speaker for each in made.cohort.clips} <= {f"v{n}" for n in range(SPEAKERS)}

    speakers.enroll(labelled, "ann", [take(0, 30), take(0, 31)])
    answer = speakers.verify(labelled, "ann", take(0, 32))
    kept = made.normalized if made.normalization == NORMALIZATION_AS_NORM else made.cosine
    assert answer.threshold.value == pytest.approx(math.log(99), abs=1e-4)
    assert answer.threshold.expected_miss_rate == pytest.approx(kept.threshold.miss_rate)
    assert answer.decision == VerifySpeakerResponse.DECISION_ACCEPT
    found = speakers.identify(labelled, take(0, 32))
    assert found.matches[0].score == answer.score
    assert found.expected_stranger_rate == pytest.approx(kept.threshold.false_alarm_rate)

    speakers.delete_calibration(labelled)
    speakers.delete_calibration(labelled)
    plain = speakers.verify(labelled, "ann", take(0, 32))
    assert plain.threshold.basis == Threshold.BASIS_DEFAULT
    assert not plain.score.HasField("log_likelihood_ratio")
    changed = refused(lambda: speakers.update_calibration(labelled, OperatingPoint()))
    assert changed.reason is Reason.CALIBRATION_NOT_FOUND


def test_the_operating_point_is_chosen_without_fitting_again(shared: Running, voices: str) -> None:
    """By a rate or by costs. Values that can't be measured are refused, and the old ones stay."""
    speakers = shared.client.speakers
    fitted = speakers.calibrate(voices, OperatingPoint(max_false_alarm_rate=0.05))
    assert fitted.cosine.threshold.false_alarm_rate <= 0.05
    costs = OperatingPoint(costs=DetectionCosts(p_target=0.5))
    by_costs = speakers.update_calibration(voices, costs)
    assert by_costs.cosine.threshold.log_likelihood_ratio == pytest.approx(0, abs=1e-9)
    assert by_costs.create_time == fitted.create_time
    assert by_costs.update_time.ToNanoseconds() > fitted.update_time.ToNanoseconds()
    assert by_costs.cosine.rates == fitted.cosine.rates
    too_few = refused(
        lambda: speakers.update_calibration(voices, OperatingPoint(max_false_alarm_rate=1e-6))
    )
    assert too_few.reason is Reason.SPEAKERS_TOO_FEW
    for point in (
        OperatingPoint(max_false_alarm_rate=0),
        OperatingPoint(max_false_alarm_rate=1.5),
        OperatingPoint(costs=DetectionCosts(p_target=1)),
        OperatingPoint(costs=DetectionCosts(cost_miss=-1)),
    ):
        for call in (speakers.update_calibration, speakers.calibrate):
            error = refused(lambda call=call, point=point: call(voices, point))
            assert error.reason is Reason.FIELD_INVALID
    assert speakers.calibration(voices) == by_costs


@pytest.mark.parametrize(
    ("normalization", "basis"),
    [
        (NORMALIZATION_NONE, Threshold.BASIS_CALIBRATED_COSINE),
        (NORMALIZATION_AS_NORM, Threshold.BASIS_CALIBRATED_AS_NORM),
    ],
)
def test_decisions_are_made_on_the_scores_asked_for(
    shared: Running,
    voices: str,
    take: Take,
    normalization: int,
    basis: int,
) -> None:
    """With either kind the right one is accepted, and a stranger is not."""
    speakers = shared.client.speakers
    point = OperatingPoint(costs=DetectionCosts(p_target=0.5))
    made = speakers.calibrate(voices, point, normalization)
    assert made.normalization == normalization
    for voice in (0, 1):
        speakers.enroll(voices, f"v{voice}", [take(voice, number) for number in (20, 21, 22)])
    answer = speakers.identify(voices, take(0, 30))
    assert [match.speaker.name.rpartition("/")[2] for match in answer.matches] == ["v0"]
    assert answer.threshold.basis == basis
    assert answer.best_score.HasField("normalized") == (normalization == NORMALIZATION_AS_NORM)
    assert answer.best_score.log_likelihood_ratio >= answer.threshold.value
    stranger = speakers.identify(voices, take(7, 30))
    assert not stranger.matches
    assert stranger.best_score.log_likelihood_ratio < stranger.threshold.value


def test_the_same_seed_fits_the_same(shared: Running, voices: str) -> None:
    """From a part of the clips, too."""
    speakers = shared.client.speakers
    one, same, other = (
        speakers.calibrate(voices, max_clips=30, enrollment_clips=2, seed=seed)
        for seed in (1, 1, 2)
    )
    assert one.clip_count <= 30
    assert one.enrollment_clip_count == 2
    assert (one.cosine, one.cohort) == (same.cosine, same.cohort)
    assert one.cosine != other.cosine


@pytest.mark.parametrize("known", [(), (0,)])
def test_too_few_speakers(shared: Running, tmp_path: Path, known: Sequence[int]) -> None:
    """None, or one alone: nothing can be measured, and the message says what is needed."""
    library = fill(shared, tmp_path, known)
    error = refused(lambda: shared.client.speakers.calibrate(library))
    assert error.reason is Reason.SPEAKERS_TOO_FEW
    missing = refused(lambda: shared.client.speakers.calibration(library))
    assert missing.reason is Reason.CALIBRATION_NOT_FOUND


def test_too_few_speakers_to_normalise_by(shared: Running, tmp_path: Path) -> None:
    """Three calibrate the cosine and nothing else; AS-norm is refused, not made up."""
    speakers, library = shared.client.speakers, fill(shared, tmp_path, range(3))
    made = speakers.calibrate(library)
    assert made.normalization == NORMALIZATION_NONE
    assert not made.HasField("normalized")
    for call in (
        lambda: speakers.calibrate(library, normalization=NORMALIZATION_AS_NORM),
        lambda: speakers.update_calibration(library, normalization=NORMALIZATION_AS_NORM),
    ):
        assert refused(call).reason is Reason.SPEAKERS_TOO_FEW
    assert speakers.calibration(library) == made


@pytest.mark.parametrize("left", [0, 3], ids=["nobody", "three voices"])
def test_a_cohort_that_shrank_is_told(
    shared: Running, labelled: str, take: Take, left: int
) -> None:
    """Its clips are deleted: plain cosines decide, as calibrated, and the answer says so.

    Those of three voices are more than count, but of too few.
    """
    client = shared.client
    client.speakers.enroll(labelled, "ann", [take(0, 20), take(0, 21)])
    client.speakers.calibrate(labelled, normalization=NORMALIZATION_AS_NORM)
    # No decision before: a cohort that was read is kept for half a minute.
    stay = {f"v{number}" for number in range(left)}
    for clip in client.clips(labelled, clip_pb2.ListClipsRequest()):
        if not clip.enrolled_speaker and clip.speaker not in stay:
            client.call(client.stubs.clips.DeleteClip, clip_pb2.DeleteClipRequest(name=clip.name))
    verify = partial(client.speakers.verify, labelled, "ann", take(0, 30))
    until(lambda: verify().threshold.basis == Threshold.BASIS_CALIBRATED_COSINE)
    answer = verify()
    assert "cohort" in answer.threshold.note
    assert answer.decision == VerifySpeakerResponse.DECISION_ACCEPT
    assert not answer.score.HasField("normalized")


def test_a_calibration_goes_with_its_library(shared: Running, tmp_path: Path) -> None:
    """A new library of the same name has none."""
    library = fill(shared, tmp_path, range(3))
    client, name = shared.client, f"libraries/{library}"
    client.speakers.calibrate(library)
    client.call(
        client.stubs.libraries.DeleteLibrary,
        library_pb2.DeleteLibraryRequest(name=name, force=True),
    )
    for call in (client.speakers.calibration, client.speakers.calibrate):
        error = refused(lambda call=call: call(library))
        assert error.reason is Reason.LIBRARY_NOT_FOUND
    client.call(
        client.stubs.libraries.CreateLibrary, library_pb2.CreateLibraryRequest(library_id=library)
    )
    gone = refused(lambda: client.speakers.calibration(library))
    assert gone.reason is Reason.CALIBRATION_NOT_FOUND

"""Scores of voices against voiceprints, normalised by a cohort that may have shrunk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from audiosearch.catalog.v1.calibration_pb2 import NORMALIZATION_AS_NORM, Calibration
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.gateway.v1.speakers_pb2 import Threshold

from gateway.speakers.cohorts import Cohorts, CohortVectors
from gateway.speakers.judging import SHRUNK_NOTE, Candidate, Judgement, Judging
from gateway.speakers.voice import Voice
from scoring.as_norm import as_norm, cohort_statistics
from scoring.fitting import fit
from scoring.operating_points import set_operating_point
from tests.voices import voices

LIBRARY = Library(name="libraries/l", uid="uid")
SIZES = (30, 30, 18, 1, 1, 1)
"""Clips of each speaker: about the smallest cohort that scores are normalised by."""


@cache
def fitted(sizes: tuple[int, ...]) -> tuple[np.ndarray, list[str], list[str], Calibration]:
    """Vectors, speakers and ids of so many clips of each speaker, and their calibration."""
    each = max(sizes)
    vectors, numbers = voices(len(sizes), each, 0.9, seed=1, dimension=24)
    rows = np.concatenate([each * n + np.arange(size) for n, size in enumerate(sizes)])
    vectors, speakers = vectors[rows], [f"s{n}" for n in numbers[rows].tolist()]
    ids = [f"c{number}" for number in range(len(rows))]
    calibration = fit(vectors, speakers, ids, 1, seed=0)
    calibration.normalization = NORMALIZATION_AS_NORM
    set_operating_point(calibration)
    return vectors, speakers, ids, calibration


class Shelf:
    """A calibrated library, its clips and their vectors, of which some can be deleted."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Holds so many clips of each speaker."""
        self.vectors, self.speakers, self.ids, self.calibration = fitted(tuple(sizes))
        self.there = dict(zip(self.ids, self.vectors, strict=True))

    async def wholes(self, _library: Library, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Vectors of those clips that are there."""
        return {each: self.there[each] for each in ids if each in self.there}

    def delete(self, gone: Callable[[str, str], bool]) -> None:
        """Removes the clips of which `gone` holds, told by id and speaker."""
        for clip_id, speaker in zip(self.ids, self.speakers, strict=True):
            if gone(clip_id, speaker):
                del self.there[clip_id]

    async def judge(self, voice: Voice, candidates: Sequence[Candidate]) -> Judgement:
        """Scores by the cohort as it is now."""
        judging = Judging(SimpleNamespace(), Cohorts(self), 0.5)
        return await judging.judge(LIBRARY, voice, candidates, self.calibration)

    def by_hand(self, voice: Voice, candidate: Candidate) -> float:
        """The normalised score of one candidate, by all that is there."""
        own = {candidate.speaker.name.rpartition("/")[2], candidate.speaker.display_name}
        rows = [
            vector
            for clip_id, speaker, vector in zip(self.ids, self.speakers, self.vectors, strict=True)
            if clip_id in self.there and speaker not in own and clip_id != voice.clip_id
        ]
        of_voiceprint, of_voice = (
            cohort_statistics(np.stack(rows) @ values, self.calibration.cohort.top_count)
            for values in (candidate.voiceprint, voice.values)
        )
        assert of_voiceprint
        assert of_voice
        return as_norm(float(candidate.voiceprint @ voice.values), of_voiceprint, of_voice)


def candidate(name: str, voiceprint: np.ndarray, display_name: str = "") -> Candidate:
    """A speaker with a voiceprint."""
    return Candidate(
        Speaker(name=f"{LIBRARY.name}/speakers/{name}", display_name=display_name), voiceprint
    )


def strangers(count: int) -> np.ndarray:
    """Vectors of voices that are in no cohort."""
    return voices(count, 1, 0.9, seed=7, dimension=24)[0]


@pytest.mark.parametrize("count", [1, 7, 60])
async def test_candidates_are_scored_as_one_by_one(count: int) -> None:
    """Each by the cohort without its own clips, which carry its id or its name, and the query."""
    shelf = Shelf([9] * 12)
    names = [(f"s{number}", f"s{number + 1}" if number % 3 else "") for number in range(count)]
    candidates = [
        candidate(name, values, display_name)
        for (name, display_name), values in zip(names, strangers(count), strict=True)
    ]
    for voice in (Voice(shelf.vectors[50], clip_id="c50"), Voice(strangers(61)[60])):
        judgement = await shelf.judge(voice, candidates)
        assert judgement.threshold.basis == Threshold.BASIS_CALIBRATED_AS_NORM
        assert [score.normalized for score in judgement.scores] == pytest.approx(
            [shelf.by_hand(voice, each) for each in candidates], abs=1e-4
        )


async def test_nobody_to_compare_with() -> None:
    """No scores, and the threshold of AS-norm, also where the cohort is gone."""
    shelf = Shelf([9] * 8)
    shelf.delete(lambda _id, _speaker: True)
    judgement = await shelf.judge(Voice(strangers(1)[0]), [])
    assert judgement.scores == []
    assert judgement.threshold.basis == Threshold.BASIS_CALIBRATED_AS_NORM


async def test_the_smallest_cohort_normalises() -> None:
    """Without whoever is decided on, and the only clip of another speaker, enough is left."""
    shelf = Shelf(SIZES)
    assert shelf.calibration.cohort.top_count == 10
    for clip_id in ("c0", "c80"):
        voice = Voice(shelf.there[clip_id], clip_id=clip_id)
        candidates = [candidate(f"s{number}", shelf.vectors[number]) for number in range(5)]
        judgement = await shelf.judge(voice, candidates)
        assert judgement.threshold.basis == Threshold.BASIS_CALIBRATED_AS_NORM
        assert not judgement.threshold.note


@pytest.mark.parametrize(
    ("gone", "normalised"),
    [
        (lambda _id, speaker: speaker in {"s5", "s6", "s7"}, True),
        (lambda _id, speaker: speaker in {"s4", "s5", "s6", "s7"}, False),
        (lambda clip_id, _speaker: int(clip_id[1:]) % 9 > 3, True),
        (lambda clip_id, _speaker: int(clip_id[1:]) % 9 > 2, False),
        (lambda _id, _speaker: True, False),
    ],
    ids=["four others", "three others", "as many as count", "fewer than count", "none"],
)
async def test_a_cohort_that_shrank_is_told(
    gone: Callable[[str, str], bool], normalised: bool
) -> None:
    """Too few speakers or clips: the cosine decides, as calibrated, and the answer says why."""
    shelf = Shelf([9] * 8)
    assert shelf.calibration.cohort.top_count == 27
    shelf.delete(gone)
    judgement = await shelf.judge(Voice(strangers(1)[0]), [candidate("s0", shelf.vectors[0])])
    (score,) = judgement.scores
    assert score.HasField("normalized") == normalised
    assert judgement.threshold.note == ("" if normalised else SHRUNK_NOTE)
    basis = Threshold.BASIS_CALIBRATED_AS_NORM if normalised else Threshold.BASIS_CALIBRATED_COSINE
    assert judgement.threshold.basis == basis


async def test_many_candidates_are_scored_beside_the_event_loop() -> None:
    """Other calls go on meanwhile."""
    shelf, threads = Shelf([9] * 8), []

    class Watched(CohortVectors):
        """Notes which thread works."""

        def statistics(self, *arguments: object) -> object:
            threads.append(threading.get_ident())
            return super().statistics(*arguments)

    class Kept:
        """Has one cohort."""

        async def of(self, *_: object) -> CohortVectors:
            """It."""
            ids, speakers = np.array(shelf.ids), np.array(shelf.speakers)
            return Watched(ids, speakers, shelf.vectors, shelf.calibration.cohort.top_count)

    judging = Judging(SimpleNamespace(), Kept(), 0.5)
    candidates = [candidate(f"s{n}", values) for n, values in enumerate(strangers(50))]
    judgement = await judging.judge(
        LIBRARY, Voice(strangers(51)[50]), candidates, shelf.calibration
    )
    assert len(judgement.scores) == 50
    assert threads
    assert threading.get_ident() not in threads

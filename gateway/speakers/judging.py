"""Scores and their threshold, by the calibration of a library or by default."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_AS_NORM,
    Calibration,
    GetCalibrationRequest,
    ScoreCalibration,
)
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.gateway.v1.speakers_pb2 import Threshold, VoiceScore

from gateway.speakers.cohorts import Cohorts, CohortVectors
from gateway.speakers.voice import Voice
from gateway.speakers.voiceprints import Values, cosine
from gateway.upstream import Upstream, passing_over
from scoring.as_norm import as_norm
from scoring.operating_points import log_likelihood_ratio
from serving.errors import Reason
from serving.names import split_speaker

DEFAULT_NOTE = (
    "the library has no calibration: this is the gateway's default threshold for the cosine, and "
    "how often it is wrong is not known; fit one with `audiosearch calibrate`"
)
SHRUNK_NOTE = (
    "so much of the cohort was deleted that scores can't be normalised: the plain cosine is "
    "decided on, as it was calibrated; fit again with `audiosearch calibrate`"
)
FEW = 8
"""Candidates up to which scores are normalised on the event loop, not in a thread."""
ITSELF_NOTE = "the clip is one of the speaker's own enrollments: it is no test of the voice"


@dataclass(frozen=True)
class Candidate:
    """A speaker to compare with, and its current voiceprint."""

    speaker: Speaker
    voiceprint: Values


@dataclass(frozen=True)
class Judgement:
    """The scores of the candidates, in their order, with the threshold."""

    threshold: Threshold
    scores: Sequence[VoiceScore]

    def decided_on(self, score: VoiceScore) -> float:
        """The value of a score that is compared with the threshold."""
        if self.threshold.basis == Threshold.BASIS_DEFAULT:
            return score.cosine
        return score.log_likelihood_ratio

    def accepts(self, score: VoiceScore) -> bool:
        """True if a score reaches the threshold."""
        return self.decided_on(score) >= self.threshold.value


class Judging:
    """Scores voices against voiceprints."""

    def __init__(self, upstream: Upstream, cohorts: Cohorts, default_threshold: float) -> None:
        """Decides by the cosine `default_threshold` if a library has no calibration."""
        self._upstream = upstream
        self._cohorts = cohorts
        self._default = default_threshold

    async def judge(
        self,
        library: Library,
        voice: Voice,
        candidates: Sequence[Candidate],
        calibration: Calibration | None,
    ) -> Judgement:
        """Scores a voice against each candidate, by the library's calibration if it has one."""
        cosines = [cosine(voice.values, each.voiceprint) for each in candidates]
        if calibration is None:
            threshold = Threshold(
                basis=Threshold.BASIS_DEFAULT, value=self._default, note=DEFAULT_NOTE
            )
            return Judgement(threshold, [VoiceScore(cosine=each) for each in cosines])
        note = ""
        if calibration.normalization == NORMALIZATION_AS_NORM:
            normalized = await self._normalized(library, calibration, voice, candidates, cosines)
            if normalized is not None:
                return _calibrated(calibration.normalized, cosines, normalized)
            note = SHRUNK_NOTE
        return _calibrated(calibration.cosine, cosines, None, note)

    async def calibration(self, library: str) -> Calibration | None:
        """The calibration of the library of this name; None if it has none."""
        request = GetCalibrationRequest(name=f"{library}/calibration")
        with passing_over(Reason.CALIBRATION_NOT_FOUND):
            return await self._upstream.calibrations.GetCalibration(request)
        return None

    async def _normalized(
        self,
        library: Library,
        calibration: Calibration,
        voice: Voice,
        candidates: Sequence[Candidate],
        cosines: Sequence[float],
    ) -> list[float] | None:
        """The normalised scores; None if the cohort is now too small for one of them."""
        if not candidates:
            return []
        cohort = await self._cohorts.of(library, calibration)
        if len(candidates) <= FEW:
            return _normalize(cohort, voice, candidates, cosines)
        return await asyncio.to_thread(_normalize, cohort, voice, candidates, cosines)


def _normalize(
    cohort: CohortVectors, voice: Voice, candidates: Sequence[Candidate], cosines: Sequence[float]
) -> list[float] | None:
    """The score of each candidate by the cohort without its own clips and the clip in question."""
    found = cohort.statistics(
        np.stack([each.voiceprint for each in candidates]),
        voice.values,
        [{split_speaker(each.speaker.name)[1], each.speaker.display_name} for each in candidates],
        voice.clip_id,
    )
    if found is None:
        return None
    return [as_norm(score, *sides) for score, sides in zip(cosines, found, strict=True)]


def _calibrated(
    by: ScoreCalibration,
    cosines: Sequence[float],
    normalized: Sequence[float] | None,
    note: str = "",
) -> Judgement:
    basis = Threshold.BASIS_CALIBRATED_COSINE
    scores = [VoiceScore(cosine=each) for each in cosines]
    if normalized is not None:
        basis = Threshold.BASIS_CALIBRATED_AS_NORM
        for score, each in zip(scores, normalized, strict=True):
            score.normalized = each
    for score, decided in zip(scores, cosines if normalized is None else normalized, strict=True):
        score.log_likelihood_ratio = log_likelihood_ratio(by, decided)
    rates = by.threshold
    threshold = Threshold(
        basis=basis,
        value=rates.log_likelihood_ratio,
        expected_miss_rate=rates.miss_rate,
        expected_false_alarm_rate=rates.false_alarm_rate,
        note=note,
    )
    return Judgement(threshold, scores)

"""Fits a calibration to clips whose speakers are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from audiosearch.catalog.v1.calibration_pb2 import Calibration, Cohort, CohortClip, ScoreCalibration
from numpy.typing import NDArray

from scoring.measuring import measure
from scoring.trial_cohorts import TrialCohort, choose_cohort
from scoring.trials import (
    Numbers,
    Trials,
    Vectors,
    Voiceprints,
    draw_voiceprints,
    make_trials,
    usable_count,
)
from serving.errors import Reason, ServiceError


def fit(
    vectors: NDArray[np.float32],
    speakers: Sequence[str],
    clip_ids: Sequence[str],
    enrollment_clip_count: int,
    seed: int,
) -> Calibration:
    """Fits a calibration, without an operating point.

    The clips are sorted by their ids first, so their order does not matter.

    Args:
        vectors: of unit length, shape (clips, dimension).
        speakers: speaker of each clip.
        clip_ids: id of each clip, no two the same.
        enrollment_clip_count: clips for each voiceprint, at least 1. Fewer are taken if fewer than
            two speakers have one clip more than that.
        seed: of every random choice; the same seed gives the same calibration.

    Returns:
        The calibration. `normalized` and `cohort` are not set if there is too little to normalise
        by.

    Raises:
        ServiceError: SPEAKERS_TOO_FEW if no two speakers have two clips each, or if clips of the
            same voice do not score higher than others.
    """
    seed %= 2**64  # numpy knows no negative ones
    names, numbers = np.unique(np.asarray(speakers, str), return_inverse=True)
    count = _enrollment_clips(numbers, len(names), enrollment_clip_count)
    order = np.argsort(np.asarray(clip_ids, str), kind="stable")
    vectors, numbers = vectors[order], numbers[order]
    random = np.random.default_rng(seed)
    cohort = choose_cohort(numbers, random)
    voiceprints = draw_voiceprints(vectors, numbers, count, random)
    trials = make_trials(vectors, numbers, voiceprints, random)
    voices = TrialCohort.of(vectors[cohort], numbers[cohort])
    calibration = Calibration(
        cosine=_cosine(trials, seed),
        enrollment_clip_count=count,
        speaker_count=len(names),
        clip_count=len(vectors),
    )
    if normalized := _normalized(trials, voiceprints, vectors, numbers, voices, seed):
        clips = [
            CohortClip(clip_id=clip_ids[order[row]], speaker=speakers[order[row]]) for row in cohort
        ]
        calibration.normalized.CopyFrom(normalized)
        calibration.cohort.CopyFrom(Cohort(clips=clips, top_count=voices.top))
    return calibration


def _enrollment_clips(numbers: Numbers, speakers: int, wanted: int) -> int:
    """Clips of each voiceprint; SPEAKERS_TOO_FEW if there is no trial of both kinds."""
    if speakers < 2:
        there = "only one speaker has" if speakers else "no speaker has"
        raise ServiceError(
            Reason.SPEAKERS_TOO_FEW,
            f"{there} clips: to calibrate needs clips of two or more, better of twenty; "
            "enroll them, or import clips with their speakers",
        )
    count = usable_count(np.bincount(numbers), wanted)
    if not count:
        raise ServiceError(
            Reason.SPEAKERS_TOO_FEW,
            "no two speakers have two clips each: to calibrate needs one to compare with and one "
            "to try; add clips of the same speakers",
        )
    return count


def _cosine(trials: Trials, seed: int) -> ScoreCalibration:
    measured = measure(trials, trials.scores, seed)
    if measured is None:
        raise ServiceError(
            Reason.SPEAKERS_TOO_FEW,
            "clips of the same speaker are no more alike than those of different ones: look "
            "whether they carry the right speakers, or add longer and clearer clips of more "
            "speakers",
        )
    return measured


def _normalized(
    trials: Trials,
    voiceprints: Voiceprints,
    vectors: Vectors,
    numbers: Numbers,
    voices: TrialCohort,
    seed: int,
) -> ScoreCalibration | None:
    """The figures of AS-norm over the trials that it can normalise; None unless of both kinds."""
    if not voices.top:
        return None
    scores = voices.normalise(trials, voiceprints, vectors, numbers)
    told = np.isfinite(scores)
    kept = trials.where(told)
    if kept.targets.all() or not kept.targets.any():
        return None
    return measure(kept, scores[told], seed)

"""Calibration of a library, fitted to its labelled clips."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Collection, Sequence

import numpy as np
import structlog
from audiosearch.catalog.v1.calibration_pb2 import (
    Calibration,
    GetCalibrationRequest,
    PutCalibrationRequest,
    UpdateCalibrationRequest,
)
from audiosearch.catalog.v1.clip_pb2 import ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import ListSpeakersRequest
from audiosearch.gateway.v1.calibrations_pb2 import CalibrateLibraryRequest

from gateway.libraries.libraries import Libraries
from gateway.listing import pages
from gateway.speakers.voiceprints import Voiceprints
from gateway.upstream import Upstream, passing_over
from scoring.fitting import fit
from scoring.labelled_clips import Labelled, LabelledClip
from scoring.operating_points import check_operating_point, set_operating_point
from serving import limits
from serving.errors import Reason, ServiceError
from serving.names import check_library

PAGE = 1000
DEFAULT_ENROLLMENTS = 3
MOST_ENROLLMENTS = int(limits.of(CalibrateLibraryRequest, "enrollment_clip_count").maximum)
DEFAULT_CLIPS = 5000
FEWEST_CLIPS = 10
MOST_CLIPS = int(limits.of(CalibrateLibraryRequest, "max_clip_count").maximum)
ROUNDS = 3
CHANGEABLE = ("operating_point", "normalization")
log = structlog.get_logger()


class Calibrating:
    """Fits calibrations, one at a time, and sets operating points."""

    def __init__(self, upstream: Upstream, libraries: Libraries, voiceprints: Voiceprints) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._libraries = libraries
        self._voiceprints = voiceprints
        self._turn = asyncio.Semaphore(1)

    async def fit(self, request: CalibrateLibraryRequest) -> Calibration:
        """Fits a library's calibration and stores it; errors as in the contract."""
        check_library(request.name, "name")
        check_operating_point(request.operating_point, "operating_point")
        count = _within("enrollment_clip_count", request.enrollment_clip_count, 1, MOST_ENROLLMENTS)
        most = _within("max_clip_count", request.max_clip_count, FEWEST_CLIPS, MOST_CLIPS)
        library = await self._libraries.open_for_voices(request.name)
        calibration = await self._fit(library, count, most or DEFAULT_CLIPS, request.seed)
        calibration.name = f"{library.name}/calibration"
        calibration.model = library.model
        calibration.operating_point.CopyFrom(request.operating_point)
        calibration.normalization = request.normalization
        set_operating_point(calibration)
        log.info("calibration.fitted", library=library.name, speakers=calibration.speaker_count)
        return await self._upstream.calibrations.PutCalibration(
            PutCalibrationRequest(calibration=calibration)
        )

    async def _fit(self, library: Library, count: int, most: int, seed: int) -> Calibration:
        """Fits when its turn comes. The turn ends with the thread of the fit.

        A thread can't be stopped. After a cancellation the turn lasts until the thread ends, so
        that there is only one thread and one set of vectors at a time.
        """
        await self._turn.acquire()
        try:
            count = count or await self._usual_enrollments(library)
            clips = await self._labelled(library, most, count, seed)
            vectors = await self._voiceprints.wholes(library, [each.id for each in clips])
            there = [each for each in clips if each.id in vectors]
            fitted = asyncio.get_running_loop().run_in_executor(
                None,
                fit,
                np.array([vectors[each.id] for each in there], np.float32),
                [each.speaker for each in there],
                [each.id for each in there],
                count,
                seed,
            )
        except BaseException:
            self._turn.release()
            raise
        fitted.add_done_callback(lambda _: self._turn.release())
        return await asyncio.shield(fitted)

    async def update(self, request: UpdateCalibrationRequest) -> Calibration:
        """Changes operating point or normalization; errors as in the contract."""
        new, paths = request.calibration, set(request.update_mask.paths)
        if unknown := paths.difference((*CHANGEABLE, "*")):
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"update_mask: only {' and '.join(CHANGEABLE)} can be changed, not {min(unknown)}",
                {"field": "update_mask"},
            )
        check_operating_point(new.operating_point, "calibration.operating_point")
        if not paths or "*" in paths:
            paths = set(CHANGEABLE)
        for _ in range(ROUNDS - 1):
            with passing_over(Reason.STATE_CONFLICT):  # another call was faster
                return await self._change(new, paths)
        return await self._change(new, paths)

    async def _change(self, new: Calibration, paths: Collection[str]) -> Calibration:
        now = await self._upstream.calibrations.GetCalibration(GetCalibrationRequest(name=new.name))
        read = now.update_time
        if "operating_point" in paths:
            now.operating_point.CopyFrom(new.operating_point)
        if "normalization" in paths:
            now.normalization = new.normalization
        set_operating_point(now)
        return await self._upstream.calibrations.PutCalibration(
            PutCalibrationRequest(calibration=now, replaces=read)
        )

    async def _usual_enrollments(self, library: Library) -> int:
        """The median of enrollments over the first 1,000 speakers; 3 if there are none."""
        page = await self._upstream.speakers.ListSpeakers(
            ListSpeakersRequest(parent=library.name, page_size=PAGE)
        )
        counts = [each.enrollment_count for each in page.speakers if each.enrollment_count]
        usual = int(statistics.median_low(counts)) if counts else DEFAULT_ENROLLMENTS
        return min(usual, MOST_ENROLLMENTS)

    async def _labelled(
        self, library: Library, most: int, enrollments: int, seed: int
    ) -> Sequence[LabelledClip]:
        """Clips with known speakers: all of them, or a part chosen by the seed."""
        chosen = Labelled(most, enrollments, seed)
        request = ListClipsRequest(parent=library.name, page_size=PAGE)
        async for page in pages(self._upstream.clips.ListClips, request):
            for clip in page.clips:
                chosen.add(clip)
        return chosen.clips()


def _within(field: str, value: int, least: int, most: int) -> int:
    """The number itself if it is 0 or within the limits; FIELD_INVALID otherwise."""
    if value and not least <= value <= most:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"{field}: {value} is not from {least:,} to {most:,}, and not 0 for the default",
            {"field": field},
        )
    return value

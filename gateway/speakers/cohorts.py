"""Vectors of the clips that scores are normalised by, kept for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from audiosearch.catalog.v1.calibration_pb2 import Calibration
from audiosearch.catalog.v1.library_pb2 import Library
from numpy.typing import NDArray

from gateway.speakers.normalization import Statistics, cohort_statistics
from gateway.speakers.voiceprints import Values, Voiceprints

KEPT = 8
"""Libraries whose cohorts are kept: some 600 kB each."""
KEPT_SECONDS = 30.0
"""So long a clip that was deleted may still count."""


@dataclass(frozen=True)
class CohortVectors:
    """A cohort as far as its clips are there."""

    ids: NDArray[np.str_]
    """Of the clips, shape (clips,)."""

    speakers: NDArray[np.str_]
    """Whose voice each is, shape (clips,)."""

    vectors: NDArray[np.float32]
    """Unit vectors, shape (clips, dimension)."""

    top_count: int

    def statistics(self, values: Values, without: set[str], clip_id: str) -> Statistics | None:
        """Of the best scores of a vector against the cohort; None if too little of it is left.

        Args:
            values: a unit vector, shape (dimension,).
            without: speakers whose clips are left out.
            clip_id: a clip that is left out.
        """
        kept = ~np.isin(self.speakers, list(without)) & (self.ids != clip_id)
        if not kept.any():
            return None
        return cohort_statistics(self.vectors[kept] @ values, self.top_count)


class Cohorts:
    """Reads cohorts, each at most every half minute."""

    def __init__(self, voiceprints: Voiceprints) -> None:
        """Is empty."""
        self._voiceprints = voiceprints
        self._kept: OrderedDict[tuple[str, int], tuple[float, CohortVectors]] = OrderedDict()

    async def of(self, library: Library, calibration: Calibration) -> CohortVectors:
        """The cohort of a calibration."""
        key = (library.uid, calibration.create_time.ToNanoseconds())
        read_at, cohort = self._kept.get(key, (0.0, None))
        if cohort is None or time.monotonic() - read_at > KEPT_SECONDS:
            cohort = await self._read(library, calibration)
            self._kept[key] = (time.monotonic(), cohort)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return cohort

    async def _read(self, library: Library, calibration: Calibration) -> CohortVectors:
        wanted = calibration.cohort.clips
        found = await self._voiceprints.read(library.uid, [each.clip_id for each in wanted])
        there = [each for each in wanted if each.clip_id in found]
        rows = [found[each.clip_id] for each in there]
        return CohortVectors(
            np.array([each.clip_id for each in there], np.str_),
            np.array([each.speaker for each in there], np.str_),
            np.stack(rows) if rows else np.empty((0, 1), np.float32),
            calibration.cohort.top_count,
        )

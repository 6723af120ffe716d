"""Cohorts: vectors of the clips that scores are normalised by, kept for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from audiosearch.catalog.v1.calibration_pb2 import Calibration
from audiosearch.catalog.v1.library_pb2 import Library
from numpy.typing import NDArray

from gateway.speakers.voiceprints import Values, Voiceprints
from scoring.as_norm import LEAST_COHORT_SPEAKERS, Statistics, cohort_statistics

KEPT = 8
"""Libraries whose cohorts are kept. A cohort takes some 600 kB."""
KEPT_SECONDS = 30.0
"""Time for which a cohort is kept. For so long a deleted clip may still count."""
Sides = tuple[Statistics, Statistics]
"""Statistics of the cohort's scores against a voiceprint, and against the query."""


@dataclass(frozen=True)
class CohortVectors:
    """A cohort, as far as its clips still exist."""

    ids: NDArray[np.str_]
    """Ids of the clips, shape (clips,)."""

    speakers: NDArray[np.str_]
    """The speaker of each clip, shape (clips,)."""

    vectors: NDArray[np.float32]
    """Unit vectors, shape (clips, dimension)."""

    top_count: int

    def statistics(
        self, voiceprints: Values, query: Values, without: Sequence[set[str]], clip_id: str
    ) -> list[Sides] | None:
        """Statistics of the best scores against each voiceprint, and against the query beside it.

        Args:
            voiceprints: unit vectors, shape (voiceprints, dimension).
            query: a unit vector, shape (dimension,).
            without: for each voiceprint, the speakers whose clips are left out.
            clip_id: a clip that is left out.

        Returns:
            None if too little of the cohort is left for a voiceprint: fewer clips than must count,
            or fewer speakers than AS-norm needs.
        """
        if not self.ids.size:
            return None
        of_query, of_voiceprints = self.vectors @ query, voiceprints @ self.vectors.T
        others = self.ids != clip_id
        found: list[Sides] = []
        for of_voiceprint, own in zip(of_voiceprints, without, strict=True):
            kept = others & self._of_others(own)
            if not self._suffice(kept):
                return None
            by_voiceprint, by_query = (
                cohort_statistics(scores[kept], self.top_count)
                for scores in (of_voiceprint, of_query)
            )
            if by_voiceprint is None or by_query is None:
                return None
            found.append((by_voiceprint, by_query))
        return found

    @cached_property
    def _numbered(self) -> tuple[dict[str, int], NDArray[np.intp]]:
        """A number for each speaker by name, and the number of each clip's, shape (clips,)."""
        names, numbers = np.unique(self.speakers, return_inverse=True)
        return {name: number for number, name in enumerate(names.tolist())}, numbers

    def _of_others(self, own: set[str]) -> NDArray[np.bool_]:
        """True for each clip that is of none of these speakers, shape (clips,)."""
        names, numbers = self._numbered
        kept = np.ones(len(numbers), np.bool_)
        for name in own & names.keys():
            kept &= numbers != names[name]
        return kept

    def _suffice(self, kept: NDArray[np.bool_]) -> bool:
        """True if these clips are of as many speakers as AS-norm needs."""
        counts = np.bincount(self._numbered[1][kept])
        return int(np.count_nonzero(counts)) >= LEAST_COHORT_SPEAKERS


class Cohorts:
    """Reads cohorts, each at most once in half a minute."""

    def __init__(self, voiceprints: Voiceprints) -> None:
        """Starts empty."""
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
        found = await self._voiceprints.wholes(library, [each.clip_id for each in wanted])
        there = [each for each in wanted if each.clip_id in found]
        rows = [found[each.clip_id] for each in there]
        return CohortVectors(
            np.array([each.clip_id for each in there], np.str_),
            np.array([each.speaker for each in there], np.str_),
            np.stack(rows) if rows else np.empty((0, 1), np.float32),
            calibration.cohort.top_count,
        )

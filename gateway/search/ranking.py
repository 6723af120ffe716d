"""The clips of one library, the most similar first, found in rounds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from audiosearch.catalog.v1.clip_pb2 import Clip, LookupClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.filter.v1.filter_pb2 import Condition

from gateway.libraries.libraries import Libraries
from gateway.search.filters import Filter
from gateway.search.neighbors import MOST_CLIPS, MOST_PASSED, MOST_REACH, Hit, Neighbors
from gateway.search.query import Query
from gateway.search.record import Stopwatch
from gateway.upstream import Upstream
from serving import limits

_MOST_LOOKED_UP = limits.of(LookupClipsRequest, "clip_ids").max_items


def _covers_none(_: Clip) -> bool:
    return False


@dataclass(frozen=True)
class Narrowing:
    """Clips that are of no use any more, in the index's words."""

    conditions: Sequence[Condition] = ()
    covers: Callable[[Clip], bool] = _covers_none
    """True for a clip that the conditions leave out."""


@dataclass(frozen=True)
class Found:
    """A clip that may be a match."""

    clip_id: str
    clip: Clip
    score: float

    @property
    def order(self) -> tuple[Any, ...]:
        """Clips are sorted by this."""
        return -self.score, self.clip.name


@dataclass(frozen=True)
class Candidate(Found):
    """A clip that is like a query."""

    source: Ranking
    hits: Sequence[Hit]
    """The hits known so far; the best of them makes the score."""


class Ranking:
    """Finds the clips of one library.

    A round asks the index for the nearest hits of each of the query's vectors. A clip is certain
    once its best hit is above all hits that are still unknown. The next round leaves out the
    certain clips and reaches twice as deep, but only for vectors that can still change the order.
    """

    def __init__(
        self,
        upstream: Upstream,
        library: Library,
        query: Query,
        least: float | None,
        scope: Filter,
        watch: Stopwatch,
        libraries: Libraries,
    ) -> None:
        """Begins before the first clip that scores `least` or more and is in `scope`."""
        self._libraries = libraries
        self._confirmed = False
        self.library = library
        self.query = query
        self.neighbors = Neighbors(upstream, library, query, least)
        self._clips = upstream.clips
        self._filter = scope
        self._watch = watch
        self._left_out = query.left_out
        self._passed: dict[str, Clip | None] = dict.fromkeys(query.left_out)
        self._hits: dict[str, dict[tuple[int, int | None], Hit]] = defaultdict(dict)
        self._open = dict.fromkeys(range(self.neighbors.count), math.inf)
        self._certain: list[str] = []
        self._reach = 0
        self._ready: list[Candidate] = []
        self.ended = scope.empty

    @property
    def more(self) -> bool:
        """True if there may be clips that `next` did not give."""
        return bool(self._ready or self._certain or not self.ended)

    async def next(
        self, wanted: int, reach: int, narrowing: Callable[[], Narrowing]
    ) -> Candidate | None:
        """The next clip; None after the last.

        Args:
            wanted: clips that are likely to be asked for, all together.
            reach: hits to ask for at first.
            narrowing: clips that the caller has no use for any more.
        """
        while not self._ready:
            if self._certain:
                await self._look_up(wanted)
            elif self.ended:
                return None
            else:
                await self._round(wanted, reach, narrowing())
        return self._ready[0]

    def take(self) -> Candidate:
        """Takes the clip that `next` gave."""
        return self._ready.pop(0)

    async def confirm(self, now: Library | None = None) -> None:
        """Makes sure that the library is as it was remembered: once by itself, or with `now`.

        Raises:
            ChangedError, ServiceError: as `Libraries.confirm`.
        """
        if now is not None or not self._confirmed:
            self.library = await self._libraries.confirm(self.library, now)
            self._confirmed = True

    async def hits(self, clip_ids: Sequence[str], least: float) -> list[Hit]:
        """The hits of the whole query in these clips that score `least` or more."""
        with self._watch.step("index"):
            return [
                hit
                for start in range(0, len(clip_ids), MOST_CLIPS)
                for hit in await self.neighbors.among(clip_ids[start : start + MOST_CLIPS], least)
            ]

    async def _round(self, wanted: int, reach: int, narrowing: Narrowing) -> None:
        room = reach if self.neighbors.windowed else reach + len(self._left_out)
        self._reach = min(max(2 * self._reach, room), MOST_REACH)
        asked = self._asked(wanted)
        passed = [
            clip_id
            for clip_id, clip in self._passed.items()
            if clip is None or not narrowing.covers(clip)
        ]
        conditions = [*self._filter.conditions, *narrowing.conditions]
        with self._watch.step("index"):
            found = await self.neighbors.nearest(asked, self._reach, passed, conditions)
        for number in asked:
            del self._open[number]
        self._open.update(found.ends)
        for hit in found.hits:
            if hit.clip_id not in self._passed:
                self._hits[hit.clip_id][hit.place] = hit
        self._certain = self._now_certain()
        deepest = self._reach == MOST_REACH and not (self.neighbors.windowed and self._certain)
        full = len(passed) + len(self._certain) > MOST_PASSED
        self.ended = deepest or full or not self._open

    def _asked(self, wanted: int) -> list[int]:
        """Numbers of the query's vectors that can have unknown hits among those wanted."""
        best = sorted((self._best(clip_id) for clip_id in self._hits), reverse=True)
        least = best[wanted - 1] if len(best) >= wanted else -math.inf
        return [number for number, end in self._open.items() if end > least]

    def _now_certain(self) -> list[str]:
        bound = max(self._open.values(), default=-math.inf)
        best = {clip_id: self._best(clip_id) for clip_id in self._hits}
        certain = [clip_id for clip_id, score in best.items() if score >= bound]
        if not certain and self._reach == MOST_REACH:
            certain = list(best)  # as near as the index can tell
        return sorted(certain, key=lambda clip_id: (-best[clip_id], clip_id))

    def _best(self, clip_id: str) -> float:
        return max(hit.score for hit in self._hits[clip_id].values())

    async def _look_up(self, wanted: int) -> None:
        """Reads the next certain clips in the catalog, and drops those that are gone."""
        count = min(wanted, _MOST_LOOKED_UP)
        ids, self._certain = self._certain[:count], self._certain[count:]
        request = LookupClipsRequest(parent=self.library.name, clip_ids=ids, with_library=True)
        with self._watch.step("catalog"):
            answer = await self._clips.LookupClips(request)
            await self.confirm(answer.library if answer.HasField("library") else None)
        clips = answer.clips
        for clip_id in ids:
            score, hits = self._best(clip_id), list(self._hits.pop(clip_id).values())
            clip = clips.get(clip_id)
            self._passed[clip_id] = clip
            if clip is not None and self._filter.fits(clip):
                self._ready.append(Candidate(clip_id, clip, score, self, hits))

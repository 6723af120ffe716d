"""Goes through the index of a library and compares each clip with those that are near to it."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip, LookupClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.model_pb2 import PURPOSE_SOUNDS
from audiosearch.index.v1.index_service_pb2 import (
    GetIndexStatsRequest,
    ListVectorsRequest,
    SearchVectorsRequest,
)

from gateway.duplicates.cuts import Cuts, Short
from gateway.libraries.indexes import present, read, split_window
from gateway.upstream import Upstream, passing_over
from scoring import diagonals
from scoring.duplicate_groups import Link, chosen
from serving import limits
from serving.errors import Reason, ServiceError

MOST_LINKS = 100_000
"""Pairs that are kept."""
_IDS = int(limits.of(ListVectorsRequest, "page_size").maximum)
_QUERIES = limits.of(SearchVectorsRequest, "queries").max_items
_NEAR = 200
"""Windows that are looked for beside each window."""
_MOST_NEAR = 20_000
"""The same for all windows of a clip, and 20 for each."""
_MANY = 32
"""Windows from which a clip is searched for alone: its own windows would fill the answers."""
_DENSE = 200
"""Windows from which only those that do not overlap are searched for."""
_Hits = dict[str, list[tuple[int, int | None, float]]]


@dataclass(frozen=True)
class Seen:
    """A clip in the index: starts of its windows in milliseconds, and their vectors."""

    id: str
    starts: list[int | None]
    vectors: list[Sequence[float]]


class Walk:
    """One way through the index of a library."""

    def __init__(self, upstream: Upstream, library: Library) -> None:
        """Reads from the services of `upstream`."""
        self._upstream = upstream
        self._library = library
        self._index = present(library).windows
        rule = library.window_rule
        self._window = rule.window.ToNanoseconds() / 1e9
        self._hop = rule.hop.ToNanoseconds() / 1e9
        # Other limits are measured on voices; a model of sounds is only sure of what is the same.
        self._least = diagonals.SOUNDS if library.purpose == PURPOSE_SOUNDS else 0.0
        self._cuts = Cuts(upstream, present(library), self._window, self._hop)
        self.lengths: dict[str, float] = {}
        """Lengths of the clips that are linked."""
        self.links: list[Link] = []
        self.truncated = False
        """True if there were more links than MOST_LINKS."""

    async def digest(self) -> str:
        """A text that changes when vectors come or go, or another model makes them."""
        digest = hashlib.sha256(self._library.model.encode())
        async for ids in self._ids():
            digest.update("\n".join(ids).encode())
        return digest.hexdigest()

    async def run(self, report: Callable[[float], None]) -> None:
        """Fills `links` and `lengths`."""
        done, count = 0, 1
        with passing_over(Reason.INDEX_NOT_FOUND):
            stats = GetIndexStatsRequest(index_id=self._index)
            count = max(1, (await self._upstream.index.GetIndexStats(stats)).vector_count)
        async for some in self._batches():
            near = [_Hits() for _ in some]
            await self._search(some, near)
            lengths = await self._lengths(some, near)
            cuts = await self._cuts.find(_short(some, near, lengths), lengths)
            for links in await asyncio.to_thread(self._compare, some, near, lengths, cuts):
                self.links += links
                for link in links:
                    self.lengths[link.clip] = lengths[link.clip]
                    self.lengths[link.other] = lengths[link.other]
            if len(self.links) >= MOST_LINKS:
                self.truncated = True
                return
            done += sum(len(seen.starts) for seen in some)
            report(min(done / count, 1.0))

    async def _ids(self) -> AsyncIterator[Sequence[str]]:
        """Ids of the windows; an index that is lost has none."""
        request = ListVectorsRequest(index_id=self._index, page_size=_IDS)
        with passing_over(Reason.INDEX_NOT_FOUND):
            while True:
                page = await self._upstream.index.ListVectors(request)
                yield page.ids
                request.after_id = page.next_after_id
                if not request.after_id:
                    break

    async def _clips(self) -> AsyncIterator[Seen]:
        """The clips in the order of their ids."""
        seen = Seen("", [], [])
        async for ids in self._ids():
            async for vector in read(self._upstream.index, self._index, ids):
                clip_id, place = split_window(vector.id)
                if clip_id != seen.id:
                    if seen.id:
                        yield seen
                    seen = Seen(clip_id, [], [])
                seen.starts.append(place)
                seen.vectors.append(vector.values)
        if seen.id:
            yield seen

    async def _batches(self) -> AsyncIterator[list[Seen]]:
        """Clips that are searched for in one call; one with many windows alone."""
        some: list[Seen] = []
        async for seen in self._clips():
            if len(seen.starts) > _MANY:
                yield [seen]
                continue
            if sum(len(each.starts) for each in some) + len(seen.starts) > _QUERIES:
                yield some
                some = []
            some.append(seen)
        if some:
            yield some

    async def _search(self, some: Sequence[Seen], near: Sequence[_Hits]) -> None:
        """Adds to `near` the windows of other clips that are near to those of each clip."""
        alone = len(some) == 1
        queries = [(n, row) for n, seen in enumerate(some) for row in self._rows(seen)]
        reach = max(20, min(_NEAR, _MOST_NEAR // len(queries)))
        starts = range(0, len(queries), _QUERIES)
        parts = [queries[start : start + _QUERIES] for start in reversed(starts)]
        while parts:
            part = parts.pop()
            request = SearchVectorsRequest(
                index_id=self._index,
                model=self._library.model,
                k=reach,
                min_score=diagonals.LEAST,
                except_clip_ids=[some[0].id] if alone else (),
            )
            for n, row in part:
                request.queries.add(values=some[n].vectors[row])
            try:
                answer = await self._upstream.index.SearchVectors(request)
            except ServiceError as error:
                # A busy store may answer the half of it in time.
                if error.reason is not Reason.INDEX_UNAVAILABLE or len(part) == 1:
                    raise
                parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                continue
            for (n, row), result in zip(part, answer.results, strict=True):
                for one in result.neighbors:
                    clip_id, place = split_window(one.id)
                    if clip_id != some[n].id:
                        near[n].setdefault(clip_id, []).append((row, place, one.score))

    def _rows(self, seen: Seen) -> list[int]:
        """Numbers of the windows that are searched for."""
        count = len(seen.starts)
        step = math.ceil(self._window / self._hop) if count > _DENSE else 1
        return sorted({*range(0, count, step), count - 1})

    async def _lengths(self, some: Sequence[Seen], near: Sequence[_Hits]) -> dict[str, float]:
        """Lengths of the clips in seconds, of those that are ACTIVE."""
        wanted = list(
            dict.fromkeys([*(seen.id for seen in some), *(id_ for it in near for id_ in it)])
        )
        rows = await clips(self._upstream, self._library, wanted)
        return {id_: clip.audio.duration.ToNanoseconds() / 1e9 for id_, clip in rows.items()}

    def _compare(
        self,
        some: Sequence[Seen],
        near: Sequence[_Hits],
        lengths: dict[str, float],
        cuts: Mapping[str, Mapping[str, diagonals.Alignment]],
    ) -> list[list[Link]]:
        return [
            chosen(self._links(seen, hits, lengths, cuts.get(seen.id, {})), lengths)
            for seen, hits in zip(some, near, strict=True)
            if seen.id in lengths
        ]

    def _links(
        self,
        seen: Seen,
        near: _Hits,
        lengths: dict[str, float],
        cuts: Mapping[str, diagonals.Alignment],
    ) -> Iterator[Link]:
        """The clips that are no shorter, and that this one lies in."""
        mine = (lengths[seen.id], seen.id)
        for other, hits in near.items():
            if other in lengths and (lengths[other], other) > mine:
                found = cuts.get(other) or self._align(seen, lengths[seen.id], lengths[other], hits)
                if found and found.score >= self._least:
                    yield Link(seen.id, other, found.score, found.start, found.end, found.offset)

    def _align(
        self, seen: Seen, length: float, other: float, hits: Sequence[tuple[int, int | None, float]]
    ) -> diagonals.Alignment | None:
        row, place, score = max(hits, key=lambda hit: hit[2])
        if seen.starts[0] is None or place is None:
            span = other if place is None else self._window
            one = self._least or diagonals.ONE
            return diagonals.lay(length, (place or 0) / 1000, span, score, one)
        searched = self._rows(seen)
        numbers = {row: number for number, row in enumerate(searched)}
        best: dict[int, float] = defaultdict(float)
        for row, _, score in hits:
            best[row] = max(best[row], score)
        if not diagonals.likely(best, len(searched)):
            return None
        near = diagonals.Near(
            np.array([numbers[row] for row, _, _ in hits], np.int64),
            np.array([(place or 0) / 1000 for _, place, _ in hits], np.float64),
            np.array([score for _, _, score in hits], np.float64),
        )
        starts = np.array([(seen.starts[row] or 0) / 1000 for row in searched], np.float64)
        return diagonals.align(starts, self._window, self._hop, other, near)


def _short(
    some: Sequence[Seen], near: Sequence[_Hits], lengths: Mapping[str, float]
) -> list[Short]:
    """The clips of one window among these."""
    return [
        Short(seen.id, lengths[seen.id], np.array(seen.vectors[0], np.float64), hits)
        for seen, hits in zip(some, near, strict=True)
        if seen.starts[0] is None and seen.id in lengths
    ]


async def clips(upstream: Upstream, library: Library, ids: Sequence[str]) -> dict[str, Clip]:
    """The rows of the ACTIVE clips among these, by id."""
    most = limits.of(LookupClipsRequest, "clip_ids").max_items
    found = dict[str, Clip]()
    for start in range(0, len(ids), most):
        request = LookupClipsRequest(parent=library.name, clip_ids=ids[start : start + most])
        found.update((await upstream.clips.LookupClips(request)).clips)
    return found

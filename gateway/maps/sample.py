"""Reads the data of a map: a sample of clips, with their vectors and rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip, LookupClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_service_pb2 import (
    GetIndexStatsRequest,
    GetVectorsRequest,
    GetVectorsResponse,
    ListVectorsRequest,
)

from gateway.maps.projection import Vectors
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason

MOST = 20_000
"""Clips on a map at most."""
_IDS, _ROWS = 10_000, 1000
"""Ids in one call, and vectors or rows in one call."""


@dataclass(frozen=True)
class Sample:
    """The clips of a map: the number of vectors in the library, the chosen ids, their vectors."""

    count: int
    ids: Sequence[str]
    vectors: Vectors


class Samples:
    """Reads samples of libraries page by page."""

    def __init__(self, upstream: Upstream) -> None:
        """Reads from the services of `upstream`."""
        self._upstream = upstream

    async def count(self, library: Library) -> int:
        """The current number of vectors in a library's index; 0 while the index is lost."""
        with passing_over(Reason.INDEX_NOT_FOUND):
            request = GetIndexStatsRequest(index_id=library.uid)
            return (await self._upstream.index.GetIndexStats(request)).vector_count
        return 0

    async def read(self, library: Library, report: Callable[[float], None]) -> Sample:
        """All vectors, or MOST of them at even steps in the order of their ids."""
        count = await self.count(library)
        ids = [id_ async for id_ in self._chosen(library, count)] if count else []
        there, rows = list[str](), list[Vectors]()
        for some in _parts(ids):
            request = GetVectorsRequest(index_id=library.uid, ids=some)
            found = await self._upstream.index.GetVectors(request)
            there += [vector.id for vector in found.vectors]
            rows.append(await asyncio.to_thread(_matrix, found))
            report(len(there) / len(ids))
        vectors = np.concatenate(rows) if there else np.zeros((0, 2), np.float32)
        return Sample(count, there, vectors)

    async def clips(self, library: Library, ids: Sequence[str]) -> dict[str, Clip]:
        """The rows of the ACTIVE clips among these, by id."""
        found = dict[str, Clip]()
        for some in _parts(ids):
            request = LookupClipsRequest(parent=library.name, clip_ids=some)
            found.update((await self._upstream.clips.LookupClips(request)).clips)
        return found

    async def _chosen(self, library: Library, count: int) -> AsyncIterator[str]:
        """Ids at even steps, so that at most MOST of `count` are chosen."""
        rank = taken = 0
        async for ids in self._pages(library):
            for id_ in ids:
                if taken < MOST and rank * MOST >= taken * max(count, MOST):
                    taken += 1
                    yield id_
                rank += 1

    async def _pages(self, library: Library) -> AsyncIterator[Sequence[str]]:
        request = ListVectorsRequest(index_id=library.uid, page_size=_IDS)
        while True:
            page = await self._upstream.index.ListVectors(request)
            yield page.ids
            if not page.next_after_id:
                return
            request.after_id = page.next_after_id


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _ROWS] for start in range(0, len(ids), _ROWS))


def _matrix(found: GetVectorsResponse) -> Vectors:
    return np.array([vector.values for vector in found.vectors], np.float32).reshape(
        len(found.vectors), -1
    )

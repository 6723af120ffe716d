"""Reads the data of a map: a sample of clips, with their vectors and rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip, LookupClipsRequest
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_FULL, GetLibraryRequest, Library
from audiosearch.index.v1.index_service_pb2 import ListVectorsRequest

from gateway.libraries import indexes
from gateway.libraries.indexes import whole_vectors
from gateway.maps.projection import Vectors
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason

MOST = 20_000
"""Clips on a map at most."""
_IDS, _ROWS = 10_000, 1000
"""Ids in one call, and vectors or rows in one call."""


@dataclass(frozen=True)
class Sample:
    """The clips of a map: the number of clips in the library, the chosen ids, their vectors."""

    count: int
    ids: Sequence[str]
    vectors: Vectors


class Samples:
    """Reads samples of libraries page by page."""

    def __init__(self, upstream: Upstream) -> None:
        """Reads from the services of `upstream`."""
        self._upstream = upstream

    async def count(self, library: Library) -> int:
        """The number of ACTIVE clips of a library now."""
        request = GetLibraryRequest(name=library.name, view=LIBRARY_VIEW_FULL)
        return (await self._upstream.libraries.GetLibrary(request)).clip_count

    async def read(self, library: Library, report: Callable[[float], None]) -> Sample:
        """The vectors of all clips, or of MOST of them at even steps in the order of listing."""
        count = await self.count(library)
        ids = [id_ async for id_ in self._chosen(library, count)] if count else []
        there, rows = list[str](), list[Vectors]()
        for some in _parts(ids):
            found = await whole_vectors(self._upstream.index, library, some)
            there += (kept := [id_ for id_ in some if id_ in found])
            rows.append(await asyncio.to_thread(_matrix, [found[id_] for id_ in kept]))
            report(len(there) / len(ids))
        rows = [each for each in rows if len(each)]
        vectors = np.concatenate(rows) if rows else np.zeros((0, 2), np.float32)
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
        """Ids of the clips with a vector; an index that is lost has none."""
        for index_id in indexes.present(library).kinds:
            request = ListVectorsRequest(index_id=index_id, page_size=_IDS)
            with passing_over(Reason.INDEX_NOT_FOUND):
                while True:
                    page = await self._upstream.index.ListVectors(request)
                    split = [indexes.split_window(id_) for id_ in page.ids]
                    yield [clip_id for clip_id, start in split if start is None]
                    if not page.next_after_id:
                        break
                    # The other windows of a clip that has several are passed over.
                    clip_id, start = split[-1]
                    windowed = start is not None
                    request.after_id = indexes.behind(clip_id) if windowed else page.next_after_id


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _ROWS] for start in range(0, len(ids), _ROWS))


def _matrix(vectors: Sequence[Sequence[float]]) -> Vectors:
    return np.array(vectors, np.float32).reshape(len(vectors), -1)

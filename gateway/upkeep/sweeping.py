"""Compares the vectors of a library with its rows, and repairs the differences."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping

import structlog
from audiosearch.catalog.v1.clip_pb2 import (
    Clip,
    ClipFilter,
    GetClipRequest,
    ListClipsRequest,
    LookupClipsRequest,
)
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_service_pb2 import (
    DeleteVectorsRequest,
    GetVectorsRequest,
    ListVectorsRequest,
)

from gateway.clips.life import Clips
from gateway.libraries.libraries import Libraries
from gateway.listing import pages
from gateway.skip import stops_all
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError
from serving.names import split_clip

PAGE = 1000
AT_ONCE = 4
"""Clips that are embedded again at a time; few, because users come first."""

_WITHOUT_VECTOR = (Clip.STATE_UNSPECIFIED, Clip.STATE_FAILED)
"""States without a vector: no row, or a row that will never have a vector."""

log = structlog.get_logger()


class Sweep:
    """Removes vectors without a row, and restores missing vectors of ACTIVE rows.

    Clips come and go during a sweep, so a list alone proves nothing:

    - A row is made before its vector, and ids are never used again. So a listed vector whose row is
      missing or FAILED at a later look is an orphan for good.
    - A vector is stored before its row turns ACTIVE and removed after the row turns DELETING, which
      never becomes ACTIVE again. So if a row is ACTIVE before and after a look that does not find
      its vector, the vector is lost. It is made again from the stored audio.

    Memory is bounded by a page of each list, for a library of any size.
    """

    def __init__(self, upstream: Upstream, libraries: Libraries, clips: Clips) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips

    async def sweep(self, library: Library) -> None:
        """Goes once through an ACTIVE library. Its deletion in the meantime is no error.

        Raises:
            ServiceError: if a service is away or busy. The work done so far is kept.
        """
        with passing_over(Reason.LIBRARY_NOT_FOUND):
            try:
                await self._sweep(library)
            except ServiceError as error:
                if error.reason is not Reason.INDEX_NOT_FOUND:
                    raise
                if await self._libraries.restore_index(library):
                    log.warning("sweep.index_restored", library=library.name)
                    await self._sweep(library)

    async def _sweep(self, library: Library) -> None:
        request = ListClipsRequest(
            parent=library.name, page_size=PAGE, filter=ClipFilter(state=Clip.STATE_ACTIVE)
        )
        after = ""
        async for page in pages(self._upstream.clips.ListClips, request):
            rows = {split_clip(clip.name)[1]: clip for clip in page.clips}
            # Both lists are in the order of ids. There may be vectors after the last row.
            last = max(rows) if page.next_page_token else ""
            there = set[str]()
            async for ids in self._vectors(library, after, last):
                there |= rows.keys() & ids
                await self._remove_orphans(library, ids - rows.keys())
            await self._mend(library, {id_: rows[id_] for id_ in rows.keys() - there})
            after = last

    async def _vectors(self, library: Library, after: str, last: str) -> AsyncIterator[set[str]]:
        """Ids of vectors after `after` up to `last` (empty: to the end), page by page."""
        request = ListVectorsRequest(index_id=library.uid, after_id=after, page_size=PAGE)
        while True:
            page = await self._upstream.index.ListVectors(request)
            yield {id_ for id_ in page.ids if not last or id_ <= last}
            request.after_id = page.next_after_id
            if not page.next_after_id or (last and page.next_after_id >= last):
                return

    async def _remove_orphans(self, library: Library, ids: Collection[str]) -> None:
        """Removes the listed vectors whose rows, looked up now, are missing."""
        if not ids:
            return
        active = await self._upstream.clips.LookupClips(
            LookupClipsRequest(parent=library.name, clip_ids=sorted(ids))
        )
        left = sorted(set(ids) - active.clips.keys())
        orphans = [id_ for id_ in left if await self._state(library, id_) in _WITHOUT_VECTOR]
        if orphans:
            await self._upstream.index.DeleteVectors(
                DeleteVectorsRequest(index_id=library.uid, ids=orphans)
            )
            log.warning(
                "sweep.removed", library=library.name, vectors=len(orphans), ids=orphans[:5]
            )

    async def _mend(self, library: Library, rows: Mapping[str, Clip]) -> None:
        """Restores the vectors that ACTIVE rows lack, after another look at both."""
        if not rows:
            return
        found = await self._upstream.index.GetVectors(
            GetVectorsRequest(index_id=library.uid, ids=sorted(rows))
        )
        lost = sorted(rows.keys() - {vector.id for vector in found.vectors})
        for start in range(0, len(lost), AT_ONCE):
            some = [rows[id_] for id_ in lost[start : start + AT_ONCE]]
            await asyncio.gather(*(self._embed_again(library, clip) for clip in some))

    async def _embed_again(self, library: Library, clip: Clip) -> None:
        if await self._state(library, split_clip(clip.name)[1]) != Clip.STATE_ACTIVE:
            return
        try:
            await self._clips.make_searchable(library, clip)
            log.warning("sweep.embedded_again", clip=clip.name)
        except ServiceError as error:
            if error.reason in {Reason.CLIP_NOT_FOUND, Reason.STATE_CONFLICT}:
                # The clip was deleted in the meantime, perhaps before the vector was stored.
                await self._clips.remove_vector(library, clip.name)
            elif stops_all(error):
                raise
            else:
                log.warning("sweep.can_not_mend", clip=clip.name, why=str(error))

    async def _state(self, library: Library, clip_id: str) -> Clip.State.ValueType:
        """The current state of a clip's row; UNSPECIFIED if there is none."""
        name = f"{library.name}/clips/{clip_id}"
        with passing_over(Reason.CLIP_NOT_FOUND):
            return (await self._upstream.clips.GetClip(GetClipRequest(name=name))).state
        return Clip.STATE_UNSPECIFIED

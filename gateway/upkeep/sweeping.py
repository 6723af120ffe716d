"""Compares the vectors of a library with its rows, and repairs the differences."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog
from audiosearch.catalog.v1.clip_pb2 import (
    Clip,
    ClipFilter,
    GetClipRequest,
    ListClipsRequest,
    LookupClipsRequest,
)
from audiosearch.catalog.v1.kept_vectors_pb2 import DropKeptVectorsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_service_pb2 import (
    DeleteVectorsRequest,
    GetVectorsRequest,
    ListVectorsRequest,
)

from gateway.clips.gathering import Gathering
from gateway.clips.life import Clips
from gateway.clips.refilling import Refill
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.libraries.libraries import Libraries
from gateway.listing import pages
from gateway.skip import stops_all
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics
from serving.names import split_clip

PAGE = 1000
AT_ONCE = 4
"""Clips that are embedded again at a time; few, because users come first."""

_WITHOUT_VECTOR = (Clip.STATE_UNSPECIFIED, Clip.STATE_FAILED, Clip.STATE_TRASHED)
"""States without a vector: no row, or a row that has none as long as it is in this state."""

log = structlog.get_logger()


@dataclass
class _Seen:
    """The vectors of one clip in the indexes of a generation."""

    single: int = 0
    """Vectors in the index of windows under the clip's own id."""
    numbered: int = 0
    """Vectors in the index of windows under ids of windows."""
    whole: bool = False
    """True if the index of wholes has it."""
    revision: float = math.inf
    """Lowest revision of the attributes of its windows."""

    def add(self, start: int | None, revision: int) -> None:
        """Counts a vector of the index of windows."""
        self.single += start is None
        self.numbered += start is not None
        self.revision = min(self.revision, revision)

    def completes(self, clip: Clip, generation: Generation, *, counted: bool) -> bool:
        """True if nothing is missing and nothing too much.

        Args:
            clip: its row.
            generation: of the indexes.
            counted: True if the row's number of windows is that of this generation.
        """
        if generation.wholes is None:
            return bool(self.single)
        if counted and self.single + self.numbered != clip.window_count:
            return False
        if self.numbered:
            return self.whole and not self.single
        return bool(self.single) and not self.whole

    def exceeds(self, clip: Clip) -> bool:
        """True if something may be too much, which writing what is kept would not remove."""
        mixed = bool(self.single and (self.numbered or self.whole))
        return mixed or self.single + self.numbered > max(clip.window_count, 1)


class Sweep:
    """Removes vectors without a row, and restores missing vectors of ACTIVE rows.

    Clips come and go during a sweep, so a list alone proves nothing:

    - A row is made before its vectors, and ids are never used again. So a listed vector whose row
      is missing or FAILED at a later look is an orphan for good.
    - A vector of a TRASHED row is left of a deletion that was cut off: a restoration makes the row
      CREATING before its vectors. One in the moment of the removal is mended by the next sweep.
    - Vectors are stored before their row turns ACTIVE and removed after the row turns DELETING or
      TRASHED. So if a row is ACTIVE before and after a look that does not find all of its vectors,
      some are lost, or it was restored meanwhile. All are made again, which does no harm.
    - A row's revision only rises. So vectors with attributes of an earlier one get the row's.

    Memory is bounded by a page of each list, for a library of any size and clips of any length.
    """

    def __init__(self, upstream: Upstream, libraries: Libraries, clips: Clips) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips

    async def sweep(
        self,
        library: Library,
        which: Callable[[Library], Generation | None] = indexes.present,
    ) -> None:
        """Goes once through an ACTIVE library. Its deletion in the meantime is no error.

        Args:
            library: to go through.
            which: the generation of its indexes to compare: `indexes.present`, or
                `indexes.coming` before a migration ends.

        Raises:
            ServiceError: if a service is away or busy. The work done so far is kept.
        """
        with passing_over(Reason.LIBRARY_NOT_FOUND):
            try:
                await self._drop_left_over(library)
                await self._sweep(library, which(library))
            except ServiceError as error:
                if error.reason is not Reason.INDEX_NOT_FOUND:
                    raise
                now = await self._libraries.restore_indexes(library)
                if now is not None:
                    metrics.RECONCILED.labels("index_restored").inc()
                    log.warning("sweep.index_restored", library=library.name)
                    await self._sweep(now, which(now))

    async def _drop_left_over(self, library: Library) -> None:
        """Removes indexes that a migration has left behind."""
        for generation in indexes.left_over(library):
            await self._libraries.drop_indexes(generation)
        await self._libraries.drop_earlier_voiceprints(library)
        if library.generation:
            request = DropKeptVectorsRequest(
                parent=library.name, before_generation=library.generation
            )
            await self._upstream.vectors.DropKeptVectors(request)

    async def _sweep(self, library: Library, generation: Generation | None) -> None:
        if generation is None:
            return
        request = ListClipsRequest(
            parent=library.name, page_size=PAGE, filter=ClipFilter(state=Clip.STATE_ACTIVE)
        )
        after = ""
        async for page in pages(self._upstream.clips.ListClips, request):
            rows = {split_clip(clip.name)[1]: clip for clip in page.clips}
            # All lists are in the order of ids. There may be vectors after the last row.
            last = max(rows) if page.next_page_token else ""
            seen = await self._look(library, generation, rows, after, last)
            broken = {
                id_: clip
                for id_, clip in rows.items()
                if not seen[id_].completes(clip, generation, counted=_counted(library, generation))
            }
            await self._mend(library, generation, broken, seen)
            await self._mirror(library, generation, rows, seen)
            if _counted(library, generation) and not library.dimension:
                whole = {id_: clip for id_, clip in rows.items() if id_ not in broken}
                await self._keep(library, generation, whole, after, last)
            after = last

    async def _look(
        self,
        library: Library,
        generation: Generation,
        rows: Mapping[str, Clip],
        after: str,
        last: str,
    ) -> Mapping[str, _Seen]:
        """Counts what the indexes have of each row, and removes what they have besides.

        Args:
            library: of the rows.
            generation: of the indexes.
            rows: by the ids of their clips.
            after: id of the clip behind which the page begins; empty for the first.
            last: id of the last clip of the page; empty for the last page.
        """
        seen = {id_: _Seen() for id_ in rows}
        async for ids, revisions in self._vectors(generation.windows, after, last):
            orphans = list[str]()
            for id_, revision in zip(ids, revisions, strict=True):
                clip_id, start = indexes.split_window(id_)
                if clip_id in seen:
                    seen[clip_id].add(start, revision)
                else:
                    orphans.append(id_)
            await self._remove_orphans(library, generation.windows, orphans)
        if generation.wholes is not None:
            async for ids, _ in self._vectors(generation.wholes, after, last):
                for id_ in ids:
                    if id_ in seen:
                        seen[id_].whole = True
                orphans = [id_ for id_ in ids if id_ not in seen]
                await self._remove_orphans(library, generation.wholes, orphans)
        return seen

    async def _vectors(
        self, index_id: str, after: str, last: str
    ) -> AsyncIterator[tuple[Sequence[str], Sequence[int]]]:
        """Ids and revisions of the vectors of the clips after `after` up to `last`, by pages."""
        end = indexes.behind(last)
        request = ListVectorsRequest(
            index_id=index_id, after_id=indexes.behind(after), page_size=PAGE
        )
        while True:
            page = await self._upstream.index.ListVectors(request)
            size = sum(id_ < end for id_ in page.ids) if end else len(page.ids)
            yield page.ids[:size], page.revisions[:size] or [0] * size
            request.after_id = page.next_after_id
            if not page.next_after_id or (end and page.next_after_id >= end):
                return

    async def _remove_orphans(self, library: Library, index_id: str, ids: Collection[str]) -> None:
        """Removes the listed vectors whose rows, looked up now, are missing."""
        if not ids:
            return
        clip_ids = {indexes.split_window(id_)[0] for id_ in ids}
        active = await self._upstream.clips.LookupClips(
            LookupClipsRequest(parent=library.name, clip_ids=sorted(clip_ids))
        )
        gone = {
            clip_id
            for clip_id in sorted(clip_ids - active.clips.keys())
            if _state(await self._row(library, clip_id)) in _WITHOUT_VECTOR
        }
        orphans = [id_ for id_ in ids if indexes.split_window(id_)[0] in gone]
        if orphans:
            await self._upstream.index.DeleteVectors(
                DeleteVectorsRequest(index_id=index_id, ids=orphans)
            )
            metrics.RECONCILED.labels("orphan_removed").inc(len(orphans))
            log.warning(
                "sweep.removed", library=library.name, vectors=len(orphans), ids=orphans[:5]
            )

    async def _mend(
        self,
        library: Library,
        generation: Generation,
        rows: Mapping[str, Clip],
        seen: Mapping[str, _Seen],
    ) -> None:
        """Restores the vectors that ACTIVE rows lack.

        Those that are kept are written again as they are. Other clips are embedded, after another
        look at both.
        """
        lacking = {id_: clip for id_, clip in rows.items() if not seen[id_].exceeds(clip)}
        kept = await self._refill(library, generation, lacking)
        broken = sorted(rows.keys() - kept)
        for start in range(0, len(broken), AT_ONCE):
            some = broken[start : start + AT_ONCE]
            await asyncio.gather(*(self._mend_one(library, generation, id_) for id_ in some))

    async def _refill(
        self, library: Library, generation: Generation, rows: Mapping[str, Clip]
    ) -> set[str]:
        """Writes the kept vectors of rows that were ACTIVE before a look that missed some.

        A row that is gone or changed by now gets what its own call would have done, so another look
        before is not needed.
        """
        if not rows or library.dimension or not _counted(library, generation):
            return set()
        refill = Refill(self._upstream, self._clips.vectors, library, generation)
        kept = await refill.fill(rows)
        if kept:
            metrics.RECONCILED.labels("refilled").inc(len(kept))
            log.info("sweep.refilled", library=library.name, clips=len(kept))
        return kept

    async def _keep(
        self,
        library: Library,
        generation: Generation,
        rows: Mapping[str, Clip],
        after: str,
        last: str,
    ) -> None:
        """Keeps the vectors of rows that the index has whole and the catalog does not keep."""
        kept = await self._clips.vectors.keeping.whole(library, generation, rows.keys())
        missing = {id_: clip for id_, clip in rows.items() if id_ not in kept}
        if not missing:
            return
        gathering = Gathering(self._upstream, self._clips.vectors, library, generation)
        async for ids, _ in self._vectors(generation.windows, after, last):
            await gathering.add(ids, missing)
        await gathering.end()
        metrics.RECONCILED.labels("kept").inc(gathering.count)
        log.info("sweep.kept", library=library.name, clips=gathering.count)

    async def lacking(self, library: Library, generation: Generation, clip_id: str) -> Clip | None:
        """The row of an ACTIVE clip that lacks vectors in a generation; None for any other."""
        seen = await self._seen(generation, clip_id)
        clip = await self._row(library, clip_id)
        if clip is None or clip.state != Clip.STATE_ACTIVE:
            return None
        whole = seen.completes(clip, generation, counted=_counted(library, generation))
        return None if whole else clip

    async def _mend_one(self, library: Library, generation: Generation, clip_id: str) -> None:
        clip = await self.lacking(library, generation, clip_id)
        if clip is None:
            return
        try:
            if await self._clips.embed_again(library, generation, clip):
                metrics.RECONCILED.labels("embedded_again").inc()
                log.warning("sweep.embedded_again", clip=clip.name)
        except ServiceError as error:
            if stops_all(error):
                raise
            metrics.RECONCILED.labels("left").inc()
            log.warning("sweep.can_not_mend", clip=clip.name, why=str(error))

    async def _seen(self, generation: Generation, clip_id: str) -> _Seen:
        """The vectors of a clip that the indexes have now."""
        seen = _Seen()
        async for id_ in self._clips.vectors.windows_of(generation, clip_id):
            seen.add(indexes.split_window(id_)[1], 0)
        if generation.wholes is not None:
            request = GetVectorsRequest(index_id=generation.wholes, ids=[clip_id])
            seen.whole = bool((await self._upstream.index.GetVectors(request)).vectors)
        return seen

    async def _mirror(
        self,
        library: Library,
        generation: Generation,
        rows: Mapping[str, Clip],
        seen: Mapping[str, _Seen],
    ) -> None:
        """Gives windows with attributes of earlier revisions those of their rows."""
        behind = [clip for id_, clip in rows.items() if seen[id_].revision < clip.revision]
        if generation.wholes is not None and behind:
            await self._clips.vectors.mirror_in(generation, behind)
            metrics.RECONCILED.labels("mirrored").inc(len(behind))
            log.info("sweep.mirrored", library=library.name, clips=len(behind))

    async def _row(self, library: Library, clip_id: str) -> Clip | None:
        """The current row of a clip; None if there is none."""
        name = f"{library.name}/clips/{clip_id}"
        with passing_over(Reason.CLIP_NOT_FOUND):
            return await self._upstream.clips.GetClip(GetClipRequest(name=name))
        return None


def _state(clip: Clip | None) -> Clip.State.ValueType:
    return Clip.STATE_UNSPECIFIED if clip is None else clip.state


def _counted(library: Library, generation: Generation) -> bool:
    """True if the rows have the number of windows of this generation, and not of another one."""
    return generation.number == indexes.counted(library).number

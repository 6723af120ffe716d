"""Deleting clips so that they can be restored for a time, and restoring them."""

from __future__ import annotations

from audiosearch.catalog.v1.clip_pb2 import (
    BeginClipDeletionRequest,
    Clip,
    DeleteClipRequest,
    RestoreClipRequest,
    TrashClipRequest,
)
from audiosearch.catalog.v1.library_pb2 import Library

from gateway.clips.life import Clips
from gateway.clips.refilling import Refill
from gateway.clips.vectors import Stored
from gateway.libraries import indexes
from gateway.libraries.libraries import Libraries
from gateway.speakers.removing import Removing
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError
from serving.names import split_clip


class Trash:
    """Deleted clips of all libraries. The reconciler deletes for good what is there too long."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        clips: Clips,
        removing: Removing,
        seconds: float,
    ) -> None:
        """Works on the services of `upstream`. Clips stay so many seconds; 0 for no trash."""
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips
        self._removing = removing
        self._seconds = seconds

    def told(self, clip: Clip) -> Clip:
        """Returns the clip with the time at which it is deleted for good, if it is TRASHED."""
        if clip.state == Clip.STATE_TRASHED:
            end = clip.update_time.ToNanoseconds() + int(self._seconds * 1e9)
            clip.purge_time.FromNanoseconds(end)
        return clip

    async def delete(self, name: str, *, permanent: bool) -> None:
        """Moves an ACTIVE clip to the trash, and leaves a TRASHED one there for a repeated call.

        Any other clip is removed, and with `permanent` each. CLIP_NOT_FOUND if there is none.
        """
        library = await self._libraries.open(split_clip(name)[0])
        catalog, clip = self._upstream.clips, None
        if self._seconds and not permanent:
            with passing_over(Reason.STATE_CONFLICT):  # it is not ACTIVE
                clip = await catalog.TrashClip(TrashClipRequest(name=name))
        if clip is None:
            clip = await catalog.BeginClipDeletion(BeginClipDeletionRequest(name=name))
        await self._clips.remove_vectors(library, name)
        if clip.state == Clip.STATE_DELETING:
            await catalog.DeleteClip(DeleteClipRequest(name=name))
        if clip.enrolled_speaker:
            await self._removing.follow(library, clip.enrolled_speaker)

    async def restore(self, name: str) -> Clip:
        """Makes a TRASHED clip ACTIVE again; an ACTIVE one stays as it is.

        An error that passes by itself does not undo it: a repeat goes on, or the reconciler does.

        Raises:
            ServiceError: CLIP_NOT_FOUND, CLIP_EXISTS, STATE_CONFLICT, and those of making it
                searchable.
        """
        library = await self._libraries.open(split_clip(name)[0])
        clip = await self._upstream.clips.RestoreClip(RestoreClipRequest(name=name))
        if clip.state == Clip.STATE_ACTIVE:
            return clip
        try:
            return await self._make_searchable(library, clip)
        except ServiceError as error:
            if not (error.reason.temporary or error.reason is Reason.DEADLINE_EXCEEDED):
                await self._clips.cleanups.finish(self._clips.undo(library, clip, error))
            raise

    async def _make_searchable(self, library: Library, clip: Clip) -> Clip:
        """Brings the vectors back that are kept; makes them of the audio where they are not."""
        with passing_over(Reason.INDEX_NOT_FOUND):
            if await self._refill(library, clip):
                # The model may have been another one when it was deleted.
                kept = await self._clips.vectors.keeping.parts(
                    library, indexes.counted(library), split_clip(clip.name)[1]
                )
                tags = kept[-1].tags if kept and kept[-1].tagged else clip.tags
                stored = Stored(clip.audio, clip.window_count, tags)
                return await self._clips.activate(library, clip, stored)
        return await self._clips.make_searchable(library, clip)

    async def _refill(self, library: Library, clip: Clip) -> bool:
        """Writes kept vectors into all indexes; False if one lacks them, or a migration goes on."""
        if library.dimension:
            return False
        id_ = split_clip(clip.name)[1]
        written = indexes.written(library)
        for generation in written:
            refill = Refill(self._upstream, self._clips.vectors, library, generation)
            if not await refill.write({id_: clip}):
                return False
        now = await self._libraries.now(library)
        return now is not None and indexes.written(now) == written

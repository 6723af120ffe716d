"""The removal of enrollments and speakers. Every step can be repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator

from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import (
    BeginSpeakerDeletionRequest,
    DeleteSpeakerRequest,
    GetSpeakerRequest,
    RemoveEnrollmentsRequest,
    Speaker,
)

from gateway.clips.life import Clips
from gateway.clips.mirror import Mirror
from gateway.libraries.libraries import Libraries
from gateway.listing import pages
from gateway.speakers.vector_ids import current_id, vector_id
from gateway.speakers.voiceprints import Voiceprints
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.names import split_speaker

PAGE = 1000
_GONE = {Reason.SPEAKER_NOT_FOUND, Reason.STATE_CONFLICT, Reason.LIBRARY_NOT_FOUND}


class Removing:
    """Removes enrollments and speakers."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        clips: Clips,
        voiceprints: Voiceprints,
        mirror: Mirror,
    ) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips
        self._voiceprints = voiceprints
        self._mirror = mirror

    async def remove_enrollments(self, request: RemoveEnrollmentsRequest) -> Speaker:
        """Removes clips from a speaker's enrollments, and makes its voiceprint of the others."""
        library = await self._library(request.name)
        speaker = await self._upstream.speakers.RemoveEnrollments(request)
        await self._mirror.follow(library.name, request.clips)
        if speaker.state == Speaker.STATE_UPDATING:
            return await self._voiceprints.refresh(library, speaker)
        return speaker

    async def follow(self, library: Library, name: str) -> None:
        """Makes the voiceprint again after a clip was deleted. A missing speaker is no error."""
        try:
            speaker = await self._upstream.speakers.GetSpeaker(GetSpeakerRequest(name=name))
            if speaker.state == Speaker.STATE_UPDATING:
                await self._voiceprints.refresh(library, speaker)
        except ServiceError as error:
            if error.reason not in _GONE:
                raise

    async def delete(self, request: DeleteSpeakerRequest) -> None:
        """Removes a speaker; SPEAKER_NOT_FOUND if there is none."""
        library = await self._library(request.name)
        speaker = await self._upstream.speakers.BeginSpeakerDeletion(
            BeginSpeakerDeletionRequest(name=request.name, delete_clips=request.delete_clips)
        )
        await self.finish(library, speaker)

    async def finish(self, library: Library, speaker: Speaker) -> None:
        """Finishes the removal of a DELETING speaker."""
        async for name in self._enrolled(library, speaker, Clip.STATE_DELETING):
            await self._clips.discard(library, name, Clip.STATE_DELETING)
        written = vector_id(speaker.uid, speaker.revision)
        await self._voiceprints.remove(library, {current_id(speaker), written})
        kept = [name async for name in self._enrolled(library, speaker, Clip.STATE_ACTIVE)]
        await self._upstream.speakers.DeleteSpeaker(DeleteSpeakerRequest(name=speaker.name))
        await self._mirror.follow(library.name, kept)

    async def _enrolled(
        self, library: Library, speaker: Speaker, state: Clip.State.ValueType
    ) -> AsyncIterator[str]:
        """Names of the speaker's enrollments that are in a state."""
        request = ListClipsRequest(
            parent=library.name,
            page_size=PAGE,
            filter=ClipFilter(state=state, enrolled_speaker=speaker.name),
        )
        async for page in pages(self._upstream.clips.ListClips, request):
            for clip in page.clips:
                yield clip.name

    async def undo(self, library: Library, speaker: Speaker) -> None:
        """Removes a speaker without enrollments. Any other speaker stays."""
        if speaker.state != Speaker.STATE_CREATING:
            return
        try:
            going = await self._upstream.speakers.BeginSpeakerDeletion(
                BeginSpeakerDeletionRequest(name=speaker.name, only_state=Speaker.STATE_CREATING)
            )
        except ServiceError as error:
            if error.reason not in _GONE:
                raise
            return
        await self.finish(library, going)

    async def _library(self, speaker: str) -> Library:
        parent, _ = split_speaker(speaker)
        return await self._libraries.open(parent)

"""A clip's life across the three services; every step can be repeated."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator

import grpc
import structlog
from audiosearch.catalog.v1.clip_pb2 import (
    ActivateClipRequest,
    AudioObject,
    BeginClipDeletionRequest,
    Clip,
    CreateClipRequest,
    DeleteClipRequest,
    FailClipRequest,
    Failure,
    GetClipRequest,
    PutAudioRequest,
)
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import DeleteVectorsRequest

from gateway.clips.audio import embed, stored
from gateway.clips.batches import Batches
from gateway.clips.cleanups import Cleanups
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError
from serving.names import split_clip

ROUNDS = 3
_OVERTAKEN = {Reason.STATE_CONFLICT, Reason.AUDIO_NOT_FOUND, Reason.CLIP_NOT_FOUND}
"""Whoever began a clip has ended it meanwhile, well or not."""
log = structlog.get_logger()


class Clips:
    """Takes clips in and removes them."""

    def __init__(self, upstream: Upstream) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._batches = Batches(upstream)
        self.cleanups = Cleanups()

    async def ingest(
        self,
        library: Library,
        clip: Clip,
        chunks: AsyncIterable[bytes],
        request_id: str = "",
        known: AudioObject | None = None,
        *,
        hurry: bool = True,
    ) -> tuple[Clip, bool]:
        """Stores audio and makes it searchable.

        Args:
            library: where to.
            clip: what is told of it.
            chunks: its audio.
            request_id: a repeat with the same one changes nothing.
            known: hash and size of the audio, where they are known beforehand: audio that the
                library has is not sent again.
            hurry: whether somebody waits for this one clip.

        Returns:
            The ACTIVE clip, and whether it was made now; the clip that has these bytes otherwise.

        Raises:
            ServiceError: of the catalog, embedding and index services. The clip is then FAILED if
                its audio is at fault, and gone if not.
        """
        request = CreateClipRequest(clip=clip, request_id=request_id, audio_object=known)
        row, ours = await self._begin(library, request)
        if not ours:
            return await self._take_on(library, row, chunks), False
        if row.state != Clip.STATE_CREATING:
            return await self._repeated(row), False
        try:
            await self._put(row.name, chunks)
            return await self.make_searchable(library, row, hurry=hurry), True
        except ServiceError as error:
            await self.cleanups.finish(self._undo(library, row, error))
            if error.reason is Reason.CLIP_EXISTS:
                return await self._existing(library, error.metadata["clip"]), False
            raise
        except BaseException:
            # Cancelled, or an error nobody expected: undo it behind the caller's back.
            self.cleanups.start(self.discard(library, row.name, Clip.STATE_CREATING))
            raise

    async def make_searchable(self, library: Library, clip: Clip, *, hurry: bool = True) -> Clip:
        """Takes a clip whose audio is stored the rest of the way: embedding, vector, ACTIVE."""
        heard = await embed(self._upstream, library.model, stored(self._upstream, clip.name))
        _, clip_id = split_clip(clip.name)
        vector = Vector(id=clip_id, values=heard.embedding.values)
        await self._batches.upsert(library, heard.embedding.model, vector, hurry=hurry)
        return await self._batches.activate(
            library, ActivateClipRequest(name=clip.name, audio=heard.audio)
        )

    async def fail(self, library: Library, name: str, error: ServiceError) -> None:
        """Marks a clip FAILED for the reason of `error` and removes what it had."""
        await self._upstream.clips.FailClip(
            FailClipRequest(
                name=name, failure=Failure(reason=error.reason.value, message=error.message)
            )
        )
        # Not before: should somebody else have made it ACTIVE, its vector has to stay.
        await self.remove_vector(library, name)

    async def discard(
        self,
        library: Library,
        name: str,
        only: Clip.State.ValueType = Clip.STATE_UNSPECIFIED,
        speaker: str = "",
    ) -> None:
        """Removes a clip with all it has; one that is gone is fine.

        Args:
            library: of the clip.
            name: of the clip.
            only: the state it must be in, other than DELETING; in another one it stays. What is
                undone must be CREATING: an ACTIVE clip was acknowledged to somebody.
            speaker: whose enrollment it may be; as another one's it stays.
        """
        begin = BeginClipDeletionRequest(name=name, only_state=only, only_speaker=speaker)
        try:
            with passing_over(Reason.CLIP_NOT_FOUND):
                await self._upstream.clips.BeginClipDeletion(begin)
            await self.remove_vector(library, name)
            await self._upstream.clips.DeleteClip(DeleteClipRequest(name=name))
        except ServiceError as error:
            kept = (bool(only) and error.reason is Reason.STATE_CONFLICT) or (
                bool(speaker) and error.reason is Reason.CLIP_ENROLLED
            )
            if error.code is not grpc.StatusCode.NOT_FOUND and not kept:
                raise

    async def delete(self, library: Library, name: str) -> Clip:
        """Removes a clip and tells what it was; CLIP_NOT_FOUND if there is none."""
        request = BeginClipDeletionRequest(name=name)
        clip = await self._upstream.clips.BeginClipDeletion(request)
        await self.remove_vector(library, name)
        await self._upstream.clips.DeleteClip(DeleteClipRequest(name=name))
        return clip

    async def _begin(self, library: Library, request: CreateClipRequest) -> tuple[Clip, bool]:
        """The clip's row, and whether it is the one asked for; if not, it has the same bytes.

        One that is DELETING is removed first: whoever began that may be gone.
        """
        for _ in range(ROUNDS):
            try:
                row, ours = await self._batches.create(library, request), True
            except ServiceError as error:
                if error.reason is not Reason.CLIP_EXISTS:
                    raise
                row, ours = await self._get(error.metadata["clip"]), False
            if row.state != Clip.STATE_DELETING:
                return row, ours
            await self.discard(library, row.name)
        raise _vanished(row.name)

    async def _put(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        async def requests() -> AsyncIterator[PutAudioRequest]:
            yield PutAudioRequest(name=name)
            async for chunk in chunks:
                yield PutAudioRequest(chunk=chunk)

        await self._upstream.clips.PutAudio(requests())

    async def remove_vector(self, library: Library, name: str) -> None:
        """Removes a clip's vector; one that is not there is fine."""
        _, clip_id = split_clip(name)
        await self._upstream.index.DeleteVectors(
            DeleteVectorsRequest(index_id=library.uid, ids=[clip_id])
        )

    async def _repeated(self, clip: Clip) -> Clip:
        """Answers a repeated request as the first one was answered."""
        failure = _failure(clip)
        if failure:
            raise failure
        if clip.state != Clip.STATE_ACTIVE:
            raise ServiceError(
                Reason.STATE_CONFLICT, f"{clip.name} is being deleted; use a new request_id"
            )
        return clip

    async def _existing(self, library: Library, name: str) -> Clip:
        """The clip that has the same bytes, finished if whoever began it did not."""
        with _still_there(name):
            clip = await self._upstream.clips.GetClip(GetClipRequest(name=name))
            if clip.state == Clip.STATE_CREATING:
                return await self.make_searchable(library, clip)
        if clip.state == Clip.STATE_DELETING:
            await self.cleanups.finish(self.discard(library, name))
        if clip.state != Clip.STATE_ACTIVE:
            raise _vanished(name)
        return clip

    async def _take_on(self, library: Library, clip: Clip, chunks: AsyncIterable[bytes]) -> Clip:
        """The clip that was to have these bytes, ended if whoever began it did not."""
        name = clip.name
        if clip.state == Clip.STATE_CREATING:
            try:
                await self._put(name, chunks)
                return await self.make_searchable(library, clip)
            except ServiceError as error:
                if error.code is grpc.StatusCode.INVALID_ARGUMENT:
                    await self.cleanups.finish(self.fail(library, name, error))
                if error.reason not in _OVERTAKEN:
                    raise
            clip = await self._get(name)
        if clip.state == Clip.STATE_ACTIVE:
            return clip
        raise _failure(clip) or _vanished(name)

    async def _get(self, name: str) -> Clip:
        with _still_there(name):
            return await self._upstream.clips.GetClip(GetClipRequest(name=name))

    async def _undo(self, library: Library, clip: Clip, error: ServiceError) -> None:
        if error.code is grpc.StatusCode.INVALID_ARGUMENT:
            await self.fail(library, clip.name, error)
        else:
            await self.discard(library, clip.name, Clip.STATE_CREATING)


def _failure(clip: Clip) -> ServiceError | None:
    """Why a clip FAILED; None if it did not, or not for a reason of ours."""
    reason = Reason.named(clip.failure.reason)
    if clip.state != Clip.STATE_FAILED or reason is None:
        return None
    return ServiceError(reason, clip.failure.message)


@contextlib.contextmanager
def _still_there(name: str) -> Iterator[None]:
    """Says of a clip that is gone that its bytes are free in a moment."""
    try:
        yield
    except ServiceError as error:
        if error.code is not grpc.StatusCode.NOT_FOUND:
            raise
        raise _vanished(name) from error


def _vanished(name: str) -> ServiceError:
    return ServiceError(
        Reason.STATE_CONFLICT,
        f"{name} has the same bytes and is being removed; try again in a moment",
    )

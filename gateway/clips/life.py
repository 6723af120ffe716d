"""The life of a clip across the three services. Every step can be repeated."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import replace

import grpc
import structlog
from audiosearch.catalog.v1.clip_pb2 import (
    ActivateClipRequest,
    AudioObject,
    BeginClipDeletionRequest,
    Clip,
    ClipTags,
    CreateClipRequest,
    DeleteClipRequest,
    FailClipRequest,
    Failure,
    GetClipRequest,
    PutAudioRequest,
)
from audiosearch.catalog.v1.library_pb2 import Library

from gateway.access.rights import quota
from gateway.clips.batches import Batches
from gateway.clips.cleanups import Cleanups
from gateway.clips.coalescing import Coalescer
from gateway.clips.source import Arriving, Referred, Source
from gateway.clips.vectors import Stored, Vectors
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.libraries.libraries import Libraries
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError
from serving.names import split_clip

ROUNDS = 3
SHORT_BYTES = 256 * 1024
"""Audio up to this size is stored together with that of other clips."""
_OVERTAKEN = {Reason.STATE_CONFLICT, Reason.AUDIO_NOT_FOUND, Reason.CLIP_NOT_FOUND}
"""Reasons that mean that another call has finished or removed the clip in the meantime."""
log = structlog.get_logger()


class Clips:
    """Stores clips and removes them."""

    def __init__(self, upstream: Upstream, arriving: type[Arriving] = Arriving) -> None:
        """Works on the services of `upstream`. New audio comes as `arriving`."""
        self._upstream = upstream
        self._arriving = arriving
        self._libraries = Libraries(upstream)
        self._batches = Batches(upstream)
        self.vectors = Vectors(upstream, self._batches)
        self._mirrors = Coalescer(self._mirror)
        self.cleanups = Cleanups()

    async def ingest(
        self,
        library: Library,
        clip: Clip,
        chunks: AsyncIterable[bytes],
        request_id: str = "",
        known: AudioObject | None = None,
        *,
        id_names_audio: bool = False,
        hurry: bool = True,
    ) -> tuple[Clip, bool]:
        """Stores audio and makes it searchable.

        Args:
            library: of the clip.
            clip: its description. With a `uri` it refers to its audio there.
            chunks: its audio; none with a `uri`.
            request_id: a repeated call with the same id changes nothing.
            known: hash and size of the audio, if they are known in advance. Then audio that the
                library already has is not sent.
            id_names_audio: True if other audio has another request id, so that a repeat needs none.
            hurry: True if a caller waits for this one clip.

        Returns:
            The ACTIVE clip, and True if it is new. False comes with the clip that already had these
            bytes.

        Raises:
            ServiceError: of the catalog, embedding and index services. Then the clip is FAILED if
                its audio is the cause, and otherwise removed.
        """
        request = CreateClipRequest(
            clip=clip, request_id=request_id, audio_object=known, quota=quota.get()
        )
        row, ours = await self._begin(library, request)
        if not ours:
            return await self._take_on(library, row, chunks), False
        if row.state != Clip.STATE_CREATING:
            repeated = await self._repeated(row)
            if clip.uri != repeated.uri or not (clip.uri or id_names_audio):
                await _require_same(repeated, chunks, known)
            return repeated, False
        try:
            return await self._store(library, row, chunks, hurry=hurry), True
        except ServiceError as error:
            await self.cleanups.finish(self.undo(library, row, error))
            if error.reason is Reason.CLIP_EXISTS:
                return await self._existing(library, error.metadata["clip"]), False
            raise
        except BaseException:
            # Cancelled, or an unexpected error: the clip is undone in the background.
            self.cleanups.start(self.discard(library, row.name, Clip.STATE_CREATING))
            raise

    async def _store(
        self, library: Library, row: Clip, chunks: AsyncIterable[bytes], *, hurry: bool
    ) -> Clip:
        """Stores the audio of a new clip, and makes it searchable meanwhile.

        The errors of the store come first: it may know the bytes already.
        """
        fresh = row.update_time == row.create_time
        if row.uri:
            referred = Referred(self._upstream, row.name)
            return await self.make_searchable(
                library, row, hurry=hurry, fresh=fresh, source=referred
            )
        source = self._arriving(self._upstream, row.name, chunks)
        source.storing = asyncio.create_task(self._put(row.name, source.chunks()))
        ready = asyncio.create_task(
            self.make_searchable(library, row, hurry=hurry, fresh=fresh, source=source)
        )
        try:
            await source.storing
            return await ready
        finally:
            for task in (source.storing, ready):
                task.cancel()
            await asyncio.gather(source.storing, ready, return_exceptions=True)

    async def make_searchable(
        self,
        library: Library,
        clip: Clip,
        *,
        hurry: bool = True,
        fresh: bool = False,
        source: Source | None = None,
    ) -> Clip:
        """Makes a clip with stored audio searchable: embedding, vectors, state ACTIVE.

        Args:
            library: of the clip.
            clip: its row. The vectors of an ACTIVE one are made again.
            hurry: True if a caller waits for this one clip.
            fresh: True if there can be no vectors of an earlier try.
            source: its audio; the stored one if it is left out.
        """
        try:
            stored = await self.vectors.store(
                library, clip, hurry=hurry, fresh=fresh, source=source
            )
        except ServiceError as error:
            if error.reason is not Reason.INDEX_NOT_FOUND:
                raise
            now = await self._libraries.lost(library)
            stored = await self.vectors.store(now, clip, hurry=hurry, source=source)
        return await self.activate(library, clip, stored)

    async def activate(self, library: Library, clip: Clip, stored: Stored) -> Clip:
        """Makes a clip with vectors ACTIVE. Of an ACTIVE one the number of windows is kept."""
        active = await self._batches.activate(
            library,
            ActivateClipRequest(
                name=clip.name,
                audio=stored.audio,
                window_count=stored.window_count,
                vectors=stored.kept,
                peaks=stored.peaks,
                tags=None if stored.tags is None else ClipTags(tags=stored.tags),
            ),
        )
        if active.revision != clip.revision:  # it was changed while it was embedded
            await self._mirrors.add((library.name, library.uid), active)
        return active

    async def _mirror(self, library: tuple[str, str], clips: list[Clip]) -> list[None]:
        """Mirrors changed clips of a library, once each, at their last revision."""
        name, uid = library
        last = {clip.name: clip for clip in sorted(clips, key=lambda clip: clip.revision)}
        await self.vectors.mirror(Library(name=name, uid=uid), list(last.values()))
        return [None] * len(clips)

    async def embed_again(self, library: Library, generation: Generation, clip: Clip) -> bool:
        """Makes the vectors of an ACTIVE clip again, in one generation of its library's indexes.

        Returns:
            False if the clip was deleted in the meantime, perhaps before its vectors were stored.
            Then they are removed.
        """
        try:
            stored = await self.vectors.store_in(generation, library, clip)
            # A migration may have begun or ended meanwhile.
            now = await self._batches.library(library)
            if generation.number != indexes.counted(now).number:
                # The row has the number of windows and the tags of the other generation.
                stored = replace(stored, window_count=clip.window_count, tags=None)
            await self.activate(library, clip, stored)
        except ServiceError as error:
            if error.reason not in {Reason.CLIP_NOT_FOUND, Reason.STATE_CONFLICT}:
                raise
            await self.vectors.remove_from(generation, [split_clip(clip.name)[1]])
            return False
        return True

    async def fail(self, library: Library, name: str, error: ServiceError) -> None:
        """Marks a clip FAILED for the reason of `error` and removes its audio and vectors."""
        await self._upstream.clips.FailClip(
            FailClipRequest(
                name=name, failure=Failure(reason=error.reason.value, message=error.message)
            )
        )
        # Only now: if another call has made the clip ACTIVE, its vectors must stay.
        await self.remove_vectors(library, name)

    async def discard(
        self,
        library: Library,
        name: str,
        only: Clip.State.ValueType = Clip.STATE_UNSPECIFIED,
        speaker: str = "",
    ) -> None:
        """Removes a clip with its audio and vectors. A clip that is already gone is no error.

        Args:
            library: of the clip.
            name: of the clip.
            only: the state that the clip must be in, besides DELETING; otherwise it stays. An undo
                passes CREATING, because an ACTIVE clip was acknowledged to a caller.
            speaker: the speaker that it may be an enrollment of; otherwise it stays.
        """
        begin = BeginClipDeletionRequest(name=name, only_state=only, only_speaker=speaker)
        try:
            with passing_over(Reason.CLIP_NOT_FOUND):
                await self._upstream.clips.BeginClipDeletion(begin)
            await self.remove_vectors(library, name)
            await self._upstream.clips.DeleteClip(DeleteClipRequest(name=name))
        except ServiceError as error:
            kept = (bool(only) and error.reason is Reason.STATE_CONFLICT) or (
                bool(speaker) and error.reason is Reason.CLIP_ENROLLED
            )
            if error.code is not grpc.StatusCode.NOT_FOUND and not kept:
                raise

    async def _begin(self, library: Library, request: CreateClipRequest) -> tuple[Clip, bool]:
        """The clip's row and True, or the row of a clip with the same bytes and False.

        A clip with these bytes that is DELETING is removed first, because the call that deletes it
        may have been lost.
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
        """Stores audio: short one in a call with that of other clips."""
        rest, begin, size = aiter(chunks), list[bytes](), 0
        async for chunk in rest:
            begin.append(chunk)
            size += len(chunk)
            if size > SHORT_BYTES:
                break
        else:
            try:
                await self._batches.put(name, b"".join(begin))
            except grpc.aio.AioRpcError as error:  # the catalog may be of the version before
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
            else:
                return

        async def requests() -> AsyncIterator[PutAudioRequest]:
            yield PutAudioRequest(name=name, quota=quota.get())
            for chunk in begin:
                yield PutAudioRequest(chunk=chunk)
            async for chunk in rest:
                yield PutAudioRequest(chunk=chunk)

        await self._upstream.clips.PutAudio(requests())

    async def remove_vectors(self, library: Library, name: str) -> None:
        """Removes a clip's vectors. Missing vectors are no error."""
        await self.vectors.remove(library, [split_clip(name)[1]])

    async def _repeated(self, clip: Clip) -> Clip:
        """The answer to a repeated request, as for the first one."""
        failure = _failure(clip)
        if failure:
            raise failure
        if clip.state != Clip.STATE_ACTIVE:
            raise ServiceError(
                Reason.STATE_CONFLICT, f"{clip.name} is being deleted; use a new request_id"
            )
        return clip

    async def _existing(self, library: Library, name: str) -> Clip:
        """The clip with the same bytes. It is finished first if its own call was lost."""
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
        """The clip that was created for these bytes, finished if its own call was lost."""
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
            return await self._mend(clip, chunks) if clip.audio_object.condition else clip
        raise _failure(clip) or _vanished(name)

    async def _mend(self, clip: Clip, chunks: AsyncIterable[bytes]) -> Clip:
        """An ACTIVE clip whose stored audio is damaged or missing, with these bytes instead."""
        try:
            await self._put(clip.name, chunks)
        except ServiceError as error:
            if error.reason not in _OVERTAKEN:
                raise
        return await self._get(clip.name)

    async def _get(self, name: str) -> Clip:
        with _still_there(name):
            return await self._upstream.clips.GetClip(GetClipRequest(name=name))

    async def undo(self, library: Library, clip: Clip, error: ServiceError) -> None:
        """Undoes a CREATING clip after an error: it is FAILED, gone, or in the trash as before."""
        if error.code is grpc.StatusCode.INVALID_ARGUMENT:
            await self.fail(library, clip.name, error)
        else:
            await self.discard(library, clip.name, Clip.STATE_CREATING)


def _failure(clip: Clip) -> ServiceError | None:
    """The error of a FAILED clip; None if it has not failed or the reason is unknown."""
    reason = Reason.named(clip.failure.reason)
    if clip.state != Clip.STATE_FAILED or reason is None:
        return None
    return ServiceError(reason, clip.failure.message)


@contextlib.contextmanager
def _still_there(name: str) -> Iterator[None]:
    """Turns CLIP_NOT_FOUND in the block into STATE_CONFLICT: the bytes will be free soon."""
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


async def _require_same(
    clip: Clip, chunks: AsyncIterable[bytes], known: AudioObject | None
) -> None:
    """Raises FIELD_INVALID if a repeated request brings other bytes than those of its clip."""
    if (known.sha256 if known else await _hash(chunks)) != clip.audio_object.sha256:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"request_id: it made {clip.name} of other bytes; choose a new one",
            {"field": "request_id"},
        )


async def _hash(chunks: AsyncIterable[bytes]) -> str:
    found = hashlib.sha256()
    async for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()

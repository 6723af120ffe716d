"""The RPCs about clips: checks, delegates and translates each request."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from audiosearch.catalog.v1 import clip_pb2, import_job_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1 import clip_service_pb2_grpc, clips_pb2
from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from gateway.access.rights import quota
from gateway.clips import peaks, tagging
from gateway.clips.life import Clips
from gateway.clips.mirror import Mirror
from gateway.clips.streams import audio_chunks, first_config, require_none
from gateway.clips.trash import Trash
from gateway.clips.uploaded_vectors import upload
from gateway.imports.folder import resolve_folder
from gateway.imports.operations import to_operation
from gateway.imports.worker import ImportWorker
from gateway.libraries.libraries import Libraries
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.names import check_library


class ClipServicer(clip_service_pb2_grpc.ClipServiceServicer):
    """audiosearch.gateway.v1.ClipService."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        clips: Clips,
        worker: ImportWorker,
        trash: Trash,
        mirror: Mirror,
        link_seconds: int = 0,
    ) -> None:
        """Delegates to the parts given. Links to stored audio hold so long; 0 gives none."""
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips
        self._worker = worker
        self._trash = trash
        self._mirror = mirror
        self._link_seconds = link_seconds

    async def UploadClip(
        self,
        request_iterator: AsyncIterator[clips_pb2.UploadClipRequest],
        context: grpc.aio.ServicerContext,
    ) -> clips_pb2.UploadClipResponse:
        config = (await first_config(request_iterator)).config
        library = await self._libraries.open_for_audio(
            check_library(config.parent, "config.parent")
        )
        clip = Clip(
            display_name=config.clip.display_name,
            label=config.clip.label,
            speaker=config.clip.speaker,
            metadata=config.clip.metadata,
            channel=config.clip.channel,
            uri=config.clip.uri,
        )
        chunks = audio_chunks(request_iterator)
        if clip.uri:
            await require_none(chunks)
        async with self._libraries.held(library):
            row, created = await self._clips.ingest(
                library,
                clip,
                chunks,
                config.request_id,
                id_names_audio=config.request_id_names_audio,
            )
        if not created and config.duplicates == config.DUPLICATE_POLICY_FAIL:
            raise ServiceError(
                Reason.CLIP_EXISTS,
                f"the library has these bytes already, as {row.name}",
                {"clip": row.name},
            )
        return clips_pb2.UploadClipResponse(clip=row, created=created)

    async def UploadVectors(
        self, request: clips_pb2.UploadVectorsRequest, context: grpc.aio.ServicerContext
    ) -> clips_pb2.UploadVectorsResponse:
        return await upload(self._libraries, self._clips, request)

    async def ImportClips(
        self, request: clips_pb2.ImportClipsRequest, context: grpc.aio.ServicerContext
    ) -> operations_pb2.Operation:
        library = await self._libraries.open_for_audio(check_library(request.parent))
        folder = resolve_folder(request.folder, self._worker.roots)
        job = await self._upstream.import_jobs.CreateImportJob(
            import_job_pb2.CreateImportJobRequest(
                import_job=import_job_pb2.ImportJob(
                    library=library.name,
                    folder=str(folder),
                    label=request.label,
                    channel=request.channel,
                ),
                request_id=request.request_id,
                quota=quota.get(),
            )
        )
        self._worker.wake()
        return to_operation(job)

    async def ListReferences(
        self, request: clip_pb2.ListReferencesRequest, context: grpc.aio.ServicerContext
    ) -> clip_pb2.ListReferencesResponse:
        try:
            await self._libraries.open_for_audio(check_library(request.parent))
        except ServiceError as error:
            if error.reason is not Reason.LIBRARY_NOT_FOUND:  # it may be about to be made
                raise
        return await self._upstream.clips.ListReferences(request)

    async def GetClip(
        self, request: clip_pb2.GetClipRequest, context: grpc.aio.ServicerContext
    ) -> Clip:
        return self._trash.told(await self._upstream.clips.GetClip(request))

    async def GetPeaks(
        self, request: clip_pb2.GetPeaksRequest, context: grpc.aio.ServicerContext
    ) -> clip_pb2.Peaks:
        return await peaks.read(self._upstream, request)

    async def ListClips(
        self, request: clip_pb2.ListClipsRequest, context: grpc.aio.ServicerContext
    ) -> clip_pb2.ListClipsResponse:
        answer = await self._upstream.clips.ListClips(request)
        for clip in answer.clips:
            self._trash.told(clip)
        return answer

    async def CountValues(
        self, request: clip_pb2.CountValuesRequest, context: grpc.aio.ServicerContext
    ) -> clip_pb2.CountValuesResponse:
        return await self._upstream.clips.CountValues(request)

    async def TagClip(
        self, request: clips_pb2.TagClipRequest, context: grpc.aio.ServicerContext
    ) -> clips_pb2.TagClipResponse:
        return await tagging.tag(self._upstream, request)

    async def UpdateClip(
        self, request: clip_pb2.UpdateClipRequest, context: grpc.aio.ServicerContext
    ) -> Clip:
        clip = await self._upstream.clips.UpdateClip(request)
        await self._mirror.update([clip])
        return clip

    async def DeleteClip(
        self, request: clip_pb2.DeleteClipRequest, context: grpc.aio.ServicerContext
    ) -> Empty:
        await self._trash.delete(request.name, permanent=request.permanent)
        return Empty()

    async def RestoreClip(
        self, request: clip_pb2.RestoreClipRequest, context: grpc.aio.ServicerContext
    ) -> Clip:
        return await self._trash.restore(request.name)

    async def DownloadAudio(
        self,
        request: clips_pb2.DownloadAudioRequest,
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[clip_pb2.GetAudioResponse]:
        stored = self._upstream.clips.GetAudio(
            clip_pb2.GetAudioRequest(
                name=request.name,
                offset=request.offset,
                limit=request.limit,
                link_seconds=self._link_seconds if request.link else 0,
            )
        )
        async for response in stored:
            yield response

"""The gateway's RPCs: check, delegate, translate."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from audiosearch.catalog.v1 import catalog_service_pb2 as catalog_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch.embedding.v1.model_pb2 import Model
from audiosearch.gateway.v1 import gateway_service_pb2 as gateway_pb2
from audiosearch.gateway.v1 import (
    gateway_service_pb2_grpc,
    library_map_pb2,
    search_pb2,
    system_status_pb2,
)
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from gateway.access.rights import caller
from gateway.clips.audio import split
from gateway.clips.life import Clips
from gateway.clips.streams import audio_chunks, first_config
from gateway.health.status import Status
from gateway.imports.folder import resolve_folder
from gateway.imports.operations import OperationsServicer, to_operation
from gateway.imports.worker import ImportWorker
from gateway.libraries import Libraries
from gateway.maps.library_maps import Maps
from gateway.search.search import Search
from gateway.speakers.servicer import SpeakerServicer
from gateway.speakers.wiring import Speakers
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.names import check_library, split_clip
from serving.server import Register

NAMES = (
    gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"].full_name,
    operations_pb2.DESCRIPTOR.services_by_name["Operations"].full_name,
)
"""Full names of the services that `register` adds."""


class GatewayServicer(SpeakerServicer, gateway_service_pb2_grpc.GatewayServiceServicer):
    """audiosearch.gateway.v1.GatewayService."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        clips: Clips,
        search: Search,
        worker: ImportWorker,
        maps: Maps,
        status: Status,
        speakers: Speakers,
    ) -> None:
        """Delegates to the parts given."""
        super().__init__(upstream, speakers)
        self._libraries = libraries
        self._clips = clips
        self._search = search
        self._worker = worker
        self._maps = maps
        self._status = status

    async def CreateLibrary(
        self, request: catalog_pb2.CreateLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Library:
        check_library(f"libraries/{request.library_id}", "library_id")
        return await self._libraries.create(request)

    async def GetLibrary(
        self, request: catalog_pb2.GetLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Library:
        return await self._upstream.catalog.GetLibrary(request)

    async def ListLibraries(
        self, request: catalog_pb2.ListLibrariesRequest, context: grpc.aio.ServicerContext
    ) -> catalog_pb2.ListLibrariesResponse:
        return await self._libraries.page(request, caller.get())

    async def UpdateLibrary(
        self, request: catalog_pb2.UpdateLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Library:
        return await self._upstream.catalog.UpdateLibrary(request)

    async def DeleteLibrary(
        self, request: catalog_pb2.DeleteLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Empty:
        await self._libraries.delete(check_library(request.name, "name"), force=request.force)
        return Empty()

    async def UploadClip(
        self,
        request_iterator: AsyncIterator[gateway_pb2.UploadClipRequest],
        context: grpc.aio.ServicerContext,
    ) -> gateway_pb2.UploadClipResponse:
        config = (await first_config(request_iterator)).config
        library = await self._libraries.open(check_library(config.parent, "config.parent"))
        clip = Clip(
            display_name=config.clip.display_name,
            label=config.clip.label,
            speaker=config.clip.speaker,
            metadata=config.clip.metadata,
        )
        row, created = await self._clips.ingest(
            library, clip, audio_chunks(request_iterator), config.request_id
        )
        if not created and config.duplicates == config.DUPLICATE_POLICY_FAIL:
            raise ServiceError(
                Reason.CLIP_EXISTS,
                f"the library has these bytes already, as {row.name}",
                {"clip": row.name},
            )
        return gateway_pb2.UploadClipResponse(clip=row, created=created)

    async def ImportClips(
        self, request: gateway_pb2.ImportClipsRequest, context: grpc.aio.ServicerContext
    ) -> operations_pb2.Operation:
        library = await self._libraries.open(check_library(request.parent))
        folder = resolve_folder(request.folder, self._worker.roots)
        job = await self._upstream.catalog.CreateImportJob(
            catalog_pb2.CreateImportJobRequest(
                import_job=ImportJob(library=library.name, folder=str(folder), label=request.label),
                request_id=request.request_id,
            )
        )
        if job.library != library.name:
            raise ServiceError(
                Reason.FIELD_INVALID,
                "request_id: it belongs to another import; choose a new one",
                {"field": "request_id"},
            )
        self._worker.wake()
        return to_operation(job)

    async def GetClip(
        self, request: catalog_pb2.GetClipRequest, context: grpc.aio.ServicerContext
    ) -> Clip:
        return await self._upstream.catalog.GetClip(request)

    async def ListClips(
        self, request: catalog_pb2.ListClipsRequest, context: grpc.aio.ServicerContext
    ) -> catalog_pb2.ListClipsResponse:
        return await self._upstream.catalog.ListClips(request)

    async def UpdateClip(
        self, request: catalog_pb2.UpdateClipRequest, context: grpc.aio.ServicerContext
    ) -> Clip:
        return await self._upstream.catalog.UpdateClip(request)

    async def DeleteClip(
        self, request: catalog_pb2.DeleteClipRequest, context: grpc.aio.ServicerContext
    ) -> Empty:
        parent, _ = split_clip(request.name)
        library = await self._upstream.catalog.GetLibrary(
            catalog_pb2.GetLibraryRequest(name=parent, view=catalog_pb2.LIBRARY_VIEW_BASIC)
        )
        clip = await self._clips.delete(library, request.name)
        if clip.enrolled_speaker:
            await self._speakers.removing.follow(library, clip.enrolled_speaker)
        return Empty()

    async def DownloadAudio(
        self,
        request: gateway_pb2.DownloadAudioRequest,
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[catalog_pb2.GetAudioResponse]:
        stored = self._upstream.catalog.GetAudio(
            catalog_pb2.GetAudioRequest(
                name=request.name, offset=request.offset, limit=request.limit
            )
        )
        async for response in stored:
            yield response

    async def SearchClips(
        self, request: search_pb2.SearchClipsRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchClipsResponse:
        query = request.WhichOneof("query")
        if query is None:
            raise ServiceError(Reason.FIELD_INVALID, "query: set clip or audio", {"field": "query"})
        if query == "clip":
            return await self._search.by_clip(request.config, request.clip)
        return await self._search.by_audio(request.config, split(request.audio))

    async def StreamSearchClips(
        self,
        request_iterator: AsyncIterator[search_pb2.StreamSearchClipsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[search_pb2.StreamSearchClipsResponse]:
        config = (await first_config(request_iterator)).config
        chunks = audio_chunks(request_iterator)
        if config.clip:
            async for _ in chunks:
                raise ServiceError(
                    Reason.FIELD_INVALID,
                    "audio_chunk: none may follow when the query is a clip",
                    {"field": "audio_chunk"},
                )
            answer = await self._search.by_clip(config.search, config.clip)
        else:
            pcm = config.pcm if config.HasField("pcm") else None
            answer = await self._search.by_audio(config.search, chunks, pcm)
        matches = list(answer.matches)
        answer.ClearField("matches")
        yield search_pb2.StreamSearchClipsResponse(summary=answer)
        for match in matches:
            yield search_pb2.StreamSearchClipsResponse(match=match)

    async def GetLibraryMap(
        self, request: library_map_pb2.GetLibraryMapRequest, context: grpc.aio.ServicerContext
    ) -> library_map_pb2.LibraryMap:
        return await self._maps.get(request)

    async def GetStatus(
        self, request: system_status_pb2.GetStatusRequest, context: grpc.aio.ServicerContext
    ) -> system_status_pb2.SystemStatus:
        return await self._status.read(caller.get())

    async def EmbedAudio(
        self,
        request_iterator: AsyncIterator[embedding_pb2.EmbedAudioRequest],
        context: grpc.aio.ServicerContext,
    ) -> embedding_pb2.EmbedAudioResponse:
        return await self._upstream.embedding.EmbedAudio(request_iterator)

    async def GetModel(
        self, request: embedding_pb2.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> Model:
        return await self._upstream.embedding.GetModel(request)

    async def ListModels(
        self, request: embedding_pb2.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> embedding_pb2.ListModelsResponse:
        return await self._upstream.embedding.ListModels(request)


def register(servicer: GatewayServicer, operations: OperationsServicer) -> Register:
    """What adds both servicers to a server."""

    def add(server: grpc.aio.Server) -> None:
        gateway_service_pb2_grpc.add_GatewayServiceServicer_to_server(servicer, server)
        operations_pb2_grpc.add_OperationsServicer_to_server(operations, server)

    return add

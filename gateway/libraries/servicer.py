"""The RPCs about libraries: checks, delegates and translates each request."""

from __future__ import annotations

import grpc
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1 import duplicates_pb2, library_map_pb2, library_service_pb2_grpc
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from google.protobuf.empty_pb2 import Empty

from gateway.access.rights import caller
from gateway.duplicates.library_duplicates import AllDuplicates
from gateway.libraries.libraries import Libraries
from gateway.maps.library_maps import Maps
from gateway.upkeep.migrating import MigrationWorker
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.names import check_library


class LibraryServicer(library_service_pb2_grpc.LibraryServiceServicer):
    """audiosearch.gateway.v1.LibraryService."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        maps: Maps,
        duplicates: AllDuplicates,
        migrations: MigrationWorker,
    ) -> None:
        """Delegates to the parts given."""
        self._upstream = upstream
        self._libraries = libraries
        self._maps = maps
        self._duplicates = duplicates
        self._migrations = migrations

    async def CreateLibrary(
        self, request: library_pb2.CreateLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Library:
        check_library(f"libraries/{request.library_id}", "library_id")
        if request.loading:
            message = "loading: is for `audiosearch bulk load --at-once`, which calls the catalog"
            raise ServiceError(Reason.FIELD_INVALID, message, {"field": "loading"})
        return await self._libraries.create(request)

    async def GetLibrary(
        self, request: library_pb2.GetLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Library:
        return await self._upstream.libraries.GetLibrary(request)

    async def ListLibraries(
        self, request: library_pb2.ListLibrariesRequest, context: grpc.aio.ServicerContext
    ) -> library_pb2.ListLibrariesResponse:
        return await self._libraries.page(request, caller.get())

    async def UpdateLibrary(
        self, request: library_pb2.UpdateLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Library:
        return await self._upstream.libraries.UpdateLibrary(request)

    async def MigrateLibrary(
        self, request: MigrateLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Library:
        check_library(request.name, "name")
        library = await self._libraries.begin_migration(request)
        self._migrations.wake()
        return library

    async def DeleteLibrary(
        self, request: library_pb2.DeleteLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Empty:
        await self._libraries.delete(check_library(request.name, "name"), force=request.force)
        return Empty()

    async def GetLibraryMap(
        self, request: library_map_pb2.GetLibraryMapRequest, context: grpc.aio.ServicerContext
    ) -> library_map_pb2.LibraryMap:
        return await self._maps.answer(request)

    async def GetDuplicates(
        self, request: duplicates_pb2.GetDuplicatesRequest, context: grpc.aio.ServicerContext
    ) -> duplicates_pb2.Duplicates:
        return await self._duplicates.answer(request)

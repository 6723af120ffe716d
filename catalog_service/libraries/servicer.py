"""The RPCs about libraries: checks, delegates and translates each request."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1 import library_pb2 as pb
from audiosearch.catalog.v1 import library_service_pb2_grpc
from audiosearch.catalog.v1.library_pb2 import Library
from google.protobuf.empty_pb2 import Empty
from sqlalchemy import Row

from catalog_service import fields, names
from catalog_service.libraries import answers, requests
from catalog_service.libraries.index_checks import IndexChecks
from catalog_service.libraries.libraries import Libraries
from catalog_service.libraries.libraries import Library as Found
from catalog_service.libraries.migrations import Migrations
from catalog_service.paging import page


class LibraryServicer(library_service_pb2_grpc.LibraryServiceServicer):
    """Serves audiosearch.catalog.v1.LibraryService."""

    def __init__(self, libraries: Libraries, migrations: Migrations, checks: IndexChecks) -> None:
        """Takes the libraries, their migrations and the states of their indexes."""
        self._checks = checks
        self._libraries = libraries
        self._migrations = migrations

    async def CreateLibrary(self, request: pb.CreateLibraryRequest, context: Any) -> Library:
        wanted = request.library
        return answers.library(
            await self._libraries.create(
                names.check_id("library_id", request.library_id),
                fields.text("library.display_name", wanted),
                names.check_model("library.model", wanted.model),
                requests.window_rule("library.window_rule", wanted.window_rule)
                if wanted.HasField("window_rule")
                else None,
                fields.request_id(request),
                requests.dimension("library.dimension", wanted),
                requests.purpose("library.purpose", wanted.purpose),
                loading=request.loading,
            )
        )

    async def ActivateLibrary(self, request: pb.ActivateLibraryRequest, context: Any) -> Library:
        return answers.library(
            await self._libraries.activate(names.parse_library("name", request.name))
        )

    async def GetLibrary(self, request: pb.GetLibraryRequest, context: Any) -> Library:
        return answers.library(
            await self._libraries.get(
                names.parse_library("name", request.name), counted=requests.counted(request.view)
            )
        )

    async def ListLibraries(
        self, request: pb.ListLibrariesRequest, context: Any
    ) -> pb.ListLibrariesResponse:
        state = requests.library_state(request.state)
        purpose = requests.purpose("purpose", request.purpose)
        found, token = await self._libraries.list(
            state,
            page(fields.page_size(request.page_size), request.page_token, "libraries", state),
            counted=requests.counted(request.view),
            incomplete=request.incomplete,
            purpose=purpose,
        )
        return pb.ListLibrariesResponse(
            libraries=map(answers.library, found), next_page_token=token
        )

    async def UpdateLibrary(self, request: pb.UpdateLibraryRequest, context: Any) -> Library:
        fields.mask("update_mask", request.update_mask, ["display_name"])
        return answers.library(
            await self._libraries.rename(
                names.parse_library("library.name", request.library.name),
                fields.text("library.display_name", request.library),
            )
        )

    async def BeginMigration(self, request: pb.BeginMigrationRequest, context: Any) -> Library:
        name = names.parse_library("name", request.name)
        if request.forget:
            return _uncounted(await self._migrations.forget(name))
        row = await self._migrations.begin(
            name,
            requests.window_rule("window_rule", request.window_rule),
            requests.wanted_model(request),
            review=request.review,
            keep=request.keep,
        )
        return _uncounted(row)

    async def ClaimMigration(
        self, request: pb.ClaimMigrationRequest, context: Any
    ) -> pb.ClaimMigrationResponse:
        row = await self._migrations.claim(fields.text("worker", request), fields.claimed(request))
        return pb.ClaimMigrationResponse(library=None if row is None else _uncounted(row))

    async def ReportMigration(self, request: pb.ReportMigrationRequest, context: Any) -> Library:
        row = await self._migrations.report(
            names.parse_library("name", request.name),
            fields.text("worker", request),
            fields.claimed(request),
            requests.progress(request),
        )
        return _uncounted(row)

    async def FinishMigration(self, request: pb.FinishMigrationRequest, context: Any) -> Library:
        row = await self._migrations.finish(
            names.parse_library("name", request.name),
            fields.text("worker", request),
            fields.count("generation", request.generation),
        )
        return _uncounted(row)

    async def ClaimIndexChecks(
        self, request: pb.ClaimIndexChecksRequest, context: Any
    ) -> pb.ClaimIndexChecksResponse:
        rows = await self._checks.claim(
            fields.text("worker", request), fields.claimed(request), requests.index_checks(request)
        )
        return pb.ClaimIndexChecksResponse(libraries=map(_uncounted, rows))

    async def ReportIndexState(self, request: pb.ReportIndexStateRequest, context: Any) -> Library:
        worker = fields.text("worker", request)
        row = await self._checks.report(
            names.parse_library("name", request.name),
            worker,
            fields.claimed(request) if worker else None,
            requests.index_state(request),
        )
        return _uncounted(row)

    async def CountVectors(self, request: pb.CountVectorsRequest, context: Any) -> pb.VectorCounts:
        counts = await self._checks.count(names.parse_library("name", request.name))
        return pb.VectorCounts(**counts._asdict())

    async def BeginLibraryDeletion(
        self, request: pb.BeginLibraryDeletionRequest, context: Any
    ) -> Library:
        return answers.library(
            await self._libraries.begin_deletion(
                names.parse_library("name", request.name), force=request.force
            )
        )

    async def DeleteLibrary(self, request: pb.DeleteLibraryRequest, context: Any) -> Empty:
        await self._libraries.delete(names.parse_library("name", request.name))
        return Empty()


def _uncounted(row: Row[Any]) -> Library:
    """Returns a library without its counts, which take a while and which no worker needs."""
    return answers.library(Found(row, 0, 0))

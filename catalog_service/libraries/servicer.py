"""The RPCs about libraries: checks, delegates and translates each request."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1 import library_pb2 as pb
from audiosearch.catalog.v1 import library_service_pb2_grpc
from audiosearch.catalog.v1.library_pb2 import Library
from google.protobuf.empty_pb2 import Empty

from catalog_service import fields, names
from catalog_service.libraries import answers, requests
from catalog_service.libraries.libraries import Libraries
from catalog_service.paging import page


class LibraryServicer(library_service_pb2_grpc.LibraryServiceServicer):
    """Serves audiosearch.catalog.v1.LibraryService."""

    def __init__(self, libraries: Libraries) -> None:
        """Takes the libraries."""
        self._libraries = libraries

    async def CreateLibrary(self, request: pb.CreateLibraryRequest, context: Any) -> Library:
        return answers.library(
            await self._libraries.create(
                names.check_id("library_id", request.library_id),
                fields.text("library.display_name", request.library),
                names.check_model("library.model", request.library.model),
                fields.request_id(request),
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
        found, token = await self._libraries.list(
            state,
            page(fields.page_size(request.page_size), request.page_token, "libraries", state),
            counted=requests.counted(request.view),
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

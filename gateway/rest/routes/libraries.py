"""/v1/libraries."""

from __future__ import annotations

from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from fastapi import APIRouter, Request, Response
from google.protobuf.empty_pb2 import Empty

from gateway.rest.messages.json import answer, parse_body, parse_change
from gateway.rest.messages.openapi import document
from gateway.rest.messages.query import Query, refuse_others
from gateway.rest.parts import Parts

_LIST = Query(library_pb2.ListLibrariesRequest, "pageSize", "pageToken", "state", "view", "purpose")
_GET = Query(library_pb2.GetLibraryRequest, "view")
_CREATE = Query(library_pb2.CreateLibraryRequest, "libraryId", "requestId")
_UPDATE = Query(library_pb2.UpdateLibraryRequest, "updateMask")
_DELETE = Query(library_pb2.DeleteLibraryRequest, "force")


def router(parts: Parts) -> APIRouter:
    """The routes of libraries."""
    api = APIRouter(tags=["libraries"])

    @api.get("/v1/libraries", **document(_LIST, answer=library_pb2.ListLibrariesResponse))
    async def list_libraries(request: Request) -> Response:
        """Lists libraries by name."""
        message = _LIST.read(request, library_pb2.ListLibrariesRequest())
        return answer(await parts.ask(request, "ListLibraries", message))

    @api.post("/v1/libraries", **document(_CREATE, body=Library, answer=Library))
    async def create_library(request: Request) -> Response:
        """Creates an empty library, for voices or for sounds.

        The body has `displayName`, `purpose` or `model`, and for one for vectors `dimension`. With
        neither purpose nor model it is by the first of `/v1/models`.
        """
        message = _CREATE.read(request, library_pb2.CreateLibraryRequest())
        await parse_body(request, message.library)
        return answer(await parts.ask(request, "CreateLibrary", message))

    @api.get("/v1/libraries/{library:id}", **document(_GET, answer=Library))
    async def get_library(request: Request, library: str) -> Response:
        """Reads a library with its counts."""
        message = library_pb2.GetLibraryRequest(name=f"libraries/{library}")
        return answer(await parts.ask(request, "GetLibrary", _GET.read(request, message)))

    @api.patch("/v1/libraries/{library:id}", **document(_UPDATE, body=Library, answer=Library))
    async def update_library(request: Request, library: str) -> Response:
        """Changes `displayName`, if it is in the mask, or without a mask in the body."""
        message = _UPDATE.read(request, library_pb2.UpdateLibraryRequest())
        await parse_change(request, message.library, message.update_mask)
        message.library.name = f"libraries/{library}"
        if not message.update_mask.paths:
            read = library_pb2.GetLibraryRequest(name=message.library.name)
            return answer(await parts.ask(request, "GetLibrary", read))
        return answer(await parts.ask(request, "UpdateLibrary", message))

    @api.post(
        "/v1/libraries/{library:id}:migrate",
        **document(body=MigrateLibraryRequest, answer=Library),
    )
    async def migrate_library(request: Request, library: str) -> Response:
        """Begins to fill the library's next indexes from its stored audio.

        With a `model` they are of that one: `models/voices` and `models/sounds` stand for the first
        of that purpose.
        """
        refuse_others(request)
        message = await parse_body(request, MigrateLibraryRequest())
        message.name = f"libraries/{library}"
        return answer(await parts.ask(request, "MigrateLibrary", message))

    @api.delete("/v1/libraries/{library:id}", **document(_DELETE, answer=Empty))
    async def delete_library(request: Request, library: str) -> Response:
        """Deletes a library. One with clips needs `force=true`."""
        message = library_pb2.DeleteLibraryRequest(name=f"libraries/{library}")
        return answer(await parts.ask(request, "DeleteLibrary", _DELETE.read(request, message)))

    return api

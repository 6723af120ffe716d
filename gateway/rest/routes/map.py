"""/v1/libraries/{library}/map."""

from __future__ import annotations

from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest, LibraryMap
from fastapi import APIRouter, Request, Response

from gateway.rest.messages.json import answer
from gateway.rest.messages.openapi import document
from gateway.rest.messages.query import Query
from gateway.rest.parts import Parts

_GET = Query(GetLibraryMapRequest, "etag", "pageToken")


def router(parts: Parts) -> APIRouter:
    """The route of the map of a library."""
    api = APIRouter(tags=["map"])

    @api.get("/v1/libraries/{library}/map", **document(_GET, answer=LibraryMap))
    async def get_library_map(request: Request, library: str) -> Response:
        """Lays the clips out in two dimensions. Ask again, with `etag`, until it is READY."""
        message = _GET.read(request, GetLibraryMapRequest(name=f"libraries/{library}/map"))
        return answer(await parts.ask(request, "GetLibraryMap", message))

    return api

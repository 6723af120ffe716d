"""/v1/libraries/{library}/duplicates."""

from __future__ import annotations

from audiosearch.gateway.v1.duplicates_pb2 import Duplicates, GetDuplicatesRequest
from fastapi import APIRouter, Request, Response

from gateway.rest.messages.json import answer
from gateway.rest.messages.openapi import document
from gateway.rest.messages.query import Query
from gateway.rest.parts import Parts

_GET = Query(GetDuplicatesRequest, "etag", "pageToken")


def router(parts: Parts) -> APIRouter:
    """The route of the duplicates of a library."""
    api = APIRouter(tags=["duplicates"])

    @api.get("/v1/libraries/{library}/duplicates", **document(_GET, answer=Duplicates))
    async def get_duplicates(request: Request, library: str) -> Response:
        """Groups clips that are the same recording. Ask again, with `etag`, until it is READY."""
        name = f"libraries/{library}/duplicates"
        message = _GET.read(request, GetDuplicatesRequest(name=name))
        return answer(await parts.ask(request, "GetDuplicates", message))

    return api

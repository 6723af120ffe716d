"""/v1/status."""

from __future__ import annotations

from audiosearch.gateway.v1.system_status_pb2 import GetStatusRequest, SystemStatus
from fastapi import APIRouter, Request, Response

from gateway.rest.messages.json import answer
from gateway.rest.messages.openapi import document
from gateway.rest.messages.query import refuse_others
from gateway.rest.parts import Parts


def router(parts: Parts) -> APIRouter:
    """The route of the status."""
    api = APIRouter(tags=["status"])

    @api.get("/v1/status", **document(answer=SystemStatus))
    async def get_status(request: Request) -> Response:
        """Reads the state of the services, their stores and models, and the last searches."""
        refuse_others(request)
        return answer(await parts.ask(request, "GetStatus", GetStatusRequest()))

    return api

"""/v1/operations: imports, their progress and their results."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from gateway.rest.http.streaming import KEEP_ALIVE, Events, event
from gateway.rest.messages.json import answer, to_json
from gateway.rest.messages.openapi import document
from gateway.rest.messages.query import Query, refuse_others
from gateway.rest.parts import Parts
from serving.telemetry import remaining

LOOK_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 15.0
END_SECONDS = 5.0
"""Time before its deadline at which a watch ends, so that it does not fail."""

_LIST = Query(operations_pb2.ListOperationsRequest, "name", "filter", "pageSize", "pageToken")


def router(parts: Parts) -> APIRouter:
    """The routes of operations."""
    api = APIRouter(tags=["operations"])

    @api.get("/v1/operations", **document(_LIST, answer=operations_pb2.ListOperationsResponse))
    async def list_operations(request: Request) -> Response:
        """Lists imports, the newest first. `name=libraries/{library}` limits them to a library."""
        message = _LIST.read(request, operations_pb2.ListOperationsRequest())
        return answer(await parts.ask(request, "ListOperations", message))

    @api.get("/v1/operations/{operation:id}:watch", **document(events=operations_pb2.Operation))
    async def watch_operation(request: Request, operation: str) -> Response:
        """Sends the operation as a server-sent event `operation` now and whenever it changes.

        The stream ends once the operation is done. It may end earlier; then ask again.
        """
        refuse_others(request)
        return Events(_watch(parts, request, f"operations/{operation}"))

    @api.post("/v1/operations/{operation:id}:cancel", **document(answer=Empty))
    async def cancel_operation(request: Request, operation: str) -> Response:
        """Requests the cancellation of an import. Files in progress are finished first."""
        refuse_others(request)
        message = operations_pb2.CancelOperationRequest(name=f"operations/{operation}")
        return answer(await parts.ask(request, "CancelOperation", message))

    @api.get("/v1/operations/{operation:id}", **document(answer=operations_pb2.Operation))
    async def get_operation(request: Request, operation: str) -> Response:
        """Reads the progress of an import."""
        refuse_others(request)
        message = operations_pb2.GetOperationRequest(name=f"operations/{operation}")
        return answer(await parts.ask(request, "GetOperation", message))

    @api.delete("/v1/operations/{operation:id}", **document(answer=Empty))
    async def delete_operation(request: Request, operation: str) -> Response:
        """Deletes the record of a finished import. Its clips stay."""
        refuse_others(request)
        message = operations_pb2.DeleteOperationRequest(name=f"operations/{operation}")
        return answer(await parts.ask(request, "DeleteOperation", message))

    return api


async def _watch(parts: Parts, request: Request, name: str) -> AsyncIterator[bytes]:
    """Events until the operation is done, the gateway stops, or the deadline is near."""
    message, last, sent = operations_pb2.GetOperationRequest(name=name), None, 0.0
    while True:
        operation = await parts.ask(request, "GetOperation", message)
        if operation != last:
            yield event("operation", to_json(operation))
            last, sent = operation, time.monotonic()
        elif time.monotonic() - sent > KEEP_ALIVE_SECONDS:
            yield KEEP_ALIVE
            sent = time.monotonic()
        if operation.done or (remaining() or 0) < END_SECONDS or await parts.stopping(LOOK_SECONDS):
            return

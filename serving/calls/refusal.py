"""The end of a call that fails."""

from __future__ import annotations

import grpc

from serving.errors import ServiceError
from serving.telemetry import REQUEST_ID_KEY


async def refuse(
    context: grpc.aio.ServicerContext, error: ServiceError, request_id: str = ""
) -> None:
    """Ends a call with a typed error, and with the call's id if it has one."""
    status = error.to_status()
    told = ((REQUEST_ID_KEY, request_id),) if request_id else ()
    await context.abort(status.code, status.details, (*status.trailing_metadata, *told))

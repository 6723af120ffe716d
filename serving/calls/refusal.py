"""The end of a call that fails."""

from __future__ import annotations

import grpc

from serving.call import Call
from serving.errors import ServiceError
from serving.telemetry import REQUEST_ID_KEY


async def refuse(
    context: grpc.aio.ServicerContext, error: ServiceError, request_id: str = ""
) -> None:
    """Ends a call with a typed error, and with the call's id if it has one."""
    status = error.to_status()
    told = ((REQUEST_ID_KEY, request_id),) if request_id else ()
    await context.abort(status.code, status.details, (*status.trailing_metadata, *told))


async def end(context: grpc.aio.ServicerContext, call: Call) -> None:
    """Ends a call with the error that it failed with, if it failed.

    It belongs after the block of the call. gRPC keeps what it raises here, with all that leads to
    it: within the block that would be the failure, its trace, and so the request.
    """
    failure, call.failure = call.failure, None
    if failure:
        failure.__cause__ = failure.__context__ = None
        await refuse(context, failure.with_traceback(None), call.request_id)

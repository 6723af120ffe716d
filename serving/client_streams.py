"""The client's side of a client stream over grpc.aio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable
from typing import Any

import grpc

_ENDED = (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError)


async def send(call: grpc.aio.StreamUnaryCall[Any, Any], requests: AsyncIterable[Any]) -> Any:
    """Writes the requests to a call and returns its answer, also one that comes before all is sent.

    A write that fails after the answer has come would put INTERNAL in its place (grpc/grpc#36066).
    So the writing is cancelled in the moment the call is done: a cancelled task sees no failure.

    Raises:
        grpc.aio.AioRpcError: The call failed; the status is the server's.
        Exception: What the requests raise.
    """
    writing = asyncio.create_task(_write(call, requests))

    def stop(_: object) -> None:
        writing.cancel()

    call.add_done_callback(stop)
    try:
        await asyncio.wait({writing})
        if not (call.done() and writing.cancelled()):
            writing.result()
        return await call
    finally:
        call.cancel()
        await asyncio.wait({writing})


async def _write(call: grpc.aio.StreamUnaryCall[Any, Any], requests: AsyncIterable[Any]) -> None:
    # A write that fails before the answer has come says nothing: the answer has the reason.
    async for request in requests:
        try:
            await call.write(request)
        except _ENDED:
            return
    with contextlib.suppress(*_ENDED):
        await call.done_writing()

"""The client's side of streams of requests over grpc.aio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

import grpc

from serving.peers.stall import Stall

_ENDED = (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError)


async def send(
    call: grpc.aio.StreamUnaryCall[Any, Any], requests: AsyncIterable[Any], stall: Stall
) -> Any:
    """Writes the requests to a call and returns its answer, also one that comes before all is sent.

    A write that fails after the answer has come would put INTERNAL in its place (grpc/grpc#36066).
    So the writing is cancelled in the moment the call is done: a cancelled task sees no failure.
    `stall` is told of the waiting.

    Raises:
        grpc.aio.AioRpcError: The call failed; the status is the server's.
        Exception: What the requests raise.
    """
    writing = asyncio.create_task(_write(call, requests, stall))

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


async def converse(
    call: grpc.aio.StreamStreamCall[Any, Any], requests: AsyncIterable[Any], stall: Stall
) -> AsyncGenerator[Any, None]:
    """Writes the requests to a call while it yields the answers, also those before an early end.

    A refusal is never lost, and `stall` is told, as in `send`. No more requests are read than the
    other side takes.

    Raises:
        grpc.aio.AioRpcError: The call failed; the status is the server's.
        Exception: What the requests raise.
    """
    writing = asyncio.create_task(_write(call, requests, stall))

    def stop(_: object) -> None:
        writing.cancel()

    def end(written: asyncio.Task[None]) -> None:
        if not written.cancelled() and written.exception():
            call.cancel()

    call.add_done_callback(stop)
    writing.add_done_callback(end)
    try:
        answers = aiter(call)
        while True:
            with stall.reading():
                answer = await anext(answers, None)
            if answer is None:
                break
            yield answer
    except asyncio.CancelledError:
        if writing.done() and not writing.cancelled():
            writing.result()  # the requests failed, and ended the call
        raise
    finally:
        call.cancel()
        writing.cancel()
        await asyncio.wait({writing})


async def _write(
    call: grpc.aio.StreamUnaryCall[Any, Any] | grpc.aio.StreamStreamCall[Any, Any],
    requests: AsyncIterable[Any],
    stall: Stall,
) -> None:
    # A write that fails before the answer has come says nothing: the answer has the reason.
    async for request in requests:
        try:
            with stall.writing():
                await call.write(request)
        except _ENDED:
            return
    with contextlib.suppress(*_ENDED):
        await call.done_writing()

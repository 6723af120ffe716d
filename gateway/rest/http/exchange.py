"""One HTTP request and its answer, while the application works on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from gateway.rest.http.errors import error_headers, error_json, http_status
from gateway.rest.http.streaming import event
from serving.compat import timeout
from serving.errors import Reason, ServiceError

STALL_SECONDS = 60.0
"""Longest wait for the client to send the next piece, or to receive one."""

LINGER_SECONDS = 300.0
"""Longest that the rest of a request is read after its answer.

A connection that is closed before that is reset, and many clients then never see the answer.
"""

CONNECTION = "connection"
"""Key in a request's state for its connection, from gateway.rest.http.connection."""

ResultT = TypeVar("ResultT")


class Exchange:
    """Passes messages on, limits the time that a client may stall, and notices when it leaves."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wraps the channels of the server."""
        self._scope = scope
        self._receive = receive
        self._send = send
        self._first: Message | None = None
        self.received = 0
        """Bytes of the body so far."""
        self._body_over = asyncio.Event()
        self._lost = asyncio.Event()
        self._started = self._complete = self._events = self._sized = self._held = False
        self.lingers = True
        """False if nothing more of the connection is to be read after the answer."""

    @property
    def gone(self) -> bool:
        """True if the client went away before the answer was complete."""
        return self._lost.is_set()

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Cancels the block when the client goes away."""
        headers = Headers(scope=self._scope)
        if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
            self._first = await self.receive()
        watcher = asyncio.create_task(self._watch(asyncio.current_task()))
        try:
            yield
        finally:
            watcher.cancel()

    async def _watch(self, task: asyncio.Task[None] | None) -> None:
        await self._body_over.wait()
        await self._receive()  # after the body, only the end of the connection can come
        if task and not self._complete:
            self._lost.set()
            task.cancel()

    async def receive(self) -> Message:
        """The next piece of the request. If the client goes away, the call is cancelled."""
        if self._first:
            message, self._first = self._first, None
            return message
        if self._body_over.is_set():
            await self._lost.wait()
            return {"type": "http.disconnect"}
        message = await _in_time(self._receive(), "sent")
        if message["type"] == "http.disconnect":
            self._lost.set()
            raise asyncio.CancelledError
        self.received += len(message.get("body", b""))
        if not message.get("more_body"):
            self._body_over.set()
        return message

    async def send(self, message: Message) -> None:
        """Sends a piece of the answer."""
        if message["type"] == "http.response.start":
            self._started = True
            headers = Headers(raw=message["headers"])
            self._events = headers.get("content-type", "").startswith("text/event-stream")
            self._sized = "content-length" in headers
        elif not message.get("more_body"):
            self._complete = True
            # The length tells the client where the answer ends. The server learns it in `finish`.
            self._held = self.lingers and self._sized and not self._body_over.is_set()
            message = {**message, "more_body": self._held}
        await _in_time(self._send(message), "took")

    async def finish(self) -> None:
        """Ends an answer that came before the end of its request, of which the rest is dropped."""
        if not self._held:
            return
        try:
            async with timeout(LINGER_SECONDS):
                await self._drop()
            await self._send({"type": "http.response.body", "body": b""})
        except (ServiceError, TimeoutError, asyncio.TimeoutError, asyncio.CancelledError):
            await self._break_off()

    async def _drop(self) -> None:
        more = True
        while more:
            message = await _in_time(self._receive(), "sent")
            more = message["type"] == "http.request" and message.get("more_body", False)

    async def fail(self, error: ServiceError) -> None:
        """Sends an error as the answer or as the last event, or else aborts the connection.

        The abort tells the client that the answer is not complete.
        """
        try:
            told = await self._tell(error)
        except ServiceError:  # the client does not read the error either
            told = False
        if not told:
            await self._break_off()

    async def _tell(self, error: ServiceError) -> bool:
        """Sends an error if that is still possible; returns True if it was."""
        body = error_json(error)
        if not self._started:
            length = (b"content-length", str(len(body)).encode())
            closing = [] if self.lingers else [(b"connection", b"close")]
            headers = [*error_headers(error), length, *closing]
            status = http_status(error)
            await self.send({"type": "http.response.start", "status": status, "headers": headers})
        elif self._events and not self._complete:
            body = event("error", body)
        else:
            return False
        await self.send({"type": "http.response.body", "body": body})
        return True

    async def _break_off(self) -> None:
        """Ends the connection at once, even if there is more to send."""
        self._scope["state"][CONNECTION].abort()
        await asyncio.sleep(0)  # the server must learn of it before it checks the answer


async def _in_time(step: Awaitable[ResultT], did: str) -> ResultT:
    try:
        async with timeout(STALL_SECONDS):
            return await step
    except (TimeoutError, asyncio.TimeoutError):
        message = f"the client {did} nothing for {STALL_SECONDS:.0f} s"
        raise ServiceError(Reason.DEADLINE_EXCEEDED, message) from None

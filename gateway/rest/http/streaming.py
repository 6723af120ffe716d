"""Answers that are sent while they are produced."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEAD = "head"
"""Key in a request's state, True if only the head of the answer is wanted."""

KEEP_ALIVE = b": still here\n\n"
"""An event that clients ignore. It keeps proxies from closing a quiet stream."""


class Streaming(Response):
    """Sends chunks in the task of the request, so that their source ends with it.

    The answer starts with the first chunk, so an earlier failure has its own status.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        """Sends `chunks` with a status and headers."""
        self._chunks = chunks
        self.status_code = status_code
        self.media_type = media_type
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Sends all chunks, and closes their source in any case."""
        async with contextlib.AsyncExitStack() as cleaning:
            if close := getattr(self._chunks, "aclose", None):
                cleaning.push_async_callback(close)
            first = await anext(self._chunks, b"")
            start = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **start})
            if not scope["state"][HEAD]:
                await send({"type": "http.response.body", "body": first, "more_body": True})
                async for chunk in self._chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class Events(Streaming):
    """Server-sent events, as `event` makes them."""

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        """Sends `events`."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(events, headers=headers, media_type="text/event-stream")


def event(kind: str, data: bytes) -> bytes:
    """One server-sent event; `data` is JSON on one line."""
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

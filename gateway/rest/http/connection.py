"""Connections of the HTTP server, with limits against clients that send nothing."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.rest.http.errors import error_json
from gateway.rest.http.exchange import CONNECTION
from serving.calls.shares import Shares
from serving.errors import Reason, ServiceError

HEAD_SECONDS = 20.0
"""Longest that a client may take to send the head of a request."""

HEAD_BYTES = 32 * 1024


class Connection(H11Protocol):
    """uvicorn's connection, with a time limit for the head of a request, and a way to abort it."""

    def __init__(self, app_state: dict[str, Any], room: Shares, **options: Any) -> None:
        """Puts the connection into the state of its requests. Addresses share `room`."""
        super().__init__(app_state={**app_state, CONNECTION: self}, **options)
        self._timer: asyncio.TimerHandle | None = None
        self._room = room
        self._counted = ""

    def connection_made(self, transport: Any) -> None:
        """Starts to wait for a request, if there is room for the connection."""
        super().connection_made(transport)
        # Head and body are written separately. With Nagle's algorithm the body would wait 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait()
        address = self.client[0] if self.client else "unknown"
        if self._room.take(address, 1):
            self._counted = address
        else:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops waiting."""
        super().connection_lost(exc)
        self._wait_no_longer()
        if self._counted:
            self._room.give_back(self._counted, 1)
            self._counted = ""

    def data_received(self, data: bytes) -> None:
        """Stops waiting once the head is complete."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._wait_no_longer()
        elif self._timer is None:
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Answers invalid HTTP with an error in JSON."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.abort()
            return
        body = error_json(ServiceError(Reason.FIELD_INVALID, msg))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        head = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for part in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(part))
        self.transport.close()
        if self.cycle and not self.cycle.response_complete:
            # The request's own answer comes too late: it is dropped, as if the client had left.
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def abort(self) -> None:
        """Ends the connection at once, even if the client reads nothing."""
        self.transport.abort()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self.abort)

    def _wait_no_longer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

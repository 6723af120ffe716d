"""HTTP by hand: bytes that no HTTP library would send."""

from __future__ import annotations

import contextlib
import http.client
import socket
from dataclasses import dataclass

from tests.fuzz.outcomes import DEADLINE, Outcome, of_answer

MOST_BYTES = 256 * 1024
"""Bytes of an answer that are read."""


@dataclass(frozen=True)
class Request:
    """A request as bytes."""

    method: str
    path: bytes
    host: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    @property
    def packed(self) -> bytes:
        """All of it, for a connection that ends with its answer."""
        lines = [self.method.encode() + b" " + self.path + b" HTTP/1.1", b"host: " + self.host]
        lines += [name + b": " + value for name, value in self.headers]
        return b"\r\n".join([*lines, b"connection: close", b"", self.body])


def exchange(
    address: tuple[str, int], request: Request, *, typed: bool, seconds: float, events: bool
) -> Outcome:
    """Sends a request and reads its answer; of `events` only those that come at once."""
    try:
        with socket.create_connection(address, timeout=seconds) as connection:
            # An answer that comes before the request is read ends the sending.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request.packed)
            answer = http.client.HTTPResponse(connection, method=request.method)
            with contextlib.closing(answer):
                answer.begin()
                body = b"" if events and answer.status == 200 else answer.read(MOST_BYTES)
    except TimeoutError:
        fault = "no answer in time" if seconds >= DEADLINE else ""
        return Outcome("cut off", fault=fault)
    except (http.client.HTTPException, ConnectionError) as error:
        return Outcome("closed", type(error).__name__)
    if request.method == "HEAD":
        typed = False
    return of_answer(answer.status, body, typed=typed)

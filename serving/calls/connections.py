"""Connections of a server: how many there may be, and how much each may hold without a call."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import time
from typing import Any

import structlog

FILES = 65_536
"""Open files that a program asks for. More make some libraries slow."""

_FEWER_FILES = 10_240
"""Most that macOS gives a program whose hard limit is none."""

_SPARE_FILES = 512
"""Files that a program needs beside its connections, for stores, recordings and other services."""

_HANDSHAKE_MS = 10_000
_IDLE_MS = 300_000
_LOOKAHEAD_BYTES = 256 * 1024
_STREAMS = 1024
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_QUIET_SECONDS = 60.0
log = structlog.get_logger()


def raise_file_limit() -> None:
    """Lets this process open as many files as it may, up to FILES."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (FILES, _FEWER_FILES):
        wanted = most if hard == resource.RLIM_INFINITY else min(hard, most)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


def affordable(connections: int) -> int:
    """The connections that one of two servers of this process may have: fewer if files are few."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    most = max(16, (soft - _SPARE_FILES) // 2)
    if most < connections:
        log.warning("connections.few", most=most, wanted=connections, files=soft)
    return min(most, connections)


def grpc_options(connections: int) -> list[tuple[str, int]]:
    """Options of a gRPC server with at most so many connections."""
    return [
        ("grpc.max_allowed_incoming_connections", affordable(connections)),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.http2.settings_timeout", _HANDSHAKE_MS),
        ("grpc.max_connection_idle_ms", _IDLE_MS),
        ("grpc.max_concurrent_streams", _STREAMS),
        # Otherwise gRPC receives whole messages that nobody has asked for yet.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _LOOKAHEAD_BYTES),
    ]


class QuietLoop:
    """Tells once a minute that no connection can be accepted, for want of files or memory.

    asyncio tells it for each try, with a trace, a thousand times a second.
    """

    def __init__(self) -> None:
        """Has told nothing yet."""
        self._told = -_QUIET_SECONDS
        self._kept = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handles an exception that nobody has caught on an event loop."""
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _OUT_OF_FILES):
            loop.default_exception_handler(context)
            return
        self._kept += 1
        now = time.monotonic()
        if now - self._told >= _QUIET_SECONDS:
            log.error("connections.none_accepted", why=str(error), times=self._kept)
            self._told, self._kept = now, 0
